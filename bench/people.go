package bench

import (
	"fmt"
	"math"
	"math/rand/v2"

	"facegate/pipeline/match"
)

const (
	perPerson = 3
	families  = 4 // people of one are more alike than strangers are
)

// crowd is n templates of dim numbers, three a person: unit vectors, a tenth of the people in
// families whose cosines lie about 0.4.
func crowd(n, dim int) []float32 {
	r := rand.New(rand.NewPCG(3, 4))
	kin := make([][]float32, families)
	for i := range kin {
		kin[i] = gaussian(r, nil, 0, dim)
	}
	out := make([]float32, 0, n*dim)
	var self []float32
	for i := range n {
		if i%perPerson == 0 {
			self = gaussian(r, nil, 0, dim)
			if r.IntN(10) == 0 {
				self = gaussian(r, kin[r.IntN(families)], .63, dim)
			}
		}
		out = append(out, gaussian(r, self, .8, dim)...)
	}
	return out
}

// gaussian is a random unit vector whose cosine with a unit vector is about the given one.
func gaussian(r *rand.Rand, with []float32, cosine float64, dim int) []float32 {
	v := make([]float32, dim)
	k := math.Sqrt((1 - cosine*cosine) / float64(dim))
	var sum float64
	for i := range v {
		x := k * r.NormFloat64()
		if with != nil {
			x += cosine * float64(with[i])
		}
		v[i] = float32(x)
		sum += x * x
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	return v
}

// enrol fills a gallery with a crowd.
func enrol(g *match.Gallery, vectors []float32) error {
	dim := g.Dim()
	g.Grow(len(vectors) / dim)
	for i := range len(vectors) / dim {
		if err := g.Add(personID(i/perPerson), match.Template{Model: g.Model(), Vector: vectors[i*dim : (i+1)*dim]}); err != nil {
			return fmt.Errorf("fill gallery: %w", err)
		}
	}
	return nil
}

func personID(i int) string { return fmt.Sprintf("person-%06d", i) }
