package kiosk

import (
	"sync"
	"time"

	"facegate/access"
	"facegate/pipeline"
	"facegate/pipeline/face"
)

// tellFor is how long a decision stays on the screen.
const tellFor = 4 * time.Second

// A Guidance is what the person at the door is told.
type Guidance struct {
	Say      string        `json:"say"`                // in words
	Quality  string        `json:"quality,omitempty"`  // what is wrong with the picture
	Prompt   string        `json:"prompt,omitempty"`   // what to do to show that one is alive
	Progress float64       `json:"progress,omitempty"` // 0..1, how far that has come
	Faces    int           `json:"faces"`
	Decision string        `json:"decision,omitempty"` // the last one, while it is shown
	Reason   access.Reason `json:"reason,omitempty"`
	Need     access.Need   `json:"need,omitempty"` // what a challenge waits for
	At       time.Time     `json:"at,omitzero"`    // of the decision
}

// A Screen holds what the person at the door is told: the newest guidance of the pipeline and
// the newest decision. It keeps nothing older, so a slow reader misses what passed. It is safe
// for concurrent use.
type Screen struct {
	mu    sync.Mutex
	now   pipeline.Guidance
	last  access.Decision
	shown time.Time // when the decision was told
}

// See takes in the pipeline's guidance.
func (s *Screen) See(g pipeline.Guidance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = g
}

// Decide takes in a decision.
func (s *Screen) Decide(d access.Decision, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.shown = d, at
}

// Guidance is what to show at a moment.
func (s *Screen) Guidance(at time.Time) Guidance {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := Guidance{Faces: s.now.Faces, Progress: s.now.Progress, Prompt: string(s.now.Prompt)}
	if s.now.Quality != "" && s.now.Quality != face.OK {
		g.Quality = string(s.now.Quality)
	}
	long := tellFor
	if s.last.Outcome == access.Challenge {
		long = answerWithin
	}
	if !s.shown.IsZero() && at.Sub(s.shown) < long {
		g.Say, g.Decision, g.Reason, g.Need, g.At = Words(s.last), s.last.Outcome.String(), s.last.Reason, s.last.Need, s.last.At
		return g
	}
	switch {
	case s.now.Faces == 0:
	case g.Quality != "":
		g.Say = Advice(s.now.Quality)
	case g.Prompt != "":
		g.Say = s.now.Prompt.Text()
	default:
		g.Say = "one moment"
	}
	return g
}
