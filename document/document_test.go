package document

import (
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facegate/internal/sharedtest"
	"facegate/pipeline/imgproc"
)

// labels are the rows of a set's labels.csv after the heading, and its directory.
func labels(t *testing.T, set string) (string, [][]string) {
	t.Helper()
	dir := filepath.Join(sharedtest.Dir(t, "faces"), set)
	f, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return dir, rows[1:]
}

func picture(t *testing.T, path string) *imgproc.Image {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := imgproc.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSpecimens(t *testing.T) {
	dir, rows := labels(t, "id_docs")
	r := Open()
	valid, exact := 0, 0
	for _, row := range rows {
		file, want, check := row[0], row[3], row[4]
		start := time.Now()
		d, err := r.Read(t.Context(), picture(t, filepath.Join(dir, file)))
		if err != nil && !errors.Is(err, ErrNotRecognized) {
			t.Errorf("%s: %v", file, err)
			continue
		}
		got := strings.Join(d.Lines, "|")
		if check == "valid" {
			valid++
			if d.Valid && got == want {
				exact++
				continue
			}
		}
		t.Logf("%s (%s): kind %s, valid %v, exact %v, %v %+v\n%s\n%s", file, check, d.Kind, d.Valid, got == want, time.Since(start).Round(time.Millisecond), d.Checks, want, got)
	}
	t.Logf("%d of %d", exact, valid)
}

func TestDegraded(t *testing.T) {
	if os.Getenv("DEGRADE") == "" {
		t.Skip()
	}
	dir, rows := labels(t, "id_docs")
	r := Open()
	for _, how := range []struct {
		name string
		do   func(*imgproc.Image) *imgproc.Image
	}{
		{"smaller", func(m *imgproc.Image) *imgproc.Image {
			o := imgproc.New(m.W*8/10, m.H*8/10)
			imgproc.ResizeArea(o, m)
			return o
		}},
		{"larger", func(m *imgproc.Image) *imgproc.Image {
			o := imgproc.New(m.W*5/2, m.H*5/2)
			imgproc.ResizeLinear(o, m)
			return o
		}},
		{"turned 4", func(m *imgproc.Image) *imgproc.Image { return turned(m, 4) }},
		{"turned 180", func(m *imgproc.Image) *imgproc.Image { return turned(m, 180) }},
		{"turned 83", func(m *imgproc.Image) *imgproc.Image { return turned(m, 83) }},
	} {
		exact, n := 0, 0
		for _, row := range rows {
			if row[4] != "valid" {
				continue
			}
			n++
			d, _ := r.Read(t.Context(), how.do(picture(t, filepath.Join(dir, row[0]))))
			got := strings.Join(d.Lines, "|")
			if got == row[3] && d.Valid {
				exact++
			} else if d.Valid {
				t.Logf("WRONG %s %s\n%s\n%s", how.name, row[0], row[3], got)
			} else {
				t.Logf("%s %s %s %v", how.name, row[0], d.Kind, d.Checks)
			}
		}
		t.Logf("%s: %d of %d", how.name, exact, n)
	}
}

func TestBarcodes(t *testing.T) {
	dir, rows := labels(t, "pdf417")
	n := 0
	for _, row := range rows {
		text, err := barcode(t.Context(), picture(t, filepath.Join(dir, row[0])))
		if err != nil || text != row[1] {
			t.Logf("%s: %q, %v", row[0], text, err)
			continue
		}
		n++
	}
	t.Logf("%d of %d", n, len(rows))
}
