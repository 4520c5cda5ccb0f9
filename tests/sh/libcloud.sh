# Apache Libcloud's driver for Azure, unchanged, against the local Azure on
# paper.  It was not made by Microsoft, and asks for the oldest versions of
# the API that Azure has.
# time: 120
. "$SRCDIR/tests/lib.sh"
need jq openssl ssh-keygen
python=/usr/bin/python3		# Debian's, whose package it is
$python -c 'import libcloud' 2>/dev/null || skip_all 'no python3-libcloud here'

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 20 grep -q '^ready' emulator.out || {
	not_ok start "$(cat emulator.out)"
	exit 1
}
. ./azure/env
# it goes to port 443 of the cloud's own names
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout names.key -out names.pem \
	-subj /CN=azure -addext subjectAltName=DNS:login.microsoftonline.com,DNS:management.azure.com 2>/dev/null
spawn proxy.out $python "$SRCDIR/tests/azure_proxy.py" names.pem names.key "${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}" \
	"$SSL_CERT_FILE" login.microsoftonline.com management.azure.com
wait_for 20 grep -q '^[0-9]' proxy.out

ssh-keygen -q -t ed25519 -N '' -f id
jq -n --slurpfile t "$SRCDIR/assets/arm/cluster.json" --arg key "$(cat id.pub)" \
	'{properties:{mode:"Incremental",template:$t[0],parameters:{namePrefix:{value:"unit"},
	adminPublicKey:{value:$key},masterCount:{value:1},agentCount:{value:1},
	masterCustomData:{value:"I2Nsb3VkLWNvbmZpZwo="},agentCustomData:{value:"I2Nsb3VkLWNvbmZpZwo="}}}}' \
	>deployment.json
S=$AZURE_RESOURCE_MANAGER_ENDPOINT/subscriptions/$AZURE_SUBSCRIPTION_ID
c()
{
	curl -sS --cacert "$SSL_CERT_FILE" --noproxy '*' -m 60 -H 'Content-Type: application/json' "$@"
}
bearer=$(curl -sS --cacert "$SSL_CERT_FILE" --noproxy '*' "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" \
	-d grant_type=client_credentials -d "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
	-d scope=https://management.azure.com/.default | jq -r .access_token)
c -H "Authorization: Bearer $bearer" -X PUT "$S/resourcegroups/g1?api-version=2021-04-01" -d '{"location":"eastus"}' >out
D=$S/resourcegroups/g1/providers/Microsoft.Resources/deployments/d?api-version=2021-04-01
c -H "Authorization: Bearer $bearer" -X PUT "$D" -d @deployment.json >out
deployed()
{
	c -H "Authorization: Bearer $bearer" "$D" | jq -e '.properties.provisioningState=="Succeeded"'
}
wait_for 60 deployed || not_ok 'a cluster to look at' "$(head -c 300 out)"

export https_proxy="http://127.0.0.1:$(sed -n 1p proxy.out)"
SSL_CERT_FILE=$PWD/names.pem REQUESTS_CA_BUNDLE=$PWD/names.pem $python "$SRCDIR/tests/libcloud_azure.py" \
	"$AZURE_TENANT_ID" "$AZURE_SUBSCRIPTION_ID" "$AZURE_CLIENT_ID" "$AZURE_CLIENT_SECRET" 2>errors ||
	not_ok 'to the end' "$(tail -n 3 errors | tr '\n' ' ')"
