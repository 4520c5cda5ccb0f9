# What-if of the local Azure as curl and jq see it: what it says of a group
# before and after a deployment, that it makes nothing, that it tells no
# secret; its form against Microsoft's description and a recorded answer.
# time: 120
. "$SRCDIR/tests/lib.sh"
need curl jq python3

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 20 grep -q '^ready https://localhost:[0-9]*$' emulator.out || {
	not_ok start "$(cat emulator.out)"
	exit 1
}
. ./azure/env
. "$SRCDIR/tests/arm.sh"
D=$G/providers/Microsoft.Resources/deployments/d

template()	# PROPERTIES-OF-THE-NETWORK [OTHER RESOURCES]
{
	jq -n --argjson p "$1" --argjson more "${2:-[]}" '{properties: {mode: "Incremental", template: {
		"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
		contentVersion: "1.0.0.0", parameters: {secret: {type: "securestring"}, range: {type: "string",
		defaultValue: "10.0.1.0/24"}}, resources: ([{type: "Microsoft.Network/virtualNetworks",
		apiVersion: "2024-05-01", name: "net", location: "eastus", properties: $p}] + $more)},
		parameters: {secret: {value: "hunter2"}}}}'
}
two='{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]},"subnets":[
	{"name":"a","properties":{"addressPrefix":"10.0.0.0/24"}},
	{"name":"b","properties":{"addressPrefix":"[parameters('\''range'\'')]"}}]}'

ask POST "$D/whatIf" '{}'
same 'a group that is not there' '404 "ResourceGroupNotFound"' "$status $(jq -c .error.code body)"
ask PUT "$G" '{"location":"eastus","tags":{"a":"b"}}'

template "$two" >req
what_if "$D" @req
same 'a new network: accepted, then there' '202 200' "$accepted $status"
says 'a new network: created' '[.status, .properties.changes[0].changeType, (.properties.changes|length)]' \
	'["Succeeded","Create",1]'
says 'a new network: what it would be, and only that' \
	'.properties.changes[0]|[has("before"),has("delta"),.after.apiVersion,.after.name,.after.properties.subnets[1].properties]' \
	'[false,false,"2024-05-01","net",{"addressPrefix":"10.0.1.0/24"}]'
ask GET "$G/resources"
says 'nothing was made' .value '[]'
ask GET "$D"
same 'nor a deployment' 404 "$status"

deploy()	# FILE
{
	ask PUT "$D" "@$1"
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		ask GET "$D"
		case $(jq -r .properties.provisioningState body) in Succeeded | Failed) break ;; esac
		sleep 0.3
	done
	says "deployed $1" .properties.provisioningState '"Succeeded"'
}
deploy req
what_if "$D" @req
says 'again: no change' '[.properties.changes[]|[.changeType,.delta]]' '[["NoChange",[]]]'
says 'again: nothing that only the platform sets' \
	'[.properties.changes[0].before|..|objects|keys[]|select(test("etag|provisioningState|resourceGuid"))]' '[]'

template "$(echo "$two" | jq -c '.addressSpace.addressPrefixes = ["10.0.0.0/15"] | .subnets = [
	{name: "a", properties: {addressPrefix: "10.0.0.0/25"}}, {name: "c", properties: {addressPrefix: "10.1.0.0/24"}}]')" >req2
what_if "$D" @req2
says 'changed: modify' '.properties.changes[0].changeType' '"Modify"'
says 'changed: arrays by their items' '[.properties.changes[0].delta[]|[.path,.propertyChangeType,
	[.children[]|[.path,.propertyChangeType,(.before//.children[0].before|if type=="object" then .name else . end),
	(.after//.children[0].after|if type=="object" then .name else . end)]]]]' \
	'[["properties.addressSpace.addressPrefixes","Array",[["0","Delete","10.0.0.0/16",null],["0","Create",null,"10.0.0.0/15"]]],["properties.subnets","Array",[["0","Modify","10.0.0.0/24","10.0.0.0/25"],["1","Delete","b",null],["1","Create",null,"c"]]]]'
cp body modified
ask GET "$G/providers/Microsoft.Network/virtualNetworks/net"
says 'changed: still as it was' '[.properties.subnets[].name]' '["a","b"]'

# a tag that is a secret, and one that is not
template "$two" | jq '.properties.template.resources[0].tags = {t: "[parameters('\''secret'\'')]", u: "x"}' >req3
what_if "$D" @req3
says 'a secret stays an expression' '.properties.changes[0].delta' \
	'[{"path":"tags","propertyChangeType":"Create","after":{"u":"x","t":"[parameters('\''secret'\'')]"}}]'
