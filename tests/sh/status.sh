# status on a cluster that exists on paper, from nothing to nothing, and --watch
# on a terminal.  With a swarm behind it: sh/newcomer, sh/moves.
# time: 60
. "$SRCDIR/tests/lib.sh"
need python3 jq

spawn emulator "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 20 grep -q '^ready ' emulator || { not_ok start "$(cat emulator)"; exit 1; }
. ./azure/env

of()		# NAME: what status says of it
{
	"$AZSWARM" status >status.out 2>status.err || echo "exit $?"
	sed -n "s/^$1  *//p" status.out
}

in_json()	# JQ-FILTER
{
	"$AZSWARM" status --output json 2>status.err | jq -rc "$1"
}

# ---- from nothing ----

same 'nothing: says what makes it' "nothing is deployed; 'azswarm up' makes it" "$(of cluster)"
same 'nothing: in one line' 10 "$(wc -l <status.out)"
same 'nothing: and who I am' 'Local Azure' "$(of subscriptionName)"
same 'nothing: as JSON' "[false,false,[],[],\"there is no master\"]" \
	"$(in_json '[.cluster.there, .storage.there, .masters, .nodes, .swarm.why]')"
"$AZSWARM" keys --quiet
az() { "$AZSWARM" "$@" --quiet >az.out 2>&1 || not_ok "$1" "$(tail -n 2 az.out)"; }
az deploy-storage
same 'storage: the rest is still to come' "nothing is deployed; 'azswarm up' makes it" "$(of cluster)"
account=$(in_json .storage.account)
same 'storage: is there' "$account (Standard_LRS) in swarm-storage" "$(of storage)"
same 'storage: is paid for' '1 storage account' "$(of 'paid for')"

# ---- machines on paper ----

az params
az deploy-compute
same 'machines' 'swarm-cluster in eastus|1 of 1 running|3 of 3 running' \
	"$(of cluster)|$(of masters)|$(of agents)"
same 'machines: on paper' "these machines exist on paper; 'azswarm emulator --machines nspawn' makes real ones" "$(of swarm)"
address=$("$AZSWARM" list-endpoints --output tsv | sed -n 's/^agents-lb-ip	\([^	]*\)	.*/\1/p')
check 'the load balancer, by the same address as list-endpoints has' \
	test "$(of 'load balancer')" = "$address, ports 80 81"
same 'the same machines as list-agents has' "$("$AZSWARM" list-agents --output json | jq -c '[.[] | [.id, .name, .host, .power]]')" \
	"$(in_json '[.agents[] | [.id, .name, .host, .power]]')"
same 'as many resources as Azure lists' "$("$AZSWARM" resources --output json |
	jq -c '[.[].type | ascii_downcase] | [map(select(endswith("/publicipaddresses"))), map(select(endswith("/loadbalancers"))), map(select(endswith("/storageaccounts")))] | map(length)')" \
	"$(in_json '[.paidFor[] | select(.kind != "machine" and .kind != "disk") | .count]')"
size=$(in_json '.masters[0].size')
az scale-agents 5
same 'scaled' "6 x $size running" "$(of 'paid for')"
az deallocate-agents agents_0 agents_1
az stop-agents agents_2
same 'off: what is billed' "3 x $size running, 1 x $size stopped (still billed), 2 x $size deallocated (disk only)" \
	"$(of 'paid for')"
check 'off: disks stay' grep -q '^  *6 disks, ' status.out
check 'off: how many' grep -q '^agents  *2 of 5 running, ' status.out
master=/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-cluster/providers/Microsoft.Compute/virtualMachines/master0
echo "[{\"request\":\"GET *virtualMachines/master0?*\",\"body\":\"{\\\"id\\\":\\\"$master\\\",\\\"name\\\":\\\"master0\\\",\\\"properties\\\":{\\\"osProfile\\\":{\\\"computerName\\\":\\\"master0\\\"},\\\"instanceView\\\":{\\\"statuses\\\":[{\\\"code\\\":\\\"PowerState/deallocated\\\"}]}}}\",\"status\":200}]" >azure/faults.json
same 'no master runs: nobody is waited for' 'no master is running' "$(of swarm)"
rm azure/faults.json

# ---- what cannot be had ----

echo '[{"request":"GET *virtualMachineScaleSets/agents/*","status":403,"code":"AuthorizationFailed","message":"not\u001b[2J for you"}]' >azure/faults.json
expect 'one part refused: what, and the rest' 1 'azswarm: status: .*AuthorizationFailed: not' "$AZSWARM" status
"$AZSWARM" status >status.out 2>/dev/null
check 'the part says so' grep -q '^cluster .*AuthorizationFailed: not.*for you' status.out
check 'the rest is there' grep -q "^storage  *$account" status.out
check 'and half a bill is not shown' sh -c '! grep -q "^paid for" status.out'
check 'the swarm is asked all the same' grep -q '^swarm  *these machines exist on paper' status.out
check 'no cursor moves' sh -c '! grep -q "$(printf "\\033")" status.out'
rm azure/faults.json
mv keys elsewhere
expect 'without keys' 0 '^masters  *1 of 1 running' "$AZSWARM" status
mv elsewhere keys
expect 'not signed in' 4 'not signed in|AADSTS' env -u AZURE_CLIENT_ID -u AZURE_CLIENT_SECRET \
	AZURE_TOKEN_CREDENTIALS=LoginCredential XDG_CACHE_HOME="$PWD/none" "$AZSWARM" status
