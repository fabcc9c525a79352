package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A plain schedule is one as its documentation tells it, and is asked without a line of the
// program: by the date and time that the clock on the wall shows.
type plain struct {
	spans []plainSpan
	off   func(y int, m time.Month, d int) bool // holidays; nil: none
	rule  ScheduleRule
}

type plainSpan struct {
	days     string
	on       [8]bool // Sunday to Saturday, holiday
	from, to int     // minutes; to may be up to from, on the next day then
}

func (p plainSpan) String() string {
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d", p.days, p.from/60, p.from%60, p.to/60, p.to%60)
}

// A showing is one time that a span comes round: its day and its place in the list.
type showing struct {
	date string
	span int
}

// shows finds the span that a reading of the wall clock lies in.
func (p *plain) shows(y int, m time.Month, d, minute int) (showing, bool) {
	for ago := range 2 {
		date := time.Date(y, m, d-ago, 12, 0, 0, 0, time.UTC)
		kind := int(date.Weekday())
		if p.off != nil && p.off(date.Date()) {
			kind = 7
		}
		for i, s := range p.spans {
			now := minute + ago*1440
			end := s.to
			if end <= s.from {
				end += 1440
			}
			if s.on[kind] && now >= s.from && now < end {
				return showing{date.Format(time.DateOnly), i}, true
			}
		}
	}
	return showing{}, false
}

// dayTexts are ways to write days, with what they mean.
var dayTexts = map[string][]int{
	"mon": {1}, "sun": {0}, "mon-fri": {1, 2, 3, 4, 5}, "sat-mon": {6, 0, 1}, "sat,sun": {6, 0}, "daily": {0, 1, 2, 3, 4, 5, 6},
	"fri-thu": {5, 6, 0, 1, 2, 3, 4}, "sun-sat": {0, 1, 2, 3, 4, 5, 6}, "mon,wed-fri": {1, 3, 4, 5}, "tue-tue": {2},
	"holiday": {7}, "sat,holiday": {6, 7}, "daily,holiday": {0, 1, 2, 3, 4, 5, 6, 7},
}

func plainSpanOf(days string, from, to int) plainSpan {
	s := plainSpan{days: days, from: from, to: to}
	for _, d := range dayTexts[days] {
		s.on[d] = true
	}
	return s
}

// newPlain makes a schedule with the holidays testHolidays.
func newPlain(holidays bool, spans ...plainSpan) *plain {
	p := &plain{spans: spans}
	for _, s := range spans {
		p.rule.Times = append(p.rule.Times, s.String())
	}
	if holidays {
		p.rule.Holidays = []string{"yearly", "dates"}
		p.off = func(y int, m time.Month, d int) bool {
			date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
			return slices.Contains([]string{"02-29", "12-25", "01-01", "05-01"}, date.Format("01-02")) ||
				slices.Contains([]string{"2028-04-14", "2028-03-25", "2028-03-26", "2028-03-27", "2027-02-28"}, date.Format(time.DateOnly))
		}
	}
	return p
}

func testHolidays() map[string][]string {
	return map[string][]string{"yearly": {"02-29", "12-25", "01-01", "05-01"}, "dates": {"2028-04-14", "2028-03-25..2028-03-27", "2027-02-28"}}
}

func (p *plain) compile(t testing.TB) *schedule {
	t.Helper()
	r := Rules{Holidays: testHolidays(), Schedules: map[string]ScheduleRule{"s": p.rule}}
	c := compiler{r: &r, p: new(Policy)}
	c.times()
	if len(c.faults) > 0 {
		t.Fatalf("%v: %v", p.rule, c.faults)
	}
	return c.schedules["s"]
}

func location(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zone %s on this machine: %v", name, err)
	}
	return zone
}

// Zones with an hour's, half an hour's and no daylight saving, a crooked offset, and one that
// takes its saving off for Ramadan.
var testZones = []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "UTC"}

