package litert

// #include "capi.h"
import "C"

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// A network is the compiled code and weights that Models share.
type network struct {
	turn   sync.Mutex // held while one of them runs
	users  int        // Models that are open; the runtime's lock guards it
	origin C.fg_model // of the first; only what all share is used of it
}

// A Model is one loaded network with its buffers. One goroutine uses it at a time.
type Model struct {
	rt              *Runtime
	net             *network
	c               *C.fg_model
	inputs, outputs []Tensor
	in, out         []memory
	busy            atomic.Bool
	spent           atomic.Int64 // nanoseconds inside the library
	alarm           runtime.Cleanup
}

// memory is one tensor's memory, owned by the library, as slices of its element type; those
// of other types are nil.
type memory struct {
	bytes  []byte // the whole, whatever the type
	float  []float32
	uint8  []byte
	int64s []int64
	int32s []int32
}

func newModel(r *Runtime, c *C.fg_model, inputs, outputs []Tensor) (*Model, error) {
	m := &Model{rt: r, c: c, inputs: inputs, outputs: outputs}
	var err error
	if m.in, err = views(inputs, cTensors(c.in, c.inputs)); err != nil {
		return nil, err
	}
	if m.out, err = views(outputs, cTensors(c.out, c.outputs)); err != nil {
		return nil, err
	}
	// A cleanup has no caller to give it a logger.
	m.alarm = runtime.AddCleanup(m, func(name string) {
		slog.Error("model was not closed", "input", name)
	}, inputs[0].Name)
	return m, nil
}

// views maps the library's buffers. A buffer smaller than its tensor is the library's fault
// and must not become a slice.
func views(tensors []Tensor, c []C.fg_tensor) ([]memory, error) {
	out := make([]memory, len(tensors))
	for i, t := range tensors {
		n, p := t.len(), c[i].memory
		if p == nil || uint64(c[i].size) < uint64(n*t.Type.size()) {
			return nil, fmt.Errorf("%w: buffer of %q has %d bytes, want %d", ErrNotModel, t.Name, c[i].size, n*t.Type.size())
		}
		v := &out[i]
		v.bytes = unsafe.Slice((*byte)(p), n*t.Type.size())
		switch t.Type {
		case Float32:
			v.float = unsafe.Slice((*float32)(p), n)
		case Uint8:
			v.uint8 = v.bytes
		case Int64:
			v.int64s = unsafe.Slice((*int64)(p), n)
		case Int32:
			v.int32s = unsafe.Slice((*int32)(p), n)
		}
	}
	return out, nil
}

// Inputs describe the tensors Run reads, in the model's order.
func (m *Model) Inputs() []Tensor { return m.inputs }

// Outputs describe what Run computes.
func (m *Model) Outputs() []Tensor { return m.outputs }

// Input is the memory of float32 input i in row-major order, written by the caller before
// Run and unchanged by it. It is the library's own memory: do not touch it after Close.
// It is nil when input i has another type.
func (m *Model) Input(i int) []float32 { return m.in[i].float }

// InputBytes is the same for a uint8 input.
func (m *Model) InputBytes(i int) []byte { return m.in[i].uint8 }

// Run computes the outputs. An output that holds a NaN or an infinity is ErrNotFinite; after
// that, and after any other error, all outputs are zero. Run allocates nothing.
func (m *Model) Run() error {
	if !m.busy.CompareAndSwap(false, true) {
		return fmt.Errorf("run model: %w", ErrBusy)
	}
	defer m.busy.Store(false)
	if m.c == nil {
		return fmt.Errorf("run model: %w", ErrClosed)
	}
	m.net.turn.Lock()
	began := time.Now()
	s := m.invoke()
	m.spent.Add(int64(time.Since(began)))
	var err error
	if s != 0 {
		err = libraryError(m.c, C.fg_run_name(), s)
	}
	m.net.turn.Unlock()
	if err != nil {
		m.zero()
		return fmt.Errorf("run model: %w", err)
	}
	for i := range m.out {
		if !finite(m.out[i].float) {
			m.zero()
			return fmt.Errorf("run model: output %q: %w", m.outputs[i].Name, ErrNotFinite)
		}
	}
	return nil
}

// Busy is how long the library has computed in all Runs so far: what of a caller's time is
// inference. It may be called at any time, from any goroutine.
func (m *Model) Busy() time.Duration { return time.Duration(m.spent.Load()) }

// invoke is the library's part of Run.
func (m *Model) invoke() C.int { return C.fg_model_run(m.c) }

// zero clears the outputs, so that no score of an earlier or a broken run can be read.
func (m *Model) zero() {
	for i := range m.out {
		clear(m.out[i].bytes)
	}
}

// Output is float32 output i in row-major order, valid until the next Run or Close. It is
// nil when output i has another type.
func (m *Model) Output(i int) []float32 { return m.out[i].float }

// OutputBytes is the same for a uint8 output.
func (m *Model) OutputBytes(i int) []byte { return m.out[i].uint8 }

// OutputInt64 is the same for an int64 output.
func (m *Model) OutputInt64(i int) []int64 { return m.out[i].int64s }

// Close frees the model and its memory. It is safe to call twice. While another goroutine is
// inside Run it frees nothing and returns ErrBusy.
func (m *Model) Close() error {
	if !m.busy.CompareAndSwap(false, true) {
		return fmt.Errorf("close model: %w", ErrBusy)
	}
	defer m.busy.Store(false)
	if m.c == nil {
		return nil
	}
	m.rt.mu.Lock()
	defer m.rt.mu.Unlock()
	m.net.users--
	m.net.turn.Lock() // nobody is inside the network while tensors of it are freed
	closeModel(m.c, m.net.users == 0)
	m.net.turn.Unlock()
	m.c = nil
	for i := range m.in {
		m.in[i] = memory{}
	}
	for i := range m.out {
		m.out[i] = memory{}
	}
	m.rt.open--
	m.alarm.Stop()
	return nil
}
