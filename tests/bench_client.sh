#!/bin/sh
# What the operator waits for, beside what others need for the same, in one run:
# lists of many machines, answered by nginx, and commands on a master, a real
# sshd.  Times are the best of some turns; what is noisy is counted besides, in
# instructions (callgrind).  A peer that is not installed is "not here".  Writes
# bench.json; not a part of `make test`.
#
#	tests/bench_client.sh			(root: namespaces, port 22)
#	tests/bench_client.sh compare OLD	what takes 10 % more than then
set -eu
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)

if [ "${1-}" = compare ]; then
	slower=$(jq -rn --slurpfile old "$2" --slurpfile new "$top/bench.json" '
		$new[0] | to_entries[] | .key as $k | $old[0][$k].ours as $was |
			select($was != null and .value.ours > $was * 1.1) |
			"\(.key): \($was) to \(.value.ours) \(.value.unit)"')
	echo "${slower:-nothing takes 10 % more}"
	[ -z "$slower" ]
	exit
fi
[ "$(id -u)" -eq 0 ] || { echo 'bench: the commands need root, for a network of their own'; exit 0; }
[ -n "${BENCH_NETWORK-}" ] || BENCH_NETWORK=1 exec unshare -n "$0" "$@"
ip link set lo up

dir=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-bench.XXXXXX")
pids=
finish()
{
	trap - EXIT INT TERM HUP
	ssh -F none -S "$dir/control" -O exit x 2>/dev/null || :
	rm -f "$dir"/run/azswarm/*.sock
	for pid in $pids; do kill "$pid" 2>/dev/null || :; done
	wait 2>/dev/null || :
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
cd "$dir"
mkdir run home
for v in $("$top/azswarm" help settings | sed -n 's/^  \([A-Z][A-Z0-9_]*\)  .*/\1/p') SSL_CERT_FILE SSL_CERT_DIR SSH_AUTH_SOCK; do
	unset "$v"
done
export XDG_RUNTIME_DIR="$dir/run" HOME="$dir/home"
ours=$top/azswarm

until_says()	# FILE WORDS
{
	n=0
	until grep -q "$2" "$1" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 300 ] || { echo "bench: no '$2' in $1" >&2; tail -n 3 "$1" >&2; exit 1; }
		sleep 0.1
	done
}
echo '{}' >bench.json
row()		# NAME OURS THEIRS UNIT: THEIRS may be words
{
	ratio=$(awk -v o="$2" -v t="$3" 'BEGIN { if (t + 0 > 0) printf "%.2f", o / t }')
	printf '%-44s %12s  %12s  %-12s %s\n' "$1" "$2" "$3" "$4" "$ratio"
	jq --arg n "$1" --arg o "$2" --arg t "$3" --arg u "$4" \
		'.[$n] = {ours: ($o | tonumber), theirs: ($t | tonumber? // $t), unit: $u}' bench.json >json &&
		mv json bench.json
}
best()		# TURNS COMMAND: milliseconds
{
	turns=$1
	shift
	least=
	for _ in $(seq "$turns"); do
		at=$(date +%s%N)
		"$@" >/dev/null 2>err </dev/null || { cat err >&2; exit 1; }
		took=$((($(date +%s%N) - at) / 10000))
		[ -n "$least" ] && [ "$least" -le "$took" ] || least=$took
	done
	awk -v n="$least" 'BEGIN { printf "%.2f", n / 100 }'
}
counted=$(command -v valgrind || :)
instructions()	# COMMAND: millions
{
	valgrind --tool=callgrind --callgrind-out-file=callgrind.out "$@" >/dev/null 2>&1 </dev/null
	awk '/^totals:/ { printf "%.1f", $2 / 1e6 }' callgrind.out
}

# ---- a local Azure, nginx in its place, an sshd ----

"$ours" emulator --listen 127.0.0.1:0 --dir azure --record "$dir/record" >emulator.out 2>&1 & pids="$pids $!"
until_says emulator.out '^ready '
. azure/env
for command in keys deploy-storage params deploy-compute list-agents; do
	"$ours" "$command" >out 2>&1 </dev/null || { cat out >&2; exit 1; }
done
printf '%-44s %12s  %12s  %-12s %s\n' '' ours theirs unit 'ours to theirs'

nginx=$(command -v nginx || echo "$top/build/nginx/usr/sbin/nginx")
if [ -x "$nginx" ]; then
	port=8443
	for n in 100 1000; do
		python3 "$top/tests/list_pages.py" record "pages$n" $n $port >bytes
		(cd "pages$n" && exec "$nginx" -p . -c nginx.conf) 2>nginx.log & pids="$pids $!"
		port=$((port + 1))
		(
			. "pages$n/env"
			t=0
			until "$ours" list-agents >out 2>&1; do
				t=$((t + 1))
				[ $t -lt 50 ] || { cat out >&2; exit 1; }
				sleep 0.1
			done
			row "list-agents of $n" "$(best 10 "$ours" list-agents)" 'not here' ms
			[ -z "$counted" ] ||
				row "list-agents of $n, counted" "$(instructions "$ours" list-agents)" 'not here' 'M instr'
			[ $n = 100 ] && [ -n "$counted" ] || exit 0
			# one more root than all of the system's
			cat /etc/ssl/certs/ca-certificates.crt "pages$n/cert.pem" >bundle.pem
			row 'the same with a bundle of all roots' \
				"$(SSL_CERT_FILE=bundle.pem instructions "$ours" list-agents)" 'not here' 'M instr'
			mkdir roots && cp /usr/share/ca-certificates/mozilla/*.crt roots/ && cp "pages$n/cert.pem" roots/
			openssl rehash roots 2>/dev/null
			unset SSL_CERT_FILE
			row 'the same with a directory of all roots' \
				"$(SSL_CERT_DIR=roots instructions "$ours" list-agents)" 'not here' 'M instr'
		)
	done
else
	echo 'lists: nginx is not here'
fi

address=$("$ours" endpoints --output json | jq -r '.[] | select(.name == "master0-ip") | .address')
{ sed '/^cluster:/d' /etc/passwd; echo 'cluster:x:0:0::/root:/bin/sh'; } >passwd
install -m 600 keys/host-master.pem host.key
printf '%s\n' 'Port 22' "ListenAddress $address" "HostKey $dir/host.key" "AuthorizedKeysFile $dir/keys/cluster.pub" \
	'PidFile none' 'UsePAM no' 'StrictModes no' 'PermitRootLogin prohibit-password' 'MaxStartups 100' >sshd.conf
mkdir -p /run/sshd
unshare -m sh -c "mount --bind passwd /etc/passwd && exec '$(command -v sshd)' -D -e -f sshd.conf" 2>sshd.log & pids="$pids $!"
until_says sshd.log listening
echo "$address $(cut -d' ' -f1,2 keys/host-master.pub)" >known_hosts
theirs()	# HOW
{
	ssh -F none -i keys/cluster.pem -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
		-o UserKnownHostsFile=known_hosts "$@" "cluster@$address" true
}
row 'ssh master0 true, a connection each' "$(best 10 "$ours" ssh --no-share master0 true)" "$(best 10 theirs)" ms
"$ours" ssh master0 true
theirs -o ControlMaster=yes -S control -o ControlPersist=60
row 'ssh master0 true, after the first' "$(best 50 "$ours" ssh master0 true)" "$(best 50 theirs -S control)" ms
cp bench.json "$top/bench.json"
