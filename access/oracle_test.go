package access

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"
)

// A world is everything a decision depends on, written down plainly: rules beside the plain
// schedules they name, people, and what happened before, in order.
type world struct {
	rules  Rules
	times  map[string]*plain // by the name of the schedule; Always is not among them
	zone   *time.Location
	people map[string]Person
	events []Event
	visit  Visit
}

// An answer is what is to come out.
type answer struct {
	Outcome Outcome
	Reason  Reason
	Need    Need
	Person  string
	Near    string
	With    string
	Alarm   string
	Bypass  bool
	Factors Factors
	Unlock  time.Duration
	Remind  []Reason
}

func answerOf(d Decision) answer {
	return answer{d.Outcome, d.Reason, d.Need, d.Person, d.Near, d.With, d.Alarm, d.Bypass, d.Factors, d.Unlock, d.Remind}
}

// A lack is one demand that a visit does not meet. A need is set where it could be met
// now, by showing more.
type lack struct {
	reason Reason
	need   Need
}

// oracle collects every demand that the visit does not meet, in the order that
// [Policy.Decide] documents, and is of the opinion that the first is the answer, and that there
// is a grant where there is none.
type oracle struct {
	world
	door    DoorRule
	isDoor  bool
	now     time.Time
	trusted bool
	demand  Demand
	vague   bool // the demand depends on a time that is not known
	lacks   []lack
	out     answer
}

func (o *oracle) lack(unmet bool, r Reason) {
	if unmet {
		o.lacks = append(o.lacks, lack{reason: r})
	}
}

func (o *oracle) ask(unmet bool, n Need, r Reason) {
	if unmet {
		o.lacks = append(o.lacks, lack{r, n})
	}
}

func (w world) answer() answer {
	o := oracle{world: w, trusted: w.visit.Clock == ClockSynced && !w.visit.At.IsZero(), now: w.visit.At}
	if !o.trusted && w.rules.UnsureClock == UseFloor && !w.visit.Floor.IsZero() {
		o.trusted = true
		if w.visit.Floor.After(o.now) {
			o.now = w.visit.Floor
		}
	}
	o.door, o.isDoor = w.rules.Doors[w.visit.Door]
	o.demand = o.door.Demand
	for _, x := range slices.Backward(o.door.When) {
		if x.Schedule != Always && !o.trusted {
			o.vague = true
			break
		}
		if !o.holds(x.Schedule) {
			continue
		}
		if x.Factors != "" {
			o.demand.Factors = x.Factors
		}
		if x.Mask != "" {
			o.demand.Mask = x.Mask
		}
		if x.Helmet != "" {
			o.demand.Helmet = x.Helmet
		}
		if x.TwoPeople != nil {
			o.demand.TwoPeople = x.TwoPeople
		}
		if x.Score != 0 {
			o.demand.Score = x.Score
		}
		if x.MaskedScore != 0 {
			o.demand.MaskedScore = x.MaskedScore
		}
	}
	o.judge()
	if len(o.lacks) == 0 {
		o.out.Outcome = Grant
		return o.out
	}
	first := o.lacks[0]
	o.out.Reason, o.out.Need = first.reason, first.need
	if first.need != "" {
		o.out.Outcome = Challenge
	}
	// What is told of a person who passes is not told of one who does not.
	o.out.Unlock, o.out.Remind, o.out.With, o.out.Bypass = 0, nil, "", false
	if first.reason != ReasonUnknownPerson {
		o.out.Near = ""
	}
	return o.out
}

