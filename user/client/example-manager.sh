#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A whole manager for tierd: example-manager.sh RUN_DIR TIER LOADER. TIER is what is loaded now.
# `LOADER TIER MODE DEADLINE_MS` lets running requests end (within the deadline, if MODE is planned),
# loads TIER in place of what is there, and returns when it answers. Ends when the agent does.
set -fu
run_dir=$1 tier=$2 loader=$3 seq=0 to='' mode='' deadline_ms=0
exec 3>"$run_dir/control.fifo" 9<"$run_dir/manager.fifo.lock"
flock -n 9 || exit 1

say() {
	printf '\n%s\n' "$*" >&3
}

say "hello tier=$tier"
while read -r verb words; do
	[ "$verb" = switch ] || continue
	for word in $words; do
		case $word in
		seq=*) seq=${word#*=} ;;
		to=*) to=${word#*=} ;;
		mode=*) mode=${word#*=} ;;
		deadline_ms=*) deadline_ms=${word#*=} ;;
		esac
	done
	if [ "$to" != "$tier" ]; then
		say "ack seq=$seq state=loading"
		if ! "$loader" "$to" "$mode" "$deadline_ms" </dev/null 3>&- 9<&-; then
			say "ack seq=$seq state=failed"
			continue
		fi
		tier=$to
	fi
	say "ack seq=$seq state=done"
done <"$run_dir/manager.fifo"
