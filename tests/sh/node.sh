# time: 600
# Helper and agents against real Docker engines, each in namespaces of its
# own (network, mounts, host name, processes) over the rehearsal machines'
# root, on one bridge.  What it proves: that a swarm forms, heals and shrinks
# as node/ says, on Docker's own word.  What it cannot: systemd, cloud-init,
# the routing mesh.
# needs: root, mmdebstrap, iproute2, busybox-static, curl, jq, openssl; 4 min.
if [ -z "${NODE_SH_INSIDE-}" ] && unshare --net --mount true 2>/dev/null; then
	# the bridge, too, is in a network namespace that goes with us
	NODE_SH_INSIDE=1 exec unshare --net --mount --propagation private sh "$0"
fi
. "$SRCDIR/tests/lib.sh"
need_root
need ip nsenter unshare curl jq openssl busybox mount
[ -n "${NODE_SH_INSIDE-}" ] || skip_all "no namespaces here"

GRACE=10		# seconds; twice what an engine takes to start again
cgroup=azswarm-node-$$
if ! root=$("$SRCDIR/tests/machine-root" 2>root.log); then
	skip_all "no root for machines: $(tail -n 1 root.log)"
fi

# ---- machines ----

ip link set lo up
ip link add br0 type bridge || skip_all "no bridges here"
ip link set br0 up
echo 0 2>/dev/null >/proc/sys/net/bridge/bridge-nf-call-iptables || :

# Docker makes groups for its containers and nobody takes them away when the
# plug is pulled.
groups()
{
	find /sys/fs/cgroup -depth -type d -path "*/$cgroup-*" 2>/dev/null
}

no_groups()
{
	groups | xargs -r rmdir 2>/dev/null
	[ -z "$(groups)" ]
}

