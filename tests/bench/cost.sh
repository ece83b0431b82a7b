#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What watching costs, side by side: tierd, runqlat and runqslower (libbpf-tools), a bpftrace program
# that measures run-queue latency, and an empty program on sched_switch as the floor. Interleaved
# rounds on one machine, so that what else happens there meets all alike. Root; about ten minutes on
# a quiet host. Writes tests/bench/cost.md.
#
# BPF time is what the kernel keeps per program (kernel.bpf_stats_enabled), summed over all programs
# of one tool, and includes what keeping it costs. Slow-down is measured with it off.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-5}
PAIRS=${PAIRS:-20}
PIPE_LOOPS=${PIPE_LOOPS:-100000}
LOAD_S=${LOAD_S:-3}
LIFETIMES=${LIFETIMES:-100000}
OUT=${OUT:-tests/bench/cost.md}
TOOLS=(floor tierd runqlat runqslower bpftrace)
# shellcheck disable=SC2016 # variables of bpftrace
BPFTRACE_PROGRAM='tracepoint:sched:sched_wakeup, tracepoint:sched:sched_wakeup_new {
	@queued[args->pid] = nsecs; }
tracepoint:sched:sched_switch {
	if (args->prev_state == 0) { @queued[args->prev_pid] = nsecs; }
	$since = @queued[args->next_pid];
	if ($since) { @us = hist((nsecs - $since) / 1000); }
	delete(@queued[args->next_pid]); }'

dir=
tool_pid=
stats_before=

cleanup() {
	tool_stop
	[[ -z $stats_before ]] || echo "$stats_before" >/proc/sys/kernel/bpf_stats_enabled
	[[ -z $dir ]] || rm -rf -- "$dir"
}

stats() {
	echo "$1" >/proc/sys/kernel/bpf_stats_enabled
}

