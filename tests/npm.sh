#!/bin/sh
# Install the npm packages of tests/npm/SET into build/npm/SET, as its lock
# file has them, and print the folder they are in.  Does nothing when it was
# done; one at a time.
#
#	tests/npm.sh SET
#
# To change a set: edit its package.json, then there
#	npm install --package-lock-only --omit-lockfile-registry-resolved
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
from=$top/tests/npm/$1 to=$top/build/npm/$1
mkdir -p "$to"
exec 9>"$to/.lock"
flock 9
if ! cmp -s "$from/package-lock.json" "$to/.installed"; then
	rm -rf "$to/node_modules" "$to/.installed"
	cp "$from/package.json" "$from/package-lock.json" "$to/"
	(cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
	cp "$from/package-lock.json" "$to/.installed"
fi
echo "$to/node_modules"
