# Three masters, of which the first is away: its engine held, stopped, its machine
# frozen, without power, thrown out of the swarm, locked.  Every command goes on
# through another one, and says so.  What is right the engines say, by Docker's own
# client; how long it may take only keeps a command from hanging.
# time: 400
# alone: fleet
# needs: root, systemd-nspawn
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
need jq curl
why=$(azure_able) || skip_all "no real machines: $why"

swarm_azure
export AGENT_COUNT=1 MASTER_COUNT=3 SHARE_SSH=true
for command in keys deploy-storage params deploy-compute; do
	must "$command" "$AZSWARM" "$command"
done
check 'three masters and an agent' nodes_become 60 4

hang=15		# seconds; quiet machines need three at most
frozen()	# MACHINE 0|1
{
	echo "$2" >"$(find /sys/fs/cgroup -maxdepth 3 -path "*/azs-$azure_net/$1" -type d | head -n 1)/cgroup.freeze"
}
forget()
{
	rm -f run/azswarm/ssh-*.sock
}
has_leader()	# MACHINE: its swarm has one
{
	raft "$1" | grep -q ' Leader$'
}
master0_is()	# STATUS: as the engine on master1 sees it
{
	raft master1 | grep -qE "^master0 ($1)\$"
}
swarm_is()	# STATE: what master0's engine says of itself
{
	[ "$(on master0 docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null)" = "$1" ]
}
through()	# CASE COMMAND...: it goes through another, which is said
{
	through_case=$1
	shift
	timeout $hang "$@" >out 2>&1 </dev/null
	same "$through_case" 0 $?
	check "$through_case: says through whom" grep -q '^through master[12]' out
}
all()		# CASE WORDS: with the connection that is kept, and without
{
	timeout $hang "$AZSWARM" destroy-service >out 2>&1 </dev/null
	same "$1: a service command" 0 $?
	forget
	through "$1: a service command, anew" "$AZSWARM" destroy-service
	check "$1: says why" grep -q "^through master[12] (master0: $2" out
	forget
	through "$1: evict's way" "$AZSWARM" rebalance --dry-run
	forget
	echo uname -n | timeout $hang "$AZSWARM" ssh >out 2>err
	check "$1: ssh" grep -qx 'master[12]' out
	forget
	through "$1: status" "$AZSWARM" status
	check "$1: status names it" grep -q '^missing  *master0: ' out
	curl -s -m 60 --unix-socket "${DOCKER_HOST#unix://}" http://docker/nodes >nodes.json
	same "$1: docker-env" 4 "$(jq length nodes.json)"
}
whole()		# CASE: master0 is back
{
	check "$1: it is back" wait_for 120 master0_is 'Reachable|Leader'
	forget
	timeout $hang "$AZSWARM" ssh master0 uname -n >out 2>/dev/null </dev/null
	same "$1: ssh goes to the one that is named" master0 "$(cat out)"
	echo true | timeout $hang "$AZSWARM" ssh >/dev/null 2>&1	# kept from now on
}

# another one leads, or all wait for an election
on master0 systemctl restart docker
sleep 1
whole 'to begin with'
"$AZSWARM" docker-env >env.sh 2>/dev/null || not_ok docker-env
. ./env.sh
on master0 sh -c 'pkill -STOP dockerd'
timeout $hang "$AZSWARM" ssh master0 uname -n >out 2>/dev/null </dev/null
same 'engine held: ssh master0 all the same' master0 "$(cat out)"
all 'engine held' 'Docker does not answer'
on master0 sh -c 'pkill -CONT dockerd'
whole 'engine held'
on master0 systemctl stop docker.socket docker.service
all 'engine stopped' 'Docker does not answer'
on master0 systemctl start docker.socket docker.service
whole 'engine stopped'
frozen master0 1
all 'machine frozen' 'does not answer'
frozen master0 0
whole 'machine frozen'
driver cut master0
all 'no power' 'does not answer'
"$AZSWARM" docker-env --stop >/dev/null
unset DOCKER_HOST

