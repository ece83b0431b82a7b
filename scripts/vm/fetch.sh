#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Fetches kernels (and for arm64 the libraries to link with and a busybox): `fetch.sh NAME...`, or
# `fetch.sh --refresh NAME...` for the newest of what is there already. Each becomes a folder of
# the cache:
#
#   KERNEL/vmlinuz  KERNEL/release  KERNEL/modules/lib/modules/RELEASE
#   sysroot-arm64/  with the libraries of the host's own suite
#
# Where everything is there already it needs no network, and touches nothing.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/vm/apt.sh
source "$(dirname "$0")/apt.sh"

ARM64_PACKAGES=(libc6 busybox-static libbpf1 libbpf-dev libelf1 libelf-dev zlib1g zlib1g-dev
	libcsv3 libcsv-dev libinih1 libinih-dev libjansson4 libjansson-dev libcmocka0 libcmocka-dev)

# The packages of the newest kernel that matches, its own first. Since 6.19 the image is split in two,
# and the archive does not have both halves of every version.
kernel_packages() {
	local image binary modules

	while read -r image; do
		binary=linux-binary-${image#linux-image-}
		modules=linux-modules-${image#linux-image-}
		if apt_has "$binary" && apt_has "$modules"; then
			echo "$binary" "$modules"
			return
		elif ! apt_has "$binary" && apt_has "$image"; then
			echo "$image"
			return
		fi
	done < <(apt_matching "$1")
}

# Debian's modules have no index until they are installed.
index_modules() {
	local base=$1 release=$2

	if [[ -d $base/usr/lib/modules ]]; then
		mkdir -p "$base/lib/modules/$release"
		cp -a "$base/usr/lib/modules/$release/." "$base/lib/modules/$release/"
	fi
	depmod -b "$base" "$release"
}

# Since 7.3 it lies with the modules.
move_image() {
	local base=$1 release=$2 path

	for path in "$base/boot/vmlinuz-$release" "$base/lib/modules/$release/vmlinuz"; do
		[[ ! -f $path ]] || { mv "$path" "$3" && return 0; }
	done
	die "no image in the packages of $release"
}

fetch_kernel() {
	local name=$1 folder=$cache/$1 packages work release suites

	kernel_read "$name"
	IFS=, read -ra suites <<<"$kernel_suites"
	apt_open "$kernel_arch" "${suites[@]}"
	read -ra packages < <(kernel_packages "linux-image-$kernel_version-cloud-$kernel_arch") ||
		die "Debian has no kernel for '$name' ($kernel_version in ${suites[*]})"
	echo "fetching $name: ${packages[*]}"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	apt_unpack "$work/unpacked" "${packages[@]}"
	release=${packages[0]#linux-*-}
	mkdir "$work/kernel"
	index_modules "$work/unpacked" "$release"
	move_image "$work/unpacked" "$release" "$work/kernel/vmlinuz"
	mkdir -p "$work/kernel/modules/lib/modules"
	mv "$work/unpacked/lib/modules/$release" "$work/kernel/modules/lib/modules/"
	echo "$release" >"$work/kernel/release"
	rm -rf "$folder"
	mv "$work/kernel" "$folder"
	rm -rf "$work"
	apt_close
}

# To link for arm64 and to run there: the same versions as on this host.
fetch_arm64_libraries() {
	local folder=$cache/sysroot-arm64 work suite

	[[ $(cat "$folder/packages" 2>/dev/null) != "${ARM64_PACKAGES[*]}" ]] || return 0
	# shellcheck source=/dev/null
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	apt_open arm64 "$suite" "$suite-security"
	echo "fetching arm64 libraries of $suite"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	apt_unpack "$work/unpacked" "${ARM64_PACKAGES[@]}"
	echo "${ARM64_PACKAGES[*]}" >"$work/unpacked/packages"
	rm -rf "$folder"
	mv "$work/unpacked" "$folder"
	rm -rf "$work"
	apt_close
}

main() {
	local name is_refreshing=

	[[ ${1:-} != --refresh ]] || { is_refreshing=1 && shift; }
	(($# > 0)) || die "usage: fetch.sh [--refresh] KERNEL...; there are: $(kernel_names | xargs)"
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock -w 900 9 || die "another fetch has been running for 15 minutes"
	trap 'apt_close; rm -rf "$cache"/fetch.*' EXIT
	for name in "$@"; do
		kernel_read "$name"
		[[ $kernel_arch != arm64 ]] || fetch_arm64_libraries
		[[ -z $is_refreshing && -s $cache/$name/release ]] || fetch_kernel "$name"
	done
}

main "$@"
