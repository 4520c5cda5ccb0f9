# Stacks in front of a real engine, which is a swarm of its own: deploy-stack and
# its kin, beside an unmodified docker that looks at what they made.
# time: 400
# needs: root, docker.io, busybox, jq
. "$SRCDIR/tests/engine.sh"
. "$SRCDIR/tests/lib.sh"
need_root
need docker busybox jq
[ -n "${ENGINE_INSIDE-}" ] || skip_all "needs network namespaces"
tool=$SRCDIR/build/tests/stack_tool
engine_start || skip_all "$engine_why"
export PUBLISH=off

stack() { "$tool" "$PWD/engine/docker.sock" "$@"; }
no() { ! "$@"; }
spec() { docker service inspect "$1" --format "{{json .Spec}}" | jq -r "$2"; }
tasks() { docker service ps -q -f desired-state=running "$1" | sort | xargs; }

# ---- a swarm of one, and an image that needs no registry ----

expect 'a swarm of one' 0 'is now a manager' docker swarm init --advertise-addr 127.0.0.1 \
	--listen-addr 127.0.0.1:2377
mkdir -p image/bin keys
cp "$(command -v busybox)" image/bin/busybox
for f in $(ldd "$(command -v busybox)" 2>/dev/null | grep -o '/[^ ]*'); do
	mkdir -p "image$(dirname "$f")" && cp -L "$f" "image$f"
done
for f in sh cat sleep true false test; do ln -s busybox image/bin/$f; done
tar -C image -c . | docker import - busy:1 >/dev/null
docker tag busy:1 busy:2
umask 077
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >keys/backup.key
umask 022

# ---- what is refused before anything is done ----

printf 'services:\n  web:\n    imagee: busy:1\n' >wrong.yml
expect 'a word that is unknown' 1 'wrong.yml:3' stack deploy-stack wrong.yml
printf 'services:\n  web:\n    image: busy:1\n    networks: [out]\nnetworks:\n  out:\n    external: true\n' >outside.yml
expect 'an external network that is not there' 1 'network out is external in the file, and the swarm has none' \
	stack deploy-stack outside.yml
printf 'services:\n  web:\n    image: busy:1\n    configs: [c]\nconfigs:\n  c:\n    external: true\n' >outside.yml
expect 'an external config that is not there' 1 'config c is external in the file' stack deploy-stack outside.yml
docker service create -q -d --name other --publish 8081:80 busy:1 sleep 3600 >/dev/null
printf 'services:\n  web:\n    image: busy:1\n    ports: ["8081:80"]\n' >taken.yml
expect 'a port that another has' 1 'service t_web: port 8081 is taken by the service other; destroy that first' \
	stack deploy-stack taken.yml t
printf 'services:\n  a:\n    image: busy:1\n    ports: ["82:80"]\n  b:\n    image: busy:1\n    ports: ["82:81"]\n' >twice.yml
expect 'a port twice' 1 'port 82 is taken by the service t_' stack deploy-stack twice.yml t
for to in web.x web-; do
	printf 'services:\n  "%s":\n    image: busy:1\n' $to >name.yml
	expect "a name that Swarm has not: $to" 1 "service t_$to: Swarm takes letters, digits" stack deploy-stack name.yml t
done
printf 'services:\n  web:\n    image: busy:1\n' >name.yml
expect 'one that is too long' 1 'Swarm takes letters, digits .*, at most 63 in all' \
	stack deploy-stack name.yml "$(printf '%060d' 0)"
