package imgproc

import "math"

// Warp fills dst with src seen through toDst (source to destination), bilinear, black
// outside: OpenCV's warpAffine with INTER_LINEAR and a constant border. A map that is
// degenerate, not finite or reaches farther than 2^30 pixels gives black. The images must
// not overlap.
func Warp(dst, src *Image, toDst Affine) {
	if empty(dst, src) {
		return
	}
	q, ok := newWarpMap(toDst.Invert(), dst.W, dst.H)
	if !ok {
		dst.Black()
		return
	}
	warp(dst, src, q)
}

// A warpMap is an Affine from destination to source in units of 2^-32 pixel, so that
// stepping along a row adds up without rounding.
type warpMap struct{ a, b, c, d, e, f int64 }

func newWarpMap(t Affine, w, h int) (warpMap, bool) {
	const far = 1 << 30
	for _, x := range [2]float64{0, float64(w)} {
		for _, y := range [2]float64{0, float64(h)} {
			p := t.Apply(Point{x, y})
			if !(math.Abs(p.X) < far && math.Abs(p.Y) < far) {
				return warpMap{}, false
			}
		}
	}
	q := func(v float64) int64 { return int64(math.Round(v * (1 << 32))) }
	return warpMap{q(t.A), q(t.B), q(t.C), q(t.D), q(t.E), q(t.F)}, true
}

// warpGo mixes four pixels with weights of 11 bits an axis.
func warpGo(dst, src *Image, q warpMap) {
	for y := range dst.H {
		sx, sy := q.b*int64(y)+q.c, q.e*int64(y)+q.f
		o := dst.row(y)
		for len(o) > 0 {
			ix, iy := int(sx>>32), int(sy>>32)
			wx, wy := int32(sx>>21)&2047, int32(sy>>21)&2047
			sx, sy = sx+q.a, sy+q.d
			if uint(ix) < uint(src.W-1) && uint(iy) < uint(src.H-1) {
				p := src.Pix[iy*src.Stride+3*ix:][:6]
				r := src.Pix[(iy+1)*src.Stride+3*ix:][:6]
				for c := range 3 {
					top := (2048-wx)*int32(p[c]) + wx*int32(p[c+3])
					bot := (2048-wx)*int32(r[c]) + wx*int32(r[c+3])
					o[c] = byte(((2048-wy)*top + wy*bot + 1<<21) >> 22)
				}
			} else {
				warpEdge(o, src, ix, iy, wx, wy)
			}
			o = o[3:]
		}
	}
}

// warpEdge is one pixel of which some of the four neighbours do not exist.
func warpEdge(o []byte, src *Image, ix, iy int, wx, wy int32) {
	var acc [3]int32
	for j, wj := range [2]int32{2048 - wy, wy} {
		for i, wi := range [2]int32{2048 - wx, wx} {
			if x, y := ix+i, iy+j; uint(x) < uint(src.W) && uint(y) < uint(src.H) {
				p := src.Pix[y*src.Stride+3*x:]
				acc[0] += wi * wj * int32(p[0])
				acc[1] += wi * wj * int32(p[1])
				acc[2] += wi * wj * int32(p[2])
			}
		}
	}
	for c, v := range acc {
		o[c] = byte((v + 1<<21) >> 22)
	}
}