func (o *oracle) judge() {
	v := o.visit
	if _, ok := o.people[v.PIN.Person]; ok && v.PIN.Result == EntryDuress {
		o.out.Alarm = AlarmDuress
	}
	id, face := "", false
	if s := v.Seen; s != nil {
		if s.Quality != "ok" {
			o.lack(true, Reason(s.Quality))
			return
		}
		if s.Liveness == Spoof {
			o.lack(true, ReasonSpoof)
			return
		}
		if s.Liveness != Live {
			o.lack(true, ReasonLivenessUnavailable)
			return
		}
		who, why := o.recognise(s)
		if why != "" {
			if v.Posted {
				o.out.Near = ""
			}
			if o.out.Near != "" && o.locked(credential{person: o.out.Near}) {
				o.out.Near = ""
			}
			if !o.vague {
				o.equipment()
			}
			o.lack(true, why)
			return
		}
		id, face = who, true
	} else {
		if v.PIN.Result == EntryNone {
			o.lack(true, ReasonNoFace)
			return
		}
		id = v.PIN.Person
	}
	p, ok := o.people[id]
	if !ok {
		o.lack(true, ReasonPINWrong)
		return
	}
	o.out.Person = id
	o.person(p, face)
}

// recognise is who was seen, or why nobody was.
func (o *oracle) recognise(s *Sighting) (id string, why Reason) {
	least := max(s.Threshold.Score, o.demand.Score)
	if s.Mask != "none" && s.Mask != "chin" {
		least = max(least, o.demand.MaskedScore)
	}
	if len(s.Matches) == 0 {
		return "", ReasonUnknownPerson
	}
	best := s.Matches[0]
	if best.Score < least {
		if best.Score >= least-10 {
			o.out.Near = best.Person
		}
		return "", ReasonUnknownPerson
	}
	for _, m := range s.Matches {
		if m.Person != best.Person && (best.Cosine-m.Cosine < s.Threshold.Margin || best.Cosine <= m.Cosine) {
			return "", ReasonAmbiguous
		}
	}
	if _, ok := o.people[best.Person]; !ok {
		return "", ReasonUnknownPerson
	}
	return best.Person, ""
}

func (o *oracle) person(p Person, face bool) {
	v := o.visit
	pin := v.PIN.Result != EntryNone
	raise := func(alarm string) {
		if len(o.lacks) == 0 && o.out.Alarm == "" {
			o.out.Alarm = alarm
		}
	}
	right := v.PIN.Person == p.ID && (v.PIN.Result == EntryRight && p.PIN != "" || v.PIN.Result == EntryDuress && p.Duress != "")
	if !face && !right {
		if o.locked(credential{p.ID, true}) {
			raise(AlarmLockout)
			o.lack(true, ReasonLockedOut)
		}
		o.lack(true, ReasonPINWrong)
		return
	}
	if p.Blocked {
		raise(AlarmBlocked)
	}
	o.lack(p.Blocked, ReasonBlocked)
	o.lack(v.LockedDown, ReasonDoorLockedDown)
	o.validity(p)
	bypass := o.bypassed(p)
	if !bypass {
		o.entrance(p)
	}
	o.lack(v.Posted && !o.door.APIMayUnlock, ReasonNoAccessHere)
	locked := face && !bypass && o.locked(credential{p.ID, false}) || pin && (!bypass || !face) && o.locked(credential{p.ID, true})
	if locked {
		raise(AlarmLockout)
	}
	o.lack(locked, ReasonLockedOut)
	o.lack(pin && !right, ReasonPINWrong)
	if !bypass {
		o.antiPassback(p)
		o.equipment()
	}
	switch {
	case len(o.lacks) > 0: // the visit ended before they were noted
	case face && pin:
		o.out.Factors = FactorFacePIN
	case face:
		o.out.Factors = FactorFace
	default:
		o.out.Factors = FactorPIN
	}
	if !bypass {
		o.factors(p, face, pin)
		o.together(p)
	}
	o.out.Bypass = bypass
	o.out.Unlock = max(p.Unlock, o.door.Unlock.Duration)
}

func (o *oracle) validity(p Person) {
	limited := !p.ValidFrom.IsZero() || !p.ValidUntil.IsZero()
	o.lack(limited && !o.trusted, ReasonNotYetValid)
	o.lack(!p.ValidFrom.IsZero() && o.now.Before(p.ValidFrom), ReasonNotYetValid)
	o.lack(!p.ValidUntil.IsZero() && !o.now.Before(p.ValidUntil), ReasonExpired)
}

