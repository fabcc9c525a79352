package devicetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"facegate/device"
)

// A RelayEdge is one change of a fake relay's line.
type RelayEdge struct {
	On bool
	At time.Time
}

// A Relay is an output line that remembers what it showed.
type Relay struct {
	inert bool

	mu    sync.Mutex
	on    bool
	edges []RelayEdge
	halts int
	fault error
}

var _ device.Relay = (*Relay)(nil)

// NewRelay returns a relay in its inert state, which is energised or not.
func NewRelay(inert bool) *Relay { return &Relay{inert: inert, on: inert} }

// Set implements [device.Relay].
func (r *Relay) Set(on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drive(on)
}

// Halt implements [device.Relay].
func (r *Relay) Halt() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.halts++
	return r.drive(r.inert)
}

func (r *Relay) drive(on bool) error {
	if r.fault != nil {
		return fmt.Errorf("drive relay: %w", r.fault)
	}
	if on != r.on {
		r.on = on
		r.edges = append(r.edges, RelayEdge{on, time.Now()})
	}
	return nil
}

// On is what the line shows.
func (r *Relay) On() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.on
}

// Edges returns every change so far.
func (r *Relay) Edges() []RelayEdge {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]RelayEdge(nil), r.edges...)
}

// Halts is how often Halt was called.
func (r *Relay) Halts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.halts
}

// Break makes every call fail with err and leaves the line as it is, until Break(nil).
func (r *Relay) Break(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = err
}

// An Input is a wire that [Input.Drive] moves.
type Input struct {
	mu      sync.Mutex
	changed chan struct{}
	active  bool
	seq     uint32
	edges   []device.Edge // all of them; a watcher reads on from where it was
	fault   error
}

var _ device.Input = (*Input)(nil)

// NewInput returns a wire at rest.
func NewInput() *Input { return &Input{changed: make(chan struct{})} }

// Drive gives the wire a meaning: pressed, open, on fire. Driving it to what it has is no edge.
func (in *Input) Drive(active bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if active == in.active {
		return
	}
	in.active = active
	in.seq++
	in.edges = append(in.edges, device.Edge{Active: active, At: time.Now(), Seq: in.seq})
	in.wake()
}

// Lose counts an edge that nobody is told of, as a kernel whose queue overflowed does.
func (in *Input) Lose() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.seq++
}

// Break makes every call fail with err, a Watch that runs included, until Break(nil).
func (in *Input) Break(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.fault = err
	in.wake()
}

func (in *Input) wake() {
	close(in.changed)
	in.changed = make(chan struct{})
}

// Active implements [device.Input].
func (in *Input) Active() (bool, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.fault != nil {
		return false, fmt.Errorf("read input: %w", in.fault)
	}
	return in.active, nil
}

// Watch implements [device.Input].
func (in *Input) Watch(ctx context.Context, fn func(device.Edge)) error {
	in.mu.Lock()
	next := len(in.edges)
	in.mu.Unlock()
	for {
		in.mu.Lock()
		edges, changed, fault := in.edges[next:], in.changed, in.fault
		in.mu.Unlock()
		next += len(edges)
		for _, e := range edges {
			if ctx.Err() == nil {
				fn(e)
			}
		}
		if fault != nil {
			return fmt.Errorf("watch input: %w", fault)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
