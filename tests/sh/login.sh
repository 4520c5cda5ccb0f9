# A person signs in: in a browser, by a code, refused, too late, with a second
# factor.  First at the local Azure, for what only Entra has; then at an OpenID
# provider that is not ours (tests/oidc_server.mjs), which has to take all that
# we send; last, Microsoft's own client has to take what the local Azure says.
# time: 240
. "$SRCDIR/tests/lib.sh"
need curl jq openssl

unset AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_SUBSCRIPTION_ID DISPLAY WAYLAND_DISPLAY BROWSER
export XDG_CACHE_HOME="$PWD/cache" AZURE_TOKEN_CREDENTIALS=LoginCredential
login=cache/azswarm/login.json tokens=cache/azswarm/tokens.json

# What a browser is here: curl that gives $answer on every page with a form, and
# leaves the last page in ./page.
cat >browser <<'END'
#!/bin/sh
go() { rm -f page; curl -sS -L $keep -m 20 --cacert "$SSL_CERT_FILE" --noproxy '*' -b jar -c jar -o page -w '%{url_effective}' "$@"; }
rm -f jar
at=$(go "$1")
n=0
while action=$(sed -n 's/.*<form method=post\( action=\([^ >]*\)\)*.*/x\2/p' page 2>/dev/null | head -n 1); [ -n "$action" ] && [ $n -lt 6 ]; do
	case $action in x) to=$at ;; *) to=$(echo "$at" | cut -d / -f 1-3)${action#x} ;; esac
	at=$(go -d "answer=${answer:-yes}" "$to")
	n=$((n + 1))
done
END
chmod +x browser

# The code that azswarm shows, once it does.
shown() { code=$(sed -n 's/.*enter the code \([^ ]*\)$/\1/p' "$1"); [ -n "$code" ]; }
page_of() { sed -n 's/.*open \(https[^ ]*\).*/\1/p' "$1" | head -n 1; }

# azswarm in the background; its exit code comes to $log.code.
begin()		# LOG ARGUMENT...
{
	begin_log=$1
	shift
	rm -f "$begin_log.code"
	: >"$begin_log"
	spawn "$begin_log" sh -c '"$@"; echo $? >"$0.code"' "$begin_log" "$AZSWARM" "$@"
}
# Ctrl-C for the azswarm below the shell that waits for it.
interrupt() { kill -INT "$(ps -o pid= --ppid "$spawned" | tr -d ' ')"; }

ended()		# CASE LOG STATUS ERE
{
	wait_for 15 test -s "$2.code" || :
	if [ "$(cat "$2.code" 2>/dev/null)" = "$3" ] && grep -qE -e "$4" "$2"; then
		ok "$1"
	else
		not_ok "$1" "exit $(cat "$2.code" 2>/dev/null), not $3 with '$4': $(tail -n 2 "$2")"
	fi
}

# ---- the local Azure ----

spawn emulator "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 20 grep -q '^ready ' emulator || { not_ok start "$(cat emulator)"; exit 1; }
. ./azure/env
secret=$AZURE_CLIENT_SECRET client=$AZURE_CLIENT_ID tenant=$AZURE_TENANT_ID subscription=$AZURE_SUBSCRIPTION_ID
unset AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_SUBSCRIPTION_ID
export BROWSER="$PWD/browser"

expect 'status before' 4 "^  LoginCredential: nobody signed in$" "$AZSWARM" status
expect 'a command before' 4 'not signed in' "$AZSWARM" locations
expect 'logout before' 0 "nobody was signed in by 'azswarm login'" "$AZSWARM" logout
expect 'no home to keep it in' 1 'there is no home directory' env -u HOME -u XDG_CACHE_HOME timeout 60 "$AZSWARM" login
check '... and nobody was bothered' sh -c '! grep -q open out'
expect 'by the browser' 0 "^subscription Local Azure \($subscription\)" timeout 60 "$AZSWARM" login
check 'the URL is shown' grep -qE "open https://.*/organizations/oauth2/v2.0/authorize\?.*&code_challenge_method=S256" out
check 'the page says so' grep -q 'azswarm goes on' page
expect 'a command after' 0 eastus "$AZSWARM" locations
same 'what is kept is secret' '600 600 700' "$(stat -c %a $login $tokens cache/azswarm | tr '\n' ' ' | sed 's/ $//')"
"$AZSWARM" status --output json >who 2>&1
same 'who I am' "[\"user@local.example\",\"LoginCredential\",\"$tenant\",\"$subscription\",\"Local Azure\"]" \
	"$(jq -c '[.name,.credential,.tenant,.subscription,.subscriptionName]' who)"
same 'until when' ok "$(jq -r '.until|fromdate|if . > now+3000 and . < now+3700 then "ok" else . end' who)"
expect 'status for people' 0 '^tenant +[0-9a-f-]{36}$' "$AZSWARM" status
"$AZSWARM" status --output tsv >who
same 'status as TSV' 8 "$(head -n 1 who | tr '\t' '\n' | wc -l)"
# a token may say anything
mkdir fake
cat >fake/az <<E
#!/bin/sh
echo '{"accessToken":"e30.$(printf '%s' '{"upn":"m\u001b[31me"}' | base64 -w0 | tr -d =).x","expires_on":$(($(date +%s) + 3600))}'
E
chmod +x fake/az
AZURE_TOKEN_CREDENTIALS=AzureCliCredential PATH="$PWD/fake:$PATH" "$AZSWARM" status >who 2>&1
check 'status of a hostile name' grep -q '^name  *m.*e$' who
check '... sends a terminal nothing but text' sh -c '! grep -q "$(printf "\\033")" who'

rm $tokens
before=$(jq -r '.logins[0].refresh_token' $login)
expect 'a refresh' 0 eastus "$AZSWARM" locations
[ "$(jq -r '.logins[0].refresh_token' $login)" != "$before" ] && ok 'the refresh token is replaced' ||
	not_ok 'the refresh token is replaced'
expect 'choosing a subscription needs no browser' 0 '^subscription Local Azure' env BROWSER=false \
	timeout 60 "$AZSWARM" login --subscription "$subscription"
expect 'a subscription of others' 2 'none of yours' env BROWSER=false timeout 60 "$AZSWARM" login --subscription 1-2-3
cp $login kept
jq -c '.logins[0].refresh_token += "x"' kept >$login
rm -f $tokens
expect 'a refresh token that is no longer good' 4 \
	"the sign-in has ended; run 'azswarm login': .*invalid_grant: AADSTS70000" "$AZSWARM" locations
echo '{' >$login
expect 'a broken file is none' 4 'not signed in' "$AZSWARM" status
cp kept $login

expect 'the person says no' 4 'sign-in refused: access_denied: AADSTS65004' env answer=no timeout 60 "$AZSWARM" login
expect 'that changes nothing' 0 eastus "$AZSWARM" locations
expect 'an unknown tenant' 4 "AADSTS90002: Tenant 'nowhere.example' not found" timeout 60 "$AZSWARM" login --device-code \
	--tenant nowhere.example
expect 'an application that is not known, by code' 4 'AADSTS700016.*trace' timeout 60 "$AZSWARM" login --device-code --client-id \
	11111111-1111-1111-1111-111111111111
expect 'claims that are none' 2 '^azswarm: login: --claims-challenge' timeout 60 "$AZSWARM" login --claims-challenge 'x!'

# What comes to the port from elsewhere.
port_of() { sed -n 's/.*redirect_uri=http%3A%2F%2Flocalhost%3A\([0-9]*\)&.*/\1/p' "$1"; }
visit() { curl -s -m 5 --noproxy '*' -o page -w '%{http_code}' "http://localhost:$(port_of b)$1"; }
export BROWSER=true
begin b login
wait_for 10 grep -q redirect_uri b
same 'an icon' 404 "$(visit /favicon.ico)"
same 'something else' 404 "$(visit /)"
same 'another state' 400 "$(visit '/?code=stolen&state=guessed')"
check '... is told so' grep -q 'not the answer to the sign-in that azswarm waits for' page
same 'no state' 400 "$(visit '/?code=stolen')"
same 'an error with another state' 400 "$(visit '/?error=access_denied&state=guessed')"
same 'a hundred more' '100 400' "$(for i in $(seq 100); do visit "/?code=$i&state=$i"; echo; done | sort | uniq -c | xargs)"
check 'the wait goes on' test ! -s b.code
./browser "$(page_of b)" 2>/dev/null
ended 'the real answer still counts' b 0 '^signed in$'
check '... and is told so' grep -q 'azswarm goes on' page
begin b login
wait_for 10 grep -q redirect_uri b
state=$(sed -n 's/.*&state=\([^&]*\)&.*/\1/p' b)
same 'half of the state' 400 "$(visit "/?code=invented&state=$(printf %.20s "$state")")"
same 'an invented code' 200 "$(visit "/?code=invented&state=$state")"
ended 'it buys nothing' b 4 'invalid_grant: AADSTS70000'
begin b login
wait_for 10 grep -q redirect_uri b
interrupt
ended 'Ctrl-C while waiting for the browser' b 130 'interrupted'

# Without a desktop, or when told to: a code.
unset BROWSER
type_code()	# LOG ANSWER
{
	wait_for 10 shown "$1"
	typed=$(curl -sS -m 10 --cacert "$SSL_CERT_FILE" --noproxy '*' "$(page_of "$1")" -d "user_code=$code" -d "answer=$2")
}
begin d login
type_code d yes
ended 'by a code' d 0 '^signed in$'
begin d login --device-code --quiet
type_code d no
ended 'the person declines' d 4 'authorization_declined: AADSTS65004'
begin d login
wait_for 10 shown d
interrupt
ended 'Ctrl-C while waiting for the code' d 130 'interrupted'
echo '[{"device_s":2}]' >azure/faults.json
begin d login
ended 'a code that nobody entered' d 3 'nobody entered the code within 2 s|the code has expired'
rm azure/faults.json

# ---- the second factor ----

expect 'without the policy' 0 . "$AZSWARM" deploy-storage --storage-account-name first1
echo '[{"mfa":true}]' >azure/faults.json
expect 'Azure wants a second factor' 4 'azswarm login --claims-challenge [A-Za-z0-9+/=]+.*AADSTS50076' \
	"$AZSWARM" create-shares --storage-account-name first1
expect 'reading needs none' 0 eastus "$AZSWARM" locations
claims=$(sed -n 's/.*--claims-challenge \([A-Za-z0-9+/=]*\).*/\1/p' out)
[ -n "$claims" ] || claims=$("$AZSWARM" create-shares --storage-account-name first1 2>&1 |
	sed -n "s/.*--claims-challenge \([A-Za-z0-9+/=]*\).*/\1/p")
same 'what it wants' p1 "$(echo "$claims" | base64 -d | jq -r '.access_token.acrs.values[0]')"
expect 'signing in with it' 0 '^signed in$' env answer=mfa BROWSER="$PWD/browser" timeout 60 "$AZSWARM" login \
	--claims-challenge "$claims"
expect 'now it may' 0 . "$AZSWARM" create-shares --storage-account-name first1
rm $tokens
expect 'and again, by a silent refresh' 0 . "$AZSWARM" create-shares --storage-account-name first1
rm azure/faults.json

expect 'logout' 0 '^signed out user@local.example$' "$AZSWARM" logout
same 'nothing is left' '' "$(ls $login $tokens 2>/dev/null)"
expect 'status after' 4 'not signed in' "$AZSWARM" status

# ---- an OpenID provider that others wrote ----

npm_modules oidc
tenant=11111111-2222-3333-4444-555555555555
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -keyout tls.key \
	-out tls.pem -addext subjectAltName=DNS:localhost 2>openssl.err
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=client -keyout client.key -out client.crt 2>openssl.err
cat client.key client.crt >client.pem
export SSL_CERT_FILE="$PWD/tls.pem"
provider()	# SUBSCRIPTIONS
{
	spawn provider node "$SRCDIR/tests/oidc_server.mjs" tls.key tls.pem $tenant client.crt "$1"
	provider=$spawned
	wait_for 20 grep -q '^ready ' provider || { not_ok provider "$(cat provider)"; exit 1; }
	export AZURE_AUTHORITY_HOST="https://localhost:$(sed -n 's/^ready //p' provider)"
	export AZURE_RESOURCE_MANAGER_ENDPOINT=$AZURE_AUTHORITY_HOST
}
provider 1
export BROWSER="$PWD/browser"
expect 'provider: code, PKCE, loopback' 0 '^subscription Subscription 0 \(00000000-' timeout 60 "$AZSWARM" login --tenant $tenant
expect 'provider: its token' 0 eastus "$AZSWARM" locations
same 'provider: name and tenant' "[\"user@provider.example\",\"$tenant\"]" "$(jq -c '.logins[1]//.logins[0]|[.name,.tenant]' $login)"
rm -f $tokens
first=$(jq -r '.logins[0].refresh_token' $login)
cp $login kept
expect 'provider: a refresh' 0 eastus "$AZSWARM" locations
[ "$(jq -r '.logins[0].refresh_token' $login)" != "$first" ] && ok 'provider: the refresh token is replaced' ||
	not_ok 'provider: the refresh token is replaced'
rm $tokens
expect 'provider: and so on' 0 eastus "$AZSWARM" locations
rm $tokens
cp kept $login
expect 'provider: one that was used is refused' 4 "has ended; run 'azswarm login': .*invalid_grant" "$AZSWARM" locations
expect 'provider: the person says no' 4 'sign-in refused: access_denied: The person said no' env answer=no \
	timeout 60 "$AZSWARM" login --tenant $tenant
expect 'provider: claims do no harm' 0 '^signed in' timeout 60 "$AZSWARM" login --tenant $tenant --claims-challenge "$claims"

# A thief who sees the code on its way to us has no verifier for it.
export BROWSER=true
begin b login --tenant $tenant
wait_for 10 grep -q redirect_uri b
redirect="http://localhost:$(port_of b)"
keep='--proto-redir =https -D heads' ./browser "$(page_of b)" 2>/dev/null
stolen=$(sed -n 's/\r$//; s/^[Ll]ocation: http:\/\/localhost:[0-9/]*?code=\([^&]*\).*/\1/p' heads | tail -n 1)
redeem()	# REDIRECT VERIFIER: the provider's word
{
	curl -sS -m 10 --cacert "$SSL_CERT_FILE" --noproxy '*' "$AZURE_AUTHORITY_HOST/$tenant/oauth2/v2.0/token" \
		-d grant_type=authorization_code -d client_id=04b07795-8ddb-461a-bbee-02f9e1bf7b46 -d "code=$stolen" \
		--data-urlencode "redirect_uri=$1" -d "code_verifier=$2" | jq -r .error
}
[ -n "$stolen" ] && ok 'provider: a thief sees the code' || not_ok 'provider: a thief sees the code' "$(cat heads)"
same 'provider: a thief has no verifier' invalid_grant "$(redeem "$redirect" "$(printf '%043d' 7)")"
same 'provider: nor another address' invalid_grant "$(redeem http://localhost:9 "$(printf '%043d' 7)")"
same 'provider: only addresses that are ours' 400 "$(curl -s -m 10 --cacert "$SSL_CERT_FILE" --noproxy '*' -o /dev/null \
	-w '%{http_code}' "$(page_of b | sed 's/redirect_uri=http%3A%2F%2Flocalhost/redirect_uri=http%3A%2F%2Fevil.example/')")"
visit '/?code=x&state=y' >/dev/null
check 'provider: another state' test ! -s b.code
interrupt
ended 'provider: the wait was going on' b 130 interrupted

unset BROWSER
begin d login --tenant $tenant
wait_for 10 shown d
walk_device()	# ANSWER-FIELD
{
	uri=$(page_of d)
	g() { curl -sS -L -m 10 --cacert "$SSL_CERT_FILE" --noproxy '*' -b djar -c djar -o dpage -w '%{url_effective}' "$@"; }
	rm -f djar
	g "$uri" >/dev/null
	x=$(sed -n 's/.*name="xsrf" value="\([^"]*\)".*/\1/p' dpage | head -n 1)
	at=$(g "$uri" -d "xsrf=$x" -d "user_code=$code" -d "$1=yes")
	n=0
	while grep -q '<form method=post action=/interaction' dpage && [ $n -lt 5 ]; do
		at=$(g -d answer=yes "${at%%\?*}")
		n=$((n + 1))
	done
}
walk_device confirm
ended 'provider: by a code' d 0 '^signed in$'
begin d login --tenant $tenant
wait_for 10 shown d
walk_device abort
ended 'provider: the person declines' d 4 'access_denied'
begin d login --tenant $tenant
ended 'provider: a code that nobody entered' d 3 'nobody entered the code within 8 s|the code has expired'

# The chain's other proofs of identity.
app()		# CASE STATUS ERE CLIENT NAME=VALUE...
{
	app_case=$1 app_status=$2 app_ere=$3 app_client=$4
	shift 4
	rm -f $tokens
	expect "provider: $app_case" "$app_status" "$app_ere" env AZURE_TOKEN_CREDENTIALS=EnvironmentCredential \
		AZURE_TENANT_ID=$tenant AZURE_CLIENT_ID="$app_client" \
		AZURE_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000 "$@" "$AZSWARM" locations
}
app 'a client secret' 0 eastus with-secret 'AZURE_CLIENT_SECRET=p ~%+&=secret.of/some=length*and(signs)'
app 'a wrong one' 4 'invalid_client' with-secret AZURE_CLIENT_SECRET=wrong
app 'a certificate, PS256' 0 eastus with-PS256 AZURE_CLIENT_CERTIFICATE_PATH="$PWD/client.pem"
app 'a certificate, RS256' 0 eastus with-RS256 AZURE_CLIENT_CERTIFICATE_PATH="$PWD/client.pem" \
	AZURE_CLIENT_CERTIFICATE_ALG=RS256
app 'another algorithm than agreed' 4 'invalid_client' with-PS256 AZURE_CLIENT_CERTIFICATE_PATH="$PWD/client.pem" \
	AZURE_CLIENT_CERTIFICATE_ALG=RS256
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other -keyout other.key -out other.crt 2>openssl.err
cat other.key other.crt >other.pem
app "somebody else's certificate" 4 'invalid_client' with-PS256 AZURE_CLIENT_CERTIFICATE_PATH="$PWD/other.pem"

# Subscriptions to choose from, and none.
reap "$provider"
rm -rf cache
export BROWSER="$PWD/browser"
provider 3
expect 'provider: many subscriptions' 0 '^choose one: azswarm login --subscription ID' timeout 60 "$AZSWARM" login --tenant $tenant
same 'provider: all are shown' 3 "$(grep -c 'Subscription [0-2] .*Enabled' out)"
expect 'provider: which one?' 2 'which subscription' "$AZSWARM" locations
expect 'provider: that one' 0 '^subscription Subscription 1 ' env BROWSER=false \
	timeout 60 "$AZSWARM" login --subscription 00000000-0000-0000-0000-000000000001
expect 'provider: it is remembered' 0 '^subscriptionName +Subscription 1$' "$AZSWARM" status
expect 'provider: another one, in a tenant: the tenant counts' 0 '^signed in' \
	timeout 60 "$AZSWARM" login --tenant $tenant --subscription 00000000-0000-0000-0000-000000000001
reap "$provider"
provider 0
expect 'provider: no subscription' 0 'no subscription in this tenant; others: azswarm login --tenant ID' \
	timeout 60 "$AZSWARM" login --tenant $tenant
check 'provider: the tenants are shown' grep -q "^Some Tenant  *$tenant" out
reap "$provider"

# ---- Microsoft's client on the local Azure ----

export SSL_CERT_FILE="$PWD/azure/ca.pem" NODE_EXTRA_CA_CERTS="$PWD/azure/ca.pem"
cp client.crt azure/client.pem
. ./azure/env
cat >identity.js <<'END'
const id = require('@azure/identity');
const [kind, scope] = [process.argv[2], 'https://management.azure.com/.default'];
const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_CLIENT_SECRET: secret } = process.env;
const { spawnSync, spawn } = require('child_process');
const options = { authorityHost: process.env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true,
	retryOptions: { maxRetries: 0 } };
