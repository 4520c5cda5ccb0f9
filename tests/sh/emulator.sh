# The local Azure as curl, jq and openssl see it: none of them is ours, and
# what they expect comes from recorded exchanges with the real one.  It shows
# that the local Azure speaks like Azure, not that Azure is like it.
# time: 180
. "$SRCDIR/tests/lib.sh"
need curl jq openssl ssh-keygen

# ---- starting, asking ----

start()		# [ARGUMENT...]
{
	starts=$((${starts:-0} + 1))
	spawn emulator.$starts "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure "$@"
	azure=$spawned
	wait_for 20 grep -q '^ready https://localhost:[0-9]*$' emulator.$starts || {
		not_ok start "$(cat emulator.$starts)"
		exit 1
	}
	. ./azure/env
	base=$AZURE_RESOURCE_MANAGER_ENDPOINT port=${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}
	S=/subscriptions/$AZURE_SUBSCRIPTION_ID
	ca=$SSL_CERT_FILE
	unset SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE
}

c()		# curl with the local Azure's authority and no proxy
{
	curl -sS -g --cacert "$ca" --noproxy '*' -m 60 "$@"
}

token()		# SECRET [SCOPE]: status; the answer is in ./body
{
	c -o body -w '%{http_code}' "$AZURE_AUTHORITY_HOST/${tenant:-$AZURE_TENANT_ID}/oauth2/v2.0/token" \
		--data-urlencode grant_type=client_credentials \
		--data-urlencode "client_id=${client:-$AZURE_CLIENT_ID}" \
		--data-urlencode "client_secret=$1" \
		--data-urlencode "scope=${2:-https://management.azure.com/.default}"
}

sign_in()
{
	T=$(token "$AZURE_CLIENT_SECRET" >/dev/null; jq -r .access_token body)
}

ask()		# METHOD PATH [CURL ARGUMENT...]: status in $status, answer in ./body, ./head
{
	ask_method=$1 ask_path=$2
	shift 2
	case $ask_method in HEAD) set -- -I "$@" ;; *) set -- -X "$ask_method" "$@" ;; esac
	: >body
	status=$(c -o body -D head -w '%{http_code}' -H "Authorization: Bearer $T" \
		-H 'Content-Type: application/json' "$@" "$base$ask_path")
}

field()		# NAME: of the last answer's header
{
	sed -n "s/\r\$//; s/^$1: //Ip" head | head -n 1
}

# The answer's status and, by a jq filter, what is in it.
answers()	# CASE STATUS FILTER WANTED
{
	answers_got=$(jq -rc "$3" body 2>/dev/null)
	if [ "$status" = "$2" ] && [ "$answers_got" = "$4" ]; then
		ok "$1"
	else
		not_ok "$1" "$status $answers_got, not $2 $4: $(head -c 400 body)"
	fi
}

refused()	# CASE STATUS CODE WORDS
{
	if [ "$status" = "$2" ] && [ "$(jq -r '.error.code // .Error.Code' body)" = "$3" ] &&
	    jq -r '.error.message // .Error.Message' body | grep -qF -e "$4"; then
		ok "$1"
	else
		not_ok "$1" "$status $(head -c 400 body)"
	fi
}

# Poll as the last answer says; the final word, or status, is left in $end.
finish()
{
	url=$(field Azure-AsyncOperation)
	[ -n "$url" ] || { finish_location; return; }
	n=0 end=none
	while [ $n -lt 300 ]; do
		c -o poll -H "Authorization: Bearer $T" "$url"
		end=$(jq -r .status poll)
		case $end in InProgress | Running | Accepted) ;; *) return ;; esac
		n=$((n + 1))
		sleep 0.2
	done
}
finish_location()
{
	url=$(field Location)
	n=0 end=none
	while [ $n -lt 300 ]; do
		end=$(c -o poll -w '%{http_code}' -H "Authorization: Bearer $T" "$url")
		[ "$end" = 202 ] || return
		n=$((n + 1))
		sleep 0.2
	done
}

network='api-version=2024-05-01'
compute='api-version=2024-07-01'
storage='api-version=2023-05-01'
core='api-version=2021-04-01'
G=; N=; M=; A=

# ---- the beginning ----

mkdir -m 755 open
for with in '' '--machines nspawn'; do
	# shellcheck disable=SC2086
	expect "a directory that others may use${with:+, $with}" 2 "open: others may use the directory \(mode 0755\)" \
		timeout 20 "$AZSWARM" emulator --listen 127.0.0.1:0 --dir open $with
done
same 'nothing is put there' '' "$(ls -A open)"
start
same 'the directory is for its owner' 700 "$(stat -c %a azure)"
same 'env, state and key are secret' '600 600 600' \
	"$(stat -c %a azure/env azure/state.json azure/ca.key | tr '\n' ' ' | sed 's/ $//')"
check 'the certificate names its hosts' sh -c "openssl s_client -connect localhost:$port \
	-servername x.blob.core.localhost </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName |
	grep -q 'DNS:\*.blob.core.localhost.*IP Address:168.63.129.16'"

status=$(c -o body -w '%{http_code}' "$base/metadata/endpoints?api-version=2022-09-01")
answers 'endpoints: one cloud, its own names' 200 '.[0]|[.resourceManager,.suffixes.storage]' \
	"[\"$base\",\"core.localhost:$port\"]"
status=$(c -o body -w '%{http_code}' "$base/metadata/endpoints?api-version=2015-01-01")
answers 'endpoints: the old shape' 200 '.authentication.loginEndpoint' "$base"

# ---- sign-in ----

status=$(token "$AZURE_CLIENT_SECRET")
answers 'a token for the secret' 200 '[.token_type,.expires_in,(.access_token|split(".")|length)]' \
	'["Bearer",3599,3]'
