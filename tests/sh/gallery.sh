# Compute Galleries of the local Azure, on paper, as curl and jq see them: images of
# machines, machines of images, and what Azure refuses.  Bodies and words are those
# of recorded exchanges and of Microsoft's pages; see emulator/arm/gallery.c.
# time: 120
. "$SRCDIR/tests/lib.sh"
need curl jq ssh-keygen

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 20 grep -q '^ready https://localhost:[0-9]*$' emulator.out || {
	not_ok start "$(cat emulator.out)"
	exit 1
}
. ./azure/env
. "$SRCDIR/tests/arm.sh"

D=$C/galleries/baked/images
did group PUT "$G" '{"location":"eastus"}'

# ---- machines to take images of -------------------------------------------------

did network PUT "$N/virtualNetworks/v" '{"location":"eastus","properties":{"addressSpace":{"addressPrefixes":
	["10.77.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.77.0.0/24"}}]}}'
gen1=$(echo "$ubuntu" | sed 's/"server"/"server-gen1"/')
arm=$(echo "$ubuntu" | sed 's/"server"/"server-arm64"/')
made()		# NAME IMAGE [SIZE [SECURITY]]: a machine
{
	nic "$1"
	did "machine $1" PUT "$C/virtualMachines/$1" "$(machine "$@")"
}
made one "$ubuntu" Standard_B2ts_v2 "$trusted"
made plain "$ubuntu"
made old "$gen1"
made small "$arm" Standard_B2pts_v2

refused 'generalize while it runs' 409 OperationNotAllowed \
	"Operation 'generalize' is not allowed on VM 'one' since the VM is running. Please power off" \
	POST "$C/virtualMachines/one/generalize"
for m in one plain old small; do
	did "deallocate $m" POST "$C/virtualMachines/$m/deallocate"
done
ask POST "$C/virtualMachines/one/generalize"
same 'generalize: at once, nothing said' '200 none' "$status $(finish; echo $end)"
for m in plain old small; do
	did "generalize $m" POST "$C/virtualMachines/$m/generalize"
done
ask GET "$C/virtualMachines/one/instanceView"
says 'its states' '[.statuses[].code]' '["OSState/generalized","ProvisioningState/succeeded","PowerState/deallocated"]'
ask GET "$C/virtualMachines/old/instanceView"
says 'its generation' .hyperVGeneration '"V1"'
for verb in start restart redeploy reimage; do
	refused "$verb: it is generalized" 409 OperationNotAllowed "on VM 'one' since the VM is generalized." \
		POST "$C/virtualMachines/one/$verb"
done
made up "$ubuntu"

# ---- galleries ------------------------------------------------------------------

did 'a gallery' PUT "$C/galleries/baked" '{"location":"eastus","properties":{"description":"x"}}'
same 'its operation has its own place' 1 "$(field Azure-AsyncOperation |
	grep -c '/providers/Microsoft.Compute/locations/eastus/capsOperations/')"
same 'the form of its end' '["endTime","name","startTime","status"]' "$(jq -c keys poll)"
ask GET "$C/galleries/baked"
says 'a gallery, looked at' '[.type,.location,.properties.provisioningState,.properties.description,
	(.properties.identifier.uniqueName|endswith("-BAKED"))]' \
	'["Microsoft.Compute/galleries","eastus","Succeeded","x",true]'
refused 'a name with a dash' 400 InvalidParameter 'is invalid according to its validation rule' \
	PUT "$C/galleries/ba-ked" '{"location":"eastus"}'
refused 'a name that begins with _' 400 InvalidParameter 'validation rule' PUT "$C/galleries/_b" '{"location":"eastus"}'
did 'another group' PUT "$S/resourceGroups/h" '{"location":"eastus"}'
refused 'its name is the only one in the subscription' 409 Conflict "gallery name 'Baked' is not unique" \
	PUT "$S/resourceGroups/h/providers/Microsoft.Compute/galleries/Baked" '{"location":"eastus"}'
