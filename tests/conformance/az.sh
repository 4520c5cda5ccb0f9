# Microsoft's command line, as Debian packages it, unchanged: registered with
# the local Azure as a cloud of its own, it does what our commands do.  What it
# takes for an answer is one, and what it sends is what Azure has to expect.
# time: 1800
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/az.sh"

# ---- sign-in ----

a 'a cloud by its address' '' cloud register -n local --endpoint-resource-manager "$arm" \
	--suffix-storage-endpoint "core.localhost:$port"
az cloud set -n local 2>/dev/null
a 'its endpoints, from the metadata' ".endpoints|.activeDirectory==\"$arm\" and .resourceManager==\"$arm\"" cloud show
fails 'a wrong secret' 'AADSTS7000215' login --service-principal -u "$client" -p wrong -t "$tenant"
fails 'a wrong tenant' 'Unable to get authority configuration.*|check your tenant name or GUID' login --service-principal -u "$client" -p "$secret" \
	-t 11111111-1111-1111-1111-111111111111
a 'signing in as a service principal' ".[0]|.id==(\$s|ltrimstr(\"/subscriptions/\")) and .tenantId==\"$tenant\"" \
	login --service-principal -u "$client" -p "$secret" -t "$tenant"
a 'who it is' ".user|.name==\"$client\" and .type==\"servicePrincipal\"" account show
az account show >out 2>&1 </dev/null || exit 1
a 'a token to hand on' '(.accessToken|split(".")|length)==3 and .tokenType=="Bearer"' account get-access-token
a regions '[.[].name]|index("eastus") and index("germanywestcentral")' account list-locations

# ---- groups ----

a 'a group' '.location=="eastus" and .tags.a=="b" and .properties.provisioningState=="Succeeded"' \
	group create -n g1 -l eastus --tags a=b c=d
a 'list of groups' '[.[].name]==["g1"]' group list
a 'groups by tag' '[.[].name]==["g1"]' group list --tag a=b
a 'groups by another tag' '.==[]' group list --tag a=x
a 'a group, looked at' '.id==$s+"/resourceGroups/g1"' group show -n g1
a 'it exists' '.==true' group exists -n g1
a 'another does not' '.==false' group exists -n none
fails 'and is not found' 'ResourceGroupNotFound' group show -n none
fails 'a region that is none' 'LocationNotAvailableForResourceGroup' group create -n both -l mars
a 'its tags, anew' '.tags=={"z":"1"}' group update -n g1 --tags z=1

# ---- providers ----

a 'list of providers' '[.[].namespace]|index("Microsoft.Compute")' provider list
a 'a provider' '.registrationState=="Registered" and
	([.resourceTypes[].resourceType]|index("virtualMachineScaleSets"))' provider show -n Microsoft.Compute
a 'registering' '' provider register -n Microsoft.Network --wait
fails 'a provider nobody has' 'InvalidResourceNamespace' provider show -n Microsoft.Nothing

# ---- storage ----

a 'a free name' '.nameAvailable' storage account check-name -n stockaz1
a 'an account' '.provisioningState=="Succeeded" and .sku.name=="Standard_LRS" and .kind=="StorageV2"' \
	storage account create -n stockaz1 -g g1 -l eastus --sku Standard_LRS --kind StorageV2 \
	--min-tls-version TLS1_2 --allow-blob-public-access false
a 'the same again' '.provisioningState=="Succeeded"' storage account create -n stockaz1 -g g1 -l eastus --sku Standard_LRS
a 'its name is taken' '.nameAvailable==false and .reason=="AlreadyExists"' storage account check-name -n stockaz1
a 'an account, looked at' ".primaryEndpoints.file==\"https://stockaz1.file.core.localhost:$port/\"" \
	storage account show -n stockaz1 -g g1
a 'its keys' '[.[].keyName]==["key1","key2"] and (.[0].value|length)==88' storage account keys list -n stockaz1 -g g1
a 'accounts of the group' '[.[].name]==["stockaz1"]' storage account list -g g1
a 'accounts of all' '[.[].name]==["stockaz1"]' storage account list
a 'a share' '.name=="config"' storage share-rm create --storage-account stockaz1 -g g1 -n config --quota 5
a 'the same share again' '.name=="config"' storage share-rm create --storage-account stockaz1 -g g1 -n config --quota 5
a 'its shares' '[.[]|[.name,.shareQuota]]==[["config",5]]' storage share-rm list --storage-account stockaz1 -g g1
a 'a share, looked at' '.shareQuota==5' storage share-rm show --storage-account stockaz1 -g g1 -n config
a 'without a share' '.exists==false' storage share-rm exists --storage-account stockaz1 -g g1 -n none
fails 'a share that is not' 'ShareNotFound|does not exist' storage share-rm show --storage-account stockaz1 -g g1 -n none

