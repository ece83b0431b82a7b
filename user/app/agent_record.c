// SPDX-License-Identifier: BSD-2-Clause
/*
 * Recording what the engine is fed. A recording from the start holds every event; one that is asked
 * for later begins with what a cold engine needs, and says so.
 *
 * Whoever may write control.fifo names only a file: it is made in record_dir, must not exist, and
 * all recordings there together stay within record_max times record_keep.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "agent.h"
#include "base/cleanup.h"
#include "base/event_fields.h"
#include "base/units.h"
#include "detect.h"
#include "io/trace_dir.h"
#include "version.h"

enum {
	CLOSE_TIMEOUT_MS = 5000, /* a disk that hangs does not hold up the end of the agent */
	SEGMENT_MIN_BYTES = TRACE_SEGMENT_MIN_BYTES,
};

static const char BOOT_ID_FILE[] = "/proc/sys/kernel/random/boot_id";

/* ---- what a trace says of its host -------------------------------------------------------------
 */

static void read_boot_id(char *text, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen(BOOT_ID_FILE, "re");

	if (!file || !fgets(text, (int)size, file))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

static void describe_host(struct trace_metadata *metadata)
{
	struct hardware hardware = {0};
	struct utsname name;

	memset(metadata, 0, sizeof(*metadata));
	snprintf(metadata->clock, TRACE_TEXT_LEN, "%s", TRACE_CLOCK);
	snprintf(metadata->recorder, TRACE_TEXT_LEN, "tierd %s", TIERD_VERSION);
	read_boot_id(metadata->boot_id, TRACE_TEXT_LEN);
	if (uname(&name) == 0) {
		snprintf(metadata->kernel, TRACE_TEXT_LEN, "%s", name.release);
		snprintf(metadata->machine, TRACE_TEXT_LEN, "%s", name.machine);
	}
	if (hardware_read("/proc", 0, &hardware) < 0)
		return;
	hardware_read_gpus(&hardware);
	metadata->cpu_count = hardware.host_cpus;
	metadata->memory_bytes = hardware.host_memory_bytes;
	snprintf(metadata->hardware_class, TRACE_TEXT_LEN, "%s",
		 hardware_class_name(hardware_classify(&hardware)));
}

/* ---- events ------------------------------------------------------------------------------------
 */

/* The text of the configuration in force; one that cannot be written is too large for a record. */
static struct event_text write_config(struct agent *agent)
{
	struct agent_record *record = &agent->record;
	const char *name = agent->config_path ? agent->config_path : "(no configuration file)";
	FILE *file = fmemopen(record->config, sizeof(record->config), "w");
	struct event_text text = {
		.name = name,
		.name_len = strlen(name),
		.text = record->config,
		.len = sizeof(record->config),
	};
	long len = -1;

	if (!file)
		return text;
	if (config_write(file, &agent->config, CONFIG_PLAIN, NULL) == 0)
		len = ftell(file);
	fclose(file);
	if (len >= 0 && len < TRACE_CONFIG_MAX)
		text.len = (size_t)len;
	return text;
}

void agent_record_event(struct agent *agent, const struct event *event)
{
	struct event_text text;

	if (!agent->record.writer)
		return;
	if (!event_is_text(event->kind)) {
		trace_writer_add(agent->record.writer, event, NULL);
		return;
	}
	text = event->kind == EVENT_CONFIG ? write_config(agent)
					   : agent_state_write(agent, event->state);
	trace_writer_add(agent->record.writer, event, &text);
}

/* What a cold engine needs: what was said before and still holds. */
static void add_preamble(void *context, struct trace_writer *writer, uint64_t time_ns)
{
	struct agent *agent = context;
	struct event_text config = write_config(agent);
	struct event event = {.kind = EVENT_CONFIG, .time_ns = time_ns};
	struct manager_line state = {0};

	trace_writer_add_preamble(writer, &event, &config);
	event = (struct event){
		.kind = EVENT_SOURCE, .time_ns = time_ns, .source.source = agent->source};
	trace_writer_add_preamble(writer, &event, NULL);
	engine_get_state_line(agent->engine, &state);
	event = (struct event){.kind = EVENT_COMMAND, .time_ns = time_ns};
	if (agent->has_manager) {
		event.command.verb = COMMAND_HELLO;
		event.command.pid = agent->hello_pid;
		if (state.is_actual_known)
			memcpy(event.command.tier, state.from, sizeof(event.command.tier));
		trace_writer_add_preamble(writer, &event, NULL);
	}
	if (state.is_paused) {
		event.command = (struct event_command){.verb = COMMAND_PAUSE};
		trace_writer_add_preamble(writer, &event, NULL);
	}
	if (engine_get_pin(agent->engine, time_ns, &event.command))
		trace_writer_add_preamble(writer, &event, NULL);
}

/* ---- beginning and end -------------------------------------------------------------------------
 */

static int start(struct agent *agent, const char *path, struct trace_writer_options *options)
{
	struct agent_record *record = &agent->record;
	int result;

	options->path = path;
	options->metadata = record->metadata;
	options->metadata.flags = options->is_new_only ? TRACE_STARTED_LATE : 0;
	options->on_segment = add_preamble;
	options->context = agent;
	result = trace_writer_open(options, &record->writer);
	if (result < 0)
		return result;
	memset(&record->said, 0, sizeof(record->said));
	snprintf(record->path, sizeof(record->path), "%s", path);
	log_write(&agent->log, LOG_NORMAL, "recording into %s", record->path);
	return 0;
}

int agent_record_open(struct agent *agent)
{
	struct trace_writer_options options = {
		.segment_max_bytes = agent->config.record_max_bytes,
		.keep = agent->config.record_keep,
	};
	int result;

	describe_host(&agent->record.metadata);
	if (!agent->config.record[0])
		return 0;
	result = start(agent, agent->config.record, &options);
	if (result == 0)
		return 0;
	log_write(&agent->log, LOG_QUIET, "cannot record into %s: %s", agent->config.record,
		  result == -EEXIST ? "there is something that is not a trace" : strerror(-result));
	return result == -EACCES || result == -EPERM ? AGENT_EXIT_PRIVILEGE : AGENT_EXIT_RUNTIME;
}

/* What is left of what recordings may take together. */
static int take_share(const struct app_config *config, uint64_t held_bytes,
		      struct trace_writer_options *options)
{
	uint64_t all = units_scale(config->record_max_bytes, config->record_keep, 1);
	uint64_t left = units_minus(all, held_bytes);

	if (left < SEGMENT_MIN_BYTES)
		return -EDQUOT;
	options->segment_max_bytes = units_min(config->record_max_bytes, left);
	options->keep = (uint32_t)(left / options->segment_max_bytes);
	return 0;
}

static const char *explain_start(int result)
{
	if (result == -EEXIST)
		return "there is a recording of that name already";
	if (result == -EDQUOT)
		return "record_dir holds as much as record_max and record_keep allow";
	if (result == -EPERM)
		return "record_dir belongs to somebody else, or others may write there";
	return strerror(-result);
}

int agent_record_start(struct agent *agent, const char *name, char *error, size_t error_size)
{
	struct agent_record *record = &agent->record;
	struct trace_writer_options options = {.is_new_only = true};
	char path[sizeof(record->path)];
	uint64_t held_bytes = 0;
	int result;

	agent_record_check(agent);
	if (record->writer || record->ending) {
		snprintf(error, error_size, "%s into %s",
			 record->writer ? "already recording" : "still writing what was recorded",
			 record->path);
		return -EBUSY;
	}
	snprintf(path, sizeof(path), "%s/%s", agent->config.record_dir, name);
	result = trace_dir_prepare(agent->config.record_dir, &held_bytes);
	if (result == 0)
		result = take_share(&agent->config, held_bytes, &options);
	if (result == 0)
		result = start(agent, path, &options);
	if (result < 0)
		snprintf(error, error_size, "%s: %s", path, explain_start(result));
	return result;
}

int agent_record_stop(struct agent *agent, char *error, size_t error_size)
{
	struct agent_record *record = &agent->record;

	if (!record->writer) {
		snprintf(error, error_size, "there is no recording");
		return -ENOENT;
	}
	trace_writer_finish(record->writer);
	record->ending = record->writer;
	record->writer = NULL;
	return 0;
}

static void end(struct agent *agent, struct trace_writer *writer, int timeout_ms)
{
	int result = trace_writer_close(writer, timeout_ms);

	if (result < 0)
		log_write(&agent->log, LOG_QUIET, "recording into %s ends incomplete: %s",
			  agent->record.path,
			  result == -ENODATA ? "events were dropped" : strerror(-result));
	else
		log_write(&agent->log, LOG_NORMAL, "recording into %s has ended",
			  agent->record.path);
}

void agent_record_close(struct agent *agent)
{
	struct agent_record *record = &agent->record;

	if (record->ending)
		end(agent, record->ending, CLOSE_TIMEOUT_MS);
	if (record->writer)
		end(agent, record->writer, CLOSE_TIMEOUT_MS);
	record->ending = NULL;
	record->writer = NULL;
}

/* ---- telling -----------------------------------------------------------------------------------
 */

static void tell_drops(struct agent *agent, const struct trace_writer_stats *stats)
{
	struct trace_writer_stats *said = &agent->record.said;

	for (uint32_t cause = 0; cause < TRACE_DROP_COUNT; cause++) {
		if (stats->dropped[cause] == said->dropped[cause])
			continue;
		said->dropped[cause] = stats->dropped[cause];
		log_rate_limited(&agent->log, LOG_QUIET,
				 "recording into %s: %llu events dropped so far: %s",
				 agent->record.path, (unsigned long long)stats->dropped[cause],
				 trace_drop_explain(cause));
	}
	if (stats->error == said->error)
		return;
	said->error = stats->error;
	log_rate_limited(&agent->log, LOG_QUIET, "recording into %s: %s", agent->record.path,
			 stats->error ? strerror(-stats->error) : "goes on");
}

void agent_record_check(struct agent *agent)
{
	struct agent_record *record = &agent->record;
	struct trace_writer_stats stats;

	if (record->ending && trace_writer_is_finished(record->ending)) {
		end(agent, record->ending, 0);
		record->ending = NULL;
	}
	if (!record->writer)
		return;
	trace_writer_get_stats(record->writer, &stats);
	tell_drops(agent, &stats);
}

void agent_record_get_status(const struct agent *agent, struct status_record *ret_status)
{
	const struct agent_record *record = &agent->record;
	struct trace_writer_stats stats;

	*ret_status = (struct status_record){.path = NULL};
	if (!record->writer)
		return;
	trace_writer_get_stats(record->writer, &stats);
	ret_status->path = record->path;
	ret_status->bytes = stats.bytes;
	ret_status->files = stats.segments;
	ret_status->events = stats.written;
	ret_status->error = stats.error;
	memcpy(ret_status->dropped, stats.dropped, sizeof(ret_status->dropped));
}