const curl = (...args) => spawnSync('curl', ['-sS', '--cacert', process.env.SSL_CERT_FILE, '--noproxy', '*',
	...args], { encoding: 'utf8' });
const kinds = {
	secret: () => new id.ClientSecretCredential(tenant, client, secret, options),
	wrong: () => new id.ClientSecretCredential(tenant, client, 'wrong', options),
	certificate: () => new id.ClientCertificateCredential(tenant, client, { certificatePath: process.argv[3] }, options),
	device: () => new id.DeviceCodeCredential({ ...options, tenantId: tenant, userPromptCallback: (info) =>
		curl(info.verificationUri, '-d', `user_code=${info.userCode}`, '-d', 'answer=yes') }),
	workload: () => new id.WorkloadIdentityCredential({ ...options, tenantId: tenant, clientId: client,
		tokenFilePath: process.argv[3] }),
	managed: () => new id.ManagedIdentityCredential(),
	browser: () => new id.InteractiveBrowserCredential({ ...options, tenantId: tenant,
		redirectUri: 'http://localhost' }),
};
kinds[kind]().getToken(scope).then(async (t) => {
	const claims = JSON.parse(Buffer.from(t.token.split('.')[1], 'base64url'));
	const answer = await fetch(`${process.env.AZURE_RESOURCE_MANAGER_ENDPOINT}/subscriptions?api-version=2022-12-01`,
		{ headers: { authorization: `Bearer ${t.token}` } });
	console.log(claims.idtyp, t.expiresOnTimestamp > Date.now() + 3000000, answer.status);
}).catch((e) => {
	console.log(e.message.replace(/\s+/g, ' '));
	process.exit(1);
});
END
jwt()		# AUDIENCE: of another issuer, whose signature the local Azure cannot check
{
	for part in '{"alg":"RS256","typ":"JWT","kid":"1"}' "{\"iss\":\"https://issuer.example\",\"sub\":\"system:job\",
		\"aud\":\"$1\",\"exp\":$(($(date +%s) + 600))}" signature; do
		printf %s. "$(printf %s "$part" | base64 -w0 | tr +/ -_ | tr -d =)"
	done | sed 's/\.$//'
}
jwt api://AzureADTokenExchange >federated
jwt api://else >elsewhere
identity() { timeout 30 node identity.js "$@"; }
expect 'SDK: client secret' 0 '^app true 200$' identity secret
expect 'SDK: a wrong one' 1 AADSTS7000215 identity wrong
expect 'SDK: certificate' 0 '^app true 200$' identity certificate client.pem
expect "SDK: somebody else's" 1 AADSTS700027 identity certificate other.pem
expect 'SDK: device code' 0 '^user true 200$' identity device
expect 'SDK: browser' 0 '^user true 200$' identity browser
expect 'SDK: federation' 0 '^app true 200$' identity workload "$PWD/federated"
expect 'SDK: another audience' 1 AADSTS700212 identity workload "$PWD/elsewhere"
export AZURE_POD_IDENTITY_AUTHORITY_HOST=$AZURE_AUTHORITY_HOST
expect 'SDK: managed identity' 0 '^app true 200$' identity managed

