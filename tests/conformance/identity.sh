# What azswarm sends to be signed in against what Microsoft's @azure/identity
# sends with the same settings: environment, workload identity, managed
# identities of four kinds of hosts, az.
# time: 300
# needs: node, npm, openssl; 150 MB of packages
. "$SRCDIR/tests/lib.sh"
need openssl
npm_modules azure

openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -subj /CN=localhost -days 2 \
	-addext subjectAltName=DNS:localhost 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout client.key -out client.crt -subj /CN=client -days 2 2>/dev/null
cat client.crt client.key >client.pem
node "$SRCDIR/tests/npm/azure/identity.js" "$AZSWARM" "$PWD/tls.key" "$PWD/tls.crt" "$PWD/client.pem" 2>errors ||
	[ ! -s errors ] || not_ok 'to the end' "$(tail -n 3 errors | tr '\n' ' ')"
