// SPDX-License-Identifier: BSD-2-Clause
/*
 * Lines from control.fifo: checked against the ladder, and handed to the engine as events. What is
 * wrong is counted, logged a few times a minute, and changes nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "base/units.h"
#include "core/ladder.h"
#include "format.h"
#include "io/reply.h"
#include "tierd/protocol.h"

enum {
	REPLY_TEXT_LEN = 64 * 1024, /* a pipe's default capacity */
	REPLY_WORDS_LEN = 1024,
};

/* A question is answered from a sample that is no older. */
#define PREFLIGHT_SAMPLE_NS (100 * NS_PER_MS)
#define RELOAD_GAP_NS (100 * NS_PER_MS)
#define REPLY_END "end\n"

static void reply_write(struct agent *agent, const struct control_line *line, const char *text,
			size_t length)
{
	int result;

	if (!line->reply[0])
		return;
	result = reply_send(agent->dir.replies_fd, line->reply, text, length);
	if (result < 0)
		log_rate_limited(&agent->log, LOG_NORMAL, "cannot reply to %s: %s", line->reply,
				 strerror(-result));
}

static void reply_ok(struct agent *agent, const struct control_line *line)
{
	static const char text[] = "ok\n" REPLY_END;

	reply_write(agent, line, text, sizeof(text) - 1);
}

/* One line for people. */
static void reply_text(struct agent *agent, const struct control_line *line, const char *words)
{
	char text[REPLY_WORDS_LEN];
	int length = snprintf(text, sizeof(text), "ok\n%.900s\n" REPLY_END, words);

	reply_write(agent, line, text, (size_t)length);
}

void agent_reply_error(struct agent *agent, const struct control_line *line, const char *error)
{
	char text[REPLY_WORDS_LEN];
	int length = snprintf(text, sizeof(text), "error %.900s\n" REPLY_END, error);

	log_rate_limited(&agent->log, LOG_NORMAL, "control: %s", error);
	reply_write(agent, line, text, (size_t)length);
}

static int control_feed(struct agent *agent, const struct control_line *line)
{
	struct event event = {.kind = EVENT_COMMAND, .command = line->command};
	int result = agent_feed(agent, &event);

	if (result >= 0)
		reply_ok(agent, line);
	return result;
}

/* A tier that is named must be there. */
static bool is_tier_good(struct agent *agent, const struct control_line *line, const char *verb)
{
	const char *tier = line->command.tier;
	char error[REPLY_WORDS_LEN];
	uint32_t index;

	if (!tier[0] || ladder_find_name(&agent->config.engine.ladder, tier, &index))
		return true;
	agent->bad_lines++;
	snprintf(error, sizeof(error), "%s: there is no tier %s", verb, tier);
	agent_reply_error(agent, line, error);
	return false;
}

static int control_task(struct agent *agent, const struct control_line *line)
{
	bool is_end = line->verb == CONTROL_TASK_END;

	return is_tier_good(agent, line, is_end ? "task-end" : "task-begin")
		       ? control_feed(agent, line)
		       : 0;
}

/* What is wrong with a question; NULL if nothing is. */
static const char *preflight_problem(const struct event_command *command)
{
	if (!command->tier[0] && command->memory_bytes == 0)
		return "preflight: tier or memory must be said";
	if (command->tier[0] &&
	    (command->memory_bytes > 0 || command->vram_bytes > 0 || command->cpus_permille > 0))
		return "preflight: a tier says itself what it takes";
	return NULL;
}

