# An account that allows no shared keys: who signs addresses of its blobs does it
# with a key that Entra's word gets him.  Microsoft's client for blob storage signs
# and the local Azure checks; we sign and azurite, Microsoft's local blob service,
# checks.
# time: 300
# needs: node, npm, jq, openssl, curl, python3
. "$SRCDIR/tests/lib.sh"
need openssl curl python3 jq
npm_modules azure
azure_modules=$NODE_PATH
npm_modules azurite
account=azsdelegate

spawn emulator.log "$AZSWARM" emulator --dir "$PWD/azure" --listen 127.0.0.1:0
if ! wait_for 30 grep -q '^ready ' emulator.log; then
	not_ok start "the local Azure did not start: $(cat emulator.log)"
	exit 1
fi
. azure/env
export STORAGE_ACCOUNT_NAME=$account XDG_CACHE_HOME="$PWD/cache"

# ---- one that a policy keeps from having keys ----------------------------------------

cat >azure/faults.json <<'END'
[{"request": "PUT *storageAccounts/*", "status": 403, "code": "RequestDisallowedByPolicy",
  "message": "Resource was disallowed by policy.", "times": 1}]
END
expect 'made without' 0 'allows no shared keys.*autoscale stays off' "$AZSWARM" deploy-storage --yes
"$AZSWARM" keys >keys.log 2>&1
expect params 0 'allows no shared keys' "$AZSWARM" params
url=$(jq -r .parameters.masterCustomData.value parameters/cluster.json | base64 -d |
	grep -o "https://$account[^'\" \\\\]*/azswarm-[^'\" \\\\]*" | head -n 1)
same 'nothing is mounted' '' "$(jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d |
	grep -o 'share_name=[^\\]*' | cut -d = -f 2)"
same 'autoscale is off' false "$(jq .parameters.autoscaleEnabled.value parameters/cluster.json)"
curl -sS --cacert "$SSL_CERT_FILE" -o fetched "$url"
check 'the address gives the program' cmp fetched "$AZSWARM"
same 'a key signs for nobody there' KeyBasedAuthenticationNotPermitted "$(
	token=$(curl -sS --cacert "$SSL_CERT_FILE" \
		-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
		--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
		"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)
	sas=$(curl -sS --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
		-d "{\"canonicalizedResource\":\"/blob/$account/azswarm\",\"signedResource\":\"c\",\"signedPermission\":\"r\",
			\"signedExpiry\":\"2099-01-01T00:00:00Z\",\"keyToSign\":\"key1\"}" \
		"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-storage/providers/Microsoft.Storage/storageAccounts/$account/ListServiceSas?api-version=2023-01-01" |
		jq -r .serviceSasToken)
	curl -sS --cacert "$SSL_CERT_FILE" -o key.out -D - "${url%%\?*}?$sas" | sed -n 's/^x-ms-error-code: \(.*\)\r$/\1/p')"

# ---- Microsoft's client, our blob service --------------------------------------------

