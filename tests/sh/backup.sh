# A swarm that is lost with its machines, and comes back from its backup: real
# engines, whose own words count; the sealed file is opened and made by somebody
# else's cryptography (tests/sealed.py).
# time: 400
# at-most: 4 machines
# needs: root, systemd-nspawn, python3-cryptography
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need jq python3
sealed()
{
	/usr/bin/python3 "$SRCDIR/tests/sealed.py" "$@"
}
/usr/bin/python3 -c 'import cryptography' 2>/dev/null || skip_all 'no python3-cryptography here'

must keys az keys
swarm_azure
export AGENT_COUNT=1
began=$(date +%s)
must deploy-storage az deploy-storage
must params az params
must 'nodes that are quick' quick_nodes
must deploy-compute az deploy-compute

# ---- what would be lost ----

on master0 sh -ec 'printf "the bytes of a secret" | docker secret create s1 -
	printf "the bytes of a config" | docker config create c1 -
	docker network create -d overlay --attachable net1
	docker node update --label-add disk=ssd --label-add rack=7 agents000000' >made 2>&1
image=127.0.0.1:1339/azswarm:$(cat "$SRCDIR/VERSION")
on master0 docker service create --detach --name kept --replicas 2 --secret s1 --network net1 \
	--config source=c1,target=/etc/c1 --constraint node.labels.disk==ssd "$image" demo >made 2>&1
on master0 docker service create --detach --name plain --network net1 \
	--config source=c1,target=/etc/c1 --constraint node.labels.rack==7 "$image" demo >made 2>&1
check 'its services run' wait_for 60 count_is kept 2
check 'and the other' wait_for 60 count_is plain 1
inside()	# SERVICE FILE: what a task of it reads there
{
	on agents000000 sh -c 'p=$(docker inspect -f "{{.State.Pid}}" $(docker ps -q -f "label=com.docker.swarm.service.name='"$1"'" | head -n 1))
		cat "/proc/$p/root'"$2"'"'
}
same 'a task reads the secret' 'the bytes of a secret' "$(inside kept /run/secrets/s1)"
cluster()
{
	on master0 docker info --format '{{.Swarm.Cluster.ID}} {{.Swarm.NodeID}} {{.Swarm.LocalNodeState}}'
}
lost=$(cluster)

# ---- backup ----

expect 'backup: of an only master, not without a yes' 2 'would stop the engine of master0 for some seconds; say --yes' \
	"$AZSWARM" backup -o one.azs
check 'backup: and nothing was written' test ! -e one.azs -a ! -e one.azs.part
pid=$(on master0 pidof dockerd)
expect 'backup: shown, and not done' 5 '^SSH master0: its engine is stopped' "$AZSWARM" backup -o one.azs --yes --print-requests
same 'backup: its engine runs on, and nothing is written' "$pid " "$(on master0 pidof dockerd) $(ls | grep one.azs)"
echo x >keys/cluster.pub~
expect backup 0 'one.azs: the swarm of swarm-cluster, as master0 has it' "$AZSWARM" backup -o one.azs --keys --to-storage --yes
check 'backup: what it could not read again is left out' grep -q '^keys/cluster.pub~: left out, for its name$' out
rm keys/cluster.pub~
check 'backup: its engine was stopped' test "$pid" != "$(on master0 pidof dockerd)"
name=$(sed -n 's/^in the storage account: //p' out)
check 'backup: it is in storage, too' sh -c 'echo "$1" | grep -Eqx "backup-swarm-cluster-[0-9]{8}T[0-9]{6}Z[.]azs"' - "$name"
same 'backup: the swarm is there again' "$lost" "$(cluster)"
check 'backup: its services run' wait_for 30 count_is kept 2
same 'backup: nothing is left there' '' "$(on master0 sh -c 'ls -d /var/lib/docker/azswarm-* /var/lib/docker/swarm.*' 2>/dev/null)"
same 'backup: for its owner alone' 600 "$(stat -c %a one.azs)"
expect 'backup: a file is not written over' 2 'one.azs is there already' "$AZSWARM" backup -o one.azs --yes
mkdir opened
sealed open keys/backup.key <one.azs 2>header | tar -x -C opened
same 'the file: its header' 'swarm-cluster master0' "$(jq -r '"\(.group) \(.manager)"' header)"
same 'the file: what is in it' 'cluster.json keys swarm.tar.gz' "$(ls opened | xargs)"
same 'the file: keys, but for its own' "$(ls keys | grep -vx backup.key)" "$(ls opened/keys)"
same 'the file: labels by name' '{"disk":"ssd","rack":"7"}' \
	"$(jq -c '.nodes[] | select(.hostname == "agents000000").labels' opened/cluster.json)"
tar -t -z -f opened/swarm.tar.gz >packed
check 'the file: the engine'\''s own state' grep -q '^swarm/raft/snap-v3-encrypted/\|^swarm/raft/wal-v3-encrypted/' packed
same 'the file: no secret, no key in the clear' 0 "$(cat keys/*.secret keys/helper.key | grep -v -e ----- |
	grep -cFaf - one.azs)"

