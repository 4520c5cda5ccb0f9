# A private registry, on real machines: Debian's docker-registry with a password, at
# a loopback address of master and agent, which engines speak plain HTTP to.  What
# docker's own file of credentials holds here reaches the node that pulls.
# time: 300
# at-most: 4 machines
# needs: root, systemd-nspawn, busybox, jq, htpasswd, apt-get
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need busybox jq htpasswd apt-get dpkg-deb

# unpacked, not installed: installing would start one on port 5000
mkdir deb && (cd deb && { apt-get -q download docker-registry || { apt-get -q update && apt-get -q download docker-registry; }; } &&
	dpkg-deb -x docker-registry_*.deb .) >deb.log 2>&1
[ -x deb/usr/bin/docker-registry ] || skip_all "no docker-registry: $(tail -n 2 deb.log | tr '\n' ' ')"

swarm_azure
export AGENT_COUNT=1
must keys az keys
swarm_up

# ---- the registry, and an image in it ----

registry=127.0.0.1:5000
htpasswd -nbB me hunter2-secret >users
cat >registry.yml <<'Y'
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: "127.0.0.1:5000"}
auth: {htpasswd: {realm: here, path: /etc/registry.users}}
Y
registry_on()	# MACHINE
{
	on "$1" sh -c 'cat >/usr/local/bin/docker-registry; chmod 755 /usr/local/bin/docker-registry' <deb/usr/bin/docker-registry
	on "$1" sh -c 'cat >/etc/registry.yml' <registry.yml
	on "$1" sh -c 'cat >/etc/registry.users' <users
	on "$1" systemd-run -q --unit=registry docker-registry serve /etc/registry.yml
	wait_for 60 eval '[ "$(on '"$1"' curl -s -o /dev/null -w "%{http_code}" http://'$registry'/v2/)" = 401 ]'
}
mkdir -p image/bin
cp "$(command -v busybox)" image/bin/busybox
for f in sh sleep; do ln -s busybox image/bin/$f; done
tar -C image -c . | on master0 docker import - $registry/team/busy:1 >/dev/null
check 'a registry' registry_on master0
on master0 sh -c 'echo hunter2-secret | docker --config /run/me login -u me --password-stdin '$registry' &&
	docker --config /run/me push -q '$registry'/team/busy:1; rm -r /run/me
	docker image rm '$registry'/team/busy:1' >push.out 2>&1
on master0 tar -C /var/lib -c registry | on agents000000 tar -C /var/lib -x
check 'the same on the agent' registry_on agents000000
digest=$(on master0 curl -s -u me:hunter2-secret -I -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
	http://$registry/v2/team/busy/manifests/1 | tr -d '\r' | sed -n 's/^docker-content-digest: //Ip')
check 'has the image' test -n "$digest"
same 'the agent does not have it' '' "$(on agents000000 docker images -q $registry/team/busy)"

# ---- who may pull ----

mkdir shop docker
cat >shop/compose.yml <<Y
services:
  web:
    image: $registry/team/busy:1
    command: sleep 3600
    stop_signal: SIGKILL
    deploy:
      placement: {constraints: [node.role==worker]}
      restart_policy: {condition: none}
Y
export DOCKER_CONFIG="$PWD/docker"
known()		# PASSWORD: to docker here
{
	printf '{"auths":{"%s":{"auth":"%s"}}}' $registry "$(printf 'me:%s' "$1" | base64)" >docker/config.json
}
image()		# what the service is told to run
{
	on master0 docker service inspect shop_web --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}'
}
known hunter2-secret
expect 'nothing is sent unasked: no node may pull' 1 'No such image|no basic auth credentials|unauthorized' \
	"$AZSWARM" deploy-stack shop/compose.yml
check 'and why is said' grep -q 'its registry does not answer.*\(no basic auth\|unauthorized\|authentication required\)' out
known another-secret
expect 'the wrong password' 1 'No such image|unauthorized|no basic auth' \
	"$AZSWARM" deploy-stack shop/compose.yml --with-registry-auth
known hunter2-secret
expect 'with what docker knows here' 0 'service shop_web: 1 of 1 tasks run' \
	"$AZSWARM" deploy-stack shop/compose.yml --with-registry-auth
same 'by its digest' "$registry/team/busy:1@$digest" "$(image)"
same 'which the agent has pulled' "$registry/team/busy@$digest" \
	"$(on agents000000 docker images --digests --format '{{.Repository}}@{{.Digest}}' $registry/team/busy)"
check 'nothing of it in what is printed' sh -c '! grep -q "hunter2\|$(printf me:hunter2-secret | base64)" out'

# ---- and goes on to ----

lost()		# the agent has neither the container nor the image
{
	on agents000000 sh -c 'docker rm -f $(docker ps -aq -f label=com.docker.swarm.service.name=shop_web)
		docker image rm -f $(docker images -q '$registry/team/busy')' >lost.out 2>&1
	grep -q '^Deleted: ' lost.out
}
sed -i 's/sleep 3600/sleep 3601/; s/condition: none/condition: any/' shop/compose.yml
rm docker/config.json
check 'the image is lost' lost
expect 'a later deploy keeps what the service has' 0 'service shop_web: 1 of 1 tasks run' "$AZSWARM" deploy-stack shop/compose.yml
same 'by the same digest' "$registry/team/busy:1@$digest" "$(image)"
first=$(tasks shop_web)
check 'the image is lost once more' lost
again() { [ -n "$(tasks shop_web)" ] && [ "$(tasks shop_web)" != "$first" ]; }
check 'the node pulls by itself' wait_for 90 again
must destroy-stack az destroy-stack shop

swarm_end
exit $((test_failures != 0))
