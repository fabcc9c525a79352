package match

import (
	"fmt"
	"math"
	"slices"
	"sync"
)

// block is how many rows are scored before their scores are looked at: few enough for the
// scores to stay in the first-level cache, enough to make a kernel's call cheap.
const block = 256

// A Gallery holds the enrolled templates of one embedder, several per person, in one flat
// slice. It is safe for concurrent use: searches run side by side, a change waits for them
// and takes microseconds. It is built once from the store and kept current by Add, Set and
// Remove, or rebuilt beside and taken over by Replace.
type Gallery struct {
	model string
	dim   int

	mu      sync.RWMutex
	vectors []float32 // row i is vectors[i*dim : (i+1)*dim]
	owner   []int32   // index into people of each row
	masked  []bool    // whether each row was taken behind a mask
	behind  int       // how many of them were
	people  []person
	index   map[string]int32 // person id to index into people
}

type person struct {
	id   string
	rows []int32
}

// A Candidate is one person and the best cosine of all their templates of one kind with the
// probe.
type Candidate struct {
	Person string
	Cosine float64 // -1..1
}

// A Result is the answer to one search. It is reused: a search overwrites it, and one that
// has served a gallery of this size before allocates nothing. The zero value is ready. A
// Result belongs to one goroutine.
type Result struct {
	// Candidates are the best people, best first, at most one entry a person; people
	// with equal cosines are in the order of their ids.
	Candidates []Candidate
	// Masked are the same by the templates taken behind a mask, which Candidates leaves out: two
	// masked faces are more alike than two bare ones, so their cosines mean something else.
	Masked []Candidate
	// Templates is how many were compared: the N of [Calibration.Threshold].
	Templates int

	best   []float32 // of each person in the gallery
	behind []float32 // the same, of masked templates
	top    []int32   // indices of the best people so far
}

// NewGallery returns an empty gallery for templates of one embedder with dim numbers each.
// It returns an error wrapping [ErrModel] if model is empty or dim not positive.
func NewGallery(model string, dim int) (*Gallery, error) {
	if model == "" || dim <= 0 {
		return nil, fmt.Errorf("make gallery for embedder %q with %d numbers: %w", model, dim, ErrModel)
	}
	return &Gallery{model: model, dim: dim, index: map[string]int32{}}, nil
}

// Model is the id of the embedder whose templates the gallery holds.
func (g *Gallery) Model() string { return g.model }

// Dim is how many numbers a template has.
func (g *Gallery) Dim() int { return g.dim }

// Len counts the templates and the people they belong to.
func (g *Gallery) Len() (templates, people int) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.owner), len(g.people)
}

// Grow makes room for n more templates, so that as many Adds copy nothing.
func (g *Gallery) Grow(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.grow(n)
}

