#define _GNU_SOURCE
#include "capi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	invalid_argument = 1,
	out_of_memory = 2,
	unsupported = 5,
	option_accelerators = 24, // LiteRtEnvOptionTagAutoRegisterAccelerators
	option_log_severity = 25, // LiteRtEnvOptionTagMinLoggerSeverity
	any_int = 2,
	accelerator_cpu = 1,
	severity_silent = 4,
	alignment = 64, // what the library asks of host memory
	max_tensors = 64,
};

void *fg_open(const char *path, fg_api *api, char *message, size_t message_size) {
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		snprintf(message, message_size, "%s", dlerror());
		return NULL;
	}
	const struct {
		const char *name;
		void *slot;
	} symbols[] = {
		{"LiteRtCreateEnvironment", &api->create_environment},
		{"LiteRtDestroyEnvironment", &api->destroy_environment},
		{"LiteRtCreateModelFromBuffer", &api->create_model_from_buffer},
		{"LiteRtDestroyModel", &api->destroy_model},
		{"LiteRtCreateOptions", &api->create_options},
		{"LiteRtDestroyOptions", &api->destroy_options},
		{"LiteRtSetOptionsHardwareAccelerators", &api->set_accelerators},
		{"LiteRtCreateOpaqueOptions", &api->create_opaque},
		{"LiteRtDestroyOpaqueOptions", &api->destroy_opaque},
		{"LiteRtAddOpaqueOptions", &api->add_opaque},
		{"LiteRtCreateCompiledModel", &api->create_compiled},
		{"LiteRtDestroyCompiledModel", &api->destroy_compiled},
		{"LiteRtGetNumModelSignatures", &api->num_signatures},
		{"LiteRtGetModelSignature", &api->signature},
		{"LiteRtGetNumSignatureInputs", &api->num_inputs},
		{"LiteRtGetNumSignatureOutputs", &api->num_outputs},
		{"LiteRtGetSignatureInputName", &api->input_name},
		{"LiteRtGetSignatureOutputName", &api->output_name},
		{"LiteRtGetSignatureInputTensorByIndex", &api->input_tensor},
		{"LiteRtGetSignatureOutputTensorByIndex", &api->output_tensor},
		{"LiteRtGetRankedTensorType", &api->ranked_type},
		{"LiteRtCompiledModelResizeInputTensor", &api->resize_input},
		{"LiteRtGetCompiledModelInputBufferRequirements", &api->input_requirements},
		{"LiteRtGetCompiledModelOutputBufferRequirements", &api->output_requirements},
		{"LiteRtCreateManagedTensorBufferFromRequirements", &api->create_buffer},
		{"LiteRtDestroyTensorBuffer", &api->destroy_buffer},
		{"LiteRtGetTensorBufferPackedSize", &api->buffer_size},
		{"LiteRtGetTensorBufferHostMemory", &api->host_memory},
		{"LiteRtRunCompiledModel", &api->run},
		{"LiteRtCompiledModelGetErrorMessages", &api->error_messages},
		{"LiteRtCompiledModelClearErrors", &api->clear_errors},
	};
	for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
		void *f = dlsym(lib, symbols[i].name);
		if (!f) {
			snprintf(message, message_size, "no function %s: not a LiteRT library of a known version", symbols[i].name);
			dlclose(lib);
			return NULL;
		}
		memcpy(symbols[i].slot, &f, sizeof f);
	}
	return lib;
}

int fg_environment(const fg_api *api, void **environment) {
	const fg_env_option options[] = {
		{option_accelerators, {any_int, accelerator_cpu}},
		{option_log_severity, {any_int, severity_silent}},
	};
	return api->create_environment(sizeof options / sizeof *options, options, environment);
}

// describe fills tensors from the signature.
static int describe(fg_model *m, size_t n, fg_tensor *tensors, int (*name)(void *, size_t, const char **),
	int (*tensor)(void *, size_t, void **)) {
	for (size_t i = 0; i < n; i++) {
		void *t;
		int s = name(m->signature, i, &tensors[i].name);
		if (!s)
			s = tensor(m->signature, i, &t);
		if (!s)
			s = m->api->ranked_type(t, &tensors[i].type);
		if (s)
			return s;
		if (tensors[i].type.layout.rank > 8)
			return unsupported;
	}
	return 0;
}

// tensors describes what the model takes and gives.
static int tensors(fg_model *m, const char **step) {
	const fg_api *api = m->api;
	int s;
	*step = "LiteRtGetNumSignatureInputs";
	if ((s = api->num_inputs(m->signature, &m->inputs)) || (s = api->num_outputs(m->signature, &m->outputs)))
		return s;
	if (m->inputs == 0 || m->inputs > max_tensors || m->outputs == 0 || m->outputs > max_tensors)
		return unsupported;
	*step = "allocate tensors";
	m->in = calloc(m->inputs, sizeof *m->in);
	m->out = calloc(m->outputs, sizeof *m->out);
	m->in_buffers = calloc(m->inputs, sizeof *m->in_buffers);
	m->out_buffers = calloc(m->outputs, sizeof *m->out_buffers);
	if (!m->in || !m->out || !m->in_buffers || !m->out_buffers)
		return out_of_memory;
	*step = "LiteRtGetRankedTensorType";
	if ((s = describe(m, m->inputs, m->in, api->input_name, api->input_tensor)))
		return s;
	return describe(m, m->outputs, m->out, api->output_name, api->output_tensor);
}

