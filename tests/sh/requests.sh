# What azswarm asks of Azure, and what the local Azure answers, held against
# Microsoft's files (tests/npm/oav/requests.js says how): that of every command,
# run here one by one, and that of all tests of this run.  So it comes last.
#
# after: all
# time: 900
. "$SRCDIR/tests/lib.sh"

specs=$SRCDIR/../shared/azure/specs
recordings=$SRCDIR/../shared/azure/recordings
[ -d "$specs/swagger" ] && [ -d "$recordings" ] ||
	skip_all "no ../shared/azure/specs or recordings"
need jq python3
npm_modules oav

# ---- every command once, on a local Azure of its own ----

everybody=$(dirname "${EMULATOR_RECORD:-/nowhere/x}")
unset EMULATOR_RECORD
spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator.out || {
	not_ok "the local Azure starts" "$(cat emulator.out)"
	exit 1
}
. azure/env
mkdir commands
: >commands.tsv
known=

# The lines that a command adds to the record are its own.
asks()		# STATUS NAME ARGUMENTS...
{
	asks_status=$1 asks_name=$2
	shift
	known="$known $asks_name"
	asks_before=$(wc -l <record)
	asks_got=0
	timeout 120 "$AZSWARM" "$@" >out 2>&1 </dev/null || asks_got=$?
	# a line is written when its answer is under way already
	wait_for 5 grew
	sleep 0.1
	[ "$asks_got" -eq "$asks_status" ] ||
		not_ok "$asks_name" "exit $asks_got, not $asks_status: $(tail -n 2 out | tr '\n' ' ')"
	tail -n +$((asks_before + 1)) record >>"commands/$asks_name"
	grep -q "^$asks_name	" commands.tsv ||
		printf '%s\tcommands/%s\n' "$asks_name" "$asks_name" >>commands.tsv
}

grew()
{
	[ "$(wc -l <record)" -gt "$asks_before" ]
}

offered()	# COMMAND
{
	printf '%s\n' "$offers" | grep -qx "$1"
}

: >record
asks 0 status
same 'status: of nothing, less' 3 "$(grep -c /subscriptions/ record)"
offers=$("$AZSWARM" help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
"$AZSWARM" keys >out 2>&1 || not_ok keys "$(cat out)"
asks 0 doctor
asks 0 deploy-storage
asks 0 create-shares
python3 "$SRCDIR/tests/images.py" saved image.tar 0
asks 0 push app:1 --from image.tar
asks 0 images
asks 0 images rm app:1 --yes
asks 0 rotate storage-key
asks 0 params
# these reach the masters, whose addresses they ask for; there are none yet
for command in deploy-monitor kill-monitor deploy-replicated-service deploy-global-service \
    update-service destroy-service destroy-global-service deploy-stack \
    destroy-stack stacks ps ports proxy ssh docker-env tail-helper unlock; do
	asks 1 $command
done
asks 1 scale-service 3
asks 1 images --prune
asks 1 logs web
asks 125 exec web true
for command in rebalance chaos-monkey restart-agents; do
	asks 1 $command
done
asks 1 evict agents000000
asks 1 return agents000000
asks 1 backup --yes
asks 2 restore none.azs
! offered plan || asks 5 plan
asks 0 deploy-compute
! offered plan || asks 0 plan
asks 1 upgrade
asks 1 upgrade --engine --reboot
asks 0 status
same 'status: each thing once' 8 "$(tail -n +$((asks_before + 1)) record | grep -c /subscriptions/)"
asks 0 doctor
asks 0 view-deployment
asks 0 list-agents
asks 0 audit
asks 0 scale-agents 4
asks 0 scale-agents 2
asks 0 restart-agents
asks 0 reimage-agents-serial
asks 0 reimage-agents-parallel --yes
asks 0 scale-agents 1 --warm-agents 1
asks 0 scale-agents 3 --warm-agents 1
asks 0 stop-agents
asks 0 start-agents
asks 0 deallocate-agents
asks 0 params --master-count 3
asks 0 deploy-compute
asks 0 replace-master 1 --yes
asks 1 recover --from master0 --confirm swarm-cluster
asks 0 params --master-count 1
asks 0 deploy-compute --yes
asks 0 list-endpoints
asks 0 resources
asks 0 locations
asks 0 sizes
asks 0 baked-images
asks 0 bake-image --yes
asks 0 baked-images
asks 0 baked-images rm "$("$AZSWARM" baked-images --output tsv | cut -f 1)"
asks 0 destroy-compute --confirm swarm-cluster
asks 0 destroy-storage --confirm swarm-storage
asks 0 deploy-storage
asks 0 destroy-cluster --confirm swarm-cluster
asks 0 up --yes
asks 0 down --confirm swarm-cluster

# login and logout ask Entra ID alone, which has no file
strangers=
for command in $offers; do
	case " keys trust clean emulator helper agent demo monitor image completion man version help login logout role$known " in
	*" $command "*) ;;
	*) strangers="$strangers $command" ;;
	esac
