#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What watching costs, side by side: tierd, runqlat and runqslower (libbpf-tools), a bpftrace program
# that measures run-queue latency, and an empty program on sched_switch as the floor. Interleaved
# rounds on one machine, so that what else happens there meets all alike. Root; on a quiet host, at
# most twelve minutes (TIME_MAX). Writes OUT [tests/bench/cost.md]; a part that fails or finds no
# time is named there, and the others stay.
#
#   cost.sh [--short]     --short: tiny sizes, to see that every part works
#
# BPF time is what the kernel keeps per program (kernel.bpf_stats_enabled), summed over all programs
# of one tool, and includes what keeping it costs. Slow-down is measured with it off.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=tests/bench/cost-report.sh
source "$(dirname "$0")/cost-report.sh"

if [[ ${1:-} == --short ]]; then
	export ROUNDS=1 PAIRS=2 PIPE_LOOPS=20000 LOAD_S=1 LIFETIMES=2000 IDLE_S=5 OTHERS_PAIRS=1 \
		OUT=${OUT:-/dev/null}
fi
SELF=$root/tests/bench/cost.sh
export BUILD=${BUILD:-build}
ROUNDS=${ROUNDS:-3}
PAIRS=${PAIRS:-20}
OTHERS_PAIRS=${OTHERS_PAIRS:-5}
PIPE_LOOPS=${PIPE_LOOPS:-100000}
LOAD_S=${LOAD_S:-3}
IDLE_S=${IDLE_S:-30}
LIFETIMES=${LIFETIMES:-1000000}
TIME_MAX=${TIME_MAX:-720}
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

# Nothing that this host does presses, so that the agent is calm.
CONFIG='[policy]
warmup = 0
stall_above = 100%
stall_urgent = 100%
calm_stall = 100%
cpu_wait_above = 100%
degrade_above = 100%
upgrade_below = 99%
margin = 0
[tier small]
memory = 1M'

dir=
tool_pid=
stats_before=
part_pid=
is_tracefs_ours=
failures=()

stats() {
	echo "$1" >/proc/sys/kernel/bpf_stats_enabled
}

# In the process of a part. First what takes no time: a part that is late is killed.
part_cleanup() {
	stats "$stats_before" || true
	tool_stop
}

cleanup() {
	[[ -z $part_pid ]] || { kill "$part_pid" && wait "$part_pid"; } || true
	[[ -z $stats_before ]] || stats "$stats_before" || true
	[[ -z $is_tracefs_ours ]] || umount /sys/kernel/tracing || true
	rm -rf -- "$dir"
}

# part SECONDS FUNCTION...: in a process of its own, which ends in time and takes what it started
# with it.
part() {
	local limit=$1 left=$((TIME_MAX - SECONDS))
	shift

	((limit <= left)) || limit=$left
	if ((limit <= 0)); then
		failures+=("\`$*\` was not begun: the time was up")
		return
	fi
	timeout --kill-after=10 "$limit" "$SELF" --part "$dir" "$stats_before" "$@" \
		>>"$dir/log" 2>&1 &
	part_pid=$!
	wait "$part_pid" ||
		failures+=("\`$*\` failed or took more than $limit s: $(tail -n 1 "$dir/log")")
	part_pid=
	echo "cost.sh: $* done after $SECONDS s" >&2
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
		echo "$CONFIG" >"$dir/config"
		exec_quietly "$BUILD/tierd" --config "$dir/config" --source bpf --run-dir "$dir/run" \
			--state-file ""
		;;
	runqlat) exec_quietly runqlat 3600 ;;
	runqslower) exec_quietly runqslower 10000 ;;
	bpftrace) exec_quietly bpftrace -e "$BPFTRACE_PROGRAM" ;;
	esac
	for ((i = 0; i < 200; i++)); do
		[[ -e /proc/$tool_pid ]] || break
		if (($(programs_count) >= wanted)); then
			sleep 0.5
			return
		fi
		sleep 0.1
	done
	die "$1 did not start: $(tail -n 1 "$dir/tool.log")"
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

