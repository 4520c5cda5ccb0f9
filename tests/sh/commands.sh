# Every command once, on a local Azure: what each asks is written down, for sh/requests
# to hold it against Microsoft's files, and for the role that 'azswarm role' gives; no
# secret is in what was written down.
# time: 300
. "$SRCDIR/tests/lib.sh"
need jq python3

# ---- every command once, on a local Azure of its own ----

everybody=${EMULATOR_RECORD-}
unset EMULATOR_RECORD
spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator.out || {
	not_ok "the local Azure starts" "$(cat emulator.out)"
	exit 1
}
. azure/env
mkdir commands
: >commands.tsv
known=

# The lines that a command adds to the record are its own.
asks()		# STATUS NAME ARGUMENTS...
{
	asks_status=$1 asks_name=$2
	shift
	known="$known $asks_name"
	asks_before=$(wc -l <record)
	asks_got=0
	timeout 120 "$AZSWARM" "$@" >out 2>&1 </dev/null || asks_got=$?
	# a line is written when its answer is under way already
	wait_for 5 grew
	sleep 0.1
	[ "$asks_got" -eq "$asks_status" ] ||
		not_ok "$asks_name" "exit $asks_got, not $asks_status: $(tail -n 2 out | tr '\n' ' ')"
	tail -n +$((asks_before + 1)) record >>"commands/$asks_name"
	grep -q "^$asks_name	" commands.tsv ||
		printf '%s\tcommands/%s\n' "$asks_name" "$asks_name" >>commands.tsv
}

grew()
{
	[ "$(wc -l <record)" -gt "$asks_before" ]
}

offered()	# COMMAND
{
	printf '%s\n' "$offers" | grep -qx "$1"
}

: >record
asks 0 status
same 'status: of nothing, less' 3 "$(grep -c /subscriptions/ record)"
offers=$("$AZSWARM" help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')
"$AZSWARM" keys >out 2>&1 || not_ok keys "$(cat out)"
asks 0 doctor
asks 0 deploy-storage
asks 0 create-shares
python3 "$SRCDIR/tests/images.py" saved image.tar 0
asks 0 push app:1 --from image.tar
asks 0 images
asks 0 images rm app:1 --yes
asks 0 rotate storage-key
asks 0 params
# these reach the masters, whose addresses they ask for; there are none yet
for command in deploy-monitor kill-monitor deploy-replicated-service deploy-global-service \
    update-service destroy-service destroy-global-service deploy-stack \
    destroy-stack stacks ps ports proxy ssh docker-env tail-helper unlock; do
	asks 1 $command
done
asks 1 scale-service 3
asks 1 images --prune
asks 1 logs web
asks 125 exec web true
for command in rebalance chaos-monkey restart-agents; do
	asks 1 $command
done
asks 1 evict agents000000
asks 1 return agents000000
asks 1 backup --yes
asks 2 restore none.azs
! offered plan || asks 5 plan
asks 0 deploy-compute
! offered plan || asks 0 plan
asks 1 upgrade
asks 1 upgrade --engine --reboot
asks 0 status
same 'status: each thing once' 8 "$(tail -n +$((asks_before + 1)) record | grep -c /subscriptions/)"
asks 0 doctor
asks 0 view-deployment
asks 0 list-agents
asks 0 audit
asks 0 scale-agents 4
asks 0 scale-agents 2
asks 0 restart-agents
asks 0 reimage-agents-serial
asks 0 reimage-agents-parallel --yes
asks 0 scale-agents 1 --warm-agents 1
asks 0 scale-agents 3 --warm-agents 1
asks 0 stop-agents
asks 0 start-agents
asks 0 deallocate-agents
asks 0 params --master-count 3
asks 0 deploy-compute
asks 0 replace-master 1 --yes
asks 1 recover --from master0 --confirm swarm-cluster
asks 0 params --master-count 1
asks 0 deploy-compute --yes
asks 0 list-endpoints
asks 0 resources
asks 0 locations
asks 0 sizes
asks 0 baked-images
asks 0 bake-image --yes
asks 0 baked-images
asks 0 baked-images rm "$("$AZSWARM" baked-images --output tsv | cut -f 1)"
asks 0 destroy-compute --confirm swarm-cluster
asks 0 destroy-storage --confirm swarm-storage
asks 0 deploy-storage
asks 0 destroy-cluster --confirm swarm-cluster
asks 0 up --yes
asks 0 down --confirm swarm-cluster

# login and logout ask Entra ID alone, which has no file
strangers=
for command in $offers; do
	case " keys trust clean emulator helper agent demo monitor image completion man version help login logout role$known " in
	*" $command "*) ;;
	*) strangers="$strangers $command" ;;
	esac
