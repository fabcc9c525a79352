// Package cover judges what lies before a face or on a head: a mask and how it is worn, a
// helmet or another head cover, sunglasses, something before nose and mouth.
//
// Three models take part. AIZOOTech's FaceMaskDetection says whether there is a mask. A face
// parser (BiSeNetV2 trained on CelebAMask-HQ) labels the pixels of two crops; shares of its
// labels in bands of the face mesh say whether the head is covered, whether glasses are
// there and whether nose and mouth are seen. A small hard-hat classifier, weak alone, tells
// helmets from other head covers where the parser saw one. docs/cover.md has the measured
// rates, and what the models cannot tell.
//
// All scores are 0..1, larger = more of what the name says, with the decision at 0.5; NaN
// where a stage has not run. What cannot be told is Unknown: neither true nor false, and a
// rule that asks for a mask or a helmet is not met by it.
//
// The parser is the dearest network of the pipeline, so a caller runs the stages that its
// policy asks for, once a decision and not once a frame. A [Cover] allocates nothing per call
// and is not safe for concurrent use.
package cover

import (
	"errors"
	"fmt"
	"math"

	"facegate/models"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

// ErrFace says that a face or mesh has no extent, or numbers that are not finite.
var ErrFace = errors.New("face has no usable geometry")

// A MaskState says how a mask is worn. The words are fixed from outside.
type MaskState string

// Mask states.
const (
	MaskUnknown MaskState = "unknown"
	MaskNone    MaskState = "none"
	MaskFull    MaskState = "full"     // over nose and mouth
	MaskNoseOut MaskState = "nose_out" // over the mouth, the nose is seen
	MaskChin    MaskState = "chin"     // below the mouth; never given, see docs/cover.md
)

// A HeadCover says what is on the head. The words are fixed from outside.
type HeadCover string

// Head covers.
const (
	HeadUnknown HeadCover = "unknown" // the head above the brows is cut off, or of what kind the cover is cannot be told
	HeadNone    HeadCover = "none"
	HeadHelmet  HeadCover = "helmet"
	HeadOther   HeadCover = "other" // cap, hat, scarf, turban
)

// A Result is what is known about one face. [NotRun] is where to begin; the stages fill in
// their part.
type Result struct {
	Mask      float64 // a mask over the mouth
	MaskState MaskState

	Head      float64 // any head cover; NaN also where the head above the brows is cut off
	Helmet    float64 // a helmet; never more than Head
	HeadCover HeadCover

	Sunglasses float64
	Occluded   float64 // the strongest of the occlusions; a mask is none
	Occlusion  Occlusion
}

// NotRun is a result no stage has added to.
func NotRun() Result {
	nan := math.NaN()
	return Result{
		Mask: nan, MaskState: MaskUnknown,
		Head: nan, Helmet: nan, HeadCover: HeadUnknown,
		Sunglasses: nan, Occluded: nan,
	}
}

// An Occlusion is the set of things that hide parts of a face.
type Occlusion uint8

// Occlusions.
const (
	Sunglasses  Occlusion = 1 << iota // dark glasses
	NoseMouth                         // nose and mouth are hidden by something that is no mask
	FaceCovered                       // there is a head but no bare face under it, and no mask
)

// Names lists the set's members by their words: "sunglasses", "nose_mouth", "face". An
// empty set is an empty list, not nil.
func (o Occlusion) Names() []string {
	names := []string{}
	for i, n := range [...]string{"sunglasses", "nose_mouth", "face"} {
		if o&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// occlude records one kind of occlusion with its score.
func (r *Result) occlude(kind Occlusion, score float64) {
	r.Occlusion &^= kind
	if score >= .5 {
		r.Occlusion |= kind
	}
	if !(r.Occluded >= score) { // also where it has not run
		r.Occluded = score
	}
}

// A Cover holds the models of every stage.
type Cover struct {
	mask    masker
	helmet  helmeter
	parsing parser
}

// New loads the models of the roles "mask", "helmet" and "parsing". One that the site left
// out is no error: what it would tell stays NaN and Unknown.
func New(load litert.Loader) (*Cover, error) {
	c := &Cover{}
	var errs []error
	for _, part := range []func(litert.Loader) error{c.mask.load, c.helmet.load, c.parsing.load} {
		if err := part(load); err != nil && !errors.Is(err, models.ErrUnknownRole) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(fmt.Errorf("load cover models: %w", err), c.Close())
	}
	return c, nil
}

// Close frees the models. It is safe to call twice.
func (c *Cover) Close() error {
	var err error
	for _, m := range []*litert.Model{c.mask.model, c.helmet.model, c.parsing.model} {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
	}
	return err
}

// Judge runs every stage on the face d of img with its mesh m.
func (c *Cover) Judge(img *imgproc.Image, d *face.Detection, m *face.Mesh) (Result, error) {
	r := NotRun()
	err := c.Mask(img, d, &r)
	if err == nil {
		err = c.Face(img, d, m, &r)
	}
	if err == nil {
		err = c.Glasses(img, d, m, &r)
	}
	if err != nil {
		return NotRun(), err
	}
	return r, nil
}

// open loads the model of a role that takes a square of pixels and has the given number of
// outputs.
func open(load litert.Loader, role string, side, outputs int) (*litert.Model, error) {
	m, err := load(role)
	if err != nil {
		return nil, err
	}
	in := m.Inputs()
	if len(in) != 1 || len(m.Outputs()) != outputs || len(in[0].Shape) != 4 || in[0].Shape[1] != side || in[0].Shape[2] != side || in[0].Shape[3] != 3 {
		return nil, errors.Join(fmt.Errorf("%s does not take %d x %d pixels", role, side, side), m.Close())
	}
	return m, nil
}

// check refuses boxes that no crop can be made of.
func check(d *face.Detection) error {
	b := d.Box
	// Written so that NaN fails.
	if !(b.W() > 0 && b.H() > 0 && b.W() < 1e6 && b.H() < 1e6 && math.Abs(b.X0) < 1e6 && math.Abs(b.Y0) < 1e6) {
		return fmt.Errorf("judge face of %g x %g pixels: %w", b.W(), b.H(), ErrFace)
	}
	return nil
}

// around maps a measure onto 0..1, straight from 0 at low through 0.5 at the threshold to 1
// at high.
func around(v, low, threshold, high float64) float64 {
	if v < threshold {
		return max(0, .5*(v-low)/(threshold-low))
	}
	return min(1, .5+.5*(v-threshold)/(high-threshold))
}
