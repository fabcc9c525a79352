package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"

	"facegate/access"
	"facegate/kiosk"
	"facegate/store"
)

// admin is the source of what the operator does on the command line.
func admin() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return access.SourceAdmin(u.Username)
	}
	return access.SourceAdmin("cli")
}

// A personLine is how people are printed as JSON.
type personLine struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Groups     []string   `json:"groups"`
	ValidFrom  *time.Time `json:"valid_from"`
	ValidUntil *time.Time `json:"valid_until"`
	Blocked    bool       `json:"blocked"`
	Templates  int        `json:"templates"`
}

func person(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("person add, list, show, remove or remove-template")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("person")}
	case "add":
		return personAdd(ctx, e, args)
	case "list":
		return personList(ctx, e, args)
	case "show", "remove", "remove-template":
		rest, err := parse(e.flags("person "+verb), args)
		if err != nil {
			return err
		}
		if len(rest) != 1 {
			return usagef("person %s takes one id", verb)
		}
		db, err := e.store(ctx)
		if err != nil {
			return err
		}
		defer db.Close() //nolint:errcheck // every change is committed
		switch verb {
		case "show":
			return personShow(ctx, e, db, rest[0])
		case "remove":
			return personRemove(ctx, e, db, rest[0])
		}
		return personRemoveTemplate(ctx, e, db, rest[0])
	}
	return usagef("person knows no %q", verb)
}

// list is a flag that may be repeated and may hold several values with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }
func (l *list) Set(s string) error {
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			*l = append(*l, v)
		}
	}
	return nil
}

// moment is a flag that holds a time, or a day in local time.
type moment struct{ time.Time }

func (m *moment) Set(s string) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			m.Time = t
			return nil
		}
	}
	return fmt.Errorf("%q is no time: write 2026-03-01 or 2026-03-01T08:00:00Z", s)
}

func personAdd(ctx context.Context, e *env, args []string) error {
	var p access.Person
	var groups list
	var from, until moment
	fs := e.flags("person add")
	fs.StringVar(&p.ID, "id", "", "the person's id, as records will show it")
	fs.StringVar(&p.Name, "name", "", "the person's name")
	fs.Var(&groups, "group", "a group, may be repeated")
	fs.Var(&from, "valid-from", "from when they may pass")
	fs.Var(&until, "valid-until", "until when they may pass")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 || p.ID == "" || p.Name == "" {
		return usagef("person add needs --id ID and --name NAME")
	}
	p.Groups, p.ValidFrom, p.ValidUntil = groups, from.Time, until.Time
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the change is committed
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		p, err = tx.AddPerson(p)
		return err
	})
	if err != nil {
		return err
	}
	return e.print(line(p, 0), func(w io.Writer) { fmt.Fprintf(w, "added %s\n", p.ID) })
}

func line(p access.Person, templates int) personLine {
	l := personLine{ID: p.ID, Name: p.Name, Groups: append([]string{}, p.Groups...), Blocked: p.Blocked, Templates: templates}
	if !p.ValidFrom.IsZero() {
		l.ValidFrom = new(p.ValidFrom.UTC())
	}
	if !p.ValidUntil.IsZero() {
		l.ValidUntil = new(p.ValidUntil.UTC())
	}
	return l
}

