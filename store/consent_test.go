package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facegate/access"
)

func TestConsentIsAPrecondition(t *testing.T) {
	o := options(t.TempDir())
	o.ConsentRequired = true
	db, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { db.Close() })
	addPerson(t, db, "p1")
	add := func() error {
		return db.Update(t.Context(), act, func(tx *Tx) error {
			_, err := tx.AddTemplate(Template{Person: "p1", Model: "m1", Vector: []float32{1}})
			return err
		})
	}
	if err := add(); !errors.Is(err, ErrNoConsent) || CodeOf(err) != CodeConsent || !strings.Contains(err.Error(), "facegate consent give ID records") {
		t.Errorf("without consent: %v", err)
	}
	giveConsent(t, db, "p1")
	if err := add(); err != nil {
		t.Errorf("with consent: %v", err)
	}
	update(t, db, func(tx *Tx) error { _, err := tx.WithdrawConsent("p1"); return err })
	if err := add(); !errors.Is(err, ErrNoConsent) {
		t.Errorf("after it was withdrawn: %v", err)
	}
}

func TestConsent(t *testing.T) {
	db := open(t, t.TempDir())
	addPerson(t, db, "p1")
	given := access.Consent{Text: "2026-01", At: noon.Add(-time.Hour), How: "paper", Witness: "Karl Zeuge"}
	update(t, db, func(tx *Tx) error {
		p, err := tx.GiveConsent("p1", given)
		if err != nil || !cmp.Equal(p.Consent, &given) {
			t.Errorf("given: %+v, %v", p.Consent, err)
		}
		if _, err := tx.GiveConsent("nobody", given); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("nobody's: %v", err)
		}
		if _, err := tx.GiveConsent("p1", access.Consent{}); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("to no text: %v", err)
		}
		return nil
	})
	p, err := db.Person(t.Context(), "p1")
	if diff := cmp.Diff(&given, p.Consent); diff != "" || err != nil {
		t.Errorf("kept: %v (-want +got)\n%s", err, diff)
	}

	// No other change gives, alters or loses it.
	update(t, db, func(tx *Tx) error {
		_, err := tx.SetPerson(access.Person{ID: "p1", Name: "Other"})
		return err
	})
	for name, fn := range map[string]func(*access.Person) error{
		"taken away": func(p *access.Person) error { p.Consent = nil; return nil },
		"altered":    func(p *access.Person) error { p.Consent.Text = "2027-01"; return nil },
	} {
		err := db.Update(t.Context(), act, func(tx *Tx) error { _, err := tx.ChangePerson("p1", "name", fn); return err })
		if !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err = db.Person(t.Context(), "p1")
	if diff := cmp.Diff(&given, p.Consent); diff != "" || err != nil || p.Name != "Other" {
		t.Errorf("after changes: %v (-want +got)\n%s", err, diff)
	}

	addPicture(t, db, "p1", addTemplate(t, db, "p1", 1).ID, "a") // which gives it once more
	addTemplate(t, db, "p1", 2)
	update(t, db, func(tx *Tx) error {
		if _, err := tx.WithdrawConsent("nobody"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("nobody's withdrawn: %v", err)
		}
		n, err := tx.WithdrawConsent("p1")
		if n != 2 {
			t.Errorf("withdrawing erased %d templates, want 2", n)
		}
		return err
	})
	if p, err = db.Person(t.Context(), "p1"); err != nil || p.Consent != nil || p.Name != "Other" {
		t.Errorf("afterwards: %+v, %v", p, err)
	}
	if x, y := templates(t, db, "m1"), pictures(t, db); len(x)+len(y) != 0 {
		t.Errorf("left: %v, %v", x, y)
	}
	update(t, db, func(tx *Tx) error { // of somebody who has none
		n, err := tx.WithdrawConsent("p1")
		if n != 0 {
			t.Errorf("erased %d the second time", n)
		}
		return err
	})
	withdrawn := map[string]string{"changed": "consent", "consent": "withdrawn"}
	want := []access.Event{
		{Kind: access.KindPersonAdded},
		{Kind: access.KindConsentGiven, Data: map[string]string{"text": "2026-01", "given": "2026-03-04T11:00:00.000Z", "how": "paper", "witness": "named"}},
		{Kind: access.KindPersonChanged},
		{Kind: access.KindTemplateAdded},
		{Kind: access.KindConsentGiven, Data: map[string]string{"text": "v1", "given": "2026-03-04T12:00:00.000Z", "how": "paper"}},
		{Kind: access.KindTemplateAdded},
		{Kind: access.KindTemplateRemoved, Data: map[string]string{"templates": "2", "pictures": "1", "why": "consent"}},
		{Kind: access.KindPersonChanged, Data: withdrawn},
		{Kind: access.KindPersonChanged, Data: withdrawn},
	}
	events, err := db.Events(t.Context(), 0, 100)
	must(t, err)
	var got []access.Event
	for _, e := range events {
		if e.Kind == access.KindTemplateAdded {
			e.Data = nil
		}
		if e.Person != "p1" {
			t.Errorf("event of %q", e.Person)
		}
		got = append(got, access.Event{Kind: e.Kind, Data: e.Data})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

// What a person who is added brings is recorded like what is given later.
func TestAddPersonWithConsent(t *testing.T) {
	db := open(t, t.TempDir())
	update(t, db, func(tx *Tx) error {
		_, err := tx.AddPerson(access.Person{ID: "p1", Consent: &access.Consent{Text: "v1", At: noon}})
		return err
	})
	if diff := cmp.Diff([]string{"person.added p1", "consent.given p1"}, kinds(t, db)); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}
