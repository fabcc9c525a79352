package ocrb

import (
	"fmt"
	"math"
	"strings"
)

// Alphabet is the characters a machine-readable zone is printed in. A cell's scores are in
// this order.
const Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"

// classes is the number of characters.
const classes = len(Alphabet)

// strokes are the centre lines of the characters, after ISO 1073-2: M moves, L draws a
// line, Q a quadratic curve. The capital's box is 10 wide and 15 high, y grows downwards;
// a stroke is about 2 wide, and one unit is a fifteenth of the pitch.
func strokes(c byte) string {
	switch c {
	case '0':
		return "M5 .8 Q1 .8 1 4.9 L1 9.9 Q1 14 5 14 Q9 14 9 9.9 L9 4.9 Q9 .8 5 .8"
	case '1':
		return "M1.4 3.9 Q4.2 1.6 5.9 .5 L5.9 14.4"
	case '2':
		return "M1.1 1.9 Q1.9 .8 4.9 .8 Q8.7 .8 8.7 4.3 Q8.7 6.2 4 8.7 Q1.2 10.9 1.2 14 L8.7 14"
	case '3':
		return "M.7 1.1 L8.4 1.1 L4 6.1 Q9 6.4 9 10.1 Q9 14 4.8 14 Q2.3 14 .6 13.3"
	case '4':
		return "M5.5 .9 L.8 10.5 L9.3 10.5 M6.8 6.9 L6.8 14.1"
	case '5':
		return "M8.6 .9 L1.9 .9 L1.9 5.8 Q8.8 5.4 8.8 9.7 Q8.8 13.4 1.3 14"
	case '6':
		return "M6.7 .6 Q.9 6.3 .9 9.8 Q.9 14.2 4.7 14.2 Q9.2 14.2 9.2 10.4 Q9.2 6.4 4.7 6.4 Q2.7 6.4 1.3 8.4"
	case '7':
		return "M.6 .9 L9.3 .9 Q9.3 2.3 6.2 6.3 Q3.3 9.8 3.3 13.8"
	case '8':
		return "M5.1 .8 Q1.6 .8 1.6 3.4 Q1.6 5.3 5.1 6.6 Q8.4 5.3 8.4 3.4 Q8.4 .8 5.1 .8 M5.1 6.6 Q.9 8.4 .9 11 Q.9 14.2 5.1 14.2 Q9.1 14.2 9.1 11 Q9.1 8.4 5.1 6.6"
	case '9':
		return "M3.3 14.4 Q9.2 8.8 9.2 5.2 Q9.2 .8 5.2 .8 Q1 .8 1 4.9 Q1 8.6 5.2 8.6 Q9 8.6 8.7 6.4"
	case 'A':
		return "M.8 14.3 L5 1 L9.3 14.3 M2 10.2 L8 10.2"
	case 'B':
		return "M.9 2.1 L.9 14 L4.5 14 Q9.1 14 9.1 10.9 Q9.1 7.8 5.3 7.8 L.9 7.8 M.9 2.1 L4.5 2.1 Q8.8 2.1 8.8 4.9 Q8.8 7.8 5.3 7.8"
	case 'C':
		return "M8.3 3.8 Q7.7 1.9 5.8 1.9 Q1.8 1.9 1.8 8.1 Q1.8 14.2 5.8 14.2 Q7.7 14.2 8.3 12.4"
	case 'D':
		return "M1.9 1.8 L1.9 14.1 L2.7 14.1 Q8.8 13.2 8.8 8 Q8.8 2.8 2.7 1.8 L1.9 1.8"
	case 'E':
		return "M8.7 1.7 L1.7 1.7 L1.7 13.8 L8.9 13.8 M1.7 7.6 L8 7.6"
	case 'F':
		return "M9.2 2 L2.8 2 L2.8 14.3 M2.8 7.4 L8 7.4"
	case 'G':
		return "M8.8 2.9 Q7 1.3 5.4 1.3 Q1.2 1.9 1.2 7.8 Q1.2 13.9 5 14.1 Q7.5 14.1 8.9 12.9 L8.9 8.5 L5.5 8.5"
	case 'H':
		return "M1.6 1.6 L1.6 14 M8.6 1.6 L8.6 14 M1.6 7.5 L8.6 7.5"
	case 'I':
		return "M1.7 1.8 L8.3 1.8 M5.1 1.8 L5.1 13.8 M1.7 13.8 L8.5 13.8"
	case 'J':
		return "M6.6 1.7 L6.6 11 Q6.6 14.3 3.9 14.3 Q1.6 14.3 1.1 11"
	case 'K':
		return "M1.1 1.8 L1.1 14.2 M8.9 1.6 L1.7 7.9 M3.1 7.4 L9.3 14.4"
	case 'L':
		return "M1.7 1.5 L1.7 13.9 L9.7 13.9"
	case 'M':
		return "M.9 14.4 L.9 1.8 L2.4 1.8 L5 9.5 L7.7 1.8 L9.2 1.8 L9.2 14.4"
	case 'N':
		return "M1.3 13.9 L1.3 1.9 L8.9 13.9 L8.9 1.5"
	case 'O':
		return "M5 1.6 Q1 2 1 7.7 Q1 13.4 5 13.8 Q9 13.4 9 7.7 Q9 2 5 1.6"
	case 'P':
		return "M1.5 14.1 L1.5 1.6 L4.8 1.6 Q9.2 1.6 9.2 4.9 Q9.2 8.2 4.8 8.2 L1.5 8.2"
	case 'Q':
		return "M4.7 1.8 Q.9 2.1 .9 7.8 Q.9 12.7 4.7 13.5 Q8.6 12.7 8.6 7.8 Q8.6 2.1 4.7 1.8 M4.7 8.7 L9.3 14.4"
	case 'R':
		return "M1.7 14.4 L1.7 2.1 L4 2.1 Q8.6 2.1 8.6 4.9 Q8.6 8.4 4 8.4 L1.7 8.4 M5.1 8.4 L8.9 14.4"
	case 'S':
		return "M8.9 3.6 Q7.4 1.4 5.1 1.4 Q1.5 1.4 1.5 4.2 Q1.5 6 4.9 7.4 Q8.9 9 8.9 11 Q8.9 13.9 4.9 13.9 Q2.3 13.9 1.1 11.4"
	case 'T':
		return "M.8 1.8 L9.2 1.8 M5 1.8 L5 14.4"
	case 'U':
		return "M1.2 1.6 L1.2 10.2 Q1.2 13.9 5.1 13.9 Q9 13.9 9 10.2 L9 1.6"
	case 'V':
		return "M.9 2.3 L5 14.5 L9.2 2.3"
	case 'W':
		return "M.7 1.8 L2.3 14.7 L5.1 7.4 L7.8 14.7 L9.4 1.8"
	case 'X':
		return "M1 1.5 L9.1 13.8 M9.1 1.5 L1.1 13.8"
	case 'Y':
		return "M1 1.7 L5 7.7 L9 1.7 M5 7.7 L5 13.9"
	case 'Z':
		return "M1.2 1.9 L7.8 1.9 Q7.6 4.3 4.6 7.8 L1.2 13.7 L8.8 13.7"
	case '<':
		return "M9.1 2.1 L1.1 7.3 L9.1 12.7"
	}
	return ""
}

