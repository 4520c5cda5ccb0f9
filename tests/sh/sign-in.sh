# Certificates, clouds and subscriptions, end to end: each assertion is verified
# by two programs that are not ours, the package jose and OpenSSL.
# time: 120
. "$SRCDIR/tests/lib.sh"
need openssl
npm_modules jose

new_cert()	# NAME: NAME.key into NAME.crt
{
	openssl req -x509 -key "$1.key" -subj "/CN=$1" -days 2 -out "$1.crt" \
		-addext 'subjectAltName=DNS:localhost' 2>/dev/null
}
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out tls.key 2>/dev/null
new_cert tls
for bits in 2048 2049 3072; do		# 2049: the padding begins with a whole byte of nothing
	openssl genrsa -out $bits.key $bits 2>/dev/null
	new_cert $bits
	cat $bits.crt $bits.key >$bits.pem
done
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.key 2>/dev/null
new_cert ec
openssl rsa -in 2048.key -traditional -out pkcs1.key 2>/dev/null
cat pkcs1.key 2048.crt >pkcs1.pem
cat ec.crt 2048.pem 3072.crt >chain.pem
cat ec.crt ec.key >ec.pem
cat 2048.key 3072.crt >stranger.pem
openssl pkey -in 2048.key -aes256 -passout pass:x -out sealed.key 2>/dev/null
cat sealed.key 2048.crt >sealed.pem
openssl rsa -in 2048.key -traditional -aes256 -passout pass:x -out sealed1.key 2>/dev/null
cat sealed1.key 2048.crt >sealed1.pem
openssl pkcs12 -export -in 2048.pem -passout pass:x -out client.pfx 2>/dev/null
check "keys: PKCS#1" grep -q 'BEGIN RSA PRIVATE KEY' pkcs1.key
check "keys: PKCS#8" grep -q 'BEGIN PRIVATE KEY' 2048.key

cp 2048.crt client.crt
spawn log node "$SRCDIR/tests/npm/jose/entra.js" tls.key tls.crt client.crt
wait_for 20 grep -q '^port' log || { not_ok "the server" "$(cat log)"; exit 1; }
port=$(sed -n 's/^port //p' log)
export SSL_CERT_FILE="$PWD/tls.crt" XDG_CACHE_HOME="$PWD/cache" NO_PROXY=localhost
export AZURE_TENANT_ID=tenant-1 AZURE_CLIENT_ID=client-1 AZURE_SUBSCRIPTION_ID=S-1
export AZURE_RESOURCE_MANAGER_ENDPOINT="https://localhost:$port" AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9
unset AZURE_CLIENT_SECRET AZURE_AUTHORITY_HOST AZURE_CLOUD AZURE_TOKEN_CREDENTIALS AZURE_FEDERATED_TOKEN_FILE

locations()	# PEM [SETTING...]
{
	rm -rf cache
	locations_pem=$1
	shift
	env AZURE_CLIENT_CERTIFICATE_PATH="$locations_pem" "$@" "$AZSWARM" locations
}
# The signature of the JWT by openssl(1), too.
openssl_verifies()	# CERT OPTIONS...
{
	openssl x509 -in "$1" -noout -pubkey >pub
	shift
	cut -d. -f3 jwt | tr '_-' '/+' | awk '{ while (length % 4) $0 = $0 "="; print }' |
		openssl base64 -d -A >sig
	printf %s "$(cut -d. -f1,2 jwt)" >signed
	openssl dgst -sha256 -verify pub "$@" -signature sig signed
}
pss='-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256'

for bits in 2048 2049 3072; do
	cp $bits.crt client.crt
	expect "PS256: RSA-$bits" 0 region-1 locations $bits.pem
	check "PS256: RSA-$bits: jose" grep -q '^verified PS256 0' log
	# shellcheck disable=SC2086
	check "PS256: RSA-$bits: OpenSSL" openssl_verifies $bits.crt $pss
	expect "RS256: RSA-$bits" 0 region-1 locations $bits.pem AZURE_CLIENT_CERTIFICATE_ALG=RS256
	check "RS256: RSA-$bits: jose" grep -q '^verified RS256 0' log
	check "RS256: RSA-$bits: OpenSSL" openssl_verifies $bits.crt
	check "RS256: RSA-$bits: not PSS" sh -c '! openssl dgst -sha256 -verify pub -sigopt \
		rsa_padding_mode:pss -signature sig signed'
