#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tier-manager's API backends: stand-ins for the servers, and a real llama-server if it is named. test_manager_api.sh [TEST...]
exec python3 "$(dirname "$0")/manager/api_tests.py" "$@"
