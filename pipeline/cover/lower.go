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
)

// Face judges whether nose and mouth are seen: how a mask is worn, or, without a mask, what
// else hides them. It runs [Cover.Mask] first where that has not run.
func (c *Cover) Face(img *imgproc.Image, d *face.Detection, m *face.Mesh, r *Result) error {
	if math.IsNaN(r.Mask) {
		if err := c.Mask(img, d, r); err != nil {
			return err
		}
	}
	if err := check(d); err != nil {
		return err
	}
	labels, to, err := c.parsing.parse(img, d, faceScale, faceUp)
	if err != nil {
		return fmt.Errorf("judge face cover: %w", err)
	}
	f, err := newFrame(m, to)
	if err != nil {
		return err
	}
	seen := c.parsing.inside(labels, f.outline[:])
	if r.Mask >= .5 {
		r.occlude(NoseMouth|FaceCovered, 0)
	} else {
		r.occlude(NoseMouth, around(-seen.share(nose, mouth, upperLip, lowerLip), -noseMouthBare, -noseMouthShare, 0))
		r.occlude(FaceCovered, 1-m.Presence)
	}
	return nil
}

// inside counts the labels within an outline.
func (p *parser) inside(labels []int64, outline []imgproc.Point) tally {
	var t tally
	clear(p.inner.Pix)
	imgproc.FillPolygon(p.inner, outline, 1)
	for i, v := range p.inner.Pix {
		if v != 0 {
			t.add(labels[i])
		}
	}
	return t
}