refused 'no region' 400 LocationRequired '' PUT "$C/galleries/none" '{}'
ask GET "$S/providers/Microsoft.Compute/galleries"
says 'all of the subscription' '[.value[].name]' '["baked"]'
did 'tags' PATCH "$C/galleries/baked" '{"tags":{"a":"b"}}'
ask GET "$C/galleries"
says 'all of the group' '[.value[]|[.name,.tags.a,.properties.description]]' '[["baked","b","x"]]'
ask GET "$C/galleries/none"
same 'none' '404 ResourceNotFound' "$status $(jq -r .error.code body)"

# ---- definitions ----------------------------------------------------------------

without='del(.properties.features)'
did 'a definition' PUT "$D/x64" "$(definition x64)"
did 'one without Trusted Launch' PUT "$D/plain" "$(definition plain "$without")"
did 'one in other letters' PATCH "$D/plain" '{"properties":{"osState":"generalized"}}'
did 'one of generation 1' PUT "$D/old" "$(definition old "$without | del(.properties.hyperVGeneration)")"
did 'one for Arm' PUT "$D/arm" "$(definition arm "$without | .properties.architecture=\"Arm64\"")"
did 'one that supports it' PUT "$D/supports" "$(definition supports '.properties.features[0].value+="Supported"')"
did 'one of machines as they are' PUT "$D/special" "$(definition special "$without | .properties.osState=\"Specialized\"")"
nvme()		# VALUE: a definition that says so of its disks
{
	definition both "$without | .properties.features=[{name:\"DiskControllerTypes\",value:\"$1\"}]"
}
did 'one for both controllers' PUT "$D/both" "$(nvme 'NVMe, SCSI')"
ask GET "$D/both"
says 'in the order that Azure keeps' .properties.features[0].value '"SCSI, NVMe"'
did 'the same again' PUT "$D/both" "$(nvme 'SCSI, NVMe')"
for again in "$(nvme 'NVMe, SCSI')" "$(nvme SCSI)" "$(definition both "$without")"; do
	refused 'its controllers are fixed' 409 PropertyChangeNotAllowed \
		"Changing property 'DiskControllerTypes' is not allowed." PUT "$D/both" "$again"
done
refused 'a feature that it has not' 409 PropertyChangeNotAllowed "property 'SecurityType'" \
	PUT "$D/plain" "$(definition plain)"
refused 'controllers nobody has' 400 InvalidParameter features PUT "$D/y" "$(nvme IDE | sed 's/"both"/"y"/')"
ask GET "$D/plain"
says 'letters as Azure has them' .properties.osState '"Generalized"'
ask GET "$D/old"
says 'what is not said' '.properties|[.hyperVGeneration,.architecture,.provisioningState]' '["V1","x64","Succeeded"]'
ask GET "$D"
says 'all of a gallery' '[.value[].name]' '["x64","plain","old","arm","supports","special","both"]'
refused 'two with the same names' 409 OperationNotAllowed \
	'Gallery image: x64 identified by (publisher:azswarm, offer:node, sku:X64) already exists.' \
	PUT "$D/again" "$(definition X64)"
refused 'no publisher' 400 InvalidParameter 'Asset name galleryImage.properties.identifier.publisher is not valid' \
	PUT "$D/y" "$(definition y '.properties.identifier.publisher=""')"
refused 'a publisher with a blank' 400 InvalidParameter 'identifier.publisher is not valid' \
	PUT "$D/y" "$(definition y '.properties.identifier.publisher="a b"')"
refused 'no state of the system' 400 InvalidParameter "'galleryImage.properties.osState' is missing" \
	PUT "$D/y" "$(definition y 'del(.properties.osState)')"
refused 'a system nobody has' 400 InvalidParameter 'galleryImage.properties.osType is invalid' \
	PUT "$D/y" "$(definition y '.properties.osType="Plan9"')"
refused 'Trusted Launch of generation 1' 400 InvalidParameter "generation 'V2'" \
	PUT "$D/y" "$(definition y '.properties.hyperVGeneration="V1"')"
refused 'a security type nobody has' 400 InvalidParameter features \
	PUT "$D/y" "$(definition y '.properties.features[0].value="Maximum"')"
