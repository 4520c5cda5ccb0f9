# The proxy of the environment, held against squid and tinyproxy, and what
# goes around it against curl and Python's requests (which is what the Azure
# CLI connects with).
# time: 300
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
need curl python3 jq openssl

tool=$SRCDIR/build/tests/dial_tool
must_make build/tests/dial_tool

# ---- which proxy --------------------------------------------------------------

# took CASE WANTED NAME=VALUE...
took()
{
	took_case=$1 took_want=$2
	shift 2
	same "$took_case" "$took_want" "$(env "$@" "$tool" 2>&1)"
}
usage='expected http://HOST:PORT or https://HOST:PORT, with USER:PASSWORD@ before HOST if need be (percent-encoded)'
took 'none' 'none :0' A=b
took 'a URL' 'HTTPS_PROXY p:3128' HTTPS_PROXY=http://p:3128
took 'a host and a port' 'HTTPS_PROXY p:3128' HTTPS_PROXY=p:3128
took 'a host: port 80, as in a URL' 'HTTPS_PROXY p:80' HTTPS_PROXY=p
took 'https: port 443' 'HTTPS_PROXY https://p:443' HTTPS_PROXY=https://p/
took 'with a user' 'HTTPS_PROXY p:1' HTTPS_PROXY=http://us%40er:p%3Aw@p:1/
took 'a password with an @ in it' 'HTTPS_PROXY p:1' HTTPS_PROXY=http://user:p@ss@p:1
took 'an address' 'HTTPS_PROXY ::1:1' 'HTTPS_PROXY=http://[::1]:1'
took 'lower case goes first' 'https_proxy a:1' https_proxy=a:1 HTTPS_PROXY=b:2 ALL_PROXY=c:3
took 'then upper case' 'HTTPS_PROXY b:2' https_proxy= HTTPS_PROXY=b:2 all_proxy=c:3
took 'then the one for all' 'all_proxy c:3' all_proxy=c:3 ALL_PROXY=d:4
took 'http_proxy is for http' 'none :0' http_proxy=a:1 HTTP_PROXY=b:1
for bad in socks5://p:1 http:// 'http://p:0' 'http://p:70000' 'http://p:x' 'a b' 'http://u%zz:secret@p' \
	'ftp://u:secret@p' 'http://u:secret@' "http://u:$(printf '%01100d' 0)@p"; do
	took "refused: $(printf %.20s "$bad")" "dial_tool: HTTPS_PROXY: $usage" "HTTPS_PROXY=$bad"
done

# ---- what goes around it ---------------------------------------------------------

# NO_PROXY|URL's host and port|verdict of us, curl, Python: p(roxy), d(irect), - (not asked)|why they differ
cat >table <<'END'
|login.example:443|ppp
example|login.example:443|ddd
example|example:443|ddd
example|notexample:443|ppp
.example|login.example:443|ddd
.example|example:443|ddd
.example|notexample:443|ppp
*.example|login.example:443|dpp|as Go
*.example|notexample:443|ppp
login.example|login.example:443|ddd
LOGIN.Example|login.example:443|ddd
login.example.|login.example:443|ddp|Python keeps the dot
other.example|login.example:443|ppp
n.example|login.example:443|ppp
a.example,login.example|login.example:443|ddd
a.example, login.example|login.example:443|ddd
a.example login.example|login.example:443|ddp|Python wants commas
,,login.example,|login.example:443|ddd
,|login.example:443|ppp
*|login.example:443|ddd
a.example,*|login.example:443|dpp|as Go
login.example:443|login.example:443|dpd|as Go; curl wants no port
login.example:444|login.example:443|ppp
login.example:443|login.example:444|ppp
10.1.2.3|10.1.2.3:443|ddd
10.1.2.4|10.1.2.3:443|ppp
10.1.0.0/16|10.1.2.3:443|ddp|Python knows no networks
10.2.0.0/16|10.1.2.3:443|ppp
10.1.2.0/23|10.1.3.3:443|ddp|Python knows no networks
10.1.2.0/23|10.1.4.3:443|ppp
0.0.0.0/0|10.1.2.3:443|d-p|as Go; what /0 is depends on the age of curl
10.1.2.0/33|10.1.2.3:443|ppp
10.1.2.0/|10.1.2.3:443|p-p|what this is depends on the age of curl
10.1.2.3:443|10.1.2.3:443|dpd|as Go; curl wants no port
1.2.3|10.1.2.3:443|ppd|Python takes addresses for names
10.1.2.3|a.10.1.2.3.example:443|ppp
fd00::1|[fd00::1]:443|ddp|Python keeps the brackets
[fd00::1]|[fd00::1]:443|d-d|as Go; depends on the age of curl
[fd00::1]:443|[fd00::1]:443|d-d|as Go; depends on the age of curl
fd00::/8|[fd00::1]:443|d-p|as Go; depends on the age of curl
fe00::/8|[fd00::1]:443|ppp
|localhost:443|dpp|as Go: a local Azure stays local
|127.0.0.1:443|dpp|as Go
|127.9.9.9:443|dpp|as Go
|[::1]:443|dpp|as Go
|a.localhost:443|dpp|it is here, too (RFC 6761)
|localhost.example:443|ppp
<-loopback>|localhost:443|ppp
<-loopback>,localhost|localhost:443|ddd
x,<-loopback>|127.0.0.1:443|ppp
END
cat >bypass.py <<'END'
import sys, urllib.request
for line in open("table"):
    no, at = line.split("|")[:2]
    print("d" if urllib.request.proxy_bypass_environment(at, {"no": no}) else "p")
