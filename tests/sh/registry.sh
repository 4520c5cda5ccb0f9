# time: 300
# The image and its registry against what really pulls: a Docker engine,
# skopeo, curl.  The registry is that of a running agent, which has no engine
# to watch at first.
# needs: root, docker.io, skopeo, curl, jq, iproute2, python3
. "$SRCDIR/tests/engine.sh"
. "$SRCDIR/tests/lib.sh"
need_root
need curl jq ip sha256sum python3

version=$("$AZSWARM" version | sed -n 's/^azswarm //p')
url=http://127.0.0.1:1339/v2
# somebody else's agent may have the port where there are no namespaces
[ -n "${ENGINE_INSIDE-}" ] || skip_all "needs network namespaces"
ip link set lo up

# ---- the tar ----

expect "image wants a file" 2 'image: -o FILE is missing' "$AZSWARM" image
expect "image writes a tar" 0 '' "$AZSWARM" image -o image.tar
expect "and the same one to a pipe" 0 '' sh -c '"$AZSWARM" image -o - | cmp - image.tar'
check "nothing is left beside it" sh -c 'test "$(echo image.tar*)" = image.tar'
# where a link lies in wait, as others may put one into a folder of all
echo precious >precious
ln -s precious image.tar.part
expect "a link that lies in wait" 0 '' "$AZSWARM" image -o image.tar
same "is not followed" precious "$(cat precious)"
check "nor taken away" test -L image.tar.part
rm image.tar.part
same "what one may do with it is as ever" "$(umask 027; : >plain; stat -c %a plain)" \
	"$(umask 027; rm -f image.tar; "$AZSWARM" image -o image.tar; stat -c %a image.tar)"
expect "a directory that is not there" 1 'image: /nowhere/x: No such file' \
	"$AZSWARM" image -o /nowhere/x
