#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tier-manager's API backends, with stand-ins for the servers. test_manager_api.sh [TEST...]
exec python3 "$(dirname "$0")/manager/api_tests.py" "$@"
