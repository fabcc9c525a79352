//go:build cgo

package match

/*
#cgo CFLAGS: -O3 -std=c11 -Wall -Wextra -Wno-psabi
#cgo noescape mt_dots
#cgo nocallback mt_dots
#include "kernels.h"
*/
import "C"

import "unsafe"

// dots is dotsGo in C. It checks what the kernel relies on: a slice too short panics in Go.
func dots(scores, rows, probe []float32) {
	_ = rows[:len(scores)*len(probe)]
	C.mt_dots(f32(scores), f32(rows), f32(probe), C.size_t(len(scores)), C.size_t(len(probe)))
}

func f32(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }
