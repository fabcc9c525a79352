package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// personal is what is sealed of a person: all but id and revision.
type personal struct {
	Name        string    `json:"name"`
	Groups      []string  `json:"groups,omitempty"`
	ValidFrom   time.Time `json:"from,omitzero"`
	ValidUntil  time.Time `json:"until,omitzero"`
	Blocked     bool      `json:"blocked,omitempty"`
	BlockReason string    `json:"why,omitempty"`
	Created     time.Time `json:"created"`
	Changed     time.Time `json:"changed"`

	Unlock  time.Duration `json:"unlock,omitempty"` // ns
	Visitor bool          `json:"visitor,omitempty"`
	NoFace  bool          `json:"noface,omitempty"`
	PIN     string        `json:"pin,omitempty"`
	Duress  string        `json:"duress,omitempty"`
	Consent *consent      `json:"consent,omitempty"`
	Bypass  *bypass       `json:"bypass,omitempty"`
}

type consent struct {
	Text    string    `json:"text"`
	At      time.Time `json:"at"`
	How     string    `json:"how,omitempty"`
	Witness string    `json:"witness,omitempty"`
}

type bypass struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	Author string    `json:"author"`
}

func personPlace(id string, rev uint64) seal.Place {
	return seal.Place{Kind: "person", Person: id, Revision: rev}
}

func (db *DB) sealPerson(p access.Person) ([]byte, error) {
	text, err := json.Marshal(personal{
		p.Name, p.Groups, p.ValidFrom, p.ValidUntil, p.Blocked, p.BlockReason, p.Created, p.Changed,
		p.Unlock, p.Visitor, p.NoFace, p.PIN, p.Duress, (*consent)(p.Consent), (*bypass)(p.Bypass),
	})
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return db.ring.Seal(personPlace(p.ID, p.Revision), text), nil
}

func (db *DB) openPerson(id string, rev uint64, sealed []byte) (access.Person, error) {
	damaged := access.Person{ID: id, Revision: rev}
	text, err := db.ring.Open(personPlace(id, rev), sealed)
	if err != nil {
		return damaged, fmt.Errorf("person %s: %w", id, err)
	}
	defer clear(text)
	var in personal
	if err := json.Unmarshal(text, &in); err != nil {
		return damaged, fmt.Errorf("person %s: %w", id, seal.ErrSealed)
	}
	return access.Person{
		ID: id, Revision: rev, Name: in.Name, Groups: in.Groups, ValidFrom: in.ValidFrom, ValidUntil: in.ValidUntil,
		Blocked: in.Blocked, BlockReason: in.BlockReason, Created: in.Created, Changed: in.Changed,
		Unlock: in.Unlock, Visitor: in.Visitor, NoFace: in.NoFace, PIN: in.PIN, Duress: in.Duress,
		Consent: (*access.Consent)(in.Consent), Bypass: (*access.Bypass)(in.Bypass),
	}, nil
}

// AddPerson keeps a new person and records person.added, and consent.given where p brings a
// consent. It returns the person as kept, with revision and times. The error wraps access.ErrExists where the id is taken and
// access.ErrInvalid where p is not fit to keep.
func (tx *Tx) AddPerson(p access.Person) (access.Person, error) {
	if err := p.Check(); err != nil {
		return access.Person{}, err
	}
	if _, err := tx.personRow(p.ID); err == nil {
		return access.Person{}, fmt.Errorf("person %s: %w", p.ID, access.ErrExists)
	} else if !errors.Is(err, access.ErrNotFound) {
		return access.Person{}, err
	}
	p.Created = tx.act.At
	p, err := tx.putPerson(p, access.Event{Kind: access.KindPersonAdded})
	if err == nil && p.Consent != nil {
		_, err = tx.Append(consentGiven(p))
	}
	return p, err
}

// SetPerson replaces everything of a person but the id, the templates, the consent and the
// time of creation, and records person.changed. The error wraps access.ErrNotFound where there
// is nobody with the id and access.ErrInvalid where p is not fit to keep.
func (tx *Tx) SetPerson(p access.Person) (access.Person, error) {
	if err := p.Check(); err != nil {
		return access.Person{}, err
	}
	old, err := tx.Person(p.ID)
	if errors.Is(err, seal.ErrSealed) {
		old, err = access.Person{Created: tx.act.At}, nil // damaged: this is the repair
	}
	if err != nil {
		return access.Person{}, err
	}
	p.Created, p.Consent = old.Created, old.Consent
	return tx.putPerson(p, access.Event{Kind: access.KindPersonChanged})
}

// ChangePerson lets fn change a person and records person.changed; what says in a word what
// was changed, such as "pin". It returns the person as kept. The consent is not changed this
// way: see [Tx.GiveConsent]. The error wraps access.ErrNotFound where there is nobody with the
// id, access.ErrInvalid where the outcome is not fit to keep, seal.ErrSealed where the row was
// damaged, or is fn's.
func (tx *Tx) ChangePerson(id, what string, fn func(*access.Person) error) (access.Person, error) {
	old, err := tx.Person(id)
	if err != nil {
		return access.Person{}, err
	}
	p := old
	p.Consent = clone(old.Consent)
	if err := fn(&p); err != nil {
		return access.Person{}, err
	}
	if (p.Consent == nil) != (old.Consent == nil) || p.Consent != nil && *p.Consent != *old.Consent {
		return access.Person{}, fmt.Errorf("%w: a consent is given or withdrawn, not changed", access.ErrInvalid)
	}
	p.ID, p.Created = id, old.Created
	if err := p.Check(); err != nil {
		return access.Person{}, err
	}
	return tx.putPerson(p, access.Event{Kind: access.KindPersonChanged, Data: map[string]string{"changed": what}})
}

