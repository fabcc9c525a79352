// Package arm64 holds the arm64 programs of `make cross` to what the same sources say on this
// machine, by emulation of a Raspberry Pi 4's processor. Results are compared, never speed.
// Programs run one process a command; nothing here is for concurrent use.
package arm64

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
)

// sample picks n pictures of one kind, evenly spaced over the rows of a set's labels.csv
// whose column says what is asked.
type sample struct {
	set, column, value string
	n                  int
}

// samples are 20 pictures. An ordinary test run compares four of them, the first and the last
// included, because one with a face takes half a minute.
func samples() []sample {
	return []sample{
		{"lfw", "role", "pair", 5},
		{"spoof_replay_attack", "label", "live", 3},
		{"spoof_replay_attack", "label", "spoof", 1},
		{"mask_wild", "mask", "mask", 2},
		{"mask_states", "mask", "nose_out", 1},
		{"head_helmet", "cover", "helmet", 2},
		{"head_lfw", "eyes", "sunglasses", 1},
		{"eyes_closed", "eyes", "closed", 2},
		{"capture_failures", "expected", "several_faces", 1},
		{"capture_failures", "expected", "no_face", 2},
	}
}

// pictures lists the samples' files, relative to faces.
func pictures(t *testing.T, faces string) []string {
	t.Helper()
	var out []string
	for _, s := range samples() {
		f, err := os.Open(filepath.Join(faces, s.set, "labels.csv"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatalf("%s: %v", s.set, err)
		}
		column := slices.Index(rows[0], s.column)
		if column < 0 {
			t.Fatalf("%s has no column %s", s.set, s.column)
		}
		rows = slices.DeleteFunc(rows[1:], func(r []string) bool { return r[column] != s.value })
		if len(rows) < s.n {
			t.Fatalf("%s has %d pictures that are %s, want %d", s.set, len(rows), s.value, s.n)
		}
		for i := range s.n {
			out = append(out, filepath.Join(s.set, rows[i*len(rows)/s.n][0]))
		}
	}
	return out
}

// A finding is what must be equal of a line of `facegate analyse`, and the scores, which may
// differ as the kernels round.
type finding struct {
	Quality, MaskState, HeadCover string
	Faces                         int
	Live                          *bool
	Scores                        [5]*float64
}

func (f *finding) UnmarshalJSON(b []byte) error {
	var l struct {
		Quality   string
		Faces     int
		Live      *bool
		MaskState string   `json:"mask_state"`
		HeadCover string   `json:"head_cover"`
		EyesOpen  *float64 `json:"eyes_open"`

		Liveness, Mask, Helmet, Occluded *float64
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return err
	}
	*f = finding{l.Quality, l.MaskState, l.HeadCover, l.Faces, l.Live, [...]*float64{l.EyesOpen, l.Liveness, l.Mask, l.Helmet, l.Occluded}}
	return nil
}

// A result is what both commands say of the pictures.
type result struct {
	findings []finding
	codes    []string // from embed
	vectors  [][]float32
}

func TestSameResults(t *testing.T) {
	root, faces := sharedtest.Root(t), sharedtest.Dir(t, "faces")
	cross(t)
	home := sharedtest.Home(t)
	var progress strings.Builder
	if err := models.Setup(t.Context(), models.Options{Home: home, Arch: "arm64", Mirror: os.Getenv("FACEGATE_MIRROR"), NoDemo: true, Progress: &progress}); err != nil {
		t.Skipf("the runtime for arm64 cannot be installed: %v", err)
	}
	native := filepath.Join(t.TempDir(), "facegate")
	command(t, root, "go", "build", "-o", native, "./cmd/facegate")

	files := pictures(t, faces)
	n := 4
	if s := os.Getenv("ARM64_PICTURES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > len(files) {
			t.Fatalf("ARM64_PICTURES is %q, want 1 to %d", s, len(files))
		}
	}
	chosen := make([]string, n)
	for i := range chosen {
		chosen[i] = files[i*(len(files)-1)/max(n-1, 1)]
	}
	want := both(t, home, faces, chosen, native)
	got := both(t, home, faces, chosen, filepath.Join(root, "test", "arm64", "emulate"), filepath.Join(root, "bin", "linux-arm64", "facegate"))
	compare(t, chosen, got, want)
}

