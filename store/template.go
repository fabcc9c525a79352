package store

import (
	"context"
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

// A Cover is what a face wore when its template was made.
type Cover string

// What a face can wear.
const (
	CoverNone    Cover = ""
	CoverMask    Cover = "mask"
	CoverGlasses Cover = "glasses"
)

// A Template is one enrolled face of a person as one model sees it.
type Template struct {
	ID       string // 32 hex digits, given by the store
	Person   string
	Model    string    // id; vectors of different models are never compared
	Vector   []float32 // finite, not all zero
	Quality  float64   // 0..1, as the enrolment judged it
	Cover    Cover     // what the face wore
	Source   string    // given by the transaction where empty
	Created  time.Time // given by the transaction where zero or not yet come
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
	case t.Cover != CoverNone && t.Cover != CoverMask && t.Cover != CoverGlasses:
		return fmt.Errorf("%w: a template cover %q", access.ErrInvalid, t.Cover)
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
// id, revision, source and time. The error wraps access.ErrNotFound where there is no such person, [ErrNoConsent] where the store asks
// for the person's consent and there is none, access.ErrTooMany where the person has as many
// of this model as are allowed, and access.ErrInvalid where t is not fit to compare with.
func (tx *Tx) AddTemplate(t Template) (Template, error) {
	if err := t.check(); err != nil {
		return Template{}, err
	}
	if _, err := tx.personRow(t.Person); err != nil {
		return Template{}, err
	}
	if tx.db.consent {
		if err := tx.consented(t.Person); err != nil {
			return Template{}, err
		}
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
	if t.Created = toMilli(t.Created); t.Created.IsZero() || t.Created.After(tx.act.At) {
		t.Created = tx.act.At
	}
	t.ID = newTemplateID()
	text := make([]byte, 0, 4*len(t.Vector))
	for _, x := range t.Vector {
		text = binary.LittleEndian.AppendUint32(text, math.Float32bits(x))
	}
	sealed := tx.db.ring.Seal(templatePlace(t.Person, t.Revision, t.Model), text)
	clear(text)
	_, err = tx.sql.ExecContext(tx.ctx, `INSERT INTO template (id, person, rev, model, sealed, quality, source, created, cover)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, t.ID, t.Person, t.Revision, t.Model, sealed, t.Quality, t.Source, t.Created.UnixMilli(), t.Cover)
	if err != nil {
		return Template{}, fmt.Errorf("write template: %w", err)
	}
	data := map[string]string{"template": t.ID, "model": t.Model}
	if t.Cover != CoverNone {
		data["cover"] = string(t.Cover)
	}
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
		rows, err := tx.sql.QueryContext(tx.ctx, "SELECT id, person, rev, model, sealed, quality, source, created, cover FROM template "+where, arg)
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
			if err := rows.Scan(&t.ID, &t.Person, &t.Revision, &t.Model, &sealed, &t.Quality, &t.Source, &created, &t.Cover); err != nil {
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

// Models counts the templates of each model, by its id.
func (db *DB) Models(ctx context.Context) (map[string]int, error) {
	rows, err := db.reader.QueryContext(ctx, "SELECT model, count(*) FROM template GROUP BY model")
	if err != nil {
		return nil, classify(fmt.Errorf("count templates: %w", err))
	}
	defer rows.Close()
	models := make(map[string]int)
	for rows.Next() {
		var model string
		var n int
		if err := rows.Scan(&model, &n); err != nil {
			return nil, classify(fmt.Errorf("count templates: %w", err))
		}
		models[model] = n
	}
	return models, classify(rows.Err())
}

// RemoveTemplates erases all templates and enrolment pictures of a person and the records that
// hold the face, records template.removed where there were any, and returns how many templates
// there were. The error
// wraps access.ErrNotFound where there is no such person.
func (tx *Tx) RemoveTemplates(person string) (int, error) {
	return tx.removeTemplates(person, "")
}

// removeTemplates is [Tx.RemoveTemplates]; why, where it is not empty, goes to the event.
func (tx *Tx) removeTemplates(person, why string) (int, error) {
	if _, err := tx.personRow(person); err != nil {
		return 0, err
	}
	n, err := tx.deleteTemplates("person = ?", person)
	if err != nil {
		return 0, err
	}
	n.records, err = tx.deleteRecords("person = ? AND person <> '' AND face = 1", person)
	if err != nil || n.templates == 0 && n.records == 0 {
		return 0, err
	}
	data := n.data()
	if why != "" {
		data["why"] = why
	}
	tx.erased = true
	return n.templates, tx.templatesRemoved(person, data)
}

// RemoveTemplatesOfModel removes a person's templates of one model, once there are others in
// their place. It records template.removed where there were any, and returns how many. Pictures
// that belong to them go too: hand them to the new templates first ([Tx.MovePictures]). The
// error wraps access.ErrNotFound where there is no such person.
func (tx *Tx) RemoveTemplatesOfModel(person, model string) (int, error) {
	if _, err := tx.personRow(person); err != nil {
		return 0, err
	}
	n, err := tx.deleteTemplates("person = ? AND model = ?", person, model)
	if err != nil || n.templates == 0 {
		return 0, err
	}
	data := n.data()
	data["model"] = model
	return n.templates, tx.templatesRemoved(person, data)
}

// RenewTemplate puts t, made anew from the same face, in place of the template old: it is the
// same person's, takes over the pictures and the time, and old is removed. It records
// template.added and template.removed. The error is as of [Tx.AddTemplate], and wraps
// access.ErrNotFound too where there is no template old.
func (tx *Tx) RenewTemplate(old string, t Template) (Template, error) {
	person, created, err := tx.templateRow(old)
	if err != nil {
		return Template{}, err
	}
	t.Person, t.Created = person, created
	if t, err = tx.AddTemplate(t); err != nil {
		return Template{}, err
	}
	if err := tx.MovePictures(old, t.ID); err != nil {
		return Template{}, err
	}
	if _, err := tx.deleteTemplates("id = ?", old); err != nil {
		return Template{}, err
	}
	return t, tx.templatesRemoved(person, map[string]string{"template": old, "renewed": t.ID})
}

// RemoveTemplate erases one template with its pictures and records template.removed. The error
// wraps access.ErrNotFound where there is no such template.
func (tx *Tx) RemoveTemplate(id string) error {
	person, _, err := tx.templateRow(id)
	if err != nil {
		return err
	}
	if _, err := tx.deleteTemplates("id = ?", id); err != nil {
		return err
	}
	tx.erased = true
	return tx.templatesRemoved(person, map[string]string{"template": id})
}

// templateRow tells whose a template is, and since when it is kept.
func (tx *Tx) templateRow(id string) (person string, created time.Time, err error) {
	var ms int64
	err = tx.sql.QueryRowContext(tx.ctx, "SELECT person, created FROM template WHERE id = ?", id).Scan(&person, &ms)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("template %s: %w", id, access.ErrNotFound)
	}
	return person, time.UnixMilli(ms).UTC(), err
}

// templatesRemoved counts and records a removal.
func (tx *Tx) templatesRemoved(person string, data map[string]string) error {
	if _, err := tx.revise(); err != nil {
		return err
	}
	_, err := tx.Append(access.Event{Kind: access.KindTemplateRemoved, Person: person, Data: data})
	return err
}

// deleted counts what a removal took away.
type deleted struct{ templates, pictures, records int }

// data are the counts as an event tells them.
func (n deleted) data() map[string]string {
	d := map[string]string{"templates": strconv.Itoa(n.templates)}
	if n.pictures > 0 {
		d["pictures"] = strconv.Itoa(n.pictures)
	}
	if n.records > 0 {
		d["records"] = strconv.Itoa(n.records)
	}
	return d
}

// deleteTemplates deletes the templates that a condition of this file holds for, and their
// pictures.
func (tx *Tx) deleteTemplates(where string, args ...any) (n deleted, err error) {
	for _, x := range []struct {
		statement string
		n         *int
	}{
		{"DELETE FROM picture WHERE template IN (SELECT id FROM template WHERE " + where + ")", &n.pictures},
		{"DELETE FROM template WHERE " + where, &n.templates},
	} {
		res, err := tx.sql.ExecContext(tx.ctx, x.statement, args...)
		if err != nil {
			return n, fmt.Errorf("delete templates: %w", err)
		}
		gone, err := res.RowsAffected()
		if err != nil {
			return n, err
		}
		*x.n = int(gone)
	}
	return n, nil
}