// The size of a cell in pixels, as patches and templates have it: the pitch, and a capital
// of the same height in the middle with room above and below.
const (
	cellW  = 16
	cellH  = 22
	capH   = 16
	pixels = cellW * cellH
)

// A segment is a straight piece of a stroke.
type segment struct{ x0, y0, x1, y1 float64 }

// outline turns a path into segments, in pixels of a cell.
func outline(path string) []segment {
	const unit = capH / 15.0
	at := func(x, y float64) (float64, float64) {
		return (cellW-10*unit)/2 + x*unit, (cellH-capH)/2.0 + y*unit
	}
	var segs []segment
	var px, py float64
	f := strings.Fields(path)
	for i := 0; i < len(f); {
		var n [4]float64
		count := 2
		if f[i][0] == 'Q' {
			count = 4
		}
		for k := range count {
			if _, err := fmt.Sscan(strings.TrimLeft(f[i+k], "MLQ"), &n[k]); err != nil {
				panic("path " + path) // the paths above are constant
			}
		}
		op := f[i][0]
		i += count
		x, y := at(n[count-2], n[count-1])
		switch op {
		case 'L':
			segs = append(segs, segment{px, py, x, y})
		case 'Q':
			cx, cy := at(n[0], n[1])
			qx, qy := px, py
			for k := 1; k <= 8; k++ {
				t := float64(k) / 8
				bx := (1-t)*(1-t)*px + 2*t*(1-t)*cx + t*t*x
				by := (1-t)*(1-t)*py + 2*t*(1-t)*cy + t*t*y
				segs = append(segs, segment{qx, qy, bx, by})
				qx, qy = bx, by
			}
		}
		px, py = x, y
	}
	return segs
}

