package imgproc

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"slices"
	"testing"

	"facegate/device"
)

func (m *Image) std() *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	for y := range m.H {
		for x := range m.W {
			p := m.row(y)[3*x:]
			copy(out.Pix[y*out.Stride+4*x:], []byte{p[0], p[1], p[2], 255})
		}
	}
	return out
}

func pngEncode(w io.Writer, m *Image) error { return png.Encode(w, m.std()) }

// mjpegFrame is the pattern's frame, with its Huffman tables or, as some cameras send it, without.
func mjpegFrame(tb testing.TB, w, h int, tables bool) *device.Frame {
	tb.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, pattern(w, h).std(), &jpeg.Options{Quality: 90}); err != nil {
		tb.Fatal(err)
	}
	data := b.Bytes()
	if !tables {
		for at, body := range segments(data) {
			if data[at+1] == mDHT {
				data = slices.Delete(data, at, at+4+len(body))
				break
			}
		}
	}
	return &device.Frame{Width: w, Height: h, Format: device.MJPEG, Data: data}
}

// gentleFrame is a frame of colours that RGB has, in rows longer than its pixels.
func gentleFrame(tb testing.TB, format device.Format, w, h int) *device.Frame {
	tb.Helper()
	luma := func(x, y int) byte { return byte(128 + 40*math.Sin(float64(x)/17+float64(y)/11)) }
	blue := func(x, y int) byte { return byte(128 + 20*math.Cos(float64(x)/36-float64(y)/23)) }
	red := func(x, y int) byte { return byte(128 + 20*math.Sin(float64(x)/29+float64(y)/31)) }
	f := &device.Frame{Width: w, Height: h, Format: format}
	switch format {
	case device.YUYV:
		f.Stride = 2*w + 6
		f.Data = make([]byte, f.Stride*h)
		for y := range h {
			for x := 0; x < w; x += 2 {
				copy(f.Data[y*f.Stride+2*x:], []byte{luma(x, y), blue(x, y), luma(x+1, y), red(x, y)})
			}
		}
	case device.NV12:
		f.Stride = w + 10
		f.Data = make([]byte, f.Stride*(h+(h+1)/2))
		for y := range h {
			for x := range w {
				f.Data[y*f.Stride+x] = luma(x, y)
				f.Data[(h+y/2)*f.Stride+x&^1] = blue(x&^1, y)
				f.Data[(h+y/2)*f.Stride+x|1] = red(x&^1, y)
			}
		}
	default:
		m := New(w, h)
		for y := range h {
			for x := range w {
				copy(m.row(y)[3*x:], []byte{luma(x, y), blue(x, y), red(x, y)})
			}
		}
		f.Stride, f.Data = m.Stride, m.Pix
		if format == device.MJPEG {
			var b bytes.Buffer
			if err := jpeg.Encode(&b, m.std(), &jpeg.Options{Quality: 90}); err != nil {
				tb.Fatal(err)
			}
			f.Stride, f.Data = 0, b.Bytes()
		}
	}
	return f
}

func TestLetterboxEqualsConversionThenArea(t *testing.T) {
	var p, q Picture
	for _, size := range [][2]int{{640, 360}, {200, 333}, {1280, 720}, {194, 1}} {
		for _, format := range []device.Format{device.YUYV, device.NV12, device.MJPEG, device.RGB24} {
			f := gentleFrame(t, format, size[0], size[1])
			for _, n := range []int{128, 192} {
				got, want := New(n, n), New(n, n)
				mustSet(t, &p, f)
				l := p.Letterbox(got)
				mustSet(t, &q, f)
				q.RGB()
				if w := q.Letterbox(want); l != w {
					t.Fatalf("%v %v: at %+v from the frame, %+v from RGB", format, size, l, w)
				}
				within(t, fmt.Sprint(format, size, n), got.Pix, want.Pix, .5, 2)
			}
		}
	}
}

