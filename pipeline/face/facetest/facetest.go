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
	Found   []face.Detection // short range, or full range where that saw none
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

// Look reads the picture of a row and finds its face. The result is valid until the next
// call; an error of the picture or the pipeline fails the test.
func (l *Looker) Look(tb testing.TB, r Row) *Look {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, r["set"], filepath.FromSlash(r["file"])))
	var img *imgproc.Image
	if err == nil {
		img, err = imgproc.Decode(data)
	}
	if err != nil {
		tb.Errorf("read %s/%s: %v", r["set"], r["file"], err)
		img = imgproc.New(1, 1)
	}
	return l.LookAt(tb, img)
}

// LookAt finds the face of an image, which is borrowed.
func (l *Looker) LookAt(tb testing.TB, img *imgproc.Image) *Look {
	tb.Helper()
	k := &l.look
	k.Image = img
	k.Picture.SetImage(img)
	var err error
	if k.Found, err = l.detector.Detect(&k.Picture); err != nil {
		tb.Error(err)
	}
	if k.Face = face.Pick(k.Found, img.W, img.H); k.Face != nil {
		if err := l.mesher.Fit(img, k.Face, &k.Mesh); err != nil {
			tb.Error(err)
		}
	}
	return k
}

// Full finds the faces at full range.
func (l *Looker) Full(tb testing.TB, k *Look) []face.Detection {
	tb.Helper()
	found, err := l.detector.DetectFull(&k.Picture)
	if err != nil {
		tb.Error(err)
	}
	return found
}

// Each calls fn for 0 to n-1 from as many workers as there are processors. start makes a
// worker's function, on the goroutine of the test.
func Each(n int, start func() func(i int)) {
	var wait sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), n) {
		fn := start()
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	wait.Wait()
}