done
same "no command was left out" '' "$strangers"

# ---- the role of who may do no more than that ----

# What is asked in answer to what Azure says, and what wants machines that run.
echo '[{ "request": "PUT *storageAccounts/*", "times": 1, "status": 409, "code": "MissingSubscriptionRegistration",
	"message": "The subscription is not registered to use namespace \u0027Microsoft.Storage\u0027." }]' >azure/faults.json
asks 0 deploy-storage
echo '[{ "request": "PUT *shares/config*", "times": 1, "status": 403, "code": "RequestDisallowedByPolicy",
	"info": [{"info": {"evaluationDetails": {"missingPolicyTokenDetails": {"shouldDeny": true}}}}]},
	{ "request": "POST */acquirePolicyToken*", "status": 200, "body": "{\"token\":\"PoP x\"}" }]' >azure/faults.json
asks 0 create-shares
rm azure/faults.json
asks 0 destroy-storage --confirm swarm-storage
for machine in virtualMachines/master1 virtualMachineScaleSets/agents/virtualMachines/1; do
	for word in restart powerOff start instanceView; do
		printf '{"method":"%s","url":"https://a/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/%s/%s"}\n' \
			"$([ $word = instanceView ] && echo GET || echo POST)" $machine $word
	done
done >chaos-monkey
# what recover does with masters that are lost, once one that is left has said so
for word in deallocate start; do
	printf '{"method":"POST","url":"https://a/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/master1/%s"}\n' $word
done >recover
# what ports that follow ask for, and what Azure names to follow that
printf '{"method":"GET","url":"https://a/subscriptions/S/providers/Microsoft.Network/locations/eastus/operations/O"}\n' >ports
role_of()	# FILE...: the actions that these exchanges need
{
	jq -nr --slurpfile template "$SRCDIR/assets/arm/cluster.json" -f "$SRCDIR/tests/role.jq" "$@"
}
role_of commands/* chaos-monkey recover ports >actions
check 'actions are known' test "$(grep -c . actions)" -gt 50
"$AZSWARM" role >role.json
jq -r '.Actions[]' role.json | sort -f >given
sort -f actions | diff -i - given >differ	# <: asked for and not given, >: given for nothing
same 'the role has the actions that commands ask for, and no others' '' "$(grep '^[<>]' differ | xargs)"
same 'the role has nothing else' '[[],[],[]]' "$(jq -c '[.NotActions, .DataActions, .NotDataActions]' role.json)"
same 'and is of this subscription' "[\"/subscriptions/$AZURE_SUBSCRIPTION_ID\"]" "$(jq -c .AssignableScopes role.json)"
expect 'of none it is not' 2 'set AZURE_SUBSCRIPTION_ID' env -u AZURE_SUBSCRIPTION_ID "$AZSWARM" role
if [ -s "$everybody/sh-faults" ]; then
	jq -c 'select(.requestHeaders["User-Agent"] == "azswarm")' "$everybody/sh-faults" >faults
	role_of faults >asked
	same 'what faults make commands ask for is in it, too' '' "$(grep -vixFf actions asked)"
fi

# ---- what was written down holds no secret ----

same "the record is for its owner alone" 600 "$(stat -c %a record)"
leaks()		# how often a secret is in the record
{
	{
		printf '%s\n' "$AZURE_CLIENT_SECRET"
		# of what was written down before the groups went
		cat keys/* parameters/* 2>/dev/null | grep -E '^[A-Za-z0-9+/=_-]{40,}$'
		jq -r '.. | .keys?, .tokenKey? | .. | strings' azure/state.json
		jq -r '.. | strings' .cache/azswarm/tokens.json
		jq -r '.parameters | to_entries[] | select(.key | test("Data")) | .value.value' \
			parameters/cluster.json
	} 2>/dev/null | awk 'length > 40 && !/^http/' | sort -u >secrets
	[ "$(wc -l <secrets)" -ge 3 ] || echo "only $(wc -l <secrets) secrets are known"
	grep -cFf secrets record
}
same "the record holds no secret" 0 "$(leaks)"
expect "a record that cannot be written is refused" 1 '--record /nowhere/record: No such file' \
	timeout 10 "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure2 --record /nowhere/record
check "but says where one was" grep -q 'client_secret=\*\*\*' record

# ---- the validator can fail ----

# A captured exchange, changed; what is said of it must hold the words.
mutants=0
mutant()	# ERE JQ-SELECTION JQ-CHANGE
{
	mutants=$((mutants + 1))
	jq -c "select($2) | $3" record | head -n 1 >"mutant.$mutants"
	if [ -s "mutant.$mutants" ]; then
		printf '%s\t%s\n' "mutant.$mutants" "$1" >>mutants.tsv
	else
		not_ok "mutant: $1" "no such exchange"
	fi
}

judge()		# COMMANDS FILE...
{
	node "$SRCDIR/tests/npm/oav/requests.js" "$specs" "$recordings" "$@"
}

: >mutants.tsv
vmss='(.url | test("virtualMachineScaleSets/agents\\?")) and .method'
scale="$vmss == \"PATCH\""
power='(.url | test("/poweroff"))'
deploy='(.url | test("deployments/[^/]*\\?")) and .method == "PUT"'
mutant 'in no file' "$power" '.url |= sub("poweroff"; "powerof")'
mutant 'in no file' "$scale" '.method = "POST"'
mutant 'no query parameter forced' "$scale" '.url += "&forced=true"'
mutant 'nothing proves microsoft.compute 2024-07-02' "$scale" '.url |= sub("2024-07-01"; "2024-07-02")'
mutant 'no api-version' "$power" '.url |= sub("api-version=[-0-9]*"; "")'
mutant 'INVALID_TYPE.*capacity' "$scale" '.requestBody.sku.capacity = "4"'
mutant 'OBJECT_ADDITIONAL_PROPERTIES.*sky' "$scale" '.requestBody.sky = 4'
mutant 'READONLY_PROPERTY.*|OBJECT_ADD.*provisioningState' "$deploy" \
	'.requestBody.properties.provisioningState = "Succeeded"'
mutant 'OBJECT_MISSING_REQUIRED.*mode' "$deploy" 'del(.requestBody.properties.mode)'
mutant 'ENUM_MISMATCH.*mode|INVALID.*mode' "$deploy" '.requestBody.properties.mode = "Partial"'
mutant 'OBJECT_MISSING_REQUIRED.*kind' '(.url | test("storageAccounts/[a-z0-9]*\\?")) and .method == "PUT"' \
	'del(.requestBody.kind)'
mutant 'containers.*publicAcces' '(.url | test("/containers/")) and .method == "PUT"' \
	'.requestBody.properties.publicAcces = "None"'
mutant 'a poll of what no answer named' '(.url | test("Compute/locations/eastus/operations/"))' \
	'.url |= sub("operations/."; "operations/x")'
mutant 'POST where a poll is a GET' '(.url | test("Compute/locations/eastus/operations/"))' \
	'.method = "POST"'
mutant 'INVALID_TYPE.*name' "$vmss == \"GET\" and .status == 200" '.responseBody.name = 3'
mutant 'OBJECT_ADDITIONAL_PROPERTIES.*/properties/overProvision' "$vmss == \"GET\" and .status == 200" \
	'.responseBody.properties.overProvision = 3'
