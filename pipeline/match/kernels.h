// The kernel of the search. It computes every bit of its twin in Go, dotsGo, where the contract
// is. Memory is the caller's and no pointer is kept.
#ifndef MT_MATCH_KERNELS_H
#define MT_MATCH_KERNELS_H

#include <stddef.h>

void mt_dots(float *scores, const float *rows, const float *probe, size_t count, size_t n);

#endif
