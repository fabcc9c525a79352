package imgproc

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// What Decode and SetFrame accept. Memory is at most about eight bytes a pixel beside the
// file and the result; progressive JPEG, which needs twelve, is allowed half the pixels.
const (
	MaxBytes  = 32 << 20 // of a file
	MaxPixels = 50_000_000
	MaxSide   = 1 << 15

	maxScans = 64 // of a progressive JPEG; encoders use about ten
)

// Read is Decode for a stream. It reads no more than MaxBytes and one.
func Read(r io.Reader) (*Image, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	return Decode(data)
}

// Decode reads a picture: JPEG, PNG, the first frame of a GIF, BMP or WebP, told apart by
// their first bytes. The picture is turned as its EXIF data say. Transparency is dropped,
// 16-bit samples lose their lower half, CMYK is converted without a profile: what OpenCV's
// imread gives. The limits are checked before pixels are decoded. Every error wraps ErrPicture.
func Decode(data []byte) (*Image, error) {
	c := sniff(data)
	cfg, err := c.measure(data, "JPEG, PNG, GIF, BMP or WebP", MaxPixels, MaxPixels/2)
	if err != nil {
		return nil, err
	}
	m, err := c.decode(bytes.NewReader(data))
	if err != nil {
		return nil, damaged(c.name, err)
	}
	b := m.Bounds()
	if c.name != "GIF" && (b.Dx() != cfg.Width || b.Dy() != cfg.Height) {
		return nil, fmt.Errorf("%w: the %s is not of the size it claims; send another", ErrPicture, c.name)
	}
	img := toImage(m, c.matrix)
	if b.Dx() != cfg.Width || b.Dy() != cfg.Height { // a GIF's frame is a part of its screen
		part := img
		img = New(cfg.Width, cfg.Height)
		in := img.Sub(b.Min.X, b.Min.Y, b.Max.X, b.Max.Y)
		for y := range in.H {
			copy(in.row(y), part.row(y))
		}
	}
	return img.turn(c.orientation(data)), nil
}

// measure tells a picture's size, or why it is not to be decoded. c is nil where it is of no
// kind that is wanted. The numbers are the most pixels it may have, the second as a
// progressive JPEG.
func (c *codec) measure(data []byte, wanted string, pixels, progressive int) (image.Config, error) {
	var none image.Config
	switch {
	case len(data) == 0:
		return none, fmt.Errorf("%w: it is empty; send the file again", ErrPicture)
	case len(data) > MaxBytes:
		return none, fmt.Errorf("%w: it has more than %d MB; send a smaller one", ErrPicture, MaxBytes>>20)
	case c == nil:
		return none, fmt.Errorf("%w: it is not %s; save it as JPEG and send that", ErrPicture, wanted)
	}
	cfg, err := c.config(bytes.NewReader(data))
	if err != nil {
		return none, damaged(c.name, err)
	}
	if c.name == "JPEG" {
		h := readJPEGHeader(data)
		if h.scans > maxScans {
			return none, fmt.Errorf("%w: the JPEG has %d scans; save it again as baseline JPEG", ErrPicture, h.scans)
		}
		if h.progressive {
			pixels = progressive
		}
	}
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return none, fmt.Errorf("%w: the %s has no pixels; send another", ErrPicture, c.name)
	}
	if cfg.Width > MaxSide || cfg.Height > MaxSide || cfg.Width*cfg.Height > pixels {
		return none, fmt.Errorf("%w: the %s has %d x %d pixels, more than %d million; scale it down and send that",
			ErrPicture, c.name, cfg.Width, cfg.Height, pixels/1_000_000)
	}
	return cfg, nil
}

func damaged(name string, err error) error {
	unsupported := errors.Is(err, bmp.ErrUnsupported)
	if _, ok := errors.AsType[jpeg.UnsupportedError](err); ok {
		unsupported = true
	}
	if _, ok := errors.AsType[png.UnsupportedError](err); ok {
		unsupported = true
	}
	if unsupported {
		return fmt.Errorf("%w: this kind of %s is not supported (%v); save it as baseline JPEG and send that", ErrPicture, name, err)
	}
	return fmt.Errorf("%w: the %s is damaged or cut short (%v); send it again", ErrPicture, name, err)
}

