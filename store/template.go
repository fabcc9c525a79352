package store

import (
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math"
	"strconv"
	"time"

	"facegate/access"
	"facegate/store/seal"
)

// maxDim bounds the length of a vector.
const maxDim = 4096

// A Template is one enrolled face of a person as one model sees it.
type Template struct {
	ID       string // 32 hex digits, given by the store
	Person   string
	Model    string    // id; vectors of different models are never compared
	Vector   []float32 // finite, not all zero
	Quality  float64   // 0..1, as the enrolment judged it
	Source   string    // given by the transaction where empty
	Created  time.Time
	Revision uint64

	// Resembles is the person whose face this is too, where somebody overrode the refusal
	// to enrol it. It is recorded in the event and not kept with the template.
	Resembles string
}

// LogValue is the id: a log holds no vectors.
func (t Template) LogValue() slog.Value { return slog.StringValue(t.ID) }

// Format prints the ids whatever the verb, so that no verb shows a vector.
func (t Template) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "template %s of %s, model %s", t.ID, t.Person, t.Model)
}

func (t *Template) check() error {
	switch {
	case t.Model == "" || len(t.Model) > 128:
		return fmt.Errorf("%w: a template needs a model id of at most 128 bytes", access.ErrInvalid)
	case len(t.Vector) == 0 || len(t.Vector) > maxDim:
		return fmt.Errorf("%w: a vector of %d numbers", access.ErrInvalid, len(t.Vector))
	case !(t.Quality >= 0 && t.Quality <= 1):
		return fmt.Errorf("%w: a template quality of %v", access.ErrInvalid, t.Quality)
	case !usable(t.Vector):
		return fmt.Errorf("%w: a vector that is zero or holds what is not a number", access.ErrInvalid)
	}
	return nil
}

// usable reports whether v is finite and not zero.
func usable(v []float32) bool {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return sum > 0 && !math.IsInf(sum, 0) // NaN is not above 0
}

func templatePlace(person string, rev uint64, model string) seal.Place {
	return seal.Place{Kind: "template", Person: person, Revision: rev, Model: model}
}

