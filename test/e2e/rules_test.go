package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"facegate/internal/programtest"
)

// apply puts rules into force.
func (s *site) apply(t *testing.T, rules string) {
	t.Helper()
	s.write(t, "rules.toml", rules)
	s.run(t, "policy", "apply", filepath.Join(s.home, "rules.toml"))
}

// staffed are the rules of a site whose staff may pass the one door always; door is what the
// door asks for.
func staffed(door string) string {
	return "[groups.staff]\n[doors.main]\n" + door + "\n[[access]]\ngroups = [\"staff\"]\ndoors = [\"main\"]\n"
}

// An answer is what facegate policy explain prints.
type answer struct {
	Decision, Reason string
}

// explain asks about a visit now. An answer that is no is an answer.
func (s *site) explain(t *testing.T, args ...string) answer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "facegate"), append([]string{"--home", s.home, "--json", "policy", "explain"}, args...)...)
	out, _ := cmd.Output() // the exit code is the answer
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("policy explain %v: %v\n%s", args, err, out)
	}
	return a
}

// staff adds people of the group staff, enrolled with pictures.
func (s *site) staff(t *testing.T, id string, pictures ...string) {
	t.Helper()
	s.run(t, "person", "add", "--id", id, "--name", id, "--group", "staff")
	args := []string{"enrol", id, "--consent-by", "test"}
	for _, p := range pictures {
		args = append(args, "--photo", filepath.Join(s.faces, p))
	}
	s.run(t, args...)
}

// outcome is a decision's record in the words of policy explain.
func (e event) outcome() answer {
	if e.Kind == "access.granted" {
		return answer{"grant", ""}
	}
	return answer{"deny", e.Reason}
}

// One person, enrolled with a mask and without, comes in three ways to a door that wants a
// mask and to one that does not. What is decided is what the rules said would be.
func TestMasksAtTheDoor(t *testing.T) {
	t.Parallel()
	const ann = "5ffc71161327c8449f9607c6"
	picture := func(n string) string { return "../mask_states/" + ann + "_" + n + ".jpg" }
	s := newSite(t)
	come := []struct{ file, mask string }{{picture("1"), "full"}, {picture("3"), "none"}, {picture("2"), "nose_out"}}
	scenes := []scene{{"", .5}}
	for _, c := range come {
		scenes = append(scenes, scene{c.file, 3}, scene{"", empty})
	}
	s.configure(t, "passive", scenes)
	s.staff(t, ann, picture("4"), picture("2"))
	s.doord(t)
	for _, tt := range []struct {
		rule string
		want []answer
	}{
		{`mask = "required"`, []answer{{"grant", ""}, {"deny", "mask_required"}, {"deny", "mask_required"}}},
		{`mask = "forbidden"`, []answer{{"deny", "mask_forbidden"}, {"grant", ""}, {"deny", "mask_forbidden"}}},
	} {
		s.apply(t, staffed(tt.rule))
		before := s.last(t)
		if code := s.start(t, "facegated", "--until-idle").end(t); code != 0 {
			t.Fatalf("facegated: exit code %d", code)
		}
		decisions := s.decisions(t, before)
		if len(decisions) != len(come) {
			t.Fatalf("%s: %d decisions of %d visits: %v", tt.rule, len(decisions), len(come), decisions)
		}
		for i, c := range come {
			if got := decisions[i].outcome(); got != tt.want[i] || decisions[i].Person != ann {
				t.Errorf("%s, mask %s: got %v of %q, want %v of %q", tt.rule, c.mask, got, decisions[i].Person, tt.want[i], ann)
			}
			if said := s.explain(t, "--person", ann, "--mask", c.mask); said != tt.want[i] {
				t.Errorf("%s, mask %s: policy explain says %v, want %v", tt.rule, c.mask, said, tt.want[i])
			}
		}
	}
	s.verify(t)
}

