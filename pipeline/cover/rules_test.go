package cover

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

func TestAround(t *testing.T) {
	for _, tt := range []struct{ v, low, threshold, high, want float64 }{
		{0, 0, .03, 1, 0},
		{.015, 0, .03, 1, .25},
		{.03, 0, .03, 1, .5},
		{1, 0, .03, 1, 1},
		{2, 0, .03, 1, 1},
		{-1, 0, .03, 1, 0},
		{-.12, -.12, -.054, 0, 0},
		{-.2, -.12, -.054, 0, 0},
		{-.054, -.12, -.054, 0, .5},
		{0, -.12, -.054, 0, 1},
	} {
		if got := around(tt.v, tt.low, tt.threshold, tt.high); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("around(%v, %v, %v, %v) = %v, want %v", tt.v, tt.low, tt.threshold, tt.high, got, tt.want)
		}
	}
}

func TestOcclude(t *testing.T) {
	r := NotRun()
	r.occlude(Sunglasses, .7)
	r.occlude(NoseMouth, .2)
	r.occlude(FaceCovered, .9)
	if d := cmp.Diff([]string{"sunglasses", "face"}, r.Occlusion.Names()); d != "" || r.Occluded != .9 {
		t.Errorf("occluded %v: %s", r.Occluded, d)
	}
	// A second judgement of the same kind takes the place of the first.
	r.occlude(Sunglasses, .1)
	if d := cmp.Diff([]string{"face"}, r.Occlusion.Names()); d != "" {
		t.Error(d)
	}
	if names := Occlusion(0).Names(); names == nil || len(names) != 0 {
		t.Errorf("names of nothing: %#v, want an empty list", names)
	}
}

func TestLab(t *testing.T) {
	for _, tt := range []struct {
		c       colour
		l, a, b float64
	}{
		{colour{0, 0, 0, 1}, 0, 0, 0},
		{colour{2 * 255, 2 * 255, 2 * 255, 2}, 100, 0, 0},
		{colour{255, 0, 0, 1}, 53.24, 80.09, 67.20},
		{colour{0, 0, 255, 1}, 32.30, 79.19, -107.86},
	} {
		l, a, b := tt.c.lab()
		if math.Abs(l-tt.l) > .02 || math.Abs(a-tt.a) > .02 || math.Abs(b-tt.b) > .02 {
			t.Errorf("%v: %.2f %.2f %.2f, want %v %v %v", tt.c, l, a, b, tt.l, tt.a, tt.b)
		}
	}
}

