# A local Azure on paper to bake images in, sourced behind lib.sh.

# baking_start [ARGUMENT...]: the emulator's; what takes long is asked after each
# second.  Sets soon, the rule for that, bake_group, definition, of which images are,
# and all of tests/arm.sh.
baking_start()
{
	spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure "$@"
	wait_for 30 grep -q '^ready ' emulator.out || { not_ok start "$(cat emulator.out)"; exit 1; }
	. azure/env
	. "$SRCDIR/tests/arm.sh"
	soon='{"request":"*","fields":["Retry-After: 0"]}'
	echo "[$soon]" >azure/faults.json
	export SSL_CERT_FILE="$ca" XDG_CACHE_HOME="$PWD/cache" AGENT_COUNT=1
	"$AZSWARM" keys --quiet
	"$AZSWARM" deploy-storage --quiet
	bake_group=$S/resourceGroups/swarm-cluster-bake
	definition=$S/resourceGroups/swarm-storage/providers/Microsoft.Compute/galleries/azswarm_swarm_storage/images/x64-trusted
}
gone()		# is the group?
{
	ask GET "$bake_group"
	[ "$status" = 404 ]
}

# ---- images ----

today=0.2.$(date -u +%Y%m%d)
kept()		# the numbers of what there is, behind the day
{
	"$AZSWARM" baked-images --output tsv 2>/dev/null | cut -f 1 | sed "s/^$today//" | sort | xargs
}
bake()		# ...: and no word of it
{
	"$AZSWARM" bake-image --yes "$@" >out 2>&1 </dev/null
}
again()		# CASE WORDS: the same command
{
	expect "$1: the same again" 0 "$2" "$AZSWARM" bake-image --yes
	check "$1: the group is gone" gone
}
group_is()	# 200, 404
{
	ask GET "$bake_group"
	same "$1" "$2" "$status"
}

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
