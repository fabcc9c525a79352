package eval

import (
	"fmt"
	"math"
	"slices"
)

// A Rate is k of n, with its 95 % Wilson interval.
type Rate struct{ K, N int }

// Share is k/n, NaN for n = 0.
func (r Rate) Share() float64 { return float64(r.K) / float64(r.N) }

// Wilson is the 95 % score interval of the share (Wilson 1927); the whole of 0..1 for n = 0.
func (r Rate) Wilson() (lo, hi float64) {
	if r.N == 0 {
		return 0, 1
	}
	const z = 1.959964
	n, p := float64(r.N), r.Share()
	d := 1 + z*z/n
	c := (p + z*z/(2*n)) / d
	h := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n)) / d
	lo, hi = max(0, c-h), min(1, c+h)
	// At the ends the interval touches the share; rounding may leave it a hair off.
	if r.K == 0 {
		lo = 0
	}
	if r.K == r.N {
		hi = 1
	}
	return lo, hi
}

// plus pools two rates.
func (r Rate) plus(o Rate) Rate { return Rate{r.K + o.K, r.N + o.N} }

func (r Rate) String() string {
	if r.N == 0 {
		return "0/0"
	}
	lo, hi := r.Wilson()
	return fmt.Sprintf("%d/%d = %s %% (%s–%s)", r.K, r.N, percent(r.Share(), 2), percent(lo, 1), percent(hi, 1))
}

// percent has so many decimals at least, and more where the share is near 0 or 1: two digits
// that count.
func percent(share float64, decimals int) string {
	p := 100 * share
	near := min(p, 100-p)
	if near <= 0 {
		return fmt.Sprintf("%.0f", p)
	}
	return fmt.Sprintf("%.*f", max(decimals, 1-int(math.Floor(math.Log10(near)))), p)
}

// A falseMatch is a rate so low that percent are unreadable.
type falseMatch Rate

func (f falseMatch) String() string {
	r := Rate(f)
	if r.N == 0 {
		return "0/0"
	}
	lo, hi := r.Wilson()
	return fmt.Sprintf("%d/%d = %s (%s–%s)", r.K, r.N, tiny(r.Share()), tiny(lo), tiny(hi))
}

func tiny(share float64) string {
	if share == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2e", share)
}

// A decimal is a number shown with so many decimals; NaN is shown as a dash.
type decimal struct {
	value  float64
	digits int
}

func (d decimal) String() string {
	if math.IsNaN(d.value) {
		return "–"
	}
	return fmt.Sprintf("%.*f", d.digits, d.value)
}

// rateOf counts the values for which yes holds.
func rateOf[T any](values []T, yes func(T) bool) Rate {
	r := Rate{N: len(values)}
	for _, v := range values {
		if yes(v) {
			r.K++
		}
	}
	return r
}

// auc is the chance that a random positive scores higher than a random negative, ties
// counting half; NaN where either is empty.
func auc(pos, neg []float64) float64 {
	neg = slices.Sorted(slices.Values(neg))
	var sum float64
	for _, v := range pos {
		below, _ := slices.BinarySearch(neg, v)
		upTo, _ := slices.BinarySearch(neg, math.Nextafter(v, math.Inf(1)))
		sum += float64(below+upTo) / 2
	}
	return sum / float64(len(pos)) / float64(len(neg))
}

// An impostors holds the scores of comparisons of two people. All are kept, at four bytes each:
// ten thousand pictures are 200 MB.
type impostors struct {
	scores []float32
	sorted bool // rising
}

func (im *impostors) add(v float64) { im.scores, im.sorted = append(im.scores, float32(v)), false }

func (im *impostors) sort() {
	if !im.sorted {
		slices.Sort(im.scores)
		im.sorted = true
	}
}

// threshold is the least cosine from which at most the share fmr of the comparisons match
// (score >= it), and whether there are enough comparisons to speak of that rate at all: at
// least one may match.
func (im *impostors) threshold(fmr float64) (t float64, measured bool) {
	im.sort()
	n := len(im.scores)
	k := int(fmr*float64(n) + 1e-6) // so that 1e-5 of 300 000 is 3
	if k < 1 || k >= n {
		return math.NaN(), false
	}
	// The comparison after those that may match must not; ties with it must not either.
	return float64(math.Nextafter32(im.scores[n-1-k], 2)), true
}

// matches counts the comparisons that match at threshold t.
func (im *impostors) matches(t float64) Rate {
	im.sort()
	below, _ := slices.BinarySearchFunc(im.scores, t, func(v float32, t float64) int {
		if float64(v) < t {
			return -1
		}
		return 1
	})
	return Rate{len(im.scores) - below, len(im.scores)}
}
