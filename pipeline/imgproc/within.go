package imgproc

import (
	"fmt"
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
// it, which image/jpeg does not where a MCU has several. Every error wraps [ErrPicture].
func DecodeWithin(data []byte, maxPixels int) (*Image, error) {
	c := sniff(data)
	if c != nil && c.name != "JPEG" && c.name != "PNG" {
		c = nil
	}
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
		img, err = decodePNG(data, by, c.orientation(data))
	case cfg.ColorModel == color.CMYKModel:
		err = jpeg.UnsupportedError("CMYK or YCCK")
	default:
		img, err = decodeJPEG(data, by, c.orientation(data))
	}
	if err != nil {
		return nil, damaged(c.name, err)
	}
	return img, nil
}

// shrunk is the length of a side that is reduced.
func shrunk(n, by int) int { return (n + by - 1) / by }
