# Stacks on a cluster of real machines: a compose file of three services, changed, gone
# wrong, made smaller, removed; what azswarm says is asked of the engines there.
# time: 500
# at-most: 4 machines
# needs: root, systemd-nspawn, busybox, jq
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need busybox jq

swarm_azure
must keys az keys
swarm_up

# ---- an image that needs no registry ----

mkdir -p image/bin shop
cp "$(command -v busybox)" image/bin/busybox
for f in sh cat sleep test httpd hostname; do ln -s busybox image/bin/$f; done
tar -C image -c . >image.tar
for m in master0 agents000000 agents000001; do
	on $m docker import - busy:1 <image.tar >/dev/null
done
echo 'one' >shop/page
echo 'hunter2' >shop/pass
cat >shop/compose.yml <<'Y'
x-quick: &quick
  image: busy:1
  stop_signal: SIGKILL
services:
  web:
    <<: *quick
    command: ["sh", "-c", "cat /www/index.html; exec busybox httpd -f -p 8000 -h /www"]
    configs:
      - {source: page, target: /www/index.html}
    networks: [front]
    healthcheck:
      test: ["CMD", "test", "-s", "/www/index.html"]
      interval: 1s
    deploy:
      replicas: 4
      placement: {constraints: [node.role==worker]}
      update_config: {parallelism: 2, order: start-first, monitor: 2s, failure_action: rollback}
  store:
    <<: *quick
    command: sleep 3600
    secrets: [pass]
    networks: [front]
    deploy:
      placement: {constraints: [node.role==manager]}
  each:
    <<: *quick
    command: sleep 3600
    deploy: {mode: global}
networks:
  front:
configs:
  page: {file: page}
secrets:
  pass: {file: pass}
Y

expect 'looked at: all is to come' 5 '^\+ service shop_web$' "$AZSWARM" deploy-stack shop/compose.yml --dry-run
expect 'deployed' 0 'service shop_web: 4 of 4 tasks run' "$AZSWARM" deploy-stack shop/compose.yml
same 'docker sees it' 'shop 3' "$(on master0 docker stack ls --format '{{.Name}} {{.Services}}')"
same 'the MTU of the machines' "$(on master0 docker network inspect ingress --format '{{index .Options "com.docker.network.driver.mtu"}}')" \
	"$(on master0 docker network inspect shop_front --format '{{index .Options "com.docker.network.driver.mtu"}}')"
same 'the secret is in its task' hunter2 \
	"$(on master0 sh -c 'docker exec $(docker ps -q -f label=com.docker.swarm.service.name=shop_store) cat /run/secrets/pass')"
page()
{
	on agents000000 sh -c 'docker logs $(docker ps -q -f label=com.docker.swarm.service.name=shop_web | head -n 1)'
}
same 'the config in its tasks' one "$(page)"
expect 'looked at again: nothing' 0 'stack shop is as the file has it' "$AZSWARM" deploy-stack shop/compose.yml --dry-run
same 'stacks' 'shop	3	8	8' "$(az stacks --output tsv)"
expect 'ps: where they run' 0 'shop_web.1 +busy:1 +agents00000[01] +running +running' "$AZSWARM" ps shop

echo 'two' >shop/page
expect 'another page: looked at' 5 'ConfigName: shop_page_[0-9a-f]* -> shop_page_' "$AZSWARM" deploy-stack shop/compose.yml --dry-run
expect 'another page: rolled' 0 'config shop_page_[0-9a-f]* removed' "$AZSWARM" deploy-stack shop/compose.yml
same 'tasks have it' two "$(page)"

sed 's|/www/index.html; exec|/www/index.html; exit 3; exec|' shop/compose.yml >shop/bad.yml
echo 'three' >shop/page
expect 'one that fails is rolled back' 1 'service shop_web: its update is rollback' "$AZSWARM" deploy-stack shop/bad.yml shop
check 'of what is said' grep -q 'task: non-zero exit (3)' out
same 'both configs are there' 2 "$(on master0 docker config ls -q | wc -l)"
back() { [ "$(on master0 docker service inspect shop_web --format '{{.UpdateStatus.State}}')" = rollback_completed ]; }
check 'the old one runs' wait_for 90 back
same 'with its page' two "$(page)"
echo 'two' >shop/page

sed '/^  each:/,/mode: global/d' shop/compose.yml >shop/fewer.yml
expect 'fewer services' 0 'service shop_each removed' "$AZSWARM" deploy-stack shop/fewer.yml shop --prune
same 'two are left' 'shop_store shop_web' "$(on master0 docker stack services shop --format '{{.Name}}' | sort | xargs)"
expect 'destroyed' 0 'network shop_front removed' "$AZSWARM" destroy-stack shop
same 'nothing is left' '' "$(on master0 sh -c 'docker service ls -q; docker config ls -q; docker secret ls -q;
	docker network ls -q -f label=com.docker.stack.namespace')"
expect 'again' 0 'stack shop is not there' "$AZSWARM" destroy-stack shop

swarm_end
exit $((test_failures != 0))
