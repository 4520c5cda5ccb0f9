# --print-requests and AZSWARM_LOG, against the local Azure on paper: a whole life
# with both, and every secret of it looked for in them.  What is shown and not
# sent has changed nothing; what is logged is what the local Azure was asked.  And
# Ctrl-C, which says what goes on with it.
# time: 500
. "$SRCDIR/tests/lib.sh"
need jq

export XDG_CACHE_HOME="$PWD/cache"
spawn emulator.log "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0 --record "$PWD/record"
wait_for 20 grep -q '^ready ' emulator.log || {
	not_ok start "$(cat emulator.log)"
	exit 1
}
. ./azure/env
: >shown
: >secrets

# Ask with --print-requests: what is on stdout and stderr is kept, as is the
# number of changes that the local Azure was asked for meanwhile.
shows()		# CASE STATUS ERE COMMAND...: the last line is like this
{
	shows_case=$1 shows_status=$2 shows_ere=$3
	shift 3
	shows_before=$(changes)
	shows_got=0
	AZSWARM_LOG= "$AZSWARM" "$@" --print-requests >out 2>err </dev/null || shows_got=$?
	cat out err >>shown
	same "$shows_case: exit code" "$shows_status" "$shows_got"
	check "$shows_case: ends so" sh -c 'tail -n 1 err | grep -Eq -e "$1"' - "$shows_ere"
	same "$shows_case: nothing was changed" "$shows_before" "$(changes)"
}

changes()
{
	jq -r 'select(.method != "GET" and .method != "HEAD") | .url |
		select(test("/(validate|whatIf|checkNameAvailability|list[a-z]*|token)([?]|$)"; "i") | not)' record | wc -l
}

does()		# COMMAND...: and it is logged
{
	AZSWARM_LOG=log "$AZSWARM" "$@" >out 2>&1 </dev/null || not_ok "$*" "$(tail -n 1 out)"
	cat keys/*.secret keys/*.pem keys/helper.key 2>/dev/null | grep -v -e '^-----' >>secrets
	jq -r '.tokens[].token' cache/azswarm/tokens.json >>secrets 2>/dev/null
	[ ! -f parameters/cluster.json ] ||
		jq -r '.parameters | .masterCustomData.value, .agentCustomData.value' parameters/cluster.json >customdata
}

printf '%s\n' "$AZURE_CLIENT_SECRET" >>secrets
does keys
rm -f cache/azswarm/tokens.json
shows 'deploy-storage' 5 'not sent, for it would change something; nothing was changed$' deploy-storage
check 'deploy-storage: the change is shown, with its body' sh -c \
	'grep -A 1 "^PUT https://.*/resourcegroups/swarm-storage?" err | grep -q "^{" && grep -q "\"location\": \"eastus\"" err'
check 'deploy-storage: signing in is, without the secret' grep -q '^grant_type=.*client_secret=\*\*\*' err
same 'deploy-storage: no second change' 1 "$(grep -c '^PUT ' err)"
does deploy-storage
rm -f cache/azswarm/tokens.json
shows 'params' 0 'parameters/cluster.json written' params
check 'params: what only tells is sent' grep -q '^POST https://.*/listKeys?' err
check 'params: signed addresses have no signature' grep -Eq '^HEAD https://.*sig=\*\*\*' err
does params
shows 'plan' 5 '^plan: 11 to create' plan
shows 'deploy-compute' 5 'not sent' deploy-compute
does deploy-compute
shows 'deploy-compute again' 5 'not sent' deploy-compute
check 'deploy-compute: validation is sent, with customData hidden' sh -c \
	'grep -q "^POST https://.*/validate?" err && grep -A 1 "\"masterCustomData\": {" err | grep -qF "\"***\""'
shows 'list-agents: what asks only, is as always' 0 '^GET ' list-agents
same 'list-agents: its table, too' 3 "$(grep -c running out)"
shows 'scale-agents' 5 'scaling agents: .*not sent' scale-agents 5
does scale-agents 4
shows 'doctor: looks only, also by POST' 0 '0 wrong' doctor
shows 'stop-agents' 5 'not sent' stop-agents
echo '[{"request":"GET *virtualMachineScaleSets/agents/virtualMachines*","times":1,"status":429,"code":"TooManyRequests","message":"slower",
	"retryAfter":1}]' >azure/faults.json
does list-agents
rm azure/faults.json
shows 'destroy-cluster' 5 'not sent' destroy-cluster --confirm swarm-cluster
does scale-agents 1 --yes
does destroy-cluster --confirm swarm-cluster

