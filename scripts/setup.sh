#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Installs the Debian packages that are missing: `setup.sh run` for building and running,
# `setup.sh test` (or nothing) for the tests and checks too, `setup.sh vm` for building and for tests
# in guests, `setup.sh vm-all` for those of another architecture too, `setup.sh bench` for measuring
# beside other tools, `setup.sh e2e` for all of `make e2e`. Where nothing is missing it needs no root,
# no network and no time. Nothing that is installed is removed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

# libc6-dev is only recommended by gcc, and recommendations are left out.
RUN_PACKAGES=(bpftool clang gcc libbpf-dev libc6-dev libcmocka-dev libcsv-dev
	libcurl4-openssl-dev libelf-dev
	libinih-dev libjansson-dev llvm make pkg-config zlib1g-dev)
VM_PACKAGES=(busybox-static cpio kmod qemu-system-x86 xz-utils)
VM_ARM64_PACKAGES=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm)
BENCH_PACKAGES=(bpftrace libbpf-tools linux-perf)
TEST_PACKAGES=(clang-format clang-tidy cppcheck curl g++ git haproxy iproute2 jq linux-perf mandoc
	pyflakes3 python3 python3-aiohttp shellcheck universal-ctags)
E2E_PACKAGES=(earlyoom g++ git haproxy python3-aiohttp)
# Debian's npm comes with hundreds of packages, and in the way of other Node.js distributions.
command -v npm >/dev/null || E2E_PACKAGES+=(npm)
command -v npm >/dev/null || TEST_PACKAGES+=(npm)
LOCK=/run/lock/tierd-setup.lock

missing_packages() {
	local package
	for package in "$@"; do
		dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -qx installed || echo "$package"
	done
}

# apt waits for dpkg's lock when asked to, but not for the lock on its package lists: a second
# setup.sh waits here instead, and then finds nothing left to do.
install_packages() {
	local apt=(apt-get -q -y -o DPkg::Lock::Timeout=120)
	local missing

	mkdir -p "${LOCK%/*}"
	exec 9>"$LOCK"
	flock -w 600 9 || die "another setup.sh has been running for 10 minutes"
	mapfile -t missing < <(missing_packages "$@")
	((${#missing[@]} > 0)) || return 0

	export DEBIAN_FRONTEND=noninteractive
	echo "setup: installing ${missing[*]}"
	"${apt[@]}" update || die "apt-get update failed (is there a network?)"
	"${apt[@]}" install --no-install-recommends --no-remove "${missing[@]}" ||
		die "apt-get could not install: ${missing[*]}"
}

main() {
	local packages=("${RUN_PACKAGES[@]}") missing

	# The units are tested under it; it excludes what logins need beside another init.
	[[ -z $(missing_packages elogind) ]] || TEST_PACKAGES+=(systemd)
	case ${1:-test} in
	run) ;;
	test) packages+=("${TEST_PACKAGES[@]}") ;;
	bench) packages+=("${BENCH_PACKAGES[@]}") ;;
	vm) packages+=("${VM_PACKAGES[@]}") ;;
	vm-all) packages+=("${VM_PACKAGES[@]}" "${VM_ARM64_PACKAGES[@]}") ;;
	e2e) packages+=("${E2E_PACKAGES[@]}") ;;
	*) die "usage: setup.sh [run|test|vm|vm-all|bench|e2e]" ;;
	esac

	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		die "not a Debian-like system; what is needed, by Debian names: ${packages[*]}"
	fi
	mapfile -t missing < <(missing_packages "${packages[@]}")
	((${#missing[@]} > 0)) || return 0
	((EUID == 0)) || die "missing packages, and only root can install them: ${missing[*]}"
	install_packages "${packages[@]}"
}

main "$@"
