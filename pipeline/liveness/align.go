package liveness

import (
	"math"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

const (
	alignSteps = 20
	alignDone  = .01 // patch pixels: a step that moves no corner further is the last
)

// An aligner holds the frontal patch of a face and finds the homography that other pictures
// of it agree with best: inverse-compositional Gauss-Newton (Baker and Matthews 2004), whose
// Hessian and gradients belong to the frontal patch and are made once.
type aligner struct {
	frontal patch
	points  [len(rigidPoints)]imgproc.Point // of the frontal mesh, in units
	inside  []int32                         // pixels inside the face's outline
	steep   [][8]float32                    // steepest-descent images at those pixels
	hessian system                          // factored
	mean    float64                         // of the frontal patch inside
	norm    float64                         // root of its sum of squared deviations
}

// take makes the face that m outlines in img the frontal one.
func (a *aligner) take(d *darkroom, img *imgproc.Image, m *face.Mesh) {
	d.cut(&a.frontal, img, m)
	units(&a.points, m, a.frontal.to)
	a.fillOutline(m)
	a.steep = a.steep[:0]
	a.hessian = system{}
	var sum, square float64
	f := &a.frontal.pix
	for _, i := range a.inside {
		x, y := i%patchW, i/patchW
		gx := (f[i+1] - f[i-1]) / 2 * patchUnit
		gy := (f[i+patchW] - f[i-patchW]) / 2 * patchUnit
		u, v := (float32(x)-patchW/2)/patchUnit, (float32(y)-patchH/2)/patchUnit
		w := gx*u + gy*v
		s := [8]float32{gx * u, gx * v, gx, gy * u, gy * v, gy, -u * w, -v * w}
		a.steep = append(a.steep, s)
		for r := range s {
			for c := range r + 1 {
				a.hessian.a[r][c] += float64(s[r] * s[c])
			}
		}
		sum += float64(f[i])
		square += float64(f[i]) * float64(f[i])
	}
	a.hessian.factor()
	n := float64(len(a.inside))
	a.mean, a.norm = sum/n, math.Sqrt(square-sum*sum/n)
}

// units are the rigid points of a mesh in its patch, about -1..1.
func units(dst *[len(rigidPoints)]imgproc.Point, m *face.Mesh, to imgproc.Affine) {
	for i, p := range rigidPoints {
		q := to.Apply(m.At(p))
		dst[i] = imgproc.Point{X: (q.X - patchW/2) / patchUnit, Y: (q.Y - patchH/2) / patchUnit}
	}
}

// fillOutline lists the pixels inside the face's outline, one pixel in from the patch's edge.
func (a *aligner) fillOutline(m *face.Mesh) {
	var poly [len(face.Oval)]imgproc.Point
	for i, p := range face.Oval {
		poly[i] = a.frontal.to.Apply(m.At(p))
	}
	a.inside = a.inside[:0]
	for y := 1; y < patchH-1; y++ {
		fy, x0, x1 := float64(y), math.Inf(1), math.Inf(-1)
		for i, p := range poly {
			q := poly[(i+1)%len(poly)]
			if (p.Y <= fy) != (q.Y <= fy) {
				x := p.X + (fy-p.Y)/(q.Y-p.Y)*(q.X-p.X)
				x0, x1 = min(x0, x), max(x1, x)
			}
		}
		if x0 > x1 {
			continue
		}
		for x := int(math.Ceil(max(x0, 1))); float64(x) <= min(x1, patchW-2); x++ {
			a.inside = append(a.inside, int32(y*patchW+x))
		}
	}
}

// ncc is the correlation of the frontal patch with p, a patch of mesh m, after the best
// homography: the one of the landmarks, refined. It is NaN where nothing could be compared.
func (a *aligner) ncc(p *patch, m *face.Mesh) float64 {
	var b [len(rigidPoints)]imgproc.Point
	units(&b, m, p.to)
	h := fitHomography(a.points[:], b[:])
	best := math.NaN()
	for range alignSteps {
		if !h.finite() {
			break
		}
		down, score := a.residual(p, &h)
		if math.IsNaN(score) {
			break
		}
		if !(best >= score) {
			best = score
		}
		d := a.hessian.back(&down)
		step := homography{1 + d[0], d[1], d[2], d[3], 1 + d[4], d[5], d[6], d[7], 1}
		inv := step.inverse()
		h = h.times(&inv)
		if moves(&step) < alignDone {
			break
		}
	}
	return best
}

// residual sees p through h and returns the steepest-descent products of its difference from
// the frontal patch, both freed of mean and gain, and their correlation.
func (a *aligner) residual(p *patch, h *homography) (down [8]float64, score float64) {
	var acc, bcc [8]float32 // of the seen pixels, of the frontal ones
	var sum, square, cross float64
	f := &a.frontal.pix
	var ones [8]float32
	for k, i := range a.inside {
		u, v := (float64(i%patchW)-patchW/2)/patchUnit, (float64(i/patchW)-patchH/2)/patchUnit
		u, v = h.apply(u, v)
		g := p.at(u*patchUnit+patchW/2, v*patchUnit+patchH/2)
		s := &a.steep[k]
		t := f[i]
		for r := range s {
			acc[r] += s[r] * g
			bcc[r] += s[r] * t
			ones[r] += s[r]
		}
		sum += float64(g)
		square += float64(g) * float64(g)
		cross += float64(g) * float64(t)
	}
	n := float64(len(a.inside))
	mean, norm := sum/n, math.Sqrt(square-sum*sum/n)
	score = (cross - sum*a.mean) / (norm * a.norm)
	gain := a.norm / norm
	for r := range down {
		down[r] = (float64(acc[r])-mean*float64(ones[r]))*gain - (float64(bcc[r]) - a.mean*float64(ones[r]))
	}
	return down, score
}

// at reads the patch between pixels; it is 0, the mean, beyond its edge.
func (p *patch) at(x, y float64) float32 {
	if !(x >= 0 && y >= 0 && x < patchW-1 && y < patchH-1) {
		return 0
	}
	ix, iy := int(x), int(y)
	wx, wy := float32(x-float64(ix)), float32(y-float64(iy))
	q := p.pix[iy*patchW+ix : iy*patchW+ix+patchW+2]
	return (q[0]*(1-wx)+q[1]*wx)*(1-wy) + (q[patchW]*(1-wx)+q[patchW+1]*wx)*wy
}

// moves is how far a step moves the face's corners, in patch pixels.
func moves(h *homography) (far float64) {
	for _, c := range [4][2]float64{{-1, -1}, {1, -1}, {-1, 1}, {1, 1}} {
		x, y := h.apply(c[0], c[1])
		far = max(far, math.Hypot(x-c[0], y-c[1])*patchUnit)
	}
	return far
}
