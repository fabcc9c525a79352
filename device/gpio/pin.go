// Package gpio drives a door's lines: a [Relay] and [Input]s on Linux GPIO chips.
//
// [Pin] is the hardware line in the language of periph.io (gpio.PinIO), requested and driven
// by go-gpiocdev. It keeps what a door needs and periph's own Linux driver does not: the
// first Out is the request and carries its level, so the line never shows another; reading
// an output leaves it an output; errors keep their errno; events carry the kernel's time
// stamp and count. A level is electrical here; what it means (active-low boards, normally
// closed contacts) is said to Relay and Input.
//
// A line belongs to one process. Another one's is refused with [device.ErrInUse], a chip
// that has vanished gives [device.ErrGone], after which the same value may be used again once
// the chip is back: the next call requests the line anew.
//
// When a process ends, however it ends, the kernel releases its lines, and what a released
// line shows is the chip driver's business: an external resistor must hold the relay's input
// at the safe side.
package gpio

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/pin"

	"facegate/device"
)

// A Line names one line of a chip: by its number there, or by the name that the board's
// description gives it, which outlives the renumbering of chips.
type Line struct {
	Chip   string // "gpiochip0", a path (a symbolic link is followed), or the chip's label
	Offset int    // counts if Name is empty
	Name   string // the first chip that has it is taken, if Chip is empty or has no such line
}

func (l Line) String() string {
	if l.Name != "" {
		return l.Name
	}
	return l.Chip + ":" + strconv.Itoa(l.Offset)
}

// An Event is an edge as the kernel saw it.
type Event struct {
	Level gpio.Level // after the edge
	At    time.Time  // when it happened
	Seq   uint32     // counts the line's edges since it was requested, from 1; a gap means lost ones
}

// A Pin is one line. It is requested by the first In or Out and held until Close. Its
// methods may be called from any goroutine.
type Pin struct {
	line     Line
	consumer string
	debounce time.Duration
	request  requester

	mu     sync.Mutex
	held   held // nil: not requested
	output bool
	pull   gpio.Pull
	edge   gpio.Edge

	waiting queue
}

var (
	_ gpio.PinIO  = (*Pin)(nil)
	_ pin.PinFunc = (*Pin)(nil)
)

// NewPin returns the line without touching it. Consumer is the name by which the kernel
// tells others who holds it; debounce is how long an input must hold a level before it is
// an edge, 0 for none.
func NewPin(l Line, consumer string, debounce time.Duration) *Pin {
	return newPin(l, consumer, debounce, requestLine)
}

func newPin(l Line, consumer string, debounce time.Duration, r requester) *Pin {
	return &Pin{
		line: l, consumer: consumer, debounce: debounce, request: r,
		waiting: queue{arrived: make(chan struct{}, 1), halted: make(chan struct{})},
	}
}

// String implements conn.Resource: the line's name, or its chip and number.
func (p *Pin) String() string { return p.line.String() }

// Name implements pin.Pin.
func (p *Pin) Name() string { return p.line.String() }

// Number implements pin.Pin: the line's offset on its chip, as far as that was given.
func (p *Pin) Number() int { return p.line.Offset }

// Function implements pin.Pin.
//
// Deprecated: use Func.
func (p *Pin) Function() string { return string(p.Func()) }

// Func implements pin.PinFunc. It reports and never reconfigures.
func (p *Pin) Func() pin.Func {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.held == nil:
		return pin.FuncNone
	case p.output:
		return gpio.OUT
	}
	return gpio.IN
}

// SupportedFuncs implements pin.PinFunc.
func (p *Pin) SupportedFuncs() []pin.Func { return []pin.Func{gpio.IN, gpio.OUT} }

// SetFunc implements pin.PinFunc. It refuses: In and Out say what else is needed.
func (p *Pin) SetFunc(f pin.Func) error {
	return fmt.Errorf("set function of line %s to %s: use In or Out", p.line, f)
}

