#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Checks the agent on a machine with an NVIDIA GPU: what it reads is compared with nvidia-smi, and a
# ladder is stepped through by taking memory of GPU 0. Root; two minutes, in which nothing else should
# use that GPU much. Takes memory and gives it back; no setting of the GPU is touched. Ends with `N
# passed, N failed`; with status 2 where there is no GPU or no root.
#
# What `make gpu-check` builds is taken from BUILD. Without BPF the agent runs with what there is.
# Arguments go to the agent: `--record FILE` keeps what it saw.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

BUILD=$(realpath "${BUILD:-$root/build}")
HOG=$BUILD/tests/tools/gpu_hog
BENCH=$BUILD/tests/bench/bench_nvml
# In percent of the GPU's memory. Large beside others is over degrade_above (90 %), small beside them
# under upgrade_below (80 %), with some room for what each process needs besides.
declare -A SHARE=([large]=25 [small]=2 [others]=68)
# A load takes a few seconds where the driver has to wake up; these are limits, not waits.
LOAD_TIMEOUT_S=30
STEP_TIMEOUT_S=20
COST_S=10
TOLERANCE_MIB=64
# How long one reading may hold up the agent, with processes that come and go on the GPU.
READING_LIMIT_US=1000000

export CUDA_DEVICE_ORDER=PCI_BUS_ID # as NVML numbers them

folder=
manager= # leads the process group of its loaders and of what these have loaded
hog=
source= # that the agent runs with
arguments=()
declare -A started=() # processes that are to be ended, but for those of the manager
passed=0
failed=0

# ---- what is used all over -----------------------------------------------------------------------

ok() {
	passed=$((passed + 1))
	echo "ok      $*"
}

failure() {
	failed=$((failed + 1))
	echo "FAILED  $*"
}

# expect NAME COMMAND...: that it is true; the name shows what of.
expect() {
	local name=$1
	shift

	if "$@"; then ok "$name"; else failure "$name"; fi
}

# Not a zombie either: who is orphaned may wait for whoever reaps it.
is_running() {
	grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"
}