// upright is a face 200 pixels wide round (128, 128) of a 256 pixel crop: brows at y 88,
// eyes at 98, tip of the nose at 128.
func upright() *face.Mesh {
	m := &face.Mesh{Presence: 1}
	put := func(x, y float32, points ...int) {
		for _, p := range points {
			m.Points[p] = face.Point3{X: x, Y: y}
		}
	}
	put(128, 128, face.NoseTip)
	put(28, 118, 234)
	put(228, 118, 454)
	for _, p := range face.Oval {
		if m.Points[p].X == 0 {
			put(128, 128, p)
		}
	}
	put(128, 40, face.Forehead)
	put(128, 230, face.Chin)
	put(100, 98, 33, 133)
	put(156, 98, 362, 263)
	put(128, 88, 70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
	return m
}

func TestAbove(t *testing.T) {
	one := imgproc.Affine{A: 1, E: 1}
	f, err := newFrame(upright(), one)
	if err != nil {
		t.Fatal(err)
	}
	// The band reaches from 40 to 40 + 1.2 x 31 over the tip of the nose.
	labels := make([]int64, parseSide*parseSide)
	for y := range 70 {
		for x := range parseSide {
			labels[y*parseSide+x] = hat
		}
	}
	band, seen := above(labels, &f, one, parseSide, parseSide)
	rows := 87 - 51 + 1
	if band.n != 200*rows || band.label[hat] != 200*(69-51+1) || seen != 1 {
		t.Errorf("%d pixels, %d hat, %v seen", band.n, band.label[hat], seen)
	}
	// The same crop where the picture begins at the crop's row 69.
	if _, seen := above(labels, &f, imgproc.Affine{A: 1, E: 1, F: -69}, parseSide, parseSide); math.Abs(seen-19./37) > 1e-9 {
		t.Errorf("%v of the band seen, want 19/37", seen)
	}
}

func TestTallyIgnoresLabelsThatDoNotExist(t *testing.T) {
	var c tally
	for _, l := range []int64{hat, -1, allLabels, math.MaxInt64, math.MinInt64} {
		c.add(l)
	}
	if got := c.share(hat); got != .2 {
		t.Errorf("share %v, want 1 of 5", got)
	}
	if got := (tally{}).share(hat); got != 0 {
		t.Errorf("share of nothing %v", got)
	}
}

// Boxes and meshes that no crop or band can be laid over are errors; odd pictures are not.
func TestUnusableGeometry(t *testing.T) {
	c, err := New(sharedtest.Loader(t))
	if err != nil {
		t.Fatal(err)
	}
	img := imgproc.New(64, 48)
	box := imgproc.Box{X0: 10, Y0: 10, X1: 40, Y1: 40}
	nan, inf := math.NaN(), math.Inf(1)
	for _, b := range []imgproc.Box{
		{}, {X0: 40, Y0: 10, X1: 10, Y1: 40}, {X0: nan, Y0: 10, X1: 40, Y1: 40}, {X0: 10, Y0: 10, X1: 40, Y1: inf}, {X0: -1e9, Y0: 0, X1: 1e9, Y1: 10},
	} {
		if r, err := c.Judge(img, &face.Detection{Box: b}, upright()); !errors.Is(err, ErrFace) || !math.IsNaN(r.Mask) {
			t.Errorf("box %v: %+v, %v", b, r, err)
		}
	}
	broken := upright()
	broken.Points[234].X = float32(nan)
	far := upright()
	far.Points[454].X = 1e9
	for name, m := range map[string]*face.Mesh{"empty": {}, "NaN": broken, "far": far} {
		if r, err := c.Judge(img, &face.Detection{Box: box}, m); !errors.Is(err, ErrFace) || !math.IsNaN(r.Mask) {
			t.Errorf("%s mesh: %+v, %v", name, r, err)
		}
	}
	for _, img := range []*imgproc.Image{imgproc.New(1, 1), img} {
		if _, err := c.Judge(img, &face.Detection{Box: imgproc.Box{X0: 0, Y0: 0, X1: 256, Y1: 256}}, upright()); err != nil {
			t.Errorf("picture of %d x %d: %v", img.W, img.H, err)
		}
	}
}

func TestJudgeAllocatesNothing(t *testing.T) {
	c, err := New(sharedtest.Loader(t))
	if err != nil {
		t.Fatal(err)
	}
	img, d, m := imgproc.New(320, 240), &face.Detection{Box: imgproc.Box{X0: 28, Y0: 40, X1: 228, Y1: 230}}, upright()
	judge := func() {
		if _, err := c.Judge(img, d, m); err != nil {
			t.Fatal(err)
		}
	}
	judge()
	if n := testing.AllocsPerRun(3, judge); n != 0 {
		t.Errorf("%v allocations a face", n)
	}
}

// A model that is missing or of another shape is an error, and what was loaded is closed.
func TestNewRefusesOtherModels(t *testing.T) {
	load := sharedtest.Loader(t)
	absent := errors.New("absent")
	for _, lacking := range []string{"mask", "helmet", "parsing"} {
		if c, err := New(func(role string) (*litert.Model, error) {
			if role == lacking {
				return nil, absent
			}
			return load(role)
		}); !errors.Is(err, absent) || c != nil {
			t.Errorf("without %s: %v, %v", lacking, c, err)
		}
		if c, err := New(func(role string) (*litert.Model, error) {
			if role == lacking {
				role = "mesh"
			}
			return load(role)
		}); err == nil || c != nil {
			t.Errorf("another %s: %v", lacking, c)
		}
	}
}

// Without a model its stages tell nothing, and nothing of theirs is taken for true.
func TestModelsMayBeLeftOut(t *testing.T) {
	load := sharedtest.Loader(t)
	img, d := imgproc.New(320, 240), &face.Detection{Box: imgproc.Box{X0: 28, Y0: 40, X1: 228, Y1: 230}}
	for _, out := range []string{"mask", "helmet", "parsing"} {
		c, err := New(func(role string) (*litert.Model, error) {
			if role == out {
				return nil, fmt.Errorf("open %s: %w", role, models.ErrUnknownRole)
			}
			return load(role)
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Judge(img, d, upright())
		if err != nil {
			t.Fatal(err)
		}
		lacks := func(score float64) bool { return math.IsNaN(score) }
		if lacks(r.Mask) != (out == "mask") || lacks(r.Helmet) != (out == "helmet" || out == "parsing") ||
			lacks(r.Head) != (out == "parsing") || lacks(r.Sunglasses) != (out == "parsing") {
			t.Errorf("without %s: %+v", out, r)
		}
		if out == "mask" && r.MaskState != MaskUnknown || out == "parsing" && r.HeadCover != HeadUnknown || r.HeadCover == HeadHelmet {
			t.Errorf("without %s: mask %s, head %s", out, r.MaskState, r.HeadCover)
		}
	}
}

func BenchmarkStages(b *testing.B) {
	c, err := New(sharedtest.Loader(b))
	if err != nil {
		b.Fatal(err)
	}
	img, d, m := imgproc.New(1280, 720), &face.Detection{Box: imgproc.Box{X0: 428, Y0: 240, X1: 628, Y1: 430}}, upright()
	for i := range m.Points {
		m.Points[i].X += 400
		m.Points[i].Y += 200
	}
	r := NotRun()
	for _, s := range []struct {
		name string
		run  func() error
	}{
		{"mask", func() error { return c.Mask(img, d, &r) }},
		{"face", func() error { return c.Face(img, d, m, &r) }},
		{"glasses", func() error { return c.Glasses(img, d, m, &r) }},
	} {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
