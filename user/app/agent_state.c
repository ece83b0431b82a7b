// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is kept over a restart. Every second into the run directory, which is in memory; onto the
 * disk when more has changed than the time, and at the end. The newer of the two is taken up by the
 * next agent. All waiting is done by the keeper's thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "base/lock_file.h"
#include "base/units.h"
#include "core/ladder.h"
#include "core/names.h"
#include "io/private_dir.h"

/* Below the run directory, for whoever watches that is not to be woken every second. */
#define SNAPSHOT_DIR "kept"
#define SNAPSHOT_NAME "snapshot"
#define LOCK_SUFFIX ".lock"
#define SAVE_PERIOD_NS NS_PER_S
/* What is learned little by little gets onto the disk as often as this. */
#define KEEP_PERIOD_NS (600 * NS_PER_S)

enum {
	ERROR_LEN = 128,
	LOCK_MODE = 0600,
	CLOSE_TIMEOUT_MS = 5000, /* a disk that hangs does not hold up the end of the agent */
	CLOSE_TRIES = 1000,
	CLOSE_TRY_US = 1000,
};

/* ---- reading -----------------------------------------------------------------------------------
 */

/* What is damaged makes room for a new one, but is not lost to whoever wants to look at it. */
static void set_aside(struct agent *agent, int dir_fd, const char *name, const char *why)
{
	int result = state_file_set_aside(dir_fd, name);

	if (result < 0)
		log_write(&agent->log, LOG_QUIET, "state %s: %s; it cannot be set aside: %s", name,
			  why, strerror(-result));
	else
		log_write(&agent->log, LOG_QUIET, "state %s: %s; set aside as %s.bad", name, why,
			  name);
}

/* Returns 0, or negative errno as state_file_read() after saying why. */
static int load(struct agent *agent, int dir_fd, const char *name, struct engine_state *ret_state,
		char boot_id[STATE_BOOT_ID_LEN])
{
	static char text[STATE_FILE_MAX]; /* too big for the stack, and never needed twice */
	char error[ERROR_LEN] = "";
	int result = state_file_read(dir_fd, name, text, error, sizeof(error));

	if (result >= 0)
		result = state_text_read(text, (size_t)result, ret_state, boot_id, error,
					 sizeof(error));
	if (result == -EBADMSG || result == -EPERM || result == -EINVAL) {
		set_aside(agent, dir_fd, name, error);
		return -EBADMSG;
	}
	if (result < 0 && result != -ENOENT)
		log_write(&agent->log, LOG_QUIET, "state %s: %s; it is left alone", name, error);
	return result;
}

/* Of two states of this boot the newer one; the snapshot's, unless it was left by an older boot. */
static void choose(struct agent *agent, bool has_file)
{
	struct agent_state *state = &agent->state;
	const char *boot_id = agent->record.metadata.boot_id;
	struct engine_state snapshot;
	char snapshot_boot_id[STATE_BOOT_ID_LEN];
	bool has_snapshot =
		load(agent, state->run_fd, SNAPSHOT_NAME, &snapshot, snapshot_boot_id) == 0 &&
		*boot_id && strcmp(snapshot_boot_id, boot_id) == 0;
	bool is_file_ours = has_file && strcmp(state->boot_id, boot_id) == 0;

	state->is_restored = has_file || has_snapshot;
	if (has_snapshot && !(is_file_ours && state->restored.taken_ns >= snapshot.taken_ns)) {
		state->restored = snapshot;
		memcpy(state->boot_id, snapshot_boot_id, sizeof(snapshot_boot_id));
	}
	state->restored.is_same_boot =
		state->restored.is_same_boot && *boot_id && strcmp(state->boot_id, boot_id) == 0;
}

/* ---- beginning ---------------------------------------------------------------------------------
 */

/* Returns the directory's descriptor, or negative errno. */
static int open_dir(const char *path, char name[STATE_FILE_NAME_LEN])
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	char dir[CONFIG_PATH_LEN] = ".";

	if (strlen(last) == 0)
		return -EISDIR;
	if (strlen(last) >= STATE_FILE_NAME_LEN)
		return -ENAMETOOLONG;
	if (slash)
		(void)snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path),
			       path);
	(void)snprintf(name, STATE_FILE_NAME_LEN, "%s", last);
	return private_dir_open(dir);
}

static int open_run_dir(const struct agent *agent)
{
	char path[sizeof(agent->dir.path) + sizeof("/" SNAPSHOT_DIR)];

	(void)snprintf(path, sizeof(path), "%s/" SNAPSHOT_DIR, agent->dir.path);
	return private_dir_open(path);
}

static int take_lock(struct agent_state *state)
{
	char name[NAME_MAX + 1];
	int result;

	(void)snprintf(name, sizeof(name), "%s" LOCK_SUFFIX, state->name);
	result = lock_file_take(state->dir_fd, name, O_RDWR | O_CREAT, LOCK_MODE);
	if (result >= 0)
		state->lock_fd = result;
	/* Where nothing can be written there is nobody to be kept out. */
	return result == -EBUSY || result == -EEXIST ? result : 0;
}

