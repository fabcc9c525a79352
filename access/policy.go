package access

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// An Outcome is what a decision comes to. The zero value is Deny.
type Outcome uint8

// The outcomes.
const (
	Deny      Outcome = iota
	Challenge         // something more is asked of the person
	Grant
)

// String is grant, challenge or deny; a value that is none of them denies.
func (o Outcome) String() string {
	switch o {
	case Grant:
		return "grant"
	case Challenge:
		return "challenge"
	}
	return "deny"
}

// MarshalText is String, for JSON.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// A Policy is one snapshot of a site's rules. It is never changed: a new snapshot with a
// higher revision replaces it. The zero Policy is that of a site which has set no rules:
// every enrolled, valid person may pass the door [MainDoor], with the face alone. A nil
// Policy lets nobody pass.
type Policy struct {
	Revision uint64
}

// Scores are the numbers behind a decision, nil where a stage did not run or must not be told.
type Scores struct {
	Match    *float64 `json:"match"`    // calibrated, 0..100
	Margin   *float64 `json:"margin"`   // cosine distance from the first person to the second
	Liveness *float64 `json:"liveness"` // 0..1
	Mask     *float64 `json:"mask"`     // 0..1
	Head     *float64 `json:"head"`     // 0..1
}

// A Decision is the answer to one sighting and explains itself.
type Decision struct {
	Outcome Outcome           `json:"decision"`
	Reason  Reason            `json:"reason,omitempty"` // exactly one where the outcome is not grant, else empty
	Person  string            `json:"person,omitempty"` // id; empty where nobody was recognised
	Door    string            `json:"door"`
	At      time.Time         `json:"at"`
	Scores  Scores            `json:"scores"`
	Models  map[string]string `json:"models,omitempty"`
	Policy  uint64            `json:"policy"`           // revision that decided
	Detail  string            `json:"detail,omitempty"` // which part of the liveness check refused
	Because []string          `json:"because"`          // the steps taken, for people; no names
}

// Decide answers whether the person seen may pass the door now. It goes through quality,
// liveness, identity, the person's validity and the door, and the first refusal ends it, so
// a decision tells nothing of the later stages: where quality or liveness failed it holds no
// similarity and nobody's id. people is asked once at most; nil knows nobody.
func (p *Policy) Decide(s Sighting, people Lookup, door string, now time.Time) Decision {
	d := Decision{Door: door, At: now, Models: s.Models}
	if p == nil {
		return d.deny(ReasonNoAccessHere, "no policy is loaded")
	}
	d.Policy = p.Revision
	if s.Quality != qualityOK {
		r := Reason(s.Quality)
		if !r.Quality() {
			return d.deny(ReasonImageError, "the picture was not judged")
		}
		return d.deny(r, "the picture's quality is "+s.Quality)
	}
	d.Scores.Mask, d.Scores.Head = fraction(s.MaskScore), fraction(s.HeadScore)
	if r, why := s.lifeless(); r != "" {
		d.Detail = s.Detail
		if r == ReasonSpoof {
			d.Scores.Liveness = fraction(&s.Score)
		}
		return d.deny(r, why)
	}
	d.Scores.Liveness = fraction(&s.Score)
	d.because("live at level %q", s.Level)

	if r, why := s.identify(&d.Scores); r != "" {
		return d.deny(r, why)
	}
	id := s.Matches[0].Person
	var person Person
	known := false
	if people != nil {
		person, known = people(id)
	}
	if !known || person.ID != id {
		return d.deny(ReasonUnknownPerson, "the template matched belongs to nobody")
	}
	d.Person = id
	d.because("recognised: score %.1f reaches %.1f", *d.Scores.Match, s.Threshold.Score)

	if r, why := person.refusal(now); r != "" {
		return d.deny(r, why)
	}
	d.because("the person is valid now")
	if door != MainDoor {
		return d.deny(ReasonNoAccessHere, fmt.Sprintf("no rule opens the door %q", door))
	}
	d.because("every valid person may pass this door")
	d.Outcome = Grant
	return d
}

// Unrecorded is what becomes of d where it could not be written to the audit trail and the
// site demands that it is: a grant turns into a denial, a refusal stays as it was.
func (d Decision) Unrecorded() Decision {
	if d.Outcome == Deny {
		return d
	}
	return d.deny(ReasonAuditUnavailable, "the audit trail could not be written")
}

// Event is the record of d: access.granted, face.refused where the picture was the reason,
// else access.denied.
func (d Decision) Event(source string) Event {
	kind := KindDenied
	switch {
	case d.Outcome == Grant:
		kind = KindGranted
	case d.Reason.Quality():
		kind = KindFaceRefused
	}
	e := Event{
		Time: d.At, Kind: kind, Person: d.Person, Reason: d.Reason, Door: d.Door,
		Scores: d.Scores, Models: d.Models, Policy: d.Policy, Source: source,
	}
	if d.Detail != "" {
		e.Data = map[string]string{"liveness": d.Detail}
	}
	return e
}

func (d Decision) deny(r Reason, why string) Decision {
	d.Outcome, d.Reason = Deny, r
	d.Because = append(slices.Clip(d.Because), why)
	return d
}

func (d *Decision) because(format string, args ...any) {
	d.Because = append(d.Because, fmt.Sprintf(format, args...))
}

// lifeless is why the face is not taken for a living one, or "".
func (s *Sighting) lifeless() (Reason, string) {
	switch {
	case s.Liveness == Spoof:
		return ReasonSpoof, fmt.Sprintf("not a living face at level %q", s.Level)
	case s.Liveness != Live:
		return ReasonLivenessUnavailable, fmt.Sprintf("liveness could not be judged at level %q", s.Level)
	case !(s.Score >= 0 && s.Score <= 1):
		return ReasonLivenessUnavailable, "the liveness score is not a number from 0 to 1"
	}
	return "", ""
}

// identify is why the first match is not accepted, or "". It fills in match and margin.
func (s *Sighting) identify(sc *Scores) (Reason, string) {
	if len(s.Matches) == 0 {
		return ReasonUnknownPerson, "nobody enrolled is alike"
	}
	for _, m := range s.Matches {
		if !(m.Score >= 0 && m.Score <= 100 && m.Cosine >= -1.01 && m.Cosine <= 1.01) {
			return ReasonUnknownPerson, "a match score is not a number in its range"
		}
	}
	first := s.Matches[0]
	sc.Match = new(first.Score)
	distance, second := math.Inf(1), false
	for _, m := range s.Matches[1:] {
		if m.Person != first.Person {
			distance, second = min(distance, first.Cosine-m.Cosine), true
		}
	}
	if second {
		sc.Margin = new(distance)
	}
	t := s.Threshold
	switch {
	case !(t.Score > 0 && t.Score <= 100 && t.Margin >= 0 && t.Margin <= 2):
		return ReasonUnknownPerson, "there is no usable threshold"
	case first.Score < t.Score:
		return ReasonUnknownPerson, fmt.Sprintf("the best score %.1f is below %.1f", first.Score, t.Score)
	case second && (distance <= 0 || distance < t.Margin):
		return ReasonAmbiguous, fmt.Sprintf("two people are %.3f apart, less than %.3f", distance, t.Margin)
	}
	return "", ""
}

// fraction is a copy of x where it is a number from 0 to 1, else nil.
func fraction(x *float64) *float64 {
	if x == nil || !(*x >= 0 && *x <= 1) {
		return nil
	}
	return new(*x)
}