env -u AZURE_SUBSCRIPTION_ID "$AZSWARM" status >status.out 2>&1
check 'no subscription is set: the only one' grep -q '^masters  *1 of 1 running' status.out
echo '[{"request":"GET */subscriptions?*","status":200,"body":"{\"value\":[{\"subscriptionId\":\"a\",\"displayName\":\"A\"},{\"subscriptionId\":\"b\",\"displayName\":\"B\"}]}"}]' >azure/faults.json
expect 'no subscription is set, of two: who I am, and what to set' 0 \
	'^the cluster is not shown: which subscription\?  Set AZURE_SUBSCRIPTION_ID' env -u AZURE_SUBSCRIPTION_ID "$AZSWARM" status
check '... and the sign-in' grep -q '^credential ' out
rm azure/faults.json
"$AZSWARM" status --output tsv >tsv
same 'TSV is the sign-in, in a line' '1 8' "$(wc -l <tsv) $(tr '\t' '\n' <tsv | wc -l)"

# ---- --watch ----

expect '--watch: wants a terminal' 2 'stdout is none' "$AZSWARM" status --watch
cat >watch.py <<'P'
# status --watch on a terminal of 40 rows, then of 6; Ctrl-C.  Tells how it was.
import fcntl, os, pty, re, signal, struct, sys, termios, time

pid, fd = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execv(sys.argv[1], [sys.argv[1], 'status', '--watch'])


def size(rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))


size(40, 100)
before = termios.tcgetattr(fd)
data, frames, deadline, shrunk = b'', [], time.time() + 40, 0
while time.time() < deadline and len(frames) < 6:
    try:
        data += os.read(fd, 65536)
    except OSError:
        break
    frames = data.split(b'\x1b[H')[1:]
    if len(frames) == 3 and not shrunk:
        size(6, 30)
        shrunk = 3
os.kill(pid, signal.SIGINT) if sys.argv[2] == 'kill' else os.write(fd, b'\x03')
while True:
    try:
        more = os.read(fd, 65536)
    except OSError:
        break
    if not more:
        break
    data += more
status = os.waitpid(pid, 0)[1]


def lines(frame):
    text = re.sub(rb'\x1b\[[0-9;?]*[A-Za-z]', b'', frame).decode()
    return text.replace('\r', '').split('\n')


first, last = lines(frames[1]), lines(frames[-1])
print('exit', os.WEXITSTATUS(status) if os.WIFEXITED(status) else 'signal')
print('cluster', sum('swarm-cluster in eastus' in x for x in first))
print('sign-in', sum(x.startswith('credential') for x in first))
print('last rows', len(last) - 1, max(map(len, last)), 'more' if 'more lines' in last[-2] else '')
print('cleared', data.count(b'\x1b[2J'), 'modes', set(re.findall(rb'\x1b\[\?[0-9]+[hl]', data)))
print('tail', data[data.rindex(b'\x1b[J') + 3:])
P
: >record
python3 watch.py "$AZSWARM" key >watched 2>&1
same '--watch: Ctrl-C ends it' 'exit 0' "$(grep '^exit' watched)"
same '--watch: the cluster, without the sign-in' 'cluster 1 sign-in 0' "$(grep -E '^(cluster|sign-in)' watched | xargs)"
same '--watch: a small terminal, nothing scrolls' 'last rows 5 30 more' "$(grep '^last' watched | xargs)"
same '--watch: the terminal is as it was' 'cleared 1 modes set()' "$(grep '^cleared' watched)"
same '--watch: nothing is said behind it' "tail b'^C'" "$(grep '^tail' watched)"
same '--watch: Azure is asked once in that time' 1 "$(grep -c 'virtualMachineScaleSets/agents/virtualMachines' record)"

# ---- three masters, of which the first knows of no swarm ----

# port 22 wants a network of its own; asyncssh is for Debian's Python
cat >masters.sh <<'X'
ip link set lo up
mkdir places three
cd three
"$AZSWARM" keys --quiet
"$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure >../three.log 2>&1 &
azure=$!
/usr/bin/python3 -W ignore "$SRCDIR/tests/paper_cluster.py" ../masters.ready keys "$PWD/../places" >../masters.log 2>&1 &
player=$!
trap 'kill $azure $player' EXIT
n=0
until [ -e ../masters.ready ] && grep -q '^ready ' ../three.log; do
	sleep 0.2
	[ $((n += 1)) -lt 150 ] || exit 1
done
. ./azure/env
export MASTER_COUNT=3
"$AZSWARM" up --yes --quiet >../up.log 2>&1 || exit 1
for address in $("$AZSWARM" list-endpoints --output tsv | sed -n 's/^master[0-9]-ip	\([^	]*\)	.*/\1/p'); do
	mkdir -p ../places/$address
	echo $address
done >../addresses
refuse='{"services":{},"networks":{},"changes":0,"refuses":"This node is not a swarm manager."}'
for address in none $(cat ../addresses); do
	[ $address = none ] || echo "$refuse" >../places/$address/swarm.json
	"$AZSWARM" status 2>&1 | sed -n 's/^swarm  *//p'
done
X
own=
for own in 'unshare -n' 'unshare -rn' ''; do
	[ -n "$own" ] && $own true 2>/dev/null && break
done
if [ -z "$own" ] || ! /usr/bin/python3 -c 'import asyncssh' 2>/dev/null; then
	skip 'three masters' 'no network of its own, or no asyncssh'
else
	$own sh masters.sh >told 2>masters.err
	well='1 of 1 managers reachable; tolerates the loss of 0'
	same 'three masters: the first that can tell' "$well|$well|$well|these machines exist on paper" \
		"$(cut -d';' -f1,2 told | sed "s/; 'azswarm.*//" | paste -sd'|')"
fi

# ---- to nothing ----

az destroy-compute --confirm swarm-cluster
same 'gone again' "nothing is deployed; 'azswarm up' makes it|$account (Standard_LRS) in swarm-storage" \
	"$(of cluster)|$(of storage)"
exit $((test_failures != 0))
