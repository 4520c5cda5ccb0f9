# Who has never seen this: an empty folder, real machines, 'azswarm up', a
# service at once, a look at it, 'azswarm down'.  And who presses Ctrl-C in the
# middle, and runs the same again.
# time: 400
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq python3

# On the next Debian: its Docker, systemd and cloud-init are nearer to Ubuntu's.
# conformance/suites has the whole life there, and on the one behind it.
export MACHINE_SUITE=trixie
swarm_azure
export AGENT_COUNT=1 AZSWARM_LOG="$PWD/log"
began=$(date +%s)
"$AZSWARM" up </dev/null >up.out 2>up.err
same 'up: nobody is there to agree, so --yes is wanted' 2 $?
cat up.err up.out >story
check 'up: and nothing was deployed' sh -c '! grep -q "== deploy-compute" up.err'

"$AZSWARM" up --yes </dev/null >up.out 2>up.err &
up=$!
wait_for 120 grep -q 'waiting until the swarm' up.err
kill -INT $up
wait $up
same 'up: Ctrl-C' 130 $?
cat up.err up.out >>story
# the machines are there, and on their way
expect 'a service on a cluster that is not ready: waits' 0 'service replicated: 8 of 8 tasks run' \
	"$AZSWARM" deploy-replicated-service
"$AZSWARM" up --yes </dev/null >up.out 2>up.err
same 'up: the same again' 0 $?
cat up.err up.out >>story
check 'up: deploys nothing twice' grep -q 'nothing to deploy' up.err
check 'up: the swarm has them' grep -q 'the swarm has 1 master and 1 agent' up.err
same 'up: so says the engine' 'agents000000 Ready Active master0 Ready Active' "$(nodes | xargs)"
# where they are: the agent came when all had begun
check 'the service answers' ask replicated master0 /hostname
with_up=$(($(date +%s) - began))

# ---- what there is, and what the engine itself says ----

version=$("$AZSWARM" version | sed -n '1s/^azswarm \([^ ]*\).*/\1/p')
told()		# does every node have its version in it?
{
	"$AZSWARM" status --output json >status.json 2>status.err </dev/null
	[ "$(jq -r '[.nodes[].azswarm] | unique | join(" ")' status.json)" = "$version" ]
}
check 'status: each node has this version' wait_for 20 told
same 'status: the nodes of the engine' \
	"$(on master0 docker node ls --format '{{.ID}} {{.Hostname}} {{.Status}} {{.Availability}} {{.EngineVersion}}' | tr 'A-Z' 'a-z' | sort)" \
	"$(jq -r '.nodes[] | [.id, .hostname, .state, .availability, .docker] | join(" ")' status.json | tr 'A-Z' 'a-z' | sort)"
same 'status: the services of the engine' "$(on master0 docker service ls --format '{{.Name}} {{.Replicas}}')" \
	"$(jq -r '.services[] | "\(.name) \(.running)/\(.desired)"' status.json)"
same 'status: the managers of the engine' \
	"$(on master0 docker info --format '{{.Swarm.Managers}}') 0 $(on master0 docker node ls --format '{{.Hostname}} {{.ManagerStatus}}' | sed -n 's/ Leader$//p')" \
	"$(jq -r '.swarm | "\(.managers) \(.tolerates) \(.leader)"' status.json)"
expect 'status: for people' 0 '^swarm +1 of 1 managers reachable; tolerates the loss of 0$' "$AZSWARM" status
check 'status: one screen' test "$(wc -l <out)" -le 40
took()		# milliseconds of one look
{
	took_ms=$(date +%s%3N)
	"$AZSWARM" status >/dev/null 2>&1 </dev/null
	echo $(($(date +%s%3N) - took_ms))
}
least 2000 took
echo "# status: $least ms"
check 'status: in two seconds' test "$least" -lt 2000
came()		# how many have signed in to the master
{
	on master0 journalctl -u ssh --no-pager -o cat | grep -c '^Accepted publickey for cluster'
}
before=$(came)
timeout -s INT 9 script -qefc "stty rows 40 cols 100; '$AZSWARM' status --watch" /dev/null >watched </dev/null
same 'status --watch: one connection' 1 $(($(came) - before))
check 'status --watch: several times, in place' test "$(grep -c 'managers reachable' watched)" -ge 3
mv keys elsewhere
expect 'status: without keys' 0 '^swarm +there are no keys here' "$AZSWARM" status
mv elsewhere keys

