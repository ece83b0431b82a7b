/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what processes hold proportionally to how many share it, in a thread of its own. For it the
 * kernel looks at every page of a process, tens of milliseconds for some GiB of small ones; and
 * first it waits for the lock of the process's memory map, behind whoever holds it while the system
 * finds a page for him.
 *
 * One batch of processes at a time: they are asked for, and are read and taken one after the other.
 */
#ifndef TIERD_IO_PSS_READER_H
#define TIERD_IO_PSS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PSS_READERS_MAX = 8, /* at once, with those that were stopped and still hang */
};

/* Of one process. */
struct model_size {
	uint64_t used_bytes; /* without pages of files that can be dropped */
	uint64_t kept_bytes; /* with all pages of files that it has mapped */
};

/* bytes: of anonymous pages, shared memory, files, and locked. */
struct model_size model_size_make(const uint64_t bytes[4]);

/* The proportional size of a process, and the plain size that it had when that was asked for. */
struct pss_entry {
	uint32_t pid;
	uint64_t start_ticks;
	uint64_t read_at_ns; /* when it was asked for */
	bool is_tried;       /* it was asked for before */
	bool is_read;        /* false: pss is a stand-in */
	struct model_size plain;
	struct model_size pss;
};

/* As proc_read_file(). */
typedef int (*pss_reader_call)(int proc_fd, const char *name, char *buffer, size_t size);

struct pss_reader;

/* proc_fd (an open /proc) is duplicated. Returns 0 or negative errno; -EAGAIN: too many hang. */
int pss_reader_start(int proc_fd, pss_reader_call read_file, struct pss_reader **ret_reader);

/* Whether everything that was asked for has been taken, so that more can be. */
bool pss_reader_is_idle(const struct pss_reader *reader);

/*
 * Asks for count entries, at most MODEL_MEMBERS_MAX, of an idle reader. Their pss stands where
 * nothing proportional can be had: the kernel does not let us, or lacks it.
 */
void pss_reader_ask(struct pss_reader *reader, const struct pss_entry *entries, unsigned int count);

/* Waits for all of them, at most so long. Returns whether they are read. */
bool pss_reader_wait(struct pss_reader *reader, uint64_t timeout_ns);

/* The next one that is read, valid until more is asked for; NULL = none yet. Never waits. */
const struct pss_entry *pss_reader_take(struct pss_reader *reader);

/* CPU time that reading the last batch took. */
uint64_t pss_reader_get_cost_ns(const struct pss_reader *reader);

/* Never waits: a thread that still reads frees what is left when it is done. */
void pss_reader_stop(struct pss_reader *reader);

#endif
