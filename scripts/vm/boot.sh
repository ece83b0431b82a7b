#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Boots one guest under emulation: `boot.sh NAME PLAN IMAGE LOG SECONDS [KERNEL-ARGUMENT...]`. The
# console goes to LOG. Exits with 0 if the guest switched itself off, 124 if it ran out of time.
#
# One CPU: emulation of several is slower. 256 MB, so that memory runs short in no time. The guest's
# clock counts its instructions (-icount), so that a busy host makes it late but changes nothing in
# it: what a test measures there is not the host's load.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

MEMORY_MB=256

name=$1 plan=$2 image=$3 log=$4 limit_s=$5
shift 5
kernel_read "$name"
case $kernel_arch in
amd64) machine=(qemu-system-x86_64 -machine q35 -cpu max) console=ttyS0 ;;
arm64) machine=(qemu-system-aarch64 -machine virt -cpu cortex-a72) console=ttyAMA0 ;;
esac
# What QEMU is told to open has short names in a folder of its own: a comma would end its options.
work=$(mktemp -d "${TMPDIR:-/tmp}/guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
ln -s "$cache/$name/vmlinuz" "$work/kernel"
ln -s "$(realpath "$image")" "$work/image"
: >"$log"
ln -s "$(realpath "$log")" "$work/console"
truncate -s 64M "$work/disk"
cd "$work"

timeout --foreground --kill-after=5 "$limit_s" nice -n 10 "${machine[@]}" -accel tcg -smp 1 \
	-icount shift=1,sleep=on \
	-m $MEMORY_MB -nodefaults -no-user-config -display none -no-reboot -serial file:console \
	-kernel kernel -initrd image \
	-drive file=disk,if=none,id=disk,format=raw,cache=unsafe -device virtio-blk-pci,drive=disk \
	-append "console=$console panic=-1 oops=panic softlockup_panic=1 watchdog_thresh=60 mitigations=off quiet loglevel=1 vm.kernel=$name vm.plan=$plan $*" \
	</dev/null
