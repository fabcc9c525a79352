package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"facegate/door"
	"facegate/door/client"
	"facegate/door/wire"
	"facegate/internal/programtest"
)

// Tests that kill and stop real processes. Times are those of the simulated door's log.

func TestAPulseEndsInTimeWhateverBecomesOfItsClient(t *testing.T) {
	t.Parallel()
	for _, fail := range []string{"secure", "safe"} {
		for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
			t.Run(fmt.Sprintf("%s, %v", fail, signal), func(t *testing.T) {
				t.Parallel()
				inTime(t, 0, func() time.Duration {
					r := start(t, `unlock = "500ms"`, `max_on = "1s"`, fmt.Sprintf("fail = %q", fail))
					p, _ := r.help(t, unlocking)
					first := map[string]int{"secure": 0, "safe": 1}[fail] // a fail-safe door is energised when it starts
					unlocked := r.relay(t, first+1)[first]
					if err := p.Signal(signal); err != nil {
						t.Fatal(err)
					}
					locked := r.relay(t, first+2)[first+1]
					d := time.Duration(locked.T - unlocked.T)
					t.Logf("unlocked for %v", d)
					if locked.On != (fail == "safe") {
						t.Errorf("got %+v", locked)
					}
					return max(0, d-time.Second) // beyond max_on
				})
			})
		}
	}
}

func TestAScheduleEndsInTimeWhateverBecomesOfItsClient(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			const maxOn = 3 * time.Second // so long that a busy machine renews it in time
			inTime(t, 0, func() time.Duration {
				r := start(t, `unlock = "500ms"`, fmt.Sprintf("max_on = %q", maxOn))
				p, says := r.help(t, scheduling)
				on := r.relay(t, 1)[0]
				if on.Why != "office hours" {
					t.Errorf("got %+v", on)
				}
				// The door stays unlocked beyond max_on for as long as it is asked for.
				last := requested(t, says)
				for last < on.T+int64(maxOn+500*time.Millisecond) {
					last = requested(t, says)
				}
				if edges := r.edges(t, "relay"); len(edges) != 1 {
					t.Fatalf("the relay moved while the schedule was renewed: %+v", edges)
				}
				if err := p.Signal(signal); err != nil {
					t.Fatal(err)
				}
				off := r.relay(t, 2)[1]
				if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
					t.Fatal(err)
				}
				for text, err := says.ReadString('\n'); err == nil; text, err = says.ReadString('\n') {
					last = parse(t, text)
				}
				d := time.Duration(off.T - last)
				t.Logf("locked %v after the last request: %s", d, off.Why)
				if off.On {
					t.Errorf("got %+v", off)
				}
				return max(0, d-maxOn)
			})
		})
	}
}

// requested reads when the next request was made.
func requested(t *testing.T, says *bufio.Reader) int64 {
	t.Helper()
	text, err := says.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

func parse(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		t.Fatalf("helper says %q", text)
	}
	return n
}

