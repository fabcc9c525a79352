package main

import (
	"errors"
	"fmt"
	"slices"

	periph "periph.io/x/conn/v3/gpio"

	"facegate/device"
	"facegate/device/gpio"
	"facegate/device/sim"
	"facegate/door"
	"facegate/door/server"
	"facegate/internal/config"
)

// wiring is the lines of a door.
type wiring struct {
	relay   device.Relay
	inputs  map[string]device.Input
	sim     server.Sim     // nil for a real door
	closers []func() error // in the order in which they were opened
}

// close gives the lines back, the relay inert. The relay was opened first and is closed
// last.
func (w *wiring) close() error {
	var errs []error
	for _, c := range slices.Backward(w.closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

func open(cfg *config.Door) (*wiring, error) {
	if cfg.Driver == config.DoorSim {
		return openSim(cfg)
	}
	return openGPIO(cfg)
}

// openSim wires every input, whatever line numbers the file has: they are wires of a log.
func openSim(cfg *config.Door) (*wiring, error) {
	board, err := sim.Open(cfg.SimLog, sim.Options{})
	if err != nil {
		return nil, err
	}
	w := &wiring{relay: board.Relay(), sim: board, inputs: make(map[string]device.Input), closers: []func() error{board.Close}}
	for _, line := range []string{door.LineRex, door.LineContact, door.LineFire, door.LineTamper} {
		w.inputs[line] = board.Input(line)
	}
	return w, nil
}

// openGPIO requests the lines that are configured. The exit button closes to ground when it
// is pressed; the others are loops to ground that open when something happens, so that a
// cut wire is noticed. All are pulled up.
func openGPIO(cfg *config.Door) (_ *wiring, err error) {
	w := &wiring{inputs: make(map[string]device.Input)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	// Inert is a relay without current for both kinds of lock: what differs is the lock.
	relay, err := gpio.OpenRelay(gpio.Line{Chip: cfg.Chip, Offset: cfg.Relay}, gpio.RelayOptions{ActiveLow: cfg.ActiveLow})
	if err != nil {
		return nil, fmt.Errorf("open relay: %w", err)
	}
	w.relay, w.closers = relay, append(w.closers, relay.Close)
	for _, l := range []struct {
		name      string
		offset    int
		activeLow bool
	}{
		{door.LineRex, cfg.Rex, true},
		{door.LineContact, cfg.Contact, false},
		{door.LineFire, cfg.Fire, false},
		{door.LineTamper, cfg.Tamper, false},
	} {
		if l.offset < 0 {
			continue
		}
		in, err := gpio.OpenInput(gpio.Line{Chip: cfg.Chip, Offset: l.offset}, gpio.InputOptions{ActiveLow: l.activeLow, Pull: periph.PullUp})
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", l.name, err)
		}
		w.inputs[l.name], w.closers = in, append(w.closers, in.Close)
	}
	return w, nil
}
