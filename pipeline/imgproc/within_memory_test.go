package imgproc

import (
	"bytes"
	"runtime"
	"testing"
	"time"
)

// repeated are the coefficients of a picture that repeats every 16 blocks.
func repeated() func(c, bx, by int) *block {
	blocks := make([]*block, 3*16*16)
	for i := range blocks {
		blocks[i] = noisyCoefs(i/256, i%16, i/16%16)
	}
	return func(c, bx, by int) *block { return blocks[256*c+by%16*16+bx%16] }
}

// large are files of 24 million pixels of the kinds that cost most.
func large(tb testing.TB) map[string][]byte {
	tb.Helper()
	coefs := repeated()
	full := [][2]int{{1, 1}, {1, 1}, {1, 1}}
	baseline := jpegWriter{w: 6000, h: 4000, factors: full, sof: mSOF0, scans: oneScan(3), coefs: coefs}
	progressive := jpegWriter{w: 6000, h: 4000, factors: full, sof: mSOF2, scans: progression(3), coefs: coefs}
	interlaced := &pngWriter{w: 6000, h: 4000, depth: 8, colour: pngRGBAlpha, interlaced: true, row: func(y int, row []byte) byte {
		for i := range row {
			row[i] = byte(i * y >> 4)
		}
		return 2
	}}
	return map[string][]byte{
		"baseline JPEG": baseline.encode(), "progressive JPEG": progressive.encode(), "interlaced PNG": interlaced.encode(),
	}
}

// allocated is how many bytes fn allocates in all, which is at least as much as it ever has.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDecodeWithinMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and reads pictures of 24 million pixels")
	}
	const bound = 20_000_000 // of which 18 are the largest result
	for name, data := range large(t) {
		for _, maxPixels := range []int{3_000_000, 6_000_000} {
			n := allocated(func() {
				m, err := DecodeWithin(t.Context(), data, maxPixels)
				if err != nil || m.W*m.H > maxPixels {
					t.Errorf("%s: %v", name, err)
				}
			})
			if n > bound {
				t.Errorf("%s of %d bytes: %d bytes were allocated, more than %d", name, len(data), n, bound)
			}
		}
	}
	// Rows as long as they may be, and blocks as many.
	wide := jpegWriter{w: MaxSide, h: 700, factors: [][2]int{{4, 2}, {4, 2}, {4, 2}}, sof: mSOF2, coefs: func(int, int, int) *block { return &block{7} }}
	for c := range 3 {
		wide.scans = append(wide.scans, jpegWriterScan{[]int{c}, 0, 0, 0, 0}, jpegWriterScan{[]int{c}, 1, 63, 0, 0})
	}
	data := wide.encode()
	if n := allocated(func() {
		if _, err := DecodeWithin(t.Context(), data, 6_000_000); err != nil {
			t.Error(err)
		}
	}); n > 28_000_000 {
		t.Errorf("%d bytes were allocated for long rows", n)
	}
}

// A picture of 6 million pixels, the largest that callers want, comes out whole.
func TestDecodeWithinMemoryWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("makes and reads pictures of 6 million pixels")
	}
	j := jpegWriter{w: 3000, h: 2000, factors: [][2]int{{1, 1}, {1, 1}, {1, 1}}, sof: mSOF2, scans: progression(3), coefs: repeated()}
	j.extra = []byte("\xff\xe1\x00\x22Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00")
	data := j.encode()
	if n := allocated(func() {
		m, err := DecodeWithin(t.Context(), data, 6_000_000)
		if err != nil || m.W != 2000 || m.H != 3000 {
			t.Errorf("%v", err)
		}
	}); n > 20_000_000 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// As many scans as a picture of 24 million pixels may have, each with next to nothing in it,
// take about as long as one that is full: a block costs a scan a few steps.
func TestDecodeWithinTimeOfManyScans(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	j := jpegWriter{w: 6000, h: 4000, factors: [][2]int{{1, 1}, {1, 1}, {1, 1}}, sof: mSOF2, coefs: func(int, int, int) *block { return &block{9} }}
	for c := range 3 {
		j.scans = append(j.scans, jpegWriterScan{[]int{c}, 0, 0, 0, 0})
	}
	j.scans = append(j.scans, jpegWriterScan{[]int{0}, 1, 63, 1, 0})
	data := j.encode()
	last := data[bytes.LastIndex(data, []byte{0xff, mSOS}) : len(data)-2]
	data = append(data[:len(data)-2], bytes.Repeat(last, 23)...)
	data = append(data, 0xff, mEOI)
	start := time.Now()
	_, err := DecodeWithin(t.Context(), data, 6_000_000)
	t.Logf("%d bytes, %d scans: %v", len(data), bytes.Count(data, []byte{0xff, mSOS}), time.Since(start))
	if err != nil {
		t.Error(err)
	}
}
