package access

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Decide answers whether the person of a visit may pass the door. It depends on nothing but
// its arguments, changes none of them and is total: whatever it is given, it answers, and what
// it cannot make sense of it refuses.
//
// A face that was shown goes through quality, liveness and identity first. Where one of the
// first two fails the decision holds no similarity and nobody's id. A PIN typed alone that is
// not right ends it before anything about its owner is told. Who is known is asked in this
// order: block, lock-down, validity, door and schedule, lock-out, PIN, anti-passback,
// protective equipment, further factors, a second person. The first refusal ends it. Of a
// stranger only the equipment is asked, so that they hear what to change first.
//
// people is asked for the people of the visit; nil knows nobody. A nil memory remembers
// nothing.
func (p *Policy) Decide(v Visit, people Lookup, m *Memory) Decision {
	d := Decision{Door: v.Door, At: v.At, Clock: v.Clock}
	if v.Seen != nil {
		d.Models = v.Seen.Models
	}
	if p == nil {
		return d.deny(ReasonNoAccessHere, "no policy is loaded")
	}
	d.Policy = p.Revision
	c := p.consider(v, people, m)
	if _, ok := c.person(v.PIN.Person); ok && v.PIN.Result == EntryDuress {
		d.Alarm = AlarmDuress // whatever becomes of the visit, and whoever's face was seen
	}
	switch {
	case v.Seen == nil && v.PIN.Result == EntryNone:
		return d.deny(ReasonNoFace, "neither a face nor a PIN was shown")
	case v.Seen == nil:
		return c.known(d)
	case c.face(&d):
		return d
	case c.id == "":
		return c.stranger(d)
	}
	return c.known(d)
}

// consideration is one visit on its way through the rules.
type consideration struct {
	p      *Policy
	v      Visit
	people Lookup
	m      *Memory

	door   *doorPolicy // nil: no rule names it
	now    instant
	timed  bool // the time can be relied on
	demand Demand
	unsure bool // the demand depends on a schedule, and the time cannot be relied on

	id     string // who was recognised
	reason Reason // why nobody was, where a face was shown
	why    string
}

func (p *Policy) consider(v Visit, people Lookup, m *Memory) *consideration {
	c := &consideration{p: p, v: v, people: people, m: m, door: p.doors[v.Door]}
	zone := p.zone
	if zone == nil {
		zone = time.UTC
	}
	at := v.At
	c.timed = v.Clock == ClockSynced && !at.IsZero()
	if !c.timed && p.useFloor && !v.Floor.IsZero() {
		if v.Floor.After(at) {
			at = v.Floor
		}
		c.timed = true
	}
	c.now = newInstant(at, zone)
	if c.door != nil {
		c.demand, c.unsure = c.door.demandAt(&c.now, c.timed)
	}
	return c
}

// demandAt is what the door asks of people at a moment. unsure says that this depends on a
// time that cannot be relied on.
func (d *doorPolicy) demandAt(now *instant, timed bool) (x Demand, unsure bool) {
	x = d.Demand
	for i := range d.when {
		w := &d.when[len(d.when)-1-i] // the first that speaks is laid on last
		if !w.on.always && !timed {
			return x, true
		}
		if w.on.holds(now) {
			x = w.over(x)
		}
	}
	return x, false
}

// face judges the face that was shown and fills in who it is. It reports true where the face
// cannot be judged or does not live, with d as the refusal.
func (c *consideration) face(d *Decision) (refused bool) {
	s := c.v.Seen
	if s.Quality != qualityOK {
		r := Reason(s.Quality)
		if !r.Quality() {
			*d = d.deny(ReasonImageError, "the picture was not judged")
		} else {
			*d = d.deny(r, "the picture's quality is "+s.Quality)
		}
		return true
	}
	d.Scores.Mask, d.Scores.Head = fraction(s.MaskScore), fraction(s.HeadScore)
	if r, why := s.lifeless(); r != "" {
		d.Detail = s.Detail
		if r == ReasonSpoof {
			d.Scores.Liveness = fraction(&s.Score)
		}
		*d = d.deny(r, why)
		return true
	}
	d.Scores.Liveness = fraction(&s.Score)
	d.because("live at level %q", s.Level)

	least := max(s.Threshold.Score, c.demand.Score)
	if s.masked() {
		least = max(least, c.demand.MaskedScore)
	}
	if s.Threshold.Score <= 0 || math.IsNaN(s.Threshold.Score) {
		least = s.Threshold.Score // no usable threshold stays none
	}
	r, why := s.identify(least, d)
	if r == "" {
		id := s.Matches[0].Person
		if known, ok := c.person(id); !ok || known.ID != id {
			r, why = ReasonUnknownPerson, "the template matched belongs to nobody"
		} else {
			c.id = id
			d.because("recognised: score %.1f reaches %.1f", *d.Scores.Match, least)
		}
	}
	c.reason, c.why = r, why
	return false
}

