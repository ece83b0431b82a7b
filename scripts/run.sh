#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# From a fresh machine to a running agent: sets up, builds, writes a config if there is none, and
# runs the agent in the foreground with a listener on its manager FIFO, until Ctrl-C or TERM.
# Arguments (and ARGS, from `make run ARGS=...`) go to the agent.
#
#   TIERD_CONFIG [/etc/tierd/tierd.conf]    TIERD_RUN_DIR [/run/tierd]
#   TIERD_LISTENER: command that is run instead of `tierctl --run-dir DIR listen`
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

BUILD=${BUILD:-build}
CONFIG=${TIERD_CONFIG:-/etc/tierd/tierd.conf}
RUN_DIR=${TIERD_RUN_DIR:-/run/tierd}
STOP_TIMEOUT_S=10

agent=
listener=
was_killed=0
is_run_dir_ours=0

is_alive() {
	[[ -n $1 ]] && kill -0 "$1" 2>/dev/null
}

# Only where the agent could not do it itself, because it had to be killed; and only in a folder
# that it made.
remove_run_dir() {
	((is_run_dir_ours)) && [[ -d $RUN_DIR ]] || return 0
	rm -f "$RUN_DIR"/{manager.fifo,control.fifo,manager.fifo.lock,tierd.lock}
	[[ ! -d $RUN_DIR/replies ]] || find "$RUN_DIR/replies" -type p -delete
	rmdir "$RUN_DIR/replies" "$RUN_DIR" 2>/dev/null ||
		echo "run: $RUN_DIR is not empty, and stays" >&2
}

stop() {
	local deadline=$((SECONDS + STOP_TIMEOUT_S))

	trap '' INT TERM
	[[ -z $agent ]] || kill -TERM "$agent" 2>/dev/null || true
	while is_alive "$agent" && ((SECONDS < deadline)); do
		sleep 0.05
	done
	if is_alive "$agent"; then
		echo "run: the agent did not end in $STOP_TIMEOUT_S s, killing it" >&2
		kill -KILL "$agent"
		was_killed=1
	fi
	[[ -z $listener ]] || kill -TERM "$listener" 2>/dev/null || true
	wait
	((was_killed == 0)) || { remove_run_dir && exit 1; }
}

prepare() {
	scripts/setup.sh run
	make -q BUILD="$BUILD" all >/dev/null 2>&1 || echo "run: building"
	make --no-print-directory -s BUILD="$BUILD" all
	if [[ ! -e $CONFIG ]]; then
		"$BUILD/tierctl" detect
		mkdir -p "$(dirname "$CONFIG")"
		"$BUILD/tierctl" detect --write "$CONFIG"
		echo "run: wrote $CONFIG"
	fi
	"$BUILD/tierctl" check-config "$CONFIG"
}

# The agent makes the FIFOs; there is nothing to listen to before.
wait_for_fifo() {
	local deadline=$((SECONDS + 10))

	until [[ -p $RUN_DIR/manager.fifo ]]; do
		is_alive "$agent" && ((SECONDS < deadline)) || return 1
		sleep 0.05
	done
}

# The listener's output is marked, so that one can tell it from the agent's. The marker ignores
# Ctrl-C and ends with its input, so that no last line is lost.
start_listener() {
	local command=("$BUILD/tierctl" --run-dir "$RUN_DIR" listen)

	[[ -z ${TIERD_LISTENER:-} ]] || command=("$TIERD_LISTENER")
	setpriv --pdeathsig TERM "${command[@]}" \
		> >(trap '' INT && exec sed -u 's/^/  manager | /') 2>&1 &
	listener=$!
}

# Both are told to end when this script dies in whatever way.
main() {
	local arguments status=0

	cd "$root"
	prepare
	read -ra arguments <<<"${ARGS:-}"
	[[ -e $RUN_DIR ]] || is_run_dir_ours=1
	trap stop EXIT
	trap 'exit 0' INT TERM
	# A trial leaves nothing behind; ARGS may say otherwise.
	setpriv --pdeathsig TERM "$BUILD/tierd" --config "$CONFIG" --run-dir "$RUN_DIR" \
		--state-file= "${arguments[@]}" "$@" &
	agent=$!
	! wait_for_fifo || start_listener
	wait "$agent" || status=$?
	return "$status"
}

main "$@"
