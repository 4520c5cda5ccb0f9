# Commands, as they are, over TLS against answers that were recorded on Azure
# (tests/player.py): what they print is held against the recorded bytes, by jq.
# time: 200
. "$SRCDIR/tests/lib.sh"
need jq openssl /usr/bin/python3

recordings=$SRCDIR/../shared/azure/recordings
[ -d "$recordings" ] || skip_all "no ../shared/azure/recordings"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
	-out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>openssl.err
export AZURE_TENANT_ID=tenant AZURE_CLIENT_ID=client AZURE_CLIENT_SECRET=secret
export AZURE_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000
export SSL_CERT_FILE=$PWD/cert.pem
players=0

# Play a recording; the session that follows talks to it.
play()		# FILE [OLD=NEW...]
{
	file=$recordings/$1.json
	shift
	players=$((players + 1))
	[ $players -eq 1 ] || reap "$player"
	spawn player.$players /usr/bin/python3 "$SRCDIR/tests/player.py" "$file" cert.pem key.pem "$@"
	player=$spawned
	wait_for 10 grep -q '^ready ' player.$players || not_ok "the player starts" "$(cat player.$players)"
	AZURE_AUTHORITY_HOST=https://localhost:$(sed -n 's/^ready //p' player.$players)
	export AZURE_AUTHORITY_HOST AZURE_RESOURCE_MANAGER_ENDPOINT="$AZURE_AUTHORITY_HOST"
}

# The command's JSON, through jq, is what jq makes of the recording.
says()		# CASE STATUS JQ-FILTER WANTED ARGUMENTS...
{
	says_case=$1 says_status=$2 says_filter=$3 says_want=$4
	shift 4
	says_got=0
	"$AZSWARM" "$@" --output json >json 2>talk </dev/null || says_got=$?
	if [ $says_got -ne "$says_status" ]; then
		not_ok "$says_case" "exit $says_got: $(tail -n 1 talk)"
	else
		same "$says_case" "$(printf '%s\n' "$says_want" | sort)" \
			"$(jq -r "$says_filter" json | sort)"
	fi
}

# The body of a recorded answer, through jq.
recorded()	# I JQ-FILTER
{
	jq -r ".exchanges[] | select(.i == $1) | .response_body" "$file" | jq -r "$2"
}

# The exchanges that the client was given, in order.
given()
{
	sleep 0.5	# a line is written when its answer is
	sed -n 's/.* \([0-9]*\)$/\1/p' player.$players | sed 1d | tr '\n' ' ' | sed 's/ $//'
}

# ---- lists ----

play java_list_locations
says "locations: every physical region" 0 '.[] | .name + " " + .["display name"]' \
	"$(recorded 1 '.value[] | select(.metadata.regionType == "Physical") | .name + " " + .displayName')" \
	locations

play xplat_publicip_list
export COMPUTE_GROUP=xplat-test-public-ip
says "list-endpoints: addresses and names" 0 '.[] | .name + " " + .address + " " + .fqdn' \
	"$(recorded 0 '.value[] | .name + " " + .properties.ipAddress + " " + .properties.dnsSettings.fqdn')" \
	list-endpoints

play k8s_publicip_AZURECLOUD aks-cit-PublicIPAddress=aks-pip
export COMPUTE_GROUP=aks-pip
says "list-endpoints: as answered in 2026" 0 '.[] | .name + " " + .address' \
	"$(recorded 9 '.value[] | .name + " " + .properties.ipAddress')" list-endpoints

play net_vmss_instance_actions_2019
export COMPUTE_GROUP=javacsmrg8339 VMSS_NAME=vmss9607
says "list-agents: machines, their names and states" 0 '.[] | .id + " " + .host + " " + .provisioning' \
	"$(recorded 58 '.value[] | .instanceId + " " + .properties.osProfile.computerName + " " +
		.properties.provisioningState')" list-agents
says "list-agents: their addresses" 0 '.[] | .address' \
	"$(recorded 47 '.value[].properties | select(.virtualMachine.id | test("/[13]$")) |
		.ipConfigurations[0].properties.privateIPAddress')" list-agents

# ---- operations ----

play net_vmss_instance_actions_2019
export COMPUTE_GROUP=javacsmrg8339 VMSS_NAME=vmss9607
expect "scale-agents: follows the operation to its end" 0 '^6 agents; ' "$AZSWARM" scale-agents 6
same "scale-agents: reads, patches, polls three times" '44 58 54 55 56 57' "$(given)"

play xplat_deploy_operations_list_2016 Deploy17889=cli-eastus xDeploymentTestGroup6276=x-group
export COMPUTE_GROUP=x-group
says "view-deployment: the operations at the end" 0 '.[] | .name + " " + .state' \
	"$(recorded 23 '.value[] | .properties | select(.targetResource) |
		(.targetResource.resourceName | sub("xDeploymentTestGroup6276"; "x-group")) + " " +
			.provisioningState')" view-deployment --watch
expect "destroy-compute: follows the deletion to its end" 0 'x-group deleted, nothing of it is left' \
	"$AZSWARM" destroy-compute --confirm x-group
same "destroy-compute: polls four times, and looks" '24 25 26 27 28 0' \
	"$(given | grep -o '24 .*')"

# ---- refusals: the innermost cause, as Azure put it ----

play k8s_deployment_AZURECLOUD aks-cit-Deployment=aks-dep testResourcenotfound=cli-eastus
export COMPUTE_GROUP=aks-dep
expect "view-deployment: there is none" 1 "DeploymentNotFound: Deployment 'cli-eastus' could not be found\\." "$AZSWARM" view-deployment

play k8s_vmssvm_AZURECLOUD aks-cit-VirtualMachineScaleSetVMnotfound=aks-none \
	testParentResource=agents
export COMPUTE_GROUP=aks-none VMSS_NAME=agents
expect "list-agents: Azure's words for a group that is not there" 1 \
	"ResourceGroupNotFound: Resource group 'aks-none' could not be found\\." "$AZSWARM" list-agents