// Characters are drawn finer than cells are, and with room around them for blur to come
// from and go to.
const (
	over       = 2
	room       = 8
	wideW      = (cellW + 2*room) * over
	wideH      = (cellH + 2*room) * over
	widePixels = wideW * wideH
)

// distances is how far every point about a character is from its centre lines.
func distances(c byte) []float32 {
	segs := outline(strokes(c))
	out := make([]float32, widePixels)
	for y := range wideH {
		for x := range wideW {
			d := math.Inf(1)
			for _, s := range segs {
				d = min(d, s.distance((float64(x)+.5)/over-room, (float64(y)+.5)/over-room))
			}
			out[y*wideW+x] = float32(math.Sqrt(d))
		}
	}
	return out
}

// render draws ink of 1 on 0 with strokes of the given width, and blurs it by a Gaussian of
// the given deviations along the line and down, all in pixels.
func render(distance []float32, width, alongX, alongY float64) []float32 {
	ink, tmp := make([]float32, widePixels), make([]float32, widePixels)
	for i, d := range distance {
		ink[i] = max(0, min(1, float32(width/2*over)-d*over+.5))
	}
	blur(tmp, ink, alongX*over, wideW, 1, wideW)
	blur(ink, tmp, alongY*over, wideH, wideW, 1)
	out := make([]float32, pixels)
	for y := range cellH {
		for x := range cellW {
			for j := range over {
				for i := range over {
					out[y*cellW+x] += ink[((y+room)*over+j)*wideW+(x+room)*over+i]
				}
			}
		}
	}
	return out
}

// blur puts a Gaussian mean along lines of n values, step apart, into dst.
func blur(dst, src []float32, sigma float64, n, step, line int) {
	r := int(3*sigma) + 1
	weights := make([]float32, r+1)
	sum := float32(-1)
	for i := range weights {
		weights[i] = float32(math.Exp(-float64(i*i) / (2 * sigma * sigma)))
		sum += 2 * weights[i]
	}
	for k := range len(src) / n {
		at := k * line
		for i := range n {
			v := weights[0] * src[at+i*step]
			for j := 1; j <= r; j++ {
				if i >= j {
					v += weights[j] * src[at+(i-j)*step]
				}
				if i+j < n {
					v += weights[j] * src[at+(i+j)*step]
				}
			}
			dst[at+i*step] = v / sum
		}
	}
}

// distance is the square of a segment's distance.
func (s segment) distance(x, y float64) float64 {
	dx, dy := s.x1-s.x0, s.y1-s.y0
	t := 0.0
	if l := dx*dx + dy*dy; l > 0 {
		t = max(0, min(1, ((x-s.x0)*dx+(y-s.y0)*dy)/l))
	}
	ex, ey := x-s.x0-t*dx, y-s.y0-t*dy
	return ex*ex + ey*ey
}

