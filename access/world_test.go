package access

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMain looks at more worlds than rapid would by itself, unless told how many.
func TestMain(m *testing.M) {
	flag.Parse()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue && !testing.Short() {
		if err := checks.Value.Set("1000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// The generators of worlds. Everything lies around a few days on which much happens: a range of
// holidays, the night in which Europe's clocks are put forward, and a change of the month.

var worldDoors = []string{"main", "lab", "vault"}

// dice is a number below n, up to 64, all as likely; rapid's own numbers are mostly small. It
// shrinks to 0.
func dice(t *rapid.T, label string, n int) int {
	x := 0
	for range 6 {
		x *= 2
		if rapid.Bool().Draw(t, label) {
			x++
		}
	}
	return x * n / 64
}

func oneOf[T any](t *rapid.T, label string, values ...T) T {
	return values[dice(t, label, len(values))]
}

// often is true n times of ten.
func often(t *rapid.T, n int, label string) bool { return dice(t, label, 20) >= 20-2*n }

// moment is some time around base, often on a round minute.
func moment(t *rapid.T, base time.Time, label string) time.Time {
	at := base.Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, label)) * time.Minute)
	if often(t, 5, label+" is crooked") {
		at = at.Add(time.Duration(rapid.IntRange(0, 59999).Draw(t, label+" ms")) * time.Millisecond)
	}
	return at
}

