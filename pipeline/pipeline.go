package pipeline

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"facegate/access"
	"facegate/device"
	"facegate/pipeline/cover"
	"facegate/pipeline/embed"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
)

// Guidance is what the person before the lens should read now.
type Guidance struct {
	Quality  face.Quality // what is wrong with the picture; face.OK where nothing is
	Faces    int
	Prompt   liveness.Prompt // what to do to show that one is alive
	Progress float64         // 0..1, how far that has come
	Settled  bool            // a decision was taken on this person
}

// Options say how a pipeline judges.
type Options struct {
	Level liveness.Level
	Wants Wants // until [Pipeline.Want] says otherwise
}

// A Pipeline follows the person before one camera. It is fed frames in order by one
// goroutine and allocates nothing per frame once warm, but for the one sighting a track.
type Pipeline struct {
	an   *Analyser
	id   *Identifier
	live *liveness.Session
	gate Gate

	wants    atomic.Pointer[Wants]
	level    liveness.Level
	state    liveness.Result
	t        track
	active   bool // t is somebody
	guidance Guidance
	same     float64 // least cosine of two frames of one face
}

// New returns a pipeline that identifies with id, whose galleries must be of the Analyser's
// models.
func New(an *Analyser, id *Identifier, o Options) (*Pipeline, error) {
	if id.Gallery.Model() != an.Model() || id.Gallery.Dim() != an.Dim() {
		return nil, fmt.Errorf("new pipeline: gallery of %s, embedder %s: %w", id.Gallery.Model(), an.Model(), match.ErrModel)
	}
	for _, r := range id.Older {
		if e := an.embedderOf(r.Gallery.Model()); e == nil || r.Gallery.Dim() != e.Dim() {
			return nil, fmt.Errorf("new pipeline: gallery of %s, which the analyser has no embedder for: %w", r.Gallery.Model(), match.ErrModel)
		}
	}
	// What a search asks at least: who steps in for somebody else without being noticed could as
	// well be recognised as them. Two frames of one face a moment apart stay far above it.
	same := id.Calibration.Cosine(match.DefaultPolicyScore)
	p := &Pipeline{an: an, id: id, level: o.Level, live: liveness.NewSession(o.Level), same: same}
	p.Want(o.Wants)
	return p, nil
}

// Guidance is what to show now.
func (p *Pipeline) Guidance() Guidance { return p.guidance }

// Analysis is what the last frame showed, valid until the next one.
func (p *Pipeline) Analysis() *Analysis { return &p.an.a }

// Image is the picture of the last frame, valid until the next one. It is not to be changed.
func (p *Pipeline) Image() *imgproc.Image { return p.an.picture.RGB() }

// Frame looks at the next frame. It reports true with the sighting of a track that this frame
// settled: the one it belongs to, or the one it ended. The frame is read only during the
// call. An error is a frame that cannot be read or a model that failed; the track goes on
// with the next frame, and what failed has not counted for anybody.
func (p *Pipeline) Frame(f *device.Frame) (access.Sighting, bool, error) {
	if !p.active && !p.gate.Pass(f) {
		return access.Sighting{}, false, nil
	}
	if err := p.an.picture.SetFrame(f); err != nil {
		return access.Sighting{}, false, fmt.Errorf("read frame %d: %w", f.Seq, err)
	}
	if err := p.an.locate(); err != nil {
		s, settled := p.fail(f.At)
		return s, settled, err
	}
	seen := p.an.a.Quality != face.NoFace
	p.gate.Empty(!seen, f.At)
	if !seen {
		return p.absent(f.At)
	}
	s, settled, err := p.present(f.At)
	switch {
	case err == nil:
		p.t.failed = 0
	case !settled:
		s, settled = p.fail(f.At)
	}
	return s, settled, err
}

// fail is a frame that a model failed on. Somebody whom several in a row could not judge is
// refused for that: the door stays shut and the record says why.
func (p *Pipeline) fail(at time.Time) (access.Sighting, bool) {
	if !p.active {
		return access.Sighting{}, false
	}
	p.t.last = at
	if p.t.failed++; p.t.settled || p.t.failed < votes {
		return access.Sighting{}, false
	}
	p.state = liveness.Result{Verdict: liveness.Unavailable, Passive: math.NaN()}
	return p.settle(at, p.sighting(at)), true
}

