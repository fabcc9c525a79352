package policyfile

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"facegate/access"
)

// Format writes rules as a file, with short comments. Tables are sorted by name; lists keep
// their order. Keys that say nothing are left out, or shown as a comment with what holds then.
// Rules that compile are given back by [Load] as they were.
func Format(r *access.Rules) []byte {
	w := &writer{}
	w.comment("The rules of this site, for `facegate policy apply`. They are taken as a whole or not at all.")
	if len(r.Doors) == 0 && len(r.Groups) == 0 && len(r.Access) == 0 {
		w.comment("No doors, groups or rows of access are set: every enrolled person who is valid now may pass",
			"the door "+quoted(access.MainDoor)+", with the face alone. As soon as one is set, only rows of access let anybody in.")
	}
	w.blank()
	w.site(r)
	w.lockout(r.Lockout)
	w.holidays(r.Holidays)
	w.schedules(r.Schedules)
	w.groups(r.Groups)
	w.doors(r.Doors)
	w.access(r.Access)
	return w.Bytes()
}

// A writer writes TOML.
type writer struct{ bytes.Buffer }

func (w *writer) blank() { w.WriteByte('\n') }

func (w *writer) comment(lines ...string) {
	for _, l := range lines {
		fmt.Fprintf(w, "# %s\n", l)
	}
}

func (w *writer) table(path ...string) {
	fmt.Fprintf(w, "[%s]\n", joined(path))
}

func (w *writer) item(path ...string) {
	fmt.Fprintf(w, "[[%s]]\n", joined(path))
}

func joined(path []string) string {
	s := ""
	for _, p := range path {
		s = dotted(s, p)
	}
	return s
}

// set writes a key.
func (w *writer) set(name, value string) {
	fmt.Fprintf(w, "%s = %s\n", key(name), value)
}

// text writes a key unless its value is empty.
func (w *writer) text(name, value string) {
	if value != "" {
		w.set(name, quoted(value))
	}
}

func (w *writer) flag(name string, value bool) {
	if value {
		w.set(name, "true")
	}
}

func (w *writer) texts(name string, values []string) {
	if len(values) > 0 {
		w.set(name, list(values))
	}
}

func (w *writer) duration(name string, d access.Duration) {
	if !d.IsZero() {
		w.set(name, quoted(short(d)))
	}
}

func (w *writer) number(name string, x float64) {
	if x != 0 {
		w.set(name, number(x))
	}
}

// orDefault writes a key, or, where it says nothing, what holds then as a comment.
func (w *writer) orDefault(set bool, name, value, otherwise, comment string) {
	if set {
		fmt.Fprintf(w, "%s = %s # %s\n", name, value, comment)
	} else {
		fmt.Fprintf(w, "# %s = %s # %s\n", name, otherwise, comment)
	}
}

func (w *writer) site(r *access.Rules) {
	w.orDefault(r.TimeZone != "", "time_zone", quoted(r.TimeZone), quoted("Europe/Berlin"), "in which schedules are read; without it, the machine's own")
	w.orDefault(r.UnsureClock != "", "unsure_clock", quoted(string(r.UnsureClock)), quoted(string(access.DenyTimeLimited)), `or "use_floor", while the clock cannot be trusted`)
	w.orDefault(r.RetentionDays != 0, "retention_days", strconv.Itoa(r.RetentionDays), "0", "templates of people not seen for so long are erased; 0 is never")
	w.blank()
}

func (w *writer) lockout(r access.LockoutRule) {
	w.comment("A face or PIN that keeps failing is refused for a while. Nobody else's is.")
	w.table("lockout")
	w.orDefault(r.Failures != 0, "failures", strconv.Itoa(r.Failures), "5", "in a row")
	w.orDefault(!r.Delay.IsZero(), "delay", quoted(short(r.Delay)), quoted("30s"), "the first time; it doubles with every further failure")
	w.orDefault(!r.Longest.IsZero(), "longest", quoted(short(r.Longest)), quoted("15m"), "at most 1h")
}

