# What was pushed, and newer engines than Debian 12's: Docker 26 and 28 as trixie and
# forky have them, each with its own image store and with containerd's.  They pull
# from an agent's registry by tag and by digest, many in a row, twelve at once from an
# account that is slow; tell what the account does not give; what they save is pushed.
# Each root file system is made once, a minute and 700 MB.
# time: 900
# needs: root, jq, mmdebstrap, zstd, the package archive
. "$SRCDIR/tests/engine.sh"
. "$SRCDIR/tests/lib.sh"
need_root
need curl jq ip python3 zstd
[ -n "${ENGINE_INSIDE-}" ] || skip_all "needs network namespaces"
ip link set lo up

registry=127.0.0.1:1339
export STORAGE_ACCOUNT_NAME=engineacct XDG_CACHE_HOME="$PWD/cache"
# where a chroot has it, too
cp "$AZSWARM" azswarm
AZSWARM=$PWD/azswarm
azure_here
for command in keys deploy-storage params; do
	"$AZSWARM" $command >out 2>&1 </dev/null || not_ok "$command" "$(tail -n 3 out)"
done

# ---- what is pushed ----

layout()	# NAME WORDS... : of tests/layout.py; NAME:1 is pushed, NAME.digest has what it is
{
	layout_name=$1
	shift
	python3 "$SRCDIR/tests/layout.py" "$layout_name.tar" "$AZSWARM" "$@" >"$layout_name.digest"
	same "push of $layout_name" "$registry/$layout_name:1@$(cat "$layout_name.digest")" \
		"$("$AZSWARM" push "$layout_name:1" --from "$layout_name.tar" 2>err || cat err)"
	rm "$layout_name.tar"
}
kinds='oci docker plain zstd many list'
layout oci 1 1x8
layout docker docker 2 1x8
layout plain plain 3 1x1
layout zstd zstd 4 1x8
layout many many 5 1x8
layout list docker many 6
n=0
while [ $n -lt 12 ]; do
	n=$((n + 1))
	layout "n$n" plain "n$n" 4x1
done
images_url=$(jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d |
	grep -o 'images_url[\\": ]*https://[^"\\]*' | sed 's/.*https:/https:/')
hex=$(printf '%064d' 7)
mkdir -p run
agent=
# with URL: an agent of this engine's, with that address of pushed images
with()
{
	[ -z "$agent" ] || reap "$agent"
	jq -n --arg u "$1" --arg h "$hex" --arg d "$PWD" --arg s "${DOCKER_HOST#unix://}" '{role:"worker",
		masters:["127.0.0.1"],helper_pin:$h,worker_secret:$h,docker_socket:$s,run_dir:($d+"/run"),
		state_dir:($d+"/state"),listen:"127.0.0.1",metadata_host:"",images_url:$u}' >node.json
	chmod 600 node.json
	spawn agent.log "$AZSWARM" agent --config node.json
	agent=$spawned
	wait_for 20 curl -fs http://$registry/v2/ || not_ok "an agent" "$(tail -n 1 agent.log)"
}
# fault RULE: what the storage account does with blobs from now on
fault()
{
	printf '[{"name":"on purpose","request":"GET *blobs/sha256*",%s}]' "$1" >faults.part
	mv faults.part azure/faults.json
}

# ---- an engine of a root file system ----

docker()
{
	chroot "$at" docker "$@"
}
engine()	# STORE: dockerd and containerd of $root; docker() is their own client
{
	at=$PWD/$MACHINE_SUITE.$1
	mkdir -p "$at" "$at.disk/docker" "$at.disk/containerd" "$at.disk/upper" "$at.disk/work"
	mount -t overlay -o "lowerdir=$root,upperdir=$at.disk/upper,workdir=$at.disk/work" none "$at" || return 1
	mount --rbind /dev "$at/dev"
	mount -t proc none "$at/proc"
	mount -t sysfs none "$at/sys"
	mount -t cgroup2 none "$at/sys/fs/cgroup"
	mount -t tmpfs none "$at/run"
	mount -t tmpfs none "$at/tmp"
	mkdir -p "$at$PWD" "$at/var/lib/docker" "$at/var/lib/containerd" "$at/etc/docker"
	mount --bind "$PWD" "$at$PWD"
	mount --bind "$at.disk/docker" "$at/var/lib/docker"
	mount --bind "$at.disk/containerd" "$at/var/lib/containerd"
	engine_snapshots=false
	[ "$1" != containerd ] || engine_snapshots=true
	echo "{\"features\":{\"containerd-snapshotter\":$engine_snapshots}}" >"$at/etc/docker/daemon.json"
	export DOCKER_HOST="unix://$at.disk/docker.sock"
	spawn "$at.containerd.log" chroot "$at" containerd
	engine_containerd=$spawned
	spawn "$at.log" chroot "$at" dockerd -H "$DOCKER_HOST" --iptables=false --ip6tables=false \
		--containerd /run/containerd/containerd.sock
	engine_dockerd=$spawned
	wait_for 60 docker version
}

