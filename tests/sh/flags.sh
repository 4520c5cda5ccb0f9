# Flags, values and waits that do what they say, against the local Azure with
# machines on paper: values are looked at where they are given, plan is quiet when
# nothing was changed by hand, what takes much away asks, lengths of time are for
# people.
# time: 500
. "$SRCDIR/tests/lib.sh"
need jq curl script python3

export XDG_CACHE_HOME="$PWD/cache"
spawn emulator.log "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0
wait_for 20 grep -q '^ready ' emulator.log || {
	not_ok start "$(cat emulator.log)"
	exit 1
}
. ./azure/env
must()		# COMMAND...: the way there
{
	"$AZSWARM" "$@" >must.out 2>&1 </dev/null || not_ok "$*" "$(tail -n 1 must.out)"
}

# ---- values, where they are given ----
must keys
must deploy-storage
expect 'params: a size that is none' 2 \
	"params: AGENT_SIZE=\"Nonsense\" is no size in eastus; 'azswarm sizes' lists them" \
	"$AZSWARM" params --agent-size Nonsense
expect 'params: that of masters, too' 2 'MASTER_SIZE="Nonsense" is no size' "$AZSWARM" params --master-size Nonsense
check 'params: nothing was written' test ! -e parameters
expect 'params: a region that is none' 2 \
	"LOCATION=\"mars\" is no region; 'azswarm locations' lists them" "$AZSWARM" params --location mars
expect 'sizes: a region that is none' 2 'sizes: LOCATION="mars" is no region' "$AZSWARM" sizes --location mars
expect 'params: case is not looked at, as Azure does not' 0 '' "$AZSWARM" params --agent-size standard_b2S_v2
echo '[{"request":"GET */Microsoft.Compute/skus*","status":403,"code":"AuthorizationFailed","message":"no right to look"}]' \
	>azure/faults.json
expect 'params: who may not look is told so, and goes on' 0 'not checked: .*no right to look' \
	"$AZSWARM" params --agent-size Nonsense
rm azure/faults.json
must params

# ---- lengths of time ----
must deploy-compute
"$AZSWARM" view-deployment >table 2>talk
check 'view-deployment: a duration for people' sh -c "grep -Eq '  [0-9]+ s *$' table && ! grep -q PT table"
"$AZSWARM" view-deployment --output json >json 2>talk
check 'view-deployment: for programs as Azure has it' sh -c "jq -er '.[].duration' json | grep -q '^PT'"
token=$(jq -r '.tokens[0].token' cache/azswarm/tokens.json)
curl -sS --cacert "$SSL_CERT_FILE" --noproxy '*' -m 60 -H "Authorization: Bearer $token" \
	"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourcegroups/swarm-cluster/deployments/cli-eastus/operations?api-version=2021-04-01" |
	jq -r '[.value[].properties | select(.targetResource)] | sort_by(.timestamp) | .[].targetResource.resourceName' >by-time
same 'view-deployment: the newest is last' "$(cat by-time)" "$(jq -r '.[].name' json)"

# ---- plan, when nothing was changed by hand ----
quiet()		# WHAT
{
	"$AZSWARM" plan >plan 2>talk </dev/null
	same "plan after $1: exit code" 0 $?
	check "plan after $1: nothing" grep -q '^plan: nothing to change' talk
}
for n in 7 2 0; do
	must scale-agents $n --yes
	quiet "scale-agents $n"
done
for n in 5 2; do
	must scale-agents $n --yes --warm-agents 2
	quiet "scale-agents $n, with warm ones, which are not asked for any more"
	WARM_AGENTS=2 quiet "scale-agents $n, with warm ones"
done
must scale-agents 2
quiet 'the warm ones are gone'
must stop-agents
quiet stop-agents
must start-agents
quiet start-agents
must scale-agents 3
# autoscale's own doing: it moves the number, and none of its bounds
vmss=/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-cluster/providers/Microsoft.Compute/virtualMachineScaleSets/agents
setting=${vmss%/Microsoft.Compute*}/Microsoft.Insights/autoscaleSettings/agents-autoscale?api-version=2022-10-01
api()		# METHOD PATH [DATA]
{
	curl -sS -g --cacert "$SSL_CERT_FILE" --noproxy '*' -m 60 -X "$1" -H "Authorization: Bearer $token" \
		-H 'Content-Type: application/json' ${3:+--data "$3"} "$AZURE_RESOURCE_MANAGER_ENDPOINT$2"
}
api PATCH "$vmss?api-version=2024-07-01" '{"sku":{"name":"Standard_B2ats_v2","tier":"Standard","capacity":4}}' >api.out
wait_for 20 sh -c "'$AZSWARM' list-agents --output tsv | awk 'END { exit NR != 4 }'"
quiet 'autoscale made one'
# and what was changed by hand is told
api GET "$setting" | jq '.properties.profiles[0].capacity.maximum = "9" | {location, properties}' >by-hand
api PUT "$setting" "$(cat by-hand)" >api.out
expect 'plan: a bound that was moved by hand' 5 '~ properties.profiles\[0\].capacity.maximum: "9" -> "5"' "$AZSWARM" plan
must deploy-compute
quiet 'deploy-compute put it right'
must params --max-agent-count 6
expect 'plan: a bound that the settings moved' 5 '~ properties.profiles\[0\].capacity.maximum: "5" -> "6"' "$AZSWARM" plan
must params

