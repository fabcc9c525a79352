package pipeline

import (
	"errors"
	"fmt"
	"strings"

	"facegate/models"
	"facegate/pipeline/cover"
	"facegate/pipeline/embed"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
	"facegate/pipeline/liveness"
)

// The stages that always run. They are not asked for; [Analyser.Examine] says that they failed.
const (
	Detecting Stages = 1 << (5 + iota)
	Landmarks
)

// StageOf is what a model of a role is needed for, 0 for a role that the pipeline does not have.
func StageOf(role string) Stages {
	switch role {
	case "mask":
		return Mask
	case "helmet", "parsing":
		return Parsing
	case "mesh":
		return Landmarks
	case "iris":
		return Eyes
	}
	switch kind, _, _ := strings.Cut(role, "_"); kind {
	case "detect":
		return Detecting
	case "live":
		return Passive
	case "embed":
		return Embedding
	}
	return 0
}

// Roles are those of a manifest's models that an Analyser with an embedder uses.
func Roles(list *models.List, embedder string) []string {
	var roles []string
	for _, e := range list.Entries {
		if e.Kind == models.KindModel && StageOf(e.Role)&^Embedding != 0 {
			roles = append(roles, e.Role)
		}
	}
	if e, ok := list.Embedder(embedder); ok {
		roles = append(roles, e.Roles...)
	}
	return roles
}

// errLacking means that the part of an Analyser could not be loaded.
var errLacking = errors.New("its model is not loaded")

// A stageError is a failure of one stage.
type stageError struct {
	stage Stages
	doing string
	err   error
}

func (e *stageError) Error() string { return fmt.Sprintf("%s: %v", e.doing, e.err) }
func (e *stageError) Unwrap() error { return e.err }

// OpenParts is Open for pictures that are worth looking at as far as it goes: a part that
// cannot be loaded is left out. The Analyser is never nil, and the caller closes it; where the error is
// not nil, which names all that is left out, only [Analyser.Examine] may be used.
func OpenParts(load litert.Loader, embedder string) (*Analyser, error) {
	an := &Analyser{limits: face.DefaultLimits()}
	var errs [6]error
	an.detector, errs[0] = face.NewDetector(load)
	an.mesher, errs[1] = face.NewMesher(load)
	an.eyes, errs[2] = face.NewEyes(load)
	an.passive, errs[3] = liveness.NewPassive(load)
	an.cover, errs[4] = cover.New(load)
	an.embedder, errs[5] = embed.New(load, embedder)
	if an.embedder != nil {
		an.vector = make([]float32, an.embedder.Dim())
	}
	return an, errors.Join(errs[:]...)
}

// Embeds reports whether the Analyser makes templates, which [Analyser.Model] then names.
func (an *Analyser) Embeds() bool { return an.embedder != nil }

// Examine is [Analyser.Picture] for one that must be answered for whatever fails: it goes on
// without the stages that do. It says which those are, among them [Detecting] and [Landmarks],
// without which nothing is known of a face; a score that is no number counts as a failure too. A
// quality that rests on a stage that failed is never [face.OK] but [face.ImageError]. The error says why,
// for a log. Where pause is set it is called before each of the stages; an error of its own ends the
// examination and is returned with all stages as failed.
func (an *Analyser) Examine(img *imgproc.Image, st Stages, pause func() error) (*Analysis, Stages, error) {
	const everything = AllStages | Detecting | Landmarks
	if pause == nil {
		pause = func() error { return nil }
	}
	an.picture.SetImage(img)
	an.still = true
	defer func() { an.still = false }()
	a := &an.a
	var failed Stages
	var errs []error
	fail := func(err error, asked Stages) {
		if e, ok := errors.AsType[*stageError](err); ok {
			asked = e.stage
		}
		failed |= asked
		errs = append(errs, err)
	}
	if err := pause(); err != nil {
		return a, everything, err
	}
	if err := an.locate(); err != nil {
		fail(err, Detecting)
	}
	switch {
	case failed&(Detecting|Landmarks) != 0:
		a.Quality = face.ImageError
		return a, failed, errors.Join(errs...)
	case failed != 0:
		an.judge() // no bare face, and what may cover it is not known
	}
	if a.Quality == face.NoFace {
		return a, failed, errors.Join(errs...)
	}
	for _, stage := range [...]Stages{Mask | Parsing, Eyes, Passive, Embedding} {
		if st&stage == 0 {
			continue
		}
		if err := pause(); err != nil {
			return a, everything, err
		}
		if err := an.describe(st & stage); err != nil {
			fail(err, st&stage)
		}
	}
	if st&Passive != 0 && !a.Liveness.Ran() {
		failed |= Passive
	}
	if st&Embedding != 0 && a.Embedding == nil {
		failed |= Embedding
	}
	if failed&(Mask|Parsing|Eyes) != 0 && a.Quality == face.OK {
		a.Quality = face.ImageError
	}
	return a, failed, errors.Join(errs...)
}
