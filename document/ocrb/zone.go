// Package ocrb finds machine-readable zones in pictures of documents and recognises the
// OCR-B characters they are printed in.
//
// A zone is two or three parallel lines of 30, 36 or 44 characters of one pitch, which is
// what makes it findable: a [Finder] looks for long thin runs of dark ink in any direction,
// measures how periodic each is, lays a row of cells over those that are, and compares cells
// with pictures of the 37 characters that it draws itself from their centre lines. Rows that
// belong together give the plane the card lies in, and in that plane every cell is looked at
// as if the card had been seen from straight above. Lines may be bent a little. What it
// returns is evidence, a score for every character in every cell: it knows no fields and
// no check digits.
//
// A Finder is immutable after New and safe for concurrent use. Memory is bounded by
// [MaxSide]; time by the number of lines it tries.
package ocrb

import (
	"cmp"
	"math"
	"slices"

	"facegate/pipeline/imgproc"
)

// MaxSide is the longest side, in pixels, at which a picture is looked at. Larger ones are
// scaled down: at that size a passport filling a third of the picture still has 18 pixels
// a character.
const MaxSide = 2400

// A Finder has the pictures of the characters.
type Finder struct {
	fine, coarse, level [kinds]bank
	flat                *leveller
}

// New draws the characters.
func New() *Finder {
	f := &Finder{flat: newLeveller()}
	f.fine, f.coarse, f.level = banks()
	return f
}

// A Zone is what may be a machine-readable zone: lines of equally many cells.
type Zone struct {
	Lines [][]Cell
	Fit   float64 // mean of the cells' best scores
	Rest  float64 // what of its lines lies outside and looks like characters too, in cells
	Turn  int     // degrees clockwise that the picture was turned to read it
}

// rank orders zones: cells outside of one say that it is cut out of another.
func (z *Zone) rank() float64 { return z.Fit - z.Rest/float64(len(z.Lines)*len(z.Lines[0])) }

// How much of a picture is tried.
const (
	angles   = 36  // directions of which the best are found
	maxLines = 40  // of a direction at one size
	maxOther = 10  // of one in which not much ink lies
	maxZones = 8   // read at a time
	maxTried = 120 // of lines, in all
	maxReads = 24  // of zones, in all
	plain    = .8  // what fits as well is a zone
)

// Find returns the zones of a picture, best first. The directions in which most ink lies in
// rows are tried first, at three sizes, and where accept says yes to a zone nothing else is
// tried. Before each step goOn is called, and its error ends the search.
func (f *Finder) Find(goOn func() error, m *imgproc.Image, accept func(Zone) bool) ([]Zone, error) {
	if m.W < 100 && m.H < 100 || m.W < 20 || m.H < 20 {
		return nil, nil
	}
	h := hunt{f: f, images: newPyramid(brightest(m, MaxSide)), accept: accept, seen: map[attempt]bool{}}
	const likely = 3
	sides := []float64{1000, 1600, 600}
	found := make([][]float64, len(sides))
	for rest := range 2 {
		if rest == 1 && slices.ContainsFunc(h.zones, func(z Zone) bool { return z.Fit > plain }) {
			break // it was seen, only not read
		}
		for i, side := range sides {
			k := side / float64(max(h.images[0].w, h.images[0].h))
			if k > 4 {
				continue
			}
			h.open(k)
			if rest == 0 {
				found[i] = h.search.directions(angles)
				found[i] = found[i][:min(len(found[i]), likely)]
			} else {
				found[i] = others(found[i])
			}
			for _, angle := range found[i] {
				if done, err := h.along(goOn, angle, k, [2]int{maxLines, maxOther}[rest]); done || err != nil {
					return h.zones, err
				}
			}
		}
	}
	return h.zones, nil
}

// others are directions that are far from those given, near enough to each other that none
// is missed.
func others(tried []float64) (rest []float64) {
	const n, near = 24, math.Pi / 45
	for i := range n {
		a := math.Pi * float64(i) / n
		if !slices.ContainsFunc(tried, func(b float64) bool {
			d := math.Mod(math.Abs(a-b), math.Pi)
			return min(d, math.Pi-d) < near
		}) {
			rest = append(rest, a)
		}
	}
	return rest
}