func (o *oracle) bypassed(p Person) bool {
	return p.Bypass != nil && o.isDoor && o.door.Bypass && o.trusted && !o.now.Before(p.Bypass.Since) && o.now.Before(p.Bypass.Until)
}

// entrance looks for a row that lets p in.
func (o *oracle) entrance(p Person) {
	if len(o.rules.Doors) == 0 && len(o.rules.Groups) == 0 && len(o.rules.Access) == 0 {
		o.lack(o.visit.Door != MainDoor, ReasonNoAccessHere)
		return
	}
	named, open := false, false
	for _, row := range o.rules.Access {
		mine := slices.ContainsFunc(row.Groups, func(g string) bool { return g == Everybody || slices.Contains(p.Groups, g) })
		if !mine || !slices.Contains(row.Doors, o.visit.Door) {
			continue
		}
		named = true
		if o.rowOpens(row, p) {
			open = true
		}
	}
	o.lack(!named, ReasonNoAccessHere)
	o.lack(named && !open, ReasonOutsideSchedule)
}

func (o *oracle) rowOpens(row AccessRule, p Person) bool {
	always := row.Schedule == "" || row.Schedule == Always
	if !always && !o.trusted || o.vague || !o.holds(row.Schedule) {
		return false
	}
	if len(o.door.First) == 0 || slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(o.door.First, g) }) {
		return true
	}
	return o.firstCame(o.since(row.Schedule))
}

// firstCame reports whether one of those who come first has passed since. Of each group the
// last that passed counts, by the order of the trail.
func (o *oracle) firstCame(since time.Time) bool {
	return slices.ContainsFunc(o.door.First, func(g string) bool {
		at, ok := o.lastPass(func(id string) bool { return slices.Contains(o.people[id].Groups, g) })
		return ok && !at.Before(since) && !at.After(o.now)
	})
}

// lastPass is when one of some people last passed the door, by the order of the trail.
func (o *oracle) lastPass(of func(id string) bool) (at time.Time, ok bool) {
	for _, e := range o.events {
		if e.Kind != KindGranted || e.Door != o.visit.Door {
			continue
		}
		for _, id := range []string{e.Person, e.Data["with"]} {
			if id != "" && of(id) {
				at, ok = e.Time, true
			}
		}
	}
	return at, ok
}

func (o *oracle) holds(schedule string) bool {
	if schedule == "" || schedule == Always {
		return true
	}
	w := o.now.In(o.zone)
	_, ok := o.times[schedule].shows(w.Year(), w.Month(), w.Day(), w.Hour()*60+w.Minute())
	return ok
}

// since walks back minute by minute to where what holds now began to be shown.
func (o *oracle) since(schedule string) time.Time {
	same := func(at time.Time) bool {
		w := at.In(o.zone)
		if schedule == "" || schedule == Always {
			return w.Format(time.DateOnly) == o.now.In(o.zone).Format(time.DateOnly)
		}
		n := o.now.In(o.zone)
		s := o.times[schedule]
		which, _ := s.shows(n.Year(), n.Month(), n.Day(), n.Hour()*60+n.Minute())
		only := &plain{spans: s.spans[which.span : which.span+1], off: s.off}
		now, ok := only.shows(w.Year(), w.Month(), w.Day(), w.Hour()*60+w.Minute())
		return ok && now.date == which.date
	}
	at := o.now.Truncate(time.Minute)
	for same(at.Add(-time.Minute)) {
		at = at.Add(-time.Minute)
	}
	return at
}

