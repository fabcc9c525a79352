package kiosk

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facegate/access"
	"facegate/access/pin"
)

// site is a kiosk whose rules are r, with ada, bob and visitor vic, all with PINs.
func site(t *testing.T, o *order, r *access.Rules) *Kiosk {
	t.Helper()
	hash := func(typed string) string {
		h, err := pin.Hash(typed)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	until := time.Now().Add(24 * time.Hour)
	k := New(Options{Audit: o, Door: o, Clock: o, DoorName: access.MainDoor, Unlock: time.Second, Log: slog.New(slog.DiscardHandler)})
	k.SetPeople(access.NewDirectory([]access.Person{
		{ID: "ada", PIN: hash("8264"), Duress: hash("8265"), Groups: []string{"staff"}},
		{ID: "bob", PIN: hash("7193"), Groups: []string{"staff"}},
		{ID: "vic", Groups: []string{"staff"}, Visitor: true, ValidUntil: until},
	}))
	r.Groups = map[string]access.GroupRule{"staff": {}}
	r.Access = []access.AccessRule{{Groups: []string{"staff"}, Doors: []string{access.MainDoor}}}
	p, err := r.Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	k.SetPolicy(p)
	return k
}

func rulesOf(d access.DoorRule) *access.Rules {
	return &access.Rules{Doors: map[string]access.DoorRule{access.MainDoor: d}}
}

// sees is somebody recognised.
func sees(id string) access.Sighting {
	s := seen(time.Now())
	s.Matches = []access.Match{{Person: id, Score: 97, Cosine: .8}}
	return s
}

// recorded is the trail as "kind person reason", and the pulses.
func (o *order) recorded() string {
	var out []string
	for _, e := range o.events {
		out = append(out, strings.Join(strings.Fields(strings.TrimPrefix(string(e.Kind), "access.")+" "+e.Person+" "+string(e.Reason)), " "))
	}
	return strings.Join(out, ", ")
}

func (o *order) pulses() (n int) {
	for _, s := range o.steps {
		if s == "unlock" {
			n++
		}
	}
	return n
}

func TestChallenges(t *testing.T) {
	yes := true
	facePIN := access.DoorRule{Demand: access.Demand{Factors: access.FactorFacePIN}}
	two := access.DoorRule{Demand: access.Demand{TwoPeople: &yes}}
	both := access.DoorRule{Demand: access.Demand{TwoPeople: &yes, Factors: access.FactorFacePIN}}
	see := func(id string) func(*testing.T, *Kiosk) {
		return func(t *testing.T, k *Kiosk) { _, _ = k.Settle(t.Context(), sees(id)) }
	}
	enter := func(id, typed string) func(*testing.T, *Kiosk) {
		return func(t *testing.T, k *Kiosk) { _, _ = k.Type(t.Context(), id, typed) }
	}
	wait := func(d time.Duration) func(*testing.T, *Kiosk) {
		return func(*testing.T, *Kiosk) { time.Sleep(d); synctest.Wait() }
	}
	end := func(t *testing.T, k *Kiosk) { k.Close(t.Context()) }
	tests := []struct {
		name   string
		door   access.DoorRule
		steps  []func(*testing.T, *Kiosk)
		want   string
		pulses int
	}{
		{"face, then PIN", facePIN, []func(*testing.T, *Kiosk){see("ada"), enter("ada", "8264")}, "granted ada", 1},
		{"PIN, then face", facePIN, []func(*testing.T, *Kiosk){enter("ada", "8264"), see("ada")}, "granted ada", 1},
		{"PIN, then another face", facePIN, []func(*testing.T, *Kiosk){enter("ada", "8264"), see("bob"), end}, "denied ada no_face, denied bob pin_required", 0},
		{"the PIN of another", facePIN, []func(*testing.T, *Kiosk){see("ada"), enter("bob", "7193"), end}, "denied ada pin_required, denied bob no_face", 0},
		{"a wrong PIN, then the right one", facePIN, []func(*testing.T, *Kiosk){see("ada"), enter("ada", "1111"), enter("ada", "8264")}, "denied ada pin_wrong, granted ada", 1},
		{"no PIN in time", facePIN, []func(*testing.T, *Kiosk){see("ada"), wait(answerWithin), enter("ada", "8264"), end}, "denied ada pin_required, denied ada no_face", 0},
		{"just in time", facePIN, []func(*testing.T, *Kiosk){see("ada"), wait(answerWithin - time.Second), enter("ada", "8264"), wait(time.Minute)}, "granted ada", 1},
		{"the daemon ends before the PIN", facePIN, []func(*testing.T, *Kiosk){see("ada"), end, wait(time.Minute)}, "denied ada pin_required", 0},
		{"a PIN for nobody", facePIN, []func(*testing.T, *Kiosk){enter("ghost", "8264")}, "denied pin_wrong", 0},
		{"a stranger does not end the wait", facePIN, []func(*testing.T, *Kiosk){see("ada"), see("ghost"), enter("ada", "8264")}, "denied unknown_person, granted ada", 1},
		{"duress opens", facePIN, []func(*testing.T, *Kiosk){see("ada"), enter("ada", "8265")}, "granted ada", 1},

		{"two people", two, []func(*testing.T, *Kiosk){see("ada"), see("bob")}, "granted bob", 1},
		{"the same twice", two, []func(*testing.T, *Kiosk){see("ada"), see("ada"), end}, "denied ada no_access_here", 0},
		{"the second comes late", two, []func(*testing.T, *Kiosk){see("ada"), wait(answerWithin), see("bob"), end}, "denied ada no_access_here, denied bob no_access_here", 0},
		{"two people with PINs", both, []func(*testing.T, *Kiosk){see("ada"), enter("ada", "8264"), see("bob"), enter("bob", "7193")}, "granted bob", 1},
		{"the second's PIN is missing", both, []func(*testing.T, *Kiosk){see("ada"), enter("ada", "8264"), see("bob"), end}, "denied bob pin_required", 0},
		{"a visitor and a host", access.DoorRule{Escort: true}, []func(*testing.T, *Kiosk){see("vic"), see("ada")}, "granted ada", 1},
		{"a host needs nobody", access.DoorRule{Escort: true}, []func(*testing.T, *Kiosk){see("ada")}, "granted ada", 1},
		{"anti-passback", access.DoorRule{AntiPassback: access.Duration{Duration: time.Minute}}, []func(*testing.T, *Kiosk){see("ada"), wait(time.Minute - 1), see("ada"), wait(1), see("ada")}, "granted ada, denied ada anti_passback, granted ada", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &order{}
				k := site(t, o, rulesOf(tt.door))
				for _, step := range tt.steps {
					step(t, k)
				}
				if got := o.recorded(); got != tt.want || o.pulses() != tt.pulses {
					t.Errorf("got %q and %d pulses, want %q and %d", got, o.pulses(), tt.want, tt.pulses)
				}
				k.Close(t.Context())
			})
		})
	}
}