status=$(token wrong)
answers 'a wrong secret' 401 '[.error,.error_codes[0]]' '["invalid_client",7000215]'
status=$(client=11111111-1111-1111-1111-111111111111 token "$AZURE_CLIENT_SECRET")
answers 'an unknown application' 400 '[.error,.error_codes[0]]' '["unauthorized_client",700016]'
status=$(tenant=11111111-1111-1111-1111-111111111111 token "$AZURE_CLIENT_SECRET")
answers 'an unknown tenant' 400 '[.error,.error_codes[0]]' '["invalid_request",90002]'
status=$(token "$AZURE_CLIENT_SECRET" https://management.azure.com/user)
answers 'a scope that is no default' 400 '[.error,.error_codes[0]]' '["invalid_scope",1002012]'
status=$(token "$AZURE_CLIENT_SECRET" https://vault.azure.net/.default)
answers 'a resource nobody has' 400 '[.error,.error_codes[0]]' '["invalid_resource",500011]'
part()
{
	openssl base64 -A | tr '+/' '-_' | tr -d =
}
# federated: the local Azure believes every issuer; MSAL writes times with a fraction
assert()	# JQ EXPRESSION FOR exp
{
	assertion=$(printf '{"alg":"RS256"}' | part).$(jq -nc "{iss:\"https://i.example\",sub:\"s\",
		aud:\"api://AzureADTokenExchange\",exp:($1)}" | part).c2ln
	status=$(c -o body -w '%{http_code}' "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" \
		-d grant_type=client_credentials -d "client_id=$AZURE_CLIENT_ID" -d "client_assertion=$assertion" \
		-d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
		-d scope=https://management.azure.com/.default)
}
assert now+300.75
answers 'an assertion whose end has a fraction' 200 .token_type Bearer
assert now-900.25
answers 'one that is over' 401 '.error_codes[0]' 700024
ask_authority()	# AUTHORITY
{
	status=$(c -o body -w '%{http_code}' "$base/common/discovery/instance?api-version=1.0&authorization_endpoint=$1")
}
ask_authority "https://localhost/$AZURE_TENANT_ID/oauth2/v2.0/authorize"
answers 'an authority, without its port' 200 .tenant_discovery_endpoint \
	"$base/$AZURE_TENANT_ID/v2.0/.well-known/openid-configuration"
ask_authority https://login.example/common/oauth2/v2.0/authorize
answers 'an authority nobody knows' 400 '[.error,.error_codes[0]]' '["invalid_instance",50049]'
status=$(c -o body -w '%{http_code}' "$base/11111111-1111-1111-1111-111111111111/v2.0/.well-known/openid-configuration")
answers 'the configuration of a tenant that is not' 400 '[.error,.error_codes[0]]' '["invalid_tenant",90002]'
status=$(c -o body -w '%{http_code}' "$base/adfs/.well-known/openid-configuration")
answers 'that of ADFS' 200 .token_endpoint "$base/adfs/oauth2/token"
sign_in
status=$(c -o body -D head -w '%{http_code}' "$base$S?$core")
refused 'no token' 401 AuthenticationFailed "The 'Authorization' header is missing."
case $(field WWW-Authenticate) in
*"authorization_uri=\"$base/$AZURE_TENANT_ID\""*) ok 'the refusal names the tenant' ;;
*) not_ok 'the refusal names the tenant' "$(field WWW-Authenticate)" ;;
esac
keep=$T T=${T}x
ask GET "$S?$core"
refused 'a token that was bent' 401 InvalidAuthenticationToken 'The access token is invalid.'
T=$keep

# ---- Resource Manager in general ----

ask GET "$S"
refused 'no api-version' 400 MissingApiVersionParameter '(?api-version=) is required for all requests.'
ask GET "$S?api-version=2031-01-01"
refused 'an api-version of the future' 400 InvalidApiVersionParameter "The supported versions are '2022-12-01"
same 'each of them said once' '' "$(grep -o '20[0-9-]*' body | sort | uniq -d)"
ask GET "/subscriptions/11111111-1111-1111-1111-111111111111?$core"
refused 'another subscription' 404 SubscriptionNotFound 'could not be found'
ask GET "$S?$core" -H 'x-ms-correlation-request-id: 8a1f0000-0000-4000-8000-00000000c0de'
same 'the correlation id comes back' 8a1f0000-0000-4000-8000-00000000c0de "$(field x-ms-correlation-request-id)"
case $(field x-ms-request-id),$(field x-ms-ratelimit-remaining-subscription-reads) in
????????-*-????????????,[0-9]*) ok 'request id and rate limit' ;;
*) not_ok 'request id and rate limit' "$(cat head)" ;;
esac
ask GET "$S/locations?$core"
answers 'physical and logical regions' 200 '[.value[].metadata.regionType]|unique' '["Logical","Physical"]'
same 'long lists come in chunks' chunked "$(field Transfer-Encoding)"
ask GET "$S/providers/Microsoft.Nothing?$core"
refused 'a provider nobody has' 404 InvalidResourceNamespace 'is invalid'
ask POST "$S/providers/Microsoft.Compute/register?$core"
answers 'registering' 200 '[.namespace,.registrationState]' '["Microsoft.Compute","Registering"]'

# ---- groups ----

ask PUT "$S/resourcegroups/g1?$core" -d '{"location":"East US","tags":{"a":"b"}}'
answers 'a group' 201 '[.id,.location,.tags.a,.properties.provisioningState]' \
	"[\"$S/resourceGroups/g1\",\"eastus\",\"b\",\"Succeeded\"]"
ask PUT "$S/resourceGroups/G1?$core" -d '{"location":"eastus"}'
answers 'the same group in capitals' 200 .name g1
ask PUT "$S/resourcegroups/g1?$core" -d '{"location":"westus"}'
refused 'a group does not move' 409 InvalidResourceGroupLocation "already exists in location 'eastus'"
ask PUT "$S/resourcegroups/g2?$core" -d '{"location":"mars"}'
refused 'no such region' 400 LocationNotAvailableForResourceGroup "'mars' is not available"
ask PUT "$S/resourcegroups/g2?$core" -d '{"location":'
refused 'half a document' 400 InvalidRequestContent 'could not be deserialized'
ask HEAD "$S/resourcegroups/g1?$core"
same 'HEAD of a group that is there' 204 "$status"
ask HEAD "$S/resourcegroups/g2?$core"
same 'HEAD of one that is not' 404 "$status"
ask GET "$S/resourcegroups/g2/resources?$core"
refused 'resources of a group that is not' 404 ResourceGroupNotFound "Resource group 'g2' could not be found."
ask POST "$S/resourcegroups/g1?$core"
refused 'a method that groups do not have' 405 HttpMethodNotAllowed "'POST' is not supported"
ask GET "$S/resourcegroups?$core&\$filter=tagName%20eq%20'A'%20and%20tagValue%20eq%20'b'"
answers 'groups by a tag' 200 '[.value[].name]' '[]'
ask PATCH "$S/resourcegroups/g1?$core" -d '{"tags":{"a":"b","c":"d"}}'
answers 'tags' 200 .tags '{"a":"b","c":"d"}'
ask PATCH "$S/resourcegroups/g1?$core" -d '{"tags":{"a":"b"}}'
answers 'are replaced, not added to' 200 .tags '{"a":"b"}'
ask GET "$S/resourcegroups?$core&\$filter=tagName%20eq%20'A'%20and%20tagValue%20eq%20'b'"
answers 'groups by a tag, when there is one' 200 '[.value[].name]' '["g1"]'
ask GET "$S/resourcegroups?$core&\$filter=tagName%20eq%20'a'%20and%20tagValue%20eq%20'x'"
answers 'groups by a tag of another value' 200 '[.value[].name]' '[]'
ask GET "$S/resourcegroups?$core&\$filter=tagName%20ne%20'a'"
refused 'a filter that it does not know' 400 InvalidFilterInQueryString "Invalid \$filter 'tagName ne 'a''"
G=$S/resourceGroups/g1 N=$G/providers/Microsoft.Network M=$G/providers/Microsoft.Compute

# ---- storage ----

A=$G/providers/Microsoft.Storage/storageAccounts/stock1
ask POST "$S/providers/Microsoft.Storage/checkNameAvailability?$storage" \
	-d '{"name":"Stock_1","type":"Microsoft.Storage/storageAccounts"}'
answers 'a name with capitals' 200 '[.nameAvailable,.reason]' '[false,"AccountNameInvalid"]'
ask PUT "$A?$storage" -d '{"location":"eastus","sku":{"name":"Standard_LRS"},"kind":"StorageV2","properties":{}}'
same 'an account begins with 202, without a body' '202 0' "$status $(wc -c <body | tr -d ' ')"
same 'and says when to ask again' 1 "$(field Retry-After)"
length=$(field Location | wc -c)
[ "$length" -gt 3200 ] && ok 'poll URLs are as long as the real ones' ||
	not_ok 'poll URLs are as long as the real ones' "$length bytes"
