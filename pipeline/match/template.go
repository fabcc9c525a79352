// Package match finds who a face belongs to: exact 1:N search over templates, the
// calibrated score of a cosine, and the decision whether the best person is the person.
//
// A [Template] is an embedding of unit length together with the id of the embedder that
// made it. The cosine of two templates means something only within one embedder, so every
// comparison of two ids is [ErrModel], never a score. A vector that is zero, not finite or
// not of unit length is [ErrVector]; none can be added or searched, so none can match.
//
// A cosine becomes a score, a false-match rate and a threshold through the embedder's
// [Calibration]. The threshold of a 1:N search rises with the number of templates, because
// every template is one more chance for a stranger.
//
// Search is exhaustive: no index, no approximation, ties broken by person id, so an answer
// depends on the templates and not on the order in which they were added. A [Gallery] is
// safe for concurrent use; the other types are values. Templates are biometric data:
// they format as their embedder and length only.
package match

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
)

// Errors a caller may branch on.
var (
	// ErrModel says that templates of two embedders, or of two lengths, met.
	ErrModel = errors.New("template is of another embedder")
	// ErrVector says that a vector is zero, not finite or not of unit length.
	ErrVector = errors.New("template is not a vector of unit length")
)

// normTolerance is how far the squared length of a template may be from 1. Templates kept
// as float32 are within 1e-6, as 16-bit floats within 1e-3.
const normTolerance = 2e-3

// A Template is one face as one embedder sees it.
type Template struct {
	Model  string    // the embedder's id, not empty
	Vector []float32 // unit length; lent to the functions of this package, never kept
	// Masked says that the face was behind a mask. A [Gallery] keeps such templates apart; in a
	// probe and in Compare it is not looked at.
	Masked bool
}

// Check returns an error wrapping [ErrModel] for a template without an embedder or numbers,
// [ErrVector] for one whose vector is not finite or not of unit length.
func (t Template) Check() error {
	if t.Model == "" || len(t.Vector) == 0 {
		return fmt.Errorf("check template of embedder %q with %d numbers: %w", t.Model, len(t.Vector), ErrModel)
	}
	var sum float64
	for _, v := range t.Vector {
		sum += float64(v) * float64(v)
	}
	// Written so that a NaN sum fails.
	if !(math.Abs(sum-1) <= normTolerance) {
		return fmt.Errorf("check template of squared length %g: %w", sum, ErrVector)
	}
	return nil
}

// LogValue hides the numbers: they are a biometric.
func (t Template) LogValue() slog.Value { return slog.StringValue(t.String()) }

// String names the embedder and the length of the vector, not its numbers.
func (t Template) String() string { return fmt.Sprintf("template %s/%d", t.Model, len(t.Vector)) }

// Compare is the cosine of two templates, -1..1: the 1:1 comparison. It returns an error
// wrapping [ErrModel] or [ErrVector] where there is no such number.
func Compare(a, b Template) (float64, error) {
	if err := a.Check(); err != nil {
		return 0, err
	}
	if err := b.Check(); err != nil {
		return 0, err
	}
	if a.Model != b.Model || len(a.Vector) != len(b.Vector) {
		return 0, fmt.Errorf("compare %v with %v: %w", a, b, ErrModel)
	}
	var score [1]float32
	dots(score[:], a.Vector, b.Vector)
	return clampCosine(score[0]), nil
}

// clampCosine undoes what rounding and normTolerance may add beyond -1..1.
func clampCosine(c float32) float64 { return min(1, max(-1, float64(c))) }
