package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"facegate/door"
	"facegate/door/client"
	"facegate/door/wire"
)

func doorCommand(ctx context.Context, e *env, args []string) error {
	fs := e.flags("door")
	hold := fs.Bool("hold", false, "unlock until release, or for the time of --for")
	emergency := fs.Bool("emergency", false, "lock, unlock (until release) or release above what operators set")
	lasts := fs.Duration("for", 0, "how long a lock, a hold or an unlock lasts, such as 90s or 2h")
	why := fs.String("why", "", "the reason, for the record")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usagef("door status, unlock, lock, release or sim")
	}
	timed := rest[0] == "unlock" || rest[0] == "lock"
	switch {
	case *lasts < 0 || *lasts > 0 && !timed:
		return usagef("--for is a time above 0, of door unlock and door lock")
	case *hold && rest[0] != "unlock":
		return usagef("--hold is for door unlock")
	case *emergency && !timed && rest[0] != "release":
		return usagef("--emergency is for door unlock, door lock and door release")
	}
	c, err := e.config()
	if err != nil {
		return err
	}
	conn, err := client.DialOperator(ctx, c.Door.Socket, operator())
	if err != nil {
		return hinted{err, "is doord running for this home directory? it listens on " + c.Door.Socket}
	}
	defer conn.Close() //nolint:errcheck // every request was answered
	if rest[0] == "sim" {
		return doorSim(ctx, e, conn, rest[1:])
	}
	if len(rest) > 1 {
		return usagef("door %s takes no %q", rest[0], rest[1])
	}
	order := client.Order{Emergency: *emergency, For: *lasts, Why: *why}
	if order.Why == "" {
		order.Why = "facegate door " + rest[0]
	}
	switch rest[0] {
	case "status":
		s, err := conn.Status(ctx)
		if err != nil {
			return err
		}
		return e.doorState(s)
	case "unlock":
		if *hold || *emergency {
			s, err := conn.Hold(ctx, order)
			return e.doorOrder(order, s, err)
		}
		d, err := conn.Unlock(ctx, order.For, order.Why)
		if err != nil {
			return refusedDoor(err)
		}
		return e.print(map[string]any{"unlocked": true, "for_ms": d.Milliseconds()}, func(w io.Writer) { fmt.Fprintf(w, "unlocked for %v\n", d) })
	case "lock":
		s, err := conn.Lock(ctx, order)
		return e.doorOrder(order, s, err)
	case "release":
		s, err := conn.Release(ctx, order)
		return e.doorOrder(order, s, err)
	}
	return usagef("door knows no %q", rest[0])
}

// operator is the name this user's orders are recorded under: who called sudo, where that is
// how they became root.
func operator() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	u, err := user.Current()
	if err != nil {
		return fmt.Sprintf("uid %d", os.Geteuid())
	}
	return u.Username
}

// A hinted error tells what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }
func (h hinted) Hint() string  { return h.hint }

func refusedDoor(err error) error {
	if errors.Is(err, door.ErrLockedDown) {
		return hinted{err, "facegate door status tells who locked it down and how long; facegate door release ends an operator's lock-down, --emergency an emergency's"}
	}
	return err
}

// doorOrder prints what an order has led to. Where an emergency's setting stands above it the
// answer is no, and said.
func (e *env) doorOrder(o client.Order, s wire.State, err error) error {
	if err != nil {
		return err
	}
	if err := e.doorState(s); err != nil {
		return err
	}
	if s.Kept != "" {
		fmt.Fprintf(e.stderr, "facegate door: a restart of doord would undo this: %s\n", s.Kept)
	}
	if s.Priority == door.Emergency && !o.Emergency {
		fmt.Fprintln(e.stderr, "facegate door: an emergency's setting stands above this\nhint: facegate door release --emergency ends it")
		return errNo
	}
	return nil
}

// doorState prints the door as it is.
func (e *env) doorState(s wire.State) error {
	return e.print(s, func(w io.Writer) {
		line := func(name, format string, args ...any) {
			fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, args...))
		}
		either := func(b bool, yes, no string) string {
			if b {
				return yes
			}
			return no
		}
		line("door", "%s, mode %s", s.State, s.Mode)
		if s.Priority != door.None {
			line("priority", "%s, set by %s", s.Priority, s.SetBy)
		}
		if s.Why != "" {
			line("because", "%s", s.Why)
		}
		line("since", "%s", clock(s.Since))
		if !s.Until.IsZero() {
			line("until", "%s", clock(s.Until))
		}
		for i, x := range s.Settings {
			if i == 0 {
				continue // told above
			}
			until := ""
			if !x.Until.IsZero() {
				until = ", until " + clock(x.Until)
			}
			line("beneath", "%s, priority %s%s: %s", x.Mode, x.Priority, until, x.Why)
		}
		line("lock", "%s, fails %s", either(s.Unlocked, "unlocked", "locked"), either(s.FailSafe, "safe", "secure"))
		line("relay", "%s", either(s.Relay, "energised", "dropped"))
		line("inputs", "leaf %s, exit button %s, fire %s, housing %s", either(s.Inputs.Contact, "open", "closed"),
			either(s.Inputs.Rex, "pressed", "released"), either(s.Inputs.Fire, "calls", "quiet"), either(s.Inputs.Tamper, "open", "closed"))
		for _, f := range []struct{ what, fault string }{{"relay", s.Fault}, {"journal", s.Journal}, {"lock-downs not kept", s.Kept}} {
			if f.fault != "" {
				line("fault", "%s: %s", f.what, f.fault)
			}
		}
		line("facegated", "%s", either(s.Controller, "connected", "not connected"))
	})
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func doorSim(ctx context.Context, e *env, conn *client.Conn, args []string) error {
	lines := []string{door.LineRex, door.LineContact, door.LineFire, door.LineTamper}
	if len(args) != 2 || !slices.Contains(lines, args[0]) || !slices.Contains([]string{"on", "off", "pulse"}, args[1]) {
		return usagef("door sim %s on|off|pulse", strings.Join(lines, "|"))
	}
	line, levels := args[0], []string{args[1]}
	if args[1] == "pulse" {
		levels = []string{wire.On, wire.Off}
	}
	for _, level := range levels {
		if err := conn.Sim(ctx, line, level); err != nil {
			return err
		}
	}
	return e.print(map[string]any{"line": line, "level": args[1]}, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", line, args[1]) })
}
