package lapis

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// avi is a Motion-JPEG video with ten frames a second.
func avi(frames ...[]byte) []byte {
	le := binary.LittleEndian
	chunk := func(id string, parts ...[]byte) []byte {
		content := bytes.Join(parts, nil)
		b := le.AppendUint32([]byte(id), uint32(len(content)))
		if b = append(b, content...); len(content)%2 == 1 {
			b = append(b, 0)
		}
		return b
	}
	header := make([]byte, 56)
	copy(header, "vidsMJPG")
	le.PutUint32(header[20:], 1)
	le.PutUint32(header[24:], 10)
	format := make([]byte, 40)
	copy(format[16:], "MJPG")
	movi := []byte("movi")
	for _, f := range frames {
		movi = append(movi, chunk("00dc", f)...)
	}
	return chunk("RIFF", []byte("AVI "),
		chunk("LIST", []byte("hdrl"), chunk("LIST", []byte("strl"), chunk("strh", header), chunk("strf", format))),
		chunk("LIST", movi))
}

// box is one of MP4 and MOV.
func box(kind string, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), kind...), content...)
}

// words32 are numbers of 32 bits.
func words32(n ...uint32) (b []byte) {
	for _, x := range n {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

// movie is a video of one track with ten frames a second, which lie behind each other in one chunk:
// an MP4 file of the brand isom, a MOV file of the brand "qt  ". The codec is that of the sample
// entry, which ends with the boxes in more.
func movie(brand, codec string, more []byte, frames ...[]byte) []byte {
	const timescale, width, height = 1000, 320, 240
	length := uint32(100 * len(frames))
	file := slices.Concat(box("ftyp", []byte(brand), words32(0x200), []byte(brand)), box("mdat", frames...))
	start := uint32(len(box("ftyp", []byte(brand), words32(0), []byte(brand))) + 8)
	sizes := words32(0, 0, uint32(len(frames)))
	for _, f := range frames {
		sizes = append(sizes, words32(uint32(len(f)))...)
	}
	matrix := words32(1<<16, 0, 0, 0, 1<<16, 0, 0, 0, 1<<30)
	entry := slices.Concat(make([]byte, 6), []byte{0, 1}, make([]byte, 16), []byte{width >> 8, width & 255, height >> 8, height & 255},
		words32(72<<16, 72<<16, 0), []byte{0, 1}, make([]byte, 32), []byte{0, 24, 0xff, 0xff}, more)
	stbl := box("stbl",
		box("stsd", words32(0, 1), box(codec, entry)), box("stts", words32(0, 1, uint32(len(frames)), 100)),
		box("stsc", words32(0, 1, 1, uint32(len(frames)), 1)), box("stsz", sizes), box("stco", words32(0, 1, start)))
	media := box("mdia",
		box("mdhd", words32(0, 0, 0, timescale, length, 0x55c40000)), box("hdlr", words32(0, 0), []byte("vide"), make([]byte, 13)),
		box("minf", box("vmhd", words32(1, 0, 0)), box("dinf", box("dref", words32(0, 1), box("url ", words32(1)))), stbl))
	return append(file, box("moov",
		box("mvhd", words32(0, 0, 0, timescale, length, 1<<16, 1<<24, 0, 0), matrix, make([]byte, 24), words32(2)),
		box("trak", box("tkhd", words32(3, 0, 0, 1, 0, length, 0, 0, 0, 0), matrix, words32(width<<16, height<<16)), media))...)
}

// mp4 is a Motion-JPEG video as it stands in MP4: mp4v, and the descriptor says that it is JPEG.
func mp4(frames ...[]byte) []byte {
	const jpeg = 0x6c
	decoder := slices.Concat([]byte{4, 13, jpeg, 0x11, 0, 0, 0}, words32(0, 0))
	return movie("isom", "mp4v", box("esds", words32(0), []byte{3, byte(3 + len(decoder) + 3), 0, 1, 0}, decoder, []byte{6, 1, 2}), frames...)
}

// mov is a Motion-JPEG video as QuickTime has it.
func mov(frames ...[]byte) []byte { return movie("qt  ", "jpeg", nil, frames...) }

// h264 is an MP4 file of n H.264 frames of the baseline profile.
func h264(n int) []byte {
	sps := []byte{0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 1, 0x40, 0xf1, 0x42, 0xa4, 0x80}
	pps := []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
	sized := func(unit []byte) []byte { return append([]byte{0, byte(len(unit))}, unit...) }
	config := slices.Concat([]byte{1, 0x42, 0xc0, 0x0d, 0xff, 0xe1}, sized(sps), []byte{1}, sized(pps))
	slice := []byte{0, 0, 0, 10, 0x65, 0x88, 0x84, 0x0a, 0xf2, 0x62, 0x80, 0x00, 0xa7, 0xbe} // its length, and a key frame's
	return movie("isom", "avc1", box("avcC", config), times(n, slice)...)
}

func times(n int, frames ...[]byte) (all [][]byte) {
	for range n {
		all = append(all, frames...)
	}
	return all
}
