// SPDX-License-Identifier: BSD-2-Clause
#include "io/state_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "io/loop.h"
#include "io/state_file.h"
#include "io/thread.h"

enum {
	STACK_BYTES = 64 * 1024,
};

struct state_text {
	char text[STATE_FILE_MAX];
	size_t len;
	bool is_lasting; /* for the file, too */
};

struct state_keeper {
	/* Of both, under the lock, which nobody holds while waiting for anything. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct state_text next;
	bool is_pending;
	bool is_stopping;

	_Atomic uint64_t saved;
	_Atomic uint64_t failed;
	_Atomic uint64_t saved_ns;
	_Atomic int error;

	/* Of the thread. */
	pthread_t thread;
	struct state_text text;
	bool is_file_behind; /* what was last to get into it did not */
	int dir_fd;
	int run_fd;
	char name[STATE_FILE_NAME_LEN];
	char snapshot_name[STATE_FILE_NAME_LEN];
};

static void write_text(struct state_keeper *keeper)
{
	const struct state_text *text = &keeper->text;
	int result = 0;
	int err;

	if (text->is_lasting) {
		result =
			state_file_write(keeper->dir_fd, keeper->name, text->text, text->len, true);
		keeper->is_file_behind = result < 0;
		if (result == 0) {
			atomic_fetch_add(&keeper->saved, 1);
			atomic_store(&keeper->saved_ns, loop_now_ns());
		}
	}
	err = state_file_write(keeper->run_fd, keeper->snapshot_name, text->text, text->len, false);
	if (result == 0)
		result = err;
	if (result < 0)
		atomic_fetch_add(&keeper->failed, 1);
	/* A snapshot that succeeds says nothing of the file. */
	if (result < 0 || !keeper->is_file_behind)
		atomic_store(&keeper->error, result);
}

/* Takes what is to be written. Returns false if there will be nothing more. */
static bool take_next(struct state_keeper *keeper)
{
	bool is_taken;

	pthread_mutex_lock(&keeper->lock);
	while (!keeper->is_pending && !keeper->is_stopping)
		pthread_cond_wait(&keeper->changed, &keeper->lock);
	is_taken = keeper->is_pending;
	if (is_taken) {
		memcpy(keeper->text.text, keeper->next.text, keeper->next.len);
		keeper->text.len = keeper->next.len;
		keeper->text.is_lasting = keeper->next.is_lasting;
	}
	keeper->is_pending = false;
	pthread_mutex_unlock(&keeper->lock);
	return is_taken;
}

static void *run(void *context)
{
	struct state_keeper *keeper = context;

	while (take_next(keeper))
		write_text(keeper);
	if (keeper->text.is_lasting && !keeper->is_file_behind)
		unlinkat(keeper->run_fd, keeper->snapshot_name, 0);
	return NULL;
}

static void free_keeper(struct state_keeper *keeper)
{
	if (keeper->dir_fd >= 0)
		close(keeper->dir_fd);
	if (keeper->run_fd >= 0)
		close(keeper->run_fd);
	pthread_cond_destroy(&keeper->changed);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}

int state_keeper_start(const struct state_keeper_options *options, struct state_keeper **ret_keeper)
{
	struct state_keeper *keeper;
	int result = 0;

	if (strlen(options->name) >= STATE_FILE_NAME_LEN ||
	    strlen(options->snapshot_name) >= STATE_FILE_NAME_LEN)
		return -ENAMETOOLONG;
	keeper = malloc(sizeof(*keeper));
	if (!keeper)
		return -ENOMEM;
	/* Touched now, so that saving never waits for a page. */
	memset(keeper, 0, sizeof(*keeper));
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->changed, NULL);
	(void)snprintf(keeper->name, sizeof(keeper->name), "%s", options->name);
	(void)snprintf(keeper->snapshot_name, sizeof(keeper->snapshot_name), "%s",
		       options->snapshot_name);
	keeper->dir_fd = fcntl(options->dir_fd, F_DUPFD_CLOEXEC, 0);
	keeper->run_fd = fcntl(options->run_fd, F_DUPFD_CLOEXEC, 0);
	if (keeper->dir_fd < 0 || keeper->run_fd < 0)
		result = -errno;
	if (result == 0)
		result = thread_start(&keeper->thread, STACK_BYTES, run, keeper);
	if (result < 0) {
		free_keeper(keeper);
		return result;
	}
	*ret_keeper = keeper;
	return 0;
}

bool state_keeper_save(struct state_keeper *keeper, const char *text, size_t len, bool is_lasting)
{
	if (len > STATE_FILE_MAX - STATE_FILE_ROOM || pthread_mutex_trylock(&keeper->lock))
		return false;
	memcpy(keeper->next.text, text, len);
	keeper->next.len = len;
	keeper->next.is_lasting = is_lasting || (keeper->is_pending && keeper->next.is_lasting);
	keeper->is_pending = true;
	pthread_cond_signal(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
	return true;
}

void state_keeper_get_stats(const struct state_keeper *keeper, struct state_keeper_stats *ret_stats)
{
	*ret_stats = (struct state_keeper_stats){
		.saved = atomic_load(&keeper->saved),
		.failed = atomic_load(&keeper->failed),
		.saved_ns = atomic_load(&keeper->saved_ns),
		.error = atomic_load(&keeper->error),
	};
}

int state_keeper_stop(struct state_keeper *keeper, int timeout_ms)
{
	struct state_keeper_stats stats;
	int result;

	if (!keeper)
		return 0;
	pthread_mutex_lock(&keeper->lock);
	keeper->is_stopping = true;
	pthread_cond_signal(&keeper->changed);
	pthread_mutex_unlock(&keeper->lock);
	result = thread_join(keeper->thread, timeout_ms);
	if (result < 0)
		return result;
	state_keeper_get_stats(keeper, &stats);
	free_keeper(keeper);
	return stats.error;
}
