// Package server runs a door: it feeds wires and requests to a [door.Controller], drives
// the relay, keeps the journal and answers doord's socket.
//
// One goroutine owns the controller and the relay. It never waits for a disk or a client,
// so the exit button works while either hangs. Whatever ends it, the relay is put into its
// inert state on the way out.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"facegate/device"
	"facegate/door"
	"facegate/door/journal"
	"facegate/door/wire"
	"facegate/internal/task"
)

// Options is what a server serves.
type Options struct {
	Door     door.Config
	Relay    device.Relay
	Inputs   map[string]device.Input // by line name; a line that is not wired is absent
	Sim      Sim                     // nil for a real door
	Journal  *journal.Journal        // run by the server
	Settings *journal.Settings       // lock-downs that outlast the process; run by the server; nil keeps none
	Listener net.Listener            // closed by the server
	Log      *slog.Logger
}

// Sim is a simulated door's far end.
type Sim interface {
	Drive(line string, active bool) error
	Why(why string) // of the relay's next edge
}

// tick is how often the control loop comes by with nothing to do; it must be on time
// within beat for the watchdog to be fed.
const (
	tick = time.Second
	beat = 5 * time.Second
)

// reread is how often an input's level is read without an edge: shorter than a finger.
const reread = 100 * time.Millisecond

// retryInput is the pause before an input that failed is watched again.
const retryInput = time.Second

// A Server is a [task.Task]. Beat is its control loop's sign of life.
type Server struct {
	Options
	Beat *task.Beat

	ready  chan struct{}
	levels chan level
	calls  chan call

	kept []door.Setting // what Settings was last given; of the control loop

	mu    sync.Mutex
	roles map[string]bool // the roles of which there is one, taken
	conns int
}

// A level is what an input showed at a time.
type level struct {
	line   string
	active bool
	at     time.Time
}

// A call is work for the goroutine that owns the controller.
type call struct {
	do   func(*door.Controller)
	done chan struct{}
}

// New returns a server that does nothing before Run.
func New(o Options) *Server {
	return &Server{
		Options: o, Beat: task.NewBeat("door", beat, time.Now()),
		ready: make(chan struct{}), levels: make(chan level), calls: make(chan call), roles: make(map[string]bool),
	}
}

// Ready is closed once the relay has been set and every input read.
func (s *Server) Ready() <-chan struct{} { return s.ready }

func (s *Server) String() string { return "door" }

