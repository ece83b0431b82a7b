// SPDX-License-Identifier: BSD-2-Clause
#include "io/pss_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "io/model.h"
#include "io/proc.h"
#include "io/thread.h"

enum {
	STACK_BYTES = 64 * 1024,
	NAME_SIZE = 32,
	TEXT_SIZE = 4096, /* it is one line of numbers, and some twenty with one each */
};

/* Those that hang outlive who asked them; a configuration that is read again makes a new one. */
static _Atomic unsigned int readers;

struct pss_reader {
	/* Of both. */
	_Atomic unsigned int owners; /* the last one frees */
	_Atomic unsigned int done;   /* entries that are read */
	_Atomic uint64_t cost_ns;
	_Atomic bool is_stopping;
	sem_t wanted;
	sem_t finished;

	/* Of whoever asks, while nothing is to be read; and entries once they are done. */
	unsigned int count;
	struct pss_entry entries[MODEL_MEMBERS_MAX];

	/* Of whoever asks. */
	unsigned int taken;

	/* Of the thread. */
	int proc_fd;
	pss_reader_call read_file;
	char text[TEXT_SIZE];
};

struct model_size model_size_make(const uint64_t bytes[4])
{
	uint64_t own = units_plus(bytes[0], bytes[1]);

	return (struct model_size){
		.used_bytes = units_plus(own, units_min(bytes[2], bytes[3])),
		.kept_bytes = units_plus(own, bytes[2]),
	};
}

/* ---- the thread --------------------------------------------------------------------------------
 */

static uint64_t own_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
}

static void read_entry(struct pss_reader *reader, struct pss_entry *entry)
{
	static const char *const KEYS[] = {"Pss_Anon", "Pss_Shmem", "Pss_File", "Locked"};
	uint64_t bytes[ARRAY_SIZE(KEYS)];
	char name[NAME_SIZE];
	int err;

	(void)snprintf(name, sizeof(name), "%u/smaps_rollup", entry->pid);
	err = reader->read_file(reader->proc_fd, name, reader->text, sizeof(reader->text));
	for (size_t i = 0; err >= 0 && i < ARRAY_SIZE(KEYS); i++)
		err = proc_find_number(reader->text, KEYS[i], &bytes[i]);
	if (err >= 0)
		entry->pss = model_size_make(bytes);
	entry->is_read = true;
}

static void release(struct pss_reader *reader)
{
	if (atomic_fetch_sub(&reader->owners, 1) > 1)
		return;
	if (reader->proc_fd >= 0)
		close(reader->proc_fd);
	sem_destroy(&reader->wanted);
	sem_destroy(&reader->finished);
	free(reader);
	atomic_fetch_sub(&readers, 1);
}

static void *run(void *context)
{
	struct pss_reader *reader = context;

	for (;;) {
		uint64_t begin_ns;
		unsigned int count;

		while (sem_wait(&reader->wanted) < 0)
			continue;
		begin_ns = own_cpu_ns();
		/* It may be another's as soon as all are done. */
		count = reader->count;
		for (unsigned int i = 0; i < count && !atomic_load(&reader->is_stopping); i++) {
			read_entry(reader, &reader->entries[i]);
			atomic_store(&reader->cost_ns, units_minus(own_cpu_ns(), begin_ns));
			atomic_store(&reader->done, i + 1);
		}
		if (atomic_load(&reader->is_stopping))
			break;
		sem_post(&reader->finished);
	}
	release(reader);
	return NULL;
}

/* ---- whoever asks ------------------------------------------------------------------------------
 */

int pss_reader_start(int proc_fd, pss_reader_call read_file, struct pss_reader **ret_reader)
{
	struct pss_reader *reader;
	pthread_t thread = 0;
	int result = 0;

	if (atomic_load(&readers) >= PSS_READERS_MAX)
		return -EAGAIN;
	reader = malloc(sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	atomic_fetch_add(&readers, 1);
	/* Touched now, so that asking never waits for a page. */
	memset(reader, 0, sizeof(*reader));
	sem_init(&reader->wanted, 0, 0);
	sem_init(&reader->finished, 0, 0);
	reader->read_file = read_file;
	reader->proc_fd = fcntl(proc_fd, F_DUPFD_CLOEXEC, 0);
	if (reader->proc_fd < 0)
		result = -errno;
	atomic_store(&reader->owners, 2);
	if (result == 0)
		result = thread_start(&thread, STACK_BYTES, run, reader);
	if (result < 0) {
		atomic_store(&reader->owners, 1);
		release(reader);
		return result;
	}
	pthread_detach(thread);
	*ret_reader = reader;
	return 0;
}

bool pss_reader_is_idle(const struct pss_reader *reader)
{
	return reader->taken == reader->count;
}

void pss_reader_ask(struct pss_reader *reader, const struct pss_entry *entries, unsigned int count)
{
	/* What nobody has waited for. */
	while (sem_trywait(&reader->finished) == 0)
		continue;
	memcpy(reader->entries, entries, count * sizeof(entries[0]));
	reader->count = count;
	reader->taken = 0;
	atomic_store(&reader->done, 0);
	sem_post(&reader->wanted);
}

bool pss_reader_wait(struct pss_reader *reader, uint64_t timeout_ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	timeout_ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(timeout_ns / NS_PER_S);
	until.tv_nsec = (long)(timeout_ns % NS_PER_S);
	while (atomic_load(&reader->done) < reader->count) {
		if (sem_clockwait(&reader->finished, CLOCK_MONOTONIC, &until) < 0 &&
		    errno == ETIMEDOUT)
			return atomic_load(&reader->done) == reader->count;
	}
	return true;
}

const struct pss_entry *pss_reader_take(struct pss_reader *reader)
{
	return reader->taken < atomic_load(&reader->done) ? &reader->entries[reader->taken++]
							  : NULL;
}

uint64_t pss_reader_get_cost_ns(const struct pss_reader *reader)
{
	return atomic_load(&reader->cost_ns);
}

void pss_reader_stop(struct pss_reader *reader)
{
	if (!reader)
		return;
	atomic_store(&reader->is_stopping, true);
	sem_post(&reader->wanted);
	release(reader);
}
