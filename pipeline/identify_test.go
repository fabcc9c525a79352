package pipeline

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"facegate/access"
	"facegate/pipeline/match"
)

const testDim = 8

// reference is one of a made-up embedder. The second measures larger cosines for the same
// likeness.
func reference(tb testing.TB, model string, shift float64) Reference {
	tb.Helper()
	g, err := match.NewGallery(model, testDim)
	if err != nil {
		tb.Fatal(err)
	}
	scale := func(points ...match.Point) *match.Calibration {
		c, err := match.CalibrationFromPoints(points)
		if err != nil {
			tb.Fatal(err)
		}
		return c
	}
	return Reference{
		g, scale(match.Point{FMR: 1e-2, Cosine: .2 + shift}, match.Point{FMR: 1e-4, Cosine: .4 + shift}, match.Point{FMR: 1e-6, Cosine: .5 + shift}),
		scale(match.Point{FMR: 1e-2, Cosine: .4 + shift}, match.Point{FMR: 1e-3, Cosine: .5 + shift}),
	}
}

// like is a vector whose cosine with axis 0 is c; which says in what direction the rest lies.
func like(c float64, which int) []float32 {
	v := make([]float32, testDim)
	v[0], v[1+which] = float32(c), float32(math.Sqrt(1-c*c))
	return v
}

// twoModels is an Identifier of a present and an older embedder.
func twoModels(tb testing.TB) *Identifier {
	tb.Helper()
	now, was := reference(tb, "now", 0), reference(tb, "was", .1)
	return &Identifier{
		Gallery: now.Gallery, Calibration: now.Calibration, Masked: now.Masked, Older: []Reference{was},
		FPIR: match.DefaultFPIR, PolicyScore: match.DefaultPolicyScore, Margin: match.DefaultMargin,
	}
}

// An enrolled is a template by its cosine with the probe.
type enrolled struct {
	person string
	model  string
	cosine float64
	masked bool
}

func (id *Identifier) enrol(tb testing.TB, all ...enrolled) {
	tb.Helper()
	for i, e := range all {
		g := id.Gallery
		if e.model == "was" {
			g = id.Older[0].Gallery
		}
		if err := g.Add(e.person, match.Template{Model: e.model, Vector: like(e.cosine, i%(testDim-1)), Masked: e.masked}); err != nil {
			tb.Fatal(err)
		}
	}
}

// sighting is one that needs nothing but the right matches for a grant.
func (id *Identifier) sighting(tb testing.TB, covered bool) (access.Sighting, match.Outcome) {
	tb.Helper()
	s := access.Sighting{Quality: "ok", Liveness: access.Live, Score: 1}
	outcome, err := id.search([][]float32{like(1, 0), like(1, 0)}, covered, &s)
	if err != nil {
		tb.Fatal(err)
	}
	return s, outcome
}

