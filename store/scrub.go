package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"facegate/store/seal"
)

// scrub empties the write-ahead log and deletes the copies that migrations left. pending is set
// where others were in the way of the first for longer than they mostly are.
func (db *DB) scrub(ctx context.Context) (pending bool, copies int, err error) {
	if pending, err = db.empty(ctx); err != nil {
		return true, 0, err
	}
	names, err := snapshots(db.path)
	if err != nil {
		return pending, 0, fmt.Errorf("look for copies: %w", err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			return pending, copies, fmt.Errorf("delete copy: %w", err)
		}
		copies++
	}
	return pending, copies, nil
}

// A sealedRow is one row that may have to be sealed anew.
type sealedRow struct {
	key    any
	place  seal.Place
	sealed []byte
}

// Reseal seals what an older key of the key file still holds with the first key, and returns
// how many rows that were. A run that was cut short is completed by the next one. After it
// returned without an error the older keys may be taken out of the file. Rows that do not
// open stay as they are and are named in an error wrapping seal.ErrSealed.
func (db *DB) Reseal(ctx context.Context) (int, error) {
	current, err := hex.DecodeString(db.ring.ID())
	if err != nil {
		return 0, err
	}
	// Few rows of those that can be large are in memory at once.
	tables := []struct {
		read, write string
		first       any
	}{
		{
			`SELECT name, 'secret', '', 0, name, sealed FROM secret WHERE name > ? AND substr(sealed, 2, 8) <> ? ORDER BY name LIMIT 256`,
			`UPDATE secret SET sealed = ? WHERE name = ?`, "",
		},
		{
			`SELECT id, 'person', id, rev, '', sealed FROM person WHERE id > ? AND substr(sealed, 2, 8) <> ? ORDER BY id LIMIT 256`,
			`UPDATE person SET sealed = ? WHERE id = ?`, "",
		},
		{
			`SELECT n, 'template', person, rev, model, sealed FROM template WHERE n > ? AND substr(sealed, 2, 8) <> ? ORDER BY n LIMIT 256`,
			`UPDATE template SET sealed = ? WHERE n = ?`, int64(-1),
		},
		{
			`SELECT n, 'picture', person, rev, '', sealed FROM picture WHERE n > ? AND substr(sealed, 2, 8) <> ? ORDER BY n LIMIT 4`,
			`UPDATE picture SET sealed = ? WHERE n = ?`, int64(-1),
		},
		{
			`SELECT rev, 'policy', '', rev, '', sealed FROM policy WHERE rev > ? AND substr(sealed, 2, 8) <> ? ORDER BY rev LIMIT 4`,
			`UPDATE policy SET sealed = ? WHERE rev = ?`, int64(-1),
		},
		{
			`SELECT id, 'key', '', 0, id, sealed FROM api_key WHERE id > ? AND substr(sealed, 2, 8) <> ? ORDER BY id LIMIT 256`,
			`UPDATE api_key SET sealed = ? WHERE id = ?`, "",
		},
		{
			`SELECT api || char(10) || name AS place, 'project', '', 0, api || char(10) || name, sealed FROM project
				WHERE place > ? AND substr(sealed, 2, 8) <> ? ORDER BY place LIMIT 256`,
			`UPDATE project SET sealed = ? WHERE api || char(10) || name = ?`, "",
		},
		{
			`SELECT seq, 'record', person, expires, kind || char(10) || id || char(10) || owner || char(10) || face || char(10) || created, sealed
				FROM record WHERE seq > ? AND substr(sealed, 2, 8) <> ? ORDER BY seq LIMIT 4`,
			`UPDATE record SET sealed = ? WHERE seq = ?`, int64(-1),
		},
		{
			`SELECT id, 'webhook', person, 0, id, sealed FROM webhook WHERE id > ? AND substr(sealed, 2, 8) <> ? ORDER BY id LIMIT 256`,
			`UPDATE webhook SET sealed = ? WHERE id = ?`, "",
		},
	}
	total := 0
	var damaged []error
	for _, t := range tables {
		for after, more := t.first, true; more; {
			// The act is empty: no event is written, nobody's data change.
			err := db.Update(ctx, Act{}, func(tx *Tx) error {
				rows, err := tx.unsealedBy(t.read, after, current)
				if err != nil {
					return err
				}
				more = len(rows) > 0
				for _, r := range rows {
					after = r.key
					sealed, _, err := db.ring.Reseal(r.place, r.sealed)
					if err != nil {
						damaged = append(damaged, fmt.Errorf("%s %v: %w", r.place.Kind, r.key, err))
						continue
					}
					if _, err := tx.sql.ExecContext(ctx, t.write, sealed, r.key); err != nil {
						return err
					}
					total++
				}
				return nil
			})
			if err != nil {
				return total, fmt.Errorf("reseal: %w", err)
			}
		}
	}
	if len(damaged) > 0 {
		return total, fmt.Errorf("reseal: %w", errors.Join(damaged...))
	}
	_, _, err = db.scrub(ctx)
	return total, err
}

func (tx *Tx) unsealedBy(query string, after any, current []byte) ([]sealedRow, error) {
	rows, err := tx.sql.QueryContext(tx.ctx, query, after, current)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []sealedRow
	for rows.Next() {
		var r sealedRow
		if err := rows.Scan(&r.key, &r.place.Kind, &r.place.Person, &r.place.Revision, &r.place.Model, &r.sealed); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}