// A codec is one kind of file.
type codec struct {
	name        string
	config      func(io.Reader) (image.Config, error)
	decode      func(io.Reader) (image.Image, error)
	orientation func([]byte) int
	matrix      matrix // of its YCbCr
}

func upright([]byte) int { return 1 }

func sniff(data []byte) *codec {
	starts := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	switch {
	case starts("\xff\xd8"):
		return &codec{"JPEG", jpeg.DecodeConfig, jpeg.Decode, jpegOrientation, fullRange()}
	case starts("\x89PNG\r\n\x1a\n"):
		return &codec{"PNG", pngConfig, png.Decode, pngOrientation, fullRange()}
	case starts("GIF87a"), starts("GIF89a"):
		return &codec{"GIF", gif.DecodeConfig, gif.Decode, upright, fullRange()}
	case starts("BM"):
		return &codec{"BMP", bmp.DecodeConfig, bmp.Decode, upright, fullRange()}
	case len(data) >= 12 && starts("RIFF") && string(data[8:12]) == "WEBP":
		return &codec{"WebP", webp.DecodeConfig, webp.Decode, webpOrientation, limitedRange()}
	}
	return nil
}

// toImage copies any picture to packed RGB.
func toImage(m image.Image, ycc matrix) *Image {
	b := m.Bounds()
	dst := New(b.Dx(), b.Dy())
	switch m := m.(type) {
	case *image.YCbCr:
		convertYCbCr(dst, m, ycc)
	case *image.NYCbCrA:
		convertYCbCr(dst, &m.YCbCr, ycc)
	case *image.Gray:
		spread(dst, m.Pix, m.Stride, 1, [3]int{0, 0, 0})
	case *image.Gray16:
		spread(dst, m.Pix, m.Stride, 2, [3]int{0, 0, 0})
	case *image.RGBA: // only of opaque pictures
		spread(dst, m.Pix, m.Stride, 4, [3]int{0, 1, 2})
	case *image.NRGBA:
		spread(dst, m.Pix, m.Stride, 4, [3]int{0, 1, 2})
	case *image.RGBA64:
		spread(dst, m.Pix, m.Stride, 8, [3]int{0, 2, 4})
	case *image.NRGBA64:
		spread(dst, m.Pix, m.Stride, 8, [3]int{0, 2, 4})
	case *image.CMYK:
		convertCMYK(dst, m)
	case *image.Paletted:
		convertPaletted(dst, m)
	default:
		for y := range dst.H {
			row := dst.row(y)
			for x := range dst.W {
				c := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
				row[3*x], row[3*x+1], row[3*x+2] = c.R, c.G, c.B
			}
		}
	}
	return dst
}

// spread takes three bytes of each pixel.
func spread(dst *Image, pix []byte, stride, step int, at [3]int) {
	for y := range dst.H {
		row, p := dst.row(y), pix[y*stride:]
		for x := range dst.W {
			q := p[x*step : (x+1)*step]
			row[3*x], row[3*x+1], row[3*x+2] = q[at[0]], q[at[1]], q[at[2]]
		}
	}
}

// convertCMYK uses OpenCV's arithmetic.
func convertCMYK(dst *Image, m *image.CMYK) {
	for y := range dst.H {
		row, p := dst.row(y), m.Pix[y*m.Stride:]
		for x := range dst.W {
			k := 255 - int(p[4*x+3])
			for c := range 3 {
				row[3*x+c] = byte(k - int(p[4*x+c])*k>>8)
			}
		}
	}
}

func convertPaletted(dst *Image, m *image.Paletted) {
	var table [256][3]byte
	for i, c := range m.Palette[:min(len(m.Palette), 256)] {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]byte{n.R, n.G, n.B}
	}
	for y := range dst.H {
		row, p := dst.row(y), m.Pix[y*m.Stride:]
		for x := range dst.W {
			copy(row[3*x:], table[p[x]][:])
		}
	}
}

// turn undoes an EXIF orientation, 1 to 8. It returns m itself where nothing is to be done.
func (m *Image) turn(orientation int) *Image {
	if orientation <= 1 || orientation > 8 {
		return m
	}
	c := newCanvas(m.W, m.H, orientation)
	for y := range m.H {
		c.put(0, y, 1, m.row(y))
	}
	return c.img
}
