package imgproc

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"path/filepath"
	"strings"
	"testing"
)

// testPictures are the JPEG and PNG files in testdata that DecodeWithin reads.
func testPictures(tb testing.TB) map[string][]byte {
	tb.Helper()
	files := map[string][]byte{}
	for _, glob := range []string{"*.jpg", "*.png"} {
		names, err := filepath.Glob(filepath.Join("testdata", "pictures", glob))
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range names {
			if name = filepath.Base(name); name != "cmyk.jpg" {
				files[name] = testFile(tb, name)
			}
		}
	}
	return files
}

// equalDecode checks that a picture which is not reduced comes out as Decode gives it.
func equalDecode(t *testing.T, name string, data []byte) {
	t.Helper()
	want, err := Decode(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got, err := DecodeWithin(t.Context(), data, want.W*want.H)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	equalImages(t, name, got, want)
}

func equalImages(t *testing.T, name string, got, want *Image) {
	t.Helper()
	if got.W != want.W || got.H != want.H || got.Stride != want.Stride {
		t.Errorf("%s: %d x %d, want %d x %d", name, got.W, got.H, want.W, want.H)
	} else if !bytes.Equal(got.Pix, want.Pix) {
		d := 0
		for i, v := range got.Pix {
			d = max(d, int(v)-int(want.Pix[i]), int(want.Pix[i])-int(v))
		}
		t.Errorf("%s: other pixels, the largest difference is %d", name, d)
	}
}

func TestDecodeWithinIsDecode(t *testing.T) {
	for name, data := range testPictures(t) {
		equalDecode(t, name, data)
	}
}

// jpegKinds are files of every kind, of a size that fills no MCU. plain is each without its
// restart markers.
func jpegKinds(yield func(name string, j, plain *jpegWriter)) {
	for _, factors := range [][][2]int{
		{{1, 1}},
		{{2, 2}},
		{{1, 1}, {1, 1}, {1, 1}},
		{{2, 1}, {1, 1}, {1, 1}},
		{{2, 2}, {1, 1}, {1, 1}},
		{{1, 2}, {1, 1}, {1, 1}},
		{{4, 1}, {1, 1}, {1, 1}},
		{{4, 2}, {1, 1}, {1, 1}},
		{{2, 2}, {1, 2}, {1, 2}},
		{{2, 1}, {2, 1}, {2, 1}},
	} {
		n := len(factors)
		for _, kind := range []struct {
			name  string
			sof   byte
			scans []jpegWriterScan
		}{
			{"baseline", mSOF0, oneScan(n)},
			{"extended", mSOF1, oneScan(n)},
			{"a scan each", mSOF0, scanEach(n)},
			{"progressive", mSOF2, progression(n)},
		} {
			for _, interval := range []int{0, 1, 5} {
				for _, size := range [][2]int{{1, 1}, {77, 43}, {16, 50}} {
					j := jpegWriter{w: size[0], h: size[1], factors: factors, sof: kind.sof, scans: kind.scans, interval: interval, coefs: noisyCoefs}
					plain := j
					plain.interval = 0
					yield(fmt.Sprintf("%s %v, interval %d, %d x %d", kind.name, factors, interval, j.w, j.h), &j, &plain)
				}
			}
		}
	}
}

func TestDecodeWithinOfEveryJPEG(t *testing.T) {
	jpegKinds(func(name string, j, plain *jpegWriter) {
		want, err := Decode(plain.encode())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := DecodeWithin(t.Context(), j.encode(), 1e6)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		equalImages(t, name, got, want)
	})
}

// meanOfCells is src reduced, each pixel the mean of those it covers.
func meanOfCells(src *Image, by int) *Image {
	dst := New((src.W+by-1)/by, (src.H+by-1)/by)
	for y := range dst.H {
		for x := range dst.W {
			part := src.Sub(x*by, y*by, x*by+by, y*by+by)
			n := part.W * part.H
			for c := range 3 {
				sum := n / 2
				for j := range part.H {
					for i := range part.W {
						sum += int(part.row(j)[3*i+c])
					}
				}
				dst.row(y)[3*x+c] = byte(sum / n)
			}
		}
	}
	return dst
}

// reduced decodes with as many pixels as a reduction by the factor has, and checks that one
// pixel less makes it smaller.
func reduced(t *testing.T, name string, data []byte, w, h, by int) *Image {
	t.Helper()
	n := ((w + by - 1) / by) * ((h + by - 1) / by)
	if less, err := DecodeWithin(t.Context(), data, n-1); err == nil && less.W*less.H >= n {
		t.Errorf("%s: %d x %d where one pixel less than %d is wanted", name, less.W, less.H, n)
	}
	m, err := DecodeWithin(t.Context(), data, n)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return m
}

func TestDecodeWithinReducesEveryPNG(t *testing.T) {
	for _, kind := range []struct {
		colour byte
		depths []int
	}{
		{pngGray, []int{1, 2, 4, 8, 16}}, {pngRGB, []int{8, 16}}, {pngPalette, []int{1, 2, 4, 8}}, {pngGrayAlpha, []int{8, 16}}, {pngRGBAlpha, []int{8, 16}},
	} {
		for _, depth := range kind.depths {
			for _, interlaced := range []bool{false, true} {
				for _, size := range [][2]int{{1, 1}, {3, 70}, {61, 5}, {64, 64}, {85, 43}} {
					name := fmt.Sprintf("colour %d, %d bits, interlaced %v, %v", kind.colour, depth, interlaced, size)
					data := noisyPNG(size[0], size[1], depth, kind.colour, interlaced).encode()
					equalDecode(t, name, data)
					full, err := Decode(data)
					if err != nil {
						t.Fatal(err)
					}
					for by := 2; by <= 8 && size[0] > 8; by *= 2 {
						got, want := reduced(t, name, data, full.W, full.H, by), meanOfCells(full, by)
						if interlaced && by == 2 {
							within(t, name, got.Pix, want.Pix, .4, 1)
						} else {
							equalImages(t, name, got, want)
						}
					}
				}
			}
		}
	}
}

// meanOfPlanes is the picture of a file reduced before it is converted, by at least as much
// as its colour is subsampled.
func meanOfPlanes(t *testing.T, data []byte, by int) *Image {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var p Picture
	switch m := m.(type) {
	case *image.Gray:
		return meanOfCells(toImage(m, fullRange()), by)
	case *image.YCbCr:
		p.setYCbCr(m, fullRange())
	default:
		t.Fatalf("a %T", m)
	}
	var planes [3]*Image
	for i, c := range p.planes {
		full := New(c.n, c.rows)
		for y := range c.rows {
			for x, v := range c.row(y) {
				full.row(y)[3*x] = v
			}
		}
		if i == 0 {
			planes[i] = meanOfCells(full, by)
			continue
		}
		// Cells of colour may be wider than high.
		cw, ch := by/p.subX, by/p.subY
		planes[i] = New((c.n+cw-1)/cw, (c.rows+ch-1)/ch)
		for y := range planes[i].H {
			for x := range planes[i].W {
				part := full.Sub(x*cw, y*ch, x*cw+cw, y*ch+ch)
				n := part.W * part.H
				sum := n / 2
				for j := range part.H {
					for k := range part.W {
						sum += int(part.row(j)[3*k])
					}
				}
				planes[i].row(y)[3*x] = byte(sum / n)
			}
		}
	}
	out, mat := New(planes[0].W, planes[0].H), fullRange()
	for y := range out.H {
		for x := range out.W {
			var v [3]int32
			for i := range v {
				v[i] = int32(planes[i].row(y)[3*x])
			}
			o := out.row(y)[3*x:]
			o[0], o[1], o[2] = mat.rgb(v[0], v[1], v[2])
		}
	}
	return out
}

func TestDecodeWithinReducesEveryJPEG(t *testing.T) {
	jpegKinds(func(name string, j, plain *jpegWriter) {
		if j.w*j.h < 64 {
			return
		}
		data := plain.encode()
		for by := 2; by <= 8; by *= 2 {
			if j.factors[0][0]/j.factors[len(j.factors)-1][0] > by {
				continue
			}
			equalImages(t, fmt.Sprint(name, " by ", by), reduced(t, name, j.encode(), j.w, j.h, by), meanOfPlanes(t, data, by))
		}
	})
}

// Colour of which there is one sample for four pixels across is interpolated in a picture
// that is halved. It stays near to the halved picture.
func TestDecodeWithinInterpolatesCoarseColour(t *testing.T) {
	for _, factors := range [][][2]int{{{4, 1}, {1, 1}, {1, 1}}, {{4, 2}, {1, 1}, {1, 1}}} {
		j := jpegWriter{w: 150, h: 90, factors: factors, sof: mSOF0, scans: oneScan(3), coefs: func(c, bx, by int) *block {
			return &block{int32(20*c - 3*bx + 2*by), 5, -4}
		}}
		full, err := Decode(j.encode())
		if err != nil {
			t.Fatal(err)
		}
		half := reduced(t, fmt.Sprint(factors), j.encode(), full.W, full.H, 2)
		within(t, fmt.Sprint(factors), half.Pix, meanOfCells(full, 2).Pix, 1, 8)
	}
}

func TestDecodeWithinOfRGB(t *testing.T) {
	adobe := "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
	for _, factors := range [][][2]int{{{1, 1}, {1, 1}, {1, 1}}, {{2, 2}, {1, 1}, {1, 1}}, {{4, 1}, {1, 1}, {1, 1}}} {
		for _, by := range []struct{ ids, extra string }{{"RGB", ""}, {"", adobe}, {"RGB", "\xff\xe0\x00\x07JFIF\x00"}} {
			j := jpegWriter{w: 50, h: 39, factors: factors, sof: mSOF0, ids: by.ids, extra: []byte(by.extra), scans: oneScan(3), coefs: noisyCoefs}
			equalDecode(t, fmt.Sprint(factors, by), j.encode())
			if factors[0][0] == 1 && !strings.Contains(by.extra, "JFIF") {
				full, err := Decode(j.encode())
				if err != nil {
					t.Fatal(err)
				}
				equalImages(t, "reduced RGB", reduced(t, "reduced RGB", j.encode(), 50, 39, 4), meanOfCells(full, 4))
			}
		}
	}
}

func TestDecodeWithinTurns(t *testing.T) {
	for o := 1; o <= 8; o++ {
		exif := fmt.Appendf(nil, "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00%c\x00\x00\x00\x00\x00\x00\x00", o)
		app1 := append([]byte("\xff\xe1\x00\x22Exif\x00\x00"), exif...)
		app1[3] = byte(len(app1) - 2)
		files := map[string][]byte{}
		for _, turned := range []bool{false, true} {
			j := jpegWriter{w: 45, h: 22, factors: [][2]int{{2, 2}, {1, 1}, {1, 1}}, sof: mSOF2, scans: progression(3), coefs: noisyCoefs}
			p := noisyPNG(45, 22, 8, pngRGB, false)
			q := noisyPNG(45, 22, 8, pngRGB, true)
			name := "plain "
			if turned {
				name = "turned "
				j.extra = app1
				p.extra = pngChunk(nil, "eXIf", exif)
				q.extra = p.extra
			}
			files[name+"JPEG"], files[name+"PNG"], files[name+"interlaced PNG"] = j.encode(), p.encode(), q.encode()
		}
		for _, kind := range []string{"JPEG", "PNG", "interlaced PNG"} {
			name := fmt.Sprint(kind, " of orientation ", o)
			equalDecode(t, name, files["turned "+kind])
			for by := 1; by <= 8; by *= 2 {
				want := reduced(t, name, files["plain "+kind], 45, 22, by).turn(o)
				equalImages(t, name, reduced(t, name, files["turned "+kind], 45, 22, by), want)
			}
		}
	}
}

func TestDecodeWithinRefuses(t *testing.T) {
	jpg := testFile(t, "420.jpg")
	scans := jpegWriter{w: 8, h: 8, factors: [][2]int{{1, 1}}, sof: mSOF2, coefs: noisyCoefs}
	for range maxScans + 1 {
		scans.scans = append(scans.scans, jpegWriterScan{[]int{0}, 1, 63, 0, 0})
	}
	sof := func(m byte) []byte { // a file that says it is of another process
		data := bytes.Clone(jpg)
		for at := range segments(data) {
			if data[at+1] == mSOF0 {
				data[at+1] = m
			}
		}
		return data
	}
	tests := []struct {
		name string
		data []byte
		max  int
		says string
	}{
		{"nothing", nil, 1e6, "empty"},
		{"too many bytes", make([]byte, MaxBytes+1), 1e6, "smaller"},
		{"text", []byte("Dear sir, enclosed is my photograph."), 1e6, "not JPEG or PNG"},
		{"a GIF", testFile(t, "plain.gif"), 1e6, "not JPEG or PNG"},
		{"start of a JPEG", jpg[:2], 1e6, "cut short"},
		{"JPEG without its end", jpg[:len(jpg)-2], 1e6, "cut short"},
		{"JPEG of 30000 x 30000", resized(t, "420.jpg", 30000, 30000), 1e6, "scale it down"},
		{"JPEG of 65535 x 1", resized(t, "420.jpg", 65535, 1), 1e6, "scale it down"},
		{"JPEG too large at an eighth", jpg, 10, "scale it down"},
		{"no pixels wanted", jpg, 0, "scale it down"},
		{"less than none wanted", jpg, -1 << 62, "scale it down"},
		{"four colours", testFile(t, "cmyk.jpg"), 1e6, "CMYK or YCCK"},
		{"lossless", sof(0xc3), 1e6, "not supported"},
		{"arithmetic coding", sof(0xc9), 1e6, "not supported"},
		{"many scans", scans.encode(), 1e6, "scans"},
		{"half a PNG", testFile(t, "rgb.png")[:900], 1e6, "cut short"},
		{"PNG of 30000 x 30000", resized(t, "rgb.png", 30000, 30000), 1e6, "scale it down"},
	}
	for _, tt := range tests {
		m, err := DecodeWithin(t.Context(), tt.data, tt.max)
		if !errors.Is(err, ErrPicture) || m != nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, %v; want an error that wraps ErrPicture and says %q", tt.name, m, err, tt.says)
		}
	}
}
