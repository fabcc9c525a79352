package models

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	s := newSmall(t, "")
	if _, err := open(s.home, s.list, []string{"mesh", "iris"}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("empty home: got %v, want an error naming two files", err)
	}
	if _, err := open(s.home, s.list, []string{"nobody"}); !errors.Is(err, ErrUnknownRole) {
		t.Errorf("unknown role: got %v", err)
	}
	write(t, filepath.Join(s.home, "models/mesh.tflite"), s.mesh)
	write(t, filepath.Join(s.home, "runtime/amd64/lib.so"), s.runtime)
	set, err := open(s.home, s.list, []string{"mesh"})
	if err != nil {
		t.Fatal(err)
	}
	if b, e, err := set.Bytes("mesh"); err != nil || !bytes.Equal(b, s.mesh) || e.Role != "mesh" {
		t.Errorf("mesh: got %d bytes of %q, %v", len(b), e.Role, err)
	}
	if path, err := set.Runtime("amd64"); err != nil || path != filepath.Join(s.home, "runtime/amd64/lib.so") {
		t.Errorf("runtime: got %q, %v", path, err)
	}
	for _, arch := range []string{"arm64", "riscv64"} {
		if path, err := set.Runtime(arch); err == nil {
			t.Errorf("runtime for %s: got %q", arch, path)
		}
	}
	if _, _, err := set.Bytes("nobody"); !errors.Is(err, ErrUnknownRole) {
		t.Errorf("unknown role: got %v", err)
	}

	// One changed bit is found, whatever the size and time of the file say.
	for _, path := range []string{"models/mesh.tflite", "runtime/amd64/lib.so"} {
		b, err := os.ReadFile(filepath.Join(s.home, path))
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		write(t, filepath.Join(s.home, path), b)
	}
	missing := func(err error) *MissingError {
		m, _ := errors.AsType[*MissingError](err)
		return m
	}
	if b, _, err := set.Bytes("mesh"); b != nil || missing(err) == nil || !strings.Contains(err.Error(), "wrong SHA-256") {
		t.Errorf("changed model: got %d bytes, %v", len(b), err)
	}
	if path, err := set.Runtime("amd64"); path != "" || missing(err) == nil {
		t.Errorf("changed runtime: got %q, %v", path, err)
	}
	if _, err := open(s.home, s.list, []string{"mesh", "iris"}); missing(err) == nil || len(missing(err).Files) != 1 {
		t.Errorf("got %v, want iris missing", err)
	}
}
