package argos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to damage stores with

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

// A page is read without the connections that the door reads with, and nothing that is not in it is
// opened but the first of the next.
func TestListIsCheap(t *testing.T) {
	db, path := openStore(t)
	var list []store.Record
	for i := range 9 {
		list = append(list, store.Record{Kind: kind, ID: fmt.Sprintf("a%d", i), Owner: "plain", Body: []byte(`{}`)})
	}
	putRecords(t, db, path, list, "a0", "a5", "a8")
	h := &handler{&api.Service{DB: db}}
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	held(t, db.View, 4, func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, tt := range []struct {
			name string
			q    query
			want string
		}{
			{"a page", query{after: "a2", count: 1}, "[a3] a3"},
			{"a range that has none", query{from: year(2001), to: year(2002), count: maxCount}, "[] "},
			{"a range before a key", query{from: year(2001), to: year(2002), after: "gone", afterAt: year(2005), count: 1}, "[] "},
			{"nothing after a key", query{after: "gone", afterAt: year(9999), count: 1}, "[] "},
		} {
			entries, more, err := h.entries(ctx, "plain", tt.q)
			ids, last := []string{}, ""
			for _, e := range entries {
				ids = append(ids, e.ID)
			}
			if more != nil {
				last = more.ID
			}
			if got := fmt.Sprint(ids, " ", last); got != tt.want || err != nil {
				t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
			}
		}
	})
}

// A key's time is compared as exactly as times are kept.
func TestSpan(t *testing.T) {
	noon := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	day, next := noon.Truncate(24*time.Hour), noon.Truncate(24*time.Hour).AddDate(0, 0, 1)
	for _, tt := range []struct {
		name      string
		q         query
		at        time.Time
		contained bool
	}{
		{"all", query{}, noon, true},
		{"first moment", query{from: day, to: next}, day, true},
		{"last moment", query{from: day, to: next}, next.Add(-time.Millisecond), true},
		{"the day after", query{from: day, to: next}, next, false},
		{"the entry of the key", query{afterAt: noon}, noon, false},
		{"the one after it", query{afterAt: noon}, noon.Add(time.Millisecond), true},
		{"a key between two", query{afterAt: noon.Add(time.Microsecond)}, noon, false},
		{"a key between two, the later", query{afterAt: noon.Add(time.Microsecond)}, noon.Add(time.Millisecond), true},
		{"a key before the day", query{from: day, to: next, afterAt: day.Add(-time.Hour)}, day, true},
		{"a key in the day", query{from: day, to: next, afterAt: noon}, day, false},
		{"no day at all", query{from: next, to: day}, noon, false},
	} {
		from, to := tt.q.span()
		if got := !tt.at.Before(from) && tt.at.Before(to); got != tt.contained {
			t.Errorf("%s: %v to %v", tt.name, from, to)
		}
	}
}

func TestListsWait(t *testing.T) {
	db, _ := openStore(t)
	held(t, db.List, 2, func() {
		ctx, hangUp := context.WithCancel(t.Context())
		go hangUp()
		h := &handler{&api.Service{DB: db}}
		_, _, err := h.entries(ctx, "plain", query{count: maxCount})
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Busy || e.RetryAfter != time.Second {
			t.Errorf("got %v", err)
		}
	})
}

func openStore(t *testing.T) (db *store.DB, path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "facegate.db")
	db, err := store.Open(t.Context(), store.Options{Path: path, KeyFile: filepath.Join(dir, "store.key"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, path
}

// putRecords keeps records, and damages those whose ids are listed.
func putRecords(t *testing.T, db *store.DB, path string, list []store.Record, damaged ...string) {
	t.Helper()
	err := db.Update(t.Context(), store.Act{At: time.Now(), Source: access.SourceSystem}, func(tx *store.Tx) error {
		for _, r := range list {
			if err := tx.PutRecord(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite3", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, id := range damaged {
		if _, err := raw.ExecContext(t.Context(), "UPDATE record SET sealed = x'' WHERE id = ?", id); err != nil {
			t.Fatal(err)
		}
	}
}

// held calls fn while n transactions are under way that begin has begun.
func held(t *testing.T, begin func(context.Context, func(*store.Tx) error) error, n int, fn func()) {
	t.Helper()
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	for range n {
		go func() {
			ended <- begin(t.Context(), func(*store.Tx) error {
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
			t.Error(err)
		}
	}
}
