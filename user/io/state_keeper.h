/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the state, in a thread of its own: whoever saves never waits for a disk. What is saved
 * before the last one is written replaces it.
 *
 * There are two places. The file is what outlives a reboot: it is written when something decisive
 * has changed, and waits for the disk. The snapshot, in the run directory, which is in memory,
 * outlives the agent only: it may be written every second, so that after a crash little has gone
 * unseen.
 */
#ifndef TIERD_IO_STATE_KEEPER_H
#define TIERD_IO_STATE_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct state_keeper;

struct state_keeper_options {
	int dir_fd; /* of the file; duplicated */
	const char *name;
	int run_fd; /* of the snapshot; duplicated */
	const char *snapshot_name;
};

struct state_keeper_stats {
	uint64_t saved;    /* times that the file was written */
	uint64_t failed;   /* times that it, or the snapshot, could not be */
	uint64_t saved_ns; /* when it was last, CLOCK_MONOTONIC; 0 = never */
	int error;         /* of the last time, negative errno; 0 = none */
};

/* Names are at most STATE_FILE_NAME_LEN long and are copied. Returns 0 or negative errno. */
int state_keeper_start(const struct state_keeper_options *options,
		       struct state_keeper **ret_keeper);

/*
 * Saves a text of at most STATE_FILE_MAX - STATE_FILE_ROOM bytes: into the file and into the
 * snapshot, or into the snapshot alone. Copies it and returns; false if that would have to wait for
 * the thread: try again later.
 */
bool state_keeper_save(struct state_keeper *keeper, const char *text, size_t len, bool is_lasting);

void state_keeper_get_stats(const struct state_keeper *keeper,
			    struct state_keeper_stats *ret_stats);

/*
 * Writes what is still to be written, removes the snapshot if the file then holds what was last
 * saved, and frees the keeper. Waits for the disk at most timeout_ms. Returns 0; -ETIMEDOUT if the
 * thread still waits: then its memory is lost; or the disk's negative errno.
 */
int state_keeper_stop(struct state_keeper *keeper, int timeout_ms);

#endif
