package imgproc

import "encoding/binary"

// wholeRows makes a picture of full size.
type wholeRows struct{ *canvas }

func (s wholeRows) take(x0, dx, y int, rgb []byte) {
	if dx == 1 && s.line == nil {
		copy(s.row(y), rgb)
		return
	}
	s.put(x0, y, dx, rgb)
}

func (s wholeRows) image() *Image { return s.img }

// rowSums makes a reduced picture of rows that come in order: it adds up as many as make one
// of the result, then goes along the sums.
type rowSums struct {
	*canvas
	by   int
	last int // row of the full picture
	sums []uint16
}

func newRowSums(w, h, by, orientation int) *rowSums {
	return &rowSums{newCanvas(shrunk(w, by), shrunk(h, by), orientation), by, h - 1, make([]uint16, 3*w)}
}

func (s *rowSums) take(_, _, y int, rgb []byte) {
	sums := s.sums[:len(rgb)]
	for i, v := range rgb {
		sums[i] += uint16(v)
	}
	if (y+1)%s.by != 0 && y != s.last {
		return
	}
	out := s.row(y / s.by)
	for ; len(sums) > 0; out = out[3:] {
		cell := sums[:min(3*s.by, len(sums))]
		sums = sums[len(cell):]
		n := len(cell) / 3 * (y%s.by + 1)
		r, g, b := n/2, n/2, n/2
		for ; len(cell) >= 3; cell = cell[3:] {
			r += int(cell[0])
			g += int(cell[1])
			b += int(cell[2])
		}
		out[0], out[1], out[2] = byte(r/n), byte(g/n), byte(b/n)
	}
	s.done(y / s.by)
	clear(s.sums)
}

func (s *rowSums) image() *Image { return s.img }

// halvedRows halves an interlaced picture in the memory of the result. Of two by two pixels
// Adam7 has the upper left one first, in passes 1 to 5, then the upper right one and, in one
// row, the lower two. So a mean is at most one level off: that of the upper two is rounded.
type halvedRows struct{ *canvas }

func (s halvedRows) take(x0, dx, y int, rgb []byte) {
	to, by := 3*s.at(x0/2, y/2), 3*s.right
	switch {
	case y%2 == 1:
		for ; len(rgb) >= 6; rgb = rgb[6:] {
			p := (*[3]byte)(s.img.Pix[to:])
			for c := range p {
				p[c] = byte((2*int(p[c]) + int(rgb[c]) + int(rgb[3+c]) + 2) >> 2)
			}
			to += by
		}
		if len(rgb) > 0 {
			s.mix(to, rgb, 1)
		}
	case x0%2 == 1:
		for x := 0; len(rgb) >= 3; x, rgb = x+1, rgb[3:] {
			s.mix(to, rgb, (x+y/2)&1) // up and down by turns, so that the picture becomes no lighter
			to += by
		}
	default:
		s.put(x0/2, y/2, dx/2, rgb)
	}
}

// mix makes the pixel at to the mean of itself and another.
func (s halvedRows) mix(to int, rgb []byte, half int) {
	p := (*[3]byte)(s.img.Pix[to:])
	for c := range p {
		p[c] = byte((int(p[c]) + int(rgb[c]) + half) >> 1)
	}
}

func (s halvedRows) image() *Image { return s.img }

// cellSums makes a picture reduced by 4 or 8 of pixels that come in any order, each once. A
// sum takes two bytes, at most 64 times 255. In the end the picture takes the sums' place.
type cellSums struct {
	placement
	by, fullW, fullH int
	sums             []byte
}

func newCellSums(w, h, by, orientation int) *cellSums {
	s := &cellSums{place(shrunk(w, by), shrunk(h, by), orientation), by, w, h, nil}
	s.sums = make([]byte, 6*s.w*s.h)
	return s
}

func (s *cellSums) take(x0, dx, y int, rgb []byte) {
	for x := x0; len(rgb) >= 3; x, rgb = x+dx, rgb[3:] {
		p := (*[6]byte)(s.sums[6*s.at(x/s.by, y/s.by):])
		for c := range 3 {
			v := binary.LittleEndian.Uint16(p[2*c:])
			binary.LittleEndian.PutUint16(p[2*c:], v+uint16(rgb[c]))
		}
	}
}

func (s *cellSums) image() *Image {
	// Means first: how many pixels a sum is of depends on its place before the turn.
	for y := 0; y < s.fullH; y += s.by {
		for x := 0; x < s.fullW; x += s.by {
			n := min(s.by, s.fullW-x) * min(s.by, s.fullH-y)
			p := (*[6]byte)(s.sums[6*s.at(x/s.by, y/s.by):])
			for c := range 3 {
				p[c] = byte((int(binary.LittleEndian.Uint16(p[2*c:])) + n/2) / n)
			}
		}
	}
	n := s.w * s.h
	for i := range n {
		copy(s.sums[3*i:3*i+3], s.sums[6*i:])
	}
	return &Image{W: s.w, H: s.h, Stride: 3 * s.w, Pix: s.sums[: 3*n : 3*n]}
}