cp head head.put
ask POST "$A/listKeys?$storage"
refused 'no keys before it is there' 409 StorageAccountIsNotProvisioned "must be 'Succeeded'"
cut=$(sed -n 's/\r$//; s/^Location: //Ip' head.put | sed 's/&h=.*//')
status=$(c -o body -w '%{http_code}' -H "Authorization: Bearer $T" "$cut")
refused 'a poll URL cut short' 400 InvalidAsyncOperationUri 'must be used as it is'
cp head.put head
finish
same 'the poll ends' 200 "$end"
same 'with the account' "stock1 https://stock1.blob.core.localhost:$port/" \
	"$(jq -r '"\(.name) \(.properties.primaryEndpoints.blob)"' poll)"
ask POST "$S/providers/Microsoft.Storage/checkNameAvailability?$storage" \
	-d '{"name":"stock1","type":"Microsoft.Storage/storageAccounts"}'
answers 'a name that is taken' 200 '[.nameAvailable,.reason]' '[false,"AlreadyExists"]'
ask PUT "$S/resourcegroups/g3?$core" -d '{"location":"eastus"}'
ask PUT "$S/resourceGroups/g3/providers/Microsoft.Storage/storageAccounts/stock1?$storage" \
	-d '{"location":"eastus","sku":{"name":"Standard_LRS"},"kind":"StorageV2"}'
refused 'taken by another group' 409 StorageAccountAlreadyTaken 'stock1 is already taken'
ask POST "$A/listKeys?$storage"
answers 'two keys' 200 '[.keys[]|[.keyName,(.value|length),.permissions]]' '[["key1",88,"FULL"],["key2",88,"FULL"]]'
key=$(jq -r '.keys[0].value' body)
ask PUT "$A/fileServices/default/shares/data?$storage" -d '{"properties":{"shareQuota":100}}'
answers 'a share' 201 '[.name,.type,.properties.shareQuota]' \
	'["data","Microsoft.Storage/storageAccounts/fileServices/shares",100]'
ask PUT "$A/fileServices/default/shares/Data--x?$storage" -d '{}'
refused 'a share with a name like that' 400 InvalidResourceName 'single hyphens'
ask GET "$A/fileServices/default/shares?$storage"
answers 'the list of shares' 200 '[.value[].name]' '["data"]'
ask GET "$A/fileServices/default/shares/none?$storage"
refused 'a share that is not' 404 ShareNotFound 'does not exist'
ask DELETE "$A/fileServices/default?$storage"
refused 'a service of the account is not the account' 404 InvalidResourceType "'fileServices'"
ask PUT "$A/blobServices/default/containers/bin?$storage" -d '{"properties":{"publicAccess":"None"}}'
answers 'a container' 201 .name bin

