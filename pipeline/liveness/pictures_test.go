package liveness

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// A row is one labelled picture: the columns of labels.csv, and where it lies.
type row map[string]string

// rows reads a set's labels.
func rows(t *testing.T, set string) []row {
	t.Helper()
	dir := filepath.Join(sharedtest.Dir(t, "faces"), set)
	f, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for _, rec := range all[1:] {
		r := row{"set": set, "path": filepath.Join(dir, rec[0])}
		for i, v := range rec {
			r[all[0][i]] = v
		}
		out = append(out, r)
	}
	return out
}

func read(t *testing.T, path string) *imgproc.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imgproc.Decode(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return img
}

// An eye finds the face of a picture as the pipeline does.
type eye struct {
	detector *face.Detector
	mesher   *face.Mesher
	picture  imgproc.Picture
}

// A seen face.
type seen struct {
	mesh face.Mesh
	box  imgproc.Box
}

func newEye(t *testing.T) *eye {
	t.Helper()
	load := sharedtest.Loader(t)
	d, err := face.NewDetector(load)
	if err != nil {
		t.Fatal(err)
	}
	m, err := face.NewMesher(load)
	if err != nil {
		t.Fatal(err)
	}
	return &eye{detector: d, mesher: m}
}

// look is false where there is no face.
func (e *eye) look(t *testing.T, img *imgproc.Image) (s seen, ok bool) {
	t.Helper()
	e.picture.SetImage(img)
	found, err := e.detector.Detect(&e.picture)
	if err != nil {
		t.Fatal(err)
	}
	d := face.Pick(found, img.W, img.H)
	if d == nil {
		return s, false
	}
	if err := e.mesher.Fit(img, d, &s.mesh); err != nil {
		t.Fatal(err)
	}
	s.box = d.Box
	return s, true
}
