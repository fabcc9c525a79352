package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"facegate/internal/programtest"
)

// The pictures: who is enrolled, who is not.
func members() []string { return []string{"005", "009", "011", "013"} }

const (
	shown, empty = 2.5, 1.5 // seconds of a visit, and of the empty scene behind it: a busy machine sees a few frames of them
	unlock       = 800 * time.Millisecond
)

// A visit is somebody, or a picture of somebody, at the door.
type visit struct {
	file   string
	client string // who is let in; nobody where empty
}

func visits() []visit {
	return []visit{
		{live("005", "controlled_2"), "005"},
		{live("119", "controlled_1"), ""}, // a stranger
		{"spoof/fixed_attack_mobile_client011_session01_mobile_video_controlled.jpg", ""},
		{live("011", "controlled_2"), "011"},
		{live("013", "controlled_2"), "013"},
		{live("107", "controlled_1"), ""}, // a stranger
		{live("009", "controlled_2"), "009"},
		{"spoof/fixed_attack_mobile_client005_session01_mobile_video_adverse.jpg", ""},
		{live("005", "adverse_1"), "005"},
		{live("011", "adverse_1"), "011"},
	}
}

// scenes are visits with an empty scene before and behind each.
func scenes(list []visit) []scene {
	out := []scene{{"", .5}}
	for _, v := range list {
		out = append(out, scene{v.file, shown}, scene{"", empty})
	}
	return out
}

// Everybody who comes has one decision in the audit trail; every grant is one pulse of the
// relay, as long as it should be, that names its event; nothing else moves the relay. At level
// depth the same stills are let in no more, and are called what they are.
func TestVisits(t *testing.T) {
	s := newSite(t)
	people, list := members(), visits()
	if testing.Short() {
		people, list = people[:1], list[:2]
	}
	setting := fmt.Sprintf("unlock = %q", unlock)
	s.configure(t, "passive", scenes(list), setting)
	s.enrol(t, people...)
	s.doord(t)
	before := s.last(t)
	kiosk := s.start(t, "facegated", "--until-idle")
	if code := kiosk.end(t); code != 0 {
		t.Fatalf("facegated: exit code %d", code)
	}
	decisions := s.decisions(t, before)
	if len(decisions) != len(list) {
		t.Fatalf("%d decisions of %d visits: %v", len(decisions), len(list), decisions)
	}
	var whys []string
	for i, v := range list {
		d := decisions[i]
		if granted := d.Kind == "access.granted"; granted != (v.client != "") || granted && d.Person != v.client {
			t.Errorf("%s: got %s of %q, reason %q; want %q let in", v.file, d.Kind, d.Person, d.Reason, v.client)
		}
		if d.Kind == "access.granted" {
			whys = append(whys, fmt.Sprintf("access granted, event %d", d.Seq))
		}
	}
	edges := s.relay(t)
	if len(edges) != 2*len(whys) {
		t.Fatalf("%d edges of the relay for %d grants: %v", len(edges), len(whys), edges)
	}
	// The log's times are taken a moment after the door's own, which is long where the machine is
	// busy: then one or the other pulse looks too short or too long.
	const moment = 200 * time.Millisecond
	exact := 0
	for i, why := range whys {
		on, off := edges[2*i], edges[2*i+1]
		if !on.On || off.On || on.Why != why {
			t.Errorf("got %+v, %+v; want a pulse because of %q", on, off, why)
		}
		d := time.Duration(off.T - on.T)
		t.Logf("%s: energised for %v", why, d)
		if d < unlock-moment || d > unlock+10*moment {
			t.Errorf("%s: energised for %v, want %v", why, d, unlock)
		}
		if d >= unlock && d <= unlock+moment {
			exact++
		}
	}
	if 2*exact < len(whys) {
		t.Errorf("%d of %d pulses were of %v and at most %v more, want most", exact, len(whys), unlock, moment)
	}
	s.verify(t)

	stills := []visit{{file: list[0].file}, {file: list[1].file}}
	if testing.Short() {
		stills = stills[:1]
	}
	s.configure(t, "depth", scenes(stills), setting)
	before = s.last(t)
	if code := s.start(t, "facegated", "--until-idle").end(t); code != 0 {
		t.Fatalf("facegated: exit code %d", code)
	}
	decisions = s.decisions(t, before)
	if len(decisions) != len(stills) {
		t.Errorf("level depth: %d decisions of %d visits: %v", len(decisions), len(stills), decisions)
	}
	for _, d := range decisions {
		if d.Kind != "access.denied" || d.Reason != "spoof" {
			t.Errorf("level depth: got %s, reason %q; want a spoof", d.Kind, d.Reason)
		}
	}
	if n := len(s.relay(t)); n != len(edges) {
		t.Errorf("level depth: the relay moved %d times", n-len(edges))
	}
	s.verify(t)
}

