package store

import (
	"errors"
	"testing"
)

func TestDoorCursor(t *testing.T) {
	db := open(t, t.TempDir())
	want := func(journal string, seq uint64) {
		t.Helper()
		gotJournal, gotSeq, err := db.DoorCursor(t.Context())
		if gotJournal != journal || gotSeq != seq || err != nil {
			t.Errorf("got %q %d, %v, want %q %d", gotJournal, gotSeq, err, journal, seq)
		}
	}
	want("", 0)
	update(t, db, func(tx *Tx) error { return tx.SetDoorCursor("j1", 7) })
	want("j1", 7)
	update(t, db, func(tx *Tx) error { return tx.SetDoorCursor("j1", 8) })
	want("j1", 8)
	update(t, db, func(tx *Tx) error { return tx.SetDoorCursor("j2", 1) }) // a new journal begins anew
	want("j2", 1)
	stop := errors.New("stop")
	err := db.Update(t.Context(), act, func(tx *Tx) error { return errors.Join(tx.SetDoorCursor("j2", 2), stop) })
	if !errors.Is(err, stop) {
		t.Error(err)
	}
	want("j2", 1)
}
