package wallclock

import (
	"context"
	"sync/atomic"
	"time"

	"facegate/access"
)

// A Watch keeps an eye on the clock, so that whoever needs its state pays nothing for it. It is
// also the task that does so. Make one with [NewWatch].
type Watch struct {
	source  Source
	stepped func(now time.Time, by time.Duration)
	ready   chan struct{}

	floor   atomic.Pointer[time.Time] // a time that has passed
	because atomic.Pointer[string]    // why the clock may be believed, empty where it may not
}

// NewWatch looks at the clock for the first time. Stepped, where not nil, is told that the clock
// was changed, to what and by how much: the old time is now - by. It is called from Run and must
// not wait for long.
func NewWatch(s Source, stepped func(now time.Time, by time.Duration)) *Watch {
	w := &Watch{source: s, stepped: stepped, ready: make(chan struct{})}
	w.floor.Store(new(Floor()))
	w.look(time.Now())
	return w
}

func (w *Watch) look(now time.Time) { w.because.Store(new(w.source.believe(now))) }

// Passed says that a time has passed: that of an event recorded with a trusted clock. No clock
// before it is trusted afterwards. A time earlier than another that has passed changes nothing.
func (w *Watch) Passed(at time.Time) {
	at = at.Round(0)
	for {
		old := w.floor.Load()
		if !at.After(*old) || w.floor.CompareAndSwap(old, &at) {
			return
		}
	}
}

// State is [Source.State] with a reason at most a second old, as long as Run runs. What has
// passed is held against now itself. It allocates nothing while the clock is trusted.
func (w *Watch) State(now time.Time) (access.Clock, string) {
	if floor := *w.floor.Load(); now.Before(floor) {
		return tooEarly(now, floor)
	}
	if because := *w.because.Load(); because != "" {
		return access.ClockSynced, because
	}
	return access.ClockUnsure, unsure
}

// String is the task's name.
func (w *Watch) String() string { return "wall clock" }

// Ready is closed once Run has begun.
func (w *Watch) Ready() <-chan struct{} { return w.ready }

// every is how often the clock is looked at.
const every = time.Second

// Run looks at the clock until ctx ends. It is called once.
func (w *Watch) Run(ctx context.Context) error {
	close(w.ready)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var steps Steps
	start := time.Now()
	steps.Sample(start, 0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		w.look(now)
		if by, stepped := steps.Sample(now, now.Sub(start)); stepped && w.stepped != nil {
			w.stepped(now, by)
		}
	}
}
