package bench

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"

	"facegate/device"
	"facegate/pipeline/imgproc"
)

const (
	frameW, frameH = 1280, 720
	faceShare      = .4 // of the frame's height
)

// background is a plain wall as a webcam sees it: grey with a sensor's noise.
func background() *imgproc.Image {
	m := imgproc.New(frameW, frameH)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		m.Pix[i] = byte(128 + 3*r.NormFloat64())
	}
	return m
}

// before puts a picture before the background, its face in the middle and of the usual size.
func before(picture *imgproc.Image, face imgproc.Box) *imgproc.Image {
	s := faceShare * frameH / face.H()
	scaled := imgproc.New(int(s*float64(picture.W)), int(s*float64(picture.H)))
	if s < 1 {
		imgproc.ResizeArea(scaled, picture)
	} else {
		imgproc.ResizeLinear(scaled, picture)
	}
	m, c := background(), face.Centre()
	left, top := frameW/2-int(s*c.X), frameH/2-int(s*c.Y)
	for y := max(top, 0); y < min(top+scaled.H, frameH); y++ {
		x0, x1 := max(left, 0), min(left+scaled.W, frameW)
		copy(m.Pix[y*m.Stride+3*x0:y*m.Stride+3*x1], scaled.Pix[(y-top)*scaled.Stride+3*(x0-left):])
	}
	return m
}

// frame is a picture as a camera delivers it.
func frame(m *imgproc.Image, f device.Format) (*device.Frame, error) {
	out := &device.Frame{Width: m.W, Height: m.H, Format: f}
	switch f {
	case device.RGB24:
		out.Stride, out.Data = m.Stride, m.Pix
	case device.YUYV:
		out.Stride, out.Data = 2*m.W, yuyv(m)
	case device.NV12:
		out.Stride, out.Data = m.W, nv12(m)
	case device.MJPEG:
		rgb := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
		for i := range m.W * m.H {
			copy(rgb.Pix[4*i:], m.Pix[3*i:3*i+3])
			rgb.Pix[4*i+3] = 255
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, rgb, &jpeg.Options{Quality: 85}); err != nil {
			return nil, fmt.Errorf("make frame: %w", err)
		}
		out.Data = b.Bytes()
	default:
		return nil, fmt.Errorf("make frame: no %v", f)
	}
	return out, nil
}

// ycc is one pixel in the limited range of YUYV and NV12.
func ycc(m *imgproc.Image, i int) (y, cb, cr int) {
	a, b, c := color.RGBToYCbCr(m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2])
	return 16 + int(a)*219/255, 128 + (int(b)-128)*224/255, 128 + (int(c)-128)*224/255
}

func yuyv(m *imgproc.Image) []byte {
	out := make([]byte, 2*m.W*m.H)
	for i := 0; i < m.W*m.H; i += 2 {
		y0, b0, r0 := ycc(m, i)
		y1, b1, r1 := ycc(m, i+1)
		copy(out[2*i:], []byte{byte(y0), byte((b0 + b1) / 2), byte(y1), byte((r0 + r1) / 2)})
	}
	return out
}

func nv12(m *imgproc.Image) []byte {
	n := m.W * m.H
	out := make([]byte, n+n/2)
	for y := range m.H {
		for x := range m.W {
			l, cb, cr := ycc(m, y*m.W+x)
			out[y*m.W+x] = byte(l)
			if y%2 == 0 && x%2 == 0 {
				at := n + y/2*m.W + x
				out[at], out[at+1] = byte(cb), byte(cr)
			}
		}
	}
	return out
}
