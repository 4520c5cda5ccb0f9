# bake-image cut off at each of its requests in turn, on paper: by Ctrl-C, then by
# kill.  Behind the first the group of its own goes by itself, behind the other by
# the same command once more; no image is left that is not whole, and what was baked
# before stays.
# time: 3000
# needs: curl, jq
. "$SRCDIR/tests/lib.sh"
need curl jq
. "$SRCDIR/tests/baking.sh"
baking_start
"$AZSWARM" bake-image --yes >out 2>&1 </dev/null || { not_ok 'a bake' "$(tail -n 3 out)"; exit 1; }

images()	# what there is: version and state
{
	"$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 1,8 | sort
}
began()		# has it come to that request, or to its end?
{
	tail -n +$((at + 1)) azure/emulator.log | grep -q 'fault here' || ! kill -0 $pid 2>/dev/null
}
cut_off()	# SIGNAL N: a bake at its Nth request; false: it has no so many
{
	echo '[{"name":"here","request":"*","skip":'$(($2 - 1))',"times":1,"delay_ms":1500},'"$soon]" >azure/faults.json
	at=$(wc -l <azure/emulator.log)
	"$AZSWARM" bake-image --yes >out 2>&1 </dev/null &
	pid=$!
	wait_for 120 began
	tail -n +$((at + 1)) azure/emulator.log | grep -q 'fault here' || { wait $pid; return 1; }
	which=$(tail -n +$((at + 1)) azure/emulator.log | grep 'fault here' | head -n 1 | cut -c 1-160)
	kill "-$1" $pid
	wait $pid
	got=$?
	echo "[$soon]" >azure/faults.json
}
whole()		# CASE: none is half, none that was whole has gone but for what three newer replace
{
	images >now
	same "$1: each is whole" '' "$(grep -v 'Succeeded$' now)"
	check "$1: there are some" test "$(grep -c . now)" -ge "$(($(grep -c . before) < 3 ? $(grep -c . before) : 3))"
}

# Who is killed between the lock and what holds it leaves it for its minute.
same_again()
{
	until=$(($(date +%s) + 90))
	while "$AZSWARM" bake-image --yes >out 2>&1 </dev/null; got=$?; [ $got -eq 3 ] && [ "$(date +%s)" -lt $until ]; do
		sleep 2
	done
	[ $got -eq 0 ]
}

n=0
while n=$((n + 1)) && [ $n -le 200 ]; do
	images >before
	cut_off INT $n || break
	# who was told at his last request may have been at his end
	[ $got = 130 ] || same "Ctrl-C at $n, $which" 0 $got
	check "Ctrl-C at $n, $which: the group goes" wait_for 60 gone
	whole "Ctrl-C at $n"
	images >before
	cut_off KILL $n || break
	sleep 2		# what was on its way arrives
	check "killed at $n, $which: the same again" same_again
	check "killed at $n: the group is gone" gone
	whole "killed at $n"
done
echo "# it has $((n - 1)) requests"
check 'they were many, and came to an end' test $n -gt 20 -a $n -le 200
