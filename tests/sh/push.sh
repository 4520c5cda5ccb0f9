# time: 240
# push and images: archives as an engine and skopeo write them, and as nobody
# should, into the storage account; from there, by an agent's registry, to an
# engine and to skopeo.  The account is the local Azure's.
# needs: root, docker.io, skopeo, curl, jq, iproute2, python3, time
. "$SRCDIR/tests/engine.sh"
. "$SRCDIR/tests/lib.sh"
need_root
need curl jq ip sha256sum python3 skopeo time
must_make build/tests/images_tool
tool=$SRCDIR/build/tests/images_tool
[ -n "${ENGINE_INSIDE-}" ] || skip_all "needs network namespaces"
ip link set lo up

registry=127.0.0.1:1339
account=pushacct
export STORAGE_ACCOUNT_NAME=$account XDG_CACHE_HOME="$PWD/cache"
azure_here
emulator=$spawned
for command in keys deploy-storage params; do
	"$AZSWARM" $command >out 2>&1 </dev/null || not_ok "$command" "$(tail -n 3 out)"
done
made()		# KIND FILE [MIB [NAME [SEED]]]
{
	python3 "$SRCDIR/tests/images.py" "$@"
}
# push WHAT... : what it prints on stdout
push()
{
	AZSWARM_LOG="$PWD/log" "$AZSWARM" push "$@" 2>err </dev/null || echo "exit $?: $(cat err)"
}
# How many requests of that kind the last push made, and no more are there then.
asked()		# ERE
{
	grep -cE "$1" log
}
sent()
{
	sed -n 's/.* pushed; \(.*\) MiB were not there yet/\1/p' err
}

# ---- archives ----

"$AZSWARM" image -o own.tar
skopeo copy -q --insecure-policy docker-archive:own.tar docker-archive:old.tar:app:1
skopeo copy -q --insecure-policy docker-archive:own.tar oci-archive:oci.tar:app
rm -f log
old=$(push app:1 --from old.tar)
check "skopeo's docker-archive: $old" sh -c 'echo "$0" | grep -qE "^127.0.0.1:1339/app:1@sha256:[0-9a-f]{64}$"' "$old"
same "two blobs, a manifest, a tag" 4 "$(asked 'PUT .*/images/')"
rm log
same "the same again is the same" "$old" "$(push app:1 --from old.tar)"
same "and of it nothing travels but its name" '2 2 0.0' \
	"$(asked 'HEAD .*/images/blobs/') $(asked 'PUT .*/images/') $(sent)"
same "from a pipe, too" "$old" "$(AZSWARM_LOG= "$AZSWARM" push app:1 --from - 2>err <old.tar)"
tar -xf oci.tar index.json
digest=$(jq -r '.manifests[0].digest' index.json)
same "of an OCI archive the manifest is kept" "$registry/app:latest@$digest" "$(push app --from oci.tar)"
same "and of what this program writes" "$registry/team/app:x@$(tar -xOf own.tar index.json | jq -r '.manifests[0].digest')" \
	"$(push $registry/team/app:x --from own.tar)"
gzip -k old.tar
made saved two.tar 1 made:1
plain=$(push made:1 --from two.tar)
made linked two.tar 1 made:1
same "links and long names, by pax" "$plain" "$(push made:1 --from two.tar)"
made saved two.tar 1 made:1 2
plain=$(push made:1 --from two.tar)
made linked two.tar 1 made:1 2
same "and by GNU" "$plain" "$(push made:1 --from two.tar)"
made two two.tar 1 docker.io/library/made:1 2
same "the one of two that is meant" "$plain" "$(push made:1 --from two.tar)"
no()		# CASE ERE ARGUMENTS...
{
	no_case=$1 no_re=$2
	shift 2
	expect "$no_case" 1 "azswarm: push: .*$no_re" "$AZSWARM" push "$@"
}
no "none of two" '2 images are in it, and none is called x:1; save' x:1 --from two.tar
made alike alike.tar >/dev/null
no "two that may be meant" 'several images in it may be x:1; save' x:1 --from alike.tar
no "compressed" "old.tar.gz: it is compressed with gzip; 'gzip -dc FILE [|] azswarm push" x --from old.tar.gz
head -c 700000 old.tar >cut.tar
no "cut short" 'cut.tar: it is cut short' x --from cut.tar
echo hello >hello
no "no archive" 'it is no tar archive' x --from hello
tar -cf hello.tar hello
no "no image" "neither index.json nor manifest.json.*'docker save' makes one" x --from hello.tar
no "no file" 'nowhere.tar: No such file' x --from nowhere.tar
expect "a folder" 2 "tar -C tmp -c . [|]" sh -c 'mkdir -p tmp; "$AZSWARM" push x --from tmp'
for kind in out loop short twice sizes deep often os; do
	made $kind $kind.tar >/dev/null