// Facegated is killed while the door is unlocked: the relay drops at once. Exit button and
// records of the door need nobody, and are collected once.
func TestFacegatedIsKilledDuringAPulse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := members()[0]
	minutes := []string{`unlock = "5m"`, `max_on = "5m"`} // the time does not end it
	s.configure(t, "passive", []scene{{"", .5}, {live(client, "controlled_2"), 300}}, minutes...)
	s.enrol(t, client)
	s.doord(t)
	before := s.last(t)
	kiosk := s.start(t, "facegated")
	programtest.Until(t, "the relay is energised", func() bool { return len(s.relay(t)) > 0 })
	kiosk.signal(t, syscall.SIGKILL)
	kiosk.end(t)
	programtest.Until(t, "the relay drops", func() bool { return len(s.relay(t)) > 1 })
	if e := s.relay(t); !e[0].On || e[1].On || e[1].Why != "controller is gone" {
		t.Errorf("got %+v, want a pulse that ended with its controller", e)
	}
	granted := s.decisions(t, before)
	if len(granted) != 1 || granted[0].Kind != "access.granted" {
		t.Errorf("got %v, want the grant on record", granted)
	}
	s.verify(t)

	s.run(t, "door", "sim", "rex", "pulse")
	programtest.Until(t, "the exit button opens", func() bool { return len(s.relay(t)) > 2 })
	if e := s.relay(t)[2]; !e.On || e.Why != "exit button" {
		t.Errorf("got %+v, want the exit button to open", e)
	}

	collected := func() map[string]int { // how often, by their number
		journal := map[string]int{}
		for _, e := range s.events(t, before) {
			if n := e.Data["journal"]; n != "" {
				journal[n]++
			}
		}
		return journal
	}
	s.configure(t, "passive", []scene{{"", 2}}, minutes...)
	kiosk = s.start(t, "facegated")
	programtest.Until(t, "the door's events are collected", func() bool { return len(collected()) >= 4 }) // unlocked, locked, the button, unlocked
	kiosk.stop(t)
	if code := s.start(t, "facegated", "--until-idle").end(t); code != 0 { // which has two seconds to collect them again
		t.Fatalf("facegated: exit code %d", code)
	}
	s.verify(t)
	if rex := s.events(t, before, "door.rex"); len(rex) != 1 || rex[0].Source != "rex" {
		t.Errorf("got %v, want the exit button once", rex)
	}
	for n, times := range collected() {
		if times != 1 {
			t.Errorf("event %s of the door was collected %d times", n, times)
		}
	}
	if n := len(s.decisions(t, before)); n != 1 {
		t.Errorf("%d decisions, want the one from before the end", n)
	}
	if n := len(s.relay(t)); n != 3 {
		t.Errorf("the relay moved %d times, want 3", n)
	}
}

// The door does not answer while somebody comes who may pass: they are refused, or the grant's
// failure is on record, the door stays locked, and nothing unlocks it later.
func TestGrantWithoutADoor(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*testing.T, *site, *daemon) (back func()){
		"doord has ended": func(t *testing.T, s *site, d *daemon) func() {
			d.stop(t)
			return func() { s.doord(t) }
		},
		"doord stands still": func(t *testing.T, _ *site, d *daemon) func() {
			d.signal(t, syscall.SIGSTOP)
			return func() { d.signal(t, syscall.SIGCONT) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "doord has ended" {
				t.Skip("the other case is the harder one")
			}
			s := newSite(t)
			s.loop = true
			client := members()[0]
			s.configure(t, "passive", scenes([]visit{{live(client, "controlled_2"), client}}), fmt.Sprintf("unlock = %q", unlock))
			d := s.doord(t)
			before := s.last(t)
			kiosk := s.start(t, "facegated")
			connected := func() bool { return s.connected(t) }
			programtest.Until(t, "facegated is connected", connected)
			// Only now is there somebody to let in, and only until the door has missed it.
			back := away(t, s, d)
			s.enrol(t, client)
			programtest.Until(t, "the refusal is on record", func() bool {
				for _, e := range s.events(t, before, "access.denied") {
					if e.Person == client && e.Reason == "door_locked_down" {
						return true
					}
				}
				return len(s.events(t, before, "command.refused")) > 0
			})
			loads := func() int { return strings.Count(kiosk.log.String(), "people loaded") }
			loaded := loads()
			s.run(t, "person", "remove", client)
			programtest.Until(t, "facegated knows nobody", func() bool { return loads() > loaded })
			back()
			programtest.Until(t, "facegated is connected again", connected)
			at := s.last(t)
			programtest.Until(t, "the next visit is decided", func() bool { return len(s.decisions(t, at)) > 0 })
			kiosk.stop(t)
			granted, refused := s.events(t, before, "access.granted"), s.events(t, before, "command.refused")
			if len(granted) != len(refused) {
				t.Fatalf("%d grants, %d of them refused", len(granted), len(refused))
			}
			for i, e := range refused {
				if e.Person != client || e.Data["event"] != fmt.Sprint(granted[i].Seq) {
					t.Errorf("got %+v, want the refusal of event %d", e, granted[i].Seq)
				}
			}
			if e := s.relay(t); len(e) > 0 {
				t.Errorf("the relay moved: %+v", e)
			}
			s.verify(t)
		})
	}
}
