package store

import (
	"context"
	"testing"
	"time"

	"facegate/access"
	"facegate/internal/programtest"
)

// daemon opens the store in dir as the daemon and closes it at the end of the test.
func daemon(t *testing.T, dir string) *DB {
	t.Helper()
	o := options(dir)
	o.Daemon = true
	db, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// template is a part of what is sealed of p1's template.
func template(t *testing.T, db *DB, dir string) []byte {
	t.Helper()
	addPerson(t, db, "p1")
	addTemplate(t, db, "p1", make1(300)...)
	var b []byte
	must(t, db.reader.QueryRowContext(t.Context(), "SELECT sealed FROM template WHERE person = 'p1'").Scan(&b))
	if b = b[100:400]; find(t, dir, b) == nil {
		t.Fatal("the search finds nothing, so it proves nothing")
	}
	return b
}

// Who erases while somebody reads keeps nobody from writing, and what was erased is overwritten
// once nobody reads.
func TestErasingKeepsNobodyFromWriting(t *testing.T) {
	for name, do := range map[string]func(context.Context, *DB) error{
		"a person": func(ctx context.Context, db *DB) error { return errOf(db.ErasePerson(ctx, act, "p1")) },
		"templates": func(ctx context.Context, db *DB) error {
			return db.Update(ctx, act, func(tx *Tx) error { return errOf(tx.RemoveTemplates("p1")) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			dir := t.TempDir()
			db := daemon(t, dir)
			b := template(t, db, dir)
			// Whoever waited for the reader with the writers' connection would do so for an hour.
			if _, err := db.writer.ExecContext(ctx, "PRAGMA busy_timeout = 3600000"); err != nil {
				t.Fatal(err)
			}
			erased := make(chan error, 1)
			must(t, db.View(ctx, func(tx *Tx) error {
				if _, err := tx.Person("p1"); err != nil {
					return err
				}
				before, err := db.LastEvent(ctx)
				must(t, err)
				go func() { erased <- do(ctx, db) }()
				programtest.Until(t, "erased", func() bool {
					last, err := db.LastEvent(ctx)
					return err != nil || last > before
				})
				for range 10 {
					if _, err := db.AppendEvent(ctx, act, access.Event{Kind: access.KindGranted, Person: "p2"}); err != nil {
						t.Fatalf("nobody gets in: %v", err)
					}
				}
				must(t, <-erased)
				if find(t, dir, b) == nil {
					t.Error("the log was emptied under a reader, so this proves nothing")
				}
				return nil
			}))
			programtest.Until(t, "overwritten", func() bool { return find(t, dir, b) == nil })
		})
	}
}

// What another process could not overwrite while the daemon was reading, the daemon does.
func TestDaemonOverwritesWhatAnotherErased(t *testing.T) {
	dir := t.TempDir()
	db := daemon(t, dir)
	b := template(t, db, dir)
	// It has nothing to do of its own accord by then.
	programtest.Until(t, "swept", func() bool {
		db.swept.mu.Lock()
		defer db.swept.mu.Unlock()
		return db.swept.ever
	})
	must(t, db.View(t.Context(), func(tx *Tx) error {
		if _, err := tx.Person("p1"); err != nil {
			return err
		}
		other, err := Open(t.Context(), options(dir))
		must(t, err)
		r, err := other.ErasePerson(t.Context(), act, "p1")
		if err != nil || !r.Pending {
			t.Errorf("receipt %+v, %v", r, err)
		}
		return other.Close()
	}))
	programtest.Until(t, "overwritten", func() bool { return find(t, dir, b) == nil })
}

// A daemon that is started while somebody reads does not wait for them to overwrite what one
// before it has left.
func TestDaemonStartsWhileSomebodyReads(t *testing.T) {
	dir := t.TempDir()
	other := open(t, dir)
	b := template(t, other, dir)
	must(t, other.View(t.Context(), func(tx *Tx) error {
		if _, err := tx.Person("p1"); err != nil {
			return err
		}
		r, err := other.ErasePerson(t.Context(), act, "p1")
		if err != nil || !r.Pending {
			t.Errorf("receipt %+v, %v", r, err)
		}
		daemon(t, dir)
		if find(t, dir, b) == nil {
			t.Error("the log was emptied under a reader, so this proves nothing")
		}
		return nil
	}))
	programtest.Until(t, "overwritten", func() bool { return find(t, dir, b) == nil })
}
