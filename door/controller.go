package door

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Conditions of a request that is refused.
var (
	ErrLockedDown = errors.New("door is locked down")
	ErrRelay      = errors.New("relay does not obey")
)

// A Relock is when a door that somebody was let through locks again.
type Relock string

// The ways to lock again. A door without a contact always has RelockTime, which is also what
// an empty Relock means. RelockWhileOpen locks like RelockClosed, but not while the leaf is
// open, for as long as MaxOn allows.
const (
	RelockTime      Relock = "time"       // when the time is over, whatever the leaf does
	RelockClosed    Relock = "closed"     // when the leaf closes, or the time is over
	RelockWhileOpen Relock = "while_open" // when the leaf closes, or the time is over and the leaf is shut
)

// A Config describes a door. Unlock and MaxOn are positive, Unlock at most MaxOn.
type Config struct {
	FailSafe bool          // the lock opens without current
	Unlock   time.Duration // of a grant that names no time, and of the exit button
	MaxOn    time.Duration // longest time asks keep the door unlocked without a break
	HeldOpen time.Duration // an open door is reported after this; 0 is never
	Relock   Relock
	// RexRecords leaves the lock alone when the exit button is pressed: the inside handle
	// opens the door by itself, and the button tells of it.
	RexRecords bool
}

// How long a line must hold a level. The exit button has 100 ms from finger to relay.
const (
	settleButton = 10 * time.Millisecond
	settleLine   = 30 * time.Millisecond
)

// Grace is how long after the door has locked, or after whatever else explained it, an opening
// is still no forced one: who pulls at the last moment is no burglar.
const Grace = time.Second

// retryRelay is the pause before a relay that failed is set again.
const retryRelay = time.Second

// An ask is one party's wish that the door be unlocked.
type ask struct {
	fresh   time.Time // its end, as far as it was asked since the leaf last opened; or zero
	used    time.Time // its end, as far as somebody has opened the leaf since; or zero
	by, why string
}

// until is when an ask ends.
func (a ask) until() time.Time {
	if a.used.After(a.fresh) {
		return a.used
	}
	return a.fresh
}

// A cause is who is told to have locked or unlocked the door.
type cause struct{ who, by, why string }

// A Controller decides whether a door is unlocked. From the strongest:
//
//   - the fire input unlocks a fail-safe door for as long as it calls, a fail-secure
//     door (whose people leave by the handle) for one period of MaxOn at its onset;
//   - settings: of an emergency, of an operator, of the schedule. The strongest that there
//     is keeps the door unlocked, or locks it down so that grants are refused;
//   - asks: the exit button's in every mode, the controller's and the operator's unless
//     the door is locked down. Each has an end; a second ask of the same party moves its
//     end, never to an earlier time. The door stays unlocked until the last end, in one
//     piece, but not longer than MaxOn after that piece began: all asks end there. What
//     the leaf does may end them earlier ([Relock]).
//
// A person's setting is the one way to stay unlocked for longer than MaxOn after the last
// request. It is made and released by name, recorded as such, and not a grant.
//
// Every method takes the time it happens at and first does what has become due since the
// last; a time before the last counts as the last. Fetch what is to be done with
// [Controller.Take] after every call, answer each [SetRelay] with [Controller.RelayObeyed]
// or [Controller.RelayFailed], and call [Controller.Advance] at [Controller.Due].
type Controller struct {
	cfg  Config
	now  time.Time // of what is being done
	call time.Time // of the call that does it, which may be later

	rex, contact, fire, tamper Contact
	leaf                       leaf

	settings map[string]*Setting // by priority
	asks     map[string]ask      // by party
	began    time.Time           // of the present piece of asks; zero: none

	unlocked bool
	cause    cause // of the last change
	since    time.Time
	ruled    bool // it is as the setting that holds wants it

	energised bool      // what the relay last obeyed
	recorded  bool      // the same as unlocked, once the relay has obeyed
	fault     string    // why it has not
	retry     time.Time // when to set it again; zero: no fault, or set and not answered yet

	out []Action
}

// New returns a controller of a locked door whose relay, now without current, is to be set
// accordingly.
func New(cfg Config, at time.Time) *Controller {
	c := &Controller{
		cfg: cfg, now: at, since: at, cause: cause{why: "start"}, recorded: cfg.FailSafe,
		settings: make(map[string]*Setting), asks: make(map[string]ask),
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
		c.leaf.opened(c.now)
	}
	c.settle()
}

