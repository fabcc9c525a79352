package match

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	gocmpopts "github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

const model = "embedder-a"

// unitVector draws a vector of unit length.
func unitVector(r *rand.Rand, dim int) []float32 {
	v, sum := make([]float32, dim), 0.0
	for i := range v {
		v[i] = float32(r.NormFloat64())
		sum += float64(v[i]) * float64(v[i])
	}
	for i := range v {
		v[i] /= float32(math.Sqrt(sum))
	}
	return v
}

func newGallery(tb testing.TB, dim int) *Gallery {
	tb.Helper()
	g, err := NewGallery(model, dim)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func mustAdd(tb rapid.TB, g *Gallery, id string, vectors ...[]float32) {
	tb.Helper()
	for _, v := range vectors {
		if err := g.Add(id, Template{Model: model, Vector: v}); err != nil {
			tb.Fatal(err)
		}
	}
}

// bruteForce is the answer by float64 arithmetic over everything, best first.
func bruteForce(people map[string][][]float32, probe []float32) []Candidate {
	var all []Candidate
	for id, vectors := range people {
		best := math.Inf(-1)
		for _, v := range vectors {
			var sum float64
			for i := range v {
				sum += float64(v[i]) * float64(probe[i])
			}
			best = max(best, sum)
		}
		if len(vectors) > 0 {
			all = append(all, Candidate{id, best})
		}
	}
	slices.SortFunc(all, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Cosine, a.Cosine), cmp.Compare(a.Person, b.Person))
	})
	return all
}

// The float32 search agrees with float64 to rounding: the same person unless two are
// within rounding of each other, and the same cosines.
func TestSearchEqualsBruteForce(t *testing.T) {
	const rounding = 1e-6
	rapid.Check(t, func(t *rapid.T) {
		dim := rapid.IntRange(1, 40).Draw(t, "dim")
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		g, err := NewGallery(model, dim)
		if err != nil {
			t.Fatal(err)
		}
		people := map[string][][]float32{}
		for range rapid.IntRange(0, 700).Draw(t, "templates") {
			id := fmt.Sprint(rnd.IntN(300))
			v := unitVector(rnd, dim)
			people[id] = append(people[id], v)
			mustAdd(t, g, id, v)
		}
		// A history of changes must not matter.
		for range rapid.IntRange(0, 200).Draw(t, "changes") {
			id := fmt.Sprint(rnd.IntN(300))
			switch rnd.IntN(3) {
			case 0:
				if got, want := g.Remove(id), people[id] != nil; got != want {
					t.Fatalf("remove %s: %v, want %v", id, got, want)
				}
				delete(people, id)
			case 1:
				v := unitVector(rnd, dim)
				people[id] = append(people[id], v)
				mustAdd(t, g, id, v)
			case 2:
				v := unitVector(rnd, dim)
				people[id] = [][]float32{v}
				if err := g.Set(id, Template{Model: model, Vector: v}); err != nil {
					t.Fatal(err)
				}
			}
		}
		var r Result
		for range 5 {
			k := rapid.IntRange(-1, 10).Draw(t, "k")
			probe := unitVector(rnd, dim)
			if err := g.Search(Template{Model: model, Vector: probe}, k, &r); err != nil {
				t.Fatal(err)
			}
			want := bruteForce(people, probe)
			want = want[:min(len(want), max(k, 2))]
			if len(r.Candidates) != len(want) {
				t.Fatalf("%d candidates, want %d", len(r.Candidates), len(want))
			}
			for i, c := range r.Candidates {
				if math.Abs(c.Cosine-want[i].Cosine) > rounding {
					t.Fatalf("place %d: cosine %v, want %v", i, c.Cosine, want[i].Cosine)
				}
				if c.Person != want[i].Person {
					j := slices.IndexFunc(want, func(w Candidate) bool { return w.Person == c.Person })
					if (j < 0 && i != len(want)-1) || (j >= 0 && math.Abs(want[j].Cosine-want[i].Cosine) > rounding) {
						t.Fatalf("place %d: %s, want %s", i, c.Person, want[i].Person)
					}
				}
			}
		}
	})
}