func (c *consideration) person(id string) (Person, bool) {
	if c.people == nil || id == "" {
		return Person{}, false
	}
	p, ok := c.people(id)
	return p, ok && p.ID == id
}

// stranger refuses somebody whose face was judged and is nobody's.
func (c *consideration) stranger(d Decision) Decision {
	if c.v.Posted {
		d.Near = "" // nobody stands there, and whoever does must not be locked out by pictures
	}
	if r, _ := c.lockedOut(d.Near, d.Near != "", false); r != "" {
		d.Near = "" // or strangers could keep a face locked out for as long as they like
	}
	if c.unsure {
		return d.deny(c.reason, c.why)
	}
	if r, why := c.equipment(&d); r != "" {
		d.Near = "" // whoever covers the face otherwise than asked has not failed with it
		return d.deny(r, why)
	}
	return d.deny(c.reason, c.why)
}

// known decides on somebody of whom a face or a PIN says who they are.
func (c *consideration) known(d Decision) Decision {
	face, pin := c.id != "", c.v.PIN.Result != EntryNone
	id := c.id
	if !face {
		id = c.v.PIN.Person
	}
	person, ok := c.person(id)
	if !ok {
		// Only a PIN gets here: it was typed for somebody who does not exist.
		return d.deny(ReasonPINWrong, "the PIN is not right")
	}
	d.Person = id
	if !face && !c.v.PIN.of(person) {
		// Whoever has not shown who they are learns nothing of the person, and raises no alarm for
		// them but that somebody guesses.
		if r, why := c.lockedOut(id, false, true); r != "" {
			d.raise(AlarmLockout)
			return d.deny(r, why)
		}
		return d.deny(ReasonPINWrong, "the PIN is not right")
	}
	if person.Blocked {
		d.raise(AlarmBlocked)
		return d.deny(ReasonBlocked, "the person is blocked")
	}
	if c.v.LockedDown {
		return d.deny(ReasonDoorLockedDown, "the door is locked down")
	}
	if r, why := c.validity(person); r != "" {
		return d.deny(r, why)
	}
	d.because("the person is valid now")
	bypassed := c.bypassed(person)
	if bypassed {
		d.because("a bypass holds until %s", stamp(person.Bypass.Until))
	} else if r, why := c.enters(person); r != "" {
		return d.deny(r, why)
	} else {
		d.because("%s", why)
	}
	if c.v.Posted && (c.door == nil || !c.door.APIMayUnlock) {
		return d.deny(ReasonNoAccessHere, "this door is not opened by posted pictures")
	}
	// A bypass does not let anybody guess at its owner's PIN.
	if r, why := c.lockedOut(id, face, pin); r != "" && (!bypassed || !face) {
		d.raise(AlarmLockout)
		return d.deny(r, why)
	}
	if pin && !c.v.PIN.of(person) {
		return d.deny(ReasonPINWrong, "the PIN is not right")
	}
	if !bypassed {
		if r, why := c.passedBefore(id); r != "" {
			return d.deny(r, why)
		}
		if r, why := c.equipment(&d); r != "" {
			return d.deny(r, why)
		}
	}
	if ask := c.factors(&d, person, face, pin, bypassed); ask {
		return d
	}
	if !bypassed {
		if refused := c.together(&d, person); refused {
			return d
		}
	}
	d.Outcome, d.Bypass = Grant, bypassed
	d.Unlock = person.Unlock
	if c.door != nil {
		d.Unlock = max(d.Unlock, c.door.Unlock.Duration)
	}
	return d
}

// validity is why a person may pass nowhere now, or "".
func (c *consideration) validity(p Person) (Reason, string) {
	limited, now := !p.ValidFrom.IsZero() || !p.ValidUntil.IsZero(), c.now.at
	switch {
	case limited && !c.timed:
		return ReasonNotYetValid, "the person's validity is limited and the time is not known for sure"
	case !p.ValidFrom.IsZero() && now.Before(p.ValidFrom):
		return ReasonNotYetValid, "valid from " + stamp(p.ValidFrom)
	case !p.ValidUntil.IsZero() && !now.Before(p.ValidUntil):
		return ReasonExpired, "was valid until " + stamp(p.ValidUntil)
	}
	return "", ""
}

