package store

import (
	"errors"
	"fmt"

	"facegate/access"
)

// ErrNoConsent means that the person has not agreed to what would be kept of their face.
var ErrNoConsent = errors.New("the person has not given consent")

// ConsentRequired reports whether faces are kept of those only who have agreed.
func (db *DB) ConsentRequired() bool { return db.consent }

// consented returns an error wrapping ErrNoConsent where the person has not agreed.
func (tx *Tx) consented(person string) error {
	p, err := tx.Person(person)
	if err == nil && p.Consent == nil {
		err = &Error{CodeConsent, "facegate consent give ID records the person's agreement", fmt.Errorf("person %s: %w", person, ErrNoConsent)}
	}
	return err
}

// GiveConsent keeps that a person agreed, in place of an earlier consent, and records
// consent.given with the text's version and how it was given; who witnessed it is kept with
// the person only, where it can be erased. A consent without a time is given now. The error
// wraps access.ErrNotFound where there is nobody with the id and access.ErrInvalid where c is
// not fit to keep.
func (tx *Tx) GiveConsent(id string, c access.Consent) (access.Person, error) {
	p, err := tx.Person(id)
	if err != nil {
		return access.Person{}, err
	}
	if c.At.IsZero() {
		c.At = tx.act.At
	}
	p.Consent = &c
	if err := p.Check(); err != nil {
		return access.Person{}, err
	}
	return tx.putPerson(p, consentGiven(p))
}

// consentGiven is the record of p's consent.
func consentGiven(p access.Person) access.Event {
	data := map[string]string{"text": p.Consent.Text, "given": toMilli(p.Consent.At).Format("2006-01-02T15:04:05.000Z07:00")}
	if p.Consent.How != "" {
		data["how"] = p.Consent.How
	}
	if p.Consent.Witness != "" {
		data["witness"] = "named"
	}
	return access.Event{Kind: access.KindConsentGiven, Person: p.ID, Data: data}
}

// WithdrawConsent takes a person's consent back: templates, enrolment pictures and records that
// hold the face are erased in the same transaction. It records template.removed where there were any, and
// person.changed. It returns how many templates there were. The error wraps access.ErrNotFound
// where there is nobody with the id; a person without a consent has none afterwards too.
func (tx *Tx) WithdrawConsent(id string) (int, error) {
	p, err := tx.Person(id)
	if err != nil {
		return 0, err
	}
	n, err := tx.removeTemplates(id, "consent")
	if err != nil {
		return 0, err
	}
	p.Consent = nil
	_, err = tx.putPerson(p, access.Event{
		Kind: access.KindPersonChanged, Data: map[string]string{"changed": "consent", "consent": "withdrawn"},
	})
	return n, err
}