// The whole of a leap year, minute by minute, is as the wall clock and the documentation say.
// Since and until are the ends of each time that a span is shown without a break.
func TestSchedulesOfAYear(t *testing.T) {
	schedules := []*plain{
		newPlain(true, plainSpanOf("mon-fri", 7*60+30, 17*60), plainSpanOf("sat-mon", 22*60, 6*60), plainSpanOf("holiday", 10*60, 12*60)),
		newPlain(true, plainSpanOf("daily,holiday", 1*60+15, 2*60+20), plainSpanOf("holiday", 23*60, 1*60), plainSpanOf("fri-thu", 2*60+20, 2*60+40)),
		newPlain(false, plainSpanOf("sun", 0, 24*60), plainSpanOf("mon", 0, 1), plainSpanOf("sat,sun", 23*60+59, 0), plainSpanOf("sat,holiday", 2*60, 3*60)),
	}
	schedules[2].rule.Holidays = []string{"dates"}
	schedules[2].off = func(y int, m time.Month, d int) bool {
		return y == 2028 && (m == 3 && d >= 25 && d <= 27 || m == 4 && d == 14) || y == 2027 && m == 2 && d == 28
	}
	// Spans that overlap each other have no one beginning; the third keeps the Sunday's last minute twice.
	for _, name := range testZones {
		if testing.Short() && name != "Europe/Berlin" && name != "Australia/Lord_Howe" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone := location(t, name)
			for n, p := range schedules {
				s := p.compile(t)
				type shown struct {
					showing
					from time.Time
				}
				var run *shown
				var since, until time.Time
				for at := time.Date(2027, 12, 31, 20, 0, 0, 0, time.UTC); at.Before(time.Date(2029, 1, 2, 0, 0, 0, 0, time.UTC)); at = at.Add(time.Minute) {
					wall := at.In(zone)
					y, m, d := wall.Date()
					now, want := p.shows(y, m, d, wall.Hour()*60+wall.Minute())
					i := newInstant(at.Add(59*time.Second), zone)
					if got := s.holds(&i); got != want {
						t.Fatalf("schedule %v at %v: holds %v, want %v", p.rule.Times, wall, got, want)
					}
					if n == 2 {
						continue // its spans overlap
					}
					if run != nil && (!want || run.showing != now) {
						if !until.Equal(at) {
							t.Fatalf("schedule %v, span of %v: until %v, want %v", p.rule.Times, run, until.In(zone), wall)
						}
						run = nil
					}
					if !want {
						continue
					}
					since, until = s.interval(&i)
					if run == nil {
						run = &shown{now, at}
					}
					if !since.Equal(run.from) && run.from.After(time.Date(2028, 1, 1, 14, 0, 0, 0, time.UTC)) {
						t.Fatalf("schedule %v at %v: since %v, want %v", p.rule.Times, wall, since, run.from.In(zone))
					}
					if since.After(at) || !until.After(at) {
						t.Fatalf("schedule %v at %v: %v to %v does not hold it", p.rule.Times, wall, since, until)
					}
				}
			}
		})
	}
}

