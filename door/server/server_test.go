package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"facegate/device"
	"facegate/device/devicetest"
	"facegate/door"
	"facegate/door/client"
	"facegate/door/journal"
	"facegate/door/server"
	"facegate/door/wire"
)

// patience is how long a test may hang before it fails.
const patience = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// A rig is a server on fakes.
type rig struct {
	relay   *devicetest.Relay
	rex     *devicetest.Input
	journal *journal.Journal
	socket  string
	stop    func() error
}

func start(t *testing.T, cfg door.Config, inputs map[string]device.Input) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "door") // shorter than t.TempDir: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{relay: devicetest.NewRelay(false), rex: devicetest.NewInput(), socket: filepath.Join(dir, "s")}
	if inputs == nil {
		inputs = map[string]device.Input{door.LineRex: r.rex}
	}
	listener, err := net.Listen("unix", r.socket)
	if err != nil {
		t.Fatal(err)
	}
	r.journal = journal.Open(filepath.Join(dir, "journal"), quiet)
	s := server.New(server.Options{Door: cfg, Relay: r.relay, Inputs: inputs, Journal: r.journal, Listener: listener, Log: quiet})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(dir)
	})
	return r
}

func (r *rig) dial(t *testing.T, role string) *client.Conn {
	t.Helper()
	c, err := client.Dial(t.Context(), r.socket, role)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// kinds waits for n events and returns their kinds.
func (r *rig) kinds(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	until(t, func() bool {
		events, _ := r.journal.After(r.journal.ID(), 0, n)
		out = nil
		for _, e := range events {
			out = append(out, e.Kind)
		}
		return len(out) == n
	})
	return out
}

func until(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	every := time.NewTicker(2 * time.Millisecond)
	defer every.Stop()
	for !ok() {
		select {
		case <-every.C:
		case <-deadline:
			t.Fatal("it never happens")
		}
	}
}

var short = door.Config{Unlock: 50 * time.Millisecond, MaxOn: 200 * time.Millisecond}

func TestARelayThatRefusesGrantsNothing(t *testing.T) {
	t.Parallel()
	r := start(t, short, nil)
	c := r.dial(t, wire.Controller)
	r.relay.Break(errors.New("busy"))
	if _, err := c.Unlock(t.Context(), 0, "grant"); !errors.Is(err, door.ErrRelay) {
		t.Fatalf("got %v", err)
	}
	if s, err := c.Status(t.Context()); err != nil || s.Unlocked || s.Fault == "" {
		t.Errorf("got %+v, %v", s, err)
	}
	r.relay.Break(nil)
	until(t, func() bool {
		s, err := c.Status(t.Context())
		return err == nil && s.Fault == ""
	})
	if edges := r.relay.Edges(); len(edges) != 0 {
		t.Errorf("the door moved by itself: %+v", edges)
	}
	if _, err := c.Unlock(t.Context(), 0, "again"); err != nil {
		t.Error(err)
	}
	want := []string{door.HealthRaised, door.HealthCleared, door.Unlocked, door.Locked}
	if got := r.kinds(t, 4); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAnInputThatFailsIsSaidAndWorksAgain(t *testing.T) {
	t.Parallel()
	r := start(t, short, nil)
	r.rex.Break(device.ErrGone)
	r.kinds(t, 1)
	r.rex.Break(nil)
	if got, want := r.kinds(t, 2), []string{door.HealthRaised, door.HealthCleared}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	r.rex.Drive(true)
	until(t, func() bool { return len(r.relay.Edges()) == 2 })
}

// deaf is an input whose edges nobody is told of.
type deaf struct{ *devicetest.Input }

func (deaf) Watch(ctx context.Context, _ func(device.Edge)) error {
	<-ctx.Done()
	return nil
}

// A liar is an input that is pressed once it is watched, and says that this was or will be
// at another time.
type liar struct {
	by      time.Duration
	pressed atomic.Bool
}

func (l *liar) Active() (bool, error) { return l.pressed.Load(), nil }

func (l *liar) Watch(ctx context.Context, fn func(device.Edge)) error {
	l.pressed.Store(true)
	fn(device.Edge{Active: true, At: time.Now().Add(l.by), Seq: 1})
	<-ctx.Done()
	return nil
}

func TestALostEdgeStillOpens(t *testing.T) {
	t.Parallel()
	in := deaf{devicetest.NewInput()}
	r := start(t, short, map[string]device.Input{door.LineRex: in})
	in.Drive(true)
	until(t, func() bool { return len(r.relay.Edges()) == 2 })
}

func TestATimeStampThatLiesCannotStretchAPulse(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"an hour ahead": time.Hour, "an hour behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			r := start(t, short, map[string]device.Input{door.LineRex: &liar{by: by}})
			until(t, func() bool { return len(r.relay.Edges()) == 2 })
			if _, err := r.dial(t, wire.Operator).Unlock(t.Context(), 0, "after"); err != nil {
				t.Fatal(err)
			}
			until(t, func() bool { return len(r.relay.Edges()) == 4 })
		})
	}
}

func TestTheRelayIsInertAfterTheServer(t *testing.T) {
	t.Parallel()
	r := start(t, short, nil)
	if _, err := r.dial(t, wire.Operator).Hold(t.Context(), client.Order{Why: "delivery"}); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if r.relay.On() || r.relay.Halts() == 0 {
		t.Errorf("on %v, halted %d times", r.relay.On(), r.relay.Halts())
	}
	want := []string{door.CommandDone, door.Unlocked, door.Locked}
	if got := r.kinds(t, 3); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestARealDoorsInputsAreNotMovedByCommand(t *testing.T) {
	t.Parallel()
	r := start(t, short, nil)
	if err := r.dial(t, wire.Operator).Sim(t.Context(), door.LineRex, wire.On); !errors.Is(err, client.ErrNotSimulated) {
		t.Errorf("got %v", err)
	}
}

func TestASilentClientIsClosed(t *testing.T) {
	t.Parallel()
	r := start(t, short, nil)
	conn, err := net.Dial("unix", r.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it was left open")
	}
}

func TestOnlyOneClaim(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	first, err := server.ClaimDoor(socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.ClaimDoor(socket); !errors.Is(err, server.ErrRunning) {
		t.Errorf("got %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := server.ClaimDoor(socket)
	if err != nil {
		t.Fatalf("after the first gave it up: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}
