package imgproc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func testFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "pictures", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// resized is a copy of a file whose header claims another size.
func resized(tb testing.TB, name string, w, h int) []byte {
	tb.Helper()
	data := testFile(tb, name)
	switch filepath.Ext(name) {
	case ".jpg":
		for at := range segments(data) {
			if m := data[at+1]; m >= mSOF0 && m <= mSOF2 {
				binary.BigEndian.PutUint16(data[at+5:], uint16(h))
				binary.BigEndian.PutUint16(data[at+7:], uint16(w))
				return data
			}
		}
	case ".png":
		binary.BigEndian.PutUint32(data[16:], uint32(w))
		binary.BigEndian.PutUint32(data[20:], uint32(h))
		binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
		return data
	case ".gif":
		binary.LittleEndian.PutUint16(data[6:], uint16(w))
		binary.LittleEndian.PutUint16(data[8:], uint16(h))
		return data
	case ".bmp":
		binary.LittleEndian.PutUint32(data[18:], uint32(w))
		binary.LittleEndian.PutUint32(data[22:], uint32(h))
		return data
	}
	tb.Fatalf("no size in %s", name)
	return nil
}

func TestDecodeRefuses(t *testing.T) {
	jpg := testFile(t, "420.jpg")
	scans := testFile(t, "progressive.jpg")
	var last []byte // the last scan
	for at := range segments(scans) {
		if scans[at+1] == mSOS {
			last = scans[at : len(scans)-2]
		}
	}
	scans = append(scans[:len(scans)-2], bytes.Repeat(last, 2*maxScans)...)
	scans = append(scans, 0xff, mEOI)

	tests := []struct {
		name string
		data []byte
		says string
	}{
		{"nothing", nil, "empty"},
		{"one byte", []byte{0xff}, "not JPEG"},
		{"text called a picture", []byte("Dear sir, enclosed is my photograph."), "not JPEG"},
		{"too many bytes", make([]byte, MaxBytes+1), "smaller"},
		{"start of a JPEG", jpg[:2], "cut short"},
		{"half a JPEG", jpg[:len(jpg)/2], "cut short"},
		{"JPEG without its end", jpg[:len(jpg)-2], "cut short"},
		{"JPEG of 30000 x 30000", resized(t, "420.jpg", 30000, 30000), "scale it down"},
		{"JPEG of 65535 x 1", resized(t, "420.jpg", 65535, 1), "scale it down"},
		{"JPEG without height", resized(t, "420.jpg", 37, 0), ""},
		{"progressive JPEG of 30 Mpx", resized(t, "progressive.jpg", 6000, 5000), "scale it down"},
		{"progressive JPEG of many scans", scans, "baseline"},
		{"half a PNG", testFile(t, "rgb.png")[:900], "cut short"},
		{"PNG of 30000 x 30000", resized(t, "rgb.png", 30000, 30000), "scale it down"},
		{"PNG of 2^31-1 x 1", resized(t, "rgb.png", 1<<31-1, 1), ""},
		{"GIF of 30000 x 30000", resized(t, "plain.gif", 30000, 30000), "scale it down"},
		{"BMP of 30000 x 30000", resized(t, "rgb.bmp", 30000, 30000), "scale it down"},
		{"half a BMP", testFile(t, "rgb.bmp")[:600], "cut short"},
		{"half a GIF", testFile(t, "plain.gif")[:900], "cut short"},
		{"half a WebP", testFile(t, "lossy.webp")[:200], "cut short"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, err := Decode(tt.data)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrPicture) || m != nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, %v; want an error that wraps ErrPicture and says %q", m, err, tt.says)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%d bytes were allocated for it", used)
			}
		})
	}
}

func TestDecodeSmallest(t *testing.T) {
	var b bytes.Buffer
	if err := pngEncode(&b, New(1, 1)); err != nil {
		t.Fatal(err)
	}
	m, err := Decode(b.Bytes())
	if err != nil || m.W != 1 || m.H != 1 {
		t.Errorf("1 x 1: %v, %v", m, err)
	}
}

func TestDecodeIgnoresWhatFollows(t *testing.T) {
	m, err := Decode(append(testFile(t, "420.jpg"), make([]byte, 5000)...))
	if err != nil || m.W != 37 || m.H != 29 {
		t.Errorf("padded JPEG: %v", err)
	}
}

func TestGIFFrameSmallerThanItsScreen(t *testing.T) {
	m, err := Decode(resized(t, "plain.gif", 50, 40))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Decode(testFile(t, "plain.gif"))
	if err != nil {
		t.Fatal(err)
	}
	if m.W != 50 || m.H != 40 || !bytes.Equal(m.row(28)[:3*37], want.row(28)) || m.row(28)[3*37] != 0 || m.row(29)[0] != 0 {
		t.Errorf("%d x %d, want the frame in the screen's 50 x 40", m.W, m.H)
	}
}

func TestOrientationOfHostileEXIF(t *testing.T) {
	good := "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"
	tests := []struct {
		name string
		tiff string
		want int
	}{
		{"good", good, 6},
		{"nothing", "", 1},
		{"header only", good[:8], 1},
		{"cut in the count", good[:9], 1},
		{"cut in the entry", good[:20], 1},
		{"neither byte order", "XX" + good[2:], 1},
		{"directory beyond the end", "II*\x00\xff\xff\xff\xff" + good[8:], 1},
		{"directory that is its header", "II*\x00\x00\x00\x00\x00" + good[8:], 1},
		{"65535 entries of which one exists", good[:8] + "\xff\xff" + good[10:], 6},
		{"value 9", good[:18] + "\x09\x00" + good[20:], 1},
		{"value 0", good[:18] + "\x00\x00" + good[20:], 1},
		{"a long instead of a short", good[:12] + "\x04\x00" + good[14:], 1},
	}
	for _, tt := range tests {
		if got := tiffOrientation([]byte(tt.tiff)); got != tt.want {
			t.Errorf("%s: orientation %d, want %d", tt.name, got, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/pictures/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		f.Add(testFile(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c := sniff(data); c != nil {
			// What is large is slow to fuzz and no different.
			if cfg, err := c.config(bytes.NewReader(data)); err == nil && cfg.Width*cfg.Height > 1<<20 && cfg.Width*cfg.Height <= MaxPixels {
				return
			}
		}
		m, err := Decode(data)
		switch {
		case err != nil && (m != nil || !errors.Is(err, ErrPicture)):
			t.Errorf("picture %v with error %v", m, err)
		case err == nil && (m.W <= 0 || m.H <= 0 || len(m.Pix) != 3*m.W*m.H):
			t.Errorf("picture of %d x %d with %d bytes", m.W, m.H, len(m.Pix))
		}
	})
}

func FuzzOrientation(f *testing.F) {
	for _, name := range []string{"exif6.jpg", "exif6.png", "exif6.webp"} {
		f.Add(testFile(f, name))
	}
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range []int{jpegOrientation(data), tiffOrientation(data), pngOrientation(data), webpOrientation(data)} {
			if v < 1 || v > 8 {
				t.Errorf("orientation %d", v)
			}
		}
	})
}