// Any schedule at any moment, most of all where clocks are changed: holds as the plain
// schedule does, and the ends of its interval are ends.
func TestSchedulesAnywhere(t *testing.T) {
	zones := append([]string{"America/Havana", "Asia/Beirut", "Pacific/Apia", "America/Sao_Paulo", "Antarctica/Troll", "Asia/Tehran"}, testZones...)
	minute := rapid.OneOf(rapid.IntRange(0, 1439), rapid.SampledFrom([]int{0, 60, 90, 119, 120, 121, 150, 180, 1380, 1439}))
	rapid.Check(t, func(rt *rapid.T) {
		zone := location(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		var spans []plainSpan
		for range rapid.IntRange(0, 5).Draw(rt, "spans") {
			s := plainSpanOf(rapid.SampledFrom(sortedKeys(dayTexts)).Draw(rt, "days"), minute.Draw(rt, "from"), rapid.OneOf(minute, rapid.Just(1440)).Draw(rt, "to"))
			if s.from != s.to {
				spans = append(spans, s)
			}
		}
		p := newPlain(true, spans...)
		s := p.compile(t)
		at := time.Date(rapid.IntRange(2005, 2035).Draw(rt, "year"), time.Month(rapid.IntRange(1, 12).Draw(rt, "month")), 1, 0, 0, 0, 0, zone)
		if _, change := at.ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(rt, "at a change") {
			at = change.Add(time.Duration(rapid.IntRange(-300, 300).Draw(rt, "minutes")) * time.Minute)
		} else {
			at = at.Add(time.Duration(rapid.IntRange(0, 44640).Draw(rt, "minutes")) * time.Minute)
		}
		plainly := func(at time.Time) bool {
			w := at.In(zone)
			_, ok := p.shows(w.Year(), w.Month(), w.Day(), w.Hour()*60+w.Minute())
			return ok
		}
		i := newInstant(at, zone)
		if got, want := s.holds(&i), plainly(at); got != want {
			rt.Fatalf("%v at %v: holds %v, want %v", p.rule.Times, at.In(zone), got, want)
		}
		if !s.holds(&i) {
			return
		}
		since, until := s.interval(&i)
		if at.Before(since) || !at.Before(until) {
			rt.Fatalf("%v at %v: not within %v and %v", p.rule.Times, at.In(zone), since, until)
		}
		for x := since; x.Before(until); x = x.Add(time.Minute) {
			if !plainly(x) {
				rt.Fatalf("%v at %v: from %v to %v, yet not at %v", p.rule.Times, at.In(zone), since, until, x)
			}
		}
		// Outside of it the same span is not shown, unless it is another day's.
		day, x, _ := s.at(&i)
		for _, edge := range []time.Time{since.Add(-time.Minute), until} {
			e := newInstant(edge, zone)
			if d, y, ok := s.at(&e); ok && d == day && y == x {
				rt.Fatalf("%v at %v: %v to %v is not all of it", p.rule.Times, at.In(zone), since, until)
			}
		}
	})
}

func sortedKeys[T any](m map[string]T) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Cases a reader can check by hand.
func TestScheduleByHand(t *testing.T) {
	tests := []struct {
		name, zone string
		times      []string
		holidays   []string
		at         string // RFC 3339
		want       bool
	}{
		{"the first minute", "UTC", []string{"mon-fri 08:00-17:30"}, nil, "2026-03-04T08:00:00Z", true},
		{"the moment before", "UTC", []string{"mon-fri 08:00-17:30"}, nil, "2026-03-04T07:59:59Z", false},
		{"the last moment", "UTC", []string{"mon-fri 08:00-17:30"}, nil, "2026-03-04T17:29:59Z", true},
		{"the end", "UTC", []string{"mon-fri 08:00-17:30"}, nil, "2026-03-04T17:30:00Z", false},
		{"midnight belongs to the day that begins", "UTC", []string{"wed 00:00-24:00"}, nil, "2026-03-05T00:00:00Z", false},
		{"past midnight", "UTC", []string{"wed 22:00-06:00"}, nil, "2026-03-05T05:59:59Z", true},
		{"the morning of the day itself", "UTC", []string{"wed 22:00-06:00"}, nil, "2026-03-04T05:00:00Z", false},
		{"Sunday into Monday", "UTC", []string{"sun 22:00-06:00"}, nil, "2026-03-02T01:00:00Z", true},
		{"a range over the weekend", "UTC", []string{"sat-mon 10:00-11:00"}, nil, "2026-03-01T10:30:00Z", true},
		{"a range over the weekend, not on Tuesday", "UTC", []string{"sat-mon 10:00-11:00"}, nil, "2026-03-03T10:30:00Z", false},
		{"on a holiday only holiday times", "UTC", []string{"daily 08:00-17:00", "holiday 10:00-11:00"}, []string{"2026-03-04"}, "2026-03-04T09:00:00Z", false},
		{"holiday times", "UTC", []string{"daily 08:00-17:00", "holiday 10:00-11:00"}, []string{"2026-03-04"}, "2026-03-04T10:00:00Z", true},
		{"the night before a holiday goes on into it", "UTC", []string{"daily 22:00-06:00"}, []string{"2026-03-04"}, "2026-03-04T03:00:00Z", true},
		{"the night of a holiday does not begin", "UTC", []string{"daily 22:00-06:00"}, []string{"2026-03-04"}, "2026-03-04T23:00:00Z", false},
		{"the night after a holiday did not begin", "UTC", []string{"daily 22:00-06:00"}, []string{"2026-03-04"}, "2026-03-05T03:00:00Z", false},
		{"29 February every year, when there is one", "UTC", []string{"daily 08:00-17:00"}, []string{"02-29"}, "2028-02-29T09:00:00Z", false},
		{"29 February every year, when there is none", "UTC", []string{"daily 08:00-17:00"}, []string{"02-29"}, "2027-03-01T09:00:00Z", true},
		{"29 February as a weekday", "UTC", []string{"tue 08:00-17:00"}, nil, "2028-02-29T09:00:00Z", true},
		{"clock put back, first pass", "Europe/Berlin", []string{"sun 02:00-03:00"}, nil, "2026-10-25T00:30:00Z", true},
		{"clock put back, second pass", "Europe/Berlin", []string{"sun 02:00-03:00"}, nil, "2026-10-25T01:30:00Z", true},
		{"clock put back, after it", "Europe/Berlin", []string{"sun 02:00-03:00"}, nil, "2026-10-25T02:00:00Z", false},
		{"clock put forward, the hour is left out", "Europe/Berlin", []string{"sun 02:00-03:00"}, nil, "2026-03-29T01:00:00Z", false},
		{"clock put forward, across the gap", "Europe/Berlin", []string{"sun 01:30-03:30"}, nil, "2026-03-29T01:15:00Z", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Rules{Schedules: map[string]ScheduleRule{"s": {Times: tt.times}}}
			if tt.holidays != nil {
				r.Holidays = map[string][]string{"h": tt.holidays}
				r.Schedules["s"] = ScheduleRule{Times: tt.times, Holidays: []string{"h"}}
			}
			c := compiler{r: &r, p: new(Policy)}
			c.times()
			at, err := time.Parse(time.RFC3339, tt.at)
			if err != nil || len(c.faults) > 0 {
				t.Fatal(err, c.faults)
			}
			i := newInstant(at, location(t, tt.zone))
			if got := c.schedules["s"].holds(&i); got != tt.want {
				t.Errorf("holds %v, want %v", got, tt.want)
			}
		})
	}
}

func TestScheduleRefuses(t *testing.T) {
	for _, text := range []string{
		"", "mon-fri", "08:00-17:00", "mon-fri 8-17", "mon-fri 08:00", "mon-fri 08:00-08:00", "mon-fri 24:00-08:00", "mon-fri 08:00-24:01",
		"mon-fri 08:60-09:00", "mon-fri -1:00-09:00", "mon-fri +8:00-09:00", "mon-fri 08:00--0:30", "mon-fri 08:0-09:00", "mon-fri 008:00-09:00",
		"mon-fri 08:00-09:00-10:00", "mon-fry 08:00-09:00", "mon- 08:00-09:00", "-fri 08:00-09:00", "holiday-mon 08:00-09:00", "mon-holiday 08:00-09:00",
		"mon,mon 08:00-09:00", "mon-wed,tue 08:00-09:00", "daily,mon 08:00-09:00", "mon, tue 08:00-09:00", "MON 08:00-09:00", ", 08:00-09:00", "always",
	} {
		if _, err := (ScheduleRule{Times: []string{text}}).compile("s", nil, nil); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", "2026", "2026-02-29", "02-30", "2026-13-01", "2026-1-1", "12-25..12-26", "2026-12-26..2026-12-25", "2026-12-24..", "..2026-12-24", "2026-01-01..2036-01-01", "25.12.", "2026-12-25 "} {
		if _, err := newCalendar([]string{text}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
