# Services on a cluster of real machines: deployed, scaled, looked at through
# SSH by the program alone.  What it claims is asked of the engine on the
# master, of the tasks themselves, of curl and of an unmodified docker CLI.
# time: 500
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq, redis-server, python3
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
. "$SRCDIR/tests/redis-image.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq python3 script

# ---- tools -----------------------------------------------------------------

services()
{
	on master0 docker service ls --format '{{.Name}}' | sort | xargs
}

# ---- a cluster ---------------------------------------------------------------

swarm_azure
expect 'before there are keys' 1 "keys/.* is not there; 'azswarm keys' makes it" "$AZSWARM" ssh master0
must keys az keys
expect 'before there is a cluster' 1 'ResourceGroupNotFound|there is no master' \
	"$AZSWARM" deploy-replicated-service
swarm_up

# ---- ssh ---------------------------------------------------------------------

expect 'ssh: a command on a master' 0 '^master0$' "$AZSWARM" ssh master0 uname -n
expect 'ssh: an agent, through a master' 0 '^agents000000$' "$AZSWARM" ssh agents000000 uname -n
address=$(on master0 docker node inspect agents000001 --format '{{.Status.Addr}}')
expect 'ssh: an agent by its address' 0 '^agents000001$' "$AZSWARM" ssh "$address" uname -n
expect 'ssh: the status of the command' 7 '' "$AZSWARM" ssh agents000000 exit 7
expect 'ssh: flags behind the name are the command'\''s' 0 '^Linux .*GNU' "$AZSWARM" ssh master0 uname -s --operating-system
expect 'ssh: nobody of that name' 2 'there is no node "nobody" that is Ready' "$AZSWARM" ssh nobody true
head -c 20000000 /dev/urandom >blob
same 'ssh: 20 MB through cat and back' "$(sha256sum <blob)" "$(az ssh agents000000 cat <blob | sha256sum)"
printf 'tty\nexit 3\n' | script -qec "'$AZSWARM' ssh" /dev/null >typed
same 'ssh: a shell, its status' 3 $?
check 'ssh: a shell on a terminal' grep -q '/dev/pts/' typed

mkdir -p stranger && cp -rp keys stranger/ && cp -p keys/host-agent.pub stranger/keys/host-master.pub
seen=$(ssh-keygen -lf keys/host-master.pub | cut -d' ' -f2)
wanted=$(ssh-keygen -lf keys/host-agent.pub | cut -d' ' -f2)
(cd stranger && "$AZSWARM" ssh master0 touch /tmp/was-here >out 2>&1 </dev/null)
same 'wrong host key: refused' 1 $?
same 'wrong host key: expected and seen are named' "$wanted expected, $seen seen" \
	"$(grep -o 'SHA256:[^ ]* expected, SHA256:[^ ]* seen' stranger/out)"
check 'wrong host key: nothing ran there' sh -c '! '"'$azure_dir/driver-nspawn'"' exec master0 '"'$(machine_dir master0)'"' -- test -e /tmp/was-here'

# the operator's own key, by file and by agent
mkdir -p own/.ssh && cp -p keys/cluster.pem own/.ssh/id_rsa && cp -p keys/cluster.pub own/.ssh/id_rsa.pub
expect 'OWN_KEY: by its file' 0 '^cluster$' env -u SSH_AUTH_SOCK HOME="$top/own" OWN_KEY=true \
	"$AZSWARM" ssh master0 id -un
if command -v ssh-agent >/dev/null; then
	spawn agent.log ssh-agent -D -a "$top/agent.sock"
	wait_for 5 test -S agent.sock
	SSH_AUTH_SOCK=$top/agent.sock ssh-add -q own/.ssh/id_rsa
	rm own/.ssh/id_rsa
	expect 'OWN_KEY: by the agent' 0 '^cluster$' env SSH_AUTH_SOCK="$top/agent.sock" \
		HOME="$top/own" OWN_KEY=true "$AZSWARM" ssh agents000000 id -un
