package imgproc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/jpeg"
	"io"
)

// More JPEG markers.
const (
	mSOF1  = 0xc1
	mRST0  = 0xd0
	mRST7  = 0xd7
	mDQT   = 0xdb
	mDRI   = 0xdd
	mAPP0  = 0xe0
	mAPP14 = 0xee
	mAPP15 = 0xef
	mCOM   = 0xfe
)

// A jpegFrame is all that a JPEG file says beside its entropy-coded data. It is read as a
// whole before a sample is decoded, because the scans are then decoded side by side; see
// jpegRows.
//
// Its errors are of image/jpeg's types.
type jpegFrame struct {
	w, h        int
	baseline    bool
	progressive bool
	comps       []component
	hMax, vMax  int // sampling factors of the first component, which has the greatest
	jfif        bool
	adobe       bool
	transform   byte // of adobe
	scans       []*scan
	looks       int // at coefficients; see maxLooks

	// What holds for the next scan.
	quant    [4][64]int32 // in zigzag order
	huff     [2][4]huffmanSegment
	interval int
}

// A component is one of the colours of a frame.
type component struct {
	id, tq byte
	h, v   int // sampling factors
	w, ht  int // samples that belong to the picture

	out samples // what becomes of its blocks
	// The coefficients of a progressive frame's current MCU row: v rows of stride blocks.
	coefs   []block
	stride  int
	scanned bool // there is a scan of it
	dequant [64]step
}

// blocks are how many blocks a scan of this component alone has in each direction.
func (c *component) blocks() (across, down int) { return (c.w + 7) / 8, (c.ht + 7) / 8 }

// A step is the place of a coefficient in a block and its quantisation.
type step struct{ at, q int32 }

func steps(quant *[64]int32) (s [64]step) {
	for i, q := range quant {
		s[i] = step{int32(zigzag[i]), q}
	}
	return s
}

// isRGB reports whether the three components are red, green and blue.
func (f *jpegFrame) isRGB() bool {
	switch {
	case f.jfif:
		return false
	case f.adobe && f.transform == 0:
		return true
	}
	return f.comps[0].id == 'R' && f.comps[1].id == 'G' && f.comps[2].id == 'B'
}

// nextMarker is where the next marker begins at or behind i, restart markers and what only
// looks like one left out.
func nextMarker(data []byte, i int) (int, error) {
	for i < len(data) {
		k := bytes.IndexByte(data[i:], 0xff)
		if k < 0 {
			break
		}
		at := i + k
		for i = at + 1; i < len(data) && data[i] == 0xff; i++ {
		}
		if i < len(data) && data[i] != 0 && (data[i] < mRST0 || data[i] > mRST7) {
			return at, nil
		}
		i++
	}
	return 0, io.ErrUnexpectedEOF
}

// junk is an error where what lies between a segment and the next marker is more than to be
// passed over.
func junk(data []byte) error {
	if bytes.Contains(data, []byte("\xff\xff\x00")) {
		return jpeg.FormatError("unknown marker")
	}
	return nil
}

