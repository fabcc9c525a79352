package access

import (
	"fmt"
	"slices"
	"strings"
)

// A situation is what a door asks for while some schedules hold.
type situation struct {
	Demand
	on []*schedule
}

// situations are those that can come up at a door: its own demand, each exception laid over it,
// and each pair of exceptions. A contradiction is between two fields at most, so pairs are all
// that has to be looked at.
func (d *doorPolicy) situations() []situation {
	out := []situation{{Demand: d.Demand}}
	for i, x := range d.when {
		out = append(out, situation{x.over(d.Demand), []*schedule{x.on}})
		for _, y := range d.when[i+1:] {
			out = append(out, situation{x.over(y.over(d.Demand)), []*schedule{x.on, y.on}})
		}
	}
	return out
}

// contradictions refuses demands that no person could meet, or that something else at the
// door undoes, wherever they can hold at the same moment.
func (c *compiler) contradictions(name string, d *doorPolicy) {
	where := "doors." + name
	for _, g := range d.First {
		if len(d.rows[g]) == 0 && len(d.rows[Everybody]) == 0 {
			c.fault(where+".first", "nobody of %q may pass here, so the door would never open to anybody", g)
		}
	}
	if d.UnlockedAfterFirst && d.unlocked == nil {
		c.fault(where+".unlocked_after_first", "it says nothing without unlocked")
	}
	said := make(map[string]bool)
	for _, s := range d.situations() {
		c.contradiction(where, d, s, said)
	}
}

// contradiction looks at one situation. What was said of another before is not said again.
func (c *compiler) contradiction(where string, d *doorPolicy, s situation, said map[string]bool) {
	refuse := func(on []*schedule, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !said[text] && c.meet(on) {
			said[text] = true
			c.fault(where+while(s.on), "%s", text)
		}
	}
	if s.Mask == CoverRequired || s.Helmet == CoverRequired {
		looks := "a mask or helmet that is required is seen by the camera"
		if s.Factors == FactorPIN || s.Factors == FactorFaceOrPIN {
			refuse(s.on, "%s, and with factors %q nobody has to look at it", looks, s.Factors)
		}
		if d.PINInstead {
			refuse(s.on, "%s, and with pin_instead some people need not look at it", looks)
		}
		if d.unlocked != nil {
			refuse(append(slices.Clip(s.on), d.unlocked), "a mask or helmet is required and the door stands unlocked on schedule %q, when nobody is looked at", d.unlocked.name)
		}
	}
	if s.MaskedScore > 0 && s.MaskedScore < s.Score {
		refuse(s.on, "masked_score %v is below score %v: a mask would make it easier to be taken for somebody", s.MaskedScore, s.Score)
	}
}

// while says when a situation holds.
func while(on []*schedule) string {
	var names []string
	for _, s := range on {
		names = append(names, fmt.Sprintf("%q", s.name))
	}
	if len(names) == 0 {
		return ""
	}
	return " while " + strings.Join(names, " and ") + " holds"
}

// maxCompared bounds the work of comparing schedules.
const maxCompared = 20_000_000

// meet reports whether schedules can all hold at one moment: on some day of the week, where
// each list of holidays may or may not name the day and the one before. Where that would be too
// much work they are taken to meet.
func (c *compiler) meet(on []*schedule) bool {
	var lists []*holidays
	for _, s := range on {
		if s.off != nil && !slices.Contains(lists, s.off) {
			lists = append(lists, s.off)
		}
	}
	// kind is the index of a day's spans in s, bits are the lists that name the day.
	kind := func(s *schedule, weekday, bits int) int {
		if i := slices.Index(lists, s.off); i >= 0 && bits>>i&1 == 1 {
			return holiday
		}
		return weekday
	}
	for n := range 7 << (2 * len(lists)) {
		bits, weekday := n/7, n%7
		today, before := bits&(1<<len(lists)-1), bits>>len(lists)
		all := func(minute int) bool {
			c.compared++
			return !slices.ContainsFunc(on, func(s *schedule) bool {
				_, _, ok := s.find(s.days[kind(s, weekday, today)], s.days[kind(s, (weekday+6)%7, before)], minute)
				return !ok
			})
		}
		// Where all hold, one of them began to a moment before, or all did the day before.
		if all(0) {
			return true
		}
		for _, s := range on {
			for _, x := range s.days[kind(s, weekday, today)] {
				if all(x.from) {
					return true
				}
			}
		}
		if c.compared > maxCompared {
			return true
		}
	}
	return false
}

// over is base with what x says laid over it.
func (x Demand) over(base Demand) Demand {
	if x.Factors != "" {
		base.Factors = x.Factors
	}
	if x.Mask != "" {
		base.Mask = x.Mask
	}
	if x.Helmet != "" {
		base.Helmet = x.Helmet
	}
	if x.TwoPeople != nil {
		base.TwoPeople = x.TwoPeople
	}
	if x.Score != 0 {
		base.Score = x.Score
	}
	if x.MaskedScore != 0 {
		base.MaskedScore = x.MaskedScore
	}
	return base
}
