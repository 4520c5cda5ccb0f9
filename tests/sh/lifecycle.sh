# Every command against the local Azure, machines on paper.  Proves our logic,
# not Azure: the local Azure is ours.
# time: 300
# needs: jq, time
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
need jq time

trap 'azure_stop; trap - EXIT; exit' EXIT INT TERM
export XDG_CACHE_HOME="$PWD/cache"
if ! azure_start "$PWD/azure" paper; then
	not_ok start 'the local Azure did not start'
	exit 1
fi

# quiet COMMAND...: keep what it says for later questions
all_output=$PWD/all-output
az()
{
	"$AZSWARM" "$@" >out 2>&1 </dev/null
	az_status=$?
	cat out >>"$all_output"
	return $az_status
}

# fine CASE COMMAND...
fine()
{
	fine_case=$1
	shift
	if az "$@"; then
		ok "$fine_case"
	else
		not_ok "$fine_case" "exit $az_status: $(head -c 400 out | tr '\n' ' ')"
	fi
}

# says CASE ERE: the last command said so
says()
{
	if grep -qE -e "$2" out; then
		ok "$1"
	else
		not_ok "$1" "no '$2' in: $(head -c 400 out | tr '\n' ' ')"
	fi
}

rows()
{
	"$AZSWARM" list-agents --output tsv | grep -c .
}

ids()
{
	"$AZSWARM" list-agents --output tsv | cut -f1 | tr '\n' ' '
}

powers()
{
	"$AZSWARM" list-agents --output tsv | cut -f5 | sort -u | tr '\n' ' '
}

same()		# CASE WANTED GOT
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted '$2', got '$3'"
	fi
}

expect 'a second local Azure in the same place' 2 'another local Azure works there' \
	"$AZSWARM" emulator --dir "$azure_dir" --listen 127.0.0.1:0

# --- in the wrong order -----------------------------------------------------
expect 'params without keys' 1 "keys/cluster.pub is not there; 'azswarm keys' makes it" \
	"$AZSWARM" params
fine keys keys
expect 'params without storage' 1 "not there.*deploy-storage|ResourceGroupNotFound" \
	"$AZSWARM" params
expect 'deploy-compute without params' 1 "parameters/cluster.json is not there; 'azswarm params'" \
	"$AZSWARM" deploy-compute
expect 'view without a deployment' 1 'ResourceGroupNotFound|DeploymentNotFound' \
	"$AZSWARM" view-deployment
expect 'list-agents without a cluster' 1 'ResourceGroupNotFound|ResourceNotFound' \
	"$AZSWARM" list-agents

# --- sign-in ------------------------------------------------------------------
rm -rf cache
expect 'wrong secret' 4 'AADSTS7000215' env AZURE_CLIENT_SECRET=wrong "$AZSWARM" locations
expect 'unknown client' 4 'AADSTS700016' \
	env AZURE_CLIENT_ID=11111111-1111-1111-1111-111111111111 "$AZSWARM" locations
expect 'unknown subscription' 1 'SubscriptionNotFound' \
	env AZURE_SUBSCRIPTION_ID=11111111-1111-1111-1111-111111111111 "$AZSWARM" locations
expect 'endpoints by discovery' 0 eastus env -u AZURE_AUTHORITY_HOST "$AZSWARM" locations
expect 'untrusted certificate' 1 'unknown issuer' env -u SSL_CERT_FILE "$AZSWARM" locations
expect 'nobody listens' 1 'localhost' env AZURE_RESOURCE_MANAGER_ENDPOINT=https://localhost:1 \
	AZURE_AUTHORITY_HOST=https://localhost:1 "$AZSWARM" locations
same 'token cache is private' 600 "$(stat -c %a cache/azswarm/tokens.json)"

# --- storage --------------------------------------------------------------------
fine deploy-storage deploy-storage
says 'the program is uploaded' 'program [0-9a-f]{12}\.\.\. uploaded'
fine 'deploy-storage again' deploy-storage
says 'and keeps what is there' 'in storage already'
fine create-shares create-shares
fine params params
same 'parameters are private' 600 "$(stat -c %a parameters/cluster.json)"
cp parameters/cluster.json first.json
fine 'params again' params
check 'and nothing changed' cmp first.json parameters/cluster.json
check 'no placeholder is left' sh -c '! jq -r ".parameters.masterCustomData.value, .parameters.agentCustomData.value" parameters/cluster.json | base64 -d | grep -E "@[A-Z][A-Z0-9_]*@"'
check 'agents get no manager secret' sh -c \
	'! jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d | grep -q "$(cat keys/manager.secret)"'
check 'masters do' sh -c \
	'jq -r .parameters.masterCustomData.value parameters/cluster.json | base64 -d | grep -q "$(cat keys/manager.secret)"'

