#!/bin/sh
# Fetch one Debian package, check it, unpack it.
#
#	build-aux/fetch.sh PACKAGE DIR
#	build-aux/fetch.sh PACKAGE:ARCHITECTURE DIR
#
# DIR becomes the unpacked source, with Debian's patches; or the files of the
# package for another architecture, which is not installed, nor is dpkg told of
# that architecture.  Version and SHA-256 of every file come from
# build-aux/sources.sha256; anything else is refused.
#
# apt does the fetching, from wherever this machine already gets Debian: its
# own entries are read, turned into entries for these and kept, with apt's whole
# state, under build/apt.  The machine's configuration is not touched.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
package=${1%:*}
arch=
case $1 in
*:*)	arch=${1#*:} ;;
esac
dir=$2
work=$PWD/build/apt${arch:+-$arch}
pins=$here/sources.sha256

die()
{
	echo "fetch: $package: $*" >&2
	exit 1
}

# "HASH  FILE" lines of this package; the .dsc, or the .deb, carries the version.
end=${arch:+_$arch.deb}
end=${end:-.dsc}
files=$(sed -n "s/^[0-9a-f]*  \(${package}_.*\)\$/\1/p" "$pins")
main=$(echo "$files" | grep -F "$end") || die "no pin in $pins"
version=${main#"${package}_"}
version=${version%"$end"}

command -v apt-get >/dev/null 2>&1 && command -v dpkg-source >/dev/null 2>&1 ||
	die "no apt-get or dpkg-source here; unpack Debian's" \
	"$1 $version yourself and name it, see 'make help'"

mkdir -p "$work/lists/partial" "$work/cache/archives/partial" \
	"$work/sources.list.d" "$work/download"

# The machine's own entries.  Only Debian's: a third party may well call its
# suite "bookworm" too, but signs with a key of its own.
eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
# What they say of architectures is meant for this machine.
kind()
{
	if [ -n "$arch" ]; then
		sed 's/^Types: deb-src/Types: deb/; /^deb-src/{ s//deb/; s/ arch=[^] ]*//; s/\[arch=[^] ]*/[/; }'
	else
		cat
	fi
}
cat "$list" "$parts"/*.list 2>/dev/null |
	awk -f "$here/debsrc-list.awk" | kind >"$work/sources.list.d/debian.list" || :
for f in "$parts"/*.sources; do
	[ ! -f "$f" ] || { cat "$f"; echo; }
done | awk -f "$here/debsrc-822.awk" | kind >"$work/sources.list.d/debian.sources"
[ -s "$work/sources.list.d/debian.list" ] ||
	[ -s "$work/sources.list.d/debian.sources" ] ||
	die "apt here has no entry for Debian 12 (bookworm); see 'make help'"

# A file, because only a file can clear the machine's hooks (container images
# have some that empty the machine's package cache).
cat >"$work/apt.conf" <<EOF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$work";
Dir::State::Lists "$work/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$work/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/sources.list.d";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
EOF
[ -z "$arch" ] || cat >>"$work/apt.conf" <<EOF
#clear APT::Architectures;
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
Dir::State::status "/dev/null";
EOF

checked()
{
	(cd "$work/download" && grep "  ${package}_" "$pins" |
		sha256sum --check --quiet --strict >"$work/$package.sum" 2>&1)
}

if ! checked; then
	for f in $files; do
		rm -f "$work/download/$f"
	done
	if [ -n "$arch" ]; then
		show=show get=download
	else
		show=showsrc get='source --download-only'
	fi
	# Both source packages share one update; it is the slow part.
	if ! apt-cache -c "$work/apt.conf" "$show" "$package" 2>/dev/null |
	    grep -qxF "Version: $version"; then
		apt-get -c "$work/apt.conf" -q update >"$work/update.log" 2>&1 ||
			die "apt-get update failed:" "$(tail -n 3 "$work/update.log")"
	fi
	# shellcheck disable=SC2086 # two words
	(cd "$work/download" && apt-get -c "$work/apt.conf" -q $get \
		"$package=$version" >"$work/$package.log" 2>&1) ||
		die "Debian does not offer version $version:" \
		"$(grep '^E:' "$work/$package.log" | tail -n 1)"
	checked || die "REFUSED, not the files pinned in build-aux/sources.sha256:" \
		"$(grep -v '^sha256sum: WARNING' "$work/$package.sum" | tr '\n' ' ')"
fi

# In a folder of its own: dpkg-source leaves the .orig files beside its work.
unpack=$work/unpack-$package
rm -rf "$unpack"
mkdir "$unpack"
if [ -n "$arch" ]; then
	dpkg-deb -x "$work/download/$main" "$unpack/src"
else
	dpkg-source --no-check -q -x "$work/download/$main" "$unpack/src"
fi || die "cannot unpack $main"
rm -rf "$dir"
mv "$unpack/src" "$dir"
rm -rf "$unpack"