# ---- deployments ----

ssh-keygen -q -t ed25519 -N '' -f id
parameters()	# [JQ FILTER]
{
	jq -n --arg key "$(cat id.pub)" '{"$schema":
		"https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
		contentVersion:"1.0.0.0",parameters:({namePrefix:{value:"unit"},adminPublicKey:{value:$key},
		masterCount:{value:1},agentCount:{value:2},masterCustomData:{value:"I2Nsb3VkLWNvbmZpZwo="},
		agentCustomData:{value:"I2Nsb3VkLWNvbmZpZwo="}}'"${1:-}"')}' >parameters.json
}
T=$SRCDIR/assets/arm/cluster.json
parameters
a 'the template is valid' '.properties|.provisioningState=="Succeeded" and (.validatedResources|length)==11 and
	(.dependencies|length)>0 and (.providers|length)>0' deployment group validate -g g1 -f "$T" -p @parameters.json
a 'what it would do' '[.changes[].changeType]|length==11 and unique==["Create"] or unique==["Create","Ignore"]' \
	deployment group what-if -g g1 -f "$T" -p @parameters.json --no-pretty-print
parameters '+{adminUsername:{value:"root"}}'
fails 'a template that is not' 'The Admin Username specified is not allowed' \
	deployment group validate -g g1 -f "$T" -p @parameters.json
fails 'nor is it deployed' 'PreflightValidationCheckFailed|InvalidTemplateDeployment' \
	deployment group create -g g1 -f "$T" -p @parameters.json -n no
parameters
a 'the cluster' '.properties|.provisioningState=="Succeeded" and
	.outputs.masterFqdn.value=="unit-master0.eastus.cloudapp.localhost" and (.outputResources|length)==11 and
	.mode=="Incremental" and (.duration|startswith("PT")) and (.templateHash|length)>9 and
	.parameters.masterCustomData=={"type":"SecureString"} and
	([.providers[].namespace]|index("Microsoft.Compute"))' \
	deployment group create -g g1 -n cluster -f "$T" -p @parameters.json
a 'a deployment, looked at' '.properties.provisioningState=="Succeeded"' deployment group show -g g1 -n cluster
a 'list of deployments' '[.[].name]==["cluster"]' deployment group list -g g1
a 'those that failed' '.==[]' deployment group list -g g1 --filter "provisioningState eq 'Failed'"
a 'its operations' 'length==12 and ([.[].properties.provisioningState]|unique)==["Succeeded"]' \
	deployment operation group list -g g1 -n cluster
a 'one of them' '.[0].properties.targetResource.resourceType|length>0' deployment operation group show -g g1 -n cluster \
	--operation-ids "$(az deployment operation group list -g g1 -n cluster --query '[-1].operationId' -o tsv)"
a 'what the same would do' '[.changes[]|select(.changeType=="Create" or .changeType=="Delete")]==[]' \
	deployment group what-if -g g1 -n again -f "$T" -p @parameters.json --no-pretty-print
fails 'what is over is not cancelled' 'DeploymentCannotBeCancelled' deployment group cancel -g g1 -n cluster
fails 'a deployment that is not' 'DeploymentNotFound' deployment group show -g g1 -n none

# one after the other, for as long as it takes to cancel it
jq -n '{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
	contentVersion:"1.0.0.0",resources:[{type:"Microsoft.Network/networkSecurityGroups",apiVersion:"2024-05-01",
	name:"[concat(\u0027slow\u0027,copyIndex())]",location:"eastus",copy:{name:"slow",count:200,mode:"serial",batchSize:1},
	properties:{}}]}' >slow.json
