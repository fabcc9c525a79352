package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"facegate/device"
	"facegate/device/devicetest"
	"facegate/door"
	"facegate/door/journal"
	"facegate/door/server"
	"facegate/door/wire"
)

// A subject is a door under test. Every method but wait happens at once.
type subject interface {
	now() time.Duration // since it was made
	wait(time.Duration)
	grant(who string, d time.Duration) error
	order(priority, mode string, d time.Duration) // mode is empty for a release
	schedule(mode string, lease time.Duration)
	leave() // the controller's connection ends
	drive(line string, on bool)
	breaks(error)
	status() door.Status
	// seen is what the relay and the record show since the last call.
	seen() (edges []devicetest.RelayEdge, events []door.Event)
	at(time.Time) time.Duration
}

// steps of the model test: so many of a door behind its socket, and of a bare controller.
const (
	servedSteps = 100_000
	bareSteps   = 200_000
)

// TestADoorKeepsItsPromises does random things to doors of every kind and has an oracle judge
// what they do. DOOR_MODEL_SEED repeats a run.
func TestADoorKeepsItsPromises(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("DOOR_MODEL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	t.Parallel()
	served, bare := servedSteps, bareSteps
	if testing.Short() {
		served, bare = served/10, bare/10
	}
	var cfgs []door.Config
	for _, safe := range []bool{false, true} {
		for _, relock := range []door.Relock{door.RelockTime, door.RelockClosed, door.RelockWhileOpen} {
			for _, records := range []bool{false, true} {
				cfgs = append(cfgs, door.Config{
					FailSafe: safe, Unlock: time.Second, MaxOn: 4 * time.Second, HeldOpen: 6 * time.Second, Relock: relock, RexRecords: records,
				})
			}
		}
	}
	for i, cfg := range cfgs {
		name := fmt.Sprintf("safe=%v,relock=%s,records=%v", cfg.FailSafe, cfg.Relock, cfg.RexRecords)
		rnd := func(kind uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, kind<<32|uint64(i))) }
		t.Run("controller/"+name, func(t *testing.T) {
			t.Parallel()
			b := newBare(cfg)
			m := &model{rnd: rnd(0), door: b, o: newOracle(t, cfg)}
			m.play(bare/len(cfgs)+1, b.jump)
		})
		t.Run("doord/"+name, func(t *testing.T) {
			t.Parallel()
			dir := memory(t)
			synctest.Test(t, func(t *testing.T) {
				s := newServed(t, cfg, dir)
				defer s.end()
				m := &model{rnd: rnd(1), door: s, o: newOracle(t, cfg)}
				m.play(served/len(cfgs)+1, nil)
			})
		})
	}
}

// memory is a directory that need not outlast the machine, where syncing costs nothing.
func memory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "door")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// A model is one run: a door, its oracle, and what happens to both.
type model struct {
	rnd  *rand.Rand
	door subject
	o    *oracle
}

// play does a number of steps. jump, where there is one, lets time pass unseen.
func (m *model) play(steps int, jump func(time.Duration)) {
	m.look()
	for range steps {
		m.step(jump)
		m.look()
		m.wait()
	}
	// When nothing asks any more, the door ends up locked.
	m.breaks(nil)
	for line := range m.o.wires {
		m.drive(line, false)
	}
	m.pass(20 * time.Second)
	m.order(door.Emergency, "", 0)
	m.order(door.Operator, "", 0)
	m.leave()
	m.pass(20 * time.Second)
	if s := m.door.status(); s.State != door.StateLocked || s.Fault != "" || s.Relay != m.o.cfg.FailSafe || s.Mode != door.ModeNormal {
		m.o.fail("left alone: %+v", s)
	}
	for _, what := range []string{"unlocked", "unexplained", "explained", door.Forced, door.Held, door.Rex, door.Fire, door.HealthRaised} {
		if m.o.counts[what] == 0 && steps > 1000 {
			m.o.fail("never %s: %v", what, m.o.counts)
		}
	}
	m.o.t.Logf("%d steps, %v: %v", steps, m.door.now().Round(time.Second), m.o.counts)
}

// pick is one of some things.
func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// between is a time in whole milliseconds.
func (m *model) between(least, most time.Duration) time.Duration {
	return least + time.Duration(m.rnd.Int64N(int64((most-least)/time.Millisecond)+1))*time.Millisecond
}

