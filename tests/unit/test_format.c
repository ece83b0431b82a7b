/* SPDX-License-Identifier: BSD-2-Clause */
/* Decisions and status as text: complete, stable, and harmless whatever a process calls itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "app/format.h"
#include "base/units.h"

enum {
	TEXT_LEN = 64 * 1024,
};

static const struct ladder LADDER = {
	.count = 3,
	.tiers = {{.name = "off"}, {.name = "small"}, {.name = "large"}},
};

/* Not terminated: the field is full. */
static const char HOSTILE[RECORD_COMM_LEN] = {'"', '\n', '\xff', '\\', '}', '\x1b', '[', '2',
					      'J', 'a',  'b',    'c',  'd', 'e',    'f', 'g'};

static struct decision make_decision(void)
{
	struct decision decision = {
		.time_ns = 12 * NS_PER_S,
		.seq = 7,
		.action = DECISION_SWITCH,
		.reason = REASON_STALL_OVER_URGENT,
		.mode = SWITCH_IMMEDIATE,
		.source = SOURCE_BPF,
		.from = 2,
		.to = 1,
		.worst = {.kind = RESOURCE_GROUP_MEMORY,
			  .index = 1,
			  .capacity_bytes = 16 * GIB,
			  .others_bytes = 4 * GIB,
			  .use_permyriad = 9340,
			  .target_permyriad = 6120,
			  .peak_permyriad = 6500},
		.others_stall_urgent_permyriad = 5210,
		.stall_urgent_permyriad = 4000,
		.trend_permyriad_per_min = -12,
		.victim = {.pid = 11, .comm = "victim", .amount = 812 * NS_PER_MS},
		.culprit = {.pid = 22, .comm = "hog", .cgroup_id = 5, .amount = 3 * GIB},
	};

	return decision;
}

static json_t *parse(const char *text)
{
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!root)
		fail_msg("%s: %s", error.text, text);
	return root;
}

static void test_decision_is_one_complete_line(void **state)
{
	const struct decision decision = make_decision();
	char text[TEXT_LEN];
	int len = format_decision_json(&decision, &LADDER, text, sizeof(text));

	(void)state;
	assert_int_equal(len, strlen(text));
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	json_t *root = parse(text);
	assert_string_equal(json_string_value(json_object_get(root, "action")), "switch");
	assert_string_equal(json_string_value(json_object_get(root, "reason")),
			    "stall-over-urgent");
	assert_string_equal(json_string_value(json_object_get(root, "from")), "large");
	assert_string_equal(json_string_value(json_object_get(root, "to")), "small");
	assert_int_equal(json_integer_value(json_object_get(root, "time_ns")), 12 * NS_PER_S);
	assert_int_equal(json_integer_value(json_object_get(root, "others_stall_urgent_permyriad")),
			 5210);
	assert_int_equal(json_integer_value(json_object_get(root, "trend_permyriad_per_min")), -12);
	json_t *worst = json_object_get(root, "worst");
	assert_string_equal(json_string_value(json_object_get(worst, "resource")), "group-memory");
	assert_int_equal(json_integer_value(json_object_get(worst, "use_permyriad")), 9340);
	json_t *culprit = json_object_get(root, "culprit");
	assert_string_equal(json_string_value(json_object_get(culprit, "comm")), "hog");
	assert_int_equal(json_integer_value(json_object_get(culprit, "pid")), 22);
	json_decref(root);
}

static bool is_padding(size_t at)
{
	/* What the compiler leaves free is the word before each of these, where it does. */
	static const size_t BEFORE[] = {
		offsetof(struct decision, worst),
		offsetof(struct decision, worst) + sizeof(struct decision_use),
		offsetof(struct decision, expected_calm_ns),
		offsetof(struct decision, victim.cgroup_id),
		offsetof(struct decision, victim.amount),
		offsetof(struct decision, culprit.cgroup_id),
		offsetof(struct decision, culprit.amount),
	};

	for (size_t i = 0; i < ARRAY_SIZE(BEFORE); i++) {
		if (at + sizeof(uint32_t) == BEFORE[i])
			return true;
	}
	return false;
}

