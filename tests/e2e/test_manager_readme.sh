#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The quick starts of tier-manager's README, as they stand there. test_manager_readme.sh [TEST...]
# Its tests install side by side: what is to be built is built before.
make -s -C "$(dirname "$0")/../.." all >&2 || exit 1
exec python3 "$(dirname "$0")/manager/readme_tests.py" "$@"
