#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Writes down anew what is decided on the golden traces: `regenerate.sh [POLICY...]`, or the policies
# that there are expectations of. On purpose only, after decisions were meant to change: look at the
# difference before it is committed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

TIERCTL=${TIERCTL:-$root/build/tierctl}

# Policies of NAME.POLICY.ndjson.
known_policies() {
	printf '%s\n' *.ndjson | sed -E 's/\.ndjson$//; s/.*\.//' | sort -u
}

main() {
	local policies=("$@") policy input options

	cd "$root/tests/replay/golden"
	((${#policies[@]} > 0)) || mapfile -t policies < <(known_policies)
	for policy in "${policies[@]}"; do
		for input in *.csv *.trace; do
			options=("--policy=$policy")
			[[ $input != *.csv ]] || options+=(--config=golden.conf)
			"$TIERCTL" replay "$input" "${options[@]}" >"${input%.*}.$policy.ndjson"
		done
	done
	git diff --stat -- .
}

main "$@"
