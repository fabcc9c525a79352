package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("update", false, "write the golden files anew")

// vectors are events that show every rule of the canonical form.
func vectors() []Event {
	at := time.Date(2026, 3, 4, 12, 0, 0, 7_999_999, time.FixedZone("CET", 3600))
	return []Event{
		{
			Seq: 1, ID: "019cb8a1-0c00-7000-8000-000000000001", Time: at, Clock: ClockUnsure, Kind: KindStarted, Source: SourceSystem,
		},
		{
			Seq: 2, ID: "019cb8a1-0c00-7000-8000-000000000002", Time: at, Clock: ClockSynced, Kind: KindGranted, Person: "p-88", Door: "main",
			Scores: Scores{Match: new(96.0), Margin: new(0.123456), Liveness: new(0.97), Mask: new(0.00004), Head: new(-0.00001)},
			Models: map[string]string{"mesh": "m3", "embed": "e1+e2"}, Policy: 12, Source: SourceCamera,
		},
		{
			Seq: 3, ID: "019cb8a1-0c00-7000-8000-000000000003", Time: at, Clock: ClockSynced, Kind: KindDenied, Reason: ReasonSpoof, Door: "main",
			Scores: Scores{Liveness: new(0.0312)}, Policy: 12, Source: SourceCamera,
		},
		{
			Seq: 4, ID: "019cb8a1-0c00-7000-8000-000000000004", Time: at, Clock: ClockSynced, Kind: KindTemplateAdded, Person: `ü "q" \ <&> ` + "\u2028",
			Source: SourceAdmin("ada"), Data: map[string]string{"template": "7f", "model": "e1+e2"},
		},
	}
}

// TestGolden holds the bytes and hashes that other programs verify.
func TestGolden(t *testing.T) {
	var out bytes.Buffer
	prev := Hash{}
	for _, e := range vectors() {
		e, body, err := e.Chain(prev)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(e.Line()) {
			t.Errorf("event %d is not JSON: %s", e.Seq, e.Line())
		}
		fmt.Fprintf(&out, "%s\n%s\n", body, e.Hash)
		prev = e.Hash
	}
	file := filepath.Join("testdata", "chain.golden")
	if *rewrite {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("canonical events changed: chains written before no longer verify (-want +got)\n%s", diff)
	}
}

func TestEventLine(t *testing.T) {
	e, body, err := vectors()[1].Chain(Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	line := e.Line()
	want := strings.TrimSuffix(string(body), "}") + `,"prev":"01` + strings.Repeat("0", 62) + `","hash":"` + e.Hash.String() + `"}`
	if diff := cmp.Diff(want, string(line)); diff != "" {
		t.Error(diff)
	}
	var back Event // what a reader of the line gets
	if err := json.Unmarshal(line, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, back); diff != "" {
		t.Errorf("read back (-want +got)\n%s", diff)
	}
}

func TestDecodeEvent(t *testing.T) {
	for _, e := range vectors() {
		e, body, err := e.Chain(Hash{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeEvent(body)
		e.Prev, e.Hash = Hash{}, Hash{}
		if diff := cmp.Diff(e, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", body, err, diff)
		}
	}
	_, good, err := vectors()[2].Chain(Hash{})
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing":         "",
		"not JSON":        "x",
		"white space":     string(good) + " ",
		"a second":        string(good) + string(good),
		"a new member":    strings.Replace(string(good), `"policy"`, `"x":1,"policy"`, 1),
		"a double member": strings.Replace(string(good), `"policy"`, `"policy":3,"policy"`, 1),
		"another order":   strings.Replace(string(good), `"seq":3,"id"`, `"id"`, 1),
		"another number":  strings.Replace(string(good), `0.0312`, `3.12e-2`, 1),
		"a long number":   strings.Replace(string(good), `0.0312`, `0.03120`, 1),
		"another letter":  strings.Replace(string(good), `"main"`, `"\u006dain"`, 1),
		"another zone":    strings.Replace(string(good), `Z"`, `+00:00"`, 1),
		"an unknown kind": strings.Replace(string(good), `access.denied`, `access.dented`, 1),
		"too long":        strings.Repeat(" ", MaxEvent+1),
	} {
		if bad == string(good) {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := DecodeEvent([]byte(bad)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, ErrInvalid)
		}
	}
}

func TestEventsThatAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Event){
		"no number":        func(e *Event) { e.Seq = 0 },
		"no id":            func(e *Event) { e.ID = "" },
		"no kind":          func(e *Event) { e.Kind = "" },
		"a new reason":     func(e *Event) { e.Reason = "bad_mood" },
		"no source":        func(e *Event) { e.Source = "" },
		"no clock":         func(e *Event) { e.Clock = "" },
		"year 10000":       func(e *Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"not a number":     func(e *Event) { e.Scores.Match = new(math.NaN()) },
		"an infinite one":  func(e *Event) { e.Scores.Head = new(math.Inf(-1)) },
		"not UTF-8":        func(e *Event) { e.Door = "\xff" },
		"a control letter": func(e *Event) { e.Data = map[string]string{"a": "b\n"} },
		"a long person":    func(e *Event) { e.Person = strings.Repeat("x", 129) },
	} {
		e := vectors()[1]
		change(&e)
		if _, _, err := e.Chain(Hash{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, ErrInvalid)
		}
	}
}

// What decodes is spelled in one way only, and hashes as it did.
func FuzzDecodeEvent(f *testing.F) {
	for _, e := range vectors() {
		_, body, err := e.Chain(Hash{})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := DecodeEvent(body)
		if err != nil {
			return
		}
		again, spelled, err := e.Chain(Hash{9})
		if err != nil || !bytes.Equal(spelled, body) || again.Hash != Link(Hash{9}, body) {
			t.Errorf("%q decodes and is spelled %q, %v", body, spelled, err)
		}
	})
}

func BenchmarkChain(b *testing.B) {
	e := vectors()[1]
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := e.Chain(Hash{}); err != nil {
			b.Fatal(err)
		}
	}
}

// The check that docs/audit.md prints works on what this package writes.
func TestCheckInTheManual(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("needs python3")
	}
	page, err := os.ReadFile(filepath.Join("..", "docs", "audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(page), "```python\n")
	script, _, ok := strings.Cut(script, "```")
	if !ok {
		t.Fatal("no script in docs/audit.md")
	}
	var lines []string
	prev := Hash{}
	for i, score := range []float64{0, 1, 0.5, 0.0001, 0.00012, 99.9999, 1.0 / 3, 100, -0.25} {
		for _, e := range vectors() {
			e.Seq = uint64(len(lines) + 1)
			e.Scores.Match, e.Policy = &score, uint64(i)*1e15
			e, _, err := e.Chain(prev)
			if err != nil {
				t.Fatal(err)
			}
			lines, prev = append(lines, string(e.Line())), e.Hash
		}
	}
	check := func(lines []string) (string, error) {
		cmd := exec.CommandContext(t.Context(), python, "-c", script)
		cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8")
		cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	want := fmt.Sprintf("%d events, %s", len(lines), prev)
	if out, err := check(lines); err != nil || out != want {
		t.Errorf("a good chain: %q, %v, want %q", out, err, want)
	}
	lines[6] = strings.Replace(lines[6], "spoof", "blocked", 1)
	if out, err := check(lines); err == nil || out != "first bad event: 7" {
		t.Errorf("an edited chain: %q, %v", out, err)
	}
}
