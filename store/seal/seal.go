// Package seal keeps personal data unreadable without the key: AES-256-GCM, one row a time.
//
// A [Ring] holds the keys of one installation. The first seals, all of them open, so a key
// is changed in three steps that may be interrupted anywhere: write the new key in front of
// the old one, [Ring.Reseal] every row, drop the old key. What is sealed is bound to its
// [Place]; moved to another person, revision, model or kind of data it does not open.
//
// A sealed blob is: one byte 1 (the format), 8 bytes key id, 12 bytes random nonce, then
// ciphertext and tag. The additional data are the first 9 bytes and the place, each text
// with its length in front. The key id is the start of a SHA-256 and tells nothing of the
// key. The same text sealed twice gives different blobs.
//
// Keys are 256 random bits; there are no pass phrases here, and no choice of cipher. A Ring
// is never changed and may be used from any goroutine. It prints as its key id.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// KeySize is the size of a key in bytes.
const KeySize = 32

const (
	format  = 1
	idSize  = 8
	header  = 1 + idSize
	nonce   = 12
	tag     = 16
	minSize = header + nonce + tag
)

// ErrSealed means that a blob was made by another key, for another place, or was altered.
// Which of them is not revealed.
var ErrSealed = errors.New("sealed data do not open")

// A Place says what sealed data are. Data open only at the place they were sealed for.
type Place struct {
	Kind     string // the sort of data, such as "template"
	Person   string
	Revision uint64
	Model    string
}

// appendTo appends an encoding that no other place has.
func (p Place) appendTo(b []byte) []byte {
	b = append(b, "facegate seal\x00"...)
	for _, s := range [...]string{p.Kind, p.Person, p.Model} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return binary.BigEndian.AppendUint64(b, p.Revision)
}

type key struct {
	id   [idSize]byte
	aead cipher.AEAD
}

// A Ring holds the keys of an installation, the one that seals first.
type Ring struct{ keys []key }

// NewRing makes a ring of keys of KeySize bytes; the first seals. It keeps no reference to them.
func NewRing(keys ...[]byte) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key")
	}
	r := new(Ring)
	for i, k := range keys {
		if len(k) != KeySize {
			return nil, fmt.Errorf("key %d has %d bytes, not %d", i+1, len(k), KeySize)
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(append([]byte("facegate key id\x00"), k...))
		id := [idSize]byte(sum[:])
		if r.find(id[:]) != nil {
			return nil, fmt.Errorf("key %d is given twice", i+1)
		}
		r.keys = append(r.keys, key{id: id, aead: aead})
	}
	return r, nil
}

// ID names the key that seals, in hex. It is no secret.
func (r *Ring) ID() string { return hex.EncodeToString(r.keys[0].id[:]) }

// Len is the number of keys.
func (r *Ring) Len() int { return len(r.keys) }

// String is the id, so that printing a ring shows no key.
func (r *Ring) String() string { return "key " + r.ID() }

// Format prints the id whatever the verb, so that no verb shows a key.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) } // a Formatter cannot report

// LogValue is the id.
func (r *Ring) LogValue() slog.Value { return slog.StringValue(r.ID()) }

// Seal encrypts text for its place with the first key.
func (r *Ring) Seal(at Place, text []byte) []byte {
	k := &r.keys[0]
	b := make([]byte, header+nonce, minSize+len(text))
	b[0] = format
	copy(b[1:], k.id[:])
	_, _ = rand.Read(b[header:]) // never fails: crypto/rand ends the program instead
	aad := at.appendTo(append(make([]byte, 0, 128), b[:header]...))
	return k.aead.Seal(b, b[header:], text, aad)
}

// Open returns the text that was sealed for this place, or ErrSealed. It does not change blob.
func (r *Ring) Open(at Place, blob []byte) ([]byte, error) { return r.OpenTo(nil, at, blob) }

// OpenTo appends the text to dst, which must not overlap blob.
func (r *Ring) OpenTo(dst []byte, at Place, blob []byte) ([]byte, error) {
	if len(blob) < minSize || blob[0] != format {
		return nil, ErrSealed
	}
	k := r.find(blob[1:header])
	if k == nil {
		return nil, ErrSealed
	}
	aad := at.appendTo(append(make([]byte, 0, 128), blob[:header]...))
	text, err := k.aead.Open(dst, blob[header:header+nonce], blob[header+nonce:], aad)
	if err != nil {
		return nil, ErrSealed
	}
	return text, nil
}

// Reseal returns blob sealed by the first key, and whether that needed doing. Running it
// again over rows of which some are done already is safe.
func (r *Ring) Reseal(at Place, blob []byte) (sealed []byte, changed bool, err error) {
	text, err := r.Open(at, blob)
	if err != nil {
		return nil, false, err
	}
	if r.Current(blob) {
		return blob, false, nil
	}
	return r.Seal(at, text), true, nil
}

// Current reports whether blob says that the first key sealed it.
func (r *Ring) Current(blob []byte) bool {
	return len(blob) >= header && bytes.Equal(blob[1:header], r.keys[0].id[:])
}

func (r *Ring) find(id []byte) *key {
	for i := range r.keys {
		if bytes.Equal(r.keys[i].id[:], id) {
			return &r.keys[i]
		}
	}
	return nil
}