# The same of ours, for what that client has no words for.
own()		# CASE STATUS ERE CREDENTIAL NAME=VALUE...
{
	own_case=$1 own_status=$2 own_ere=$3 own_credential=$4
	shift 4
	rm -f $tokens
	expect "own: $own_case" "$own_status" "$own_ere" env -u AZURE_CLIENT_SECRET \
		AZURE_TOKEN_CREDENTIALS="$own_credential" "$@" "$AZSWARM" locations
}
own 'certificate, PS256' 0 eastus EnvironmentCredential AZURE_CLIENT_CERTIFICATE_PATH="$PWD/client.pem"
own 'certificate, RS256' 0 eastus EnvironmentCredential AZURE_CLIENT_CERTIFICATE_PATH="$PWD/client.pem" \
	AZURE_CLIENT_CERTIFICATE_ALG=RS256
own "somebody else's" 4 AADSTS700027 EnvironmentCredential AZURE_CLIENT_CERTIFICATE_PATH="$PWD/other.pem"
own 'federation' 0 eastus WorkloadIdentityCredential AZURE_FEDERATED_TOKEN_FILE="$PWD/federated"
own 'managed identity' 0 eastus ManagedIdentityCredential
own 'managed identity of a stranger' 4 'Identity not found' ManagedIdentityCredential \
	AZURE_CLIENT_ID=11111111-1111-1111-1111-111111111111

