package eval

import (
	"fmt"
	"hash/crc32"
	"math"
	"path"
	"slices"

	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// drawnOn are the pictures of lfw that masks are drawn on: all but the first of everybody, so
// that each has a bare picture of another day beside it.
func (s *suite) drawnOn() []*record {
	seen := map[string]bool{}
	for _, r := range s.records["lfw"] {
		who := r.labels["identity"]
		if who == "" {
			continue
		}
		if seen[who] {
			s.drawn = append(s.drawn, &record{set: "lfw", labels: r.labels})
		}
		seen[who] = true
	}
	return s.drawn
}

// draw looks into a picture of lfw with a mask drawn on the face.
func (s *suite) draw(an *pipeline.Analyser, r *record) error {
	img, err := s.picture(r.set, r.labels["file"])
	if err != nil {
		return nil //nolint:nilerr // looked at before, and reported there
	}
	a, err := an.Picture(img, 0)
	if err == nil && a.Quality != face.NoFace {
		drawMask(img, &a.Mesh, crc32.ChecksumIEEE([]byte(r.labels["file"])))
		a, err = an.Picture(img, pipeline.Mask|pipeline.Embedding)
	}
	if err != nil {
		return fmt.Errorf("%s, with a mask: %w", path.Join(r.set, r.labels["file"]), err)
	}
	r.faces, r.quality, r.cover, r.embedding = a.Faces, a.Quality, a.Cover, slices.Clone(a.Embedding)
	return nil
}

// drawMask paints a mask over nose, mouth and chin, white, blue or black, round and with folds,
// with the noise of a camera.
func drawMask(img *imgproc.Image, m *face.Mesh, seed uint32) {
	edge := [...]int{
		93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, // along the jaw
		352, 347, 329, 277, 197, 47, 100, 118, 123, // across the cheeks and the bridge of the nose
	}
	var outline [len(edge)]imgproc.Point
	for i, p := range edge {
		outline[i] = m.At(p)
	}
	inside := imgproc.NewGray(img.W, img.H)
	imgproc.FillPolygon(inside, outline[:], 1)
	colour := [...][3]float64{{232, 234, 236}, {150, 190, 214}, {48, 48, 52}}[seed%3]
	left, right, chin := m.At(234), m.At(454), m.At(face.Chin)
	width := right.X - left.X
	for y := range img.H {
		for x := range img.W {
			if inside.Pix[y*inside.Stride+x] == 0 {
				continue
			}
			across := (2*float64(x) - left.X - right.X) / width
			shade := 1 - .25*across*across
			if int(math.Floor(14*(chin.Y-float64(y))/width))%2 != 0 {
				shade *= .96
			}
			seed = seed*1664525 + 1013904223 // Numerical Recipes
			noise := 6*float64(seed>>24)/256 - 3
			for c := range 3 {
				img.Pix[y*img.Stride+3*x+c] = byte(max(0, min(255, colour[c]*shade+noise)))
			}
		}
	}
}

// ownFace is how often somebody in a mask is not known for their own bare face of another day.
func (s *suite) ownFace(o Options) section {
	t := section{
		Title: "Recognition behind masks: own face missed",
		Note: "Masks drawn on pictures of lfw, against all other pictures of the person: bare ones by the calibration of bare faces, and ones with a mask drawn on by that of masked faces. " +
			"A picture without an embedding is missed. Pairs share pictures, so the intervals are narrower than they should be.",
		Columns: []string{"other picture", "calibration"},
	}
	for _, f := range rates()[1:] {
		t.Columns = append(t.Columns, "at "+rateName(f))
	}
	pairs := func(others []*record) []float64 {
		of := map[string][]*record{}
		for _, r := range others {
			of[identityOf(r)] = append(of[identityOf(r)], r)
		}
		var all []float64
		for _, r := range s.drawn {
			for _, b := range of[identityOf(r)] {
				switch {
				case b.labels["file"] == r.labels["file"]:
				case r.embedding == nil || b.embedding == nil:
					all = append(all, math.NaN())
				default:
					all = append(all, cosine(r.embedding, b.embedding))
				}
			}
		}
		return all
	}
	bare, masked := pairs(s.records["lfw"]), pairs(s.drawn)
	if len(bare) > 0 {
		cells := []any{"bare", "bare"}
		for _, f := range rates()[1:] {
			th := o.Calibration.Threshold(1, f, 0).Cosine
			cells = append(cells, rateOf(bare, func(v float64) bool { return !(v >= th) }))
		}
		t.add(cells...)
	}
	if len(masked) > 0 && o.Masked != nil {
		cells := []any{"masked", "masked"}
		for _, f := range rates()[1:] {
			th := o.Masked.Threshold(1, f, 0).Cosine
			cells = append(cells, rateOf(masked, func(v float64) bool { return !(v >= th) }))
		}
		t.add(cells...)
	}
	return t
}
