package liveness

import (
	"math"
	"testing"
	"time"

	"facegate/pipeline/face"
)

// A visit feeds a Session frames of a face whose passive score is fixed.
type visit struct {
	*Session
	at     time.Time
	n      uint64
	fusion float64
	last   Result
}

const (
	good = Threshold + 1
	bad  = Threshold - 1
)

func newVisit(l Level, fusion float64) *visit { return &visit{Session: NewSession(l), fusion: fusion} }

func (v *visit) frame(m *face.Mesh, seed uint64) Result {
	v.n++
	v.at = v.at.Add(100 * time.Millisecond)
	v.last = v.Feed(Frame{At: v.at, Image: noise(seed), Mesh: m, Box: where, Scored: true, Fusion: v.fusion})
	return v.last
}

func (v *visit) straight(n int) Result {
	for range n {
		v.frame(head(0, 0, false), 1)
	}
	return v.last
}

// do turns the head in a direction until something is decided, then back.
func (v *visit) do(d Direction) Result {
	to := map[Direction][2]float64{Left: {-35, 0}, Right: {35, 0}, Up: {0, -35}, Down: {0, 35}}[d]
	for i := range 12 {
		k := float64(i+1) / 12
		r := v.frame(head(k*to[0], k*to[1], false), v.n+10)
		if r.Depth.Verdict != DepthPending || r.Verdict != Pending {
			break
		}
	}
	return v.last
}

func TestPassiveLevel(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fusions []float64
		want    Verdict
	}{
		{"two good frames are too few", []float64{good, good}, Pending},
		{"three are enough", []float64{good, good, good}, Live},
		{"a bad one is outweighed", []float64{bad, good, good}, Live},
		{"three bad ones are not yet a spoof", []float64{bad, bad, bad}, Pending},
		{"five are", []float64{bad, bad, bad, bad, bad}, Spoof},
		{"and it stays one", []float64{bad, bad, bad, bad, bad, good, good, good, good, good}, Spoof},
		{"live ends when the mean falls", []float64{good, good, good, -9, -9}, Spoof},
		{"scores that failed", []float64{math.NaN(), math.NaN(), math.Inf(1)}, Unavailable},
		{"and came back", []float64{math.NaN(), math.NaN(), math.Inf(1), good, good, good}, Live},
	} {
		s := NewSession(LevelPassive)
		var r Result
		for i, f := range tt.fusions {
			r = s.Feed(Frame{At: time.Unix(0, int64(i)*1e8), Scored: true, Fusion: f})
		}
		if r.Verdict != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, r.Verdict, tt.want)
		}
		if r := s.Leave(); tt.want == Spoof && r.Verdict != Spoof {
			t.Errorf("%s: leaving, got %v", tt.name, r.Verdict)
		}
	}
	s := NewSession(LevelPassive)
	for i := range 9 {
		if r := s.Feed(Frame{At: time.Unix(0, int64(i)*1e8)}); r.Verdict != Pending {
			t.Errorf("frames that are not scored: got %v, want pending", r.Verdict)
		}
	}
}

func TestDepthLevel(t *testing.T) {
	v := newVisit(LevelDepth, good)
	if r := v.straight(9); r.Verdict != Pending || r.Prompt != NoPrompt {
		t.Errorf("before a second: got %v, prompt %q", r.Verdict, r.Prompt)
	}
	if r := v.straight(3); r.Verdict != Pending || r.Prompt != TurnHead {
		t.Errorf("after a second: got %v, prompt %q, want %q", r.Verdict, r.Prompt, TurnHead)
	}
	if r := v.do(Right); r.Verdict != Live || r.Progress != 1 {
		t.Errorf("turned: got %v (%s) at %.2f, want live", r.Verdict, r.Depth.Cause, r.Depth.Depth)
	}

	v = newVisit(LevelDepth, good)
	v.straight(5)
	v.fusion = bad
	if r := v.do(Right); r.Verdict == Live {
		t.Error("a turn that looks fake is live")
	}

	v = newVisit(LevelDepth, good)
	for i := 0; v.last.Verdict != Spoof; i++ {
		if v.straight(1); v.last.Verdict == Live || i > 125 {
			t.Fatalf("a still at frame %d: %v", i, v.last.Verdict)
		}
	}
	if v.last.Detail != string(CauseTime) {
		t.Errorf("got %q, want %q", v.last.Detail, CauseTime)
	}

	v = newVisit(LevelDepth, good)
	v.straight(20)
	if r := v.Leave(); r.Verdict != Spoof {
		t.Errorf("a still that leaves: got %v, want spoof", r.Verdict)
	}
	if r := v.Leave(); r.Verdict != Pending {
		t.Errorf("leaving twice: got %v, want pending", r.Verdict)
	}
}

