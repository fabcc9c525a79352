package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"facegate/access"
	"facegate/store/seal"
)

// The APIs that a key may be of.
const (
	APIFacephi   = "facephi"
	APILapis     = "lapis"
	APIArgos     = "argos"
	APIBaf       = "baf"
	APIFaceguard = "faceguard"
	APINative    = "native"
)

// The scopes of a key. None includes another.
const (
	ScopeRead         = "read"         // look at what was kept
	ScopeAuthenticate = "authenticate" // have faces judged and compared
	ScopeEnrol        = "enrol"        // keep faces
	ScopeAdmin        = "admin"        // change and delete
	ScopeUnlock       = "unlock"       // open a door that allows it to an API; unlock:NAME, that door only
)

// APIs are all that a key may be of.
func APIs() []string {
	return []string{APIFacephi, APILapis, APIArgos, APIBaf, APIFaceguard, APINative}
}

// Scopes are all that a key may have.
func Scopes() []string {
	return []string{ScopeRead, ScopeAuthenticate, ScopeEnrol, ScopeAdmin, ScopeUnlock}
}

// maxKeys bounds the keys of a store, revoked ones among them.
const maxKeys = 1000

// maxRate bounds the calls a second that a key may be allowed.
const maxRate = 1000

// A Key is what a client of an API shows instead of a password. Its secret is not part of it:
// the store has only a hash.
type Key struct {
	ID      string // public, 8 characters
	Name    string // as the audit trail's source shows it; may be empty
	API     string // one of [APIs]
	Project string // of that API; may be empty
	Scopes  []string
	Consent string // version of the text that those whom it enrols have agreed to, or empty
	Rate    int    // calls a second that it may make, and twice as many at once; 0: what is usual
	Created time.Time
	Author  string    // source of who made it
	Revoked time.Time // zero while it is valid
}

// Allows reports whether the key has a scope. A revoked key has none.
func (k Key) Allows(scope string) bool {
	return k.Revoked.IsZero() && slices.Contains(k.Scopes, scope)
}

// Label is the name, or the id where there is none.
func (k Key) Label() string {
	if k.Name == "" {
		return k.ID
	}
	return k.Name
}

// Unlocks reports whether the key has the scope to open a door.
func (k Key) Unlocks(door string) bool {
	return k.Allows(ScopeUnlock) || k.Allows(ScopeUnlock+":"+door)
}

// LogValue is the id.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.ID) }

// Check returns an error wrapping access.ErrInvalid that names the first thing wrong with what
// k is to be.
func (k Key) Check() error {
	if !slices.Contains(APIs(), k.API) {
		return fmt.Errorf("%w: there is no API %q, but %s", access.ErrInvalid, k.API, strings.Join(APIs(), ", "))
	}
	if len(k.Scopes) == 0 {
		return fmt.Errorf("%w: a key needs a scope: %s", access.ErrInvalid, strings.Join(Scopes(), ", "))
	}
	for i, s := range k.Scopes {
		if door, ok := strings.CutPrefix(s, ScopeUnlock+":"); ok {
			if err := access.CheckID(door); err != nil {
				return fmt.Errorf("%w: scope %q names no door", access.ErrInvalid, s)
			}
		} else if !slices.Contains(Scopes(), s) {
			return fmt.Errorf("%w: there is no scope %q, but %s", access.ErrInvalid, s, strings.Join(Scopes(), ", "))
		}
		if slices.Contains(k.Scopes[:i], s) {
			return fmt.Errorf("%w: scope %q is named twice", access.ErrInvalid, s)
		}
	}
	if k.API == APIArgos && k.Project == "" {
		return fmt.Errorf("%w: a key of argos needs a project, whose thresholds it stands for", access.ErrInvalid)
	}
	if k.Rate < 0 || k.Rate > maxRate {
		return fmt.Errorf("%w: %d calls a second are not 0 to %d", access.ErrInvalid, k.Rate, maxRate)
	}
	for _, t := range []struct{ what, text string }{{"key name", k.Name}, {"project name", k.Project}, {"consent text version", k.Consent}} {
		if err := checkWord(t.what, t.text, 64); err != nil {
			return err
		}
	}
	return nil
}

