# doctor, held against what Azure tells, machines on paper: everything is well,
# then one thing after the other is not, and the line names it and what mends it.
# What machines tell is sh/doctor-nodes'.
# time: 300
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/doctor.sh"
need jq openssl

export XDG_CACHE_HOME="$PWD/cache"
azure()		# [ARGUMENT...]: a local Azure, new or again
{
	azure_n=$((${azure_n:-0} + 1))
	spawn azure.$azure_n "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0 --record "$PWD/record" "$@"
	azure_at=$spawned
	wait_for 20 grep -q '^ready ' azure.$azure_n || {
		not_ok start "$(cat azure.$azure_n)"
		exit 1
	}
	. ./azure/env
}

faulty()	# CASE STATUS N REQUEST BODY: the answer to REQUEST is BODY
{
	jq -n --arg r "$4" --arg b "$5" '[{name: "on purpose", request: $r, status: 200, body: $b}]' >new
	mv new azure/faults.json
	doctor "$1" "$2"
	only "$1" "$3"
	rm azure/faults.json
}

azure
"$AZSWARM" keys >out 2>&1
doctor 'nothing is deployed' 0
only 'nothing is deployed' 0
line 'nothing is deployed: that is well' '^ok\|machines machines\|nothing is deployed'
for name in 'network clock' 'sign-in credential' 'sign-in subscription' 'role permissions' \
    'providers Microsoft.Compute' 'providers Microsoft.Insights' 'quota size Standard_B2ats_v2' \
    'quota cores' 'quota IPv4StandardSkuPublicIpAddresses' 'names storage account [a-z0-9]*' \
    'names DNS label swarm-cluster-agents-lb'; do
	line "there is a line of $name" "^ok\\|$name\\|."
done
line 'cores: now, and at the most' '^ok\|quota cores\|0 of 100 in use, 8 more wanted, 12 at MAX_AGENT_COUNT=5\|'
line 'addresses: a master and the balancer' '^ok\|quota PublicIPAddresses\|0 of 1000 in use, 2 more wanted'
same 'a mend only where something is to be mended' '' "$(grep '^ok|' lines | grep -v '|$')"
jq -r 'select(.requestHeaders["User-Agent"] == "azswarm") | "\(.method) \(.url)"' record |
	sed 's/^\([A-Z]*\) .*\/\([A-Za-z]*\)?.*/\1 \2/; s/^\(POST\) .*token$/\1 token/' | sort -u >asked
check 'much was asked' test "$(grep -c '^GET' asked)" -gt 8
same 'nothing else than GET, a token, and whether a name is free' 'POST checkNameAvailability POST token' \
	"$(grep -v '^GET ' asked | xargs)"
expect 'for people: lines and a sum' 0 '^ok +role +permissions: all [0-9]+ actions' "$AZSWARM" doctor
check 'for people: the sum' grep -qE '^[0-9]+ ok, 0 to be warned of, 0 wrong, 0 not asked; [0-9.]+ s$' out