# ---- what takes much away asks ----
must scale-agents 4
expect 'scale-agents: half of them is no question' 0 '2 agents left' "$AZSWARM" scale-agents 2
must scale-agents 5
expect 'scale-agents: more is, and nobody is there' 2 'would take 3 of 5 agents away; say --yes' "$AZSWARM" scale-agents 2
same 'scale-agents: nothing was done' 5 "$("$AZSWARM" list-agents --output tsv | wc -l)"
quiet 'nothing was done'
printf 'n\n' | script -qefc "'$AZSWARM' scale-agents 2" tty >/dev/null 2>&1
same 'scale-agents: no, on a terminal' 2 $?
check 'scale-agents: it was asked' grep -q 'would take 3 of 5 agents away' tty
same 'scale-agents: nothing was done' 5 "$("$AZSWARM" list-agents --output tsv | wc -l)"
expect 'scale-agents: --yes' 0 '2 agents left' "$AZSWARM" scale-agents 2 --yes

# ---- --no-wait ----
for c in restart-agents reimage-agents-serial 'reimage-agents-parallel --yes'; do
	expect "$c --no-wait" 0 'accepted, the last goes on in Azure' "$AZSWARM" $c --no-wait
done

# ---- on paper nothing says what cannot work there ----
paper="these machines exist on paper; 'azswarm emulator --machines nspawn' makes real ones"
for c in ssh 'ssh agents000000' proxy tail-helper docker-env 'evict agents000000' 'return agents000000' rebalance \
	deploy-replicated-service; do
	expect "on paper: $c" 1 "azswarm: ${c%% *}: $paper\$" "$AZSWARM" $c
done
expect 'on paper: scale-agents says so' 0 "$paper" "$AZSWARM" scale-agents 3
expect 'up: nothing to do' 0 "next: 'azswarm list-agents'" "$AZSWARM" up --yes
check 'up: and no more than works on paper' sh -c '! grep -q "next:.*\(ssh\|service\)" out'
"$AZSWARM" up --yes >table 2>talk </dev/null
check 'up: stdout ends with where it is' sh -c "tail -n 2 table | grep -Eq '^agents-lb-ip +127[.]'"

# ---- errors that lead on ----
leads()		# ERE COMMAND...
{
	leads_ere=$1
	shift
	expect "$*: leads on" 1 "$leads_ere" "$AZSWARM" "$@"
}
leads "DeploymentNotFound.*; 'azswarm deploy-compute' makes one\$" view-deployment --location westeurope
leads "ResourceNotFound.*; 'azswarm deploy-compute' makes what is not there\$" list-agents --vmss-name others
leads "ResourceGroupNotFound.*; 'azswarm up' makes a cluster" list-agents --compute-group nowhere

# ---- keys of another folder ----
other="the cluster swarm-cluster was made with other keys than those in keys/ here: copy keys/ from the folder where it was made, or 'azswarm destroy-compute' for a new one\$"
mkdir elsewhere && cd elsewhere || exit 1
expect 'other keys: up stops' 1 "azswarm: up: keys: $other" "$AZSWARM" up --yes
expect 'other keys: keys stops' 1 "azswarm: keys: $other" "$AZSWARM" keys
check 'other keys: nothing was made' test ! -e keys
expect 'other keys: of another cluster they are made' 0 'keys/cluster.pem made' "$AZSWARM" keys --compute-group nowhere
expect 'other keys: params stops' 1 "azswarm: params: $other" "$AZSWARM" params
expect 'other keys: up stops with them, too' 1 "azswarm: up: keys: $other" "$AZSWARM" up --yes
check 'other keys: no parameters' test ! -e parameters
expect 'nobody is signed in: keys says nothing of it' 0 '' sh -c "rm -r keys; env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 PATH='$PATH' HOME='$PWD' '$AZSWARM' keys 2>&1 | grep -v made; test -f keys/helper.key"
same 'nobody is signed in: it says nothing' '' "$(cat out)"
# who listens and never answers, as a network without a way out
python3 -c '
import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True); time.sleep(300)' >../silent.port &
silent=$!
wait_for 10 test -s ../silent.port
# one that is made at once, so that only waiting counts
rm keys/worker.secret
expect 'Azure does not answer: keys does not wait for it' 0 'keys/worker.secret made' timeout 20 env \
	"AZURE_RESOURCE_MANAGER_ENDPOINT=https://localhost:$(cat ../silent.port)" \
	"AZURE_AUTHORITY_HOST=https://localhost:$(cat ../silent.port)" "$AZSWARM" keys
kill $silent
cd ..
expect 'its own keys: keys keeps them' 0 'keys/cluster.pem is there already, kept' "$AZSWARM" keys
mv keys/cluster.pub pub
expect 'its own keys: what can be made again is' 0 'keys/cluster.pub made' "$AZSWARM" keys
check 'its own keys: the same' cmp keys/cluster.pub pub