func TestLetterboxPlace(t *testing.T) {
	var p Picture
	dst := New(128, 128)
	for _, tt := range []struct {
		w, h int
		want Letterbox
	}{
		{1280, 720, Letterbox{0, 28, 128, 72}},
		{480, 640, Letterbox{16, 0, 96, 128}},
		{64, 32, Letterbox{0, 32, 128, 64}},
		{3000, 1, Letterbox{0, 63, 128, 1}},
	} {
		m := New(tt.w, tt.h)
		for i := range m.Pix {
			m.Pix[i] = 200
		}
		p.SetImage(m)
		for i := range dst.Pix {
			dst.Pix[i] = 99
		}
		if got := p.Letterbox(dst); got != tt.want {
			t.Errorf("%d x %d: %+v, want %+v", tt.w, tt.h, got, tt.want)
		}
		for y := range dst.H {
			for x := range dst.W {
				in := x >= tt.want.X && y >= tt.want.Y && x < tt.want.X+tt.want.W && y < tt.want.Y+tt.want.H
				if v := dst.row(y)[3*x]; in && v != 200 || !in && v != 0 {
					t.Fatalf("%d x %d: %d at %d, %d", tt.w, tt.h, v, x, y)
				}
			}
		}
	}
	var none Picture
	if got := none.Letterbox(dst); got != (Letterbox{}) || dst.Pix[64*dst.Stride] != 0 {
		t.Errorf("empty picture: %+v", got)
	}
}

func TestSetFrameMJPEG(t *testing.T) {
	whole := mjpegFrame(t, 96, 64, true)
	var p Picture
	mustSet(t, &p, whole)
	want := slices.Clone(p.RGB().Pix)
	bare := mjpegFrame(t, 96, 64, false)
	if readJPEGHeader(bare.Data).tables {
		t.Fatal("the test's frame has its tables")
	}
	padded := mjpegFrame(t, 96, 64, true)
	padded.Data = append(padded.Data, make([]byte, 4096)...)
	for name, f := range map[string]*device.Frame{"without tables": bare, "padded": padded} {
		mustSet(t, &p, f)
		within(t, name, p.RGB().Pix, want, 0, 0)
	}
}

func TestSetFrameRefuses(t *testing.T) {
	jpg := mjpegFrame(t, 96, 64, true)
	bare := mjpegFrame(t, 96, 64, false)
	cut := func(f *device.Frame, n int) []byte { return f.Data[:len(f.Data)-n] }
	tests := []struct {
		name string
		f    *device.Frame
	}{
		{"no size", &device.Frame{Format: device.YUYV}},
		{"negative size", &device.Frame{Width: -4, Height: 4, Format: device.YUYV, Data: make([]byte, 99)}},
		{"enormous size", &device.Frame{Width: 30000, Height: 30000, Format: device.YUYV, Data: make([]byte, 99)}},
		{"unknown format", &device.Frame{Width: 4, Height: 4, Data: make([]byte, 99)}},
		{"short YUYV", &device.Frame{Width: 4, Height: 4, Stride: 8, Format: device.YUYV, Data: make([]byte, 31)}},
		{"odd YUYV", &device.Frame{Width: 3, Height: 4, Stride: 8, Format: device.YUYV, Data: make([]byte, 32)}},
		{"rows shorter than the picture", &device.Frame{Width: 4, Height: 4, Stride: 7, Format: device.YUYV, Data: make([]byte, 99)}},
		{"rows of overflowing length", &device.Frame{Width: 4, Height: 4, Stride: math.MaxInt / 2, Format: device.YUYV, Data: make([]byte, 99)}},
		{"negative stride", &device.Frame{Width: 4, Height: 4, Stride: -8, Format: device.YUYV, Data: make([]byte, 99)}},
		{"short NV12", &device.Frame{Width: 4, Height: 4, Stride: 4, Format: device.NV12, Data: make([]byte, 23)}},
		{"NV12 of overflowing length", &device.Frame{Width: 4, Height: 4, Stride: math.MaxInt / 4, Format: device.NV12, Data: make([]byte, 23)}},
		{"short RGB", &device.Frame{Width: 4, Height: 4, Stride: 12, Format: device.RGB24, Data: make([]byte, 47)}},
		{"empty MJPEG", &device.Frame{Width: 96, Height: 64, Format: device.MJPEG}},
		{"cut MJPEG", &device.Frame{Width: 96, Height: 64, Format: device.MJPEG, Data: cut(jpg, len(jpg.Data)/3)}},
		{"MJPEG without its end", &device.Frame{Width: 96, Height: 64, Format: device.MJPEG, Data: cut(jpg, 2)}},
		{"cut MJPEG without tables", &device.Frame{Width: 96, Height: 64, Format: device.MJPEG, Data: cut(bare, 100)}},
		{"MJPEG of another size", &device.Frame{Width: 64, Height: 96, Format: device.MJPEG, Data: jpg.Data}},
		{"MJPEG that is text", &device.Frame{Width: 64, Height: 96, Format: device.MJPEG, Data: []byte("no picture")}},
	}
	for _, tt := range tests {
		var p Picture
		mustSet(t, &p, yuyvFrame(8, 8))
		if err := p.SetFrame(tt.f); !errors.Is(err, ErrPicture) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if p.W != 0 || p.H != 0 || p.RGB().W != 0 {
			t.Errorf("%s: the picture is not empty", tt.name)
		}
	}
}

