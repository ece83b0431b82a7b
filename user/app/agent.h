/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent: wires sources -> engine -> sinks. Everything that may change a decision becomes an
 * event and goes through agent_feed(); everything the engine wants done comes out of it.
 *
 * Between a record and its FIFO line there is no allocation, fork or file creation.
 */
#ifndef TIERD_APP_AGENT_H
#define TIERD_APP_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/engine.h"
#include "core/latency.h"
#include "core/state.h"
#include "format.h"
#include "io/cgroup.h"
#include "io/control_fifo.h"
#include "io/group_depth.h"
#include "io/loop.h"
#include "io/manager_fifo.h"
#include "io/model.h"
#include "io/ndjson_writer.h"
#include "io/nvml.h"
#include "io/probes.h"
#include "io/psi.h"
#include "io/reply_stream.h"
#include "io/run_dir.h"
#include "io/sampler.h"
#include "io/state_file.h"
#include "io/state_keeper.h"
#include "io/trace_writer.h"
#include "log.h"
#include "options.h"
#include "state_text.h"
#include "tierd/protocol.h"

enum {
	AGENT_EXIT_RUNTIME = 1,   /* something that worked has failed */
	AGENT_EXIT_CONFIG = 2,    /* usage or configuration */
	AGENT_EXIT_PRIVILEGE = 3, /* privilege or kernel support is missing */
};

/* A timer with the time it is set to, so that setting it again to the same costs nothing. */
struct agent_timer {
	struct loop_timer *timer;
	uint64_t at_ns;
};

/* The recording, if there is one. */
struct agent_record {
	struct trace_writer *writer; /* NULL = none */
	struct trace_writer *ending; /* one that is stopped and still being written; NULL = none */
	struct trace_metadata metadata;
	struct trace_writer_stats said; /* as of the last log line */
	char path[CONFIG_PATH_LEN + PROTOCOL_NAME_LEN];
	char config[TRACE_CONFIG_MAX + 1]; /* text of the one in force, while it is recorded */
};

/* What is kept over a restart. */
struct agent_state {
	struct state_keeper *keeper; /* NULL = nothing is kept */
	int dir_fd;
	int run_fd; /* of a directory below the run directory */
	int lock_fd;
	char name[STATE_FILE_NAME_LEN]; /* of the file, in its directory */
	bool is_restored;
	struct engine_state restored;    /* what an agent before has left */
	char boot_id[STATE_BOOT_ID_LEN]; /* of that one */
	uint64_t saved_ns;
	struct state_keeper_stats said; /* as of the last log line */
	char text[STATE_TEXT_MAX];
	char kept[STATE_TEXT_MAX]; /* the lasting part of what was saved last */
	size_t kept_len;
	uint64_t kept_ns;
};

enum {
	AGENT_COST_ASKERS_MAX = 8,
};

/* Who waits for what the agent costs, and what it had cost when the first of them asked. */
struct agent_cost {
	struct agent_timer timer;
	uint32_t asker_count; /* 0 = nothing is measured */
	struct control_line askers[AGENT_COST_ASKERS_MAX];
	int stats_fd; /* -1 = off, or refused */
	int error;    /* why they were refused; negative errno or 0 */
	uint64_t begin_ns;
	struct status_cost begin;
};

struct agent {
	struct app_config config;
	const struct config_arguments *arguments; /* for reload */
	const char *config_path;                  /* NULL = defaults and command line only */
	struct log log;
	struct engine *engine;
	struct loop *loop;
	struct agent_timer wake_timer;
	struct agent_timer sample_timer;
	struct agent_timer walk_timer;

	uint64_t started_ns;
	uint32_t own_pid;
	uint32_t source; /* enum pressure_source, as it is now */
	struct probes *probes;
	uint64_t losses_seen[LOSS_CAUSE_COUNT];
	uint64_t last_walk_ns;
	uint64_t walk_rest_ns;   /* at least this long until the next one, for what it cost */
	uint64_t missed_read_ns; /* when skipped programs were last counted */
	/* Resources as they were when it was last known who uses them, at last_walk_ns then. */
	struct event_resource walked[EVENT_RESOURCES_MAX];
	uint32_t walked_count;
	uint64_t walked_ns;
	int psi_fd; /* trigger on memory, -1 = none */
	struct cgroup_hierarchy hierarchy;
	struct group_depth depths;
	struct model *model;
	struct nvml *nvml;
	struct sampler *sampler;
	uint64_t sampled_ns;       /* when a sample was last tried */
	bool is_sample_failing;    /* said once, not on every attempt */
	uint64_t sample_failures;  /* of parts: GPUs, the model's processes */
	unsigned int failed_walks; /* in a row */
	uint32_t hello_pid;
	bool has_manager; /* one has said hello */
	bool is_calm;

