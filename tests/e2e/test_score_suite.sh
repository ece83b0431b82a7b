#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The adaptive policy's goals on the score suite: the eleven synthetic families, eight seeds each,
# as they are and varied, and the two Azure series. Every family counts the same, and each Azure
# series is one.
set -euo pipefail
cd "$(dirname "$0")/../.."

BUILD=${BUILD:-build}
failed=0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

make_suites() {
	local name

	mkdir "$work/plain" "$work/varied"
	"$BUILD/tests/tools/make_suite" "$work/plain"
	"$BUILD/tests/tools/make_suite" "$work/varied" 8 vary
	for name in code conv; do
		"$BUILD/tierctl" import --requests --csv -o "$work/plain/azure-$name.csv" \
			"tests/replay/azure/azure-llm-2023-$name.csv"
	done
}

# score NAME SUITE [SECONDS]: with the wait pinned to that.
score() {
	local name=$1 suite=$2 pinned=()

	if [[ ${3:-} ]]; then
		printf '[policy]\nstabilization = %ds\nstabilization_min = %ds\n' "$3" "$3" \
			>"$work/$name.conf"
		pinned=(--config "$work/$name.conf")
	fi
	"$BUILD/tierctl" score --json "${pinned[@]}" "$work/$suite"/*.csv >"$work/scores.json"
	jq --arg policy adaptive -f tests/bench/suite-figures.jq "$work/scores.json" \
		>"$work/$name.json"
}

# expect NAME RESULT CONDITION: what the condition (in jq) looks at is shown.
expect() {
	local result=$work/$2.json

	if jq -e "$3" "$result" >/dev/null; then
		echo "ok $1"
		return
	fi
	echo "not ok $1: $3 is false of"
	jq . "$result"
	failed=1
}

make_suites
score defaults plain
score pinned_60s plain 60
score pinned_300s plain 300
score varied varied

expect "ratio" defaults '.ratio >= 0.92'
expect "gap closed" defaults '.gap_closed >= 0.77'
expect "ratio, 60 s pinned" pinned_60s '.ratio >= 0.93'
expect "ratio, 300 s pinned" pinned_300s '.ratio >= 0.90'
expect "worst regret" defaults '.worst_regret <= 0.20'
expect "aborts an hour" defaults '.aborts_per_hour <= 2'
expect "switches" defaults '.switches_per_hour <= .threshold_switches_per_hour / 2'
expect "no switch on flat and dance" defaults '.switches.flat + .switches.dance == 0'
# A random walk now and then moves by three of its standard deviations within a minute and a half,
# which nobody can foresee: one step up in the 16 hours of it breaks.
expect "steps up last on the other families" defaults \
	'[.broken_ups_per_hour | to_entries[] |
	  select(.key | IN("adversary", "walk", "azure-code", "azure-conv") | not) | .value] | max == 0'
expect "steps up last on walks" defaults '.broken_ups_per_hour.walk <= 1 / 16'
expect "steps up last on Azure" defaults \
	'(.broken_ups_per_hour | (.["azure-code"] + .["azure-conv"]) / 2) <= 1'
expect "ratio, varied" varied '.ratio >= 0.92'
expect "gap closed, varied" varied '.gap_closed >= 0.77'
expect "worst regret, varied" varied '.worst_regret <= 0.20'
exit $failed