// Run serves the door until ctx ends. It returns after the relay is inert, every
// connection closed and the journal written.
func (s *Server) Run(ctx context.Context) error {
	// The journal outlives what writes to it.
	written, endJournal := context.WithCancel(context.WithoutCancel(ctx))
	defer endJournal()
	var keeper sync.WaitGroup
	var journalErr, settingsErr error
	keeper.Go(func() { journalErr = s.Journal.Run(written) })
	if s.Settings != nil {
		keeper.Go(func() { settingsErr = s.Settings.Run(written) })
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for line, in := range s.Inputs {
		wg.Go(func() { s.watch(ctx, line, in) })
	}
	var acceptErr error
	wg.Go(func() {
		acceptErr = s.accept(ctx)
		cancel()
	})
	err := s.control(ctx)
	cancel()
	_ = s.Listener.Close() // accept reports what matters
	wg.Wait()
	endJournal()
	keeper.Wait()
	return errors.Join(err, acceptErr, journalErr, settingsErr)
}

// control owns the controller and the relay.
func (s *Server) control(ctx context.Context) (err error) {
	s.recall()
	c := door.New(s.Door, time.Now())
	if s.Settings != nil {
		s.kept, _ = s.Settings.Found()
		c.Restore(s.kept, time.Now())
	}
	defer func() {
		s.why("doord ends")
		if haltErr := s.Relay.Halt(); haltErr != nil {
			err = errors.Join(err, fmt.Errorf("put relay into its inert state: %w", haltErr))
			return
		}
		if was := c.Status().Unlocked; was != s.Door.FailSafe { // an inert fail-safe door is unlocked
			kind := door.Locked
			if s.Door.FailSafe {
				kind = door.Unlocked
			}
			s.record(door.Event{Time: time.Now(), Kind: kind, Why: "doord ends"})
		}
	}()
	s.obey(c)
	// What is seen later is a change. A line that fails here is told of by watch.
	for line, in := range s.Inputs {
		if active, err := in.Active(); err == nil {
			c.Input(line, active, time.Now())
			s.obey(c)
		}
	}
	close(s.ready)

	timer := time.NewTimer(tick)
	defer timer.Stop()
	for {
		now := time.Now()
		s.Beat.Tick(now)
		wait := tick
		if due, ok := c.Due(); ok {
			wait = min(wait, due.Sub(now))
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case l := <-s.levels:
			// A time stamp from the future would stop the controller's time until then.
			if now := time.Now(); l.at.After(now) {
				l.at = now
			}
			c.Input(l.line, l.active, l.at)
		case do := <-s.calls:
			do.do(c)
			s.obey(c)
			close(do.done)
		case <-timer.C:
			c.Advance(time.Now())
		}
		s.obey(c)
	}
}

// recall completes the record of an earlier process that did not come to it: its relay has
// lost its current since.
func (s *Server) recall() {
	inert := door.Locked
	if s.Door.FailSafe {
		inert = door.Unlocked
	}
	if last := s.Journal.Last(); last != "" && last != inert {
		s.record(door.Event{Time: time.Now(), Kind: inert, Why: "doord had ended"})
	}
	if s.Settings == nil {
		return
	}
	if _, damaged := s.Settings.Found(); damaged {
		s.record(door.Event{Time: time.Now(), Kind: door.HealthRaised, Why: "door settings were damaged; the door is locked down"})
	}
}

// obey does what the controller asks until it asks for nothing, and has its lock-downs kept.
func (s *Server) obey(c *door.Controller) {
	defer s.keep(c)
	for todo := c.Take(); len(todo) > 0; todo = c.Take() {
		for _, a := range todo {
			switch a := a.(type) {
			case door.SetRelay:
				s.why(a.Why)
				if err := s.Relay.Set(a.Energise); err != nil {
					c.RelayFailed(err, time.Now())
					continue
				}
				c.RelayObeyed(time.Now())
			case door.Event:
				s.record(a)
			}
		}
	}
}

func (s *Server) keep(c *door.Controller) {
	if s.Settings == nil {
		return
	}
	if now := c.LockDowns(); !slices.Equal(now, s.kept) {
		s.kept = now
		s.Settings.Save(now)
	}
}

func (s *Server) why(why string) {
	if s.Sim != nil {
		s.Sim.Why(why)
	}
}

// record notes an event. The journal also puts it into the program's log: that may block,
// and so is not done here.
func (s *Server) record(e door.Event) { s.Journal.Record(e) }

// do runs fn on the goroutine that owns the controller and returns after what it led to is
// done. It reports false where the server is ending instead.
func (s *Server) do(ctx context.Context, fn func(*door.Controller)) bool {
	c := call{fn, make(chan struct{})}
	select {
	case s.calls <- c:
	case <-ctx.Done():
		return false
	}
	<-c.done
	return true
}

// watch feeds an input's levels until ctx ends, and tells when the line fails and works again.
func (s *Server) watch(ctx context.Context, line string, in device.Input) {
	tell := func(kind, why string) {
		e := door.Event{Time: time.Now(), Kind: kind, Why: wire.Text(why)}
		s.do(ctx, func(*door.Controller) { s.record(e) })
	}
	sick := false
	for ctx.Err() == nil {
		err := s.follow(ctx, line, in, func() {
			if sick {
				sick = false
				tell(door.HealthCleared, "input "+line)
			}
		})
		if err != nil && !sick {
			sick = true
			tell(door.HealthRaised, fmt.Sprintf("input %s: %v", line, err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryInput):
		}
	}
}

// follow feeds levels until the line fails or ctx ends. Edges tell at once and exactly when;
// beside them the level is read after every edge and every so often, because edges can be
// lost, and none is seen before Watch has begun. works is called after the first reading.
func (s *Server) follow(ctx context.Context, line string, in device.Input, works func()) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	var mu sync.Mutex // a reading is fed before an edge behind it
	feed := func(active bool, at time.Time) {
		select {
		case s.levels <- level{line, active, at}:
		case <-ctx.Done():
		}
	}
	read := func() error {
		active, err := in.Active()
		if err == nil {
			feed(active, time.Now())
		}
		return err
	}
	if err := read(); err != nil {
		return err
	}
	works()

	failed := make(chan error, 1)
	wg.Go(func() {
		failed <- in.Watch(ctx, func(e device.Edge) {
			mu.Lock()
			defer mu.Unlock()
			feed(e.Active, e.At)
			_ = read() // Watch itself returns the line's error
		})
	})
	every := time.NewTicker(reread)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if err == nil && ctx.Err() == nil {
				err = errors.New("watch ended")
			}
			return err
		case <-every.C:
			mu.Lock()
			err := read()
			mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}
