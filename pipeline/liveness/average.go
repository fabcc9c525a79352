package liveness

import "math"

const (
	window = 5 // frames the passive score is averaged over
	quorum = 3 // scored frames it needs
)

// An Average is the mean fusion over the last five frames of one track. The zero value is
// empty. A door decides on it, never on a single frame.
type Average struct {
	fusion [window]float64 // NaN where the frame could not be scored
	n      int             // frames since Reset
}

// Reset forgets the track.
func (a *Average) Reset() { a.n = 0 }

// Add takes in one frame's fusion; NaN or an infinity marks a frame without a score, which
// still takes its place among the five.
func (a *Average) Add(fusion float64) {
	if math.IsInf(fusion, 0) {
		fusion = math.NaN()
	}
	a.fusion[a.n%window] = fusion
	a.n++
}

// Mean is the mean fusion; it reports false while fewer than three of the last five frames
// have a score.
func (a *Average) Mean() (float64, bool) {
	sum, scored := 0., 0
	for _, f := range a.fusion[:min(a.n, window)] {
		if !math.IsNaN(f) {
			sum += f
			scored++
		}
	}
	if scored < quorum {
		return math.NaN(), false
	}
	return sum / float64(scored), true
}

// Full reports whether five frames have been seen, scored or not.
func (a *Average) Full() bool { return a.n >= window }
