package access

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// sound compiles rules that are.
func sound(t testing.TB, r Rules) *Policy {
	t.Helper()
	p, err := r.Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// oneDoor are the rules of a site with one door, which p1 and everybody else may pass.
func oneDoor(d DoorRule) Rules {
	return Rules{
		TimeZone: "UTC", Groups: map[string]GroupRule{"g": {}, "lead": {}}, Doors: map[string]DoorRule{MainDoor: d},
		Access: []AccessRule{{Groups: []string{Everybody}, Doors: []string{MainDoor}}},
	}
}

func granted(id string, at time.Time, by Factors) Event {
	return Event{Kind: KindGranted, Person: id, Door: MainDoor, Time: at, Data: map[string]string{"by": string(by)}}
}

func pinWrong(id string, at time.Time) Event {
	return Event{Kind: KindDenied, Person: id, Door: MainDoor, Time: at, Reason: ReasonPINWrong}
}

func nearly(id string, at time.Time) Event {
	return Event{Kind: KindDenied, Door: MainDoor, Time: at, Reason: ReasonUnknownPerson, Data: map[string]string{"near": id}}
}

func remember(events ...Event) *Memory {
	m := new(Memory)
	for _, e := range events {
		m.Observe(e, people())
	}
	return m
}

func TestAntiPassback(t *testing.T) {
	p := sound(t, oneDoor(DoorRule{AntiPassback: Duration{10 * time.Minute}}))
	passed := granted("p1", noon, FactorFace)
	elsewhere := granted("p1", noon, FactorFace)
	elsewhere.Door = "back"
	with := granted("p2", noon, FactorFace)
	with.Data["with"] = "p1"
	undone := Event{Kind: KindCommandRefused, Person: "p1", Door: MainDoor, Time: noon, Data: map[string]string{"command": "unlock"}}
	tests := []struct {
		name   string
		events []Event
		after  time.Duration
		want   Reason
	}{
		{"never passed", nil, 0, ""},
		{"the same moment", []Event{passed}, 0, ReasonAntiPassback},
		{"the last moment of the bound", []Event{passed}, 10*time.Minute - time.Millisecond, ReasonAntiPassback},
		{"the bound", []Event{passed}, 10 * time.Minute, ""},
		{"before it, by a clock set back", []Event{passed}, -time.Millisecond, ""},
		{"at another door", []Event{elsewhere}, time.Minute, ""},
		{"by somebody else", []Event{granted("p2", noon, FactorFace)}, time.Minute, ""},
		{"as the other of two people", []Event{with}, time.Minute, ReasonAntiPassback},
		{"the last counts", []Event{granted("p1", noon.Add(-time.Hour), FactorFace), passed}, time.Minute, ReasonAntiPassback},
		{"a door that did not open was not passed", []Event{passed, undone}, time.Minute, ""},
		{"a refusal is no pass", []Event{pinWrong("p1", noon)}, time.Minute, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := p.Decide(visit(genuine(), MainDoor, noon.Add(tt.after)), people(), remember(tt.events...))
			if d.Reason != tt.want || (d.Outcome == Grant) != (tt.want == "") {
				t.Errorf("got %v %q, want %q", d.Outcome, d.Reason, tt.want)
			}
		})
	}
}

// After the fifth failure in a row the PIN is refused for 30 s, after each further one for
// twice as long, up to 15 min; exactly so long, and the right PIN does not help meanwhile.
func TestLockoutDelays(t *testing.T) {
	p := sound(t, oneDoor(DoorRule{Demand: Demand{Factors: FactorPIN}}))
	known := NewDirectory([]Person{{ID: "p1", PIN: "hash"}}).Person
	at, m := noon, new(Memory)
	try := func(at time.Time, r EntryResult) Decision {
		return p.Decide(Visit{Door: MainDoor, At: at, Clock: ClockSynced, PIN: Entry{"p1", r}}, known, m)
	}
	delays := []time.Duration{0, 0, 0, 0, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute}
	for n, delay := range delays {
		d := try(at, EntryWrong)
		if d.Reason != ReasonPINWrong {
			t.Fatalf("failure %d: %v %q %q", n+1, d.Outcome, d.Reason, d.Because)
		}
		m.Observe(d.Event(SourceCamera), known)
		end := at.Add(delay)
		if delay > 0 {
			d := try(end.Add(-time.Millisecond), EntryRight)
			if d.Outcome != Deny || d.Reason != ReasonLockedOut || d.Alarm != AlarmLockout {
				t.Fatalf("after failure %d: %v %q %q just before %v have passed", n+1, d.Outcome, d.Reason, d.Alarm, delay)
			}
			m.Observe(d.Event(SourceCamera), known) // being locked out is no failure
		}
		if d := try(end, EntryRight); d.Outcome != Grant {
			t.Fatalf("after failure %d: %v %q when %v have passed", n+1, d.Outcome, d.Reason, delay)
		}
		at = end
	}
	m.Observe(try(at, EntryRight).Event(SourceCamera), known)
	m.Observe(pinWrong("p1", at), known)
	if d := try(at, EntryRight); d.Outcome != Grant {
		t.Errorf("one failure after a grant: %v %q", d.Outcome, d.Reason)
	}
}

