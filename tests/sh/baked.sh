# Machines that are baked, on real ones that are provisioned as Azure does it: an
# image is made where packages can be had, and all that follows is where none can
# be.  What the image has of the machine that it was made of is looked for from
# outside, with what Azure had told that machine and what it had become.
# time: 420
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq, dpkg-deb, python3
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
. "$SRCDIR/tests/unbaked.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq dpkg-deb python3

unbaked_make >unbaked.log 2>&1 || {
	not_ok 'a root without Docker' "$(tail -n 3 unbaked.log root.log | tr '\n' ' ')"
	exit 1
}
swarm_azure --provision 300
must keys az keys
must deploy-storage az deploy-storage
must 'packages are let in' packages_on
ms() { date +%s%3N; }
told()		# seconds of something, for who reads the log
{
	echo "# $1: $((($(ms) - $2) / 1000)) s"
}
no_bake()	# is nothing of the group left?
{
	! jq -r 'keys[]' azure/state.json | grep -qi '/resourcegroups/swarm-cluster-bake'
}
machine_of_bake()
{
	grep -ls '"name": *"bake"' azure/machines/*/machine.json azure/machines/*/*/machine.json | head -n 1
}

# ---- bake ----

began=$(ms)
"$AZSWARM" bake-image --yes >bake.out 2>bake.err </dev/null &
bake=$!
check 'its machine is made' wait_for 120 grep -q '^the machine is made' bake.err
cp "$(machine_of_bake)" bake.json
check 'it boots' wait_for 60 grep -q '^it has booted' bake.err
on bake cat /etc/machine-id >secrets
wait $bake
same 'bake-image' 0 $?
told 'an image' "$began"
cat bake.err >&2
same 'each step, with its time' 6 "$(grep -cE '^(the machine|it|its image) .* \(([0-9]+ min )?[0-9]+ s\)$' bake.err)"
check 'what is billed is said' grep -q 'what is billed from now on is its storage in eastus' bake.err
check 'its group is gone' no_bake
same 'and its machine' '' "$(find azure -name machine.json)"

# what the machine was told, and who it was
jq -r .customData bake.json | base64 -d | grep -o '"-----BEGIN.*"' | jq -r . | grep -v -e '^-----' >keys.lines
check 'it was told keys' test "$(wc -l <keys.lines)" -gt 20
grep . keys.lines >>secrets
jq -r '.user, (.keys[] | split(" ")[1]), .azure.vmId' bake.json >>secrets
# and all that a cluster has, whose operator was here
cat keys/*.secret keys/*.pem keys/helper.key | grep -v -e '^-----' >>secrets
cut -d ' ' -f 2 keys/cluster.pub >>secrets
grep -o 'sig=[^&" ]*' azure/state.json | sort -u >>secrets
printf '%s\n' 'sig=' '/azswarm/azswarm-' "$AZURE_CLIENT_SECRET" >>secrets
grep . secrets >kept && mv kept secrets
same 'none is empty' 0 "$(grep -c '^$' secrets)"
disk=$(echo azure/images/*)
found()		# DIR: files that have any of it
{
	# this very program knows how such an address begins; and what stands in for
	# the firmware, which no disk has, says whose it is
	grep -rlaFf secrets "$1" | grep -v -e '/usr/local/bin/azswarm$' -e '/usr/local/sbin/dmidecode$'
}
same 'the image has none of it' '' "$(found "$disk")"
mkdir planted
i=0
while IFS= read -r line; do
	i=$((i + 1))
	printf 'x%sx' "$line" >planted/$i
done <secrets
same 'and each is found where it is' "$i" "$(found planted | wc -l)"
for at in etc/machine-id etc/azswarm etc/ssh/ssh_host_ecdsa_key etc/ssh/ssh_host_rsa_key \
    var/lib/cloud/instance var/lib/waagent var/log/journal var/lib/systemd/random-seed root/.ssh; do
	same "/$at: none" '' "$(find "$disk"/*/$at -type f -size +0 2>/dev/null)"