refused 'another processor' 409 PropertyChangeNotAllowed "'galleryImage.properties.architecture' is not allowed" \
	PUT "$D/x64" "$(definition x64 '.properties.architecture="Arm64"')"
refused 'a gallery that is none' 404 ParentResourceNotFound '' PUT "$C/galleries/none/images/y" "$(definition y)"

# ---- versions -------------------------------------------------------------------

V=$D/x64/versions
refused 'of a machine that was not generalized' 400 BadRequest "The resource with id '$C/virtualMachines/up' has a \
different OS state ['Specialized'] than the parent gallery image OS state ['Generalized']." \
	PUT "$D/plain/versions/1.0.0" "$(version up)"
refused 'of one that was, as it is' 400 BadRequest "OS state ['Generalized'] than the parent gallery image OS state \
['Specialized']" PUT "$D/special/versions/1.0.0" "$(version plain)"
refused 'Trusted Launch into one without' 409 Conflict "security type ['TrustedLaunch']" \
	PUT "$D/plain/versions/1.0.0" "$(version one)"
refused 'and the other way round' 409 Conflict "security type ['Standard']" PUT "$V/1.0.0" "$(version plain)"
refused 'into one that supports it' 400 InvalidParameter \
	"The security type 'TrustedLaunchSupported' is not supported for the source id" \
	PUT "$D/supports/versions/1.0.0" "$(version one)"
refused 'of generation 1 into one of 2' 409 Conflict \
	"a different Hypervisor generation ['V1'] than the parent gallery image Hypervisor generation ['V2']" \
	PUT "$D/plain/versions/1.0.0" "$(version old)"
refused 'of Arm into one of Intel' 409 Conflict "architecture ['Arm64']" PUT "$D/plain/versions/1.0.0" "$(version small)"
refused 'of no machine' 404 NotFound 'Please check source exists, and is in the same region' \
	PUT "$V/1.0.0" "$(version none)"
refused 'of what is no machine' 400 InvalidParameter 'must either be a managed image, virtual machine' \
	PUT "$V/1.0.0" "$(version one '.properties.storageProfile.source={id: "'"$N/networkInterfaces/one"'"}')"
refused 'in another region' 404 NotFound 'in the same region' PUT "$V/1.0.0" "$(version one '.location="westus"')"
refused 'without a source' 400 InvalidParameter 'One and only one source type' \
	PUT "$V/1.0.0" "$(version one 'del(.properties.storageProfile)')"
refused 'not in its own region' 400 InvalidParameter \
	'publishing profile regions westus must contain the location of image version eastus' \
	PUT "$V/1.0.0" "$(version one '.properties.publishingProfile.targetRegions|=.[1:]')"
refused 'twice in one region' 400 InvalidParameter 'Duplicate regions' \
	PUT "$V/1.0.0" "$(version one '.properties.publishingProfile.targetRegions[1].name="eastus"')"
for name in 1.0 1.0.0.0 1.0.x 1.0.0. 1..0 4294967296.0.0 v1.0.0; do
	refused "called $name" 400 InvalidParameter 'should follow Major(int).Minor(int).Patch(int) format' \
		PUT "$V/$name" "$(version one)"
done

ask PUT "$V/1.0.0" "$(version one)"
same 'a version is made' '201 "Creating"' "$status $(jq -c .properties.provisioningState body)"
ask GET "$V/1.0.0" '' '&$expand=ReplicationStatus'
says 'it is on its way' '.properties.replicationStatus|[.aggregatedState,.summary[0].region]' '["InProgress","East US"]'
sleep 3
ask GET "$V/1.0.0" '' '&$expand=ReplicationStatus'
says 'it has come' '.properties|[.provisioningState,.replicationStatus.aggregatedState,
	[.replicationStatus.summary[]|[.region,.state,.progress]]]' \
	'["Succeeded","Completed",[["East US","Completed",100],["West US","Completed",100]]]'
