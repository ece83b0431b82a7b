/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real tierd in a process of its own, with a config and a run directory of its own, seen the way
 * a manager sees it: lines from manager.fifo, with the time at which read() returned them.
 */
#ifndef TIERD_TESTS_AGENT_PROCESS_H
#define TIERD_TESTS_AGENT_PROCESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	AGENT_LINE_LEN = 4096,
	AGENT_ARGS_MAX = 20,
};

struct agent_process {
	pid_t pid;
	int manager_fd;       /* -1 while not reading */
	const char *log_path; /* set before the start: where the log goes instead of a file */
	char dir[128];        /* of everything below */
	char run_dir[160];
	char config[160];
	char decisions[160];
	char log[160];
	char state[160];
	char pending[2 * AGENT_LINE_LEN];
	size_t pending_len;
};

struct agent_line {
	uint64_t read_ns; /* CLOCK_MONOTONIC */
	char text[AGENT_LINE_LEN];
};

/* Starts it as agent_start() does, but returns at once. */
void agent_launch(struct agent_process *agent, const char *config_text, const char *const *extra);

/*
 * Writes config_text and starts build/tierd with it and with extra arguments (NULL-terminated, or
 * NULL); returns when both FIFOs are there and manager.fifo is opened for reading. Fails the test
 * on error.
 */
void agent_start(struct agent_process *agent, const char *config_text, const char *const *extra);

/* Kills it with SIGKILL: what it leaves stays. */
void agent_kill(struct agent_process *agent);

/* Starts it anew, with the files that are there, and opens manager.fifo. */
void agent_restart(struct agent_process *agent, const char *const *extra);

/* Whether its run directory is there and holds anything. */
bool agent_has_left_files(const struct agent_process *agent);

/* Sends signal_number, waits at most five seconds, and fails the test unless the agent ends with
 * status 0 and leaves nothing in its run directory. */
void agent_stop(struct agent_process *agent, int signal_number);

/* For teardown, also after a failed assertion: kills what is left, removes the files. */
void agent_discard(struct agent_process *agent);

void agent_open_reader(struct agent_process *agent);
void agent_close_reader(struct agent_process *agent);

/* The next line that starts with prefix, others are skipped; false after timeout_ns. */
bool agent_read_line(struct agent_process *agent, const char *prefix, uint64_t timeout_ns,
		     struct agent_line *ret_line);

/* The same for a line that also contains needle. Bounded: at most timeout_ns in all. */
bool agent_read_match(struct agent_process *agent, const char *prefix, const char *needle,
		      uint64_t timeout_ns, struct agent_line *ret_line);

/* The same; fails the test, with the agent's log, where there is none. */
void agent_need_match(struct agent_process *agent, const char *prefix, const char *needle,
		      uint64_t timeout_ns, struct agent_line *ret_line);

/* The word behind ` key=` in a line; fails the test if there is none. */
const char *line_value(const struct agent_line *line, const char *key, char *buffer, size_t size);
void assert_line_value(const struct agent_line *line, const char *key, const char *expected);

/* Writes text into control.fifo. */
void agent_control(const struct agent_process *agent, const char *text);

/* Runs build/tierctl with the agent's run directory; returns its exit status, output in buffer. */
int agent_tierctl(const struct agent_process *agent, const char *arguments, char *buffer,
		  size_t size);

/* `tierctl status --json`, parsed; fails the test on error. For json_decref(). */
json_t *agent_read_status(const struct agent_process *agent);

/* One number of it, in that object of it; fails the test if it is not there. */
json_int_t agent_status_number(const struct agent_process *agent, const char *object,
			       const char *key);

/* Number of lines of the decisions file that contain every one of the needles (NULL-ended). */
unsigned int agent_count_decisions(const struct agent_process *agent, const char *const *needles);

/* The path of a program in the build folder that this test was built in. */
const char *build_path(const char *name, char *buffer, size_t size);

/* The log and decisions of the agent, to the test's output: for a failing test. */
void agent_print_log(const struct agent_process *agent);

#endif
