package access

import (
	"fmt"
	"math"
)

// lifeless is why the face is not taken for a living one, or "".
func (s *Sighting) lifeless() (Reason, string) {
	switch {
	case s.Liveness == Spoof:
		return ReasonSpoof, fmt.Sprintf("not a living face at level %q", s.Level)
	case s.Liveness != Live:
		return ReasonLivenessUnavailable, fmt.Sprintf("liveness could not be judged at level %q", s.Level)
	case !(s.Score >= 0 && s.Score <= 1):
		return ReasonLivenessUnavailable, "the liveness score is not a number from 0 to 1"
	}
	return "", ""
}

// nearBand is how far below the threshold a score counts as a failure of the person it is
// nearest to.
const nearBand = 10

// identify is why the first match is not accepted, or "". It fills in match, margin and whom
// a stranger was nearly taken for.
func (s *Sighting) identify(least float64, d *Decision) (Reason, string) {
	if len(s.Matches) == 0 {
		return ReasonUnknownPerson, "nobody enrolled is alike"
	}
	for _, m := range s.Matches {
		if !(m.Score >= 0 && m.Score <= 100 && m.Cosine >= -1.01 && m.Cosine <= 1.01) {
			return ReasonUnknownPerson, "a match score is not a number in its range"
		}
	}
	first := s.Matches[0]
	d.Scores.Match = new(first.Score)
	distance, second := math.Inf(1), false
	for _, m := range s.Matches[1:] {
		if m.Person != first.Person {
			distance, second = min(distance, first.Cosine-m.Cosine), true
		}
	}
	if second {
		d.Scores.Margin = new(distance)
	}
	margin := s.Threshold.Margin
	switch {
	case !(least > 0 && least <= 100 && margin >= 0 && margin <= 2):
		return ReasonUnknownPerson, "there is no usable threshold"
	case first.Score < least:
		if first.Score >= least-nearBand {
			d.Near = first.Person
		}
		return ReasonUnknownPerson, fmt.Sprintf("the best score %.1f is below %.1f", first.Score, least)
	case second && (distance <= 0 || distance < margin):
		return ReasonAmbiguous, fmt.Sprintf("two people are %.3f apart, less than %.3f", distance, margin)
	}
	return "", ""
}

// fraction is a copy of x where it is a number from 0 to 1, else nil.
func fraction(x *float64) *float64 {
	if x == nil || !(*x >= 0 && *x <= 1) {
		return nil
	}
	return new(*x)
}