expect 'list-endpoints: where it is' 0 'agents-lb' "$AZSWARM" list-endpoints
check 'the service: its address is on stdout' sh -c \
	"'$AZSWARM' deploy-replicated-service 2>/dev/null </dev/null | tail -n 1 | grep -qx 'http://127[.]77[.][0-9.]*/'"
expect 'deploy-compute: waits, and says so' 0 'the swarm has 1 master and 1 agent' "$AZSWARM" deploy-compute
"$AZSWARM" deploy-compute >out 2>/dev/null </dev/null
check 'deploy-compute: its address is on stdout' grep -Eq '^masterAddress +127\.77\.' out
cat out >>story
# what is another number each time, and how many there are, does not count
same_words()
{
	sed 's/^ *//; s/[0-9a-f]\{12\}/N/g; s/[0-9][0-9.]*/N/g; s/agents\{0,1\}\( *$\)/agent/; s/shared[^ ]*/shared/' "$@"
}
same_words story | sort -u >story.words
sed -n '/^<!-- up -->$/,/^<!-- end -->$/p' "$SRCDIR/README.md" | sed -n 's/^    //p' |
	grep -v -e '^[.][.][.]$' -e '^\$' | same_words | sort -u >readme.words
check "README: what 'up' says is looked at" test "$(wc -l <readme.words)" -gt 15
# a machine may be further before anybody looks, so its steps need not all be said
sed -n 's/^[a-z]*N: \([^(]*[^ (]\).*/\1/p' readme.words >steps
check 'README: steps of machines are there' test "$(wc -l <steps)" -ge 4
same 'README: and are what the program calls them' '' \
	"$(while read -r step; do grep -aqF "$step" "$AZSWARM" || echo "$step"; done <steps)"
same "README: it says what 'up' says" '' "$(grep -v '^[a-z]*N: ' readme.words | comm -23 - story.words)"

# one that says goodbye is no node any more, and can be looked at still
on agents000000 systemctl stop swarm-agent
check 'ssh: the agent has left' nodes_become 60 1
expect 'ssh: who is no node is found in Azure' 0 '^agents000000$' "$AZSWARM" ssh agents000000 uname -n
expect 'print-requests: of the swarm, too' 5 'destroy-service: service replicated: Docker Engine: not sent' "$AZSWARM" destroy-service --print-requests
check 'print-requests: the change is shown' grep -q '^DELETE http://docker/.*services/replicated' out

cat keys/*.secret keys/*.pem keys/helper.key | grep -v -e '^-----' >secrets
jq -r '.parameters | .masterCustomData.value, .agentCustomData.value' parameters/cluster.json | cut -c 1-200 >>secrets
printf '%s\n' "$AZURE_CLIENT_SECRET" >>secrets
check 'the log: what the swarm was asked' grep -q ' POST http://docker/.*services/create 201 ' log
same 'the log: no secret' 0 "$(grep -cFf secrets log)"
on master0 systemctl stop docker.socket docker.service
expect 'status: an engine that is off' 0 '^swarm +master0: Docker does not answer; ' "$AZSWARM" status
expect 'down: not without a word' 2 '' "$AZSWARM" down
expect 'down' 0 'nothing of it is left' "$AZSWARM" down --confirm swarm-cluster

# the same in the Makefile's order, for who has never heard of 'up'
began=$(date +%s)
rm -rf keys parameters
for command in keys deploy-storage params 'deploy-compute --no-wait' deploy-replicated-service; do
	# shellcheck disable=SC2086
	"$AZSWARM" $command </dev/null >order.out 2>order.err
	same "the Makefile's order: $command" 0 $?
done
check "the Makefile's order: the service answers" wait_for 60 ask replicated master0 /hostname
echo "# from nothing to the page: 'up' (interrupted once) $with_up s, the Makefile's order $(($(date +%s) - began)) s"
expect 'destroy-cluster' 0 'nothing of it is left' "$AZSWARM" destroy-cluster --confirm swarm-cluster
azure_stop
same 'nothing is left behind' '' "$(traces_here)"
exit $((test_failures != 0))
