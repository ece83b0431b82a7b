#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Dependencies point one way, and the core is pure: no clock, no I/O, no globals. Checked on the
# #include lines, and on what the core's objects call and define. Prints one line per violation.
#
#   check-layers.sh [--root DIR] [--build DIR]     DIR: another tree, another output folder
#   check-layers.sh --self-test                    breaks each rule in a small tree of its own
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

# layer -> what it may include
declare -A MAY_INCLUDE=(
	[include]="include"
	[bpf]="bpf include vmlinux"
	[base]="base include"
	[core]="core base include"
	[io]="io base include skel"
	[app]="app io core base include client skel"
	[client]="client base include"
	[manager]="manager client base include"
)

# Headers of the C library that declare types, limits and pure functions only.
CORE_HEADERS=" assert.h errno.h inttypes.h limits.h stdbool.h stddef.h stdint.h string.h "

# What the core may call beside itself. __assert_fail: assert() is for programmer errors; the names
# in ti3: what the compiler makes of a division of 128-bit integers.
CORE_CALLS=(__assert_fail __stack_chk_fail __divti3 __modti3 __udivti3 __umodti3
	memcmp memcpy memmove memset strcmp strncmp strnlen)

violations=0

violation() {
	echo "$*"
	violations=$((violations + 1))
}

