package v4l2

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"facegate/device"
)

// A Condition is something wrong with a camera that is no error, because it may pass.
type Condition uint8

// The conditions. Several may hold at once.
const (
	Lost    Condition = iota + 1 // it is unplugged, in use elsewhere or failing; retried until it works
	Stalled                      // it is open and delivers nothing
	Frozen                       // it delivers the same picture over and over
)

func (c Condition) String() string {
	switch c {
	case Lost:
		return "camera lost"
	case Stalled:
		return "camera stalled"
	case Frozen:
		return "camera frozen"
	}
	return fmt.Sprintf("Condition(%d)", uint8(c))
}

// A Notice says that a condition was raised, or has passed.
type Notice struct {
	Condition Condition
	Raised    bool
	Err       error // why the camera is lost; nil otherwise
}

const (
	// stallAfter and freezeAfter are how long nothing, or nothing new, may come. A sensor's
	// noise makes two equal frames impossible while it works.
	stallAfter  = 2 * time.Second
	freezeAfter = 2 * time.Second
	checkEvery  = 250 * time.Millisecond

	// A camera that is plugged in again shall work within three seconds, so the pauses
	// between attempts stay well below.
	firstPause, lastPause = 100 * time.Millisecond, time.Second
)

// A Reopening camera is one that outlives its own failures: when the stream breaks it is
// opened again, after a pause that doubles up to a second and is random in its second half,
// so that many kiosks do not act in step.
type Reopening struct {
	camera device.Camera
	notify func(Notice)
}

var _ device.Camera = (*Reopening)(nil)

// NewReopening wraps a camera, usually a [Camera]. Notify is called when a condition is
// raised or passes, never from two goroutines at once, and must not wait; nil ignores them.
func NewReopening(c device.Camera, notify func(Notice)) *Reopening {
	if notify == nil {
		notify = func(Notice) {}
	}
	return &Reopening{c, notify}
}

// Mode implements [device.Camera].
func (r *Reopening) Mode() device.Mode { return r.camera.Mode() }

// Stream implements [device.Camera]. It ends with ctx, with fn's error, when a recording has
// ended, and at once with ErrNotCamera, which no waiting mends; after any other failure it
// opens the camera again. Seq goes on counting from one stream to the next.
func (r *Reopening) Stream(ctx context.Context, fn func(*device.Frame) error) error {
	w := &watcher{notify: r.notify, seed: maphash.MakeSeed(), raised: map[Condition]bool{}, last: time.Now()}
	ctx, cancel := context.WithCancel(ctx)
	var guard sync.WaitGroup
	guard.Go(func() { w.watch(ctx) })
	defer guard.Wait()
	defer cancel()

	var own error // fn's
	var seq, base uint64
	pause := firstPause
	for {
		first := true
		err := r.camera.Stream(ctx, func(f *device.Frame) error {
			w.saw(f)
			if first { // a new stream counts from anywhere
				first, pause = false, firstPause
				base = seq - f.Seq
			}
			f.Seq += base
			seq = f.Seq + 1
			own = fn(f)
			return own
		})
		switch {
		case own != nil:
			return own
		case ctx.Err() != nil:
			return nil
		case err == nil: // a camera that ends without a reason is lost as well
			err = errors.New("the stream ended")
		case errors.Is(err, device.ErrEnded), errors.Is(err, device.ErrNotCamera):
			return err
		}
		w.lost(err)
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, lastPause)
	}
}

// A watcher turns what a camera delivers into conditions.
type watcher struct {
	notify func(Notice)
	seed   maphash.Seed

	mu      sync.Mutex
	raised  map[Condition]bool
	gone    bool      // no stream is running
	last    time.Time // when the last frame came, or the camera was lost
	picture uint64    // a sum over the last frame
	since   time.Time // since when the frames have that sum
}

// set raises or clears a condition. The caller holds the lock.
func (w *watcher) set(c Condition, raised bool, err error) {
	if w.raised[c] != raised {
		w.raised[c] = raised
		w.notify(Notice{c, raised, err})
	}
}

func (w *watcher) saw(f *device.Frame) {
	sum := maphash.Bytes(w.seed, f.Data)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.gone, w.last = false, now
	w.set(Lost, false, nil)
	w.set(Stalled, false, nil)
	if sum != w.picture || w.since.IsZero() {
		w.picture, w.since = sum, now
	}
	w.set(Frozen, now.Sub(w.since) >= freezeAfter, nil)
}

func (w *watcher) lost(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone, w.since = true, time.Time{}
	w.set(Stalled, false, nil)
	w.set(Frozen, false, nil)
	w.set(Lost, true, err)
}

// watch notices that nothing comes. It ends with ctx.
func (w *watcher) watch(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.mu.Lock()
		if !w.gone {
			w.set(Stalled, time.Since(w.last) >= stallAfter, nil)
		}
		w.mu.Unlock()
	}
}
