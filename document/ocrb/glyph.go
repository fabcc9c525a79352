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
		return "M5 .9 Q1 .9 1 5 L1 10 Q1 14.1 5 14.1 Q9 14.1 9 10 L9 5 Q9 .9 5 .9"
	case '1':
		return "M1 3.9 Q4.2 3 5.8 1.2 L5.8 14"
	case '2':
		return "M1.3 2.6 Q3 1 5 1 Q9 1 9 4.2 Q9 6.8 5.5 9 Q1.5 11.5 1.5 14 L9 14"
	case '3':
		return "M.9 1 L8.6 1 L4.2 6 Q9.2 6.3 9.2 10 Q9.2 13.9 5 13.9 Q2.5 13.9 .8 13.2"
	case '4':
		return "M5.7 .8 L1 10.4 L9.5 10.4 M7 6.8 L7 14"
	case '5':
		return "M8.8 1 L2.1 1 L2.1 5.9 Q9 5.5 9 9.8 Q9 13.5 1.5 14.1"
	case '6':
		return "M7.3 .9 Q1 6.2 1 9.9 Q1 13.8 5 13.8 Q9.1 13.8 9.1 10 Q9.1 6.3 5 6.3 Q2.8 6.3 1.4 8.2"
	case '7':
		return "M.9 1.1 L9.6 1.1 Q9.6 2.5 6.5 6.5 Q3.6 10 3.6 14"
	case '8':
		return "M5 .9 Q1.4 .9 1.4 3.7 Q1.4 6.4 5 6.5 Q8.6 6.4 8.6 3.7 Q8.6 .9 5 .9 M5 6.5 Q.9 6.6 .9 10.3 Q.9 13.9 5 13.9 Q9.1 13.9 9.1 10.3 Q9.1 6.6 5 6.5"
	case '9':
		return "M2.7 14.1 Q9 8.8 9 5.1 Q9 1.2 5 1.2 Q.9 1.2 .9 5 Q.9 8.7 5 8.7 Q7.2 8.7 8.6 6.8"
	case 'A':
		return "M1 14 L5 1.8 L9 14 M2.4 10 L7.6 10"
	case 'B':
		return "M1.1 1.2 L1.1 13.9 L5 13.9 Q9.3 13.9 9.3 10.3 Q9.3 7.1 5.5 7.1 L1.1 7.1 M1.1 1.2 L5 1.2 Q9 1.2 9 4.2 Q9 7.1 5.5 7.1"
	case 'C':
		return "M8.6 3.2 Q7.5 1 5.5 1 Q1.4 1.2 1.4 7.5 Q1.4 13.8 5.5 13.8 Q7.5 13.8 8.6 11.8"
	case 'D':
		return "M1.7 1.4 L1.7 13.7 L2.5 13.7 Q8.6 12.8 8.6 7.6 Q8.6 2.4 2.5 1.4 L1.7 1.4"
	case 'E':
		return "M9 1.5 L2 1.5 L2 13.6 L9.2 13.6 M2 7.4 L8.3 7.4"
	case 'F':
		return "M8.4 1.2 L2 1.2 L2 13.5 M2 6.6 L7.2 6.6"
	case 'G':
		return "M8.8 2.6 Q7 1 5.4 1 Q1.2 1.6 1.2 7.5 Q1.2 13.6 5 13.8 Q7.5 13.8 8.9 12.6 L8.9 8.2 L5.5 8.2"
	case 'H':
		return "M1.5 1.2 L1.5 13.6 M8.5 1.2 L8.5 13.6 M1.5 7.1 L8.5 7.1"
	case 'I':
		return "M1.6 1.5 L8.2 1.5 M5 1.5 L5 13.5 M1.6 13.5 L8.4 13.5"
	case 'J':
		return "M7.6 1.4 L7.6 10 Q7.6 13.4 5 13.4 Q2.5 13.4 1.2 11"
	case 'K':
		return "M1.6 1.2 L1.6 13.6 M9.4 1 L2.2 7.3 M3.6 6.8 L9.8 13.8"
	case 'L':
		return "M1.8 1.4 L1.8 13.8 L9.8 13.8"
	case 'M':
		return "M1 13.6 L1 1.6 L1.5 1.6 L5 8.8 L8.5 1.6 L9.1 1.6 L9.1 13.6"
	case 'N':
		return "M1.1 13.6 L1.1 1.6 L8.7 13.6 L8.7 1.2"
	case 'O':
		return "M5 1.4 Q1 1.8 1 7.5 Q1 13.2 5 13.6 Q9 13.2 9 7.5 Q9 1.8 5 1.4"
	case 'P':
		return "M1.7 13.8 L1.7 1.3 L5 1.3 Q9.4 1.3 9.4 4.6 Q9.4 7.9 5 7.9 L1.7 7.9"
	case 'Q':
		return "M5 1.4 Q1 1.8 1 7.5 Q1 13.2 5 13.6 Q9 13.2 9 7.5 Q9 1.8 5 1.4 M5.6 10.4 L9.2 14.6"
	case 'R':
		return "M1.3 13.7 L1.3 1.3 L4.5 1.3 Q9 1.3 9 4.6 Q9 7.9 4.5 7.9 L1.3 7.9 M5 7.9 L9.7 13.7"
	case 'S':
		return "M9 3.4 Q7.5 1.2 5.2 1.2 Q1.6 1.2 1.6 4 Q1.6 5.8 5 7.2 Q9 8.8 9 10.8 Q9 13.7 5 13.7 Q2.4 13.7 1.2 11.2"
	case 'T':
		return "M.8 1 L9.2 1 M5 1 L5 13.6"
	case 'U':
		return "M1.1 1.4 L1.1 10 Q1.1 13.7 5 13.7 Q8.9 13.7 8.9 10 L8.9 1.4"
	case 'V':
		return "M.9 1 L5 13.2 L9.2 1"
	case 'W':
		return "M.9 .7 L2.8 13.2 L5 6.4 L7.2 13.2 L9.1 .7"
	case 'X':
		return "M.9 1.5 L9 13.8 M9 1.5 L1 13.8"
	case 'Y':
		return "M1 1.2 L5 7.2 L9 1.2 M5 7.2 L5 13.4"
	case 'Z':
		return "M1.6 1.6 L8.2 1.6 Q8 4 5 7.5 L1.6 13.4 L9.2 13.4"
	case '<':
		return "M9.2 2.2 L1.2 7.4 L9.2 12.8"
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