fi

# ---- a service of eight --------------------------------------------------------

expect 'scale before it is there' 1 "is not there; 'azswarm deploy-replicated-service' makes it" \
	"$AZSWARM" scale-service-4
expect deploy-replicated-service 0 'service replicated: 8 of 8 tasks run' "$AZSWARM" deploy-replicated-service
same 'eight tasks' 8 "$(count replicated)"
same 'on all nodes' 'agents000000 agents000001 master0' "$(tasks replicated | cut -d' ' -f1 | sort -u | xargs)"
image=$(on master0 docker service inspect replicated --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}')
case $image in
127.0.0.1:1339/azswarm:*@sha256:*) ok 'from the registry of the nodes, by digest' ;;
*) not_ok 'from the registry of the nodes, by digest' "$image" ;;
esac
for m in master0 agents000000 agents000001; do
	check "a task answers on $m" sh -c "printf '%s' \"\$1\" | grep -q '<html'" - "$(ask replicated $m /)"
done
had=$(tasks replicated)
expect 'the same again' 0 'service replicated: 8 of 8 tasks run' "$AZSWARM" deploy-replicated-service
same 'leaves the tasks alone' "$had" "$(tasks replicated)"
expect 'scale up' 0 '10 of 10 tasks run' "$AZSWARM" scale-service 10
same 'ten tasks' 10 "$(count replicated)"
expect 'scale down' 0 'service replicated: 3 of 3 tasks run' "$AZSWARM" scale-service-3
same 'three tasks' 3 "$(count replicated)"
expect 'scale to where it is' 0 '3 of 3 tasks run' "$AZSWARM" scale-service-3
expect 'scale to none' 0 '0 of 0 tasks run' "$AZSWARM" scale-service-0
same 'no task' 0 "$(count replicated)"
expect 'deployed again: what the second says' 0 '8 of 8 tasks run' "$AZSWARM" deploy-replicated-service
expect 'scale: not a number' 2 'expected a number of tasks, 0 to 1000' "$AZSWARM" scale-service x
expect 'scale: too many' 2 'expected a number of tasks, 0 to 1000' "$AZSWARM" scale-service-1001

# one task after the other, which takes its time
had=$(tasks replicated)
spawn update.log "$AZSWARM" update-service
update=$spawned
wait_for 20 grep -q 'service replicated: .* of 8 tasks run' update.log
expect 'update-service: who comes meanwhile is told' 3 "is at 'update-service' since .* --break-lock" \
	"$AZSWARM" deploy-global-service
wait "$update"
same update-service 0 $?
check 'update-service: says what runs' grep -q 'service replicated: 8 of 8 tasks run' update.log
same 'all its tasks are new' '' "$(tasks replicated | grep -xF "$had")"
same 'eight of them' 8 "$(count replicated)"

# ---- one task a node ------------------------------------------------------------

expect deploy-global-service 0 'service global: 3 of 3 tasks run' "$AZSWARM" deploy-global-service
same 'global: one a node' 'agents000000 agents000001 master0' "$(tasks global | cut -d' ' -f1 | xargs)"
expect 'global: the same again' 0 '3 of 3 tasks run' "$AZSWARM" deploy-global-service
expect destroy-global-service 0 'service global removed' "$AZSWARM" destroy-global-service
expect '--no-wait' 0 'service global made' "$AZSWARM" deploy-global-service --no-wait
check '--no-wait: says nothing of tasks' sh -c '! grep -q "tasks run" out'
az destroy-global-service >/dev/null 2>&1

# ---- the monitor ------------------------------------------------------------------

expect deploy-monitor 0 'service monitor: 1 of 1 tasks run' "$AZSWARM" deploy-monitor
same 'monitor: on the master' master0 "$(tasks monitor | cut -d' ' -f1)"
expect 'monitor: not on the network' 7 '' nsenter --net="/run/netns/$net" curl -s -m 5 http://10.77.0.10:8080/

