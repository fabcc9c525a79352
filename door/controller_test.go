package door

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var secure = Config{Unlock: 3 * time.Second, MaxOn: 10 * time.Second, HeldOpen: 30 * time.Second}

// A bench drives a controller and plays its relay. It notes everything that happens as
// "milliseconds what".
type bench struct {
	*Controller
	start  time.Time
	ms     int
	broken error // the relay answers this
	edge   int   // when the relay last moved
	lines  []string
}

func newBench(cfg Config) *bench {
	start := time.Unix(1000, 0)
	b := &bench{start: start, Controller: New(cfg, start)}
	b.obey()
	return b
}

func (b *bench) at(ms int) time.Time { return b.start.Add(time.Duration(ms) * time.Millisecond) }

// to moves time on, stopping where the controller has something to do.
func (b *bench) to(ms int) *bench {
	for {
		due, ok := b.Due()
		if !ok || due.After(b.at(ms)) {
			break
		}
		b.ms = max(b.ms, int(due.Sub(b.start).Milliseconds()))
		b.Advance(due)
		b.obey()
	}
	b.ms = ms
	b.Advance(b.at(ms))
	b.obey()
	return b
}

func (b *bench) obey() {
	for {
		todo := b.Take()
		if len(todo) == 0 {
			return
		}
		for _, a := range todo {
			switch a := a.(type) {
			case SetRelay:
				if b.broken != nil {
					b.note("relay refuses")
					b.RelayFailed(b.broken, b.at(b.ms))
					continue
				}
				b.note(fmt.Sprintf("relay %v: %s", a.Energise, a.Why))
				b.edge = b.ms
				b.RelayObeyed(b.at(b.ms))
			case Event:
				b.note(strings.TrimSpace(fmt.Sprintf("%s %s", a.Kind, a.Who)))
			}
		}
	}
}

func (b *bench) note(s string) { b.lines = append(b.lines, fmt.Sprintf("%d %s", b.ms, s)) }

func (b *bench) input(line string, active bool) { b.Input(line, active, b.at(b.ms)); b.obey() }
func (b *bench) gone()                          { b.Gone(WhoController, b.at(b.ms)); b.obey() }

// set gives an operator's order, or takes it back with ModeNormal.
func (b *bench) set(mode string) { b.setFor(Operator, mode, 0) }

func (b *bench) setFor(priority, mode string, d time.Duration) {
	if mode == ModeNormal {
		b.Release(priority, "", "test", b.at(b.ms))
	} else {
		b.Order(Order{Priority: priority, Mode: mode, For: d, Why: "test"}, b.at(b.ms))
	}
	b.obey()
}

func (b *bench) grant(d time.Duration) (time.Duration, error) {
	got, err := b.Pulse(Grant{Who: WhoController, For: d, Why: "grant"}, b.at(b.ms))
	b.obey()
	return got, err
}

// pass opens the leaf for some milliseconds.
func (b *bench) pass(ms int) {
	b.input(LineContact, false)
	b.input(LineContact, true)
	b.to(b.ms+ms).input(LineContact, false)
}

func (b *bench) lease(mode string, d time.Duration) {
	b.Schedule(mode, d, time.Time{}, "test", b.at(b.ms))
	b.obey()
}

func (b *bench) press() { b.input(LineRex, false); b.input(LineRex, true) }

