/* SPDX-License-Identifier: BSD-2-Clause */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"
#include "gate_socket.h"
#include "log.h"
#include "work_dir.h"

#define POLL_CALM_NS NS_PER_S
#define POLL_BUSY_NS (50 * NS_PER_MS)
#define EXCHANGE_TIMEOUT_NS (2 * NS_PER_S)
#define RESTART_NS NS_PER_S

enum {
	COMMAND_LEN = 160,
	SHELL_LEN = 2 * MANAGER_TEXT_LEN,
};

/* ---- what ought to be, and what is -------------------------------------------------------------
 */

static const char *const STATE_WORDS[] = {
	[DOOR_SHUT] = "maint",
	[DOOR_DRAINING] = "drain",
	[DOOR_OPEN] = "ready",
};

static enum door hold_wanted(const struct gate *gate)
{
	return gate->is_waiting_wanted || gate->is_kept_waiting ? DOOR_OPEN : DOOR_SHUT;
}

static bool is_as_wanted(const struct gate *gate)
{
	if (gate->stat.hold.door != hold_wanted(gate))
		return false;
	for (uint32_t tier = 1; tier < gate->config->tier_count; tier++) {
		if (gate->stat.tiers[tier].door != gate->wanted[tier])
			return false;
	}
	return true;
}

static bool is_draining(const struct gate *gate)
{
	for (uint32_t tier = 1; tier < gate->config->tier_count; tier++) {
		if (gate->wanted[tier] == DOOR_DRAINING)
			return true;
	}
	return false;
}

static void add_command(struct text *text, const char *server, enum door wanted)
{
	text_add(text, "set server " GATE_BACKEND "/%s state %s;", server, STATE_WORDS[wanted]);
}

/* Opening comes first: there is no moment in which no server is there. */
static void write_request(struct gate *gate)
{
	static const enum door ORDER[] = {DOOR_OPEN, DOOR_DRAINING, DOOR_SHUT};
	struct text text;

	text_init(&text, gate->request, sizeof(gate->request));
	for (size_t i = 0; i < ARRAY_SIZE(ORDER); i++) {
		if (hold_wanted(gate) == ORDER[i] && gate->stat.hold.door != ORDER[i])
			add_command(&text, GATE_HOLD, ORDER[i]);
		for (uint32_t tier = 1; tier < gate->config->tier_count; tier++) {
			if (gate->wanted[tier] == ORDER[i] &&
			    gate->stat.tiers[tier].door != ORDER[i])
				add_command(&text, gate->config->tiers[tier].name, ORDER[i]);
		}
	}
	text_add(&text, "show stat\n");
	text_finish(&text); /* sixteen names at most: it fits */
}

/* ---- one exchange ------------------------------------------------------------------------------
 */

static void end_exchange(struct gate *gate)
{
	if (gate->socket.fd >= 0)
		loop_remove_source(gate->loop, &gate->socket);
	cleanup_close(&gate->socket.fd);
	gate->socket.fd = -1;
	free(gate->reply);
	gate->reply = NULL;
	gate->reply_len = 0;
	gate->sent = 0;
}

static void plan_next(struct gate *gate)
{
	bool is_busy = !gate->is_known || !is_as_wanted(gate) || is_draining(gate);

	loop_arm_in(&gate->poll_timer, is_busy ? POLL_BUSY_NS : POLL_CALM_NS);
}

static void fail_exchange(struct gate *gate, const char *why)
{
	end_exchange(gate);
	/* While it starts, nothing is the matter. */
	if (gate->is_known)
		log_rare("the gate does not answer: %s", why);
	gate->is_known = false;
	plan_next(gate);
}

static void report_running_tasks(struct gate *gate)
{
	for (uint32_t tier = 1; tier < gate->config->tier_count; tier++)
		report_running(gate->report, tier, gate->stat.tiers[tier].in_flight);
}

static void take_reply(struct gate *gate)
{
	struct gate_stat stat;
	char *reply = TAKE_PTR(gate->reply);
	size_t len = gate->reply_len;
	char *csv;

	end_exchange(gate);
	csv = reply ? strstr(reply, "# pxname") : NULL;
	if (!csv || gate_stat_parse(gate->config, csv, len - (size_t)(csv - reply), &stat) < 0) {
		fail_exchange(gate, "what it says is not understood");
	} else {
		/* What is said before the table is about the commands: empty lines are success. */
		if (strspn(reply, "\n") < (size_t)(csv - reply))
			log_rare("the gate says: %.*s", (int)(csv - reply), reply);
		if (!gate->is_known)
			log_line("the gate answers");
		gate->is_known = true;
		gate->failures = 0;
		gate->stat = stat;
		report_running_tasks(gate);
		plan_next(gate);
		gate->on_change(gate->context);
	}
	free(reply);
}

