package bench

import (
	"context"
	"slices"
	"time"
)

const (
	warmUps  = 5
	attempts = 3   // to measure a row without noise
	noise    = .10 // by which the medians of its halves may differ
)

// A sample is the times of the runs of one row, in milliseconds, in their order.
type sample []float64

// quantile is the p-quantile, 0..1, of a sample that is not empty.
func (s sample) quantile(p float64) float64 {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

// apart is by how much the medians of the two halves differ.
func (s sample) apart() float64 {
	if len(s) < 2 {
		return 0
	}
	a, b := s[:len(s)/2].quantile(.5), s[len(s)/2:].quantile(.5)
	return max(a, b)/max(min(a, b), 1e-9) - 1
}

func (s sample) noisy() bool { return s.apart() > noise }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quietest measures until a sample is not noisy, or gives the least noisy of three.
func quietest(ctx context.Context, measure func() (sample, error)) (sample, error) {
	var best sample
	for range attempts {
		s, err := measure()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if best == nil || s.apart() < best.apart() {
			best = s
		}
		if !best.noisy() {
			break
		}
	}
	return best, nil
}

// timed runs fn n times, in batches of so many where one is too short to be timed.
func timed(ctx context.Context, n, batch int, fn func() error) (sample, error) {
	return quietest(ctx, func() (sample, error) {
		s := make(sample, 0, n)
		for i := range warmUps + n {
			began := time.Now()
			for range batch {
				if err := fn(); err != nil {
					return nil, err
				}
			}
			if took := time.Since(began); i >= warmUps {
				s = append(s, millis(took)/float64(batch))
			}
		}
		return s, nil
	})
}