// A Grant is a wish of WhoController or WhoOperator that the door be unlocked.
type Grant struct {
	Who     string
	By, Why string
	For     time.Duration // 0 or less: the door's own time
}

// Pulse unlocks the door for a grant's time. It returns for how long, from now, the grant and
// those before it unlock the door if the leaf does not move, which MaxOn may make less than
// was asked for; a setting or a fire call may keep the door unlocked for longer. The error is
// [ErrLockedDown], or [ErrRelay] while the relay is known not to obey.
func (c *Controller) Pulse(g Grant, at time.Time) (time.Duration, error) {
	c.Advance(at)
	if g.For <= 0 {
		g.For = c.cfg.Unlock
	}
	if c.holds(ModeLocked) {
		return 0, ErrLockedDown
	}
	if c.fault != "" {
		return 0, fmt.Errorf("%w: %s", ErrRelay, c.fault)
	}
	c.ask(g.Who, g.For, cause{by: g.By, why: g.Why})
	c.settle()
	return c.end(false).Sub(c.now), nil
}

// Gone withdraws what a party has asked for that has disappeared, the schedule's setting with
// the controller: nobody is there any more to answer for it.
func (c *Controller) Gone(who string, at time.Time) {
	c.Advance(at)
	delete(c.asks, who)
	if who == WhoController {
		delete(c.settings, Scheduled)
	}
	c.settleFor(cause{who: who, why: who + " is gone"})
}