layer_of() {
	local path=$1

	case $path in
	user/*/*) path=${path#user/} && echo "${path%%/*}" ;;
	build/skel/* | *.skel.h) echo skel ;;
	*) echo "${path%%/*}" ;;
	esac
}

# Where the compiler would find the header that a file names, relative to the root; nothing if it
# is a header of the system.
resolve_include() {
	local file=$1 header=$2 directory

	[[ $header != *.skel.h ]] || { echo "build/skel/$header" && return; }
	for directory in "${file%/*}" include user vmlinux/x86 vmlinux/arm64; do
		if [[ -e $directory/$header ]]; then
			realpath --relative-to=. "$directory/$header"
			return
		fi
	done
}

check_include() {
	local file=$1 line=$2 header=$3 style=$4 layer target
	layer=$(layer_of "$file")
	target=$(resolve_include "$file" "$header")

	if [[ -n $target ]]; then
		target=$(layer_of "$target")
		[[ " ${MAY_INCLUDE[$layer]:-} " == *" $target "* ]] ||
			violation "$file:$line: $layer must not include $header ($target)"
	elif [[ $style == '"' ]]; then
		violation "$file:$line: $header is nowhere to be found"
	elif [[ $layer == core && $CORE_HEADERS != *" $header "* ]]; then
		violation "$file:$line: core must not include <$header>"
	fi
}

check_includes() {
	local pattern='^([^:]+):([0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*(["<])([^">]+)'
	local line

	while IFS= read -r line; do
		[[ $line =~ $pattern ]] || continue
		check_include "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]}" \
			"${BASH_REMATCH[3]}"
	done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' \
		bpf include user 2>/dev/null || true)
}

is_sanitized() {
	nm "$@" | grep -qE '__(asan|ubsan)_'
}

check_core_calls() {
	local symbol

	while read -r symbol; do
		violation "core calls $symbol: in $(nm -A -u "$@" | grep -w "$symbol" | cut -d: -f1 |
			sort -u | tr '\n' ' ')"
	done < <(comm -23 <(nm -u "$@" | awk '$1 == "U" { print $2 }' | sort -u) \
		<({ nm --defined-only "$@" | awk 'NF == 3 { print $3 }' &&
			printf '%s\n' "${CORE_CALLS[@]}"; } | sort -u))
}

# By section, not by nm's letters: a const table of pointers is .data.rel.ro, which nm calls `d`.
check_core_data() {
	local found

	while read -r found; do
		violation "core has writable data: $found"
	done < <(objdump -t "$@" | awk -F'\t' '
		/file format/ { split($0, part, ":"); file = part[1] }
		NF == 2 {
			n = split($1, left, " "); section = left[n]
			split($2, right, " "); name = right[2]
			writable = section ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/
			if (writable && section !~ /^\.data\.rel\.ro/ && name !~ /^\./)
				print name " (" section ") in " file
		}')
}

check_objects() {
	local objects=("$1"/user/core/*.o)

	[[ -e ${objects[0]} ]] || return 0
	if is_sanitized "${objects[@]}"; then
		echo "(objects not looked at: they are built with sanitizers)"
		return 0
	fi
	check_core_calls "${objects[@]}"
	check_core_data "${objects[@]}"
}

# ---- self-test: every rule, broken once -----------------------------------------------------------

expect() {
	local tree=$1 expected=$2 output

	output=$("$root/scripts/check-layers.sh" --root "$tree" 2>&1) && output="passed: $output"
	[[ $output == *"$expected"* ]] || die "self-test: expected '$expected', got '$output'"
}

put_file() {
	mkdir -p "${1%/*}"
	printf '%s\n' "$2" >"$1"
}

expect_include() {
	local tree=$1 file=$2 line=$3

	put_file "$tree/$file" "#include $line"
	expect "$tree" "$file:1:"
	rm "$tree/$file"
}

expect_object() {
	local tree=$1 code=$2 expected=$3

	put_file "$tree/code.c" "$code"
	"${CC:-cc}" -O2 -c "$tree/code.c" -o "$tree/build/user/core/code.o"
	expect "$tree" "$expected"
	rm "$tree/build/user/core/code.o"
}

self_test() {
	local tree
	tree=$(mktemp -d)
	# shellcheck disable=SC2064 # the name is known now
	trap "rm -rf '$tree'" EXIT

	mkdir -p "$tree/build/user/core"
	put_file "$tree/include/tierd/event.h" '#include <stdint.h>'
	put_file "$tree/user/io/loop.h" '#include "tierd/event.h"'
	put_file "$tree/user/core/engine.h" '#include <string.h>'
	expect "$tree" "passed: "
	expect_include "$tree" user/core/bad.c '"io/loop.h"'
	expect_include "$tree" user/core/bad.c '"../io/loop.h"'
	expect_include "$tree" user/core/bad.c '<time.h>'
	expect_include "$tree" user/core/bad.c '"nowhere.h"'
	expect_include "$tree" user/io/bad.c '"core/engine.h"'
	expect_include "$tree" user/base/bad.c '"core/engine.h"'
	expect_include "$tree" user/manager/bad.c '"io/loop.h"'
	expect_include "$tree" user/client/bad.c '"io/loop.h"'
	expect_include "$tree" user/client/bad.c '"core/engine.h"'
	put_file "$tree/user/client/client.h" '#include "tierd/event.h"'
	expect_include "$tree" user/core/bad.c '"client/client.h"'
	expect_include "$tree" user/io/bad.c '"client/client.h"'
	expect_include "$tree" bpf/bad.bpf.c '"../user/io/loop.h"'
	expect_object "$tree" '#include <time.h>
		int f(struct timespec *t) { return clock_gettime(CLOCK_MONOTONIC, t); }' \
		"core calls clock_gettime"
	expect_object "$tree" 'static int n; int f(void) { return ++n; }' "core has writable data: n"
	expect_object "$tree" 'int n = 3;' "core has writable data: n"
	expect_object "$tree" 'const char *const names[] = {"a", "b"};
		const char *f(int i) { return names[i]; }' "passed: "
}

main() {
	local tree=$root build=build

	while (($# > 0)); do
		case $1 in
		--self-test)
			self_test
			return
			;;
		--root) tree=$2 && shift ;;
		--build) build=$2 && shift ;;
		*) die "usage: check-layers.sh [--root DIR] [--build DIR] | --self-test" ;;
		esac
		shift
	done
	cd "$tree"
	check_includes
	check_objects "$build"
	((violations == 0))
}

main "$@"