all_off()
{
	for off_m in ./*/unshare; do
		off=$(cat "$off_m" 2>/dev/null) && case " $test_pids" in
		*" $off "*) kill -9 "$off" 2>/dev/null ;;
		esac
	done
	wait_for 10 no_groups
}
at_exit all_off

# What a machine is made of, run in its new namespaces.
cat >machine <<'X'
set -e
d=$1 name=$2 root=$3
hostname "$name"
mkdir -p "$d/up" "$d/work" "$d/root" "$d/data"
mount -t overlay -o "lowerdir=$root,upperdir=$d/up,workdir=$d/work" overlay "$d/root"
cd "$d/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p var/lib/docker
mount --bind "$d/data" var/lib/docker
touch "$d/up/made"
exec chroot . sh -c 'trap : TERM; while :; do sleep 3600 & wait $!; done'
X

in_node()	# NAME COMMAND...
{
	in_node_pid=$(cat "$1/pid")
	shift
	nsenter -t "$in_node_pid" -m -n -u -i -p --root --wd -- "$@"
}

power_on()	# NAME ADDRESS
{
	mkdir -p "$1"
	rm -f "$1/up/made"
	spawn "$1/machine.log" unshare --net --mount --uts --ipc --pid --fork --kill-child \
		sh "$PWD/machine" "$PWD/$1" "$1" "$root"
	echo "$spawned" >"$1/unshare"
	wait_for 10 test -e "$1/up/made" || return 1
	ps -o pid= --ppid "$spawned" | tr -d ' ' >"$1/pid"
	ip link del "v$1" 2>/dev/null || :
	ip link add "v$1" type veth peer name eth0 netns "$(cat "$1/pid")" &&
	ip link set "v$1" master br0 up &&
	in_node "$1" ip addr add "$2/16" dev eth0 &&
	in_node "$1" ip link set eth0 up &&
	in_node "$1" ip link set lo up
}

# Like pulling the plug.
power_off()	# NAME
{
	off=$(cat "$1/unshare")
	kill -9 "$off"
	wait "$off" 2>/dev/null || :
	# its number may soon be somebody else's
	test_pids=$(echo " $test_pids" | sed "s/ $off / /")
	# the name space is gone when its last process is
	wait_for 10 sh -c "! nsenter -t $(cat "$1/pid") -p true"
}

# A program of a machine, in the background; its log is NAME/WHAT.log.
start()		# NAME WHAT COMMAND...
{
	start_name=$1 start_what=$2
	shift 2
	in_node "$start_name" sh -c 'echo $$ >/run/$1.pid; shift; exec "$@"' sh "$start_what" "$@" \
		>>"$start_name/$start_what.log" 2>&1 </dev/null &
}

signal()	# NAME WHAT SIGNAL
{
	in_node "$1" sh -c 'kill -$2 $(cat /run/$1.pid)' sh "$2" "$3"
}

ended()		# NAME WHAT
{
	! in_node "$1" sh -c 'kill -0 $(cat /run/$1.pid)' sh "$2" 2>/dev/null
}

start_docker()	# NAME
{
	start "$1" dockerd dockerd --bridge=none --exec-opt native.cgroupdriver=cgroupfs \
		--cgroup-parent "/$cgroup-$1" --log-level warn
}

# The engine's own word.
api()		# NAME METHOD PATH [BODY]
{
	in_node "$1" curl -sS --max-time 30 --unix-socket /run/docker.sock -X "$2" \
		-H 'Content-Type: application/json' ${4+-d "$4"} "http://docker/v1.41$3"
}

answers()	# NAME
{
	[ "$(api "$1" GET /_ping)" = OK ]
}

# NAME STATE AVAILABILITY ID of every row, by name and age.
table()
{
	api m0 GET /nodes | jq -r 'sort_by(.Description.Hostname, .CreatedAt)[] |
		"\(.Description.Hostname) \(.Status.State) \(.Spec.Availability) \(.ID)"'
}

rows()		# NAME
{
	table | grep -c "^$1 "
}

ready()		# NAME...
{
	for ready_n in "$@"; do
		table | grep -q "^$ready_n ready active" || return 1
	done
}

id_of()		# NAME: of the youngest row
{
	table | sed -n "s/^$1 .* //p" | tail -n 1
}

own_id()	# NAME: by its own engine
{
	api "$1" GET /info | jq -r .Swarm.NodeID
}

health()	# NAME
{
	in_node "$1" curl -s -o /dev/null -w '%{http_code}' --max-time 5 http://127.0.0.1:1338/healthz || :
}

is()		# WANTED COMMAND...
{
	is_wanted=$1
	shift
	[ "$("$@")" = "$is_wanted" ]
}

# The case holds when the command succeeds, which takes at most SECONDS on a
# quiet machine.
soon()		# CASE SECONDS COMMAND...
{
	soon_case=$1 soon_s=$2
	shift 2
	if wait_for "$soon_s" "$@"; then
		ok "$soon_case"
	else
		not_ok "$soon_case" "not in six times $soon_s s: $(table 2>&1 | tr '\n' ';') $(tail -qn 2 ./*/agent.log m0/helper.log | tr '\n' ';')"
	fi
}

now()
{
	date +%s%3N
}

said()		# NAME WHAT ERE
{
	grep -qE "$3" "$1/$2.log"
}

# ---- what cloud-init would have written ----

openssl ecparam -name prime256v1 -genkey -noout -out helper.key 2>/dev/null
pin=$(openssl ec -in helper.key -pubout -outform DER 2>/dev/null | openssl dgst -sha256 -r | cut -c 1-64)
worker=$(openssl rand -hex 32)
manager=$(openssl rand -hex 32)