/* A number that a decision has and its line lacks could never be explained. */
static void test_every_number_reaches_the_line(void **state)
{
	char plain[TEXT_LEN];
	char changed[TEXT_LEN];
	struct decision decision = {0};

	(void)state;
	decision.victim.pid = 1;
	decision.culprit.pid = 1;
	memset(decision.victim.comm, 'v', RECORD_COMM_LEN);
	memset(decision.culprit.comm, 'c', RECORD_COMM_LEN);
	format_decision_json(&decision, &LADDER, plain, sizeof(plain));
	for (size_t at = 0; at + sizeof(uint32_t) <= sizeof(decision); at += sizeof(uint32_t)) {
		struct decision other = decision;
		uint32_t word = 1;

		/* Bools, and what lies between fields, are looked at by name below. */
		if (at >= offsetof(struct decision, is_data_degraded) &&
		    at < offsetof(struct decision, victim))
			continue;
		memcpy(&word, (char *)&other + at, sizeof(word));
		word ^= 1;
		memcpy((char *)&other + at, &word, sizeof(word));
		format_decision_json(&other, &LADDER, changed, sizeof(changed));
		if (strcmp(plain, changed) == 0 && !is_padding(at))
			fail_msg("what is at offset %zu is not written", at);
	}
	decision.is_data_degraded = true;
	decision.is_model_unseen = true;
	decision.is_tier_assumed = true;
	format_decision_json(&decision, &LADDER, changed, sizeof(changed));
	assert_non_null(strstr(changed, "\"data_degraded\":true"));
	assert_non_null(strstr(changed, "\"model_unseen\":true"));
	assert_non_null(strstr(changed, "\"tier_assumed\":true"));
}

static void test_same_decision_gives_the_same_bytes(void **state)
{
	struct decision one;
	struct decision two;
	char first[TEXT_LEN];
	char second[TEXT_LEN];

	(void)state;
	/* Also what lies between fields must not matter. */
	memset(&one, 0, sizeof(one));
	memset(&two, 0xff, sizeof(two));
	const struct decision decision = make_decision();
	one = decision;
	two = decision;
	format_decision_json(&one, &LADDER, first, sizeof(first));
	format_decision_json(&two, &LADDER, second, sizeof(second));
	assert_string_equal(first, second);
}

static void test_hostile_names_stay_inside_their_string(void **state)
{
	struct decision decision = make_decision();
	char text[TEXT_LEN];

	(void)state;
	memcpy(decision.culprit.comm, HOSTILE, sizeof(HOSTILE));
	assert_true(format_decision_json(&decision, &LADDER, text, sizeof(text)) > 0);
	json_t *root = parse(text);
	json_t *culprit = json_object_get(root, "culprit");
	assert_string_equal(json_string_value(json_object_get(culprit, "comm")),
			    "\"\n\xef\xbf\xbd\\}\x1b[2Jabcdefg");
	json_decref(root);
	int len = format_decision_text(&decision, &LADDER, text, sizeof(text));
	assert_true(len > 0);
	for (int i = 0; i < len; i++)
		assert_true(text[i] >= 0x20 && text[i] < 0x7f);
	assert_non_null(strstr(text, "culprit \"\\x0a\\xff\\}\\x1b[2Jabcdefg:22"));
}

static void test_readable_lines(void **state)
{
	struct decision decision = make_decision();
	char text[TEXT_LEN];

	(void)state;
	format_decision_text(&decision, &LADDER, text, sizeof(text));
	assert_string_equal(text,
			    "switch large -> small, immediate #7: stall-over-urgent; "
			    "group-memory 93.4% of 16.0 GiB, others 4.0 GiB, with small 61.2%; "
			    "memory stall model 0% others 52.1% (limit 40%); "
			    "victim victim:11 stalled 812 ms; culprit hog:22 took 3.0 GiB");
	decision = (struct decision){.action = DECISION_HOLD,
				     .reason = REASON_STABILIZING,
				     .from = 1,
				     .to = 2,
				     .calm_ns = 12 * NS_PER_S,
				     .stabilization_ns = 300 * NS_PER_S,
				     .lost_bulk = 3};
	format_decision_text(&decision, &LADDER, text, sizeof(text));
	assert_string_equal(text, "hold small, not large: stabilizing; calm 12 of 300 s; lost 3");
	decision = (struct decision){.action = DECISION_SWITCH,
				     .reason = REASON_CPU_WAIT_OTHERS,
				     .from = 2,
				     .to = 1,
				     .seq = 1,
				     .others_cpu_wait_permyriad = 3000,
				     .cpu_wait_above_permyriad = 2500,
				     .culprit = {.pid = 3, .comm = "m", .amount = 4 * NS_PER_S}};
	format_decision_text(&decision, &LADDER, text, sizeof(text));
	assert_string_equal(text, "switch large -> small, planned #1: cpu-wait-others; cpu wait "
				  "model 0% others 30% (limit 25%); culprit m:3 ran 4000 ms");
}

