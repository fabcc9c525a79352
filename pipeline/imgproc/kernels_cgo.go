//go:build cgo

package imgproc

/*
#cgo CFLAGS: -O3 -std=c11 -Wall -Wextra -Wno-psabi
#cgo noescape px_vsum
#cgo nocallback px_vsum
#cgo noescape px_hsum
#cgo nocallback px_hsum
#cgo noescape px_hsum3
#cgo nocallback px_hsum3
#cgo noescape px_hfilter
#cgo nocallback px_hfilter
#cgo noescape px_vlinear
#cgo nocallback px_vlinear
#cgo noescape px_vlanczos
#cgo nocallback px_vlanczos
#cgo noescape px_warp
#cgo nocallback px_warp
#cgo noescape px_ycc
#cgo nocallback px_ycc
#cgo noescape px_yuyv
#cgo nocallback px_yuyv
#cgo noescape px_nv12
#cgo nocallback px_nv12
#cgo noescape px_upsample_h
#cgo nocallback px_upsample_h
#cgo noescape px_upsample_hv
#cgo nocallback px_upsample_hv
#cgo noescape px_ycc_mean
#cgo nocallback px_ycc_mean
#cgo noescape px_fill
#cgo nocallback px_fill
#include "kernels.h"
*/
import "C"

import "unsafe"

// The functions here check what the kernels rely on: a slice too short panics in Go.

func u8(s []byte) *C.uint8_t   { return (*C.uint8_t)(unsafe.SliceData(s)) }
func i32(s []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(s)) }
func u32(s []uint32) *C.uint32_t {
	return (*C.uint32_t)(unsafe.SliceData(s))
}
func u16(s []uint16) *C.uint16_t  { return (*C.uint16_t)(unsafe.SliceData(s)) }
func (m *matrix) c() *C.px_matrix { return (*C.px_matrix)(unsafe.Pointer(m)) }

func vsum(acc []uint32, pix []byte, stride int, y *axis, d int) {
	a, b := y.from[d], y.from[d+1]
	if a == b {
		clear(acc)
		return
	}
	idx, w := y.idx[a:b], y.w[a:b]
	_ = pix[:(y.n-1)*stride+len(acc)]
	C.px_vsum(u32(acc), C.size_t(len(acc)), u8(pix), C.size_t(stride), i32(idx), u32(w), C.size_t(len(idx)))
}

func hsum(out []uint16, acc []uint32, x *axis, c channels, scale float64) {
	n := len(x.from) - 1
	_ = out[:3*(n-1)+c.nc]
	_ = acc[:(x.n-1)*c.step+(c.nc-1)*c.gap+1]
	if c == packed3() && len(acc) > 3*x.n {
		C.px_hsum3(u16(out), u32(acc), i32(x.from), i32(x.idx), u32(x.w), C.size_t(n), C.double(scale))
		return
	}
	if c.nc == 3 {
		hsumGo(out, acc, x, c, scale)
		return
	}
	C.px_hsum(u16(out), u32(acc), i32(x.from), i32(x.idx), u32(x.w), C.size_t(n),
		C.size_t(c.step), C.size_t(c.gap), C.size_t(c.nc), C.double(scale))
}

func hfilter(out []int32, row []byte, t *taps) {
	_, _ = out[:3*t.dn], row[:3*t.n]
	C.px_hfilter(i32(out), u8(row), i32(t.idx), i32(t.w), C.size_t(t.dn), C.size_t(t.size))
}

func vlinear(out []byte, a, b []int32, wa, wb int32) {
	a, b = a[:len(out)], b[:len(out)]
	C.px_vlinear(u8(out), i32(a), i32(b), C.size_t(len(out)), C.int32_t(wa), C.int32_t(wb))
}

func vlanczos(out []byte, ring []int32, slot, w *[8]int32) {
	_ = ring[:8*len(out)]
	C.px_vlanczos(u8(out), i32(ring), C.size_t(len(out)), i32(slot[:]), i32(w[:]))
}

func warp(dst, src *Image, q warpMap) {
	_, _ = dst.row(dst.H-1), src.row(src.H-1)
	C.px_warp(u8(dst.Pix), C.size_t(dst.W), C.size_t(dst.H), C.size_t(dst.Stride),
		u8(src.Pix), C.size_t(src.W), C.size_t(src.H), C.size_t(src.Stride), (*C.px_warp_map)(unsafe.Pointer(&q)))
}

func yccRow(dst, y, cb, cr []byte, m *matrix) {
	dst, cb, cr = dst[:3*len(y)], cb[:len(y)], cr[:len(y)]
	C.px_ycc(u8(dst), u8(y), u8(cb), u8(cr), C.size_t(len(y)), m.c())
}

func yuyvRow(dst, row []byte, m *matrix) {
	n := len(row) / 4 * 2
	dst = dst[:3*n]
	C.px_yuyv(u8(dst), u8(row), C.size_t(n), m.c())
}

func nv12Row(dst, y, uv []byte, m *matrix) {
	dst, uv = dst[:3*len(y)], uv[:(len(y)+1)&^1]
	C.px_nv12(u8(dst), u8(y), u8(uv), C.size_t(len(y)), m.c())
}

func yccMean(dst []byte, ycc []uint16, m *matrix) {
	n := len(ycc) / 3
	dst = dst[:3*n]
	C.px_ycc_mean(u8(dst), u16(ycc), C.size_t(n), m.c())
}

func fill(dst []float32, row []byte, n *Norm) {
	k := len(row) / 3
	dst = dst[:3*k]
	bgr := C.int(0)
	if n.BGR {
		bgr = 1
	}
	C.px_fill((*C.float)(unsafe.SliceData(dst)), u8(row), C.size_t(k), bgr, (*C.float)(&n.Mul[0]), (*C.float)(&n.Add[0]))
}

func upsampleH(out, in []byte) {
	n := len(in)
	if n < 2 {
		upsampleHGo(out, in)
		return
	}
	_ = out[:2*n-1]
	C.px_upsample_h(u8(out), C.size_t(min(len(out), 2*n)), u8(in), C.size_t(n))
}

func upsampleHV(out, near, far []byte) {
	n := len(near)
	if n < 2 {
		upsampleHVGo(out, near, far)
		return
	}
	_, _ = out[:2*n-1], far[:n]
	C.px_upsample_hv(u8(out), C.size_t(min(len(out), 2*n)), u8(near), u8(far), C.size_t(n))
}