configure()	# NAME ROLE [MASTERS]
{
	mkdir -p "$1/root/etc/azswarm"
	umask 077
	cat >configure.json <<X
{"role":"$2","masters":[${3-\"10.77.0.10\"}],"helper_pin":"$pin","worker_secret":"$worker",
"default_addr_pool":"10.192.0.0/12","ingress_subnet":"10.208.0.0/20","mtu":1400,
"grace_s":$GRACE,"settle_s":3,"leave_s":25,"rate":100,"metadata_host":""$([ "$2" = worker ] || echo ",\"manager_secret\":\"$manager\"")}
X
	in_node "$1" sh -c 'mkdir -p /etc/azswarm /run/swarm-helper && umask 077 && cat >/etc/azswarm/node.json' <configure.json
	[ "$2" = worker ] ||
		in_node "$1" sh -c 'umask 077 && cat >/etc/azswarm/helper.key' <helper.key
	in_node "$1" sh -c 'cat >/usr/local/bin/azswarm && chmod 755 /usr/local/bin/azswarm' <"$AZSWARM"
	umask 022
}

machine()	# NAME ADDRESS ROLE [MASTERS]
{
	machine_name=$1 machine_address=$2
	shift 2
	power_on "$machine_name" "$machine_address" && configure "$machine_name" "$@"
}

for m in "m0 10.77.0.10 manager" "w1 10.77.16.4 worker" "w2 10.77.16.5 worker"; do
	# shellcheck disable=SC2086
	machine $m || skip_all "a machine does not start: $(tail -n 1 "${m%% *}/machine.log")"
done

# ---- a swarm forms ----

# agents first: they wait for their engines, and for the helper
start w1 agent azswarm agent
start w2 agent azswarm agent
sleep 1
same "unhealthy before there is an engine" 503 "$(health w1)"
start_docker m0
wait_for 60 answers m0 || skip_all "dockerd does not start: $(tail -n 1 m0/dockerd.log)"
start m0 helper azswarm helper
start m0 agent azswarm agent
soon "the helper founds a swarm" 20 is active sh -c \
	"$(command -v nsenter) -t $(cat m0/pid) -m --root curl -s --unix-socket /run/docker.sock http://d/info | jq -r .Swarm.LocalNodeState"
cluster=$(api m0 GET /swarm | jq -r .ID)
soon "which is advertised at the master's address" 5 is 10.77.0.10:2377 sh -c \
	"$(command -v nsenter) -t $(cat m0/pid) -m --root curl -s --unix-socket /run/docker.sock http://d/info | jq -r '.Swarm.RemoteManagers[0].Addr'"
ingress()
{
	api m0 GET /networks/ingress | jq -r '"\(.IPAM.Config[0].Subnet) \(.Options["com.docker.network.driver.mtu"])"'
}
soon "with the ingress network wanted" 20 is "10.208.0.0/20 1400" ingress
same "and the address pool" '["10.192.0.0/12"] 24' \
	"$(api m0 GET /swarm | jq -rc '"\(.DefaultAddrPool) \(.SubnetSize)"')"

# the master is there: from here on an engine's answer is what an agent waits for
start_docker w1
wait_for 60 answers w1
began=$(now)
soon "an agent joins when its engine answers" 20 ready w1
spent=$(($(now) - began))
in_time()	# CASE MILLISECONDS SPENT
{
	if [ "$3" -le "$2" ]; then
		ok "$1: $3 ms"
	else
		not_ok "$1" "$3 ms"
	fi
}
in_time "and is ready within 2 s" 2000 $spent
start_docker w2
soon "another one" 30 ready w2
soon "the workers are healthy" 10 is "200 200" eval 'echo "$(health w1) $(health w2)"'
soon "the master, too" 10 is 200 health m0
for n in w1 w2; do
	same "$n joined once" 1 "$(grep -c 'joined the swarm' $n/agent.log)"
done
helper()	# PATH
{
	in_node m0 curl -sk --max-time 5 -w '%{http_code}' "https://127.0.0.1:1337$1"
}
soon "the helper is healthy" 5 eval 'helper /healthz | grep -q "\"ok\".*" && helper /healthz | grep -q 200'
check "and tells its metrics" eval 'helper /metrics | grep -qx "azswarm_nodes{state=\"ready\"} 3"'
expect "nothing is to be had without authentication" 0 'Authorization field is needed.*401|^401$' \
	helper /join/worker

# ---- what a person does to a node ----

availability()	# NAME AVAILABILITY
{
	av_id=$(id_of "$1")
	av_node=$(api m0 GET "/nodes/$av_id")
	api m0 POST "/nodes/$av_id/update?version=$(printf %s "$av_node" | jq .Version.Index)" \
		"$(printf %s "$av_node" | jq -c ".Spec + {Availability: \"$2\"}")"
}
availability w2 drain
soon "a drained node is unhealthy" 15 is 503 health w2
availability w2 active
soon "and healthy when active again" 15 is 200 health w2

# ---- tasks move before a node leaves ----

mkdir image
cp "$(command -v busybox)" image/sh
ln image/sh image/sleep
for n in m0 w1 w2; do
	tar -C image -c . | in_node $n curl -sS --unix-socket /run/docker.sock -H 'Content-Type: application/x-tar' \
		--data-binary @- 'http://docker/v1.41/images/create?fromSrc=-&repo=127.0.0.1:9/still&tag=1' >/dev/null
done
api m0 POST /services/create '{"Name":"still","TaskTemplate":{"ContainerSpec":{"Image":"127.0.0.1:9/still:1",
	"Command":["/sh","-c","trap \"exit 0\" TERM; while :; do /sleep 1; done"]}},
	"Mode":{"Replicated":{"Replicas":4}}}' >service.json
