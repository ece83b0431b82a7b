#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Boots one kernel again and again under reclaim and OOM with the probes loaded, because what hangs
# a machine does so seldom: `soak.sh KERNEL BOOTS`. Stops at the first boot that fails.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

name=${1:?usage: soak.sh KERNEL BOOTS} boots=${2:?usage: soak.sh KERNEL BOOTS}
cd "$root"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for ((boot = 1; boot <= boots; boot++)); do
	scripts/vm/vmtest.sh "$name/soak" >"$log" || {
		cat "$log"
		die "boot $boot of $name failed"
	}
	echo "boot $boot of $boots: $(tail -n 1 "$log")"
done
echo "$boots boots of $name, $(cat "$cache/$name/release"), without a hang"
