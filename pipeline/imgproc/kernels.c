#include "kernels.h"

#include <string.h>

// Vector widths are written out with the compiler's vector types, which both GCC and Clang
// lower to what the machine has; on x86 the loader picks among three builds of each kernel.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define KERNEL __attribute__((target_clones("default", "sse4.2", "avx2")))
#else
#define KERNEL
#endif
#define INLINE static inline __attribute__((always_inline))

typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef double f64x4 __attribute__((vector_size(32)));
typedef uint64_t u64x2 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef int16_t i16x8 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));

// ---- area resampling ----

#define CHUNK 1024

KERNEL void px_vsum(uint32_t *restrict acc, size_t n, const uint8_t *restrict pix, size_t stride,
	const int32_t *restrict idx, const uint32_t *restrict w, size_t taps) {
	uint16_t sum[CHUNK];
	for (size_t x = 0; x < n; x += CHUNK) {
		size_t m = n - x < CHUNK ? n - x : CHUNK;
		uint32_t *a = acc + x;
		memset(a, 0, m * sizeof *a);
		// Rows of one weight, nearly all of them, are added in 16 bits and weighted once.
		for (size_t k = 0; k < taps;) {
			size_t e = k + 1;
			while (e < taps && w[e] == w[k] && e - k < 256)
				e++;
			uint32_t wk = w[k];
			const uint8_t *r0 = pix + (size_t)idx[k] * stride + x;
			if (e - k == 1) {
				for (size_t i = 0; i < m; i++)
					a[i] += wk * r0[i];
				k = e;
				continue;
			}
			const uint8_t *r1 = pix + (size_t)idx[k + 1] * stride + x;
			for (size_t i = 0; i < m; i++)
				sum[i] = (uint16_t)(r0[i] + r1[i]);
			for (k += 2; k + 1 < e; k += 2) {
				r0 = pix + (size_t)idx[k] * stride + x;
				r1 = pix + (size_t)idx[k + 1] * stride + x;
				for (size_t i = 0; i < m; i++)
					sum[i] = (uint16_t)(sum[i] + r0[i] + r1[i]);
			}
			if (k < e) {
				r0 = pix + (size_t)idx[k++] * stride + x;
				for (size_t i = 0; i < m; i++)
					sum[i] = (uint16_t)(sum[i] + r0[i]);
			}
			for (size_t i = 0; i < m; i++)
				a[i] += wk * sum[i];
		}
	}
}

INLINE uint16_t mean(double sum, double scale) {
	double p = sum * scale;
	double v = p + 0x1.8p52;
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return (uint16_t)bits;
}

KERNEL void px_hsum3(uint16_t *restrict out, const uint32_t *restrict acc, const int32_t *restrict from,
	const int32_t *restrict idx, const uint32_t *restrict w, size_t dn, double scale) {
	for (size_t d = 0; d < dn; d++, out += 3) {
		f64x4 s = {0, 0, 0, 0};
		for (int32_t k = from[d]; k < from[d + 1]; k++) {
			i32x4 v; // the fourth lane is not used
			memcpy(&v, acc + 3 * (size_t)idx[k], 16);
			s += __builtin_convertvector(v, f64x4) * (double)(int32_t)w[k];
		}
		out[0] = mean(s[0], scale), out[1] = mean(s[1], scale), out[2] = mean(s[2], scale);
	}
}

void px_hsum(uint16_t *restrict out, const uint32_t *restrict acc, const int32_t *restrict from,
	const int32_t *restrict idx, const uint32_t *restrict w, size_t dn, size_t step, size_t gap, size_t nc, double scale) {
	for (size_t d = 0; d < dn; d++, out += 3) {
		uint64_t s0 = 0, s1 = 0;
		switch (nc) {
		case 1:
			for (int32_t k = from[d]; k < from[d + 1]; k++)
				s0 += (uint64_t)w[k] * acc[(size_t)idx[k] * step];
			break;
		case 2:
			for (int32_t k = from[d]; k < from[d + 1]; k++) {
				const uint32_t *p = acc + (size_t)idx[k] * step;
				s0 += (uint64_t)w[k] * p[0];
				s1 += (uint64_t)w[k] * p[gap];
			}
			out[1] = mean((double)(int64_t)s1, scale);
			break;
		}
		out[0] = mean((double)(int64_t)s0, scale);
	}
}

// ---- interpolation ----

INLINE uint8_t clamp8(int32_t v) {
	v = v < 0 ? 0 : v;
	return (uint8_t)(v > 255 ? 255 : v);
}

