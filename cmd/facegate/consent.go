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

func consent(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("consent give, show or withdraw")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("consent")}
	case "give":
		return consentGive(ctx, e, args)
	case "show":
		return e.onPerson(ctx, "consent show", args, consentShow)
	case "withdraw":
		return e.onPerson(ctx, "consent withdraw", args, consentWithdraw)
	}
	return usagef("consent knows no %q", verb)
}

// A consentLine is how a consent is printed as JSON. All but person and given are null where
// none was given.
type consentLine struct {
	Person  string     `json:"person"`
	Given   bool       `json:"given"`
	Text    *string    `json:"text"`
	At      *time.Time `json:"at"`
	How     *string    `json:"how"`
	Witness *string    `json:"witness"`
}

func lineConsent(p access.Person) consentLine {
	l := consentLine{Person: p.ID}
	if c := p.Consent; c != nil {
		l.Given, l.Text, l.At = true, &c.Text, new(c.At.UTC())
		if c.How != "" {
			l.How = &c.How
		}
		if c.Witness != "" {
			l.Witness = &c.Witness
		}
	}
	return l
}

// words is a consent that was given, for people.
func (l *consentLine) words(zone *time.Location) string {
	s := fmt.Sprintf("to text %s at %s", *l.Text, l.At.In(zone).Format(time.RFC3339))
	if l.How != nil {
		s += ", by " + *l.How
	}
	if l.Witness != nil {
		s += ", witnessed by " + *l.Witness
	}
	return s
}

func consentGive(ctx context.Context, e *env, args []string) error {
	c := access.Consent{How: "admin"}
	fs := e.flags("consent give")
	fs.StringVar(&c.Text, "text", "", "the version of the text that was agreed to")
	fs.Func("how", "on paper, on the screen, or as the admin says (the default)", oneOf(&c.How, "paper", "screen", "admin"))
	fs.StringVar(&c.Witness, "witness", "", "who saw it; kept with the person, not in the audit trail")
	return e.onPersonWith(ctx, fs, args, func() error {
		if c.Text == "" {
			return usagef("consent give needs --text VERSION")
		}
		return nil
	}, func(ctx context.Context, e *env, db *store.DB, id string) error {
		var p access.Person
		err := db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) (err error) {
			p, err = tx.GiveConsent(id, c)
			return err
		})
		if err != nil {
			return err
		}
		return e.print(lineConsent(p), func(w io.Writer) { fmt.Fprintf(w, "%s agreed to text %s\n", p.ID, p.Consent.Text) })
	})
}

func consentShow(ctx context.Context, e *env, db *store.DB, id string) error {
	p, err := db.Person(ctx, id)
	if err != nil {
		return err
	}
	zone, err := zone(ctx, db)
	if err != nil {
		return err
	}
	l := lineConsent(p)
	err = e.print(l, func(w io.Writer) {
		if l.Given {
			fmt.Fprintf(w, "%s agreed %s\n", id, l.words(zone))
		} else {
			fmt.Fprintf(w, "%s has given no consent\n", id)
		}
	})
	if !l.Given {
		return errors.Join(errNo, err)
	}
	return err
}

func consentWithdraw(ctx context.Context, e *env, db *store.DB, id string) error {
	templates, pictures, had := 0, 0, false
	err := db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		p, err := tx.Person(id)
		if err != nil {
			return err
		}
		had = p.Consent != nil
		if pictures, err = countPictures(tx, id); err != nil {
			return err
		}
		templates, err = tx.WithdrawConsent(id)
		return err
	})
	if err != nil {
		return err
	}
	return e.print(map[string]any{"person": id, "withdrawn": had, "templates": templates, "pictures": pictures}, func(w io.Writer) {
		fmt.Fprintf(w, "%s has no consent any more; erased: %d templates, %d pictures\n", id, templates, pictures)
	})
}
