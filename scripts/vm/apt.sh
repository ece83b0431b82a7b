# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Debian packages of any suite and architecture, downloaded through an apt configuration of our own:
# the host's package lists, sources and database are not touched. To be sourced, after lib.sh.

APT_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg
apt_dir=
apt_options=()

# The host's own mirrors: the first URI of the first source that has a Debian suite, and of the
# first that has a security one.
apt_uri() {
	local pattern=$1 default=$2 uri

	uri=$({
		cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
			awk -v suite="$pattern" '/^URIs:/ { uri = $2 } /^Suites:/ && $0 ~ suite { print uri }'
		cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed 's/\[[^]]*\]//' |
			awk -v suite="$pattern" '$1 == "deb" && $3 ~ suite { print $2 }'
	} | grep -m 1 debian || true)
	echo "${uri:-$default}"
}

apt_source_line() {
	local suite=$1 uri

	case $suite in
	*-security) uri=$(apt_uri -security http://deb.debian.org/debian-security) ;;
	*) uri=$(apt_uri '(^| )[a-z]+($| )' http://deb.debian.org/debian) ;;
	esac
	echo "deb [signed-by=$APT_KEYS] $uri $suite main"
}

# apt_open ARCH SUITE...: reads the package lists of these suites.
apt_open() {
	local arch=$1 suite
	shift

	apt_dir=$(mktemp -d "${TMPDIR:-/tmp}/tierd-apt.XXXXXX")
	mkdir -p "$apt_dir"/{parts,preferences,lists/partial,cache/archives/partial}
	: >"$apt_dir/status"
	for suite in "$@"; do
		apt_source_line "$suite"
	done >"$apt_dir/sources.list"
	apt_options=(-q=2 -o "Dir::Etc::SourceList=$apt_dir/sources.list"
		-o "Dir::Etc::SourceParts=$apt_dir/parts"
		-o "Dir::Etc::PreferencesParts=$apt_dir/preferences" -o Dir::Etc::Preferences=/dev/null
		-o "Dir::State::Lists=$apt_dir/lists" -o "Dir::State::status=$apt_dir/status"
		-o "Dir::Cache=$apt_dir/cache" -o APT::Sandbox::User=root
		-o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
		-o Acquire::Languages=none -o Acquire::Retries=3)
	apt-get "${apt_options[@]}" update ||
		die "cannot read Debian's package lists (is there a network?)"
}

apt_close() {
	[[ -z $apt_dir ]] || rm -rf "$apt_dir"
	apt_dir=
}

# Whether there is such a package: others may name one that does not exist.
apt_has() {
	apt-cache "${apt_options[@]}" policy "$1" | grep "^ *Candidate: [0-9]" >/dev/null
}

# The packages whose names match the extended regular expression, the newest version first.
apt_matching() {
	apt-cache "${apt_options[@]}" pkgnames linux-image- | grep -E "^$1\$" | sort -rV
}

# apt_unpack FOLDER PACKAGE...
apt_unpack() {
	local folder=$1 package
	shift

	mkdir -p "$folder" "$apt_dir/debs"
	(cd "$apt_dir/debs" && apt-get "${apt_options[@]}" download "$@") ||
		die "cannot download $*"
	for package in "$apt_dir/debs"/*.deb; do
		dpkg-deb -x "$package" "$folder"
	done
	rm -r "$apt_dir/debs"
}
