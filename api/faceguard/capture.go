package faceguard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"slices"
	"time"

	"facegate/access"
	"facegate/api"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
	"facegate/store"
)

// Limits of a capture.
const (
	minFrames = 3
	maxFrames = 8
	// minJudged is how many frames of a capture must be fit to be judged.
	minJudged = 3

	// readWithin is how long a capture may take to arrive: it keeps room from others meanwhile.
	readWithin = 20 * time.Second
)

// capture judges the frames of a session's page.
func (g *guard) capture(w http.ResponseWriter, r *http.Request) (answer, error) {
	c, s, err := g.bySession(r)
	if err != nil {
		return answer{}, err
	}
	a := answer{key: c.key, person: s.Customer, message: "Capture"}
	ctx := r.Context()
	if err := g.admit(ctx, s.Customer); err != nil {
		return a, err
	}
	if err := g.s.Keys.Try(s.Customer, time.Now()); err != nil {
		return a, err
	}
	var v verdict
	began, ended := time.Now(), false
	if s.Outcome == open {
		if v, err = g.look(w, r, s.Customer); err != nil {
			return a, err
		}
	}
	err = g.s.DB.Update(ctx, c.act, func(tx *store.Tx) error {
		held, err := read(tx, sessionKind, c.claims.Session, &s)
		if err != nil {
			return err
		}
		if err := c.bypass(tx, &s); err != nil || s.Outcome != open {
			return errors.Join(err, write(tx, held, s)) // another page was first
		}
		s.take(v, c.workflow, c.act.At)
		ended = s.Outcome != open
		return write(tx, held, s)
	})
	if err != nil {
		return a, err
	}
	if ended && s.Outcome == passed {
		g.s.Unlock(ctx, c.key, s.Customer, v.best, began)
	}
	sent := s.sent()
	if s.Outcome == open {
		sent.Hint = string(v.hint)
	}
	a.data, a.result, a.scores = sent, string(s.Outcome), v.scores
	if a.result == "" {
		a.result = "again"
	}
	return a, nil
}

// take ends an open session by a verdict, or counts that there was none.
func (s *session) take(v verdict, f Workflow, now time.Time) {
	switch {
	case !v.judged:
		s.Tries++
		if s.Tries < f.Attempts {
			return
		}
		s.Outcome, s.Reached = failed, stageCapture
	case !v.live:
		s.Outcome, s.Reached = failed, stageLiveness
	case v.score*100 < f.Threshold:
		s.Outcome, s.Reached = failed, stageMatch
	default:
		s.Outcome, s.Reached = passed, stages
	}
	if v.judged && v.live {
		// Truncated, so that what was refused never reads as the threshold.
		s.Confidence = math.Floor(v.score*1000) / 10
	}
	s.Ended = now
}

// A verdict is what the frames of a capture show together.
type verdict struct {
	judged bool         // enough of them could be judged
	hint   face.Quality // what was wrong with most of the others, or empty
	live   bool         // most of those that were judged show somebody alive
	score  float64      // 0..1, the median of the live frames' likeness; 0 where not live
	best   *api.Look    // the live frame that is most alike
	scores access.Scores
}

// look reads and judges the frames of a capture.
func (g *guard) look(w http.ResponseWriter, r *http.Request, customer string) (verdict, error) {
	leave, err := g.s.TakeBody(r, api.MaxBody)
	if err != nil {
		return verdict{}, err
	}
	defer leave()
	// A connection that cannot take a deadline has the server's.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readWithin))
	frames, err := readFrames(r, api.NewSpool(api.Length(r, api.MaxBody)))
	if err != nil {
		return verdict{}, api.Reading(err)
	}
	photos, err := g.basePhotos(r.Context(), customer)
	if err != nil {
		return verdict{}, err
	}
	if len(photos) == 0 {
		return verdict{}, fmt.Errorf("base photo of the customer: %w", access.ErrNotFound)
	}
	return g.judge(r.Context(), frames, photos)
}

