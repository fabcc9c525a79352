package store

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// maxPage is how many bytes of bodies [Tx.Records] returns at once, the last one not counted.
const maxPage = 16 << 20

// A Record is something an API keeps between calls: a request, an authentication, a session, a
// token that can be used once. What is in it is the API's business.
type Record struct {
	Kind    string // lower-case letters, digits and dots: "argos.auth"
	ID      string // unique within the kind, 1..128 bytes; never a secret: keep a hash of one
	Owner   string // whose list it is in, such as the key's project; at most 128 bytes
	Person  string // whom it is about: it is erased with them. May be empty
	Face    bool   // it holds the person's face, and goes with their consent
	Created time.Time
	Expires time.Time // from when it is no longer there; the zero time is never
	Body    []byte    // sealed, at most 4 MiB
	Seq     int64     // grows with every record that is added; given by the store
}

// LogValue is kind and id: a log does not hold what is in it.
func (r Record) LogValue() slog.Value { return slog.StringValue(r.Kind + " " + r.ID) }

// Format prints kind and id whatever the verb.
func (r Record) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "record %s %s", r.Kind, r.ID) }

func (r Record) check() error {
	if r.Kind == "" || len(r.Kind) > 32 || strings.Trim(r.Kind, "abcdefghijklmnopqrstuvwxyz0123456789.") != "" {
		return fmt.Errorf("%w: record kind %q", access.ErrInvalid, r.Kind)
	}
	if r.ID == "" {
		return fmt.Errorf("%w: a record needs an id", access.ErrInvalid)
	}
	if len(r.Body) > maxText {
		return fmt.Errorf("%w: a record of %d bytes, more than %d", access.ErrInvalid, len(r.Body), maxText)
	}
	for _, t := range []struct{ what, text string }{{"record id", r.ID}, {"record owner", r.Owner}, {"record's person", r.Person}} {
		if err := checkWord(t.what, t.text, 128); err != nil {
			return err
		}
	}
	return nil
}

// place binds all that is in the clear but seq.
func (r Record) place() seal.Place {
	text := r.Kind + "\n" + r.ID + "\n" + r.Owner + "\n" + strconv.Itoa(number(r.Face)) + "\n" + strconv.FormatInt(r.Created.UnixMilli(), 10)
	return seal.Place{Kind: "record", Person: r.Person, Revision: uint64(milli(r.Expires)), Model: text}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// milli is a time as it is kept: 0 where there is none.
func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// now is the transaction's moment; a View has none of its own.
func (tx *Tx) now() time.Time {
	if tx.act.At.IsZero() {
		return time.Now()
	}
	return tx.act.At
}

const recordColumns = "seq, kind, id, owner, person, face, created, expires, sealed"

func (tx *Tx) openRecord(scan func(...any) error) (r Record, err error) {
	var sealed []byte
	var created, expires int64
	if err := scan(&r.Seq, &r.Kind, &r.ID, &r.Owner, &r.Person, &r.Face, &created, &expires, &sealed); err != nil {
		return Record{}, err
	}
	r.Created, r.Expires = time.UnixMilli(created).UTC(), fromMilli(expires)
	if r.Body, err = tx.db.ring.Open(r.place(), sealed); err != nil {
		return Record{}, fmt.Errorf("%v: %w", r, err)
	}
	return r, nil
}

// PutRecord keeps a record, in place of one of the same kind and id, whose number and time of
// creation it takes over. No event is recorded. The error wraps access.ErrInvalid where r is not
// fit to keep.
func (tx *Tx) PutRecord(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	var created, expires int64
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT created, expires FROM record WHERE kind = ? AND id = ?", r.Kind, r.ID).Scan(&created, &expires)
	there := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read record: %w", err)
	}
	if there && expires != 0 && expires <= tx.now().UnixMilli() {
		if err := tx.DeleteRecord(r.Kind, r.ID); err != nil {
			return err
		}
		there = false
	}
	r.Created, r.Expires = tx.now().UTC().Truncate(time.Millisecond), toMilli(r.Expires)
	if there {
		r.Created = time.UnixMilli(created).UTC()
	}
	_, err = tx.sql.ExecContext(tx.ctx, `INSERT INTO record (kind, id, owner, person, face, created, expires, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET owner = excluded.owner, person = excluded.person, face = excluded.face,
		expires = excluded.expires, sealed = excluded.sealed`,
		r.Kind, r.ID, r.Owner, r.Person, r.Face, r.Created.UnixMilli(), milli(r.Expires), tx.db.ring.Seal(r.place(), r.Body))
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}

