// Package wire is the language of doord's socket, version 1.
//
// A client connects to the Unix socket and writes requests, one JSON object a line; doord
// answers each with one line before it reads the next. The first request is "hello" with
// the version, a role, and an operator's name where there is one:
//
//   - a controller (one at a time) asks for pulses for people it decided on, and says what
//     the schedule wants. What it asked for ends when its connection does;
//   - a collector (one at a time) takes the journal's events and acknowledges them;
//   - an operator (any number) sees the status, pulses, holds, locks down and releases, and
//     moves the inputs of a simulated door. What it asked for outlives its connection.
//
// A role is a promise about manners, not a right: who may open the socket may do all of it,
// and the socket's file mode says who that is. A connection that says nothing for [Idle] is
// closed, so a client that is stopped counts as gone; "beat" is for that.
//
// Lines are bounded, unknown fields and values out of range are refused, and a line that is
// no request ends the connection.
package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf8"

	"facegate/door"
)

// Version is the one this package speaks.
const Version = 1

// Bounds of a conversation.
const (
	MaxRequest = 4 << 10   // bytes of a request's line
	MaxReply   = 1 << 20   // bytes of a reply's line
	MaxEvents  = 256       // events in a reply
	MaxText    = 200       // bytes of a text
	MaxBy      = 64        // bytes of a name
	MaxFor     = time.Hour // of a pulse or a lease; doord's own limit is shorter
	MaxSetting = 366 * 24 * time.Hour
	FirstYear  = 1970 // of a schedule's end
	LastYear   = 9999
	MaxWait    = 2 * time.Second
	Idle       = 5 * time.Second
)

// The roles.
const (
	Controller = "controller"
	Collector  = "collector"
	Operator   = "operator"
)

// What a request may ask for.
const (
	Hello    = "hello"    // Version, Role, By
	Beat     = "beat"     // nothing: I am here
	Status   = "status"   // how the door is
	Pulse    = "pulse"    // ForMs, Why: unlock for a time
	Schedule = "schedule" // Mode, ForMs, Until, Why: what the hour of the day wants, for a time
	Hold     = "hold"     // Emergency, ForMs, Why: unlock for a time, or until release
	Lock     = "lock"     // Emergency, ForMs, Why: lock down for a time, or until release
	Release  = "release"  // Emergency, Why: end what hold or lock set
	Events   = "events"   // Journal, Seq, WaitMs: events behind Seq, waiting for the first
	Ack      = "ack"      // Journal, Seq: events up to Seq are committed
	Sim      = "sim"      // Line, Level: move an input of a simulated door
)

// NoMode is the mode of [Schedule] that ends it, beside [door.ModeLocked] and [door.ModeUnlocked].
const NoMode = "none"

// The levels of [Sim].
const (
	On     = "on"
	Off    = "off"
	Toggle = "pulse" // on, and off after SimPulse
)

// SimPulse is how long a simulated finger presses.
const SimPulse = 200 * time.Millisecond

// A Request is one line from a client.
type Request struct {
	Do      string `json:"do"`
	Version int    `json:"version,omitzero"`
	Role    string `json:"role,omitzero"`
	By      string `json:"by,omitzero"`     // who the operator is, for the record
	ForMs   int64  `json:"for_ms,omitzero"` // 0 is the door's own time; of hold and lock, until release
	Why     string `json:"why,omitzero"`

	Emergency bool      `json:"emergency,omitzero"`
	Mode      string    `json:"mode,omitzero"`
	Until     time.Time `json:"until,omitzero"` // when the schedule's setting will end, for the status

	Journal string `json:"journal,omitzero"`
	Seq     uint64 `json:"seq,omitzero"`
	WaitMs  int64  `json:"wait_ms,omitzero"`
	Line    string `json:"line,omitzero"`
	Level   string `json:"level,omitzero"`
}

// Codes of a refusal.
const (
	Bad        = "bad_request"
	NotAllowed = "not_allowed"   // for this role
	Taken      = "role_taken"    // another client has this role
	LockedDown = "locked_down"   // by the operator
	Relay      = "relay"         // does not obey
	NotSim     = "not_simulated" // a real door's inputs are not moved
)

