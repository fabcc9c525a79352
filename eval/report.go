package eval

import (
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A section is one table of the report, with its explanation and plots.
type section struct {
	Title, Note string
	Columns     []string
	Rows        [][]string
	Plots       []plot
}

func (t *section) add(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, line)
}

// A Report is what Run measured.
type Report struct {
	Suite, Model string
	Pictures     int
	sections     []section
}

// WriteText prints the tables for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d pictures, template model %s\nRates are k/n with 95 %% Wilson intervals.\n", r.Pictures, r.Model)
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		width := make([]int, len(s.Columns))
		for _, line := range append([][]string{s.Columns}, s.Rows...) {
			for i, c := range line {
				width[i] = max(width[i], len([]rune(c)))
			}
		}
		for _, line := range append([][]string{s.Columns}, s.Rows...) {
			b.WriteString(" ")
			for i, c := range line {
				fmt.Fprintf(&b, " %s%s", c, strings.Repeat(" ", width[i]-len([]rune(c))+1))
			}
			b.WriteString("\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteFiles writes report.html and report.csv into dir.
func (r *Report) WriteFiles(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	h, err := os.Create(filepath.Join(dir, "report.html"))
	if err != nil {
		return err
	}
	defer h.Close()
	if err := page().Execute(h, map[string]any{"Report": r, "Sections": r.sections}); err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	c, err := os.Create(filepath.Join(dir, "report.csv"))
	if err != nil {
		return err
	}
	defer c.Close()
	w := csv.NewWriter(c)
	for _, s := range r.sections {
		// encoding/csv keeps its first error, which Flush below reports.
		_ = w.Write(append([]string{"section"}, s.Columns...))
		for _, line := range s.Rows {
			_ = w.Write(append([]string{s.Title}, line...))
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return c.Close()
}

func page() *template.Template {
	return template.Must(template.New("report").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>facegate accuracy report</title>
<style>body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.6rem 0}th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:left;font-variant-numeric:tabular-nums}
th{background:#f3f5f7}p{color:#555;max-width:60rem}</style>
<h1>facegate accuracy report</h1>
<p>{{.Report.Pictures}} labelled pictures; template model {{.Report.Model}}. Every rate is k/n with its 95 % Wilson interval.</p>
{{range .Sections}}<h2>{{.Title}}</h2>{{with .Note}}<p>{{.}}</p>{{end}}
<table><tr>{{range .Columns}}<th>{{.}}</th>{{end}}</tr>
{{range .Rows}}<tr>{{range .}}<td>{{.}}</td>{{end}}</tr>
{{end}}</table>{{range .Plots}}{{.SVG}}{{end}}
{{end}}</html>
`))
}
