package imgproc

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
)

// The colour types of PNG.
const (
	pngGray      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGrayAlpha = 4
	pngRGBAlpha  = 6
)

// A pngFile is a PNG that is read chunk by chunk. Every chunk's checksum is checked before the
// chunk is used.
//
// Its errors are of image/png's types.
type pngFile struct {
	rest []byte       // what is not read yet
	idat []byte       // what the first IDAT chunk holds
	stop func() error // why to give up; nil: never

	w, h       int
	depth      int // bits a sample
	colour     byte
	interlaced bool
	palette    [256][3]byte // black beyond its end
}

// samples is how many samples a pixel has.
func (f *pngFile) samples() int {
	switch f.colour {
	case pngRGB:
		return 3
	case pngGrayAlpha:
		return 2
	case pngRGBAlpha:
		return 4
	}
	return 1
}

// stopped says why to give up, if so. It is asked before each chunk, row and block: a file may
// have millions of each.
func (f *pngFile) stopped() error {
	if f.stop == nil {
		return nil
	}
	return f.stop()
}

// chunk takes the next chunk.
func (f *pngFile) chunk() (kind string, body []byte, err error) {
	if err := f.stopped(); err != nil {
		return "", nil, err
	}
	if len(f.rest) < 12 {
		return "", nil, io.ErrUnexpectedEOF
	}
	n := binary.BigEndian.Uint32(f.rest)
	if int64(n) > int64(len(f.rest)-12) {
		return "", nil, io.ErrUnexpectedEOF
	}
	kind, body = string(f.rest[4:8]), f.rest[8:8+n]
	if crc32.ChecksumIEEE(f.rest[4:8+n]) != binary.BigEndian.Uint32(f.rest[8+n:]) {
		return "", nil, png.FormatError("invalid checksum")
	}
	f.rest = f.rest[12+n:]
	return kind, body, nil
}

// nextIDAT takes the next chunk if it is an IDAT.
func (f *pngFile) nextIDAT() (body []byte, ok bool, err error) {
	if len(f.rest) >= 8 && string(f.rest[4:8]) != "IDAT" {
		return nil, false, nil
	}
	_, body, err = f.chunk()
	return body, err == nil, err
}

// parse reads the chunks up to the first IDAT.
func (f *pngFile) parse() error {
	const (
		start = iota
		header
		palette
		transparency
	)
	for stage := start; ; {
		kind, body, err := f.chunk()
		if err != nil {
			return err
		}
		ordered := true
		switch kind {
		case "IHDR":
			ordered, stage = stage == start, header
			err = f.header(body)
		case "PLTE":
			ordered, stage = stage == header, palette
			err = f.colours(body)
		case "tRNS": // is dropped, but has to be in order
			switch f.colour {
			case pngPalette:
				ordered = stage == palette
			case pngRGB:
				ordered = stage == header || stage == palette
			default:
				ordered = stage == header
			}
			stage = transparency
			err = f.transparency(body)
		case "IDAT":
			if stage == start || stage == header && f.colour == pngPalette {
				ordered = false
			}
			f.idat = body
		case "IEND":
			ordered = false
		}
		switch {
		case !ordered:
			return png.FormatError("chunk out of order")
		case err != nil:
			return err
		case kind == "IDAT":
			return nil
		}
	}
}

// pngConfig reads the first chunk only. png.DecodeConfig goes on to the palette, and takes seconds
// where millions of chunks come before. The model tells how deep samples are, and no more.
func pngConfig(r io.Reader) (image.Config, error) {
	var head [8 + 12 + 13]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return image.Config{}, err
	}
	f := pngFile{rest: head[8:]}
	kind, body, err := f.chunk()
	if err == nil && kind != "IHDR" {
		err = png.FormatError("chunk out of order")
	}
	if err == nil {
		err = f.header(body)
	}
	if err != nil {
		return image.Config{}, err
	}
	c := image.Config{ColorModel: color.NRGBAModel, Width: f.w, Height: f.h}
	if f.depth == 16 {
		c.ColorModel = color.NRGBA64Model
	}
	return c, nil
}

func (f *pngFile) header(body []byte) error {
	if len(body) != 13 {
		return png.FormatError("bad IHDR length")
	}
	f.w, f.h = int(int32(binary.BigEndian.Uint32(body))), int(int32(binary.BigEndian.Uint32(body[4:])))
	f.depth, f.colour, f.interlaced = int(body[8]), body[9], body[12] == 1
	depths := ""
	switch f.colour {
	case pngGray:
		depths = "\x01\x02\x04\x08\x10"
	case pngPalette:
		depths = "\x01\x02\x04\x08"
	case pngRGB, pngGrayAlpha, pngRGBAlpha:
		depths = "\x08\x10"
	}
	known := false
	for _, d := range []byte(depths) {
		known = known || int(d) == f.depth
	}
	switch {
	case body[10] != 0:
		return png.UnsupportedError("compression method")
	case body[11] != 0:
		return png.UnsupportedError("filter method")
	case body[12] > 1:
		return png.FormatError("invalid interlace method")
	case f.w <= 0 || f.h <= 0:
		return png.FormatError("non-positive dimension")
	case !known:
		return png.UnsupportedError(fmt.Sprintf("bit depth %d, color type %d", f.depth, f.colour))
	}
	return nil
}

func (f *pngFile) colours(body []byte) error {
	n := len(body) / 3
	if len(body)%3 != 0 || n == 0 || n > 256 || n > 1<<f.depth {
		return png.FormatError("bad PLTE length")
	}
	if f.colour == pngGray || f.colour == pngGrayAlpha {
		return png.FormatError("PLTE, color type mismatch")
	}
	for i := range n {
		f.palette[i] = [3]byte(body[3*i:])
	}
	return nil
}

func (f *pngFile) transparency(body []byte) error {
	bad := false
	switch f.colour {
	case pngGray:
		bad = len(body) != 2
	case pngRGB:
		bad = len(body) != 6
	case pngPalette:
		bad = len(body) > 256
	default:
		return png.FormatError("tRNS, color type mismatch")
	}
	if bad {
		return png.FormatError("bad tRNS length")
	}
	return nil
}

// finish reads the chunks behind the picture up to the end.
func (f *pngFile) finish() error {
	for {
		kind, body, err := f.chunk()
		switch {
		case err != nil:
			return err
		case kind == "IHDR" || kind == "PLTE" || kind == "tRNS":
			return png.FormatError("chunk out of order")
		case kind == "IEND" && len(body) > 0:
			return png.FormatError("bad IEND length")
		case kind == "IEND":
			return nil
		}
	}
}
