// Package liveness decides whether the face before the camera is a person or a picture of one.
//
// Two kinds of evidence exist. The passive score ([Passive], averaged by an [Average]) looks
// at single frames with three networks; it stops careless attacks and nobody should rest a
// door on it. Depth ([Depth]) watches a head turn: the nose moves against the cheeks as it
// cannot on a flat print or a tablet. A [Session] combines both at the [Level] a site has
// chosen and says what the person should do next.
//
// Nothing here reads a clock: the caller passes the time of every frame. Everything fails
// closed: a measure that is not there, or not a number, never counts for the person. What
// geometry cannot see is said in docs/liveness.md: a replayed video of a turning head, a
// print wrapped tightly round a head, an avatar that answers prompts.
//
// Left and right of a [Direction] are the person's own, as a prompt says them; the picture
// is taken to be unmirrored. Types are not safe for concurrent use.
package liveness

import (
	"errors"
	"fmt"
)

// ErrUnavailable means that liveness could not be judged: a network failed, or what it was
// given or gave is not a number. It is never evidence for a person.
var ErrUnavailable = errors.New("liveness is unavailable")

// A Level is what a site asks of a face before it counts as live.
type Level string

// The levels. What each one stops, with figures, is in docs/liveness.md.
const (
	LevelPassive   Level = "passive"   // the passive score alone; weak
	LevelDepth     Level = "depth"     // and a turn of the head that shows depth
	LevelChallenge Level = "challenge" // and the turn in a direction drawn at random
)

// ParseLevel is the level of that name.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case LevelPassive, LevelDepth, LevelChallenge:
		return l, nil
	}
	return "", fmt.Errorf("liveness level %q: want passive, depth or challenge", s)
}

// A Direction is a way to turn the head, as the person sees it.
type Direction uint8

// The directions; the zero value means any.
const (
	AnyDirection Direction = iota
	Left
	Right
	Up
	Down
)

func (d Direction) String() string {
	return [...]string{"any", "left", "right", "up", "down"}[min(d, Down)]
}
