#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Sets up, builds and runs every test and check, or with --quick the unit tests alone (no root, no
# kernel). The last line is `N passed, N failed`; a skipped test counts as failed, because it has
# proved nothing.
#
# Three kinds of tests are understood: cmocka programs, programs that print lines `ok NAME` and
# `not ok NAME`, and others, whose exit status is their one result. Outputs are kept in
# build/test-logs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

BUILD=${BUILD:-build}
LOGS=$BUILD/test-logs
UNIT_TIMEOUT_S=180
CHECK_TIMEOUT_S=900
KERNEL_TIMEOUT_S=150
E2E_TIMEOUT_S=360
VM_TIMEOUT_S=1500
ENGINE_TIMEOUT_S=600
STORM_TIMEOUT_S=300
# One with preallocated tables and one with task storage and the newest signatures.
VM_KERNELS=(6.1 newest)
FUZZ_TIMEOUT_S=60
FUZZ_TIME_S=5

# How many tests that measure no time run at once.
SLOTS=2
# What measures how long the host takes, or makes more processes than others can bear: it runs
# alone.
ALONE=(e2e/test_pressure e2e/test_cost e2e/test_many)

passed=0
failed=0
declare -A names=() begins=() # of what runs now, by process id

stop() {
	trap - INT TERM
	kill -TERM "${!names[@]}" 2>/dev/null || true
	wait || true
	echo "interrupted"
	exit 130
}

sum_of() {
	sed -nE "s/$1/\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'
}

# Sets ok and bad to what a log says of single tests.
count_results() {
	local log=$1

	if grep -q '^\[==========\]' "$log"; then
		ok=$(sum_of '^\[  PASSED  \] ([0-9]+) test\(s\)\.$' "$log")
		bad=$(($(sum_of '^ *([0-9]+) FAILED TEST\(S\)$' "$log") +
			$(sum_of '^\[  SKIPPED \] ([0-9]+) test\(s\).*' "$log") +
			$(grep -cE '^\[  (FAILED|ERROR)   ?\] GROUP ' "$log" || true)))
	else
		ok=$(grep -cE '^ok( |$)' "$log" || true)
		bad=$(grep -cE '^not ok( |$)' "$log" || true)
	fi
}

# report NAME STATUS LOG SECONDS: counts, and shows the whole log of what failed.
report() {
	local name=$1 status=$2 log=$3 seconds=$4 ok bad

	count_results "$log"
	if ((status == 0 && ok == 0 && bad == 0)); then
		if grep -q '^\[==========\]' "$log"; then
			bad=1
		else
			ok=1
		fi
	elif ((status != 0 && bad == 0)); then
		bad=1
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	if ((bad == 0)); then
		printf 'ok      %-36s %4d passed  %4d s\n' "$name" "$ok" "$seconds"
		return
	fi
	printf 'FAILED  %-36s %4d passed, %d failed, exit status %d%s\n' "$name" "$ok" "$bad" \
		"$status" "$( ((status != 124 && status != 137)) || echo ' (ran out of time)')"
	sed 's/^/    /' "$log"
}

log_of() {
	echo "$LOGS/${1//\//_}.log"
}

# start NAME COMMAND...: in the background; what it prints goes to its log.
start() {
	local name=$1 pid
	shift

	"$@" >"$(log_of "$name")" 2>&1 </dev/null &
	pid=$!
	names[$pid]=$name
	begins[$pid]=$SECONDS
}

# ended PID STATUS
ended() {
	report "${names[$1]}" "$2" "$(log_of "${names[$1]}")" $((SECONDS - begins[$1]))
	unset "names[$1]" "begins[$1]"
}

