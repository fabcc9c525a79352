package liveness

import "math"

const (
	window = 5 // frames the passive score is averaged over
	quorum = 3 // scored frames it needs
)

// An Average is the mean fusion over the last five frames of one track. The zero value is
// empty. A door decides on it, never on a single frame.
type Average struct {
	fusion [window]float64 // NaN where the frame has no score
	failed [window]bool    // it should have had one
	n      int             // frames since Reset
}

// Reset forgets the track.
func (a *Average) Reset() { a.n = 0 }

// Add takes in one frame's fusion. NaN or an infinity says that the score failed.
func (a *Average) Add(fusion float64) {
	bad := math.IsInf(fusion, 0) || math.IsNaN(fusion)
	if bad {
		fusion = math.NaN()
	}
	a.put(fusion, bad)
}

// Skip takes in a frame that was not scored, for its quality. It takes its place among the
// five.
func (a *Average) Skip() { a.put(math.NaN(), false) }

func (a *Average) put(fusion float64, failed bool) {
	a.fusion[a.n%window], a.failed[a.n%window] = fusion, failed
	a.n++
}

// Mean is the mean fusion; it is NaN and false while fewer than three of the last five frames
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

// Failed reports whether so many of the last five scores failed that there can be no mean.
func (a *Average) Failed() bool {
	n := 0
	for _, f := range a.failed[:min(a.n, window)] {
		if f {
			n++
		}
	}
	return n > window-quorum
}

// Full reports whether five frames have been seen, scored or not.
func (a *Average) Full() bool { return a.n >= window }