# ---- proxy --------------------------------------------------------------------

# a machine's web server with one file of 100 MB, and 100 small ones
on agents000001 sh -c 'mkdir -p /run/web && cd /run/web && head -c 100000000 /dev/urandom >big &&
	for i in $(seq 100); do head -c 300000 /dev/urandom >f$i; done && sha256sum f* >sums &&
	systemd-run -q --unit=web -p WorkingDirectory=/run/web python3 -m http.server 8899'
big=$(on agents000001 sha256sum /run/web/big | cut -d' ' -f1)
# the demo on a port of one machine, where no mesh is needed
on master0 docker service create -q -d --name direct --constraint node.hostname==agents000000 \
	--publish mode=host,published=8898,target=8000 "$image" demo >/dev/null
direct=$(on master0 docker node inspect agents000000 --format '{{.Status.Addr}}')
web=$(free_port) demo=$(free_port) monitor=$(free_port) closed=$(free_port)

# somebody else has this one (or had it before us, which is as good)
spawn taken.log python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 9081)); s.listen(); time.sleep(400)'
wait_for 5 sh -c 'grep -qi "0100007F:2379 00000000:0000 0A" /proc/net/tcp'
spawn proxy.log "$AZSWARM" proxy -L "$web:$address:8899" -L "127.0.0.1:$demo:$direct:8898" \
	-L "$monitor:127.0.0.1:8080" -L "$closed:127.0.0.1:1"
proxy=$spawned
check 'proxy: the usual ports are named' wait_for 20 grep -qE '^127.0.0.1:9080 (-> 127.0.0.1:80$|not forwarded: )' proxy.log
check 'proxy: which it could not take' grep -qE '^127.0.0.1:9081 not forwarded: .*in use' proxy.log
check 'proxy: and ours' wait_for 5 grep -qxF "127.0.0.1:$web -> $address:8899" proxy.log
check 'proxy: a task' wait_for 20 curl -sf -m 5 "http://127.0.0.1:$demo/healthz"
same 'proxy: 100 MB' "$big" "$(curl -s -m 120 "http://127.0.0.1:$web/big" | sha256sum | cut -d' ' -f1)"
mkdir got
curl -s "http://127.0.0.1:$web/sums" >got/sums
(cd got && seq 100 | xargs -P 100 -I N curl -s -m 60 -o fN "http://127.0.0.1:$web/fN")
check 'proxy: 100 at once, each whole' sh -c 'cd got && test "$(wc -l <sums)" -eq 100 && sha256sum -c --quiet sums'
curl -s "http://127.0.0.1:$demo/reset" >/dev/null
curl -s -m 60 --no-progress-meter --parallel --parallel-immediate --parallel-max 100 \
	"http://127.0.0.1:$demo/hostname?[1-200]" >names 2>names.err
same 'proxy: 200 requests counted once each' 200 "$(curl -s "http://127.0.0.1:$demo/count" | tr -dc 0-9)"
check 'proxy: nobody there, and it hangs up' sh -c 'curl -s -m 20 "http://127.0.0.1:$1/"
	case $? in 52 | 56) exit 0 ;; *) exit 1 ;; esac' - "$closed"
same 'proxy: the monitor shows the nodes' "agents000000 agents000001 master0" \
	"$(curl -s -m 10 "http://127.0.0.1:$monitor/api/state" | jq -r '.nodes[].name' | sort | xargs)"
check 'proxy: and what each of them is busy with' wait_for 20 sh -c \
	"[ \$(curl -s -m 10 http://127.0.0.1:$monitor/api/figures | jq '[.series[] | select(.[0][-1] > 0 and .[1][-1] > 0)] | length') -ge 3 ]"
