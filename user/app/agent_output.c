// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the engine wants done: first the lines to the manager, then the record of why.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "format.h"
#include "notice.h"
#include "tierd/protocol.h"

enum {
	DECISION_TEXT_LEN = 8192,
	CLOSE_TIMEOUT_MS = 1000, /* a disk that hangs does not hold up the end of the agent */
};

static void line_send(struct agent *agent, const struct manager_line *line)
{
	char text[PROTOCOL_LINE_MAX + 1];
	int result = protocol_format_manager_line(line, text, sizeof(text));

	if (agent->config.is_dry_run)
		return;
	/* Whoever is not there, or has a full pipe, gets the state as soon as that changes. */
	if (result >= 0)
		result = manager_fifo_send(agent->manager, text, (size_t)result);
	if (result < 0 && result != -ENOTCONN)
		log_rate_limited(&agent->log, LOG_NORMAL, "%s: %s", PROTOCOL_MANAGER_FIFO,
				 result == -EAGAIN ? "full, the reader does not read"
						   : strerror(-result));
}

/* A step down is told to people, too: once, so not to a reader that comes later. */
static void notice_send(struct agent *agent, const struct decision *decision)
{
	struct manager_line line = {.verb = MANAGER_NOTIFY, .seq = decision->seq};

	if (notice_format(decision, &agent->config.engine.ladder, line.text, sizeof(line.text)) > 0)
		line_send(agent, &line);
}

static const char *explain_drop(int reason)
{
	if (reason == -EFBIG)
		return "decisions_max is reached";
	if (reason == -ENOBUFS)
		return "it takes them too slowly, or not at all";
	return strerror(-reason);
}

/* What is dropped is counted by the writer; people are told once, until it is kept again. */
static void tell_dropped(struct agent *agent, const struct ndjson_writer_stats *stats)
{
	struct ndjson_writer_stats *said = &agent->decisions_said;

	if (stats->dropped != said->dropped && !said->is_failing)
		log_write(&agent->log, LOG_QUIET, "decisions are not kept in %s any more: %s",
			  agent->config.decisions, explain_drop(stats->reason));
	if (stats->reopen_failures != said->reopen_failures)
		log_write(&agent->log, LOG_QUIET, "%s: cannot be opened anew, the old file stays",
			  agent->config.decisions);
	*said = *stats;
}

void agent_output_check(struct agent *agent)
{
	struct ndjson_writer_stats stats;

	if (!agent->decisions)
		return;
	ndjson_writer_get_stats(agent->decisions, &stats);
	tell_dropped(agent, &stats);
}

static void decision_keep(struct agent *agent, const char *text, size_t length)
{
	reply_streams_write(agent->watchers, REPLY_STREAM_JSON, text, length);
	if (!agent->decisions)
		return;
	ndjson_writer_add(agent->decisions, text, length);
	agent_output_check(agent);
}

static bool is_json_wanted(const struct agent *agent)
{
	return agent->decisions || reply_streams_is_read(agent->watchers, REPLY_STREAM_JSON);
}

static void decision_log(struct agent *agent, const struct decision *decision)
{
	const struct ladder *ladder = &agent->config.engine.ladder;
	char text[DECISION_TEXT_LEN];

	int length = 0;

	if (is_json_wanted(agent))
		length = format_decision_json(decision, ladder, text, sizeof(text));
	if (length > 0)
		decision_keep(agent, text, (size_t)length);
	/* Room for a newline. */
	length = format_decision_text(decision, ladder, text, sizeof(text) - 1);
	if (length <= 0)
		return;
	log_write(&agent->log, LOG_NORMAL, "%s", text);
	text[length] = '\n';
	reply_streams_write(agent->watchers, REPLY_STREAM_TEXT, text, (size_t)length + 1);
}

static void answer_log(struct agent *agent, const struct preflight_answer *answer)
{
	char text[PREFLIGHT_TEXT_LEN];
	int length = 0;

	if (is_json_wanted(agent))
		length = format_preflight_json(answer, &agent->config.engine.ladder, text,
					       sizeof(text));

	if (length > 0)
		decision_keep(agent, text, (size_t)length);
}

void agent_output_actions(struct agent *agent, const struct actions *actions)
{
	for (uint32_t i = 0; i < actions->line_count; i++)
		line_send(agent, &actions->lines[i]);
	for (uint32_t i = 0; i < actions->decision_count; i++)
		notice_send(agent, &actions->decisions[i]);
	for (uint32_t i = 0; i < actions->decision_count; i++)
		decision_log(agent, &actions->decisions[i]);
	if (actions->has_answer)
		answer_log(agent, &actions->answer);
}

/* The wanted tier is a level: whoever comes gets it, and an order that is still open. */
static int manager_repeat(void *context)
{
	struct agent *agent = context;
	struct manager_line line;

	/* There is none before the first samples. */
	if (engine_get_state_line(agent->engine, &line))
		line_send(agent, &line);
	if (engine_get_pending_switch(agent->engine, &line))
		line_send(agent, &line);
	return 0;
}

static int manager_on_reader(void *context)
{
	struct agent *agent = context;

	log_write(&agent->log, LOG_DEBUG, "a reader of %s is there", PROTOCOL_MANAGER_FIFO);
	return manager_repeat(context);
}

static int manager_on_replaced(void *context, int result)
{
	struct agent *agent = context;

	log_rate_limited(&agent->log, LOG_QUIET, "%s was replaced: %s", PROTOCOL_MANAGER_FIFO,
			 result < 0 ? strerror(-result) : "made again");
	return 0;
}

const struct manager_fifo_callbacks agent_manager_callbacks = {
	.on_reader = manager_on_reader,
	.on_writable = manager_repeat,
	.on_replaced = manager_on_replaced,
};

int agent_output_open(struct agent *agent)
{
	const struct app_config *config = &agent->config;
	int result = manager_fifo_create(&agent->dir, agent->loop, &agent_manager_callbacks, agent,
					 &agent->manager);

	if (result >= 0)
		result = reply_streams_create(agent->loop, &agent->watchers);
	if (result >= 0)
		result = control_fifo_create(&agent->dir, agent->loop, &agent_control_callbacks,
					     agent, &agent->control);
	if (result < 0) {
		log_write(&agent->log, LOG_QUIET, "FIFOs in %s: %s", config->run_dir,
			  strerror(-result));
		return AGENT_EXIT_RUNTIME;
	}
	if (!config->decisions[0])
		return 0;
	result = ndjson_writer_open(config->decisions, config->decisions_max_bytes,
				    &agent->decisions);
	if (result < 0) {
		log_write(&agent->log, LOG_QUIET, "decisions to %s: %s", config->decisions,
			  strerror(-result));
		return AGENT_EXIT_RUNTIME;
	}
	return 0;
}

static void decisions_close(struct agent *agent)
{
	struct ndjson_writer_stats stats;

	if (!agent->decisions)
		return;
	if (ndjson_writer_close(agent->decisions, CLOSE_TIMEOUT_MS, &stats) < 0)
		log_write(&agent->log, LOG_QUIET, "decisions to %s: not all are written at the end",
			  agent->config.decisions);
	tell_dropped(agent, &stats);
	agent->decisions = NULL;
}

void agent_output_close(struct agent *agent)
{
	decisions_close(agent);
	control_fifo_destroy(agent->control);
	reply_streams_destroy(agent->watchers);
	manager_fifo_destroy(agent->manager);
}
