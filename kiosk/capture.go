package kiosk

import (
	"context"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// Capture is a picture of whoever stands before the lens, as a JPEG, once their face is fit to be
// judged. It waits until then, or until ctx ends, and may be called from any goroutine while the
// Lens runs.
func (l *Lens) Capture(ctx context.Context) ([]byte, error) {
	mine := make(chan *imgproc.Image, 1)
	select {
	case l.captures() <- mine:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case picture := <-mine:
		return encode(picture)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// captures are those who wait for a picture.
func (l *Lens) captures() chan chan<- *imgproc.Image {
	l.askOnce.Do(func() { l.asked = make(chan chan<- *imgproc.Image) })
	return l.asked
}

// show gives the last frame to one of those who wait, if a face in it is fit to be judged.
func (l *Lens) show() {
	if g := l.Pipeline.Guidance(); g.Quality != face.OK || g.Faces == 0 {
		return
	}
	if _, blocked := l.blocked(); blocked {
		return // a camera that has frozen shows somebody who has gone
	}
	select {
	case waiting := <-l.captures():
		from := l.Pipeline.Image()
		picture := imgproc.New(from.W, from.H)
		for y := range from.H {
			copy(picture.Pix[y*picture.Stride:], from.Pix[y*from.Stride:y*from.Stride+3*from.W])
		}
		waiting <- picture
	default:
	}
}
