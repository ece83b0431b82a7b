#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What the adaptive policy's constants are worth: each is halved and doubled in a copy of the
# sources, and the score suite is played again (SEEDS [8] of each family, as given and varied, and the
# two Azure series). Prints a Markdown table; about a minute for each 5 constants.
#
#   sensitivity.sh [NAME...]       all constants, or those named
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

# file, constant
CONSTANTS=(
	"drift.h DRIFT_POINTS"
	"drift.h DRIFT_DIFFERENCES_MAX"
	"drift.c DIFFERENCE_CUT"
	"drift.c OUTLIER_DEVIATIONS"
	"drift.c FAR_DEVIATIONS"
	"drift.c SLOPE_SIGNIFICANCE"
	"spells.h SPELLS_MAX"
	"spells.c BLUR_UNKNOWN_PERMYRIAD"
	"spells.c BLUR_MAX_PERMYRIAD"
	"spells.c INTERVAL_VARIATION_MAX_PERMYRIAD"
	"spells.c SEEN_WEIGHT"
	"adaptive.c ALARM_NS"
	"adaptive.c ALARMS_FIRST"
	"adaptive.c ALARMS_DECAY_PERMYRIAD"
	"adaptive.c PENALTY_MEMORY"
	"adaptive.h ADAPTIVE_REFUGES"
	"adaptive_private.h FORECAST_NOISE_PERMILLE"
	"adaptive_private.h STEP_UP_NOISE_PERMILLE"
	"adaptive_private.h LANDING_NOISE_PERMILLE"
	"adaptive_advice.c LANDING_NS"
	"adaptive_advice.c RECURRENCE_AHEAD_NS"
	"adaptive_advice.c TRUST_MIN_PERMYRIAD"
	"adaptive_advice.c WAIT_FACTOR_MAX"
	"stabilizer.c FACTOR_HALF_LIFE_NS"
)

SEEDS=${SEEDS:-8}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make_suites() {
	mkdir "$work/plain" "$work/varied"
	"$root/build/tests/tools/make_suite" "$work/plain" "$SEEDS"
	"$root/build/tests/tools/make_suite" "$work/varied" "$SEEDS" vary
	for name in code conv; do
		"$root/build/tierctl" import --requests --csv -o "$work/plain/azure-$name.csv" \
			"$root/tests/replay/azure/azure-llm-2023-$name.csv"
	done
}

# Two cells: ratio and gap as given, and varied; with aborts per hour.
play() {
	local suite

	for suite in plain varied; do
		build/tierctl score --json "$work/$suite"/*.csv >"$work/scores.json"
		jq -r --arg policy adaptive -f "$root/tests/bench/suite-figures.jq" \
			"$work/scores.json" |
			jq -r '"\(.ratio * 1000 | round / 1000) | \(.gap_closed * 1000 | round / 1000) | \(.worst_regret * 100 | round / 100) | \(.aborts_per_hour * 100 | round / 100)"'
	done | paste -sd'|' | sed 's/|/ | /g; s/  */ /g'
}

# The first number in the constant's definition.
value_of() {
	sed -nE "s/^(#define |[[:space:]]*)$2( =|) [^0-9]*([0-9]+).*/\3/p" "user/core/$1" | head -1
}

set_value() {
	sed -i -E "s/^((#define |[[:space:]]*)$2( =|) [^0-9]*)[0-9]+/\1$3/" "user/core/$1"
}

try_constant() {
	local file=$1 name=$2 value other
	value=$(value_of "$file" "$name")

	[[ -n $value ]] || die "no constant $name in user/core/$file"
	for other in $((value / 2)) $((value * 2)); do
		set_value "$file" "$name" "$other"
		make --no-print-directory -s build/tierctl >/dev/null
		echo "| \`$name\` $value -> $other | $(play) |"
		set_value "$file" "$name" "$value"
	done
}

main() {
	local row file name

	make --no-print-directory -s -C "$root" build/tierctl build/tests/tools/make_suite
	make_suites
	cp -r "$root" "$work/tree"
	cd "$work/tree"
	echo "| constant | ratio | gap | regret | aborts/h | varied: ratio | gap | regret | aborts/h |"
	echo "|---|---|---|---|---|---|---|---|---|"
	echo "| as it is | $(play) |"
	for row in "${CONSTANTS[@]}"; do
		read -r file name <<<"$row"
		if (($# == 0)) || [[ " $* " == *" $name "* ]]; then
			try_constant "$file" "$name"
		fi
	done
}

main "$@"
