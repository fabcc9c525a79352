package ocrb

import (
	"math"
)

// A line is a long thin run of ink: y = a + b x + c x^2 between x0 and x1.
type line struct {
	a, b, c float64
	x0, x1  float64
	pitch   float64 // of its characters, in pixels along x
	phase   float64 // x of the middle of one of them
	tone    float64 // how periodic it is, 0 to 1
}

func (l *line) y(x float64) float64 { return l.a + l.b*x + l.c*x*x }

// The pitches that a picture at its working size is searched for, in pixels.
const (
	minPitch = 7.0
	maxPitch = 40.0
)

// findLines looks for runs of text in a plane, at several sensitivities.
func findLines(p *plane) []line {
	ink := p.ink(13)
	smear := ink.smeared(31, 3)
	level := smear.otsu()
	var all []line
	for _, k := range []float64{.6, 1, 1.5} {
		for _, l := range runs(ink, smear, byte(min(254, level*k))) {
			if l.tune(ink) && !known(all, &l) {
				all = append(all, l)
			}
		}
	}
	return all
}

func known(all []line, l *line) bool {
	for i := range all {
		o := &all[i]
		mid := (max(l.x0, o.x0) + min(l.x1, o.x1)) / 2
		if math.Abs(o.y(mid)-l.y(mid)) < l.pitch/4 && math.Abs(o.x0-l.x0) < l.pitch/2 && math.Abs(o.x1-l.x1) < l.pitch/2 && math.Abs(o.pitch-l.pitch) < .02*l.pitch {
			return true
		}
	}
	return false
}

// runs finds connected areas of the smeared ink above the level that are long and thin.
func runs(ink, smear *plane, level byte) []line {
	w, h := smear.w, smear.h
	seen := make([]bool, w*h)
	var found []line
	var area, stack []int32
	most := w * h / 8 // a line is no larger part of a picture
	for start, v := range smear.pix {
		if seen[start] || v <= level {
			continue
		}
		area, stack = area[:0], append(stack[:0], int32(start))
		seen[start] = true
		x0, x1 := w, 0
		for len(stack) > 0 {
			i := int(stack[len(stack)-1])
			stack = stack[:len(stack)-1]
			if len(area) <= most {
				area = append(area, int32(i))
			}
			x, y := i%w, i/w
			x0, x1 = min(x0, x), max(x1, x)
			for _, n := range [4][2]int{{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}} {
				if n[0] < 0 || n[1] < 0 || n[0] >= w || n[1] >= h {
					continue
				}
				if k := n[1]*w + n[0]; !seen[k] && smear.pix[k] > level {
					seen[k] = true
					stack = append(stack, int32(k))
				}
			}
		}
		length := float64(x1 - x0 + 1)
		if thickness := float64(len(area)) / length; length < 28*minPitch || length < 8*thickness || len(area) > most {
			continue
		}
		if l, ok := fit(ink, area, x0, x1); ok {
			found = append(found, l)
		}
	}
	return found
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

// tune finds pitch and phase from how periodic the ink along the line is. It reports
// whether that makes between 24 and 52 characters.
func (l *line) tune(ink *plane) bool {
	length := l.x1 - l.x0
	half := max(3, length/44*.6)
	n := int(length) + 1
	profile := make([]float64, n)
	var total float64
	for i := range profile {
		x := l.x0 + float64(i)
		for d := -half; d <= half; d++ {
			profile[i] += float64(ink.at(x, l.y(x)+d))
		}
		total += profile[i]
	}
	if total == 0 {
		return false
	}
	lo, hi := max(minPitch, length/54), min(maxPitch, length/24)
	for pitch := lo; pitch <= hi; pitch *= 1.0015 {
		var re, im float64
		step := 2 * math.Pi / pitch
		ds, dc := math.Sincos(step)
		s, c := 0.0, 1.0
		for _, v := range profile {
			re += v * c
			im += v * s
			s, c = s*dc+c*ds, c*dc-s*ds
		}
		if tone := math.Hypot(re, im) / total; tone > l.tone {
			l.tone, l.pitch = tone, pitch
			l.phase = l.x0 + math.Atan2(im, re)/step
		}
	}
	return l.tone > .12
}
