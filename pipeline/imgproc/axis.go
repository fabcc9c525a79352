package imgproc

import (
	"math"
	"slices"
)

// Bounds of what the resampling tables describe: with them a weighted sum of bytes fits in
// 31 bits along one axis and in the 53 of a float64 along both. The second is for weights in
// 1/256.
const (
	maxSide = 1<<16 - 1
	maxFine = 1 << 14
)

// scratch is memory an operation needs besides its source and destination. It hangs on the
// destination image, so the second call of a kind with the same destination allocates nothing.
type scratch struct {
	x, y, xc, yc axis // xc, yc: of subsampled colour
	fx, fy       taps
	acc          []uint32
	out          []uint16
	ring         []int32
	img          *Image
}

// A span describes area resampling along one axis: n samples in full resolution become dn.
type span struct {
	n, dn   int
	sub     int  // full-resolution samples that one stored sample stands for: 1 or 2
	off     int  // virtual sample 0 is stored sample off
	frac    int  // and lies frac/256 towards the next one, between the two
	limit   int  // stored samples; others count as black
	reflect bool // or as their mirror image, the edge sample not doubled
	fine    bool // weights in 1/256, for frac
}

// total is the sum of the weights of an output that lies wholly inside.
func (s span) total() float64 {
	if s.fine {
		return 256 * float64(s.n)
	}
	return float64(s.n)
}

// An axis is a span's table: output d is the sum of w[k] times sample lo+idx[k] for k from
// from[d] up to from[d+1]; idx is less than n.
type axis struct {
	span span
	lo   int
	n    int
	from []int32
	idx  []int32
	w    []uint32
}

// set fills the table, if it does not hold that span already.
func (a *axis) set(s span) {
	if a.span == s {
		return
	}
	a.span = s
	a.from, a.idx, a.w = append(a.from[:0], 0), a.idx[:0], a.w[:0]
	cell := s.sub * s.dn // one stored sample in units of 1/dn
	for d := range s.dn {
		lo := d * s.n
		hi := lo + s.n
		carry := 0
		for i := lo / cell; i <= (hi-1)/cell; i++ {
			w := min(hi, (i+1)*cell) - max(lo, i*cell)
			if s.fine {
				a.tap(i, carry+w*(256-s.frac))
				carry = w * s.frac
			} else {
				a.tap(i, w)
			}
		}
		if carry > 0 {
			a.tap((hi-1)/cell+1, carry)
		}
		a.from = append(a.from, int32(len(a.idx)))
	}
	a.lo, a.n = 0, 0
	if len(a.idx) > 0 {
		lo := slices.Min(a.idx)
		a.lo, a.n = int(lo), int(slices.Max(a.idx)-lo)+1
		for k := range a.idx {
			a.idx[k] -= lo
		}
	}
}

func (a *axis) tap(i, w int) {
	i += a.span.off
	if a.span.reflect {
		i = reflect101(i, a.span.limit)
	}
	if i < 0 || i >= a.span.limit {
		return
	}
	a.idx = append(a.idx, int32(i))
	a.w = append(a.w, uint32(w))
}

// reflect101 folds i into 0..n-1, mirrored at the middle of the edge samples.
func reflect101(i, n int) int {
	if n == 1 {
		return 0
	}
	p := 2 * (n - 1)
	i = ((i % p) + p) % p
	return min(i, p-i)
}

// A kernel is a way to interpolate between samples.
type kernel uint8

const (
	linear     kernel = iota + 1 // half-pixel centres
	linearArea                   // OpenCV's INTER_AREA where it enlarges
	lanczos4
)

// taps is the table of an interpolation: output d is the sum of w[size*d+k] times sample
// idx[size*d+k], the weights in 1/2048.
type taps struct {
	kernel kernel
	n, dn  int
	size   int
	idx    []int32
	w      []int32
}

// set fills the table as OpenCV's resize does, if it does not hold that already.
func (t *taps) set(k kernel, n, dn int) {
	if t.kernel == k && t.n == n && t.dn == dn {
		return
	}
	t.kernel, t.n, t.dn, t.size = k, n, dn, 2
	if k == lanczos4 {
		t.size = 8
	}
	t.idx, t.w = t.idx[:0], t.w[:0]
	inv := float64(dn) / float64(n)
	scale := 1 / inv // and not n/dn, which may round differently and then falls into another pixel
	for d := range dn {
		var i int
		var f float32
		if k == linearArea {
			i = int(math.Floor(float64(d) * scale))
			f = float32(float64(d+1) - float64(i+1)*inv)
			f = max(0, f-float32(math.Floor(float64(max(0, f)))))
		} else {
			f = float32((float64(d)+.5)*scale - .5)
			i = int(math.Floor(float64(f)))
			f -= float32(i)
		}
		if k == lanczos4 {
			w := lanczosWeights(f)
			for j := range 8 {
				t.idx = append(t.idx, int32(min(max(i-3+j, 0), n-1)))
				t.w = append(t.w, int32(math.RoundToEven(float64(w[j]*2048))))
			}
			continue
		}
		if i < 0 {
			i, f = 0, 0
		}
		if i >= n-1 {
			i, f = n-1, 0
		}
		t.idx = append(t.idx, int32(i), int32(min(i+1, n-1)))
		t.w = append(t.w, int32(math.RoundToEven(float64((1-f)*2048))), int32(math.RoundToEven(float64(f*2048))))
	}
}

// lanczosWeights are the eight weights for a place f beyond the fourth sample, their sum 1.
func lanczosWeights(f float32) (w [8]float32) {
	var sum float32
	for i := range w {
		d := float64(f) + 3 - float64(i)
		if math.Abs(d) < 1e-6 {
			w = [8]float32{}
			w[i] = 1
			return w
		}
		// sinc(d) sinc(d/4), without its constant factor.
		w[i] = float32(math.Sin(math.Pi*d) * math.Sin(math.Pi*d/4) / (d * d))
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}
