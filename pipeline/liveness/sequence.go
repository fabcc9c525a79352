package liveness

import (
	"math"
	"time"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// MinFrames is the fewest frames that the door's own rule can accept a turn in: three frontal
// ones and six later ones.
const MinFrames = frontalFrames + minTracked + 1

// sparseDepth is what a single picture must show, where the door asks for two successive ones
// of acceptDepth: one picture alone is misread by the mesh more easily.
const sparseDepth = .45

// sparseYaw is how far a head may be turned, in degrees of mesh yaw from the frontal picture,
// for a picture of a sparse sequence to be looked at: the mesh is no measure beyond. No
// card of the open tests reads as far.
const sparseYaw = 50

// A Sequence judges a recording afterwards, its pictures in order but without times.
//
// With [MinFrames] pictures or more it is a [Session] whose frames are 100 ms apart. With
// fewer, the turn cannot be followed, and single pictures are judged: one that faces the
// camera is the frontal one (the first of them), and a later one of enough depth is accepted
// unless it or one before it is vetoed. A veto is then final. That is the rule the published
// figures were measured with; it is weaker than the door's, since nothing says that the
// pictures belong together, and it decides about nothing but a report.
//
// Level challenge is judged as depth: a recording answers no prompt.
type Sequence struct {
	session *Session
	few     *few
	level   Level
	n       int
}

// NewSequence judges a sequence of n pictures at the given level.
func NewSequence(level Level, n int) *Sequence {
	q := &Sequence{level: level}
	if level != LevelPassive {
		q.level = LevelDepth
	}
	if n >= MinFrames || q.level == LevelPassive {
		q.session = NewSession(q.level)
	} else {
		q.session, q.few = NewSession(LevelPassive), new(few)
	}
	return q
}

// Feed takes in the next picture; the time of f is not looked at. A picture without a face is
// told by Miss.
func (q *Sequence) Feed(f Frame) Result {
	f.At = time.Time{}.Add(time.Duration(q.n) * frameTime)
	q.n++
	r := q.session.Feed(f)
	if q.few == nil {
		return r
	}
	r.Depth = q.few.feed(f.Image, f.Mesh)
	r.Progress = r.Depth.Progress
	if r.Verdict == Live && !q.few.accepted {
		r.Verdict = Pending
	}
	if r.Depth.Verdict == DepthFailed {
		r.Verdict, r.Detail = Spoof, string(r.Depth.Cause)
	}
	return r
}

// Miss takes in a picture without a face.
func (q *Sequence) Miss() { q.n++ }

// End is the verdict on the whole sequence.
func (q *Sequence) End() Result {
	r := q.session.Leave()
	if q.few == nil {
		return r
	}
	switch {
	case q.few.vetoed:
		r.Verdict, r.Detail = Spoof, string(q.few.cause)
	case r.Verdict == Live && !q.few.accepted:
		r.Verdict, r.Detail = Spoof, string(CauseTime)
	}
	r.Depth = q.few.state()
	return r
}

// few judges single pictures against the first frontal one.
type few struct {
	held, accepted, vetoed bool
	cause                  Cause
	top                    float64
	frontal                face.Mesh
	room                   darkroom
	align                  aligner
	before                 []early // pictures before the frontal one
	other                  patch
}

// An early picture waits for a frontal one to be compared with.
type early struct {
	mesh face.Mesh
	cut  patch
}

func (f *few) state() DepthState {
	s := DepthState{Measure: Measure{NCC: math.NaN()}, Frontal: f.held, Progress: min(1, f.top/sparseDepth), Cause: f.cause}
	switch {
	case f.vetoed:
		s.Verdict = DepthFailed
	case f.accepted:
		s.Verdict = DepthAccepted
	}
	return s
}

func (f *few) feed(img *imgproc.Image, m *face.Mesh) DepthState {
	yaw, seen := m.Pose().Yaw, Measure{NCC: math.NaN()}
	switch {
	case f.held:
		f.room.cut(&f.other, img, m)
		seen = f.judge(m, &f.other)
	case math.Abs(yaw) < frontalYaw:
		f.held, f.frontal = true, *m
		f.align.take(&f.room, img, m)
		for i := range f.before {
			f.judge(&f.before[i].mesh, &f.before[i].cut)
		}
		f.before = nil
	default:
		f.before = append(f.before, early{mesh: *m})
		f.room.cut(&f.before[len(f.before)-1].cut, img, m)
	}
	s := f.state()
	s.Measure, s.Yaw = seen, yaw
	return s
}

// judge applies the rule to one picture.
func (f *few) judge(m *face.Mesh, p *patch) Measure {
	seen := compare(&f.frontal, m)
	seen.NCC = f.align.ncc(p, m)
	if f.accepted || f.vetoed || !(math.Abs(m.Pose().Yaw-f.frontal.Pose().Yaw) <= sparseYaw) {
		return seen
	}
	f.top = max(f.top, seen.Depth)
	switch {
	case squashed(&seen):
		f.vetoed, f.cause = true, CauseSquash
	case flat(&seen):
		f.vetoed, f.cause = true, CauseFlat
	case seen.Depth >= sparseDepth && !math.IsNaN(seen.NCC) && !math.IsNaN(seen.Squash):
		f.accepted = true
	}
	return seen
}
