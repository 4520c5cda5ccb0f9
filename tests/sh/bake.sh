# bake-image and baked-images on paper: what is asked of Azure, and in which order;
# that the group of its own is gone after every end, and that a command which was
# killed is gone on with, or begun anew; what is kept, what goes, and what machines
# are made of.  With real machines: sh/baked.
# time: 500
# needs: curl, jq, ssh-keygen
. "$SRCDIR/tests/lib.sh"
need curl jq ssh-keygen python3
. "$SRCDIR/tests/baking.sh"
baking_start --record "$PWD/record"
definition=$S/resourceGroups/swarm-storage/providers/Microsoft.Compute/galleries/azswarm_swarm_storage/images/x64-trusted
today=0.2.$(date -u +%Y%m%d)

sent()		# what Azure was told since, that changes something
{
	jq -r 'select(.method != "GET") | "\(.method) \(.url)"' record | grep /subscriptions/ |
		grep -v ListServiceSas | sed 's/[?].*//; s/https:[^ ]*\/subscriptions\/[^/]*//; s/\/providers//'
}
kept()		# the numbers of what there is, behind the day
{
	"$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 1 | sed "s/^$today//" | sort | xargs
}
bake()		# ...: and no word of it
{
	"$AZSWARM" bake-image --yes "$@" >out 2>&1 </dev/null
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

# ---- cut off ----

later=		# a rule that stays behind it, and a comma
at_work()	# RULE SEEN: a bake, up to where the log has that
{
	echo "[$1,$later$soon]" >azure/faults.json
	at_work_at=$(wc -l <azure/emulator.log) at_work_seen=$2
	"$AZSWARM" bake-image --yes >at_work.out 2>&1 </dev/null &
	at_work_pid=$!
	wait_for 120 eval 'tail -n +$((at_work_at + 1)) azure/emulator.log | grep -q "$at_work_seen"'
}
stands()	# RULE SEEN: the same, and there it stands until it has ended()
{
	at_work "$@"
	kill -STOP $at_work_pid
}
ended()		# its exit in $at_work_got, what it said in ./out
{
	kill -CONT $at_work_pid 2>/dev/null
	wait $at_work_pid
	at_work_got=$?
	cp at_work.out out
}
cut_off()	# SIGNAL RULE SEEN: the same, and then not on; its exit
{
	at_work "$2" "$3"
	kill "-$1" $at_work_pid
	ended
	cut_off_got=$at_work_got
	echo "[$later$soon]" >azure/faults.json
	# what was on its way arrives, whoever is gone
	sleep 3
}
held()		# REQUEST [N]: the rule that keeps it waiting, the first N are not
{
	echo '{"name":"here","request":"'"$1"'","delay_ms":2500,"times":1,"skip":'"${2:-0}"'}'
}
had=$(kept)
# each request in turn: sh/faults
for at in 'PUT */deployments/bake*' 'PUT */x64-trusted/versions/*'; do
	cut_off INT "$(held "$at")" 'fault here'
	same "Ctrl-C, $at" 130 $cut_off_got
	check "Ctrl-C, $at: the group goes" wait_for 60 gone
	same "Ctrl-C, $at: no image" "$had" "$(kept)"
done
later='{"request":"DELETE */x64-trusted/versions/*","status":409,"code":"ScopeLocked","message":"locked"},'
cut_off INT '{"operation":"*/x64-trusted/versions/*","delay_ms":6000,"times":1}' 'PUT .*/x64-trusted/versions/'
later=
echo "[$soon]" >azure/faults.json
check 'of a half that cannot go is told' grep -q 'may be there still, and is not whole: .*ScopeLocked' out
check 'the group goes all the same' wait_for 60 gone
half=$(sed -n 's/^image \(0[^ ]*\) may be there still.*/\1/p' out)
check 'until it can be removed' wait_for 60 "$AZSWARM" baked-images rm "$half"
cut_off INT "$(held 'DELETE */swarm-cluster-bake*')" 'fault here'
same 'Ctrl-C when it is deleted' 130 $cut_off_got
check 'it goes' wait_for 60 gone
"$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 1,9 >now
last=$(sed -n '1s/	.*//p' now)
same 'one that was whole stays' "${today}04" "$last"
again()		# CASE WORDS: the same command
{
	expect "$1: the same again" 0 "$2" "$AZSWARM" bake-image --yes
	check "$1: the group is gone" gone
}
cut_off KILL "$(held 'POST */bake/deallocate*')" 'fault here'
again 'killed when it was not yet off' 'that was cut off [(].*[)]: it begins anew'
cut_off KILL "$(held 'GET */galleries/azswarm_swarm_storage?*')" 'fault here'
again 'killed when it was generalized' 'that was cut off .*: it goes on'
check 'which makes no other machine' sh -c '! grep -q "the machine is made" out'
# a group that goes takes its machine along, generalized as that is
later='{"operation":"*/resourcegroups/swarm-cluster-bake","delay_ms":6000},'
cut_off INT "$(held 'GET */galleries/azswarm_swarm_storage?*')" 'fault here'
later=
same 'Ctrl-C when it was generalized' 130 $cut_off_got
again 'at once' 'that was cut off [(].*[)]: it begins anew'
cut_off KILL '{"operation":"*/x64-trusted/versions/*","delay_ms":6000,"times":1}' 'PUT .*/x64-trusted/versions/'
again 'killed while its image is made' 'that was cut off .*: its image is whole'
check 'which does nothing more' sh -c '! grep -q "is generalized" out'
# who is interrupted while that is waited for has none of it
had=$(kept)
cut_off KILL '{"operation":"*/x64-trusted/versions/*","delay_ms":20000,"times":1}' 'PUT .*/x64-trusted/versions/'
cut_off INT "$soon" 'GET .*/x64-trusted/versions/0'
same 'Ctrl-C when what was begun is waited for' 130 $cut_off_got
check 'which does not begin anew' sh -c '! grep -q "begins anew" out'
check 'its group goes' wait_for 60 gone
check 'and its half an image' wait_for 30 eval '[ "$(kept)" = "$had" ]'
same 'all are whole' Succeeded "$("$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 8 | sort -u)"
group_is()	# 200, 404
{
	ask GET "$bake_group"
	same "$1" "$2" "$status"
}
cut_off KILL "$(held 'POST */bake/deallocate*')" 'fault here'
expect 'what it left goes when that is agreed to' 2 'would delete what is left of the bake before, make a machine' \
	"$AZSWARM" bake-image
