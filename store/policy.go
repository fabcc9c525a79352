package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"facegate/access"
	"facegate/store/seal"
)

// A Policy is the text of a site's rules as somebody set them.
type Policy struct {
	Revision uint64 // 1, 2, 3 …
	Body     string // of the policy file
	Author   string // source of the change
	At       time.Time
}

func policyPlace(rev uint64) seal.Place { return seal.Place{Kind: "policy", Revision: rev} }

// SetPolicy makes body, at most 4 MiB of text, the policy, keeps those before it, and records
// policy.changed with the SHA-256 of body. It returns the policy's revision. What the text means
// is for the caller to check. The error wraps access.ErrInvalid where body is not fit to keep.
func (tx *Tx) SetPolicy(body string) (rev uint64, err error) {
	if len(body) > maxText || !utf8.ValidString(body) {
		return 0, fmt.Errorf("%w: a policy of %d bytes that is not UTF-8 or longer than %d", access.ErrInvalid, len(body), maxText)
	}
	if rev, err = policyRevision(tx.ctx, tx.sql); err != nil {
		return 0, fmt.Errorf("read policy: %w", err)
	}
	rev++
	_, err = tx.sql.ExecContext(tx.ctx, "INSERT INTO policy VALUES (?, ?, ?, ?)",
		rev, tx.db.ring.Seal(policyPlace(rev), []byte(body)), tx.act.Source, tx.act.At.UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("write policy: %w", err)
	}
	sum := sha256.Sum256([]byte(body))
	_, err = tx.Append(access.Event{
		Kind: access.KindPolicyChanged, Policy: rev, Data: map[string]string{"sha256": hex.EncodeToString(sum[:])},
	})
	return rev, err
}

// Policy is the newest policy. The error wraps access.ErrNotFound where none was ever set, and
// seal.ErrSealed where it is not what was set.
func (db *DB) Policy(ctx context.Context) (Policy, error) {
	return db.policy(ctx, "ORDER BY rev DESC LIMIT 1")
}

// PolicyAt is the policy of a revision, with errors as [DB.Policy].
func (db *DB) PolicyAt(ctx context.Context, rev uint64) (Policy, error) {
	return db.policy(ctx, "WHERE rev = ?", int64(min(rev, 1<<63-1)))
}

func (db *DB) policy(ctx context.Context, where string, args ...any) (p Policy, err error) {
	var sealed []byte
	var at int64
	row := db.reader.QueryRowContext(ctx, "SELECT rev, sealed, author, at FROM policy "+where, args...)
	switch err := row.Scan(&p.Revision, &sealed, &p.Author, &at); {
	case errors.Is(err, sql.ErrNoRows):
		return Policy{}, fmt.Errorf("policy: %w", access.ErrNotFound)
	case err != nil:
		return Policy{}, classify(fmt.Errorf("read policy: %w", err))
	}
	body, err := db.ring.Open(policyPlace(p.Revision), sealed)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %d: %w", p.Revision, err)
	}
	p.Body, p.At = string(body), time.UnixMilli(at).UTC()
	return p, nil
}

// Policies are all that were ever set, the newest first, without their bodies.
func (db *DB) Policies(ctx context.Context) ([]Policy, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT rev, author, at FROM policy ORDER BY rev DESC")
	if err != nil {
		return nil, classify(fmt.Errorf("read policies: %w", err))
	}
	defer rows.Close()
	var list []Policy
	for rows.Next() {
		var p Policy
		var at int64
		if err := rows.Scan(&p.Revision, &p.Author, &at); err != nil {
			return nil, classify(fmt.Errorf("read policies: %w", err))
		}
		p.At = time.UnixMilli(at).UTC()
		list = append(list, p)
	}
	return list, classify(rows.Err())
}

// PolicyRevision is the newest policy's revision, 0 where none was ever set. Reading it is
// cheap enough to do several times a second.
func (db *DB) PolicyRevision(ctx context.Context) (uint64, error) {
	rev, err := policyRevision(ctx, db.reader)
	return rev, classify(err)
}

func policyRevision(ctx context.Context, q queryer) (rev uint64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(rev), 0) FROM policy").Scan(&rev)
	return rev, err
}