// readFrames reads the frames of a form. The error is an *api.Error of code Malformed, Missing
// or TooLarge.
func readFrames(r *http.Request, to *api.Spool) ([][]byte, error) {
	body := &io.LimitedReader{R: r.Body, N: api.MaxBody + 1}
	r.Body = io.NopCloser(body)
	form, err := r.MultipartReader()
	if err != nil {
		return nil, &api.Error{Code: api.Malformed, Err: err}
	}
	frames, err := parts(form, to)
	switch {
	case body.N == 0:
		return nil, &api.Error{Code: api.TooLarge}
	case err != nil:
		return nil, err
	case len(frames) < minFrames:
		return nil, &api.Error{Code: api.Missing, Fields: []string{"frame"}}
	}
	return frames, nil
}

func parts(form *multipart.Reader, to *api.Spool) ([][]byte, error) {
	var frames [][]byte
	for {
		p, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return nil, &api.Error{Code: api.Malformed, Err: err}
		}
		if p.FormName() != "frame" {
			continue // NextPart reads over it
		}
		if len(frames) == maxFrames {
			return nil, &api.Error{Code: api.Malformed, Detail: "too many frames"}
		}
		frame, err := to.Read(p)
		if err != nil {
			return nil, &api.Error{Code: api.Malformed, Err: err}
		}
		frames = append(frames, frame)
	}
}

// judge looks at the frames one by one. A frame counts for the likeness only if it was itself
// found alive: else a print between live frames of somebody else would pass.
func (g *guard) judge(ctx context.Context, frames [][]byte, photos []api.Template) (verdict, error) {
	var v verdict
	var judged, live int
	var alike, liveness []float64
	faults := make(map[face.Quality]int)
	for _, frame := range frames {
		l, err := g.s.Judge.Look(ctx, frame, api.WantLiveness|api.WantTemplate|api.WantQuality)
		switch {
		case err != nil:
			return v, err
		case l.Fault != api.NoFault:
			return v, &api.Error{Code: api.Malformed, Detail: "a frame is no picture"}
		case l.Failed&^api.StageLandmarks != 0:
			return v, fmt.Errorf("judge a frame: stages %b failed", l.Failed)
		}
		wrong := l.Quality
		if wrong == face.OK && l.Turned() {
			wrong = face.Angle
		}
		switch {
		case wrong == face.ImageError:
			continue // a face that cannot be aligned: no hint helps
		case wrong != face.OK:
			faults[wrong]++
			if faults[wrong] > faults[v.hint] {
				v.hint = wrong
			}
			continue
		case l.Live == access.LivenessUnavailable || l.Template.Model == "":
			continue
		}
		judged++
		liveness = append(liveness, l.LiveScore)
		if l.Live != access.Live {
			continue
		}
		live++
		score, err := g.likeness(l.Template, photos)
		if err != nil {
			return v, err
		}
		alike = append(alike, score)
		if score == slices.Max(alike) {
			v.best = l
		}
	}
	if v.judged = judged >= minJudged; !v.judged {
		return v, nil
	}
	v.scores.Liveness = new(median(liveness))
	if v.live = 2*live > judged; v.live {
		v.score = median(alike)
		v.scores.Match = new(100 * v.score)
	}
	return v, nil
}

// likeness is how like a face is to the photo it is most like. Photos of models that the face
// has no template of are left out; where there are no others the face is like none.
func (g *guard) likeness(t api.Template, photos []api.Template) (float64, error) {
	var best float64
	for _, face := range append([]api.Template{t}, t.Older...) {
		for _, photo := range photos {
			score, err := g.s.Judge.Compare(face, photo)
			if errors.Is(err, match.ErrModel) {
				continue
			}
			if err != nil {
				return 0, err
			}
			best = max(best, score)
		}
	}
	return best, nil
}

// median is the lower of the middle two of an even number.
func median(x []float64) float64 {
	slices.Sort(x)
	return x[(len(x)-1)/2]
}
