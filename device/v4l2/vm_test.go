//go:build vm

package v4l2

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"

	"facegate/device"
	"facegate/device/devicetest"
	"facegate/device/v4l2/uapi"
)

// These tests run on the kernel's vivid and on v4l2loopback, as test/vm sets them up:
// /dev/video0 a webcam, /dev/video1 an output, /dev/video9 a loop for compressed pictures.

const (
	webcamNode = "/dev/video0"
	outputNode = "/dev/video1"
	loopNode   = "/dev/video9"

	patience = 20 * time.Second
)

func write(t *testing.T, path, v string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(v), 0o600); err != nil {
		t.Fatal(err)
	}
}

func unplug(t *testing.T) { write(t, "/sys/bus/platform/drivers/vivid/unbind", "vivid.0") }

func plug(t *testing.T) {
	write(t, "/sys/bus/platform/drivers/vivid/bind", "vivid.0")
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		if list, err := List(); err == nil && len(list) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the camera did not come back")
		}
	}
}

// control sets a control of the simulated camera by its name, buttons included.
func control(t *testing.T, name string, value int32) {
	t.Helper()
	type query struct {
		id, kind             uint32
		name                 [32]byte
		min, max, step, dflt int32
		flags                uint32
		reserved             [2]uint32
	}
	fd, err := unix.Open(webcamNode, unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for q := (query{}); ; {
		q = query{id: q.id | 0x80000000}
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), webcam.VIDIOC_QUERYCTRL, uintptr(unsafe.Pointer(&q))); e != 0 {
			t.Fatalf("no control %q", name)
		}
		if unix.ByteSliceToString(q.name[:]) != name {
			continue
		}
		set := struct {
			id    uint32
			value int32
		}{q.id, value}
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), webcam.VIDIOC_S_CTRL, uintptr(unsafe.Pointer(&set))); e != 0 {
			t.Fatalf("set %q: %v", name, e)
		}
		return
	}
}

// first streams until one frame has come.
func first(t *testing.T, c device.Camera) (frame device.Mode, data []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := c.Stream(ctx, func(f *device.Frame) error {
		defer f.Release()
		frame, data = c.Mode(), bytes.Clone(f.Data)
		cancel()
		return nil
	})
	if err != nil || data == nil {
		t.Fatalf("no frame: %v", err)
	}
	return frame, data
}

