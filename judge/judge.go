package judge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/internal/logkey"
	"facegate/kiosk"
	"facegate/pipeline"
	"facegate/pipeline/cover"
	"facegate/pipeline/face"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
	"facegate/store"
)

// Options say what a Judge looks with.
type Options struct {
	// Open gives an Analyser, which the Judge closes, with the embedders of Identifier.Older
	// added. It is called before the first picture, and again where it gave none. One of
	// [pipeline.OpenParts] will do: the second result is what it lacks.
	Open func() (*pipeline.Analyser, error)
	// Identifier holds the galleries to search; the Judge makes an Identifier of its own of it.
	// Without one nothing can be compared, searched or enrolled.
	Identifier *pipeline.Identifier
	DB         *store.DB
	// Yield, where set, waits while the camera needs the machine, at most until ctx ends, which is
	// after two seconds of a picture's waits. It is called before each of its stages.
	Yield func(ctx context.Context)
	// Barred, where set, are the stages whose models the site has no licence for at a moment: they
	// are as if their models had failed, and the Look says why.
	Barred   func(now time.Time) pipeline.Stages
	Pictures *api.Room     // for large pictures' pixels, which [Documents] share; nil: no bounds
	Deadline time.Duration // until a picture is judged, with its wait, 0: 10 s
	Waiting  int           // pictures that may wait, 0: 16
	Log      *slog.Logger  // never nil
}

// Defaults of Options.
const (
	defaultDeadline = 10 * time.Second
	defaultWaiting  = 16
	retryAfter      = time.Second
)

// yieldFor is how long a picture waits for the camera at most: most visits are decided by then,
// and somebody who stays before the lens undecided does not end the service.
const yieldFor = 2 * time.Second

// maxAngle is how far a face may be turned, in degrees of yaw, for its liveness to be judged
// from a posted picture: beyond it the quality is [face.Angle]. Pitch, which the mesh tells
// less well, is held against the door's limit alone.
const maxAngle = 35

// nice is how much less than the camera's a thread that looks at posted pictures is given of a
// busy machine: of two threads on one core about a tenth.
const nice = 10

// lower gives the calling goroutine a thread of its own that is nice. The thread is not given
// back: it ends with its goroutine, and its priority with it.
func lower(ctx context.Context, log *slog.Logger) {
	runtime.LockOSThread()
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, nice); err != nil { // of this thread alone
		log.WarnContext(ctx, "pictures that are posted share the machine with the camera evenly", logkey.Error, err)
	}
}

// A Judge is an [api.Judge], and a task.
type Judge struct {
	o     Options
	line  chan *job
	ready chan struct{}

	mu sync.Mutex // of id
	id *pipeline.Identifier

	an *pipeline.Analyser // the worker's
}

// A job is a picture in the line. Its result is sent once; nobody may be there to take it.
type job struct {
	ctx     context.Context //nolint:containedctx // it ends with the call that waits
	picture atomic.Pointer[[]byte]
	want    api.Want
	leave   func() // gives back the room for the pixels
	done    chan result
}

// take is the picture, for whoever is first: the worker, or the call when it stops waiting, whose
// memory nobody holds on to then. Whoever has it leaves the room.
func (w *job) take() (picture []byte, ok bool) {
	if p := w.picture.Swap(nil); p != nil {
		return *p, true
	}
	return nil, false
}

type result struct {
	look *api.Look
	err  error
}

// New returns a Judge. Pictures are looked at while it runs.
func New(o Options) *Judge {
	if o.Deadline == 0 {
		o.Deadline = defaultDeadline
	}
	if o.Waiting == 0 {
		o.Waiting = defaultWaiting
	}
	j := &Judge{o: o, line: make(chan *job, o.Waiting), ready: make(chan struct{})}
	if from := o.Identifier; from != nil {
		j.id = &pipeline.Identifier{
			Gallery: from.Gallery, Calibration: from.Calibration, Masked: from.Masked, Older: from.Older,
			FPIR: from.FPIR, PolicyScore: from.PolicyScore, Margin: from.Margin,
		}
	}
	close(j.ready)
	return j
}

// String is the task's name.
func (j *Judge) String() string { return "judge" }

// Ready is closed: models are opened when they are needed.
func (j *Judge) Ready() <-chan struct{} { return j.ready }