# Signatures are made here, by openssl and the documents, not by the emulator.
sign()		# STRING-TO-SIGN, in printf's form: base64, percent-encoded
{
	raw=$(printf '%s' "$key" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
	printf "$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$raw" -binary | openssl base64 -A |
		sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g'
}
blob=https://stock1.blob.core.localhost:$port/bin/tools/azswarm
end_time=2036-01-01T00:00:00Z
service()	# PERMISSIONS EXPIRY [RESOURCE]
{
	v=2020-12-06
	printf 'sv=%s&sr=b&sp=%s&se=%s&spr=https&sig=%s' $v "$1" "$2" \
		"$(sign "$1\n\n$2\n/blob/stock1/${3:-bin/tools/azswarm}\n\n\nhttps\n$v\nb\n\n\n\n\n\n\n")"
}
head -c 300000 "$AZSWARM" >upload
sas=$(service cw $end_time)
same 'an upload with a signature of ours' 201 \
	"$(c -o body -w '%{http_code}' -T upload -H 'x-ms-blob-type: BlockBlob' "$blob?$sas")"
same 'without a type of blob' '400 MissingRequiredHeader' \
	"$(c -o body -w '%{http_code}' -T upload "$blob?$sas") $(sed -n 's/.*<Code>\(.*\)<\/Code>.*/\1/p' body)"
code()		# status and code of a GET of that URL
{
	printf '%s %s' "$(c -o body -w '%{http_code}' "$@")" "$(sed -n 's/.*<Code>\(.*\)<\/Code>.*/\1/p' body)"
}
same 'writing is not reading' '403 AuthorizationPermissionMismatch' "$(code "$blob?$sas")"
sas=$(service r $end_time)
same 'reading is not writing' '403 AuthorizationPermissionMismatch' \
	"$(code -T upload -H 'x-ms-blob-type: BlockBlob' "$blob?$sas")"
c -o got "$blob?$sas"
check 'what comes back is what went in' cmp upload got
c -o got -D head -H 'Range: bytes=1000-1999' "$blob?$sas"
same 'a range' "bytes 1000-1999/300000 $(tail -c +1001 upload | head -c 1000 | sha256sum)" \
	"$(field Content-Range) $(sha256sum <got)"
same 'past the end' '416 InvalidRange' "$(code -H 'Range: bytes=300000-' "$blob?$sas")"
c -I -o head "$blob?$sas"
same 'HEAD' '300000 BlockBlob' "$(field Content-Length) $(field x-ms-blob-type)"
same 'another blob with this signature' '403 AuthenticationFailed' "$(code "${blob}2?$sas")"
same 'a bent signature' '403 AuthenticationFailed' "$(code "$blob?$(echo "$sas" | sed 's/sig=.../sig=AAA/')")"
same 'an old signature' '403 AuthenticationFailed' "$(code "$blob?$(service r 2020-01-01T00:00:00Z)")"
grep -q 'Signed expiry time .* must be after' body && ok 'and it says why' || not_ok 'and it says why' "$(cat body)"
same 'no signature' '409 PublicAccessNotPermitted' "$(code "$blob")"
same 'no such blob' '404 BlobNotFound' \
	"$(code "https://stock1.blob.core.localhost:$port/bin/none?$(service r $end_time bin/none)")"
same 'no such container' '404 ContainerNotFound' \
	"$(code "https://stock1.blob.core.localhost:$port/no/none?$(service r $end_time no/none)")"
v=2022-11-02
sas="sv=$v&ss=b&srt=o&sp=r&se=$end_time&spr=https&sig=$(sign "stock1\nr\nb\no\n\n$end_time\n\nhttps\n$v\n\n")"
same 'an account signature' 200 "$(c -o got -w '%{http_code}' "$blob?$sas")"
sas="sv=$v&ss=b&srt=c&sp=r&se=$end_time&spr=https&sig=$(sign "stock1\nr\nb\nc\n\n$end_time\n\nhttps\n$v\n\n")"
same 'an account signature for containers' '403 AuthorizationResourceTypeMismatch' "$(code "$blob?$sas")"
ask POST "$A/ListServiceSas?$storage" -d "{\"canonicalizedResource\":\"/blob/stock1/bin/tools/azswarm\",
	\"signedResource\":\"b\",\"signedPermission\":\"r\",\"signedProtocol\":\"https\",\"signedExpiry\":\"$end_time\"}"
same 'a signature that Azure makes' 200 "$(c -o got -w '%{http_code}' "$blob?$(jq -r .serviceSasToken body)")"
ask POST "$A/ListAccountSas?$storage" -d "{\"signedServices\":\"b\",\"signedResourceTypes\":\"o\",
	\"signedPermission\":\"r\",\"signedExpiry\":\"$end_time\"}"
same 'and one for the account' 200 "$(c -o got -w '%{http_code}' "$blob?$(jq -r .accountSasToken body)")"
ask POST "$A/regenerateKey?$storage" -d '{"keyName":"key1"}'
same 'a new key ends the old signatures' '403 AuthenticationFailed' "$(code "$blob?$(service r $end_time)")"

# ---- networks ----

ask PUT "$N/publicIPAddresses/p?$network" -d '{"location":"eastus"}'
refused 'a Basic address' 400 IPv4BasicSkuPublicIpCountLimitReached 'more than 0 IPv4 Basic SKU'
pip() { printf '{"location":"eastus","sku":{"name":"Standard"},"properties":{"publicIPAllocationMethod":"%s","dnsSettings":{"domainNameLabel":"%s"}}}' "$1" "$2"; }
ask PUT "$N/publicIPAddresses/p?$network" -d "$(pip Dynamic my-label)"
refused 'a Standard address is Static' 400 StandardSkuPublicIPAddressesMustBeStatic 'must have AllocationMethod set to Static'
ask PUT "$N/publicIPAddresses/p?$network" -d "$(pip Static my_label)"
refused 'a label with an underscore' 400 InvalidDomainNameLabel '^[a-z][a-z0-9-]{1,61}[a-z0-9]$'
ask PUT "$N/publicIPAddresses/p?$network" -d "$(pip Static my-label)"
answers 'an address' 201 '[.properties.provisioningState,.properties.dnsSettings.fqdn,(.properties.ipAddress|startswith("127.77."))]' \
	'["Updating","my-label.eastus.cloudapp.localhost",true]'
finish
same 'and its operation' '{"status":"Succeeded"}' "$(cat poll)"
prefix()	# SKU LENGTH
{
	jq -nc --arg sku "$1" --argjson n "$2" \
		'{location:"eastus",sku:{name:$sku},properties:{prefixLength:$n}}'
}
ask PUT "$N/publicIPPrefixes/r?$network" -d "$(prefix Basic 29)"
refused 'a prefix is Standard' 400 PublicIPPrefixSkuNotSupported 'must have the Standard SKU'
ask PUT "$N/publicIPPrefixes/r?$network" -d "$(prefix Standard 24)"
refused 'a prefix has at most sixteen addresses' 400 InvalidPublicIPPrefixLength 'not in the range 28 to 31'
ask PUT "$N/publicIPPrefixes/r?$network" -d "$(prefix Standard 29)"
answers 'a prefix' 201 '.properties|[.prefixLength,(.ipPrefix|test("/29$"))]' \
	'[29,true]'
finish
range=$(jq -r .properties.ipPrefix body)
ask PUT "$N/publicIPPrefixes/s?$network" -d "$(prefix Standard 31)"
same 'another one has other addresses' 201 "$status$(jq -r .properties.ipPrefix body | grep -F "${range%/*}/")"
finish
ask PUT "$N/publicIPPrefixes/r?$network" -d "$(prefix Standard 28)"
refused 'it keeps its length' 400 PublicIPPrefixLengthCannotBeChanged 'cannot be changed'
ask PUT "$N/publicIPPrefixes/r?$network" -d "$(prefix Standard 29)"
answers 'and its addresses' 200 .properties.ipPrefix "$range"
finish
ask PUT "$N/publicIPAddresses/q?$network" -d "$(pip Static my-label)"
refused 'a label twice' 400 DnsRecordInUse 'already used by another public IP'
ask PUT "$N/virtualNetworks/v?$network" -d '{"location":"eastus","properties":{"addressSpace":{"addressPrefixes":["10.1.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.2.0.0/24"}}]}}'
refused 'a subnet outside of its network' 400 NetcfgInvalidSubnet 'outside the IP address range'
ask PUT "$N/virtualNetworks/v?$network" -d '{"location":"eastus","properties":{"addressSpace":{"addressPrefixes":["10.1.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.1.0.0/24"}}]}}'
finish
ask GET "$N/virtualNetworks/v/subnets/s?$network"
answers 'a subnet by itself' 200 '[.name,.properties.addressPrefix]' '["s","10.1.0.0/24"]'
nic() { printf '{"location":"eastus","properties":{"ipConfigurations":[{"name":"c","properties":{"subnet":{"id":"%s"},"privateIPAllocationMethod":"%s","privateIPAddress":"%s"}}]}}' "$1" "$2" "$3"; }
ask PUT "$N/networkInterfaces/n?$network" -d "$(nic "$N/virtualNetworks/v/subnets/none" Dynamic '')"
refused 'an interface in no subnet' 400 InvalidResourceReference 'subnets/none referenced by resource'
ask PUT "$N/networkInterfaces/n?$network" -d "$(nic "$N/virtualNetworks/v/subnets/s" Static 10.1.0.3)"
refused 'the first addresses are Azure'"'"'s' 400 PrivateIPAddressInReservedRange '10.1.0.3'
ask PUT "$N/networkInterfaces/n?$network" -d "$(nic "$N/virtualNetworks/v/subnets/s" Dynamic '')"
answers 'the first address one gets' 201 '.properties.ipConfigurations[0].properties.privateIPAddress' 10.1.0.4
finish
ask PUT "$N/networkInterfaces/n2?$network" -d "$(nic "$N/virtualNetworks/v/subnets/s" Static 10.1.0.4)"
refused 'an address twice' 400 PrivateIPAddressIsAllocated 'already allocated to resource'
ask DELETE "$N/virtualNetworks/v?$network"
refused 'a network in use' 400 InUseSubnetCannotBeDeleted 'is in use by'
ask PUT "$N/virtualNetworks/v?api-version=2031-01-01" -d '{"location":"eastus"}'
refused 'a provider'"'"'s api-version' 400 NoRegisteredProviderFound "The supported api-versions are '2025-05-01"
ask GET "$N/virtualNetworks/none?$network"
refused 'a network that is not' 404 ResourceNotFound \
	"The Resource 'Microsoft.Network/virtualNetworks/none' under resource group 'g1' was not found."
same 'says who refused it' gateway "$(field x-ms-failure-cause)"

# ---- the cluster, from its template ----

ssh-keygen -q -t ed25519 -N '' -f id
custom=$(printf '#cloud-config\n' | base64)
deployment()	# [JQ FILTER on .properties.parameters]
{
	jq -n --slurpfile t "$SRCDIR/assets/arm/cluster.json" --arg key "$(cat id.pub)" --arg c "$custom" \
		'{properties:{mode:"Incremental",template:$t[0],parameters:({namePrefix:{value:"unit"},
		adminPublicKey:{value:$key},masterCount:{value:1},agentCount:{value:3},
		masterCustomData:{value:$c},agentCustomData:{value:$c}}'"${1:-}"')}}' >deployment.json
}
D=$S/resourcegroups/g1/providers/Microsoft.Resources/deployments/d1
deployment
ask POST "$D/validate?$core" -d @deployment.json
answers 'the template is valid' 200 '[.properties.provisioningState,.properties.parameters.masterCustomData]' \
	'["Succeeded",{"type":"SecureString"}]'
deployment '+{adminUsername:{value:"root"}}'
ask POST "$D/validate?$core" -d @deployment.json
answers 'a name that is reserved' 400 \
	'[.error.code,.error.details[0].code,([.error.details[0].details[].message]|unique)]' \
	'["InvalidTemplateDeployment","PreflightValidationCheckFailed",["The Admin Username specified is not allowed."]]'
deployment '+{agentSize:{value:"Standard_B1s"}}'
ask PUT "$D?$core" -d @deployment.json
answers 'a size that is gone' 400 '.error.details[0].details[0].code' SkuNotAvailable
deployment '+{adminPublicKey:{value:"ecdsa-sha2-nistp256 AAAA"}}'
ask PUT "$D?$core" -d @deployment.json
answers 'a key that Azure does not take' 400 '.error.details[0].details[0].target' \
	linuxConfiguration.ssh.publicKeys.keyData
deployment
jq 'del(.properties.parameters.namePrefix)' deployment.json >x && mv x deployment.json
ask PUT "$D?$core" -d @deployment.json
refused 'a parameter that is missing' 400 InvalidTemplate 'namePrefix'
head -c 70000 /dev/zero | base64 -w 0 >big
deployment
jq --rawfile b big '.properties.parameters.agentCustomData.value=$b' deployment.json >x && mv x deployment.json
ask PUT "$D?$core" -d @deployment.json
answers 'custom data over 64 KiB' 400 '.error.details[0].details[0].target' customData

deployment
ask PUT "$D?$core" -d @deployment.json
answers 'the deployment begins' 201 '[.properties.provisioningState,.properties.mode]' '["Accepted","Incremental"]'
cp head head.put
ask PUT "$D?$core" -d @deployment.json
refused 'one at a time' 409 DeploymentActive 'is still active'
cp head.put head
finish
same 'and ends well' Succeeded "$end"
ask GET "$D?$core"
answers 'its outputs' 200 '[.properties.outputs.masterFqdn.value,.properties.outputs.masterFqdn.type,(.properties.outputResources|length)]' \
	'["unit-master0.eastus.cloudapp.localhost","String",11]'
ask GET "$S/resources?$core&\$filter=resourceGroup%20eq%20'G1'%20and%20resourceType%20eq%20'Microsoft.Compute/virtualMachines'"
answers 'resources of one group and type' 200 '[.value[].name]' '["master0"]'
ask GET "$S/resources?$core&\$filter=resourceGroup%20eq%20'g3'%20and%20resourceType%20eq%20'Microsoft.Compute/virtualMachines'"
answers 'of another group' 200 '[.value[].name]' '[]'
ask GET "$D?$core"
# what a deployment says of its template, after the recorded one of an availability set
answers 'its providers' 200 '[.properties.providers[]|select(.namespace=="Microsoft.Compute").resourceTypes[]|
	[.resourceType,.locations]]|sort' \
	'[["availabilitySets",["eastus"]],["virtualMachineScaleSets",["eastus"]],["virtualMachines",["eastus"]]]'
answers 'its dependencies' 200 '[.properties.dependencies[]|select(.resourceName=="master0" and
	(.resourceType|endswith("/virtualMachines"))).dependsOn[]|.resourceType+" "+.resourceName]|sort' \
	'["Microsoft.Compute/availabilitySets masters","Microsoft.Network/networkInterfaces master0-nic"]'
first=$(jq -r .properties.templateHash body)
deployment '+{agentCount:{value:2}}'
ask POST "$D/validate?$core" -d @deployment.json
answers 'the hash is that of the template' 200 .properties.templateHash "$first"
jq '.properties.template.contentVersion="1.2.3.4"' deployment.json >x
ask POST "$D/validate?$core" -H 'x-ms-correlation-request-id: 8a1f0000-0000-4000-8000-00000000c0de' -d @x
answers 'of all of it' 200 ".properties.templateHash==\"$first\"" false
answers 'its correlation id is the request'\''s' 200 .properties.correlationId 8a1f0000-0000-4000-8000-00000000c0de
deployment
ask GET "$S/resourcegroups/g1/providers/Microsoft.Resources/deployments?$core&\$filter=provisioningState%20eq%20'Succeeded'"
answers 'deployments by their state' 200 '[.value[].name]' '["d1"]'
ask GET "$S/resourcegroups/g1/providers/Microsoft.Resources/deployments?$core&\$filter=provisioningState%20eq%20'Failed'"
answers 'deployments by another' 200 '[.value[].name]' '[]'
ask GET "$S/resourcegroups/g1/deployments/d1/operations?$core"
answers 'its operations' 200 \
	'[(.value|length),.value[0].properties.provisioningOperation,([.value[].properties.provisioningState]|unique)]' \
	'[12,"EvaluateDeploymentOutput",["Succeeded"]]'
ask GET "$S/resourcegroups/g1/deployments/d1/operations?$core&\$top=5"
pages=$(jq '.value|length' body)
while next=$(jq -r '.nextLink // empty' body) && [ -n "$next" ]; do
	c -o body -H "Authorization: Bearer $T" "$next"
	pages="$pages $(jq '.value|length' body)"
done
same 'pages, one of them empty' '5 0 5 2' "$pages"
ask GET "$S/resourcegroups/g1/providers/Microsoft.Resources/deployments/none?$core"
refused 'a deployment that is not' 404 DeploymentNotFound "Deployment 'none' could not be found."
# the public key goes where a VM wants it, the network is not there
D2=$S/resourcegroups/g3/providers/Microsoft.Resources/deployments/d2
jq -n --arg id "$S/resourceGroups/g3/providers/Microsoft.Network/virtualNetworks/none/subnets/x" \
	'{properties:{mode:"Incremental",template:{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",contentVersion:"1.0.0.0",resources:[{type:"Microsoft.Network/networkInterfaces",apiVersion:"2024-05-01",name:"n",location:"eastus",properties:{ipConfigurations:[{name:"c",properties:{subnet:{id:$id}}}]}}]}}}' >nic.json
ask PUT "$D2?$core" -d @nic.json
finish
same 'a deployment that fails' Failed "$end"
same 'tells the cause as text in text' 'DeploymentFailed BadRequest InvalidResourceReference' \
	"$(jq -r '.error|"\(.code) \(.details[0].code) \(.details[0].message|fromjson|.error.code)"' poll)"
ask GET "$S/resourcegroups/g3/deployments/d2/operations?$core"
answers 'and in its operations' 200 '.value[0].properties|[.provisioningState,.statusCode,.statusMessage.error.code]' \
	'["Failed","BadRequest","InvalidResourceReference"]'
deployments=$S/resourcegroups/g3/providers/Microsoft.Resources/deployments/
ask GET "$deployments?$core&\$filter=provisioningState%20eq%20'Failed'"
answers 'deployments that failed' 200 '[.value[].name]' '["d2"]'
ask GET "$deployments?$core&\$filter=provisioningState%20eq%20'Succeeded'"
answers 'those that did not' 200 '[.value[].name]' '[]'

# what the template lacks goes, and a network before the group that its subnet uses
N3=$S/resourceGroups/g3/providers/Microsoft.Network
for nsg in gone kept; do
	ask PUT "$N3/networkSecurityGroups/$nsg?$network" -d '{"location":"eastus","properties":{}}'
	finish
done
ask PUT "$N3/virtualNetworks/gone?$network" -d '{"location":"eastus","properties":{"addressSpace":{"addressPrefixes":
	["10.1.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.1.0.0/24","networkSecurityGroup":
	{"id":"'"$N3"'/networkSecurityGroups/gone"}}}]}}'
finish
jq -n '{properties:{mode:"Complete",template:{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",contentVersion:"1.0.0.0",resources:[{type:"Microsoft.Network/networkSecurityGroups",apiVersion:"2024-05-01",name:"kept",location:"eastus",properties:{}}]}}}' >kept.json
ask PUT "$D2?$core" -d @kept.json
finish
same 'a complete deployment' Succeeded "$end"
ask GET "$S/resourcegroups/g3/resources?$core"
answers 'leaves what the template has' 200 '[.value[].name]' '["kept"]'
ask GET "$D2?$core"
answers 'and says so' 200 .properties.mode Complete

# ---- rules of a balancer, and who was quicker ----

B=$N/loadBalancers/agents-lb
ask GET "$B?$network"
jq 'del(.etag)' body >balancer
etag=$(jq -r .etag body)
rules()		# JQ-CHANGE [CURL-ARGUMENT...]: of its rules
{
	jq ".properties.loadBalancingRules |= ($1)" balancer >rules
	shift
	ask PUT "$B?$network" "$@" -d @rules
}
like='map(del(.id, .etag)) | . + [.[0] * {name: "another", properties:'
rules "$like {frontendPort: 8443}}]"
refused 'two rules that end at one port' 400 RulesUseSameBackendPortProtocolAndPool \
	'with floating IP disabled use the same protocol Tcp and backend port 80, and must not be used'
rules "$like {backendPort: 8443}}]"
refused 'two that begin at one' 400 RulesUseSameFrontendPortProtocolAndIPConfig 'frontend port 80'
rules "$like {frontendPort: 8443, backendPort: 8443, probe: {id: \"$B/probes/none\"}}}]"
refused 'a probe that is not there' 400 InvalidResourceReference '/probes/none referenced by resource'
rules "$like {frontendPort: 65535, backendPort: 8443}}]"
refused 'a port that none has' 400 InvalidRequestFormat 'Cannot parse the request.'
rules "$like {protocol: \"Udp\"}}]" -H "If-Match: $etag"
answers 'the same ports of UDP are others' 200 '.properties.loadBalancingRules|map(.name)' '["http-80","http-81","another"]'
finish
rules . -H "If-Match: $etag"
refused 'who read it before is too late' 412 PreconditionFailed 'Precondition failed.'
answers 'in the words of the network' 412 '.error.details[0]|[.code,(.message|test("^Etag provided in if-match header W/.* does not match etag W/.* of resource /subscriptions/.*/agents-lb in NRP data store[.]$"))]' \
	'["PreconditionFailedEtagMismatch",true]'
rules .
finish
same 'without an etag nobody is' Succeeded "$end"

# ---- a security rule by itself ----

R=$N/networkSecurityGroups/agents-nsg/securityRules/own
rule='{"properties":{"priority":2000,"direction":"Inbound","access":"Allow","protocol":"Tcp","sourceAddressPrefix":"*","sourcePortRange":"*","destinationAddressPrefix":"*","destinationPortRange":"9443"}}'
ask PUT "$R?$network" -d "$rule"
answers 'is made' 201 '[.name,.properties.priority,.properties.provisioningState]' '["own",2000,"Succeeded"]'
finish
ask PUT "$R?$network" -d "$rule"
answers 'and changed' 200 .name own
finish
ask PUT "${R}2?$network" -d "$rule"
refused 'another with its priority is not' 400 SecurityRuleConflict 'conflicts with rule'
ask GET "$R?$network"
answers 'is there' 200 .properties.destinationPortRange 9443
ask DELETE "$R?$network"
same 'is deleted' 202 "$status"
finish
ask DELETE "$R?$network"
same 'and is gone' 204 "$status"

# ---- what the balancer does when all are down ----

behave()	# WORD API-VERSION
{
	jq --argjson w "$1" '.properties.probes[0].properties.noHealthyBackendsBehavior=$w' balancer >behaviour
	ask PUT "$B?api-version=$2" -d @behaviour
}
behave '"Both"' 2024-05-01
refused 'a behaviour that is not' 400 InvalidRequestFormat 'Cannot parse the request.'
answers 'which is said in the details' 400 '.error.details[0]|[.code,.message]' \
	"[\"InvalidJson\",\"Error converting value \\\"Both\\\" to type 'NoHealthyBackendsBehavior'. Path 'properties.probes'.\"]"
behave 7 2024-05-01
refused 'one that is no word' 400 InvalidRequestFormat 'Cannot parse the request.'
behave '"AllProbedUp"' 2023-11-01
answers 'an older version does not know it' 400 '.error.details[0].message|startswith("Could not find member")' true
behave '"AllProbedUp"' 2024-01-01
finish
ask GET "$B?$network"
answers 'a newer one keeps it' 200 '.properties.probes[0].properties.noHealthyBackendsBehavior' AllProbedUp

# ---- the scale set ----

V=$M/virtualMachineScaleSets/agents
instances()	# FILTER on each
{
	ask GET "$V/virtualMachines?$compute&\$expand=instanceView"
	jq -rc "[.value[]|$1]" body
}
power='.properties.instanceView.statuses[1].code|ltrimstr("PowerState/")'
same 'instances' '["agents_0","agents_1","agents_2"]' "$(instances .name)"
same 'their host names' '["agents000000","agents000001","agents000002"]' "$(instances .properties.osProfile.computerName)"
grep -q '"customData"\|I2Nsb3Vk' body && not_ok 'custom data stays inside' || ok 'custom data stays inside'
ask GET "$V/networkInterfaces?api-version=2018-10-01"
answers 'their addresses' 200 '[.value[].properties.ipConfigurations[0].properties.privateIPAddress]' \
	'["10.77.16.4","10.77.16.5","10.77.16.6"]'
scale() { ask PATCH "$V?$compute" -d "{\"sku\":{\"name\":\"Standard_B2s_v2\",\"tier\":\"Standard\",\"capacity\":$1}}"; }
scale 5
answers 'scaling out' 200 '[.sku.capacity,.properties.provisioningState]' '[5,"Updating"]'
cp head head.put
scale 2
refused 'not two at a time' 409 AnotherOperationInProgress 'Another operation on this or dependent resource'
cp head.put head
finish
same 'its operation has times and a name' 'Succeeded true true' \
	"$(jq -r '"\(.status) \(has("startTime") and has("endTime")) \(has("name"))"' poll)"
same 'five now' '["0","1","2","3","4"]' "$(instances .instanceId)"
scale 2
finish
same 'scaling in takes the newest' '["0","1"]' "$(instances .instanceId)"
ask PUT "$V?$compute" -d '{"location":"eastus","sku":{"name":"Standard_B2s_v2","tier":"Standard","capacity":3}}'
answers 'scaling with a PUT that names nothing else' 200 \
	'[.sku.capacity,.properties.upgradePolicy.mode,(.properties.virtualMachineProfile|has("osProfile"))]' \
	'[3,"Manual",true]'
finish
same 'three, with the same model' '[true,true,true]' "$(instances .properties.latestModelApplied)"
scale 2
finish
scale 90
refused 'over the quota' 409 OperationNotAllowed 'Total Regional Cores quota'
scale 101
refused 'over a placement group' 409 OperationNotAllowed \
	"exceeds the total limit of '100' Virtual Machine instances"
groups()	# true|false: one placement group?
{
	ask PATCH "$V?$compute" \
		-d "{\"properties\":{\"singlePlacementGroup\":$1}}"
}
groups false
answers 'one placement group becomes several' 200 \
	.properties.singlePlacementGroup false
finish
scale 101
refused 'and then the quota is what is in the way' 409 OperationNotAllowed \
	'Total Regional Cores quota'
scale 1001
refused 'over what several hold' 409 OperationNotAllowed \
	"exceeds the total limit of '1000' Virtual Machine instances"
groups true
refused 'several never become one again' 409 PropertyChangeNotAllowed \
	"Changing property 'singlePlacementGroup' is not allowed."
ask GET "$V?$compute"
jq 'del(.etag, .properties.singlePlacementGroup)' body >set.json
ask PUT "$V?$compute" -d @set.json
answers 'nor when nothing is said of it' 200 \
	.properties.singlePlacementGroup false
finish
ask POST "$V/poweroff?$compute"
same 'an action answers with both headers' '202 yes' \
	"$status $([ -n "$(field Azure-AsyncOperation)" ] && [ -n "$(field Location)" ] && echo yes)"
same 'while it works' '["stopping","stopping"]' "$(cp head head.put; instances "$power")"
cp head.put head
finish
same 'all stopped' '["stopped","stopped"]' "$(instances "$power")"
ask POST "$V/start?$compute" -d '{"instanceIds":["1"]}'
finish
same 'one started' '["stopped","running"]' "$(instances "$power")"
ask POST "$V/virtualMachines/0/deallocate?$compute"
finish
same 'one deallocated' '["deallocated","running"]' "$(instances "$power")"
ask POST "$V/delete?$compute" -d '{"instanceIds":["7"]}'
refused 'an instance that is not' 400 InvalidParameter 'The provided instanceId 7 is not an active'
ask GET "$V/virtualMachines/0notfound?$compute"
refused 'an id that is no number' 400 InvalidParameter 'instanceId must be a number'
ask POST "$V/delete?$compute"
refused 'delete wants to know which' 400 InvalidParameter 'instanceIds'
ask POST "$V/delete?$compute" -d '{"instanceIds":["0"]}'
finish
ask GET "$V?$compute"
answers 'a deleted one is missing from the capacity' 200 .sku.capacity 1
scale 2
finish
same 'ids are not used again' '["1","6"]' "$(instances .instanceId)"
ask GET "$V/instanceView?$compute"
answers 'the view of the whole' 200 '.virtualMachine.statusesSummary' \
	'[{"code":"ProvisioningState/succeeded","count":2},{"code":"PowerState/running","count":2}]'
ask GET "$V?$compute" && jq 'del(.etag)|.properties.virtualMachineProfile.osProfile.customData="IyEvYmluL3NoCg=="' body >model
ask PUT "$V?$compute" -d @model
finish
same 'a new model is not applied by itself' '[false,false]' "$(instances .properties.latestModelApplied)"
ask POST "$V/manualupgrade?$compute" -d '{"instanceIds":["1"]}'
finish
same 'only where it was asked for' '[true,false]' "$(instances .properties.latestModelApplied)"
ask POST "$V/virtualMachines/1/simulateEviction?$compute"
refused 'only Spot is evicted' 409 OperationNotAllowed "priority 'Spot' only"
ask GET "$V/virtualMachines/1/simulateEviction?$compute"
same 'an eviction is a POST' 405 "$status"
ask PUT "$V?$compute" -H 'If-Match: "77"' -d @model
refused 'an old etag' 412 PreconditionFailed 'does not match etag'
ask PUT "$M/virtualMachines/master0?$compute" -d "$(jq '.properties.template.resources[]|select(.type=="Microsoft.Compute/virtualMachines")' deployment.json)"
same 'what is no request is refused' 400 "$status"
ask GET "$S/providers/Microsoft.Compute/locations/eastus/usages?$compute"
answers 'used of the quota' 200 '.value[]|select(.name.value=="cores")|[.currentValue,.limit]' '[6,100]'
P=$S/providers/Microsoft.Compute/locations/eastus/publishers
ask GET "$P/Canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts/skus/server/versions?$compute"
answers 'versions of an image, with nothing around them' 200 '[.[].name]' '["24.04.202606110","24.04.202607280"]'
ask GET "$P/Canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts/skus/server/versions?$compute&\$top=1&\$orderby=name%20desc"
answers 'the latest of them' 200 '[.[].name]' '["24.04.202607280"]'
ask GET "$P/Canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts/skus/server-arm64/versions/24.04.202607280?$compute"
answers 'what an image is' 200 '[.properties.architecture,.properties.hyperVGeneration]' '["Arm64","V2"]'
ask GET "$P/Canonical/artifacttypes/vmimage/offers/none/skus?$compute"
refused 'an image that is not' 404 NotFound 'VMImage was not found'
ask GET "$S/providers/Microsoft.Compute/locations/eastus/vmSizes?$compute"
answers 'the old list of sizes' 200 '.value[]|select(.name=="Standard_B2s_v2")|[.numberOfCores,.memoryInMB]' '[2,8192]'
AS=$G/providers/microsoft.insights/autoscalesettings/agents-autoscale?api-version=2022-10-01
ask GET "$AS"
answers 'the autoscale setting' 200 .properties.profiles[0].capacity '{"minimum":"1","maximum":"5","default":"3"}'
ask PATCH "$AS" -d '{"properties":{"enabled":false}}'
refused 'is not changed without its profiles' 400 InvalidRequestContent 'has no profiles'

# ---- virtual machines ----

ask POST "$M/virtualMachines/master0/deallocate?$compute"
finish
ask GET "$M/virtualMachines/master0?$compute&\$expand=instanceView"
answers 'a machine deallocated' 200 '.properties.instanceView.statuses[1].code' PowerState/deallocated
ask PATCH "$M/virtualMachines/master0?$compute" -d '{"properties":{"osProfile":{"customData":"IyEvYmluL3NoCg=="}}}'
refused 'custom data of a machine is for life' 409 PropertyChangeNotAllowed 'osProfile.customData'
ask DELETE "$N/networkInterfaces/master0-nic?$network"
refused 'an interface in use' 400 NicInUse 'is in use by'
ask DELETE "$M/virtualMachines/master0?$compute"
finish
ask GET "$N/networkInterfaces/master0-nic?$network"
same 'its interface went with it' '404' "$status"

# ---- faults ----

faults() { printf '%s' "$1" >faults.new && mv faults.new azure/faults.json; }
faults '[{"request":"GET *resourcegroups/g1?*","skip":1,"times":2,"status":429,"code":"TooManyRequests","retryAfter":7}]'
codes=
for i in 1 2 3 4; do
	ask GET "$S/resourcegroups/g1?$core"
	codes="$codes$status,$(field Retry-After) "
done
same 'a fault: the second and the third' '200, 429,7 429,7 200, ' "$codes"
faults '[{"request":"get *LOCATIONS*","truncate":100},{"request":"GET *tenants*","reset":true},
	{"request":"GET *resourcegroups?*","delay_ms":700}]'
expect 'a fault: an answer cut short' 18 '' c -o body -H "Authorization: Bearer $T" "$base$S/locations?$core"
same 'as long as asked for' 100 "$(wc -c <body | tr -d ' ')"
expect 'a fault: a connection that is reset' 56 'reset by peer' c -S -o body -H "Authorization: Bearer $T" "$base/tenants?$core"
took=$(c -o body -w '%{time_total}' -H "Authorization: Bearer $T" "$base$S/resourcegroups?$core")
case $took in 0.[7-9]* | [1-9]*) ok 'a fault: a late one' ;; *) not_ok 'a fault: a late one' "$took" ;; esac
faults '[{"operation":"*scalesets/agents","verb":"reimage","code":"AllocationFailed","message":"no room"}]'
ask POST "$V/reimage?$compute" -d '{"instanceIds":["1"]}'
finish
same 'a fault: an operation that fails' 'Failed AllocationFailed no room' \
	"$(jq -r '"\(.status) \(.error.code) \(.error.message)"' poll)"