static void read_reply(struct gate *gate)
{
	for (;;) {
		char bytes[16 * 1024];
		ssize_t count = read(gate->socket.fd, bytes, sizeof(bytes));

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		if (count < 0) {
			fail_exchange(gate, strerror(errno));
			return;
		}
		if (count == 0) {
			take_reply(gate);
			return;
		}
		char *reply = realloc(gate->reply, gate->reply_len + (size_t)count + 1);
		if (!reply || gate->reply_len + (size_t)count > GATE_REPLY_MAX) {
			if (reply)
				gate->reply = reply;
			fail_exchange(gate, "it says too much");
			return;
		}
		memcpy(reply + gate->reply_len, bytes, (size_t)count);
		gate->reply_len += (size_t)count;
		reply[gate->reply_len] = '\0';
		gate->reply = reply;
	}
}

static void on_socket(void *context, short events)
{
	struct gate *gate = context;
	size_t len = strlen(gate->request);

	(void)events;
	if (gate->sent < len) {
		ssize_t count =
			write(gate->socket.fd, gate->request + gate->sent, len - gate->sent);

		if (count < 0 && errno != EAGAIN && errno != EINTR) {
			fail_exchange(gate, strerror(errno));
			return;
		}
		gate->sent += count > 0 ? (size_t)count : 0;
		if (gate->sent == len)
			gate->socket.events = CURL_WAIT_POLLIN;
		return;
	}
	read_reply(gate);
}

static void begin_exchange(struct gate *gate)
{
	int fd = gate_socket_connect(gate->path);

	if (fd < 0) {
		fail_exchange(gate, strerror(-fd));
		return;
	}
	gate->socket = (struct loop_source){fd, CURL_WAIT_POLLOUT, on_socket, gate};
	write_request(gate);
	if (loop_add_source(gate->loop, &gate->socket) < 0) {
		fail_exchange(gate, "too many descriptors");
		return;
	}
	loop_arm_in(&gate->poll_timer, EXCHANGE_TIMEOUT_NS);
}

static void on_poll_time(void *context)
{
	struct gate *gate = context;

	if (gate->socket.fd >= 0)
		fail_exchange(gate, "it took too long");
	else
		begin_exchange(gate);
}

/* Something ought to be different: not only with the next poll. */
static void hurry(struct gate *gate)
{
	if (gate->socket.fd < 0)
		loop_arm_in(&gate->poll_timer, 0);
}

/* ---- doors -------------------------------------------------------------------------------------
 */

void gate_set_door(struct gate *gate, uint32_t tier, enum door door)
{
	if (gate->wanted[tier] == door)
		return;
	gate->wanted[tier] = door;
	hurry(gate);
}

/* What is being changed is not taken for what it is going to be. */
enum door gate_get_door(const struct gate *gate, uint32_t tier)
{
	return gate->is_known ? gate->stat.tiers[tier].door : DOOR_SHUT;
}

uint32_t gate_get_in_flight(const struct gate *gate, uint32_t tier)
{
	const struct gate_server_stat *stat = &gate->stat.tiers[tier];

	if (!gate->is_known || stat->door == DOOR_OPEN)
		return IN_FLIGHT_UNKNOWN;
	return stat->in_flight;
}

void gate_set_waiting(struct gate *gate, bool is_waiting)
{
	if (gate->is_waiting_wanted == is_waiting)
		return;
	gate->is_waiting_wanted = is_waiting;
	hurry(gate);
}

void gate_keep_waiting(struct gate *gate, bool is_kept)
{
	loop_disarm(&gate->keep_timer);
	is_kept &= gate->config->gate_socket[0] != '\0';
	if (gate->is_kept_waiting == is_kept)
		return;
	gate->is_kept_waiting = is_kept;
	hurry(gate);
}

/* ---- its log -----------------------------------------------------------------------------------
 */

