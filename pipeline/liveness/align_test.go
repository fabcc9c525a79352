package liveness

import (
	"math"
	"testing"

	"facegate/pipeline/imgproc"
)

func TestFitHomographyIsExact(t *testing.T) {
	want := homography{1.1, .05, .2, -.1, .95, -.1, .08, -.05, 1}
	var a, b []imgproc.Point
	for i := range 30 {
		x, y := math.Cos(float64(i)), math.Sin(1.7*float64(i))
		u, v := want.apply(x, y)
		a, b = append(a, imgproc.Point{X: x, Y: y}), append(b, imgproc.Point{X: u, Y: v})
	}
	got := fitHomography(a, b)
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-6 {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	inv := got.inverse()
	one := got.times(&inv)
	for i, v := range one {
		if w := []float64{1, 0, 0, 0, 1, 0, 0, 0, 1}[i]; math.Abs(v-w) > 1e-9 {
			t.Fatalf("times its inverse: %v", one)
		}
	}
	if h := fitHomography(a[:1], b[:1]); h.finite() {
		t.Errorf("one point gives %v, want no numbers", h)
	}
}

// waves is a smooth picture without repetition, moved and turned, under uneven light.
func waves(to imgproc.Affine, light float64) *imgproc.Image {
	img := imgproc.New(480, 360)
	back := to.Invert()
	for y := range img.H {
		for x := range img.W {
			p := back.Apply(imgproc.Point{X: float64(x), Y: float64(y)})
			v := 110 + 30*math.Sin(p.X/5+2*math.Sin(p.Y/17)) + 30*math.Sin(p.Y/6+math.Sin(p.X/23))
			v *= 1 + light*(float64(x)/480-.5)
			for k := range 3 {
				img.Pix[y*img.Stride+3*x+k] = byte(v)
			}
		}
	}
	return img
}

func TestAlignmentFindsThePlane(t *testing.T) {
	m := head(0, 0, false)
	var room darkroom
	var a aligner
	var p patch
	a.take(&room, waves(imgproc.Affine{A: 1, E: 1}, 0), m)
	if n := len(a.inside); n < 5000 || n > patchSize {
		t.Errorf("%d pixels inside the face", n)
	}
	// The picture is sheared and lit from the side, the landmarks are two pixels off.
	to := imgproc.Affine{A: .9, B: .05, C: 20, D: -.03, E: 1, F: 12}
	img := waves(to, .8)
	moved := *m
	for i := range moved.Points {
		q := to.Apply(m.At(i))
		moved.Points[i].X, moved.Points[i].Y = float32(q.X+2), float32(q.Y-2)
	}
	room.cut(&p, img, &moved)
	if got := a.ncc(&p, &moved); got < .97 {
		t.Errorf("the same plane: NCC %.3f", got)
	}
	room.cut(&p, noise(4), &moved)
	if got := a.ncc(&p, &moved); got > .3 {
		t.Errorf("another picture: NCC %.3f", got)
	}
	room.cut(&p, imgproc.New(480, 360), &moved)
	if got := a.ncc(&p, &moved); !math.IsNaN(got) && got > .3 {
		t.Errorf("a black picture: NCC %.3f", got)
	}
}

func BenchmarkLikeness(b *testing.B) {
	m := head(0, 0, false)
	var room darkroom
	var a aligner
	var p patch
	img := waves(imgproc.Affine{A: .9, B: .05, C: 20, D: -.03, E: 1, F: 12}, .8)
	a.take(&room, waves(imgproc.Affine{A: 1, E: 1}, 0), m)
	for b.Loop() {
		room.cut(&p, img, m)
		a.ncc(&p, m)
	}
}
