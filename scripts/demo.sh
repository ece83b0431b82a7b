#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# About a minute of the real agent under real pressure, on any host: a stand-in model, a memory hog
# and CPU spinners in a memory cgroup of their own, of at most 512 MB or a tenth of what is free.
# Everything it starts dies with it, and nothing is left behind, also after Ctrl-C.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/memory-group.sh
source "$root/scripts/memory-group.sh"

export BUILD=${BUILD:-build}
LIMIT_MAX=$((512 << 20))
LIMIT_MIN=$((64 << 20))
HOG=$BUILD/tests/tools/hog

folder=
agent=
helpers=()

say() {
	printf '\n==> %s\n' "$*"
}

percent() {
	echo $((limit * $1 / 100))
}

stop() {
	local pid

	trap '' INT TERM
	for pid in "${helpers[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	[[ -z $agent ]] || kill -TERM "$agent" 2>/dev/null || true
	wait 2>/dev/null
	remove_group
	[[ -z $folder ]] || rm -rf "$folder"
}

# A tenth of what is free, in whole megabytes.
find_limit() {
	limit=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
	limit=$((limit / 10240 << 20))
	((limit <= LIMIT_MAX)) || limit=$LIMIT_MAX
	((limit >= LIMIT_MIN)) || die "a tenth of the free memory is less than 64 MB"
}

# The model runs on the last CPU that we may use, the hog on the first, so that they do not fight
# for a CPU before they are meant to.
find_cpus() {
	local parts
	IFS=',-' read -ra parts < <(awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status)
	cpu=${parts[-1]}
	hog_cpu=${parts[0]}
}

# On a disk, because files in memory cannot be dropped and read again.
make_folder() {
	local parent
	for parent in /var/tmp "$root/$BUILD" "${TMPDIR:-/tmp}"; do
		case $(stat -f -c %T "$parent") in
		tmpfs | ramfs) continue ;;
		esac
		folder=$(mktemp -d "$parent/tierd-demo.XXXXXX")
		return
	done
	die "no folder on a disk for a temporary file; set TMPDIR"
}

# With the sizes of demo-manager.sh, and everything faster than in earnest.
write_config() {
	cat >"$folder/demo.conf" <<-END
		[agent]
		decisions = $folder/decisions.ndjson
		[model]
		cgroup = $group/model
		[policy]
		policy = threshold
		stabilization = 8s
		warmup = 3s
		trend = 5s
		trend_horizon = 5s
		stall_above = 5%
		stall_above_window = 3s
		calm_stall_window = 4s
		cpu_wait_window = 3s
		cpu_wait_above = 40%
		[switch]
		drain_deadline = 5s
		ack_timeout = 5s
		settle = 2s
		[tier large]
		memory = $(percent 46)
		cores = 1
		[tier medium]
		memory = $(percent 13)
		cores = 0.5
		[tier small]
		memory = $(percent 6)
		cores = 0.25
	END
}

start_agent() {
	DEMO_GROUP=$group DEMO_FOLDER=$folder DEMO_LIMIT=$limit DEMO_CPU=$cpu \
		TIERD_CONFIG=$folder/demo.conf TIERD_RUN_DIR=$folder/run \
		TIERD_LISTENER=scripts/demo-manager.sh \
		setpriv --pdeathsig TERM scripts/run.sh &
	agent=$!
}

start_hog() {
	run_in_group "$group/others" "$HOG" --die-with-parent "$@" &
	helpers+=($!)
}

# In short steps, so that the end of the agent ends the demo.
pause() {
	local i
	for ((i = 0; i < $1; i++)); do
		kill -0 "$agent" 2>/dev/null || die "the agent has ended"
		sleep 1
	done
}

# wait_for_tier SECONDS TIER
wait_for_tier() {
	local deadline=$((SECONDS + $1))
	until [[ "$(cat "$folder/tier" 2>/dev/null)" == "$2" ]]; do
		((SECONDS < deadline)) || return 0
		pause 1
	done
}

play() {
	say "Steady: the model runs alone, in its largest tier ($((limit >> 20)) MB limit)."
	wait_for_tier 5 large
	pause 7
	say "Pressure: 'demo-hog' takes memory for 5 s, then reads a file that no longer fits."
	start_hog --comm demo-hog --memory "$(percent 32)" --grow-seconds 5 --touch \
		--file "$folder/data" --file-size "$(percent 50)" --read --pause-ms 20 \
		--pin "$hog_cpu" --hold-seconds 8 --seconds 20
	pause 14
	say "The hog has ended. When it has been calm for 8 s, the larger tier comes back."
	wait_for_tier 18 large
	say "Pressure again: three 'demo-spin' threads want the CPU that the model runs on."
	start_hog --comm demo-spin --spin --threads 3 --pin "$cpu" --seconds 6
	pause 7
	say "The spinners have ended."
	wait_for_tier 20 large
	pause 1
}

summary() {
	say "What the agent told the model manager:"
	cat "$folder/switches" 2>/dev/null || die "nothing: no step was taken"
}

main() {
	cd "$root"
	((EUID == 0)) || die "needs root, for eBPF and for a memory cgroup of its own"
	scripts/setup.sh run
	make -q BUILD="$BUILD" all "$HOG" >/dev/null 2>&1 || echo "demo: building"
	make --no-print-directory -s BUILD="$BUILD" all "$HOG"
	find_limit
	find_cpus
	trap stop EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	make_folder
	make_group "tierd-demo.$$" "$limit"
	write_config
	start_agent
	play
	summary
}

main
