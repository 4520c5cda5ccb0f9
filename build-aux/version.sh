#!/bin/sh
# What 'azswarm version' tells, as defines: only what is the same for everyone
# who builds the same commit with the same tools.
#
#	build-aux/version.sh COMPILER >version.h
set -eu

commit=unknown date=0
git()
{
	command git -c safe.directory="$PWD" "$@"
}
if [ -e .git ] && commit=$(git rev-parse --short=12 HEAD 2>/dev/null); then
	date=$(git log -1 --format=%ct)
	git diff --quiet HEAD 2>/dev/null || commit=$commit+
else
	commit=unknown
fi

# Debian's version of an unpacked source, from its changelog.
debian()
{
	sed -n '1s/^[^ ]* (\([^)]*\)).*/\1/p' "build/$1/debian/changelog" 2>/dev/null |
		grep . || echo unknown
}

case $($1 --version 2>/dev/null) in
*clang*) name=clang ;;
*)	 name=gcc ;;
esac

cat <<EOF
#define AZSWARM_VERSION "$(cat VERSION)"
#define AZSWARM_COMMIT "$commit"
#define AZSWARM_DATE $date	/* unix seconds, 0: unknown */
#define AZSWARM_COMPILER "$name $($1 -dumpfullversion -dumpversion 2>/dev/null || echo unknown)"
#define AZSWARM_BEARSSL "$(debian bearssl)"
#define AZSWARM_CJSON "$(debian cjson)"
#define AZSWARM_LIBYAML "$(debian libyaml)"
EOF
