package imgproc

import (
	"context"
	"errors"
	"image/png"
	"io"
)

// A pngPass says which pixels a pass has: those at x0, x0 + dx and so on of every dy-th row
// from y0 on.
type pngPass struct{ x0, y0, dx, dy int }

// passes are the seven of Adam7, or one of all.
func (f *pngFile) passes() []pngPass {
	if !f.interlaced {
		return []pngPass{{0, 0, 1, 1}}
	}
	return []pngPass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
}

// size is how many pixels a pass has in each direction; a side of 0 means it has no rows.
func (p pngPass) size(w, h int) (int, int) {
	return (w - p.x0 + p.dx - 1) / p.dx, (h - p.y0 + p.dy - 1) / p.dy
}

// A rowSink takes a picture's rows of RGB. The pixels are those at x0, x0 + dx and so on of
// row y. The row is borrowed for the call.
type rowSink interface {
	take(x0, dx, y int, rgb []byte)
	image() *Image
}

// decodePNG decodes a file, reduced by 1, 2, 4 or 8.
func decodePNG(ctx context.Context, data []byte, by, orientation int) (*Image, error) {
	f := &pngFile{rest: data[8:], stop: ctx.Err}
	if err := f.parse(); err != nil {
		return nil, err
	}
	var sink rowSink
	switch {
	case by == 1:
		sink = wholeRows{newCanvas(f.w, f.h, orientation)}
	case f.interlaced && by == 2:
		sink = halvedRows{newCanvas(shrunk(f.w, 2), shrunk(f.h, 2), orientation)}
	case f.interlaced:
		sink = newCellSums(f.w, f.h, by, orientation)
	default:
		sink = newRowSums(f.w, f.h, by, orientation)
	}
	if err := f.pixels(sink); err != nil {
		return nil, err
	}
	if err := f.finish(); err != nil {
		return nil, err
	}
	return sink.image(), nil
}

// pixels decodes the IDAT chunks into sink.
func (f *pngFile) pixels(sink rowSink) error {
	z, err := newInflater(f)
	if err != nil {
		return err
	}
	depth := f.depth * f.samples() // of a pixel
	most := (depth*f.w + 7) / 8
	step := (depth + 7) / 8 // to the byte that filters take for the left neighbour's
	rows := [2][]byte{make([]byte, step+most), make([]byte, step+most)}
	rgb := make([]byte, 3*f.w)
	for _, p := range f.passes() {
		w, h := p.size(f.w, f.h)
		if w == 0 {
			continue
		}
		n := (depth*w + 7) / 8
		// A row lies behind step zeros, the pixel left of it. Its filter comes in the last one's place.
		cur, above := rows[0][:step+n], rows[1][:step+n]
		clear(above)
		for y := range h {
			if err := f.stopped(); err != nil {
				return err
			}
			row := cur[step-1:]
			if _, err := io.ReadFull(z, row); err != nil {
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					return png.FormatError("not enough pixel data")
				}
				return err
			}
			filter := row[0]
			row[0] = 0
			if !unfilter(filter, cur, above, step) {
				return png.FormatError("bad filter type")
			}
			sink.take(p.x0, p.dx, p.y0+y*p.dy, f.unpack(rgb[:3*w], row[1:]))
			cur, above = above, cur
		}
	}
	// There must be the end now.
	switch n, err := z.Read(rgb[:1]); {
	case n > 0:
		return png.FormatError("too much pixel data")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// unfilter undoes a row's filter (PNG, 9.2). Both rows begin with step zeros.
func unfilter(filter byte, cur, above []byte, step int) bool {
	above = above[:len(cur)]
	switch filter {
	case 0:
	case 1:
		for i := step; i < len(cur); i++ {
			cur[i] += cur[i-step]
		}
	case 2:
		for i, b := range above {
			cur[i] += b
		}
	case 3:
		for i := step; i < len(cur); i++ {
			cur[i] += byte((int(cur[i-step]) + int(above[i])) / 2)
		}
	case 4:
		unfilterPaeth(cur, above, step)
	default:
		return false
	}
	return true
}

func unfilterPaeth(cur, above []byte, step int) {
	for i := step; i < len(cur); i++ {
		a, b, c := int(cur[i-step]), int(above[i]), int(above[i-step])
		pa, pb := b-c, a-c
		pc := pa + pb
		pa, pb, pc = max(pa, -pa), max(pb, -pb), max(pc, -pc)
		if pb < pa {
			a, pa = b, pb
		}
		if pc < pa {
			a = c
		}
		cur[i] += byte(a)
	}
}

// unpack turns a row of any kind into RGB, in rgb or in place. Transparency is dropped, as
// is the lower byte of samples of two.
func (f *pngFile) unpack(rgb, row []byte) []byte {
	if f.depth < 8 {
		mask := byte(1<<f.depth - 1)
		scale := 255 / mask // of gray
		for x := range len(rgb) / 3 {
			bit := x * f.depth
			v := row[bit/8] >> (8 - f.depth - bit%8) & mask
			p := (*[3]byte)(rgb[3*x:])
			if f.colour == pngPalette {
				*p = f.palette[v]
			} else {
				*p = [3]byte{v * scale, v * scale, v * scale}
			}
		}
		return rgb
	}
	size := f.depth / 8
	step := size * f.samples()
	switch {
	case f.colour == pngPalette:
		for x, v := range row {
			*(*[3]byte)(rgb[3*x:]) = f.palette[v]
		}
	case f.colour == pngGray || f.colour == pngGrayAlpha:
		for x := range len(rgb) / 3 {
			v := row[x*step]
			*(*[3]byte)(rgb[3*x:]) = [3]byte{v, v, v}
		}
	case step == 3:
		return row
	default:
		for x := range len(rgb) / 3 {
			p := row[x*step : (x+1)*step]
			*(*[3]byte)(rgb[3*x:]) = [3]byte{p[0], p[size], p[2*size]}
		}
	}
	return rgb
}
