package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"facegate/access"
	"facegate/kiosk"
	"facegate/store"
)

func key(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("key create, list or revoke")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("key")}
	case "create":
		return keyCreate(ctx, e, args)
	case "list":
		return keyList(ctx, e, args)
	case "revoke":
		return keyRevoke(ctx, e, args)
	}
	return usagef("key knows no %q", verb)
}

// A keyLine is how a key is printed as JSON.
type keyLine struct {
	ID      string     `json:"id"`
	Secret  string     `json:"secret,omitempty"` // of a key that was made just now
	Name    string     `json:"name"`
	API     string     `json:"api"`
	Project *string    `json:"project"`
	Scopes  []string   `json:"scopes"`
	Consent *string    `json:"consent"`
	Rate    int        `json:"rate"` // 0: 10 a second
	Created time.Time  `json:"created"`
	Author  string     `json:"author"`
	Revoked *time.Time `json:"revoked"`
}

func lineKey(k store.Key) keyLine {
	l := keyLine{ID: k.ID, Name: k.Name, API: k.API, Scopes: k.Scopes, Rate: k.Rate, Created: k.Created, Author: k.Author}
	if k.Project != "" {
		l.Project = &k.Project
	}
	if k.Consent != "" {
		l.Consent = &k.Consent
	}
	if !k.Revoked.IsZero() {
		l.Revoked = &k.Revoked
	}
	return l
}

func keyCreate(ctx context.Context, e *env, args []string) error {
	var scopes list
	var want store.Key
	fs := e.flags("key create")
	fs.StringVar(&want.API, "api", "", "which API it is for: "+strings.Join(store.APIs(), ", "))
	fs.Var(&scopes, "scope", "what it may do, may be repeated: "+strings.Join(store.Scopes(), ", ")+", unlock:DOOR")
	fs.StringVar(&want.Project, "project", "", "the project of that API it belongs to")
	fs.StringVar(&want.Name, "name", "", "who uses it; every record of a call shows this name")
	fs.IntVar(&want.Rate, "rate", 0, "calls a second that it may make, and twice as many at once; 0 is 10")
	fs.StringVar(&want.Consent, "consent", "", "version of the text that whoever it enrols has agreed to")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if want.API == "" || len(scopes) == 0 || len(rest) > 0 {
		return usagef("key create needs --api API and --scope SCOPE")
	}
	want.Scopes = scopes
	if err := want.Check(); err != nil {
		return usageError{err.Error()}
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the change is committed
	var k store.Key
	var secret string
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		k, secret, err = tx.AddKey(want)
		return err
	})
	switch {
	case errors.Is(err, access.ErrNotFound):
		return hinted{err, "facegate project set NAME --api " + want.API + " makes a project"}
	case errors.Is(err, access.ErrExists):
		return hinted{err, "facegate key list shows the keys there are"}
	case err != nil:
		return err
	}
	l := lineKey(k)
	l.Secret = secret
	return e.print(l, func(w io.Writer) {
		fmt.Fprintf(w, "key %s for %s may %s\n%s\nThis is its secret. It is not shown again.\n", k.ID, k.API, strings.Join(k.Scopes, ", "), secret)
	})
}

func keyList(ctx context.Context, e *env, args []string) error {
	rest, err := parse(e.flags("key list"), args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("key list takes no %q", rest[0])
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	keys, err := db.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		err := e.print(lineKey(k), func(w io.Writer) {
			state := "since " + k.Created.Local().Format(time.DateOnly)
			switch {
			case k.API == "":
				state = "damaged: facegate key revoke " + k.ID
			case !k.Revoked.IsZero():
				state = "revoked " + k.Revoked.Local().Format(time.DateOnly)
			}
			fmt.Fprintf(w, "%s  %-9s %-16s %-16s %-30s %s\n", k.ID, k.API, orDash(k.Name), orDash(k.Project), strings.Join(k.Scopes, ","), state)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// orDash is what stands for nothing in a table.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func keyRevoke(ctx context.Context, e *env, args []string) error {
	rest, err := parse(e.flags("key revoke"), args)
	if err != nil {
		return err
	}
	if len(rest) != 1 {
		return usagef("key revoke takes one id")
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the change is committed
	var k store.Key
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		k, err = tx.RevokeKey(rest[0])
		return err
	})
	if errors.Is(err, access.ErrNotFound) {
		return hinted{err, "facegate key list shows the keys there are"}
	}
	if err != nil {
		return err
	}
	return e.print(lineKey(k), func(w io.Writer) { fmt.Fprintf(w, "revoked %s\n", k.ID) })
}
