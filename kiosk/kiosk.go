// Package kiosk is the daemon's heart: a sighting becomes a decision, the decision an audit
// record, and a grant a pulse of the door, in that order.
//
// The order is the promise: the record is on the disk before the door is asked to unlock, and
// where it cannot be written the door stays shut unless the site has said otherwise. A
// [Kiosk] is safe for concurrent use; decisions are taken one after the other.
package kiosk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"facegate/access"
	"facegate/internal/logkey"
	"facegate/store"
)

// An Audit keeps events; [store.DB] does.
type Audit interface {
	AppendEvent(ctx context.Context, act store.Act, e access.Event) (access.Event, error)
}

// A Door unlocks for a bounded time. Unlock returns when the door is unlocked, with how long
// it will be.
type Door interface {
	Unlock(ctx context.Context, d time.Duration, why string) (time.Duration, error)
}

// Options say what a kiosk opens and how.
type Options struct {
	Audit      Audit
	Door       Door
	DoorName   string        // the door's name in rules and events
	Unlock     time.Duration // how long a grant unlocks
	BestEffort bool          // open even where the event could not be written
	Log        *slog.Logger  // never nil
	// Watch, where set, is told of every decision after it was carried out.
	Watch func(access.Event, access.Decision)
}

// A Kiosk decides on sightings and carries the decisions out.
type Kiosk struct {
	o         Options
	policy    atomic.Pointer[access.Policy]
	directory atomic.Pointer[access.Directory]
	turn      sync.Mutex // one decision at a time, so that records stand in the order of the pulses
}

// New returns a kiosk with the policy of a site that has set no rules, and no people.
func New(o Options) *Kiosk {
	k := &Kiosk{o: o}
	k.policy.Store(&access.Policy{})
	k.directory.Store(&access.Directory{})
	return k
}

// SetPeople replaces the people decisions know of.
func (k *Kiosk) SetPeople(d access.Directory) { k.directory.Store(&d) }

// SetPolicy replaces the rules. The policy is not changed afterwards.
func (k *Kiosk) SetPolicy(p *access.Policy) { k.policy.Store(p) }

// Settle decides on a sighting, records the decision and, for a grant, unlocks the door. The
// error says that a grant was not carried out, or that something could not be recorded; the
// decision returned is the one that holds.
func (k *Kiosk) Settle(ctx context.Context, s access.Sighting) (access.Decision, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	d := k.policy.Load().Decide(access.Visit{Door: k.o.DoorName, At: s.At, Seen: &s}, k.directory.Load().Person, nil)
	e, err := k.o.Audit.AppendEvent(ctx, store.Act{At: s.At, Source: access.SourceCamera}, d.Event(access.SourceCamera))
	if err != nil {
		err = fmt.Errorf("record decision: %w", err)
		k.o.Log.ErrorContext(ctx, "decision not recorded", logkey.Error, err)
		if !k.o.BestEffort {
			d = d.Unrecorded()
		}
	}
	if d.Outcome == access.Grant {
		why := "access granted, event not recorded"
		if e.Seq > 0 {
			why = fmt.Sprintf("access granted, event %d", e.Seq)
		}
		if uerr := k.unlock(ctx, s.At, why); uerr != nil {
			err = fmt.Errorf("unlock the door: %w", uerr)
			k.o.Log.ErrorContext(ctx, "door did not unlock", logkey.Error, uerr)
			k.refused(ctx, e)
		}
	}
	if k.o.Watch != nil {
		k.o.Watch(e, d)
	}
	return d, err
}

// ErrLate means that a grant came too late to be carried out.
var ErrLate = errors.New("too late: whoever was granted may have gone")

// maxAge is how old a sighting may be when the door unlocks. A disk that stalls must not open
// the door to whoever stands there when it comes back.
const maxAge = 3 * time.Second

func (k *Kiosk) unlock(ctx context.Context, seen time.Time, why string) error {
	if time.Since(seen) > maxAge {
		return ErrLate
	}
	_, err := k.o.Door.Unlock(ctx, k.o.Unlock, why)
	return err
}

// refused records that a granted door did not open. It is a record of a failure that is
// already reported, so its own failure is only logged.
func (k *Kiosk) refused(ctx context.Context, granted access.Event) {
	_, err := k.o.Audit.AppendEvent(ctx, store.Act{At: time.Now(), Source: access.SourceCamera}, access.Event{
		Kind: access.KindCommandRefused, Person: granted.Person, Door: k.o.DoorName,
		Data: map[string]string{"command": "unlock", "event": fmt.Sprint(granted.Seq)},
	})
	if err != nil {
		k.o.Log.ErrorContext(ctx, "failure not recorded", logkey.Error, err)
	}
}
