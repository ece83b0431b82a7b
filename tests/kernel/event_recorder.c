// SPDX-License-Identifier: BSD-2-Clause
#include "event_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/units.h"
#include "collector.h"
#include "io/group_depth.h"
#include "io/model.h"
#include "io/probes.h"
#include "io/sampler.h"

struct recorder {
	struct event_recording recording;
	struct cgroup_hierarchy hierarchy;
	struct group_depth depths;
	struct model *model;
	struct sampler *sampler;
	struct probes *probes;
};

static struct event *event_add(struct recorder *recorder, uint32_t kind)
{
	struct event_recording *recording = &recorder->recording;

	if (recording->count == recording->room) {
		recording->room = recording->room ? 2 * recording->room : 1024;
		recording->events =
			realloc(recording->events, recording->room * sizeof(*recording->events));
		assert_non_null(recording->events);
	}
	struct event *event = &recording->events[recording->count++];

	memset(event, 0, sizeof(*event));
	event->kind = kind;
	event->time_ns = test_now_ns();
	return event;
}

static void process_add(void *context, const struct process_record *record)
{
	struct recorder *recorder = context;
	struct event_process *process = &event_add(recorder, EVENT_PROCESS)->process;
	bool is_model = model_note_process(recorder->model, record->pid, record->start_ns,
					   record->parent_pid, record->cgroup_id);

	process->party = is_model ? PARTY_MODEL : PARTY_OTHERS;
	process->shared_depth =
		group_depth_find(&recorder->depths, model_get_group(recorder->model), record->pid,
				 record->cgroup_id);
	process->is_limit_ours = record->limit_cgroup_id &&
				 model_is_group_ours(recorder->model, record->limit_cgroup_id);
	process->record = *record;
}

static void oom_add(void *context, const struct oom_record *record)
{
	event_add(context, EVENT_OOM)->oom.record = *record;
}

static void recorder_open(struct recorder *recorder, const char *model_group)
{
	const struct probes_options options = {
		.settings =
			{
				.report_floor_ns = NS_PER_MS,
				.urgent_stall_ns = 50 * NS_PER_MS,
				.bulk_wakeup_bytes = UINT64_MAX,
				.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
				.ignore_nice = 10,
				.is_memstall_kept = 1,
			},
		.bulk_ring_bytes = MIB,
		.urgent_ring_bytes = 64 * KIB,
		.on_process = process_add,
		.on_oom = oom_add,
		.context = recorder,
	};
	struct model_config config = {.hierarchy = &recorder->hierarchy, .group = model_group};
	char error[256] = "";

	assert_int_equal(cgroup_find_hierarchy("/proc", &recorder->hierarchy), 0);
	assert_int_equal(group_depth_open(&recorder->hierarchy, &recorder->depths), 0);
	assert_int_equal(model_create(&config, &recorder->model), 0);
	assert_int_equal(model_refresh(recorder->model, test_now_ns()), 0);
	assert_int_equal(sampler_create(&(struct sampler_config){.model = recorder->model},
					&recorder->sampler),
			 0);
	if (probes_open(&options, &recorder->probes, error, sizeof(error)) < 0)
		fail_msg("probes_open: %s", error);
	assert_int_equal(probes_walk(recorder->probes), 0);
}

static void recorder_close(struct recorder *recorder)
{
	probes_close(recorder->probes);
	sampler_destroy(recorder->sampler);
	model_destroy(recorder->model);
	group_depth_close(&recorder->depths);
}

static void sample_add(struct recorder *recorder)
{
	struct event_sample sample;

	assert_int_equal(sampler_take(recorder->sampler, test_now_ns(), &sample), 0);
	event_add(recorder, EVENT_SAMPLE)->sample = sample;
}

void event_recorder_run(const char *model_group, uint64_t duration_ns,
			struct event_recording *ret_recording)
{
	struct recorder recorder = {0};
	uint64_t end_ns = test_now_ns() + duration_ns;
	uint64_t last_ns = test_now_ns();

	recorder_open(&recorder, model_group);
	for (unsigned int i = 0; test_now_ns() < end_ns; i++) {
		if (i % 5 == 0)
			sample_add(&recorder);
		test_sleep_ns(100 * NS_PER_MS);
		assert_int_equal(probes_walk(recorder.probes), 0);
		assert_true(probes_read_urgent(recorder.probes) >= 0);
		assert_true(probes_read_bulk(recorder.probes) >= 0);
		struct event *window = event_add(&recorder, EVENT_WINDOW);

		window->window.begin_ns = last_ns;
		window->window.end_ns = last_ns = window->time_ns;
		probes_get_host_counters(recorder.probes, &window->window.host);
	}
	recorder_close(&recorder);
	*ret_recording = recorder.recording;
}