done
cp 2048.crt client.crt
n=0
while [ $n -lt 20 ]; do		# salt, hash and mask are other bits each time
	locations 2048.pem >/dev/null 2>&1 || break
	n=$((n + 1))
done
same "PS256: twenty times" 20 $n
expect "a key in PKCS#1, in front of its certificate" 0 region-1 locations pkcs1.pem
expect "others' certificates in front of and behind it" 0 region-1 locations chain.pem
check "... are not sent" grep -q '^verified PS256 0' log
expect "the chain is sent" 0 region-1 locations chain.pem AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true
check "... ours in front" grep -q '^verified PS256 3' log

# refusals
expect "a certificate that the application has not" 4 'AADSTS700027.*; upload this certificate' \
	locations 3072.pem
expect "PFX" 1 "PKCS #12 \(PFX\) cannot be read, PEM can: 'openssl pkcs12 -in client.pfx -nodes -out" \
	locations client.pfx
check "PFX: what it says to do does it" openssl pkcs12 -in client.pfx -nodes -out new.pem -passin pass:x
expect "PFX: and then it can be read" 0 region-1 locations new.pem
for f in sealed sealed1; do
	expect "a passphrase ($f)" 1 "the key has a passphrase: 'openssl pkey -in $f.pem -out" locations $f.pem
	check "a passphrase ($f): what it says to do does it" openssl pkey -in $f.pem -out new.pem -passin pass:x
	cat 2048.crt >>new.pem
	expect "a passphrase ($f): and then it can be read" 0 region-1 locations new.pem
done
expect "an EC key" 1 'only RSA keys will do' locations ec.pem
expect "another key's certificate" 1 'no certificate of its private key' locations stranger.pem
expect "a key alone" 1 'no certificate of its private key' locations 2048.key
expect "a certificate alone" 1 'no private key' locations 2048.crt
expect "no file" 1 'AZURE_CLIENT_CERTIFICATE_PATH: cannot read none.pem' locations none.pem
check "no key in what was said" sh -c '! grep -q "BEGIN\|MII" out'

# clouds
for shape in object array; do
	echo $shape >shape
	expect "a cloud in an $shape" 0 region-1 locations 2048.pem
done
echo adfs >shape
expect "Azure Stack: AD FS" 0 region-1 locations 2048.pem
check "... in the older shape" grep -qF 'api-version=2015-01-01 200' log
check "... by RS256, at its own path" sh -c 'grep -A1 "^verified RS256" log | grep -q "^POST /adfs/oauth2/token 200"'
expect "AD FS by its setting" 4 'wrong: resource' locations 2048.pem AZURE_AUTHORITY_HOST="https://localhost:$port/adfs/"
echo plain >shape
expect "a sign-in endpoint without TLS" 2 'expected an https URL' locations 2048.pem
echo none >shape
expect "a cloud without a sign-in endpoint" 1 'finding the endpoints.*loginEndpoint' locations 2048.pem
echo third >shape
expect "a cloud of several audiences: its own" 0 region-1 locations 2048.pem
cp log log.before
echo stolen >shape
expect "a cloud that wants the token of another" 1 'it wants a token for https://management.azure.com/, which is not its own' locations 2048.pem
same "... is asked for nothing more" "$(grep -c token log.before)" "$(grep -c token log)"
echo disguised >shape
expect "... behind a path" 1 'it wants a token for https://management.azure.com/7.*, which is not its own' locations 2048.pem
same "... is asked for nothing more, either" "$(grep -c token log.before)" "$(grep -c token log)"
echo elsewhere >shape
expect "a cloud that wants the credential sent elsewhere" 1 \
	"it wants credentials to be sent to https://evil.test, which is neither its own nor a known cloud's; if" locations 2048.pem
rm shape

