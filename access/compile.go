package access

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Bounds of a site's rules.
const (
	maxTimes       = 64     // of a schedule
	maxHolidays    = 1000   // days of a list
	maxDays        = 100000 // days of all lists
	maxLists       = 16     // of a schedule
	maxSchedules   = 5000
	maxGroups      = 5000
	maxDoors       = 500
	maxRows        = 20000
	maxPairs       = 1000000 // groups of a row times its doors, of all rows
	maxWhen        = 32
	longestLockout = time.Hour
)

// A Policy is one snapshot of a site's rules, ready to decide. It is never changed: a new
// snapshot with a higher revision replaces it. The zero Policy is that of a site which has set
// no rules: every enrolled, valid person may pass the door [MainDoor], with the face alone. A
// nil Policy lets nobody pass.
type Policy struct {
	Revision uint64

	rules    *Rules // nil: none were set
	zone     *time.Location
	useFloor bool
	doors    map[string]*doorPolicy
	lockout  lockout
}

// lockout is a LockoutRule with its defaults filled in.
type lockout struct {
	failures       int
	delay, longest time.Duration
}

// A doorPolicy is what holds at one door.
type doorPolicy struct {
	DoorRule
	when     []whenPolicy
	rows     map[string][]*schedule // by group
	unlocked *schedule              // nil: never
}

type whenPolicy struct {
	on *schedule
	Demand
}

// Rules returns the rules the policy was made of, which must not be changed, or nil where none
// were set.
func (p *Policy) Rules() *Rules { return p.rules }

// Zone is the time zone in which the site tells the time.
func (p *Policy) Zone() *time.Location {
	if p == nil || p.zone == nil {
		return time.Local
	}
	return p.zone
}

