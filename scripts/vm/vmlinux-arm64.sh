#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Regenerates vmlinux/arm64/vmlinux.h from the BTF of Debian's 6.12 for arm64, fetched if need be.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

KERNEL=6.12-arm64

cd "$root"
btf=$(mktemp)
trap 'rm -f "$btf"' EXIT
scripts/vm/fetch.sh $KERNEL
scripts/vm/btf.sh $KERNEL "$btf"
scripts/vmlinux-trim.sh vmlinux/arm64/vmlinux.h "$btf" arm64 "$(cat "$cache/$KERNEL/release")"
