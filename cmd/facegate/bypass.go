package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"facegate/access"
	"facegate/kiosk"
	"facegate/store"
)

func bypass(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("bypass grant, show or end")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("bypass")}
	case "grant":
		return bypassGrant(ctx, e, args)
	case "show":
		return bypassShow(ctx, e, args)
	case "end":
		return e.onPerson(ctx, "bypass end", args, bypassEnd)
	}
	return usagef("bypass knows no %q", verb)
}

// A bypassLine is how a bypass is printed as JSON. All but person and granted are null where
// there is none.
type bypassLine struct {
	Person  string     `json:"person"`
	Granted bool       `json:"granted"`
	Since   *time.Time `json:"since"`
	Until   *time.Time `json:"until"`
	Reason  *string    `json:"reason"`
	Author  *string    `json:"author"`
}

func lineBypass(p access.Person) bypassLine {
	l := bypassLine{Person: p.ID}
	if b := p.Bypass; b != nil {
		l.Granted, l.Since, l.Until, l.Reason, l.Author = true, new(b.Since.UTC()), new(b.Until.UTC()), &b.Reason, &b.Author
	}
	return l
}

// words is a bypass that was granted, for people.
func (l *bypassLine) words(zone *time.Location) string {
	return fmt.Sprintf("until %s, granted by %s: %s", l.Until.In(zone).Format(time.RFC3339), *l.Author, *l.Reason)
}

func bypassGrant(ctx context.Context, e *env, args []string) error {
	var until moment
	fs := e.flags("bypass grant")
	fs.Var(&until, "until", "when it ends, on the site's clock")
	reason := fs.String("reason", "", "why; kept with the person")
	return e.onPersonWith(ctx, fs, args, func() error {
		if until.text == "" || *reason == "" {
			return usagef("bypass grant needs --until TIME and --reason REASON")
		}
		return nil
	}, func(ctx context.Context, e *env, db *store.DB, id string) error {
		zone, err := zone(ctx, db)
		if err != nil {
			return err
		}
		act := kiosk.Now(admin())
		b := access.Bypass{Since: act.At, Until: until.in(zone), Reason: *reason, Author: act.Source}
		if !b.Until.After(b.Since) {
			return hinted{fmt.Errorf("%s has passed", b.Until.Format(time.RFC3339)), "--until is when the bypass ends"}
		}
		p, err := change(ctx, db, act, id, "bypass granted", func(p *access.Person) { p.Bypass = &b })
		if err != nil {
			return err
		}
		l := lineBypass(p)
		return e.print(l, func(w io.Writer) { fmt.Fprintf(w, "%s has a bypass %s\n", id, l.words(zone)) })
	})
}

// change changes a person and records what in a word.
func change(ctx context.Context, db *store.DB, act store.Act, id, what string, how func(*access.Person)) (p access.Person, err error) {
	err = db.Update(ctx, act, func(tx *store.Tx) error {
		p, err = tx.ChangePerson(id, what, func(p *access.Person) error {
			how(p)
			return nil
		})
		return err
	})
	return p, err
}

func bypassShow(ctx context.Context, e *env, args []string) error {
	rest, err := parse(e.flags("bypass show"), args)
	if err != nil {
		return err
	}
	if len(rest) > 1 {
		return usagef("bypass show takes one id or none")
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	zone, err := zone(ctx, db)
	if err != nil {
		return err
	}
	show := func(p access.Person) error {
		l := lineBypass(p)
		return e.print(l, func(w io.Writer) {
			if l.Granted {
				fmt.Fprintf(w, "%-20s %s\n", l.Person, l.words(zone))
			} else {
				fmt.Fprintf(w, "%s has no bypass\n", l.Person)
			}
		})
	}
	if len(rest) == 1 {
		p, err := db.Person(ctx, rest[0])
		if err == nil {
			err = show(p)
		}
		if err == nil && p.Bypass == nil {
			err = errNo
		}
		return err
	}
	return db.View(ctx, func(tx *store.Tx) error {
		for p, err := range tx.People() {
			if err == nil && p.Bypass != nil {
				err = show(p)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// errUnchanged ends a transaction that has nothing to do.
var errUnchanged = errors.New("unchanged")

// end takes something from a person where it is there, and reports whether it was.
func end(ctx context.Context, db *store.DB, id, what string, there func(*access.Person) bool, take func(*access.Person)) (bool, error) {
	err := db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		_, err := tx.ChangePerson(id, what, func(p *access.Person) error {
			if !there(p) {
				return errUnchanged
			}
			take(p)
			return nil
		})
		return err
	})
	if errors.Is(err, errUnchanged) {
		return false, nil
	}
	return err == nil, err
}

func bypassEnd(ctx context.Context, e *env, db *store.DB, id string) error {
	ended, err := end(ctx, db, id, "bypass ended", func(p *access.Person) bool { return p.Bypass != nil }, func(p *access.Person) { p.Bypass = nil })
	if err != nil {
		return err
	}
	return e.print(map[string]any{"person": id, "granted": false, "changed": ended}, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n", map[bool]string{true: "ended the bypass of " + id, false: id + " had no bypass"}[ended])
	})
}

func block(ctx context.Context, e *env, args []string) error {
	fs := e.flags("block")
	reason := fs.String("reason", "", "why; kept with the person")
	return e.onPersonWith(ctx, fs, args, func() error {
		if *reason == "" {
			return usagef("block needs --reason REASON")
		}
		return nil
	}, func(ctx context.Context, e *env, db *store.DB, id string) error {
		_, err := change(ctx, db, kiosk.Now(admin()), id, "blocked", func(p *access.Person) { p.Blocked, p.BlockReason = true, *reason })
		if err != nil {
			return err
		}
		return e.print(map[string]any{"person": id, "blocked": true, "reason": *reason}, func(w io.Writer) { fmt.Fprintf(w, "blocked %s\n", id) })
	})
}

func unblock(ctx context.Context, e *env, args []string) error {
	return e.onPerson(ctx, "unblock", args, func(ctx context.Context, e *env, db *store.DB, id string) error {
		ended, err := end(ctx, db, id, "unblocked", func(p *access.Person) bool { return p.Blocked }, func(p *access.Person) { p.Blocked, p.BlockReason = false, "" })
		if err != nil {
			return err
		}
		return e.print(map[string]any{"person": id, "blocked": false, "changed": ended}, func(w io.Writer) {
			fmt.Fprintf(w, "%s\n", map[bool]string{true: "unblocked " + id, false: id + " was not blocked"}[ended])
		})
	})
}
