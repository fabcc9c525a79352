// Package litert runs .tflite models through LiteRT's C API, loaded with dlopen.
//
// [Open] loads the library once, [Runtime.Load] turns the bytes of a model into a [Model]
// with its own input and output memory. A caller writes [Model.Input], calls [Model.Run] and
// reads [Model.Output]; none of the three allocates or copies.
//
// A Runtime may be shared between goroutines. A Model belongs to one goroutine at a time; a
// second one inside Run or Close gets [ErrBusy] instead of a data race in C.
//
// The package trusts the library's file, which runs in this process: verify it first. It does
// not trust models: bytes that are no model, a cut one, other shapes than the caller expects
// and outputs that are not finite are errors. It reads no file and keeps no state but the
// loaded library, which stays loaded.
package litert

import (
	"errors"
	"fmt"
	"slices"
)

// A Type is the element type of a tensor.
type Type uint8

// Element types the pipeline's models use.
const (
	Float32 Type = iota + 1
	Uint8
	Int32
	Int64
)

// String is the type's name as in the manifest of package models ("float32").
func (t Type) String() string {
	switch t {
	case Float32:
		return "float32"
	case Uint8:
		return "uint8"
	case Int32:
		return "int32"
	case Int64:
		return "int64"
	default:
		return fmt.Sprintf("type %d", uint8(t))
	}
}

// size is the number of bytes of one element.
func (t Type) size() int {
	switch t {
	case Uint8:
		return 1
	case Int64:
		return 8
	default:
		return 4
	}
}

// A Tensor describes one input or output of a model. A dynamic first dimension is fixed to 1.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int
}

// len is the number of elements.
func (t Tensor) len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// A Spec is what a caller expects of a model: types and shapes in the model's order. Names
// are not compared. A side that is nil is not checked.
type Spec struct {
	Inputs, Outputs []Tensor
}

// Options say how a model runs.
type Options struct {
	Threads int // threads of one Run, the calling one included; 0 means 1
}

// MaxThreads bounds Options.Threads.
const MaxThreads = 64

// Conditions a caller may branch on.
var (
	// ErrNotModel says that the bytes are no model this package can run.
	ErrNotModel = errors.New("not a usable model")
	// ErrMismatch says that the model's tensors are not those of the Spec.
	ErrMismatch = errors.New("model does not match its description")
	// ErrNotFinite says that an output holds a NaN or an infinity. All outputs are zeroed.
	ErrNotFinite = errors.New("output is not finite")
	// ErrBusy says that another goroutine is inside the model, or models of a runtime are open.
	ErrBusy = errors.New("in use")
	// ErrClosed says that the model or the runtime was closed.
	ErrClosed = errors.New("closed")
)

// An Error is a refusal of the library.
type Error struct {
	Call    string // the library's function
	Status  int    // its status code
	Message string // what it reported, possibly empty
}

// Error names the call and the status as the library spells it.
func (e *Error) Error() string {
	s := e.Call + ": " + statusName(e.Status)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// statusName spells a LiteRtStatus, which the library does not export.
func statusName(s int) string {
	names := map[int]string{
		1: "ErrorInvalidArgument", 2: "ErrorMemoryAllocationFailure", 3: "ErrorRuntimeFailure", 4: "ErrorMissingInputTensor",
		5: "ErrorUnsupported", 6: "ErrorNotFound", 7: "ErrorTimeoutExpired", 8: "ErrorWrongVersion", 9: "ErrorUnknown",
		10: "ErrorAlreadyExists", 100: "Cancelled", 500: "ErrorFileIO", 501: "ErrorInvalidFlatbuffer", 502: "ErrorDynamicLoading",
		503: "ErrorSerialization", 504: "ErrorCompilation", 1000: "ErrorIndexOOB", 1001: "ErrorInvalidIrType",
		1002: "ErrorInvalidGraphInvariant", 1003: "ErrorGraphModification", 1500: "ErrorInvalidToolConfig",
		2000: "LegalizeNoMatch", 2001: "ErrorInvalidLegalization", 3000: "PatternNoMatch", 3001: "InvalidTransformation",
		4000: "ErrorUnsupportedRuntimeVersion", 4001: "ErrorUnsupportedCompilerVersion", 4002: "ErrorIncompatibleByteCodeVersion",
		5000: "ErrorUnsupportedOpShapeInferer", 5001: "ErrorShapeInferenceFailed",
	}
	if n, ok := names[s]; ok {
		return "kLiteRtStatus" + n
	}
	return fmt.Sprintf("status %d", s)
}

// check compares one side of a model with what was expected of it.
func check(side string, got, want []Tensor) error {
	if want == nil {
		return nil
	}
	if len(got) != len(want) {
		return fmt.Errorf("%w: %d %ss, want %d", ErrMismatch, len(got), side, len(want))
	}
	for i := range want {
		if got[i].Type != want[i].Type || !slices.Equal(got[i].Shape, want[i].Shape) {
			return fmt.Errorf("%w: %s %d is %v %v, want %v %v", ErrMismatch, side, i, got[i].Type, got[i].Shape, want[i].Type, want[i].Shape)
		}
	}
	return nil
}

// ParseType is the inverse of [Type.String].
func ParseType(name string) (Type, error) {
	for t := Float32; t <= Int64; t++ {
		if t.String() == name {
			return t, nil
		}
	}
	return 0, fmt.Errorf("parse tensor type: unknown type %q", name)
}
