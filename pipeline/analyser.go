package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"facegate/pipeline/cover"
	"facegate/pipeline/embed"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
)

// An Analyser looks into single pictures with all models. It is the one path from pixels to
// facts: the door, enrolment, the command line and the accuracy report go through it. One
// goroutine uses it; it allocates nothing per picture once warm.
type Analyser struct {
	detector *face.Detector
	mesher   *face.Mesher
	eyes     *face.Eyes
	passive  *liveness.Passive
	cover    *cover.Cover
	embedder *embed.Embedder
	older    []*older
	limits   face.Limits

	meter      face.Meter
	picture    imgproc.Picture
	candidates []face.Detection
	surface    face.Surface
	finding    face.Finding
	vector     []float32
	a          Analysis
	still      bool // search as hard as can be: there is no next frame
}

// Open loads every model of the pipeline; embedder is an id of the manifest, "" its default.
// What could not be loaded is one error that names all of it.
func Open(load litert.Loader, embedder string) (*Analyser, error) {
	an, err := OpenParts(load, embedder)
	if err != nil {
		return nil, errors.Join(err, an.Close())
	}
	return an, nil
}

// An older embedder of an Analyser, and room for what it makes.
type older struct {
	*embed.Embedder
	vector []float32
}

// AddEmbedder lets the Analyser make templates of another embedder as well, one that was used
// before, so that who is enrolled with it is recognised until everybody has a template of
// [Analyser.Model]. model is that of the templates. One whose networks are not those of the
// manifest any more is an error wrapping [match.ErrModel]; one that is there already is none.
func (an *Analyser) AddEmbedder(load litert.Loader, model string) error {
	if an.embedderOf(model) != nil {
		return nil
	}
	id, _, _ := strings.Cut(model, "@")
	if id == "" {
		return fmt.Errorf("add embedder %q: %w", model, match.ErrModel)
	}
	e, err := embed.New(load, id)
	if err != nil {
		return fmt.Errorf("add embedder: %w", err)
	}
	if e.Model() != model {
		return errors.Join(fmt.Errorf("add embedder %q: the manifest's is %s: %w", model, e.Model(), match.ErrModel), e.Close())
	}
	an.older = append(an.older, &older{e, make([]float32, e.Dim())})
	return nil
}

// DropEmbedder frees an embedder that was added; one that is not there is no error.
func (an *Analyser) DropEmbedder(model string) error {
	i := slices.IndexFunc(an.older, func(o *older) bool { return o.Model() == model })
	if i < 0 {
		return nil
	}
	err := an.older[i].Close()
	an.older = slices.Delete(an.older, i, i+1)
	an.a.Older = nil
	return err
}

// embedderOf is the embedder that makes templates of a model, or nil.
func (an *Analyser) embedderOf(model string) *embed.Embedder {
	if an.embedder != nil && model == an.embedder.Model() {
		return an.embedder
	}
	for _, o := range an.older {
		if o.Model() == model {
			return o.Embedder
		}
	}
	return nil
}

// Close frees the models. It is safe to call twice.
func (an *Analyser) Close() error {
	var errs []error
	if an.detector != nil {
		errs = append(errs, an.detector.Close())
	}
	if an.mesher != nil {
		errs = append(errs, an.mesher.Close())
	}
	if an.eyes != nil {
		errs = append(errs, an.eyes.Close())
	}
	if an.passive != nil {
		errs = append(errs, an.passive.Close())
	}
	if an.cover != nil {
		errs = append(errs, an.cover.Close())
	}
	if an.embedder != nil {
		errs = append(errs, an.embedder.Close())
	}
	for _, o := range an.older {
		errs = append(errs, o.Close())
	}
	return errors.Join(errs...)
}

// Model is the id of the embedder: templates of another id cannot be compared with what this
// Analyser makes.
func (an *Analyser) Model() string { return an.embedder.Model() }

// UseTurbo lets libjpeg-turbo decode a camera's MJPEG frames. Pictures from elsewhere never
// go through it. It stays the caller's, to be closed after the Analyser.
func (an *Analyser) UseTurbo(t *imgproc.Turbo) { an.picture.Turbo = t }

