// Package eval measures the pipeline on labelled pictures and says how sure the figures are.
//
// A suite is a directory of sets, each with a labels.csv (see docs/evaluation.md). Every
// picture goes through the same [pipeline.Analyser] as at the door. Each rate is reported as
// k/n with its 95 % Wilson interval, attacks by species with the worst first, and no average
// hides one: ISO/IEC 30107-3 judges a liveness check by its worst species. Pictures in which
// no face was found are counted, never dropped in silence. What the suite has no labels for
// is left out of the report.
//
// The package only reads pictures. It keeps embeddings in memory while it runs and writes
// none. [Run] uses as many goroutines as it is told to and waits for all of them.
package eval

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"facegate/pipeline"
	"facegate/pipeline/cover"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/match"
)

// Options say what is measured.
type Options struct {
	Suite       string                             // directory of the sets
	Open        func() (*pipeline.Analyser, error) // one a worker; Run closes them
	Calibration *match.Calibration                 // of the embedder
	Masked      *match.Calibration                 // of two faces behind masks; nil: these never match
	Workers     int                                // analysers side by side; 1 if 0
	Step        func(done, of int)                 // told of progress by one goroutine at a time, may be nil
	Sets        []string                           // only these, all where empty
	Every       int                                // look at every n-th picture of a set only, for a trial run; 1 if 0
	Cards       int                                // stills that are made cards of, for the depth check; none if 0
}

// A record is what the pipeline made of one labelled picture.
type record struct {
	set    string
	labels row
	faces  int

	quality   face.Quality
	pose      face.Pose
	presence  float64
	outline   imgproc.Box
	fusion    float64 // passive liveness
	live      pipeline.Score
	eyes      pipeline.Score
	cover     cover.Result
	embedding []float32
}

// found reports whether a detector saw a face.
func (r *record) found() bool { return r.faces > 0 }

// faceless reports whether, after looking at what the detectors saw, there was no face.
func (r *record) faceless() bool { return r.quality == face.NoFace || r.quality == face.ImageError }

// A suite is one run over a directory.
type suite struct {
	dir     string
	model   string
	sheets  map[string]*sheet    // the labels, whole
	records map[string][]*record // what was looked at
	drawn   []*record            // pictures of lfw with masks drawn on
	figures []figure             // of the summary
}

// A figure is one line of the summary.
type figure struct {
	name  string
	value any
}

// headline puts a figure into the summary.
func (s *suite) headline(name string, value any) { s.figures = append(s.figures, figure{name, value}) }

// rateHeadline leaves rates of nothing out.
func (s *suite) rateHeadline(name string, r Rate) {
	if r.N > 0 {
		s.headline(name, r)
	}
}

// stages says what is asked of the pictures of each set.
func stages() map[string]pipeline.Stages {
	const recognise = pipeline.Embedding
	return map[string]pipeline.Stages{
		"lfw":                 recognise | pipeline.Eyes | pipeline.Passive | pipeline.Mask | pipeline.Parsing,
		"spoof_replay_attack": recognise | pipeline.Eyes | pipeline.Passive,
		"spoof_phone_selfies": pipeline.Passive,
		"spoof_mixed":         pipeline.Passive,
		"mask_states":         recognise | pipeline.Mask | pipeline.Parsing,
		"mask_wild":           recognise | pipeline.Mask | pipeline.Parsing,
		"head_helmet":         pipeline.Mask | pipeline.Parsing,
		"head_lfw":            pipeline.Mask | pipeline.Parsing,
		"eyes_closed":         pipeline.Eyes,
		"capture_failures":    pipeline.Eyes | pipeline.Mask | pipeline.Parsing,
		"id_docs":             0,
	}
}

// Sets names the sets that a suite may have, in the order of the report.
func Sets() []string {
	return []string{
		"lfw", "spoof_replay_attack", "spoof_phone_selfies", "spoof_mixed", "mask_states", "mask_wild",
		"head_helmet", "head_lfw", "eyes_closed", "capture_failures", "id_docs",
	}
}

// Errors of Run besides those of models and files.
var (
	ErrNoSuite = errors.New("no labelled sets") // the directory holds none of them
	ErrSet     = errors.New("unknown set")      // Options.Sets names one that does not exist
)

