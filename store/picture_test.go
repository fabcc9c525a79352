package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
	"facegate/store/seal"
)

// jpeg is what passes for a picture with the given content.
func jpeg(content string) []byte { return append([]byte{0xff, 0xd8, 0xff, 0xe0}, content...) }

func giveConsent(tb testing.TB, db *DB, id string) {
	tb.Helper()
	update(tb, db, func(tx *Tx) error {
		_, err := tx.GiveConsent(id, access.Consent{Text: "v1", How: "paper"})
		return err
	})
}

// addPicture gives the person's consent and keeps a picture of them.
func addPicture(tb testing.TB, db *DB, person, template, content string) {
	tb.Helper()
	giveConsent(tb, db, person)
	update(tb, db, func(tx *Tx) error { return tx.AddPicture(person, template, jpeg(content)) })
}

// pictures are "person content" of all pictures, and "!person" of those that do not open.
func pictures(t *testing.T, db *DB) []string {
	t.Helper()
	return pictureList(t, db, (*Tx).Pictures)
}

func pictureList(t *testing.T, db *DB, of func(*Tx) iter.Seq2[Picture, error]) (list []string) {
	t.Helper()
	must(t, db.View(t.Context(), func(tx *Tx) error {
		for p, err := range of(tx) {
			switch {
			case errors.Is(err, seal.ErrSealed) && p.JPEG == nil:
				list = append(list, "!"+p.Person)
			case err != nil:
				return err
			default:
				list = append(list, p.Person+" "+string(p.JPEG[4:]))
			}
		}
		return nil
	}))
	return list
}