	struct run_dir dir;
	struct manager_fifo *manager;
	struct control_fifo *control;
	struct ndjson_writer *decisions;           /* NULL = not kept */
	struct ndjson_writer_stats decisions_said; /* as of the last log line */
	struct reply_streams *watchers;            /* of decisions */
	uint64_t bad_lines;                        /* from control.fifo */
	uint64_t reloaded_ns;                      /* by a line from control.fifo */
	/* How long preflights took, from the line to its reply, in microseconds. */
	struct latency preflight_us;
	uint64_t preflight_max_us;
	struct agent_record record;
	struct agent_state state;
	struct agent_cost cost;
};

/*
 * Sets everything up. arguments must outlive the agent. Returns 0; or the exit status
 * (AGENT_EXIT_...) after saying why on the log. agent_close() is needed either way.
 */
int agent_open(struct agent *agent, const struct config_arguments *arguments);

/* Runs until a signal. Returns the exit status. */
int agent_run(struct agent *agent);

/* Leaves nothing behind. */
void agent_close(struct agent *agent);

/* ---- between the agent's own files ---- */

/* Stamps the event with the time of now, lets the engine step, and does what it wants. */
int agent_feed(struct agent *agent, struct event *event);

/* The same; *ret_actions is what the engine wanted. */
int agent_feed_for_actions(struct agent *agent, struct event *event, struct actions *ret_actions);

int agent_timer_set(struct agent_timer *timer, uint64_t at_ns);

/* agent_sources.c, agent_sample.c: where events come from. Callbacks of the loop return 0 or
 * negative errno. */
int agent_sources_open(struct agent *agent);
void agent_sources_close(struct agent *agent);
/* Finds the model anew by what config says in [model]; on failure the old way stays. */
int agent_sources_set_model(struct agent *agent, const struct app_config *config);
int agent_sample(void *context, uint64_t now_ns);
/* Goes on with the next lower source, after a failure. */
int agent_source_fall(struct agent *agent, int failure);

/* agent_walk.c: one look at every thread, on time or (callback of the loop) now. */
int agent_first_walk(struct agent *agent);
int agent_walk(void *context, uint64_t now_ns);
void agent_set_calm(struct agent *agent, bool is_calm);

/* agent_output.c: decisions and lines. */
int agent_output_open(struct agent *agent);
void agent_output_close(struct agent *agent);
void agent_output_actions(struct agent *agent, const struct actions *actions);
/* Says what became of the decisions that were to be kept. */
void agent_output_check(struct agent *agent);
extern const struct manager_fifo_callbacks agent_manager_callbacks;

/*
 * agent_record.c: recording what the engine is fed. Opening returns 0 or the exit status; starting
 * and stopping, on somebody's request, 0 or negative errno with a line in error.
 */
int agent_record_open(struct agent *agent);
void agent_record_close(struct agent *agent);
int agent_record_start(struct agent *agent, const char *name, char *error, size_t error_size);
int agent_record_stop(struct agent *agent, char *error, size_t error_size);
void agent_record_event(struct agent *agent, const struct event *event);
/* Says what was dropped, and ends what is to end. */
void agent_record_check(struct agent *agent);
void agent_record_get_status(const struct agent *agent, struct status_record *ret_status);

/*
 * agent_state.c: the state file. What cannot be read or written there is said, and the agent goes
 * on without.
 */
void agent_state_open(struct agent *agent);
/* Makes a process that a manager has named the model's again, if it still is the same. */
void agent_state_restore_hello(struct agent *agent);
/* Feeds what was kept; between the configuration and the first sample. */
int agent_state_restore(struct agent *agent);
/* Saves what has changed by an event: after its lines are sent, and without waiting. */
void agent_state_note(struct agent *agent, const struct event *event,
		      const struct actions *actions);
void agent_state_close(struct agent *agent);
/* The text of a state, as it is recorded; valid until the next call of any of these. */
struct event_text agent_state_write(struct agent *agent, const struct engine_state *state);
void agent_state_get_status(const struct agent *agent, struct status_state *ret_status);

/* agent_control.c: lines from control.fifo, and reload. */
extern const struct control_fifo_callbacks agent_control_callbacks;
/* Answer the line; cost may be NULL. */
void agent_reply_status(struct agent *agent, const struct control_line *line,
			const struct status_cost *cost);
void agent_reply_error(struct agent *agent, const struct control_line *line, const char *error);

/*
 * agent_cost.c: a status with what the agent costs, which takes a second of measuring; until then
 * the agent goes on. Returns 0; -EBUSY, and nothing is kept, if too many wait already; or a
 * negative errno of the loop. Closing answers those who wait.
 */
int agent_cost_ask(struct agent *agent, const struct control_line *line);
/* Callback of the loop. */
int agent_cost_end(void *context, uint64_t now_ns);
void agent_cost_close(struct agent *agent);

/* Reads the config again. Returns 0; or -EINVAL and one line in error: the old one stays. */
int agent_reload(struct agent *agent, char *error, size_t error_size);

#endif