if [ -e /proc/net/ip_vs ]; then
	check 'mesh: port 80 of the master' curl -sf -m 10 http://127.0.0.1:9080/healthz
	address_lb=$(az list-endpoints --output tsv | awk -F'\t' '/agents-lb/ { print $2 }')
	check 'mesh: the load balancer' curl -sf -m 10 "http://$address_lb/healthz"
else
	skip 'published ports through the mesh' 'no IPVS in this kernel; conformance/mesh has one of its own'
fi
# every process of the server dies, connections with them
on master0 systemctl kill -s KILL ssh
check 'proxy: sees that the server is gone' wait_for 20 grep -q 'connection lost: .*connecting again' proxy.log
on master0 systemctl restart ssh
check 'proxy: connects again' wait_for 40 grep -q 'connected again' proxy.log
check 'proxy: and carries' curl -sf -m 10 "http://127.0.0.1:$demo/healthz"
same 'proxy: 100 MB after that' "$big" "$(curl -s -m 120 "http://127.0.0.1:$web/big" | sha256sum | cut -d' ' -f1)"
kill -INT "$proxy"
wait "$proxy"
same 'proxy: Ctrl-C is no failure' 0 $?
expect 'proxy: a -L that is none' 2 'expected \[ADDRESS:\]PORT:HOST:PORT' "$AZSWARM" proxy -L 80
expect kill-monitor 0 'service monitor removed' "$AZSWARM" kill-monitor
expect 'kill-monitor again' 0 'service monitor is not there' "$AZSWARM" kill-monitor
on master0 docker service rm direct >/dev/null

# ---- docker-env ------------------------------------------------------------------

docker=$(PATH=/usr/bin:$PATH command -v docker) || docker=$root/usr/bin/docker
# whoever asks once more gets the same tunnel
az docker-env >env1 2>env.err
az docker-env >env2 2>>env.err
same 'docker-env: one tunnel' "$(cat env1)" "$(cat env2)"
check 'docker-env: a line for the shell' grep -qE '^export DOCKER_HOST=unix:///.*/docker-[0-9a-f]{16}\.sock$' env1
same 'docker-env: private' '700 600' "$(stat -c %a run/azswarm run/azswarm/docker-*.sock | xargs)"
same 'docker node ls' "agents000000 agents000001 master0" \
	"$(. ./env1; $docker node ls --format '{{.Hostname}}' | sort | xargs)"
same 'docker service ls' 'replicated 8/8' "$(. ./env1; $docker service ls --format '{{.Name}} {{.Replicas}}')"
tunnel=$(pgrep -f -x "$AZSWARM docker-env" | head -n 1)
check 'docker-env: a process stays' running "${tunnel:-0}"
expect 'docker-env --stop' 0 '^unset DOCKER_HOST$' "$AZSWARM" docker-env --stop
check 'docker-env --stop: the socket is gone' test ! -e run/azswarm/docker-*.sock
gone() { ! running "${tunnel:-0}"; }
check 'docker-env --stop: and the process' wait_for 5 gone
expect 'docker-env --stop again' 0 '^unset DOCKER_HOST$' "$AZSWARM" docker-env --stop

# ---- the stack -------------------------------------------------------------------

expect 'stack: port 80 is taken' 1 'port 80 is taken by the service replicated; destroy that first' \
	"$AZSWARM" deploy-stack
