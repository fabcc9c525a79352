package litert

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// doubler is a model of one operator, y = x + x for float32 of the shape 1x4, made with the
// public TensorFlow Lite schema.
const doubler = "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAYAAAA6AAAAAMAAAABAAAABAAAACD///8BAAAAEAAAAAwAFAAQAAwACAAEAAwAAAAQAAAA" +
	"UAAAAFQAAABYAAAAAQAAABQAAAAAAA4AFAAAABAADAALAAQADgAAABAAAAAAAAALDAAAABAAAAB4////AQAAAAEAAAACAAAAAAAAAAAAAAABAAAAAQAA" +
	"AAEAAAAAAAAAAgAAADQAAAAEAAAA4P///wgAAAAMAAAAAQAAAHkAAAACAAAAAQAAAAQAAAAMAAwACAAAAAAABAAMAAAACAAAAAwAAAABAAAAeAAAAAIA" +
	"AAABAAAABAAAAAEAAAAIAAAABAAEAAQAAAA="

// probe runs the doubler: a library that loads but whose structures or kernels differ from
// what this package knows is found out before it judges a face.
func (r *Runtime) probe() error {
	model, err := base64.StdEncoding.DecodeString(doubler)
	if err != nil {
		return fmt.Errorf("probe runtime: %w", err)
	}
	shape := []Tensor{{Type: Float32, Shape: []int{1, 4}}}
	m, err := r.Load(model, Spec{Inputs: shape, Outputs: shape}, Options{})
	if err != nil {
		return fmt.Errorf("probe runtime: %w", err)
	}
	copy(m.Input(0), []float32{0, 1, -2, 0.25})
	err = m.Run()
	if err == nil && !slices.Equal(m.Output(0), []float32{0, 2, -4, 0.5}) {
		err = fmt.Errorf("it computes %v", m.Output(0))
	}
	if cerr := m.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("probe runtime: %w", err)
	}
	return nil
}

// quietly calls f while stderr goes to memory and passes on what was written afterwards, but
// for one line: the library announces its CPU delegate once a process, through a logger that
// no option reaches. Only the probe runs inside, so that the words of a crash in a real
// model are not caught, and no child process is started meanwhile.
func quietly(f func() error) error {
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	memory, err := unix.MemfdCreate("stderr", unix.MFD_CLOEXEC)
	if err != nil {
		return f() // a kernel without memfd: noise is no reason to fail
	}
	defer unix.Close(memory) //nolint:errcheck // memory only
	saved, err := unix.FcntlInt(uintptr(unix.Stderr), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return f() // no stderr: nothing to silence
	}
	defer unix.Close(saved) //nolint:errcheck // a duplicate
	if err := unix.Dup3(memory, unix.Stderr, 0); err != nil {
		return f()
	}
	ferr := f()
	if err := unix.Dup3(saved, unix.Stderr, 0); err != nil {
		return fmt.Errorf("restore stderr: %w", err)
	}
	written := make([]byte, 64<<10)
	n, err := unix.Pread(memory, written, 0)
	if err != nil {
		return ferr
	}
	for line := range bytes.Lines(written[:n]) {
		if !strings.HasPrefix(string(line), "INFO: Created TensorFlow Lite XNNPACK delegate") {
			_, _ = os.Stderr.Write(line) // stderr is the last resort already
		}
	}
	return ferr
}
