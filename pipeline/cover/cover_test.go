package cover

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// A bench is the models and the pictures that a test of rates needs.
type bench struct {
	dir    string
	detect *face.Detector
	mesh   *face.Mesher
	cover  *Cover
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, load := sharedtest.Dir(t, "faces"), sharedtest.Loader(t)
	b := &bench{dir: dir}
	var err error
	if b.detect, err = face.NewDetector(load); err != nil {
		t.Fatal(err)
	}
	if b.mesh, err = face.NewMesher(load); err != nil {
		t.Fatal(err)
	}
	if b.cover, err = New(load); err != nil {
		t.Fatal(err)
	}
	return b
}

// A row is one line of a labels.csv.
type row map[string]string

// rows reads the labels of a set, one in stride of them in a short run.
func (b *bench) rows(t *testing.T, set string, keep func(row) bool) []row {
	t.Helper()
	f, err := os.Open(filepath.Join(b.dir, set, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for _, rec := range records[1:] {
		r := row{"path": filepath.Join(b.dir, set, rec[0])}
		for i, name := range records[0] {
			r[name] = rec[i]
		}
		if keep == nil || keep(r) {
			rows = append(rows, r)
		}
	}
	if testing.Short() {
		rows = rows[:(len(rows)+9)/10]
	}
	return rows
}

// find is the face in a picture, false where the detector finds none.
func (b *bench) find(t *testing.T, path string) (*imgproc.Image, *face.Detection, *face.Mesh, bool) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := imgproc.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	var p imgproc.Picture
	p.SetImage(img)
	found, err := b.detect.Detect(&p)
	if err != nil {
		t.Fatal(err)
	}
	d := face.Pick(found, img.W, img.H)
	if d == nil {
		return nil, nil, nil, false
	}
	m := new(face.Mesh)
	if err := b.mesh.Fit(img, d, m); err != nil {
		t.Fatal(err)
	}
	return img, d, m, true
}
