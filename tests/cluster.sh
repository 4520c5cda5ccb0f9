# A local Azure for a script to drive: started, asked, and gone again with
# everything it made.  Sourced by tests/demo.sh and by the lifecycle tests.
#
# Needs AZSWARM (the program) and SRCDIR.  azure_start sets:
#	azure_dir	state of the local Azure
#	azure_machines	nspawn or qemu, or paper
#	azure_net	name of its machines' network, after its directory

# Nobody here asks the machine it runs on who it is (sh/metadata).
export AZURE_POD_IDENTITY_AUTHORITY_HOST="${AZURE_POD_IDENTITY_AUTHORITY_HOST:-http://127.0.0.1:9}"

azure_pid= azure_born= azure_dir= azure_net= azure_machines=

# azure_able [qemu]: may this host boot nspawn machines, or those?  Says why not.
azure_able()
{
	able_by=systemd-nspawn
	[ "${1:-nspawn}" != qemu ] || able_by=qemu-system-x86_64
	if [ "$(id -u)" -ne 0 ]; then
		echo 'not root'
	elif ! command -v $able_by >/dev/null; then
		echo "no $able_by"
	elif ! command -v jq >/dev/null; then
		echo 'no jq'
	else
		return 0
	fi
	return 1
}

# azure_start DIR nspawn|qemu|paper [ARGUMENT...]: of the emulator
azure_start()
{
	azure_dir=$1 azure_machines=$2
	shift 2
	mkdir -p -m 700 "$azure_dir"
	azure_net=$(printf %s "$(realpath "$azure_dir")" | sha256sum | cut -c 1-8)
	set -- --dir "$azure_dir" --listen 127.0.0.1:0 "$@"
	[ "$azure_machines" = paper ] || set -- "$@" --machines "$azure_machines"
	rm -f "$azure_dir.out"	# the last one was ready, too
	: >"$azure_dir.out"
	"$AZSWARM" emulator "$@" >"$azure_dir.out" 2>"$azure_dir.err" </dev/null &
	azure_pid=$!
	azure_born=$(azure_birth)
	n=0
	until grep -q '^ready ' "$azure_dir.out"; do
		n=$((n + 1))
		if [ $n -gt 1800 ] || ! azure_lives; then
			echo "the local Azure did not start:" >&2
			cat "$azure_dir.err" >&2
			return 1
		fi
		sleep 0.1
	done
	. "$azure_dir/env"
}

# A process's number may be another's by now; with its time of birth it is not.
azure_birth()
{
	sed 's/.*) //' "/proc/$azure_pid/stat" 2>/dev/null | cut -d ' ' -f 1,20 | sed -n 's/^[^ZX] //p'
}

azure_lives()
{
	[ -n "$azure_born" ] && [ "$(azure_birth)" = "$azure_born" ]
}

# azure_stop: ends the local Azure, and with it its machines
azure_stop()
{
	[ -n "$azure_pid" ] || return 0
	! azure_lives || kill "$azure_pid"
	n=0
	while azure_lives && [ $n -lt 1500 ]; do
		n=$((n + 1))
		sleep 0.1
	done
	! azure_lives || kill -KILL "$azure_pid"
	wait "$azure_pid" 2>/dev/null
	azure_pid=
	# had it been killed, its network would still be there
	if [ "$azure_machines" != paper ] && [ -x "$azure_dir/driver-$azure_machines" ]; then
		"$azure_dir/driver-$azure_machines" down "$azure_net" "$azure_dir"
	fi
}

# machine_dir NAME: where the machine of that name lives
machine_dir()
{
	for f in $(find "$azure_dir" -name machine.json); do
		if [ "$(jq -r .name "$f")" = "$1" ]; then
			dirname "$f"
			return 0
		fi
	done
	return 1
}

# unplug: every machine loses its power.  How they go when they are asked to
# takes a while, and is for those tests that want to see it.
unplug()
{
	unplugged=
	for f in $(find "$azure_dir" -name machine.json); do
		"$azure_dir/driver-$azure_machines" cut "$(jq -r .name "$f")" "$(dirname "$f")" &
		unplugged="$unplugged $!"
	done
	# shellcheck disable=SC2086
	wait $unplugged
}

# on MACHINE COMMAND...: run it there
on()
{
	machine=$1
	shift
	dir=$(machine_dir "$machine") || { echo "no machine $machine" >&2; return 1; }
	"$azure_dir/driver-$azure_machines" exec "$machine" "$dir" -- "$@"
}

# nodes: host name, state and availability of each node, from the engine on
# the master and not from us
nodes()
{
	on master0 docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}' | sort
}

# nodes_become SECONDS READY: wait until exactly READY nodes are Ready and
# Active, and there are no others.  Those are the seconds of a quiet machine; a
# busy one may take six times as long.
nodes_become()
{
	left=$(($1 * 6)) want=$2
	while :; do
		got=$(nodes 2>/dev/null)
		[ "$(printf '%s\n' "$got" | grep -c ' Ready Active$')" -eq "$want" ] &&
			[ "$(printf '%s\n' "$got" | grep -c .)" -eq "$want" ] && return 0
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 1
	done
}

# traces: what a cluster could leave behind on this host.  Only what is of our
# network counts, and links and rules, which no machine may make out here:
# others may use Docker, or have a local Azure of their own.
traces()
{
	{
		ip -o link show 2>/dev/null | sed -n 's/^[0-9]*: \(azs[^:@]*\|v[be]-[^:@]*\).*/link \1/p'
		iptables-save 2>/dev/null | grep -E 'azs|10\.77\.' | sed 's/^/rule /'
		[ -z "$azure_net" ] || traces_of "azs-$azure_net"
	} | sort
}

traces_of()
{
	ip netns list 2>/dev/null | sed -n "s/^\($1\)\( .*\)*\$/netns \1/p"
	grep -F -e "$1" -e "$(realpath "$azure_dir")" /proc/self/mounts | sed 's/^/mount /'
	grep -Fls "/$1" /proc/[0-9]*/cgroup | while IFS=/ read -r _ _ pid _; do
		# the dead wait for their parent, and are not ours to bury
		grep -qs '^State:.*zombie' "/proc/$pid/status" ||
			tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's/^/process /; s/$/\n/'
	done
	find /sys/fs/cgroup -maxdepth 3 -type d -name "$1" 2>/dev/null | sed 's/^/cgroup /'
}
