// Package face finds faces and describes them: detection (BlazeFace, short range and full
// range), the 468-point mesh, head pose, eyes, and the quality code that tells the person
// what to do.
//
// A [Detector] finds faces, [Pick] chooses one, a [Mesher] fits the mesh, [Eyes] and a [Meter]
// look at eyes, light and blur, and [Limits] judge what is known so far. Each belongs to one
// goroutine and allocates nothing per frame. Nothing here says who somebody is or whether a
// face is alive.
//
// Left and right are those of the picture, not of the person. Geometry is in picture pixels.
package face

import "facegate/pipeline/imgproc"

// A Detection is one face as a detector saw it.
type Detection struct {
	Score float64 // 0..1, the detector's confidence
	Box   imgproc.Box
	// Points: left eye, right eye, nose, middle of the mouth, left ear, right ear.
	Points [6]imgproc.Point
}

// Points of the mesh that have a name (MediaPipe's numbering).
const (
	MeshPoints = 468

	NoseTip    = 1
	MouthLeft  = 61
	MouthRight = 291
	Forehead   = 10
	Chin       = 152
)

// A Point3 is a mesh point: x and y in picture pixels, z in the same unit, negative towards
// the camera.
type Point3 struct{ X, Y, Z float32 }

// A Mesh is the fitted 468-point face (MediaPipe FaceMesh).
type Mesh struct {
	Presence float64 // 0..1, that there is a bare face; masks and helmets lower it
	Points   [MeshPoints]Point3
}

// At is mesh point i in the picture plane.
func (m *Mesh) At(i int) imgproc.Point {
	return imgproc.Point{X: float64(m.Points[i].X), Y: float64(m.Points[i].Y)}
}

// Oval is the outline of the face, in order (MediaPipe's FACE_OVAL).
var Oval = [36]int{ //nolint:gochecknoglobals // a constant table
	10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
	152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
}

// Outline is the upright box round the mesh's outline.
func (m *Mesh) Outline() imgproc.Box {
	p := m.At(Oval[0])
	b := imgproc.Box{X0: p.X, Y0: p.Y, X1: p.X, Y1: p.Y}
	for _, i := range Oval[1:] {
		p := m.At(i)
		b.X0, b.Y0, b.X1, b.Y1 = min(b.X0, p.X), min(b.Y0, p.Y), max(b.X1, p.X), max(b.Y1, p.Y)
	}
	return b
}

// Five is what faces are aligned by: the middles of the left and right eye, the tip of the
// nose, the left and right mouth corner.
func (m *Mesh) Five() [5]imgproc.Point {
	mid := func(a, b int) imgproc.Point {
		p, q := m.At(a), m.At(b)
		return imgproc.Point{X: (p.X + q.X) / 2, Y: (p.Y + q.Y) / 2}
	}
	return [5]imgproc.Point{mid(33, 133), mid(263, 362), m.At(NoseTip), m.At(MouthLeft), m.At(MouthRight)}
}

// A Pose is the direction of the head in degrees.
type Pose struct {
	Yaw   float64 // + = nose to the left of the picture
	Pitch float64 // + = looking down
	Roll  float64
}

// A Quality is the one thing that is wrong with a face for the door's purpose, or OK. The
// codes are fixed from outside.
type Quality string

// Quality codes in the order in which the first that applies is given; OK applies when no
// other does.
const (
	ImageError   Quality = "image_error"
	NoFace       Quality = "no_face"
	SeveralFaces Quality = "several_faces"
	TooSmall     Quality = "face_too_small"
	TooClose     Quality = "face_too_close"
	Cropped      Quality = "cropped"
	NearBorder   Quality = "near_border"
	Angle        Quality = "angle"
	Dark         Quality = "dark"
	Bright       Quality = "bright"
	Blurred      Quality = "blurred"
	Occluded     Quality = "occluded"
	EyesClosed   Quality = "eyes_closed"
	OK           Quality = "ok"
)
