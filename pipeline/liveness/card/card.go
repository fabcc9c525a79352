// Package card renders a still picture as a card held before a camera: an instrument for
// tests and demonstrations of what a door must refuse.
//
// The camera sees 60 degrees of width. The card is flat, or bent as a cylinder, turned by yaw
// and pitch, before a soft background, with blur, noise, uneven light, glare and a JPEG round
// trip. A [View] names everything; the same view of the same card is the same picture, byte
// for byte. A rendered card is no hand-held print: it lacks moiré, paper and the printer's
// colours, so it says something about geometry and nothing about passive scores.
//
// It never belongs on the path to a door. A Card is not safe for concurrent use.
package card

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"time"

	"facegate/pipeline/imgproc"
)

const (
	fieldOfView = 60 * math.Pi / 180 // of the frame's width
	halfSize    = 1.1                // the card's half width and height in faces: the head with some background
	blurSigma   = .7                 // pixels, the lens
	glareSpread = .0075              // of the square of a distance in frame widths
	shading     = .25                // how much turning changes the brightness
)

// Light is what falls on the scene besides even light. The zero value adds nothing.
type Light struct {
	Gain, SlopeX, SlopeY  float64 // brightness is Gain (0 means 1) times 1 + slope, across the frame
	Glare, GlareX, GlareY float64 // a bright spot's strength in grey levels, and its place: -0.5..0.5 of the width from the middle
}

