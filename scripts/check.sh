#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every check of the sources that needs no running agent: `check.sh` for all of them, or
# `check.sh NAME...`. Prints the reasons and then `ok NAME` or `not ok NAME` for each.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

SELF=$root/scripts/check.sh
CHECKS=(format tidy cppcheck shellcheck layers licences paths length man)
BUILD=${BUILD:-build}
TIDY_FLAGS=(-std=gnu11 -D_GNU_SOURCE -Iinclude -Iuser -Itests/kernel -Itests/e2e "-I$BUILD/skel")
FUNCTION_LINES_MAX=60
FILE_LINES_MAX=450

c_files() {
	tracked_files '*.c' '*.h' | grep -v '^vmlinux/' | existing
}

script_files() {
	tracked_files '*.sh' '.ci/*' | existing
}

# A file that is deleted but not yet committed is still listed.
existing() {
	local path
	while IFS= read -r path; do
		[[ ! -f $path ]] || echo "$path"
	done
}

check_format() {
	c_files | xargs -r clang-format --dry-run -Werror
}

# The skeletons of the BPF programs, which some files include.
generate_headers() {
	local file targets=("$BUILD/skel/tierd.skel.h" "$BUILD/skel/preallocated.skel.h")

	for file in tests/kernel/*.bpf.c; do
		[[ ! -e $file ]] || targets+=("$BUILD/skel/$(basename "$file" .bpf.c).skel.h")
	done
	make --no-print-directory -s BUILD="$BUILD" "${targets[@]}"
}

# Of a file, of every header of ours that it includes, and of the settings.
tidy_digest() {
	{ cat .clang-tidy && cc -MM "${TIDY_FLAGS[@]}" "$1" | sed 's/^[^:]*://; s/\\$//' |
		xargs cat; } | sha256sum
}

# Slow, so a file that passed is not looked at again until it, a header of it or the settings
# change.
check_tidy() {
	local todo=() file stamp

	generate_headers
	mkdir -p "$BUILD/check"
	while IFS= read -r file; do
		stamp=$BUILD/check/${file//\//_}.tidy
		if [[ ! -e $stamp || "$(cat "$stamp")" != "$(tidy_digest "$file")" ]]; then
			todo+=("$file")
		fi
	done < <(c_files | grep -E '^(user|tests)/.*\.c$' | grep -v '\.bpf\.c$')
	((${#todo[@]} > 0)) || return 0
	printf '%s\n' "${todo[@]}" |
		xargs -P 2 -n 1 env BUILD="$BUILD" "$SELF" --tidy-one
}

# One file, for xargs. Warnings in system headers are counted on stderr, which helps nobody.
tidy_one() {
	local file=$1 output options=(--quiet)

	# Where it takes long and finds little: tests run under the sanitizers.
	[[ $file != tests/* ]] || options+=("--checks=-clang-analyzer-*")
	if ! output=$(clang-tidy "${options[@]}" "$file" -- "${TIDY_FLAGS[@]}" 2>&1); then
		grep -vE '^[0-9]+ warnings? generated|^Suppressed|^Use -' <<<"$output"
		return 1
	fi
	tidy_digest "$file" >"$BUILD/check/${file//\//_}.tidy"
}

# It does not know the cleanup attribute; leaks are for the sanitizers to find.
# Whatever it says is a finding: with -j its exit status does not cover the whole-program checks.
check_cppcheck() {
	local findings

	mkdir -p "$BUILD/check/cppcheck"
	findings=$(c_files | grep -E '^(user|tests)/.*\.c$' | grep -v '\.bpf\.c$' |
		cppcheck --file-list=- --quiet -j 2 --enable=warning,performance,portability \
			--inline-suppr --std=c11 -D_GNU_SOURCE -Iinclude -Iuser -Itests/kernel -Itests/e2e \
			--suppress=missingIncludeSystem --suppress=memleak --suppress=resourceLeak \
			--cppcheck-build-dir="$BUILD/check/cppcheck" 2>&1)
	[[ -z $findings ]] || {
		echo "$findings"
		return 1
	}
}

check_shellcheck() {
	script_files | xargs -r shellcheck -x
}

check_layers() {
	scripts/check-layers.sh --build "$BUILD"
}

# BPF programs must be loadable as GPL code, and so must the headers that they share with the
# agent; everything else is BSD.
is_shared_with_bpf() {
	case $1 in
	bpf/* | *.bpf.c | *.bpf.h) return 0 ;;
	include/*.h) set -- "${1#include/}" ;;
	tests/*.h) set -- "${1##*/}" ;;
	*) return 1 ;;
	esac
	grep -qrF --include='*.bpf.[ch]' "#include \"$1\"" bpf tests
}

check_licences() {
	local file licence wanted bad=0

	while IFS= read -r file; do
		wanted=BSD-2-Clause
		! is_shared_with_bpf "$file" || wanted="GPL-2.0-only OR BSD-2-Clause"
		licence=$(sed -nE '1,2s|^.*SPDX-License-Identifier: ([^*]*[^* ]).*|\1|p' "$file")
		if [[ $licence != "$wanted" ]]; then
			echo "$file: licence is '$licence', not '$wanted'"
			bad=1
		fi
	done < <(c_files && script_files && echo Makefile)
	return $bad
}

# A path of one developer's machine means nothing elsewhere. (The brackets keep this line out.)
check_paths() {
	! git -c safe.directory='*' grep -nIE '(^|[^[:alnum:]_.-])/(wor[k]|hom[e]/[a-z]|roo[t])/'
}

check_length() {
	local long
	long=$({ c_files && script_files; } | xargs wc -l | awk -v max=$FILE_LINES_MAX '
			$2 != "total" && $1 > max { print $2 ": " $1 " lines, at most " max }'
		c_files | ctags --quiet -L - -x --languages=C --langmap=C:.c.h --kinds-C=f \
			--_xformat='%F %n %{end} %N' | awk -v max=$FUNCTION_LINES_MAX '
			$3 - $2 + 1 > max {
				print $1 ":" $2 ": " $4 "() has " $3 - $2 + 1 " lines, at most " max
			}')
	[[ -z $long ]] || { echo "$long" && return 1; }
}

# Style too, but the pages of ours that are referred to and not written, and those of the system,
# which may not be there.
check_man() {
	local findings
	findings=$(tracked_files '*.[1-8]' | existing | xargs -r mandoc -T lint -W style 2>&1 |
		grep -vE 'referenced manual not found|mandoc\.db' || true)
	[[ -z $findings ]] || { echo "$findings" && return 1; }
}

run_inner() {
	exec 2>&1
	case $1 in
	--one) "check_$2" ;;
	--tidy-one) tidy_one "$2" ;;
	esac
}

main() {
	local name status=0

	cd "$root"
	case ${1:-} in
	--one | --tidy-one)
		run_inner "$@"
		return
		;;
	esac
	(($# > 0)) || set -- "${CHECKS[@]}"
	for name in "$@"; do
		[[ " ${CHECKS[*]} " == *" $name "* ]] || die "no check '$name'; there are: ${CHECKS[*]}"
		# In a process of its own, because `set -e` means nothing inside a condition.
		if "$SELF" --one "$name"; then
			echo "ok $name"
		else
			echo "not ok $name"
			status=1
		fi
	done
	return $status
}

main "$@"