// parseJPEG reads a file up to its end marker; what follows that is ignored.
func parseJPEG(data []byte) (*jpegFrame, error) {
	f := new(jpegFrame)
	for i := 2; ; {
		at, err := nextMarker(data, i)
		if err != nil {
			return nil, err
		}
		if err := junk(data[i:at]); err != nil {
			return nil, err
		}
		for i = at + 1; data[i] == 0xff; i++ {
		}
		m := data[i]
		i++
		if m == mEOI {
			break
		}
		if i+2 > len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		n := int(binary.BigEndian.Uint16(data[i:]))
		if n < 2 {
			return nil, jpeg.FormatError("short segment length")
		}
		if i+n > len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		body := data[i+2 : i+n]
		i += n
		if m != mSOS {
			err = f.segment(m, body)
		} else {
			var end int
			if end, err = nextMarker(data, i); err == nil {
				err = f.scan(body, data[i:end])
				i = end
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if len(f.scans) == 0 {
		return nil, jpeg.FormatError("missing SOS marker")
	}
	for i := range f.comps {
		f.comps[i].dequant = steps(&f.quant[f.comps[i].tq])
	}
	return f, nil
}

func (f *jpegFrame) segment(m byte, body []byte) error {
	switch m {
	case mSOF0, mSOF1, mSOF2:
		f.baseline, f.progressive = m == mSOF0, m == mSOF2
		return f.frame(body)
	case mDHT:
		return f.huffmanTables(body)
	case mDQT:
		return f.quantTables(body)
	case mDRI:
		if len(body) != 2 {
			return jpeg.FormatError("DRI has wrong length")
		}
		f.interval = int(binary.BigEndian.Uint16(body))
		return nil
	case mAPP0:
		if len(body) >= 5 {
			f.jfif = string(body[:5]) == "JFIF\x00"
		}
		return nil
	case mAPP14:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			f.adobe, f.transform = true, body[11]
		}
		return nil
	}
	switch {
	case m >= mAPP0 && m <= mAPP15 || m == mCOM:
		return nil
	case m < mSOF0:
		return jpeg.FormatError("unknown marker")
	}
	return jpeg.UnsupportedError("unknown marker")
}

// frame reads a frame header (B.2.2). Which sampling factors may meet is image/jpeg's choice.
func (f *jpegFrame) frame(body []byte) error {
	if f.comps != nil {
		return jpeg.FormatError("multiple SOF markers")
	}
	if len(body) != 6+3 && len(body) != 6+9 {
		return jpeg.UnsupportedError("number of components")
	}
	if body[0] != 8 {
		return jpeg.UnsupportedError("precision")
	}
	f.h, f.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if len(body) != 6+3*int(body[5]) {
		return jpeg.FormatError("SOF has wrong length")
	}
	for b := body[6:]; len(b) > 0; b = b[3:] {
		c := component{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), tq: b[2]}
		for i := range f.comps {
			if f.comps[i].id == c.id {
				return jpeg.FormatError("repeated component identifier")
			}
		}
		if c.tq > 3 {
			return jpeg.FormatError("bad Tq value")
		}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return jpeg.FormatError("luma/chroma subsampling ratio")
		}
		f.comps = append(f.comps, c)
	}
	bad := false
	for i := range f.comps {
		c, first := &f.comps[i], &f.comps[0]
		bad = bad || c.h == 3 || c.v == 3 || first.h%c.h != 0 || first.v%c.v != 0
	}
	if len(f.comps) == 1 {
		f.comps[0].h, f.comps[0].v = 1, 1 // the factors of a single component mean nothing (A.2.2)
	} else {
		bad = bad || f.comps[0].v == 4 || f.comps[1].h != f.comps[2].h || f.comps[1].v != f.comps[2].v
	}
	if bad {
		return jpeg.UnsupportedError("luma/chroma subsampling ratio")
	}
	f.hMax, f.vMax = f.comps[0].h, f.comps[0].v
	for i := range f.comps {
		c := &f.comps[i]
		c.w, c.ht = (f.w*c.h+f.hMax-1)/f.hMax, (f.h*c.v+f.vMax-1)/f.vMax
	}
	return nil
}

// quantTables reads quantisation tables (B.2.4.1).
func (f *jpegFrame) quantTables(body []byte) error {
	for len(body) > 0 {
		wide, tq := int(body[0]>>4), body[0]&15
		body = body[1:]
		if tq > 3 {
			return jpeg.FormatError("bad Tq value")
		}
		if wide > 1 {
			return jpeg.FormatError("bad Pq value")
		}
		if len(body) < 64<<wide {
			if len(body) > 0 {
				return jpeg.FormatError("DQT has wrong length")
			}
			break
		}
		for i := range 64 {
			if wide == 1 {
				f.quant[tq][i] = int32(binary.BigEndian.Uint16(body[2*i:]))
			} else {
				f.quant[tq][i] = int32(body[i])
			}
		}
		body = body[64<<wide:]
	}
	return nil
}

