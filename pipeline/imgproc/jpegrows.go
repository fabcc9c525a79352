package imgproc

import (
	"context"
	"image/jpeg"
)

// jpegRows decodes a frame from top to bottom, a row of MCUs at a time, and never has more of
// it in memory. Where a frame has several scans, as every progressive one has, all of them
// are decoded side by side: each keeps its place in the file. So a progressive frame takes no
// more memory than a baseline one.
type jpegRows struct {
	*jpegFrame
	w, h       int // of the reduced picture
	hSub, vSub int // reduced pixels that a colour sample stands for
	mcus       int // in a row
	block      block
	rgb        bool
	cb, cr     []byte // one upsampled row
	matrix     matrix
	out        *canvas
	y          int // the next row of the reduced picture
}

// samples is a component's share of one MCU row of the reduced picture. The row above comes
// first, because colour is interpolated between rows.
type samples struct {
	w, h   int // of one block, 1 to 8
	n      int // of a row that belong to the picture
	rows   int // of the whole picture
	stride int
	pix    []byte
	shown  [64]byte // a block before it is reduced
}

// decodeJPEG decodes a file of at most three components, reduced by 1, 2, 4 or 8. Nothing of
// the picture's size is allocated before the file is known to be whole.
func decodeJPEG(ctx context.Context, data []byte, by, orientation int) (*Image, error) {
	f, err := parseJPEG(data)
	if err != nil {
		return nil, err
	}
	d := newJPEGRows(f, by, orientation)
	for my := range f.mcusDown() {
		if err := d.mcuRow(ctx, my); err != nil {
			return nil, err
		}
	}
	return d.out.img, nil
}

func newJPEGRows(f *jpegFrame, by, orientation int) *jpegRows {
	d := &jpegRows{
		jpegFrame: f, w: shrunk(f.w, by), h: shrunk(f.h, by), hSub: 1, vSub: 1,
		mcus: f.mcusAcross(), matrix: fullRange(),
	}
	d.out = newCanvas(d.w, d.h, orientation)
	for i := range f.comps {
		c := &f.comps[i]
		// A block covers this much of the reduced picture; its samples are at most eight a side.
		across, down := 8*f.hMax/c.h/by, 8*f.vMax/c.v/by
		s := &c.out
		s.w, s.h = min(across, 8), min(down, 8)
		if i == 1 {
			d.hSub, d.vSub = across/s.w, down/s.h
		}
		c.stride = d.mcus * c.h
		s.stride = c.stride * s.w
		s.n, s.rows = (d.w*s.w+across-1)/across, (d.h*s.h+down-1)/down
		s.pix = make([]byte, (1+c.v*s.h)*s.stride)
		if f.progressive && c.scanned {
			c.coefs = make([]block, c.stride*c.v)
		}
	}
	if len(f.comps) == 3 {
		d.rgb = f.isRGB()
		d.cb, d.cr = make([]byte, d.w), make([]byte, d.w)
	}
	return d
}

func (d *jpegRows) mcuRow(ctx context.Context, my int) error {
	for i := range d.comps {
		clear(d.comps[i].coefs)
	}
	for i, s := range d.scans {
		if err := ctx.Err(); err != nil { // a long row takes each scan milliseconds
			return err
		}
		if err := d.scanRow(s, my); err != nil {
			return err
		}
		// The run would go on in the next scan, which has decoded its share already.
		if s.mcus == 0 && s.eobRun > 0 && i < len(d.scans)-1 {
			return jpeg.FormatError("end-of-band run is longer than its scan")
		}
	}
	for i := range d.comps {
		d.comps[i].transform(my)
	}
	d.emit(my)
	return nil
}