func TestChallengeLevel(t *testing.T) {
	draws := []Direction{Left, Up, Right, Down, Up, Left, Down, Down}
	start := func() *visit {
		v := newVisit(LevelChallenge, good)
		i := -1
		v.draw = func() Direction { i++; return draws[i%len(draws)] }
		v.Reset()
		v.straight(3)
		return v
	}
	v := start()
	if v.last.Prompt != TurnLeft {
		t.Fatalf("prompt %q, want %q", v.last.Prompt, TurnLeft)
	}
	if r := v.do(Left); r.Verdict != Pending || r.Progress != .5 || r.Depth.Verdict != DepthAccepted {
		t.Fatalf("after the first turn: got %v, progress %g, depth %v", r.Verdict, r.Progress, r.Depth.Verdict)
	}
	if r := v.straight(3); r.Prompt != TurnUp {
		t.Fatalf("prompt %q, want %q", r.Prompt, TurnUp)
	}
	if r := v.do(Up); r.Verdict != Live {
		t.Errorf("after both: got %v (%s), want live", r.Verdict, r.Depth.Cause)
	}

	v = start()
	if r := v.do(Right); r.Verdict != Pending || r.Depth.Cause != CauseDirection || r.Depth.Tries != 1 {
		t.Errorf("turned the wrong way: got %v, %q, %d tries", r.Verdict, r.Depth.Cause, r.Depth.Tries)
	}
	if r := v.straight(3); r.Prompt != TurnRight {
		t.Errorf("prompt %q, want another draw, %q", r.Prompt, TurnRight)
	}
	v.do(Left)
	v.straight(3)
	if r := v.do(Right); r.Verdict != Spoof || r.Detail != string(CauseDirection) {
		t.Errorf("wrong three times: got %v, %q, want spoof", r.Verdict, r.Detail)
	}

	// A break between the turns takes the first one back.
	v = start()
	v.do(Left)
	v.at = v.at.Add(time.Second)
	if r := v.straight(3); r.Progress >= .5 || r.Prompt != TurnRight {
		t.Errorf("after a gap: progress %g, prompt %q, want the start and another draw", r.Progress, r.Prompt)
	}
}

func TestRandomDirectionsAreAllDrawn(t *testing.T) {
	seen := map[Direction]int{}
	for range 4000 {
		seen[randomDirection()]++
	}
	for _, d := range []Direction{Left, Right, Up, Down} {
		if seen[d] < 800 { // 1000 expected, deviation 27
			t.Errorf("%v drawn %d times of 4000", d, seen[d])
		}
	}
	if len(seen) != 4 {
		t.Errorf("drawn: %v", seen)
	}
}

func TestScoreIsHalfAtTheThreshold(t *testing.T) {
	if got := Score(Threshold); got != .5 {
		t.Errorf("got %v at the threshold, want 0.5", got)
	}
	if !(Score(-50) >= 0 && Score(-50) < Score(0) && Score(0) < Score(5) && Score(50) <= 1) || !math.IsNaN(Score(math.NaN())) {
		t.Error("the score does not grow with the fusion from 0 to 1")
	}
}

func TestParseLevel(t *testing.T) {
	for _, l := range []Level{LevelPassive, LevelDepth, LevelChallenge} {
		if got, err := ParseLevel(string(l)); err != nil || got != l {
			t.Errorf("%s: got %q, %v", l, got, err)
		}
	}
	if _, err := ParseLevel("none"); err == nil {
		t.Error("level none is accepted")
	}
}
