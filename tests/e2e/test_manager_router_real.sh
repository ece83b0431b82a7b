#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tier-manager with llama.cpp's own server as router, and small models: none of it a stand-in.
# test_manager_router_real.sh [TEST...]
set -euo pipefail
cd "$(dirname "$0")"

read -r engine models < <(storm/engine.sh short) || exit 1
exec python3 manager/router_tests.py "$engine" "$models" "$@"
