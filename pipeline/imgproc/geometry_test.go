package imgproc

import (
	"math"
	"testing"
)

// The crops fail black: whatever a detector says about a box, nothing panics and nothing of
// an older picture stays.
func TestCropsOfImpossibleBoxes(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	boxes := []Box{
		{},
		{5, 5, 5, 5},
		{9, 9, 2, 2},
		{nan, 0, 9, 9},
		{0, 0, nan, nan},
		{0, 0, inf, 9},
		{-inf, -inf, inf, inf},
		{-500, -500, -400, -400},
		{1e12, 0, 1e12 + 5, 5},
		{0, 0, 1e9, 1e9},
		{-1e6, -1e6, 1e6, 1e6},
		{0, 0, 9000, 9000},
	}
	src := New(40, 30)
	for i := range src.Pix {
		src.Pix[i] = 255
	}
	for _, src := range []*Image{src, New(0, 0), New(1, 1)} {
		for _, b := range boxes {
			dst := New(16, 16)
			for _, scale := range []float64{0, .001, 1.5, nan, inf} {
				for i := range dst.Pix {
					dst.Pix[i] = 77
				}
				m := SquareCrop(dst, src, b, scale, .2)
				if m == (Affine{}) && dst.Pix[0] != 0 {
					t.Errorf("SquareCrop of %+v by %v: refused, but not black", b, scale)
				}
				for i := range dst.Pix {
					dst.Pix[i] = 77
				}
				if !Reflect101Square(dst, src, b, scale) && dst.Pix[0] != 0 {
					t.Errorf("Reflect101Square of %+v by %v: refused, but not black", b, scale)
				}
			}
		}
	}
}

func TestWarpOfImpossibleMaps(t *testing.T) {
	src, dst := pattern(20, 20), New(8, 8)
	for _, m := range []Affine{
		{},
		{1, 2, 0, 2, 4, 0},
		{math.NaN(), 0, 0, 0, 1, 0},
		{math.Inf(1), 0, 0, 0, 1, 0},
		{1e-300, 0, 0, 0, 1e-300, 0},
		{1e300, 0, 0, 0, 1e300, 0},
		{1, 0, 1e300, 0, 1, 0},
		{1, 0, 1e10, 0, 1, 0},
	} {
		for i := range dst.Pix {
			dst.Pix[i] = 77
		}
		Warp(dst, src, m)
		if dst.Pix[0] == 77 || dst.Pix[len(dst.Pix)-1] == 77 {
			t.Errorf("%+v: the picture kept its old pixels", m)
		}
	}
}

func TestWarpIdentityAndShift(t *testing.T) {
	src, dst := pattern(33, 21), New(33, 21)
	Warp(dst, src, Affine{A: 1, E: 1})
	within(t, "identity", dst.Pix, src.Pix, 0, 0)
	Warp(dst, src, Affine{A: 1, C: 5, E: 1, F: 2})
	part := dst.Sub(5, 2, 33, 21)
	for y := range part.H {
		within(t, "shift", part.row(y), src.row(y)[:3*28], 0, 0)
	}
	if v := dst.row(1)[3*20]; v != 0 {
		t.Errorf("outside is %d, want black", v)
	}
}

func TestSimilarityUndoesItself(t *testing.T) {
	m := Affine{.8, -.3, 12, .3, .8, -7}
	src := []Point{{1, 2}, {50, 4}, {20, 60}, {33, 33}}
	dst := make([]Point, len(src))
	for i, p := range src {
		dst[i] = m.Apply(p)
	}
	got := Similarity(src, dst)
	back := got.Invert()
	for i, p := range src {
		q, r := got.Apply(p), back.Apply(dst[i])
		if math.Hypot(q.X-dst[i].X, q.Y-dst[i].Y) > 1e-9 || math.Hypot(r.X-p.X, r.Y-p.Y) > 1e-9 {
			t.Errorf("%v goes to %v, want %v; and back to %v", p, q, dst[i], r)
		}
	}
	if s := got.Scale(); math.Abs(s-math.Hypot(.8, .3)) > 1e-9 {
		t.Errorf("scale %v", s)
	}
	if d := (Affine{1, 2, 0, 2, 4, 0}).Invert(); !math.IsNaN(d.A) {
		t.Errorf("a degenerate map has the inverse %+v", d)
	}
}

func TestFillAndMirror(t *testing.T) {
	src := pattern(7, 3)
	view := src.Sub(1, 1, 6, 3)
	in := make([]float32, 3*5*2)
	Fill(in, &view, Norm{BGR: true, Mul: [3]float32{1, 2, 3}, Add: [3]float32{-1, 0, .5}})
	raw := make([]byte, len(in))
	FillBytes(raw, &view, true)
	for i := range in {
		c := i % 3
		want := src.row(1 + i/15)[3+i%15-c+2-c]
		if got := (in[i] - []float32{-1, 0, .5}[c]) / []float32{1, 2, 3}[c]; math.Abs(float64(got)-float64(want)) > 1e-4 {
			t.Errorf("Fill: value %d is of byte %v, want %d", i, got, want)
		}
		if raw[i] != want {
			t.Errorf("FillBytes: byte %d is %d, want %d", i, raw[i], want)
		}
	}
	FillBytes(raw, &view, false)
	if raw[0] != view.row(0)[0] || raw[29] != view.row(1)[14] {
		t.Error("FillBytes in RGB order")
	}

	dst := New(7, 3)
	Mirror(dst, src)
	if [3]byte(dst.row(2)[:3]) != [3]byte(src.row(2)[18:]) || [3]byte(dst.row(2)[9:]) != [3]byte(src.row(2)[9:]) {
		t.Error("Mirror did not exchange left and right")
	}
	Mirror(dst, dst)
	within(t, "mirrored twice", dst.Pix, src.Pix, 0, 0)
}

func TestResetKeepsMemory(t *testing.T) {
	m := New(10, 10)
	first := &m.Pix[0]
	m.Reset(5, 4)
	if m.Stride != 15 || len(m.Pix) != 60 || &m.Pix[0] != first {
		t.Errorf("after Reset: stride %d, %d bytes", m.Stride, len(m.Pix))
	}
	if s := m.Sub(3, 3, 9, 9); s.W != 2 || s.H != 1 {
		t.Errorf("Sub beyond the border: %d x %d", s.W, s.H)
	}
	if s := m.Sub(5, 0, 9, 9); s.W != 0 || s.Pix != nil {
		t.Errorf("Sub outside: %+v", s)
	}
}