// Whoever guesses at one person's PIN locks that PIN, and neither the person's face nor
// anybody else.
func TestLockOutIsOfOneCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &order{}
		k := site(t, o, rulesOf(access.DoorRule{Demand: access.Demand{Factors: access.FactorFaceOrPIN}}))
		for range 5 {
			if d, _ := k.Type(t.Context(), "ada", "0000"); d.Reason != access.ReasonPINWrong {
				t.Fatalf("got %v %q, want pin_wrong", d.Outcome, d.Reason)
			}
		}
		if d, _ := k.Type(t.Context(), "ada", "8264"); d.Reason != access.ReasonLockedOut {
			t.Errorf("the right PIN after five wrong ones: got %v %q, want locked_out", d.Outcome, d.Reason)
		}
		if d, _ := k.Settle(t.Context(), sees("ada")); d.Outcome != access.Grant {
			t.Errorf("ada's face: got %v %q, want grant", d.Outcome, d.Reason)
		}
		if d, _ := k.Type(t.Context(), "bob", "7193"); d.Outcome != access.Grant {
			t.Errorf("bob's PIN: got %v %q, want grant", d.Outcome, d.Reason)
		}
		time.Sleep(30 * time.Second)
		if d, _ := k.Type(t.Context(), "ada", "8264"); d.Outcome != access.Grant {
			t.Errorf("ada's PIN after the delay: got %v %q, want grant", d.Outcome, d.Reason)
		}
		// A restart forgets nothing: the trail says it all.
		for range 5 {
			_, _ = k.Type(t.Context(), "bob", "0000")
		}
		again := site(t, o, rulesOf(access.DoorRule{Demand: access.Demand{Factors: access.FactorFaceOrPIN}}))
		for _, e := range o.events {
			again.Remember(e)
		}
		if d, _ := again.Type(t.Context(), "bob", "7193"); d.Reason != access.ReasonLockedOut {
			t.Errorf("after a restart: got %v %q, want locked_out", d.Outcome, d.Reason)
		}
	})
}

