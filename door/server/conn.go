package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"facegate/door"
	"facegate/door/wire"
	"facegate/internal/logkey"
)

// maxConns bounds the connections held at once; more are closed as they come.
const maxConns = 32

// writeWait is how long a client may take to read a reply.
const writeWait = 2 * time.Second

// accept serves connections until ctx ends.
func (s *Server) accept(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := s.Listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close() // it was never used
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept clients: %w", err)
		case err != nil:
			// Out of descriptors, for instance: the door goes on, clients wait.
			s.Log.Warn("client not accepted", logkey.Error, err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if !s.enter() {
			_ = conn.Close() // too many; it finds out by itself
			continue
		}
		wg.Go(func() {
			defer s.leave()
			s.serve(ctx, conn)
		})
	}
}

func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == maxConns {
		return false
	}
	s.conns++
	return true
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
}

// claim takes a role of which there is one; it reports false where another client has it.
func (s *Server) claim(role string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if role != wire.Operator && s.roles[role] {
		return false
	}
	s.roles[role] = true
	return true
}

func (s *Server) yield(role string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.roles, role)
}

func (s *Server) taken(role string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roles[role]
}

// serve talks with one client until it leaves, errs or is silent for too long.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // wakes the read below
	lines := wire.NewReader(conn, wire.MaxRequest)
	role, name := "", ""
	defer func() {
		if role == wire.Controller {
			// The asks end before the next controller can come.
			s.do(ctx, func(c *door.Controller) { c.Gone(door.WhoController, time.Now()) })
		}
		if role != "" {
			s.yield(role)
		}
	}()
	for {
		_ = conn.SetReadDeadline(time.Now().Add(wire.Idle)) // a closed connection shows below
		line, err := lines.Line()
		if err != nil {
			return
		}
		req, err := wire.ParseRequest(line)
		var reply wire.Reply
		switch {
		case err != nil:
			reply = refuse(wire.Bad, wire.Text(err.Error()))
		case role == "":
			reply = s.hello(req)
			if reply.Code == "" {
				role, name = req.Role, req.By
			}
		case role == wire.Controller && hungUp(conn):
			return // a doord that was held up must not unlock for an ask that was given up
		default:
			req.By = name
			reply = s.answer(ctx, role, req)
		}
		_ = conn.SetWriteDeadline(time.Now().Add(writeWait))
		if err := wire.Write(conn, reply); err != nil || role == "" || reply.Code == wire.Bad {
			return
		}
	}
}

// hungUp reports whether the client has closed its end, without reading anything.
func hungUp(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n <= 0 && !errors.Is(err, syscall.EAGAIN)
	})
	return gone || err != nil
}

func refuse(code, text string) wire.Reply { return wire.Reply{Code: code, Text: text} }

func (s *Server) hello(req wire.Request) wire.Reply {
	switch {
	case req.Do != wire.Hello:
		return refuse(wire.Bad, "the first request is hello")
	case req.Version != wire.Version:
		return refuse(wire.Bad, fmt.Sprintf("this doord speaks version %d", wire.Version))
	case req.Role != wire.Controller && req.Role != wire.Collector && req.Role != wire.Operator:
		return refuse(wire.Bad, fmt.Sprintf("no role %q", req.Role))
	case !s.claim(req.Role):
		return refuse(wire.Taken, "another client is the "+req.Role)
	}
	return wire.Reply{Version: wire.Version, Journal: s.Journal.ID()}
}

// answer does one request of a client that has said hello.
func (s *Server) answer(ctx context.Context, role string, req wire.Request) wire.Reply {
	switch req.Do {
	case wire.Beat:
		return wire.Reply{}
	case wire.Status:
		return s.status(ctx)
	case wire.Pulse:
		switch role {
		case wire.Controller:
			return s.pulse(ctx, door.WhoController, req)
		case wire.Operator:
			return s.pulse(ctx, door.WhoOperator, req)
		}
	case wire.Schedule:
		if role == wire.Controller {
			return s.schedule(ctx, req)
		}
	case wire.Hold, wire.Lock, wire.Release:
		if role == wire.Operator {
			return s.order(ctx, req)
		}
	case wire.Events, wire.Ack:
		if role == wire.Collector {
			return s.collect(ctx, req)
		}
	case wire.Sim:
		if role == wire.Operator {
			return s.simulate(ctx, req)
		}
	default:
		return refuse(wire.Bad, fmt.Sprintf("no request %q", req.Do))
	}
	return refuse(wire.NotAllowed, fmt.Sprintf("%s is not for a %s", req.Do, role))
}

func (s *Server) status(ctx context.Context) wire.Reply {
	state := wire.State{Controller: s.taken(wire.Controller), Simulated: s.Sim != nil}
	if !s.do(ctx, func(c *door.Controller) { state.Status = c.Status() }) {
		return ending()
	}
	waiting, fault := s.Journal.State()
	state.Waiting = waiting
	if fault != nil {
		state.Journal = wire.Text(fault.Error())
	}
	if s.Settings != nil {
		if fault := s.Settings.Fault(); fault != nil {
			state.Kept = wire.Text(fault.Error())
		}
	}
	return wire.Reply{Status: &state}
}