# subscriptions
export AZURE_SUBSCRIPTION_ID=
one='{"subscriptionId":"S-1","displayName":"First","state":"Enabled"}'
off='{"subscriptionId":"S-2","displayName":"Second","state":"Disabled"}'
two='{"subscriptionId":"S-3","displayName":"Third","state":"Enabled"}'
echo "[$off,$one]" >subscriptions
expect "the only subscription" 0 'subscription S-1 \(First\), the only one' locations 2048.pem
check "... is used" grep -q 'Of S-1' out
echo "[$one,$off,$two]" >subscriptions
expect "several subscriptions" 2 'Set AZURE_SUBSCRIPTION_ID to one of S-1 \(First\), S-3 \(Third\)$' locations 2048.pem
echo "[$off]" >subscriptions
expect "a subscription that is off" 4 'signed in, but Second \(S-2\) is Disabled; .*AZURE_SUBSCRIPTION_ID' locations 2048.pem
check "... is none to ask an owner for" sh -c '! grep -q "ask an owner" out'
echo "[$off,{\"subscriptionId\":\"S-4\",\"displayName\":\"Fourth\",\"state\":\"Warned\"}]" >subscriptions
expect "a subscription whose owner is warned" 0 'subscription S-4 \(Fourth\), the only one' locations 2048.pem
echo '[]' >subscriptions
expect "no subscription" 4 'ask an owner of one for the role Contributor' locations 2048.pem
expect "one that is set" 0 'Of S-3' locations 2048.pem AZURE_SUBSCRIPTION_ID=S-3

# Clouds that are not here: whom a proxy is asked for.
cat >proxy.js <<'Y'
const server = require('http').createServer().on('connect', (q, s) => {
	console.log(q.url);
	s.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
}).listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
Y
spawn proxy.log node proxy.js
wait_for 20 grep -q '^port' proxy.log || not_ok "the proxy" "$(cat proxy.log)"
unset AZURE_RESOURCE_MANAGER_ENDPOINT AZURE_CLIENT_CERTIFICATE_PATH
https_proxy=http://127.0.0.1:$(sed -n 's/^port //p' proxy.log)
export https_proxy AZURE_CLIENT_SECRET=secret AZURE_SUBSCRIPTION_ID=S-1
asked()		# SETTING...: hosts that azswarm wants to reach
{
	asked_before=$(wc -l <proxy.log)
	env "$@" "$AZSWARM" locations >out 2>&1 </dev/null
	tail -n +$((asked_before + 1)) proxy.log | sort -u | tr '\n' ' '
}
cloud()		# CASE LOGIN-HOST ARM-HOST SETTING...
{
	cloud_case=$1 cloud_login=$2 cloud_arm=$3
	shift 3
	rm -rf cache
	same "$cloud_case: sign-in" "$cloud_login:443 " "$(asked "$@")"
	mkdir -p cache/azswarm
	printf '{"tokens":[{"credential":"EnvironmentCredential","authority":"https://%s","tenant":"tenant-1",
		"client":"client-1","scope":"https://%s/.default","token":"x","expires_on":%s}]}' \
		"$cloud_login" "$cloud_arm" $(($(date +%s) + 3600)) >cache/azswarm/tokens.json
	same "$cloud_case: Resource Manager" "$cloud_arm:443 " "$(asked "$@")"
}
cloud "public cloud" login.microsoftonline.com management.azure.com A=b
cloud AzureUSGovernment login.microsoftonline.us management.usgovcloudapi.net AZURE_CLOUD=AzureUSGovernment
cloud "azurechinacloud" login.chinacloudapi.cn management.chinacloudapi.cn AZURE_CLOUD=azurechinacloud
cloud "a cloud by its sign-in endpoint" login.microsoftonline.us management.usgovcloudapi.net \
	AZURE_AUTHORITY_HOST=https://login.microsoftonline.us/
cloud "China's other name" login.partner.microsoftonline.cn management.chinacloudapi.cn \
	AZURE_AUTHORITY_HOST=https://login.partner.microsoftonline.cn
cloud "a cloud by its Resource Manager" login.microsoftonline.us management.usgovcloudapi.net \
	AZURE_RESOURCE_MANAGER_ENDPOINT=https://management.usgovcloudapi.net/
