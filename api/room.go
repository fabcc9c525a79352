package api

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"
)

// Bodies is how many bytes of bodies a daemon holds at once, or of one that is larger.
const Bodies = 12 << 20

// muchMemory is from how many bytes on memory is given back at once. The heap holds
// few pointers, so that this takes some milliseconds.
const muchMemory = 4 << 20

// roomWait is how long room may be waited for.
const roomWait = 10 * time.Second

// A Room bounds how many bytes, of bodies or of pictures, are held at once by all calls together. Who
// finds no room waits in the order of coming. It is safe for concurrent use; a nil Room has no bounds.
type Room struct {
	size int64

	mu    sync.Mutex
	free  int64
	queue []*waiter
}

type waiter struct {
	n    int64
	ours chan struct{} // closed once the room is given
}

// NewRoom returns a room of so many bytes.
func NewRoom(size int64) *Room { return &Room{size: size, free: size} }

// Take waits for room for n bytes, all of it where n is more, and returns what gives it back,
// which may be called more than once. The error is an [*Error] of code Busy where there is none
// within 10 s or until ctx ends. Whoever holds room of r must not take more of it: all could hold
// some and wait for each other.
func (r *Room) Take(ctx context.Context, n int64) (leave func(), err error) {
	s, err := r.take(ctx, n)
	if err != nil {
		return nil, err
	}
	return s.leave, nil
}

// A stay is room that is held. A nil stay holds none.
type stay struct {
	room *Room
	n    int64 // guarded by room.mu
}

func (r *Room) take(ctx context.Context, n int64) (*stay, error) {
	if r == nil || n <= 0 {
		return nil, nil
	}
	s := &stay{r, min(n, r.size)}
	w := &waiter{s.n, make(chan struct{})}
	r.mu.Lock()
	if len(r.queue) == 0 && r.free >= w.n {
		r.free -= w.n
		r.mu.Unlock()
		return s, nil
	}
	r.queue = append(r.queue, w)
	r.mu.Unlock()
	wait := time.NewTimer(roomWait)
	defer wait.Stop()
	var err error
	select {
	case <-w.ours:
		return s, nil
	case <-wait.C:
		err = errors.New("too many wait for memory")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if r.drop(w) {
		return nil, &Error{Code: Busy, RetryAfter: time.Second, Err: err}
	}
	return s, nil // it was given at the last moment
}

// leave gives back what is held.
func (s *stay) leave() { s.shrink(0) }

// shrink gives back what is held of more than n bytes.
func (s *stay) shrink(n int64) {
	if s == nil {
		return
	}
	s.room.mu.Lock()
	back := max(0, s.n-n)
	s.n -= back
	s.room.mu.Unlock()
	if n == 0 && back >= muchMemory {
		// Else what comes next would be held beside what is left of this.
		debug.FreeOSMemory()
	}
	s.room.put(back)
}

// wanted reports whether anybody waits for room.
func (r *Room) wanted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue) > 0
}

// drop takes w out of the queue, where it still is.
func (r *Room) drop(w *waiter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.queue {
		if other == w {
			r.queue = append(r.queue[:i], r.queue[i+1:]...)
			r.serve() // it may have been the one that the others waited behind
			return true
		}
	}
	return false
}

func (r *Room) put(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free += n
	r.serve()
}

// serve lets in who waits, as far as there is room. The caller holds the lock.
func (r *Room) serve() {
	for len(r.queue) > 0 && r.queue[0].n <= r.free {
		r.free -= r.queue[0].n
		close(r.queue[0].ours)
		r.queue = r.queue[1:]
	}
}
