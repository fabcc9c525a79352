package liveness

import (
	"errors"
	"math"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

func newPassive(tb testing.TB) *Passive {
	tb.Helper()
	p, err := NewPassive(sharedtest.Loader(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestPassiveIsUnavailableForNonsense(t *testing.T) {
	p := newPassive(t)
	img := noise(1)
	point := new(face.Mesh) // all points in one place
	nan := head(0, 0, false)
	nan.Points[face.Oval[3]].X = float32(math.NaN())
	away := head(0, 0, false)
	for i := range away.Points {
		away.Points[i].X += 1e7
	}
	for name, try := range map[string]struct {
		img *imgproc.Image
		m   *face.Mesh
	}{"a point": {img, point}, "not a number": {img, nan}, "far away": {img, away}, "no picture": {new(imgproc.Image), head(0, 0, false)}} {
		s, err := p.Score(try.img, try.m)
		if !errors.Is(err, ErrUnavailable) || !math.IsNaN(s.Fusion()) {
			t.Errorf("%s: got %v, %v; want no score and ErrUnavailable", name, s, err)
		}
	}
	if s, err := p.Score(img, head(0, 0, false)); err != nil || math.IsNaN(s.Score()) {
		t.Errorf("a face: got %v, %v", s, err)
	}
}

func TestPassiveAllocatesNothing(t *testing.T) {
	p := newPassive(t)
	img, m := noise(1), head(0, 0, false)
	if _, err := p.Score(img, m); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() {
		if _, err := p.Score(img, m); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations a frame", n)
	}
}

func TestCutIsMinivisions(t *testing.T) {
	box := func(x0, y0, x1, y1 float64) imgproc.Box { return imgproc.Box{X0: x0, Y0: y0, X1: x1, Y1: y1} }
	for _, tt := range []struct {
		name   string
		box    imgproc.Box
		factor float64
		want   [4]int
	}{
		{"inside", box(200, 150, 280, 250), 2, [4]int{160, 100, 320, 300}},
		{"shifted from the left", box(10, 150, 90, 250), 2, [4]int{0, 100, 160, 300}},
		{"shifted from the bottom right", box(420, 280, 470, 340), 2, [4]int{379, 239, 479, 359}},
		{"less where the picture is too small", box(200, 130, 280, 230), 4, [4]int{96, 0, 383, 359}},
	} {
		x0, y0, x1, y1 := cut(tt.box, tt.factor, 480, 360)
		if got := [4]int{x0, y0, x1, y1}; got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func BenchmarkPassive(b *testing.B) {
	p := newPassive(b)
	img, m := noise(1), head(0, 0, false)
	for b.Loop() {
		if _, err := p.Score(img, m); err != nil {
			b.Fatal(err)
		}
	}
}