same 'stack: nothing was begun' replicated "$(services)"
same 'stack: no network either' '' "$(on master0 docker network ls -q -f name=test-stack_backend)"
expect destroy-service 0 'service replicated removed' "$AZSWARM" destroy-service
expect 'destroy-service again' 0 'service replicated is not there' "$AZSWARM" destroy-service
if redis_image >redis.tar; then
	on master0 docker import -c "$redis_change" - redis:test <redis.tar >/dev/null
	expect deploy-stack 0 'service test-stack_web: 4 of 4 tasks run' \
		env REDIS_IMAGE=redis:test "$AZSWARM" deploy-stack
	check 'stack: an image that no registry has' grep -q 'redis:test: its registry does not answer' out
	same 'stack: redis is on the master' master0 "$(tasks test-stack_redis | cut -d' ' -f1)"
	same 'stack: web is not' '' "$(tasks test-stack_web | grep master0)"
	set -- $(tasks test-stack_web | cut -d' ' -f1 | sort -u)
	check 'stack: on several agents' test $# -ge 2
	ask test-stack_web "$1" /reset_shared >/dev/null
	for m in "$1" "$2" "$1" "$2" "$2"; do ask test-stack_web "$m" / >page; done
	same 'stack: two tasks count in one Redis' '5 5' \
		"$(ask test-stack_web "$1" /shared_count | tr -dc 0-9) $(ask test-stack_web "$2" /shared_count | tr -dc 0-9)"
	check 'stack: and one alone counts less' test "$(ask test-stack_web "$1" /count | tr -dc 0-9)" -lt 5
	same 'stack: docker knows it' test-stack "$(on master0 docker stack ls --format '{{.Name}}')"
	had=$(tasks test-stack_web)
	expect 'stack: the same again' 0 '4 of 4 tasks run' env REDIS_IMAGE=redis:test "$AZSWARM" deploy-stack
	same 'stack: leaves the tasks alone' "$had" "$(tasks test-stack_web)"
	expect 'service: port 80 is taken' 1 'port 80 is taken by the service test-stack_web; destroy that first' \
		"$AZSWARM" deploy-replicated-service
else
	skip 'the stack counts' 'no redis-server here'
fi
expect 'a task that fails' 1 'a task failed: No such image: redis:missing' \
	env REDIS_IMAGE=redis:missing "$AZSWARM" deploy-stack
expect destroy-stack 0 'network test-stack_backend removed' "$AZSWARM" destroy-stack
expect 'destroy-stack again' 0 'stack test-stack is not there' "$AZSWARM" destroy-stack
# without an update that is paused it is waited for, until somebody loses patience
spawn failing.log env REDIS_IMAGE=redis:missing "$AZSWARM" deploy-stack
failing=$spawned
check 'a task that fails from the start' wait_for 20 grep -q 'a task failed: No such image: redis:missing' failing.log
kill -INT "$failing"
wait "$failing"
same 'a task that fails from the start: until somebody loses patience' 130 $?
az destroy-stack >/dev/null 2>&1
same 'no service is left' '' "$(services)"

# ---- ports, from outside ---------------------------------------------------------

says()		# TEXT...: what comes back of these datagrams, sent from one socket
{
	python3 - "$public" "$@" <<'P'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.connect((sys.argv[1], 5353))
for text in sys.argv[2:]:
    for _ in range(5):
        try:
            s.send(text.encode())
            print(s.recv(2048).decode(), end=' ')
            break
        except OSError:
            pass
P
}
public=$(az list-endpoints --output tsv | awk -F'\t' '/agents-lb/ { print $2 }')
cc -static -s -o echo "$SRCDIR/tests/udp_echo.c" 2>cc.err || not_ok udp_echo.c "$(cat cc.err)"
for m in agents000000 agents000001; do
	tar -c echo | on $m docker import -c 'ENTRYPOINT ["/echo"]' - echo:test >/dev/null