func (m *model) step(jump func(time.Duration)) {
	switch n := m.rnd.IntN(100); {
	case n < 18:
		m.grant(door.WhoController)
	case n < 20:
		m.grant(door.WhoOperator)
	case n < 34: // a finger
		m.drive(door.LineRex, true)
		m.pass(m.between(5*time.Millisecond, 300*time.Millisecond))
		m.drive(door.LineRex, false)
	case n < 58:
		m.drive(door.LineContact, !m.o.wires[door.LineContact].raw)
	case n < 62: // bounce
		line := pick(m.rnd, door.LineRex, door.LineContact, door.LineFire, door.LineTamper)
		on := m.o.wires[line].raw
		for range m.rnd.IntN(6) {
			m.drive(line, !on)
			m.pass(m.between(time.Millisecond, 12*time.Millisecond))
			m.drive(line, on)
			m.pass(m.between(time.Millisecond, 12*time.Millisecond))
		}
	case n < 65:
		// Fire is rare and short, or nothing else would be tried.
		m.drive(door.LineFire, true)
		m.pass(m.between(0, 2*time.Second))
	case n < 72:
		m.drive(door.LineFire, false)
	case n < 73:
		m.drive(door.LineTamper, !m.o.wires[door.LineTamper].raw)
	case n < 77:
		m.order(pick(m.rnd, door.Operator, door.Emergency), pick(m.rnd, door.ModeLocked, door.ModeUnlocked), pick(m.rnd, 0, m.between(time.Millisecond, 8*time.Second)))
	case n < 84:
		m.order(pick(m.rnd, door.Operator, door.Emergency), "", 0)
	case n < 88:
		mode, lease := pick(m.rnd, door.ModeLocked, door.ModeUnlocked), pick(m.rnd, 0, m.between(time.Millisecond, 8*time.Second))
		for range m.rnd.IntN(4) { // renewed
			m.schedule(mode, lease)
			m.pass(m.between(0, 3*time.Second))
		}
	case n < 90:
		m.schedule("", 0)
	case n < 93:
		m.leave()
	case n < 95:
		m.breaks(errors.New("busy"))
	case n < 98:
		m.breaks(nil)
	default:
		m.special(jump)
	}
}

// special is what not every subject can do.
func (m *model) special(jump func(time.Duration)) {
	if jump != nil {
		from := m.door.now()
		jump(m.between(-time.Minute, 20*time.Second))
		m.o.to(m.door.now())
		m.o.blur(from)
		return
	}
	s := m.door.(*served)
	switch m.rnd.IntN(3) {
	case 0: // a stopped controller says nothing for so long that it counts as gone
		if s.controller == nil {
			return
		}
		quiet := s.controller.last + wire.Idle - m.door.now()
		s.controller.stopped = true
		m.pass(quiet)
		m.o.gone()
		s.controller.close()
		s.controller = nil
	case 1: // a controller dies between its question and the answer
		m.grantAndDie(s)
	case 2:
		m.breaks(nil)
		m.pass(heal)
		s.end()
		m.o.gone()
		m.o.restarts()
		s.start()
	}
}

func (m *model) grantAndDie(s *served) {
	c := s.connected()
	if m.o.mode() == door.ModeLocked || m.o.broken {
		return // the outcome would be that of any grant
	}
	_ = wire.Write(c.conn, wire.Request{Do: wire.Pulse, Why: "dying"})
	c.close()
	s.controller = nil
	synctest.Wait()
	m.o.grant(door.WhoController, 0, nil)
	m.o.gone()
}

// wait lets some time pass: mostly little, so that things meet.
func (m *model) wait() {
	switch n := m.rnd.IntN(100); {
	case n < 20:
	case n < 70:
		m.pass(m.between(time.Millisecond, 60*time.Millisecond))
	case n < 97:
		m.pass(m.between(time.Millisecond, 1200*time.Millisecond))
	default:
		m.pass(m.between(time.Millisecond, 9*time.Second))
	}
}

// pass lets time pass and looks at the door often.
func (m *model) pass(d time.Duration) {
	for d > 0 {
		step := min(d, slack)
		m.door.wait(step)
		d -= step
		m.look()
	}
}

func (m *model) look() {
	edges, events := m.door.seen()
	for _, e := range edges {
		m.o.to(max(m.o.now, m.door.at(e.At)))
		m.o.edge(e.On, m.door.at(e.At))
	}
	m.o.to(m.door.now())
	for _, e := range events {
		m.o.event(e, m.door.at(e.Time))
	}
	m.o.look(m.door.status())
}

func (m *model) grant(who string) {
	d := pick(m.rnd, 0, m.between(time.Millisecond, 2*m.o.cfg.MaxOn))
	m.o.grant(who, d, m.door.grant(who, d))
}

func (m *model) order(priority, mode string, d time.Duration) {
	m.door.order(priority, mode, d)
	m.o.set(priority, mode, d)
	m.look()
}

func (m *model) schedule(mode string, lease time.Duration) {
	m.door.schedule(mode, lease)
	m.o.schedule(mode, lease)
	m.look()
}

