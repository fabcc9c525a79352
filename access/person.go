package access

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Person is somebody who may be let in. The id is opaque and is what records carry; the
// name is for people to read and leaves the program only where an administrator asked.
type Person struct {
	ID          string // 1 to 64 bytes of printable text
	Name        string
	Groups      []string
	ValidFrom   time.Time // zero: since always
	ValidUntil  time.Time // exclusive; zero: for ever
	Blocked     bool
	BlockReason string
	Revision    uint64 // grows with every change; set by the store
	Created     time.Time
	Changed     time.Time
}

// Check returns an error wrapping ErrInvalid that names the first thing wrong with p.
func (p Person) Check() error {
	if err := CheckID(p.ID); err != nil {
		return err
	}
	if err := checkText("name", p.Name, 256); err != nil {
		return err
	}
	if err := checkText("reason of the block", p.BlockReason, 256); err != nil {
		return err
	}
	if len(p.Groups) > 64 {
		return fmt.Errorf("%w: more than 64 groups", ErrInvalid)
	}
	for i, g := range p.Groups {
		if g == "" || slices.Contains(p.Groups[:i], g) {
			return fmt.Errorf("%w: group %q is empty or named twice", ErrInvalid, g)
		}
		if err := checkText("group", g, 64); err != nil {
			return err
		}
	}
	if !p.ValidFrom.IsZero() && !p.ValidUntil.IsZero() && !p.ValidFrom.Before(p.ValidUntil) {
		return fmt.Errorf("%w: validity ends before it begins", ErrInvalid)
	}
	return nil
}

// CheckID returns an error wrapping ErrInvalid where id cannot be a person's: it must be 1
// to 64 bytes of printable text without a blank at either end.
func CheckID(id string) error {
	if id == "" || strings.TrimSpace(id) != id {
		return fmt.Errorf("%w: a person id must be text without blanks around it", ErrInvalid)
	}
	return checkText("person id", id, 64)
}

// checkText accepts valid UTF-8 of limited length without control characters, so that it
// is the same text in a terminal, a log and a canonical record.
func checkText(what, s string, limit int) error {
	switch {
	case len(s) > limit:
		return fmt.Errorf("%w: %s is longer than %d bytes", ErrInvalid, what, limit)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, what)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%w: %s holds a control character", ErrInvalid, what)
	}
	return nil
}

// LogValue is the id: a log holds no names.
func (p Person) LogValue() slog.Value { return slog.StringValue(p.ID) }

// refusal is why p may pass nowhere at now, or "".
func (p Person) refusal(now time.Time) (Reason, string) {
	limited := !p.ValidFrom.IsZero() || !p.ValidUntil.IsZero()
	switch {
	case p.Blocked:
		return ReasonBlocked, "the person is blocked"
	case limited && now.IsZero():
		return ReasonNotYetValid, "the person's validity is limited and the time is not known"
	case !p.ValidFrom.IsZero() && now.Before(p.ValidFrom):
		return ReasonNotYetValid, "valid from " + stamp(p.ValidFrom)
	case !p.ValidUntil.IsZero() && !now.Before(p.ValidUntil):
		return ReasonExpired, "was valid until " + stamp(p.ValidUntil)
	}
	return "", ""
}

// A Lookup finds a person by id.
type Lookup func(id string) (Person, bool)

// A Directory is people by id, in memory.
type Directory map[string]Person

// NewDirectory indexes people by id.
func NewDirectory(people []Person) Directory {
	d := make(Directory, len(people))
	for _, p := range people {
		d[p.ID] = p
	}
	return d
}

// Person is a [Lookup].
func (d Directory) Person(id string) (Person, bool) {
	p, ok := d[id]
	return p, ok
}
