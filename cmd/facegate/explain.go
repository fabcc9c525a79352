package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"facegate/access"
	"facegate/door"
	"facegate/door/client"
	"facegate/internal/config"
	"facegate/kiosk"
	"facegate/store"
	"facegate/wallclock"
)

// An explanation is the line `facegate policy explain` prints.
type explanation struct {
	Decision access.Outcome  `json:"decision"`
	Reason   *access.Reason  `json:"reason"` // null where the decision is grant
	Need     *access.Need    `json:"need"`   // what a challenge asks for, else null
	Policy   uint64          `json:"policy"`
	Because  []string        `json:"because"`
	Person   string          `json:"person"`
	Door     string          `json:"door"`
	At       time.Time       `json:"at"`
	Clock    access.Clock    `json:"clock"`
	Factors  access.Factors  `json:"factors,omitempty"` // what counted as shown
	With     string          `json:"with,omitempty"`
	Remind   []access.Reason `json:"remind,omitempty"`
	Bypass   bool            `json:"bypass"`
	Alarm    string          `json:"alarm,omitempty"`
	UnlockMs *int64          `json:"unlock_ms"` // null: the door's own time
}

func explained(d access.Decision) explanation {
	x := explanation{
		Decision: d.Outcome, Policy: d.Policy, Because: append([]string{}, d.Because...), Person: d.Person, Door: d.Door,
		At: d.At.UTC().Truncate(time.Millisecond), Clock: d.Clock, Factors: d.Factors, With: d.With, Remind: d.Remind, Bypass: d.Bypass, Alarm: d.Alarm,
	}
	if d.Reason != "" {
		x.Reason = &d.Reason
	}
	if d.Need != "" {
		x.Need = &d.Need
	}
	if d.Unlock > 0 {
		x.UnlockMs = new(d.Unlock.Milliseconds())
	}
	return x
}

// A asked is the command line of `facegate policy explain`.
type asked struct {
	q  access.Question
	at moment
}

// oneOf is a flag that holds one of some words.
func oneOf(to *string, words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("%q is none of %s", s, strings.Join(words, ", "))
		}
		*to = s
		return nil
	}
}

func (a *asked) flags(fs *flag.FlagSet) {
	fs.StringVar(&a.q.Person, "person", "", "the id of who comes")
	fs.StringVar(&a.q.Door, "door", "", "where; without it, this kiosk's own door")
	fs.Var(&a.at, "at", "when, on the site's clock where it has no offset; the clock is taken to be right then. Without it: now, with the clock as it is")
	fs.Func("factors", "what they show: face (the default), face,pin or pin", func(s string) error {
		i := slices.Index([]string{"face", "face,pin", "pin,face", "face+pin", "pin"}, s)
		if i < 0 {
			return fmt.Errorf("%q is none of face, face,pin, pin", s)
		}
		f := access.FactorFacePIN
		a.q.Factors = []access.Factors{access.FactorFace, f, f, f, access.FactorPIN}[i]
		return nil
	})
	fs.Func("mask", "how they wear a mask: full, nose_out, chin or none (the default)", oneOf(&a.q.Mask, "full", "nose_out", "chin", "none", "unknown"))
	fs.Func("head", "what is on their head: helmet, other or none (the default)", oneOf(&a.q.Head, "helmet", "other", "none", "unknown"))
	fs.StringVar(&a.q.Second, "second", "", "the id of who comes right after them and shows the same")
}

