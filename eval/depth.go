package eval

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/pipeline/liveness/card"
)

// beyondDoubt is a fusion that the passive check accepts, for judging the geometry alone.
const beyondDoubt = liveness.Threshold + 3

// turned is how far a head is turned, in degrees of mesh yaw, in a recording that must be
// accepted.
const turned = 20

// A visit is the pictures of one recording in name order, and what came of them.
type visit struct {
	live  bool
	files []string

	most            float64 // largest yaw, degrees
	geometry, whole bool    // accepted by depth alone, and with the passive score
}

// visits are the recordings of spoof_phone_selfies. A trial run takes them whole as well:
// every other picture is no recording.
func (s *suite) visits() []*visit {
	t := s.sheets["spoof_phone_selfies"]
	if len(s.records["spoof_phone_selfies"]) == 0 || !t.has("person") || !t.has("label") {
		return nil
	}
	by := map[string]*visit{}
	var out []*visit
	for _, r := range t.rows {
		who := r["label"] + " " + r["person"]
		if by[who] == nil {
			by[who] = &visit{live: r["label"] == "live"}
			out = append(out, by[who])
		}
		by[who].files = append(by[who].files, r["file"])
	}
	for _, v := range out {
		slices.SortFunc(v.files, func(a, b string) int { return strings.Compare(path.Base(a), path.Base(b)) })
	}
	return out
}

// watch plays a visit.
func (s *suite) watch(an *pipeline.Analyser, v *visit) error {
	geometry, whole := liveness.NewSequence(liveness.LevelDepth, len(v.files)), liveness.NewSequence(liveness.LevelDepth, len(v.files))
	for _, file := range v.files {
		img, err := s.picture("spoof_phone_selfies", file)
		if errors.Is(err, imgproc.ErrPicture) {
			geometry.Miss()
			whole.Miss()
			continue
		} else if err != nil {
			return err
		}
		a, err := an.Picture(img, pipeline.Passive)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if a.Quality == face.NoFace {
			geometry.Miss()
			whole.Miss()
			continue
		}
		v.most = max(v.most, math.Abs(a.Pose.Yaw))
		f := liveness.Frame{Image: img, Mesh: &a.Mesh, Box: a.Face.Box, Scored: true, Fusion: beyondDoubt}
		geometry.Feed(f)
		f.Scored, f.Fusion = scorable(a.Quality), math.NaN()
		if a.Liveness.Ran() {
			f.Fusion = a.Passive.Fusion()
		}
		whole.Feed(f)
	}
	v.geometry, v.whole = geometry.End().Verdict == liveness.Live, whole.End().Verdict == liveness.Live
	return nil
}

// scorable reports whether the door asks the passive score of a face of that quality.
func scorable(q face.Quality) bool {
	return q == face.OK || q == face.Angle || q == face.Occluded || q == face.EyesClosed
}

// A webcamPair is the frames of one person in one light, every two of which are compared.
type webcamPair struct {
	files          []string
	vetoed, judged int
	compared       int
}

// webcamPairs are the live frames of spoof_replay_attack.
func (s *suite) webcamPairs() []*webcamPair {
	if !s.sheets["spoof_replay_attack"].has("client") {
		return nil
	}
	names, groups := grouped(s.live("spoof_replay_attack"), func(r *record) string { return r.labels["client"] + " " + r.labels["light"] })
	var out []*webcamPair
	for _, name := range names {
		p := new(webcamPair)
		for _, r := range groups[name] {
			p.files = append(p.files, r.labels["file"])
		}
		if len(p.files) > 1 {
			out = append(out, p)
		}
	}
	return out
}

// compare shows the depth check every two frames, in both orders.
func (s *suite) compare(an *pipeline.Analyser, p *webcamPair) error {
	var frames []liveness.Frame
	for _, file := range p.files {
		img, err := s.picture("spoof_replay_attack", file)
		if errors.Is(err, imgproc.ErrPicture) {
			continue
		} else if err != nil {
			return err
		}
		a, err := an.Picture(img, 0)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if a.Quality != face.NoFace {
			frames = append(frames, liveness.Frame{Image: img, Mesh: new(a.Mesh), Box: a.Face.Box, Scored: true, Fusion: beyondDoubt})
		}
	}
	p.compared = len(p.files) * (len(p.files) - 1)
	for i, first := range frames {
		for k, second := range frames {
			if i == k {
				continue
			}
			q := liveness.NewSequence(liveness.LevelDepth, 2)
			q.Feed(first)
			r := q.Feed(second)
			if r.Depth.Frontal {
				p.judged++
			}
			if r.Depth.Verdict == liveness.DepthFailed {
				p.vetoed++
			}
		}
	}
	return nil
}

