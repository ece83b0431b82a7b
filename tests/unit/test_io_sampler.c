/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples from an invented /proc and cgroup mount, with hostile contents, and from this host. */
#include "sampler_files.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/units.h"
#include "io/loop.h"
#include "io/sampler.h"

static pid_t child_pid; /* of one test */

static int set_up(void **state)
{
	struct sampler_host *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	sampler_host_open(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct sampler_host *fixture = *state;

	if (child_pid > 0) {
		(void)kill(child_pid, SIGKILL);
		(void)waitpid(child_pid, NULL, 0);
	}
	child_pid = 0;
	sampler_host_close(fixture);
	return 0;
}

static void make_only_sampler(struct sampler_host *fixture)
{
	const struct sampler_config config = {
		.proc_root = fixture->proc_root,
		.model = fixture->model,
		.pss_wait_ns = 60 * NS_PER_S, /* what is read counts in the same sample */
	};

	fixture->sampler = NULL;
	assert_int_equal(sampler_create(&config, &fixture->sampler), 0);
}

static void make_sampler(struct sampler_host *fixture, const char *group)
{
	const struct model_config model_config = {
		.proc_root = fixture->proc_root,
		.hierarchy = &fixture->hierarchy,
		.group = group,
	};

	if (group) {
		file_tree_fill(&fixture->tree, MODEL, ARRAY_SIZE(MODEL));
		assert_int_equal(model_create(&model_config, &fixture->model), 0);
	}
	make_only_sampler(fixture);
}

static int take(struct sampler_host *fixture)
{
	return sampler_take(fixture->sampler, fixture->now_ns, &fixture->sample);
}

static void test_host(void **state)
{
	struct sampler_host *fixture = *state;
	const struct event_sample *sample = &fixture->sample;
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);

	make_sampler(fixture, NULL);
	assert_int_equal(take(fixture), 0);
	assert_int_equal(sample->resource_count, 1);
	assert_int_equal(sample->resources[0].kind, RESOURCE_HOST_MEMORY);
	assert_int_equal(sample->resources[0].capacity_bytes, 1000000 * KIB);
	assert_int_equal(sample->resources[0].used_bytes, 600000 * KIB);
	assert_int_equal(sample->resources[0].model_bytes, 0);
	assert_int_equal(sample->model_processes, 0);
	assert_int_equal(sample->swap_total_bytes, 2000 * KIB);
	assert_int_equal(sample->swap_free_bytes, 500 * KIB);
	assert_int_equal(sample->cpu_count, 2);
	/* user nice system irq softirq steal */
	assert_int_equal(sample->cpu_busy_ns, (100 + 20 + 30 + 6 + 7 + 8) * tick_ns);
	assert_int_equal(sample->psi_cpu_some_ns, 11000);
	assert_int_equal(sample->psi_mem_some_ns, 22000);
	assert_int_equal(sample->psi_mem_full_ns, 33000);
	assert_int_equal(sample->psi_io_some_ns, 44000);
	assert_int_equal(sample->psi_io_full_ns, 55000);
	assert_int_equal(sample->own_rss_bytes, 50 * sysconf(_SC_PAGESIZE));
	assert_true(sample->own_cpu_ns > 0);
	assert_int_equal(sample->host_scan_pages, 700 + 30);
	/* The open files are read again, not remembered. */
	file_tree_write(
		&fixture->tree, "proc/meminfo",
		"MemTotal: 1000 kB\nMemAvailable: 1000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(sample->resources[0].used_bytes, 0);
}

static void test_no_psi(void **state)
{
	struct sampler_host *fixture = *state;

	file_tree_remove_below(&fixture->tree, "proc/pressure");
	make_sampler(fixture, NULL);
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.psi_mem_some_ns, 0);
}

static void test_no_vmstat(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, NULL);
	file_tree_write(&fixture->tree, "proc/vmstat", "pgscan_direct_throttle 9\n");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.host_scan_pages, 0);
	sampler_destroy(fixture->sampler);
	file_tree_unlink(&fixture->tree, "proc/vmstat");
	make_only_sampler(fixture);
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.host_scan_pages, 0);
}

