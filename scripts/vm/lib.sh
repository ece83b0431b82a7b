# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What the scripts here share: the list of kernels, and where things are kept. To be sourced.
#
# What was fetched is kept outside the checkout, so that a new clone need not fetch it again.

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034 # used by those who source this
cache=${TIERD_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var}/.cache}/tierd-vm}
kernels_list=$root/scripts/vm/kernels.list

kernel_names() {
	awk '!/^#/ && NF == 4 { print $1 }' "$kernels_list"
}

# kernel_read NAME: sets kernel_arch, kernel_version and kernel_suites.
kernel_read() {
	# shellcheck disable=SC2034
	read -r kernel_arch kernel_version kernel_suites < <(awk -v name="$1" \
		'!/^#/ && $1 == name { print $2, $3, $4 }' "$kernels_list") ||
		die "no kernel '$1'; there are: $(kernel_names | xargs)"
}
