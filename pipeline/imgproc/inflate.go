package imgproc

import (
	"encoding/binary"
	"hash"
	"hash/adler32"
	"image/png"
	"io"
	"math/bits"
)

// An inflater reads the zlib stream in the IDAT chunks of a PNG (RFC 1950 and 1951). It is
// not compress/zlib, because that makes the tables of each block in new memory: a file of
// 22 MB that is all tables costs it 15 GB of garbage. This one has all its memory from the
// start. Its errors are of image/png's type.
type inflater struct {
	file *pngFile
	in   []byte // the rest of the current chunk
	acc  uint64 // the next bits, from the bottom
	n    int    // how many of them are there; negative once more were taken
	err  error  // of the chunks

	out   []byte // the last that was written; before it is full, all
	w, r  int    // how far out is written and read
	adler hash.Hash32

	total  int  // bytes that were written
	blocks int  // that began
	final  bool // the current block is the last
	kind   blockKind
	stored int    // bytes left of a stored block
	own    codes  // of a block that brings its own
	fixed  *codes // of the others, made for the first
	code   *codes // of the current block
}

type blockKind uint8

const (
	noBlock blockKind = iota // between blocks
	storedBlock
	codedBlock
)

const (
	inflateWindow = 1 << 15
	longestMatch  = 258

	// A stream may have so many blocks, so many more a row of the picture, and one for so many
	// bytes that came of it: a block that brings nothing costs time, and ten bits. Of zlib's, a
	// block brings 127 bytes where its memory is least, and some 16000 where it is not told; an
	// encoder that flushes after each row makes two blocks a row, and has up to two rows of one
	// where the picture is interlaced.
	fewBlocks  = 1024
	rowBlocks  = 4
	blockBytes = 16
)

func corrupt() error { return png.FormatError("corrupt compressed data") }

// newInflater reads on from file's current chunk.
func newInflater(file *pngFile) (*inflater, error) {
	z := &inflater{file: file, in: file.idat, out: make([]byte, 2*inflateWindow), adler: adler32.New()}
	head := z.bits(16)
	if z.n < 0 {
		return nil, z.short()
	}
	cmf, flags := head&0xff, head>>8
	if cmf&15 != 8 || cmf>>4 > 7 || (cmf<<8|flags)%31 != 0 || flags&0x20 != 0 {
		return nil, png.FormatError("bad zlib header")
	}
	return z, nil
}

// short says why bits are missing.
func (z *inflater) short() error {
	if z.err != nil {
		return z.err
	}
	return png.FormatError("not enough pixel data")
}

// fill makes 56 bits stand in acc, or all that are left in this IDAT chunk and those next to it.
func (z *inflater) fill() {
	if z.n < 0 {
		return
	}
	if len(z.in) >= 8 {
		// Bits of one byte more may come along; the next fill puts the same ones there.
		z.acc |= binary.LittleEndian.Uint64(z.in) << (z.n & 63)
		k := (63 - z.n) >> 3
		z.in = z.in[k:]
		z.n += 8 * k
		return
	}
	for z.n <= 55 {
		for len(z.in) == 0 {
			var more bool
			if z.in, more, z.err = z.file.nextIDAT(); z.err != nil || !more {
				return
			}
		}
		z.acc |= uint64(z.in[0]) << z.n
		z.in = z.in[1:]
		z.n += 8
	}
}

// bits takes up to 16 bits.
func (z *inflater) bits(size int) int {
	if z.n < size {
		z.fill()
	}
	v := int(z.acc & (1<<size - 1))
	z.acc >>= size
	z.n -= size
	return v
}

// Read returns io.EOF at the stream's end, where its checksum has been found right.
func (z *inflater) Read(p []byte) (int, error) {
	for z.r == z.w {
		if err := z.advance(); err != nil {
			return 0, err
		}
	}
	n := copy(p, z.out[z.r:z.w])
	z.r += n
	return n, nil
}

