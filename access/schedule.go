package access

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A schedule is a ScheduleRule ready to be asked. The zero schedule never holds.
type schedule struct {
	name   string
	always bool
	days   [8][]span // by time.Weekday, then holidays
	late   bool      // some span goes on past midnight
	off    *holidays // days on which days[holiday] counts; nil: none
}

// holidays are the lists of days that a schedule names. Schedules that name the same lists
// share one, so that it is looked up once for all of them.
type holidays struct{ lists []*calendar }

func (h *holidays) has(d day) bool {
	return slices.ContainsFunc(h.lists, func(c *calendar) bool { return c.has(d) })
}

// holiday is the index of a holiday's spans in schedule.days.
const holiday = 7

const dayMinutes = 24 * 60

// A span is minutes of a day, from included, to not. One that goes on past midnight ends
// after dayMinutes.
type span struct{ from, to int }

// A calendar is a set of days.
type calendar struct {
	dates  map[int]bool // yyyymmdd
	yearly map[int]bool // mmdd
}

func (c *calendar) has(d day) bool {
	md := int(d.m)*100 + d.d
	return c.yearly[md] || c.dates[d.y*1e4+md]
}

// A day is a day of the calendar in a site's time zone.
type day struct {
	y       int
	m       time.Month
	d       int
	weekday time.Weekday
}

func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return day{y, m, d, t.Weekday()}
}

// before is the day before.
func (d day) before() day {
	return dayOf(time.Date(d.y, d.m, d.d-1, 12, 0, 0, 0, time.UTC))
}

// An instant is a moment as the clock on the site's wall shows it.
type instant struct {
	at               time.Time // in the site's zone
	today, yesterday day
	minute           int
	known            [4]known // of the holidays that were asked for last
	next             int
}

// known is what some holidays say of today and yesterday.
type known struct {
	of               *holidays
	today, yesterday bool
}

// holidays reports whether today and yesterday are among h.
func (i *instant) holidays(h *holidays) (today, yesterday bool) {
	if h == nil {
		return false, false
	}
	for n := range i.known {
		if k := &i.known[n]; k.of == h {
			return k.today, k.yesterday
		}
	}
	k := known{h, h.has(i.today), h.has(i.yesterday)}
	i.known[i.next] = k
	i.next = (i.next + 1) % len(i.known)
	return k.today, k.yesterday
}

func newInstant(at time.Time, zone *time.Location) instant {
	at = at.In(zone)
	today := dayOf(at)
	return instant{at: at, today: today, yesterday: today.before(), minute: at.Hour()*60 + at.Minute()}
}

// holds reports whether s holds at i.
func (s *schedule) holds(i *instant) bool {
	if s.always {
		return true
	}
	_, _, ok := s.at(i)
	return ok
}

// at finds the span that i lies in and the day it belongs to.
func (s *schedule) at(i *instant) (d day, x span, ok bool) {
	today, yesterday := i.holidays(s.off)
	x, late, ok := s.find(s.spans(i.today, today), s.spans(i.yesterday, yesterday), i.minute)
	if late {
		return i.yesterday, x, ok
	}
	return i.today, x, ok
}

// find finds the span that a minute lies in, of those of the day, or of those of the day before
// that go on.
func (s *schedule) find(today, yesterday []span, minute int) (x span, late, ok bool) {
	if s.always {
		return span{0, dayMinutes}, false, true
	}
	for _, x := range today {
		if x.from <= minute && minute < x.to {
			return x, false, true
		}
	}
	if s.late {
		for _, x := range yesterday {
			if minute+dayMinutes < x.to {
				return x, true, true
			}
		}
	}
	return span{}, false, false
}

// interval is since and until when s, which holds at i, does so without a break by the span
// that i lies in. A schedule that always holds begins anew with every day.
func (s *schedule) interval(i *instant) (since, until time.Time) {
	d, x, _ := s.at(i)
	return i.run(d, x)
}

// begun reports whether the interval of s at i, where it holds, had begun by some moment
// before; the zero time is none.
func (s *schedule) begun(i *instant, by time.Time) bool {
	if by.IsZero() {
		return false
	}
	since, _ := s.interval(i)
	return !by.Before(since)
}

// run is the longest time around i in which the clock on the wall shows minutes of a span of
// day d. It is not always the span itself: where the clock is put back in the middle of it a
// part may be shown twice, with or without a break between.
func (i *instant) run(d day, x span) (since, until time.Time) {
	midnight := time.Date(d.y, d.m, d.d, 0, 0, 0, 0, time.UTC).Unix()
	from, to := midnight+int64(x.from)*60, midnight+int64(x.to)*60
	zone := i.at.Location()
	shows := func(t time.Time, on int64) time.Time { // when it shows that, by the offset of t
		_, offset := t.Zone()
		return time.Unix(on-int64(offset), 0).In(zone)
	}
	wall := func(t, by time.Time) int64 { // what it shows at t, by the offset of another moment
		_, offset := by.Zone()
		return t.Unix() + int64(offset)
	}
	for t := i.at; ; {
		start, _ := t.ZoneBounds()
		if since = shows(t, from); start.IsZero() || since.After(start) {
			break
		}
		t = start.Add(-1)
		if w := wall(start, t); w <= from || w > to {
			since = start
			break
		}
	}
	for t := i.at; ; {
		_, end := t.ZoneBounds()
		if until = shows(t, to); end.IsZero() || until.Before(end) {
			break
		}
		t = end
		if w := wall(end, end); w < from || w >= to {
			until = end
			break
		}
	}
	return since, until
}

