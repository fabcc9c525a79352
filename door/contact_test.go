package door

import (
	"testing"
	"time"
)

func TestContactSample(t *testing.T) {
	type sample struct {
		ms      int
		level   bool
		state   bool
		changed bool
	}
	settled := Contact{Settle: 10 * time.Millisecond}
	tests := []struct {
		name    string
		contact Contact
		samples []sample
	}{
		{"open at start is no change", settled, []sample{{0, true, true, false}}},
		{"a level that holds is reported once", settled, []sample{
			{0, false, false, false}, {5, true, false, false}, {14, true, false, false}, {15, true, true, true}, {16, true, true, false},
		}},
		{"bounce is not reported", settled, []sample{
			{0, false, false, false}, {5, true, false, false}, {9, false, false, false}, {12, true, false, false}, {21, true, false, false}, {22, true, true, true},
		}},
		{"an old sample is ignored", settled, []sample{
			{20, false, false, false}, {30, true, false, false}, {5, true, false, false}, {39, true, false, false}, {40, true, true, true},
		}},
		{"normally closed", Contact{Invert: true}, []sample{{0, true, false, false}, {1, false, true, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, start := tt.contact, time.Unix(0, 0)
			for i, s := range tt.samples {
				state, changed := c.Sample(s.level, start.Add(time.Duration(s.ms)*time.Millisecond))
				if state != s.state || changed != s.changed {
					t.Fatalf("sample %d at %d ms: got state %v, changed %v; want %v, %v", i, s.ms, state, changed, s.state, s.changed)
				}
			}
		})
	}
}

func TestContactDue(t *testing.T) {
	c, start := Contact{Settle: 10 * time.Millisecond}, time.Unix(0, 0)
	if _, ok := c.Due(); ok {
		t.Error("something is due before the first sample")
	}
	c.Sample(false, start)
	if _, ok := c.Due(); ok {
		t.Error("something is due while nothing moves")
	}
	c.Sample(true, start.Add(time.Millisecond))
	at, ok := c.Due()
	if want := start.Add(11 * time.Millisecond); !ok || !at.Equal(want) {
		t.Errorf("got %v, %v; want %v", at, ok, want)
	}
	if state, changed := c.settle(at); !state || !changed {
		t.Errorf("got state %v, changed %v at the time it was due", state, changed)
	}
	if _, ok := c.Due(); ok {
		t.Error("something is due after the level was taken")
	}
}
