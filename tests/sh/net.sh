# The network between us and Azure: two families of addresses of which one is
# silent, name servers (dnsmasq's, and none), clocks that are off.  The first
# two in a network and with a resolv.conf of their own.
# time: 400
. "$SRCDIR/tests/lib.sh"
need python3 openssl

mkdir inner
cd inner || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=net -addext \
	subjectAltName=DNS:*.net.example,DNS:localhost -keyout key.pem -out cert.pem 2>openssl.log
cat >server.py <<'END'
# server.py DATE_OFFSET ADDRESS...: https on a port of its own, which it prints.
# Signs anybody in, and says 401 to whatever else is asked.
import email.utils, http.server, json, socket, ssl, sys, threading, time
offset, addresses = int(sys.argv[1]), sys.argv[2:]
class H(http.server.BaseHTTPRequestHandler):
	protocol_version = "HTTP/1.1"
	def date_time_string(self, timestamp=None):
		return email.utils.formatdate(time.time() + offset, usegmt=True)
	def answer(self):
		n = int(self.headers.get("Content-Length") or 0)
		self.rfile.read(n)
		token = self.path.endswith("/token")
		if token and b"bad" in self.path.encode():
			status, doc = 401, {"error": "invalid_client", "error_description": "AADSTS700024: not within its valid time range"}
		elif token:
			status, doc = 200, {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
		else:
			status, doc = 401, {"error": {"code": "InvalidAuthenticationToken", "message": "too early or too late"}}
		body = json.dumps(doc).encode()
		self.send_response(status)
		self.send_header("Content-Length", str(len(body)))
		self.end_headers()
		self.wfile.write(body)
	do_GET = do_POST = answer
	def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
	def __init__(self, at):
		self.address_family = socket.AF_INET6 if ":" in at[0] else socket.AF_INET
		super().__init__(at, H)
		c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		c.load_cert_chain("cert.pem", "key.pem")
		self.socket = c.wrap_socket(self.socket, server_side=True)
	def handle_error(self, *a): pass
port = 0
for a in addresses:
	s = S((a, port))
	port = s.server_address[1]
	threading.Thread(target=s.serve_forever, daemon=True).start()
print(port, flush=True)
time.sleep(600)
END
export SSL_CERT_FILE="$PWD/cert.pem" AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_SECRET=s \
	AZURE_SUBSCRIPTION_ID=11111111-1111-1111-1111-111111111111

# ---- clocks -------------------------------------------------------------------

# skewed CASE OFFSET EXIT ERE [TENANT]: asks a server whose clock is OFFSET ahead of ours
skewed()
{
	rm -rf cache port
	spawn port python3 server.py "$2" 127.0.0.1
	wait_for 20 test -s port
	skewed_at=https://localhost:$(cat port)
	expect "$1" "$3" "$4" env XDG_CACHE_HOME="$PWD/cache" AZURE_AUTHORITY_HOST="$skewed_at" \
		AZURE_RESOURCE_MANAGER_ENDPOINT="$skewed_at" AZURE_TENANT_ID="${5-t}" "$AZSWARM" locations
	reap "$spawned"
}
skewed 'a clock that is behind, at sign-in' 7200 4 \
	'the clock of this machine is (719[5-9]|7200) s behind: sign-in refused: invalid_client: AADSTS700024' bad
skewed 'a clock that is ahead, at sign-in' -7200 4 'the clock of this machine is 720[0-5] s ahead: .*AADSTS700024' bad
skewed 'a clock that is ahead, at ARM' -7200 4 \
	'the clock of this machine is 720[0-5] s ahead: InvalidAuthenticationToken'
skewed 'four minutes are nothing' 240 4 'locations: InvalidAuthenticationToken'

# the storage service, too, whose answers have little to say
(
	printf '[{"request": "HEAD *azswarm-*", "raw": "HTTP/1.1 403 no\\r\\nx-ms-error-code: AuthenticationFailed\\r\\n'
	LC_ALL=C date -u -d '2 hours' '+Date: %a, %d %b %Y %H:%M:%S GMT\r\nContent-Length: 0\r\n\r\n"}]'
) >faults.json
spawn emulator.out "$AZSWARM" emulator --dir "$PWD/azure" --listen 127.0.0.1:0 --faults faults.json
if wait_for 30 grep -q '^ready ' emulator.out; then
	expect 'a clock that is behind, at storage' 1 \
		'the clock of this machine is (719[0-9]|7200) s behind: HTTP 403 AuthenticationFailed' \
		sh -c '. azure/env && XDG_CACHE_HOME=$PWD/azure.cache "$AZSWARM" deploy-storage'
else
	not_ok 'the local Azure starts' "$(cat emulator.out)"
fi
reap "$spawned"

# A program of the future: the time of its commit is a number in it.
when=$(cd "$SRCDIR" && git -c safe.directory="$SRCDIR" log -1 --format=%ct 2>/dev/null)
"$AZSWARM" version >version 2>&1
if [ -n "$when" ] && grep -q "$(cd "$SRCDIR" && git -c safe.directory="$SRCDIR" rev-parse --short=12 HEAD)" version; then
	python3 -c '
import os, struct, sys
b = open(sys.argv[1], "rb").read()
made = int(sys.argv[2])
was = [struct.pack("<I", x) for x in (made, made - 1)]	# "<" may be "<=" of one less
print(sum(map(b.count, was)))
for w in was:
	b = b.replace(w, struct.pack("<I", 0x7fffff00))
open("future", "wb").write(b)
os.chmod("future", 0o755)' "$AZSWARM" "$when" >count
	same 'the program knows when it was made' 1 "$(cat count)"
	spawn port2 python3 server.py 0 127.0.0.1
	wait_for 20 test -s port2
	expect 'a clock from before this program was made' 4 \
		'the clock of this machine is wrong: this program is younger: ' env \
		XDG_CACHE_HOME="$PWD/cache" AZURE_AUTHORITY_HOST="https://localhost:$(cat port2)" \
		AZURE_RESOURCE_MANAGER_ENDPOINT="https://localhost:$(cat port2)" ./future locations
	reap "$spawned"
else
	skip 'a clock from before this program was made' 'built of another commit'
fi

# ---- addresses and names --------------------------------------------------------

[ "$(id -u)" -eq 0 ] || { skip addresses 'needs root'; exit 0; }
for c in dnsmasq ip unshare; do
	command -v $c >/dev/null || { skip addresses "no $c here"; exit 0; }
done
unshare -n -m true 2>unshare.log || { skip addresses "no namespaces: $(cat unshare.log)"; exit 0; }

# What is sent to a station that is not there is never heard of again.
cat >dnsmasq.conf <<'END'
no-resolv
no-hosts
no-daemon
user=root
group=root
pid-file=
listen-address=10.9.0.1
bind-interfaces
cache-size=0
local=/net.example/
host-record=good.net.example,10.9.0.1,2001:db8::1
host-record=six-silent.net.example,10.9.0.1,2001:db8::dead
host-record=four-silent.net.example,10.9.0.99,2001:db8::1
host-record=six-closed.net.example,10.9.0.1,2001:db8::2
host-record=six-noroute.net.example,10.9.0.1,2001:dead::1
host-record=many.net.example,10.9.0.1
host-record=both-silent.net.example,10.9.0.99,2001:db8::dead
mx-host=mail.net.example,good.net.example
END
for n in 1 2 3 4 5 6 7 8; do
	echo "host-record=many.net.example,2001:db8::dea$n"
done >>dnsmasq.conf
cat >inside.sh <<'END'
set -u
ip link set lo up
ip link add d0 type veth peer name d1
ip link set d0 arp off
ip addr add 10.9.0.1/24 dev d0
ip addr add 2001:db8::1/64 dev d0 nodad
ip addr add 2001:db8::2/64 dev d0 nodad
ip link set d0 up
ip link set d1 up
python3 server.py 0 10.9.0.1 2001:db8::1 >port3 2>server.log &
server=$!
dnsmasq -C dnsmasq.conf >dnsmasq.log 2>&1 &
names=$!
trap 'kill $server $names; wait' EXIT
n=0
until [ -s port3 ] && grep -q started dnsmasq.log || [ $n -ge 600 ]; do
	sleep 0.1
	n=$((n + 1))
done
port=$(cat port3)
# ask NAME RESOLV HOST [COMMAND...]: NAME.out, NAME.ms and NAME.rc
ask()
(
	name=$1 host=$3
	printf '%b' "$2" >$name.resolv
	shift 3
	mount --make-rprivate /
	mount --bind $name.resolv /etc/resolv.conf
	export AZURE_RESOURCE_MANAGER_ENDPOINT=https://$host:$port AZURE_AUTHORITY_HOST=https://$host:$port
	export XDG_CACHE_HOME=$PWD/$name.cache
	from=$(date +%s%N)
	"$@" "$AZSWARM" locations >$name.out 2>&1 </dev/null
	echo $? >$name.rc
	echo $((($(date +%s%N) - from) / 1000000)) >$name.ms
)
export -f ask 2>/dev/null
here='nameserver 10.9.0.1\n'
# these are to be quick: the best of ten, for this machine may have much else to do
for h in good six-silent four-silent six-closed six-noroute many; do
	n=0
	until ask $h "$here" $h.net.example; [ "$(cat $h.ms)" -le 1000 ] || [ $n -ge 10 ]; do
		n=$((n + 1))
	done
done
ask nosuch "$here" nosuch.net.example
ask mail "$here" mail.net.example
ask refused "$here" www.test
# each with a resolv.conf of its own, all at a time
waited=
for one in both-silent silent two-silent noroute none interrupted; do
	(
		case $one in
		both-silent) set -- "$here" both-silent.net.example ;;
		silent) set -- 'nameserver 10.9.0.53\n' good.net.example ;;
		two-silent) set -- 'nameserver 10.9.0.53\nnameserver 10.9.0.54\nsearch a.test b.test\n' good.net.example ;;
		noroute) set -- 'nameserver 10.8.0.53\n' good.net.example ;;
		none) set -- '# nothing\n' good.net.example ;;
		interrupted) set -- 'nameserver 10.9.0.53\n' good.net.example timeout -s INT --preserve-status 1 ;;
		esac
		printf '%b' "$1" >$one.resolv
		export one port
		unshare -m sh -c "$(sed -n '/^ask()/,/^)/p' inside.sh)
			ask \"\$@\"" sh $one "$@"
	) &
	waited="$waited $!"
