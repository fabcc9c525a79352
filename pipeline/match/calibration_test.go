package match

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sideBySide is the measured curve of the default embedder, both networks side by side.
func sideBySide(tb rapid.TB) *Calibration {
	c, err := CalibrationFromPoints([]Point{{1e-2, .2279}, {1e-3, .3166}, {1e-4, .3922}, {1e-5, .4475}, {1e-6, .5148}})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

func TestScoreScale(t *testing.T) {
	c := sideBySide(t)
	tests := []struct{ cosine, score, fmr float64 }{
		{.2279, 50, 1e-2},
		{.3166, 70, 1e-3},
		{.3922, 80, 1e-4},
		{.4475, 90, 1e-5},
		{.5148, 95, 1e-6},
		{(.3166 + .3922) / 2, 75, math.Pow(10, -3.5)},
	}
	for _, tt := range tests {
		if got := c.Score(tt.cosine); !near(got, tt.score) {
			t.Errorf("score of cosine %v: %v, want %v", tt.cosine, got, tt.score)
		}
		if got := c.Cosine(tt.score); !near(got, tt.cosine) {
			t.Errorf("cosine of score %v: %v, want %v", tt.score, got, tt.cosine)
		}
		if got, beyond := c.FMR(tt.cosine); !near(math.Log(got), math.Log(tt.fmr)) || beyond {
			t.Errorf("FMR of cosine %v: %v, beyond %v; want %v", tt.cosine, got, beyond, tt.fmr)
		}
	}
	for cosine, want := range map[float64]float64{1: 100, 1.5: 100, 0: 0, -1: 0, math.NaN(): 0, math.Inf(-1): 0} {
		if got := c.Score(cosine); got != want {
			t.Errorf("score of cosine %v: %v, want %v", cosine, got, want)
		}
	}
	for score, want := range map[float64]float64{100: 1, 0: 0, -5: 0, 100.1: math.Inf(1), math.NaN(): math.Inf(1)} {
		if got := c.Cosine(score); got != want {
			t.Errorf("cosine of score %v: %v, want %v", score, got, want)
		}
	}
}

// The scale goes on where a later measurement reaches deeper than 1e-6.
func TestScoreOfFMR(t *testing.T) {
	for fmr, want := range map[float64]float64{1: 0, 1e-1: 25, 1e-2: 50, 1e-3: 70, 1e-4: 80, 1e-5: 90, 1e-6: 95, 1e-7: 97.5, 1e-8: 98.75} {
		if got := scoreOfFMR(fmr); !near(got, want) {
			t.Errorf("score of FMR %v: %v, want %v", fmr, got, want)
		}
	}
}

func TestBeyondTheMeasuredRange(t *testing.T) {
	c := sideBySide(t)
	// One decade every .0673, the wider of the last two measured steps.
	got, beyond := c.FMR(.5148 + 2*.0673)
	if !near(math.Log(got), math.Log(1e-8)) || !beyond {
		t.Errorf("FMR %v, beyond %v; want 1e-8, true", got, beyond)
	}
	steep, err := CalibrationFromPoints([]Point{{1e-3, .2}, {1e-4, .3}, {1e-5, .4}, {1e-6, .45}})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := steep.FMR(.55); !near(math.Log(got), math.Log(1e-7)) {
		t.Errorf("FMR a wide step beyond the last point: %v, want 1e-7", got)
	}
	if got, beyond := c.FMR(.1); !(got > 1e-2 && got < 1) || !beyond {
		t.Errorf("FMR below the first point %v, beyond %v; want within 0.01..1, true", got, beyond)
	}
	for _, cosine := range []float64{0, -1, math.NaN()} {
		if got, beyond := c.FMR(cosine); got != 1 || !beyond {
			t.Errorf("FMR of cosine %v: %v, beyond %v; want 1, true", cosine, got, beyond)
		}
	}
}

func drawCalibration(t *rapid.T) *Calibration {
	n := rapid.IntRange(2, 8).Draw(t, "points")
	cosines := rapid.SliceOfNDistinct(rapid.IntRange(1, 999), n, n, rapid.ID).Draw(t, "cosines")
	slices.Sort(cosines)
	points := make([]Point, n)
	fmr := 1.0
	for i := range points {
		fmr *= rapid.Float64Range(.01, .9).Draw(t, "step")
		points[i] = Point{fmr, float64(cosines[i]) / 1000}
	}
	c, err := CalibrationFromPoints(points)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCalibrationIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalibration(t)
		a := rapid.Float64Range(-1, 1).Draw(t, "a")
		b := rapid.Float64Range(a, 1).Draw(t, "b")
		if c.Score(a) > c.Score(b) {
			t.Fatalf("score falls from %v to %v", c.Score(a), c.Score(b))
		}
		fa, _ := c.FMR(a)
		fb, _ := c.FMR(b)
		if fa < fb {
			t.Fatalf("FMR rises from %v to %v", fa, fb)
		}
		if s := c.Score(b); s < 0 || s > 100 || fb < 0 || fb > 1 {
			t.Fatalf("score %v, FMR %v out of range", s, fb)
		}
		score := rapid.Float64Range(0, 100).Draw(t, "score")
		if got := c.Score(c.Cosine(score)); math.Abs(got-score) > 1e-6 {
			t.Fatalf("score %v comes back as %v", score, got)
		}
		rate := math.Pow(10, -rapid.Float64Range(0, 9).Draw(t, "-log10 rate"))
		cosine, _ := c.cosineOfFMR(rate)
		if got, _ := c.FMR(cosine); math.Abs(math.Log(got/rate)) > 1e-6 {
			t.Fatalf("rate %v comes back as %v", rate, got)
		}
	})
}

func TestCalibrationRefuses(t *testing.T) {
	nan := math.NaN()
	for name, points := range map[string][]Point{
		"none":                   nil,
		"one point":              {{1e-3, .3}},
		"rising rate":            {{1e-3, .3}, {1e-2, .4}},
		"equal rates":            {{1e-3, .3}, {1e-3, .4}},
		"falling cosine":         {{1e-3, .3}, {1e-4, .2}},
		"rate zero":              {{1e-3, .3}, {0, .4}},
		"rate one":               {{1, .3}, {.1, .4}},
		"rate NaN":               {{1e-3, .3}, {nan, .4}},
		"cosine NaN":             {{1e-3, .3}, {1e-4, nan}},
		"cosine one":             {{1e-3, .3}, {1e-4, 1}},
		"cosine zero":            {{1e-3, 0}, {1e-4, .4}},
		"infinite":               {{1e-3, .3}, {1e-4, math.Inf(1)}},
		"negative rate":          {{1e-3, .3}, {-1e-4, .4}},
		"good, then a step back": {{1e-2, .2}, {1e-3, .3}, {1e-4, .29}},
	} {
		if c, err := CalibrationFromPoints(points); !errors.Is(err, ErrCalibration) || c != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}