func TestFrameMayEndWithItsLastPixel(t *testing.T) {
	var p Picture
	mustSet(t, &p, &device.Frame{Width: 4, Height: 3, Stride: 16, Format: device.YUYV, Data: make([]byte, 16*2+8)})
	mustSet(t, &p, &device.Frame{Width: 4, Height: 3, Stride: 16, Format: device.NV12, Data: make([]byte, 16*4+4)})
	p.RGB()
	mustSet(t, &p, &device.Frame{Width: 4, Height: 3, Format: device.RGB24, Data: make([]byte, 36)})
}

func TestNoAllocations(t *testing.T) {
	var p Picture
	dst, f, g := New(128, 128), yuyvFrame(640, 480), nv12Frame(640, 480)
	src, c, in := pattern(1280, 720), newCrops(), make([]float32, 3*192*192)
	var m Meter
	for name, fn := range map[string]func(){
		"YUYV":      func() { mustSet(t, &p, f); p.Letterbox(dst); p.RGB() },
		"NV12":      func() { mustSet(t, &p, g); p.Letterbox(dst); p.RGB() },
		"crops":     func() { c.fill(src) },
		"fill":      func() { Fill(in, c.mesh, Uniform(1, 0)) },
		"sharpness": func() { m.Sharpness(src, Box{100, 100, 300, 350}) },
		"light":     func() { LightPolygon(src, []Point{{10, 10}, {200, 30}, {90, 300}}) },
	} {
		if n := testing.AllocsPerRun(5, fn); n != 0 {
			t.Errorf("%s: %v allocations a run", name, n)
		}
	}
}

func FuzzSetFrame(f *testing.F) {
	whole, bare := mjpegFrame(f, 48, 32, true), mjpegFrame(f, 48, 32, false)
	f.Add(48, 32, 0, byte(device.MJPEG), whole.Data)
	f.Add(48, 32, 0, byte(device.MJPEG), bare.Data)
	f.Add(37, 29, 0, byte(device.MJPEG), testFile(f, "422.jpg"))
	f.Add(37, 29, 0, byte(device.MJPEG), testFile(f, "cmyk.jpg"))
	f.Add(8, 4, 16, byte(device.YUYV), make([]byte, 64))
	f.Add(8, 5, 8, byte(device.NV12), make([]byte, 64))
	f.Add(3, 2, 9, byte(device.RGB24), make([]byte, 18))
	dst := New(32, 32)
	f.Fuzz(func(t *testing.T, w, h, stride int, format byte, data []byte) {
		if w > 2000 || h > 2000 {
			return // slow, and no different
		}
		var p Picture
		err := p.SetFrame(&device.Frame{Width: w, Height: h, Stride: stride, Format: device.Format(format), Data: data})
		if err != nil {
			if !errors.Is(err, ErrPicture) || p.W != 0 {
				t.Errorf("error %v, width %d", err, p.W)
			}
			return
		}
		if p.W != w || p.H != h {
			t.Errorf("%d x %d, declared %d x %d", p.W, p.H, w, h)
		}
		p.Letterbox(dst)
		if m := p.RGB(); m.W != w || m.H != h {
			t.Errorf("RGB of %d x %d", m.W, m.H)
		}
	})
}