func (w *writer) holidays(lists map[string][]string) {
	if len(lists) == 0 {
		return
	}
	w.blank()
	w.comment(`Days on which schedules that name the list use their times for "holiday" only.`)
	w.table("holidays")
	for _, name := range sorted(lists) {
		w.set(name, list(lists[name]))
	}
}

func (w *writer) schedules(schedules map[string]access.ScheduleRule) {
	for i, name := range sorted(schedules) {
		w.blank()
		if i == 0 {
			w.comment(`When something holds: days and hours on the wall clock. "fri 22:00-06:00" ends on Saturday. "always" is there already.`)
		}
		w.table("schedules", name)
		w.set("times", list(schedules[name].Times))
		w.texts("holidays", schedules[name].Holidays)
	}
}

func (w *writer) groups(groups map[string]access.GroupRule) {
	for i, name := range sorted(groups) {
		w.blank()
		if i == 0 {
			w.comment("Groups of people. Who belongs to one is set with the person.")
		}
		w.table("groups", name)
		w.text("title", groups[name].Title)
	}
}

func (w *writer) doors(doors map[string]access.DoorRule) {
	for i, name := range sorted(doors) {
		w.blank()
		if i == 0 {
			w.comment("What each door asks for. Without anything it asks for the face.")
		}
		d := doors[name]
		w.table("doors", name)
		w.demand(d.Demand)
		w.flag("pin_instead", d.PINInstead)
		w.duration("unlock", d.Unlock)
		w.flag("escort_visitors", d.Escort)
		w.texts("first", d.First)
		w.duration("anti_passback", d.AntiPassback)
		w.text("unlocked", d.Unlocked)
		w.flag("unlocked_after_first", d.UnlockedAfterFirst)
		w.flag("bypass", d.Bypass)
		w.flag("api_may_unlock", d.APIMayUnlock)
		for _, x := range d.When {
			w.blank()
			w.item("doors", name, "when")
			w.set("schedule", quoted(x.Schedule))
			w.demand(x.Demand)
		}
	}
}

func (w *writer) demand(d access.Demand) {
	w.text("factors", string(d.Factors))
	w.text("mask", string(d.Mask))
	w.text("helmet", string(d.Helmet))
	if d.TwoPeople != nil {
		w.set("two_people", strconv.FormatBool(*d.TwoPeople))
	}
	w.number("score", d.Score)
	w.number("masked_score", d.MaskedScore)
}

func (w *writer) access(rows []access.AccessRule) {
	for i, row := range rows {
		w.blank()
		if i == 0 {
			w.comment(`Who may pass which door when: people of any of groups, at any of doors, while schedule holds. "*" is everybody.`)
		}
		w.item("access")
		w.set("groups", list(row.Groups))
		w.set("doors", list(row.Doors))
		w.text("schedule", row.Schedule)
	}
}

func sorted[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// key is a name as a key, quoted unless it is bare.
func key(name string) string {
	plain := func(r rune) bool {
		return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return quoted(name)
	}
	return name
}

// quoted is a text as a basic string of TOML.
func quoted(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\u%04X`, r)
		default:
			b = append(b, string(r)...)
		}
	}
	return string(append(b, '"'))
}

// list is texts as an array, on lines of their own where one would be long.
func list(values []string) string {
	all := make([]string, len(values))
	long := 0
	for i, v := range values {
		all[i] = quoted(v)
		long += len(all[i])
	}
	if long <= 100 {
		return "[" + strings.Join(all, ", ") + "]"
	}
	return "[\n  " + strings.Join(all, ",\n  ") + ",\n]"
}

// short is a duration without the minutes and seconds that are zero.
func short(d access.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// number is a float of TOML, which needs a dot or an exponent.
func number(x float64) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return strings.ToLower(strconv.FormatFloat(x, 'g', -1, 64))
	}
	s := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}
