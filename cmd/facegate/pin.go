package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"facegate/access"
	secret "facegate/access/pin"
	"facegate/kiosk"
	"facegate/store"
)

func pin(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("pin set, remove or enter")
	}
	verb, args := args[0], args[1:]
	fs := e.flags("pin " + verb)
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("pin")}
	case "set", "remove":
		duress := fs.Bool("duress", false, "the PIN for somebody who is being forced: it opens, and raises a silent alarm")
		return e.onPersonWith(ctx, fs, args, nil, func(ctx context.Context, e *env, db *store.DB, id string) error {
			if verb == "set" {
				return pinSet(ctx, e, db, id, *duress)
			}
			return pinRemove(ctx, e, db, id, *duress)
		})
	case "enter":
		rest, err := parse(fs, args)
		if err != nil {
			return err
		}
		if len(rest) != 1 {
			return usagef("pin enter takes one id")
		}
		return pinEnter(ctx, e, rest[0])
	}
	return usagef("pin knows no %q", verb)
}

// maxLine is more than any PIN.
const maxLine = 1 << 10

// secretLine reads a PIN: on a terminal without showing it and, where again is set, twice; else
// a line of standard input.
func (e *env) secretLine(ctx context.Context, prompt string, again bool) (string, error) {
	f, isFile := e.stdin.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		line, err := typed(ctx, func() (string, error) {
			line, err := bufio.NewReader(io.LimitReader(e.stdin, maxLine)).ReadString('\n')
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return line, err
		})
		return strings.TrimRight(line, "\r\n"), err
	}
	first, err := e.ask(ctx, f, prompt+": ")
	if err != nil || !again {
		return first, err
	}
	second, err := e.ask(ctx, f, prompt+", again: ")
	if err == nil && second != first {
		err = hinted{errors.New("the two are not the same"), "type the same PIN twice"}
	}
	return first, err
}

// ask reads a line of a terminal that does not show it. The terminal is left as it was.
func (e *env) ask(ctx context.Context, f *os.File, prompt string) (string, error) {
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return "", fmt.Errorf("read the PIN: %w", err)
	}
	fmt.Fprint(e.stderr, prompt)
	line, err := typed(ctx, func() (string, error) {
		b, err := term.ReadPassword(int(f.Fd()))
		return string(b), err
	})
	fmt.Fprintln(e.stderr)
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(int(f.Fd()), before))
	}
	return line, err
}

// typed waits for what somebody types, or for the end of ctx. Nothing wakes a read of a
// terminal or a pipe, so it is left behind then; the program ends.
func typed(ctx context.Context, read func() (string, error)) (string, error) {
	type outcome struct {
		line string
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		line, err := read()
		done <- outcome{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case o := <-done:
		if o.err != nil {
			return "", fmt.Errorf("read the PIN: %w", o.err)
		}
		return o.line, nil
	}
}

// A pinLine says which PINs a person has.
type pinLine struct {
	Person string `json:"person"`
	PIN    bool   `json:"pin"`
	Duress bool   `json:"duress_pin"`
}

func linePIN(p access.Person) pinLine { return pinLine{p.ID, p.PIN != "", p.Duress != ""} }

// errMeanwhile ends a change that was prepared for somebody who is not as they were.
var errMeanwhile = hinted{errors.New("somebody else has changed the PINs meanwhile"), "try again"}

func pinSet(ctx context.Context, e *env, db *store.DB, id string, duress bool) error {
	old, err := db.Person(ctx, id)
	if err != nil {
		return err
	}
	if duress && old.PIN == "" {
		return hinted{fmt.Errorf("%s has no PIN for a duress PIN to stand beside", id), "facegate pin set " + id}
	}
	prompt, what := "PIN of "+id, "pin"
	other := old.Duress
	if duress {
		prompt, what, other = "duress PIN of "+id, "duress pin", old.PIN
	}
	digits, err := e.secretLine(ctx, prompt, true)
	if err != nil {
		return err
	}
	hash, err := secret.Hash(digits)
	if errors.Is(err, secret.ErrWeak) {
		return hinted{err, fmt.Sprintf("a PIN is %d to %d digits that nobody guesses", secret.Shortest, secret.Longest)}
	}
	if err != nil {
		return err
	}
	// Looked at before the transaction: it takes as long as a PIN is meant to.
	if other != "" && secret.Check(other, digits) {
		return hinted{errors.New("PIN and duress PIN must not be the same"), "choose another"}
	}
	var p access.Person
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		p, err = tx.ChangePerson(id, what, func(p *access.Person) error {
			if p.PIN != old.PIN || p.Duress != old.Duress {
				return errMeanwhile
			}
			if duress {
				p.Duress = hash
			} else {
				p.PIN = hash
			}
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	return e.print(linePIN(p), func(w io.Writer) { fmt.Fprintf(w, "set the %s\n", prompt) })
}

func pinRemove(ctx context.Context, e *env, db *store.DB, id string, duress bool) error {
	what, there := "pin removed", func(p *access.Person) bool { return p.PIN != "" }
	if duress {
		what, there = "duress pin removed", func(p *access.Person) bool { return p.Duress != "" }
	}
	removed, err := end(ctx, db, id, what, there, func(p *access.Person) {
		if p.Duress = ""; !duress { // a duress PIN does not stand alone
			p.PIN = ""
		}
	})
	if err != nil {
		return err
	}
	p, err := db.Person(ctx, id)
	if err != nil {
		return err
	}
	l := struct {
		pinLine
		Changed bool `json:"changed"`
	}{linePIN(p), removed}
	return e.print(l, func(w io.Writer) {
		fmt.Fprintf(w, "%s\n", map[bool]string{true: what + " of " + id, false: id + " had none"}[removed])
	})
}

// An answer is what came of a PIN that was typed at the door.
type answer struct {
	Decision string  `json:"decision"`
	Reason   *string `json:"reason"` // null where the decision is grant
	Need     *string `json:"need"`   // what a challenge asks for, else null
	Say      string  `json:"say"`    // to the person
}

// pinEnter types a PIN at the door, as a keypad does.
func pinEnter(ctx context.Context, e *env, id string) error {
	daemon, err := e.daemon()
	if err != nil {
		return err
	}
	digits, err := e.secretLine(ctx, "PIN of "+id, false)
	if err != nil {
		return err
	}
	var a answer
	if err := daemon.ask(ctx, "/pin", map[string]string{"person": id, "pin": digits}, &a); err != nil {
		return err
	}
	err = e.print(a, func(w io.Writer) {
		text := a.Decision
		if a.Reason != nil {
			text += ", " + *a.Reason
		}
		fmt.Fprintf(w, "%s: %s\n", text, a.Say)
	})
	if a.Decision != access.Grant.String() {
		return errors.Join(errNo, err)
	}
	return err
}
