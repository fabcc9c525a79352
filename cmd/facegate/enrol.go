package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"facegate/access"
	"facegate/kiosk"
	"facegate/pipeline/match"
	"facegate/store"
)

// An enrolLine is the line `facegate enrol` prints for one picture.
type enrolLine struct {
	ID        string  `json:"id"`
	File      string  `json:"file"`
	Enrolled  bool    `json:"enrolled"`
	Quality   string  `json:"quality"`
	Resembles *string `json:"resembles"`
	Template  *string `json:"template"`
	Reason    string  `json:"reason,omitempty"` // where it is neither quality nor resemblance: consent_required, too_many
	Hint      string  `json:"hint,omitempty"`
}

// Why somebody is not enrolled, beside what is wrong with a picture.
const (
	reasonConsent = "consent_required"
	reasonTooMany = "too_many"
)

// wish is what an enrolment is to be like.
type wish struct {
	consentBy, consentText string
	duplicate, keep        bool
}

func enrolPerson(ctx context.Context, e *env, args []string) error {
	var photos list
	var w wish
	fs := e.flags("enrol")
	fs.Func("photo", "a picture of the person, more may follow", func(s string) error { photos = append(photos, s); return nil })
	camera := fs.Bool("camera", false, "take the picture with the kiosk's camera")
	fs.StringVar(&w.consentBy, "consent-by", "", "record first that the person agreed, as this witness says")
	fs.StringVar(&w.consentText, "consent-text", "1", "the version of the text that was agreed to")
	fs.BoolVar(&w.duplicate, "allow-duplicate", false, "enrol a face that is already someone else's")
	fs.BoolVar(&w.keep, "keep-picture", false, "keep the picture, sealed, so that a template of a later model can be made of it")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usagef("enrol needs an id")
	}
	id, photos := rest[0], append(photos, rest[1:]...)
	if (len(photos) > 0) == *camera {
		return usagef("enrol needs --photo FILE… or --camera")
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // every change is committed
	if agreed, err := e.agreed(ctx, db, id, &w); err != nil {
		return err
	} else if !agreed {
		return e.consentRequired(id)
	}
	s, err := e.sight()
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	if err := e.recognise(ctx, db, s); err != nil {
		return err
	}
	enroller := &kiosk.Enroller{DB: db, Analyser: s.an, Identifier: s.id, KeepPictures: w.keep}
	if err := w.agree(ctx, db, id); err != nil {
		return err
	}
	if *camera {
		return e.enrolCamera(ctx, enroller, id, w.duplicate)
	}
	refused := false
	for _, file := range photos {
		ok, err := enrolPhoto(ctx, e, enroller, id, file, w.duplicate)
		if err != nil {
			return err
		}
		refused = refused || !ok
	}
	if refused {
		return errNo
	}
	return nil
}

// agreed reports whether the person's consent is there, is about to be given, or is not asked
// for. A picture is kept of nobody who has not agreed, whatever the site asks for.
func (e *env) agreed(ctx context.Context, db *store.DB, id string, w *wish) (bool, error) {
	p, err := db.Person(ctx, id)
	if err != nil {
		return false, err
	}
	c, err := e.config()
	if err != nil {
		return false, err
	}
	return p.Consent != nil || w.consentBy != "" || !c.Privacy.ConsentRequired && !w.keep, nil
}

func (e *env) consentRequired(id string) error {
	l := enrolLine{ID: id, Reason: reasonConsent, Hint: "facegate consent give " + id + " --text VERSION records that the person agreed, or enrol with --consent-by NAME"}
	return errors.Join(errNo, e.print(l, func(w io.Writer) {
		fmt.Fprintf(w, "refused: %s has not agreed that a template is kept (%s)\n", id, l.Hint)
	}))
}

// agree records the consent that an enrolment brings along.
func (w *wish) agree(ctx context.Context, db *store.DB, id string) error {
	if w.consentBy == "" {
		return nil
	}
	act := kiosk.Now(admin())
	return db.Update(ctx, act, func(tx *store.Tx) error {
		_, err := tx.GiveConsent(id, access.Consent{Text: w.consentText, At: act.At, How: "admin", Witness: w.consentBy})
		return err
	})
}

// recognise lets a sight know everybody who is enrolled, with whichever model.
func (e *env) recognise(ctx context.Context, db *store.DB, s *sight) error {
	enrolled, err := db.Models(ctx)
	if err != nil {
		return err
	}
	if err := kiosk.AddOlder(s.engine.Models.List(), s.an, s.id, s.engine.Load, enrolled); err != nil {
		fmt.Fprintf(e.stderr, "facegate: some of the enrolled are not recognised: %v\n", err)
	}
	galleries := []*match.Gallery{s.id.Gallery}
	for _, older := range s.id.Older {
		galleries = append(galleries, older.Gallery)
	}
	people := kiosk.People{DB: db, Galleries: galleries, Log: slog.New(slog.DiscardHandler)}
	return people.Load(ctx)
}

func enrolPhoto(ctx context.Context, e *env, enroller *kiosk.Enroller, id, file string, duplicate bool) (bool, error) {
	l := enrolLine{ID: id, File: file}
	img, err := picture(file)
	var done kiosk.Enrolment
	switch {
	case err == nil:
		if done, err = enroller.Enrol(ctx, kiosk.Now(admin()), id, img, duplicate); err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
	case isPictureError(err):
		err = &kiosk.RefusedError{Quality: "image_error"}
	}
	if why := l.refuse(err); why != "" {
		return false, e.print(l, func(w io.Writer) { fmt.Fprintf(w, "refused %s: %s (%s)\n", file, why, l.Hint) })
	}
	if err != nil {
		return false, err
	}
	l.done(done)
	return true, e.print(l, func(w io.Writer) { fmt.Fprintf(w, "enrolled %s from %s\n", id, file) })
}

// refuse fills in why somebody is not enrolled and returns it for people; "" where err is no
// refusal but a failure, or nil.
func (l *enrolLine) refuse(err error) string {
	if refusal, ok := errors.AsType[*kiosk.RefusedError](err); ok {
		l.Quality, l.Hint = string(refusal.Quality), refusal.Hint()
		if refusal.Resembles != "" {
			l.Resembles = &refusal.Resembles
		}
		return refusal.Error()
	}
	if errors.Is(err, access.ErrTooMany) {
		l.Reason, l.Quality = reasonTooMany, "ok"
		l.Hint = "facegate person remove-template " + l.ID + " removes them all, then enrol anew"
		return "the person has as many templates as are allowed"
	}
	return ""
}

func (l *enrolLine) done(d kiosk.Enrolment) {
	l.Enrolled, l.Quality, l.Template = true, string(d.Quality), &d.Template
	if d.Resembles != "" {
		l.Resembles = &d.Resembles
	}
}
