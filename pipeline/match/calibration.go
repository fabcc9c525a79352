package match

import (
	"errors"
	"fmt"
	"math"
)

// ErrCalibration says that points do not make a calibration.
var ErrCalibration = errors.New("calibration points are not usable")

// A Point is one measured point of an embedder's false-match curve: the share FMR of all
// comparisons between two people reached Cosine or more.
type Point struct {
	FMR    float64 // above 0, below 1
	Cosine float64 // above 0, below 1
}

// A Calibration gives the cosine of one embedder a meaning: a false-match rate (FMR) and a
// score, 0..100, that says the same for every embedder. It is built from measured points
// and immutable; the zero value matches nothing.
//
// Between points the score and the logarithm of the rate are linear in the cosine. Below
// the first point they run to score 0 and FMR 1 at cosine 0, where two strangers lie on
// average. Beyond the last point the score runs to 100 at cosine 1, and the rate goes on
// falling by a decade every so much cosine, the wider of the last two measured steps a
// decade: an extrapolation that errs towards the higher rate as long as the curve falls as
// steeply as before. Results outside the measured points are flagged as beyond.
type Calibration struct {
	points []Point
	decade float64 // cosine per decade of FMR beyond the last point
}

// CalibrationFromPoints returns the calibration through at least two measured points, FMR
// falling and cosine rising from each to the next. It copies them. Anything else is an
// error wrapping [ErrCalibration].
func CalibrationFromPoints(points []Point) (*Calibration, error) {
	if len(points) < 2 {
		return nil, fmt.Errorf("calibrate from %d points: %w", len(points), ErrCalibration)
	}
	c := &Calibration{points: append([]Point(nil), points...)}
	last := Point{FMR: 1}
	for i, p := range points {
		// Written so that NaN fails.
		if !(p.FMR > 0 && p.FMR < last.FMR && p.Cosine > last.Cosine && p.Cosine < 1) {
			return nil, fmt.Errorf("calibrate: FMR %g at cosine %g after FMR %g at %g: %w", p.FMR, p.Cosine, last.FMR, last.Cosine, ErrCalibration)
		}
		if i >= max(1, len(points)-2) {
			c.decade = max(c.decade, (p.Cosine-last.Cosine)/(decades(p.FMR)-decades(last.FMR)))
		}
		last = p
	}
	return c, nil
}

// scoreOfFMR is the scale every score is on: 1e-2 is 50, 1e-3 70, 1e-4 80, 1e-5 90, 1e-6
// 95. Below FMR 1e-6 each decade halves what is missing to 100, above 1e-2 the scale runs
// straight to 0 at FMR 1; both in the logarithm of the rate.
func scoreOfFMR(fmr float64) float64 {
	steps := [...]float64{0, 25, 50, 70, 80, 90, 95} // at FMR 1, 1e-1 ... 1e-6
	d := max(0, decades(fmr))
	if n := len(steps) - 1; d >= float64(n) {
		return 100 - (100-steps[n])*math.Exp2(float64(n)-d)
	}
	i := int(d)
	return lerp(d, float64(i), float64(i+1), steps[i], steps[i+1])
}

// Score is the calibrated similarity of a cosine, 0..100, never falling as the cosine
// rises. NaN scores 0.
func (c *Calibration) Score(cosine float64) float64 {
	if !(cosine > 0) || len(c.points) == 0 {
		return 0
	}
	var x0, s0 float64
	for _, p := range c.points {
		s1 := scoreOfFMR(p.FMR)
		if cosine <= p.Cosine {
			return lerp(cosine, x0, p.Cosine, s0, s1)
		}
		x0, s0 = p.Cosine, s1
	}
	return min(100, lerp(cosine, x0, 1, s0, 100))
}

// Cosine is the least cosine whose score is the given one, the inverse of Score: 0 for
// scores of 0 and less, 1 for 100, above 1, which no comparison reaches, for more and NaN.
func (c *Calibration) Cosine(score float64) float64 {
	if score <= 0 {
		return 0
	}
	if !(score <= 100) || len(c.points) == 0 {
		return math.Inf(1)
	}
	var x0, s0 float64
	for _, p := range c.points {
		s1 := scoreOfFMR(p.FMR)
		if score <= s1 {
			return lerp(score, s0, s1, x0, p.Cosine)
		}
		x0, s0 = p.Cosine, s1
	}
	if score == 100 {
		return 1
	}
	return lerp(score, s0, 100, x0, 1)
}

// FMR estimates the share of comparisons between two people that reach a cosine. Beyond is
// set where the cosine lies outside the measured points. NaN has rate 1.
func (c *Calibration) FMR(cosine float64) (rate float64, beyond bool) {
	if !(cosine > 0) || len(c.points) == 0 {
		return 1, true
	}
	last := Point{FMR: 1}
	for i, p := range c.points {
		if cosine <= p.Cosine {
			return math.Pow(10, -lerp(cosine, last.Cosine, p.Cosine, decades(last.FMR), decades(p.FMR))), i == 0 && cosine < p.Cosine
		}
		last = p
	}
	return last.FMR * math.Pow(10, -(cosine-last.Cosine)/c.decade), true
}

// cosineOfFMR is the inverse of FMR. It may exceed 1, which no comparison reaches.
func (c *Calibration) cosineOfFMR(rate float64) (cosine float64, beyond bool) {
	if !(rate > 0) || len(c.points) == 0 {
		return math.Inf(1), true
	}
	last := Point{FMR: 1}
	for i, p := range c.points {
		if rate >= p.FMR {
			return lerp(decades(rate), decades(last.FMR), decades(p.FMR), last.Cosine, p.Cosine), i == 0 && rate > p.FMR
		}
		last = p
	}
	return last.Cosine + (decades(rate)-decades(last.FMR))*c.decade, true
}

// decades is how many powers of ten a rate lies below 1.
func decades(rate float64) float64 { return -math.Log10(rate) }

// lerp is the straight line through (x0, y0) and (x1, y1) at x, x0 <= x <= x1, exact at
// both ends and never outside them.
func lerp(x, x0, x1, y0, y1 float64) float64 {
	switch {
	case x <= x0:
		return y0
	case x >= x1:
		return y1
	}
	y := y0 + (x-x0)/(x1-x0)*(y1-y0)
	return min(max(y, min(y0, y1)), max(y0, y1))
}