void px_hfilter(int32_t *restrict out, const uint8_t *restrict row, const int32_t *restrict idx,
	const int32_t *restrict w, size_t dn, size_t size) {
	for (size_t d = 0; d < dn; d++, out += 3, idx += size, w += size) {
		int32_t r = 0, g = 0, b = 0;
		for (size_t k = 0; k < size; k++) {
			const uint8_t *p = row + 3 * (size_t)idx[k];
			r += w[k] * p[0];
			g += w[k] * p[1];
			b += w[k] * p[2];
		}
		out[0] = r, out[1] = g, out[2] = b;
	}
}

KERNEL void px_vlinear(uint8_t *restrict out, const int32_t *restrict a, const int32_t *restrict b,
	size_t n, int32_t wa, int32_t wb) {
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(((wa * (a[i] >> 4) >> 16) + (wb * (b[i] >> 4) >> 16) + 2) >> 2);
}

KERNEL void px_vlanczos(uint8_t *restrict out, const int32_t *restrict ring, size_t n,
	const int32_t *restrict slot, const int32_t *restrict w) {
	const int32_t *r[8];
	for (int k = 0; k < 8; k++)
		r[k] = ring + (size_t)slot[k] * n;
	for (size_t i = 0; i < n; i++) {
		int32_t s = 1 << 21;
		for (int k = 0; k < 8; k++)
			s += w[k] * r[k][i];
		out[i] = clamp8(s >> 22);
	}
}

// ---- warp ----

static void warp_edge(uint8_t *o, const uint8_t *src, int64_t sw, int64_t sh, size_t sstride,
	int64_t ix, int64_t iy, int32_t wx, int32_t wy) {
	int32_t acc[3] = {0, 0, 0};
	for (int j = 0; j < 2; j++)
		for (int i = 0; i < 2; i++) {
			int64_t x = ix + i, y = iy + j;
			if (x < 0 || y < 0 || x >= sw || y >= sh)
				continue;
			const uint8_t *p = src + (size_t)y * sstride + 3 * (size_t)x;
			int32_t w = (i ? wx : 2048 - wx) * (j ? wy : 2048 - wy);
			for (int c = 0; c < 3; c++)
				acc[c] += w * p[c];
		}
	for (int c = 0; c < 3; c++)
		o[c] = (uint8_t)((acc[c] + (1 << 21)) >> 22);
}

INLINE u8x16 load8(const uint8_t *p) {
	uint64_t v;
	memcpy(&v, p, 8);
	return (u8x16)(u64x2){v, 0};
}

