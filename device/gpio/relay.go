package gpio

import (
	"errors"
	"fmt"
	"io"

	"periph.io/x/conn/v3/gpio"

	"facegate/device"
)

// RelayOptions says how a relay board is wired.
type RelayOptions struct {
	ActiveLow bool // a low level energises the relay
	Inert     bool // the declared safe state is an energised relay
}

// A Relay is one output line. Its methods may be called from any goroutine if its pin's may.
type Relay struct {
	pin gpio.PinOut
	o   RelayOptions
}

var _ device.Relay = (*Relay)(nil)

// OpenRelay requests the line in its inert state; it never shows another one before Set.
func OpenRelay(l Line, o RelayOptions) (*Relay, error) {
	return NewRelay(NewPin(l, "facegate-relay", 0), o)
}

// NewRelay makes a pin a relay, in its inert state.
func NewRelay(p gpio.PinOut, o RelayOptions) (*Relay, error) {
	r := &Relay{p, o}
	if err := r.Halt(); err != nil {
		return nil, err
	}
	return r, nil
}

// Set implements [device.Relay]. After ErrGone it requests the line again, with the wanted
// level from the start.
func (r *Relay) Set(on bool) error {
	if err := r.pin.Out(gpio.Level(on != r.o.ActiveLow)); err != nil {
		return fmt.Errorf("set relay: %w", err)
	}
	return nil
}

// Halt implements [device.Relay].
func (r *Relay) Halt() error { return r.Set(r.o.Inert) }

// Close puts the relay in its inert state and gives the line back. From then on the level
// is up to the chip's driver and the resistors on the board.
func (r *Relay) Close() error {
	err := r.Halt()
	if c, ok := r.pin.(io.Closer); ok {
		err = errors.Join(err, c.Close())
	}
	return err
}
