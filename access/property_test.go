package access

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// In any world: the answer of the oracle, word for word, a reason that exists exactly where
// there is no grant, and a record that can be kept.
func TestDecideAsTheOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		d := w.decide(rt)
		if diff := cmp.Diff(w.answer(), answerOf(d)); diff != "" {
			rt.Fatalf("-oracle +program:\n%s\nbecause %q\n%s", diff, d.Because, w.text())
		}
		if (d.Outcome == Grant) != (d.Reason == "") || d.Reason != "" && !d.Reason.Valid() || (d.Outcome == Challenge) != (d.Need != "") {
			rt.Fatalf("%v, reason %q, need %q", d.Outcome, d.Reason, d.Need)
		}
		if len(d.Because) == 0 || strings.Contains(strings.Join(d.Because, " "), "Ada") {
			rt.Fatalf("because %q", d.Because)
		}
		e := d.Event(SourceCamera)
		e.Seq, e.ID, e.Clock = 1, "e", ClockUnsure
		if _, _, err := e.Chain(Hash{}); err != nil {
			rt.Fatalf("cannot be recorded: %v", err)
		}
	})
}

func (w world) text() string {
	b, err := json.MarshalIndent(struct {
		Rules  Rules
		People map[string]Person
		Events int
		Visit  Visit
	}{w.rules, w.people, len(w.events), w.visit}, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// The worlds of the test above are worth the name: every reason and need of the rules comes up.
func TestWorldsAreVaried(t *testing.T) {
	if testing.Short() {
		t.Skip("few worlds are looked at with -short")
	}
	seen := make(map[string]int)
	rapid.Check(t, func(rt *rapid.T) {
		for range 10 {
			a := anyWorld(t, rt).answer()
			for _, word := range []string{a.Outcome.String(), string(a.Reason), "need " + string(a.Need), "alarm " + a.Alarm} {
				seen[word]++
			}
			if a.Bypass {
				seen["bypass"]++
			}
			if a.With != "" {
				seen["with"]++
			}
		}
	})
	for _, want := range []string{
		"grant", "deny", "challenge", "unknown_person", "ambiguous", "spoof", "liveness_unavailable", "mask_required", "mask_forbidden",
		"head_cover_required", "occluded", "outside_schedule", "not_yet_valid", "expired", "blocked", "no_access_here", "pin_required",
		"pin_wrong", "locked_out", "anti_passback", "door_locked_down", "no_face", "need pin", "need face", "need second",
		"alarm duress", "alarm blocked", "alarm lockout", "bypass", "with",
	} {
		if seen[want] == 0 {
			t.Errorf("%s never came up", want)
		}
	}
	t.Log(seen)
}

// Deciding changes nothing it is given and answers the same again.
func TestDecideIsPure(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		p, err := w.rules.Compile(7)
		if err != nil {
			rt.Fatal(err)
		}
		m := w.memory()
		before := rapidCopy(rt, w)
		first := p.Decide(w.visit, w.lookup(), m)
		p.Standing(w.visit, m)
		second := p.Decide(w.visit, w.lookup(), m)
		if !reflect.DeepEqual(first, second) {
			rt.Fatalf("two answers:\n%s", cmp.Diff(first, second))
		}
		if !reflect.DeepEqual(before, rapidCopy(rt, w)) || !reflect.DeepEqual(m, w.memory()) {
			rt.Fatal("an argument was changed")
		}
		again, err := w.rules.Compile(7)
		if err != nil || !reflect.DeepEqual(again.Decide(w.visit, w.lookup(), w.memory()), first) {
			rt.Fatalf("a policy that has decided before answers otherwise (%v)", err)
		}
	})
}

