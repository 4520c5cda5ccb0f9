# azure_do() against Microsoft's test server for those who write clients of
# Azure: each of its long-running operations, and the end it is to have.
# time: 120
# needs: node, npm; 70 MB of packages
. "$SRCDIR/tests/lib.sh"
need curl jq openssl
npm_modules autorest
must_make build/tests/lro_tool
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem \
	-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>openssl.err
spawn front.log node "$SRCDIR/tests/npm/autorest/front.js" key.pem cert.pem
wait_for 60 grep -q '^ready' front.log || {
	not_ok start "$(tail -n 3 front.log | tr '\n' ' ')"
	exit 1
}
server=https://localhost:$(sed -n 's/^ready //p' front.log)

# METHOD PATH, done or failed, and words of the document or the message.  Ends
# are those that Microsoft's own clients are held to there, but for the two kinds
# that say why.
cat >table <<'T'
PUT /lro/put/200/succeeded done "provisioningState":"Succeeded"
PUT /lro/put/201/succeeded done "provisioningState":"Succeeded"
PUT /lro/put/200/succeeded/nostate done "name":"foo"
PATCH /lro/patch/200/succeeded/ignoreheaders done "provisioningState":"Succeeded"
PATCH /lro/patch/201/retry/onlyAsyncHeader done "provisioningState":"Succeeded"
PATCH /lro/patch/202/retry/asyncAndLocationHeader done "provisioningState":"Succeeded"
PUT /lro/put/202/retry/200 done "name":"foo"
PUT /lro/put/201/creating/succeeded/200 done "provisioningState":"Succeeded"
PUT /lro/put/200/updating/succeeded/200 done "provisioningState":"Succeeded"
PUT /lro/put/201/created/failed/200 failed operation Failed
PUT /lro/put/200/accepted/canceled/200 failed operation Canceled
PUT /lro/put/noheader/202/200 done "provisioningState":"Succeeded"
PUT /lro/putasync/retry/succeeded done "provisioningState":"Succeeded"
PUT /lro/putasync/noretry/succeeded done "provisioningState":"Succeeded"
PUT /lro/putasync/retry/failed failed operation Failed
PUT /lro/putasync/noretry/canceled failed operation Canceled
PUT /lro/putasync/noheader/201/200 done "provisioningState":"Succeeded"
PUT /lro/putnonresource/202/200 done "name":"sku"
PUT /lro/putnonresourceasync/202/200 done "name":"sku"
PUT /lro/putsubresource/202/200 done "subresource":"sub1"
PUT /lro/putsubresourceasync/202/200 done "subresource":"sub1"
DELETE /lro/delete/provisioning/202/accepted/200/succeeded done
DELETE /lro/delete/provisioning/202/deleting/200/failed failed operation Failed
DELETE /lro/delete/provisioning/202/deleting/200/canceled failed operation Canceled
DELETE /lro/delete/204/succeeded done
DELETE /lro/delete/202/retry/200 done
DELETE /lro/delete/202/noretry/204 done
DELETE /lro/delete/noheader done
DELETE /lro/deleteasync/noheader/202/204 done
DELETE /lro/deleteasync/retry/succeeded done
DELETE /lro/deleteasync/noretry/succeeded done
DELETE /lro/deleteasync/retry/failed failed operation Failed
DELETE /lro/deleteasync/retry/canceled failed operation Canceled
POST /lro/list done
POST /lro/post/payload/200 done "name":"product"
POST /lro/post/202/retry/200 done "name":"foo"
POST /lro/post/202/noretry/204 done -
POST /lro/LROPostDoubleHeadersFinalLocationGet done
POST /lro/LROPostDoubleHeadersFinalAzureHeaderGet done "id":"100"
POST /lro/LROPostDoubleHeadersFinalAzureHeaderGetDefault done
POST /lro/postasync/retry/succeeded done "name":"foo"
POST /lro/postasync/noretry/succeeded done "name":"foo"
POST /lro/postasync/retry/failed failed operation Failed: Internal Server Error
POST /lro/postasync/retry/canceled failed operation Canceled
PUT /lro/retryerror/put/201/creating/succeeded/200 done "provisioningState":"Succeeded"
PUT /lro/retryerror/putasync/retry/succeeded done "provisioningState":"Succeeded"
DELETE /lro/retryerror/delete/provisioning/202/accepted/200/succeeded done
DELETE /lro/retryerror/delete/202/retry/200 done
DELETE /lro/retryerror/deleteasync/retry/succeeded done
POST /lro/retryerror/post/202/retry/200 done "name":"foo"
POST /lro/retryerror/postasync/retry/succeeded done
PUT /lro/nonretryerror/put/400 failed Expected bad request message
PUT /lro/nonretryerror/put/201/creating/400 failed Error from the server
PUT /lro/nonretryerror/put/201/creating/400/invalidjson failed HTTP 400
PUT /lro/nonretryerror/putasync/retry/400 failed HTTP 400
DELETE /lro/nonretryerror/delete/400 failed Expected bad request message
DELETE /lro/nonretryerror/delete/202/retry/400 failed Expected bad request message
DELETE /lro/nonretryerror/deleteasync/retry/400 failed Expected bad request message
POST /lro/nonretryerror/post/400 failed Expected bad request message
POST /lro/nonretryerror/post/202/retry/400 failed Expected bad request message
POST /lro/nonretryerror/postasync/retry/400 failed Expected bad request message
PUT /lro/error/put/201/noprovisioningstatepayload failed does not say how the operation stands
PUT /lro/error/putasync/retry/nostatus failed does not say how the operation stands
DELETE /lro/error/delete/204/nolocation done
DELETE /lro/error/deleteasync/retry/nostatus failed does not say how the operation stands
POST /lro/error/post/202/nolocation failed nor where to ask
PUT /lro/error/put/200/invalidjson failed HTTP 200 and not JSON
PUT /lro/error/putasync/retry/invalidheader failed HTTP 404
PUT /lro/error/putasync/retry/invalidjsonpolling failed HTTP 200 and not JSON
DELETE /lro/error/deleteasync/retry/invalidjsonpolling failed HTTP 200 and not JSON
POST /lro/error/post/202/retry/invalidheader failed HTTP 404
POST /lro/error/postasync/retry/invalidheader failed HTTP 404
POST /lro/error/postasync/retry/invalidjsonpolling failed HTTP 200 and not JSON
PUT /lro/customheader/putasync/retry/succeeded done "provisioningState":"Succeeded"
PUT /lro/customheader/put/201/creating/succeeded/200 done "provisioningState":"Succeeded"
POST /lro/customheader/post/202/retry/200 done
POST /lro/customheader/postasync/retry/succeeded done
POST /lroParameterizedEndpoints done "success"
POST /lroConstantParameterizedEndpoints/iAmConstant done "success"
T
# An empty 200 of an operation is its success: HashiCorp's clients have met that
# on Azure.
cat >>table <<'T'
PUT /lro/error/putasync/retry/nostatuspayload done
POST /lro/error/postasync/retry/nopayload done
T
# Where a deletion is to be asked for is a path that is not there; the end of a
# deletion is that it is not there.
cat >>table <<'T'
DELETE /lro/error/delete/202/retry/invalidheader done
DELETE /lro/error/deleteasync/retry/invalidheader done
T