done
edge="--mode global --constraint node.role==worker --no-resolve-image --detach --quiet"
on master0 docker service create $edge --name edge --publish mode=host,published=443,target=8000 "$image" demo >/dev/null
on master0 docker service create $edge --name echo --publish mode=host,published=5353,target=53,protocol=udp echo:test >/dev/null
wait_for 60 count_is edge 2
wait_for 60 count_is echo 2
same 'ports: closed at first' 7 "$(curl -s -m 5 -o /dev/null "http://$public:443/healthz"; echo $?)"
same 'ports: and nobody echoes' '' "$(says hello)"
expect 'ports: out of step' 5 '^ *443 +tcp +host +edge +no rule' "$AZSWARM" ports --dry-run
expect 'ports: --apply' 0 'port 5353/udp is open to the Internet now: service echo' "$AZSWARM" ports --apply
check 'ports: 443 answers' wait_for 20 curl -sf -m 5 -o /dev/null "http://$public:443/healthz"
same 'ports: and UDP does, to each who asks' 'one two |three ' "$(says one two)|$(says three)"
expect 'ports: status knows nothing to mend' 0 '^load balancer .* 443 5353/udp' "$AZSWARM" status
check 'ports: in one line' sh -c '! grep -q "^ports " out'
on master0 docker service rm edge echo >/dev/null
expect 'ports: nobody publishes, says status' 0 '^ports +443/tcp: nobody publishes, 5353/udp: nobody publishes' "$AZSWARM" status
"$AZSWARM" doctor >doctor.out 2>&1
check 'ports: doctor says so, and what mends it' sh -c 'grep -A1 "^warning  balancer   ports: 443/tcp: nobody publishes" doctor.out | grep -q "azswarm ports --apply"'
expect 'ports: --apply closes' 0 'port 443/tcp is closed' "$AZSWARM" ports --apply
sleep 2
same 'ports: closed' 7 "$(curl -s -m 5 -o /dev/null "http://$public:443/healthz"; echo $?)"
same 'ports: and to UDP' '' "$(says hello)"
"$AZSWARM" doctor >doctor.out 2>&1
check 'ports: doctor is content' grep -q '^ok .* ports: what services publish is what is let in: 80 81$' doctor.out
expect 'ports: 80 is as it was' 0 '^ *80 +tcp .* open, and nobody publishes' "$AZSWARM" ports

# ---- from a folder with nothing else in it ---------------------------------------

mkdir empty && cp -rp keys parameters empty/ && cp "$AZSWARM" empty/azswarm && cp "$SSL_CERT_FILE" empty/keys/ca.pem
# a script and not a function: what is started in the background is it, and no shell
{
	echo '#!/bin/sh'
	echo "exec env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=$AZURE_POD_IDENTITY_AUTHORITY_HOST \\"
	echo "	SSL_CERT_FILE=/keys/ca.pem \\"
	for v in TENANT_ID CLIENT_ID CLIENT_SECRET SUBSCRIPTION_ID AUTHORITY_HOST RESOURCE_MANAGER_ENDPOINT; do
		eval "echo \"	AZURE_$v='\$AZURE_$v' \\\\\""
	done
	echo "	$(command -v chroot) '$top/empty' /azswarm \"\$@\""
} >bare
chmod 755 bare
same 'bare: nothing else is there' 'azswarm keys parameters' "$(ls empty | xargs)"
expect 'bare: ssh' 0 '^master0$' ./bare ssh master0 uname -n
expect 'bare: an agent' 0 '^agents000001$' ./bare ssh agents000001 uname -n
expect 'bare: deploy-replicated-service' 0 '8 of 8 tasks run' ./bare deploy-replicated-service
expect 'bare: scale-service' 0 '2 of 2 tasks run' ./bare scale-service-2
same 'bare: two tasks' 2 "$(count replicated)"
spawn bare.log ./bare proxy -L "$web:$address:8899"
proxy=$spawned
check 'bare: proxy' wait_for 20 curl -sf -m 5 -o one "http://127.0.0.1:$web/f1"
same 'bare: proxy, whole' "$(sed -n 's/ .*f1$//p' got/sums)" "$(sha256sum one | cut -d' ' -f1)"
kill -INT "$proxy"
wait "$proxy"
same 'bare: proxy, Ctrl-C' 0 $?
expect 'bare: destroy-service' 0 'service replicated removed' ./bare destroy-service
expect 'bare: list-agents' 0 agents000001 ./bare list-agents

swarm_end
exit $((test_failures != 0))
