package pipeline

import (
	"context"
	"sync"
	"sync/atomic"

	"facegate/device"
)

// A Mailbox hands frames from a camera to the pipeline and holds one at most: a newer frame
// replaces an unread one, which is released and counted. Latency beats completeness.
// One goroutine puts, one takes. The zero value is not usable; see [NewMailbox].
type Mailbox struct {
	mu      sync.Mutex
	frame   *device.Frame
	ready   chan struct{} // holds a token while a frame waits
	dropped atomic.Uint64
}

// NewMailbox returns an empty mailbox.
func NewMailbox() *Mailbox { return &Mailbox{ready: make(chan struct{}, 1)} }

// Put leaves the frame for Take and never blocks. It takes over the frame. The error is
// always nil; it has the form a camera's Stream calls.
func (m *Mailbox) Put(f *device.Frame) error {
	m.mu.Lock()
	old := m.frame
	m.frame = f
	m.mu.Unlock()
	if old != nil {
		old.Release()
		m.dropped.Add(1)
		return nil
	}
	m.ready <- struct{}{}
	return nil
}

// Take waits for a frame, which the caller then releases, or for the end of ctx. A frame
// that is already there is given out even when ctx has ended, so that a recording's last
// frame is seen.
func (m *Mailbox) Take(ctx context.Context) (*device.Frame, error) {
	select {
	case <-m.ready:
	default:
		select {
		case <-m.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.frame
	m.frame = nil
	return f, nil
}

// Dropped is the number of frames replaced unread so far.
func (m *Mailbox) Dropped() uint64 { return m.dropped.Load() }