// End closes the track, as when the camera is gone or a recording has ended.
func (p *Pipeline) End() (access.Sighting, bool) {
	if !p.active {
		return access.Sighting{}, false
	}
	p.active, p.guidance = false, Guidance{Quality: face.NoFace}
	return p.leave()
}

// absent is a frame without a face.
func (p *Pipeline) absent(at time.Time) (access.Sighting, bool, error) {
	if p.active && p.t.missing.IsZero() {
		p.t.missing = at
	}
	if p.active && at.Sub(p.t.missing) < goneAfter {
		return access.Sighting{}, false, nil
	}
	s, settled := p.End()
	p.guidance = Guidance{Quality: face.NoFace}
	return s, settled, nil
}

// begin starts a track.
func (p *Pipeline) begin(at time.Time) {
	p.t.reset(at)
	p.live.Reset()
	p.state = liveness.Result{Passive: math.NaN()}
	p.active = true
}

// present is a frame with a face.
func (p *Pipeline) present(at time.Time) (s access.Sighting, settled bool, err error) {
	switch {
	case p.active && at.Sub(p.t.last) >= blindAfter:
		// Too long without a frame to say who this is.
		s, settled = p.leave()
		p.begin(at)
	case !p.active, p.t.settled && !p.t.known && at.Sub(p.t.settledAt) >= retryAfter:
		p.begin(at)
	}
	a := &p.an.a
	if a.Quality == face.OK && !p.t.settled && !settled {
		if err := p.an.open(); err != nil {
			return s, settled, err
		}
	}
	changed := settled
	if p.compares() {
		if err := p.an.embed(); err != nil {
			return s, settled, err
		}
		if a.Quality == face.OK && a.Embedding == nil {
			return s, settled, fmt.Errorf("embed face: %w", embed.ErrNoVector)
		}
		if a.Quality == face.OK && !p.t.sameFace(a.Embedding, p.same) {
			// Somebody else has stepped in without a gap: the old track ends here.
			s, settled = p.leave()
			p.begin(at)
			changed = true
		}
	}
	p.t.last, p.t.missing = at, time.Time{}
	p.t.frames++
	p.t.since++
	p.t.codes[a.Quality]++
	p.guidance = Guidance{Quality: a.Quality, Faces: a.Faces, Settled: p.t.settled}
	switch {
	case changed:
		// The frame has told of the old track; the new one begins with the next.
		return s, settled, nil
	case p.t.settled:
		if a.Embedding != nil {
			p.t.cast(p.id.of(a), nearest{})
		}
		return access.Sighting{}, false, nil
	}
	return p.judge(at)
}

// compares reports whether the frame is held against the face of the track. While the track is
// not settled every frame is that may count for it, whatever its quality: who shows that they
// are alive in frames that are too bad to vote must be who votes.
func (p *Pipeline) compares() bool {
	if p.t.settled {
		return p.an.a.Quality == face.OK && p.t.since >= votes
	}
	return p.an.a.Quality == face.OK || p.t.n > 0
}

// judge takes in a frame of a track that is not settled.
func (p *Pipeline) judge(at time.Time) (access.Sighting, bool, error) {
	a := &p.an.a
	if a.Quality == face.OK {
		p.t.good++
	}
	if a.Embedding == nil || !p.t.sameFace(a.Embedding, p.same) {
		// To liveness it is a frame without the face: a short gap does no harm, a longer one
		// takes back what had been shown.
		return access.Sighting{}, false, nil
	}
	f := liveness.Frame{At: at, Image: p.an.picture.RGB(), Mesh: &a.Mesh, Box: a.Face.Box, Fusion: math.NaN()}
	if a.Quality == face.OK || a.Quality == face.Angle {
		// A turned head is scored too: an attack must not hide in the turn.
		if err := p.an.alive(); err != nil {
			return access.Sighting{}, false, err
		}
		f.Scored = true
		if a.Liveness.Ran() {
			f.Fusion = a.Passive.Fusion()
		}
	}
	if a.Quality == face.OK {
		if err := p.vote(); err != nil {
			return access.Sighting{}, false, err
		}
	}
	p.state = p.live.Feed(f)
	p.guidance.Prompt, p.guidance.Progress = p.state.Prompt, p.state.Progress
	switch p.state.Verdict {
	case liveness.Pending:
		return access.Sighting{}, false, nil
	case liveness.Live:
		return p.identify(at)
	}
	return p.settle(at, p.sighting(at)), true, nil
}