// Record is the record of a kind with an id. The error wraps access.ErrNotFound where there is
// none or it has expired, and seal.ErrSealed where the row was damaged.
func (tx *Tx) Record(kind, id string) (Record, error) {
	row := tx.sql.QueryRowContext(tx.ctx, "SELECT "+recordColumns+" FROM record WHERE kind = ? AND id = ? AND (expires = 0 OR expires > ?)",
		kind, id, tx.now().UnixMilli())
	r, err := tx.openRecord(row.Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Record{}, fmt.Errorf("record %s %s: %w", kind, id, access.ErrNotFound)
	case err != nil:
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	return r, nil
}

// DeleteRecord erases a record, expired or not. The error wraps access.ErrNotFound where there is
// none.
func (tx *Tx) DeleteRecord(kind, id string) error {
	n, err := tx.deleteRecords("kind = ? AND id = ?", kind, id)
	if err == nil && n == 0 {
		err = fmt.Errorf("record %s %s: %w", kind, id, access.ErrNotFound)
	}
	tx.erased = tx.erased || n > 0
	return err
}

// TakeRecord is [Tx.Record] and deletes it: whoever gets it is the only one. What was in it is
// overwritten in the write-ahead log some time later; erase with [Tx.DeleteRecord] what must be
// gone at once.
func (tx *Tx) TakeRecord(kind, id string) (Record, error) {
	r, err := tx.Record(kind, id)
	if err != nil {
		return Record{}, err
	}
	_, err = tx.deleteRecords("seq = ?", r.Seq)
	return r, err
}

// Records are at most limit records of a kind and owner after the one with number after, the
// oldest first. Fewer are returned where their bodies together are long: go on after the last
// one's Seq until there are none. Errors are as in [Tx.Record].
func (tx *Tx) Records(kind, owner string, after int64, limit int) ([]Record, error) {
	return tx.records(kind, owner, after, limit, "")
}

// RecordsBetween is [Tx.Records] of those that were made from a time on and before another.
func (tx *Tx) RecordsBetween(kind, owner string, from, to time.Time, after int64, limit int) ([]Record, error) {
	return tx.records(kind, owner, after, limit, "AND created >= ? AND created < ?", from.UnixMilli(), to.UnixMilli())
}

// records are those of a list that a condition of this file holds for too.
func (tx *Tx) records(kind, owner string, after int64, limit int, where string, args ...any) ([]Record, error) {
	args = append([]any{kind, owner, after, tx.now().UnixMilli()}, append(args, max(limit, 0))...)
	rows, err := tx.sql.QueryContext(tx.ctx, "SELECT "+recordColumns+` FROM record
		WHERE kind = ? AND owner = ? AND seq > ? AND (expires = 0 OR expires > ?) `+where+` ORDER BY seq LIMIT ?`, args...)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	defer rows.Close()
	var list []Record
	for size := 0; size < maxPage && rows.Next(); {
		r, err := tx.openRecord(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read records: %w", err)
		}
		list, size = append(list, r), size+len(r.Body)
	}
	return list, rows.Err()
}

// listedRecords are the numbers of a list's records. An index has all of it: no row is looked at, so
// that a list of many thousands is counted in milliseconds.
const listedRecords = `SELECT seq FROM record
	WHERE kind = ? AND owner = ? AND seq NOT IN (SELECT seq FROM record WHERE expires > 0 AND expires <= ?)`

// CountRecords is how many records of a kind and owner there are. Damaged ones count.
func (tx *Tx) CountRecords(kind, owner string) (n int, err error) {
	err = tx.sql.QueryRowContext(tx.ctx, "SELECT count(*) FROM ("+listedRecords+")", kind, owner, tx.now().UnixMilli()).Scan(&n)
	if err != nil {
		err = fmt.Errorf("count records: %w", err)
	}
	return n, err
}

// SkipRecords is the number after which [Tx.Records] goes on where the first n records of a kind and
// owner are left out, damaged ones among them.
func (tx *Tx) SkipRecords(kind, owner string, n int) (after int64, err error) {
	err = tx.sql.QueryRowContext(tx.ctx, "SELECT coalesce(max(seq), 0) FROM ("+listedRecords+" ORDER BY seq LIMIT ?)",
		kind, owner, tx.now().UnixMilli(), max(n, 0)).Scan(&after)
	if err != nil {
		err = fmt.Errorf("skip records: %w", err)
	}
	return after, err
}

// ExpireRecords erases the records that have expired by now, at most 1000, and returns how many.
func (tx *Tx) ExpireRecords(now time.Time) (int, error) {
	n, err := tx.deleteRecords("seq IN (SELECT seq FROM record WHERE expires > 0 AND expires <= ? LIMIT 1000)", now.UnixMilli())
	tx.erased = tx.erased || n > 0
	return n, err
}

// deleteRecords deletes the records that a condition of this file holds for.
func (tx *Tx) deleteRecords(where string, args ...any) (int, error) {
	res, err := tx.sql.ExecContext(tx.ctx, "DELETE FROM record WHERE "+where, args...)
	if err != nil {
		return 0, fmt.Errorf("delete records: %w", err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}
