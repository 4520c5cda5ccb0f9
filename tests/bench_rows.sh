# What the bench's parts have in common, sourced: rows of a table, of which all go
# to $BENCH_ROWS as JSON, too.  Less is better in every row.
BENCH_ROWS=${BENCH_ROWS:-$top/build/bench/rows.json}
mkdir -p "$(dirname "$BENCH_ROWS")"
[ -s "$BENCH_ROWS" ] || echo '{}' >"$BENCH_ROWS"

head_row()	# WHOSE
{
	printf '\n%-50s %10s  %10s  %-8s %s\n' "$1" ours theirs unit 'ours to theirs'
}

row()		# NAME OURS THEIRS UNIT: a side that is not there is words
{
	awk -v name="$1" -v o="$2" -v t="$3" -v unit="$4" 'BEGIN {
		if (o + 0 > 0 && t + 0 > 0)
			ratio = sprintf("%.3f", o / t) (o + 0 < t + 0 ? ", ahead" : ", behind")
		printf "%-50s %10s  %10s  %-8s %s\n", name, o, t, unit, ratio
	}'
	jq --arg n "$1" --arg o "$2" --arg t "$3" --arg u "$4" \
		'.[$n] = {ours: ($o | tonumber? // $o), theirs: ($t | tonumber? // $t), unit: $u}' "$BENCH_ROWS" \
		>"$BENCH_ROWS.part" && mv "$BENCH_ROWS.part" "$BENCH_ROWS"
}

best()		# TURNS COMMAND: milliseconds
{
	best_turns=$1 best_least=
	shift
	for _ in $(seq "$best_turns"); do
		best_at=$(date +%s%N)
		"$@" >/dev/null 2>best.err </dev/null || { tail -n 5 best.err >&2; echo failed; return; }
		best_took=$((($(date +%s%N) - best_at) / 10000))
		[ -n "$best_least" ] && [ "$best_least" -le "$best_took" ] || best_least=$best_took
	done
	awk -v n="$best_least" 'BEGIN { printf "%.2f", n / 100 }'
}

peak()		# PROGRAM ARGUMENTS...: the most that it had of memory, in MB
{
	/usr/bin/time -f %M -o peak.kb "$@" >/dev/null 2>&1 </dev/null
	awk 'END { printf "%.1f", $1 / 1024 }' peak.kb
}

counted=$(command -v valgrind || :)
instructions()	# PROGRAM ARGUMENTS...: millions
{
	valgrind --tool=callgrind --callgrind-out-file=callgrind.out "$@" >/dev/null 2>&1 </dev/null
	awk '/^totals:/ { printf "%.1f", $2 / 1e6 }' callgrind.out
}
