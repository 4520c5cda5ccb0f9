# replace-master, recover and fewer masters: what is refused, what is asked, in
# which order, and that the same command goes on.  Machines are on paper, three
# masters that share one raft are played: with real ones sh/replace, and the drill.
# time: 180
# needs: python3-asyncssh, a network namespace
. "$SRCDIR/tests/lib.sh"
export MASTER_COUNT=3 AGENT_COUNT=1
. "$SRCDIR/tests/paper.sh"

raft()		# MASTER=STATE...: as it is from now on
{
	for raft_word; do
		echo "{\"${raft_word%=*}\": \"${raft_word#*=}\"}"
	done | jq -s '{services: {}, networks: {}, changes: 0, raft: add}' >one/swarm.json
}
done_there()	# what became of raft
{
	jq -r '(.done // []) | join(", ")' one/swarm.json
}
sent()		# what Azure was told of masters since, without the deployment
{
	jq -r 'select(.method != "GET") | "\(.method) \(.url)"' record |
		sed -n 's/^\([A-Z]*\) .*\/\(master[0-9][^?]*\)?.*/\1 \2/p' | paste -sd, -
}

# ---- one that somebody deletes ----

data()		# what it was first made by
{
	jq -r '.entries[] | select(.doc.name == "master2") | .doc, .hide | .. | .customData? // empty' azure/state.json |
		wc -c
}
had=$(data)
check "master2 was made by its customData ($had bytes)" test "$had" -gt 1000
echo '[{"operation":"*/virtualMachines/master2","delay_ms":4000}]' >azure/faults.json
(
	. "$SRCDIR/tests/arm.sh"
	ask DELETE "$S/resourceGroups/swarm-cluster/providers/Microsoft.Compute/virtualMachines/master2"
)
expect 'deploy-compute: it is waited for' 0 'master2 is being deleted, waiting until it is gone' "$AZSWARM" deploy-compute
rm azure/faults.json
same 'and is new, made by the same' "$had" "$(data)"

# ---- replace-master ----

raft master0=leader master1=reachable master2=unreachable
: >record
expect 'no majority without it' 1 'without master1 the swarm is 2 managers, of which 1 can be reached, no majority.*first the one that is away: master2$' \
	"$AZSWARM" replace-master 1 --yes
expect 'the one that is away may be' 2 'would delete master2' "$AZSWARM" replace-master 2
raft master0=leader master1=unreachable master2=unreachable
expect 'the majority is lost' 1 "no other master can be asked: no master works .*the swarm has no leader.*azswarm recover" "$AZSWARM" replace-master 1 --yes
expect 'which?' 2 '"5" is no master' "$AZSWARM" replace-master 5
expect 'not in the parameters' 2 'the parameters are of 3 masters' "$AZSWARM" replace-master 3
same 'nothing was done' ' ' "$(sent) $(done_there)"
same 'nothing was begun' '' "$(ls parameters | grep replace)"

raft master0=leader master1=reachable master2=reachable
jq '.labels = {"idmaster0xxxxxxxxxxxxxxxx": {"rack": "a1", "azswarm.version": "0"}}' one/swarm.json >new && cat new >one/swarm.json
: >record
expect 'the leader' 0 'master0 is a manager again: 3 of 3 can be reached' "$AZSWARM" replace-master 0 --yes
same 'demoted first, the row last' 'demoted master0, removed master0' "$(done_there)"
same 'its interface stays' 'PATCH master0,DELETE master0' "$(sent)"
same 'for it was told so' Detach "$(jq -r 'select(.method == "PATCH").requestBody.properties.networkProfile.networkInterfaces[0].properties.deleteOption' record)"
same 'its labels, and not ours' '{"rack":"a1"}' "$(jq -c '.labels | with_entries(select(.key | startswith("new"))) | .[]' one/swarm.json)"
# cut off when it is out of raft, and when its machine is gone
for words in 'no manager any more' 'its machine is being deleted'; do
	raft master0=leader master1=reachable master2=reachable
	echo '[{"request":"DELETE *virtualMachines/master2?*","status":500,"code":"X","message":"x","times":99}]' >azure/faults.json
	[ "$words" = 'no manager any more' ] || rm azure/faults.json
	"$AZSWARM" replace-master master2 --yes >out 2>err </dev/null &
	pid=$!
	wait_for 60 grep -q "$words" err
	kill -INT $pid
	wait $pid
	same "$words: Ctrl-C" 130 $?
	rm -f azure/faults.json
	was=$(jq -r .vm parameters/replace-master2.json)
	check "$words: what was begun is known" test -n "$was"
	expect "$words: goes on, and asks nothing" 0 'master2 is a manager again' "$AZSWARM" replace-master 2
	same "$words: done once" 'demoted master2, removed master2' "$(done_there)"
	same "$words: nothing is left of it" '' "$(ls parameters | grep replace)"