func personList(ctx context.Context, e *env, args []string) error {
	if _, err := parse(e.flags("person list"), args); err != nil {
		return err
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	return db.View(ctx, func(tx *store.Tx) error {
		for p, err := range tx.People() {
			if err != nil {
				return err
			}
			n, err := count(tx, p.ID)
			if err != nil {
				return err
			}
			err = e.print(line(p, n), func(w io.Writer) {
				fmt.Fprintf(w, "%-20s %-30s %d templates  %s\n", p.ID, p.Name, n, strings.Join(p.Groups, ","))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func count(tx *store.Tx, id string) (n int, err error) {
	for _, err := range tx.TemplatesOf(id) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

func personShow(ctx context.Context, e *env, db *store.DB, id string) error {
	return db.View(ctx, func(tx *store.Tx) error {
		p, err := tx.Person(id)
		if err != nil {
			return err
		}
		n, err := count(tx, id)
		if err != nil {
			return err
		}
		return e.print(line(p, n), func(w io.Writer) {
			fmt.Fprintf(w, "id         %s\nname       %s\ngroups     %s\ntemplates  %d\n", p.ID, p.Name, strings.Join(p.Groups, ", "), n)
			if !p.ValidFrom.IsZero() {
				fmt.Fprintf(w, "valid from %s\n", p.ValidFrom.Local().Format(time.RFC3339))
			}
			if !p.ValidUntil.IsZero() {
				fmt.Fprintf(w, "until      %s\n", p.ValidUntil.Local().Format(time.RFC3339))
			}
		})
	})
}

func personRemove(ctx context.Context, e *env, db *store.DB, id string) error {
	r, err := db.ErasePerson(ctx, kiosk.Now(admin()), id)
	if err != nil {
		return err
	}
	return e.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "erased %s at %s: %d templates\nrecorded as event %d, %s\n", r.Person, r.At.Format(time.RFC3339), r.Templates, r.Event, r.Hash)
	})
}

func personRemoveTemplate(ctx context.Context, e *env, db *store.DB, id string) error {
	var n int
	err := db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) (err error) {
		n, err = tx.RemoveTemplates(id)
		return err
	})
	if err != nil {
		return err
	}
	return e.print(map[string]any{"id": id, "removed": n}, func(w io.Writer) { fmt.Fprintf(w, "removed %d templates of %s\n", n, id) })
}

// print writes v as a line of JSON, or what human writes.
func (e *env) print(v any, human func(io.Writer)) error {
	if e.json {
		return json.NewEncoder(e.stdout).Encode(v)
	}
	human(e.stdout)
	return nil
}

// An enrolLine is the line `facegate enrol` prints for one picture.
type enrolLine struct {
	ID        string  `json:"id"`
	File      string  `json:"file"`
	Enrolled  bool    `json:"enrolled"`
	Quality   string  `json:"quality"`
	Resembles *string `json:"resembles"`
	Template  *string `json:"template"`
	Hint      string  `json:"hint,omitempty"`
}

func enrolPerson(ctx context.Context, e *env, args []string) error {
	var photos list
	fs := e.flags("enrol")
	fs.Func("photo", "a picture of the person, more may follow", func(s string) error { photos = append(photos, s); return nil })
	camera := fs.Bool("camera", false, "take the picture with the kiosk's camera")
	consent := fs.String("consent-by", "", "who witnessed that the person agreed")
	duplicate := fs.Bool("allow-duplicate", false, "enrol a face that is already someone else's")
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
	s, err := e.sight()
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // the process ends
	if err := e.loadStore(ctx, s.id); err != nil {
		return err
	}
	enroller := &kiosk.Enroller{DB: db, Analyser: s.an, Identifier: s.id}
	if _, err := db.Person(ctx, id); err != nil {
		return err
	}
	if *consent != "" {
		if err := enroller.Consent(ctx, kiosk.Now(admin()), id, *consent); err != nil {
			return err
		}
	}
	if *camera {
		return e.enrolCamera(ctx, enroller, id, *duplicate)
	}
	refused := false
	for _, file := range photos {
		ok, err := enrolPhoto(ctx, e, enroller, id, file, *duplicate)
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
	if refusal, ok := errors.AsType[*kiosk.RefusedError](err); ok {
		l.Quality, l.Hint = string(refusal.Quality), refusal.Hint()
		if refusal.Resembles != "" {
			l.Resembles = &refusal.Resembles
		}
		return false, e.print(l, func(w io.Writer) { fmt.Fprintf(w, "refused %s: %v (%s)\n", file, refusal, l.Hint) })
	}
	if err != nil {
		return false, err
	}
	l.Enrolled, l.Quality, l.Template = true, string(done.Quality), &done.Template
	if done.Resembles != "" {
		l.Resembles = &done.Resembles
	}
	return true, e.print(l, func(w io.Writer) { fmt.Fprintf(w, "enrolled %s from %s\n", id, file) })
}
