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
	return max(0, c-h), min(1, c+h)
}

func (r Rate) String() string {
	if r.N == 0 {
		return "0/0"
	}
	lo, hi := r.Wilson()
	return fmt.Sprintf("%d/%d = %.2f %% (%.1f–%.1f)", r.K, r.N, 100*r.Share(), 100*lo, 100*hi)
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
// counting half.
func auc(pos, neg []float64) float64 {
	neg = slices.Sorted(slices.Values(neg))
	var sum float64
	for _, v := range pos {
		lo, _ := slices.BinarySearch(neg, v)
		hi, _ := slices.BinarySearchFunc(neg, v, func(a, b float64) int {
			if a <= b {
				return -1
			}
			return 1
		})
		sum += float64(lo+hi) / 2
	}
	return sum / float64(len(pos)) / float64(len(neg))
}

// Impostors are the scores of comparisons of two people. Only the highest are kept one by
// one; the others are counted.
type Impostors struct {
	n   int
	top []float64 // sorted down once sealed
}

// keepFrom is the cosine over which impostor scores are kept one by one: on LFW about 2 %
// of them, so that false match rates of 1e-2 and below are exact.
const keepFrom = .12

func (im *Impostors) add(v float64) {
	im.n++
	if v > keepFrom {
		im.top = append(im.top, v)
	}
}

func (im *Impostors) sort() {
	slices.SortFunc(im.top, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
}

// threshold is the cosine from which at most fmr of the comparisons match (score >= it), and
// whether there are enough comparisons to speak of that rate at all.
func (im *Impostors) threshold(fmr float64) (t float64, measured bool) {
	k := int(fmr * float64(im.n))
	if k >= len(im.top) {
		return math.NaN(), false
	}
	return math.Nextafter(im.top[k], 2), k >= 1
}

// errors counts the comparisons that match at threshold t.
func (im *Impostors) errors(t float64) Rate {
	k, _ := slices.BinarySearchFunc(im.top, t, func(v, t float64) int {
		if v >= t {
			return -1
		}
		return 1
	})
	return Rate{k, im.n}
}