group_is 'and not before' 200
again 'then' 'it begins anew'

# ---- two at once ----

# the lock is in an account, of which another region has none
stands "$(held 'POST */bake/deallocate*')" 'fault here'
expect 'one that is at work, and no lock' 3 "of a bake-image [(]$(id -un)@.*may be at work, for no lock tells; --break-lock" \
	"$AZSWARM" bake-image --yes --location westus2
ended
same 'ends as if nobody had asked' 0 "$at_work_got"
cut_off KILL '{"operation":"*/x64-trusted/versions/*","delay_ms":6000,"times":1}' 'PUT .*/x64-trusted/versions/'
expect 'in another region nothing of that is whole' 0 'it begins anew' \
	"$AZSWARM" bake-image --yes --break-lock --location westus2
check 'but an image of there' grep -q 'storage in westus2' out
stands "$(held 'POST */bake/deallocate*')" 'fault here'
ask GET "$bake_group"
jq '{location, tags: (.tags + {"azswarm-word": "another"})}' body >taken
ask PUT "$bake_group" "$(cat taken)"
kill -INT $at_work_pid
ended
group_is 'a group that another has taken stays' 200
check 'which is said' grep -q "stays: it is another bake-image's by now" out
ask DELETE "$bake_group"
check 'until it goes, too' wait_for 30 gone
# of another COMPUTE_GROUP, which is another lock
stands "$(held 'POST */bake/deallocate*')" 'fault here'
expect 'another cluster bakes meanwhile' 0 '^image 0' "$AZSWARM" bake-image --yes --compute-group other
theirs=$(sed -n 's/^image \(0[^:]*\):.*/\1/p' out)
ended
same 'both do' 0 "$at_work_got"
check 'that number is taken by now' grep -q "^image $theirs is there by now, of somebody else" out
stands "$(held 'GET */x64-trusted/versions?api*' 1)" 'fault here'
expect 'in the last moment' 0 '^image 0' "$AZSWARM" bake-image --yes --compute-group other
theirs=$(sed -n 's/^image \(0[^:]*\):.*/\1/p' out)
ended
check 'the second is refused' grep -q "image $theirs: .*PropertyChangeNotAllowed" out
check 'and the first stays' sh -c "'$AZSWARM' baked-images --output tsv 2>/dev/null | cut -f 1 | grep -qxF '$theirs'"
check 'what it left is gone' gone