func (m *model) leave() {
	m.door.leave()
	m.o.gone()
	m.look()
}

func (m *model) drive(line string, on bool) {
	m.door.drive(line, on)
	m.o.drive(line, on)
}

func (m *model) breaks(err error) {
	m.door.breaks(err)
	m.o.breaks(err != nil)
}

// A bare subject is a controller whose caller does nothing but what it must.
type bare struct {
	c      *door.Controller
	start  time.Time
	past   time.Duration
	edges  []devicetest.RelayEdge
	events []door.Event
	broken error
	on     bool
}

func newBare(cfg door.Config) *bare {
	b := &bare{start: time.Unix(1_000_000, 0)}
	b.c = door.New(cfg, b.start)
	b.obey()
	for _, line := range []string{door.LineRex, door.LineContact, door.LineFire, door.LineTamper} {
		b.drive(line, false)
	}
	return b
}

func (b *bare) now() time.Duration           { return b.past }
func (b *bare) time() time.Time              { return b.start.Add(b.past) }
func (b *bare) at(t time.Time) time.Duration { return t.Sub(b.start) }

// wait stops wherever the controller has something to do.
func (b *bare) wait(d time.Duration) {
	end := b.past + d
	for {
		due, ok := b.c.Due()
		if !ok || b.at(due) > end {
			break
		}
		b.past = max(b.past, b.at(due))
		b.c.Advance(b.time())
		b.obey()
	}
	b.past = end
	b.c.Advance(b.time())
	b.obey()
}

// jump is a step of the clock, or a process that was stopped.
func (b *bare) jump(d time.Duration) {
	b.c.Advance(b.time().Add(min(d, 0))) // backwards: nothing may come of it
	b.past += max(d, 0)
	b.c.Advance(b.time())
	b.obey()
}

func (b *bare) obey() {
	for todo := b.c.Take(); len(todo) > 0; todo = b.c.Take() {
		for _, a := range todo {
			switch a := a.(type) {
			case door.Event:
				b.events = append(b.events, a)
			case door.SetRelay:
				if b.broken != nil {
					b.c.RelayFailed(b.broken, b.time())
					continue
				}
				if a.Energise != b.on {
					b.on = a.Energise
					b.edges = append(b.edges, devicetest.RelayEdge{On: a.Energise, At: b.time()})
				}
				b.c.RelayObeyed(b.time())
			}
		}
	}
}

func (b *bare) grant(who string, d time.Duration) error {
	_, err := b.c.Pulse(door.Grant{Who: who, For: d, Why: "grant"}, b.time())
	b.obey()
	if fault := b.c.Status().Fault; err == nil && fault != "" {
		err = door.ErrRelay
	}
	return err
}

func (b *bare) order(priority, mode string, d time.Duration) {
	if mode == "" {
		b.c.Release(priority, "", "test", b.time())
	} else {
		b.c.Order(door.Order{Priority: priority, Mode: mode, For: d, Why: "test"}, b.time())
	}
	b.obey()
}

func (b *bare) schedule(mode string, lease time.Duration) {
	if mode == "" {
		mode = door.ModeNormal
	}
	b.c.Schedule(mode, lease, time.Time{}, "test", b.time())
	b.obey()
}

func (b *bare) leave()                     { b.c.Gone(door.WhoController, b.time()); b.obey() }
func (b *bare) drive(line string, on bool) { b.c.Input(line, on, b.time()); b.obey() }
func (b *bare) breaks(err error)           { b.broken = err }
func (b *bare) status() door.Status        { return b.c.Status() }

func (b *bare) seen() ([]devicetest.RelayEdge, []door.Event) {
	edges, events := b.edges, b.events
	b.edges, b.events = nil, nil
	return edges, events
}

// A served subject is a server on fakes within a bubble of time, spoken to over its wire.
type served struct {
	t       *testing.T
	cfg     door.Config
	dir     string
	made    time.Time
	relay   *devicetest.Relay
	inputs  map[string]*devicetest.Input
	journal *journal.Journal
	known   int    // edges that were seen
	acked   uint64 // events that were

	pipes      *pipes
	stop       func()
	controller *caller
	operator   *caller
}

func newServed(t *testing.T, cfg door.Config, dir string) *served {
	s := &served{t: t, cfg: cfg, dir: dir, made: time.Now(), relay: devicetest.NewRelay(false), inputs: map[string]*devicetest.Input{}}
	for _, line := range []string{door.LineRex, door.LineContact, door.LineFire, door.LineTamper} {
		s.inputs[line] = devicetest.NewInput()
	}
	s.start()
	return s
}

