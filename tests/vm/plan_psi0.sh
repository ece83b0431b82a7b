# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# Booted with psi=0. Sourced by init.sh.
keep doctor ./tierctl doctor
run without_psi 60 tests/vm/test_without_psi.sh
run oracles 300 tests/vm/test_oracles
run agent 200 tests/vm/test_agent