// scan reads a scan header (B.2.3) and gives the scan the tables that hold now.
func (f *jpegFrame) scan(head, data []byte) error {
	if f.comps == nil {
		return jpeg.FormatError("missing SOF marker")
	}
	if len(head) < 6 || len(head) != 4+2*int(head[0]) || int(head[0]) > len(f.comps) {
		return jpeg.FormatError("SOS has wrong length")
	}
	if len(f.scans) == maxScans {
		return jpeg.FormatError(fmt.Sprintf("more than %d scans", maxScans))
	}
	s := &scan{bits: bitReader{data: data}, interval: f.interval, progressive: f.progressive, se: 63}
	n := int(head[0])
	if f.progressive {
		tail := head[1+2*n:]
		s.ss, s.se, s.ah, s.al = int(tail[0]), int(tail[1]), tail[2]>>4, tail[2]&15
		switch {
		case s.ss == 0 && s.se != 0 || s.ss > s.se || s.se > 63:
			return jpeg.FormatError("bad spectral selection bounds")
		case s.ss > 0 && n != 1:
			return jpeg.FormatError("progressive AC coefficients for more than one component")
		case s.ah != 0 && s.ah != s.al+1:
			return jpeg.FormatError("bad successive approximation values")
		}
		var unit [64]int32
		for i := range unit {
			unit[i] = 1 << s.al
		}
		s.shift = steps(&unit)
	}
	area := 0
	for b := head[1 : 1+2*n]; len(b) > 0; b = b[2:] {
		c := f.component(b[0])
		if c == nil {
			return jpeg.FormatError("unknown component selector")
		}
		for i := range s.comps {
			if s.comps[i].component == c {
				return jpeg.FormatError("repeated component selector")
			}
		}
		td, ta := b[1]>>4, b[1]&15
		if td > 3 || ta > 3 || f.baseline && (td > 1 || ta > 1) {
			return jpeg.FormatError("bad Td or Ta value")
		}
		sc := scanComponent{component: c, dequant: steps(&f.quant[c.tq])}
		if s.ss == 0 && s.ah == 0 {
			sc.dc = f.huff[0][td].table()
		}
		if s.se > 0 {
			sc.ac = f.huff[1][ta].table()
		}
		s.comps = append(s.comps, sc)
		c.scanned = true
		area += c.h * c.v
	}
	if len(f.comps) > 1 && area > 10 {
		return jpeg.FormatError("total sampling factors too large")
	}
	if n == 1 {
		across, down := s.comps[0].blocks()
		s.mcus, area = across*down, 1
	} else {
		s.mcus = f.mcusAcross() * f.mcusDown()
	}
	if !f.progressive || s.ah > 0 {
		if f.looks += s.mcus * area * (s.se - s.ss + 1); f.looks > f.maxLooks() {
			return jpeg.FormatError("too many scans of so many pixels")
		}
	}
	s.untilRestart = s.interval
	f.scans = append(f.scans, s)
	return nil
}

// maxLooks is how often all scans together may look at a coefficient: eight times at each,
// where a picture is not small. Sequential scans and those that refine look at every one of
// their band in each block, and so take time however few bytes they have; all others take time
// for what they say only. Each coefficient is in one sequential scan; of those that refine it
// encoders make two, or three.
func (f *jpegFrame) maxLooks() int {
	blocks := 0 // of a MCU
	for i := range f.comps {
		blocks += f.comps[i].h * f.comps[i].v
	}
	return max(1<<24, 8*64*blocks*f.mcusAcross()*f.mcusDown())
}

func (f *jpegFrame) component(id byte) *component {
	for i := range f.comps {
		if f.comps[i].id == id {
			return &f.comps[i]
		}
	}
	return nil
}

func (f *jpegFrame) mcusAcross() int { return (f.w + 8*f.hMax - 1) / (8 * f.hMax) }
func (f *jpegFrame) mcusDown() int   { return (f.h + 8*f.vMax - 1) / (8 * f.vMax) }
