# Two of bake-image at once, on paper, and the numbers that images get: of a bake
# that is at work, of another cluster's, of a newer program's.
# time: 200
# needs: curl, jq
. "$SRCDIR/tests/lib.sh"
need curl jq
. "$SRCDIR/tests/baking.sh"
baking_start
bake || not_ok 'one that is whole' "$(tail -n 1 out)"

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

# of a newer program: what a bake of that left generalized.  What the last one has no
# place for is there still when an older program comes.
locked='{"request":"DELETE */versions/*","status":409,"code":"ScopeLocked","message":"locked"},'
for n in 1 2 3; do
	[ $n -lt 3 ] || later=$locked
	cut_off KILL "$(held 'GET */galleries/azswarm_swarm_storage?*')" 'fault here'
	ask GET "$bake_group"
	jq '{location, tags: (.tags + {"azswarm-bake": "x64-trusted/9.9.'$n'"})}' body >newer
	ask PUT "$bake_group" "$(cat newer)"
	bake || not_ok "of a newer program, $n" "$(tail -n 1 out)"
done
echo "[$locked$soon]" >azure/faults.json
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
expect 'older ones that cannot go' 0 '^image 0[^:]*: what is billed from now on' "$AZSWARM" bake-image --yes
stay=$(named)
check "all of them are named: $stay" test "$(echo $stay | wc -w)" -ge 2
same 'and are there' "$stay" "$(left $stay)"
one=${stay##* }		# which is tried first
echo '[{"request":"DELETE */versions/'$one'*","status":409,"code":"ScopeLocked","message":"locked"},'"$soon]" >azure/faults.json
expect 'one that cannot go' 0 "^$too $one to be deleted: ScopeLocked" "$AZSWARM" bake-image --yes
same 'is no reason for the others to stay' "$one" "$(left $stay)"
echo "[$soon]" >azure/faults.json
bake
before=$(sed -n "s/^image \(0[^: ]*\):.*/\1/p" out)
same 'an older program keeps what it has just baked' "$before" \
	"$("$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 1 | grep -xF "$before")"
bake
now=$(sed -n "s/^image \(0[^: ]*\):.*/\1/p" out)
check "the next number is greater, whatever has gone: $before, $now" test "${now##*.}" -gt "${before##*.}"
exit $((test_failures != 0))
