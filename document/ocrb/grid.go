package ocrb

import (
	"math"
	"slices"
)

// A grid is the cells of a whole zone in the plane of the card: column i of line k lies
// where a map of planes puts (i, k). It knows what its lines cannot: how what is upright
// leans, and by how much characters shrink, at each place.
type grid struct {
	n, lines int
	h        [9]float64 // column and line to the picture
	images   pyramid
	pitch    float64 // in the middle
	kind     int
	tall     float64 // height of a capital over the distance of lines
	wide     float64 // width of a character over what is usual
	shift    float64 // of the capitals' middle below the line, in distances of lines
	dx, dy   [][3]float64
	track    [][][2]float64 // what remains after dx and dy, of every cell
}

// A corner is where a cell was found, and what that is worth.
type corner struct{ i, k, x, y, weight float64 }

// flat finds the map of planes that brings cells to where they were found.
func (g *grid) flat(corners []corner) bool {
	var cx, cy, total float64
	for _, c := range corners {
		cx, cy, total = cx+c.weight*c.x, cy+c.weight*c.y, total+c.weight
	}
	if total == 0 {
		return false
	}
	cx, cy = cx/total, cy/total
	scale, ci, ck := 100.0, float64(g.n-1)/2, float64(g.lines-1)/2
	si := float64(g.n) / 2
	for pass := range 3 {
		var m [8][9]float64
		for _, c := range corners {
			i, k, x, y := (c.i-ci)/si, c.k-ck, (c.x-cx)/scale, (c.y-cy)/scale
			w := c.weight
			if pass > 0 {
				px, py := g.point(c.i, c.k)
				if d := math.Hypot(px-c.x, py-c.y) / g.pitch; d > .15 {
					w *= .15 * .15 / (d * d)
				}
			}
			add(&m, [8]float64{i, k, 1, 0, 0, 0, -i * x, -k * x}, x, w)
			add(&m, [8]float64{0, 0, 0, i, k, 1, -i * y, -k * y}, y, w)
		}
		for d := range 2 {
			m[6+d][6+d] += 1e-6 * total
		}
		h, ok := eliminate(&m)
		if !ok {
			return false
		}
		// Back from the numbers that were easy to solve with.
		var rows [3][3]float64
		rows[0] = [3]float64{h[0]*scale + cx*h[6], h[1]*scale + cx*h[7], h[2]*scale + cx}
		rows[1] = [3]float64{h[3]*scale + cy*h[6], h[4]*scale + cy*h[7], h[5]*scale + cy}
		rows[2] = [3]float64{h[6], h[7], 1}
		for r, v := range rows {
			g.h[3*r], g.h[3*r+1], g.h[3*r+2] = v[0]/si, v[1], v[2]-v[0]*ci/si-v[1]*ck
		}
		_, _, a, _ := g.at(ci, ck)
		g.pitch = math.Hypot(a[0], a[1])
		if g.pitch < 3 || g.pitch > 400 {
			return false
		}
	}
	return true
}

// add puts one equation into the sums of least squares.
func add(m *[8][9]float64, a [8]float64, v, w float64) {
	for r := range 8 {
		if a[r] == 0 {
			continue
		}
		for c := range 8 {
			m[r][c] += w * a[r] * a[c]
		}
		m[r][8] += w * a[r] * v
	}
}

func eliminate(m *[8][9]float64) (out [8]float64, ok bool) {
	for i := range 8 {
		p := i
		for k := i + 1; k < 8; k++ {
			if math.Abs(m[k][i]) > math.Abs(m[p][i]) {
				p = k
			}
		}
		m[i], m[p] = m[p], m[i]
		if math.Abs(m[i][i]) < 1e-12 {
			return out, false
		}
		for k := range 8 {
			if k == i {
				continue
			}
			f := m[k][i] / m[i][i]
			for j := i; j < 9; j++ {
				m[k][j] -= f * m[i][j]
			}
		}
	}
	for i := range 8 {
		out[i] = m[i][8] / m[i][i]
	}
	return out, true
}

func (g *grid) point(i, k float64) (x, y float64) {
	z := g.h[6]*i + g.h[7]*k + g.h[8]
	return (g.h[0]*i + g.h[1]*k + g.h[2]) / z, (g.h[3]*i + g.h[4]*k + g.h[5]) / z
}

