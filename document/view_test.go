package document

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"facegate/pipeline/imgproc"
)

// A severity is how hard a photograph is to read. Lengths are in pixels of the picture
// that is photographed where the photograph is larger, else in its own.
type severity struct {
	name            string
	tilt            float64    // degrees, at most, between the camera's axis and the card's normal
	turn            float64    // degrees of rotation in the plane, at most
	scale           [2]float64 // pixels of the photograph per pixel of the picture
	blur, motion    float64    // at most: deviation, length
	noise           float64    // grey levels, at most
	light, shadow   float64    // share of the light that is lost across the picture, and in a shadow, at most
	quality         [2]int     // of the JPEG file
	margin, margin2 float64    // of background on every side, as a share of the card's size
}

func severities() []severity {
	return []severity{
		{"mild", 10, 10, [2]float64{1, 2.5}, .5, 0, 3, .2, 0, [2]int{75, 90}, .03, .15},
		{"medium", 18, 180, [2]float64{.85, 2.5}, .8, 1.5, 6, .35, .3, [2]int{60, 90}, .05, .25},
		{"hard", 25, 180, [2]float64{.7, 2.5}, 1.2, 3, 10, .5, .5, [2]int{50, 90}, .05, .35},
	}
}

// photograph is the picture as a card that lies on a cluttered table, seen by a camera
// held by hand.
func photograph(t testing.TB, rng *rand.Rand, m *imgproc.Image, s severity) *imgproc.Image {
	t.Helper()
	between := func(lo, hi float64) float64 { return lo + (hi-lo)*rng.Float64() }
	w, h := float64(m.W), float64(m.H)
	k := between(s.scale[0], s.scale[1])
	k = min(k, 2400/max(w, h))
	axis, tilt, turn := between(0, 2*math.Pi), between(0, s.tilt)*math.Pi/180, between(-s.turn, s.turn)*math.Pi/180
	distance := between(1.4, 2.4) * max(w, h)

	// The card's points to the camera's: tilt about an axis in the plane, turn, project.
	sa, ca := math.Sincos(axis)
	st, ct := math.Sincos(tilt)
	sr, cr := math.Sincos(turn)
	// Rodrigues for the first two columns of the rotation about (ca, sa, 0).
	a := [9]float64{ct + ca*ca*(1-ct), ca * sa * (1 - ct), 0, ca * sa * (1 - ct), ct + sa*sa*(1-ct), 0, -sa * st, ca * st, 0}
	f := distance * k
	to := [9]float64{
		f * (cr*a[0] - sr*a[3]), f * (cr*a[1] - sr*a[4]), 0,
		f * (sr*a[0] + cr*a[3]), f * (sr*a[1] + cr*a[4]), 0,
		a[6], a[7], distance,
	}
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, p := range [4][2]float64{{-w / 2, -h / 2}, {w / 2, -h / 2}, {w / 2, h / 2}, {-w / 2, h / 2}} {
		x, y := through(&to, p[0], p[1])
		x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
	}
	size := max(x1-x0, y1-y0)
	x0, x1 = x0-size*between(s.margin, s.margin2), x1+size*between(s.margin, s.margin2)
	y0, y1 = y0-size*between(s.margin, s.margin2), y1+size*between(s.margin, s.margin2)
	out := clutter(rng, int(x1-x0), int(y1-y0))
	from := inverted(&to)
	samples := max(1, int(math.Ceil(1.2/k)))
	for y := range out.H {
		for x := range out.W {
			var sum [3]float64
			n := 0
			for j := range samples {
				for i := range samples {
					u, v := through(&from, x0+float64(x)+(float64(i)+.5)/float64(samples), y0+float64(y)+(float64(j)+.5)/float64(samples))
					u, v = u+w/2-.5, v+h/2-.5
					if u < 0 || v < 0 || u > w-1 || v > h-1 {
						continue
					}
					n++
					for c := range 3 {
						sum[c] += sample(m, u, v, c)
					}
				}
			}
			if n > 0 {
				for c := range 3 {
					out.Pix[y*out.Stride+3*x+c] = byte(min(255, max(0, sum[c]/float64(n)+.5)))
				}
			}
		}
	}
	light(rng, out, between(0, s.light), between(0, s.shadow))
	grow := max(1, k)
	blur(out, between(0, s.blur)*grow, between(0, s.motion)*grow, between(0, math.Pi))
	noise := between(0, s.noise)
	for i, v := range out.Pix {
		out.Pix[i] = byte(min(255, max(0, float64(v)+noise*rng.NormFloat64()+.5)))
	}
	return compressed(t, out, s.quality[0]+rng.IntN(s.quality[1]-s.quality[0]+1))
}

