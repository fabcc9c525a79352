package imgproc

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// DecodeWithin reads a JPEG or PNG in little memory, for pictures that strangers send. Beside
// the file it takes three bytes for each pixel of the result and a few millions more, whatever
// the file's process, subsampling or interlace; six bytes for an interlaced PNG that is
// reduced to a quarter or an eighth. With maxPixels of six million that is less than 28 MB
// for 24 million pixels.
//
// A picture of at most maxPixels pixels comes out as [Decode] gives it, byte for byte. A
// larger one is reduced while it is decoded: width and height become a half, a quarter or an
// eighth, rounded up, whichever is the first with at most maxPixels. Each pixel is then the
// mean of those it covers. A JPEG's are averaged before they are converted to RGB; an
// interlaced PNG's, halved, may be one level off.
//
// Limits and errors are those of [Decode], except in this: a picture too large even at an
// eighth is refused, and JPEG of four components is; a progressive JPEG may have MaxPixels; and
// restart markers in a scan of one component are counted by its blocks, as the standard has
// it, which image/jpeg does not where a MCU has several; and a file is refused that has more
// blocks of compressed data, or looks at more coefficients again and again, than encoders
// have a use for.
//
// It ends soon after ctx, with its error: that is asked every few milliseconds once the headers
// have been read. Every other error wraps [ErrPicture].
func DecodeWithin(ctx context.Context, data []byte, maxPixels int) (*Image, error) {
	c := sniffWithin(data)
	limit := min(MaxPixels, 64*max(0, min(maxPixels, MaxPixels)))
	cfg, err := c.measure(data, "JPEG or PNG", limit, limit)
	if err != nil {
		return nil, err
	}
	by := 1
	for shrunk(cfg.Width, by)*shrunk(cfg.Height, by) > maxPixels {
		if by *= 2; by > 8 {
			return nil, fmt.Errorf("%w: the %s has %d x %d pixels; scale it down and send that", ErrPicture, c.name, cfg.Width, cfg.Height)
		}
	}
	var img *Image
	switch {
	case c.name == "PNG":
		img, err = decodePNG(ctx, data, by, c.orientation(data))
	case cfg.ColorModel == color.CMYKModel:
		err = jpeg.UnsupportedError("CMYK or YCCK")
	default:
		img, err = decodeJPEG(ctx, data, by, c.orientation(data))
	}
	switch {
	case err == nil:
		return img, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, damaged(c.name, err)
}

// sniffWithin is nil for what DecodeWithin does not read.
func sniffWithin(data []byte) *codec {
	if c := sniff(data); c != nil && (c.name == "JPEG" || c.name == "PNG") {
		return c
	}
	return nil
}

// Header is what the first bytes of a JPEG or PNG say of its size and of its samples: they are of
// 16 bits where the model is color.NRGBA64Model, and of four inks where it is color.CMYKModel.
// It is false for everything else.
func Header(data []byte) (image.Config, bool) {
	c := sniffWithin(data)
	if c == nil {
		return image.Config{}, false
	}
	cfg, err := c.config(bytes.NewReader(data))
	return cfg, err == nil
}

// shrunk is the length of a side that is reduced.
func shrunk(n, by int) int { return (n + by - 1) / by }
