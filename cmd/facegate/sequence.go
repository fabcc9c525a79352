package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
)

// A sighted is the line of one frame of a sequence: a finding, and how the face has turned
// since the frontal frame. What was not measured is null.
type sighted struct {
	finding
	YawMesh *float64 `json:"yaw_mesh"`
	Depth   *float64 `json:"depth"`
	Squash  *float64 `json:"squash"`
	NCC     *float64 `json:"ncc"`
}

// A verdict is the last line of a sequence.
type verdict struct {
	Sequence string         `json:"sequence"`
	Level    liveness.Level `json:"level"`
	Live     bool           `json:"live"`
	Reason   *string        `json:"reason"` // null when live
}

// sequenceFlags are the flags of analyse --sequence.
type sequenceFlags struct {
	level string
	fps   float64
}

// analyseSequence judges the pictures of a directory, in name order, as one person's visit.
func analyseSequence(ctx context.Context, e *env, s *sight, dir string, o sequenceFlags) error {
	level, err := liveness.ParseLevel(o.level)
	switch {
	case err != nil:
		return usagef("%v", err)
	case level == liveness.LevelChallenge:
		return usagef("a recording answers no prompt: --level is passive or depth")
	case !(o.fps >= 1 && o.fps <= 120):
		return usagef("--fps %g is not between 1 and 120", o.fps)
	}
	files, err := picturesIn(dir)
	if err != nil {
		return err
	}
	w := newWatched(level, len(files), time.Duration(float64(time.Second)/o.fps), s.id.Calibration.Cosine(sameFaceScore))
	enc := json.NewEncoder(e.stdout)
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := w.look(s.an, file)
		if isPictureError(err) {
			fmt.Fprintf(e.stderr, "facegate analyse: %v\n", err)
		} else if err != nil {
			return err
		}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	v := verdict{Sequence: dir, Level: level}
	if reason := w.end(); reason == "" {
		v.Live = true
	} else {
		v.Reason = &reason
	}
	if err := enc.Encode(v); err != nil {
		return err
	}
	if !v.Live {
		return errNo
	}
	return nil
}

