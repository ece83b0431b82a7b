#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# A kernel without BTF, made by hiding it: the agent says so and exits, or runs with less if asked.
# shellcheck source=tests/vm/expect.sh
. tests/vm/expect.sh

mount -t tmpfs tmpfs /sys/kernel/btf
expect_finding missing BTF "cannot be used"
expect_doctor 1
expect_source psi
expect_refusal "BTF"
expect_refusal "BTF" --source bpf
expect_start psi --source psi
umount /sys/kernel/btf
exit "$failures"
