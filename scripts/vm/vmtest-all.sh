#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# The tests in guests of every kernel, and of some with less than everything; then the README's table
# is written from what they printed. Fails if any of them did.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

# Without BTF or a capability, and booted with psi=0: the oldest kernel and the one of Debian stable.
WITH_LESS=(5.10/less 6.12/less 5.10/psi0 6.12/psi0)

status=0
mapfile -t guests < <(kernel_names)
"$root/scripts/vm/vmtest.sh" "${guests[@]}" "${WITH_LESS[@]}" || status=$?
"$root/scripts/vm/table.sh"
exit "$status"
