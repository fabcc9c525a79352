// Package kiosk is the daemon's heart: a visit becomes a decision, the decision an audit
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
	"facegate/access/pin"
	"facegate/internal/logkey"
	"facegate/store"
)

// An Audit keeps events; [store.DB] does.
type Audit interface {
	AppendEvent(ctx context.Context, act store.Act, e access.Event) (access.Event, error)
}

// A Door unlocks for a bounded time. Unlock returns when the door is unlocked, with how long
// it will be. LockedDown reports whether it is known that it would not: an operator, an
// emergency or a fault keeps it locked.
type Door interface {
	Unlock(ctx context.Context, d time.Duration, why string) (time.Duration, error)
	LockedDown(ctx context.Context) (bool, error)
}

// A Clock says whether the wall clock can be trusted, and a moment that has certainly passed.
type Clock interface {
	Trust(now time.Time) (state access.Clock, floor time.Time)
}

// Options say what a kiosk opens and how.
type Options struct {
	Audit      Audit
	Door       Door
	Clock      Clock
	DoorName   string        // the door's name in rules and events
	Unlock     time.Duration // how long a grant unlocks where nobody says more
	BestEffort bool          // open even where the event could not be written
	Log        *slog.Logger  // never nil
	// Watch, where set, is told of every decision after it was carried out, and of every
	// challenge when it is put. It must not wait.
	Watch func(access.Event, access.Decision)
}

// answerWithin is how long a challenge waits: for a PIN, a face or a second person.
const answerWithin = 15 * time.Second

// A Kiosk decides on visits and carries the decisions out.
type Kiosk struct {
	o         Options
	policy    atomic.Pointer[access.Policy]
	directory atomic.Pointer[access.Directory]

	turn    sync.Mutex // one decision at a time, so that records stand in the order of the pulses
	memory  *access.Memory
	pending pending

	typing sync.Mutex // one PIN is hashed at a time: each takes 19 MiB
}

// pending is a challenge that was put and not answered yet.
type pending struct {
	visit    access.Visit
	decision access.Decision
	source   string
	expire   *time.Timer // nil: no challenge is pending
}

// New returns a kiosk with the policy of a site that has set no rules, no people and no memory.
func New(o Options) *Kiosk {
	k := &Kiosk{o: o, memory: &access.Memory{}}
	k.policy.Store(&access.Policy{})
	k.directory.Store(&access.Directory{})
	return k
}

// SetPeople replaces the people decisions know of.
func (k *Kiosk) SetPeople(d access.Directory) { k.directory.Store(&d) }

// SetPolicy replaces the rules. The policy is not changed afterwards; nil lets nobody in.
func (k *Kiosk) SetPolicy(p *access.Policy) { k.policy.Store(p) }

// Policy is the rules that hold.
func (k *Kiosk) Policy() *access.Policy { return k.policy.Load() }

// Remember feeds past events to the memory: anti-passback and lock-outs outlive a restart.
func (k *Kiosk) Remember(e access.Event) {
	k.turn.Lock()
	defer k.turn.Unlock()
	k.memory.Observe(e, k.person)
}

func (k *Kiosk) person(id string) (access.Person, bool) { return k.directory.Load().Person(id) }

// Settle decides on somebody the camera saw, records the decision and, for a grant, unlocks
// the door. A challenge that is pending is answered by the face where it fits: as the second
// person, or as the face beside a PIN. The error says that a grant was not carried out, or
// that something could not be recorded; the decision returned is the one that holds.
func (k *Kiosk) Settle(ctx context.Context, s access.Sighting) (access.Decision, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	v := k.visit(ctx, s.At)
	v.Seen = &s
	switch k.pending.decision.Need {
	case access.NeedSecond:
		v.First = k.pending.decision.Person
	case access.NeedFace:
		if len(s.Matches) > 0 && s.Matches[0].Person == k.pending.decision.Person {
			v.PIN, v.First = k.pending.visit.PIN, k.pending.visit.First
		}
	}
	return k.conclude(ctx, v, access.SourceCamera)
}