func TestALockDownOutlastsAPowerCut(t *testing.T) {
	t.Parallel()
	r := start(t)
	op, err := client.DialOperator(t.Context(), r.socket, "anna")
	if err != nil {
		t.Fatal(err)
	}
	defer op.Close()
	// An answer waits a second for the disk, which may be too slow, and tells so.
	programtest.Until(t, "the lock-down is kept", func() bool {
		s, err := op.Lock(t.Context(), client.Order{Emergency: true, Why: "intruder"})
		if err != nil {
			t.Fatal(err)
		}
		return s.Kept == ""
	})
	r.end(t, syscall.SIGKILL) // at once: the answer promised that it is kept
	r.run(t)
	op = r.dial(t, wire.Operator)
	s, err := op.Status(t.Context())
	if err != nil || s.Mode != door.ModeLocked || s.Priority != door.Emergency || s.SetBy != "anna" || s.Why != "intruder" {
		t.Fatalf("got %+v, %v", s, err)
	}
	if s, err = op.Release(t.Context(), client.Order{Why: "mine"}); err != nil || s.Priority != door.Emergency {
		t.Errorf("an operator's release leaves %+v, %v", s, err)
	}
	link := client.NewLink(r.socket, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx) }()
	<-link.Ready()
	if _, err := link.Unlock(ctx, 0, "grant"); !errors.Is(err, door.ErrLockedDown) {
		t.Errorf("got %v", err)
	}
	if err := link.Schedule(ctx, door.ModeUnlocked, 0, time.Time{}, "office hours"); err != nil {
		t.Error(err)
	}
	if s, err = link.Status(ctx); err != nil || s.Unlocked || len(s.Settings) != 2 {
		t.Errorf("got %+v, %v", s, err)
	}
	if s, err = op.Release(t.Context(), client.Order{Emergency: true, Why: "all clear"}); err != nil || s.Mode != door.ModeScheduled || !s.Unlocked {
		t.Errorf("got %+v, %v; want the schedule uncovered", s, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.relay(t, 2)
	if _, err := op.Hold(t.Context(), client.Order{Why: "delivery"}); err != nil {
		t.Fatal(err)
	}
	r.relay(t, 3)
	settled(t, r)
	r.end(t, syscall.SIGKILL)
	r.run(t)
	if s, err = r.dial(t, wire.Operator).Status(t.Context()); err != nil || s.Unlocked || s.Mode != door.ModeNormal {
		t.Errorf("got %+v, %v; want a hold that ended with its doord", s, err)
	}
}

func TestTheRecordIsCompletedAfterAKill(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fail string
		want []string // behind what the first doord recorded
	}{
		{"secure", []string{door.Locked + ": doord had ended"}},
		{"safe", []string{door.Locked + ": start"}},
	} {
		t.Run(tt.fail, func(t *testing.T) {
			t.Parallel()
			r := start(t, fmt.Sprintf("fail = %q", tt.fail))
			if _, err := r.dial(t, wire.Operator).Hold(t.Context(), client.Order{Why: "delivery"}); err != nil {
				t.Fatal(err)
			}
			settled(t, r)
			r.end(t, syscall.SIGKILL)
			r.run(t)
			settled(t, r)
			b := book{path: filepath.Join(r.home, "book")}
			r.help(t, collecting+" "+b.path)
			programtest.Until(t, "the record is complete", func() bool {
				if err := b.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				n := len(b.events)
				return n > 0 && b.events[n-1].Kind+": "+b.events[n-1].Why == tt.want[0]
			})
		})
	}
}

// Button and fire call need nobody: here doord is alone, no client but the one that moves the
// wires of the simulated door.
func TestFireNeedsNobody(t *testing.T) {
	t.Parallel()
	for _, fail := range []string{"secure", "safe"} {
		t.Run(fail, func(t *testing.T) {
			t.Parallel()
			r := start(t, `unlock = "50ms"`, `max_on = "100ms"`, fmt.Sprintf("fail = %q", fail))
			op := r.dial(t, wire.Operator)
			if _, err := op.Lock(t.Context(), client.Order{Emergency: true, Why: "intruder"}); err != nil {
				t.Fatal(err)
			}
			first := map[string]int{"secure": 0, "safe": 1}[fail]
			best := time.Hour
			for i := range 5 {
				if err := op.Sim(t.Context(), door.LineFire, wire.On); err != nil {
					t.Fatal(err)
				}
				opened := r.relay(t, first+2*i+1)[first+2*i]
				if opened.Why != "fire" || opened.On != (fail == "secure") {
					t.Fatalf("got %+v", opened)
				}
				best = min(best, time.Duration(opened.T-r.edges(t, door.LineFire)[2*i].T))
				if err := op.Sim(t.Context(), door.LineFire, wire.Off); err != nil {
					t.Fatal(err)
				}
				r.relay(t, first+2*i+2)
			}
			t.Logf("from the panel to the relay: %v at best of 5", best)
			if best > 100*time.Millisecond {
				t.Errorf("never within 100 ms: %v at best", best)
			}
		})
	}
}

// A book is a store of door events that keeps cursor and events together.
type book struct {
	mu     sync.Mutex
	at     client.Cursor
	events []door.Event
	then   func() // called once after the next commit
	path   string // where a book is kept that outlasts its process; empty: in memory
}

// A page is one commit in the file of a book.
type page struct {
	At     client.Cursor
	Events []door.Event
}

// read takes the pages that are in the file whole.
func (b *book) read() error {
	text, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b.events = nil
	for line := range strings.Lines(string(text)) {
		var p page
		if json.Unmarshal([]byte(line), &p) == nil {
			b.at, b.events = p.At, append(b.events, p.Events...)
		}
	}
	return err
}

func (b *book) write(p page) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(b.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n')) // one append: a killed process leaves all of it or nothing
	return errors.Join(err, file.Close())
}

