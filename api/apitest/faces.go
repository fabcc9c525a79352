package apitest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/draw"
	"golang.org/x/image/tiff"

	"facegate/internal/sharedtest"
)

// Faces are pictures, each the bytes of a file. The functions without an error skip the test
// where the labelled pictures are absent.
type Faces struct {
	tb  testing.TB
	dir string
}

// NewFaces returns the pictures beside the checkout.
func NewFaces(tb testing.TB) *Faces {
	tb.Helper()
	return &Faces{tb, sharedtest.Dir(tb, "faces")}
}

func (f *Faces) file(name ...string) []byte {
	f.tb.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{f.dir}, name...)...))
	if err != nil {
		f.tb.Fatal(err)
	}
	return b
}

func (f *Faces) webcam(client, light string) []byte {
	f.tb.Helper()
	return f.file("spoof_replay_attack", "live", "client"+client+"_session01_webcam_authenticate_"+light+".jpg")
}

// A1 is the picture of A to enrol.
func (f *Faces) A1() []byte { return f.webcam("010", "controlled_1") }

// A2 is A in another light.
func (f *Faces) A2() []byte { return f.webcam("010", "adverse_2") }

// A3 is A once more.
func (f *Faces) A3() []byte { return f.webcam("010", "controlled_2") }

// A4 is A once more.
func (f *Faces) A4() []byte { return f.webcam("010", "adverse_1") }

// B1 is another person.
func (f *Faces) B1() []byte { return f.webcam("115", "controlled_1") }

// B2 is that person in another light.
func (f *Faces) B2() []byte { return f.webcam("115", "adverse_2") }

// Spoof is a phone that shows A.
func (f *Faces) Spoof() []byte {
	return f.file("spoof_replay_attack", "spoof", "hand_attack_mobile_client010_session01_mobile_video_adverse.jpg")
}

// None shows nobody.
func (f *Faces) None() []byte { return f.file("capture_failures", "compreface_017_0.jpg") }

// Many shows several people.
func (f *Faces) Many() []byte { return f.file("capture_failures", "compreface_010_2.jpg") }

// Closed shows somebody with closed eyes.
func (f *Faces) Closed() []byte { return f.file("eyes_closed", "closed_eye_0284.jpg_face_1.jpg") }

// Occluded shows somebody behind sunglasses.
func (f *Faces) Occluded() []byte { return f.file("head_lfw", "Brian_Florence_0001.jpg") }

// Masked shows a person with a mask over mouth and nose.
func (f *Faces) Masked() []byte { return f.file("mask_states", "5ffc71161327c8449f9607c6_1.jpg") }

// Bare shows the person of Masked without a mask.
func (f *Faces) Bare() []byte { return f.file("mask_states", "5ffc71161327c8449f9607c6_4.jpg") }

// Helmet shows a person in a helmet.
func (f *Faces) Helmet() []byte { return f.file("head_helmet", "helmet", "001444_6ccd56.jpg") }

// Cap is somebody in a cap.
func (f *Faces) Cap() []byte { return f.file("head_lfw", "Adam_Scott_0001.jpg") }

// Front shows a person looking ahead.
func (f *Faces) Front() []byte { return f.phone("selfie") }

// Turn30 shows the person of Front, turned by 31°.
func (f *Faces) Turn30() []byte { return f.phone("video_0033") }

// Turn50 shows the person of Front, turned by 63°.
func (f *Faces) Turn50() []byte { return f.phone("video_0100") }

func (f *Faces) phone(frame string) []byte {
	f.tb.Helper()
	return f.file("spoof_phone_selfies", "live", "621f74a85af9d379642ce38f_"+frame+".jpg")
}

// a1 is A1's pixels, 320 by 240; the detector's box of the face is 101..224 by 83..206.
func (f *Faces) a1() *image.RGBA {
	f.tb.Helper()
	m, err := jpeg.Decode(bytes.NewReader(f.A1()))
	if err != nil {
		f.tb.Fatal(err)
	}
	return rgba(m)
}

