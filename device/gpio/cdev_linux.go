package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	gpiocdev "github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"facegate/device"
)

// A held line is one that the kernel has granted.
type held interface {
	Value() (int, error)
	SetValue(value int) error
	Close() error
}

// A request is what the kernel is asked for.
type request struct {
	line     Line
	consumer string
	output   bool
	level    gpio.Level // of an output, from the start

	pull     gpio.Pull // of an input
	edge     gpio.Edge
	debounce time.Duration
	handle   func(Event) // called for every edge, from one goroutine; it must not wait
}

// A requester grants lines: the kernel, or what plays it in tests.
type requester func(request) (held, error)

// requestLine asks the kernel.
func requestLine(r request) (held, error) {
	chip, offset, err := resolve(r.line)
	if err != nil {
		return nil, err
	}
	options := []gpiocdev.LineReqOption{gpiocdev.WithConsumer(r.consumer)}
	if r.output {
		options = append(options, gpiocdev.AsOutput(value(r.level)))
	} else {
		options = append(options, gpiocdev.AsInput)
		switch r.pull {
		case gpio.PullUp:
			options = append(options, gpiocdev.WithPullUp)
		case gpio.PullDown:
			options = append(options, gpiocdev.WithPullDown)
		case gpio.Float:
			options = append(options, gpiocdev.WithBiasDisabled)
		case gpio.PullNoChange:
			options = append(options, gpiocdev.WithBiasAsIs)
		default:
			return nil, fmt.Errorf("no such pull: %d", r.pull)
		}
		if r.debounce > 0 {
			options = append(options, gpiocdev.WithDebounce(r.debounce))
		}
		if r.edge != gpio.NoEdge {
			edges, err := edgeOption(r.edge)
			if err != nil {
				return nil, err
			}
			options = append(options, edges, gpiocdev.WithEventHandler(func(e gpiocdev.LineEvent) {
				r.handle(Event{
					Level: e.Type == gpiocdev.LineEventRisingEdge,
					At:    since(e.Timestamp),
					Seq:   e.LineSeqno,
				})
			}))
		}
	}
	l, err := gpiocdev.RequestLine(chip, offset, options...)
	if err != nil {
		if errors.Is(err, unix.EBUSY) {
			err = inUse(chip, offset, err)
		}
		return nil, err
	}
	return l, nil
}

func edgeOption(e gpio.Edge) (gpiocdev.LineEdge, error) {
	switch e {
	case gpio.RisingEdge:
		return gpiocdev.LineEdgeRising, nil
	case gpio.FallingEdge:
		return gpiocdev.LineEdgeFalling, nil
	case gpio.BothEdges:
		return gpiocdev.LineEdgeBoth, nil
	case gpio.NoEdge:
	}
	return 0, fmt.Errorf("no such edge: %d", e)
}

// since turns the kernel's monotonic time stamp into a time with both readings.
func since(stamp time.Duration) time.Time {
	var ts unix.Timespec
	now := time.Now()
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return now
	}
	return now.Add(min(0, stamp-time.Duration(ts.Nano())))
}

// resolve finds where a line is now. A name that no chip has, and a chip that is not there,
// are errors wrapping fs.ErrNotExist.
func resolve(l Line) (chip string, offset int, err error) {
	if l.Chip != "" {
		if chip, err = chipPath(l.Chip); err == nil && l.Name == "" {
			return chip, l.Offset, nil
		}
	}
	if l.Name == "" {
		if err == nil {
			err = errors.New("neither a chip nor a name is given")
		}
		return "", 0, err
	}
	chips := gpiocdev.Chips()
	if chip != "" {
		chips = append([]string{chip}, chips...)
	}
	for _, name := range chips {
		c, err := gpiocdev.NewChip(name)
		if err != nil {
			continue // it has vanished this moment, or belongs to others
		}
		offset, err := c.FindLine(l.Name)
		_ = c.Close() // it was only read
		if err == nil {
			return name, offset, nil
		}
	}
	return "", 0, fmt.Errorf("no chip has a line named %q: %w", l.Name, fs.ErrNotExist)
}

// chipPath names a chip's own device node, which go-gpiocdev wants: it refuses a link.
func chipPath(chip string) (string, error) {
	path := chip
	if !strings.HasPrefix(path, "/") {
		path = "/dev/" + chip
	}
	node, err := filepath.EvalSymlinks(path)
	if err == nil || strings.HasPrefix(chip, "/") {
		return node, err
	}
	for _, name := range gpiocdev.Chips() {
		if c, e := gpiocdev.NewChip(name); e == nil {
			label := c.Label
			_ = c.Close() // it was only read
			if label == chip {
				return "/dev/" + name, nil
			}
		}
	}
	return "", err
}

// inUse says who holds a line, as far as the kernel tells.
func inUse(chip string, offset int, err error) error {
	c, e := gpiocdev.NewChip(chip)
	if e != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it was only read
	info, e := c.LineInfo(offset)
	if e != nil || info.Consumer == "" {
		return err
	}
	return fmt.Errorf("held by %q: %w", info.Consumer, err)
}

// explain gives the kernel's errors the meaning that device has for them.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%w: %w (stop the other program, or a kernel overlay that claims the line)", device.ErrInUse, err)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", device.ErrGone, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w (the user must belong to the group that owns the chip, often gpio)", err)
	}
	return err
}

// ParseLine reads the configuration's way to name a line: a number, which counts on the
// given chip, or a name. It does not look for the line.
func ParseLine(chip, line string) (Line, error) {
	n, err := strconv.Atoi(line)
	switch {
	case err != nil && line != "":
		return Line{Chip: chip, Name: line}, nil
	case err != nil || n < 0 || chip == "":
		return Line{}, fmt.Errorf("line %q: want a name, or a number from 0 and its chip", line)
	}
	return Line{Chip: chip, Offset: n}, nil
}
