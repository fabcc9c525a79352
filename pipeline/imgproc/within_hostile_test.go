package imgproc

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// sameVerdict checks that DecodeWithin reads what Decode reads, and to the same pixels, and
// refuses what Decode refuses. Where the two may differ, it checks only that all ends well.
func sameVerdict(t *testing.T, name string, data []byte) {
	t.Helper()
	c := sniff(data)
	if c == nil || c.name != "JPEG" && c.name != "PNG" {
		return
	}
	cfg, err := c.config(bytes.NewReader(data))
	if err == nil && cfg.Width*cfg.Height > 1<<15 {
		return // slow, and no different
	}
	got, errGot := DecodeWithin(t.Context(), data, 1<<15)
	if errGot != nil && (got != nil || !errors.Is(errGot, ErrPicture)) {
		t.Errorf("%s: picture %v with error %v", name, got, errGot)
	}
	if errGot == nil {
		for by := 2; by <= 8; by *= 2 {
			w, h := (cfg.Width+by-1)/by, (cfg.Height+by-1)/by
			m, err := DecodeWithin(t.Context(), data, w*h)
			if err != nil || m.W*m.H > w*h || len(m.Pix) != 3*m.W*m.H {
				t.Errorf("%s: reduced by %d: %v", name, by, err)
			}
		}
	}
	if tooMuch(errGot) || c.name == "JPEG" && mayDiffer(data, errGot) {
		return
	}
	want, errWant := Decode(data)
	switch {
	case (errGot == nil) != (errWant == nil):
		t.Errorf("%s: error %v; Decode says %v", name, errGot, errWant)
	case errGot == nil:
		equalImages(t, name, got, want)
	}
}

// tooMuch reports whether a file takes more work than it is worth, which Decode does all the same.
func tooMuch(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "too many compressed blocks") || strings.Contains(err.Error(), "too many scans of"))
}

// mayDiffer reports whether a JPEG is one that image/jpeg reads other than the standard has
// it, or one that it reads although it is none, or one of four components.
func mayDiffer(data []byte, err error) bool {
	if err != nil {
		for _, says := range []string{"too many codes", "CMYK"} {
			if strings.Contains(err.Error(), says) {
				return true
			}
		}
	}
	f, badFrame := parseJPEG(data)
	if badFrame != nil {
		return false
	}
	for _, s := range f.scans {
		if len(s.comps) > 1 {
			continue
		}
		c := s.comps[0].component
		across, down := c.blocks()
		whole := c.h == f.hMax && c.v == f.vMax || c.h*c.v == 1
		if !whole || s.interval > 0 && s.interval < across*down && c.h*c.v > 1 {
			return true
		}
	}
	return err != nil && runsOver(f)
}

// runsOver reports whether an end-of-band run is longer than its scan. image/jpeg carries it
// into the next, whose data then mean something else.
func runsOver(f *jpegFrame) bool {
	d := newJPEGRows(f, 1, 1)
	rows := make([][3][]block, f.mcusDown())
	for _, s := range f.scans {
		for my := range rows {
			for i := range f.comps {
				c := &f.comps[i]
				if rows[my][i] == nil {
					rows[my][i] = make([]block, len(c.coefs))
				}
				c.coefs = rows[my][i]
			}
			if d.scanRow(s, my) != nil {
				return false
			}
		}
		if s.eobRun > 0 {
			return true
		}
	}
	return false
}

// hostileSeeds are small files of all kinds.
func hostileSeeds(tb testing.TB) map[string][]byte {
	files := testPictures(tb)
	for _, factors := range [][][2]int{{{1, 1}}, {{2, 2}, {1, 1}, {1, 1}}} {
		j := jpegWriter{w: 20, h: 17, factors: factors, sof: mSOF2, scans: progression(len(factors)), coefs: noisyCoefs}
		files[fmt.Sprint("progressive of ", len(factors))] = j.encode()
		j.sof, j.scans = mSOF0, scanEach(len(factors))
		files[fmt.Sprint("a scan each of ", len(factors))] = j.encode()
		j.scans, j.interval = oneScan(len(factors)), 1
		files[fmt.Sprint("restarts of ", len(factors))] = j.encode()
	}
	for _, interlaced := range []bool{false, true} {
		for _, depth := range []int{1, 4, 8} {
			p := noisyPNG(11, 9, depth, pngPalette, interlaced)
			p.split = 20
			files[fmt.Sprint("palette ", depth, interlaced)] = p.encode()
		}
		files[fmt.Sprint("rgb ", interlaced)] = noisyPNG(9, 10, 8, pngRGB, interlaced).encode()
	}
	return files
}

func TestDecodeWithinOfCutFiles(t *testing.T) {
	for name, data := range hostileSeeds(t) {
		step := max(1, len(data)/400)
		for n := 0; n < len(data); n += step {
			sameVerdict(t, fmt.Sprintf("%s cut to %d bytes", name, n), data[:n])
			if bytes.HasPrefix(data, []byte("\xff\xd8")) { // ends, but early
				sameVerdict(t, fmt.Sprintf("%s cut to %d bytes and ended", name, n), append(bytes.Clone(data[:n]), 0xff, mEOI))
			}
		}
	}
}

func TestDecodeWithinOfDamagedFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seeds := hostileSeeds(t)
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		data := seeds[name]
		for i := range 300 {
			bad := bytes.Clone(data)
			for range 1 + r.IntN(3) {
				bad[r.IntN(len(bad))] = byte(r.Uint32()) | byte(-r.IntN(2))
			}
			sameVerdict(t, fmt.Sprintf("%s, damage %d", name, i), bad)
		}
	}
}

// The checksums of PNG hide what is behind them from a fuzzer.
func repairPNG(data []byte) []byte {
	if !bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		return data
	}
	out := bytes.Clone(data[:8])
	for data = data[8:]; len(data) >= 12; {
		n := int(data[2])<<8 | int(data[3])
		if n > len(data)-12 {
			break
		}
		out = pngChunk(out, string(data[4:8]), data[8:8+n])
		data = data[12+n:]
	}
	return append(out, data...)
}

func FuzzDecodeWithin(f *testing.F) {
	for _, data := range hostileSeeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		sameVerdict(t, "fuzzed", data)
		sameVerdict(t, "repaired", repairPNG(data))
	})
}

// FuzzDecodeWithinPNGRows fuzzes what a PNG's compressed data say.
func FuzzDecodeWithinPNGRows(f *testing.F) {
	f.Add(byte(3), byte(5), byte(8), byte(pngRGB), true, []byte("\x01abc\x04def"))
	f.Add(byte(30), byte(5), byte(1), byte(pngPalette), false, []byte("\x02abc\x03def"))
	f.Fuzz(func(t *testing.T, w, h, depth, colour byte, interlaced bool, raw []byte) {
		p := pngWriter{w: int(w), h: int(h), depth: int(depth), colour: colour, interlaced: interlaced, palette: []byte("abcdef")}
		p.row = func(_ int, row []byte) byte {
			var filter byte
			if len(raw) > 0 {
				filter = raw[0] % 6
				raw = raw[1:]
			}
			raw = raw[copy(row, raw):]
			return filter
		}
		if colour != pngPalette {
			p.palette = nil
		}
		sameVerdict(t, "fuzzed", p.encode())
	})
}
