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
	grey, blur [patchSize]float32
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
	everyStrand(d.grey[:], blurNarrow)
	d.blur = d.grey
	everyStrand(d.blur[:], blurWide)
	for i, v := range d.grey {
		p.pix[i] = v - d.blur[i]
		d.grey[i] = p.pix[i] * p.pix[i]
	}
	everyStrand(d.grey[:], blurWide)
	for i, v := range d.grey {
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

// A strand is one row or column of a patch with the mirrored margin that its filters need.
type strand [patchH + 2*lightRadius]float32

// take copies n samples, step apart.
func (l *strand) take(g []float32, step, n int) {
	const m = lightRadius
	for i := range n {
		l[m+i] = g[step*i]
	}
	l.fold(n)
}

// fold mirrors the n samples about both ends, not repeating them.
func (l *strand) fold(n int) {
	const m = lightRadius
	for i := range m {
		l[m-1-i] = l[m+1+i]
		l[m+n+i] = l[m+n-2-i]
	}
}

// everyStrand calls filter for every row of g, then for every column.
func everyStrand(g []float32, filter func(g []float32, step, n int)) {
	for y := range patchH {
		filter(g[y*patchW:], 1, patchW)
	}
	for x := range patchW {
		filter(g[x:], patchW, patchH)
	}
}

// blurNarrow is a Gaussian of one pixel's deviation, in place.
func blurNarrow(g []float32, step, n int) {
	const w0, w1, w2, w3 = .39905, .24204, .05401, .00443
	var l strand
	l.take(g, step, n)
	for i := range n {
		w := l[lightRadius-3+i : lightRadius+4+i]
		g[step*i] = w0*w[3] + w1*(w[2]+w[4]) + w2*(w[1]+w[5]) + w3*(w[0]+w[6])
	}
}

// blurWide is three box filters in a row, in place: a Gaussian of about [lightRadius] pixels'
// deviation.
func blurWide(g []float32, step, n int) {
	const r = lightRadius
	var a, b strand
	a.take(g, step, n)
	for range 3 {
		var sum float32
		for _, v := range a[:2*r+1] {
			sum += v
		}
		for i := range n {
			b[r+i] = sum / (2*r + 1)
			if i+1 < n {
				sum += a[i+2*r+1] - a[i]
			}
		}
		b.fold(n)
		a = b
	}
	for i := range n {
		g[step*i] = a[r+i]
	}
}