expect 'other names than params were made with' 1 \
	'was made for VMSS_NAME=agents, which is other now; .azswarm params. makes it anew' \
	env VMSS_NAME=other "$AZSWARM" deploy-compute

# --- compute --------------------------------------------------------------------
fine 'deploy without waiting' deploy-compute --no-wait
says 'and is told how to follow' 'view-deployment --watch'
fine 'the watch ends' view-deployment --watch
says 'in success' 'Succeeded'
fine 'deploy-compute again' deploy-compute
says 'with outputs' 'masterFqdn '
same 'three agents' 3 "$(rows)"
fine 'table of agents' list-agents
says 'has a head' '^ *ID +NAME +HOST +ADDRESS +POWER +PROVISIONING'
says 'and addresses' '10\.77\.16\.[0-9]+ +running'
check 'json of agents' sh -c '"$AZSWARM" list-agents --output json | jq -e "length == 3 and .[0].power == \"running\""'
fine endpoints endpoints
says 'name the load balancer' 'swarm-cluster-agents-lb\.eastus\.'
fine resources resources
says 'of both groups' 'swarm-storage .*Microsoft.Storage/storageAccounts'
fine locations locations
fine sizes sizes
says 'with the default size' 'Standard_B2ats_v2'

# --- scaling -------------------------------------------------------------------
fine 'scale out' scale-agents-5
same 'five agents' 5 "$(rows)"
fine 'scale past the bound' scale-agents 7
says 'moves autoscale' 'most agents moved from 5 to 7'
same 'seven agents' 7 "$(rows)"
says 'and the number without metrics' 'no metrics moved from 5 to 7'
fine 'scale to the same' scale-agents 7
says 'changes nothing' '7 agents already'
fine 'deploy again' deploy-compute
says 'and is told that the number stays' 'there are 7 agents already'
same 'still the same seven' '0 1 2 3 4 5 6 ' "$(ids)"
fine 'scale in' scale-agents-2 --yes
says 'moves it back to where it was deployed' 'most agents moved from 7 to 5'
says 'shuts down first' 'draining, leaving the swarm, shutting down'
same 'that the swarm cannot be asked is said once' 1 "$(grep -c 'the swarm cannot be asked' out)"
same 'the oldest stay' '0 1 ' "$(ids)"
fine 'scale below the bound' scale-agents 0 --yes
says 'moves that, too' 'fewest agents moved from 1 to 0'
same 'no agents' 0 "$(rows)"
fine 'scale out from nothing' scale-agents 2
same 'two agents' 2 "$(rows)"
expect 'scale to nonsense' 2 'expected a number of agents' "$AZSWARM" scale-agents many
expect 'scale past the quota' 1 'quota' "$AZSWARM" scale-agents 99
says 'and autoscale is not left with that' 'most agents moved from 99 to 5'

# --- power ------------------------------------------------------------------------
fine stop-agents stop-agents
says 'says what is billed' 'still billed'
says 'autoscale would undo it' 'autoscale: switched off'
same 'stopped' 'stopped ' "$(powers)"
fine 'plan while they are stopped' plan
says 'leaves autoscale off' 'autoscale is off, and so it stays'
fine 'scale, while they are stopped' scale-agents 1
same 'one is started, the other deleted' running "$("$AZSWARM" list-agents --output tsv | cut -f5)"
fine 'and two' scale-agents 2
fine start-agents start-agents
says 'autoscale, too' 'autoscale: switched on'
same 'running' 'running ' "$(powers)"
fine 'plan after that' plan
says 'sees no change in a moved default' 'nothing to change'
fine deallocate-agents deallocate-agents
same 'deallocated' 'deallocated ' "$(powers)"
fine 'start again' start-agents
same 'running again' 'running ' "$(powers)"
set -- $("$AZSWARM" list-agents --output tsv | cut -f3)
fine 'stop one' stop-agents "$2"
same 'that one' "$2" "$("$AZSWARM" list-agents --output tsv | awk -F'\t' '$5 == "stopped" { print $3 }')"
fine 'and start it' start-agents "$2"
says 'autoscale, when none is off' 'autoscale: switched on'
same 'both run' 'running ' "$(powers)"
expect 'stop: none of that name' 2 'agents_77' "$AZSWARM" stop-agents "$1" agents_77
same 'and nothing is stopped' 'running ' "$(powers)"

