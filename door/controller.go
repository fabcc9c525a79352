package door

import (
	"errors"
	"fmt"
	"time"
)

// Conditions of a request that is refused.
var (
	ErrLockedDown = errors.New("door is locked down")
	ErrRelay      = errors.New("relay does not obey")
)

// A Config describes a door. Unlock and MaxOn are positive, Unlock at most MaxOn.
type Config struct {
	FailSafe bool          // the lock opens without current
	Unlock   time.Duration // of a grant that names no time, and of the exit button
	MaxOn    time.Duration // longest time asks keep the door unlocked without a break
	HeldOpen time.Duration // an open door is reported after this; 0 is never
}

// How long a line must hold a level. The exit button has 100 ms from finger to relay.
const (
	settleButton = 10 * time.Millisecond
	settleLine   = 30 * time.Millisecond
)

// retryRelay is the pause before a relay that failed is set again.
const retryRelay = time.Second

// An ask is one party's wish that the door be unlocked.
type ask struct {
	until time.Time
	why   string
}

// A Controller decides whether a door is unlocked. From the strongest:
//
//   - the fire input unlocks a fail-safe door for as long as it calls, a fail-secure
//     door (whose people leave by the handle) for one period of MaxOn at its onset;
//   - the operator's mode: Hold unlocks until released, Lock refuses grants;
//   - asks: the exit button's in every mode, the controller's and the operator's
//     outside Lock. Each has an end; a second ask of the same party moves its end, never
//     to an earlier time. The door stays unlocked until the last end, in one piece, but
//     not longer than MaxOn after that piece began: all asks end there.
//
// Hold is the one way to stay unlocked for longer. It is a mode that the operator sets
// and releases, recorded as such, not a grant; it ends with the process.
//
// Every method takes the time it happens at and first does what has become due since the
// last; a time before the last counts as the last. Fetch what is to be done with
// [Controller.Take] after every call, answer each [SetRelay] with [Controller.RelayObeyed]
// or [Controller.RelayFailed], and call [Controller.Advance] at [Controller.Due].
type Controller struct {
	cfg Config
	now time.Time

	rex, contact, fire, tamper Contact
	openFrom                   time.Time // the leaf is open since; zero: closed, or reported as held

	mode, modeWhy string
	asks          map[string]ask // by party
	began         time.Time      // of the present piece of asks; zero: none

	unlocked bool
	who, why string
	since    time.Time

	energised bool      // what the relay last obeyed
	recorded  bool      // the same as unlocked, once the relay has obeyed
	fault     string    // why it has not
	retry     time.Time // when to set it again; zero: no fault, or set and not answered yet

	out []Action
}

// New returns a controller of a locked door whose relay is to be set accordingly.
func New(cfg Config, at time.Time) *Controller {
	c := &Controller{
		cfg: cfg, now: at, mode: Normal, since: at, asks: make(map[string]ask),
		rex:     Contact{Settle: settleButton},
		contact: Contact{Settle: settleLine},
		fire:    Contact{Settle: settleLine},
		tamper:  Contact{Settle: settleLine},
	}
	c.drive("start")
	return c
}

// Take returns what is to be done, in order, and forgets it.
func (c *Controller) Take() []Action {
	out := c.out
	c.out = nil
	return out
}

// Input feeds the level of a line; lines other than the four inputs are ignored. The first
// level of a line is its state at start: a fire call or an opened housing counts at once, a
// pressed button or an open door are only noted.
func (c *Controller) Input(line string, active bool, at time.Time) {
	c.Advance(at)
	var in *Contact
	switch line {
	case LineRex:
		in = &c.rex
	case LineContact:
		in = &c.contact
	case LineFire:
		in = &c.fire
	case LineTamper:
		in = &c.tamper
	default:
		return
	}
	first := !in.ready
	state, changed := in.Sample(active, c.now)
	switch {
	case changed:
		c.changed(line, state)
	case first && state && (line == LineFire || line == LineTamper):
		c.changed(line, state)
	case first && state && line == LineContact:
		c.openFrom = c.now
	}
	c.settle()
}