func TestLockoutEndsARow(t *testing.T) {
	known := NewDirectory([]Person{{ID: "p1", PIN: "hash"}, {ID: "p2", PIN: "hash"}}).Person
	face := visit(genuine(), MainDoor, noon)
	pin := Visit{Door: MainDoor, At: noon, Clock: ClockSynced, PIN: Entry{"p1", EntryRight}}
	five := func(e func(string, time.Time) Event) []Event {
		var out []Event
		for range 5 {
			out = append(out, e("p1", noon))
		}
		return out
	}
	stale := five(pinWrong)
	for i := range 4 {
		stale[i].Time = noon.Add(-time.Hour - time.Millisecond)
	}
	within := slices.Clone(stale)
	for i := range 4 {
		within[i].Time = noon.Add(-time.Hour)
	}
	masked := nearly("p1", noon)
	masked.Reason, masked.Data = ReasonMaskRequired, nil
	tests := []struct {
		name   string
		events []Event
		visit  Visit
		want   Reason
	}{
		{"five wrong PINs lock the PIN", five(pinWrong), pin, ReasonLockedOut},
		{"and not the face", five(pinWrong), face, ""},
		{"five failed faces lock the face", five(nearly), face, ReasonLockedOut},
		{"and not the PIN", five(nearly), pin, ""},
		{"four do not", five(pinWrong)[:4], pin, ""},
		{"a grant by the PIN between", append(five(pinWrong)[:4], granted("p1", noon, FactorPIN), pinWrong("p1", noon)), pin, ""},
		{"a grant by both between", append(five(pinWrong)[:4], granted("p1", noon, FactorFacePIN), pinWrong("p1", noon)), pin, ""},
		{"a grant by the face between", append(five(pinWrong)[:4], granted("p1", noon, FactorFace), pinWrong("p1", noon)), pin, ReasonLockedOut},
		{"a grant of another between", append(five(pinWrong)[:4], granted("p2", noon, FactorPIN), pinWrong("p1", noon)), pin, ReasonLockedOut},
		{"an hour without a failure between", stale, pin, ""},
		{"not quite an hour", within, pin, ReasonLockedOut},
		{"a face that wears the wrong thing has not failed", append(five(nearly)[:4], masked), face, ""},
	}
	p := sound(t, oneDoor(DoorRule{Demand: Demand{Factors: FactorFaceOrPIN}}))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := p.Decide(tt.visit, known, remember(tt.events...)); d.Reason != tt.want {
				t.Errorf("got %v %q, want %q", d.Outcome, d.Reason, tt.want)
			}
		})
	}
}

// A bypass waives much, but not the limit on guesses at the PIN that is enough by itself.
func TestBypassDoesNotLiftTheLockOfAPIN(t *testing.T) {
	p := sound(t, oneDoor(DoorRule{Bypass: true}))
	known := NewDirectory([]Person{{ID: "p1", PIN: "hash", Bypass: &Bypass{Since: noon, Until: noon.Add(time.Hour), Reason: "r", Author: "a"}}}).Person
	var events []Event
	for range 5 {
		events = append(events, pinWrong("p1", noon), nearly("p1", noon))
	}
	pin := Visit{Door: MainDoor, At: noon, Clock: ClockSynced, PIN: Entry{"p1", EntryRight}}
	if d := p.Decide(pin, known, nil); d.Outcome != Grant || !d.Bypass {
		t.Errorf("the PIN alone: %v %q", d.Outcome, d.Reason)
	}
	if d := p.Decide(pin, known, remember(events...)); d.Reason != ReasonLockedOut {
		t.Errorf("the PIN alone, locked: %v %q", d.Outcome, d.Reason)
	}
	if d := p.Decide(visit(genuine(), MainDoor, noon), known, remember(events...)); d.Outcome != Grant {
		t.Errorf("the face, locked: %v %q", d.Outcome, d.Reason)
	}
}

