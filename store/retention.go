package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// note keeps when those whom a grant let in were last seen. A clock that is right corrects what
// one that was not has left behind.
func (tx *Tx) note(e access.Event) error {
	if e.Kind != access.KindGranted {
		return nil
	}
	for _, id := range []string{e.Person, e.Data["with"]} {
		if id == "" {
			continue
		}
		_, err := tx.sql.ExecContext(tx.ctx, `INSERT INTO seen SELECT id, ?2 FROM person WHERE id = ?1
			ON CONFLICT (person) DO UPDATE SET at = iif(?3, excluded.at, max(at, excluded.at))`,
			id, e.Time.UnixMilli(), e.Clock == access.ClockSynced)
		if err != nil {
			return fmt.Errorf("note who was seen: %w", err)
		}
	}
	return nil
}

// LastSeen is when a person last passed a door, the zero time where they never have. The error
// wraps access.ErrNotFound where there is nobody with the id.
func (tx *Tx) LastSeen(id string) (time.Time, error) {
	var at sql.NullInt64
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT seen.at FROM person LEFT JOIN seen ON seen.person = person.id WHERE id = ?", id).Scan(&at)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return time.Time{}, fmt.Errorf("person %s: %w", id, access.ErrNotFound)
	case err != nil:
		return time.Time{}, fmt.Errorf("read who was seen: %w", err)
	case !at.Valid:
		return time.Time{}, nil
	}
	return time.UnixMilli(at.Int64).UTC(), nil
}

// expireBatch bounds how long an Expire keeps others from writing.
const expireBatch = 64

// forgotten are the people with templates who passed no door and were not enrolled since a time.
const forgotten = `SELECT DISTINCT person FROM template
	WHERE person NOT IN (SELECT person FROM template WHERE created >= ?1)
	AND person NOT IN (SELECT person FROM seen WHERE at >= ?1)`

// Expire erases the templates and enrolment pictures of everybody who has passed no door, and
// was neither enrolled nor changed, since before; the people stay. It records template.removed
// of each, and returns their ids. While the act's clock is unsure it erases nothing and returns
// an error: a wrong date would take everybody's templates. Where an error comes with ids, these
// are done and the next call does the rest.
func (db *DB) Expire(ctx context.Context, act Act, before time.Time) ([]string, error) {
	if act.Clock != access.ClockSynced {
		return nil, errors.New("expire templates: the clock is unsure")
	}
	var all, done []string
	err := db.View(ctx, func(tx *Tx) (err error) {
		all, err = tx.ids(forgotten, before.UnixMilli())
		return err
	})
	for err == nil && len(all) > 0 {
		batch := all[:min(len(all), expireBatch)]
		all = all[len(batch):]
		var gone []string
		// What is erased is overwritten once at the end, not after each batch.
		_, err = db.update(ctx, act, func(tx *Tx) error {
			for _, id := range batch {
				ok, err := tx.expire(id, before)
				if err != nil {
					return err
				}
				if ok {
					gone = append(gone, id)
				}
			}
			return nil
		})
		if err == nil {
			done = append(done, gone...)
		}
	}
	if len(done) > 0 {
		db.overwrite(ctx)
	}
	if err != nil {
		err = fmt.Errorf("expire templates: %w", err)
	}
	return done, err
}

// expire erases a person's templates unless something was heard of them since. A damaged row
// tells no time of change, and is no reason to keep a face.
func (tx *Tx) expire(id string, before time.Time) (bool, error) {
	still, err := tx.ids(forgotten+" AND person = ?2", before.UnixMilli(), id)
	if err != nil || len(still) == 0 {
		return false, err
	}
	p, err := tx.Person(id)
	if err != nil && !errors.Is(err, seal.ErrSealed) {
		return false, err
	}
	if !p.Changed.Before(before) {
		return false, nil
	}
	n, err := tx.removeTemplates(id, "retention")
	return n > 0, err
}

// ids are the first column of a query.
func (tx *Tx) ids(query string, args ...any) (list []string, err error) {
	rows, err := tx.sql.QueryContext(tx.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		list = append(list, id)
	}
	return list, rows.Err()
}