# wait_until SECONDS COMMAND...
wait_until() {
	local deadline=$((SECONDS + $1))
	shift

	until "$@"; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

# end PID [SIGNAL]
end() {
	[[ -n $1 ]] || return 0
	kill "-${2:-TERM}" "$1" 2>/dev/null || true
	wait_until 10 eval "! is_running $1" || kill -KILL "$1" 2>/dev/null || true
	unset "started[$1]"
}

stop() {
	local pid

	trap '' INT TERM
	# First who may load another model.
	[[ -z $manager ]] || kill -KILL -- "-$manager" 2>/dev/null || true
	for pid in "${!started[@]}" "$(cat "$folder/model.pid" 2>/dev/null)"; do
		end "$pid"
	done
	rm -rf "$folder"
}

ctl() {
	timeout 10 "$BUILD/tierctl" --run-dir "$folder/run" "$@"
}

mib() {
	echo $(($1 >> 20))
}

# Of GPU 0, in MiB.
smi() {
	timeout 20 nvidia-smi -i 0 "--query-gpu=$1" --format=csv,noheader,nounits
}

# What nvidia-smi says of one process, in MiB; nothing where it does not list it.
smi_process() {
	timeout 20 nvidia-smi -i 0 --query-compute-apps=pid,used_memory \
		--format=csv,noheader,nounits | awk -F', *' -v pid="$1" '$1 == pid && $2 > 0 { print $2 }'
}

share_mib() {
	echo $((total_mib * ${SHARE[$1]} / 100))
}

# figure EXPRESSION [FOLDER]: of an agent's status, in Python, as a whole number; -1 if there is none.
figure() {
	"$BUILD/tierctl" --run-dir "$folder/${2:-run}" status --json | python3 -c '
import json, sys
status = json.load(sys.stdin)
vram = [r for r in status["resources"] if (r["resource"], r["index"]) == ("vram", 0)]
vram = vram[0] if vram else None
tiers = {f["tier"]: f for f in status["footprints"]}
print(int(eval(f"({sys.argv[1]})")))' "$1" || echo -1
}

# decision KEY CONDITION: of the first decision that it is true of; nothing if there is none.
decision() {
	python3 -c '
import json, sys
for line in open(sys.argv[3]):
    d = json.loads(line)
    if eval(sys.argv[2]):
        print(eval(sys.argv[1]))
        break' "$1" "$2" "$folder/decisions.ndjson"
}

# compare NAME MIB MIB: what tierd says with what nvidia-smi does.
compare() {
	local difference=$(($2 - $3))

	expect "$1: $2 MiB, nvidia-smi $3" test ${difference#-} -le $TOLERANCE_MIB
}

# ---- the reader of GPUs alone --------------------------------------------------------------------

# start_hog NAME ARGUMENTS...: returns when it holds its memory; sets hog.
start_hog() {
	local name=$1
	shift

	"$HOG" -s 200 "$@" >"$folder/$name.out" 2>&1 &
	hog=$! started[$!]=1
	disown $hog # the shell need not tell how it ends
	wait_until $LOAD_TIMEOUT_S grep -qs '^holds' "$folder/$name.out" || {
		cat "$folder/$name.out" >&2
		die "no memory of the GPU can be taken"
	}
}

# What nvidia-smi calls used is without what the driver keeps for itself; what is not free is not.
check_totals() {
	local total used not_free

	"$BENCH" 200 5 >"$folder/bench" || failure "a reading failed: $(cat "$folder/bench")"
	sed 's/^/        /' "$folder/bench"
	echo "        nvidia-smi: total, used, reserved, free: $(smi \
		memory.total,memory.used,memory.reserved,memory.free)"
	read -r total used < <(awk '$1 == "gpu" && $2 == 0 { print $3, $4 }' "$folder/bench")
	not_free=$((total_mib - $(smi memory.free)))
	compare total "$(mib "${total:-0}")" "$total_mib"
	compare "used or kept" "$(mib "${used:-0}")" $not_free
}

# A driver in a container or below a hypervisor may list nobody.
check_processes() {
	local seen in_smi

	start_hog others -m 2048
	"$BENCH" 200 5 >"$folder/bench" || failure "a reading failed: $(cat "$folder/bench")"
	sed 's/^/        /' "$folder/bench"
	seen=$(awk -v pid="$hog" '$1 == "process" && $3 == pid { print $4 }' "$folder/bench")
	in_smi=$(smi_process "$hog")
	if [[ -z $in_smi ]]; then
		is_listing=0
		echo "        nvidia-smi does not list process $hog:"
		timeout 20 nvidia-smi -i 0 --query-compute-apps=pid,used_memory --format=csv
		expect "no process is made up" test -z "$seen"
	else
		compare "a process" "$(mib "${seen:-0}")" "$in_smi"
	fi
	end "$hog"
}

# The driver has one lock for much of what it does; making a context and dropping it takes long.
check_readings_while_processes_come_and_go() {
	local i most bench

	"$BENCH" 300 50 >"$folder/bench" &
	bench=$! started[$!]=1
	for ((i = 0; i < 5; i++)); do
		start_hog others -m 4096 -b
		sleep 1
		end "$hog" KILL
	done
	wait "$bench" || true
	unset "started[$bench]"
	sed 's/^/        /' "$folder/bench"
	most=$(sed -nE 's/.*most ([0-9]+) us$/\1/p' "$folder/bench")
	expect "readings while processes come and go: at most ${most:-no} us" \
		test "${most:-$READING_LIMIT_US}" -lt $READING_LIMIT_US
	expect "none of them failed" grep -q ' 0 failures' "$folder/bench"
}

# ---- the agent -----------------------------------------------------------------------------------

write_files() {
	cat >"$folder/tierd.conf" <<-END
		[agent]
		decisions = $folder/decisions.ndjson
		[model]
		pid_file = $folder/model.pid
		[policy]
		policy = threshold
		stabilization = 5s
		warmup = 2s
		trend = 2s
		trend_horizon = 0s
		[switch]
		drain_deadline = 3s
		ack_timeout = 20s
		settle = 2s
		[tier large]
		memory = 1G
		vram = $(share_mib large)M
		[tier small]
		memory = 512M
		vram = $(share_mib small)M
	END
	# The manager's loader: TIER MODE DEADLINE_MS.
	cat >"$folder/load" <<-END
		#!/usr/bin/env bash
		exec "$root/scripts/gpu-check.sh" --load "$folder" "$total_mib" "\$1"
	END
	chmod +x "$folder/load"
}

# What the loader does: the model of TIER in place of the one that runs.
load() {
	folder=$1 total_mib=$2
	end "$(cat "$folder/model.pid" 2>/dev/null)"
	if [[ $3 != off ]]; then
		start_hog model -m "$(share_mib "$3")"
		echo "$hog" >"$folder/model.pid"
	fi
	echo "$3" >"$folder/tier"
}

is_tier() {
	grep -qx "$1" "$folder/tier"
}

answers() {
	ctl status >/dev/null 2>&1
}

# start_agent SOURCE: false if it does not come up.
start_agent() {
	"$BUILD/tierd" --config "$folder/tierd.conf" --run-dir "$folder/run" --state-file= \
		--source "$1" "${arguments[@]}" >"$folder/agent.log" 2>&1 &
	agent=$! started[$!]=1
	wait_until 15 eval "answers || ! is_running $agent"
	answers
}

start_all() {
	load "$folder" "$total_mib" large
	unset "started[$hog]" # the next load may end it
	for source in bpf psi poll; do
		if start_agent "$source"; then
			ok "the agent runs with source $source"
			break
		fi
		sed 's/^/        /' "$folder/agent.log"
		end "$agent"
	done
	is_running "$agent" || return 1
	setsid "$root/user/client/example-manager.sh" "$folder/run" large "$folder/load" &
	manager=$!
}

is_settled() {
	(($(figure "(status['actual'], status['phase'], status['tier_assumed']) ==
		('$1', 'steady', False)") == 1))
}

# check_model TIER: what the model holds, as the agent and as nvidia-smi see it.
check_model() {
	local in_smi seen

	wait_until $STEP_TIMEOUT_S is_settled "$1" || failure "$1 is not in place"
	sleep 1.5 # a sample of it
	in_smi=$(smi_process "$(cat "$folder/model.pid")")
	seen=$(mib "$(figure 'vram["model_bytes"]')")
	((is_listing)) || { echo "        the model's VRAM is not known here" && return 0; }
	compare "$1: the model" "$seen" "${in_smi:-0}"
}

# check_preflight MIB STATUS
check_preflight() {
	local status=0

	ctl preflight --memory 1M --vram "$1M" --ask-only >"$folder/answer" || status=$?
	expect "preflight: $1 MiB, exit status $status" test $status -eq "$2"
	sed 's/^/        /' "$folder/answer"
}

# Beside what runs it fits up to upgrade_below, 80 %; two hundredths of the GPU on either side.
check_preflights() {
	local room

	room=$((total_mib * 80 / 100 - $(mib "$(figure 'vram["used_bytes"]')")))
	check_preflight $((room - total_mib / 50)) 0
	check_preflight $((room + total_mib / 50)) 1
}

check_learned() {
	local learned seen

	((is_listing)) || return 0
	learned=$(mib "$(figure 'sum(tiers["large"]["vram_bytes"])')")
	seen=$(mib "$(figure 'vram["model_bytes"]')")
	expect "learned of large: $learned MiB, it holds $seen ($(share_mib large) configured)" \
		test "$learned" -ge "$seen" -a "$learned" -le $((seen + TOLERANCE_MIB))
}

# Beside another agent that has no library to ask.
check_cost() {
	local cpu_ns='status["own"]["cpu_ns"]' rss='status["own"]["rss_bytes"]'
	local other before other_before own_ms other_ms

	TIERD_NVML_LIBRARY=/nowhere "$BUILD/tierd" --config "$folder/tierd.conf" --state-file= \
		--decisions= --source "$source" --run-dir "$folder/run-blind" >"$folder/blind.log" 2>&1 &
	other=$! started[$!]=1
	sleep 2
	before=$(figure "$cpu_ns") other_before=$(figure "$cpu_ns" run-blind)
	sleep $COST_S
	own_ms=$((($(figure "$cpu_ns") - before) / 1000000))
	other_ms=$((($(figure "$cpu_ns" run-blind) - other_before) / 1000000))
	expect "CPU time in $COST_S s: $own_ms ms, $other_ms ms without the GPU" \
		test $own_ms -lt $((COST_S * 10))
	echo "        memory: $(mib "$(figure "$rss")") MiB," \
		"$(mib "$(figure "$rss" run-blind)") MiB without the GPU"
	end "$other"
}

check_step_down() {
	local taken_ns step='d["action"] == "switch" and d["from"] == "large"'

	start_hog others -m "$(share_mib others)"
	taken_ns=$(awk '{ print $3 }' "$folder/others.out")
	if ! wait_until $STEP_TIMEOUT_S is_tier small; then
		failure "others take $(share_mib others) MiB: no step down"
		return
	fi
	expect "others take $(share_mib others) MiB: from large to small" test "$(decision 'd["to"]' "$step")" == small
	expect "its reason is the GPU's memory" \
		test "$(decision 'd["worst"]["resource"]' "$step")" == vram
	echo "        ordered $((($(decision 'd["time_ns"]' "$step") - taken_ns) / 1000000)) ms" \
		"after they had it: $(decision 'd["reason"]' "$step")"
	check_model small
}

# The model dies and is not loaded again: its memory is seen to be free, and nothing else happens.
check_death() {
	local used

	end "$(cat "$folder/model.pid")" KILL
	sleep 2.5
	used=$(mib "$(figure 'vram["used_bytes"]')")
	expect "the model is killed: $used MiB used" test "$used" -lt "$(share_mib large)"
	expect "none is the model's" test "$(figure 'vram["model_bytes"]')" -eq 0
	expect "no sample was lost" test "$(figure 'status["lost"]["sample"]')" -eq 0
}

check_end() {
	local status=0

	kill -TERM "$agent"
	wait "$agent" || status=$?
	unset "started[$agent]"
	expect "the agent ends with status $status" test $status -eq 0
}

check_agent() {
	write_files
	start_all || { failure "the agent does not start" && return; }
	check_model large
	compare "status: total" "$(mib "$(figure 'vram["capacity_bytes"]')")" "$total_mib"
	compare "status: used or kept" "$(mib "$(figure 'vram["used_bytes"]')")" \
		$((total_mib - $(smi memory.free)))
	check_preflights
	check_cost
	check_learned
	check_step_down
	end "$hog"
	expect "they leave: the model is large again" wait_until $STEP_TIMEOUT_S is_tier large
	check_model large
	check_learned
	ctl status
	check_death
	check_end
	sed 's/^/        /' "$folder/agent.log"
}

refuse() {
	echo "gpu-check: $*" >&2
	exit 2
}

main() {
	local finding

	arguments=("$@")
	nvidia-smi -L >/dev/null 2>&1 || refuse "there is no NVIDIA GPU here (nvidia-smi lists none)"
	command -v python3 >/dev/null || refuse "needs python3, to read JSON"
	((EUID == 0)) || refuse "needs root, for eBPF"
	folder=$(mktemp -d)
	trap stop EXIT
	trap 'exit 130' INT TERM
	is_listing=1
	total_mib=$(smi memory.total)
	finding=$("$BUILD/tierctl" doctor | grep -i gpu) || true
	expect "doctor: ${finding:-says nothing of a GPU}" grep -q " [1-9][0-9]*, " <<<"$finding"
	check_totals
	check_processes
	check_readings_while_processes_come_and_go
	check_agent
	echo "$passed passed, $failed failed"
	((failed == 0))
}

if [[ ${1:-} == --load ]]; then
	load "${@:2}"
else
	main "$@"
fi
