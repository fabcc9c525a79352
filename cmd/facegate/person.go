package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"facegate/access"
	"facegate/kiosk"
	"facegate/store"
)

// admin is the source of what the operator does on the command line.
func admin() string { return access.SourceAdmin(operator()) }

func person(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("person add, list, show, set, remove or remove-template")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("person")}
	case "add":
		return personAdd(ctx, e, args)
	case "set":
		return personSet(ctx, e, args)
	case "list":
		return personList(ctx, e, args)
	case "show":
		return e.onPerson(ctx, "person show", args, personShow)
	case "remove":
		return e.onPerson(ctx, "person remove", args, personRemove)
	case "remove-template":
		return e.onPerson(ctx, "person remove-template", args, personRemoveTemplate)
	}
	return usagef("person knows no %q", verb)
}

// onPerson runs a command that takes an id and no flags of its own.
func (e *env) onPerson(ctx context.Context, name string, args []string, do func(context.Context, *env, *store.DB, string) error) error {
	return e.onPersonWith(ctx, e.flags(name), args, nil, do)
}

// onPersonWith runs a command that takes an id and the flags of fs. check, where set, is asked
// whether the flags make sense before anything is opened.
func (e *env) onPersonWith(ctx context.Context, fs *flag.FlagSet, args []string, check func() error, do func(context.Context, *env, *store.DB, string) error) error {
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("%s takes one id", fs.Name())
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // every change is committed
	return do(ctx, e, db, rest[0])
}

// traits are the flags that say something about a person.
type traits struct {
	name            string
	groups          list
	from, until     moment
	unlock          time.Duration
	visitor, noFace bool
}

func (t *traits) flags(fs *flag.FlagSet) {
	fs.StringVar(&t.name, "name", "", "the person's name")
	fs.Var(&t.groups, "group", "a group, may be repeated")
	fs.Var(&t.from, "valid-from", "from when they may pass")
	fs.Var(&t.until, "valid-until", "until when they may pass")
	fs.DurationVar(&t.unlock, "unlock", 0, "how long a door stays unlocked for them, such as 8s; it counts where it is longer than the door's time")
	fs.BoolVar(&t.visitor, "visitor", false, "a visitor: needs --valid-until, and company where a door asks for that")
	fs.BoolVar(&t.noFace, "no-face", false, "gave no face data: passes with the PIN where a door allows that")
}

func personAdd(ctx context.Context, e *env, args []string) error {
	var t traits
	fs := e.flags("person add")
	id := fs.String("id", "", "the person's id, as records will show it for ever: a number rather than a name")
	t.flags(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 || *id == "" || t.name == "" {
		return usagef("person add needs --id ID and --name NAME")
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the change is committed
	zone, err := zone(ctx, db)
	if err != nil {
		return err
	}
	p := access.Person{
		ID: *id, Name: t.name, Groups: t.groups, ValidFrom: t.from.in(zone), ValidUntil: t.until.in(zone),
		Unlock: t.unlock, Visitor: t.visitor, NoFace: t.noFace,
	}
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		p, err = tx.AddPerson(p)
		return err
	})
	if err != nil {
		return err
	}
	return e.print(line(p, 0), func(w io.Writer) { fmt.Fprintf(w, "added %s\n", p.ID) })
}

// personSet changes what its flags name and leaves the rest. A flag with an empty value takes
// away what was there.
func personSet(ctx context.Context, e *env, args []string) error {
	var t traits
	fs := e.flags("person set")
	t.flags(fs)
	named := map[string]bool{}
	return e.onPersonWith(ctx, fs, args, func() error {
		fs.Visit(func(f *flag.Flag) { named[f.Name] = true })
		delete(named, "home")
		delete(named, "json")
		if len(named) == 0 {
			return usagef("person set needs what to change: --name, --group, --valid-from, --valid-until, --unlock, --visitor or --no-face")
		}
		if named["name"] && t.name == "" {
			return usagef("a name must not be empty")
		}
		return nil
	}, func(ctx context.Context, e *env, db *store.DB, id string) error {
		zone, err := zone(ctx, db)
		if err != nil {
			return err
		}
		var p access.Person
		n := 0
		err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
			p, err = tx.ChangePerson(id, t.changed(named), func(p *access.Person) error {
				t.onto(p, named, zone)
				return nil
			})
			if err == nil {
				n, err = count(tx, id)
			}
			return err
		})
		if err != nil {
			return err
		}
		return e.print(line(p, n), func(w io.Writer) { fmt.Fprintf(w, "changed %s\n", p.ID) })
	})
}

