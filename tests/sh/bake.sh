# bake-image and baked-images on paper: what is asked of Azure, and in which order;
# that the group of its own is gone after every end, how many are kept, and what
# machines are made of.  Of one that is cut off: sh/bake-cut; of two, sh/bake-two;
# where they are kept, and what stays, sh/bake-kept.  With real machines: sh/baked.
# time: 200
# needs: curl, jq, ssh-keygen
. "$SRCDIR/tests/lib.sh"
need curl jq ssh-keygen python3
. "$SRCDIR/tests/baking.sh"
baking_start --record "$PWD/record"

sent()		# what Azure was told since, that changes something
{
	jq -r 'select(.method != "GET") | "\(.method) \(.url)"' record | grep /subscriptions/ |
		grep -v ListServiceSas | sed 's/[?].*//; s/https:[^ ]*\/subscriptions\/[^/]*//; s/\/providers//'
}

# ---- one ----

: >record
expect '--dry-run' 5 "image version +${today}00" "$AZSWARM" bake-image --dry-run
expect 'not agreed to' 2 'would make a machine [(]Standard_B2ats_v2[)] in resource group swarm-cluster-bake, .*billed' \
	"$AZSWARM" bake-image
expect 'print-requests' 5 '^PUT .*/resourcegroups/swarm-cluster-bake' "$AZSWARM" bake-image --yes --print-requests
same 'nothing was changed by that' '' "$(sent)"
expect 'no such size' 2 'AGENT_SIZE="Standard_X1" is no size in eastus' "$AZSWARM" bake-image --yes --size Standard_X1
expect 'baked-images: none' 0 '' "$AZSWARM" baked-images
: >record
expect 'bake-image' 0 "until 'azswarm baked-images rm ${today}00'" "$AZSWARM" bake-image --yes
same 'in this order' "$(
	cat <<-END
		PUT /resourcegroups/swarm-cluster-bake
		PUT /resourcegroups/swarm-cluster-bake/Microsoft.Resources/deployments/bake
		POST /resourceGroups/swarm-cluster-bake/Microsoft.Compute/virtualMachines/bake/deallocate
		POST /resourceGroups/swarm-cluster-bake/Microsoft.Compute/virtualMachines/bake/generalize
		PUT /resourceGroups/swarm-storage/Microsoft.Compute/galleries/azswarm_swarm_storage
		PUT /resourceGroups/swarm-storage/Microsoft.Compute/galleries/azswarm_swarm_storage/images/x64-trusted
		PUT /resourceGroups/swarm-storage/Microsoft.Compute/galleries/azswarm_swarm_storage/images/x64-trusted/versions/${today}00
		DELETE /resourcegroups/swarm-cluster-bake
	END
)" "$(sent)"
check 'its group is gone' gone
body()		# PATTERN JQ: of what was sent there
{
	jq -c "select(.method == \"PUT\" and (.url | test(\"$1\"))) | .requestBody | $2" record
}
same 'the definition' '["Linux","Generalized","V2","x64",[{"name":"DiskControllerTypes","value":"SCSI, NVMe"},{"name":"SecurityType","value":"TrustedLaunch"}]]' \
	"$(body 'x64-trusted[?]' '.properties | [.osType, .osState, .hyperVGeneration, .architecture, .features]')"
same 'the version: of the machine, in LOCATION, on the cheapest disks' \
	"[\"$bake_group/providers/Microsoft.Compute/virtualMachines/bake\",[\"eastus\",1,\"Standard_LRS\"]]" \
	"$(body '/versions/' '.properties | [.storageProfile.source.virtualMachineId, (.publishingProfile.targetRegions[0] |
		[.name, .regionalReplicaCount, .storageAccountType])]')"
