package litert_test

import (
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/litert"
)

// doubler is the bytes of the model y = x + x, float32 of the shape 1x4.
func doubler(tb testing.TB) []byte {
	tb.Helper()
	b, err := base64.StdEncoding.DecodeString(litert.Doubler)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// loadModel loads b and closes the model when the test ends.
func loadModel(tb testing.TB, rt *litert.Runtime, b []byte, o litert.Options) *litert.Model {
	tb.Helper()
	m, err := rt.Load(b, litert.Spec{}, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	return m
}

// modelBytes is a real model, and its role's entry.
func modelBytes(tb testing.TB, role string) ([]byte, models.Entry) {
	tb.Helper()
	set, err := models.Open(sharedtest.Home(tb), role)
	if err != nil {
		tb.Fatal(err)
	}
	b, e, err := set.Bytes(role)
	if err != nil {
		tb.Fatal(err)
	}
	return b, e
}

func TestLoadRefusesOtherShapesAndTypes(t *testing.T) {
	rt := sharedtest.Runtime(t)
	f4 := []litert.Tensor{{Type: litert.Float32, Shape: []int{1, 4}}}
	tests := []struct {
		name string
		spec litert.Spec
		ok   bool
	}{
		{"unchecked", litert.Spec{}, true},
		{"as it is", litert.Spec{Inputs: f4, Outputs: f4}, true},
		{"other size", litert.Spec{Inputs: []litert.Tensor{{Type: litert.Float32, Shape: []int{1, 5}}}}, false},
		{"other rank", litert.Spec{Inputs: []litert.Tensor{{Type: litert.Float32, Shape: []int{4}}}}, false},
		{"other type", litert.Spec{Outputs: []litert.Tensor{{Type: litert.Uint8, Shape: []int{1, 4}}}}, false},
		{"more outputs", litert.Spec{Outputs: append(slices.Clone(f4), f4...)}, false},
		{"no outputs", litert.Spec{Outputs: []litert.Tensor{}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := rt.Load(doubler(t), tt.spec, litert.Options{})
			if tt.ok != (err == nil) || !tt.ok && !errors.Is(err, litert.ErrMismatch) {
				t.Fatalf("got %v, want success %v or ErrMismatch", err, tt.ok)
			}
			if err == nil {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The library's own words reach the caller, in one line.
func TestErrorsCarryTheLibrarysMessage(t *testing.T) {
	rt := sharedtest.Runtime(t)
	b := doubler(t)
	b[152] = 1 // the operator's number of inputs
	_, err := rt.Load(b, litert.Spec{}, litert.Options{})
	e, ok := errors.AsType[*litert.Error](err)
	if !ok || !errors.Is(err, litert.ErrNotModel) || !strings.Contains(e.Message, "(ADD) failed to prepare") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want the library's message about ADD", err)
	}
	if !strings.Contains(err.Error(), "kLiteRtStatusErrorRuntimeFailure") {
		t.Errorf("got %v, want the status by name", err)
	}
}

func TestDynamicFirstDimensionIsOne(t *testing.T) {
	rt := sharedtest.Runtime(t)
	b, _ := modelBytes(t, "live_27") // its file says -1
	m := loadModel(t, rt, b, litert.Options{})
	if got, want := m.Inputs()[0].Shape, []int{1, 80, 80, 3}; !slices.Equal(got, want) {
		t.Errorf("input shape: got %v, want %v", got, want)
	}
	if got, want := len(m.Input(0)), 80*80*3; got != want {
		t.Errorf("input: got %d numbers, want %d", got, want)
	}
	if got, want := m.Outputs()[0].Shape, []int{1, 3}; !slices.Equal(got, want) {
		t.Errorf("output shape: got %v, want %v", got, want)
	}
}

func TestRunRefusesNumbersThatAreNotFinite(t *testing.T) {
	rt := sharedtest.Runtime(t)
	m := loadModel(t, rt, doubler(t), litert.Options{})
	in, out := m.Input(0), m.Output(0)
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat32} { // the last doubles to infinity
		for i := range in {
			copy(in, []float32{1, 2, 3, 4})
			if err := m.Run(); err != nil {
				t.Fatal(err)
			}
			in[i] = float32(bad)
			if err := m.Run(); !errors.Is(err, litert.ErrNotFinite) {
				t.Errorf("%v at %d: got %v, want ErrNotFinite", bad, i, err)
			}
			if !slices.Equal(out, []float32{0, 0, 0, 0}) {
				t.Errorf("%v at %d: outputs are %v, want zeros", bad, i, out)
			}
		}
	}
	copy(in, []float32{1, 2, 3, 4})
	if err := m.Run(); err != nil || !slices.Equal(out, []float32{2, 4, 6, 8}) {
		t.Errorf("after that: got %v, %v", out, err)
	}

	b, _ := modelBytes(t, "embed_0095")
	embedder := loadModel(t, rt, b, litert.Options{})
	for i := range embedder.Input(0) {
		embedder.Input(0)[i] = float32(math.NaN())
	}
	if err := embedder.Run(); !errors.Is(err, litert.ErrNotFinite) {
		t.Errorf("embedder: got %v, want ErrNotFinite", err)
	}
}

func TestFinite(t *testing.T) {
	bad := []float32{float32(math.NaN()), math.Float32frombits(0xffc00001), math.Float32frombits(0x7f800001), float32(math.Inf(1)), float32(math.Inf(-1))}
	good := []float32{0, float32(math.Copysign(0, -1)), 1, -1, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}
	memory := make([]float32, 40)
	for offset := range 2 { // odd offsets are not aligned to pairs
		for n := range 33 {
			x := memory[offset : offset+n]
			for i := range x {
				x[i] = good[i%len(good)]
			}
			if !litert.Finite(x) {
				t.Fatalf("%d numbers at %d: finite numbers are refused", n, offset)
			}
			for i := range x {
				for _, b := range bad {
					was := x[i]
					x[i] = b
					if litert.Finite(x) {
						t.Fatalf("%d numbers at %d: %x at %d passes", n, offset, math.Float32bits(b), i)
					}
					x[i] = was
				}
			}
		}
	}
}

func TestThreads(t *testing.T) {
	rt := sharedtest.Runtime(t)
	b, e := modelBytes(t, "embed_0095")
	var want []float32
	for _, threads := range []int{0, 1, 2, 4} {
		m := loadModel(t, rt, b, litert.Options{Threads: threads})
		fill(m, e)
		if err := m.Run(); err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = slices.Clone(m.Output(0))
		}
		for i, v := range m.Output(0) {
			if math.Abs(float64(v-want[i])) > 1e-4 {
				t.Fatalf("%d threads: number %d is %v, with one %v", threads, i, v, want[i])
			}
		}
	}
	for _, threads := range []int{-1, litert.MaxThreads + 1} {
		if _, err := rt.Load(b, litert.Spec{}, litert.Options{Threads: threads}); err == nil {
			t.Errorf("%d threads are accepted", threads)
		}
	}
}

func TestClose(t *testing.T) {
	rt := sharedtest.Runtime(t)
	m, err := rt.Load(doubler(t), litert.Spec{}, litert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.Close(); !errors.Is(err, litert.ErrBusy) {
		t.Errorf("close a runtime with an open model: got %v, want ErrBusy", err)
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := m.Run(); !errors.Is(err, litert.ErrClosed) {
		t.Errorf("run after close: got %v, want ErrClosed", err)
	}
	if m.Input(0) != nil || m.Output(0) != nil || m.OutputBytes(0) != nil || m.OutputInt64(0) != nil || m.InputBytes(0) != nil {
		t.Error("a closed model hands out its memory")
	}
	for range 2 {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := rt.Load(doubler(t), litert.Spec{}, litert.Options{}); !errors.Is(err, litert.ErrClosed) {
		t.Errorf("load from a closed runtime: got %v, want ErrClosed", err)
	}
}

// Several goroutines in one model get ErrBusy or a right answer; with models of their own
// they get right answers only.
func TestConcurrentUse(t *testing.T) {
	rt := sharedtest.Runtime(t)
	b, e := modelBytes(t, "detect_full")
	shared := loadModel(t, rt, b, litert.Options{})
	fill(shared, e)
	if err := shared.Run(); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(shared.Output(0))
	var wg sync.WaitGroup
	for range 4 {
		own := loadModel(t, rt, b, litert.Options{})
		fill(own, e)
		wg.Go(func() {
			for range 10 {
				if err := shared.Run(); err != nil && !errors.Is(err, litert.ErrBusy) {
					t.Errorf("shared model: %v", err)
				}
				if err := own.Run(); err != nil || !slices.Equal(own.Output(0), want) {
					t.Errorf("own model: %v, or other numbers", err)
				}
			}
		})
	}
	wg.Wait()
	if !slices.Equal(shared.Output(0), want) {
		t.Error("the shared model's last output is wrong")
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	rt := sharedtest.Runtime(t)
	m := loadModel(t, rt, doubler(t), litert.Options{})
	if n := testing.AllocsPerRun(100, func() {
		m.Input(0)[0] = 1
		if err := m.Run(); err != nil || m.Output(0)[0] != 2 {
			t.Fatal(err, m.Output(0))
		}
	}); n != 0 {
		t.Errorf("got %v allocations a run, want 0", n)
	}
}

func TestBusyIsTimeInTheLibrary(t *testing.T) {
	rt := sharedtest.Runtime(t)
	m := loadModel(t, rt, doubler(t), litert.Options{})
	if m.Busy() != 0 {
		t.Errorf("busy for %v before the first run, want 0", m.Busy())
	}
	began := time.Now()
	for range 100 {
		if err := m.Run(); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); m.Busy() <= 0 || m.Busy() > took {
		t.Errorf("busy for %v of %v", m.Busy(), took)
	}
}

// Models that share weights have tensors of their own, and may be used from two goroutines.
func TestShare(t *testing.T) {
	rt := sharedtest.Runtime(t)
	first, err := rt.Load(doubler(t), litert.Spec{}, litert.Options{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := first.Share()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i, m := range []*litert.Model{first, second} {
		wg.Go(func() {
			for n := range 500 {
				x := float32(1000*i + n)
				copy(m.Input(0), []float32{x, -x, 0, 1})
				if err := m.Run(); err != nil {
					t.Errorf("model %d: %v", i, err)
					return
				}
				if want := []float32{2 * x, -2 * x, 0, 2}; !slices.Equal(m.Output(0), want) {
					t.Errorf("model %d: got %v, want %v", i, m.Output(0), want)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := first.Share() // the second is open
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*litert.Model{second, third} {
		copy(m.Input(0), []float32{1, 2, 3, 4})
		if err := m.Run(); err != nil || m.Output(0)[3] != 8 {
			t.Errorf("after the first was closed: %v, %v", m.Output(0), err)
		}
		if err := rt.Close(); !errors.Is(err, litert.ErrBusy) {
			t.Errorf("close of a runtime with open models: got %v, want ErrBusy", err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := first.Share(); !errors.Is(err, litert.ErrClosed) {
		t.Errorf("share after the last was closed: got %v, want ErrClosed", err)
	}
}

// What shares weights computes what one alone does.
func TestShareOfRealModels(t *testing.T) {
	load := sharedtest.Loader(t)
	for _, role := range []string{"mesh", "live_27"} { // the second has a dynamic first dimension
		m, err := load(role)
		if err != nil {
			t.Fatal(err)
		}
		n, err := m.Share()
		if err != nil {
			t.Fatal(err)
		}
		fill := func(m *litert.Model, k float32) []float32 {
			in := m.Input(0)
			for i := range in {
				in[i] = k * float32(i%255) / 255
			}
			if err := m.Run(); err != nil {
				t.Fatal(err)
			}
			return slices.Clone(m.Output(0))
		}
		want := [2][]float32{fill(m, 1), fill(m, .5)}
		for i, k := range []float32{1, .5} {
			for _, x := range []*litert.Model{n, m, n} {
				if got := fill(x, k); !slices.Equal(got, want[i]) {
					t.Errorf("%s: shared weights compute something else", role)
				}
			}
		}
		if err := errors.Join(m.Close(), n.Close()); err != nil {
			t.Error(err)
		}
	}
}