static void on_log(void *context, short events)
{
	struct gate *gate = context;
	struct request_end end;
	char line[512];
	ssize_t count;

	(void)events;
	while ((count = read(gate->log_source.fd, line, sizeof(line) - 1)) > 0) {
		line[count] = '\0';
		if (report_parse(gate->config, line, &end) < 0)
			continue;
		if (end.is_served)
			gate->on_served(gate->context, end.tier);
		report_end(gate->report, &end);
	}
}

static int open_log(struct gate *gate)
{
	int fd;

	gate_log_path(gate->config, gate->log_path);
	fd = gate_socket_bind_log(gate->log_path);
	if (fd < 0)
		return fd;
	gate->log_source = (struct loop_source){fd, CURL_WAIT_POLLIN, on_log, gate};
	return loop_add_source(gate->loop, &gate->log_source);
}

/* ---- its process -------------------------------------------------------------------------------
 */

static int write_config_file(const struct gate *gate, const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	return gate_write_config(gate->config, file);
}

static void start_process(void *context)
{
	struct gate *gate = context;
	char command[SHELL_LEN];

	snprintf(command, sizeof(command), "exec %s -db -f '%s/gate.cfg'",
		 gate->config->gate_command, gate->config->work_dir);
	int r = child_start(gate->children, &gate->process, command, NULL, gate->log.write_fd);
	if (r < 0) {
		log_line("cannot start the gate: %s", strerror(-r));
		loop_arm_in(&gate->start_timer, RESTART_NS);
		return;
	}
	log_line("gate: started, process %d", (int)gate->process.pid);
	loop_arm_in(&gate->poll_timer, POLL_BUSY_NS);
}

static void on_process_end(void *context, int status)
{
	struct gate *gate = context;
	char why[64];

	log_line("the gate has ended: %s", child_describe_status(status, why, sizeof(why)));
	end_exchange(gate);
	gate->is_known = false;
	memset(&gate->stat, 0, sizeof(gate->stat));
	if (++gate->failures >= GATE_FAILURES_MAX) {
		gate->on_lost(gate->context);
		return;
	}
	loop_arm_in(&gate->start_timer, gate->failures == 1 ? 0 : RESTART_NS);
	gate->on_change(gate->context);
}

static int open_process(struct gate *gate)
{
	char path[MANAGER_PATH_LEN];

	snprintf(path, sizeof(path), "%s/gate.cfg", gate->config->work_dir);
	int r = write_config_file(gate, path);
	if (r == 0)
		r = child_log_open(&gate->log, gate->loop, gate->config->log_dir, "gate",
				   gate->config->log_max_bytes);
	if (r == 0)
		start_process(gate);
	return r;
}

/* ---- the whole ---------------------------------------------------------------------------------
 */

static void stop_keeping(void *context)
{
	gate_keep_waiting(context, false);
}

int gate_open(struct gate *gate, char *error, size_t error_size)
{
	int r;

	gate->socket.fd = -1;
	gate->log_source.fd = -1;
	gate->log.write_fd = -1;
	gate->lock_fd = -1;
	gate->process.on_end = on_process_end;
	gate->process.context = gate;
	gate_stats_path(gate->config, gate->path);
	loop_add_timer(gate->loop, &gate->poll_timer, on_poll_time, gate);
	loop_add_timer(gate->loop, &gate->start_timer, start_process, gate);
	loop_add_timer(gate->loop, &gate->keep_timer, stop_keeping, gate);
	gate_keep_waiting(gate, true);
	loop_arm_in(&gate->keep_timer, gate->config->gate_wait_ns);
	gate->lock_fd = work_dir_take(gate->config->work_dir);
	r = gate->lock_fd < 0 ? gate->lock_fd : open_log(gate);
	if (r == 0 && !gate->config->gate_socket[0])
		r = open_process(gate);
	if (r < 0)
		work_dir_describe_error(gate->config->work_dir, r, error, error_size);
	loop_arm_in(&gate->poll_timer, POLL_BUSY_NS);
	return r;
}

void gate_close(struct gate *gate)
{
	if (!gate->loop)
		return;
	end_exchange(gate);
	if (gate->log_source.fd >= 0) {
		loop_remove_source(gate->loop, &gate->log_source);
		cleanup_close(&gate->log_source.fd);
		unlink(gate->log_path);
	}
	child_log_close(&gate->log);
	if (gate->lock_fd >= 0)
		cleanup_close(&gate->lock_fd);
}
