package card

import (
	"math"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

const (
	reliefCells = 96  // of the grid, a side
	neck        = .55 // face widths behind the eyes that a head turns about
	fall        = 1.2 // how steeply the surface falls away outside the face's outline
)

// A relief is a height over the still, on a grid over the card.
type relief struct {
	z      [reliefCells + 1][reliefCells + 1]float64 // pixels of the caller's still, + = away from the camera
	depths []float32                                 // z-buffer
}

// Relief gives the card the shape of the face that m found in the still, for views with
// Relief set: what a mask would be, or a print moulded on a head. It turns about a neck. It
// stands in for a live head where a test needs one to turn smoothly; good to about 35 degrees,
// since a still does not show the sides of a head.
func (c *Card) Relief(m *face.Mesh) {
	r := new(relief)
	mid := c.face.Centre()
	eyes := (float64(m.Points[33].Z) + float64(m.Points[263].Z)) / 2
	w := c.face.W()
	for j := range r.z {
		for i := range r.z[j] {
			x, y := c.gridAt(i, j)
			x, y = x+mid.X, y+mid.Y
			// Inverse distance weights: smooth, and exact at the points.
			var sum, weight float64
			nearest := math.Inf(1)
			for k := range m.Points {
				p := m.At(k)
				d := (p.X-x)*(p.X-x) + (p.Y-y)*(p.Y-y)
				nearest = min(nearest, d)
				d += 1e-4 * w * w
				q := 1 / (d * d)
				sum += q * (float64(m.Points[k].Z) - eyes)
				weight += q
			}
			z := sum / weight
			if out := math.Sqrt(nearest) - .06*w; out > 0 && !inside(m, imgproc.Point{X: x, Y: y}) {
				z += fall * out
			}
			r.z[j][i] = z
		}
	}
	r.depths = make([]float32, c.frame.W*c.frame.H)
	c.relief = r
}

// gridAt is the place of a grid point on the card, from the face's middle.
func (c *Card) gridAt(i, j int) (x, y float64) {
	return halfSize * c.face.W() * (2*float64(i)/reliefCells - 1), halfSize * c.face.H() * (2*float64(j)/reliefCells - 1)
}

func inside(m *face.Mesh, p imgproc.Point) bool {
	in := false
	for i, k := range face.Oval {
		a, b := m.At(k), m.At(face.Oval[(i+1)%len(face.Oval)])
		if (a.Y <= p.Y) != (b.Y <= p.Y) && p.X < a.X+(p.Y-a.Y)/(b.Y-a.Y)*(b.X-a.X) {
			in = !in
		}
	}
	return in
}

// A vertex in the frame: pixels, distance, and the place on the still.
type vertex struct{ x, y, z, u, v float64 }

// mould draws the relief over the backdrop.
func (c *Card) mould(v View) {
	w, h := c.frame.W, c.frame.H
	copy(c.linear, c.backdrop)
	for i := range c.relief.depths {
		c.relief.depths[i] = math.MaxFloat32
	}
	focal := float64(w) / 2 / math.Tan(fieldOfView/2)
	far := c.face.H() * focal / (c.share * float64(h))
	pivot := neck * c.face.W()
	sy, cy := math.Sincos(v.Yaw * math.Pi / 180)
	sp, cp := math.Sincos(v.Pitch * math.Pi / 180)
	mid := c.face.Centre()
	at := func(i, j int) vertex {
		x, y := c.gridAt(i, j)
		z := c.relief.z[j][i] - pivot
		u, t := (x+mid.X)*c.scale, (y+mid.Y)*c.scale
		y, z = cp*y-sp*z, sp*y+cp*z
		x, z = cy*x+sy*z, -sy*x+cy*z
		z += far + pivot
		return vertex{float64(w)/2 + v.DX + focal*x/z, float64(h)/2 + v.DY + focal*y/z, z, u, t}
	}
	for j := range reliefCells {
		for i := range reliefCells {
			a, b, d, e := at(i, j), at(i+1, j), at(i, j+1), at(i+1, j+1)
			c.triangle(a, b, d)
			c.triangle(b, e, d)
		}
	}
}

func (c *Card) triangle(a, b, d vertex) {
	area := (b.x-a.x)*(d.y-a.y) - (b.y-a.y)*(d.x-a.x)
	if area <= 0 { // seen from behind
		return
	}
	x0, x1 := max(0, int(math.Ceil(min(a.x, b.x, d.x)))), min(c.frame.W-1, int(max(a.x, b.x, d.x)))
	y0, y1 := max(0, int(math.Ceil(min(a.y, b.y, d.y)))), min(c.frame.H-1, int(max(a.y, b.y, d.y)))
	for y := y0; y <= y1; y++ {
		for x := x0; x <= x1; x++ {
			px, py := float64(x), float64(y)
			q := ((b.x-px)*(d.y-py) - (b.y-py)*(d.x-px)) / area
			r := ((d.x-px)*(a.y-py) - (d.y-py)*(a.x-px)) / area
			s := 1 - q - r
			if q < 0 || r < 0 || s < 0 {
				continue
			}
			z := float32(q*a.z + r*b.z + s*d.z)
			if k := y*c.frame.W + x; z < c.relief.depths[k] {
				c.relief.depths[k] = z
				c.lookup(c.linear[3*k:3*k+3], q*a.u+r*b.u+s*d.u, q*a.v+r*b.v+s*d.v)
			}
		}
	}
}
