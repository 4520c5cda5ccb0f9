# A local Azure on paper to bake images in, sourced behind lib.sh.

# baking_start [ARGUMENT...]: the emulator's; what takes long is asked after each
# second.  Sets soon, the rule for that, and bake_group, and all of tests/arm.sh.
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
}
gone()		# is the group?
{
	ask GET "$bake_group"
	[ "$status" = 404 ]
}