// picturesIn are the pictures of a directory in name order.
func picturesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, d := range entries {
		if isPictureName(d) {
			files = append(files, filepath.Join(dir, d.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no pictures", dir)
	}
	return files, nil
}

// isPictureName tells pictures by their name's ending, so that notes and labels may lie
// beside them.
func isPictureName(d fs.DirEntry) bool {
	kinds := []string{".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif"}
	return !d.IsDir() && slices.Contains(kinds, strings.ToLower(filepath.Ext(d.Name())))
}

// sameFaceScore is the calibrated score from which two frames a moment apart are one face, as
// at the door.
const sameFaceScore = 70

// A watched is one sequence being judged. With enough pictures to follow a turn it is judged
// by the door's own session, whose first verdict counts: the door would have opened, or have
// refused, by then. Fewer are judged one against the other.
type watched struct {
	level    liveness.Level
	session  *liveness.Session  // of a dense sequence
	few      *liveness.Sequence // of a sparse one
	interval time.Duration
	same     float64

	n        int
	first    liveness.Verdict
	last     match.Template // of the last good frame
	fusions  []float64
	failed   bool // a passive score failed
	refusals map[face.Quality]int
}

func newWatched(level liveness.Level, pictures int, interval time.Duration, same float64) *watched {
	w := &watched{level: level, interval: interval, same: same, refusals: map[face.Quality]int{}}
	if pictures >= liveness.MinFrames || level == liveness.LevelPassive {
		w.session = liveness.NewSession(level)
	} else {
		w.few = liveness.NewSequence(level, pictures)
	}
	return w
}

// look judges the next picture. The error wraps imgproc.ErrPicture where the file is no
// picture; the line is complete then as well.
func (w *watched) look(an *pipeline.Analyser, file string) (sighted, error) {
	at := time.Time{}.Add(time.Duration(w.n) * w.interval)
	w.n++
	img, err := picture(file)
	if err != nil {
		w.miss(face.ImageError)
		return sighted{finding: unreadable(file, an.Model())}, err
	}
	started := time.Now()
	a, err := an.Picture(img, pipeline.AllStages)
	if err != nil {
		return sighted{}, fmt.Errorf("%s: %w", file, err)
	}
	line := sighted{finding: newFinding(file, an.Model(), a)}
	if a.Quality == face.NoFace {
		w.miss(a.Quality)
		line.MS = milliseconds(started)
		return line, nil
	}
	f := liveness.Frame{At: at, Image: img, Mesh: &a.Mesh, Box: a.Face.Box, Scored: scorable(a.Quality), Fusion: math.NaN()}
	if f.Scored {
		if a.Liveness.Ran() {
			f.Fusion = a.Passive.Fusion()
			w.fusions = append(w.fusions, f.Fusion)
		} else {
			w.failed = true
		}
	} else {
		w.refusals[a.Quality]++
	}
	if a.Quality == face.OK && a.Embedding != nil {
		f.Other = !w.sameFace(match.Template{Model: an.Model(), Vector: a.Embedding})
	}
	line.measured(w.feed(f))
	line.MS = milliseconds(started)
	return line, nil
}

// sameFace reports whether a template may be of the face in the good frame before.
func (w *watched) sameFace(now match.Template) bool {
	before := w.last
	w.last = match.Template{Model: now.Model, Vector: slices.Clone(now.Vector)}
	if before.Vector == nil {
		return true
	}
	cosine, err := match.Compare(before, now)
	return err == nil && cosine >= w.same
}

func milliseconds(since time.Time) float64 {
	return round(float64(time.Since(since).Microseconds())/1000, 1)
}

// scorable reports whether a passive score says something about a face of that quality. It
// does where the head is turned or covered, so that an attack cannot hide in the turn; blur,
// bad light and a face that is not there as a whole make a person look false.
func scorable(q face.Quality) bool {
	switch q {
	case face.OK, face.Angle, face.Occluded, face.EyesClosed:
		return true
	}
	return false
}

func (w *watched) miss(q face.Quality) {
	w.refusals[q]++
	if w.few != nil {
		w.few.Miss()
	}
}

func (w *watched) feed(f liveness.Frame) liveness.Result {
	if w.few != nil {
		return w.few.Feed(f)
	}
	r := w.session.Feed(f)
	if w.first == liveness.Pending && r.Verdict != liveness.Unavailable {
		w.first = r.Verdict
	}
	return r
}

// measured adds what the depth check saw.
func (l *sighted) measured(r liveness.Result) {
	l.YawMesh = l.Yaw
	if d := &r.Depth; d.Frontal || d.Depth != 0 {
		l.Depth, l.Squash, l.NCC = number(d.Depth), number(d.Squash), number(d.NCC)
	}
}

// number is a pointer to x with three decimals, nil where it is not a number.
func number(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return new(round(x, 3))
}

// end is why the sequence does not show a live person, or nothing where it does.
func (w *watched) end() string {
	v, turned := w.first, w.level == liveness.LevelPassive
	if w.few != nil {
		r := w.few.End()
		v, turned = r.Verdict, r.Depth.Verdict == liveness.DepthAccepted
	} else if v == liveness.Pending {
		v = w.session.Leave().Verdict
	}
	switch {
	case v == liveness.Live:
		return ""
	case v == liveness.Spoof:
		return liveness.Spoof.String()
	case v == liveness.Unavailable || w.failed:
		return liveness.Unavailable.String()
	case len(w.fusions) == 0:
		return w.refusal()
	case !turned:
		return liveness.Spoof.String()
	}
	// Too few frames for the average that the door takes: those there are must hold.
	sum := 0.
	for _, f := range w.fusions {
		sum += f
	}
	if sum/float64(len(w.fusions)) >= liveness.Threshold {
		return ""
	}
	return liveness.Spoof.String()
}

// refusal is the quality code that most frames had.
func (w *watched) refusal() string {
	code, n := face.NoFace, 0
	for c, k := range w.refusals {
		if k > n || k == n && c < code {
			code, n = c, k
		}
	}
	return string(code)
}
