#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# tierd end to end, with real parts: llama.cpp's server, HAProxy, real hogs, in a memory cgroup as a
# small host. `run.sh` compares four set-ups in six storms (fifty minutes) and writes RESULTS.md;
# `run.sh --short` compares two in two, with smaller models (under three minutes), and prints
# `ok NAME` or `not ok NAME` for each goal. More arguments go to storm.py; then nothing is written
# but build/storm.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../../scripts/lib.sh"
# shellcheck source=scripts/memory-group.sh
source "$root/scripts/memory-group.sh"

BUILD=${BUILD:-build}
here=$root/tests/e2e/storm
export PYTHONDONTWRITEBYTECODE=1
python=/usr/bin/python3 # Debian's, which has Debian's aiohttp

size=full
options=()
out=
pressure=
runner=

stop() {
	trap '' INT TERM
	if [[ -n $runner ]]; then
		kill -TERM "$runner" 2>/dev/null || true
		wait "$runner" 2>/dev/null || true
	fi
	remove_group
	[[ -z $pressure || ! -d $pressure ]] || rmdir "$pressure"/* "$pressure" 2>/dev/null || true
}

# Per group, pressure is only told in the unified hierarchy; on cgroup v2 that is the group itself.
make_pressure_group() {
	local unified

	if [[ -e $group/cgroup.controllers ]]; then
		pressure=$group
		return
	fi
	unified=$(v2_mount)
	[[ -n $unified && -e $unified/memory.pressure ]] || die "this kernel tells no pressure of a group"
	pressure=$unified/${group##*/}
	mkdir -p "$pressure/model" "$pressure/others"
}

capacity() {
	"$python" -c "import sys; sys.path.insert(0, '$here'); import plan
print(plan.SIZES['$size'].capacity)"
}

# In the background, so that a signal is not kept waiting.
run_storms() {
	local engine models

	read -r engine models < <("$here/engine.sh" "$size") || die "no engine"
	make_group "tierd-storm.$$" "$(capacity)"
	make_pressure_group
	"$python" "$here/storm.py" --group "$group" --pressure "$pressure" \
		--engine "$engine" --models "$models" --build "$root/$BUILD" --out "$out" \
		--size "$size" "${options[@]}" &
	runner=$!
	wait "$runner"
	runner=
}

main() {
	local report=()

	cd "$root"
	((EUID == 0)) || die "needs root, for eBPF and for a memory cgroup of its own"
	if [[ ${1:-} == --short ]]; then
		shift
		size=short
		options=(--setups "large,tierd" --storms "ramp,thrash")
	elif (($# == 0)); then
		report=(--write "$here/RESULTS.md")
	fi
	[[ $BUILD == /* ]] && die "BUILD has to be a folder of the checkout"
	options+=("$@")
	out=$root/$BUILD/storm/$size
	mkdir -p "$out"
	(($# > 0)) || rm -rf "${out:?}"/*
	trap stop EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	run_storms
	"$python" "$here/report.py" "$out" "${report[@]}"
}

main "$@"