done
no "a link out of the archive" 'layer "1/layer.tar" is not in it' x --from out.tar
no "a link to itself" 'layer "1/layer.tar" is not in it' x --from loop.tar
no "a layer that is missing" 'its config is of 3 layers, and 2 are in it' x --from short.tar
no "the last of two counts" '"x" is not in it' x --from twice.tar
no "a size that is a lie" 'sizes.tar: it is cut short' x --from sizes.tar
no "an index that has no end" 'too deep' x --from deep.tar
no "one that is named over and over" 'its indexes name more than 2048 manifests' x --from often.tar
expect "a name that is none" 2 'expected NAME\[:TAG\]' "$AZSWARM" push App:1 --from old.tar
expect "the name that is ours" 2 "the program's own image" "$AZSWARM" push azswarm:1 --from old.tar
expect "and what is below it" 2 "the program's own image" "$AZSWARM" push azswarm/x:1 --from old.tar
same "of all of these nothing is there" 'app:1 app:latest made:1 team/app:x' \
	"$("$AZSWARM" images --output json 2>err | jq -r '[.[] | .name + ":" + .tag] | join(" ")')"

expect "a platform that would be a header of its own is not told" 0 '^odd:1 pushed' "$AZSWARM" push odd:1 --from os.tar
same "nor is it stored" '' "$("$AZSWARM" images odd --output json 2>err | jq -r '.[0].platforms')"
"$AZSWARM" images rm odd:1 --yes >out 2>&1 || not_ok "images rm odd:1" "$(cat out)"

# ---- what is large ----

made saved large.tar 40 large:1 3
printf X | dd of=large.tar bs=1 seek=30000000 conv=notrunc 2>/dev/null
rm -f log
case $(push large:1 --from large.tar) in
"exit 1: "*"is not what its digest says"*) ok "a layer that is not what its digest says" ;;
*) not_ok "a layer that is not what its digest says" "$(cat err)" ;;
esac
same "nothing is sent of it" 0 "$(asked 'PUT .*/images/')"
made saved large.tar 40 large:1 3
# of six blocks three come through
echo '[{ "request": "PUT *comp=block&*", "skip": 3, "status": 403, "code": "AuthorizationFailure" }]' >azure/faults.json
case $(push large:1 --from large.tar) in
"exit 1: "*"MiB are there; the same command goes on from there"*) ok "cut off" ;;
*) not_ok "cut off" "$(cat err)" ;;
esac
rm azure/faults.json
same "nothing is called by its digest, nor by its name" 0 \
	"$("$AZSWARM" images large --output json 2>err | jq length)"
rm log
large=$(push large:1 --from large.tar)
same "it goes on: three blocks, and the list of them" '3 1' "$(asked 'PUT .*comp=block&.* 201') $(asked 'PUT .*comp=blocklist.* 201')"
echo '[{ "request": "PUT *images/manifests/*", "status": 412, "code": "ConditionNotMet" }]' >azure/faults.json
case $(push large:1 --from large.tar) in
"exit 1: "*ConditionNotMet*) ok "a tag that storage does not take is not pushed" ;;
*) not_ok "a tag that storage does not take is not pushed" "$(cat err)" ;;
esac
echo '[{ "request": "PUT *comp=block&*", "skip": 1, "delay_ms": 20000 }]' >azure/faults.json
made saved other.tar 40 other:1 4
spawn interrupted.log "$AZSWARM" push other:1 --from other.tar
interrupted=$spawned
wait_for 20 sh -c 'test "$(find azure/blobs -size +8191k -size -8193k -newer other.tar | wc -l)" -ge 1'
kill -INT "$interrupted"
got=0
wait "$interrupted" || got=$?
rm azure/faults.json
same "Ctrl-C ends it at once" 130 "$got"
check "and says so" grep -q 'MiB are there; the same command goes on' interrupted.log
rm -f log
push other:1 --from other.tar >out
check "then it goes on: $(asked 'PUT .*comp=block&.* 201') of six" test "$(asked 'PUT .*comp=block&.* 201')" -lt 6
made saved two.tar 200 big:1 5
"$(command -v time)" -f %M -o peak "$AZSWARM" push big:1 --from two.tar >out 2>&1 </dev/null || not_ok "200 MiB" "$(cat out)"
peak=$(tail -n 1 peak)
if [ "$peak" -le 6144 ]; then
	ok "200 MiB in $peak KiB of memory"
