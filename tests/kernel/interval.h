/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One memory stall of one thread, from intervals.bpf.c. */
#ifndef TIERD_TESTS_INTERVAL_H
#define TIERD_TESTS_INTERVAL_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

struct stall_interval {
	__u64 begin_ns;
	__u64 end_ns;
};

#endif
