package imgproc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"iter"

	"facegate/device"
)

// JPEG markers this package reads.
const (
	mSOF0 = 0xc0
	mSOF2 = 0xc2
	mDHT  = 0xc4
	mEOI  = 0xd9
	mSOS  = 0xda
	mAPP1 = 0xe1
)

// segments yields the place of each marker of a JPEG file with its contents, up to the end
// marker or what makes no sense. Compressed data are skipped.
func segments(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		i := 2
		for i+3 < len(data) {
			if data[i] != 0xff {
				i++
				continue
			}
			m := data[i+1]
			switch {
			case m == 0xff:
				i++
				continue
			case m == 0 || m == 1 || m >= 0xd0 && m <= 0xd8:
				i += 2
				continue
			case m == mEOI:
				return
			}
			n := int(binary.BigEndian.Uint16(data[i+2:]))
			if n < 2 || i+2+n > len(data) {
				return
			}
			if !yield(i, data[i+4:i+2+n]) {
				return
			}
			i += 2 + n
		}
	}
}

// A jpegHeader is what is to be known of a JPEG before it is decoded.
type jpegHeader struct {
	w, h        int
	progressive bool
	scans       int
	tables      bool // Huffman tables come before the first scan
	sos         int  // where the first scan's marker is; 0 where there is none
}

func readJPEGHeader(data []byte) jpegHeader {
	var h jpegHeader
	for at, body := range segments(data) {
		m := data[at+1]
		switch {
		case m == mSOS:
			if h.scans == 0 {
				h.sos = at
			}
			h.scans++
		case m == mDHT:
			h.tables = h.tables || h.scans == 0
		case m >= mSOF0 && m <= mSOF2 && len(body) >= 5:
			h.progressive = m == mSOF2
			h.h, h.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
		}
		if h.scans > maxScans {
			break
		}
	}
	return h
}

// setMJPEG decodes a frame. Cameras leave out the Huffman tables, which are then the
// standard's, and pad behind the end.
func (p *Picture) setMJPEG(f *device.Frame) error {
	data := f.Data
	if len(data) < 4 || len(data) > MaxBytes || data[0] != 0xff || data[1] != 0xd8 {
		return fmt.Errorf("%w: the MJPEG frame is no JPEG; drop it", ErrPicture)
	}
	h := readJPEGHeader(data)
	if h.w != f.Width || h.h != f.Height {
		return fmt.Errorf("%w: the MJPEG frame has %d x %d pixels where %d x %d were declared; drop it, and check the camera's mode if it recurs",
			ErrPicture, h.w, h.h, f.Width, f.Height)
	}
	if h.sos == 0 || h.scans > maxScans || h.progressive && h.w*h.h > MaxPixels/2 {
		return fmt.Errorf("%w: the MJPEG frame is damaged; drop it", ErrPicture)
	}
	if !h.tables {
		p.jpeg = append(p.jpeg[:0], data[:h.sos]...)
		p.jpeg = appendStandardTables(p.jpeg)
		p.jpeg = append(p.jpeg, data[h.sos:]...)
		data = p.jpeg
	}
	if p.Turbo != nil {
		ok, err := p.Turbo.decode(&p.turbo, data, f.Width, f.Height)
		if err != nil {
			return fmt.Errorf("%w: the MJPEG frame is damaged or cut short (%v); drop it", ErrPicture, err)
		}
		if ok {
			p.setYCbCr(&p.turbo, fullRange())
			return nil
		}
	}
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: the MJPEG frame is damaged or cut short (%v); drop it", ErrPicture, err)
	}
	if b := m.Bounds(); b.Dx() != f.Width || b.Dy() != f.Height {
		return fmt.Errorf("%w: the MJPEG frame has two sizes; drop it", ErrPicture)
	}
	if c, ok := m.(*image.YCbCr); ok {
		p.setYCbCr(c, fullRange())
		return nil
	}
	p.SetImage(toImage(m, fullRange()))
	return nil
}

// setYCbCr makes the picture show m, which begins at (0, 0).
func (p *Picture) setYCbCr(m *image.YCbCr, mat matrix) {
	p.W, p.H = m.Rect.Dx(), m.Rect.Dy()
	p.subX, p.subY = 1, 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		p.subX = 2
	case image.YCbCrSubsampleRatio420:
		p.subX, p.subY = 2, 2
	case image.YCbCrSubsampleRatio440:
		p.subY = 2
	case image.YCbCrSubsampleRatio411:
		p.subX = 4
	case image.YCbCrSubsampleRatio410:
		p.subX, p.subY = 4, 2
	}
	cw, ch := (p.W+p.subX-1)/p.subX, (p.H+p.subY-1)/p.subY
	p.layout, p.ready, p.matrix = planar, false, mat
	p.planes = [3]plane{
		{m.Y, m.YStride, p.W, p.H},
		{m.Cb, m.CStride, cw, ch},
		{m.Cr, m.CStride, cw, ch},
	}
}

func convertYCbCr(dst *Image, m *image.YCbCr, mat matrix) {
	var p Picture
	p.setYCbCr(m, mat)
	p.convert(dst)
}

// appendStandardTables appends the Huffman tables of ITU-T T.81, K.3, as one DHT segment.
func appendStandardTables(b []byte) []byte {
	tables := [4]struct {
		class  byte
		counts [16]byte
		values string
	}{
		{0x00, [16]byte{0, 1, 5, 1, 1, 1, 1, 1, 1}, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
		{0x10, [16]byte{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d}, "" +
			"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08" +
			"\x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28" +
			"\x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59" +
			"\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89" +
			"\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6" +
			"\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2" +
			"\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa"},
		{0x01, [16]byte{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b"},
		{0x11, [16]byte{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77}, "" +
			"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91" +
			"\xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26" +
			"\x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58" +
			"\x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87" +
			"\x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4" +
			"\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda" +
			"\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa"},
	}
	n := 2
	for _, t := range tables {
		n += 17 + len(t.values)
	}
	b = append(b, 0xff, mDHT, byte(n>>8), byte(n))
	for _, t := range tables {
		b = append(b, t.class)
		b = append(b, t.counts[:]...)
		b = append(b, t.values...)
	}
	return b
}
