package imgproc

import (
	"math"
	"testing"
)

// face is a picture with structure of every size.
func face(w, h int, gain float64) *Image {
	m := New(w, h)
	s := float64(w) / 100
	for y := range h {
		for x := range w {
			u, v := float64(x)/s, float64(y)/s
			l := 120 + 30*math.Sin(u/9+v/15) + 25*math.Sin(u/3-v/5) + 20*math.Sin(u*1.1+v*.8) + 20*math.Cos(u*.9-v*1.3)
			for c := range 3 {
				m.row(y)[3*x+c] = byte(l * gain)
			}
		}
	}
	return m
}

func blurred(m *Image, sigma float64) *Image {
	var g Gray
	ToGray(&g, m)
	Gaussian(&g, &g, sigma)
	out := New(m.W, m.H)
	for y := range m.H {
		for x := range 3 * m.W {
			out.row(y)[x] = g.row(y)[x/3]
		}
	}
	return out
}

func TestSharpnessFallsWithBlurAlone(t *testing.T) {
	var m Meter
	of := func(img *Image) float64 {
		return m.Sharpness(img, Box{0, 0, float64(img.W), float64(img.H)})
	}
	sharp := of(face(200, 200, 1))
	for name, same := range map[string]*Image{"larger": face(400, 400, 1), "darker": face(200, 200, .4)} {
		if v := of(same); math.Abs(v-sharp) > .05 {
			t.Errorf("%s: sharpness %.3f, of the first %.3f", name, v, sharp)
		}
	}
	last := sharp
	for _, sigma := range []float64{1, 2, 4, 8} {
		v := of(blurred(face(200, 200, 1), sigma))
		if !(v < last-.01) {
			t.Errorf("blurred by %v: sharpness %.3f, less blurred %.3f", sigma, v, last)
		}
		last = v
	}
	if v := of(New(50, 50)); v != 0 {
		t.Errorf("nothing: sharpness %v", v)
	}
	for _, b := range []Box{{}, {math.NaN(), 0, 5, 5}, {-900, -900, -800, -800}, {0, 0, 1e9, 1e9}, {math.Inf(-1), 0, math.Inf(1), 9}} {
		if v := m.Sharpness(face(50, 50, 1), b); v != 0 {
			t.Errorf("box %+v: sharpness %v", b, v)
		}
	}
}

func TestLaplacianVariance(t *testing.T) {
	g := NewGray(5, 5)
	g.Pix[12] = 10 // Laplacian: -40 there, 10 at its four neighbours
	if got, want := LaplacianVariance(g), (1600.+4*100)/9; math.Abs(got-want) > 1e-9 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := LaplacianVariance(NewGray(2, 9)); got != 0 {
		t.Errorf("too narrow: %v", got)
	}
}

func TestLight(t *testing.T) {
	m := New(10, 10)
	for x := range 10 {
		for y := range 5 {
			copy(m.row(y)[3*x:], []byte{200, 200, 200})
		}
	}
	copy(m.row(0), []byte{255, 200, 200})
	got := LightBox(m, Box{0, 0, 10, 10})
	if got.Pixels != 100 || math.Abs(got.Mean-100./255) > .001 || math.Abs(got.Spread-100./255) > .002 || got.Dark != .5 || got.Bright != .01 {
		t.Errorf("got %+v", got)
	}
	if got := LightPolygon(m, []Point{{-.5, -.5}, {9.5, -.5}, {9.5, 4.5}, {-.5, 4.5}}); got.Pixels != 50 || got.Dark != 0 {
		t.Errorf("upper half: %+v", got)
	}
	for _, b := range []Box{{}, {20, 20, 30, 30}, {5, 5, 2, 2}, {math.NaN(), 0, 5, 5}} {
		if got := LightBox(m, b); got != (Light{}) {
			t.Errorf("box %+v: %+v", b, got)
		}
	}
}

func TestFillPolygon(t *testing.T) {
	tests := []struct {
		name    string
		outline []Point
		want    string // of 6 x 4
	}{
		{"square", []Point{{.5, .5}, {3.5, .5}, {3.5, 2.5}, {.5, 2.5}}, "......" + ".###.." + ".###.." + "......"},
		{"turned the other way", []Point{{.5, .5}, {.5, 2.5}, {3.5, 2.5}, {3.5, .5}}, "......" + ".###.." + ".###.." + "......"},
		{"beyond the image", []Point{{-9, -9}, {99, -9}, {99, 99}, {-9, 99}}, "######" + "######" + "######" + "######"},
		{"triangle", []Point{{2, -.5}, {5.5, 3.5}, {-1.5, 3.5}}, "..#..." + ".###.." + "#####." + "######"},
		{"crossing itself", []Point{{-.5, .5}, {5.5, 2.5}, {5.5, .5}, {-.5, 2.5}}, "......" + "##..##" + "##..##" + "......"},
		{"a line", []Point{{0, 0}, {5, 3}}, "......" + "......" + "......" + "......"},
		{"not a number", []Point{{0, 0}, {math.NaN(), 3}, {3, 3}}, "......" + "......" + "......" + "......"},
		{"infinite", []Point{{0, 0}, {math.Inf(1), 3}, {3, 3}}, "......" + "......" + "......" + "......"},
	}
	for _, tt := range tests {
		g := NewGray(6, 4)
		FillPolygon(g, tt.outline, '#')
		for i, v := range g.Pix {
			if v == 0 {
				g.Pix[i] = '.'
			}
		}
		if string(g.Pix) != tt.want {
			for y := range 4 {
				t.Logf("%s: got %s, want %s", tt.name, g.row(y), tt.want[6*y:6*y+6])
			}
			t.Error(tt.name)
		}
	}
}
