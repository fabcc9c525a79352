package models

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestManifestHasEveryRole(t *testing.T) {
	l := Manifest()
	for _, role := range []string{
		"detect_short", "detect_full", "mesh", "iris", "embed_foamliu", "embed_foamliu_f16", "embed_foamliu_int8",
		"embed_0095", "embed_0095_f16", "live_27", "live_40", "live_se18", "mask", "helmet", "parsing",
	} {
		e, ok := l.Entry(role)
		if !ok {
			t.Errorf("%s is missing", role)
			continue
		}
		if e.Colour != "RGB" && e.Colour != "BGR" || slices.Contains(e.Deviation[:], 0) || e.Crop == "" || e.Output == "" || e.LicenceCode == "" || e.LicenceWeights == "" {
			t.Errorf("%s lacks a colour, deviation, crop, output or licence: %+v", role, e)
		}
		if e.URL == "" && e.Made == "" {
			t.Errorf("%s has neither an address nor a way to make it", role)
		}
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if !slices.ContainsFunc(l.Entries, func(e Entry) bool { return e.Kind == KindRuntime && e.Arch == arch }) {
			t.Errorf("no runtime for %s", arch)
		}
	}
	if e, ok := l.Embedder(""); !ok || e.ID != "foamliu+0095" || e.Size != 384 {
		t.Errorf("default embedder: got %+v", e)
	}
	if _, ok := l.Embedder("nobody"); ok {
		t.Error("an unknown embedder is found")
	}
}

func TestEmbedderSizesAreTheModels(t *testing.T) {
	l := Manifest()
	for _, e := range l.Embedders {
		size := 0
		for _, r := range e.Roles {
			m, _ := l.Entry(r)
			size += m.Outputs[0].Shape[1]
		}
		if size != e.Size {
			t.Errorf("%s: models give %d numbers, the embedder says %d", e.ID, size, e.Size)
		}
	}
}

// models.csv beside the checkout is where hashes and sizes were first written down.
func TestManifestAgreesWithShared(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "shared", "models", "models.csv"))
	if err != nil {
		t.Skip("../shared/models is not beside the checkout")
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	l := Manifest()
	for _, r := range rows[1:] {
		i := slices.IndexFunc(l.Entries, func(e Entry) bool { return e.Kind == KindModel && e.File == r[0] })
		if i < 0 {
			t.Errorf("%s is not in the manifest", r[0])
			continue
		}
		e := l.Entries[i]
		if e.SHA256 != r[1] || strconv.FormatInt(e.Bytes, 10) != r[2] || e.Colour != r[6] {
			t.Errorf("%s: got %s %d %s, want %s %s %s", r[0], e.SHA256, e.Bytes, e.Colour, r[1], r[2], r[6])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(manifestTOML)
	if _, err := parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new string }{
		{"unknown key", "mirror = true", "mirorr = true"},
		{"short hash", `sha256 = "eec47e`, `sha256 = "`},
		{"upper-case hash", `sha256 = "eec47e`, `sha256 = "EEC47E`},
		{"path as a file", `file = "astronaut.png"`, `file = "../astronaut.png"`},
		{"hidden file", `file = "astronaut.png"`, `file = ".astronaut.png"`},
		{"no size", "bytes = 791555", "bytes = 0"},
		{"absurd size", "bytes = 791555", "bytes = 791555000000"},
		{"licensed until no day", `role = "mesh"`, `role = "mesh"` + "\nlicensed_until = \"2030-02-30\""},
		{"role twice", `role = "mesh"`, `role = "iris"`},
		{"file twice", `file = "iris_landmark.tflite"`, `file = "face_landmark.tflite"`},
		{"embedder of an unknown role", `roles = ["embed_0095_f16"]`, `roles = ["embed_0096"]`},
		{"calibration that falls", "cosine = 0.447", "cosine = 0.347"},
		{"calibration that stands", "cosine = 0.447", "cosine = 0.392"},
		{"package without a wheel", `package = "scikit-image"` + "\nmember", `package = "scikit"` + "\nmember"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			if l, err := parse([]byte(bad)); err == nil {
				t.Errorf("accepted: %d entries", len(l.Entries))
			}
		})
	}
}