printf 'services:\n  web:\n    image: busy:1\n    configs: [c]\nconfigs:\n  c: {content: x, name: "my config"}\n' >name.yml
expect 'a name of a config' 1 'config my config: Swarm takes letters' stack deploy-stack name.yml t
printf 'services:\n  web:\n    image: busy:1\n    ports: ["2377:80"]\n' >name.yml
expect 'a port of the cluster, only looked at' 2 "the cluster's own" stack deploy-stack name.yml t --dry-run
endless() { yes '#' | timeout 60 "$tool" "$PWD/engine/docker.sock" deploy-stack - t; }
expect 'a file without an end' 1 'standard input' endless
docker service create -q -d --name t_web busy:1 sleep 3600 >/dev/null
printf 'services:\n  web:\n    image: busy:2\n' >name.yml
expect 'a service of nobody' 1 'service t_web is there and not of this stack' stack deploy-stack name.yml t
expect 'only looked at, the same' 1 'service t_web is there and not of this stack' stack deploy-stack name.yml t --dry-run
same 'it is as it was' 'busy:1' "$(spec t_web .TaskTemplate.ContainerSpec.Image)"
docker service rm t_web >/dev/null
docker network create -d overlay --label com.docker.stack.namespace=a a_b_c >/dev/null
printf 'services:\n  web:\n    image: busy:2\n    networks: [c]\nnetworks: {c: }\n' >name.yml
expect 'a network of another stack' 1 'network a_b_c is there and not of this stack' stack deploy-stack name.yml a_b
docker network rm a_b_c >/dev/null
same 'and nothing was begun' 'other' "$(docker service ls --format '{{.Name}}' | xargs)"
same 'nor a network made' '' "$(docker network ls -q -f label=com.docker.stack.namespace)"
docker service rm other >/dev/null

# ---- three services with all that they may have ----

mkdir shop
echo 'color=red' >shop/page.conf
echo 'hunter2' >shop/pass.txt
echo 'GREETING=hello' >shop/.env
cat >shop/compose.yml <<'Y'
services:
  web:
    image: busy:1
    command: ["sh", "-c", "cat /page.conf; exec sleep 3600"]
    stop_signal: SIGKILL
    environment:
      GREETING: ${GREETING:?set it}
      DB_PASSWORD: not-for-you
    configs:
      - source: page
        target: /page.conf
    networks: [front, back]
    ports: ["8080:80"]
    healthcheck:
      test: ["CMD", "test", "-e", "/page.conf"]
      interval: 1s
      timeout: 2s
      retries: 3
    deploy:
      replicas: 2
      update_config:
        parallelism: 1
        order: start-first
        monitor: 2s
        failure_action: rollback
      restart_policy:
        condition: any
        delay: 1s
  db:
    image: busy:1
    command: sleep 3600
    stop_signal: SIGKILL
    secrets: [pass]
    networks: [back]
    deploy:
      endpoint_mode: dnsrr
      placement:
        constraints: [node.role==manager]
      resources:
        reservations: {cpus: "0.1", memory: 8M}
      labels: {of: db}
  each:
    image: busy:1
    command: sleep 3600
    stop_signal: SIGKILL
    build: .
    deploy:
      mode: global
networks:
  front:
  back:
    driver_opts:
      com.docker.network.driver.mtu: "1300"
configs:
  page:
    file: ./page.conf
secrets:
  pass:
    file: ./pass.txt
Y
expect 'only looked at' 5 '^\+ service shop_web$' stack deploy-stack shop/compose.yml --dry-run
check 'all that would come' sh -c "grep -q '^+ network shop_front$' out && grep -qE '^\\+ config shop_page_[0-9a-f]{12}$' out"
same 'nothing was made' '' "$(docker service ls -q)"
expect 'deployed' 0 'service shop_web: 2 of 2 tasks run' stack deploy-stack shop/compose.yml
check 'what Swarm ignores is said' grep -q 'Swarm does not look at .*build' out
check 'that no registry answers is said' grep -q 'busy:1: its registry does not answer' out
check 'where it is' grep -qx 'http://192.0.2.8:8080/' out
same 'docker sees a stack' 'shop 3' "$(docker stack ls --format '{{.Name}} {{.Services}}')"
same 'its services' 'shop_db 1/1 shop_each 1/1 shop_web 2/2' \
	"$(docker stack services shop --format '{{.Name}} {{.Replicas}}' | sort | xargs)"
