package imgproc

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"testing"

	"facegate/device"
)

// yuyvFrame is a frame of the pattern's bytes.
func yuyvFrame(w, h int) *device.Frame {
	f := &device.Frame{Width: w, Height: h, Stride: 2 * w, Format: device.YUYV, Data: make([]byte, 2*w*h)}
	m := pattern(w, h)
	for i := range w * h {
		f.Data[2*i], f.Data[2*i+1] = m.Pix[3*i], m.Pix[3*i+1]
	}
	return f
}

func nv12Frame(w, h int) *device.Frame {
	m := pattern(w, h)
	return &device.Frame{Width: w, Height: h, Stride: w, Format: device.NV12, Data: m.Pix[:w*h+w*((h+1)/2)]}
}

func mustSet(tb testing.TB, p *Picture, f *device.Frame) {
	tb.Helper()
	if err := p.SetFrame(f); err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkFrame(b *testing.B) {
	frames := map[string]*device.Frame{"YUYV": yuyvFrame(1280, 720), "NV12": nv12Frame(1280, 720)}
	rgb := pattern(1280, 720)
	frames["RGB24"] = &device.Frame{Width: 1280, Height: 720, Stride: 3840, Format: device.RGB24, Data: rgb.Pix}
	frames["MJPEG"] = gentleFrame(b, device.MJPEG, 1280, 720)
	for _, name := range []string{"YUYV", "NV12", "RGB24", "MJPEG"} {
		f := frames[name]
		var p Picture
		for _, n := range []int{128, 192} {
			dst := New(n, n)
			b.Run(name+map[int]string{128: "/letterbox128", 192: "/letterbox192"}[n], func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					mustSet(b, &p, f)
					p.Letterbox(dst)
				}
			})
		}
		b.Run(name+"/rgb", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustSet(b, &p, f)
				p.RGB()
			}
		})
	}
}

func BenchmarkDecodeWithin(b *testing.B) {
	const w, h = 2000, 1500
	var baseline, rgb bytes.Buffer
	if err := jpeg.Encode(&baseline, pattern(w, h).std(), &jpeg.Options{Quality: 90}); err != nil {
		b.Fatal(err)
	}
	if err := pngEncode(&rgb, pattern(w, h)); err != nil {
		b.Fatal(err)
	}
	progressive := jpegWriter{w: w, h: h, factors: [][2]int{{2, 2}, {1, 1}, {1, 1}}, sof: mSOF2, scans: progression(3), coefs: repeated()}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"baseline", baseline.Bytes()}, {"progressive", progressive.encode()}, {"PNG", rgb.Bytes()},
	} {
		b.Run(f.name+"/Decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(f.data); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, by := range []int{1, 2, 4} {
			b.Run(fmt.Sprint(f.name, "/by", by), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := DecodeWithin(b.Context(), f.data, w*h/by/by); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// crops is what one frame with a face needs.
type crops struct {
	mesh, eyeL, eyeR, foamliu, other, third, mask, parse, helmet *Image
	fas                                                          [3]*Image
}

func newCrops() *crops {
	return &crops{
		New(192, 192), New(64, 64), New(64, 64), New(112, 112), New(128, 128), New(128, 128), New(260, 260), New(256, 256), New(128, 128),
		[3]*Image{New(80, 80), New(80, 80), New(80, 80)},
	}
}

func (c *crops) fill(src *Image) {
	face := Box{500, 220, 760, 500}
	mid := face.Centre()
	Warp(c.mesh, src, Square(mid, .98, .17, 420, 192))
	Warp(c.eyeL, src, Square(Point{560, 300}, .98, .17, 90, 64))
	Warp(c.eyeR, src, Square(Point{690, 310}, .98, .17, 90, 64))
	Warp(c.foamliu, src, Square(mid, .98, .17, 280, 112))
	Warp(c.other, src, Square(mid, .98, .17, 300, 128))
	for i, s := range [3]float64{90, 180, 350} {
		part := src.Sub(int(mid.X-s), int(mid.Y-s), int(mid.X+s), int(mid.Y+s))
		ResizeLinear(c.fas[i], &part)
	}
	Reflect101Square(c.third, src, face, 1.8)
	SquareCrop(c.mask, src, face, 1.2, 0)
	SquareCrop(c.parse, src, face, 1.5, .2)
	SquareCrop(c.helmet, src, face, 2, .2)
}

func BenchmarkCrops(b *testing.B) {
	src, c := pattern(1280, 720), newCrops()
	b.ReportAllocs()
	for b.Loop() {
		c.fill(src)
	}
}

func BenchmarkOne(b *testing.B) {
	src := pattern(1280, 720)
	face := Box{500, 220, 760, 500}
	d192, d80, d128, d256 := New(192, 192), New(80, 80), New(128, 128), New(256, 256)
	in := make([]float32, 3*256*256)
	for _, k := range []struct {
		name string
		fn   func()
	}{
		{"warp192", func() { Warp(d192, src, Square(face.Centre(), .98, .17, 420, 192)) }},
		{"linear80", func() { p := src.Sub(400, 100, 900, 600); ResizeLinear(d80, &p) }},
		{"area128", func() { Reflect101Square(d128, src, face, 1.8) }},
		{"lanczos128", func() { p := src.Sub(400, 100, 500, 200); ResizeLanczos4(d128, &p) }},
		{"square256", func() { SquareCrop(d256, src, face, 1.5, .2) }},
		{"fill192", func() { Fill(in, d192, Uniform(1./255, 0)) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.fn()
			}
		})
	}
}
