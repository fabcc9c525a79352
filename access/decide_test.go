package access

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// genuine is a sighting of p1 that everybody would let in.
func genuine() Sighting {
	return Sighting{
		At: noon, Quality: "ok", Liveness: Live, Level: "depth", Score: 0.97,
		Matches:   []Match{{"p1", 96, 0.71}, {"p2", 31, 0.22}},
		Threshold: Threshold{Score: 90, Margin: 0.05},
		Models:    map[string]string{"embed": "e1"},
	}
}

// visit is a visit of whom the camera saw, by a clock that can be trusted.
func visit(s Sighting, door string, at time.Time) Visit {
	return Visit{Door: door, At: at, Clock: ClockSynced, Seen: &s}
}

func people() Lookup {
	return NewDirectory([]Person{
		{ID: "p1", Name: "Ada Unterwegs"},
		{ID: "p2", Name: "Bea Anders"},
		{ID: "blocked", Blocked: true},
		{ID: "early", ValidFrom: noon.Add(time.Millisecond)},
		{ID: "starts", ValidFrom: noon},
		{ID: "late", ValidUntil: noon},
		{ID: "ends", ValidUntil: noon.Add(time.Millisecond)},
		{ID: "blocked and late", Blocked: true, ValidUntil: noon},
	}).Person
}

func TestDecide(t *testing.T) {
	nan := math.NaN()
	as := func(id string) func(*Sighting) { return func(s *Sighting) { s.Matches[0].Person = id } }
	tests := []struct {
		name   string
		change func(*Sighting)
		want   Reason // empty: grant
	}{
		{"a known, living, valid person", func(*Sighting) {}, ""},
		{"a threshold that is just reached", func(s *Sighting) { s.Matches[0].Score = 90 }, ""},
		{"nobody else enrolled", func(s *Sighting) { s.Matches = s.Matches[:1] }, ""},
		{"several templates of one person", func(s *Sighting) { s.Matches[1] = Match{"p1", 95, 0.70} }, ""},

		{"quality before all", func(s *Sighting) { s.Quality, s.Liveness = "dark", Spoof }, ReasonDark},
		{"occluded", func(s *Sighting) { s.Quality = "occluded" }, ReasonOccluded},
		{"no quality", func(s *Sighting) { s.Quality = "" }, ReasonImageError},
		{"a quality that is a reason but no quality code", func(s *Sighting) { s.Quality = "spoof" }, ReasonImageError},
		{"a quality nobody knows", func(s *Sighting) { s.Quality = "splendid" }, ReasonImageError},

		{"spoof before identity", func(s *Sighting) { s.Liveness, s.Matches = Spoof, nil }, ReasonSpoof},
		{"liveness not judged", func(s *Sighting) { s.Liveness = LivenessUnavailable }, ReasonLivenessUnavailable},
		{"a liveness outcome nobody knows", func(s *Sighting) { s.Liveness = 9 }, ReasonLivenessUnavailable},
		{"a liveness score that is not a number", func(s *Sighting) { s.Score = nan }, ReasonLivenessUnavailable},
		{"a liveness score above 1", func(s *Sighting) { s.Score = 1.5 }, ReasonLivenessUnavailable},

		{"no match", func(s *Sighting) { s.Matches = nil }, ReasonUnknownPerson},
		{"below the threshold", func(s *Sighting) { s.Matches[0].Score = 89.99 }, ReasonUnknownPerson},
		{"a score that is not a number", func(s *Sighting) { s.Matches[0].Score = nan }, ReasonUnknownPerson},
		{"an infinite score", func(s *Sighting) { s.Matches[0].Score = math.Inf(1) }, ReasonUnknownPerson},
		{"a cosine that is not a number", func(s *Sighting) { s.Matches[0].Cosine = nan }, ReasonUnknownPerson},
		{"a second score that is not a number", func(s *Sighting) { s.Matches[1].Score = nan }, ReasonUnknownPerson},
		{"no threshold", func(s *Sighting) { s.Threshold = Threshold{} }, ReasonUnknownPerson},
		{"a threshold that is not a number", func(s *Sighting) { s.Threshold.Score = nan }, ReasonUnknownPerson},
		{"a margin that is not a number", func(s *Sighting) { s.Threshold.Margin = nan }, ReasonUnknownPerson},
		{"a negative margin", func(s *Sighting) { s.Threshold.Margin = -1 }, ReasonUnknownPerson},
		{"two people too close", func(s *Sighting) { s.Matches[1] = Match{"p2", 94, 0.67} }, ReasonAmbiguous},
		{"two people alike without a margin", func(s *Sighting) { s.Matches[1], s.Threshold.Margin = Match{"p2", 96, 0.71}, 0 }, ReasonAmbiguous},
		{"not in order", func(s *Sighting) { s.Matches[1] = Match{"p2", 99, 0.8} }, ReasonAmbiguous},
		{"the third is too close", func(s *Sighting) { s.Matches = append(s.Matches, Match{"p3", 95, 0.70}) }, ReasonAmbiguous},
		{"a template of nobody", as("ghost"), ReasonUnknownPerson},
		{"a template without a person", as(""), ReasonUnknownPerson},

		{"blocked", as("blocked"), ReasonBlocked},
		{"blocked says so before expired", as("blocked and late"), ReasonBlocked},
		{"before the first moment", as("early"), ReasonNotYetValid},
		{"at the first moment", as("starts"), ""},
		{"after the last moment", as("late"), ReasonExpired},
		{"at the last moment", as("ends"), ""},
	}
	policy := &Policy{Revision: 7}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := genuine()
			tt.change(&s)
			d := policy.Decide(visit(s, MainDoor, noon), people(), nil)
			if d.Reason != tt.want || (d.Outcome == Grant) != (tt.want == "") || d.Policy != 7 || len(d.Because) == 0 {
				t.Errorf("got %v, reason %q, policy %d, because %q; want reason %q", d.Outcome, d.Reason, d.Policy, d.Because, tt.want)
			}
		})
	}
}

