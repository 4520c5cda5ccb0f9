# Microsoft's Azure clients for JavaScript, unchanged, against the local Azure
# on paper: they were written for Azure, so what they take for an answer is one.
# time: 300
# needs: node, npm, jq; 150 MB of packages
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
need jq
npm_modules azure

at_exit azure_stop
azure_start "$PWD/azure" paper || {
	not_ok start "$(cat azure.err)"
	exit 1
}
# the parameters are our own, from our own command
for command in keys deploy-storage params; do
	expect "$command" 0 '' "$AZSWARM" "$command"
done
export NODE_EXTRA_CA_CERTS="$SSL_CERT_FILE" NO_PROXY='*' no_proxy='*'
unset SSL_CERT_FILE SSL_CERT_DIR
node "$SRCDIR/tests/npm/azure/clients.js" "$SRCDIR/assets/arm/cluster.json" parameters/cluster.json \
	azure/faults.json 2>errors ||
	not_ok 'to the end' "$(grep -v -e '^$' errors | tail -n 3 | tr '\n' ' ')"
