package ocrb

import "math"

// A size is that of a cell in samples.
type size struct{ w, h, capital int }

func fine() size   { return size{cellW, cellH, capH} }
func coarse() size { return size{cellW / 2, cellH / 2, capH / 2} }

// A row is a line of text seen as cells; its coordinates are the picture's.
type row struct {
	line
	kind   int     // softness of the templates that fit
	tall   float64 // height of a capital over the pitch
	lean   float64 // of what is upright, per height
	shift  float64 // of the capitals' middle below the line, in heights of a capital
	first  int     // number of the leftmost cell
	tops   []float64
	dx, dy [3]float64 // correction in pitches: a + b u + c u^2, with u from 0 to 1 along the line
	u0, un float64    // the number of the cell at which u is 0, and by how many it grows to 1
	fit    float64    // mean of the cells' best scores
	images pyramid
}

// at is the middle of the cell of a number, and the step to the next and the height of a capital there.
func (r *row) at(i float64) (x, y float64, along, down [2]float64) {
	u := (i - r.u0) / r.un
	dx := r.dx[0] + u*(r.dx[1]+u*r.dx[2])
	dy := r.dy[0] + u*(r.dy[1]+u*r.dy[2])
	px, step, scale := r.place(i + dx)
	slope := r.b + 2*r.c*px
	norm := math.Hypot(1, slope)
	ax, ay := step, step*slope
	height := r.tall * r.pitch() * scale
	bx, by := (-slope/norm+r.lean/norm)*height, (1/norm+r.lean*slope/norm)*height
	v := r.shift + dy/r.tall
	x, y = r.point(px+v*bx, r.y(px)+v*by)
	return x, y, [2]float64{r.cos*ax - r.sin*ay, r.sin*ax + r.cos*ay}, [2]float64{r.cos*bx - r.sin*by, r.sin*bx + r.cos*by}
}

// patch samples a cell, moved by pitches along and down, and returns its contrast.
func (r *row) patch(dst []float32, s size, i int, dx, dy float64) float64 {
	x, y, a, b := r.at(float64(i))
	m, k := r.images.level(r.pitch(), s.w)
	down := dy / r.tall
	x, y = x+dx*a[0]+down*b[0], y+dx*a[1]+down*b[1]
	ka, kb := k/float64(s.w), k/float64(s.capital)
	return m.cell(dst, s.w, s.h, (x+.5)*k-.5, (y+.5)*k-.5, a[0]*ka, a[1]*ka, b[0]*kb, b[1]*kb)
}

// read looks for the characters of a line, from one end and from the other. It reports
// whether that is text in this alphabet.
func (f *Finder) read(l line, images pyramid) (*row, bool) {
	var best *row
	for _, l := range []line{l, l.reversed()} {
		r := &row{line: l, images: images, tall: 1.1}
		n := f.span(r)
		if n > 64 {
			return nil, false
		}
		s := search{f: f, row: r, n: n, step: max(1, n/10), leans: []float64{-.12, .12}}
		r.fit = s.look([]float64{.73, .86, 1, 1.14, 1.32}, .3, .12, middling)
		if best == nil || r.fit > best.fit {
			best = r
		}
	}
	r := best
	if r.fit < .42 {
		return nil, false
	}
	s := search{f: f, row: r, n: len(r.tops), step: 3}
	s.leans = []float64{r.lean - .1, r.lean, r.lean + .1}
	if s.look([]float64{.94, 1, 1.06}, .06, .06, -1) < .48 {
		return nil, false
	}
	f.place(r)
	f.place(r)
	if r.fit < .5 {
		return nil, false
	}
	for len(r.tops) < 60 && f.grow(r) {
		f.place(r)
	}
	return r, true
}

