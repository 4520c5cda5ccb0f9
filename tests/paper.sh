# A cluster of which the machines are on paper and one master, ./one, is played for
# all (tests/paper_cluster.py), by the local Azure that writes ./record.  Sourced as
# the first thing behind lib.sh: goes on in a network of its own.
need python3 jq
own=
for own in 'unshare -n' 'unshare -rn' ''; do
	[ -n "$own" ] && $own true 2>/dev/null && break
done
[ -n "$own" ] && /usr/bin/python3 -c 'import asyncssh' 2>/dev/null ||
	skip_all 'no network of its own, or no asyncssh'

# port 22 wants a network of its own: all that follows is in it
if [ "${1-}" != inside ]; then
	exec $own sh "$0" inside
fi
ip link set lo up
export XDG_CACHE_HOME="$PWD/cache"
"$AZSWARM" keys --quiet
spawn emulator "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator || { not_ok start "$(cat emulator)"; exit 1; }
. azure/env
mkdir places
spawn played /usr/bin/python3 -W ignore "$SRCDIR/tests/paper_cluster.py" played.ready keys "$PWD/places"
wait_for 30 test -e played.ready
for command in deploy-storage params deploy-compute; do
	"$AZSWARM" $command >out 2>&1 </dev/null || not_ok $command "$(tail -n 2 out)"
done
mkdir one
"$AZSWARM" list-endpoints --output tsv | sed -n 's/^master[0-9]-ip	\([^	]*\)	.*/\1/p' | while read -r address; do
	ln -s ../one places/"$address"
done
