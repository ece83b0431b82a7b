#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Writes the table of kernels and signals into README.md, between its marks, from what the guests of
# the last runs printed (BUILD/vm/KERNEL/full). A kernel without a run has no row.
set -euo pipefail
# shellcheck source=scripts/vm/lib.sh
source "$(dirname "$0")/lib.sh"

BUILD=${BUILD:-build}
README=README.md
BEGIN_MARK='<!-- kernels: written by make vmtest-all -->'
END_MARK='<!-- /kernels -->'

# passed LOG TEST: whether that test of a guest's program passed.
passed() {
	grep -q "^\[       OK \] $2\$" "$1"
}

# counts LOG TEST: `kernel = ours`, as the test printed it.
counts() {
	local kernels ours

	read -r kernels ours <<<"$(awk -v test="$2" '$1 == "[" && $2 == "RUN" { current = $4 }
		current == test && /, ours / { sub(",", "", $2); print $2, $4; exit }' "$1")"
	if ! passed "$1" "$2"; then
		echo "**no**"
	elif [[ $ours == "$kernels" ]]; then
		echo "$ours = $kernels"
	else
		echo "$ours of $kernels"
	fi
}

# The largest deviation that the test printed.
deviation() {
	passed "$1" "$2" || { echo "**no**" && return; }
	awk -v test="$2" '$1 == "[" && $2 == "RUN" { current = $4 }
		current == test && match($0, /\([-+][0-9.]+ %\)/) {
			value = substr($0, RSTART + 1, RLENGTH - 4) + 0
			if (value * value >= worst * worst)
				worst = value
		}
		END { printf "%.2f %%\n", worst }' "$1"
}

# Programs that were left out, less the form of mark_victim that another kernel needs.
left_out() {
	local log=$1 name words=

	while read -r name; do
		case $name in
		oom_mark_victim_pid) ! grep -q '^ *oom_mark_victim_task *loaded' "$log" || continue ;;
		oom_mark_victim_task) ! grep -q '^ *oom_mark_victim_pid *loaded' "$log" || continue ;;
		esac
		words+="$name, "
	done < <(awk '$2 == "left" { print $1 }' "$log")
	words=${words%, }
	echo "${words:-nothing}"
}

# The kills that were counted as the kernel counts them.
kills() {
	local log=$1 kind test words=

	while read -r kind test; do
		! passed "$log" "$test" || words+="$kind, "
	done <<-'EOT'
		host global_oom_victims_equal_vmstat
		limit memcg_oom_victims_equal_memory_events
		group group_wide_oom_victims_equal_memory_events
	EOT
	words=${words%, }
	echo "${words:-**no**}"
}

row() {
	local name=$1 folder=$BUILD/vm/$1/full release machine=x86_64

	release=$(cat "$folder/release")
	kernel_read "$name"
	[[ $kernel_arch == amd64 ]] || machine=aarch64
	printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' \
		"${release%-cloud-*} $machine" \
		"$(sed -n 's/^    state in //p' "$folder/programs.log" | head -n 1)" \
		"$(counts "$folder/oracles.log" direct_reclaims_equal_allocstall)" \
		"$(counts "$folder/oracles.log" memcg_reclaims_equal_max_events)" \
		"$(kills "$folder/oracles.log")" \
		"$(deviation "$folder/stall.log" run_queue_wait_equals_schedstat)" \
		"$(deviation "$folder/stall.log" memory_stall_equals_pressure_of_the_group)" \
		"$(passed "$folder/agent.log" real_pressure_steps_down && echo yes || echo '**no**')" \
		"$(left_out "$folder/programs.log")" \
		"$(awk '$3 == "of" && $2 > max { max = $2 } END { print max + 0 }' "$folder/programs.log")"
}

table() {
	local name

	echo '| kernel | state in | direct reclaims | memcg reclaims | OOM kills | run-queue wait | memory stall | step down | left out | largest program |'
	echo '|---|---|---|---|---|---|---|---|---|---|'
	for name in $(kernel_names); do
		[[ ! -s $BUILD/vm/$name/full/release ]] || row "$name"
	done
}

main() {
	local new mark

	cd "$root"
	for mark in "$BEGIN_MARK" "$END_MARK"; do
		grep -qxF "$mark" $README || die "$README has no line '$mark': no place for the table"
	done
	new=$(mktemp)
	table >"$new"
	awk -v begin="$BEGIN_MARK" -v end="$END_MARK" -v table="$new" '
		$0 == begin { print; while ((getline line <table) > 0) print line; inside = 1 }
		$0 == end { inside = 0 }
		!inside { print }' $README >"$new.readme"
	cat "$new.readme" >$README
	rm "$new" "$new.readme"
}

main "$@"
