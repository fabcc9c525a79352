package liveness

import (
	"errors"
	"fmt"
	"math"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

// Threshold is the fusion from which a face counts as live: 5 % of the open live pictures
// lie below it.
const Threshold = 2.14

const (
	pairSide, thirdSide = 80, 128
	closeScale          = 1.4
	thirdScale          = 1.8
)

// Scores are what the three views say of one face: log odds, larger = more alive.
type Scores struct {
	Pair  float64 // A: both MiniFASNets, each at its own crop (2.7 and 4 times the face)
	Close float64 // B: both on a crop of 1.4 times the face
	Third float64 // C: minifasnet_se on a square of 1.8 times the face
}

// Fusion is the mean of the three views; [Threshold] applies to it.
func (s Scores) Fusion() float64 { return (s.Pair + s.Close + s.Third) / 3 }

// Score is the fusion on the scale 0..1, 0.5 exactly at the threshold.
func (s Scores) Score() float64 { return Score(s.Fusion()) }

// Score maps a fusion, or a mean of fusions, to 0..1, 0.5 exactly at the threshold. It is NaN
// for a NaN.
func Score(fusion float64) float64 { return 1 / (1 + math.Exp(Threshold-fusion)) }

// A view is one network and its input.
type view struct {
	model *litert.Model
	crop  *imgproc.Image
}

// Passive scores single frames with three views of the face, fused without any training of
// ours. It is not safe for concurrent use, and allocates nothing once warm.
type Passive struct {
	v27, v40, third view
	part            imgproc.Image
}

// NewPassive loads the models of the roles "live_27", "live_40" and "live_se18".
func NewPassive(load litert.Loader) (*Passive, error) {
	p := new(Passive)
	for _, l := range []struct {
		view          *view
		role          string
		side, classes int
	}{{&p.v27, "live_27", pairSide, 3}, {&p.v40, "live_40", pairSide, 3}, {&p.third, "live_se18", thirdSide, 2}} {
		m, err := load(l.role)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("load liveness model %s: %w", l.role, err), p.Close())
		}
		*l.view = view{m, imgproc.New(l.side, l.side)}
		if len(m.Inputs()) != 1 || len(m.Outputs()) != 1 || len(m.Input(0)) != 3*l.side*l.side || len(m.Output(0)) != l.classes {
			return nil, errors.Join(fmt.Errorf("load liveness model %s: not %d classes of a %d pixel square", l.role, l.classes, l.side), p.Close())
		}
	}
	return p, nil
}

// Close frees the models. It is safe to call twice.
func (p *Passive) Close() error {
	var errs []error
	for _, v := range []*view{&p.v27, &p.v40, &p.third} {
		if v.model != nil {
			errs = append(errs, v.model.Close())
		}
	}
	return errors.Join(errs...)
}

// Score looks at the face that m outlines in img. Every error wraps [ErrUnavailable], and
// comes with scores of NaN.
func (p *Passive) Score(img *imgproc.Image, m *face.Mesh) (Scores, error) {
	s, err := p.score(img, m.Outline())
	if err == nil && (math.IsNaN(s.Fusion()) || math.IsInf(s.Fusion(), 0)) {
		err = errors.New("a score is not a number")
	}
	if err != nil {
		nan := math.NaN()
		return Scores{nan, nan, nan}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return s, nil
}

func (p *Passive) score(img *imgproc.Image, box imgproc.Box) (s Scores, err error) {
	const far = 1 << 20 // no picture is that large; it keeps the arithmetic in int's range
	if !(box.W() >= 1 && box.H() >= 1 && box.X0 > -far && box.Y0 > -far && box.X1 < far && box.Y1 < far) {
		return s, fmt.Errorf("face of %g by %g pixels", box.W(), box.H())
	}
	for _, l := range []struct {
		sum    *float64
		v      *view
		factor float64
	}{{&s.Pair, &p.v27, 2.7}, {&s.Pair, &p.v40, 4}, {&s.Close, &p.v27, closeScale}, {&s.Close, &p.v40, closeScale}} {
		odds, err := p.pair(l.v, img, box, l.factor)
		if err != nil {
			return s, err
		}
		*l.sum += odds / 2
	}
	s.Third, err = p.se(img, box)
	return s, err
}

// pair is one of minivision's networks: BGR 0..255 of a crop by their generate_patches,
// resized without antialiasing; class 1 of 3 is live.
func (p *Passive) pair(v *view, img *imgproc.Image, box imgproc.Box, factor float64) (float64, error) {
	x0, y0, x1, y1 := cut(box, factor, img.W, img.H)
	if p.part = img.Sub(x0, y0, x1+1, y1+1); p.part.W == 0 {
		return 0, errors.New("face outside the picture")
	}
	imgproc.ResizeLinear(v.crop, &p.part)
	p.part = imgproc.Image{} // or it would hold the whole picture until the next
	raw := imgproc.Uniform(1, 0)
	raw.BGR = true
	imgproc.Fill(v.model.Input(0), v.crop, raw)
	if err := v.model.Run(); err != nil {
		return 0, err
	}
	o := v.model.Output(0)
	l0, l1, l2 := float64(o[0]), float64(o[1]), float64(o[2])
	top := max(l0, l1, l2)
	e0, e1, e2 := math.Exp(l0-top), math.Exp(l1-top), math.Exp(l2-top)
	live := min(max(e1/(e0+e1+e2), 1e-6), 1-1e-6)
	return math.Log(live / (1 - live)), nil
}

// se is the third network: RGB / 255 of a square, reflected beyond the picture; class 0 is
// live, class 1 an attack.
func (p *Passive) se(img *imgproc.Image, box imgproc.Box) (float64, error) {
	if !imgproc.Reflect101Square(p.third.crop, img, box, thirdScale) {
		return 0, errors.New("face without extent")
	}
	imgproc.Fill(p.third.model.Input(0), p.third.crop, imgproc.Uniform(1./255, 0))
	if err := p.third.model.Run(); err != nil {
		return 0, err
	}
	o := p.third.model.Output(0)
	return float64(o[0]) - float64(o[1]), nil
}

// cut is minivision's crop: the box times factor, less where the picture is too small for it,
// shifted to stay inside. The corners are pixels of the crop.
func cut(box imgproc.Box, factor float64, w, h int) (x0, y0, x1, y1 int) {
	fw, fh := float64(w-1), float64(h-1)
	factor = min(fh/box.H(), fw/box.W(), factor)
	c, dx, dy := box.Centre(), box.W()*factor/2, box.H()*factor/2
	l, t, r, b := c.X-dx, c.Y-dy, c.X+dx, c.Y+dy
	if l < 0 {
		l, r = 0, r-l
	}
	if t < 0 {
		t, b = 0, b-t
	}
	if r > fw {
		l, r = l-(r-fw), fw
	}
	if b > fh {
		t, b = t-(b-fh), fh
	}
	return max(0, int(l)), max(0, int(t)), int(r), int(b)
}
