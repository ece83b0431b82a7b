/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that wait for the disk, so that the loop never does. Signals stay with the loop. */
#ifndef TIERD_IO_THREAD_H
#define TIERD_IO_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Returns 0 or negative errno. */
int thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *context),
		 void *context);

/*
 * Waits for its end, at most timeout_ms (negative: as long as it takes). Returns 0; or -ETIMEDOUT,
 * and the thread is left to itself: what it uses must not be freed.
 */
int thread_join(pthread_t thread, int timeout_ms);

#endif
