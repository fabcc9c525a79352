// Package replay is a camera that plays pictures or a recording as if they were live.
//
// [Open] takes what the operator has: a directory of pictures, a list (frames.csv) that says
// how long each is shown, a .mjpeg recording (JPEG pictures one behind the other) or a .y4m
// one. Whatever it is, [Camera.Stream] delivers it in real time, with a deadline for every
// frame counted from the start, so a long replay does not drift.
//
// A picture shown for seconds becomes a stream: every frame has fresh sensor noise and lies
// a fraction of a pixel beside the last, as a hand-held or vibrating camera would see it, so
// that trackers and votes meet frames and not copies. The same seed gives the same bytes.
// Pictures have the frame's size or are scaled to fit it on grey; a picture of the frame's
// size is delivered pixel for pixel (Options.Exact leaves out noise and shift as well).
// Stills are delivered as RGB24, because passing through YUYV would halve their colour;
// .mjpeg as MJPEG, byte for byte; .y4m as NV12 (4:2:0) or YUYV (4:2:2).
//
// [Record] writes frames in the form that Open plays.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"facegate/device"
)

// Options says how a path is played. The zero value is a sensible camera.
type Options struct {
	// Decode turns a picture file's bytes into packed RGB, w*h*3 bytes, upright. Nil reads
	// JPEG and PNG with the standard library, which does not know EXIF orientation.
	Decode func(data []byte) (w, h int, rgb []byte, err error)

	FPS           float64       // frames a second, 15 if 0; a .y4m file brings its own
	Hold          time.Duration // how long each picture of a directory is shown, 2 s if 0
	Loop          bool          // start again at the end
	Exact         bool          // show stills as they are: no noise, no shift
	Seed          uint64        // of noise and shift
	Width, Height int           // the frame's size for stills; 0: that of the first picture
}

const (
	buffers = 4 // frames on loan at most, as a real camera has

	maxFPS    = 240
	maxSide   = 16384
	maxPixels = 50 << 20 // pixels of one picture; a larger one is refused, not loaded
	maxFile   = 64 << 20 // bytes of one picture
)

// A clip is something that can be played: n frames at a fixed rate.
type clip interface {
	mode() device.Mode
	frames() int
	open() (reader, error)
}

// A reader fetches the frames of a clip.
type reader interface {
	io.Closer
	// read returns frame n, 0 ≤ n < frames, in buf or in a larger slice that replaces it.
	read(n int, buf []byte) ([]byte, error)
}

// A Camera plays one path. Its methods may be called from any goroutine.
type Camera struct {
	clip clip
	loop bool

	streaming atomic.Bool
	mu        sync.Mutex
	mode      device.Mode
}

var _ device.Camera = (*Camera)(nil)

// Open prepares path for playing. Every file it names is read once now, so a missing or
// damaged picture is an error that names it here, not half-way through a replay.
func Open(path string, o Options) (*Camera, error) {
	if o.Decode == nil {
		o.Decode = decode
	}
	if o.FPS == 0 {
		o.FPS = 15
	}
	if o.Hold == 0 {
		o.Hold = 2 * time.Second
	}
	switch {
	case !(o.FPS > 0 && o.FPS <= maxFPS): // also refuses NaN
		return nil, fmt.Errorf("replay %s: fps %v is not between 0 and %d", path, o.FPS, maxFPS)
	case o.Hold < 0:
		return nil, fmt.Errorf("replay %s: hold %v is negative", path, o.Hold)
	case o.Width < 0 || o.Height < 0 || o.Width > maxSide || o.Height > maxSide || (o.Width == 0) != (o.Height == 0):
		return nil, fmt.Errorf("replay %s: frame size %d x %d is not one", path, o.Width, o.Height)
	}
	c, err := openClip(path, o)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return &Camera{clip: c, loop: o.Loop}, nil
}

func openClip(path string, o Options) (clip, error) {
	info, err := os.Stat(path)
	if err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if info.IsDir() {
		list, err := listDirectory(path, o.Hold)
		if err != nil {
			return nil, err
		}
		return openStills(path, list, o)
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		list, err := readList(path)
		if err != nil {
			return nil, err
		}
		return openStills(path, list, o)
	case ".mjpeg", ".mjpg":
		return openMJPEG(path, o.FPS)
	case ".y4m":
		return openY4M(path)
	}
	return nil, fmt.Errorf("%s: not a directory, .csv list, .mjpeg or .y4m recording", path)
}

// Mode implements [device.Camera].
func (c *Camera) Mode() device.Mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode
}

// Duration is how long the path plays once.
func (c *Camera) Duration() time.Duration {
	return due(c.clip.frames(), c.clip.mode().FPS)
}

// due is when frame n is shown, counted from the start.
func due(n int, fps float64) time.Duration {
	return time.Duration(float64(n) / fps * float64(time.Second))
}

// Stream implements [device.Camera]. It plays from the beginning, and without Options.Loop
// ends with an error wrapping [device.ErrEnded] when the last frame has been shown for its
// time. A consumer that is late loses frames, as it would with a live camera: the replay
// goes on in real time and Seq shows the gap.
func (c *Camera) Stream(ctx context.Context, fn func(*device.Frame) error) error {
	if c.streaming.Swap(true) {
		return fmt.Errorf("replay: %w: a stream is running", device.ErrInUse)
	}
	defer c.streaming.Store(false)

	rd, err := c.clip.open()
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	defer rd.Close() //nolint:errcheck // opened for reading

	mode, count := c.clip.mode(), c.clip.frames()
	free := make(chan []byte, buffers)
	for range buffers {
		free <- nil
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait := func(until time.Time) bool {
		timer.Reset(time.Until(until))
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return ctx.Err() == nil
		}
	}

	var start time.Time // set once the first frame is ready, so that it is not late
	for n := 0; ; {
		if n >= count && !c.loop {
			if !wait(start.Add(due(n, mode.FPS))) {
				return nil
			}
			return fmt.Errorf("replay %s: %w", mode.Device, device.ErrEnded)
		}
		var buf []byte
		select {
		case buf = <-free:
		default: // every buffer is on loan: this frame is lost
			if !wait(start.Add(due(n, mode.FPS))) {
				return nil
			}
			n++
			continue
		}
		data, err := rd.read(n%count, buf)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if n == 0 {
			start = time.Now()
		}
		at := start.Add(due(n, mode.FPS))
		if !wait(at) {
			return nil
		}
		c.mu.Lock()
		c.mode = mode
		c.mu.Unlock()
		f := &device.Frame{
			Seq: uint64(n), At: at, Width: mode.Width, Height: mode.Height,
			Stride: stride(mode), Format: mode.Format, Data: data,
		}
		f.Lend(func() { free <- data[:0] })
		if err := fn(f); err != nil {
			return err
		}
		n++
		if late := int(time.Since(start).Seconds() * mode.FPS); late > n {
			n = late
			if !c.loop {
				n = min(n, count)
			}
		}
	}
}

// stride is the length of a row of the first plane in bytes.
func stride(m device.Mode) int {
	switch m.Format {
	case device.RGB24:
		return 3 * m.Width
	case device.YUYV:
		return 2 * m.Width
	case device.NV12:
		return m.Width
	case device.MJPEG:
	}
	return 0
}

// readFile reads a picture file of bounded size.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", path, maxFile)
	}
	return data, nil
}
