package door

import (
	"slices"
	"time"
)

// The modes of a door. A [Setting] is ModeLocked or ModeUnlocked; a door without any is
// ModeNormal; a door whose schedule's setting holds tells ModeScheduled.
const (
	ModeNormal    = "normal"    // locked unless somebody asked
	ModeLocked    = "locked"    // locked down: grants are refused, the exit button and fire still open
	ModeUnlocked  = "unlocked"  // unlocked without being asked
	ModeScheduled = "scheduled" // as the schedule wants it
)

// Priorities of settings. The strongest that there is holds; when it is released or ends,
// the one beneath it holds again.
const (
	None      = "none"
	Scheduled = "scheduled" // by the hour of the day; a lease that its client renews
	Operator  = "operator"
	Emergency = "emergency"
)

// strongest is the order of priorities.
func strongest() [3]string { return [3]string{Emergency, Operator, Scheduled} }

// A Setting is what a door does without being asked.
type Setting struct {
	Priority string    `json:"priority"`
	Mode     string    `json:"mode"`           // ModeLocked or ModeUnlocked
	By       string    `json:"by,omitzero"`    // who made it: a name, or empty
	Why      string    `json:"why,omitzero"`   // and their reason
	Since    time.Time `json:"since"`          // when it was made
	Until    time.Time `json:"until,omitzero"` // when it ends by itself; of a schedule, when the schedule says it ends

	ends time.Time // when the controller ends it; zero: never. A schedule's lease is shorter than Until
}

// An Order makes a setting of a person's: ModeLocked or ModeUnlocked at priority Operator or
// Emergency.
type Order struct {
	Priority string
	Mode     string
	For      time.Duration // 0: until it is released
	By, Why  string
}

// Order makes a setting, or replaces that of the same priority; an order that is none is
// ignored. It ends all asks but those of the exit button and the fire input.
func (c *Controller) Order(o Order, at time.Time) {
	c.Advance(at)
	if o.Mode != ModeLocked && o.Mode != ModeUnlocked || o.Priority != Operator && o.Priority != Emergency {
		return
	}
	s := &Setting{Priority: o.Priority, Mode: o.Mode, By: o.By, Why: o.Why, Since: c.now}
	if o.For > 0 {
		s.ends = c.now.Add(o.For)
		s.Until = s.ends
	}
	c.settings[o.Priority] = s
	c.endRequests()
	c.record(Event{Kind: CommandDone, Who: WhoOperator, By: o.By, Why: told(o.Priority, o.Mode, o.Why)})
	c.settleFor(cause{WhoOperator, o.By, o.Why})
}

// Release ends the setting of a person at priority Operator or Emergency, and all asks but
// those of the exit button and the fire input. It is recorded even where there is none to
// end: somebody gave the order.
func (c *Controller) Release(priority, by, why string, at time.Time) {
	c.Advance(at)
	if priority != Operator && priority != Emergency {
		return
	}
	delete(c.settings, priority)
	c.endRequests()
	c.record(Event{Kind: CommandDone, Who: WhoOperator, By: by, Why: told(priority, ModeNormal, why)})
	c.settleFor(cause{WhoOperator, by, why})
}

// told is how the record names an order.
func told(priority, mode, why string) string {
	if priority == Emergency {
		return "emergency " + mode + ": " + why
	}
	return mode + ": " + why
}

// Schedule sets what the hour of the day wants, ModeLocked or ModeUnlocked, or ends it with
// ModeNormal; another mode is ignored. The setting ends by itself after lease, which is at
// most MaxOn (and MaxOn where it is 0 or less), unless Schedule renews it: a door is not kept
// open by a client that has stopped thinking. until is what the status shows.
func (c *Controller) Schedule(mode string, lease time.Duration, until time.Time, why string, at time.Time) {
	c.Advance(at)
	switch mode {
	case ModeNormal:
		delete(c.settings, Scheduled)
	case ModeLocked, ModeUnlocked:
		if lease <= 0 || lease > c.cfg.MaxOn {
			lease = c.cfg.MaxOn
		}
		s := &Setting{Priority: Scheduled, Mode: mode, Why: why, Since: c.now, Until: until, ends: c.now.Add(lease)}
		if old := c.settings[Scheduled]; old != nil && old.Mode == mode {
			s.Since = old.Since
		}
		c.settings[Scheduled] = s
	default:
		return
	}
	c.settleFor(cause{who: WhoSchedule, why: why})
}

// Restore brings back the lock-downs of an earlier process that have not ended since. It is
// called before anything else.
//
// A clock that stands before a setting was made is wrong, and the setting is then given its
// whole time again.
func (c *Controller) Restore(lockDowns []Setting, at time.Time) {
	for _, s := range lockDowns {
		if !s.Until.IsZero() {
			left := min(s.Until.Sub(at), s.Until.Sub(s.Since))
			if left <= 0 {
				continue
			}
			s.ends = at.Add(left)
			s.Until = s.ends
		}
		c.settings[s.Priority] = &s
	}
	c.settleFor(cause{why: "start"})
}

// Settings returns the settings that there are, the strongest first.
func (c *Controller) Settings() []Setting {
	var all []Setting
	for _, p := range strongest() {
		if s := c.settings[p]; s != nil {
			all = append(all, *s)
		}
	}
	return all
}

// LockDowns returns the settings of people that lock the door down, the strongest first: what
// should outlast the process.
func (c *Controller) LockDowns() []Setting {
	return slices.DeleteFunc(c.Settings(), func(s Setting) bool { return s.Mode != ModeLocked || s.Priority == Scheduled })
}

// holding is the setting that holds, or nil.
func (c *Controller) holding() *Setting {
	for _, p := range strongest() {
		if s := c.settings[p]; s != nil {
			return s
		}
	}
	return nil
}

// holds reports whether a setting keeps the door in a mode.
func (c *Controller) holds(mode string) bool {
	s := c.holding()
	return s != nil && s.Mode == mode
}

// expire ends the settings whose time is over. It returns who to name if the door locks.
func (c *Controller) expire() cause {
	over := cause{why: "time is over"}
	for _, p := range strongest() {
		s := c.settings[p]
		if s == nil || s.ends.IsZero() || c.now.Before(s.ends) {
			continue
		}
		delete(c.settings, p)
		if p == Scheduled {
			over = cause{who: WhoSchedule, why: "schedule was not renewed"}
			continue
		}
		over = cause{WhoOperator, s.By, "time is over"}
		c.record(Event{Kind: CommandDone, Who: WhoOperator, By: s.By, Why: told(p, ModeNormal, "time is over")})
	}
	return over
}

// cause is the cause that a setting is.
func (s *Setting) cause() cause {
	if s.Priority == Scheduled {
		return cause{WhoSchedule, s.By, s.Why}
	}
	return cause{WhoOperator, s.By, s.Why}
}