func ending() wire.Reply { return refuse(wire.Relay, "doord ends") }

func (s *Server) pulse(ctx context.Context, asker string, req wire.Request) wire.Reply {
	var (
		granted time.Duration
		err     error
	)
	if !s.do(ctx, func(c *door.Controller) {
		granted, err = c.Pulse(door.Grant{Who: asker, By: req.By, Why: req.Why, For: duration(req.ForMs)}, time.Now())
		if err == nil {
			s.obey(c)
			if fault := c.Status().Fault; fault != "" {
				err = fmt.Errorf("%w: %s", door.ErrRelay, fault)
			}
		}
	}) {
		return ending()
	}
	switch {
	case errors.Is(err, door.ErrLockedDown):
		return refuse(wire.LockedDown, err.Error())
	case err != nil:
		return refuse(wire.Relay, wire.Text(err.Error()))
	}
	return wire.Reply{ForMs: granted.Milliseconds()}
}

func duration(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

func (s *Server) schedule(ctx context.Context, req wire.Request) wire.Reply {
	mode := req.Mode
	switch mode {
	case wire.NoMode:
		mode = door.ModeNormal
	case door.ModeLocked, door.ModeUnlocked:
	default:
		return refuse(wire.Bad, fmt.Sprintf("no mode %q of a schedule", mode))
	}
	if !s.do(ctx, func(c *door.Controller) { c.Schedule(mode, duration(req.ForMs), req.Until, req.Why, time.Now()) }) {
		return ending()
	}
	return wire.Reply{}
}

// keepWait is how long an operator waits for the disk that is to keep a lock-down.
const keepWait = time.Second

// order does what a person set. The door obeys at once; the answer waits for the disk, and
// tells where that refuses.
func (s *Server) order(ctx context.Context, req wire.Request) wire.Reply {
	priority := door.Operator
	if req.Emergency {
		priority = door.Emergency
	}
	if !s.do(ctx, func(c *door.Controller) {
		if req.Do == wire.Release {
			c.Release(priority, req.By, req.Why, time.Now())
			return
		}
		mode := door.ModeUnlocked
		if req.Do == wire.Lock {
			mode = door.ModeLocked
		}
		c.Order(door.Order{Priority: priority, Mode: mode, For: duration(req.ForMs), By: req.By, Why: req.Why}, time.Now())
	}) {
		return ending()
	}
	reply := s.status(ctx)
	if s.Settings != nil && reply.Status != nil {
		if err := s.Settings.Wait(ctx, keepWait); err != nil {
			reply.Status.Kept = wire.Text(err.Error())
		}
	}
	return reply
}

func (s *Server) collect(ctx context.Context, req wire.Request) wire.Reply {
	if req.Do == wire.Ack {
		if err := s.Journal.Ack(req.Journal, req.Seq); err != nil {
			return refuse(wire.Bad, wire.Text(err.Error()))
		}
		return wire.Reply{}
	}
	wait := time.NewTimer(time.Duration(req.WaitMs) * time.Millisecond)
	defer wait.Stop()
	for {
		events, more := s.Journal.After(req.Journal, req.Seq, wire.MaxEvents)
		if len(events) > 0 {
			return wire.Reply{Journal: s.Journal.ID(), Events: events}
		}
		select {
		case <-more:
		case <-wait.C:
			return wire.Reply{Journal: s.Journal.ID()}
		case <-ctx.Done():
			return ending()
		}
	}
}

func (s *Server) simulate(ctx context.Context, req wire.Request) wire.Reply {
	if s.Sim == nil {
		return refuse(wire.NotSim, "this door is not simulated")
	}
	if s.Inputs[req.Line] == nil {
		return refuse(wire.Bad, fmt.Sprintf("no line %q", req.Line))
	}
	if req.Level != wire.On && req.Level != wire.Off && req.Level != wire.Toggle {
		return refuse(wire.Bad, fmt.Sprintf("no level %q", req.Level))
	}
	err := s.move(ctx, req.Line, req.Level != wire.Off)
	if req.Level == wire.Toggle && err == nil {
		err = errors.Join(pause(ctx, wire.SimPulse-simSettle), s.move(ctx, req.Line, false))
	}
	if err != nil {
		return refuse(wire.Relay, wire.Text(err.Error()))
	}
	return wire.Reply{}
}

// simSettle is longer than any input's debouncing: the client's next look at the door sees
// what it has done, and its next move is not taken for bounce.
const simSettle = 50 * time.Millisecond

// move drives a simulated input and gives it time to be seen.
func (s *Server) move(ctx context.Context, line string, active bool) error {
	if err := s.Sim.Drive(line, active); err != nil {
		return err
	}
	return pause(ctx, simSettle)
}

// pause waits; the error is that ctx has ended instead.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
