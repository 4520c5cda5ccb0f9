# Compute Galleries by Microsoft's command line, unchanged: what 'az sig', 'az vm
# generalize' and 'az vm create --image ID' take for an answer is one, and what they
# send is what Azure has to expect.
# time: 600
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/az.sh"

az cloud register -n local --endpoint-resource-manager "$arm" --suffix-storage-endpoint "core.localhost:$port" 2>err &&
	az cloud set -n local 2>err || not_ok 'a cloud by its address' "$(tail -n 2 err)"
a 'signing in' '' login --service-principal -u "$client" -p "$secret" -t "$tenant"
a 'a group' '' group create -n g -l eastus
ssh-keygen -q -t ed25519 -N '' -f id
G=$S/resourceGroups/g C=$S/resourceGroups/g/providers/Microsoft.Compute

# ---- galleries, definitions ----

a 'a gallery' '.name=="baked" and .provisioningState=="Succeeded" and (.identifier.uniqueName|endswith("-BAKED"))' \
	sig create -g g -r baked --description 'machines that are baked'
a 'a gallery, looked at' '.location=="eastus" and .description=="machines that are baked"' sig show -g g -r baked
a 'list of galleries' '[.[].name]==["baked"]' sig list -g g
a 'of all groups' '[.[].name]==["baked"]' sig list
a 'its tags' '.tags=={"a":"b"}' sig update -g g -r baked --set tags.a=b
fails 'a name it cannot have' 'entity name|InvalidParameter' sig create -g g -r ba+ked
a 'a definition' '.provisioningState=="Succeeded" and .osState=="Generalized" and .hyperVGeneration=="V2" and
	.architecture=="x64" and .identifier=={"offer":"node","publisher":"azswarm","sku":"x64"} and
	.features==[{"name":"SecurityType","value":"TrustedLaunch"}]' \
	sig image-definition create -g g -r baked -i x64 -p azswarm -f node -s x64 --os-type linux --os-state generalized \
	--hyper-v-generation V2 --architecture x64 --features SecurityType=TrustedLaunch
a 'one of machines without it' '.features==null and .hyperVGeneration=="V2"' sig image-definition create -g g -r baked \
	-i plain -p azswarm -f node -s plain --os-type linux --os-state generalized --hyper-v-generation V2
fails 'the same names again' 'identified by' sig image-definition create -g g -r baked -i other -p azswarm -f node \
	-s plain --os-type linux --hyper-v-generation V2
a 'list of definitions' '[.[].name]|sort==["plain","x64"]' sig image-definition list -g g -r baked
a 'a definition, looked at' '.osType=="Linux"' sig image-definition show -g g -r baked -i x64
a 'its description' '.description=="d"' sig image-definition update -g g -r baked -i x64 --set description=d

# ---- a machine, generalized ----

missing="ValueError: API version [0-9-]* does not have|ModuleNotFoundError: No module named 'azure\\.mgmt|AttributeError: 'NoneType' object"
profile latest
a_or_broken 'machines, newest profile' '.==[]' "$missing" vm list -g g
# a machine of which an image is taken, from a template: what az makes of one needs
# packages that Debian's has not
jq -n --arg key "$(cat id.pub)" '{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
	contentVersion: "1.0.0.0", parameters: {name: {type: "string"}, image: {type: "object"}, security: {type: "object",
	defaultValue: {}}}, resources: [
	{type: "Microsoft.Network/virtualNetworks", apiVersion: "2024-05-01", name: "v", location: "eastus", properties:
	{addressSpace: {addressPrefixes: ["10.77.0.0/16"]}, subnets: [{name: "s", properties: {addressPrefix: "10.77.0.0/24"}}]}},
	{type: "Microsoft.Network/networkInterfaces", apiVersion: "2024-05-01", name: "[parameters(\u0027name\u0027)]",
	location: "eastus", dependsOn: ["Microsoft.Network/virtualNetworks/v"], properties: {ipConfigurations: [{name: "c",
	properties: {subnet: {id: "[resourceId(\u0027Microsoft.Network/virtualNetworks/subnets\u0027,\u0027v\u0027,\u0027s\u0027)]"}}}]}},
	{type: "Microsoft.Compute/virtualMachines", apiVersion: "2024-07-01", name: "[parameters(\u0027name\u0027)]",
	location: "eastus", dependsOn: ["[resourceId(\u0027Microsoft.Network/networkInterfaces\u0027,parameters(\u0027name\u0027))]"],
	properties: {hardwareProfile: {vmSize: "Standard_B2ts_v2"}, storageProfile: {imageReference:
	"[parameters(\u0027image\u0027)]"}, securityProfile: "[parameters(\u0027security\u0027)]", osProfile: {computerName:
	"[parameters(\u0027name\u0027)]", adminUsername: "op", linuxConfiguration: {ssh: {publicKeys: [{path:
	"/home/op/.ssh/authorized_keys", keyData: $key}]}}}, networkProfile: {networkInterfaces: [{id:
	"[resourceId(\u0027Microsoft.Network/networkInterfaces\u0027,parameters(\u0027name\u0027))]"}]}}}]}' >vm.json