running_on()	# NAME: tasks, by the managers
{
	ro_id=$(id_of "$1")
	api m0 GET '/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D' |
		jq "[.[] | select(.NodeID == \"$ro_id\" and .Status.State == \"running\")] | length"
}
all_running()
{
	[ $(($(running_on m0) + $(running_on w1) + $(running_on w2))) -eq 4 ]
}
soon "a service runs" 60 all_running
containers()	# NAME
{
	api "$1" GET '/containers/json?filters=%7B%22label%22%3A%5B%22com.docker.swarm.task%22%5D%7D' | jq length
}
check "also on w1" test "$(containers w1)" -gt 0

first=$(own_id w1)
began=$(now)
in_node w1 azswarm agent leave >leave.log 2>&1 &
leave=$!
soon "a leaving node is unhealthy at once" 2 is 503 health w1
if wait $leave; then ok "agent leave ends well"; else not_ok "agent leave ends well" "$(cat leave.log)"; fi
spent=$(($(now) - began))
in_time "and in time" 45000 $spent
check "not before the load balancer had let go" test $spent -ge 15000
check "it had been drained" said m0 helper "node w1 \($first\): the load balancer has let go, draining"
check "and was out" said m0 helper "node w1 \($first\): out of service$"
same "its engine is in no swarm" inactive "$(api w1 GET /info | jq -r .Swarm.LocalNodeState)"
same "its containers are gone" 0 "$(containers w1)"
soon "the helper was told" 3 said m0 helper "node w1 \($first\) has left"
soon "the tasks run elsewhere" 20 all_running
soon "its row goes as soon as it is down" 25 is 0 rows w1
check "for that reason" said m0 helper "node w1 \($first\) removed: it said that it goes, and went"
sleep 3
same "a running agent does not join again" inactive "$(api w1 GET /info | jq -r .Swarm.LocalNodeState)"
signal w1 agent TERM
soon "it ends on SIGTERM" 5 ended w1 agent
start w1 agent azswarm agent
soon "a started one joins" 15 ready w1
check "as a new node" test "$(own_id w1)" != "$first"
soon "and is healthy" 10 is 200 health w1

# ---- restarts that must change nothing ----

first=$(own_id w1)
signal w1 agent KILL
soon "an agent is killed" 5 ended w1 agent
start w1 agent azswarm agent
soon "and started again" 10 is 200 health w1
same "its node is the same" "$first" "$(own_id w1)"
signal w1 dockerd TERM
soon "an engine is restarted" 20 ended w1 dockerd
soon "unhealthy meanwhile" 5 is 503 health w1
start_docker w1
soon "healthy again" 40 is 200 health w1
same "its node is the same, too" "$first" "$(own_id w1)"
signal m0 helper TERM
soon "the helper ends on SIGTERM" 5 ended m0 helper
soon "nodes stay healthy without it" 5 is "200 200" eval 'sleep 3; echo "$(health w1) $(health w2)"'
start m0 helper azswarm helper
soon "and is started again" 10 eval 'helper /healthz | grep -q 200'
same "the swarm is the same" "$cluster" "$(api m0 GET /swarm | jq -r .ID)"
signal m0 dockerd TERM
soon "the master's engine is restarted" 20 ended m0 dockerd
start_docker m0
soon "nobody founds a second swarm" 30 is "$cluster" eval 'api m0 GET /swarm | jq -r .ID'
soon "and all are ready again" 60 ready m0 w1 w2
expect "a manager's agent leaves nothing" 0 'a manager stays' in_node m0 azswarm agent leave
same "really" "$cluster" "$(api m0 GET /swarm | jq -r .ID)"
signal m0 agent TERM
wait_for 5 ended m0 agent
start m0 agent azswarm agent

