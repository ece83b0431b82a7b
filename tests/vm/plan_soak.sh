# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# Reclaim and OOM with the probes loaded, for soak.sh. Sourced by init.sh.
run oracles 300 tests/vm/test_oracles