# ---- the log ----
same 'the log is its owner'"'"'s' 600 "$(stat -c %a log)"
stamp='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z'
check 'a line has method, URL, status, time and ids' grep -Eq \
	"^$stamp PUT https://localhost:[0-9]+/subscriptions/[^ ]+ 20[0-9] [0-9]+ ms client-request=[0-9a-f-]{36} request=[0-9a-f-]{36} correlation=[0-9a-f-]{36}" log
check 'a refusal has its code, and when to come again' grep -Eq ' 429 [0-9]+ ms .* retry-after=1 code=TooManyRequests$' log
check 'why it waits then' grep -Eq "^$stamp waits [0-9]+ ms for Azure, which throttles us for 1 s$" log
check 'a command begins and ends' sh -c "grep -Eq '^$stamp azswarm [^ ]+ [(].*[)]: scale-agents$' log && grep -Eq '^$stamp ended: well$' log"
same 'every line has a time' '' "$(grep -Ev "^$stamp " log | head -n 1)"
# what the local Azure answered, it finds there by the same ids
same 'the ids are those that Azure gave' '' "$(jq -r '.responseHeaders["x-ms-correlation-request-id"] // empty' record |
	sort -u >theirs; sed -n 's/.* correlation=\([^ ]*\).*/\1/p' log | sort -u | grep -vxFf theirs | head -n 1)"

# ---- no secret is in either ----
grep -v '^$' secrets | sort -u >wanted
cut -c 1-200 customdata >>wanted
check 'there are secrets to look for' test "$(wc -l <wanted)" -gt 40
same 'none is in what was shown' 0 "$(grep -cFf wanted shown)"
same 'none is in the log' 0 "$(grep -cFf wanted log)"
same 'no signature is' '' "$(grep -ohE '[?&](sig|s|c|h)=[^*&].{0,10}' shown log | head -n 1)"
check 'a log that cannot be is told' sh -c "! AZSWARM_LOG=none/log '$AZSWARM' locations >out 2>&1 && grep -q 'AZSWARM_LOG: none/log' out"
AZSWARM_LOG=/dev/full "$AZSWARM" keys >out 2>&1
same 'one that is full ends nothing' 0 $?

# ---- Ctrl-C ----
does deploy-storage
does params
does deploy-compute
cut_off()	# CASE WHAT ERE COMMAND...: when WHAT is waited for
{
	cut_case=$1 cut_what=$2 cut_ere=$3
	shift 3
	: >cut.log
	AZSWARM_LOG=cut.log "$AZSWARM" "$@" </dev/null >cut.out 2>&1 &
	cut_pid=$!
	wait_for 30 grep -q "waits .* $cut_what" cut.log
	kill -INT $cut_pid
	wait $cut_pid
	same "$cut_case: exit code" 130 $?
	check "$cut_case: says what goes on with it" sh -c 'tail -n 1 cut.out | grep -Eq -e "$1"' - "$cut_ere"
}
echo '[{"operation":"*","delay_ms":20000}]' >azure/faults.json
export STORAGE_ACCOUNT_NAME=another0
cut_off 'Ctrl-C: scale-agents' '5 agents' \
	'^azswarm: scale-agents: scaling agents: 5 agents: interrupted; .*half done.*: to finish it, azswarm scale-agents 5 --quiet$' \
	scale-agents 5 --quiet
cut_off 'Ctrl-C: words are quoted' 'storage account' "to finish it, azswarm deploy-storage --file-shares 'abc def'\$" \
	deploy-storage --file-shares 'abc def'
cut_off 'Ctrl-C: stop-agents' 'agents to stop' 'agents to stop: interrupted; .*to finish it, azswarm stop-agents$' stop-agents
cut_off 'Ctrl-C: deploy-compute' 'deployment cli-eastus' 'deployment cli-eastus: interrupted; .*finish it, azswarm deploy-compute$' \
	deploy-compute
cut_off 'Ctrl-C: destroy-compute' 'resource group swarm-cluster to be deleted' \
	'to finish it, azswarm destroy-compute --confirm swarm-cluster$' destroy-compute --confirm swarm-cluster
cut_off 'Ctrl-C: what changed nothing has nothing to finish' 'the resource group of that name to be deleted' \
	'^azswarm: up: deploy-storage: .*: interrupted$' up --yes --storage-group swarm-cluster --compute-group another
rm azure/faults.json