// grow adds cells to an end beyond which the print goes on, as it does where a shadow or a
// fold has cut the line. It reports whether there was one.
func (f *Finder) grow(r *row) bool {
	const more = 6
	n := len(r.tops)
	left, right := (r.tops[0]+r.tops[1]+r.tops[2])/3 > .6, (r.tops[n-1]+r.tops[n-2]+r.tops[n-3])/3 > .6
	if !left && !right {
		return false
	}
	if left {
		r.first -= more
		n += more
	}
	if right {
		n += more
	}
	r.tops = make([]float64, n)
	return true
}

// beyond is how many cells are looked at on either side of a line.
const beyond = 3

// span gives a row its cells: those of the line, and some beyond its ends.
func (f *Finder) span(r *row) int {
	r.first = int(math.Floor(r.number(r.x0))) - beyond
	n := int(math.Ceil(r.number(r.x1))) + beyond - r.first + 1
	r.tops = make([]float64, min(n, 100))
	r.u0, r.un = float64(r.first), float64(n)
	return n
}

// A search fits a row's shape to what is printed.
type search struct {
	f     *Finder
	row   *row
	n     int
	step  int
	leans []float64
}

// look finds height, lean, shift and softness with which every step-th cell fits best. It
// returns how well. A kind of -1 tries all.
func (s *search) look(heights []float64, reach, stride float64, kind int) float64 {
	r := s.row
	found, best, from, tall := *r, -1.0, r.shift, r.tall
	count := 0
	for i := beyond + s.step/2; i < s.n-beyond; i += s.step {
		count++
	}
	for _, h := range heights {
		for _, lean := range s.leans {
			r.tall, r.lean = tall*h, lean
			for r.shift = from - reach; r.shift <= from+reach+1e-9; r.shift += stride {
				for k, v := range s.sums(kind) {
					if v > best {
						best, found = v, *r
						found.kind = k
					}
				}
			}
		}
	}
	*r = found
	return best / float64(max(1, count))
}

// sums adds up how well every step-th cell fits, for each softness.
func (s *search) sums(kind int) (sums [kinds]float64) {
	var buf [pixels]float32
	for i := beyond + s.step/2; i < s.n-beyond; i += s.step {
		if s.row.patch(buf[:], coarse(), s.row.first+i, 0, 0) < minContrast {
			continue
		}
		for k := range kinds {
			if kind >= 0 && k != kind {
				continue
			}
			sums[k] += float64(s.f.coarse[k].top(buf[:]))
		}
	}
	return sums
}

// place scores every cell near where it should be, and then moves where cells should be to
// where they fitted best.
func (f *Finder) place(r *row) {
	var buf [pixels]float32
	var sx, sy [3]float64
	var s [5]float64
	n := len(r.tops)
	r.fit = 0
	for i := range r.tops {
		var bx, by, best float64
		for dy := -.125; dy <= .125; dy += .0625 {
			for dx := -.125; dx <= .125; dx += .0625 {
				if r.patch(buf[:], coarse(), r.first+i, dx, dy) < minContrast {
					continue
				}
				if v := float64(f.coarse[r.kind].top(buf[:])) - farther*(dx*dx+dy*dy); v > best {
					best, bx, by = v, dx, dy
				}
			}
		}
		r.tops[i] = best
		if i >= beyond && i < n-beyond {
			r.fit += best / float64(n-2*beyond)
		}
		if best < .6 {
			continue
		}
		u, q := (float64(r.first+i)-r.u0)/r.un, best*best
		for k := range 5 {
			s[k] += q
			if k < 3 {
				sx[k] += q * bx
				sy[k] += q * by
			}
			q *= u
		}
	}
	if a, b, c, ok := solve(s, sx); ok {
		r.dx[0], r.dx[1], r.dx[2] = r.dx[0]+a, r.dx[1]+b, r.dx[2]+c
	}
	if a, b, c, ok := solve(s, sy); ok {
		r.dy[0], r.dy[1], r.dy[2] = r.dy[0]+a, r.dy[1]+b, r.dy[2]+c
	}
}