func anyWorld(tb testing.TB, t *rapid.T) world {
	zone := oneOf(t, "zone", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC")
	w := world{zone: location(tb, zone), times: anyTimes(t)}
	base := time.Date(2028, 3, 25, 22, 0, 0, 0, time.UTC)
	w.rules = anyRules(t, zone, w.times)
	w.people = anyPeople(t, base)
	w.visit = anyVisit(t, moment(t, base, "at"), w.ids())
	w.events = anyEvents(t, w.visit.At, w.ids())
	if often(t, 6, "easy") {
		w.ease()
	}
	return w
}

// ease takes away what refuses at the beginning, so that what is asked last comes up often.
func (w *world) ease() {
	if w.rules.Doors != nil {
		w.rules.Access = append(w.rules.Access, AccessRule{Groups: []string{Everybody}, Doors: worldDoors[:2]})
	}
	for id, p := range w.people {
		p.Blocked, p.ValidFrom, p.ValidUntil = false, time.Time{}, time.Time{}
		w.people[id] = p
	}
	v := &w.visit
	v.Clock, v.LockedDown, v.Posted = ClockSynced, false, false
	if v.Door == worldDoors[2] {
		v.Door = MainDoor
	}
	if s := v.Seen; s != nil {
		s.Quality, s.Liveness = "ok", Live
		if len(s.Matches) > 0 {
			s.Matches = s.Matches[:1]
			s.Matches[0].Score = max(s.Matches[0].Score, 89)
		}
	}
}

func anyTimes(t *rapid.T) map[string]*plain {
	hours := [][2]int{{0, 1440}, {8 * 60, 17 * 60}, {22 * 60, 6 * 60}, {90, 150}, {120, 180}, {23 * 60, 2*60 + 30}}
	out := make(map[string]*plain)
	for i := range 3 {
		var spans []plainSpan
		for range rapid.IntRange(1, 3).Draw(t, "spans") {
			h := oneOf(t, "hours", hours...)
			spans = append(spans, plainSpanOf(oneOf(t, "days", "daily", "daily,holiday", "mon-fri", "sat-mon", "holiday"), h[0], h[1]))
		}
		out[fmt.Sprintf("s%d", i)] = newPlain(true, spans...)
	}
	return out
}

func anyDemand(t *rapid.T) Demand {
	var d Demand
	if often(t, 5, "factors") {
		d.Factors = oneOf(t, "want", FactorFace, FactorFacePIN, FactorFaceOrPIN, FactorPIN)
	}
	if often(t, 3, "masks") {
		d.Mask = oneOf(t, "mask", CoverOff, CoverRemind, CoverRequired, CoverForbidden)
	}
	if often(t, 2, "helmets") {
		d.Helmet = oneOf(t, "helmet", CoverOff, CoverRemind, CoverRequired)
	}
	if often(t, 3, "two") {
		d.TwoPeople = new(rapid.Bool().Draw(t, "two people"))
	}
	if often(t, 2, "scores") {
		d.Score = float64(rapid.IntRange(70, 90).Draw(t, "score"))
	}
	if often(t, 2, "masked scores") {
		d.MaskedScore = float64(rapid.IntRange(90, 95).Draw(t, "masked score"))
	}
	return d
}

func anyRules(t *rapid.T, zone string, times map[string]*plain) Rules {
	r := Rules{TimeZone: zone, UnsureClock: oneOf(t, "unsure", "", DenyTimeLimited, UseFloor, UseFloor), Holidays: testHolidays()}
	if often(t, 1, "no rules") {
		return r
	}
	r.Schedules = make(map[string]ScheduleRule)
	for name, p := range times {
		r.Schedules[name] = p.rule
	}
	schedule := func(label string) string { return oneOf(t, label, "", "", Always, "s0", "s1", "s2") }
	r.Groups = map[string]GroupRule{"a": {}, "b": {}, "c": {Title: "C"}}
	r.Doors = make(map[string]DoorRule)
	for _, name := range worldDoors[:2] { // the third is named by no rule
		d := DoorRule{
			Demand: anyDemand(t), PINInstead: often(t, 3, "pin instead"), Escort: often(t, 3, "escort"), Bypass: often(t, 6, "bypass"), APIMayUnlock: often(t, 5, "api"),
			Unlock: Duration{time.Duration(rapid.IntRange(0, 8).Draw(t, "unlock")) * time.Second},
		}
		if often(t, 4, "anti-passback") {
			d.AntiPassback = Duration{time.Duration(rapid.IntRange(1, 120).Draw(t, "for")) * time.Minute}
		}
		if often(t, 3, "first") {
			d.First = []string{oneOf(t, "first group", "a", "b")}
		}
		for range dice(t, "exceptions", 3) {
			d.When = append(d.When, WhenRule{Schedule: oneOf(t, "when", Always, "s0", "s1", "s2"), Demand: anyDemand(t)})
		}
		r.Doors[name] = d
	}
	for range 1 + dice(t, "rows", 4) {
		r.Access = append(r.Access, AccessRule{
			Groups: oneOf(t, "of", []string{"a"}, []string{"b"}, []string{"c", "a"}, []string{Everybody}, []string{Everybody}), Doors: oneOf(t, "to", []string{"main"}, []string{"lab"}, []string{"lab", "main"}), Schedule: schedule("on"),
		})
	}
	if often(t, 3, "lock-out") {
		r.Lockout = LockoutRule{Failures: rapid.IntRange(0, 3).Draw(t, "failures"), Delay: Duration{time.Duration(rapid.IntRange(0, 40).Draw(t, "delay")) * time.Minute}}
	}
	if _, err := r.Compile(1); err != nil {
		makeSound(&r)
	}
	return r
}

// makeSound takes out of rules what can contradict something else.
func makeSound(r *Rules) {
	calm := func(d *Demand) {
		d.MaskedScore = 0
		if d.Mask == CoverRequired {
			d.Mask = CoverForbidden
		}
		if d.Helmet == CoverRequired {
			d.Helmet = CoverRemind
		}
	}
	for name, d := range r.Doors {
		calm(&d.Demand)
		for i := range d.When {
			calm(&d.When[i].Demand)
		}
		d.First = slices.DeleteFunc(d.First, func(g string) bool {
			return !slices.ContainsFunc(r.Access, func(row AccessRule) bool {
				return slices.Contains(row.Doors, name) && (slices.Contains(row.Groups, g) || slices.Contains(row.Groups, Everybody))
			})
		})
		r.Doors[name] = d
	}
}

func anyPeople(t *rapid.T, base time.Time) map[string]Person {
	out := make(map[string]Person)
	for i := range 4 {
		p := Person{ID: fmt.Sprintf("p%d", i), Name: "Ada Unterwegs", Groups: oneOf(t, "groups", nil, []string{"a"}, []string{"b", "a"}, []string{"c", "elsewhere"}, []string{"b"}, []string{"a", "b", "c"})}
		p.Blocked = often(t, 1, "blocked") && often(t, 5, "really blocked")
		if often(t, 1, "starts") {
			p.ValidFrom = moment(t, base, "from")
		}
		if often(t, 1, "ends") {
			p.ValidUntil = moment(t, base, "until")
		}
		p.Visitor, p.NoFace = often(t, 3, "visitor"), often(t, 2, "no face")
		if often(t, 7, "has a PIN") {
			p.PIN = "hash"
			if often(t, 5, "has a duress PIN") {
				p.Duress = "hash"
			}
		}
		if often(t, 2, "bypass") {
			since := moment(t, base, "since")
			p.Bypass = &Bypass{Since: since, Until: since.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "for")) * time.Minute), Reason: "r", Author: "a"}
		}
		if often(t, 2, "slow") {
			p.Unlock = time.Duration(rapid.IntRange(1, 20).Draw(t, "unlock")) * time.Second
		}
		out[p.ID] = p
	}
	return out
}