func TestController(t *testing.T) {
	safe, closing, whileOpen, handle := secure, secure, secure, secure
	safe.FailSafe = true
	closing.Relock = RelockClosed
	whileOpen.Relock = RelockWhileOpen
	handle.RexRecords = true
	tests := []struct {
		name string
		cfg  Config
		do   func(b *bench)
		want []string
	}{
		{"a grant is one pulse of its length", secure, func(b *bench) { b.to(100).grant(2 * time.Second); b.to(60_000) }, []string{
			"0 relay false: start",
			"100 relay true: grant", "100 door.unlocked controller", "2100 relay false: time is over", "2100 door.locked",
		}},
		{"a grant without time has the door's", secure, func(b *bench) { b.grant(0); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "3000 relay false: time is over", "3000 door.locked",
		}},
		{"a second grant extends from its own time", secure, func(b *bench) { b.grant(0); b.to(2000).grant(0); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "5000 relay false: time is over", "5000 door.locked",
		}},
		{"a shorter second grant takes nothing away", secure, func(b *bench) { b.grant(0); b.to(100).grant(time.Second); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "3000 relay false: time is over", "3000 door.locked",
		}},
		{"nobody gets more than the longest time", secure, func(b *bench) { b.grant(time.Hour); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "10000 relay false: time is over", "10000 door.locked",
		}},
		{"not by asking often either", secure, func(b *bench) {
			for ms := 0; ms < 10_000; ms += 500 {
				b.to(ms).grant(0)
			}
			b.to(60_000)
		}, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "10000 relay false: maximum on-time", "10000 door.locked",
		}},
		{"a client that is gone loses its grant", secure, func(b *bench) { b.grant(0); b.to(500).gone(); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "500 relay false: controller is gone", "500 door.locked controller",
		}},
		{"but not the exit button's time", secure, func(b *bench) { b.grant(0); b.to(500).press(); b.to(600).gone(); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "510 door.rex rex", "3510 relay false: time is over", "3510 door.locked",
		}},
		{"the exit button opens", secure, func(b *bench) { b.press(); b.to(200).input(LineRex, false); b.to(60_000) }, []string{
			"0 relay false: start",
			"10 door.rex rex", "10 relay true: exit button", "10 door.unlocked rex", "3010 relay false: time is over", "3010 door.locked",
		}},
		{"bounce on the exit button does not", secure, func(b *bench) { b.press(); b.to(5).input(LineRex, false); b.to(60_000) }, []string{
			"0 relay false: start",
		}},
		{"a button pressed at start does not, nor one that stays pressed", secure, func(b *bench) { b.input(LineRex, true); b.to(60_000) }, []string{
			"0 relay false: start",
		}},
		{"lock-down refuses grants and lets people out", secure, func(b *bench) {
			b.grant(0)
			b.to(1000).set(ModeLocked)
			if _, err := b.grant(0); !errors.Is(err, ErrLockedDown) {
				b.note(fmt.Sprint("granted: ", err))
			}
			b.to(2000).press()
			b.to(60_000)
		}, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "1000 command.done operator", "1000 relay false: test", "1000 door.locked operator",
			"2010 door.rex rex", "2010 relay true: exit button", "2010 door.unlocked rex", "5010 relay false: time is over", "5010 door.locked",
		}},
		{"hold unlocks until release", secure, func(b *bench) {
			b.set(ModeUnlocked)
			b.to(5_000).grant(0)
			b.to(3_600_000).set(ModeNormal)
			b.to(4_000_000)
		}, []string{
			"0 relay false: start",
			"0 command.done operator", "0 relay true: test", "0 door.unlocked operator",
			"3600000 command.done operator", "3600000 relay false: test", "3600000 door.locked operator",
		}},
		{"a fail-safe door is held by current", safe, func(b *bench) { b.grant(0); b.to(60_000) }, []string{
			"0 relay true: start", "0 door.locked",
			"0 relay false: grant", "0 door.unlocked controller", "3000 relay true: time is over", "3000 door.locked",
		}},
		{"fire opens a fail-safe door for as long as it calls, in lock-down too", safe, func(b *bench) {
			b.input(LineFire, false)
			b.set(ModeLocked)
			b.to(1000).input(LineFire, true)
			b.to(3_600_000).input(LineFire, false)
			b.to(4_000_000)
		}, []string{
			"0 relay true: start", "0 door.locked", "0 command.done operator",
			"1030 door.fire fire", "1030 relay false: fire", "1030 door.unlocked fire", "3600030 door.fire fire", "3600030 relay true: time is over", "3600030 door.locked",
		}},
		{"a fire call at start counts at once", safe, func(b *bench) { b.input(LineFire, true); b.to(1000) }, []string{
			"0 relay true: start", "0 door.locked", "0 door.fire fire", "0 relay false: fire", "0 door.unlocked fire",
		}},
		{"fire opens a fail-secure door for the longest time", secure, func(b *bench) { b.set(ModeLocked); b.input(LineFire, true); b.to(3_600_000) }, []string{
			"0 relay false: start", "0 command.done operator",
			"0 door.fire fire", "0 relay true: fire", "0 door.unlocked fire", "10000 relay false: time is over", "10000 door.locked",
		}},
		{"an open door is reported once", secure, func(b *bench) {
			b.input(LineContact, false)
			b.input(LineContact, true)
			b.to(120_000).input(LineContact, false)
			b.to(240_000)
		}, []string{
			"0 relay false: start", "30 door.opened", "30 door.forced", "30030 door.held", "120030 door.closed",
		}},
		{"a door open at start has not been opened", secure, func(b *bench) { b.input(LineContact, true); b.to(60_000) }, []string{
			"0 relay false: start", "30000 door.held",
		}},
		{"a door that relocks locks when the leaf closes", closing, func(b *bench) { b.grant(0); b.to(500).pass(700); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "530 door.opened", "1230 door.closed", "1230 relay false: door closed", "1230 door.locked",
		}},
		{"a grant made while the leaf is open is good after it has closed", closing, func(b *bench) {
			b.grant(0)
			b.to(500).input(LineContact, false)
			b.input(LineContact, true)
			b.to(1000).grant(0)
			b.to(1500).input(LineContact, false)
			b.to(60_000)
		}, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "530 door.opened", "1530 door.closed", "4000 relay false: time is over", "4000 door.locked",
		}},
		{"by time alone the leaf does not matter", secure, func(b *bench) { b.grant(0); b.to(500).pass(700); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "530 door.opened", "1230 door.closed", "3000 relay false: time is over", "3000 door.locked",
		}},
		{"while the leaf is open the door stays unlocked", whileOpen, func(b *bench) { b.grant(0); b.to(500).pass(5000); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "530 door.opened", "5530 door.closed", "5530 relay false: door closed", "5530 door.locked",
		}},
		{"but not beyond the longest time", whileOpen, func(b *bench) { b.grant(0); b.to(500).pass(20_000); b.to(60_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "530 door.opened", "10000 relay false: maximum on-time", "10000 door.locked", "20530 door.closed",
		}},
		{"a locked door that opens is forced", secure, func(b *bench) { b.to(5000).pass(1000); b.to(10_000) }, []string{
			"0 relay false: start", "5030 door.opened", "5030 door.forced", "6030 door.closed",
		}},
		{"who pulls at the last moment is no burglar", secure, func(b *bench) { b.grant(0); b.to(3900).pass(500); b.to(10_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "3000 relay false: time is over", "3000 door.locked", "3930 door.opened", "4430 door.closed",
		}},
		{"a moment later he is", secure, func(b *bench) { b.grant(0); b.to(4000).pass(500); b.to(10_000) }, []string{
			"0 relay false: start",
			"0 relay true: grant", "0 door.unlocked controller", "3000 relay false: time is over", "3000 door.locked",
			"4030 door.opened", "4030 door.forced", "4530 door.closed",
		}},
		{"an exit button that only tells explains an opening", handle, func(b *bench) { b.press(); b.to(500).pass(1000); b.to(3000).pass(500); b.to(10_000) }, []string{
			"0 relay false: start", "10 door.rex rex", "530 door.opened", "1530 door.closed", "3030 door.opened", "3030 door.forced", "3530 door.closed",
		}},
		{"a door that is to be unlocked may stand open", secure, func(b *bench) {
			b.set(ModeUnlocked)
			b.to(1000).input(LineContact, false)
			b.input(LineContact, true)
			b.to(100_000).set(ModeNormal)
			b.to(200_000)
		}, []string{
			"0 relay false: start", "0 command.done operator", "0 relay true: test", "0 door.unlocked operator", "1030 door.opened",
			"100000 command.done operator", "100000 relay false: test", "100000 door.locked operator", "130000 door.held",
		}},
		{"a schedule ends when it is not renewed", secure, func(b *bench) { b.lease(ModeUnlocked, time.Hour); b.to(5000).lease(ModeUnlocked, 0); b.to(60_000) }, []string{
			"0 relay false: start", "0 relay true: test", "0 door.unlocked schedule", "15000 relay false: schedule was not renewed", "15000 door.locked schedule",
		}},
		{"or with its client", secure, func(b *bench) { b.lease(ModeUnlocked, 0); b.to(5000).gone(); b.to(60_000) }, []string{
			"0 relay false: start", "0 relay true: test", "0 door.unlocked schedule", "5000 relay false: controller is gone", "5000 door.locked controller",
		}},
		{"the strongest setting holds, and uncovers the one beneath", secure, func(b *bench) {
			b.lease(ModeUnlocked, 0)
			b.to(1000).set(ModeLocked)
			b.to(2000).setFor(Emergency, ModeUnlocked, 0)
			b.to(3000).setFor(Emergency, ModeNormal, 0)
			b.to(4000).set(ModeNormal)
			b.to(5000).lease(ModeNormal, 0)
		}, []string{
			"0 relay false: start", "0 relay true: test", "0 door.unlocked schedule",
			"1000 command.done operator", "1000 relay false: test", "1000 door.locked operator",
			"2000 command.done operator", "2000 relay true: test", "2000 door.unlocked operator",
			"3000 command.done operator", "3000 relay false: test", "3000 door.locked operator",
			"4000 command.done operator", "4000 relay true: test", "4000 door.unlocked schedule",
			"5000 relay false: test", "5000 door.locked schedule",
		}},
		{"an operator's setting may have an end", secure, func(b *bench) { b.setFor(Operator, ModeUnlocked, 2*time.Hour); b.to(9_000_000) }, []string{
			"0 relay false: start", "0 command.done operator", "0 relay true: test", "0 door.unlocked operator",
			"7200000 command.done operator", "7200000 relay false: time is over", "7200000 door.locked operator",
		}},
		{"tampering is recorded", secure, func(b *bench) { b.input(LineTamper, true); b.to(60_000).input(LineTamper, false); b.to(70_000) }, []string{
			"0 relay false: start", "0 device.tamper", "60030 device.tamper",
		}},
		{"a relay that refuses grants nothing, and opens nothing later", secure, func(b *bench) {
			b.broken = errors.New("busy")
			b.grant(0)
			if _, err := b.to(500).grant(0); !errors.Is(err, ErrRelay) {
				b.note(fmt.Sprint("granted: ", err))
			}
			b.to(1500)
			b.broken = nil
			b.to(60_000)
		}, []string{
			"0 relay false: start",
			"0 relay refuses", "0 health.raised", "1000 relay refuses", "2000 relay false: retry", "2000 health.cleared",
		}},
		{"a relay that cannot be dropped is dropped again until it is", secure, func(b *bench) {
			b.grant(0)
			b.to(1000)
			b.broken = errors.New("busy")
			b.to(3500)
			b.broken = nil
			b.to(60_000)
		}, []string{
			"0 relay false: start", "0 relay true: grant", "0 door.unlocked controller",
			"3000 relay refuses", "3000 health.raised", "4000 relay false: retry", "4000 health.cleared", "4000 door.locked",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(tt.cfg)
			tt.do(b)
			if !slices.Equal(b.lines, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(b.lines, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestPulseSaysHowLongTheDoorStaysUnlocked(t *testing.T) {
	b := newBench(secure)
	for _, tt := range []struct {
		ms   int
		ask  time.Duration
		want time.Duration
	}{{0, 0, 3 * time.Second}, {1000, 8 * time.Second, 8 * time.Second}, {2000, time.Hour, 8 * time.Second}, {2500, time.Second, 7500 * time.Millisecond}} {
		got, err := b.to(tt.ms).grant(tt.ask)
		if err != nil || got != tt.want {
			t.Errorf("at %d ms: asked %v, got %v, %v; want %v", tt.ms, tt.ask, got, err, tt.want)
		}
	}
	if want := b.at(10_000); !b.Status().Until.Equal(want) {
		t.Errorf("status says until %v, want %v", b.Status().Until, want)
	}
}

func TestAStalledLoopLosesNoPress(t *testing.T) {
	b := newBench(secure)
	b.input(LineRex, false)
	b.Input(LineRex, true, b.at(100))
	b.Input(LineRex, false, b.at(250)) // fed without a call to Advance in between
	b.obey()
	if !slices.Contains(b.lines, "0 relay true: exit button") {
		t.Errorf("got %q", b.lines)
	}
}

// TestControllerKeepsItsPromises drives a door with random asks, inputs, faults and clock
// steps, and holds every promise after each.
func TestControllerKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := secure
		cfg.FailSafe = rapid.Bool().Draw(t, "fail safe")
		b := newBench(cfg)
		var (
			unlockedFrom = -1 // since when neither hold nor fire explains the unlocked door
			check        = func() {
				s := b.Status()
				if s.Relay != (s.Unlocked != cfg.FailSafe) {
					t.Fatalf("relay %v on a door unlocked %v, fail safe %v", s.Relay, s.Unlocked, cfg.FailSafe)
				}
				if cfg.FailSafe && s.Inputs.Fire && !s.Unlocked && s.Fault == "" {
					t.Fatalf("locked on fire")
				}
				if !s.Unlocked || s.Fault != "" || s.Mode == ModeUnlocked || cfg.FailSafe && s.Inputs.Fire {
					unlockedFrom = -1
					return
				}
				if unlockedFrom < 0 {
					unlockedFrom = b.ms
				}
				unlockedFrom = max(unlockedFrom, b.edge)
				if over := time.Duration(b.ms-unlockedFrom) * time.Millisecond; over > cfg.MaxOn {
					t.Fatalf("unlocked for %v by asks, since %d ms:\n%s", over, unlockedFrom, strings.Join(b.lines, "\n"))
				}
			}
		)
		t.Repeat(map[string]func(*rapid.T){
			"wait": func(t *rapid.T) {
				// In steps of 50 ms, so that check sees every state.
				for range rapid.IntRange(1, 150).Draw(t, "steps") {
					b.to(b.ms + 50)
					check()
				}
			},
			"stall": func(t *rapid.T) {
				b.ms += rapid.IntRange(0, 20_000).Draw(t, "ms")
				b.Advance(b.at(b.ms))
				b.obey()
			},
			"step back": func(t *rapid.T) { b.Advance(b.at(b.ms - rapid.IntRange(0, 100_000).Draw(t, "ms"))); b.obey() },
			"grant, wait, grant": func(t *rapid.T) {
				for range rapid.IntRange(1, 8).Draw(t, "grants") {
					_, _ = b.grant(0) // may be refused; check says what matters
					b.to(b.ms + 1900)
					check()
				}
			},
			"grant": func(t *rapid.T) {
				got, err := b.grant(time.Duration(rapid.Int64Range(-1, int64(time.Minute)).Draw(t, "for")))
				if s := b.Status(); err == nil && s.Fault == "" && (!s.Unlocked || s.Mode == ModeNormal && got > cfg.MaxOn && !s.Inputs.Fire) {
					t.Fatalf("granted %v: %+v", got, s)
				}
			},
			"gone": func(*rapid.T) { b.gone() },
			"mode": func(t *rapid.T) {
				b.set(rapid.SampledFrom([]string{ModeNormal, ModeUnlocked, ModeLocked, "?"}).Draw(t, "mode"))
			},
			"input": func(t *rapid.T) {
				b.input(rapid.SampledFrom([]string{LineRex, LineContact, LineFire, LineTamper, "?"}).Draw(t, "line"), rapid.Bool().Draw(t, "on"))
			},
			"relay": func(t *rapid.T) {
				b.broken = nil
				if rapid.Bool().Draw(t, "broken") {
					b.broken = errors.New("busy")
				}
			},
			"": func(*rapid.T) { check() },
		})

		// When nothing asks any more, the door ends up locked.
		b.broken = nil
		b.input(LineFire, false)
		b.set(ModeNormal)
		b.to(b.ms + 60_000)
		if s := b.Status(); s.Unlocked || s.Fault != "" || s.Relay != cfg.FailSafe {
			t.Fatalf("left alone: %+v", s)
		}
		unlocked := cfg.FailSafe // before the start
		for _, l := range b.lines {
			switch {
			case strings.Contains(l, Unlocked):
				if unlocked {
					t.Fatalf("unlocked twice without locking:\n%s", strings.Join(b.lines, "\n"))
				}
				unlocked = true
			case strings.Contains(l, Locked):
				if !unlocked {
					t.Fatalf("locked twice:\n%s", strings.Join(b.lines, "\n"))
				}
				unlocked = false
			}
		}
	})
}

func TestStatusTellsWhatHoldsAndWhatIsBeneath(t *testing.T) {
	b := newBench(secure)
	end := b.at(100_000)
	b.Schedule(ModeUnlocked, 0, end, "office hours", b.at(0))
	b.obey()
	s := b.Status()
	if s.State != StateUnlocked || s.Mode != ModeScheduled || s.Priority != Scheduled || s.SetBy != WhoSchedule || !s.Until.Equal(end) || s.Why != "office hours" {
		t.Errorf("under a schedule: %+v", s)
	}
	b.Order(Order{Priority: Operator, Mode: ModeLocked, For: time.Minute, By: "anna", Why: "alarm"}, b.at(5000))
	b.obey()
	s = b.Status()
	if s.State != StateLocked || s.Mode != ModeLocked || s.Priority != Operator || s.SetBy != "anna" || s.By != "anna" || s.Why != "alarm" ||
		!s.Since.Equal(b.at(5000)) || !s.Until.Equal(b.at(65_000)) || len(s.Settings) != 2 || s.Settings[1].Why != "office hours" {
		t.Errorf("locked down: %+v", s)
	}
	b.to(7000).input(LineContact, false)
	b.input(LineContact, true)
	if s := b.to(8000).Status(); s.State != StateForced {
		t.Errorf("opened while locked: %s", s.State)
	}
	b.input(LineContact, false)
	if s := b.to(9000).Status(); s.State != StateLocked {
		t.Errorf("closed again: %s", s.State)
	}
	b.to(49_000)
	b.input(LineRex, false)
	b.input(LineRex, true)
	b.to(50_000)
	if s := b.Status(); s.State != StateUnlocked || s.Who != WhoRex || s.Mode != ModeLocked || s.Why != "exit button" {
		t.Errorf("let out: %+v", s)
	}
	if b.Release(Operator, "", "", b.at(50_000)); len(b.LockDowns()) != 0 {
		t.Errorf("got %+v", b.LockDowns())
	}
}

func TestLockDownsComeBack(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	for _, tt := range []struct {
		name  string
		clock time.Duration // after the setting was made
		until time.Duration
		left  time.Duration // 0: it has ended
	}{
		{"an hour later", time.Hour, 3 * time.Hour, 2 * time.Hour},
		{"after its end", 4 * time.Hour, 3 * time.Hour, 0},
		{"with a clock that lost the time it has its whole time again", -100 * time.Hour, 3 * time.Hour, 3 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := start.Add(tt.clock)
			c := New(secure, at)
			c.Restore([]Setting{{Priority: Emergency, Mode: ModeLocked, Since: start, Until: start.Add(tt.until)}}, at)
			if locked := c.Status().Mode == ModeLocked; locked != (tt.left > 0) {
				t.Fatalf("locked down %v", locked)
			}
			c.Advance(at.Add(tt.left - time.Second))
			if locked := c.Status().Mode == ModeLocked; locked != (tt.left > 0) {
				t.Errorf("a second before its end: locked down %v", locked)
			}
			c.Advance(at.Add(tt.left))
			if c.Status().Mode == ModeLocked {
				t.Errorf("locked down beyond its end")
			}
		})
	}
}
