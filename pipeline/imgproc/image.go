// Package imgproc is the pipeline's pixel work: frames and pictures to RGB, resizing,
// warping, and the measures of blur and exposure.
//
// The currency is [Image], packed 8-bit RGB. A [Picture] is a frame or still in whatever
// format it came in; it yields a detector's small letterboxed input without converting
// every pixel, and its full RGB image once, when a stage needs it. Geometry is in pixels
// with pixel centres at integer coordinates, as OpenCV's warpAffine has it, because the
// thresholds of the models hold for that geometry.
//
// Nothing here allocates in steady state: callers own the destination images. Values are
// not safe for concurrent use.
package imgproc

import "math"

// An Image is packed 8-bit RGB, three bytes a pixel, rows Stride bytes apart.
type Image struct {
	W, H   int
	Stride int
	Pix    []byte

	tmp *scratch // working memory of the operations that have this image as destination
}

func (m *Image) scratch() *scratch {
	if m.tmp == nil {
		m.tmp = new(scratch)
	}
	return m.tmp
}

func (m *Image) row(y int) []byte { return m.Pix[y*m.Stride : y*m.Stride+3*m.W] }

// Black clears the image.
func (m *Image) Black() {
	for y := range m.H {
		clear(m.row(y))
	}
}

// New returns a black image.
func New(w, h int) *Image {
	return &Image{W: w, H: h, Stride: 3 * w, Pix: make([]byte, 3*w*h)}
}

// Reset gives the image a new size, reusing its memory where it suffices. The contents
// are undefined afterwards.
func (m *Image) Reset(w, h int) {
	n := 3 * w * h
	if cap(m.Pix) < n {
		m.Pix = make([]byte, n)
	}
	m.W, m.H, m.Stride, m.Pix = w, h, 3*w, m.Pix[:n]
}

// Sub is the part of the image with x0 <= x < x1 and y0 <= y < y1, cut to what exists.
// It shares the image's memory.
func (m *Image) Sub(x0, y0, x1, y1 int) Image {
	x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, m.W), min(y1, m.H)
	if x1 <= x0 || y1 <= y0 {
		return Image{}
	}
	return Image{W: x1 - x0, H: y1 - y0, Stride: m.Stride, Pix: m.Pix[y0*m.Stride+3*x0 : (y1-1)*m.Stride+3*x1]}
}

// A Point is a place in an image, in pixels.
type Point struct{ X, Y float64 }

// A Box is an upright rectangle, in pixels. It may reach beyond the image.
type Box struct{ X0, Y0, X1, Y1 float64 }

// W is the box's width.
func (b Box) W() float64 { return b.X1 - b.X0 }

// H is the box's height.
func (b Box) H() float64 { return b.Y1 - b.Y0 }

// Centre is the middle of the box.
func (b Box) Centre() Point { return Point{(b.X0 + b.X1) / 2, (b.Y0 + b.Y1) / 2} }

// An Affine maps (x, y) to (A x + B y + C, D x + E y + F).
type Affine struct{ A, B, C, D, E, F float64 }

// Apply maps one point.
func (t Affine) Apply(p Point) Point {
	return Point{t.A*p.X + t.B*p.Y + t.C, t.D*p.X + t.E*p.Y + t.F}
}

// Invert is the inverse map. A degenerate map has an inverse of NaNs.
func (t Affine) Invert() Affine {
	d := t.A*t.E - t.B*t.D
	if d == 0 {
		d = math.NaN()
	}
	a, b, c, e := t.E/d, -t.B/d, -t.D/d, t.A/d
	return Affine{a, b, -(a*t.C + b*t.F), c, e, -(c*t.C + e*t.F)}
}

// Scale is the square root of the map's area change: how many destination pixels a source
// pixel becomes.
func (t Affine) Scale() float64 { return math.Sqrt(math.Abs(t.A*t.E - t.B*t.D)) }

// Similarity is the least-squares similarity (turn, scale, shift) from src to dst
// (Umeyama 1991). The slices have the same length, two at least.
func Similarity(src, dst []Point) Affine {
	var ms, md Point
	n := float64(len(src))
	for i := range src {
		ms.X += src[i].X / n
		ms.Y += src[i].Y / n
		md.X += dst[i].X / n
		md.Y += dst[i].Y / n
	}
	var k, c, s float64
	for i := range src {
		ax, ay := src[i].X-ms.X, src[i].Y-ms.Y
		bx, by := dst[i].X-md.X, dst[i].Y-md.Y
		k += ax*ax + ay*ay
		c += ax*bx + ay*by
		s += ax*by - ay*bx
	}
	if k == 0 {
		k = math.NaN()
	}
	c, s = c/k, s/k
	return Affine{c, -s, md.X - (c*ms.X - s*ms.Y), s, c, md.Y - (s*ms.X + c*ms.Y)}
}

// Square maps the square of the given side, centred on c and turned by (ux, uy), its unit
// x axis, onto an n by n image: its corners land on (0, 0), (n, 0), (0, n).
func Square(c Point, ux, uy, side float64, n int) Affine {
	k := float64(n) / side
	return Affine{
		k * ux, k * uy, float64(n)/2 - k*(ux*c.X+uy*c.Y),
		-k * uy, k * ux, float64(n)/2 - k*(-uy*c.X+ux*c.Y),
	}
}
