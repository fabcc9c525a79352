package imgproc

import "math"

// A Gray is packed 8-bit luma.
type Gray struct {
	W, H   int
	Stride int
	Pix    []byte

	tmp []uint16
	acc []uint32
}

// NewGray returns a black image.
func NewGray(w, h int) *Gray { return &Gray{W: w, H: h, Stride: w, Pix: make([]byte, w*h)} }

// Reset gives the image a new size, reusing its memory where it suffices. The contents are
// undefined afterwards.
func (g *Gray) Reset(w, h int) {
	g.Pix = grow(g.Pix, w*h)
	g.W, g.H, g.Stride = w, h, w
}

func (g *Gray) row(y int) []byte { return g.Pix[y*g.Stride:][:g.W] }

// luma is OpenCV's RGB to grey.
func luma(r, g, b byte) byte {
	return byte((9798*uint32(r) + 19235*uint32(g) + 3735*uint32(b) + 1<<14) >> 15)
}

// ToGray gives dst the size and the luma of src.
func ToGray(dst *Gray, src *Image) {
	dst.Reset(src.W, src.H)
	for y := range src.H {
		row, o := src.row(y), dst.row(y)
		for x := range o {
			o[x] = luma(row[3*x], row[3*x+1], row[3*x+2])
		}
	}
}

// Gaussian fills dst, which takes the size of src, with src blurred by a Gaussian of the
// given sigma in pixels (up to 16; reach 3 sigma), mirrored at the borders. dst may be src.
// The result is within 1 of OpenCV's GaussianBlur of that reach.
func Gaussian(dst, src *Gray, sigma float64) {
	if src.W <= 0 || src.H <= 0 || !(sigma > 0) {
		if dst != src {
			dst.Reset(src.W, src.H)
			for y := range src.H {
				copy(dst.row(y), src.row(y))
			}
		}
		return
	}
	var w [49]uint32
	reach := gaussianWeights(&w, min(sigma, 16))
	// Columns first, into 8.8 fixed point.
	wd, h := src.W, src.H
	dst.tmp, dst.acc = grow(dst.tmp, wd*h), grow(dst.acc, wd)
	tmp, acc := dst.tmp, dst.acc
	for y := range h {
		for x, v := range src.row(y) {
			acc[x] = w[0]*uint32(v) + 1<<7
		}
		for k := 1; k <= reach; k++ {
			a, b := src.row(reflect101(y-k, h)), src.row(reflect101(y+k, h))
			for x := range acc {
				acc[x] += w[k] * (uint32(a[x]) + uint32(b[x]))
			}
		}
		for x, v := range acc {
			tmp[y*wd+x] = uint16(v >> 8)
		}
	}
	if dst != src {
		dst.Reset(wd, h)
	}
	for y := range h {
		in, o := tmp[y*wd:(y+1)*wd], dst.row(y)
		for x := range o {
			s := w[0] * uint32(in[x])
			if x >= reach && x+reach < wd {
				for k := 1; k <= reach; k++ {
					s += w[k] * (uint32(in[x-k]) + uint32(in[x+k]))
				}
			} else {
				for k := 1; k <= reach; k++ {
					s += w[k] * (uint32(in[reflect101(x-k, wd)]) + uint32(in[reflect101(x+k, wd)]))
				}
			}
			o[x] = byte((s + 1<<23) >> 24)
		}
	}
}

// gaussianWeights are half a kernel in 1/65536, the whole summing to one, and its reach.
func gaussianWeights(w *[49]uint32, sigma float64) int {
	reach := int(math.Ceil(3 * sigma))
	sum := 1.0
	for k := 1; k <= reach; k++ {
		sum += 2 * math.Exp(-float64(k*k)/(2*sigma*sigma))
	}
	rest := uint32(1 << 16)
	for k := reach; k > 0; k-- {
		w[k] = uint32(math.Round(math.Exp(-float64(k*k)/(2*sigma*sigma)) / sum * (1 << 16)))
		rest -= 2 * w[k]
	}
	w[0] = rest
	return reach
}

// LaplacianVariance is the variance of g's Laplacian (4 neighbours): high where there are
// edges, and where there is noise. It depends on scale and contrast; see Sharpness.
func LaplacianVariance(g *Gray) float64 {
	if g.W < 3 || g.H < 3 {
		return 0
	}
	var sum, sq int64
	for y := 1; y < g.H-1; y++ {
		a, b, c := g.row(y-1), g.row(y), g.row(y+1)
		for x := 1; x < g.W-1; x++ {
			l := int64(a[x]) + int64(c[x]) + int64(b[x-1]) + int64(b[x+1]) - 4*int64(b[x])
			sum += l
			sq += l * l
		}
	}
	n := float64((g.W - 2) * (g.H - 2))
	mean := float64(sum) / n
	return float64(sq)/n - mean*mean
}
