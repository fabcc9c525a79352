package imgproc

import "math"

// A plane is one array of samples in memory: rows of n bytes, sub times sub picture pixels
// a sample where it is colour.
type plane struct {
	pix    []byte
	stride int
	n      int // bytes of a row that are used
	rows   int
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// channels are nc channels that lie gap values apart in samples of step values.
type channels struct{ step, gap, nc int }

func packed3() channels { return channels{3, 1, 3} }

// ResizeArea scales src to the size of dst as OpenCV's INTER_AREA does: the mean over each
// pixel's area where both axes shrink, and its version of linear interpolation where one grows.
// The images must not overlap; an empty image leaves dst black.
func ResizeArea(dst, src *Image) {
	if empty(dst, src) {
		return
	}
	if dst.W > src.W || dst.H > src.H {
		interpolate(dst, src, linearArea)
		return
	}
	t := dst.scratch()
	t.x.set(span{n: src.W, dn: dst.W, sub: 1, limit: src.W})
	t.y.set(span{n: src.H, dn: dst.H, sub: 1, limit: src.H})
	areaRGB(dst, src, t)
}

// areaRGB resamples by the tables in t.
func areaRGB(dst, src *Image, t *scratch) {
	n := 3 * t.x.n
	t.acc, t.out = grow(t.acc, n+1), grow(t.out, 3*dst.W) // one more: see px_hsum3
	scale := areaScale(t.x.span, t.y.span, 1)
	pix := src.Pix[t.y.lo*src.Stride+3*t.x.lo:]
	for y := range dst.H {
		vsum(t.acc[:n], pix, src.Stride, &t.y, y)
		hsum(t.out, t.acc, &t.x, packed3(), scale)
		o := dst.row(y)
		for i, v := range t.out {
			o[i] = byte(v)
		}
	}
}

// areaScale turns a weighted sum into the mean in units of 1/unit. A half rounds to even,
// but up in the 2 x 2 case, where OpenCV does that.
func areaScale(x, y span, unit float64) float64 {
	s := unit / (x.total() * y.total())
	if x.n == 2*x.dn && y.n == 2*y.dn {
		s *= 1 + 0x1p-40
	}
	return s
}

func empty(dst, src *Image) bool {
	if dst.W <= 0 || dst.H <= 0 {
		return true
	}
	if src.W <= 0 || src.H <= 0 || max(src.W, src.H, dst.W, dst.H) > maxSide {
		dst.Black()
		return true
	}
	return false
}

// vsumGo adds up the rows that make row d, weighted.
func vsumGo(acc []uint32, pix []byte, stride int, y *axis, d int) {
	clear(acc)
	for k := y.from[d]; k < y.from[d+1]; k++ {
		w := y.w[k]
		row := pix[int(y.idx[k])*stride:][:len(acc)]
		for i, v := range row {
			acc[i] += w * uint32(v)
		}
	}
}

// roundMagic makes the low bits of a float64 sum the rounded integer, halves to even.
const roundMagic = 0x1.8p52

// hsumGo adds up the columns of acc that make each pixel, weighted, and scales the sums.
func hsumGo(out []uint16, acc []uint32, x *axis, c channels, scale float64) {
	for d := range len(x.from) - 1 {
		idx, w := x.idx[x.from[d]:x.from[d+1]], x.w[x.from[d]:x.from[d+1]]
		for ch := range c.nc {
			var sum uint64
			for k, i := range idx {
				sum += uint64(w[k]) * uint64(acc[int(i)*c.step+ch*c.gap])
			}
			out[3*d+ch] = uint16(math.Float64bits(float64(float64(sum)*scale) + roundMagic))
		}
	}
}
