package match

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The kernel and its twin agree in every bit, whatever the length and wherever the rows begin.
// Without cgo the twin is compared with itself.
func TestDotsEqualTwin(t *testing.T) {
	const seed = 9
	r := rand.New(rand.NewPCG(seed, seed))
	numbers := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64() * math.Pow(10, float64(r.IntN(9)-4)))
		}
		return v
	}
	for _, n := range []int{1, 7, 8, 9, 128, 129, 256, 384, 511} {
		for _, count := range []int{0, 1, 3, 4, 5, block - 1, block} {
			rows, probe := numbers(count*n + 1)[1:], numbers(n)
			got, want := make([]float32, count), make([]float32, count)
			dots(got, rows, probe)
			dotsGo(want, rows, probe)
			for i := range want {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
					t.Fatalf("%d numbers, row %d of %d (seed %d): kernel %v, twin %v", n, i, count, seed, got[i], want[i])
				}
			}
		}
	}
}

func TestDotsRefusesRowsTooShort(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("rows that end early were read")
		}
	}()
	dots(make([]float32, 2), make([]float32, 15), make([]float32, 8))
}