// What the search says is what the rules make of it, whoever is enrolled with what.
func TestSearchAcrossModels(t *testing.T) {
	tests := []struct {
		name    string
		covered bool
		people  []enrolled
		outcome match.Outcome
		person  string
	}{
		{name: "nobody enrolled"},
		{"in the present model", false, []enrolled{{"ada", "now", .6, false}, {"bob", "was", .1, false}}, match.Matched, "ada"},
		{"in the older model", false, []enrolled{{"ada", "was", .7, false}, {"bob", "now", .1, false}}, match.Matched, "ada"},
		{"in both", false, []enrolled{{"ada", "was", .7, false}, {"ada", "now", .65, false}, {"bob", "now", .2, false}}, match.Matched, "ada"},
		{"well in one, badly in the other", false, []enrolled{{"ada", "was", .3, false}, {"ada", "now", .7, false}, {"bob", "was", .32, false}}, match.Matched, "ada"},
		{"the older model asks for more", false, []enrolled{{"ada", "was", .48, false}}, match.Unknown, "ada"},
		{"the galleries name two people", false, []enrolled{{"ada", "was", .95, false}, {"bob", "now", .45, false}}, match.Ambiguous, "ada"},
		{"ambiguous in the older one", false, []enrolled{{"ada", "now", .8, false}, {"ada", "was", .7, false}, {"bob", "was", .65, false}}, match.Ambiguous, "ada"},
		{"ambiguous in the present one", false, []enrolled{{"ada", "was", .95, false}, {"ada", "now", .7, false}, {"bob", "now", .65, false}}, match.Ambiguous, "ada"},
		{"as near by score", false, []enrolled{{"ada", "now", .48, false}, {"bob", "was", .495, false}}, match.Ambiguous, "ada"},
		{"a mask against a bare face", true, []enrolled{{"ada", "now", .55, false}}, match.Matched, "ada"},
		{"a bare face against a mask", false, []enrolled{{"ada", "now", .55, true}}, match.Matched, "ada"},
		{"two masks as alike", true, []enrolled{{"ada", "now", .55, true}}, match.Unknown, "ada"},
		{"two masks far more alike", true, []enrolled{{"ada", "now", .9, true}, {"bob", "now", .1, true}}, match.Matched, "ada"},
		{"enrolled both ways", true, []enrolled{{"ada", "now", .35, false}, {"ada", "now", .9, true}, {"bob", "now", .3, false}}, match.Matched, "ada"},
		{"a stranger's mask beside one's own face", true, []enrolled{{"ada", "now", .7, false}, {"bob", "now", .55, true}}, match.Matched, "ada"},
		{"somebody else in the same mask", true, []enrolled{{"ada", "now", .95, true}, {"bob", "now", .9, true}}, match.Ambiguous, "ada"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := twoModels(t)
			id.enrol(t, tt.people...)
			s, outcome := id.sighting(t, tt.covered)
			person := ""
			if len(s.Matches) > 0 {
				person = s.Matches[0].Person
			}
			if outcome != tt.outcome || person != tt.person {
				t.Errorf("got %v %q, want %v %q: %+v", outcome, person, tt.outcome, tt.person, s)
			}
			agrees(t, &s, outcome)
		})
	}
}

// agrees checks that the rules come to the outcome of the search.
func agrees(tb interface{ Errorf(string, ...any) }, s *access.Sighting, outcome match.Outcome) {
	d := new(access.Policy).Decide(access.Visit{Door: access.MainDoor, At: s.At, Clock: access.ClockSynced, Seen: s}, people, nil)
	want := map[match.Outcome]access.Reason{match.Unknown: access.ReasonUnknownPerson, match.Ambiguous: access.ReasonAmbiguous}[outcome]
	if (d.Outcome == access.Grant) != (outcome == match.Matched) || d.Outcome != access.Grant && d.Reason != want {
		tb.Errorf("the search says %v, the rules %v %s: %+v", outcome, d.Outcome, d.Reason, s)
	}
}