done

# ---- recover ----

: >record
expect 'recover: there is a leader' 1 'the swarm has a leader: 3 of 3 managers' "$AZSWARM" recover --from 1 --confirm swarm-cluster
expect 'recover: from which?' 2 'which master is left' "$AZSWARM" recover --confirm swarm-cluster
expect 'recover: Azure has no such' 2 'Azure has no master4' "$AZSWARM" recover --from master4 --confirm swarm-cluster
raft master0=unreachable master1=reachable master2=unreachable
expect 'recover: not without a word' 2 'would destroy the old majority of master0, master2; say --confirm swarm-cluster' \
	"$AZSWARM" recover --from 1
expect 'recover: not with another' 2 'is not "swarm-cluster"' "$AZSWARM" recover --from 1 --confirm other
same 'recover: nothing was done' ' ' "$(sent) $(done_there)"
# nobody has founded on paper, as in a cluster of before there were markers: lost
# masters would come back as the majority that they were
expect 'recover: no marker' 0 'master0, master2: left off' "$AZSWARM" recover --from 1 --confirm swarm-cluster
same 'recover: they are off' 'POST master0/deallocate,POST master2/deallocate' "$(sent)"
raft master0=unreachable master1=reachable master2=unreachable
: >record
expect 'recover' 0 'recovered: 3 of 3 managers' "$AZSWARM" recover --from 1 --confirm swarm-cluster
same 'recover: off, and on again' 'POST master0/deallocate,POST master2/deallocate,POST master0/start,POST master2/start' "$(sent)"
same 'recover: alone, then rows that are none' 'alone, removed master0, removed master2' "$(done_there)"
same 'recover: nothing is left of it' '' "$(ls parameters | grep recover)"
marker()	# as the account has it
{
	grep -lr '"generation"' azure/blobs | xargs jq -r '"\(.generation) \(.by) \(.cluster)"'
}
same 'recover: the marker says whose swarm it is' '3 master1 thecluster' "$(marker)"
# cut off when it is alone: nothing is asked of Azure twice, nor said of the marker
raft master0=unreachable master1=reachable master2=unreachable
: >record
"$AZSWARM" recover --from 1 --confirm swarm-cluster >out 2>err </dev/null &
pid=$!
wait_for 60 grep -q 'master2: its old row is removed' err
kill -INT $pid
wait $pid
expect 'recover: goes on' 0 'recovered: 3 of 3 managers' "$AZSWARM" recover --from 1
same 'recover: alone once' 'alone, removed master0, removed master2' "$(done_there)"
same 'recover: one generation more' '4 master1 thecluster' "$(marker)"
# what was begun and never ended is no word for another loss
raft master0=unreachable master1=reachable master2=unreachable
echo '{"group": "swarm-cluster", "from": "master1"}' >parameters/recover.json
expect 'recover: another loss is asked for' 2 'would destroy the old majority' "$AZSWARM" recover --from 1
rm parameters/recover.json

# ---- fewer ----

raft master0=leader master1=reachable master2=unreachable
"$AZSWARM" params --master-count 1 >out 2>&1
: >record
expect 'fewer: not without a yes' 2 'would take master1, master2 away' "$AZSWARM" deploy-compute
same 'fewer: nothing was done' ' ' "$(sent) $(done_there)"
expect 'fewer' 0 'master1: gone, with its disk' "$AZSWARM" deploy-compute --yes
same 'fewer: the highest first' 'demoted master2, removed master2, demoted master1, removed master1' "$(done_there)"
same 'fewer: and all of it' \
	'DELETE master2,DELETE master2-nic,DELETE master2-ip,DELETE master1,DELETE master1-nic,DELETE master1-ip' "$(sent)"
expect 'the only master: what would be lost' 1 'services, secrets, configs and networks are on its disk alone.*backup.*restore.*--force' \
	"$AZSWARM" replace-master 0 --yes
expect 'the only master: its name' 2 'say --confirm master0' "$AZSWARM" replace-master 0 --force
expect 'the only master: shown, and nothing begun' 5 '' "$AZSWARM" replace-master 0 --force --confirm master0 --print-requests
same 'the only master: so it is not known as begun' '' "$(ls parameters | grep replace)"
vm=$(jq -r '.entries[].doc | select(.type == "Microsoft.Compute/virtualMachines" and .name == "master0").properties.vmId' azure/state.json)
echo "{\"group\": \"swarm-cluster\", \"vm\": \"$vm\"}" >parameters/replace-master0.json
expect 'the only master: begun, and not lost yet' 1 'on its disk alone' "$AZSWARM" replace-master 0
expect 'the only master: made anew, it waits' 0 "waits for the operator's word: 'azswarm restore FILE'" \
	"$AZSWARM" replace-master 0 --force --confirm master0
exit $((test_failures != 0))
