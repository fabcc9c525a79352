// Package pin turns PINs into hashes and checks what was typed against them.
//
// A hash is Argon2id (RFC 9106) with 19 MiB, two passes and one lane, in the usual text form
// "$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH", salt and hash in base64 without padding. Whoever
// gets hold of the hashes alone pays that price for each guess; a PIN of four digits has ten
// thousand, so the store seals the hashes besides, and wrong tries lock a person out.
//
// [Check] takes the same time whether a person has a PIN or not, as long as all hashes were
// made by this package. Functions are safe for concurrent use; each needs 19 MiB while it runs.
// Nothing here prints or returns a PIN, not in an error either.
package pin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds of a PIN in digits.
const (
	Shortest = 4
	Longest  = 12
)

// ErrWeak means that a PIN is not fit to be one. The error that wraps it says why.
var ErrWeak = errors.New("the PIN cannot be used")

// params are what a hash says of how it was made.
type params struct {
	memory uint32 // KiB
	passes uint32
	lanes  uint8
}

// current are the parameters of new hashes.
func current() params { return params{memory: 19456, passes: 2, lanes: 1} }

// most bounds what a hash may ask for: whoever can write one must not take the memory or the
// time of the machine.
func most() params { return params{memory: 64 << 10, passes: 8, lanes: 4} }

const (
	saltSize = 16
	hashSize = 32
	longest  = 256 // of a hash's text
)

// Usable returns an error wrapping ErrWeak, with the reason, unless typed is 4 to 12 digits
// that are neither all the same nor a run like 1234 or 8765 (0 stands beside both 1 and 9).
func Usable(typed string) error {
	if len(typed) < Shortest || len(typed) > Longest {
		return fmt.Errorf("%w: it must have %d to %d digits", ErrWeak, Shortest, Longest)
	}
	if strings.ContainsFunc(typed, func(r rune) bool { return r < '0' || r > '9' }) {
		return fmt.Errorf("%w: it must be digits only", ErrWeak)
	}
	step := (typed[1] - typed[0] + 10) % 10 // of a byte: 9 is one down
	for i := 1; i < len(typed); i++ {
		if (typed[i]-typed[i-1]+10)%10 != step {
			return nil
		}
	}
	switch step {
	case 0:
		return fmt.Errorf("%w: all its digits are the same", ErrWeak)
	case 1, 9:
		return fmt.Errorf("%w: its digits are a plain run", ErrWeak)
	}
	return nil
}

// Hash makes a hash of a new PIN with a salt of its own. The error wraps [ErrWeak] where the PIN
// is not [Usable].
func Hash(typed string) (string, error) {
	if err := Usable(typed); err != nil {
		return "", err
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	p := current()
	return p.text(salt, p.key(typed, salt, hashSize)), nil
}

// text is a hash as it is kept.
func (p params) text(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.passes, p.lanes, b64.EncodeToString(salt), b64.EncodeToString(key))
}

func (p params) key(typed string, salt []byte, size int) []byte {
	return argon2.IDKey([]byte(typed), salt, p.passes, p.memory, p.lanes, uint32(size))
}

// Check reports whether typed is the PIN that hash was made of. An empty or unreadable hash is
// nobody's, and takes the same time to find out. To check a PIN and a duress PIN, check both
// whatever the first says, so that the time does not tell which it was.
func Check(hash, typed string) bool {
	p, salt, want, ok := parse(hash)
	if !ok {
		p, salt, want = current(), make([]byte, saltSize), make([]byte, hashSize)
	}
	if len(typed) > Longest {
		typed, ok = typed[:Longest], false
	}
	same := subtle.ConstantTimeCompare(p.key(typed, salt, len(want)), want) == 1
	return same && ok
}

// Waste takes the time that [Check] takes, for somebody who is not known.
func Waste(typed string) { Check("", typed) }

// parse reads a hash. Parameters beyond most, and anything but the one spelling, are refused.
func parse(hash string) (p params, salt, key []byte, ok bool) {
	parts := strings.Split(hash, "$")
	if len(hash) > longest || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return params{}, nil, nil, false
	}
	if p, ok = parseParams(parts[3]); !ok {
		return params{}, nil, nil, false
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, saltErr := b64.DecodeString(parts[4])
	key, keyErr := b64.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(salt) > 64 || len(key) < 16 || len(key) > 64 ||
		strings.ContainsAny(parts[4]+parts[5], "\r\n") { // base64 skips line breaks
		return params{}, nil, nil, false
	}
	return p, salt, key, true
}

func parseParams(text string) (p params, ok bool) {
	values := strings.Split(text, ",")
	if len(values) != 3 {
		return params{}, false
	}
	limit := most()
	var n [3]uint64
	for i, x := range []struct {
		name string
		most uint64
	}{{"m=", uint64(limit.memory)}, {"t=", uint64(limit.passes)}, {"p=", uint64(limit.lanes)}} {
		digits, named := strings.CutPrefix(values[i], x.name)
		v, err := strconv.ParseUint(digits, 10, 32)
		if !named || err != nil || v == 0 || v > x.most || strconv.FormatUint(v, 10) != digits {
			return params{}, false
		}
		n[i] = v
	}
	p = params{memory: uint32(n[0]), passes: uint32(n[1]), lanes: uint8(n[2])}
	return p, p.memory >= 8*uint32(p.lanes) // RFC 9106, 3.1
}
