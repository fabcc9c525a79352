package store

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
	"facegate/store/seal"
)

func kinds(t *testing.T, db *DB) (list []string) {
	t.Helper()
	events, err := db.Events(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		list = append(list, fmt.Sprintf("%s %s", e.Kind, e.Person))
	}
	return list
}

func TestPeople(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	ada := access.Person{
		ID: "p1", Name: "Ada Unterwegs", Groups: []string{"lab", "night"}, ValidFrom: noon.Add(1234567),
		ValidUntil: noon.Add(time.Hour), Blocked: true, BlockReason: "badge lost",
	}
	var kept access.Person
	update(t, db, func(tx *Tx) (err error) {
		kept, err = tx.AddPerson(ada)
		return err
	})
	want := ada
	want.ValidFrom = noon.Add(time.Millisecond)
	want.Revision, want.Created, want.Changed = 1, noon, noon
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("AddPerson (-want +got)\n%s", diff)
	}
	got, err := db.Person(t.Context(), "p1")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Person: %v (-want +got)\n%s", err, diff)
	}

	addTemplate(t, db, "p1", 1, 2, 3)
	later := Act{At: noon.Add(time.Minute), Source: access.SourceFleet}
	err = db.Update(t.Context(), later, func(tx *Tx) error {
		_, err := tx.SetPerson(access.Person{ID: "p1", Name: "Ada Daheim"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want = access.Person{ID: "p1", Name: "Ada Daheim", Revision: 3, Created: noon, Changed: later.At}
	got, err = db.Person(t.Context(), "p1")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("after SetPerson: %v (-want +got)\n%s", err, diff)
	}
	if n := len(templates(t, db, "m1")); n != 1 {
		t.Errorf("%d templates after SetPerson, want 1", n)
	}

	update(t, db, func(tx *Tx) error {
		if _, err := tx.AddPerson(ada); !errors.Is(err, access.ErrExists) {
			t.Errorf("added twice: %v", err)
		}
		if _, err := tx.AddPerson(access.Person{ID: "\x00"}); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("bad id: %v", err)
		}
		if _, err := tx.SetPerson(access.Person{ID: "p2"}); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("set nobody: %v", err)
		}
		if _, err := tx.Person("p2"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		return nil
	})
	if _, err := db.ErasePerson(t.Context(), act, "p2"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("erase nobody: %v", err)
	}
	addPerson(t, db, "p0")
	if diff := cmp.Diff([]string{"p0", "p1"}, people(t, db)); diff != "" {
		t.Error(diff)
	}
	wantKinds := []string{"person.added p1", "template.added p1", "person.changed p1", "person.added p0"}
	if diff := cmp.Diff(wantKinds, kinds(t, db)); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

// Everything there is to know of a person is kept, and kept sealed.
func TestPersonIsKeptWhole(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	want := access.Person{
		ID: "p1", Name: "Ada Unterwegs", Groups: []string{"lab"}, ValidFrom: noon, ValidUntil: noon.Add(time.Hour), Blocked: true,
		BlockReason: "badge lost", Unlock: 20 * time.Second, Visitor: true, NoFace: true, PIN: "$argon2id$pin", Duress: "$argon2id$duress",
		Consent: &access.Consent{Text: "2026-01", At: noon.Add(time.Millisecond), How: "screen", Witness: "Karl Zeuge"},
		Bypass:  &access.Bypass{Since: noon, Until: noon.Add(time.Hour), Reason: "Umzug im Lager", Author: "admin:ada"},
	}
	if n := reflect.TypeFor[access.Person]().NumField(); n != 17 {
		t.Fatalf("a person has %d fields: are all of them kept, and in this test?", n)
	}
	given := want
	given.Consent = new(*want.Consent)
	given.Consent.At = given.Consent.At.Add(1234)
	update(t, db, func(tx *Tx) error { _, err := tx.AddPerson(given); return err })
	if given.Consent.At.Equal(want.Consent.At) {
		t.Error("AddPerson changed what it was given")
	}
	want.Revision, want.Created, want.Changed = 1, noon, noon
	got, err := open(t, dir).Person(t.Context(), "p1")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for _, secret := range []string{"Ada", "badge", "argon2id", "Zeuge", "Umzug"} {
		if names := find(t, dir, []byte(secret)); names != nil {
			t.Errorf("%q is in %v", secret, names)
		}
	}
}

func TestChangePerson(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	addTemplate(t, db, "p1", 1)
	later := Act{At: noon.Add(time.Minute), Source: access.SourceAdmin("eve")}
	err := db.Update(t.Context(), later, func(tx *Tx) error {
		got, err := tx.ChangePerson("p1", "pin", func(p *access.Person) error {
			p.ID, p.Created, p.Revision, p.PIN = "p2", time.Time{}, 99, "$hash"
			return nil
		})
		want := access.Person{ID: "p1", Name: "Name of p1", PIN: "$hash", Revision: 3, Created: noon, Changed: later.At}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		return err
	})
	must(t, err)
	events, err := db.Events(t.Context(), 2, 10)
	if err != nil || len(events) != 1 || events[0].Kind != access.KindPersonChanged || !cmp.Equal(events[0].Data, map[string]string{"changed": "pin"}) {
		t.Errorf("events: %+v, %v", events, err)
	}
	stop := errors.New("stop")
	for name, tt := range map[string]struct {
		id   string
		fn   func(*access.Person) error
		want error
	}{
		"nobody":       {"p9", func(*access.Person) error { return nil }, access.ErrNotFound},
		"not fit":      {"p1", func(p *access.Person) error { p.PIN, p.Duress = "", "x"; return nil }, access.ErrInvalid},
		"its own mind": {"p1", func(p *access.Person) error { p.Name = "No"; return stop }, stop},
	} {
		err := db.Update(t.Context(), act, func(tx *Tx) error { _, err := tx.ChangePerson(tt.id, "x", tt.fn); return err })
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if p, err := db.Person(t.Context(), "p1"); err != nil || p.Name != "Name of p1" || p.PIN != "$hash" {
		t.Errorf("afterwards: %+v, %v", p, err)
	}
}

// people are the ids of everybody who opens, and "!id" of those who do not.
func people(t *testing.T, db *DB) (ids []string) {
	t.Helper()
	err := db.View(t.Context(), func(tx *Tx) error {
		for p, err := range tx.People() {
			switch {
			case errors.Is(err, seal.ErrSealed):
				ids = append(ids, "!"+p.ID)
			case err != nil:
				return err
			default:
				ids = append(ids, p.ID)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// templates are "person vector" of a model, and "!person" of those that do not open.
func templates(t *testing.T, db *DB, model string) (list []string) {
	t.Helper()
	err := db.View(t.Context(), func(tx *Tx) error {
		for x, err := range tx.Templates(model) {
			switch {
			case errors.Is(err, seal.ErrSealed) && x.Vector == nil:
				list = append(list, "!"+x.Person)
			case err != nil:
				return err
			default:
				list = append(list, fmt.Sprint(x.Person, " ", x.Vector))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTemplates(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	addPerson(t, db, "p2")
	one := addTemplate(t, db, "p1", 0.5, -0.25, 1e-20)
	addTemplate(t, db, "p2", 3, 4)
	addTemplate(t, db, "p1", 5, 6)
	update(t, db, func(tx *Tx) error {
		_, err := tx.AddTemplate(Template{Person: "p1", Model: "m2", Vector: []float32{7}, Cover: CoverMask, Resembles: "p2", Source: "api:native"})
		return err
	})
	if diff := cmp.Diff([]string{"p1 [0.5 -0.25 1e-20]", "p2 [3 4]", "p1 [5 6]"}, templates(t, db, "m1")); diff != "" {
		t.Errorf("model m1 (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"p1 [7]"}, templates(t, db, "m2")); diff != "" {
		t.Errorf("model m2 (-want +got)\n%s", diff)
	}
	err := db.View(t.Context(), func(tx *Tx) error {
		var all []Template
		for x, err := range tx.TemplatesOf("p1") {
			if err != nil {
				return err
			}
			all = append(all, x)
		}
		if len(all) != 3 {
			t.Fatalf("%d templates of p1, want 3", len(all))
		}
		if all[0].Cover != CoverNone || all[2].Cover != CoverMask {
			t.Errorf("covers %q and %q", all[0].Cover, all[2].Cover)
		}
		want := Template{
			ID: one.ID, Person: "p1", Model: "m1", Vector: []float32{0.5, -0.25, 1e-20}, Quality: 0.9, Source: "admin:ada",
			Created: noon, Revision: 3,
		}
		if diff := cmp.Diff(want, all[0]); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(t.Context(), 5, 10)
	if err != nil || len(events) != 1 || events[0].Data["resembles"] != "p2" || events[0].Data["cover"] != "mask" {
		t.Errorf("override or cover is not on record: %+v, %v", events, err)
	}

	update(t, db, func(tx *Tx) error {
		if err := tx.RemoveTemplate(one.ID); err != nil {
			return err
		}
		if err := tx.RemoveTemplate(one.ID); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		n, err := tx.RemoveTemplates("p1")
		if n != 2 {
			t.Errorf("removed %d, want 2", n)
		}
		return err
	})
	if diff := cmp.Diff([]string{"p2 [3 4]"}, templates(t, db, "m1")); diff != "" {
		t.Error(diff)
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, x := range map[string]Template{
		"no vector":         {Person: "p1", Model: "m"},
		"a zero vector":     {Person: "p1", Model: "m", Vector: make([]float32, 3)},
		"not a number":      {Person: "p1", Model: "m", Vector: []float32{1, nan}},
		"infinite":          {Person: "p1", Model: "m", Vector: []float32{1, inf}},
		"a huge vector":     {Person: "p1", Model: "m", Vector: make([]float32, maxDim+1)},
		"no model":          {Person: "p1", Vector: []float32{1}},
		"a quality of NaN":  {Person: "p1", Model: "m", Vector: []float32{1}, Quality: math.NaN()},
		"an unknown cover":  {Person: "p1", Model: "m", Vector: []float32{1}, Cover: "hat"},
		"a quality above 1": {Person: "p1", Model: "m", Vector: []float32{1}, Quality: 1.1},
	} {
		err := db.Update(t.Context(), act, func(tx *Tx) error { _, err := tx.AddTemplate(x); return err })
		if !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: got %v, want %v", name, err, access.ErrInvalid)
		}
	}
	err := db.Update(t.Context(), act, func(tx *Tx) error {
		_, err := tx.AddTemplate(Template{Person: "nobody", Model: "m", Vector: []float32{1}})
		return err
	})
	if !errors.Is(err, access.ErrNotFound) {
		t.Errorf("nobody's template: %v", err)
	}
	for i := range 8 {
		addTemplate(t, db, "p1", float32(i+1))
	}
	err = db.Update(t.Context(), act, func(tx *Tx) error {
		_, err := tx.AddTemplate(Template{Person: "p1", Model: "m1", Vector: []float32{1}})
		return err
	})
	if !errors.Is(err, access.ErrTooMany) {
		t.Errorf("the ninth: %v", err)
	}
	update(t, db, func(tx *Tx) error { // a new model's have room beside them
		_, err := tx.AddTemplate(Template{Person: "p1", Model: "m2", Vector: []float32{1}})
		return err
	})
}

// What was moved, altered or sealed by another key is never given as a template or person.
func TestDamagedRows(t *testing.T) {
	for _, tt := range []struct {
		name, do string
		people   []string
		list     []string
	}{
		{
			"ciphertexts swapped", `CREATE TEMP TABLE was AS SELECT * FROM template;
				UPDATE template SET sealed = (SELECT sealed FROM was WHERE was.n = 3 - template.n) WHERE n < 3`,
			[]string{"p1", "p2"},
			[]string{"!p1", "!p2", "p2 [5 6]"},
		},
		{"given to somebody else", `UPDATE template SET person = 'p1' WHERE n = 2`, []string{"p1", "p2"}, []string{"p1 [1 2]", "!p1", "p2 [5 6]"}},
		{"another model", `UPDATE template SET model = 'm1' WHERE model = 'm2'`, []string{"p1", "p2"}, []string{"p1 [1 2]", "p2 [3 4]", "p2 [5 6]", "!p1"}},
		{"another revision", `UPDATE template SET rev = 99 WHERE n = 3`, []string{"p1", "p2"}, []string{"p1 [1 2]", "p2 [3 4]", "!p2"}},
		{"emptied", `UPDATE template SET sealed = x'' WHERE n = 3`, []string{"p1", "p2"}, []string{"p1 [1 2]", "p2 [3 4]", "!p2"}},
		{"a template as a person", `UPDATE person SET sealed = (SELECT sealed FROM template WHERE n = 1) WHERE id = 'p1'`, []string{"!p1", "p2"}, []string{"p1 [1 2]", "p2 [3 4]", "p2 [5 6]"}},
		{"people swapped", `CREATE TEMP TABLE was AS SELECT * FROM person; UPDATE person SET sealed = (SELECT sealed FROM was WHERE was.id <> person.id)`, []string{"!p1", "!p2"}, []string{"p1 [1 2]", "p2 [3 4]", "p2 [5 6]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir)
			addPerson(t, db, "p1")
			addPerson(t, db, "p2")
			addTemplate(t, db, "p1", 1, 2)
			addTemplate(t, db, "p2", 3, 4)
			addTemplate(t, db, "p2", 5, 6)
			update(t, db, func(tx *Tx) error {
				_, err := tx.AddTemplate(Template{Person: "p1", Model: "m2", Vector: []float32{7}})
				return err
			})
			meddle(t, dir, func(raw *sql.DB) { run(t, raw, tt.do) })
			if diff := cmp.Diff(tt.people, people(t, db)); diff != "" {
				t.Errorf("people (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(tt.list, templates(t, db, "m1")); diff != "" {
				t.Errorf("templates (-want +got)\n%s", diff)
			}
			update(t, db, func(tx *Tx) error { // a damaged person can be set right
				_, err := tx.SetPerson(access.Person{ID: "p1", Name: "Again"})
				return err
			})
			if p, err := db.Person(t.Context(), "p1"); err != nil || p.Name != "Again" {
				t.Errorf("repaired: %+v, %v", p, err)
			}
		})
	}
}

func TestNothingSecretIsPrinted(t *testing.T) {
	x := Template{ID: "t1", Person: "p1", Model: "m1", Vector: []float32{0.12345}}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("template", "template", x)
	fmt.Fprintf(&out, "%v %+v %#v", x, x, &x)
	if s := out.String(); strings.Contains(s, "0.123") || !strings.Contains(s, "t1") {
		t.Errorf("printed: %s", s)
	}
}