// With one gallery of bare faces the search is that of package match. With several nobody is
// named who reaches no threshold, and the rules say what the search says.
func TestSearchOfAnybody(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		id := twoModels(t)
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		single := rapid.Bool().Draw(rt, "one gallery")
		var all []enrolled
		for range rapid.IntRange(0, 12).Draw(rt, "templates") {
			e := enrolled{fmt.Sprint(rnd.IntN(5)), "now", math.Round(100*(2*rnd.Float64()-1)) / 100, false}
			if !single && rnd.IntN(2) == 0 {
				e.model = "was"
			}
			e.masked = !single && rnd.IntN(3) == 0
			all = append(all, e)
		}
		id.enrol(t, all...)
		behind := rapid.Bool().Draw(rt, "covered")
		s, outcome := id.sighting(t, behind)
		agrees(rt, &s, outcome)
		if outcome == match.Matched {
			reached := false
			for _, l := range id.found(behind) {
				c, ok := l.cosine(s.Matches[0].Person)
				reached = reached || ok && c >= l.threshold.Cosine
				if name := l.names(); name != "" && name != s.Matches[0].Person {
					rt.Errorf("a list names %s: %+v", name, s)
				}
			}
			if !reached {
				rt.Errorf("matched below every threshold: %+v", s)
			}
		}
		if !single {
			return
		}
		var r match.Result
		if err := id.Gallery.Search(match.Template{Model: "now", Vector: like(1, 0)}, candidates, &r); err != nil {
			rt.Fatal(err)
		}
		threshold := id.Calibration.Threshold(r.Templates, id.FPIR, id.PolicyScore)
		var want []access.Match
		for _, c := range r.Candidates {
			want = append(want, access.Match{Person: c.Person, Score: id.Calibration.Score(c.Cosine), Cosine: c.Cosine})
		}
		if got := match.Decide(&r, threshold, id.Margin); got != outcome {
			rt.Errorf("got %v, want %v", outcome, got)
		}
		if d := gocmp.Diff(want, s.Matches); d != "" {
			rt.Error(d)
		}
	})
}

// A vector never meets a gallery of another model.
func TestSearchNeverCrossesModels(t *testing.T) {
	id := twoModels(t)
	id.enrol(t, enrolled{"ada", "was", .9, false}, enrolled{"bob", "now", .1, false})
	var s access.Sighting
	if outcome, err := id.search([][]float32{like(1, 0)}, false, &s); err != nil || outcome != match.Unknown || len(s.Matches) != 1 || s.Matches[0].Person != "bob" {
		t.Errorf("without a vector of the older model: %v, %v, %+v", outcome, err, s.Matches)
	}
	if _, err := id.search([][]float32{like(1, 0)[:4]}, false, &s); !errors.Is(err, match.ErrModel) {
		t.Errorf("a shorter vector: got %v, want ErrModel", err)
	}
	if _, err := id.search(nil, false, &s); !errors.Is(err, match.ErrModel) {
		t.Errorf("no vector: got %v, want ErrModel", err)
	}
	if id.holds("was") != true || id.holds("never") {
		t.Error("holds does not tell which galleries have templates")
	}
	id.Older[0].Gallery.Remove("ada")
	if id.holds("was") {
		t.Error("an empty gallery is still asked for")
	}
}

// Every template compared is a chance for a stranger, in whatever gallery it is.
func TestThresholdCountsAllGalleries(t *testing.T) {
	id := twoModels(t)
	for i := range 50 {
		id.enrol(t, enrolled{fmt.Sprint("a", i), "now", 0, i%2 == 0}, enrolled{fmt.Sprint("b", i), "was", 0, false})
	}
	s, _ := id.sighting(t, false)
	if want := id.Calibration.Threshold(100, id.FPIR, id.PolicyScore).Score; s.Threshold.Score != want && s.Threshold.Score != id.Older[0].Calibration.Threshold(100, id.FPIR, id.PolicyScore).Score {
		t.Errorf("got threshold %v, want that of 100 templates, %v", s.Threshold, want)
	}
}

func TestNearestIsOnePerson(t *testing.T) {
	id := twoModels(t)
	id.enrol(t, enrolled{"ada", "now", .7, false})
	at := func() nearest {
		t.Helper()
		n, err := id.nearest([][]float32{like(1, 0), like(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := at(); got != (nearest{"ada", "ada"}) {
		t.Errorf("one gallery: got %+v", got)
	}
	id.enrol(t, enrolled{"bob", "now", .6, true})
	if got := at(); got != (nearest{"", "ada"}) {
		t.Errorf("a masked template that a bare face is like: got %+v, want nobody, and ada behind a mask", got)
	}
	id.enrol(t, enrolled{"bob", "was", .8, false})
	if got := at(); got != (nearest{"", ""}) {
		t.Errorf("two galleries name two people: got %+v, want nobody", got)
	}
}