// A door that asks for a helmet lets in who wears one and nobody else.
func TestHelmetsAtTheDoor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const helmet, bare = "../head_helmet/helmet/000081_c2334f.jpg", "013"
	s.configure(t, "passive", []scene{{"", .5}, {helmet, 3}, {"", empty}, {live(bare, "controlled_2"), 3}, {"", empty}})
	s.staff(t, "worker", helmet)
	s.staff(t, bare, live(bare, "controlled_1"))
	s.doord(t)
	s.apply(t, staffed(`helmet = "required"`))
	before := s.last(t)
	if code := s.start(t, "facegated", "--until-idle").end(t); code != 0 {
		t.Fatalf("facegated: exit code %d", code)
	}
	decisions := s.decisions(t, before)
	want := []answer{{"grant", ""}, {"deny", "head_cover_required"}}
	if len(decisions) != 2 || decisions[0].outcome() != want[0] || decisions[1].outcome() != want[1] {
		t.Fatalf("got %v, want %v", decisions, want)
	}
	for person, head := range map[string]string{"worker": "helmet", bare: "none"} {
		if said := s.explain(t, "--person", person, "--head", head); (said == want[0]) != (head == "helmet") {
			t.Errorf("policy explain of head %s says %v", head, said)
		}
	}
}

// Somebody who gave no face types a PIN; a wrong one opens nothing, and every try is recorded.
func TestPINAtTheDoor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.configure(t, "passive", []scene{{"", 300}}, `unlock = "300ms"`)
	s.run(t, "person", "add", "--id", "pia", "--name", "Pia", "--group", "staff", "--no-face")
	s.input(t, "8264\n", "pin", "set", "pia")
	s.apply(t, staffed("pin_instead = true"))
	s.doord(t)
	before := s.last(t)
	kiosk := s.start(t, "facegated")
	programtest.Until(t, "facegated is connected", func() bool { return s.connected(t) })
	programtest.Until(t, "facegated takes PINs", func() bool { return s.try(t, "", "health") })
	if s.try(t, "1111\n", "pin", "enter", "pia") {
		t.Error("a wrong PIN is granted")
	}
	if n := len(s.relay(t)); n != 0 {
		t.Errorf("a wrong PIN moves the relay %d times", n)
	}
	if !s.try(t, "8264\n", "pin", "enter", "pia") {
		t.Error("the right PIN is not granted")
	}
	programtest.Until(t, "the pulse is over", func() bool { return len(s.relay(t)) == 2 })
	kiosk.stop(t)
	decisions := s.decisions(t, before)
	if len(decisions) != 2 || decisions[0].outcome() != (answer{"deny", "pin_wrong"}) || decisions[1].outcome() != (answer{"grant", ""}) {
		t.Errorf("got %v, want pin_wrong, then a grant", decisions)
	}
	if strings.Contains(kiosk.log.String(), "Pia") || strings.Contains(kiosk.log.String(), "8264") || strings.Contains(kiosk.log.String(), "argon2") {
		t.Errorf("the log tells a name, a PIN or a hash:\n%s", kiosk.log)
	}
}

// A door that stands unlocked on a schedule is a lease: when facegated is stopped, the door
// locks by itself, and the exit button goes on working.
func TestScheduledDoor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const maxOn = 4 * time.Second // long enough for a machine that is busy to renew it in time
	s.configure(t, "passive", []scene{{"", 300}}, `unlock = "300ms"`, fmt.Sprintf("max_on = %q", maxOn))
	s.apply(t, staffed(`unlocked = "always"`))
	s.doord(t)
	kiosk := s.start(t, "facegated")
	programtest.Until(t, "the schedule unlocks the door", func() bool { return len(s.relay(t)) > 0 })
	var status struct {
		Unlocked       bool
		Mode, Priority string
	}
	if err := json.Unmarshal(s.run(t, "door", "status"), &status); err != nil || !status.Unlocked || status.Mode != "scheduled" || status.Priority != "scheduled" {
		t.Errorf("door status: %+v, %v", status, err)
	}
	best := time.Hour
	for range 5 { // a busy machine may be late once
		before := len(s.relay(t))
		kiosk.signal(t, syscall.SIGSTOP)
		stopped := time.Now()
		programtest.Until(t, "the relay drops", func() bool { return len(s.relay(t)) > before })
		edge := s.relay(t)[before]
		if edge.On {
			t.Errorf("got %+v, want the relay to drop", edge)
		}
		best = min(best, time.Unix(0, edge.T).Sub(stopped))
		s.run(t, "door", "sim", "rex", "pulse")
		programtest.Until(t, "the exit button opens", func() bool { return len(s.relay(t)) == before+3 })
		kiosk.signal(t, syscall.SIGCONT)
		programtest.Until(t, "the schedule unlocks the door again", func() bool { return len(s.relay(t)) == before+4 })
		if best <= maxOn+200*time.Millisecond {
			break
		}
	}
	if best > maxOn+200*time.Millisecond {
		t.Errorf("the relay drops %v after facegated was stopped at best, want %v at most", best, maxOn)
	}
	kiosk.stop(t)
}