ask GET "$V/1.0.0"
says 'a version, looked at' '[.type,.location,(.properties|.publishingProfile.replicaCount,
	.publishingProfile.excludeFromLatest,.publishingProfile.targetRegions[1].storageAccountType,
	(.publishingProfile.publishedDate|length>20),.storageProfile.source.virtualMachineId,
	.storageProfile.osDiskImage.sizeInGB,.safetyProfile.allowDeletionOfReplicatedLocations,has("replicationStatus"))]' \
	'["Microsoft.Compute/galleries/images/versions","eastus",1,false,"Standard_LRS",true,"'"$C"'/virtualMachines/one",30,false,false]'
did 'a later one' PUT "$V/1.10.0" "$(version one)"
did 'one in between' PUT "$V/1.9.0" "$(version one)"
did 'that is not the latest' PUT "$V/2.0.0" "$(version one '.properties.publishingProfile.excludeFromLatest=true')"
ask GET "$V"
says 'all of a definition' '[.value[].name]' '["1.0.0","1.10.0","1.9.0","2.0.0"]'
did 'an end is set' PATCH "$V/1.9.0" '{"properties":{"publishingProfile":{"endOfLifeDate":"2030-01-01T00:00:00Z"}}}'
ask GET "$V/1.9.0"
says 'the rest is as it was' '.properties|[.publishingProfile.endOfLifeDate,(.publishingProfile.targetRegions|length),
	.storageProfile.source.virtualMachineId]' '["2030-01-01T00:00:00Z",2,"'"$C"'/virtualMachines/one"]'
refused 'another source' 409 PropertyChangeNotAllowed source.id PUT "$V/1.9.0" "$(version plain)"
did 'without Trusted Launch' PUT "$D/plain/versions/1.0.0" "$(version plain '.properties.storageProfile.source={id:
	.properties.storageProfile.source.virtualMachineId}')"
did 'for Arm' PUT "$D/arm/versions/1.0.0" "$(version small)"
did 'for both controllers' PUT "$D/both/versions/1.0.0" "$(version plain)"
printf '[{"operation":"*versions/3.0.0","code":"InternalExecutionError","message":"no room"}]' >azure/faults.json
sleep 0.3
ask PUT "$V/3.0.0" "$(version one)"
finish
same 'one that fails' 'Failed InternalExecutionError' "$end $(jq -r .error.code poll)"
rm azure/faults.json
ask GET "$V/3.0.0" '' '&$expand=ReplicationStatus'
says 'says so' '.properties|[.provisioningState,.replicationStatus.aggregatedState]' '["Failed","Failed"]'

ask GET "$G/resources"
says 'among all resources' '[.value[]|select(.type|test("galleries"))|.name]|sort|.[:3]' \
	'["baked","baked/arm","baked/arm/1.0.0"]'

# ---- machines of versions -------------------------------------------------------

nic node
refused 'of a version that is none' 404 GalleryImageNotFound \
	"\"The gallery image $V/9.0.0 is not available in eastus region. Please contact image owner" \
	PUT "$C/virtualMachines/node" "$(machine node "$(of "$V/9.0.0")" Standard_B2ts_v2 "$trusted")"
refused 'of one that failed' 404 GalleryImageNotFound 'not available in eastus' \
	PUT "$C/virtualMachines/node" "$(machine node "$(of "$V/3.0.0")" Standard_B2ts_v2 "$trusted")"
refused 'of a definition that has none' 404 NotFound "There is no latest image version exists for \"$D/old\"" \
	PUT "$C/virtualMachines/node" "$(machine node "$(of "$D/old")")"
refused 'for another processor' 400 BadRequest 'disk CPU Architecture' \
	PUT "$C/virtualMachines/node" "$(machine node "$(of "$D/arm")")"
refused 'not Trusted Launch of one that is' 400 BadRequest \
	"only supports creation of VMs and VM Scale Sets with 'TrustedLaunch' security type" \
	PUT "$C/virtualMachines/node" "$(machine node "$(of "$V/1.0.0")")"
refused 'Trusted Launch of one that is not' 400 BadRequest 'TrustedLaunch setting is not supported for the provided image' \
	PUT "$C/virtualMachines/node" "$(machine node "$(of "$D/plain")" Standard_B2ts_v2 "$trusted")"