// Pulse unlocks the door for d on behalf of who, which is WhoController or WhoOperator; d of
// 0 or less is the door's own time. It returns how long the door will now stay unlocked,
// which MaxOn may make less than d; in Hold and on fire it is d, and changes nothing.
// The error is [ErrLockedDown], or [ErrRelay] while the relay is known not to obey.
func (c *Controller) Pulse(who string, d time.Duration, why string, at time.Time) (time.Duration, error) {
	c.Advance(at)
	if d <= 0 {
		d = c.cfg.Unlock
	}
	if c.mode == Lock {
		return 0, ErrLockedDown
	}
	if c.fault != "" {
		return 0, fmt.Errorf("%w: %s", ErrRelay, c.fault)
	}
	if c.mode == Hold || c.fireHolds() {
		return d, nil
	}
	c.ask(who, d, why)
	c.settle()
	return c.end().Sub(c.now), nil
}

// Gone withdraws the asks of a party that has disappeared: nobody is there any more to
// answer for them.
func (c *Controller) Gone(who string, at time.Time) {
	c.Advance(at)
	if _, asked := c.asks[who]; asked {
		delete(c.asks, who)
		c.settleFor(who, who+" is gone")
	}
}

// SetMode puts the door into Normal, Hold or Lock; another mode is ignored. A new mode ends
// all asks but those of the exit button and the fire input.
func (c *Controller) SetMode(mode, why string, at time.Time) {
	c.Advance(at)
	if mode != Normal && mode != Hold && mode != Lock {
		return
	}
	c.mode, c.modeWhy = mode, why
	delete(c.asks, WhoController)
	delete(c.asks, WhoOperator)
	c.record(Event{Kind: CommandDone, Who: WhoOperator, Why: mode + ": " + why})
	c.settleFor(WhoOperator, why)
}

// RelayObeyed reports that the last SetRelay was done.
func (c *Controller) RelayObeyed(at time.Time) {
	c.reached(at)
	c.energised = c.level()
	if c.fault != "" {
		c.fault, c.retry = "", time.Time{}
		c.record(Event{Kind: HealthCleared, Why: "relay"})
	}
	if c.recorded == c.unlocked {
		return
	}
	c.recorded = c.unlocked
	e := Event{Kind: Locked, Who: c.who, Why: c.why}
	if c.unlocked {
		e.Kind = Unlocked
	}
	c.record(e)
}

// RelayFailed reports that the last SetRelay was not obeyed. All asks end: nobody is told
// "granted" for a door that did not move, and none opens later by surprise. The relay is
// set again every second until it obeys.
func (c *Controller) RelayFailed(err error, at time.Time) {
	c.reached(at)
	if c.fault == "" {
		c.record(Event{Kind: HealthRaised, Why: "relay: " + err.Error()})
	}
	c.fault, c.retry = err.Error(), c.now.Add(retryRelay)
	clear(c.asks)
	c.began = time.Time{}
	if unlocked, _, _ := c.wanted(); c.unlocked && !unlocked {
		c.unlocked, c.since, c.who, c.why = false, c.now, "", "relay failed"
	}
}

// Due returns when Advance has something to do; ok is false where only a call from outside
// can change anything.
func (c *Controller) Due() (at time.Time, ok bool) {
	earlier := func(t time.Time) {
		if !ok || t.Before(at) {
			at, ok = t, true
		}
	}
	for _, in := range []*Contact{&c.rex, &c.contact, &c.fire, &c.tamper} {
		if t, waiting := in.Due(); waiting {
			earlier(t)
		}
	}
	if !c.began.IsZero() {
		earlier(c.end())
	}
	if t, open := c.heldAt(); open {
		earlier(t)
	}
	if !c.retry.IsZero() {
		earlier(c.retry)
	}
	return at, ok
}

// Advance does what has become due, each thing at its own time and in that order.
func (c *Controller) Advance(at time.Time) {
	for {
		due, ok := c.Due()
		if !ok || due.After(at) {
			break
		}
		c.reached(due)
		c.step()
	}
	c.reached(at)
}

// reached moves the controller's time on, never back.
func (c *Controller) reached(at time.Time) {
	if at.After(c.now) {
		c.now = at
	}
}

// step does what is due at c.now. Each thing it does moves the next Due on.
func (c *Controller) step() {
	for _, l := range []struct {
		name string
		in   *Contact
	}{{LineFire, &c.fire}, {LineRex, &c.rex}, {LineContact, &c.contact}, {LineTamper, &c.tamper}} {
		if state, changed := l.in.settle(c.now); changed {
			c.changed(l.name, state)
		}
	}
	if t, open := c.heldAt(); open && !c.now.Before(t) {
		c.openFrom = time.Time{}
		c.record(Event{Kind: Held, Why: fmt.Sprintf("open for %v", c.cfg.HeldOpen)})
	}
	if !c.retry.IsZero() && !c.now.Before(c.retry) {
		c.drive("retry")
	}
	c.settle()
}

