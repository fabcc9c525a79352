package litert

// What the tests see of the package's inside.

// Doubler is the probe's model, base64.
const Doubler = doubler

// Finite is the check Run makes.
func Finite(x []float32) bool { return finite(x) }

// Invoke is the library's part of Run alone.
func (m *Model) Invoke() int { return int(m.invoke()) }
