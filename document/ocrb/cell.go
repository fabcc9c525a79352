package ocrb

import (
	"math"
)

// A Cell is the evidence for one character: how well each of the Alphabet correlates with
// what is printed there, at most 1.
type Cell [classes]float32

// Best is the character that fits best among those of the alphabet given, and by how much
// it beats the next of them. An empty alphabet means all.
func (c *Cell) Best(alphabet string) (char byte, margin float64) {
	if alphabet == "" {
		alphabet = Alphabet
	}
	first, second := float32(-2), float32(-2)
	for i := range len(alphabet) {
		switch s := c[index(alphabet[i])]; {
		case s > first:
			first, second, char = s, first, alphabet[i]
		case s > second:
			second = s
		}
	}
	return char, float64(first - second)
}

// Score is how well a character fits.
func (c *Cell) Score(char byte) float64 { return float64(c[index(char)]) }

func (c *Cell) top() float64 {
	s := c[0]
	for _, v := range c {
		s = max(s, v)
	}
	return float64(s)
}

func index(char byte) int {
	switch {
	case char >= '0' && char <= '9':
		return int(char - '0')
	case char >= 'A' && char <= 'Z':
		return int(char-'A') + 10
	}
	return classes - 1
}

// A pyramid is a picture at its own size and at halves of it.
type pyramid []*plane

func newPyramid(p *plane) pyramid {
	all := pyramid{p}
	for p.w > 64 && p.h > 64 {
		half := newPlane(p.w/2, p.h/2)
		for y := range half.h {
			a, b := p.pix[2*y*p.w:], p.pix[(2*y+1)*p.w:]
			for x := range half.w {
				half.pix[y*half.w+x] = byte((int(a[2*x]) + int(a[2*x+1]) + int(b[2*x]) + int(b[2*x+1]) + 2) / 4)
			}
		}
		all = append(all, half)
		p = half
	}
	return all
}

// A row is a line of text seen as cells; its coordinates are the picture's.
type row struct {
	line
	kind        int     // softness of the templates that fit
	tall        float64 // height of a capital over the pitch
	wide        float64 // width of a character over what is usual at this pitch
	shift       float64 // of the capitals' middle below the line, in cell pixels
	first       int     // number of the leftmost cell, counted from the phase
	cells       []Cell
	dx, dy      [3]float64 // correction in cell pixels: a + b i + c i^2 over the cell's number
	fit         float64    // mean of the cells' best scores
	level       *plane
	levelFactor float64 // picture to level
}

// patch samples the cell whose middle is the i-th, moved by dx and dy cell pixels. It
// returns the contrast before it standardised the patch.
func (r *row) patch(dst []float32, i int, dx, dy float64) float64 {
	x := r.phase + float64(i)*r.pitch
	slope := r.b + 2*r.c*x
	norm := math.Hypot(1, slope)
	ux, uy := 1/norm, slope/norm
	sx := r.pitch * norm / cellW
	sy := sx * r.tall * cellW / capH
	cx, cy := x, r.y(x)
	for py := range cellH {
		v := (float64(py) + .5 - cellH/2.0 + dy) * sy
		for px := range cellW {
			u := ((float64(px)+.5-cellW/2.0)*r.wide + dx) * sx
			gx, gy := cx+u*ux-v*uy, cy+u*uy+v*ux
			dst[py*cellW+px] = -r.level.cubic((gx+.5)*r.levelFactor-.5, (gy+.5)*r.levelFactor-.5)
		}
	}
	return standardise(dst)
}

// cubic is Catmull-Rom interpolation.
func (p *plane) cubic(x, y float64) float32 {
	x0, y0 := math.Floor(x), math.Floor(y)
	if x0 < 1 || y0 < 1 || x0 >= float64(p.w-2) || y0 >= float64(p.h-2) {
		return p.at(x, y)
	}
	wx, wy := catmullRom(float32(x-x0)), catmullRom(float32(y-y0))
	var sum float32
	o := (int(y0)-1)*p.w + int(x0) - 1
	for k := range 4 {
		q := p.pix[o+k*p.w : o+k*p.w+4]
		sum += wy[k] * (wx[0]*float32(q[0]) + wx[1]*float32(q[1]) + wx[2]*float32(q[2]) + wx[3]*float32(q[3]))
	}
	return sum
}

func catmullRom(t float32) [4]float32 {
	t2, t3 := t*t, t*t*t
	return [4]float32{(-t + 2*t2 - t3) / 2, (2 - 5*t2 + 3*t3) / 2, (t + 4*t2 - 3*t3) / 2, (t3 - t2) / 2}
}

