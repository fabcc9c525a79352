package server_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"facegate/door"
)

// An oracle is told what is done to a door and what the door does, and says where the two do
// not fit. It knows the promises of docs/door.md, not how they are kept: for a moment it can
// tell whether something allows the door to be unlocked, and whether something demands it.
// Where it cannot know, because a relay was broken or two things fell on one instant, it
// allows both. Times are since the door was made.
type oracle struct {
	t   *testing.T
	cfg door.Config
	log []string // what was done and seen, for a failure

	now      time.Duration
	wires    map[string]*oracleWire
	settings map[string]wish // by priority
	asks     []*wish
	causes   []time.Duration // what may have unlocked the door, not yet used

	unlocked   bool          // what the relay means
	lockedAt   time.Duration // when it last became locked
	byAsks     time.Duration // since when nothing but asks explains an unlocked door
	ruledSince bool          // a setting or fire has explained it since it was last locked
	broken     bool
	brokenAt   time.Duration // last moment of a relay that did not obey
	blurred    time.Duration // until then openings are not judged
	pressed    time.Duration // the exit button, settled
	pressEnds  time.Duration // until when that may explain an opening
	fireAt     time.Duration // last moment of a fire call

	openSince time.Duration // settled
	spared    bool          // something allowed the leaf to stand open, some time since it opened
	alarms    []alarm       // reported
	moved     []bool        // the relay's edges whose events have not come: unlocked
	counts    map[string]int
}

// A wish is an ask or a setting.
type wish struct {
	who, mode string
	at, until time.Duration // until never for a setting without end
	chain     time.Duration // of an ask: when the piece it belongs to began
	dead      bool          // surely ended
	doubt     bool          // may have ended
}

// An oracleWire is an input with the level it has held long enough.
type oracleWire struct {
	raw, settled bool
	since        time.Duration
	settle       time.Duration
}

type alarm struct {
	kind string
	at   time.Duration
}

const (
	never = time.Duration(1<<63 - 1)
	// slack is what the oracle gives a door beyond an end. The promise is 200 ms; without a
	// real machine's delays it is nothing, and this is how far apart the oracle looks.
	slack = 100 * time.Millisecond
	// heal is how long a relay may take to be set again after it has been repaired.
	heal = 1100 * time.Millisecond
	long = time.Hour
)

func newOracle(t *testing.T, cfg door.Config) *oracle {
	o := &oracle{
		t: t, cfg: cfg, unlocked: cfg.FailSafe, settings: map[string]wish{}, counts: map[string]int{},
		lockedAt: -long, brokenAt: -long, pressed: -long, pressEnds: -long, fireAt: -long,
		wires: map[string]*oracleWire{
			door.LineRex:     {settle: 10 * time.Millisecond},
			door.LineContact: {settle: 30 * time.Millisecond},
			door.LineFire:    {settle: 30 * time.Millisecond},
			door.LineTamper:  {settle: 30 * time.Millisecond},
		},
	}
	o.causes = append(o.causes, 0)
	return o
}

func (o *oracle) note(format string, args ...any) {
	o.log = append(o.log, fmt.Sprintf("%v ", o.now)+fmt.Sprintf(format, args...))
	if len(o.log) > 200 {
		o.log = o.log[1:]
	}
}

func (o *oracle) fail(format string, args ...any) {
	o.t.Helper()
	for _, a := range o.asks {
		o.note("%+v", *a)
	}
	o.t.Fatalf("at %v, %+v: %s\n  %s", o.now, o.cfg, fmt.Sprintf(format, args...), strings.Join(o.log, "\n  "))
}

// top is the setting that holds; its mode is empty where there is none.
func (o *oracle) top() (string, wish) {
	for _, p := range []string{door.Emergency, door.Operator, door.Scheduled} {
		if s, ok := o.settings[p]; ok {
			return p, s
		}
	}
	return door.None, wish{}
}

func (o *oracle) mode() string { _, s := o.top(); return s.mode }

// to moves the oracle's time on, over everything that happens by itself on the way.
func (o *oracle) to(now time.Duration) {
	for {
		next, what := now+1, func() {}
		for name, w := range o.wires {
			if at := w.since + w.settle; w.raw != w.settled && at < next {
				next, what = at, func() { w.settled = w.raw; o.changed(name, w.raw) }
			}
		}
		for p, s := range o.settings {
			if s.until < next {
				next, what = s.until, func() { delete(o.settings, p); o.ruled() }
			}
		}
		if next > now {
			break
		}
		o.now = max(o.now, next)
		what()
	}
	o.now = now
	if w := o.wires[door.LineFire]; w.settled {
		o.fireAt = now
	}
	if o.broken {
		o.brokenAt = now
	}
	if o.open() && (o.mode() == door.ModeUnlocked || o.now-o.fireAt < slack) {
		o.spared = true
	}
}