static void test_missing_files_are_errors(void **state)
{
	static const char *const PATHS[] = {"proc/meminfo", "proc/stat", "proc/self/statm"};
	struct sampler_host *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(PATHS); i++) {
		struct sampler_config config = {.proc_root = fixture->proc_root};

		file_tree_fill(&fixture->tree, HOST, ARRAY_SIZE(HOST));
		file_tree_unlink(&fixture->tree, PATHS[i]);
		assert_int_equal(sampler_create(&config, &fixture->sampler), -ENOENT);
		assert_null(fixture->sampler);
	}
}

static void test_garbled_host_files_are_errors(void **state)
{
	static const struct file_tree_entry BAD[] = {
		{"proc/meminfo", ""},
		{"proc/meminfo", "MemTotal: 1 kB\n"},
		{"proc/meminfo",
		 "MemTotal: 0 kB\nMemAvailable: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"},
		{"proc/meminfo",
		 "MemTotal: 1 kB\nMemAvailable: 2 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"},
		{"proc/meminfo",
		 "MemTotal: 3 kB\nMemAvailable: x\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"},
		{"proc/meminfo",
		 "MemTotal: 3 kB\nMemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 9 kB\n"},
		{"proc/meminfo", "MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n"},
		{"proc/meminfo", "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n"},
		{"proc/stat", ""},
		{"proc/stat", "cpu0 1 2 3 4 5 6 7 8\n"},
		{"proc/stat", "cpu  1 2 3 4 5 6 7\ncpu0 1 2 3 4 5 6 7\n"},
		{"proc/stat", "cpu  1 2 3 4 x 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n"},
		{"proc/stat", "cpu  18446744073709551615 1 1 1 1 1 1 1\ncpu0 1 2 3 4 5 6 7 8\n"},
		{"proc/stat", "cpu  1 2 3 4 5 6 7 8\n"},
		{"proc/pressure/cpu", ""},
		{"proc/pressure/memory", "some avg10=0.00 total=1\n"},
		{"proc/pressure/memory", "some avg10=0.00\nfull avg10=0.00 total=1\n"},
		{"proc/pressure/io", PSI("18446744073709551615", "1")},
		{"proc/pressure/io", PSI("-1", "1")},
		{"proc/self/statm", "1000\n"},
		{"proc/self/statm", "1000 18446744073709551615\n"},
	};
	struct sampler_host *fixture = *state;
	struct event_sample before;

	make_sampler(fixture, NULL);
	memset(&fixture->sample, 0x5a, sizeof(fixture->sample));
	before = fixture->sample;
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		file_tree_fill(&fixture->tree, HOST, ARRAY_SIZE(HOST));
		file_tree_write(&fixture->tree, BAD[i].path, BAD[i].text);
		assert_int_equal(take(fixture), -EBADMSG);
		assert_memory_equal(&fixture->sample, &before, sizeof(before));
	}
	file_tree_fill(&fixture->tree, HOST, ARRAY_SIZE(HOST));
	assert_int_equal(take(fixture), 0);
}

/* ---- the model ------------------------------------------------------------------------------- */

static void test_groups_and_shared_pages(void **state)
{
	struct sampler_host *fixture = *state;
	const struct event_sample *sample = &fixture->sample;
	uint64_t first = (800 + 50 + 5) * KIB;
	uint64_t second = (1700 + 50 + 4) * KIB; /* locked is more than what is mapped */

	make_sampler(fixture, "a/b");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(sample->model_processes, 2);
	assert_int_equal(sample->resource_count, 3); /* the root has no limit */
	assert_int_equal(sample->resources[0].model_bytes, first + second);
	assert_int_equal(sample->resources[1].kind, RESOURCE_GROUP_MEMORY);
	assert_int_equal(sample->resources[1].index, 0);
	assert_int_equal(sample->resources[1].capacity_bytes, 256000000);
	assert_int_equal(sample->resources[1].used_bytes, 100000000);
	assert_int_equal(sample->resources[1].model_bytes, first);
	assert_int_equal(sample->resources[2].index, 1);
	assert_int_equal(sample->resources[2].capacity_bytes, 512000000);
	assert_int_equal(sample->resources[2].used_bytes, 300000000 - 3000);
	assert_int_equal(sample->resources[2].model_bytes, first + second);
}

