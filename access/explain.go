package access

import "time"

// A Question asks what would become of a visit, without anybody standing at the door.
type Question struct {
	Person     string
	Door       string
	At         time.Time
	Clock      Clock
	Floor      time.Time
	Factors    Factors // what the person shows; empty is the face
	Mask       string  // mask_state; empty is "none"
	Head       string  // head_cover; empty is "none"
	Second     string  // who comes right after and shows the same; may be empty
	LockedDown bool
}

// Explain answers q by the very [Policy.Decide] that answers visits: whoever the question names
// is taken to be recognised beyond doubt, alive, with the right PIN where one is shown.
func (p *Policy) Explain(q Question, people Lookup, m *Memory) Decision {
	d := p.Decide(q.visit(q.Person), people, m)
	if d.Need != NeedSecond || q.Second == "" {
		return d
	}
	second := q.visit(q.Second)
	second.First = q.Person
	return p.Decide(second, people, m)
}

// visit is the visit of one of the people a question names.
func (q *Question) visit(id string) Visit {
	v := Visit{Door: q.Door, At: q.At, Clock: q.Clock, Floor: q.Floor, LockedDown: q.LockedDown}
	if q.Factors != FactorPIN {
		v.Seen = &Sighting{
			At: q.At, Quality: qualityOK, Liveness: Live, Level: "assumed", Score: 1, Mask: q.Mask, Head: q.Head,
			Matches: []Match{{Person: id, Score: 100, Cosine: 1}}, Threshold: Threshold{Score: 1},
		}
		if v.Seen.Mask == "" {
			v.Seen.Mask = maskNone
		}
		if v.Seen.Head == "" {
			v.Seen.Head = "none"
		}
	}
	if q.Factors == FactorPIN || q.Factors == FactorFacePIN {
		v.PIN = Entry{Person: id, Result: EntryRight}
	}
	return v
}