ubuntu='{"publisher":"Canonical","offer":"ubuntu-24_04-lts","sku":"server","version":"latest"}'
trusted='{"securityType":"TrustedLaunch","uefiSettings":{"secureBootEnabled":true,"vTpmEnabled":true}}'
a 'a machine' '.properties.provisioningState=="Succeeded"' deployment group create -g g -n one -f vm.json -p name=one \
	-p "image=$ubuntu" -p "security=$trusted"
a 'another, without Trusted Launch' '.properties.provisioningState=="Succeeded"' deployment group create -g g -n plain \
	-f vm.json -p name=plain -p "image=$ubuntu"
profile 2020-09-01-hybrid
fails 'generalizing what runs' "Operation 'generalize' is not allowed on VM 'one' since the VM is running" \
	vm generalize -g g -n one
a deallocating '' vm deallocate -g g -n one
a generalizing '' vm generalize -g g -n one
a 'its states' '[.instanceView.statuses[].code]==["OSState/generalized","ProvisioningState/succeeded","PowerState/deallocated"]' \
	vm get-instance-view -g g -n one
a 'deallocating the other' '' vm deallocate -g g -n plain
a 'generalizing it' '' vm generalize -g g -n plain
fails 'starting it' 'since the VM is generalized' vm start -g g -n one
profile latest

# ---- versions ----

version()	# CASE FILTER VERB ARGUMENT...
{
	version_case=$1 version_filter=$2 version_verb=$3
	shift 3
	a "$version_case" "$version_filter" sig image-version "$version_verb" -g g -r baked -i x64 "$@"
}
version 'a version of the machine' '.provisioningState=="Succeeded" and .name=="1.0.0" and
	.publishingProfile.excludeFromLatest==false and ([.publishingProfile.targetRegions[].name]==["East US"])' \
	create -e 1.0.0 --virtual-machine "$C/virtualMachines/one"
version 'in two regions' '[.publishingProfile.targetRegions[]|[.name,.regionalReplicaCount]]==[["East US",1],["West US",2]]' \
	create -e 1.0.1 --virtual-machine "$C/virtualMachines/one" --target-regions eastus=1 westus=2 --exclude-from-latest true
fails 'a name that is no version' 'should follow Major' sig image-version create -g g -r baked -i x64 -e 1.0 \
	--virtual-machine "$C/virtualMachines/one"
fails 'Trusted Launch into one without' 'different security type' sig image-version create -g g -r baked -i plain -e 1.0.0 \
	--virtual-machine "$C/virtualMachines/one"
a 'one without' '.provisioningState=="Succeeded"' sig image-version create -g g -r baked -i plain -e 1.0.0 \
	--virtual-machine "$C/virtualMachines/plain"
version 'list of versions' '[.[].name]==["1.0.0","1.0.1"]' list
version 'a version, looked at' '.storageProfile.osDiskImage.sizeInGb // .storageProfile.osDiskImage.sizeInGB|.==30' show -e 1.0.0
version 'where it has come' '.replicationStatus|.aggregatedState=="Completed" and (.summary|length)==2' \
	show -e 1.0.1 --expand ReplicationStatus
version 'to more regions' '[.publishingProfile.targetRegions[].name]==["East US","North Europe"]' \
	update -e 1.0.0 --target-regions eastus northeurope
version 'and to be waited for' '' wait -e 1.0.0 --created

# ---- machines of it ----

a 'a machine of the version' '.properties.provisioningState=="Succeeded"' deployment group create -g g -n two -f vm.json \
	-p name=two -p "image={\"id\":\"$C/galleries/baked/images/x64/versions/1.0.0\"}" -p "security=$trusted"
a 'it says so' '.properties.storageProfile.imageReference.exactVersion=="1.0.0"' resource show -g g -n two \
	--resource-type Microsoft.Compute/virtualMachines --api-version 2024-07-01
fails 'one without Trusted Launch' "only supports creation of VMs and VM Scale Sets with 'TrustedLaunch'" \
	deployment group create -g g -n three -f vm.json -p name=three \
	-p "image={\"id\":\"$C/galleries/baked/images/x64\"}"
profile 2020-09-01-hybrid
a 'vm create --image ID' '.powerState=="VM running"' vm create -g g -n four --image "$C/galleries/baked/images/plain" \
	--admin-username op --ssh-key-values id.pub --size Standard_B2ts_v2 --public-ip-address ""
a 'it has the latest' '.storageProfile.imageReference|(.id|endswith("/images/plain"))' vm show -g g -n four
profile latest

# ---- the end of it ----

fails 'a gallery that is not empty' 'CannotDeleteResource|nested resources' sig delete -g g -r baked
version 'deleting a version' '' delete -e 1.0.0
version 'and the other' '' delete -e 1.0.1
a 'and that' '' sig image-version delete -g g -r baked -i plain -e 1.0.0
a 'a definition' '' sig image-definition delete -g g -r baked -i x64
a 'the other' '' sig image-definition delete -g g -r baked -i plain
a 'the gallery' '' sig delete -g g -r baked
a 'none is left' '.==[]' sig list
