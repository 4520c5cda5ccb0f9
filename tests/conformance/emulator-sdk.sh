# Microsoft's Azure SDK for Python, unchanged, against the local Azure on
# paper: it was written for Azure, so what it takes for an answer is one.
# time: 240
. "$SRCDIR/tests/lib.sh"
need jq ssh-keygen
python=/usr/bin/python3		# Debian's, whose packages these are
$python -c 'import azure.identity, azure.mgmt.compute, azure.storage.blob' 2>/dev/null ||
	skip_all 'no python3-azure here'

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 20 grep -q '^ready' emulator.out || {
	not_ok start "$(cat emulator.out)"
	exit 1
}
. ./azure/env
ssh-keygen -q -t ed25519 -N '' -f id
jq -n --slurpfile t "$SRCDIR/assets/arm/cluster.json" --arg key "$(cat id.pub)" \
	'{properties:{mode:"Incremental",template:$t[0],parameters:{namePrefix:{value:"unit"},
	adminPublicKey:{value:$key},masterCount:{value:1},agentCount:{value:2},
	masterCustomData:{value:"I2Nsb3VkLWNvbmZpZwo="},agentCustomData:{value:"I2Nsb3VkLWNvbmZpZwo="}}}}' \
	>deployment.json
export REQUESTS_CA_BUNDLE="$SSL_CERT_FILE" NO_PROXY='*' no_proxy='*'
unset SSL_CERT_FILE SSL_CERT_DIR
$python "$SRCDIR/tests/emulator_sdk.py" deployment.json 2>errors ||
	not_ok 'to the end' "$(tail -n 3 errors | tr '\n' ' ')"
