// Package uapi is the part of the Video4Linux2 interface that blackjack/webcam does not
// offer: what a node really is, the format really set, and streaming with errno, buffer
// flags, sequence numbers and time stamps, without leaking a mapping when a step fails.
//
// Functions take a file descriptor and return the kernel's errno as it is. Layouts follow
// linux/videodev2.h.
package uapi

import (
	"bytes"
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capability bits of struct v4l2_capability.
const (
	capVideoCapture       = 0x00000001
	capVideoCaptureMplane = 0x00001000
	capStreaming          = 0x04000000
	capDeviceCaps         = 0x80000000
)

const (
	bufTypeCapture = 1
	memoryMMAP     = 1

	flagError         = 0x00000040
	flagClockMask     = 0x0000e000
	flagClockMonotone = 0x00002000
)

type capability struct {
	driver       [16]byte
	card         [32]byte
	busInfo      [32]byte
	version      uint32
	capabilities uint32
	deviceCaps   uint32
	reserved     [3]uint32
}

type pixFormat struct {
	width        uint32
	height       uint32
	pixelFormat  uint32
	field        uint32
	bytesPerLine uint32
	sizeImage    uint32
	colorspace   uint32
	priv         uint32
	flags        uint32
	encoding     uint32
	quantization uint32
	transfer     uint32
}

// A format is struct v4l2_format, whose union is aligned like a pointer.
type format struct {
	kind uint32
	_    [0]uintptr
	pix  pixFormat
	_    [200 - unsafe.Sizeof(pixFormat{})]byte
}

type requestBuffers struct {
	count        uint32
	kind         uint32
	memory       uint32
	capabilities uint32
	flags        uint32
}

type buffer struct {
	index     uint32
	kind      uint32
	bytesUsed uint32
	flags     uint32
	field     uint32
	timestamp unix.Timeval
	timecode  [16]byte
	sequence  uint32
	memory    uint32
	offset    uintptr // a union; an offset is its first four bytes
	length    uint32
	reserved  uint32
	request   uint32
}

// The request numbers, composed as by the macros _IOR, _IOW and _IOWR of asm-generic.
const (
	read  = 2 << 30
	write = 1 << 30

	querycap  = read | unsafe.Sizeof(capability{})<<16 | 'V'<<8
	gFmt      = read | write | unsafe.Sizeof(format{})<<16 | 'V'<<8 | 4
	reqbufs   = read | write | unsafe.Sizeof(requestBuffers{})<<16 | 'V'<<8 | 8
	querybuf  = read | write | unsafe.Sizeof(buffer{})<<16 | 'V'<<8 | 9
	qbuf      = read | write | unsafe.Sizeof(buffer{})<<16 | 'V'<<8 | 15
	dqbuf     = read | write | unsafe.Sizeof(buffer{})<<16 | 'V'<<8 | 17
	streamon  = write | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 18
	streamoff = write | unsafe.Sizeof(int32(0))<<16 | 'V'<<8 | 19
)

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		switch e {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return e
		}
	}
}

// Node is what a video node says of itself.
type Node struct {
	Driver, Card, Bus string
	Capture           bool // it streams pictures of one plane to us
	Planar            bool // it captures, but only in the multi-planar way
}

// Query asks a node what it is. The capabilities are those of the node, not of the whole
// device, whose other nodes may be outputs or metadata.
func Query(fd int) (Node, error) {
	var c capability
	if err := ioctl(fd, querycap, unsafe.Pointer(&c)); err != nil {
		return Node{}, err
	}
	caps := c.capabilities
	if caps&capDeviceCaps != 0 {
		caps = c.deviceCaps
	}
	streams := caps&capStreaming != 0
	return Node{
		Driver:  text(c.driver[:]),
		Card:    text(c.card[:]),
		Bus:     text(c.busInfo[:]),
		Capture: streams && caps&capVideoCapture != 0,
		Planar:  streams && caps&capVideoCapture == 0 && caps&capVideoCaptureMplane != 0,
	}, nil
}

func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

// A Format is how a capture node's frames are laid out.
type Format struct {
	Width, Height int
	FourCC        uint32
	Stride        int // bytes a row; 0 for compressed formats
	Size          int // bytes of the largest frame
}

