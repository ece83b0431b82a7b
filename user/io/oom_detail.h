/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels before 6.8 tell only the pid of an OOM victim (72ba14deb40a). A victim takes a while to
 * die, so the rest can mostly still be read.
 */
#ifndef TIERD_IO_OOM_DETAIL_H
#define TIERD_IO_OOM_DETAIL_H

#include "io/cgroup.h"
#include "tierd/record.h"

/*
 * Fills in what is missing from /proc and the victim's groups: name, parent, group, and the group
 * whose limit explains the kill (the nearest one that is within 1/32 of it). What cannot be read
 * any more stays 0.
 */
void oom_detail_complete(const struct cgroup_hierarchy *hierarchy, struct oom_record *record);

#endif
