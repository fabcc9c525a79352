package models

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// files serves one file as a test wants and keeps the Range headers it was asked with.
type files struct {
	mu     sync.Mutex
	ranges []string
	serve  func(w http.ResponseWriter, r *http.Request, attempt int)
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.ranges = append(f.ranges, r.Header.Get("Range"))
	n := len(f.ranges)
	f.mu.Unlock()
	f.serve(w, r, n)
}

func TestDownload(t *testing.T) {
	whole := func(b []byte) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, r *http.Request, _ int) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
		}
	}
	good := content(1, 300_000)
	cutFirst := func(next func(http.ResponseWriter, *http.Request, int)) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, r *http.Request, attempt int) {
			if attempt > 1 {
				next(w, r, attempt)
				return
			}
			w.Header().Set("Content-Length", "300000")
			_, _ = w.Write(good[:100_000])
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			panic(http.ErrAbortHandler)
		}
	}
	tests := []struct {
		name   string
		serve  func(http.ResponseWriter, *http.Request, int)
		part   []byte   // left by an earlier run
		fails  int      // runs of set-up that fail before one succeeds; -1: none succeeds
		ranges []string // as asked
	}{
		{"whole", whole(good), nil, 0, []string{""}},
		{"broken off, resumed", cutFirst(whole(good)), nil, 1, []string{"", "bytes=100000-"}},
		{"broken off, server cannot resume", cutFirst(func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = w.Write(good) }), nil, 1, []string{"", "bytes=100000-"}},
		{"part of another file", whole(good), content(7, 5000), 0, []string{"bytes=5000-", ""}},
		{"part already whole", whole(good), good, 0, nil},
		{"part too long", whole(good), append(bytes.Clone(good), 1, 2, 3), 0, []string{""}},
		{"wrong content", whole(content(9, 300_000)), nil, -1, []string{""}},
		{"longer content", whole(append(bytes.Clone(good), 1)), nil, 0, []string{""}},
		{"shorter content", whole(good[:1000]), nil, -1, []string{""}},
		{"endless content", func(w http.ResponseWriter, _ *http.Request, _ int) {
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, nil, -1, []string{""}},
		{"not found", func(w http.ResponseWriter, r *http.Request, _ int) { http.NotFound(w, r) }, nil, -1, []string{""}},
		{"range that was not asked for", func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Range", "bytes 9-299999/300000")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(good[9:])
		}, nil, -1, []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &files{serve: tt.serve}
			server := httptest.NewServer(f)
			defer server.Close()
			s := newSmall(t, server.URL+"/mesh.tflite")
			write(t, filepath.Join(s.shared, "iris.tflite"), s.iris)
			write(t, filepath.Join(s.shared, "runtime/amd64/lib.so"), s.runtime)
			if tt.part != nil {
				write(t, filepath.Join(s.home, ".setup/models/mesh.tflite.part"), tt.part)
			}
			o := s.options()
			o.Mirror = s.shared
			for i := range max(tt.fails, 0) + 1 {
				err := install(t.Context(), o, s.list)
				if wantErr := tt.fails < 0 || i < tt.fails; (err != nil) != wantErr {
					t.Fatalf("run %d: got %v, want an error: %v", i, err, wantErr)
				} else if wantErr {
					wantFiles(t, s)
				}
			}
			if tt.fails >= 0 {
				wantFiles(t, s, "models/iris.tflite", "models/mesh.tflite", "runtime/amd64/lib.so")
			}
			if fmt.Sprint(f.ranges) != fmt.Sprint(tt.ranges) {
				t.Errorf("ranges asked: got %q, want %q", f.ranges, tt.ranges)
			}
		})
	}
}

// wheelOf is a minimal Python wheel that carries one more file.
func wheelOf(t *testing.T, name, member string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range []struct {
		name string
		b    []byte
	}{
		{member, b},
		{name + "-1.0.dist-info/METADATA", []byte("Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n")},
		{name + "-1.0.dist-info/WHEEL", []byte("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")},
		{name + "-1.0.dist-info/RECORD", nil},
	} {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.b); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSetupFromPythonPackage(t *testing.T) {
	s := newSmall(t, "")
	const file = "facegate_test_data-1.0-py3-none-any.whl"
	wheel := wheelOf(t, "facegate_test_data", "data/lib.so", s.runtime)
	carry := func(member string) {
		s.list.Entries[2].Package, s.list.Entries[2].Member = "facegate-test-data", member
	}
	carry("data/lib.so")
	s.list.Wheels = []Wheel{{Package: "facegate-test-data", Version: "1.0", Platform: "any", File: file, SHA256: sum(wheel), Bytes: int64(len(wheel))}}
	write(t, filepath.Join(s.shared, "mesh.tflite"), s.mesh)
	write(t, filepath.Join(s.shared, "iris.tflite"), s.iris)

	t.Run("mirrored wheel", func(t *testing.T) {
		mirror := t.TempDir()
		o := s.options()
		o.Home, o.Mirror, o.Offline = filepath.Join(t.TempDir(), "home"), mirror, true
		write(t, filepath.Join(mirror, file), wheel)
		if err := install(t.Context(), o, s.list); err != nil {
			t.Error(err)
		}
	})
	t.Run("wheel with other content", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir()) // no pip
		mirror := t.TempDir()
		o := s.options()
		o.Home, o.Mirror, o.Offline = filepath.Join(t.TempDir(), "home"), mirror, true
		write(t, filepath.Join(mirror, file), append([]byte{0}, wheel[1:]...))
		if err := install(t.Context(), o, s.list); err == nil || !strings.Contains(err.Error(), "mirrored wheel: wrong SHA-256") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("wheel without the member", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir()) // no pip
		carry("data/other.so")
		defer carry("data/lib.so")
		mirror := t.TempDir()
		o := s.options()
		o.Home, o.Mirror, o.Offline = filepath.Join(t.TempDir(), "home"), mirror, true
		write(t, filepath.Join(mirror, file), wheel)
		if err := install(t.Context(), o, s.list); err == nil || !strings.Contains(err.Error(), "is not in the wheel") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no python", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		o := s.options()
		o.Home = filepath.Join(t.TempDir(), "home")
		if err := install(t.Context(), o, s.list); err == nil || !strings.Contains(err.Error(), "python3 with pip is not installed") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("pip", func(t *testing.T) {
		if err := exec.CommandContext(t.Context(), "python3", "-m", "pip", "--version").Run(); err != nil {
			t.Skip("python3 has no pip")
		}
		wheels := t.TempDir()
		t.Setenv("PIP_FIND_LINKS", wheels)
		o := s.options()
		o.Home, o.Offline = filepath.Join(t.TempDir(), "home"), true
		if err := install(t.Context(), o, s.list); err == nil {
			t.Error("a package that pip cannot find is installed")
		}
		write(t, filepath.Join(wheels, file), wheel)
		if err := install(t.Context(), o, s.list); err != nil {
			t.Error(err)
		}
		// The same name with other content: pip refuses the hash.
		o.Home = filepath.Join(t.TempDir(), "home")
		write(t, filepath.Join(wheels, file), wheelOf(t, "facegate_test_data", "data/lib.so", s.mesh))
		if err := install(t.Context(), o, s.list); err == nil {
			t.Error("a package with another hash is installed")
		}
	})
}