// However often others fail, with whatever they have: who has not failed is not locked out.
func TestNobodyLocksOthersOut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		innocent := oneOf(rt, "innocent", w.ids()...)
		w.events = slices.DeleteFunc(w.events, func(e Event) bool { return e.Person == innocent || e.Data["near"] == innocent })
		for range rapid.IntRange(0, 200).Draw(rt, "more") {
			w.events = append(w.events, pinWrong("other", w.visit.At), nearly("other", w.visit.At))
		}
		if w.visit.Seen != nil && len(w.visit.Seen.Matches) > 0 {
			w.visit.Seen.Matches[0].Person = innocent
		}
		w.visit.PIN.Person = innocent
		if d := w.decide(rt); d.Reason == ReasonLockedOut {
			rt.Fatalf("%s is locked out: %q", innocent, d.Because)
		}
	})
}

// Whatever the clock did, ahead or back, and whatever it recorded meanwhile: nobody is locked
// out for longer than an hour of the clock as it runs from now on.
func TestClockCannotLockForLong(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := new(Memory)
		at := noon
		for range rapid.IntRange(0, 40).Draw(rt, "failures") {
			at = at.Add(time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(rt, "step")) * time.Second)
			m.Observe(pinWrong("p1", at), people())
		}
		limits := LockoutRule{Failures: 1, Delay: Duration{time.Duration(rapid.IntRange(1, 60).Draw(rt, "delay")) * time.Minute}, Longest: Duration{time.Hour}}
		r := oneDoor(DoorRule{Demand: Demand{Factors: FactorPIN}})
		r.Lockout = limits
		p := sound(t, r)
		known := NewDirectory([]Person{{ID: "p1", PIN: "hash"}}).Person
		start := at.Add(time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(rt, "last step")) * time.Second)
		locked := 0
		for minute := 0; minute < 40*60; minute += 5 {
			v := Visit{Door: MainDoor, At: start.Add(time.Duration(minute) * time.Minute), Clock: ClockSynced, PIN: Entry{"p1", EntryRight}}
			if p.Decide(v, known, m).Reason == ReasonLockedOut {
				locked += 5
			}
		}
		if locked > 60 {
			rt.Fatalf("locked out for %d minutes", locked)
		}
	})
}

// A memory made of the audit trail again, where times are kept to the millisecond in UTC, is
// the one that grew while it was written.
func TestMemoryFromTheTrail(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		live, rebuilt := new(Memory), new(Memory)
		var prev Hash
		for i, e := range w.events {
			e.Time = e.Time.In(w.zone).Add(time.Duration(rapid.IntRange(0, 999999).Draw(rt, "ns")))
			live.Observe(e, w.lookup())
			e.Seq, e.ID, e.Source, e.Clock = uint64(i+1), fmt.Sprint(i), SourceCamera, ClockSynced
			chained, body, err := e.Chain(prev)
			if err != nil {
				rt.Fatal(err)
			}
			kept, err := DecodeEvent(body)
			if err != nil {
				rt.Fatal(err)
			}
			rebuilt.Observe(kept, w.lookup())
			prev = chained.Hash
		}
		if !reflect.DeepEqual(live, rebuilt) {
			rt.Fatalf("-live +rebuilt:\n%s", cmp.Diff(live, rebuilt, cmp.AllowUnexported(Memory{}, place{}, credential{}, failures{})))
		}
	})
}

// Weeks of traffic leave no more than two days of it in memory, and what was kept is what
// still decides.
func TestMemoryIsBounded(t *testing.T) {
	m := new(Memory)
	most := 0
	for i := range 20000 {
		at, id := noon.Add(time.Duration(i)*time.Minute), fmt.Sprintf("p%d", i)
		m.Observe(granted(id, at, FactorFace), func(string) (Person, bool) { return Person{ID: id, Groups: []string{id}}, true })
		m.Observe(pinWrong(id, at), nil)
		m.Observe(nearly(id, at), nil)
		most = max(most, len(m.passed), len(m.groups), len(m.failed)/2)
		if _, ok := m.passed[place{id, MainDoor}]; !ok {
			t.Fatal("what has just happened is forgotten")
		}
		if i >= 47*60 {
			if _, ok := m.passed[place{fmt.Sprintf("p%d", i-47*60), MainDoor}]; !ok {
				t.Fatal("what happened 47 hours ago is forgotten")
			}
		}
	}
	if most > 50*60 {
		t.Errorf("%d entries for one a minute", most)
	}
}

