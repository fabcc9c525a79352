package imgproc

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The kernels in C and their twins in Go agree in every bit. Without cgo the twins are
// compared with themselves.

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func noiseImage(r *rand.Rand, w, h int) *Image {
	pad := r.IntN(7)
	return &Image{W: w, H: h, Stride: 3*w + pad, Pix: noise(r, (3*w+pad)*(h-1)+3*w)}
}

func sameAs[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: value %d of %d is %v in C, %v in Go", what, i, len(want), got[i], want[i])
		}
	}
}

func TestKernelsEqualTwins(t *testing.T) {
	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 60 {
		// Sizes round the kernels' block lengths, and one beyond the chunk of a column sum.
		w := 1 + r.IntN(150)
		if n%10 == 9 {
			w = 1000 + r.IntN(900)
		}
		what := fmt.Sprintf("round %d of seed %d, %d wide", n, seed, w)
		for _, m := range []matrix{limitedRange(), fullRange()} {
			y, cb, cr := noise(r, w), noise(r, w), noise(r, w)
			got, want := make([]byte, 3*w), make([]byte, 3*w)
			yccRow(got, y, cb, cr, &m)
			yccRowGo(want, y, cb, cr, &m)
			sameAs(t, what+": YCbCr", got, want)

			n := w/2 + 1
			for _, width := range []int{2*n - 1, 2 * n} {
				near, far := noise(r, n), noise(r, n)
				got, want := make([]byte, width), make([]byte, width)
				upsampleH(got, near)
				upsampleHGo(want, near)
				sameAs(t, what+": doubled across", got, want)
				upsampleHV(got, near, far)
				upsampleHVGo(want, near, far)
				sameAs(t, what+": doubled both ways", got, want)
			}

			uv := noise(r, (w+1)&^1)
			nv12Row(got, y, uv, &m)
			nv12RowGo(want, y, uv, &m)
			sameAs(t, what+": NV12", got, want)

			row := noise(r, (w+1)/2*4)
			got, want = make([]byte, 6*((w+1)/2)), make([]byte, 6*((w+1)/2))
			yuyvRow(got, row, &m)
			yuyvRowGo(want, row, &m)
			sameAs(t, what+": YUYV", got, want)

			ycc := make([]uint16, 3*w)
			for i := range ycc {
				ycc[i] = uint16(r.IntN(255*64 + 1))
			}
			mean := m.mean()
			got, want = make([]byte, 3*w), make([]byte, 3*w)
			yccMean(got, ycc, &mean)
			yccMeanGo(want, ycc, &mean)
			sameAs(t, what+": means", got, want)
		}

		norm := Norm{BGR: n%2 == 0, Mul: [3]float32{1. / 255, .0171, 3}, Add: [3]float32{-2.1, .3, 0}}
		row := noise(r, 3*w)
		gotF, wantF := make([]float32, 3*w), make([]float32, 3*w)
		fill(gotF, row, &norm)
		fillGo(wantF, row, &norm)
		sameAs(t, what+": fill", gotF, wantF)
	}
}

func TestResamplingKernelsEqualTwins(t *testing.T) {
	const seed = 8
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 80 {
		w, h, dw := 1+r.IntN(400), 1+r.IntN(700), 1+r.IntN(60)
		s := span{n: h, dn: 1 + r.IntN(3), sub: 1 + r.IntN(2), limit: h}
		switch n % 3 {
		case 1:
			s.fine, s.frac, s.off = true, r.IntN(256), r.IntN(40)-20
		case 2:
			s.reflect, s.n, s.off = true, 2*h, -r.IntN(h+1)
		}
		what := fmt.Sprintf("round %d of seed %d, %d wide, %+v", n, seed, w, s)
		var y, x axis
		y.set(s)
		stride := w + r.IntN(5)
		pix := noise(r, stride*h)[y.lo*stride:]
		if n%2 == 1 { // the largest sums
			for i := range pix {
				pix[i] = 255
			}
		}
		got, want := make([]uint32, w), make([]uint32, w+1)
		for d := range s.dn {
			vsum(got, pix, stride, &y, d)
			vsumGo(want[:w], pix, stride, &y, d)
			sameAs(t, what+": rows", got, want[:w])
		}
		for _, c := range []channels{{1, 0, 1}, {2, 1, 2}, {3, 1, 3}, {4, 2, 2}} {
			limit := (w-1-(c.nc-1)*c.gap)/c.step + 1
			if w < 4 {
				continue
			}
			x.set(span{n: limit, dn: dw, sub: 1, limit: limit})
			scale := areaScale(x.span, y.span, 64)
			gotH, wantH := make([]uint16, 3*dw), make([]uint16, 3*dw)
			hsum(gotH, want, &x, c, scale)
			hsumGo(wantH, want, &x, c, scale)
			sameAs(t, fmt.Sprintf("%s: columns of %+v", what, c), gotH, wantH)
		}

		for _, k := range []kernel{linear, linearArea, lanczos4} {
			var f taps
			f.set(k, w, dw)
			row := noise(r, 3*w)
			got, want := make([]int32, 3*dw), make([]int32, 3*dw)
			hfilter(got, row, &f)
			hfilterGo(want, row, &f)
			sameAs(t, fmt.Sprintf("%s: kernel %d", what, k), got, want)
		}
		ring := make([]int32, 8*w)
		for i := range ring {
			ring[i] = int32(r.IntN(255 * 2048))
		}
		gotB, wantB := make([]byte, w), make([]byte, w)
		wa := int32(r.IntN(2049))
		vlinear(gotB, ring[:w], ring[w:2*w], wa, 2048-wa)
		vlinearGo(wantB, ring[:w], ring[w:2*w], wa, 2048-wa)
		sameAs(t, what+": linear", gotB, wantB)
		weights := [8]int32{-20, 100, -300, 1500, 1000, -250, 40, -22}
		slots := [8]int32{3, 4, 5, 6, 7, 0, 1, 2}
		vlanczos(gotB, ring, &slots, &weights)
		vlanczosGo(wantB, ring, &slots, &weights)
		sameAs(t, what+": lanczos", gotB, wantB)
	}
}

func TestWarpKernelEqualsTwin(t *testing.T) {
	const seed = 9
	r := rand.New(rand.NewPCG(seed, seed))
	for n := range 200 {
		src := noiseImage(r, 1+r.IntN(40), 1+r.IntN(40))
		got, want := New(1+r.IntN(40), 1+r.IntN(40)), new(Image)
		want.Reset(got.W, got.H)
		a, s := r.Float64()*2*math.Pi, math.Exp(2*r.NormFloat64())
		m := Affine{s * math.Cos(a), -s * math.Sin(a), 40 * r.NormFloat64(), s * math.Sin(a), s * math.Cos(a), 40 * r.NormFloat64()}
		q, ok := newWarpMap(m.Invert(), got.W, got.H)
		if !ok {
			t.Fatalf("map %+v refused", m)
		}
		warp(got, src, q)
		warpGo(want, src, q)
		sameAs(t, fmt.Sprintf("round %d of seed %d, %d x %d by %+v", n, seed, src.W, src.H, m), got.Pix, want.Pix)
	}
}
