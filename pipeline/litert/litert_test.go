package litert_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

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

func TestOpenRefusesOtherFiles(t *testing.T) {
	if _, err := litert.Open(filepath.Join(t.TempDir(), "absent.so")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: got %v", err)
	}
	if _, err := litert.Open(t.TempDir()); err == nil {
		t.Error("a directory is accepted")
	}
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := litert.Open(text); err == nil {
		t.Error("a text file is accepted")
	}
	// A library, but not this one.
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if path := line[strings.LastIndexByte(line, ' ')+1:]; strings.Contains(path, "/libc.so") {
			_, err := litert.Open(strings.TrimSpace(path))
			if err == nil || !strings.Contains(err.Error(), "LiteRtCreateEnvironment") {
				t.Errorf("libc: got %v, want the missing function's name", err)
			}
			return
		}
	}
	t.Skip("no libc.so is mapped")
}

// In a process of its own, because a crash would take the tests with it.
func TestHostileFiles(t *testing.T) {
	home := sharedtest.Home(t)
	set, err := models.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	lib, err := set.Runtime(runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("LITERT_HOSTILE") != "" {
		hostile(t, lib)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostileFiles$", "-test.v", "-test.short="+strconv.FormatBool(testing.Short()))
	cmd.Env = append(os.Environ(), "LITERT_HOSTILE=1", "FACEGATE_HOME="+home)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "refused all") {
		t.Fatalf("%v\n%.4000s", err, out)
	}
}

func hostile(t *testing.T, lib string) {
	rt := sharedtest.Runtime(t)
	refuse := func(what string, b []byte) {
		t.Helper()
		m, err := rt.Load(b, litert.Spec{}, litert.Options{})
		if !errors.Is(err, litert.ErrNotModel) {
			t.Errorf("%s: got %v, %v, want ErrNotModel", what, m, err)
		}
	}
	refuse("nothing", nil)
	refuse("text", []byte(strings.Repeat("this is not a model\n", 100)))
	refuse("zeros", make([]byte, 4096))
	refuse("only a header", append([]byte("\x18\x00\x00\x00TFL3"), make([]byte, 4096)...))

	points := 60
	if testing.Short() {
		points = 15
	}
	refused := 0
	for _, e := range models.Manifest().Entries {
		if e.Kind != models.KindModel {
			continue
		}
		b, _ := modelBytes(t, e.Role)
		cuts := []int{1, 4, 7, 8, 12, 23, 24, 32, 64, 128, 255, 1024, len(b) - 1, len(b) - 2, len(b) - 4, len(b) - 8, len(b) - 16, len(b) - 100, len(b) / 2}
		for i := range points {
			cuts = append(cuts, 1+i*(len(b)-2)/points)
		}
		for _, n := range cuts {
			refuse(fmt.Sprintf("%s cut to %d", e.Role, n), b[:n:n])
			refused++
		}
	}
	small := doubler(t)
	for n := range small {
		refuse(fmt.Sprintf("doubler cut to %d", n), small[:n:n])
	}

	// The library itself, cut: the dynamic loader alone would crash on the missing pages.
	whole, err := os.ReadFile(lib)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.so")
	for _, n := range []int{0, 1, 63, 64, 1000, 4096, len(whole) / 4, len(whole) / 2, len(whole) - 4096*50} {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := litert.Open(path); err == nil {
			t.Errorf("a library cut to %d of %d bytes is accepted", n, len(whole))
		}
	}
	// One for another machine: the field e_machine says so.
	whole[18] ^= 0xff
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := litert.Open(path); err == nil {
		t.Error("a library for another machine is accepted")
	}
	t.Logf("refused all of %d cut models", refused)
}

// Neither memory nor files are left behind by load, run and close.
func TestLoadCloseCyclesDoNotLeak(t *testing.T) {
	rt := sharedtest.Runtime(t)
	helmet, _ := modelBytes(t, "helmet")
	small := doubler(t)
	cycle := func(b []byte) {
		m, err := rt.Load(b, litert.Spec{}, litert.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Run(); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cycles := 10_000
	if testing.Short() {
		cycles = 300
	}
	do := func(n int) {
		for i := range n {
			cycle(small)
			if i%50 == 0 {
				cycle(helmet)
			}
			if i%10 == 0 { // refusals free what they made
				if _, err := rt.Load(small[:len(small)-8], litert.Spec{}, litert.Options{}); err == nil {
					t.Fatal("a cut model is accepted")
				}
			}
		}
	}
	do(cycles / 10) // let allocators settle
	rss, files := residentKB(t), openFiles(t)
	do(cycles)
	grown := residentKB(t) - rss
	t.Logf("%d cycles: resident memory grew by %d kB", cycles, grown)
	if grown > 8<<10 {
		t.Errorf("resident memory grew by %d kB over %d cycles", grown, cycles)
	}
	if got := openFiles(t); got > files {
		t.Errorf("open files grew from %d to %d", files, got)
	}
}

func residentKB(tb testing.TB) int {
	tb.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Skip("no /proc/self/status")
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				tb.Fatal(err)
			}
			return n
		}
	}
	tb.Skip("no VmRSS")
	return 0
}

func openFiles(tb testing.TB) int {
	tb.Helper()
	f, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(f)
}

func BenchmarkRun(b *testing.B) {
	rt := sharedtest.Runtime(b)
	for _, e := range models.Manifest().Entries {
		if e.Kind != models.KindModel {
			continue
		}
		data, _ := modelBytes(b, e.Role)
		b.Run(e.Role, func(b *testing.B) {
			m := loadModel(b, rt, data, litert.Options{})
			fill(m, e)
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOverhead is what Run adds to the library's call: the model computes next to
// nothing, and the check of the outputs is measured at the size of the largest.
func BenchmarkOverhead(b *testing.B) {
	rt := sharedtest.Runtime(b)
	m := loadModel(b, rt, doubler(b), litert.Options{})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			if s := m.Invoke(); s != 0 {
				b.Fatal(s)
			}
		}
	})
	b.Run("run", func(b *testing.B) {
		for b.Loop() {
			if err := m.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	out := make([]float32, 2304*17)
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if !litert.Finite(out) {
				b.Fatal("not finite")
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	rt := sharedtest.Runtime(b)
	for _, role := range []string{"detect_short", "embed_foamliu", "parsing"} {
		data, _ := modelBytes(b, role)
		b.Run(role, func(b *testing.B) {
			for b.Loop() {
				m, err := rt.Load(data, litert.Spec{}, litert.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