done
wait $waited
END
sed -i '/^export -f/d' inside.sh
unshare -n -m sh inside.sh >inside.log 2>&1
# outcome NAME CASE STATUS MS_FROM MS_TO ERE
outcome()
{
	expect "$2" "$3" "$6" sh -c "cat $1.out; exit $(cat "$1.rc")"
	if [ "$(cat "$1.ms")" -ge "$4" ] && [ "$(cat "$1.ms")" -le "$5" ]; then
		ok "$2: in time"
	else
		not_ok "$2: in time" "$(cat "$1.ms") ms, not $4 to $5"
	fi
}
got=InvalidAuthenticationToken
outcome good 'both answer' 4 0 1000 $got
outcome six-silent 'IPv6 is silent' 4 250 1000 $got
outcome four-silent 'IPv4 is silent' 4 0 1000 $got
outcome six-closed 'IPv6 refuses' 4 0 1000 $got
outcome six-noroute 'no route for IPv6' 4 0 1000 $got
# one after the other, a quarter second each, they would take two
outcome many 'eight silent addresses of IPv6' 4 250 1900 $got
outcome both-silent 'nobody answers' 3 29000 60000 'both-silent.net.example:[0-9]+: timed out'
outcome nosuch 'no such host' 1 0 20000 'cannot resolve nosuch.net.example: there is no such host'
outcome mail 'a host without an address' 1 0 20000 'cannot resolve mail.net.example: there is no such host, or it has no address'
outcome refused 'a name server that refuses' 3 0 20000 'cannot resolve www.test: no usable answer'
outcome silent 'a name server that is silent' 3 1000 20000 \
	'cannot resolve good.net.example: no usable answer from the name servers in /etc/resolv.conf \(10\.9\.0\.53\)'
outcome two-silent 'two of them, and names to try' 3 1000 60000 'no usable answer from .*\(10\.9\.0\.53, 10\.9\.0\.54\)'
outcome noroute 'no route to the name server' 3 0 20000 'cannot resolve good.net.example: name server 10.8.0.53: Network unreachable'
outcome none 'no name server' 3 0 20000 'no usable answer from the name servers in /etc/resolv.conf \(none\)'
outcome interrupted 'Ctrl-C while a name is looked up' 130 900 20000 'interrupted'