// RandomLight draws a side light and a glare of the strength the measurements use.
func RandomLight(r *rand.Rand) Light {
	u := func(lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
	return Light{
		Gain: u(.7, 1.2), SlopeX: u(-.5, .5), SlopeY: u(-.5, .5),
		Glare: u(0, 120), GlareX: u(-.22, .22), GlareY: u(-.22, .22),
	}
}

// A View says how a card is held and seen.
type View struct {
	Yaw, Pitch float64 // degrees the card is turned
	Radius     float64 // of the cylinder it is bent to, in face widths; 0 is flat, a head is about 0.55
	Lying      bool    // bent round a horizontal line instead of a vertical one
	Relief     bool    // has the shape given by [Card.Relief] instead
	DX, DY     float64 // how far it is moved, pixels in the frame
	Light      Light
	Background uint64  // seed of the background
	Noise      float64 // deviation of the sensor's noise, grey levels; 3 is a webcam
	Seed       uint64  // of the noise; another one a frame
	JPEG       int     // quality of a JPEG round trip, 0 for none; 90 is a webcam
}

// A Card is a still and where it is rendered to.
type Card struct {
	frame      imgproc.Image // only its size
	still      *imgproc.Image
	scale      float64 // still pixels a pixel of the picture the caller gave
	face       imgproc.Box
	share      float64
	linear     []float32 // the frame being made
	row        []float32
	backdrop   []float32
	backdropOf uint64
	jpeg       bytes.Buffer
	rgba       *image.RGBA
	relief     *relief
}

// New makes a card of a still picture whose face lies in box (the outline of a mesh), to be
// rendered to frames of w by h pixels in which the face is share of the height; 0.4 is a
// person at a door. The still is not changed and must not be, while the card is in use.
func New(still *imgproc.Image, box imgproc.Box, w, h int, share float64) (*Card, error) {
	if !(box.W() > 0 && box.H() > 0 && share > 0 && share <= 2) || w < 16 || h < 16 || still.W < 1 || still.H < 1 {
		return nil, fmt.Errorf("make card: face of %g by %g pixels, frame of %d by %d, share %g", box.W(), box.H(), w, h, share)
	}
	c := &Card{frame: imgproc.Image{W: w, H: h}, still: still, scale: 1, face: box, share: share}
	// The area filter before shrinking, as far as the bilinear lookup needs it.
	if s := share * float64(h) / box.H(); s < .6 {
		c.scale = s / .8
		small := imgproc.New(max(1, int(math.Round(float64(still.W)*c.scale))), max(1, int(math.Round(float64(still.H)*c.scale))))
		imgproc.ResizeArea(small, still)
		c.still = small
	}
	c.linear, c.row = make([]float32, 3*w*h), make([]float32, 3*max(w, h))
	c.rgba = image.NewRGBA(image.Rect(0, 0, w, h))
	return c, nil
}

// Render draws the card into dst, which takes the frame's size.
func (c *Card) Render(dst *imgproc.Image, v View) error {
	c.background(v.Background)
	if v.Relief && c.relief != nil {
		c.mould(v)
	} else {
		c.project(v)
	}
	c.blur()
	w, h := c.frame.W, c.frame.H
	dst.Reset(w, h)
	noise := rand.New(rand.NewPCG(v.Seed, 0x6361_7264))
	turned := 1 + shading*math.Sin(v.Yaw*math.Pi/180)
	if v.Light.Gain == 0 {
		v.Light.Gain = 1
	}
	lit := v.Light != (Light{Gain: 1})
	// The glare is a product of a function of x and one of y.
	glare := func(n, at float64) float64 { return math.Exp(-(n - at) * (n - at) / glareSpread) }
	across := c.row[:w]
	for x := range across {
		across[x] = float32(glare(float64(x)/float64(w)-.5, v.Light.GlareX))
	}
	for y := range h {
		ny := (float64(y) - float64(h)/2) / float64(w)
		down := v.Light.Glare * glare(ny, v.Light.GlareY)
		for x := range w {
			gain, add := float32(turned), float32(0)
			if lit {
				nx := float64(x)/float64(w) - .5
				gain *= float32(v.Light.Gain * (1 + 2*v.Light.SlopeX*nx + 2*v.Light.SlopeY*ny))
				add = float32(down) * across[x]
			}
			p, o := c.linear[3*(y*w+x):], dst.Pix[y*dst.Stride+3*x:]
			for k := range 3 {
				o[k] = byte(min(max((p[k]+float32(v.Noise*gauss(noise)))*gain+add, 0), 255))
			}
		}
	}
	if v.JPEG > 0 {
		return c.compress(dst, v.JPEG)
	}
	return nil
}

// gauss is the sum of four uniform numbers, of deviation 1: near enough to a Gaussian for a
// sensor, and four times as fast.
func gauss(r *rand.Rand) float64 {
	u := r.Uint64()
	sum := u&0xffff + u>>16&0xffff + u>>32&0xffff + u>>48
	return (float64(sum)/65535 - 2) * math.Sqrt(3)
}

// project casts a ray through every pixel and looks up what it meets.
func (c *Card) project(v View) {
	w, h := c.frame.W, c.frame.H
	focal := float64(w) / 2 / math.Tan(fieldOfView/2)
	far := c.face.H() * focal / (c.share * float64(h)) // lengths are pixels of the caller's still
	sy, cy := math.Sincos(v.Yaw * math.Pi / 180)
	sp, cp := math.Sincos(v.Pitch * math.Pi / 180)
	// Ry times Rx, card to camera; its transpose takes rays to the card.
	m := [9]float64{cy, sy * sp, sy * cp, 0, cp, -sp, -sy, cy * sp, cy * cp}
	ox, oy, oz := -m[6]*far, -m[7]*far, -m[8]*far
	middle := c.face.Centre()
	cw, ch := halfSize*c.face.W(), halfSize*c.face.H()
	r := v.Radius * c.face.W()
	for y := range h {
		py := (float64(y) - float64(h)/2 - v.DY) / focal
		for x := range w {
			px := (float64(x) - float64(w)/2 - v.DX) / focal
			dx, dy, dz := px*m[0]+py*m[3]+m[6], px*m[1]+py*m[4]+m[7], px*m[2]+py*m[5]+m[8]
			var a, b float64
			hit := false
			switch {
			case v.Radius <= 0:
				t := -oz / dz
				a, b, hit = ox+t*dx, oy+t*dy, t > 0
			case v.Lying:
				b, a, hit = bent(oy, ox, oz, dy, dx, dz, r)
			default:
				a, b, hit = bent(ox, oy, oz, dx, dy, dz, r)
			}
			out := c.linear[3*(y*w+x) : 3*(y*w+x)+3]
			if hit && math.Abs(a) < cw && math.Abs(b) < ch {
				c.lookup(out, (a+middle.X)*c.scale, (b+middle.Y)*c.scale)
			} else {
				copy(out, c.backdrop[3*(y*w+x):])
			}
		}
	}
}

// bent is where a ray from o along d meets a cylinder of radius r that touches the card's
// plane and bulges towards the camera: along its curve, and along its axis.
func bent(oi, oj, oz, di, dj, dz, r float64) (along, across float64, hit bool) {
	oz -= r
	a, b, q := di*di+dz*dz, oi*di+oz*dz, oi*oi+oz*oz-r*r
	disc := b*b - a*q
	if disc <= 0 {
		return 0, 0, false
	}
	t := (-b - math.Sqrt(disc)) / a
	return r * math.Atan2(oi+t*di, -(oz+t*dz)), oj + t*dj, t > 0
}

// lookup reads the still between pixels; beyond its edge its edge goes on.
func (c *Card) lookup(out []float32, x, y float64) {
	s := c.still
	x, y = min(max(x, 0), float64(s.W-1)), min(max(y, 0), float64(s.H-1))
	ix, iy := min(int(x), max(s.W-2, 0)), min(int(y), max(s.H-2, 0))
	wx, wy := float32(x-float64(ix)), float32(y-float64(iy))
	right, down := 3*min(1, s.W-1), s.Stride*min(1, s.H-1)
	p := s.Pix[iy*s.Stride+3*ix:]
	for k := range 3 {
		top := float32(p[k])*(1-wx) + float32(p[right+k])*wx
		low := float32(p[down+k])*(1-wx) + float32(p[down+right+k])*wx
		out[k] = top*(1-wy) + low*wy
	}
}

// background is a few soft patches of colour.
func (c *Card) background(seed uint64) {
	if c.backdrop != nil && c.backdropOf == seed {
		return
	}
	const across, down = 5, 4
	w, h := c.frame.W, c.frame.H
	r := rand.New(rand.NewPCG(seed, 0x6261_636b))
	var grid [across * down * 3]float64
	for i := range grid {
		grid[i] = 60 + 140*r.Float64()
	}
	if c.backdrop == nil {
		c.backdrop = make([]float32, 3*w*h)
	}
	c.backdropOf = seed
	ease := func(t float64) float64 { return t * t * (3 - 2*t) }
	for y := range h {
		gy := float64(y) / float64(h) * (down - 1)
		iy := int(gy)
		fy := ease(gy - float64(iy))
		for x := range w {
			gx := float64(x) / float64(w) * (across - 1)
			ix := int(gx)
			fx := ease(gx - float64(ix))
			for k := range 3 {
				at := func(i, j int) float64 { return grid[3*(j*across+i)+k] }
				top := at(ix, iy)*(1-fx) + at(ix+1, iy)*fx
				low := at(ix, iy+1)*(1-fx) + at(ix+1, iy+1)*fx
				c.backdrop[3*(y*w+x)+k] = float32(top*(1-fy) + low*fy)
			}
		}
	}
}

// blur is the lens: a Gaussian, columns and rows.
func (c *Card) blur() {
	w, h := c.frame.W, c.frame.H
	var g [3]float32 // weights of the pixel and its two neighbours on either side
	var sum float32
	for i := range g {
		g[i] = float32(math.Exp(-float64(i*i) / (2 * blurSigma * blurSigma)))
		sum += g[i]
		if i > 0 {
			sum += g[i]
		}
	}
	for i := range g {
		g[i] /= sum
	}
	for y := range h {
		row := c.linear[3*w*y : 3*w*(y+1)]
		copy(c.row, row)
		for i := 6; i < 3*w-6; i++ {
			row[i] = g[0]*c.row[i] + g[1]*(c.row[i-3]+c.row[i+3]) + g[2]*(c.row[i-6]+c.row[i+6])
		}
	}
	n := 3 * w
	prev2, prev1 := make([]float32, n), make([]float32, n)
	copy(prev2, c.linear[:n])
	copy(prev1, c.linear[n:2*n])
	for y := 2; y < h-2; y++ {
		at := c.linear[n*y : n*(y+3)]
		for i := range n {
			v := at[i]
			at[i] = g[0]*v + g[1]*(prev1[i]+at[n+i]) + g[2]*(prev2[i]+at[2*n+i])
			prev2[i], prev1[i] = prev1[i], v
		}
	}
}

// compress sends the picture through JPEG and back.
func (c *Card) compress(m *imgproc.Image, quality int) error {
	for y := range m.H {
		src, dst := m.Pix[y*m.Stride:], c.rgba.Pix[y*c.rgba.Stride:]
		for x := range m.W {
			dst[4*x], dst[4*x+1], dst[4*x+2], dst[4*x+3] = src[3*x], src[3*x+1], src[3*x+2], 255
		}
	}
	c.jpeg.Reset()
	if err := jpeg.Encode(&c.jpeg, c.rgba, &jpeg.Options{Quality: quality}); err != nil {
		return fmt.Errorf("encode card: %w", err)
	}
	got, err := jpeg.Decode(&c.jpeg)
	if err != nil {
		return fmt.Errorf("decode card: %w", err)
	}
	ycc, ok := got.(*image.YCbCr)
	if !ok {
		return fmt.Errorf("decode card: %T is not a colour picture", got)
	}
	for y := range m.H {
		dst := m.Pix[y*m.Stride:]
		for x := range m.W {
			r, g, b, _ := ycc.YCbCrAt(x, y).RGBA()
			dst[3*x], dst[3*x+1], dst[3*x+2] = byte(r>>8), byte(g>>8), byte(b>>8)
		}
	}
	return nil
}

// InHand is how somebody holds a card who tries to fool a door with it, at a time since it was
// raised: straight for a second, then turned to and fro by up to 40 degrees, never quite still.
// It is as a webcam sees it, under even light.
func InHand(at time.Duration) View {
	s := at.Seconds()
	yaw := 0.
	if s > 1 {
		yaw = 40 * math.Sin((s-1)*1.2)
	}
	return View{
		Yaw: yaw, Pitch: 2 * math.Sin(1.7*s), DX: 4 * math.Sin(3*s), DY: 3 * math.Sin(2*s),
		Noise: 3, Seed: uint64(at), Background: 1, JPEG: 90,
	}
}
