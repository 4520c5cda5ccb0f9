#!/bin/sh
# What is given to others: the program for each kind of processor, the same as a
# container image, and what shows that it arrived as it was.
#
#	build-aux/dist.sh X86_64-FILE AARCH64-FILE FOLDER [KEY]
#
# The folder is made anew.  KEY, a private key of ssh-keygen's, signs the sums;
# the name of what is signed, azswarm-release, keeps the signature from meaning
# anything else.
set -eu
export LC_ALL=C
x86_64=$1 aarch64=$2 dir=$3 key=${4-}

[ "$(uname -m)" = x86_64 ] || {
	echo "dist: both files are made on x86_64" >&2
	exit 1
}
rm -rf "$dir.new"
mkdir "$dir.new"
trap 'rm -rf "$dir.new"' EXIT
cp "$x86_64" "$dir.new/azswarm-x86_64"
cp "$aarch64" "$dir.new/azswarm-aarch64"
chmod 755 "$dir.new"/azswarm-*
for arch in x86_64 aarch64; do
	other=
	[ $arch = x86_64 ] || other=$aarch64
	# shellcheck disable=SC2086 # none, or one word
	"$(realpath "$x86_64")" image -o "$dir.new/azswarm-$arch.image.tar" $other
done
(cd "$dir.new" && sha256sum azswarm-* >SHA256SUMS)
if [ -n "$key" ]; then
	ssh-keygen -q -Y sign -f "$key" -n azswarm-release "$dir.new/SHA256SUMS"
fi
rm -rf "$dir"
mv "$dir.new" "$dir"
(cd "$dir" && cat SHA256SUMS)
[ -n "$key" ] || echo "dist: not signed; KEY=FILE signs it" >&2
