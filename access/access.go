// Package access is the rules: who may pass which door when, and why not.
//
// It is pure: no clock, no disk, no hardware. A [Sighting] says what the camera knows, a
// [Policy] decides, a [Decision] explains itself. Events are the append-only record.
package access

import "time"

// A Kind says what an event is about; a Reason why a person was refused. Both are fixed
// from outside (docs/architecture.md).
type (
	Kind   string
	Reason string
)

// Liveness is what the liveness check found.
type Liveness uint8

// The outcomes of the liveness check. Anything but Live denies.
const (
	LivenessUnavailable Liveness = iota // it could not be judged: the zero value denies
	Spoof
	Live
)

// A Match is one person's best score in a 1:N search.
type Match struct {
	Person string  // person id
	Score  float64 // calibrated, 0..100
	Cosine float64
}

// A Sighting is what the pipeline knows when a track settles.
type Sighting struct {
	At        time.Time
	Quality   string // a quality code; "ok" where a face could be judged
	Liveness  Liveness
	Level     string  // liveness level that was asked for
	Score     float64 // liveness score 0..1
	Matches   []Match // best first, at most one a person; empty where liveness failed
	Threshold Threshold
	Mask      string   // mask_state
	Head      string   // head_cover
	Models    []string // ids of the models that took part
}

// A Threshold is what a match is held against.
type Threshold struct {
	Score  float64 // least calibrated score of the first match
	Margin float64 // least distance, in cosine, between the first and second person
}