END
python3 bypass.py >python.out 2>&1

# Ports 1 and 2 are nobody's: curl says which of them it tried.
curl_way()	# HOST:PORT
{
	curl -sS -m 5 --connect-to ::127.0.0.1:2 "https://$1/" 2>&1 |
		sed -n 's/.*127\.0\.0\.1 port 1 .*/p/p; s/.* port 2 .*/d/p'
}
row=0
while IFS='|' read -r list at want why; do
	row=$((row + 1))
	host=$(printf %s "${at%:*}" | tr -d '[]')
	export no_proxy="$list" https_proxy=http://127.0.0.1:1
	got=$("$tool" "$host" "${at##*:}" | cut -c 1)
	case $want in
	?-?) got=$got- ;;
	*) got=$got$(curl_way "$at") ;;
	esac
	got=$got$(sed -n "${row}p" python.out)
	unset no_proxy https_proxy
	same "NO_PROXY '$list', $at: us, curl, Python${why:+ ($why)}" "$want" "$got"
	case $want in
	ppp | ddd) ;;
	*) [ -n "$why" ] || not_ok "NO_PROXY '$list', $at" 'verdicts differ, and the table does not say why' ;;
	esac
done <table
same 'no_proxy before NO_PROXY' direct "$(env https_proxy=p no_proxy=a.example NO_PROXY=b "$tool" a.example 443)"
same 'NO_PROXY' direct "$(env https_proxy=p NO_PROXY=a.example "$tool" a.example 443)"

# ---- squid --------------------------------------------------------------------------
# Unpacked, not installed: installing would start one on port 3128.

squid=$(command -v squid || echo "$SRCDIR/build/squid/usr/sbin/squid")
if ! [ -x "$squid" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
	mkdir -p squid.deb && (cd squid.deb && { apt-get -q download squid || { apt-get -q update && apt-get -q download squid; }; } &&
		mkdir -p "$SRCDIR/build" && dpkg-deb -x squid_*.deb "$SRCDIR/build/squid") >squid.log 2>&1
fi
"$squid" -v >squid.log 2>&1 || {
	skip squid "cannot be had: $(tail -n 2 squid.log | tr '\n' ' ')"
	exit 0
}

# Started by root, squid goes on as the user proxy, who must get at its files.
place=$(mktemp -d /tmp/azs-proxy.XXXXXX)
at_exit "rm -rf '$place'"
chmod 755 "$place"
ports=$(python3 -c '
import socket
s = [socket.socket() for _ in range(5)]
for x in s:
	x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s))')
