package store

import (
	"context"
	"database/sql"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

// However many lists are read at once, and however long, the door goes on: who is blocked or erased
// is noticed, and events are kept.
func TestListsKeepNobodyWaiting(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	const lists = 20
	for range lists {
		go func() {
			ended <- db.List(ctx, func(tx *Tx) error {
				_, err := tx.Records("a", "", 0, 10)
				begun <- struct{}{}
				<-end
				return err
			})
		}()
	}
	<-begun
	<-begun
	select {
	case <-begun:
		t.Error("more than two at once")
	default:
	}
	if _, err := db.PeopleRevision(ctx); err != nil {
		t.Errorf("people revision: %v", err)
	}
	if _, err := db.PolicyRevision(ctx); err != nil {
		t.Errorf("policy revision: %v", err)
	}
	must(t, db.View(ctx, func(tx *Tx) error { return errOf(tx.Person("p1")) }))
	must(t, errOf(db.AppendEvent(ctx, act, access.Event{Kind: access.KindGranted, Person: "p1"})))

	hurried, hangUp := context.WithCancel(ctx)
	go hangUp()
	err := db.List(hurried, func(*Tx) error { t.Error("a list too many"); return nil })
	if CodeOf(err) != CodeBusy {
		t.Errorf("a list that waits: %v", err)
	}
	close(end)
	for range lists - 2 {
		<-begun
	}
	for range lists {
		must(t, <-ended)
	}
}

// A list is counted and begun anywhere without a record being opened.
func TestCountRecords(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	soon := noon.Add(time.Minute)
	for i := range 7 {
		r := Record{Kind: "a", ID: strconv.Itoa(i), Owner: "p"}
		if i == 2 {
			r.Expires = soon
		}
		putRecord(t, db, r)
		putRecord(t, db, Record{Kind: "a", ID: "q" + r.ID, Owner: "q"})
		putRecord(t, db, Record{Kind: "b", ID: r.ID, Owner: "p"})
	}
	meddle(t, dir, func(raw *sql.DB) { run(t, raw, "UPDATE record SET sealed = x'' WHERE id IN ('0', '1')") })
	for _, tt := range []struct {
		when  time.Time
		owner string
		skip  int
		count int
		want  []string
	}{
		{noon, "p", 2, 7, []string{"2", "3"}},
		{soon, "p", 2, 6, []string{"3", "4"}},
		{soon, "p", 5, 6, []string{"6"}},
		{soon, "p", 6, 6, nil},
		{soon, "p", 1 << 20, 6, nil},
		{soon, "q", 0, 7, []string{"q0", "q1"}},
		{soon, "nobody", 3, 0, nil},
	} {
		must(t, at(t, db, tt.when, func(tx *Tx) error {
			n, err := tx.CountRecords("a", tt.owner)
			must(t, err)
			after, err := tx.SkipRecords("a", tt.owner, tt.skip)
			must(t, err)
			list, err := tx.Records("a", tt.owner, after, 2)
			var got []string
			for _, r := range list {
				got = append(got, r.ID)
			}
			if n != tt.count || !cmp.Equal(tt.want, got) {
				t.Errorf("%+v: %d records, then %v", tt, n, got)
			}
			return err
		}))
	}
}

// Records of other times are not opened.
func TestRecordsBetween(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	for i := range 6 {
		must(t, at(t, db, noon.Add(time.Duration(i)*time.Minute), func(tx *Tx) error {
			return tx.PutRecord(Record{Kind: "a", ID: strconv.Itoa(i), Owner: "p"})
		}))
	}
	meddle(t, dir, func(raw *sql.DB) { run(t, raw, "UPDATE record SET sealed = x'' WHERE id IN ('0', '5')") })
	must(t, db.View(t.Context(), func(tx *Tx) error {
		from, to := noon.Add(time.Minute), noon.Add(4*time.Minute)
		list, err := tx.RecordsBetween("a", "p", from, to, 0, 2)
		must(t, err)
		if len(list) != 2 || list[0].ID != "1" || list[1].ID != "2" {
			t.Errorf("first %v", list)
		}
		list, err = tx.RecordsBetween("a", "p", from, to, list[1].Seq, 2)
		if len(list) != 1 || list[0].ID != "3" {
			t.Errorf("then %v", list)
		}
		return err
	}))
}