// Templates taken behind masks are a gallery of their own, whatever comes and goes.
func TestMaskedTemplatesAreApart(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		const dim = 8
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 9))
		g := newGallery(tt, dim)
		bare, masked := map[string][][]float32{}, map[string][][]float32{}
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			id := fmt.Sprint(rnd.IntN(12))
			if rnd.IntN(4) == 0 {
				g.Remove(id)
				delete(bare, id)
				delete(masked, id)
				continue
			}
			v, behind := unitVector(rnd, dim), rnd.IntN(2) == 0
			if err := g.Add(id, Template{Model: model, Vector: v, Masked: behind}); err != nil {
				t.Fatal(err)
			}
			if behind {
				masked[id] = append(masked[id], v)
			} else {
				bare[id] = append(bare[id], v)
			}
		}
		other := newGallery(tt, dim)
		if err := other.Replace(g); err != nil {
			t.Fatal(err)
		}
		var r Result
		for range 3 {
			probe := unitVector(rnd, dim)
			if err := other.Search(Template{Model: model, Vector: probe}, 20, &r); err != nil {
				t.Fatal(err)
			}
			near := gocmpopts.EquateApprox(0, 1e-6)
			if d := gocmp.Diff(bruteForce(bare, probe), r.Candidates, near, gocmpopts.EquateEmpty()); d != "" {
				t.Fatalf("bare: %s", d)
			}
			if d := gocmp.Diff(bruteForce(masked, probe), r.Masked, near, gocmpopts.EquateEmpty()); d != "" {
				t.Fatalf("masked: %s", d)
			}
		}
		if err := g.Search(Template{Model: model, Vector: unitVector(rnd, dim)}, 5, &r); err != nil || len(r.Candidates)+len(r.Masked)+r.Templates > 0 {
			t.Fatalf("a gallery that was taken over: %v, %+v", err, r)
		}
	})
}

// The order in which templates came, and what came and went between, changes no bit.
func TestSearchIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const dim = 24
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		type entry struct {
			id string
			v  []float32
		}
		var entries []entry
		for i := range rapid.IntRange(1, 300).Draw(t, "templates") {
			v := unitVector(rnd, dim)
			if i > 0 && i%3 == 0 {
				v = entries[i-1].v // ties across people
			}
			entries = append(entries, entry{fmt.Sprint(rnd.IntN(120)), v})
		}
		probe := Template{Model: model, Vector: entries[rnd.IntN(len(entries))].v}
		search := func(detour bool) []Candidate {
			g, err := NewGallery(model, dim)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				mustAdd(t, g, e.id, e.v)
				if detour && rnd.IntN(4) == 0 {
					mustAdd(t, g, "gone", e.v, e.v)
				}
			}
			g.Remove("gone")
			var r Result
			if err := g.Search(probe, 20, &r); err != nil {
				t.Fatal(err)
			}
			return r.Candidates
		}
		want := search(false)
		rnd.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		if d := gocmp.Diff(want, search(true)); d != "" {
			t.Fatal(d)
		}
	})
}

func TestTiesGoToTheLesserID(t *testing.T) {
	v := unitVector(rand.New(rand.NewPCG(1, 1)), 8)
	g := newGallery(t, 8)
	for _, id := range []string{"c", "a", "d", "b"} {
		mustAdd(t, g, id, v)
	}
	var r Result
	if err := g.Search(Template{Model: model, Vector: v}, 3, &r); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range r.Candidates {
		got = append(got, c.Person)
	}
	if d := gocmp.Diff([]string{"a", "b", "c"}, got); d != "" {
		t.Error(d)
	}
}

