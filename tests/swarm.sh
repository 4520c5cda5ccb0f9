# A cluster of one master and two agents on real machines, for a script to act
# on.  Sourced behind lib.sh and cluster.sh.

az()		# ARGUMENTS...
{
	"$AZSWARM" "$@"
}

agents()	# their host names
{
	on master0 docker node ls -f role=worker --format '{{.Hostname}}' | sort
}

tasks()		# SERVICE: node and id of each that should and does run
{
	on master0 docker service ps "$1" -f desired-state=running --no-trunc \
		--format '{{.Node}} {{.ID}} {{.CurrentState}}' 2>/dev/null | sed -n 's/ Running .*//p' | sort
}

count()		# SERVICE: how many run
{
	tasks "$1" | grep -c .
}

count_is()	# SERVICE N
{
	[ "$(count "$1")" -eq "$2" ]
}

# Ask a task from inside its own network: no mesh, no proxy.
ask()		# SERVICE MACHINE PATH: of the first task there
{
	ask_id=$(on "$2" docker ps -q --no-trunc -f "label=com.docker.swarm.service.name=$1" | head -n 1)
	ask_pid=$(on "$2" docker inspect -f '{{.State.Pid}}' "$ask_id")
	on "$2" nsenter -n -t "$ask_pid" curl -sf -m 10 "http://127.0.0.1:8000$3"
}

swarm_machines=nspawn	# what they are; qemu has to be asked for

# swarm_azure [ARGUMENT...]: the local Azure, in ./azure; sets root, top, net
swarm_azure()
{
	"$SRCDIR/assets/machines/$swarm_machines" root >root.log 2>&1 || {
		not_ok root "$(tail -n 3 root.log | tr '\n' ' ')"
		exit 1
	}
	root=$(tail -n 1 root.log)
	top=$PWD
	mkdir run
	export XDG_CACHE_HOME="$top/cache" XDG_RUNTIME_DIR="$top/run" DOCKER_CHANNEL=distro AGENT_COUNT=2
	at_exit azure_stop
	azure_start "$top/azure" "$swarm_machines" "$@" || { not_ok start 'no local Azure'; exit 1; }
	net=azs-$azure_net
}

# ---- what engines say of a swarm of any number of masters ----

raft()		# MASTER: host name and manager status of each member
{
	on "$1" docker node ls --format '{{.Hostname}} {{.ManagerStatus}}' 2>/dev/null | awk 'NF == 2' | sort
}

raft_is()	# MASTER N: so many members, one leads, all can be reached
{
	[ "$(raft "$1" | grep -c .)" -eq "$2" ] && [ "$(raft "$1" | grep -c ' Leader$')" -eq 1 ] &&
		! raft "$1" | grep -q ' Unreachable$'
}

leader()	# MASTER: who it is, as that one knows
{
	raft "$1" | sed -n 's/ Leader$//p'
}

no_leader()	# MASTER: none that it knows of
{
	! on "$1" docker node ls >/dev/null 2>&1
}

rows()		# MASTER: host name, state and manager status of each node
{
	on "$1" docker node ls --format '{{.Hostname}} {{.Status}} {{.ManagerStatus}}' 2>/dev/null | sed 's/ *$//' | sort
}

ids()		# MASTER: host name and ID of each node, in a row
{
	on "$1" docker node ls --format '{{.Hostname}} {{.ID}}' | sort | xargs
}

driver()	# VERB MACHINE: what happens to it, and Azure has no part in
{
	"$azure_dir/driver-$azure_machines" "$1" "$2" "$(machine_dir "$2")" >"driver-$2.log" 2>&1
}

# Machines whose load balancer asks every second, or so they are told: all that
# waits for it to let go, or to come back, waits a fifth as long.  Azure's own
# times are sh/evict's, the demo's and the drill's.
quick_nodes()	# [SECONDS]: and the grace of a node that is down
{
	python3 - parameters/cluster.json "$@" <<-'END'
		import base64, json, os, sys
		path, new = sys.argv[1], '\\"probe_s\\":1,'
		if sys.argv[2:]:
		    new += '\\"grace_s\\":%d,' % int(sys.argv[2])
		doc = json.load(open(path))
		for name in "masterCustomData", "agentCustomData":
		    value = doc["parameters"][name]
		    text = base64.b64decode(value["value"]).decode()
		    assert text.count('\\"mtu\\":') == 1
		    text = text.replace('\\"mtu\\":', new + '\\"mtu\\":')
		    value["value"] = base64.b64encode(text.encode()).decode()
		with open(os.open(path, os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
		    json.dump(doc, f)
	END
}

# swarm_up: from there to the nodes of a master and AGENT_COUNT agents
swarm_up()
{
	must deploy-storage az deploy-storage
	must params az params
	must 'nodes that are quick' quick_nodes
	must deploy-compute az deploy-compute
	must 'master and agents are Ready' nodes_become 90 $((AGENT_COUNT + 1))
}

# others may rehearse here, too: only what is ours is looked for
traces_here()
{
	traces | grep -F -e "$net" -e "$top/"
}

# swarm_end: machines without power go at once; how they go when they are asked
# to is the demo's
swarm_end()
{
	check 'what is ours here can be seen' traces_here
	unplug
	must destroy-cluster az destroy-cluster --confirm swarm-cluster
	same 'no machine is left' '' "$(find azure -name machine.json)"
	azure_stop
	same 'nothing is left behind' '' "$(traces_here)"
}
