package imgproc

import (
	"errors"
	"fmt"
	"image"
	"math"

	"facegate/device"
)

// ErrPicture means that bytes are no picture that can be read: damaged, too large, of an
// unknown kind, or not what their description says. Errors that wrap it say what to do.
var ErrPicture = errors.New("picture cannot be read")

// A Picture is one frame or still in the format it came in. The zero value is empty;
// SetFrame and SetImage reuse its memory. It is not safe for concurrent use.
type Picture struct {
	W, H int

	// Turbo decodes MJPEG frames, if it is set; it may differ from the Go decoder, which does
	// it otherwise, by the rounding of the transform. The owner closes it.
	Turbo *Turbo

	rgb       Image  // what RGB returns once ready
	own       Image  // the memory of converted frames
	ready     bool   // rgb shows the picture
	layout    layout // of planes, while not ready
	planes    [3]plane
	subX      int // picture pixels a colour sample stands for
	subY      int
	matrix    matrix
	cb, cr    []byte // one upsampled row
	jpeg      []byte // a frame with its tables put in
	turbo     image.YCbCr
	letterbox scratch
}

// A layout is how a picture's planes hold its samples.
type layout uint8

const (
	packedRGB layout = iota
	packedYUYV
	semiPlanar // Y; Cb and Cr interleaved
	planar     // Y; Cb; Cr
)

// SetImage makes the picture show m, which it borrows until the next Set.
func (p *Picture) SetImage(m *Image) {
	p.W, p.H = m.W, m.H
	p.rgb = Image{W: m.W, H: m.H, Stride: m.Stride, Pix: m.Pix}
	p.ready, p.layout = true, packedRGB
	p.planes[0] = plane{m.Pix, m.Stride, 3 * m.W, m.H}
}

// SetFrame makes the picture show a camera's frame. Its bytes are read until the next Set,
// so the frame is released after that. A frame whose bytes do not fit its description is an
// error wrapping ErrPicture, and the picture is then empty.
func (p *Picture) SetFrame(f *device.Frame) error {
	p.clear()
	w, h := f.Width, f.Height
	if w <= 0 || h <= 0 || w > MaxSide || h > MaxSide || w*h > MaxPixels {
		return fmt.Errorf("%w: the camera calls its frame %d x %d pixels; choose another mode", ErrPicture, w, h)
	}
	var err error
	switch f.Format {
	case device.YUYV:
		err = p.setPacked(f, packedYUYV, 2)
	case device.RGB24:
		err = p.setPacked(f, packedRGB, 3)
	case device.NV12:
		err = p.setNV12(f)
	case device.MJPEG:
		err = p.setMJPEG(f)
	default:
		err = fmt.Errorf("%w: frames in %v are not supported; choose YUYV, NV12 or MJPEG", ErrPicture, f.Format)
	}
	if err != nil {
		p.clear()
		return err
	}
	p.W, p.H = w, h
	return nil
}

func (p *Picture) clear() {
	p.W, p.H, p.rgb, p.ready, p.planes = 0, 0, Image{}, true, [3]plane{}
}

// setPacked takes a frame of one plane, depth bytes a pixel.
func (p *Picture) setPacked(f *device.Frame, l layout, depth int) error {
	n := depth * f.Width
	stride := f.Stride
	if stride == 0 {
		stride = n
	}
	if l == packedYUYV && f.Width%2 != 0 || stride < n || stride > len(f.Data) || stride*(f.Height-1)+n > len(f.Data) {
		return shortFrame(f)
	}
	p.layout, p.ready, p.subX, p.subY, p.matrix = l, false, 2, 1, limitedRange()
	p.planes[0] = plane{f.Data, stride, n, f.Height}
	if l == packedRGB {
		p.ready = true
		p.rgb = Image{W: f.Width, H: f.Height, Stride: stride, Pix: f.Data[:stride*(f.Height-1)+n]}
	}
	return nil
}

func (p *Picture) setNV12(f *device.Frame) error {
	n, stride, rows := f.Width, f.Stride, (f.Height+1)/2
	if stride == 0 {
		stride = n
	}
	if n%2 != 0 || stride < n || stride > len(f.Data) || stride*(f.Height+rows-1)+n > len(f.Data) {
		return shortFrame(f)
	}
	p.layout, p.ready, p.subX, p.subY, p.matrix = semiPlanar, false, 2, 2, limitedRange()
	p.planes[0] = plane{f.Data, stride, n, f.Height}
	p.planes[1] = plane{f.Data[stride*f.Height:], stride, n, rows}
	return nil
}

func shortFrame(f *device.Frame) error {
	return fmt.Errorf("%w: a %v frame of %d x %d pixels with %d bytes a row cannot have %d bytes; drop it, and check the camera's mode if it recurs",
		ErrPicture, f.Format, f.Width, f.Height, f.Stride, len(f.Data))
}

// RGB is the whole picture, converted on the first call after a Set. It belongs to the
// picture and is valid until the next Set.
func (p *Picture) RGB() *Image {
	if !p.ready {
		p.own.Reset(p.W, p.H)
		p.convert(&p.own)
		p.rgb, p.ready = p.own, true
	}
	return &p.rgb
}

