# Other keys in place of those that machines have, as far as no machine is needed:
# which key signs, what is written down meanwhile, what an interrupted one does.
# time: 30
. "$SRCDIR/tests/lib.sh"
need curl jq

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator.out || {
	not_ok "the local Azure starts" "$(cat emulator.out)"
	exit 1
}
. azure/env
expect 'what there is to rotate' 2 '"all": expected storage-key, secrets, join-tokens or host-keys' "$AZSWARM" rotate all
expect 'no account yet' 1 "'azswarm deploy-storage' makes it" "$AZSWARM" rotate storage-key
"$AZSWARM" keys >out 2>&1 && "$AZSWARM" deploy-storage >out 2>&1 && "$AZSWARM" params >out 2>&1 ||
	not_ok 'a beginning' "$(tail -n 1 out)"

token=$(curl -sS --cacert "$SSL_CERT_FILE" \
	-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)
id=$(jq -r '.entries[].doc | select(.type == "Microsoft.Storage/storageAccounts").id' azure/state.json)
arm()		# METHOD REST BODY: of the account
{
	curl -sS --cacert "$SSL_CERT_FILE" -X "$1" -H "Authorization: Bearer $token" \
		-H 'Content-Type: application/json' -d "$3" \
		"$AZURE_RESOURCE_MANAGER_ENDPOINT$id$2?api-version=2023-01-01"
}
tag() { arm GET '' '' | jq -r '.tags["azswarm-key"] // "none"'; }
key1() { arm POST /listKeys '' | jq -r '.keys[0].value'; }
key2() { arm POST /listKeys '' | jq -r '.keys[1].value'; }
url()		# of the program, as new agents have it
{
	jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d |
		sed -n 's/.*url = \\"\(.*\)\\"\\n"$/\1/p'
}
fetch()		# URL
{
	curl -sS --cacert "$SSL_CERT_FILE" -o /dev/null -w '%{http_code}' "$1"
}
# ---- without machines ----

first=$(key1) second=$(key2) old=$(url)
same 'what is fetched from the first' 200 "$(fetch "$old")"
expect 'storage-key' 0 'key2 made anew' timeout 60 "$AZSWARM" rotate storage-key
same 'the other one is in use' key2 "$(tag)"
check 'both are others' [ "$(key1)" != "$first" -a "$(key2)" != "$second" ]
same 'what the one of before has signed is void' 403 "$(fetch "$old")"
"$AZSWARM" params >out 2>&1 || not_ok 'params' "$(cat out)"
same 'what is signed now is good' 200 "$(fetch "$(url)")"
same 'by the other key' key2 "$(jq -r 'select(.url | test("ListServiceSas")).requestBody.keyToSign' record | tail -n 1)"
same 'the share too' 1 "$(jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d | grep -cF "$(key2)")"
same 'it let go of its lock, and is in the trail' 'rotate storage-key done' \
	"$("$AZSWARM" audit --tail 1 --output json | jq -r '.[0] | .command + " " + .outcome')"

# ---- an address that is near its end ----

"$AZSWARM" status >out 2>&1
check 'status: of two years nothing is said' sh -c '! grep -q "^addresses" out'
cp parameters/cluster.json good.json
ends_in()	# DAYS
{
	data=$(jq -r .parameters.agentCustomData.value good.json | base64 -d |
		sed "s/&se=[^&]*/\&se=$(date -u -d "$1 days 1 hour" +%Y-%m-%dT%H%%3A%M%%3A%SZ)/" | base64 -w 0)
	jq --arg d "$data" '.parameters.agentCustomData.value = $d' good.json >parameters/cluster.json
}
ends_in 91
"$AZSWARM" status >out 2>&1
check 'status: nor of 91 days' sh -c '! grep -q "^addresses" out'
ends_in 89
expect 'status: 89 days' 0 "^addresses +by which machines .* end in 89 days; 'azswarm params'" "$AZSWARM" status
same 'status: in JSON' "$(date -u -d '89 days' +%Y-%m-%d)" \
	"$("$AZSWARM" status --output json | jq -r '.storage.addressesEnd | .[0:10]')"
ends_in -2
expect 'status: over' 0 '^addresses .* have ended' "$AZSWARM" status
cp good.json parameters/cluster.json

# ---- interrupted, at each request that changes something ----

now=$(url) used=$(key2)
for skip in 0 1 2 3; do
	case $skip in
	0) request='POST */regenerateKey*' nth=0 ;;
	1) request='PATCH */storageAccounts/*' nth=0 ;;
	2) request='POST */regenerateKey*' nth=1 ;;
	3) request='PATCH */storageAccounts/*' nth=1 ;;
	esac
	before=$(tag)
	echo "[{ \"request\": \"$request\", \"skip\": $nth, \"status\": 403, \"code\": \"AuthorizationFailed\", \"message\": \"no\" }]" >azure/faults.json
	expect "cut off at $request, $nth" 1 AuthorizationFailed timeout 60 "$AZSWARM" rotate storage-key
	rm azure/faults.json
	case $skip in
	0 | 1)
		same 'what machines have is good' 200 "$(fetch "$now")"
		same 'nothing is on its way' "$before" "$(tag)"
		;;
	2)
		same 'what machines have is good still' 200 "$(fetch "$now")"
		same 'it is written down' 'key1 key2' "$(tag)"
		new=$(key1)
		;;
	esac
	if [ $skip -ge 2 ]; then
		[ $skip = 2 ] || same 'on its way, again' 'key2 key1' "$(tag)"
		expect 'the same goes on' 0 'going on: machines get' timeout 60 "$AZSWARM" rotate storage-key
		[ $skip = 3 ] || same 'without another of what machines may have by now' "$new" "$(key1)"
	fi
done
same 'in the end' key2 "$(tag)"
check 'no key is what it was' [ "$(key2)" != "$used" ]
arm PATCH '' '{"tags":{"azswarm-key":"key2","owner":"mine"}}' >out
"$AZSWARM" rotate storage-key >out 2>&1 || not_ok 'once more' "$(cat out)"
same 'a tag of somebody else stays' 'key1 mine' "$(arm GET '' '' | jq -r '.tags | .["azswarm-key"] + " " + .owner')"

# ---- fewer masters are no part of it ----

"$AZSWARM" params --master-count 3 >out 2>&1 && "$AZSWARM" deploy-compute >out 2>&1 || not_ok 'three masters' "$(tail -n 1 out)"
: >record
expect 'masters that are too many' 2 'there are 3 masters, and MASTER_COUNT is 1' timeout 60 "$AZSWARM" rotate host-keys --yes
same 'stay' '' "$(jq -r 'select(.method == "DELETE") | .url' record)"