// Run looks at pictures until ctx ends.
func (j *Judge) Run(ctx context.Context) error {
	lower(ctx, j.o.Log)
	for {
		select {
		case <-ctx.Done():
			if j.an == nil {
				return nil
			}
			return j.an.Close()
		case w := <-j.line:
			if picture, ok := w.take(); ok {
				look, err := j.look(w.ctx, picture, w.want) //nolint:contextcheck // that of the call, not the task's
				w.leave()
				w.done <- result{look, err}
			}
		}
	}
}

func busy(err error) error { return &api.Error{Code: api.Busy, RetryAfter: retryAfter, Err: err} }

// Look is [api.Judge.Look]. The picture must not be changed any more.
func (j *Judge) Look(ctx context.Context, picture []byte, want api.Want) (*api.Look, error) {
	ctx, cancel := context.WithTimeout(ctx, j.o.Deadline)
	defer cancel()
	leave, err := j.o.Pictures.Take(ctx, room(picture))
	if err != nil {
		return nil, err
	}
	w := &job{ctx: ctx, want: want, leave: leave, done: make(chan result, 1)}
	w.picture.Store(&picture)
	select {
	case j.line <- w:
	default:
		leave()
		return nil, busy(errors.New("too many pictures wait"))
	}
	select {
	case r := <-w.done:
		return r.look, r.err
	case <-ctx.Done():
		if _, ok := w.take(); ok {
			leave()
		}
		return nil, busy(ctx.Err())
	}
}

// pauses waits by yield whenever it is called, for [yieldFor] in all.
func pauses(ctx context.Context, yield func(ctx context.Context)) func() {
	left := yieldFor
	return func() {
		if yield == nil || left <= 0 {
			return
		}
		began := time.Now()
		wait, cancel := context.WithTimeout(ctx, left)
		yield(wait)
		cancel()
		left -= time.Since(began)
	}
}

// look is done by the worker.
func (j *Judge) look(ctx context.Context, picture []byte, want api.Want) (*api.Look, error) {
	makeWay := pauses(ctx, j.o.Yield)
	pause := func() error {
		makeWay()
		return ctx.Err()
	}
	if err := pause(); err != nil {
		return nil, busy(err)
	}
	l := &api.Look{Quality: face.ImageError}
	img, size, fault := decode(ctx, picture)
	if err := ctx.Err(); err != nil {
		return nil, busy(err)
	}
	l.Width, l.Height, l.Fault = size.X, size.Y, fault
	if fault != api.NoFault {
		return l, nil
	}
	if j.an == nil {
		if err := j.open(); err != nil {
			j.o.Log.ErrorContext(ctx, "pictures that are posted cannot be judged", logkey.Error, err)
			l.Failed = api.StageDetect
			return l, nil
		}
	}
	var stages pipeline.Stages
	if want&api.WantQuality != 0 {
		stages |= pipeline.Eyes | pipeline.Mask | pipeline.Parsing
	}
	if want&api.WantLiveness != 0 {
		stages |= pipeline.Passive
	}
	if want&api.WantTemplate != 0 {
		stages |= pipeline.Embedding
	}
	var barred pipeline.Stages
	if j.o.Barred != nil {
		barred = j.o.Barred(time.Now())
	}
	l.Unlicensed = parts(barred)
	if barred&(pipeline.Detecting|pipeline.Landmarks) != 0 {
		l.Failed = l.Unlicensed
		return l, nil
	}
	defer j.an.Release()
	a, failed, err := j.an.Examine(img, stages&^barred, pause)
	if failed |= stages & barred; barred&(pipeline.Mask|pipeline.Parsing|pipeline.Eyes) != 0 && a.Quality == face.OK {
		a.Quality = face.ImageError // it rests on what was not looked at
	}
	switch {
	case ctx.Err() != nil:
		return nil, busy(ctx.Err())
	case err != nil:
		j.o.Log.ErrorContext(ctx, "a stage failed on a picture that was posted", logkey.Error, err)
	}
	j.fill(l, a, failed)
	return l, nil
}

// parts are the pipeline's stages as callers know them.
func parts(st pipeline.Stages) (out api.Stage) {
	for _, s := range []struct {
		from pipeline.Stages
		to   api.Stage
	}{
		{pipeline.Detecting, api.StageDetect},
		{pipeline.Landmarks, api.StageLandmarks},
		{pipeline.Eyes, api.StageEyes},
		{pipeline.Passive, api.StageLiveness},
		{pipeline.Mask | pipeline.Parsing, api.StageCover},
		{pipeline.Embedding, api.StageEmbed},
	} {
		if st&s.from != 0 {
			out |= s.to
		}
	}
	return out
}

