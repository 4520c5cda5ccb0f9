# Two operators: whoever changes something has the cluster's lock, and is written
# down.  Two processes at a time, on a local Azure with machines on paper.
# time: 60
. "$SRCDIR/tests/lib.sh"
need curl jq pgrep

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator.out || {
	not_ok "the local Azure starts" "$(cat emulator.out)"
	exit 1
}
. azure/env
me=$(id -un)@$(uname -n)

# Requests about the lock and the trail, since the last time, in a row.
echo 0 >asked
about()
{
	about_from=$(cat asked)
	wc -l <record >asked
	tail -n +$((about_from + 1)) record | jq -r 'select((.url | test("/azswarm/(lock|audit)-")) and .method == "PUT") |
		.method + (.url | capture("comp=(?<c>[a-z]+)").c? // "") + "-" + (.status | tostring)' | xargs
}
# What the trail says of the last command.
last()		# FIELD...
{
	"$AZSWARM" audit --tail 1 --output json | jq -r ".[-1] | [$1] | join(\" \")"
}

# ---- from the first ----

expect 'nothing is there yet: no trail' 1 "is not there; 'azswarm deploy-storage' makes it" "$AZSWARM" audit
expect 'a number of lines' 2 '"0": expected a number from 1' "$AZSWARM" audit --tail 0
expect 'a day' 2 '"soon": expected a day' "$AZSWARM" audit --since soon
expect 'who only looks has no lock to break' 2 'does not take --break-lock' "$AZSWARM" status --break-lock
expect 'deploy-storage, the first time' 0 'program .* uploaded' timeout 60 "$AZSWARM" deploy-storage
same 'it has the lock as soon as there is a container' \
	'PUTlease-404 PUT-201 PUTlease-201 PUTmetadata-200 PUTappendblock-404 PUT-201 PUTappendblock-201 PUTlease-200' "$(about)"
same 'and is in the trail' "deploy-storage done 0 $me" "$(last .command,.outcome,.exit,.who)"
"$AZSWARM" keys >out 2>&1 && "$AZSWARM" params >out 2>&1 || not_ok 'params' "$(tail -n 1 out)"
expect 'deploy-compute' 0 '' timeout 60 "$AZSWARM" deploy-compute
same 'the same lock again' 'PUTlease-201 PUTmetadata-200 PUTappendblock-201 PUTlease-200' "$(about)"
for look in 'plan' 'deploy-compute --dry-run' 'list-agents' 'status' 'audit'; do
	# shellcheck disable=SC2086
	timeout 60 "$AZSWARM" $look >out 2>&1
done
expect 'what is only shown' 5 'nothing was changed' "$AZSWARM" scale-agents 4 --print-requests
same 'who looks has no lock' '' "$(about | tr -d ' ' | grep -o 'PUT.*')"
expect 'what is wrong with an argument is said before' 2 'expected a number of agents' "$AZSWARM" scale-agents many
same 'and is no command for the trail' '' "$(about)"

not_running()
{
	! running "$1"
}

# ---- two at a time ----

slow='{ "operation": "*", "delay_ms": 9000 }'
echo "[$slow]" >azure/faults.json
spawn first.out timeout 120 "$AZSWARM" restart-agents
first=$spawned
wait_for 10 grep -q 'comp=metadata' record
sleep 1
expect 'who comes second is told' 3 \
	"^azswarm: stop-agents: $me is at 'restart-agents' since [0-9:]{8} UTC \([0-9]+ s\); --break-lock takes" \
	"$AZSWARM" stop-agents
expect 'who asks the swarm alone, too' 3 "is at 'restart-agents' since" "$AZSWARM" deploy-monitor
check 'who looks is not kept' timeout 60 "$AZSWARM" list-agents
expect 'who breaks it says whose' 0 "$me is at 'restart-agents' .*: the lock is taken away" \
	timeout 60 "$AZSWARM" create-shares --break-lock
got=0
wait "$first" || got=$?
same 'the other one stops' 3 "$got"
check 'and says who has it' grep -q "lock is lost: $me was at 'create-shares --break-lock' since .*stopped before the next change" first.out
same 'after the second of three machines' 2 "$(grep -c '"url":"[^"]*/restart?' record)"
same 'and is in the trail' "restart-agents stopped 3" "$(last .command,.outcome,.exit)"
about >renewals
check 'it had asked again for a lease that was broken' grep -q 'PUTlease-409' renewals

# ---- who ends without a word ----

start()		# LOG ARGUMENTS...: in the background, until it has the lock; its keeper in $keeper
{
	start_log=$1
	shift
	about >/dev/null
	spawn "$start_log" "$AZSWARM" "$@"
	wait_for 10 signed
	keeper=$(pgrep -P "$spawned")
}
signed()
{
	tail -n +$(($(cat asked) + 1)) record | grep -q comp=metadata
}
start interrupted.out restart-agents
kill -INT "$spawned"
got=0
wait "$spawned" || got=$?
same 'Ctrl-C' 130 "$got"
same 'is in the trail' "restart-agents interrupted 130" "$(last .command,.outcome,.exit)"
start killed.out restart-agents
sleep 1
kill -9 "$spawned"
wait_for 10 not_running "$keeper"
same 'who is killed is in the trail, by its keeper' "restart-agents killed 137" "$(last .command,.outcome,.exit)"
expect 'and the lock is free' 0 '' timeout 60 "$AZSWARM" create-shares
rm azure/faults.json

# Whose machine is gone with all that ran there: a lease of 15 s that nobody renews.
account=$(jq -r '.entries[].doc | select(.type == "Microsoft.Storage/storageAccounts").name' azure/state.json)
token=$(curl -sS --cacert "$SSL_CERT_FILE" \
	-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)
sas=$(curl -sS --cacert "$SSL_CERT_FILE" -X POST -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
	-d "{\"canonicalizedResource\":\"/blob/$account/azswarm/lock-swarm-cluster\",\"signedResource\":\"b\",
		\"signedPermission\":\"rw\",\"signedExpiry\":\"2099-01-01T00:00:00Z\",\"keyToSign\":\"key1\"}" \
	"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-storage/providers/Microsoft.Storage/storageAccounts/$account/ListServiceSas?api-version=2023-01-01" |
	jq -r .serviceSasToken)
dead()		# QUERY CURL'S OPTIONS
{
	dead_query=$1
	shift
	curl -sS --cacert "$SSL_CERT_FILE" -o /dev/null -w '%{http_code}' -X PUT -d '' "$@" \
		"https://$account.blob.core.localhost:${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}/azswarm/lock-swarm-cluster?$dead_query&$sas"
}
id=11111111-2222-3333-4444-555555555555
same 'a machine that goes has the lock' '201 200' "$(dead comp=lease -H 'x-ms-lease-action: acquire' \
	-H 'x-ms-lease-duration: 15' -H "x-ms-proposed-lease-id: $id") $(dead comp=metadata -H "x-ms-lease-id: $id" \
	-H 'x-ms-meta-who: alice@jump' -H "x-ms-meta-since: $(($(date +%s) - 130))" \
	-H "x-ms-meta-what: scale-agents 5")"
went=$(date +%s)
expect 'who comes second is told, to the second' 3 \
	"alice@jump is at 'scale-agents 5' since [0-9:]{8} UTC \(2 min 1[0-9] s\)" timeout 60 "$AZSWARM" create-shares
echo '[{ "request": "HEAD */lock-*", "status": 503, "code": "ServerBusy", "message": "x" }]' >azure/faults.json
expect 'who it is cannot be read: that somebody has it can' 3 'kill-monitor: somebody has it; --break-lock takes' \
	timeout 60 "$AZSWARM" kill-monitor
rm azure/faults.json

# ---- while that runs out: storage that does not answer, or may not be asked ----

echo '[{ "request": "PUT *comp=lease*", "status": 503, "code": "ServerBusy", "message": "x" }]' >azure/faults.json
spawn silent.out timeout 60 "$AZSWARM" create-shares
silent=$spawned
expect 'what asks the swarm alone goes on' 1 'without a lock, and not in the audit trail: .*exist on paper' \
	sh -c "timeout 60 '$AZSWARM' kill-monitor 2>&1 | tr '\n' ' '; exit 1"
got=0
wait "$silent" || got=$?
same 'what changes Azure does not' 1 "$got"
check 'and says what would' grep -q 'whether somebody else is at work (--break-lock goes on without knowing).*503' silent.out
echo '[{ "request": "POST */ListServiceSas*", "status": 403, "code": "AuthorizationFailed", "message": "The client does not have authorization" }]' >azure/faults.json
expect 'who may not ask storage goes on' 0 'without a lock, and not in the audit trail: .*AuthorizationFailed' \
	timeout 60 "$AZSWARM" restart-agents --no-wait agents_0
rm azure/faults.json
while [ $(($(date +%s) - went)) -lt 16 ]; do sleep 1; done
expect 'a lease that has run out is nobody'\''s' 0 '' timeout 60 "$AZSWARM" create-shares

# ---- the trail ----

same 'in its order, the oldest first' 'deploy-storage deploy-compute' \
	"$("$AZSWARM" audit --since 1d --output json | jq -r '[.[0:2][].command] | join(" ")')"
lines=$("$AZSWARM" audit --tail 100 --output tsv | wc -l)
export STORAGE_ACCOUNT_NAME="$account"
COMPUTE_GROUP=swarm-cluster-2 timeout 60 "$AZSWARM" create-shares >out 2>&1
same 'another group has its own' "$lines 1" \
	"$("$AZSWARM" audit --tail 100 --output tsv | wc -l) $(COMPUTE_GROUP=swarm-cluster-2 "$AZSWARM" audit --output tsv | wc -l)"
echo '[{ "request": "PUT */lock-*?s*", "status": 403, "code": "AuthorizationPermissionMismatch", "message": "x" }]' >azure/faults.json
expect 'who may not make the blob goes on' 0 'without a lock, and not in the audit trail: .*403 AuthorizationPermissionMismatch' \
	env COMPUTE_GROUP=swarm-cluster-3 timeout 60 "$AZSWARM" create-shares
rm azure/faults.json
same 'a part of it' 2 "$("$AZSWARM" audit --tail 2 --output tsv | wc -l)"
same 'nothing of tomorrow' '[]' "$("$AZSWARM" audit --since "$(date -u -d tomorrow +%Y-%m-%d)" --output json)"
echo '[{ "request": "PUT *comp=appendblock*", "status": 403, "code": "AuthorizationFailure", "message": "x" }]' >azure/faults.json
expect 'a trail that cannot be written leaves the outcome' 0 'not in the audit trail: .*403 AuthorizationFailure' \
	timeout 60 "$AZSWARM" create-shares
rm azure/faults.json
about >/dev/null
expect 'what takes the account along lets go before' 0 'nothing of it is left' timeout 60 "$AZSWARM" destroy-storage --confirm swarm-storage
same 'and says so in time' 'PUTlease-201 PUTmetadata-200 PUTappendblock-201 PUTlease-200' "$(about)"
