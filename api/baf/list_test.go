package baf

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to damage stores with

	"facegate/access"
	"facegate/api"
	"facegate/store"
)

// A page is read without the applicants of others being opened, and without the connections that
// the door reads with.
func TestListIsCheap(t *testing.T) {
	db, path := openStore(t)
	var list []store.Record
	for i := range 25 {
		list = append(list, store.Record{Kind: applicantKind, ID: fmt.Sprintf("a%02d", i), Owner: "site", Body: []byte(`{"status":0}`)})
	}
	putRecords(t, db, path, list, "a00", "a09", "a20", "a24")
	held(t, db.View, 4, func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := &call{handlers: &handlers{&api.Service{DB: db}}, key: store.Key{Project: "site"}}
		for query, want := range map[string]string{
			"Page=2":             "2 10 25 3 [a10 a11 a12 a13 a14 a15 a16 a17 a18 a19]",
			"Page=4&PageSize=5":  "4 5 25 5 [a15 a16 a17 a18 a19]",
			"Page=8&PageSize=3":  "8 3 25 9 [a21 a22 a23]",
			"Page=26&PageSize=1": "26 1 25 25 []",
			"Page=1048576":       "1048576 10 25 3 []",
		} {
			v, err := c.listApplicants(httptest.NewRequestWithContext(ctx, "GET", "/?"+query, nil))
			if err != nil {
				t.Errorf("%s: %v", query, err)
				continue
			}
			l, _ := v.(listed)
			ids := []string{}
			for _, item := range l.Items {
				ids = append(ids, item.ApplicantID)
			}
			if got := fmt.Sprint(l.Page, l.PageSize, l.Total, l.TotalPages, ids); got != want {
				t.Errorf("%s: got %s, want %s", query, got, want)
			}
		}
	})
}

func TestListsWait(t *testing.T) {
	db, _ := openStore(t)
	held(t, db.List, 2, func() {
		ctx, hangUp := context.WithCancel(t.Context())
		go hangUp()
		c := &call{handlers: &handlers{&api.Service{DB: db}}}
		_, err := c.listApplicants(httptest.NewRequestWithContext(ctx, "GET", "/", nil))
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
