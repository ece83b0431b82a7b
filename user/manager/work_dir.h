/* SPDX-License-Identifier: BSD-2-Clause */
/* The folder of the gate's sockets and configuration. */
#ifndef TIERD_MANAGER_WORK_DIR_H
#define TIERD_MANAGER_WORK_DIR_H

#include <stddef.h>

/*
 * Makes it if it is missing, and locks it: two managers would shut each other's doors, and take
 * each other's log. Returns a descriptor that holds the lock until it is closed; -EBUSY if another
 * manager has it, or another negative errno.
 */
int work_dir_take(const char *path);

/* What is wrong with it, for people. */
void work_dir_describe_error(const char *path, int failure, char *error, size_t error_size);

#endif