// Type takes in a PIN that was typed at the door for a person, by itself or beside a face
// that a pending challenge has seen. Its decision is carried out like that of [Kiosk.Settle].
func (k *Kiosk) Type(ctx context.Context, id, typed string) (access.Decision, error) {
	entry := k.enter(id, typed)
	k.turn.Lock()
	defer k.turn.Unlock()
	v := k.visit(ctx, time.Now())
	v.PIN = entry
	switch k.pending.decision.Need {
	case access.NeedPIN:
		if k.pending.decision.Person == id {
			v.Seen, v.First = k.pending.visit.Seen, k.pending.visit.First
		}
	case access.NeedSecond:
		v.First = k.pending.decision.Person
	}
	source := access.SourceCamera
	if v.Seen == nil {
		source = access.SourceAPI("local") // the camera has no part in it
	}
	return k.conclude(ctx, v, source)
}

// Post decides on somebody whose picture came in over an API at the time taken, and carries the
// decision out like [Kiosk.Settle]. Nobody stands at the door to answer a challenge, so that one
// is the denial it stands for; a challenge that is pending there stays. A grant that comes long
// after the picture is recorded and opens nothing.
func (k *Kiosk) Post(ctx context.Context, s access.Sighting, taken time.Time, source string) (access.Decision, error) {
	k.turn.Lock()
	defer k.turn.Unlock()
	v := k.visit(ctx, time.Now())
	v.Seen, v.Posted = &s, true
	d := k.policy.Load().Decide(v, k.person, k.memory).Unanswered()
	v.At = taken
	return k.carryOut(ctx, v, d, source)
}

// enter checks a PIN. It takes as long for somebody who has none.
func (k *Kiosk) enter(id, typed string) access.Entry {
	k.typing.Lock()
	defer k.typing.Unlock()
	person, _ := k.person(id)
	e := access.Entry{Person: id, Result: access.EntryWrong}
	right, duress := pin.Check(person.PIN, typed), pin.Check(person.Duress, typed)
	switch {
	case person.PIN != "" && right:
		e.Result = access.EntryRight
	case person.Duress != "" && duress:
		e.Result = access.EntryDuress
	}
	return e
}

// visit is a visit of this moment that shows nothing yet.
func (k *Kiosk) visit(ctx context.Context, at time.Time) access.Visit {
	v := access.Visit{Door: k.o.DoorName, At: at}
	v.Clock, v.Floor = k.o.Clock.Trust(at)
	locked, err := k.o.Door.LockedDown(ctx)
	v.LockedDown = locked || err != nil // nobody is told "granted" at a door that does not answer
	return v
}

// conclude decides and does what follows. k.turn is held.
func (k *Kiosk) conclude(ctx context.Context, v access.Visit, source string) (access.Decision, error) {
	d := k.policy.Load().Decide(v, k.person, k.memory)
	p := &k.pending
	same := p.expire != nil && d.Person == p.decision.Person
	if p.decision.Alarm == access.AlarmDuress && (same || v.First == p.decision.Person) {
		d.Alarm = access.AlarmDuress // whoever of two was forced
	}
	switch {
	case d.Outcome == access.Challenge:
		if !same && (v.First != p.decision.Person || d.Need == access.NeedSecond) {
			k.unanswered(ctx)
		}
		k.put(ctx, v, d, source)
		return d, nil
	case p.expire == nil:
	case d.Outcome == access.Grant && (same || d.With == p.decision.Person):
		k.forget()
	case same && d.Reason != access.ReasonPINWrong: // after a wrong PIN another try may follow
		k.forget()
	}
	return k.carryOut(ctx, v, d, source)
}

