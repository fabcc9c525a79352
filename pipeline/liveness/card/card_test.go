package card

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// chequers is a still of red squares of 20 pixels on white, the face in its middle.
func chequers() (*imgproc.Image, imgproc.Box) {
	img := imgproc.New(400, 400)
	for y := range img.H {
		for x := range img.W {
			p := img.Pix[y*img.Stride+3*x:]
			p[0] = 255
			if (x/20+y/20)%2 == 0 {
				p[1], p[2] = 255, 255
			}
		}
	}
	return img, imgproc.Box{X0: 120, Y0: 100, X1: 280, Y1: 300}
}

func newCard(t *testing.T) *Card {
	t.Helper()
	img, box := chequers()
	c, err := New(img, box, 480, 360, .4)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func render(t *testing.T, c *Card, v View) *imgproc.Image {
	t.Helper()
	img := new(imgproc.Image)
	if err := c.Render(img, v); err != nil {
		t.Fatal(err)
	}
	if img.W != 480 || img.H != 360 {
		t.Fatalf("%d by %d pixels", img.W, img.H)
	}
	return img
}

// extent is the box of the pixels that are the card's: red at full strength.
func extent(img *imgproc.Image) (x0, y0, x1, y1 int) {
	x0, y0 = img.W, img.H
	for y := range img.H {
		for x := range img.W {
			if img.Pix[y*img.Stride+3*x] > 240 {
				x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x), max(y1, y)
			}
		}
	}
	return x0, y0, x1, y1
}

func TestCardHasItsSizeAndNarrowsAsItTurns(t *testing.T) {
	c := newCard(t)
	x0, y0, x1, y1 := extent(render(t, c, View{}))
	// 2.2 faces: the face is 0.4 of the height, 160 to 200 pixels of the still.
	if w, h := x1-x0, y1-y0; math.Abs(float64(w)-2.2*.4*360*.8) > 4 || math.Abs(float64(h)-2.2*.4*360) > 4 {
		t.Errorf("straight: %d by %d pixels", w, h)
	}
	last := x1 - x0
	for yaw := 20.; yaw <= 60; yaw += 20 {
		x0, _, x1, _ := extent(render(t, c, View{Yaw: yaw}))
		if x1-x0 >= last {
			t.Errorf("turned by %g: %d pixels wide, %d before", yaw, x1-x0, last)
		}
		last = x1 - x0
	}
	a0, _, a1, _ := extent(render(t, c, View{DX: 10}))
	b0, _, b1, _ := extent(render(t, c, View{}))
	if a0-b0 != 10 || a1-b1 != 10 {
		t.Errorf("moved by 10 pixels, it lies %d and %d further", a0-b0, a1-b1)
	}
}

// A turned card is the plane turned: the near edge is larger than the far one.
func TestTurnedCardIsSeenInPerspective(t *testing.T) {
	img := render(t, newCard(t), View{Yaw: 40})
	column := func(x int) (n int) {
		for y := range img.H {
			if img.Pix[y*img.Stride+3*x] > 240 {
				n++
			}
		}
		return n
	}
	x0, _, x1, _ := extent(img)
	if l, r := column(x0+3), column(x1-3); r <= l+20 {
		t.Errorf("%d pixels high on the left, %d on the right", l, r)
	}
}

func TestBentCardBulgesTowardsTheCamera(t *testing.T) {
	c := newCard(t)
	f0, _, f1, _ := extent(render(t, c, View{}))
	b0, _, b1, _ := extent(render(t, c, View{Radius: 1}))
	if b1-b0 >= f1-f0 {
		t.Errorf("bent: %d pixels wide, flat: %d", b1-b0, f1-f0)
	}
	_, f0, _, f1 = extent(render(t, c, View{}))
	_, b0, _, b1 = extent(render(t, c, View{Radius: 1, Lying: true}))
	if b1-b0 >= f1-f0 {
		t.Errorf("bent the other way: %d pixels high, flat: %d", b1-b0, f1-f0)
	}
}

func TestSameViewIsSamePicture(t *testing.T) {
	v := View{Yaw: 12, Pitch: -3, Noise: 3, Seed: 7, Background: 9, JPEG: 90, Light: RandomLight(rand.New(rand.NewPCG(1, 2)))}
	a, b := render(t, newCard(t), v), render(t, newCard(t), v)
	if !bytes.Equal(a.Pix, b.Pix) {
		t.Error("two renderings of one view differ")
	}
	for name, other := range map[string]View{
		"noise":      {Yaw: 12, Pitch: -3, Noise: 3, Seed: 8, Background: 9, JPEG: 90, Light: v.Light},
		"background": {Yaw: 12, Pitch: -3, Noise: 3, Seed: 7, Background: 10, JPEG: 90, Light: v.Light},
		"light":      {Yaw: 12, Pitch: -3, Noise: 3, Seed: 7, Background: 9, JPEG: 90},
	} {
		if bytes.Equal(a.Pix, render(t, newCard(t), other).Pix) {
			t.Errorf("another %s changes nothing", name)
		}
	}
}

// A relief shows parallax: what stands out moves against what does not.
func TestReliefTurnsAsABody(t *testing.T) {
	c := newCard(t)
	m := new(face.Mesh)
	box := c.face
	for i := range m.Points {
		r, a := .5*math.Sqrt(float64(i)/face.MeshPoints), 2.4*float64(i)
		m.Points[i] = face.Point3{
			X: float32(box.Centre().X + box.W()*r*math.Cos(a)), Y: float32(box.Centre().Y + box.H()*r*math.Sin(a)),
			Z: float32(-box.W() * (.5 - 2*r*r)),
		}
	}
	c.Relief(m)
	straight, turned := render(t, c, View{Relief: true}), render(t, c, View{Relief: true, Yaw: 25})
	flat := render(t, c, View{Yaw: 25})
	if bytes.Equal(straight.Pix, turned.Pix) || bytes.Equal(flat.Pix, turned.Pix) {
		t.Error("the relief does not turn, or turns as the card does")
	}
	if x0, _, x1, _ := extent(straight); x1-x0 < 100 {
		t.Errorf("the relief is %d pixels wide", x1-x0)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	img, box := chequers()
	for name, try := range map[string]func() (*Card, error){
		"no face":    func() (*Card, error) { return New(img, imgproc.Box{}, 480, 360, .4) },
		"no picture": func() (*Card, error) { return New(new(imgproc.Image), box, 480, 360, .4) },
		"no frame":   func() (*Card, error) { return New(img, box, 0, 0, .4) },
		"no share":   func() (*Card, error) { return New(img, box, 480, 360, math.NaN()) },
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s: a card is made", name)
		}
	}
}
