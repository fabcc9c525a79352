package v4l2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"facegate/device"
	"facegate/device/devicetest"
)

func fake() *devicetest.Camera {
	return devicetest.NewCamera(device.Mode{Device: "fake", Width: 4, Height: 4, Format: device.YUYV, FPS: 10})
}

// A running camera is streamed by a goroutine; what it said is read between steps.
type running struct {
	mu      sync.Mutex
	notices []string
	seqs    []uint64
	done    chan error
	cancel  context.CancelFunc
}

func run(t *testing.T, c device.Camera) *running {
	r := &running{done: make(chan error, 1)}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(t.Context())
	cam := NewReopening(c, func(n Notice) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notices = append(r.notices, fmt.Sprintf("%v %v", n.Condition, n.Raised))
		if (n.Err != nil) != (n.Condition == Lost && n.Raised) {
			t.Errorf("%v %v came with error %v", n.Condition, n.Raised, n.Err)
		}
	})
	go func() {
		r.done <- cam.Stream(ctx, func(f *device.Frame) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.seqs = append(r.seqs, f.Seq)
			f.Release()
			return nil
		})
	}()
	return r
}

// after waits, and checks what was told since the last call and whether frames came.
func (r *running) after(t *testing.T, d time.Duration, frames bool, want ...string) {
	t.Helper()
	time.Sleep(d)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.notices, want) {
		t.Errorf("got notices %q, want %q", r.notices, want)
	}
	if got := len(r.seqs) > 0; got != frames {
		t.Errorf("got %d frames, want some: %v", len(r.seqs), frames)
	}
	r.notices, r.seqs = nil, nil
}

func TestConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake()
		r := run(t, c)
		r.after(t, 10*time.Second, true)
		c.Unplug()
		r.after(t, 0, false, "camera lost true")
		r.after(t, 10*time.Second, false)
		attempts := c.Streams()
		if attempts < 10 || attempts > 25 {
			t.Errorf("%d attempts in 10 s, want one every 0.5 to 1 s after the first few", attempts)
		}
		c.Plug()
		r.after(t, 1500*time.Millisecond, true, "camera lost false")
		c.Stall(true)
		r.after(t, 1500*time.Millisecond, false)
		r.after(t, time.Second, false, "camera stalled true")
		c.Stall(false)
		r.after(t, time.Second, true, "camera stalled false")
		c.Show(make([]byte, 32))
		r.after(t, 1900*time.Millisecond, true)
		r.after(t, 500*time.Millisecond, true, "camera frozen true")
		c.Unplug()
		r.after(t, 0, false, "camera frozen false", "camera lost true")
		r.cancel()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
	})
}

func TestStalledFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake()
		c.Stall(true)
		r := run(t, c)
		r.after(t, 3*time.Second, false, "camera stalled true")
		r.cancel()
		<-r.done
	})
}

func TestSeqGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake()
		r := run(t, c)
		time.Sleep(time.Second)
		c.Unplug()
		time.Sleep(time.Second)
		c.Plug()
		time.Sleep(3 * time.Second)
		r.cancel()
		<-r.done
		for i, seq := range r.seqs {
			if seq != uint64(i) {
				t.Fatalf("got frames %v, want them numbered from 0 without a gap", r.seqs)
			}
		}
	})
}

func TestReopeningEnds(t *testing.T) {
	stop := errors.New("stop")
	err := NewReopening(fake(), nil).Stream(t.Context(), func(f *device.Frame) error {
		f.Release()
		return stop
	})
	if err != stop { //nolint:errorlint // it must be handed on unwrapped
		t.Errorf("got %v, want the callback's error", err)
	}
	for _, end := range []error{device.ErrEnded, device.ErrNotCamera} {
		if err := NewReopening(failing{end}, nil).Stream(t.Context(), nil); !errors.Is(err, end) {
			t.Errorf("got %v, want %v", err, end)
		}
	}
}

// A failing camera fails.
type failing struct{ err error }

func (f failing) Stream(context.Context, func(*device.Frame) error) error { return f.err }
func (f failing) Mode() device.Mode                                       { return device.Mode{} }

func TestReopeningSuite(t *testing.T) {
	devicetest.TestCamera(t, func(*testing.T) devicetest.CameraRig {
		return devicetest.CameraRig{Camera: NewReopening(fake(), nil)}
	})
}