// checkWord accepts printable text of at most limit bytes without a blank at either end.
func checkWord(what, s string, limit int) error {
	if len(s) > limit || !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%w: a %s must be text of at most %d bytes without control characters or blanks around it", access.ErrInvalid, what, limit)
	}
	return nil
}

// keyData is what is sealed of a key: all but the id.
type keyData struct {
	Hash    []byte    `json:"hash,omitempty"` // so that a row's hash cannot be exchanged for another
	Name    string    `json:"name,omitempty"`
	API     string    `json:"api"`
	Project string    `json:"project,omitempty"`
	Scopes  []string  `json:"scopes"`
	Consent string    `json:"consent,omitempty"`
	Rate    int       `json:"rate,omitempty"`
	Created time.Time `json:"created"`
	Author  string    `json:"author"`
	Revoked time.Time `json:"revoked,omitzero"`
}

func keyPlace(id string) seal.Place { return seal.Place{Kind: "key", Model: id} }

func (db *DB) sealKey(k Key, hash []byte) ([]byte, error) {
	text, err := json.Marshal(keyData{hash, k.Name, k.API, k.Project, k.Scopes, k.Consent, k.Rate, k.Created, k.Author, k.Revoked})
	if err != nil {
		return nil, err
	}
	return db.ring.Seal(keyPlace(k.ID), text), nil
}

func (db *DB) openKey(id string, hash, sealed []byte) (Key, error) {
	text, err := db.ring.Open(keyPlace(id), sealed)
	if err != nil {
		return Key{ID: id}, fmt.Errorf("key %s: %w", id, err)
	}
	var in keyData
	if err := json.Unmarshal(text, &in); err != nil || string(in.Hash) != string(hash) {
		return Key{ID: id}, fmt.Errorf("key %s: %w", id, seal.ErrSealed)
	}
	return Key{id, in.Name, in.API, in.Project, in.Scopes, in.Consent, in.Rate, in.Created, in.Author, in.Revoked}, nil
}

// newSecret is 256 random bits in base64url.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hashSecret is what a secret is looked up by. The secret is 256 random bits, so that a plain
// hash cannot be turned back, and neither can the time a look-up takes.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// AddKey makes a key and records key.created with its id, API, project, scopes and the version
// of the consent text. It gives id, time and author, and returns the key with its secret,
// which is base64url and for baf begins with "sk_"; nothing can show the secret again. The
// error wraps access.ErrInvalid where k is not fit to keep, access.ErrExists where a valid key
// has the name, access.ErrTooMany, and access.ErrNotFound where argos has no such project.
func (tx *Tx) AddKey(k Key) (_ Key, secret string, err error) {
	if err := k.Check(); err != nil {
		return Key{}, "", err
	}
	if k.API == APIArgos {
		if _, err := tx.Project(k.API, k.Project); err != nil {
			return Key{}, "", err
		}
	}
	all, err := tx.Keys()
	if err != nil {
		return Key{}, "", err
	}
	if len(all) >= maxKeys {
		return Key{}, "", fmt.Errorf("%d keys: %w", len(all), access.ErrTooMany)
	}
	for _, other := range all {
		if k.Name != "" && k.Name == other.Name && other.Revoked.IsZero() {
			return Key{}, "", fmt.Errorf("a key named %s: %w", k.Name, access.ErrExists)
		}
	}
	secret = newSecret()
	if k.API == APIBaf {
		secret = "sk_" + secret
	}
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	k.ID = strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
	k.Scopes = slices.Clone(k.Scopes)
	k.Created, k.Author, k.Revoked = tx.act.At, tx.act.Source, time.Time{}
	hash := hashSecret(secret)
	sealed, err := tx.db.sealKey(k, hash)
	if err != nil {
		return Key{}, "", err
	}
	if _, err := tx.sql.ExecContext(tx.ctx, "INSERT INTO api_key VALUES (?, ?, ?)", k.ID, hash, sealed); err != nil {
		return Key{}, "", fmt.Errorf("write key: %w", err)
	}
	_, err = tx.Append(access.Event{Kind: access.KindKeyCreated, Data: k.data()})
	return k, secret, err
}

