package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"facegate/store/seal"
)

// Whatever happens to the file, reading it gives what was written or an error, never
// something else: a damaged template must not match.
func TestDamagedFile(t *testing.T) {
	source := t.TempDir()
	db := open(t, source)
	for i := range 20 {
		id := fmt.Sprint("p", i)
		addPerson(t, db, id)
		addPicture(t, db, id, addTemplate(t, db, id, float32(i), 1, 2, 3).ID, "of "+id)
	}
	update(t, db, func(tx *Tx) error { _, err := tx.SetPolicy("the policy"); return err })
	signHead(t, db)
	wantPeople, wantTemplates, wantPictures := people(t, db), templates(t, db, "m1"), pictures(t, db)
	must(t, db.Close())
	good, err := os.ReadFile(options(source).Path)
	must(t, err)
	head, err := os.ReadFile(options(source).Path + "-head")
	must(t, err)
	key, err := os.ReadFile(options(source).KeyFile)
	must(t, err)

	const seed = 7
	r := rand.New(rand.NewPCG(seed, seed))
	damage := []func() []byte{
		func() []byte { return bytes.Clone(good)[:r.IntN(len(good))] },
		func() []byte {
			b := bytes.Clone(good)
			clear(b[4096*r.IntN(len(b)/4096):][:4096])
			return b
		},
		func() []byte { // pages swapped
			b := bytes.Clone(good)
			i, j := 4096*r.IntN(len(b)/4096), 4096*r.IntN(len(b)/4096)
			copy(b[i:i+4096], good[j:j+4096])
			copy(b[j:j+4096], good[i:i+4096])
			return b
		},
	}
	for range 5 { // most of the time a byte
		damage = append(damage, func() []byte {
			b := bytes.Clone(good)
			b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
			return b
		})
	}
	opened, refused, broken := 0, 0, 0
	for i := range 160 {
		dir := t.TempDir()
		o := options(dir)
		o.Daemon = true
		must(t, os.WriteFile(o.Path, damage[i%len(damage)](), 0o600))
		must(t, os.WriteFile(o.Path+"-head", head, 0o600))
		must(t, os.WriteFile(o.KeyFile, key, 0o600))
		db, err := Open(t.Context(), o)
		if err != nil {
			refused++
			continue
		}
		opened++
		if _, err := db.VerifyEvents(t.Context()); err != nil {
			broken++
		}
		err = db.View(t.Context(), func(tx *Tx) error {
			for p, err := range tx.People() {
				if err == nil && (!slices.Contains(wantPeople, p.ID) || p.Name != "Name of "+p.ID) {
					t.Errorf("seed %d, round %d: a person %s that was never added", seed, i, p.ID)
				}
			}
			for x, err := range tx.Templates("m1") {
				if got := fmt.Sprint(x.Person, " ", x.Vector); err == nil && !slices.Contains(wantTemplates, got) {
					t.Errorf("seed %d, round %d: a template %s that was never added", seed, i, got)
				}
			}
			for p, err := range tx.Pictures() {
				if err == nil && !slices.Contains(wantPictures, p.Person+" "+string(p.JPEG[4:])) {
					t.Errorf("seed %d, round %d: a picture of %s that was never added", seed, i, p.Person)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("seed %d, round %d: %v", seed, i, err)
		}
		if p, err := db.Policy(t.Context()); err == nil && p.Body != "the policy" {
			t.Errorf("seed %d, round %d: policy %q", seed, i, p.Body)
		}
		must(t, db.Close())
	}
	t.Logf("%d files refused, %d opened, %d of these with a broken trail", refused, opened, broken)
	if refused == 0 || opened == 0 {
		t.Error("the damage is not varied enough to prove anything")
	}
}

// A row as large as a disk is not read into memory.
func TestHugeRow(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	addPerson(t, db, "p1")
	addTemplate(t, db, "p1", 1)
	meddle(t, dir, func(raw *sql.DB) { run(t, raw, "UPDATE template SET sealed = zeroblob(20000000)") })
	var last error
	err := db.View(t.Context(), func(tx *Tx) error {
		for _, err := range tx.Templates("m1") {
			last = err
		}
		return nil
	})
	if err != nil || last == nil || errors.Is(last, seal.ErrSealed) {
		t.Errorf("got %v, %v, want an error of SQLite", last, err)
	}
}