// First-person-in and a door that stands unlocked behind the first, on the days their texts say.
func TestFirstPerson(t *testing.T) {
	r := Rules{
		TimeZone: "Europe/Berlin", Groups: map[string]GroupRule{"staff": {}, "lead": {}},
		Schedules: map[string]ScheduleRule{"day": {Times: []string{"mon-fri 08:00-12:00", "mon-fri 13:00-17:00"}}, "all": {Times: []string{"daily 00:00-24:00"}}},
		Doors: map[string]DoorRule{
			"main":  {First: []string{"lead"}, Unlocked: "day", UnlockedAfterFirst: true},
			"shop":  {Unlocked: "day", UnlockedAfterFirst: true},
			"yard":  {First: []string{"lead"}},
			"gate":  {Unlocked: Always},
			"porch": {Unlocked: Always, UnlockedAfterFirst: true},
		},
		Access: []AccessRule{
			{Groups: []string{"staff", "lead"}, Doors: []string{"main", "shop"}, Schedule: "day"},
			{Groups: []string{"staff", "lead"}, Doors: []string{"yard", "gate", "porch"}},
		},
	}
	p := sound(t, r)
	known := NewDirectory([]Person{{ID: "p1", Groups: []string{"staff"}}, {ID: "boss", Groups: []string{"lead"}}}).Person
	local := func(clock string) time.Time {
		at, err := time.ParseInLocation("15:04:05", clock, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2026, 3, 4, at.Hour()-1, at.Minute(), at.Second(), 0, time.UTC) // Wednesday, UTC+1
	}
	pass := func(id, door, clock string) *Memory {
		m := new(Memory)
		e := granted(id, local(clock), FactorFace)
		e.Door = door
		m.Observe(e, known)
		return m
	}
	yesterday := new(Memory)
	yesterday.Observe(Event{Kind: KindGranted, Person: "boss", Door: "yard", Time: local("12:00:00").AddDate(0, 0, -1)}, known)
	yesterday.Observe(Event{Kind: KindGranted, Person: "boss", Door: "porch", Time: local("12:00:00").AddDate(0, 0, -1)}, known)
	tests := []struct {
		name, door, clock string
		m                 *Memory
		enters            bool
		stands            bool
		until             string
	}{
		{"nobody came", "main", "09:00:00", nil, false, false, ""},
		{"the first came at the first moment", "main", "09:00:00", pass("boss", "main", "08:00:00"), true, true, "12:00:00"},
		{"before the interval does not count", "main", "09:00:00", pass("boss", "main", "07:59:59"), false, false, ""},
		{"each interval anew", "main", "13:00:00", pass("boss", "main", "11:59:59"), false, false, ""},
		{"not at another door", "main", "09:00:00", pass("boss", "yard", "08:30:00"), false, false, ""},
		{"somebody else first", "main", "09:00:00", pass("p1", "main", "08:30:00"), false, false, ""},
		{"later by the clock", "main", "09:00:00", pass("boss", "main", "09:00:01"), false, false, ""},
		{"anybody where nobody is named", "shop", "09:00:00", pass("p1", "shop", "08:30:00"), true, true, "12:00:00"},
		{"nobody yet where nobody is named", "shop", "09:00:00", nil, true, false, ""},
		{"always begins with the day", "yard", "09:00:00", pass("boss", "yard", "00:00:00"), true, false, ""},
		{"not with the day before", "yard", "09:00:00", yesterday, false, false, ""},
		{"stands for ever", "gate", "09:00:00", nil, true, true, ""},
		{"stands for the day", "porch", "09:00:00", pass("p1", "porch", "08:00:00"), true, true, "24:00:00"},
		{"not behind the day before's first", "porch", "09:00:00", yesterday, true, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := genuine()
			v := visit(s, tt.door, local(tt.clock))
			d := p.Decide(v, known, tt.m)
			if (d.Outcome == Grant) != tt.enters || !tt.enters && d.Reason != ReasonOutsideSchedule {
				t.Errorf("p1: %v %q %q", d.Outcome, d.Reason, d.Because)
			}
			stands, until := p.Standing(v, tt.m)
			if stands != tt.stands {
				t.Errorf("stands unlocked: %v", stands)
			}
			switch {
			case tt.until == "" && !until.IsZero():
				t.Errorf("until %v", until)
			case tt.until == "24:00:00" && !until.Equal(local("00:00:00").AddDate(0, 0, 1)),
				tt.until != "" && tt.until != "24:00:00" && !until.Equal(local(tt.until)):
				t.Errorf("until %v, want %s", until, tt.until)
			}
			v.Clock = ClockUnsure
			if stands, _ := p.Standing(v, tt.m); stands && tt.door != "gate" {
				t.Error("it stands unlocked by a clock that cannot be trusted")
			}
		})
	}
	s := genuine()
	s.Matches[0].Person = "boss"
	if d := p.Decide(visit(s, "main", local("08:00:00")), known, nil); d.Outcome != Grant {
		t.Errorf("the first of the day: %v %q %q", d.Outcome, d.Reason, d.Because)
	}
	var none *Policy
	if stands, _ := none.Standing(Visit{Door: "gate"}, nil); stands {
		t.Error("stands unlocked without a policy")
	}
}
