package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
)

// A Hash is one link of the event chain, written as 64 lower-case hex digits.
type Hash [sha256.Size]byte

// String is the hash in hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText is String, for JSON.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText accepts 64 hex digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if hex.DecodedLen(len(b)) != len(h) {
		return fmt.Errorf("a hash has %d hex digits, not %d", hex.EncodedLen(len(h)), len(b))
	}
	_, err := hex.Decode(h[:], b)
	return err
}

// An Event is one record of the audit trail. Seq, ID, Prev and Hash are given by the store
// that appends it. It names people by id only.
type Event struct {
	Seq    uint64
	ID     string    // UUID, version 7
	Time   time.Time // kept to the millisecond, in UTC
	Clock  Clock
	Kind   Kind
	Person string // id, or empty
	Reason Reason // of a refusal, or empty
	Door   string // or empty
	Scores Scores // kept to four decimals
	Models map[string]string
	Policy uint64
	Source string
	Data   map[string]string // what else a kind has to tell; never a name or a secret
	Prev   Hash
	Hash   Hash
}

// MaxEvent is the size in bytes that no canonical event exceeds.
const MaxEvent = 8 << 10

// Chain makes e the successor of the event whose hash is prev: it brings time and scores to
// the precision that is kept, fills in Prev and Hash, and returns the event with its
// canonical bytes, over which and prev the hash is taken. An error wraps ErrInvalid.
func (e Event) Chain(prev Hash) (Event, []byte, error) {
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	s := &e.Scores
	for _, p := range []**float64{&s.Match, &s.Margin, &s.Liveness, &s.Mask, &s.Head} {
		if *p != nil {
			*p = new(math.Round(**p*1e4)/1e4 + 0) // + 0 turns -0 into 0
		}
	}
	if len(e.Models) == 0 {
		e.Models = nil
	}
	if len(e.Data) == 0 {
		e.Data = nil
	}
	if err := e.check(); err != nil {
		return Event{}, nil, err
	}
	body := e.canonical()
	if len(body) > MaxEvent {
		return Event{}, nil, fmt.Errorf("%w: an event of %d bytes", ErrInvalid, len(body))
	}
	e.Prev, e.Hash = prev, Link(prev, body)
	return e, body, nil
}

// Link is the hash of the event with these canonical bytes that follows prev: SHA-256 over
// the 32 bytes of prev and the canonical bytes.
func Link(prev Hash, canonical []byte) Hash {
	h := sha256.New()
	h.Write(prev[:])
	h.Write(canonical)
	return Hash(h.Sum(nil))
}

// Line is the canonical event with prev and hash as its last two members, without a line
// break: what is shown and sent. encoding/json may spell the same event with escapes that
// the canonical form does not have; where bytes matter, write Line.
func (e Event) Line() []byte {
	b := e.canonical()
	b = append(b[:len(b)-1], `,"prev":"`...)
	b = append(b, e.Prev.String()...)
	b = append(b, `","hash":"`...)
	b = append(b, e.Hash.String()...)
	return append(b, `"}`...)
}

// MarshalJSON is Line.
func (e Event) MarshalJSON() ([]byte, error) { return e.Line(), nil }

// check refuses what has no canonical form or no meaning.
func (e *Event) check() error {
	switch {
	case e.Seq == 0 || e.Seq > math.MaxInt64 || e.Policy > 1<<53:
		return fmt.Errorf("%w: sequence or revision out of range", ErrInvalid)
	case !e.Kind.Valid():
		return fmt.Errorf("%w: event kind %q", ErrInvalid, e.Kind)
	case e.Reason != "" && !e.Reason.Valid():
		return fmt.Errorf("%w: reason %q", ErrInvalid, e.Reason)
	case e.Clock != ClockSynced && e.Clock != ClockUnsure:
		return fmt.Errorf("%w: clock state %q", ErrInvalid, e.Clock)
	case e.Time.Year() < 1970 || e.Time.Year() > 9999:
		return fmt.Errorf("%w: event time %v", ErrInvalid, e.Time)
	case e.ID == "" || e.Source == "":
		return fmt.Errorf("%w: an event needs an id and a source", ErrInvalid)
	case len(e.Models) > 16 || len(e.Data) > 16:
		return fmt.Errorf("%w: more than 16 models or data", ErrInvalid)
	}
	for _, t := range []struct{ what, text string }{{"event id", e.ID}, {"person", e.Person}, {"door", e.Door}, {"source", e.Source}} {
		if err := checkText(t.what, t.text, 128); err != nil {
			return err
		}
	}
	for _, m := range []map[string]string{e.Models, e.Data} {
		for k, v := range m {
			if err := checkText("name in an event", k, 64); err != nil {
				return err
			}
			if err := checkText("text in an event", v, 256); err != nil {
				return err
			}
		}
	}
	s := e.Scores
	for _, x := range []*float64{s.Match, s.Margin, s.Liveness, s.Mask, s.Head} {
		if x != nil && !(math.Abs(*x) <= 1000) {
			return fmt.Errorf("%w: a score of %v", ErrInvalid, *x)
		}
	}
	return nil
}