static void preflight_reply(struct agent *agent, const struct control_line *line,
			    const struct actions *actions)
{
	static const char ok[] = "ok\n";
	const size_t head = sizeof(ok) - 1;
	const struct ladder *ladder = &agent->config.engine.ladder;
	char text[PREFLIGHT_TEXT_LEN];
	int length = -ENODATA;

	memcpy(text, ok, head);
	if (actions->has_answer)
		length = (line->is_json ? format_preflight_json : format_preflight_text)(
			&actions->answer, ladder, text + head,
			sizeof(text) - head - sizeof(REPLY_END));
	if (length < 0) {
		agent_reply_error(agent, line, "preflight: there is no answer");
		return;
	}
	memcpy(text + head + length, REPLY_END, sizeof(REPLY_END));
	reply_write(agent, line, text, head + (size_t)length + sizeof(REPLY_END) - 1);
}

static int control_preflight(struct agent *agent, const struct control_line *line)
{
	struct event event = {.kind = EVENT_COMMAND, .command = line->command};
	const char *problem = preflight_problem(&line->command);
	uint32_t pid = line->command.pid ? line->command.pid : (uint32_t)getpid();
	uint64_t began_ns = loop_now_ns();
	struct actions actions;
	uint64_t took_us;
	int result;

	if (!is_tier_good(agent, line, "preflight"))
		return 0;
	if (problem) {
		agent->bad_lines++;
		agent_reply_error(agent, line, problem);
		return 0;
	}
	if (began_ns - agent->sampled_ns > PREFLIGHT_SAMPLE_NS) {
		result = agent_sample(agent, began_ns);
		if (result < 0)
			return result;
	}
	event.command.shared_depth =
		group_depth_find_process(&agent->depths, model_get_group(agent->model), pid);
	result = agent_feed_for_actions(agent, &event, &actions);
	preflight_reply(agent, line, &actions);
	took_us = units_minus(loop_now_ns(), began_ns) / NS_PER_US;
	latency_add(&agent->preflight_us, took_us);
	agent->preflight_max_us = units_max(agent->preflight_max_us, took_us);
	return result;
}

static int control_pin(struct agent *agent, const struct control_line *line)
{
	struct event event = {.kind = EVENT_COMMAND, .command = line->command};
	const struct engine_config *config = &agent->config.engine;
	char error[REPLY_WORDS_LEN];
	struct actions actions;
	int result;

	if (!is_tier_good(agent, line, "pin"))
		return 0;
	result = agent_feed_for_actions(agent, &event, &actions);
	if (result < 0)
		return result;
	if (actions.refusal.reason == REASON_NONE) {
		reply_ok(agent, line);
		return 0;
	}
	format_refusal(&actions.refusal, line->command.tier, &config->ladder, config->min_tier,
		       error, sizeof(error));
	agent_reply_error(agent, line, error);
	return 0;
}

static int control_hello(struct agent *agent, const struct control_line *line)
{
	const char *tier = line->command.tier;

	if (!is_tier_good(agent, line, "hello"))
		return 0;
	agent->has_manager = true;
	if (line->command.pid) {
		agent->hello_pid = line->command.pid;
		model_set_hello_pid(agent->model, line->command.pid);
		model_request_scan(agent->model);
	}
	log_rate_limited(&agent->log, LOG_NORMAL, "hello from a manager: tier %s, pid %u",
			 tier[0] ? tier : "not said", line->command.pid);
	return control_feed(agent, line);
}