// A hunt is the search for the zones of one picture.
type hunt struct {
	f      *Finder
	images pyramid
	accept func(Zone) bool
	search searcher
	small  plane

	tried []line
	rows  []*row
	seen  map[attempt]bool
	reads int
	zones []Zone
}

// An attempt is rows that were taken for the lines of a zone.
type attempt struct {
	rows  [3]*row
	start [3]int // number in the row's cells of the zone's first
	n     int
	fit   float64
}

// open sets the size at which lines are looked for.
func (h *hunt) open(k float64) {
	h.images[0].resize(&h.small, k)
	h.search.open(&h.small)
}

// along looks for zones whose lines run in about one direction. It reports whether one was accepted.
func (h *hunt) along(goOn func() error, angle, k float64, most int) (done bool, err error) {
	lines := h.search.lines(angle)
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(b.tone, a.tone) })
	fresh := false
	for _, l := range lines[:min(len(lines), most)] {
		if err := goOn(); err != nil {
			return false, err
		}
		l = l.scaled(1 / k)
		if len(h.tried) == maxTried || known(h.tried, &l) {
			continue
		}
		h.tried = append(h.tried, l)
		if r, ok := h.f.read(l, h.images); ok && h.add(r) {
			fresh = true
		}
	}
	if !fresh {
		return false, nil
	}
	defer func() {
		slices.SortStableFunc(h.zones, func(a, b Zone) int { return cmp.Compare(b.rank(), a.rank()) })
	}()
	for _, a := range h.attempts() {
		if err := goOn(); err != nil {
			return false, err
		}
		if h.reads++; h.reads > maxReads {
			return false, nil
		}
		z, ok := h.f.zone(&a)
		if !ok {
			continue
		}
		rest := 0.0
		for k, r := range a.rows[:len(z.Lines)] {
			rest += outside(r, a.start[k], a.n)
		}
		z.Rest = max(z.Rest, rest)
		h.zones = append(h.zones, z)
		if h.accept(z) {
			return true, nil
		}
	}
	return false, nil
}

// add keeps a row unless it is one that there is already. Of two that are the same the one
// that fits better stays.
func (h *hunt) add(r *row) bool {
	for i, o := range h.rows {
		if !r.same(o) {
			continue
		}
		if r.fit < o.fit+.01 || len(r.tops) < len(o.tops)-beyond {
			return false
		}
		h.rows[i] = r
		return true
	}
	h.rows = append(h.rows, r)
	return true
}

// same reports whether two rows are one: wherever the shorter is, the other's cells are there too.
func (r *row) same(o *row) bool {
	if len(r.tops) > len(o.tops) {
		r, o = o, r
	}
	for _, u := range []float64{beyond, float64(len(r.tops)) / 2, float64(len(r.tops) - 1 - beyond)} {
		x, y, a, _ := r.at(float64(r.first) + u)
		pitch := math.Hypot(a[0], a[1])
		near := math.Inf(1)
		for i := range o.tops {
			px, py, _, _ := o.at(float64(o.first + i))
			near = min(near, math.Hypot(px-x, py-y))
		}
		if near > .2*pitch {
			return false
		}
	}
	return true
}

