package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"facegate/device"
	"facegate/device/replay"
	"facegate/device/v4l2"
	"facegate/internal/config"
	"facegate/kiosk"
	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
)

// enrolWithin is how long somebody has to show a good picture of themselves.
const enrolWithin = 20 * time.Second

// openCamera is the instance's camera. Unlike the daemon's it is not opened again when it
// fails: the operator is there to see why.
func openCamera(c *config.Camera) (device.Camera, error) {
	if c.Driver == config.CameraReplay {
		return replay.Open(c.Path, replay.Options{Decode: decode, FPS: c.FPS, Hold: c.Hold, Loop: c.Loop, Exact: !c.Jitter})
	}
	return v4l2.New(v4l2.Options{Device: c.Device, FPS: c.FPS}), nil
}

// decode is imgproc's, for the replay camera.
func decode(data []byte) (w, h int, rgb []byte, err error) {
	m, err := imgproc.Decode(data)
	if err != nil {
		return 0, 0, nil, err
	}
	return m.W, m.H, m.Pix, nil
}

// cameraHint says what to do about a camera that does not deliver.
func cameraHint(c *config.Camera, err error) string {
	switch {
	case c.Driver == config.CameraReplay:
		return "[camera] path in facegate.toml names the pictures to play"
	case errors.Is(err, device.ErrInUse):
		return "another program holds the camera; if it is facegated, stop it meanwhile"
	case errors.Is(err, device.ErrNotCamera):
		return "this node delivers no pictures; facegate doctor lists the cameras"
	}
	return "facegate doctor lists the cameras; [camera] in facegate.toml chooses one"
}

// enrolCamera takes pictures with the instance's camera until one is good and shows a face
// that looks alive, and enrols the person with it. What to do meanwhile goes to stderr.
func (e *env) enrolCamera(ctx context.Context, enroller *kiosk.Enroller, id string, duplicate bool) error {
	c, err := e.config()
	if err != nil {
		return err
	}
	camera, err := openCamera(&c.Camera)
	if err != nil {
		return hinted{err, cameraHint(&c.Camera, err)}
	}
	p := posing{e: e, enroller: enroller, id: id, duplicate: duplicate, live: liveness.NewSession(liveness.LevelPassive), last: string(face.NoFace)}
	// The parent's end is an interruption, this one's an answer.
	within, cancel := context.WithTimeout(ctx, enrolWithin)
	defer cancel()
	done, err := p.watch(within, camera)
	l := enrolLine{ID: id, File: "camera", Quality: p.last}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if why := l.refuse(err); why != "" {
		return errors.Join(errNo, e.print(l, func(w io.Writer) { fmt.Fprintf(w, "refused: %s (%s)\n", why, l.Hint) }))
	}
	switch {
	case err != nil:
		return hinted{err, cameraHint(&c.Camera, err)}
	case done == nil:
		l.Hint = cmp.Or(advice(p.last), "look at the camera a little longer")
		return errors.Join(errNo, e.print(l, func(w io.Writer) { fmt.Fprintf(w, "no picture was good enough: %s (%s)\n", p.last, l.Hint) }))
	}
	l.done(*done)
	return e.print(l, func(w io.Writer) { fmt.Fprintf(w, "enrolled %s with the camera\n", id) })
}

// A posing is somebody before the camera who is to be enrolled.
type posing struct {
	e         *env
	enroller  *kiosk.Enroller
	id        string
	duplicate bool
	live      *liveness.Session
	frame     imgproc.Picture
	last      string // what was wrong with the last frame
	said      string
}

// spoof is the code of a face that does not look alive.
const spoof = "spoof"

// advice is what to do about a quality code or a face that does not look alive.
func advice(code string) string {
	if code == spoof {
		return "come in person, in even light: the camera takes the face for a picture"
	}
	return kiosk.Advice(face.Quality(code))
}

// watch looks at frames until one was enrolled, ctx ends or a recording does; the enrolment
// is nil in the latter cases. The error is the camera's, a model's, the store's or a
// *kiosk.RefusedError for somebody else's face.
func (p *posing) watch(ctx context.Context, camera device.Camera) (*kiosk.Enrolment, error) {
	box := pipeline.NewMailbox()
	streaming, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var broken error
	wg.Go(func() {
		defer stop()
		broken = camera.Stream(streaming, box.Put)
	})
	defer wg.Wait()
	defer stop()
	for {
		f, err := box.Take(streaming)
		if err != nil {
			wg.Wait()
			if errors.Is(broken, device.ErrEnded) {
				broken = nil
			}
			return nil, broken
		}
		// A frame that is there is looked at even when its time is over; what it leads to is kept.
		done, err := p.look(context.WithoutCancel(ctx), f)
		f.Release()
		if done != nil || err != nil {
			return done, err
		}
	}
}

// look takes in one frame.
func (p *posing) look(ctx context.Context, f *device.Frame) (*kiosk.Enrolment, error) {
	if err := p.frame.SetFrame(f); err != nil {
		p.say(string(face.ImageError))
		return nil, nil //nolint:nilerr // a damaged frame; the next one is awaited
	}
	img := p.frame.RGB()
	a, err := p.enroller.Analyser.Picture(img, pipeline.Eyes|pipeline.Passive)
	if err != nil {
		return nil, err
	}
	if a.Quality != face.OK {
		p.say(string(a.Quality))
		p.live.Reset()
		return nil, nil
	}
	seen := liveness.Frame{At: f.At, Image: img, Mesh: &a.Mesh, Box: a.Face.Box, Scored: true, Fusion: math.NaN()}
	if a.Liveness.Ran() {
		seen.Fusion = a.Passive.Fusion()
	}
	switch p.live.Feed(seen).Verdict {
	case liveness.Live:
	case liveness.Spoof:
		p.say(spoof)
		p.live.Reset()
		return nil, nil
	default:
		p.say(string(face.OK))
		return nil, nil
	}
	done, err := p.enroller.Enrol(ctx, kiosk.Now(admin()), p.id, img, p.duplicate)
	if refusal, ok := errors.AsType[*kiosk.RefusedError](err); ok && refusal.Resembles == "" {
		p.say(string(refusal.Quality)) // what only the slow stages see: a covered face
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &done, nil
}

// say keeps the code of the frame and prints what to do when that changes.
func (p *posing) say(code string) {
	p.last = code
	text := advice(code)
	if text == "" {
		text = "hold still"
	}
	if text != p.said {
		p.said = text
		fmt.Fprintln(p.e.stderr, text)
	}
}