ask POST "$V/start?$compute"
finish
same 'another one does not' Succeeded "$end"
faults '[{"request":"GET *resourcegroups/g1?*","raw":"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"},
	{"request":"GET *resourcegroups?*","trickle_ms":2},{"request":"GET *tenants*","raw":""},
	{"request":"GET *LOCATIONS?*","status":200,"body":"<html>sign in</html>","fields":["X-A: b","x-a: c"]},
	{"request":"PUT *late?*","late":true,"times":1,"status":502,"retryAfter":"Sun, 15 Jun 2025 15:23:50 GMT"},
	{"operation":"*scalesets/agents","cancel":true},
	{"request":"GET *resourcegroups/late?*","times":1,"status":403,"code":"RequestDisallowedByPolicy","info":[{"type":"PolicyViolation"}]}]'
printf 'GET %s/resourcegroups/g1?%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n' "$S" "$core" "$T" |
	openssl s_client -connect "${base#https://}" -quiet -CAfile azure/ca.pem >raw 2>/dev/null
same 'a fault: bytes as they are' "$(printf 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}')" "$(cat raw)"
expect 'a fault: no answer' 52 '' c -o body -H "Authorization: Bearer $T" "$base/tenants?$core"
expect 'a fault: an answer that trickles' 0 '' c -o body -H "Authorization: Bearer $T" "$base$S/resourcegroups?$core"
check 'and is whole at the end' jq -e '.value | length > 0' body
ask GET "$S/locations?$core"
same 'a fault: HTML' '200 <html>sign in</html> text/html b c' \
	"$status $(cat body) $(field Content-Type) $(grep -i '^x-a:' head | tr -d '\r' | cut -d ' ' -f 2 | xargs)"
