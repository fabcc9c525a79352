package task

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// part is a task that does as told: it becomes ready when told, and returns what leave
// carries, or stop after a cancellation.
type part struct {
	name  string
	ready chan struct{}
	leave chan error
	stop  error
	ended bool
}

func newPart(name string) *part {
	return &part{name: name, ready: make(chan struct{}), leave: make(chan error)}
}

func (p *part) Ready() <-chan struct{} { return p.ready }
func (p *part) String() string         { return p.name }
func (p *part) Run(ctx context.Context) error {
	defer func() { p.ended = true }()
	select {
	case err := <-p.leave:
		return err
	case <-ctx.Done():
		return p.stop
	}
}

// manager records the states it is told.
type manager struct {
	mu     sync.Mutex
	states []string
}

func (m *manager) notify(state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states = append(m.states, state)
	return nil
}

func (m *manager) count(state string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.states {
		if s == state {
			n++
		}
	}
	return n
}

func start(ctx context.Context, g *Group) <-chan error {
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	return done
}

func TestReadyAfterAllTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, m := newPart("a"), newPart("b"), &manager{}
		ctx, cancel := context.WithCancel(t.Context())
		done := start(ctx, &Group{Log: slog.New(slog.DiscardHandler), Manager: Manager{Notify: m.notify}, Tasks: []Task{a, b}})
		close(a.ready)
		synctest.Wait()
		if len(m.states) != 0 {
			t.Errorf("told %v with one of two tasks ready", m.states)
		}
		close(b.ready)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := []string{"READY=1", "STOPPING=1"}; !slices.Equal(m.states, want) {
			t.Errorf("got %v, want %v", m.states, want)
		}
		if !a.ended || !b.ended {
			t.Error("Run returned before its tasks")
		}
	})
}

func TestFirstErrorEndsAll(t *testing.T) {
	sick, stuck := errors.New("disk is sick"), errors.New("late to close")
	tests := []struct {
		name string
		left error
		stop error
		want []error
	}{
		{"an error", sick, nil, []error{sick}},
		{"an end nobody asked for", nil, nil, []error{ErrEnded}},
		{"an error while stopping is kept too", sick, stuck, []error{sick, stuck}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newPart("store"), newPart("camera")
				b.stop = tt.stop
				done := start(t.Context(), &Group{Log: slog.New(slog.DiscardHandler), Tasks: []Task{a, b}})
				a.leave <- tt.left
				err := <-done
				for _, want := range tt.want {
					if !errors.Is(err, want) {
						t.Errorf("got %v, want %v in it", err, want)
					}
				}
				if !strings.HasPrefix(err.Error(), "store: ") {
					t.Errorf("got %q, want the task's name first", err)
				}
				if !b.ended {
					t.Error("the other task was left running")
				}
			})
		})
	}
}

func TestWatchdogIsFedWhileBeatsAreOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, m := newPart("door"), &manager{}
		beat := NewBeat("door", time.Second, time.Now())
		g := &Group{
			Log: slog.New(slog.DiscardHandler), Tasks: []Task{a}, Beats: []*Beat{beat},
			Manager: Manager{Notify: m.notify, Watchdog: 3 * time.Second},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := start(ctx, g)
		close(a.ready)
		for range 20 {
			time.Sleep(500 * time.Millisecond)
			beat.Tick(time.Now())
		}
		synctest.Wait()
		if got := m.count("WATCHDOG=1"); got < 10 || got > 12 {
			t.Errorf("fed %d times in 10 s at a third of 3 s", got)
		}
		time.Sleep(1100 * time.Millisecond)
		before := m.count("WATCHDOG=1")
		time.Sleep(10 * time.Second)
		if got := m.count("WATCHDOG=1"); got != before {
			t.Errorf("fed %d times while the beat was late", got-before)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "2000000")
	t.Setenv("WATCHDOG_PID", "")
	m, err := Systemd()
	if err != nil || m.Watchdog != 2*time.Second {
		t.Fatalf("got %v, %v; want a watchdog of 2 s", m.Watchdog, err)
	}
	if err := m.Notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if got := string(buf[:n]); err != nil || got != "READY=1" {
		t.Errorf("got %q, %v", got, err)
	}

	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "soon")
	if _, err := Systemd(); err == nil {
		t.Error("a watchdog interval that is no number was accepted")
	}
}
