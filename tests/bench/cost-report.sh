#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What cost.sh has measured, as Markdown: sourced by it. A measurement NAME of TOOL is a number on
# each line of $dir/NAME.TOOL; what is not there is "-".
# shellcheck disable=SC2154 # variables of cost.sh

cell() {
	if [[ -s $dir/$1.$2 ]]; then spread "${3:-%.0f}" <"$dir/$1.$2"; else echo "-"; fi
}

# value NAME TOOL FORMAT: the median, or nothing
value() {
	if [[ -s $dir/$1.$2 ]]; then spread "$3" <"$dir/$1.$2" | cut -d' ' -f1; fi
}

ratio() {
	local ours theirs

	ours=$(value "$1" tierd %.6f)
	theirs=$(value "$1" "$2" %.6f)
	[[ -z $ours || -z $theirs ]] || divide "$ours" "$theirs" %.2f
}

# The quietest of the spans.
least() {
	if [[ -s $dir/$1.tierd ]]; then sort -g "$dir/$1.tierd" | head -n 1; fi
}

# goal TEXT LIMIT VALUE
goal() {
	local verdict=missed

	if [[ -z $3 ]]; then
		verdict="not measured"
	elif awk -v value="$3" -v limit="$2" 'BEGIN { exit !(value <= limit) }'; then
		verdict=met
	fi
	echo "| $1 | $2 | ${3:--} | $verdict |"
}

report_goals() {
	echo "| | goal, at most | measured | |"
	echo "|---|---|---|---|"
	goal "BPF time of the pipe, tierd / runqlat" 0.30 "$(ratio pipe runqlat)"
	goal "BPF time of the pipe, tierd / runqslower" 0.45 "$(ratio pipe runqslower)"
	goal "BPF time of 2000 threads, tierd / runqlat" 0.30 "$(ratio threads runqlat)"
	goal "BPF time of 2000 threads, tierd / runqslower" 0.45 "$(ratio threads runqslower)"
	goal "time of the pipe, with tierd / without" 1.01 "$(value slowdown tierd %.3f)"
	goal "time of 200 threads, with tierd / without" 1.01 "$(value slowdown-threads tierd %.3f)"
	goal "agent on an idle host, % of a CPU" 0.1 "$(least idle-cpu)"
	goal "wakeups of the agent on an idle host, per second" 4 "$(least idle-wakeups)"
	goal "agent while 2000 threads of 200 processes switch, % of a CPU" 1 \
		"$(value threads-cpu tierd %.2f)"
	goal "memory of the agent, MB" 8 "$(value rss tierd %.1f)"
	goal "memory of the agent after $LIFETIMES processes, MB" 8 "$(value rss-after tierd %.1f)"
}

report_tools() {
	local tool

	echo "| | ns in BPF per operation of \`perf bench sched pipe\` | ns in BPF per switch, 2000 threads of 200 processes | ns per run of the program that runs most | CPU of its own process under that load, % | time of the pipe, with / without | time of 200 threads, with / without |"
	echo "|---|---|---|---|---|---|---|"
	for tool in "${TOOLS[@]}" nothing; do
		echo "| $tool | $(cell pipe "$tool") | $(cell threads "$tool") |" \
			"$(cell threads-program "$tool") | $(cell threads-cpu "$tool" %.2f) | $(cell slowdown "$tool" %.3f) |" \
			"$(cell slowdown-threads "$tool" %.3f) |"
	done
}

report_scale() {
	local row

	echo "| threads (processes) there | ns in BPF per switch, with the walk | ns per run of the program at the switch | agent's CPU, % |"
	echo "|---|---|---|---|"
	for row in "2 (1):2" "100 (100):100" "2000 (200):2000" "10000 (1000):10000" \
		"10000 (10000):processes"; do
		echo "| ${row%:*} | $(cell "scale-${row#*:}" tierd) |" \
			"$(cell "scale-${row#*:}-program" tierd) |" \
			"$(cell "scale-${row#*:}-cpu" tierd %.2f) |"
	done
	echo
	echo "After all of them the agent holds" \
		"$(value scale-rss tierd %.1f) MB, its maps in the kernel $(value scale-maps tierd %.2f) MB" \
		"(task storage not counted). It names culprits out of $(cat "$dir/scale-lost" 2>/dev/null || echo "-")."
}

report() {
	local failure

	echo "# What watching costs"
	echo
	echo "Written by \`make bench-cost\` ([cost.sh](cost.sh): ROUNDS=$ROUNDS PAIRS=$PAIRS" \
		"LOAD_S=$LOAD_S LIFETIMES=$LIFETIMES) on Linux $(uname -r), $(nproc) CPUs; load average" \
		"before it: $1; it took $SECONDS s. Median (smallest to largest). One virtual machine:" \
		"compare, do not quote. Where the time goes: [profile.md](profile.md)."
	echo
	report_goals
	echo
	report_tools
	echo
	echo "\`floor\` is an empty program on \`sched_switch\`; BPF time includes what the kernel takes to" \
		"measure it. \`nothing\`: both runs of a pair without any tool, so what the method makes of no" \
		"difference; its spread is that of the others. A ratio of times over 1 is a slow-down."
	echo
	report_scale
	echo
	echo "With nothing to do the agent takes $(cell idle-cpu tierd %.3f) % of a CPU and wakes up" \
		"$(cell idle-wakeups tierd %.1f) times a second, in three spans of $IDLE_S s; its maps take" \
		"$(value maps tierd %.2f) MB in the kernel. It holds $(value rss tierd %.2f) MB," \
		"$(value rss-tenth tierd %.2f) MB after $((LIFETIMES / 10)) processes and" \
		"$(value rss-after tierd %.2f) MB after $LIFETIMES."
	for failure in "${failures[@]}"; do
		echo
		echo "Missing: $failure."
	done
}