// A shape is how a card is bent.
type shape struct {
	name   string
	radius float64 // in face widths, 0 is flat
}

func shapes() [4]shape {
	return [4]shape{{"flat", 0}, {"bent, radius 1.5 face widths", 1.5}, {"bent, radius 1.0", 1}, {"bent, radius 0.7 (a head is about 0.55)", .7}}
}

// sweep are the angles of single pictures of a card, in degrees; the first is the frontal one.
func sweep() []float64 { return []float64{0, 25, 35, 45, 55, 65} }

// A card that is turned before the camera, frame by frame, 100 ms apart.
const (
	holdFrames = 5   // straight, at first
	turnStep   = 4.  // degrees a frame, 40 a second
	turnMost   = 65. // degrees
)

// A still is a straight portrait, and what came of the cards made of it.
type still struct {
	record         *record
	seed           uint64
	pictures, turn [4]string // by shape: why it was refused, "" where it was accepted
}

// stills are up to n straight portraits of as many people: a third from cameras, the rest
// from LFW at even steps, and more from cameras where LFW has too few.
func (s *suite) stills(n int) []*still {
	var out []*still
	done := map[string]bool{}
	take := func(r *record, who string, most int) {
		if len(out) < most && !done[who] && r.presence > .9 && math.Abs(r.pose.Yaw) < 8 && math.Abs(r.pose.Pitch) < 10 {
			done[who] = true
			out = append(out, &still{record: r, seed: uint64(len(out))})
		}
	}
	cameras := func(most int) {
		for _, set := range []string{"spoof_replay_attack", "spoof_phone_selfies"} {
			for _, r := range s.live(set) {
				take(r, set+r.labels["client"]+r.labels["person"], most)
			}
		}
	}
	cameras(n / 3)
	lfw := s.records["lfw"]
	step := max(1, len(lfw)/max(n, 1))
	for start := range step {
		for i := start; i < len(lfw); i += step {
			take(lfw[i], cmp.Or(identityOf(lfw[i]), lfw[i].labels["file"]), n)
		}
	}
	cameras(n)
	return out
}

// hold holds cards of a still before the camera: in single pictures, each in a light of its
// own, and turned before it.
func (s *suite) hold(an *pipeline.Analyser, st *still) error {
	img, err := s.picture(st.record.set, st.record.labels["file"])
	if err != nil {
		return err
	}
	const w, h, share = 480, 360, .4 // a webcam's small frame, a person at a door
	c, err := card.New(img, st.record.outline, w, h, share)
	if err != nil {
		return fmt.Errorf("%s: %w", st.record.labels["file"], err)
	}
	for k, shape := range shapes() {
		r := rand.New(rand.NewPCG(st.seed, uint64(k)))
		side := float64(1 - 2*r.IntN(2))
		var views []card.View
		for _, angle := range sweep() {
			v := card.View{Radius: shape.radius, Yaw: side * angle, Light: card.RandomLight(r), Background: r.Uint64(), Noise: 3, Seed: r.Uint64(), JPEG: 90}
			if angle > 0 {
				v.Pitch = -4 + 8*r.Float64()
			}
			views = append(views, v)
		}
		if st.pictures[k], err = play(an, c, views); err != nil {
			return err
		}
		v := card.View{Radius: shape.radius, Light: card.RandomLight(r), Background: r.Uint64(), Noise: 3, JPEG: 90}
		tilt := -4 + 8*r.Float64()
		views = views[:0]
		for i := -holdFrames; float64(i)*turnStep < turnMost+turnStep; i++ {
			angle := min(max(0, float64(i)*turnStep), turnMost)
			at := float64(i) / 10
			v.Seed, v.Yaw, v.Pitch = r.Uint64(), side*angle, tilt*min(1, angle/25)
			v.DX, v.DY = 4*math.Sin(3*at), 3*math.Sin(2*at) // an unsteady hand
			views = append(views, v)
		}
		if st.turn[k], err = play(an, c, views); err != nil {
			return err
		}
	}
	return nil
}

// play shows the views of a card as one sequence and says why it was refused, "" where the
// door would have opened.
func play(an *pipeline.Analyser, c *card.Card, views []card.View) (string, error) {
	q := liveness.NewSequence(liveness.LevelDepth, len(views))
	dense := len(views) >= liveness.MinFrames
	for _, v := range views {
		var shot imgproc.Image
		if err := c.Render(&shot, v); err != nil {
			return "", err
		}
		a, err := an.Picture(&shot, 0)
		if err != nil {
			return "", err
		}
		if a.Quality == face.NoFace {
			q.Miss()
			continue
		}
		r := q.Feed(liveness.Frame{Image: &shot, Mesh: &a.Mesh, Box: a.Face.Box, Scored: true, Fusion: beyondDoubt})
		if dense && r.Verdict == liveness.Live {
			return "", nil // a door does not wait for what comes after
		}
	}
	end := q.End()
	if end.Verdict == liveness.Live {
		return "", nil
	}
	return cmp.Or(end.Detail, end.Verdict.String()), nil
}

