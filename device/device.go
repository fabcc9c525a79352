// Package device is the vocabulary of the hardware at a door: frames from a camera,
// a relay that holds a lock, wires that are read.
//
// A driver package (v4l2, gpio, replay) implements these interfaces; the pipeline and
// the door see nothing else of the hardware. Every implementation passes the suites of
// device/devicetest, on fakes, on the kernel's simulators and on boards alike.
package device

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Conditions a caller may branch on. Drivers wrap them with the device's name.
var (
	// ErrGone means the device was there and is not any more: unplugged, or its driver unbound.
	// Opening it again later may succeed.
	ErrGone = errors.New("device is gone")
	// ErrInUse means another process holds the device.
	ErrInUse = errors.New("device is in use by another program")
	// ErrNotCamera means the node exists but cannot capture pictures (an output or metadata node).
	ErrNotCamera = errors.New("not a capture device")
	// ErrEnded means a finite recording has been played to its end. A live camera never returns it.
	ErrEnded = errors.New("recording has ended")
)

// A Format is the layout of a frame's bytes.
type Format uint8

// The formats the pipeline reads. Colour is BT.601: of limited range (Y from 16 to 235) in YUYV
// and NV12, of full range in MJPEG. YUYV and NV12 have even widths.
const (
	YUYV  Format = iota + 1 // packed 4:2:2, two pixels in four bytes: Y0 U Y1 V
	NV12                    // a plane of Y, then a half-size plane of interleaved U V
	MJPEG                   // one JPEG picture a frame, possibly padded behind its end marker
	RGB24                   // packed R G B
)

func (f Format) String() string {
	switch f {
	case YUYV:
		return "YUYV"
	case NV12:
		return "NV12"
	case MJPEG:
		return "MJPEG"
	case RGB24:
		return "RGB24"
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// A Mode is what a camera really delivers, as its driver granted it, which may differ
// from what was asked for.
type Mode struct {
	Device        string // for the operator: node, card name
	Width, Height int    // pixels
	Format        Format
	FPS           float64 // frames a second; 0 where the driver does not say
}

// A Frame is one picture on loan. Data belongs to the camera: it is valid until Release
// and must not be written. Whoever holds the frame releases it exactly once.
type Frame struct {
	Seq           uint64    // the camera's count; a gap means frames were lost before they reached us
	At            time.Time // when the frame was taken; carries wall clock and monotonic reading
	Width, Height int       // pixels
	Stride        int       // bytes a row of the first plane; 0 for MJPEG
	Format        Format
	Data          []byte

	release  func()
	released atomic.Bool
}

// Lend prepares f to be handed out: the first Release calls release, which must be safe
// to call from any goroutine. It is for camera drivers.
func (f *Frame) Lend(release func()) {
	f.release = release
	f.released.Store(false)
}

// Release gives the frame's bytes back to the camera. Calls after the first do nothing.
func (f *Frame) Release() {
	if f.released.Swap(true) || f.release == nil {
		return
	}
	f.release()
}

// A Camera is a source of frames.
type Camera interface {
	// Stream opens the camera and hands every frame to fn, in order, until ctx ends (it then
	// returns nil), fn fails (it returns that error), or the camera does: an error wrapping
	// ErrGone, ErrInUse, ErrNotCamera or ErrEnded where one applies. fn owns the frame it is
	// given and may keep it past its return, until Release; a camera has few buffers (four),
	// and drops frames, counting them in Seq, while all are on loan. Stream does not return
	// before every resource it opened is closed. One Stream at a time.
	Stream(ctx context.Context, fn func(*Frame) error) error
	// Mode is what the driver granted. It is zero before the first frame of the first Stream.
	Mode() Mode
}

// A Relay is one output line that drives a lock.
type Relay interface {
	// Set energises the line (true) or drops it (false). It returns after the level is set.
	Set(on bool) error
	// Halt puts the line in the inert state the door was declared to fail to. It is safe to
	// call twice and after an error.
	Halt() error
}

// An Edge is a change of an input line.
type Edge struct {
	Active bool      // the meaning of the line after the edge: pressed, open, on fire
	At     time.Time // when it happened, from the kernel's time stamp where there is one
	Seq    uint32    // counts the line's edges; a gap means edges were lost
}

// An Input is one line that is read: an exit button, a door contact, a fire panel.
type Input interface {
	// Active reports the line's present meaning.
	Active() (bool, error)
	// Watch calls fn for every edge, from one goroutine, until ctx ends (it then returns nil)
	// or the line fails. The level at the start is no edge.
	Watch(ctx context.Context, fn func(Edge)) error
}
