/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proportional sizes that the kernel takes long to tell: no sample waits for them for long, often,
 * or in vain again and again, and no footprint is made up meanwhile.
 */
#include "sampler_files.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "base/units.h"
#include "io/loop.h"
#include "io/proc.h"
#include "io/pss_reader.h"
#include "io/sampler.h"

#define PLAIN_BYTES ((1000 + 100 + 10 + 2000 + 100 + 5) * KIB)
#define SHARED_BYTES ((800 + 50 + 5 + 1700 + 50 + 4) * KIB)
#define SHARED_KEPT_BYTES ((800 + 50 + 3000 + 1700 + 50 + 4) * KIB)
/* More than a sixteenth more. */
#define GROWN_BYTES (1000 * KIB)
#define LONG_NS (60 * NS_PER_S)

enum {
	TRIES = 10000,      /* of a millisecond */
	HANG_TRIES = 20000, /* so that a sample that waits for it fails, and does not hang */
};

/* What reading does; one for all, as the call has no context. */
static struct {
	_Atomic bool is_hanging;
	_Atomic uint64_t cpu_ns; /* takes so much CPU time */
	_Atomic unsigned int calls;
	_Atomic unsigned int inside;
} reading;

static uint64_t cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static int fake_read(int proc_fd, const char *name, char *buffer, size_t size)
{
	uint64_t end_ns = cpu_ns() + reading.cpu_ns;
	int result;

	reading.inside++;
	reading.calls++;
	for (int i = 0; i < HANG_TRIES && reading.is_hanging; i++)
		usleep(1000);
	while (cpu_ns() < end_ns)
		continue;
	result = proc_read_file(proc_fd, name, buffer, size);
	reading.inside--;
	return result;
}

/* Whether somebody reads. */
static void wait_for_reading(bool is_wanted)
{
	for (int i = 0; i < TRIES && (reading.inside > 0) != is_wanted; i++)
		usleep(1000);
	assert_int_equal(reading.inside > 0, is_wanted);
}

static int set_up(void **state)
{
	struct sampler_host *fixture = calloc(1, sizeof(*fixture));
	const struct model_config config = {
		.proc_root = fixture->proc_root,
		.hierarchy = &fixture->hierarchy,
		.group = "a/b",
	};

	assert_non_null(fixture);
	sampler_host_open(fixture);
	file_tree_fill(&fixture->tree, MODEL, ARRAY_SIZE(MODEL));
	file_tree_write(&fixture->tree, "cgroup/a/b/memory.usage_in_bytes", "2000\n");
	assert_int_equal(model_create(&config, &fixture->model), 0);
	reading.is_hanging = false;
	reading.cpu_ns = 0;
	reading.calls = 0;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct sampler_host *fixture = *state;

	reading.is_hanging = false;
	wait_for_reading(false);
	sampler_host_close(fixture);
	return 0;
}

static int try_sampler(struct sampler_host *fixture, uint64_t wait_ns)
{
	const struct sampler_config config = {
		.proc_root = fixture->proc_root,
		.model = fixture->model,
		.read_pss = fake_read,
		.pss_wait_ns = wait_ns,
	};

	return sampler_create(&config, &fixture->sampler);
}

static void make_sampler(struct sampler_host *fixture, uint64_t wait_ns)
{
	assert_int_equal(try_sampler(fixture, wait_ns), 0);
}

/* Returns how long it took. */
static uint64_t take(struct sampler_host *fixture)
{
	uint64_t begin_ns = loop_now_ns();

	assert_int_equal(sampler_take(fixture->sampler, fixture->now_ns, &fixture->sample), 0);
	return loop_now_ns() - begin_ns;
}

static uint64_t model_bytes(const struct sampler_host *fixture)
{
	return fixture->sample.resources[0].model_bytes;
}

static void take_until_known(struct sampler_host *fixture)
{
	for (int i = 0; i < TRIES && fixture->sample.model_footprint_bytes == 0; i++) {
		usleep(1000);
		take(fixture);
	}
	assert_true(fixture->sample.model_footprint_bytes > 0);
}

