package face

import (
	"math"
	"testing"

	"facegate/pipeline/imgproc"
)

// blazeOf is a detector's second half, fed with candidates instead of a network's output.
func blazeOf(cand ...candidate) *blaze {
	b := &blaze{cand: cand}
	for i := range cand {
		b.order = append(b.order, i)
	}
	return b
}

func at(score, x, y, w float64) candidate {
	c := candidate{Detection: Detection{Score: score, Box: imgproc.Box{X0: x, Y0: y, X1: x + w, Y1: y + w}}}
	for k := range c.Points {
		c.Points[k] = imgproc.Point{X: x + float64(k), Y: y}
	}
	return c
}

func TestCandidatesThatOverlapAreOneFace(t *testing.T) {
	b := blazeOf(at(.9, 0, 0, 10), at(.8, 50, 0, 10), at(.6, 3, 0, 10), at(.4, 1.5, 0, 10), at(.35, 90, 0, 10))
	b.suppress()
	if len(b.out) != 2 {
		t.Fatalf("got %d faces, want 2: %+v", len(b.out), b.out)
	}
	first, second := b.out[0], b.out[1]
	want := (.9*0 + .6*3 + .4*1.5) / 1.9
	if first.Score != .9 || math.Abs(first.Box.X0-want) > 1e-9 || math.Abs(first.Points[2].X-(want+2)) > 1e-9 {
		t.Errorf("first face: got score %v at x %v, points %v; want .9 at the weighted mean %v", first.Score, first.Box.X0, first.Points, want)
	}
	if second.Score != .8 || math.Abs(second.Box.X0-50) > 1e-9 {
		t.Errorf("second face: got %v at %v, want .8 at 50", second.Score, second.Box.X0)
	}
}

func TestACandidateUnderTheThresholdIsNoFace(t *testing.T) {
	b := blazeOf(at(.49, 0, 0, 10))
	b.suppress()
	if len(b.out) != 0 {
		t.Errorf("got %+v, want none", b.out)
	}
}

func TestPick(t *testing.T) {
	tests := []struct {
		name  string
		found []Detection
		want  int
	}{
		{"none", nil, -1},
		{"the larger", []Detection{at(.9, 80, 80, 40).Detection, at(.6, 75, 75, 50).Detection}, 1},
		{"the central of two alike", []Detection{at(.9, 0, 80, 40).Detection, at(.6, 85, 80, 40).Detection}, 1},
		{"the larger although aside", []Detection{at(.9, 90, 90, 20).Detection, at(.6, 20, 20, 140).Detection}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := -1
			if d := Pick(tt.found, 200, 200); d != nil {
				for i := range tt.found {
					if d == &tt.found[i] {
						got = i
					}
				}
			}
			if got != tt.want {
				t.Errorf("got face %d, want %d of %+v", got, tt.want, tt.found)
			}
		})
	}
}

func TestMergeKeepsWhatIsNew(t *testing.T) {
	got := Merge([]Detection{at(.9, 0, 0, 10).Detection}, []Detection{at(.8, 1, 0, 10).Detection, at(.7, 40, 0, 10).Detection})
	if len(got) != 2 || got[0].Score != .9 || got[1].Score != .7 {
		t.Errorf("got %+v, want the first and the last", got)
	}
}
