# A storage account that loses its shared keys under a cluster that was made
# with them, and a cluster of before nodes read what was pushed: what still
# works does, and what does not says so before anything is made.  Machines are
# on paper, a master is played.
# time: 120
# needs: python3-asyncssh, a network namespace
. "$SRCDIR/tests/lib.sh"
need curl
export AGENT_COUNT=2
. "$SRCDIR/tests/paper.sh"
. "$SRCDIR/tests/arm.sh"
export SSL_CERT_FILE="$ca"
storage=$S/resourceGroups/swarm-storage/providers/Microsoft.Storage
storage=$base$storage/storageAccounts
sa()		# METHOD REST [CURL-ARGUMENT...]
{
	sa_method=$1 sa_rest=$2
	shift 2
	c -H "Authorization: Bearer $T" -H 'Content-Type: application/json' \
		-X "$sa_method" "$storage$sa_rest?api-version=2023-05-01" "$@"
}
account=/$(sa GET '' | jq -r '.value[0].name')
address()	# PATH: the one that new agents are given
{
	jq -r .parameters.agentCustomData.value parameters/cluster.json |
		base64 -d | grep -o "https://[^\\\\\" ]*$1[^\\\\\" ]*" | head -n 1
}
fetch()		# URL: the status, and why
{
	c -o /dev/null -D head -w '%{http_code}' "$1"
	sed -n 's/^x-ms-error-code: / /p' head | tr -d '\r'
}
sent()		# to Resource Manager, that changes machines
{
	sleep 0.2
	jq -r 'select(.method != "GET") | "\(.method) \(.url)"' record |
		grep -c 'Microsoft.Compute\|Microsoft.Insights\|/deployments/'
}
stack()
{
	"$AZSWARM" deploy-stack shop.yml shop "$@"
}
python3 "$SRCDIR/tests/images.py" saved app.tar 0 app:1 1
python3 "$SRCDIR/tests/images.py" saved more.tar 0 app:2 2
echo 'services: { one: { image: "127.0.0.1:1339/app:1" } }' >shop.yml
cp parameters/cluster.json with-keys

# ---- a cluster of before ----

python3 - <<'P'
import base64, json, re
doc = json.load(open("parameters/cluster.json"))
for name in "masterCustomData", "agentCustomData":
    data = doc["parameters"][name]
    text = base64.b64decode(data["value"]).decode()
    text = re.sub(r',\\*"images_url\\*":\\*"[^"\\]*\\*"', "", text)
    data["value"] = base64.b64encode(text.encode()).decode()
json.dump(doc, open("parameters/cluster.json", "w"))
P
same 'of before: new agents have no address' '' "$(address '/images?')"
same 'of before: nor is there a container' 200 "$(sa DELETE \
	"$account/blobServices/default/containers/images" -w '%{http_code}')"
none='nodes have no address of what was pushed .*azswarm params.*azswarm upgrade'
expect 'of before: images' 0 'no image was pushed yet' "$AZSWARM" images
expect 'of before: push' 0 "$none" "$AZSWARM" push app:1 --from app.tar
check 'of before: its container is made' grep -q 'container images made' out
expect 'of before: deploy-stack' 0 "$none" stack
expect 'of before: upgrade' 5 '' "$AZSWARM" upgrade --dry-run
expect 'of before: params' 0 written "$AZSWARM" params
expect 'of before: push then' 0 'pushed' "$AZSWARM" push app:1 --from app.tar
check 'of before: and nodes can pull' sh -c '! grep -q address out'
"$AZSWARM" destroy-stack shop >/dev/null 2>&1
cp with-keys parameters/cluster.json

# ---- keys are no more ----

old=$(address /azswarm/azswarm-)
same 'with keys: the program can be fetched' 200 "$(fetch "$old")"
same 'without: the account' false "$(sa PATCH "$account" \
	-d '{"properties":{"allowSharedKeyAccess":false}}' |
	jq -c .properties.allowSharedKeyAccess)"
same 'without: it cannot' '403 KeyBasedAuthenticationNotPermitted' \
	"$(fetch "$old")"
shut='is signed with a key, and storage account [^ ]* allows none any more'
: >record
expect 'without: no agents more' 1 "fetch this program $shut; .azswarm params" \
	"$AZSWARM" scale-agents 3
expect 'without: none is made anew' 1 "$shut" \
	"$AZSWARM" reimage-agents-parallel --yes
expect 'without: nor a master' 1 "$shut" "$AZSWARM" replace-master 0 --yes
expect 'without: nor is that brought to machines' 1 "$shut" \
	"$AZSWARM" upgrade --dry-run
jq '.parameters.masterCount.value = 3' with-keys >parameters/cluster.json
expect 'without: nor are masters made' 1 "$shut" "$AZSWARM" deploy-compute --yes
cp with-keys parameters/cluster.json
same 'without: and nothing was changed' 0 "$(sent)"
expect 'without: doctor' 1 "wrong +names +new machines: .*$shut" \
	"$AZSWARM" doctor
expect 'without: what is there can be deployed, and it is said' 0 "$shut" \
	"$AZSWARM" deploy-compute
expect 'without: agents may go' 0 '1 agent' "$AZSWARM" scale-agents 1
expect 'without: push' 0 "nodes pull what was pushed $shut" \
	"$AZSWARM" push app:2 --from more.tar
expect 'without: images' 0 'app +2 ' "$AZSWARM" images
expect 'without: deploy-stack' 0 "nodes pull what was pushed $shut" stack
expect 'without: no key to rotate' 1 'there is none to rotate' \
	"$AZSWARM" rotate storage-key --yes
expect 'without: deploy-storage' 0 'no machine mounts a share' \
	"$AZSWARM" deploy-storage

# ---- others in their place ----

expect 'others: params' 0 written "$AZSWARM" params
new=$(address /azswarm/azswarm-)
same 'others: the program can be fetched' 200 "$(fetch "$new")"
expect 'others: deploy-compute' 0 finished "$AZSWARM" deploy-compute
check 'others: are good' sh -c '! grep -q "signed with" out'
expect 'others: agents more' 0 '' "$AZSWARM" scale-agents 2
expect 'others: push' 0 pushed "$AZSWARM" push app:2 --from more.tar
check 'others: and nodes can pull' sh -c '! grep -q address out'

# ---- who has no role for the data ----

echo '[{"request":"POST *userdelegationkey*","status":403,
	"code":"AuthorizationPermissionMismatch"}]' >azure/faults.json
for c in images 'push app:1 --from app.tar' params; do
	expect "no role: ${c%% *}" 1 'Storage Blob Data Contributor' "$AZSWARM" $c
done
exit $((test_failures != 0))