static void grow(const struct sampler_host *fixture)
{
	file_tree_write(&fixture->tree, "proc/10/status", STATUS("2000", "100", "5000", "10"));
}

/* A process that does as the first one, in the same group. */
static void add_process(const struct sampler_host *fixture, const char *pid)
{
	static const char *const NAMES[] = {"stat", "status", "smaps_rollup", "cgroup"};
	const char *const texts[] = {NULL, STATUS("1000", "100", "5000", "10"),
				     ROLLUP("800", "50", "3000", "5"), "4:memory:/a/b\n"};
	char path[128];
	char text[256];

	(void)snprintf(text, sizeof(text), PROC_STAT("%s"), pid);
	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		(void)snprintf(path, sizeof(path), "proc/%s/%s", pid, NAMES[i]);
		file_tree_write(&fixture->tree, path, texts[i] ? texts[i] : text);
	}
	(void)snprintf(path, sizeof(path), "proc/%s/task/%s/children", pid, pid);
	file_tree_write(&fixture->tree, path, "");
	(void)snprintf(text, sizeof(text), "10\n11\n%s\n", pid);
	file_tree_write(&fixture->tree, "cgroup/a/b/cgroup.procs", text);
	model_request_scan(fixture->model);
}

static void test_a_reading_that_hangs_holds_up_no_sample(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, 0);
	reading.is_hanging = true;
	for (int i = 0; i < 10; i++) {
		assert_true(take(fixture) < NS_PER_S);
		assert_int_equal(fixture->sample.model_processes, 2);
		assert_int_equal(model_bytes(fixture), PLAIN_BYTES);
		assert_int_equal(fixture->sample.model_footprint_bytes, 0);
		fixture->now_ns += NS_PER_S;
	}
	reading.is_hanging = false;
	take_until_known(fixture);
	assert_int_equal(model_bytes(fixture), SHARED_BYTES);
	assert_int_equal(fixture->sample.model_footprint_bytes, SHARED_KEPT_BYTES);
}

/* The sampler may go while its thread reads. */
static void test_the_end_waits_for_nothing(void **state)
{
	struct sampler_host *fixture = *state;
	uint64_t begin_ns;

	make_sampler(fixture, 0);
	reading.is_hanging = true;
	take(fixture);
	wait_for_reading(true);
	begin_ns = loop_now_ns();
	sampler_destroy(fixture->sampler);
	fixture->sampler = NULL;
	assert_true(loop_now_ns() - begin_ns < NS_PER_S);
}

/* As when a configuration is read again and again meanwhile. */
static void test_those_that_hang_are_bounded(void **state)
{
	struct sampler_host *fixture = *state;
	int result = 0;

	reading.is_hanging = true;
	for (unsigned int i = 0; result == 0 && i < 2 * PSS_READERS_MAX; i++) {
		result = try_sampler(fixture, NS_PER_MS);
		if (result < 0)
			break;
		take(fixture);
		for (int try = 0; try < TRIES && reading.inside <= i; try++)
			usleep(1000);
		sampler_destroy(fixture->sampler);
		fixture->sampler = NULL;
	}
	assert_int_equal(result, -EAGAIN);
	assert_true(reading.inside <= PSS_READERS_MAX);
	reading.is_hanging = false;
	wait_for_reading(false);
	for (int i = 0; i < TRIES && try_sampler(fixture, 0) < 0; i++)
		usleep(1000);
	assert_non_null(fixture->sampler);
}

/* Known shares move with the plain size while the next reading hangs. */
static void test_known_shares_stand_while_a_reading_hangs(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, NS_PER_MS);
	take(fixture);
	take_until_known(fixture);
	reading.is_hanging = true;
	grow(fixture);
	fixture->now_ns += SAMPLER_PSS_PERIOD_S * NS_PER_S;
	assert_true(take(fixture) < NS_PER_S);
	assert_int_equal(model_bytes(fixture), SHARED_BYTES + GROWN_BYTES);
	assert_int_equal(fixture->sample.model_footprint_bytes, SHARED_KEPT_BYTES + GROWN_BYTES);
}

