#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The demo's model manager: it follows the agent's manager FIFO, runs a stand-in for a model of the
# wanted size, and says on the control FIFO how far it has come. user/client/example-manager.sh is a
# plain one. Started by run.sh in place of its listener; demo.sh sets the DEMO_ variables.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/memory-group.sh
source "$root/scripts/memory-group.sh"

# What a tier holds and what it maps of its weights, in percent of the limit; with demo.sh.
declare -A HELD=([small]=4 [medium]=8 [large]=26)
declare -A MAPPED=([small]=2 [medium]=5 [large]=20)

model=

percent() {
	echo $((DEMO_LIMIT * $1 / 100))
}

stop_model() {
	[[ -n $model ]] || return 0
	kill -KILL "$model" 2>/dev/null || true
	wait "$model" 2>/dev/null || true
	model=
}

start_model() {
	[[ $1 != off ]] || return 0
	run_in_group "$DEMO_GROUP/model" "$BUILD/tests/tools/hog" --comm demo-model \
		--memory "$(percent "${HELD[$1]}")" --touch \
		--file "$DEMO_FOLDER/weights" --file-size "$(percent "${MAPPED[$1]}")" --read \
		--spin --spin-ms 300 --pause-ms 300 --pin "$DEMO_CPU" \
		--seconds 90 --die-with-parent &
	model=$!
	sleep 0.5 # "loading"
}

say() {
	echo "$*" >&"$control"
	echo "-> $*"
}

load() {
	pending=
	stop_model
	say "ack seq=$1 state=loading"
	start_model "$2"
	say "ack seq=$1 state=done"
	echo "$2" >"$DEMO_FOLDER/tier"
}

# A planned switch waits until the running requests have ended: here, for a second without news.
handle_line() {
	local line=$1
	local switch='^switch seq=([0-9]+) .*to=([a-z]+) mode=([a-z]+)'

	if [[ $line =~ $switch && ${BASH_REMATCH[1]} != "$seq" ]]; then
		seq=${BASH_REMATCH[1]}
		echo "<- $line"
		echo "$line" >>"$DEMO_FOLDER/switches"
		if [[ ${BASH_REMATCH[3]} == planned ]]; then
			pending=${BASH_REMATCH[2]}
			say "ack seq=$seq state=draining"
		else
			load "$seq" "${BASH_REMATCH[2]}"
		fi
	elif [[ $line == cancel* ]]; then
		echo "<- $line"
		pending=
	fi
}

follow() {
	local line seq='' pending='' status

	while true; do
		status=0
		# shellcheck disable=SC2086 # two words or none
		read -r ${pending:+-t 1} line || status=$?
		if ((status == 0)); then
			handle_line "$line"
		elif ((status > 128)); then
			load "$seq" "$pending"
		else
			break # the agent has gone
		fi
	done
}

main() {
	# Opened for reading too, so that it does not wait for the agent.
	exec {control}<>"$TIERD_RUN_DIR/control.fifo"
	start_model large
	echo large >"$DEMO_FOLDER/tier"
	say "hello tier=large"
	follow < <(exec setpriv --pdeathsig TERM "$BUILD/tierctl" --run-dir "$TIERD_RUN_DIR" listen)
}

main
