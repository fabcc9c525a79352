package store

import (
	"database/sql"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// maxPictures bounds the pictures of one template.
const maxPictures = 8

// A Picture is one that a person agreed to be enrolled with. It is kept so that a template can
// be made anew when the model changes.
type Picture struct {
	Person   string
	Template string // id of the template it belongs to, and with which it goes
	JPEG     []byte
	Created  time.Time
	Revision uint64
}

// LogValue is the person: a log holds no pictures.
func (p Picture) LogValue() slog.Value { return slog.StringValue(p.Person) }

// Format prints the ids whatever the verb, so that no verb shows a picture.
func (p Picture) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "picture of %s, template %s", p.Person, p.Template)
}

func picturePlace(person string, rev uint64) seal.Place {
	return seal.Place{Kind: "picture", Person: person, Revision: rev}
}

// AddPicture keeps the JPEG that a template of the person was made from. The template's event
// stands for it too. The error wraps access.ErrNotFound where the person has no such template,
// [ErrNoConsent] where the person has not agreed, whether or not templates need that,
// access.ErrTooMany, and access.ErrInvalid where jpeg is none or longer than 4 MiB.
func (tx *Tx) AddPicture(person, template string, jpeg []byte) error {
	if len(jpeg) < 4 || len(jpeg) > maxText || jpeg[0] != 0xff || jpeg[1] != 0xd8 {
		return fmt.Errorf("%w: a picture of %d bytes that is no JPEG or longer than %d", access.ErrInvalid, len(jpeg), maxText)
	}
	if err := tx.owns(person, template); err != nil {
		return err
	}
	if err := tx.consented(person); err != nil {
		return err
	}
	var have int
	if err := tx.sql.QueryRowContext(tx.ctx, "SELECT count(*) FROM picture WHERE template = ?", template).Scan(&have); err != nil {
		return fmt.Errorf("count pictures: %w", err)
	}
	if have >= maxPictures {
		return fmt.Errorf("template %s has %d pictures: %w", template, have, access.ErrTooMany)
	}
	rev, err := tx.revise()
	if err != nil {
		return err
	}
	_, err = tx.sql.ExecContext(tx.ctx, "INSERT INTO picture (person, rev, template, sealed, created) VALUES (?, ?, ?, ?, ?)",
		person, rev, template, tx.db.ring.Seal(picturePlace(person, rev), jpeg), tx.act.At.UnixMilli())
	if err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	return nil
}

// owns returns an error wrapping access.ErrNotFound unless the template is the person's.
func (tx *Tx) owns(person, template string) error {
	owner, _, err := tx.templateRow(template)
	if err == nil && owner != person {
		err = fmt.Errorf("template %s of person %s: %w", template, person, access.ErrNotFound)
	}
	return err
}

// MovePictures hands the pictures of one template to another of the same person, as when it
// was made anew from them. The error wraps access.ErrNotFound where either is missing or they
// are of different people.
func (tx *Tx) MovePictures(from, to string) error {
	person, _, err := tx.templateRow(from)
	if err != nil {
		return err
	}
	if err := tx.owns(person, to); err != nil {
		return err
	}
	if _, err := tx.sql.ExecContext(tx.ctx, "UPDATE picture SET template = ? WHERE template = ?", to, from); err != nil {
		return fmt.Errorf("move pictures: %w", err)
	}
	return nil
}

// PicturesOf gives the enrolment pictures of a person, the oldest first; each JPEG is the
// caller's. Damaged rows are as in [Tx.Templates]. The store must not be changed in between.
func (tx *Tx) PicturesOf(person string) iter.Seq2[Picture, error] {
	return tx.pictures("WHERE person = ? ORDER BY n", person)
}

// Pictures gives all enrolment pictures as [Tx.PicturesOf] does, one at a time in memory.
func (tx *Tx) Pictures() iter.Seq2[Picture, error] { return tx.pictures("ORDER BY n") }

func (tx *Tx) pictures(where string, args ...any) iter.Seq2[Picture, error] {
	return func(yield func(Picture, error) bool) {
		rows, err := tx.sql.QueryContext(tx.ctx, "SELECT person, rev, template, sealed, created FROM picture "+where, args...)
		if err != nil {
			yield(Picture{}, classify(fmt.Errorf("read pictures: %w", err)))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var p Picture
			var sealed sql.RawBytes
			var created int64
			if err := rows.Scan(&p.Person, &p.Revision, &p.Template, &sealed, &created); err != nil {
				yield(Picture{}, classify(fmt.Errorf("read pictures: %w", err)))
				return
			}
			p.Created = time.UnixMilli(created).UTC()
			p.JPEG, err = tx.db.ring.Open(picturePlace(p.Person, p.Revision), sealed)
			if err != nil {
				err = fmt.Errorf("%v: %w", p, err)
			}
			if !yield(p, err) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(Picture{}, classify(fmt.Errorf("read pictures: %w", err)))
		}
	}
}