ask PUT "$S/resourcegroups/late?$core" -d '{"location":"eastus"}'
same 'a fault: done, and told otherwise' '502 Sun, 15 Jun 2025 15:23:50 GMT' "$status $(field Retry-After)"
ask GET "$S/resourcegroups/late?$core"
same 'a fault: with additionalInfo' '403 PolicyViolation' "$status $(jq -r '.error.additionalInfo[0].type' body)"
ask GET "$S/resourcegroups/late?$core"
same 'it was done' 200 "$status"
ask POST "$V/reimage?$compute" -d '{"instanceIds":["1"]}'
finish
same 'a fault: an operation that is cancelled' 'Canceled' "$end"

# a file that goes bad changes nothing; what is wrong is in the log
faults '[{"request":"GET *tenants*","status":418}]'
ask GET "/tenants?$core"
faults '[{"request":"GET *tenants*","status":503},{"name":"second","request":"*","staus":1}]'
ask GET "/tenants?$core"
same 'a file of faults that goes bad: the rules from before stay' 418 "$status"
check 'file, rule and key are in the log' grep -q \
	'azure/faults.json: rule 2 (second): "staus" is none of name, request, .*; the 1 rules from before stay$' azure/emulator.log
faults '[{"request":'
ask GET "/tenants?$core"
same 'also when it is not JSON' 418 "$status"
check 'and that is in the log' grep -q 'azure/faults.json: not JSON at byte .*; the 1 rules from before stay$' azure/emulator.log
faults '[{"request":"GET *tenants*","status":503}]'
ask GET "/tenants?$core"
same 'it is good again' 503 "$status"
rm azure/faults.json
ask GET "/tenants?$core"
same 'it is gone' 200 "$status"

