#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The demo's model manager, and an example of one: it follows the agent's manager FIFO, runs a
# stand-in for a model of the wanted size, and says on the control FIFO how far it has come.
# Started by run.sh in place of its listener; demo.sh sets the DEMO_ variables.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/memory-group.sh
source "$root/scripts/memory-group.sh"

# What a tier holds and what it maps of its weights, in percent of the limit; with demo.sh.
declare -A HELD=([small]=8 [medium]=18 [large]=36)
declare -A MAPPED=([small]=2 [medium]=6 [large]=10)

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
		--spin --pause-ms 5 --pin "$DEMO_CPU" --seconds 90 --die-with-parent &
	model=$!
	sleep 0.5 # "loading"
}

say() {
	echo "$*" >&"$control"
	echo "-> $*"
}

# switch_to SEQ MODE TIER
switch_to() {
	if [[ $2 == planned ]]; then
		say "ack seq=$1 state=draining"
		sleep 1 # the requests that were running end
	fi
	stop_model
	say "ack seq=$1 state=loading"
	start_model "$3"
	say "ack seq=$1 state=done"
	echo "$3" >"$DEMO_FOLDER/tier"
}

follow() {
	local line seq='' switch='^switch seq=([0-9]+) .*to=([a-z]+) mode=([a-z]+)'

	while read -r line; do
		[[ $line =~ $switch ]] || continue
		echo "<- $line"
		echo "$line" >>"$DEMO_FOLDER/switches"
		[[ ${BASH_REMATCH[1]} != "$seq" ]] || continue # repeated, already done
		seq=${BASH_REMATCH[1]}
		switch_to "$seq" "${BASH_REMATCH[3]}" "${BASH_REMATCH[2]}"
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
