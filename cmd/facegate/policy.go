package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"facegate/access"
	"facegate/access/policyfile"
	"facegate/kiosk"
	"facegate/store"
)

func policy(ctx context.Context, e *env, args []string) error {
	if len(args) == 0 {
		return usagef("policy apply, check, show, history, explain or example")
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "-h", "-help", "--help":
		return helpWanted{e.flags("policy")}
	case "explain":
		return policyExplain(ctx, e, args)
	}
	rest, err := parse(e.flags("policy "+verb), args)
	if err != nil {
		return err
	}
	switch verb {
	case "apply", "check":
		if len(rest) != 1 {
			return usagef("policy %s takes one file", verb)
		}
		if verb == "check" {
			return policyCheck(e, rest[0])
		}
		return policyApply(ctx, e, rest[0])
	case "show", "history", "example":
		if len(rest) > 0 {
			return usagef("policy %s takes no %q", verb, rest[0])
		}
		switch verb {
		case "show":
			return policyShow(ctx, e)
		case "history":
			return policyHistory(ctx, e)
		}
		return e.print(map[string]string{"toml": string(policyfile.Example())}, func(w io.Writer) { _, _ = w.Write(policyfile.Example()) })
	}
	return usagef("policy knows no %q", verb)
}

// readRules reads a policy file and checks it as it would be when it held. The error wraps
// access.ErrInvalid, and has a line for every fault, where the file is there and is not valid.
func readRules(path string) (text []byte, _ *access.Rules, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	// One more than is accepted, so that a longer file is not cut to something valid.
	if text, err = io.ReadAll(io.LimitReader(f, policyfile.MaxBytes+1)); err != nil {
		return nil, nil, err
	}
	rules, err := policyfile.Load(bytes.NewReader(text))
	if err == nil {
		_, err = rules.Compile(1)
	}
	return text, rules, err
}

// faults prints what is wrong with a policy file, and is the answer no.
func (e *env) faults(file, what string, err error) error {
	list := strings.Split(err.Error(), "\n")
	if e.json {
		err = e.print(map[string]any{what: false, "faults": list}, nil)
	} else {
		for _, f := range list {
			fmt.Fprintf(e.stderr, "%s: %s\n", file, f)
		}
		err = nil
	}
	return errors.Join(errNo, err)
}

func policyCheck(e *env, file string) error {
	_, rules, err := readRules(file)
	if errors.Is(err, access.ErrInvalid) {
		return e.faults(file, "valid", err)
	}
	if err != nil {
		return err
	}
	return e.print(map[string]any{"valid": true, "faults": []string{}}, func(w io.Writer) {
		fmt.Fprintf(w, "%s is valid: %s\n", file, summary(rules))
	})
}

// summary says what rules hold in a line.
func summary(r *access.Rules) string {
	s := fmt.Sprintf("%d doors, %d groups, %d schedules, %d rows of access", len(r.Doors), len(r.Groups), len(r.Schedules), len(r.Access))
	if len(r.Access) == 0 {
		s += ": nobody may pass"
	}
	return s
}

func policyApply(ctx context.Context, e *env, file string) error {
	text, rules, err := readRules(file)
	if errors.Is(err, access.ErrInvalid) {
		return e.faults(file, "applied", err)
	}
	if err != nil {
		return err
	}
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // the change is committed
	var rev uint64
	err = db.Update(ctx, kiosk.Now(admin()), func(tx *store.Tx) error {
		rev, err = tx.SetPolicy(string(text))
		return err
	})
	if err != nil {
		return err
	}
	return e.print(map[string]any{"applied": true, "revision": rev}, func(w io.Writer) {
		fmt.Fprintf(w, "applied as revision %d: %s\n", rev, summary(rules))
	})
}

// A policyLine is how a policy is printed as JSON. Revision 0 is a site that has set no rules.
type policyLine struct {
	Revision uint64     `json:"revision"`
	At       *time.Time `json:"at"`
	Author   *string    `json:"author"`
	TOML     string     `json:"toml,omitempty"`
}

func linePolicy(p store.Policy) policyLine {
	l := policyLine{Revision: p.Revision, TOML: p.Body}
	if p.Revision > 0 {
		l.At, l.Author = new(p.At.UTC()), &p.Author
	}
	return l
}

func policyShow(ctx context.Context, e *env) error {
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	kept, err := db.Policy(ctx)
	if errors.Is(err, access.ErrNotFound) {
		kept, err = store.Policy{Body: string(policyfile.Format(&access.Rules{}))}, nil
	}
	if err != nil {
		return err
	}
	return e.print(linePolicy(kept), func(w io.Writer) { fmt.Fprint(w, kept.Body) })
}

// policyHistory prints every policy that was ever set, the oldest first, without its text.
func policyHistory(ctx context.Context, e *env) error {
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	for seq := uint64(0); ; {
		page, err := db.Events(ctx, seq, 1000)
		if err != nil || len(page) == 0 {
			return err
		}
		seq = page[len(page)-1].Seq
		for _, ev := range page {
			if ev.Kind != access.KindPolicyChanged {
				continue
			}
			l := struct {
				policyLine
				SHA256 string `json:"sha256"`
				Event  uint64 `json:"event"`
			}{policyLine{Revision: ev.Policy, At: &ev.Time, Author: &ev.Source}, ev.Data["sha256"], ev.Seq}
			err := e.print(l, func(w io.Writer) {
				fmt.Fprintf(w, "%6d  %s  %-20s event %d\n", ev.Policy, ev.Time.Local().Format(time.DateTime), ev.Source, ev.Seq)
			})
			if err != nil {
				return err
			}
		}
	}
}