cut -d ' ' -f 1,2 table >asked
SSL_CERT_FILE=$PWD/cert.pem timeout 300 "$SRCDIR/build/tests/lro_tool" "$server" <asked >ends 2>errors ||
	not_ok 'to the end' "$(tail -n 1 errors)"
same 'each has an end' "$(wc -l <asked)" "$(wc -l <ends)"
paste -d '\n' table ends >both
while read -r method path want words && read -r got said; do
	case "$got $said" in
	"$want "*"$words"*) ok "$method $path" ;;
	*) not_ok "$method $path" "$got $said, wanted $want $words" ;;
	esac
done <both

# ---- nothing was left out ----

swagger=$NODE_PATH/@microsoft.azure/autorest.testserver/swagger
for file in lro lro-parameterized-endpoints; do
	sed '1s/^\xef\xbb\xbf//' "$swagger/$file.json" | jq -r '.paths | to_entries[] | .key as $path | .value | keys[] |
		select(. != "parameters") | ascii_upcase + " " + ($path | sub("{constantParameter}"; "iAmConstant"))'
done | sort >theirs
same 'all that the server has' "$(cat theirs)" "$(sort asked)"

# What the server itself saw through, but for results of actions that are kept
# at another place than where their state is: no command wants one.
curl -sS --cacert cert.pem "$server/report/azure" >seen
curl -sS --cacert cert.pem "$server/report/optional" >seen.optional
same 'what was not seen through' \
	'LROPostAndGetList LROPostDoubleHeadersFinalAzureHeaderGetDefault LROPostDoubleHeadersFinalLocationGet' \
	"$(jq -rs 'add | to_entries[] | select((.key | test("^LRO|^CustomHeaderP")) and .value == 0) | .key' seen seen.optional |
		sort | xargs)"
check 'and there was much' test "$(jq '[to_entries[] | select((.key | test("^LRO|^CustomHeaderP")) and .value > 0)] | length' seen)" -gt 70