// AddTemplate keeps a template of a person and records template.added. It returns it with
// id, revision, source and time. The error wraps access.ErrNotFound where there is no such
// person, access.ErrTooMany where the person has as many of this model as are allowed, and
// access.ErrInvalid where t is not fit to compare with.
func (tx *Tx) AddTemplate(t Template) (Template, error) {
	if err := t.check(); err != nil {
		return Template{}, err
	}
	if _, err := tx.personRow(t.Person); err != nil {
		return Template{}, err
	}
	var have int
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT count(*) FROM template WHERE person = ? AND model = ?", t.Person, t.Model).Scan(&have)
	if err != nil {
		return Template{}, fmt.Errorf("count templates: %w", err)
	}
	if have >= tx.db.most {
		return Template{}, fmt.Errorf("person %s has %d templates of this model: %w", t.Person, have, access.ErrTooMany)
	}
	if t.Revision, err = tx.revise(); err != nil {
		return Template{}, err
	}
	if t.Source == "" {
		t.Source = tx.act.Source
	}
	t.ID, t.Created = newTemplateID(), tx.act.At
	text := make([]byte, 0, 4*len(t.Vector))
	for _, x := range t.Vector {
		text = binary.LittleEndian.AppendUint32(text, math.Float32bits(x))
	}
	sealed := tx.db.ring.Seal(templatePlace(t.Person, t.Revision, t.Model), text)
	clear(text)
	_, err = tx.sql.ExecContext(tx.ctx, `INSERT INTO template (id, person, rev, model, sealed, quality, source, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, t.ID, t.Person, t.Revision, t.Model, sealed, t.Quality, t.Source, t.Created.UnixMilli())
	if err != nil {
		return Template{}, fmt.Errorf("write template: %w", err)
	}
	data := map[string]string{"template": t.ID, "model": t.Model}
	if t.Resembles != "" {
		data["resembles"] = t.Resembles
	}
	_, err = tx.Append(access.Event{Kind: access.KindTemplateAdded, Person: t.Person, Data: data})
	return t, err
}

func newTemplateID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// Templates gives all templates of a model, the oldest first; each vector is the caller's. A
// row that was damaged, moved or sealed by another key comes with an error wrapping
// seal.ErrSealed and no vector, and the iteration goes on: it must never match, and the
// others still may. After any other error it ends.
func (tx *Tx) Templates(model string) iter.Seq2[Template, error] {
	return tx.templates("WHERE model = ? ORDER BY n", model)
}

// TemplatesOf gives all templates of a person, of all models, as [Tx.Templates] does.
func (tx *Tx) TemplatesOf(person string) iter.Seq2[Template, error] {
	return tx.templates("WHERE person = ? ORDER BY n", person)
}

func (tx *Tx) templates(where, arg string) iter.Seq2[Template, error] {
	return func(yield func(Template, error) bool) {
		rows, err := tx.sql.QueryContext(tx.ctx, "SELECT id, person, rev, model, sealed, quality, source, created FROM template "+where, arg)
		if err != nil {
			yield(Template{}, classify(fmt.Errorf("read templates: %w", err)))
			return
		}
		defer rows.Close()
		var text []byte
		for rows.Next() {
			var t Template
			var sealed sql.RawBytes
			var created int64
			if err := rows.Scan(&t.ID, &t.Person, &t.Revision, &t.Model, &sealed, &t.Quality, &t.Source, &created); err != nil {
				yield(Template{}, classify(fmt.Errorf("read templates: %w", err)))
				return
			}
			t.Created = time.UnixMilli(created).UTC()
			text, err = tx.db.ring.OpenTo(text[:0], templatePlace(t.Person, t.Revision, t.Model), sealed)
			if err == nil {
				t.Vector, err = vector(text)
			}
			if err != nil {
				err = fmt.Errorf("%v: %w", t, err)
			}
			if !yield(t, err) {
				return
			}
		}
		clear(text)
		if err := rows.Err(); err != nil {
			yield(Template{}, classify(fmt.Errorf("read templates: %w", err)))
		}
	}
}

func vector(text []byte) ([]float32, error) {
	v := make([]float32, len(text)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(text[4*i:]))
	}
	if len(text)%4 != 0 || !usable(v) {
		return nil, seal.ErrSealed
	}
	return v, nil
}

// RemoveTemplates removes all templates of a person, records template.removed where there
// were any, and returns how many there were. The error wraps access.ErrNotFound where there
// is no such person.
func (tx *Tx) RemoveTemplates(person string) (int, error) {
	if _, err := tx.personRow(person); err != nil {
		return 0, err
	}
	n, err := tx.deleteTemplates("person", person)
	if err != nil || n == 0 {
		return 0, err
	}
	if _, err := tx.revise(); err != nil {
		return 0, err
	}
	_, err = tx.Append(access.Event{
		Kind: access.KindTemplateRemoved, Person: person, Data: map[string]string{"templates": strconv.Itoa(n)},
	})
	return n, err
}

// RemoveTemplate removes one template and records template.removed. The error wraps
// access.ErrNotFound where there is no such template.
func (tx *Tx) RemoveTemplate(id string) error {
	var person string
	err := tx.sql.QueryRowContext(tx.ctx, "SELECT person FROM template WHERE id = ?", id).Scan(&person)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("template %s: %w", id, access.ErrNotFound)
	}
	if err != nil {
		return err
	}
	if _, err := tx.deleteTemplates("id", id); err != nil {
		return err
	}
	if _, err := tx.revise(); err != nil {
		return err
	}
	_, err = tx.Append(access.Event{
		Kind: access.KindTemplateRemoved, Person: person, Data: map[string]string{"template": id},
	})
	return err
}

func (tx *Tx) deleteTemplates(column, value string) (int, error) {
	res, err := tx.sql.ExecContext(tx.ctx, "DELETE FROM template WHERE "+column+" = ?", value)
	if err != nil {
		return 0, fmt.Errorf("delete templates: %w", err)
	}
	n, err := res.RowsAffected()
	return int(n), err
}