// at is the middle of a place, and the steps to the next column and the next line there.
func (g *grid) at(i, k float64) (x, y float64, along, down [2]float64) {
	z := g.h[6]*i + g.h[7]*k + g.h[8]
	x, y = (g.h[0]*i+g.h[1]*k+g.h[2])/z, (g.h[3]*i+g.h[4]*k+g.h[5])/z
	along = [2]float64{(g.h[0] - x*g.h[6]) / z, (g.h[3] - y*g.h[6]) / z}
	down = [2]float64{(g.h[1] - x*g.h[7]) / z, (g.h[4] - y*g.h[7]) / z}
	return x, y, along, down
}

// patch samples a cell, moved by samples along and down, and returns its contrast.
func (g *grid) patch(dst []float32, s size, i, k int, dx, dy float64) float64 {
	u := float64(i) / float64(g.n)
	if g.dx != nil {
		dx += g.dx[k][0] + u*(g.dx[k][1]+u*g.dx[k][2])
		dy += g.dy[k][0] + u*(g.dy[k][1]+u*g.dy[k][2])
	}
	if g.track != nil {
		t := g.track[k][max(0, min(g.n-1, i))]
		dx, dy = dx+t[0], dy+t[1]
	}
	x, y, a, b := g.at(float64(i), float64(k))
	for c := range 2 {
		a[c] /= cellW
		b[c] *= g.tall / capH
	}
	dy += g.shift / g.tall * capH
	x, y = x+dx*a[0]+dy*b[0], y+dx*a[1]+dy*b[1]
	m, f := g.images.level(g.pitch, s.w)
	fa, fb := f*g.wide*cellW/float64(s.w), f*capH/float64(s.capital)
	return m.cell(dst, s.w, s.h, (x+.5)*f-.5, (y+.5)*f-.5, a[0]*fa, a[1]*fa, b[0]*fb, b[1]*fb)
}

// look finds height, width, shift and softness with which every step-th cell fits best,
// and returns how well. A kind of -1 tries all.
func (g *grid) look(f *Finder, s size, step int, talls, wides []float64, reach, stride float64, kind int) float64 {
	found, best := *g, -1.0
	banks, count := &f.coarse, 0
	if s == fine() {
		banks = &f.fine
	}
	var buf [pixels]float32
	tall, wide, shift := g.tall, g.wide, g.shift
	for _, t := range talls {
		for _, w := range wides {
			g.tall, g.wide = tall*t, wide*w
			for d := -reach; d <= reach+1e-9; d += stride {
				g.shift = shift + d*g.tall/capH
				var sums [kinds]float64
				count = 0
				for k := range g.lines {
					for i := (step + k) / 2; i < g.n; i += step {
						count++
						if g.patch(buf[:], s, i, k, 0, 0) < minContrast {
							continue
						}
						for c := range kinds {
							if kind < 0 || c == kind {
								sums[c] += float64(banks[c].top(buf[:]))
							}
						}
					}
				}
				for c, v := range sums {
					if v > best {
						best, found = v, *g
						found.kind = c
					}
				}
			}
		}
	}
	*g = found
	return best / float64(max(1, count))
}

// classify scores every cell within reach of where it should be, in steps of stride, and
// moves where the cells of each line should be to where they fitted best.
func (g *grid) classify(f *Finder, reach, stride float64, cells [][]Cell) {
	var buf [pixels]float32
	for k := range g.lines {
		var sx, sy [3]float64
		var s [5]float64
		seen := make([][3]float64, g.n) // where each cell was found, and what that is worth
		for i := range g.n {
			cell := &cells[k][i]
			*cell = Cell{}
			var bx, by, best float64
			for dy := -reach; dy <= reach; dy += stride {
				for dx := -reach; dx <= reach; dx += stride {
					if g.patch(buf[:], fine(), i, k, dx, dy) < minContrast {
						continue
					}
					away := float32(farther * (dx*dx + dy*dy) / (cellW * cellW))
					for c, t := range f.fine[g.kind] {
						v := dot(t, buf[:]) - away
						cell[c] = max(cell[c], v)
						if float64(v) > best {
							best, bx, by = float64(v), dx, dy
						}
					}
				}
			}
			if best < .6 {
				continue
			}
			u, q := float64(i)/float64(g.n), best*best
			seen[i] = [3]float64{bx, by, q}
			for c := range 5 {
				s[c] += q
				if c < 3 {
					sx[c] += q * bx
					sy[c] += q * by
				}
				q *= u
			}
		}
		var x, y [3]float64
		if a, b, c, ok := solve(s, sx); ok {
			g.dx[k] = [3]float64{g.dx[k][0] + a, g.dx[k][1] + b, g.dx[k][2] + c}
			x = [3]float64{a, b, c}
		}
		if a, b, c, ok := solve(s, sy); ok {
			g.dy[k] = [3]float64{g.dy[k][0] + a, g.dy[k][1] + b, g.dy[k][2] + c}
			y = [3]float64{a, b, c}
		}
		if g.track != nil {
			g.follow(k, seen, x, y)
		}
	}
}