func (b *book) collector(socket string) *client.Collector {
	return &client.Collector{
		Socket: socket, Log: quiet,
		After: func(context.Context) (client.Cursor, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.path != "" {
				err := b.read()
				return b.at, err
			}
			return b.at, nil
		},
		Commit: func(_ context.Context, at client.Cursor, events []door.Event) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.path != "" {
				return b.write(page{at, events})
			}
			b.at, b.events = at, append(b.events, events...)
			if b.then != nil {
				b.then()
				b.then = nil
			}
			return nil
		},
	}
}

func (b *book) rex() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Kind == door.Rex {
			n++
		}
	}
	return n
}

func TestEventsAreCollectedOnceInOrder(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "20ms"`)
	press := func(n int) {
		op := r.dial(t, wire.Operator)
		defer op.Close()
		for range n {
			if err := op.Sim(t.Context(), door.LineRex, wire.Toggle); err != nil {
				t.Fatal(err)
			}
		}
	}
	var b book
	collect := func(want int) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.collector(r.socket).Run(ctx) }()
		programtest.Until(t, fmt.Sprintf("%d presses are collected", want), func() bool { return b.rex() >= want })
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}

	press(2)
	r.relay(t, 4)
	settled(t, r) // nobody collects: the journal alone knows
	r.end(t, syscall.SIGKILL)
	r.run(t)
	collect(2)

	// The collector dies between its commit and the acknowledgement.
	ctx, die := context.WithCancel(t.Context())
	b.then = die
	press(1)
	r.relay(t, 6)
	if err := b.collector(r.socket).Run(ctx); err != nil {
		t.Error(err)
	}
	press(1)
	collect(4)

	var last uint64
	for _, e := range b.events {
		if e.Seq != last+1 {
			t.Errorf("event %d follows %d", e.Seq, last)
		}
		last = e.Seq
	}
	if b.rex() != 4 {
		t.Errorf("%d presses collected of 4", b.rex())
	}
	kinds := func(e door.Event) string { return e.Kind }
	for i, want := range []string{door.Rex, door.Unlocked, door.Locked, door.Rex, door.Unlocked, door.Locked} {
		if got := kinds(b.events[i]); got != want {
			t.Errorf("event %d is %s, want %s", i+1, got, want)
		}
	}
}

// settled waits until the journal's file holds what the status counts.
func settled(t *testing.T, r *rig) {
	t.Helper()
	op := r.dial(t, wire.Operator)
	defer op.Close()
	programtest.Until(t, "the journal is written", func() bool {
		s, err := op.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(r.home, "door.journal"))
		return err == nil && s.Waiting > 0 && strings.Count(string(text), `"event":`) == s.Waiting
	})
}

func TestEventsAreCollectedOnceWhoeverIsKilled(t *testing.T) {
	t.Parallel()
	r := start(t, `unlock = "20ms"`)
	b := book{path: filepath.Join(r.home, "book")}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	presses := 0
	op := r.dial(t, wire.Operator)
	for range 12 {
		p, _ := r.help(t, collecting+" "+b.path)
		for range 1 + rnd.IntN(3) {
			if err := op.Sim(t.Context(), door.LineRex, wire.Toggle); err != nil {
				t.Fatal(err)
			}
			presses++
		}
		if err := p.Kill(); err != nil { // in the middle of it, wherever that is
			t.Fatal(err)
		}
		if rnd.IntN(3) == 0 {
			r.relay(t, 2*presses)
			last := strconv.Itoa(3 * presses) // each is door.rex, door.unlocked, door.locked
			programtest.Until(t, "the journal is written", func() bool {
				text, err := os.ReadFile(filepath.Join(r.home, "door.journal"))
				return err == nil && (strings.Contains(string(text), `"seq":`+last+`,`) || strings.Contains(string(text), `"acked":`+last+`}`))
			})
			r.end(t, syscall.SIGKILL)
			r.run(t)
			op = r.dial(t, wire.Operator)
		}
	}
	r.help(t, collecting+" "+b.path)
	programtest.Until(t, "everything is collected", func() bool {
		if err := b.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return b.rex() >= presses
	})
	var last uint64
	for _, e := range b.events {
		if e.Seq != last+1 {
			t.Errorf("event %d follows %d", e.Seq, last)
		}
		last = e.Seq
	}
	if b.rex() != presses {
		t.Errorf("%d presses collected of %d", b.rex(), presses)
	}
}