// kinds is the number of softnesses of the templates; middling is the one that fits most
// pictures a little.
const (
	kinds    = 20
	middling = 3
)

// softness is the width of strokes and the deviations of the blur along the line and down, of
// each kind, in pixels of a cell: from thin and sharp to a picture that is blurred until
// characters run into each other, and as one is whose camera moved.
func softness() [kinds][3]float64 {
	return [kinds][3]float64{
		{1.4, .9, .9},
		{2, .5, .5},
		{2, .9, .9},
		{2, 1.3, 1.3},
		{2.6, .5, .5},
		{2.6, .9, .9},
		{2.6, 1.3, 1.3},
		{2.6, 1.7, 1.7},
		{3.2, .9, .9},
		{3.2, 1.3, 1.3},
		{3.2, 1.7, 1.7},
		{3.2, 2.1, 2.1},
		{2.6, 2.6, 2.6},
		{3.2, 3.2, 3.2},
		{2.4, 1.9, .8},
		{2.8, 2.6, 1.3},
		{2.8, 3.2, 2},
		{2.4, .8, 1.9},
		{2.8, 1.3, 2.6},
		{2.8, 2, 3.2},
	}
}

// banks renders every character at every softness with mean 0 and length 1, so that its
// scalar product with a patch of the same kind is their correlation: as fine as cells are,
// at half that, and levelled.
func banks() (fine, coarse, level [kinds]bank) {
	flat := newLeveller()
	for i := range classes {
		distance := distances(Alphabet[i])
		for k, kind := range softness() {
			p := render(distance, kind[0], kind[1], kind[2])
			c := make([]float32, pixels/4)
			for y := range cellH / 2 {
				for x := range cellW / 2 {
					o := 2*y*cellW + 2*x
					c[y*cellW/2+x] = p[o] + p[o+1] + p[o+cellW] + p[o+cellW+1]
				}
			}
			standardise(p)
			standardise(c)
			fine[k][i], coarse[k][i] = p, c
			level[k][i] = append([]float32(nil), p...)
			flat.level(level[k][i])
		}
	}
	return fine, coarse, level
}

// standardise gives p mean 0 and length 1, and returns its standard deviation before that.
func standardise(p []float32) float64 {
	var sum, sq float64
	for _, v := range p {
		sum += float64(v)
		sq += float64(v) * float64(v)
	}
	n := float64(len(p))
	mean := sum / n
	dev := math.Sqrt(max(0, sq/n-mean*mean))
	k := 0.0
	if dev > 1e-6 {
		k = 1 / (dev * math.Sqrt(n))
	}
	for i, v := range p {
		p[i] = float32((float64(v) - mean) * k)
	}
	return dev
}

// A leveller takes out of cells what changes slowly across them: light, shadows, and ink that
// blur has carried over from the neighbours. What is left is less, but all print.
type leveller struct{ basis [6][pixels]float32 }

func newLeveller() *leveller {
	l := &leveller{}
	for n := range l.basis {
		b := &l.basis[n]
		for i := range b {
			x, y := (float32(i%cellW)+.5)/cellW-.5, (float32(i/cellW)+.5)/cellH-.5
			b[i] = [...]float32{1, x, y, x * x, y * y, x * y}[n]
		}
		for range 2 { // again, because single precision leaves a rest
			for k := range n {
				l.without(b[:], k)
			}
		}
		k := float32(1 / math.Sqrt(float64(dot(b[:], b[:]))))
		for i := range b {
			b[i] *= k
		}
	}
	return l
}

func (l *leveller) without(p []float32, k int) {
	b := l.basis[k][:len(p)]
	s := dot(b, p)
	for i, v := range b {
		p[i] -= s * v
	}
}

// level changes a cell in place, and gives it length 1 again.
func (l *leveller) level(p []float32) {
	for k := range l.basis {
		l.without(p, k)
	}
	standardise(p)
}
