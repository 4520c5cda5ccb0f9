# What the local Azure makes of what a machine's agent reports, and of what is no
# report: by a driver that is a script, and machines that are addresses and curl.
# What Azure's real ones say is in sh/provision.
# time: 200
# needs: root, ip, nsenter, curl, jq, ssh-keygen, xmllint
. "$SRCDIR/tests/lib.sh"
need curl jq ssh-keygen ip nsenter
need_root

cat >driver <<'END'
#!/bin/sh
case $1 in
up)	ip netns add "w-$2" 2>/dev/null
	ip -n "w-$2" link set lo up
	ip -n "w-$2" link add machines type bridge
	ip -n "w-$2" link set machines up
	for a in 168.63.129.16/32 169.254.169.254/32; do
		ip -n "w-$2" address replace "$a" dev machines
	done
	echo "/run/netns/w-$2" ;;
down)	ip netns delete "w-$2" ;;
create | reimage)
	ip -n "w-$(jq -r .net "$3/machine.json")" address replace \
		"$(jq -r .address "$3/machine.json")/32" dev lo
	cp "$3/machine.json" "made-$2" ;;
status)	echo running ;;
esac
END
chmod +x driver
expect '--provision: without machines' 2 '--provision "5": expected 1 to 3600 seconds, and --machines' \
	"$AZSWARM" emulator --dir azure --provision 5
for n in 0 3601 x; do
	expect "--provision $n" 2 'expected 1 to 3600 seconds' \
		"$AZSWARM" emulator --dir azure --machines "$PWD/driver" --provision $n
done
spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --machines "$PWD/driver" --provision 30
at_exit 'ip netns delete "w-$net" 2>/dev/null'
wait_for 20 grep -q '^ready' emulator.out || { not_ok start "$(cat emulator.out)"; exit 1; }
. azure/env
net=$(printf %s "$(realpath azure)" | sha256sum | cut -c 1-8)
S=/subscriptions/$AZURE_SUBSCRIPTION_ID
c() { curl -sS -g --cacert "$SSL_CERT_FILE" --noproxy '*' -m 60 "$@"; }
T=$(c "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" --data-urlencode grant_type=client_credentials \
	--data-urlencode "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode scope=https://management.azure.com/.default | jq -r .access_token)
arm()		# METHOD PATH [CURL ARGUMENT...]
{
	arm_method=$1 arm_path=$2
	shift 2
	c -X "$arm_method" -H "Authorization: Bearer $T" -H 'Content-Type: application/json' "$@" \
		"$AZURE_RESOURCE_MANAGER_ENDPOINT$arm_path"
}
as()		# ADDRESS CURL-ARGUMENT...: from a machine
{
	as=$1
	shift
	nsenter --net="/run/netns/w-$net" curl -sS -m 20 --noproxy '*' --interface "$as" "$@"
}
code()		# ADDRESS CURL-ARGUMENT...: the status
{
	as "$@" -o body -w '%{http_code}'
}
wire=http://168.63.129.16 plugin=http://168.63.129.16:32526
v='x-ms-version: 2012-11-30'
report()	# ADDRESS STATE [SUBSTATUS DESCRIPTION]
{
	code "$1" -H "$v" -H 'Content-Type: text/xml' "$wire/machine/?comp=health" --data-binary "<?xml version=\"1.0\"?>
<Health><GoalStateIncarnation>1</GoalStateIncarnation><Container><RoleInstanceList><Role><Health>
<State>$2</State>${3:+<Details><SubStatus>$3</SubStatus><Description>$4</Description></Details>}
</Health></Role></RoleInstanceList></Container></Health>"
}

# ---- three masters: one is ready, one has failed, one says nothing ----

ssh-keygen -q -t ed25519 -N '' -f id
arm PUT "$S/resourcegroups/g?api-version=2021-04-01" -d '{"location":"eastus"}' >/dev/null
jq -n --slurpfile t "$SRCDIR/assets/arm/cluster.json" --arg key "$(cat id.pub)" \
	'{properties:{mode:"Incremental",template:$t[0],parameters:{namePrefix:{value:"unit"},
	adminPublicKey:{value:$key},masterCount:{value:3},agentCount:{value:2},
	masterCustomData:{value:"bWFzdGVy"},agentCustomData:{value:"YWdlbnQ="}}}}' >deployment.json