# --- made anew, restarted ------------------------------------------------------------
fine restart-agents restart-agents
says 'one after the other' 'agents_[0-9]*: restart$'
says 'all' '2 agents: restart done'
fine reimage-agents-serial reimage-agents-serial
says 'all of them' '2 agents: reimage done'
fine 'one that is named' reimage-agents-serial --at-a-time 3 "$("$AZSWARM" list-agents --output tsv | cut -f2 | head -n 1)"
says 'that alone' '1 agent: reimage done'
expect 'reimage: none of that name' 2 'agents_77' "$AZSWARM" reimage-agents-serial agents_77
expect 'reimage: none at a time' 2 '--at-a-time "0": expected 1 or more' "$AZSWARM" reimage-agents-serial --at-a-time 0
expect 'all at once is asked' 2 'would make 2 agents anew at once.*say --yes' "$AZSWARM" reimage-agents-parallel
says 'and says how many are down' 'down at the same time: 2 agents'
fine 'all at once' reimage-agents-parallel --yes
says 'all at once, done' '2 agents: reimage done'
echo '[{"request":"POST */reimage?*","skip":1,"times":1,"status":403,"code":"No","message":"not this one"}]' >azure/faults.json
expect 'interrupted by a refusal' 1 'No: not this one' "$AZSWARM" reimage-agents-serial
says 'says how far' '1 of 2 done; the same command again'
rm azure/faults.json
fine 'again' reimage-agents-serial
says 'goes on with the other' 'done before .parameters/reimage.json.'
says 'which is one' '1 agent: reimage done'
check 'and that is the end of it' test ! -e parameters/reimage.json
echo '[{"request":"POST */restart?*","skip":1,"times":1,"status":403,"code":"No","message":"m"}]' >azure/faults.json
"$AZSWARM" restart-agents >out 2>&1
rm azure/faults.json
fine 'another command' reimage-agents-serial
says 'does not take that for its own' '2 agents: reimage done'
# without a master nobody sees, nobody is drained
for c in chaos-monkey rebalance 'evict agents000000' 'return agents000000'; do
	"$AZSWARM" $c >out 2>&1
	check "$c: without a swarm" test $? -ne 0
	says "$c: says why" 'these machines exist on paper|there is no master'
done

# --- warm ones ------------------------------------------------------------------------
fine 'four' scale-agents 4
fine 'two, one warm' scale-agents 2 --warm-agents 1
same 'two run, one is warm' 'deallocated running running ' "$("$AZSWARM" list-agents --output tsv | cut -f5 | sort | tr '\n' ' ')"
fine 'the same again' scale-agents 2 --warm-agents 1
says 'has nothing to do' '2 agents already'
fine 'plan with a warm one' plan --warm-agents 1
fine 'three' scale-agents 3 --warm-agents 1
same 'the warm one runs' 'running ' "$(powers)"
fine 'two, none warm' scale-agents 2
same 'two are there' 2 "$(rows)"

# --- state survives a restart -----------------------------------------------------
before=$("$AZSWARM" resources --output tsv)
azure_stop
azure_start "$PWD/azure" paper || exit 1
same 'resources survive a restart' "$before" "$("$AZSWARM" resources --output tsv)"
fine 'and can be worked with' scale-agents 1

# --- memory: six MiB at most -------------------------------------------------------
for command in locations sizes list-agents resources params deploy-storage view-deployment; do
	peak=$(command time -f %M "$AZSWARM" $command 2>&1 >/dev/null </dev/null | tail -n 1)
	if [ "$peak" -le 6144 ]; then
		ok "memory of $command"
	else
		not_ok "memory of $command" "$peak KiB"
	fi
done

# --- the end -------------------------------------------------------------------
expect 'destroy without a name' 2 'say --confirm swarm-cluster' "$AZSWARM" destroy-cluster
expect 'destroy with another name' 2 'nothing was destroyed' \
	"$AZSWARM" destroy-cluster --confirm swarm-storage
same 'nothing was destroyed' 1 "$(rows)"
fine destroy-compute destroy-compute --confirm swarm-cluster
says 'looked' 'nothing of it is left'
fine destroy-storage destroy-storage --confirm swarm-storage
fine 'destroy-cluster again' destroy-cluster --confirm swarm-cluster
says 'has nothing to do' 'swarm-cluster is not there'
fine clean clean
check 'parameters are gone' test ! -e parameters
check 'keys are not' test -e keys/cluster.pem

# --- secrets -----------------------------------------------------------------------
secrets=$(cat keys/*.secret; printf '%s\n' "$AZURE_CLIENT_SECRET"; grep -v -e '^-----' keys/*.pem keys/helper.key | cut -d: -f2 | head -3; jq -r '.tokens[].token' cache/azswarm/tokens.json; jq -r '.parameters.agentCustomData.value' first.json | base64 -d | sed -n 's/.*password=\([^\\]*\).*/\1/p; s/.*\(sig=[^\\]*\).*/\1/p')
leaked=0
for secret in $secrets; do
	grep -qF -e "$secret" "$all_output" && leaked=$((leaked + 1))
done
same 'no secret was ever said' 0 "$leaked"

exit $((test_failures != 0))
