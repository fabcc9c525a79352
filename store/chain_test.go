package store

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

// meddle changes the database behind the store's back, as somebody with the file but
// without the key would, the triggers taken away first.
func meddle(t *testing.T, dir string, fn func(db *sql.DB)) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+options(dir).Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	run(t, db, "DROP TRIGGER IF EXISTS event_has_no_gap", "DROP TRIGGER IF EXISTS event_is_not_changed", "DROP TRIGGER IF EXISTS event_is_not_deleted", "DROP TRIGGER IF EXISTS chain_is_not_deleted")
	fn(db)
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// relink recomputes all hashes from the event n on, and makes the chain's end fit, as far as
// that goes without the key.
func relink(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	var prev []byte
	if err := db.QueryRow("SELECT hash FROM event WHERE seq = ?", n-1).Scan(&prev); err != nil {
		t.Fatal(err)
	}
	for ; ; n++ {
		var body []byte
		err := db.QueryRow("SELECT body FROM event WHERE seq = ?", n).Scan(&body)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		h := access.Link(access.Hash(prev), body)
		if _, err := db.Exec("UPDATE event SET prev = ?, hash = ? WHERE seq = ?", prev, h[:], n); err != nil {
			t.Fatal(err)
		}
		prev = h[:]
	}
	if _, err := db.Exec("UPDATE chain SET seq = ?, hash = ?", n-1, prev); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsWhatWasDone(t *testing.T) {
	const edit = `UPDATE event SET body = replace(body, 'unknown_person', 'spoof') WHERE seq = 5`
	tests := []struct {
		name   string
		meddle func(t *testing.T, db *sql.DB, dir string)
		seq    uint64
		why    string
		open   bool // the end itself is whole, so that events can be appended still
	}{
		{"edited", func(t *testing.T, db *sql.DB, _ string) { run(t, db, edit) }, 5, "does not fit its content", true},
		{"a hash edited", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "UPDATE event SET hash = zeroblob(32) WHERE seq = 5")
		}, 5, "does not fit its content", true},
		{"edited and its hash made to fit", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, edit)
			relink(t, db, 5)
			run(t, db, "DELETE FROM chain")
		}, 5, "made to fit", false},
		{"the person of an event taken out", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, `UPDATE event SET body = replace(body, '"person":"p1"', '"person":null') WHERE seq = 1`)
		}, 1, "altered", true},
		{"the first deleted", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "DELETE FROM outbox WHERE seq = 1", "DELETE FROM event WHERE seq = 1")
		}, 1, "missing", true},
		{"one deleted", func(t *testing.T, db *sql.DB, _ string) { run(t, db, "DELETE FROM event WHERE seq = 5") }, 5, "missing", true},
		{"one deleted and the rest moved up", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "DELETE FROM event WHERE seq = 5", "UPDATE event SET seq = seq - 1 WHERE seq > 5")
			relink(t, db, 5)
		}, 5, "made to fit", false},
		{"two swapped", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "UPDATE event SET seq = 1000 WHERE seq = 5", "UPDATE event SET seq = 5 WHERE seq = 6", "UPDATE event SET seq = 6 WHERE seq = 1000")
		}, 5, "does not follow", true},
		{"one inserted", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "UPDATE event SET seq = -seq - 1 WHERE seq >= 5", "UPDATE event SET seq = -seq WHERE seq < 0",
				"INSERT INTO event SELECT 5, body, prev, hash, mac FROM event WHERE seq = 4")
		}, 5, "does not follow", false},
		{"a copy appended", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "INSERT INTO event SELECT 11, body, (SELECT hash FROM event WHERE seq = 10), hash, mac FROM event WHERE seq = 10")
		}, 11, "altered", false},
		{"the authentication code taken out", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "UPDATE event SET mac = x'' WHERE seq = 7")
		}, 7, "not written by this store", true},
		{"cut off", func(t *testing.T, db *sql.DB, _ string) { run(t, db, "DELETE FROM event WHERE seq > 7") }, 8, "8 to 10 are missing", false},
		{"cut off and the end rewritten without the key", func(t *testing.T, db *sql.DB, _ string) {
			run(t, db, "DELETE FROM event WHERE seq > 7", "UPDATE chain SET seq = 7, hash = (SELECT hash FROM event WHERE seq = 7)")
		}, 7, "end is not genuine", false},
		{"cut off and a genuine older end put back", func(t *testing.T, db *sql.DB, dir string) {
			run(t, db, "DELETE FROM event WHERE seq > 7", "DELETE FROM chain", "INSERT INTO chain SELECT * FROM old.chain")
		}, 8, "8 to 10 were cut off", false},
		{"all cut off", func(t *testing.T, db *sql.DB, _ string) { run(t, db, "DELETE FROM event") }, 1, "1 to 10 are missing", false},
		{"the end's record deleted", func(t *testing.T, db *sql.DB, _ string) { run(t, db, "DELETE FROM chain") }, 1, "missing", false},
		{"the anchor deleted", func(t *testing.T, _ *sql.DB, dir string) {
			if err := os.Remove(options(dir).Path + "-head"); err != nil {
				t.Fatal(err)
			}
		}, 10, "anchor", false},
		{"the anchor set back", func(t *testing.T, _ *sql.DB, dir string) {
			file := options(dir).Path + "-head"
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			back := strings.NewReplacer(" 0000000000000009 ", " 0000000000000007 ", " 000000000000000a ", " 0000000000000006 ").Replace(string(text))
			if back == string(text) {
				t.Fatalf("no numbers in %q", text)
			}
			if err := os.WriteFile(file, []byte(back), 0o600); err != nil {
				t.Fatal(err)
			}
		}, 10, "anchor", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, old := t.TempDir(), t.TempDir()
			db := open(t, dir)
			addPerson(t, db, "p1")
			appendDenied(t, db, 6)
			if _, err := db.writer.ExecContext(t.Context(), "VACUUM INTO ?", options(old).Path); err != nil {
				t.Fatal(err)
			}
			appendDenied(t, db, 3)
			if v, err := db.VerifyEvents(t.Context()); err != nil || v.Events != 10 {
				t.Fatalf("before: %+v, %v", v, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			meddle(t, dir, func(raw *sql.DB) {
				raw.SetMaxOpenConns(1)
				run(t, raw, "ATTACH '"+options(old).Path+"' AS old")
				tt.meddle(t, raw, dir)
			})

			db = open(t, dir)
			_, err := db.VerifyEvents(t.Context())
			broken, ok := errors.AsType[*ChainError](err)
			if !ok || broken.Seq != tt.seq || !strings.Contains(broken.Why, tt.why) {
				t.Errorf("got %v, want event %d: %s", err, tt.seq, tt.why)
			}
			_, err = db.AppendEvent(t.Context(), act, access.Event{Kind: access.KindStarted})
			if _, refused := errors.AsType[*ChainError](err); refused == tt.open || !refused && err != nil {
				t.Errorf("append: %v, want it to be refused: %v", err, !tt.open)
			}
			if _, err := db.VerifyEvents(t.Context()); err == nil {
				t.Error("appending covered it up")
			}
		})
	}
}

