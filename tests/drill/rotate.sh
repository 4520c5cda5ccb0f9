# Other keys in place of those that real machines have, while they run: after
# each, what stands on the machines, who may still join, and whose IDs the nodes
# have.  OpenSSH says which host keys there are.
# time: 600
# alone: fleet
# needs: root, systemd-nspawn, jq, openssh-client
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need jq ssh-keyscan ssh-keygen

swarm_azure
export AGENT_COUNT=1
must keys az keys
must deploy-storage az deploy-storage
must params az params
must deploy-compute az deploy-compute
must 'both are Ready' nodes_become 60 2
each() { on master0 docker node ls --format '{{.Hostname}} {{.ID}} {{.Status}}' | sort | xargs; }
secret() { on "$1" cat /etc/azswarm/node.json | jq -r .worker_secret; }
# the key of the account that signed the program's address on a machine
signed() { on "$1" sed -n 's/.*sig=\([^&"]*\).*/\1/p' /etc/azswarm/binary.url; }
host_key()	# ADDRESS: what sshd shows
{
	nsenter --net="/run/netns/$net" ssh-keyscan -t ecdsa "$1" 2>/dev/null | cut -d ' ' -f 3
}
own() { cut -d ' ' -f 2 "keys/host-$1.pub"; }
before=$(each)
agent=$(on master0 docker node inspect agents000000 --format '{{.Status.Addr}}')

# ---- secrets ----
had=$(secret agents000000)
check 'secrets' az rotate secrets --yes
same 'the agent has the new one' "$(cat keys/worker.secret)" "$(secret agents000000)"
check 'which is another' [ "$(secret agents000000)" != "$had" ]
same 'and nobody the one before' 0 "$(on master0 grep -c "$had" /etc/azswarm/node.json)"
same 'every node is the one it was' "$before" "$(each)"
sleep 16
on master0 journalctl -u swarm-helper --no-pager -o cat >helper.log
check 'the helper says what it does' grep -q 'founded a swarm' helper.log
on master0 journalctl -u swarm-helper --since -15s --no-pager -o cat >helper.log
same 'nobody is refused' '' "$(grep -h 'refused' helper.log)"

# ---- host keys ----
had=$(own master)
same 'sshd shows what keys/ has' "$had" "$(host_key 10.77.0.10)"
check 'host-keys' az rotate host-keys --yes
check 'another one' [ "$(own master)" != "$had" ]
same 'sshd of the master shows it' "$(own master)" "$(host_key 10.77.0.10)"
same 'and that of the agent' "$(own agent)" "$(host_key "$agent")"
expect 'ssh to the master' 0 '^master0$' az ssh master0 hostname
expect 'and through it' 0 '^agents000000$' az ssh agents000000 hostname
same 'every node is the one it was' "$before" "$(each)"

# ---- the storage account's key ----
had=$(signed master0)
check 'storage-key' az rotate storage-key --yes
check 'machines have another address of the program' [ "$(signed master0)" != "$had" ]
same 'and it is good' 200 "$(on master0 sh -c 'curl -s -o /dev/null -w "%{http_code}" -K /etc/azswarm/binary.url')"
same 'every node is the one it was' "$before" "$(each)"

# ---- join tokens ----
token=$(on master0 docker swarm join-token -q worker)
check 'join-tokens' az rotate join-tokens
check 'another one' [ "$(on master0 docker swarm join-token -q worker)" != "$token" ]

# ---- who comes later ----
expect 'one more agent, with all of that' 0 '' az scale-agents 2
must 'joins' nodes_become 90 3
swarm_end
exit $((test_failures != 0))
