package litert

// #cgo LDFLAGS: -ldl
// #include <stdlib.h>
// #include "capi.h"
import "C"

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// A Runtime is the loaded library with one environment: CPU kernels only, no log output.
type Runtime struct {
	mu   sync.Mutex // the library's set-up calls are not documented as safe for concurrent use
	api  *C.fg_api
	env  unsafe.Pointer
	open int // models not yet closed
}

// Open loads the LiteRT library at path (libLiteRt.so of this machine's architecture). The
// caller has verified the file: loading runs its code. A file that is no such library, is cut
// short or was built for another machine is an error, and so is one that gives wrong results
// for a tiny model. Close frees the environment.
func Open(path string) (*Runtime, error) {
	if err := checkLibrary(path); err != nil {
		return nil, fmt.Errorf("load runtime %s: %w", path, err)
	}
	r := &Runtime{api: (*C.fg_api)(C.calloc(1, C.sizeof_fg_api))}
	if r.api == nil {
		return nil, errors.New("load runtime: out of memory")
	}
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	var message [512]C.char
	if C.fg_open(cpath, r.api, &message[0], C.size_t(len(message))) == nil {
		C.free(unsafe.Pointer(r.api))
		return nil, fmt.Errorf("load runtime: %s", C.GoString(&message[0]))
	}
	if s := C.fg_environment(r.api, &r.env); s != 0 {
		C.free(unsafe.Pointer(r.api))
		return nil, fmt.Errorf("load runtime: %w", &Error{Call: "LiteRtCreateEnvironment", Status: int(s)})
	}
	if err := quietly(r.probe); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// checkLibrary refuses what the dynamic loader would crash on: it maps segments without
// asking whether the file is long enough for them.
func checkLibrary(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	f, err := elf.Open(path)
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("file is cut short")
		}
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]
	if f.Type != elf.ET_DYN || f.Machine != machine {
		return fmt.Errorf("%v for %v, want a shared library for %v", f.Type, f.Machine, machine)
	}
	for _, p := range f.Progs {
		end := p.Off + p.Filesz
		if end < p.Off || end > uint64(info.Size()) {
			return errors.New("file is cut short")
		}
	}
	return nil
}

// Close frees the environment. While models are open it does nothing and returns ErrBusy.
// It is safe to call twice.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.env == nil {
		return nil
	}
	if r.open > 0 {
		return fmt.Errorf("close runtime: %d models are %w", r.open, ErrBusy)
	}
	C.fg_destroy_environment(r.api, r.env)
	C.free(unsafe.Pointer(r.api))
	r.env, r.api = nil, nil
	return nil
}

