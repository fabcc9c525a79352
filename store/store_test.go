package store

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"facegate/access"
)

// Fixtures: one moment, one administrator.
var (
	noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	act  = Act{At: noon, Source: access.SourceAdmin("ada"), Clock: access.ClockSynced}
)

func options(dir string) Options {
	return Options{Path: filepath.Join(dir, "facegate.db"), KeyFile: filepath.Join(dir, "store.key"), Log: slog.New(slog.DiscardHandler)}
}

// open opens the store in dir and closes it at the end of the test.
func open(tb testing.TB, dir string) *DB {
	tb.Helper()
	db, err := Open(tb.Context(), options(dir))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

func update(tb testing.TB, db *DB, fn func(*Tx) error) {
	tb.Helper()
	if err := db.Update(tb.Context(), act, fn); err != nil {
		tb.Fatal(err)
	}
}

func addPerson(tb testing.TB, db *DB, id string) {
	tb.Helper()
	update(tb, db, func(tx *Tx) error {
		_, err := tx.AddPerson(access.Person{ID: id, Name: "Name of " + id})
		return err
	})
}

func addTemplate(tb testing.TB, db *DB, person string, v ...float32) Template {
	tb.Helper()
	var got Template
	update(tb, db, func(tx *Tx) (err error) {
		got, err = tx.AddTemplate(Template{Person: person, Model: "m1", Vector: v, Quality: 0.9})
		return err
	})
	return got
}

func appendDenied(tb testing.TB, db *DB, n int) {
	tb.Helper()
	for range n {
		_, err := db.AppendEvent(tb.Context(), act, access.Event{Kind: access.KindDenied, Reason: access.ReasonUnknownPerson, Door: "main"})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func TestSettingsTheStoreReliesOn(t *testing.T) {
	db := open(t, t.TempDir())
	for name, pool := range map[string]queryer{"writer": db.writer, "reader": db.reader} {
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1",
			"busy_timeout": "5000", "trusted_schema": "0", "cell_size_check": "1",
		} {
			var got string
			if err := pool.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: PRAGMA %s = %q, %v, want %q", name, pragma, got, err, want)
			}
		}
	}
	if _, err := db.reader.ExecContext(t.Context(), "DELETE FROM person"); err == nil {
		t.Error("the reader can write")
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	addPerson(t, db, "p1")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v, want 0600", e.Name(), info.Mode(), err)
		}
	}
	if len(entries) != 5 { // database, its -wal and -shm, anchor, key
		t.Errorf("files beside the database: %v", entries)
	}
}

func TestOddPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?b=c %41 #d;é")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db := open(t, dir)
	addPerson(t, db, "p1")
	if _, err := os.Stat(filepath.Join(dir, "facegate.db-wal")); err != nil {
		t.Error(err)
	}
}

func TestOneDaemon(t *testing.T) {
	dir := t.TempDir()
	o := options(dir)
	o.Daemon = true
	first, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), o); CodeOf(err) != CodeInUse {
		t.Errorf("second daemon: got %v, want code %s", err, CodeInUse)
	}
	beside := open(t, dir) // a command beside the daemon
	addPerson(t, beside, "p1")
	if _, err := first.Person(t.Context(), "p1"); err != nil {
		t.Errorf("the daemon does not see what the command added: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("after the first daemon ended: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestPeopleRevisionSeesOtherProcesses(t *testing.T) {
	dir := t.TempDir()
	daemon, command := open(t, dir), open(t, dir)
	revision := func() uint64 {
		n, err := daemon.PeopleRevision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	last := revision()
	for _, step := range []struct {
		name string
		do   func()
		want bool
	}{
		{"person added", func() { addPerson(t, command, "p1") }, true},
		{"template added", func() { addTemplate(t, command, "p1", 1, 2) }, true},
		{"event appended", func() { appendDenied(t, command, 1) }, false},
		{"person changed", func() {
			update(t, command, func(tx *Tx) error {
				_, err := tx.SetPerson(access.Person{ID: "p1", Blocked: true})
				return err
			})
		}, true},
		{"templates removed", func() {
			update(t, command, func(tx *Tx) error { _, err := tx.RemoveTemplates("p1"); return err })
		}, true},
		{"person erased", func() {
			if _, err := command.ErasePerson(t.Context(), act, "p1"); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		step.do()
		now := revision()
		if (now > last) != step.want {
			t.Errorf("%s: revision %d after %d, want change %v", step.name, now, last, step.want)
		}
		last = now
	}
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	db := open(t, t.TempDir())
	appendDenied(t, db, 2)
	stop := errors.New("stop")
	err := db.Update(t.Context(), act, func(tx *Tx) error {
		if _, err := tx.AddPerson(access.Person{ID: "p1"}); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
	if _, err := db.Person(t.Context(), "p1"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("person after a failed update: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = db.Update(ctx, act, func(tx *Tx) error {
		_, err := tx.Append(access.Event{Kind: access.KindStarted})
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("update with a cancelled context: %v", err)
	}
	appendDenied(t, db, 1)
	v, err := db.VerifyEvents(t.Context())
	if err != nil || v.Events != 3 {
		t.Errorf("after failed updates: %+v, %v, want 3 events", v, err)
	}
}
