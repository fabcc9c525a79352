package eval

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The intervals of 81/263, 15/148, 0/20 and 1/29 are those of Newcombe (1998), method 3.
func TestWilson(t *testing.T) {
	for _, tt := range []struct {
		rate   Rate
		lo, hi float64
	}{
		{Rate{81, 263}, .2553, .3662},
		{Rate{15, 148}, .0624, .1605},
		{Rate{0, 20}, 0, .1611},
		{Rate{1, 29}, .0061, .1718},
		{Rate{20, 20}, 1 - .1611, 1},
		{Rate{0, 0}, 0, 1},
	} {
		lo, hi := tt.rate.Wilson()
		if math.Abs(lo-tt.lo) > 6e-5 || math.Abs(hi-tt.hi) > 6e-5 {
			t.Errorf("%d/%d: got %.4f to %.4f, want %.4f to %.4f", tt.rate.K, tt.rate.N, lo, hi, tt.lo, tt.hi)
		}
	}
}

func TestWilsonHoldsTheShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2_000_000).Draw(t, "n")
		r := Rate{rapid.IntRange(0, n).Draw(t, "k"), n}
		lo, hi := r.Wilson()
		if !(0 <= lo && lo <= r.Share() && r.Share() <= hi && hi <= 1 && lo < hi) {
			t.Errorf("%d/%d: %g lies outside %g to %g", r.K, r.N, r.Share(), lo, hi)
		}
		mlo, mhi := (Rate{n - r.K, n}).Wilson()
		if math.Abs(mlo-(1-hi)) > 1e-12 || math.Abs(mhi-(1-lo)) > 1e-12 {
			t.Errorf("%d/%d: the interval of the others is %g to %g, want the mirror of %g to %g", r.K, r.N, mlo, mhi, lo, hi)
		}
	})
}

func TestRatesAreReadable(t *testing.T) {
	for _, tt := range []struct {
		got, want string
	}{
		{Rate{2, 46}.String(), "2/46 = 4.35 % (1.2–14.5)"},
		{Rate{0, 918}.String(), "0/918 = 0 % (0–0.42)"},
		{Rate{125, 126}.String(), "125/126 = 99.21 % (95.6–99.86)"},
		{Rate{19, 19}.String(), "19/19 = 100 % (83.2–100)"},
		{Rate{18, 1_707_006}.String(), "18/1707006 = 0.0011 % (0.00067–0.0017)"},
		{falseMatch{18, 1_707_006}.String(), "18/1707006 = 1.05e-05 (6.67e-06–1.67e-05)"},
		{falseMatch{0, 4048}.String(), "0/4048 = 0 (0–9.48e-04)"},
		{Rate{}.String(), "0/0"},
		{falseMatch{}.String(), "0/0"},
		{decimal{math.NaN(), 3}.String(), "–"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestAUC(t *testing.T) {
	for _, tt := range []struct {
		pos, neg []float64
		want     float64
	}{
		{[]float64{1, 2, 3}, []float64{0, 2}, .75}, // of 6 pairs 4 are right and one is a tie
		{[]float64{5, 5}, []float64{5, 5, 5}, .5},
		{[]float64{2, 3}, []float64{1}, 1},
		{[]float64{1}, []float64{2, 3}, 0},
	} {
		if got := auc(tt.pos, tt.neg); got != tt.want {
			t.Errorf("auc(%v, %v): got %g, want %g", tt.pos, tt.neg, got, tt.want)
		}
	}
	if v := auc(nil, []float64{1}); !math.IsNaN(v) {
		t.Errorf("without positives: got %g, want NaN", v)
	}
	if v := auc([]float64{1}, nil); !math.IsNaN(v) {
		t.Errorf("without negatives: got %g, want NaN", v)
	}
}

func TestAUCIsTheShareOfPairs(t *testing.T) {
	scores := rapid.SliceOfN(rapid.Map(rapid.IntRange(-5, 5), func(i int) float64 { return float64(i) / 4 }), 1, 20)
	rapid.Check(t, func(t *rapid.T) {
		pos, neg := scores.Draw(t, "pos"), scores.Draw(t, "neg")
		want := 0.
		for _, p := range pos {
			for _, n := range neg {
				switch {
				case p > n:
					want++
				case p == n:
					want += .5
				}
			}
		}
		want /= float64(len(pos) * len(neg))
		if got := auc(pos, neg); math.Abs(got-want) > 1e-12 {
			t.Errorf("got %g, want %g", got, want)
		}
	})
}

// The threshold lets through as many as the rate allows, ties aside, and not one more.
func TestImpostorThreshold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOfN(rapid.Float32Range(-1, 1), 1, 300).Draw(t, "scores")
		if rapid.Bool().Draw(t, "ties") {
			for i := range scores {
				scores[i] = float32(math.Round(float64(scores[i])*4) / 4)
			}
		}
		fmr := rapid.SampledFrom([]float64{.5, .1, .01, .003}).Draw(t, "fmr")
		var im impostors
		for _, v := range scores {
			im.add(float64(v))
		}
		allowed := int(fmr*float64(len(scores)) + 1e-6)
		th, measured := im.threshold(fmr)
		if measured != (allowed >= 1) {
			t.Fatalf("%d scores at %g: measured is %v", len(scores), fmr, measured)
		}
		if !measured {
			return
		}
		count := func(th float64) int {
			return len(slices.DeleteFunc(slices.Clone(scores), func(v float32) bool { return float64(v) < th }))
		}
		if got := im.matches(th); got != (Rate{count(th), len(scores)}) || got.K > allowed {
			t.Errorf("at %g: got %d/%d, counted %d, allowed %d", th, got.K, got.N, count(th), allowed)
		}
		// The next lower score would be one too many.
		lower := float64(math.Nextafter32(float32(th), -2))
		if count(lower) <= allowed {
			t.Errorf("threshold %g is not the least: %d match at %g, %d may", th, count(lower), lower, allowed)
		}
	})
}

func TestImpostorsByHand(t *testing.T) {
	var im impostors
	for i := range 1000 {
		im.add(float64(i) / 1000)
	}
	th, ok := im.threshold(1e-2) // ten may match: .990 to .999
	if !ok || th <= .989 || th > .990 {
		t.Errorf("got %g, %v, want just over .989", th, ok)
	}
	if got := im.matches(.5); got != (Rate{500, 1000}) {
		t.Errorf("at .5: got %v, want 500/1000", got)
	}
	if _, ok := im.threshold(1e-4); ok {
		t.Error("a rate of 1e-4 was measured with 1000 comparisons")
	}
	if _, ok := new(impostors).threshold(.1); ok {
		t.Error("a rate was measured without comparisons")
	}
}

func TestDisplayedWidth(t *testing.T) {
	for s, want := range map[string]int{"abc": 3, "20 °": 4, "写真": 4, "e\u0301": 1, "–": 1, "": 0} {
		if got := displayed(s); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
}
