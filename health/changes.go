package health

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Change is a condition that was raised or has passed.
type Change struct {
	Condition Condition // as it was raised; of one that has passed, as it last was
	Raised    bool      // false: it has passed
	At        time.Time // when: the end of the debounce
	// Merged counts earlier changes of the same condition that this one stands for, because
	// nobody took them in time.
	Merged int
}

// keep is how many changes wait for a subscriber one by one. Beyond that the changes of one
// condition become one, so that at most keep and one for every condition wait.
const keep = 64

// A Subscription is everything that changes on a board after [Board.Subscribe], for one reader.
// No change is lost: a slow reader gets changes that count what they stand for.
type Subscription struct {
	board *Board
	some  chan struct{} // one slot: something waits

	mu      sync.Mutex
	waiting []Change
}

// Subscribe begins a subscription. Who needs the conditions of the present as well subscribes
// first and asks for them then. Close it when it is not read any more.
func (b *Board) Subscribe() *Subscription {
	s := &Subscription{board: b, some: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard = append(b.heard, s)
	return s
}

// Close ends the subscription; changes that wait can still be taken.
func (s *Subscription) Close() {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	s.board.heard = slices.DeleteFunc(s.board.heard, func(o *Subscription) bool { return o == s })
}

// put adds a change.
func (s *Subscription) put(c Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) >= keep {
		for i, old := range slices.Backward(s.waiting) {
			if old.Condition.ID == c.Condition.ID {
				c.Merged += old.Merged + 1
				s.waiting = slices.Delete(s.waiting, i, i+1)
				break
			}
		}
	}
	s.waiting = append(s.waiting, c)
	select {
	case s.some <- struct{}{}:
	default: // told already
	}
}

// Next waits for a change and takes it. The error is ctx's.
func (s *Subscription) Next(ctx context.Context) (Change, error) {
	for {
		if c, ok := s.take(); ok {
			return c, nil
		}
		select {
		case <-s.some:
		case <-ctx.Done():
			return Change{}, ctx.Err()
		}
	}
}

func (s *Subscription) take() (Change, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return Change{}, false
	}
	c := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	return c, true
}