# thrown out while it was away: what it makes of that is the helper's matter
id=$(on master1 docker node ls --filter name=master0 --format '{{.ID}}')
on master1 docker node demote "$id" >/dev/null
on master1 docker node rm --force "$id" >/dev/null
driver start master0
wait_for 60 on master0 docker info >/dev/null 2>&1
forget
timeout $hang "$AZSWARM" destroy-service >out 2>&1 </dev/null
same 'thrown out: a service command' 0 $?

# ---- two are away ----

on master0 docker swarm leave --force >/dev/null 2>&1
check 'thrown out: it joins' wait_for 120 master0_is 'Reachable|Leader'
frozen master1 1
frozen master2 1
sleep 10
forget
expect 'two away: status says of each what it is at, and what to do' 0 \
	"no master works \(master0: (the swarm has no leader|its engine does not find its swarm), master1: does not answer, master2: does not answer\).*'azswarm recover --from master0'" \
	"$AZSWARM" status
expect 'two away: a command is not for ever' 1 'no master works .*recover --from master0' \
	timeout 200 "$AZSWARM" destroy-service
frozen master1 0
frozen master2 0
check 'two away: back' wait_for 120 sh -c "timeout 60 '$AZSWARM' destroy-service"

# ---- autolock ----

must 'AUTOLOCK=true' env AUTOLOCK=true "$AZSWARM" deploy-compute
same 'its key is ours alone' 600 "$(stat -c %a keys/unlock.key)"
same 'it is what Docker says it is' "$(on master1 docker swarm unlock-key -q)" "$(cat keys/unlock.key)"
on master0 systemctl restart docker
check 'an engine that starts is locked' wait_for 30 swarm_is locked
check 'the others have a leader' wait_for 60 has_leader master1
forget
expect 'status names it' 0 "^missing +master0: its swarm is locked; 'azswarm unlock'" "$AZSWARM" status
mv keys/unlock.key elsewhere
expect 'unlock: who works tells the key' 0 '1 master unlocked' "$AZSWARM" unlock
same 'and it is kept' "$(cat elsewhere)" "$(cat keys/unlock.key)"
check 'Docker has it back' wait_for 60 master0_is 'Reachable|Leader'
restarts=
for m in 0 1 2; do
	on master$m systemctl restart docker &
	restarts="$restarts $!"
done
# shellcheck disable=SC2086
wait $restarts
check 'all are locked' wait_for 30 swarm_is locked
forget
expect 'all locked: at once' 1 "no master works .*'azswarm unlock'" timeout $hang "$AZSWARM" destroy-service
echo SWMKEY-1-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >keys/unlock.key
expect 'a wrong key' 1 'invalid key' "$AZSWARM" unlock
cp elsewhere keys/unlock.key
expect 'all unlocked' 0 '[23] masters unlocked' "$AZSWARM" unlock
check 'Docker has a leader' wait_for 60 sh -c "timeout 60 '$AZSWARM' destroy-service"

# masters that tell each other
expect 'AUTOLOCK=shared: who tells them is said' 0 'do not share the unlock key yet: ' \
	env AUTOLOCK=shared "$AZSWARM" deploy-compute
must 'AUTOLOCK=shared: params' env AUTOLOCK=shared "$AZSWARM" params
must 'AUTOLOCK=shared: upgrade' env AUTOLOCK=shared "$AZSWARM" upgrade
on master0 systemctl restart docker
told_by_others()
{
	on master0 journalctl -q -u swarm-helper | grep -q 'with the key that another master told'
}
check 'shared: the others unlock it' wait_for 60 told_by_others
check 'shared: and Docker has it back' wait_for 60 master0_is 'Reachable|Leader'
same 'shared: and kept in none of our files' '' \
	"$(on master0 grep -rls SWMKEY /etc /var/lib/swarm-helper)"
must 'AUTOLOCK=false' env AUTOLOCK=false "$AZSWARM" deploy-compute
check 'the key is gone' test ! -e keys/unlock.key
on master0 systemctl restart docker
check 'it starts as before' wait_for 60 master0_is 'Reachable|Leader'
exit $((test_failures != 0))
