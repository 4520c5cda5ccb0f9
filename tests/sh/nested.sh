# Deployments in deployments on the local Azure, as curl and jq see them: where
# they are shown, what they give each other, how they fail, what what-if tells of
# them; held against answers recorded on Azure.
# time: 180
. "$SRCDIR/tests/lib.sh"
need curl jq

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 20 grep -q '^ready https://localhost:[0-9]*$' emulator.out || {
	not_ok start "$(cat emulator.out)"
	exit 1
}
. ./azure/env
. "$SRCDIR/tests/arm.sh"
M=$G/providers/Microsoft.Resources/deployments

# Put it, and wait for its end; ./body is what is there then.
deploy()	# NAME FILE [GROUP]
{
	deploy_path=${3-$G}/providers/Microsoft.Resources/deployments/$1
	ask PUT "$deploy_path" "@$2"
	accepted=$status
	case $status in 200 | 201) ;; *) return ;; esac
	for _ in $(seq 100); do
		ask GET "$deploy_path"
		case $(jq -r .properties.provisioningState body) in
		Succeeded | Failed | Canceled) break ;;
		esac
		sleep 0.2
	done
}

# jq with the words that templates are written with.
template()	# JQ: a deployment's properties
{
	jq -n 'def head($r): {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
			contentVersion: "1.0.0.0", resources: $r};
		def nest($name; $t): {type: "Microsoft.Resources/deployments", apiVersion: "2021-04-01", name: $name,
			properties: {mode: "Incremental", template: $t}};
		def inner: .properties.expressionEvaluationOptions = {scope: "inner"};
		def net($name): {type: "Microsoft.Network/virtualNetworks", apiVersion: "2024-05-01", name: $name,
			location: "eastus", properties: {addressSpace: {addressPrefixes: ["10.0.0.0/16"]}}};
		def ip($name): {type: "Microsoft.Network/publicIPAddresses", apiVersion: "2024-05-01", name: $name,
			location: "eastus", sku: {name: "Standard"}, properties: {publicIPAllocationMethod: "Static"}};
		def out($value): {type: "string", value: $value};
		{properties: ({mode: "Incremental"} + ('"$1"'))}'
}

for g in g other; do
	ask PUT "$S/resourceGroups/$g" '{"location":"eastus"}'
done

# ---- one in the same group, one in another, one in one ----

template '{template: (head([
	(nest("first"; head([net("net")]) + {parameters: {n: {type: "string"}},
		outputs: {id: out("[resourceId('\''Microsoft.Network/virtualNetworks'\'', parameters('\''n'\''))]")}}) |
		inner | .properties.parameters = {n: {value: "net"}}),
	(nest("second"; head([ip("ip"), (nest("third"; head([ip("ip3")])))])) | .resourceGroup = "other" | inner),
	(net("last") | .tags = {from: "[reference('\''first'\'').outputs.id.value]"})
	]) + {outputs: {id: out("[reference('\''first'\'').outputs.id.value]")}})}' >whole
ask POST "$M/main/validate" @whole
same 'validated' 200 "$status"
says 'validated: the deployments, and what is in them' \
	'[.properties.validatedResources[].id | sub(".*resourceGroups/"; "") | sub("/providers/[^/]*"; "")]' \
	'["g/deployments/first","other/deployments/second","g/virtualNetworks/last","g/virtualNetworks/net","other/publicIPAddresses/ip","other/publicIPAddresses/ip3"]'
ask GET "$G/resources"
says 'validated: nothing is made' .value '[]'

deploy main whole
same 'accepted' 201 "$accepted"
says 'it succeeds' .properties.provisioningState '"Succeeded"'
says 'an output of one within' .properties.outputs.id.value "\"$G/providers/Microsoft.Network/virtualNetworks/net\""
says 'its resources, in whatever group, and no deployment' \
	'[.properties.outputResources[].id | sub(".*resourceGroups/"; "") | sub("/providers/[^/]*"; "")]' \
	'["g/virtualNetworks/last","g/virtualNetworks/net","other/publicIPAddresses/ip","other/publicIPAddresses/ip3"]'
