//go:build vm

package gpio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"facegate/device"
	"facegate/device/devicetest"
)

// These tests run on the kernel's gpio-sim, as test/vm sets it up: a chip with the lines
// RELAY, DOOR, EXIT, TAMPER and LED, and tracing of every set and direction.

const (
	trace = "/sys/kernel/tracing/trace"
	live  = "/sys/kernel/config/gpio-sim/kiosk/live"
)

// lines are the simulated chip's, in its order.
var lines = []string{"RELAY", "DOOR", "EXIT", "TAMPER", "LED"}

func named(name string) Line { return Line{Name: name} }

// attribute is a file of the simulated chip's line.
func attribute(t *testing.T, l Line, name string) string {
	t.Helper()
	m, err := filepath.Glob(fmt.Sprintf("/sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio%d/%s", slices.Index(lines, l.Name), name))
	if err != nil || len(m) != 1 {
		t.Fatalf("no %s of line %s: %v, %v", name, l, m, err)
	}
	return m[0]
}

// pull moves the wire of an input, and is the resistor on that of an output.
func pull(t *testing.T, l Line, up gpio.Level) {
	t.Helper()
	v := "pull-down"
	if up {
		v = "pull-up"
	}
	write(t, attribute(t, l, "pull"), v)
}

func write(t *testing.T, path, v string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(v), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shows is the level of the wire.
func shows(t *testing.T, l Line) gpio.Level {
	t.Helper()
	v, err := os.ReadFile(attribute(t, l, "value"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(v)) == "1"
}

// traced is what the kernel did to lines since the trace was cleared, in its own words:
// "gpio_value: 1016 set 1", "gpio_direction: 1016 out (0)".
func traced(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for line := range strings.Lines(string(data)) {
		if i := strings.Index(line, "gpio_"); i >= 0 && !strings.HasPrefix(line, "#") && !strings.Contains(line, " get ") {
			events = append(events, strings.TrimSpace(line[i:]))
		}
	}
	return events
}

func clearTrace(t *testing.T) { write(t, trace, "\n") }

// driven is the levels that the events set, one after the other.
func driven(events []string) (levels []gpio.Level) {
	for _, e := range events {
		if v, ok := strings.CutPrefix(e, "gpio_value: "); ok {
			levels = append(levels, gpio.Level(strings.HasSuffix(v, "set 1")))
		}
	}
	return levels
}

func TestVMRelaySuite(t *testing.T) {
	l := named("RELAY")
	for _, o := range []RelayOptions{{}, {ActiveLow: true}, {Inert: true}, {ActiveLow: true, Inert: true}} {
		devicetest.TestRelay(t, func(t *testing.T) devicetest.RelayRig {
			r, err := OpenRelay(l, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
			clearTrace(t)
			level := shows(t, l)
			return devicetest.RelayRig{
				Relay: r, Inert: o.Inert,
				Energised: func() bool { return bool(shows(t, l)) != o.ActiveLow },
				Edges: func() (n int) {
					last := level
					for _, v := range driven(traced(t)) {
						if v != last {
							n++
						}
						last = v
					}
					return n
				},
			}
		})
	}
}

// From the request on the line shows the inert level and nothing else, before it is an
// output and after.
func TestVMNoGlitch(t *testing.T) {
	l := named("RELAY")
	for _, o := range []RelayOptions{{}, {ActiveLow: true}, {Inert: true}} {
		inert := gpio.Level(o.Inert != o.ActiveLow)
		pull(t, l, inert) // the resistor on the board
		clearTrace(t)
		r, err := OpenRelay(l, o)
		if err != nil {
			t.Fatal(err)
		}
		events := traced(t)
		t.Logf("%+v: %q", o, events)
		if len(events) < 2 || !strings.HasPrefix(events[0], "gpio_value") || !strings.Contains(events[1], "out (0)") {
			t.Errorf("%+v: got %q, want the level first, then the direction", o, events)
		}
		for _, v := range driven(events) {
			if v != inert {
				t.Errorf("%+v: the line showed %v", o, v)
			}
		}
		if err := r.Set(!o.Inert); err != nil {
			t.Fatal(err)
		}
		clearTrace(t)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if got := driven(traced(t)); len(got) == 0 || got[0] != inert {
			t.Errorf("%+v: closing an energised relay drove %v, want %v", o, got, inert)
		}
		if got := shows(t, l); got != inert {
			t.Errorf("%+v: after close the line shows %v, want the resistor's %v", o, got, inert)
		}
	}
}

// A process that is killed leaves the line to the resistor.
func TestVMKilledOwner(t *testing.T) {
	if os.Getenv("FACEGATE_HOLD") != "" {
		r, err := OpenRelay(named("RELAY"), RelayOptions{})
		if err == nil {
			err = r.Set(true)
		}
		fmt.Println("held", err)
		<-time.After(time.Hour)
	}
	l := named("RELAY")
	for _, sig := range []unix.Signal{unix.SIGKILL, unix.SIGTERM} {
		pull(t, l, gpio.Low)
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestVMKilledOwner$")
		cmd.Env = append(os.Environ(), "FACEGATE_HOLD=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said, _ := bufio.NewReader(out).ReadString('\n')
		if said != "held <nil>\n" || shows(t, l) != gpio.High {
			t.Fatalf("the child said %q, the line shows %v", said, shows(t, l))
		}
		_, err = OpenRelay(l, RelayOptions{})
		if !errors.Is(err, device.ErrInUse) || !strings.Contains(err.Error(), "facegate-relay") {
			t.Errorf("while another process holds the line: got %v, want ErrInUse that names it", err)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, so it fails
		if shows(t, l) != gpio.Low {
			t.Errorf("after %v the line still shows High", sig)
		}
	}
}

func TestVMInputSuite(t *testing.T) {
	for name, o := range map[string]InputOptions{
		"DOOR": {ActiveLow: true, Pull: gpio.PullUp},
		"EXIT": {Pull: gpio.PullDown},
	} {
		l := named(name)
		devicetest.TestInput(t, func(t *testing.T) devicetest.InputRig {
			in, err := OpenInput(l, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = in.Close() })
			if v := shows(t, l); v != gpio.Level(o.ActiveLow) {
				t.Fatalf("the chip's resistor was not set: the line shows %v", v)
			}
			return devicetest.InputRig{Input: in, Drive: func(active bool) { pull(t, l, gpio.Level(active != o.ActiveLow)) }}
		})
	}
}

func TestVMDebounce(t *testing.T) {
	l := named("EXIT")
	in, err := OpenInput(l, InputOptions{Pull: gpio.PullDown})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	edges, done := make(chan device.Edge, 100), make(chan error, 1)
	go func() { done <- in.Watch(ctx, func(e device.Edge) { edges <- e }) }()
	// heard collects edges until none has come for a while.
	heard := func() (got []device.Edge) {
		for {
			select {
			case e := <-edges:
				got = append(got, e)
			case <-time.After(300 * time.Millisecond):
				return got
			}
		}
	}
	for level := gpio.High; len(heard()) == 0; level = !level { // until the watch listens
		pull(t, l, level)
	}
	pull(t, l, gpio.Low)
	heard()

	wire, err := os.OpenFile(attribute(t, l, "pull"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer wire.Close()
	up := map[gpio.Level]string{gpio.Low: "pull-down", gpio.High: "pull-up"}
	to := gpio.High
	for n, deadline := 0, time.Now().Add(time.Minute); n < 4; {
		if time.Now().After(deadline) {
			t.Fatal("this machine is too slow to bounce within the debounce time")
		}
		slowest, last := time.Duration(0), time.Now()
		for i := range 7 { // three there and back, and there
			if _, err := wire.WriteAt([]byte(up[gpio.Level(i%2 == 0) == to]), 0); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			slowest, last = max(slowest, now.Sub(last)), now
		}
		got := heard()
		if slowest < Debounce/2 { // otherwise a bounce lasted as long as an edge
			n++
			t.Logf("bounces of at most %v: %d edge", slowest, len(got))
			if len(got) != 1 || got[0].Active != bool(to) {
				t.Errorf("got %+v, want one edge to %v", got, to)
			}
		}
		to = !to
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestVMWaysToNameALine(t *testing.T) {
	chip, offset, err := resolve(named("TAMPER"))
	if err != nil || offset != slices.Index(lines, "TAMPER") {
		t.Fatalf("got %s, %d, %v", chip, offset, err)
	}
	node := "/dev/" + filepath.Base(chip)
	link := filepath.Join(t.TempDir(), "gpiochip4") // as on a Raspberry Pi 5
	if err := os.Symlink(node, link); err != nil {
		t.Fatal(err)
	}
	for _, l := range []Line{
		{Chip: chip, Offset: offset},
		{Chip: node, Offset: offset},
		{Chip: link, Offset: offset},
		{Chip: "kiosk-io", Offset: offset},
		{Chip: "kiosk-io", Name: "TAMPER"},
		{Chip: "gone", Name: "TAMPER"},
	} {
		p := NewPin(l, "test", 0)
		if err := p.In(gpio.PullUp, gpio.NoEdge); err != nil || p.Read() != gpio.High {
			t.Errorf("%+v: %v, %v", l, err, p.Read())
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestVMNoSuchLine(t *testing.T) {
	for _, l := range []Line{{Chip: "no-such-label"}, {Name: "NO-SUCH-LINE"}, {Chip: "kiosk-io", Name: "NO-SUCH-LINE"}} {
		if _, err := OpenRelay(l, RelayOptions{}); !errors.Is(err, device.ErrGone) {
			t.Errorf("%+v: got %v, want ErrGone", l, err)
		}
	}
	if _, err := OpenRelay(Line{Chip: "kiosk-io", Offset: 99}, RelayOptions{}); err == nil {
		t.Error("line 99 of a chip with 8 was opened")
	}
}

// The chip vanishes while lines are held, and comes back.
func TestVMChipGone(t *testing.T) {
	relayLine, doorLine := named("RELAY"), named("DOOR")
	r, err := OpenRelay(relayLine, RelayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in, err := OpenInput(doorLine, InputOptions{ActiveLow: true, Pull: gpio.PullUp})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	done := make(chan error, 1)
	go func() { done <- in.Watch(t.Context(), func(device.Edge) {}) }()
	write(t, live, "0")
	began, before := time.Now(), cpu(t)
	select {
	case err := <-done:
		t.Logf("watch ended after %v and %v of CPU: %v", time.Since(began), cpu(t)-before, err)
		if !errors.Is(err, device.ErrGone) {
			t.Errorf("watch: got %v, want ErrGone", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the watch goes on without a chip")
	}
	for range 2 {
		if err := r.Set(true); !errors.Is(err, device.ErrGone) {
			t.Errorf("relay: got %v, want ErrGone", err)
		}
		if _, err := in.Active(); !errors.Is(err, device.ErrGone) {
			t.Errorf("input: got %v, want ErrGone", err)
		}
	}
	write(t, live, "1")
	chip, _, err := resolve(relayLine)
	t.Logf("the chip came back as %s, %v", chip, err)
	clearTrace(t)
	if err := r.Set(true); err != nil {
		t.Errorf("relay after the chip's return: %v", err)
	}
	if levels := driven(traced(t)); len(levels) != 1 || levels[0] != gpio.High {
		t.Errorf("the relay drove %v, want one High", levels)
	}
	if active, err := in.Active(); err != nil || active {
		t.Errorf("input after the chip's return: %v, %v", active, err)
	}
}

// cpu is the processor time that this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