else
	not_ok "200 MiB in little memory" "$peak KiB"
fi

# ---- several platforms ----

listed=$(made index index.tar 1 many:1)
expect "an index" 0 "linux/s390x: its index names these, too" "$AZSWARM" push many:1 --from index.tar
same "is kept" "$registry/many:1@$listed" "$(push many:1 --from index.tar)"
same "and told" 'linux/amd64 linux/arm64' "$("$AZSWARM" images many --output json 2>err | jq -r '.[0].platforms')"

# ---- an engine's ----

images_url=$(jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d |
	grep -o 'images_url[\\": ]*https://[^"\\]*' | sed 's/.*https:/https:/')
mkdir -p run
hex=$(printf '%064d' 7)
jq -n --arg u "$images_url" --arg h "$hex" --arg d "$PWD" '{role:"worker",masters:["127.0.0.1"],helper_pin:$h,
	worker_secret:$h,docker_socket:($d+"/engine/docker.sock"),run_dir:($d+"/run"),
	state_dir:($d+"/state"),listen:"127.0.0.1",metadata_host:"",images_url:$u}' >node.json
chmod 600 node.json
spawn agent.log "$AZSWARM" agent --config node.json
wait_for 20 curl -fs http://$registry/v2/ || not_ok "an agent" "$(tail -n 1 agent.log)"
expect "skopeo copies all that is there of the index" 0 '' skopeo copy -q --insecure-policy --src-tls-verify=false \
	"docker://$registry/many@$(jq -r '.manifests[1].digest' "$(tar -xf index.tar; echo "blobs/sha256/${listed#sha256:}")")" dir:copied
check "byte for byte" sh -c 'for f in copied/????????????????????????????????????????????????????????????????; do
	cmp "$f" "blobs/sha256/$(basename "$f")" || exit 1; done; test -f "$f"'
expect "skopeo finds the tag" 0 '' skopeo inspect --tls-verify=false "docker://$registry/large:1"
same "with the digest that push said" "${large#*@}" "$(jq -r .Digest out)"

