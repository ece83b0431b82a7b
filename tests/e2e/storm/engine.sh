#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Gets a real llama-server and makes the models of a ladder: `engine.sh SIZE`, where SIZE is `full`
# or `short`. They become, outside the checkout, so that a new clone need not make them again,
#
#   CACHE/llama-VERSION-BUILD/llama-server   with the libraries that it needs
#   CACHE/models-VERSION/SIZE-TIER.gguf
#
# and where they are there already, nothing is done and no network needed. The engine comes from npm:
# node-llama-cpp holds the sources of llama.cpp, and a package beside it the libraries, prebuilt.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../../scripts/lib.sh"

PACKAGE_VERSION=3.22.1
RELEASE=v0.5.0 # of llama.cpp, in the names of its libraries
BUILD_VERSION=2 # goes up with every change of engine.mk, so that what is cached is built anew
MODELS_VERSION=1
# Extra layers and their width: about 1 GB, 240 MB and 21 MB; about 290, 70 and 21 MB.
declare -A SHAPES=([full-large]="140 16384" [full-medium]="66 8192" [full-small]="8 4096"
	[short-large]="82 8192" [short-medium]="36 4096" [short-small]="8 4096")
LOCK_TIMEOUT_S=900

ENGINE_NAME=llama-$PACKAGE_VERSION-$BUILD_VERSION

cache=${TIERD_E2E_CACHE:-${XDG_CACHE_HOME:-${HOME:-/var}/.cache}/tierd-e2e}
here=$root/tests/e2e/storm
work=

unpack_packages() {
	(cd "$work" && npm pack --silent "node-llama-cpp@$PACKAGE_VERSION" \
		"@node-llama-cpp/linux-x64@$PACKAGE_VERSION" >packages) ||
		die "npm could not fetch node-llama-cpp $PACKAGE_VERSION (is there a network?)"
	tar -xzf "$work/node-llama-cpp-$PACKAGE_VERSION.tgz" -C "$work" \
		package/llama/gitRelease.bundle
	mkdir "$work/engine" "$work/objects"
	tar -xzf "$work/node-llama-cpp-linux-x64-$PACKAGE_VERSION.tgz" -C "$work/engine" \
		--strip-components=3 package/bins/linux-x64
	git clone -q "$work/package/llama/gitRelease.bundle" "$work/source" 2>"$work/clone.log" ||
		die "the sources in the package cannot be read: $(tail -n 1 "$work/clone.log")"
}

make_engine() {
	local engine=$cache/$ENGINE_NAME begin=$SECONDS

	[[ ! -x $engine/llama-server ]] || return 0
	[[ $(uname -m) == x86_64 ]] || die "the engine's libraries are for x86_64"
	command -v npm >/dev/null || die "npm is missing"
	echo "engine: building llama-server of node-llama-cpp $PACKAGE_VERSION" >&2
	unpack_packages
	make -s -j2 -f "$here/engine.mk" SOURCE="$work/source" ENGINE="$work/engine" \
		OBJECTS="$work/objects" RELEASE="$RELEASE"
	rm -rf "$engine"
	mv "$work/engine" "$engine"
	echo "engine: built in $((SECONDS - begin)) s" >&2
}

make_models() {
	local size=$1 tier model shape

	mkdir -p "$cache/models-$MODELS_VERSION"
	for tier in large medium small; do
		model=$cache/models-$MODELS_VERSION/$size-$tier.gguf
		[[ ! -s $model ]] || continue
		read -ra shape <<<"${SHAPES[$size-$tier]}"
		python3 "$here/models/grow.py" "$here/models/story.gguf" "$work/model.gguf" "${shape[@]}" >&2
		mv "$work/model.gguf" "$model"
	done
}

main() {
	[[ ${SHAPES[${1:-}-large]:-} ]] || die "usage: engine.sh full|short"
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	flock -w $LOCK_TIMEOUT_S 9 || die "another engine.sh has been running for too long"
	work=$(mktemp -d "$cache/work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	make_engine
	make_models "$1"
	echo "$cache/$ENGINE_NAME $cache/models-$MODELS_VERSION"
}

main "$@"