func anySighting(t *rapid.T, at time.Time, ids []string) *Sighting {
	s := &Sighting{
		At: at, Quality: "ok", Liveness: Live, Level: oneOf(t, "level", "depth", "passive"), Score: rapid.Float64Range(0.5, 1).Draw(t, "liveness"),
		Threshold: Threshold{float64(rapid.IntRange(60, 85).Draw(t, "threshold")), 0.05},
		Mask:      oneOf(t, "mask", "none", "none", "full", "full", "nose_out", "chin", "unknown", ""), Head: oneOf(t, "head", "none", "helmet", "helmet", "other", "unknown", ""),
		Models: map[string]string{"embed": oneOf(t, "model", "e1", "e2")},
	}
	if often(t, 1, "poor") && often(t, 5, "really poor") {
		s.Quality = oneOf(t, "quality", "dark", "occluded", "face_too_small")
	}
	if often(t, 1, "lifeless") && often(t, 5, "really lifeless") {
		s.Liveness = oneOf(t, "what", Spoof, LivenessUnavailable)
	}
	if often(t, 1, "alike to nobody") && often(t, 5, "to nobody at all") {
		return s
	}
	who := append(slices.Concat(ids, ids, ids), "ghost")
	first := Match{oneOf(t, "who", who...), oneOf(t, "match", 50.0, 58, 65, 72, 79, 83, 88, 93, 100), rapid.Float64Range(0.5, 0.9).Draw(t, "cosine")}
	if often(t, 8, "clear") {
		first.Score = float64(rapid.IntRange(96, 100).Draw(t, "clearly"))
	}
	s.Matches = append(s.Matches, first)
	if often(t, 5, "second") {
		s.Matches = append(s.Matches, Match{oneOf(t, "second", who...), first.Score / 2, first.Cosine - oneOf(t, "margin", 0.04, 0.06, 0.3, 0.3, 0.4)})
	}
	return s
}

func anyVisit(t *rapid.T, at time.Time, ids []string) Visit {
	v := Visit{
		Door: oneOf(t, "door", "main", "main", "main", "lab", "lab", "lab", "lab", "vault"), At: at, Clock: oneOf(t, "clock", ClockSynced, ClockSynced, ClockSynced, ClockSynced, ClockSynced, ClockUnsure, ""),
		LockedDown: often(t, 1, "lock-down") && often(t, 5, "really"), Posted: often(t, 1, "posted"),
	}
	if often(t, 7, "floor") {
		v.Floor = moment(t, at, "floor")
	}
	who := ids[0]
	if often(t, 8, "face") {
		v.Seen = anySighting(t, at, ids)
		if len(v.Seen.Matches) > 0 {
			who = v.Seen.Matches[0].Person
		}
	}
	if often(t, 5, "pin") || v.Seen == nil && often(t, 9, "pin at least") {
		v.PIN = Entry{who, oneOf(t, "pin result", EntryRight, EntryRight, EntryRight, EntryRight, EntryRight, EntryWrong, EntryDuress)}
		if often(t, 1, "of another") {
			v.PIN.Person = oneOf(t, "pin of", append(slices.Clone(ids), "ghost", "")...)
		}
	}
	if often(t, 4, "second") {
		v.First = oneOf(t, "first", append(slices.Clone(ids), "ghost")...)
	}
	return v
}

// anyEvents are what happened in the hours before a moment, in order, but for a clock that is
// set back or ahead now and then.
func anyEvents(t *rapid.T, at time.Time, ids []string) []Event {
	var out []Event
	for range dice(t, "events", 14) {
		ago := time.Duration(rapid.IntRange(0, 150).Draw(t, "minutes ago")) * time.Minute
		if often(t, 4, "seconds") {
			ago = time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds ago")) * time.Second
		}
		if often(t, 1, "the clock was ahead") {
			ago = -ago
		}
		e := Event{Time: at.Add(-ago).Truncate(time.Millisecond), Door: oneOf(t, "door", "main", "lab"), Data: make(map[string]string)}
		id := oneOf(t, "person", ids...)
		switch oneOf(t, "event", "grant", "pin", "pin", "pin", "near", "near", "other") {
		case "grant":
			e.Kind, e.Person, e.Data["by"] = KindGranted, id, string(oneOf(t, "by", FactorFace, FactorPIN, FactorFacePIN))
			if often(t, 3, "together") {
				e.Data["with"] = oneOf(t, "with", ids...)
			}
		case "pin":
			e.Kind, e.Person, e.Reason = KindDenied, id, ReasonPINWrong
		case "near":
			e.Kind, e.Reason, e.Data["near"] = KindDenied, ReasonUnknownPerson, id
		default:
			e.Kind, e.Person, e.Reason = KindDenied, id, oneOf(t, "reason", ReasonOutsideSchedule, ReasonLockedOut, ReasonPINRequired)
		}
		out = append(out, e)
	}
	if often(t, 8, "in order") {
		slices.SortStableFunc(out, func(a, b Event) int { return a.Time.Compare(b.Time) })
	}
	return out
}