says 'it waits for what it refers to' \
	'[.properties.dependencies[] | [.resourceName, .dependsOn[].resourceName]]' '[["last","first"]]'
says 'the provider of deployments has no region' \
	'[.properties.providers[] | select(.namespace == "Microsoft.Resources").resourceTypes[]]' \
	'[{"resourceType":"deployments","locations":[null]}]'
correlation=$(jq -r .properties.correlationId body)
ask GET "$G/deployments/main/operations"
says 'operations name the deployments' \
	'[.value[].properties.targetResource | select(. != null) | [.resourceType, .resourceName]] | sort' \
	'[["Microsoft.Network/virtualNetworks","last"],["Microsoft.Resources/deployments","first"],["Microsoft.Resources/deployments","second"]]'
ask GET "$S/resourceGroups/other/providers/Microsoft.Resources/deployments/third"
says 'the innermost is in the group of the one around it' .properties.provisioningState '"Succeeded"'
same 'and has the correlation of the outermost' "$correlation" "$(jq -r .properties.correlationId body)"
ask GET "$S/resourceGroups/other/deployments/second/operations"
says 'it has operations of its own' \
	'[.value[].properties.targetResource.resourceName | select(. != null)] | sort' '["ip","third"]'
ask GET "$M"
says 'those of the group are listed' '[.value[].name] | sort' '["first","main"]'
deploy main whole
same 'once more' '200 "Succeeded"' "$accepted $(jq -c .properties.provisioningState body)"

# ---- mode Complete ----

template '{mode: "Complete", template: head([(nest("first"; head([net("net")])))])}' >complete
what_if "$M/main" @complete
says 'Complete, foretold: what is nested stays' \
	'[.properties.changes[] | [.changeType, (.resourceId | split("/")[-1])]] | sort' '[["Delete","last"],["NoChange","net"]]'
deploy main complete
says 'Complete' .properties.provisioningState '"Succeeded"'
ask GET "$G/resources"
says 'Complete: what is nested stays, the rest goes' '[.value[].name]' '["net"]'
ask GET "$S/resourceGroups/other/resources"
says 'Complete: in another group nothing goes' '[.value[].name] | sort' '["ip","ip3"]'

# ---- what-if ----

what_if "$M/main" @whole
same 'what-if' '202 200' "$accepted $status"
says 'what-if tells of what is within, not of deployments' \
	'[.properties.changes[] | [.changeType, (.resourceId | split("/")[-1])]] | sort' \
	'[["Create","last"],["NoChange","ip"],["NoChange","ip3"],["NoChange","net"]]'
template '{template: head([(net("new") ),
	(nest("n"; head([net("x") | .name = "[parameters('\''p'\'')]"]) + {parameters: {p: {type: "string"}}}) | inner |
		.properties.parameters = {p: {value: "[reference('\''new'\'').addressSpace.addressPrefixes[0]]"}})])}' >later
what_if "$M/n2" @later
says 'what-if: one that cannot be known is named' \
	'[.properties.changes[] | select(.changeType == "Unsupported") | [(.resourceId | split("/")[-1]), has("unsupportedReason")]]' \
	'[["n",true]]'

# ---- refusals ----

refused()	# CASE CODE WORDS FILE
{
	ask PUT "$M/no" "@$4"
	same "$1" "400 $2" "$status $(jq -r '.error | [.. | objects | .code? // empty] | join(" ")' body)"
	check "$1: in words" grep -qF "$3" body
}
template '{template: head([nest("n"; head([net("x")])) | .resourceGroup = "nowhere"])}' >no
refused 'a group that is not there' \
	'InvalidTemplateDeployment PreflightValidationCheckFailed ResourceGroupNotFound' "'nowhere' could not be found" no
template '{template: head([nest("n"; head([])) | .subscriptionId = "00000000-0000-0000-0000-00000000abcd" | .resourceGroup = "g"])}' >no
refused 'another subscription' 'InvalidTemplateDeployment PreflightValidationCheckFailed SubscriptionNotFound' 'could not be found' no
template '{template: head([nest("n"; head([])) | .subscriptionId = "[subscription().subscriptionId]"])}' >no
refused 'a subscription as such' 'InvalidTemplateDeployment PreflightValidationCheckFailed InvalidTemplate' \
	'to a subscription is not known to the local Azure' no
