package imgproc

import (
	"encoding/binary"
	"image/jpeg"
)

// lookBits is how long the codes are that a huffman table finds at once.
const lookBits = 9

// A huffman table decodes symbols from bits that stand on top of a word.
type huffman struct {
	// look holds, by the next bits, the symbol times 256 plus its code's length; 0 where
	// the code is longer.
	look [1 << lookBits]uint16
	// whole holds, where the bits of a coefficient follow its code within the look, the
	// coefficient times 256, its run of zeros times 16 and the length of all; else 0.
	whole [1 << lookBits]int32

	last    [17]int32 // the greatest code of each length, -1 where there is none
	shift   [17]int32 // what is added to a code of that length to find its symbol
	symbols [256]byte
}

// long decodes a code that look does not have. Its length is 0 where no code fits.
func (h *huffman) long(acc uint64) (symbol byte, length int) {
	for n := lookBits + 1; n <= 16; n++ {
		if code := int32(acc >> (64 - n)); code <= h.last[n] {
			return h.symbols[byte(code+h.shift[n])], n
		}
	}
	return 0, 0
}

// A huffmanSegment is a table as its segment has it. The table proper is made for the first
// scan that uses it: a file may define more tables than it has scans.
type huffmanSegment struct {
	body  []byte // 16 counts and the symbols; nil: undefined
	built *huffman
}

// huffmanTables reads Huffman tables (B.2.4.2).
func (f *jpegFrame) huffmanTables(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return jpeg.FormatError("DHT has wrong length")
		}
		tc, th := body[0]>>4, body[0]&15
		if tc > 1 {
			return jpeg.FormatError("bad Tc value")
		}
		if th > 3 || f.baseline && th > 1 {
			return jpeg.FormatError("bad Th value")
		}
		n, free := 0, 1
		for _, count := range body[1:17] {
			n += int(count)
			free = 2*free - int(count)
			if free < 0 {
				return jpeg.FormatError("Huffman table has too many codes")
			}
		}
		switch {
		case n == 0:
			return jpeg.FormatError("Huffman table has zero length")
		case n > 256:
			return jpeg.FormatError("Huffman table has excessive length")
		case len(body) < 17+n:
			return jpeg.FormatError("DHT has wrong length")
		}
		f.huff[tc][th] = huffmanSegment{body: body[1 : 17+n]}
		body = body[17+n:]
	}
	return nil
}

// table makes the table, or returns the one made before; nil where it is undefined.
func (s *huffmanSegment) table() *huffman {
	if s.body == nil || s.built != nil {
		return s.built
	}
	h := new(huffman)
	s.built = h
	copy(h.symbols[:], s.body[16:])
	code, k := 0, 0 // the next code, the next symbol
	for n := 1; n <= 16; n++ {
		code <<= 1
		h.last[n] = -1
		h.shift[n] = int32(k - code)
		for range s.body[n-1] {
			if n <= lookBits {
				e := uint16(h.symbols[k])<<8 | uint16(n)
				from := code << (lookBits - n)
				for i := from; i < from+1<<(lookBits-n); i++ {
					h.look[i] = e
				}
			}
			h.last[n] = int32(code)
			code++
			k++
		}
	}
	for i, e := range h.look {
		n, run, size := int(e&0xff), int32(e>>12), int(e>>8&15)
		if e == 0 || size == 0 || n+size > lookBits {
			continue
		}
		v := extend(uint64(i)<<(64-lookBits+n), size)
		h.whole[i] = v<<8 | run<<4 | int32(n+size)
	}
	return h
}

// extend is the coefficient that the top size bits, 1 to 16, stand for (F.2.2.1).
func extend(acc uint64, size int) int32 {
	v := int32(acc >> ((64 - size) & 63))
	if v < 1<<((size-1)&31) {
		v -= 1<<(size&31) - 1
	}
	return v
}

// A bitReader takes bits from the entropy-coded data of a scan. At a marker it stops: what
// lies beyond reads as zeros, and n, once negative, says so.
type bitReader struct {
	data []byte
	pos  int
	acc  uint64 // the next bits, from the top
	n    int    // how many of them are there
}

// fill makes at least 32 bits stand in acc, or all that are left before a marker.
func (r *bitReader) fill() {
	if r.n < 0 {
		return
	}
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	if r.pos+8 <= len(r.data) {
		x := binary.BigEndian.Uint64(r.data[r.pos:])
		if y := ^x; (y-ones)&^y&tops == 0 { // no byte is 0xff
			// Bits of one byte more may come along; the next fill puts the same ones there.
			r.acc |= x >> (r.n & 63)
			k := (64 - r.n) >> 3
			r.pos += k
			r.n += 8 * k
			return
		}
	}
	for r.n <= 56 && r.pos < len(r.data) {
		c := r.data[r.pos]
		if c == 0xff {
			if r.pos+1 == len(r.data) || r.data[r.pos+1] != 0 {
				return
			}
			r.pos++
		}
		r.pos++
		r.acc |= uint64(c) << (56 - r.n)
		r.n += 8
	}
}

// bit takes one bit.
func (r *bitReader) bit() bool {
	if r.n < 1 {
		r.fill()
	}
	b := int64(r.acc) < 0
	r.acc <<= 1
	r.n--
	return b
}

// bits takes 1 to 16 bits.
func (r *bitReader) bits(size int) uint32 {
	if r.n < size {
		r.fill()
	}
	v := uint32(r.acc >> ((64 - size) & 63))
	r.skip(size)
	return v
}

func (r *bitReader) skip(n int) {
	r.acc <<= n & 63
	r.n -= n
}

// symbol takes a Huffman code. At least 16 bits behind it can be taken without another fill.
func (r *bitReader) symbol(h *huffman) (byte, error) {
	if h == nil {
		return 0, noTable()
	}
	if r.n < 32 {
		r.fill()
	}
	if e := h.look[r.acc>>(64-lookBits)]; e != 0 {
		r.skip(int(e & 0xff))
		return byte(e >> 8), nil
	}
	v, n := h.long(r.acc)
	if n == 0 {
		return 0, jpeg.FormatError("bad Huffman code")
	}
	r.skip(n)
	return v, nil
}

// restart passes over what is left before the next marker, which must be the one expected.
func (r *bitReader) restart(marker byte) error {
	for i := r.pos; i+1 < len(r.data); i++ {
		if r.data[i] != 0xff || r.data[i+1] == 0xff {
			continue
		}
		if r.data[i+1] == 0 {
			i++
			continue
		}
		if r.data[i+1] != marker {
			break
		}
		r.pos, r.acc, r.n = i+2, 0, 0
		return nil
	}
	return jpeg.FormatError("bad RST marker")
}
