// Pixel kernels. Each has a twin in Go of which it computes every bit; the contracts are
// there. Memory is the caller's and no pointer is kept.
#ifndef PX_IMGPROC_KERNELS_H
#define PX_IMGPROC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
	int32_t black, zero, y, crR, cbG, crG, cbB, shift;
} px_matrix;

typedef struct {
	int64_t a, b, c, d, e, f;
} px_warp_map;

void px_vsum(uint32_t *acc, size_t n, const uint8_t *pix, size_t stride,
	const int32_t *idx, const uint32_t *w, size_t taps);
void px_hsum(uint16_t *out, const uint32_t *acc, const int32_t *from, const int32_t *idx,
	const uint32_t *w, size_t dn, size_t step, size_t gap, size_t nc, double scale);
// Three channels side by side; acc has one value more than it needs.
void px_hsum3(uint16_t *out, const uint32_t *acc, const int32_t *from, const int32_t *idx,
	const uint32_t *w, size_t dn, double scale);
void px_hfilter(int32_t *out, const uint8_t *row, const int32_t *idx, const int32_t *w,
	size_t dn, size_t size);
void px_vlinear(uint8_t *out, const int32_t *a, const int32_t *b, size_t n, int32_t wa, int32_t wb);
void px_vlanczos(uint8_t *out, const int32_t *ring, size_t n, const int32_t *slot, const int32_t *w);
void px_warp(uint8_t *dst, size_t dw, size_t dh, size_t dstride,
	const uint8_t *src, size_t sw, size_t sh, size_t sstride, const px_warp_map *q);
// n is 2 at least, nout 2 n or one less.
void px_upsample_h(uint8_t *out, size_t nout, const uint8_t *in, size_t n);
void px_upsample_hv(uint8_t *out, size_t nout, const uint8_t *near, const uint8_t *far, size_t n);
void px_ycc(uint8_t *dst, const uint8_t *y, const uint8_t *cb, const uint8_t *cr, size_t n, const px_matrix *m);
void px_yuyv(uint8_t *dst, const uint8_t *row, size_t n, const px_matrix *m);
void px_nv12(uint8_t *dst, const uint8_t *y, const uint8_t *uv, size_t n, const px_matrix *m);
void px_ycc_mean(uint8_t *dst, const uint16_t *ycc, size_t n, const px_matrix *m);
void px_fill(float *dst, const uint8_t *row, size_t n, int bgr, const float *mul, const float *add);

#endif
