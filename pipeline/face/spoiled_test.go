package face_test

import (
	"math"
	"testing"

	"facegate/pipeline/face"
	"facegate/pipeline/face/facetest"
	"facegate/pipeline/imgproc"
)

// TestSpoiledPicturesGetTheCodeOfTheirFault spoils good press pictures and webcam frames in
// known ways. Some are spoiled beyond detection: for those another refusal will do.
func TestSpoiledPicturesGetTheCodeOfTheirFault(t *testing.T) {
	faults := []struct {
		want  face.Quality
		share float64 // that gets exactly this code, at least
		pass  float64 // that passes all the same, at most
		spoil func(img *imgproc.Image, k *facetest.Look) *imgproc.Image
	}{
		{face.OK, 1, 1, func(img *imgproc.Image, _ *facetest.Look) *imgproc.Image { return img }},
		{face.Dark, 1, 0, func(img *imgproc.Image, _ *facetest.Look) *imgproc.Image { return exposed(img, -5.5) }},
		{face.Bright, .65, .1, func(img *imgproc.Image, _ *facetest.Look) *imgproc.Image { return exposed(img, 4.5) }},
		{face.Blurred, .75, .05, func(img *imgproc.Image, k *facetest.Look) *imgproc.Image { return blurred(img, k, 4.5) }},
		{face.Cropped, .9, 0, func(img *imgproc.Image, k *facetest.Look) *imgproc.Image {
			o := k.Mesh.Outline()
			return cut(img, imgproc.Box{X0: 0, Y0: o.Y0 + .22*o.W(), X1: float64(img.W), Y1: float64(img.H)})
		}},
		{face.NearBorder, .9, .05, func(img *imgproc.Image, k *facetest.Look) *imgproc.Image {
			o := k.Mesh.Outline()
			return cut(img, imgproc.Box{X0: o.X0 + .08*o.W(), Y0: 0, X1: float64(img.W), Y1: float64(img.H)})
		}},
		{face.TooClose, .9, .1, func(img *imgproc.Image, k *facetest.Look) *imgproc.Image {
			o := k.Mesh.Outline()
			return cut(img, imgproc.Box{X0: o.X0 - 10, Y0: o.Y0, X1: o.X1 + 10, Y1: o.Y1})
		}},
		{face.TooSmall, .95, .02, func(img *imgproc.Image, k *facetest.Look) *imgproc.Image {
			return framed(img, 24/k.Face.Box.W(), 0, 320, 240)
		}},
		{face.Angle, .9, .05, func(img *imgproc.Image, k *facetest.Look) *imgproc.Image {
			return framed(img, 1, 42, img.W, img.H)
		}},
	}
	var rows []facetest.Row
	for i, r := range facetest.Rows(t, "lfw", 120) {
		if i%40 == 0 || testing.Short() {
			rows = append(rows, r)
		}
	}
	for i, r := range facetest.Rows(t, "spoof_replay_attack", 12) {
		if r["label"] == "live" && (i%4 == 0 || testing.Short()) {
			rows = append(rows, r)
		}
	}
	got := make([][]face.Quality, len(rows)) // nil: not good to begin with
	start := newJudge(t)
	facetest.Each(len(rows), func() func(int) {
		j := start()
		return func(i int) {
			k := j.looker.Search(t, rows[i])
			code, _ := j.judge(t, k)
			if p := k.Mesh.Pose(); code != face.OK || math.Abs(p.Yaw) > 25 || math.Abs(p.Pitch) > 25 {
				return
			}
			whole, clean := k.Image, *k
			d := *k.Face
			clean.Face = &d
			for _, f := range faults {
				spoiled := f.spoil(whole, &clean)
				code, _ := j.judge(t, j.looker.SearchIn(t, spoiled))
				got[i] = append(got[i], code)
			}
		}
	})
	for n, f := range faults {
		right, all, table := 0, 0, map[face.Quality]int{}
		for _, q := range got {
			if q == nil {
				continue
			}
			all++
			table[q[n]]++
			if q[n] == f.want {
				right++
			}
		}
		t.Logf("%-15s %v", f.want, table)
		if all == 0 || float64(right) < f.share*float64(all) {
			t.Errorf("%s: %d of %d, want %.0f %%", f.want, right, all, 100*f.share)
		}
		if float64(table[face.OK]) > f.pass*float64(all) {
			t.Errorf("%s: %d of %d pass, want %.0f %% at most", f.want, table[face.OK], all, 100*f.pass)
		}
	}
}

