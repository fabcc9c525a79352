package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"facegate/access"
	"facegate/store/seal"
)

// A head is where the chain stands: the last event and its hash.
type head struct {
	seq  uint64
	hash access.Hash
}

// A ChainError says where the audit trail first is not what was written, and why.
type ChainError struct {
	Seq uint64 // first bad event; for a cut-off end the first missing one
	Why string
}

// Error is the place and the reason.
func (e *ChainError) Error() string {
	return fmt.Sprintf("audit trail broken at event %d: %s", e.Seq, e.Why)
}

// chainSecret is the place of the key that authenticates the chain. It is a secret of its
// own, so that changing the store's key leaves the chain as it is.
func chainSecret() seal.Place { return seal.Place{Kind: "secret", Model: "chain"} }

// origin is the hash before the first event of an epoch.
func origin(epoch uint64) access.Hash {
	b := binary.BigEndian.AppendUint64([]byte("facegate event chain\x00"), epoch)
	return sha256.Sum256(b)
}

// A position is what a message authentication code speaks for: an event, or the chain's end.
type position byte

const (
	anEvent position = 'e'
	theEnd  position = 'h'
)

// A notary authenticates positions of one chain. It is not safe for concurrent use.
type notary struct {
	epoch uint64
	hmac  hash.Hash
}

func (db *DB) notary() notary { return notary{db.epoch, hmac.New(sha256.New, db.macKey)} }

// mac is HMAC-SHA-256 over the kind of position, epoch, number and hash.
func (n notary) mac(what position, h head) []byte {
	b := append(make([]byte, 0, 64), byte(what))
	b = binary.BigEndian.AppendUint64(b, n.epoch)
	b = binary.BigEndian.AppendUint64(b, h.seq)
	n.hmac.Reset()
	n.hmac.Write(append(b, h.hash[:]...))
	return n.hmac.Sum(nil)
}

// openChain reads the chain's secret, or begins a chain in a store that has none, and opens
// the anchor. It fails where the key does not open the secret.
func (db *DB) openChain(ctx context.Context) error {
	if err := db.beginChain(ctx); err != nil {
		return fmt.Errorf("begin audit trail: %w", err)
	}
	var sealed []byte
	err := db.reader.QueryRowContext(ctx, "SELECT sealed FROM secret WHERE name = 'chain'").Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return &Error{CodeCorrupt, "rows were taken out of the database: restore a backup", errors.New("the secret of the audit trail is missing")}
	}
	if err != nil {
		return err
	}
	secret, err := db.ring.Open(chainSecret(), sealed)
	if err != nil || len(secret) != macKeySize+8 {
		return &Error{CodeKey, "the key file is another store's: bring back the one this database was made with", fmt.Errorf("secret of the audit trail: %w", seal.ErrSealed)}
	}
	db.macKey, db.epoch = secret[:macKeySize:macKeySize], binary.BigEndian.Uint64(secret[macKeySize:])
	if db.anchor, err = openAnchor(db.path+"-head", db.notary); err != nil {
		return err
	}
	if broken, err := db.Broken(ctx); err != nil || broken != nil {
		return err // a break is for the caller to ask about
	}
	h, err := db.readHead(ctx)
	if err != nil {
		return err
	}
	return db.anchor.put(h)
}

const macKeySize = 32

