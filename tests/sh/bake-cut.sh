# A bake-image that is cut off, on paper: by Ctrl-C, by which its group goes, or
# killed, and then gone on with or begun anew; no image is left that is not whole.
# time: 250
# needs: curl, jq
. "$SRCDIR/tests/lib.sh"
need curl jq
. "$SRCDIR/tests/baking.sh"
baking_start
bake || not_ok 'one that is whole' "$(tail -n 1 out)"

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
same 'one that was whole stays' "${today}01" "$last"
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
cut_off KILL "$(held 'POST */bake/deallocate*')" 'fault here'
expect 'what it left goes when that is agreed to' 2 'would delete what is left of the bake before, make a machine' \
	"$AZSWARM" bake-image
group_is 'and not before' 200
again 'then' 'it begins anew'
exit $((test_failures != 0))
