// Package ocrb finds machine-readable zones in pictures of documents and recognises the
// OCR-B characters they are printed in.
//
// A zone is two or three parallel lines of 30, 36 or 44 characters of one pitch, which is
// what makes it findable: a [Finder] looks for long thin runs of dark ink, measures how
// periodic each is, lays a grid of cells over those that are, and compares every cell with
// pictures of the 37 characters that it draws itself from their centre lines. Lines may be
// bent and skewed a little; turning the picture by quarters is part of the search. What it
// returns is evidence, a score for every character in every cell: it knows no fields and
// no check digits.
//
// A Finder is immutable after New and safe for concurrent use. Memory is bounded by
// [MaxSide]; time by the number of lines it tries.
package ocrb

import (
	"context"
	"math"
	"slices"

	"facegate/pipeline/imgproc"
)

// MaxSide is the longest side, in pixels, at which a picture is looked at. Larger ones are
// scaled down: at that size a passport filling a third of the picture still has 13 pixels
// a character.
const MaxSide = 2000

// kinds is the number of softnesses of the templates.
const kinds = 5

// A Finder has the pictures of the characters.
type Finder struct {
	templates [kinds][][]float32
}

// New draws the characters.
func New() *Finder {
	f := &Finder{}
	for i, t := range templates() {
		f.templates[i/classes] = append(f.templates[i/classes], t.pix)
	}
	return f
}

// A Zone is what may be a machine-readable zone: lines of equally many cells.
type Zone struct {
	Lines [][]Cell
	Fit   float64 // mean of the cells' best scores
	Turn  int     // degrees clockwise that the picture was turned to read it
}