# ---- an engine that cannot be in its swarm any more ----

# A certificate that ran out while the machine was off, to an engine, is one that
# cannot be read: it says that it is in a swarm, and has no ID.
lost=$(own_id w1)
signal w1 dockerd TERM
soon "an engine ends" 20 ended w1 dockerd
in_node w1 sh -c ': >/var/lib/docker/swarm/certificates/swarm-node.crt'
start_docker w1
wait_for 60 answers w1
began=$(now)
soon "its certificate is gone: its swarm's state is an error" 20 is error eval \
	'api w1 GET /info | jq -r .Swarm.LocalNodeState'
same "and it does not tell its ID" '' "$(own_id w1)"
soon "which the agent says" 10 said w1 agent 'the engine.s swarm is "error"'
another()	# NAME ID: it has an ID, and not that one
{
	another_id=$(own_id "$1")
	[ -n "$another_id" ] && [ "$another_id" != "$2" ]
}
soon "it leaves by force and joins as another node" 60 another w1 "$lost"
echo "# $(($(now) - began)) ms after its engine answered"
soon "and is well" 15 is 200 health w1
soon "alone under its name, too" 60 is 1 rows w1

# the same of a master: its state is all that there is of the swarm
signal m0 dockerd TERM
soon "a master's engine ends" 20 ended m0 dockerd
# all of it is kept: an engine that finds it broken may clear it away
in_node m0 sh -c 'cd /var/lib/docker && cp -a swarm kept && : >swarm/certificates/swarm-node.crt'
start_docker m0
wait_for 60 answers m0
soon "a master in an error says so" 30 said m0 helper 'the engine.s swarm is "error"'
soon "also to the load balancer" 10 is 503 health m0
sleep 25	# longer than an agent waits
same "and leaves nothing" error "$(api m0 GET /info | jq -r .Swarm.LocalNodeState)"
signal m0 dockerd TERM
soon "its engine ends again" 20 ended m0 dockerd
in_node m0 sh -c 'cd /var/lib/docker && rm -rf swarm && mv kept swarm'
start_docker m0
soon "with its certificate it is what it was" 60 is "$cluster" eval 'api m0 GET /swarm | jq -r .ID'
soon "and all are ready after that" 60 ready m0 w1 w2

# ---- a disk that fills, an engine that hangs ----

gateway()	# NAME
{
	api "$1" GET /networks/docker_gwbridge | jq -r '.Options["com.docker.network.driver.mtu"]'
}
same "containers reach the world by bridges of the network's MTU" "1400 1400" "$(gateway m0) $(gateway w1)"
same "really" 1400 "$(in_node w1 cat /sys/class/net/docker_gwbridge/mtu)"

signal w2 dockerd STOP
began=$(now)
soon "an engine that hangs is not called well" 8 is 503 health w2
in_time "soon" 20000 $(($(now) - began))
signal w2 dockerd CONT
soon "until it goes on" 20 is 200 health w2

in_node w2 mount -t tmpfs -o size=900m full /var/lib/docker/tmp
in_node w2 sed -i 's|"metadata_host"|"docker_root":"/var/lib/docker/tmp","metadata_host"|' /etc/azswarm/node.json
signal w2 agent TERM
wait_for 5 ended w2 agent
start w2 agent azswarm agent
soon "a node with next to no room takes no new tasks" 20 eval 'table | grep -q "^w2 ready pause"'
soon "and is well" 10 is 200 health w2
same "which stands in its row" room,paused "$(api m0 GET "/nodes/$(own_id w2)" | jq -r '.Spec.Labels["azswarm.lacks"]')"
in_node w2 mount -o remount,size=100m /var/lib/docker/tmp
soon "with no room it is not" 20 is 503 health w2
in_node w2 mount -o remount,size=2g /var/lib/docker/tmp
soon "with some again it is active" 30 ready w2
soon "and well again" 20 is 200 health w2
in_node w2 umount /var/lib/docker/tmp

