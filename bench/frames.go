package bench

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"golang.org/x/image/draw"

	"facegate/device"
	"facegate/pipeline/imgproc"
)

// sides of the detector's two inputs, pixels.
func sides() [2]int { return [2]int{128, 192} }

// frames times what turns a camera's frame into pixels, beside what the standard library and
// x/image do. Answers are the mean level of the result; ours must be theirs.
func (b *bench) frames(ctx context.Context) error {
	// A gradient under noise compresses as a webcam's picture does, and has no face to place.
	scene := background()
	for i := range scene.Pix {
		scene.Pix[i] = byte(int(scene.Pix[i]) - 64 + i/3%scene.W/10)
	}
	for _, format := range []device.Format{device.YUYV, device.NV12, device.RGB24, device.MJPEG} {
		f, err := frame(scene, format)
		if err != nil {
			return err
		}
		if err := b.format(ctx, f); err != nil {
			return fmt.Errorf("%v: %w", format, err)
		}
	}
	return nil
}

func (b *bench) format(ctx context.Context, f *device.Frame) error {
	var p imgproc.Picture
	if t, err := imgproc.OpenTurbo(); err == nil {
		defer t.Close() //nolint:errcheck // it only frees
		p.Turbo = t
	}
	small := [2]*imgproc.Image{imgproc.New(sides()[0], sides()[0]), imgproc.New(sides()[1], sides()[1])}
	if err := b.pixels(ctx, called(f.Format, p.Turbo)+" to both detector inputs", f,
		func() (*imgproc.Image, error) {
			if err := p.SetFrame(f); err != nil {
				return nil, err
			}
			for _, m := range small {
				p.Letterbox(m)
			}
			return small[1], nil
		},
		func() (*image.RGBA, error) {
			m, err := plain(f)
			if err != nil {
				return nil, err
			}
			var out *image.RGBA
			for _, n := range sides() {
				out = image.NewRGBA(image.Rect(0, 0, n, n))
				h := n * f.Height / f.Width
				draw.ApproxBiLinear.Scale(out, image.Rect(0, (n-h)/2, n, (n-h)/2+h), m, m.Bounds(), draw.Src, nil)
			}
			return out, nil
		}); err != nil {
		return err
	}
	if f.Format == device.RGB24 {
		return nil
	}
	return b.pixels(ctx, called(f.Format, p.Turbo)+" to RGB", f,
		func() (*imgproc.Image, error) {
			if err := p.SetFrame(f); err != nil {
				return nil, err
			}
			return p.RGB(), nil
		},
		func() (*image.RGBA, error) {
			m, err := plain(f)
			if err != nil {
				return nil, err
			}
			out := image.NewRGBA(m.Bounds())
			draw.Draw(out, out.Rect, m, image.Point{}, draw.Src)
			return out, nil
		})
}

// pixels is a row of ours and of the standard library's.
func (b *bench) pixels(ctx context.Context, name string, f *device.Frame, own func() (*imgproc.Image, error), theirs func() (*image.RGBA, error)) error {
	mine, err := own()
	if err != nil {
		return err
	}
	other, err := theirs()
	if err != nil {
		return err
	}
	got, want := level(mine), level(packed(other))
	near := got-want < 1.5 && want-got < 1.5
	s, err := timed(ctx, b.Runs, 1, func() error { _, err := own(); return err })
	if err != nil {
		return err
	}
	row := b.row(name, s, fmt.Sprintf("mean %.1f", got), near)
	if s, err = timed(ctx, max(3, b.Runs/4), 1, func() error { _, err := theirs(); return err }); err != nil {
		return err
	}
	engine := "image, x/image/draw"
	if f.Format == device.MJPEG {
		engine = "image/jpeg, x/image/draw"
	}
	b.report.add(Row{Suite: b.suite, Name: name, Engine: engine, sample: s, Answers: fmt.Sprintf("mean %.1f", want), Valid: near}).against(row, 0)
	return nil
}

// plain is a frame as the standard library has it. What it has no type for is converted pixel
// by pixel.
func plain(f *device.Frame) (image.Image, error) {
	rect := image.Rect(0, 0, f.Width, f.Height)
	switch f.Format {
	case device.MJPEG:
		return jpeg.Decode(bytes.NewReader(f.Data))
	case device.RGB24:
		m := image.NewRGBA(rect)
		for i := range f.Width * f.Height {
			m.Pix[4*i], m.Pix[4*i+1], m.Pix[4*i+2], m.Pix[4*i+3] = f.Data[3*i], f.Data[3*i+1], f.Data[3*i+2], 255
		}
		return m, nil
	case device.YUYV, device.NV12:
		m := image.NewRGBA(rect)
		for i := range f.Width * f.Height {
			y, cb, cr := samples(f, i)
			r, g, b := color.YCbCrToRGB(full(y, 16, 219), full(cb, 16, 224), full(cr, 16, 224))
			m.Pix[4*i], m.Pix[4*i+1], m.Pix[4*i+2], m.Pix[4*i+3] = r, g, b, 255
		}
		return m, nil
	}
	return nil, fmt.Errorf("no %v", f.Format)
}

// samples are those of pixel i of a YUYV or NV12 frame.
func samples(f *device.Frame, i int) (y, cb, cr byte) {
	if f.Format == device.YUYV {
		at := i &^ 1 * 2
		return f.Data[2*i], f.Data[at+1], f.Data[at+3]
	}
	at := f.Width*f.Height + i/f.Width/2*f.Width + i%f.Width&^1
	return f.Data[i], f.Data[at], f.Data[at+1]
}

// full stretches a sample of limited range, from low and as wide as span, to 0..255.
func full(v byte, low, span int) byte { return byte(min(max((int(v)-low)*255/span, 0), 255)) }

func packed(m *image.RGBA) *imgproc.Image {
	out := imgproc.New(m.Rect.Dx(), m.Rect.Dy())
	for i := range out.W * out.H {
		copy(out.Pix[3*i:3*i+3], m.Pix[4*i:])
	}
	return out
}

// level is the mean of all samples.
func level(m *imgproc.Image) float64 {
	sum := 0
	for _, v := range m.Pix {
		sum += int(v)
	}
	return float64(sum) / float64(len(m.Pix))
}