func (o *oracle) open() bool { return o.wires[door.LineContact].settled }

// drive moves a wire.
func (o *oracle) drive(line string, on bool) {
	o.note("%s %v", line, on)
	if w := o.wires[line]; w.raw != on {
		w.raw, w.since = on, o.now
	}
}

// changed takes a wire's new state.
func (o *oracle) changed(line string, on bool) {
	o.note("%s is %v", line, on)
	o.causes = append(o.causes, o.now)
	switch {
	case line == door.LineRex && on:
		o.pressed, o.pressEnds = o.now, o.now+o.cfg.Unlock+door.Grace
		if !o.cfg.RexRecords {
			o.ask(door.WhoRex, o.cfg.Unlock)
		}
	case line == door.LineFire:
		o.fireAt = o.now
		if on && !o.cfg.FailSafe {
			o.ask(door.WhoFire, o.cfg.MaxOn)
		}
	case line == door.LineContact && on:
		o.openSince, o.spared = o.now, o.mode() == door.ModeUnlocked || o.now-o.fireAt < slack
		o.judge()
	case line == door.LineContact:
		if o.pressEnds > o.now+door.Grace {
			o.pressEnds = o.now + door.Grace
		}
		for _, a := range o.asks {
			if o.cfg.Relock == door.RelockTime || a.who == door.WhoFire {
				continue
			}
			a.doubt = true
			a.dead = a.dead || a.at < o.openSince
		}
	}
}

// ask notes a wish that was taken.
func (o *oracle) ask(who string, d time.Duration) {
	a := &wish{who: who, at: o.now, until: o.now + min(d, o.cfg.MaxOn), chain: o.now}
	if o.unlocked {
		a.chain = o.byAsks // the piece began before
	}
	// Where a setting held meanwhile, or the relay did not obey, it cannot be seen when.
	a.doubt = o.ruledSince || o.mode() == door.ModeUnlocked || o.now-o.brokenAt <= heal
	o.asks = slices.DeleteFunc(o.asks, func(b *wish) bool { return b.dead || o.now > b.at+2*o.cfg.MaxOn })
	o.asks = append(o.asks, a)
	o.causes = append(o.causes, o.now)
}

// mayLast reports whether an ask may keep the door unlocked at a time.
func (o *oracle) mayLast(a *wish, at time.Duration) bool {
	w := o.wires[door.LineContact]
	aroundOpen := w.settled || w.raw || at-w.since <= slack
	return !a.dead && (at <= a.until || o.cfg.Relock == door.RelockWhileOpen && aroundOpen && at <= a.at+o.cfg.MaxOn)
}

// must reports whether an ask demands that the door be unlocked now.
func (o *oracle) must(a *wish) bool {
	return !a.dead && !a.doubt && o.now < min(a.until, a.chain+o.cfg.MaxOn) && o.brokenAt < a.at
}

// ruled takes a change of the settings.
func (o *oracle) ruled() {
	o.note("mode %q", o.mode())
	o.causes = append(o.causes, o.now)
	switch o.mode() {
	case door.ModeLocked:
		o.endRequests()
	case door.ModeUnlocked: // however shortly
		o.spared, o.ruledSince = true, true
	}
}

func (o *oracle) endRequests() {
	for _, a := range o.asks {
		a.dead = a.dead || a.who == door.WhoController || a.who == door.WhoOperator
	}
}

// set takes a person's order; mode is empty for a release.
func (o *oracle) set(priority, mode string, d time.Duration) {
	o.note("order %s %q for %v", priority, mode, d)
	delete(o.settings, priority)
	if mode != "" {
		until := never
		if d > 0 {
			until = o.now + d
		}
		o.settings[priority] = wish{mode: mode, at: o.now, until: until}
	}
	o.endRequests()
	o.ruled()
}

// schedule takes a lease; mode is empty for none.
func (o *oracle) schedule(mode string, lease time.Duration) {
	o.note("schedule %q for %v", mode, lease)
	delete(o.settings, door.Scheduled)
	if mode != "" {
		if lease == 0 {
			lease = o.cfg.MaxOn
		}
		o.settings[door.Scheduled] = wish{mode: mode, at: o.now, until: o.now + min(lease, o.cfg.MaxOn)}
	}
	o.ruled()
}

