# The local Azure and a machine driver: what it is told and when, what follows
# from its failures, and the metadata service in the machines' network.  The
# driver is a script that writes down its calls; a machine is an address.
# time: 180
. "$SRCDIR/tests/lib.sh"
need curl jq ssh-keygen ip nsenter
need_root

cat >driver <<'END'
#!/bin/sh
# calls, a line each, and how many at once
echo "$1 $2" >>calls
case $1 in
up)	ip netns add "t-$2" 2>/dev/null
	ip -n "t-$2" link set lo up
	ip -n "t-$2" address replace 168.63.129.16/32 dev lo
	ip -n "t-$2" address replace 169.254.169.254/32 dev lo
	echo "starting the network" >&2
	echo "/run/netns/t-$2"
	exit ;;
down)	ip netns delete "t-$2"
	exit ;;
exec)	shift 4
	exec "$@" ;;
esac
[ ! -e "refuse-$1-$2" ] || { echo "first words"; echo "$2 will not $1: the disk is full"; exit 1; }
mkdir "at-work-$2" && ls -d at-work-* | wc -l >>at-once
sleep 0.4
rmdir "at-work-$2"
case $1 in
create)	ip -n "t-$(jq -r .net "$3/machine.json")" address replace \
		"$(jq -r .address "$3/machine.json")/32" dev lo ;;
status)	echo stopped ;;
esac
END
chmod +x driver

start()
{
	starts=$((${starts:-0} + 1))
	spawn emulator.$starts "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --machines "$PWD/driver"
	azure=$spawned
	wait_for 20 grep -q '^ready' emulator.$starts || { not_ok start "$(cat emulator.$starts)"; exit 1; }
	. ./azure/env
	base=$AZURE_RESOURCE_MANAGER_ENDPOINT S=/subscriptions/$AZURE_SUBSCRIPTION_ID ca=$SSL_CERT_FILE
	net=$(sed -n 's/^up //p' calls | tail -n 1)
}
at_exit 'ip netns delete "t-$net" 2>/dev/null'
c() { curl -sS -g --cacert "$ca" --noproxy '*' -m 60 "$@"; }
ask()		# METHOD PATH [CURL ARGUMENT...]
{
	m=$1 p=$2
	shift 2
	status=$(c -o body -D head -w '%{http_code}' -X "$m" -H "Authorization: Bearer $T" \
		-H 'Content-Type: application/json' "$@" "$base$p")
}
finish()
{
	url=$(sed -n 's/\r$//; s/^Azure-AsyncOperation: //Ip' head) n=0
	[ -n "$url" ] || url=$(sed -n 's/\r$//; s/^Location: //Ip' head)
	while n=$((n + 1)) && [ $n -lt 200 ]; do
		end=$(c -o poll -w '%{http_code}' -H "Authorization: Bearer $T" "$url")
		word=$(jq -r '.status // empty' poll 2>/dev/null)
		case $end$word in 202 | 200InProgress | 200Running | 200Accepted) sleep 0.2 ;; *) break ;; esac
	done
}
imds()		# ADDRESS PATH [CURL ARGUMENT...]: as the machine with that address
{
	i=$1 p=$2
	shift 2
	nsenter --net="/run/netns/t-$net" curl -sS -m 20 --noproxy '*' --interface "$i" \
		-H "${metadata-Metadata: true}" "$@" "http://169.254.169.254/metadata/$p"
}
events='scheduledevents?api-version=2020-07-01'
agree()		# ADDRESS: to all that is announced there
{
	imds "$1" "$events" | jq -c '{StartRequests:[.Events[]|select(.EventStatus=="Scheduled")|{EventId}]}' >agree
	grep -q EventId agree && imds "$1" "$events" -d @agree
}
calls() { grep -E "$1" calls | sort | tr '\n' ' ' | sed 's/ $//'; }

