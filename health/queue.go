package health

import (
	"context"
	"fmt"
	"time"
)

// Queue watches how long the oldest entry of a queue has been waiting.
type Queue struct {
	Name string // for the cause
	// Oldest is when the oldest entry came, zero where none waits.
	Oldest func(context.Context) (time.Time, error)
	Limit  time.Duration // how old is too old
}

// Probe is the queue as a probe of [QueueOld]. A queue that cannot be read counts as old.
func (q *Queue) Probe() Probe { return Probe{QueueOld, q.look} }

func (q *Queue) look(ctx context.Context, now time.Time) (bool, string) {
	oldest, err := q.Oldest(ctx)
	if err != nil {
		return true, fmt.Sprintf("%s: %v", q.Name, err)
	}
	if oldest.IsZero() {
		return false, ""
	}
	// An entry from the future, after the clock was set back, is not old.
	if age := now.Sub(oldest); age > q.Limit {
		return true, fmt.Sprintf("%s: the oldest waits for %v", q.Name, age.Truncate(time.Second))
	}
	return false, ""
}

// Clock is a probe of [ClockUnsure] that asks whether the time may be trusted, and why.
func Clock(synced func(now time.Time) (ok bool, because string)) Probe {
	return Probe{ClockUnsure, func(_ context.Context, now time.Time) (bool, string) {
		ok, because := synced(now)
		return !ok, because
	}}
}

// Licence is a probe of [LicenceEnded] that asks why models may not be used any more, "" where
// they may.
func Licence(ended func(now time.Time) (because string)) Probe {
	return Probe{LicenceEnded, func(_ context.Context, now time.Time) (bool, string) {
		because := ended(now)
		return because != "", because
	}}
}