// scanRow decodes what a scan has of an MCU row.
func (d *jpegRows) scanRow(s *scan, my int) error {
	if len(s.comps) == 1 { // such a scan is not interleaved: its MCU is one block (A.2.2)
		c := &s.comps[0]
		across, down := c.blocks()
		for j := range min(c.v, down-my*c.v) {
			for bx := range across {
				if err := d.one(s, c, bx, j, my); err != nil {
					return err
				}
				if err := s.next(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for mx := range d.mcus {
		for i := range s.comps {
			c := &s.comps[i]
			for j := range c.v {
				for k := range c.h {
					if err := d.one(s, c, mx*c.h+k, j, my); err != nil {
						return err
					}
				}
			}
		}
		if err := s.next(); err != nil {
			return err
		}
	}
	return nil
}

// one decodes a block: the bx-th of the j-th row of the component's blocks in MCU row my.
func (d *jpegRows) one(s *scan, c *scanComponent, bx, j, my int) error {
	if !s.progressive {
		d.block = block{}
		if err := s.sequential(c, &d.block); err != nil {
			return err
		}
		c.show(&d.block, bx, j, my)
		return nil
	}
	b := &c.coefs[j*c.stride+bx]
	switch {
	case s.ss > 0 && s.ah > 0:
		return s.acRefine(c, b)
	case s.ss > 0:
		return s.coefficients(c, b, s.ss, &s.shift)
	case s.ah > 0:
		return s.dcRefine(b)
	}
	return s.dcFirst(c, b)
}

// transform shows the blocks of a progressive frame's MCU row.
func (c *component) transform(my int) {
	for i := range c.coefs {
		b := &c.coefs[i]
		for _, st := range c.dequant {
			b[st.at&63] *= st.q
		}
		c.show(b, i%c.stride, i/c.stride, my)
	}
}

// show turns dequantised coefficients into samples. b is scratch afterwards.
func (c *component) show(b *block, bx, j, my int) {
	// What an encoder made up to fill the last blocks is not looked at.
	across, down := min(c.w-8*bx, 8), min(c.ht-8*(my*c.v+j), 8)
	if across <= 0 || down <= 0 {
		return
	}
	s := &c.out
	dst := s.pix[(1+j*s.h)*s.stride+bx*s.w:]
	if s.w == 8 && s.h == 8 {
		b.inverse(dst, s.stride)
		return
	}
	b.inverse(s.shown[:], 8)
	s.reduce(dst, across, down)
}

// reduce writes the mean of each cell of the shown block, as far as it is part of the picture.
func (s *samples) reduce(dst []byte, across, down int) {
	cw, ch := 8/s.w, 8/s.h
	// Most luma of a picture that is halved goes this shorter way.
	if cw == 2 && ch == 2 && across == 8 && down == 8 {
		for y := range 4 {
			p, q := (*[8]byte)(s.shown[16*y:]), (*[8]byte)(s.shown[16*y+8:])
			o := (*[4]byte)(dst[y*s.stride:])
			for x := range 4 {
				o[x] = byte((int(p[2*x]) + int(p[2*x+1]) + int(q[2*x]) + int(q[2*x+1]) + 2) >> 2)
			}
		}
		return
	}
	for y := 0; y < down; y += ch {
		h := min(ch, down-y)
		for x := 0; x < across; x += cw {
			w := min(cw, across-x)
			sum := 0
			for i := y; i < y+h; i++ {
				for _, v := range s.shown[8*i+x : 8*i+x+w] {
					sum += int(v)
				}
			}
			dst[y/ch*s.stride+x/cw] = byte((sum + w*h/2) / (w * h))
		}
	}
}

// emit converts the rows that MCU row my completes. Where colour is interpolated downwards,
// the last one waits for the row below.
func (d *jpegRows) emit(my int) {
	luma := &d.comps[0]
	end := (my + 1) * luma.v * luma.out.h
	if d.vSub == 2 {
		end--
	}
	if my == d.mcusDown()-1 {
		end = d.h
	}
	for ; d.y < end; d.y++ {
		dst := d.out.row(d.y)
		y := luma.row(my, d.y)
		switch {
		case len(d.comps) == 1:
			for i, v := range y {
				dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
			}
		case d.rgb:
			g, b := d.comps[1].row(my, d.y/d.vSub), d.comps[2].row(my, d.y/d.vSub)
			for i, v := range y {
				dst[3*i], dst[3*i+1], dst[3*i+2] = v, g[i/d.hSub], b[i/d.hSub]
			}
		default:
			yccRow(dst, y, d.colour(d.cb, 1, my), d.colour(d.cr, 2, my), &d.matrix)
		}
		d.out.done(d.y)
	}
	for i := range d.comps {
		s := &d.comps[i].out
		copy(s.pix[:s.stride], s.pix[len(s.pix)-s.stride:])
	}
}

// row is row y of a component in the reduced picture. It is in MCU row my or the last one above.
func (c *component) row(my, y int) []byte {
	s := &c.out
	return s.pix[(y-my*c.v*s.h+1)*s.stride:][:s.n]
}

// colour is a component's row for row d.y of the picture. It is made in buf if need be.
func (d *jpegRows) colour(buf []byte, i, my int) []byte {
	c := &d.comps[i]
	near := c.row(my, d.y/d.vSub)
	if d.hSub == 1 && d.vSub == 1 {
		return near
	}
	far := near
	if d.vSub == 2 {
		far = c.row(my, min(max(d.y/2-1+d.y%2*2, 0), c.out.rows-1))
	}
	upsampleRow(buf, near, far, d.hSub, d.vSub, d.y%2 == 1)
	return buf
}