// policyExplain asks the rules in force what would become of a visit. People, and what
// happened at the door before, are the store's.
func policyExplain(ctx context.Context, e *env, args []string) error {
	var a asked
	fs := e.flags("policy explain")
	a.flags(fs)
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 || a.q.Person == "" {
		return usagef("policy explain needs --person ID")
	}
	c, err := e.config()
	if err != nil {
		return err
	}
	a.q.Door = cmp.Or(a.q.Door, c.Door.Name)
	db, err := e.store(ctx)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	rules, err := kiosk.ReadPolicy(ctx, db)
	if err != nil {
		return badRules(err)
	}
	people := &roll{ctx: ctx, db: db, known: make(map[string]*access.Person)}
	for _, id := range []string{a.q.Person, a.q.Second} {
		// A slip of the pen is no answer about anybody.
		if _, err := db.Person(ctx, id); err != nil && id != "" {
			return err
		}
	}
	var memory *access.Memory
	if a.at.text != "" {
		memory, err = a.then(ctx, db, rules, people)
	} else {
		memory, err = a.now(ctx, c, db, people)
	}
	if err != nil {
		return err
	}
	d := rules.Explain(a.q, people.person, memory)
	if people.err != nil {
		return people.err
	}
	d.Person = cmp.Or(d.Person, a.q.Person)
	err = e.print(explained(d), func(w io.Writer) { explain(w, d) })
	if d.Outcome != access.Grant {
		return errors.Join(errNo, err)
	}
	return err
}

// explain is an explanation for people.
func explain(w io.Writer, d access.Decision) {
	text := d.Outcome.String()
	if d.Reason != "" {
		text += ", " + string(d.Reason)
	}
	if d.Need != "" {
		text += ", asking for: " + string(d.Need)
	}
	fmt.Fprintf(w, "%s (policy revision %d)\n", text, d.Policy)
	for _, step := range d.Because {
		fmt.Fprintf(w, "  %s\n", step)
	}
	for _, r := range d.Remind {
		fmt.Fprintf(w, "  reminded of: %s\n", r)
	}
}

// then makes the question one about the moment that was named: the clock is right, nobody has
// locked the door down, and what happened later has not happened.
func (a *asked) then(ctx context.Context, db *store.DB, rules *access.Policy, people *roll) (*access.Memory, error) {
	zone, err := zoneOf(rules)
	if err != nil {
		return nil, err
	}
	a.q.At, a.q.Clock = a.at.in(zone), access.ClockSynced
	m := new(access.Memory)
	err = db.EventsSince(ctx, a.q.At.Add(-access.MemorySpan), func(ev access.Event) error {
		if !ev.Time.After(a.q.At) {
			m.Observe(ev, people.person)
		}
		return nil
	})
	return m, err
}

// now makes it one about this moment, with the clock and the door as they are.
func (a *asked) now(ctx context.Context, c *config.Config, db *store.DB, people *roll) (*access.Memory, error) {
	a.q.At, a.q.Floor = time.Now(), wallclock.Floor()
	m := new(access.Memory)
	err := db.EventsSince(ctx, a.q.At.Add(-access.MemorySpan), func(ev access.Event) error {
		m.Observe(ev, people.person)
		if ev.Clock == access.ClockSynced && ev.Time.After(a.q.Floor) {
			a.q.Floor = ev.Time
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.q.Clock, _ = new(wallclock.Source).State(a.q.At, a.q.Floor)
	if a.q.Door != c.Door.Name {
		return m, nil // this kiosk's doord knows no other door
	}
	conn, err := client.DialOperator(ctx, c.Door.Socket, operator())
	if err != nil {
		return m, nil //nolint:nilerr // no setting stands while doord is away
	}
	defer conn.Close() //nolint:errcheck // its answer is here
	s, err := conn.Status(ctx)
	a.q.LockedDown = s.Mode == door.ModeLocked
	return m, err
}

// A roll looks people up in the store, each once.
type roll struct {
	ctx   context.Context // a Lookup takes none; this one lives as long as one question
	db    *store.DB
	known map[string]*access.Person // nil: nobody
	err   error                     // the first that is not about somebody unknown
}

// person is an [access.Lookup].
func (r *roll) person(id string) (access.Person, bool) {
	p, seen := r.known[id]
	if !seen {
		found, err := r.db.Person(r.ctx, id)
		switch {
		case err == nil:
			p = &found
		case !errors.Is(err, access.ErrNotFound) && r.err == nil:
			r.err = err
		}
		r.known[id] = p
	}
	if p == nil {
		return access.Person{}, false
	}
	return *p, true
}
