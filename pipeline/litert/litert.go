// Package litert runs .tflite models through LiteRT's C API, loaded with dlopen.
package litert

// A Type is the element type of a tensor.
type Type uint8

// Element types the pipeline's models use.
const (
	Float32 Type = iota + 1
	Uint8
	Int32
	Int64
)

// A Tensor describes one input or output of a model. A dynamic first dimension is fixed to 1.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int
}

// A Model is one loaded network with its buffers. One goroutine uses it at a time.
type Model struct{ impl }

type impl struct{}

// Inputs and Outputs describe the tensors in the model's order.
func (m *Model) Inputs() []Tensor { return nil }

// Outputs describe what Run computes.
func (m *Model) Outputs() []Tensor { return nil }

// Input is the staging memory of float32 input i, written by the caller before Run.
func (m *Model) Input(i int) []float32 { return nil }

// InputBytes is the same for a uint8 input.
func (m *Model) InputBytes(i int) []byte { return nil }

// Run computes the outputs. An output that holds a NaN or an infinity is ErrNotFinite.
func (m *Model) Run() error { return nil }

// Output is float32 output i, valid until the next Run.
func (m *Model) Output(i int) []float32 { return nil }

// OutputBytes is the same for a uint8 output, OutputInt64 for an int64 one.
func (m *Model) OutputBytes(i int) []byte { return nil }

// OutputInt64 is int64 output i, valid until the next Run.
func (m *Model) OutputInt64(i int) []int64 { return nil }

// Close frees the model. It is safe to call twice.
func (m *Model) Close() error { return nil }