bad_fault()	# RULE WHY: the emulator does not start with it
{
	printf '[{"request":"PUT *"},%s]' "$1" >bad.json
	expect "no such fault: $1" 1 "^azswarm: emulator: bad\\.json: rule 2: $2" timeout 20 "$AZSWARM" emulator \
		--dir bad --listen 127.0.0.1:0 --faults bad.json
}
bad_fault '{"request":"*","time":2}' '"time" is none of name, request, skip, .*trickle_ms, reset, raw$'
bad_fault '{"operation":"*","raw":""}' '"raw" is none of name, operation, verb, .*cancel, code, message, status$'
bad_fault '{"request":"*","seen":0}' '"seen" is none of '
bad_fault '{"status":500}' '"status" is none of name, .*mfa, device_s, notice_s, heard_only, new, addresses, restricted$'
bad_fault '{}' 'there is neither "request" nor "operation"$'
bad_fault '{"request":"*","operation":"*"}' 'it is about a request or about an operation, not both$'
bad_fault '{"request":"*","code":"X"}' '"code" says nothing without "status"$'
bad_fault '{"request":"*","delay_ms":600001}' 'delay_ms: expected a whole number from 0 to 600000, found 600001$'
bad_fault '{"request":"*","trickle_ms":-1}' 'trickle_ms: expected a whole number from 0 to 600000, found -1$'
bad_fault '{"request":"*","status":99}' 'status: expected a whole number from 200 to 599, found 99$'
bad_fault '{"request":"*","times":"2"}' 'times: expected a number, found a string$'
bad_fault '{"request":1}' 'request: expected a string, found a number$'
bad_fault '{"request":"*","reset":1}' 'reset: expected true or false, found a number$'
bad_fault '{"request":"*","fields":[1]}' 'fields: expected strings, found a number$'
bad_fault '{"request":"*","status":429,"retryAfter":true}' 'retryAfter: expected a string, found '
bad_fault '{"notice_s":0}' 'notice_s: expected a whole number from 1 to 900, found 0$'
bad_fault '{"request":"*","heard_only":true}' '"heard_only" is none of '
bad_fault '7' 'expected an object, found a number$'
printf '{"request":"*"}' >bad.json
expect 'faults that are no array' 1 'bad\.json: expected an array of rules, found an object$' timeout 20 "$AZSWARM" emulator \
	--dir bad --listen 127.0.0.1:0 --faults bad.json
