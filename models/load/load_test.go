package load_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/models/load"
	"facegate/pipeline/litert"
)

func TestLoader(t *testing.T) {
	home := sharedtest.Home(t)
	rt := sharedtest.Runtime(t)
	set, err := models.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	m, err := load.Loader(set, rt, 2)("mesh")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := load.Loader(set, rt, 1)("nobody"); !errors.Is(err, models.ErrUnknownRole) {
		t.Errorf("unknown role: got %v", err)
	}
}

// A model in place of another, with a description that is not its own, is refused.
func TestLoaderComparesTensors(t *testing.T) {
	rt := sharedtest.Runtime(t)
	list := models.Manifest()
	mesh, _ := list.Entry("mesh")
	b, err := os.ReadFile(filepath.Join(sharedtest.Home(t), mesh.Path()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tensors := range []string{
		`inputs = [{ type = "float32", shape = [1, 193, 192, 3] }]`,
		`inputs = [{ type = "uint8", shape = [1, 192, 192, 3] }]`,
		`inputs = [{ type = "complex", shape = [1, 192, 192, 3] }]`,
	} {
		home := t.TempDir()
		local := "[[model]]\nrole = \"mesh\"\nfile = \"mesh.tflite\"\nsha256 = \"" + mesh.SHA256 + "\"\nbytes = 2439440\n" + tensors +
			"\noutputs = [{ type = \"float32\", shape = [1, 1, 1, 1404] }, { type = \"float32\", shape = [1, 1, 1, 1] }]\n"
		if err := os.MkdirAll(filepath.Join(home, "models"), 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"local.toml": []byte(local), "mesh.tflite": b} {
			if err := os.WriteFile(filepath.Join(home, "models", name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		set, err := models.Open(home, "mesh")
		if err != nil {
			t.Fatal(err)
		}
		_, err = load.Loader(set, rt, 1)("mesh")
		if wrong := strings.Contains(tensors, "complex"); err == nil || !wrong && !errors.Is(err, litert.ErrMismatch) {
			t.Errorf("%s: got %v", tensors, err)
		}
	}
}

// Models in a directory of their own serve a home that has neither models nor a runtime, and
// a home without either says all that is missing at once.
func TestOpenWithModelsElsewhere(t *testing.T) {
	home := sharedtest.Home(t)
	g, err := load.Open(t.TempDir(), filepath.Join(home, "models"), 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := g.Load("mesh")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Close(), g.Close()); err != nil {
		t.Error(err)
	}
	empty := t.TempDir()
	_, err = load.Open(empty, filepath.Join(empty, "models"), 1)
	missing, ok := errors.AsType[*models.MissingError](err)
	if !ok {
		t.Fatalf("got %v, want a *models.MissingError", err)
	}
	all := 1 // the runtime
	for _, e := range models.Manifest().Entries {
		if e.Kind == models.KindModel {
			all++
		}
	}
	if len(missing.Files) != all {
		t.Errorf("got %d files named, want %d: %v", len(missing.Files), all, missing)
	}
}

// Models of one role have one file in memory, as long as one of them is open.
func TestShare(t *testing.T) {
	installed := sharedtest.Home(t)
	dir := t.TempDir()
	mesh, _ := models.Manifest().Entry("mesh")
	file := filepath.Join(dir, mesh.File)
	b, err := os.ReadFile(filepath.Join(installed, mesh.Path()))
	if err == nil {
		err = os.WriteFile(file, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	g, err := load.OpenAny(installed, dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	first, err := g.Share("mesh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	second, err := g.Share("mesh")
	if err != nil {
		t.Fatalf("the weights are in memory: %v", err)
	}
	if err := errors.Join(first.Close(), second.Run(), second.Close()); err != nil {
		t.Error(err)
	}
	if _, err := g.Share("mesh"); err == nil {
		t.Error("a file that was changed is used")
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