a 'a deployment left to itself' '' deployment group create -g g1 -n slow -f slow.json --no-wait
fails 'one at a time' 'DeploymentActive' deployment group create -g g1 -n slow -f slow.json
a 'cancelled' '' deployment group cancel -g g1 -n slow
a 'it says so' '.properties.provisioningState=="Canceled"' deployment group show -g g1 -n slow
a 'and is deleted' '' deployment group delete -g g1 -n slow
a 'it is gone' '[.[].name]==["cluster"]' deployment group list -g g1
jq -n --arg id "$S/resourceGroups/g1/providers/Microsoft.Network/virtualNetworks/none/subnets/x" \
	'{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
	contentVersion:"1.0.0.0",resources:[{type:"Microsoft.Network/networkInterfaces",apiVersion:"2024-05-01",name:"n",
	location:"eastus",properties:{ipConfigurations:[{name:"c",properties:{subnet:{id:$id}}}]}}]}' >nic.json
fails 'one that fails says why' 'InvalidResourceReference' deployment group create -g g1 -n bad -f nic.json
a 'so do its operations' '.[0].properties|.provisioningState=="Failed" and .statusCode=="BadRequest" and
	.statusMessage.error.code=="InvalidResourceReference"' deployment operation group list -g g1 -n bad

# ---- resources in general ----

a 'resources of the group' '[.[].type]|(index("Microsoft.Compute/virtualMachineScaleSets") and
	index("Microsoft.Storage/storageAccounts"))' resource list -g g1
a 'of one type' '[.[].name]==["master0"]' resource list -g g1 --resource-type Microsoft.Compute/virtualMachines
a 'a resource' '.sku.capacity==2 and .location=="eastus"' resource show -g g1 -n agents \
	--resource-type Microsoft.Compute/virtualMachineScaleSets
a 'whatever is asked' '[.value[].name]==["g1"]' rest --method get --url "$S/resourcegroups?api-version=2021-04-01"

# ---- what this az has broken ----

missing="ValueError: API version [0-9-]* does not have|ModuleNotFoundError: No module named 'azure\.mgmt|AttributeError: 'NoneType' object"
a_or_broken 'scale sets, newest profile' '[.[].name]==["agents"]' "$missing" vmss list -g g1
a_or_broken 'machines, newest profile' '[.[].name]==["master0"]' "$missing" vm list -g g1
a_or_broken 'sizes, newest profile' 'length>5' "$missing" vm list-sizes -l eastus
a_or_broken 'quota, newest profile' 'length>3' "$missing" vm list-usage -l eastus
a_or_broken 'addresses, newest profile' 'length==2' "$missing" network public-ip list -g g1
a_or_broken 'a balancer, newest profile' '.name=="agents-lb"' "$missing" network lb show -g g1 -n agents-lb
# and what of that profile works
a 'sizes that may be had' '[.[]|select(.resourceType=="virtualMachines").name]|index("Standard_B2s_v2")' \
	vm list-skus -l eastus
a 'the autoscale setting' '.profiles[0].capacity=={"minimum":"1","maximum":"5","default":"2"}' \
	monitor autoscale show -g g1 -n agents-autoscale
a 'autoscale settings' '[.[].name]==["agents-autoscale"]' monitor autoscale list -g g1

# ---- the same commands, in versions of the API that the package has ----

profile 2020-09-01-hybrid
a 'scale sets' '[.[].name]==["agents"]' vmss list -g g1
a 'a scale set' '.sku.capacity==2 and .upgradePolicy.mode=="Manual" and .virtualMachineProfile.osProfile.adminUsername' \
	vmss show -g g1 -n agents
a 'instances' '[.[]|[.instanceId,.osProfile.computerName,.latestModelApplied]]==
	[["0","agents000000",true],["1","agents000001",true]]' vmss list-instances -g g1 -n agents
a 'instances with their states' '[.[].instanceView.statuses[1].code]==["PowerState/running","PowerState/running"]' \
	vmss list-instances -g g1 -n agents --expand instanceView
a 'the view of the set' '.virtualMachine.statusesSummary|map(select(.code=="PowerState/running"))[0].count==2' \
	vmss get-instance-view -g g1 -n agents
power()		# CASE WANTED
{
	a "$1" "[.[].statuses[1].code|ltrimstr(\"PowerState/\")]==$2" vmss get-instance-view -g g1 -n agents --instance-id '*'
}
power 'views of the instances' '["running","running"]'
a 'scaling out' '.sku.capacity==3' vmss scale -g g1 -n agents --new-capacity 3
power 'three now' '["running","running","running"]'
a 'deleting one' '' vmss delete-instances -g g1 -n agents --instance-ids 2
a 'two again' '[.[].instanceId]==["0","1"]' vmss list-instances -g g1 -n agents
fails 'deleting what is not' 'The provided instanceId 7 is not an active' \
	vmss delete-instances -g g1 -n agents --instance-ids 7