if engine_start; then
	mkdir -p context
	cp "$AZSWARM" context/azswarm
	printf 'FROM scratch\nCOPY azswarm /azswarm\nCOPY note /note\nCMD ["/azswarm","version"]\n' >context/Dockerfile
	echo first >context/note
	expect "docker build" 0 '' docker build -q -t web:1 context
	id=$(docker image inspect -f '{{.Id}}' web:1)
	pinned=$(push web:1)
	check "from the engine's socket: $pinned" sh -c 'echo "$0" | grep -q "^127.0.0.1:1339/web:1@sha256:"' "$pinned"
	docker save -o web.tar web:1
	same "as from docker save" "$pinned" "$(push web:1 --from web.tar)"
	same "as from its socket by name" "$pinned" "$(push web:1 --from engine/docker.sock)"
	expect "an image that it has not" 1 "has no image web:2; 'docker images' shows" "$AZSWARM" push web:2
	DOCKER_HOST=tcp://127.0.0.1:1 expect "an engine elsewhere" 2 "docker save NAME [|] azswarm push" "$AZSWARM" push web:1
	docker rmi -f web:1 >/dev/null
	expect "docker pull" 0 "Digest: ${pinned#*@}" docker pull "$pinned"
	same "is the image that was built" "$id" "$(docker image inspect -f '{{.Id}}' "$pinned")"
	expect "which runs" 0 '^azswarm ' docker run --rm --net none "$pinned"
	if docker_knows_oci; then
		expect "docker manifest inspect" 0 '"mediaType": "application/vnd.oci.image.layer.v1.tar"' \
			docker manifest inspect --insecure "$registry/web:1"
	else
		skip "docker manifest inspect" "$(docker --version) knows no OCI manifests"
	fi
	echo second >context/note
	docker build -q -t web:2 context >/dev/null
	rm -f log
	push web:2 >out
	same "of the next version only what is new" '2' "$(asked 'PUT .*/images/blobs/sha256/[0-9a-f]*[?]sv.* 201' | awk '{ print $1 - 1 }')"
	expect "docker pull of a platform that is one of several" 0 "Digest: $listed" docker pull "$registry/many:1"
	expect "and of what was large" 0 '' docker pull "$registry/large:1"

	# ---- what services name ----

	export ASAN_OPTIONS=detect_leaks=1
	socket=$PWD/engine/docker.sock
	here='[[]{"Architecture":"[a-z0-9]*","OS":"linux"}]'
	expect "an image, with its digest and what it runs on" 0 "^$pinned $here\$" "$tool" "$socket" pin "$registry/web:1"
	expect "by the registry's other name, too" 0 "^$pinned $here\$" "$tool" "$socket" pin localhost:1339/web:1
	expect "one of several platforms" 0 '^[^ ]* [[]{"Architecture":"amd64","OS":"linux"},{"Architecture":"arm64","OS":"linux"}]$' \
		"$tool" "$socket" pin "$registry/many:1"
	expect "one of another registry stays" 0 '^redis:7$' "$tool" "$socket" pin redis:7
	expect "and one with a digest" 0 "^$pinned\$" "$tool" "$socket" pin "$pinned"
	expect "and our own" 0 "^$registry/azswarm:x\$" "$tool" "$socket" pin "$registry/azswarm:x"
	expect "which is not pushed" 0 '^not ours$' "$tool" "$socket" push localhost:1339/azswarm
	expect "one that was not pushed" 1 "there is no image web:9 in the storage account; 'azswarm push web:9'" \
		"$tool" "$socket" pin "$registry/web:9"
	expect "deploy-stack --push: one that is here" 0 "^$registry/web:2@sha256:[0-9a-f]* $here\$" "$tool" "$socket" push web:2
	expect "one that is not" 0 '^not ours$' "$tool" "$socket" push redis:7
	expect "one of another registry" 0 '^not ours$' "$tool" "$socket" push ghcr.io/web:2
	docker swarm init --advertise-addr 127.0.0.1 >/dev/null 2>&1
	docker service create -q -d --name s1 --replicas 0 "$pinned" >out 2>&1
	expect "images tells who uses it" 0 '^web +1 .* s1 *$' "$tool" "$socket" images web
	expect "which is not removed" 1 'web:1: s1 uses it, or did before its last update' "$tool" "$socket" images rm web:1 --yes
	docker service update -q -d --image "$registry/web:2" s1 >out 2>&1
	expect "nor is it after an update" 1 'web:1: s1 uses it' "$tool" "$socket" images rm web:1 --yes
	docker service create -q -d --name s2 --replicas 0 localhost:1339/web:2 >out 2>&1
	expect "nor one whose registry is called otherwise" 1 'web:2: (s1 s2|s2 s1) uses it' "$tool" "$socket" images rm web:2 --yes
	expect "another one is" 0 '^many:1 removed$' "$tool" "$socket" images rm many:1 --yes
	push many:1 --from index.tar >out
else
	skip "docker" "$engine_why"
fi

# ---- what somebody else has put there ----

token=$(curl -sS --cacert "$SSL_CERT_FILE" \
	-d "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" | jq -r .access_token)
all=$(curl -sS --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
	-d "{\"canonicalizedResource\":\"/blob/$account/images\",\"signedResource\":\"c\",\"keyToSign\":\"key1\",
	\"signedPermission\":\"rcwdl\",\"signedExpiry\":\"2099-01-01T00:00:00Z\"}" \
	"$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-storage/providers/Microsoft.Storage/storageAccounts/$account/ListServiceSas?api-version=2023-01-01" |
	jq -r .serviceSasToken)
images=https://$account.blob.core.localhost:${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}/images
ask()		# METHOD BLOB CURL'S OPTIONS
{
	ask_method=$1 ask_blob=$2
	shift 2
	curl -sS -f --cacert "$SSL_CERT_FILE" -X "$ask_method" "$@" "$images/$ask_blob?$all"
}
ask GET manifests/app/latest -D head -o manifest
proof=$(sed -n 's/^x-ms-meta-proof: \([0-9a-f]*\)\r$/\1/p' head)
same "a tag has the media type of its manifest" application/vnd.oci.image.manifest.v1+json \
	"$(sed -n 's/^Content-Type: \(.*\)\r$/\1/p' head)"
