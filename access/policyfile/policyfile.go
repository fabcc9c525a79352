// Package policyfile reads and writes a site's rules as the TOML file that an administrator
// edits and `facegate policy` applies and shows.
//
// Reading is strict: an unknown key, a wrong type or a syntax error is refused with line and
// column, and nothing is guessed. Whether the rules make sense together is not looked at here
// but by [access.Rules.Compile]. Writing is stable: the same rules always give the same bytes,
// and [Load] of them gives the same rules. Functions keep no state and are safe for concurrent
// use.
package policyfile

import (
	"bytes"
	_ "embed" // the example
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/pelletier/go-toml/v2"

	"facegate/access"
)

// MaxBytes is the size of the longest file that is read.
const MaxBytes = 4 << 20

//go:embed example.toml
var example string

// Example is a file that shows and explains every key. It compiles.
func Example() []byte { return []byte(example) }

// An Error is one thing wrong with a file. It wraps [access.ErrInvalid].
type Error struct {
	Line, Column int    // 1-based, the column in bytes; 0 where the fault is in no single place
	Key          string // dotted, empty for a fault of syntax
	Msg          string
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Key != "" {
		s = e.Key + ": " + s
	}
	if e.Line > 0 {
		s = fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, s)
	}
	return s
}

// Unwrap is access.ErrInvalid.
func (e *Error) Unwrap() error { return access.ErrInvalid }

// Load reads rules. The error joins an [Error] for each fault that was found, unless r could
// not be read. Lists and tables that are empty are nil in the result.
func Load(r io.Reader) (*access.Rules, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	if len(text) > MaxBytes {
		return nil, &Error{Msg: fmt.Sprintf("longer than %d bytes", MaxBytes)}
	}
	if err := checkKeys(text); err != nil {
		return nil, err
	}
	rules := new(access.Rules)
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(rules); err != nil {
		return nil, positioned(err)
	}
	tidy(rules)
	return rules, nil
}

// positioned is what the decoder says is wrong, as an Error.
func positioned(err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(strict.Errors) > 0 {
		err = &strict.Errors[0]
	}
	if de, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := de.Position()
		key := ""
		for _, part := range de.Key() {
			key = dotted(key, part)
		}
		return &Error{Line: line, Column: column, Key: key, Msg: bare(de)}
	}
	return &Error{Msg: err.Error()}
}

// bare is the decoder's message without its prefix.
func bare(err error) string {
	return string(bytes.TrimPrefix([]byte(err.Error()), []byte("toml: ")))
}

// tidy makes what is empty nil, so that equal rules are equal values.
func tidy(r *access.Rules) {
	for name, days := range r.Holidays {
		r.Holidays[name] = full(days)
	}
	for name, s := range r.Schedules {
		s.Times, s.Holidays = full(s.Times), full(s.Holidays)
		r.Schedules[name] = s
	}
	for name, d := range r.Doors {
		d.When, d.First = full(d.When), full(d.First)
		r.Doors[name] = d
	}
	for i := range r.Access {
		r.Access[i].Groups, r.Access[i].Doors = full(r.Access[i].Groups), full(r.Access[i].Doors)
	}
	r.Access = full(r.Access)
	r.Holidays, r.Schedules, r.Groups, r.Doors = fullMap(r.Holidays), fullMap(r.Schedules), fullMap(r.Groups), fullMap(r.Doors)
}

func full[T any](x []T) []T {
	if len(x) == 0 {
		return nil
	}
	return slices.Clip(x)
}

func fullMap[T any](x map[string]T) map[string]T {
	if len(x) == 0 {
		return nil
	}
	return x
}
