package apitest_test

import (
	"testing"

	"facegate/api/apitest"
	"facegate/document/mrz"
)

// The card is one that a reader accepts, and A is the person on it.
func TestCard(t *testing.T) {
	f := apitest.NewFaces(t)
	r, err := mrz.Parse(f.Zone())
	if err != nil {
		t.Fatalf("%q: %v", f.Zone(), err)
	}
	for _, c := range r.Checks {
		if !c.Passed {
			t.Errorf("%q: %s is wrong", f.Zone(), c.Name)
		}
	}
	s := apitest.New(t, nothing, apitest.Options{})
	live := s.Look(t, f.A2()).Template
	for name, card := range map[string][]byte{"Card": f.Card(), "OldCard": f.OldCard(), "BadCard": f.BadCard(), "PlainCard": f.PlainCard()} {
		l := s.Look(t, card)
		score, err := s.Judge.Compare(live, l.Template)
		if err != nil || score < .9 {
			t.Errorf("%s: similarity of %v: %v", name, score, err)
		}
		t.Logf("%s: %s %.3f", name, l.Quality, score)
	}
	if l := s.Look(t, f.FacelessCard()); l.Faces != 0 {
		t.Errorf("there are %d faces on a card without a portrait", l.Faces)
	}
}
