#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Runs tests in guests, one at a time: `vmtest.sh KERNEL[/PLAN]...`; the plan is `full` where none is
# named. Fetches, builds and packs what is missing. Prints `ok` or `not ok` for every test, the whole
# console of a guest where something failed, and keeps under BUILD/vm/KERNEL/PLAN the console and
# what each test printed.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

BUILD=${BUILD:-build}
GUEST_LIMIT_S=1200
# How each plan boots: what is added to the kernel's command line.
declare -A PLAN_ARGUMENTS=([full]=psi=1 [less]=psi=1 [psi0]=psi=0 [soak]=psi=1)
failures=0

# Sets build, the folder.
build_for() {
	case $1 in
	amd64) build=$BUILD && make --no-print-directory -s -j2 BUILD="$BUILD" vm-tests ;;
	arm64) build=$BUILD/arm64 && build_arm64 ;;
	esac
}

# With the libraries that fetch.sh brought; the compiler has the C library itself.
build_arm64() {
	local sysroot=$cache/sysroot-arm64 triplet=aarch64-linux-gnu

	CPPFLAGS="-isystem $sysroot/usr/include" \
		LDFLAGS="-L$sysroot/usr/lib/$triplet -Wl,-rpath-link,$sysroot/usr/lib/$triplet:$sysroot/lib/$triplet" \
		make --no-print-directory -s -j2 BUILD="$build" ARCH=arm64 \
		CC=$triplet-gcc AR=$triplet-ar vm-tests
}

# Splits a console into a file per artefact and test, and lists the tests: NAME STATUS.
split_console() {
	local log=$1 folder=$2

	tr -d '\r' <"$log" | awk -v folder="$folder" '
		$1 == "@@" && ($2 == "begin" || $2 == "keep") { file = folder "/" $3 ".log"; printf "" >file; next }
		$1 == "@@" && ($2 == "end" || $2 == "kept") {
			close(file)
			file = ""
			if ($2 == "end")
				print $3, $4
			next
		}
		$1 == "@@" && $2 == "verdict" { print "verdict", 0 }
		/^not ok insmod/ { print $3 "-" $4, 1 }
		file { print >file }'
}

# What a guest of this plan has to run, in this order.
expected_tests() {
	sed -n 's/^run \([^ ]*\) .*/\1/p' "tests/vm/plan_$1.sh"
	echo verdict
}

# report NAME PLAN FOLDER: a test that did not end, or a guest without a verdict, has failed.
report() {
	local label=$1/$2 folder=$3 test results bad=0
	declare -A statuses=()

	while read -r test results; do
		statuses[$test]=$results
	done < <(split_console "$folder/console" "$folder")
	while read -r test; do
		if [[ ${statuses[$test]:-missing} == 0 ]]; then
			echo "ok $label $test"
		else
			echo "not ok $label $test (${statuses[$test]:-it did not end})"
			bad=$((bad + 1))
		fi
	done < <(expected_tests "$2")
	((bad == 0)) || sed 's/^/    /' "$folder/console" "$folder/qemu"
	failures=$((failures + bad))
}

run_guest() {
	local name=$1 plan=$2 folder=$BUILD/vm/$1/$2 begin=$SECONDS

	[[ -n ${PLAN_ARGUMENTS[$plan]:-} ]] || die "no plan '$plan'; there are: ${!PLAN_ARGUMENTS[*]}"
	scripts/vm/fetch.sh "$name"
	kernel_read "$name"
	build_for "$kernel_arch"
	rm -rf "$folder"
	mkdir -p "$folder"
	cp "$cache/$name/release" "$folder/release"
	scripts/vm/image.sh "$name" "$build" "$BUILD/vm/$name.cpio.gz"
	scripts/vm/boot.sh "$name" "$plan" "$BUILD/vm/$name.cpio.gz" "$folder/console" \
		$GUEST_LIMIT_S "${PLAN_ARGUMENTS[$plan]}" 2>"$folder/qemu" || echo "# $name/$plan: QEMU ended with $?"
	report "$name" "$plan" "$folder"
	echo "# $name/$plan: $(cat "$cache/$name/release"), $((SECONDS - begin)) s"
}

main() {
	local guest plan

	cd "$root"
	(($# > 0)) || die "usage: vmtest.sh KERNEL[/PLAN]...; there are: $(kernel_names | xargs)"
	for guest in "$@"; do
		plan=full
		[[ $guest != */* ]] || plan=${guest#*/}
		run_guest "${guest%%/*}" "$plan"
	done
	((failures == 0))
}

main "$@"
