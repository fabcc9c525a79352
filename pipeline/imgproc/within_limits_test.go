package imgproc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"image"
	"image/color"
	"strings"
	"testing"
)

// A patience is a context that ends once it has been asked often enough.
type patience struct {
	context.Context
	asked, left int
}

func (p *patience) Err() error {
	if p.asked++; p.asked > p.left {
		return context.Canceled
	}
	return nil
}

// grayPNG is one of 32 x 32 pixels whose compressed data are as given.
func grayPNG(chunks ...[]byte) []byte {
	b := pngChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", []byte("\x00\x00\x00\x20\x00\x00\x00\x20\x08\x00\x00\x00\x00"))
	for _, c := range chunks {
		b = pngChunk(b, "IDAT", c)
	}
	return pngChunk(b, "IEND", nil)
}

// blocksPNG begins with blocks that bring nothing.
func blocksPNG(n int) []byte {
	raw := make([]byte, 32*33)
	stream := append(emptyBlocks(n, false), 1)
	stream = binary.LittleEndian.AppendUint16(stream, uint16(len(raw)))
	stream = binary.LittleEndian.AppendUint16(stream, ^uint16(len(raw)))
	stream = append(stream, raw...)
	return grayPNG(binary.BigEndian.AppendUint32(stream, adler32.Checksum(raw)))
}

// However a file is made long, decoding asks on the way whether it is to go on.
func TestDecodeWithinEnds(t *testing.T) {
	full, half := [][2]int{{1, 1}, {1, 1}, {1, 1}}, [][2]int{{2, 2}, {1, 1}, {1, 1}}
	jpg := func(factors [][2]int, sof byte, scans []jpegWriterScan) []byte {
		return (&jpegWriter{w: 40, h: 1600, factors: factors, sof: sof, scans: scans, coefs: repeated()}).encode()
	}
	chunks := make([][]byte, 5000)
	for i, b := range deflate(t, make([]byte, 32*33), 9) {
		chunks[100*i] = []byte{b}
	}
	for _, tt := range []struct {
		name string
		data []byte
		by   int
		asks int // at least
	}{
		{"rows", noisyPNG(40, 3000, 8, pngRGB, false).encode(), 1, 3000},
		{"rows, reduced", noisyPNG(40, 3000, 8, pngRGB, false).encode(), 4, 3000},
		{"rows, interlaced", noisyPNG(40, 3000, 8, pngRGBAlpha, true).encode(), 2, 5000},
		{"blocks", blocksPNG(1000), 1, 1000},
		{"chunks", grayPNG(chunks...), 1, 5000},
		{"rows of a JPEG", jpg(full, mSOF0, oneScan(3)), 1, 200},
		{"scans", jpg(half, mSOF0, scanEach(3)), 1, 3 * 100},
		{"progressive scans", jpg(half, mSOF2, progression(3)), 8, len(progression(3)) * 100},
	} {
		cfg, err := sniff(tt.data).config(bytes.NewReader(tt.data))
		if err != nil {
			t.Fatal(err)
		}
		most := shrunk(cfg.Width, tt.by) * shrunk(cfg.Height, tt.by)
		whole := &patience{Context: t.Context(), left: 1 << 30}
		if _, err := DecodeWithin(whole, tt.data, most); err != nil || whole.asked < tt.asks {
			t.Errorf("%s: asked %d times, want %d and more; %v", tt.name, whole.asked, tt.asks, err)
			continue
		}
		for _, left := range []int{0, 1, whole.asked / 2, whole.asked - 1} {
			ctx := &patience{Context: t.Context(), left: left}
			m, err := DecodeWithin(ctx, tt.data, most)
			// Asked once more where it stops, and a few times to say why.
			if m != nil || !errors.Is(err, context.Canceled) || errors.Is(err, ErrPicture) || ctx.asked > left+8 {
				t.Errorf("%s: asked %d times, %d of which told to go on: %v", tt.name, ctx.asked, left, err)
			}
		}
	}
}

