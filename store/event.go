package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"facegate/access"
)

// Append makes e the next event of the audit trail and puts it in the outbox. It gives the
// number, id and hash, takes time, clock and source from the transaction's [Act] where e has
// none, and returns the event as it is recorded. The event exists once the transaction has
// committed. A *[ChainError] means that the end of the trail was tampered with; an event
// that has no canonical form gives an error wrapping access.ErrInvalid. After an error the
// transaction cannot be committed: what it changed would be unrecorded.
func (tx *Tx) Append(e access.Event) (access.Event, error) {
	err := tx.unrecorded
	if err == nil && !tx.grown {
		tx.head, err = tx.trustedHead()
		tx.grown = err == nil
	}
	if err == nil {
		e, err = tx.link(e)
	}
	if err != nil {
		tx.unrecorded = fmt.Errorf("append event: %w", err)
		return access.Event{}, tx.unrecorded
	}
	return e, nil
}

// link appends e after tx.head.
func (tx *Tx) link(e access.Event) (access.Event, error) {
	e.Seq = tx.head.seq + 1
	if e.Time.IsZero() {
		e.Time = tx.act.At
	}
	if e.Clock == "" {
		e.Clock = tx.act.Clock
	}
	if e.Source == "" {
		e.Source = tx.act.Source
	}
	if e.ID == "" {
		e.ID = newID(tx.act.At)
	}
	e, body, err := e.Chain(tx.head.hash)
	if err != nil {
		return access.Event{}, err
	}
	_, err = tx.sql.ExecContext(tx.ctx, "INSERT INTO event VALUES (?, ?, ?, ?, ?)",
		e.Seq, string(body), e.Prev[:], e.Hash[:], tx.db.notary().mac(anEvent, head{e.Seq, e.Hash}))
	if err == nil {
		_, err = tx.sql.ExecContext(tx.ctx, "INSERT INTO outbox VALUES (?)", e.Seq)
	}
	if err == nil {
		err = tx.note(e)
	}
	if err != nil {
		return access.Event{}, err
	}
	tx.head, tx.pending = head{e.Seq, e.Hash}, true
	return e, nil
}

// AppendEvent is [Tx.Append] in a transaction of its own: when it returns without an error
// the event is on the disk. Whether a door opens after an error is the caller's policy.
func (db *DB) AppendEvent(ctx context.Context, act Act, e access.Event) (access.Event, error) {
	err := db.Update(ctx, act, func(tx *Tx) (err error) {
		e, err = tx.Append(e)
		return err
	})
	return e, err
}

// Events are the events after number since, oldest first, limit at most.
func (db *DB) Events(ctx context.Context, since uint64, limit int) (list []access.Event, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		list, err = tx.Events(since, limit)
		return err
	})
	return list, err
}

// Events are the events after number since, oldest first, limit at most. A record that does
// not decode gives a *[ChainError]; the events before it are returned with it.
func (tx *Tx) Events(since uint64, limit int) ([]access.Event, error) {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT seq, body, prev, hash FROM event WHERE seq > ? ORDER BY seq LIMIT ?",
		int64(min(since, 1<<63-1)), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	var list []access.Event
	for rows.Next() {
		var seq uint64
		var body, prev, hash []byte
		if err := rows.Scan(&seq, &body, &prev, &hash); err != nil {
			return list, fmt.Errorf("read events: %w", err)
		}
		e, err := access.DecodeEvent(body)
		if err != nil || e.Seq != seq || len(prev) != len(e.Prev) || len(hash) != len(e.Hash) {
			return list, &ChainError{seq, "the record cannot be read"}
		}
		e.Prev, e.Hash = access.Hash(prev), access.Hash(hash)
		list = append(list, e)
	}
	return list, rows.Err()
}

// Bounds of the search for where a time begins in the trail.
const (
	quiet  = 200     // events in a row that are older end it
	reach  = 200_000 // events that are looked at
	stride = 500     // events in memory at once
)

// EventsSince calls fn with the events of the time since and later, oldest first, until fn
// returns an error, which it passes on. Where the clock was set back, older events stand
// between them, and fn gets them too. The trail is read backwards until 200 events in a row
// are older, or 200 000 were looked at, so what lies behind those is not found. A record that
// does not decode gives a *[ChainError] after those before it. The write-ahead log cannot be
// emptied until fn is done.
func (db *DB) EventsSince(ctx context.Context, since time.Time, fn func(access.Event) error) error {
	return db.View(ctx, func(tx *Tx) error {
		first, err := tx.firstSince(since)
		for err == nil && first > 0 {
			var page []access.Event
			page, err = tx.Events(first-1, stride)
			for _, e := range page {
				if err := fn(e); err != nil {
					return err
				}
			}
			if len(page) < stride {
				break
			}
			first = page[len(page)-1].Seq + 1
		}
		return err
	})
}

// firstSince is the number of the first event of the given time or later, 0 where there is none.
func (tx *Tx) firstSince(since time.Time) (first uint64, err error) {
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT seq, body FROM event ORDER BY seq DESC LIMIT ?", reach)
	if err != nil {
		return 0, fmt.Errorf("read events: %w", err)
	}
	defer rows.Close()
	for older := 0; older < quiet && rows.Next(); {
		var seq uint64
		var body sql.RawBytes
		if err := rows.Scan(&seq, &body); err != nil {
			return 0, fmt.Errorf("read events: %w", err)
		}
		if at, ok := timeOf(body); ok && at.Before(since) {
			older++
		} else {
			first, older = seq, 0 // a damaged record is for the reader to meet
		}
	}
	return first, rows.Err()
}

// timeOf finds the time in canonical bytes without reading the rest: only a member's name
// stands between unescaped quotes before a colon.
func timeOf(body []byte) (time.Time, bool) {
	_, rest, ok := bytes.Cut(body, []byte(`,"time":"`))
	text, _, end := bytes.Cut(rest, []byte(`"`))
	if !ok || !end {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, string(text))
	return at, err == nil
}

// OldestUnsent is the time of the oldest event in the outbox, and how many wait there; the zero
// time and 0 where none does.
func (db *DB) OldestUnsent(ctx context.Context) (oldest time.Time, n int, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		var seq uint64
		err := tx.sql.QueryRowContext(ctx, "SELECT count(*), coalesce(min(seq), 0) FROM outbox").Scan(&n, &seq)
		if err != nil || n == 0 {
			return err
		}
		list, err := tx.Events(seq-1, 1)
		if err == nil && len(list) == 1 {
			oldest = list[0].Time
		}
		return err
	})
	return oldest, n, err
}

// LastEvent is the number of the newest event, 0 where there is none.
func (db *DB) LastEvent(ctx context.Context) (seq uint64, err error) {
	err = db.reader.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM event").Scan(&seq)
	return seq, classify(err)
}

// Follow gives the events after number since and then new ones as they come, looking for
// them every so often, whichever process appends them. It ends with ctx, without an error,
// or after an error.
func (db *DB) Follow(ctx context.Context, since uint64, every time.Duration) iter.Seq2[access.Event, error] {
	return func(yield func(access.Event, error) bool) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			list, err := db.Events(ctx, since, 256)
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
				since = e.Seq
			}
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(access.Event{}, err)
				return
			}
			if len(list) > 0 {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// newID is a UUID of version 7 (RFC 9562): the time in milliseconds, then random bits.
func newID(at time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails: crypto/rand ends the program instead
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	t := hex.EncodeToString(b[:])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}