// A Reply is one line from doord. A refusal has a Code and a Text and nothing else.
type Reply struct {
	Code string `json:"code,omitzero"`
	Text string `json:"text,omitzero"`

	Version int          `json:"version,omitzero"` // to hello
	Journal string       `json:"journal,omitzero"` // to hello and events
	Status  *State       `json:"status,omitzero"`
	ForMs   int64        `json:"for_ms,omitzero"` // to pulse: how long the door stays unlocked from now
	Events  []door.Event `json:"events,omitzero"`
}

// A State is the door and its keeper.
type State struct {
	door.Status
	Controller bool   `json:"controller"`             // one is connected
	Waiting    int    `json:"events_waiting"`         // for a collector
	Journal    string `json:"journal_fault,omitzero"` // why the journal's disk refuses
	Kept       string `json:"kept_fault,omitzero"`    // why a lock-down would not outlast doord
	Simulated  bool   `json:"simulated"`
}

// ErrTooLong means a line beyond its bound.
var ErrTooLong = errors.New("line too long")

// A Reader reads lines of bounded length.
type Reader struct {
	r   *bufio.Reader
	max int
}

// NewReader returns a reader of lines of at most limit bytes.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{bufio.NewReaderSize(r, 4096), limit}
}

// Line returns the next line without its end. The error is [io.EOF] between lines,
// [io.ErrUnexpectedEOF] within one, [ErrTooLong], or the connection's.
func (r *Reader) Line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(line)+len(part) > r.max {
			return nil, ErrTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// ParseRequest reads a request and checks every field against its bounds.
func ParseRequest(line []byte) (Request, error) {
	var r Request
	if err := parse(line, &r); err != nil {
		return Request{}, err
	}
	return r, r.check()
}

func (r *Request) check() error {
	for _, text := range []string{r.Do, r.Role, r.By, r.Why, r.Mode, r.Journal, r.Line, r.Level} {
		if len(text) > MaxText {
			return fmt.Errorf("text longer than %d bytes", MaxText)
		}
		for _, c := range text {
			if c == utf8.RuneError || !unicode.IsPrint(c) {
				return errors.New("text is not printable")
			}
		}
	}
	if len(r.By) > MaxBy {
		return fmt.Errorf("name longer than %d bytes", MaxBy)
	}
	most := MaxFor
	if r.Do == Hold || r.Do == Lock {
		most = MaxSetting
	}
	if r.ForMs < 0 || r.ForMs > most.Milliseconds() {
		return fmt.Errorf("for_ms %d is not between 0 and %d", r.ForMs, most.Milliseconds())
	}
	if y := r.Until.Year(); !r.Until.IsZero() && (y < FirstYear || y > LastYear) {
		return fmt.Errorf("until %v is no time of a schedule", r.Until)
	}
	if r.WaitMs < 0 || r.WaitMs > MaxWait.Milliseconds() {
		return fmt.Errorf("wait_ms %d is not between 0 and %d", r.WaitMs, MaxWait.Milliseconds())
	}
	return nil
}

// ParseReply reads a reply. Fields it does not know are of a later doord and ignored.
func ParseReply(line []byte) (Reply, error) {
	var r Reply
	if err := json.Unmarshal(line, &r); err != nil {
		return Reply{}, fmt.Errorf("parse reply: %w", err)
	}
	return r, nil
}

// parse reads one JSON object and nothing behind it.
func parse(line []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("parse request: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("parse request: more than one value")
	}
	return nil
}

// Write writes one message as a line.
func Write(w io.Writer, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// Text makes a text fit a request: printable, and at most MaxText bytes long.
func Text(s string) string { return fit(s, MaxText) }

// Name makes a name fit a request: printable, and at most MaxBy bytes long.
func Name(s string) string { return fit(s, MaxBy) }

func fit(s string, most int) string {
	out := make([]byte, 0, most)
	for _, c := range s {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			c = '?'
		}
		if len(out)+utf8.RuneLen(c) > most {
			break
		}
		out = utf8.AppendRune(out, c)
	}
	return string(out)
}