static void test_numbers_out_of_range_are_no_danger(void **state)
{
	struct decision decision;
	char text[TEXT_LEN];

	(void)state;
	memset(&decision, 0xff, sizeof(decision));
	decision.is_data_degraded = true;
	decision.is_model_unseen = true;
	decision.is_tier_assumed = true;
	decision.performance.is_target_estimated = true;
	decision.pin.is_set = true;
	decision.pin.is_overridden = true;
	decision.pin.is_waiting = true;
	assert_true(format_decision_json(&decision, &LADDER, text, sizeof(text)) > 0);
	json_t *root = json_loads(text, JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, NULL);
	json_decref(root);
	assert_non_null(strstr(text, "\"from\":\"?\""));
	assert_true(format_decision_text(&decision, &LADDER, text, sizeof(text)) > 0);
}

static void test_too_small_a_buffer_gives_nothing(void **state)
{
	const struct decision decision = make_decision();
	char text[100] = "x";

	(void)state;
	assert_int_equal(format_decision_json(&decision, &LADDER, text, sizeof(text)), -EMSGSIZE);
	assert_string_equal(text, "");
	assert_int_equal(format_decision_text(&decision, &LADDER, text, sizeof(text)), -EMSGSIZE);
	assert_string_equal(text, "");
}

static struct engine_status *make_status(void)
{
	struct engine_status *status = calloc(1, sizeof(*status));

	assert_non_null(status);
	status->wanted_tier = 1;
	status->actual_tier = 2;
	status->is_started = true;
	status->switch_state = SWITCH_DRAINING;
	status->source = SOURCE_BPF;
	status->last = make_decision();
	status->lost[LOSS_URGENT_RING] = 3;
	status->slots_max = 1024;
	status->sample.resource_count = 1;
	status->sample.resources[0] = (struct event_resource){
		.capacity_bytes = 16 * GIB, .used_bytes = 8 * GIB, .model_bytes = 3 * GIB};
	status->process_count = STATUS_PROCESSES_MAX;
	for (uint32_t i = 0; i < STATUS_PROCESSES_MAX; i++) {
		struct status_process *process = &status->processes[i];

		process->pid = 100 + i;
		process->mem_stall_ns = (10 - i) * NS_PER_S;
		process->cpu_wait_ns = i * NS_PER_MS;
		memcpy(process->comm, HOSTILE, sizeof(HOSTILE));
	}
	return status;
}

static const struct status_agent AGENT = {.run_dir = "/run/\"x\"", .lines_sent = 4};