D=$S/resourcegroups/g/providers/Microsoft.Resources/deployments/d
arm PUT "$D?api-version=2021-04-01" -d @deployment.json >/dev/null
check 'machines are made' wait_for 60 eval '[ "$(ls made-* 2>/dev/null | wc -l)" = 5 ]'
same 'a machine is not created before it has said so' Creating "$(arm GET \
	"$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/master0?api-version=2024-07-01" | jq -r .properties.provisioningState)"

same 'at work is no end' 200 "$(report 10.77.0.10 NotReady Provisioning Starting)"
same 'ready' 200 "$(report 10.77.0.10 Ready)"
same 'failed' 200 "$(report 10.77.0.11 NotReady ProvisioningFailed "no disk $(printf '\033')[31m")"
report 10.77.16.4 Ready >/dev/null
report 10.77.16.5 NotReady ProvisioningFailed 'no disk' >/dev/null

same 'what its card has for an address' 00:0d:3a:4d:00:0a "$(jq -r .azure.mac made-master0)"
same 'the metadata service says the same' 000D3A4D000A "$(as 10.77.0.10 -H Metadata:true \
	'http://169.254.169.254/metadata/instance/network/interface/0/macAddress?api-version=2021-08-01&format=text')"
same 'and the keys of its user' "$(cat id.pub)" "$(as 10.77.0.10 -H Metadata:true \
	'http://169.254.169.254/metadata/instance/compute?api-version=2021-08-01&extended=true' | jq -r '.publicKeys[0].keyData')"

as 10.77.0.10 "$wire/?comp=versions" >versions.xml
check 'versions' grep -q '<Supported>.*<Version>2012-11-30</Version>' versions.xml
as 10.77.0.10 -H "$v" "$wire/machine/?comp=goalstate" >goal.xml
id=$(jq -r .azure.vmId made-master0)
same 'the goal state is its own' "$id $id._master0" \
	"$(sed -n 's|.*<ContainerId>\(.*\)</ContainerId>.*<InstanceId>\(.*\)</InstanceId>.*|\1 \2|p' goal.xml)"
for part in HostingEnvironmentConfig SharedConfig ExtensionsConfig; do
	url=$(sed -n "s|.*<$part>\(.*\)</$part>.*|\1|p" goal.xml | sed 's/&amp;/\&/g')
	same "$part: where it says" 200 "$(code 10.77.0.10 -H "$v" "$url")"
	check "$part: says what it is" grep -q '^<?xml.*goalStateIncarnation="1"' body
done
if command -v xmllint >/dev/null; then
	check 'all of it is XML' xmllint --noout versions.xml goal.xml body
fi

while read -r want address what; do
	eval "set -- $what"
	same "$want: $what" "$want" "$(code "$address" "$@")"
done <<'END'
400 10.77.0.10 "$wire/machine/?comp=goalstate"
403 168.63.129.16 -H "$v" "$wire/machine/?comp=goalstate"
404 10.77.0.10 -H "$v" "$wire/machine/?comp=nothing"
404 10.77.0.10 -H "$v" "$wire/machine/?comp=config\&type=nothing"
404 10.77.0.10 "$wire/"
400 10.77.0.10 -H "$v" "$wire/machine/?comp=health" -d nothing
400 10.77.0.10 -H "$v" "$wire/machine/?comp=health" -d "<State>Ready"
400 10.77.0.10 -H "$v" "$wire/machine/?comp=health" -d "<State>Well</State>"
413 10.77.0.10 -H "$v" "$wire/machine/?comp=health" -d @"$AZSWARM" -H Expect:
200 10.77.0.10 -H "$v" "$wire/machine/?comp=telemetrydata" -d "<TelemetryData/>"
200 10.77.0.10 "$plugin/versions"
200 10.77.0.10 "$plugin/health"
404 10.77.0.10 "$plugin/vmSettings"
400 10.77.0.10 -X PUT "$plugin/status" -d nothing
400 10.77.0.10 -X PUT "$plugin/status" -d "{\"content\":\"e30=\"}"
400 10.77.0.10 -X PUT "$plugin/status" -d "{\"content\":\"====\"}"
403 168.63.129.16 -X PUT "$plugin/status" -d "{}"
200 10.77.0.10 -X PUT "$plugin/vmAgentLog" -d log
END

state()		# MACHINE
{
	arm GET "$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/$1?api-version=2024-07-01" |
		jq -r .properties.provisioningState
}
check 'who said so is created' wait_for 10 eval '[ "$(state master0)" = Succeeded ]'
check 'who failed is not' wait_for 10 eval '[ "$(state master1)" = Failed ]'
check 'nor who said nothing' wait_for 60 eval '[ "$(state master2)" = Failed ]'
arm GET "$D/operations?api-version=2021-04-01" >operations
why()		# MACHINE: code and message of what became of it
{
	jq -r --arg m "$1" '.value[].properties | select(.targetResource.resourceName == $m) |
		.statusMessage.error | .. | objects | select((.code // "") | startswith("OSProv")) | "\(.code) \(.message)"' operations | head -n 1
}
check 'the deployment says why' wait_for 10 eval \
	'arm GET "$D/operations?api-version=2021-04-01" >operations; [ -n "$(why master2)" ]'
same 'why: failed' "OSProvisioningInternalError OS Provisioning failed for VM 'master1' due to an internal error: no disk ?[31m" "$(why master1)"
same 'why: nothing said' "OSProvisioningTimedOut OS Provisioning for VM 'master2' did not finish in the allotted time. The VM may still finish provisioning successfully. Please check provisioning state later." \
	"$(why master2)"
same 'the same of a scale set' 'Succeeded Failed' "$(arm GET \
	"$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/agents/virtualMachines?api-version=2024-07-01" |
	jq -r '[.value[].properties.provisioningState] | join(" ")')"

# ---- what its agent says of itself ----

view()		# what Azure says of master0's agent
{
	arm GET "$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/master0/instanceView?api-version=2024-07-01" |
		jq -r '.vmAgent | "\(.vmAgentVersion) \(.statuses[0].displayStatus) \(.statuses[0].message)"'
}
status()	# STATUS MESSAGE: as the blob has it
{
	jq -cn --arg s "$1" --arg m "$2" '{version:"1.1",aggregateStatus:{guestAgentStatus:{version:"9.8.7.6",
		status:$s,formattedMessage:{lang:"en-US",message:$m}},handlerAggregateStatus:[]}}' | base64 -w0 |
		jq -R '{requestUri:"https://x/",headers:[],content:.}' >status.json
	code 10.77.0.10 -X PUT -H 'Content-Type: application/json' "$plugin/status" -d @status.json
}
same 'no word of it yet' 'Unknown Not Ready VM status blob is found but not yet populated.' "$(view)"
same 'its status is taken' 200 "$(status Ready 'All is well')"
same 'and told' '9.8.7.6 Ready All is well' "$(view)"
same 'what it does later changes no creation' 200 "$(report 10.77.0.10 NotReady ProvisioningFailed later)"
same 'which was' Succeeded "$(state master0)"
arm POST "$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/master0/reimage?api-version=2024-07-01" -d '{}' >/dev/null
check 'made anew, it begins anew' wait_for 10 eval '[ "$(view)" = "Unknown Not Ready VM status blob is found but not yet populated." ]'
same 'made anew: not before it says so' Updating "$(state master0)"
report 10.77.0.10 Ready >/dev/null
check 'made anew: it has said so' wait_for 10 eval '[ "$(state master0)" = Succeeded ]'