// exposed is a picture with more or less light, in stops, as a sensor of 2.2 gamma would have it.
func exposed(img *imgproc.Image, stops float64) *imgproc.Image {
	var table [256]byte
	for v := range table {
		table[v] = byte(min(255, math.Round(255*math.Pow(math.Pow(float64(v)/255, 2.2)*math.Exp2(stops), 1/2.2))))
	}
	out := imgproc.New(img.W, img.H)
	for i, v := range img.Pix {
		out.Pix[i] = table[v]
	}
	return out
}

// blurred is a picture blurred by sigma pixels of the aligned face, 112 pixels wide.
func blurred(img *imgproc.Image, k *facetest.Look, sigma float64) *imgproc.Image {
	five := k.Mesh.Five()
	eyes := math.Hypot(five[1].X-five[0].X, five[1].Y-five[0].Y)
	sigma *= eyes / 35.24
	out := imgproc.New(img.W, img.H)
	for c := range 3 {
		g := imgproc.NewGray(img.W, img.H)
		for i := range g.Pix {
			g.Pix[i] = img.Pix[3*i+c]
		}
		imgproc.Gaussian(g, g, sigma)
		for i, v := range g.Pix {
			out.Pix[3*i+c] = v
		}
	}
	return out
}

// cut is the part of a picture inside box.
func cut(img *imgproc.Image, box imgproc.Box) *imgproc.Image {
	part := img.Sub(int(box.X0), int(box.Y0), int(math.Ceil(box.X1)), int(math.Ceil(box.Y1)))
	return &part
}

// framed is a picture scaled and turned about its middle, in the middle of a grey one of w by h.
func framed(img *imgproc.Image, scale, degrees float64, w, h int) *imgproc.Image {
	out := imgproc.New(w, h)
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	a, b := scale*cos, scale*sin
	cx, cy := float64(img.W)/2, float64(img.H)/2
	small := img
	if scale < .5 {
		small = imgproc.New(int(float64(img.W)*scale), int(float64(img.H)*scale))
		imgproc.ResizeArea(small, img)
		a, b, cx, cy = cos, sin, float64(small.W)/2, float64(small.H)/2
	}
	imgproc.Warp(out, small, imgproc.Affine{A: a, B: -b, C: float64(w)/2 - a*cx + b*cy, D: b, E: a, F: float64(h)/2 - b*cx - a*cy})
	return out
}

// TestHostilePicturesHaveNoFace gives pictures without sense to every stage.
func TestHostilePicturesHaveNoFace(t *testing.T) {
	j := newJudge(t)()
	noise := imgproc.New(333, 77)
	seed := uint32(1)
	for i := range noise.Pix {
		seed = seed*1664525 + 1013904223
		noise.Pix[i] = byte(seed >> 24)
	}
	for name, tt := range map[string]struct {
		img  *imgproc.Image
		want face.Quality
	}{
		"no picture": {imgproc.New(0, 0), face.ImageError},
		"one pixel":  {imgproc.New(1, 1), face.NoFace},
		"a line":     {imgproc.New(4000, 1), face.NoFace},
		"a column":   {imgproc.New(1, 4000), face.NoFace},
		"black":      {imgproc.New(640, 480), face.NoFace},
		"noise":      {noise, face.NoFace},
	} {
		if got, _ := j.judge(t, j.looker.SearchIn(t, tt.img)); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}
