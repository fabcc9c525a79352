package devicetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"facegate/device"
	"facegate/device/devicetest"
)

func TestFakeCamera(t *testing.T) {
	for _, f := range []device.Format{device.YUYV, device.NV12, device.MJPEG, device.RGB24} {
		t.Run(f.String(), func(t *testing.T) {
			devicetest.TestCamera(t, func(*testing.T) devicetest.CameraRig {
				c := devicetest.NewCamera(device.Mode{Device: "fake", Width: 32, Height: 24, Format: f, FPS: 100})
				return devicetest.CameraRig{Camera: c, Unplug: c.Unplug, Plug: c.Plug, Occupy: c.Occupy}
			})
		})
	}
}

func TestFakeRelay(t *testing.T) {
	for _, inert := range []bool{false, true} {
		devicetest.TestRelay(t, func(*testing.T) devicetest.RelayRig {
			r := devicetest.NewRelay(inert)
			return devicetest.RelayRig{Relay: r, Energised: r.On, Inert: inert, Edges: func() int { return len(r.Edges()) }}
		})
	}
}

func TestFakeInput(t *testing.T) {
	devicetest.TestInput(t, func(*testing.T) devicetest.InputRig {
		in := devicetest.NewInput()
		return devicetest.InputRig{Input: in, Drive: in.Drive}
	})
}

func TestCameraStallsAndShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := devicetest.NewCamera(device.Mode{Device: "fake", Width: 2, Height: 2, Format: device.MJPEG, FPS: 10})
		c.Show([]byte("picture"))
		ctx, cancel := context.WithCancel(t.Context())
		frames := make(chan string, 100)
		done := make(chan error)
		go func() {
			done <- c.Stream(ctx, func(f *device.Frame) error {
				frames <- string(f.Data)
				f.Release()
				return nil
			})
		}()
		time.Sleep(550 * time.Millisecond)
		c.Stall(true)
		time.Sleep(time.Minute)
		if n := len(frames); n != 5 {
			t.Errorf("got %d frames before and during the stall, want 5", n)
		}
		if f := <-frames; f != "picture" {
			t.Errorf("got %q, want the picture shown", f)
		}
		c.Stall(false)
		time.Sleep(time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := c.Released(); n != 15 && n != 16 {
			t.Errorf("%d frames were released, want 15 or 16", n)
		}
		if c.Streams() != 1 {
			t.Errorf("got %d streams, want 1", c.Streams())
		}
	})
}

func TestBrokenLines(t *testing.T) {
	r := devicetest.NewRelay(false)
	r.Break(device.ErrGone)
	if err := r.Set(true); !errors.Is(err, device.ErrGone) || r.On() || len(r.Edges()) > 0 {
		t.Errorf("got %v, on %v", err, r.On())
	}
	if err := r.Halt(); !errors.Is(err, device.ErrGone) || r.Halts() != 1 {
		t.Errorf("got %v, %d halts", err, r.Halts())
	}
	in := devicetest.NewInput()
	done := make(chan error)
	go func() { done <- in.Watch(t.Context(), func(device.Edge) {}) }()
	in.Break(device.ErrGone)
	if err := <-done; !errors.Is(err, device.ErrGone) {
		t.Errorf("watch: got %v, want ErrGone", err)
	}
	if _, err := in.Active(); !errors.Is(err, device.ErrGone) {
		t.Errorf("active: got %v, want ErrGone", err)
	}
	in.Break(nil)
	in.Drive(true)
	in.Lose()
	if active, err := in.Active(); err != nil || !active {
		t.Errorf("got %v, %v", active, err)
	}
}
