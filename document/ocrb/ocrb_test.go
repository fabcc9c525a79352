package ocrb

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facegate/internal/sharedtest"
	"facegate/pipeline/imgproc"
)

func text(z Zone) string {
	var lines []string
	for _, l := range z.Lines {
		var b []byte
		for i := range l {
			c, _ := l[i].Best("")
			b = append(b, c)
		}
		lines = append(lines, string(b))
	}
	return strings.Join(lines, "|")
}

func differ(a, b string) int {
	if len(a) != len(b) {
		return -1
	}
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func TestSpecimens(t *testing.T) {
	dir := filepath.Join(sharedtest.Dir(t, "faces"), "id_docs")
	g, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close() //nolint:errcheck // only read
	rows, err := csv.NewReader(g).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	f := New()
	for _, row := range rows[1:] {
		if os.Getenv("ONLY") != "" && !strings.Contains(row[0], os.Getenv("ONLY")) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, row[0]))
		if err != nil {
			t.Fatal(err)
		}
		m, err := imgproc.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		zones, err := f.Find(t.Context(), m, func(z Zone) bool { return z.Fit > .75 })
		if err != nil {
			t.Fatal(err)
		}
		if len(zones) == 0 {
			t.Logf("NONE %s want %q %v", row[0], row[3], time.Since(start))
			continue
		}
		z := zones[0]
		d := differ(row[3], text(z))
		if d == 0 {
			t.Logf("OK %s %.2f %v", row[0], z.Fit, time.Since(start))
			continue
		}
		t.Logf("%d wrong in %s turn %d fit %.2f %v\n%s\n%s", d, row[0], z.Turn, z.Fit, time.Since(start), row[3], text(z))
	}
}
