package kiosk

import (
	"context"
	"sync/atomic"
	"time"

	"facegate/access"
	"facegate/store"
	"facegate/wallclock"
)

// Now is an Act of this moment by the given source.
func Now(source string) store.Act {
	at := time.Now()
	state, _ := new(wallclock.Source).State(at, wallclock.Floor())
	return store.Act{At: at, Clock: state, Source: source}
}

// A Wall is the clock on the site's wall: whether it can be trusted, and the latest moment that
// has certainly passed.
type Wall struct {
	watch *wallclock.Watch
	floor atomic.Pointer[time.Time]
}

// NewWall returns the clock that a watch keeps an eye on.
func NewWall(watch *wallclock.Watch) *Wall {
	w := &Wall{watch: watch}
	floor := wallclock.Floor()
	w.floor.Store(&floor)
	return w
}

// Trust implements [Clock].
func (w *Wall) Trust(now time.Time) (access.Clock, time.Time) {
	state, _ := w.watch.State(now)
	return state, *w.floor.Load()
}

// Seen takes in an event of the past: if its clock was trusted, its time has passed.
func (w *Wall) Seen(e access.Event) {
	if e.Clock != access.ClockSynced {
		return
	}
	w.watch.Passed(e.Time)
	for {
		old := w.floor.Load()
		if !e.Time.After(*old) || w.floor.CompareAndSwap(old, &e.Time) {
			return
		}
	}
}

// ClockChanged records that somebody set the clock.
func ClockChanged(ctx context.Context, db *store.DB, now time.Time, by time.Duration) error {
	_, err := db.AppendEvent(ctx, Now(access.SourceSystem), access.Event{
		Kind: access.KindClockChanged, Source: access.SourceSystem, Time: now, Data: map[string]string{"by": by.Round(time.Millisecond).String()},
	})
	return err
}
