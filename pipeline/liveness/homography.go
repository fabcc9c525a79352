package liveness

import (
	"math"

	"facegate/pipeline/imgproc"
)

// A homography maps the plane onto itself, row by row, the last element 1.
type homography [9]float64

func (h *homography) apply(x, y float64) (u, v float64) {
	w := h[6]*x + h[7]*y + h[8]
	return (h[0]*x + h[1]*y + h[2]) / w, (h[3]*x + h[4]*y + h[5]) / w
}

// times is the map that applies g first, then h.
func (h *homography) times(g *homography) (r homography) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				r[3*i+j] += h[3*i+k] * g[3*k+j]
			}
		}
	}
	return r.scaled()
}

func (h *homography) scaled() homography {
	r := *h
	for i := range r {
		r[i] /= h[8]
	}
	return r
}

// inverse is the adjugate, scaled; degenerate maps give NaNs or infinities.
func (h *homography) inverse() homography {
	r := homography{
		h[4]*h[8] - h[5]*h[7], h[2]*h[7] - h[1]*h[8], h[1]*h[5] - h[2]*h[4],
		h[5]*h[6] - h[3]*h[8], h[0]*h[8] - h[2]*h[6], h[2]*h[3] - h[0]*h[5],
		h[3]*h[7] - h[4]*h[6], h[1]*h[6] - h[0]*h[7], h[0]*h[4] - h[1]*h[3],
	}
	return r.scaled()
}

func (h *homography) finite() bool {
	for _, v := range h {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// fitHomography is the homography that takes a to b with the least squared distance. It
// starts at the affine map and refines by Gauss-Newton steps. Coordinates should be near 1.
func fitHomography(a, b []imgproc.Point) homography {
	t := fitAffine(a, b)
	h := homography{t.A, t.B, t.C, t.D, t.E, t.F, 0, 0, 1}
	for range 6 {
		var s system
		for i, p := range a {
			w := 1 / (h[6]*p.X + h[7]*p.Y + 1)
			u, v := h.apply(p.X, p.Y)
			x, y := p.X*w, p.Y*w
			s.add(&[8]float64{x, y, w, 0, 0, 0, -u * x, -u * y}, b[i].X-u)
			s.add(&[8]float64{0, 0, 0, x, y, w, -v * x, -v * y}, b[i].Y-v)
		}
		d := s.solve()
		for i := range d {
			h[i] += d[i]
		}
	}
	return h
}

// A system is the normal equations of a least-squares problem in eight unknowns.
type system struct {
	a [8][8]float64 // lower triangle
	b [8]float64
}

func (s *system) add(j *[8]float64, e float64) {
	for r := range j {
		for c := range r + 1 {
			s.a[r][c] += j[r] * j[c]
		}
		s.b[r] += j[r] * e
	}
}

// factor replaces the matrix by its Cholesky factor; a singular one gives NaNs.
func (s *system) factor() {
	for r := range s.a {
		for c := range r + 1 {
			v := s.a[r][c]
			for k := range c {
				v -= s.a[r][k] * s.a[c][k]
			}
			if r == c {
				s.a[r][r] = math.Sqrt(v)
			} else {
				s.a[r][c] = v / s.a[c][c]
			}
		}
	}
}

// back solves for b once the matrix is factored.
func (s *system) back(b *[8]float64) (x [8]float64) {
	for r := range x {
		v := b[r]
		for k := range r {
			v -= s.a[r][k] * x[k]
		}
		x[r] = v / s.a[r][r]
	}
	for r := len(x) - 1; r >= 0; r-- {
		for k := r + 1; k < len(x); k++ {
			x[r] -= s.a[k][r] * x[k]
		}
		x[r] /= s.a[r][r]
	}
	return x
}

func (s *system) solve() [8]float64 {
	s.factor()
	return s.back(&s.b)
}