// follow moves the cells of a line by what they and their neighbours were found beside
// where the line has them: print that is not quite even.
func (g *grid) follow(k int, seen [][3]float64, x, y [3]float64) {
	for i := range seen {
		var dx, dy, all float64
		for j := max(0, i-2); j <= min(len(seen)-1, i+2); j++ {
			u, q := float64(j)/float64(len(seen)), seen[j][2]*float64(3-max(i-j, j-i))
			dx += q * (seen[j][0] - x[0] - u*(x[1]+u*x[2]))
			dy += q * (seen[j][1] - y[0] - u*(y[1]+u*y[2]))
			all += q
		}
		if all > 0 {
			g.track[k][i] = [2]float64{dx / all, dy / all}
		}
	}
}

// settle compares every cell where its line says that it is, levelled, and gives each
// character the mean of that and of what classify found. The two err differently: one lets
// every character look for the place that suits it, the other sees only where ink is.
func (g *grid) settle(f *Finder, cells [][]Cell) {
	scores := make([][kinds]Cell, g.n*g.lines)
	var sums [kinds]float64
	var buf [pixels]float32
	for k := range g.lines {
		for i := range g.n {
			if g.patch(buf[:], fine(), i, k, 0, 0) < minContrast {
				continue
			}
			f.flat.level(buf[:])
			for c := range kinds {
				cell := &scores[k*g.n+i][c]
				for o, t := range f.level[c] {
					cell[o] = dot(t, buf[:])
				}
				sums[c] += cell.top()
			}
		}
	}
	// All softnesses that explain the zone about as well as the best have a say: a letter that
	// only one of them sees is none.
	best := slices.Max(sums[:])
	var near []int
	for c, v := range sums {
		if v > best-alike*float64(g.n*g.lines) {
			near = append(near, c)
		}
	}
	for k := range g.lines {
		for i := range g.n {
			for o := range classes {
				var v float32
				for _, c := range near {
					v += scores[k*g.n+i][c][o]
				}
				cells[k][i][o] = (cells[k][i][o] + v/float32(len(near))) / 2
			}
		}
	}
}

// alike is by how much the fits of two softnesses may differ and tell nothing.
const alike = .012

// rest is how much looks like characters before the first column and after the last.
func (g *grid) rest(f *Finder) (rest float64) {
	var buf [pixels]float32
	for k := range g.lines {
		for d := range 4 {
			for _, i := range []int{-1 - d, g.n + d} {
				best := float32(0)
				for dx := -1.0; dx <= 1; dx++ {
					if g.patch(buf[:], coarse(), i, k, dx, 0) >= minContrast {
						best = max(best, f.coarse[g.kind].top(buf[:]))
					}
				}
				rest += max(0, float64(best)-.5)
			}
		}
	}
	return rest
}

// read recognises the characters of a grid whose map is known.
func (g *grid) read(f *Finder) (Zone, bool) {
	g.wide = 1
	g.dx, g.dy = make([][3]float64, g.lines), make([][3]float64, g.lines)
	if g.look(f, coarse(), 3, []float64{.88, 1, 1.14}, []float64{1}, 2, 1, -1) < .5 {
		return Zone{}, false
	}
	if g.look(f, coarse(), 3, []float64{.94, 1, 1.06}, []float64{.92, 1, 1.08}, 0, 1, -1) < .65 {
		return Zone{}, false
	}
	g.look(f, fine(), 4, []float64{.97, 1, 1.03}, []float64{.96, 1, 1.04}, .5, .5, g.kind)
	z := Zone{Lines: make([][]Cell, g.lines)}
	for k := range z.Lines {
		z.Lines[k] = make([]Cell, g.n)
	}
	g.classify(f, 1, 1, z.Lines)
	g.track = make([][][2]float64, g.lines)
	for k := range g.track {
		g.track[k] = make([][2]float64, g.n)
	}
	g.classify(f, 1, .5, z.Lines)
	g.settle(f, z.Lines)
	z.Rest = g.rest(f)
	for _, cells := range z.Lines {
		for i := range cells {
			z.Fit += cells[i].top() / float64(g.n*g.lines)
		}
	}
	return z, true
}
