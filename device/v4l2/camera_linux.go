// Package v4l2 reads cameras through Video4Linux2.
//
// [Camera] is one camera, named by its node or, better, by its link under /dev/v4l/by-id,
// which stays when numbers move. Opening, formats, frame rates and controls go through
// blackjack/webcam; what that library cannot tell (the format really set, damaged frames,
// sequence numbers, errno of a failed start) through package uapi.
//
// Every frame is copied once out of the driver's memory into one of four buffers that are
// lent to the consumer. So the driver never starves, a frame outlives the stream and the
// camera, and nobody can touch memory that was unmapped.
//
// [Reopening] keeps a camera running over unplugging and faults, and tells of conditions
// that are no errors: lost, stalled, frozen. [List] is what an operator sees.
package v4l2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"facegate/device"
	"facegate/device/v4l2/uapi"
)

// Options says which camera is wanted and how.
type Options struct {
	Device        string  // a node or a link to one; empty: the first camera found
	Width, Height int     // the smallest size that holds this one is chosen; 640 x 480 if 0
	FPS           float64 // asked for; the driver may grant another; 15 if 0
}

const (
	buffers = 4 // of the driver, and on loan: more would only add latency

	// quiet is how long to wait for a frame before asking the driver whether the camera is
	// still there. A stalled camera is no error.
	quiet = 500 * time.Millisecond
)

// A Camera is one Video4Linux camera. Its methods may be called from any goroutine.
type Camera struct {
	o Options

	streaming atomic.Bool
	torn      atomic.Uint64

	mu   sync.Mutex
	mode device.Mode
	who  identity // of the camera that was opened first; zero before
}

var _ device.Camera = (*Camera)(nil)

// New returns the camera without opening it.
func New(o Options) *Camera {
	if o.Width == 0 || o.Height == 0 {
		o.Width, o.Height = 640, 480
	}
	if o.FPS == 0 {
		o.FPS = 15
	}
	return &Camera{o: o}
}

// Mode implements [device.Camera].
func (c *Camera) Mode() device.Mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mode
}

// Torn is how many frames were dropped because the camera or the bus damaged them.
func (c *Camera) Torn() uint64 { return c.torn.Load() }

// Stream implements [device.Camera]. The first Stream decides which camera this is; later
// ones open that one wherever it is found, and give ErrGone while it is not.
func (c *Camera) Stream(ctx context.Context, fn func(*device.Frame) error) error {
	if c.streaming.Swap(true) {
		return fmt.Errorf("open camera: %w: a stream is running", device.ErrInUse)
	}
	defer c.streaming.Store(false)
	if ctx.Err() != nil {
		return nil
	}
	c.mu.Lock()
	who := c.who
	c.mu.Unlock()
	path, who, err := locate(c.o.Device, who)
	if err != nil {
		return fmt.Errorf("open camera: %w", err)
	}
	s, err := open(path, c.o)
	if err != nil {
		return fmt.Errorf("open camera %s: %w", path, explain(err))
	}
	defer s.close()

	err = s.run(ctx, func(f *device.Frame) error {
		c.mu.Lock()
		c.mode, c.who = s.mode, who
		c.mu.Unlock()
		return fn(f)
	}, &c.torn)
	if s.failed {
		return fmt.Errorf("read camera %s: %w", path, explain(err))
	}
	return err
}

// A session is a camera that is open and streams.
type session struct {
	cam    *webcam.Webcam
	fd     int // our own handle: frame buffers belong to the handle that asked for them
	stream *uapi.Stream
	layout uapi.Format
	mode   device.Mode
	free   chan []byte
	failed bool // run ended because of the camera
}

// openNode opens a video node and says what it is. The caller closes fd if err is nil.
func openNode(path string) (fd int, node uapi.Node, err error) {
	for {
		fd, err = unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return -1, node, err
	}
	if node, err = uapi.Query(fd); err == nil && node.Planar {
		err = errors.New("multi-planar capture is not supported")
	}
	if err == nil && !node.Capture {
		err = device.ErrNotCamera
	}
	if err != nil {
		unix.Close(fd) //nolint:errcheck,gosec // nothing was written
		return -1, node, err
	}
	return fd, node, nil
}