# ---- machines that die ----

dead=$(own_id w2)
power_off w2
soon "a dead machine is down for the swarm" 60 eval 'table | grep -q "^w2 down"'
down=$(now)
soon "and removed after the grace" $((GRACE + 20)) is 0 rows w2
spent=$(($(now) - down))
if [ $spent -ge $(((GRACE - 3) * 1000)) ]; then
	ok "not before"
else
	not_ok "not before" "after $spent ms, the grace is $GRACE s"
fi
check "for that reason, too" said m0 helper "node w2 \($dead\) removed: down for longer"

# it comes back with its old disk: a member of a swarm that does not know it
machine w2 10.77.16.5 worker
start_docker w2
wait_for 60 answers w2
start w2 agent azswarm agent
soon "a machine that comes back joins anew" 40 ready w2
check "as a new node, too" test "$(own_id w2)" != "$dead"
check "having left what it was in" said w2 agent "leaving the swarm: "

# a reimaged machine is back before the grace is over: the old row is superseded
dead=$(own_id w1)
power_off w1
rm -rf --one-file-system w1/up w1/data w1/work
machine w1 10.77.16.4 worker
start_docker w1
wait_for 60 answers w1
start w1 agent azswarm agent
soon "a reimaged machine joins under its old name" 30 eval 'table | grep "^w1 ready active" | grep -vq "$dead"'
soon "the old row goes before the grace is over" 45 said m0 helper \
	"node w1 \($dead\) removed: a newer node of that name, role and address is ready"
same "one row is left" 1 "$(rows w1)"

# ---- a leave that nobody hears, and one that breaks off ----

# drained by its word, but still there: active again on the operator's word.  The
# helper is asked by hand, as an agent of 0.1 does
gone=$(own_id w2)
signal w2 agent TERM
wait_for 5 ended w2 agent
nonce=$(helper /nonce | jq -r '.nonce? // empty' 2>/dev/null | head -n 1)
target=/drain/$gone
mac=$(printf 'azswarm 1\nPOST\n%s\n%s\nw2\n' "$target" "$nonce" |
	openssl dgst -sha256 -mac HMAC -macopt "hexkey:$worker" -r | cut -c 1-64)
expect "authentication as documented, made with OpenSSL" 0 '"stage":"quiet","by":"shutdown"' \
	in_node w2 curl -sk --max-time 10 -X POST -H "Authorization: Azswarm name=w2, nonce=$nonce, mac=$mac" \
	"https://10.77.0.10:1337$target"
expect "the same request again" 0 'used before' \
	in_node w2 curl -sk --max-time 10 -X POST -H "Authorization: Azswarm name=w2, nonce=$nonce, mac=$mac" \
	"https://10.77.0.10:1337$target"
nonce=$(helper /nonce | jq -r '.nonce? // empty' 2>/dev/null | head -n 1)
target=/drain/$(own_id w1)
mac=$(printf 'azswarm 1\nPOST\n%s\n%s\nw1\n' "$target" "$nonce" |
	openssl dgst -sha256 -mac HMAC -macopt "hexkey:$worker" -r | cut -c 1-64)
expect "draining another node by its name" 0 'is at 10.77.16.4, and you call from 10.77.16.5' \
	in_node w2 curl -sk --max-time 10 -X POST -H "Authorization: Azswarm name=w1, nonce=$nonce, mac=$mac" \
	"https://10.77.0.10:1337$target"