fails 'more than there is' 'OperationNotAllowed.*|exceeding approved Total Regional Cores quota' \
	vmss scale -g g1 -n agents --new-capacity 90
a 'stopping all' '' vmss stop -g g1 -n agents
power 'stopped' '["stopped","stopped"]'
a 'starting one' '' vmss start -g g1 -n agents --instance-ids 1
power 'one of them' '["stopped","running"]'
a 'deallocating one' '' vmss deallocate -g g1 -n agents --instance-ids 0
power 'deallocated' '["deallocated","running"]'
a 'starting all' '' vmss start -g g1 -n agents
a 'restarting both' '' vmss restart -g g1 -n agents --instance-ids 0 1
a 'reimaging all' '' vmss reimage -g g1 -n agents
power 'running, all of them' '["running","running"]'
# its reimage of one goes on, without waiting, to one of the whole set
skip 'reimaging one, by vmss reimage' 'azure-cli 2.45 asks for the instance and the whole set at once'
a 'reimaging one' '' resource invoke-action --action reimage --api-version 2021-07-01 \
	--ids "$S/resourceGroups/g1/providers/Microsoft.Compute/virtualMachineScaleSets/agents/virtualMachines/1"
a 'bringing one to the newest model' '' vmss update-instances -g g1 -n agents --instance-ids 1
a 'scaling in' '.sku.capacity==1' vmss scale -g g1 -n agents --new-capacity 1
power 'one is left' '["running"]'
a 'addresses of instances' '[.[].ipConfigurations[0].privateIPAddress]==["10.77.16.4"]' \
	vmss nic list -g g1 --vmss-name agents

a machines '[.[].name]==["master0"]' vm list -g g1
a 'a machine' '.provisioningState=="Succeeded" and .osProfile.computerName=="master0"' vm show -g g1 -n master0
a 'its addresses' '.[0].virtualMachine.network.privateIpAddresses==["10.77.0.10"]' \
	vm list-ip-addresses -g g1 -n master0
a 'stopping it' '' vm stop -g g1 -n master0
a 'it is stopped' '.instanceView.statuses[1].code=="PowerState/stopped"' vm get-instance-view -g g1 -n master0
a 'starting it' '' vm start -g g1 -n master0
a 'restarting it' '' vm restart -g g1 -n master0
a 'deallocating it' '' vm deallocate -g g1 -n master0
a 'starting it again' '' vm start -g g1 -n master0
a 'it runs' '.instanceView.statuses[1].code=="PowerState/running"' vm get-instance-view -g g1 -n master0
a 'a command on it' '.value[0].message|startswith("Enable succeeded: \n[stdout]")' \
	vm run-command invoke -g g1 -n master0 --command-id RunShellScript --scripts 'echo hi'
a sizes '[.[].name]|index("Standard_B2s_v2")' vm list-sizes -l eastus
a quota '.[]|select(.name.value=="cores")|(.limit|tonumber)==100 and (.currentValue|tonumber)==4' vm list-usage -l eastus
a 'images' '[.[]|[.sku,.version]]|index([["server","24.04.202607280"]])' vm image list -l eastus -p Canonical \
	-f ubuntu-24_04-lts --all
a 'the newest image' '.hyperVGeneration=="V2"' vm image show -l eastus --urn Canonical:ubuntu-24_04-lts:server:latest
a 'availability sets' '[.[].name]==["masters"]' vm availability-set list -g g1

a addresses '[.[].name]|sort==["agents-lb-ip","master0-ip"]' network public-ip list -g g1
a 'names of the masters' '[.[].dnsSettings.fqdn]|index("unit-master0.eastus.cloudapp.localhost")' \
	network public-ip list -g g1
a balancers '.[0]|.name=="agents-lb" and .sku.name=="Standard" and (.frontendIpConfigurations|length)==1' \
	network lb list -g g1
a_or_broken 'a balancer' '.name=="agents-lb"' "$missing" network lb show -g g1 -n agents-lb
a 'a balancer, as a resource' '.properties.backendAddressPools|length==1' resource show -g g1 -n agents-lb \
	--resource-type Microsoft.Network/loadBalancers --api-version 2018-11-01
