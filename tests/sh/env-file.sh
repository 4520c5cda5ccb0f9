# A .env that somebody else wrote, in a folder that was cloned: it gets no
# credential that it does not hold itself.  The thief is the local Azure, which
# would take all of them and writes down what it is asked.
# time: 60
. "$SRCDIR/tests/lib.sh"
need python3 openssl

unset EMULATOR_RECORD
spawn emulator "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 20 grep -q '^ready ' emulator || { not_ok start "$(cat emulator)"; exit 1; }
. ./azure/env
thief=$AZURE_RESOURCE_MANAGER_ENDPOINT
secret=$AZURE_CLIENT_SECRET
unset AZURE_RESOURCE_MANAGER_ENDPOINT AZURE_AUTHORITY_HOST
: >record

# A proxy through which nobody gets anywhere: it tells where they wanted to go.
cat >proxy.py <<'END'
import http.server
class Proxy(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self):
        print("to", self.path, flush=True)
        self.send_error(403)
    do_GET = do_POST = do_CONNECT
    def log_message(self, *a):
        pass
s = http.server.HTTPServer(("127.0.0.1", 0), Proxy)
print("port", s.server_port, flush=True)
s.serve_forever()
END
spawn proxy.log python3 proxy.py
wait_for 20 grep -q '^port' proxy.log || { not_ok proxy "$(cat proxy.log)"; exit 1; }
proxy=http://127.0.0.1:$(sed -n 's/^port //p' proxy.log)

has()		# LINE...: what .env has
{
	printf '%s\n' "$@" >.env
}
arm="AZURE_RESOURCE_MANAGER_ENDPOINT=$thief"
login="AZURE_AUTHORITY_HOST=$thief"

refused()	# CASE LINE-NUMBER NAME COMMAND...
{
	refused_case=$1 refused_line=$2 refused_name=$3
	shift 3
	expect "$refused_case" 2 "\.env: line $refused_line: $refused_name=\"$thief\" would be given a credential \
that is not in this .env; .* export $refused_name, or look at the file and run 'azswarm trust .env'$" "$@"
	same "$refused_case: the thief hears nothing" '' "$(cat record)"
}
who()		# NAME=VALUE...: a command, with no credential but these
{
	env -u AZURE_CLIENT_SECRET -u AZURE_CLIENT_CERTIFICATE_PATH "$@" timeout 60 "$AZSWARM" locations
}

# ---- a credential of the environment ----

has "$login"
refused 'a sign-in endpoint' 1 AZURE_AUTHORITY_HOST "$AZSWARM" list-agents
has '# x' '' "export $arm"
refused 'a Resource Manager' 3 AZURE_RESOURCE_MANAGER_ENDPOINT "$AZSWARM" list-agents
has "$login" "AZURE_RESOURCE_MANAGER_ENDPOINT=https://management.azure.com"
refused 'a sign-in endpoint beside the right Resource Manager' 1 AZURE_AUTHORITY_HOST "$AZSWARM" list-agents
has "AZURE_AUTHORITY_HOST=https://login.microsoftonline.com" "$arm"
refused 'a Resource Manager beside the right sign-in endpoint' 2 AZURE_RESOURCE_MANAGER_ENDPOINT "$AZSWARM" list-agents
has "$login" 'AZURE_CLIENT_SECRET=dummy'
refused 'a secret of its own, which the environment overrides' 1 AZURE_AUTHORITY_HOST "$AZSWARM" list-agents
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=client -keyout c.key -out c.crt 2>/dev/null
cat c.key c.crt >c.pem
has "$login"
refused 'a certificate' 1 AZURE_AUTHORITY_HOST who AZURE_CLIENT_CERTIFICATE_PATH=c.pem
echo e30.e30.x >federated
refused 'a workload identity' 1 AZURE_AUTHORITY_HOST who AZURE_FEDERATED_TOKEN_FILE=federated
refused "another issuer's token" 1 AZURE_AUTHORITY_HOST who ARM_OIDC_TOKEN=e30.e30.x
refused "another issuer's token in a file" 1 AZURE_AUTHORITY_HOST who ARM_OIDC_TOKEN_FILE_PATH=federated
refused "a job's token" 1 AZURE_AUTHORITY_HOST who ACTIONS_ID_TOKEN_REQUEST_URL=$thief/x ACTIONS_ID_TOKEN_REQUEST_TOKEN=x
has "$arm"
refused 'a managed identity' 1 AZURE_RESOURCE_MANAGER_ENDPOINT who AZURE_POD_IDENTITY_AUTHORITY_HOST="$thief"
mkdir fake
printf '#!/bin/sh\necho az was asked >>record\n' >fake/az
chmod +x fake/az
refused 'az' 1 AZURE_RESOURCE_MANAGER_ENDPOINT who PATH="$PWD/fake:$PATH" AZURE_TOKEN_CREDENTIALS=AzureCliCredential
own="AZURE_CLIENT_SECRET=$secret"
has "$arm" "$own" AZURE_TOKEN_CREDENTIALS=AzureCliCredential
refused 'a secret of its own, and another one is chosen' 1 AZURE_RESOURCE_MANAGER_ENDPOINT who PATH="$PWD/fake:$PATH"
has "$arm" "$own"
refused 'a secret of its own, and nobody that it is of' 1 AZURE_RESOURCE_MANAGER_ENDPOINT who -u AZURE_CLIENT_ID
has "$arm" 'AZURE_CLIENT_CERTIFICATE_PATH=c.pem'
refused 'the path of a certificate is none' 1 AZURE_RESOURCE_MANAGER_ENDPOINT who
sed 's/^export //' azure/env >.env
refused 'a person who signs in' "$(sed -n '/RESOURCE_MANAGER/=' .env)" AZURE_RESOURCE_MANAGER_ENDPOINT \
	env -u AZURE_CLIENT_SECRET timeout 20 "$AZSWARM" login --device-code
