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

func TestLocalManifest(t *testing.T) {
	home := t.TempDir()
	local := filepath.Join(home, "models", "local.toml")
	if l, err := ManifestAt(home); err != nil || l != Manifest() {
		t.Fatalf("without a local manifest: got %p, %v", l, err)
	}
	own := content(4, 500)
	replacement := `leave_out = ["parsing", "embed_0095_f16"]

[[model]]
role = "embed_0095"
file = "own.tflite"
sha256 = "` + sum(own) + `"
bytes = 500
inputs = [{ type = "float32", shape = [1, 96, 96, 3] }]
outputs = [{ type = "float32", shape = [1, 64] }]
`
	write(t, local, []byte(replacement))
	l, err := ManifestAt(home)
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := l.Entry("embed_0095"); e.File != "own.tflite" {
		t.Errorf("replaced model: got %q", e.File)
	}
	if _, ok := l.Entry("parsing"); ok {
		t.Error("a model that was left out is there")
	}
	if e, ok := l.Embedder(""); !ok || e.ID != "foamliu+mirror" {
		t.Errorf("default embedder: got %q; one with a replaced model has no calibration", e.ID)
	}
	if _, ok := l.Embedder("0095_f16"); ok {
		t.Error("the embedder of a left-out model is there")
	}
	set, err := Open(home)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "models", "own.tflite"), own)
	if b, _, err := set.Bytes("embed_0095"); err != nil || !bytes.Equal(b, own) {
		t.Errorf("own model: got %d bytes, %v", len(b), err)
	}
	if _, _, err := set.Bytes("parsing"); !errors.Is(err, ErrUnknownRole) {
		t.Errorf("left-out model: got %v", err)
	}

	write(t, local, []byte(replacement+`
[[embedder]]
id = "own"
roles = ["embed_0095"]
size = 64
calibration = [{ fmr = 1e-3, cosine = 0.3 }, { fmr = 1e-4, cosine = 0.4 }]
`))
	if l, err = ManifestAt(home); err != nil {
		t.Fatal(err)
	}
	if e, ok := l.Embedder(""); !ok || e.ID != "own" {
		t.Errorf("default embedder: got %q, want the site's", e.ID)
	}

	for _, bad := range []string{"leave_out = [\"nobody\"]", "leave = 1", "x", "[[model]]\nrole = \"mesh\"", string(make([]byte, 1<<20+1))} {
		write(t, local, []byte(bad))
		if _, err := ManifestAt(home); err == nil {
			t.Errorf("%.30q is accepted", bad)
		}
		if err := Setup(t.Context(), Options{Home: home, Offline: true}); err == nil {
			t.Errorf("set-up with %.30q works", bad)
		}
	}
}
