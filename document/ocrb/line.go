package ocrb

import (
	"math"
)

// A frame is where the lines of one direction are measured: x runs along them, turned by an
// angle against the picture's x, and y below.
type frame struct{ sin, cos, ox, oy float64 }

// point is a place of the frame in the picture.
func (f *frame) point(x, y float64) (float64, float64) {
	return f.cos*x - f.sin*y + f.ox, f.sin*x + f.cos*y + f.oy
}

// A line is a long thin run of ink: y = a + b x + c x^2 between x0 and x1. Seen at an angle
// its characters grow from one end to the other: with t from -1 to 1 between the ends, the
// number of a cell is phase + freq t / (1 - q t).
type line struct {
	frame
	a, b, c     float64
	x0, x1      float64
	freq, phase float64
	q           float64
	tone        float64 // how periodic it is, 0 to 1
}

func (l *line) y(x float64) float64 { return l.a + l.b*x + l.c*x*x }

// place is the middle of cell i, the step to the next, and by how much larger things are
// there than in the middle of the line.
func (l *line) place(i float64) (x, step, scale float64) {
	g := (i - l.phase) / l.freq
	z := max(.2, 1+l.q*g)
	half := (l.x1 - l.x0) / 2
	return (l.x0+l.x1)/2 + half*g/z, half / (l.freq * z * z), 1 / z
}

// number is the cell at x.
func (l *line) number(x float64) float64 {
	t := (2*x - l.x0 - l.x1) / (l.x1 - l.x0)
	return l.phase + l.freq*t/(1-l.q*t)
}

// pitch is the step in the middle.
func (l *line) pitch() float64 { return (l.x1 - l.x0) / 2 / l.freq }

// scaled is the line in a picture k times as large, pixel centres at integers.
func (l line) scaled(k float64) line {
	l.ox, l.oy = k*(l.ox+.5)-.5, k*(l.oy+.5)-.5
	l.a, l.c = k*l.a, l.c/k
	l.x0, l.x1 = k*l.x0, k*l.x1
	return l
}

// reversed is the line read from its other end.
func (l line) reversed() line {
	l.sin, l.cos = -l.sin, -l.cos
	l.a, l.c = -l.a, -l.c
	l.x0, l.x1 = -l.x1, -l.x0
	l.phase, l.q = -l.phase, -l.q
	return l
}

// The pitches that a picture at its working size is searched for, in pixels.
const (
	minPitch = 7.0
	maxPitch = 40.0
)

// A searcher finds lines in a picture at one size. Its planes are used again for every
// direction.
type searcher struct {
	ink, half          plane // what is dark and narrow, and that at half the size
	turned, smear, tmp plane // of the half, turned
	seen               []bool
	area, stack        []int32
}

// open sets the picture that is searched.
func (s *searcher) open(p *plane) {
	p.ink(&s.ink, &s.tmp, 13)
	s.ink.halve(&s.half)
}

// turn samples the plane along rows that run at an angle, whole, and says where they lie.
func (p *plane) turn(dst *plane, angle float64) frame {
	sin, cos := math.Sincos(angle)
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, c := range [4][2]float64{{0, 0}, {float64(p.w - 1), 0}, {0, float64(p.h - 1)}, {float64(p.w - 1), float64(p.h - 1)}} {
		x, y := cos*c[0]+sin*c[1], cos*c[1]-sin*c[0]
		x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
	}
	dst.reset(int(x1-x0)+1, int(y1-y0)+1)
	f := frame{sin, cos, cos*x0 - sin*y0, sin*x0 + cos*y0}
	for y := range dst.h {
		row := dst.row(y)
		px, py := f.point(0, float64(y))
		for x := range row {
			// Sixteenths of a pixel are fine enough for what is only searched.
			u, v := int(px*16+16384.5)-16384, int(py*16+16384.5)-16384
			px += cos
			py += sin
			ix, iy := u>>4, v>>4
			if ix < 0 || iy < 0 || ix >= p.w-1 || iy >= p.h-1 {
				row[x] = 0
				continue
			}
			fx, fy, o := u&15, v&15, iy*p.w+ix
			a, b := p.pix[o:o+2], p.pix[o+p.w:o+p.w+2]
			row[x] = byte(((int(a[0])*(16-fx)+int(a[1])*fx)*(16-fy) + (int(b[0])*(16-fx)+int(b[1])*fx)*fy + 128) >> 8)
		}
	}
	return f
}

