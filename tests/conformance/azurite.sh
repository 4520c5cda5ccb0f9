# Our upload and what machines download, against azurite: Microsoft's own local
# blob service in place of ours.  The local Azure makes the account, its keys
# and the signatures; a router on the port that it names sends what is for the
# account's blob host to azurite, by the name in the TLS greeting, and all else
# to the local Azure, which listens beside it.
# time: 300
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/founding.sh"
need openssl curl python3 jq
must_make build/tests/life_tool
npm_modules azurite
account=azsazurite

# ---- the local Azure on 127.0.0.2, the router on 127.0.0.1 ----------------------

cat >router.py <<'END'
# router.py PORT SUFFIX: connections to 127.0.0.1:PORT whose SNI ends in SUFFIX go
# to the port in the file "blob.port" while it is there, all else to 127.0.0.2:PORT.
import os, select, socket, sys, threading
port, suffix = int(sys.argv[1]), sys.argv[2]
def exactly(s, n):
	b = b""
	while len(b) < n:
		d = s.recv(n - len(b))
		if not d:
			raise OSError("short")
		b += d
	return b
def name_of(hello):	# RFC 8446 4.1.2, RFC 6066 3
	at = 4 + 2 + 32
	at += 1 + hello[at]
	at += 2 + int.from_bytes(hello[at:at + 2], "big")
	at += 1 + hello[at]
	at += 2
	while at + 4 <= len(hello):
		kind, n = int.from_bytes(hello[at:at + 2], "big"), int.from_bytes(hello[at + 2:at + 4], "big")
		if kind == 0:
			return hello[at + 9:at + 4 + n].decode()
		at += 4 + n
	return ""
def serve(c):
	to = None
	try:
		head = exactly(c, 5)
		hello = exactly(c, int.from_bytes(head[3:5], "big"))
		at = ("127.0.0.2", port)
		if name_of(hello).endswith(suffix) and os.path.exists("blob.port"):
			at = ("127.0.0.1", int(open("blob.port").read()))
			print("azurite", flush=True)
		to = socket.create_connection(at)
		to.sendall(head + hello)
		pair = {c: to, to: c}
		while pair:
			for s in select.select(list(pair), [], [])[0]:
				d = s.recv(65536)
				if not d:
					return
				pair[s].sendall(d)
	except OSError:
		pass
	finally:
		c.close()
		if to:
			to.close()
l = socket.socket()
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(("127.0.0.1", port))
l.listen(64)
print("ready", flush=True)
while True:
	threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
END
spawn emulator.log "$AZSWARM" emulator --dir "$PWD/azure" --listen 127.0.0.2:0
if ! wait_for 30 grep -q '^ready ' emulator.log; then
	not_ok start "the local Azure did not start: $(cat emulator.log)"
	exit 1
fi
. azure/env
port=${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}
spawn router.log python3 router.py "$port" .blob.core.localhost
if ! wait_for 20 grep -q ready router.log; then
	not_ok start "the router did not start: $(tail -n 1 router.log)"
	exit 1
fi
export STORAGE_ACCOUNT_NAME=$account XDG_CACHE_HOME="$PWD/cache"
expect 'the account is made' 0 '' "$AZSWARM" deploy-storage

# arm METHOD PATH-IN-THE-ACCOUNT [BODY]
arm()
{
	[ -n "${token-}" ] || token=$(curl -sS --cacert "$SSL_CERT_FILE" \
		-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
		--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
		"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)
	curl -sS --cacert "$SSL_CERT_FILE" -X "$1" -H "Authorization: Bearer $token" \
		-H 'Content-Type: application/json' -d "${3-}" \
		"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-storage/providers/Microsoft.Storage/storageAccounts/$account/$2?api-version=2023-01-01"
}
key=$(arm POST listKeys | jq -r '.keys[0].value')
case $key in
*==) ok 'listKeys' ;;
*) not_ok listKeys "got '$key'"; exit 1 ;;
esac

# ---- azurite -----------------------------------------------------------------------

openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=azurite -keyout leaf.key \
	-out leaf.csr 2>openssl.log
printf 'subjectAltName=DNS:%s.blob.core.localhost\nextendedKeyUsage=serverAuth\n' $account >leaf.ext
openssl x509 -req -in leaf.csr -CA azure/ca.pem -CAkey azure/ca.key -CAcreateserial -days 2 \
	-extfile leaf.ext -out leaf.pem 2>>openssl.log

not_running()
{
	! running "$1"
}

