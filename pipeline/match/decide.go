package match

import "math"

// DefaultFPIR is how often a stranger may be taken for somebody enrolled: one search in a
// thousand.
const DefaultFPIR = 1e-3

// DefaultPolicyScore is the least score that a 1:1 comparison asks for where the policy
// names none, FMR 1e-4.
const DefaultPolicyScore = 80

// DefaultMargin is the least distance in cosine between the first and the second person.
//
// Measured on LFW with both embedders side by side (539 people with two templates each,
// 464 probes of them, 306 strangers): none of the 460 probes over the FMR 1e-5 threshold
// and 1 of the 464 over the FMR 1e-4 threshold had a runner-up this near, while 1 of 4 and
// 16 of 23 strangers over those thresholds did. A person enrolled under two ids is always
// ambiguous.
const DefaultMargin = 0.10

// A Threshold is what the best person of a search is held against.
type Threshold struct {
	Cosine float64 // least cosine of the best person; above 1 nobody can match
	Score  float64 // the same on the calibrated scale
	FMR    float64 // estimated false-match rate of one comparison at Cosine
	FPIR   float64 // estimated share of strangers' searches that reach Cosine: N x FMR, at most 1
	N      int     // templates searched
	// Beyond says that FMR and FPIR are extrapolated past what was measured.
	Beyond bool
}

// Threshold is the threshold of a search among n templates that takes at most the share
// fpir of strangers for somebody, but never less than what the 1:1 policy score asks for.
//
// FPIR is about n x FMR, every template being one chance. On LFW (1 078 templates, 306
// strangers, both embedders side by side) that predicts 33 strangers over the FMR 1e-4
// threshold and 3.3 over the 1e-5 threshold; 23 and 4 were seen. The rate needed for a
// target of 1e-3 passes what 1.7 million pairs can measure (1e-6) at 1 000 templates: the
// threshold goes on rising, its rates are extrapolated, and Beyond says so.
//
// An fpir that is not above 0, or is NaN, gives a threshold that nobody reaches.
func (c *Calibration) Threshold(n int, fpir, policyScore float64) Threshold {
	cosine, _ := c.cosineOfFMR(min(1, fpir/float64(max(n, 1))))
	// max is NaN if either is; NaN must refuse everybody, as Inf does.
	cosine = max(cosine, c.Cosine(policyScore))
	if math.IsNaN(cosine) {
		cosine = math.Inf(1)
	}
	t := Threshold{Cosine: cosine, Score: c.Score(cosine), N: n}
	t.FMR, t.Beyond = c.FMR(cosine)
	t.FPIR = min(1, float64(max(n, 1))*t.FMR)
	return t
}

// An Outcome is what a search says about the face. The zero value names nobody.
type Outcome uint8

// Outcomes.
const (
	Unknown   Outcome = iota // nobody reaches the threshold
	Ambiguous                // somebody does, but another person is nearly as like
	Matched                  // the first candidate is the person
)

// String is the word of the audit trail.
func (o Outcome) String() string {
	switch o {
	case Ambiguous:
		return "ambiguous"
	case Matched:
		return "match"
	default:
		return "unknown"
	}
}

// Decide says whether the first candidate of a search is the person. A face below the
// threshold is unknown, however far its runner-up; one above it is ambiguous unless the
// second person is at least margin below. NaN in the threshold or the margin never matches.
func Decide(r *Result, t Threshold, margin float64) Outcome {
	if len(r.Candidates) == 0 || !(r.Candidates[0].Cosine >= t.Cosine) {
		return Unknown
	}
	if len(r.Candidates) > 1 && !(r.Margin() >= margin) {
		return Ambiguous
	}
	return Matched
}

// Margin is the distance in cosine between the first and the second person: 2, the widest
// there is, for an only person, and 0 for nobody.
func (r *Result) Margin() float64 {
	switch len(r.Candidates) {
	case 0:
		return 0
	case 1:
		return 2
	}
	return r.Candidates[0].Cosine - r.Candidates[1].Cosine
}
