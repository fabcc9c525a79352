// Package door is the state machine of one door and the inputs it obeys.
//
// A driver samples a wire, a [Contact] turns samples into a state, the [Controller]
// turns states and requests into lock and unlock. Nothing here reads a clock or a
// device: the caller passes both, so a test is exact and a replay faithful. Types are
// not safe for concurrent use; one goroutine owns a door (door/server has it).
//
// Two words are kept apart. Unlocked is what the door means: a person can pass.
// Energised is what the wire carries. They are the same on a door that fails secure
// (a strike opens with current) and opposite on one that fails safe (a magnet holds
// with current).
//
// The package refuses to keep a door unlocked for longer than [Config.MaxOn] after the last
// request, whoever asks and however often. Only a person's setting does, until it is released.
package door

import "time"

// A Contact is one debounced input. A new level becomes the state once the wire has
// held it for Settle; anything shorter is bounce and is never reported.
// The zero value reports every change at once.
type Contact struct {
	Settle time.Duration // how long a level must hold
	Invert bool          // the wire is normally closed

	ready       bool // a first sample has arrived
	state, seen bool // what was reported, what the wire shows
	since, last time.Time
}

// Sample feeds the wire's level at the given time and returns the state, and whether
// this call changed it. The first sample sets the state without being a change: a
// door found open at start has not been opened. A sample older than the last is
// ignored, so a stepped clock cannot settle a level early.
func (c *Contact) Sample(level bool, at time.Time) (state, changed bool) {
	level = level != c.Invert
	if !c.ready {
		c.ready, c.state, c.seen, c.since, c.last = true, level, level, at, at
		return c.state, false
	}
	if at.Before(c.last) {
		return c.state, false
	}
	c.last = at
	if level != c.seen {
		c.seen, c.since = level, at
	}
	if c.seen == c.state || at.Sub(c.since) < c.Settle {
		return c.state, false
	}
	c.state = c.seen
	return c.state, true
}

// Due returns when the level now on the wire becomes the state if it holds; ok is false
// where there is nothing to wait for.
func (c *Contact) Due() (at time.Time, ok bool) {
	return c.since.Add(c.Settle), c.ready && c.seen != c.state
}

// settle samples the level that was last seen once more.
func (c *Contact) settle(at time.Time) (state, changed bool) {
	return c.Sample(c.seen != c.Invert, at)
}
