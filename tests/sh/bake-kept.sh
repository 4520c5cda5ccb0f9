# Where images are kept that were baked, on paper, and which of them stay: those that
# machines are made of, now or next, here or in another cluster with this gallery.
# time: 200
# needs: curl, jq
. "$SRCDIR/tests/lib.sh"
need curl jq
. "$SRCDIR/tests/baking.sh"
baking_start

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
