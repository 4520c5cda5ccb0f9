# What a subscription that is new refuses: providers that it does not know, sizes
# that it may not have, four cores, three addresses.  And what a cluster costs,
# asked so that it is in nobody's way.  Machines are on paper.
# time: 240
. "$SRCDIR/tests/lib.sh"
need jq python3

export XDG_CACHE_HOME="$PWD/cache" AZSWARM_LOG="$PWD/log"
azure()		# [ARGUMENT...]: a local Azure that knows nothing yet
{
	[ -z "${azure_at-}" ] || reap "$azure_at"
	rm -rf azure azure.out parameters cache
	spawn azure.out "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0 "$@"
	azure_at=$spawned
	wait_for 20 grep -q '^ready ' azure.out || { not_ok start "$(cat azure.out)"; exit 1; }
	. ./azure/env
}

is()		# RULES: what the subscription is like
{
	echo "$1" >new
	mv new azure/faults.json
}

asked()		# METHOD ERE: how often, since the log began
{
	grep -cE "^[^ ]+ $1 [^ ]*$2" log
}

# ---- providers ----

azure
"$AZSWARM" keys --quiet
is '[{"new":true}]'
: >log
expect 'a new subscription: up' 0 'deployment cli-eastus finished' "$AZSWARM" up --yes
for p in Compute Network Insights; do
	check "Microsoft.$p is registered, and said" grep -qx "resource provider Microsoft.$p is being registered" out
	same "Microsoft.$p: once" 1 "$(asked POST "Microsoft.$p/register")"
done
same 'Microsoft.Storage, as it was used' 1 "$(asked POST Microsoft.Storage/register)"
validated=$(grep -n 'POST [^ ]*/validate' log | head -n 1 | cut -d: -f1)
check 'nothing is checked before all of them are' sh -c \
	"sed -n '$validated,\$p' log | grep -cE '(register|providers/Microsoft.(Compute|Network|Storage|Insights))[?]' | grep -qx 0"
: >log
expect 'the second time nothing is registered' 0 '' "$AZSWARM" deploy-compute
same 'each is looked at, once' '4 0' "$(asked GET 'providers/Microsoft.[A-Z][a-z]*[?]') $(asked POST /register)"
"$AZSWARM" destroy-compute --confirm swarm-cluster --quiet

# one that says it is registered, and does not know of it when the deployment is
# on its way (as Microsoft.Network has it)
nrp='"code":"SubscriptionNotRegistered","message":"Subscription s is not registered with NRP."'
is "[{\"operation\":\"*masters-nsg\",\"times\":1,$nrp}]"
: >log
expect 'refused within the deployment: once more' 0 'deployment cli-eastus finished' "$AZSWARM" deploy-compute
check 'refused within the deployment: says so' grep -q 'SubscriptionNotRegistered: .*; registering again$' out
same 'refused within the deployment: deployed twice, all registered between' '2 4' \
	"$(asked PUT 'deployments/cli-eastus[?]') $(asked POST /register)"
"$AZSWARM" destroy-compute --confirm swarm-cluster --quiet
is "[{\"operation\":\"*masters-nsg\",$nrp}]"
: >log
expect 'refused again: that is the end' 1 'SubscriptionNotRegistered' "$AZSWARM" deploy-compute
same 'refused again: twice and no more' 2 "$(asked PUT 'deployments/cli-eastus[?]')"
"$AZSWARM" destroy-compute --confirm swarm-cluster --quiet
is '[{"request":"POST *validate*","times":1,"status":409,"code":"MissingSubscriptionRegistration","message":"The subscription registration is in '"'Registering'"' state. The subscription must be registered to use namespace '"'Microsoft.Compute'"'."}]'
expect 'refused by the check: registered, and checked again' 0 'finished' "$AZSWARM" deploy-compute
"$AZSWARM" destroy-compute --confirm swarm-cluster --quiet
is '[{"request":"GET *providers/Microsoft.Network?*","status":403,"code":"AuthorizationFailed","message":"not for you"}]'
expect 'who may not look at providers goes on' 0 'whether it is registered is not known: .*not for you' "$AZSWARM" deploy-compute
is '[{"new":true},{"request":"POST *register*","status":403,"code":"AuthorizationFailed","message":"not for you"}]'
reap "$azure_at"
rm azure.out
spawn azure.out "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0
azure_at=$spawned
wait_for 20 grep -q '^ready ' azure.out
. ./azure/env
expect 'who may not register is told which' 1 'resource provider Microsoft.Compute: AuthorizationFailed: not for you' \
	"$AZSWARM" deploy-compute

# ---- sizes ----

