package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// MaxBody is how many bytes a body may have, of every API that does not say otherwise.
const MaxBody = 10 << 20

// A body is a call's, which is given up where it comes too slowly while others wait for the room
// that it holds.
type body struct {
	io.ReadCloser
	interrupt func() // ends a Read that waits; nothing can be read afterwards

	mu    sync.Mutex
	timer *time.Timer // nil where nobody looks at the speed
	got   int64
	late  bool
	whole func(n int64) // is told once how long it was
}

// While others wait, a body must come at a speed at which the whole would take half a minute, or
// at slowest, once it has had a moment.
const (
	moment  = time.Second
	within  = 30 * time.Second
	slowest = 128 << 10 // bytes a second
	look    = time.Second / 4
)

var errLate = errors.New("the body came too slowly while others waited")

// Reading is the error of somebody who read a call's body: an [*Error] of code Busy where the
// body was given up because it came too slowly, else err.
func Reading(err error) error {
	if errors.Is(err, errLate) {
		return &Error{Code: Busy, RetryAfter: time.Second, Err: errLate}
	}
	return err
}

// Length is how many bytes the body of a call may have, of at most limit.
func Length(r *http.Request, limit int64) int64 {
	if n := r.ContentLength; n >= 0 && n < limit {
		return n
	}
	return limit
}

// TakeBody waits for room for the body of a call, of at most limit bytes. leave gives it back, once
// nothing of the body is used any more. The error is an [*Error] of code TooLarge, also before
// anything is read where the length is announced, or Busy. What is read afterwards fails with an
// error that [Reading] knows where the body is too slow.
func (s *Service) TakeBody(r *http.Request, limit int64) (leave func(), err error) {
	if r.ContentLength > limit {
		return nil, &Error{Code: TooLarge}
	}
	n := Length(r, limit)
	held, err := s.Room.take(r.Context(), n)
	if err != nil {
		return nil, err
	}
	b, ok := r.Body.(*body)
	if !ok || held == nil {
		return held.leave, nil
	}
	speed := float64(slowest)
	if r.ContentLength > 0 {
		speed = max(speed, float64(n)/within.Seconds())
	}
	b.watch(s.Room, speed, held.shrink)
	return func() {
		b.unwatch()
		held.leave()
	}, nil
}

// watch looks at the speed, in bytes a second, until the body has come.
func (b *body) watch(room *Room, speed float64, whole func(int64)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	began := time.Now()
	b.whole = whole
	b.timer = time.AfterFunc(moment, func() {
		crowded := room.wanted()
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case b.timer == nil:
		case crowded && float64(b.got) < speed*time.Since(began).Seconds():
			b.late = true
			b.interrupt()
		default:
			b.timer.Reset(look)
		}
	})
}

func (b *body) unwatch() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
	}
	b.timer, b.whole = nil, nil
}

// tooSlow reports whether the body was given up.
func (b *body) tooSlow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.late
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	b.got += int64(n)
	whole, got := b.whole, b.got
	if err != nil && b.late {
		err = errLate
	}
	b.mu.Unlock()
	if errors.Is(err, io.EOF) && whole != nil {
		b.unwatch()
		whole(got)
	}
	return n, err
}

// ErrBase64 means that a text is not base64.
var ErrBase64 = errors.New("not base64")

// JSON answers with a compact JSON body.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller has gone
}
