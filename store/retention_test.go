package store

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

func lastSeen(t *testing.T, db *DB, id string) (at time.Time) {
	t.Helper()
	must(t, db.View(t.Context(), func(tx *Tx) (err error) {
		at, err = tx.LastSeen(id)
		return err
	}))
	return at
}

func TestLastSeen(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	addPerson(t, db, "p2")
	err := db.View(t.Context(), func(tx *Tx) error { _, err := tx.LastSeen("nobody"); return err })
	if !errors.Is(err, access.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	grant := func(after time.Duration, clock access.Clock, e access.Event) {
		t.Helper()
		if e.Kind == "" {
			e.Kind = access.KindGranted
		}
		e.Time, e.Clock, e.Door = noon.Add(after), clock, "main"
		_, err := db.AppendEvent(t.Context(), act, e)
		must(t, err)
	}
	both := access.Event{Person: "p1", Data: map[string]string{"with": "p2"}}
	for _, step := range []struct {
		name   string
		after  time.Duration
		clock  access.Clock
		e      access.Event
		p1, p2 time.Duration // since noon; 0: never
	}{
		{"refused", 1, access.ClockSynced, access.Event{Kind: access.KindDenied, Reason: access.ReasonExpired, Person: "p1"}, 0, 0},
		{"a stranger", 2, access.ClockSynced, access.Event{Person: "gone"}, 0, 0},
		{"alone", 3, access.ClockSynced, access.Event{Person: "p1"}, 3, 0},
		{"two people", 4, access.ClockSynced, both, 4, 4},
		{"an unsure clock that is behind", 2, access.ClockUnsure, both, 4, 4},
		{"an unsure clock that is ahead", 900, access.ClockUnsure, access.Event{Person: "p1"}, 900, 4},
		{"the clock is right again", 5, access.ClockSynced, access.Event{Person: "p1"}, 5, 4},
	} {
		grant(step.after*time.Hour, step.clock, step.e)
		for id, want := range map[string]time.Duration{"p1": step.p1, "p2": step.p2} {
			at := noon.Add(want * time.Hour)
			if want == 0 {
				at = time.Time{}
			}
			if got := lastSeen(t, db, id); !got.Equal(at) {
				t.Errorf("%s: %s was last seen %v, want %v", step.name, id, got, at)
			}
		}
	}
}

func TestExpire(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	at := func(days int) Act {
		return Act{At: noon.AddDate(0, 0, days), Source: access.SourceSystem, Clock: access.ClockSynced}
	}
	do := func(day int, fn func(*Tx) error) {
		t.Helper()
		must(t, db.Update(t.Context(), at(day), fn))
	}
	for _, id := range []string{"never", "seen", "changed", "enrolled", "bare", "damaged", "remade"} {
		addPerson(t, db, id)
		if id != "bare" {
			addPicture(t, db, id, addTemplate(t, db, id, 1).ID, "of "+id)
		}
	}
	do(20, func(tx *Tx) error {
		_, err := tx.Append(access.Event{Kind: access.KindGranted, Person: "seen"})
		return err
	})
	do(21, func(tx *Tx) error {
		_, err := tx.ChangePerson("changed", "name", func(p *access.Person) error { p.Name = "New"; return nil })
		return err
	})
	do(22, func(tx *Tx) error {
		_, err := tx.AddTemplate(Template{Person: "enrolled", Model: "m1", Vector: []float32{2}})
		return err
	})
	do(23, func(tx *Tx) error { // by a new model, from an old picture
		_, err := tx.AddTemplate(Template{Person: "remade", Model: "m2", Vector: []float32{2}, Created: noon})
		return err
	})
	meddle(t, dir, func(raw *sql.DB) { run(t, raw, "UPDATE person SET sealed = x'' WHERE id = 'damaged'") })

	before, err := db.LastEvent(t.Context())
	must(t, err)
	unsure := at(100)
	unsure.Clock = access.ClockUnsure
	if gone, err := db.Expire(t.Context(), unsure, noon.AddDate(1, 0, 0)); err == nil || gone != nil {
		t.Errorf("an unsure clock erased %v, %v", gone, err)
	}
	if gone, err := db.Expire(t.Context(), at(10), noon); err != nil || gone != nil {
		t.Errorf("nobody is due: %v, %v", gone, err)
	}
	gone, err := db.Expire(t.Context(), at(30), noon.AddDate(0, 0, 20))
	slices.Sort(gone)
	if diff := cmp.Diff([]string{"damaged", "never", "remade"}, gone); diff != "" || err != nil {
		t.Errorf("Expire: %v (-want +got)\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"seen [1]", "changed [1]", "enrolled [1]", "enrolled [2]"}, templates(t, db, "m1")); diff != "" {
		t.Errorf("templates left (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"seen of seen", "changed of changed", "enrolled of enrolled"}, pictures(t, db)); diff != "" {
		t.Errorf("pictures left (-want +got)\n%s", diff)
	}
	if n := len(people(t, db)); n != 7 {
		t.Errorf("%d people, want all 7", n)
	}
	events, err := db.Events(t.Context(), before, 10)
	must(t, err)
	var told []string
	for _, e := range events {
		told = append(told, fmt.Sprintf("%s %s %v", e.Kind, e.Person, e.Data))
	}
	slices.Sort(told)
	want := []string{
		"template.removed damaged map[pictures:1 templates:1 why:retention]",
		"template.removed never map[pictures:1 templates:1 why:retention]",
		"template.removed remade map[pictures:1 templates:2 why:retention]",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
	if gone, err := db.Expire(t.Context(), at(30), noon.AddDate(0, 0, 20)); err != nil || gone != nil {
		t.Errorf("a second time: %v, %v", gone, err)
	}
}

// More people than one transaction takes, and what was theirs is not in any file afterwards.
func TestExpireMany(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	const n = 2*expireBatch + 7
	var row []byte
	for i := range n {
		id := fmt.Sprintf("p%03d", i)
		addPerson(t, db, id)
		addTemplate(t, db, id, make1(300)...)
	}
	must(t, db.reader.QueryRowContext(t.Context(), "SELECT sealed FROM template WHERE person = 'p100'").Scan(&row))
	if find(t, dir, row[100:400]) == nil {
		t.Fatal("the search finds nothing, so it proves nothing")
	}
	later := Act{At: noon.AddDate(1, 0, 0), Clock: access.ClockSynced, Source: access.SourceSystem}
	gone, err := db.Expire(t.Context(), later, later.At.AddDate(0, -1, 0))
	if err != nil || len(gone) != n || len(templates(t, db, "m1")) != 0 {
		t.Errorf("%d expired, %v, want %d", len(gone), err, n)
	}
	if names := find(t, dir, row[100:400]); names != nil {
		t.Errorf("a template is still in %v", names)
	}
	if _, err := db.VerifyEvents(t.Context()); err != nil {
		t.Error(err)
	}
}
