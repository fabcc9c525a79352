package face

import (
	"errors"
	"fmt"
	"math"

	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

const (
	eyeSide  = 64
	eyeScale = 2.3 // of the distance of the eye's corners

	// closedRatio is the eye aspect ratio below which eyes are closed: height of the opening
	// over the distance of the corners, mean of both eyes. It is what tells 96 pictures with
	// closed eyes (91 found) from every third of LFW best (51 of 617 called closed; 1 of 92
	// webcam frames).
	closedRatio = .205
)

// Eyes tells open eyes from closed ones with the iris network, which follows the lids; the
// mesh does not. It is not safe for concurrent use.
type Eyes struct {
	model *litert.Model
	lids  int // which output is the contour
	crop  *imgproc.Image
}

// NewEyes loads the model of the role "iris".
func NewEyes(load litert.Loader) (*Eyes, error) {
	m, err := load("iris")
	if err != nil {
		return nil, fmt.Errorf("load eye model: %w", err)
	}
	e := &Eyes{model: m, lids: outputOf(m, 3*71), crop: imgproc.New(eyeSide, eyeSide)}
	if len(m.Inputs()) != 1 || len(m.Input(0)) != 3*eyeSide*eyeSide || e.lids < 0 {
		return nil, errors.Join(fmt.Errorf("load eye model: not an eye contour of 71 points on %d pixels", eyeSide), m.Close())
	}
	return e, nil
}

// Close frees the model. It is safe to call twice.
func (e *Eyes) Close() error { return e.model.Close() }

// Open is how open the eyes are, 0 shut .. 1 wide: the mean eye aspect ratio over twice
// closedRatio, so that 0.5 and more means open. A mesh whose eye corners coincide is an error.
func (e *Eyes) Open(img *imgproc.Image, m *Mesh) (float64, error) {
	r, err := e.ratio(img, m)
	return min(r/(2*closedRatio), 1), err
}

// ratio is the mean eye aspect ratio.
func (e *Eyes) ratio(img *imgproc.Image, m *Mesh) (float64, error) {
	l, err := e.one(img, m.At(33), m.At(133), false)
	if err != nil {
		return 0, err
	}
	r, err := e.one(img, m.At(362), m.At(263), true)
	return (l + r) / 2, err
}

// one is the aspect ratio of the eye with the corners a and b, left and right. The network
// knows the eye that is left in the picture; the other one is shown mirrored.
func (e *Eyes) one(img *imgproc.Image, a, b imgproc.Point, mirrored bool) (float64, error) {
	side := math.Hypot(b.X-a.X, b.Y-a.Y) * eyeScale
	if !(side > 0) || math.IsInf(side, 0) {
		return 0, fmt.Errorf("judge eyes: an eye of %g pixels", side/eyeScale)
	}
	ux, uy := direction(a, b)
	to := imgproc.Square(imgproc.Point{X: (a.X + b.X) / 2, Y: (a.Y + b.Y) / 2}, ux, uy, side, eyeSide)
	if mirrored {
		to.A, to.B, to.C = -to.A, -to.B, eyeSide-1-to.C
	}
	imgproc.Warp(e.crop, img, to)
	imgproc.Fill(e.model.Input(0), e.crop, imgproc.Uniform(1./255, 0))
	if err := e.model.Run(); err != nil {
		return 0, fmt.Errorf("judge eyes: %w", err)
	}
	// Points 0 to 8 are the lower lid from corner to corner, 9 to 15 the upper lid.
	out := e.model.Output(e.lids)
	dist := func(i, j int) float64 {
		return math.Hypot(float64(out[3*i]-out[3*j]), float64(out[3*i+1]-out[3*j+1]))
	}
	width := dist(0, 8)
	if !(width > 0) {
		return 0, errors.New("judge eyes: the contour has no width")
	}
	return (dist(11, 3) + dist(12, 4) + dist(13, 5)) / 3 / width, nil
}
