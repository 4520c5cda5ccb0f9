# A cluster of real machines: systemd, cloud-init, sshd, Docker engines, and
# our helper and agent in their units.  What is asked is answered by the
# engine on the master, by ssh and by curl, not by us.
# time: 600
# at-most: 4 machines
# needs: root, systemd-nspawn
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
why=$(azure_able) || skip_all "no real machines: $why"

before=$(traces)
trap 'azure_stop; trap - EXIT; exit' EXIT INT TERM
"$SRCDIR/assets/machines/nspawn" root >root.log 2>&1 || {
	not_ok root "$(tail -n 3 root.log | tr '\n' ' ')"
	exit 1
}
export XDG_CACHE_HOME="$PWD/cache" DOCKER_CHANNEL=distro AGENT_COUNT=1
azure_start "$PWD/azure" nspawn || { not_ok start 'no local Azure'; exit 1; }

same()		# CASE WANTED GOT
{
	[ "$2" = "$3" ] && ok "$1" || not_ok "$1" "wanted '$2', got '$3'"
}
inside()	# COMMAND...: in the machines' network, where no machine is
{
	nsenter --net="$netns" "$@"
}
health()	# ADDRESS: status of its health page
{
	inside curl -s -o /dev/null -m 5 -w '%{http_code}' "http://$1:1338/healthz"
}
health_becomes()	# ADDRESS STATUS SECONDS
{
	n=0
	until [ "$(health "$1")" = "$2" ]; do
		n=$((n + 1))
		[ $n -lt "$3" ] || return 1
		sleep 1
	done
}

must keys "$AZSWARM" keys
must deploy-storage "$AZSWARM" deploy-storage
must params "$AZSWARM" params
must deploy-compute "$AZSWARM" deploy-compute
netns=/run/netns/azs-$azure_net
same 'their network is named after the directory' "$azure_net" \
	"$(jq -r .net "$(machine_dir master0)/machine.json")"
case $(traces) in
*cgroup*netns*process*) ok 'what is looked for in the end can be found' ;;
*)	not_ok 'what is looked for in the end can be found' "$(traces)" ;;
esac
check 'master and agent are Ready' nodes_become 90 2
if [ "$test_failures" -ne 0 ]; then
	on master0 journalctl -u swarm-helper -u swarm-agent --no-pager | tail -n 30
	on agents000000 journalctl -u swarm-agent --no-pager | tail -n 30
	on agents000000 tail -n 30 /var/log/cloud-init-output.log
	exit 1
fi
agent=$("$AZSWARM" list-agents --output tsv | cut -f4)
agent_id() { on master0 docker node ls -f name=agents000000 --format '{{.ID}}'; }

# --- how the machines were made ---------------------------------------------------
for m in master0 agents000000; do
	same "$m: cloud-init is content" 'status: done' "$(on $m cloud-init status)"
	same "$m: no unit failed" '' \
		"$(on $m systemctl --failed --plain --no-legend | grep -v srv.mount)"
	same "$m: secrets are private" '600 600' \
		"$(on $m stat -c %a /etc/azswarm/node.json /etc/azswarm/share.cred | xargs)"
done
same 'no helper key on agents' no "$(on agents000000 test -e /etc/azswarm/helper.key && echo yes || echo no)"
same 'ingress network is out of the way' '10.208.0.0/20 1400' "$(on master0 docker network inspect ingress \
	--format '{{(index .IPAM.Config 0).Subnet}} {{index .Options "com.docker.network.driver.mtu"}}')"
same 'one swarm, made once' 1 "$(on master0 docker node ls -q -f role=manager | grep -c .)"
for s in $(cat keys/*.secret); do
	same 'no secret in any command line' 0 "$(on master0 cat /proc/[0-9]*/cmdline | tr '\0' ' ' | grep -cF "$s")"
	same 'no secret in the journal' 0 "$(on master0 journalctl --no-pager | grep -cF "$s")"
done
same 'no join token in the journal' 0 "$(on master0 journalctl --no-pager | grep -c 'SWMTKN-1-')"

# --- signing in, with the keys that were announced -------------------------------
printf '10.77.0.10 %s\n%s %s\n' "$(cut -d' ' -f1,2 keys/host-master.pub)" "$agent" \
	"$(cut -d' ' -f1,2 keys/host-agent.pub)" >known_hosts
for to in 10.77.0.10 "$agent"; do
	expect "ssh to $to" 0 '^docker$' inside ssh -i keys/cluster.pem -o BatchMode=yes \
		-o UserKnownHostsFile=known_hosts -o StrictHostKeyChecking=yes \
		-o HostKeyAlgorithms=ecdsa-sha2-nistp256 -o ConnectTimeout=10 \
		"cluster@$to" 'id -nG | tr " " "\n" | grep -x docker'
done