body deployments/bake .properties.parameters >parameters.sent
cat keys/*.pem keys/*.secret keys/helper.key | grep -v -e '^-----' >known
cut -d ' ' -f 2 keys/*.pub >>known
check 'nothing of keys/' sh -c '! grep -qFf known parameters.sent'
check 'a user of its own' sh -c 'jq -r .adminUsername.value parameters.sent | grep -qxE "bake[0-9a-f]{8}"'
same 'from the newest' 24.04.202607280 "$(jq -r .imageReference.value.version parameters.sent)"
key=$(jq -r .adminPublicKey.value parameters.sent | cut -d ' ' -f 2)
check 'a key of its own' test "${#key}" -gt 60
same 'which is not left here' '' "$(grep -rlF -e "$key" keys parameters cache out 2>/dev/null)"
rm parameters.sent
"$AZSWARM" baked-images --output json >images.json 2>err
same 'baked-images' "[\"${today}00\",\"x64-trusted\",\"0.2.0\",\"server 24.04.202607280\",\"docker\",\"30\",\"Succeeded\",\"\",\"$definition/versions/${today}00\"]" \
	"$(jq -c '.[] | [.version, .kind, .azswarm, .base, .docker, .gib, .state, .use, .id]' images.json)"

# ---- what machines are made of ----

made_of()	# ARGUMENTS: what params says
{
	"$AZSWARM" params "$@" 2>&1 | sed -n 's/^image *:* *//p'
	jq -r '.parameters | [.agentImageVersion, .masterImageVersions | .value | if type == "array" then unique[] else . end // "-"] | unique | join(" ")' \
		parameters/cluster.json | sed "s|^$definition/versions/||"
}
same 'IMAGE=auto' "${today}00: baked of server 24.04.202607280, the newest of this version ${today}00" "$(made_of | xargs)"
same 'IMAGE=marketplace' 'the marketplaces, as IMAGE says -' "$(made_of --image marketplace | tr -d "'" | xargs)"
same 'its id' "${today}00, as IMAGE says ${today}00" "$(made_of --image "$definition/versions/${today}00" | xargs)"
same 'another DOCKER_CHANNEL' "the marketplaces, for the newest baked one, ${today}00, has Docker of DOCKER_CHANNEL=docker -" \
	"$(made_of --docker-channel distro | tr -d "'" | xargs)"
same 'without Trusted Launch' "the marketplaces, for none was baked; azswarm bake-image bakes one -" \
	"$(made_of --trusted-launch false | tr -d "'" | xargs)"
expect 'one that is not there' 2 "is not there; 'azswarm baked-images' lists" "$AZSWARM" params --image "$definition/versions/9.9.9"
ask PUT "${definition%/*}/arm" '{"location":"eastus","properties":{"osType":"Linux","osState":"Generalized","hyperVGeneration":"V2","architecture":"Arm64","identifier":{"publisher":"a","offer":"b","sku":"c"}}}'
finish
expect 'of another processor' 2 'IMAGE is for Arm64 processors, and the sizes have x64' "$AZSWARM" params --image "${definition%/*}/arm"
ask DELETE "${definition%/*}/arm"
finish
expect 'with Trusted Launch, and none is wanted' 2 'IMAGE has Trusted Launch; another IMAGE, or TRUSTED_LAUNCH=true' \
	"$AZSWARM" params --image "$definition/versions/${today}00" --trusted-launch false
expect 'what is no image' 2 'IMAGE="mine" [(]from flag[)]: expected auto, marketplace, or the id' "$AZSWARM" params --image mine
ask PATCH "$definition/versions/${today}00" '{"tags":{"azswarm-version":"0.1.0","azswarm-docker":"docker","azswarm-base":"server 1"}}'
finish
same 'of another azswarm' "the marketplaces, for the newest baked one, ${today}00, is of azswarm 0.1.0, and this is 0.2.0 -" \
	"$(made_of | tr -d "'" | xargs)"
same 'unless it is named' "${today}00, as IMAGE says: of azswarm 0.1.0, so machines fetch this one when they are made ${today}00" \
	"$(made_of --image "$definition/versions/${today}00" | xargs)"
