package health

import (
	"context"
	"sync"
	"time"
)

// A Probe looks at one thing, for a [Watch]. Several probes must not share a condition.
type Probe struct {
	ID ID
	// Look reports whether the condition holds, and why. It is not called from two goroutines
	// at once, may keep a state of its own, and must come back soon: the other probes wait.
	Look func(ctx context.Context, now time.Time) (bad bool, cause string)
}

// A Watch asks its probes again and again and reports to a board what they find. It is a task;
// Run is called once.
type Watch struct {
	Board  *Board
	Probes []Probe
	Every  time.Duration // 0 means 5 s

	once  sync.Once
	ready chan struct{}
}

// String is the task's name.
func (w *Watch) String() string { return "health watch" }

// Ready is closed once every probe has been asked.
func (w *Watch) Ready() <-chan struct{} {
	w.once.Do(func() { w.ready = make(chan struct{}) })
	return w.ready
}

// Run asks at once and then regularly, until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	every := w.Every
	if every <= 0 {
		every = 5 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	w.Ready()
	w.look(ctx)
	close(w.ready)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			w.look(ctx)
		}
	}
}

func (w *Watch) look(ctx context.Context) {
	for _, p := range w.Probes {
		bad, cause := p.Look(ctx, time.Now())
		if ctx.Err() != nil {
			return // what was found may only be that everything ends
		}
		w.Board.Set(p.ID, bad, cause, time.Now())
	}
}