# shellcheck disable=SC2086
set -- $ports
port=$1 tls_port=$2 tiny_port=$3 open_port=$4 nobody=$5
account=azsproxytest
cat >"$place/hosts" <<END
127.0.0.1 localhost $account.blob.core.localhost denied.localhost
END
printf 'us@er:%s\n' "$(openssl passwd -apr1 'p:w %')" >"$place/passwd"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=proxy \
	-addext subjectAltName=IP:127.0.0.1 -keyout "$place/key.pem" -out "$place/cert.pem" 2>openssl.log
cat >"$place/squid.conf" <<END
http_port 127.0.0.1:$port
http_port 127.0.0.1:$open_port name=open
https_port 127.0.0.1:$tls_port tls-cert=$place/cert.pem tls-key=$place/key.pem
visible_hostname squid.test
hosts_file $place/hosts
dns_nameservers 127.0.0.1
dns_timeout 1 second
auth_param basic program $place/basic_ncsa_auth $place/passwd
auth_param basic realm a realm
acl known proxy_auth REQUIRED
acl barred dstdomain denied.localhost
acl open myportname open
http_access allow open
http_access deny !known
http_access deny barred
http_access allow all
cache deny all
logfile_rotate 0
pid_filename $place/squid.pid
coredump_dir $place
unlinkd_program /bin/true
pinger_enable off
icon_directory $place
access_log stdio:$place/access.log
cache_log $place/cache.log
shutdown_lifetime 0 seconds
END
chmod 644 "$place"/*
# a clone may lie where only its owner gets to
cp "${squid%/sbin/squid}/lib/squid/basic_ncsa_auth" "$place/"
chmod 755 "$place/basic_ncsa_auth"
[ "$(id -u)" -ne 0 ] || chown proxy "$place"
spawn squid.log "$squid" -N -f "$place/squid.conf"
answers()	# PORT
{
	python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])))' "$1"
}
wait_for 20 answers "$port" || {
	not_ok 'squid runs' "$(tail -n 3 squid.log "$place/cache.log" | tr '\n' ' ')"
	exit 1
}

at_exit azure_stop
export XDG_CACHE_HOME="$PWD/cache"
azure_start "$PWD/azure" paper || {
	not_ok start 'the local Azure did not start'
	exit 1
}
arm=${AZURE_RESOURCE_MANAGER_ENDPOINT#https://}
cat "$SSL_CERT_FILE" "$place/cert.pem" >both.pem
export STORAGE_ACCOUNT_NAME=$account HTTPS_PROXY="http://us%40er:p%3Aw%20%25@127.0.0.1:$port" \
	NO_PROXY='<-loopback>'

# ---- proxies that lie ------------------------------------------------------------------

cat >liar.py <<'END'
import socket, sys, threading, time
answers = {
	"more": b"HTTP/1.1 200 OK\r\n\r\nmore",
	"length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
	"html": b"<html>no</html>\r\n\r\n",
	"gone": b"",
	"half": b"HTTP/1.1 200 OK\r\nX: y",
	"long": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000,
	"interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
	"redirect": b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/?\x1b[2J\r\n\r\n",
	"control": b"HTTP/1.1 403 No\x07\r\n\r\n",
	"digest": b"HTTP/1.1 407 P\r\nProxy-Authenticate: Negotiate\r\nContent-Length: 9\r\n\r\nno entry!",
	"trickle": None,
}
def serve(s, what):
	while True:
		c, _ = s.accept()
		try:
			c.recv(4096)
			if what is None:
				c.sendall(b"HTTP/1.1 200 OK\r\nX: ")
				while True:
					c.sendall(b"x")
					time.sleep(0.5)
			c.sendall(what)
		except OSError:
			pass
		c.close()
for name, what in answers.items():
	s = socket.socket()
	s.bind(("127.0.0.1", 0))
	s.listen(8)
	print(name, s.getsockname()[1], flush=True)
	threading.Thread(target=serve, args=(s, what), daemon=True).start()
print("ready", flush=True)
time.sleep(600)
END
spawn liar.log python3 liar.py
wait_for 20 grep -q ready liar.log || not_ok 'the liar runs' "$(cat liar.log)"
# all at a time, and beside what follows: most are tried again before they are given up
told=
for how in $(sed '/ready/d; s/ .*//' liar.log); do
	mkdir "lie.$how"
	(
		cd "lie.$how" || exit
		export XDG_CACHE_HOME="$PWD"
		HTTPS_PROXY=http://u:s3cret@127.0.0.1:$(sed -n "s/^$how //p" ../liar.log) \
			timeout 200 "$AZSWARM" locations >out 2>&1 </dev/null
		echo $? >status
		# the same with sanitizers, which end it with another code
		HTTPS_PROXY=http://u:s3cret@127.0.0.1:$(sed -n "s/^$how //p" ../liar.log) \
			timeout 200 "$tool" localhost "${arm#*:}" connect >tool.out 2>&1 </dev/null
		echo $? >tool.status
	) &
	told="$told $!"
