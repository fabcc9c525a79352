package kiosk

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"facegate/access"
	"facegate/device"
	"facegate/health"
	"facegate/internal/logkey"
	"facegate/internal/task"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
)

// ErrIdle ends a [Lens] whose recording has been played and decided to its end.
var ErrIdle = errors.New("the recording has ended and every decision is recorded")

// A Lens is what stands behind the camera: it streams frames into a mailbox and takes them
// through the pipeline to decisions. It is a task; Run is called once.
type Lens struct {
	Camera   device.Camera // one that opens again by itself (v4l2.Reopening), or a recording
	Pipeline *pipeline.Pipeline
	Kiosk    *Kiosk
	Log      *slog.Logger
	// UntilIdle ends Run with ErrIdle at the end of a recording; without it the end is waited
	// out until ctx ends.
	UntilIdle bool
	// Beat, where set, is ticked while frames are looked at in time or none come: a camera that
	// is away is a condition, models that hang are none.
	Beat *task.Beat
	// Screen, where set, is told what to say to the person.
	Screen *Screen
	// Board, where set, is told of black pictures and failing models, and asked whether anybody
	// may be let in by face: a picture that stands still could be anybody's.
	Board *health.Board
	// Attend, where set, is told after each frame whether somebody is there who is not decided
	// on: other work had better wait. It must not wait itself.
	Attend func(somebody bool)

	came   time.Time // when the first frame of whoever is there was taken; zero: nobody is
	black  health.Blackness
	looked time.Time // when the picture was last looked at for blackness

	askOnce sync.Once
	asked   chan chan<- *imgproc.Image // see captures

	waiting atomic.Bool // for a frame
	once    sync.Once
	ready   chan struct{}
}

// String is the task's name.
func (l *Lens) String() string { return "camera" }

// Ready is closed once a first frame has been looked at, or the camera was found missing: a
// kiosk without its camera still serves everything else.
func (l *Lens) Ready() <-chan struct{} {
	l.once.Do(func() { l.ready = make(chan struct{}) })
	return l.ready
}

// boost is by how much whoever stands before the lens is preferred to everything else that the
// machine does, where the system lets us.
const boost = -10

// prefer gives the calling goroutine a thread of its own that is preferred so. The thread is not
// given back: it ends with its goroutine, and its priority with it.
func (l *Lens) prefer(ctx context.Context) {
	runtime.LockOSThread()
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, boost); err != nil { // of this thread alone
		l.Log.DebugContext(ctx, "the camera is not preferred", logkey.Error, err)
	}
}

// Run streams and decides until ctx ends.
func (l *Lens) Run(ctx context.Context) error {
	l.prefer(ctx)
	box := pipeline.NewMailbox()
	streaming, ended := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer ended()
		l.prefer(ctx)
		l.stream(ctx, box)
	})
	running, over := context.WithCancel(ctx)
	var ticking sync.WaitGroup
	ticking.Go(func() {
		_ = every(running, time.Second, func() {
			if l.waiting.Load() {
				l.tick()
			}
		})
	})
	defer ticking.Wait()
	defer over()
	isReady := sync.OnceFunc(func() { l.Ready(); close(l.ready) })
	defer isReady()
	failing := false
	for {
		l.waiting.Store(true)
		f, err := box.Take(streaming)
		if err != nil {
			break
		}
		l.waiting.Store(false)
		s, settled, err := l.Pipeline.Frame(f)
		l.show()
		at := f.At
		l.darkness(f)
		f.Release()
		isReady()
		l.tick()
		// A failing model fails on every frame; it is reported when it begins.
		if err != nil && !failing {
			l.Log.ErrorContext(ctx, "frame not judged", logkey.Error, err)
		}
		if (err != nil) != failing && l.Board != nil {
			l.Board.Set(health.ModelsRefused, err != nil, text(err), time.Now())
		}
		failing = err != nil
		if l.Screen != nil {
			l.Screen.See(l.Pipeline.Guidance())
		}
		g := l.Pipeline.Guidance()
		if g.Faces > 0 && l.came.IsZero() {
			l.came = at
		}
		if l.Attend != nil {
			l.Attend(g.Faces > 0 && !g.Settled)
		}
		if settled {
			l.settle(ctx, s, at)
		}
		if g.Faces == 0 {
			l.came = time.Time{}
		}
	}
	if l.Attend != nil {
		l.Attend(false)
	}
	if s, settled := l.Pipeline.End(); settled {
		// The last person's record is written even when the daemon is told to stop.
		l.settle(context.WithoutCancel(ctx), s, s.At)
	}
	wg.Wait()
	if l.UntilIdle && ctx.Err() == nil {
		return ErrIdle
	}
	<-ctx.Done()
	return nil
}

func (l *Lens) tick() {
	if l.Beat != nil {
		l.Beat.Tick(time.Now())
	}
}

// darkness tells the board once a second whether the picture is black.
func (l *Lens) darkness(f *device.Frame) {
	if l.Board == nil || f.At.Sub(l.looked) < time.Second && !f.At.Before(l.looked) {
		return
	}
	l.looked = f.At
	black, cause := l.black.See(pipeline.Luma(f))
	l.Board.Set(health.CameraBlack, black, cause, time.Now())
}

// text is an error in words, empty for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// blocked reports whether nobody is let in by what the camera sees, and why. What is wrong with the
// door is asked where the door is.
func (l *Lens) blocked() (health.ID, bool) {
	if l.Board == nil {
		return "", false
	}
	why, blocked := l.Board.Blocked()
	return why, blocked && why != health.DoorAway && why != health.DoorFault
}

func (l *Lens) settle(ctx context.Context, s access.Sighting, taken time.Time) {
	if why, blocked := l.blocked(); blocked {
		s.Liveness, s.Detail, s.Matches = access.LivenessUnavailable, string(why), nil
	}
	d, err := l.Kiosk.Settle(ctx, s)
	switch d.Reason {
	case access.ReasonMaskRequired, access.ReasonMaskForbidden, access.ReasonHeadCoverRequired:
		l.Pipeline.Again() // they are told what to change and need not step aside for it
	}
	if err != nil {
		return // logged where it happened, with what it was about
	}
	came := l.came
	if came.IsZero() {
		came = taken
	}
	l.Log.InfoContext(ctx, "decision", logkey.Decision, d.Outcome.String(), logkey.Person, d.Person, logkey.Reason, string(d.Reason),
		logkey.Duration, time.Since(taken), logkey.Visit, time.Since(came))
}

// stream lets the camera deliver until ctx ends or a recording does. A camera that comes and
// goes is its driver's business; what it gives up on is reported, and the kiosk serves
// everything else until somebody mends it.
func (l *Lens) stream(ctx context.Context, box *pipeline.Mailbox) {
	err := l.Camera.Stream(ctx, box.Put)
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, device.ErrEnded):
		l.Log.InfoContext(ctx, "recording ended")
	default:
		l.Log.ErrorContext(ctx, "camera given up", logkey.Error, err)
	}
}
