# time: 1500
# alone: machines
# The routing mesh: a port that one task publishes is answered by every agent, with
# machines that have a kernel of their own (IPVS, VXLAN) and from outside, through
# the load balancer of the local Azure.  curl, the engines and their kernels say so.
# Where there is no KVM a processor is emulated: a quarter of an hour, 3 GiB, and
# nothing beside it, for engines that get no time take each other for dead.
# needs: root, qemu-system-x86_64, mke2fs, ssh, jq, curl, python3, cc
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able qemu) || skip_all "$why"
need jq curl python3 cc mke2fs ssh

# ---- what is asked --------------------------------------------------------------

of()		# SERVICE MACHINE: the task's container there, if any
{
	on "$2" docker ps -q -f "label=com.docker.swarm.service.name=$1"
}

from()		# ADDRESS PORT N: who answers, of N times one after the other
{
	for _ in $(seq "$3"); do
		curl -s -S -m 30 "http://$1:$2/hostname" 2>&1
		echo
	done | grep . | sort | uniq -c | awk '{ $1 = $1 } 1' | xargs
}

within()	# ADDRESS PORT N: from another place in the machines' network
{
	nsenter --net="/run/netns/$net" sh -c 'for _ in $(seq "$3"); do
		curl -s -S -m 30 "http://$1:$2/hostname" 2>&1; echo; done' - "$@" | sort -u | xargs
}

carried()	# MACHINE: connections that its kernel has spread over tasks
{
	printf '%d\n' "0x$(on "$1" nsenter --net=/run/docker/netns/ingress_sbox \
		awk 'NR == 3 { print $1 }' /proc/net/ip_vs_stats)"
}

says()		# PORT TEXT...: what comes back of datagrams, each from a socket of its own
{
	python3 - "$public" "$@" <<'P'
import socket, sys
for text in sys.argv[3:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.connect((sys.argv[1], int(sys.argv[2])))
    for _ in range(5):
        try:
            s.send(text.encode())
            print(s.recv(2048).decode(), end=' ')
            break
        except OSError:
            pass
P
}

doctor()	# ERE: has it such a line?
{
	"$AZSWARM" doctor >doctor.out 2>&1
	grep -qE "$1" doctor.out
}

closed()	# PORT: curl's word for a connection that is refused
{
	curl -s -m 10 -o /dev/null "http://$public:$1/"
	echo $?
}

patient()	# COMMAND...: 3 says that running it again is safe, and machines are slow
{
	for _ in 1 2 3; do
		patient_status=0
		"$AZSWARM" "$@" || patient_status=$?
		[ $patient_status -eq 3 ] || break
	done
	return $patient_status
}

# ---- a cluster --------------------------------------------------------------------

swarm_machines=qemu
export SHARE_NAME=none
swarm_azure
must keys az keys
must deploy-storage az deploy-storage
must params az params
began=$(date +%s)
must deploy-compute az deploy-compute
must 'master and agents are Ready' nodes_become 300 3
echo "# a cluster in $(($(date +%s) - began)) s"
for m in master0 agents000000 agents000001; do
	check "$m: a kernel of its own, with IPVS" on $m sh -c 'modprobe ip_vs && test -e /proc/net/ip_vs'
done
same 'of another version than this host runs' '' "$(on agents000000 uname -r | grep -xF "$(uname -r)")"

cc -static -s -o echo "$SRCDIR/tests/udp_echo.c" 2>cc.err || not_ok udp_echo.c "$(cat cc.err)"
for m in agents000000 agents000001; do
	tar -c echo | on $m docker import -c 'ENTRYPOINT ["/echo"]' - echo:test >/dev/null
done
cat >mesh.yml <<'Y'
services:
  web:
    image: ${AZSWARM_IMAGE}
    command: [demo]
    ports: ["443:8000"]
    deploy:
      placement: {constraints: [node.role==worker]}
  echo:
    image: echo:test
    stop_signal: SIGKILL
    ports: ["5353:53/udp"]
    deploy:
      placement: {constraints: [node.role==worker]}
Y

# ---- the services of the commands --------------------------------------------------

public=$(az list-endpoints --output tsv | awk -F'\t' '/agents-lb/ { print $2 }')
expect deploy-replicated-service 0 'service replicated: 8 of 8 tasks run' patient deploy-replicated-service
AZSWARM_IMAGE=$(on master0 docker service inspect replicated --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}')
check 'port 80 from outside' wait_for 60 curl -sf -m 20 -o /dev/null "http://$public/healthz"
expect 'scaled to one' 0 '1 of 1 tasks run' patient scale-service-1
same 'one, wherever it is' 1 "$(count replicated)"
has=$(tasks replicated | cut -d' ' -f1)
task=$(of replicated "$has")
same 'and always it that answers' "20 $task" "$(from "$public" 80 20)"
expect destroy-service 0 'service replicated removed' "$AZSWARM" destroy-service

# ---- one task, and both agents answer --------------------------------------------

same 'closed at first' 7 "$(closed 443)"
export AZSWARM_IMAGE
expect deploy-stack 0 'service mesh_web: 1 of 1 tasks run' patient deploy-stack mesh.yml mesh
same 'published by the mesh, says the engine' 'ingress 443/tcp' "$(on master0 docker service inspect mesh_web \
	--format '{{range .Endpoint.Ports}}{{.PublishMode}} {{.PublishedPort}}/{{.Protocol}}{{end}}')"
has=$(tasks mesh_web | cut -d' ' -f1)
same 'one task' 1 "$(echo "$has" | grep -c '^agents')"
case $has in agents000000) lacks=agents000001 ;; *) lacks=agents000000 ;; esac
task=$(of mesh_web "$has")
check "its container is on $has" test -n "$task"
same "and none on $lacks" '' "$(of mesh_web "$lacks")"

