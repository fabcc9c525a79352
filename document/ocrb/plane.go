package ocrb

import (
	"math"

	"facegate/pipeline/imgproc"
)

// A plane is one channel, from 0 (dark) to 255.
type plane struct {
	w, h int
	pix  []byte
}

func newPlane(w, h int) *plane { return &plane{w, h, make([]byte, w*h)} }

// reset gives a plane a size, with its old memory where that suffices. Its values are undefined.
func (p *plane) reset(w, h int) {
	if cap(p.pix) < w*h {
		p.pix = make([]byte, w*h)
	}
	p.w, p.h, p.pix = w, h, p.pix[:w*h]
}

func (p *plane) row(y int) []byte { return p.pix[y*p.w : (y+1)*p.w] }

// brightest takes the largest of the three channels: black ink stays dark, and coloured
// backgrounds and overprints turn light. A picture with a side longer than most is averaged
// down while it is read, so that no second one of its size exists.
func brightest(m *imgproc.Image, most int) *plane {
	k := min(1, float64(most)/float64(max(m.W, m.H)))
	w, h := max(1, int(float64(m.W)*k+.5)), max(1, int(float64(m.H)*k+.5))
	p := newPlane(w, h)
	if k == 1 {
		for y := range h {
			row, out := m.Pix[y*m.Stride:], p.row(y)
			for x := range out {
				out[x] = max(row[3*x], row[3*x+1], row[3*x+2])
			}
		}
		return p
	}
	sum := make([]float32, w)
	line := make([]float32, w)
	fx, fy := float64(m.W)/float64(w), float64(m.H)/float64(h)
	shares(h, m.H, fy, func(y, sy int, q float32, last bool) {
		row := m.Pix[sy*m.Stride:]
		clear(line)
		shares(w, m.W, fx, func(x, sx int, q float32, _ bool) {
			line[x] += q * float32(max(row[3*sx], row[3*sx+1], row[3*sx+2]))
		})
		for x, v := range line {
			sum[x] += q * v
		}
		if last {
			out := p.row(y)
			for x, v := range sum {
				out[x] = byte(v + .5)
				sum[x] = 0
			}
		}
	})
	return p
}

// shares calls f with the share that each of m source pixels has in each of n, which are k
// times as large; last is the end of one of the n.
func shares(n, m int, k float64, f func(i, s int, q float32, last bool)) {
	for i := range n {
		lo, hi := float64(i)*k, min(float64(m), float64(i+1)*k)
		first, end := int(lo), min(m, int(math.Ceil(hi-1e-9)))
		for s := first; s < end; s++ {
			q := (min(hi, float64(s+1)) - max(lo, float64(s))) / (hi - lo)
			f(i, s, float32(q), s == end-1)
		}
	}
}

// at interpolates; outside it repeats the edge.
func (p *plane) at(x, y float64) float32 {
	x, y = max(0, min(float64(p.w-1), x)), max(0, min(float64(p.h-1), y))
	x0, y0 := int(x), int(y)
	x1, y1 := min(x0+1, p.w-1), min(y0+1, p.h-1)
	fx, fy := float32(x-float64(x0)), float32(y-float64(y0))
	a := float32(p.pix[y0*p.w+x0])*(1-fx) + float32(p.pix[y0*p.w+x1])*fx
	b := float32(p.pix[y1*p.w+x0])*(1-fx) + float32(p.pix[y1*p.w+x1])*fx
	return a*(1-fy) + b*fy
}

// transpose swaps x and y.
func (p *plane) transpose(dst *plane) {
	dst.reset(p.h, p.w)
	const tile = 32 // so that what is read and written stays near
	for y0 := 0; y0 < p.h; y0 += tile {
		for x0 := 0; x0 < p.w; x0 += tile {
			for y := y0; y < min(y0+tile, p.h); y++ {
				for x := x0; x < min(x0+tile, p.w); x++ {
					dst.pix[x*p.h+y] = p.pix[y*p.w+x]
				}
			}
		}
	}
}

// extreme replaces each value by the largest (or smallest) of n pixels of its row, centred.
func (p *plane) extreme(n int, largest bool) {
	src := make([]byte, p.w)
	queue := make([]int32, p.w)
	for y := range p.h {
		dst := p.row(y)
		copy(src, dst)
		head, tail := 0, 0 // the queue holds candidates, best first
		for x := range p.w + n/2 {
			if x < p.w {
				for tail > head && (src[queue[tail-1]] <= src[x]) == largest {
					tail--
				}
				queue[tail] = int32(x)
				tail++
			}
			c := x - n/2
			if c < 0 {
				continue
			}
			for int(queue[head]) < c-n/2 {
				head++
			}
			dst[c] = src[queue[head]]
		}
	}
}

// ink puts into dst what is darker than its surroundings and narrower than n pixels.
func (p *plane) ink(dst, tmp *plane, n int) {
	dst.reset(p.w, p.h)
	copy(dst.pix, p.pix)
	dst.extreme(n, true)
	dst.transpose(tmp)
	tmp.extreme(n, true)
	tmp.extreme(n, false)
	tmp.transpose(dst)
	dst.extreme(n, false)
	for i, v := range p.pix {
		dst.pix[i] -= min(v, dst.pix[i])
	}
}