// Find returns the zones of a picture, best first. An upright picture is tried first, and
// where accept says yes to a zone no other orientation is tried.
func (f *Finder) Find(ctx context.Context, m *imgproc.Image, accept func(Zone) bool) ([]Zone, error) {
	if m.W < 100 || m.H < 40 && m.W < 40 {
		return nil, nil
	}
	if long := max(m.W, m.H); long > MaxSide {
		m = scaled(m, MaxSide/float64(long))
	}
	var all []Zone
	upright := brightest(m)
	for _, turn := range []int{0, 90, 270, 180} {
		p := upright
		switch turn {
		case 90:
			p = mirrored(upright.transposed())
		case 180:
			p = mirrored(mirrored(upright.transposed()).transposed())
		case 270:
			p = mirrored(upright).transposed()
		}
		zones, done, err := f.upright(ctx, p, turn, accept)
		if err != nil {
			return nil, err
		}
		all = append(all, zones...)
		if done {
			break
		}
	}
	slices.SortStableFunc(all, func(a, b Zone) int { return sign(b.Fit - a.Fit) })
	return all, nil
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// mirrored swaps left and right.
func mirrored(p *plane) *plane {
	out := newPlane(p.w, p.h)
	for y := range p.h {
		copy(out.pix[y*p.w:], p.pix[y*p.w:(y+1)*p.w])
		slices.Reverse(out.pix[y*p.w : (y+1)*p.w])
	}
	return out
}

// maxLines is how many lines of a picture are read at each size.
const maxLines = 40

// upright looks for zones whose lines run from left to right, at one size after the other
// until one is accepted.
func (f *Finder) upright(ctx context.Context, p *plane, turn int, accept func(Zone) bool) (zones []Zone, done bool, err error) {
	levels := newPyramid(p)
	var rows []*row
	var tried []line
	for _, side := range []float64{1000, 1600, 600} {
		k := side / float64(max(p.w, p.h))
		if k > 4 {
			continue
		}
		lines := findLines(p.resized(k))
		slices.SortStableFunc(lines, func(a, b line) int { return sign(b.tone - a.tone) })
		for _, l := range lines[:min(len(lines), maxLines)] {
			if err := ctx.Err(); err != nil {
				return nil, false, err
			}
			l = l.scaled(1 / k)
			if known(tried, &l) {
				continue
			}
			tried = append(tried, l)
			if r, ok := f.read(l, levels); ok {
				rows = append(rows, r)
			}
		}
		zones = assemble(rows)
		for i := range zones {
			zones[i].Turn = turn
		}
		if slices.ContainsFunc(zones, accept) {
			return zones, true, nil
		}
	}
	return zones, false, nil
}

// resized is the plane scaled by k.
func (p *plane) resized(k float64) *plane {
	w, h := max(1, int(float64(p.w)*k+.5)), max(1, int(float64(p.h)*k+.5))
	out := newPlane(w, h)
	n := max(1, int(math.Ceil(1/k))) // samples a side, so that shrinking averages
	for y := range h {
		for x := range w {
			var sum float32
			for j := range n {
				for i := range n {
					sx, sy := (float64(x)+(float64(i)+.5)/float64(n))/k-.5, (float64(y)+(float64(j)+.5)/float64(n))/k-.5
					sum += p.at(sx, sy)
				}
			}
			out.pix[y*w+x] = byte(sum/float32(n*n) + .5)
		}
	}
	return out
}

// scaled is the line in a picture k times as large, pixel centres at integers.
func (l line) scaled(k float64) line {
	// y' + .5 = k (y + .5) with x + .5 = (x' + .5) / k
	o := .5 - .5*k // x = (x' + o) / k
	a := l.a + l.b*o/k + l.c*o*o/(k*k)
	b := l.b/k + 2*l.c*o/(k*k)
	return line{
		a: k*(a+.5) - .5, b: k * b, c: l.c / k,
		x0: k*l.x0 - o, x1: k*l.x1 - o, phase: k*l.phase - o, pitch: k * l.pitch, tone: l.tone,
	}
}

// assemble joins rows to zones: lines of one pitch, one below the other at an even
// distance, of 44, 36 or 30 cells beginning at the same place.
func assemble(rows []*row) []Zone {
	slices.SortFunc(rows, func(a, b *row) int { return sign(a.middle() - b.middle()) })
	var zones []Zone
	for i, a := range rows {
		for j, b := range rows[i+1:] {
			gap, ok := below(a, b)
			if !ok {
				continue
			}
			for _, n := range []int{36, 44} {
				zones = append(zones, cut([]*row{a, b}, n)...)
			}
			for _, c := range rows[i+j+2:] {
				if next, ok := below(b, c); ok && math.Abs(next-gap) < .3*a.pitch {
					zones = append(zones, cut([]*row{a, b, c}, 30)...)
				}
			}
		}
	}
	slices.SortStableFunc(zones, func(a, b Zone) int { return sign(b.Fit - a.Fit) })
	return zones[:min(len(zones), 12)]
}

func (r *row) middle() float64 { return r.y((r.x0 + r.x1) / 2) }

// below reports whether b can be the line after a, and how far below it is.
func below(a, b *row) (float64, bool) {
	mid := (max(a.x0, b.x0) + min(a.x1, b.x1)) / 2
	gap := (b.y(mid) - a.y(mid)) / a.pitch
	overlap := min(a.x1, b.x1) - max(a.x0, b.x0)
	return gap * a.pitch, gap > 1.1 && gap < 4 && math.Abs(a.pitch-b.pitch) < .06*a.pitch && overlap > .6*max(a.x1-a.x0, b.x1-b.x0)
}

// cut takes n cells of each row, beginning at the same place, where they fit best.
func cut(rows []*row, n int) []Zone {
	best := Zone{Fit: .55}
	a := rows[0]
	for start := -2; start+n <= len(a.cells)+2; start++ {
		z := Zone{Lines: make([][]Cell, len(rows))}
		outside := 0.0
		x := a.x(start)
		for k, r := range rows {
			// A line's skew moves what lies below sideways.
			s := int(math.Round((x - r.slant(a) - r.x(0)) / r.pitch))
			z.Lines[k] = make([]Cell, n)
			for i := range r.cells {
				if o := i - s; o >= 0 && o < n {
					z.Lines[k][o] = r.cells[i]
					z.Fit += r.cells[i].top() / float64(n*len(rows))
				} else {
					outside += max(0, r.cells[i].top()-.5) / float64(n*len(rows))
				}
			}
		}
		z.Fit -= outside
		if z.Fit > best.Fit {
			best = z
		}
	}
	if best.Lines == nil {
		return nil
	}
	return []Zone{best}
}

// x is the middle of a cell, where it was found.
func (r *row) x(i int) float64 {
	dx, _ := r.correction(i)
	return r.phase + float64(r.first+i)*r.pitch + dx*r.pitch/cellW
}

// slant is how far to the left a place lies that is straight below one of row a.
func (r *row) slant(a *row) float64 {
	mid := (r.x0 + r.x1) / 2
	return (r.y(mid) - a.y(mid)) * (r.b + 2*r.c*mid)
}
