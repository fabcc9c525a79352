package eval

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// A section is one table of the report, with its explanation and plots. A cell is a string,
// an int, a [Rate], a falseMatch or a decimal.
type section struct {
	Title, Note string
	Columns     []string
	Rows        [][]any
	Plots       []plot
}

func (t *section) add(cells ...any) { t.Rows = append(t.Rows, cells) }

// A Report is what Run measured.
type Report struct {
	Suite    string `json:"suite"` // name of the suite's directory
	Model    string `json:"model"` // of the templates
	Pictures int    `json:"pictures"`
	Every    int    `json:"every"` // only every n-th picture of a set was looked at; 1 is all
	sections []section
}

// about is the line over the tables.
func (r *Report) about() string {
	s := fmt.Sprintf("%d pictures, template model %s.", r.Pictures, r.Model)
	if r.Every > 1 {
		s += fmt.Sprintf(" A trial run on one picture in %d: no figures to quote.", r.Every)
	}
	return s + " Rates are k/n with 95 % Wilson intervals."
}

// WriteText prints the tables for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, r.about())
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		lines := [][]string{s.Columns}
		for _, cells := range s.Rows {
			lines = append(lines, texts(cells))
		}
		width := make([]int, len(s.Columns))
		for _, line := range lines {
			for i, c := range line {
				width[i] = max(width[i], displayed(c))
			}
		}
		for _, line := range lines {
			var l strings.Builder
			for i, c := range line {
				l.WriteString("  " + c + strings.Repeat(" ", width[i]-displayed(c)))
			}
			b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func texts(cells []any) []string {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = fmt.Sprint(c)
	}
	return line
}

// displayed is how many columns of a terminal a string takes: two for each character of the
// East Asian scripts, none for marks that combine.
func displayed(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
			r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
			n += 2
		default:
			n++
		}
	}
	return n
}

// WriteJSON writes what was measured and then one row a line: its section, and its values by
// column. A rate is an object of k, n, share, lo and hi; what was not measured is null.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	if err := enc.Encode(map[string]*Report{"report": r}); err != nil {
		return err
	}
	type line struct {
		Section string         `json:"section"`
		Values  map[string]any `json:"values"`
	}
	for _, s := range r.sections {
		for _, cells := range s.Rows {
			l := line{s.Title, make(map[string]any, len(cells))}
			for i, c := range cells {
				l.Values[s.Columns[i]] = jsonCell(c)
			}
			if err := enc.Encode(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// jsonCell is a cell as numbers.
func jsonCell(c any) any {
	switch c := c.(type) {
	case falseMatch:
		return jsonCell(Rate(c))
	case Rate:
		lo, hi := c.Wilson()
		return map[string]any{"k": c.K, "n": c.N, "share": jsonCell(decimal{value: c.Share()}), "lo": json.Number(number(lo)), "hi": json.Number(number(hi))}
	case decimal:
		if math.IsNaN(c.value) || math.IsInf(c.value, 0) {
			return nil
		}
		return json.Number(number(c.value))
	}
	return c
}

// WriteFiles writes report.html and report.csv into dir.
func (r *Report) WriteFiles(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{"report.html", r.writeHTML}, {"report.csv", r.writeCSV}} {
		if err := writeFile(filepath.Join(dir, f.name), f.write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // the second close of a file that was written
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}

// writeCSV writes one cell a line, so that a spreadsheet can filter them: a rate's share is
// its value, its counts and interval stand beside it.
func (r *Report) writeCSV(out io.Writer) error {
	w := csv.NewWriter(out)
	// encoding/csv keeps its first error, which Error below reports.
	_ = w.Write([]string{"section", "row", "column", "value", "k", "n", "lo", "hi"})
	for _, s := range r.sections {
		for i, cells := range s.Rows {
			for k, c := range cells {
				line := []string{s.Title, fmt.Sprint(i + 1), s.Columns[k], fmt.Sprint(c), "", "", "", ""}
				switch c := c.(type) {
				case falseMatch:
					Rate(c).csv(line[3:])
				case Rate:
					c.csv(line[3:])
				case decimal:
					line[3] = number(c.value)
				}
				_ = w.Write(line)
			}
		}
	}
	w.Flush()
	return w.Error()
}

// csv fills in value, k, n, lo and hi.
func (r Rate) csv(cells []string) {
	lo, hi := r.Wilson()
	copy(cells, []string{number(r.Share()), fmt.Sprint(r.K), fmt.Sprint(r.N), number(lo), number(hi)})
}

// number has six digits; what is not a number is empty.
func number(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return fmt.Sprintf("%.6g", v)
}

func (r *Report) writeHTML(w io.Writer) error {
	return page().Execute(w, map[string]any{"About": r.about(), "Sections": r.sections})
}

func page() *template.Template {
	return template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>facegate accuracy report</title>
<style>body{font:15px/1.45 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
div{overflow-x:auto}table{border-collapse:collapse;margin:.6rem 0}th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:left;font-variant-numeric:tabular-nums}
th{background:#f3f5f7}p{color:#555;max-width:60rem}svg{max-width:100%;height:auto;margin:.6rem 1.2rem .6rem 0}</style>
<h1>facegate accuracy report</h1>
<p>{{.About}}</p>
{{range .Sections}}<h2>{{.Title}}</h2>{{with .Note}}<p>{{.}}</p>{{end}}
<div><table><tr>{{range .Columns}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table></div>
{{range .Plots}}{{.SVG}}
{{end}}{{end}}</html>
`))
}
