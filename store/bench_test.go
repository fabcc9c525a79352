package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"facegate/access"
)

// fill adds n templates of 384 numbers, three a person.
func fill(b *testing.B, db *DB, n int) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for done := 0; done < n; {
		update(b, db, func(tx *Tx) error {
			for range 1000 {
				id := fmt.Sprintf("person-%07d", done)
				if _, err := tx.AddPerson(access.Person{ID: id, Name: "Name " + id}); err != nil {
					return err
				}
				for range 3 {
					v := make([]float32, 384)
					for i := range v {
						v[i] = float32(r.NormFloat64()) / 19.6
					}
					if _, err := tx.AddTemplate(Template{Person: id, Model: "foamliu+0095", Vector: v, Quality: 0.9}); err != nil {
						return err
					}
					if done++; done == n {
						return nil
					}
				}
			}
			return nil
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		dir := b.TempDir()
		db, err := Open(b.Context(), options(dir))
		if err != nil {
			b.Fatal(err)
		}
		fill(b, db, n)
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("templates=%d", n), func(b *testing.B) {
			for b.Loop() {
				db, err := Open(b.Context(), options(dir))
				if err != nil {
					b.Fatal(err)
				}
				got := 0
				err = db.View(b.Context(), func(tx *Tx) error {
					for _, err := range tx.Templates("foamliu+0095") {
						if err != nil {
							return err
						}
						got++
					}
					return nil
				})
				if err != nil || got != n {
					b.Fatalf("%d templates, %v", got, err)
				}
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("people=%d", (n+2)/3), func(b *testing.B) {
			db := open(b, dir)
			for b.Loop() {
				err := db.View(b.Context(), func(tx *Tx) error {
					for _, err := range tx.People() {
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("daemon=%d", n), func(b *testing.B) {
			o := options(dir)
			o.Daemon = true
			for b.Loop() {
				db, err := Open(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				if err := db.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("verify=%d", n+(n+2)/3), func(b *testing.B) {
			db := open(b, dir)
			for b.Loop() {
				if _, err := db.VerifyEvents(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAppend is one audit event committed to the disk; its floor beside it is a write
// of as many bytes and an fsync.
func BenchmarkAppend(b *testing.B) {
	e := access.Event{
		Kind: access.KindGranted, Person: "p-88", Door: "main", Source: access.SourceCamera,
		Scores: access.Scores{Match: new(96.1), Margin: new(0.41), Liveness: new(0.97)},
		Models: map[string]string{"embed": "foamliu+0095", "mesh": "face_landmark"},
	}
	b.Run("event", func(b *testing.B) {
		db := open(b, b.TempDir())
		for b.Loop() {
			if _, err := db.AppendEvent(b.Context(), act, e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("64 events", func(b *testing.B) {
		db := open(b, b.TempDir())
		for b.Loop() {
			update(b, db, func(tx *Tx) error {
				for range 64 {
					if _, err := tx.Append(e); err != nil {
						return err
					}
				}
				return nil
			})
		}
	})
	b.Run("write and fsync", func(b *testing.B) {
		f, err := os.Create(b.TempDir() + "/raw")
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		page := make([]byte, 4*4120) // as many pages as the log grows by
		for b.Loop() {
			if _, err := f.Write(page); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPeopleRevision(b *testing.B) {
	db := open(b, b.TempDir())
	for b.Loop() {
		if _, err := db.PeopleRevision(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// What a start costs that takes the last two days back from a trail of 200 000 events.
func BenchmarkEventsSince(b *testing.B) {
	db := open(b, b.TempDir())
	const total = 200_000
	appendAt(b, db, noon, total)
	for _, n := range []int{5_000, total} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			since := noon.Add(time.Duration(total-n) * time.Second)
			for b.Loop() {
				got := 0
				err := db.EventsSince(b.Context(), since, func(access.Event) error { got++; return nil })
				if err != nil || got != n {
					b.Fatalf("%d events, %v", got, err)
				}
			}
		})
	}
}

// What it costs to verify a year of hourly signatures, beside the chain.
func BenchmarkVerifySigned(b *testing.B) {
	db := open(b, b.TempDir())
	const hours = 365 * 24
	for i := range hours { // the first makes the key, which is an event too
		err := db.Update(b.Context(), act, func(tx *Tx) error { _, err := tx.Append(access.Event{Kind: access.KindStarted}); return err })
		if err != nil {
			b.Fatal(err)
		}
		if _, err := db.SignHead(b.Context(), Act{At: noon.Add(time.Duration(i) * time.Hour), Source: access.SourceSystem}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if v, err := db.VerifyEvents(b.Context()); err != nil || v.Signed != hours {
			b.Fatalf("%+v, %v", v, err)
		}
	}
}
