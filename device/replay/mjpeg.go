package replay

import (
	"bufio"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"os"

	"facegate/device"
)

// A span is where a picture lies in a file.
type span struct {
	at  int64
	len int
}

// A motionJPEG clip is JPEG pictures one behind the other.
type motionJPEG struct {
	path  string
	spans []span
	m     device.Mode
}

// openMJPEG finds where every picture of the recording begins and ends. A picture torn in
// the middle is kept as it was recorded, because a live camera delivers such pictures too;
// the first must be whole enough to tell the frame's size.
func openMJPEG(path string, fps float64) (clip, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	c := &motionJPEG{path: path}
	if c.spans, err = splitJPEG(bufio.NewReaderSize(f, 1<<16)); err != nil {
		return nil, fmt.Errorf("read recording %s: %w", path, err)
	}
	if len(c.spans) == 0 {
		return nil, fmt.Errorf("read recording %s: no JPEG picture in it", path)
	}
	cfg, err := jpeg.DecodeConfig(io.NewSectionReader(f, c.spans[0].at, int64(c.spans[0].len)))
	if err != nil {
		return nil, fmt.Errorf("read recording %s: first picture: %w", path, err)
	}
	c.m = device.Mode{Device: "replay " + path, Width: cfg.Width, Height: cfg.Height, Format: device.MJPEG, FPS: fps}
	return c, nil
}

func (c *motionJPEG) mode() device.Mode { return c.m }
func (c *motionJPEG) frames() int       { return len(c.spans) }

func (c *motionJPEG) open() (reader, error) {
	f, err := os.Open(c.path)
	if err != nil {
		return nil, err
	}
	return &spanReader{f, c.spans}, nil
}

// A spanReader reads the frames of a recording from its file.
type spanReader struct {
	*os.File
	spans []span
}

func (r *spanReader) read(n int, buf []byte) ([]byte, error) {
	s := r.spans[n]
	if cap(buf) < s.len {
		buf = make([]byte, s.len)
	}
	buf = buf[:s.len]
	if _, err := r.ReadAt(buf, s.at); err != nil {
		return nil, fmt.Errorf("read recording: frame %d: %w", n, err)
	}
	return buf, nil
}

// JPEG markers that the splitter tells apart.
const (
	markRST0 = 0xd0
	markRST7 = 0xd7
	markSOI  = 0xd8
	markEOI  = 0xd9
	markTEM  = 0x01
)

// splitJPEG returns where the pictures of a stream lie. It follows the segments, so a
// thumbnail inside one does not end a picture, and skips whatever lies between pictures.
func splitJPEG(r *bufio.Reader) ([]span, error) {
	var spans []span
	at, begun := int64(0), int64(-1) // bytes read; where the present picture starts
	finish := func(end int64) error {
		if end-begun > maxFile {
			return fmt.Errorf("picture %d has more than %d bytes", len(spans), maxFile)
		}
		spans = append(spans, span{begun, int(end - begun)})
		begun = -1
		return nil
	}
	next := func() (byte, error) {
		b, err := r.ReadByte()
		if err == nil {
			at++
		}
		return b, err
	}
	for {
		b, err := next()
		for err == nil && b != 0xff {
			b, err = next()
		}
		for err == nil && b == 0xff { // any number of fill bytes
			b, err = next()
		}
		if errors.Is(err, io.EOF) {
			if begun >= 0 { // the recording was cut
				return spans, finish(at)
			}
			return spans, nil
		}
		if err != nil {
			return nil, err
		}
		switch {
		case b == markSOI:
			if begun >= 0 { // the picture before was cut
				if err := finish(at - 2); err != nil {
					return nil, err
				}
			}
			begun = at - 2
		case begun < 0 || b == 0 || b == markTEM || b >= markRST0 && b <= markRST7:
			// between pictures, or no segment follows
		case b == markEOI:
			if err := finish(at); err != nil {
				return nil, err
			}
		default: // a segment with a length; behind that of SOS the loop goes on in the coded data
			size, err := r.Peek(2)
			if err != nil {
				continue // the end, which the next read meets again
			}
			d, _ := r.Discard(int(size[0])<<8 | int(size[1])) // cut short: likewise
			at += int64(d)
		}
	}
}
