package api

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"
)

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
// within 10 s or until ctx ends.
func (r *Room) Take(ctx context.Context, n int64) (leave func(), err error) {
	if r == nil || n <= 0 {
		return func() {}, nil
	}
	n = min(n, r.size)
	w := &waiter{n, make(chan struct{})}
	leave = sync.OnceFunc(func() {
		if n >= muchMemory {
			// Else what comes next would be held beside what is left of this.
			debug.FreeOSMemory()
		}
		r.put(n)
	})
	r.mu.Lock()
	if len(r.queue) == 0 && r.free >= n {
		r.free -= n
		r.mu.Unlock()
		return leave, nil
	}
	r.queue = append(r.queue, w)
	r.mu.Unlock()
	wait := time.NewTimer(roomWait)
	defer wait.Stop()
	select {
	case <-w.ours:
		return leave, nil
	case <-wait.C:
		err = errors.New("too many wait for memory")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if r.drop(w) {
		return nil, &Error{Code: Busy, RetryAfter: time.Second, Err: err}
	}
	return leave, nil // it was given at the last moment
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
