package access

import (
	"errors"
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
	Unlock      time.Duration // how long a door stays unlocked for them, if longer than the door's time
	Visitor     bool          // valid for a limited time only, and escorted where a door asks for that
	NoFace      bool          // gave no face data: passes with the PIN where a door allows it
	PIN         string        // argon2id, access/pin; empty: none
	Duress      string        // like PIN: opens, and raises a silent alarm
	Consent     *Consent      // to keeping a template; nil: not given, or withdrawn
	Bypass      *Bypass       // nil: none
	Revision    uint64        // grows with every change; set by the store
	Created     time.Time
	Changed     time.Time
}

// A Consent is a person's agreement that templates of their face are kept.
type Consent struct {
	Text    string // version of the text that was agreed to
	At      time.Time
	How     string // screen, paper, admin or api
	Witness string // who says so; may be empty
}

// A Bypass is an administrator's leave to pass without meeting a door's rules, at doors that
// accept one. While it holds, schedules, groups, PIN, second person, protective equipment,
// anti-passback and the lock-out of a face that is seen are waived, and the PIN alone is enough;
// what proves who somebody is, the lock-out of a PIN that is typed alone, a block, validity and a
// lock-down are not waived.
type Bypass struct {
	Since, Until time.Time // Until is exclusive
	Reason       string
	Author       string
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
	if p.Visitor && p.ValidUntil.IsZero() {
		return fmt.Errorf("%w: a visitor's validity must end", ErrInvalid)
	}
	if p.Unlock < 0 || p.Unlock > maxUnlock {
		return fmt.Errorf("%w: an unlock time of %v is not between 0 and %v", ErrInvalid, p.Unlock, maxUnlock)
	}
	if err := errors.Join(checkText("PIN", p.PIN, 256), checkText("duress PIN", p.Duress, 256)); err != nil {
		return err
	}
	if p.Duress != "" && p.PIN == "" {
		return fmt.Errorf("%w: a duress PIN needs a PIN beside it", ErrInvalid)
	}
	if c := p.Consent; c != nil {
		if c.At.IsZero() || c.Text == "" {
			return fmt.Errorf("%w: a consent needs a text version and a time", ErrInvalid)
		}
		if err := errors.Join(checkText("consent text", c.Text, 128), checkText("how of the consent", c.How, 32), checkText("witness", c.Witness, 128)); err != nil {
			return err
		}
	}
	if b := p.Bypass; b != nil {
		if b.Reason == "" || b.Author == "" || !b.Since.Before(b.Until) {
			return fmt.Errorf("%w: a bypass needs a reason, an author and an end after its beginning", ErrInvalid)
		}
		if err := errors.Join(checkText("reason of the bypass", b.Reason, 200), checkText("author of the bypass", b.Author, 100)); err != nil {
			return err
		}
	}
	return nil
}

// maxUnlock is the longest time a door may be unlocked for one person.
const maxUnlock = 5 * time.Minute

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
