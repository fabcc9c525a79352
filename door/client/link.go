package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"facegate/door"
	"facegate/door/wire"
	"facegate/internal/logkey"
)

// How often a link says that it is there, and how long it pauses before it tries again.
const (
	beatEvery  = wire.Idle / 5
	retryFirst = 100 * time.Millisecond
	retryMost  = 2 * time.Second
)

// backoff is a pause that doubles up to a bound, with full jitter above half.
type backoff struct{ next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// wait pauses; it reports false where ctx ended instead.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(max(2*b.next, retryFirst), retryMost)
	t := time.NewTimer(b.next/2 + rand.N(b.next/2))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A Link is facegated's connection as the door's controller, and a task. Doord withdraws
// what a link asked for when the link's process ends or is stopped. Unlock, Schedule and Status may be
// called from any goroutine while Run runs.
type Link struct {
	socket string
	log    *slog.Logger
	ready  chan struct{}

	mu   sync.Mutex
	conn *Conn
	err  error // why there is no connection
}

// NewLink returns a link that Run connects.
func NewLink(socket string, log *slog.Logger) *Link {
	return &Link{socket: socket, log: log, ready: make(chan struct{}), err: ErrUnavailable}
}

// Run keeps the connection until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	var pause backoff
	var once sync.Once
	last := "" // the trouble that was logged
	for {
		conn, err := Dial(ctx, l.socket, wire.Controller)
		if err == nil {
			l.put(conn)
			l.log.Info("door connected", logkey.Address, l.socket)
			once.Do(func() { close(l.ready) })
			pause.reset()
			last = ""
			err = l.keep(ctx, conn)
		}
		l.drop(err)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a cancellation is no error
		}
		if last != err.Error() {
			last = err.Error()
			l.log.Warn("door not connected", logkey.Error, err)
		}
		once.Do(func() { close(l.ready) }) // it does its work: it tries
		if !pause.wait(ctx) {
			return nil
		}
	}
}

// keep says that we are here until the connection fails or ctx ends.
func (l *Link) keep(ctx context.Context, conn *Conn) error {
	defer conn.Close()
	every := time.NewTicker(beatEvery)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-every.C:
			if _, err := conn.ask(ctx, wire.Request{Do: wire.Beat}); err != nil {
				return err
			}
		}
	}
}

func (l *Link) put(conn *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.err = conn, nil
}

func (l *Link) drop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn, l.err = nil, err
}

// Ready is closed after the first attempt to connect.
func (l *Link) Ready() <-chan struct{} { return l.ready }

func (l *Link) String() string { return "door link" }

// Err is why there is no connection now, or nil.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Link) connected() (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		if errors.Is(l.err, ErrUnavailable) {
			return nil, l.err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, l.err)
	}
	return l.conn, nil
}

// Unlock is [Conn.Unlock] over the link. It does not wait for a connection and never asks
// twice: an error means that the door is not unlocked by this call, or locks at once.
func (l *Link) Unlock(ctx context.Context, d time.Duration, why string) (time.Duration, error) {
	conn, err := l.connected()
	if err != nil {
		return 0, err
	}
	return conn.Unlock(ctx, d, why)
}

// Schedule is [Conn.Schedule] over the link. The setting ends with the connection: where it is
// wanted on, it is renewed.
func (l *Link) Schedule(ctx context.Context, mode string, lease time.Duration, until time.Time, why string) error {
	conn, err := l.connected()
	if err != nil {
		return err
	}
	return conn.Schedule(ctx, mode, lease, until, why)
}

// Status is [Conn.Status] over the link.
func (l *Link) Status(ctx context.Context) (wire.State, error) {
	conn, err := l.connected()
	if err != nil {
		return wire.State{}, err
	}
	return conn.Status(ctx)
}

// A Cursor names the last event that was committed: a journal's id and a number in it. The
// zero Cursor is before everything.
type Cursor struct {
	Journal string
	Seq     uint64
}

// A Collector takes the door's events, and is a task. Each event is handed to Commit in
// order and, if Commit keeps the cursor in the transaction that keeps the events, exactly
// once, whatever crashes on either side.
type Collector struct {
	Socket string
	Log    *slog.Logger
	// After returns the cursor that was committed last.
	After func(context.Context) (Cursor, error)
	// Commit keeps events and cursor, together or not at all.
	Commit func(context.Context, Cursor, []door.Event) error

	once  sync.Once
	ready chan struct{}
}

// Ready is closed: a collector waits for doord.
func (c *Collector) Ready() <-chan struct{} {
	c.once.Do(func() {
		c.ready = make(chan struct{})
		close(c.ready)
	})
	return c.ready
}

func (c *Collector) String() string { return "door events" }

// errStore marks an error of the caller's side, which ends Run.
type errStore struct{ error }

func (e errStore) Unwrap() error { return e.error }

// Run collects until ctx ends or After or Commit fails.
func (c *Collector) Run(ctx context.Context) error {
	var pause backoff
	last := ""
	for {
		err := c.collect(ctx, pause.reset)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a cancellation is no error
		}
		if own, ok := errors.AsType[errStore](err); ok {
			return own.error
		}
		if last != err.Error() {
			last = err.Error()
			c.Log.Warn("door events not collected", logkey.Error, err)
		}
		if !pause.wait(ctx) {
			return nil
		}
	}
}

// collect takes events over one connection; works is called after each exchange.
func (c *Collector) collect(ctx context.Context, works func()) error {
	at, err := c.After(ctx)
	if err != nil {
		return errStore{fmt.Errorf("read door cursor: %w", err)}
	}
	conn, err := Dial(ctx, c.Socket, wire.Collector)
	if err != nil {
		return err
	}
	defer conn.Close()
	if at.Journal != conn.journal {
		at = Cursor{Journal: conn.journal}
	}
	if at.Seq > 0 { // the last ack may not have arrived
		if err := conn.ack(ctx, at); err != nil {
			return err
		}
	}
	for {
		reply, err := conn.ask(ctx, wire.Request{Do: wire.Events, Journal: at.Journal, Seq: at.Seq, WaitMs: wire.MaxWait.Milliseconds()})
		if err != nil {
			return err
		}
		works()
		if len(reply.Events) == 0 {
			continue
		}
		for _, e := range reply.Events {
			if e.Seq <= at.Seq {
				return fmt.Errorf("%w: event %d after %d", ErrRefused, e.Seq, at.Seq)
			}
			at.Seq = e.Seq
		}
		if err := c.Commit(ctx, at, reply.Events); err != nil {
			return errStore{fmt.Errorf("commit door events: %w", err)}
		}
		if err := conn.ack(ctx, at); err != nil {
			return err
		}
	}
}

func (c *Conn) ack(ctx context.Context, at Cursor) error {
	_, err := c.ask(ctx, wire.Request{Do: wire.Ack, Journal: at.Journal, Seq: at.Seq})
	return err
}