// heldAt is when an open door is to be reported.
func (c *Controller) heldAt() (at time.Time, open bool) {
	return c.openFrom.Add(c.cfg.HeldOpen), !c.openFrom.IsZero() && c.cfg.HeldOpen > 0
}

// changed acts on the new state of an input.
func (c *Controller) changed(line string, state bool) {
	switch line {
	case LineRex:
		if state {
			c.record(Event{Kind: Rex, Who: WhoRex})
			c.ask(WhoRex, c.cfg.Unlock, "exit button")
		}
	case LineContact:
		if state {
			c.openFrom = c.now
			c.record(Event{Kind: Opened})
		} else {
			c.openFrom = time.Time{}
			c.record(Event{Kind: Closed})
		}
	case LineFire:
		c.record(Event{Kind: Fire, Who: WhoFire, On: state})
		if state && !c.cfg.FailSafe {
			c.ask(WhoFire, c.cfg.MaxOn, "fire")
		}
	case LineTamper:
		c.record(Event{Kind: Tamper, On: state})
	}
}

// ask notes a wish, which never ends earlier for being repeated.
func (c *Controller) ask(who string, d time.Duration, why string) {
	until := c.now.Add(min(d, c.cfg.MaxOn))
	if old, ok := c.asks[who]; ok && old.until.After(until) {
		until = old.until
	}
	c.asks[who] = ask{until, why}
}

// end is when the present piece of asks ends.
func (c *Controller) end() time.Time {
	limit, last := c.began.Add(c.cfg.MaxOn), time.Time{}
	for _, a := range c.asks {
		if a.until.After(last) {
			last = a.until
		}
	}
	if last.After(limit) {
		return limit
	}
	return last
}

// fireHolds reports whether the fire input keeps the door unlocked by itself.
func (c *Controller) fireHolds() bool { return c.cfg.FailSafe && c.fire.state }

// wanted says whether the door is to be unlocked, by whom and why. The strongest speaks;
// among asks the one that lasts longest.
func (c *Controller) wanted() (unlocked bool, who, why string) {
	switch {
	case c.fireHolds():
		return true, WhoFire, "fire"
	case c.mode == Hold:
		return true, WhoOperator, c.modeWhy
	}
	var last time.Time
	for _, party := range []string{WhoController, WhoOperator, WhoRex, WhoFire} {
		if a, ok := c.asks[party]; ok && a.until.After(last) {
			last, who, why, unlocked = a.until, party, a.why, true
		}
	}
	return unlocked, who, why
}

func (c *Controller) settle() { c.settleFor("", "time is over") }

// settleFor brings asks, state and relay into line. who and why are recorded if the door
// locks.
func (c *Controller) settleFor(who, why string) {
	if !c.began.IsZero() && !c.now.Before(c.end()) {
		for _, a := range c.asks {
			if a.until.After(c.now) {
				why = "maximum on-time"
			}
		}
		clear(c.asks)
	}
	switch {
	case len(c.asks) == 0:
		c.began = time.Time{}
	case c.began.IsZero():
		c.began = c.now
	}

	unlocked, by, because := c.wanted()
	if unlocked {
		who, why = by, because
	}
	if unlocked == c.unlocked {
		if unlocked {
			c.who, c.why = who, why
		}
		return
	}
	c.unlocked, c.since, c.who, c.why = unlocked, c.now, who, why
	c.drive(why)
}

// level is the relay level that the door's state needs.
func (c *Controller) level() bool { return c.unlocked != c.cfg.FailSafe }

// drive asks for that level.
func (c *Controller) drive(why string) {
	c.retry = time.Time{}
	c.out = append(c.out, SetRelay{Energise: c.level(), Why: why})
}

func (c *Controller) record(e Event) {
	e.Time = c.now
	c.out = append(c.out, e)
}

// Status returns the door as it is now. Unlocked and Relay are what the relay last obeyed.
// Until is zero where nothing ends by itself.
func (c *Controller) Status() Status {
	s := Status{
		Unlocked: c.recorded, Relay: c.energised, Mode: c.mode, Who: c.who, Why: c.why, Since: c.since,
		FailSafe: c.cfg.FailSafe, Fault: c.fault,
		Inputs: Inputs{Rex: c.rex.state, Contact: c.contact.state, Fire: c.fire.state, Tamper: c.tamper.state},
	}
	if !c.began.IsZero() && c.mode != Hold && !c.fireHolds() {
		s.Until = c.end()
	}
	return s
}
