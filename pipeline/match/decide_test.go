package match

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestThreshold(t *testing.T) {
	c := sideBySide(t)
	tests := []struct {
		name              string
		n                 int
		fpir, policyScore float64
		cosine, fpirGot   float64
		beyond            bool
	}{
		{"one template: the policy's score rules", 1, DefaultFPIR, DefaultPolicyScore, .3922, 1e-4, false},
		{"an empty gallery counts as one", 0, DefaultFPIR, DefaultPolicyScore, .3922, 1e-4, false},
		{"a hundred", 100, DefaultFPIR, DefaultPolicyScore, .4475, 1e-3, false},
		{"a stricter policy than the target needs", 100, DefaultFPIR, 95, .5148, 1e-4, false},
		{"beyond what was measured", 10_000, DefaultFPIR, DefaultPolicyScore, .5148 + .0673, 1e-3, true},
		{"a policy beyond what was measured", 1, DefaultFPIR, 97.5, (.5148 + 1) / 2, math.NaN(), true},
		{"a lax target meets the policy", 1000, 1, 0, .3166, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := c.Threshold(tt.n, tt.fpir, tt.policyScore)
			if !near(got.Cosine, tt.cosine) || got.Beyond != tt.beyond || got.N != tt.n || !near(got.Score, c.Score(got.Cosine)) {
				t.Errorf("%+v, want cosine %v, beyond %v", got, tt.cosine, tt.beyond)
			}
			if !math.IsNaN(tt.fpirGot) && math.Abs(got.FPIR/tt.fpirGot-1) > 1e-6 {
				t.Errorf("FPIR %v, want %v", got.FPIR, tt.fpirGot)
			}
		})
	}
}

// More templates, a smaller target or a stricter policy never lower the threshold, and it
// never lies below what the policy asks for.
func TestThresholdIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalibration(t)
		n := rapid.IntRange(0, 1_000_000).Draw(t, "n")
		more := rapid.IntRange(n, 2_000_000).Draw(t, "more")
		fpir := rapid.Float64Range(1e-6, 1).Draw(t, "fpir")
		policy := rapid.Float64Range(0, 100).Draw(t, "policy")
		a := c.Threshold(n, fpir, policy)
		for _, b := range []Threshold{
			c.Threshold(more, fpir, policy),
			c.Threshold(n, fpir/2, policy),
			c.Threshold(n, fpir, min(100, policy+5)),
		} {
			if b.Cosine < a.Cosine {
				t.Fatalf("%+v is below %+v", b, a)
			}
		}
		if a.Score < policy-1e-6 {
			t.Fatalf("%+v is below the policy's %v", a, policy)
		}
		if want := math.Min(1, float64(max(n, 1))*a.FMR); a.FPIR != want || a.FPIR > fpir*(1+1e-6) {
			t.Fatalf("%+v: FPIR over the target %v", a, fpir)
		}
	})
}

func TestThresholdFailsClosed(t *testing.T) {
	identical := &Result{Candidates: []Candidate{{"a", 1}}}
	var none Calibration
	for name, th := range map[string]Threshold{
		"no target":       sideBySide(t).Threshold(10, 0, 80),
		"negative target": sideBySide(t).Threshold(10, -1, 80),
		"NaN target":      sideBySide(t).Threshold(10, math.NaN(), 80),
		"NaN policy":      sideBySide(t).Threshold(10, 1e-3, math.NaN()),
		"policy over 100": sideBySide(t).Threshold(10, 1e-3, 101),
		"no calibration":  none.Threshold(10, 1e-3, 80),
	} {
		if got := Decide(identical, th, 0); got != Unknown {
			t.Errorf("%s: %+v lets an identical face be %v", name, th, got)
		}
	}
}

func TestDecide(t *testing.T) {
	th := Threshold{Cosine: .5}
	tests := []struct {
		name       string
		candidates []Candidate
		threshold  Threshold
		margin     float64
		want       Outcome
	}{
		{"an empty gallery", nil, th, .1, Unknown},
		{"nobody near", []Candidate{{"a", .49}, {"b", .1}}, th, .1, Unknown},
		{"two near but below", []Candidate{{"a", .49}, {"b", .48}}, th, .1, Unknown},
		{"at the threshold", []Candidate{{"a", .5}, {"b", .4}}, th, .0999, Matched},
		{"a runner-up too near", []Candidate{{"a", .9}, {"b", .85}}, th, .1, Ambiguous},
		{"a runner-up below the threshold but near", []Candidate{{"a", .52}, {"b", .48}}, th, .1, Ambiguous},
		{"the only person", []Candidate{{"a", .6}}, th, .1, Matched},
		{"a tie without a margin", []Candidate{{"a", .6}, {"b", .6}}, th, 0, Matched},
		{"NaN cosine", []Candidate{{"a", math.NaN()}}, th, .1, Unknown},
		{"NaN threshold", []Candidate{{"a", 1}}, Threshold{Cosine: math.NaN()}, .1, Unknown},
		{"NaN margin", []Candidate{{"a", 1}, {"b", 0}}, th, math.NaN(), Ambiguous},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Decide(&Result{Candidates: tt.candidates}, tt.threshold, tt.margin); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