// Nothing but a finite vector of unit length of the right embedder is stored or searched,
// in whichever place of the vector the fault lies.
func TestUnusableVectorsNeverMatch(t *testing.T) {
	const dim = 19
	rnd := rand.New(rand.NewPCG(3, 3))
	good := unitVector(rnd, dim)
	with := func(i int, x float32) []float32 {
		v := slices.Clone(good)
		v[i] = x
		return v
	}
	scaled := func(f float32) []float32 {
		v := slices.Clone(good)
		for i := range v {
			v[i] *= f
		}
		return v
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	tests := []struct {
		name     string
		template Template
		want     error
	}{
		{"zero", Template{Model: model, Vector: make([]float32, dim)}, ErrVector},
		{"all NaN", Template{Model: model, Vector: slices.Repeat([]float32{nan}, dim)}, ErrVector},
		{"too long", Template{Model: model, Vector: scaled(1.1)}, ErrVector},
		{"too short", Template{Model: model, Vector: scaled(.9)}, ErrVector},
		{"huge", Template{Model: model, Vector: scaled(math.MaxFloat32)}, ErrVector},
		{"another embedder", Template{Model: "embedder-b", Vector: good}, ErrModel},
		{"no embedder", Template{Model: "", Vector: good}, ErrModel},
		{"another dimension", Template{Model: model, Vector: unitVector(rnd, dim+1)}, ErrModel},
		{"no numbers", Template{Model: model, Vector: nil}, ErrModel},
	}
	for i := range dim {
		for _, x := range []float32{nan, inf, -inf} {
			tests = append(tests, struct {
				name     string
				template Template
				want     error
			}{fmt.Sprintf("%v at %d", x, i), Template{Model: model, Vector: with(i, x)}, ErrVector})
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newGallery(t, dim)
			mustAdd(t, g, "known", good)
			// The good template beside the bad one must not get in either.
			if err := g.Add("new", Template{Model: model, Vector: good}, tt.template); !errors.Is(err, tt.want) {
				t.Errorf("add: error %v, want %v", err, tt.want)
			}
			if err := g.Set("known", tt.template); !errors.Is(err, tt.want) {
				t.Errorf("set: error %v, want %v", err, tt.want)
			}
			if n, p := g.Len(); n != 1 || p != 1 {
				t.Errorf("%d templates of %d people after refusals, want 1 of 1", n, p)
			}
			r := Result{Candidates: []Candidate{{"stale", 1}}}
			if err := g.Search(tt.template, 2, &r); !errors.Is(err, tt.want) {
				t.Errorf("search: error %v, want %v", err, tt.want)
			}
			if len(r.Candidates) != 0 {
				t.Errorf("candidates after an error: %v", r.Candidates)
			}
			for _, pair := range [][2]Template{{tt.template, {Model: model, Vector: good}}, {{Model: model, Vector: good}, tt.template}} {
				if c, err := Compare(pair[0], pair[1]); !errors.Is(err, tt.want) || c != 0 {
					t.Errorf("compare: %v, %v; want %v", c, err, tt.want)
				}
			}
		})
	}
}

func TestNewGalleryRefuses(t *testing.T) {
	for _, dim := range []int{0, -1} {
		if _, err := NewGallery(model, dim); !errors.Is(err, ErrModel) {
			t.Errorf("dimension %d: %v", dim, err)
		}
	}
	if _, err := NewGallery("", 8); !errors.Is(err, ErrModel) {
		t.Errorf("no embedder: %v", err)
	}
}

func TestReplace(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	a, b := unitVector(rnd, 8), unitVector(rnd, 8)
	g, next := newGallery(t, 8), newGallery(t, 8)
	mustAdd(t, g, "old", a)
	mustAdd(t, next, "new", b)
	if err := g.Replace(next); err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := g.Search(Template{Model: model, Vector: a}, 5, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Candidates) != 1 || r.Candidates[0].Person != "new" {
		t.Errorf("candidates %v, want only new", r.Candidates)
	}
	if n, _ := next.Len(); n != 0 {
		t.Errorf("the source still holds %d templates", n)
	}
	mustAdd(t, next, "again", a)
	other, err := NewGallery("embedder-b", 8)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Replace(other); !errors.Is(err, ErrModel) {
		t.Errorf("replace by another embedder: %v", err)
	}
	if err := g.Replace(g); err != nil {
		t.Errorf("replace by itself: %v", err)
	}
	if n, p := g.Len(); n != 1 || p != 1 {
		t.Errorf("%d templates of %d people, want 1 of 1", n, p)
	}
}