func rgba(m image.Image) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(out, out.Bounds(), m, m.Bounds().Min, draw.Src)
	return out
}

func (f *Faces) jpeg(m image.Image) []byte {
	f.tb.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		f.tb.Fatal(err)
	}
	return b.Bytes()
}

func (f *Faces) png(m image.Image) []byte {
	f.tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		f.tb.Fatal(err)
	}
	return b.Bytes()
}

// part is a rectangle of A1, enlarged to a width of 480.
func (f *Faces) part(x0, y0, x1, y1 int) []byte {
	f.tb.Helper()
	from := image.Rect(x0, y0, x1, y1)
	out := image.NewRGBA(image.Rect(0, 0, 480, 480*from.Dy()/from.Dx()))
	draw.CatmullRom.Scale(out, out.Bounds(), f.a1(), from, draw.Src, nil)
	return f.jpeg(out)
}

// Beside is a webcam's picture of somebody in the middle, with somebody else at its left margin, at
// three quarters of their size.
func (f *Faces) Beside(large, small []byte) []byte {
	f.tb.Helper()
	out := image.NewRGBA(image.Rect(0, 0, 560, 240))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.Gray{110}), image.Point{}, draw.Src)
	paste := func(to image.Rectangle, file []byte, from image.Rectangle) {
		m, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			f.tb.Fatal(err)
		}
		draw.CatmullRom.Scale(out, to, m, from, draw.Src, nil)
	}
	paste(image.Rect(120, 0, 440, 240), large, image.Rect(0, 0, 320, 240))
	paste(image.Rect(0, 45, 132, 195), small, image.Rect(75, 40, 251, 240))
	return f.jpeg(out)
}

// Small is A1 at 0.3 of its size in the middle of a grey picture: a face of 37 pixels.
func (f *Faces) Small() []byte {
	f.tb.Helper()
	out := image.NewRGBA(image.Rect(0, 0, 320, 240))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.Gray{110}), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(out, image.Rect(112, 84, 208, 156), f.a1(), image.Rect(0, 0, 320, 240), draw.Src, nil)
	return f.jpeg(out)
}

// Close is A1 cut so that the face fills its height.
func (f *Faces) Close() []byte { return f.part(60, 76, 262, 212) }

// Border is A1 shifted until the face touches the margin.
func (f *Faces) Border() []byte { return f.part(110, 0, 320, 240) }

// Cut is A1 cut through the face.
func (f *Faces) Cut() []byte { return f.part(140, 0, 320, 240) }

// Blur is A1 blurred, by a Gaussian of 6 pixels.
func (f *Faces) Blur() []byte {
	f.tb.Helper()
	return f.jpeg(blur(f.a1(), 6))
}

// Dark is A1 at a tenth of its light.
func (f *Faces) Dark() []byte {
	f.tb.Helper()
	m := f.a1()
	for i := range m.Pix {
		if i%4 != 3 {
			m.Pix[i] /= 10
		}
	}
	return f.jpeg(m)
}

// Bright is A1 with too much light.
func (f *Faces) Bright() []byte {
	f.tb.Helper()
	m := f.a1()
	for i := range m.Pix {
		if i%4 != 3 {
			m.Pix[i] = byte(min(255, 190+int(m.Pix[i])))
		}
	}
	return f.jpeg(m)
}

// Turned is A2 lying on its side, with the orientation in its EXIF data that sets it upright.
func (f *Faces) Turned() []byte {
	f.tb.Helper()
	from, err := jpeg.Decode(bytes.NewReader(f.A2()))
	if err != nil {
		f.tb.Fatal(err)
	}
	b := from.Bounds()
	m := image.NewRGBA(image.Rect(0, 0, b.Dy(), b.Dx()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			m.Set(y, b.Dx()-1-x, from.At(x, y))
		}
	}
	file := f.jpeg(m)
	// Orientation 6: shown, the pixels are turned clockwise by a quarter.
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	segment := append([]byte{0xff, 0xe1, 0, byte(len(exif) + 2)}, exif...)
	return append(append(append([]byte(nil), file[:2]...), segment...), file[2:]...)
}