func TestPictures(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	addPerson(t, db, "p2")
	one, two := addTemplate(t, db, "p1", 1), addTemplate(t, db, "p2", 2)
	add := func(person, template string, b []byte) error {
		return db.Update(t.Context(), act, func(tx *Tx) error { return tx.AddPicture(person, template, b) })
	}
	if err := add("p1", one.ID, jpeg("a")); !errors.Is(err, ErrNoConsent) || CodeOf(err) != CodeConsent || !strings.Contains(err.Error(), "facegate consent give") {
		t.Errorf("without consent: %v", err)
	}
	giveConsent(t, db, "p1")
	giveConsent(t, db, "p2")
	for name, tt := range map[string]struct {
		person, template string
		b                []byte
		want             error
	}{
		"no template":             {"p1", "none", jpeg("a"), access.ErrNotFound},
		"somebody else's":         {"p1", two.ID, jpeg("a"), access.ErrNotFound},
		"nothing":                 {"p1", one.ID, nil, access.ErrInvalid},
		"no JPEG":                 {"p1", one.ID, []byte("GIF89a"), access.ErrInvalid},
		"longer than is accepted": {"p1", one.ID, jpeg(strings.Repeat("x", maxText)), access.ErrInvalid},
	} {
		if err := add(tt.person, tt.template, tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	before, err := db.LastEvent(t.Context())
	must(t, err)
	must(t, add("p2", two.ID, jpeg("second")))
	for _, c := range []string{"a", strings.Repeat("b", maxText-4)} {
		must(t, add("p1", one.ID, jpeg(c)))
	}
	if after, err := db.LastEvent(t.Context()); after != before || err != nil {
		t.Errorf("events %d to %d, %v: the template's stands for its pictures", before, after, err)
	}
	if diff := cmp.Diff([]string{"p2 second", "p1 a", "p1 " + strings.Repeat("b", maxText-4)}, pictures(t, db)); diff != "" {
		t.Errorf("(-want +got)\n%.500s", diff)
	}
	of := func(tx *Tx) iter.Seq2[Picture, error] { return tx.PicturesOf("p2") }
	if diff := cmp.Diff([]string{"p2 second"}, pictureList(t, db, of)); diff != "" {
		t.Errorf("of p2 (-want +got)\n%s", diff)
	}
	for range maxPictures - 2 {
		must(t, add("p1", one.ID, jpeg("c")))
	}
	if err := add("p1", one.ID, jpeg("d")); !errors.Is(err, access.ErrTooMany) {
		t.Errorf("one more than fit: %v", err)
	}
	update(t, db, func(tx *Tx) error { return tx.RemoveTemplate(one.ID) })
	if diff := cmp.Diff([]string{"p2 second"}, pictures(t, db)); diff != "" {
		t.Errorf("after the template went (-want +got)\n%s", diff)
	}
}

// A new model's templates take the pictures over, and keep their time.
func TestPicturesMoveToANewModel(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	addPerson(t, db, "p2")
	old, other := addTemplate(t, db, "p1", 1), addTemplate(t, db, "p2", 2)
	addPicture(t, db, "p1", old.ID, "a")
	later := Act{At: noon.AddDate(0, 0, 9), Source: access.SourceSystem}
	err := db.Update(t.Context(), later, func(tx *Tx) error {
		var all []Picture
		for p, err := range tx.PicturesOf("p1") {
			if err != nil {
				return err
			}
			all = append(all, p)
		}
		if len(all) != 1 || !all[0].Created.Equal(noon) || all[0].Template != old.ID {
			t.Fatalf("pictures: %v", all)
		}
		made, err := tx.AddTemplate(Template{Person: "p1", Model: "m2", Vector: []float32{9}, Created: all[0].Created})
		if err != nil || !made.Created.Equal(noon) {
			t.Errorf("made %v at %v, %v", made, made.Created, err)
		}
		if err := tx.MovePictures(old.ID, other.ID); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("to somebody else: %v", err)
		}
		if err := tx.MovePictures("none", made.ID); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("of no template: %v", err)
		}
		if err := tx.MovePictures(old.ID, made.ID); err != nil {
			return err
		}
		if n, err := tx.RemoveTemplatesOfModel("p1", "m1"); n != 1 || err != nil {
			t.Errorf("removed %d, %v", n, err)
		}
		if n, err := tx.RemoveTemplatesOfModel("p1", "m1"); n != 0 || err != nil {
			t.Errorf("removed %d, %v the second time", n, err)
		}
		if _, err := tx.RemoveTemplatesOfModel("nobody", "m1"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("nobody's: %v", err)
		}
		return nil
	})
	must(t, err)
	if diff := cmp.Diff([]string{"p1 a"}, pictures(t, db)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	models, err := db.Models(t.Context())
	if diff := cmp.Diff(map[string]int{"m1": 1, "m2": 1}, models); diff != "" || err != nil {
		t.Errorf("models: %v (-want +got)\n%s", err, diff)
	}
	events, err := db.Events(t.Context(), 6, 10)
	if err != nil || len(events) != 1 || !cmp.Equal(events[0].Data, map[string]string{"templates": "1", "model": "m1"}) {
		t.Errorf("events: %+v, %v", events, err)
	}
	// A time that has not come is not taken over: it would keep the face for longer.
	err = db.Update(t.Context(), act, func(tx *Tx) error {
		x, err := tx.AddTemplate(Template{Person: "p1", Model: "m2", Vector: []float32{9}, Created: later.At})
		if !x.Created.Equal(noon) {
			t.Errorf("created %v, want %v", x.Created, noon)
		}
		return err
	})
	must(t, err)
}

// A template made anew stands in the old one's place: its pictures, and its time, so that a
// new model does not lengthen how long a face is kept.
func TestRenewTemplate(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	old := addTemplate(t, db, "p1", 1)
	addPicture(t, db, "p1", old.ID, "a")
	later := Act{At: noon.AddDate(0, 0, 9), Source: access.SourceSystem}
	var made Template
	must(t, db.Update(t.Context(), later, func(tx *Tx) (err error) {
		made, err = tx.RenewTemplate(old.ID, Template{Model: "m2", Vector: []float32{9}})
		return err
	}))
	if made.Person != "p1" || !made.Created.Equal(noon) || made.ID == old.ID {
		t.Errorf("made %v of %v", made, made.Created)
	}
	if diff := cmp.Diff([]string{"p1 [9]"}, templates(t, db, "m2")); diff != "" || templates(t, db, "m1") != nil {
		t.Errorf("old ones %v (-want +got)\n%s", templates(t, db, "m1"), diff)
	}
	if diff := cmp.Diff([]string{"p1 a"}, pictures(t, db)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	events, err := db.Events(t.Context(), 3, 10)
	if err != nil || len(events) != 2 || !cmp.Equal(events[1].Data, map[string]string{"template": old.ID, "renewed": made.ID}) {
		t.Errorf("events: %+v, %v", events, err)
	}
	err = db.Update(t.Context(), later, func(tx *Tx) error {
		_, err := tx.RenewTemplate(old.ID, Template{Model: "m2", Vector: []float32{9}})
		return err
	})
	if !errors.Is(err, access.ErrNotFound) {
		t.Errorf("what is gone: %v", err)
	}
}

func TestDamagedPictures(t *testing.T) {
	for name, do := range map[string]string{
		"swapped": `CREATE TEMP TABLE was AS SELECT * FROM picture; UPDATE picture SET sealed = (SELECT sealed FROM was WHERE was.n <> picture.n)`,
		"emptied": "UPDATE picture SET sealed = x''",
		"moved":   "UPDATE picture SET person = iif(person = 'p1', 'p2', 'p1'), rev = rev + 100",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			for _, id := range []string{"p1", "p2"} {
				addPerson(t, db, id)
				addPicture(t, db, id, addTemplate(t, db, id, 1).ID, "of "+id)
			}
			meddle(t, dir, func(raw *sql.DB) { run(t, raw, do) })
			for _, got := range pictures(t, db) {
				if !strings.HasPrefix(got, "!") {
					t.Errorf("%q opens", got)
				}
			}
		})
	}
}

func TestNoPictureIsPrinted(t *testing.T) {
	p := Picture{Person: "p1", Template: "t1", JPEG: []byte("secret bytes")}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("picture", "picture", p)
	fmt.Fprintf(&out, "%v %+v %#v %s %x", p, p, &p, p, p)
	if s := out.String(); strings.Contains(s, "secret") || strings.Contains(s, "736563") || strings.Contains(s, "c2Vj") || !strings.Contains(s, "p1") {
		t.Errorf("printed: %s", s)
	}
}