// data is a key as its events tell it.
func (k Key) data() map[string]string {
	d := map[string]string{"use": "api", "id": k.ID, "api": k.API, "scopes": strings.Join(k.Scopes, ",")}
	for name, value := range map[string]string{"name": k.Name, "project": k.Project, "consent": k.Consent} {
		if value != "" {
			d[name] = value
		}
	}
	if k.Rate != 0 {
		d["rate"] = strconv.Itoa(k.Rate)
	}
	return d
}

// RevokeKey ends a key for good and records key.revoked. Its row stays, without the hash of the
// secret. The error wraps access.ErrNotFound where there is no such key, and it was not revoked
// before. A key whose row was damaged is revoked all the same.
func (tx *Tx) RevokeKey(id string) (Key, error) {
	var hash, sealed []byte
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT hash, sealed FROM api_key WHERE id = ?", id).Scan(&hash, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, fmt.Errorf("key %s: %w", id, access.ErrNotFound)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	k, err := tx.db.openKey(id, hash, sealed)
	if err != nil && !errors.Is(err, seal.ErrSealed) {
		return Key{}, err
	}
	if !k.Revoked.IsZero() {
		return Key{}, fmt.Errorf("key %s, which is not revoked: %w", id, access.ErrNotFound)
	}
	k.Revoked = tx.act.At
	if sealed, err = tx.db.sealKey(k, nil); err != nil {
		return Key{}, err
	}
	if _, err := tx.sql.ExecContext(tx.ctx, "UPDATE api_key SET hash = NULL, sealed = ? WHERE id = ?", sealed, id); err != nil {
		return Key{}, fmt.Errorf("write key: %w", err)
	}
	_, err = tx.Append(access.Event{Kind: access.KindKeyRevoked, Data: k.data()})
	return k, err
}

// KeyBySecret is the valid key that has a secret. It is found by the secret's hash, so how long
// that takes tells nothing of the secrets there are. The error wraps access.ErrNotFound where no
// key has it, or one that is revoked, and seal.ErrSealed where the row was damaged.
func (db *DB) KeyBySecret(ctx context.Context, secret string) (Key, error) {
	unknown := fmt.Errorf("key: %w", access.ErrNotFound)
	if len(secret) > 64 { // longer than any there is
		return Key{}, unknown
	}
	var id string
	var sealed []byte
	hash := hashSecret(secret)
	err := db.reader.QueryRowContext(ctx, "SELECT id, sealed FROM api_key WHERE hash = ?", hash).Scan(&id, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, unknown
	}
	if err != nil {
		return Key{}, classify(fmt.Errorf("read key: %w", err))
	}
	k, err := db.openKey(id, hash, sealed)
	if err == nil && !k.Revoked.IsZero() {
		err = unknown
	}
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

// Key is the key with an id, also one that is revoked. The error wraps access.ErrNotFound where
// there is none, and seal.ErrSealed where the row was damaged.
func (db *DB) Key(ctx context.Context, id string) (Key, error) {
	var hash, sealed []byte
	err := db.reader.QueryRowContext(ctx, "SELECT hash, sealed FROM api_key WHERE id = ?", id).Scan(&hash, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, fmt.Errorf("key %s: %w", id, access.ErrNotFound)
	}
	if err != nil {
		return Key{}, classify(fmt.Errorf("read key: %w", err))
	}
	return db.openKey(id, hash, sealed)
}

// Keys are all keys, revoked ones too, the oldest first. A damaged row is a key of which only
// the id is known: it allows nothing, and can be revoked.
func (db *DB) Keys(ctx context.Context) (list []Key, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		list, err = tx.Keys()
		return err
	})
	return list, err
}

// Keys is [DB.Keys] within a transaction.
func (tx *Tx) Keys() ([]Key, error) {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT id, hash, sealed FROM api_key")
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	defer rows.Close()
	var list []Key
	for rows.Next() {
		var id string
		var hash, sealed []byte
		if err := rows.Scan(&id, &hash, &sealed); err != nil {
			return nil, fmt.Errorf("read keys: %w", err)
		}
		k, err := tx.db.openKey(id, hash, sealed)
		if err != nil && !errors.Is(err, seal.ErrSealed) {
			return nil, err
		}
		list = append(list, k)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	slices.SortFunc(list, func(a, b Key) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list, nil
}
