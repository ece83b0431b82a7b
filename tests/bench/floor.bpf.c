// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Nothing on every context switch: what any program there costs at least. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("tp_btf/sched_switch")
int BPF_PROG(floor_sched_switch)
{
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
