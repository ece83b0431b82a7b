/* SPDX-License-Identifier: BSD-2-Clause */
/* GPUs, with a stand-in for NVIDIA's library that the test itself compiles and loads. */
#include "file_tree.h"

#include "base/units.h"
#include "io/nvml.h"
#include "io/sampler.h"

/* Three GPUs; the words in the variable STAND_IN say what goes wrong. */
static const char STAND_IN_SOURCE[] =
	"#include <stdlib.h>\n"
	"#include <string.h>\n"
	"struct memory { unsigned long long total, free, used; };\n"
	"struct process { unsigned pid; unsigned long long used; unsigned gi, ci; };\n"
	"static int fails(const char *what)\n"
	"{ const char *mode = getenv(\"STAND_IN\"); return mode && strstr(mode, what) ? 999 : 0; "
	"}\n"
	"int nvmlInit_v2(void) { return fails(\"init\"); }\n"
	"int nvmlShutdown(void) { return setenv(\"STAND_IN_DOWN\", \"1\", 1); }\n"
	"int nvmlDeviceGetCount_v2(unsigned *count)\n"
	"{ *count = fails(\"many\") ? 4000 : 3; return fails(\"count\"); }\n"
	"int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **device)\n"
	"{ *device = (void *)(size_t)(i + 1); return i == 2 ? fails(\"handle2\") : 0; }\n"
	"int nvmlDeviceGetName(void *device, char *name, unsigned size)\n"
	"{ memset(name, 'G', size); if (!fails(\"longname\")) strcpy(name, \"Stand-in GPU\");\n"
	"  return fails(\"noname\"); }\n"
	"int nvmlDeviceGetMemoryInfo(void *device, struct memory *m)\n"
	"{ m->total = 1000ULL * (size_t)device; m->used = fails(\"lies\") ? m->total + 1 : 500;\n"
	"  m->free = m->total - m->used; return device == (void *)2 ? fails(\"memory1\") : 0; }\n"
	"int PROCESSES(void *device, unsigned *count, struct process *p)\n"
	"{ if (fails(\"processes\")) return 7;\n"
	"  if (fails(\"nobody\")) { *count = 0; return 0; }\n"
	"  if (fails(\"untold\")) { *count = 1; p[0] = (struct process){10, ~0ULL}; return 0; }\n"
	"  *count = 3; p[0] = (struct process){10, 100}; p[1] = (struct process){11, 30};\n"
	"  p[2] = (struct process){12, fails(\"unknown\") ? ~0ULL : fails(\"toomuch\") ? ~1ULL : "
	"7};\n"
	"  return 0; }\n";

struct fixture {
	struct file_tree tree;
	struct nvml *nvml;
	struct event_resource resources[NVML_DEVICES_MAX];
};

