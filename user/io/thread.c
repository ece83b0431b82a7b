// SPDX-License-Identifier: BSD-2-Clause
#include "io/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/units.h"

enum {
	MS_PER_S = 1000,
};

int thread_start(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *context),
		 void *context)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t before;
	int err = pthread_attr_init(&attributes);

	if (err)
		return -err;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_attr_setstacksize(&attributes, stack_bytes);
	if (!err)
		err = pthread_create(ret_thread, &attributes, run, context);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -err;
}

int thread_join(pthread_t thread, int timeout_ms)
{
	struct timespec until;

	if (timeout_ms < 0)
		return -pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / MS_PER_S;
	until.tv_nsec += timeout_ms % MS_PER_S * (long)NS_PER_MS;
	if (until.tv_nsec >= (long)NS_PER_S) {
		until.tv_nsec -= (long)NS_PER_S;
		until.tv_sec++;
	}
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
		return 0;
	pthread_detach(thread);
	return -ETIMEDOUT;
}