func TestLockedDown(t *testing.T) {
	o := &order{lockedDown: true}
	k := site(t, o, rulesOf(access.DoorRule{}))
	if _, err := k.Settle(t.Context(), sees("ada")); err != nil {
		t.Fatal(err)
	}
	if got, want := o.recorded(), "denied ada door_locked_down"; got != want || o.pulses() > 0 {
		t.Errorf("got %q and %d pulses, want %q and none", got, o.pulses(), want)
	}
}

// The first of two people is forced: the alarm is in the one record there is.
func TestDuressOfTheFirstOfTwo(t *testing.T) {
	yes := true
	o := &order{}
	k := site(t, o, rulesOf(access.DoorRule{Demand: access.Demand{TwoPeople: &yes, Factors: access.FactorFacePIN}}))
	for _, step := range []func() (access.Decision, error){
		func() (access.Decision, error) { return k.Settle(t.Context(), sees("ada")) },
		func() (access.Decision, error) { return k.Type(t.Context(), "ada", "8265") },
		func() (access.Decision, error) { return k.Settle(t.Context(), sees("bob")) },
		func() (access.Decision, error) { return k.Type(t.Context(), "bob", "7193") },
	} {
		if _, err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if got := o.recorded(); got != "granted bob" || o.events[0].Data["alarm"] != access.AlarmDuress || o.events[0].Data["with"] != "ada" {
		t.Errorf("got %q with %v, want bob granted with ada, and the alarm", got, o.events[0].Data)
	}
}

// Nobody is told "granted" at a door that does not answer, or did not open.
func TestADoorThatDoesNotOpen(t *testing.T) {
	var shown []access.Decision
	o := &order{away: errors.New("nobody answers")}
	k := site(t, o, rulesOf(access.DoorRule{}))
	k.o.Watch = func(_ access.Event, d access.Decision) { shown = append(shown, d) }
	if d, err := k.Settle(t.Context(), sees("ada")); err != nil || d.Reason != access.ReasonDoorLockedDown || o.pulses() != 0 {
		t.Errorf("a door that does not answer: got %v %q, %v and %d pulses", d.Outcome, d.Reason, err, o.pulses())
	}
	o.away, o.relay = nil, errors.New("relay does not obey")
	if _, err := k.Settle(t.Context(), sees("ada")); err == nil || o.pulses() != 1 {
		t.Errorf("a relay that does not obey: got %v and %d tries, want an error and one", err, o.pulses())
	}
	for _, d := range shown {
		if d.Outcome == access.Grant {
			t.Errorf("shown: %v %q", d.Outcome, d.Because)
		}
	}
	if len(shown) != 2 {
		t.Errorf("shown %d decisions, want 2", len(shown))
	}
}

// A silent alarm is in the record and nowhere at the door.
func TestDuressIsSilent(t *testing.T) {
	o := &order{}
	k := site(t, o, rulesOf(access.DoorRule{Demand: access.Demand{Factors: access.FactorPIN}}))
	right, err := k.Type(t.Context(), "ada", "8264")
	if err != nil {
		t.Fatal(err)
	}
	forced, err := k.Type(t.Context(), "ada", "8265")
	if err != nil {
		t.Fatal(err)
	}
	if forced.Outcome != access.Grant || Words(forced) != Words(right) {
		t.Errorf("got %v, %q; want what the PIN itself gives, %v, %q", forced.Outcome, Words(forced), right.Outcome, Words(right))
	}
	if o.events[0].Data["alarm"] != "" || o.events[1].Data["alarm"] != access.AlarmDuress {
		t.Errorf("got alarms %q and %q, want none and duress", o.events[0].Data["alarm"], o.events[1].Data["alarm"])
	}
}
