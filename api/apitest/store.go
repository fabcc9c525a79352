package apitest

import (
	"context"
	"database/sql"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // damages records

	"facegate/access"
	"facegate/store"
)

// OpenStore is a store of its own, and its file.
func OpenStore(tb testing.TB) (db *store.DB, path string) {
	tb.Helper()
	dir := tb.TempDir()
	path = filepath.Join(dir, "facegate.db")
	db, err := store.Open(tb.Context(), store.Options{Path: path, KeyFile: filepath.Join(dir, "store.key"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db, path
}

// PutRecords keeps records, and damages those whose ids are listed.
func PutRecords(tb testing.TB, db *store.DB, path string, list []store.Record, damaged ...string) {
	tb.Helper()
	err := db.Update(tb.Context(), store.Act{At: time.Now(), Source: access.SourceSystem}, func(tx *store.Tx) error {
		for _, r := range list {
			if err := tx.PutRecord(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	raw, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		tb.Fatal(err)
	}
	defer raw.Close()
	for _, id := range damaged {
		if _, err := raw.ExecContext(tb.Context(), "UPDATE record SET sealed = x'' WHERE id = ?", id); err != nil {
			tb.Fatal(err)
		}
	}
}

// Occupy calls fn while n transactions are under way that begin has begun.
func Occupy(tb testing.TB, begin func(context.Context, func(*store.Tx) error) error, n int, fn func()) {
	tb.Helper()
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	for range n {
		go func() {
			ended <- begin(tb.Context(), func(*store.Tx) error {
				begun <- struct{}{}
				<-end
				return nil
			})
		}()
	}
	for range n {
		<-begun
	}
	fn()
	close(end)
	for range n {
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	}
}
