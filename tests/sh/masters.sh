# Three masters and an agent on real machines: how they come together, and what
# is left of them when machines go and come back.  Raft is read from the engines.
#
# On 42e959b: they take a minute to form; the leader, off for longer than the
# grace, is out of the swarm for good; the machine that is made anew leaves a
# ghost that raft counts; master0, made anew while the others are off, says
# nothing of what it waits for and founds a second swarm after a minute; rows that
# a swarm begun by force keeps are there for ever, and the old majority is back.
# time: 420
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq, openssl
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq openssl python3
grace=20	# seconds, in place of 120

swarm_azure
export MASTER_COUNT=3 AGENT_COUNT=1
must keys az keys
must deploy-storage az deploy-storage
must params az params
must 'nodes that are quick' quick_nodes $grace
must deploy-compute az deploy-compute

# ---- what the engines say ----

whole='agents000000 Ready;master0 Ready M;master1 Ready M;master2 Ready M;'
is_whole()	# MASTER: all of them, each once, and raft reaches its three
{
	[ "$(rows "$1" | sed 's/Leader$/M/; s/Reachable$/M/' | tr '\n' ';')" = "$whole" ] &&
		[ "$(on "$1" docker info --format '{{.Swarm.Managers}}')" = 3 ]
}

cluster_of() { on "$1" docker info --format '{{if .Swarm.Cluster}}{{.Swarm.Cluster.ID}}{{end}}' 2>/dev/null; }
node_of() { on "$1" docker info --format '{{.Swarm.NodeID}}' 2>/dev/null; }
state_of() { on "$1" docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null; }
log() { on "$1" journalctl -u swarm-helper --no-pager -o cat; }
said() { log "$1" | grep -qE "$2"; }
agent_said() { on agents000000 journalctl -u swarm-agent --no-pager -o cat | grep -qE "$1"; }

soon()		# CASE SECONDS COMMAND...: seconds of a quiet machine
{
	soon_case=$1 soon_s=$2 soon_from=$(date +%s)
	shift 2
	if wait_for "$soon_s" "$@"; then
		ok "$soon_case"
		echo "# $soon_case: $(($(date +%s) - soon_from)) s"
	else
		not_ok "$soon_case" "$(for m in master0 master1 master2; do echo "$m:"; rows $m; log $m | tail -n 4; done 2>&1 | tr '\n' ' ')"
	fi
}

# ---- they come together ----

soon 'three masters form' 60 is_whole master0
cluster=$(cluster_of master0)
same 'one of them founded' 1 "$(for m in master0 master1 master2; do log $m; done | grep -c '^founded a swarm')"
same 'one made the marker' 1 "$(for m in master0 master1 master2; do log $m; done | grep -c "marker is made: this master founds$")"
# by the machines' own clocks, which is one: helper up, helper in the swarm
formed()
{
	for m in master0 master1 master2; do
		on $m journalctl -u swarm-helper --no-pager -o short-unix
	done | awk '/helper: answering/ { if ($1 > up) up = $1 }
		/founded a swarm|joined the swarm of/ { if ($1 > in_it) in_it = $1 } END { printf "%d\n", in_it - up + 0.5 }'
}
echo "# from the last helper's start to three managers: $(formed) s"
check 'without waiting out a silence' test "$(formed)" -lt 50
for m in master0 master1 master2; do
	same "$m knows its swarm" "$cluster 1 600" "$(on $m cat /var/lib/swarm-helper/life.json | jq -r '"\(.cluster) \(.generation)"') $(on $m stat -c %a /var/lib/swarm-helper/life.json)"
done

# something to lose
on master0 docker service create -q -d --name front --mode global --constraint node.role==worker \
	"127.0.0.1:1339/azswarm:$(cat "$SRCDIR/VERSION")" demo >/dev/null
runs() { on agents000000 docker ps -q --no-trunc -f label=com.docker.swarm.service.name=front; }
has_task() { [ -n "$(runs)" ]; }
soon 'a service runs on the agent' 60 has_task
task=$(runs)
agent=$(node_of agents000000)

# ---- the leader is off for longer than the grace, and another is made anew at once ----

lead=$(leader master0)
others=$(echo master0 master1 master2 | tr ' ' '\n' | grep -v "^$lead$")
one=$(echo "$others" | head -n 1) two=$(echo "$others" | tail -n 1)
off=$(node_of "$lead")
driver cut "$lead"
off_at=$(date +%s)
is_down() { rows "$one" | grep -q "^$lead Down Unreachable$"; }
soon 'the leader is off: the others have another' 40 is_down
left=$((grace + 15 - ($(date +%s) - off_at)))
[ $left -le 0 ] || sleep $left
check 'beyond the grace it is still a manager' is_down
driver start "$lead"
back() { is_whole "$one" && [ "$(node_of "$lead")" = "$off" ]; }
soon 'it is back as the same one' 60 back

