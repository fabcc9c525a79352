package imgproc

import "math"

// SquareCrop fills the square dst with the square round the middle of box whose side is
// scale times the box's longer side, moved up by up box heights; black outside the picture.
// Where that shrinks the picture it is area filtered. It returns the map from picture to dst,
// which is degenerate, and dst black, for a box without extent or with sides beyond reason.
// The images must not overlap.
func SquareCrop(dst, src *Image, box Box, scale, up float64) Affine {
	c := box.Centre()
	c.Y -= up * box.H()
	side := max(box.W(), box.H()) * scale
	n := math.RoundToEven(side)
	if !(side > 0 && n <= maxFine && math.Abs(c.X) < 1<<30 && math.Abs(c.Y) < 1<<30) {
		dst.Black()
		return Affine{}
	}
	m := Square(c, 1, 0, side, dst.W)
	if side <= float64(dst.W) || n < float64(dst.W) {
		Warp(dst, src, m)
		return m
	}
	if empty(dst, src) {
		return m
	}
	t := dst.scratch()
	t.x.set(shifted(int(n), dst.W, c.X-n/2, src.W))
	t.y.set(shifted(int(n), dst.H, c.Y-n/2, src.H))
	areaRGB(dst, src, t)
	return m
}

// shifted is the span of n pixels from place at on, where a pixel between two is their mix.
func shifted(n, dn int, at float64, limit int) span {
	q := int(math.Floor(at*256 + .5))
	return span{n: n, dn: dn, sub: 1, off: q >> 8, frac: q & 255, limit: limit, fine: true}
}

// Reflect101Square fills the square dst with the square of k times the box's longer side
// round its middle, in whole pixels, the picture mirrored at its borders: area filtered where
// that shrinks it, Lanczos where not. A box without extent, or one with sides beyond reason,
// is false, and dst then black. The images must not overlap.
func Reflect101Square(dst, src *Image, box Box, k float64) bool {
	side, c := max(box.W(), box.H())*k, box.Centre()
	x, y := math.Trunc(c.X-side/2), math.Trunc(c.Y-side/2)
	if !(side >= 1 && side <= maxSide && math.Abs(x) < 1<<30 && math.Abs(y) < 1<<30) || src.W <= 0 || src.H <= 0 {
		dst.Black()
		return false
	}
	if empty(dst, src) {
		return true
	}
	n, t := int(side), dst.scratch()
	if n > dst.W {
		t.x.set(span{n: n, dn: dst.W, sub: 1, off: int(x), limit: src.W, reflect: true})
		t.y.set(span{n: n, dn: dst.H, sub: 1, off: int(y), limit: src.H, reflect: true})
		areaRGB(dst, src, t)
		return true
	}
	if t.img == nil {
		t.img = new(Image)
	}
	p := t.img
	p.Reset(n, n)
	for j := range n {
		row, o := src.row(reflect101(int(y)+j, src.H)), p.row(j)
		for i := range n {
			copy(o[3*i:3*i+3], row[3*reflect101(int(x)+i, src.W):])
		}
	}
	interpolate(dst, p, lanczos4)
	return true
}

// Mirror fills dst with src, left and right exchanged. They have the same size, and are two
// images or one.
func Mirror(dst, src *Image) {
	w, h := min(dst.W, src.W), min(dst.H, src.H)
	for y := range h {
		a, b := src.row(y), dst.row(y)
		for i, j := 0, w-1; i <= j; i, j = i+1, j-1 {
			p, q := [3]byte(a[3*i:]), [3]byte(a[3*j:])
			copy(b[3*i:], q[:])
			copy(b[3*j:], p[:])
		}
	}
}