// put keeps a challenge for its answer.
func (k *Kiosk) put(ctx context.Context, v access.Visit, d access.Decision, source string) {
	k.forget()
	p := &k.pending
	p.visit, p.decision, p.source = v, d, source
	ctx = context.WithoutCancel(ctx)
	var timer *time.Timer
	timer = time.AfterFunc(answerWithin, func() {
		k.turn.Lock()
		defer k.turn.Unlock()
		if k.pending.expire == timer {
			k.unanswered(ctx)
		}
	})
	p.expire = timer
	if k.o.Watch != nil {
		k.o.Watch(access.Event{}, d)
	}
}

// forget drops the pending challenge.
func (k *Kiosk) forget() {
	if k.pending.expire != nil {
		k.pending.expire.Stop()
	}
	k.pending = pending{}
}

// unanswered records a pending challenge as the denial it stood for.
func (k *Kiosk) unanswered(ctx context.Context) {
	p := k.pending
	k.forget()
	if p.expire == nil {
		return
	}
	d := p.decision.Unanswered()
	_, _ = k.carryOut(ctx, p.visit, d, p.source) // a failure to record was logged
}

// Close records a challenge that is still pending. Nothing is decided afterwards.
func (k *Kiosk) Close(ctx context.Context) {
	k.turn.Lock()
	defer k.turn.Unlock()
	k.unanswered(ctx)
}

// carryOut records a decision and, for a grant, unlocks the door.
func (k *Kiosk) carryOut(ctx context.Context, v access.Visit, d access.Decision, source string) (access.Decision, error) {
	e, err := k.o.Audit.AppendEvent(ctx, store.Act{At: d.At, Clock: v.Clock, Source: source}, d.Event(source))
	if err != nil {
		err = fmt.Errorf("record decision: %w", err)
		k.o.Log.ErrorContext(ctx, "decision not recorded", logkey.Error, err)
		if !k.o.BestEffort {
			d = d.Unrecorded()
		}
	}
	// What could not be recorded is remembered all the same: a sick disk must not take the
	// limit off a guesser.
	k.memory.Observe(d.Event(source), k.person)
	shown := d
	if d.Outcome == access.Grant {
		why := "access granted, event not recorded"
		if e.Seq > 0 {
			why = fmt.Sprintf("access granted, event %d", e.Seq)
		}
		if uerr := k.unlock(ctx, v.At, d.Unlock, why); uerr != nil {
			err = fmt.Errorf("unlock the door: %w", uerr)
			k.o.Log.ErrorContext(ctx, "door did not unlock", logkey.Error, uerr)
			k.refused(ctx, d, e, source)
			shown = d.Unopened()
		}
	}
	if k.o.Watch != nil {
		k.o.Watch(e, shown)
	}
	return d, err
}

// ErrLate means that a grant came too late to be carried out.
var ErrLate = errors.New("too late: whoever was granted may have gone")

// maxAge is how old a visit's last act may be when the door unlocks. A disk that stalls must
// not open the door to whoever stands there when it comes back.
const maxAge = 3 * time.Second

func (k *Kiosk) unlock(ctx context.Context, seen time.Time, d time.Duration, why string) error {
	if time.Since(seen) > maxAge {
		return ErrLate
	}
	_, err := k.o.Door.Unlock(ctx, max(d, k.o.Unlock), why)
	return err
}

// refused records that a granted door did not open. It is a record of a failure that is
// already reported, so its own failure is only logged.
func (k *Kiosk) refused(ctx context.Context, d access.Decision, granted access.Event, source string) {
	e := access.Event{
		Time: time.Now(), Kind: access.KindCommandRefused, Person: d.Person, Door: k.o.DoorName,
		Data: map[string]string{"command": "unlock", "event": fmt.Sprint(granted.Seq)},
	}
	if d.With != "" {
		e.Data["with"] = d.With
	}
	k.memory.Observe(e, k.person)
	if _, err := k.o.Audit.AppendEvent(ctx, store.Act{At: e.Time, Source: source}, e); err != nil {
		k.o.Log.ErrorContext(ctx, "failure not recorded", logkey.Error, err)
	}
}
