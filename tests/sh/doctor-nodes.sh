# doctor, held against real machines and the ways between them: everything is well
# and stays as it was, then one thing after the other is not, and the line names
# it and what mends it.  What Azure tells is sh/doctor's.
# time: 400
# at-most: 4 machines
# needs: root, systemd-nspawn, jq
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
. "$SRCDIR/tests/doctor.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need jq

swarm_azure
export AGENT_COUNT=3 SHARE_NAME=none
must keys az keys
must deploy-storage az deploy-storage
must params az params
must deploy-compute az deploy-compute
machines='master0 agents000000 agents000001 agents000002'

state()		# what could have been changed on the machines
{
	for m in $machines; do
		on "$m" sh -c 'hostname; docker ps -aq; docker volume ls -q; docker network ls -q | xargs docker network inspect
			grep -v /run/user/ /proc/mounts | sort; iptables-save | sed "s/\[[0-9:]*\]//; /^#/d"
			ls -lR /etc /usr/local --time-style=full-iso | grep -v "^total"; ip -o addr | sed "s/valid_lft.*//"'
	done
	on master0 sh -c 'docker node ls -q | xargs docker node inspect; docker service ls -q'
}

well()		# nothing is wrong
{
	"$AZSWARM" doctor >/dev/null 2>&1
}

full()		# has its agent seen that there is no room?
{
	[ "$(on agents000001 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:1338/healthz)" = 503 ]
}

check 'the overlay is there' wait_for 60 well
state >before
began=$(date +%s%N)
doctor 'all is well' 0
took=$((($(date +%s%N) - began) / 1000000))
state >after
check "it took $took ms" test $took -lt 60000
check 'engines and machines are as they were' cmp before after
check 'and that is much' test "$(wc -l <before)" -gt 300
line 'each machine in one line' \
	'^ok\|machines agents000001\|SSH in [0-9]+ ms, cloud-init done, .* Docker [0-9.]+[^ ]* run, .* free, clock within [1-3] s, link of 1500'
line 'the overlay was measured' '^ok\|overlay VXLAN\|(6|12) ways between nodes carry packets of 1350 bytes unsplit'
line 'the ports were' '^ok\|overlay ports\|15 connections'
line 'the probe was asked' '^ok\|balancer probe\|3 agents say 200'
line 'quorum' '^ok\|swarm quorum\|1 of 1 managers answer, 1 are needed, master0 leads'
line 'registries' '^ok\|machines registry\|the engines of 4 machines have our image and what was pushed'
line 'nodes' '^ok\|swarm nodes\|all 4 machines that run'

# What the machines say of themselves: a thing for each.  Who would take a machine
# without room out of service goes first.
on master0 systemctl stop swarm-helper
on agents000000 sh -c 'printf "#!/bin/sh\nexec /bin/date -d \"+2 minutes\" \"\$@\"\n" >/usr/local/bin/date
	chmod 755 /usr/local/bin/date; cp /run/cloud-init/result.json /run/kept
	echo "{\"v1\":{\"datasource\":\"x\",\"errors\":[\"(scripts_user, it failed)\"]}}" >/run/cloud-init/result.json'
on agents000001 sh -c 'mount -t tmpfs -o size=64m,nr_inodes=200 tmpfs /var/lib/docker
	dd if=/dev/zero of=/var/lib/docker/x bs=1M count=62 2>/dev/null
	cd /var/lib/docker && touch $(seq 199) 2>/dev/null; true'
on agents000002 sh -c 'iptables -I INPUT -p udp --dport 4789 -j DROP; systemctl stop swarm-firewall
	mv /run/cloud-init/result.json /run/kept'
on agents000000 ip link set dev host0 mtu 1300
check 'its agent has seen it' wait_for 30 full
heard()		# by the load balancer, which asks in its own time
{
	"$AZSWARM" doctor --output tsv 2>/dev/null | grep -q 'agents000001 probe.*no room'
}
check 'and the load balancer' wait_for 60 heard
doctor 'several things' 1
line 'a clock' '^wrong\|machines agents000000 clock\|1[12][0-9] s ahead of Azure.s\|azswarm ssh agents000000 sudo timedatectl'
line 'cloud-init' '^wrong\|machines agents000000 cloud-init\|ended with errors: \(scripts_user, it failed\)\|.*azswarm-setup'
line 'cloud-init that goes on' '^warning\|machines agents000002 cloud-init\|still at work'
line 'a disk' '^wrong\|machines agents000001 disk\|[0-4] % of the space left in /var/lib/docker\|azswarm images --prune'
line 'inodes' '^(wrong|warning)\|machines agents000001 inodes\|[0-9]+ % of the files left'
line 'what the balancer hears of that' '^wrong\|balancer agents000001 probe\|HTTP 503, no room where Docker keeps its data'
line 'firewall' '^wrong\|machines agents000002 firewall\|swarm-firewall.service is inactive.*\|.*restart swarm-firewall'
line 'helper' '^wrong\|machines master0 helper\|swarm-helper.service is inactive.*\|azswarm ssh master0 sudo systemctl restart swarm-helper'
line 'VXLAN that is dropped' '^wrong\|overlay agents000002 and all others\|nothing comes back through VXLAN\|rules that drop UDP 4789'
line 'a link' '^wrong\|machines agents000000 link\|host0 carries 1300 bytes, and the overlay needs 1400'
line 'what does not fit' '^wrong\|overlay agents000000 .*\|small packets arrive, and none of 1350 bytes'
check 'and nothing of those that are well' sh -c '! grep -q "^wrong|overlay agents000001" bad'
on agents000000 sh -c 'rm /usr/local/bin/date; mv /run/kept /run/cloud-init/result.json'
on agents000000 ip link set dev host0 mtu 1500
on agents000001 umount /var/lib/docker
on agents000002 sh -c 'iptables -D INPUT -p udp --dport 4789 -j DROP; systemctl start swarm-firewall
	mv /run/kept /run/cloud-init/result.json'
