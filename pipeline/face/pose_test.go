package face

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// turned is a mesh whose eyes and mouth lie in a plane that leans back as on a level face and
// is then turned: x to the right, y down, z away from the camera.
func turned(yaw, pitch, roll float64) *Mesh {
	const rad = math.Pi / 180
	m := &Mesh{}
	plane := map[int][2]float64{33: {-45, -30}, 263: {45, -30}, MouthLeft: {-25, 30}, MouthRight: {25, 30}, 0: {0, 22}, 17: {0, 38}}
	for i, p := range plane {
		x, y, z := p[0], p[1], 0.
		// Looking down brings the eyes, which are above, towards the camera.
		a := (pitch - levelPitch) * rad
		y, z = y*math.Cos(a)-z*math.Sin(a), y*math.Sin(a)+z*math.Cos(a)
		// A nose to the left of the picture takes the left eye away from the camera.
		b := yaw * rad
		x, z = x*math.Cos(b)+z*math.Sin(b), -x*math.Sin(b)+z*math.Cos(b)
		c := roll * rad
		x, y = x*math.Cos(c)-y*math.Sin(c), x*math.Sin(c)+y*math.Cos(c)
		m.Points[i] = Point3{float32(x), float32(y), float32(z)}
	}
	return m
}

func TestPoseReadsATurnedPlane(t *testing.T) {
	for _, want := range []Pose{{}, {Yaw: 30}, {Yaw: -45}, {Pitch: 20}, {Pitch: -35}, {Roll: 15}, {Roll: -30}} {
		got := turned(want.Yaw, want.Pitch, want.Roll).Pose()
		slack := .1
		if want.Roll != 0 {
			slack = 6 // a leaning plane that rolls turns aside a little
		}
		if math.Abs(got.Yaw-want.Yaw) > slack || math.Abs(got.Pitch-want.Pitch) > slack || math.Abs(got.Roll-want.Roll) > .1 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestPoseOfAMirroredFaceTurnsTheOtherWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := turned(rapid.Float64Range(-60, 60).Draw(t, "yaw"), rapid.Float64Range(-40, 40).Draw(t, "pitch"), 0)
		mirror := *m
		for _, pair := range [][2]int{{33, 263}, {MouthLeft, MouthRight}, {0, 0}, {17, 17}} {
			for i := range pair {
				p := m.Points[pair[i]]
				p.X = -p.X
				mirror.Points[pair[1-i]] = p
			}
		}
		a, b := m.Pose(), mirror.Pose()
		if math.Abs(a.Yaw+b.Yaw) > .01 || math.Abs(a.Pitch-b.Pitch) > .01 {
			t.Fatalf("got %+v and mirrored %+v", a, b)
		}
	})
}

func TestPoseOfNothingIsFinite(t *testing.T) {
	if got := (&Mesh{}).Pose(); got != (Pose{}) {
		t.Errorf("got %+v, want the zero pose", got)
	}
}