// advance reads on in the stream. All that was written before has been read.
func (z *inflater) advance() error {
	if z.w > len(z.out)-longestMatch {
		copy(z.out, z.out[z.w-inflateWindow:z.w])
		z.w, z.r = inflateWindow, inflateWindow
	}
	var err error
	switch z.kind {
	case noBlock:
		if z.final {
			return z.finish()
		}
		err = z.block()
	case storedBlock:
		z.copyStored()
	case codedBlock:
		err = z.decode()
	}
	if err == nil && z.n < 0 {
		err = z.short()
	}
	if err == nil {
		z.total += z.w - z.r
		_, err = z.adler.Write(z.out[z.r:z.w])
	}
	return err
}

// finish checks the checksum behind the last block.
func (z *inflater) finish() error {
	z.bits(z.n & 7)
	sum := uint32(z.bits(16)) | uint32(z.bits(16))<<16
	switch {
	case z.n < 0:
		return z.short()
	case bits.ReverseBytes32(sum) != z.adler.Sum32():
		return png.FormatError("invalid zlib checksum")
	}
	return io.EOF
}

// block reads the head of a block.
func (z *inflater) block() error {
	if err := z.file.stopped(); err != nil {
		return err
	}
	if z.blocks++; z.blocks > fewBlocks+rowBlocks*z.file.h+z.total/blockBytes {
		return png.FormatError("too many compressed blocks")
	}
	z.final = z.bits(1) == 1
	switch z.bits(2) {
	case 0:
		z.bits(max(z.n, 0) & 7)
		n, inverse := z.bits(16), z.bits(16)
		if n != inverse^0xffff {
			return corrupt()
		}
		z.kind, z.stored = storedBlock, n
	case 1:
		if z.fixed == nil {
			z.fixed = fixedCodes()
		}
		z.kind, z.code = codedBlock, z.fixed
	case 2:
		z.kind, z.code = codedBlock, &z.own
		return z.codes()
	default:
		return corrupt()
	}
	return nil
}

// codes are those of a block, of literals and lengths and of distances.
type codes struct{ lit, dist prefixCode }

