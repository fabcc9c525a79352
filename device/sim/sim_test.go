package sim_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"facegate/device"
	"facegate/device/devicetest"
	"facegate/device/sim"
)

// An entry is a line of the log as a reader outside sees it.
type entry struct {
	Time int64  `json:"t_ns"`
	Line string `json:"line"`
	On   bool   `json:"on"`
	Why  string `json:"why"`
}

func readLog(t *testing.T, path string) []entry {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []entry
	for text := range strings.Lines(string(data)) {
		var e entry
		if !strings.HasSuffix(text, "\n") {
			t.Fatalf("line %q has no end", text)
		}
		if json.Unmarshal([]byte(text), &e) == nil {
			got = append(got, e)
		}
	}
	return got
}

// told drops the times, after checking that they are of today and in order.
func told(t *testing.T, entries []entry) []entry {
	t.Helper()
	var last int64
	for i, e := range entries {
		if d := time.Since(time.Unix(0, e.Time)); e.Time < last || d < 0 || d > time.Hour {
			t.Errorf("line %d has time %d after %d", i, e.Time, last)
		}
		last, entries[i].Time = e.Time, 0
	}
	return entries
}

func open(t *testing.T, path string, o sim.Options) *sim.Board {
	t.Helper()
	b, err := sim.Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // a test may have closed or broken it
	return b
}

func TestRelaySuite(t *testing.T) {
	for _, inert := range []bool{false, true} {
		devicetest.TestRelay(t, func(t *testing.T) devicetest.RelayRig {
			path := filepath.Join(t.TempDir(), "sim.log")
			b := open(t, path, sim.Options{Inert: inert})
			return devicetest.RelayRig{
				Relay: b.Relay(), Inert: inert,
				Edges: func() int { return len(readLog(t, path)) },
				Energised: func() bool {
					on := inert
					for _, e := range readLog(t, path) {
						on = e.On
					}
					return on
				},
			}
		})
	}
}

func TestInputSuite(t *testing.T) {
	devicetest.TestInput(t, func(t *testing.T) devicetest.InputRig {
		b := open(t, "", sim.Options{})
		return devicetest.InputRig{Input: b.Input("rex"), Drive: func(active bool) {
			if err := b.Drive("rex", active); err != nil {
				t.Error(err)
			}
		}}
	})
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sim.log")
	b := open(t, path, sim.Options{})
	relay := b.Relay()
	b.Why("grant 17")
	steps := []error{
		relay.Set(true), relay.Set(true), b.Drive("contact", true), b.Drive("contact", true),
		relay.Halt(), b.Drive("contact", false), b.Drive("rex", false),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{Line: "relay", On: true, Why: "grant 17"},
		{Line: "contact", On: true, Why: "driven"},
		{Line: "relay", On: false},
		{Line: "contact", On: false, Why: "driven"},
	}
	if got := told(t, readLog(t, path)); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLogAfterAnEarlierRun(t *testing.T) {
	on := `{"t_ns":1,"line":"relay","on":true,"why":"a"}` + "\n"
	off := `{"t_ns":2,"line":"relay","on":false,"why":"b"}` + "\n"
	drop := entry{Line: "relay", On: false, Why: "left by an earlier run"}
	tests := []struct {
		name, before string
		want         []entry
	}{
		{"dropped", on + off, nil},
		{"energised", on, []entry{drop}},
		{"energised, then an input", on + `{"t_ns":2,"line":"rex","on":false,"why":"driven"}` + "\n", []entry{drop}},
		{"torn last line", on + off + `{"t_ns":3,"line":"rel`, nil},
		{"not a log", strings.Repeat("x", 10_000) + "\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sim.log")
			if err := os.WriteFile(path, []byte(tt.before), 0o600); err != nil {
				t.Fatal(err)
			}
			open(t, path, sim.Options{})
			var got []entry
			for _, e := range readLog(t, path) {
				if e.Time > 2 {
					got = append(got, e)
				}
			}
			if got = told(t, got); !slices.Equal(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestBreak(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sim.log")
	b := open(t, path, sim.Options{})
	relay, rex := b.Relay(), b.Input("rex")
	if err := relay.Set(true); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- rex.Watch(t.Context(), func(device.Edge) {}) }()
	b.Break(device.ErrGone)
	if err := <-done; !errors.Is(err, device.ErrGone) {
		t.Errorf("watch: got %v, want ErrGone", err)
	}
	if _, err := rex.Active(); !errors.Is(err, device.ErrGone) {
		t.Errorf("active: got %v, want ErrGone", err)
	}
	if err := relay.Halt(); !errors.Is(err, device.ErrGone) {
		t.Errorf("halt: got %v, want ErrGone", err)
	}
	b.Break(nil)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	got := told(t, readLog(t, path))
	if want := []entry{{Line: "relay", On: true}, {Line: "relay", On: false}}; !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOpenNamesThePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent", "sim.log")
	if _, err := sim.Open(path, sim.Options{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
}