done

# through CASE COMMAND...: it works, and did go through squid
through()
{
	through_case=$1
	shift
	: >"$place/access.log"
	expect "$through_case" 0 '' "$AZSWARM" "$@"
	wait_for 5 grep -q " TCP_TUNNEL/200 .* CONNECT $arm ${user:-us@er} " "$place/access.log" ||
		not_ok "$through_case: by way of squid" "its log: $(tail -n 2 "$place/access.log")"
}
# round CASE COMMAND...: it works, and squid saw nothing of it
round()
{
	round_case=$1
	shift
	: >"$place/access.log"
	expect "$round_case" 0 '' "$AZSWARM" "$@"
	# what came by way of squid before this is written before it, too
	curl -sS --noproxy '' -x "http://127.0.0.1:$open_port" -o round.out "http://127.0.0.1:$nobody/round"
	wait_for 10 grep -q "/round " "$place/access.log"
	# a line of an earlier case may be late; what comes by a proxy says CONNECT
	same "$round_case: squid saw nothing" '' "$(grep " CONNECT " "$place/access.log")"
}

"$AZSWARM" keys >keys.log 2>&1
through 'a first sign-in' locations
rm -r cache
expect 'endpoints by discovery, too' 0 eastus env -u AZURE_AUTHORITY_HOST "$AZSWARM" locations
through 'deploy-storage' deploy-storage
check 'the program is uploaded by way of squid' awk -v want="$account.blob.core.localhost:" \
	'index($0, " CONNECT " want) && $5 > 1000 { seen = 1 } END { exit !seen }' "$place/access.log"
through 'create-shares' create-shares
through 'params' params
url=$(jq -r .parameters.masterCustomData.value parameters/cluster.json | base64 -d |
	grep -o "https://$account[^'\" \\\\]*/azswarm-[^'\" \\\\]*" | head -n 1)
curl -sS --noproxy '' --cacert "$SSL_CERT_FILE" -o fetched "$url" 2>curl.err
check 'and curl fetches it by way of squid' cmp fetched "$AZSWARM"
through 'deploy-compute' deploy-compute
through 'view-deployment' view-deployment
through 'scale-agents' scale-agents 4
through 'list-agents' list-agents
through 'list-endpoints' list-endpoints
through 'sizes' sizes
through 'resources' resources
through 'stop-agents' stop-agents
through 'start-agents' start-agents

# A managed identity is next door: the plain HTTP of a metadata service never
# comes by a proxy, whatever NO_PROXY says.
cat >imds.py <<'END'
import http.server, sys
token = open("token.json", "rb").read()
class H(http.server.BaseHTTPRequestHandler):
	def do_GET(self):
		print(self.path, self.headers.get("Metadata"), self.headers.get("Via"), file=sys.stderr, flush=True)
		self.send_response(200 if self.path.startswith("/metadata/identity/oauth2/token?") else 404)
		self.end_headers()
		self.wfile.write(token)
	def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
print(s.server_address[1], flush=True)
s.serve_forever()
END
curl -sS --noproxy '*' --cacert "$SSL_CERT_FILE" -o token.json -d grant_type=client_credentials \
	-d "client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$AZURE_RESOURCE_MANAGER_ENDPOINT/.default" \
	"$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token"
spawn imds.log python3 imds.py
wait_for 20 grep -q '^[0-9]' imds.log
imds=$(grep '^[0-9]' imds.log)
rm -rf cache
AZURE_TOKEN_CREDENTIALS=ManagedIdentityCredential AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:$imds \
	HTTP_PROXY=$HTTPS_PROXY http_proxy=$HTTPS_PROXY ALL_PROXY=$HTTPS_PROXY \
	through 'with a managed identity' resources
