# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# For the guest's shell tests: each expectation is one line `ok` or `not ok`; the script exits with
# the number of those that were not met. To be sourced.

failures=0
config=/tmp/tierd.conf
printf '[tier small]\nmemory = 10M\n' >$config

met() {
	echo "ok $*"
}

not_met() {
	echo "not ok $*"
	failures=$((failures + 1))
}

# expect_doctor STATUS: doctor exits with it.
expect_doctor() {
	status=0
	./tierctl doctor >/dev/null || status=$?
	if [ "$status" = "$1" ]; then
		met "doctor exits with $1"
	else
		not_met "doctor exits with $status, not $1"
	fi
}

# expect_finding STATE NAME TEXT: doctor finds this.
expect_finding() {
	./tierctl doctor >/tmp/doctor || true
	if grep -q "^$1 *$2 .*$3" /tmp/doctor; then
		met "doctor: $2 $1"
	else
		not_met "doctor: $2 is not $1 ($3): $(grep "^[a-z]* *$2 " /tmp/doctor)"
	fi
}

expect_source() {
	if ./tierctl doctor | grep -q "^tierd can run here, with source $1\\."; then
		met "doctor: source $1"
	else
		not_met "doctor: source is not $1"
	fi
}

# expect_refusal TEXT ARGUMENT...: the agent exits with 3 and one line that says why.
expect_refusal() {
	text=$1
	shift
	status=0
	timeout 20 ./tierd --config $config --run-dir /run/tierd --state-file= "$@" >/tmp/refusal 2>&1 || status=$?
	if [ "$status" = 3 ] && [ "$(wc -l </tmp/refusal)" = 1 ] && grep -q "$text" /tmp/refusal; then
		met "refused with 3: tierd $*"
	else
		not_met "tierd $* exits with $status and says: $(cat /tmp/refusal)"
	fi
}

# expect_start SOURCE ARGUMENT...: the agent runs with this source until it is told to stop.
expect_start() {
	wanted=$1
	shift
	./tierd --config $config --run-dir /run/tierd --state-file= "$@" >/tmp/start 2>&1 &
	agent=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ ! -p /run/tierd/control.fifo ] || break
		sleep 1
	done
	sleep 1
	if ./tierctl --run-dir /run/tierd status --json >/tmp/status 2>&1 &&
		grep -q "\"source\":\"$wanted\"" /tmp/status; then
		met "runs with source $wanted: tierd $*"
	else
		not_met "tierd $* does not run with source $wanted: $(cat /tmp/start /tmp/status)"
	fi
	kill "$agent"
	wait "$agent" || not_met "tierd $* ends with $?"
}
