package health

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Board holds the state of every condition. Make one with [NewBoard]; it is also the task
// whose timer raises and clears what has held long enough.
type Board struct {
	ready chan struct{}
	wake  chan struct{} // one slot: what falls due next has changed

	mu    sync.Mutex
	rows  []row // in the order of Table
	heard []*Subscription
}

// A row is a condition's state.
type row struct {
	Meaning
	bad    bool      // the last report
	since  time.Time // when the reports began to say so
	last   time.Time // of the last report
	cause  string    // of the last bad report
	raised bool
	began  time.Time // of a raised condition: the first report
}

// due is when the row changes unless another report comes; false where it does not.
func (r *row) due() (time.Time, bool) {
	switch {
	case r.bad == r.raised:
		return time.Time{}, false
	case r.bad:
		return r.since.Add(r.RaiseAfter), true
	default:
		return r.since.Add(r.ClearAfter), true
	}
}

// NewBoard returns a board on which nothing is raised.
func NewBoard() *Board {
	b := &Board{ready: make(chan struct{}), wake: make(chan struct{}, 1)}
	for _, m := range Table() {
		b.rows = append(b.rows, row{Meaning: m})
	}
	return b
}

// Set reports whether a condition holds at a time, and why. It never waits, so that a camera's
// goroutine may call it for every frame. Reporting the same again only renews the cause. A
// report older than the last of its condition is ignored. An id that is not in [Table] panics:
// it cannot come from outside.
//
// Times are those of [time.Now]: with their monotonic reading a stepped clock debounces nothing.
func (b *Board) Set(id ID, bad bool, cause string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.rows, func(r row) bool { return r.ID == id })
	if i < 0 {
		panic(fmt.Sprintf("health: no condition %q", id))
	}
	r := &b.rows[i]
	if at.Before(r.last) {
		return
	}
	b.advance(at) // what held until now counts, even where the timer is late
	r.last = at
	if bad {
		r.cause = tidy(cause)
	}
	if bad == r.bad {
		return
	}
	r.bad, r.since = bad, at
	b.settle(r, at)
	select {
	case b.wake <- struct{}{}:
	default: // it is awake already
	}
}

// Advance raises and clears what has held long enough at the given time. Run calls it; tests
// and replays may instead.
func (b *Board) Advance(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(at)
}

// advance is Advance. The caller holds the lock.
func (b *Board) advance(at time.Time) {
	// In the order in which they fell due: who reads the changes reads a history.
	for {
		next := b.next()
		if next == nil {
			return
		}
		if t, _ := next.due(); t.After(at) {
			return
		}
		b.settle(next, at)
	}
}

// Due is when Advance has something to do next; false where only a report can change anything.
func (b *Board) Due() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.next(); r != nil {
		return r.due()
	}
	return time.Time{}, false
}

// next is the row that falls due first, nil where none does.
func (b *Board) next() (first *row) {
	var when time.Time
	for i := range b.rows {
		r := &b.rows[i]
		if t, ok := r.due(); ok && (first == nil || t.Before(when)) {
			first, when = r, t
		}
	}
	return first
}

// settle raises or clears a row whose time has come. The caller holds the lock.
func (b *Board) settle(r *row, at time.Time) {
	due, ok := r.due()
	if !ok || due.After(at) {
		return
	}
	if r.bad {
		r.raised, r.began = true, r.since
	}
	c := Change{b.condition(r), r.bad, due, 0}
	r.raised = r.bad
	for _, s := range b.heard {
		s.put(c)
	}
}

// condition is a raised row as others see it. The caller holds the lock.
func (b *Board) condition(r *row) Condition {
	c := Condition{
		ID: r.ID, Severity: r.Severity, Title: r.Title, Cause: r.cause, Hint: r.Hint,
		Since: r.began, StopsGranting: r.StopsGranting,
	}
	for _, id := range r.ExplainedBy {
		if slices.ContainsFunc(b.rows, func(r row) bool { return r.ID == id && r.raised }) {
			c.ExplainedBy = id
			break
		}
	}
	return c
}

// Conditions are those that are raised: alarms of their own first, then those that another
// explains, the worst first in each part.
func (b *Board) Conditions() []Condition {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []Condition{}
	for i := range b.rows {
		if b.rows[i].raised {
			all = append(all, b.condition(&b.rows[i]))
		}
	}
	slices.SortStableFunc(all, func(x, y Condition) int {
		if (x.ExplainedBy == "") != (y.ExplainedBy == "") {
			return cmp.Compare(x.ExplainedBy, y.ExplainedBy) // the empty one is less
		}
		return cmp.Compare(y.Severity, x.Severity)
	})
	return all
}

// Blocked is the condition that keeps everybody out, the first in the order of [Table];
// false where none does. It does not allocate: decisions ask it for every sighting.
func (b *Board) Blocked() (ID, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.rows {
		if r := &b.rows[i]; r.raised && r.StopsGranting {
			return r.ID, true
		}
	}
	return "", false
}

// String is the task's name.
func (b *Board) String() string { return "health" }

// Ready is closed once the timer runs.
func (b *Board) Ready() <-chan struct{} { return b.ready }

// Run raises and clears conditions when their time has come, until ctx ends. It is called once.
func (b *Board) Run(ctx context.Context) error {
	close(b.ready)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		case now := <-timer.C:
			b.Advance(now)
		}
		timer.Stop()
		if due, ok := b.Due(); ok {
			timer.Reset(time.Until(due))
		}
	}
}
