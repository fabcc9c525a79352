package video

import "strings"

// chunks walks over the chunks of RIFF data. A list's content comes with its type as the first
// four bytes. What is cut off at the end of data is given as far as it goes, as recorders that
// were stopped leave it.
func chunks(data []byte, left *budget, do func(id string, content []byte) error) error {
	for len(data) >= 8 {
		if err := left.spend(); err != nil {
			return err
		}
		n := int64(le32(data[4:]))
		id, content := string(data[:4]), data[8:]
		data = nil
		if n < int64(len(content)) {
			content, data = content[:n], content[n:]
			if n%2 == 1 { // chunks begin at even offsets
				data = data[1:]
			}
		}
		if err := do(id, content); err != nil {
			return err
		}
	}
	return nil
}

// An avi is what is known of a file so far.
type avi struct {
	streams     int
	video       string // the first letters of the video track's chunks, "00"; empty: none yet
	scale, rate uint64 // a frame takes scale/rate seconds
	frames      [][]byte
	left        budget
	seen        bool // the header
}

func parseAVI(data []byte) (*Video, error) {
	a := &avi{left: maxChunks}
	err := chunks(data, &a.left, func(id string, content []byte) error {
		if id != "RIFF" || len(content) < 4 {
			return nil
		}
		switch string(content[:4]) {
		case "AVI ", "AVIX": // a long file goes on in an AVIX
			return chunks(content[4:], &a.left, a.part)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	v := &Video{}
	for i, f := range a.frames {
		at, ok := scaled(uint64(i)*a.scale, a.rate)
		if !ok {
			return nil, damaged("no frame rate")
		}
		v.Frames = append(v.Frames, Frame{at, f})
	}
	var ok bool
	if v.Duration, ok = scaled(uint64(len(a.frames))*a.scale, a.rate); !ok {
		return nil, damaged("no frame rate")
	}
	return v, nil
}

// part takes in a part of the file.
func (a *avi) part(id string, content []byte) error {
	if id != "LIST" || len(content) < 4 {
		return nil
	}
	switch string(content[:4]) {
	case "hdrl":
		if a.seen {
			return damaged("two headers")
		}
		a.seen = true
		return chunks(content[4:], &a.left, a.header)
	case "movi":
		if a.video == "" {
			return damaged("no video track")
		}
		return chunks(content[4:], &a.left, a.frame)
	}
	return nil
}

func (a *avi) header(id string, content []byte) error {
	if id != "LIST" || len(content) < 4 || string(content[:4]) != "strl" {
		return nil
	}
	number := a.streams
	a.streams++
	var kind, codec string
	var scale, rate uint32
	err := chunks(content[4:], &a.left, func(id string, content []byte) error {
		switch {
		case id == "strh" && len(content) >= 28:
			kind, scale, rate = string(content[:4]), le32(content[20:]), le32(content[24:])
		case id == "strf" && len(content) >= 20:
			codec = string(content[16:20])
		}
		return nil
	})
	if err != nil || kind != "vids" {
		return err
	}
	if a.video != "" {
		return damaged("two video tracks")
	}
	if !strings.EqualFold(codec, "MJPG") || number > 99 {
		return ErrCodec
	}
	a.video = string([]byte{byte('0' + number/10), byte('0' + number%10)})
	a.scale, a.rate = uint64(scale), uint64(rate)
	if a.scale == 0 {
		return damaged("no frame rate")
	}
	return nil
}

func (a *avi) frame(id string, content []byte) error {
	switch {
	case id == "LIST" && len(content) >= 4 && string(content[:4]) == "rec ":
		return chunks(content[4:], &a.left, func(id string, content []byte) error {
			if id == "LIST" {
				return nil
			}
			return a.frame(id, content)
		})
	case id != a.video+"dc" && id != a.video+"db":
		return nil
	case len(content) == 0: // the frame before stays on the screen
		return nil
	case len(a.frames) == maxFrames:
		return damaged("too many frames")
	}
	a.frames = append(a.frames, content)
	return nil
}
