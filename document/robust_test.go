package document

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"facegate/document/mrz"
	"facegate/pipeline/imgproc"
)

// A specimen is a picture with a zone that is valid, and what it reads.
type specimen struct {
	name, want string
	first      bool // which half of the documents it belongs to
	picture    *imgproc.Image
}

func specimens(t *testing.T) (all []specimen) {
	dir, rows := labels(t, "id_docs")
	for _, row := range rows {
		want, valid := row[3], row[4] == "valid"
		if shown := mislabelled()[row[0]]; shown != "" {
			r, err := mrz.Parse(strings.Split(shown, "|"))
			want, valid = shown, err == nil && r.Valid()
		}
		if !valid {
			continue
		}
		h := fnv.New32()
		h.Write([]byte(row[5])) //nolint:errcheck // a hash takes everything
		all = append(all, specimen{row[0], want, h.Sum32()%2 == 0, picture(t, filepath.Join(dir, row[0]))})
	}
	return all
}

// A tally counts what became of pictures.
type tally struct{ n, exact, none, refused, wrong int }

func (c tally) String() string {
	return fmt.Sprintf("%d of %d exact (%.1f %%), %d not recognised, %d refused, %d valid and wrong", c.exact, c.n, 100*float64(c.exact)/float64(max(1, c.n)), c.none, c.refused, c.wrong)
}

// Specimens are read in photographs taken by hand too, and nothing that is reported as
// valid is wrong. FACEGATE_ALL_VIEWS is the number of photographs of each at each severity;
// FACEGATE_FIRST_SEED makes them others, FACEGATE_SEVERITY keeps to one.
func TestPhotographs(t *testing.T) {
	t.Parallel()
	seeds, _ := strconv.Atoi(os.Getenv("FACEGATE_ALL_VIEWS"))
	measure(t, specimens(t), seeds)
}

func measure(t *testing.T, all []specimen, seeds int) {
	from, _ := strconv.Atoi(os.Getenv("FACEGATE_FIRST_SEED"))
	only := os.Getenv("FACEGATE_SEVERITY")
	for v, s := range severities() {
		if only != "" && only != s.name {
			continue
		}
		var mu sync.Mutex
		var halves [2]tally
		var slowest, total time.Duration
		var wg sync.WaitGroup
		jobs := make(chan func(*Reader))
		for range 2 {
			wg.Go(func() {
				r := patient()
				for job := range jobs {
					job(r)
				}
			})
		}
		for i, sp := range all {
			for seed := from; seed < from+max(1, seeds); seed++ {
				if seeds == 0 && i%8 != v {
					continue
				}
				jobs <- func(r *Reader) {
					m := photograph(t, rand.New(rand.NewPCG(uint64(seed), uint64(100*v+i))), sp.picture, s)
					began := time.Now()
					d, err := r.Read(t.Context(), m)
					took := time.Since(began)
					mu.Lock()
					defer mu.Unlock()
					slowest, total = max(slowest, took), total+took
					half := &halves[1]
					if sp.first {
						half = &halves[0]
					}
					half.n++
					got := strings.Join(d.Lines, "|")
					switch {
					case errors.Is(err, ErrNotRecognized):
						half.none++
						t.Logf("%s %s %d: not recognised in %v, %d x %d", s.name, sp.name, seed, took, m.W, m.H)
					case err != nil:
						t.Errorf("%s %s %d: %v", s.name, sp.name, seed, err)
					case !d.Valid:
						half.refused++
						t.Logf("%s %s %d: refused in %v: %v\n%s\n%s", s.name, sp.name, seed, took, failed(&d), sp.want, got)
					case got != sp.want:
						half.wrong++
						t.Errorf("%s %s %d: valid and wrong\n%s\n%s", s.name, sp.name, seed, sp.want, got)
					default:
						half.exact++
					}
				}
			}
		}
		close(jobs)
		wg.Wait()
		both := tally{halves[0].n + halves[1].n, halves[0].exact + halves[1].exact, halves[0].none + halves[1].none, halves[0].refused + halves[1].refused, halves[0].wrong + halves[1].wrong}
		t.Logf("SUM %s: %v; first half %d of %d, second half %d of %d; mean %v, slowest %v", s.name, both, halves[0].exact, halves[0].n, halves[1].exact, halves[1].n,
			total/time.Duration(max(1, both.n)), slowest)
		// What can be asked of so few depends on chance: more than these is measured, not tested.
		if least := []float64{.85, .75, .5}[v]; seeds > 0 && float64(both.exact) < least*float64(both.n) {
			t.Errorf("%s: %d of %d are read", s.name, both.exact, both.n)
		}
	}
}
