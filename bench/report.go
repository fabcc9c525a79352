package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A Row is one line of the table.
type Row struct {
	Suite   string
	Name    string
	Engine  string
	Version string
	Answers string // what was answered, or why there is nothing
	Valid   bool   // the answers are right
	Ratio   float64
	Target  string // what the row must show, and what it shows; empty for none
	Met     bool
	Absent  bool // nothing was measured

	sample
}

// MarshalJSON is one line of bench.json.
func (r *Row) MarshalJSON() ([]byte, error) {
	line := map[string]any{
		"suite": r.Suite, "row": r.Name, "engine": r.Engine, "version": r.Version, "n": len(r.sample), "unit": "ms",
		"answers": r.Answers, "valid": r.Valid,
	}
	if len(r.sample) > 0 {
		line["p50"], line["p95"], line["p99"], line["noisy"] = r.quantile(.50), r.quantile(.95), r.quantile(.99), r.noisy()
	}
	if r.Ratio > 0 {
		line["ratio"] = r.Ratio
	}
	if r.Target != "" {
		line["target"], line["met"] = r.Target, r.Met
	}
	return json.Marshal(line)
}

// against sets how many times slower than ours the row is and, where least is above 0, holds
// that against the target.
func (r *Row) against(base *Row, least float64) {
	r.Ratio = r.quantile(.5) / base.quantile(.5)
	if least > 0 {
		r.Target, r.Met = fmt.Sprintf("facegate ≥ %g × faster: %.1f ×", least, r.Ratio), r.Ratio >= least
	}
}

// A Report is what one run measured.
type Report struct {
	Machine Machine
	Rows    []*Row
}

func (r *Report) add(row Row) *Row {
	r.Rows = append(r.Rows, &row)
	return &row
}

// Row is the first row of the given name and engine, nil where there is none.
func (r *Report) Row(name, engine string) *Row {
	for _, row := range r.Rows {
		if row.Name == name && row.Engine == engine {
			return row
		}
	}
	return nil
}

// Sound reports whether the run may be quoted: every answer is right and no row is noisy.
// A target that is missed does not count against it.
func (r *Report) Sound() bool {
	for _, row := range r.Rows {
		if !row.Absent && (!row.Valid || row.noisy()) {
			return false
		}
	}
	return true
}

// WriteJSON writes the machine and then one row a line.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	if err := enc.Encode(map[string]Machine{"machine": r.Machine}); err != nil {
		return err
	}
	for _, row := range r.Rows {
		if err := enc.Encode(row); err != nil {
			return err
		}
	}
	return nil
}

// WriteText prints the table for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	table := [][]string{{"", "engine", "n", "p50 ms", "p95", "p99", "× ours", "answers", ""}}
	width := make([]int, len(table[0]))
	for _, row := range r.Rows {
		table = append(table, row.cells())
	}
	for _, cells := range table {
		for i, c := range cells {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Machine)
	suite := ""
	for i, cells := range table {
		if i > 0 && r.Rows[i-1].Suite != suite {
			suite = r.Rows[i-1].Suite
			fmt.Fprintf(&b, "\n%s\n", suite)
		}
		var line strings.Builder
		for k, c := range cells {
			pad := strings.Repeat(" ", width[k]-len([]rune(c)))
			if k >= 2 && k <= 6 {
				c, pad = pad+c, ""
			}
			line.WriteString("  " + c + pad)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	missed, noisy, wrong := r.count()
	fmt.Fprintf(&b, "\n%d rows; targets missed: %d, answers wrong: %d, noisy: %d", len(r.Rows), missed, wrong, noisy)
	if noisy > 0 {
		b.WriteString(" (the halves of a noisy row differ by more than 10 %: repeat the run before quoting it)")
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) count() (missed, noisy, wrong int) {
	for _, row := range r.Rows {
		if row.Target != "" && !row.Met {
			missed++
		}
		if !row.Absent && !row.Valid {
			wrong++
		}
		if row.noisy() {
			noisy++
		}
	}
	return missed, noisy, wrong
}

func (r *Row) cells() []string {
	engine := r.Engine
	if r.Engine != ours && r.Version != "" {
		engine += " " + r.Version
	}
	if r.Absent {
		return []string{r.Name, engine, "", "", "", "", "", r.Answers, ""}
	}
	ratio := ""
	if r.Ratio > 0 {
		ratio = fmt.Sprintf("%.2f", r.Ratio)
	}
	var notes []string
	if !r.Valid {
		notes = append(notes, "INVALID")
	}
	if r.Target != "" {
		notes = append(notes, r.Target+map[bool]string{true: ", met", false: ", MISSED"}[r.Met])
	}
	if r.noisy() {
		notes = append(notes, "noisy")
	}
	return []string{
		r.Name, engine, fmt.Sprint(len(r.sample)), figure(r.quantile(.50)), figure(r.quantile(.95)), figure(r.quantile(.99)), ratio,
		r.Answers, strings.Join(notes, "; "),
	}
}

// figure is a time in milliseconds with three digits.
func figure(ms float64) string {
	switch {
	case ms >= 100:
		return fmt.Sprintf("%.0f", ms)
	case ms >= 10:
		return fmt.Sprintf("%.1f", ms)
	case ms >= 1:
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.4f", ms)
}
