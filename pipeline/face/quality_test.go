package face

import (
	"math"
	"testing"

	"facegate/pipeline/imgproc"
)

// levelMesh is a frontal face of the given outline.
func levelMesh(o imgproc.Box) *Mesh {
	m := turned(0, 0, 0)
	c := o.Centre()
	for i := range m.Points {
		m.Points[i].X += float32(c.X)
		m.Points[i].Y += float32(c.Y)
	}
	for _, i := range Oval {
		m.Points[i] = Point3{X: float32(c.X), Y: float32(c.Y)}
	}
	m.Points[Oval[0]] = Point3{X: float32(o.X0), Y: float32(o.Y0)}
	m.Points[Oval[1]] = Point3{X: float32(o.X1), Y: float32(o.Y1)}
	m.Presence = 1
	return m
}

// TestJudgeGivesTheFirstCodeThatApplies makes everything wrong at once and puts it right, one
// thing after the other.
func TestJudgeGivesTheFirstCodeThatApplies(t *testing.T) {
	l := DefaultLimits()
	box := imgproc.Box{X0: 270, Y0: 190, X1: 370, Y1: 290}
	f := Finding{EyesOpen: .2, Coverage: CoverOther}
	steps := []struct {
		want Quality
		cure func()
	}{
		{ImageError, func() { f.W, f.H = 640, 480 }},
		{NoFace, func() {
			f.Face = &Detection{Score: .9, Box: imgproc.Box{X0: 300, Y0: 200, X1: 320, Y1: 220}}
			f.Faces = []Detection{*f.Face, {Score: .6, Box: imgproc.Box{X1: 12, Y1: 12}}}
		}},
		{SeveralFaces, func() { f.Faces[1].Box.X1 = 11.9 }},
		{TooSmall, func() {
			f.Face = &Detection{Score: .9, Box: box}
			f.Mesh = levelMesh(imgproc.Box{X0: -10, Y0: -10, X1: 100, Y1: 480})
		}},
		{TooClose, func() { f.Mesh = levelMesh(imgproc.Box{X0: -12, Y0: 10, X1: 88, Y1: 130}) }},
		{Cropped, func() { f.Mesh = levelMesh(imgproc.Box{X0: -9, Y0: 10, X1: 91, Y1: 130}) }},
		{NearBorder, func() {
			f.Mesh = levelMesh(box)
			f.Mesh.Points[33].Z += 120
		}},
		{Angle, func() {
			f.Mesh = levelMesh(box)
			f.Surface = &Surface{Highlight: .1, Clipped: .5, Blur: .9}
		}},
		{Dark, func() { f.Surface.Highlight = .9 }},
		{Bright, func() { f.Surface.Clipped = 0 }},
		{Blurred, func() { f.Surface.Blur = 0 }},
		{Occluded, func() { f.Coverage = CoverMask }},
		{EyesClosed, func() { f.EyesOpen = .5 }},
		{OK, func() {}},
	}
	for _, s := range steps {
		if got := l.Judge(&f); got != s.want {
			t.Fatalf("got %s, want %s of %+v", got, s.want, f)
		}
		s.cure()
	}
}

func TestJudgeOfACoveredFace(t *testing.T) {
	l := DefaultLimits()
	tests := []struct {
		score    float64
		presence float64
		coverage Coverage
		want     Quality
	}{
		{.9, .9, CoverUnknown, OK},
		{.9, .1, CoverUnknown, Occluded}, // nobody knows what it is: refused
		{.9, .1, CoverNone, Occluded},
		{.9, .1, CoverMask, OK},
		{.9, .9, CoverMask, OK},
		{.9, .9, CoverOther, Occluded},
		{.55, .1, CoverUnknown, Occluded},
		{.55, .1, CoverOther, Occluded}, // something is worn: there is somebody
		{.55, .1, CoverNone, NoFace},
		{.55, .1, CoverMask, OK},
		{.55, .9, CoverNone, OK},
	}
	for _, tt := range tests {
		f := Finding{W: 640, H: 480, EyesOpen: math.NaN(), Coverage: tt.coverage}
		f.Face = &Detection{Score: tt.score, Box: imgproc.Box{X0: 270, Y0: 190, X1: 370, Y1: 290}}
		f.Mesh = levelMesh(f.Face.Box)
		f.Mesh.Presence = tt.presence
		if got := l.Judge(&f); got != tt.want {
			t.Errorf("score %v, presence %v, coverage %v: got %s, want %s", tt.score, tt.presence, tt.coverage, got, tt.want)
		}
	}
}

func TestOneFaceSeenByBothDetectorsIsOnePerson(t *testing.T) {
	l := DefaultLimits()
	d := Detection{Score: .9, Box: imgproc.Box{X0: 270, Y0: 190, X1: 370, Y1: 290}}
	again := d
	again.Box.X0, again.Box.Y0 = 262, 182
	f := Finding{W: 640, H: 480, Face: &d, Faces: []Detection{again}, EyesOpen: math.NaN()}
	if got := l.Judge(&f); got != OK {
		t.Errorf("got %s, want ok", got)
	}
}

func TestAFaceWithoutExtentIsNotMeasuredAndNotLetThrough(t *testing.T) {
	var meter Meter
	s := meter.Measure(imgproc.New(8, 8), &Mesh{})
	if s != (Surface{Blur: 1}) {
		t.Errorf("got %+v, want black without detail", s)
	}
	l := DefaultLimits()
	f := Finding{W: 8, H: 8, Face: &Detection{Score: .9, Box: imgproc.Box{X1: 200, Y1: 200}}, Mesh: &Mesh{Presence: 1}, EyesOpen: math.NaN()}
	if got := l.Judge(&f); got == OK {
		t.Error("a mesh in one point is ok")
	}
}