/* What the group is charged for counts where that is more. */
static void test_footprint_holds_mapped_files(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, "a/b");
	file_tree_write(&fixture->tree, "cgroup/a/b/memory.usage_in_bytes", "2000000\n");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.model_footprint_bytes,
			 (800 + 50 + 3000 + 1700 + 50 + 4) * KIB);
	file_tree_write(&fixture->tree, "cgroup/a/b/memory.stat",
			"total_active_file 500000\ntotal_inactive_file 0\n"
			"total_mapped_file 9000000\ntotal_shmem 1000000\n");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.model_footprint_bytes, 1500000 + 8000000);
}

static void test_one_process_needs_no_shares(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, "a/b");
	file_tree_write(&fixture->tree, "cgroup/a/b/cgroup.procs", "10\n");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.model_processes, 1);
	assert_int_equal(fixture->sample.resources[0].model_bytes, (1000 + 100 + 10) * KIB);
	/* Never more than what is used in all. */
	file_tree_write(&fixture->tree, "proc/10/status", STATUS("999999999", "0", "0", "0"));
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resources[0].model_bytes,
			 fixture->sample.resources[0].used_bytes);
}

static void test_shares_are_read_again_when_it_pays(void **state)
{
	struct sampler_host *fixture = *state;
	uint64_t other = (1700 + 50 + 4) * KIB;

	make_sampler(fixture, "a/b");
	assert_int_equal(take(fixture), 0);
	file_tree_write(&fixture->tree, "proc/10/smaps_rollup", ROLLUP("400", "50", "3000", "5"));
	/* Little has changed: the old share, moved by the change. */
	fixture->now_ns += 2 * NS_PER_S;
	file_tree_write(&fixture->tree, "proc/10/status", STATUS("1060", "100", "5000", "10"));
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resources[0].model_bytes, (860 + 50 + 5) * KIB + other);
	/* Much has changed, but just now it was read. */
	sampler_destroy(fixture->sampler);
	make_only_sampler(fixture);
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resources[0].model_bytes, (400 + 50 + 5) * KIB + other);
	file_tree_write(&fixture->tree, "proc/10/smaps_rollup", ROLLUP("3000", "50", "3000", "5"));
	file_tree_write(&fixture->tree, "proc/10/status", STATUS("4060", "100", "5000", "10"));
	fixture->now_ns += NS_PER_S / 2;
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resources[0].model_bytes, (3400 + 50 + 5) * KIB + other);
	fixture->now_ns += NS_PER_S / 2;
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resources[0].model_bytes, (3000 + 50 + 5) * KIB + other);
	/* Nothing has changed, but it is old. */
	file_tree_write(&fixture->tree, "proc/10/smaps_rollup", ROLLUP("2000", "50", "3000", "5"));
	fixture->now_ns += SAMPLER_PSS_PERIOD_S * NS_PER_S;
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resources[0].model_bytes, (2000 + 50 + 5) * KIB + other);
}

static void test_shares_that_cannot_be_read(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, "a/b");
	file_tree_write(&fixture->tree, "proc/10/smaps_rollup", "Rss: 1 kB\n");
	file_tree_unlink(&fixture->tree, "proc/11/smaps_rollup");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resources[0].model_bytes,
			 (1000 + 100 + 10 + 2000 + 100 + 5) * KIB);
}

static void test_processes_that_end_or_lie(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, "a/b");
	file_tree_write(&fixture->tree, "proc/11/status", "Name:\tx\nState:\tZ (zombie)\n");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.model_processes, 1);
	file_tree_unlink(&fixture->tree, "proc/11/status");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.model_processes, 1);
}