void agent_reply_status(struct agent *agent, const struct control_line *line,
			const struct status_cost *cost)
{
	static char text[REPLY_TEXT_LEN]; /* too big for the stack, and never needed twice */
	struct ndjson_writer_stats decisions = {.dropped = 0};
	struct engine_status status;
	struct status_agent own = {
		.run_dir = agent->dir.path,
		.has_reader = manager_fifo_has_reader(agent->manager),
		.is_dry_run = agent->config.is_dry_run,
		.lines_sent = manager_fifo_get_counters(agent->manager)->sent,
		.lines_dropped_full = manager_fifo_get_counters(agent->manager)->dropped_full,
		.lines_dropped_no_reader =
			manager_fifo_get_counters(agent->manager)->dropped_no_reader,
		.bad_lines = agent->bad_lines + control_fifo_get_counters(agent->control)->overlong,
		.rate_limited_lines = control_fifo_get_counters(agent->control)->rate_limited,
		.log_lines_dropped = agent->log.dropped,
		.preflights = agent->preflight_us.total,
		.preflight_p99_us = latency_quantile_ms(&agent->preflight_us, PERMYRIAD / 100 * 99),
		.preflight_max_us = agent->preflight_max_us,
		.model_processes_left_out = model_get_overflows(agent->model),
		.cost = cost,
	};
	size_t length = 3;

	if (agent->decisions)
		ndjson_writer_get_stats(agent->decisions, &decisions);
	own.decisions_dropped = decisions.dropped;
	engine_get_status(agent->engine, &status);
	agent_record_get_status(agent, &own.record);
	agent_state_get_status(agent, &own.state);
	memcpy(text, "ok\n", length);
	int result = line->is_json ? format_status_json(&status, &own, &agent->config.engine.ladder,
							text + length, sizeof(text) - length - 8)
				   : format_status_text(&status, &own, &agent->config.engine.ladder,
							text + length, sizeof(text) - length - 8);

	if (result < 0) {
		agent_reply_error(agent, line, "the status does not fit into a reply");
		return;
	}
	length += (size_t)result;
	memcpy(text + length, REPLY_END, sizeof(REPLY_END));
	reply_write(agent, line, text, length + sizeof(REPLY_END) - 1);
}

static int control_status(struct agent *agent, const struct control_line *line)
{
	int result;

	if (!line->is_cost_asked) {
		agent_reply_status(agent, line, NULL);
		return 0;
	}
	result = agent_cost_ask(agent, line);
	if (result != -EBUSY)
		return result;
	agent_reply_error(agent, line, "status: as many wait for the cost as may");
	return 0;
}

static int control_watch(struct agent *agent, const struct control_line *line)
{
	int result = reply_streams_add(agent->watchers, agent->dir.replies_fd, line->reply,
				       line->is_json ? REPLY_STREAM_JSON : REPLY_STREAM_TEXT);

	if (result == -EBUSY)
		agent_reply_error(agent, line, "watch: there are as many watchers as there may be");
	else if (result < 0)
		log_rate_limited(&agent->log, LOG_NORMAL, "cannot reply to %s: %s", line->reply,
				 strerror(-result));
	return 0;
}

static int control_pause(struct agent *agent, const struct control_line *line)
{
	return control_feed(agent, line);
}

static int control_reload(struct agent *agent, const struct control_line *line)
{
	char error[CONFIG_ERROR_LEN];
	uint64_t now_ns = loop_now_ns();

	/* It reads files and makes things anew: not as often as somebody can write lines. */
	if (agent->reloaded_ns && now_ns - agent->reloaded_ns < RELOAD_GAP_NS) {
		agent_reply_error(agent, line, "reload: not more than ten times a second");
		return 0;
	}
	if (agent_reload(agent, error, sizeof(error)) < 0) {
		agent_reply_error(agent, line, error);
		return 0;
	}
	agent->reloaded_ns = now_ns;
	reply_ok(agent, line);
	return 0;
}

static int control_record(struct agent *agent, const struct control_line *line)
{
	char error[REPLY_WORDS_LEN];
	char text[REPLY_WORDS_LEN];

	if (agent_record_start(agent, line->name, error, sizeof(error)) < 0) {
		agent_reply_error(agent, line, error);
		return 0;
	}
	snprintf(text, sizeof(text), "recording into %s", agent->record.path);
	reply_text(agent, line, text);
	return 0;
}

static int control_record_stop(struct agent *agent, const struct control_line *line)
{
	char text[REPLY_WORDS_LEN];

	if (agent_record_stop(agent, text, sizeof(text)) < 0) {
		agent_reply_error(agent, line, text);
		return 0;
	}
	snprintf(text, sizeof(text), "recorded into %s", agent->record.path);
	reply_text(agent, line, text);
	return 0;
}