"$AZSWARM" image -o /dev/null
check "a device stays one" test -c /dev/null
mkdir tar && tar -xf image.tar -C tar
for f in tar/blobs/sha256/*; do
	[ "$(sha256sum <"$f" | cut -d' ' -f1)" = "$(basename "$f")" ] || echo "$f"
done >wrong
same "blobs are called by their digests" "" "$(cat wrong)"
layer=tar/$(jq -r '.[0].Layers[0]' tar/manifest.json)
config=tar/$(jq -r '.[0].Config' tar/manifest.json)
expect "gzip takes the layer" 0 '' sh -c 'gzip -t <"$0"' "$layer"
gzip -dc <"$layer" >layer.tar
same "its tar has the digest that the config says" "$(jq -r '.rootfs.diff_ids[0]' "$config")" \
	"sha256:$(sha256sum <layer.tar | cut -d' ' -f1)"
same "one file is in it" "-rwxr-xr-x 0/0 azswarm" \
	"$(tar --numeric-owner -tvf layer.tar | awk '{ print $1, $2, $6 }')"
check "which is this program" sh -c 'tar -xOf layer.tar azswarm | cmp - "$AZSWARM"'
same "the config names the version" "$version" \
	"$(jq -r '.config.Labels["org.opencontainers.image.version"]' "$config")"

# ---- the registry of an agent ----

mkdir -p run && hex=$(printf '%064d' 7)
cat >node.json <<X
{"role":"worker","masters":["127.0.0.1"],"helper_pin":"$hex","worker_secret":"$hex",
"docker_socket":"$PWD/engine/docker.sock","run_dir":"$PWD/run","state_dir":"$PWD/state","listen":"127.0.0.1","metadata_host":""}
X
chmod 600 node.json
# somebody else was faster, as a container in the host's network may be
spawn rogue.log python3 -m http.server -b 127.0.0.1 1339
rogue=$spawned
wait_for 10 curl -fs http://127.0.0.1:1339/
spawn agent.log "$AZSWARM" agent --config node.json
agent=$spawned
taken='cannot listen on 127.0.0.1:1339: bind: Address'
check "who else has the port is told" wait_for 20 grep -q "registry: another program has our port.*$taken" agent.log
expect "to who asks for the health, too" 0 "\"registry\":\"another program has our port.*$taken" \
	curl -s http://127.0.0.1:1338/healthz
reap "$rogue"
check "the registry comes up with the agent" wait_for 20 curl -fs $url/

# The words are looked for in head and body together.
get()		# CASE STATUS ERE CURL-ARGUMENTS...
{
	get_case=$1 get_status=$2 get_re=$3
	shift 3
	curl -sS -m 10 -D head -o body -w '%{http_code}\n' "$@" >code 2>&1 </dev/null
	if [ "$(cat code)" != "$get_status" ]; then
		not_ok "$get_case" "$(cat code), not $get_status"
	elif ! cat head body 2>/dev/null | tr -d '\r' | tr -d '\000' | grep -aqE -e "$get_re"; then
		not_ok "$get_case" "no '$get_re' in $(cat head body | head -c 600 | tr -d '\000' | tr '\r\n' '  ')"
	else
		ok "$get_case"
	fi
	rm -f head
}
docker=application/vnd.docker.distribution.manifest.v2+json
oci=application/vnd.oci.image.manifest.v1+json
layer_digest=sha256:$(basename "$layer")
size=$(wc -c <"$layer")

get "API version" 200 '^Docker-Distribution-Api-Version: registry/2.0$' $url/
get "tags" 200 "^\\{\"name\":\"azswarm\",\"tags\":\\[\"$version\",\"latest\"\\]\\}$" $url/azswarm/tags/list
get "one tag at a time" 200 "^Link: </v2/azswarm/tags/list\\?n=1&last=$version>; rel=\"next\"$" \
	"$url/azswarm/tags/list?n=1"
get "and the next" 200 '"tags":\["latest"\]' "$url/azswarm/tags/list?n=1&last=$version"
get "catalogue" 200 '"repositories":\["azswarm"\]' $url/_catalog
get "a manifest of Docker's kind" 200 '^Content-Type: .*docker.distribution.manifest.v2[+]json$' -H "Accept: $oci, $docker" \
	"$url/azswarm/manifests/$version"
digest=$(sha256sum <body | cut -d' ' -f1)
get "its digest" 200 "^Docker-Content-Digest: sha256:$digest$" "$url/azswarm/manifests/latest"
get "by its digest" 200 '^Content-Type: .*docker.distribution.manifest.v2[+]json$' -H "Accept: $oci" \
	"$url/azswarm/manifests/sha256:$digest"
get "an OCI manifest" 200 '^Content-Type: application/vnd.oci.image.manifest.v1[+]json$' -H "Accept: text/plain" -H "Accept: $oci;q=0.5" \
	"$url/azswarm/manifests/$version"
same "its digest, too" "$(jq -r '.manifests[0].digest' tar/index.json)" \
	"sha256:$(sha256sum <body | cut -d' ' -f1)"
get "HEAD of a manifest" 200 "^Docker-Content-Digest: sha256:$digest$" -I \
	"$url/azswarm/manifests/$version"
get "HEAD of a blob" 200 "^Content-Length: $size$" -I "$url/azswarm/blobs/$layer_digest"
get "a blob" 200 "^Docker-Content-Digest: $layer_digest$" "$url/azswarm/blobs/$layer_digest"
check "is what the tar has" cmp body "$layer"
get "the start of a blob" 206 "^Content-Range: bytes 0-99/$size$" -r 0-99 \
	"$url/azswarm/blobs/$layer_digest"
check "is its start" sh -c "head -c 100 '$layer' | cmp - body"
# one that begins and ends inside of stored blocks, and one in a block's head
get "the middle of a blob" 206 "^Content-Range: bytes 65000-200000/$size$" -r 65000-200000 \
	"$url/azswarm/blobs/$layer_digest"
check "is its middle" sh -c "tail -c +65001 '$layer' | head -c 135001 | cmp - body"
get "five bytes between two blocks" 206 '' -r 65546-65549 "$url/azswarm/blobs/$layer_digest"
check "are those five" sh -c "tail -c +65547 '$layer' | head -c 4 | cmp - body"
get "the end of a blob" 206 "^Content-Range: bytes $((size - 20))-$((size - 1))/$size$" -r -20 \
	"$url/azswarm/blobs/$layer_digest"
check "is its end" sh -c "tail -c 20 '$layer' | cmp - body"
get "on from somewhere" 206 '' -r 400000- "$url/azswarm/blobs/$layer_digest"
check "is the rest" sh -c "tail -c +400001 '$layer' | cmp - body"
get "behind the end" 416 "^Content-Range: bytes \\*/$size$" -r $size- \
	"$url/azswarm/blobs/$layer_digest"
get "two ranges: all of it" 200 "^Content-Length: $size$" -r 0-1,5-6 \
	"$url/azswarm/blobs/$layer_digest"

get "another image, of a node that has no address of those pushed" 403 '"code":"DENIED"' $url/nginx/manifests/latest
get "another tag" 404 '"code":"MANIFEST_UNKNOWN"' $url/azswarm/manifests/0
get "another blob" 404 '"code":"BLOB_UNKNOWN"' "$url/azswarm/blobs/sha256:$hex"
get "a path out of it" 404 '"code":"BLOB_UNKNOWN"' --path-as-is $url/azswarm/blobs/../../../etc/passwd
get "a push" 405 '"code":"UNSUPPORTED"' -X POST $url/azswarm/blobs/uploads/
get "a deletion" 405 '^Allow: GET, HEAD$' -X DELETE $url/azswarm/manifests/latest

# ---- what others make of it ----

