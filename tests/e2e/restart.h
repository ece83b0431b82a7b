/* SPDX-License-Identifier: BSD-2-Clause */
/* An agent on a small host, to be ended in one way or another and started again. */
#ifndef TIERD_TESTS_RESTART_H
#define TIERD_TESTS_RESTART_H

#include "scene.h"

#define RESTART_LINE_NS (20 * NS_PER_S)

enum {
	RESTART_TEXT_LEN = 64 * 1024,
};

extern struct scene restart_scene;

/* In every teardown. */
int restart_teardown(void **state);

/* Starts the agent, with extra arguments, and says hello as a manager that has `large` loaded. */
void restart_open_scene(const char *const *extra);

/* Others take so much that the next tier down is ordered; returns its number. */
uint64_t restart_press(pid_t *ret_hog);

/* Stepped down to medium, which is in place, and nothing presses any more. Returns the number. */
uint64_t restart_step_down(void);

void restart_acknowledge(uint64_t seq, const char *state);

/* Of a line. */
uint64_t restart_number_of(const struct agent_line *line, const char *key);

/* The text of a file, "" if there is none; valid until the next call of any of these. */
const char *restart_read_file(const char *path);

/* Wait a while for it, and fail the test. */
void restart_need_in_log(const char *words);
void restart_need_in_state_file(const char *words);

bool restart_file_exists(const char *path, const char *suffix);

#endif
