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
a view-deployment
a list-agents
agents 2
claim 3
a scale-agents-3
agents 3
claim 4
a scale-agents-1
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
after=$(traces)
[ "$before" = "$after" ] || bad "left behind:
$(printf '%s\n' "$after" | grep -vxF "$before")"
[ "$took" -le 360 ] || bad "took $took s, more than six minutes"
[ "$failures" -eq 0 ] || exit 1
echo "demo: the life of a cluster with $kind machines, in $took s; nothing left behind"