if command -v skopeo >/dev/null; then
	expect "skopeo inspect" 0 "sha256:$digest" skopeo inspect --tls-verify=false \
		docker://127.0.0.1:1339/azswarm:latest
	same "its labels" "$version" "$(jq -r '.Labels["org.opencontainers.image.version"]' out)"
	expect "skopeo copy, with its digest checks" 0 '' skopeo copy -q --insecure-policy \
		--src-tls-verify=false docker://127.0.0.1:1339/azswarm@sha256:$digest oci:copied:x
	expect "skopeo reads the tar as OCI" 0 "\"$version\"" skopeo inspect "oci-archive:$PWD/image.tar"
	expect "skopeo reads the tar as Docker's" 0 "\"$version\"" \
		skopeo inspect "docker-archive:$PWD/image.tar"
else
	skip "skopeo" "no skopeo here"
fi

if engine_start; then
	# what deploying asks, and compares with what the program reckons itself
	expect "an engine says the same digest" 0 "\"digest\":\"sha256:$digest\"" curl -sS -m 30 \
		--unix-socket engine/docker.sock "http://docker/v1.41/distribution/127.0.0.1:1339/azswarm:$version/json"
	expect "docker load" 0 "Loaded image: azswarm:$version" docker load -i image.tar
	expect "docker run" 0 "^azswarm $version" docker run --rm --net none "azswarm:$version" version
	docker rmi -f "azswarm:$version" >/dev/null
	expect "docker pull from the agent" 0 "Digest: sha256:$digest" \
		docker pull "127.0.0.1:1339/azswarm:$version"
	expect "the pulled image runs" 0 "^azswarm $version" \
		docker run --rm --net none "127.0.0.1:1339/azswarm:$version" version
	expect "the engine knows it by its digest" 0 "127.0.0.1:1339/azswarm@sha256:$digest" \
		docker image inspect -f '{{.RepoDigests}}' "127.0.0.1:1339/azswarm:$version"
	docker rmi -f "127.0.0.1:1339/azswarm:$version" >/dev/null
	expect "pull by digest" 0 '' docker pull "127.0.0.1:1339/azswarm@sha256:$digest"
	expect "a tag that is not there" 1 'manifest unknown|no such tag' \
		docker pull 127.0.0.1:1339/azswarm:nothing
	# a cluster of two kinds of processor: each engine takes its own out of
	# the list that all of them are sent to
	manifest_size=$(curl -s -H "Accept: $docker" "$url/azswarm/manifests/sha256:$digest" | wc -c)
	list=application/vnd.docker.distribution.manifest.list.v2+json
	jq -cj --null-input --arg l $list --arg m $docker --arg d "sha256:$digest" --argjson n "$manifest_size" \
		--arg o "sha256:$hex" '{schemaVersion:2,mediaType:$l,manifests:[
		{mediaType:$m,size:1000,digest:$o,platform:{architecture:"arm64",variant:"v8",os:"linux"}},
		{mediaType:$m,size:$n,digest:$d,platform:{architecture:"amd64",os:"linux"}}]}' >list.json
	listed=sha256:$(sha256sum <list.json | cut -d' ' -f1)
	jq --rawfile l list.json '.image_list = $l' node.json >both.json
	chmod 600 both.json
	reap "$agent"
	spawn agent.log "$AZSWARM" agent --config both.json
	agent=$spawned
	wait_for 20 curl -fs $url/
	get "a list, by tag" 200 "^Docker-Content-Digest: $listed$" -H "Accept: $list, $docker" \
		"$url/azswarm/manifests/$version"
	docker rmi -f "127.0.0.1:1339/azswarm@sha256:$digest" >/dev/null
	expect "an engine says the list's digest" 0 "\"digest\":\"$listed\"" curl -sS -m 30 \
		--unix-socket engine/docker.sock "http://docker/v1.41/distribution/127.0.0.1:1339/azswarm:$version/json"
	expect "and pulls it" 0 "Digest: $listed" docker pull "127.0.0.1:1339/azswarm:$version@$listed"
	expect "what it took out of it runs" 0 "^azswarm $version" \
		docker run --rm --net none "127.0.0.1:1339/azswarm:$version@$listed" version
	expect "a push is refused" 1 '' sh -c 'docker load -qi image.tar &&
		docker tag "azswarm:$0" "127.0.0.1:1339/azswarm:mine" &&
		docker push 127.0.0.1:1339/azswarm:mine' "$version"
else
	skip "docker" "$engine_why"
fi

rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$agent/status")
if [ "${rss:-99999}" -le 4096 ]; then
	ok "an agent with a registry stays below 4 MiB"
else
	not_ok "an agent with a registry stays below 4 MiB" "$rss KiB"
fi
kill "$agent"
n=0
while running "$agent" && [ $n -lt 420 ]; do n=$((n + 1)); sleep 0.1; done
expect "the agent ends when asked" 1 '' kill -0 "$agent"
expect "quietly" 0 'agent: stopped' cat agent.log