// spans are those of a day, which may be one of its holidays.
func (s *schedule) spans(d day, off bool) []span {
	if off {
		return s.days[holiday]
	}
	return s.days[d.weekday]
}

// compile reads a schedule. calendars are the rules' lists of holidays; shared are holidays of
// schedules before it, by the lists they name.
func (r ScheduleRule) compile(name string, calendars map[string]*calendar, shared map[string]*holidays) (*schedule, error) {
	s := &schedule{name: name}
	if len(r.Times) > maxTimes {
		return nil, fmt.Errorf("%w: more than %d times", ErrInvalid, maxTimes)
	}
	for _, text := range r.Times {
		if err := s.add(text); err != nil {
			return nil, err
		}
	}
	if len(s.days[holiday]) > 0 && len(r.Holidays) == 0 {
		return nil, fmt.Errorf("%w: it has times for holidays and names no list of holidays", ErrInvalid)
	}
	if len(r.Holidays) > maxLists {
		return nil, fmt.Errorf("%w: more than %d lists of holidays", ErrInvalid, maxLists)
	}
	h := &holidays{}
	for _, list := range r.Holidays {
		c := calendars[list]
		if c == nil {
			return nil, fmt.Errorf("%w: there is no list of holidays %q", ErrInvalid, list)
		}
		h.lists = append(h.lists, c)
	}
	if len(h.lists) == 0 {
		return s, nil
	}
	lists := strings.Join(r.Holidays, "\n") // which no name holds
	if shared[lists] == nil {
		shared[lists] = h
	}
	s.off = shared[lists]
	return s, nil
}

// add reads one of Times.
func (s *schedule) add(text string) error {
	days, hours, ok := strings.Cut(strings.TrimSpace(text), " ")
	bad := func(what string) error {
		return fmt.Errorf(`%w: %q: %s; write times like "mon-fri 08:00-17:30"`, ErrInvalid, text, what)
	}
	if !ok {
		return bad("days and hours are parted by a blank")
	}
	on, err := parseDays(days)
	if err != nil {
		return bad(err.Error())
	}
	from, to, ok := strings.Cut(strings.TrimSpace(hours), "-")
	if !ok {
		return bad("hours are a beginning and an end")
	}
	x := span{}
	if x.from, err = parseMinute(from); err == nil {
		x.to, err = parseMinute(to)
	}
	switch {
	case err != nil:
		return bad(err.Error())
	case x.from == dayMinutes || x.from == x.to:
		return bad("it is empty")
	case x.to < x.from:
		x.to += dayMinutes
	}
	for _, d := range on {
		s.days[d] = append(s.days[d], x)
	}
	s.late = s.late || x.to > dayMinutes
	return nil
}

func parseDays(text string) ([]int, error) {
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat", "holiday"}
	var on []int
	for part := range strings.SplitSeq(text, ",") {
		if part == "daily" {
			part = "sun-sat"
		}
		first, last, isRange := strings.Cut(part, "-")
		a, b := slices.Index(names, first), slices.Index(names, last)
		switch {
		case a < 0 || isRange && b < 0:
			return nil, fmt.Errorf("%q is no day; days are mon, tue, wed, thu, fri, sat, sun, daily and holiday", part)
		case !isRange:
			b = a
		case a == holiday || b == holiday:
			return nil, errors.New("holiday is no part of a range")
		}
		for d := a; ; d = (d + 1) % 7 {
			if slices.Contains(on, d) {
				return nil, fmt.Errorf("%s is named twice", names[d])
			}
			on = append(on, d)
			if d == b {
				break
			}
		}
	}
	return on, nil
}

// parseMinute reads "08:30" as a minute of the day; "24:00" is its end.
func parseMinute(text string) (int, error) {
	h, m, ok := strings.Cut(strings.TrimSpace(text), ":")
	hour, herr := strconv.Atoi(h)
	minute, merr := strconv.Atoi(m)
	signed := strings.ContainsAny(text, "+-")
	if !ok || herr != nil || merr != nil || signed || len(m) != 2 || len(h) > 2 || minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, fmt.Errorf("%q is no time of day", text)
	}
	return hour*60 + minute, nil
}

// newCalendar reads a list of holidays.
func newCalendar(days []string) (*calendar, error) {
	c := &calendar{dates: make(map[int]bool), yearly: make(map[int]bool)}
	for _, text := range days {
		if err := c.add(text); err != nil {
			return nil, err
		}
		if len(c.dates)+len(c.yearly) > maxHolidays {
			return nil, fmt.Errorf("%w: more than %d days", ErrInvalid, maxHolidays)
		}
	}
	return c, nil
}

func (c *calendar) add(text string) error {
	bad := fmt.Errorf(`%w: %q is no day; write "2026-12-25", "2026-12-24..2026-12-26" or "12-25" for every year`, ErrInvalid, text)
	first, last, isRange := strings.Cut(text, "..")
	// A year that has the day is needed to read the 29th of February.
	if t, err := time.Parse(time.DateOnly, "2000-"+text); err == nil {
		c.yearly[int(t.Month())*100+t.Day()] = true
		return nil
	}
	a, err := time.Parse(time.DateOnly, first)
	if err != nil {
		return bad
	}
	b := a
	if isRange {
		if b, err = time.Parse(time.DateOnly, last); err != nil || b.Before(a) {
			return bad
		}
	}
	if b.Sub(a) > maxHolidays*24*time.Hour {
		return fmt.Errorf("%w: %q is longer than %d days", ErrInvalid, text, maxHolidays)
	}
	for ; !a.After(b); a = a.AddDate(0, 0, 1) {
		c.dates[a.Year()*1e4+int(a.Month())*100+a.Day()] = true
	}
	return nil
}
