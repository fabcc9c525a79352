package cover

import (
	"errors"
	"fmt"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

const (
	maskSide  = 260
	maskScale = 2.0 // of the longer box side; 1.2 loses 5 % of the masks, 2.6 finds one on a bare face
	// undecided is how little may lie between the two classes, 0..1, for the state of the
	// mask to be unknown.
	undecided = .2
)

// masker is AIZOOTech's FaceMaskDetection: a single-shot detector with 5 972 anchors (grids
// of 33, 17, 9, 5 and 3 cells with four anchors each) that gives each a box and the
// probabilities of a masked and of a bare face. On a crop round one known face the best
// anchor of each class is the answer, and the boxes are not needed.
type masker struct {
	model  *litert.Model
	crop   *imgproc.Image
	scores int // which output holds the probabilities
}

// anchors is 4 x (33² + 17² + 9² + 5² + 3²).
const anchors = 5972

func (k *masker) load(load litert.Loader) error {
	m, err := open(load, "mask", maskSide, 2)
	if err != nil {
		return err
	}
	for k.scores = range 2 {
		if len(m.Output(k.scores)) == 2*anchors {
			k.model, k.crop = m, imgproc.New(maskSide, maskSide)
			return nil
		}
	}
	return errors.Join(fmt.Errorf("mask has no %d pairs of probabilities", anchors), m.Close())
}

// margin is the best probability of a mask less the best of a bare face, -1..1.
func (k *masker) margin(img *imgproc.Image, d *face.Detection) (float64, error) {
	imgproc.SquareCrop(k.crop, img, d.Box, maskScale, 0)
	imgproc.Fill(k.model.Input(0), k.crop, imgproc.Uniform(1./255, 0))
	if err := k.model.Run(); err != nil {
		return 0, err
	}
	var masked, bare float32
	p := k.model.Output(k.scores)
	for i := 0; i+1 < len(p); i += 2 {
		masked, bare = max(masked, p[i]), max(bare, p[i+1])
	}
	return float64(masked) - float64(bare), nil
}

// Mask judges whether there is a mask over the mouth. The state is then none, or unknown
// until [Cover.Face] has looked for the nose.
func (c *Cover) Mask(img *imgproc.Image, d *face.Detection, r *Result) error {
	if err := check(d); err != nil {
		return err
	}
	if c.mask.model == nil {
		return nil
	}
	margin, err := c.mask.margin(img, d)
	if err != nil {
		return fmt.Errorf("judge mask: %w", err)
	}
	r.Mask = around(margin, -1, 0, 1)
	r.MaskState = MaskUnknown
	if margin <= -undecided {
		r.MaskState = MaskNone
	}
	return nil
}