// Add adds templates to a person, who need not be known yet. It copies them. On an error,
// one wrapping [ErrModel] or [ErrVector], nothing was added.
func (g *Gallery) Add(id string, templates ...Template) error {
	if err := g.check(templates); err != nil {
		return fmt.Errorf("add templates: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(id, templates)
	return nil
}

// Set makes the given templates the only ones of a person; none removes the person. It
// copies them. On an error, one wrapping [ErrModel] or [ErrVector], nothing has changed.
func (g *Gallery) Set(id string, templates ...Template) error {
	if err := g.check(templates); err != nil {
		return fmt.Errorf("set templates: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(id)
	g.add(id, templates)
	return nil
}

// Remove removes a person with all their templates, overwriting them in memory. It says
// whether the person was there.
func (g *Gallery) Remove(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.remove(id)
}

// Replace takes over what the other gallery holds, in one step for every search; from is
// empty afterwards and what g held is gone. Galleries of different embedders are an error
// wrapping [ErrModel], and nothing has changed then.
func (g *Gallery) Replace(from *Gallery) error {
	if g == from {
		return nil
	}
	if g.model != from.model || g.dim != from.dim {
		return fmt.Errorf("replace gallery of %s/%d by one of %s/%d: %w", g.model, g.dim, from.model, from.dim, ErrModel)
	}
	// One lock at a time: two galleries that replace each other must not wait for each other.
	from.mu.Lock()
	vectors, owner, masked, behind, people, index := from.vectors, from.owner, from.masked, from.behind, from.people, from.index
	from.vectors, from.owner, from.masked, from.behind, from.people, from.index = nil, nil, nil, 0, nil, map[string]int32{}
	from.mu.Unlock()

	g.mu.Lock()
	old := g.vectors
	g.vectors, g.owner, g.masked, g.behind, g.people, g.index = vectors, owner, masked, behind, people, index
	g.mu.Unlock()
	clear(old)
	return nil
}

// Search compares the probe with every template and leaves the k best people in r; a k
// below 2 counts as 2, since a decision needs the runner-up. A probe that is not of the
// gallery's embedder is an error wrapping [ErrModel], one that is not of unit length
// [ErrVector]; r has no candidates then.
func (g *Gallery) Search(probe Template, k int, r *Result) error {
	r.Candidates, r.Masked, r.Templates = r.Candidates[:0], r.Masked[:0], 0
	if err := g.fits(probe); err != nil {
		return fmt.Errorf("search gallery: %w", err)
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	r.best = lowest(r.best, len(g.people))
	if g.behind > 0 {
		r.behind = lowest(r.behind, len(g.people))
	}
	var scores [block]float32
	for from := 0; from < len(g.owner); from += block {
		to := min(from+block, len(g.owner))
		owner, masked := g.owner[from:to], g.masked[from:to]
		dots(scores[:len(owner)], g.vectors[from*g.dim:to*g.dim], probe.Vector)
		for i, p := range owner {
			best := r.best
			if masked[i] {
				best = r.behind
			}
			if scores[i] > best[p] {
				best[p] = scores[i]
			}
		}
	}
	r.Templates = len(g.owner)
	k = min(max(k, 2), len(g.people))
	r.Candidates = g.rank(r, r.best, k, r.Candidates)
	if g.behind > 0 {
		r.Masked = g.rank(r, r.behind, k, r.Masked)
	}
	return nil
}

// lowest is a slice of n of the lowest numbers, in v where there is room.
func lowest(v []float32, n int) []float32 {
	if cap(v) < n {
		v = make([]float32, n)
	}
	v = v[:n]
	for i := range v {
		v[i] = float32(math.Inf(-1))
	}
	return v
}

// rank appends the k best people to a list. They are few beside the people: an insertion into
// a short sorted list that nearly always stops at its last element.
func (g *Gallery) rank(r *Result, best []float32, k int, list []Candidate) []Candidate {
	better := func(a, b int32) bool {
		if best[a] != best[b] {
			return best[a] > best[b]
		}
		return g.people[a].id < g.people[b].id
	}
	r.top = r.top[:0]
	for p := range int32(len(best)) {
		if math.IsInf(float64(best[p]), -1) {
			continue // no template of this kind
		}
		if len(r.top) == k {
			if !better(p, r.top[k-1]) {
				continue
			}
			r.top = r.top[:k-1]
		}
		i := len(r.top)
		r.top = append(r.top, p)
		for ; i > 0 && better(p, r.top[i-1]); i-- {
			r.top[i] = r.top[i-1]
		}
		r.top[i] = p
	}
	for _, p := range r.top {
		list = append(list, Candidate{g.people[p].id, clampCosine(best[p])})
	}
	return list
}

func (g *Gallery) fits(t Template) error {
	if t.Model != g.model || len(t.Vector) != g.dim {
		return fmt.Errorf("%v is not of embedder %s/%d: %w", t, g.model, g.dim, ErrModel)
	}
	return t.Check()
}

func (g *Gallery) check(templates []Template) error {
	for _, t := range templates {
		if err := g.fits(t); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gallery) add(id string, templates []Template) {
	if len(templates) == 0 {
		return
	}
	p, known := g.index[id]
	if !known {
		p = int32(len(g.people))
		g.index[id] = p
		g.people = append(g.people, person{id: id})
	}
	if len(g.vectors)+len(templates)*g.dim > cap(g.vectors) {
		g.grow(max(len(templates), len(g.owner)/4))
	}
	for _, t := range templates {
		g.people[p].rows = append(g.people[p].rows, int32(len(g.owner)))
		g.owner = append(g.owner, p)
		g.masked = append(g.masked, t.Masked)
		if t.Masked {
			g.behind++
		}
		g.vectors = append(g.vectors, t.Vector...)
	}
}

func (g *Gallery) remove(id string) bool {
	p, known := g.index[id]
	if !known {
		return false
	}
	for n := len(g.people[p].rows); n > 0; n-- {
		row := g.people[p].rows[n-1]
		g.people[p].rows = g.people[p].rows[:n-1]
		g.removeRow(row)
	}
	last := int32(len(g.people) - 1)
	if p != last {
		g.people[p] = g.people[last]
		g.index[g.people[p].id] = p
		for _, row := range g.people[p].rows {
			g.owner[row] = p
		}
	}
	g.people[last] = person{}
	g.people = g.people[:last]
	delete(g.index, id)
	return true
}

// removeRow closes the gap with the last row. The row is no longer in its person's list.
func (g *Gallery) removeRow(row int32) {
	last := int32(len(g.owner) - 1)
	if g.masked[row] {
		g.behind--
	}
	if row != last {
		g.masked[row] = g.masked[last]
		copy(g.vectors[int(row)*g.dim:], g.vectors[int(last)*g.dim:])
		p := g.owner[last]
		g.owner[row] = p
		rows := g.people[p].rows
		rows[slices.Index(rows, last)] = row
	}
	clear(g.vectors[int(last)*g.dim:])
	g.vectors, g.owner, g.masked = g.vectors[:int(last)*g.dim], g.owner[:last], g.masked[:last]
}

// grow moves the vectors rather than append, which would leave a copy of them behind.
func (g *Gallery) grow(n int) {
	g.owner, g.masked = slices.Grow(g.owner, n), slices.Grow(g.masked, n)
	if need := len(g.vectors) + n*g.dim; need > cap(g.vectors) {
		old := g.vectors
		g.vectors = append(make([]float32, 0, need), old...)
		clear(old)
	}
}
