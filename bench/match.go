package bench

import (
	"context"
	"fmt"
	"math/rand/v2"

	"facegate/pipeline/match"
)

const (
	templateDim = 384 // of the default embedder
	probes      = 40  // half of them of enrolled people
)

// match times the exact search of one face among many, and holds every answer against an
// exhaustive one in float64.
func (b *bench) match(ctx context.Context) error {
	for _, n := range []int{b.Gallery, 10 * b.Gallery} {
		vectors := crowd(n, templateDim)
		g, err := match.NewGallery("bench", templateDim)
		if err != nil {
			return err
		}
		if err := enrol(g, vectors); err != nil {
			return err
		}
		r := rand.New(rand.NewPCG(5, 6))
		faces, want := make([][]float32, probes), make([]string, probes)
		for i := range faces {
			if i%2 == 0 {
				k := r.IntN(n)
				faces[i] = gaussian(r, vectors[k*templateDim:(k+1)*templateDim], .62, templateDim)
			} else {
				faces[i] = gaussian(r, nil, 0, templateDim)
			}
			want[i] = personID(nearest(vectors, faces[i]) / perPerson)
		}
		var found match.Result
		i, right := 0, 0
		search := func() error {
			k := i % probes
			i++
			if err := g.Search(match.Template{Model: g.Model(), Vector: faces[k]}, 3, &found); err != nil {
				return err
			}
			if found.Candidates[0].Person == want[k] {
				right++
			}
			return nil
		}
		s, err := timed(ctx, b.Runs, 1, search)
		if err != nil {
			return err
		}
		b.row(fmt.Sprintf("search %d × %d, exact", n, templateDim), s, fmt.Sprintf("first person right %d/%d", right, i), right == i)
	}
	return nil
}

// nearest is the row of a flat matrix with the largest dot product.
func nearest(vectors, probe []float32) int {
	best, most := 0, -2.
	for i := range len(vectors) / len(probe) {
		var sum float64
		for k, x := range vectors[i*len(probe) : (i+1)*len(probe)] {
			sum += float64(x) * float64(probe[k])
		}
		if sum > most {
			best, most = i, sum
		}
	}
	return best
}
