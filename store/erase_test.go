package store

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

// find lists the files in dir that hold b.
func find(t *testing.T, dir string, b []byte) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, b) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Neither a name nor a vector is ever on the disk, and after an erasure not even what was sealed.
func TestErase(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	const name = "Zacharias Unverwechselbar"
	vector := make([]float32, 384)
	var raw []byte
	for i := range vector {
		vector[i] = float32(i+1) / 1000
	}
	for _, x := range vector[:8] {
		b := math.Float32bits(x)
		raw = append(raw, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	update(t, db, func(tx *Tx) error {
		_, err := tx.AddPerson(access.Person{
			ID: "p1", Name: name, Blocked: true, BlockReason: "Unfug im Serverraum", PIN: "$argon2id$geheim", Duress: "$argon2id$zwang",
			Bypass: &access.Bypass{Since: noon, Until: noon.Add(time.Hour), Reason: "Umzug", Author: "ada"},
		})
		if err != nil {
			return err
		}
		_, err = tx.GiveConsent("p1", access.Consent{Text: "2026-01", How: "paper", Witness: "Karl Zeuge"})
		if err != nil {
			return err
		}
		x, err := tx.AddTemplate(Template{Person: "p1", Model: "m1", Vector: vector})
		if err != nil {
			return err
		}
		if _, err := tx.Append(access.Event{Kind: access.KindGranted, Person: "p1"}); err != nil {
			return err
		}
		return tx.AddPicture("p1", x.ID, jpeg(strings.Repeat("pixels of a face ", 2000)))
	})
	addPerson(t, db, "p2")
	addTemplate(t, db, "p2", 1)
	var person, template, picture []byte
	for query, dst := range map[string]*[]byte{
		"SELECT sealed FROM person WHERE id = 'p1'": &person, "SELECT sealed FROM template WHERE person = 'p1'": &template,
		"SELECT sealed FROM picture WHERE person = 'p1'": &picture,
	} {
		if err := db.reader.QueryRowContext(t.Context(), query).Scan(dst); err != nil {
			t.Fatal(err)
		}
	}
	if len(find(t, dir, person)) == 0 || len(find(t, dir, template[:512])) == 0 || len(find(t, dir, picture[8000:8500])) == 0 {
		t.Fatal("the search finds nothing, so it proves nothing")
	}
	snapshot := options(dir).Path + ".before-2"
	if err := os.WriteFile(snapshot, person, 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(when string, what ...[]byte) {
		t.Helper()
		for _, w := range what {
			if names := find(t, dir, w); names != nil {
				t.Errorf("%s: %.20q is in %v", when, w, names)
			}
		}
	}
	plain := [][]byte{[]byte(name), []byte("Unfug"), []byte("argon2id"), []byte("Zeuge"), []byte("Umzug"), []byte("pixels"), raw}
	check("before", plain...)

	r, err := db.ErasePerson(t.Context(), act, "p1")
	if err != nil {
		t.Fatal(err)
	}
	want := Receipt{Person: "p1", At: noon, Templates: 1, Pictures: 1, Snapshots: 1, Event: 7, Hash: r.Hash}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("receipt (-want +got)\n%s", diff)
	}
	check("after", plain...)
	check("after", person[21:], template[21:100], template[900:1000], picture[21:100])
	for i := 1000; i < len(picture)-100; i += 1000 {
		check("after", picture[i:i+100])
	}
	events, err := db.Events(t.Context(), 6, 1)
	if err != nil || len(events) != 1 || !cmp.Equal(events[0].Data, map[string]string{"templates": "1", "pictures": "1"}) {
		t.Errorf("event: %+v, %v", events, err)
	}
	if left := pictures(t, db); left != nil {
		t.Errorf("pictures left: %v", left)
	}
	if diff := cmp.Diff([]string{"p2"}, people(t, db)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"p2 [1]"}, templates(t, db, "m1")); diff != "" {
		t.Error(diff)
	}
	if _, err := db.VerifyEvents(t.Context()); err != nil {
		t.Error(err)
	}

	// The id may be used again; what was sealed for its former owner does not fit.
	addPerson(t, db, "p1")
	p, err := db.Person(t.Context(), "p1")
	if err != nil || p.Revision <= 6 {
		t.Errorf("revision %d, %v: it went back", p.Revision, err)
	}
	if at := lastSeen(t, db, "p1"); !at.IsZero() {
		t.Errorf("the new owner of the id was last seen %v", at)
	}
}

// What goes without the person is overwritten just as well.
func TestRemovedIsErased(t *testing.T) {
	for name, do := range map[string]func(tx *Tx, template string) error{
		"consent withdrawn": func(tx *Tx, _ string) error { _, err := tx.WithdrawConsent("p1"); return err },
		"templates removed": func(tx *Tx, _ string) error { _, err := tx.RemoveTemplates("p1"); return err },
		"template removed":  func(tx *Tx, template string) error { return tx.RemoveTemplate(template) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			addPerson(t, db, "p1")
			x := addTemplate(t, db, "p1", make1(300)...)
			addPicture(t, db, "p1", x.ID, strings.Repeat("pixels ", 2000))
			var template, picture []byte
			must(t, db.reader.QueryRowContext(t.Context(), "SELECT template.sealed, picture.sealed FROM template, picture").Scan(&template, &picture))
			template, picture = template[100:400], picture[9000:9400]
			if find(t, dir, template) == nil || find(t, dir, picture) == nil {
				t.Fatal("the search finds nothing, so it proves nothing")
			}
			update(t, db, func(tx *Tx) error { return do(tx, x.ID) })
			if names := append(find(t, dir, template), find(t, dir, picture)...); names != nil {
				t.Errorf("still in %v", names)
			}
		})
	}
}

// What was deleted by a process that was killed before it had overwritten it is overwritten
// when the daemon starts.
func TestDaemonOverwritesWhatAnotherLeft(t *testing.T) {
	killed, dir := t.TempDir(), t.TempDir()
	db := open(t, killed)
	addPerson(t, db, "p1")
	addTemplate(t, db, "p1", make1(300)...)
	var template []byte
	must(t, db.reader.QueryRowContext(t.Context(), "SELECT sealed FROM template").Scan(&template))
	update(t, db, func(tx *Tx) error { // which does not overwrite by itself
		_, err := tx.RemoveTemplatesOfModel("p1", "m1")
		return err
	})
	if err := os.CopyFS(dir, os.DirFS(killed)); err != nil { // while it is open, as a kill leaves it
		t.Fatal(err)
	}
	must(t, os.Chmod(options(dir).KeyFile, 0o600))
	must(t, os.Remove(options(dir).Path+"-shm")) // the locks of who is no more
	if find(t, dir, template[100:300]) == nil {
		t.Fatal("nothing was left, so this proves nothing")
	}
	o := options(dir)
	o.Daemon = true
	daemon, err := Open(t.Context(), o)
	must(t, err)
	defer daemon.Close()
	if names := find(t, dir, template[100:300]); names != nil {
		t.Errorf("the template is still in %v", names)
	}
}

func TestErasePendingWhileSomebodyReads(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	if _, err := db.writer.ExecContext(t.Context(), "PRAGMA busy_timeout = 10"); err != nil {
		t.Fatal(err)
	}
	err := db.View(t.Context(), func(tx *Tx) error {
		if _, err := tx.Person("p1"); err != nil {
			return err
		}
		r, err := db.ErasePerson(t.Context(), act, "p1")
		if err == nil && !r.Pending {
			t.Error("the log was emptied under a reader, or the receipt says so")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
