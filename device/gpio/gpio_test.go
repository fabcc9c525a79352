package gpio

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"

	"facegate/device"
	"facegate/device/devicetest"
)

func TestRelaySuite(t *testing.T) {
	for _, o := range []RelayOptions{{}, {ActiveLow: true}, {Inert: true}, {ActiveLow: true, Inert: true}} {
		devicetest.TestRelay(t, func(t *testing.T) devicetest.RelayRig {
			k := &kernel{level: gpio.Level(o.ActiveLow)} // the board's resistor keeps it dropped
			r, err := NewRelay(k.pin(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			k.told()
			edges := 0
			return devicetest.RelayRig{
				Relay: r, Inert: o.Inert,
				Energised: func() bool { return bool(k.shows()) != o.ActiveLow },
				Edges: func() int {
					edges += len(k.told())
					return edges
				},
			}
		})
	}
}

func TestInputSuite(t *testing.T) {
	for _, o := range []InputOptions{{}, {ActiveLow: true, Pull: gpio.PullUp}} {
		devicetest.TestInput(t, func(t *testing.T) devicetest.InputRig {
			k := &kernel{level: gpio.Level(o.ActiveLow)}
			in, err := newInput(k.pin(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = in.Close() })
			return devicetest.InputRig{Input: in, Drive: func(active bool) { k.drive(gpio.Level(active != o.ActiveLow)) }}
		})
	}
}

// What the adapter tells the kernel, call by call.
func TestPinTellsTheKernel(t *testing.T) {
	k := &kernel{}
	p := k.pin()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if p.Func() != "" || p.Read() == gpio.High || p.WaitForEdge(0) {
		t.Error("a line that was not requested has a function, a level or an edge")
	}
	expectTrace(t, k)
	must(p.Out(gpio.High))
	expectTrace(t, k, "request out High")
	if p.Read() != gpio.High || p.Func() != gpio.OUT || p.Pull() != gpio.PullNoChange {
		t.Error("the output does not read back")
	}
	expectTrace(t, k) // reading left it an output
	must(p.Out(gpio.Low))
	must(p.Out(gpio.Low))
	expectTrace(t, k, "set Low")
	must(p.In(gpio.PullUp, gpio.BothEdges))
	expectTrace(t, k, "release", "request in PullUp BothEdges")
	if k.last.debounce != Debounce || p.Func() != gpio.IN || p.Pull() != gpio.PullUp {
		t.Errorf("got %+v, %v, %v", k.last, p.Func(), p.Pull())
	}
	must(p.Halt())
	expectTrace(t, k)
	must(p.Close())
	must(p.Close())
	expectTrace(t, k, "release")
	if p.PWM(gpio.DutyHalf, 0) == nil || p.SetFunc(gpio.OUT) == nil {
		t.Error("PWM or SetFunc was accepted")
	}
	if p.String() != "gpiochip0:17" || p.Number() != 17 {
		t.Errorf("got %s, %d", p, p.Number())
	}
}

func TestWaitForEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kernel{}
		p := k.pin()
		if err := p.In(gpio.PullNoChange, gpio.BothEdges); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if p.WaitForEdge(0) || p.WaitForEdge(time.Second) || time.Since(start) != time.Second {
			t.Errorf("without an edge: waited %v, want 1s", time.Since(start))
		}
		k.drive(gpio.High)
		k.drive(gpio.Low)
		for _, want := range []bool{true, true, false} {
			if got := p.WaitForEdge(0); got != want {
				t.Errorf("two edges came before: got %v, want %v", got, want)
			}
		}
		time.AfterFunc(time.Hour, func() { k.drive(gpio.High) })
		if !p.WaitForEdge(-1) {
			t.Error("a wait without a timeout ended without an edge")
		}
		for _, end := range []func() error{p.Halt, p.Close} {
			if err := p.In(gpio.PullNoChange, gpio.BothEdges); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(time.Minute, func() { _ = end() })
			if p.WaitForEdge(-1) {
				t.Error("a wait that was ended says that an edge came")
			}
		}
		if err := p.In(gpio.PullNoChange, gpio.BothEdges); err != nil {
			t.Fatal(err)
		}
		k.drive(gpio.Low)
		if err := p.In(gpio.PullNoChange, gpio.RisingEdge); err != nil {
			t.Fatal(err)
		}
		if p.WaitForEdge(0) {
			t.Error("an edge of the time before In was reported")
		}
		for range maxEvents + 10 { // nobody reads
			k.drive(gpio.High)
			k.drive(gpio.Low)
		}
		e, err := p.WaitForEvent(t.Context())
		if err != nil || e.Seq != 11 || e.Level != gpio.High {
			t.Errorf("got %+v, %v; want the oldest of the newest %d, number 11", e, err, maxEvents)
		}
	})
}