same "which is still active" "w1 ready active" "$(table | sed -n 's/^\(w1 [^ ]* [^ ]*\).*/\1/p')"
soon "a node that goes is drained in the end" 40 eval 'table | grep -q "^w2 ready drain"'
operator()	# METHOD PATH: on the helper's socket
{
	in_node m0 curl -sS --max-time 10 -X "$1" --unix-socket /run/swarm-helper/helper.sock "http://helper$2"
}
expect "the operator sees it" 0 '"stage":"(drain|out)","by":"shutdown"' operator GET /evict/w2
expect "and takes it back" 0 '"availability":"active"' operator POST /return/w2
soon "a node that goes and stays is made active again" 10 ready w2
check "on its helper's word" said m0 helper "node w2 \($gone\) stays: back into service"
start w2 agent azswarm agent
soon "an agent started then keeps its node" 15 is 200 health w2
same "the same one" "$gone" "$(own_id w2)"

# one that was killed in the middle: started again, the agent joins anew
start w2 leave azswarm agent leave
soon "a leave begins" 10 eval 'operator GET /evict/w2 | grep -q "\"stage\":\"quiet\""'
signal w2 leave KILL
signal w2 agent TERM
wait_for 10 ended w2 agent
start w2 agent azswarm agent
soon "a leave that breaks off: the agent joins anew" 40 said w2 agent 'this node had said that it goes, and was started again'
soon "as another node" 30 another w2 "$gone"
soon "and is ready" 30 eval 'table | grep -q "^w2 ready active $(own_id w2)"'
soon "alone under its name" 45 is 1 rows w2

# ---- evicted by the operator, and back ----

gone=$(own_id w2)
expect "an evict tells what will be noticed" 0 '"stage":"(asked|quiet)","by":"operator".*"noticed":' operator POST /evict/w2
soon "unhealthy first" 20 is 503 health w2
same "and not drained yet" "w2 ready active" "$(table | sed -n 's/^\(w2 [^ ]* [^ ]*\).*/\1/p')"
signal m0 helper KILL
wait_for 5 ended m0 helper
start m0 helper azswarm helper
soon "out, although the helper was killed on the way" 60 eval 'operator GET /evict/w2 | grep -q "\"stage\":\"out\""'
same "nothing runs there" 0 "$(containers w2)"
soon "all runs elsewhere" 20 all_running
expect "back" 0 '"availability":"active"' operator POST /return/w2
soon "and healthy" 20 is 200 health w2
same "it never left" "$gone" "$(own_id w2)"

signal m0 helper TERM
wait_for 5 ended m0 helper
began=$(now)
expect "a leave without a helper ends well" 0 'not drained' in_node w2 azswarm agent leave
spent=$(($(now) - began))
in_time "in time, too" 55000 $spent
same "and has left" inactive "$(api w2 GET /info | jq -r .Swarm.LocalNodeState)"
start m0 helper azswarm helper

# ---- a rebuilt master0 among several ----

machine m1 10.77.0.11 manager '"10.77.0.11","10.77.0.10"'
start_docker m1
wait_for 60 answers m1
start m1 helper azswarm helper
soon "a rebuilt master joins instead of founding" 20 said m1 helper 'joined the swarm of 10.77.0.10:2377 as a manager'
soon "the swarm there is" 10 is "$cluster" eval 'api m1 GET /swarm | jq -r .ID'
start m1 agent azswarm agent
soon "and is healthy" 15 is 200 health m1

# ---- at rest ----

rss()		# NAME WHAT: KiB
{
	in_node "$1" sh -c 'sed -n "s/^Rss:[ \t]*\([0-9]*\).*/\1/p" /proc/$(cat /run/$1.pid)/smaps_rollup' sh "$2"
}
sleep 3
for p in "m0 helper" "m1 helper" "m0 agent" "w1 agent"; do
	# shellcheck disable=SC2086
	kib=$(rss $p)
	if [ "${kib:-99999}" -le 4096 ]; then
		ok "memory of $p: $kib KiB"
	else
		not_ok "memory of $p" "${kib:-?} KiB"
	fi
done
for secret in "$worker" "$manager" SWMTKN; do
	if grep -q "$secret" ./*/agent.log ./*/helper.log leave.log; then
		not_ok "no secret in the journal" "there is one"
	fi
done
ok "the journal was read for secrets"

check "nothing of the machines is left" all_off