// open sets the best format and starts to capture.
func open(path string, o Options) (_ *session, err error) {
	fd, node, err := openNode(path)
	if err != nil {
		return nil, err
	}
	s := &session{fd: fd, free: make(chan []byte, buffers)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.cam, err = webcam.Open(path); err != nil {
		return nil, err
	}
	want, ok := choose(offers(s.cam), o.Width, o.Height)
	if !ok {
		return nil, fmt.Errorf("%w: none of its formats can be read", device.ErrNotCamera)
	}
	if _, _, _, err = s.cam.SetImageFormat(webcam.PixelFormat(want.fourcc), uint32(want.width), uint32(want.height)); err != nil {
		return nil, fmt.Errorf("set format: %w", err)
	}
	// Many cameras have one rate only and refuse to be asked: what they do is read back.
	_ = s.cam.SetFramerate(float32(o.FPS))
	fps, err := s.cam.GetFramerate()
	if err != nil {
		fps, err = 0, nil
	}
	if s.stream, err = uapi.Start(fd, buffers); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	// Now the format cannot change any more, whoever set it last.
	if s.layout, err = uapi.GetFormat(fd); err != nil {
		return nil, fmt.Errorf("read format back: %w", err)
	}
	if err = checkLayout(&s.layout); err != nil {
		return nil, err
	}
	s.mode = device.Mode{
		Device: path + " (" + node.Card + ")", Width: s.layout.Width, Height: s.layout.Height,
		Format: formatOf(s.layout.FourCC), FPS: float64(fps),
	}
	for range buffers {
		s.free <- nil
	}
	return s, nil
}

// checkLayout refuses a format that cannot be read, and fills in a stride that the driver
// leaves out.
func checkLayout(l *uapi.Format) error {
	row := 0
	switch formatOf(l.FourCC) {
	case device.YUYV:
		row = 2 * l.Width
	case device.NV12:
		row = l.Width
	case device.RGB24:
		row = 3 * l.Width
	case device.MJPEG:
		l.Stride = 0
	default:
		return fmt.Errorf("the driver set format %#x, which cannot be read", l.FourCC)
	}
	if l.Stride < row {
		l.Stride = row
	}
	if l.Width < 2 || l.Height < 2 || l.Width%2 != 0 || l.Height%2 != 0 {
		return fmt.Errorf("the driver set a size of %d x %d", l.Width, l.Height)
	}
	return nil
}

// close ends the capture and gives everything back.
func (s *session) close() {
	// The device may be gone, in which case each of these fails, and nothing is left to do
	// about any of them.
	if s.stream != nil {
		_ = s.stream.Stop()
	}
	if s.cam != nil {
		_ = s.cam.Close()
	}
	_ = unix.Close(s.fd)
}

// run hands out frames until ctx or fn ends it, or the camera fails.
func (s *session) run(ctx context.Context, fn func(*device.Frame) error, torn *atomic.Uint64) error {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("make event descriptor: %w", err)
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // any eight bytes but zeros wake
		close(woken)
	})
	defer func() {
		if !stop() {
			<-woken
		}
		_ = unix.Close(wake)
	}()
	fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	ended := false // the camera has shown that it writes end markers
	for {
		n, err := unix.Poll(fds, int(quiet.Milliseconds()))
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return s.fail(err)
		case n == 0:
			if _, err := uapi.Query(s.fd); err != nil {
				return s.fail(err)
			}
			continue
		}
		b, err := s.stream.Dequeue()
		if errors.Is(err, unix.EAGAIN) && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) == 0 {
			continue
		}
		if err != nil {
			return s.fail(err)
		}
		f := s.frame(b)
		whole := !b.Damaged && fits(f, b.Data)
		if whole && f.Format == device.MJPEG {
			// Some cameras never write the marker that ends a picture: judge only the others.
			end := bytes.LastIndex(b.Data, []byte{0xff, 0xd9}) >= 0
			ended = ended || end
			whole = end || !ended
		}
		if whole {
			select {
			case buf := <-s.free:
				buf = append(buf[:0], b.Data...)
				f.Data = buf
				f.Lend(func() { s.free <- buf })
			default: // all are on loan
			}
		} else {
			torn.Add(1)
		}
		if err := s.stream.Enqueue(b.Index); err != nil {
			return s.fail(err)
		}
		if f.Data == nil {
			continue
		}
		if err := fn(f); err != nil {
			return err
		}
	}
}

func (s *session) fail(err error) error {
	s.failed = true
	return err
}

// frame describes a buffer. It has no bytes yet.
func (s *session) frame(b uapi.Buffer) *device.Frame {
	f := &device.Frame{
		Seq: uint64(b.Sequence), At: time.Now(), Width: s.mode.Width, Height: s.mode.Height,
		Stride: s.layout.Stride, Format: s.mode.Format,
	}
	var now unix.Timespec
	if b.Stamp > 0 && unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		f.At = f.At.Add(min(0, b.Stamp-time.Duration(now.Nano())))
	}
	return f
}

// fits reports whether data holds a whole frame.
func fits(f *device.Frame, data []byte) bool {
	switch f.Format {
	case device.MJPEG:
		return len(data) > 2 && data[0] == 0xff && data[1] == 0xd8
	case device.NV12:
		return len(data) >= f.Stride*f.Height*3/2
	case device.YUYV, device.RGB24:
		return len(data) >= f.Stride*f.Height
	}
	return false
}

// explain gives the kernel's errors the meaning that device has for them.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %w", device.ErrInUse, err)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", device.ErrGone, err)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EISDIR):
		return fmt.Errorf("%w: %w", device.ErrNotCamera, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (the user must belong to the group video)", err)
	}
	return err
}