// canonical is the one spelling of e (docs/audit.md): members in a fixed order, no white
// space, names within models and data in byte order, only quote and backslash escaped.
func (e *Event) canonical() []byte {
	b := make([]byte, 0, 512)
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, e.Seq, 10)
	b = appendText(append(b, `,"id":`...), e.ID)
	b = appendText(append(b, `,"time":`...), stamp(e.Time))
	b = appendText(append(b, `,"clock":`...), string(e.Clock))
	b = appendText(append(b, `,"kind":`...), string(e.Kind))
	b = appendTextOrNull(append(b, `,"person":`...), e.Person)
	b = appendTextOrNull(append(b, `,"reason":`...), string(e.Reason))
	b = appendTextOrNull(append(b, `,"door":`...), e.Door)
	b = appendScore(append(b, `,"scores":{"match":`...), e.Scores.Match)
	b = appendScore(append(b, `,"margin":`...), e.Scores.Margin)
	b = appendScore(append(b, `,"liveness":`...), e.Scores.Liveness)
	b = appendScore(append(b, `,"mask":`...), e.Scores.Mask)
	b = appendScore(append(b, `,"head":`...), e.Scores.Head)
	b = appendMap(append(b, `},"models":`...), e.Models)
	b = strconv.AppendUint(append(b, `,"policy":`...), e.Policy, 10)
	b = appendText(append(b, `,"source":`...), e.Source)
	if len(e.Data) > 0 {
		b = appendMap(append(b, `,"data":`...), e.Data)
	}
	return append(b, '}')
}

// stamp is t in UTC, RFC 3339 with exactly three decimals.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// appendText quotes s; check has made sure that quote and backslash are all that needs it.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

func appendTextOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendText(b, s)
}

// appendScore writes the shortest decimal that gives x back, never an exponent.
func appendScore(b []byte, x *float64) []byte {
	if x == nil || math.IsNaN(*x) || math.IsInf(*x, 0) {
		return append(b, "null"...)
	}
	return strconv.AppendFloat(b, *x, 'f', -1, 64)
}

func appendMap(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(appendText(b, k), ':'), m[k])
	}
	return append(b, '}')
}

// DecodeEvent reads canonical bytes and accepts no other spelling, so that two readers
// cannot understand one record differently. Prev and Hash of the result are zero. An error
// wraps ErrInvalid.
func DecodeEvent(body []byte) (Event, error) {
	if len(body) > MaxEvent {
		return Event{}, fmt.Errorf("%w: an event of %d bytes", ErrInvalid, len(body))
	}
	var in struct {
		Seq    uint64            `json:"seq"`
		ID     string            `json:"id"`
		Time   string            `json:"time"`
		Clock  Clock             `json:"clock"`
		Kind   Kind              `json:"kind"`
		Person string            `json:"person"`
		Reason Reason            `json:"reason"`
		Door   string            `json:"door"`
		Scores Scores            `json:"scores"`
		Models map[string]string `json:"models"`
		Policy uint64            `json:"policy"`
		Source string            `json:"source"`
		Data   map[string]string `json:"data"`
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return Event{}, fmt.Errorf("%w: read event: %w", ErrInvalid, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Event{}, fmt.Errorf("%w: text after an event", ErrInvalid)
	}
	at, err := time.Parse(time.RFC3339, in.Time)
	if err != nil {
		return Event{}, fmt.Errorf("%w: event time: %w", ErrInvalid, err)
	}
	e, again, err := Event{
		Seq: in.Seq, ID: in.ID, Time: at, Clock: in.Clock, Kind: in.Kind, Person: in.Person,
		Reason: in.Reason, Door: in.Door, Scores: in.Scores, Models: in.Models, Policy: in.Policy,
		Source: in.Source, Data: in.Data,
	}.Chain(Hash{})
	if err != nil {
		return Event{}, err
	}
	if !bytes.Equal(again, body) {
		return Event{}, fmt.Errorf("%w: an event that is not in canonical form", ErrInvalid)
	}
	e.Prev, e.Hash = Hash{}, Hash{}
	return e, nil
}