/* What it grew by may be in the answer that comes late, or not: it must not count twice. */
static void test_an_answer_to_an_old_question_is_not_taken(void **state)
{
	struct sampler_host *fixture = *state;
	const uint64_t grown_bytes = (2000 + 100 + 10 + 1700 + 50 + 4) * KIB;

	make_sampler(fixture, 0);
	reading.is_hanging = true;
	take(fixture);
	wait_for_reading(true);
	grow(fixture);
	file_tree_write(&fixture->tree, "proc/10/smaps_rollup", ROLLUP("1800", "50", "3000", "5"));
	reading.is_hanging = false;
	for (int i = 0; i < TRIES && model_bytes(fixture) != grown_bytes; i++) {
		usleep(1000);
		take(fixture);
	}
	assert_int_equal(model_bytes(fixture), grown_bytes);
	assert_int_equal(fixture->sample.model_footprint_bytes, 0);
	fixture->now_ns += NS_PER_S;
	take(fixture);
	take_until_known(fixture);
	assert_int_equal(model_bytes(fixture), SHARED_BYTES + GROWN_BYTES);
	assert_int_equal(reading.calls, 3);
}

/* New processes are asked for at once, but only one wait in vain is spent on them in a second. */
static void test_waits_in_vain_are_rare(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, NS_PER_S);
	reading.is_hanging = true;
	assert_true(take(fixture) >= NS_PER_S);
	reading.is_hanging = false;
	take_until_known(fixture);
	reading.is_hanging = true;
	fixture->now_ns += NS_PER_S / 2;
	add_process(fixture, "12");
	assert_true(take(fixture) < NS_PER_S);
	assert_int_equal(fixture->sample.model_processes, 3);
	assert_int_equal(fixture->sample.model_footprint_bytes, 0);
	reading.is_hanging = false;
	take_until_known(fixture);
	assert_int_equal(model_bytes(fixture), SHARED_BYTES + (800 + 50 + 5) * KIB);
	assert_int_equal(reading.calls, 3);
}

static void test_the_reader_rests_a_hundred_times_as_long(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, LONG_NS);
	reading.cpu_ns = 20 * NS_PER_MS;
	take(fixture);
	assert_int_equal(reading.calls, 2);
	grow(fixture);
	fixture->now_ns += 39 * NS_PER_S / 10;
	take(fixture);
	assert_int_equal(reading.calls, 2);
	assert_int_equal(model_bytes(fixture), SHARED_BYTES + GROWN_BYTES);
	/* What was never read does not wait for that. */
	reading.cpu_ns = 0;
	add_process(fixture, "12");
	take(fixture);
	assert_int_equal(reading.calls, 3);
	assert_true(fixture->sample.model_footprint_bytes > 0);
	/* Twice as long, for what else the thread does. */
	fixture->now_ns += 4 * NS_PER_S;
	take(fixture);
	assert_int_equal(reading.calls, 4);
}

/* ... but a figure does not grow older than that. */
static void test_a_rest_has_an_end(void **state)
{
	struct sampler_host *fixture = *state;

	make_sampler(fixture, LONG_NS);
	reading.cpu_ns = 250 * NS_PER_MS;
	take(fixture);
	grow(fixture);
	fixture->now_ns += SAMPLER_PSS_PERIOD_S * NS_PER_S - 1;
	take(fixture);
	assert_int_equal(reading.calls, 2);
	reading.cpu_ns = 0;
	fixture->now_ns++;
	take(fixture);
	assert_int_equal(reading.calls, 4);
}

#define SHARES_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARES_TEST(test_a_reading_that_hangs_holds_up_no_sample),
		SHARES_TEST(test_the_end_waits_for_nothing),
		SHARES_TEST(test_those_that_hang_are_bounded),
		SHARES_TEST(test_known_shares_stand_while_a_reading_hangs),
		SHARES_TEST(test_an_answer_to_an_old_question_is_not_taken),
		SHARES_TEST(test_waits_in_vain_are_rare),
		SHARES_TEST(test_the_reader_rests_a_hundred_times_as_long),
		SHARES_TEST(test_a_rest_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
