package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/models"
)

// A stranger is a peer that answers what it is told to.
type stranger struct {
	name   string
	absent bool
	look   Look
	looked int
	closed bool
}

func (p *stranger) Name() string { return p.name }

func (p *stranger) Open(context.Context) (string, error) {
	if p.absent {
		return "", fmt.Errorf("look for it: %w", ErrNotInstalled)
	}
	return "1.0", nil
}

func (p *stranger) Look(_ context.Context, file string, width, height, runs int) (Look, error) {
	p.looked += runs
	if info, err := os.Stat(file); err != nil || info.Size() != int64(3*width*height) {
		return Look{}, fmt.Errorf("%s has not %d × %d pixels: %w", file, width, height, err)
	}
	l := p.look
	for range runs {
		l.Millis = append(l.Millis, 1000)
	}
	return l, nil
}

func (p *stranger) Close() error { p.closed = true; return nil }

// The smallest run has every row, and every row the right answers.
func TestRun(t *testing.T) {
	home := sharedtest.Home(t)
	set, err := models.Open(home)
	if err != nil {
		t.Fatal(err)
	}
	portrait, err := set.Demo("astronaut")
	if err != nil {
		t.Skip("the portrait of the demonstration is not installed: run facegate setup")
	}
	right := &stranger{name: "@vladmandic/human", look: Look{Faces: 1, Embedding: 7}}
	wrong := &stranger{name: "blind"}
	absent := &stranger{name: "face_recognition", absent: true}
	report, err := Run(t.Context(), Options{
		Runs: 4, Gallery: 300, Load: sharedtest.Loader(t), List: set.List(), Portrait: portrait,
		Peers: []Peer{right, wrong, absent}, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Rows {
		if r.Engine == ours && (!r.Valid || r.quantile(.5) < 0 || len(r.sample) == 0) {
			t.Errorf("%s: valid %v, %d runs, answers %q", r.Name, r.Valid, len(r.sample), r.Answers)
		}
	}
	const faceRow = "frame with a face, RGB24"
	answers := map[string]string{
		"frame with a face, YUYV":                    "1 face(s), 384 numbers, ok",
		"frame with a face, YUYV: all but inference": "1 face(s), 384 numbers, ok",
		"frame with a face, NV12":                    "1 face(s), 384 numbers, ok",
		faceRow:                                      "1 face(s), 384 numbers, ok",
		"empty frame, YUYV":                          "no face",
		"detector alone: short, then full range, inference only":          "no face",
		"empty frame, YUYV, unchanged: the gate spares it":                "no face",
		"visit: decide, record (synchronous FULL), unlock by doord (sim)": "8 visits, 8 grants, 8 pulses",
		"rules alone":              "grant",
		"search 300 × 384, exact":  "first person right ",
		"search 3000 × 384, exact": "first person right ",
		"NV12 to RGB":              "",
		"detect_short":             "",
	}
	for name, want := range answers {
		r := report.Row(name, ours)
		if r == nil {
			t.Errorf("no row %q", name)
		} else if want != "" && !strings.HasPrefix(r.Answers, want) {
			t.Errorf("%s: answers %q, want %q", name, r.Answers, want)
		}
	}
	if r := report.Row(faceRow, right.name); r == nil || !r.Valid || r.Ratio <= 1 || !strings.Contains(r.Target, "≥ 8 ×") {
		t.Errorf("the peer that is right: %+v", r)
	}
	if r := report.Row(faceRow, wrong.name); r == nil || r.Valid || r.Answers != "0 face(s), 0 numbers" {
		t.Errorf("the peer that sees nothing: %+v", r)
	}
	if r := report.Row(faceRow, absent.name); r == nil || !r.Absent || r.Answers != "not installed" {
		t.Errorf("the peer that is not there: %+v", r)
	}
	if report.Sound() {
		t.Error("a report with a wrong answer is sound")
	}
	if !right.closed || right.looked < rounds {
		t.Errorf("the peer looked %d times; closed: %v", right.looked, right.closed)
	}
	checkJSON(t, report)
	checkText(t, report)
}

func checkJSON(t *testing.T, report *Report) {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(&b); lines.Scan(); n++ {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("line %d: %v: %s", n, err, lines.Text())
		}
		keys := []string{"suite", "row", "engine", "version", "n", "unit", "answers", "valid"}
		if n == 0 {
			keys = []string{"machine"}
		} else if line["answers"] != "not installed" {
			keys = append(keys, "p50", "p95", "p99")
		}
		for _, k := range keys {
			if _, ok := line[k]; !ok {
				t.Errorf("line %d has no %q: %s", n, k, lines.Text())
			}
		}
	}
	if n != 1+len(report.Rows) {
		t.Errorf("got %d lines, want one for the machine and %d for rows", n, len(report.Rows))
	}
}

func checkText(t *testing.T, report *Report) {
	t.Helper()
	var b strings.Builder
	if err := report.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{report.Machine.CPU, "p50 ms", "\ndecision\n", "\nmatch\n", "INVALID", "not installed", "answers wrong: 1,"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, b.String())
		}
	}
}

func TestRunRefusesAnUnknownSuite(t *testing.T) {
	if _, err := Run(t.Context(), Options{Suites: []string{"speed"}}); err == nil || !strings.Contains(err.Error(), "speed") {
		t.Errorf("got %v, want an error that names the suite", err)
	}
}

func TestSample(t *testing.T) {
	steady := sample{1, 2, 3, 4, 5, 3, 1, 2, 3, 4, 5, 3}
	if p50, p95 := steady.quantile(.5), steady.quantile(.95); p50 != 3 || p95 != 5 {
		t.Errorf("got p50 %v, p95 %v; want 3, 5", p50, p95)
	}
	if steady.noisy() {
		t.Errorf("halves with the same median are noisy: %v", steady.apart())
	}
	if rising := (sample{1, 1, 1, 1.2, 1.2, 1.2}); !rising.noisy() {
		t.Errorf("halves 20 %% apart are not noisy: %v", rising.apart())
	}
	if steady[0] != 1 || steady[4] != 5 {
		t.Errorf("the order of the runs is lost: %v", steady)
	}
}

// A row is measured again while it is noisy, three times at most, and the quietest counts.
func TestQuietest(t *testing.T) {
	takes := []sample{{1, 2}, {1, 1.5}, {1, 3}, {1, 1}}
	n := 0
	s, err := quietest(t.Context(), func() (sample, error) { n++; return takes[n-1], nil })
	if err != nil || n != attempts || s[1] != 1.5 {
		t.Errorf("got %v after %d, %v; want the second of three", s, n, err)
	}
}
