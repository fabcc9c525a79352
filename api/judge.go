package api

import (
	"context"
	"math"

	"facegate/access"
	"facegate/pipeline/face"
	"facegate/store"
)

// A Judge says what a posted picture shows. It is safe for concurrent use: pictures are looked
// at one after the other, behind the camera's. An error is an [*Error] of code Busy where that
// takes longer than the context or the judge allows; what is wrong with a picture or with a
// model is in the Look.
type Judge interface {
	// Look analyses a JPEG or PNG.
	Look(ctx context.Context, picture []byte, want Want) (*Look, error)
	// Compare is the calibrated similarity of two templates, 0..1. The error wraps match.ErrModel
	// for templates of two models.
	Compare(a, b Template) (float64, error)
	// Sighting is what a look tells of who is at a door, by the door's own rules of recognising.
	Sighting(l *Look) (access.Sighting, error)
	// Search finds the enrolled people a template is like, best first, at most n.
	Search(ctx context.Context, t Template, n int) ([]Candidate, error)
	// Enrol keeps the template of a look as a person's, as [kiosk.Enroller.Keep] does.
	Enrol(ctx context.Context, act store.Act, person string, l *Look, allowDuplicate bool, also func(tx *store.Tx, template string) error) (store.Template, error)
}

// Want says what is looked for beside the face and its quality.
type Want uint8

// What may be wanted.
const (
	WantLiveness Want = 1 << iota
	WantQuality       // eyes, mask, head cover, occlusion: without it Quality says nothing of them
	WantTemplate      // whatever the quality, where a face was found
)

// A Fault is why a picture cannot be looked at.
type Fault uint8

// The faults.
const (
	NoFault     Fault = iota
	Undecodable       // no JPEG or PNG
	Unusable          // too small a side, too many pixels, or not 8-bit grey or RGB
)

// A Stage is a part of the pipeline that may fail by itself.
type Stage uint8

// The stages.
const (
	StageDetect Stage = 1 << iota
	StageLandmarks
	StageEyes
	StageLiveness
	StageCover
	StageEmbed
)

// A Look is what a picture shows. It is the caller's.
type Look struct {
	Fault      Fault
	Failed     Stage // stages whose models are missing, may not be used or failed
	Unlicensed Stage // stages whose models may not be used, whether they were wanted or not
	Quality    face.Quality
	Faces      int
	Width      int // of the picture as it is looked at: a large one is reduced
	Height     int
	Box        [4]float64 // left, top, right, bottom, pixels
	Yaw        float64    // degrees
	Pitch      float64
	Blur       float64 // 0 sharp .. 1 blurred

	Live      access.Liveness // Unavailable where it was not wanted, could not be judged, or quality forbids
	LiveScore float64         // 0..1

	Occluded *float64 // 0..1, 1 = covered; nil where not looked at
	Mask     *float64
	Head     *float64
	MaskSeen string // mask_state
	HeadSeen string // head_cover

	Template Template // empty where none was made
}

// maxYaw is how far a face may be turned, in degrees, to be compared with others.
const maxYaw = 25

// Turned reports whether the face is turned too far to be compared, whatever its quality: a caller
// who can have another picture asks for it.
func (l *Look) Turned() bool { return !(math.Abs(l.Yaw) <= maxYaw) }

// A Template is a face as one embedder sees it. It prints as its model only.
type Template struct {
	Model  string
	Vector []float32 // unit length
	Masked bool
	// Older are templates of the same face by embedders that were used before, where people are
	// enrolled with them. They are for Search and Enrol alone: nobody keeps them.
	Older []Template
}

// String is the model, so that a vector is never printed.
func (t Template) String() string { return "template of " + t.Model }

// A Candidate is a person whom a template is like.
type Candidate struct {
	Person string
	Score  float64 // calibrated, 0..1
}