// directions are the angles from 0 to pi, each of the given number, at which ink lies in
// rows, those first that have most.
func (s *searcher) directions(n int) []float64 {
	var quarter plane
	s.half.halve(&quarter)
	energy := make([]float64, n)
	for i := range n {
		quarter.turn(&s.turned, math.Pi*float64(i)/float64(n))
		s.turned.smear(&s.smear, 16, 4)
		sum := 0
		for y := 1; y < s.smear.h; y++ {
			a, b := s.smear.row(y-1), s.smear.row(y)
			for x, v := range a {
				d := int(v) - int(b[x])
				sum += d * d
			}
		}
		energy[i] = float64(sum)
	}
	var found []float64
	used := make([]bool, n)
	for range n {
		best := -1
		for i := range n {
			if !used[i] && (best < 0 || energy[i] > energy[best]) {
				best = i
			}
		}
		used[best] = true
		l, r := energy[(best+n-1)%n], energy[(best+1)%n]
		if e := energy[best]; e >= l && e > r {
			d := 0.0
			if curve := 2*e - l - r; curve > 0 {
				d = (r - l) / (2 * curve)
			}
			found = append(found, math.Pi*(float64(best)+d)/float64(n))
		}
	}
	return found
}

// lines looks for runs of text along one direction, at several sensitivities.
func (s *searcher) lines(angle float64) []line {
	f := s.half.turn(&s.turned, angle)
	s.turned.withoutRules(&s.tmp, 19)
	s.turned.smear(&s.smear, 15, 4)
	level := s.smear.otsu()
	var all []line
	for _, k := range []float64{.6, 1, 1.5} {
		s.runs(byte(min(254, level*k)), func(l line) {
			l.frame = f
			l = l.scaled(2)
			if l.tune(&s.ink) && !known(all, &l) {
				all = append(all, l)
			}
		})
	}
	return all
}

// known reports whether a line, or its reverse, is one of those there are.
func known(all []line, l *line) bool {
	ax, ay := l.point(l.x0, l.y(l.x0))
	bx, by := l.point(l.x1, l.y(l.x1))
	pitch := l.pitch()
	for i := range all {
		o := &all[i]
		cx, cy := o.point(o.x0, o.y(o.x0))
		dx, dy := o.point(o.x1, o.y(o.x1))
		near := math.Hypot(cx-ax, cy-ay)+math.Hypot(dx-bx, dy-by) < pitch || math.Hypot(cx-bx, cy-by)+math.Hypot(dx-ax, dy-ay) < pitch
		if near && math.Abs(o.pitch()-pitch) < .02*pitch {
			return true
		}
	}
	return false
}

// runs finds connected areas of the smeared ink above the level that are long and thin.
func (s *searcher) runs(level byte, found func(line)) {
	w, h := s.smear.w, s.smear.h
	if len(s.seen) < w*h {
		// At once, because growing would leave several times as much behind.
		n := w*h + w*h/4 // for directions in which the picture is larger
		s.seen, s.area, s.stack = make([]bool, n), make([]int32, 0, n/8), make([]int32, 0, n/4)
	}
	seen := s.seen[:w*h]
	clear(seen)
	smear := s.smear.pix
	most := w * h / 8 // a line is no larger part of a picture
	for start, v := range smear {
		if v <= level || seen[start] {
			continue
		}
		s.area, s.stack = s.area[:0], append(s.stack[:0], int32(start))
		seen[start] = true
		x0, x1 := w, 0
		for len(s.stack) > 0 {
			i := int(s.stack[len(s.stack)-1])
			s.stack = s.stack[:len(s.stack)-1]
			if len(s.area) <= most {
				s.area = append(s.area, int32(i))
			}
			x := i % w
			x0, x1 = min(x0, x), max(x1, x)
			for _, n := range [4]struct {
				k    int
				none bool
			}{{i - 1, x == 0}, {i + 1, x == w-1}, {i - w, i < w}, {i + w, i >= w*(h-1)}} {
				if !n.none && !seen[n.k] && smear[n.k] > level {
					seen[n.k] = true
					s.stack = append(s.stack, int32(n.k))
				}
			}
		}
		length := float64(x1 - x0 + 1)
		if thickness := float64(len(s.area)) / length; length < 28*minPitch/2 || length < 8*thickness || len(s.area) > most {
			continue
		}
		if l, ok := fit(&s.turned, s.area, x0, x1); ok {
			found(l)
		}
	}
}

