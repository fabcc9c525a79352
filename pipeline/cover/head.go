package cover

import (
	"errors"
	"fmt"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

// The crop of the head and the thresholds that hold for it.
const (
	headScale = 1.5
	headUp    = .2

	hatShare      = .03 // of the band above the brows
	glassesShare  = .3  // of the band of the eyes
	sunglassesTo  = .6  // luma of the glasses as a part of the skin's
	helmetScale   = 1.7
	helmetUp      = .4
	helmetSide    = 128
	helmetAtLeast = .5
)

// helmeter is a MobileNet that was trained on crops with and without a hard hat. Its softmax
// runs over sigmoids, so its two values lie within 0.27 and 0.73.
type helmeter struct {
	model *litert.Model
	crop  *imgproc.Image
}

func (h *helmeter) load(load litert.Loader) error {
	m, err := open(load, "helmet", helmetSide, 1)
	if err != nil {
		return err
	}
	if len(m.InputBytes(0)) != 3*helmetSide*helmetSide || len(m.OutputBytes(0)) != 2 {
		return errors.Join(errors.New("helmet does not take bytes and give two"), m.Close())
	}
	h.model, h.crop = m, imgproc.New(helmetSide, helmetSide)
	return nil
}

func (h *helmeter) score(img *imgproc.Image, d *face.Detection) (float64, error) {
	imgproc.SquareCrop(h.crop, img, d.Box, helmetScale, helmetUp)
	imgproc.FillBytes(h.model.InputBytes(0), h.crop, false)
	if err := h.model.Run(); err != nil {
		return 0, err
	}
	return float64(h.model.OutputBytes(0)[0]) / 256, nil
}

// Head judges head cover, helmet and sunglasses.
func (c *Cover) Head(img *imgproc.Image, d *face.Detection, m *face.Mesh, r *Result) error {
	if err := check(d); err != nil {
		return err
	}
	labels, to, err := c.parsing.parse(img, d, headScale, headUp)
	if err != nil {
		return fmt.Errorf("judge head: %w", err)
	}
	f, err := newFrame(m, to)
	if err != nil {
		return err
	}
	b := c.parsing.bands(labels, &f)
	p, err := c.helmet.score(img, d)
	if err != nil {
		return fmt.Errorf("judge helmet: %w", err)
	}
	r.Head = around(b.above.share(hat), 0, hatShare, 1)
	r.Helmet = min(r.Head, p)
	switch {
	case r.Helmet >= helmetAtLeast:
		r.HeadCover = HeadHelmet
	case r.Head >= .5:
		r.HeadCover = HeadOther
	default:
		r.HeadCover = HeadNone
	}
	worn := around(b.eyes.share(glasses), 0, glassesShare, 1)
	r.Sunglasses = min(worn, around(1-b.dark, 0, 1-sunglassesTo, 1))
	r.occlude(Sunglasses, r.Sunglasses)
	return nil
}

// headBands are the regions that say what is on a head.
type headBands struct {
	above tally   // between the edges of the face, from the brows up
	eyes  tally   // inside the outline, at the height of the eyes
	dark  float64 // luma of the glasses' pixels as a part of the skin's; 1 without either
}

func (p *parser) bands(labels []int64, f *frame) headBands {
	var b headBands
	clear(p.inner.Pix)
	imgproc.FillPolygon(p.inner, f.outline[:], 1)
	top := f.brows + 1.2*(f.eyes+1)
	reach := .5*(f.brows-f.eyes) + 2
	var glass, face luma
	for y := range parseSide {
		pix := p.crop.Pix[y*p.crop.Stride:]
		for x := range parseSide {
			label := labels[y*parseSide+x]
			switch label {
			case glasses:
				glass.add(pix[3*x:])
			case skin:
				face.add(pix[3*x:])
			}
			at := imgproc.Point{X: float64(x), Y: float64(y)}
			t := f.height(at)
			if s := f.along(at); s > 0 && s < f.width && t > f.brows && t < top {
				b.above.add(label)
			}
			if p.inner.Pix[y*p.inner.Stride+x] != 0 && t > f.eyes-reach && t < f.eyes+reach {
				b.eyes.add(label)
			}
		}
	}
	b.dark = 1
	if glass.n > 0 && face.sum > 0 {
		b.dark = glass.mean() / face.mean()
	}
	return b
}

// luma averages ITU-R BT.601 luma, in thousandths.
type luma struct{ sum, n int }

func (l *luma) add(rgb []byte) {
	l.sum += 299*int(rgb[0]) + 587*int(rgb[1]) + 114*int(rgb[2])
	l.n++
}

func (l *luma) mean() float64 { return float64(l.sum) / float64(max(l.n, 1)) }