func through(h *[9]float64, x, y float64) (u, v float64) {
	z := h[6]*x + h[7]*y + h[8]
	return (h[0]*x + h[1]*y + h[2]) / z, (h[3]*x + h[4]*y + h[5]) / z
}

func inverted(m *[9]float64) [9]float64 {
	return [9]float64{ // the adjugate, which differs by a factor that does not matter
		m[4]*m[8] - m[5]*m[7], m[2]*m[7] - m[1]*m[8], m[1]*m[5] - m[2]*m[4],
		m[5]*m[6] - m[3]*m[8], m[0]*m[8] - m[2]*m[6], m[2]*m[3] - m[0]*m[5],
		m[3]*m[7] - m[4]*m[6], m[1]*m[6] - m[0]*m[7], m[0]*m[4] - m[1]*m[3],
	}
}

// sample interpolates one channel by Catmull and Rom's cubic.
func sample(m *imgproc.Image, x, y float64, c int) float64 {
	weights := func(t float64) [4]float64 {
		return [4]float64{(-t + 2*t*t - t*t*t) / 2, (2 - 5*t*t + 3*t*t*t) / 2, (t + 4*t*t - 3*t*t*t) / 2, (t*t*t - t*t) / 2}
	}
	ix, iy := int(x), int(y)
	wx, wy := weights(x-float64(ix)), weights(y-float64(iy))
	sum := 0.0
	for j := range 4 {
		row := m.Pix[min(m.H-1, max(0, iy+j-1))*m.Stride:]
		for i := range 4 {
			sum += wy[j] * wx[i] * float64(row[3*min(m.W-1, max(0, ix+i-1))+c])
		}
	}
	return sum
}

// clutter is a table with papers, edges, and print on it.
func clutter(rng *rand.Rand, w, h int) *imgproc.Image {
	m := imgproc.New(w, h)
	colour := func() (c [3]float64) {
		g := 40 + 190*rng.Float64()
		for i := range c {
			c[i] = g + 40*(rng.Float64()-.5)
		}
		return c
	}
	base := colour()
	const cell = 24
	grid := make([]float64, (w/cell+2)*(h/cell+2))
	for i := range grid {
		grid[i] = 24 * rng.NormFloat64()
	}
	n := w/cell + 2
	for y := range h {
		for x := range w {
			fx, fy := float64(x%cell)/cell, float64(y%cell)/cell
			o := y/cell*n + x/cell
			v := (grid[o]*(1-fx)+grid[o+1]*fx)*(1-fy) + (grid[o+n]*(1-fx)+grid[o+n+1]*fx)*fy
			for c := range 3 {
				m.Pix[y*m.Stride+3*x+c] = byte(min(255, max(0, base[c]+v+6*rng.NormFloat64())))
			}
		}
	}
	bar := func(cx, cy, long, wide, turn float64, c [3]float64) {
		sin, cos := math.Sincos(turn)
		r := math.Hypot(long, wide) / 2
		for y := max(0, int(cy-r)); y < min(h, int(cy+r)); y++ {
			for x := max(0, int(cx-r)); x < min(w, int(cx+r)); x++ {
				dx, dy := float64(x)-cx, float64(y)-cy
				if math.Abs(dx*cos+dy*sin) < long/2 && math.Abs(dy*cos-dx*sin) < wide/2 {
					for i := range 3 {
						m.Pix[y*m.Stride+3*x+i] = byte(min(255, max(0, c[i])))
					}
				}
			}
		}
	}
	size := float64(max(w, h))
	for range 4 + rng.IntN(8) {
		bar(float64(w)*rng.Float64(), float64(h)*rng.Float64(), size*(.1+.5*rng.Float64()), size*(.01+.3*rng.Float64()), math.Pi*rng.Float64(), colour())
	}
	for range 3 + rng.IntN(6) { // lines of something like print
		x, y, turn, c := float64(w)*rng.Float64(), float64(h)*rng.Float64(), math.Pi*rng.Float64(), colour()
		sin, cos := math.Sincos(turn)
		height := size * (.006 + .012*rng.Float64())
		for range 10 + rng.IntN(40) {
			bar(x, y, height*(.2+.6*rng.Float64()), height*(.5+.5*rng.Float64()), turn, c)
			x, y = x+cos*height, y+sin*height
		}
	}
	return m
}

