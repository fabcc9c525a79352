package video

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// isBox reports whether a file may begin with a box of a type.
func isBox(kind string) bool {
	switch kind {
	case "ftyp", "moov", "mdat", "wide", "free", "skip", "pnot":
		return true
	}
	return false
}

// boxes walks over the boxes of data, which they must fill, but for a few bytes that cannot hold
// one.
func boxes(data []byte, left *budget, do func(kind string, content []byte) error) error {
	for len(data) >= 8 {
		if err := left.spend(); err != nil {
			return err
		}
		n, head := uint64(be32(data)), uint64(8)
		switch {
		case n == 0: // to the end
			n = uint64(len(data))
		case n == 1 && len(data) >= 16:
			n, head = binary.BigEndian.Uint64(data[8:]), 16
		}
		if n < head || n > uint64(len(data)) {
			return damaged("a box does not fit")
		}
		kind, content := string(data[4:8]), data[head:n]
		data = data[n:]
		if err := do(kind, content); err != nil {
			return err
		}
	}
	return nil
}

// A track is the tables of a video track.
type track struct {
	codec    string
	perSec   uint64
	stts     []byte // runs of frames of one length
	stsc     []byte // runs of chunks with one number of frames
	stsz     []byte // sizes of the frames
	stco     []byte // offsets of the chunks
	co64     bool
	hasVideo bool
}