ways()		# STORE
{
	me="$(docker version --format '{{.Server.Version}}'), $1 store:"
	driver=overlay2
	[ "$1" != containerd ] || driver=overlayfs
	same "$me is what was asked for" "$driver" "$(docker info --format '{{.Driver}}')"
	with "$images_url"
	for kind in $kinds; do
		digest=$(cat $kind.digest)
		expect "$me pull of $kind" 0 "Digest: $digest" docker pull "$registry/$kind:1"
		expect "$me it runs" 0 '^azswarm ' docker run --rm --net none "$registry/$kind:1"
		docker rmi -f "$registry/$kind:1" >rmi.out 2>&1
		expect "$me pull of $kind by digest" 0 "Digest: $digest" docker pull "$registry/$kind@$digest"
		expect "$me and that runs" 0 '^azswarm ' docker run --rm --net none "$registry/$kind@$digest"
	done
	expect "$me docker manifest inspect" 0 '"architecture": "arm64"' docker manifest inspect --insecure "$registry/many:1"
	expect "$me one that is not there" 1 '(not found|oci:2 was not pushed)' docker pull "$registry/oci:2"

	# each pull may leave connections open
	n=0
	while [ $n -lt 45 ]; do
		n=$((n + 1))
		docker rmi -f "$registry/plain:1" >rmi.out 2>&1
		docker pull -q "$registry/plain:1" >pull.out 2>&1 || break
	done
	same "$me 45 pulls in a row" '45 ' "$n $(grep -i error pull.out)"

	# the first twelve are configs: all layers are wanted at the same time
	fault '"delay_ms":11000,"skip":12,"times":30'
	pullers=
	n=0
	while [ $n -lt 12 ]; do
		n=$((n + 1))
		chroot "$at" docker pull -q "$registry/n$n:1" >"pull.$n" 2>&1 &
		pullers="$pullers $!"
	done
	# shellcheck disable=SC2086
	wait $pullers
	rm azure/faults.json
	same "$me twelve at once, slowly" 12 "$(cat pull.? pull.?? | grep -c "^$registry/")"
	peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$agent/status")
	check "$me in $peak KiB at the most" test "$peak" -le 16384

	docker rmi -f "$registry/n1:1" "$registry/oci@$(cat oci.digest)" >rmi.out 2>&1
	fault '"raw":"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"'
	expect "$me an account that says no" 1 '403' docker pull "$registry/oci:1"
	rm azure/faults.json
	check "$me its signature is nowhere" sh -c '! cat out agent.log "$0.log" "$0.containerd.log" | grep -q sig=' "$at"

	mkdir -p context
	cp azswarm context/azswarm
	printf 'FROM scratch\nCOPY azswarm /azswarm\nCMD ["/azswarm","version"]\n' >context/Dockerfile
	expect "$me docker build" 0 '' docker build -q -t web:1 "$PWD/context"
	pinned=$("$AZSWARM" push web:1 2>err </dev/null || cat err)
	docker save -o "$PWD/web.tar" web:1
	same "$me push of what it built: as from docker save" "$pinned" \
		"$("$AZSWARM" push web:1 --from web.tar 2>err </dev/null || cat err)"
	docker rmi -f web:1 >rmi.out 2>&1
	expect "$me pull of that" 0 "Digest: ${pinned#*@}" docker pull "$pinned"
	expect "$me which runs" 0 '^azswarm ' docker run --rm --net none "$pinned"
	reap "$agent"
	agent=
}

for MACHINE_SUITE in trixie forky; do
	export MACHINE_SUITE
	if ! root=$("$SRCDIR/tests/machine-root" 2>root.log); then
		not_ok "$MACHINE_SUITE: a root" "$(tail -n 1 root.log)"
		continue
	fi
	for store in own containerd; do
		if engine $store; then
			ways $store
		else
			not_ok "$MACHINE_SUITE, $store: an engine" "$(tail -n 1 "$at.log")"
		fi
		reap "$engine_dockerd"
		reap "$engine_containerd"
	done
done