func (p *Picture) convert(dst *Image) {
	for y := range p.H {
		row := p.planes[0].row(y)
		switch p.layout {
		case packedYUYV:
			yuyvRow(dst.row(y), row, &p.matrix)
		case semiPlanar:
			nv12Row(dst.row(y), row, p.planes[1].row(y/2), &p.matrix)
		default:
			p.cb, p.cr = grow(p.cb, p.W), grow(p.cr, p.W)
			p.upsample(p.cb, &p.planes[1], y)
			p.upsample(p.cr, &p.planes[2], y)
			yccRow(dst.row(y), row, p.cb, p.cr, &p.matrix)
		}
	}
}

func (p *plane) row(y int) []byte { return p.pix[y*p.stride:][:p.n] }

// upsample is the full row of colour for picture row y, as libjpeg computes it.
func (p *Picture) upsample(out []byte, c *plane, y int) {
	near := c.row(y / p.subY)
	far := near
	if p.subY == 2 {
		far = c.row(min(max(y/2-1+y%2*2, 0), c.rows-1))
	}
	upsampleRow(out, near, far, p.subX, p.subY, y%2 == 1)
}

// upsampleRow makes a row of colour from the row of samples it lies in and the one on its
// other side, which is below it where lower is set.
func upsampleRow(out, near, far []byte, subX, subY int, lower bool) {
	switch {
	case subX == 2 && subY == 1 && len(near) > 2:
		upsampleH(out, near)
	case subX == 2 && subY == 2 && len(near) > 2:
		upsampleHV(out, near, far)
	case subX == 1 && subY == 2:
		upsampleV(out, near, far, lower)
	default:
		for i := range out {
			out[i] = near[i/subX]
		}
	}
}

// A Letterbox says where a picture lies in a square canvas: scaled to W x H with its corner
// at X, Y.
type Letterbox struct{ X, Y, W, H int }

// Letterbox fills the square dst with the whole picture, area filtered, on a black border,
// reading the frame's own format. An empty picture leaves dst black, and the Letterbox empty.
func (p *Picture) Letterbox(dst *Image) Letterbox {
	dst.Black()
	if p.W <= 0 || p.H <= 0 || dst.W <= 0 || dst.H <= 0 {
		return Letterbox{}
	}
	n := dst.W
	s := float64(n) / float64(max(p.W, p.H))
	w := max(1, int(math.RoundToEven(float64(p.W)*s)))
	h := max(1, int(math.RoundToEven(float64(p.H)*s)))
	l := Letterbox{(n - w) / 2, (n - h) / 2, w, h}
	in := dst.Sub(l.X, l.Y, l.X+w, l.Y+h)
	in.tmp = &p.letterbox
	switch {
	case w > p.W || h > p.H:
		ResizeLinear(&in, p.RGB())
	case p.ready:
		ResizeArea(&in, p.RGB())
	default:
		p.area(&in)
	}
	return l
}

// area fills dst with the whole picture, averaged before it is converted.
func (p *Picture) area(dst *Image) {
	t := &p.letterbox
	full := span{n: p.W, dn: dst.W, sub: 1, limit: p.W}
	t.x.set(full)
	full.sub, full.limit = p.subX, (p.W+p.subX-1)/p.subX
	t.xc.set(full)
	full = span{n: p.H, dn: dst.H, sub: 1, limit: p.H}
	t.y.set(full)
	full.sub, full.limit = p.subY, (p.H+p.subY-1)/p.subY
	t.yc.set(full)

	scale, m := areaScale(t.x.span, t.y.span, 64), p.matrix.mean()
	t.acc, t.out = grow(t.acc, 2*p.W), grow(t.out, 3*dst.W)
	for y := range dst.H {
		switch p.layout {
		case packedYUYV:
			t.sum(&p.planes[0], &t.y, y)
			hsum(t.out, t.acc, &t.x, channels{2, 0, 1}, scale)
			hsum(t.out[1:], t.acc[1:], &t.xc, channels{4, 2, 2}, scale)
		case semiPlanar:
			t.sum(&p.planes[0], &t.y, y)
			hsum(t.out, t.acc, &t.x, channels{1, 0, 1}, scale)
			t.sum(&p.planes[1], &t.yc, y)
			hsum(t.out[1:], t.acc, &t.xc, channels{2, 1, 2}, scale)
		default:
			t.sum(&p.planes[0], &t.y, y)
			hsum(t.out, t.acc, &t.x, channels{1, 0, 1}, scale)
			for c := 1; c <= 2; c++ {
				t.sum(&p.planes[c], &t.yc, y)
				hsum(t.out[c:], t.acc, &t.xc, channels{1, 0, 1}, scale)
			}
		}
		yccMean(dst.row(y), t.out, &m)
	}
}

func (t *scratch) sum(p *plane, y *axis, d int) {
	vsum(t.acc[:p.n], p.pix, p.stride, y, d)
}