// cross builds the arm64 programs and looks at what they are. The test is skipped where they
// cannot be built or run.
func cross(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("emulation takes minutes")
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("compares linux/amd64 with linux/arm64")
	}
	for _, tool := range []string{"make", "aarch64-linux-gnu-gcc", "qemu-aarch64-static", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (make arm64 installs what is needed)", tool)
		}
	}
	if _, err := os.Stat("/usr/aarch64-linux-gnu/lib/libstdc++.so.6"); err != nil {
		t.Skip("libstdc++6-arm64-cross is not installed (make arm64 installs what is needed)")
	}
	root := sharedtest.Root(t)
	// The compiler reads the sources, not this process: looking at them here tells the test
	// cache that the result rests on them.
	for _, dir := range []string{"cmd/facegate", "internal", "models", "pipeline"} {
		if err := filepath.WalkDir(filepath.Join(root, dir), func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			t.Fatal(err)
		}
	}
	command(t, root, "make", "cross")
	programs := filepath.Join(root, "bin", "linux-arm64")
	for name, libraries := range map[string][]string{
		"facegate": {"libc.so.6"}, "facegated": {"libc.so.6"}, // what inference needs is loaded at run time
		"doord": nil,
	} {
		f, err := elf.Open(filepath.Join(programs, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.ImportedLibraries()
		if err != nil {
			t.Error(err)
		}
		if f.Machine != elf.EM_AARCH64 || !slices.Equal(got, libraries) {
			t.Errorf("%s is for %v and needs %v, want AArch64 and %v", name, f.Machine, got, libraries)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	err := exec.CommandContext(t.Context(), filepath.Join(root, "test", "arm64", "emulate"), filepath.Join(programs, "facegate"), "help").Run()
	if ee, ok := errors.AsType[*exec.ExitError](err); ok && ee.ExitCode() == 77 {
		t.Skip("no private mounts on this machine (root or user namespaces are needed)")
	} else if err != nil {
		t.Fatalf("facegate help: %v", err)
	}
}

// command runs a program in dir and returns what it printed on standard output.
func command(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	out, err := run(t, dir, nil, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func run(t *testing.T, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if ee, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, ee.Stderr)
	}
	return out, err
}

// both runs analyse and embed, side by side, by the given program.
func both(t *testing.T, home, faces string, files []string, program ...string) result {
	t.Helper()
	list, array := filepath.Join(t.TempDir(), "list.csv"), filepath.Join(t.TempDir(), "embeddings.npy")
	if err := os.WriteFile(list, []byte("file\n"+strings.Join(files, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(args ...string) ([]byte, error) {
		args = append(program[1:len(program):len(program)], args...)
		return run(t, faces, []string{"FACEGATE_HOME=" + home}, program[0], args...)
	}
	var lines []byte
	var errAnalyse, errEmbed error
	var wg sync.WaitGroup
	wg.Go(func() { lines, errAnalyse = do(append([]string{"analyse"}, files...)...) })
	wg.Go(func() { _, errEmbed = do("embed", list, "--root", faces, "--out", array) })
	wg.Wait()
	if err := errors.Join(errAnalyse, errEmbed); err != nil {
		t.Fatal(err)
	}

	var r result
	for s := bufio.NewScanner(bytes.NewReader(lines)); s.Scan(); {
		var f finding
		if err := json.Unmarshal(s.Bytes(), &f); err != nil {
			t.Fatalf("analyse: %v: %s", err, s.Bytes())
		}
		r.findings = append(r.findings, f)
	}
	codes, err := os.ReadFile(strings.TrimSuffix(array, ".npy") + ".csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(codes)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		r.codes = append(r.codes, row[1])
	}
	if r.vectors, err = readVectors(array, len(files)); err != nil {
		t.Fatal(err)
	}
	if len(r.findings) != len(files) || len(r.codes) != len(files) {
		t.Fatalf("analyse said %d lines, embed %d codes, want %d", len(r.findings), len(r.codes), len(files))
	}
	return r
}

// readVectors reads a NumPy array of n rows of float32, version 1.
func readVectors(path string, n int) ([][]float32, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) < 10 || len(b) < 10+int(binary.LittleEndian.Uint16(b[8:])) {
		return nil, fmt.Errorf("%s is cut short", path)
	}
	b = b[10+int(binary.LittleEndian.Uint16(b[8:])):]
	dim := len(b) / 4 / n
	if dim == 0 || len(b) != 4*n*dim {
		return nil, fmt.Errorf("%s: %d bytes are not %d vectors", path, len(b), n)
	}
	rows := make([][]float32, n)
	for i := range rows {
		rows[i] = make([]float32, dim)
		if _, err := binary.Decode(b[4*i*dim:], binary.LittleEndian, rows[i]); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// compare holds the emulated result to the native one.
func compare(t *testing.T, files []string, got, want result) {
	t.Helper()
	codes, faces, lowest, largest := 0, 0, 1.0, 0.0
	for i, file := range files {
		g, w := got.findings[i], want.findings[i]
		if g.Quality != w.Quality || got.codes[i] != want.codes[i] {
			t.Errorf("%s: quality is %s by analyse and %s by embed, want %s and %s", file, g.Quality, got.codes[i], w.Quality, want.codes[i])
		} else {
			codes++
		}
		if g.Faces != w.Faces || g.MaskState != w.MaskState || g.HeadCover != w.HeadCover {
			t.Errorf("%s: %d faces, mask %s, head %s, want %d, %s, %s", file, g.Faces, g.MaskState, g.HeadCover, w.Faces, w.MaskState, w.HeadCover)
		}
		if (g.Live == nil) != (w.Live == nil) || g.Live != nil && *g.Live != *w.Live {
			t.Errorf("%s: another answer to whether it is live", file)
		}
		for j := range g.Scores {
			a, b := g.Scores[j], w.Scores[j]
			if (a == nil) != (b == nil) {
				t.Errorf("%s: score %d is there on one side only", file, j)
			} else if a != nil {
				largest = max(largest, math.Abs(*a-*b))
			}
		}
		c, both := cosine(got.vectors[i], want.vectors[i])
		if !both {
			t.Errorf("%s: an embedding on one side only", file)
		} else if w.Faces > 0 {
			faces, lowest = faces+1, min(lowest, c)
			if !(c >= .99) {
				t.Errorf("%s: embeddings have cosine %.5f, want at least 0.99", file, c)
			}
		}
		t.Logf("%-14s cosine %.6f  %s", w.Quality, c, file)
	}
	t.Logf("%d of %d quality codes are equal; %d embeddings, lowest cosine %.6f; largest difference of a score %.4f", codes, len(files), faces, lowest, largest)
}

// cosine of two vectors, 1 for two of zeros; both is false where only one is of zeros or the
// lengths differ.
func cosine(a, b []float32) (c float64, both bool) {
	if len(a) != len(b) {
		return 0, false
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 1, aa == bb
	}
	return ab / math.Sqrt(aa*bb), true
}