// A daemon that is running when the end is cut off does not cover it up either.
func TestCutOffUnderARunningDaemon(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	db := open(t, dir)
	appendDenied(t, db, 5)
	if _, err := db.writer.ExecContext(t.Context(), "VACUUM INTO ?", options(old).Path); err != nil {
		t.Fatal(err)
	}
	appendDenied(t, open(t, dir), 5) // by another process, so that the daemon has never seen them
	meddle(t, dir, func(raw *sql.DB) {
		raw.SetMaxOpenConns(1)
		run(t, raw, "ATTACH '"+options(old).Path+"' AS old", "DELETE FROM event WHERE seq > 5", "DELETE FROM chain", "INSERT INTO chain SELECT * FROM old.chain")
	})
	_, err := db.AppendEvent(t.Context(), act, access.Event{Kind: access.KindStarted})
	if broken, ok := errors.AsType[*ChainError](err); !ok || broken.Seq != 6 {
		t.Fatalf("append: %v, want a break at event 6", err)
	}

	// A person looks at it and lets another process go on; the daemon follows.
	command := open(t, dir)
	e, err := command.Reanchor(t.Context(), act)
	if err != nil || e.Seq != 6 || e.Kind != access.KindHealthRaised || e.Data["anchored"] != "10" {
		t.Fatalf("reanchor: %+v, %v", e, err)
	}
	if _, err := command.Reanchor(t.Context(), act); err == nil {
		t.Error("a whole chain was reanchored")
	}
	appendDenied(t, db, 3)
	if v, err := command.VerifyEvents(t.Context()); err != nil || v.Events != 9 {
		t.Errorf("afterwards: %+v, %v, want 9 events", v, err)
	}
	list, err := db.Events(t.Context(), 5, 1)
	if err != nil || len(list) != 1 || list[0].Data["first"] != "6" {
		t.Errorf("the break is not on record: %+v, %v", list, err)
	}
}