// fixedCodes are those of blocks that bring none (RFC 1951, 3.2.6).
func fixedCodes() *codes {
	c := new(codes)
	var lengths [288]byte
	for i := range lengths {
		switch {
		case i < 144 || i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	c.lit.set(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	c.dist.set(lengths[:32])
	return c
}

// codes reads a block's own codes (RFC 1951, 3.2.7).
func (z *inflater) codes() error {
	nLit, nDist, nLen := 257+z.bits(5), 1+z.bits(5), 4+z.bits(4)
	if nLit > 286 || nDist > 30 {
		return corrupt()
	}
	const order = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"
	var lengths [286 + 30]byte
	for i := range nLen {
		lengths[order[i]] = byte(z.bits(3))
	}
	if !z.own.lit.set(lengths[:19]) {
		return corrupt()
	}
	clear(lengths[:19])
	for i := 0; i < nLit+nDist; {
		if z.n < 16 {
			z.fill()
		}
		v, size := z.own.lit.next(z.acc)
		if size == 0 || z.n < 0 {
			return corrupt()
		}
		z.bits(size)
		run, length := 1, byte(v)
		switch v {
		case 16:
			if i == 0 {
				return corrupt()
			}
			run, length = 3+z.bits(2), lengths[i-1]
		case 17:
			run, length = 3+z.bits(3), 0
		case 18:
			run, length = 11+z.bits(7), 0
		}
		if i+run > nLit+nDist {
			return corrupt()
		}
		for ; run > 0; run-- {
			lengths[i] = length
			i++
		}
	}
	if !z.own.lit.set(lengths[:nLit]) || !z.own.dist.set(lengths[nLit:nLit+nDist]) {
		return corrupt()
	}
	return nil
}

// copyStored goes on with a stored block. Whole bytes may stand in acc.
func (z *inflater) copyStored() {
	for z.stored > 0 && z.w < len(z.out) {
		if z.n > 0 || len(z.in) == 0 {
			v := z.bits(8)
			if z.n < 0 {
				return
			}
			z.out[z.w] = byte(v)
			z.w++
			z.stored--
			continue
		}
		z.acc = 0 // what came along is copied here
		n := copy(z.out[z.w:], z.in[:min(z.stored, len(z.in))])
		z.in = z.in[n:]
		z.w += n
		z.stored -= n
	}
	if z.stored == 0 {
		z.kind = noBlock
	}
}

// decode goes on with a coded block as far as there is room.
func (z *inflater) decode() error {
	out, w, code := z.out, z.w, z.code
	acc, n := z.acc, z.n
	for w <= len(out)-longestMatch {
		if n < 48 { // no more than that is taken below
			z.acc, z.n = acc, n
			if z.fill(); z.n < 0 {
				return z.short()
			}
			acc, n = z.acc, z.n
		}
		v, size := code.lit.next(acc)
		acc >>= size & 63
		n -= size
		if size == 0 || v > 285 {
			return corrupt()
		}
		if v < 256 {
			out[w] = byte(v)
			w++
			continue
		}
		if v == 256 {
			z.kind = noBlock
			break
		}
		length := v - 257 + 3
		if v == 285 {
			length = longestMatch
		} else if v >= 265 {
			extra := (v - 261) >> 2 & 7
			length = ((v-265)&3+4)<<extra + 3 + int(acc&(1<<extra-1))
			acc >>= extra
			n -= extra
		}
		d, size := code.dist.next(acc)
		acc >>= size & 63
		n -= size
		if size == 0 || d >= 30 {
			return corrupt()
		}
		back := d + 1
		if d >= 4 {
			extra := (d>>1 - 1) & 15
			back = (2+d&1)<<extra + 1 + int(acc&(1<<extra-1))
			acc >>= extra
			n -= extra
		}
		if back > w {
			return corrupt()
		}
		end := w + length
		if back >= length {
			copy(out[w:end], out[w-back:])
		} else {
			for i := w; i < end; i++ {
				out[i] = out[i-back]
			}
		}
		w = end
	}
	z.w, z.acc, z.n = w, acc, n
	return nil
}

// prefixBits is how long the codes are that a prefixCode finds at once.
const prefixBits = 9

// A prefixCode decodes symbols from bits that stand at the bottom of a word, the first bit of
// a code lowest.
type prefixCode struct {
	look    [1 << prefixBits]uint16 // symbol times 16 plus length; 0: longer, or no code
	end     [16]int32               // one more than the last code of each length
	shift   [16]int32               // what is added to a code to find its symbol
	symbols [288]uint16
}

// set makes the code from the length of each symbol's code, and reports whether it is one. It
// may be empty, or a single code of one bit.
func (p *prefixCode) set(lengths []byte) bool {
	var count [16]int32
	for _, n := range lengths {
		count[n]++
	}
	*p = prefixCode{}
	if int(count[0]) == len(lengths) {
		return true
	}
	var at [16]int32 // where each length's next symbol goes
	code, k := int32(0), int32(0)
	for n := 1; n < 16; n++ {
		code <<= 1
		at[n], p.shift[n] = k, k-code
		code += count[n]
		k += count[n]
		p.end[n] = code
		if code > 1<<n {
			return false
		}
	}
	if code != 1<<15 && (k != 1 || count[1] != 1) {
		return false
	}
	for v, n := range lengths {
		if n == 0 {
			continue
		}
		i := at[n]
		at[n]++
		p.symbols[i] = uint16(v)
		if n <= prefixBits {
			first := bits.Reverse16(uint16(i-p.shift[n])) >> (16 - n)
			for j := int(first); j < len(p.look); j += 1 << n {
				p.look[j] = uint16(v)<<4 | uint16(n)
			}
		}
	}
	return true
}

// next is the symbol whose code stands in acc, and how long that is; 0 where there is none.
func (p *prefixCode) next(acc uint64) (symbol, size int) {
	if e := p.look[acc&(1<<prefixBits-1)]; e != 0 {
		return int(e >> 4), int(e & 15)
	}
	return p.long(acc)
}

func (p *prefixCode) long(acc uint64) (symbol, size int) {
	code := int32(bits.Reverse16(uint16(acc)))
	for n := prefixBits + 1; n < 16; n++ {
		if c := code >> (16 - n); c < p.end[n] {
			return int(p.symbols[c+p.shift[n]]), n
		}
	}
	return 0, 0
}
