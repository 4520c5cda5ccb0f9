#!/bin/sh
# The whole life of a cluster on this machine: each command as a person would
# type it, and after each what it claims is checked.  With root the machines
# are real (systemd-nspawn, Docker, a swarm), else they exist on paper.
# Ends non-zero when anything is off, and leaves nothing behind.
#
# tests/demo.sh [paper]
set -u

SRCDIR=$(cd "$(dirname "$0")/.." && pwd)
AZSWARM=${AZSWARM:-$SRCDIR/azswarm}
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/redis-image.sh"

kind=nspawn
if [ "${1-}" = paper ]; then
	kind=paper
elif ! why=$(azure_able); then
	echo "demo: $why, so the machines exist on paper only" >&2
	kind=paper
fi

failures=0
work=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-demo.XXXXXX") || exit 1
before=$(traces)

finish()
{
	status=$?
	trap - EXIT INT TERM HUP
	azure_stop
	cd /
	if [ "$failures" -ne 0 ] || [ "$status" -ne 0 ]; then
		echo "demo: logs are in $work" >&2
		[ "$status" -ne 0 ] || status=1
	else
		rm -rf "$work"
	fi
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

bold= plain=
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

bad()
{
	echo "demo: NOT AS CLAIMED: $*" >&2
	failures=$((failures + 1))
}

# a ARGUMENTS...: azswarm, shown as typed; the demo ends when it fails
a()
{
	echo "$bold\$ azswarm $*$plain"
	"$AZSWARM" "$@" || { bad "azswarm $* ended with $?"; exit 1; }
}

# claim N: the engine on the master has exactly N nodes, all Ready
claim()
{
	[ "$kind" = nspawn ] || return 0
	nodes_become 90 "$1" || bad "expected $1 nodes, all Ready and Active"
	echo "$bold(master0) \$ docker node ls$plain"
	on master0 docker node ls
}

# agents N: so many machines in the scale set, by the list
agents()
{
	got=$("$AZSWARM" list-agents --output tsv | grep -c .)
	[ "$got" -eq "$1" ] || bad "expected $1 agents in the list, there are $got"
}

# power STATE: every agent is in that state
power()
{
	other=$("$AZSWARM" list-agents --output tsv | cut -f5 | grep -vc "^$1\$")
	[ "$other" -eq 0 ] || bad "$other agents are not $1"
}

# runs SERVICE N: the engine on the master says that exactly N tasks run
runs()
{
	got=$(on master0 docker service ps "$1" -f desired-state=running \
		--format '{{.CurrentState}}' | grep -c '^Running')
	[ "$got" -eq "$2" ] || bad "expected $2 tasks of $1, $got run"
}

# none_but SERVICE...: the engine knows no other services
none_but()
{
	got=$(on master0 docker service ls --format '{{.Name}}' | sort | xargs)
	[ "$got" = "$*" ] || bad "expected the services '$*', there are '$got'"
}

# counted MACHINE: a task of the stack there is asked for its page, and the
# shared count is printed.  From inside, for a mesh needs IPVS in the kernel.
counted()
{
	task=$(on "$1" docker ps -q -f label=com.docker.swarm.service.name=test-stack_web | head -n 1)
	task=$(on "$1" docker inspect -f '{{.State.Pid}}' "$task")
	on "$1" nsenter -n -t "$task" sh -c 'curl -sf -m 10 -o /dev/null http://127.0.0.1:8000/ &&
		curl -sf -m 10 http://127.0.0.1:8000/shared_count'
}

services()
{
	a deploy-replicated-service
	runs replicated 8
	a scale-service-4
	runs replicated 4
	a deploy-global-service
	runs global 4
	a deploy-monitor
	runs monitor 1
	a ssh master0 docker service ps replicated global monitor -f desired-state=running
	a kill-monitor
	a destroy-global-service
	a destroy-service
	none_but
	if redis_image >redis.tar; then
		echo "$bold(master0) \$ docker import ... redis:demo$plain     # there is no internet here"
		on master0 docker import -c "$redis_change" - redis:demo <redis.tar
		echo "$bold\$ export REDIS_IMAGE=redis:demo$plain"
		export REDIS_IMAGE=redis:demo
		a deploy-stack
		runs test-stack_web 4
		runs test-stack_redis 1
		a ssh master0 docker service ls
		set -- $(on master0 docker service ps test-stack_web -f desired-state=running \
			--format '{{.Node}}' | sort -u)
		first=$(counted "$1" | tr -dc 0-9) second=$(counted "$2" | tr -dc 0-9)
		echo "$bold# tasks on $1 and $2 count in one Redis: $first, $second$plain"
		[ "${second:-0}" -eq $((${first:-0} + 1)) ] || bad "$first and $second do not follow"
		a destroy-stack
		none_but
	else
		echo 'demo: no redis-server here, so no stack' >&2
	fi
}

# t LINE: shown as typed, and typed
t()
{
	echo "$bold\$ $1$plain"
	eval "$1" || { bad "'$1' ended with $?"; exit 1; }
}

# What the README has under "Your own services", as it stands there.
readme_lines()
{
	sed -n '/^<!-- run: machines -->$/,/^<!-- end -->$/p' "$SRCDIR/README.md" | sed -n 's/^    //p'
}

# An owner's own services: an image made here, a compose file, a port.  It is asked in
# host mode, for a mesh needs IPVS.
own_services()
{
	readme_lines >lines
	[ "$(wc -l <lines)" -gt 5 ] || bad 'the README has no lines to type'
	cat lines
	PATH="$(dirname "$AZSWARM"):$PATH" sh -eu ./lines || { bad "the README's lines ended with $?"; exit 1; }
	runs site_web 3
	a stacks
	cat >site/compose.yml <<-'Y'
		services:
		  web:
		    image: 127.0.0.1:1339/web:1
		    command: demo
		    environment: {PORT: "8000", SWARM_MODE: "${MODE:-GLOBAL}"}
		    configs: [motto]
		    ports: [{target: 8000, published: 8091, mode: host}]
		    deploy: {mode: global, placement: {constraints: [node.role == worker]}}
		configs:
		  motto: {file: motto.txt}
	Y
	echo 'served by the swarm' >site/motto.txt
	t 'cat site/compose.yml'
	a destroy-stack site
	a deploy-stack site/compose.yml
	runs site_web 3
	a ps site
	a ports
	where=$("$AZSWARM" list-endpoints --output tsv | awk '$1 ~ /^agents-lb/ { print $2 }')
	t "curl -sf -m 10 --retry 20 --retry-delay 1 --retry-all-errors http://$where:8091/hostname"
	a logs site_web --tail 1
	echo "$bold\$ azswarm logs -f site_web$plain     # for five seconds"
	timeout -s INT 5 "$AZSWARM" logs -f site_web >follow.out 2>&1
	grep -q '^site_web\..*@agents' follow.out || bad 'the logs were not followed'
	head -n 3 follow.out
	a exec site_web /azswarm version
	a images
	a destroy-stack site
	none_but
	"$AZSWARM" ports --output tsv | grep -q '^809[01]' && bad 'a port is still open'
	a images rm web:1 --yes
}

if [ "$kind" = nspawn ]; then
	echo "${bold}the root file system of the machines$plain (made once)"
	"$SRCDIR/assets/machines/nspawn" root || exit 1
fi
started=$(date +%s)

cd "$work" || exit 1
export COMPUTE_GROUP=swarm-demo STORAGE_GROUP=swarm-demo-storage AGENT_COUNT=2
export DOCKER_CHANNEL=distro HOME="$work" XDG_CACHE_HOME="$work/cache"

echo "$bold\$ azswarm emulator --dir azure$([ $kind = paper ] || echo ' --machines nspawn') &$plain"
azure_start "$work/azure" "$kind" || exit 1
cat "$azure_dir.out"
echo "$bold\$ . azure/env$plain"
echo "$bold\$ export AGENT_COUNT=2$plain"

a keys
a deploy-storage
a params
a deploy-compute
net=$work
[ "$kind" = paper ] || net=azs-$(jq -r .net "$(machine_dir master0)/machine.json")
a view-deployment
a list-agents
agents 2
claim 3
a scale-agents-3
agents 3
claim 4
if [ "$kind" = nspawn ]; then
	services
	own_services
else
	echo 'demo: machines on paper run no services, so those steps are left out' >&2
fi
a scale-agents-1 --yes
agents 1
claim 2
a stop-agents
power stopped
a start-agents
power running
claim 2
a list-endpoints
[ "$("$AZSWARM" list-endpoints --output tsv | grep -c .)" -eq 2 ] || bad 'expected 2 endpoints'
a destroy-cluster --confirm swarm-demo
for group in $COMPUTE_GROUP $STORAGE_GROUP; do
	"$AZSWARM" resources 2>&1 | grep -q "$group is not there" || bad "$group is still there"
done
took=$(($(date +%s) - started))

azure_stop
# others may rehearse on this host meanwhile: theirs is not ours
left=$(traces | grep -vxF "$before" | grep -F -e "$net" -e "$work")
[ -z "$left" ] || bad "left behind:
$left"
[ "$took" -le 1200 ] || bad "took $took s: something hangs"
[ "$failures" -eq 0 ] || exit 1
echo "demo: the life of a cluster with $kind machines, in $took s; nothing left behind"
