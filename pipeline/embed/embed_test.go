package embed_test

import (
	"errors"
	"math"
	"testing"

	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/embed"
	"facegate/pipeline/face/facetest"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

func dot(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

// vector is the template of a look, which must be of unit length.
func vector(t *testing.T, e *embed.Embedder, k *facetest.Look) []float32 {
	t.Helper()
	v := make([]float32, e.Dim())
	if err := e.Embed(k.Image, k.Mesh.Five(), v); err != nil {
		t.Error(err)
		return v
	}
	if n := dot(v, v); math.Abs(n-1) > 1e-5 {
		t.Errorf("got length %v, want 1", math.Sqrt(n))
	}
	return v
}

// TestEveryEmbedderTellsPeopleApart runs all embedders of the manifest on a few people.
func TestEveryEmbedderTellsPeopleApart(t *testing.T) {
	load := sharedtest.Loader(t)
	rows := facetest.Rows(t, "lfw", 1)[:24]
	seen, vectors := map[string]bool{}, map[string][][]float32{}
	for _, m := range models.Manifest().Embedders {
		e, err := embed.New(load, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if e.ID() != m.ID || e.Dim() != m.Size || seen[e.Model()] {
			t.Errorf("%s: id %q, model %q (seen %v), %d numbers", m.ID, e.ID(), e.Model(), seen[e.Model()], e.Dim())
		}
		seen[e.Model()] = true
		l := facetest.NewLooker(t, load)
		for _, r := range rows {
			vectors[m.ID] = append(vectors[m.ID], vector(t, e, l.Look(t, r)))
		}
		v := vectors[m.ID]
		var same, other, n, k float64
		for i := range v {
			for j := range i {
				if rows[i]["identity"] == rows[j]["identity"] {
					same, n = same+dot(v[i], v[j]), n+1
				} else {
					other, k = other+dot(v[i], v[j]), k+1
				}
			}
		}
		if same/n < .5 || other/k > .1 {
			t.Errorf("%s: mean cosine %.3f of %v genuine pairs, %.3f of %v impostor pairs", m.ID, same/n, n, other/k, k)
		}
	}
	// Smaller files are the same network.
	for _, tt := range []struct {
		small, whole string
		cosine       float64
	}{{"foamliu_f16", "foamliu", .9999}, {"foamliu_int8", "foamliu", .97}, {"0095_f16", "0095", .9999}} {
		for i := range rows {
			if c := dot(vectors[tt.small][i], vectors[tt.whole][i]); c < tt.cosine {
				t.Errorf("%s against %s on %s: cosine %.5f, want %v", tt.small, tt.whole, rows[i]["file"], c, tt.cosine)
			}
		}
	}
}

// TestTheDefaultIsBothNetworksSideBySide holds that the cosine is the mean of the parts'.
func TestTheDefaultIsBothNetworksSideBySide(t *testing.T) {
	load := sharedtest.Loader(t)
	l := facetest.NewLooker(t, load)
	rows := facetest.Rows(t, "lfw", 1)[:2]
	cosine := map[string]float64{}
	for _, id := range []string{"", "foamliu", "0095"} {
		e, err := embed.New(load, id)
		if err != nil {
			t.Fatal(err)
		}
		cosine[id] = dot(vector(t, e, l.Look(t, rows[0])), vector(t, e, l.Look(t, rows[1])))
	}
	if got, want := cosine[""], (cosine["foamliu"]+cosine["0095"])/2; math.Abs(got-want) > 1e-5 {
		t.Errorf("got %v, want the mean %v of %v", got, want, cosine)
	}
}

func TestWithTheMirrorAFaceIsItsMirrorImage(t *testing.T) {
	load := sharedtest.Loader(t)
	l := facetest.NewLooker(t, load)
	e, err := embed.New(load, "foamliu+mirror")
	if err != nil {
		t.Fatal(err)
	}
	k := l.Look(t, facetest.Rows(t, "lfw", 1)[0])
	five := k.Mesh.Five()
	mirror := imgproc.New(k.Image.W, k.Image.H)
	imgproc.Mirror(mirror, k.Image)
	flip := five
	for i, j := range [5]int{1, 0, 2, 4, 3} {
		flip[i] = imgproc.Point{X: float64(k.Image.W-1) - five[j].X, Y: five[j].Y}
	}
	a, b := make([]float32, e.Dim()), make([]float32, e.Dim())
	if err := errors.Join(e.Embed(k.Image, five, a), e.Embed(mirror, flip, b)); err != nil {
		t.Fatal(err)
	}
	// The template is not quite symmetrical.
	if c := dot(a, b); c < .995 {
		t.Errorf("cosine of a face and its mirror image: got %v, want .995", c)
	}
}

func TestFacesWithoutExtentGiveNoVector(t *testing.T) {
	e, err := embed.New(sharedtest.Loader(t), "")
	if err != nil {
		t.Fatal(err)
	}
	img := imgproc.New(64, 64)
	nan, inf := math.NaN(), math.Inf(1)
	spread := func(x float64) [5]imgproc.Point {
		return [5]imgproc.Point{{X: 20, Y: 20}, {X: 40, Y: 20}, {X: x, Y: 30}, {X: 22, Y: 40}, {X: 38, Y: 40}}
	}
	for _, five := range [][5]imgproc.Point{{}, spread(nan), spread(inf)} {
		v := make([]float32, e.Dim())
		v[0] = 7
		if err := e.Embed(img, five, v); !errors.Is(err, embed.ErrNoVector) {
			t.Errorf("%v: got %v, want ErrNoVector", five, err)
		}
		for i, x := range v {
			if x != 0 {
				t.Errorf("%v: number %d is %v after an error, want 0", five, i, x)
				break
			}
		}
	}
	if err := e.Embed(img, spread(30), make([]float32, e.Dim()-1)); err == nil {
		t.Error("a template that is too short: got no error")
	}
	// A picture without a face still has a vector; quality refuses it before.
	v := make([]float32, e.Dim())
	if err := e.Embed(img, spread(30), v); err != nil || math.Abs(dot(v, v)-1) > 1e-5 {
		t.Errorf("a black picture: got %v and length² %v, want a unit vector", err, dot(v, v))
	}
}

func TestUnknownEmbeddersAndMissingModelsAreErrors(t *testing.T) {
	absent := errors.New("absent")
	load := func(string) (*litert.Model, error) { return nil, absent }
	if _, err := embed.New(load, "arcface-r100"); err == nil {
		t.Error("an unknown embedder: got no error")
	}
	if _, err := embed.New(load, ""); !errors.Is(err, absent) {
		t.Errorf("a missing model: got %v, want the loader's error", err)
	}
}

func TestNothingIsAllocatedPerFace(t *testing.T) {
	load := sharedtest.Loader(t)
	e, err := embed.New(load, "")
	if err != nil {
		t.Fatal(err)
	}
	k := facetest.NewLooker(t, load).Look(t, facetest.Rows(t, "lfw", 1)[0])
	v := make([]float32, e.Dim())
	five := k.Mesh.Five()
	if n := testing.AllocsPerRun(10, func() {
		if err := e.Embed(k.Image, five, v); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations a face, want none", n)
	}
}