# azurite KEY: (again) with that key, and an empty container
azurite()
{
	[ -z "${azurite_pid-}" ] || reap "$azurite_pid"
	rm -rf data blob.port
	mkdir data
	azurite_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	azurite_key=$1
	export AZURITE_ACCOUNTS="$account:$1"
	spawn azurite.log node "$NODE_PATH/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 \
		--blobPort "$azurite_port" --location data --cert leaf.pem --key leaf.key \
		--disableTelemetry --debug azurite-debug.log
	azurite_pid=$spawned
	wait_for 60 grep -q 'successfully listen' azurite.log || {
		not_ok 'azurite starts' "$(tail -n 3 azurite.log | tr '\n' ' ')"
		exit 1
	}
	echo "$azurite_port" >blob.port
	container azswarm
	container images
}

# container NAME: what ARM makes, by shared key ("Authorize with Shared Key")
container()
{
	azurite_date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
	azurite_mac=$(printf 'PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:%s\nx-ms-version:2021-12-02\n/%s/%s\nrestype:container' \
		"$azurite_date" "$account" "$1" | openssl dgst -sha256 -mac HMAC \
		-macopt "hexkey:$(printf %s "$azurite_key" | base64 -d | od -An -v -tx1 | tr -d ' \n')" -binary | base64)
	same "azurite has the container $1" 201 "$(curl -sS -o container.out -w '%{http_code}' --cacert "$SSL_CERT_FILE" \
		-X PUT -H "x-ms-date: $azurite_date" -H 'x-ms-version: 2021-12-02' -H 'Content-Length: 0' \
		-H "Authorization: SharedKey $account:$azurite_mac" \
		"https://$account.blob.core.localhost:$port/$1?restype=container")"
}
azurite "$key"

# ---- up ---------------------------------------------------------------------------

expect 'the program goes to azurite' 0 'program [0-9a-f]{12}\.\.\. uploaded' "$AZSWARM" deploy-storage
check 'by way of the router' grep -q azurite router.log
expect 'once' 0 'in storage already' "$AZSWARM" deploy-storage

# ---- two operators ------------------------------------------------------------------

same 'its trail: both' 'deploy-storage done, deploy-storage done' \
	"$("$AZSWARM" audit --output json | jq -r 'map(.command + " " + .outcome) | join(", ")')"
echo '[{ "request": "PUT */shares/*", "times": 2, "delay_ms": 10000 }]' >azure/faults.json
export AZSWARM_LOG="$PWD/first.log"
spawn first.out "$AZSWARM" create-shares
first=$spawned
unset AZSWARM_LOG
wait_for 10 grep -q comp=metadata first.log
expect 'its lease: who comes second is told' 3 "is at 'create-shares' since" "$AZSWARM" destroy-compute --confirm swarm-cluster
got=0
wait "$first" || got=$?
same 'it is renewed while the command waits' "0 201 200 200" "$got $(sed -n 's/.*comp=lease[^ ]* \([0-9]*\) .*/\1/p' first.log | xargs)"
rm azure/faults.json
echo '[{ "request": "PUT */shares/*", "delay_ms": 7000 }]' >azure/faults.json
spawn second.out "$AZSWARM" create-shares
second=$spawned
sleep 2
rm azure/faults.json
expect 'it is broken' 0 'the lock is taken away' "$AZSWARM" create-shares --break-lock
wait_for 60 not_running "$second"
check 'the other one had its next change refused, or none left' grep -q 'lock is lost\|share' second.out
expect 'and in the end it is free' 0 '' "$AZSWARM" create-shares
"$AZSWARM" keys >keys.log 2>&1
expect params 0 '' "$AZSWARM" params

# ---- and down, as cloud-init does it -------------------------------------------------

jq -r .parameters.masterCustomData.value parameters/cluster.json | base64 -d >user-data
url=$(grep -o "https://$account[^'\" \\\\]*/azswarm-[^'\" \\\\]*" user-data | head -n 1)
sum=$(sha256sum <"$AZSWARM" | cut -d ' ' -f 1)
check 'user data holds the sum' grep -q "$sum" user-data

# fetch URL [CURL'S OPTIONS]: prints status and code, the body in ./fetched
fetch()
{
	fetch_url=$1
	shift
	curl -sS -o fetched -D fetched.head -w '%{http_code}' --cacert "$SSL_CERT_FILE" "$@" "$fetch_url"
	sed -n 's/^x-ms-error-code: \(.*\)\r$/ \1/p' fetched.head
}
same 'the signed URL' 200 "$(fetch "$url")"
check 'gives the program, byte for byte' cmp fetched "$AZSWARM"
check 'as bytes' grep -qi '^content-type: application/octet-stream' fetched.head
same 'part of it' 206 "$(fetch "$url" -r 0-3)"
same 'an ELF file' "$(printf '\177ELF')" "$(cat fetched)"
same 'another signature' '403 AuthorizationFailure' "$(fetch "$(printf %s "$url" | sed 's/sig=./sig=%2B/')")"
same 'another expiry' '403 AuthorizationFailure' "$(fetch "$(printf %s "$url" | sed 's/se=20/se=21/')")"
same 'another permission' '403 AuthorizationFailure' "$(fetch "$(printf %s "$url" | sed 's/sp=r/sp=rcw/')")"
same 'another blob' '403 AuthorizationFailure' "$(fetch "$(printf %s "$url" | sed 's/azswarm-/azswarm_/')")"
case $(fetch "${url%%\?*}") in
403* | 404* | 409*) ok 'no signature' ;;
*) not_ok 'no signature' "$(cat fetched.head)" ;;
esac
same 'it does not write' '403 AuthorizationPermissionMismatch' \
	"$(fetch "$url" -X PUT -H 'x-ms-blob-type: BlockBlob' -d other)"
