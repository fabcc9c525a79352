package judge

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"facegate/api"
	"facegate/document"
)

// Documents reads the documents in pictures that were posted, below the camera's priority as a
// Judge looks at faces. It is safe for concurrent use.
type Documents struct {
	Reader Reader
	// Yield, where set, waits while the camera needs the machine, at most until ctx ends, which is
	// after two seconds of a picture's waits. It is called before each step of reading.
	Yield    func(ctx context.Context)
	Pictures *api.Room    // see Options
	Log      *slog.Logger // never nil
}

// A Reader is a [document.Reader]. Its pause is called before it does any work, by the goroutine
// that reads, which has a thread of its own from then on.
type Reader interface {
	ReadFile(ctx context.Context, picture []byte, pause func()) (document.Document, error)
}

// ReadFile is [document.Reader.ReadFile]. A reader that panics is an error that wraps
// [document.ErrEngine]. Where there is no room for the picture it is an [*api.Error] of code Busy.
func (d *Documents) ReadFile(ctx context.Context, picture []byte) (document.Document, error) {
	type result struct {
		document document.Document
		err      error
	}
	leave, err := d.Pictures.Take(ctx, room(picture))
	if err != nil {
		return document.Document{}, err
	}
	defer leave()
	done := make(chan result)
	go func() {
		var r result
		r.document, r.err = d.read(ctx, picture)
		done <- r
	}()
	r := <-done // soon after ctx has ended
	return r.document, r.err
}

func (d *Documents) read(ctx context.Context, picture []byte) (_ document.Document, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", document.ErrEngine, p, debug.Stack())
		}
	}()
	pause := pauses(ctx, d.Yield)
	pause()
	// Calls wait for each other within ReadFile, hundreds of them if need be. Its first pause comes
	// with a call's turn: whoever waits holds no thread.
	giveWay := sync.OnceFunc(func() { lower(ctx, d.Log) })
	return d.Reader.ReadFile(ctx, picture, func() {
		giveWay()
		pause()
	})
}
