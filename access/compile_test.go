package access

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// rules are sound ones that a test breaks in one place.
func soundRules() Rules {
	return Rules{
		TimeZone: "Europe/Berlin", Holidays: map[string][]string{"h": {"12-25"}},
		Schedules: map[string]ScheduleRule{
			"day": {Times: []string{"mon-fri 08:00-18:00"}, Holidays: []string{"h"}}, "night": {Times: []string{"daily 18:00-08:00"}},
			"late": {Times: []string{"fri 17:59-19:00"}}, "feast": {Times: []string{"holiday 00:00-24:00"}, Holidays: []string{"h"}},
		},
		Groups: map[string]GroupRule{"g": {}, "idle": {}},
		Doors:  map[string]DoorRule{"lab": {}},
		Access: []AccessRule{{Groups: []string{"g"}, Doors: []string{"lab"}, Schedule: "day"}},
	}
}

func TestCompileRefuses(t *testing.T) {
	yes := new(true)
	door := func(d DoorRule) func(*Rules) { return func(r *Rules) { r.Doors["lab"] = d } }
	when := func(s string, d Demand) WhenRule { return WhenRule{Schedule: s, Demand: d} }
	required := Demand{Mask: CoverRequired}
	tests := []struct {
		name  string
		spoil func(*Rules)
		want  []string // in the error: the place and the cause; none: the rules are sound
	}{
		{"sound rules", func(*Rules) {}, nil},
		{"an unknown time zone", func(r *Rules) { r.TimeZone = "Europe/Berlim" }, []string{"time_zone", "Berlim"}},
		{"a path as time zone", func(r *Rules) { r.TimeZone = "../etc/passwd" }, []string{"time_zone"}},
		{"an unknown word for an unsure clock", func(r *Rules) { r.UnsureClock = "ignore" }, []string{"unsure_clock", "ignore"}},
		{"negative retention", func(r *Rules) { r.RetentionDays = -1 }, []string{"retention_days"}},
		{"a lock-out longer than an hour", func(r *Rules) { r.Lockout.Longest.Duration = 61 * time.Minute }, []string{"lockout", "1h"}},
		{"a lock-out with negative failures", func(r *Rules) { r.Lockout.Failures = -1 }, []string{"lockout"}},
		{"a negative delay", func(r *Rules) { r.Lockout.Delay.Duration = -1 }, []string{"lockout"}},
		{"longest below delay", func(r *Rules) {
			r.Lockout = LockoutRule{Delay: Duration{time.Minute}, Longest: Duration{time.Second}}
		}, []string{"lockout"}},
		{"a delay above the longest by default", func(r *Rules) { r.Lockout.Delay.Duration = 20 * time.Minute }, nil},
		{"a holiday that is no day", func(r *Rules) { r.Holidays["h"] = []string{"Christmas"} }, []string{"holidays.h", "Christmas"}},
		{"a schedule that cannot be read", func(r *Rules) { r.Schedules["day"] = ScheduleRule{Times: []string{"mo 8-17"}} }, []string{"schedules.day", "mo 8-17"}},
		{"a schedule of unknown holidays", func(r *Rules) { r.Schedules["day"] = ScheduleRule{Holidays: []string{"x"}} }, []string{"schedules.day", `"x"`}},
		{"holiday times without holidays", func(r *Rules) { r.Schedules["day"] = ScheduleRule{Times: []string{"holiday 08:00-09:00"}} }, []string{"schedules.day", "names no list"}},
		{"a schedule called always", func(r *Rules) { r.Schedules[Always] = ScheduleRule{} }, []string{"schedules.always"}},
		{"a group without a name", func(r *Rules) { r.Groups[""] = GroupRule{} }, []string{"groups", `""`}},
		{"a group called everybody", func(r *Rules) { r.Groups[Everybody] = GroupRule{} }, []string{"groups", `"*"`}},
		{"a title with a control character", func(r *Rules) { r.Groups["g"] = GroupRule{Title: "a\x1b[2J"} }, []string{"groups.g", "title"}},
		{"a door with a blank before it", func(r *Rules) { r.Doors[" x"] = DoorRule{} }, []string{"doors", `" x"`}},
		{"a row of an unknown group", func(r *Rules) { r.Access[0].Groups = []string{"nobody"} }, []string{"access 1", `group "nobody"`}},
		{"a row of an unknown door", func(r *Rules) { r.Access[0].Doors = []string{"nowhere"} }, []string{"access 1", `door "nowhere"`}},
		{"a row of an unknown schedule", func(r *Rules) { r.Access[0].Schedule = "never" }, []string{"access 1", `schedule "never"`}},
		{"a row without groups", func(r *Rules) { r.Access = append(r.Access, AccessRule{Doors: []string{"lab"}}) }, []string{"access 2", "no groups"}},
		{"unknown factors", door(DoorRule{Demand: Demand{Factors: "iris"}}), []string{"doors.lab.factors", "iris"}},
		{"an unknown mask rule", door(DoorRule{Demand: Demand{Mask: "maybe"}}), []string{"doors.lab.mask", "maybe"}},
		{"a forbidden helmet", door(DoorRule{Demand: Demand{Helmet: CoverForbidden}}), []string{"doors.lab.helmet", "forbidden"}},
		{"a score above 100", door(DoorRule{Demand: Demand{Score: 101}}), []string{"doors.lab.score", "101"}},
		{"a negative masked score", door(DoorRule{Demand: Demand{MaskedScore: -1}}), []string{"doors.lab.masked_score"}},
		{"an exception without a schedule", door(DoorRule{When: []WhenRule{{}}}), []string{"doors.lab.when 1", "no schedule"}},
		{"an exception on an unknown schedule", door(DoorRule{When: []WhenRule{when("day", required), when("x", required)}}), []string{"doors.lab.when 2", `"x"`}},
		{"an unknown first group", door(DoorRule{First: []string{"nobody"}}), []string{"doors.lab.first", "nobody"}},
		{"a first group that may not pass", door(DoorRule{First: []string{"idle"}}), []string{"doors.lab.first", "idle", "never open"}},
		{"unlocked on an unknown schedule", door(DoorRule{Unlocked: "x"}), []string{"doors.lab.unlocked", `"x"`}},
		{"unlocked_after_first alone", door(DoorRule{UnlockedAfterFirst: true}), []string{"doors.lab.unlocked_after_first"}},
		{"an unlock time of an hour", door(DoorRule{Unlock: Duration{time.Hour}}), []string{"doors.lab.unlock"}},
		{"anti-passback of two days", door(DoorRule{AntiPassback: Duration{48 * time.Hour}}), []string{"doors.lab.anti_passback"}},

		{"a mask and a PIN alone", door(DoorRule{Demand: Demand{Mask: CoverRequired, Factors: FactorPIN}}), []string{"doors.lab:", "mask or helmet", `"pin"`}},
		{"a helmet and a PIN instead of the face", door(DoorRule{Demand: Demand{Helmet: CoverRequired, Factors: FactorFaceOrPIN}}), []string{"doors.lab:", "mask or helmet", `"face|pin"`}},
		{"a mask and people without a face", door(DoorRule{Demand: required, PINInstead: true}), []string{"doors.lab:", "pin_instead"}},
		{"a mask where the door stands open", door(DoorRule{Demand: required, Unlocked: "day"}), []string{"doors.lab:", "stands unlocked", `"day"`}},
		{"forbidden masks with a score", door(DoorRule{Demand: Demand{Mask: CoverForbidden, MaskedScore: 90}}), []string{"doors.lab:", "masked_score"}},
		{"a mask makes it easier", door(DoorRule{Demand: Demand{Score: 90, MaskedScore: 80}}), []string{"doors.lab:", "80", "90"}},
		{"an exception against the door", door(DoorRule{Demand: required, When: []WhenRule{when("night", Demand{Factors: FactorPIN})}}), []string{`doors.lab while "night" holds`, `"pin"`}},
		{"exceptions that meet", door(DoorRule{When: []WhenRule{when("day", required), when("late", Demand{Factors: FactorPIN})}}), []string{`doors.lab while "day" and "late" holds`}},
		{"an exception where the door stands open", door(DoorRule{Unlocked: "late", When: []WhenRule{when("night", required)}}), []string{`while "night" holds`, "stands unlocked"}},
		{"an exception against pin_instead", door(DoorRule{PINInstead: true, When: []WhenRule{when("day", Demand{Helmet: CoverRequired})}}), []string{`while "day" holds`, "pin_instead"}},

		{"exceptions that never meet", door(DoorRule{When: []WhenRule{when("day", required), when("night", Demand{Factors: FactorPIN})}}), nil},
		{"holidays and other days never meet", door(DoorRule{When: []WhenRule{when("day", required), when("feast", Demand{Factors: FactorPIN})}}), nil},
		{"stands open at another time", door(DoorRule{Unlocked: "night", When: []WhenRule{when("day", required)}}), nil},
		{"masks forbidden for a time", door(DoorRule{Demand: Demand{MaskedScore: 93}, When: []WhenRule{when("day", Demand{Mask: CoverForbidden})}}), nil},
		{"everything at once", door(DoorRule{
			Demand: Demand{Factors: FactorFacePIN, Mask: CoverRequired, Helmet: CoverRequired, TwoPeople: yes, Score: 90, MaskedScore: 95}, Escort: true,
			First: []string{"g"}, AntiPassback: Duration{24 * time.Hour}, Unlock: Duration{5 * time.Minute}, Bypass: true, APIMayUnlock: true,
		}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := soundRules()
			tt.spoil(&r)
			p, err := r.Compile(3)
			if tt.want == nil {
				if err != nil || p.Revision != 3 || p.Rules() != &r {
					t.Fatalf("%v, %v", p, err)
				}
				return
			}
			if p != nil || !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, %v", p, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

// Several faults are told together, in the same order each time.
func TestCompileTellsAll(t *testing.T) {
	r := soundRules()
	r.Doors["lab"], r.Doors["a"] = DoorRule{Unlocked: "x"}, DoorRule{First: []string{"nobody"}}
	r.Access[0].Schedule = "never"
	_, err := r.Compile(1)
	for range 20 {
		if _, again := r.Compile(1); err == nil || again.Error() != err.Error() {
			t.Fatalf("one time\n%v\nanother\n%v", err, again)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n < 3 {
		t.Errorf("%d faults: %v", n, err)
	}
	if p, err := (*Rules)(nil).Compile(4); err != nil || p.Decide(visit(genuine(), MainDoor, noon), people(), nil).Outcome != Grant || p.Rules() != nil {
		t.Errorf("no rules at all: %v", err)
	}
}

func TestCompileIsBounded(t *testing.T) {
	many := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("n%d", i)
		}
		return out
	}
	for name, spoil := range map[string]func(*Rules){
		"rows":     func(r *Rules) { r.Access = make([]AccessRule, maxRows+1) },
		"pairs":    func(r *Rules) { r.Access = []AccessRule{{Groups: many(2000), Doors: many(501)}} },
		"holidays": func(r *Rules) { r.Holidays["h"] = []string{"2000-01-01..2002-01-01", "2003-01-01..2005-01-01"} },
		"days": func(r *Rules) {
			for _, n := range many(200) {
				r.Holidays[n] = []string{"2000-01-01..2002-01-01"}
			}
		},
		"lists": func(r *Rules) { r.Schedules["day"] = ScheduleRule{Holidays: many(17)} },
		"times": func(r *Rules) { r.Schedules["day"] = ScheduleRule{Times: many(maxTimes + 1)} },
		"groups": func(r *Rules) {
			for _, n := range many(maxGroups) {
				r.Groups[n] = GroupRule{}
			}
		},
		"doors": func(r *Rules) {
			for _, n := range many(maxDoors) {
				r.Doors[n] = DoorRule{}
			}
		},
		"schedules": func(r *Rules) {
			for _, n := range many(maxSchedules) {
				r.Schedules[n] = ScheduleRule{}
			}
		},
		"when": func(r *Rules) { r.Doors["lab"] = DoorRule{When: make([]WhenRule, maxWhen+1)} },
	} {
		r := soundRules()
		spoil(&r)
		if _, err := r.Compile(1); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Schedules meet where they do so in some months with holidays of all kinds, looked at every
// half hour, on which all of them begin and end.
func TestMeet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		times := anyTimes(rt)
		off := oneOf(rt, "with holidays", true, false)
		c := compiler{r: &Rules{Holidays: testHolidays(), Schedules: make(map[string]ScheduleRule)}, p: new(Policy)}
		for name, p := range times {
			if !off {
				p = newPlain(false, p.spans...)
				for i := range p.spans {
					if p.spans[i].on[holiday] {
						p.spans[i] = plainSpanOf("daily", p.spans[i].from, p.spans[i].to)
					}
				}
				p = newPlain(false, p.spans...)
				times[name] = p
			}
			c.r.Schedules[name] = p.rule
		}
		c.times()
		if len(c.faults) > 0 {
			rt.Fatal(c.faults)
		}
		a, b := c.schedules["s0"], c.schedules["s1"]
		both := false
		for at := time.Date(2028, 2, 24, 0, 0, 0, 0, time.UTC); at.Before(time.Date(2028, 5, 10, 0, 0, 0, 0, time.UTC)); at = at.Add(30 * time.Minute) {
			y, m, d := at.Date()
			_, one := times["s0"].shows(y, m, d, at.Hour()*60+at.Minute())
			_, two := times["s1"].shows(y, m, d, at.Hour()*60+at.Minute())
			both = both || one && two
		}
		if got := c.meet([]*schedule{a, b}); got != both {
			rt.Fatalf("%v and %v: meet %v, want %v", times["s0"].rule, times["s1"].rule, got, both)
		}
	})
}

func FuzzCompile(f *testing.F) {
	f.Add("mon-fri 08:00-17:30", "2026-12-24..2026-12-26", "face+pin", "required", "Europe/Berlin", 90.0, int64(time.Minute))
	f.Add("holiday 00:00-24:00", "02-29", "pin", "forbidden", "", -1.0, int64(-1))
	f.Fuzz(func(t *testing.T, times, day, factors, cover, zone string, score float64, length int64) {
		d := Demand{Factors: Factors(factors), Mask: Cover(cover), Helmet: Cover(cover), Score: score, MaskedScore: score}
		r := Rules{
			TimeZone: zone, UnsureClock: UnsureClock(cover), RetentionDays: int(length), Holidays: map[string][]string{day: {day}},
			Schedules: map[string]ScheduleRule{times: {Times: []string{times, times}, Holidays: []string{day}}, "s": {Times: []string{times}}},
			Groups:    map[string]GroupRule{times: {Title: day}, "g": {}}, Lockout: LockoutRule{int(length), Duration{time.Duration(length)}, Duration{time.Duration(length)}},
			Doors: map[string]DoorRule{
				"main": {Demand: d, First: []string{"g"}, Unlocked: "s", UnlockedAfterFirst: true, Unlock: Duration{time.Duration(length)}, AntiPassback: Duration{time.Duration(length)}},
				day:    {When: []WhenRule{{Schedule: "s", Demand: d}, {Schedule: times, Demand: d}}, PINInstead: true},
			},
			Access: []AccessRule{{Groups: []string{"g", times}, Doors: []string{"main", day}, Schedule: times}},
		}
		p, err := r.Compile(1)
		if (p == nil) == (err == nil) || err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("%v, %v", p, err)
		}
		at := time.Unix(length, 0)
		if d := p.Decide(visit(genuine(), "main", at), people(), nil); p == nil && d.Outcome == Grant {
			t.Fatal("granted without a policy")
		}
		p.Standing(Visit{Door: "main", At: at, Clock: ClockSynced}, nil)
		p.Explain(Question{Person: "p1", Door: day, At: at, Clock: ClockSynced}, people(), nil)
	})
}
