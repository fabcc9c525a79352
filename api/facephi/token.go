package facephi

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

// A token is a registeredTemplateRaw that was opened, or is to be made: version, key id, nonce,
// and AES-256-GCM over the template, with site and user as additional data.
//
//	1 byte 0x01 | 4 key id | 12 nonce | sealed: 1 flags | 2 numbers | 4 bytes a number | model id
//
// Numbers are big-endian.
type token struct {
	serial   string // the nonce in hexadecimal, which is no secret
	template api.Template
}

// LogValue is the serial.
func (t token) LogValue() slog.Value { return slog.StringValue(t.serial) }

const (
	tokenVersion = 1
	keyIDSize    = 4
	nonceSize    = 12
	flagMasked   = 1
	maxNumbers   = 4096
)

// errToken means that a token is not of this site and user.
var errToken = errors.New("the token does not belong to the user")

// A tokenKey seals tokens.
type tokenKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

func newTokenKey(secret []byte) (*tokenKey, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("token key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("token key: %w", err)
	}
	sum := sha256.Sum256(secret)
	return &tokenKey{[keyIDSize]byte(sum[:keyIDSize]), aead}, nil
}

// tokenKey is the site's, which is made when it is first asked for and kept sealed in the store.
func (h *handler) tokenKey(ctx context.Context, act store.Act) (*tokenKey, error) {
	const kind, id = "facephi.key", "1"
	h.keyMu.Lock()
	defer h.keyMu.Unlock()
	if h.key != nil {
		return h.key, nil
	}
	var secret []byte
	err := h.DB.Update(ctx, act, func(tx *store.Tx) error {
		r, err := tx.Record(kind, id)
		if err == nil {
			secret = r.Body
			return nil
		}
		if !errors.Is(err, access.ErrNotFound) {
			return err
		}
		secret = make([]byte, 32)
		_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
		return tx.PutRecord(store.Record{Kind: kind, ID: id, Body: secret})
	})
	if err != nil {
		return nil, fmt.Errorf("token key: %w", err)
	}
	h.key, err = newTokenKey(secret)
	return h.key, err
}

// bound is what a token is bound to. A name cannot hold the separator.
func bound(site, user string) []byte { return []byte(site + "\x00" + user) }

// seal makes a token of a template.
func (k *tokenKey) seal(site, user string, t api.Template) (text, serial string) {
	var flags byte
	if t.Masked {
		flags |= flagMasked
	}
	plain := binary.BigEndian.AppendUint16([]byte{flags}, uint16(len(t.Vector)))
	for _, x := range t.Vector {
		plain = binary.BigEndian.AppendUint32(plain, math.Float32bits(x))
	}
	plain = append(plain, t.Model...)
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails: crypto/rand ends the program instead
	out := append([]byte{tokenVersion}, k.id[:]...)
	out = append(out, nonce[:]...)
	out = k.aead.Seal(out, nonce[:], plain, bound(site, user))
	clear(plain)
	return base64.StdEncoding.EncodeToString(out), hex.EncodeToString(nonce[:])
}

// open reads a token of a user. The error is errToken, whatever is wrong.
func (k *tokenKey) open(site, user string, text []byte) (token, error) {
	const head = 1 + keyIDSize + nonceSize
	if len(text) < head || text[0] != tokenVersion || [keyIDSize]byte(text[1:1+keyIDSize]) != k.id {
		return token{}, errToken
	}
	nonce := text[1+keyIDSize : head]
	plain, err := k.aead.Open(nil, nonce, text[head:], bound(site, user))
	if err != nil {
		return token{}, errToken
	}
	defer clear(plain)
	t := token{serial: hex.EncodeToString(nonce)}
	t.template, err = readTemplate(plain)
	return t, err
}

// readTemplate reads what a token seals.
func readTemplate(plain []byte) (api.Template, error) {
	if len(plain) < 3 {
		return api.Template{}, errToken
	}
	t := api.Template{Masked: plain[0]&flagMasked != 0}
	n := int(binary.BigEndian.Uint16(plain[1:]))
	plain = plain[3:]
	if n == 0 || n > maxNumbers || len(plain) <= 4*n {
		return api.Template{}, errToken
	}
	t.Vector = make([]float32, n)
	for i := range t.Vector {
		t.Vector[i] = math.Float32frombits(binary.BigEndian.Uint32(plain[4*i:]))
	}
	t.Model = string(plain[4*n:])
	return t, nil
}