// farther is what a pixel away from where a cell should be costs.
const farther = .012

// minContrast is the deviation of grey levels below which a cell is blank.
const minContrast = 6

func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for i := 0; i+3 < len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	return s0 + s1 + s2 + s3
}

// read recognises the characters of a line. l is in the picture's coordinates. It reports
// whether that is text in this alphabet.
func (f *Finder) read(l line, levels pyramid) (*row, bool) {
	r := &row{line: l}
	k := 0
	for k+1 < len(levels) && l.pitch/float64(int(2)<<k) >= cellW {
		k++
	}
	r.level, r.levelFactor = levels[k], 1/float64(int(1)<<k)
	r.first = int(math.Floor((l.x0 - l.phase) / l.pitch))
	n := int(math.Ceil((l.x1-l.phase)/l.pitch)) - r.first + 1
	if n > 60 {
		return nil, false
	}
	buf := make([]float32, pixels)
	r.wide, r.tall = 1, 1.1
	if r.look(f, buf, n, max(1, n/10), []float64{.73, .86, 1, 1.14, 1.32}, []float64{1}, 5, 2, 1) < .45 {
		return nil, false
	}
	if r.look(f, buf, n, 2, []float64{.94, 1, 1.06}, []float64{1}, 1, 1, 0) < .5 {
		return nil, false
	}
	r.look(f, buf, n, 2, []float64{.97, 1, 1.03}, []float64{.9, 1, 1.1}, .5, .5, r.kind)
	r.cells = make([]Cell, n)
	r.dy[0] = r.shift
	r.classify(f, buf, 2, 1)
	r.classify(f, buf, 1, 1)
	r.classify(f, buf, 1, .5)
	for i := range r.cells {
		r.fit += r.cells[i].top() / float64(n)
	}
	return r, r.fit > .5
}

// look finds height, width, shift and softness with which every step-th cell fits best:
// within reach of the shift so far, at the factors of height and width that are given. It
// returns how well. A kind of 0 tries all.
func (r *row) look(f *Finder, buf []float32, n, step int, heights, widths []float64, reach, stride float64, kind int) float64 {
	found, best, from := *r, -1.0, r.shift
	tall, wide := r.tall, r.wide
	count := float64((n - step/2 + step - 1) / step)
	for _, h := range heights {
		for _, w := range widths {
			r.tall, r.wide = tall*h, wide*w
			for r.shift = from - reach; r.shift <= from+reach; r.shift += stride {
				for k, s := range r.sums(f, buf, n, step, kind) {
					if s > best {
						best, found = s, *r
						found.kind = k
					}
				}
			}
		}
	}
	*r = found
	return best / max(1, count)
}

// sums adds up how well every step-th cell fits, for each softness.
func (r *row) sums(f *Finder, buf []float32, n, step, kind int) (sums [kinds]float64) {
	for i := step / 2; i < n; i += step {
		if r.patch(buf, r.first+i, 0, r.shift) < minContrast {
			continue
		}
		for k := range kinds {
			if kind != 0 && k != kind {
				continue
			}
			top := float32(0)
			for _, t := range f.templates[k] {
				top = max(top, dot(t, buf))
			}
			sums[k] += float64(top)
		}
	}
	return sums
}

func (r *row) correction(i int) (dx, dy float64) {
	u := float64(i) / float64(len(r.cells))
	return r.dx[0] + r.dx[1]*u + r.dx[2]*u*u, r.dy[0] + r.dy[1]*u + r.dy[2]*u*u
}

// classify scores every cell within reach of where it should be, in steps of stride, and then moves where
// cells should be to where they fitted best.
func (r *row) classify(f *Finder, buf []float32, reach, stride float64) {
	var sx, sy [3]float64
	var s [5]float64
	for i := range r.cells {
		cell := &r.cells[i]
		for k := range cell {
			cell[k] = 0
		}
		cx, cy := r.correction(i)
		var bx, by, best float64
		for dy := -reach; dy <= reach; dy += stride {
			for dx := -reach; dx <= reach; dx += stride {
				if r.patch(buf, r.first+i, cx+dx, cy+dy) < minContrast {
					continue
				}
				away := float32(farther * (dx*dx + dy*dy))
				for k, t := range f.templates[r.kind] {
					v := dot(t, buf) - away
					cell[k] = max(cell[k], v)
					if float64(v) > best {
						best, bx, by = float64(v), dx, dy
					}
				}
			}
		}
		if best < .6 {
			continue
		}
		u, q := float64(i)/float64(len(r.cells)), best*best
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