same 'nor delete' '403 AuthorizationPermissionMismatch' "$(fetch "$url" -X DELETE)"

blob=${url%%\?*}
blob=${blob##*/}
# signed PERMISSIONS EXPIRY: a URL that the local Azure signs
signed()
{
	echo "${url%%\?*}?$(arm POST ListServiceSas "{\"canonicalizedResource\":\"/blob/$account/azswarm/$blob\",
		\"signedResource\":\"b\",\"signedPermission\":\"$1\",\"signedExpiry\":\"$2\",\"keyToSign\":\"key1\"}" |
		jq -r .serviceSasToken)"
}
same 'a signature of now' 200 "$(fetch "$(signed r "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)")")"
same 'a signature of yesterday' '403 AuthorizationFailure' \
	"$(fetch "$(signed r "$(date -u -d '-1 day' +%Y-%m-%dT%H:%M:%SZ)")")"

# ---- images: blocks, lists, conditions -------------------------------------------------

python3 "$SRCDIR/tests/images.py" saved large.tar 20 large:1
python3 "$SRCDIR/tests/images.py" saved small.tar 0 small:1
export AZSWARM_LOG="$PWD/push.log"
expect 'push of an image in blocks' 0 'large:1 pushed; 20.0 MiB were not' "$AZSWARM" push large:1 --from large.tar
same 'three of them' '3 1' "$(grep -c 'comp=block&.* 201 ' push.log) $(grep -c 'comp=blocklist.* 201 ' push.log)"
expect 'the same again' 0 'large:1 pushed; 0.0 MiB' "$AZSWARM" push large:1 --from large.tar
expect 'a small one' 0 'small:1 pushed' "$AZSWARM" push small:1 --from small.tar
python3 "$SRCDIR/tests/images.py" saved cut.tar 40 cut:1 7
rm push.log
spawn cut.log "$AZSWARM" push cut:1 --from cut.tar
cut=$spawned
wait_for 60 grep -q 'comp=block&.* 201 ' push.log
kill -INT "$cut"
wait "$cut" 2>/dev/null
rm push.log
expect 'one that was cut off' 0 'cut:1 pushed' "$AZSWARM" push cut:1 --from cut.tar
check "goes on: $(grep -c 'comp=block&.* 201 ' push.log) blocks of six" test "$(grep -c 'comp=block&.* 201 ' push.log)" -lt 6
unset AZSWARM_LOG
same 'what is there' 'cut:1 large:1 small:1' \
	"$("$AZSWARM" images --output json | jq -r '[.[] | .name + ":" + .tag] | join(" ")')"
same 'of which platforms' linux/amd64 "$("$AZSWARM" images small --output tsv | cut -f 6)"
expect 'one goes' 0 '^small:1 removed$' "$AZSWARM" images rm small:1 --yes

# ---- a swarm is founded once ---------------------------------------------------------

marker_urls
founding_holds "$masters_url" "$agents_url"

# ---- what tests/blob.jsonl says of it ----------------------------------------------------

container twin
python3 "$SRCDIR/tests/blob_twin.py" "https://$account.blob.core.localhost:$port" $account "$key" \
	"$SSL_CERT_FILE" >azurite.jsonl 2>twin.err
check "173 requests: $(tail -n 1 twin.err)" test ! -s twin.err
check 'its answers are what sh/blob holds ours against' cmp azurite.jsonl "$SRCDIR/tests/blob.jsonl"

# ---- refused -----------------------------------------------------------------------------

azurite "$(printf 'another key that is not the one' | base64 -w 0)"
expect 'an account with another key' 1 'uploading this program: blob storage: HTTP 403 .*request' \
	"$AZSWARM" deploy-storage
if grep -q 'sig=' out; then
	not_ok 'the signature is shown' "$(cat out)"
fi
# the URL is good, and nothing there
azurite "$key"
same 'a blob that is not there' '404 BlobNotFound' "$(fetch "$url")"
reap "$azurite_pid"