func TestDecideElsewhere(t *testing.T) {
	granted := func(d Decision) bool { return d.Outcome == Grant }
	if d := new(Policy).Decide(visit(genuine(), "vault", noon), people(), nil); granted(d) || d.Reason != ReasonNoAccessHere {
		t.Errorf("another door: %v %s", d.Outcome, d.Reason)
	}
	var none *Policy
	if d := none.Decide(visit(genuine(), MainDoor, noon), people(), nil); granted(d) || d.Reason != ReasonNoAccessHere {
		t.Errorf("no policy: %v %s", d.Outcome, d.Reason)
	}
	if d := new(Policy).Decide(visit(genuine(), MainDoor, noon), nil, nil); granted(d) || d.Reason != ReasonUnknownPerson {
		t.Errorf("no people: %v %s", d.Outcome, d.Reason)
	}
	wrong := func(string) (Person, bool) { return Person{ID: "p2"}, true }
	if d := new(Policy).Decide(visit(genuine(), MainDoor, noon), wrong, nil); granted(d) {
		t.Error("somebody else's record grants")
	}
	s := genuine()
	s.Matches[0].Person = "ends"
	if d := new(Policy).Decide(visit(s, MainDoor, time.Time{}), people(), nil); granted(d) || d.Reason != ReasonNotYetValid {
		t.Errorf("limited validity without a time: %v %s", d.Outcome, d.Reason)
	}
	if d := new(Policy).Decide(visit(Sighting{}, MainDoor, noon), people(), nil); granted(d) {
		t.Error("the zero sighting grants")
	}
}