# --- the helper, asked by strangers ------------------------------------------------
helper=https://10.77.0.10:1337
for path in /join/worker /join/manager; do
	got=$(on agents000000 curl -sk -m 10 -w ' %{http_code}' $helper$path)
	case $got in
	*SWMTKN*) not_ok "stranger asks $path" "got a token" ;;
	*' 401') ok "stranger asks $path" ;;
	*) not_ok "stranger asks $path" "$got" ;;
	esac
done
got=$(on agents000000 curl -sk -m 10 -o /dev/null -w '%{http_code}' -X POST \
	"$helper/drain/x%3Btouch%20%2Ftmp%2Fpwned")
case $got in 4??) ok 'a URL is not a command' ;; *) not_ok 'a URL is not a command' "$got" ;; esac
same 'and ran nothing' no "$(on master0 test -e /tmp/pwned && echo yes || echo no)"
got=$(on agents000000 curl -s -m 10 -o /dev/null -w '%{http_code}' http://10.77.0.10:1337/join/worker)
[ "$got" != 200 ] && ok 'nothing without TLS' || not_ok 'nothing without TLS' "$got"
expect 'the engine is on no port' 7 '' inside curl -s -m 5 http://10.77.0.10:2375/version

# --- health follows the node --------------------------------------------------------
check 'the agent is healthy' health_becomes "$agent" 200 15
on master0 docker node update --availability drain agents000000 >/dev/null
check 'drained by its operator: 503' health_becomes "$agent" 503 20
on master0 docker node update --availability active agents000000 >/dev/null
check 'active again: 200' health_becomes "$agent" 200 20

# --- power cut: the machine is gone at once, and comes back ------------------------
old=$(agent_id)
# every process of it, with no time to say goodbye
processes_of()	# MACHINE
{
	find /sys/fs/cgroup -path "*/azs-$azure_net/$1/*" -name cgroup.procs -exec cat {} + 2>/dev/null
}
is_off()	# MACHINE
{
	[ -z "$(processes_of "$1")" ]
}
boots() { on agents000000 journalctl --list-boots --no-pager -q | grep -c .; }
before_cut=$(boots)
check 'it has processes' test -n "$(processes_of agents000000)"
# the first of them takes the others with it
processes_of agents000000 | xargs kill -KILL 2>/dev/null
check 'a power cut' wait_for 10 is_off agents000000
"$azure_dir/driver-nspawn" start agents000000 "$(machine_dir agents000000)" >start.log 2>&1
# the old row looks Ready for as long as nobody misses its heartbeat
n=0
until [ "$(agent_id)" != "$old" ] || [ $n -ge 60 ]; do n=$((n + 1)); sleep 1; done
[ "$(agent_id)" != "$old" ] && ok 'after a power cut it has a new id' ||
	not_ok 'after a power cut it has a new id' "$old; $(tr '\n' ' ' <start.log)"
same 'in a boot of its own' $((before_cut + 1)) "$(boots)"
check 'and is Ready, once' nodes_become 90 2

# --- work: an image of this very program, a service, and scaling under it ---------
must 'a second agent' "$AZSWARM" scale-agents-2
check 'joins' nodes_become 90 3
for m in master0 agents000000 agents000001; do
	on $m sh -c 'tar -C /usr/local/bin -c azswarm | docker import -c '\''ENTRYPOINT ["/azswarm"]'\'' - azswarm:test' >/dev/null
done
on master0 docker service create -d --name work --replicas 6 --no-resolve-image \
	azswarm:test emulator --dir /azure >/dev/null 2>err || cat err
running() { on master0 docker service ps work -f desired-state=running --format '{{.Node}} {{.CurrentState}}' | grep -c ' Running'; }
n=0
until [ "$(running)" -eq 6 ] || [ $n -ge 60 ]; do n=$((n + 1)); sleep 1; done
same 'six tasks run' 6 "$(running)"
must 'scale in under load' "$AZSWARM" scale-agents-1
check 'one agent is left' nodes_become 60 2
n=0
until [ "$(running)" -eq 6 ] || [ $n -ge 60 ]; do n=$((n + 1)); sleep 1; done
same 'its tasks moved' 6 "$(running)"
same 'the one deleted said goodbye' 1 "$(on master0 journalctl -u swarm-helper --no-pager | grep -c 'agents000001.*\(left\|removed\).*' | sed 's/^[1-9][0-9]*$/1/')"

# --- memory at rest: four MiB ---------------------------------------------------------
# private and shared pages it touched, without the file's own
for unit in swarm-helper swarm-agent; do
	pid=$(on master0 systemctl show -P MainPID $unit)
	rss=$(on master0 awk '/^Pss_Anon:/ { print $2 }' /proc/$pid/smaps_rollup)
	[ "$rss" -le 4096 ] && ok "memory of $unit" || not_ok "memory of $unit" "$rss KiB"
done

must destroy-cluster "$AZSWARM" destroy-cluster --confirm swarm-cluster
same 'no machine is left' '' "$(find azure -name machine.json)"
azure_stop
after=$(traces)
same 'nothing is left behind' "$before" "$after"
exit $((test_failures != 0))
