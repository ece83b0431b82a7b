#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tier-manager's exec backend with real processes. test_manager_exec.sh [TEST...]
exec python3 "$(dirname "$0")/manager/exec_tests.py" "$@"