static int (*const control_table[])(struct agent *agent, const struct control_line *line) = {
	[CONTROL_HELLO] = control_hello,         [CONTROL_ACK] = control_feed,
	[CONTROL_STATUS] = control_status,       [CONTROL_PAUSE] = control_pause,
	[CONTROL_RESUME] = control_pause,        [CONTROL_RELOAD] = control_reload,
	[CONTROL_RECORD] = control_record,       [CONTROL_RECORD_STOP] = control_record_stop,
	[CONTROL_TASK_BEGIN] = control_task,     [CONTROL_TASK_END] = control_task,
	[CONTROL_PREFLIGHT] = control_preflight, [CONTROL_PIN] = control_pin,
	[CONTROL_UNPIN] = control_pause,         [CONTROL_WATCH] = control_watch,
};

static int control_on_line(void *context, const struct control_line *line)
{
	return control_table[line->verb](context, line);
}

static int control_on_bad_line(void *context, const char *error)
{
	struct agent *agent = context;

	agent->bad_lines++;
	log_rate_limited(&agent->log, LOG_NORMAL, "control: %s", error);
	return 0;
}

static int control_on_replaced(void *context, int result)
{
	struct agent *agent = context;

	log_rate_limited(&agent->log, LOG_QUIET, "%s was replaced: %s", PROTOCOL_CONTROL_FIFO,
			 result < 0 ? strerror(-result) : "made again");
	return 0;
}

const struct control_fifo_callbacks agent_control_callbacks = {
	.on_line = control_on_line,
	.on_bad_line = control_on_bad_line,
	.on_replaced = control_on_replaced,
};

/* What is built from the config at the start and cannot change while the agent runs. */
static bool config_needs_restart(const struct app_config *a, const struct app_config *b)
{
	return strcmp(a->run_dir, b->run_dir) != 0 ||
	       strcmp(a->control_group, b->control_group) != 0 || a->source != b->source ||
	       a->urgent_stall_ns != b->urgent_stall_ns ||
	       a->report_floor_ns != b->report_floor_ns ||
	       a->ring_bulk_bytes != b->ring_bulk_bytes ||
	       a->ring_urgent_bytes != b->ring_urgent_bytes || a->ignore_nice != b->ignore_nice ||
	       strcmp(a->decisions, b->decisions) != 0 ||
	       a->decisions_max_bytes != b->decisions_max_bytes ||
	       strcmp(a->record, b->record) != 0 || strcmp(a->state_file, b->state_file) != 0;
}

int agent_reload(struct agent *agent, char *error, size_t error_size)
{
	struct app_config config;
	struct event event = {.kind = EVENT_CONFIG};
	int result;

	if (!agent->config_path) {
		snprintf(error, error_size, "there is no configuration file to read again");
		return -EINVAL;
	}
	result = config_load_file(agent->config_path, &agent->arguments->overrides, &config, error,
				  error_size);
	if (result < 0)
		return -EINVAL;
	if (config_needs_restart(&agent->config, &config)) {
		snprintf(error, error_size,
			 "%s: an option changed that needs a restart ([agent] other than window, "
			 "window_calm, record_max, record_keep, record_dir, dry_run and log)",
			 agent->config_path);
		return -EINVAL;
	}
	result = agent_sources_set_model(agent, &config);
	if (result < 0) {
		snprintf(error, error_size, "%s: [model]: %s", agent->config_path,
			 result == -EINVAL ? "cgroup is not the path of a group"
					   : strerror(-result));
		return -EINVAL;
	}
	agent->config = config;
	agent->log.level = config.log_level;
	event.config = &agent->config.engine;
	log_write(&agent->log, LOG_NORMAL, "configuration read again from %s", agent->config_path);
	return agent_feed(agent, &event) < 0 ? -EINVAL : 0;
}
