// Package video takes pictures out of short videos: Motion-JPEG in AVI, MP4 and MOV files. It
// decodes no pixels, so that a video is as harmless as the JPEGs in it.
//
// [Parse] reads a whole file that lies in memory. It believes no number in it: every size is held
// against what is left, every count against a bound, and boxes nest only as deep as the formats
// do. A file with more than one video track, with another codec, in fragments or compressed
// headers is refused.
package video

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// What Parse fails with.
var (
	// ErrFormat means that a file is no AVI, MP4 or MOV, or damaged.
	ErrFormat = errors.New("not a video that can be read")
	// ErrCodec means that a video is not Motion-JPEG.
	ErrCodec = errors.New("not Motion-JPEG")
)

// Bounds.
const (
	maxFrames = 4096
	maxChunks = 16 * maxFrames // boxes and chunks looked at in one file
)

// A Video is the pictures of a file in the order in which they are shown.
type Video struct {
	Frames   []Frame
	Duration time.Duration
}

// A Frame is one picture.
type Frame struct {
	At   time.Duration // since the beginning
	JPEG []byte        // part of the file; it may lack its Huffman tables, which are the standard's then
}

// Parse finds the pictures of a video. The error wraps ErrFormat or ErrCodec. The frames share
// the memory of data.
func Parse(data []byte) (*Video, error) {
	var v *Video
	var err error
	switch {
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "AVI ":
		v, err = parseAVI(data)
	case len(data) >= 8 && isBox(string(data[4:8])):
		v, err = parseMP4(data)
	default:
		return nil, fmt.Errorf("%w: neither AVI nor MP4 nor MOV", ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	if len(v.Frames) == 0 {
		return nil, fmt.Errorf("%w: no frames", ErrFormat)
	}
	for _, f := range v.Frames {
		if !bytes.HasPrefix(f.JPEG, []byte("\xff\xd8\xff")) {
			return nil, fmt.Errorf("%w: a frame is no JPEG", ErrCodec)
		}
	}
	return v, nil
}

func damaged(what string) error { return fmt.Errorf("%w: %s", ErrFormat, what) }

// A budget is how many parts of a file may still be looked at.
type budget int

func (b *budget) spend() error {
	if *b--; *b < 0 {
		return damaged("too many parts")
	}
	return nil
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// scaled is n units of which there are perSecond, as a duration; none where it is longer than an
// hour or perSecond is 0.
func scaled(n, perSecond uint64) (time.Duration, bool) {
	if perSecond == 0 || n/perSecond >= 3600 {
		return 0, false
	}
	whole, rest := n/perSecond, n%perSecond // rest < perSecond < 2^32
	return time.Duration(whole)*time.Second + time.Duration(rest*uint64(time.Second)/perSecond), true
}
