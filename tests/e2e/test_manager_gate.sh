#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tier-manager's haproxy backend with a real HAProxy and real processes. test_manager_gate.sh [TEST...]
exec python3 "$(dirname "$0")/manager/gate_tests.py" "$@"