config=$(docker config ls --format '{{.Name}}')
secret=$(docker secret ls --format '{{.Name}}')
check 'a config is named by its content' sh -c "echo '$config' | grep -qxE 'shop_page_[0-9a-f]{12}'"
check 'a secret, too' sh -c "echo '$secret' | grep -qxE 'shop_pass_[0-9a-f]{12}'"
same 'not by a hash that anybody can make' 0 \
	"$(printf 'shop_pass\0\0%s' "$(base64 -w0 shop/pass.txt)" | sha256sum | grep -c "^${secret##*_}")"
same 'the MTU of the cluster' 1400 \
	"$(docker network inspect shop_front --format '{{index .Options "com.docker.network.driver.mtu"}}')"
same 'or that of the file' 1300 \
	"$(docker network inspect shop_back --format '{{index .Options "com.docker.network.driver.mtu"}}')"
same 'a variable of .env beside the file' hello "$(spec shop_web '.TaskTemplate.ContainerSpec.Env[]|select(startswith("GREETING"))[9:]')"
page() { docker logs "$(docker ps -q -f label=com.docker.swarm.service.name=shop_web | head -n 1)" 2>&1; }
same 'a task has the config' color=red "$(page)"
same 'another the secret' hunter2 \
	"$(docker exec "$(docker ps -q -f label=com.docker.swarm.service.name=shop_db)" cat /run/secrets/pass)"

# ---- the same again ----

had=$(tasks shop_web)
expect 'looked at again: as it is' 0 'stack shop is as the file has it' stack deploy-stack shop/compose.yml --dry-run
same 'and no more is said of it' '' "$(stack deploy-stack shop/compose.yml --dry-run 2>/dev/null)"
expect 'the same again' 0 'service shop_web: 2 of 2 tasks run' stack deploy-stack shop/compose.yml
same 'leaves the tasks alone' "$had" "$(tasks shop_web)"

# ---- what they are at ----

same 'stacks' '[{"stack":"shop","services":"3","running":"4","desired":"4"}]' \
	"$(stack stacks --json | jq -c .)"
same 'ps: as docker has it' "$(docker stack ps shop --format '{{.Name}}' -f desired-state=running | sed 's/^shop_each\..*/shop_each/' | sort | xargs)" \
	"$(stack ps shop --tsv | cut -f1 | sed 's/^shop_each\..*/shop_each/' | sort | xargs)"
expect 'ps: a service' 0 'shop_db.1 .* busy:1 .* running' stack ps shop_db
expect 'ps: no such thing' 1 'there is no stack and no service "nothing"' stack ps nothing

# ---- another content ----

echo 'color=blue' >shop/page.conf
expect 'another config: looked at' 5 'TaskTemplate.ContainerSpec.Configs\[0\].ConfigName: shop_page_.* -> shop_page_' \
	stack deploy-stack shop/compose.yml --dry-run
check 'the old one would go' grep -q "^- config $config$" out
sed -i 's/not-for-you/nor-for-you/; s/replicas: 2/replicas: 3/' shop/compose.yml
expect 'a variable that sounds like a secret' 5 'ContainerSpec.Env.DB_PASSWORD: \(not shown\)' \
	stack deploy-stack shop/compose.yml --dry-run
check 'its value is nowhere' no grep -q 'for-you' out
check 'another is shown' grep -q 'Mode.Replicated.Replicas: 2 -> 3' out
expect 'another config: deployed' 0 "config $config removed" stack deploy-stack shop/compose.yml
same 'tasks have what is new' color=blue "$(page)"
same 'only the new one is left' 1 "$(docker config ls -q | wc -l)"
same 'the secret is the same' "$secret" "$(docker secret ls --format '{{.Name}}')"

# ---- updates that go wrong ----

cp shop/compose.yml shop/bad.yml
echo 'color=green' >shop/page.conf
sed -i 's/exec sleep 3600/exit 3/' shop/bad.yml
expect 'one that is rolled back' 1 'service shop_web: its update is rollback_completed' stack deploy-stack shop/bad.yml shop
check 'it says of what' grep -q 'task: non-zero exit (3)' out
same 'both configs are kept' 2 "$(docker config ls -q | wc -l)"
check 'that it goes back was said' grep -q 'service shop_web: its update is rolled back: ' out
same 'Docker has the old one again' rollback_completed \
	"$(docker service inspect shop_web --format '{{.UpdateStatus.State}}')"
same 'with its config' color=blue "$(page)"
sed -i 's/failure_action: rollback/failure_action: pause/' shop/bad.yml
expect 'one that is paused' 1 'service shop_web: its update is paused' stack deploy-stack shop/bad.yml shop
expect 'ps names what failed' 0 'task: non-zero exit \(3\)' stack ps shop
printf 'services:\n  each:\n    image: busy:1\n    command: sleep 3600\n    stop_signal: SIGKILL\n    deploy: {mode: global}\n' >each.yml
expect 'another service beside it' 0 'service shop_each: 1 of 1' stack deploy-stack each.yml shop
same 'what it may go back to is kept' 2 "$(docker config ls -q | wc -l)"
sed -i 's/mode: global/mode: replicated/' each.yml
expect 'a mode that Swarm does not change' 1 'service shop_each is there with the mode Global' \
	stack deploy-stack each.yml shop --dry-run
expect 'and back' 0 'service shop_web: 3 of 3 tasks run' stack deploy-stack shop/compose.yml
same 'what is left over goes then' 1 "$(docker config ls -q | wc -l)"

# ---- what else makes another config, and what nobody is to see ----

sed 's|file: ./page.conf|&\n    labels: {of: page}|; s|^      GREETING: .*|&\n      URL: "http://me:not-for-you@there"|' \
	shop/compose.yml >shop/labels.yml
expect 'a label of a config: looked at' 5 'ConfigName: shop_page_.* -> shop_page_' \
	stack deploy-stack shop/labels.yml shop --dry-run
sed -i 's/^  front:/&\n    attachable: true/' shop/labels.yml
expect 'a network that is otherwise' 5 'network shop_front is there with another Attachable' \
	stack deploy-stack shop/labels.yml shop --dry-run
check 'a password in an address is not shown' grep -q 'Env.URL: (not shown)' out
check 'nowhere' no grep -q 'not-for-you' out
printf 'services:\n  web:\n    image: busy:1\n    command: sleep 3600\n    credential_spec: {config: c}\nconfigs:\n  c: {content: "{}"}\n' >cred.yml
expect 'a credential specification' 0 'service cred_web made' stack deploy-stack cred.yml cred --no-wait
same 'by the ID of its config' "$(docker config ls -q -f label=com.docker.stack.namespace=cred)" \
	"$(spec cred_web .TaskTemplate.ContainerSpec.Privileges.CredentialSpec.Config)"
expect 'which is as the file has it' 0 'stack cred is as the file has it' stack deploy-stack cred.yml cred --dry-run
expect 'and its end' 0 'service cred_web removed' stack destroy-stack cred

# ---- beside docker's own ----

# 20.10 waits for nothing, and wants a version
sed '1i version: "3.8"' shop/compose.yml >shop/versioned.yml
detach=$(docker stack deploy --help | sed -n 's/^.*\(--detach\).*$/\1=false/p')
expect 'docker stack deploy on top' 0 '' env GREETING=hello docker stack deploy $detach --resolve-image never \
	-c shop/versioned.yml shop
expect 'and ours on that' 0 '3 of 3 tasks run' stack deploy-stack shop/compose.yml --prune
same 'with its own names only' 1 "$(docker config ls -q | wc -l)"
expect 'as the file has it' 0 'stack shop is as the file has it' stack deploy-stack shop/compose.yml --dry-run

# ---- tasks that end ----

cat >ends.yml <<'Y'
services:
  job:
    image: busy:1
    command: ["sh", "-c", "exit $${CODE}"]
    environment: ["CODE=${CODE:-0}"]
    deploy:
      mode: replicated-job
      replicas: 2
      restart_policy: {condition: none, delay: 1s}
  here:
    image: busy:1
    command: "true"
    deploy:
      mode: global-job
      placement: {constraints: [node.role==manager]}
  once:
    image: busy:1
    command: "true"
    environment: ["LATER=${LATER:-}"]
    deploy:
      restart_policy: {condition: on-failure}
Y
expect 'a job, and a service whose task may end' 0 'service ends_job: 2 of 2 tasks have completed' \
	stack deploy-stack ends.yml ends
check 'a global one on some nodes' grep -q 'service ends_here: 1 of 1 tasks have completed' out
check 'the other is no hang' grep -q 'service ends_once: 0 of 1 tasks run, 1 have completed' out
expect 'its end within an update, which is paused by it' 0 'service ends_once: 0 of 1 tasks run, 1 have completed' \
	env LATER=1 "$tool" "$PWD/engine/docker.sock" deploy-stack ends.yml ends
docker stack rm ends >/dev/null 2>&1
expect 'a job that fails' 1 'service ends_job: its tasks failed [0-9]* times, the last, ends_job.*, of: task: non-zero exit \(4\)' \
	env CODE=4 "$tool" "$PWD/engine/docker.sock" deploy-stack ends.yml ends
cat >never.yml <<'Y'
services:
  once:
    image: busy:1
    command: ["sh", "-c", "exit 5"]
    deploy:
      restart_policy: {condition: none}
Y
expect 'a task that is not begun again' 1 'service never_once: its task never_once.1 failed: task: non-zero exit \(5\); by its restart_policy' \
	stack deploy-stack never.yml never
expect 'its end' 0 'service ends_job removed' stack destroy-stack ends
expect 'that, too' 0 'service never_once removed' stack destroy-stack never

# ---- twelve at once ----

{
	echo 'services:'
	for i in $(seq 12); do
		printf '  s%d:\n    image: busy:1\n    command: ${S%d:-sleep 3600}\n    stop_signal: SIGKILL\n' $i $i
		printf '    deploy: {update_config: {monitor: 10s}, restart_policy: {condition: "${IF:-any}"}}\n'
	done
} >many.yml
began=$(date +%s)
expect 'twelve new ones' 0 'service many_s12: 1 of 1 tasks run' stack deploy-stack many.yml many
took=$(($(date +%s) - began))
same 'all of them' 12 "$(grep -c ': 1 of 1 tasks run$' out)"
check 'are not watched one after the other, which takes two minutes' test $took -lt 100
expect 'their end' 0 'service many_s1 removed' stack destroy-stack many
expect 'two of them fail' 1 'azswarm: deploy-stack: service many_s[35]: its task many_s[35].1 failed: .*\(5\)' \
	env S3='sh -c "exit 5"' S5='sh -c "exit 5"' IF=none "$tool" "$PWD/engine/docker.sock" deploy-stack many.yml many
same 'the others are waited for' 10 "$(grep -c ': 1 of 1 tasks run$' out)"
same 'both are named' 'many_s3 many_s5' "$(grep -o '^.*its task .* failed' out | grep -o 'many_s[0-9]*:' | tr -d : | sort -u | xargs)"
expect 'and their end' 0 'service many_s1 removed' stack destroy-stack many

# ---- nodes that are not there: agents, which come, and a slip ----

cat >nodes.yml <<'Y'
services:
  agents:
    image: busy:1
    command: sleep 3600
    deploy: {mode: global, placement: {constraints: [node.role==worker]}}
  job:
    image: busy:1
    command: "true"
    deploy: {mode: global-job, placement: {constraints: [node.role != manager]}}
Y
expect 'agents that may come' 0 'service nodes_agents: no agent takes tasks now \(node.role==worker\); its tasks begin' \
	stack deploy-stack nodes.yml nodes
check 'for a job of theirs, too' grep -q 'service nodes_job: no agent takes tasks now (node.role != manager)' out
sed -i 's/node.role==worker/node.role==wroker/' nodes.yml
expect 'a slip' 1 'service nodes_agents: no node that takes tasks meets its constraints \(node.role==wroker\)' \
	stack deploy-stack nodes.yml nodes
expect 'their end' 0 'service nodes_job removed' stack destroy-stack nodes

# ---- zeros that are not what the engine takes where nothing is said ----

cat >zero.yml <<'Y'
services:
  web:
    image: busy:1
    command: sleep 3600
    stop_signal: SIGKILL
Y
expect 'nothing said' 0 'service zero_web: 1 of 1 tasks run' stack deploy-stack zero.yml zero
cat >>zero.yml <<'Y'
    stop_grace_period: 0s
    deploy:
      update_config: {parallelism: 0}
      rollback_config: {parallelism: 0}
      restart_policy: {delay: 0s}
Y
expect 'zeros: looked at' 5 'RestartPolicy.Delay: 0$' stack deploy-stack zero.yml zero --dry-run
same 'all four' 4 "$(grep -cE '\.(StopGracePeriod|Delay|Parallelism): 0$' out)"
expect 'zeros: deployed' 0 'service zero_web: 1 of 1 tasks run' stack deploy-stack zero.yml zero
expect 'zeros: as the file has it' 0 'stack zero is as the file has it' stack deploy-stack zero.yml zero --dry-run
expect 'zeros: their end' 0 'service zero_web removed' stack destroy-stack zero

# ---- fewer ----

sed '/^  each:/,/mode: global/d; s/, back\]/]/' \
	shop/compose.yml >shop/fewer.yml
expect 'without a service: it stays' 0 '' stack deploy-stack shop/fewer.yml shop
same 'until' 3 "$(docker stack services -q shop | wc -l)"
expect 'it is looked at' 5 '^- service shop_each$' stack deploy-stack shop/fewer.yml shop --dry-run --prune
expect 'and pruned' 0 'service shop_each removed' stack deploy-stack shop/fewer.yml shop --prune
same 'two are left' 'shop_db shop_web' "$(docker stack services shop --format '{{.Name}}' | sort | xargs)"

# ---- names that the file gives ----

printf 'services:\n  a:\n    image: busy:1\n    command: sleep 3600\n    stop_signal: SIGKILL\n    secrets: [s]\n    configs: [c]\nsecrets:\n  s: {file: ./s, name: mine}\nconfigs:\n  c: {file: ./c, name: mine}\n' >named.yml
echo 1 >s
echo 1 >c
expect 'names of the file' 0 'service n_a: 1 of 1 tasks run' stack deploy-stack named.yml n
expect 'the same again, with them' 0 'service n_a: 1 of 1 tasks run' stack deploy-stack named.yml n
echo 2 >c
expect 'a config of another content' 1 'config mine is there with another content' stack deploy-stack named.yml n
echo 1 >c
echo 2 >s
expect 'of which looking tells nothing' 0 'secret mine is there; whether with these bytes' \
	stack deploy-stack named.yml n --dry-run
expect 'a secret of another content' 1 'secret mine: it may be there with another content' stack deploy-stack named.yml n

# ---- and none ----

echo x | docker config create free - >/dev/null
expect 'a stack without a name' 2 'is no stack' stack destroy-stack ''
same 'takes nothing away' '3 free' "$(docker service ls -q | wc -l) $(docker config ls --format '{{.Name}}' -f name=free)"
docker config rm free >/dev/null
docker service create -q -d --name guest --network shop_front busy:1 sleep 3600 >/dev/null
expect 'a network that a guest is on' 0 'network shop_front stays: service guest uses it' stack destroy-stack shop
same 'is there' shop_front "$(docker network ls -f label=com.docker.stack.namespace=shop --format '{{.Name}}')"
docker service rm guest >/dev/null
expect 'destroyed' 0 'network shop_front removed' stack destroy-stack shop
expect 'another' 0 'secret mine removed' stack destroy-stack n
same 'no stack' '' "$(docker stack ls -q 2>/dev/null; docker stack ls --format '{{.Name}}')"
same 'no secret, no config' '' "$(docker secret ls -q; docker config ls -q)"
same 'no network' '' "$(docker network ls -f label=com.docker.stack.namespace --format '{{.Name}}' | xargs)"
expect 'again' 0 'stack shop is not there' stack destroy-stack shop
exit $((test_failures != 0))
