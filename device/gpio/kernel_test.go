package gpio

import (
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// A kernel plays the GPIO chip: one line, at most one holder, and a trace of what the line
// was told, as the kernel's own tracepoints give it.
type kernel struct {
	mu     sync.Mutex
	level  gpio.Level // what the wire shows
	holder *grant
	trace  []string
	gone   bool
	mute   int // this many edges are lost from now on
	last   request
}

// A grant is the line as its holder has it.
type grant struct {
	k      *kernel
	req    request
	seq    uint32
	closed bool
}

func (k *kernel) request(r request) (held, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.gone:
		return nil, &fs.PathError{Op: "lstat", Path: r.line.Chip, Err: unix.ENOENT}
	case k.holder != nil:
		return nil, fmt.Errorf("held by %q: %w", k.holder.req.consumer, unix.EBUSY)
	}
	k.last = r
	k.holder = &grant{k: k, req: r}
	if r.output {
		k.level = r.level
		k.trace = append(k.trace, fmt.Sprintf("request out %v", r.level))
	} else {
		k.trace = append(k.trace, fmt.Sprintf("request in %v %v", r.pull, r.edge))
	}
	return k.holder, nil
}

func (g *grant) Value() (int, error) {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	if g.k.gone {
		return 0, unix.ENODEV
	}
	return value(g.k.level), nil
}

func (g *grant) SetValue(v int) error {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	if g.k.gone {
		return unix.ENODEV
	}
	if l := gpio.Level(v != 0); l != g.k.level {
		g.k.level = l
		g.k.trace = append(g.k.trace, fmt.Sprintf("set %v", l))
	}
	return nil
}

func (g *grant) Close() error {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	g.closed = true
	if g.k.holder == g {
		g.k.holder = nil
		g.k.trace = append(g.k.trace, "release")
	}
	return nil
}

// drive moves the wire from outside.
func (k *kernel) drive(l gpio.Level) {
	k.mu.Lock()
	if l == k.level {
		k.mu.Unlock()
		return
	}
	k.level = l
	g := k.holder
	if g == nil || g.req.output ||
		l == gpio.High && g.req.edge&gpio.RisingEdge == 0 || l == gpio.Low && g.req.edge&gpio.FallingEdge == 0 {
		k.mu.Unlock()
		return
	}
	g.seq++
	e := Event{Level: l, At: time.Now(), Seq: g.seq}
	if k.mute > 0 {
		k.mute--
		k.mu.Unlock()
		return
	}
	k.mu.Unlock()
	g.req.handle(e)
}

func (k *kernel) unplug() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone, k.holder = true, nil
}

func (k *kernel) plug() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone, k.level = false, gpio.Low
}

func (k *kernel) shows() gpio.Level {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.level
}

// told returns the trace and starts a new one.
func (k *kernel) told() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trace
	k.trace = nil
	return t
}

func (k *kernel) pin() *Pin {
	return newPin(Line{Chip: "gpiochip0", Offset: 17}, "test", Debounce, k.request)
}

func expectTrace(t *testing.T, k *kernel, want ...string) {
	t.Helper()
	if got := k.told(); !slices.Equal(got, want) {
		t.Errorf("the kernel was told %q, want %q", got, want)
	}
}