# the way to Azure
AZURE_AUTHORITY_HOST=https://nowhere.invalid doctor 'a name that is none' 1
line 'a name that is none' '^wrong\|network name nowhere.invalid\|cannot resolve nowhere.invalid.*\|.*resolv.conf'
line 'and then: no sign-in' '^wrong\|sign-in credential\|.*nowhere.invalid'
line 'what is behind that is not asked' '^skipped\|quota quota\|not asked: the sign-in is wrong\|$'
openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out other.pem -days 3 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost 2>/dev/null
SSL_CERT_FILE=$PWD/other.pem doctor 'an issuer that is not known' 1
line 'an issuer that is not known' '^wrong\|network TLS localhost\|.*(unknown issuer|not trusted).*\|.*SSL_CERT_FILE'
spawn s_server openssl s_server -accept 127.0.0.1:0 -cert other.pem -key k.pem -www
wait_for 10 grep -q '^ACCEPT ' s_server
port=$(sed -n 's/^ACCEPT .*://p' s_server)
cat azure/ca.pem other.pem >both.pem
SSL_CERT_FILE=$PWD/both.pem AZURE_AUTHORITY_HOST=https://localhost:$port doctor 'a certificate that ends' 1
line 'a certificate that ends' '^warning\|network TLS localhost\|certificate of CN=localhost, good for [23] days'
HTTPS_PROXY=http://127.0.0.1:1 NO_PROXY='<-loopback>' doctor 'a proxy that does not answer' 1
line 'a proxy that does not answer' '^wrong\|network proxy\|127.0.0.1:1: cannot connect.*\|another HTTPS_PROXY'
AZURE_CLOUD=AzureNowhere AZURE_RESOURCE_MANAGER_ENDPOINT='' AZURE_AUTHORITY_HOST='' doctor 'no such cloud' 1
line 'no such cloud' '^wrong\|network endpoints\|AZURE_CLOUD="AzureNowhere"'
line 'no such cloud: nothing else is asked' '^skipped\|sign-in sign-in\|not asked: the endpoints are not known'
for ago in 120:warning:0 4000:wrong:1; do
	back=${ago%%:*} word=${ago#*:}
	printf '[{"name":"on purpose","request":"GET */metadata/endpoints*","raw":"HTTP/1.1 200 OK\\r\\nDate: %s\\r\\nContent-Length: 2\\r\\n\\r\\n{}"}]' \
		"$(LC_ALL=C TZ=GMT date -d "-$back seconds" '+%a, %d %b %Y %H:%M:%S GMT')" >azure/faults.json
	doctor "a clock that is $back s ahead" "${word#*:}"
	line "a clock that is $back s ahead" "^${word%:*}\\|network clock\\|$(echo "$back" | cut -c 1-2)[0-9]* s ahead of Azure's\\|set the clock"
	rm azure/faults.json
done

# who we are, and may do
XDG_CACHE_HOME=$PWD/none AZURE_CLIENT_SECRET=wrong doctor 'a secret that is none' 1
line 'a secret that is none' '^wrong\|sign-in credential\|.*AADSTS7000215.*\|.*azswarm login'
faulty 'a subscription that is off' 1 1 "GET /subscriptions/$AZURE_SUBSCRIPTION_ID?*" \
	'{"subscriptionId":"x","displayName":"S","state":"Disabled"}'
line 'a subscription that is off' '^wrong\|sign-in subscription\|.*is Disabled\|its owner enables it'
rights='GET /subscriptions/*/providers/Microsoft.Authorization/permissions*'
faulty 'a reader' 1 1 "$rights" '{"value":[{"actions":["*/read"],"notActions":[]}]}'
line 'a reader' '^wrong\|role permissions\|[0-9]+ of [0-9]+ actions are not permitted: Microsoft.Compute/availabilitySets/write, .*\.\.\.\|.*azswarm role'
faulty 'one action that is not' 1 1 "$rights" \
	'{"value":[{"actions":["*"],"notActions":["Microsoft.Compute/*/delete/action"]}]}'
line 'one action that is not' '^wrong\|role permissions\|1 of [0-9]+ .*: Microsoft.Compute/virtualMachineScaleSets/delete/action\|'
faulty 'a provider' 0 1 'GET *providers/Microsoft.Insights?*' '{"registrationState":"NotRegistered"}'
line 'a provider' '^warning\|providers Microsoft.Insights\|NotRegistered\|.*registers it'

# what there is room for
doctor 'a size that is none' 1 --agent-size Standard_X9
line 'a size that is none' '^wrong\|quota size Standard_X9\|not offered in eastus\|.*azswarm sizes'
doctor 'a size that one may not have' 1 --agent-size Standard_B2s
line 'a size that one may not have' '^wrong\|quota size Standard_B2s\|NotAvailableForSubscription'
doctor 'a size of another architecture' 1 --master-size Standard_B2pls_v2
line 'a size of another architecture' '^wrong\|quota size Standard_B2pls_v2\|Arm64, and'
network='GET *Microsoft.Network/locations/*/usages*'
usage='{"value":[{"unit":"Count","currentValue":9,"limit":10,"name":{"value":"%s","localizedValue":"x"}}]}'
faulty 'too few addresses' 1 1 "$network" "$(printf "$usage" IPv4StandardSkuPublicIpAddresses)"
line 'too few addresses' '^wrong\|quota IPv4StandardSkuPublicIpAddresses\|9 of 10 in use, 2 more wanted.*\|.*portal, Quotas'
faulty 'addresses of another kind' 0 1 "$network" "$(printf "$usage" IPv4BasicSkuPublicIpAddresses)"
line 'addresses of another kind' '^skipped\|quota public addresses\|Azure names no quota'
faulty 'too few cores' 1 1 'GET *Microsoft.Compute/locations/*/usages*' "$(printf "$usage" cores)"
line 'too few cores' '^wrong\|quota cores\|9 of 10 in use, 8 more wanted'
faulty 'too few cores of the family' 1 1 'GET *Microsoft.Compute/locations/*/usages*' \
	"$(printf "$usage" standardBasv2Family)"
line 'too few cores of the family' '^wrong\|quota standardBasv2Family\|9 of 10 in use'

# names
faulty "a name that is somebody else's" 1 1 'POST *checkNameAvailability*' \
	'{"nameAvailable":false,"reason":"AlreadyExists","message":"The storage account is already taken."}'
line "a name that is somebody else's" '^wrong\|names storage account.*already taken.*\|.*STORAGE_ACCOUNT_NAME'
faulty 'a bake that was cut off' 0 1 'GET *swarm-cluster-bake*' '{"tags":{"azswarm-bake":"x64/0.2.1","azswarm-since":"2026-11-30T20:45:00Z"}}'
line 'a bake that was cut off' '^warning\|cluster resource group swarm-cluster-bake\|has the machine of a bake-image that was begun 2026-11-30T20:45:00Z, which is billed\|.azswarm bake-image. ends it'
faulty "a label that is somebody else's" 1 2 'GET *CheckDnsNameAvailability*' '{"available":false}'
line "a label that is somebody else's" '^wrong\|names DNS label swarm-cluster-master0\|is taken by somebody else.*\|another COMPUTE_GROUP'
reap "$azure_at"
azure --cores 10
doctor 'room for now, not for the most' 0
line 'room for now, not for the most' '^warning\|quota cores\|0 of 10 in use, 8 more wanted, 12 at MAX_AGENT_COUNT=5\|fewer \(AGENT_COUNT\)'
doctor 'with as many as there is room for' 0 --max-agent-count 4
only 'with as many as there is room for' 0

# deployed, on paper
expect up 0 '' "$AZSWARM" up --yes
doctor 'deployed on paper' 0 --max-agent-count 4
line 'deployed on paper: not asked' '^skipped\|swarm machines\|not asked: these machines exist on paper'
line 'deployed: no more is wanted' '^ok\|quota cores\|8 of 10 in use, 0 more wanted, 2 at MAX_AGENT_COUNT=4\|$'
line 'deployed: the account is ours' '^ok\|names storage account [a-z0-9]+\|is there, and ours'
# what may be done in the groups only
printf '[{"name":"on purpose","request":"GET /subscriptions/%s/providers/Microsoft.Authorization/permissions*","status":200,"body":"%s"}]' \
	"$AZURE_SUBSCRIPTION_ID" '{\"value\":[{\"actions\":[\"*/read\",\"*/register/action\"]}]}' >azure/faults.json
doctor 'rights in the groups only' 0 --max-agent-count 4
line 'rights in the groups only' '^ok\|role permissions\|all [0-9]+ actions .*, some in the two groups only'
rm azure/faults.json
faulty 'a master that is off' 1 4 'GET *virtualMachines/master0*' \
	'{"name":"master0","properties":{"provisioningState":"Succeeded","osProfile":{"computerName":"master0"},"instanceView":{"statuses":[{"code":"PowerState/deallocated"}]}}}'
line 'a master that is off' '^wrong\|machines master0 power\|deallocated\|portal, Virtual machines: start master0'
"$AZSWARM" deallocate-agents agents_1 >out 2>&1 || not_ok deallocate "$(cat out)"
doctor 'an agent that is off' 0 --max-agent-count 4
line 'an agent that is off' '^warning\|machines agents000001 power\|deallocated\|azswarm start-agents agents000001'

# Azure counts it no more, and will again
MAX_AGENT_COUNT=4 faulty 'the cores of an agent that is off' 0 3 'GET *Microsoft.Compute/locations/*/usages*' \
	'{"value":[{"unit":"Count","currentValue":6,"limit":9,"name":{"value":"cores","localizedValue":"x"}}]}'
line 'the cores of an agent that is off' '^warning\|quota cores\|6 of 9 in use, 0 more wanted, 4 at MAX_AGENT_COUNT=4'
"$AZSWARM" destroy-storage --confirm swarm-storage >out 2>&1 || not_ok destroy-storage "$(cat out)"
doctor 'storage that is gone' 1 --max-agent-count 4
line 'storage that is gone' '^wrong\|names storage account [a-z0-9]+\|is not there, and new machines fetch.*\|azswarm deploy-storage'

# what it has a node measure: refusals, and ports of this machine
for word in echo tcp:127.0.0.1 tcp:localhost:22 tcp:127.0.0.1:65536 echo:10.208.0 udp:127.0.0.1:1; do
	expect "reach: $word is none" 2 "\"$word\": expected tcp:ADDRESS:PORT or echo:ADDRESS" "$AZSWARM" reach $word
done
port=${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}
expect 'reach: a port that is open' 0 "^tcp 127.0.0.1:$port [0-9]+$" "$AZSWARM" reach "tcp:127.0.0.1:$port"
expect 'reach: one that is not' 0 '^tcp 127.0.0.1:1 refused$' "$AZSWARM" reach tcp:127.0.0.1:1