// changed names what the flags change, for the record.
func (t *traits) changed(named map[string]bool) string {
	var words []string
	for _, w := range []struct{ flag, word string }{
		{"name", "name"},
		{"group", "groups"},
		{"valid-from", "validity"},
		{"valid-until", "validity"},
		{"unlock", "unlock"},
		{"visitor", "visitor"},
		{"no-face", "no_face"},
	} {
		if named[w.flag] && (len(words) == 0 || words[len(words)-1] != w.word) {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, " ")
}

// onto puts what the flags say onto a person.
func (t *traits) onto(p *access.Person, named map[string]bool, zone *time.Location) {
	for flag, set := range map[string]func(){
		"name": func() { p.Name = t.name }, "group": func() { p.Groups = t.groups },
		"valid-from": func() { p.ValidFrom = t.from.in(zone) }, "valid-until": func() { p.ValidUntil = t.until.in(zone) },
		"unlock": func() { p.Unlock = t.unlock }, "visitor": func() { p.Visitor = t.visitor }, "no-face": func() { p.NoFace = t.noFace },
	} {
		if named[flag] {
			set()
		}
	}
}

// A personLine is how people are printed as JSON. Whether there is a PIN is told, its hash never.
type personLine struct {
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	Groups     []string     `json:"groups"`
	ValidFrom  *time.Time   `json:"valid_from"`
	ValidUntil *time.Time   `json:"valid_until"`
	Blocked    bool         `json:"blocked"`
	Templates  int          `json:"templates"`
	UnlockMs   *int64       `json:"unlock_ms"` // null: the door's own time
	Visitor    bool         `json:"visitor"`
	NoFace     bool         `json:"no_face"`
	PIN        bool         `json:"pin"`
	Duress     bool         `json:"duress_pin"`
	Consent    *consentLine `json:"consent"`
	Bypass     *bypassLine  `json:"bypass"`
}

func line(p access.Person, templates int) personLine {
	l := personLine{
		ID: p.ID, Name: p.Name, Groups: append([]string{}, p.Groups...), Blocked: p.Blocked, Templates: templates,
		Visitor: p.Visitor, NoFace: p.NoFace, PIN: p.PIN != "", Duress: p.Duress != "",
	}
	if !p.ValidFrom.IsZero() {
		l.ValidFrom = new(p.ValidFrom.UTC())
	}
	if !p.ValidUntil.IsZero() {
		l.ValidUntil = new(p.ValidUntil.UTC())
	}
	if p.Unlock > 0 {
		l.UnlockMs = new(p.Unlock.Milliseconds())
	}
	if p.Consent != nil {
		l.Consent = new(lineConsent(p))
	}
	if p.Bypass != nil {
		l.Bypass = new(lineBypass(p))
	}
	return l
}

func personList(ctx context.Context, e *env, args []string) error {
	rest, err := parse(e.flags("person list"), args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("person list takes no %q", rest[0])
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

func countPictures(tx *store.Tx, id string) (n int, err error) {
	for _, err := range tx.PicturesOf(id) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// A kept is how many templates a person has of a model and of what the face wore.
type kept struct {
	Model string      `json:"model"`
	Cover store.Cover `json:"cover"` // "", "mask" or "glasses"
	N     int         `json:"n"`
}

// A personSheet is everything that is kept of a person, but what only machines may read.
type personSheet struct {
	personLine
	BlockReason string     `json:"block_reason"`
	LastSeen    *time.Time `json:"last_seen"` // when they last passed a door
	ByModel     []kept     `json:"by_model"`
	Pictures    int        `json:"pictures"`
}

func personShow(ctx context.Context, e *env, db *store.DB, id string) error {
	var s personSheet
	err := db.View(ctx, func(tx *store.Tx) error {
		p, err := tx.Person(id)
		if err != nil {
			return err
		}
		s, err = sheet(tx, p)
		return err
	})
	if err != nil {
		return err
	}
	zone, err := zone(ctx, db)
	if err != nil {
		return err
	}
	return e.print(s, func(w io.Writer) { s.write(w, zone) })
}

func sheet(tx *store.Tx, p access.Person) (personSheet, error) {
	s := personSheet{BlockReason: p.BlockReason, ByModel: []kept{}}
	n := 0
	for t, err := range tx.TemplatesOf(p.ID) {
		if err != nil {
			return s, err
		}
		n++
		s.add(t.Model, t.Cover)
	}
	s.personLine = line(p, n)
	var errs [2]error
	s.Pictures, errs[0] = countPictures(tx, p.ID)
	seen, err := tx.LastSeen(p.ID)
	errs[1] = err
	if !seen.IsZero() {
		s.LastSeen = &seen
	}
	return s, errors.Join(errs[:]...)
}

func (s *personSheet) add(model string, cover store.Cover) {
	for i := range s.ByModel {
		if k := &s.ByModel[i]; k.Model == model && k.Cover == cover {
			k.N++
			return
		}
	}
	s.ByModel = append(s.ByModel, kept{model, cover, 1})
}

// write is a sheet for people; times are the site's.
func (s *personSheet) write(w io.Writer, zone *time.Location) {
	say := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	when := func(t time.Time) string { return t.In(zone).Format(time.RFC3339) }
	say("id", "%s", s.ID)
	say("name", "%s", s.Name)
	say("groups", "%s", strings.Join(s.Groups, ", "))
	say("templates", "%d", s.Templates)
	for _, k := range s.ByModel {
		wears := ""
		if k.Cover != store.CoverNone {
			wears = ", with " + string(k.Cover)
		}
		say("", "%d of model %s%s", k.N, k.Model, wears)
	}
	if s.Pictures > 0 {
		say("pictures", "%d", s.Pictures)
	}
	if s.ValidFrom != nil {
		say("valid from", "%s", when(*s.ValidFrom))
	}
	if s.ValidUntil != nil {
		say("until", "%s", when(*s.ValidUntil))
	}
	if s.UnlockMs != nil {
		say("unlock", "%v", time.Duration(*s.UnlockMs)*time.Millisecond)
	}
	if s.Visitor {
		say("visitor", "yes")
	}
	if s.NoFace {
		say("face data", "none given")
	}
	pin := map[bool]string{true: "set", false: "none"}[s.PIN]
	if s.Duress {
		pin += ", and one for duress"
	}
	say("pin", "%s", pin)
	if c := s.Consent; c != nil {
		say("consent", "%s", c.words(zone))
	} else {
		say("consent", "not given")
	}
	if s.Blocked {
		say("blocked", "%s", s.BlockReason)
	}
	if b := s.Bypass; b != nil {
		say("bypass", "%s", b.words(zone))
	}
	if s.LastSeen != nil {
		say("last seen", "%s", when(*s.LastSeen))
	}
}

func personRemove(ctx context.Context, e *env, db *store.DB, id string) error {
	r, err := db.ErasePerson(ctx, kiosk.Now(admin()), id)
	if err != nil {
		return err
	}
	return e.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "erased %s at %s: %d templates, %d pictures\nrecorded as event %d, %s\n", r.Person, r.At.Format(time.RFC3339), r.Templates, r.Pictures, r.Event, r.Hash)
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
