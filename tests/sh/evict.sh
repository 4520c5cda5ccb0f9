# One way out and one way back, on real machines under load: whoever uses a
# service notices nothing.  Requests are counted by balancers of our own, tasks
# by /proc, nodes by the engine on the master; the long form is 'make drill'.
# time: 300
# at-most: 4 machines
# needs: root, systemd-nspawn, ip, jq, python3, curl
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/drill/load.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need ip jq python3 curl

"$SRCDIR/assets/machines/nspawn" root >root.log 2>&1 || {
	not_ok root "$(tail -n 3 root.log | tr '\n' ' ')"
	exit 1
}
export XDG_CACHE_HOME="$PWD/cache" DOCKER_CHANNEL=distro AGENT_COUNT=2
at_exit azure_stop
at_exit load_end
azure_start "$PWD/azure" nspawn || { not_ok start 'no local Azure'; exit 1; }
# others may have machines here, too: only what is ours is looked for
net=azs-$azure_net top=$PWD
traces_here() { traces | grep -F -e "$net" -e "$top/"; }

# unnoticed NAME: by who used it meanwhile.  That it was quick is not judged
# here, for this machine may have other things to do.
unnoticed()
{
	load_off
	unnoticed_bad=$test_failures
	check "$1: requests were made" test "$ok" -ge 200 -a "$ok_patient" -ge 200
	same "$1: none failed" 0 "$failed"
	same "$1: none failed, with a patient balancer" 0 "$failed_patient"
	[ "$test_failures" -eq "$unnoticed_bad" ] ||
		cat "$load_name.documented" "$load_name.patient" "$load_name.tasks"
}

nodes_are()	# CASE LINES: name, state, availability, of each but the master
{
	same "$1" "$2" "$(nodes | grep -v '^master0 ' | paste -sd ,)"
}

must keys "$AZSWARM" keys
must deploy-storage "$AZSWARM" deploy-storage
must params "$AZSWARM" params
must deploy-compute "$AZSWARM" deploy-compute
must 'all are Ready' nodes_become 60 3
must 'services are made' services_start
must 'and whole' in_service_within 30 2

# ---- out and back, and away -----------------------------------------------------

load_on "$PWD/machines"
sleep 3
expect evict 0 'out of service' "$AZSWARM" evict agents000001
nodes_are 'evict: it takes no tasks' 'agents000000 Ready Active,agents000001 Ready Drain'
same 'evict: none is left there' '' "$(on master0 docker node ps agents000001 \
	-f desired-state=running --format '{{.Name}}' | paste -sd ,)"
expect 'evict again' 0 'out of service' "$AZSWARM" evict agents000001
expect return 0 'back in service' "$AZSWARM" return agents000001
nodes_are 'return: it takes part again' 'agents000000 Ready Active,agents000001 Ready Active'
node_id() { on master0 docker node ls -f name=agents000000 -q; }
id=$(node_id)
expect restart-agents 0 'back in service' "$AZSWARM" restart-agents agents_0
check 'restart-agents: both are in service' in_service_within 30 2
check 'restart-agents: it joined as another' test "$id" != "$(node_id)"
expect scale-agents 0 'deleted' "$AZSWARM" scale-agents 1
check 'scale-agents: one is left, and no ghost' nodes_become 10 2
check 'scale-agents: services are whole' in_service_within 30 1
sleep 4
unnoticed 'machines go'
check 'machines go: never more tasks missing than one had' test "$fewest" -ge $((8 - carried))
check 'machines go: nor for long' awk -v s="$longest" 'BEGIN { exit !(s < 60) }'

# ---- a manager's doubt is no machine's fault --------------------------------------

load_on "$PWD/engine"
sleep 3
on master0 systemctl restart docker
check 'engine: all in service again' in_service_within 60 1
# what the manager thought of it has passed, too
sleep 10
unnoticed 'the only manager'\''s engine is restarted'
same 'engine: no agent was called unhealthy' 0 "$downs"

# ---- what a container of a swarm may reach ------------------------------------------

# sh/node-boot has the others: this one is on an overlay, with the real helper
# and metadata service
on master0 docker network create -d overlay --attachable apart >/dev/null
on master0 docker run -d --name inside --network apart "$services_image" demo >/dev/null
# shellcheck disable=SC2016
other=$(on master0 sh -c 'docker node inspect -f "{{.Status.Addr}}" $(docker node ls -f role=worker -q)')
reaches()	# which of these answer who is in there
{
	reaches_pid=$(on master0 docker inspect -f '{{.State.Pid}}' inside)
	# shellcheck disable=SC2016
	on master0 nsenter -n -t "$reaches_pid" sh -c '
		way=$(ip route | sed -n "s/^default via \([0-9.]*\) .*/\1/p")
		ask() { curl -sk -o /dev/null -m 5 -H Metadata:true "$2" && echo "$1"; }
		ask helper https://10.77.0.10:1337/healthz &
		ask helper-by-bridge "https://$way:1337/healthz" &
		ask health "http://$way:1338/healthz" &
		ask health-of-another "http://$1:1338/healthz" &
		ask metadata "http://169.254.169.254/metadata/instance?api-version=2021-02-01" &
		ask service "http://$1/" &
		wait' - "$other" | sort | xargs
}
same 'containers: one reaches services, and nothing of the nodes' service "$(reaches)"
on master0 systemctl restart docker
wait_for 5 on master0 docker start inside
same 'containers: nor after its engine was restarted' service "$(reaches)"
on master0 sh -c 'for c in FORWARD INPUT; do iptables -t mangle -F AZSWARM-$c; done'
same 'containers: without the rules one would' \
	'health health-of-another helper helper-by-bridge metadata service' "$(reaches)"

# ---- the end ------------------------------------------------------------------------

unplug
azure_stop
same 'nothing is left behind' '' "$(traces_here)"
exit $((test_failures != 0))