done
same "no command was left out" '' "$strangers"

# ---- the role of who may do no more than that ----

# What is asked in answer to what Azure says, and what wants machines that run.
echo '[{ "request": "PUT *storageAccounts/*", "times": 1, "status": 409, "code": "MissingSubscriptionRegistration",
	"message": "The subscription is not registered to use namespace \u0027Microsoft.Storage\u0027." }]' >azure/faults.json
asks 0 deploy-storage
echo '[{ "request": "PUT *shares/config*", "times": 1, "status": 403, "code": "RequestDisallowedByPolicy",
	"info": [{"info": {"evaluationDetails": {"missingPolicyTokenDetails": {"shouldDeny": true}}}}]},
	{ "request": "POST */acquirePolicyToken*", "status": 200, "body": "{\"token\":\"PoP x\"}" }]' >azure/faults.json
asks 0 create-shares
rm azure/faults.json
asks 0 destroy-storage --confirm swarm-storage
for machine in virtualMachines/master1 virtualMachineScaleSets/agents/virtualMachines/1; do
	for word in restart powerOff start instanceView; do
		printf '{"method":"%s","url":"https://a/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/%s/%s"}\n' \
			"$([ $word = instanceView ] && echo GET || echo POST)" $machine $word
	done
done >chaos-monkey
# what recover does with masters that are lost, once one that is left has said so
for word in deallocate start; do
	printf '{"method":"POST","url":"https://a/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/master1/%s"}\n' $word
done >recover
# what ports that follow ask for, and what Azure names to follow that
printf '{"method":"GET","url":"https://a/subscriptions/S/providers/Microsoft.Network/locations/eastus/operations/O"}\n' >ports
# and a deployment that keeps a pool which somebody put the agents into
printf '{"method":"POST","url":"https://a/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/loadBalancers/agents-lb/inboundNatPools/P/join"}\n' >>ports
role_of()	# FILE...: the actions that these exchanges need
{
	jq -nr --slurpfile template "$SRCDIR/assets/arm/cluster.json" -f "$SRCDIR/tests/role.jq" "$@"
}
role_of commands/* chaos-monkey recover ports >actions
check 'actions are known' test "$(grep -c . actions)" -gt 50
"$AZSWARM" role >role.json
jq -r '.Actions[]' role.json | sort -f >given
sort -f actions | diff -i - given >differ	# <: asked for and not given, >: given for nothing
same 'the role has the actions that commands ask for, and no others' '' "$(grep '^[<>]' differ | xargs)"
same 'the role has nothing else' '[[],[],[]]' "$(jq -c '[.NotActions, .DataActions, .NotDataActions]' role.json)"
same 'and is of this subscription' "[\"/subscriptions/$AZURE_SUBSCRIPTION_ID\"]" "$(jq -c .AssignableScopes role.json)"
expect 'of none it is not' 2 'set AZURE_SUBSCRIPTION_ID' env -u AZURE_SUBSCRIPTION_ID "$AZSWARM" role

# ---- what was written down holds no secret ----

same "the record is for its owner alone" 600 "$(stat -c %a record)"
leaks()		# how often a secret is in the record
{
	{
		printf '%s\n' "$AZURE_CLIENT_SECRET"
		# of what was written down before the groups went
		cat keys/* parameters/* 2>/dev/null | grep -E '^[A-Za-z0-9+/=_-]{40,}$'
		jq -r '.. | .keys?, .tokenKey? | .. | strings' azure/state.json
		jq -r '.. | strings' .cache/azswarm/tokens.json
		jq -r '.parameters | to_entries[] | select(.key | test("Data")) | .value.value' \
			parameters/cluster.json
	} 2>/dev/null | awk 'length > 40 && !/^http/' | sort -u >secrets
	[ "$(wc -l <secrets)" -ge 3 ] || echo "only $(wc -l <secrets) secrets are known"
	grep -cFf secrets record
}
same "the record holds no secret" 0 "$(leaks)"
expect "a record that cannot be written is refused" 1 '--record /nowhere/record: No such file' \
	timeout 10 "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure2 --record /nowhere/record
check "but says where one was" grep -q 'client_secret=\*\*\*' record

# ---- for sh/requests ----

if [ -n "$everybody" ]; then
	at=${everybody%/*/*}/commands
	mkdir "$at"
	cp -r record commands commands.tsv actions "$at" && : >"$at/whole"
fi
exit $((test_failures != 0))