check 'no secret is told' sh -c "! grep -q '$secret' out"

# ---- what may be said ----

expect 'a .env with its credential' 0 eastus env -u AZURE_TENANT_ID -u AZURE_CLIENT_ID -u AZURE_CLIENT_SECRET \
	-u AZURE_SUBSCRIPTION_ID "$AZSWARM" locations
check '... is asked' grep -q '"' record
has "$arm" "$own"
expect 'only the secret of it is its own' 0 eastus who
has "AZURE_AUTHORITY_HOST=https://evil.example"
expect 'what the environment says counts' 0 eastus env $arm $login "$AZSWARM" locations
expect '... or a flag' 0 eastus "$AZSWARM" locations --azure-authority-host "$thief" --azure-resource-manager-endpoint "$thief"
known()		# HOST LINE...
{
	known_host=$1
	shift
	has "$@"
	known_before=$(wc -l <proxy.log)
	HTTPS_PROXY=$proxy XDG_CACHE_HOME="$PWD/none" timeout 60 "$AZSWARM" locations >out 2>&1
	same "a known cloud: $known_host" "to $known_host:443" "$(tail -n +$((known_before + 1)) proxy.log | sort -u)"
}
known login.microsoftonline.us AZURE_AUTHORITY_HOST=https://login.microsoftonline.us/
known login.chinacloudapi.cn AZURE_RESOURCE_MANAGER_ENDPOINT=https://management.chinacloudapi.cn
known login.microsoftonline.us AZURE_CLOUD=AzureUSGovernment

# ---- trust ----

rm .env
expect 'trust what is not there' 2 '\.env is not there' "$AZSWARM" trust .env
has 'LOCATION=eastus'
expect 'trust what says nothing' 0 'says nothing of where credentials go' "$AZSWARM" trust .env
check '... and nothing is kept' sh -c '! ls .cache/azswarm/trusted.json'
has 'LOCATION'
expect 'trust what cannot be read' 2 '\.env: line 1: expected NAME=VALUE' "$AZSWARM" trust .env
has "$login" "$arm"
expect 'trust it' 0 "^line 1: $login$" "$AZSWARM" trust .env
check '... both are shown' grep -qx "line 2: $arm" out
same '... and kept for oneself' 600 "$(stat -c %a .cache/azswarm/trusted.json)"
expect 'then it may' 0 eastus "$AZSWARM" locations
: >record
echo "# $secret" >>.env
refused 'until it changes' 2 AZURE_RESOURCE_MANAGER_ENDPOINT "$AZSWARM" locations
has "$login" "$arm"
expect 'the same again is the same' 0 eastus "$AZSWARM" locations
: >record
chmod 666 .cache/azswarm/trusted.json
expect 'what others may write says nothing' 2 'would be given a credential' "$AZSWARM" locations
echo '{"trusted":7' >.cache/azswarm/trusted.json
chmod 600 .cache/azswarm/trusted.json
expect 'nor does what cannot be read' 2 'would be given a credential' "$AZSWARM" locations
same '... and the thief hears nothing' '' "$(cat record)"
expect 'trust it again' 0 'trusted, until it changes' "$AZSWARM" trust .env
expect '... and it may again' 0 eastus "$AZSWARM" locations
expect 'no home to keep it in' 1 'there is no home directory' env -u HOME -u XDG_CACHE_HOME "$AZSWARM" trust .env

# ---- what is not read from there at all ----

export $arm $login
has "HTTPS_PROXY=$proxy" "https_proxy=$proxy" "ALL_PROXY=$proxy" 'NO_PROXY=<-loopback>' 'no_proxy=<-loopback>' \
	SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/nowhere
before=$(wc -l <proxy.log)
rm -rf .cache
expect 'proxies and roots are not' 0 eastus "$AZSWARM" locations
same '... nobody went by that proxy' "$before" "$(wc -l <proxy.log)"
expect '... it would have been seen' 1 'refused: HTTP 403' env HTTPS_PROXY=$proxy 'NO_PROXY=<-loopback>' "$AZSWARM" locations
has AZURE_FEDERATED_TOKEN_FILE=federated ARM_OIDC_TOKEN=e30.e30.x ARM_OIDC_TOKEN_FILE_PATH=federated \
	"ACTIONS_ID_TOKEN_REQUEST_URL=$proxy" ACTIONS_ID_TOKEN_REQUEST_TOKEN=x "IDENTITY_ENDPOINT=$proxy" \
	IDENTITY_HEADER=x "MSI_ENDPOINT=$proxy" MSI_SECRET=x "AZURE_POD_IDENTITY_AUTHORITY_HOST=$proxy"
before=$(wc -l <proxy.log)
: >record
expect 'federated tokens and identities are not' 4 'WorkloadIdentityCredential: AZURE_FEDERATED_TOKEN_FILE not set' \
	who AZURE_TOKEN_CREDENTIALS=prod
check '... nor are tokens of other issuers' grep -q \
	'OidcCredential: ARM_OIDC_TOKEN|ARM_OIDC_TOKEN_FILE_PATH|ACTIONS_ID_TOKEN_REQUEST_URL not set' out
check '... nor the host of an identity' grep -q 'IMDS: 127.0.0.1:9: cannot connect' out
same '... nobody was asked' "$before " "$(wc -l <proxy.log) $(cat record)"

exit $((test_failures != 0))