a 'security groups' '[.[].name]|sort==["agents-nsg","masters-nsg"]' network nsg list -g g1 --query "[?!starts_with(name,'slow')]"
a 'a security group' '.securityRules|length>0' network nsg show -g g1 -n masters-nsg
a networks '.[0].addressSpace.addressPrefixes==["10.77.0.0/16"]' network vnet list -g g1
a 'a network' '[.subnets[].name]|sort==["agents","masters"]' network vnet show -g g1 -n vnet
a subnets '[.[].name]|sort==["agents","masters"]' network vnet subnet list -g g1 --vnet-name vnet
a interfaces '[.[].name]==["master0-nic"]' network nic list -g g1

# older still
for p in 2019-03-01-hybrid 2018-03-01-hybrid; do
	profile $p
	a "scale sets, $p" '[.[].name]==["agents"]' vmss list -g g1
	a "instances, $p" 'length==1' vmss list-instances -g g1 -n agents
	a "machines, $p" '[.[].name]==["master0"]' vm list -g g1
	a "accounts, $p" '[.[].name]==["stockaz1"]' storage account list -g g1
	a "groups, $p" '[.[].name]==["g1"]' group list
done

# ---- az and azswarm make the same ----

profile latest
# azswarm, signed in by its own means
azs()
{
	env AZURE_AUTHORITY_HOST="$arm" AZURE_RESOURCE_MANAGER_ENDPOINT="$arm" AZURE_TENANT_ID="$tenant" \
		AZURE_CLIENT_ID="$client" AZURE_CLIENT_SECRET="$secret" SSL_CERT_FILE="$ca" \
		AZURE_SUBSCRIPTION_ID="${S#/subscriptions/}" XDG_CACHE_HOME="$PWD/cache" \
		COMPUTE_GROUP=both STORAGE_GROUP=g1 STORAGE_ACCOUNT_NAME=stockaz1 LOCATION=eastus "$AZSWARM" "$@"
}

get()		# PATH: GET it, as it is
{
	curl -sS -g --cacert "$ca" --noproxy '*' -m 60 -H "Authorization: Bearer $bearer" "$arm$1"
}

# Every resource of the group, and all that its lists and views say, without what
# cannot be the same twice: unique ids, times, etags and hardware addresses.
everything()
{
	bearer=$(az account get-access-token --query accessToken -o tsv)
	get "$S/resourceGroups/both/resources?api-version=2021-04-01" | jq -r '.value[]|"\(.id) \(.type)"' | sort |
	while read -r id type; do
		case $type in
		Microsoft.Compute/*) v=2024-07-01 ;;
		Microsoft.Network/*) v=2024-05-01 ;;
		*) v=2022-10-01 ;;
		esac
		get "$id?api-version=$v"
		case $type in
		*/virtualMachineScaleSets)
			get "$id/virtualMachines?\$expand=instanceView&api-version=$v"
			get "$id/networkInterfaces?api-version=2018-10-01"
			get "$id/instanceView?api-version=$v"
			;;
		*/virtualMachines)
			get "$id/instanceView?api-version=$v"
			;;
		esac
	done
	get "$S/resourceGroups/both/providers/Microsoft.Resources/deployments/cli-eastus?api-version=2021-04-01"
	get "$S/resourcegroups/both/deployments/cli-eastus/operations?api-version=2021-04-01" | jq '.value|=sort_by(
		.properties.targetResource.id)|del(.value[]|.id,.operationId,.properties.duration)'
}
normal()	# FILE
{
	jq -S --arg s "${S#/subscriptions/}" 'walk(if type=="object" then del(.etag,.duration,.macAddress)
		elif type=="string" then gsub($s;"SUBSCRIPTION") |
			gsub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";"GUID") |
			gsub("20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]*(Z|[+]00:00)";"TIME")
		else . end)' "$1"
}

if azs keys >out 2>&1 && azs deploy-storage >out 2>&1 && azs params >out 2>&1; then
	ok 'keys, storage and parameters'
else
	not_ok 'keys, storage and parameters' "$(tail -n 3 out)"
