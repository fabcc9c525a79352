package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"facegate/device"
)

// A y4m clip is a YUV4MPEG2 recording: a text header, then frames of separate planes.
type y4m struct {
	path  string
	spans []span // of the frames' planes
	m     device.Mode
}

const maxY4MHeader = 256

func openY4M(path string) (clip, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	c := &y4m{path: path}
	if err := c.index(bufio.NewReaderSize(f, 1<<16)); err != nil {
		return nil, fmt.Errorf("read recording %s: %w", path, err)
	}
	return c, nil
}

// index reads the header and finds the frames. A last frame that was cut is left out.
func (c *y4m) index(r *bufio.Reader) error {
	head, err := y4mLine(r)
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	c.m = device.Mode{Device: "replay " + c.path}
	if err := parseY4M(head, &c.m); err != nil {
		return err
	}
	at := int64(len(head)) + 1
	size := 2 * c.m.Width * c.m.Height
	if c.m.Format == device.NV12 {
		size = c.m.Width * c.m.Height * 3 / 2
	}
	for {
		line, err := y4mLine(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !strings.HasPrefix(line, "FRAME") {
			return fmt.Errorf("frame %d does not begin with FRAME", len(c.spans))
		}
		at += int64(len(line)) + 1
		if _, err := r.Discard(size); err != nil {
			break
		}
		c.spans = append(c.spans, span{at, size})
		at += int64(size)
	}
	if len(c.spans) == 0 {
		return errors.New("no whole frame in it")
	}
	return nil
}

// y4mLine reads one line of bounded length without its end. EOF means there is none.
func y4mLine(r *bufio.Reader) (string, error) {
	head, err := r.Peek(maxY4MHeader)
	i := bytes.IndexByte(head, '\n')
	if i < 0 {
		if err != nil && len(head) == 0 {
			return "", io.EOF
		}
		return "", errors.New("line without an end")
	}
	line := string(head[:i])
	_, err = r.Discard(i + 1)
	return line, err
}

// parseY4M reads the stream header into m.
func parseY4M(head string, m *device.Mode) error {
	fields := strings.Fields(head)
	if len(fields) == 0 || fields[0] != "YUV4MPEG2" {
		return errors.New("not a YUV4MPEG2 file")
	}
	colour := "420jpeg"
	for _, f := range fields[1:] {
		var err error
		switch value := f[1:]; f[0] {
		case 'W':
			m.Width, err = strconv.Atoi(value)
		case 'H':
			m.Height, err = strconv.Atoi(value)
		case 'F':
			num, den, _ := strings.Cut(value, ":")
			var n, d float64
			n, err = strconv.ParseFloat(num, 64)
			if err == nil {
				d, err = strconv.ParseFloat(den, 64)
			}
			m.FPS = n / d
		case 'C':
			colour = value
		}
		if err != nil {
			return fmt.Errorf("header field %q: %w", f, err)
		}
	}
	if m.Width < 2 || m.Height < 2 || m.Width > maxSide || m.Height > maxSide || m.Width%2 != 0 || m.Height%2 != 0 || m.Width*m.Height > maxPixels {
		return fmt.Errorf("frame size %d x %d: both sides must be even and reasonable", m.Width, m.Height)
	}
	if !(m.FPS > 0 && m.FPS <= maxFPS) {
		return fmt.Errorf("%v frames a second are not between 0 and %d", m.FPS, maxFPS)
	}
	switch colour {
	case "420", "420jpeg", "420mpeg2", "420paldv":
		m.Format = device.NV12
	case "422":
		m.Format = device.YUYV
	default:
		return fmt.Errorf("colour space C%s: only C420 and C422 with 8 bits are played", colour)
	}
	return nil
}

func (c *y4m) mode() device.Mode { return c.m }
func (c *y4m) frames() int       { return len(c.spans) }

func (c *y4m) open() (reader, error) {
	f, err := os.Open(c.path)
	if err != nil {
		return nil, err
	}
	return &y4mReader{planes: spanReader{f, c.spans}, m: c.m}, nil
}

// A y4mReader interleaves the planes of a frame as a camera would deliver them.
type y4mReader struct {
	planes spanReader
	m      device.Mode
	raw    []byte
}

func (r *y4mReader) Close() error { return r.planes.Close() }

func (r *y4mReader) read(n int, buf []byte) ([]byte, error) {
	raw, err := r.planes.read(n, r.raw)
	if err != nil {
		return nil, err
	}
	r.raw = raw
	if cap(buf) < len(raw) {
		buf = make([]byte, len(raw))
	}
	buf = buf[:len(raw)]
	luma := r.m.Width * r.m.Height
	chroma := (len(raw) - luma) / 2
	y, u, v := raw[:luma], raw[luma:luma+chroma], raw[luma+chroma:]
	if r.m.Format == device.NV12 {
		copy(buf, y)
		for i := range u {
			buf[luma+2*i], buf[luma+2*i+1] = u[i], v[i]
		}
		return buf, nil
	}
	for i := range u {
		buf[4*i], buf[4*i+1], buf[4*i+2], buf[4*i+3] = y[2*i], u[i], y[2*i+1], v[i]
	}
	return buf, nil
}
