package cover

import (
	"fmt"
	"math"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// The crop of the face and the thresholds that hold for it.
const (
	faceScale = 1.3
	faceUp    = .1

	noseMouthShare = .054 // of the face outline: less is covered
	noseMouthBare  = .12  // what a bare face shows, the median of LFW
	hatShare       = .03  // of the band above the brows
	headSeen       = .98  // of the band above the brows must lie in the picture: the parser calls its edge a hat

	noseShare = .5 // of the mesh's nose that must be labelled nose for it to be seen
)

// Face judges what covers the face and the head, from one parsing of a close crop: how a
// mask is worn, or, without a mask, whether something else hides nose and mouth; head cover
// and helmet. It runs [Cover.Mask] first where that has not run; where that cannot be run,
// a mask hides nose and mouth like anything else.
func (c *Cover) Face(img *imgproc.Image, d *face.Detection, m *face.Mesh, r *Result) error {
	if math.IsNaN(r.Mask) {
		if err := c.Mask(img, d, r); err != nil {
			return err
		}
	}
	if err := check(d); err != nil {
		return err
	}
	if c.parsing.model == nil {
		return nil
	}
	labels, to, err := c.parsing.parse(img, d, faceScale, faceUp)
	if err != nil {
		return fmt.Errorf("judge face: %w", err)
	}
	f, err := newFrame(m, to)
	if err != nil {
		return err
	}
	c.lower(labels, m, to, &f, r)
	if err := c.upper(img, d, labels, to, &f, r); err != nil {
		return fmt.Errorf("judge helmet: %w", err)
	}
	return nil
}

// lower judges nose and mouth.
func (c *Cover) lower(labels []int64, m *face.Mesh, to imgproc.Affine, f *frame, r *Result) {
	if r.Mask >= .5 {
		r.MaskState = c.worn(labels, m, to, r.Mask)
		r.occlude(NoseMouth|FaceCovered, 0)
		return
	}
	seen := c.parsing.inside(labels, f.outline[:]).share(nose, mouth, upperLip, lowerLip)
	r.occlude(NoseMouth, around(-seen, -noseMouthBare, -noseMouthShare, 0))
	r.occlude(FaceCovered, 1-m.Presence)
}

// worn says whether a mask leaves the nose out. Two things that err independently are asked:
// does the parser see a nose, and has the nose the colour of its bridge, which no mask
// covers, rather than of the mouth, which every mask does. Where they disagree, the answer
// is unknown.
func (c *Cover) worn(labels []int64, m *face.Mesh, to imgproc.Affine, mask float64) MaskState {
	if mask < .5+undecided/2 {
		return MaskUnknown
	}
	var outline [len(meshNose)]imgproc.Point
	lay := func(points []int) []imgproc.Point {
		for i, p := range points {
			outline[i] = to.Apply(m.At(p))
		}
		return outline[:len(points)]
	}
	seen := c.parsing.inside(labels, lay(meshNose[:])).share(nose) >= noseShare
	tip := c.parsing.colour(lay(meshTip[:]))
	bridge := c.parsing.colour(lay(meshBridge[:]))
	lips := c.parsing.colour(lay(meshMouth[:]))
	bare := tip.distance(bridge) < tip.distance(lips)
	switch {
	case seen && bare:
		return MaskNoseOut
	case !seen && !bare:
		return MaskFull
	}
	return MaskUnknown
}

// upper judges head cover and helmet by the band above the brows. A helmet is what both the
// parser calls a hat and the classifier a helmet.
func (c *Cover) upper(img *imgproc.Image, d *face.Detection, labels []int64, to imgproc.Affine, f *frame, r *Result) error {
	band, seen := above(labels, f, to.Invert(), img.W, img.H)
	if seen < headSeen {
		r.Head, r.Helmet, r.HeadCover = math.NaN(), math.NaN(), HeadUnknown
		return nil
	}
	p := math.NaN()
	if c.helmet.model != nil {
		var err error
		if p, err = c.helmet.score(img, d); err != nil {
			return err
		}
	}
	r.Head = around(band.share(hat), 0, hatShare, 1)
	r.Helmet = min(r.Head, p)
	switch {
	case r.Head < .5:
		r.HeadCover = HeadNone
	case r.Helmet >= .5:
		r.HeadCover = HeadHelmet
	case math.IsNaN(r.Helmet):
		r.HeadCover = HeadUnknown
	default:
		r.HeadCover = HeadOther
	}
	return nil
}

// above counts the labels between the edges of the face from the brows up, as far as the
// forehead reaches, and returns how much of that lies in the picture.
func above(labels []int64, f *frame, back imgproc.Affine, w, h int) (t tally, seen float64) {
	top := f.brows + 1.2*(f.eyes+1)
	in := 0
	for y := range parseSide {
		for x := range parseSide {
			at := imgproc.Point{X: float64(x), Y: float64(y)}
			if v := f.height(at); v <= f.brows || v >= top {
				continue
			}
			if s := f.along(at); s <= 0 || s >= f.width {
				continue
			}
			t.add(labels[y*parseSide+x])
			if p := back.Apply(at); p.X >= 0 && p.Y >= 0 && p.X < float64(w) && p.Y < float64(h) {
				in++
			}
		}
	}
	return t, float64(in) / float64(max(t.n, 1))
}