# ---- a browser that is one ----

# It keeps to what servers say of https, which curl may forget between calls.
chromium_signs_in()	# CASE LOGIN-ARGUMENT...
{
	chromium_case=$1
	shift
	rm -rf cache
	begin b login "$@"
	wait_for 10 grep -q redirect_uri b
	wd POST "/session/$session/url" "$(jq -nc --arg u "$(page_of b)" '{url: $u}')" >/dev/null
	n=0
	while [ ! -s b.code ] && [ $n -lt 50 ]; do
		wd POST "/session/$session/execute/sync" '{"args":[],"script":
			"const b = document.querySelector(\"button[value=yes]\"); if (b) b.click();"}' >/dev/null
		n=$((n + 1))
		sleep 0.2
	done
	ended "$chromium_case" b 0 '^signed in$'
	same "$chromium_case: what it shows" 'azswarm goes on. This window may be closed.' "$(wd POST \
		"/session/$session/execute/sync" '{"args":[],"script":"return document.body.innerText.trim()"}' | jq -r .value)"
}
wd()		# METHOD PATH [BODY]
{
	curl -s -m 20 --noproxy '*' -X "$1" -H 'Content-Type: application/json' -d "${3-}" "http://127.0.0.1:$wd_port$2"
}
if command -v chromedriver >/dev/null && command -v chromium >/dev/null; then
	unset AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_SUBSCRIPTION_ID
	export BROWSER=true AZURE_TOKEN_CREDENTIALS=LoginCredential
	spawn driver chromedriver --port=0
	wait_for 10 grep -q 'on port [1-9]' driver
	wd_port=$(sed -n 's/.*successfully on port \([0-9]*\).*/\1/p' driver)
	# which, ended by a signal, leaves its browser behind
	at_exit 'wd GET /shutdown >/dev/null'
	session=$(wd POST /session '{"capabilities":{"alwaysMatch":{"acceptInsecureCerts":true,"goog:chromeOptions":
		{"args":["--headless=new","--no-sandbox","--disable-gpu","--disable-dev-shm-usage"]}}}}' |
		jq -r .value.sessionId)
	chromium_signs_in 'Chromium at the local Azure'
	export SSL_CERT_FILE="$PWD/tls.pem"
	provider 1
	chromium_signs_in 'Chromium at the provider' --tenant $tenant
	wd DELETE "/session/$session" >/dev/null
else
	skip Chromium 'no chromium, or no chromedriver'
fi
