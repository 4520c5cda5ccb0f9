# Five masters on real machines: two are lost, the leader among them, and come
# back; then three, which are the majority, and one begins anew.  Raft is read
# from the engines.
# time: 600
# alone: fleet
# needs: root, systemd-nspawn, jq
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need jq

swarm_azure
export MASTER_COUNT=5 AGENT_COUNT=1
must keys az keys
must deploy-storage az deploy-storage
must params az params
must deploy-compute az deploy-compute
must 'all are Ready' nodes_become 120 6
managers() { on "$1" docker info --format '{{.Swarm.Managers}}'; }
up_is() { [ "$(rows "$1" | grep -cE ' Ready (Leader|Reachable)$')" -eq "$2" ]; }
same 'five in raft' 5 "$(managers master0)"
check 'deploy-replicated-service' az deploy-replicated-service
before=$(ids master0)

# ---- two of five ----
first=$(leader master0)
other=master4
[ "$first" != master4 ] || other=master3
left=$(echo master0 master1 master2 master3 master4 | tr ' ' '\n' | grep -vx -e "$first" -e $other | head -n 1)
driver cut "$first"
driver cut $other
check 'another leads' wait_for 30 up_is "$left" 3
expect 'a command goes on' 0 '2 of 2 tasks run' az scale-service-2
driver start "$first"
driver start $other
check 'both are back' wait_for 60 up_is "$left" 5
same 'all are who they were' "$before" "$(ids "$left")"

# ---- the majority: three ----
for m in master2 master3 master4; do driver cut $m; done
check 'no leader' wait_for 40 no_leader master0
expect 'a command says what is left' 1 'recover --from' az scale-service-3
expect recover 0 '' az recover --from master0 --confirm swarm-cluster
check 'all five again' wait_for 120 up_is master0 5
same 'five in raft' 5 "$(managers master0)"
same 'six rows, no ghost' 6 "$(rows master0 | grep -c .)"
same 'the agent is who it was' "$(echo "$before" | grep -o 'agents000000 [a-z0-9]*')" "$(ids master0 | grep -o 'agents000000 [a-z0-9]*')"
expect 'and commands go on' 0 '3 of 3 tasks run' az scale-service-3
swarm_end
exit $((test_failures != 0))
