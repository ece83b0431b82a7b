# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# Everything that can be measured on one kernel, booted with PSI on. Sourced by init.sh.
keep doctor ./tierctl doctor
keep doctor.json ./tierctl doctor --json
run programs 120 tests/vm/test_programs
run oracles 300 tests/vm/test_oracles
run stall 150 tests/vm/test_stall
run agent 200 tests/vm/test_agent