// attempts joins rows to zones that were not tried before: lines of one pitch, one below
// the other at an even distance, of 44, 36 or 30 cells beginning at the same place.
func (h *hunt) attempts() []attempt {
	var all []attempt
	for _, a := range h.rows {
		for _, b := range h.rows {
			gap, step, ok := below(a, b)
			if !ok {
				continue
			}
			for _, n := range []int{36, 44} {
				all = append(all, cut(attempt{rows: [3]*row{a, b}, n: n}, step)...)
			}
			for _, c := range h.rows {
				if next, step2, ok := below(b, c); ok && math.Abs(next-gap) < .15*(next+gap) {
					all = append(all, cut(attempt{rows: [3]*row{a, b, c}, n: 30}, step, step2)...)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b attempt) int { return cmp.Compare(b.fit, a.fit) })
	var fresh []attempt
	for _, a := range all {
		key := a
		key.fit = 0
		if !h.seen[key] && len(fresh) < maxZones {
			h.seen[key] = true
			fresh = append(fresh, a)
		}
	}
	return fresh
}

// below reports whether b can be the line after a, how far below it is, in pitches, and which
// of its cells lies below a's first.
func below(a, b *row) (gap, step float64, ok bool) {
	if a == b {
		return 0, 0, false
	}
	na, nb := float64(len(a.tops)), float64(len(b.tops))
	ia, ib := float64(a.first)+na/2, float64(b.first)+nb/2
	for range 4 {
		ax, ay, at, _ := a.at(ia)
		bx, by, bt, _ := b.at(ib)
		la, lb := math.Hypot(at[0], at[1]), math.Hypot(bt[0], bt[1])
		if at[0]*bt[0]+at[1]*bt[1] < .98*la*lb || lb > 1.15*la || la > 1.15*lb {
			return 0, 0, false
		}
		dx, dy := bx-ax, by-ay
		apart := (dx*at[0] + dy*at[1]) / la // how far b's place is to the right of a's
		gap = (dy*at[0] - dx*at[1]) / (la * la)
		if gap < 1.1 || gap > 4.5 || math.Abs(apart) > (na+nb)/2*la {
			return 0, 0, false
		}
		ia, ib = ia+apart/la/2, ib-apart/lb/2
	}
	// The row that is shorter must lie beside the other for the most part.
	lo := max(float64(a.first)-ia, float64(b.first)-ib)
	hi := min(float64(a.first)+na-ia, float64(b.first)+nb-ib)
	return gap, ib - float64(b.first) - (ia - float64(a.first)), hi-lo > .5*max(na, nb)
}

// cut finds where the zone begins in each row, so that its n cells fit best and what is
// outside them does not. steps say by how much a row's cells are shifted against those above.
func cut(a attempt, steps ...float64) []attempt {
	a.fit = .5
	found := false
	r := a.rows[0]
	for start := -3; start+a.n <= len(r.tops)+3; start++ {
		fit := window(r, start, a.n)
		at := [3]int{start}
		x := float64(start)
		for k, step := range steps {
			x += step
			best := math.Inf(-1)
			for s := int(math.Round(x)) - 1; s <= int(math.Round(x))+1; s++ {
				// What is seen from the side leans, but not by much.
				if v := window(a.rows[k+1], s, a.n) - .01*math.Abs(float64(s)-x); v > best {
					best, at[k+1] = v, s
				}
			}
			fit += best
			x = float64(at[k+1])
		}
		if fit /= float64(len(steps) + 1); fit > a.fit {
			a.fit, a.start, found = fit, at, true
		}
	}
	if !found {
		return nil
	}
	return []attempt{a}
}

// window is how well n cells of a row from start on fit, less what is outside them and fits.
func window(r *row, start, n int) (fit float64) {
	for i := max(0, start); i < min(start+n, len(r.tops)); i++ {
		fit += r.tops[i]
	}
	return (fit - outside(r, start, n)) / float64(n)
}

// outside is how much of a row besides those cells looks like characters.
func outside(r *row, start, n int) (rest float64) {
	for i, v := range r.tops {
		if i < start || i >= start+n {
			rest += max(0, v-.5)
		}
	}
	return rest
}

// zone reads the rows of an attempt as cells of one plane.
func (f *Finder) zone(a *attempt) (Zone, bool) {
	g := grid{n: a.n, images: a.rows[0].images}
	var corners []corner
	var height, gap float64
	var lastX, lastY float64
	for k, r := range a.rows {
		if r == nil {
			break
		}
		g.lines++
		for i, v := range r.tops {
			if o := i - a.start[k]; o >= 0 && o < a.n && v > .55 {
				x, y, _, _ := r.at(float64(r.first + i))
				corners = append(corners, corner{float64(o), float64(k), x, y, v * v})
			}
		}
		x, y, t, _ := r.at(float64(r.first + a.start[k] + a.n/2))
		height += r.tall * math.Hypot(t[0], t[1])
		if k > 0 {
			gap += math.Abs((y-lastY)*t[0]-(x-lastX)*t[1]) / math.Hypot(t[0], t[1])
		}
		lastX, lastY = x, y
	}
	if !g.flat(corners) {
		return Zone{}, false
	}
	g.tall = height / float64(g.lines) / (gap / float64(g.lines-1))
	z, ok := g.read(f)
	_, _, t, _ := g.at(float64(g.n)/2, 0)
	z.Turn = (720 - int(math.Round(math.Atan2(t[1], t[0])*180/math.Pi))) % 360
	return z, ok
}
