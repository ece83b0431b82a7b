#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# Booted with psi=0: BPF goes on with what reclaim itself shows, PSI alone cannot be a source.
# shellcheck source=tests/vm/expect.sh
. tests/vm/expect.sh

expect_finding missing PSI "no /proc/pressure"
expect_finding limited task_struct.in_memstall "PSI is off"
expect_source bpf
expect_start bpf --source bpf
expect_refusal "PSI" --source psi
expect_start poll --source poll
exit "$failures"
