# time: 40
# The local Azure's blob service beside Microsoft's local one: tests/blob.jsonl
# is what azurite answered to the requests of tests/blob_twin.py ('make
# conformance' asks it again).  And what two at once may not both do.
. "$SRCDIR/tests/lib.sh"
need curl python3 jq prlimit
account=twinacct
export STORAGE_ACCOUNT_NAME=$account XDG_CACHE_HOME="$PWD/cache"
azure_here
expect 'the account' 0 '' "$AZSWARM" deploy-storage
token=$(curl -sS --cacert "$SSL_CERT_FILE" \
	-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)

# arm METHOD PATH-IN-THE-ACCOUNT BODY
arm()
{
	curl -sS --cacert "$SSL_CERT_FILE" -X "$1" -H "Authorization: Bearer $token" \
		-H 'Content-Type: application/json' -d "$3" \
		"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-storage/providers/Microsoft.Storage/storageAccounts/$account/$2?api-version=2023-01-01"
}
key=$(arm POST listKeys '' | jq -r '.keys[0].value')
arm PUT blobServices/default/containers/twin '{"properties":{}}' >container.json
same 'the container' twin "$(jq -r .name container.json)"
url=https://$account.blob.core.localhost:${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}
python3 "$SRCDIR/tests/blob_twin.py" "$url" $account "$key" "$SSL_CERT_FILE" >ours.jsonl 2>twin.err
check "all of it was asked: $(tail -n 1 twin.err)" test ! -s twin.err
python3 "$SRCDIR/tests/blob_twin.py" --compare "$SRCDIR/tests/blob.jsonl" ours.jsonl >compared
if [ "$(tail -n 1 compared)" = '173 answers compared, 0 differ' ]; then
	ok '173 answers are as azurite has them'
else
	not_ok 'answers as azurite has them' "$(cat compared)"
fi

# signed BLOB PERMISSIONS
signed()
{
	echo "$url/twin/$1?$(arm POST ListServiceSas "{\"canonicalizedResource\":\"/blob/$account/twin/$1\",
		\"signedResource\":\"b\",\"signedPermission\":\"$2\",\"signedExpiry\":\"2099-01-01T00:00:00Z\",
		\"keyToSign\":\"key1\"}" | jq -r .serviceSasToken)"
}

# at_once N URL CURL'S OPTIONS: the answers' codes, counted
at_once()
{
	at_once_n=$1 at_once_url=$2
	shift 2
	seq "$at_once_n" | xargs -P "$at_once_n" -I{} curl -sS -o /dev/null -w '%{http_code}\n' \
		--cacert "$SSL_CERT_FILE" "$@" "$at_once_url" | sort | uniq -c | awk '{ printf "%s%s x %s", sep, $1, $2; sep = ", " }'
}
same 'of 40 who make it only one does' '1 x 201, 39 x 409' \
	"$(at_once 40 "$(signed mark cr)" -X PUT -H 'x-ms-blob-type: BlockBlob' -H 'If-None-Match: *' -d '{}')"
same 'who lease it: one' '1 x 201, 39 x 409' \
	"$(at_once 40 "$(signed mark w)&comp=lease" -X PUT -H 'x-ms-lease-action: acquire' -H 'x-ms-lease-duration: 60' -d '')"
# lease ACTION ID HEADER-IT-IS-IN: of a blob of its own; the answer, and the lease
lease()
{
	lease_action=$1 lease_id=$2 lease_as=$3
	curl -sS -o out -w '%{http_code} %header{x-ms-lease-id}' --cacert "$SSL_CERT_FILE" -X PUT -d '' \
		-H "x-ms-lease-action: $lease_action" -H "$lease_as: $lease_id" \
		-H 'x-ms-lease-duration: 60' "$(signed guid w)&comp=lease"
}
curl -sS -o out --cacert "$SSL_CERT_FILE" -X PUT -H 'x-ms-blob-type: BlockBlob' -d x "$(signed guid cw)"
same 'a lease in braces' '201 01234567-89ab-cdef-0123-456789abcdef' \
	"$(lease acquire '{01234567-89AB-CDEF-0123-456789ABCDEF}' x-ms-proposed-lease-id)"
same 'who has it without may renew it' '200 01234567-89ab-cdef-0123-456789abcdef' \
	"$(lease renew 0123456789abcdef0123456789abcdef x-ms-lease-id)"
same 'and in braces release it' '200 ' \
	"$(lease release '{01234567-89ab-cdef-0123-456789abcdef}' x-ms-lease-id)"