// beginChain gives a store that never had a chain its secret and first head.
func (db *DB) beginChain(ctx context.Context) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing; before one the error at hand counts
	var used bool
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM chain) OR EXISTS (SELECT 1 FROM event)
		OR EXISTS (SELECT 1 FROM secret WHERE name = 'chain')`).Scan(&used)
	if err != nil || used {
		return err
	}
	secret := make([]byte, macKeySize+8)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	db.macKey, db.epoch = secret[:macKeySize], binary.BigEndian.Uint64(secret[macKeySize:])
	if _, err := tx.ExecContext(ctx, "INSERT INTO secret VALUES ('chain', ?)", db.ring.Seal(chainSecret(), secret)); err != nil {
		return err
	}
	t := &Tx{ctx: ctx, sql: tx, db: db, head: head{hash: origin(db.epoch)}}
	if err := t.writeHead(); err != nil {
		return err
	}
	return tx.Commit()
}

// readHead is the chain's end as the database has it.
func (db *DB) readHead(ctx context.Context) (h head, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		h, err = tx.readHead()
		return err
	})
	return h, err
}

// readHead is the chain's end as the database has it. It returns a *ChainError where the row
// was not written by this store or the last event is not the one it names.
func (tx *Tx) readHead() (h head, err error) {
	var hash, mac, last []byte
	var end, signed uint64
	err = tx.sql.QueryRowContext(tx.ctx, `SELECT chain.seq, chain.hash, chain.mac, event.hash,
			(SELECT coalesce(max(seq), 0) FROM event), (SELECT coalesce(max(seq), 0) FROM signed_head)
		FROM chain LEFT JOIN event ON event.seq = chain.seq`).Scan(&h.seq, &hash, &mac, &last, &end, &signed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return head{}, &ChainError{1, "the record of the chain's end is missing"}
	case err != nil:
		return head{}, err
	case len(hash) != len(h.hash):
		return head{}, &ChainError{max(end, 1), "the record of the chain's end is not genuine"}
	}
	h.hash = access.Hash(hash)
	switch {
	case !hmac.Equal(mac, tx.db.notary().mac(theEnd, h)):
		return head{}, &ChainError{max(end, 1), "the record of the chain's end is not genuine"}
	case end < h.seq:
		return head{}, &ChainError{end + 1, fmt.Sprintf("events %d to %d are missing", end+1, h.seq)}
	case end > h.seq:
		return head{}, &ChainError{h.seq + 1, "events were added by something else"}
	case h.seq > 0 && !hmac.Equal(hash, last):
		return head{}, &ChainError{h.seq, "the last event is not the one the chain ends with"}
	case signed > h.seq:
		return head{}, &ChainError{h.seq + 1, fmt.Sprintf("events %d to %d were cut off: the device has signed the last of them", h.seq+1, signed)}
	}
	return h, nil
}

// writeHead records where this transaction leaves the chain.
func (tx *Tx) writeHead() error {
	h := tx.head
	_, err := tx.sql.ExecContext(tx.ctx, "INSERT OR REPLACE INTO chain VALUES (1, ?, ?, ?)", h.seq, h.hash[:], tx.db.notary().mac(theEnd, h))
	return err
}

// Broken looks at the chain's end, which takes no longer however long the chain is: broken
// is nil where it is whole, else says what is missing. While the end is broken no event can be
// appended, because that would cover up the break; [DB.Reanchor] goes on after one.
func (db *DB) Broken(ctx context.Context) (broken *ChainError, err error) {
	// The anchor is read first: it is written after the commit, so it may lag behind the
	// database that is read next, but never runs ahead of it.
	anchored, state, err := db.anchor.get()
	if err != nil {
		return nil, err
	}
	err = db.View(ctx, func(tx *Tx) error {
		h, err := tx.readHead()
		if err != nil {
			return err
		}
		return tx.agree(anchored, state, h)
	})
	if broken, ok := errors.AsType[*ChainError](err); ok {
		return broken, nil
	}
	return nil, err
}

// agree returns a *ChainError where the anchor was not written along with this chain.
func (tx *Tx) agree(anchored head, state anchorState, h head) error {
	switch {
	case state == anchorMissing && h.seq == 0:
		return nil // a new store, not yet anchored
	case state == anchorMissing:
		return &ChainError{h.seq, "the anchor beside the database is missing: whether events were cut off cannot be told"}
	case state == anchorForeign:
		return &ChainError{max(h.seq, 1), "the anchor beside the database is not this store's: the database was replaced, or the anchor altered"}
	case anchored.seq > h.seq:
		return &ChainError{h.seq + 1, fmt.Sprintf("events %d to %d were cut off", h.seq+1, anchored.seq)}
	case anchored.seq == 0:
		return nil
	}
	var hash []byte
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT hash FROM event WHERE seq = ?", anchored.seq).Scan(&hash)
	if err == nil && !hmac.Equal(hash, anchored.hash[:]) || errors.Is(err, sql.ErrNoRows) {
		return &ChainError{anchored.seq, "the event is not the one that was anchored"}
	}
	return err
}

// A Verified is what a whole audit trail comes to.
type Verified struct {
	Events uint64      `json:"events"`
	Head   access.Hash `json:"head"`   // hash of the last event
	Signed int         `json:"signed"` // heads signed by the device, all of them in the chain
}

// VerifyEvents recomputes the whole chain and compares it with the heads that the device has
// signed, and its end with the sealed head and the anchor. It returns a *[ChainError] with the first bad event where a record was edited,
// deleted, inserted, swapped or cut off, or a signature forged; any other error means that it
// could not be read.
func (db *DB) VerifyEvents(ctx context.Context) (v Verified, err error) {
	anchored, state, err := db.anchor.get() // first, for the reason given in Broken
	if err != nil {
		return Verified{}, err
	}
	err = db.View(ctx, func(tx *Tx) error {
		last := head{hash: origin(db.epoch)}
		if err := tx.walk(&last); err != nil {
			return err
		}
		v = Verified{Events: last.seq, Head: last.hash}
		h, err := tx.readHead()
		if err != nil {
			return err
		}
		if err := tx.agree(anchored, state, h); err != nil {
			return err
		}
		v.Signed, err = tx.checkSigned()
		return err
	})
	return v, err
}

// walk follows the chain from last to its end, and leaves last at the last good event.
func (tx *Tx) walk(last *head) error {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT seq, body, prev, hash, mac FROM event WHERE seq > ? ORDER BY seq", last.seq)
	if err != nil {
		return err
	}
	defer rows.Close()
	notary := tx.db.notary()
	for rows.Next() {
		var seq uint64
		var body, prev, hash, mac sql.RawBytes
		if err := rows.Scan(&seq, &body, &prev, &hash, &mac); err != nil {
			return err
		}
		want := last.seq + 1
		link := access.Link(last.hash, body)
		switch {
		case seq != want:
			return &ChainError{want, "the event is missing"}
		case !hmac.Equal(prev, last.hash[:]):
			return &ChainError{seq, "it does not follow the event before it"}
		case !hmac.Equal(hash, link[:]):
			return &ChainError{seq, "it was altered: the hash does not fit its content"}
		case !hmac.Equal(mac, notary.mac(anEvent, head{seq, link})):
			return &ChainError{seq, "it was not written by this store: the content was altered and the hash made to fit"}
		}
		last.seq, last.hash = seq, link
	}
	return rows.Err()
}

// trustedHead is the chain's end, to append to. The anchor is read every time: another
// process may have moved it on, and the end may be cut off while this one runs.
func (tx *Tx) trustedHead() (head, error) {
	anchored, state, err := tx.db.anchor.get()
	if err != nil {
		return head{}, err
	}
	h, err := tx.readHead()
	if err != nil {
		return head{}, err
	}
	return h, tx.agree(anchored, state, h)
}

// Reanchor goes on after a break at the chain's end that a person has looked at: it appends
// an event health.raised that says what was found and which event was expected last, and
// makes it the end of the chain. Where the end is whole it returns an error. Damage further
// back stays for [DB.VerifyEvents] to find.
func (db *DB) Reanchor(ctx context.Context, act Act) (e access.Event, err error) {
	broken, err := db.Broken(ctx)
	if err != nil {
		return access.Event{}, err
	}
	if broken == nil {
		return access.Event{}, errors.New("the audit trail's end is whole")
	}
	anchored, state, err := db.anchor.get()
	if err != nil {
		return access.Event{}, err
	}
	data := map[string]string{"condition": "audit_broken", "first": fmt.Sprint(broken.Seq), "why": broken.Why}
	if state == anchorGood {
		data["anchored"], data["anchored_hash"] = fmt.Sprint(anchored.seq), anchored.hash.String()
	}
	var end head
	err = db.Update(ctx, act, func(tx *Tx) error {
		tx.head, tx.grown = head{hash: origin(db.epoch)}, true
		var hash []byte
		err := tx.sql.QueryRowContext(ctx, "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").Scan(&tx.head.seq, &hash)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		copy(tx.head.hash[:], hash)
		gone, err := tx.dropSigned(tx.head.seq)
		if err != nil {
			return err
		}
		if gone.Seq > 0 {
			data["signed"], data["signed_hash"] = fmt.Sprint(gone.Seq), gone.Hash.String()
		}
		// Events that are gone cannot be sent, and their numbers are given again.
		if _, err := tx.sql.ExecContext(ctx, "DELETE FROM outbox WHERE seq > ?", tx.head.seq); err != nil {
			return err
		}
		e, err = tx.link(access.Event{Kind: access.KindHealthRaised, Data: data})
		end = tx.head
		return err
	})
	if err != nil {
		return access.Event{}, err
	}
	return e, db.anchor.replace(end)
}
