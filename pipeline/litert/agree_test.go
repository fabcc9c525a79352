package litert_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/litert"
)

// fill draws the test picture, a face of ellipses under a triangle wave, and normalises it as
// the manifest says. It is integer arithmetic, so every machine draws the same.
func fill(m *litert.Model, e models.Entry) {
	shape := m.Inputs()[0].Shape
	h, w := shape[1], shape[2]
	ellipses := [...]struct {
		u, v, ru, rv int
		colour       [3]int
	}{
		{128, 256, 110, 60, [3]int{40, 60, 140}},  // clothes
		{128, 115, 78, 95, [3]int{40, 28, 20}},    // hair
		{128, 140, 60, 82, [3]int{205, 155, 130}}, // skin
		{104, 125, 11, 6, [3]int{30, 25, 25}},     // eyes
		{152, 125, 11, 6, [3]int{30, 25, 25}},     //
		{128, 150, 8, 18, [3]int{190, 135, 115}},  // nose
		{128, 185, 24, 8, [3]int{170, 60, 70}},    // mouth
	}
	i := 0
	for y := range h {
		for x := range w {
			u, v := x*256/w, y*256/h
			p := [3]int{90, 110, 130}
			for _, l := range ellipses {
				if (u-l.u)*(u-l.u)*l.rv*l.rv+(v-l.v)*(v-l.v)*l.ru*l.ru < l.ru*l.ru*l.rv*l.rv {
					p = l.colour
				}
			}
			for c := range 3 {
				t := (2*x + 3*y + 85*c) % 16
				p[c] += min(t, 15-t) - 4
				if in := m.InputBytes(0); in != nil {
					in[i] = uint8(p[c])
				} else {
					m.Input(0)[i] = (float32(p[c]) - e.Mean[c]) / e.Deviation[c]
				}
				i++
			}
		}
	}
}

// output is output i as float64, whatever its type.
func output(m *litert.Model, i int) []float64 {
	var out []float64
	for _, v := range m.Output(i) {
		out = append(out, float64(v))
	}
	for _, v := range m.OutputBytes(i) {
		out = append(out, float64(v))
	}
	for _, v := range m.OutputInt64(i) {
		out = append(out, float64(v))
	}
	return out
}

// testdata/golden.json holds outputs of the Python interpreter of the same library version,
// every step-th number, on x86-64. Kernels of other machines round differently.
func TestOutputsAgreeWithPython(t *testing.T) {
	load := sharedtest.Loader(t)
	path := "testdata/golden.json"
	if p := os.Getenv("LITERT_GOLDEN"); p != "" {
		path = p
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var golden []struct {
		Role    string
		Outputs []struct {
			Step   int
			Values []float64
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, g := range golden {
		t.Run(g.Role, func(t *testing.T) {
			e, ok := models.Manifest().Entry(g.Role)
			if !ok {
				t.Fatal("role is not in the manifest")
			}
			seen++
			m, err := load(g.Role)
			if err != nil {
				t.Fatal(err)
			}
			fill(m, e)
			for range 2 { // the second run must not build on the first
				if err := m.Run(); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := len(m.Outputs()), len(g.Outputs); got != want {
				t.Fatalf("got %d outputs, want %d", got, want)
			}
			for i, o := range g.Outputs {
				var got []float64
				for j, v := range output(m, i) {
					if j%o.Step == 0 {
						got = append(got, v)
					}
				}
				if len(got) != len(o.Values) {
					t.Fatalf("output %d: got %d numbers, want %d", i, len(got), len(o.Values))
				}
				compare(t, i, m.Outputs()[i].Type, strings.HasSuffix(g.Role, "int8"), got, o.Values)
			}
		})
	}
	if want := 15; seen != want {
		t.Errorf("compared %d models, want %d", seen, want)
	}
}

func compare(t *testing.T, i int, typ litert.Type, dynamic bool, got, want []float64) {
	t.Helper()
	worst, largest, differ := 0.0, 0.0, 0
	var dot, gg, ww float64
	for j := range got {
		want[j] = float64(float32(want[j])) // written with nine digits
		worst, largest = max(worst, math.Abs(got[j]-want[j])), max(largest, math.Abs(want[j]))
		dot, gg, ww = dot+got[j]*want[j], gg+got[j]*got[j], ww+want[j]*want[j]
		if got[j] != want[j] {
			differ++
		}
	}
	cosine := dot / math.Sqrt(gg*ww)
	t.Logf("output %d: %d numbers up to %.3g, largest difference %.3g, cosine %.9f, %d not equal", i, len(got), largest, worst, cosine, differ)
	switch {
	case typ == litert.Int64: // classes
		if differ*50 > len(got) {
			t.Errorf("output %d: %d of %d classes differ", i, differ, len(got))
		}
	case typ == litert.Uint8:
		if worst > 4 {
			t.Errorf("output %d: differs by %v, want at most 4", i, worst)
		}
	case dynamic:
		if cosine < 0.99 {
			t.Errorf("output %d: cosine %.4f, want 0.99", i, cosine)
		}
	case worst > 1e-4*largest:
		t.Errorf("output %d: differs by %v of %v", i, worst, largest)
	}
}
