# Credentials of private registries: docker's own files and helpers, and the local
# Azure's exchange of tokens.
# time: 60
# needs: curl, jq
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
need base64 curl jq
tool=$SRCDIR/build/tests/auth_tool
azure_start "$PWD/az" paper || exit 1
port=${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}
port=${port%%/*}
export DOCKER_CONFIG="$PWD/docker"
mkdir docker bin
export PATH="$PWD/bin:$PATH"

# sent CASE IMAGE JQ WANTED: of what an engine would be sent, which has its padding
sent()
{
	sent_got=$("$tool" "$2" 2>err | sed -n 's/^0 //p' | jq -r "$3")
	if [ "$sent_got" = "$4" ]; then
		ok "$1"
	else
		not_ok "$1" "'$sent_got', not '$4': $(tail -n 1 err)"
	fi
}

same 'nothing is known: nothing is sent' '' "$("$tool" busy:1)"
cat >docker/config.json <<X
{"auths": {"https://index.docker.io/v1/": {"auth": "$(printf me:hub-secret | base64)"},
 "https://ghcr.io/v2/": {"auth": "$(printf you:with:colon | base64)"},
 "r.test:5000": {"auth": "", "identitytoken": "id-token"}},
 "credHelpers": {"helped.test": "mine", "token.test": "mine", "none.test": "mine", "bad.test": "../sh",
 "away.test": "nowhere", "noise.test": "noise"}}
X
cat >bin/docker-credential-mine <<'X'
#!/bin/sh
[ "$1" = get ] || exit 9
server=$(cat)
echo 'a word beside it' >&2
case $server in
helped.test) echo '{"ServerURL":"helped.test","Username":"h","Secret":"s3cret"}' ;;
token.test) echo '{"ServerURL":"token.test","Username":"<token>","Secret":"t0ken"}' ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
X
printf '#!/bin/sh\necho no json\n' >bin/docker-credential-noise
chmod 755 bin/docker-credential-mine bin/docker-credential-noise
sent 'Docker Hub' busy:1 '.username + " " + .password + " " + .serveraddress' 'me hub-secret https://index.docker.io/v1/'
sent 'the same by its name' docker.io/library/busy:1 .username me
sent 'another, whose entry is a URL' ghcr.io/a/b@sha256:1 '.username + " " + .password' 'you with:colon'
sent 'a token of identity' r.test:5000/x '.identitytoken + (.username // "")' id-token
sent 'a helper' helped.test/x:1 '.username + " " + .password' 'h s3cret'
sent 'a helper with a token' token.test/x:1 .identitytoken t0ken
same 'a helper that has nothing' '' "$("$tool" none.test/x:1)"
expect 'a helper that is none' 1 'credentials for bad.test: "../sh" is no credential helper' "$tool" bad.test/x
expect 'one that is not here' 1 'credentials for away.test: cannot run docker-credential-nowhere' "$tool" away.test/x
expect 'one that gives something else' 1 'credentials for noise.test: docker-credential-noise: not JSON' "$tool" noise.test/x

# ---- Azure Container Registry ----

acr=mine.azurecr.localhost:$port
sent 'by the Azure sign-in' "$acr/app:1" .username 00000000-0000-0000-0000-000000000000
check 'how long that lives is said' grep -q 'for 3 hours' err
sent 'with a token of the registry' "$acr/app:1" '.password[:4]' acr-
expect 'another cloud gets none' 4 'credentials for mine.azurecr.io: it is not of the cloud that is signed in to' \
	"$tool" mine.azurecr.io/app:1
expect 'nor another port of this machine' 4 'it is not of the cloud' "$tool" mine.azurecr.localhost:1/app:1
expect 'nor who is called like one' 4 'it is not of the cloud' "$tool" "a.b.azurecr.localhost:$port/app:1"
curl -s --cacert az/ca.pem --resolve "$acr:127.0.0.1" -d "grant_type=access_token&service=$acr&access_token=made-up" \
	"https://$acr/oauth2/exchange" >answer 2>curl.err
same 'a token that is none is refused' UNAUTHORIZED "$(jq -r '.errors[0].code' answer)"
azure_stop
exit $((test_failures != 0))
