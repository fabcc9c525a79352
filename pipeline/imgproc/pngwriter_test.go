package imgproc

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
)

// A pngWriter makes PNG files of any kind. Any bytes are a picture, so rows yields those that
// a file is to have behind each filter.
type pngWriter struct {
	w, h       int
	depth      int
	colour     byte
	interlaced bool
	palette    []byte
	extra      []byte // chunks before the picture
	split      int    // bytes in an IDAT chunk; 0: all
	flush      bool   // after each row
	row        func(y int, row []byte) (filter byte)
}

// noisyPNG has random bytes and filters.
func noisyPNG(w, h, depth int, colour byte, interlaced bool) *pngWriter {
	r := rand.New(rand.NewPCG(uint64(w*h), uint64(depth)<<8|uint64(colour)))
	p := &pngWriter{w: w, h: h, depth: depth, colour: colour, interlaced: interlaced, split: 700}
	p.row = func(_ int, row []byte) byte {
		for i := range row {
			row[i] = byte(r.Uint32())
		}
		return byte(r.IntN(5))
	}
	if colour == pngPalette { // shorter than the pixels need
		p.palette = make([]byte, 3*max(1, 3<<depth/4))
		for i := range p.palette {
			p.palette[i] = byte(r.Uint32())
		}
		p.extra = pngChunk(nil, "tRNS", make([]byte, 1<<depth/2))
	}
	return p
}

func pngChunk(b []byte, kind string, body []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	from := len(b)
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}

func (p *pngWriter) encode() []byte {
	f := &pngFile{w: p.w, h: p.h, depth: p.depth, colour: p.colour, interlaced: p.interlaced}
	head := binary.BigEndian.AppendUint32(nil, uint32(p.w))
	head = binary.BigEndian.AppendUint32(head, uint32(p.h))
	head = append(head, byte(p.depth), p.colour, 0, 0, 0)
	if p.interlaced {
		head[12] = 1
	}
	out := pngChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", head)
	if p.palette != nil {
		out = pngChunk(out, "PLTE", p.palette)
	}
	out = append(out, p.extra...)
	idat := p.compress(f)
	for split := p.split; split > 0 && len(idat) > split; idat = idat[split:] {
		out = pngChunk(out, "IDAT", idat[:split])
	}
	out = pngChunk(out, "IDAT", idat)
	return pngChunk(out, "IEND", nil)
}

func (p *pngWriter) compress(f *pngFile) []byte {
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		panic(err)
	}
	for _, pass := range f.passes() {
		w, h := pass.size(p.w, p.h)
		if w == 0 {
			continue
		}
		row := make([]byte, 1+(w*p.depth*f.samples()+7)/8)
		for y := range h {
			row[0] = p.row(pass.y0+y*pass.dy, row[1:])
			if _, err := z.Write(row); err != nil {
				panic(err)
			}
			if !p.flush {
				continue
			}
			if err := z.Flush(); err != nil {
				panic(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
