package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// content is n bytes that depend on seed.
func content(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i) + byte(i>>8)*3 + seed
	}
	return b
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func model(role, file string, b []byte) Entry {
	one := []Tensor{{Type: "float32", Shape: []int{1}}}
	return Entry{Kind: KindModel, Role: role, File: file, SHA256: sum(b), Bytes: int64(len(b)), Inputs: one, Outputs: one}
}

// small is a manifest of three files for tests: a model with an address, a model without,
// and a runtime.
type small struct {
	list         *List
	mesh, iris   []byte
	runtime      []byte
	home, shared string
}

func newSmall(t *testing.T, url string) *small {
	t.Helper()
	s := &small{mesh: content(1, 300_000), iris: content(2, 1000), runtime: content(3, 5000), home: filepath.Join(t.TempDir(), "home"), shared: t.TempDir()}
	mesh := model("mesh", "mesh.tflite", s.mesh)
	mesh.URL = url
	s.list = &List{Entries: []Entry{
		mesh,
		model("iris", "iris.tflite", s.iris),
		{Kind: KindRuntime, Role: "runtime", Arch: "amd64", File: "lib.so", SHA256: sum(s.runtime), Bytes: int64(len(s.runtime))},
		{Kind: KindRuntime, Role: "runtime", Arch: "arm64", File: "lib.so", SHA256: sum(s.mesh), Bytes: int64(len(s.mesh))},
	}}
	return s
}

func (s *small) options() Options { return Options{Home: s.home, Arch: "amd64", Shared: s.shared} }

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// installed lists the files under home that are not set-up's own.
func (s *small) installed(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, dir := range []string{"models", "runtime", "demo"} {
		err := filepath.WalkDir(filepath.Join(s.home, dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				out = append(out, path[len(s.home)+1:])
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func wantFiles(t *testing.T, s *small, want ...string) {
	t.Helper()
	if got := s.installed(t); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("installed: got %v, want %v", got, want)
	}
}

func TestSetupFromMirrorDirectory(t *testing.T) {
	for _, layout := range []string{"models/", ""} { // like a home, or flat
		s := newSmall(t, "")
		mirror := t.TempDir()
		write(t, filepath.Join(mirror, layout+"mesh.tflite"), s.mesh)
		write(t, filepath.Join(mirror, layout+"iris.tflite"), s.iris)
		write(t, filepath.Join(mirror, "runtime/amd64/lib.so"), s.runtime)
		o := s.options()
		o.Mirror, o.Offline = mirror, true
		var progress bytes.Buffer
		o.Progress = &progress
		if err := install(t.Context(), o, s.list); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, s, "models/iris.tflite", "models/mesh.tflite", "runtime/amd64/lib.so")
		if !strings.Contains(progress.String(), "models/mesh.tflite: from mirror") {
			t.Errorf("progress: %q", progress.String())
		}
		if _, err := os.Stat(filepath.Join(s.home, ".setup")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the staging directory is left: %v", err)
		}

		// What is there needs no source any more.
		o.Mirror = ""
		if err := install(t.Context(), o, s.list); err != nil {
			t.Errorf("second run: %v", err)
		}
		// What was damaged is replaced.
		write(t, filepath.Join(s.home, "models/mesh.tflite"), content(9, len(s.mesh)))
		o.Mirror = mirror
		if err := install(t.Context(), o, s.list); err != nil {
			t.Errorf("repair: %v", err)
		}
		if set, err := open(s.home, s.list, nil); err != nil {
			t.Error(err)
		} else if b, _, err := set.Bytes("mesh"); err != nil || !bytes.Equal(b, s.mesh) {
			t.Errorf("after the repair: %v", err)
		}
	}
}

func TestSetupNamesAllThatIsMissing(t *testing.T) {
	var asked int
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	s := newSmall(t, server.URL+"/mesh")
	write(t, filepath.Join(s.shared, "iris.tflite"), s.iris)
	o := s.options()
	o.Offline = true
	err := install(t.Context(), o, s.list)
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || len(missing.Files) != 2 {
		t.Fatalf("got %v, want two missing files", err)
	}
	for _, want := range []string{"models/mesh.tflite", "runtime/amd64/lib.so", server.URL, "FACEGATE_MIRROR"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if missing.Hint() == "" || asked != 0 {
		t.Errorf("hint %q, %d requests while offline", missing.Hint(), asked)
	}
	wantFiles(t, s) // iris was there, but nothing is half installed
}

func TestSetupRefusesWrongContent(t *testing.T) {
	s := newSmall(t, "")
	write(t, filepath.Join(s.shared, "mesh.tflite"), content(9, len(s.mesh)))  // same size
	write(t, filepath.Join(s.shared, "iris.tflite"), append(s.iris, 0))        // one byte more
	write(t, filepath.Join(s.shared, "runtime/amd64/lib.so"), s.runtime[:100]) // cut
	o := s.options()
	o.Mirror = s.shared
	err := install(t.Context(), o, s.list)
	if missing, ok := errors.AsType[*MissingError](err); !ok || len(missing.Files) != 3 {
		t.Fatalf("got %v, want three missing files", err)
	}
	if !strings.Contains(err.Error(), "wrong SHA-256") || !strings.Contains(err.Error(), "wrong size") {
		t.Errorf("the reasons are not named: %v", err)
	}
	wantFiles(t, s)
}

func TestSetupOfAnotherMachine(t *testing.T) {
	s := newSmall(t, "")
	mirror := t.TempDir()
	write(t, filepath.Join(mirror, "models/mesh.tflite"), s.mesh)
	write(t, filepath.Join(mirror, "models/iris.tflite"), s.iris)
	write(t, filepath.Join(mirror, "runtime/arm64/lib.so"), s.mesh)
	o := s.options()
	o.Mirror, o.Arch = mirror, "arm64"
	if err := install(t.Context(), o, s.list); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s, "models/iris.tflite", "models/mesh.tflite", "runtime/arm64/lib.so")
	o.Arch = "riscv64"
	if err := install(t.Context(), o, s.list); err == nil {
		t.Error("a machine without a runtime is accepted")
	}
}

func TestSetupLeavesOutDemo(t *testing.T) {
	s := newSmall(t, "")
	s.list.Entries = s.list.Entries[1:3]
	picture := content(5, 77)
	s.list.Entries = append(s.list.Entries, Entry{Kind: KindDemo, Role: "astronaut", File: "a.png", SHA256: sum(picture), Bytes: 77})
	write(t, filepath.Join(s.shared, "iris.tflite"), s.iris)
	mirror := t.TempDir()
	write(t, filepath.Join(mirror, "runtime/amd64/lib.so"), s.runtime)
	var progress bytes.Buffer
	o := s.options()
	o.Mirror, o.Progress = mirror, &progress
	if err := install(t.Context(), o, s.list); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s, "models/iris.tflite", "runtime/amd64/lib.so")
	if !strings.Contains(progress.String(), "demo/a.png: left out") {
		t.Errorf("progress: %q", progress.String())
	}
	set, err := open(s.home, s.list, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Demo("astronaut"); err == nil {
		t.Error("a picture that is not there is found")
	}
	write(t, filepath.Join(mirror, "a.png"), picture)
	if err := install(t.Context(), o, s.list); err != nil {
		t.Fatal(err)
	}
	if _, err := set.Demo("astronaut"); err != nil {
		t.Error(err)
	}
}

func TestSetupCancelledHalfWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	good := content(1, 300_000)
	f := &files{serve: func(w http.ResponseWriter, r *http.Request, attempt int) {
		if attempt > 1 {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(good))
			return
		}
		w.Header().Set("Content-Length", "300000")
		_, _ = w.Write(good[:150_000])
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		cancel()
		<-r.Context().Done() // the client hangs up
	}}
	server := httptest.NewServer(f)
	defer server.Close()
	s := newSmall(t, server.URL+"/mesh.tflite")
	write(t, filepath.Join(s.shared, "iris.tflite"), s.iris)
	write(t, filepath.Join(s.shared, "runtime/amd64/lib.so"), s.runtime)
	o := s.options()
	o.Mirror = s.shared
	if err := install(ctx, o, s.list); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	wantFiles(t, s)
	if err := install(t.Context(), o, s.list); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s, "models/iris.tflite", "models/mesh.tflite", "runtime/amd64/lib.so")
}