// locked tells the story of one credential from the trail.
func (o *oracle) locked(c credential) bool {
	failures, delay, longest := 5, 30*time.Second, 15*time.Minute
	if l := o.rules.Lockout; l.Failures > 0 {
		failures = l.Failures
	}
	if l := o.rules.Lockout; l.Delay.Duration > 0 {
		delay = l.Delay.Duration
		longest = max(longest, delay)
	}
	if l := o.rules.Lockout; l.Longest.Duration > 0 {
		longest = l.Longest.Duration
	}
	row, last := 0, time.Time{}
	for _, e := range o.events {
		failed := e.Kind == KindDenied && (c.pin && e.Reason == ReasonPINWrong && e.Person == c.person || !c.pin && e.Data["near"] == c.person)
		by := e.Data["by"]
		used := c.pin && (by == "pin" || by == "face+pin") || !c.pin && (by == "face" || by == "face+pin")
		switch {
		case failed:
			if e.Time.Sub(last) > time.Hour {
				row = 0
			}
			row, last = row+1, e.Time
		case e.Kind == KindGranted && e.Person == c.person && used:
			row, last = 0, time.Time{}
		}
	}
	if row < failures {
		return false
	}
	for range row - failures {
		delay = min(delay*2, longest)
	}
	left := last.Add(delay).Sub(o.visit.At)
	return left > 0 && left <= time.Hour
}

func (o *oracle) antiPassback(p Person) {
	if at, ok := o.lastPass(func(id string) bool { return id == p.ID }); ok {
		ago := o.visit.At.Sub(at)
		o.lack(ago >= 0 && ago < o.door.AntiPassback.Duration, ReasonAntiPassback)
	}
}

func (o *oracle) equipment() {
	mask, head, looked := "", "", o.visit.Seen != nil
	if looked {
		mask, head = o.visit.Seen.Mask, o.visit.Seen.Head
	}
	o.lack(o.demand.Mask == CoverRequired && mask != "full", ReasonMaskRequired)
	o.lack(o.demand.Mask == CoverForbidden && mask != "none" && mask != "chin", ReasonMaskForbidden)
	o.lack(o.demand.Helmet == CoverRequired && head != "helmet", ReasonHeadCoverRequired)
	if looked && o.demand.Mask == CoverRemind && mask != "full" {
		o.out.Remind = append(o.out.Remind, ReasonMaskRequired)
	}
	if looked && o.demand.Helmet == CoverRemind && head != "helmet" {
		o.out.Remind = append(o.out.Remind, ReasonHeadCoverRequired)
	}
}

func (o *oracle) factors(p Person, face, pin bool) {
	instead := o.door.PINInstead && p.NoFace
	switch o.demand.Factors {
	case "", FactorFace:
		o.lack(!face && !instead, ReasonNoFace)
	case FactorFacePIN:
		o.ask(!face && !instead, NeedFace, ReasonNoFace)
		o.lackPIN(p, pin)
	case FactorPIN:
		o.lackPIN(p, pin)
	case FactorFaceOrPIN: // one of them was shown
	}
}

func (o *oracle) lackPIN(p Person, pin bool) {
	o.lack(!pin && p.PIN == "", ReasonPINRequired)
	o.ask(!pin && p.PIN != "", NeedPIN, ReasonPINRequired)
}

func (o *oracle) together(p Person) {
	other, there := o.people[o.visit.First]
	there = there && other.ID != p.ID
	two := o.demand.TwoPeople != nil && *o.demand.TwoPeople
	escorted := o.door.Escort && p.Visitor
	escorts := o.door.Escort && there && other.Visitor
	if !two && !escorted && !escorts {
		return
	}
	o.ask(!there, NeedSecond, ReasonNoAccessHere)
	if !there {
		return
	}
	o.ask(escorted && escorts, NeedSecond, ReasonNoAccessHere)
	o.lack(other.Blocked, ReasonBlocked)
	o.validity(other)
	if !o.bypassed(other) {
		o.entrance(other)
	}
	o.out.With = other.ID
}

// decide asks the program about the same world.
func (w world) decide(t *rapid.T) Decision {
	p, err := w.rules.Compile(7)
	if err != nil {
		t.Fatalf("rules that were to be sound: %v", err)
	}
	return p.Decide(w.visit, w.lookup(), w.memory())
}

func (w world) lookup() Lookup { return Directory(w.people).Person }

func (w world) memory() *Memory {
	m := new(Memory)
	for _, e := range w.events {
		m.Observe(e, w.lookup())
	}
	return m
}

func (w world) ids() []string { return slices.Sorted(maps.Keys(w.people)) }
