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
