// Package api is the daemon's HTTP server and what its APIs share: keys, limits, bodies and one
// kind of error.
//
// Five published APIs are served beside our own, each by a package of its own (api/facephi,
// api/lapis, api/argos, api/baf, api/faceguard) that decodes, calls and encodes. There is no
// second face path: pictures go to a [Judge], which is the pipeline, people and records to the
// store. An [Error] says what went wrong once; each API has its own words for it.
//
// Everything a handler reads is bounded before it is parsed. A picture that was posted opens
// no door by itself.
package api

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"facegate/access"
	"facegate/document"
	"facegate/kiosk"
	"facegate/store"
)

// A Code is what went wrong, as far as callers tell it apart.
type Code uint8

// The codes. The zero value is a failure of our own.
const (
	Internal         Code = iota
	Malformed             // the body is not what it should be
	Missing               // Fields are required and absent
	NoKey                 // none was given
	UnknownKey            // none such, or revoked
	NoScope               // the key may not do this
	NotFound              // what is named does not exist
	MethodNotAllowed      //
	TooLarge              // the body
	TooMany               // calls
	Busy                  // pictures or lists wait longer than they may
	Upstream              // the central site does not answer as it should
)

// Status is the HTTP status most APIs give for a code.
func (c Code) Status() int {
	switch c {
	case Malformed, Missing:
		return http.StatusBadRequest
	case NoKey, UnknownKey:
		return http.StatusUnauthorized
	case NoScope:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case TooMany:
		return http.StatusTooManyRequests
	case Busy:
		return http.StatusServiceUnavailable
	case Upstream:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

// An Error is one thing that went wrong. What a caller is told is the API's business; Err is
// for the log only.
type Error struct {
	Code       Code
	Fields     []string      // of Missing, in the API's order
	Detail     string        // in words, without anything secret or personal
	RetryAfter time.Duration // of TooMany and Busy
	OfKey      bool          // of TooMany: the key's calls are too many, not the tries for one person
	Allow      string        // of MethodNotAllowed
	Err        error
}

func (e *Error) Error() string {
	s := http.StatusText(e.Code.Status())
	if e.Detail != "" {
		s = e.Detail
	}
	if e.Err != nil {
		s = fmt.Sprintf("%s: %v", s, e.Err)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// A Camera gives a picture of whoever stands before the kiosk's lens, once it is fit to be judged.
// It waits until ctx ends.
type Camera interface {
	Capture(ctx context.Context) (jpeg []byte, err error)
}

// A DocumentReader reads the document in a picture file, as [document.Reader] does.
type DocumentReader interface {
	ReadFile(ctx context.Context, picture []byte) (document.Document, error)
}

// A Service is what the APIs work on. Its fields are set before the server starts and not
// changed afterwards.
type Service struct {
	DB        *store.DB
	Judge     Judge
	Camera    Camera    // nil: there is none
	Fleet     Directory // nil: the kiosk is by itself
	Documents DocumentReader
	Reading   time.Duration // how long a document may take, with its wait; 0: 15 s
	Kiosk     *kiosk.Kiosk
	Clock     kiosk.Clock
	Keys      *Keys
	Tally     *Tally
	Room      *Room  // for large bodies
	Site      string // its name
	Door      string // this kiosk's
	Log       *slog.Logger
}

// Act is an act of this moment by the holder of a key.
func (s *Service) Act(k store.Key) store.Act {
	now := time.Now()
	state, _ := s.Clock.Trust(now)
	return store.Act{At: now, Clock: state, Source: access.SourceAPI(k.Label()), Patient: true}
}

// Now is this moment on the site's calendar: a document's last day ends there.
func (s *Service) Now() time.Time { return time.Now().In(s.Kiosk.Policy().Zone()) }

const defaultReading = 15 * time.Second

// ReadDocument reads the document in a picture that the judge has found fit. The error wraps
// [document.ErrNotRecognized], is an [*Error] of code Busy where others are read for too long, or is
// a failure of our own.
func (s *Service) ReadDocument(ctx context.Context, picture []byte) (document.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Reading, defaultReading))
	defer cancel()
	d, err := s.Documents.ReadFile(ctx, picture)
	if ctx.Err() != nil {
		err = &Error{Code: Busy, RetryAfter: time.Second, Err: ctx.Err()}
	}
	return d, err
}

// Barred reports whether a person is blocked or outside their validity: no API finds them to be
// anybody then. Of a clock that is not sure at least the moment counts that has certainly passed.
func (s *Service) Barred(p access.Person) bool {
	now := time.Now()
	if _, floor := s.Clock.Trust(now); floor.After(now) {
		now = floor
	}
	return p.Blocked || now.Before(p.ValidFrom) || !p.ValidUntil.IsZero() && !now.Before(p.ValidUntil)
}

// Record notes a call in the audit trail: what was asked, of whom, and what came of it. A call
// that changes nothing is recorded too. Scores and data may be empty.
func (s *Service) Record(ctx context.Context, k store.Key, call, person, result string, scores access.Scores) (access.Event, error) {
	kind := access.KindCommandDone
	e := access.Event{Kind: kind, Person: person, Scores: scores, Data: map[string]string{"api": k.API, "call": call, "result": result}}
	return s.DB.AppendEvent(ctx, s.Act(k), e)
}
