#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# How soon the manager is told: bench_latency, with EPISODES [1000] each on a host that is idle
# otherwise and on one whose CPUs are saturated. Root; for a quiet machine. Writes OUT
# [tests/bench/latency.md], and fails if a goal is missed; OUT stays as it is if not all could be
# measured.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

BUILD=${BUILD:-build}
EPISODES=${EPISODES:-1000}
OUT=${OUT:-tests/bench/latency.md}

report() {
	cat <<-END
		# How soon the manager is told

		Written by \`make bench-latency\` ([latency.sh](latency.sh), EPISODES=$EPISODES) on Linux
		$(uname -r), $(nproc) CPUs; load average before it: $1. One virtual machine: compare, do not
		quote.

		An episode is a process of four threads that begins to re-read a mapped file larger than what
		its memory group has left. Measured is from the kernel's time of the first urgent record, which
		is made when the process has stalled for 50 ms since the last one, to the return of the
		reader's \`read()\` of the \`switch\` line, with \`settle = 0\` and thresholds such that this record
		is over the limit: no confirmation and no other wait lies between them. Each episode is the
		first decision of an agent that has just been started, so that it also pays for every page that
		it touches for the first time. Saturated: twice as many processes that never sleep as there are
		CPUs, at nice 0, like the reader; the agent runs at nice -10.

		The PSI trigger is a real one, in the same episodes, on the group that thrashes, for as much
		stall (50 ms) and with the smallest window that the kernel takes (500 ms, at which the kernel
		looks ten times in a window; without CAP_SYS_RESOURCE 2 s, and it looks every 2 s: then in every
		twentieth episode), with a process of its own that waits in \`poll()\`.

		Who polls looks next after the times in the last two rows, computed from the times of the same
		records. None of them was run, because none could act here: earlyoom looks at the memory and
		swap of the host, which stay calm while a group thrashes; it sleeps for 100 ms to 1 s, longer
		the more is free. systemd-oomd looks every second (for swap every 150 ms) at averages over 10 s,
		and acts when these have been over its limit (60 % by default) for DefaultMemoryPressureDurationSec
		(30 s): 30 s and more after the record.

	END
	cat "$dir/tables"
}

main() {
	local load status=0

	cd "$root"
	((EUID == 0)) || die "needs root"
	dir=$(mktemp -d /tmp/tierd-bench-XXXXXX)
	trap 'rm -rf -- "$dir"' EXIT
	load=$(cut -d' ' -f1-3 /proc/loadavg)
	"$BUILD/tests/bench/bench_latency" --episodes "$EPISODES" --output "$dir/tables" \
		>"$dir/log" 2>&1 || status=$?
	((status == 0)) || grep -vE '^    |RUN' "$dir/log" >&2 || true
	# 2: a goal is missed.
	((status == 0 || status == 2)) || die "not all was measured: $OUT is left as it is"
	report "$load" >"$dir/report"
	cp "$dir/report" "$OUT"
	cat "$OUT"
	return $status
}

main "$@"
