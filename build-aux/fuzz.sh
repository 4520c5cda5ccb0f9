#!/bin/sh
# Run each fuzzer for a while, starting from its corpus; as many at a time as
# there are processors.
#
#	build-aux/fuzz.sh SECONDS NAME...
#
# What is new goes to build/corpus/NAME; an input that crashes goes to
# build/crash/ and belongs, made small, in tests/fuzz/corpus/NAME.
set -u
if [ "$1" != one ]; then
	seconds=$1
	shift
	[ $# -gt 0 ] || { echo "fuzz: no fuzzers" >&2; exit 1; }
	mkdir -p build/crash build/test-logs
	printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 "$0" one "$seconds"
	exit
fi
seconds=$2 name=$3
mkdir -p "build/corpus/$name"
log=build/test-logs/fuzz-$name.log
if build/fuzzer/"$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -max_len=65536 -artifact_prefix="build/crash/$name-" "build/corpus/$name" \
    "tests/fuzz/corpus/$name" >"$log" 2>&1 </dev/null; then
	echo "ok fuzz/$name $(tail -n 1 "$log")"
else
	echo "not ok fuzz/$name: see $log"
	tail -n 30 "$log"
	exit 1
fi