static const struct file_tree_entry BAD_MODELS[] = {
	{"proc/11/status", "garbage"},
	{"proc/11/status", "Name:\tx\nRssAnon:\t1 kB\n"},
	{"proc/11/status", STATUS("1e9", "0", "0", "0")},
	{"cgroup/a/memory.usage_in_bytes", "lots\n"},
	{"cgroup/a/b/cgroup.procs", "10\nx\n"},
};

/* The agent must not go blind for the host because of one bad file of the model. */
static void test_model_that_cannot_be_read_is_counted(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, "a/b");
	assert_int_equal(take(fixture), 0);
	for (size_t i = 0; i < ARRAY_SIZE(BAD_MODELS); i++) {
		file_tree_fill(&fixture->tree, MODEL, ARRAY_SIZE(MODEL));
		file_tree_write(&fixture->tree, BAD_MODELS[i].path, BAD_MODELS[i].text);
		assert_int_equal(sampler_get_model_failures(fixture->sampler), i);
		assert_int_equal(take(fixture), 0);
		assert_int_equal(sampler_get_model_failures(fixture->sampler), i + 1);
		assert_int_equal(fixture->sample.model_processes, 0);
		assert_int_equal(fixture->sample.resource_count, 1);
		assert_int_equal(fixture->sample.resources[0].used_bytes, 600000 * KIB);
		assert_int_equal(fixture->sample.resources[0].model_bytes, 0);
	}
	file_tree_write(&fixture->tree, "proc/meminfo", "");
	assert_int_equal(take(fixture), -EBADMSG);
}

static void test_group_that_comes_and_goes(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, "a/b");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resource_count, 3);
	file_tree_remove_below(&fixture->tree, "cgroup/a/b");
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resource_count, 1);
	file_tree_fill(&fixture->tree, MODEL, ARRAY_SIZE(MODEL));
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.resource_count, 3);
}

/* ---- this host ------------------------------------------------------------------------------- */

enum {
	CHILD_BYTES = 64 * 1024 * 1024,
};

static pid_t spawn_holder(void)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		char *memory = mmap(NULL, CHILD_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED)
			_exit(1);
		memset(memory, 1, CHILD_BYTES);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void test_this_host(void **state)
{
	static struct cgroup_hierarchy hierarchy;
	struct sampler_host *fixture = *state;
	const struct model_config model_config = {.hierarchy = &hierarchy};
	struct sampler_config config = {0};
	const struct event_resource *host = &fixture->sample.resources[0];

	child_pid = spawn_holder();
	assert_int_equal(cgroup_find_hierarchy("/proc", &hierarchy), 0);
	assert_int_equal(model_create(&model_config, &fixture->model), 0);
	model_set_hello_pid(fixture->model, (uint32_t)child_pid);
	config.model = fixture->model;
	assert_int_equal(sampler_create(&config, &fixture->sampler), 0);
	fixture->now_ns = loop_now_ns();
	assert_int_equal(take(fixture), 0);
	assert_int_equal(fixture->sample.model_processes, 1);
	assert_true(host->model_bytes >= CHILD_BYTES);
	assert_true(host->used_bytes >= host->model_bytes);
	assert_true(host->capacity_bytes > host->used_bytes);
	assert_int_equal(fixture->sample.cpu_count, sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(fixture->sample.cpu_busy_ns > 0);
}

#define SAMPLER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SAMPLER_TEST(test_host),
		SAMPLER_TEST(test_no_psi),
		SAMPLER_TEST(test_no_vmstat),
		SAMPLER_TEST(test_missing_files_are_errors),
		SAMPLER_TEST(test_garbled_host_files_are_errors),
		SAMPLER_TEST(test_groups_and_shared_pages),
		SAMPLER_TEST(test_footprint_holds_mapped_files),
		SAMPLER_TEST(test_one_process_needs_no_shares),
		SAMPLER_TEST(test_shares_are_read_again_when_it_pays),
		SAMPLER_TEST(test_shares_that_cannot_be_read),
		SAMPLER_TEST(test_processes_that_end_or_lie),
		SAMPLER_TEST(test_model_that_cannot_be_read_is_counted),
		SAMPLER_TEST(test_group_that_comes_and_goes),
		SAMPLER_TEST(test_this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
