/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading /proc and cgroup files: whole, into a caller's buffer, and checked. Contents are hostile
 * until parsed: a garbled or empty file gives -EBADMSG, never a zero.
 */
#ifndef TIERD_IO_PROC_H
#define TIERD_IO_PROC_H

#include <stddef.h>
#include <stdint.h>

enum {
	PROC_COMM_MAX = 64, /* kernel threads may have longer names than TASK_COMM_LEN */
};

/*
 * Reads fd from its start into buffer and adds a NUL; what does not fit is left out. Returns the
 * length, -EBADMSG if the file is empty, or another negative errno.
 */
int proc_read_fd(int fd, char *buffer, size_t size);

/* The same by name, relative to dir_fd. O_NOFOLLOW. */
int proc_read_file(int dir_fd, const char *name, char *buffer, size_t size);

/* A decimal number after blanks. Returns what follows it; NULL if there is none or it does not fit
 * into 64 bits. */
const char *proc_parse_number(const char *text, uint64_t *ret_number);

/*
 * The number on the line of text that starts with key, which must be followed by a blank or a
 * colon; times 1024 if `kB` follows it. Returns 0; -ENOENT if there is no such line, -EBADMSG if it
 * holds no number.
 */
int proc_find_number(const char *text, const char *key, uint64_t *ret_number);

/* Of /proc/PID/stat. */
struct proc_stat {
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t start_ticks;     /* since boot, in USER_HZ */
	char comm[PROC_COMM_MAX]; /* any bytes but NUL */
};

/* Reads PID/stat of proc_fd (an open /proc). -ENOENT or -ESRCH: there is no such process. */
int proc_read_stat(int proc_fd, uint32_t pid, struct proc_stat *ret_stat);

/* A directory's name as a process id; 0 if it is none. */
uint32_t proc_parse_pid(const char *name);

#endif
