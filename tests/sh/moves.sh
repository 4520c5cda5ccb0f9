# Machines that come and go under services: out of service and back, made anew,
# one more and one less, and the monkey.  What the program claims is asked of
# the engine on the master and of the tasks themselves.
# time: 600
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq

swarm_azure
must keys az keys
swarm_up

# ---- one more ------------------------------------------------------------------------

must 'a service of eight' az deploy-replicated-service
image=$(on master0 docker service inspect replicated --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}')
must 'a service on every node' az deploy-global-service
spawn helper.log "$AZSWARM" tail-helper
tail=$spawned
wait_for 10 test -s helper.log
spawn scale.log env REBALANCE=auto "$AZSWARM" scale-agents-3
scale=$spawned
check 'a third agent joins' nodes_become 90 4
check 'and runs a global task at once' wait_for 15 count_is global 4
same 'global: on the new one, too' 1 "$(tasks global | grep -c '^agents000002 ')"
check 'which answers' sh -c "printf '%s' \"\$1\" | grep -q '<html'" - "$(ask global agents000002 /)"
check 'tail-helper shows the join' wait_for 10 grep -q 'agents000002' helper.log
kill -INT "$tail"
wait "$tail"
same 'tail-helper: Ctrl-C is no failure' 0 $?
wait "$scale"
same 'scale-agents: out, and spread' 0 $?
check 'scale-agents: says what was moved' grep -q 'tasks\{0,1\} moved' scale.log
check 'scale-agents: the new one has some' sh -c "test \"\$1\" -ge 2" - "$(tasks replicated | grep -c '^agents000002 ')"
expect 'global: the same again' 0 '4 of 4 tasks run' "$AZSWARM" deploy-global-service

# ---- out of service and back --------------------------------------------------------

way_of()	# MACHINE: how its node stands
{
	on master0 docker node inspect "$1" --format '{{.Status.State}} {{.Spec.Availability}} {{index .Spec.Labels "azswarm.evict"}}' 2>/dev/null
}

expect 'evict: nobody' 2 'there is no node "nobody"' "$AZSWARM" evict nobody
expect 'evict' 0 'agents000002: unhealthy, so that the load balancer lets go' "$AZSWARM" evict agents000002
check 'evict: names what is noticed' grep -q 'global runs once on every node' out
check 'evict: to the end' grep -q 'agents000002: out of service' out
check 'evict: drained' sh -c "printf '%s' \"\$1\" | grep -q '^ready drain out '" - "$(way_of agents000002)"
same 'evict: nothing of the service is there' '' "$(tasks replicated | grep '^agents000002 ')"
same 'evict: eight run elsewhere' 8 "$(count replicated)"
az destroy-global-service >/dev/null 2>&1
expect 'return' 0 'agents000002: back in service' "$AZSWARM" return agents000002
same 'return: as it was' 'ready active' "$(way_of agents000002 | xargs)"

timeout --foreground --preserve-status -s INT 4 "$AZSWARM" evict agents000002 >out 2>&1 </dev/null
same 'evict: Ctrl-C, exit code' 130 $?
check 'evict: Ctrl-C, says what goes on' grep -q 'on the way out, and that goes on: agents000002' out
expect 'evict: return in the middle' 0 'agents000002: back in service' "$AZSWARM" return agents000002

same 'nothing was moved by that' '' "$(tasks replicated | grep '^agents000002 ')"
expect 'rebalance --dry-run' 5 'replicated +.*agents000002' "$AZSWARM" rebalance --dry-run
expect 'rebalance: no such service' 2 'there is no service "x"' "$AZSWARM" rebalance x
expect 'rebalance' 0 '[1-9] tasks? moved' "$AZSWARM" rebalance
same 'rebalance: even' '2 2 2 2' "$(tasks replicated | cut -d' ' -f1 | uniq -c | awk '{ print $1 }' | xargs)"
expect 'rebalance: nothing is left to do' 0 '' "$AZSWARM" rebalance --dry-run

# ---- made anew -------------------------------------------------------

had=$(on master0 docker node ls -f name=agents000001 --format '{{.ID}}')
expect 'reimage-agents-serial' 0 'agents000001: back in service' "$AZSWARM" reimage-agents-serial agents000001
check 'reimage: says how far it is' grep -q 'agents000001: \(booting\|installing Docker\|joining the swarm\|Ready, soon in the load balancer\)' out
check 'reimage: and how long that was' grep -Eq 'agents000001: back in service \(([0-9]+ min)? ?([0-9]+ s)?\)' out
check 'reimage: out of service first' grep -q 'agents000001: out of service' out
check 'reimage: it is another node' sh -c "test \"\$1\" != \"\$2\"" - "$had" \
	"$(on master0 docker node ls -f name=agents000001 --format '{{.ID}}')"

# ---- one less ------------------------------------------------------------------------

# killed in the middle, and the same again
timeout --foreground -s KILL 4 "$AZSWARM" scale-agents 2 >killed 2>&1 </dev/null
on master0 docker node ls --format '{{.Hostname}}' >nodes.before
expect 'scale-agents: killed, and again' 0 '2 agents left' "$AZSWARM" scale-agents 2
check 'scale-agents: the one that was on its way goes' sh -c \
	'grep -o "agents0[0-9]*: unhealthy" killed | sort -u >a; grep -o "agents0[0-9]*: out of service" out | sort -u | wc -l | grep -qx 1'
check 'scale-agents: out of service first' grep -q 'out of service first' out
check 'scale-agents: three nodes are left' nodes_become 30 3
same 'scale-agents: none is drained' '' "$(on master0 docker node ls --format '{{.Availability}}' | grep -v Active)"
same 'scale-agents: eight tasks' 8 "$(count replicated)"

# ---- the monkey ----------------------------------------------------------------------

# nobody counts requests here, where published ports may not be had
az destroy-service >/dev/null 2>&1
last=$(agents | tail -n 1)
expect 'chaos-monkey: the only master' 1 'the swarm cannot lose one' "$AZSWARM" chaos-monkey --masters
on master0 docker service create -q -d --name single --constraint node.hostname=="$last" "$image" demo >/dev/null
wait_for 30 count_is single 1
"$AZSWARM" chaos-monkey --rounds 2 --seed 1 --output json >monkey.json 2>monkey.err </dev/null
same 'chaos-monkey: a service with one task was down, exit code' 1 $?
check 'chaos-monkey: and is named' grep -q 'had no task for a time: single' monkey.err
same 'chaos-monkey: each once' "$(az list-agents --output tsv | cut -f2 | sort | xargs)" "$(jq -r '.[].machine' monkey.json | sort | xargs)"
check 'chaos-monkey: what was seen' jq -e 'all(.[]; (.["ready after s"] | tonumber) > 0) and any(.[]; .["services down"] == "single")' monkey.json
on master0 docker node update --availability pause "$last" >/dev/null
expect 'chaos-monkey: refuses what is not whole' 1 "the cluster is not whole: $last is not Ready and active" "$AZSWARM" chaos-monkey
on master0 docker node update --availability active "$last" >/dev/null

swarm_end
exit $((test_failures != 0))