// fit lays a parabola through the middle of an area's ink.
func fit(ink *plane, area []int32, x0, x1 int) (line, bool) {
	n := x1 - x0 + 1
	weight, moment := make([]float64, n), make([]float64, n)
	for _, i := range area {
		x := int(i)%ink.w - x0
		weight[x] += float64(ink.pix[i])
		moment[x] += float64(ink.pix[i]) * float64(int(i)/ink.w)
	}
	l := line{}
	tolerance := math.Inf(1)
	for range 4 {
		var s [5]float64
		var t [3]float64
		for x := range n {
			if weight[x] == 0 {
				continue
			}
			u, y := float64(x)/float64(n), moment[x]/weight[x]
			if !math.IsInf(tolerance, 1) && math.Abs(y-(l.a+l.b*u+l.c*u*u)) > tolerance {
				continue
			}
			q := weight[x]
			for k := range 5 {
				s[k] += q
				if k < 3 {
					t[k] += q * y
				}
				q *= u
			}
		}
		a, b, c, ok := solve(s, t)
		if !ok {
			return line{}, false
		}
		l.a, l.b, l.c = a, b, c
		var sum, all float64
		for x := range n {
			if weight[x] > 0 {
				u := float64(x) / float64(n)
				sum += weight[x] * math.Abs(moment[x]/weight[x]-(a+b*u+c*u*u))
				all += weight[x]
			}
		}
		tolerance = max(1, 1.5*sum/all)
	}
	// From u back to x.
	k, o := float64(n), float64(x0)
	b, c := l.b/k, l.c/(k*k)
	return line{a: l.a - b*o + c*o*o, b: b - 2*c*o, c: c, x0: o, x1: float64(x1)}, true
}

// solve does the least squares of a parabola from its sums.
func solve(s [5]float64, t [3]float64) (a, b, c float64, ok bool) {
	m := [3][4]float64{{s[0], s[1], s[2], t[0]}, {s[1], s[2], s[3], t[1]}, {s[2], s[3], s[4], t[2]}}
	for i := range 3 {
		p := i
		for k := i + 1; k < 3; k++ {
			if math.Abs(m[k][i]) > math.Abs(m[p][i]) {
				p = k
			}
		}
		m[i], m[p] = m[p], m[i]
		if math.Abs(m[i][i]) < 1e-9*max(1, s[0]) {
			return 0, 0, 0, false
		}
		for k := range 3 {
			if k == i {
				continue
			}
			f := m[k][i] / m[i][i]
			for j := i; j < 4; j++ {
				m[k][j] -= f * m[i][j]
			}
		}
	}
	return m[0][3] / m[0][0], m[1][3] / m[1][1], m[2][3] / m[2][2], true
}

// tune finds the cells from how periodic the ink along the line is. It reports whether that
// makes between 24 and 54 characters.
func (l *line) tune(ink *plane) bool {
	length := l.x1 - l.x0
	half := max(3, length/44*.6)
	n := int(length) + 1
	profile := make([]float64, n)
	var total float64
	for i := range profile {
		x := l.x0 + float64(i)
		y := l.y(x)
		for d := -half; d <= half; d++ {
			px, py := l.point(x, y+d)
			profile[i] += float64(ink.at(px, py))
		}
		total += profile[i]
	}
	if total == 0 {
		return false
	}
	p := wave{profile: profile, total: total}
	lo, hi := max(length/maxPitch, 24), min(length/minPitch, 54)
	for k := -4; k <= 4; k++ {
		p.search(l, .04*float64(k), lo, hi, .2, 192)
	}
	if l.tone < .08 {
		return false
	}
	q, cycles := l.q, l.freq*2/(1-l.q*l.q)
	l.tone = 0
	for k := -2; k <= 2; k++ {
		p.search(l, q+.01*float64(k), max(lo, cycles-.4), min(hi, cycles+.4), .05, 384)
	}
	return l.tone > .12
}

// A wave is the ink along a line.
type wave struct {
	profile []float64
	total   float64
	even    [384]float64
}

// search gives the line the number of cycles between lo and hi, for one q, if the ink is
// more periodic with it than with what the line has.
func (p *wave) search(l *line, q, lo, hi, step float64, bins int) {
	// The profile as it would be if all characters were of one size: with g = t / (1 - q t)
	// evenly spread between its ends.
	g0, g1 := -1/(1+q), 1/(1-q)
	even := p.even[:bins]
	clear(even)
	last := float64(len(p.profile) - 1)
	for i, v := range p.profile {
		t := 2*float64(i)/last - 1
		b := (t/(1-q*t) - g0) / (g1 - g0) * float64(bins-1)
		j := max(0, min(bins-2, int(b)))
		r := b - float64(j)
		even[j] += v * (1 - r)
		even[j+1] += v * r
	}
	for cycles := lo; cycles <= hi; cycles += step {
		w := 2 * math.Pi * cycles / float64(bins-1)
		sin, cos := math.Sincos(w)
		var s1, s2 float64 // Goertzel's recursion, from the last to the first
		for i := bins - 1; i >= 0; i-- {
			s1, s2 = even[i]+2*cos*s1-s2, s1
		}
		re, im := s1-cos*s2, sin*s2
		if tone := math.Hypot(re, im) / p.total; tone > l.tone {
			l.tone, l.q, l.freq = tone, q, cycles/(g1-g0)
			// Cell 0 has its middle where the wave's first crest is.
			l.phase = -l.freq*g0 - math.Atan2(im, re)/(2*math.Pi)
		}
	}
}
