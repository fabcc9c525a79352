package ocrb

import (
	"facegate/pipeline/imgproc"
)

// A plane is one channel, from 0 (dark) to 255.
type plane struct {
	w, h int
	pix  []byte
}

func newPlane(w, h int) *plane { return &plane{w, h, make([]byte, w*h)} }

// brightest takes the largest of the three channels: black ink stays dark, and coloured
// backgrounds and overprints turn light.
func brightest(m *imgproc.Image) *plane {
	p := newPlane(m.W, m.H)
	for y := range m.H {
		row := m.Pix[y*m.Stride:]
		for x := range m.W {
			p.pix[y*m.W+x] = max(row[3*x], row[3*x+1], row[3*x+2])
		}
	}
	return p
}

// scaled resizes a picture by k: averaging down, interpolating up.
func scaled(m *imgproc.Image, k float64) *imgproc.Image {
	w, h := max(1, int(float64(m.W)*k+.5)), max(1, int(float64(m.H)*k+.5))
	out := imgproc.New(w, h)
	if k < 1 {
		imgproc.ResizeArea(out, m)
	} else {
		imgproc.ResizeLanczos4(out, m)
	}
	return out
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

// transposed swaps x and y.
func (p *plane) transposed() *plane {
	t := newPlane(p.h, p.w)
	for y := range p.h {
		for x := range p.w {
			t.pix[x*p.h+y] = p.pix[y*p.w+x]
		}
	}
	return t
}

// extreme is the running maximum (or minimum) over n pixels of each row, centred.
func (p *plane) extreme(n int, largest bool) *plane {
	out := newPlane(p.w, p.h)
	queue := make([]int, p.w)
	for y := range p.h {
		src, dst := p.pix[y*p.w:(y+1)*p.w], out.pix[y*p.w:(y+1)*p.w]
		head, tail := 0, 0 // the queue holds candidates, best first
		for x := range p.w + n/2 {
			if x < p.w {
				for tail > head && (src[queue[tail-1]] <= src[x]) == largest {
					tail--
				}
				queue[tail] = x
				tail++
			}
			c := x - n/2
			if c < 0 {
				continue
			}
			for queue[head] < c-n/2 {
				head++
			}
			dst[c] = src[queue[head]]
		}
	}
	return out
}

// square is extreme over n x n.
func (p *plane) square(n int, largest bool) *plane {
	return p.extreme(n, largest).transposed().extreme(n, largest).transposed()
}

// minus is p - q, not below 0.
func (p *plane) minus(q *plane) *plane {
	out := newPlane(p.w, p.h)
	for i, v := range p.pix {
		out.pix[i] = v - min(v, q.pix[i])
	}
	return out
}

// ink is what is darker than its surroundings and narrower than n pixels, without straight
// rules longer than three times that.
func (p *plane) ink(n int) *plane {
	dark := p.square(n, true).square(n, false).minus(p)
	rules := dark.extreme(3*n, false).extreme(3*n, true)
	return dark.minus(rules)
}

// smeared is four times the mean over w x h pixels around each, at most 255.
func (p *plane) smeared(w, h int) *plane {
	return p.rowMean(w, 4).transposed().rowMean(h, 1).transposed()
}

// rowMean is gain times the mean over n pixels of each row, at most 255.
func (p *plane) rowMean(n, gain int) *plane {
	out := newPlane(p.w, p.h)
	for y := range p.h {
		src, dst := p.pix[y*p.w:(y+1)*p.w], out.pix[y*p.w:(y+1)*p.w]
		sum := 0
		for x := range p.w + n/2 {
			if x < p.w {
				sum += int(src[x])
			}
			if x-n >= 0 && x-n < p.w {
				sum -= int(src[x-n])
			}
			if c := x - n/2; c >= 0 && c < p.w {
				dst[c] = byte(min(255, gain*sum/n))
			}
		}
	}
	return out
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
