package store

import (
	"context"
	"slices"
	"sync"
)

// A turn lets in one writer at a time: first those that somebody at the door may wait for, then
// the others, each in the order of coming. The zero value is free.
type turn struct {
	mu     sync.Mutex
	taken  bool
	first  []chan struct{} // closed when it is that writer's turn
	others []chan struct{}
}

// take waits for the turn, until ctx ends.
func (t *turn) take(ctx context.Context, first bool) error {
	t.mu.Lock()
	if !t.taken {
		t.taken = true
		t.mu.Unlock()
		return nil
	}
	queue := &t.others
	if first {
		queue = &t.first
	}
	mine := make(chan struct{})
	*queue = append(*queue, mine)
	t.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.Index(*queue, mine)
	if i >= 0 {
		*queue = slices.Delete(*queue, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 { // it was given at the last moment
		t.leave()
	}
	return ctx.Err()
}

// leave gives the turn on.
func (t *turn) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, queue := range []*[]chan struct{}{&t.first, &t.others} {
		if len(*queue) > 0 {
			close((*queue)[0])
			*queue = slices.Delete(*queue, 0, 1)
			return
		}
	}
	t.taken = false
}
