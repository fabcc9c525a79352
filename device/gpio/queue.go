package gpio

import (
	"context"
	"errors"
	"sync"
)

// errHalted is what ends a wait for an event.
var errHalted = errors.New("halted")

// maxEvents is how many events wait for a reader; older ones give way.
const maxEvents = 64

// A queue holds a line's events between the kernel's reader and ours.
type queue struct {
	mu      sync.Mutex
	events  []Event
	arrived chan struct{} // has a value when events may be waiting
	halted  chan struct{} // closed and replaced when every wait shall end
}

// put adds an event. It never waits, because a line cannot be closed while it runs.
func (q *queue) put(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == maxEvents {
		q.events = append(q.events[:0], q.events[1:]...)
	}
	q.events = append(q.events, e)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// ended is closed when waits that begin now shall end.
func (q *queue) ended() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.halted
}

// forget drops the events that nobody has taken.
func (q *queue) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.events = q.events[:0]
}

// halt ends every wait and, if the line changes its use, forgets what came before.
func (q *queue) halt(forget bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if forget {
		q.events = q.events[:0]
	}
	close(q.halted)
	q.halted = make(chan struct{})
}

// take returns the oldest event, waiting for one until ctx or the queue ends.
func (q *queue) take(ctx context.Context, halted <-chan struct{}) (Event, error) {
	for {
		q.mu.Lock()
		if halted == q.halted && len(q.events) > 0 {
			e := q.events[0]
			q.events = append(q.events[:0], q.events[1:]...)
			if len(q.events) > 0 {
				q.signal() // for another reader
			}
			q.mu.Unlock()
			return e, nil
		}
		q.mu.Unlock()
		select {
		case <-halted:
			return Event{}, errHalted
		case <-q.arrived:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}