# ---- numbers ----

# of a newer program: what a bake of that left generalized
for n in 1 2 3; do
	cut_off KILL "$(held 'GET */galleries/azswarm_swarm_storage?*')" 'fault here'
	ask GET "$bake_group"
	jq '{location, tags: (.tags + {"azswarm-bake": "x64-trusted/9.9.'$n'"})}' body >newer
	ask PUT "$bake_group" "$(cat newer)"
	bake || not_ok "of a newer program, $n" "$(tail -n 1 out)"
done
"$AZSWARM" destroy-compute --confirm swarm-cluster --quiet
echo '[{"request":"DELETE */versions/*","status":409,"code":"ScopeLocked","message":"locked"},'"$soon]" >azure/faults.json
locked='"status":409,"code":"ScopeLocked","message":"locked"}'
too='what is too many stays: image'
named()		# those that cannot go, as is said
{
	sed -n "s/^$too \(0[^: ]*\) to be deleted: ScopeLocked.*/\1/p" out |
		sort | xargs
}
left()		# NUMBER...: of these
{
	"$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 1 >list
	for v; do
		grep -xF "$v" list
	done | xargs
}
bake || not_ok 'one more' "$(tail -n 1 out)"
expect 'older ones that cannot go' 0 '^image 0[^:]*: what is billed' \
	"$AZSWARM" bake-image --yes
stay=$(named)
check "all of them are named: $stay" test "$(echo $stay | wc -w)" -ge 2
same 'and are there' "$stay" "$(left $stay)"
one=${stay##* }		# which is tried first
echo '[{"request":"DELETE */versions/'$one'*",'"$locked,$soon]" >azure/faults.json
expect 'one that cannot go' 0 "^$too $one to be deleted: ScopeLocked" \
	"$AZSWARM" bake-image --yes
same 'is no reason for the others to stay' "$one" "$(left $stay)"
echo "[$soon]" >azure/faults.json
bake
before=$(sed -n "s/^image \(0[^: ]*\):.*/\1/p" out)
same 'an older program keeps what it has just baked' "$before" \
	"$("$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 1 | grep -xF "$before")"
bake
now=$(sed -n "s/^image \(0[^: ]*\):.*/\1/p" out)
check "the next number is greater, whatever has gone: $before, $now" test "${now##*.}" -gt "${before##*.}"

# ---- where it is kept ----