fi
a 'the group for it' '' group create -n both -l eastus
# what azswarm finds out for each deployment: the latest image, and who is new
newest=$(azs plan 2>&1 | sed -n 's/^image .*: version \([0-9.]*\)$/\1/p' | head -n 1)
masters=$(jq .parameters.masterCount.value parameters/cluster.json)
versions=$(jq -cn --arg v "$newest" --argjson n "$masters" '[range($n) | $v]')
names=$(jq -cn --argjson n "$masters" '[range($n) | "master\(.)"]')
a 'our parameters, deployed by az' '.properties.provisioningState=="Succeeded"' \
	deployment group create -g both -n cli-eastus -f "$T" -p @parameters/cluster.json \
	-p "agentImageVersion=$newest" -p "masterImageVersions=$versions" -p "newMasters=$names"
everything >by-az
a 'and gone' '' group delete -n both --yes
azs deploy-compute >out 2>&1 && ok 'the same, deployed by azswarm' ||
	not_ok 'the same, deployed by azswarm' "$(tail -n 3 out)"
everything >by-azswarm
normal by-az >az.json && normal by-azswarm >azswarm.json
same 'documents that were compared' 'yes yes' "$([ "$(jq -s length az.json)" -ge 17 ] && echo yes) $(
	jq -se 'any(.name=="agents" and .sku.capacity==3)' az.json >/dev/null && echo yes)"
if diff az.json azswarm.json >diff.out; then
	ok 'both made the same'
else
	not_ok 'both made the same' "$(head -n 40 diff.out | tr '\n' ' ')"
fi
a 'az sees no difference' '[.changes[]|select(.changeType=="Create" or .changeType=="Delete")]==[]' \
	deployment group what-if -g both -n again -f "$T" -p @parameters/cluster.json \
	-p "agentImageVersion=$newest" -p "masterImageVersions=$versions" -p newMasters='[]' --no-pretty-print
# masters that are there, whatever a newer program would make others by
others=$(printf '#cloud-config\n# another\n' | base64 -w 0)
a 'az sees masters unchanged' '[.changes[]|select(.resourceId|test("virtualMachines/master"))|.changeType]|unique==["NoChange"]' \
	deployment group what-if -g both -n again -f "$T" -p @parameters/cluster.json -p newMasters='[]' \
	-p "masterCustomData=$others" -p "agentImageVersion=$newest" -p "masterImageVersions=$versions" --no-pretty-print
fails 'sent it as if they were new, Azure refuses' 'PropertyChangeNotAllowed' \
	deployment group create -g both -n again -f "$T" -p @parameters/cluster.json \
	-p "masterCustomData=$others" -p "agentImageVersion=$newest" -p "masterImageVersions=$versions"
a 'and leaves them so' '.properties.provisioningState=="Succeeded"' \
	deployment group create -g both -n again -f "$T" -p @parameters/cluster.json -p newMasters='[]' \
	-p "masterCustomData=$others" -p "agentImageVersion=$newest" -p "masterImageVersions=$versions"

# ---- azswarm signs in by az ----

by_az()		# [VARIABLE=VALUE...] COMMAND...
{
	env HTTPS_PROXY="$proxy" NO_PROXY=localhost REQUESTS_CA_BUNDLE="$PWD/bundle.pem" SSL_CERT_FILE="$ca" \
		XDG_CACHE_HOME="$PWD/cache-az" AZURE_RESOURCE_MANAGER_ENDPOINT="$arm" \
		COMPUTE_GROUP=both STORAGE_GROUP=g1 STORAGE_ACCOUNT_NAME=stockaz1 LOCATION=eastus "$@"
}
expect 'az signs azswarm in' 0 '^both ' by_az AZURE_TOKEN_CREDENTIALS=AzureCliCredential "$AZSWARM" resources
expect 'and names the subscription' 0 '  agents_0  ' by_az AZURE_TOKEN_CREDENTIALS=dev "$AZSWARM" list-agents
expect 'without being told to' 0 '^both ' by_az "$AZSWARM" resources

# ---- the end ----

jq -n '{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
	contentVersion:"1.0.0.0",resources:[{type:"Microsoft.Network/networkSecurityGroups",apiVersion:"2024-05-01",
	name:"alone",location:"eastus",properties:{}}]}' >alone.json
a 'what a complete deployment would take' '[.changes[].changeType]|group_by(.)|map([.[0],length])==[["Create",1],["Delete",11]]' \
	deployment group what-if -g both -n alone -f alone.json --mode Complete --no-pretty-print
a 'a complete deployment' '.properties|.provisioningState=="Succeeded" and .mode=="Complete"' \
	deployment group create -g both -n alone -f alone.json --mode Complete
a 'takes what the template lacks' '[.[].name]==["alone"]' resource list -g both

