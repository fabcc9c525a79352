// Package access is the rules: who may pass which door when, and why not.
//
// It is pure: no clock, no disk, no hardware. A [Sighting] says what the camera knows, a
// [Policy] decides, a [Decision] explains itself, an [Event] is the record of it. Every
// type's zero value refuses: an unset liveness, threshold, policy or outcome opens nothing.
// No function panics, whatever it is given; a score that is not a number denies.
//
// Values are plain data and may be read from any goroutine as long as nobody changes them;
// a Policy is never changed once made, a new one replaces it.
//
// Names of people stay inside [Person]. Decisions and events carry ids only.
package access

import (
	"errors"
	"time"
)

// Conditions the keepers of people and templates report.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrTooMany  = errors.New("too many")
	ErrInvalid  = errors.New("invalid")
)

// MainDoor is the one door of a site without a policy.
const MainDoor = "main"

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
	Detail    string  // which part of the liveness check refused, in a word; may be empty
	Matches   []Match // best first, at most one a person; empty where liveness failed
	Threshold Threshold
	Mask      string            // mask_state
	Head      string            // head_cover
	MaskScore *float64          // 0..1, nil where the stage did not run
	HeadScore *float64          // 0..1, nil where the stage did not run
	Models    map[string]string // role to id of the models that took part
}

// A Threshold is what a match is held against. The zero value matches nobody.
type Threshold struct {
	Score  float64 // least calibrated score of the first match, above 0
	Margin float64 // least distance, in cosine, between the first and second person
}