// Load makes a model of the bytes of a .tflite file; they are copied. Inputs and outputs are
// compared with want. A model with several signatures runs its first. It has run once, on
// zeros, when Load returns: what can be found out is, and later runs take their usual time.
// It returns an error wrapping ErrNotModel or ErrMismatch when the bytes are at fault.
func (r *Runtime) Load(model []byte, want Spec, opts Options) (*Model, error) {
	if opts.Threads == 0 {
		opts.Threads = 1
	}
	if opts.Threads < 0 || opts.Threads > MaxThreads {
		return nil, fmt.Errorf("load model: %d threads, want 1 to %d", opts.Threads, MaxThreads)
	}
	if err := checkFlatbuffer(model); err != nil {
		return nil, fmt.Errorf("load model: %w: %w", ErrNotModel, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.env == nil {
		return nil, fmt.Errorf("load model: runtime is %w", ErrClosed)
	}
	c := (*C.fg_model)(C.calloc(1, C.sizeof_fg_model))
	if c == nil {
		return nil, errors.New("load model: out of memory")
	}
	m, err := r.load(c, model, want, opts)
	if err != nil {
		closeModel(c, true)
		return nil, fmt.Errorf("load model: %w", err)
	}
	r.open++
	return m, nil
}

// Share returns another Model with the weights of m and tensors of its own, for another
// goroutine: it costs the memory of the tensors only. The Runs of those that share wait for each
// other. Each is closed by itself; the weights are freed with the last. A Model that was closed
// can be shared as long as another that shares with it is open.
func (m *Model) Share() (*Model, error) {
	r := m.rt
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.net.users == 0 {
		return nil, fmt.Errorf("share model: it is %w", ErrClosed)
	}
	c := (*C.fg_model)(C.calloc(1, C.sizeof_fg_model))
	if c == nil {
		return nil, errors.New("share model: out of memory")
	}
	m.net.turn.Lock()
	defer m.net.turn.Unlock()
	var step *C.char
	if s := C.fg_model_share(c, &m.net.origin, r.env, &step); s != 0 {
		err := libraryError(c, step, s)
		closeModel(c, false)
		return nil, fmt.Errorf("share model: %w", err)
	}
	n, err := newModel(r, c, m.inputs, m.outputs)
	if err != nil {
		closeModel(c, false)
		return nil, fmt.Errorf("share model: %w", err)
	}
	n.net = m.net
	n.net.users++
	r.open++
	return n, nil
}

func (r *Runtime) load(c *C.fg_model, model []byte, want Spec, opts Options) (*Model, error) {
	var step *C.char
	if s := C.fg_model_open(c, r.api, r.env, unsafe.Pointer(&model[0]), C.size_t(len(model)), &step); s != 0 {
		return nil, fmt.Errorf("%w: %w", ErrNotModel, libraryError(c, step, s))
	}
	inputs, err := describe("input", cTensors(c.in, c.inputs))
	if err != nil {
		return nil, err
	}
	outputs, err := describe("output", cTensors(c.out, c.outputs))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(check("input", inputs, want.Inputs), check("output", outputs, want.Outputs)); err != nil {
		return nil, err
	}
	threads := C.CString(fmt.Sprintf("num_threads = %d\n", opts.Threads))
	defer C.free(unsafe.Pointer(threads))
	if s := C.fg_model_compile(c, r.env, threads, &step); s != 0 {
		return nil, fmt.Errorf("%w: %w", ErrNotModel, libraryError(c, step, s))
	}
	// The library allocates at the first run, and some broken models fail only there.
	if s := C.fg_model_run(c); s != 0 {
		return nil, fmt.Errorf("%w: %w", ErrNotModel, libraryError(c, C.fg_run_name(), s))
	}
	m, err := newModel(r, c, inputs, outputs)
	if err != nil {
		return nil, err
	}
	m.net = &network{users: 1, origin: *c}
	m.zero()
	return m, nil
}

// describe turns the library's description of tensors into ours.
func describe(side string, tensors []C.fg_tensor) ([]Tensor, error) {
	types := map[C.int32_t]Type{1: Float32, 2: Int32, 3: Uint8, 4: Int64} // LiteRtElementType
	out := make([]Tensor, len(tensors))
	for i := range tensors {
		t := &tensors[i]
		typ, ok := types[t._type.element_type]
		if !ok {
			return nil, fmt.Errorf("%w: %s %d has element type %d", ErrNotModel, side, i, t._type.element_type)
		}
		shape := make([]int, C.fg_rank(t))
		elements := 1
		for d := range shape {
			shape[d] = int(t._type.layout.dims[d])
			if d == 0 && shape[d] < 0 {
				shape[d] = 1
			}
			if shape[d] <= 0 || shape[d] > maxElements/elements {
				return nil, fmt.Errorf("%w: %s %d has the shape %v", ErrNotModel, side, i, shape)
			}
			elements *= shape[d]
		}
		out[i] = Tensor{Name: C.GoString(t.name), Type: typ, Shape: shape}
	}
	return out, nil
}

// maxElements bounds one tensor: 64 Mi elements are far more than a picture needs.
const maxElements = 64 << 20

func cTensors(p *C.fg_tensor, n C.size_t) []C.fg_tensor { return unsafe.Slice(p, int(n)) }

// libraryError is the refusal s of the library call named step.
func libraryError(c *C.fg_model, step *C.char, s C.int) error {
	e := &Error{Call: C.GoString(step), Status: int(s)}
	if text := C.fg_model_errors(c); text != nil {
		e.Message = strings.ReplaceAll(strings.TrimSpace(C.GoString(text)), "\n", "; ")
		C.free(unsafe.Pointer(text))
	}
	return e
}

// closeModel frees a model's tensors, and the weights where it is the last that has them.
func closeModel(c *C.fg_model, last bool) {
	C.fg_model_close(c, C.bool(last))
	C.free(unsafe.Pointer(c))
}
