#!/bin/busybox sh
# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# The first and only script of a guest: sets it up, runs one plan, says on the console what came of
# it, and switches off. Whatever the host is to keep is printed between marks (`@@`); a guest that
# prints no verdict has failed, whatever else it printed.
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin

word_of() {
	tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"
}

set_up() {
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devtmpfs devtmpfs /dev
	mount -t tmpfs tmpfs /run
	echo 1 >/proc/sys/kernel/printk
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control
	while read -r module; do
		insmod "/modules/$module" || echo "not ok insmod $module"
	done </modules/order
	echo 1 >/proc/sys/vm/overcommit_memory
	# Compressed memory as swap, switched on by the tests that reclaim.
	echo lz4 >/sys/block/zram0/comp_algorithm
	echo 192M >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null
	ip link set lo up
}

# run NAME SECONDS COMMAND...: one test.
run() {
	name=$1
	limit_s=$2
	shift 2
	echo "@@ begin $name"
	timeout -s KILL "$limit_s" "$@" 2>&1
	status=$?
	echo "@@ end $name $status $(cut -d ' ' -f 1 /proc/uptime)"
}

# keep NAME COMMAND...: its output is an artefact, its success no matter.
keep() {
	name=$1
	shift
	echo "@@ keep $name"
	"$@" 2>&1
	echo "@@ kept $name"
}

set_up
TIERD_VM_KERNEL=$(word_of vm.kernel)
export TIERD_VM_KERNEL
cd /tierd || poweroff -f
# shellcheck source=/dev/null
. "/tierd/plans/plan_$(word_of vm.plan).sh"
keep dmesg dmesg
echo "@@ verdict done"
stty -F /dev/console sane
poweroff -f
