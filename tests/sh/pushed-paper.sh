# Pushed images where machines are on paper and a swarm is played: what services
# get of them, and who uses one when the first master's machine is lost; and that
# it is still a cluster then, with its keys and its sizes.
# time: 60
# needs: python3-asyncssh, a network namespace
. "$SRCDIR/tests/lib.sh"
need curl
export MASTER_COUNT=3 AGENT_COUNT=1 MASTER_SIZE=Standard_B2as_v2
. "$SRCDIR/tests/paper.sh"
unset MASTER_SIZE

# ---- what services get ----

for n in 1 2; do
	python3 "$SRCDIR/tests/images.py" saved app.tar 0 "app:$n" "$n"
	expect "app:$n" 0 "^app:$n pushed" "$AZSWARM" push "app:$n" --from app.tar
done
digest=$(grep '^127' out)
python3 "$SRCDIR/tests/images.py" index many.tar 0 many:1 >out
expect 'one of several platforms' 0 '^many:1 pushed' "$AZSWARM" push many:1 --from many.tar
cat >shop.yml <<END
services:
  one: { image: "127.0.0.1:1339/app:1" }
  same: { image: "localhost:1339/app:2" }
  many: { image: "127.0.0.1:1339/many:1" }
  digest: { image: "$digest" }
  own: { image: "localhost:1339/azswarm" }
END
placed()	# SERVICE: its image, and on what it may run
{
	jq -r --arg s "shop_$1" '.services[$s].Spec.TaskTemplate |
		(.ContainerSpec.Image | sub("@sha256:[0-9a-f]{64}$"; "@")) + " " +
		((.Placement.Platforms // []) | map(.OS + "/" + .Architecture) | join(","))' one/swarm.json
}
expect 'deploy-stack' 0 'service shop_many' "$AZSWARM" deploy-stack shop.yml shop
same 'on nodes of its kind alone' '127.0.0.1:1339/app:1@ linux/amd64' "$(placed one)"
same 'by the other name of its registry' '127.0.0.1:1339/app:2@ linux/amd64' "$(placed same)"
same 'on those of both kinds' '127.0.0.1:1339/many:1@ linux/amd64,linux/arm64' "$(placed many)"
same 'by its digest: as the registry tells' '127.0.0.1:1339/app:2@ linux/arm64' "$(placed digest)"
same 'and so our own' 'localhost:1339/azswarm:latest@ linux/amd64' "$(placed own)"
expect 'which is not for --push' 0 'is as the file has it' env DOCKER_HOST="unix://$PWD/none" \
	sh -c 'sed "/one\|same\|many/d" shop.yml | "$AZSWARM" deploy-stack - shop --dry-run --push'
expect 'the same again' 0 'is as the file has it' "$AZSWARM" deploy-stack shop.yml shop --dry-run

# ---- master0's machine is lost ----

token=$(curl -sS --cacert "$SSL_CERT_FILE" \
	-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)
vm=$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-cluster/providers/Microsoft.Compute/virtualMachines/master0
of_vm()		# METHOD: the status
{
	curl -sS -o body -w '%{http_code}' --cacert "$SSL_CERT_FILE" -X "$1" -H "Authorization: Bearer $token" "$vm?api-version=2023-03-01"
}
lost()
{
	[ "$(of_vm GET)" = 404 ]
}
same 'lost, and not by us' 202 "$(of_vm DELETE)"
wait_for 30 lost || not_ok 'it goes' "$(cat body)"
expect 'the others tell who uses an image' 0 '^app .* shop_one *$' "$AZSWARM" images
expect 'which is not removed' 1 'app:1: shop_one uses it' "$AZSWARM" images rm app:1 --yes
expect 'nor is it by its other name' 1 'app:2: shop_same shop_digest uses it' "$AZSWARM" images rm localhost:1339/app:2 --yes
mkdir elsewhere
expect 'other keys are refused' 1 'swarm-cluster was made with other keys than those in keys/ here' \
	sh -c 'cd elsewhere && "$AZSWARM" keys'
same 'and not made' '' "$(ls elsewhere)"
expect 'params' 0 '' "$AZSWARM" params
same 'the size of those that are left stays' Standard_B2as_v2 "$(jq -r .parameters.masterSize.value parameters/cluster.json)"
expect 'up to the end: they are on paper' 0 'exist on paper' "$AZSWARM" deploy-compute
! lost || not_ok 'it is made anew'
exit $((test_failures != 0))