func (j *Judge) open() error {
	an, lacks := j.o.Open()
	if an == nil {
		return lacks
	}
	if lacks != nil {
		j.o.Log.Error("pictures that are posted cannot be judged fully", logkey.Error, lacks)
	}
	j.an = an
	return nil
}

// fill says what an analysis saw.
func (j *Judge) fill(l *api.Look, a *pipeline.Analysis, failed pipeline.Stages) {
	l.Failed = parts(failed)
	l.Quality, l.Faces = a.Quality, a.Faces
	if failed&pipeline.Detecting != 0 || a.Quality == face.NoFace {
		return
	}
	b := a.Face.Box
	l.Box = [4]float64{b.X0, b.Y0, b.X1, b.Y1}
	if failed&pipeline.Landmarks != 0 {
		return
	}
	l.Yaw, l.Pitch, l.Blur = a.Pose.Yaw, a.Pose.Pitch, a.Blur
	switch {
	case turned(a.Pose) && afterAngle(l.Quality):
		l.Quality = face.Angle
	case l.Quality == face.OK:
		l.Quality = framed(a)
	}
	if l.Quality == face.OK && a.Liveness.Ran() {
		l.LiveScore, l.Live = float64(a.Liveness), access.Spoof
		if a.Liveness >= .5 {
			l.Live = access.Live
		}
	}
	l.Occluded, l.Mask, l.Head = number(a.Cover.Occluded), number(a.Cover.Mask), number(a.Cover.Head)
	l.MaskSeen, l.HeadSeen = string(a.Cover.MaskState), string(a.Cover.HeadCover)
	if a.Embedding == nil {
		return
	}
	behind := masked(a.Cover.MaskState)
	l.Template = api.Template{Model: j.an.Model(), Vector: slices.Clone(a.Embedding), Masked: behind}
	for _, o := range a.Older {
		l.Template.Older = append(l.Template.Older, api.Template{Model: o.Model, Vector: slices.Clone(o.Vector), Masked: behind})
	}
}

// turned reports whether a face is turned too far to judge its liveness. What is not a number
// is.
func turned(p face.Pose) bool {
	return !(math.Abs(p.Yaw) <= maxAngle)
}

// What the published APIs call well framed is stricter than what the door asks, in which
// nobody has chosen how to cut the picture. Shares of the picture's sides.
const (
	maxHeight = .85
	minMargin = .03
)

// framed is what is wrong with the place of a face in a picture in which nothing else is: of 345
// pictures of LFW and 91 live webcam frames it refuses none.
func framed(a *pipeline.Analysis) face.Quality {
	b, w, h := a.Face.Box, float64(a.Width), float64(a.Height)
	outside := func(x, y float64) bool { return !(x >= 0 && y >= 0 && x <= w && y <= h) }
	cropped := outside(b.X0, b.Y0) || outside(b.X1, b.Y1)
	for _, p := range a.Mesh.Five() {
		cropped = cropped || outside(p.X, p.Y)
	}
	switch {
	case b.H() > maxHeight*h:
		return face.TooClose
	case cropped:
		return face.Cropped
	case min(b.X0, w-b.X1) < minMargin*w || min(b.Y0, h-b.Y1) < minMargin*h:
		return face.NearBorder
	}
	return face.OK
}

// afterAngle reports whether a code stands behind [face.Angle] in the order in which they are
// given.
func afterAngle(q face.Quality) bool {
	switch q {
	case face.OK, face.Dark, face.Bright, face.Blurred, face.Occluded, face.EyesClosed:
		return true
	}
	return false
}

// masked reports whether a template is that of a face behind a mask.
func masked(s cover.MaskState) bool { return s == cover.MaskFull || s == cover.MaskNoseOut }

// number is x, nil where it is not one.
func number(x float64) *float64 {
	if math.IsNaN(x) {
		return nil
	}
	return &x
}

// reference is what is known of a model. Galleries have locks of their own.
func (j *Judge) reference(model string) (pipeline.Reference, error) {
	if j.id != nil {
		if j.id.Gallery.Model() == model {
			return pipeline.Reference{Gallery: j.id.Gallery, Calibration: j.id.Calibration, Masked: j.id.Masked}, nil
		}
		for _, r := range j.id.Older {
			if r.Gallery.Model() == model {
				return r, nil
			}
		}
	}
	return pipeline.Reference{}, fmt.Errorf("no embedder %q: %w", model, match.ErrModel)
}

