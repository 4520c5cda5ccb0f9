# The proxy of the environment, held against squid and tinyproxy, and what
# goes around it against curl and Python's requests (which is what the Azure
# CLI connects with).
# time: 300
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
need curl python3 jq openssl

tool=$SRCDIR/build/tests/dial_tool
(unset MAKEFLAGS MFLAGS MAKELEVEL; make -s -C "$SRCDIR" build/tests/dial_tool) >make.log 2>&1 || {
	not_ok "dial_tool builds" "$(tail -n 3 make.log | tr '\n' ' ')"
	exit 1
}

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
s = [socket.socket() for _ in range(4)]
for x in s:
	x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s))')
# shellcheck disable=SC2086
set -- $ports
port=$1 tls_port=$2 tiny_port=$3 nobody=$4
account=azsproxytest
cat >"$place/hosts" <<END
127.0.0.1 localhost $account.blob.core.localhost denied.localhost
END
printf 'us@er:%s\n' "$(openssl passwd -apr1 'p:w %')" >"$place/passwd"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=proxy \
	-addext subjectAltName=IP:127.0.0.1 -keyout "$place/key.pem" -out "$place/cert.pem" 2>openssl.log
cat >"$place/squid.conf" <<END
http_port 127.0.0.1:$port
https_port 127.0.0.1:$tls_port tls-cert=$place/cert.pem tls-key=$place/key.pem
visible_hostname squid.test
hosts_file $place/hosts
dns_nameservers 127.0.0.1
auth_param basic program ${squid%/sbin/squid}/lib/squid/basic_ncsa_auth $place/passwd
auth_param basic realm a realm
acl known proxy_auth REQUIRED
acl barred dstdomain denied.localhost
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

trap 'azure_stop; test_end' EXIT
export XDG_CACHE_HOME="$PWD/cache"
azure_start "$PWD/azure" paper || {
	not_ok start 'the local Azure did not start'
	exit 1
}
arm=${AZURE_RESOURCE_MANAGER_ENDPOINT#https://}
cat "$SSL_CERT_FILE" "$place/cert.pem" >both.pem
export STORAGE_ACCOUNT_NAME=$account HTTPS_PROXY="http://us%40er:p%3Aw%20%25@127.0.0.1:$port" \
	NO_PROXY='<-loopback>'

# through CASE COMMAND...: it works, and did go through squid
through()
{
	through_case=$1
	shift
	: >"$place/access.log"
	expect "$through_case" 0 '' "$AZSWARM" "$@"
	wait_for 5 grep -q " CONNECT $arm us@er " "$place/access.log" ||
		not_ok "$through_case: by way of squid" "its log: $(tail -n 2 "$place/access.log")"
}
# shellcheck disable=SC2034
{
through 'locations' locations
through 'sizes' sizes
"$AZSWARM" keys >/dev/null 2>&1
through 'deploy-storage' deploy-storage
check 'the program, uploaded by way of squid' grep -q " TCP_TUNNEL/200 .* CONNECT $account.blob.core.localhost:" \
	"$place/access.log"
}