start
T=$(c "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" --data-urlencode grant_type=client_credentials \
	--data-urlencode "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode scope=https://management.azure.com/.default | jq -r .access_token)
core=api-version=2021-04-01 compute=api-version=2024-07-01
ssh-keygen -q -t ed25519 -N '' -f id
ask PUT "$S/resourcegroups/g?$core" -d '{"location":"eastus"}'
D=$S/resourcegroups/g/providers/Microsoft.Resources/deployments/d
V=$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/agents
jq -n --slurpfile t "$SRCDIR/assets/arm/cluster.json" --arg key "$(cat id.pub)" \
	'{properties:{mode:"Incremental",template:$t[0],parameters:{namePrefix:{value:"unit"},
	adminPublicKey:{value:$key},masterCount:{value:3},agentCount:{value:5},
	masterCustomData:{value:"bWFzdGVy"},agentCustomData:{value:"YWdlbnQ="}}}}' >deployment.json

# ---- it fails, and then it does not ----

touch refuse-create-agents000001
ask PUT "$D?$core" -d @deployment.json
finish
same 'a driver that fails fails the deployment' Failed "$word"
same 'and its last line is the reason' \
	"The operation 'create' of VM 'agents000001' failed: agents000001 will not create: the disk is full" \
	"$(jq -r '.error.details[0].message|fromjson|.error.details[0].message' poll)"
ask GET "$V/virtualMachines?$compute"
same 'the others are there' '["Succeeded","Failed","Succeeded","Succeeded","Succeeded"]' \
	"$(jq -c '[.value[].properties.provisioningState]' body)"
same 'no more than four at once' 4 "$(sort -n at-once | tail -n 1)"
rm refuse-create-agents000001
ask POST "$V/delete?$compute" -d '{"instanceIds":["1"]}'
finish
ask PATCH "$V?$compute" -d '{"sku":{"name":"Standard_B2s_v2","tier":"Standard","capacity":2}}'
check 'those scaled in are told' wait_for 5 agree 10.77.16.8
finish
same 'scaled in' 'Succeeded ["0","2"]' \
	"$word $(ask GET "$V/virtualMachines?$compute"; jq -c '[.value[].instanceId]' body)"

# ---- what a driver is told ----

M=azure/machines/agents000000/machine.json
same 'about an agent' "agents000000 10.77.16.4 16 cluster YWdlbnQ= Standard_B2s_v2 eastus $PWD/azure/ca.pem" \
	"$(jq -r '"\(.name) \(.address) \(.prefix) \(.user) \(.customData) \(.size) \(.location) \(.ca)"' $M)"
same 'its key and image' "$(cat id.pub) ubuntu-24_04-lts" "$(jq -r '"\(.keys[0]) \(.image.offer)"' $M)"
same 'about a master' '10.77.0.11 bWFzdGVy' \
	"$(jq -r '"\(.address) \(.customData)"' azure/machines/master1/machine.json)"
same 'only root reads it' 600 "$(stat -c %a $M)"

# ---- metadata ----

same 'who am I' agents_0 "$(imds 10.77.16.4 'instance/compute/name?api-version=2021-12-13&format=text')"
same 'a master' master1 "$(imds 10.77.0.11 'instance?api-version=2021-12-13' | jq -r .compute.name)"
same 'a leaf must be text' 400 "$(imds 10.77.16.4 'instance/compute/name?api-version=2021-12-13' -o /dev/null -w '%{http_code}')"
same 'the header is a must' 400 "$(metadata=X:y imds 10.77.16.4 'instance?api-version=2021-12-13' -o /dev/null -w '%{http_code}')"
same 'no proxies' 400 "$(imds 10.77.16.4 'instance?api-version=2021-12-13' -H 'X-Forwarded-For: 1.2.3.4' -o /dev/null -w '%{http_code}')"
same 'no version' 400 "$(imds 10.77.16.4 instance -o /dev/null -w '%{http_code}')"
same 'a stranger' 404 "$(imds 127.0.0.1 'instance?api-version=2021-12-13' -o /dev/null -w '%{http_code}')"
same 'the platform answers inside, too' 200 "$(nsenter --net="/run/netns/t-$net" curl -sSk --noproxy '*' -o /dev/null \
	-w '%{http_code}' "https://168.63.129.16:${base##*:}/metadata/endpoints?api-version=2022-09-01")"

