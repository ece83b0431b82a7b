# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# A limited memory cgroup with a `model` and an `others` group inside, on cgroup v1 and v2. To be
# sourced. The host's own groups are not touched; on v2 the memory controller is switched on for
# the root's children while it is needed, if it was off.

group=	      # its path, while there is one
group_v2_root= # where the controller has to be switched off again

die_without_groups() {
	die "no memory cgroup can be made here: $*"
}

v1_memory_mount() {
	awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/self/mounts
}

v2_mount() {
	awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts
}

# Swap would be somebody else's: the group stays out of it.
make_group_v1() {
	group=$1
	mkdir "$group" || die_without_groups "mkdir $group failed"
	echo 1 2>/dev/null >"$group/memory.use_hierarchy" || true # gone since 5.11, needed before
	echo "$2" >"$group/memory.limit_in_bytes"
	echo 0 >"$group/memory.swappiness"
}

make_group_v2() {
	local mount=${1%/*}

	if ! grep -qw memory "$mount/cgroup.subtree_control"; then
		echo +memory 2>/dev/null >"$mount/cgroup.subtree_control" ||
			die_without_groups "the memory controller cannot be used in $mount"
		group_v2_root=$mount
	fi
	group=$1
	mkdir "$group" || die_without_groups "mkdir $group failed"
	echo "$2" >"$group/memory.max"
	[[ ! -e $group/memory.swap.max ]] || echo 0 >"$group/memory.swap.max"
	echo +memory >"$group/cgroup.subtree_control"
}

# make_group NAME BYTES: sets $group.
make_group() {
	local mount
	mount=$(v1_memory_mount)

	if [[ -n $mount ]]; then
		make_group_v1 "$mount/$1" "$2"
	else
		mount=$(v2_mount)
		[[ -n $mount ]] || die_without_groups "no cgroup file system is mounted"
		grep -qw memory "$mount/cgroup.controllers" ||
			die_without_groups "$mount has no memory controller"
		make_group_v2 "$mount/$1" "$2"
	fi
	mkdir "$group/model" "$group/others"
}

# Ends what is left in the group and removes it.
remove_group() {
	local part attempt pid

	[[ -n $group ]] || return 0
	for part in "$group/model" "$group/others" "$group"; do
		[[ -d $part ]] || continue
		for ((attempt = 0; attempt < 50; attempt++)); do
			while read -r pid; do
				kill -KILL "$pid" 2>/dev/null || true
			done <"$part/cgroup.procs"
			! rmdir "$part" 2>/dev/null || break
			sleep 0.1
		done
	done
	[[ -z $group_v2_root ]] || echo -memory >"$group_v2_root/cgroup.subtree_control" || true
	[[ ! -d $group ]] || echo "could not remove $group" >&2
	group=
}

# run_in_group PATH COMMAND...: replaces this (sub)shell.
run_in_group() {
	echo "$BASHPID" >"$1/cgroup.procs"
	shift
	exec "$@"
}
