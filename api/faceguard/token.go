package faceguard

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"facegate/api"
	"facegate/store"
)

// The types of token. One is never taken for the other.
const (
	portalToken  = "portal"
	sessionToken = "session"
)

// portalFor is how long a portal token and all that is made of it can be used.
const portalFor = 30 * time.Minute

// Claims are what a token says. It names neither the customer nor the key: those are in the
// store, under its id or that of the session, and without them a token is worth nothing.
type claims struct {
	Type     string `json:"typ"`
	Issuer   string `json:"iss"` // the workflow
	ID       string `json:"jti"`
	Session  string `json:"sid,omitempty"` // of a session token
	IssuedAt int64  `json:"iat"`
	Expires  int64  `json:"exp"`
}

func (c *claims) expires() time.Time { return time.Unix(c.Expires, 0).UTC() }

// tokenHeader is the one header there is, as the original's sample token begins.
func tokenHeader() string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"EdDSA"}`))
}

// signer is the key that signs the tokens of a workflow. It follows from the project's secret,
// so that tokens end with the project.
func signer(p store.Project) (ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, []byte(p.Secret), nil, "faceguard token", ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive signing key: %w", err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// sign is the token: a JSON web token of RFC 7519, signed as RFC 8037 says.
func (c *claims) sign(p store.Project) (string, error) {
	key, err := signer(p)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := tokenHeader() + "." + base64.RawURLEncoding.EncodeToString(text)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(signed))), nil
}

// maxToken bounds a token that is looked at, in bytes.
const maxToken = 2 << 10

// errToken is a token that is not taken, whatever the reason.
func errToken(why string) error { return &api.Error{Code: api.UnknownKey, Detail: "token " + why} }

// unverified reads what a token says. Nothing of it is true before verify. The error is an
// *api.Error of code NoKey or UnknownKey.
func unverified(token string) (claims, error) {
	var c claims
	if token == "" {
		return c, &api.Error{Code: api.NoKey}
	}
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 || parts[0] != tokenHeader() {
		return c, errToken("malformed")
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil || api.Decode(text, &c) != nil || c.Issuer == "" || c.ID == "" {
		return c, errToken("malformed")
	}
	return c, nil
}

// verify checks that a token is one of a type that the workflow signed and that has not
// expired. The error is an *api.Error of code UnknownKey.
func (c *claims) verify(token, typ string, p store.Project, now time.Time) error {
	key, err := signer(p)
	if err != nil {
		return err
	}
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.Strict().DecodeString(token[dot+1:])
	public, ok := key.Public().(ed25519.PublicKey)
	switch {
	case !ok:
		return errors.New("a signing key without a public one")
	case err != nil, !ed25519.Verify(public, []byte(token[:dot]), signature):
		return errToken("not ours")
	case c.Type != typ:
		return errToken("of another type")
	case !now.Before(c.expires()):
		return errToken("expired")
	}
	return nil
}

// newID is an id that cannot be guessed.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}