// buffer makes the memory of one tensor.
static int buffer(fg_model *m, void *environment, size_t i, fg_tensor *t, void **slot,
	int (*requirements)(void *, size_t, size_t, void **)) {
	void *r;
	int s;
	if ((s = requirements(m->compiled, 0, i, &r)) || (s = m->api->create_buffer(environment, &t->type, r, &t->buffer)))
		return s;
	*slot = t->buffer;
	if ((s = m->api->buffer_size(t->buffer, &t->size)) || (s = m->api->host_memory(t->buffer, &t->memory)))
		return s;
	memset(t->memory, 0, t->size);
	return 0;
}

// settle makes a dynamic batch dimension 1, and says whether it was one.
static bool settle(fg_tensor *t) {
	if (t->type.layout.rank == 0 || t->type.layout.dims[0] >= 0)
		return false;
	t->type.layout.dims[0] = 1;
	return true;
}

// buffers makes the memory of every tensor of a compiled model.
static int buffers(fg_model *m, void *environment, const char **step) {
	const fg_api *api = m->api;
	int s;
	*step = "LiteRtCreateManagedTensorBufferFromRequirements";
	for (size_t i = 0; i < m->inputs; i++) {
		settle(&m->in[i]);
		if ((s = buffer(m, environment, i, &m->in[i], &m->in_buffers[i], api->input_requirements)))
			return s;
	}
	for (size_t i = 0; i < m->outputs; i++) {
		settle(&m->out[i]);
		if ((s = buffer(m, environment, i, &m->out[i], &m->out_buffers[i], api->output_requirements)))
			return s;
	}
	return 0;
}

int fg_model_open(fg_model *m, const fg_api *api, void *environment, const void *bytes, size_t size,
	const char **step) {
	m->api = api;
	*step = "allocate model";
	if (posix_memalign(&m->bytes, alignment, size))
		return out_of_memory;
	memcpy(m->bytes, bytes, size);

	int s;
	size_t n;
	*step = "LiteRtCreateModelFromBuffer";
	if ((s = api->create_model_from_buffer(environment, m->bytes, size, &m->model)))
		return s;
	*step = "LiteRtGetModelSignature";
	if ((s = api->num_signatures(m->model, &n)))
		return s;
	if (n == 0)
		return unsupported;
	if ((s = api->signature(m->model, 0, &m->signature)))
		return s;
	return tensors(m, step);
}

int fg_model_share(fg_model *m, const fg_model *from, void *environment, const char **step) {
	m->api = from->api;
	m->bytes = from->bytes;
	m->model = from->model;
	m->compiled = from->compiled;
	m->signature = from->signature;
	int s = tensors(m, step);
	return s ? s : buffers(m, environment, step);
}

// add_options hands the library one section of options; the payload is TOML.
static int add_options(const fg_api *api, void *options, const char *section, const char *toml) {
	char *payload = strdup(toml);
	if (!payload)
		return out_of_memory;
	void *opaque = NULL;
	int s = api->create_opaque(section, payload, free, &opaque);
	if (s) {
		free(payload);
		return s;
	}
	if ((s = api->add_opaque(options, opaque)))
		api->destroy_opaque(opaque);
	return s;
}

int fg_model_compile(fg_model *m, void *environment, const char *threads, const char **step) {
	const fg_api *api = m->api;
	void *options = NULL;
	int s;
	*step = "LiteRtCreateOptions";
	if ((s = api->create_options(&options)))
		return s;
	*step = "LiteRtAddOpaqueOptions";
	s = api->set_accelerators(options, accelerator_cpu);
	if (!s)
		s = add_options(api, options, "xnnpack", threads);
	if (!s)
		s = add_options(api, options, "runtime_options_string", "error_reporter_mode = 2\n"); // keep them for fg_model_errors
	if (!s) {
		*step = "LiteRtCreateCompiledModel";
		s = api->create_compiled(environment, m->model, options, &m->compiled);
	}
	api->destroy_options(options);
	if (s)
		return s;

	// A dynamic batch dimension becomes 1: buffers cannot be made for an unknown size.
	for (size_t i = 0; i < m->inputs; i++) {
		fg_tensor *t = &m->in[i];
		if (!settle(t))
			continue;
		*step = "LiteRtCompiledModelResizeInputTensor";
		if ((s = api->resize_input(m->compiled, 0, i, t->type.layout.dims, t->type.layout.rank)))
			return s;
	}
	return buffers(m, environment, step);
}

int fg_model_run(fg_model *m) {
	return m->api->run(m->compiled, 0, m->inputs, m->in_buffers, m->outputs, m->out_buffers);
}

void fg_destroy_environment(const fg_api *api, void *environment) { api->destroy_environment(environment); }

unsigned int fg_rank(const fg_tensor *t) { return t->type.layout.rank; }

const char *fg_run_name(void) { return "LiteRtRunCompiledModel"; }

char *fg_model_errors(fg_model *m) {
	char *text = NULL;
	if (!m->compiled || m->api->error_messages(m->compiled, &text))
		return NULL;
	m->api->clear_errors(m->compiled);
	return text;
}

void fg_model_close(fg_model *m, bool last) {
	const fg_api *api = m->api;
	for (size_t i = 0; m->in && i < m->inputs; i++)
		if (m->in[i].buffer)
			api->destroy_buffer(m->in[i].buffer);
	for (size_t i = 0; m->out && i < m->outputs; i++)
		if (m->out[i].buffer)
			api->destroy_buffer(m->out[i].buffer);
	if (last && m->compiled)
		api->destroy_compiled(m->compiled);
	if (last && m->model)
		api->destroy_model(m->model);
	free(m->in);
	free(m->out);
	free(m->in_buffers);
	free(m->out_buffers);
	if (last)
		free(m->bytes);
	memset(m, 0, sizeof *m);
}
