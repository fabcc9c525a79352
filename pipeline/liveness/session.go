package liveness

import (
	"crypto/rand"
	"math"
	"time"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// promptAfter is how long a session at [LevelDepth] waits for the turn that most people make
// on the way in before it asks for one.
const promptAfter = time.Second

// challengePrompts is how many directions [LevelChallenge] asks for, one after the other.
const challengePrompts = 2

// A Verdict is what a session knows about a face.
type Verdict uint8

// The verdicts.
const (
	Pending     Verdict = iota
	Live                // what the level asks for holds as of this frame
	Spoof               // it is no person, or would not show that it is one; final until Reset
	Unavailable         // it cannot be judged; the door stays shut
)

// String is the reason that goes into the audit trail: "spoof", "liveness_unavailable", and
// for the others a plain word.
func (v Verdict) String() string {
	return [...]string{"pending", "live", "spoof", "liveness_unavailable"}[min(v, Unavailable)]
}

// A Prompt is what the person at the door should do.
type Prompt string

// The prompts. [Prompt.Text] is English.
const (
	NoPrompt     Prompt = ""
	LookStraight Prompt = "look_straight"
	TurnHead     Prompt = "turn_head"
	TurnSlower   Prompt = "turn_slower"
	TurnLeft     Prompt = "turn_left"
	TurnRight    Prompt = "turn_right"
	TurnUp       Prompt = "turn_up"
	TurnDown     Prompt = "turn_down"
)

// Text is the prompt in the person's words; empty for none.
func (p Prompt) Text() string {
	switch p {
	case LookStraight:
		return "look straight ahead"
	case TurnHead:
		return "turn your head a little"
	case TurnSlower:
		return "turn your head a little, more slowly"
	case TurnLeft:
		return "turn your head to your left"
	case TurnRight:
		return "turn your head to your right"
	case TurnUp:
		return "raise your chin"
	case TurnDown:
		return "lower your chin"
	}
	return ""
}

// A Frame is one frame of the face that a session watches.
type Frame struct {
	At    time.Time
	Image *imgproc.Image // the whole picture, upright and unmirrored; only read during the call
	Mesh  *face.Mesh
	Box   imgproc.Box // the detector's

	// Scored says that the passive score was asked of this frame; Fusion is its result, NaN
	// where it failed. A frame too blurred or dark to be asked is not scored. One that shows
	// a turned head is: attacks must not hide in the turn.
	Scored bool
	Fusion float64

	Other bool // the caller knows it to be another face than the frame before
}

// A Result is what a session made of the frames so far.
type Result struct {
	Verdict  Verdict
	Detail   string  // why, for the log: "passive", or a [Cause]
	Passive  float64 // mean score 0..1, 0.5 is the threshold; NaN while there is none
	Prompt   Prompt
	Progress float64    // 0..1 of the turn, or of the turns, that is asked for
	Depth    DepthState // zero at LevelPassive
}

// A Session decides about one visit of one face at one level. Feed it every frame of the
// track, and Reset it when the track ends.
//
// At every level the passive mean over the last five frames must hold: with three scored
// frames it may say live; with five frames seen, a mean below the threshold is a spoof. At
// LevelDepth a turn must have shown depth as well; three tries of four seconds without it are
// a spoof. At LevelChallenge two turns in directions drawn at random must; any failed try
// draws new ones. A spoof stays a spoof until Reset. A gap or a jump in the track takes back
// what had been shown.
type Session struct {
	level Level
	draw  func() Direction

	average Average
	depth   Depth
	began   time.Time
	fed     bool
	final   bool
	detail  string

	asked  [challengePrompts]Direction
	done   int // of them
	breaks int // of the depth, as last seen
	tries  int
}

// NewSession watches at the given level.
func NewSession(level Level) *Session {
	s := &Session{level: level, draw: randomDirection}
	s.Reset()
	return s
}

// randomDirection is drawn so that nobody can foresee it.
func randomDirection() Direction {
	var b [1]byte
	rand.Read(b[:]) // never fails
	return Left + Direction(b[0]&3)
}

// Reset prepares for another visit.
func (s *Session) Reset() {
	s.average.Reset()
	s.depth.Reset()
	s.fed, s.final, s.detail = false, false, ""
	s.breaks, s.tries = 0, 0
	s.redraw()
}

// redraw asks for new directions, from the first on.
func (s *Session) redraw() {
	s.done = 0
	if s.level != LevelChallenge {
		return
	}
	for i := range s.asked {
		s.asked[i] = s.draw()
	}
	s.depth.Want = s.asked[0]
}

// Feed takes in the next frame.
func (s *Session) Feed(f Frame) Result {
	if !s.fed {
		s.fed, s.began = true, f.At
	}
	if f.Scored {
		s.average.Add(f.Fusion)
	} else {
		s.average.Skip()
	}
	mean, scored := s.average.Mean()
	r := Result{Passive: Score(mean)}
	shown := s.level == LevelPassive
	if s.level != LevelPassive {
		r.Depth = s.depth.Feed(f.At, f.Image, f.Mesh, f.Box, f.Other)
		shown = s.turns(f.At, &r)
	}
	switch {
	case s.final:
	case s.level != LevelPassive && r.Depth.Verdict == DepthFailed:
		s.final, s.detail = true, string(r.Depth.Cause)
	case scored && mean < Threshold && s.average.Full():
		s.final, s.detail = true, "passive"
	}
	switch {
	case s.final:
		r.Verdict, r.Detail, r.Prompt = Spoof, s.detail, NoPrompt
	case s.average.Failed():
		r.Verdict, r.Detail = Unavailable, "passive"
	case shown && scored && mean >= Threshold:
		r.Verdict, r.Prompt = Live, NoPrompt
	}
	return r
}

// Leave ends the visit and says what it came to: a face that had not shown what the level
// asks for by the time it left is a spoof, one that was hardly seen stays pending. The session
// is then ready for another visit.
func (s *Session) Leave() Result {
	defer s.Reset()
	mean, scored := s.average.Mean()
	r := Result{Passive: Score(mean), Detail: s.detail}
	switch {
	case s.final:
		r.Verdict = Spoof
	case s.average.Failed():
		r.Verdict, r.Detail = Unavailable, "passive"
	case !scored:
	case mean < Threshold:
		r.Verdict, r.Detail = Spoof, "passive"
	case s.level == LevelPassive || s.level == LevelDepth && s.depth.accepted || s.done == challengePrompts:
		r.Verdict = Live
	default:
		r.Verdict, r.Detail = Spoof, string(CauseTime)
	}
	return r
}

// turns follows the depth check: it reports whether everything that is asked has been shown,
// and says what to do next.
func (s *Session) turns(at time.Time, r *Result) bool {
	d := &r.Depth
	if s.level == LevelDepth {
		r.Progress = d.Progress
		if d.Verdict == DepthAccepted {
			return true
		}
		if at.Sub(s.began) >= promptAfter {
			r.Prompt = prompt(d, TurnHead)
		}
		return false
	}
	if s.depth.breaks != s.breaks || d.Tries != s.tries {
		s.breaks, s.tries = s.depth.breaks, d.Tries
		s.redraw()
	}
	if d.Verdict == DepthAccepted && s.done < challengePrompts {
		if s.done++; s.done < challengePrompts {
			s.depth.next(s.asked[s.done], at)
		}
	}
	if s.done == challengePrompts {
		r.Progress = 1
		return true
	}
	turning := d.Progress
	if d.Verdict == DepthAccepted {
		turning = 0 // of the next one
		d.Frontal = false
	}
	r.Progress = (float64(s.done) + turning) / challengePrompts
	r.Prompt = prompt(d, [...]Prompt{TurnHead, TurnLeft, TurnRight, TurnUp, TurnDown}[s.asked[s.done]])
	return false
}

// prompt is turn where a frontal frame is held, and how to get one where not.
func prompt(d *DepthState, turn Prompt) Prompt {
	switch {
	case d.Frontal && d.Cause == CauseFast && turn == TurnHead:
		return TurnSlower
	case d.Frontal:
		return turn
	case math.Abs(d.Yaw) < frontalYaw:
		return NoPrompt // being held
	default:
		return LookStraight
	}
}
