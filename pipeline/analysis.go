package pipeline

import (
	"encoding/json"
	"math"

	"facegate/pipeline/cover"
	"facegate/pipeline/face"
	"facegate/pipeline/liveness"
)

// A Score is 0..1, larger = more of what its name says; NaN where the stage did not run,
// which is null in JSON.
type Score float64

// NotRun is the score of a stage that did not run.
func NotRun() Score { return Score(math.NaN()) }

// Ran reports whether the stage ran.
func (s Score) Ran() bool { return !math.IsNaN(float64(s)) }

// MarshalJSON gives four decimals, or null.
func (s Score) MarshalJSON() ([]byte, error) {
	if !s.Ran() {
		return []byte("null"), nil
	}
	return json.Marshal(math.Round(float64(s)*1e4) / 1e4)
}

// Stages says how far a picture is looked into. Every stage needs the ones before it:
// detection, mesh and quality always run.
type Stages uint8

// The optional stages.
const (
	Eyes      Stages = 1 << iota // are they open
	Passive                      // the passive liveness score
	Mask                         // face mask
	Parsing                      // head cover, glasses, occlusion: slow, once a decision
	Embedding                    // the template, one an embedder

	AllStages = Eyes | Passive | Mask | Parsing | Embedding
)

// A Vector is the embedding of an embedder that was added to an Analyser.
type Vector struct {
	Model  string
	Vector []float32 // unit length
}

// An Analysis is what the pipeline sees in one picture. It is reused: valid until the
// Analyser's next call.
type Analysis struct {
	Width, Height int          // of the picture, pixels
	Faces         int          // that the detectors found
	Quality       face.Quality // face.OK, or the first thing that is wrong

	// The face that was chosen: the largest, the middle of the picture counting. What
	// follows is meaningful unless Quality is face.NoFace.
	Face       face.Detection
	Mesh       face.Mesh
	Pose       face.Pose
	Blur       float64 // 0 sharp .. 1 blurred
	Brightness float64 // 0..1, mean luma of the face

	EyesOpen  Score
	Liveness  Score           // passive; 0.5 is the threshold
	Passive   liveness.Scores // its parts, where it ran
	Cover     cover.Result    // where Mask or Parsing ran
	Embedding []float32       // unit length; nil where none was made
	Older     []Vector        // of the embedders that were added, where they made one
}