same 'a secret is nowhere in the answer' 0 "$(grep -c hunter2 body)"

pip='[{"type":"Microsoft.Network/publicIPAddresses","apiVersion":"2024-05-01","name":"ip","location":"eastus",
	"sku":{"name":"Standard"},"properties":{"publicIPAllocationMethod":"Static"}}]'
template "$two" "$pip" >req4
deploy req4
what_if "$D" @req
says 'not in the template: ignored' '[.properties.changes[]|[.changeType,(.resourceId|split("/")[-1]),.before==.after]]' \
	'[["NoChange","net",true],["Ignore","ip",true]]'
cp body ignored
jq '.properties.mode = "Complete"' req >req5
what_if "$D" @req5
says 'not in the template, mode Complete: deleted' \
	'[.properties.changes[]|[.changeType,(.resourceId|split("/")[-1]),has("after")]]' \
	'[["NoChange","net",true],["Delete","ip",false]]'
jq '.properties.whatIfSettings.resultFormat = "ResourceIdOnly"' req2 >req6
what_if "$D" @req6
says 'ids only' '[.properties.changes[]|[.changeType,(keys|length)]]' '[["Deploy",2],["Ignore",2]]'

echo '{"properties":{"mode":"Incremental","template":{"$schema":"x"}}}' >bad
what_if "$D" @bad
same 'a template that is none' '400 "InvalidTemplate"' "$accepted $(jq -c .error.code body)"
template "$(echo "$two" | jq -c '.addressSpace.addressPrefixes = []')" >bad
what_if "$D" @bad
same 'what a provider refuses is told in the result' '202 200' "$accepted $status"
says 'what a provider refuses' '[.status,.error.code,.error.details[0].details[0].code]' \
	'["Failed","InvalidTemplateDeployment","InvalidRequestFormat"]'
cp body failed

# ---- by others' word ----
specs=$SRCDIR/../shared/azure/specs/swagger/resources/resource-manager/Microsoft.Resources/stable/2021-04-01
if [ ! -r "$specs/resources.json" ]; then
	skip 'form' 'no description of Microsoft.Resources at hand'
elif ! python3 -c 'import jsonschema' 2>/dev/null; then
	skip 'form' 'no python3-jsonschema here'
else
	cat >form.py <<'P'
import json, sys, jsonschema
spec = json.load(open(sys.argv[1]))
defs = {k: v for k, v in spec["definitions"].items() if k.startswith("WhatIf")}
# "type: object" is how the description says "anything": Azure's own answers have texts there
for k in ("before", "after"):
    del defs["WhatIfPropertyChange"]["properties"][k]["type"]
defs["WhatIfOperationResult"]["properties"]["error"] = {"type": "object", "required": ["code", "message"]}
for d in defs.values():
    d["additionalProperties"] = False
defs["WhatIfOperationProperties"]["properties"]["correlationId"] = {"type": "string"}	# recorded
schema = {"definitions": defs, "$ref": "#/definitions/WhatIfOperationResult"}
for name in sys.argv[2:]:
    jsonschema.Draft4Validator(schema).validate(json.load(open(name)))
P
	jq .responses.'"200"'.body "$specs/examples/PostDeploymentWhatIfOnResourceGroup.json" >example
	check 'form: the example of the description itself' python3 form.py "$specs/resources.json" example
	for f in modified ignored failed; do
		check "form: $f" python3 form.py "$specs/resources.json" $f
	done
	jq '.properties.changes[0].changeType = "Nothing"' modified >wrong
	check 'form: what is wrong is seen' sh -c "! python3 form.py '$specs/resources.json' wrong"
fi