// rapidCopy is all of a world's data that a decision could reach, as text.
func rapidCopy(t *rapid.T, w world) string {
	b, err := json.Marshal([]any{w.rules, w.people, w.visit})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What is explained is what happens to the person at that moment, whatever the camera's numbers
// are, and whoever comes second.
func TestExplainAgreesWithVisits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		p, err := w.rules.Compile(7)
		if err != nil {
			rt.Fatal(err)
		}
		q := Question{
			Person: oneOf(rt, "asked about", append(w.ids(), "ghost")...), Door: w.visit.Door, At: w.visit.At, Clock: w.visit.Clock, Floor: w.visit.Floor,
			Factors: oneOf(rt, "shown", "", FactorFace, FactorFacePIN, FactorPIN), Mask: oneOf(rt, "asked mask", "", "none", "full", "nose_out", "chin", "unknown"),
			Head: oneOf(rt, "asked head", "", "none", "helmet", "other", "unknown"), LockedDown: w.visit.LockedDown,
		}
		if often(rt, 5, "asked second") {
			q.Second = oneOf(rt, "asked about second", append(w.ids(), "ghost")...)
		}
		m := w.memory()
		come := func(id string) Visit {
			v := Visit{Door: q.Door, At: q.At, Clock: q.Clock, Floor: q.Floor, LockedDown: q.LockedDown}
			if q.Factors != FactorPIN {
				s := anySighting(rt, q.At, w.ids())
				s.Quality, s.Liveness, s.Mask, s.Head = "ok", Live, q.Mask, q.Head
				if q.Mask == "" {
					s.Mask = "none"
				}
				if q.Head == "" {
					s.Head = "none"
				}
				s.Matches = []Match{{id, float64(rapid.IntRange(96, 100).Draw(rt, "real score")), 0.8}, {"p9", 20, rapid.Float64Range(-0.2, 0.7).Draw(rt, "real cosine")}}
				v.Seen = s
			}
			if q.Factors == FactorPIN || q.Factors == FactorFacePIN {
				// As the kiosk finds out: who has no PIN has typed a wrong one.
				v.PIN = Entry{id, EntryWrong}
				if w.people[id].PIN != "" {
					v.PIN.Result = EntryRight
				}
			}
			return v
		}
		real := p.Decide(come(q.Person), w.lookup(), m)
		if real.Need == NeedSecond && q.Second != "" {
			v := come(q.Second)
			v.First = q.Person
			real = p.Decide(v, w.lookup(), m)
		}
		told := p.Explain(q, w.lookup(), m)
		// A match score is all that a question leaves out; what is decided does not hang on it.
		if diff := cmp.Diff(answerOf(real), answerOf(told)); diff != "" {
			rt.Fatalf("%+v\n-visit +explained:\n%s\n%q\n%q\n%s", q, diff, real.Because, told.Because, w.text())
		}
		if real.Clock != told.Clock || !real.At.Equal(told.At) || real.Door != told.Door || real.Policy != told.Policy {
			rt.Fatalf("of another moment: %+v, %+v", real, told)
		}
	})
}

// A site that denies what is limited in time while its clock is unsure decides the same
// whatever the clock shows, so nothing that depends on the time is granted.
func TestUnsureClockDecidesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		w.rules.UnsureClock = oneOf(rt, "policy", "", DenyTimeLimited)
		w.visit.Clock = oneOf(rt, "no clock", ClockUnsure, "")
		w.events = nil // delays are counted by the clock, whatever it shows
		one := answerOf(w.decide(rt))
		if one.Bypass {
			rt.Fatal("a bypass, which has an end, opened")
		}
		if p := w.people[one.Person]; one.Outcome == Grant && (!p.ValidFrom.IsZero() || !p.ValidUntil.IsZero()) {
			rt.Fatal("limited validity, granted")
		}
		for range 5 {
			w.visit.At = moment(rt, w.visit.At, "another moment")
			w.visit.Floor = moment(rt, w.visit.At, "another floor")
			if diff := cmp.Diff(one, answerOf(w.decide(rt))); diff != "" {
				rt.Fatalf("it depends on the time:\n%s", diff)
			}
		}
	})
}

