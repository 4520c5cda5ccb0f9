# The master that leads is made anew, on real machines and under load: nobody who
# uses a service notices, and what raft is like is read from the engines.  A
# replacement that was interrupted goes on; one that would cost the majority is
# refused.
# time: 600
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq, python3
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
. "$SRCDIR/tests/drill/load.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq python3

swarm_azure
export MASTER_COUNT=3 AGENT_COUNT=1 AZSWARM_LOG="$PWD/log"
for command in keys deploy-storage params; do
	must $command az $command
done
must 'nodes that are quick' quick_nodes
must deploy-compute az deploy-compute

id_of()		# MASTER HOST
{
	on "$1" docker node ls -f "name=$2" --format '{{.ID}}'
}
raft_is_whole()	# MASTER: the three are members, one leads, all can be reached
{
	raft_is "$1" 3 &&
		[ "$(raft "$1" | awk '{ print $1 }' | xargs)" = 'master0 master1 master2' ]
}

check 'three masters' wait_for 60 raft_is_whole master0
was=$(leader master0)
other=master1
[ "$was" != master1 ] || other=master0
on "$other" docker node update --label-add rack=a1 "$was" >/dev/null
printf 'of before' | on "$other" docker secret create word - >/dev/null
must 'services are made' services_start "$other"
check 'services are whole' wait_for 60 services_whole "$other"
old=$(id_of "$other" "$was")
at=$("$AZSWARM" list-endpoints --output tsv | sed -n "s/^$was-ip	\([^	]*\).*/\1/p")

expect 'replace-master: a name' 2 'is no master: expected 0 to 4' "$AZSWARM" replace-master agents000000
expect 'replace-master: not without a yes' 2 "would delete $was with its disk" "$AZSWARM" replace-master "$was"

load_on "$PWD/load"
sleep 3
# cut off while its machine goes
"$AZSWARM" replace-master "$was" --yes </dev/null >replace.out 2>replace.err &
pid=$!
wait_for 120 grep -q 'no manager any more' replace.err
kill -INT $pid
wait $pid
same 'replace-master: Ctrl-C' 130 $?
check 'replace-master: says how it goes on' grep -q 'the same command again goes on' replace.err
began=$(date +%s)
expect 'replace-master: the same again, without a yes' 0 "$was is a manager again: 3 of 3 can be reached" \
	"$AZSWARM" replace-master "$was"
echo "# replaced in $(($(date +%s) - began)) s"
load_off
same 'under load: no request failed' '0 0' "$failed $failed_patient"
check 'under load: there were some' test "$ok" -ge 20
check 'raft is whole' raft_is_whole "$other"
for m in master0 master1 master2; do
	same "the members, as $m knows them" "$(raft "$other" | awk '{ print $1 }' | xargs)" \
		"$(raft $m | awk '{ print $1 }' | xargs)"
done
same 'no row is left over' 1 "$(id_of "$other" "$was" | grep -c .)"
check 'it is another node' test "$(id_of "$other" "$was")" != "$old"
same 'its label is back' a1 "$(on "$other" docker node inspect "$was" --format '{{.Spec.Labels.rack}}')"
same 'its address stayed' "$at" "$("$AZSWARM" list-endpoints --output tsv | sed -n "s/^$was-ip	\([^	]*\).*/\1/p")"
same 'the secret is there' word "$(on "$was" docker secret ls --format '{{.Name}}')"
check 'services are whole again' wait_for 60 services_whole "$other"
same 'nothing that was begun is left' '' "$(ls parameters | grep replace)"

# with another one away the rest would be no majority
away=master2
[ "$was" != master2 ] && [ "$other" != master2 ] || away=master1
[ "$was" != $away ] && [ "$other" != $away ] || away=master0
on $away systemctl stop docker.socket docker
is_away() { raft "$other" | grep -qx "$away Unreachable"; }
check 'one of the others is away' wait_for 60 is_away
expect 'replace-master: not when that costs the majority' 1 "no majority.*first the one that is away: $away" \
	"$AZSWARM" replace-master "$was" --yes
expect 'recover: not while there is a leader' 1 'the swarm has a leader: 2 of 3 managers' \
	"$AZSWARM" recover --from "$other" --confirm swarm-cluster
swarm_end
exit $((test_failures != 0))
