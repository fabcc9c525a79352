// Package facetest looks for faces in the labelled pictures beside a checkout, for the tests
// of the packages that need many. Pictures are looked at by several workers at once, each with
// models of its own.
package facetest

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

// A Row is one line of a set's labels: what its columns say about a picture.
type Row map[string]string

// Rows reads the labels of a set of ../shared/faces. With -short it gives every nth row, n
// being stride. The test is skipped where the set is absent.
func Rows(tb testing.TB, set string, stride int) []Row {
	tb.Helper()
	f, err := os.Open(filepath.Join(sharedtest.Dir(tb, "faces"), set, "labels.csv"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	if !testing.Short() {
		stride = 1
	}
	var rows []Row
	for i := 1; i < len(lines); i += stride {
		r := Row{"set": set}
		for k, v := range lines[i] {
			r[lines[0][k]] = v
		}
		rows = append(rows, r)
	}
	return rows
}

// A Look is a picture and the face that was found in it.
type Look struct {
	Image   *imgproc.Image
	Picture imgproc.Picture
	Found   []face.Detection // to pick from
	All     []face.Detection // that are there
	Face    *face.Detection  // the picked one; nil: there is none, and no mesh
	Mesh    face.Mesh
}

// A Looker finds faces.
type Looker struct {
	dir      string
	detector *face.Detector
	mesher   *face.Mesher
	look     Look
}

// NewLooker loads a looker's models, which are closed when the test ends.
func NewLooker(tb testing.TB, load litert.Loader) *Looker {
	tb.Helper()
	l := &Looker{dir: sharedtest.Dir(tb, "faces")}
	var err error
	if l.detector, err = face.NewDetector(load); err != nil {
		tb.Fatal(err)
	}
	if l.mesher, err = face.NewMesher(load); err != nil {
		tb.Fatal(err)
	}
	return l
}

// Look reads the picture of a row and finds its face as in a camera's frame. The result is
// valid until the next call; an error of the picture or the pipeline fails the test.
func (l *Looker) Look(tb testing.TB, r Row) *Look {
	tb.Helper()
	return l.LookAt(tb, l.read(tb, r))
}

// LookAt is Look for an image, which is borrowed.
func (l *Looker) LookAt(tb testing.TB, img *imgproc.Image) *Look {
	tb.Helper()
	k := l.show(img)
	var err error
	k.Found, err = l.detector.Detect(&k.Picture)
	k.All = k.Found
	l.fit(tb, err)
	return k
}

// Search is Look with the detector's Search, as for a still.
func (l *Looker) Search(tb testing.TB, r Row) *Look {
	tb.Helper()
	return l.SearchIn(tb, l.read(tb, r))
}

// SearchIn is Search for an image, which is borrowed.
func (l *Looker) SearchIn(tb testing.TB, img *imgproc.Image) *Look {
	tb.Helper()
	k := l.show(img)
	var err error
	k.Found, k.All, err = l.detector.Search(&k.Picture)
	l.fit(tb, err)
	return k
}

func (l *Looker) read(tb testing.TB, r Row) *imgproc.Image {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, r["set"], filepath.FromSlash(r["file"])))
	if err == nil {
		var img *imgproc.Image
		if img, err = imgproc.Decode(data); err == nil {
			return img
		}
	}
	tb.Errorf("read %s/%s: %v", r["set"], r["file"], err)
	return imgproc.New(1, 1)
}

func (l *Looker) show(img *imgproc.Image) *Look {
	l.look.Image = img
	l.look.Picture.SetImage(img)
	return &l.look
}

// fit picks a face and fits the mesh, unless detection ended in err.
func (l *Looker) fit(tb testing.TB, err error) {
	tb.Helper()
	k := &l.look
	if k.Face = face.Pick(k.Found, k.Image.W, k.Image.H); k.Face != nil && err == nil {
		err = l.mesher.Fit(k.Image, k.Face, &k.Mesh)
	}
	if err != nil {
		tb.Error(err)
	}
}

// Each calls fn for 0 to n-1 from as many workers as there are processors. start makes a
// worker's function, on the goroutine of the test.
func Each(n int, start func() func(i int)) {
	// All are started before the first runs: a start may end the test.
	workers := make([]func(int), min(runtime.GOMAXPROCS(0), n))
	for i := range workers {
		workers[i] = start()
	}
	var wait sync.WaitGroup
	var next atomic.Int64
	for _, fn := range workers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wait.Wait()
}