done
same 'users: none' '' "$(awk -F: '$3 >= 1000 && $3 < 60000 {print $1}' "$disk/01/etc/passwd")"
same 'Docker has not run' '' "$(find "$disk/docker" "$disk/containerd" -mindepth 1)"

# ---- a cluster of it, where no package can be had ----

packages_off
AGENT_COUNT=1
expect 'params: says which' 0 'image 0[.]2[.][0-9]*: baked of server' az params
check 'params: quick nodes' quick_nodes
began=$(ms)
expect 'deploy-compute' 0 'the swarm has 1 master and 1 agent' az deploy-compute
told 'a cluster, baked' "$began"
same 'so says the engine' 'agents000000 Ready Active master0 Ready Active' "$(nodes | xargs)"
alike()		# MACHINE: nothing was installed, or fetched, and it is one of its own
{
	same "$1: cloud-init is done" 'status: done' "$(on "$1" timeout 60 cloud-init status --wait | grep '^status')"
	same "$1: nothing was installed" '' "$(on "$1" sh -c 'ls /var/log/apt/history.log /var/lib/apt/lists/*_* 2>/dev/null')"
	same "$1: nor fetched" 0 "$(on "$1" grep -cE 'azswarm-setup: (installing|fetching)' /var/log/cloud-init-output.log)"
	same "$1: the host key of keys/" "$(cut -d ' ' -f 2 "keys/host-$2.pub")" \
		"$(on "$1" cut -d ' ' -f 2 /etc/ssh/ssh_host_ecdsa_key.pub)"
	same "$1: an id of its own" 0 "$(on "$1" cat /etc/machine-id | grep -cFf secrets)"
	check "$1: Azure's agent has provisioned it" wait_for 60 on "$1" test -s /var/lib/waagent/provisioned
}
alike master0 master
alike agents000000 agent
same 'two ids' 2 "$({ on master0 cat /etc/machine-id; on agents000000 cat /etc/machine-id; } | sort -u | wc -l)"
began=$(ms)
expect 'one more agent' 0 '' az scale-agents 2
told 'one more agent, baked' "$began"
expect 'one is made anew' 0 '' az reimage-agents-serial agents_0
alike agents000000 agent
expect 'baked-images: who has it' 0 'scale set agents, master0, 2 agents' az baked-images
version=$(az baked-images --output tsv | cut -f 1)
expect 'baked-images rm: not while it is used' 1 'is in use: scale set agents' az baked-images rm "$version"
unplug
expect 'destroy-compute' 0 'nothing of it is left' az destroy-compute --confirm swarm-cluster
expect 'deploy-compute again' 0 'the swarm has 1 master and 1 agent' az deploy-compute

# ---- without it ----

expect 'packages are let in again' 0 '' packages_on
expect 'IMAGE=marketplace' 0 "image: the marketplace's, as IMAGE says" az params --image marketplace
check 'quick nodes' quick_nodes
expect 'plan shows it' 5 'imageReference.publisher: "Canonical"' az plan
expect 'deploy-compute: the model' 0 'master0 keeps version' az deploy-compute --no-wait
expect 'until it is' 0 '' az view-deployment --watch
began=$(ms)
expect 'one that installs' 0 '' az scale-agents 2
told 'one more agent, not baked' "$began"
same 'it has installed Docker' 1 "$(on agents000001 grep -c 'azswarm-setup: installing docker.io' /var/log/cloud-init-output.log)"

# ---- who is interrupted ----

"$AZSWARM" bake-image --yes >int.out 2>int.err </dev/null &
bake=$!
check 'another: it boots' wait_for 180 grep -q '^it has booted' int.err
kill -INT $bake
wait $bake
same 'Ctrl-C' 130 $?
check 'its group goes all the same' wait_for 60 no_bake
same 'there is no other image' "$version" "$(az baked-images --output tsv | cut -f 1)"
swarm_end
exit $((test_failures != 0))
