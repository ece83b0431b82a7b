# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What every script here needs: the repository's root, and one way to give up.

# shellcheck disable=SC2034 # used by those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# The files under version control that match the given patterns, one per line. The checkout may
# belong to somebody else than root, which git would otherwise refuse.
tracked_files() {
	git -C "$root" -c safe.directory='*' ls-files -- "$@"
}