# Waits until at most that many tests run. By looking: `wait -n` misses what has ended before it.
wait_until_at_most() {
	local pid status

	while ((${#names[@]} > $1)); do
		for pid in "${!names[@]}"; do
			kill -0 "$pid" 2>/dev/null && continue
			status=0
			wait "$pid" || status=$?
			ended "$pid" "$status"
		done
		sleep 0.05
	done
}

# start_test NAME SECONDS COMMAND...: as soon as there is a slot for it.
start_test() {
	local name=$1 limit_s=$2
	shift 2

	wait_until_at_most $((SLOTS - 1))
	start "$name" timeout --kill-after=10 "$limit_s" "$@"
}

# run_test NAME SECONDS COMMAND...: now, and waits for its end.
run_test() {
	local name=$1 limit_s=$2 pid status=0
	shift 2

	start "$name" timeout --kill-after=10 "$limit_s" "$@"
	pid=$!
	wait "$pid" || status=$?
	ended "$pid" "$status"
}

set_up() {
	scripts/setup.sh "$1" || { failed=1 && return 1; }
}

# A build that fails is a failed test; nothing after it would mean anything.
build() {
	local name=$1 pid status=0
	shift

	echo "building: $name"
	start "$name" make --no-print-directory -j2 "$@"
	pid=$!
	wait "$pid" || status=$?
	if ((status == 0)); then
		unset "names[$pid]" "begins[$pid]"
	else
		ended "$pid" "$status"
	fi
	return "$status"
}

is_alone() {
	[[ " ${ALONE[*]} " == *" $1 "* ]]
}

# run_programs HOW KIND LABEL BUILD SECONDS [WRAPPER...]: the program of every tests/KIND/test_*.c,
# HOW is run_test or start_test. By source, so that what is left in the build folder of a test that
# is gone is not run.
run_programs() {
	local how=$1 kind=$2 label=$3 build=$4 limit_s=$5 source name
	shift 5

	for source in "tests/$kind"/test_*.c; do
		[[ -e $source ]] || continue
		name=$(basename "$source" .c)
		is_alone "$label/$name" || "$how" "$label/$name" "$limit_s" "$@" "$build/tests/$kind/$name"
	done
}

# Each target for a few seconds, from its seeds on; what it finds new goes into the build folder.
fuzz_tests() {
	local build=$1 source name found

	for source in tests/fuzz/fuzz_*.c; do
		[[ -e $source ]] || continue
		name=$(basename "$source" .c)
		found=$build/corpus/${name#fuzz_}
		mkdir -p "$found"
		start_test "fuzz/$name" $FUZZ_TIMEOUT_S "$build/tests/fuzz/$name" \
			-max_total_time=$FUZZ_TIME_S -timeout=10 -rss_limit_mb=1024 \
			-artifact_prefix="$found/" "$found" "tests/fuzz/corpus/${name#fuzz_}"
	done
}

# What needs the running kernel. Line by line, so that the log of a test that is killed ends where
# the test was.
kernel_tests() {
	local test

	run_programs run_test kernel kernel "$BUILD" $KERNEL_TIMEOUT_S stdbuf -oL
	for test in "${ALONE[@]}"; do
		run_test "$test" $E2E_TIMEOUT_S stdbuf -oL "$BUILD/tests/$test"
	done
}

# Guests under emulation, with kernels from Debian's archive. One that cannot be had is a failure.
# Their clock counts instructions, so they may run beside other tests.
start_guest_tests() {
	set_up vm || return 0
	start_test "guests" $VM_TIMEOUT_S nice -n 19 scripts/vm/vmtest.sh "${VM_KERNELS[@]}"
}

run_shell_tests() {
	local script

	for script in tests/e2e/test_*.sh; do
		[[ ! -x $script ]] || start_test "e2e/$(basename "$script")" $E2E_TIMEOUT_S "$script"
	done
}

# Most of the time they wait: two at a time, beside the guests and the checks. Those have the lowest
# priority, which the agent does not count as load and which keeps nothing from a CPU.
agent_tests() {
	local SLOTS=4

	start_guest_tests
	start_test "checks" $CHECK_TIMEOUT_S nice -n 19 scripts/check.sh
	run_programs start_test e2e e2e "$BUILD" $E2E_TIMEOUT_S stdbuf -oL
	run_shell_tests
	wait_until_at_most 0
	run_test "e2e/storm" $STORM_TIMEOUT_S tests/e2e/storm/run.sh --short
}

quick() {
	set_up run || return 0
	build "build" unit-tests || return 0
	run_programs start_test unit unit "$BUILD" $UNIT_TIMEOUT_S
	wait_until_at_most 0
}

everything() {
	((EUID == 0)) || die "the kernel tests need root; 'make test-quick' does not"
	set_up test || return 0
	build "build" all unit-tests kernel-tests vm-tests benches || return 0
	start_test "e2e/storm engine" $ENGINE_TIMEOUT_S nice tests/e2e/storm/engine.sh short
	run_programs start_test unit unit "$BUILD" $UNIT_TIMEOUT_S
	wait_until_at_most 0
	run_test "layers self-test" $CHECK_TIMEOUT_S scripts/check-layers.sh --self-test
	if build "build with sanitizers" BUILD="$BUILD/asan" SANITIZE=1 unit-tests; then
		run_programs start_test unit sanitized "$BUILD/asan" $UNIT_TIMEOUT_S
		wait_until_at_most 0
	fi
	if build "build with libFuzzer" BUILD="$BUILD/fuzz" FUZZ=1 fuzz-tests; then
		fuzz_tests "$BUILD/fuzz"
		wait_until_at_most 0
	fi
	kernel_tests
	agent_tests
}

main() {
	cd "$root"
	mkdir -p "$LOGS"
	trap stop INT TERM
	case ${1:-} in
	"") everything ;;
	--quick) quick ;;
	*) die "usage: test.sh [--quick]" ;;
	esac
	echo "$passed passed, $failed failed"
	((failed == 0 && passed > 0))
}

main "$@"
