// Package devicetest holds fakes of the hardware that behave, and the suites that every
// implementation of device's interfaces passes: the fakes here, the simulators of the
// kernel, real boards.
//
// [TestCamera], [TestRelay] and [TestInput] are given a rig: the device under test and
// whatever can be done to it from outside (unplug it, occupy it, move the wire). What a rig
// cannot do is left nil and the tests that need it are skipped by name. The suites wait for
// events with a generous deadline and never judge how long something took.
//
// The fakes use timers, so they run under testing/synctest as well as in real time. Their
// methods may be called from any goroutine.
package devicetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"facegate/device"
)

// A Camera is a webcam that does what its methods tell it. Its frames count upwards in
// every byte; [Camera.Show] puts a picture there instead.
type Camera struct {
	mode device.Mode

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when one of the fields below changes
	picture  []byte
	stalled  bool
	gone     bool
	busy     bool
	granted  bool
	streams  int
	released int
}

var _ device.Camera = (*Camera)(nil)

// NewCamera returns a camera that is plugged in and delivers frames of the given mode, whose
// Device, Width, Height, Format and FPS are set.
func NewCamera(mode device.Mode) *Camera {
	return &Camera{mode: mode, changed: make(chan struct{})}
}

// set changes the camera's state and wakes the stream.
func (c *Camera) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

// Show makes data the bytes of the frames to come. Nil brings back the count.
func (c *Camera) Show(data []byte) { c.set(func() { c.picture = data }) }

// Stall stops the frames without an error, as a camera with a loose cable does, or lets them
// come again.
func (c *Camera) Stall(stalled bool) { c.set(func() { c.stalled = stalled }) }

// Unplug makes the stream end with ErrGone, and the next ones too, until Plug.
func (c *Camera) Unplug() { c.set(func() { c.gone = true }) }

// Plug brings an unplugged camera back.
func (c *Camera) Plug() { c.set(func() { c.gone = false }) }

// Occupy makes streams that start from now on fail with ErrInUse, until the returned
// function is called.
func (c *Camera) Occupy() (release func()) {
	c.set(func() { c.busy = true })
	return func() { c.set(func() { c.busy = false }) }
}

// Streams is how often Stream has been called.
func (c *Camera) Streams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams
}

// Released is how many frames were given back.
func (c *Camera) Released() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.released
}

// Mode implements [device.Camera].
func (c *Camera) Mode() device.Mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.granted {
		return device.Mode{}
	}
	return c.mode
}

// Stream implements [device.Camera].
func (c *Camera) Stream(ctx context.Context, fn func(*device.Frame) error) error {
	c.mu.Lock()
	c.streams++
	gone, busy := c.gone, c.busy
	c.mu.Unlock()
	switch {
	case gone:
		return fmt.Errorf("open %s: %w", c.mode.Device, device.ErrGone)
	case busy:
		return fmt.Errorf("open %s: %w", c.mode.Device, device.ErrInUse)
	}

	size, stride := c.mode.Width*c.mode.Height, 0
	switch c.mode.Format {
	case device.YUYV:
		stride, size = 2*c.mode.Width, size*2
	case device.NV12:
		stride, size = c.mode.Width, size*3/2
	case device.RGB24:
		stride, size = 3*c.mode.Width, size*3
	case device.MJPEG:
	}
	free := make(chan []byte, 4)
	for range cap(free) {
		free <- make([]byte, size)
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / c.mode.FPS))
	defer tick.Stop()
	for seq := uint64(0); ; {
		c.mu.Lock()
		changed, gone, stalled, picture := c.changed, c.gone, c.stalled, c.picture
		c.mu.Unlock()
		if gone {
			return fmt.Errorf("read %s: %w", c.mode.Device, device.ErrGone)
		}
		var at time.Time
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			continue
		case at = <-tick.C:
		}
		if ctx.Err() != nil {
			return nil
		}
		if stalled {
			continue
		}
		seq++
		var buf []byte
		select {
		case buf = <-free:
		default:
			continue // all are on loan
		}
		data := buf
		if picture != nil {
			data = append(buf[:0], picture...)
		} else {
			for i := range data {
				data[i] = byte(seq)
			}
		}
		f := &device.Frame{
			Seq: seq - 1, At: at, Width: c.mode.Width, Height: c.mode.Height,
			Stride: stride, Format: c.mode.Format, Data: data,
		}
		f.Lend(func() {
			c.mu.Lock()
			c.released++
			c.mu.Unlock()
			free <- buf
		})
		c.mu.Lock()
		c.granted = true
		c.mu.Unlock()
		if err := fn(f); err != nil {
			return err
		}
	}
}