# Time and runs of the program that ran most: the one on sched_switch, under a load of switches.
busiest() {
	cat /proc/"$tool_pid"/fdinfo/* 2>/dev/null |
		awk '/^run_time_ns/ { ns = $2 } /^run_cnt/ && $2 >= runs { runs = $2; most = ns }
			END { print most + 0, runs + 0 }'
}

# CPU time of the tool's own process, in ns.
cpu_ns() {
	cat /proc/"$tool_pid"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d\n", sum }'
}

# Microseconds per operation.
pipe_run() {
	perf bench sched pipe -l "$PIPE_LOOPS" 2>&1 |
		awk '/usecs\/op/ { us = $1 } END { if (!us) exit 1; print us }'
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
	local name=$1 tool=$2 before cpu begin passes switches ns runs ns_after runs_after
	shift 2

	read -r ns runs < <(busiest)
	before=$(bpf_ns)
	cpu=$(cpu_ns)
	begin=$(date +%s%N)
	read -r passes switches < <(load_run "$1" "$2" "$LOAD_S" "${@:3}")
	((passes > 0)) || die "no load"
	note "$name" "$tool" "$(divide "$(($(bpf_ns) - before))" "$switches")"
	read -r ns_after runs_after < <(busiest)
	note "$name-program" "$tool" "$(divide "$((ns_after - ns))" "$((runs_after - runs))")"
	note "$name-cpu" "$tool" \
		"$(divide "$((100 * ($(cpu_ns) - cpu)))" "$(($(date +%s%N) - begin))")"
}

round() {
	stats 1
	tool_start "$1"
	round_pipe "$1"
	round_load threads "$1" 200 10
}

# What the agent's status says: status FILTER
status() {
	"$BUILD/tierctl" --run-dir "$dir/run" status --cost --json | jq -r "$1"
}

# From 2 threads to 10,000; the switches are made by at most 200 of them, so that only the number
# of those that are there differs.
scale() {
	stats 1
	tool_start tierd
	round_load scale-2 tierd 1 2
	round_load scale-100 tierd 100 1
	round_load scale-2000 tierd 200 10 100
	round_load scale-10000 tierd 1000 10 100
	round_load scale-processes tierd 10000 1 100
	note scale-rss tierd "$(status '.cost.rss_bytes / 1048576')"
	note scale-maps tierd "$(status '.cost.map_bytes / 1048576')"
	status '"\(.slots.max) processes at a time; not counted for lack of room: " + ([.lost | to_entries[] |
		select(.value > 0) | "\(.key) \(.value)"] | join(", ") | if . == "" then "nothing" else . end)' \
		>"$dir/scale-lost"
}

# Microseconds per operation of the pipe, and per pass of many threads.
slowdown_runs() {
	local cpu=$(($(nproc) - 1)) passes switches us

	us=$(taskset -c "$cpu" "$SELF" --pipe)
	read -r passes switches < <(load_run 20 10 1)
	((passes > 0 && switches > 0)) || die "no load"
	echo "$us $(divide 1000000 "$passes" %.6f)"
}

# slowdown TOOL PAIRS: pairs of runs with and without, in changing order; the pipe on one CPU. With
# the tool `nothing` both are without: what the method itself makes of no difference.
slowdown() {
	local i order which us pass
	local -A pipe passes

	stats 0
	for ((i = 0; i < $2; i++)); do
		order="with without"
		((i % 2 == 0)) || order="without with"
		for which in $order; do
			[[ $which == without || $1 == nothing ]] || tool_start "$1"
			read -r us pass < <(slowdown_runs)
			[[ -n $pass ]] || die "the runs failed"
			tool_stop
			pipe[$which]=$us
			passes[$which]=$pass
		done
		note slowdown "$1" "$(divide "${pipe[with]}" "${pipe[without]}" %.4f)"
		note slowdown-threads "$1" "$(divide "${passes[with]}" "${passes[without]}" %.4f)"
	done
}

sleeps() {
	awk '/^voluntary/ { print $2 }' "/proc/$tool_pid/status"
}

# Without any load: CPU time and wakeups of the agent, in thirds, of which the quietest counts:
# others of this host may wake it.
idle() {
	local before wakeups begin i

	stats 0
	tool_start tierd
	sleep 15
	for ((i = 0; i < 3; i++)); do
		before=$(cpu_ns)
		wakeups=$(sleeps)
		begin=$(date +%s%N)
		sleep "$IDLE_S"
		note idle-cpu tierd \
			"$(divide "$((100 * ($(cpu_ns) - before)))" "$(($(date +%s%N) - begin))")"
		note idle-wakeups tierd "$(divide "$(($(sleeps) - wakeups))" "$IDLE_S")"
	done
	note maps tierd "$(status '.cost.map_bytes / 1048576')"
}

rss_mb() {
	awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$tool_pid/status"
}

# Memory of the agent before, after a tenth of them, and after all.
lifetimes() {
	tool_start tierd
	sleep 5
	note rss tierd "$(rss_mb)"
	"$BUILD/tests/tools/spawn" --count "$((LIFETIMES / 10))" --seconds 3600
	sleep 1
	note rss-tenth tierd "$(rss_mb)"
	"$BUILD/tests/tools/spawn" --count "$((LIFETIMES - LIFETIMES / 10))" --seconds 3600
	sleep 1
	note rss-after tierd "$(rss_mb)"
}

run_parts() {
	local i tool

	part 150 idle
	for ((i = 0; i < ROUNDS; i++)); do
		for tool in "${TOOLS[@]}"; do
			part 40 round "$tool"
		done
	done
	part 200 slowdown tierd "$PAIRS"
	part 100 slowdown nothing "$PAIRS"
	part 60 slowdown floor "$OTHERS_PAIRS"
	part 120 scale
	part 60 slowdown runqlat "$OTHERS_PAIRS"
	part 60 slowdown runqslower "$OTHERS_PAIRS"
	part 500 lifetimes
}

main() {
	local load

	cd "$root"
	case ${1:-} in
	--pipe)
		pipe_run
		return
		;;
	--part)
		dir=$2 stats_before=$3
		trap part_cleanup EXIT
		"${@:4}"
		return
		;;
	esac
	((EUID == 0)) || die "needs root"
	load=$(cut -d' ' -f1-3 /proc/loadavg)
	dir=$(mktemp -d /tmp/tierd-bench-XXXXXX)
	trap cleanup EXIT
	stats_before=$(cat /proc/sys/kernel/bpf_stats_enabled)
	# bpftrace looks for its tracepoints there.
	if [[ ! -d /sys/kernel/tracing/events ]] && mount -t tracefs tracefs /sys/kernel/tracing; then
		is_tracefs_ours=1
	fi
	run_parts
	report "$load" >"$dir/report"
	cp "$dir/report" "$OUT"
	cat "$dir/report"
	((${#failures[@]} == 0))
}

main "$@"
