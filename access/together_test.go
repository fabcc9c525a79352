package access

import (
	"testing"
	"time"
)

func TestTogether(t *testing.T) {
	people := NewDirectory([]Person{
		{ID: "p1", Groups: []string{"g"}},
		{ID: "p2", Groups: []string{"g"}},
		{ID: "guest", Groups: []string{"g"}, Visitor: true},
		{ID: "guest2", Groups: []string{"g"}, Visitor: true},
		{ID: "bad", Groups: []string{"g"}, Blocked: true},
		{ID: "stranger"},
		{ID: "late", Groups: []string{"g"}, ValidUntil: noon},
		{ID: "chief", Bypass: &Bypass{Since: noon.Add(-time.Hour), Until: noon.Add(time.Hour), Reason: "r", Author: "a"}},
	}).Person
	two, escort := DoorRule{Demand: Demand{TwoPeople: new(true)}, Bypass: true}, DoorRule{Escort: true}
	tests := []struct {
		name      string
		door      DoorRule
		who, with string // with has come before
		want      Outcome
		reason    Reason
		need      Need
		told      string // who passes with them
	}{
		{"alone where two are needed", two, "p1", "", Challenge, ReasonNoAccessHere, NeedSecond, ""},
		{"two", two, "p1", "p2", Grant, "", "", "p2"},
		{"nobody is two people", two, "p1", "p1", Challenge, ReasonNoAccessHere, NeedSecond, ""},
		{"a ghost is nobody", two, "p1", "ghost", Challenge, ReasonNoAccessHere, NeedSecond, ""},
		{"the other is blocked", two, "p1", "bad", Deny, ReasonBlocked, "", ""},
		{"the other may not pass here", two, "p1", "stranger", Deny, ReasonNoAccessHere, "", ""},
		{"the other has expired", two, "p1", "late", Deny, ReasonExpired, "", ""},
		{"the other passes by a bypass", two, "p1", "chief", Grant, "", "", "chief"},
		{"a bypass needs no second", two, "chief", "", Grant, "", "", ""},
		{"visitors are people where only two are needed", two, "guest", "guest2", Grant, "", "", "guest2"},
		{"a visitor alone", escort, "guest", "", Challenge, ReasonNoAccessHere, NeedSecond, ""},
		{"a visitor behind a host", escort, "guest", "p1", Grant, "", "", "p1"},
		{"a host behind a visitor", escort, "p1", "guest", Grant, "", "", "guest"},
		{"two visitors", escort, "guest", "guest2", Challenge, ReasonNoAccessHere, NeedSecond, ""},
		{"a visitor twice", escort, "guest", "guest", Challenge, ReasonNoAccessHere, NeedSecond, ""},
		{"a host alone", escort, "p1", "", Grant, "", "", ""},
		{"a host behind a host passes alone", escort, "p1", "p2", Grant, "", "", ""},
		{"a visitor where nobody escorts", DoorRule{}, "guest", "", Grant, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := oneDoor(tt.door)
			r.Access[0].Groups = []string{"g"}
			s := genuine()
			s.Matches[0].Person = tt.who
			s.Matches = s.Matches[:1]
			v := visit(s, MainDoor, noon)
			v.First = tt.with
			d := sound(t, r).Decide(v, people, nil)
			if d.Outcome != tt.want || d.Reason != tt.reason || d.Need != tt.need || d.With != tt.told {
				t.Errorf("got %v %q %q with %q, because %q", d.Outcome, d.Reason, d.Need, d.With, d.Because)
			}
		})
	}
}
