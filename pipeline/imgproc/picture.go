package imgproc

import "facegate/device"

// A Picture is one frame or still in the format it came in. The zero value is empty;
// SetFrame and SetImage reuse its memory. It is not safe for concurrent use.
type Picture struct {
	W, H int

	rgb Image
}

// SetImage makes the picture show m, which it borrows until the next Set.
func (p *Picture) SetImage(m *Image) {
	p.W, p.H, p.rgb = m.W, m.H, *m
}

// SetFrame makes the picture show a camera's frame. Its bytes are read until the next Set,
// so the frame is released after that. A frame whose bytes do not fit its description is an
// error wrapping ErrPicture, and the picture is then empty.
func (p *Picture) SetFrame(f *device.Frame) error { panic("see imgproc") }

// RGB is the whole picture, converted on the first call after a Set.
func (p *Picture) RGB() *Image { return &p.rgb }

// A Letterbox says where a picture lies in a square canvas: scaled to W x H with its corner
// at X, Y.
type Letterbox struct{ X, Y, W, H int }

// Letterbox fills the square dst with the whole picture, area filtered, on a black border,
// reading the frame's own format.
func (p *Picture) Letterbox(dst *Image) Letterbox { panic("see imgproc") }
