package imgproc

import (
	"bytes"
	"encoding/binary"
)

// The functions here find how a file says it is to be turned: 1 (upright) to 8, as EXIF tag
// Orientation has it. They read each byte at most once or twice and follow no pointer but
// the one to the first directory; whatever is not understood is upright.

func jpegOrientation(data []byte) int {
	for at, body := range segments(data) {
		if data[at+1] == mSOS {
			break
		}
		if tiff, ok := bytes.CutPrefix(body, []byte("Exif\x00\x00")); ok && data[at+1] == mAPP1 {
			return tiffOrientation(tiff)
		}
	}
	return 1
}

func pngOrientation(data []byte) int {
	for data = data[min(8, len(data)):]; len(data) >= 12; {
		n := uint64(binary.BigEndian.Uint32(data))
		if n > uint64(len(data)-12) {
			break
		}
		if string(data[4:8]) == "eXIf" {
			return tiffOrientation(data[8 : 8+n])
		}
		data = data[12+n:]
	}
	return 1
}

func webpOrientation(data []byte) int {
	for data = data[min(12, len(data)):]; len(data) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(data[4:]))
		if n > uint64(len(data)-8) {
			break
		}
		if string(data[:4]) == "EXIF" {
			return tiffOrientation(bytes.TrimPrefix(data[8:8+n], []byte("Exif\x00\x00")))
		}
		data = data[min(8+n+n&1, uint64(len(data))):]
	}
	return 1
}

// tiffOrientation looks for the tag in the first directory of a TIFF structure.
func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var o binary.ByteOrder
	switch string(t[:4]) {
	case "II*\x00":
		o = binary.LittleEndian
	case "MM\x00*":
		o = binary.BigEndian
	default:
		return 1
	}
	at := uint64(o.Uint32(t[4:]))
	if at+2 > uint64(len(t)) {
		return 1
	}
	n := int(o.Uint16(t[at:]))
	for e := t[at+2:]; n > 0 && len(e) >= 12; n, e = n-1, e[12:] {
		const orientation, short = 0x0112, 3
		if o.Uint16(e) == orientation && o.Uint16(e[2:]) == short {
			if v := int(o.Uint16(e[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
	}
	return 1
}
