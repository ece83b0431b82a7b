#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The BTF of a fetched kernel whose image is not compressed, as Debian's for arm64 are:
# `btf.sh NAME OUTPUT`. It lies in the image as it is: a header of 24 bytes with the lengths of what
# follows (include/uapi/linux/btf.h).
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

HEADER_LEN=24

name=$1 output=$2
image=$cache/$name/vmlinuz

# number OFFSET: the 32-bit number there.
number() {
	od -A n -t u4 -j "$1" -N 4 "$image" | tr -d ' '
}

begin=$(LC_ALL=C grep -obUaP '\x9f\xeb\x01\x00\x18\x00\x00\x00' "$image" | cut -d : -f 1 | head -n 1)
[[ -n $begin ]] || die "no BTF in $image (is it compressed?)"
strings_offset=$(number $((begin + 16)))
strings_len=$(number $((begin + 20)))
tail -c "+$((begin + 1))" "$image" | head -c $((HEADER_LEN + strings_offset + strings_len)) >"$output" || true
[[ $(stat -c %s "$output") == $((HEADER_LEN + strings_offset + strings_len)) ]] ||
	die "the BTF in $image is cut off"