template '{template: head([nest("n"; head([])) | .scope = "/"])}' >no
refused 'a tenant' 'InvalidTemplateDeployment PreflightValidationCheckFailed InvalidTemplate' \
	'a tenant is not known to the local Azure' no
template '{template: head([nest("n"; {}) | .properties = {mode: "Incremental", templateLink: {uri: "https://x/y"}}])}' >no
refused 'a link' 'InvalidTemplateDeployment PreflightValidationCheckFailed InvalidTemplate' 'linked template is not known to the local Azure' no
template '{template: head([nest("n"; head([])) | .properties.mode = "Complete"])}' >no
refused 'Complete is for the outermost' 'InvalidTemplateDeployment PreflightValidationCheckFailed InvalidTemplate' 'only Incremental is' no
template '{template: head([nest("n"; head([net("x") | .properties.addressSpace.addressPrefixes = []]))])}' >no
refused 'what a provider does not take, within' 'InvalidTemplateDeployment PreflightValidationCheckFailed InvalidRequestFormat' 'has no address space' no
template '{template: head([nest("a/b"; head([]))])}' >no
refused 'a name with a slash' 'InvalidTemplate' 'incorrect segment lengths' no
template '{template: (reduce range(9) as $i (head([]); head([nest("n\($i)"; .) | inner])))}' >no
refused 'nine in each other' 'InvalidTemplateDeployment PreflightValidationCheckFailed InvalidTemplate' 'more than 8 levels deep' no
template '{template: (reduce range(3) as $i (head([net("x")]);
	head([nest("[concat('\''n'\'', copyIndex())]"; .) | inner | .copy = {name: "c", count: 20}])))}' >no
refused 'too many of them' 'InvalidTemplate' 'more than 4000 resources' no

# ---- failures ----

template '{template: head([nest("bad"; head([nest("worse"; head([net("x") | .properties.subnets = [{name: "s",
	properties: {addressPrefix: "10.0.1.0/24", networkSecurityGroup: {id:
	"[resourceId('\''Microsoft.Network/networkSecurityGroups'\'', '\''none'\'')]"}}}]]))]))])}' >bad
deploy fails bad
says 'what fails within fails' .properties.provisioningState '"Failed"'
cp body failed
# The codes one sees on the way in, through the texts that are documents.
codes='def down: if type == "object" then (.code // empty), (.details // [] | .[] | down),
		(.error // empty | down), (.message // empty | if startswith("{") then fromjson | down else empty end)
	else empty end;'
same 'the failure is in the failure' \
	'DeploymentFailed Conflict ResourceDeploymentFailure DeploymentFailed Conflict ResourceDeploymentFailure DeploymentFailed' \
	"$(jq -r "$codes [.properties.error | down] | .[0:7] | join(\" \")" failed)"
check 'and its reason at the end' sh -c "jq -r '$codes [.properties.error | down][-1]' failed | grep -q InvalidResourceReference"
ask GET "$G/deployments/bad/operations"
says 'the one within has failed, too' '[.value[].properties | [.targetResource.resourceName, .provisioningState]]' '[["worse","Failed"]]'
ask GET "$M/worse"
says 'down to the resource' '[.properties.error.code, .properties.error.details[0].code]' '["DeploymentFailed","BadRequest"]'

template '{template: head([nest("self"; head([]))])}' >self
deploy self self
same 'one of its own name' 'Failed DeploymentActive' \
	"$(jq -r "$codes .properties.provisioningState, ([.properties.error | down][-1])" body | xargs)"

template '{template: head([nest("slow"; head([range(3) as $i | ip("s\($i)") |
	if $i > 0 then .dependsOn = ["s\($i - 1)"] else . end]))])}' >slow
ask PUT "$M/stops" @slow
for _ in $(seq 100); do
	ask GET "$M/slow"
	[ "$status" != 200 ] || break
	sleep 0.05
