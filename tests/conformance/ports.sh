# Ports follow, as Microsoft's command line sees them: azswarm's rules are rules to
# az, az's own are kept and named, and what az takes away is missed.  Machines are on
# paper, a master is played (sh/ports).
# time: 600
# needs: azure-cli, python3-asyncssh, a network namespace
. "$SRCDIR/tests/lib.sh"
need openssl az
python=/usr/bin/python3		# Debian's, whose packages these are
$python -c 'import azure.cli.core, msal' 2>/dev/null || skip_all 'no azure-cli of Debian here'
. "$SRCDIR/tests/paper.sh"

# ---- what a cluster publishes ----

jq -n '{networks: {}, changes: 0, services: ({web: [443, "tcp"], dns: [5353, "udp"]} | with_entries(.value as $p | .value = {
	ID: ("sv" + .key), Version: {Index: 9}, Spec: {Name: .key, Mode: {Replicated: {Replicas: 1}}, TaskTemplate: {},
		EndpointSpec: {Ports: [{Protocol: $p[1], TargetPort: 8000, PublishedPort: $p[0]}]}}}))}' >one/swarm.json
expect 'azswarm opens them' 0 'port 5353/udp is open' "$AZSWARM" ports --apply

# ---- az, signed in ----

arm=$AZURE_RESOURCE_MANAGER_ENDPOINT port=${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}
# MSAL asks login.microsoftonline.com about any authority it does not know.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout entra.key -out entra.pem \
	-subj /CN=login.microsoftonline.com -addext subjectAltName=DNS:login.microsoftonline.com 2>/dev/null
spawn proxy.out $python "$SRCDIR/tests/azure_proxy.py" entra.pem entra.key "$port" "$SSL_CERT_FILE" login.microsoftonline.com
wait_for 20 grep -q '^[0-9]' proxy.out
cat "$SSL_CERT_FILE" entra.pem >bundle.pem
az()
{
	env -u AZURE_AUTHORITY_HOST -u AZURE_RESOURCE_MANAGER_ENDPOINT -u AZURE_TENANT_ID -u AZURE_CLIENT_ID \
		-u AZURE_CLIENT_SECRET -u AZURE_SUBSCRIPTION_ID -u SSL_CERT_FILE AZURE_CONFIG_DIR="$PWD/az" \
		AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_ONLY_SHOW_ERRORS=1 AZURE_CORE_NO_COLOR=1 \
		HTTPS_PROXY="http://127.0.0.1:$(sed -n 1p proxy.out)" NO_PROXY=localhost \
		REQUESTS_CA_BUNDLE="$PWD/bundle.pem" az "$@" </dev/null 2>err
}
does()		# CASE ARGUMENT...
{
	does_case=$1
	shift
	if az "$@" -o json >out; then
		ok "$does_case"
	else
		not_ok "$does_case" "$(grep -v '^ *File\|^ *^' err | tail -n 3 | head -c 500 | tr '\n' ' ')"
	fi
}
says()		# CASE JQ-FILTER WANTED: of what az said last
{
	same "$1" "$3" "$(jq -rc "$2" out 2>&1)"
}
does 'a cloud by its address' cloud register -n local --endpoint-resource-manager "$arm"
# of its newest profile Debian's package lacks modules (conformance/az)
does 'which is chosen' cloud set -n local --profile 2020-09-01-hybrid
does 'signing in' login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" -t "$AZURE_TENANT_ID"
[ "$test_failures" -eq 0 ] || exit 1
lb='-g swarm-cluster --lb-name agents-lb' nsg='-g swarm-cluster --nsg-name agents-nsg'

# ---- what azswarm made ----

does 'lb rule list' network lb rule list $lb
says 'has all rules' '[.[] | "\(.name) \(.protocol) \(.frontendPort) \(.backendPort) \(.disableOutboundSnat)"] | join(", ")' \
	'http-80 Tcp 80 80 true, http-81 Tcp 81 81 true, tcp-443 Tcp 443 443 true, udp-5353 Udp 5353 5353 true'
says 'all by one probe' '[.[].probe.id | split("/")[-1]] | unique | join(" ")' healthz
does 'nsg rule list' network nsg rule list $nsg
says 'lets both in' '[.[] | select(.name | test("^(tcp|udp)-")) |
	"\(.name) \(.priority) \(.access) \(.protocol) \(.sourceAddressPrefix) \(.destinationPortRange)"] | join(", ")' \
	'tcp-443 1000 Allow Tcp Internet 443, udp-5353 1001 Allow Udp Internet 5353'

# ---- what az makes beside it ----

does 'lb rule create' network lb rule create $lb -n by-az --protocol Tcp --frontend-port 9443 --backend-port 9443 \
	--frontend-ip-name public --backend-pool-name agents --probe-name healthz --disable-outbound-snat true
does 'nsg rule create' network nsg rule create $nsg -n by-az --priority 500 --access Allow --protocol Tcp \
	--source-address-prefixes 203.0.113.0/24 --destination-port-ranges 9443
# its update lacks a module there
does 'nsg rule create: from fewer' network nsg rule create $nsg -n tcp-443 --priority 1000 --access Allow --protocol Tcp \
	--source-address-prefixes 203.0.113.0/24 --destination-port-ranges 443
expect 'is named' 0 '^ *9443 .* by-az .* not ours' "$AZSWARM" ports
check 'a narrower source is no matter' grep -qE '^ *443 .* tcp-443 +tcp-443 +ok' out
expect 'deploy-compute' 0 '' "$AZSWARM" deploy-compute
does 'lb rule list, then' network lb rule list $lb
says 'keeps it' '[.[].name] | join(" ")' 'http-80 http-81 tcp-443 udp-5353 by-az'
does 'nsg rule list, then' network nsg rule list $nsg
says 'keeps from where' '.[] | select(.name == "tcp-443").sourceAddressPrefix' 203.0.113.0/24

# ---- what az takes away ----

does 'lb rule delete' network lb rule delete $lb -n udp-5353
expect 'is missed' 5 '^ *5353 +udp .* no rule' "$AZSWARM" ports --dry-run
expect 'and mended' 0 '^ *5353 +udp +ingress +dns +udp-5353 +udp-5353 +ok' "$AZSWARM" ports --apply
jq '.services = {}' one/swarm.json >none && cat none >one/swarm.json
expect 'nobody publishes' 0 'port 443/tcp is closed' "$AZSWARM" ports --apply
does 'lb rule list, in the end' network lb rule list $lb
says 'has what is not ours' '[.[].name] | join(" ")' 'http-80 http-81 by-az'
exit $((test_failures != 0))