static void test_status_as_json(void **state)
{
	struct engine_status *status = make_status();
	char text[TEXT_LEN];

	(void)state;
	assert_true(format_status_json(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	json_t *root = parse(text);
	assert_string_equal(json_string_value(json_object_get(root, "wanted")), "small");
	assert_string_equal(json_string_value(json_object_get(root, "actual")), "large");
	assert_string_equal(json_string_value(json_object_get(root, "phase")), "draining");
	assert_string_equal(json_string_value(json_object_get(root, "source")), "bpf");
	json_t *processes = json_object_get(root, "processes");
	assert_int_equal(json_array_size(processes), 10);
	json_t *first = json_array_get(processes, 0);
	assert_int_equal(json_integer_value(json_object_get(first, "pid")), 100);
	assert_int_equal(json_integer_value(json_object_get(first, "mem_stall_ms")), 10000);
	assert_int_equal(json_integer_value(json_object_get(first, "cpu_wait_ms")), 0);
	assert_int_equal(json_integer_value(json_object_get(first, "io_stall_ms")), 0);
	json_t *agent = json_object_get(root, "agent");
	assert_string_equal(json_string_value(json_object_get(agent, "run_dir")), "/run/\"x\"");
	json_t *lost = json_object_get(root, "lost");
	assert_int_equal(json_integer_value(json_object_get(lost, "urgent-ring")), 3);
	assert_int_equal(json_object_size(lost), LOSS_CAUSE_COUNT);
	json_decref(root);
	free(status);
}

static void test_status_as_text(void **state)
{
	struct engine_status *status = make_status();
	char text[TEXT_LEN];

	(void)state;
	assert_true(format_status_text(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	for (const char *at = text; *at; at++)
		assert_true(*at == '\n' || (*at >= 0x20 && *at < 0x7f));
	assert_non_null(strstr(
		text, "tier        wanted small, actual large, draining, 0 tasks running\n"));
	assert_non_null(strstr(text, "lost        urgent-ring 3\n"));
	assert_non_null(strstr(text, "host-memory 0: 8.0 GiB of 16.0 GiB used (50%), model 3.0"));
	assert_int_equal(format_status_text(status, &AGENT, &LADDER, text, 200), -EMSGSIZE);
	assert_string_equal(text, "");
	free(status);
}

static void test_status_tells_of_a_recording(void **state)
{
	struct engine_status *status = make_status();
	const struct status_agent agent = {
		.run_dir = "/run/tierd",
		.record = {.path = "/var/t",
			   .bytes = 3 * MIB,
			   .files = 2,
			   .events = 1000,
			   .dropped = {1, 2, 4},
			   .error = -ENOSPC},
	};
	char text[TEXT_LEN];

	(void)state;
	assert_true(format_status_text(status, &agent, &LADDER, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "recording   /var/t, 3.0 MiB in 2 files, 1000 events, 7 "
				     "dropped, THE DISK FAILS\n"));
	assert_true(format_status_json(status, &agent, &LADDER, text, sizeof(text)) > 0);
	json_t *root = parse(text);
	json_t *record = json_object_get(root, "recording");
	assert_string_equal(json_string_value(json_object_get(record, "path")), "/var/t");
	assert_int_equal(json_integer_value(json_object_get(record, "bytes")), 3 * MIB);
	assert_int_equal(json_integer_value(json_object_get(record, "files")), 2);
	assert_int_equal(json_integer_value(json_object_get(record, "events")), 1000);
	assert_int_equal(json_integer_value(json_object_get(record, "dropped_slow")), 1);
	assert_int_equal(json_integer_value(json_object_get(record, "dropped_disk")), 2);
	assert_int_equal(json_integer_value(json_object_get(record, "dropped_too_large")), 4);
	assert_true(json_is_true(json_object_get(record, "failing")));
	json_decref(root);
	assert_true(format_status_json(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	root = parse(text);
	assert_true(json_is_null(json_object_get(root, "recording")));
	json_decref(root);
	free(status);
}

/* Counts from elsewhere never lead out of an array. */
static void test_status_counts_are_bounded(void **state)
{
	struct engine_status *status = make_status();
	char text[TEXT_LEN];

	(void)state;
	status->process_count = UINT32_MAX;
	status->sample.resource_count = UINT32_MAX;
	assert_true(format_status_json(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	json_t *root = parse(text);
	assert_int_equal(json_array_size(json_object_get(root, "processes")), STATUS_PROCESSES_MAX);
	assert_int_equal(json_array_size(json_object_get(root, "resources")), EVENT_RESOURCES_MAX);
	json_decref(root);
	assert_true(format_status_text(status, &AGENT, &LADDER, text, sizeof(text)) > 0);
	free(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decision_is_one_complete_line),
		cmocka_unit_test(test_every_number_reaches_the_line),
		cmocka_unit_test(test_same_decision_gives_the_same_bytes),
		cmocka_unit_test(test_hostile_names_stay_inside_their_string),
		cmocka_unit_test(test_readable_lines),
		cmocka_unit_test(test_numbers_out_of_range_are_no_danger),
		cmocka_unit_test(test_too_small_a_buffer_gives_nothing),
		cmocka_unit_test(test_status_as_json),
		cmocka_unit_test(test_status_as_text),
		cmocka_unit_test(test_status_tells_of_a_recording),
		cmocka_unit_test(test_status_counts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
