package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"facegate/access"
	"facegate/store"
)

// Keys checks the keys of calls and how often they are used. It is safe for concurrent use.
type Keys struct {
	db *store.DB

	mu      sync.Mutex
	buckets map[string]bucket // by "key" id or "person" id
	seen    map[secretHash]store.Key
	swept   time.Time
}

func rateOf(key store.Key) rate {
	if key.Rate == 0 {
		return keyRate()
	}
	return rate{float64(key.Rate), 2 * float64(key.Rate)}
}

// A secretHash stands for a secret. Keys that were seen lately are known by it, so that their
// calls, where there are too many, are refused without asking the store. Nothing else is granted
// by it: a key may have been revoked since.
type secretHash [sha256.Size]byte

// NewKeys returns the keys of a store.
func NewKeys(db *store.DB) *Keys {
	return &Keys{db: db, buckets: make(map[string]bucket), seen: make(map[secretHash]store.Key)}
}

// A bucket is how many calls are left, and when that was counted.
type bucket struct {
	left float64
	at   time.Time
}

// A rate is how many calls are allowed in a second, and how many at once.
type rate struct{ per, burst float64 }

// The rates of a key that has none of its own, and of what is tried for one person.
func keyRate() rate    { return rate{10, 20} }
func personRate() rate { return rate{5.0 / 60, 5} }

// Authenticate returns the key with the secret that is one of an API and has a scope. The
// error is an [*Error] of code NoKey, UnknownKey, NoScope or TooMany.
func (k *Keys) Authenticate(ctx context.Context, secret, api, scope string, now time.Time) (store.Key, error) {
	if secret == "" {
		return store.Key{}, &Error{Code: NoKey}
	}
	hash := secretHash(sha256.Sum256([]byte(secret)))
	seen, counted := k.lately(hash)
	if counted {
		if err := k.call("key "+seen.ID, rateOf(seen), now); err != nil {
			return seen, err
		}
	}
	key, err := k.db.KeyBySecret(ctx, secret)
	switch {
	case errors.Is(err, access.ErrNotFound):
		return store.Key{}, &Error{Code: UnknownKey}
	case err != nil:
		return store.Key{}, &Error{Err: err}
	case key.API != api:
		return store.Key{}, &Error{Code: UnknownKey}
	}
	if !counted {
		k.remember(hash, key)
		if err := k.call("key "+key.ID, rateOf(key), now); err != nil {
			return key, err
		}
	}
	if !key.Allows(scope) {
		return key, &Error{Code: NoScope}
	}
	return key, nil
}

func (k *Keys) lately(hash secretHash) (store.Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.seen[hash]
	return key, ok
}

func (k *Keys) remember(hash secretHash, key store.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[hash] = key
}

// holders is how many times the rate of a key all that hold its tokens have together.
const holders = 10

// Call counts a call by the holder of a token that stands for a key, at the rate of keys; the
// token is named by its public id. The error is an [*Error] of code TooMany.
func (k *Keys) Call(key store.Key, token string, now time.Time) error {
	if err := k.call("token "+token, keyRate(), now); err != nil {
		return err
	}
	r := rateOf(key)
	return k.call("tokens of "+key.ID, rate{holders * r.per, holders * r.burst}, now)
}

func (k *Keys) call(name string, r rate, now time.Time) error {
	if wait := k.take(name, r, now); wait > 0 {
		return &Error{Code: TooMany, OfKey: true, RetryAfter: wait}
	}
	return nil
}

// Try counts a try for one person, who may be nobody. The error is an [*Error] of code TooMany.
func (k *Keys) Try(person string, now time.Time) error {
	if wait := k.take("person "+person, personRate(), now); wait > 0 {
		return &Error{Code: TooMany, RetryAfter: wait}
	}
	return nil
}

// TryOther is [Keys.Try] for what is no person: a document, an address.
func (k *Keys) TryOther(name string, now time.Time) error {
	if wait := k.take("other "+name, personRate(), now); wait > 0 {
		return &Error{Code: TooMany, RetryAfter: wait}
	}
	return nil
}

// take takes one call out of a bucket, or says how long there is to wait.
func (k *Keys) take(name string, r rate, now time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sweep(now)
	b, ok := k.buckets[name]
	if !ok {
		b = bucket{r.burst, now}
	}
	b.left = min(r.burst, b.left+max(0, now.Sub(b.at).Seconds())*r.per)
	b.at = now
	if b.left < 1 {
		k.buckets[name] = b
		return time.Duration((1 - b.left) / r.per * float64(time.Second))
	}
	b.left--
	k.buckets[name] = b
	return 0
}

// sweep forgets buckets that are full again, so that names nobody has used for long take no
// memory.
func (k *Keys) sweep(now time.Time) {
	if now.Sub(k.swept) < time.Minute && !now.Before(k.swept) {
		return
	}
	k.swept = now
	for name, b := range k.buckets {
		if age := now.Sub(b.at); age > 2*time.Minute || age < 0 {
			delete(k.buckets, name)
		}
	}
	clear(k.seen)
}