done
ask POST "$M/stops/cancel"
same 'canceled' 204 "$status"
for _ in $(seq 100); do
	ask GET "$M/slow"
	case $(jq -r .properties.provisioningState body) in Accepted | Running) sleep 0.1 ;; *) break ;; esac
done
says 'who is canceled cancels what is within' .properties.provisioningState '"Canceled"'

template '{template: head([nest("[concat('\''many'\'', copyIndex())]"; head([])) | inner | .copy = {name: "c", count: 300}])}' >many
deploy lots many
for _ in $(seq 20); do
	[ "$(jq -r .properties.provisioningState body)" = Running ] || break
	sleep 1
	ask GET "$deploy_path"
done
says 'three hundred, more than there are threads' .properties.provisioningState '"Succeeded"'

# ---- secrets ----

template '{parameters: {s: {value: "hunter2"}}, template: (head([
	(nest("secret"; head([net("net") | .tags = {t: "[uniqueString(parameters('\''s'\''))]"}]) +
		{parameters: {s: {type: "securestring"}}, outputs: {s: {type: "securestring", value: "[parameters('\''s'\'')]"}}}) |
		inner | .properties.parameters = {s: {value: "[parameters('\''s'\'')]"}})]) + {parameters: {s: {type: "securestring"}}})}' >secret
deploy keeps secret
says 'with a secret' .properties.provisioningState '"Succeeded"'
cp body told
ask GET "$M/secret"
cat body >>told
ask GET "$G/deployments/keeps/operations"
cat body >>told
what_if "$M/keeps" @secret
cat body >>told
same 'a secret is told nowhere' 0 "$(grep -c hunter2 told)"
same 'nor kept' 0 "$(cat azure/state.json 2>/dev/null | grep -c hunter2)"

# ---- by others' word ----

recordings=$SRCDIR/../shared/azure/recordings
if [ ! -r "$recordings/azd_whatif_2026.json" ]; then
	skip 'as recorded' 'no recordings at hand'
	exit 0
fi
same 'as recorded: how a failure is in a failure' \
	'DeploymentFailed Conflict ResourceDeploymentFailure DeploymentFailed Conflict' \
	"$(jq -r "$codes [.error | down] | .[0:5] | join(\" \")" "$recordings/azd_arm_sample_error_01.json")"
# What the deployment of a subscription makes in its group, of that group: language version 2.0, and one within.
jq '[.exchanges[] | select(.i == 12)][0].request_body | fromjson | .properties.template |= (
	."$schema" = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#" |
	del(.resources.rg) | del(.resources.resources.dependsOn) |
	.resources.resources.resourceGroup = "[resourceGroup().name]") | del(.location, .tags)' \
	"$recordings/azd_whatif_2026.json" >azd
jq '[.exchanges[] | select(.i == 14)][0].response_body | fromjson' "$recordings/azd_whatif_2026.json" >recorded
group=rg-azdtest-d8523ca
ask PUT "$S/resourceGroups/$group" '{"location":"eastus2"}'
deploy azdtest azd "$S/resourceGroups/$group"
# The subscription, which the account's name is made of, is another one; names of
# outputs are as they are written, and Azure shows them in small letters in part.
form='def form: .properties | {provisioningState, mode, parameters: (.parameters | del(.deleteAfterTime)),
	outputs: (.outputs | with_entries(.key |= ascii_downcase) | del(.azure_storage_account_id, .azure_storage_account_name)),
	made: [.outputResources[].id | split("/")[6:-1] | join("/") | select(. != "")]};'
same 'as recorded: what becomes of it' "$(jq -S "$form form" recorded)" "$(jq -S "$form form" body)"
jq '[.exchanges[] | select(.i == 11)][0].response_body | fromjson' "$recordings/azd_whatif_2026.json" >recorded
ask POST "$S/resourceGroups/$group/providers/Microsoft.Resources/deployments/azdtest/validate" @azd
valid='def form: [.properties.validatedResources[].id | split("/")[6:-1] | join("/") | select(. != "")];'
same 'as recorded: what is validated' "$(jq -S "$valid form" recorded)" "$(jq -S "$valid form" body)"
