package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"

	"facegate/device"
)

// Debounce is how long a level must hold before the kernel reports it, for wires with a
// mechanical contact at their end.
const Debounce = 10 * time.Millisecond

// InputOptions says how a wire is connected.
type InputOptions struct {
	ActiveLow bool      // a low level means active: a button to ground, a normally closed contact
	Pull      gpio.Pull // the chip's resistor; PullNoChange leaves it as it is
}

// An Input is one wire that is read.
type Input struct {
	pin *Pin
	o   InputOptions

	mu   sync.Mutex
	open bool // the line has been requested
}

var _ device.Input = (*Input)(nil)

// OpenInput requests the line as an input, debounced by the kernel.
func OpenInput(l Line, o InputOptions) (*Input, error) {
	return newInput(NewPin(l, "facegate-input", Debounce), o)
}

func newInput(p *Pin, o InputOptions) (*Input, error) {
	in := &Input{pin: p, o: o}
	if err := in.reopen(); err != nil {
		return nil, err
	}
	return in, nil
}

// reopen requests the line unless it is held.
func (in *Input) reopen() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.open {
		return nil
	}
	if err := in.pin.In(in.o.Pull, gpio.BothEdges); err != nil {
		return fmt.Errorf("open input: %w", err)
	}
	in.open = true
	return nil
}

// lost notes that the line must be requested again.
func (in *Input) lost(err error) error {
	if errors.Is(err, device.ErrGone) {
		in.mu.Lock()
		in.open = false
		in.mu.Unlock()
	}
	return err
}

// Active implements [device.Input].
func (in *Input) Active() (bool, error) {
	if err := in.reopen(); err != nil {
		return false, err
	}
	l, err := in.pin.Level()
	if err != nil {
		return false, in.lost(err)
	}
	return in.meaning(l), nil
}

func (in *Input) meaning(l gpio.Level) bool { return bool(l) != in.o.ActiveLow }

// Close gives the line back. A Watch that runs ends with an error.
func (in *Input) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.open = false
	return in.pin.Close()
}

// How often the level is read while nothing happens, to notice a chip that has vanished
// without a word, and how soon after an edge or a doubt.
const (
	calm  = time.Second
	alert = 20 * time.Millisecond
)

// Watch implements [device.Input]. After the edges the level is read: a line that has moved
// although no edge was reported, because the kernel's queue overflowed, is reported as an
// edge with the present time. A vanished chip ends the watch within about a second.
func (in *Input) Watch(ctx context.Context, fn func(device.Edge)) error {
	if err := in.reopen(); err != nil {
		return err
	}
	in.pin.waiting.forget()
	state, err := in.Active()
	if err != nil {
		return err
	}
	var (
		seq, last uint32 // our count, the kernel's
		first     = true // no edge has come, so last says nothing
		doubt     bool   // the level differs from what was reported
		wait      = calm
	)
	for {
		next, cancel := context.WithTimeout(ctx, wait)
		e, err := in.pin.WaitForEvent(next)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end of the watch, as asked for
		case err == nil:
			doubt, wait = false, alert
			active := in.meaning(e.Level)
			if active == state && (first || e.Seq-last <= 1) { // the level told us before the edge did
				first, last = false, e.Seq
				continue
			}
			if first {
				last = e.Seq - 1
			}
			seq += e.Seq - last
			first = false
			last, state = e.Seq, active
			fn(device.Edge{Active: active, At: e.At, Seq: seq})
		case errors.Is(err, context.DeadlineExceeded):
			active, err := in.Active()
			if err != nil {
				return err
			}
			switch {
			case active == state:
				doubt, wait = false, calm
			case !doubt: // the edge may be on its way to us
				doubt, wait = true, alert
			default:
				doubt, wait = false, calm
				state = active
				seq, last = seq+1, last+1
				fn(device.Edge{Active: active, At: time.Now(), Seq: seq})
			}
		default:
			return in.lost(err)
		}
	}
}
