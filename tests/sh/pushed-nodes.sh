# An image without a registry, on real machines: pushed by the operator, run by a
# service, pulled by a node that came later and by one that had lost it; and room on
# their disks.
# time: 200
# at-most: 4 machines
# needs: root, systemd-nspawn, jq, skopeo
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
. "$SRCDIR/tests/doctor.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need jq skopeo

swarm_azure
export AGENT_COUNT=1
must keys az keys
swarm_up

# our own program by another name, whose service is the demo's
image()		# VERSION: an archive of one that says so
{
	mkdir -p "image.$1"
	"$AZSWARM" image -o image.tar
	skopeo copy -q --insecure-policy docker-archive:image.tar "oci:image.$1/oci:app:$1" 2>skopeo.err
	# another label is another image
	config=image.$1/oci/blobs/sha256/$(jq -r .config.digest "image.$1/oci/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "image.$1/oci/index.json")")
	config=$(echo "$config" | sed 's/sha256://')
	jq -cj --arg v "$1" '.config.Labels.version = $v' "$config" >config.json
	jq -cj --arg d "sha256:$(sha256sum <config.json | cut -d' ' -f1)" --argjson n "$(wc -c <config.json)" \
		'.config.digest = $d | .config.size = $n' \
		"image.$1/oci/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "image.$1/oci/index.json")" >manifest.json
	rm -rf "image.$1/oci/blobs/sha256/$(basename "$config")"
	cp config.json "image.$1/oci/blobs/sha256/$(sha256sum <config.json | cut -d' ' -f1)"
	cp manifest.json "image.$1/oci/blobs/sha256/$(sha256sum <manifest.json | cut -d' ' -f1)"
	jq -c --arg d "sha256:$(sha256sum <manifest.json | cut -d' ' -f1)" --argjson n "$(wc -c <manifest.json)" \
		'.manifests[0].digest = $d | .manifests[0].size = $n' "image.$1/oci/index.json" >index.json
	mv index.json "image.$1/oci/index.json"
	tar -C "image.$1/oci" -cf "app.$1.tar" .
	digest=sha256:$(sha256sum <manifest.json | cut -d' ' -f1)
}
image 1.0
first=$digest
must 'push' az push team/app:1.0 --from app.1.0.tar
named=127.0.0.1:1339/team/app
here()		# MACHINE: which of them it has
{
	on "$1" docker images --digests --no-trunc --format '{{.Repository}} {{.Digest}}' | sed -n "s,^$named ,,p" | sort | xargs
}
expect 'a service of it' 0 '' on master0 docker service create -q --detach --name app --mode global \
	--network host --constraint node.role==worker "$named:1.0@$first" demo
check 'runs' wait_for 60 count_is app 1
same 'by the digest that was pushed' "$first" "$(here agents000000)"

# ---- who comes later ----

must 'an agent more' az scale-agents 2
must 'three nodes' nodes_become 90 3
check 'has it, too' wait_for 90 count_is app 2
later=$(agents | sed -n 2p)
same 'from its own agent' "$first" "$(here "$later")"
on "$later" sh -c 'docker service ls 2>/dev/null; docker rm -f $(docker ps -aq --filter label=com.docker.swarm.service.name=app); docker image rm -f '"$named@$first" >rm.out 2>&1
check 'somebody takes it away' grep -q '^Deleted: ' rm.out
check 'and has it again' wait_for 60 count_is app 2
same 'the same' "$first" "$(here "$later")"
doctor 'all is well' 0
line 'each reads what was pushed' '^ok\|machines registry\|the engines of 3 machines have our image and what was pushed'

# ---- room ----