# ---- what is refused before anything is touched ----

head -c -1 one.azs >cut.azs
cat one.azs one.azs >twice.azs
head -c 300 /dev/urandom >foreign.azs
openssl rand -hex 32 >other.key
printf x | sealed seal other.key "$(cat header)" >other.azs
python3 -c 'import sys; d = bytearray(open("one.azs", "rb").read()); d[-40] ^= 1; sys.stdout.buffer.write(d)' >bit.azs
tar -c -C opened cluster.json | sealed seal keys/backup.key "$(cat header)" >half.azs
pid=$(on master0 pidof dockerd)
for f in 'cut cut: its end is missing' 'twice bytes behind its end' 'foreign not a file that azswarm has sealed' \
    'other sealed with another key, or changed' 'bit changed, in chunk' 'half something is missing in it'; do
	expect "restore: refused, ${f%% *}" 1 "${f%% *}.azs: .*${f#* }" "$AZSWARM" restore "${f%% *}.azs" --confirm swarm-cluster
done
expect 'restore: what is nowhere' 2 "no file none.azs here, and none in storage account .*, which has $name\$" "$AZSWARM" restore none.azs
expect 'restore: not without the name' 2 'would destroy the swarm that swarm-cluster has now .2 services' "$AZSWARM" restore one.azs
expect 'restore: shown, and not done' 5 '' "$AZSWARM" restore one.azs --confirm swarm-cluster --print-requests
mv keys/backup.key backup.key
expect 'restore: without its key' 1 'keys/backup.key is not here: put there the one that one.azs was sealed with' "$AZSWARM" restore one.azs
mv backup.key keys/
same 'restore: that engine was left alone' "$pid $lost" "$(on master0 pidof dockerd) $(cluster)"
mv keys/worker.secret worker
expect 'restore --keys: what is missing' 0 'keys/worker.secret is back' "$AZSWARM" restore one.azs --keys
check 'restore --keys: the same bytes' cmp worker keys/worker.secret

# ---- all machines are gone ----

must destroy-compute az destroy-compute --confirm swarm-cluster
must 'params: another life' az params
must 'nodes that are quick, again' quick_nodes
must 'deploy-compute: other machines' az deploy-compute
same 'nothing of it is there' '' "$(on master0 docker service ls -q)"
check 'and the swarm is another' test "$lost" != "$(cluster)"
began_back=$(date +%s)
expect 'restore, from storage' 0 'the swarm of swarm-cluster is back' "$AZSWARM" restore "$name" --confirm swarm-cluster
echo "# restore took $(($(date +%s) - began_back)) s"
same 'restore: the same swarm' "${lost% *}" "$(cluster | cut -d ' ' -f 1,2)"
same 'restore: its nodes, and no others' 'agents000000 Ready Active master0 Ready Active' "$(nodes | xargs)"
check 'restore: its services run' wait_for 60 count_is kept 2
check 'restore: and the other' wait_for 60 count_is plain 1
same 'restore: a task reads the secret' 'the bytes of a secret' "$(inside kept /run/secrets/s1)"
same 'restore: and the config' 'the bytes of a config' "$(inside kept /etc/c1)"
labels()
{
	on master0 docker node inspect agents000000 --format '{{json .Spec.Labels}}' |
		jq -c 'with_entries(select(.key | startswith("azswarm.") | not))'
}
same 'restore: labels are there' '{"disk":"ssd","rack":"7"}' "$(labels)"
same 'restore: ports of the mesh have their network' 10.208.0.0/20 "$(on master0 docker network inspect ingress \
	--format '{{(index .IPAM.Config 0).Subnet}}')"
same 'restore: nothing is left there' '' "$(on master0 sh -c 'ls -d /var/lib/docker/swarm.*' 2>/dev/null)"

# ---- an engine that does not take the state ----

mkdir broken
tar -x -z -C broken -f opened/swarm.tar.gz
find broken -name '*.wal' | while read -r f; do
	head -c 100000 /dev/urandom >"$f"
done
tar -c -z -f opened/swarm.tar.gz -C broken swarm
tar -c --format=ustar -C opened cluster.json swarm.tar.gz | sealed seal keys/backup.key "$(cat header)" >broken.azs
expect 'restore, by description' 1 'all is back but .*: secret s1, service kept' "$AZSWARM" restore broken.azs --confirm swarm-cluster
check 'by description: that is said' grep -q 'master0 does not take the state' out
check 'by description: what needs no secret runs' wait_for 60 count_is plain 1
same 'by description: no more than that' plain "$(on master0 docker service ls --format '{{.Name}}')"
same 'by description: its config' 'the bytes of a config' "$(inside plain /etc/c1)"
same 'by description: its network' net1 "$(on master0 docker network ls -f driver=overlay --format '{{.Name}}' | grep -vx ingress)"
same 'by description: labels' '{"disk":"ssd","rack":"7"}' "$(labels)"
echo "# $(($(date +%s) - began)) s"

swarm_end
exit $((test_failures != 0))
