#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What `make install` puts there is complete in itself: a program of somebody else's is built with the
# installed header and library alone, and sees no names but those that the headers declare;
# `make uninstall` leaves nothing.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

BUILD=${BUILD:-build}
prefix=/usr/local
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$root"
failures=0

check() {
	local name=$1
	shift

	if "$@" >"$folder/log" 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/    /' "$folder/log"
		failures=$((failures + 1))
	fi
}

install_all() {
	make --no-print-directory BUILD="$BUILD" DESTDIR="$folder/root" "$1"
}

# `text_add` and `units_min` are names inside the library that must not be in the way.
build_program() {
	cat >"$folder/program.c" <<-'EOF'
		#include <signal.h>
		#include <tierd/client.h>
		int text_add = 1, units_min = 1;
		int main(void)
		{
			struct tierd_client_event event;
			struct tierd_client *client;

			signal(SIGPIPE, SIG_IGN);
			if (tierd_client_open("/nowhere", &client) < 0)
				return 1;
			if (tierd_client_next(client, &event) != 0 || tierd_client_hello(client, "a", 1) == 0)
				return 2;
			tierd_client_close(client);
			return text_add + units_min - 2;
		}
	EOF
	"${CC:-cc}" -std=c99 -Wall -Wextra -Werror -I"$folder/root$prefix/include" \
		"$folder/program.c" -L"$folder/root$prefix/lib" -ltierd-client -o "$folder/program"
	"$folder/program"
}

has_only_own_names() {
	! nm --defined-only -g "$folder/root$prefix/lib/libtierd-client.a" |
		awk 'NF == 3 { print $3 }' | grep -vE '^(tierd_|protocol_(format|parse)_|protocol_escape$)'
}

# Units name the programs where they are.
has_units() {
	local unit words

	for unit in tierd tier-manager tier-gate; do
		words=$(grep -o "$prefix/[a-z]*bin/[a-z-]*" "$folder/root$prefix/lib/systemd/system/$unit.service")
		[[ -x $folder/root$words ]] || return 1
	done
}

installs_elsewhere() {
	make --no-print-directory BUILD="$BUILD" DESTDIR="$folder/other" PREFIX=/opt/t install
	grep -q '^ExecStart=/opt/t/sbin/tierd ' "$folder/other/opt/t/lib/systemd/system/tierd.service"
}

is_empty() {
	! find "$folder/root" -type f | grep .
}

check install install_all install
check "a program with the library" build_program
check "names of the library" has_only_own_names
check "the manual page" test -s "$folder/root$prefix/share/man/man7/tierd-protocol.7"
check "the example" test -x "$folder/root$prefix/share/doc/tierd/example-manager.sh"
check "units" has_units
check "another prefix" installs_elsewhere
check uninstall install_all uninstall
check "nothing is left" is_empty
((failures == 0))
