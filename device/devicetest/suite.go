package devicetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"facegate/device"
)

// patience bounds every wait of the suites. A device that needs longer has failed.
const patience = 20 * time.Second

// quiet is how long a wire is listened to before it counts as silent.
const quiet = 100 * time.Millisecond

// A CameraRig is a camera under test and the hands that disturb it.
type CameraRig struct {
	Camera device.Camera
	// Unplug takes the camera away, Plug brings it back.
	Unplug, Plug func()
	// Occupy makes another program hold the camera, until the returned function is called.
	Occupy func() (release func())
}

// TestCamera holds a camera to the contract of [device.Camera]. open is called for every
// test and cleans up with t.Cleanup.
func TestCamera(t *testing.T, open func(t *testing.T) CameraRig) {
	t.Run("frames fit the mode and follow one another", func(t *testing.T) {
		cam := open(t).Camera
		if m := cam.Mode(); m != (device.Mode{}) {
			t.Errorf("before the first frame the mode is %+v, want none", m)
		}
		var last *device.Frame
		n := 0
		stream(t, cam, func(f *device.Frame) bool {
			checkFrame(t, cam.Mode(), f)
			if last != nil && f.Seq <= last.Seq {
				t.Errorf("frame %d came after frame %d", f.Seq, last.Seq)
			}
			if last != nil && f.At.Before(last.At) {
				t.Errorf("frame %d was taken at %v, before frame %d", f.Seq, f.At, last.Seq)
			}
			if d := time.Since(f.At).Abs(); d > patience {
				t.Errorf("frame %d is dated %v away from now", f.Seq, d)
			}
			last = f
			f.Release()
			n++
			return n < 10
		})
	})
	t.Run("the caller's error ends the stream", func(t *testing.T) {
		cam := open(t).Camera
		stop := errors.New("stop")
		err := cam.Stream(limited(t), func(f *device.Frame) error {
			f.Release()
			return stop
		})
		if err != stop { //nolint:errorlint // it must be handed on unwrapped
			t.Errorf("got %v, want the very error of the callback", err)
		}
	})
	t.Run("a stream can follow a stream", func(t *testing.T) {
		cam := open(t).Camera
		for range 3 {
			stream(t, cam, func(f *device.Frame) bool {
				checkFrame(t, cam.Mode(), f)
				f.Release()
				return false
			})
		}
	})
	t.Run("a cancelled context opens nothing for long", func(t *testing.T) {
		cam := open(t).Camera
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := cam.Stream(ctx, func(f *device.Frame) error { f.Release(); return nil }); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
	t.Run("frames on loan are dropped, not waited for", func(t *testing.T) {
		cam := open(t).Camera
		// A machine that is busy may let all the time of a hold pass at once, without a frame.
		for hold := 300 * time.Millisecond; hold < patience; hold *= 4 {
			var held []*device.Frame
			var sums []uint32
			stream(t, cam, func(f *device.Frame) bool {
				held, sums = append(held, f), append(sums, checksum(f.Data))
				if len(held) == 4 { // the camera has no more; frames go by until it gets some back
					first := held[:2]
					time.AfterFunc(hold, func() {
						for _, f := range first {
							f.Release()
							f.Release() // once is enough, twice does no harm
						}
					})
				}
				return len(held) < 6
			})
			// The last four are still ours although the stream has ended.
			for i, f := range held[2:] {
				if checksum(f.Data) != sums[2+i] {
					t.Errorf("frame %d changed while on loan", f.Seq)
				}
				f.Release()
			}
			if held[4].Seq > held[3].Seq+1 {
				return
			}
		}
		t.Error("no frame was counted as lost while all were on loan")
	})
	t.Run("unplugged and plugged in again", func(t *testing.T) {
		rig := open(t)
		if rig.Unplug == nil || rig.Plug == nil {
			t.Skip("this camera cannot be unplugged")
		}
		err := rig.Camera.Stream(limited(t), func(f *device.Frame) error {
			f.Release()
			if rig.Unplug != nil {
				rig.Unplug()
				rig.Unplug = nil
			}
			return nil
		})
		if !errors.Is(err, device.ErrGone) {
			t.Fatalf("while streaming: got %v, want ErrGone", err)
		}
		if err := rig.Camera.Stream(limited(t), func(f *device.Frame) error { f.Release(); return nil }); !errors.Is(err, device.ErrGone) {
			t.Errorf("while unplugged: got %v, want ErrGone", err)
		}
		rig.Plug()
		stream(t, rig.Camera, func(f *device.Frame) bool {
			checkFrame(t, rig.Camera.Mode(), f)
			f.Release()
			return false
		})
	})
	t.Run("held by another program", func(t *testing.T) {
		rig := open(t)
		if rig.Occupy == nil {
			t.Skip("nobody else can hold this camera")
		}
		release := rig.Occupy()
		err := rig.Camera.Stream(limited(t), func(f *device.Frame) error { f.Release(); return nil })
		release()
		if !errors.Is(err, device.ErrInUse) {
			t.Errorf("got %v, want ErrInUse", err)
		}
		stream(t, rig.Camera, func(f *device.Frame) bool { f.Release(); return false })
	})
}

// stream runs fn until it returns false, and fails the test if frames stop coming first.
func stream(t *testing.T, cam device.Camera, fn func(*device.Frame) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := false
	err := cam.Stream(ctx, func(f *device.Frame) error {
		if ended {
			t.Errorf("frame %d came after the context had ended", f.Seq)
			f.Release()
			return nil
		}
		if !fn(f) {
			ended = true
			cancel()
		}
		return nil
	})
	if err != nil {
		t.Fatalf("stream: %v", err)
	}
	if !ended {
		t.Fatalf("not enough frames in %v", patience)
	}
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// checkFrame holds a frame to its own description and to the mode.
func checkFrame(t *testing.T, m device.Mode, f *device.Frame) {
	t.Helper()
	if m.Device == "" || m.Width != f.Width || m.Height != f.Height || m.Format != f.Format {
		t.Errorf("frame %d is %d x %d %v, the mode says %+v", f.Seq, f.Width, f.Height, f.Format, m)
	}
	row, need := 0, 1
	switch f.Format {
	case device.YUYV:
		row, need = 2*f.Width, f.Stride*f.Height
	case device.NV12:
		row, need = f.Width, f.Stride*f.Height*3/2
	case device.RGB24:
		row, need = 3*f.Width, f.Stride*f.Height
	case device.MJPEG:
		if f.Stride != 0 {
			t.Errorf("frame %d is MJPEG with a stride of %d", f.Seq, f.Stride)
		}
	default:
		t.Errorf("frame %d has format %v", f.Seq, f.Format)
	}
	if f.Stride < row || len(f.Data) < need {
		t.Errorf("frame %d: %d x %d %v in %d bytes with a stride of %d", f.Seq, f.Width, f.Height, f.Format, len(f.Data), f.Stride)
	}
}

func checksum(data []byte) uint32 {
	h := uint32(2166136261)
	for _, b := range data {
		h = (h ^ uint32(b)) * 16777619
	}
	return h
}

// A RelayRig is a relay under test and an eye on its line.
type RelayRig struct {
	Relay device.Relay
	// Energised is what the line shows from outside.
	Energised func() bool
	// Inert is whether the inert state is an energised one.
	Inert bool
	// Edges counts the changes of the line since it was opened.
	Edges func() int
}

// TestRelay holds a relay to the contract of [device.Relay].
func TestRelay(t *testing.T, open func(t *testing.T) RelayRig) {
	expect := func(t *testing.T, rig RelayRig, on bool, edges int, when string) {
		t.Helper()
		if got := rig.Energised(); got != on {
			t.Errorf("%s: energised %v, want %v", when, got, on)
		}
		if rig.Edges != nil {
			if got := rig.Edges(); got != edges {
				t.Errorf("%s: %d edges, want %d", when, got, edges)
			}
		}
	}
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("inert when opened", func(t *testing.T) {
		rig := open(t)
		expect(t, rig, rig.Inert, 0, "opened")
	})
	t.Run("set takes effect before it returns", func(t *testing.T) {
		rig := open(t)
		must(t, rig.Relay.Set(!rig.Inert))
		expect(t, rig, !rig.Inert, 1, "set")
		must(t, rig.Relay.Set(rig.Inert))
		expect(t, rig, rig.Inert, 2, "set back")
	})
	t.Run("setting what is set is no edge", func(t *testing.T) {
		rig := open(t)
		for range 3 {
			must(t, rig.Relay.Set(!rig.Inert))
		}
		expect(t, rig, !rig.Inert, 1, "set three times")
	})
	t.Run("halt is inert, twice too", func(t *testing.T) {
		rig := open(t)
		must(t, rig.Relay.Halt())
		expect(t, rig, rig.Inert, 0, "halted at rest")
		must(t, rig.Relay.Set(!rig.Inert))
		must(t, rig.Relay.Halt())
		expect(t, rig, rig.Inert, 2, "halted")
		must(t, rig.Relay.Halt())
		expect(t, rig, rig.Inert, 2, "halted twice")
	})
	t.Run("it serves again after halt", func(t *testing.T) {
		rig := open(t)
		must(t, rig.Relay.Halt())
		must(t, rig.Relay.Set(!rig.Inert))
		expect(t, rig, !rig.Inert, 1, "set after halt")
	})
}

// An InputRig is an input under test and a hand on its wire.
type InputRig struct {
	Input device.Input
	// Drive gives the wire a meaning and holds it there.
	Drive func(active bool)
}

// TestInput holds an input to the contract of [device.Input]. The wire is at rest when open
// returns.
func TestInput(t *testing.T, open func(t *testing.T) InputRig) {
	t.Run("active follows the wire", func(t *testing.T) {
		rig := open(t)
		for _, want := range []bool{false, true, false} {
			rig.Drive(want)
			waitActive(t, rig.Input, want)
		}
	})
	t.Run("every edge is reported once, in order", func(t *testing.T) {
		rig := open(t)
		watch(t, rig, func(edges <-chan device.Edge) {
			var last device.Edge
			for i := range 6 {
				want := i%2 == 0
				rig.Drive(want)
				e := next(t, edges)
				if e.Active != want {
					t.Fatalf("edge %d: active %v, want %v", i, e.Active, want)
				}
				if i > 0 && e.Seq != last.Seq+1 {
					t.Errorf("edge %d has number %d after %d", i, e.Seq, last.Seq)
				}
				if i > 0 && e.At.Before(last.At) {
					t.Errorf("edge %d happened at %v, before the last at %v", i, e.At, last.At)
				}
				if d := time.Since(e.At); d < 0 || d > patience {
					t.Errorf("edge %d is dated %v ago", i, d)
				}
				if active, err := rig.Input.Active(); err != nil || active != want {
					t.Errorf("after edge %d: got %v, %v; want %v", i, active, err, want)
				}
				last = e
			}
		})
	})
	t.Run("the level at the start is no edge", func(t *testing.T) {
		rig := open(t)
		rig.Drive(true)
		waitActive(t, rig.Input, true)
		ctx, cancel := context.WithTimeout(t.Context(), quiet)
		defer cancel()
		err := rig.Input.Watch(ctx, func(e device.Edge) { t.Errorf("got %+v although the wire did not move", e) })
		if err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	t.Run("a watch can follow a watch", func(t *testing.T) {
		rig := open(t)
		for range 2 {
			watch(t, rig, func(edges <-chan device.Edge) {
				rig.Drive(true)
				next(t, edges)
				rig.Drive(false)
				next(t, edges)
			})
		}
	})
}

// watch runs body while the input is watched, and checks that the watch ends with nil.
func watch(t *testing.T, rig InputRig, body func(<-chan device.Edge)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	edges := make(chan device.Edge, 100)
	done := make(chan error, 1)
	go func() { done <- rig.Input.Watch(ctx, func(e device.Edge) { edges <- e }) }()
	// Whether Watch listens already cannot be seen from outside: move the wire until it tells.
	before, err := rig.Input.Active()
	if err != nil {
		t.Fatal(err)
	}
	// It rests once the edge that brought it back was told: on a busy machine one may be late.
	var last device.Edge
	heard := false
	for deadline, level := time.Now().Add(patience), !before; !heard || level == before || last.Active != before; level = !level {
		if time.Now().After(deadline) {
			t.Fatalf("no edge in %v", patience)
		}
		rig.Drive(level)
		last, heard = settle(edges, last, heard)
	}
	body(edges)
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("watch: %v", err)
		}
	case <-time.After(patience):
		t.Error("watch did not end with its context")
	}
}

// settle reads edges until none comes for a while, and returns the last one, which may be from
// before, and whether there is one.
func settle(edges <-chan device.Edge, last device.Edge, heard bool) (device.Edge, bool) {
	for {
		select {
		case e := <-edges:
			last, heard = e, true
		case <-time.After(quiet):
			return last, heard
		}
	}
}

func next(t *testing.T, edges <-chan device.Edge) device.Edge {
	t.Helper()
	select {
	case e := <-edges:
		return e
	case <-time.After(patience):
		t.Fatalf("no edge in %v", patience)
	}
	return device.Edge{}
}

// waitActive polls until the input means want; debouncing delays it.
func waitActive(t *testing.T, in device.Input, want bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		got, err := in.Active()
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %v after %v", got, patience)
		}
		<-time.After(time.Millisecond)
	}
}