azure
sizes()		# CASE MASTERS AGENTS [ARGUMENT...]: what params writes
{
	sizes_case=$1 sizes_want="$2 $3"
	shift 3
	"$AZSWARM" params "$@" >talk 2>&1 </dev/null || not_ok "$sizes_case" "$(tail -n 1 talk)"
	same "$sizes_case" "$sizes_want" \
		"$(jq -r '.parameters | .masterSize.value + " " + .agentSize.value' parameters/cluster.json)"
}
"$AZSWARM" deploy-storage --quiet
sizes 'nothing is set: what costs least' Standard_B2ats_v2 Standard_B2ats_v2
check 'which is said' grep -qx 'agents have the size Standard_B2ats_v2' talk
same 'and its processor, and autoscale, are of that' 'server 15 7' \
	"$(jq -r '.parameters | "\(.agentImageSku.value) \(.autoscaleOut.value) \(.autoscaleIn.value)"' parameters/cluster.json)"
is '[{"restricted":"eastus/*_b2ats_v2"},{"restricted":"eastus/*_b2ts_v2"},{"restricted":"westus/*"}]'
sizes 'those are refused: the next' Standard_B2als_v2 Standard_B2als_v2
check 'and why is said' grep -qx \
	'masters have the size Standard_B2als_v2, for this subscription may not have Standard_B2ats_v2, Standard_B2ts_v2 there' talk
sizes 'one is set: the other is chosen' Standard_B2s_v2 Standard_B2als_v2 --master-size Standard_B2s_v2
expect 'what was set is not looked for elsewhere' 0 '' "$AZSWARM" params --agent-size Standard_B2ats_v2
sizes 'another region may have it' Standard_B2ats_v2 Standard_B2ats_v2 --location westeurope --storage-account-name \
	"$("$AZSWARM" status --output json 2>/dev/null | jq -r .storage.account)"
is '[{"request":"GET */Microsoft.Compute/skus*","status":403,"code":"AuthorizationFailed","message":"no right to look"}]'
sizes 'nobody tells what there is: the usual' Standard_B2ats_v2 Standard_B2ats_v2
check 'nobody tells what there is: says so' grep -q 'not checked: .*no right to look' talk
is '[]'
"$AZSWARM" params --agent-size Standard_B2s_v2 --master-size Standard_B2ls_v2 --quiet
expect 'deployed with others' 0 finished "$AZSWARM" deploy-compute
sizes 'machines that are there keep their size' Standard_B2ls_v2 Standard_B2s_v2
expect 'so nothing is to be changed' 0 'nothing to change' "$AZSWARM" plan
expect 'autoscale: its numbers are of what is there' 0 '' "$AZSWARM" params --autoscale-in 20

# what is not to be had is known before anything is made
azure
nothing()	# CASE
{
	same "$1: nothing was made" 0 "$("$AZSWARM" resources --output json 2>/dev/null | jq length)"
	check "$1: no group either" sh -c "'$AZSWARM' resources 2>&1 | grep -q 'swarm-storage is not there'"
}
is '[{"restricted":"eastus/*"},{"restricted":"westus/*"}]'
expect 'a region without any: another is proposed' 2 \
	'up: params: eastus has no size for masters .*Standard_B2ats_v2, .*; LOCATION=eastus2 has Standard_B2ats_v2$' "$AZSWARM" up --yes
nothing 'a region without any'
is '[{"restricted":"*"}]'
expect 'no region has any' 2 "nor have regions near it; 'azswarm sizes' shows" "$AZSWARM" up --yes
expect 'a region that is none' 2 "up: params: LOCATION=\"marsnorth\" is no region; 'azswarm locations' lists them" \
	"$AZSWARM" up --yes --location marsnorth
is '[]'
expect "autoscale's numbers for another size" 2 'up: params: AUTOSCALE_IN="20" .*less than AUTOSCALE_OUT' "$AZSWARM" up --yes --autoscale-in 20
expect 'a size that is none' 2 'up: params: AGENT_SIZE="Standard_X" is no size in eastus' "$AZSWARM" up --yes --agent-size Standard_X
nothing 'a size or a region that is none'
expect 'a region that is none, for storage alone' 1 "LocationNotAvailable.*; 'azswarm locations' lists regions" \
	"$AZSWARM" deploy-storage --location marsnorth

# ---- four cores and three addresses ----

azure --cores 4
is '[{"addresses":3}]'
expect 'four cores: what fits' 1 \
	'quota cores: 0 of 4 vCPUs are in use and 8 more are needed; AGENT_COUNT=1 MAX_AGENT_COUNT=1 fits; fewer' "$AZSWARM" up --yes
"$AZSWARM" params --agent-count 1 >out 2>&1
expect 'one agent fits, more do not' 5 'quota cores: 0 -> 4  \(vCPUs, limit 4: too few for MAX_AGENT_COUNT=5, 1 agents fit\)' "$AZSWARM" plan
expect 'that many fit' 0 finished "$AZSWARM" up --yes --agent-count 1 --max-agent-count 1
"$AZSWARM" params --agent-count 1 --max-agent-count 1 --quiet
expect 'deployed: nothing is warned of' 0 'quota cores: 4 -> 4  \(vCPUs, limit 4\)' "$AZSWARM" plan
azure
is '[{"addresses":3}]'
"$AZSWARM" deploy-storage --quiet
"$AZSWARM" params --master-count 3 --quiet
expect 'three addresses: what fits' 1 \
	'quota [A-Za-z0-9]*PublicI[Pp]Addresses: 0 of 3 public addresses are in use and 4 more are needed; MASTER_COUNT=1 fits; .*MASTER_COUNT' \
	"$AZSWARM" plan
