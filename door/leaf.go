package door

import "time"

// A leaf is what the contact tells of the door leaf, and whether that is in order. The zero
// value is a closed leaf.
type leaf struct {
	from      time.Time // open since, or since a longer opening was no longer in order; zero: closed
	held      bool      // open for too long, and reported
	forced    bool      // opened while locked, and reported
	spared    bool      // the door was to be unlocked without being asked
	explained time.Time // an opening before this is in order
}

// opened notes that the leaf opened.
func (l *leaf) opened(at time.Time) { l.from = at }

// explain says that an opening up to a time is in order.
func (l *leaf) explain(until time.Time) {
	if until.After(l.explained) {
		l.explained = until
	}
}

// opened acts on the leaf's opening.
func (c *Controller) opened() {
	c.leaf.opened(c.now)
	c.record(Event{Kind: Opened})
	for party, a := range c.asks {
		a.fresh, a.used = time.Time{}, a.until()
		c.asks[party] = a
	}
	if c.unlocked || c.recorded || c.fire.state || !c.now.After(c.leaf.explained) {
		return
	}
	c.leaf.forced = true
	c.record(Event{Kind: Forced, Why: "opened while locked"})
}

// closed acts on the leaf's closing: who was let through is through.
func (c *Controller) closed() {
	explained := c.leaf.explained
	if most := c.now.Add(Grace); explained.After(most) {
		explained = most
	}
	c.leaf = leaf{spared: c.leaf.spared, explained: explained}
	c.record(Event{Kind: Closed})
	if c.cfg.Relock != RelockClosed && c.cfg.Relock != RelockWhileOpen {
		return
	}
	for party, a := range c.asks {
		switch {
		case party == WhoFire:
		case a.fresh.IsZero():
			delete(c.asks, party)
		default:
			a.used = time.Time{}
			c.asks[party] = a
		}
	}
	c.settleFor(cause{why: "door closed"})
}

// spare notes whether the door may stand open now: a setting keeps it unlocked, or the fire
// panel calls. An open leaf has its whole time again when that ends.
func (c *Controller) spare() {
	spared := c.fire.state || c.holds(ModeUnlocked)
	if c.leaf.spared && !spared && !c.leaf.from.IsZero() {
		c.leaf.from = c.now
	}
	c.leaf.spared = spared
}

// heldAt is when an open leaf is to be reported; ok is false where it is not.
func (c *Controller) heldAt() (at time.Time, ok bool) {
	l := &c.leaf
	return l.from.Add(c.cfg.HeldOpen), !l.from.IsZero() && !l.held && !l.spared && c.cfg.HeldOpen > 0
}

// state is the state that people are told.
func (c *Controller) state() string {
	switch {
	case c.leaf.forced:
		return StateForced
	case c.leaf.held:
		return StateHeld
	case c.contact.state:
		return StateOpened
	case c.recorded:
		return StateUnlocked
	}
	return StateLocked
}