check 'from outside' wait_for 120 curl -sf -m 20 -o /dev/null "http://$public:443/healthz"
for m in "$has" "$lacks"; do
	address=$(on master0 docker node inspect "$m" --format '{{.Status.Addr}}')
	same "$m answers for the task, 10 times" "$task" "$(within "$address" 443 10)"
done
one=$(carried "$has") two=$(carried "$lacks")
same '40 times from outside, in a row' "40 $task" "$(from "$public" 443 40)"
both()		# a kernel sums up every other second, and later when it gets no time
{
	[ $(($(carried "$has") - one)) -ge 15 ] && [ $(($(carried "$lacks") - two)) -ge 15 ]
}
check "through both agents, by their kernels' count" wait_for 30 both
echo_has=$(tasks mesh_echo | cut -d' ' -f1)
same 'UDP too, from each of six sockets' 'a b c d e f ' "$(says 5353 a b c d e f)"
check "of one task, on $echo_has" test -n "$(of mesh_echo "$echo_has")"

expect 'ports: in step' 0 '^ *443 +tcp +ingress +mesh_web +' "$AZSWARM" ports --dry-run
check 'ports: and that of UDP' grep -qE '^ *5353 +udp +ingress +mesh_echo +' out
check 'doctor: so says it' wait_for 300 doctor '^ok .* ports: what services publish is what is let in: .*443 .*5353/udp'
check 'doctor: packets of VXLAN arrive unsplit' \
	wait_for 300 doctor '^ok .*ways between nodes carry packets of 1350 bytes unsplit'

expect destroy-stack 0 'service mesh_web removed' "$AZSWARM" destroy-stack mesh
wait_for 20 sh -c '! curl -s -m 5 -o /dev/null "http://$1:443/"' - "$public"
same 'closed from outside' 7 "$(closed 443)"
same 'and to UDP' '' "$(says 5353 a)"
address=$(on master0 docker node inspect "$lacks" --format '{{.Status.Addr}}')
same 'nobody is there on the agent either' 7 "$(nsenter --net="/run/netns/$net" \
	curl -s -m 10 -o /dev/null "http://$address:443/"; echo $?)"

swarm_end
exit $((test_failures != 0))