func TestVMCameraSuite(t *testing.T) {
	devicetest.TestCamera(t, func(t *testing.T) devicetest.CameraRig {
		return devicetest.CameraRig{
			Camera: New(Options{Device: webcamNode, FPS: 30}),
			Unplug: func() { unplug(t) },
			Plug:   func() { plug(t) },
			Occupy: func() (release func()) {
				ctx, cancel := context.WithCancel(t.Context())
				began, done := make(chan struct{}), make(chan error, 1)
				var once sync.Once
				go func() {
					done <- New(Options{Device: webcamNode}).Stream(ctx, func(f *device.Frame) error {
						f.Release()
						once.Do(func() { close(began) })
						return nil
					})
				}()
				select {
				case <-began:
				case err := <-done:
					t.Fatalf("occupy: %v", err)
				}
				return func() {
					cancel()
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
			},
		}
	})
}

func TestVMList(t *testing.T) {
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range list {
		t.Logf("%s %q %s: %d formats, %v", info.Path, info.Card, info.Bus, len(info.Offers), info.Err)
	}
	if len(list) != 1 || list[0].Path != webcamNode || list[0].Err != nil || list[0].Card != "vivid" {
		t.Fatalf("got %+v, want the webcam and nothing else", list)
	}
	vga := slices.ContainsFunc(list[0].Offers, func(o Offer) bool {
		return o.Format == device.YUYV && slices.Contains(o.Sizes, Size{640, 640, 0, 480, 480, 0})
	})
	if !vga {
		t.Errorf("YUYV at 640 x 480 is missing in %+v", list[0].Offers)
	}
}

func TestVMNotCameras(t *testing.T) {
	for _, path := range []string{outputNode, "/dev/null"} {
		if err := New(Options{Device: path}).Stream(t.Context(), nil); !errors.Is(err, device.ErrNotCamera) {
			t.Errorf("%s: got %v, want ErrNotCamera", path, err)
		}
	}
}

func TestVMFormatIsReadBack(t *testing.T) {
	cam, err := webcam.Open(webcamNode)
	if err != nil {
		t.Fatal(err)
	}
	_, w, h, err := cam.SetImageFormat(fourccYUYV, 650, 365)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(webcamNode, unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := uapi.GetFormat(fd)
	if err := errors.Join(err, unix.Close(fd), cam.Close()); err != nil {
		t.Fatal(err)
	}
	if w != 650 || h != 365 || got.Width != 640 || got.Height != 360 || got.Size != 460800 {
		t.Errorf("the library says %d x %d, the driver %+v; want 650 x 365 and 640 x 360", w, h, got)
	}

	tests := []struct {
		w, h int
		want device.Mode
	}{
		{640, 480, device.Mode{Width: 640, Height: 480, Format: device.YUYV}},
		{0, 0, device.Mode{Width: 640, Height: 480, Format: device.YUYV}},
		{700, 500, device.Mode{Width: 1280, Height: 720, Format: device.NV12}}, // raw all the same: vivid has no MJPEG
		{320, 180, device.Mode{Width: 320, Height: 180, Format: device.YUYV}},
	}
	for _, tt := range tests {
		got, data := first(t, New(Options{Device: webcamNode, Width: tt.w, Height: tt.h}))
		t.Logf("%d x %d: %+v", tt.w, tt.h, got)
		if got.FPS <= 0 {
			t.Errorf("%d x %d: no frame rate in %+v", tt.w, tt.h, got)
		}
		if got.Device == "" || got.Width != tt.want.Width || got.Height != tt.want.Height || got.Format != tt.want.Format {
			t.Errorf("%d x %d: got %+v, want %+v", tt.w, tt.h, got, tt.want)
		}
		if slices.Max(data) == slices.Min(data) {
			t.Errorf("%d x %d: the picture is empty", tt.w, tt.h)
		}
	}
}

// A watched camera runs inside Reopening and tells its conditions.
type watched struct {
	notices chan Notice
	frames  chan uint64
	done    chan error
	cancel  context.CancelFunc
}

func watch(t *testing.T, c *Camera) *watched {
	w := &watched{notices: make(chan Notice, 100), frames: make(chan uint64, 1), done: make(chan error, 1)}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(t.Context())
	r := NewReopening(c, func(n Notice) { w.notices <- n })
	go func() {
		w.done <- r.Stream(ctx, func(f *device.Frame) error {
			select {
			case <-w.frames:
			default:
			}
			w.frames <- f.Seq
			f.Release()
			return nil
		})
	}()
	w.frame(t)
	return w
}

func (w *watched) frame(t *testing.T) uint64 {
	t.Helper()
	select {
	case seq := <-w.frames:
		return seq
	case err := <-w.done:
		t.Fatalf("the stream ended: %v", err)
	case <-time.After(patience):
		t.Fatal("no frame")
	}
	return 0
}

func (w *watched) notice(t *testing.T, c Condition, raised bool) time.Duration {
	t.Helper()
	began := time.Now()
	select {
	case n := <-w.notices:
		if n.Condition != c || n.Raised != raised {
			t.Fatalf("got %v %v (%v), want %v %v", n.Condition, n.Raised, n.Err, c, raised)
		}
	case <-time.After(patience):
		t.Fatalf("%v %v was not told", c, raised)
	}
	return time.Since(began)
}

func (w *watched) end(t *testing.T) {
	t.Helper()
	w.cancel()
	if err := <-w.done; err != nil {
		t.Error(err)
	}
}

func TestVMStallAndFaults(t *testing.T) {
	c := New(Options{Device: webcamNode, FPS: 30})
	w := watch(t, c)
	defer w.end(t)

	control(t, "Percentage of Dropped Buffers", 100)
	t.Logf("stall told after %v", w.notice(t, Stalled, true))
	control(t, "Percentage of Dropped Buffers", 0)
	t.Logf("and its end after %v", w.notice(t, Stalled, false))

	torn := c.Torn()
	control(t, "Inject V4L2_BUF_FLAG_ERROR", 1)
	for deadline := time.Now().Add(patience); c.Torn() == torn; w.frame(t) {
		if time.Now().After(deadline) {
			t.Fatal("a frame with the error flag was not dropped")
		}
	}

	control(t, "Inject Fatal Streaming Error", 1)
	t.Logf("fatal error told after %v", w.notice(t, Lost, true))
	t.Logf("recovered after %v", w.notice(t, Lost, false))
	w.frame(t)

	control(t, "Disconnect", 1)
	t.Logf("disconnect told after %v", w.notice(t, Lost, true))
	t.Logf("recovered after %v", w.notice(t, Lost, false))
	w.frame(t)
}

// The camera is unplugged while somebody keeps its old node open, so it comes back under
// another number, and a by-id link moves with it.
func TestVMReturnsUnderAnotherNumber(t *testing.T) {
	link := filepath.Join(t.TempDir(), "usb-vivid-index0")
	if err := os.Symlink(webcamNode, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{webcamNode, link} {
		c := New(Options{Device: path, FPS: 30})
		w := watch(t, c)
		was, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.Fatal(err)
		}
		keep, err := unix.Open(was, unix.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		unplug(t)
		noticed := w.notice(t, Lost, true)
		if total := time.Since(began); total > 2*time.Second {
			t.Errorf("unplugging was told after %v, want within 2s", total)
		}
		before := cpu(t)
		<-time.After(2 * time.Second) // gone for a while
		used := cpu(t) - before
		plug(t)
		now, err := List()
		if err != nil || len(now) != 1 || now[0].Path == was {
			t.Fatalf("got %+v, %v; want the camera under another number than %s", now, err, was)
		}
		if path == link {
			if err := errors.Join(os.Remove(link), os.Symlink(now[0].Path, link)); err != nil {
				t.Fatal(err)
			}
		}
		back := w.notice(t, Lost, false)
		w.frame(t)
		t.Logf("%s: unplugging told after %v, %v of CPU in 2s of absence, back as %s %v after it was there", path, noticed, used, now[0].Path, back)
		if back > 3*time.Second {
			t.Errorf("recovery took %v, want within 3s", back)
		}
		w.end(t)
		// bring the first number back
		if err := unix.Close(keep); err != nil {
			t.Fatal(err)
		}
		unplug(t)
		plug(t)
		if err := errors.Join(os.Remove(link), os.Symlink(webcamNode, link)); err != nil {
			t.Fatal(err)
		}
	}
}

// cpu is the processor time that this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// JPEG pictures arrive byte for byte; one that was cut is dropped and counted.
func TestVMMotionJPEG(t *testing.T) {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 640, 480)), nil); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	cut := whole[:len(whole)-100]

	fd, err := unix.Open(loopNode, unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	format := struct {
		kind uint32
		_    uint32
		pix  [50]uint32
	}{kind: 2, pix: [50]uint32{640, 480, fourccMJPG, 1, 0, 640 * 480 * 2}}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), webcam.VIDIOC_S_FMT, uintptr(unsafe.Pointer(&format))); e != 0 {
		t.Fatal(e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			picture := whole
			if i%3 == 2 {
				picture = cut
			}
			if _, err := unix.Write(fd, picture); err != nil {
				t.Errorf("feed: %v", err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	for { // the loop becomes a camera with the first picture
		if fd, _, err := openNode(loopNode); err == nil {
			unix.Close(fd)
			break
		}
		select {
		case <-ctx.Done():
			t.Fatal("the loop did not become a camera")
		case <-time.After(10 * time.Millisecond):
		}
	}
	c := New(Options{Device: loopNode})
	n := 0
	err = c.Stream(ctx, func(f *device.Frame) error {
		defer f.Release()
		if n++; n == 10 {
			cancel()
		}
		if f.Format != device.MJPEG || !bytes.Equal(f.Data, whole) && n > 1 { // the first may be a cut one
			t.Errorf("frame %d: %v, %d bytes, want the %d bytes that were fed", n, f.Format, len(f.Data), len(whole))
		}
		return nil
	})
	cancel()
	<-fed
	if err != nil || n < 10 {
		t.Errorf("got %d frames and %v", n, err)
	}
	if c.Torn() == 0 {
		t.Error("no torn frame was counted")
	}
}