// bypassed reports whether a bypass of the person holds at the door now.
func (c *consideration) bypassed(p Person) bool {
	b := p.Bypass
	return b != nil && c.door != nil && c.door.Bypass && c.timed && !c.now.at.Before(b.Since) && c.now.at.Before(b.Until)
}

// unset reports whether the site has set no rules.
func (p *Policy) unset() bool {
	r := p.rules
	return r == nil || len(r.Doors) == 0 && len(r.Access) == 0 && len(r.Groups) == 0
}

// enters is why the person may not pass this door now, or "" and the rule that lets them.
func (c *consideration) enters(p Person) (Reason, string) {
	if c.p.unset() {
		if c.v.Door != MainDoor {
			return ReasonNoAccessHere, fmt.Sprintf("no rule opens the door %q", c.v.Door)
		}
		return "", "every valid person may pass this door"
	}
	if c.door == nil {
		return ReasonNoAccessHere, fmt.Sprintf("no rule names the door %q", c.v.Door)
	}
	rows, early := 0, false
	wait, first := c.awaits(p)
	opens := func(group string) (why string) {
		for _, s := range c.door.rows[group] {
			rows++
			switch {
			case !s.always && !c.timed || !s.holds(&c.now):
			case wait && !s.begun(&c.now, first):
				early = true
			default:
				return fmt.Sprintf("group %q may pass here on schedule %q", group, s.name)
			}
		}
		return ""
	}
	why := opens(Everybody)
	for i := 0; why == "" && i < len(p.Groups); i++ {
		why = opens(p.Groups[i])
	}
	switch {
	case why != "" && c.unsure:
		return ReasonOutsideSchedule, "what this door asks for depends on the time, which is not known for sure"
	case why != "":
		return "", why
	}
	switch {
	case rows == 0:
		return ReasonNoAccessHere, "no group of this person may pass here"
	case early:
		return ReasonOutsideSchedule, "nobody of those who have to come first has passed yet"
	case !c.timed:
		return ReasonOutsideSchedule, "access here depends on the time, which is not known for sure"
	}
	return ReasonOutsideSchedule, "no schedule lets this person pass now"
}

// awaits reports whether p may pass only behind somebody of those who come first, and when one
// of them last did.
func (c *consideration) awaits(p Person) (wait bool, first time.Time) {
	groups := c.door.First
	if len(groups) == 0 || slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(groups, g) }) {
		return false, time.Time{}
	}
	return true, c.m.lastOf(groups, c.v.Door, c.now.at)
}

// lockedOut is why a credential that was shown is not accepted at present, or "".
func (c *consideration) lockedOut(id string, face, pin bool) (Reason, string) {
	for _, used := range []struct {
		is bool
		credential
		what string
	}{{face, credential{person: id}, "the face"}, {pin, credential{id, true}, "the PIN"}} {
		if !used.is {
			continue
		}
		// The time is not checked for trust: a clock that steps ends a delay early or late, and
		// a delay is bounded.
		until := c.m.lockedUntil(used.credential, c.p.limits())
		if left := until.Sub(c.v.At); left > 0 && left <= longestLockout {
			return ReasonLockedOut, used.what + " failed too often and is locked until " + stamp(until)
		}
	}
	return "", ""
}

func (p *Policy) limits() *lockout {
	if p.lockout.failures == 0 {
		l := LockoutRule{}.filled()
		return &l
	}
	return &p.lockout
}

// passedBefore is why somebody who has just passed may not again, or "".
func (c *consideration) passedBefore(id string) (Reason, string) {
	if c.door == nil || c.door.AntiPassback.Duration <= 0 {
		return "", ""
	}
	at := c.m.passedAt(id, c.v.Door)
	if ago := c.v.At.Sub(at); !at.IsZero() && ago >= 0 && ago < c.door.AntiPassback.Duration {
		return ReasonAntiPassback, "passed here at " + stamp(at) + " already"
	}
	return "", ""
}

// The states of masks and of what is on a head, as pipeline/cover calls them.
const (
	maskFull    = "full"
	maskNoseOut = "nose_out"
	maskChin    = "chin"
	maskNone    = "none"
	headHelmet  = "helmet"
)

// masked reports whether the face was matched behind a mask, or may have been.
func (s *Sighting) masked() bool {
	return s.Mask != maskNone && s.Mask != maskChin
}

