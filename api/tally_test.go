package api

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/store"
)

type sure struct{}

func (sure) Trust(time.Time) (access.Clock, time.Time) { return access.ClockSynced, time.Time{} }

// calls is the error of the last of n calls.
func (s *Service) calls(ctx context.Context, n int, secret string, now time.Time) (err error) {
	for range n {
		_, err = s.Keys.Authenticate(ctx, secret, "lapis", "read", now)
	}
	return err
}

// Calls that are too many are in the trail as a number, and cost no look into the store.
func TestTally(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	db, err := store.Open(ctx, store.Options{Path: filepath.Join(dir, "db"), KeyFile: filepath.Join(dir, "key"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var secret string
	err = db.Update(ctx, store.Act{At: time.Now(), Source: "test"}, func(tx *store.Tx) (err error) {
		_, secret, err = tx.AddKey(store.Key{Name: "desk", API: "lapis", Scopes: []string{"read"}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{DB: db, Keys: NewKeys(db), Clock: sure{}, Log: slog.New(slog.DiscardHandler)}
	s.Tally = &Tally{Service: s}
	now, refused := time.Now(), 0
	for range 30 {
		key, err := s.Keys.Authenticate(ctx, secret, "lapis", "read", now)
		if tallied := s.Tallied(key, err); tallied != (code(err) == TooMany) {
			t.Fatalf("%v is counted: %v", err, tallied)
		} else if tallied {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d of 30 calls at once are refused, want 10", refused)
	}
	if now = now.Add(time.Second); code(s.calls(ctx, 11, secret, now)) != TooMany || s.calls(ctx, 10, secret, now.Add(time.Second)) != nil {
		t.Error("it is not 10 calls a second")
	}
	if err := s.Keys.Try("ada", now); s.Tallied(store.Key{ID: "x"}, err) {
		t.Error("a try is counted")
	}
	running, stop := context.WithCancel(ctx)
	stop()
	if err := s.Tally.Run(running); err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(ctx, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	if last.Kind != access.KindCommandRefused || last.Source != "api:desk" || last.Data["count"] != "10" || last.Data["api"] != "lapis" {
		t.Errorf("got %+v", last)
	}
	s.Tally.record(ctx)
	if again, err := db.Events(ctx, last.Seq, 100); err != nil || len(again) != 0 {
		t.Errorf("recorded again: %v, %v", again, err)
	}
	// The store is not asked: it is closed.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keys.Authenticate(ctx, secret, "lapis", "read", now); code(err) != TooMany {
		t.Errorf("got %v", err)
	}
	s.Tallied(store.Key{ID: "x"}, &Error{Code: TooMany, OfKey: true})
	s.Tally.record(ctx)
	if n := s.Tally.counts["x"]; n == nil || n.n != 1 {
		t.Error("what could not be recorded is forgotten")
	}
	if _, err := s.Keys.Authenticate(ctx, strings.Repeat("x", 43), "lapis", "read", now); err == nil {
		t.Error("a made-up key is taken")
	}
}
