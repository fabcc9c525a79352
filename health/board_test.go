package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A log is the changes of a subscription that wait, in short: "camera_lost+1s" was raised one
// second after start, "camera_lost-5s" has passed after five.
func log(s *Subscription, start time.Time) []string {
	var out []string
	for {
		c, ok := s.take()
		if !ok {
			return out
		}
		sign := map[bool]string{true: "+", false: "-"}[c.Raised]
		text := fmt.Sprintf("%s%s%v", c.Condition.ID, sign, c.At.Sub(start))
		if c.Condition.ExplainedBy != "" {
			text += " by " + string(c.Condition.ExplainedBy)
		}
		out = append(out, text)
	}
}

func TestDebounce(t *testing.T) {
	type report struct {
		at  time.Duration
		id  ID
		bad bool
	}
	const s, ms = time.Second, time.Millisecond
	tests := []struct {
		name    string
		reports []report
		until   time.Duration
		want    []string
	}{
		{"a condition that holds is raised", []report{{0, CameraLost, true}}, 1 * s, []string{"camera_lost+1s"}},
		{"not before its time", []report{{0, CameraLost, true}}, 999 * ms, nil},
		{"one that passes is never raised", []report{{0, CameraLost, true}, {900 * ms, CameraLost, false}}, 9 * s, nil},
		{"each report anew begins the wait anew", []report{
			{0, CameraLost, true}, {900 * ms, CameraLost, false}, {1000 * ms, CameraLost, true},
		}, 9 * s, []string{"camera_lost+2s"}},
		{"repeating it does not", []report{{0, CameraLost, true}, {900 * ms, CameraLost, true}}, 9 * s, []string{"camera_lost+1s"}},
		{"an all-clear that holds clears", []report{{0, CameraLost, true}, {5 * s, CameraLost, false}}, 9 * s, []string{"camera_lost+1s", "camera_lost-6s"}},
		{"one that does not hold does not", []report{
			{0, CameraLost, true}, {5 * s, CameraLost, false}, {5900 * ms, CameraLost, true},
		}, 9 * s, []string{"camera_lost+1s"}},
		{"without a wait it is raised at once", []report{{0, DoorForced, true}, {0, DoorForced, false}}, 0, []string{"door_forced+0s", "door_forced-0s"}},
		{"what held between two late reports counts", []report{{0, CameraLost, true}, {5 * s, CameraLost, false}}, 5 * s, []string{"camera_lost+1s"}},
		{"an older report is ignored", []report{{5 * s, DoorHeld, true}, {4 * s, DoorHeld, false}}, 9 * s, []string{"door_held+5s"}},
		{"changes come in the order of their times", []report{
			{0, DiskLow, true}, {9500 * ms, CameraLost, true},
		}, 60 * s, []string{"disk_low+10s", "camera_lost+10.5s"}},
		{"what a raised condition accounts for names it", []report{
			{0, CameraFrozen, true}, {0, CameraLost, true}, {2 * s, CameraStalled, true},
		}, 9 * s, []string{"camera_frozen+0s", "camera_lost+1s", "camera_stalled+2s by camera_lost"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, start := NewBoard(), time.Unix(1e9, 0)
			sub := b.Subscribe()
			for _, r := range tt.reports {
				b.Set(r.id, r.bad, "", start.Add(r.at))
			}
			b.Advance(start.Add(tt.until))
			if diff := cmp.Diff(tt.want, log(sub, start)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	b, start := NewBoard(), time.Unix(1e9, 0)
	if got := b.Conditions(); got == nil || len(got) != 0 {
		t.Errorf("a new board has %v, want an empty list", got)
	}
	b.Set(LivenessWeak, true, "", start)
	b.Set(CameraStalled, true, "no frame for 2 s", start)
	b.Set(CameraLost, true, "no such device", start)
	b.Set(Hot, true, "81 °C", start)
	b.Advance(start.Add(time.Minute))
	show := func() (out []string) {
		for _, c := range b.Conditions() {
			out = append(out, fmt.Sprintf("%v %s (%s) by %q", c.Severity, c.ID, c.Cause, c.ExplainedBy))
		}
		return out
	}
	want := []string{
		`critical camera_lost (no such device) by ""`,
		`warning hot (81 °C) by ""`,
		`notice liveness_weak () by ""`,
		`critical camera_stalled (no frame for 2 s) by "camera_lost"`,
	}
	if diff := cmp.Diff(want, show()); diff != "" {
		t.Error(diff)
	}
	b.Set(CameraLost, true, "in use by another program", start.Add(2*time.Minute))
	b.Set(Hot, false, "", start.Add(2*time.Minute))
	if got := show(); got[0] != `critical camera_lost (in use by another program) by ""` || got[1] != want[1] {
		t.Errorf("got %q, want the new cause, and the heat with the one it was raised for", got)
	}
	if c := b.Conditions()[0]; !c.Since.Equal(start) {
		t.Errorf("since %v, want the first report's time", c.Since)
	}
	b.Set(CameraLost, false, "", start.Add(3*time.Minute))
	b.Advance(start.Add(4 * time.Minute))
	if got := show(); got[0] != `critical camera_stalled (no frame for 2 s) by ""` {
		t.Errorf("got %q, want what is left to be an alarm of its own", got)
	}
}

func TestBlocked(t *testing.T) {
	b, start := NewBoard(), time.Unix(1e9, 0)
	b.Set(StoreSick, true, "", start)
	if id, blocked := b.Blocked(); blocked {
		t.Errorf("%s keeps everybody out", id)
	}
	b.Set(CameraFrozen, true, "", start)
	b.Set(CameraLost, true, "", start)
	if id, blocked := b.Blocked(); !blocked || id != CameraFrozen {
		t.Errorf("got %q, %v", id, blocked)
	}
	b.Advance(start.Add(time.Second))
	if id, _ := b.Blocked(); id != CameraLost {
		t.Errorf("got %q, want the cause first", id)
	}
	b.Set(CameraFrozen, false, "", start.Add(2*time.Second))
	b.Set(CameraLost, false, "", start.Add(2*time.Second))
	if _, blocked := b.Blocked(); !blocked {
		t.Error("somebody is let in while the all-clear has not held")
	}
	b.Advance(start.Add(3 * time.Second))
	if id, blocked := b.Blocked(); blocked {
		t.Errorf("%s still keeps everybody out", id)
	}
	if n := testing.AllocsPerRun(100, func() { b.Blocked() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestJSON(t *testing.T) {
	b := NewBoard()
	since := time.Date(2026, 3, 4, 12, 0, 0, 7_900_000, time.FixedZone("", 3600))
	b.Set(DoorForced, true, "contact opened\n\x00 \u0085\x7fwhile \xfflocked", since)
	got, err := json.Marshal(b.Conditions())
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"id":"door_forced","severity":"critical","title":"the door was opened by force",` +
		`"cause":"contact opened     while locked","hint":"go and look","stops_granting":false,"explained_by":"","since":"2026-03-04T11:00:00.007Z"}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	var back []Condition
	if err := json.Unmarshal(got, &back); err != nil || len(back) != 1 || back[0].Severity != Critical || !back[0].Since.Equal(since.Truncate(time.Millisecond)) {
		t.Errorf("read back %+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`[{"severity":"fatal"}]`), &back); err == nil {
		t.Error("a severity that is not known was accepted")
	}
}

func TestACauseIsBounded(t *testing.T) {
	b, at := NewBoard(), time.Unix(1e9, 0)
	b.Set(DoorForced, true, strings.Repeat("ä", 1000), at)
	if got := b.Conditions()[0].Cause; got != strings.Repeat("ä", maxCause/2) {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
	b.Set(DoorHeld, true, "x"+strings.Repeat("ä", 1000), at)
	if got := b.Conditions()[1].Cause; got != "x"+strings.Repeat("ä", maxCause/2-1) {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}

func TestTable(t *testing.T) {
	seen := map[ID]Meaning{}
	for _, m := range Table() {
		if m.ID == "" || m.Title == "" || m.Hint == "" || m.RaiseAfter < 0 || m.ClearAfter < 0 || m.Severity > Critical {
			t.Errorf("%+v is not complete", m)
		}
		if _, twice := seen[m.ID]; twice {
			t.Errorf("%s stands twice", m.ID)
		}
		for _, by := range m.ExplainedBy {
			// This also keeps explanations from going in a circle.
			cause, ok := seen[by]
			if !ok {
				t.Errorf("%s is explained by %s, which does not stand before it", m.ID, by)
			}
			if cause.Severity < m.Severity || m.StopsGranting && !cause.StopsGranting {
				t.Errorf("%s hides behind %s, which is less bad", m.ID, by)
			}
		}
		if m.StopsGranting && m.Severity != Critical {
			t.Errorf("%s keeps everybody out and is only a %v", m.ID, m.Severity)
		}
		seen[m.ID] = m
	}
	defer func() {
		if recover() == nil {
			t.Error("a condition that is not in the table was accepted")
		}
	}()
	NewBoard().Set("rain", true, "", time.Now())
}

func TestTheTimerRaisesAndClears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ctx, cancel := started(t)
		sub := b.Subscribe()
		start := time.Now()
		b.Set(DiskLow, true, "", time.Now())
		b.Set(CameraLost, true, "", time.Now())
		time.Sleep(time.Minute)
		b.Set(CameraLost, false, "", time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"camera_lost+1s", "disk_low+10s", "camera_lost-1m1s"}
		if diff := cmp.Diff(want, log(sub, start)); diff != "" {
			t.Error(diff)
		}
		cancel()
		<-ctx.Done()
	})
}

// started is a board whose task runs until cancel, which waits for its end.
func started(t *testing.T) (b *Board, ctx context.Context, cancel func()) {
	t.Helper()
	b = NewBoard()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	<-b.Ready()
	return b, ctx, func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ctx, cancel := started(t)
		defer cancel()
		one, two := b.Subscribe(), b.Subscribe()
		got := make(chan Change)
		go func() {
			for {
				c, err := one.Next(ctx)
				if err != nil {
					close(got)
					return
				}
				got <- c
			}
		}()
		b.Set(DoorHeld, true, "", time.Now())
		b.Set(Tamper, true, "", time.Now())
		for _, want := range []ID{DoorHeld, Tamper} {
			if c := <-got; c.Condition.ID != want || !c.Raised {
				t.Errorf("got %+v, want %s raised", c, want)
			}
		}
		two.Close()
		b.Set(DoorHeld, false, "", time.Now())
		if c := <-got; c.Raised {
			t.Errorf("got %+v, want it cleared", c)
		}
		if got := log(two, time.Now()); len(got) != 2 {
			t.Errorf("a closed subscription has %v, want the two changes before its end", got)
		}
		cancelled, stop := context.WithCancel(ctx)
		stop()
		if _, err := two.Next(cancelled); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// A reader that is late is told everything that counts: the last state of every condition, and
// how many changes there were.
func TestALateReaderLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, at := NewBoard(), time.Unix(1e9, 0)
		sub := b.Subscribe()
		ids := []ID{DoorHeld, DoorForced, LivenessWeak}
		made, got := map[ID]int{}, map[ID]int{}
		last := map[ID]bool{}
		read := func() {
			if n := len(sub.waiting); n > keep+len(ids) {
				t.Fatalf("%d changes wait", n)
			}
			var before time.Time
			for c, ok := sub.take(); ok; c, ok = sub.take() {
				if c.At.Before(before) {
					t.Fatalf("%v after %v", c.At, before)
				}
				before = c.At
				got[c.Condition.ID] += 1 + c.Merged
				last[c.Condition.ID] = c.Raised
			}
		}
		raised := map[ID]bool{}
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			if rapid.IntRange(0, 150).Draw(t, "read") == 0 {
				read()
			}
			id := rapid.SampledFrom(ids).Draw(t, "id")
			raised[id] = !raised[id]
			at = at.Add(time.Second)
			b.Set(id, raised[id], "", at)
			made[id]++
		}
		read()
		for _, id := range ids {
			if got[id] != made[id] || last[id] != raised[id] {
				t.Fatalf("%s: told of %d changes of %d, the last %v, it is %v", id, got[id], made[id], last[id], raised[id])
			}
		}
	})
}

func TestNobodyReads(t *testing.T) {
	b, at := NewBoard(), time.Unix(1e9, 0)
	sub := b.Subscribe()
	for i := range 1000 {
		b.Set(DoorHeld, i%2 == 0, "", at)
		b.Set(LivenessWeak, i%2 == 0, "", at)
	}
	if n := len(sub.waiting); n != keep {
		t.Errorf("%d changes wait, want %d", n, keep)
	}
	told := 0
	for c, ok := sub.take(); ok; c, ok = sub.take() {
		told += 1 + c.Merged
	}
	if told != 2000 {
		t.Errorf("told of %d changes of 2000", told)
	}
}

// Whatever is reported when, in whatever steps time advances: what is raised has been bad for
// its time, and the changes alternate.
func TestBoardOverRandomReports(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, now := NewBoard(), time.Unix(1e9, 0)
		sub := b.Subscribe()
		table := Table()
		bad, since := map[ID]bool{}, map[ID]time.Time{}
		raised := map[ID]bool{}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "advance") {
				b.Advance(now)
				for _, m := range table {
					held := now.Sub(since[m.ID])
					if bad[m.ID] && held >= m.RaiseAfter && !slices.ContainsFunc(b.Conditions(), func(c Condition) bool { return c.ID == m.ID }) {
						t.Fatalf("%s was bad for %v and is not raised", m.ID, held)
					}
					if !bad[m.ID] && held >= m.ClearAfter && slices.ContainsFunc(b.Conditions(), func(c Condition) bool { return c.ID == m.ID }) {
						t.Fatalf("%s was well for %v and is raised", m.ID, held)
					}
				}
				if due, ok := b.Due(); ok && !due.After(now) {
					t.Fatalf("something was due at %v after advancing to %v", due, now)
				}
				continue
			}
			m := table[rapid.IntRange(0, len(table)-1).Draw(t, "condition")]
			report := rapid.Bool().Draw(t, "bad")
			b.Set(m.ID, report, "", now)
			if report != bad[m.ID] {
				bad[m.ID], since[m.ID] = report, now
			}
		}
		for c, ok := sub.take(); ok; c, ok = sub.take() {
			if raised[c.Condition.ID] == c.Raised {
				t.Fatalf("%s raised %v twice", c.Condition.ID, c.Raised)
			}
			raised[c.Condition.ID] = c.Raised
		}
		for _, c := range b.Conditions() {
			if !raised[c.ID] {
				t.Fatalf("%s is raised and nobody was told", c.ID)
			}
		}
	})
}
