// Package sim is a door's wiring without a door: a relay and inputs that exist in a log.
//
// Every edge, of the relay and of the inputs alike, is one JSON line of the log
//
//	{"t_ns":1767225600000000000,"line":"relay","on":true,"why":"grant 17"}
//
// where t_ns is the wall clock in nanoseconds since 1970 and on is the electrical state:
// an energised relay, an active input. A line is written with one append, so a reader never
// sees half of one. A relay that is set to what it shows leaves no line.
//
// A simulated line has no kernel that drops it when its owner dies. Opening a log that ends
// with an energised relay therefore first records that it has dropped.
//
// Methods may be called from any goroutine.
package sim

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"facegate/device"
)

// Options describes the board.
type Options struct {
	Inert bool // the relay's inert state is energised
}

// A Board is the simulated wiring of one door.
type Board struct {
	inert bool

	mu      sync.Mutex
	log     *os.File // nil: edges are not recorded
	on      bool
	why     string
	fault   error
	inputs  map[string]*input
	changed chan struct{} // closed and replaced when an input moves or breaks
}

// A line is one line of the log.
type line struct {
	Time int64  `json:"t_ns"`
	Line string `json:"line"`
	On   bool   `json:"on"`
	Why  string `json:"why"`
}

const relay = "relay"

// Open makes a board whose edges are appended to logPath; with an empty path they are not
// recorded.
func Open(logPath string, o Options) (*Board, error) {
	b := &Board{inert: o.Inert, on: o.Inert, inputs: map[string]*input{}, changed: make(chan struct{})}
	if logPath == "" {
		return b, nil
	}
	f, err := os.OpenFile(logPath, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open simulated board: %w", err)
	}
	b.log = f
	if err := b.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open simulated board: %w", err), f.Close())
	}
	return b, nil
}

// recover brings the log to what the relay shows now. A last line that was not written to
// its end is closed, so that the next one stands alone.
func (b *Board) recover() error {
	r := bufio.NewReader(b.log)
	on, last := b.inert, byte('\n')
	for {
		text, err := r.ReadSlice('\n')
		if len(text) > 0 {
			last = text[len(text)-1]
		}
		var l line
		if json.Unmarshal(bytes.TrimSpace(text), &l) == nil && l.Line == relay {
			on = l.On
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	if last != '\n' {
		if _, err := b.log.WriteString("\n"); err != nil {
			return err
		}
	}
	if on != b.inert {
		return b.record(relay, b.inert, "left by an earlier run")
	}
	return nil
}

// record appends one line. The caller holds the lock, or is alone.
func (b *Board) record(name string, on bool, why string) error {
	if b.log == nil {
		return nil
	}
	text, err := json.Marshal(line{time.Now().UnixNano(), name, on, why})
	if err != nil {
		return err
	}
	_, err = b.log.Write(append(text, '\n'))
	return err
}

// Why says what the next edge of the relay is for. It is forgotten after that edge.
func (b *Board) Why(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = why
}

// Drive gives an input a meaning, as a finger or a door would. Driving it to what it has is
// no edge.
func (b *Board) Drive(name string, active bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	in := b.input(name)
	if in.active == active {
		return nil
	}
	in.active = active
	in.edges = append(in.edges, device.Edge{Active: active, At: time.Now(), Seq: in.first + uint32(len(in.edges)) + 1})
	if over := len(in.edges) - maxEdges; over > 0 { // nobody has watched for a long time
		in.edges = slices.Delete(in.edges, 0, over)
		in.first += uint32(over)
	}
	b.wake()
	if err := b.record(name, active, "driven"); err != nil {
		return fmt.Errorf("drive simulated %s: %w", name, err)
	}
	return nil
}

// Break makes the relay and every input fail with err, until Break(nil). The relay stays
// as it is meanwhile.
func (b *Board) Break(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = err
	b.wake()
}

func (b *Board) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Close puts the relay in its inert state and closes the log.
func (b *Board) Close() error {
	err := b.set(b.inert)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.log != nil {
		err = errors.Join(err, b.log.Close())
		b.log = nil
	}
	return err
}

// Relay is the board's output line.
func (b *Board) Relay() device.Relay { return (*output)(b) }

// set moves the relay and records the edge. A relay whose edge cannot be recorded moves
// all the same: a full disk does not hold a real one either.
func (b *Board) set(on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault != nil {
		return fmt.Errorf("set simulated relay: %w", b.fault)
	}
	if on == b.on {
		return nil
	}
	b.on = on
	why := b.why
	b.why = ""
	if err := b.record(relay, on, why); err != nil {
		return fmt.Errorf("record simulated relay: %w", err)
	}
	return nil
}

// An output is the board seen as its relay.
type output Board

// Set implements [device.Relay].
func (o *output) Set(on bool) error { return (*Board)(o).set(on) }

// Halt implements [device.Relay].
func (o *output) Halt() error { return o.Set(o.inert) }

// maxEdges bounds what is kept for watchers that are behind.
const maxEdges = 256

// An input is one simulated wire. Its fields belong to the board's lock.
type input struct {
	b      *Board
	name   string
	active bool
	edges  []device.Edge // the newest
	first  uint32        // edges before those
}

// Input is the wire of the given name, at rest until it is driven.
func (b *Board) Input(name string) device.Input {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.input(name)
}

func (b *Board) input(name string) *input {
	in := b.inputs[name]
	if in == nil {
		in = &input{b: b, name: name}
		b.inputs[name] = in
	}
	return in
}

// Active implements [device.Input].
func (in *input) Active() (bool, error) {
	in.b.mu.Lock()
	defer in.b.mu.Unlock()
	if in.b.fault != nil {
		return false, fmt.Errorf("read simulated %s: %w", in.name, in.b.fault)
	}
	return in.active, nil
}

// Watch implements [device.Input].
func (in *input) Watch(ctx context.Context, fn func(device.Edge)) error {
	in.b.mu.Lock()
	next := in.first + uint32(len(in.edges))
	in.b.mu.Unlock()
	for {
		in.b.mu.Lock()
		next = max(next, in.first) // the gap shows in Seq
		edges := slices.Clone(in.edges[next-in.first:])
		changed, fault := in.b.changed, in.b.fault
		in.b.mu.Unlock()
		next += uint32(len(edges))
		for _, e := range edges {
			if ctx.Err() == nil {
				fn(e)
			}
		}
		if fault != nil {
			return fmt.Errorf("watch simulated %s: %w", in.name, fault)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