// Out implements gpio.PinOut. The first call requests the line with level l, so that it
// shows nothing else in between.
func (p *Pin) Out(l gpio.Level) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil && p.output {
		if err := p.held.SetValue(value(l)); err != nil {
			return p.fail("set", err)
		}
		return nil
	}
	p.release()
	h, err := p.request(request{line: p.line, consumer: p.consumer, output: true, level: l})
	if err != nil {
		return p.fail("request", err)
	}
	p.held, p.output = h, true
	return nil
}

// In implements gpio.PinIn. Events that waited for a reader are forgotten.
func (p *Pin) In(pull gpio.Pull, edge gpio.Edge) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release()
	h, err := p.request(request{
		line: p.line, consumer: p.consumer, pull: pull, edge: edge, debounce: p.debounce, handle: p.waiting.put,
	})
	if err != nil {
		return p.fail("request", err)
	}
	p.held, p.output, p.pull, p.edge = h, false, pull, edge
	return nil
}

// release gives the line back, if it is held, and ends whatever waits for it.
func (p *Pin) release() {
	if p.held != nil {
		_ = p.held.Close() // it fails only when closed already
		p.held = nil
	}
	p.waiting.halt(true)
}

// fail says what went wrong with the line, and lets go of one that is gone so that the next
// call can request it again.
func (p *Pin) fail(verb string, err error) error {
	err = fmt.Errorf("%s line %s: %w", verb, p.line, explain(err))
	if errors.Is(err, device.ErrGone) {
		p.release()
	}
	return err
}

// Level is the line's present level, of an input as of an output; it changes neither. A
// line that was not requested by In or Out is an error.
func (p *Pin) Level() (gpio.Level, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		return gpio.Low, fmt.Errorf("read line %s: not requested", p.line)
	}
	v, err := p.held.Value()
	if err != nil {
		return gpio.Low, p.fail("read", err)
	}
	return v != 0, nil
}

// Read implements gpio.PinIn. It cannot tell a low line from one that cannot be read; Level
// can.
func (p *Pin) Read() gpio.Level {
	l, err := p.Level()
	return err == nil && l
}

// WaitForEdge implements gpio.PinIn. A negative timeout is none, 0 asks without waiting.
// It also returns false after Halt, In, Out or Close; WaitForEvent tells the reasons apart.
func (p *Pin) WaitForEdge(timeout time.Duration) bool {
	ctx := context.Background()
	if timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	_, err := p.WaitForEvent(ctx)
	return err == nil
}

// WaitForEvent returns the next edge of an input, one that came before the call included.
// It ends with the context's error, or with another one after Halt, In, Out or Close.
func (p *Pin) WaitForEvent(ctx context.Context) (Event, error) {
	p.mu.Lock()
	ready := p.held != nil && !p.output && p.edge != gpio.NoEdge
	halted := p.waiting.ended()
	p.mu.Unlock()
	if !ready {
		return Event{}, fmt.Errorf("wait for line %s: not an input with edges", p.line)
	}
	e, err := p.waiting.take(ctx, halted)
	if err != nil {
		return Event{}, fmt.Errorf("wait for line %s: %w", p.line, err)
	}
	return e, nil
}

// Pull implements gpio.PinIn.
func (p *Pin) Pull() gpio.Pull {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil || p.output {
		return gpio.PullNoChange
	}
	return p.pull
}

// DefaultPull implements gpio.PinIn. The character device does not tell.
func (p *Pin) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// PWM implements gpio.PinOut. It refuses: a lock is not dimmed.
func (p *Pin) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("pulse line %s: not supported", p.line)
}

// Halt implements conn.Resource. It ends every wait for an edge and leaves the line as it is.
func (p *Pin) Halt() error {
	p.waiting.halt(false)
	return nil
}

// Close gives the line back to the kernel. The Pin can be used again.
func (p *Pin) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release()
	return nil
}

func value(l gpio.Level) int {
	if l {
		return 1
	}
	return 0
}
