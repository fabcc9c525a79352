// Package client talks to doord.
//
// A [Conn] is one conversation, for the operator's command line. A [Link] is facegated's
// lasting one: it keeps the connection alive and asks for pulses. A [Collector] brings the
// door's journal into the store. Link and Collector reconnect by themselves for as long as
// doord is away.
package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"facegate/door"
	"facegate/door/wire"
)

// Conditions a caller may branch on.
var (
	// ErrUnavailable means that doord does not answer. What was asked for is not done, or
	// has been withdrawn with the connection.
	ErrUnavailable = errors.New("doord does not answer")
	// ErrTaken means that another client has the role.
	ErrTaken = errors.New("another program controls this door")
	// ErrNotSimulated means that a real door's inputs are not moved by command.
	ErrNotSimulated = errors.New("door is not simulated")
	// ErrRefused means that doord understood and will not; the error's text says why.
	ErrRefused = errors.New("doord refuses")
)

// exchangeWait bounds one request and its reply, beyond what the request itself waits.
const exchangeWait = 3 * time.Second

// A Conn is a conversation with doord in one role. Its methods may be called from any
// goroutine; each waits for those before it. After an error wrapping [ErrUnavailable] the
// connection is closed.
type Conn struct {
	journal string

	mu    sync.Mutex
	conn  net.Conn
	lines *wire.Reader
}

// Dial connects to the doord at socket in a role.
func Dial(ctx context.Context, socket, role string) (*Conn, error) {
	return dial(ctx, socket, wire.Request{Role: role})
}

// DialOperator connects to the doord at socket for a person, whose name is recorded with what
// they do. Doord believes the name: it says who spoke, and is no right.
func DialOperator(ctx context.Context, socket, name string) (*Conn, error) {
	return dial(ctx, socket, wire.Request{Role: wire.Operator, By: wire.Name(name)})
}

func dial(ctx context.Context, socket string, hello wire.Request) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeWait)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	c := &Conn{conn: raw, lines: wire.NewReader(raw, wire.MaxReply)}
	hello.Do, hello.Version = wire.Hello, wire.Version
	reply, err := c.ask(ctx, hello)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.journal = reply.Journal
	return c, nil
}

// Close ends the conversation.
func (c *Conn) Close() error {
	err := c.conn.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// ask sends one request and reads its reply.
func (c *Conn) ask(ctx context.Context, req wire.Request) (wire.Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reply, err := c.exchange(ctx, req)
	if err != nil {
		_ = c.conn.Close() // a reply that comes late would answer the next request
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return wire.Reply{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return reply, refusal(reply)
}

func (c *Conn) exchange(ctx context.Context, req wire.Request) (wire.Reply, error) {
	limit := time.Now().Add(exchangeWait + time.Duration(req.WaitMs)*time.Millisecond)
	if d, ok := ctx.Deadline(); ok && d.Before(limit) {
		limit = d
	}
	if err := c.conn.SetDeadline(limit); err != nil {
		return wire.Reply{}, err
	}
	defer context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })() // wakes the read
	if err := wire.Write(c.conn, req); err != nil {
		return wire.Reply{}, err
	}
	line, err := c.lines.Line()
	if err != nil {
		return wire.Reply{}, err
	}
	return wire.ParseReply(line)
}

// refusal turns a reply's code into an error.
func refusal(r wire.Reply) error {
	switch r.Code {
	case "":
		return nil
	case wire.LockedDown:
		return door.ErrLockedDown
	case wire.Relay:
		return fmt.Errorf("%w: %s", door.ErrRelay, r.Text)
	case wire.Taken:
		return ErrTaken
	case wire.NotSim:
		return ErrNotSimulated
	}
	return fmt.Errorf("%w: %s", ErrRefused, r.Text)
}

// Status returns the door as it is.
func (c *Conn) Status(ctx context.Context) (wire.State, error) {
	reply, err := c.ask(ctx, wire.Request{Do: wire.Status})
	return state(reply, err)
}

func state(reply wire.Reply, err error) (wire.State, error) {
	if err == nil && reply.Status == nil {
		err = fmt.Errorf("%w: no status in its reply", ErrRefused)
	}
	if err != nil {
		return wire.State{}, err
	}
	return *reply.Status, nil
}

// Unlock unlocks the door for d, or for its own time where d is 0, and returns how long it
// stays unlocked from now. The error wraps [door.ErrLockedDown], [door.ErrRelay] or
// [ErrUnavailable].
func (c *Conn) Unlock(ctx context.Context, d time.Duration, why string) (time.Duration, error) {
	if d < 0 || d > wire.MaxFor {
		return 0, fmt.Errorf("unlock for %v: not between 0 and %v", d, wire.MaxFor)
	}
	reply, err := c.ask(ctx, wire.Request{Do: wire.Pulse, ForMs: ms(d), Why: wire.Text(why)})
	return time.Duration(reply.ForMs) * time.Millisecond, err
}

// An Order is what an operator's setting of the door is.
type Order struct {
	Emergency bool          // above what other operators set
	For       time.Duration // 0: until it is released; at most [wire.MaxSetting]
	Why       string
}

// Hold keeps the door unlocked for the order's time.
func (c *Conn) Hold(ctx context.Context, o Order) (wire.State, error) {
	return c.order(ctx, wire.Hold, o)
}

// Lock locks the door at once and refuses grants for the order's time. The exit button and
// the fire input still open.
func (c *Conn) Lock(ctx context.Context, o Order) (wire.State, error) {
	return c.order(ctx, wire.Lock, o)
}

// Release ends what Hold or Lock has set, with Emergency only what they set with Emergency,
// without it only what they set without. What is left shows in the state.
func (c *Conn) Release(ctx context.Context, o Order) (wire.State, error) {
	return c.order(ctx, wire.Release, o)
}

func (c *Conn) order(ctx context.Context, do string, o Order) (wire.State, error) {
	if o.For < 0 || o.For > wire.MaxSetting {
		return wire.State{}, fmt.Errorf("%s for %v: not between 0 and %v", do, o.For, wire.MaxSetting)
	}
	return state(c.ask(ctx, wire.Request{Do: do, Emergency: o.Emergency, ForMs: ms(o.For), Why: wire.Text(o.Why)}))
}

// ms is a time as a request has it: rounded up, because 0 has a meaning of its own.
func ms(d time.Duration) int64 { return (d + time.Millisecond - 1).Milliseconds() }

// Schedule says what the schedule wants from now on: [door.ModeLocked], [door.ModeUnlocked] or
// [wire.NoMode]. The door does so for lease, which doord cuts to its longest time (and which is
// that where it is 0), so the call is repeated well before that has passed. until is when the
// schedule itself will change, for people to see; zero where it does not.
func (c *Conn) Schedule(ctx context.Context, mode string, lease time.Duration, until time.Time, why string) error {
	if y := until.Year(); lease < 0 || !until.IsZero() && (y < wire.FirstYear || y > wire.LastYear) {
		return fmt.Errorf("schedule %s for %v until %v: out of range", mode, lease, until)
	}
	_, err := c.ask(ctx, wire.Request{
		Do: wire.Schedule, Mode: mode, ForMs: ms(min(lease, wire.MaxFor)), Until: until.UTC(), Why: wire.Text(why),
	})
	return err
}

// Sim moves an input of a simulated door: line is one of door's Line constants, level
// [wire.On], [wire.Off] or [wire.Toggle]. It returns after doord has seen the input move.
func (c *Conn) Sim(ctx context.Context, line, level string) error {
	_, err := c.ask(ctx, wire.Request{Do: wire.Sim, Line: line, Level: level})
	return err
}