static void compile(const struct fixture *fixture, const char *processes_function)
{
	char command[512];
	FILE *compiler;

	(void)snprintf(command, sizeof(command),
		       "cc -shared -fPIC -w -DPROCESSES=%s -x c - -o %s/nvml.so",
		       processes_function, fixture->tree.root);
	compiler = popen(command, "we");
	assert_non_null(compiler);
	assert_true(fputs(STAND_IN_SOURCE, compiler) >= 0);
	assert_int_equal(pclose(compiler), 0);
	assert_int_equal(setenv("TIERD_NVML_LIBRARY", file_tree_path(&fixture->tree, "nvml.so"), 1),
			 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	compile(fixture, "nvmlDeviceGetComputeRunningProcesses_v3");
	(void)unsetenv("STAND_IN");
	(void)unsetenv("STAND_IN_DOWN");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	nvml_destroy(fixture->nvml);
	(void)unsetenv("TIERD_NVML_LIBRARY");
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static bool is_even(void *context, uint32_t pid)
{
	(void)context;
	return pid % 2 == 0;
}

static unsigned int read_all(struct fixture *fixture)
{
	return nvml_read(fixture->nvml, is_even, NULL, fixture->resources, NVML_DEVICES_MAX);
}

static void test_all_devices_are_read(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(nvml_create(&fixture->nvml), 0);
	assert_null(nvml_get_problem(fixture->nvml));
	assert_int_equal(nvml_get_device_count(fixture->nvml), 3);
	assert_string_equal(nvml_get_name(fixture->nvml, 1), "Stand-in GPU");
	assert_int_equal(nvml_get_total_bytes(fixture->nvml, 1), 2000);
	assert_int_equal(read_all(fixture), 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(fixture->resources[i].kind, RESOURCE_VRAM);
		assert_int_equal(fixture->resources[i].index, i);
		assert_int_equal(fixture->resources[i].capacity_bytes, 1000 * (i + 1));
		assert_int_equal(fixture->resources[i].used_bytes, 500);
		assert_int_equal(fixture->resources[i].model_bytes, 107);
	}
	assert_int_equal(nvml_get_failures(fixture->nvml), 0);
	assert_int_equal(nvml_read(fixture->nvml, is_even, NULL, fixture->resources, 2), 2);
	nvml_destroy(fixture->nvml);
	fixture->nvml = NULL;
	assert_string_equal(getenv("STAND_IN_DOWN"), "1");
}

static void test_older_library(void **state)
{
	struct fixture *fixture = *state;

	compile(fixture, "nvmlDeviceGetComputeRunningProcesses_v2");
	assert_int_equal(nvml_create(&fixture->nvml), 0);
	assert_int_equal(read_all(fixture), 3);
	nvml_destroy(fixture->nvml);
	compile(fixture, "nvmlDeviceGetComputeRunningProcesses");
	assert_int_equal(nvml_create(&fixture->nvml), 0);
	assert_non_null(strstr(nvml_get_problem(fixture->nvml), "too old"));
	assert_int_equal(read_all(fixture), 0);
}

static void test_no_library(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(setenv("TIERD_NVML_LIBRARY", "/nowhere/nvml.so", 1), 0);
	assert_int_equal(nvml_create(&fixture->nvml), 0);
	assert_non_null(nvml_get_problem(fixture->nvml));
	assert_int_equal(nvml_get_device_count(fixture->nvml), 0);
	assert_int_equal(read_all(fixture), 0);
	assert_int_equal(nvml_get_failures(fixture->nvml), 0);
}

static void test_driver_that_fails(void **state)
{
	static const char *const MODES[] = {"init", "count"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(MODES); i++) {
		assert_int_equal(setenv("STAND_IN", MODES[i], 1), 0);
		assert_int_equal(nvml_create(&fixture->nvml), 0);
		assert_non_null(nvml_get_problem(fixture->nvml));
		assert_int_equal(nvml_get_device_count(fixture->nvml), 0);
		nvml_destroy(fixture->nvml);
		fixture->nvml = NULL;
	}
}

static void test_device_that_never_could_be_read_is_left_out(void **state)
{
	static const struct {
		const char *mode;
		unsigned int count;
		uint32_t second_index;
	} CASES[] = {
		{"memory1", 2, 2},
		{"handle2", 2, 1},
		{"processes", 0, 0},
		{"lies", 0, 0},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		assert_int_equal(setenv("STAND_IN", CASES[i].mode, 1), 0);
		assert_int_equal(nvml_create(&fixture->nvml), 0);
		assert_int_equal(read_all(fixture), CASES[i].count);
		assert_int_equal(nvml_get_failures(fixture->nvml), 3 - CASES[i].count);
		assert_int_equal(read_all(fixture), CASES[i].count);
		assert_int_equal(nvml_get_failures(fixture->nvml), 3 - CASES[i].count); /* once */
		if (CASES[i].count > 1)
			assert_int_equal(fixture->resources[1].index, CASES[i].second_index);
		nvml_destroy(fixture->nvml);
		fixture->nvml = NULL;
	}
}

/* Without it, its memory would look like no constraint. */
static void test_device_that_fails_later_keeps_its_values(void **state)
{
	static const struct {
		const char *mode;
		unsigned int failures;
	} CASES[] = {{"memory1", 1}, {"processes", 3}, {"lies", 3}};
	struct fixture *fixture = *state;
	uint64_t failures = 0;

	assert_int_equal(nvml_create(&fixture->nvml), 0);
	assert_int_equal(read_all(fixture), 3);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(CASES); i++) {
		assert_int_equal(setenv("STAND_IN", CASES[i / 2].mode, 1), 0);
		memset(fixture->resources, 0, sizeof(fixture->resources));
		assert_int_equal(read_all(fixture), 3);
		assert_int_equal(fixture->resources[1].kind, RESOURCE_VRAM);
		assert_int_equal(fixture->resources[1].index, 1);
		assert_int_equal(fixture->resources[1].capacity_bytes, 2000);
		assert_int_equal(fixture->resources[1].used_bytes, 500);
		assert_int_equal(fixture->resources[1].model_bytes, 107);
		failures += CASES[i / 2].failures;
		assert_int_equal(nvml_get_failures(fixture->nvml), failures);
	}
	assert_int_equal(setenv("STAND_IN", "unknown", 1), 0);
	assert_int_equal(read_all(fixture), 3);
	assert_int_equal(fixture->resources[1].model_bytes, 100);
	assert_int_equal(nvml_get_failures(fixture->nvml), failures);
}

static uint32_t sampled_flags(const struct fixture *fixture)
{
	const struct sampler_config config = {.nvml = fixture->nvml};
	struct event_sample sample;
	struct sampler *sampler;

	assert_int_equal(sampler_create(&config, &sampler), 0);
	assert_int_equal(sampler_take(sampler, 1, &sample), 0);
	sampler_destroy(sampler);
	return sample.flags;
}

/* Nobody is there, or it is not said what they hold. */
static void test_driver_that_tells_of_no_process(void **state)
{
	static const char *const MODES[] = {"nobody", "untold"};
	struct fixture *fixture = *state;

	assert_int_equal(nvml_create(&fixture->nvml), 0);
	for (size_t i = 0; i < ARRAY_SIZE(MODES); i++) {
		assert_int_equal(setenv("STAND_IN", MODES[i], 1), 0);
		assert_int_equal(read_all(fixture), 3);
		assert_int_equal(fixture->resources[0].model_bytes, 0);
		assert_false(nvml_has_told(fixture->nvml));
		assert_int_equal(sampled_flags(fixture), SAMPLE_VRAM_UNTOLD);
		assert_int_equal(setenv("STAND_IN", "unknown", 1), 0); /* of one of them */
		assert_int_equal(read_all(fixture), 3);
		assert_true(nvml_has_told(fixture->nvml));
		assert_int_equal(sampled_flags(fixture), 0);
	}
}

static void test_odd_answers(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(setenv("STAND_IN", "many,longname,unknown", 1), 0);
	assert_int_equal(nvml_create(&fixture->nvml), 0);
	assert_int_equal(nvml_get_device_count(fixture->nvml), NVML_DEVICES_MAX);
	assert_int_equal(strlen(nvml_get_name(fixture->nvml, 0)), NVML_NAME_LEN - 1);
	assert_int_equal(read_all(fixture), NVML_DEVICES_MAX);
	assert_int_equal(fixture->resources[0].model_bytes, 100);
	assert_int_equal(setenv("STAND_IN", "toomuch,noname", 1), 0);
	assert_true(read_all(fixture) > 0);
	assert_int_equal(fixture->resources[0].model_bytes, 500); /* at most what is used */
	nvml_destroy(fixture->nvml);
	assert_int_equal(nvml_create(&fixture->nvml), 0);
	assert_string_equal(nvml_get_name(fixture->nvml, 0), "");
}

#define NVML_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NVML_TEST(test_all_devices_are_read),
		NVML_TEST(test_older_library),
		NVML_TEST(test_no_library),
		NVML_TEST(test_driver_that_fails),
		NVML_TEST(test_device_that_never_could_be_read_is_left_out),
		NVML_TEST(test_device_that_fails_later_keeps_its_values),
		NVML_TEST(test_driver_that_tells_of_no_process),
		NVML_TEST(test_odd_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