// clone copies what p points to.
func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}

// putPerson writes p, which fits, and records e of it.
func (tx *Tx) putPerson(p access.Person, e access.Event) (_ access.Person, err error) {
	p.ValidFrom, p.ValidUntil = toMilli(p.ValidFrom), toMilli(p.ValidUntil)
	if p.Consent = clone(p.Consent); p.Consent != nil {
		p.Consent.At = toMilli(p.Consent.At)
	}
	if p.Bypass = clone(p.Bypass); p.Bypass != nil {
		p.Bypass.Since, p.Bypass.Until = toMilli(p.Bypass.Since), toMilli(p.Bypass.Until)
	}
	p.Changed = tx.act.At
	if p.Revision, err = tx.revise(); err != nil {
		return access.Person{}, err
	}
	sealed, err := tx.db.sealPerson(p)
	if err != nil {
		return access.Person{}, err
	}
	// Not REPLACE: that would delete the row, and its templates with it.
	_, err = tx.sql.ExecContext(tx.ctx, `INSERT INTO person VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET rev = excluded.rev, sealed = excluded.sealed`, p.ID, p.Revision, sealed)
	if err != nil {
		return access.Person{}, fmt.Errorf("write person: %w", err)
	}
	e.Person = p.ID
	_, err = tx.Append(e)
	return p, err
}

// personRow finds a person's row without opening it.
func (tx *Tx) personRow(id string) (row struct {
	rev    uint64
	sealed []byte
}, err error,
) {
	err = tx.sql.QueryRowContext(tx.ctx, "SELECT rev, sealed FROM person WHERE id = ?", id).Scan(&row.rev, &row.sealed)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("person %s: %w", id, access.ErrNotFound)
	}
	return row, err
}

// Person returns the person with the given id, or an error wrapping access.ErrNotFound, or
// one wrapping seal.ErrSealed where the row was damaged.
func (tx *Tx) Person(id string) (access.Person, error) {
	row, err := tx.personRow(id)
	if err != nil {
		return access.Person{}, err
	}
	return tx.db.openPerson(id, row.rev, row.sealed)
}

// Person is [Tx.Person] in a transaction of its own.
func (db *DB) Person(ctx context.Context, id string) (p access.Person, err error) {
	err = db.View(ctx, func(tx *Tx) error {
		p, err = tx.Person(id)
		return err
	})
	return p, err
}

// People gives everybody in the order of their ids. A damaged row comes with an error
// wrapping seal.ErrSealed and a person of whom only the id is known, and the iteration goes
// on; after any other error it ends.
func (tx *Tx) People() iter.Seq2[access.Person, error] {
	return func(yield func(access.Person, error) bool) {
		rows, err := tx.sql.QueryContext(tx.ctx, "SELECT id, rev, sealed FROM person ORDER BY id")
		if err != nil {
			yield(access.Person{}, classify(fmt.Errorf("read people: %w", err)))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			var rev uint64
			var sealed sql.RawBytes
			if err := rows.Scan(&id, &rev, &sealed); err != nil {
				yield(access.Person{}, classify(fmt.Errorf("read people: %w", err)))
				return
			}
			if !yield(tx.db.openPerson(id, rev, sealed)) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(access.Person{}, classify(fmt.Errorf("read people: %w", err)))
		}
	}
}

// A Receipt says what an erasure did.
type Receipt struct {
	Person    string    `json:"person"`
	At        time.Time `json:"at"`
	Templates int       `json:"templates"`         // erased with the person
	Pictures  int       `json:"pictures"`          // of the enrolment, erased with the person
	Records   int       `json:"records,omitempty"` // of the APIs, erased with the person
	Snapshots int       `json:"snapshots"`         // copies from before a migration, erased as a whole
	Event     uint64    `json:"event"`             // number of the event person.erased
	Hash      string    `json:"hash"`              // of that event
	// Pending is set where a reader kept the write-ahead log from being emptied: what was
	// erased stays in that file until nobody reads and the daemon has tried again, a second
	// later, or until the last process closes the store.
	Pending bool `json:"pending"`
}

// ErasePerson erases a person, all templates and enrolment pictures, and what the APIs keep of
// them: the rows are overwritten, the write-ahead log is emptied, copies that migrations left are
// deleted. The audit trail keeps the id. The error wraps access.ErrNotFound where there is nobody with the id. Where the receipt comes
// with an error the person is erased, but a copy beside the database may be left.
func (db *DB) ErasePerson(ctx context.Context, act Act, id string) (Receipt, error) {
	r := Receipt{Person: id}
	_, err := db.update(ctx, act, func(tx *Tx) error {
		if _, err := tx.personRow(id); err != nil {
			return err
		}
		n, err := tx.deleteTemplates("person = ?", id)
		if err != nil {
			return err
		}
		if n.records, err = tx.deleteRecords("person = ? AND person <> ''", id); err != nil {
			return err
		}
		if _, err := tx.sql.ExecContext(ctx, "DELETE FROM person WHERE id = ?", id); err != nil {
			return fmt.Errorf("delete person: %w", err)
		}
		tx.erased = true
		if _, err := tx.revise(); err != nil {
			return err
		}
		e, err := tx.Append(access.Event{
			Kind: access.KindPersonErased, Person: id, Data: n.data(),
		})
		r.At, r.Templates, r.Pictures, r.Records, r.Event, r.Hash = tx.act.At, n.templates, n.pictures, n.records, e.Seq, e.Hash.String()
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	r.Pending, r.Snapshots, err = db.scrub(context.WithoutCancel(ctx)) // the person is erased already
	return r, err
}

func toMilli(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