ghost=$(node_of "$two")
driver cut "$two"
driver reimage "$two"
soon 'another is made anew: three of three again' 90 is_whole "$one"
check 'as another node' test "$(node_of "$two")" != "$ghost"
same 'in the same swarm' "$cluster $cluster" "$(cluster_of "$one") $(cluster_of "$two")"

# ---- master0 is made anew while the others are off ----

driver cut master1
driver cut master2
driver cut master0
driver reimage master0
waits() { said master0 'no swarm: the swarm was founded by master[0-2] at 20.*restore FILE'; }
soon 'master0, made anew and alone: says what it waits for' 40 waits
check 'to systemd, too' eval 'on master0 systemctl status swarm-helper | grep -q "Status: .no swarm: the swarm was founded"'
same 'and founds none' inactive "$(state_of master0)"
same 'what runs on the agent runs on' "$task" "$(runs)"
driver start master1
driver start master2
soon 'the others are back: it joins them' 90 is_whole master0
same 'the same swarm' "$cluster" "$(cluster_of master0)"
same 'the agent never left' "$agent $task" "$(node_of agents000000) $(runs)"

all_ends()
{
	for m in master0 master1 master2; do
		same "$m: no token, no secret in its journal" 0 "$(log $m | grep -cE 'SWMTKN|sig=')"
		same "$m: memory of its helper" yes "$(on $m sh -c 'awk "/^Pss_Anon:/ { print (\$2 <= 4096 ? \"yes\" : \$2 \" KiB\") }" /proc/$(systemctl show -P MainPID swarm-helper)/smaps_rollup')"
	done
	swarm_end
	exit $((test_failures != 0))
}
# what is behind this takes two minutes more: make drill
[ -n "${DRILL_MASTERS-}" ] || all_ends

# ---- the majority is lost: begun anew by force, in the operator's name ----

driver cut master1
driver cut master2
soon 'no leader' 30 no_leader master0
on master0 docker swarm init --force-new-cluster --advertise-addr 10.77.0.10 >/dev/null 2>force.log ||
	not_ok 'force-new-cluster' "$(tail -n 2 force.log | tr '\n' ' ')"
only() { [ "$(rows master0 | grep master)" = 'master0 Ready Leader' ]; }
soon 'rows of role alone go' $((grace + 50)) only

# what `recover` does, by a query signed with the account's key
cat >signed.py <<-'END2'
	import base64, hashlib, hmac, sys, time, urllib.parse
	u = urllib.parse.urlsplit(sys.argv[1])
	end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
	text = "\n".join(["rw", "", end, "/blob/" + u.hostname.split(".")[0] + u.path, "", "", "https", "2021-12-02", "b"] + [""] * 7)
	mac = hmac.new(base64.b64decode(sys.stdin.read()), text.encode(), hashlib.sha256).digest()
	print(u._replace(query=urllib.parse.urlencode({"sp": "rw", "se": end, "spr": "https", "sv": "2021-12-02",
	      "sr": "b", "sig": base64.b64encode(mac).decode()})).geturl())
END2
raise()		# GENERATION
{
	on master0 sed -n 's/^password=//p' /etc/azswarm/share.cred |
		python3 signed.py "$(on master0 cat /etc/azswarm/node.json | jq -r .marker_url)" >signed
	printf '{"founder":"%032d","by":"an operator","at":%s,"generation":%s,"cluster":"%s"}' 0 "$(date +%s)" "$1" "$cluster" >marker.json
	curl -sS -o raise.out -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X PUT -H 'x-ms-blob-type: BlockBlob' \
		-H 'Content-Type: application/json' --data-binary @marker.json "$(cat signed)"
}
same 'the marker is raised' 201 "$(raise 2)"
# the old majority: two of three, under the same ID; what they ask for tells master0
driver start master1
driver start master2
soon 'master0 has the newer swarm' 75 said master0 'begun anew by an operator, here: generation 2'
soon 'the agent is in it, and did not leave' 30 agent_said 'begun anew by an operator, generation 2, and this node is in it'
same 'really' "$agent" "$(node_of agents000000)"
soon 'the old majority leaves and joins: one swarm' 90 is_whole master0
soon 'by all of them' 10 is_whole master1
same 'the agent never left at all' "$agent" "$(node_of agents000000)"
for m in master1 master2; do
	check "$m left the older one" said $m "leaving swarm $cluster for the cluster's newer one"
done
all_ends