mutant "INVALID_RESPONSE_CODE.*'206'" "$vmss == \"GET\" and .status == 200" '.status = 206'
mutant '404 without code and message' '.status == 404 and .method == "GET" and (.url | test("/subscriptions/"))' \
	'.responseBody = {"Message": "gone"}'
mutant 'publicIPAddresses.*list.*203|does not list 203' '(.url | test("publicIPAddresses")) and .status == 200' '.status = 203'
mutant 'publicIPAllocationMethod' \
	'(.url | test("publicIPAddresses")) and .status == 200 and (.responseBody.value | length) > 0' \
	'.responseBody.value[0].properties.publicIPAllocationMethod = "Sometimes"'
mutant 'a poll of microsoft.compute/operations with state Running' \
	'(.url | test("Compute/locations/eastus/operations/"))' '.responseBody.status = "Running2"'
mutant 'a poll of microsoft.compute/operations with "progress"' \
	'(.url | test("Compute/locations/eastus/operations/"))' '.responseBody.progress = 3'
: >none.tsv
judge none.tsv mutant.* >mutants.out 2>&1
while IFS='	' read -r file words; do
	if grep -E -e "$words" mutants.out | grep -q "($file)\$"; then
		ok "found: $words"
	else
		not_ok "found: $words" "not said of $file: $(grep -F "($file)" mutants.out | head -n 2 | cut -c 1-200)"
	fi
done <mutants.tsv

# ---- all of it ----

others=$(find "$everybody" -type f -size +0c ! -name sh-requests 2>/dev/null)
if [ -n "${TEST_ALL-}" ]; then
	for t in sh-emulator sh-faults sh-plan unit-swarm; do
		check "what $t asked is there" test -s "$everybody/$t"
	done
	# shellcheck disable=SC2086
	check "a thousand exchanges at least" test "$(cat $others | wc -l)" -ge 1000
fi
# shellcheck disable=SC2086
judge commands.tsv commands/* $others >verdict 2>&1 || test_failures=$((test_failures + 1))
cat verdict