func TestErrorsHaveMeaning(t *testing.T) {
	k := &kernel{}
	other := k.pin()
	if err := other.Out(gpio.Low); err != nil {
		t.Fatal(err)
	}
	_, err := NewRelay(k.pin(), RelayOptions{})
	if !errors.Is(err, device.ErrInUse) || !strings.Contains(err.Error(), `held by "test"`) {
		t.Errorf("second owner: got %v, want ErrInUse that names the holder", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}

	r, err := NewRelay(k.pin(), RelayOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.unplug()
	for range 2 {
		if err := r.Set(true); !errors.Is(err, device.ErrGone) {
			t.Errorf("chip unplugged: got %v, want ErrGone", err)
		}
	}
	k.told()
	k.plug()
	if err := r.Set(true); err != nil {
		t.Errorf("chip back: %v", err)
	}
	expectTrace(t, k, "request out High")
}

// On a machine without the chip: the error says that it is not there.
func TestChipAbsent(t *testing.T) {
	l := Line{Chip: t.TempDir() + "/gpiochip99"}
	if _, err := OpenRelay(l, RelayOptions{}); !errors.Is(err, device.ErrGone) {
		t.Errorf("OpenRelay: got %v, want ErrGone", err)
	}
	if _, err := OpenInput(l, InputOptions{}); !errors.Is(err, device.ErrGone) {
		t.Errorf("OpenInput: got %v, want ErrGone", err)
	}
}

func TestParseLine(t *testing.T) {
	tests := []struct {
		chip, line string
		want       Line
		ok         bool
	}{
		{"gpiochip0", "17", Line{Chip: "gpiochip0", Offset: 17}, true},
		{"", "RELAY", Line{Name: "RELAY"}, true},
		{"gpiochip0", "GPIO17", Line{Chip: "gpiochip0", Name: "GPIO17"}, true},
		{"", "17", Line{}, false},
		{"gpiochip0", "-1", Line{}, false},
		{"gpiochip0", "", Line{}, false},
	}
	for _, tt := range tests {
		if got, err := ParseLine(tt.chip, tt.line); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q %q: got %+v, %v", tt.chip, tt.line, got, err)
		}
	}
}

// watching starts a watch in a synctest bubble.
func watching(t *testing.T, in *Input) (edges chan device.Edge, done chan error) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	edges, done = make(chan device.Edge, 100), make(chan error, 1)
	go func() { done <- in.Watch(ctx, func(e device.Edge) { edges <- e }) }()
	synctest.Wait()
	return edges, done
}

func TestLostEdgesAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kernel{}
		in, err := newInput(k.pin(), InputOptions{})
		if err != nil {
			t.Fatal(err)
		}
		k.drive(gpio.High) // before the watch: neither reported nor counted
		k.drive(gpio.Low)
		edges, _ := watching(t, in)
		expect := func(active bool, seq uint32) {
			t.Helper()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			select {
			case e := <-edges:
				if e.Active != active || e.Seq != seq {
					t.Errorf("got %+v, want active %v with number %d", e, active, seq)
				}
			default:
				t.Errorf("got no edge, want active %v with number %d", active, seq)
			}
		}
		k.drive(gpio.High)
		expect(true, 1)
		k.mute = 1
		k.drive(gpio.Low) // lost, but the level shows it
		expect(false, 2)
		k.mute = 2
		k.drive(gpio.High)
		k.drive(gpio.Low)  // a pulse that is lost as a whole
		k.drive(gpio.High) // shows in the count
		expect(true, 5)
		k.drive(gpio.Low)
		expect(false, 6)
		time.Sleep(time.Hour)
		if len(edges) != 0 {
			t.Errorf("got %d edges of a wire at rest", len(edges))
		}
	})
}

func TestWatchSurvivesNoChip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &kernel{}
		in, err := newInput(k.pin(), InputOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, done := watching(t, in)
		k.unplug()
		start := time.Now()
		if err := <-done; !errors.Is(err, device.ErrGone) || time.Since(start) > 2*time.Second {
			t.Errorf("got %v after %v, want ErrGone within 2s", err, time.Since(start))
		}
		if _, err := in.Active(); !errors.Is(err, device.ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
		k.plug()
		edges, _ := watching(t, in)
		k.drive(gpio.High)
		if e := <-edges; !e.Active {
			t.Errorf("got %+v, want an active edge", e)
		}
	})
}
