package liveness

import (
	"math"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

const (
	patchW, patchH = 128, 144 // pixels
	patchFace      = 90       // width of the face in it, pixels
	patchSize      = patchW * patchH
	patchUnit      = patchFace / 2 // patch pixels a unit of the homography's coordinates

	lightRadius = 8 // what varies more slowly than this, in patch pixels, is light
)

// A patch is the grey surroundings of a face at a standard size, with the light taken out:
// less its own blur, over the local deviation.
type patch struct {
	pix [patchSize]float32
	to  imgproc.Affine // picture to patch
}

// A darkroom is the scratch memory that patches are made in.
type darkroom struct {
	grey, blur, line [patchSize]float32
}

// cut fills p with the face that m outlines in img. What lies beyond the picture is black.
func (d *darkroom) cut(p *patch, img *imgproc.Image, m *face.Mesh) {
	box := m.Outline()
	c, s := box.Centre(), patchFace/max(box.W(), .8*box.H())
	p.to = imgproc.Affine{A: s, C: patchW/2 - s*c.X, E: s, F: patchH/2 - s*c.Y}
	if math.IsNaN(s) || math.IsInf(s, 0) {
		clear(p.pix[:])
		return
	}
	sample(d.grey[:], img, c, s)
	blurNarrow(d.grey[:], d.line[:])
	d.blurWide(d.grey[:])
	for i, v := range d.grey {
		p.pix[i] = v - d.blur[i]
		d.grey[i] = p.pix[i] * p.pix[i]
	}
	d.blurWide(d.grey[:])
	for i, v := range d.blur {
		p.pix[i] /= float32(math.Sqrt(float64(max(v, 0)))) + 2
	}
}

// sample reads the luma of img around c at s patch pixels a picture pixel: bilinear, or the
// mean over the patch pixel where the picture is more than twice as fine.
func sample(dst []float32, img *imgproc.Image, c imgproc.Point, s float64) {
	n := 1
	if s < .5 {
		n = min(int(math.Ceil(1/s)), 16)
	}
	for y := range patchH {
		for x := range patchW {
			var sum float32
			for j := range n {
				py := c.Y + (float64(y)-patchH/2+(float64(j)+.5)/float64(n)-.5)/s
				for i := range n {
					px := c.X + (float64(x)-patchW/2+(float64(i)+.5)/float64(n)-.5)/s
					if n == 1 {
						sum = bilinear(img, px, py)
					} else {
						sum += luma(img, int(math.Floor(px+.5)), int(math.Floor(py+.5)))
					}
				}
			}
			dst[y*patchW+x] = sum / float32(n*n)
		}
	}
}

func bilinear(img *imgproc.Image, x, y float64) float32 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy, wx, wy := int(fx), int(fy), float32(x-fx), float32(y-fy)
	top := luma(img, ix, iy)*(1-wx) + luma(img, ix+1, iy)*wx
	low := luma(img, ix, iy+1)*(1-wx) + luma(img, ix+1, iy+1)*wx
	return top*(1-wy) + low*wy
}

// luma is BT.601's, 0 beyond the picture.
func luma(img *imgproc.Image, x, y int) float32 {
	if x < 0 || y < 0 || x >= img.W || y >= img.H {
		return 0
	}
	p := img.Pix[y*img.Stride+3*x:]
	return .299*float32(p[0]) + .587*float32(p[1]) + .114*float32(p[2])
}

// blurNarrow is a Gaussian of one pixel's deviation, in place.
func blurNarrow(g, line []float32) {
	const w0, w1, w2, w3 = .39905, .24204, .05401, .00443
	pass := func(start, step, n int) {
		for i := range n {
			at := func(k int) float32 { return g[start+step*mirror(k, n)] }
			line[i] = w0*at(i) + w1*(at(i-1)+at(i+1)) + w2*(at(i-2)+at(i+2)) + w3*(at(i-3)+at(i+3))
		}
		for i := range n {
			g[start+step*i] = line[i]
		}
	}
	for y := range patchH {
		pass(y*patchW, 1, patchW)
	}
	for x := range patchW {
		pass(x, patchW, patchH)
	}
}

// blurWide puts into d.blur what three box filters make of g: a Gaussian of about
// [lightRadius] pixels' deviation.
func (d *darkroom) blurWide(g []float32) {
	copy(d.blur[:], g)
	for y := range patchH {
		boxes(d.blur[y*patchW:], 1, patchW, d.line[:])
	}
	for x := range patchW {
		boxes(d.blur[x:], patchW, patchH, d.line[:])
	}
}

func boxes(g []float32, step, n int, line []float32) {
	const r = lightRadius // a box of 2r+1 = 17 three times: deviation 8.5
	for range 3 {
		var sum float32
		for k := -r; k <= r; k++ {
			sum += g[step*mirror(k, n)]
		}
		for i := range n {
			line[i] = sum / (2*r + 1)
			sum += g[step*mirror(i+r+1, n)] - g[step*mirror(i-r, n)]
		}
		for i := range n {
			g[step*i] = line[i]
		}
	}
}
