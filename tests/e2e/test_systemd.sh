#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The units that `make install` puts there, under the real systemd, as they are documented: a system
# of its own is booted on top of this one, in namespaces and cgroups of its own, and nothing that it
# writes stays. Models are stand-ins. There BPF would name other pids, so the agent reads PSI.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

LIMIT_S=120
folder=
booted=
name=tierd-systemd.$$

# Every hierarchy that is mounted here: type, options, mount point.
hierarchies() {
	awk '$3 == "cgroup" || $3 == "cgroup2" { print $3, $4, $2 }' /proc/self/mounts
}

# Without a process in it a group can go, but processes take a moment to end.
remove_groups() {
	local where tries

	while read -r _ _ where; do
		for ((tries = 0; tries < 50; tries++)); do
			[[ -d $where/$name ]] || break
			find "$where/$name" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
		done
		[[ ! -d $where/$name ]] || echo "$where/$name cannot be removed" >&2
	done < <(hierarchies)
}

cleanup() {
	trap '' INT TERM
	# The first process of the namespace takes all of it with it, and dies with its parent.
	if [[ -n $booted ]]; then
		kill -KILL -- "-$booted" 2>/dev/null || true
		wait "$booted" 2>/dev/null || true
	fi
	remove_groups
	rm -rf "$folder"
}

# Systemd tidies up below the root of its hierarchies, which therefore is a group of its own.
enter_own_groups() {
	local where

	while read -r _ _ where; do
		mkdir "$where/$name"
		if [[ -e $where/cpuset.cpus ]]; then
			cat "$where/cpuset.cpus" >"$where/$name/cpuset.cpus"
			cat "$where/cpuset.mems" >"$where/$name/cpuset.mems"
		fi
		echo "$BASHPID" >"$where/$name/cgroup.procs"
	done < <(hierarchies)
}

main() {
	local status=0

	((EUID == 0)) || die "needs root"
	[[ -x /lib/systemd/systemd ]] || die "there is no systemd: scripts/setup.sh test installs it"
	cd "$root"
	make -s all >&2
	folder=$(mktemp -d /tmp/tierd-systemd-XXXXXX)
	trap cleanup EXIT
	trap 'exit 130' INT TERM
	set -m
	(
		enter_own_groups
		exec timeout --foreground --kill-after=1 "$LIMIT_S" \
			unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child \
			"$root/tests/e2e/systemd/boot.sh" "$folder" "$(hierarchies)"
	) >"$folder/console" 2>&1 </dev/null &
	booted=$!
	set +m
	wait "$booted" || status=$?
	grep -vx end "$folder/results" || true
	if ((status != 0)) || ! grep -qx end "$folder/results"; then
		echo "not ok the system ran to its end (exit status $status)"
		cat "$folder/console" "$folder/journal" 2>/dev/null || true
		return 1
	fi
	! grep -q '^not ok ' "$folder/results" || cat "$folder/journal"
}

main "$@"
