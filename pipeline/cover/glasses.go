package cover

import (
	"fmt"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// The crop that glasses are judged on and the thresholds that hold for it. A closer crop
// finds as many sunglasses and calls more ordinary glasses so.
const (
	glassesScale = 1.5
	glassesUp    = .2

	glassesShare = .3 // of the band of the eyes
	darkLuma     = .6 // of the skin's luma: darker glasses are sunglasses
)

// Glasses judges whether sunglasses hide the eyes.
func (c *Cover) Glasses(img *imgproc.Image, d *face.Detection, m *face.Mesh, r *Result) error {
	if err := check(d); err != nil {
		return err
	}
	if c.parsing.model == nil {
		return nil
	}
	labels, to, err := c.parsing.parse(img, d, glassesScale, glassesUp)
	if err != nil {
		return fmt.Errorf("judge glasses: %w", err)
	}
	f, err := newFrame(m, to)
	if err != nil {
		return err
	}
	worn, luma := c.parsing.eyes(labels, &f)
	r.Sunglasses = min(around(worn.share(glasses), 0, glassesShare, 1), around(-luma, -1, -darkLuma, 0))
	r.occlude(Sunglasses, r.Sunglasses)
	return nil
}

// eyes counts the labels at the height of the eyes inside the outline, and returns the luma
// of all glasses as a part of the skin's, 1 where there is none of either.
func (p *parser) eyes(labels []int64, f *frame) (t tally, dark float64) {
	p.fill(f.outline[:])
	reach := .5*(f.brows-f.eyes) + 2
	var lens, bare colour
	for y := range parseSide {
		pix := p.crop.Pix[y*p.crop.Stride:]
		for x := range parseSide {
			label := labels[y*parseSide+x]
			switch label {
			case glasses:
				lens.add(pix[3*x:])
			case skin:
				bare.add(pix[3*x:])
			}
			if p.inner.Pix[y*p.inner.Stride+x] == 0 {
				continue
			}
			if v := f.height(imgproc.Point{X: float64(x), Y: float64(y)}); v > f.eyes-reach && v < f.eyes+reach {
				t.add(label)
			}
		}
	}
	if lens.n == 0 || bare.luma() == 0 {
		return t, 1
	}
	return t, lens.luma() / bare.luma()
}
