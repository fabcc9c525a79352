package liveness

import (
	"math"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// Points of the mesh that lie near one plane (eyes and mouth), that stand out of it, and that
// lie behind it (edge of the cheeks, temples).
var (
	flatPoints = [...]int{33, 133, 362, 263, 159, 386, 145, 374, 61, 291, 40, 270, 0} //nolint:gochecknoglobals // a constant table
	nosePoints = [...]int{1, 4}                                                       //nolint:gochecknoglobals // a constant table
	backPoints = [...]int{234, 454, 127, 356}                                         //nolint:gochecknoglobals // a constant table
	// rigidPoints are those that expression moves little: eye corners, bridge, nose, brows,
	// temples, cheeks, forehead.
	rigidPoints = [...]int{ //nolint:gochecknoglobals // a constant table
		33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 129, 358, 70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
		54, 284, 103, 332, 67, 297, 109, 338, 10, 151, 9, 8, 127, 356, 234, 454, 93, 323, 116, 345, 117, 346, 118, 347,
		50, 280, 101, 330, 36, 266, 205, 425,
	}
)

const (
	outerLeft, outerRight = 33, 263 // outer eye corners, left and right in the picture
)

// A Measure compares one frame of a face with its frontal frame. Lengths are in distances of
// the outer eye corners.
type Measure struct {
	Depth  float64       // parallax of the nose against the cheeks: about .021 a degree of a head's turn
	Shift  imgproc.Point // the vector whose length is Depth, in the picture: where the nose went
	Squash float64       // eyes drawn together against the face's height: what a turned plane does
	NCC    float64       // how alike both pictures are after the best homography; NaN where it was not measured
}

// Direction is the way the head was turned, by where the nose went.
func (m Measure) Direction() Direction {
	switch x, y := m.Shift.X, m.Shift.Y; {
	case math.IsNaN(x) || math.IsNaN(y) || x == 0 && y == 0:
		return AnyDirection
	case math.Abs(x) >= math.Abs(y) && x > 0:
		return Left // the person's left is the picture's right
	case math.Abs(x) >= math.Abs(y):
		return Right
	case y < 0:
		return Up
	default:
		return Down
	}
}

// compare measures the geometry of turned against frontal; NCC is left as NaN. A degenerate
// mesh gives NaNs.
func compare(frontal, turned *face.Mesh) Measure {
	var a, b [len(rigidPoints)]imgproc.Point
	for i, p := range rigidPoints {
		a[i], b[i] = frontal.At(p), turned.At(p)
	}
	unit := eyes(frontal) * imgproc.Similarity(a[:], b[:]).Scale()
	var fa, fb [len(flatPoints)]imgproc.Point
	for i, p := range flatPoints {
		fa[i], fb[i] = frontal.At(p), turned.At(p)
	}
	plane := fitAffine(fa[:], fb[:])
	nose, back := off(plane, frontal, turned, nosePoints[:]), off(plane, frontal, turned, backPoints[:])
	shift := imgproc.Point{X: (nose.X - back.X) / unit, Y: (nose.Y - back.Y) / unit}
	return Measure{
		Depth:  math.Hypot(shift.X, shift.Y),
		Shift:  shift,
		Squash: 1 - (eyes(turned)/height(turned))/(eyes(frontal)/height(frontal)),
		NCC:    math.NaN(),
	}
}

func eyes(m *face.Mesh) float64   { return distance(m.At(outerLeft), m.At(outerRight)) }
func height(m *face.Mesh) float64 { return distance(m.At(face.Forehead), m.At(face.Chin)) }

func distance(a, b imgproc.Point) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }

// off is how far points of the turned mesh lie, on average, from where the plane's motion
// would have taken them.
func off(plane imgproc.Affine, frontal, turned *face.Mesh, points []int) (d imgproc.Point) {
	n := float64(len(points))
	for _, p := range points {
		want, got := plane.Apply(frontal.At(p)), turned.At(p)
		d.X += (got.X - want.X) / n
		d.Y += (got.Y - want.Y) / n
	}
	return d
}

// fitAffine is the least-squares affine map from a to b.
func fitAffine(a, b []imgproc.Point) imgproc.Affine {
	var ma, mb imgproc.Point
	n := float64(len(a))
	for i := range a {
		ma.X, ma.Y = ma.X+a[i].X/n, ma.Y+a[i].Y/n
		mb.X, mb.Y = mb.X+b[i].X/n, mb.Y+b[i].Y/n
	}
	var xx, xy, yy, ux, uy, vx, vy float64
	for i := range a {
		x, y, u, v := a[i].X-ma.X, a[i].Y-ma.Y, b[i].X-mb.X, b[i].Y-mb.Y
		xx, xy, yy = xx+x*x, xy+x*y, yy+y*y
		ux, uy, vx, vy = ux+u*x, uy+u*y, vx+v*x, vy+v*y
	}
	det := xx*yy - xy*xy
	if det == 0 {
		det = math.NaN()
	}
	t := imgproc.Affine{
		A: (ux*yy - uy*xy) / det, B: (uy*xx - ux*xy) / det,
		D: (vx*yy - vy*xy) / det, E: (vy*xx - vx*xy) / det,
	}
	t.C, t.F = mb.X-t.A*ma.X-t.B*ma.Y, mb.Y-t.D*ma.X-t.E*ma.Y
	return t
}