check 'which was asked' grep -qE '^/metadata/identity/.* true None$' imds.log
same 'and not by way of squid' '' "$(grep -F ":$imds" "$place/access.log")"
rm -rf cache

HTTPS_PROXY="https://us%40er:p%3Aw%20%25@127.0.0.1:$tls_port" SSL_CERT_FILE=$PWD/both.pem \
	through 'TLS in TLS' resources
expect 'TLS in TLS, with sanitizers' 0 '' env SSL_CERT_FILE="$PWD/both.pem" \
	HTTPS_PROXY="https://us%40er:p%3Aw%20%25@127.0.0.1:$tls_port" "$tool" localhost "${arm#*:}" connect
expect 'TLS, with sanitizers' 0 '' "$tool" localhost "${arm#*:}" connect
expect 'TLS to a proxy whose certificate nobody vouches for' 1 \
	'proxy \(HTTPS_PROXY\): TLS with 127.0.0.1: self-signed certificate CN=proxy is not trusted.*SSL_CERT_FILE' \
	env HTTPS_PROXY="https://127.0.0.1:$tls_port" "$AZSWARM" locations
expect 'TLS where none is spoken' 1 'proxy .*TLS with 127.0.0.1: the server does not speak TLS' \
	env HTTPS_PROXY="https://127.0.0.1:$port" "$AZSWARM" locations

NO_PROXY='' round 'a local Azure goes without' resources
NO_PROXY='<-loopback>,localhost' round 'as does what NO_PROXY lists' resources
NO_PROXY="<-loopback>,$arm" round 'with its port' resources
STORAGE_ACCOUNT_NAME=${account}2 NO_PROXY='<-loopback>,blob.core.localhost' through 'part of it' deploy-storage
same 'and storage was not in that part' '' "$(grep -F blob.core "$place/access.log")"

refused()	# CASE STATUS ERE NAME=VALUE...
{
	refused_case=$1 refused_status=$2 refused_words=$3
	shift 3
	rm -rf cache
	expect "$refused_case" "$refused_status" "$refused_words" env "$@" "$AZSWARM" locations
	if grep -q 's3cret' out; then
		not_ok "$refused_case" "a password is shown: $(cat out)"
	fi
}
at="127\.0\.0\.1:$port: $arm"
refused 'no password' 2 "proxy \(HTTPS_PROXY\): $at: wants a sign-in \(Basic realm=\"a realm\"\): give HTTPS_PROXY=http://USER:PASSWORD@" \
	"HTTPS_PROXY=http://127.0.0.1:$port"
refused 'a wrong password' 2 "$at: user or password in https_proxy refused" \
	"https_proxy=http://us%40er:s3cret@127.0.0.1:$port"
refused 'a URL that is none' 2 'HTTPS_PROXY: expected http://HOST:PORT' \
	HTTPS_PROXY=socks5://user:s3cret@127.0.0.1:1
refused 'a host it bars' 1 "127.0.0.1:$port: denied.localhost:1: refused: HTTP 403 Forbidden .*NO_PROXY" \
	AZURE_AUTHORITY_HOST=https://denied.localhost:1
refused 'nobody there behind it' 1 "127.0.0.1:$port: localhost:$nobody: refused: HTTP 503" \
	"AZURE_AUTHORITY_HOST=https://localhost:$nobody"
refused 'a name that it cannot resolve' 1 "127.0.0.1:$port: no.such.localhost:443: refused: HTTP 50[03]" \
	AZURE_AUTHORITY_HOST=https://no.such.localhost
refused 'no proxy there' 1 "proxy \(HTTPS_PROXY\): 127.0.0.1:$nobody: cannot connect: Connection refused" \
	"HTTPS_PROXY=http://user:s3cret@127.0.0.1:$nobody"

# ---- tinyproxy, which hands on to squid ---------------------------------------------