// madd adds up the products of neighbouring 16-bit lanes.
INLINE i32x4 madd(i32x4 a, i32x4 b) {
#ifdef __SSE2__
	return (i32x4)__builtin_ia32_pmaddwd128((i16x8)a, (i16x8)b);
#else
	return (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
}

// pairs puts the three bytes of a pixel and of the next into neighbouring 16-bit lanes.
INLINE i32x4 pairs(u8x16 v) {
	const u8x16 zero = {0};
	return (i32x4)__builtin_shufflevector(v, zero, 0, 16, 3, 16, 1, 16, 4, 16, 2, 16, 5, 16, 16, 16, 16, 16);
}

KERNEL void px_warp(uint8_t *restrict dst, size_t dw, size_t dh, size_t dstride,
	const uint8_t *restrict src, size_t sw, size_t sh, size_t sstride, const px_warp_map *qp) {
	const px_warp_map q = *qp;
	// Eight bytes are read at a pixel, two more than it and its neighbour have.
	uint64_t inx = sw > 2 ? sw - 2 : 0, iny = sh - 1;
	for (size_t y = 0; y < dh; y++) {
		int64_t sx = q.b * (int64_t)y + q.c, sy = q.e * (int64_t)y + q.f;
		uint8_t *o = dst + y * dstride;
		for (size_t x = 0; x < dw; x++, o += 3, sx += q.a, sy += q.d) {
			int64_t ix = sx >> 32, iy = sy >> 32;
			int32_t wx = (int32_t)(sx >> 21) & 2047, wy = (int32_t)(sy >> 21) & 2047;
			if ((uint64_t)ix >= inx || (uint64_t)iy >= iny) {
				warp_edge(o, src, (int64_t)sw, (int64_t)sh, sstride, ix, iy, wx, wy);
				continue;
			}
			const uint8_t *p = src + (size_t)iy * sstride + 3 * (size_t)ix;
			i32x4 w = (i32x4){0, 0, 0, 0} + ((2048 - wx) | wx << 16);
			i32x4 v = madd(pairs(load8(p)), w) * (2048 - wy) + madd(pairs(load8(p + sstride)), w) * wy;
			u8x16 bytes = (u8x16)((v + (1 << 21)) >> 22);
			uint32_t px = ((u32x4)__builtin_shufflevector(bytes, bytes, 0, 4, 8, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3))[0];
			memcpy(o, &px, 2);
			o[2] = (uint8_t)(px >> 16);
		}
	}
}

// ---- colour ----

INLINE void ycc_pixel(uint8_t *o, int32_t y, int32_t cb, int32_t cr, const px_matrix *m) {
	y -= m->black;
	y = (y < 0 ? 0 : y) * m->y + (1 << (m->shift - 1));
	cb -= m->zero, cr -= m->zero;
	o[0] = clamp8((y + m->crR * cr) >> m->shift);
	o[1] = clamp8((y + m->cbG * cb + m->crG * cr) >> m->shift);
	o[2] = clamp8((y + m->cbB * cb) >> m->shift);
}

INLINE u8x16 load16(const uint8_t *p) {
	u8x16 v;
	memcpy(&v, p, 16);
	return v;
}

// interleave writes 16 pixels.
INLINE void interleave(uint8_t *o, u8x16 r, u8x16 g, u8x16 b) {
	u8x16 rg, v;
	rg = __builtin_shufflevector(r, g, 0, 16, 0, 1, 17, 1, 2, 18, 2, 3, 19, 3, 4, 20, 4, 5);
	v = __builtin_shufflevector(rg, b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15);
	memcpy(o, &v, 16);
	rg = __builtin_shufflevector(r, g, 21, 5, 6, 22, 6, 7, 23, 7, 8, 24, 8, 9, 25, 9, 10, 26);
	v = __builtin_shufflevector(rg, b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15);
	memcpy(o + 16, &v, 16);
	rg = __builtin_shufflevector(r, g, 10, 11, 27, 11, 12, 28, 12, 13, 29, 13, 14, 30, 14, 15, 31, 15);
	v = __builtin_shufflevector(rg, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31);
	memcpy(o + 32, &v, 16);
}

// Pixels are converted a block at a time: colour planes first, which the compiler turns into
// the machine's widest vectors, then their interleaving.
#define BLOCK 64

INLINE void ycc_block(uint8_t *restrict o, const uint8_t *restrict y, const uint8_t *restrict u,
	const uint8_t *restrict v, const px_matrix *mp) {
	uint8_t r[BLOCK], g[BLOCK], b[BLOCK];
	const px_matrix m = *mp;
	const int32_t half = 1 << (m.shift - 1);
	for (int i = 0; i < BLOCK; i++) {
		int32_t l = y[i] - m.black, cb = u[i] - m.zero, cr = v[i] - m.zero;
		l = (l < 0 ? 0 : l) * m.y + half;
		r[i] = clamp8((l + m.crR * cr) >> m.shift);
		g[i] = clamp8((l + m.cbG * cb + m.crG * cr) >> m.shift);
		b[i] = clamp8((l + m.cbB * cb) >> m.shift);
	}
	for (int i = 0; i < BLOCK; i += 16)
		interleave(o + 3 * i, load16(r + i), load16(g + i), load16(b + i));
}

KERNEL void px_ycc(uint8_t *restrict dst, const uint8_t *restrict y, const uint8_t *restrict cb,
	const uint8_t *restrict cr, size_t n, const px_matrix *m) {
	size_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK)
		ycc_block(dst + 3 * i, y + i, cb + i, cr + i, m);
	for (; i < n; i++)
		ycc_pixel(dst + 3 * i, y[i], cb[i], cr[i], m);
}

KERNEL void px_yuyv(uint8_t *restrict dst, const uint8_t *restrict row, size_t n, const px_matrix *m) {
	uint8_t y[BLOCK], u[BLOCK], v[BLOCK];
	size_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK) {
		for (int k = 0; k < BLOCK; k += 16) {
			u8x16 a = load16(row + 2 * (i + k)), b = load16(row + 2 * (i + k) + 16);
			u8x16 yy = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
			u8x16 uu = __builtin_shufflevector(a, b, 1, 1, 5, 5, 9, 9, 13, 13, 17, 17, 21, 21, 25, 25, 29, 29);
			u8x16 vv = __builtin_shufflevector(a, b, 3, 3, 7, 7, 11, 11, 15, 15, 19, 19, 23, 23, 27, 27, 31, 31);
			memcpy(y + k, &yy, 16), memcpy(u + k, &uu, 16), memcpy(v + k, &vv, 16);
		}
		ycc_block(dst + 3 * i, y, u, v, m);
	}
	for (; i < n; i++)
		ycc_pixel(dst + 3 * i, row[2 * i], row[4 * (i / 2) + 1], row[4 * (i / 2) + 3], m);
}