"$AZSWARM" params --quiet
expect 'two of three' 5 'quota [A-Za-z0-9]*PublicI[Pp]Addresses: 0 -> 2  \(public addresses, limit 3\)' "$AZSWARM" plan
"$AZSWARM" params --master-count 3 --quiet
expect 'Azure says the same, late: what to do' 1 'PublicIPCountLimitReached.*MASTER_COUNT' "$AZSWARM" deploy-compute

# ---- what it costs ----

azure --record "$PWD/record"
: >log
expect 'up: what it will cost' 0 '^  cost USD a month: 63  \(list prices, 730 hours: machines 27.45, disks 9.60, addresses 7.30, load balancer 18.25; without traffic, disk operations and files; 81 at MAX_AGENT_COUNT=5\)$' \
	"$AZSWARM" up --yes
same 'one request' 1 "$(asked GET /api/retail/prices)"
same 'for which nobody signs in' '["Accept","Host"]' \
	"$(jq -c 'select(.url | test("/api/retail/prices")) | .requestHeaders | keys' record | sort -u)"
expect 'plan: the same' 0 '^  cost USD a month: 63  ' "$AZSWARM" plan
expect 'status: as it is' 0 '^costs +63 USD a month by list prices, without traffic' "$AZSWARM" status
same 'status: for programs' '{"currency":"USD","month":62.6}' "$("$AZSWARM" status --output json 2>/dev/null | jq -c .costs)"
same 'kept for a day: nobody asked again' 1 "$(asked GET /api/retail/prices)"
same 'kept where nobody else looks' 600 "$(stat -c %a cache/azswarm/prices.json)"
"$AZSWARM" scale-agents 5 --quiet >out 2>&1
"$AZSWARM" deallocate-agents agents_0 agents_1 --quiet >out 2>&1
expect 'what is deallocated keeps its disk' 0 '^costs +67 USD' "$AZSWARM" status
same 'of the same sizes nobody asked again' 1 "$(asked GET /api/retail/prices)"
jq '.at -= 90000' cache/azswarm/prices.json >older && cp older cache/azswarm/prices.json
expect 'older than a day: asked again' 0 '^costs +67 USD' "$AZSWARM" status
same 'older than a day: once' 2 "$(asked GET /api/retail/prices)"

# it is in nobody's way
rm cache/azswarm/prices.json
is '[{"request":"GET /api/retail/prices*","delay_ms":20000}]'
took()		# milliseconds
{
	rm -f cache/azswarm/prices.json
	took_ms=$(date +%s%3N)
	"$AZSWARM" status >took.out 2>&1 </dev/null
	echo $(($(date +%s%3N) - took_ms))
}
# a second for the list; what is behind that is for a machine that has much to do
least 3000 took
check "a list that does not answer: status in $least ms" test "$least" -lt 3000
check 'and says so' grep -qE '^costs +price not known: ' took.out
: >log
expect 'for an hour nobody waits again' 0 '^costs +price not known: ' "$AZSWARM" status
same 'for an hour nobody asks again' 0 "$(asked GET /api/retail/prices)"
while read -r name rule why; do
	rm -f cache/azswarm/prices.json
	is "[{\"request\":\"GET /api/retail/prices*\",$rule}]"
	expect "a list that is $name: plan" 0 "^  cost USD a month  \\(price not known: .*$(echo "$why" | tr _ ' ')" "$AZSWARM" plan
	rm -f cache/azswarm/prices.json
	expect "a list that is $name: status" 0 "^costs +price not known: .*$(echo "$why" | tr _ ' ')" "$AZSWARM" status
done <<'X'
refused "status":403 HTTP_403
lost "status":404 HTTP_404
HTML "status":200,"body":"<html>no</html>" not_JSON
empty "status":200,"body":"{\"Items\":[],\"Count\":0}" the_list_has_none_of
another "status":200,"body":"[]" Items
reset "reset":true .
X
rm -f cache/azswarm/prices.json
is '[]'
chmod 500 cache/azswarm
is '[{"request":"GET /api/retail/prices*","status":200,"body":"{\"Items\":[]}"}]'
"$AZSWARM" status >out 2>&1
expect 'an empty one that was kept' 0 '^costs +price not known: the list has none of' "$AZSWARM" status
rm -f cache/azswarm/prices.json
is '[]'
expect 'nowhere to keep it' 0 '^costs +67 USD' "$AZSWARM" status
chmod 700 cache/azswarm

# the local Azure is asked for its own list, and never Microsoft's
same 'all that was asked is of this machine' '' "$(sed -n 's/^[^ ]* [A-Z]* https:\/\/\([^/:]*\).*/\1/p' log | grep -vE '(^|[.])localhost$')"
exit $((test_failures != 0))
