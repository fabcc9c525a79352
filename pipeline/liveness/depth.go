package liveness

import (
	"math"
	"time"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// The depth rule. The figures were measured on live turns and rendered cards; docs/liveness.md
// has the table.
const (
	frontalYaw    = 8.  // degrees of mesh yaw, exclusive
	frontalFrames = 3   // held
	acceptDepth   = .40 // about 20 to 25 degrees of a head's turn
	acceptFrames  = 2   // successive
	minTracked    = 5   // frames between the frontal and the accepted one
	riseLimit     = .12 // of depth in 100 ms

	squashFrom   = .05 // veto: squashed by this much
	squashFactor = 2.5 // while depth is under this many times that
	nccFrom      = .12 // veto: from this depth on
	nccFactor    = .5  // the pictures differ (1 - NCC) by less than this share of it,
	nccSlope     = 1.1 // and by less than this many times its square

	tryTime  = 4 * time.Second
	maxTries = 3
)

// A DepthVerdict is where a [Depth] stands after a frame.
type DepthVerdict uint8

// The verdicts.
const (
	DepthPending  DepthVerdict = iota
	DepthAccepted              // the face has depth, and has been the same face since
	DepthVetoed                // this frame looked like a plane, or broke a rule; the turn starts again
	DepthFailed                // the tries are used up; nothing but Reset ends this
)

func (v DepthVerdict) String() string {
	return [...]string{"pending", "accepted", "vetoed", "failed"}[min(v, DepthFailed)]
}

// A Cause says why a turn started again.
type Cause string

// The causes. The first four use up a try. The others start the turn again without doing so,
// within the same try's time.
const (
	CauseSquash    Cause = "squash"    // the eyes came together as on a turned plane
	CauseFlat      Cause = "flat"      // the picture changed no more than a plane's does
	CauseDirection Cause = "direction" // turned another way than asked
	CauseTime      Cause = "time"      // no depth within the time of a try

	CauseGap    Cause = "gap"    // the face was lost for too long
	CauseJump   Cause = "jump"   // the box jumped, or the caller says that it is another face
	CauseFast   Cause = "fast"   // depth rose faster than a head turns at ease
	CauseBroken Cause = "broken" // a measure was not a number
)

// A DepthState is what a [Depth] made of one frame.
type DepthState struct {
	Measure          // against the frontal frame; zero with an NCC of NaN where there is none yet
	Yaw      float64 // mesh yaw of this frame, degrees, + = nose to the left of the picture
	Frontal  bool    // a frontal frame is held
	Progress float64 // 0..1, what a bar on the screen shows
	Verdict  DepthVerdict
	Cause    Cause // why the turn last started again
	Tries    int   // used up
}

// A sampleOf depth in time.
type sampleOf struct {
	at    time.Time
	depth float64
}

// Depth watches one face turn. It holds a frontal frame, compares every later one with it,
// and accepts the face when two successive frames show the parallax of a head, reached
// gradually by one continuous face, with no frame on the way that looked like a plane. The
// zero value is ready; it is about half a megabyte.
type Depth struct {
	// Want is the direction that counts; any other one uses up a try.
	Want Direction

	started bool
	start   time.Time // of the try
	last    time.Time
	box     imgproc.Box

	straight int // frontal frames in succession
	held     bool
	frontal  face.Mesh
	picture  bool // the aligner has the frontal patch
	recent   [16]sampleOf
	frames   int // compared since the frontal one
	run      int // successive frames of enough depth
	nccs     int // measured in this try, apart from the accepting frame's
	accepted bool
	tries    int
	breaks   int // gaps and jumps: what was shown before them does not count
	cause    Cause
	top      float64 // the greatest depth of the turn

	room  darkroom
	align aligner
	other patch
}

// Reset forgets everything but Want: the next frame is another visit's.
func (d *Depth) Reset() {
	d.started, d.tries, d.breaks, d.cause = false, 0, 0, ""
	d.again("")
}

// again drops the frontal frame: the turn starts over.
func (d *Depth) again(c Cause) {
	d.straight, d.held, d.accepted, d.frames, d.run, d.nccs, d.top = 0, false, false, 0, 0, 0, 0
	if c != "" {
		d.cause = c
	}
}

// spend is again, and the try is over.
func (d *Depth) spend(c Cause, at time.Time) {
	d.again(c)
	d.tries++
	d.start = at
}

// next asks for another turn of the same face, with a try's time from now on. Tries used up
// stay used up.
func (d *Depth) next(want Direction, at time.Time) {
	d.again("")
	d.Want, d.start = want, at
}

// Feed takes in the next frame of the face: its time, the picture, the mesh, the detector's
// box, and whether the caller knows it to be another face than in the frame before (by its
// embedding, or its own tracking). Frames without the face are not fed; the gap they leave is
// seen. Pictures are only read during the call. Without a picture nothing is ever accepted.
func (d *Depth) Feed(at time.Time, img *imgproc.Image, m *face.Mesh, box imgproc.Box, other bool) DepthState {
	if !d.started {
		d.started, d.start = true, at
	} else if d.tries < maxTries {
		switch {
		case at.Sub(d.last) > maxGap || at.Before(d.last):
			d.breaks++
			d.again(CauseGap)
		case other || !Continuous(d.box, box, at.Sub(d.last)):
			d.breaks++
			d.again(CauseJump)
		}
	}
	d.last, d.box = at, box
	s := DepthState{Yaw: m.Pose().Yaw, Measure: Measure{NCC: math.NaN()}}
	if d.tries < maxTries {
		if !d.accepted && at.Sub(d.start) >= tryTime {
			d.spend(CauseTime, at)
			s.Verdict = DepthVetoed
		}
		if !d.held {
			d.await(at, img, m, s.Yaw)
		} else {
			s.Measure = compare(&d.frontal, m)
			if c := d.step(at, &s.Measure, func() float64 { return d.likeness(img, m) }); c != "" {
				s.Verdict = DepthVetoed
			}
		}
	}
	switch {
	case d.tries >= maxTries:
		s.Verdict = DepthFailed
	case d.accepted:
		s.Verdict = DepthAccepted
	}
	s.Frontal, s.Cause, s.Tries = d.held, d.cause, d.tries
	s.Progress = min(1, d.top/acceptDepth)
	if d.accepted {
		s.Progress = 1
	}
	return s
}

// await looks for the frontal frame: the last of three that face the camera.
func (d *Depth) await(at time.Time, img *imgproc.Image, m *face.Mesh, yaw float64) {
	if !(math.Abs(yaw) < frontalYaw) {
		d.straight = 0
		return
	}
	if d.straight++; d.straight < frontalFrames {
		return
	}
	d.held, d.frontal = true, *m
	d.recent[0] = sampleOf{at, 0}
	if d.picture = img != nil; d.picture {
		d.align.take(&d.room, img, m)
	}
}

// likeness is the NCC of a frame with the frontal one; NaN without pictures.
func (d *Depth) likeness(img *imgproc.Image, m *face.Mesh) float64 {
	if img == nil || !d.picture {
		return math.NaN()
	}
	d.room.cut(&d.other, img, m)
	return d.align.ncc(&d.other, m)
}

// step is the rule itself, on one comparison with the frontal frame. It returns why the turn
// starts again, or nothing. ncc is called for the few frames whose likeness is asked.
func (d *Depth) step(at time.Time, m *Measure, ncc func() float64) Cause {
	if d.accepted {
		return ""
	}
	fast := d.rises(at, m.Depth)
	d.frames++
	d.recent[d.frames%len(d.recent)] = sampleOf{at, m.Depth}
	d.top = max(d.top, m.Depth)
	switch {
	case math.IsNaN(m.Depth) || math.IsNaN(m.Squash):
		d.again(CauseBroken)
		return CauseBroken
	case fast:
		d.again(CauseFast)
		return CauseFast
	case squashed(m):
		d.spend(CauseSquash, at)
		return CauseSquash
	}
	if m.Depth >= acceptDepth {
		d.run++
	} else {
		d.run = 0
	}
	accepting := d.run >= acceptFrames && d.frames > minTracked
	if accepting || d.asks(m.Depth) {
		m.NCC = ncc()
		if flat(m) || accepting && math.IsNaN(m.NCC) {
			d.spend(CauseFlat, at)
			return CauseFlat
		}
	}
	if !accepting {
		return ""
	}
	if d.Want != AnyDirection && d.Want != m.Direction() {
		d.spend(CauseDirection, at)
		return CauseDirection
	}
	d.accepted = true
	return ""
}

// asks reports whether the likeness of this frame is asked: on the way to acceptance twice,
// when the veto begins to hold and half way up. The accepting frame is the third.
func (d *Depth) asks(depth float64) bool {
	if d.nccs < 2 && depth >= [2]float64{nccFrom, (nccFrom + acceptDepth) / 2}[d.nccs] {
		d.nccs++
		return true
	}
	return false
}

// rises reports whether depth is further above what it was in the last 100 ms than a head
// turns in that time. Looking back over a fixed time makes the noise of the mesh count the same
// at every frame rate.
func (d *Depth) rises(at time.Time, depth float64) bool {
	for back := 0; back <= min(d.frames, len(d.recent)-1); back++ {
		from := d.recent[(d.frames-back)%len(d.recent)]
		ago := at.Sub(from.at)
		if depth-from.depth >= riseLimit*max(1, float64(ago)/float64(frameTime)) {
			return true
		}
		if ago >= frameTime {
			break
		}
	}
	return false
}

// squashed is the veto on a face that narrows as a plane does, without the parallax of a head.
func squashed(m *Measure) bool {
	return m.Squash >= squashFrom && m.Depth < squashFactor*m.Squash
}

// flat is the veto on a face whose picture has changed less than its depth claims. A small
// shift changes a picture with its square: a share of depth alone would refuse heads that turn
// smoothly.
func flat(m *Measure) bool {
	return m.Depth >= nccFrom && 1-m.NCC < m.Depth*min(nccFactor, nccSlope*m.Depth)
}