// A site that uses the floor decides as at the later of clock and floor, and never lets in by
// what had ended by the floor.
func TestUnsureClockUsesTheFloor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		w.rules.UnsureClock = UseFloor
		w.visit.Clock = ClockUnsure
		w.events = nil
		w.visit.Floor = moment(rt, w.visit.At, "a floor")
		if often(rt, 3, "no clock at all") {
			w.visit.At = time.Time{}
		}
		floored := answerOf(w.decide(rt))
		if p := w.people[floored.Person]; floored.Outcome == Grant &&
			(!p.ValidUntil.IsZero() && !w.visit.Floor.Before(p.ValidUntil) || floored.Bypass && !w.visit.Floor.Before(p.Bypass.Until)) {
			rt.Fatalf("granted at %v on what had ended by %v", w.visit.At, w.visit.Floor)
		}
		w.visit.Clock = ClockSynced
		if w.visit.Floor.After(w.visit.At) {
			w.visit.At = w.visit.Floor
		}
		if diff := cmp.Diff(answerOf(w.decide(rt)), floored); diff != "" {
			rt.Fatalf("-at the later of both +by the floor:\n%s", diff)
		}
	})
}

// Being forced changes nothing that the door shows: the decision is the one that the ordinary
// PIN gives, to the last word, but for the alarm and what follows a PIN that is right.
func TestDuressIsSilent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		id := oneOf(rt, "forced", w.ids()...)
		p := w.people[id]
		p.PIN, p.Duress = "hash", "hash"
		w.people[id] = p
		w.visit.PIN = Entry{id, EntryRight}
		if w.visit.Seen != nil && len(w.visit.Seen.Matches) > 0 && often(rt, 8, "own face") {
			w.visit.Seen.Matches[0].Person = id
		}
		calm := w.decide(rt)
		w.visit.PIN.Result = EntryDuress
		forced := w.decide(rt)
		if forced.Alarm != AlarmDuress {
			rt.Fatalf("alarm %q", forced.Alarm)
		}
		if forced.Event(SourceCamera).Data["alarm"] != AlarmDuress {
			rt.Fatal("the record does not say it")
		}
		forced.Alarm, calm.Alarm = "", ""
		if diff := cmp.Diff(calm, forced); diff != "" {
			rt.Fatalf("it shows:\n%s", diff)
		}
		shown, err := json.Marshal(forced)
		if err != nil || strings.Contains(strings.ToLower(string(shown)), "duress") {
			rt.Fatalf("it is told: %s, %v", shown, err)
		}
	})
}

// Showing what is asked for gets further: no challenge asks for what was shown, or of somebody
// who cannot have it, and an unanswered one is the denial it stood for.
func TestChallengesCanBeMet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := anyWorld(t, rt)
		d := w.decide(rt)
		if d.Outcome != Challenge {
			return
		}
		if u := d.Unanswered(); u.Outcome != Deny || u.Reason != d.Reason {
			rt.Fatalf("unanswered: %+v", u)
		}
		p := w.people[d.Person]
		switch d.Need {
		case NeedPIN:
			if w.visit.PIN.Result != EntryNone || p.PIN == "" {
				rt.Fatal("a PIN is asked for in vain")
			}
			w.visit.PIN = Entry{p.ID, EntryRight}
		case NeedFace:
			if w.visit.Seen != nil {
				rt.Fatal("a face is asked for that was seen")
			}
			w.visit.Seen = &Sighting{
				Quality: "ok", Liveness: Live, Score: 1, Mask: "none", Head: "none", Matches: []Match{{p.ID, 100, 1}}, Threshold: Threshold{Score: 1},
			}
		case NeedSecond:
			// Whoever may pass here at all and is neither a visitor nor bound to anything is good enough.
			host := Person{ID: "host", Groups: []string{"a", "b", "c"}, PIN: "hash"}
			w.people["host"], w.visit.First = host, "host"
		}
		if now := w.decide(rt); now.Outcome != Grant && now.Need == d.Need {
			rt.Fatalf("asked for %s, shown, and asked for it again: %q\n%s", d.Need, now.Because, w.text())
		}
	})
}
