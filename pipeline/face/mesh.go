package face

import (
	"errors"
	"fmt"
	"math"

	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

const (
	meshSide  = 192
	meshScale = 1.5 // of the detector's longer box side
)

// A Mesher fits the 468-point mesh to a detected face. It is not safe for concurrent use.
type Mesher struct {
	model          *litert.Model
	points, exists int // which output is which
	crop           *imgproc.Image
}

// NewMesher loads the model of the role "mesh".
func NewMesher(load litert.Loader) (*Mesher, error) {
	m, err := load("mesh")
	if err != nil {
		return nil, fmt.Errorf("load face mesh: %w", err)
	}
	f := &Mesher{model: m, points: outputOf(m, 3*MeshPoints), exists: outputOf(m, 1), crop: imgproc.New(meshSide, meshSide)}
	if len(m.Inputs()) != 1 || len(m.Input(0)) != 3*meshSide*meshSide || f.points < 0 || f.exists < 0 {
		return nil, errors.Join(fmt.Errorf("load face mesh: not a mesh of %d points on %d pixels", MeshPoints, meshSide), m.Close())
	}
	return f, nil
}

// Close frees the model. It is safe to call twice.
func (f *Mesher) Close() error { return f.model.Close() }

// Fit fits the mesh to the face d of img and stores it in m. It always gives a mesh: a low
// presence says that there is no bare face under it, which with a confident detection means
// that the face is covered. A detection without extent is an error.
func (f *Mesher) Fit(img *imgproc.Image, d *Detection, m *Mesh) error {
	side := max(d.Box.W(), d.Box.H()) * meshScale
	if !(side > 0) || math.IsInf(side, 0) {
		return fmt.Errorf("fit face mesh: detection of %g by %g pixels", d.Box.W(), d.Box.H())
	}
	ux, uy := direction(d.Points[0], d.Points[1])
	to := imgproc.Square(d.Box.Centre(), ux, uy, side, meshSide)
	imgproc.Warp(f.crop, img, to)
	imgproc.Fill(f.model.Input(0), f.crop, imgproc.Uniform(1./255, 0))
	if err := f.model.Run(); err != nil {
		return fmt.Errorf("fit face mesh: %w", err)
	}
	m.Presence = sigmoid(f.model.Output(f.exists)[0])
	back, z := to.Invert(), side/meshSide
	out := f.model.Output(f.points)
	for i := range m.Points {
		p := back.Apply(imgproc.Point{X: float64(out[3*i]), Y: float64(out[3*i+1])})
		m.Points[i] = Point3{float32(p.X), float32(p.Y), float32(float64(out[3*i+2]) * z)}
	}
	return nil
}

// direction is the unit vector from a to b, to the right where they coincide.
func direction(a, b imgproc.Point) (x, y float64) {
	x, y = b.X-a.X, b.Y-a.Y
	n := math.Hypot(x, y)
	if !(n > 1e-6) {
		return 1, 0
	}
	return x / n, y / n
}