// endRequests ends the asks of those who a setting overrules.
func (c *Controller) endRequests() {
	delete(c.asks, WhoController)
	delete(c.asks, WhoOperator)
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
	e := Event{Kind: Locked, Who: c.cause.who, By: c.cause.by, Why: c.cause.why}
	if c.unlocked {
		e.Kind = Unlocked
	} else {
		c.leaf.explain(c.now.Add(Grace))
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
	if unlocked, _ := c.wanted(); c.unlocked && !unlocked {
		c.unlocked, c.since, c.cause = false, c.now, cause{why: "relay failed"}
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
		earlier(c.end(true))
	}
	for _, s := range c.settings {
		if !s.ends.IsZero() {
			earlier(s.ends)
		}
	}
	if t, ok := c.heldAt(); ok {
		earlier(t)
	}
	if !c.retry.IsZero() {
		earlier(c.retry)
	}
	return at, ok
}

// Advance does what has become due, each thing at its own time and in that order.
func (c *Controller) Advance(at time.Time) {
	c.call = at
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

// present is the time from which a wish counts. A press that is noticed late, because the caller
// was held up, has its whole time all the same.
func (c *Controller) present() time.Time {
	if c.call.After(c.now) {
		return c.call
	}
	return c.now
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
	c.settleFor(c.expire())
	if t, ok := c.heldAt(); ok && !c.now.Before(t) {
		c.leaf.held = true
		c.record(Event{Kind: Held, Why: fmt.Sprintf("open for %v", c.cfg.HeldOpen)})
	}
	if !c.retry.IsZero() && !c.now.Before(c.retry) {
		c.drive("retry")
	}
}

// changed acts on the new state of an input.
func (c *Controller) changed(line string, state bool) {
	switch line {
	case LineRex:
		if state {
			c.record(Event{Kind: Rex, Who: WhoRex})
			c.leaf.explain(c.present().Add(c.cfg.Unlock + Grace)) // the relay may not be what opens this door
			if !c.cfg.RexRecords {
				c.ask(WhoRex, c.cfg.Unlock, cause{why: "exit button"})
			}
		}
	case LineContact:
		if state {
			c.opened()
		} else {
			c.closed()
		}
	case LineFire:
		c.record(Event{Kind: Fire, Who: WhoFire, On: state})
		c.leaf.explain(c.now.Add(Grace))
		if state && !c.cfg.FailSafe {
			c.ask(WhoFire, c.cfg.MaxOn, cause{why: "fire"})
		}
	case LineTamper:
		c.record(Event{Kind: Tamper, On: state})
	}
}

// ask notes a wish, which never ends earlier for being repeated.
func (c *Controller) ask(who string, d time.Duration, of cause) {
	a := ask{c.present().Add(min(d, c.cfg.MaxOn)), c.asks[who].used, of.by, of.why}
	if old := c.asks[who]; old.fresh.After(a.fresh) {
		a.fresh = old.fresh
	}
	c.asks[who] = a
}

// end is when the present piece of asks ends; leaf says whether an open leaf may put it off.
func (c *Controller) end(leaf bool) time.Time {
	limit, last := c.began.Add(c.cfg.MaxOn), time.Time{}
	for _, a := range c.asks {
		if t := a.until(); t.After(last) {
			last = t
		}
	}
	if last.After(limit) || leaf && c.cfg.Relock == RelockWhileOpen && c.contact.state && len(c.asks) > 0 {
		return limit
	}
	return last
}

// fireHolds reports whether the fire input keeps the door unlocked by itself.
func (c *Controller) fireHolds() bool { return c.cfg.FailSafe && c.fire.state }

// wanted says whether the door is to be unlocked, and what makes it so. The strongest speaks;
// among asks the one that lasts longest.
func (c *Controller) wanted() (unlocked bool, by cause) {
	switch {
	case c.fireHolds():
		return true, cause{who: WhoFire, why: "fire"}
	case c.holds(ModeUnlocked):
		return true, c.holding().cause()
	}
	var last time.Time
	for _, party := range []string{WhoController, WhoOperator, WhoRex, WhoFire} {
		if a, ok := c.asks[party]; ok && a.until().After(last) {
			last, by, unlocked = a.until(), cause{party, a.by, a.why}, true
		}
	}
	return unlocked, by
}

func (c *Controller) settle() { c.settleFor(cause{why: "time is over"}) }

// settleFor brings asks, state and relay into line. over is told of if the door locks and no
// setting wants it so.
func (c *Controller) settleFor(over cause) {
	if c.holds(ModeLocked) {
		c.endRequests() // a setting that held above this one may have let them in
	}
	if !c.began.IsZero() && !c.now.Before(c.end(true)) {
		for _, a := range c.asks {
			if a.until().After(c.now) || c.contact.state && c.cfg.Relock == RelockWhileOpen {
				over.why = "maximum on-time"
			}
		}
		clear(c.asks)
	}
	switch {
	case len(c.asks) == 0:
		c.began = time.Time{}
	case c.began.IsZero():
		c.began = c.present()
	}
	c.spare()

	unlocked, by := c.wanted()
	was, wasRuled := c.unlocked, c.ruled
	c.unlocked, c.ruled = unlocked, !c.fireHolds() && (c.holds(ModeUnlocked) || c.holds(ModeLocked) && !unlocked)
	switch {
	case unlocked:
		c.cause = by
	case was || wasRuled:
		c.cause = over
	}
	if was != unlocked || wasRuled != c.ruled {
		c.since = c.now
	}
	if was != unlocked {
		c.drive(c.cause.why)
	}
}

// level is the relay level that the door's state needs.
func (c *Controller) level() bool { return c.unlocked != c.cfg.FailSafe }

// drive asks for that level. It takes the place of an ask that has not been taken yet: a relay
// is not moved for a moment that has passed.
func (c *Controller) drive(why string) {
	c.retry = time.Time{}
	c.out = slices.DeleteFunc(c.out, func(a Action) bool {
		_, stale := a.(SetRelay)
		return stale
	})
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
		State: c.state(), Unlocked: c.recorded, Relay: c.energised, Mode: ModeNormal, Priority: None,
		Who: c.cause.who, By: c.cause.by, Why: c.cause.why, Since: c.since, Settings: c.Settings(),
		FailSafe: c.cfg.FailSafe, Fault: c.fault,
		Inputs: Inputs{Rex: c.rex.state, Contact: c.contact.state, Fire: c.fire.state, Tamper: c.tamper.state},
	}
	if h := c.holding(); h != nil {
		s.Mode, s.Priority, s.SetBy = h.Mode, h.Priority, h.By
		if s.SetBy == "" {
			s.SetBy = h.cause().who
		}
		if h.Priority == Scheduled {
			s.Mode = ModeScheduled
		}
		if c.ruled {
			by := h.cause()
			s.Who, s.By, s.Why, s.Since, s.Until = by.who, by.by, by.why, h.Since, h.Until
		}
	}
	if !c.ruled && !c.began.IsZero() && !c.fireHolds() {
		s.Until = c.end(true)
	}
	return s
}