// withoutRules takes away what is longer than n pixels along a row.
func (p *plane) withoutRules(tmp *plane, n int) {
	tmp.reset(p.w, p.h)
	copy(tmp.pix, p.pix)
	tmp.extreme(n, false)
	tmp.extreme(n, true)
	for i, v := range tmp.pix {
		p.pix[i] -= min(v, p.pix[i])
	}
}

// smear puts gain times the mean over n pixels of each row into dst, at most 255.
func (p *plane) smear(dst *plane, n, gain int) {
	dst.reset(p.w, p.h)
	for y := range p.h {
		src, out := p.row(y), dst.row(y)
		sum := 0
		for x := range p.w + n/2 {
			if x < p.w {
				sum += int(src[x])
			}
			if x-n >= 0 && x-n < p.w {
				sum -= int(src[x-n])
			}
			if c := x - n/2; c >= 0 && c < p.w {
				out[c] = byte(min(255, gain*sum/n))
			}
		}
	}
}

// halve puts the plane at half its size into dst.
func (p *plane) halve(dst *plane) {
	dst.reset(p.w/2, p.h/2)
	for y := range dst.h {
		a, b, out := p.row(2*y), p.row(2*y+1), dst.row(y)
		for x := range out {
			out[x] = byte((int(a[2*x]) + int(a[2*x+1]) + int(b[2*x]) + int(b[2*x+1]) + 2) / 4)
		}
	}
}

// resize puts the plane scaled by k into dst.
func (p *plane) resize(dst *plane, k float64) {
	dst.reset(max(1, int(float64(p.w)*k+.5)), max(1, int(float64(p.h)*k+.5)))
	n := max(1, int(math.Ceil(1/k))) // samples a side, so that shrinking averages
	for y := range dst.h {
		out := dst.row(y)
		for x := range out {
			var sum float32
			for j := range n {
				for i := range n {
					sx, sy := (float64(x)+(float64(i)+.5)/float64(n))/k-.5, (float64(y)+(float64(j)+.5)/float64(n))/k-.5
					sum += p.at(sx, sy)
				}
			}
			out[x] = byte(sum/float32(n*n) + .5)
		}
	}
}

// otsu is the level that parts the plane's values best into two classes.
func (p *plane) otsu() float64 {
	var hist [256]float64
	for _, v := range p.pix {
		hist[v]++
	}
	var total, sum float64
	for i, n := range hist {
		total += n
		sum += n * float64(i)
	}
	var n0, s0, best float64
	level := 0
	for i, n := range hist {
		n0 += n
		s0 += n * float64(i)
		if n0 == 0 || n0 == total {
			continue
		}
		d := s0/n0 - (sum-s0)/(total-n0)
		if between := n0 * (total - n0) * d * d; between > best {
			best, level = between, i
		}
	}
	return float64(level) + .5
}

// A pyramid is a picture at its own size and at halves of it.
type pyramid []*plane

func newPyramid(p *plane) pyramid {
	all := pyramid{p}
	for p.w > 64 && p.h > 64 {
		half := &plane{}
		p.halve(half)
		all = append(all, half)
		p = half
	}
	return all
}

// level is the smallest picture in which cells of n pixels' width lose nothing when their
// pitch is that of the largest, and how much smaller it is.
func (all pyramid) level(pitch float64, n int) (*plane, float64) {
	k := 0
	for k+1 < len(all) && pitch/float64(int(2)<<k) >= float64(n) {
		k++
	}
	return all[k], 1 / float64(int(1)<<k)
}

// cell samples w x h pixels about (x, y), which are steps of (ax, ay) along the text and of
// (bx, by) down from each other, ink high. It returns the contrast before it standardised
// them.
func (p *plane) cell(dst []float32, w, h int, x, y, ax, ay, bx, by float64) float64 {
	x -= ax*float64(w-1)/2 + bx*float64(h-1)/2
	y -= ay*float64(w-1)/2 + by*float64(h-1)/2
	i := 0
	for range h {
		u, v := x, y
		for range w {
			dst[i] = -p.cubic(u, v)
			u += ax
			v += ay
			i++
		}
		x += bx
		y += by
	}
	return standardise(dst[:i])
}

// cubic is Catmull-Rom interpolation.
func (p *plane) cubic(x, y float64) float32 {
	if x < 1 || y < 1 || x >= float64(p.w-2) || y >= float64(p.h-2) {
		return p.at(x, y)
	}
	x0, y0 := int(x), int(y)
	wx, wy := catmullRom(float32(x-float64(x0))), catmullRom(float32(y-float64(y0)))
	var sum float32
	o := (y0-1)*p.w + x0 - 1
	for k := range 4 {
		q := p.pix[o : o+4]
		sum += wy[k] * (wx[0]*float32(q[0]) + wx[1]*float32(q[1]) + wx[2]*float32(q[2]) + wx[3]*float32(q[3]))
		o += p.w
	}
	return sum
}

func catmullRom(t float32) [4]float32 {
	t2, t3 := t*t, t*t*t
	return [4]float32{(-t + 2*t2 - t3) / 2, (2 - 5*t2 + 3*t3) / 2, (t + 4*t2 - 3*t3) / 2, (t3 - t2) / 2}
}
