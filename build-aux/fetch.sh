#!/bin/sh
# Fetch one Debian source package, check it, unpack it with Debian's patches.
#
#	build-aux/fetch.sh PACKAGE DIR
#
# DIR becomes the unpacked source.  Version and SHA-256 of every file come
# from build-aux/sources.sha256; anything else is refused.
#
# apt does the fetching, from wherever this machine already gets Debian: its
# own entries are read, turned into source entries and kept, with apt's whole
# state, under build/apt.  The machine's configuration is not touched.
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
package=$1
dir=$2
work=$PWD/build/apt
pins=$here/sources.sha256

die()
{
	echo "fetch: $package: $*" >&2
	exit 1
}

# "HASH  FILE" lines of this package; the .dsc carries the version.
files=$(sed -n "s/^[0-9a-f]*  \(${package}_.*\)\$/\1/p" "$pins")
dsc=$(echo "$files" | grep '\.dsc$') || die "no pin in $pins"
version=${dsc#"${package}_"}
version=${version%.dsc}

command -v apt-get >/dev/null 2>&1 && command -v dpkg-source >/dev/null 2>&1 ||
	die "no apt-get or dpkg-source here; unpack the Debian source" \
	"$package $version yourself and name it, see 'make help'"

mkdir -p "$work/lists/partial" "$work/cache/archives/partial" \
	"$work/sources.list.d" "$work/download"

# The machine's own entries.  Only Debian's: a third party may well call its
# suite "bookworm" too, but signs with a key of its own.
eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
cat "$list" "$parts"/*.list 2>/dev/null |
	awk -f "$here/debsrc-list.awk" >"$work/sources.list.d/debian.list" || :
for f in "$parts"/*.sources; do
	[ ! -f "$f" ] || { cat "$f"; echo; }
done | awk -f "$here/debsrc-822.awk" >"$work/sources.list.d/debian.sources"
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

checked()
{
	(cd "$work/download" && grep "  ${package}_" "$pins" |
		sha256sum --check --quiet --strict >"$work/$package.sum" 2>&1)
}

if ! checked; then
	for f in $files; do
		rm -f "$work/download/$f"
	done
	# Both packages share one update; it is the slow part.
	if ! apt-cache -c "$work/apt.conf" showsrc "$package" 2>/dev/null |
	    grep -qxF "Version: $version"; then
		apt-get -c "$work/apt.conf" -q update >"$work/update.log" 2>&1 ||
			die "apt-get update failed:" "$(tail -n 3 "$work/update.log")"
	fi
	(cd "$work/download" && apt-get -c "$work/apt.conf" -q source \
		--download-only "$package=$version" >"$work/$package.log" 2>&1) ||
		die "Debian does not offer source version $version:" \
		"$(grep '^E:' "$work/$package.log" | tail -n 1)"
	checked || die "REFUSED, not the files pinned in build-aux/sources.sha256:" \
		"$(grep -v '^sha256sum: WARNING' "$work/$package.sum" | tr '\n' ' ')"
fi

# In a folder of its own: dpkg-source leaves the .orig files beside its work.
unpack=$work/unpack-$package
rm -rf "$unpack"
mkdir "$unpack"
dpkg-source --no-check -q -x "$work/download/$dsc" "$unpack/src" ||
	die "dpkg-source could not unpack $dsc"
rm -rf "$dir"
mv "$unpack/src" "$dir"
rm -rf "$unpack"