func parseMP4(data []byte) (*Video, error) {
	left := budget(maxChunks)
	var found *track
	err := boxes(data, &left, func(kind string, content []byte) error {
		switch kind {
		case "moof":
			return damaged("it is in fragments")
		case "moov":
			return boxes(content, &left, func(kind string, content []byte) error {
				if kind == "cmov" {
					return damaged("its header is compressed")
				}
				if kind != "trak" {
					return nil
				}
				t := &track{}
				if err := t.read(content, &left, 0); err != nil || !t.hasVideo {
					return err
				}
				if found != nil {
					return damaged("two video tracks")
				}
				found = t
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, damaged("no video track")
	}
	if found.codec != "jpeg" {
		return nil, fmt.Errorf("%w: %q", ErrCodec, found.codec)
	}
	return found.frames(data)
}

// read takes in what a track's boxes hold.
func (t *track) read(data []byte, left *budget, depth int) error {
	return boxes(data, left, func(kind string, content []byte) error {
		switch kind {
		case "mdia", "minf", "stbl":
			if depth == 3 {
				return damaged("boxes nest too deeply")
			}
			return t.read(content, left, depth+1)
		case "mdhd":
			switch {
			case len(content) >= 20 && content[0] == 0:
				t.perSec = uint64(be32(content[12:]))
			case len(content) >= 32 && content[0] == 1:
				t.perSec = uint64(be32(content[20:]))
			default:
				return damaged("mdhd")
			}
		case "hdlr":
			if len(content) >= 12 && string(content[8:12]) == "vide" {
				t.hasVideo = true
			}
		case "stsd":
			t.codec = codecOf(content)
		case "stts":
			t.stts = content
		case "stsc":
			t.stsc = content
		case "stsz":
			t.stsz = content
		case "stco", "co64":
			t.stco, t.co64 = content, kind == "co64"
		}
		return nil
	})
}

// codecOf is the codec of a sample description, "jpeg" for every name of it. Several
// descriptions are none that is known.
func codecOf(stsd []byte) string {
	if len(stsd) < 16 || be32(stsd[4:]) != 1 {
		return ""
	}
	entry := stsd[8:]
	kind := string(entry[4:8])
	switch strings.ToLower(kind) {
	case "jpeg", "mjpg", "mjpa":
		return "jpeg"
	case "mp4v":
		// The object type of the elementary stream descriptor says what it really is: 0x6c is JPEG.
		left := budget(64)
		found := kind
		if len(entry) > 86 {
			// What is behind the fields of a video description is boxes. Damage there hides the codec.
			_ = boxes(entry[86:], &left, func(kind string, content []byte) error {
				if kind == "esds" && len(content) >= 4 && objectType(content[4:]) == 0x6c {
					found = "jpeg"
				}
				return nil
			})
		}
		return found
	}
	return kind
}

// objectType finds the object type in an ES descriptor, 0 where there is none.
func objectType(b []byte) byte {
	tag, b := descriptor(b)
	if tag != 3 || len(b) < 3 {
		return 0
	}
	flags := b[2]
	b = b[3:]
	for _, skip := range []struct {
		flag byte
		n    int
	}{{0x80, 2}, {0x40, 1}, {0x20, 2}} {
		if flags&skip.flag == 0 {
			continue
		}
		if len(b) < skip.n {
			return 0
		}
		if skip.flag == 0x40 { // a text with its length before it
			skip.n += int(b[0])
		}
		if len(b) < skip.n {
			return 0
		}
		b = b[skip.n:]
	}
	tag, b = descriptor(b)
	if tag != 4 || len(b) < 1 {
		return 0
	}
	return b[0]
}

// descriptor is the tag and content of a descriptor, whose length is in up to four groups of
// seven bits.
func descriptor(b []byte) (tag byte, content []byte) {
	if len(b) < 2 {
		return 0, nil
	}
	tag, b = b[0], b[1:]
	n := 0
	for i := 0; i < 4 && len(b) > 0; i++ {
		c := b[0]
		b = b[1:]
		n = n<<7 | int(c&0x7f)
		if c&0x80 == 0 {
			break
		}
	}
	return tag, b[:min(n, len(b))]
}

// table is the entries of a full box: a version, flags, a count and so many entries of a size.
func table(box []byte, size int) (entries []byte, n int, ok bool) {
	if len(box) < 8 {
		return nil, 0, false
	}
	count := uint64(be32(box[4:]))
	if count*uint64(size) > uint64(len(box)-8) {
		return nil, 0, false
	}
	return box[8:], int(count), true
}

// frames follows the tables to the frames.
func (t *track) frames(data []byte) (*Video, error) {
	if len(t.stsz) < 12 {
		return nil, damaged("stsz")
	}
	same, count := be32(t.stsz[4:]), be32(t.stsz[8:])
	if count > maxFrames {
		return nil, damaged("too many frames")
	}
	if same == 0 && uint64(count)*4 > uint64(len(t.stsz)-12) {
		return nil, damaged("stsz")
	}
	width := 4
	if t.co64 {
		width = 8
	}
	offsets, chunkCount, ok := table(t.stco, width)
	runs, runCount, ok2 := table(t.stsc, 12)
	times, timeCount, ok3 := table(t.stts, 8)
	if !ok || !ok2 || !ok3 {
		return nil, damaged("a table does not fit")
	}
	v := &Video{Frames: make([]Frame, 0, count)}
	var run, timed, inTime int
	var ticks uint64
	for chunk := range chunkCount {
		for run+1 < runCount && uint64(be32(runs[12*(run+1):])) <= uint64(chunk)+1 {
			run++
		}
		if runCount == 0 || len(v.Frames) == int(count) {
			break
		}
		var offset uint64
		if t.co64 {
			offset = binary.BigEndian.Uint64(offsets[8*chunk:])
		} else {
			offset = uint64(be32(offsets[4*chunk:]))
		}
		for range be32(runs[12*run+4:]) {
			i := len(v.Frames)
			if i == int(count) {
				break
			}
			size := uint64(same)
			if same == 0 {
				size = uint64(be32(t.stsz[12+4*i:]))
			}
			if offset > uint64(len(data)) || size > uint64(len(data))-offset {
				return nil, damaged("a frame lies beyond the end")
			}
			at, ok := scaled(ticks, t.perSec)
			if !ok {
				return nil, damaged("no time scale")
			}
			v.Frames = append(v.Frames, Frame{at, data[offset : offset+size]})
			offset += size
			for timed < timeCount && uint64(inTime) >= uint64(be32(times[8*timed:])) {
				timed, inTime = timed+1, 0
			}
			if timed == timeCount {
				return nil, damaged("stts")
			}
			ticks += uint64(be32(times[8*timed+4:]))
			inTime++
		}
	}
	if len(v.Frames) != int(count) {
		return nil, damaged("frames are missing")
	}
	if v.Duration, ok = scaled(ticks, t.perSec); !ok {
		return nil, damaged("no time scale")
	}
	return v, nil
}