// render draws ink of 1 on 0 with strokes of the given width and softness, both in pixels.
func render(c byte, width, blur float64) []float32 {
	segs := outline(strokes(c))
	out := make([]float32, pixels)
	for y := range cellH {
		for x := range cellW {
			d := math.Inf(1)
			for _, s := range segs {
				d = min(d, s.distance(float64(x)+.5, float64(y)+.5))
			}
			// A straight edge under a Gaussian, near enough as a logistic.
			out[y*cellW+x] = float32(1 / (1 + math.Exp((d-width/2)*1.7/blur)))
		}
	}
	return out
}

func (s segment) distance(x, y float64) float64 {
	dx, dy := s.x1-s.x0, s.y1-s.y0
	t := 0.0
	if l := dx*dx + dy*dy; l > 0 {
		t = max(0, min(1, ((x-s.x0)*dx+(y-s.y0)*dy)/l))
	}
	return math.Hypot(x-s.x0-t*dx, y-s.y0-t*dy)
}

// A template is a character's picture, with mean 0 and length 1, so that its scalar
// product with a patch of the same kind is their correlation.
type template struct {
	class int
	pix   []float32
}

// templates renders every character at the softness of a sharp and of a blurred picture.
func templates() []template {
	var all []template
	for _, kind := range [][2]float64{{2.0, .6}, {2.2, 1.1}, {3, 1.1}, {2.2, 1.7}, {2.8, 2.2}} {
		for i := range classes {
			t := template{i, render(Alphabet[i], kind[0], kind[1])}
			standardise(t.pix)
			all = append(all, t)
		}
	}
	return all
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
