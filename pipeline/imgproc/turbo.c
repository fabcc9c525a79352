#include "turbo.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { stop_on_warning = 8192 }; // TJFLAG_STOPONWARNING

struct px_turbo {
	void *lib, *handle;
	void *(*init)(void);
	int (*destroy)(void *);
	int (*header)(void *, const unsigned char *, unsigned long, int *, int *, int *, int *);
	int (*planes)(void *, const unsigned char *, unsigned long, unsigned char **, int, int *, int, int);
	char *(*message)(void *);
};

px_turbo *px_turbo_open(const char *path, char *message, size_t message_size) {
	px_turbo *t = calloc(1, sizeof *t);
	if (!t) {
		snprintf(message, message_size, "out of memory");
		return NULL;
	}
	if (!(t->lib = dlopen(path, RTLD_NOW | RTLD_LOCAL))) {
		snprintf(message, message_size, "%s", dlerror());
		free(t);
		return NULL;
	}
	*(void **)&t->init = dlsym(t->lib, "tjInitDecompress");
	*(void **)&t->destroy = dlsym(t->lib, "tjDestroy");
	*(void **)&t->header = dlsym(t->lib, "tjDecompressHeader3");
	*(void **)&t->planes = dlsym(t->lib, "tjDecompressToYUVPlanes");
	*(void **)&t->message = dlsym(t->lib, "tjGetErrorStr2");
	if (t->init && t->destroy && t->header && t->planes && t->message && (t->handle = t->init()))
		return t;
	snprintf(message, message_size, "%s is too old a version", path);
	dlclose(t->lib);
	free(t);
	return NULL;
}

void px_turbo_close(px_turbo *t) {
	t->destroy(t->handle);
	dlclose(t->lib);
	free(t);
}

int px_turbo_header(px_turbo *t, const uint8_t *data, size_t size, int *w, int *h, int *subsampling) {
	int colour;
	return t->header(t->handle, data, size, w, h, subsampling, &colour);
}

int px_turbo_planes(px_turbo *t, const uint8_t *data, size_t size, int w, int h,
	uint8_t *y, int y_stride, uint8_t *cb, uint8_t *cr, int c_stride) {
	uint8_t *planes[3] = {y, cb, cr};
	int strides[3] = {y_stride, c_stride, c_stride};
	return t->planes(t->handle, data, size, planes, w, strides, h, stop_on_warning);
}

const char *px_turbo_message(px_turbo *t) { return t->message(t->handle); }
