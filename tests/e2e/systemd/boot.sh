#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# For test_systemd.sh, in namespaces of its own: boot.sh FOLDER HIERARCHIES. This host's files with a
# layer on top that is forgotten, file systems of the kernel as in a container, and systemd on it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../../scripts/lib.sh"
folder=$1
new=/run/new

make_root() {
	mount -t tmpfs tmpfs /run
	mkdir /run/upper /run/work $new
	mount -t overlay overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work $new
	mkdir -p $new/results $new/checkout
	mount --bind "$folder" $new/results
	mount --bind "$root" $new/checkout
	: >$new/etc/machine-id
	# An agent of this host's own has its files there.
	mkdir -p $new/etc/tierd $new/var/lib/tierd
	mount -t tmpfs -o mode=755 tmpfs $new/etc/tierd
	mount -t tmpfs -o mode=755 tmpfs $new/var/lib/tierd
	rm -f $new/etc/systemd/system/{,*.wants/}{tierd,tier-manager,tier-gate}.service
}

make_devices() {
	local device

	mount -t tmpfs -o mode=755 tmpfs $new/dev
	for device in null zero full random urandom tty; do
		: >"$new/dev/$device"
		mount --bind "/dev/$device" "$new/dev/$device"
	done
	mkdir $new/dev/pts $new/dev/shm
	mount -t tmpfs tmpfs $new/dev/shm
	ln -s /proc/self/fd $new/dev/fd
}

# The hierarchies of this host; their root here is the group that we are in.
mount_groups() {
	local type options where word controllers

	while read -r type options where; do
		controllers=()
		for word in ${options//,/ }; do
			case $word in
			rw | ro | nosuid | nodev | noexec | relatime | xattr | nsdelegate | memory_recursiveprot) ;;
			name=*) controllers+=(none "$word") ;;
			*) controllers+=("$word") ;;
			esac
		done
		[[ $where == /sys/fs/cgroup || -d $new/sys/fs/cgroup/unified ]] ||
			{ mount -t tmpfs -o mode=755 tmpfs $new/sys/fs/cgroup && mkdir $new/sys/fs/cgroup/unified; }
		mkdir -p "$new$where"
		if [[ $type == cgroup2 ]]; then
			mount -t cgroup2 cgroup2 "$new$where"
		else
			mount -t cgroup -o "$(IFS=, && echo "${controllers[*]}")" cgroup "$new$where"
		fi
	done
}

mount_kernel() {
	mount -t proc proc $new/proc
	# Its settings are this host's.
	mount --bind $new/proc/sys $new/proc/sys
	mount -o remount,bind,ro $new/proc/sys
	mount -t sysfs sysfs $new/sys
	mount_groups
	mount -o remount,bind,ro $new/sys
	mount -t tmpfs -o mode=755 tmpfs $new/run
	mount -t tmpfs tmpfs $new/tmp
}

# What a booting system does to a machine is not the matter here.
mask_units() {
	local unit

	for unit in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-update-utmp \
		systemd-tmpfiles-setup-dev systemd-udevd systemd-logind; do
		ln -sf /dev/null "$new/etc/systemd/system/$unit.service"
	done
	for unit in sys-kernel-debug sys-kernel-tracing dev-hugepages dev-mqueue sys-fs-fuse-connections; do
		ln -sf /dev/null "$new/etc/systemd/system/$unit.mount"
	done
}

add_test() {
	cat >$new/etc/systemd/system/test.service <<-'EOF'
		[Service]
		Type=oneshot
		StandardOutput=append:/results/results
		StandardError=append:/results/results
		ExecStart=/checkout/tests/e2e/systemd/steps.sh
		ExecStopPost=/bin/sh -c 'journalctl --no-pager -o cat -u tierd -u tier-manager -u tier-gate >/results/journal'
		ExecStopPost=/bin/systemctl --no-block exit
	EOF
	cat >$new/etc/systemd/system/test.target <<-'EOF'
		[Unit]
		Wants=test.service
	EOF
}

mount --make-rprivate /
hostname tierd-test
ip link set lo up
make_root
make_devices
mount_kernel <<<"$2"
mask_units
add_test
cd $new
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=tierd PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=0
