package access

import (
	"maps"
	"time"
)

// A Memory is what happened that later decisions depend on: who passed when, and which
// credentials keep failing. It is made of nothing but events, so it can be had again from the
// audit trail after a restart. The zero Memory remembers nothing. It is not safe for
// concurrent use while [Memory.Observe] runs.
type Memory struct {
	passed map[place]time.Time // the last grant of a person at a door
	groups map[place]time.Time // the last grant of anybody of a group at a door
	doors  map[string]time.Time
	failed map[credential]failures
	swept  time.Time
}

// MemorySpan is how far back a Memory needs to see: what is older decides nothing.
const MemorySpan = 48 * time.Hour

// A place is a person or group at a door.
type place struct{ who, door string }

// A credential is what somebody proves who they are with: one person's face or PIN.
type credential struct {
	person string
	pin    bool
}

// failures are those of one credential in a row.
type failures struct {
	n    int
	last time.Time
}

// Names in the data of an event that a Memory reads.
const (
	dataBy   = "by"   // the factors of a grant
	dataWith = "with" // the other of two people
	dataNear = "near" // whom a stranger was nearly taken for
)

// Observe takes in an event. people tells the groups of who passed.
func (m *Memory) Observe(e Event, people Lookup) {
	// As the audit trail keeps it, so that a memory grown live and one made of the trail agree.
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	switch e.Kind {
	case KindGranted:
		for _, id := range []string{e.Person, e.Data[dataWith]} {
			m.pass(id, e.Door, e.Time, people)
		}
		by := Factors(e.Data[dataBy])
		if by == FactorFace || by == FactorFacePIN {
			delete(m.failed, credential{person: e.Person})
		}
		if by == FactorPIN || by == FactorFacePIN {
			delete(m.failed, credential{e.Person, true})
		}
	case KindDenied:
		if e.Reason == ReasonPINWrong && e.Person != "" {
			m.fail(credential{e.Person, true}, e.Time)
		}
		if near := e.Data[dataNear]; near != "" {
			m.fail(credential{person: near}, e.Time)
		}
	case KindCommandRefused:
		if e.Data["command"] == "unlock" {
			for _, id := range []string{e.Person, e.Data[dataWith]} {
				m.unpass(id, e.Door, people)
			}
		}
	}
	m.sweep(e.Time)
}

func (m *Memory) pass(id, door string, at time.Time, people Lookup) {
	if id == "" {
		return
	}
	if m.passed == nil {
		m.passed, m.groups, m.doors = make(map[place]time.Time), make(map[place]time.Time), make(map[string]time.Time)
	}
	m.passed[place{id, door}], m.doors[door] = at, at
	if people == nil {
		return
	}
	if p, ok := people(id); ok {
		for _, g := range p.Groups {
			m.groups[place{g, door}] = at
		}
	}
}

// unpass takes back the last grant, because the door did not open and nobody has passed. What
// was before it is not known any more.
func (m *Memory) unpass(id, door string, people Lookup) {
	at, ok := m.passed[place{id, door}]
	if !ok {
		return
	}
	delete(m.passed, place{id, door})
	if m.doors[door].Equal(at) {
		delete(m.doors, door)
	}
	if people == nil {
		return
	}
	p, _ := people(id)
	for _, g := range p.Groups {
		if m.groups[place{g, door}].Equal(at) {
			delete(m.groups, place{g, door})
		}
	}
}

func (m *Memory) fail(c credential, at time.Time) {
	if m.failed == nil {
		m.failed = make(map[credential]failures)
	}
	f := m.failed[c]
	if at.Sub(f.last) > longestLockout {
		f.n = 0
	}
	m.failed[c] = failures{f.n + 1, at}
}

// sweep forgets what decides nothing any more, so that the memory does not grow for ever.
func (m *Memory) sweep(now time.Time) {
	if since := now.Sub(m.swept); since >= 0 && since < time.Hour {
		return
	}
	m.swept = now
	old := func(t time.Time) bool { return now.Sub(t) > MemorySpan }
	for _, x := range []map[place]time.Time{m.passed, m.groups} {
		maps.DeleteFunc(x, func(_ place, t time.Time) bool { return old(t) })
	}
	maps.DeleteFunc(m.doors, func(_ string, t time.Time) bool { return old(t) })
	maps.DeleteFunc(m.failed, func(_ credential, f failures) bool { return old(f.last) })
}

// lockedUntil is until when a credential is locked out, or a moment that has passed.
func (m *Memory) lockedUntil(c credential, r *lockout) time.Time {
	if m == nil {
		return time.Time{}
	}
	f := m.failed[c]
	if f.n < r.failures {
		return time.Time{}
	}
	delay := r.delay
	for range min(f.n-r.failures, 32) {
		if delay *= 2; delay >= r.longest {
			break
		}
	}
	return f.last.Add(min(delay, r.longest))
}

// passedAt is when a person last passed a door, or the zero time.
func (m *Memory) passedAt(id, door string) time.Time {
	if m == nil {
		return time.Time{}
	}
	return m.passed[place{id, door}]
}

// lastOf is when somebody of one of the groups last passed a door, or the zero time; no groups
// are anybody. What a clock that was ahead has recorded for after now does not count.
func (m *Memory) lastOf(groups []string, door string, now time.Time) time.Time {
	if m == nil {
		return time.Time{}
	}
	var last time.Time
	count := func(at time.Time) {
		if at.After(last) && !at.After(now) {
			last = at
		}
	}
	if len(groups) == 0 {
		count(m.doors[door])
	}
	for _, g := range groups {
		count(m.groups[place{g, door}])
	}
	return last
}
