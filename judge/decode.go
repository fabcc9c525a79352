package judge

import (
	"context"
	"image"
	"image/color"

	"facegate/api"
	"facegate/pipeline/imgproc"
)

// What is decoded.
const (
	maxPixels = 24_000_000
	minSide   = 32

	// Larger ones are looked at reduced to so many pixels: a face that is fit to be judged in the
	// whole is so in half of its sides, and memory stays within bounds whatever comes.
	maxLooked = 4_000_000

	// Up to so many pixels a picture waits for nobody.
	large = 1_000_000
)

// room is how many bytes a picture file takes while what it shows is looked at, 0 where that is
// little: its pixels, and as much again for what is made of them.
func room(data []byte) int64 {
	c, ok := imgproc.Header(data)
	if n := int64(c.Width) * int64(c.Height); ok && n > large && n <= maxPixels {
		return 6 * min(n, maxLooked)
	}
	return 0
}

// decode reads a JPEG or PNG, or says what is wrong with it, also where ctx ends. Only the header
// of one that cannot be used is read. The size is that of what is looked at.
func decode(ctx context.Context, data []byte) (*imgproc.Image, image.Point, api.Fault) {
	c, ok := imgproc.Header(data)
	size := image.Pt(c.Width, c.Height)
	if !ok {
		return nil, size, api.Undecodable
	}
	switch c.ColorModel {
	case color.CMYKModel, color.NRGBA64Model:
		return nil, size, api.Unusable
	}
	// The sides come from 32-bit fields: their product fits.
	if size.X < minSide || size.Y < minSide || int64(size.X)*int64(size.Y) > maxPixels {
		return nil, size, api.Unusable
	}
	img, err := imgproc.DecodeWithin(ctx, data, maxLooked)
	if err != nil {
		return nil, size, api.Undecodable
	}
	return img, image.Pt(img.W, img.H), api.NoFault
}