programs_count() {
	cat /proc/"$tool_pid"/fdinfo/* 2>/dev/null | grep -c '^run_cnt' || true
}

# tool_start NAME: returns when its programs are attached.
tool_start() {
	local wanted=1 i

	case $1 in
	floor) exec_quietly "$BUILD/tests/bench/floor" ;;
	tierd)
		wanted=10
		exec_quietly "$BUILD/tierd" --source bpf --run-dir "$dir/run" --state-file ""
		;;
	runqlat) exec_quietly runqlat 3600 ;;
	runqslower) exec_quietly runqslower 10000 ;;
	bpftrace) exec_quietly bpftrace -e "$BPFTRACE_PROGRAM" ;;
	esac
	for ((i = 0; i < 200; i++)); do
		if (($(programs_count) >= wanted)); then
			sleep 0.5
			return
		fi
		sleep 0.1
	done
	die "$1 did not start: $(cat "$dir/tool.log")"
}

exec_quietly() {
	"$@" >"$dir/tool.log" 2>&1 </dev/null &
	tool_pid=$!
}

# SIGINT is ignored in what a script starts in the background.
tool_stop() {
	[[ -n $tool_pid ]] || return 0
	kill -TERM "$tool_pid" 2>/dev/null || true
	wait "$tool_pid" 2>/dev/null || true
	tool_pid=
}

# Nanoseconds in all programs of the tool so far.
bpf_ns() {
	cat /proc/"$tool_pid"/fdinfo/* 2>/dev/null |
		awk '/^prog_id/ { id = $2 } /^run_time_ns/ { ns[id] = $2 }
			END { for (id in ns) sum += ns[id]; printf "%d\n", sum }'
}

# CPU time of the tool's own process, in ns.
cpu_ns() {
	cat /proc/"$tool_pid"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

pipe_run() {
	perf bench sched pipe -l "$PIPE_LOOPS" 2>&1 | awk '/usecs\/op/ { print $1 }'
}

# Says: passes switches.
load_run() {
	"$BUILD/tests/bench/switch_load" "$@" | awk '/passes/ { print $1, $3 }'
}

# median, smallest and largest of the numbers on stdin
spread() {
	sort -g | awk -v format="${1:-%.0f}" '{ v[NR] = $1 } END {
		m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
		printf format " (" format " to " format ")\n", m, v[1], v[NR] }'
}

median() {
	spread %.6f | awk '{ print $1 }'
}

# note NAME TOOL VALUE: a measurement
note() {
	echo "$3" >>"$dir/$1.$2"
}

divide() {
	awk -v a="$1" -v b="$2" -v format="${3:-%.3f}" 'BEGIN { printf format "\n", b ? a / b : 0 }'
}

round_pipe() {
	local before

	before=$(bpf_ns)
	pipe_run >/dev/null
	note pipe "$1" "$(divide "$(($(bpf_ns) - before))" "$PIPE_LOOPS")"
}

# round_load NAME TOOL PROCESSES THREADS [TOKENS]
round_load() {
	local name=$1 tool=$2 before cpu begin passes switches
	shift 2

	before=$(bpf_ns)
	cpu=$(cpu_ns)
	begin=$(date +%s%N)
	read -r passes switches < <(load_run "$1" "$2" "$LOAD_S" "${@:3}")
	((passes > 0)) || die "no load"
	note "$name" "$tool" "$(divide "$(($(bpf_ns) - before))" "$switches")"
	note "$name-cpu" "$tool" \
		"$(divide "$((100 * ($(cpu_ns) - cpu)))" "$(($(date +%s%N) - begin))")"
}

rounds() {
	local i tool

	stats 1
	for ((i = 0; i < ROUNDS; i++)); do
		for tool in "${TOOLS[@]}"; do
			tool_start "$tool"
			round_pipe "$tool"
			round_load threads "$tool" 200 10
			tool_stop
		done
	done
	stats 0
}

# From 2 threads to 10,000; the switches are made by at most 200 of them, so that only the number
# of those that are there differs.
scale() {
	stats 1
	tool_start tierd
	round_load scale-2 tierd 1 2
	round_load scale-100 tierd 50 2
	round_load scale-2000 tierd 200 10 100
	round_load scale-10000 tierd 1000 10 100
	round_load scale-processes tierd 5000 2 100
	tool_stop
	stats 0
}

# slowdown TOOL: pairs of runs with and without, in changing order, on one CPU.
slowdown() {
	local i with without

	for ((i = 0; i < PAIRS; i++)); do
		((i % 2 == 0)) || without=$(taskset -c 1 "$0" --pipe)
		tool_start "$1"
		with=$(taskset -c 1 "$0" --pipe)
		tool_stop
		((i % 2 == 1)) || without=$(taskset -c 1 "$0" --pipe)
		note slowdown "$1" "$(divide "$with" "$without" %.4f)"
	done
}

# Without any load: CPU time, wakeups and memory of the agent.
idle() {
	local before wakeups

	tool_start tierd
	sleep 15
	before=$(cpu_ns)
	wakeups=$(awk '/^voluntary/ { print $2 }' "/proc/$tool_pid/status")
	sleep 20
	note idle-cpu tierd "$(divide "$((100 * ($(cpu_ns) - before)))" 20000000000)"
	note idle-wakeups tierd \
		"$(divide "$(($(awk '/^voluntary/ { print $2 }' "/proc/$tool_pid/status") - wakeups))" 20)"
	note rss tierd "$(awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$tool_pid/status")"
	note maps tierd "$(cat /proc/"$tool_pid"/fdinfo/* |
		awk '/^map_id/ { id = $2 } /^memlock/ { bytes[id] = $2 }
			/^map_id/ && id in seen { next } { seen[id] } END {
			for (id in bytes) sum += bytes[id]; print sum / 1048576 }')"
	"$BUILD/tests/tools/spawn" --count "$LIFETIMES" --seconds 3600
	sleep 1
	note rss-after tierd "$(awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$tool_pid/status")"
	tool_stop
}

cell() {
	if [[ -s $dir/$1.$2 ]]; then spread "${3:-%.0f}" <"$dir/$1.$2"; else echo "-"; fi
}

ratio() {
	divide "$(median <"$dir/$1.tierd")" "$(median <"$dir/$1.$2")" %.2f
}

report() {
	local tool

	echo "# What watching costs"
	echo
	echo "Written by \`make bench-cost\` ($(basename "$0"): ROUNDS=$ROUNDS PAIRS=$PAIRS" \
		"LIFETIMES=$LIFETIMES) on Linux $(uname -r), $(nproc) CPUs. Median (smallest to largest)."
	echo "One virtual machine: compare, do not quote."
	echo
	echo "| | ns in BPF per operation of \`perf bench sched pipe\` | ns in BPF per switch, 2000 threads of 200 processes | CPU of its own process under that load, % | time of the pipe with it / without |"
	echo "|---|---|---|---|---|"
	for tool in "${TOOLS[@]}"; do
		echo "| $tool | $(cell pipe "$tool") | $(cell threads "$tool") |" \
			"$(cell threads-cpu "$tool" %.2f) | $(cell slowdown "$tool" %.3f) |"
	done
	echo
	echo "tierd / runqlat: $(ratio pipe runqlat) (pipe), $(ratio threads runqlat) (threads)." \
		"tierd / runqslower: $(ratio pipe runqslower), $(ratio threads runqslower)."
	echo
	echo "| threads (processes) there | ns in BPF per switch | agent's CPU, % |"
	echo "|---|---|---|"
	echo "| 2 (1) | $(cell scale-2 tierd) | $(cell scale-2-cpu tierd %.2f) |"
	echo "| 100 (50) | $(cell scale-100 tierd) | $(cell scale-100-cpu tierd %.2f) |"
	echo "| 2000 (200) | $(cell scale-2000 tierd) | $(cell scale-2000-cpu tierd %.2f) |"
	echo "| 10000 (1000) | $(cell scale-10000 tierd) | $(cell scale-10000-cpu tierd %.2f) |"
	echo "| 10000 (5000) | $(cell scale-processes tierd) | $(cell scale-processes-cpu tierd %.2f) |"
	echo
	echo "The walk over all threads is part of it. With nothing to do the agent takes" \
		"$(median <"$dir/idle-cpu.tierd" | cut -c1-5) % of a CPU, wakes up" \
		"$(median <"$dir/idle-wakeups.tierd" | cut -c1-4) times a second and holds" \
		"$(median <"$dir/rss.tierd" | cut -c1-4) MB; after $LIFETIMES processes" \
		"$(median <"$dir/rss-after.tierd" | cut -c1-4) MB. Its maps take" \
		"$(median <"$dir/maps.tierd" | cut -c1-4) MB in the kernel."
}

main() {
	cd "$root"
	if [[ ${1:-} == --pipe ]]; then
		pipe_run
		return
	fi
	((EUID == 0)) || die "needs root"
	dir=$(mktemp -d /tmp/tierd-bench-XXXXXX)
	stats_before=$(cat /proc/sys/kernel/bpf_stats_enabled)
	trap cleanup EXIT
	idle
	rounds
	scale
	slowdown tierd
	PAIRS=$((PAIRS / 4)) slowdown runqlat
	PAIRS=$((PAIRS / 4)) slowdown runqslower
	report >"$dir/report"
	cp "$dir/report" "$OUT"
	cat "$OUT"
}

main "$@"