// Compare is [api.Judge.Compare]. It is 1 for a template and itself only.
func (j *Judge) Compare(a, b api.Template) (float64, error) {
	r, err := j.reference(a.Model)
	if err != nil {
		return 0, err
	}
	cosine, err := match.Compare(match.Template{Model: a.Model, Vector: a.Vector}, match.Template{Model: b.Model, Vector: b.Vector})
	if err != nil {
		return 0, err
	}
	if slices.Equal(a.Vector, b.Vector) {
		return 1, nil
	}
	return score(r, cosine, a.Masked && b.Masked), nil
}

// score is a cosine on the scale 0..1, below 1. Where both faces are behind masks and nobody
// has measured what that means they are not alike.
func score(r pipeline.Reference, cosine float64, masks bool) float64 {
	scale := r.Calibration
	if masks {
		scale = r.Masked
	}
	if scale == nil {
		return 0
	}
	return min(scale.Score(cosine)/100, math.Nextafter(1, 0))
}

// Search is [api.Judge.Search]. A template is searched among those of its model and, with its
// older ones, among those of theirs.
func (j *Judge) Search(ctx context.Context, t api.Template, n int) ([]api.Candidate, error) {
	var list []api.Candidate
	for i, t := range append([]api.Template{t}, t.Older...) {
		r, err := j.reference(t.Model)
		if err != nil {
			if i == 0 {
				return nil, err
			}
			continue
		}
		var found match.Result
		if err := r.Gallery.Search(match.Template{Model: t.Model, Vector: t.Vector}, n, &found); err != nil {
			return nil, err
		}
		for _, c := range found.Candidates {
			list = append(list, api.Candidate{Person: c.Person, Score: score(r, c.Cosine, false)})
		}
		for _, c := range found.Masked {
			list = append(list, api.Candidate{Person: c.Person, Score: score(r, c.Cosine, t.Masked)})
		}
	}
	return best(list, n), ctx.Err()
}

// best are the n people with the highest scores, each once.
func best(list []api.Candidate, n int) []api.Candidate {
	slices.SortFunc(list, func(a, b api.Candidate) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Person, b.Person))
	})
	seen := make(map[string]bool, len(list))
	list = slices.DeleteFunc(list, func(c api.Candidate) bool {
		again := seen[c.Person]
		seen[c.Person] = true
		return again
	})
	return list[:min(len(list), max(0, n))]
}

// Enrol is [api.Judge.Enrol]: its errors are those of [kiosk.Enroller.Keep]. No picture is kept.
func (j *Judge) Enrol(ctx context.Context, act store.Act, person string, l *api.Look, allowDuplicate bool, also func(tx *store.Tx, template string) error) (store.Template, error) {
	if l.Failed&^api.StageLiveness != 0 {
		return store.Template{}, errors.New("enrol: a stage of the pipeline failed on the picture")
	}
	if j.id == nil || l.Template.Vector != nil && l.Template.Model != j.id.Gallery.Model() {
		return store.Template{}, fmt.Errorf("enrol: %w", match.ErrModel)
	}
	a := analysis(l)
	if a.Cover.MaskState = cover.MaskNone; l.Template.Masked {
		a.Cover.MaskState = cover.MaskFull
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return (&kiosk.Enroller{DB: j.o.DB, Identifier: j.id}).Keep(ctx, act, person, a, nil, allowDuplicate, also)
}

// Sighting is [api.Judge.Sighting].
func (j *Judge) Sighting(l *api.Look) (access.Sighting, error) {
	if j.id == nil || l.Template.Vector != nil && l.Template.Model != j.id.Gallery.Model() {
		return access.Sighting{}, fmt.Errorf("recognise: %w", match.ErrModel)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s, err := j.id.Sighting(analysis(l))
	s.Liveness, s.Score, s.Level = l.Live, l.LiveScore, string(liveness.LevelPassive)
	return s, err
}

// analysis is a look as the pipeline gave it, as far as it is needed to recognise and enrol.
func analysis(l *api.Look) *pipeline.Analysis {
	a := &pipeline.Analysis{Quality: l.Quality, Embedding: l.Template.Vector, Blur: l.Blur, Cover: cover.NotRun()}
	a.Cover.MaskState, a.Cover.HeadCover = cover.MaskState(l.MaskSeen), cover.HeadCover(l.HeadSeen)
	if l.Mask != nil {
		a.Cover.Mask = *l.Mask
	}
	if l.Head != nil {
		a.Cover.Head = *l.Head
	}
	for _, o := range l.Template.Older {
		a.Older = append(a.Older, pipeline.Vector{Model: o.Model, Vector: o.Vector})
	}
	return a
}
