// The part of LiteRT's C API that facegate uses, declared here because the library is
// loaded with dlopen and its headers are not shipped. Enumerations are passed as int.
#ifndef FACEGATE_LITERT_CAPI_H
#define FACEGATE_LITERT_CAPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// LiteRtRankedTensorType; its layout is part of the library's stable interface.
typedef struct {
	int32_t element_type;
	struct {
		unsigned int rank : 7;
		unsigned int has_strides : 1;
		int32_t dims[8];
		uint32_t strides[8];
	} layout;
} fg_tensor_type;

_Static_assert(sizeof(fg_tensor_type) == 72, "LiteRtRankedTensorType has 72 bytes");

// LiteRtEnvOption with an integer value.
typedef struct {
	int32_t tag;
	struct {
		int32_t type;
		int64_t value;
	} any;
} fg_env_option;

_Static_assert(sizeof(fg_env_option) == 24, "LiteRtEnvOption has 24 bytes");

// The library's functions. Handles are opaque pointers; a status of 0 is success.
typedef struct {
	int (*create_environment)(int, const fg_env_option *, void **);
	void (*destroy_environment)(void *);
	int (*create_model_from_buffer)(void *, const void *, size_t, void **);
	void (*destroy_model)(void *);
	int (*create_options)(void **);
	void (*destroy_options)(void *);
	int (*set_accelerators)(void *, int);
	int (*create_opaque)(const char *, void *, void (*)(void *), void **);
	void (*destroy_opaque)(void *);
	int (*add_opaque)(void *, void *);
	int (*create_compiled)(void *, void *, void *, void **);
	void (*destroy_compiled)(void *);
	int (*num_signatures)(void *, size_t *);
	int (*signature)(void *, size_t, void **);
	int (*num_inputs)(void *, size_t *);
	int (*num_outputs)(void *, size_t *);
	int (*input_name)(void *, size_t, const char **);
	int (*output_name)(void *, size_t, const char **);
	int (*input_tensor)(void *, size_t, void **);
	int (*output_tensor)(void *, size_t, void **);
	int (*ranked_type)(void *, fg_tensor_type *);
	int (*resize_input)(void *, size_t, size_t, const int *, size_t);
	int (*input_requirements)(void *, size_t, size_t, void **);
	int (*output_requirements)(void *, size_t, size_t, void **);
	int (*create_buffer)(void *, const fg_tensor_type *, void *, void **);
	void (*destroy_buffer)(void *);
	int (*buffer_size)(void *, size_t *);
	int (*host_memory)(void *, void **);
	int (*run)(void *, size_t, size_t, void **, size_t, void **);
	int (*error_messages)(void *, char **);
	int (*clear_errors)(void *);
} fg_api;

// One end of a model: its tensor type and the buffer made for it.
typedef struct {
	const char *name;
	fg_tensor_type type;
	void *buffer;
	void *memory;
	size_t size;
} fg_tensor;

// A loaded model. Zeroed before fg_load.
typedef struct {
	const fg_api *api;
	void *bytes; // the library reads the weights from here as long as the model lives
	void *model, *compiled, *signature;
	size_t inputs, outputs;
	fg_tensor *in, *out;
	void **in_buffers, **out_buffers; // the arguments of run
} fg_model;

// fg_open loads the library at path and resolves api. On failure the text goes to
// message and the result is NULL. The library stays loaded for the life of the process.
void *fg_open(const char *path, fg_api *api, char *message, size_t message_size);

// fg_environment makes an environment with the CPU accelerator only, quiet below errors.
int fg_environment(const fg_api *api, void **environment);

// fg_model_open parses a copy of bytes and describes the tensors; fg_model_compile makes
// it ready to run. On failure *step names the library call, and fg_model_close cleans up.
int fg_model_open(fg_model *m, const fg_api *api, void *environment, const void *bytes, size_t size,
	const char **step);
int fg_model_compile(fg_model *m, void *environment, const char *threads, const char **step);
int fg_model_run(fg_model *m);

// fg_model_share makes another fg_model with the weights and compiled code of from and tensors of
// its own. Two that share never run at once, and fg_model_close of the last of them is told so.
int fg_model_share(fg_model *m, const fg_model *from, void *environment, const char **step);
void fg_model_close(fg_model *m, bool last);

void fg_destroy_environment(const fg_api *api, void *environment);

// fg_rank is the number of dimensions, a bit field that cgo cannot read.
unsigned int fg_rank(const fg_tensor *t);

// fg_run_name names the library's function behind fg_model_run.
const char *fg_run_name(void);

// fg_model_errors is what the library reported for the compiled model, or NULL; the
// caller frees it.
char *fg_model_errors(fg_model *m);

#endif