// grant takes the answer to a pulse; fault says that the door knew its relay to be sick.
func (o *oracle) grant(who string, d time.Duration, err error) {
	o.note("grant to %s for %v: %v", who, d, err)
	if d == 0 {
		d = o.cfg.Unlock
	}
	switch {
	case errors.Is(err, door.ErrLockedDown) != (o.mode() == door.ModeLocked):
		o.fail("the answer to a grant is %v, the mode %q", err, o.mode())
	case errors.Is(err, door.ErrRelay) && o.now-o.brokenAt > heal:
		o.fail("a sound relay is called sick: %v", err)
	case err == nil:
		o.ask(who, d)
	case !errors.Is(err, door.ErrLockedDown) && !errors.Is(err, door.ErrRelay):
		o.fail("%v", err)
	default:
		o.causes = append(o.causes, o.now) // a relay that was repaired meanwhile may move
	}
}

// gone takes the controller's end.
func (o *oracle) gone() {
	o.note("controller is gone")
	for _, a := range o.asks {
		a.dead = a.dead || a.who == door.WhoController
	}
	if _, ok := o.settings[door.Scheduled]; ok {
		delete(o.settings, door.Scheduled)
		o.ruled()
	}
}

func (o *oracle) breaks(broken bool) {
	o.note("relay broken %v", broken)
	if o.broken || broken {
		o.brokenAt = o.now
	}
	o.broken = broken
}

// blur says that time passed unseen: what happened in between is not judged, and a wish that
// was noticed late has its whole time from now.
func (o *oracle) blur(from time.Duration) {
	o.note("blurred")
	o.blurred, o.byAsks, o.ruledSince = o.now+2*time.Second, o.now, true
	for _, a := range o.asks {
		a.doubt = true
		if a.at >= from {
			a.at, a.until = o.now, a.until+o.now-a.at
		}
	}
	o.causes = append(o.causes, o.now)
	o.spared = true
}

// restarts takes doord's end and new start.
func (o *oracle) restarts() {
	o.note("doord ends and starts")
	for p, s := range o.settings {
		if s.mode != door.ModeLocked || p == door.Scheduled {
			delete(o.settings, p)
		}
	}
	o.asks = nil
	o.causes = append(o.causes, o.now)
	for name, w := range o.wires {
		w.settled = w.raw
		if w.raw && name == door.LineFire {
			o.changed(name, true)
		}
	}
	o.openSince = o.now
	o.blur(o.now)
}

// edge takes a movement of the relay.
func (o *oracle) edge(energised bool, at time.Duration) {
	unlocked := energised != o.cfg.FailSafe
	o.log = append(o.log, fmt.Sprintf("%v relay: unlocked %v", at, unlocked))
	o.moved = append(o.moved, unlocked)
	o.unlocked, o.byAsks, o.ruledSince = unlocked, at, o.broken || at-o.brokenAt <= heal
	if !unlocked {
		o.lockedAt = at
		return
	}
	o.counts["unlocked"]++
	if o.broken || at-o.brokenAt <= heal {
		return // it is moved when it is repaired
	}
	i := slices.IndexFunc(o.causes, func(c time.Duration) bool { return c <= at && at-c <= time.Millisecond })
	if i < 0 {
		o.fail("unlocked without a new cause: each is good for one opening (%v)", o.causes)
	}
	o.causes = slices.Delete(o.causes, i, i+1)
}

// event takes what the door records.
func (o *oracle) event(e door.Event, at time.Duration) {
	o.log = append(o.log, fmt.Sprintf("%v recorded %s %s: %s", at, e.Kind, e.Who, e.Why))
	o.counts[e.Kind]++
	switch e.Kind {
	case door.Unlocked, door.Locked:
		if len(o.moved) == 0 || o.moved[0] != (e.Kind == door.Unlocked) {
			o.fail("%s is recorded; the relay's edges without a record are %v", e.Kind, o.moved)
		}
		o.moved = o.moved[1:]
	case door.Forced, door.Held:
		o.alarms = append(o.alarms, alarm{e.Kind, at})
	}
}