blob=${url%%\?*}
blob=${blob##*/}
NODE_PATH=$azure_modules NODE_EXTRA_CA_CERTS=$SSL_CERT_FILE NO_PROXY='*' node "$SRCDIR/tests/npm/azure/delegation.js" \
	"$account" azswarm "$blob" "$AZSWARM" 2>errors || test_failures=1
[ ! -s errors ] || grep -v -e Warning -e '^(Use' errors >&2

# ---- our signature, Microsoft's blob service -----------------------------------------
#
# azurite takes tokens of Entra's issuers only, and looks at no signature: an az
# that is none of Microsoft's gives such a one for storage, and the local Azure's
# for all else.

openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=azurite -keyout leaf.key \
	-out leaf.csr 2>openssl.log
printf 'subjectAltName=DNS:%s.blob.core.localhost\nextendedKeyUsage=serverAuth\n' $account >leaf.ext
openssl x509 -req -in leaf.csr -CA azure/ca.pem -CAkey azure/ca.key -CAcreateserial -days 2 \
	-extfile leaf.ext -out leaf.pem 2>>openssl.log
mkdir data bin
azurite_port=$(free_port)
AZURITE_ACCOUNTS="$account:$(printf 'a key that nobody signs with' | base64 -w 0)"
export AZURITE_ACCOUNTS
spawn azurite.log node "$NODE_PATH/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 --blobPort "$azurite_port" \
	--location data --cert leaf.pem --key leaf.key --oauth basic --disableTelemetry --debug azurite-debug.log
wait_for 60 grep -q 'successfully listen' azurite.log || {
	not_ok 'azurite starts' "$(tail -n 3 azurite.log | tr '\n' ' ')"
	exit 1
}
b64()
{
	base64 -w 0 | tr '+/' '-_' | tr -d =
}
now=$(date +%s)
claims="{\"aud\":\"https://storage.azure.com\",\"iss\":\"https://sts.windows.net/$AZURE_TENANT_ID/\",\"iat\":$now,
	\"nbf\":$((now - 60)),\"exp\":$((now + 3600)),\"oid\":\"33333333-3333-3333-3333-333333333333\",
	\"tid\":\"$AZURE_TENANT_ID\"}"
entra=$(printf '{"alg":"RS256","typ":"JWT"}' | b64).$(printf %s "$claims" | b64).$(printf none | b64)
code()	# CURL'S ARGUMENTS: status and code
{
	curl -sS -o code.out -D code.head -w '%{http_code}' --cacert "$SSL_CERT_FILE" \
		--resolve "$account.blob.core.localhost:$azurite_port:127.0.0.1" "$@"
	sed -n 's/^x-ms-error-code: \(.*\)\r$/ \1/p' code.head
}
azurite=https://$account.blob.core.localhost:$azurite_port
same 'azurite has the container' 201 "$(code -X PUT -H "Authorization: Bearer $entra" -H 'x-ms-version: 2021-12-02' \
	-H 'Content-Length: 0' "$azurite/azswarm?restype=container")"

# the account's endpoint is azurite's from now on: a rule of the local Azure tells so
arm_account=$(curl -sS --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $(curl -sS --cacert "$SSL_CERT_FILE" \
	-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)" \
	"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-storage/providers/Microsoft.Storage/storageAccounts/$account?api-version=2023-05-01")
printf %s "$arm_account" | jq --arg blob "$azurite/" '.properties.primaryEndpoints.blob = $blob | [{
	request: "GET */storageAccounts/*", status: 200, body: tojson }]' >rules && mv rules azure/faults.json
cat >bin/az <<END
#!/bin/sh
case "\$*" in
*storage.azure.com*) token='$entra' ;;
*) token=\$(curl -sS --cacert '$SSL_CERT_FILE' \\
	-d 'grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET' \\
	--data-urlencode 'scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default' \\
	'$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token' | jq -r .access_token) ;;
esac
echo "{\"accessToken\":\"\$token\",\"expires_on\":$((now + 3000)),\"tokenType\":\"Bearer\"}"
END
chmod +x bin/az
export PATH="$PWD/bin:$PATH" AZURE_TOKEN_CREDENTIALS=AzureCliCredential
sleep 1
expect 'the program goes to azurite' 0 'program [0-9a-f]{12}\.\.\. uploaded' "$AZSWARM" deploy-storage
expect 'once' 0 'in storage already' "$AZSWARM" deploy-storage
rm -r parameters
expect 'params, of azurite' 0 '' "$AZSWARM" params
url=$(jq -r .parameters.masterCustomData.value parameters/cluster.json | base64 -d |
	grep -o "https://$account[^'\" \\\\]*/azswarm-[^'\" \\\\]*" | head -n 1)
case $url in
"$azurite"/*skoid=33333333-*) ok 'signed with the key of who asked' ;;
*) not_ok 'signed with the key of who asked' "$(printf %s "$url" | sed 's/sig=.*/sig=.../')" ;;
esac
same 'azurite takes the signature' 200 "$(code "$url")"
check 'and gives the program' cmp code.out "$AZSWARM"
same 'not another' '403 AuthorizationFailure' "$(code "$(printf %s "$url" | sed 's/sig=./sig=%2B/')")"
same 'nor another permission' '403 AuthorizationFailure' "$(code "$(printf %s "$url" | sed 's/sp=r/sp=rcw/')")"
same 'nor another expiry' '403 AuthorizationFailure' "$(code "$(printf %s "$url" | sed 's/&se=20/\&se=21/')")"
same 'it does not write' '403 AuthorizationPermissionMismatch' \
	"$(code "$url" -X PUT -H 'x-ms-blob-type: BlockBlob' -H 'x-ms-version: 2021-12-02' -d other)"