if command -v tinyproxy >/dev/null; then
	cat >tiny.conf <<-END
	Port $tiny_port
	Listen 127.0.0.1
	BasicAuth tiny word
	Upstream http 127.0.0.1:$open_port
	Timeout 60
	MaxClients 20
	END
	spawn tiny.log tinyproxy -d -c tiny.conf
	if wait_for 20 answers "$tiny_port"; then
		user=- HTTPS_PROXY=http://tiny:word@127.0.0.1:$tiny_port through \
			'from tinyproxy to squid' resources
		refused 'tinyproxy: a wrong password' 2 "127.0.0.1:$tiny_port: $arm: user or password in HTTPS_PROXY refused" \
			"HTTPS_PROXY=http://tiny:s3cret@127.0.0.1:$tiny_port"
		refused 'tinyproxy: none' 2 "127.0.0.1:$tiny_port: $arm: wants a sign-in \(Basic" \
			"HTTPS_PROXY=http://127.0.0.1:$tiny_port"
	else
		not_ok 'tinyproxy runs' "$(tail -n 2 tiny.log)"
	fi
else
	skip tinyproxy 'not here'
fi

# ---- mitmproxy, which opens TLS as companies' proxies do ------------------------------

mitm=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
if command -v mitmdump >/dev/null; then
	spawn mitm.log mitmdump --listen-host 127.0.0.1 --listen-port "$mitm" --set confdir="$PWD/mitm" \
		--set ssl_verify_upstream_trusted_ca="$SSL_CERT_FILE" --set flow_detail=1 --proxyauth company:policy
	if wait_for 60 answers "$mitm"; then
		company=http://company:policy@127.0.0.1:$mitm
		refused 'mitmproxy: an authority that nobody knows' 1 \
			'proxy \(HTTPS_PROXY\): TLS with localhost: unknown issuer CN=mitmproxy.* Its PEM file belongs into SSL_CERT_FILE' \
			"HTTPS_PROXY=$company"
		refused 'mitmproxy: a wrong password' 2 'user or password in HTTPS_PROXY refused' \
			"HTTPS_PROXY=http://company:s3cret@127.0.0.1:$mitm"
		rm -rf cache
		expect 'mitmproxy: SSL_CERT_FILE has it' 0 '' env HTTPS_PROXY="$company" \
			SSL_CERT_FILE="$PWD/mitm/mitmproxy-ca-cert.pem" "$AZSWARM" resources
		check 'mitmproxy: it read along' wait_for 5 grep -qE 'GET https://localhost:[0-9]+/subscriptions/' mitm.log
		mkdir both && cp "$SSL_CERT_FILE" both/azure.pem && cp mitm/mitmproxy-ca-cert.pem both/company.pem
		expect 'mitmproxy: SSL_CERT_DIR has it' 0 '' env -u SSL_CERT_FILE HTTPS_PROXY="$company" \
			SSL_CERT_DIR="$PWD/both" "$AZSWARM" resources
	else
		not_ok 'mitmproxy runs' "$(tail -n 2 mitm.log)"
	fi
else
	skip mitmproxy 'not here'
fi

# ---- what came of the lies -----------------------------------------------------------

# shellcheck disable=SC2086
wait $told
lies()	# HOW STATUS ERE
{
	lies_re="127.0.0.1:$(sed -n "s/^$1 //p" liar.log): $arm: $3"
	[ "$1" != length ] || lies_re=$3
	expect "a proxy that lies: $1" "$2" "$lies_re" sh -c "cat lie.$1/out; exit $(cat "lie.$1/status")"
	same "a proxy that lies: $1, with sanitizers" "$2" "$(cat "lie.$1/tool.status")"
	if cat out "lie.$1/tool.out" | grep -q s3cret; then
		not_ok "a proxy that lies: $1" "a password is shown: $(cat out)"
	fi
}
lies more 1 'said more than it was asked'
lies html 1 'not HTTP'
lies gone 1 'closed the connection instead of an answer'
lies half 1 'closed the connection instead of an answer'
lies long 1 'more than 100 header fields'
lies interim 1 'more than 8 interim answers'
lies redirect 1 'control characters'
lies control 1 'bad status line'
lies digest 2 'user or password in HTTPS_PROXY refused'
lies length 1 'proxy \(HTTPS_PROXY\): TLS with localhost: '
lies trickle 3 'timed out'
