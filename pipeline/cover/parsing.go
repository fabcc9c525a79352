package cover

import (
	"errors"
	"fmt"
	"math"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

// The labels of CelebAMask-HQ that are looked for, of 19.
const (
	skin     = 1
	glasses  = 6
	nose     = 10
	mouth    = 11
	upperLip = 12
	lowerLip = 13
	hat      = 18

	allLabels = 19
)

const parseSide = 256

// parser is BiSeNetV2: one of 19 labels for each pixel of a crop.
type parser struct {
	model *litert.Model
	crop  *imgproc.Image
	inner *imgproc.Gray // 1 inside the outline that is being counted
}

func (p *parser) load(load litert.Loader) error {
	m, err := open(load, "parsing", parseSide, 1)
	if err != nil {
		return err
	}
	if len(m.OutputInt64(0)) != parseSide*parseSide {
		return errors.Join(fmt.Errorf("parsing does not label %d x %d pixels", parseSide, parseSide), m.Close())
	}
	p.model, p.crop, p.inner = m, imgproc.New(parseSide, parseSide), imgproc.NewGray(parseSide, parseSide)
	return nil
}

// parse labels the square crop of the face, and returns the labels, which the next parse
// overwrites, and the map from the picture to them.
func (p *parser) parse(img *imgproc.Image, d *face.Detection, scale, up float64) ([]int64, imgproc.Affine, error) {
	to := imgproc.SquareCrop(p.crop, img, d.Box, scale, up)
	imgproc.Fill(p.model.Input(0), p.crop, imgproc.Uniform(1./128, -1))
	if err := p.model.Run(); err != nil {
		return nil, to, err
	}
	return p.model.OutputInt64(0), to, nil
}

// fill marks what lies inside an outline.
func (p *parser) fill(outline []imgproc.Point) {
	clear(p.inner.Pix)
	imgproc.FillPolygon(p.inner, outline, 1)
}

// inside counts the labels within an outline.
func (p *parser) inside(labels []int64, outline []imgproc.Point) tally {
	p.fill(outline)
	var t tally
	for i, v := range p.inner.Pix {
		if v != 0 {
			t.add(labels[i])
		}
	}
	return t
}

// A tally counts the pixels of a region by label.
type tally struct {
	n     int
	label [allLabels]int
}

func (t *tally) add(label int64) {
	t.n++
	if label >= 0 && label < allLabels {
		t.label[label]++
	}
}

// share is the part of the region with one of the labels, 0 for an empty region.
func (t tally) share(of ...int) float64 {
	n := 0
	for _, l := range of {
		n += t.label[l]
	}
	return float64(n) / float64(max(t.n, 1))
}

// Outlines of the mesh, in order.
var (
	//nolint:gochecknoglobals // a constant table
	meshNose = [24]int{
		168, 193, 245, 188, 174, 217, 126, 142, 36, 203, 98, 97, 2, 326, 327, 423, 266, 371, 355, 437, 399, 412, 465, 417,
	}
	//nolint:gochecknoglobals // a constant table
	meshTip = [6]int{5, 275, 440, 1, 220, 45}
	//nolint:gochecknoglobals // a constant table
	meshBridge = [4]int{8, 417, 197, 193}
	//nolint:gochecknoglobals // a constant table
	meshMouth = [4]int{0, 291, 17, 61}
)

// A frame is the upright of a face in a crop: heights run from the tip of the nose towards
// the forehead, widths from the left edge of the face to the right, in pixels of the crop.
type frame struct {
	nose, left   imgproc.Point
	up, right    imgproc.Point // unit vectors
	width        float64       // between the edges of the face
	eyes, brows  float64       // heights
	outline      [len(face.Oval)]imgproc.Point
	chinForehead float64
}

// newFrame lays the frame of a mesh into a crop.
func newFrame(m *face.Mesh, to imgproc.Affine) (frame, error) {
	at := func(i int) imgproc.Point { return to.Apply(m.At(i)) }
	f := frame{nose: at(face.NoseTip), left: at(234)}
	f.up, f.chinForehead = unit(at(face.Chin), at(face.Forehead))
	f.right, f.width = unit(f.left, at(454))
	corners := [4]int{33, 133, 362, 263}
	for _, i := range corners {
		f.eyes += f.height(at(i)) / float64(len(corners))
	}
	ridge := [10]int{70, 63, 105, 66, 107, 336, 296, 334, 293, 300}
	for _, i := range ridge {
		f.brows += f.height(at(i)) / float64(len(ridge))
	}
	f.brows = max(f.brows, f.eyes+1)
	for i, p := range face.Oval {
		f.outline[i] = at(p)
	}
	if !(f.width > 1 && f.width < 1e4 && f.chinForehead > 1 && f.chinForehead < 1e4) {
		return f, fmt.Errorf("lay bands over a face of %g x %g pixels: %w", f.width, f.chinForehead, ErrFace)
	}
	return f, nil
}

func (f *frame) height(p imgproc.Point) float64 {
	return (p.X-f.nose.X)*f.up.X + (p.Y-f.nose.Y)*f.up.Y
}

func (f *frame) along(p imgproc.Point) float64 {
	return (p.X-f.left.X)*f.right.X + (p.Y-f.left.Y)*f.right.Y
}

// unit is the direction from a to b and their distance.
func unit(a, b imgproc.Point) (imgproc.Point, float64) {
	n := math.Hypot(b.X-a.X, b.Y-a.Y)
	return imgproc.Point{X: (b.X - a.X) / (n + 1e-9), Y: (b.Y - a.Y) / (n + 1e-9)}, n
}