// equipment is why the mask or the head is not as the door wants it, or "". Reminders go into d.
func (c *consideration) equipment(d *Decision) (Reason, string) {
	mask, head := "", ""
	if c.v.Seen != nil {
		mask, head = c.v.Seen.Mask, c.v.Seen.Head
	}
	switch c.demand.Mask {
	case CoverRequired:
		if mask != maskFull {
			return ReasonMaskRequired, "a mask over nose and mouth is required, seen: " + seen(mask)
		}
	case CoverForbidden:
		if mask != maskNone && mask != maskChin {
			return ReasonMaskForbidden, "a mask is not allowed, seen: " + seen(mask)
		}
	case CoverRemind:
		if c.v.Seen != nil && mask != maskFull {
			d.Remind = append(d.Remind, ReasonMaskRequired)
		}
	}
	switch c.demand.Helmet {
	case CoverRequired:
		if head != headHelmet {
			return ReasonHeadCoverRequired, "a helmet is required, seen: " + seen(head)
		}
	case CoverRemind:
		if c.v.Seen != nil && head != headHelmet {
			d.Remind = append(d.Remind, ReasonHeadCoverRequired)
		}
	}
	return "", ""
}

func seen(state string) string {
	if state == "" {
		return "not looked at"
	}
	return state
}

// factors notes what was shown, and reports true where more is needed, with d asking for it.
func (c *consideration) factors(d *Decision, p Person, face, pin, bypassed bool) (ask bool) {
	want := c.demand.Factors
	instead := c.door != nil && c.door.PINInstead && p.NoFace
	switch {
	case face && pin:
		d.Factors = FactorFacePIN
	case face:
		d.Factors = FactorFace
	default:
		d.Factors = FactorPIN
	}
	needPIN := (want == FactorFacePIN || want == FactorPIN) && !bypassed
	needFace := want != FactorPIN && want != FactorFaceOrPIN && !bypassed && !instead
	switch {
	case needFace && !face && want == FactorFacePIN:
		*d = d.challenge(NeedFace, ReasonNoFace, "the face is needed beside the PIN")
		return true
	case needFace && !face:
		*d = d.deny(ReasonNoFace, "a PIN alone does not open this door")
		return true
	case needPIN && !pin && p.PIN == "":
		*d = d.deny(ReasonPINRequired, "a PIN is needed and the person has none")
		return true
	case needPIN && !pin:
		*d = d.challenge(NeedPIN, ReasonPINRequired, "the PIN is needed")
		return true
	}
	d.because("shown: %s", d.Factors)
	return false
}

// together reports true where a second person is needed and has not come, with d asking.
func (c *consideration) together(d *Decision, p Person) (refused bool) {
	two := c.demand.TwoPeople != nil && *c.demand.TwoPeople
	first, ok := c.person(c.v.First)
	ok = ok && first.ID != p.ID
	escort := c.door != nil && c.door.Escort
	escorted, before := escort && p.Visitor, escort && ok && first.Visitor
	if !two && !escorted && !before {
		return false
	}
	switch {
	case !ok:
		*d = d.challenge(NeedSecond, ReasonNoAccessHere, "a second person is needed")
		return true
	case escorted && before:
		*d = d.challenge(NeedSecond, ReasonNoAccessHere, "two visitors need somebody who is none")
		return true
	}
	if first.Blocked {
		*d = d.deny(ReasonBlocked, "the other person is blocked")
		return true
	}
	if r, why := c.validity(first); r != "" {
		*d = d.deny(r, "the other person: "+why)
		return true
	}
	if r, why := c.enters(first); r != "" && !c.bypassed(first) {
		*d = d.deny(r, "the other person: "+why)
		return true
	}
	d.With = first.ID
	d.because("together with another person")
	return false
}

// Standing reports whether the door stands unlocked by its schedule at a moment, and until
// when; until is zero where that does not end by itself. Under a clock that cannot be trusted
// it does not.
func (p *Policy) Standing(v Visit, m *Memory) (unlocked bool, until time.Time) {
	if p == nil || p.doors[v.Door] == nil || p.doors[v.Door].unlocked == nil {
		return false, time.Time{}
	}
	c := p.consider(v, nil, m)
	s := c.door.unlocked
	switch {
	case s.always && !c.door.UnlockedAfterFirst:
		return true, time.Time{}
	case !c.timed || !s.holds(&c.now):
		return false, time.Time{}
	}
	since, until := s.interval(&c.now)
	if c.door.UnlockedAfterFirst && m.lastOf(c.door.First, v.Door, c.now.at).Before(since) {
		return false, time.Time{}
	}
	return true, until
}