same 'a digit too many' '400 ' "$(lease acquire 0123456789abcdef0123456789abcdef0 x-ms-proposed-lease-id)"
same 'a log' 201 "$(curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X PUT \
	-H 'x-ms-blob-type: AppendBlob' -d '' "$(signed audit cw)")"
same 'who add to it: all' '40 x 201' \
	"$(at_once 40 "$(signed audit a)&comp=appendblock" -X PUT -d 'a line of thirty-two characters!')"
same 'and all of it is there' '1280 40' "$(curl -sS --cacert "$SSL_CERT_FILE" "$(signed audit r)" |
	sed 's/!/!\n/g' | awk '{ n += length($0) } /^a line of thirty-two characters!$/ { l++ } END { print n, l }')"

# ---- larger than what fits in memory twice ----------------------------------------------

head -c 80m /dev/zero | openssl enc -aes-128-ctr -K 00000000000000000000000000000001 -iv 0 >large 2>openssl.log
sum=$(sha256sum <large)
same 'eighty mebibytes' 201 "$(curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" \
	-H 'x-ms-blob-type: BlockBlob' -T large "$(signed large cw)")"
same 'come back' "$sum" "$(curl -sS --cacert "$SSL_CERT_FILE" "$(signed large r)" | sha256sum)"
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$spawned/status")
if [ "$peak" -lt 16384 ]; then
	ok "and were never in memory: $peak kB at the most"
else
	not_ok 'never in memory' "$peak kB"
fi

# ---- in more pieces than there may be open files ----------------------------------------

prlimit --nofile=160 --pid "$spawned"
same 'three hundred blocks' '300 x 201' "$(curl -sS -o /dev/null -w '%{http_code}\n' --cacert "$SSL_CERT_FILE" \
	-X PUT -d abc "$(signed pieces w)&comp=block&blockid=[1000-1299]" | sort | uniq -c | awk '{ print $1, "x", $2 }')"
same 'make a blob' 201 "$({
	echo '<BlockList>'
	seq 1000 1299 | sed 's:.*:<Latest>&</Latest>:'
	echo '</BlockList>'
} | curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X PUT --data-binary @- "$(signed pieces w)&comp=blocklist")"
same 'of nine hundred bytes' '900 abc' "$(curl -sS --cacert "$SSL_CERT_FILE" "$(signed pieces r)" |
	awk '{ print length($0), substr($0, 898) }')"

# ---- what a stop keeps -------------------------------------------------------------------

put_block()
{
	curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X PUT -d "$2" "$(signed kept w)&comp=block&blockid=$1"
}
same 'a block' 201 "$(put_block MDE= one)"
same 'another' 201 "$(put_block MDI= two)"
same 'a list that is refused' 400 "$(curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X PUT \
	-H 'x-ms-meta-1: x' -d '<BlockList/>' "$(signed ghost w)&comp=blocklist")"
same 'leaves nothing' 404 "$(curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" "$(signed ghost r)&comp=blocklist")"
reap "$spawned"
# as the version before noted it
jq '(.entries[] | select(.key | endswith("/twin/mark")) | .doc) |= del(.kind)' azure/state.json >state
cat state >azure/state.json
spawn emulator.log "$AZSWARM" emulator --dir "$PWD/azure"
wait_for 30 grep -q '^ready ' emulator.log || not_ok 'it starts again' "$(cat emulator.log)"
same 'after a stop they make a blob' 201 "$(curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X PUT \
	-d '<BlockList><Latest>MDI=</Latest><Latest>MDE=</Latest></BlockList>' "$(signed kept w)&comp=blocklist")"
same 'of both' twoone "$(curl -sS --cacert "$SSL_CERT_FILE" "$(signed kept r)")"
same 'and the lease holds' 412 "$(curl -sS -o out -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X DELETE "$(signed mark d)")"
list=$(arm POST ListServiceSas "{\"canonicalizedResource\":\"/blob/$account/twin\",
	\"signedResource\":\"c\",\"signedPermission\":\"l\",\"signedExpiry\":\"2099-01-01T00:00:00Z\",
	\"keyToSign\":\"key1\"}" | jq -r .serviceSasToken)
curl -sS --cacert "$SSL_CERT_FILE" "$url/twin?$list&restype=container&comp=list&prefix=mark" >out
check "what the version before made is listed: $(cut -c1-300 out)" grep -q '<Name>mark</Name>' out
files=$(find azure/blobs -type f | wc -l)
arm DELETE blobServices/default/containers/twin '' >out
# what stays is the program, the lock and the trail
check 'a container that goes takes its files along' test "$(find azure/blobs -type f | wc -l)" -le 3
check "of which there were $files" test "$files" -gt 10