printf '[{"request":"GET *","delay_ms":600000}]' >azure/faults.json
expect 'the longest delay is one' 28 '' c -m 2 -o body "$base/tenants?$core"
rm azure/faults.json
ask DELETE "$S/resourcegroups/late?$core"
finish

# ---- again ----

# a second signal ends it at once, and with it what it has not saved yet
wait_for 20 jq -e '[.entries[].key|select(endswith("/late"))]==[]' azure/state.json ||
	not_ok 'what is deleted is no longer in the file'
reap "$azure"
wanted=$AZURE_SUBSCRIPTION_ID
start
same 'the same subscription after a restart' "$wanted" "$AZURE_SUBSCRIPTION_ID"
ask GET "$S/resourcegroups?$core"
answers 'an old token, the same groups' 200 '[.value[].name]' '["g1","g3"]'
same 'the same instances' '["1","6"]' "$(instances .instanceId)"
key=$(ask POST "$A/listKeys?$storage"; jq -r '.keys[0].value' body)
blob=https://stock1.blob.core.localhost:$port/bin/tools/azswarm
c -o got "$blob?$(service r $end_time)"
check 'the same blob' cmp upload got

# ---- the end ----

ask DELETE "$S/resourcegroups/g1?$core"
cp head head.put
ask PUT "$S/resourcegroups/g1?$core" -d '{"location":"eastus"}'
refused 'a group on its way out' 409 ResourceGroupBeingDeleted 'in deprovisioning state'
cp head.put head
finish
same 'gone' 200 "$end"
ask GET "$S/resourcegroups/g1?$core"
refused 'a group that was' 404 ResourceGroupNotFound "'g1' could not be found."
same 'blobs go with their account' 0 "$(find azure/blobs -type f | wc -l | tr -d ' ')"
grep -qF "$AZURE_CLIENT_SECRET" azure/emulator.log && not_ok 'no secret in the log' || ok 'no secret in the log'

# a name that is not there would only show when that document is asked for
grep -ohE '"@[a-z][a-z0-9-]*"' "$SRCDIR"/emulator/*.c "$SRCDIR"/emulator/arm/*.c | tr -d '"@' | sort -u >used
awk 'BEGIN { RS = ""; FS = "\n" } !/^#/ { print $1 }' "$SRCDIR/assets/azure/shapes" | sort >shapes
same 'every shape has one name and a use' '' "$(test -s shapes && diff shapes used)"