// Removed templates do not linger in the gallery's memory.
func TestRemoveOverwrites(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	g := newGallery(t, 8)
	for i := range 10 {
		mustAdd(t, g, fmt.Sprint(i), unitVector(rnd, 8), unitVector(rnd, 8))
	}
	for i := range 10 {
		g.Remove(fmt.Sprint(i))
	}
	if len(g.vectors) != 0 {
		t.Errorf("%d numbers left", len(g.vectors))
	}
	for i, v := range g.vectors[:cap(g.vectors)] {
		if v != 0 {
			t.Fatalf("number %d of a removed template remains", i)
		}
	}
}

// Searches beside changes always see whole people: "pair" has two templates and is
// replaced all the time, so its best cosine with either is always 1.
func TestConcurrentUse(t *testing.T) {
	const dim = 32
	rnd := rand.New(rand.NewPCG(6, 6))
	a, b := Template{Model: model, Vector: unitVector(rnd, dim)}, Template{Model: model, Vector: unitVector(rnd, dim)}
	g := newGallery(t, dim)
	for i := range 600 {
		mustAdd(t, g, fmt.Sprint(i), unitVector(rnd, dim))
	}
	if err := g.Set("pair", a, b); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 300 {
			if err := g.Set("pair", b, a); err != nil {
				t.Error(err)
			}
			g.Remove(fmt.Sprint(i))
			fresh, err := NewGallery(model, dim)
			if err != nil {
				t.Error(err)
				return
			}
			if err := fresh.Set("pair", a, b); err != nil {
				t.Error(err)
			}
			if i%50 == 49 {
				if err := g.Replace(fresh); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			var r Result
			for i := range 300 {
				probe := a
				if i%2 == 0 {
					probe = b
				}
				if err := g.Search(probe, 2, &r); err != nil {
					t.Error(err)
				}
				if c := r.Candidates[0]; c.Person != "pair" || c.Cosine < .999 {
					t.Errorf("search %d: %v", i, c)
				}
			}
		})
	}
	wg.Wait()
}

func TestSearchAllocatesNothing(t *testing.T) {
	g, probes := filled(t, 2000, 64)
	var r Result
	search := func() {
		if err := g.Search(probes[0], 5, &r); err != nil {
			t.Fatal(err)
		}
	}
	search()
	if n := testing.AllocsPerRun(10, search); n != 0 {
		t.Errorf("%v allocations a search", n)
	}
}

func TestTemplatesDoNotPrintThemselves(t *testing.T) {
	v := unitVector(rand.New(rand.NewPCG(7, 7)), 4)
	want := "template embedder-a/4"
	if got := fmt.Sprintf("%v", Template{Model: model, Vector: v}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Template{Model: model, Vector: v}).LogValue().String(); got != want {
		t.Errorf("logged %q, want %q", got, want)
	}
}

// filled is a gallery of n templates, three a person, and probes.
func filled(tb testing.TB, n, dim int) (*Gallery, []Template) {
	tb.Helper()
	rnd := rand.New(rand.NewPCG(8, 8))
	g := newGallery(tb, dim)
	g.Grow(n)
	for i := range n {
		mustAdd(tb, g, fmt.Sprint(i/3), unitVector(rnd, dim))
	}
	probes := make([]Template, 16)
	for i := range probes {
		probes[i] = Template{Model: model, Vector: unitVector(rnd, dim)}
	}
	return g, probes
}

func BenchmarkSearch(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("%dx384", n), func(b *testing.B) {
			g, probes := filled(b, n, 384)
			var r Result
			if err := g.Search(probes[0], 2, &r); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := g.Search(probes[i%len(probes)], 2, &r); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

func BenchmarkAddRemove(b *testing.B) {
	g, probes := filled(b, 100_000, 384)
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Set("new", probes[0], probes[1], probes[2]); err != nil {
			b.Fatal(err)
		}
		g.Remove("new")
	}
}