// An encoder may flush after each row, however short rows are.
func TestDecodeWithinOfFlushedRows(t *testing.T) {
	for _, interlaced := range []bool{false, true} {
		p := noisyPNG(32, 3000, 1, pngGray, interlaced)
		p.flush = true
		data := p.encode()
		want, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeWithin(t.Context(), data, 1e6)
		if err != nil {
			t.Errorf("interlaced %v: %v", interlaced, err)
			continue
		}
		equalImages(t, fmt.Sprint("interlaced ", interlaced), got, want)
	}
}

// Scans that look at every coefficient are counted by how many those are.
func TestDecodeWithinOfManyScans(t *testing.T) {
	refined := []jpegWriterScan{{[]int{0}, 0, 0, 0, 0}, {[]int{1}, 0, 0, 0, 0}, {[]int{2}, 0, 0, 0, 0}, {[]int{0}, 1, 63, 1, 0}}
	for _, tt := range []struct {
		name  string
		w, h  int
		sof   byte
		scans []jpegWriterScan // the last of which comes again and again
		most  int              // times it may come
	}{
		{"refinements", 1600, 1200, mSOF2, refined, 8 * 3 * 64 / 63},
		{"sequential scans", 1600, 1200, mSOF0, oneScan(3), 8},
		{"refinements of a small picture", 160, 160, mSOF2, refined, maxScans - 3},
		{"sequential scans of a small picture", 160, 160, mSOF0, oneScan(3), maxScans},
	} {
		j := jpegWriter{w: tt.w, h: tt.h, factors: [][2]int{{1, 1}, {1, 1}, {1, 1}}, sof: tt.sof, scans: tt.scans, coefs: func(int, int, int) *block { return &block{9} }}
		data := j.encode()
		end := []byte{0xff, mEOI}
		data = bytes.TrimSuffix(data, end)
		last := data[bytes.LastIndex(data, []byte{0xff, mSOS}):]
		data = append(data, bytes.Repeat(last, tt.most-1)...)
		if _, err := DecodeWithin(t.Context(), append(bytes.Clone(data), end...), tt.w*tt.h); err != nil {
			t.Errorf("%s: %d times: %v", tt.name, tt.most, err)
		}
		data = append(append(data, last...), end...)
		if _, err := DecodeWithin(t.Context(), data, tt.w*tt.h); !errors.Is(err, ErrPicture) || !strings.Contains(err.Error(), "scans") {
			t.Errorf("%s: once more than %d times: %v", tt.name, tt.most, err)
		}
	}
}

// Header agrees with image/png and image/jpeg, and reads no more of a PNG than its first chunk:
// there may be millions before its palette.
func TestHeader(t *testing.T) {
	for name, data := range hostileSeeds(t) {
		want, _, err := image.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := Header(data)
		deep := want.ColorModel == color.Gray16Model || want.ColorModel == color.RGBA64Model || want.ColorModel == color.NRGBA64Model
		inks := want.ColorModel == color.CMYKModel
		if !ok || got.Width != want.Width || got.Height != want.Height || (got.ColorModel == color.NRGBA64Model) != deep || (got.ColorModel == color.CMYKModel) != inks {
			t.Errorf("%s: %+v, %v; want %+v", name, got, ok, want)
		}
		if r := bytes.NewReader(data); sniff(data).name == "PNG" {
			if _, err := pngConfig(r); err != nil || int(r.Size())-r.Len() != 33 {
				t.Errorf("%s: %d of %d bytes are left, %v", name, r.Len(), r.Size(), err)
			}
		}
	}
	png := noisyPNG(9, 9, 8, pngRGB, false).encode()
	for _, n := range []int{0, 8, 20, 32} {
		if _, ok := Header(png[:n]); ok {
			t.Errorf("%d bytes are a header", n)
		}
	}
	png[20]++
	if _, ok := Header(png); ok {
		t.Error("a wrong checksum is none")
	}
	if _, ok := Header(testFile(t, "plain.gif")); ok {
		t.Error("a GIF is read")
	}
}