a 'a share goes' '' storage share-rm delete --storage-account stockaz1 -g g1 -n config --yes
a 'an account goes' '' storage account delete -n stockaz1 -g g1 --yes
a 'the group goes' '' group delete -n g1 --yes
a 'so does the other' '' group delete -n both --yes
a 'and is gone' '.==false' group exists -n g1
a 'signing out' '' logout
fails 'signed out' 'az login' group list
# Azure Stack signs in at a place of its own, which nobody is asked about
AZURE_CONFIG_DIR=$PWD/stack
a 'a sign-in of Azure Stack' '' cloud register -n stack --endpoint-resource-manager "$arm" --endpoint-management "$arm" \
	--endpoint-active-directory "$arm/adfs" --endpoint-active-directory-resource-id "$arm"
az cloud set -n stack 2>/dev/null
fails 'ADFS knows the secret, too' 'AADSTS7000215' login --service-principal -u "$client" -p wrong -t "$tenant"
a 'ADFS gives a token' ".[0].tenantId==\"$tenant\"" login --service-principal -u "$client" -p "$secret" -t "$tenant"
a 'which is one' '[.[].name]|index("eastus")' account list-locations

# ---- by other means: certificates, federation, a user ----

AZURE_CONFIG_DIR=$PWD/other
a 'the cloud once more' '' cloud register -n local --endpoint-resource-manager "$arm" --endpoint-management "$arm" \
	--endpoint-active-directory "$arm" --endpoint-active-directory-resource-id "$arm"
az cloud set -n local 2>/dev/null
for name in app stranger; do
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout $name.key -out $name.crt 2>/dev/null
	cat $name.key $name.crt >$name.pem
done
cp app.crt azure/client.pem	# the local Azure takes it for the application's
a 'a certificate' ".[0].user.name==\"$client\"" login --service-principal -u "$client" -p app.pem -t "$tenant"
a 'is as good as a secret' '[.[].name]|index("eastus")' account list-locations
az logout 2>/dev/null
fails "somebody else's is not" 'AADSTS700027' login --service-principal -u "$client" -p stranger.pem -t "$tenant"
part()
{
	openssl base64 -A | tr '+/' '-_' | tr -d =
}
assertion()	# AUDIENCE
{
	printf '%s.%s.c2ln' "$(printf '{"alg":"RS256","typ":"JWT"}' | part)" "$(jq -nc --arg aud "$1" '{iss:"https://issuer.example",
		sub:"repo",aud:$aud,iat:(now|floor),nbf:(now|floor),exp:(now+300|floor)}' | part)"
}
fails 'a token for others' 'AADSTS700212' login --service-principal -u "$client" -t "$tenant" \
	--federated-token "$(assertion api://other)"
a 'a federated token' ".[0].user.name==\"$client\"" login --service-principal -u "$client" -t "$tenant" \
	--federated-token "$(assertion api://AzureADTokenExchange)"
a 'and what it is good for' '[.[].name]|index("eastus")' account list-locations
az logout 2>/dev/null

# A user confirms a code, as in a browser.
confirm()	# ANSWER
{
	: >code
	(AZURE_CORE_ONLY_SHOW_ERRORS=0 az login --use-device-code -t "$tenant" -o json >user.json 2>code </dev/null
		echo "exit $?" >>code) &
	wait_for 60 grep -q 'enter the code' code
	curl -sS --cacert "$ca" --noproxy '*' "$arm/devicelogin" -d "answer=$1" \
		-d "user_code=$(sed -n 's/.*enter the code \([A-Z0-9-]*\) .*/\1/p' code)" >page
	wait_for 120 grep -q '^exit' code
	wait $!
}
confirm no
same 'a user who declines' 'exit 1' "$(tail -n 1 code)"
confirm yes
same 'a user' 'exit 0 user' "$(tail -n 1 code) $(jq -r '.[0].user.type' user.json)"
a 'may ask, too' '[.[].name]|index("eastus")' account list-locations
expect 'and is who azswarm is' 0 'user@local\.example' by_az AZURE_TOKEN_CREDENTIALS=AzureCliCredential \
	XDG_CACHE_HOME="$PWD/cache-user" "$AZSWARM" status

same 'nothing else was asked for outside' '' \
	"$(grep CONNECT proxy.out | grep -v 'login.microsoftonline.com:443\|azure.microsoft.com:443' | head -n 3)"
