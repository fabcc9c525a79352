package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

// appendAt appends n events, the first at the given time and each a second after the other.
func appendAt(tb testing.TB, db *DB, at time.Time, n int) {
	tb.Helper()
	for n > 0 {
		batch := min(n, 1000)
		update(tb, db, func(tx *Tx) error {
			for range batch {
				if _, err := tx.Append(access.Event{Kind: access.KindStarted, Time: at}); err != nil {
					return err
				}
				at = at.Add(time.Second)
			}
			return nil
		})
		n -= batch
	}
}

func TestEventsSince(t *testing.T) {
	day := 24 * time.Hour
	for _, tt := range []struct {
		name        string
		make        func(db *DB)
		first, last uint64 // events that are to come; 0: none
	}{
		{"no events", func(*DB) {}, 0, 0},
		{"all are older", func(db *DB) { appendAt(t, db, noon.Add(-day), 300) }, 0, 0},
		{"all are younger", func(db *DB) { appendAt(t, db, noon, 1200) }, 1, 1200},
		{"some are older", func(db *DB) { appendAt(t, db, noon.Add(-700*time.Second), 1000) }, 701, 1000},
		{"the clock was set back for a while", func(db *DB) {
			appendAt(t, db, noon.Add(-day), 100)
			appendAt(t, db, noon, 5)
			appendAt(t, db, noon.Add(-40*365*day), quiet-1)
			appendAt(t, db, noon.Add(time.Hour), 3)
		}, 101, 100 + 5 + quiet - 1 + 3},
		{"it was set back twice", func(db *DB) {
			appendAt(t, db, noon, 5)
			appendAt(t, db, noon.Add(-day), quiet-10)
			appendAt(t, db, noon, 5)
			appendAt(t, db, noon.Add(-day), quiet-10)
			appendAt(t, db, noon, 5)
		}, 1, 2*quiet - 5},
		{"it was set back for longer", func(db *DB) {
			appendAt(t, db, noon, 5)
			appendAt(t, db, noon.Add(-day), quiet)
			appendAt(t, db, noon.Add(time.Hour), 3)
		}, 5 + quiet + 1, 5 + quiet + 3},
		{"nothing younger after a step back", func(db *DB) {
			appendAt(t, db, noon, 5)
			appendAt(t, db, noon.Add(-day), 20)
		}, 1, 25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := open(t, t.TempDir())
			tt.make(db)
			var first, last uint64
			must(t, db.EventsSince(t.Context(), noon, func(e access.Event) error {
				if first == 0 {
					first = e.Seq
				} else if e.Seq != last+1 {
					t.Errorf("event %d after %d", e.Seq, last)
				}
				last = e.Seq
				return nil
			}))
			if first != tt.first || last != tt.last {
				t.Errorf("events %d to %d, want %d to %d", first, last, tt.first, tt.last)
			}
		})
	}
}

func TestEventsSinceStops(t *testing.T) {
	db := open(t, t.TempDir())
	appendAt(t, db, noon, 10)
	stop := errors.New("stop")
	n := 0
	err := db.EventsSince(t.Context(), noon, func(access.Event) error {
		if n++; n == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 3 {
		t.Errorf("%d events, %v", n, err)
	}
	if _, err := db.writer.ExecContext(t.Context(), "DROP TRIGGER event_is_not_changed"); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"no event": "nonsense", "a time that is none": `{"seq":5,"id":"x","time":"now","clock":""}`} {
		if _, err := db.writer.ExecContext(t.Context(), "UPDATE event SET body = ? WHERE seq = 5", body); err != nil {
			t.Fatal(err)
		}
		var last uint64
		err = db.EventsSince(t.Context(), noon, func(e access.Event) error { last = e.Seq; return nil })
		if broken, ok := errors.AsType[*ChainError](err); !ok || broken.Seq != 5 || last != 4 {
			t.Errorf("%s: %v after event %d", name, err, last)
		}
	}
}

// The time is found in canonical bytes whatever stands before it.
func TestTimeOf(t *testing.T) {
	for _, id := range []string{"x", `","time":"1999-01-01T00:00:00.000Z"`, `\`, `\","time":"`, `"`} {
		_, body, err := access.Event{Seq: 1, ID: id, Time: noon, Clock: access.ClockSynced, Kind: access.KindStarted, Source: "system"}.Chain(access.Hash{})
		must(t, err)
		if at, ok := timeOf(body); !ok || !at.Equal(noon) {
			t.Errorf("%s: %v, %v", body, at, ok)
		}
	}
}

func TestOldestUnsent(t *testing.T) {
	db := open(t, t.TempDir())
	want := func(oldest time.Time, n int) {
		t.Helper()
		at, got, err := db.OldestUnsent(t.Context())
		if diff := cmp.Diff(fmt.Sprint(oldest, n), fmt.Sprint(at, got)); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
	want(time.Time{}, 0)
	appendAt(t, db, noon, 5)
	want(noon, 5)
	if _, err := db.writer.ExecContext(t.Context(), "DELETE FROM outbox WHERE seq < 4"); err != nil {
		t.Fatal(err)
	}
	want(noon.Add(3*time.Second), 2)
}
