# time: 200
# What was pushed into the storage account, as the registry of an agent gives it
# to what really pulls: a Docker engine, skopeo, curl.  It is put there by curl,
# as node/pushed.h says where things are; the account is the local Azure's.
# needs: root, docker.io, skopeo, curl, jq, iproute2, python3
. "$SRCDIR/tests/engine.sh"
. "$SRCDIR/tests/lib.sh"
need_root
need curl jq ip sha256sum python3 skopeo
[ -n "${ENGINE_INSIDE-}" ] || skip_all "needs network namespaces"
ip link set lo up

registry=127.0.0.1:1339
url=http://$registry/v2
account=pushedacct
export STORAGE_ACCOUNT_NAME=$account XDG_CACHE_HOME="$PWD/cache"
azure_here
emulator=$spawned
for command in keys deploy-storage params; do
	"$AZSWARM" $command >out 2>&1 </dev/null || not_ok "$command" "$(tail -n 3 out)"
done

# ---- an account with images in it ----

token=$(curl -sS --cacert "$SSL_CERT_FILE" \
	-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)
# signed PERMISSIONS EXPIRY: the query of the container's address
signed()
{
	curl -sS --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
		-d "{\"canonicalizedResource\":\"/blob/$account/images\",\"signedResource\":\"c\",\"keyToSign\":\"key1\",
		\"signedPermission\":\"$1\",\"signedExpiry\":\"$2\"}" \
		"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-storage/providers/Microsoft.Storage/storageAccounts/$account/ListServiceSas?api-version=2023-01-01" |
		jq -r .serviceSasToken
}
images=https://$account.blob.core.localhost:${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}/images
all=$(signed rcwdl 2099-01-01T00:00:00Z)
put()		# FILE PATH TYPE
{
	curl -sS -f --cacert "$SSL_CERT_FILE" -H 'x-ms-blob-type: BlockBlob' -H "x-ms-blob-content-type: $3" \
		-T "$1" "$images/$2?$all" || not_ok "put $2" "it was refused"
}
# put_image LAYOUT NAME TAG: an OCI layout of one image, or of an index
put_image()
{
	for put_i in "$1"/blobs/sha256/*; do
		put_type=$(jq -r '.mediaType // empty' "$put_i" 2>/dev/null)
		put "$put_i" "blobs/sha256/$(basename "$put_i")" "${put_type:-application/octet-stream}"
	done
	put_digest=$(jq -r '.manifests[0].digest' "$1/index.json")
	put "$1/blobs/sha256/${put_digest#sha256:}" "manifests/$2/$3" "$(jq -r '.manifests[0].mediaType' "$1/index.json")"
}
oci=application/vnd.oci.image.manifest.v1+json
index=application/vnd.oci.image.index.v1+json
# our own program, by another name; and one with a layer larger than any memory
"$AZSWARM" image -o image.tar
skopeo copy -q --insecure-policy docker-archive:image.tar oci:app:x
small=$(jq -r '.manifests[0].digest' app/index.json)
put_image app team/app 1.0
put_image app team/app 1.1
mkdir -p root
cp "$AZSWARM" root/azswarm
head -c 40m /dev/urandom >root/data
tar -C root -czf root.tar.gz azswarm data
tar -C root -cf root.tar azswarm data
mkdir -p large/blobs/sha256
# add FILE MEDIATYPE MORE: a descriptor of it, and the file into the layout
add()
{
	add_sum=$(sha256sum <"$1" | cut -d' ' -f1)
	cp "$1" "large/blobs/sha256/$add_sum"
	jq -nc --arg m "$2" --arg d "sha256:$add_sum" --argjson n "$(wc -c <"$1")" \
		"{mediaType:\$m,digest:\$d,size:\$n${3-}}"
}
layer=$(add root.tar.gz application/vnd.oci.image.layer.v1.tar+gzip)
layer_digest=$(echo "$layer" | jq -r .digest)
layer_size=$(wc -c <root.tar.gz)
for arch in amd64 arm64; do
	jq -nc --arg a $arch --arg d "sha256:$(sha256sum <root.tar | cut -d' ' -f1)" \
		'{architecture:$a,os:"linux",config:{Cmd:["/azswarm"]},rootfs:{type:"layers",diff_ids:[$d]}}' >config
	config=$(add config application/vnd.oci.image.config.v1+json)
	jq -nc --arg m $oci --argjson c "$config" --argjson l "$layer" \
		'{schemaVersion:2,mediaType:$m,config:$c,layers:[$l]}' >manifest
	add manifest $oci ",platform:{architecture:\"$arch\",os:\"linux\"}" >part.$arch
done
jq -sc --arg m $index '{schemaVersion:2,mediaType:$m,manifests:.}' part.amd64 part.arm64 >list
listed=$(add list $index)
jq -nc --argjson l "$listed" '{schemaVersion:2,manifests:[$l]}' >large/index.json
listed=$(echo "$listed" | jq -r .digest)
put_image large large latest

# ---- the registry of an agent ----

hex=$(printf '%064d' 7)
mkdir -p run
images_url=$(jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d |
	grep -o 'images_url[\\": ]*https://[^"\\]*' | sed 's/.*https:/https:/')
check "params signs an address that reads and lists, and no more" \
	sh -c 'echo "$0" | grep -q "/images?.*sr=c&.*sp=rl&"' "$images_url"
# with URL: an agent with that address of pushed images
with()
{
	[ -z "${agent-}" ] || reap "$agent"
	jq -n --arg u "$1" --arg h "$hex" --arg d "$PWD" '{role:"worker",masters:["127.0.0.1"],helper_pin:$h,
		worker_secret:$h,docker_socket:($d+"/engine/docker.sock"),run_dir:($d+"/run"),
		state_dir:($d+"/state"),listen:"127.0.0.1",metadata_host:"",images_url:$u}' >node.json
	chmod 600 node.json
	spawn agent.log "$AZSWARM" agent --config node.json
	agent=$spawned
	wait_for 20 curl -fs $url/ || not_ok "an agent" "$(tail -n 1 agent.log)"
}
# The words are looked for in head and body together.
get()		# CASE STATUS ERE CURL-ARGUMENTS...
{
	get_case=$1 get_status=$2 get_re=$3
	shift 3
	curl -sS -m 60 -D head -o body -w '%{http_code}\n' "$@" >code 2>&1 </dev/null
	if [ "$(cat code)" != "$get_status" ]; then
		not_ok "$get_case" "$(cat code), not $get_status: $(head -c 300 body | tr -d '\000')"
	elif ! cat head body 2>/dev/null | tr -d '\r' | tr -d '\000' | grep -aqE -e "$get_re"; then
		not_ok "$get_case" "no '$get_re' in $(cat head body | head -c 600 | tr -d '\000' | tr '\r\n' '  ')"
	else
		ok "$get_case"
	fi
	rm -f head
}
with "$images_url"
get "a tag" 200 "^Docker-Content-Digest: $small\$" "$url/team/app/manifests/1.0"
same "is what was put there" "$small" "sha256:$(sha256sum <body | cut -d' ' -f1)"
get "with the type that it was stored with" 200 "^Content-Type: $(echo $oci | sed 's/+/[+]/')\$" "$url/team/app/manifests/1.1"
get "by its digest" 200 "^Docker-Content-Digest: $small\$" "$url/team/app/manifests/$small"
get "an index" 200 "^Content-Type: $(echo $index | sed 's/+/[+]/')\$" "$url/large/manifests/latest"
get "HEAD of a tag" 200 "^Docker-Content-Digest: $small\$" -I "$url/team/app/manifests/1.0"
get "a blob" 200 "^Docker-Content-Digest: $layer_digest\$" "$url/large/blobs/$layer_digest"
check "is what was put there" cmp body root.tar.gz
get "HEAD of a blob" 200 "^Content-Length: $layer_size\$" -I "$url/large/blobs/$layer_digest"
get "a part of it" 206 "^Content-Range: bytes 20000000-20000099/$layer_size\$" -r 20000000-20000099 \
	"$url/large/blobs/$layer_digest"
check "is that part" sh -c "tail -c +20000001 root.tar.gz | head -c 100 | cmp - body"
get "on from somewhere" 206 '' -r 39000000- "$url/large/blobs/$layer_digest"
check "is the rest" sh -c "tail -c +39000001 root.tar.gz | cmp - body"
get "behind its end" 416 "^Content-Range: bytes \\*/$layer_size\$" -r "$layer_size-" "$url/large/blobs/$layer_digest"
get "the last ones: all of it" 200 "^Content-Length: $layer_size\$" -r -5 "$url/large/blobs/$layer_digest"
get "tags" 200 '^\{"name":"team/app","tags":\["1.0","1.1"\]\}$' "$url/team/app/tags/list"
get "one tag" 200 '^Link: </v2/team/app/tags/list\?n=1&last=1.0>; rel="next"$' "$url/team/app/tags/list?n=1"
get "the next" 200 '"tags":\["1.1"\]' "$url/team/app/tags/list?n=1&last=1.0"
get "the catalogue" 200 '^\{"repositories":\["azswarm","large","team/app"\]\}$' "$url/_catalog"
get "our own image stays ours" 200 '"name":"azswarm","tags":\["' "$url/azswarm/tags/list"
get "another tag" 404 '"code":"MANIFEST_UNKNOWN","message":"team/app:2 was not pushed' "$url/team/app/manifests/2"
get "another name" 404 '"code":"NAME_UNKNOWN"' "$url/team/tags/list"
get "another blob" 404 '"code":"BLOB_UNKNOWN"' "$url/large/blobs/sha256:$hex"
get "another container" 404 '"code":"NAME_UNKNOWN"' --path-as-is "$url/../azswarm/manifests/x"
get "a path out of it" 404 '"code":"NAME_UNKNOWN"' --path-as-is "$url/a/../../azswarm/manifests/x"
get "the same, in other words" 404 '"code":"NAME_UNKNOWN"' --path-as-is "$url/a/%2e%2e/manifests/x"
get "a query in a tag" 404 '"code":"MANIFEST_UNKNOWN"' --path-as-is "$url/large/manifests/latest%3fx"

# ---- what others make of it ----

expect "skopeo inspect, which lists tags" 0 "\"$small\"" skopeo inspect --tls-verify=false \
	"docker://$registry/team/app:1.0"
same "both of them" '1.0 1.1' "$(jq -r '.RepoTags | join(" ")' out)"
expect "skopeo copy of all that an index has" 0 '' skopeo copy -q --insecure-policy --all \
	--src-tls-verify=false "docker://$registry/large@$listed" dir:copied
check "byte for byte" cmp "copied/${layer_digest#sha256:}" root.tar.gz

peak_before=$(awk '/^VmHWM/ { print $2 }' "/proc/$agent/status")
if engine_start; then
	if docker_knows_oci; then
		expect "docker manifest inspect" 0 '"architecture": "arm64"' \
			docker manifest inspect --insecure "$registry/large:latest"
	else
		skip "docker manifest inspect" "$(docker --version) knows no OCI manifests"
	fi
	expect "docker pull of an index" 0 "Digest: $listed" docker pull "$registry/large:latest"
	expect "what it took out of it runs" 0 '^azswarm ' docker run --rm --net none "$registry/large:latest" /azswarm version
	expect "the engine says the same digest" 0 "\"digest\":\"$listed\"" curl -sS -m 30 \
		--unix-socket engine/docker.sock "http://docker/v1.41/distribution/$registry/large:latest/json"
	expect "pull by digest" 0 "Digest: $small" docker pull "$registry/team/app@$small"
	# a tag that somebody changes behind our back
	put "large/blobs/sha256/${listed#sha256:}" manifests/team/app/1.0 $index
	docker rmi -f "$registry/team/app@$small" >/dev/null
	expect "what a digest names stays, whatever its tag is" 0 "Digest: $small" docker pull "$registry/team/app:1.0@$small"
	expect "a tag that is not there" 1 'team/app:3 was not pushed to this cluster' docker pull "$registry/team/app:3"
	docker rmi -f "$registry/large:latest" >/dev/null

	# ---- what nobody uses goes ----

	here()	# NAMES, of images, that are there of these
	{
		for here_i in "$@"; do
			docker image inspect "$here_i" >/dev/null 2>&1 && printf '%s ' "${here_i#"$registry/"}"
		done
	}
	aged()	# all images came two hours ago
	{
		find engine/data/image/*/imagedb/content -type f -exec touch -d '2 hours ago' {} +
	}
	prune()	# STAYS... : an image that a service names, each; what is said, without bytes
	{
		for prune_i in "$@" end; do echo "$prune_i"; done |
			"$AZSWARM" prune --config node.json $dry >out 2>&1 || echo "exit $?"
		sed 's/^\(image\|freed\) [0-9]*/\1/; s/ $//' out | tr '\n' ','
	}
	dry=
	docker pull -q "$registry/large:latest" >/dev/null
	tar -C root -c azswarm | docker import - "$registry/made:here" >/dev/null
	all_of_them="$registry/large:latest $registry/team/app@$small $registry/made:here"
	# shellcheck disable=SC2086
	same "three images are here" 'large:latest team/app@'"$small"' made:here ' "$(here $all_of_them)"
	same "what came just now stays" 'freed,end,' "$(prune)"
	aged
	dry=--dry-run
	same "a dry run tells what would go" "image $registry/large:latest,freed,end," "$(prune "$registry/team/app:9@$small")"
	dry=
	expect "without an end nothing is touched" 2 'has no end: nothing is touched' \
		sh -c 'echo nothing | "$AZSWARM" prune --config node.json'
	# shellcheck disable=SC2086
	same "and all are there still" 'large:latest team/app@'"$small"' made:here ' "$(here $all_of_them)"
	docker create --name kept --net none "$registry/large:latest" /azswarm version >/dev/null
	same "of what is a container, which does not run, nothing goes" "freed,end," "$(prune "$registry/team/app@$small")"
	docker rm kept >/dev/null
	same "what a service names by its tag stays" "image $registry/team/app@$small,freed,end," "$(prune "$registry/large")"
	same "what nobody names goes, with its layers" "image $registry/large:latest,freed,end," "$(prune)"
	check "forty mebibytes of them: $(cat out | tr '\n' ' ')" test "$(sed -n 's/^freed //p' out)" -gt 40000000
	# shellcheck disable=SC2086
	same "what was made here and is nowhere else stays" 'made:here ' "$(here $all_of_them)"
	expect "and what went is pulled again" 0 "Digest: $listed" docker pull "$registry/large:latest"

	# ---- by itself, when there is little room ----

	aged
	mkdir short
	mount -t tmpfs -o size=4m none short
	head -c 3900k /dev/zero >short/full
	jq --arg d "$PWD/short" '.docker_root=$d' node.json >node.short
	reap "$agent"
	chmod 600 node.short
	spawn agent.short.log "$AZSWARM" agent --config node.short
	agent=$spawned
	check "an agent that has little room says so" \
		wait_for 20 grep -q 'less than a tenth of the disk is free: images that nobody uses here go' agent.short.log
	check "and does the same" wait_for 20 grep -q "^image [0-9]* $registry/large:latest\$" agent.short.log
	check "which ends" wait_for 20 grep -q '^end$' agent.short.log
	same "it is gone" '' "$(here "$registry/large:latest")"
	with "$images_url"
else
	skip "docker" "$engine_why"
fi

# ---- several at once, in little memory ----

n=0
pullers=
while [ $n -lt 12 ]; do
	n=$((n + 1))
	curl -sS -m 100 -o "body.$n" "$url/large/blobs/$layer_digest" &
	pullers="$pullers $!"
done
# shellcheck disable=SC2086
wait $pullers
same "twelve at once get all of it" 12 "$(sha256sum body.* | grep -c "^${layer_digest#sha256:}")"
rm -f body.*
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$agent/status")
if [ "$peak" -le 10240 ]; then
	ok "in $peak KiB at the most (before: $peak_before)"
else
	not_ok "in little memory" "$peak KiB"
fi

# ---- what is not as it should be ----

echo other >wrong
put wrong "blobs/sha256/$(printf '%064d' 1)" $oci
get "a manifest that is not the one" 503 '"message":".*what the storage account has in its place is sha256:' \
	"$url/large/manifests/sha256:$(printf '%064d' 1)"
cp root.tar.gz changed
printf X | dd of=changed bs=1 seek=1000 conv=notrunc 2>/dev/null
put changed "blobs/sha256/$(printf '%064d' 2)" application/octet-stream
expect "a layer that is not the one is not whole" 18 '' curl -sS -m 60 -o body "$url/large/blobs/sha256:$(printf '%064d' 2)"
head -c 5m /dev/zero >huge
put huge manifests/large/huge $index
get "a manifest that is too large" 503 'larger than' "$url/large/manifests/huge"
# fault RULE: what the storage account does with blobs from now on
fault()
{
	printf '[{"name":"on purpose","request":"GET *blobs/sha256*",%s}]' "$1" >faults.part
	mv faults.part azure/faults.json
}
fault '"reset":true'
get "an account that hangs up" 503 '"code":"UNAVAILABLE","message":"pushed images: ' "$url/large/blobs/$layer_digest"
fault '"status":503,"code":"ServerBusy","message":"later"'
get "one that is busy" 503 '503 ServerBusy' "$url/large/blobs/$layer_digest"
fault '"raw":"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"'
expect "one that ends early" 18 '' curl -sS -m 60 -o body "$url/large/blobs/$layer_digest"
fault '"raw":"HTTP/1.1 200 OK\r\n\r\nno length"'
get "one that does not say how much it is" 503 'does not say how long it is' "$url/large/blobs/$layer_digest"
fault '"raw":"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"'
get "one that sends elsewhere" 503 'answers 307' "$url/large/blobs/$layer_digest"
rm azure/faults.json
get "well again" 200 '' "$url/large/blobs/$layer_digest"
with "$images?$(signed rl 2020-01-01T00:00:00Z)"
get "an address that has ended" 403 "\"code\":\"DENIED\".*azswarm upgrade" "$url/team/app/manifests/1.1"
check "its signature is in no journal" sh -c '! grep -q sig= agent.log'
check "its end is" grep -q "registry: pushed images: the storage account answers 403.*azswarm upgrade" agent.log
with ""
get "no address" 403 "has no address of pushed images.*azswarm upgrade" "$url/team/app/manifests/1.1"
get "and our own image" 200 '"repositories":\["azswarm"\]' "$url/_catalog"
with "$images_url"
kill "$emulator"
get "an account that is away" 503 '"code":"UNAVAILABLE"' "$url/team/app/manifests/1.1"