// Compile checks the rules and makes a Policy of them, of the revision given. The error joins
// one error wrapping ErrInvalid for every fault and contradiction, each naming where it is.
// The rules must not be changed afterwards.
func (r *Rules) Compile(revision uint64) (*Policy, error) {
	if r == nil {
		return &Policy{Revision: revision}, nil
	}
	c := compiler{r: r, p: &Policy{Revision: revision, rules: r, doors: make(map[string]*doorPolicy)}}
	if c.site(); len(c.faults) > 0 {
		return nil, errors.Join(c.faults...) // among them what would take too much work
	}
	c.times()
	for _, name := range slices.Sorted(maps.Keys(r.Groups)) {
		c.name("groups", name)
		if err := checkText("title", r.Groups[name].Title, 256); err != nil {
			c.faults = append(c.faults, fmt.Errorf("groups.%s: %w", name, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Doors)) {
		c.door(name, r.Doors[name])
	}
	for i, row := range r.Access {
		c.row(fmt.Sprintf("access %d", i+1), row)
	}
	for _, name := range slices.Sorted(maps.Keys(c.p.doors)) {
		c.contradictions(name, c.p.doors[name])
	}
	if len(c.faults) > 0 {
		return nil, errors.Join(c.faults...)
	}
	return c.p, nil
}

// A compiler collects the faults of rules on the way to a policy.
type compiler struct {
	r         *Rules
	p         *Policy
	schedules map[string]*schedule
	faults    []error
	compared  int // minutes at which schedules were compared
}

func (c *compiler) fault(where, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("%s: %w: %s", where, ErrInvalid, fmt.Sprintf(format, args...)))
}

// name checks what something is called.
func (c *compiler) name(where, name string) {
	if name == "" || strings.TrimSpace(name) != name || name == Everybody {
		c.fault(where, "%q is no name", name)
	} else if err := checkText("the name", name, 64); err != nil {
		c.faults = append(c.faults, fmt.Errorf("%s: %w", where, err))
	}
}

func (c *compiler) site() {
	r := c.r
	var err error
	if c.p.zone, err = zone(r.TimeZone); err != nil {
		c.fault("time_zone", `%q is not known here; write one like "Europe/Berlin"`, r.TimeZone)
	}
	switch r.UnsureClock {
	case "", DenyTimeLimited:
	case UseFloor:
		c.p.useFloor = true
	default:
		c.fault("unsure_clock", "%q is neither %q nor %q", r.UnsureClock, DenyTimeLimited, UseFloor)
	}
	if r.RetentionDays < 0 || r.RetentionDays > 36500 {
		c.fault("retention_days", "%d is not between 0 and 36500", r.RetentionDays)
	}
	for _, x := range []struct {
		what    string
		n, most int
	}{
		{"holidays", len(r.Holidays), maxSchedules},
		{"schedules", len(r.Schedules), maxSchedules},
		{"groups", len(r.Groups), maxGroups},
		{"doors", len(r.Doors), maxDoors},
		{"access", len(r.Access), maxRows},
		{"access", r.pairs(), maxPairs},
	} {
		if x.n > x.most {
			c.fault(x.what, "%d are more than %d", x.n, x.most)
		}
	}
	l := r.Lockout
	c.p.lockout = l.filled()
	f := c.p.lockout
	if l.Failures < 0 || f.delay <= 0 || f.longest < f.delay || f.longest > longestLockout {
		c.fault("lockout", "failures are 1 or more, delay above 0, longest at least delay and at most %v", longestLockout)
	}
}

// pairs is how many pairs of a group and a door the rows name.
func (r *Rules) pairs() int {
	n := 0
	for _, row := range r.Access {
		n += len(row.Groups) * len(row.Doors)
	}
	return n
}

// filled is r with defaults for what it does not say.
func (r LockoutRule) filled() lockout {
	l := lockout{failures: 5, delay: 30 * time.Second, longest: 15 * time.Minute}
	if r.Failures != 0 {
		l.failures = r.Failures
	}
	if r.Delay.Duration != 0 {
		l.delay = r.Delay.Duration
		l.longest = max(l.longest, l.delay)
	}
	if r.Longest.Duration != 0 {
		l.longest = r.Longest.Duration
	}
	return l
}

func zone(name string) (*time.Location, error) {
	if name == "" {
		return time.Local, nil
	}
	return time.LoadLocation(name)
}

func (c *compiler) times() {
	calendars, days := make(map[string]*calendar), 0
	for _, name := range slices.Sorted(maps.Keys(c.r.Holidays)) {
		c.name("holidays", name)
		cal, err := newCalendar(c.r.Holidays[name])
		if err != nil {
			c.faults = append(c.faults, fmt.Errorf("holidays.%s: %w", name, err))
			cal = &calendar{} // named, so that its users are not at fault too
		}
		if days += len(cal.dates) + len(cal.yearly); days > maxDays {
			c.fault("holidays", "they are more than %d days", maxDays)
			cal, days = &calendar{}, 0
		}
		calendars[name] = cal
	}
	shared := make(map[string]*holidays)
	c.schedules = map[string]*schedule{Always: {name: Always, always: true}}
	for _, name := range slices.Sorted(maps.Keys(c.r.Schedules)) {
		c.name("schedules", name)
		if name == Always {
			c.fault("schedules."+name, "is there already and always holds")
			continue
		}
		s, err := c.r.Schedules[name].compile(name, calendars, shared)
		if err != nil {
			c.faults = append(c.faults, fmt.Errorf("schedules.%s: %w", name, err))
			s = &schedule{name: name}
		}
		c.schedules[name] = s
	}
}

// schedule finds a schedule; empty is Always.
func (c *compiler) schedule(where, name string) *schedule {
	if name == "" {
		name = Always
	}
	s := c.schedules[name]
	if s == nil {
		c.fault(where, "there is no schedule %q", name)
		return &schedule{name: name}
	}
	return s
}

func (c *compiler) group(where, name string) {
	if _, ok := c.r.Groups[name]; !ok {
		c.fault(where, "there is no group %q", name)
	}
}

func (c *compiler) door(name string, r DoorRule) {
	where := "doors." + name
	c.name("doors", name)
	d := &doorPolicy{DoorRule: r, rows: make(map[string][]*schedule)}
	c.demand(where, r.Demand)
	if len(r.When) > maxWhen {
		c.fault(where, "more than %d exceptions", maxWhen)
	}
	for i, w := range r.When {
		where := fmt.Sprintf("%s.when %d", where, i+1)
		if w.Schedule == "" {
			c.fault(where, "it names no schedule")
		}
		c.demand(where, w.Demand)
		d.when = append(d.when, whenPolicy{c.schedule(where, w.Schedule), w.Demand})
	}
	for _, g := range r.First {
		c.group(where+".first", g)
	}
	if r.Unlocked != "" {
		d.unlocked = c.schedule(where+".unlocked", r.Unlocked)
	}
	if u := r.Unlock.Duration; u < 0 || u > maxUnlock {
		c.fault(where+".unlock", "%v is not between 0 and %v", u, maxUnlock)
	}
	if a := r.AntiPassback.Duration; a < 0 || a > 24*time.Hour {
		c.fault(where+".anti_passback", "%v is not between 0 and 24h", a)
	}
	c.p.doors[name] = d
}

func (c *compiler) demand(where string, d Demand) {
	if !slices.Contains([]Factors{"", FactorFace, FactorFacePIN, FactorFaceOrPIN, FactorPIN}, d.Factors) {
		c.fault(where+".factors", "%q is none of %q, %q, %q, %q", d.Factors, FactorFace, FactorFacePIN, FactorFaceOrPIN, FactorPIN)
	}
	if !slices.Contains([]Cover{"", CoverOff, CoverRemind, CoverRequired, CoverForbidden}, d.Mask) {
		c.fault(where+".mask", "%q is none of off, remind, required, forbidden", d.Mask)
	}
	if !slices.Contains([]Cover{"", CoverOff, CoverRemind, CoverRequired}, d.Helmet) {
		c.fault(where+".helmet", "%q is none of off, remind, required", d.Helmet)
	}
	if d.Mask == CoverForbidden && d.MaskedScore > 0 {
		c.fault(where, "masks are forbidden and masked_score is for people who wear one")
	}
	for _, x := range []struct {
		key   string
		score float64
	}{{"score", d.Score}, {"masked_score", d.MaskedScore}} {
		if !(x.score >= 0 && x.score <= 100) {
			c.fault(where+"."+x.key, "%v is not between 0 and 100", x.score)
		}
	}
}

func (c *compiler) row(where string, r AccessRule) {
	if len(r.Groups) == 0 || len(r.Doors) == 0 {
		c.fault(where, "it names no groups or no doors")
	}
	s := c.schedule(where, r.Schedule)
	for _, g := range r.Groups {
		if g != Everybody {
			c.group(where, g)
		}
	}
	for _, name := range r.Doors {
		d := c.p.doors[name]
		if d == nil {
			c.fault(where, "there is no door %q", name)
			continue
		}
		for _, g := range r.Groups {
			if !slices.Contains(d.rows[g], s) {
				d.rows[g] = append(d.rows[g], s)
			}
		}
	}
}
