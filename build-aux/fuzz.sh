#!/bin/sh
# Run each fuzzer for a while, starting from its corpus.
#
#	build-aux/fuzz.sh SECONDS NAME...
#
# What is new goes to build/corpus/NAME; an input that crashes goes to
# build/crash/ and belongs, made small, in tests/fuzz/corpus/NAME.
set -u
seconds=$1
shift
[ $# -gt 0 ] || { echo "fuzz: no fuzzers" >&2; exit 1; }
mkdir -p build/crash build/test-logs
status=0
for name in "$@"; do
	mkdir -p "build/corpus/$name"
	log=build/test-logs/fuzz-$name.log
	if build/fuzzer/"$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
	    -max_len=65536 -artifact_prefix="build/crash/$name-" "build/corpus/$name" \
	    "tests/fuzz/corpus/$name" >"$log" 2>&1 </dev/null; then
		echo "ok fuzz/$name $(tail -n 1 "$log")"
	else
		echo "not ok fuzz/$name: see $log"
		tail -n 30 "$log"
		status=1
	fi
done
exit $status
