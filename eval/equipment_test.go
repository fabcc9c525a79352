package eval

import (
	"bytes"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"facegate/internal/sharedtest"
	"facegate/pipeline"
)

// Pairs of one person and pairs that have had their turn are no comparisons of two people.
func TestFalseMatches(t *testing.T) {
	one := func(set, who, pair string, v ...float32) *record {
		return &record{set: set, labels: row{"identity": who, "pair": pair}, embedding: v}
	}
	ada, again, bob := one("lfw", "Ada", "", 1, 0), one("lfw", "Ada", "", 1, 0), one("lfw", "Bob", "", .6, .8)
	wild, same := one("mask_wild", "", "1", 1, 0), one("mask_wild", "", "1", 1, 0)
	for _, tt := range []struct {
		name string
		a, b []*record
		want []Rate
	}{
		{"two lists", []*record{ada, bob}, []*record{again, wild}, []Rate{{3, 3}, {1, 3}}},
		{"one person", []*record{ada}, []*record{again}, []Rate{{0, 0}, {0, 0}}},
		{"a pair", []*record{wild}, []*record{same}, []Rate{{0, 0}, {0, 0}}},
	} {
		if d := gocmp.Diff(tt.want, falseMatches(tt.a, tt.b, []float64{.59, .9})); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	list := []*record{ada, bob, again, wild}
	if d := gocmp.Diff([]Rate{{5, 5}, {2, 5}}, falseMatches(list, list, []float64{.59, .9})); d != "" {
		t.Errorf("a list with itself: %s", d)
	}
}

// A mask that is drawn on is one to the pipeline, the same each time, and leaves the eyes.
func TestDrawMask(t *testing.T) {
	dir := sharedtest.Dir(t, "faces")
	an, err := pipeline.Open(sharedtest.Loader(t), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = an.Close() })
	s := &suite{dir: dir}
	const file = "live/client005_session01_webcam_authenticate_controlled_1.jpg"
	var before [][]byte
	for seed := range uint32(3) {
		img, err := s.picture("spoof_replay_attack", file)
		if err != nil {
			t.Fatal(err)
		}
		a, err := an.Picture(img, 0)
		if err != nil {
			t.Fatal(err)
		}
		mesh := a.Mesh
		pix := bytes.Clone(img.Pix)
		drawMask(img, &mesh, seed)
		for _, eye := range []int{33, 133, 362, 263, 10} {
			p := mesh.At(eye)
			at := int(p.Y)*img.Stride + 3*int(p.X)
			if !bytes.Equal(img.Pix[at:at+3], pix[at:at+3]) {
				t.Errorf("seed %d: point %d of the mesh is painted over", seed, eye)
			}
		}
		for _, old := range before {
			if bytes.Equal(old, img.Pix) {
				t.Errorf("seed %d gives the mask of another", seed)
			}
		}
		before = append(before, bytes.Clone(img.Pix))
		copy(img.Pix, pix)
		drawMask(img, &mesh, seed)
		if !bytes.Equal(img.Pix, before[seed]) {
			t.Errorf("seed %d gives two masks", seed)
		}
		if a, err = an.Picture(img, pipeline.Mask|pipeline.Embedding); err != nil || a.Cover.Mask < .5 || a.Embedding == nil {
			t.Errorf("seed %d: mask %.2f, %d numbers, %v", seed, a.Cover.Mask, len(a.Embedding), err)
		}
	}
}
