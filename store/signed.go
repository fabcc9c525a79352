package store

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// A SignedHead is an end of the audit trail that the device has signed. Whoever holds one, and
// the device's public key, can tell later whether a trail still contains that end
// (docs/audit.md).
type SignedHead struct {
	Chain     access.Hash `json:"chain"` // prev of the trail's first event
	Seq       uint64      `json:"seq"`   // of the last event
	Hash      access.Hash `json:"hash"`  // of that event
	At        time.Time   `json:"at"`    // to the millisecond
	Key       string      `json:"key"`   // KeyID of the public key
	Signature []byte      `json:"signature"`
}

// message is what is signed.
func (h SignedHead) message() []byte {
	b := append(make([]byte, 0, 128), "facegate head v1\x00"...)
	b = append(b, h.Chain[:]...)
	b = binary.BigEndian.AppendUint64(b, h.Seq)
	b = append(b, h.Hash[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(h.At.UnixMilli()))
}

// Genuine reports whether the device with this public key signed h.
func (h SignedHead) Genuine(public ed25519.PublicKey) bool {
	return len(public) == ed25519.PublicKeySize && h.Key == KeyID(public) && ed25519.Verify(public, h.message(), h.Signature)
}

// KeyID names a public key: the first 8 bytes of its SHA-256 in hex.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// deviceSecret is the place of the device's private key, kept as its seed.
func deviceSecret() seal.Place { return seal.Place{Kind: "secret", Model: "device"} }

// deviceKey is the device's private key. The error wraps access.ErrNotFound where there is none yet.
func (tx *Tx) deviceKey() (ed25519.PrivateKey, error) {
	var sealed []byte
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT sealed FROM secret WHERE name = 'device'").Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("device key: %w", access.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read device key: %w", err)
	}
	seed, err := tx.db.ring.Open(deviceSecret(), sealed)
	defer clear(seed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("device key: %w", seal.ErrSealed)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// makeDeviceKey gives a store its device key and records key.created with the public one.
func (tx *Tx) makeDeviceKey() (ed25519.PrivateKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if _, err := tx.sql.ExecContext(tx.ctx, "INSERT INTO secret VALUES ('device', ?)", tx.db.ring.Seal(deviceSecret(), private.Seed())); err != nil {
		return nil, fmt.Errorf("write device key: %w", err)
	}
	_, err = tx.Append(access.Event{
		Kind: access.KindKeyCreated, Data: map[string]string{"use": "device", "key": KeyID(public), "public": hex.EncodeToString(public)},
	})
	return private, err
}

// PublicKey is the device's public key. The error wraps access.ErrNotFound before the first
// [DB.SignHead].
func (db *DB) PublicKey(ctx context.Context) (public ed25519.PublicKey, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		private, err := tx.deviceKey()
		if err == nil {
			public = private.Public().(ed25519.PublicKey) //nolint:forcetypeassert // its documented type
		}
		return err
	})
	return public, err
}

// SignHead signs the trail's end with the device's key, which the first call makes. Where the
// end has not moved since the last signature that one is returned. A *[ChainError] means that
// the end was tampered with; it is not signed then.
func (db *DB) SignHead(ctx context.Context, act Act) (h SignedHead, err error) {
	err = db.Update(ctx, act, func(tx *Tx) error {
		private, err := tx.deviceKey()
		if errors.Is(err, access.ErrNotFound) {
			private, err = tx.makeDeviceKey()
		}
		if err != nil {
			return err
		}
		end := tx.head
		if !tx.grown {
			if end, err = tx.trustedHead(); err != nil {
				return err
			}
		}
		public := private.Public().(ed25519.PublicKey) //nolint:forcetypeassert // its documented type
		last, err := tx.signedHeads("ORDER BY seq DESC LIMIT 1")
		if err != nil {
			return err
		}
		if len(last) == 1 && last[0].Seq == end.seq && last[0].Hash == end.hash && last[0].Genuine(public) {
			h = last[0]
			return nil
		}
		h = SignedHead{Chain: origin(db.epoch), Seq: end.seq, Hash: end.hash, At: tx.act.At, Key: KeyID(public)}
		h.Signature = ed25519.Sign(private, h.message())
		_, err = tx.sql.ExecContext(ctx, "INSERT OR REPLACE INTO signed_head VALUES (?, ?, ?, ?, ?)",
			h.Seq, h.Hash[:], h.At.UnixMilli(), h.Key, h.Signature)
		return err
	})
	if err != nil {
		return SignedHead{}, fmt.Errorf("sign the end of the audit trail: %w", err)
	}
	return h, nil
}

// SignedHeads are all ends that were signed, the oldest first.
func (db *DB) SignedHeads(ctx context.Context) (list []SignedHead, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		list, err = tx.signedHeads("ORDER BY seq")
		return err
	})
	return list, err
}

func (tx *Tx) signedHeads(order string) ([]SignedHead, error) {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT seq, hash, at, key, signature FROM signed_head "+order)
	if err != nil {
		return nil, fmt.Errorf("read signed heads: %w", err)
	}
	defer rows.Close()
	var list []SignedHead
	for rows.Next() {
		h := SignedHead{Chain: origin(tx.db.epoch)}
		var hash []byte
		var at int64
		if err := rows.Scan(&h.Seq, &hash, &at, &h.Key, &h.Signature); err != nil {
			return nil, fmt.Errorf("read signed heads: %w", err)
		}
		copy(h.Hash[:], hash) // another length is not what was signed
		h.At = time.UnixMilli(at).UTC()
		list = append(list, h)
	}
	return list, rows.Err()
}

// checkSigned compares the signed heads with a chain that is whole and as long as they say, and
// returns how many there are, or a *ChainError with the first event that is not what was signed.
func (tx *Tx) checkSigned() (int, error) {
	heads, err := tx.signedHeads("ORDER BY seq")
	if err != nil || len(heads) == 0 {
		return 0, err
	}
	private, err := tx.deviceKey()
	if errors.Is(err, access.ErrNotFound) || errors.Is(err, seal.ErrSealed) {
		return 0, &ChainError{heads[0].Seq, "the end was signed here and the device's key is not genuine"}
	}
	if err != nil {
		return 0, err
	}
	public := private.Public().(ed25519.PublicKey) //nolint:forcetypeassert // its documented type
	for _, h := range heads {
		if !h.Genuine(public) {
			return 0, &ChainError{h.Seq, "the signed head is not genuine"}
		}
		var hash []byte
		if err := tx.sql.QueryRowContext(tx.ctx, "SELECT hash FROM event WHERE seq = ?", h.Seq).Scan(&hash); err != nil {
			return 0, fmt.Errorf("read event %d: %w", h.Seq, err)
		}
		if !hmac.Equal(hash, h.Hash[:]) {
			return 0, &ChainError{h.Seq, "the event is not the one that the device has signed"}
		}
	}
	return len(heads), nil
}

// dropSigned takes away the signatures of events that are gone, and returns the newest of
// them, or a zero head.
func (tx *Tx) dropSigned(end uint64) (SignedHead, error) {
	last, err := tx.signedHeads("ORDER BY seq DESC LIMIT 1")
	if err != nil || len(last) == 0 || last[0].Seq <= end {
		return SignedHead{}, err
	}
	_, err = tx.sql.ExecContext(tx.ctx, "DELETE FROM signed_head WHERE seq > ?", end)
	return last[0], err
}