refused 'of two images at once' 400 InvalidParameter 'imageReference is invalid' \
	PUT "$C/virtualMachines/node" "$(machine node "$(echo "$ubuntu" | jq ".id=\"$D/plain\"")")"
ask GET "$S/providers/Microsoft.Compute/skus"
says 'sizes that have NVMe alone' '[.value[]|select(.locations==["eastus"] and
	any(.capabilities[]?;.name=="DiskControllerTypes" and .value=="NVMe"))|.name]' '["Standard_D2als_v6"]'
refused 'of one for SCSI, and a size that has none' 400 InvalidParameter "The VM size 'Standard_D2als_v6' cannot boot with OS \
image or disk. Please check that disk controller types supported by the OS image" \
	PUT "$C/virtualMachines/node" "$(machine node "$(of "$D/plain")" Standard_D2als_v6)"
nic nvme
did 'of one for both' PUT "$C/virtualMachines/nvme" "$(machine nvme "$(of "$D/both")" Standard_D2als_v6)"
did 'which goes' DELETE "$C/virtualMachines/nvme"
did 'of a version' PUT "$C/virtualMachines/node" "$(machine node "$(of "$V/1.0.0")" Standard_B2ts_v2 "$trusted")"
ask GET "$C/virtualMachines/node"
says 'it says which' .properties.storageProfile.imageReference '{"id":"'"$V/1.0.0"'","exactVersion":"1.0.0"}'
nic newest
did 'of a definition' PUT "$C/virtualMachines/newest" "$(machine newest "$(of "$D/x64")" Standard_B2ts_v2 "$trusted")"
ask GET "$C/virtualMachines/newest"
says 'that is the latest' .properties.storageProfile.imageReference.exactVersion '"1.10.0"'
did 'one that is later' PUT "$V/1.11.0" "$(version one)"
did 'the same again' PUT "$C/virtualMachines/newest" "$(machine newest "$(of "$D/x64")" Standard_B2ts_v2 "$trusted")"
ask GET "$C/virtualMachines/newest"
says 'it stays what it was' .properties.storageProfile.imageReference.exactVersion '"1.10.0"'
refused 'another version of what there is' 409 PropertyChangeNotAllowed imageReference \
	PUT "$C/virtualMachines/newest" "$(machine newest "$(of "$V/1.0.0")" Standard_B2ts_v2 "$trusted")"

# ---- scale sets -----------------------------------------------------------------

X=$C/virtualMachineScaleSets/set
models()	# of each instance: newest model?, version
{
	ask GET "$X/virtualMachines"
	jq -c '[.value[]|[.properties.latestModelApplied,.properties.storageProfile.imageReference.exactVersion]]' body
}
P=$D/plain/versions
refused 'a set of a version that is none' 404 GalleryImageNotFound 'not available in eastus region' \
	PUT "$X" "$(set_of "$(of "$P/9.0.0")" 1)"
refused 'in a region where it is not' 404 GalleryImageNotFound 'not available in westeurope region' \
	PUT "$X" "$(set_of "$(of "$P/1.0.0")" 1 '.location="westeurope"')"
refused 'a set of such a size' 400 InvalidParameter 'Please check that disk controller types' \
	PUT "$X" "$(set_of "$(of "$P/1.0.0")" 1 '.sku.name="Standard_D2als_v6"')"
did 'a set of Canonicals image' PUT "$X" "$(set_of "$ubuntu" 1)"
refused 'both images in one' 409 OperationNotAllowed 'The Image type for a Virtual Machine Scale Set may not be changed.' \
	PATCH "$X" '{"properties":{"virtualMachineProfile":{"storageProfile":{"imageReference":{"id":"'"$P/1.0.0"'"}}}}}'