on master0 systemctl start swarm-helper
check 'well again' wait_for 60 well

# An engine that hangs, SSH, networks.
on agents000001 sh -c 'kill -STOP $(pidof dockerd)'
on agents000002 iptables -I INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
on master0 docker network create -d overlay large >/dev/null
doctor 'others' 1
line 'an engine that hangs' '^wrong\|machines agents000001 engine\|.*timed out\|azswarm ssh agents000001 sudo systemctl restart docker'
line 'SSH' '^wrong\|machines agents000002 SSH\|.*\|azswarm restart-agents agents000002, else reimage'
line 'a network that is too large' '^warning\|swarm network large\|its MTU is 1500, and Azure splits.*\|docker network create .*mtu=1400'
on agents000001 sh -c 'kill -CONT $(pidof dockerd)'
on agents000002 iptables -D INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
on master0 docker network rm large >/dev/null
check 'well once more' wait_for 60 well

# A share that should be there; a node out of service, an engine and an agent that
# are stopped, a balancer that is gone.
on agents000002 sh -c 'mkdir -p /run/systemd/system/srv.mount.d
	printf "[Mount]\nWhat=tmpfs\nType=tmpfs\nOptions=\n" >/run/systemd/system/srv.mount.d/x.conf
	systemctl daemon-reload; systemctl start srv.mount'
on agents000001 sh -c 'systemctl start srv.mount 2>/dev/null; true'
# whom we took out ourselves says no to the balancer, as it is to be
"$AZSWARM" evict agents000002 >/dev/null 2>&1
doctor 'the share' 1 --share-name data
line 'a share that is not mounted' '^warning\|machines agents000000 share\|/srv is not mounted, and is this machine.s own\|.*azswarm-setup'
line 'a share that could not be' '^wrong\|machines agents000001 share\|/srv could not be mounted\|.*restart srv.mount'
line 'a share that is' '^ok\|machines agents000002\|.*/srv mounted'
line 'and says no to the balancer, as it should' '^ok\|balancer probe\|2 agents say 200'
line 'a node out of service' '^warning\|swarm agents000002 node\|out of service: drain\|azswarm return agents000002'
on agents000002 sh -c 'systemctl stop srv.mount; rm -r /run/systemd/system/srv.mount.d; systemctl daemon-reload'
on agents000001 systemctl reset-failed srv.mount
"$AZSWARM" return agents000002 >/dev/null 2>&1
on agents000000 systemctl stop swarm-agent
on agents000001 systemctl stop docker.socket docker
printf '[{"name":"on purpose","request":"GET *loadBalancers/agents-lb*","status":404,"code":"ResourceNotFound","message":"none"}]' >azure/faults.json
doctor 'agent, engine, balancer' 1
line 'an agent' '^wrong\|machines agents000000 agent\|swarm-agent.service is inactive'
line 'an agent that does not answer' '^wrong\|balancer agents000000 probe\|no answer to /healthz'
line 'an engine out of the swarm' '^wrong\|machines agents000000 engine\|it is in no swarm: inactive'
line 'no place where ports are published' '^wrong\|overlay agents000000 overlay\|it has no place'
line 'an engine' '^wrong\|machines agents000001 engine\|docker.service is inactive'
line 'its port' '^wrong\|overlay agents000001 ports\|TCP 7946: refused for [23] of [23] other'
line 'a balancer' '^wrong\|balancer load balancer\|there is none\|azswarm deploy-compute'
expect 'a node whose engine is silent can be reached' 0 '^agents000001$' az ssh agents000001 hostname
rm azure/faults.json
on agents000001 systemctl start docker
on master0 sh -c 'kill -STOP $(pidof dockerd)'
doctor 'a master that hangs' 1
line 'a master that hangs' '^wrong\|swarm manager\|master0: Docker does not answer'
on master0 sh -c 'kill -CONT $(pidof dockerd)'
swarm_end
