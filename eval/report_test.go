package eval

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files") //nolint:gochecknoglobals // a flag of the test binary

func synthetic() *Report {
	one := section{Title: "One", Note: "A note with <b>.", Columns: []string{"set", "rate", "false matches", "number", "count", "why"}}
	one.add("短い名前", Rate{2, 46}, falseMatch{18, 1_707_006}, decimal{.3172, 3}, 7, "squash 3, time 1")
	one.add("a set with a long name", Rate{0, 0}, falseMatch{0, 12}, decimal{math.NaN(), 3}, 0, "")
	line, bars := curve{Name: "model <a>"}, curve{Name: "bars", Dots: true}
	for _, x := range []float64{1e-6, 1e-4, 1e-2} {
		line.add(x, Rate{int(1e-2 / x), 20_000})
	}
	bars.bar(1e-4, Rate{100, 20_000})
	bars.bar(1e-2, Rate{0, 0}) // no share: not drawn
	one.Plots = []plot{{
		Title: "A plot & more", Curves: []curve{line, bars},
		X: axis{Label: "x", Min: 1e-6, Max: 1e-1, Log: true}, Y: axis{Label: "y", Max: 1}, Mark: 1e-3,
	}}
	return &Report{Suite: "made", Model: "none@0", Pictures: 58, Every: 4, sections: []section{one, {Title: "Two", Columns: []string{"x"}, Rows: [][]any{{"y"}}}}}
}

func TestReportIsGolden(t *testing.T) {
	r := synthetic()
	for name, write := range map[string]func(io.Writer) error{"report.txt": r.WriteText, "report.json": r.WriteJSON, "report.csv": r.writeCSV, "report.html": r.writeHTML} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got, -update writes it):\n%s", name, diff)
		}
	}
}

func TestEveryLineIsAnObject(t *testing.T) {
	var b bytes.Buffer
	if err := synthetic().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestPlotsHaveNoNaN(t *testing.T) {
	empty := plot{Title: "nothing", X: axis{Max: 1}, Y: axis{Max: 1}, Curves: []curve{{Name: "empty"}}}
	zero := curve{Name: "zero on a logarithmic axis"}
	zero.bar(0, Rate{0, 10})
	logs := plot{X: axis{Min: 1e-3, Max: 1, Log: true}, Y: axis{Min: 1e-3, Max: 1, Log: true}, Curves: []curve{zero}}
	for _, p := range []plot{empty, logs, synthetic().sections[0].Plots[0]} {
		if svg := string(p.SVG()); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: %s", p.Title, svg)
		}
	}
}
