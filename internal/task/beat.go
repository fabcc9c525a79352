package task

import (
	"sync/atomic"
	"time"
)

// A Beat is how a loop shows that it is not stuck: it ticks at least once within its
// budget. It is safe for concurrent use and allocates nothing.
type Beat struct {
	name   string
	budget time.Duration
	start  time.Time
	last   atomic.Int64 // nanoseconds after start
}

// NewBeat returns a beat that has just ticked.
func NewBeat(name string, budget time.Duration, now time.Time) *Beat {
	return &Beat{name: name, budget: budget, start: now}
}

// Tick says that the loop came by.
func (b *Beat) Tick(now time.Time) { b.last.Store(int64(now.Sub(b.start))) }

// Age is the time since the last tick.
func (b *Beat) Age(now time.Time) time.Duration {
	return now.Sub(b.start) - time.Duration(b.last.Load())
}
