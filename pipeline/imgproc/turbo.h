// libturbojpeg, loaded where it is installed.
#ifndef PX_TURBO_H
#define PX_TURBO_H

#include <stddef.h>
#include <stdint.h>

typedef struct px_turbo px_turbo;

// px_turbo_open returns NULL and a message where the library is missing or unfit.
px_turbo *px_turbo_open(const char *path, char *message, size_t message_size);
void px_turbo_close(px_turbo *t);
// Both return 0, or -1 with a message; a mere warning, such as missing data, is an error.
int px_turbo_header(px_turbo *t, const uint8_t *data, size_t size, int *w, int *h, int *subsampling);
int px_turbo_planes(px_turbo *t, const uint8_t *data, size_t size, int w, int h,
	uint8_t *y, int y_stride, uint8_t *cb, uint8_t *cr, int c_stride);
const char *px_turbo_message(px_turbo *t);

#endif