// light dims a picture along one direction and beyond the edge of a shadow.
func light(rng *rand.Rand, m *imgproc.Image, loss, shadow float64) {
	sg, cg := math.Sincos(2 * math.Pi * rng.Float64())
	ss, cs := math.Sincos(2 * math.Pi * rng.Float64())
	offset, soft := .5*(rng.Float64()-.5), .005+.05*rng.Float64()
	for y := range m.H {
		for x := range m.W {
			u, v := float64(x)/float64(m.W)-.5, float64(y)/float64(m.H)-.5
			k := 1 - loss*(.5+(u*cg+v*sg)/math.Sqrt2)
			k *= 1 - shadow/(1+math.Exp(-(u*cs+v*ss-offset)/soft))
			for c := range 3 {
				o := y*m.Stride + 3*x + c
				m.Pix[o] = byte(float64(m.Pix[o])*k + .5)
			}
		}
	}
}

// blur is a Gaussian, and the mean along a line that the camera moved.
func blur(m *imgproc.Image, sigma, length, direction float64) {
	if sigma > .1 {
		r := int(3*sigma) + 1
		weights := make([]float64, 2*r+1)
		sum := 0.0
		for i := range weights {
			weights[i] = math.Exp(-float64((i-r)*(i-r)) / (2 * sigma * sigma))
			sum += weights[i]
		}
		for i := range weights {
			weights[i] /= sum
		}
		along(m, weights, 1, 0)
		along(m, weights, 0, 1)
	}
	if length > .5 {
		sin, cos := math.Sincos(direction)
		n := max(3, 2*int(length)+1)
		weights := make([]float64, n)
		for i := range weights {
			weights[i] = 1 / float64(n)
		}
		along(m, weights, cos*length/float64(n-1), sin*length/float64(n-1))
	}
}

// along is the weighted mean of samples at multiples of (dx, dy).
func along(m *imgproc.Image, weights []float64, dx, dy float64) {
	src := *m
	src.Pix = append([]byte(nil), m.Pix...)
	r := len(weights) / 2
	for y := range m.H {
		for x := range m.W {
			var sum [3]float64
			for i, q := range weights {
				u, v := float64(x)+dx*float64(i-r), float64(y)+dy*float64(i-r)
				u, v = max(0, min(float64(m.W-1), u)), max(0, min(float64(m.H-1), v))
				ix, iy := int(u), int(v)
				fx, fy := u-float64(ix), v-float64(iy)
				a := iy*m.Stride + 3*ix
				b, c := a, a
				if fx > 0 {
					b = a + 3
				}
				if fy > 0 {
					c = a + m.Stride
				}
				d := c + b - a
				for k := range 3 {
					sum[k] += q * ((float64(src.Pix[a+k])*(1-fx)+float64(src.Pix[b+k])*fx)*(1-fy) + (float64(src.Pix[c+k])*(1-fx)+float64(src.Pix[d+k])*fx)*fy)
				}
			}
			for k := range 3 {
				m.Pix[y*m.Stride+3*x+k] = byte(sum[k] + .5)
			}
		}
	}
}

// compressed is the picture after it was stored as a JPEG file.
func compressed(t testing.TB, m *imgproc.Image, quality int) *imgproc.Image {
	t.Helper()
	rgba := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	for i := range m.W * m.H {
		copy(rgba.Pix[4*i:], m.Pix[3*i:3*i+3])
		rgba.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, rgba, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	out, err := imgproc.Decode(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// turned is the picture turned by degrees about its middle, large enough to hold it, on white.
func turned(m *imgproc.Image, degrees float64) *imgproc.Image {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	w, h := float64(m.W), float64(m.H)
	out := imgproc.New(int(math.Abs(w*cos)+math.Abs(h*sin))+1, int(math.Abs(w*sin)+math.Abs(h*cos))+1)
	inverted := imgproc.New(m.W, m.H)
	for y := range m.H {
		row, to := m.Pix[y*m.Stride:y*m.Stride+3*m.W], inverted.Pix[y*inverted.Stride:]
		for i, v := range row {
			to[i] = 255 - v
		}
	}
	cx, cy, ox, oy := (w-1)/2, (h-1)/2, float64(out.W-1)/2, float64(out.H-1)/2
	imgproc.Warp(out, inverted, imgproc.Affine{A: cos, B: -sin, C: ox - cos*cx + sin*cy, D: sin, E: cos, F: oy - sin*cx - cos*cy})
	for i, v := range out.Pix {
		out.Pix[i] = 255 - v // what Warp left black is white now
	}
	return out
}