// depth is what the depth check makes of recordings, of frames without a turn, and of cards.
func (s *suite) depth(ctx context.Context, o Options, pool *pool, visits []*visit, pairs []*webcamPair) ([]section, error) {
	if err := each(ctx, pool, visits, s.watch); err != nil {
		return nil, err
	}
	if err := each(ctx, pool, pairs, s.compare); err != nil {
		return nil, err
	}
	stills := s.stills(o.Cards)
	for range o.Cards - len(stills) {
		pool.stepped() // as was announced
	}
	if err := each(ctx, pool, stills, s.hold); err != nil {
		return nil, err
	}
	return []section{s.recordings(visits), s.still(pairs), s.cards(stills)}, nil
}

func (s *suite) recordings(visits []*visit) section {
	t := section{
		Title: "Depth: recordings of heads (spoof_phone_selfies)",
		Note: "A few pictures of each recording, in name order, judged as analyse --sequence does. Depth cannot tell a recording that is played back from a head: " +
			"the passive score has to.",
		Columns: []string{"recording", "accepted by depth alone", "accepted with the passive score"},
	}
	geometry, whole := func(v *visit) bool { return v.geometry }, func(v *visit) bool { return v.whole }
	for _, g := range []struct {
		name, headline string
		is             func(*visit) bool
	}{
		{fmt.Sprintf("live, turned by %d° or more", turned), fmt.Sprintf("Depth: live recordings with a turn of %d° or more accepted", turned), func(v *visit) bool { return v.live && v.most >= turned }},
		{"live, turned less", "", func(v *visit) bool { return v.live && v.most < turned }},
		{"played back before the camera", "", func(v *visit) bool { return !v.live }},
	} {
		vs := slices.DeleteFunc(slices.Clone(visits), func(v *visit) bool { return !g.is(v) })
		if len(vs) == 0 {
			continue
		}
		t.add(g.name, rateOf(vs, geometry), rateOf(vs, whole))
		if g.headline != "" {
			s.headline(g.headline, rateOf(vs, geometry))
		}
	}
	return t
}

func (s *suite) still(pairs []*webcamPair) section {
	t := section{
		Title:   "Depth: webcam frames without a turn (spoof_replay_attack, live)",
		Note:    "Every two frames of one person in one light, in both orders. A veto here would be a person taken for a picture. Not judged: no face, or none that faces the camera.",
		Columns: []string{"pairs", "vetoed", "not judged"},
	}
	vetoed, judged, compared := 0, 0, 0
	for _, p := range pairs {
		vetoed, judged, compared = vetoed+p.vetoed, judged+p.judged, compared+p.compared
	}
	if compared > 0 {
		t.add(compared, Rate{vetoed, judged}, compared-judged)
		s.rateHeadline("Depth: webcam frames without a turn vetoed", Rate{vetoed, judged})
	}
	return t
}

func (s *suite) cards(stills []*still) section {
	t := section{
		Title: "Depth: cards",
		Note: fmt.Sprintf("Rendered from straight portraits of the suite, one a person. Turned: to %g° at %g° a second, ten frames a second, judged by the door's own rule. Single pictures: at %v degrees, "+
			"each with its own side light and glare, judged by the weaker rule for a handful of pictures, in which one that the mesh misreads suffices. The passive score is not asked. "+
			"Rendered cards say something about geometry, and nothing about paper or displays.", turnMost, 10*turnStep, sweep()),
		Columns: []string{"card", "turned: accepted", "why not the others", "single pictures: accepted", "why not the rest"},
	}
	if len(stills) == 0 {
		return t
	}
	for k, shape := range shapes() {
		turn, turnOthers := outcomes(stills, func(st *still) string { return st.turn[k] })
		single, singleOthers := outcomes(stills, func(st *still) string { return st.pictures[k] })
		t.add(shape.name, turn, turnOthers, single, singleOthers)
		if shape.radius == 0 {
			s.headline("Depth: flat cards accepted, turned before the camera", turn)
			s.headline("Depth: flat cards accepted, by a handful of single pictures", single)
		}
	}
	return t
}

// outcomes counts those that were not refused, and why the others were.
func outcomes(stills []*still, cause func(*still) string) (accepted Rate, others string) {
	refused := map[string]int{}
	accepted.N = len(stills)
	for _, st := range stills {
		if c := cause(st); c == "" {
			accepted.K++
		} else {
			refused[c]++
		}
	}
	return accepted, tally(refused)
}