// Run measures everything the suite has labels for. Labels that do not fit the pictures are
// an error wrapping [ErrLabels], before anything is measured.
func Run(ctx context.Context, o Options) (*Report, error) {
	for _, set := range o.Sets {
		if !slices.Contains(Sets(), set) {
			return nil, fmt.Errorf("%w %q", ErrSet, set)
		}
	}
	s, work, err := read(o)
	if err != nil {
		return nil, err
	}
	pool, err := newPool(o)
	if err != nil {
		return nil, err
	}
	s.model = pool.analysers[0].Model()
	rep, err := s.measure(ctx, o, pool, work)
	if err := errors.Join(err, pool.close()); err != nil {
		return nil, err
	}
	rep.Pictures, rep.Every = len(work), max(o.Every, 1)
	return rep, nil
}

// read reads the labels and says which pictures are to be looked at.
func read(o Options) (*suite, []*record, error) {
	s := &suite{dir: o.Suite, sheets: map[string]*sheet{}, records: map[string][]*record{}}
	var work []*record
	for _, set := range Sets() {
		t, err := labels(s.dir, set)
		if err != nil {
			return nil, nil, err
		}
		s.sheets[set] = t
		if len(o.Sets) > 0 && !slices.Contains(o.Sets, set) {
			continue
		}
		for i, labels := range t.rows {
			if i%max(o.Every, 1) == 0 {
				r := &record{set: set, labels: labels}
				s.records[set] = append(s.records[set], r)
				work = append(work, r)
			}
		}
	}
	if len(work) == 0 {
		return nil, nil, fmt.Errorf("%s: %w: expected folders such as lfw with a labels.csv", o.Suite, ErrNoSuite)
	}
	return s, work, nil
}

func (s *suite) measure(ctx context.Context, o Options, pool *pool, work []*record) (*Report, error) {
	visits, pairs, drawn := s.visits(), s.webcamPairs(), s.drawnOn()
	pool.of = len(work) + len(visits) + len(pairs) + len(drawn) + o.Cards
	if err := each(ctx, pool, work, s.look); err != nil {
		return nil, err
	}
	if err := each(ctx, pool, drawn, s.draw); err != nil {
		return nil, err
	}
	rep := &Report{Suite: filepath.Base(o.Suite), Model: s.model}
	rep.sections = append(rep.sections, s.detection(), s.quality())
	recognition, err := s.recognition(o.Calibration)
	if err != nil {
		return nil, err
	}
	rep.sections = append(rep.sections, recognition...)
	rep.sections = append(rep.sections, s.attacks(), s.living())
	depth, err := s.depth(ctx, o, pool, visits, pairs)
	if err != nil {
		return nil, err
	}
	rep.sections = append(rep.sections, depth...)
	rep.sections = append(rep.sections, s.masks(), s.maskStates(), s.maskedFaces(), s.ownFace(o), s.behindMasks(o))
	strangers, err := s.maskedStrangers(o)
	if err != nil {
		return nil, err
	}
	equipment, err := s.equipment(o)
	if err != nil {
		return nil, err
	}
	rep.sections = append(rep.sections, strangers, s.heads(), s.glasses(), equipment, s.eyes())
	summary := section{Title: "Summary", Columns: []string{"figure", "measured"}}
	for _, f := range s.figures {
		summary.add(f.name, f.value)
	}
	rep.sections = slices.Insert(rep.sections, 0, summary)
	rep.sections = slices.DeleteFunc(rep.sections, func(t section) bool { return len(t.Rows) == 0 })
	return rep, nil
}

// picture reads a picture of the suite; the error wraps [imgproc.ErrPicture] where the file
// is none.
func (s *suite) picture(set, file string) (*imgproc.Image, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, set, file))
	if err != nil {
		return nil, err
	}
	return imgproc.Decode(data)
}

// look fills in what the pipeline sees.
func (s *suite) look(an *pipeline.Analyser, r *record) error {
	r.live, r.eyes, r.cover = pipeline.NotRun(), pipeline.NotRun(), cover.NotRun()
	img, err := s.picture(r.set, r.labels["file"])
	if errors.Is(err, imgproc.ErrPicture) {
		r.quality = face.ImageError
		return nil
	} else if err != nil {
		return err
	}
	a, err := an.Picture(img, stages()[r.set])
	if err != nil {
		return fmt.Errorf("%s: %w", path.Join(r.set, r.labels["file"]), err)
	}
	r.faces, r.quality = a.Faces, a.Quality
	r.live, r.eyes, r.cover = a.Liveness, a.EyesOpen, a.Cover
	if a.Faces > 0 {
		r.pose, r.presence, r.outline = a.Pose, a.Mesh.Presence, a.Mesh.Outline()
	}
	r.fusion = a.Passive.Fusion()
	r.embedding = slices.Clone(a.Embedding)
	return nil
}