// vote takes in a good frame: who it is most like and, where the door asks, what is worn.
func (p *Pipeline) vote() error {
	if err := p.an.embedOlder(p.id.holds); err != nil {
		return err
	}
	vectors := p.id.of(&p.an.a)
	who, err := p.id.nearest(vectors)
	if err != nil {
		return fmt.Errorf("identify: %w", err)
	}
	if err := p.glance(); err != nil {
		return err
	}
	p.t.cast(vectors, who)
	return nil
}

// identify settles a live track once all votes are cast, as who three of them name.
func (p *Pipeline) identify(at time.Time) (access.Sighting, bool, error) {
	// Always over the same number of frames: a verdict that could be had earlier, whenever the
	// mean happens to suffice, would be the best of several tries.
	if p.t.n < votes {
		return access.Sighting{}, false, nil
	}
	s := p.sighting(at)
	if wait, err := p.examine(&s); wait || err != nil {
		return access.Sighting{}, false, err
	}
	behind := covered(cover.MaskState(s.Mask))
	outcome, err := p.id.search(p.t.template(), behind, &s)
	if err != nil {
		return access.Sighting{}, false, fmt.Errorf("identify: %w", err)
	}
	person, n := p.t.agree(behind)
	if outcome == match.Matched && (n < quorum || s.Matches[0].Person != person) {
		// The mean of the frames names somebody whom too few of them name.
		s.Matches = nil
	}
	if s.Quality != string(face.OK) {
		s.Matches = nil // a face that is hidden is nobody's
	}
	p.t.known = len(s.Matches) > 0 && outcome == match.Matched
	return p.settle(at, s), true, nil
}

// sighting is what is known of the track but for who it is.
func (p *Pipeline) sighting(at time.Time) access.Sighting {
	s := access.Sighting{
		At: at, Quality: string(face.OK), Level: string(p.level), Score: p.state.Passive, Detail: p.state.Detail,
		Models: map[string]string{"embed": p.an.Model()},
	}
	switch p.state.Verdict {
	case liveness.Live:
		s.Liveness = access.Live
	case liveness.Spoof:
		s.Liveness = access.Spoof
	}
	return s
}

// Again lets the person before the lens be judged once more after a moment, although they are
// known: the rules refused them for something that they can change, such as a mask that they
// do not wear. It is called by the goroutine that feeds frames.
func (p *Pipeline) Again() {
	if p.t.settled && p.t.known {
		p.t.known, p.t.settledAt = false, p.t.settledAt.Add(againAfter-retryAfter)
	}
}

func (p *Pipeline) settle(at time.Time, s access.Sighting) access.Sighting {
	p.t.settled, p.t.settledAt = true, at
	p.guidance.Settled, p.guidance.Prompt = true, liveness.NoPrompt
	return s
}

// leave is the sighting of a track that ends without one. A face whose quality never sufficed
// is refused for what was wrong most of the time. A face that was good but has not shown that
// it is alive when it leaves has not shown it.
func (p *Pipeline) leave() (access.Sighting, bool) {
	t := &p.t
	if t.settled || t.frames < leastFrames {
		return access.Sighting{}, false
	}
	if t.good < quorum {
		return access.Sighting{At: t.last, Quality: string(t.refusal()), Level: string(p.level)}, true
	}
	p.state = p.live.Leave()
	// Who was alive but left before the votes were cast matches nobody.
	return p.sighting(t.last), true
}

// number is a pointer to x, nil where it is not a number.
func number(x float64) *float64 {
	if math.IsNaN(x) {
		return nil
	}
	return &x
}
