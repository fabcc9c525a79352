package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"facegate/door"
	"facegate/door/client"
	"facegate/door/wire"
)

func doorCommand(ctx context.Context, e *env, args []string) error {
	fs := e.flags("door")
	hold := fs.Bool("hold", false, "unlock until release")
	why := fs.String("why", "", "the reason, for the record")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return usagef("door status, unlock, lock, release or sim")
	}
	c, err := e.config()
	if err != nil {
		return err
	}
	conn, err := client.Dial(ctx, c.Door.Socket, wire.Operator)
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
	because := *why
	if because == "" {
		because = "facegate door " + rest[0]
	}
	switch rest[0] {
	case "status":
		s, err := conn.Status(ctx)
		return e.doorState(s, err)
	case "unlock":
		if *hold {
			s, err := conn.Hold(ctx, because)
			return e.doorState(s, err)
		}
		d, err := conn.Unlock(ctx, 0, because)
		if err != nil {
			return refusedDoor(err)
		}
		return e.print(map[string]any{"unlocked": true, "for_ms": d.Milliseconds()}, func(w io.Writer) { fmt.Fprintf(w, "unlocked for %v\n", d) })
	case "lock":
		s, err := conn.Lock(ctx, because)
		return e.doorState(s, err)
	case "release":
		s, err := conn.Release(ctx, because)
		return e.doorState(s, err)
	}
	return usagef("door knows no %q", rest[0])
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
		return hinted{err, "facegate door release ends the lock-down"}
	}
	return err
}

func (e *env) doorState(s wire.State, err error) error {
	if err != nil {
		return refusedDoor(err)
	}
	return e.print(s, func(w io.Writer) {
		state := map[bool]string{true: "unlocked", false: "locked"}[s.Unlocked]
		fmt.Fprintf(w, "door       %s, mode %s\n", state, s.Mode)
		if s.Why != "" {
			fmt.Fprintf(w, "because    %s\n", s.Why)
		}
		fmt.Fprintf(w, "relay      %s\n", map[bool]string{true: "energised", false: "dropped"}[s.Relay])
		fmt.Fprintf(w, "facegated  %s\n", map[bool]string{true: "connected", false: "not connected"}[s.Controller])
	})
}

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
