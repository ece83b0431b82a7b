#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Every check of the sources that needs no running agent: `check.sh` for all of them, or
# `check.sh NAME...`. Prints the reasons and then `ok NAME` or `not ok NAME` for each.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

SELF=$root/scripts/check.sh
CHECKS=(format tidy cppcheck shellcheck pyflakes layers licences paths length man)
BUILD=${BUILD:-build}
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

check_tidy() {
	make --no-print-directory -s -k -j2 BUILD="$BUILD" tidy | grep -vE '^  [A-Z]+ +' ||
		return "${PIPESTATUS[0]}"
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

check_pyflakes() {
	tracked_files '*.py' | existing | xargs -r pyflakes3
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

main() {
	local name status=0

	cd "$root"
	if [[ ${1:-} == --one ]]; then
		exec 2>&1
		"check_$2"
		return
	fi
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