// Every way to break the end can be gone on from, and stays on record.
func TestReanchor(t *testing.T) {
	for name, statements := range map[string][]string{
		"rows cut off":       {"DELETE FROM event WHERE seq > 5"},
		"all rows cut off":   {"DELETE FROM event"},
		"end record deleted": {"DELETE FROM chain"},
		"end record altered": {"UPDATE chain SET seq = 3"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			appendDenied(t, db, 10)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			meddle(t, dir, func(raw *sql.DB) { run(t, raw, statements...) })
			db = open(t, dir)
			if broken, err := db.Broken(t.Context()); broken == nil || err != nil {
				t.Fatalf("broken: %v, %v", broken, err)
			}
			if _, err := db.Reanchor(t.Context(), act); err != nil {
				t.Fatal(err)
			}
			appendDenied(t, db, 2)
			if _, err := db.VerifyEvents(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTriggersKeepEvents(t *testing.T) {
	db := open(t, t.TempDir())
	appendDenied(t, db, 3)
	for _, s := range []string{
		"UPDATE event SET body = 'x' WHERE seq = 2",
		"DELETE FROM event WHERE seq = 3",
		"INSERT INTO event SELECT 9, body, prev, hash, mac FROM event WHERE seq = 3",
		"INSERT OR REPLACE INTO event SELECT 2, body, prev, hash, mac FROM event WHERE seq = 3",
		"DELETE FROM chain",
	} {
		if _, err := db.writer.ExecContext(t.Context(), s); err == nil {
			t.Errorf("%s: went through", s)
		}
	}
}

// An anchor that lags, as after a power failure, is no break, and neither is one of whose
// two records one was cut short.
func TestAnchorMayLag(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	file := options(dir).Path + "-head"
	appendDenied(t, db, 4)
	lagging, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	appendDenied(t, db, 5)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	copy(lagging[:recordSize], strings.Repeat("?", recordSize/2)) // event 4 is in the first record
	if err := os.WriteFile(file, lagging, 0o600); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	if _, err := db.VerifyEvents(t.Context()); err != nil {
		t.Error(err)
	}
	appendDenied(t, db, 1)
	h, state, err := db.anchor.get()
	if err != nil || state != anchorGood || h.seq != 10 {
		t.Errorf("anchor at %d, state %d, %v, want 10", h.seq, state, err)
	}
}

func TestEventsAreAppended(t *testing.T) {
	db := open(t, t.TempDir())
	update(t, db, func(tx *Tx) error {
		for range 3 {
			if _, err := tx.Append(access.Event{Kind: access.KindStarted}); err != nil {
				return err
			}
		}
		return nil
	})
	own := access.Event{Kind: access.KindGranted, Person: "p1", Time: noon.Add(-time.Minute), Clock: access.ClockUnsure, Source: access.SourceCamera, Scores: access.Scores{Match: new(95.55555)}}
	kept, err := db.AppendEvent(t.Context(), act, own)
	if err != nil {
		t.Fatal(err)
	}
	list, err := db.Events(t.Context(), 0, 100)
	if err != nil || len(list) != 4 {
		t.Fatalf("got %d events, %v", len(list), err)
	}
	if diff := cmp.Diff(kept, list[3]); diff != "" {
		t.Errorf("what Append returned is not what is kept (-returned +kept)\n%s", diff)
	}
	prev := origin(db.epoch)
	for i, e := range list {
		if e.Seq != uint64(i+1) || e.Prev != prev || e.ID == "" {
			t.Errorf("event %d: number %d, prev %v, id %q", i, e.Seq, e.Prev, e.ID)
		}
		prev = e.Hash
	}
	if e := list[0]; !e.Time.Equal(noon) || e.Source != "admin:ada" || e.Clock != access.ClockSynced {
		t.Errorf("the act was not taken over: %+v", e)
	}
	if e := list[3]; !e.Time.Equal(noon.Add(-time.Minute)) || e.Source != "camera" || e.Clock != access.ClockUnsure || *e.Scores.Match != 95.5556 {
		t.Errorf("the event's own values were not kept: %+v", e)
	}
	if page, err := db.Events(t.Context(), 2, 1); err != nil || len(page) != 1 || page[0].Seq != 3 {
		t.Errorf("page: %+v, %v", page, err)
	}
	if page, err := db.Events(t.Context(), 1<<64-1, 1); err != nil || len(page) != 0 {
		t.Errorf("page after the end: %+v, %v", page, err)
	}
	var waiting int
	if err := db.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM outbox JOIN event USING (seq)").Scan(&waiting); err != nil || waiting != 4 {
		t.Errorf("%d events in the outbox, %v, want 4", waiting, err)
	}
	err = db.Update(t.Context(), act, func(tx *Tx) error {
		if _, err := tx.AddPerson(access.Person{ID: "p9"}); err != nil {
			return err
		}
		if _, err := tx.Append(access.Event{Kind: "door.broken"}); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("unknown kind: %v", err)
		}
		return nil
	})
	if _, missing := db.Person(t.Context(), "p9"); !errors.Is(err, access.ErrInvalid) || !errors.Is(missing, access.ErrNotFound) {
		t.Errorf("a transaction was committed with an event unrecorded: %v, %v", err, missing)
	}
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	db, other := open(t, dir), open(t, dir)
	appendDenied(t, db, 2)
	var seen []uint64
	for e, err := range db.Follow(t.Context(), 1, time.Millisecond) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, e.Seq)
		if e.Seq < 5 {
			appendDenied(t, other, 1)
		}
		if e.Seq == 5 {
			break
		}
	}
	if diff := cmp.Diff([]uint64{2, 3, 4, 5}, seen); diff != "" {
		t.Error(diff)
	}
}
