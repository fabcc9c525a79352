// Package eval measures the pipeline on labelled pictures and says how sure the figures are.
//
// A suite is a directory of sets, each with a labels.csv (see docs/evaluation.md). Every
// picture goes through the same [pipeline.Analyser] as at the door. Each rate is reported as
// k/n with its 95 % Wilson interval, attacks by species with the worst first, and no average
// hides one: ISO/IEC 30107-3 judges a liveness check by its worst species. Pictures in which
// no face was found are counted, never dropped in silence.
//
// The package only reads pictures. It keeps embeddings in memory while it runs and writes
// none.
package eval

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

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
	Workers     int                                // analysers side by side; 1 if 0
	Step        func(done, of int)                 // told of progress, may be nil
	Sets        []string                           // only these, all where empty
	Every       int                                // look at every n-th row of a set only, for a quick look; 1 if 0
}

// A record is what the pipeline made of one labelled picture.
type record struct {
	set    string
	labels row
	faces  int

	quality       face.Quality
	width, height int
	box           imgproc.Box
	fusion        float64 // passive liveness
	live          pipeline.Score
	eyes          pipeline.Score
	cover         cover.Result
	embedding     []float32
}

func (r *record) found() bool { return r.faces > 0 }

// A suite is one run over a directory.
type suite struct {
	dir     string
	model   string
	records map[string][]*record
}

// stages says what is asked of the pictures of each set.
func stages() map[string]pipeline.Stages {
	const recognise = pipeline.Embedding
	return map[string]pipeline.Stages{
		"lfw":                 recognise | pipeline.Eyes | pipeline.Passive | pipeline.Mask | pipeline.Parsing,
		"spoof_replay_attack": recognise | pipeline.Eyes | pipeline.Passive,
		"spoof_phone_selfies": recognise | pipeline.Passive,
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

// sets is the order of the report.
func sets() []string {
	return []string{
		"lfw", "spoof_replay_attack", "spoof_phone_selfies", "spoof_mixed", "mask_states", "mask_wild",
		"head_helmet", "head_lfw", "eyes_closed", "capture_failures", "id_docs",
	}
}

// ErrNoSuite means that a directory holds none of the sets.
var ErrNoSuite = errors.New("no labelled sets")

// Run measures everything the suite has labels for.
func Run(ctx context.Context, o Options) (*Report, error) {
	s := &suite{dir: o.Suite, records: map[string][]*record{}}
	var work []*record
	for _, set := range sets() {
		if len(o.Sets) > 0 && !slices.Contains(o.Sets, set) {
			continue
		}
		rows, err := s.labels(set)
		if err != nil {
			return nil, err
		}
		for i, labels := range rows {
			if i%max(o.Every, 1) == 0 {
				r := &record{set: set, labels: labels}
				s.records[set] = append(s.records[set], r)
				work = append(work, r)
			}
		}
	}
	if len(work) == 0 {
		return nil, fmt.Errorf("%s: %w: expected folders such as lfw with a labels.csv", o.Suite, ErrNoSuite)
	}
	if err := s.analyse(ctx, o, work); err != nil {
		return nil, err
	}
	rep := &Report{Suite: filepath.Base(o.Suite), Model: s.model, Pictures: len(work)}
	rep.sections = append(rep.sections, s.detection(), s.quality())
	recognition, err := s.recognition(o.Calibration)
	if err != nil {
		return nil, err
	}
	rep.sections = append(rep.sections, recognition...)
	rep.sections = append(rep.sections, s.attacks(), s.living(), s.masks(), s.maskStates(), s.maskedFaces(), s.heads(), s.glasses(), s.eyes())
	rep.sections = slices.DeleteFunc(rep.sections, func(t section) bool { return len(t.Rows) == 0 })
	return rep, nil
}

// analyse looks into every picture, with several analysers side by side.
func (s *suite) analyse(ctx context.Context, o Options, work []*record) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, done atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range max(o.Workers, 1) {
		an, err := o.Open()
		if err != nil {
			cancel(err)
			break
		}
		s.model = an.Model()
		wg.Go(func() {
			defer func() {
				if err := an.Close(); err != nil {
					cancel(err)
				}
			}()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(work) {
					return
				}
				if err := s.look(an, work[i]); err != nil {
					cancel(fmt.Errorf("%s: %w", pictureID(work[i].set, work[i].labels["file"]), err))
					return
				}
				if n := int(done.Add(1)); o.Step != nil {
					mu.Lock()
					o.Step(n, len(work))
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (s *suite) look(an *pipeline.Analyser, r *record) error {
	data, err := os.ReadFile(filepath.Join(s.dir, r.set, r.labels["file"]))
	if err != nil {
		return err
	}
	img, err := imgproc.Decode(data)
	if errors.Is(err, imgproc.ErrPicture) {
		r.quality = face.ImageError
		return nil
	} else if err != nil {
		return err
	}
	a, err := an.Picture(img, stages()[r.set])
	if err != nil {
		return err
	}
	r.faces, r.quality, r.width, r.height, r.box = a.Faces, a.Quality, a.Width, a.Height, a.Face.Box
	r.live, r.eyes, r.cover = a.Liveness, a.EyesOpen, a.Cover
	r.fusion = a.Passive.Fusion()
	r.embedding = slices.Clone(a.Embedding)
	return nil
}
