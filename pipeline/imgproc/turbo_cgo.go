//go:build cgo

package imgproc

/*
#cgo CFLAGS: -O3 -std=c11 -Wall -Wextra
#cgo LDFLAGS: -ldl
#cgo noescape px_turbo_header
#cgo nocallback px_turbo_header
#cgo noescape px_turbo_planes
#cgo nocallback px_turbo_planes
#include <stdlib.h>
#include "turbo.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"
)

// A Turbo is libjpeg-turbo's decoder. It is not safe for concurrent use.
type Turbo struct{ c *C.px_turbo }

// OpenTurbo loads the library. Where it is not installed that is an error, and pictures do
// without.
func OpenTurbo() (*Turbo, error) {
	name := C.CString("libturbojpeg.so.0")
	defer C.free(unsafe.Pointer(name))
	var message [256]C.char
	c := C.px_turbo_open(name, &message[0], C.size_t(len(message)))
	if c == nil {
		return nil, fmt.Errorf("load the JPEG accelerator: %s", C.GoString(&message[0]))
	}
	return &Turbo{c}, nil
}

// Close frees the decoder; no Picture uses it any more. It is safe to call twice.
func (t *Turbo) Close() error {
	if t.c != nil {
		C.px_turbo_close(t.c)
		t.c = nil
	}
	return nil
}

// decode writes a JPEG of w x h pixels to the planes of m, reusing their memory. A kind of
// JPEG it leaves to the Go decoder is false.
func (t *Turbo) decode(m *image.YCbCr, data []byte, w, h int) (bool, error) {
	var cw, ch, sub C.int
	if C.px_turbo_header(t.c, u8(data), C.size_t(len(data)), &cw, &ch, &sub) != 0 {
		return false, errors.New(C.GoString(C.px_turbo_message(t.c)))
	}
	if int(cw) != w || int(ch) != h {
		return false, errors.New("it has two sizes")
	}
	ratios := [...]image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420}
	if sub < 0 || int(sub) >= len(ratios) {
		return false, nil
	}
	// The library writes whole groups of pixels, two by two at most.
	w2, h2 := (w+1)&^1, (h+1)&^1
	m.Rect, m.SubsampleRatio = image.Rect(0, 0, w, h), ratios[sub]
	m.YStride, m.CStride = w2, w2
	m.Y, m.Cb, m.Cr = grow(m.Y, w2*h2), grow(m.Cb, w2*h2), grow(m.Cr, w2*h2)
	if C.px_turbo_planes(t.c, u8(data), C.size_t(len(data)), cw, ch,
		u8(m.Y), C.int(m.YStride), u8(m.Cb), u8(m.Cr), C.int(m.CStride)) != 0 {
		return false, errors.New(C.GoString(C.px_turbo_message(t.c)))
	}
	return true, nil
}
