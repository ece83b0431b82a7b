#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The guest's file system, for one kernel: `image.sh NAME BUILD OUTPUT`. A busybox, the programs
# under test and the shared libraries that they ask for, stripped, and the kernel's modules in the
# order in which they have to be loaded.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

MODULES=(zram lz4 virtio_pci virtio_blk)

name=$1 build=$2 output=$3
kernel_read "$name"
case $kernel_arch in
amd64)
	sysroot='' triplet=x86_64-linux-gnu strip=strip
	;;
arm64)
	sysroot=$cache/sysroot-arm64 triplet=aarch64-linux-gnu strip=aarch64-linux-gnu-strip
	;;
esac
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# The libraries that a program asks for, and theirs.
needed_by() {
	readelf -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p'
}

copy_library() {
	local library=$1 path next

	[[ ! -e $tree/usr/lib/$triplet/$library ]] || return 0
	path=$(find "$sysroot/lib/$triplet" "$sysroot/usr/lib/$triplet" -maxdepth 1 -name "$library" \
		2>/dev/null | head -n 1)
	[[ -n $path ]] || die "no library $library for $kernel_arch"
	"$strip" --strip-debug -o "$tree/usr/lib/$triplet/$library" "$(readlink -f "$path")"
	for next in $(needed_by "$path"); do
		copy_library "$next"
	done
}

# Where the program asks for its loader, which is a library like the others.
copy_loader() {
	local loader

	loader=$(readelf -l "$1" | sed -nE 's/.*program interpreter: (.*)\]/\1/p')
	[[ -n $loader && ! -L $tree$loader ]] || return 0
	copy_library "${loader##*/}"
	mkdir -p "$tree${loader%/*}"
	ln -s "/usr/lib/$triplet/${loader##*/}" "$tree$loader"
}

# copy_program PATH FOLDER
copy_program() {
	local library

	mkdir -p "$tree/$2"
	"$strip" --strip-debug -o "$tree/$2/${1##*/}" "$1"
	copy_loader "$1"
	for library in $(needed_by "$1"); do
		copy_library "$library"
	done
}

copy_modules() {
	local release base module path

	release=$(cat "$cache/$name/release")
	base=$cache/$name/modules
	mkdir "$tree/modules"
	for module in "${MODULES[@]}"; do
		modprobe -S "$release" -d "$base" --show-depends "$module" ||
			echo "no module $module for $name" >&2
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
		module=${path##*/}
		case $path in
		*.xz) xz -dc "$path" >"$tree/modules/${module%.xz}" ;;
		*) cp "$path" "$tree/modules/$module" ;;
		esac
		echo "${module%.xz}"
	done >"$tree/modules/order"
}

copy_busybox() {
	local path

	mkdir -p "$tree/bin"
	for path in "$sysroot/bin/busybox" "$sysroot/usr/bin/busybox"; do
		[[ ! -x $path ]] || { cp "$path" "$tree/bin/busybox" && return 0; }
	done
	die "no busybox for $kernel_arch"
}

main() {
	local program

	mkdir -p "$tree/usr/lib/$triplet" "$tree"/{dev,proc,sys,tmp,run,var/tmp,etc,tierd/plans}
	ln -s usr/lib "$tree/lib"
	copy_busybox
	copy_modules
	for program in "$build"/tierd "$build"/tierctl; do
		copy_program "$program" tierd
	done
	for program in tests/vm/test_*.c; do
		program=${program#tests/vm/}
		copy_program "$build/tests/vm/${program%.c}" tierd/tests/vm
	done
	# Debian's busybox cannot take capabilities away.
	[[ $kernel_arch != amd64 ]] || copy_program "$(command -v setpriv)" tierd
	cp tests/vm/test_*.sh tests/vm/expect.sh "$tree/tierd/tests/vm"
	install -m 755 tests/vm/init.sh "$tree/init"
	cp tests/vm/plan_*.sh "$tree/tierd/plans/"
	(cd "$tree" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$output.new"
	mv "$output.new" "$output"
}

cd "$root"
main