static void release(struct agent *agent)
{
	struct agent_state *state = &agent->state;
	char name[NAME_MAX + 1];

	if (state->lock_fd >= 0) {
		(void)snprintf(name, sizeof(name), "%s" LOCK_SUFFIX, state->name);
		unlinkat(state->dir_fd, name, 0);
		close(state->lock_fd);
	}
	if (state->dir_fd >= 0)
		close(state->dir_fd);
	if (state->run_fd >= 0) {
		close(state->run_fd);
		unlinkat(agent->dir.fd, SNAPSHOT_DIR, AT_REMOVEDIR);
	}
	state->lock_fd = -1;
	state->dir_fd = -1;
	state->run_fd = -1;
}

static void say_not_kept(struct agent *agent, const char *why)
{
	log_write(&agent->log, LOG_QUIET, "no state is kept in %s: %s", agent->config.state_file,
		  why);
}

static const char *explain(int result)
{
	if (result == -EBUSY)
		return "another agent does";
	if (result == -EPERM)
		return "the directory belongs to somebody else, or others may write there";
	return strerror(-result);
}

static int start_keeper(struct agent *agent)
{
	struct agent_state *state = &agent->state;
	const struct state_keeper_options options = {
		.dir_fd = state->dir_fd,
		.name = state->name,
		.run_fd = state->run_fd,
		.snapshot_name = SNAPSHOT_NAME,
	};

	return state_keeper_start(&options, &state->keeper);
}

/* What a killed agent left would be taken by a later one for the last that there was. */
static void drop_snapshot(struct agent *agent)
{
	agent->state.run_fd = open_run_dir(agent);
	if (agent->state.run_fd >= 0)
		unlinkat(agent->state.run_fd, SNAPSHOT_NAME, 0);
	release(agent);
}

void agent_state_open(struct agent *agent)
{
	struct agent_state *state = &agent->state;
	const char *path = agent->config.state_file;
	bool is_kept = !agent->config.is_dry_run;
	int result;

	if (!path[0]) {
		if (is_kept)
			drop_snapshot(agent);
		return;
	}
	state->dir_fd = open_dir(path, state->name);
	result = state->dir_fd < 0 ? state->dir_fd : 0;
	if (result == 0 && is_kept)
		result = take_lock(state);
	if (result == 0) {
		state->run_fd = open_run_dir(agent);
		result = state->run_fd < 0 ? state->run_fd : 0;
	}
	if (result < 0) {
		say_not_kept(agent, explain(result));
		release(agent);
		return;
	}
	result = load(agent, state->dir_fd, state->name, &state->restored, state->boot_id);
	choose(agent, result == 0);
	if (!is_kept)
		return;
	/* Whatever is there is not ours to replace. */
	if (result < 0 && result != -ENOENT && result != -EBADMSG) {
		say_not_kept(agent, "what is there was not made by tierd");
		return;
	}
	result = start_keeper(agent);
	if (result < 0)
		say_not_kept(agent, strerror(-result));
}

/* ---- taking up ---------------------------------------------------------------------------------
 */

struct event_text agent_state_write(struct agent *agent, const struct engine_state *state)
{
	size_t lasting;
	int len = state_text_write(state, agent->state.boot_id, agent->state.text,
				   sizeof(agent->state.text), &lasting);

	return (struct event_text){
		.name = agent->config.state_file,
		.name_len = strlen(agent->config.state_file),
		.text = agent->state.text,
		/* One that cannot be written is too large for a record. */
		.len = len < 0 ? TRACE_CONFIG_MAX + 1 : (size_t)len,
	};
}

static void say_restored(struct agent *agent, const struct engine_state *state)
{
	uint64_t age_ns = units_minus(loop_now_ns(), state->taken_ns);
	uint32_t tier;

	if (!ladder_find_name(&agent->config.engine.ladder, state->wanted, &tier))
		log_write(&agent->log, LOG_QUIET,
			  "state %s: there is no tier %s any more; only what else was kept is "
			  "taken up",
			  agent->state.name, state->wanted);
	else if (!state->is_same_boot)
		log_write(&agent->log, LOG_NORMAL,
			  "state %s: of another boot: tier %s, and what was learned, are taken up; "
			  "timers are not",
			  agent->state.name, state->wanted);
	else
		log_write(&agent->log, LOG_NORMAL,
			  "state %s: taken up as of %llu.%03llu s ago: tier %s (%s), switch %llu",
			  agent->state.name, (unsigned long long)(age_ns / NS_PER_S),
			  (unsigned long long)(age_ns % NS_PER_S / NS_PER_MS), state->wanted,
			  switch_state_name(state->phase), (unsigned long long)state->seq);
	if (state->is_paused)
		log_write(&agent->log, LOG_QUIET, "state %s: still paused, until `resume`",
			  agent->state.name);
}

