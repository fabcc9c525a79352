#include "kernels.h"

#include <string.h>

// A product is rounded before it is added, as in the twin: GCC's -std=c11 says so, Clang is told.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

// The loader picks one of two builds on x86; elsewhere the compiler lowers the vectors to what
// the machine has.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define KERNEL __attribute__((target_clones("default", "avx2")))
#else
#define KERNEL
#endif
#define INLINE static inline __attribute__((always_inline))

// The eight running sums of the twin.
typedef float f32x8 __attribute__((vector_size(32)));

INLINE void add(f32x8 *sum, const float *a, f32x8 b) {
	f32x8 x;
	memcpy(&x, a, sizeof x);
	*sum += x * b;
}

INLINE float total(f32x8 s, const float *a, const float *b, size_t i, size_t n) {
	for (; i < n; i++)
		s[0] += a[i] * b[i];
	return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

// Four rows at a time, so that one's addition need not wait for the one before.
KERNEL void mt_dots(float *scores, const float *rows, const float *probe, size_t count, size_t n) {
	size_t i = 0;
	for (; i + 4 <= count; i += 4, rows += 4 * n) {
		f32x8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
		size_t k = 0;
		for (; k + 8 <= n; k += 8) {
			f32x8 p;
			memcpy(&p, probe + k, sizeof p);
			add(&s0, rows + k, p);
			add(&s1, rows + n + k, p);
			add(&s2, rows + 2 * n + k, p);
			add(&s3, rows + 3 * n + k, p);
		}
		scores[i] = total(s0, rows, probe, k, n);
		scores[i + 1] = total(s1, rows + n, probe, k, n);
		scores[i + 2] = total(s2, rows + 2 * n, probe, k, n);
		scores[i + 3] = total(s3, rows + 3 * n, probe, k, n);
	}
	for (; i < count; i++, rows += n) {
		f32x8 s = {0};
		size_t k = 0;
		for (; k + 8 <= n; k += 8) {
			f32x8 p;
			memcpy(&p, probe + k, sizeof p);
			add(&s, rows + k, p);
		}
		scores[i] = total(s, rows, probe, k, n);
	}
}