// Embedder is the embedder's id in the manifest.
func (an *Analyser) Embedder() string { return an.embedder.ID() }

// Dim is the length of its embeddings.
func (an *Analyser) Dim() int { return an.embedder.Dim() }

// Release lets go of the picture that was looked into last, which would be held until the next.
func (an *Analyser) Release() { an.picture.SetImage(&imgproc.Image{}) }

// Picture looks into a still as far as the stages say. Stages after quality run on every face
// that was found, whatever its quality code, so that a report can judge each by itself; an
// embedding is made wherever there is a face. The result is valid until the next call. An
// error means that a model failed, never that the picture is bad.
func (an *Analyser) Picture(img *imgproc.Image, st Stages) (*Analysis, error) {
	an.picture.SetImage(img)
	an.still = true
	defer func() { an.still = false }()
	if err := an.locate(); err != nil {
		return nil, err
	}
	if an.a.Quality != face.NoFace {
		if err := an.describe(st); err != nil {
			return nil, err
		}
	}
	return &an.a, nil
}

// locate finds the face and judges what detection, mesh and surface tell. Afterwards either
// Quality is NoFace, or Face, Mesh, Pose, Blur and Brightness are filled in.
func (an *Analyser) locate() error {
	a := &an.a
	*a = Analysis{
		Width: an.picture.W, Height: an.picture.H, Quality: face.NoFace, Older: a.Older[:0],
		EyesOpen: NotRun(), Liveness: NotRun(), Cover: cover.NotRun(),
	}
	an.finding = face.Finding{W: a.Width, H: a.Height, EyesOpen: math.NaN()}
	var found, all []face.Detection
	err := errLacking
	switch {
	case an.detector == nil:
	case an.still:
		found, all, err = an.detector.Search(&an.picture)
	default:
		found, err = an.detector.Detect(&an.picture)
		all = found
	}
	if err != nil {
		return &stageError{Detecting, "detect faces", err}
	}
	a.Faces = max(len(found), len(all))
	an.finding.Faces = all
	an.candidates = append(an.candidates[:0], found...)
	for i := range maxCandidates {
		picked := face.Pick(an.candidates, a.Width, a.Height)
		if picked == nil {
			return nil
		}
		a.Face = *picked
		if err := an.settle(); err != nil {
			return err
		}
		if i > 0 && a.Mesh.Presence < an.limits.Presence {
			a.Quality = face.NoFace // a second choice must be a face beyond doubt
		}
		if a.Quality != face.NoFace {
			return nil
		}
		// What the detector took for a face is none; somebody may stand beside it.
		an.candidates = slices.DeleteFunc(an.candidates, func(d face.Detection) bool { return d == a.Face })
	}
	return nil
}

// maxCandidates is how many detections of one picture are looked into.
const maxCandidates = 3

// settle fits the mesh to a.Face and judges what can be judged at once.
func (an *Analyser) settle() error {
	a, img := &an.a, an.picture.RGB()
	an.finding.Face, an.finding.Coverage, a.Cover = &a.Face, face.CoverUnknown, cover.NotRun()
	err := errLacking
	if an.mesher != nil {
		err = an.mesher.Fit(img, &a.Face, &a.Mesh)
	}
	if err != nil {
		return &stageError{Landmarks, "fit mesh", err}
	}
	a.Pose = a.Mesh.Pose()
	an.surface = an.meter.Measure(img, &a.Mesh)
	a.Blur, a.Brightness = an.surface.Blur, an.surface.Brightness
	an.finding.Mesh, an.finding.Surface = &a.Mesh, &an.surface
	if a.Mesh.Presence < an.limits.Presence {
		// Not a bare face. Whether it is a masked one or none at all only the mask network knows.
		return an.covered(Mask)
	}
	an.judge()
	return nil
}

// judge brings the quality code up to what is known.
func (an *Analyser) judge() { an.a.Quality = an.limits.Judge(&an.finding) }