void agent_state_restore_hello(struct agent *agent)
{
	const struct agent_state *state = &agent->state;
	const struct engine_state *restored = &state->restored;
	bool is_there;

	if (!state->is_restored || !restored->is_same_boot || restored->hello_start_ticks == 0)
		return;
	is_there = model_restore_hello_pid(agent->model, restored->hello_pid,
					   restored->hello_start_ticks) == 0;
	log_write(&agent->log, LOG_NORMAL, "state %s: process %u, which a manager has named, %s",
		  state->name, restored->hello_pid,
		  is_there ? "still is the model's" : "is there no more");
	if (!is_there)
		return;
	agent->hello_pid = restored->hello_pid;
}

int agent_state_restore(struct agent *agent)
{
	struct agent_state *state = &agent->state;
	struct event event = {.kind = EVENT_STATE, .state = &state->restored};

	if (!state->is_restored)
		return 0;
	if (state->restored.is_same_boot && state->restored.taken_ns > loop_now_ns())
		state->restored.is_same_boot = false;
	say_restored(agent, &state->restored);
	agent->has_manager = state->restored.is_same_boot && state->restored.has_manager;
	return agent_feed(agent, &event);
}

/* ---- keeping -----------------------------------------------------------------------------------
 */

static void tell_trouble(struct agent *agent)
{
	struct agent_state *state = &agent->state;
	struct state_keeper_stats stats;

	state_keeper_get_stats(state->keeper, &stats);
	if (stats.error < 0 && stats.error != state->said.error)
		log_rate_limited(&agent->log, LOG_QUIET, "state %s cannot be written: %s",
				 agent->config.state_file, strerror(-stats.error));
	else if (stats.error == 0 && state->said.error < 0)
		log_rate_limited(&agent->log, LOG_QUIET, "state %s is written again",
				 agent->config.state_file);
	state->said = stats;
}

static void save(struct agent *agent, bool is_final, uint64_t now_ns)
{
	struct agent_state *state = &agent->state;
	struct engine_state now;
	size_t lasting = 0;
	size_t lasting_len;
	bool is_lasting;
	int len;

	if (!engine_get_state(agent->engine, &now))
		return;
	now.is_final = is_final;
	/* Without its start time it could be anybody's. */
	now.hello_start_ticks = model_get_hello_start_ticks(agent->model);
	now.hello_pid = now.hello_start_ticks ? agent->hello_pid : 0;
	len = state_text_write(&now, agent->record.metadata.boot_id, state->text,
			       sizeof(state->text), &lasting);
	if (len < 0)
		return;
	lasting_len = (size_t)len - lasting;
	/* What did not get onto the disk is tried again. */
	is_lasting = is_final || state->said.error < 0 ||
		     units_minus(now_ns, state->kept_ns) >= KEEP_PERIOD_NS ||
		     lasting_len != state->kept_len ||
		     memcmp(state->text + lasting, state->kept, lasting_len) != 0;
	for (int i = 0; !state_keeper_save(state->keeper, state->text, (size_t)len, is_lasting);
	     i++) {
		if (!is_final || i == CLOSE_TRIES)
			return;
		usleep(CLOSE_TRY_US);
	}
	state->saved_ns = now_ns;
	if (is_lasting) {
		memcpy(state->kept, state->text + lasting, lasting_len);
		state->kept_len = lasting_len;
		state->kept_ns = now_ns;
	}
}

/* Whether something may have changed that is not to wait for the next second. */
static bool is_decisive(const struct event *event, const struct actions *actions)
{
	if (event->kind == EVENT_COMMAND)
		return event->command.verb != COMMAND_TASK_BEGIN &&
		       event->command.verb != COMMAND_TASK_END;
	for (uint32_t i = 0; i < actions->decision_count; i++) {
		if (actions->decisions[i].action != DECISION_HOLD)
			return true;
	}
	return false;
}

void agent_state_note(struct agent *agent, const struct event *event, const struct actions *actions)
{
	struct agent_state *state = &agent->state;
	bool is_due = units_minus(event->time_ns, state->saved_ns) >= SAVE_PERIOD_NS;

	if (!state->keeper || (!is_due && !is_decisive(event, actions)))
		return;
	tell_trouble(agent);
	save(agent, false, event->time_ns);
}

void agent_state_close(struct agent *agent)
{
	struct agent_state *state = &agent->state;
	int result = 0;

	if (state->keeper) {
		save(agent, true, 0);
		result = state_keeper_stop(state->keeper, CLOSE_TIMEOUT_MS);
	}
	if (result < 0)
		log_write(&agent->log, LOG_QUIET, "state %s could not be written at the end: %s",
			  agent->config.state_file, strerror(-result));
	state->keeper = NULL;
	release(agent);
}

void agent_state_get_status(const struct agent *agent, struct status_state *ret_status)
{
	const struct agent_state *state = &agent->state;
	struct state_keeper_stats stats;

	*ret_status = (struct status_state){.path = NULL};
	if (!state->keeper)
		return;
	state_keeper_get_stats(state->keeper, &stats);
	*ret_status = (struct status_state){
		.path = agent->config.state_file,
		.saved = stats.saved,
		.failed = stats.failed,
		.saved_ns = stats.saved_ns,
		.error = stats.error,
	};
}
