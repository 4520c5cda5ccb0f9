# A day of an agent's in fast time, and what it has of memory and descriptors
# after each tenth of it.
# time: 400
# needs: python3, openssl, ip; root or user namespaces for the probe's address and a tmpfs
. "$SRCDIR/tests/lib.sh"
need python3 openssl jq
must_make build/bench/azswarm-day build/bench/ask_tool

looks=${LOOKS:-86400}
timeout 1100 "$SRCDIR/tests/soak.py" "$AZSWARM" "$SRCDIR/build/bench/ask_tool" "$looks" \
	"$SRCDIR/build/bench/azswarm-day" >day 2>errors || not_ok 'to the end' "$(tail -n 3 errors)"
holds()		# CASE FILTER
{
	if jq -e --argjson looks "$looks" "$2" day >/dev/null 2>&1; then
		ok "$1"
	else
		not_ok "$1" "not $2: $(jq -c . day | head -c 1500); $(tail -n 3 errors | tr '\n' ' ')"
	fi
}
jq -r '"# \(.looks) looks in \(.seconds) s; KiB after each tenth: agent \([.agent[].rss_kb]), peak \(
	.agent[-1].peak_kb), helper \([.helper[].rss_kb])"' day
holds 'a day was lived' '.looks >= $looks and (.agent | length) == 10'
holds 'with its answers of the engine, one in five' '.infos * 6 >= $looks'
holds 'probed each 5 s, and well each time' '.probes * 5 == $looks'
holds 'and asked for figures each 10 s' '.figures * 10 == $looks'
holds 'with its questions to the helper, four a minute' '.asked * 20 >= $looks'
holds 'an agent has less than 1 MiB, after a day and after each tenth of it' '[.agent[].rss_kb] | max < 1024'
# among it all files that make its machine, of which it tells a hash
holds 'and half of one more when it does everything at once' '.agent[-1].peak_kb < 1536'
holds 'it does not grow: its own memory, by less than 64 KiB' \
	'.agent[0].anon_kb as $first | [.agent[1:][].anon_kb] | max - $first < 96 and min - $first < 64'
holds 'nor do its descriptors: but for the caller of the moment' \
	'[.agent[].fds] | max - .[0] <= 3 and min - .[0] <= 1'
holds 'nor its threads' '[.agent[].threads] | max - min <= 2'
holds 'the helper, which was asked all that, does not grow' \
	'.helper[0].anon_kb as $first | [.helper[1:][].anon_kb] | min - $first < 64'
holds 'nor do its descriptors' '[.helper[].fds] | max - .[0] <= 3 and min - .[0] <= 1'