KERNEL void px_nv12(uint8_t *restrict dst, const uint8_t *restrict y, const uint8_t *restrict uv,
	size_t n, const px_matrix *m) {
	uint8_t u[BLOCK], v[BLOCK];
	size_t i = 0;
	for (; i + BLOCK <= n; i += BLOCK) {
		for (int k = 0; k < BLOCK; k += 16) {
			u8x16 c = load16(uv + i + k);
			u8x16 uu = __builtin_shufflevector(c, c, 0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
			u8x16 vv = __builtin_shufflevector(c, c, 1, 1, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15);
			memcpy(u + k, &uu, 16), memcpy(v + k, &vv, 16);
		}
		ycc_block(dst + 3 * i, y + i, u, v, m);
	}
	for (; i < n; i++)
		ycc_pixel(dst + 3 * i, y[i], uv[i & ~(size_t)1], uv[(i & ~(size_t)1) + 1], m);
}

KERNEL void px_upsample_h(uint8_t *restrict out, size_t nout, const uint8_t *restrict in, size_t n) {
	out[0] = in[0];
	out[1] = (uint8_t)((3 * in[0] + in[1] + 2) >> 2);
	for (size_t i = 1; i + 1 < n; i++) {
		uint16_t c = (uint16_t)(3 * in[i]);
		out[2 * i] = (uint8_t)((uint16_t)(c + in[i - 1] + 1) >> 2);
		out[2 * i + 1] = (uint8_t)((uint16_t)(c + in[i + 1] + 2) >> 2);
	}
	out[2 * n - 2] = (uint8_t)((3 * in[n - 1] + in[n - 2] + 1) >> 2);
	if (nout == 2 * n)
		out[2 * n - 1] = in[n - 1];
}

// The vertical sum of a column; 16 bits hold four of them.
#define SUM(i) ((uint16_t)(3 * this[i] + other[i]))

KERNEL void px_upsample_hv(uint8_t *restrict out, size_t nout, const uint8_t *restrict this,
	const uint8_t *restrict other, size_t n) {
	out[0] = (uint8_t)((4 * SUM(0) + 8) >> 4);
	out[1] = (uint8_t)((3 * SUM(0) + SUM(1) + 7) >> 4);
	for (size_t i = 1; i + 1 < n; i++) {
		uint16_t c = (uint16_t)(3 * SUM(i));
		out[2 * i] = (uint8_t)((uint16_t)(c + SUM(i - 1) + 8) >> 4);
		out[2 * i + 1] = (uint8_t)((uint16_t)(c + SUM(i + 1) + 7) >> 4);
	}
	out[2 * n - 2] = (uint8_t)((3 * SUM(n - 1) + SUM(n - 2) + 8) >> 4);
	if (nout == 2 * n)
		out[2 * n - 1] = (uint8_t)((4 * SUM(n - 1) + 7) >> 4);
}

void px_ycc_mean(uint8_t *restrict dst, const uint16_t *restrict ycc, size_t n, const px_matrix *mp) {
	px_matrix m = *mp;
	for (size_t i = 0; i < 3 * n; i += 3)
		ycc_pixel(dst + i, ycc[i], ycc[i + 1], ycc[i + 2], &m);
}

// ---- model inputs ----

KERNEL void px_fill(float *restrict dst, const uint8_t *restrict row, size_t n, int bgr,
	const float *restrict mul, const float *restrict add) {
	size_t r = bgr ? 2 : 0, b = 2 - r;
	float m0 = mul[0], m1 = mul[1], m2 = mul[2], a0 = add[0], a1 = add[1], a2 = add[2];
	for (size_t i = 0; i < 3 * n; i += 3) {
		float x = (float)row[i + r] * m0, y = (float)row[i + 1] * m1, z = (float)row[i + b] * m2;
		dst[i] = x + a0;
		dst[i + 1] = y + a1;
		dst[i + 2] = z + a2;
	}
}
