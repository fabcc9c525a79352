package imgproc

// A placement says where the pixels of a picture go that is turned as an EXIF orientation
// says: the one at (x, y) becomes number start + x*right + y*down of an image of w x h.
type placement struct{ w, h, start, right, down int }

// place is the placement of a picture of w x h; an orientation that is none of 1 to 8 is upright.
func place(w, h, orientation int) placement {
	switch orientation {
	case 2:
		return placement{w, h, w - 1, -1, w}
	case 3:
		return placement{w, h, w*h - 1, -1, -w}
	case 4:
		return placement{w, h, (h - 1) * w, 1, -w}
	case 5:
		return placement{h, w, 0, h, 1}
	case 6:
		return placement{h, w, h - 1, h, -1}
	case 7:
		return placement{h, w, w*h - 1, -h, -1}
	case 8:
		return placement{h, w, (w - 1) * h, -h, 1}
	}
	return placement{w, h, 0, 1, w}
}

// at is the number of a pixel.
func (p *placement) at(x, y int) int { return p.start + x*p.right + y*p.down }

// A canvas is an image that is made from the rows of a picture yet to be turned.
type canvas struct {
	placement
	img  *Image
	line []byte // a row before it is turned; nil where rows stay rows
}

func newCanvas(w, h, orientation int) *canvas {
	c := &canvas{placement: place(w, h, orientation)}
	c.img = New(c.w, c.h)
	if c.right != 1 {
		c.line = make([]byte, 3*w)
	}
	return c
}

// row is where row y of the picture is to be written. done follows, before the next row.
func (c *canvas) row(y int) []byte {
	if c.line != nil {
		return c.line
	}
	return c.img.Pix[3*c.at(0, y):][:3*c.w]
}

func (c *canvas) done(y int) {
	if c.line != nil {
		c.put(0, y, 1, c.line)
	}
}

// put writes pixels of row y: the one at x and each step-th one behind it.
func (c *canvas) put(x, y, step int, rgb []byte) {
	to, by := 3*c.at(x, y), 3*step*c.right
	for ; len(rgb) >= 3; rgb = rgb[3:] {
		p := c.img.Pix[to : to+3 : to+3]
		p[0], p[1], p[2] = rgb[0], rgb[1], rgb[2]
		to += by
	}
}
