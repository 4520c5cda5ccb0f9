# A Docker engine of a test's own.  Sourced as the first thing of a tests/sh
# script: runs it again in namespaces of its own (network, mounts, processes,
# host name, cgroups) where a dockerd can be started that nobody else sees,
# and that ends with the script whatever happens.  Needs root; without it the
# script just goes on, and engine_start says no.
#
#	engine_start	dockerd in ./engine, DOCKER_HOST is set; 1 and a reason
#			in $engine_why when there is none to be had
set -u

engine_top=
for engine_i in /sys/fs/cgroup /sys/fs/cgroup/unified; do
	[ ! -e "$engine_i/cgroup.procs" ] || [ ! -e "$engine_i/cgroup.controllers" ] ||
		engine_top=$engine_i
done

if [ -z "${ENGINE_INSIDE-}" ] && [ "$(id -u)" -eq 0 ] && [ -n "$engine_top" ] &&
   unshare --net --mount --pid --fork --uts --ipc --cgroup true 2>/dev/null; then
	engine_group=$engine_top/azswarm-test-$$
	mkdir "$engine_group" || exit 1
	engine_pid=
	engine_leave()
	{
		[ -z "$engine_pid" ] || kill "$engine_pid" 2>/dev/null
		engine_status=143
		wait 2>/dev/null
		# what died needs a moment to be gone from its cgroup
		for engine_i in 1 2 3 4 5 6 7 8 9 10; do
			find "$engine_group" -depth -type d -exec rmdir {} + 2>/dev/null && break
			sleep 0.2
		done
		exit "$engine_status"
	}
	trap engine_leave INT TERM HUP
	# shellcheck disable=SC2016
	ENGINE_INSIDE=1 sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --net --mount --pid \
		--fork --kill-child --mount-proc --uts --ipc --cgroup sh "$0"' "$0" "$engine_group" &
	engine_pid=$!
	engine_status=0
	wait "$engine_pid" || engine_status=$?
	engine_pid=
	trap - INT TERM HUP
	for engine_i in 1 2 3 4 5 6 7 8 9 10; do
		find "$engine_group" -depth -type d -exec rmdir {} + 2>/dev/null && break
		sleep 0.2
	done
	exit "$engine_status"
fi

engine_start()
{
	engine_why=
	for engine_i in dockerd docker containerd; do
		command -v $engine_i >/dev/null 2>&1 || engine_why="no $engine_i here"
	done
	[ -n "${ENGINE_INSIDE-}" ] || engine_why="needs root, namespaces and cgroup v2"
	[ -z "$engine_why" ] || return 1
	ip link set lo up
	mount -t tmpfs none /run
	mount -t cgroup2 none /sys/fs/cgroup
	mkdir -p engine
	DOCKER_HOST=unix://$PWD/engine/docker.sock
	export DOCKER_HOST
	# no iptables: nothing here leaves the machine
	spawn engine/log dockerd --data-root "$PWD/engine/data" --exec-root "$PWD/engine/exec" \
		--pidfile "$PWD/engine/pid" -H "$DOCKER_HOST" --iptables=false --ip6tables=false "$@"
	wait_for 60 docker version && return 0
	engine_why="dockerd does not start: $(tail -n 1 engine/log)"
	return 1
}

# Can the docker that is here inspect manifests of OCI's kind?  20.10 cannot.
docker_knows_oci()
{
	case $(docker version --format '{{.Client.Version}}') in
	20.*)	return 1 ;;
	esac
}