func (s *served) start() {
	s.journal = journal.Open(filepath.Join(s.dir, "journal"), quiet)
	s.pipes = &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	inputs := make(map[string]device.Input)
	for line, in := range s.inputs {
		inputs[line] = in
	}
	srv := server.New(server.Options{
		Door: s.cfg, Relay: s.relay, Inputs: inputs, Journal: s.journal, Listener: s.pipes, Log: quiet,
		Settings: journal.OpenSettings(filepath.Join(s.dir, "settings"), quiet),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	<-srv.Ready()
	synctest.Wait()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
	s.operator = s.call(wire.Operator)
}

func (s *served) end() {
	s.operator.close()
	if s.controller != nil {
		s.controller.close()
		s.controller = nil
	}
	s.stop()
}

func (s *served) now() time.Duration           { return time.Since(s.made) }
func (s *served) at(t time.Time) time.Duration { return t.Sub(s.made) }

func (s *served) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	for _, c := range []*caller{s.operator, s.controller} {
		if c != nil && !c.stopped && s.now()-c.last > wire.Idle/2 {
			c.ask(wire.Request{Do: wire.Beat})
		}
	}
}

// A caller is a connection.
type caller struct {
	s       *served
	conn    net.Conn
	lines   *wire.Reader
	last    time.Duration // of its last word
	stopped bool
}

func (s *served) call(role string) *caller {
	near, far := net.Pipe()
	s.pipes.conns <- far
	c := &caller{s: s, conn: near, lines: wire.NewReader(near, wire.MaxReply)}
	c.ask(wire.Request{Do: wire.Hello, Version: wire.Version, Role: role})
	return c
}

func (c *caller) ask(r wire.Request) wire.Reply {
	c.s.t.Helper()
	c.last = c.s.now()
	if err := wire.Write(c.conn, r); err != nil {
		c.s.t.Fatalf("ask %+v: %v", r, err)
	}
	line, err := c.lines.Line()
	if err != nil {
		c.s.t.Fatalf("ask %+v: %v", r, err)
	}
	reply, err := wire.ParseReply(line)
	if err != nil {
		c.s.t.Fatal(err)
	}
	synctest.Wait()
	return reply
}

func (c *caller) close() {
	if err := c.conn.Close(); err != nil {
		c.s.t.Error(err)
	}
	synctest.Wait()
}

func (s *served) connected() *caller {
	if s.controller == nil {
		s.controller = s.call(wire.Controller)
	}
	return s.controller
}

func (s *served) grant(who string, d time.Duration) error {
	c := s.operator
	if who == door.WhoController {
		c = s.connected()
	}
	switch reply := c.ask(wire.Request{Do: wire.Pulse, ForMs: d.Milliseconds(), Why: "grant"}); reply.Code {
	case "":
		return nil
	case wire.LockedDown:
		return door.ErrLockedDown
	case wire.Relay:
		return door.ErrRelay
	default:
		return errors.New(reply.Text)
	}
}

func (s *served) order(priority, mode string, d time.Duration) {
	do := map[string]string{"": wire.Release, door.ModeLocked: wire.Lock, door.ModeUnlocked: wire.Hold}[mode]
	if r := s.operator.ask(wire.Request{Do: do, Emergency: priority == door.Emergency, ForMs: d.Milliseconds(), Why: "test"}); r.Code != "" || r.Status.Kept != "" {
		s.t.Fatalf("%+v", r)
	}
}

func (s *served) schedule(mode string, lease time.Duration) {
	if mode == "" {
		mode = wire.NoMode
	}
	if r := s.connected().ask(wire.Request{Do: wire.Schedule, Mode: mode, ForMs: lease.Milliseconds(), Why: "test"}); r.Code != "" {
		s.t.Fatalf("%+v", r)
	}
}

func (s *served) leave() {
	if s.controller != nil {
		s.controller.close()
		s.controller = nil
	}
}

func (s *served) drive(line string, on bool) {
	s.inputs[line].Drive(on)
	synctest.Wait()
}

func (s *served) breaks(err error) { s.relay.Break(err) }

func (s *served) status() door.Status {
	return s.operator.ask(wire.Request{Do: wire.Status}).Status.Status
}

func (s *served) seen() ([]devicetest.RelayEdge, []door.Event) {
	synctest.Wait()
	edges := s.relay.Edges()[s.known:]
	s.known += len(edges)
	var all []door.Event
	for {
		events, _ := s.journal.After(s.journal.ID(), s.acked, wire.MaxEvents)
		if len(events) == 0 {
			break
		}
		s.acked = events[len(events)-1].Seq
		all = append(all, events...)
	}
	if len(all) > 0 {
		if err := s.journal.Ack(s.journal.ID(), s.acked); err != nil {
			s.t.Fatal(err)
		}
	}
	return edges, all
}

// pipes is a listener whose connections exist in memory, so that time in a bubble passes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
