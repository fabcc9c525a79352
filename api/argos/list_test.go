package argos

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/store"
)

// A page is read without the connections that the door reads with, and nothing that is not in it is
// opened but the first of the next.
func TestListIsCheap(t *testing.T) {
	db, path := apitest.OpenStore(t)
	var list []store.Record
	for i := range 9 {
		list = append(list, store.Record{Kind: kind, ID: fmt.Sprintf("a%d", i), Owner: "plain", Body: []byte(`{}`)})
	}
	apitest.PutRecords(t, db, path, list, "a0", "a5", "a8")
	h := &handler{&api.Service{DB: db}}
	year := func(y int) time.Time { return time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC) }
	apitest.Occupy(t, db.View, 4, func() {
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
	db, _ := apitest.OpenStore(t)
	apitest.Occupy(t, db.List, 2, func() {
		ctx, hangUp := context.WithCancel(t.Context())
		go hangUp()
		h := &handler{&api.Service{DB: db}}
		_, _, err := h.entries(ctx, "plain", query{count: maxCount})
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Code != api.Busy || e.RetryAfter != time.Second {
			t.Errorf("got %v", err)
		}
	})
}