// WebP is a picture of 320 by 240 pixels in one grey, without loss: five codes of one symbol each, of
// which no pixel needs a bit.
func (*Faces) WebP() []byte {
	var bits uint64
	var n int
	var stream []byte
	put := func(v uint64, width int) {
		bits |= v << n
		for n += width; n >= 8; n -= 8 {
			stream = append(stream, byte(bits))
			bits >>= 8
		}
	}
	put(0x2f, 8)
	put(319, 14)
	put(239, 14)
	put(0, 1+3+1+1+1) // no alpha, version 0; no transform, no cache of colours, no groups of codes
	for _, symbol := range []uint64{128, 128, 128, 255, 0} {
		put(1, 1) // a simple code
		put(0, 1) // of one symbol
		put(1, 1) // of eight bits
		put(symbol, 8)
	}
	put(0, 7) // to the end of the byte
	if len(stream)%2 == 1 {
		stream = append(stream, 0)
	}
	b := []byte("RIFF")
	b = binary.LittleEndian.AppendUint32(b, uint32(12+len(stream)))
	b = append(b, "WEBPVP8L"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(stream)))
	return append(b, stream...)
}

// TIFF is A1 as such a file.
func (f *Faces) TIFF() []byte {
	f.tb.Helper()
	var b bytes.Buffer
	if err := tiff.Encode(&b, f.a1(), nil); err != nil {
		f.tb.Fatal(err)
	}
	return b.Bytes()
}

// HEIC is how such a file begins.
func (*Faces) HEIC() []byte {
	return append([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), make([]byte, 64)...)
}

// blur is a Gaussian of sigma pixels.
func blur(m *image.RGBA, sigma float64) *image.RGBA {
	radius := int(3 * sigma)
	kernel, sum := make([]float64, 2*radius+1), 0.
	for i := range kernel {
		kernel[i] = math.Exp(-float64((i-radius)*(i-radius)) / (2 * sigma * sigma))
		sum += kernel[i]
	}
	pass := func(from *image.RGBA, dx, dy int) *image.RGBA {
		out := image.NewRGBA(from.Bounds())
		for y := range from.Rect.Max.Y {
			for x := range from.Rect.Max.X {
				var c [3]float64
				for i, k := range kernel {
					px := min(max(x+(i-radius)*dx, 0), from.Rect.Max.X-1)
					py := min(max(y+(i-radius)*dy, 0), from.Rect.Max.Y-1)
					for j := range c {
						c[j] += k * float64(from.Pix[from.PixOffset(px, py)+j])
					}
				}
				out.SetRGBA(x, y, color.RGBA{byte(c[0]/sum + .5), byte(c[1]/sum + .5), byte(c[2]/sum + .5), 255})
			}
		}
		return out
	}
	return pass(pass(m, 1, 0), 0, 1)
}

// Junk is 64 bytes that are no picture.
func (*Faces) Junk() []byte {
	b := make([]byte, 64)
	for i := range b {
		b[i] = byte(i*167 + 13)
	}
	return b
}

// Short is A1 without its second half.
func (f *Faces) Short() []byte {
	f.tb.Helper()
	b := f.A1()
	return b[:200]
}

// OnePixel is a PNG of one pixel.
func (f *Faces) OnePixel() []byte {
	f.tb.Helper()
	return f.png(image.NewGray(image.Rect(0, 0, 1, 1)))
}

// Huge is the header of a PNG of 30 000 by 30 000 pixels.
func (*Faces) Huge() []byte {
	ihdr := append([]byte("IHDR"), 0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30, 8, 2, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), ihdr...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(ihdr))
}

// Over is A1 enlarged to 6000 by 4001 pixels, a row more than may be.
func (f *Faces) Over() []byte {
	f.tb.Helper()
	out := image.NewRGBA(image.Rect(0, 0, 6000, 4001))
	draw.NearestNeighbor.Scale(out, out.Bounds(), f.a1(), image.Rect(0, 0, 320, 240), draw.Src, nil)
	return f.jpeg(out)
}