did 'it gets a version' PUT "$X" "$(set_of "$(of "$P/1.0.0")" 1)"
same 'what there is has the old model' '[[false,"24.04.202607280"]]' "$(models)"
did 'one more' PATCH "$X" '{"sku":{"capacity":2}}'
same 'has the new one' '[[false,"24.04.202607280"],[true,"1.0.0"]]' "$(models)"
did 'the first gets it, too' POST "$X/manualupgrade" '{"instanceIds":["0"]}'
did 'and is made anew' POST "$X/virtualMachines/0/reimage"
same 'from it' '[[true,"1.0.0"],[true,"1.0.0"]]' "$(models)"
did 'a newer version' PUT "$P/1.0.1" "$(version plain)"
did 'by its id alone' PATCH "$X" \
	'{"properties":{"virtualMachineProfile":{"storageProfile":{"imageReference":{"id":"'"$P/1.0.1"'"}}}}}'
same 'is another model' '[[false,"1.0.0"],[false,"1.0.0"]]' "$(models)"

# ---- templates ------------------------------------------------------------------

template()	# IMAGE
{
	jq -n --argjson set "$(set_of "$1" 2)" '{properties: {mode: "Incremental", template: {"$schema":
		"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", contentVersion: "1.0.0.0",
		resources: [$set + {type: "Microsoft.Compute/virtualMachineScaleSets", apiVersion: "2024-07-01", name: "set"}]}}}'
}
E=$G/providers/Microsoft.Resources/deployments/d
refused 'a template that names none' 400 InvalidTemplateDeployment '' PUT "$E" "$(template "$(of "$P/9.0.0")")"
same 'why not' 1 "$(grep -c GalleryImageNotFound body)"
what_if "$E" "$(template "$(of "$P/1.0.0")")"
same 'what-if: another image' "\"$P/1.0.1\" -> \"$P/1.0.0\"" "$(jq -r '.properties.changes[]|
	select(.resourceId|endswith("/set"))|.delta|..|objects|select(.path? and (.path|endswith("imageReference.id")))|
	"\(.before|tojson) -> \(.after|tojson)"' body)"
did 'deployed' PUT "$E" "$(template "$(of "$P/1.0.0")")"
ask GET "$E"
says 'it is so' .properties.provisioningState '"Succeeded"'
jq -n --argjson d "$(definition third "$without")" '{properties: {mode: "Incremental", template: {"$schema":
	"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", contentVersion: "1.0.0.0",
	resources: [{type: "Microsoft.Compute/galleries", apiVersion: "2024-03-03", name: "third", location: "eastus",
	properties: {}}, $d + {type: "Microsoft.Compute/galleries/images", apiVersion: "2024-03-03", name: "third/x",
	dependsOn: ["Microsoft.Compute/galleries/third"]}]}}}' >third.json
did 'a gallery by a template' PUT "${E}2" "$(cat third.json)"
ask GET "$C/galleries/third/images"
says 'with its definition' '[.value[].name]' '["x"]'

# ---- deletions ------------------------------------------------------------------

refused 'a gallery with definitions' 409 CannotDeleteResource "Some existing nested resource IDs include: \
'Microsoft.Compute/galleries/baked/images/x64, " DELETE "$C/galleries/baked"
refused 'a definition with versions' 409 CannotDeleteResource 'Please delete all nested resources' DELETE "$D/plain"
# Azure lets it go, and what is made of it goes on
did 'a version that a set names' DELETE "$P/1.0.0"
ask GET "$P/1.0.0"
same 'is gone' 404 "$status"
refused 'no more of it' 404 GalleryImageNotFound "$P/1.0.0" PATCH "$X" '{"sku":{"capacity":3}}'
did 'fewer' PATCH "$X" '{"sku":{"capacity":1}}'
same 'what there is stays' '[[true,"1.0.0"]]' "$(models | jq -c '.[-1:]|map([true,.[1]])')"
ask POST "$X/virtualMachines/0/reimage"
finish
same 'nothing is made anew from it' 'Failed GalleryImageNotFound' "$end $(jq -r .error.code poll)"
did 'the source of a version' DELETE "$C/virtualMachines/one"
ask GET "$V/1.0.0"
same 'it is no part of it' 200 "$status"
for v in 1.0.0 1.9.0 1.10.0 1.11.0 2.0.0 3.0.0; do
	did "version $v goes" DELETE "$V/$v"
done
did 'then its definition' DELETE "$D/x64"
ask DELETE "$D/x64"
same 'once more' 204 "$status"
did 'the group goes' DELETE "$G"
