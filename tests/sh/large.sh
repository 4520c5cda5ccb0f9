# A cluster of a thousand agents, on paper: what the local Azure needs for it,
# and that the commands work with more than one placement group has.
# time: 180
. "$SRCDIR/tests/lib.sh"
need curl jq
network=api-version=2024-05-01

export COMPUTE_GROUP=large-compute STORAGE_GROUP=large-storage
export XDG_CACHE_HOME="$PWD/cache"

start()
{
	starts=$((${starts:-0} + 1))
	spawn log.$starts "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure \
		--cores 5000
	azure=$spawned
	wait_for 20 grep -q '^ready https://localhost:[0-9]*$' log.$starts || {
		not_ok start "$(cat log.$starts)"
		exit 1
	}
	. ./azure/env
	T=$(c "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" \
		-d grant_type=client_credentials -d "client_id=$AZURE_CLIENT_ID" \
		--data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
		-d scope=https://management.azure.com/.default |
		jq -r .access_token)
	bearer="Authorization: Bearer $T"
	G=$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID
	G=$G/resourceGroups/$COMPUTE_GROUP/providers
	V=$G/Microsoft.Compute/virtualMachineScaleSets/agents
	set=$V?api-version=2024-07-01
}

c()
{
	curl -sS -g --cacert "$SSL_CERT_FILE" --noproxy '*' -m 60 "$@"
}

get()		# URL
{
	c -H "$bearer" "$1"
}

# What the local Azure has used of the processor, in milliseconds.
cpu()
{
	cut -d ' ' -f 14,15 "/proc/$azure/stat" | {
		read -r user system
		echo $(((user + system) * 1000 / $(getconf CLK_TCK)))
	}
}

fine()		# CASE COMMAND...
{
	fine_case=$1
	shift
	expect "$fine_case" 0 . "$AZSWARM" "$@"
}

balancer()	# FILTER
{
	get "$G/Microsoft.Network/loadBalancers/agents-lb?$network" |
		jq -c "$1"
}

start
fine keys keys
fine storage deploy-storage
fine params params
fine compute deploy-compute
same 'one placement group, and one address to go out' 'true [1,0]' \
	"$(get "$set" | jq .properties.singlePlacementGroup) $(
		balancer '.properties | [(.frontendIPConfigurations | length),
			.outboundRules[0].properties.allocatedOutboundPorts]')"

# --- pages --------------------------------------------------------------------

# The addresses of a list's pages, a hundred or so of them, as curl wants them.
pages()		# PATH FILE
{
	pages_url=$V$1
	: >one
	while [ "$pages_url" != null ]; do
		get "$pages_url" >page
		# the one between the first two is empty, as Azure's
		[ "$(jq '.value|length' page)" -eq 0 ] ||
			printf 'url = "%s"\noutput = /dev/null\n' \
				"$pages_url" >>one
		pages_url=$(jq -r .nextLink page)
	done
	: >"$2"
	while [ "$(grep -c ^url "$2")" -lt 100 ]; do cat one >>"$2"; done
}
# All of them on one connection: microseconds of processor for one.
page()		# FILE
{
	page_before=$(cpu)
	c -H "$bearer" -K "$1"
	echo $((($(cpu) - page_before) * 1000 / $(grep -c ^url "$1")))
}
machines='/virtualMachines?api-version=2024-07-01&$expand=instanceView'
interfaces='/networkInterfaces?api-version=2018-10-01'
fine 'forty, which are a page' scale-agents 40
pages "$machines" few-machines
pages "$interfaces" few-interfaces
for list in machines interfaces; do
	least 1 page few-$list
	eval "few_$list=$least"
done

# --- up -----------------------------------------------------------------------

# The slowest of the answers that somebody else gets meanwhile.
ask_on()
{
	while [ ! -e enough ]; do
		c -o /dev/null -w '%{time_total}\n' -H "$bearer" "$set"
	done
}
before=$(cpu)
ask_on >asked &
asking=$!
expect 'a thousand agents' 0 '^1000 agents; ' "$AZSWARM" scale-agents 1000
touch enough
wait $asking
used=$(($(cpu) - before))
check "for less than 7 s of processor ($used ms)" [ $used -lt 7000 ]
slowest=$(sort -n asked | tail -n 1)
check "while others are answered within 2 s ($slowest)" \
	[ "${slowest%.*}" -lt 2 ]
check 'several placement groups' grep -q 'placement groups, for good' out
check 'and the ports that one address leaves them' grep -q '32 ports' out
"$AZSWARM" list-agents --output tsv >list
same 'as many as were asked for' 1000 "$(cut -f 1 list | sort -u | grep -c .)"
same 'each has its own address' 1000 "$(cut -f 4 list | sort -u | grep -c 10.77)"

pages "$machines" many-machines
same 'forty on each' 25 "$(sort -u many-machines | grep -c ^url)"
pages "$interfaces" many-interfaces
for list in machines interfaces; do
	eval "few=\$few_$list"
	least $((few * 2)) page many-$list
	check "a page of 1,000 $list is as dear as one of 40 (us: $least, $few)" \
		[ "$least" -lt $((few * 2)) ]
done

# --- what one address is too little for --------------------------------------

expect 'plan: an address range comes' 5 \
	'^[+] Microsoft.Network/publicIPPrefixes agents-out' "$AZSWARM" plan
fine 'deploy-compute' deploy-compute
same 'it stays a thousand, in several groups' '[1000,false]' \
	"$(get "$set" | jq -c '[.sku.capacity,.properties.singlePlacementGroup]')"
range=$(get "$G/Microsoft.Network/publicIPPrefixes/agents-out?$network" |
	jq .properties.prefixLength)
same 'eight addresses' 29 "$range"
# Azure's rule: 64,000 ports an address, a multiple of eight for each machine
same 'have ports for a thousand, in eights' 'true' \
	"$(balancer ".properties.outboundRules[0].properties.allocatedOutboundPorts |
		. > 0 and . % 8 == 0 and . * 1000 <= 64000 * pow(2; 32 - $range)")"
same 'and the rule goes out through them' '["outbound"]' \
	"$(balancer '[.properties.outboundRules[0].properties
		.frontendIPConfigurations[].id | split("/")[-1]]')"

# --- down, and once more ------------------------------------------------------

reap "$azure"
start
same 'they are there after a restart' 1000 \
	"$("$AZSWARM" list-agents --output tsv | grep -c .)"
expect 'in to four' 0 '^4 agents left' "$AZSWARM" scale-agents 4 --yes
check 'a quarter at a time, and not all by name' \
	grep -q '^agents_999, .*, agents_980 and 230 more: deleted' out
same 'the oldest stay' '0 1 2 3 ' \
	"$("$AZSWARM" list-agents --output tsv | cut -f 1 | tr '\n' ' ')"
fine 'a small cluster is deployed over it' deploy-compute
same 'and has several groups still' 'false' \
	"$(get "$set" | jq .properties.singlePlacementGroup)"
expect 'out again, with nothing to be said' 0 '^120 agents; ' \
	"$AZSWARM" scale-agents 120
check 'as there is enough for them' sh -c '! grep -q "placement group" out'
MAX_AGENT_COUNT=300 "$AZSWARM" params >/dev/null 2>&1
same 'settings of many ask for it from the beginning' '[300,false]' \
	"$(jq -c '.parameters | [.maxAgentCount.value, .singlePlacementGroup.value]' \
		parameters/cluster.json)"
