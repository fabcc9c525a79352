package imgproc

import "image/jpeg"

// A scan is one pass over the picture's blocks and how far it has come.
type scan struct {
	bits        bitReader
	comps       []scanComponent
	progressive bool
	ss, se      int      // the first and last coefficient of its band, in zigzag order
	ah, al      byte     // successive approximation: the bit that was last, and that is now
	shift       [64]step // of a progressive scan's coefficients: by al

	eobRun   uint16 // blocks to come that have no new coefficients
	interval int    // MCUs between restart markers; 0: none

	mcus         int // to come
	untilRestart int
	restarts     byte
}

// A scanComponent is a component as one scan has it.
type scanComponent struct {
	*component
	dc, ac  *huffman // nil where the scan has no use for it, or the file has none
	dequant [64]step // as of when the scan begins; a progressive frame has its own
	pred    int32    // the DC coefficient before
}

func shortData() error { return jpeg.FormatError("short Huffman data") }
func noTable() error   { return jpeg.FormatError("uninitialized Huffman table") }

// dcDelta takes the difference of a DC coefficient to the one before.
func (s *scan) dcDelta(c *scanComponent) (int32, error) {
	size, err := s.bits.symbol(c.dc)
	switch {
	case err != nil:
		return 0, err
	case size == 0:
		return 0, nil
	case size > 16:
		return 0, jpeg.UnsupportedError("excessive DC component")
	}
	v := extend(s.bits.acc, int(size))
	s.bits.skip(int(size))
	return v, nil
}

// sequential decodes and dequantises a whole block into b, which is clear.
func (s *scan) sequential(c *scanComponent, b *block) error {
	delta, err := s.dcDelta(c)
	if err != nil {
		return err
	}
	c.pred += delta
	b[0] = c.pred * c.dequant[0].q
	return s.coefficients(c, b, 1, &c.dequant)
}

// dcFirst decodes the upper bits of a DC coefficient.
func (s *scan) dcFirst(c *scanComponent, b *block) error {
	delta, err := s.dcDelta(c)
	if err != nil {
		return err
	}
	c.pred += delta
	b[0] = c.pred << s.al
	if s.bits.n < 0 {
		return shortData()
	}
	return nil
}

// dcRefine decodes one more bit of a DC coefficient.
func (s *scan) dcRefine(b *block) error {
	if s.bits.bit() {
		b[0] |= 1 << s.al
	}
	if s.bits.n < 0 {
		return shortData()
	}
	return nil
}

// coefficients decodes those of a band from the k-th on, times their steps (F.2.2.2, G.1.2.2).
func (s *scan) coefficients(c *scanComponent, b *block, k int, by *[64]step) error {
	if s.eobRun > 0 {
		s.eobRun--
		if s.bits.n < 0 {
			return shortData()
		}
		return nil
	}
	h, end := c.ac, s.se
	if h == nil {
		return noTable()
	}
	r := &s.bits
	acc, n := r.acc, r.n
	for k <= end {
		if n < 32 {
			r.acc, r.n = acc, n
			r.fill()
			acc, n = r.acc, r.n
		}
		if e := h.whole[acc>>(64-lookBits)]; e != 0 && k+int(e>>4&15) <= end {
			k += int(e >> 4 & 15)
			st := &by[k&63]
			b[st.at&63] = e >> 8 * st.q
			acc <<= e & 15
			n -= int(e & 15)
			k++
			continue
		}
		e := h.look[acc>>(64-lookBits)]
		symbol, length := byte(e>>8), int(e&0xff)
		if e == 0 {
			if symbol, length = h.long(acc); length == 0 {
				return jpeg.FormatError("bad Huffman code")
			}
		}
		acc <<= length & 63
		n -= length
		run, size := int(symbol>>4), int(symbol&15)
		if size == 0 {
			if run == 15 {
				k += 16
				continue
			}
			s.eobRun = 1<<run - 1
			if run > 0 {
				s.eobRun += uint16(acc >> (64 - run))
				acc <<= run
				n -= run
			}
			break
		}
		if k += run; k > end {
			break
		}
		st := &by[k&63]
		b[st.at&63] = extend(acc, size) * st.q
		acc <<= size
		n -= size
		k++
	}
	r.acc, r.n = acc, n
	if n < 0 {
		return shortData()
	}
	return nil
}

// acRefine decodes one more bit of the coefficients of a band (G.1.2.3).
func (s *scan) acRefine(c *scanComponent, b *block) error {
	k, r := s.ss, &s.bits
	for s.eobRun == 0 && k <= s.se {
		symbol, err := r.symbol(c.ac)
		if err != nil {
			return err
		}
		run, size := int(symbol>>4), int(symbol&15)
		var v int32
		switch {
		case size > 1:
			return jpeg.FormatError("unexpected Huffman code")
		case size == 1:
			v = 1 << s.al
			if !r.bit() {
				v = -v
			}
		case run < 15:
			s.eobRun = 1 << run
			if run > 0 {
				s.eobRun += uint16(r.bits(run))
			}
			run = -1
		}
		if run < 0 {
			break
		}
		if k = s.refine(b, k, run); k > s.se {
			return jpeg.FormatError("too many coefficients")
		}
		if v != 0 {
			b[zigzag[k]] = v
		}
		k++
	}
	if s.eobRun > 0 {
		s.eobRun--
		s.refine(b, k, -1)
	}
	if r.n < 0 {
		return shortData()
	}
	return nil
}

// refine takes a bit for each coefficient from the k-th on that is not 0, up to the one that
// is 0 and has run such before it, and returns where that is. A negative run goes to the band's end.
func (s *scan) refine(b *block, k, run int) int {
	bit := int32(1) << s.al
	for ; k <= s.se; k++ {
		v := &b[zigzag[k]&63]
		switch {
		case *v == 0:
			if run == 0 {
				return k
			}
			run--
		case !s.bits.bit():
		case *v > 0:
			*v += bit
		default:
			*v -= bit
		}
	}
	return k
}

// next ends an MCU.
func (s *scan) next() error {
	s.mcus--
	if s.mcus == 0 {
		return junk(s.bits.data[s.bits.pos:])
	}
	if s.interval == 0 {
		return nil
	}
	if s.untilRestart--; s.untilRestart > 0 {
		return nil
	}
	if err := s.bits.restart(mRST0 + s.restarts); err != nil {
		return err
	}
	s.restarts = (s.restarts + 1) & 7
	s.untilRestart, s.eobRun = s.interval, 0
	for i := range s.comps {
		s.comps[i].pred = 0
	}
	return nil
}