image 2.0
second=$digest
must 'push of the next' az push team/app:2.0 --from app.2.0.tar
expect "an update" 0 '' on master0 docker service update -q --detach --image "$named:2.0@$second" app
second_runs()
{
	[ "$(on master0 docker service ps app -f desired-state=running --no-trunc --format '{{.Image}} {{.CurrentState}}' |
		grep -c "2.0@$second Running")" -eq 2 ]
}
check 'runs everywhere' wait_for 90 second_runs
# a third, that nobody asks for; and it came long ago
image 3.0
third=$digest
must 'push of one more' az push team/app:3.0 --from app.3.0.tar
for machine in agents000000 "$later"; do
	on "$machine" docker pull -q "$named:3.0@$third" >pull.out 2>&1
	on "$machine" sh -c 'find /var/lib/docker/image/*/imagedb/content -type f -exec touch -d "2 hours ago" {} +'
done
all_three=$(printf '%s\n%s\n%s\n' "$first" "$second" "$third" | sort | xargs)
same 'three are there' "$all_three" "$(here "$later")"
expect 'images --prune --dry-run' 5 "^$later +$named@$third +[0-9.]+ MiB" az images --prune --dry-run
same 'names the same of each' 2 "$(grep -c "$third" out)"
check 'and none that a service names, or did before' sh -c '! grep -q "$0\|$1" out' "$first" "$second"
same 'touches nothing' "$all_three" "$(here "$later")"
expect 'images --prune' 0 "$later: 1 images gone, [0-9.]+ MiB free again" az images --prune
kept=$(printf '%s\n%s\n' "$first" "$second" | sort | xargs)
same 'what runs and what ran before stays' "$kept" "$(here agents000000)"
same 'on each' "$kept" "$(here "$later")"
expect 'once more: nothing' 0 'no image is on a node that nobody uses' az images --prune --dry-run
check 'and it runs' second_runs

# ---- what was built here, and a compose file names ----

# the master's engine is the one of this machine, for once
engine=
for pid in $(pidof dockerd); do
	[ "$(cat "/proc/$pid/root/etc/hostname")" != master0 ] || ! grep -q "$net" "/proc/$pid/cgroup" ||
		engine=/proc/$pid/root/run/docker.sock
done
check 'an engine with an image' test -S "$engine"
on master0 docker pull -q "$named:2.0@$second" >pull.out 2>&1
on master0 docker pull -q "$named:1.0@$first" >>pull.out 2>&1
on master0 docker tag "$named@$second" built/here:7
mkdir shop
cat >shop/compose.yml <<'Y'
services:
  web:
    image: built/here:7
    command: demo
    deploy: {mode: global, placement: {constraints: [node.role==worker]}, restart_policy: {condition: none}}
Y
expect 'deploy-stack: nothing is pushed unasked' 1 'No such image' env DOCKER_HOST="unix://$engine" "$AZSWARM" deploy-stack shop/compose.yml
expect 'nor does a dry run push' 5 '' env DOCKER_HOST="unix://$engine" "$AZSWARM" deploy-stack shop/compose.yml --push --dry-run
same 'the container has no more than it had' 0 "$(az images --output tsv | grep -c built/here)"
expect 'deploy-stack --push' 0 'service shop_web: 2 of 2 tasks run' env DOCKER_HOST="unix://$engine" "$AZSWARM" deploy-stack shop/compose.yml --push
pushed=$(az images --output json | jq -r '.[] | select(.name == "built/here") | .digest')
same 'by the digest that was pushed' "127.0.0.1:1339/built/here:7@$pushed" \
	"$(on master0 docker service inspect shop_web --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}')"
same 'which the node that came later has pulled' "127.0.0.1:1339/built/here $pushed" \
	"$(on "$later" docker images --digests --format '{{.Repository}} {{.Digest}}' 127.0.0.1:1339/built/here)"
expect 'looked at again: it is the same' 0 'stack shop is as the file has it' env DOCKER_HOST="unix://$engine" "$AZSWARM" deploy-stack shop/compose.yml --push --dry-run
on master0 docker tag "$named@$first" built/here:7
expect 'built anew: it is another' 5 'Image: .*@sha256:.* -> .*built/here:7@sha256:' env DOCKER_HOST="unix://$engine" "$AZSWARM" deploy-stack shop/compose.yml --push --dry-run
same 'and still nothing of it is pushed' "$pushed" "$(az images --output json | jq -r '.[] | select(.name == "built/here") | .digest')"

swarm_end
