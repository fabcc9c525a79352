package litert_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/litert"
)

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
	stripped := slices.Clone(whole) // without section headers, which lie at the end and give a cut away
	clear(stripped[40:48])
	clear(stripped[60:64])
	if err := os.WriteFile(path, stripped[:len(stripped)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := litert.Open(path); err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a stripped library cut in half: got %v", err)
	}
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
	detect, _ := modelBytes(t, "detect_full") // 157 kB of outputs
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
				cycle(detect)
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
	if grown > 16<<10 { // allocators keep some MB more or less; 200 outputs not freed are 31
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