func TestMirrorOverHTTP(t *testing.T) {
	s := newSmall(t, "")
	mirror := t.TempDir()
	write(t, filepath.Join(mirror, "models/mesh.tflite"), s.mesh)
	write(t, filepath.Join(mirror, "models/iris.tflite"), s.iris)
	write(t, filepath.Join(mirror, "runtime/amd64/lib.so"), s.runtime)
	server := httptest.NewServer(http.FileServer(http.Dir(mirror)))
	defer server.Close()
	o := s.options()
	o.Mirror = server.URL + "/"
	if err := install(t.Context(), o, s.list); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, s, "models/iris.tflite", "models/mesh.tflite", "runtime/amd64/lib.so")
}

// Set-ups of several processes at once: one works, the others wait and find all done.
func TestSetupsAtOnce(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	good := content(1, 300_000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked++
		mu.Unlock()
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(good))
	}))
	defer server.Close()
	s := newSmall(t, server.URL)
	write(t, filepath.Join(s.shared, "iris.tflite"), s.iris)
	write(t, filepath.Join(s.shared, "runtime/amd64/lib.so"), s.runtime)
	o := s.options()
	o.Mirror = s.shared
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := install(t.Context(), o, s.list); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if asked != 1 {
		t.Errorf("downloaded %d times, want once", asked)
	}
	unlock, err := lock(t.Context(), filepath.Join(s.home, ".setup.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := install(ctx, o, s.list); !errors.Is(err, context.Canceled) {
		t.Errorf("while another works: got %v, want context.Canceled", err)
	}
}
