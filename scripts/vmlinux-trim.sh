#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Regenerates a vmlinux.h trimmed to the kernel types and fields that the BPF programs use.
# Usage: scripts/vmlinux-trim.sh OUTPUT [BTF ARCH RELEASE]
#
# 1. the full header is dumped from BTF (default: the running kernel's)
# 2. the programs are compiled with it
# 3. bpftool keeps only what their CO-RE relocations name; what is left is dumped as C
set -euo pipefail

output=${1:?usage: scripts/vmlinux-trim.sh OUTPUT [BTF]}
btf=${2:-/sys/kernel/btf/vmlinux}
arch=${3:-$(uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')}
release=${4:-$(uname -r)}
cd "$(dirname "$0")/.."
bpftool=$(command -v /usr/sbin/bpftool bpftool | head -n 1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$bpftool" btf dump file "$btf" format c >"$work/vmlinux.h"
objects=()
for source in bpf/*.bpf.c tests/kernel/*.bpf.c; do
	[ -e "$source" ] || continue
	object=$work/$(basename "$source" .bpf.c).o
	clang -g -O2 -target bpf -mcpu=v3 "-D__TARGET_ARCH_$arch" -I"$work" -Iinclude -Ibpf \
		-Wno-unused-parameter -fno-stack-protector -c "$source" -o "$object"
	objects+=("$object")
done
"$bpftool" gen min_core_btf "$btf" "$work/min.btf" "${objects[@]}"
"$bpftool" btf dump file "$work/min.btf" format c >"$work/body.h"

# Not reached by relocations: plain typedefs, and constants of the map and helper interface.
# bpf_helper_defs.h names many structs in prototypes only; a declaration is enough.
{
	cat <<EOF
/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel types, trimmed to what the BPF programs use; CO-RE finds the fields' real places at load
 * time. Generated, do not edit.
 * Origin:  Linux ${release%%[-+]*} $arch, from that kernel's BTF
 * Command: make vmlinux${3:+-$arch} (scripts/vmlinux-trim.sh)
 */
EOF
	cat <<'EOF'
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif
EOF
	cat <<'EOF'

typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum {
	false = 0,
	true = 1,
};

EOF
	sed -n '/^enum bpf_map_type {/,/^};/p' "$work/vmlinux.h"
	cat <<'EOF'

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
	BPF_F_NO_PREALLOC = 1,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RB_AVAIL_DATA = 0,
};

EOF
	# Between the header's opening and closing pragmas; padding is of no use to CO-RE.
	awk '/^#endif/ { inside = 1; next } /^#ifndef/ && inside { exit } inside' "$work/body.h" |
		sed -E '/^\s*(long|int|short|char): [0-9]+;$/d; s/ __attribute__\(\(packed\)\)//' | cat -s
	printf '\n#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n#endif /* __VMLINUX_H__ */\n'
} >"$work/out.h"
mkdir -p "$(dirname "$output")"
mv "$work/out.h" "$output"