echo '[{"request":"GET *galleries*","status":403,"code":"AuthorizationFailed","message":"no"},'"$soon"']' >azure/faults.json
check 'who may not look has the marketplace' sh -c "'$AZSWARM' params 2>&1 | grep -q \"image: the marketplace's, for Azure does not tell\""
echo "[$soon]" >azure/faults.json
ask PATCH "$definition/versions/${today}00" '{"tags":{"azswarm-version":"0.2.0","azswarm-docker":"docker","azswarm-base":"server 1"}}'
finish
"$AZSWARM" params --quiet
expect 'a cluster of it' 0 'master0' "$AZSWARM" deploy-compute
model()
{
	ask GET "$S/resourceGroups/swarm-cluster/providers/Microsoft.Compute/virtualMachineScaleSets/agents"
	jq -r '.properties.virtualMachineProfile.storageProfile.imageReference | .id // .offer' body | sed 's/.*\///'
}
same 'its model' "${today}00" "$(model)"
expect 'again: nothing to do' 0 '' "$AZSWARM" plan
expect 'baked-images: who has it' 0 'scale set agents, master0, 1 agents' "$AZSWARM" baked-images
expect 'rm: not while it is used' 1 'is in use: scale set agents, master0, 1 agents' "$AZSWARM" baked-images rm "${today}00"
expect 'rm: of none' 2 'there is no image 1.2.3' "$AZSWARM" baked-images rm 1.2.3
expect 'rm what?' 2 'expected nothing, or rm VERSION' "$AZSWARM" baked-images rm

# ---- how many are kept ----

for n in 1 2 3; do
	bake || not_ok "bake $n" "$(tail -n 1 out)"
done
same 'the newest three, and one that is used' '00 01 02 03' "$(kept)"
check 'that it stays is said' grep -q "^image ${today}00 stays: scale set agents" out
expect 'params: the newest' 0 "^image ${today}03: baked" "$AZSWARM" params
expect 'plan: the model' 5 "imageReference.id: \".*${today}00\" -> \".*${today}03\"" "$AZSWARM" plan
expect 'deploy-compute: a master keeps its own' 0 "master0 keeps version ${today}00" "$AZSWARM" deploy-compute
same 'the model is of the newest' "${today}03" "$(model)"
expect 'bake, without Trusted Launch' 0 '' "$AZSWARM" bake-image --yes --trusted-launch false
same 'has a number of its own' '00 01 02 03 04' "$(kept)"
expect 'rm' 0 "image ${today}04 removed" "$AZSWARM" baked-images rm "${today}04"

# ---- a group that is not ours ----

ask PUT "$bake_group" '{"location":"eastus","tags":{"mine":"yes"}}'
expect 'somebody else has that group' 1 'is there, and not of a bake-image' "$AZSWARM" bake-image --yes
ask GET "$bake_group"
same 'and keeps it' '200 yes' "$status $(jq -r .tags.mine body)"
ask DELETE "$bake_group"
check 'until it goes' wait_for 30 gone
ask PUT "$bake_group" '{"location":"eastus","tags":{"azswarm-bake":"x64-trusted/9.9.9"}}'
ask PUT "$bake_group/providers/Microsoft.Network/publicIPAddresses/mine" '{"location":"eastus","sku":{"name":"Standard"},"properties":{"publicIPAllocationMethod":"Static"}}'
finish
expect 'whether its bake is at work is not known' 3 'may be at work, for no lock tells; --break-lock' "$AZSWARM" bake-image --yes
expect 'somebody has put something in it' 1 'stays: mine in it is not of a bake-image' "$AZSWARM" bake-image --yes --break-lock
ask GET "$bake_group/providers/Microsoft.Network/publicIPAddresses/mine"
same 'and keeps that' 200 "$status"
ask DELETE "$bake_group"
check 'until that goes' wait_for 30 gone
exit $((test_failures != 0))