// Thin is 31 columns of A1, one less than must be.
func (f *Faces) Thin() []byte {
	f.tb.Helper()
	return f.png(f.a1().SubImage(image.Rect(140, 0, 171, 240)))
}

// CMYK is a JPEG of four colours, 64 by 64 pixels.
func (*Faces) CMYK() []byte {
	b := []byte{0xff, 0xd8, 0xff, 0xdb, 0, 67, 0}
	b = append(b, bytes.Repeat([]byte{1}, 64)...)
	b = append(b, 0xff, 0xc0, 0, 20, 8, 0, 64, 0, 64, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0)
	// One code each, the bit 0: of a difference of nothing, and of the end of a block.
	for _, class := range []byte{0x00, 0x10} {
		b = append(b, 0xff, 0xc4, 0, 20, class, 1)
		b = append(b, make([]byte, 16)...)
	}
	b = append(b, 0xff, 0xda, 0, 14, 4, 1, 0, 2, 0, 3, 0, 4, 0, 0, 63, 0)
	b = append(b, make([]byte, 64)...) // 64 units of four blocks of two bits
	return append(b, 0xff, 0xd9)
}

// Sixteen is A1 as a PNG of 16 bits a sample.
func (f *Faces) Sixteen() []byte {
	f.tb.Helper()
	from := f.a1()
	m := image.NewRGBA64(from.Bounds())
	draw.Draw(m, m.Bounds(), from, image.Point{}, draw.Src)
	return f.png(m)
}

// PNG is A1 as a PNG.
func (f *Faces) PNG() []byte {
	f.tb.Helper()
	return f.png(f.a1())
}

// GIF is A1 as a GIF.
func (f *Faces) GIF() []byte {
	f.tb.Helper()
	var b bytes.Buffer
	if err := gif.Encode(&b, f.a1(), nil); err != nil {
		f.tb.Fatal(err)
	}
	return b.Bytes()
}

// Big is A1 at 24 million pixels, the most that is decoded.
func (f *Faces) Big() []byte {
	f.tb.Helper()
	out := image.NewRGBA(image.Rect(0, 0, 5656, 4242))
	draw.NearestNeighbor.Scale(out, out.Bounds(), f.a1(), image.Rect(0, 0, 320, 240), draw.Src, nil)
	return f.jpeg(out)
}

// Mixed is A2 with a share of B1's pixels, which are moved so that one face lies upon the other.
func (f *Faces) Mixed(share float64) []byte {
	f.tb.Helper()
	var from [2]*image.RGBA
	for i, file := range [][]byte{f.A2(), f.B1()} {
		m, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			f.tb.Fatal(err)
		}
		from[i] = image.NewRGBA(m.Bounds())
		draw.Draw(from[i], m.Bounds(), m, image.Point{}, draw.Src)
	}
	out := image.NewRGBA(from[0].Rect)
	w, h := out.Rect.Dx(), out.Rect.Dy()
	for y := range h {
		for x := range w {
			to := out.PixOffset(x, y)
			a, b := from[0].Pix[to:], from[1].Pix[from[1].PixOffset(min(x+2, w-1), max(y-15, 0)):]
			for c := range 4 {
				out.Pix[to+c] = byte(float64(a[c])*(1-share) + float64(b[c])*share + .5)
			}
		}
	}
	return f.jpeg(out)
}

// Placed is a picture with its left margin so many pixels from the left of a wall twice as wide.
func (f *Faces) Placed(picture []byte, left int) []byte {
	f.tb.Helper()
	m, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		f.tb.Fatal(err)
	}
	out := image.NewRGBA(image.Rect(0, 0, 2*m.Bounds().Dx(), m.Bounds().Dy()))
	draw.Draw(out, out.Rect, image.NewUniform(color.Gray{110}), image.Point{}, draw.Src)
	draw.Draw(out, m.Bounds().Add(image.Pt(left, 0)), m, image.Point{}, draw.Src)
	return f.jpeg(out)
}