echo '[{"operation":"*/resourcegroups/swarm-storage","delay_ms":8000},'"$soon]" >azure/faults.json
"$AZSWARM" destroy-storage --confirm swarm-storage --no-wait --quiet
expect 'its group is on its way out' 3 'swarm-storage is being deleted; the same again when it is gone' "$AZSWARM" bake-image --yes
group_is 'so no machine is made' 404
storage_gone()
{
	ask GET "$S/resourceGroups/swarm-storage"
	[ "$status" = 404 ]
}
check 'until it is gone' wait_for 60 storage_gone
echo '[{"operation":"*/galleries/azswarm_swarm_storage","code":"InternalExecutionError","message":"no","times":1},'"$soon]" >azure/faults.json
expect 'a gallery that fails' 1 InternalExecutionError "$AZSWARM" bake-image --yes
expect 'is made anew' 0 '^image 0' "$AZSWARM" bake-image --yes
ask GET "${definition%/images*}"
says 'and is whole' .properties.provisioningState '"Succeeded"'
cut_off KILL "$(held 'POST */bake/deallocate*')" 'fault here'
expect 'without an account there is no lock' 3 "of a bake-image [(]$(id -un)@.*may be at work" "$AZSWARM" bake-image --yes
expect 'who knows says so' 0 'it begins anew' "$AZSWARM" bake-image --yes --break-lock
expect 'and no machine is left' 0 '' "$AZSWARM" destroy-cluster --confirm swarm-cluster
check 'nor a gallery' sh -c '! jq -r "keys[]" azure/state.json | grep -qi galler'

# ---- IMAGE is a definition ----

used()		# WORDS: the numbers of those whose use has them
{
	"$AZSWARM" baked-images --output tsv 2>/dev/null | grep -F "$1" | cut -f 1 | sed "s/^$today//" | sort | xargs
}
"$AZSWARM" deploy-storage --quiet
bake || not_ok 'once more' "$(tail -n 1 out)"
expect 'params: a definition' 0 'as IMAGE says' "$AZSWARM" params --image "$definition"
expect 'a cluster of it' 0 master0 "$AZSWARM" deploy-compute
for n in 1 2; do
	bake || not_ok "of a definition, $n" "$(tail -n 1 out)"
done
cut_off KILL '{"operation":"*/x64-trusted/versions/*","delay_ms":20000,"times":1}' 'PUT .*/x64-trusted/versions/'
same 'the newest that is whole is what is next' 02 "$(used 'scale set agents')"
bake || not_ok 'of a definition, 3' "$(tail -n 1 out)"
same 'what machines were made of stays' '00 01 02 03' "$(kept)"
check 'which is said' grep -q "^image ${today}00 stays: master0, 1 agents$" out
same 'the newest is what is next' 03 "$(used 'scale set agents')"

# ---- what is named here ----

"$AZSWARM" params --image "$definition/versions/${today}01" --quiet
expect 'rm: not what parameters/ names' 1 "image ${today}01 is in use: parameters/cluster.json; another IMAGE" \
	"$AZSWARM" baked-images rm "${today}01"
IMAGE="$definition/versions/${today}02" expect 'rm: nor what IMAGE does' 1 "image ${today}02 is in use: IMAGE; another IMAGE" \
	"$AZSWARM" baked-images rm "${today}02"
bake || not_ok 'named, and too many' "$(tail -n 1 out)"
same 'nor does a bake remove it' '00 01 02 03 04' "$(kept)"
"$AZSWARM" params --quiet
expect 'rm: when it is not named any more' 0 "image ${today}01 removed" "$AZSWARM" baked-images rm "${today}01"

# ---- of another cluster with this gallery ----

COMPUTE_GROUP=other-cluster "$AZSWARM" deploy-storage --quiet
COMPUTE_GROUP=other-cluster "$AZSWARM" params --image "$definition" --quiet
COMPUTE_GROUP=other-cluster expect 'another cluster of it' 0 master0 "$AZSWARM" deploy-compute
bake || not_ok 'when there is another' "$(tail -n 1 out)"
same 'its machines are seen' 04 "$(used '1 agents in other-cluster')"
expect 'rm: not while they are there' 1 'is in use: master0 in other-cluster, 1 agents in other-cluster' \
	"$AZSWARM" baked-images rm "${today}04"
exit $((test_failures != 0))