func TestUnrecorded(t *testing.T) {
	d := new(Policy).Decide(visit(genuine(), MainDoor, noon), people(), nil)
	u := d.Unrecorded()
	if u.Outcome != Deny || u.Reason != ReasonAuditUnavailable || d.Outcome != Grant || len(d.Because) == len(u.Because) {
		t.Errorf("grant unrecorded: %+v; the grant itself: %+v", u, d)
	}
	s := genuine()
	s.Liveness = Spoof
	if u := new(Policy).Decide(visit(s, MainDoor, noon), people(), nil).Unrecorded(); u.Reason != ReasonSpoof {
		t.Errorf("a refusal unrecorded: %s, want its own reason", u.Reason)
	}
}

func TestDecisionEvent(t *testing.T) {
	kind := func(change func(*Sighting)) Event {
		s := genuine()
		change(&s)
		e := new(Policy).Decide(visit(s, MainDoor, noon), people(), nil).Event(SourceCamera)
		e.Seq, e.ID, e.Clock = 1, "e", ClockSynced
		if _, _, err := e.Chain(Hash{}); err != nil {
			t.Errorf("a decision that cannot be recorded: %v", err)
		}
		return e
	}
	if e := kind(func(*Sighting) {}); e.Kind != KindGranted || e.Person != "p1" || e.Reason != "" || *e.Scores.Match != 96 {
		t.Errorf("grant: %+v", e)
	}
	if e := kind(func(s *Sighting) { s.Quality = "dark" }); e.Kind != KindFaceRefused || e.Reason != ReasonDark {
		t.Errorf("quality: %+v", e)
	}
	if e := kind(func(s *Sighting) { s.Matches = nil }); e.Kind != KindDenied || e.Person != "" {
		t.Errorf("stranger: %+v", e)
	}
}

// Whatever comes in: no panic, one reason unless it is a grant, a record that can be kept,
// no name, and no similarity where liveness failed.
func TestDecideIsTotal(t *testing.T) {
	number := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-2, 101), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1, 90, 100}))
	id := rapid.SampledFrom([]string{"", "p1", "p2", "blocked", "early", "late", "ghost"})
	rapid.Check(t, func(t *rapid.T) {
		s := Sighting{
			Quality:   rapid.SampledFrom([]string{"ok", "ok", "ok", "dark", "", "x"}).Draw(t, "quality"),
			Liveness:  Liveness(rapid.IntRange(0, 3).Draw(t, "liveness")),
			Score:     number.Draw(t, "score"),
			Threshold: Threshold{number.Draw(t, "threshold"), number.Draw(t, "margin")},
		}
		if rapid.Bool().Draw(t, "masks") {
			s.MaskScore, s.HeadScore = new(number.Draw(t, "mask")), new(number.Draw(t, "head"))
		}
		for range rapid.IntRange(0, 4).Draw(t, "matches") {
			s.Matches = append(s.Matches, Match{id.Draw(t, "id"), number.Draw(t, "match"), number.Draw(t, "cosine")})
		}
		d := new(Policy).Decide(visit(s, rapid.SampledFrom([]string{"", MainDoor, "vault"}).Draw(t, "door"), noon), people(), nil)
		if (d.Outcome == Grant) != (d.Reason == "") || d.Reason != "" && !d.Reason.Valid() {
			t.Fatalf("%v with reason %q", d.Outcome, d.Reason)
		}
		if s.Liveness != Live && (d.Outcome == Grant || d.Scores.Match != nil || d.Scores.Margin != nil || d.Person != "") {
			t.Fatalf("not alive, yet %+v", d)
		}
		if d.Outcome == Grant && !(s.Matches[0].Score >= s.Threshold.Score && s.Score >= 0 && s.Score <= 1) {
			t.Fatalf("granted on %+v", s)
		}
		if all := strings.Join(d.Because, " "); strings.Contains(all, "Ada") || strings.Contains(all, "Bea") {
			t.Fatalf("a name in %q", all)
		}
		e := d.Event(SourceCamera)
		e.Seq, e.ID, e.Clock = 1, "e", ClockUnsure
		if _, _, err := e.Chain(Hash{}); err != nil {
			t.Fatalf("cannot be recorded: %v", err)
		}
	})
}