// describe runs the optional stages on the face that locate found.
func (an *Analyser) describe(st Stages) error {
	if st&(Mask|Parsing) != 0 {
		if err := an.covered(st); err != nil {
			return err
		}
	}
	if st&Eyes != 0 {
		if err := an.open(); err != nil {
			return err
		}
	}
	if st&Passive != 0 {
		if err := an.alive(); err != nil {
			return err
		}
	}
	if st&Embedding == 0 {
		return nil
	}
	if err := an.embed(); err != nil {
		return err
	}
	return an.embedOlder(func(string) bool { return true })
}

// worn judges what is worn over mouth and nose and on the head. It leaves the quality code as
// it is.
func (an *Analyser) worn(st Stages) error {
	a, img := &an.a, an.picture.RGB()
	if an.cover == nil {
		return &stageError{st & (Mask | Parsing), "judge cover", errLacking}
	}
	if st&Mask != 0 && math.IsNaN(a.Cover.Mask) {
		if err := an.cover.Mask(img, &a.Face, &a.Cover); err != nil {
			return &stageError{Mask, "judge mask", err}
		}
	}
	if st&Parsing != 0 {
		if err := an.cover.Face(img, &a.Face, &a.Mesh, &a.Cover); err != nil {
			return &stageError{Parsing, "judge occlusion", err}
		}
	}
	return nil
}

// covered is worn, and whether something hides the face, which the quality code tells.
func (an *Analyser) covered(st Stages) error {
	a, img := &an.a, an.picture.RGB()
	if err := an.worn(st); err != nil {
		return err
	}
	if st&Parsing != 0 {
		if err := an.cover.Glasses(img, &a.Face, &a.Mesh, &a.Cover); err != nil {
			return &stageError{Parsing, "judge head cover", err}
		}
	}
	switch {
	case a.Cover.Occlusion != 0:
		an.finding.Coverage = face.CoverOther
	case a.Cover.Mask >= .5:
		an.finding.Coverage = face.CoverMask
	default:
		an.finding.Coverage = face.CoverNone
	}
	an.judge()
	return nil
}

func (an *Analyser) open() error {
	if an.eyes == nil {
		return &stageError{Eyes, "judge eyes", errLacking}
	}
	open, err := an.eyes.Open(an.picture.RGB(), &an.a.Mesh)
	if err != nil {
		return &stageError{Eyes, "judge eyes", err}
	}
	an.a.EyesOpen, an.finding.EyesOpen = Score(open), open
	an.judge()
	return nil
}

// alive scores the face. A network that gives no number leaves the score at NotRun, which
// counts against the person; it is no reason to stop looking.
func (an *Analyser) alive() error {
	if an.passive == nil {
		return &stageError{Passive, "score liveness", errLacking}
	}
	s, err := an.passive.Score(an.picture.RGB(), &an.a.Mesh)
	if errors.Is(err, liveness.ErrUnavailable) {
		return nil
	}
	if err != nil {
		return &stageError{Passive, "score liveness", err}
	}
	an.a.Passive, an.a.Liveness = s, Score(s.Score())
	return nil
}

func (an *Analyser) embed() error {
	if an.embedder == nil {
		return &stageError{Embedding, "embed face", errLacking}
	}
	err := an.embedder.Embed(an.picture.RGB(), an.a.Mesh.Five(), an.vector)
	if errors.Is(err, embed.ErrNoVector) || errors.Is(err, litert.ErrNotFinite) {
		an.a.Embedding = nil
		return nil
	}
	if err != nil {
		return &stageError{Embedding, "embed face", err}
	}
	an.a.Embedding = an.vector
	return nil
}

// embedOlder makes the templates of the older embedders that are wanted. A face that one of
// them makes none of has none of it.
func (an *Analyser) embedOlder(wanted func(model string) bool) error {
	an.a.Older = an.a.Older[:0]
	for _, o := range an.older {
		if !wanted(o.Model()) {
			continue
		}
		err := o.Embed(an.picture.RGB(), an.a.Mesh.Five(), o.vector)
		if errors.Is(err, embed.ErrNoVector) || errors.Is(err, litert.ErrNotFinite) {
			continue
		}
		if err != nil {
			return fmt.Errorf("embed face with an older embedder: %w", err)
		}
		an.a.Older = append(an.a.Older, Vector{o.Model(), o.vector})
	}
	return nil
}