same "what it is stands there by its digest, too" "${digest#sha256:}" \
	"$(ask GET "blobs/sha256/${digest#sha256:}" | sha256sum | cut -d' ' -f1)"
ask PUT "blobs/sha256/${digest#sha256:}" -H 'x-ms-blob-type: BlockBlob' -d 'another'
push app --from oci.tar >out
same "and push puts it there again" "${digest#sha256:}" \
	"$(ask GET "blobs/sha256/${digest#sha256:}" | sha256sum | cut -d' ' -f1)"
# the tag of one image on another, with whatever proof that has
ask PUT manifests/app/1 -H 'x-ms-blob-type: BlockBlob' -H "x-ms-meta-proof: $proof" \
	-H "x-ms-meta-digest: $digest" --data-binary @manifest
expect "no service is given that" 1 'app:1 in the storage account is not what was pushed with these keys/' \
	"$tool" /nowhere pin "$registry/app:1"
expect "images tells that it is not ours" 0 'app:1 is not what was pushed with these keys/' "$AZSWARM" images

# ---- what goes ----

expect "rm asks" 2 'remove app:1.*--yes' "$AZSWARM" images rm app:1
expect "rm" 0 '^app:1 removed$' "$AZSWARM" images rm app:1 --yes
expect "twice" 0 '^app:1 is not there$' "$AZSWARM" images rm app:1 --yes
stored()	# DIGEST... : the answers for their blobs
{
	for stored_i in "$@"; do
		curl -sS -o body -w '%{http_code}\n' --cacert "$SSL_CERT_FILE" "$images/blobs/sha256/${stored_i#sha256:}?$all"
	done | xargs
}
layer=$(ask GET "blobs/sha256/${large#*@sha256:}" | jq -r '.layers[0].digest')
of_many=$(jq -r '.manifests[1].digest' "blobs/sha256/${listed#sha256:}")
same "what is young stays" 200 "$(stored "${old#*@}")"
# and an hour later
kill "$emulator"
wait "$emulator" 2>/dev/null
python3 - azure/state.json <<'END'
import re, sys
text = open(sys.argv[1]).read()
open(sys.argv[1], "w").write(re.sub(r'("(?:modified|created)":\s*)(\d{10})',
	lambda m: m[1] + str(int(m[2]) - 3700), text))
END
spawn emulator.log2 "$AZSWARM" emulator --dir "$PWD/azure" --listen "127.0.0.1:${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}"
wait_for 30 grep -q '^ready ' emulator.log2
# what is not known to be wanted goes, so a list that is not whole takes nothing along
for list in '<EnumerationResults><Blobs>' \
	"<EnumerationResults><Blobs><Blob><Name>blobs/sha256/${old#*@sha256:}</Name></Blob></Blobs></EnumerationResults>"; do
	jq -n --arg b "$list" '[{request: "GET *comp=list*prefix=blobs/*",
		raw: "HTTP/1.1 200 OK\r\nContent-Length: \($b | length)\r\n\r\n\($b)"}]' >azure/faults.json
	expect "a list that is none: $list" 1 'a list of blobs .*not understood' "$AZSWARM" images rm none:1 --yes
done
rm azure/faults.json
same "takes nothing along" 200 "$(stored "${old#*@}")"
expect "what nothing refers to goes" 0 'blobs that nothing refers to are gone, [0-9.]* MiB' "$AZSWARM" images rm large:1 --yes
same "its manifest, its layer" '404 404' "$(stored "${large#*@}" "$layer")"
same "what an index names stays, and what others have of it" '200 200 200' \
	"$(stored "$listed" "$of_many" "$(jq -r '.layers[1].digest' "blobs/sha256/${of_many#sha256:}" | sed 's/null/'"$listed"'/')")"
ask PUT manifests/bad/1 -H 'x-ms-blob-type: BlockBlob' -d 'no manifest'
expect "where one cannot be read nothing goes" 1 'bad:1: a manifest: not JSON' "$AZSWARM" images rm many:1 --yes
same "but the tag" '200 404' "$(stored "$listed") $(curl -sS -o body -w '%{http_code}' --cacert "$SSL_CERT_FILE" "$images/manifests/many/1?$all")"
expect "without it" 0 '^bad:1 removed$' "$AZSWARM" images rm bad:1 --yes
same "it goes" 404 "$(stored "$listed")"