// A verdict says what is expected of an opening; judge makes it at the moment of the opening,
// look compares it with what has been recorded.
func (o *oracle) judge() {
	tie := false // another wire changes at this very moment
	for _, w := range o.wires {
		tie = tie || w.raw != w.settled && w.since+w.settle == o.now
	}
	if tie || o.now < o.blurred || o.broken || o.now-o.brokenAt <= heal {
		o.alarms = append(o.alarms, alarm{"anything", o.now})
		return
	}
	const near = 10 * time.Millisecond
	mode := o.mode()
	sinceLock, sincePress, sinceFire := o.now-o.lockedAt, o.now-o.pressed, o.now-o.fireAt
	switch {
	case o.unlocked || mode == door.ModeUnlocked || sinceFire < door.Grace-near || sincePress < door.Grace-near ||
		sinceLock < door.Grace-near:
		o.alarms = append(o.alarms, alarm{"explained", o.now})
	case sinceLock > door.Grace+near && o.now > o.pressEnds+near && sinceFire > door.Grace+near:
		o.alarms = append(o.alarms, alarm{"unexplained", o.now})
	default:
		o.alarms = append(o.alarms, alarm{"anything", o.now})
	}
}

// look compares the door, as it is now and as it has been recorded, with what it may be.
// Relay edges and events up to now have been handed in.
func (o *oracle) look(s door.Status) {
	o.lookAtAlarms()
	o.causes = slices.DeleteFunc(o.causes, func(c time.Duration) bool { return c < o.now })
	if len(o.moved) > 0 {
		o.fail("the relay moved and nothing is recorded: %v", o.moved)
	}
	priority, top := o.top()
	mode := top.mode
	switch {
	case mode == "":
		mode = door.ModeNormal
	case priority == door.Scheduled:
		mode = door.ModeScheduled
	}
	if s.Mode != mode || s.Priority != priority {
		o.fail("the status says mode %s of %s, want %s of %s", s.Mode, s.Priority, mode, priority)
	}
	fire := o.wires[door.LineFire]
	if s.Inputs.Contact != o.open() || s.Inputs.Fire != fire.settled {
		o.fail("the status says %+v, the leaf is open %v, fire calls %v", s.Inputs, o.open(), fire.settled)
	}
	calls := o.cfg.FailSafe && fire.settled
	ruled := calls || top.mode == door.ModeUnlocked
	if !o.unlocked || ruled {
		o.byAsks = o.now
	}
	o.ruledSince = o.unlocked && (o.ruledSince || ruled)
	if o.broken || o.now-o.brokenAt <= heal {
		o.byAsks, o.ruledSince = o.now, o.unlocked
		return
	}
	if s.Unlocked != o.unlocked {
		o.fail("the status says unlocked %v, the relay %v", s.Unlocked, o.unlocked)
	}

	demanded := ruled
	allowed := ruled || o.cfg.FailSafe && o.now-o.fireAt <= slack
	for _, a := range o.asks {
		demanded = demanded || o.must(a)
		allowed = allowed || o.mayLast(a, o.now-slack) || o.mayLast(a, o.now)
	}
	if demanded && !o.unlocked {
		o.fail("locked, though mode %q, fire %v or an ask unlocks", top.mode, calls)
	}
	if o.unlocked && !allowed && o.now-o.byAsks > slack {
		o.fail("unlocked, and nothing allows it")
	}
	if over := o.now - o.byAsks; over > o.cfg.MaxOn+200*time.Millisecond {
		o.fail("unlocked by asks for %v", over)
	}
}

// lookAtAlarms compares openings with forced alarms, and long openings with held ones.
func (o *oracle) lookAtAlarms() {
	for _, a := range o.alarms {
		switch a.kind {
		case door.Forced:
			if !o.hasAlarm("unexplained", a.at) && !o.hasAlarm("anything", a.at) {
				o.fail("an opening at %v is called forced: %v", a.at, o.alarms)
			}
		case "unexplained":
			o.counts["unexplained"]++
			if !o.hasAlarm(door.Forced, a.at) {
				o.fail("an opening at %v is not called forced: %v", a.at, o.alarms)
			}
		case "explained":
			o.counts["explained"]++
		case door.Held:
			if o.spared && a.at-o.openSince < o.cfg.HeldOpen && o.blurred < o.openSince {
				o.fail("held open after %v", a.at-o.openSince)
			}
		}
	}
	o.alarms = slices.DeleteFunc(o.alarms, func(a alarm) bool { return a.kind != door.Held || !o.open() })
	if o.open() && !o.spared && o.now-o.openSince > o.cfg.HeldOpen+slack {
		held := 0
		for _, a := range o.alarms {
			if a.kind == door.Held {
				held++
			}
		}
		if held != 1 {
			o.fail("open since %v and %d times reported", o.openSince, held)
		}
	}
}

func (o *oracle) hasAlarm(kind string, at time.Duration) bool {
	return slices.ContainsFunc(o.alarms, func(a alarm) bool { return a.kind == kind && max(a.at-at, at-a.at) <= time.Millisecond })
}