// GetFormat reads the format that is set, whatever was asked for.
func GetFormat(fd int) (Format, error) {
	f := format{kind: bufTypeCapture}
	if err := ioctl(fd, gFmt, unsafe.Pointer(&f)); err != nil {
		return Format{}, err
	}
	return Format{
		Width: int(f.pix.width), Height: int(f.pix.height), FourCC: f.pix.pixelFormat,
		Stride: int(f.pix.bytesPerLine), Size: int(f.pix.sizeImage),
	}, nil
}

// A Stream is a node that captures into mapped buffers. It is not safe for concurrent use.
type Stream struct {
	fd      int
	buffers [][]byte
}

// Start maps count buffers (the driver may give another number), queues them and begins to
// capture. If a step fails, what came before is undone.
func Start(fd, count int) (_ *Stream, err error) {
	s := &Stream{fd: fd}
	r := requestBuffers{count: uint32(count), kind: bufTypeCapture, memory: memoryMMAP}
	if err := ioctl(fd, reqbufs, unsafe.Pointer(&r)); err != nil {
		return nil, err
	}
	defer func() {
		if err == nil {
			return
		}
		if e := s.free(); e != nil {
			err = errors.Join(err, e)
		}
	}()
	for i := range r.count {
		b := buffer{index: i, kind: bufTypeCapture, memory: memoryMMAP}
		if err := ioctl(fd, querybuf, unsafe.Pointer(&b)); err != nil {
			return nil, err
		}
		m, err := unix.Mmap(fd, int64(uint32(b.offset)), int(b.length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, err
		}
		s.buffers = append(s.buffers, m)
		if err := s.Enqueue(int(i)); err != nil {
			return nil, err
		}
	}
	kind := int32(bufTypeCapture)
	if err := ioctl(fd, streamon, unsafe.Pointer(&kind)); err != nil {
		return nil, err
	}
	return s, nil
}

// A Buffer is one that the driver has filled.
type Buffer struct {
	Index    int
	Data     []byte // valid until Enqueue or Stop
	Damaged  bool   // the driver knows that the picture is not whole
	Sequence uint32
	Stamp    time.Duration // on CLOCK_MONOTONIC; 0 if the driver uses another clock
}

// Dequeue takes a filled buffer. EAGAIN means there is none yet if the node was opened
// non-blocking; ENODEV that the device is gone.
func (s *Stream) Dequeue() (Buffer, error) {
	b := buffer{kind: bufTypeCapture, memory: memoryMMAP}
	if err := ioctl(s.fd, dqbuf, unsafe.Pointer(&b)); err != nil {
		return Buffer{}, err
	}
	if int(b.index) >= len(s.buffers) || int(b.bytesUsed) > len(s.buffers[b.index]) {
		return Buffer{}, unix.EPROTO // a broken driver; nothing outside the mapping is touched
	}
	out := Buffer{
		Index:    int(b.index),
		Data:     s.buffers[b.index][:b.bytesUsed],
		Damaged:  b.flags&flagError != 0,
		Sequence: b.sequence,
	}
	if b.flags&flagClockMask == flagClockMonotone {
		out.Stamp = time.Duration(b.timestamp.Nano())
	}
	return out, nil
}

// Enqueue gives a buffer back to the driver.
func (s *Stream) Enqueue(index int) error {
	b := buffer{index: uint32(index), kind: bufTypeCapture, memory: memoryMMAP}
	return ioctl(s.fd, qbuf, unsafe.Pointer(&b))
}

// Stop ends the capture and unmaps the buffers. A device that is gone has stopped.
func (s *Stream) Stop() error {
	kind := int32(bufTypeCapture)
	err := ioctl(s.fd, streamoff, unsafe.Pointer(&kind))
	if errors.Is(err, unix.ENODEV) {
		err = nil
	}
	return errors.Join(err, s.free())
}

// free unmaps the buffers and lets the driver forget them.
func (s *Stream) free() error {
	var err error
	for _, b := range s.buffers {
		err = errors.Join(err, unix.Munmap(b))
	}
	s.buffers = nil
	r := requestBuffers{kind: bufTypeCapture, memory: memoryMMAP}
	if e := ioctl(s.fd, reqbufs, unsafe.Pointer(&r)); !errors.Is(e, unix.ENODEV) {
		err = errors.Join(err, e)
	}
	return err
}
