# Machines that are made as Azure makes them: by cloud-init's own Azure data
# source, Debian's Azure agent and its DHCP client, of which none is changed.
# What they make of what the local Azure says is their word, not ours; and the
# host keys that we write have to suit them.
# time: 300
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq, ssh
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq python3 ssh

swarm_azure --provision 300
export AGENT_COUNT=1
began=$(date +%s)
"$AZSWARM" up --yes </dev/null >up.out 2>up.err
same 'up' 0 $?
check 'up: the swarm has them' grep -q 'the swarm has 1 master and 1 agent' up.err
same 'up: so says the engine' 'agents000000 Ready Active master0 Ready Active' "$(nodes | xargs)"
echo "# up, with machines that Azure's own provisions: $(($(date +%s) - began)) s"

told()		# MACHINE JQ: of its machine.json
{
	jq -r "$2" "$(machine_dir "$1")/machine.json"
}

reported()	# MACHINE: its reports, first to last
{
	sed -n "s/.* machine $1: reports //p" azure/emulator.log | xargs
}

token=$(curl -sS --cacert "$SSL_CERT_FILE" "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" \
	--data-urlencode grant_type=client_credentials --data-urlencode "client_id=$AZURE_CLIENT_ID" \
	--data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode scope=https://management.azure.com/.default | jq -r .access_token)
agent_says()	# what Azure tells of a machine's agent
{
	curl -sS --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $token" \
		"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-cluster/providers/Microsoft.Compute/virtualMachines/master0/instanceView?api-version=2024-07-01" |
		jq -r '.vmAgent | "\(.vmAgentVersion) \(.statuses[0].code) \(.statuses[0].displayStatus) \(.statuses[0].message)"'
}

for m in master0 agents000000; do
	# newer ones exit with 2 for warnings, of what a container has not
	same "$m: cloud-init is done" 'status: done' \
		"$(on $m timeout 60 cloud-init status --wait --long | grep '^status')"
	same "$m: by the Azure data source, without an error" \
		'DataSourceAzure [seed=/var/lib/cloud/seed/azure] 0' \
		"$(on $m cat /run/cloud-init/result.json | jq -r '.v1 | "\(.datasource) \(.errors | length)"')"
	same "$m: it is who Azure says" "$(told $m .azure.vmId)" "$(on $m cat /var/lib/cloud/data/instance-id)"
	same "$m: its name" $m "$(on $m hostname)"
	same "$m: the user's key" "$(told $m '.keys[0]')" "$(on $m cat /home/cluster/.ssh/authorized_keys)"
	same "$m: customData, byte by byte" "$(told $m .customData | base64 -d | sha256sum)" \
		"$(on $m cat /var/lib/cloud/instance/user-data.txt | sha256sum)"
	same "$m: its address, by DHCP" "$(told $m .address)/16" \
		"$(on $m ip -4 -o address show eth0 | awk '{print $4}')"
	# dhcpcd, which newer Debians have, keeps no text of it
	! on $m test -e /var/lib/dhcp || same "$m: where the host is asked, by DHCP" \
		'option unknown-245 a8:3f:81:10;' \
		"$(on $m sh -c 'cat /var/lib/dhcp/*.leases' | grep -o 'option unknown-245.*' | sort -u)"
	same "$m: the way there" '168.63.129.16 via 10.77.0.1 dev eth0' \
		"$(on $m ip route get 168.63.129.16 | sed -n '1s/ src.*//p')"
	expect "$m: no unit failed" 0 '^running$' on $m timeout 60 systemctl is-system-running --wait
	check "$m: the agent has provisioned it" wait_for 60 on $m test -s /var/lib/waagent/provisioned
	# the data source's, and the agent's: newer ones leave it to the former
	expect "$m: it has reported that it is ready" 0 '^Ready( NotReady Provisioning Ready)?$' reported $m
	same "$m: the kinds of host keys" 'ecdsa rsa' \
		"$(on $m sh -c 'ls /etc/ssh/ssh_host_*_key' | sed 's/.*host_\(.*\)_key$/\1/' | xargs)"
done
version=$(on master0 dpkg-query -W -f '${Version}' waagent | cut -d . -f 1-4 | cut -d - -f 1)
check "Azure says what its agent says" wait_for 60 eval \
	'[ "$(agent_says)" = "$version ProvisioningState/succeeded Ready Guest Agent is running" ]'

# ---- host keys ----

knows()		# MACHINE HOST-KEY-ALGORITHM [ALIAS]: OpenSSH, with keys/known_hosts and no other
{
	nsenter --net="/run/netns/$net" ssh -F none -i keys/cluster.pem -o BatchMode=yes \
		-o IdentitiesOnly=yes -o UserKnownHostsFile=keys/known_hosts -o GlobalKnownHostsFile=/dev/null \
		-o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o ConnectTimeout=10 \
		-o HostKeyAlgorithms="$2" -o HostKeyAlias="${3-$1}" "cluster@$(told "$1" .address)" hostname
}
for a in ecdsa-sha2-nistp256 rsa-sha2-256 rsa-sha2-512; do
	expect "OpenSSH knows the master by $a" 0 '^master0$' knows master0 $a
	expect "OpenSSH knows the agent by $a" 0 '^agents000000$' knows agents000000 $a
	expect "OpenSSH does not take it for a master by $a" 255 'Host key verification failed' \
		knows agents000000 $a master0
done

# The agent's way without an RSA key, which is how it was: it looks, and does not
# go on.
on agents000000 systemctl stop walinuxagent
on agents000000 sh -c 'rm /var/lib/waagent/provisioned; mv /etc/ssh/ssh_host_rsa_key.pub /root; : >/var/log/waagent.log'
on agents000000 systemctl start walinuxagent
check 'the agent waits for an RSA key' wait_for 30 on agents000000 \
	grep -q 'Waiting for ssh host key be generated at /etc/ssh/ssh_host_rsa_key.pub' /var/log/waagent.log
expect 'and has not provisioned the machine' 1 '' on agents000000 test -e /var/lib/waagent/provisioned
on agents000000 mv /root/ssh_host_rsa_key.pub /etc/ssh/
check 'until it is there' wait_for 30 on agents000000 test -s /var/lib/waagent/provisioned

# ---- a second boot of the same disk ----

on agents000000 sh -c 'cat /etc/ssh/ssh_host_*_key' >before
for verb in cut start; do
	must "$verb" "$azure_dir/driver-nspawn" $verb agents000000 "$(machine_dir agents000000)"
done
check 'again: it comes up' wait_for 60 on agents000000 test -e /run/cloud-init/result.json
same 'again: the Azure data source' 'DataSourceAzure' "$(on agents000000 sh -c \
	'cloud-init status --wait >/dev/null; cat /run/cloud-init/result.json' | jq -r .v1.datasource | cut -d ' ' -f 1)"
on agents000000 sh -c 'cat /etc/ssh/ssh_host_*_key' >after
check 'again: the same host keys' cmp before after
check 'again: the same machine, in service' nodes_become 60 2
swarm_end
