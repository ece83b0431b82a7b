#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# As root without CAP_SYS_RESOURCE: PSI windows are long, and before 5.11 the maps do not fit into
# the memory that may be locked.
# shellcheck source=tests/vm/expect.sh
. tests/vm/expect.sh

if [ "$TIERD_VM_KERNEL" = 5.10 ]; then
	expect_finding missing privileges "no CAP_SYS_RESOURCE"
	expect_refusal "no CAP_SYS_RESOURCE" --source bpf
else
	expect_finding limited privileges "no CAP_SYS_RESOURCE"
	expect_source bpf
	expect_start bpf --source bpf
fi
exit "$failures"