# ---- the end of an instance ----

ask POST "$V/delete?$compute" -d '{"instanceIds":["2"]}'
cp head head.delete
event_there() { [ "$(imds 10.77.16.4 "$events" | jq -r '.Events[0].Resources[0]')" = agents_2 ]; }
check 'all of the set are told' wait_for 5 event_there
same 'what it is' 'Scheduled Terminate VirtualMachine' \
	"$(imds 10.77.16.6 "$events" | jq -r '.Events[0]|"\(.EventStatus) \(.EventType) \(.ResourceType)"')"
same 'a master is not told' '[]' "$(imds 10.77.0.10 "$events" | jq -c .Events)"
same 'nothing happens before the answer' '' "$(calls '^delete agents000002')"
same 'an event that is not' 400 "$(imds 10.77.16.6 "$events" -d '{"StartRequests":[{"EventId":"x"}]}' -o /dev/null -w '%{http_code}')"
id=$(imds 10.77.16.6 "$events" | jq -r '.Events[0].EventId')
same 'the answer' 200 "$(imds 10.77.16.6 "$events" -d "{\"StartRequests\":[{\"EventId\":\"$id\"}]}" -o /dev/null -w '%{http_code}')"
cp head.delete head
finish
same 'then it goes' 'Succeeded delete agents000002 []' \
	"$word $(calls '^delete agents000002') $(imds 10.77.16.4 "$events" | jq -c .Events)"

# ---- commands, power, a cancelled deployment ----

W=$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachines
ask POST "$W/master0/runCommand?$compute" -d '{"commandId":"RunShellScript","script":["echo one","echo two"]}'
finish
same 'a command' 'Enable succeeded: |[stdout]|one|two||[stderr]|' \
	"$(jq -r '.properties.output.value[0].message' poll | tr '\n' '|' | sed 's/|$//')"
touch refuse-stop-master0
ask POST "$W/master0/powerOff?$compute"
finish
same 'a machine that will not stop' 'Failed VMActionFailed' "$word $(jq -r .error.code poll)"
rm refuse-stop-master0
jq '.properties.parameters.agentCount.value=4' deployment.json >four.json
ask PUT "$D?$core" -d @four.json
cp head head.put
ask POST "$D/cancel?$core"
same 'cancel' 204 "$status"
cp head.put head
finish
same 'a deployment cancelled' Canceled "$word"
ask POST "$D/cancel?$core"
same 'not twice' '409 DeploymentCannotBeCancelled' "$status $(jq -r .error.code body)"
ask DELETE "$D?$core"
finish
same 'a deployment forgotten' 204 "$end"

# ---- a restart ----

ask POST "$W/master2/deallocate?$compute"
finish
: >calls
reap "$azure"
same 'the end of the network' "down $net" "$(calls .)"
: >calls
start
all_started() { [ "$(calls '^start')" = 'start agents000000 start master0 start master1' ]; }
check 'what ran runs again, what was off stays off' wait_for 20 all_started
same 'nothing else' "up $net" "$(calls '^[^s]')"

# ---- the end ----

touch refuse-delete-master1
ask DELETE "$S/resourcegroups/g?$core"
finish
same 'a machine that will not go blocks its group' '409 ResourceGroupDeletionBlocked master1 will not delete' \
	"$end $(jq -r '.Error|"\(.Code) \(.Details[0].Message|capture("(?<x>master1 will not delete)").x)"' poll)"
ask GET "$S/resourcegroups/g?$core"
same 'which is as it was' Succeeded "$(jq -r .properties.provisioningState body)"
rm refuse-delete-master1
ask DELETE "$S/resourcegroups/g?$core"
finish
same 'gone' '200 0' "$end $(ls azure/machines | wc -l)"
reap "$azure"
same 'and nothing is left' '' "$(ip netns list | grep "t-$net")"
