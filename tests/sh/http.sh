#!/bin/sh
# http/ against what others wrote: curl, nginx as a proxy and raw Python
# sockets ask our server; our client asks nginx and Python peers that
# misbehave.  Loopback only.  time: 300
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/nginx.sh"
need curl python3 sha256sum

tool=$SRCDIR/build/tests/http_tool
must_make build/tests/http_tool
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

python3 -c '
import sys, random
r = random.Random(1)
open("big", "wb").write(r.randbytes(20 << 20))
open("small", "wb").write(r.randbytes(1000))
' || exit 1
big=$(sha256sum <big | cut -d' ' -f1)
small=$(sha256sum <small | cut -d' ' -f1)
none=$(sha256sum </dev/null | cut -d' ' -f1)

# What bytes/N and chunks/N of our server give.
pattern()	# N : its hash
{
	python3 -c 'import sys
n = int(sys.argv[1])
sys.stdout.write(("abcdefghijklmnopqrstuvw" * (n // 23 + 1))[:n])' "$1" | sha256sum | cut -d' ' -f1
}

# Start our server: $url, and its pid in $spawned
serve()		# LOG [BODY_MAX IDLE_MS BODY_MS MAX_CONNS]
{
	serve_log=$1
	shift
	rm -f port
	spawn "$serve_log" "$tool" server port 900 "$@"
	wait_for 20 test -s port || {
		not_ok "start $serve_log" "$(tail -n 5 "$serve_log")"
		exit 1
	}
	port=$(cat port)
	url=http://127.0.0.1:$port
}

# ---- our server, asked by curl ---------------------------------------------

serve server.log
ours=$spawned

get()		# [curl options] : quiet, but for what curl has to complain of
{
	curl -sS --max-time 240 "$@"
}

hash_of()	# COMMAND... : the hash of its output
{
	"$@" | sha256sum | cut -d' ' -f1
}

same "curl: GET" "$(pattern 100000)" "$(hash_of get "$url/bytes/100000")"
same "curl: GET nothing" "200 0" "$(get -o /dev/null -w '%{http_code} %{size_download}' "$url/bytes/0")"
same "curl: GET 20 MB" "$(pattern 20000000)" "$(hash_of get "$url/bytes/20000000")"
same "curl: GET in chunks" "$(pattern 5000000)" "$(hash_of get "$url/chunks/5000000")"
same "curl: GET by HTTP/1.0" "$(pattern 5000)" "$(hash_of get -0 "$url/chunks/5000")"
get -I "$url/bytes/1234" >out
check "curl: HEAD" grep -q '^Content-Length: 1234' out
same "curl: HEAD has no body" "200 0" \
	"$(get -I -o /dev/null -w '%{http_code} %{size_download}' "$url/chunks/1234")"
same "curl: HEAD of a length alone" "200 1" \
	"$(get -I -o /dev/null -w '%{http_code} %{num_connects}' "$url/begin-end/4096")"
check "a date that others can read" sh -c '
	d=$(sed -n "s/^Date: \(.*\)\r$/\1/p" out); s=$(date -d "$d" +%s) && n=$(date +%s) &&
	[ $((n - s)) -ge 0 ] && [ $((n - s)) -lt 60 ]'
same "curl: PUT 20 MB" "20971520 $big" "$(get -T big "$url/sum/65536")"
same "curl: PUT 20 MB, read in odd pieces" "20971520 $big" "$(get -T big "$url/sum/777")"
same "curl: PUT in chunks" "20971520 $big" "$(get -H 'Transfer-Encoding: chunked' -T big "$url/sum/40000")"
same "curl: POST a form" "3 $(printf a=b | sha256sum | cut -d' ' -f1)" "$(get -d a=b "$url/sum")"
get -v -H 'Expect: 100-continue' -T small "$url/sum" >out 2>trace
check "curl: Expect: 100-continue" grep -q '^< HTTP/1.1 100 Continue' trace
same "curl: and the body comes" "1000 $small" "$(cat out)"
get -v -H 'Expect: 100-continue' -T big "$url/status/403" >out 2>trace
check "curl: no body is sent to a refusal" sh -c '! grep -q "100 Continue" trace && grep -q "^< HTTP/1.1 403" trace'
same "curl: another expectation" 417 "$(get -H 'Expect: tea' -o /dev/null -w '%{http_code}' "$url/bytes/1")"
same "curl: many over one connection" "1 0 0 0 0" "$(get -o /dev/null -w '%{num_connects} ' \
	"$url/bytes/10" -o /dev/null "$url/chunks/10" -o /dev/null "$url/status/204" \
	-o /dev/null "$url/status/404" -o /dev/null "$url/bytes/10" | sed 's/ $//')"
same "curl: 304, and on" "304 1 200 0 " "$(get -w '%{http_code} %{num_connects} ' -o /dev/null "$url/status/304" \
	-o /dev/null "$url/bytes/1")"
same "curl: Connection: close" "1 1" "$(get -o /dev/null -w '%{num_connects} ' "$url/close" \
	-o /dev/null "$url/close" | sed 's/ $//')"
check "curl: query and path" sh -c "curl -sS '$url/head/a%20b?c=d&e' | grep -qxF 'GET /head/a%20b ? c=d&e'"
same "curl: a parameter, decoded" "x y&é" "$(get "$url/param?a=1&%24a+b=x%20y%26%C3%A9&%24a+b=2")"
expect "curl: an answer cut short" 18 'transfer closed|end of response' get -o /dev/null "$url/cut"
expect "curl: no answer" 52 'Empty reply' get -o /dev/null "$url/drop"
same "curl: a handler that says nothing" 500 "$(get -o /dev/null -w '%{http_code}' "$url/nothing")"
get -i "$url/split" >out
check "no field is injected" sh -c 'grep -q "^HTTP/1.1 500" out && ! grep -qi injected out'

# 20 at once, 16 places
i=0
while [ $i -lt 20 ]; do
	get -o "many.$i" "$url/slow/300" "$url/chunks/20000" -o "more.$i" &
	eval "pid_$i=$!"
	i=$((i + 1))
done
i=0 good=0
while [ $i -lt 20 ]; do
	eval "wait \$pid_$i" && [ "$(wc -c <"more.$i")" -eq 20000 ] && good=$((good + 1))
	i=$((i + 1))
done
same "curl: more at once than places" 20 $good

# ---- our server, asked by hand ---------------------------------------------

cat >raw.py <<'END'
import socket, sys, time
port = int(sys.argv[1])
# each argument: bytes to send (escapes understood), or @SECONDS to wait
s = socket.create_connection(("127.0.0.1", port))
s.settimeout(120)
try:
    for part in sys.argv[2:]:
        if part.startswith("@"):
            time.sleep(float(part[1:]))
        else:
            s.sendall(part.encode().decode("unicode_escape").encode("latin-1"))
except OSError as e:
    print("sending:", e)
got = b""
try:
    while True:
        d = s.recv(65536)
        if not d:
            break
        got += d
except OSError as e:
    print("receiving:", type(e).__name__)
sys.stdout.write(got.decode("latin-1"))
END
raw()
{
	python3 raw.py "$port" "$@" | tr -d '\r'
}

g='Host: a\r\n\r\n'
last='GET /bytes/3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
raw "GET /bytes/1 HTTP/1.1\r\n${g}GET /chunks/5 HTTP/1.1\r\n${g}PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiHEAD /bytes/9 HTTP/1.1\r\n${g}$last" >out
same "pipelined: five answers, in order" "1 2 9 3" "$(sed -n 's/^Content-Length: //p' out | sed 's/^66$/2/' | tr '\n' ' ' | sed 's/ $//')"
same "pipelined: five" 5 "$(grep -o 'HTTP/1.1 200 OK' out | wc -l)"
raw "PUT /sum HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" @0.1 "3\r" @0.1 "\nab" @0.1 "c\r\n0" \
	@0.1 "\r\n\r" @0.1 "\n$last" >out
check "slowly, in pieces" grep -q "^3 $(printf abc | sha256sum | cut -d' ' -f1)" out

# Refused with an answer of its own, and what is behind it is not read.
smuggle()	# CASE BYTES
{
	raw "$2$last" >out
	same "refused, with all behind it: $1" "1 4 0" \
		"$(grep -c '^HTTP/1.1' out) $(sed -n 's/^HTTP\/1.1 \(.\).*/\1/p' out | sed s/5/4/) $(grep -c ^abc out)"
}
put='PUT /sum HTTP/1.1\r\nHost: a\r\n'
smuggle "both framings" "${put}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
smuggle "two lengths" "${put}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"
smuggle "a space before the colon" "${put}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"
smuggle "almost chunked" "${put}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"
smuggle "a folded field" "${put}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"
smuggle "bare LF" 'GET / HTTP/1.1\nHost: a\n\n'
smuggle "NUL" 'GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n'
smuggle "two Hosts" 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'
smuggle "HTTP/0.9" 'GET /\r\n'

# ---- our server, asked to stop ---------------------------------------------

spawn forever.out curl -sS --max-time 240 -N "$url/forever"
forever=$spawned
spawn slow.out curl -sS --max-time 240 "$url/slow/1500"
slow=$spawned
wait_for 10 test -s forever.out
check "SIGTERM: while it answers" wait_for 10 grep -qx 'begun slow' server.log
kill "$ours"
wait "$ours"
same "SIGTERM: exit code" 0 $?
wait "$slow" "$forever"
check "SIGTERM: what was being answered" grep -qx slow slow.out
check "SIGTERM: long answers are ended" sh -c "grep -q tick forever.out && ! grep -q curl: forever.out"
check "no complaint of a sanitizer" sh -c '! grep -E "(Sanitizer|runtime error)" server.log'

# ---- our server, with small limits -----------------------------------------

serve small.log 100000 2000 3000 4
same "too large: 413" 413 "$(get -o /dev/null -w '%{http_code}' -H Expect: -T big "$url/sum/1000")"
same "too large in chunks: 413" 413 \
	"$(get -o /dev/null -w '%{http_code}' -H Expect: -H 'Transfer-Encoding: chunked' -T big "$url/sum/1000")"
raw "GET / HTTP/1.1\r\nHo" >out
check "half a header: 408" grep -q '^HTTP/1.1 408' out
raw "PUT /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab" >out
check "half a body: 408" grep -q '^HTTP/1.1 408' out
same "no request: nothing" "" "$(raw)"
long=$(python3 -c 'print("x" * 17000)')
same "a line too long: 431" 431 "$(get -o /dev/null -w '%{http_code}' -H "X: $long" "$url/bytes/1")"
reap "$spawned"
check "no complaint of a sanitizer, again" sh -c '! grep -E "(Sanitizer|runtime error)" small.log'

# ---- Python peers that misbehave, asked by our client ----------------------

cat >peer.py <<'END'
import os, socket, struct, sys, threading, time
OK = b"HTTP/1.1 200 OK\r\n"
def head(c):
    got = b""
    while b"\r\n\r\n" not in got:
        d = c.recv(1)
        if not d:
            return None
        got += d
    return got
def reset(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
def slowly(c, b, s):
    for x in b:
        c.sendall(bytes([x]))
        time.sleep(s)
def play(c):
    h = head(c)
    while h is not None:
        what = h.split(b" ")[1][1:].decode()
        if what == "bytewise":
            slowly(c, OK + b"Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n", 0.002)
        elif what == "interim":
            c.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi")
        elif what == "longlines":
            c.sendall(OK + b"Location: " + b"x" * 15000 + b"\r\nAzure-AsyncOperation: " + b"y" * 4000 + b"\r\nContent-Length: 2\r\n\r\nhi")
        elif what == "manylines":
            c.sendall(OK + b"X: y\r\n" * 200 + b"Content-Length: 2\r\n\r\nhi")
        elif what == "close":
            c.sendall(OK + b"\r\nuntil the end")
            return
        elif what == "cutchunk":
            c.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc")
            return
        elif what == "cutlast":
            c.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            return
        elif what == "cuthead":
            c.sendall(OK + b"Content-Le")
            return
        elif what == "reset":
            c.sendall(OK + b"Content-Length: 100\r\n\r\nabc")
            time.sleep(0.2)
            reset(c)
            return
        elif what == "resetclose":
            c.sendall(OK + b"\r\nabc")
            time.sleep(0.2)
            reset(c)
            return
        elif what == "never":
            return
        elif what == "garbage":
            c.sendall(b"\x01\x1b\xff what?\r\n\r\n")
        elif what == "trickle":
            try:
                slowly(c, OK + b"Content-Length: 100000\r\n\r\n" + b"x" * 100000, 0.02)
            except OSError:
                return
        elif what == "silence":
            time.sleep(30)
        elif what == "toomuch":
            c.sendall(OK + b"Content-Length: 2\r\n\r\nhi" + OK + b"Content-Length: 6\r\n\r\nwrong!")
        elif what == "split":
            c.sendall(OK + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\nhi")
        elif what == "gzip":
            c.sendall(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
        elif what == "h2":
            c.sendall(b"HTTP/2.0 200 OK\r\n\r\n")
        elif what == "switch":
            c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")
        elif what == "once":
            c.sendall(OK + b"Content-Length: 2\r\n\r\nhi")
            head(c)
            return
        else:
            c.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        h = head(c)
def serve(c):
    try:
        play(c)
    except OSError:
        pass
    c.close()
l = socket.socket()
l.bind(("127.0.0.1", 0))
l.listen(20)
open("port.tmp", "w").write(str(l.getsockname()[1]))
os.rename("port.tmp", "peerport")
while True:
    c, _ = l.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
END
spawn peer.log python3 peer.py
wait_for 20 test -s peerport || not_ok "python peer" "$(cat peer.log)"
peer=http://127.0.0.1:$(cat peerport)

# One line per exchange: STATUS BYTES SHA256 CONNECTIONS REQUESTS
ask()
{
	"$tool" client "$@" 2>&1
}
abcde=$(printf abcde | sha256sum | cut -d' ' -f1)
hi=$(printf hi | sha256sum | cut -d' ' -f1)

same "client: a byte at a time, twice" "200 5 $abcde 1 1
200 5 $abcde 1 2" "$(ask "$peer/bytewise" "$peer/bytewise")"
same "client: interim answers" "200 2 $hi 1 1" "$(ask "$peer/interim")"
same "client: long lines" "200 2 $hi 1 1" "$(ask "$peer/longlines")"
same "client: until close" "200 13 $(printf 'until the end' | sha256sum | cut -d' ' -f1) 1 1
200 2 $hi 2 2" "$(ask "$peer/close" "$peer/interim")"
same "client: what is not asked for is not an answer" "200 2 $hi 1 1
200 2 $hi 2 2" "$(ask "$peer/toomuch" "$peer/interim")"
same "client: a stale connection" "200 2 $hi 1 1
200 2 $hi 2 3" "$(ask "$peer/once" "$peer/interim")"
same "client: a stale connection, POST" "200 2 $hi 1 1
error net: 127.0.0.1: the connection was closed before the answer" "$(ask -m POST "$peer/once" "$peer/interim")"
same "client: a stale connection, POST that may be sent twice" "200 2 $hi 1 1
200 2 $hi 2 3" "$(ask -x -m POST "$peer/once" "$peer/interim")"
fails()		# CASE WORDS [options] PATH
{
	fails_case="client: $1" fails_words=$2
	shift 2
	fails_got=$(ask "$@")
	case $fails_got in
	"error $fails_words"*) ok "$fails_case" ;;
	*) not_ok "$fails_case" "wanted 'error $fails_words', got '$fails_got'" ;;
	esac
}
fails "too many fields" "proto: 127.0.0.1: more than 100 header fields" "$peer/manylines"
fails "cut in a chunk" "proto: 127.0.0.1: the answer ended early, before its last chunk" "$peer/cutchunk"
fails "cut before the last chunk" "proto: 127.0.0.1: the answer ended early, before its last chunk" "$peer/cutlast"
fails "cut in the header" "proto: 127.0.0.1: the answer ended early, in its header" "$peer/cuthead"
fails "reset in the body" "proto: 127.0.0.1: the answer broke off: receiving: Connection reset" "$peer/reset"
fails "reset where the body ends with the connection" "proto: 127.0.0.1: the answer broke off: receiving: Connection reset" "$peer/resetclose"
fails "no answer" "net: 127.0.0.1: the connection was closed before the answer" "$peer/never"
fails "garbage" 'proto: 127.0.0.1: not HTTP: "??' "$peer/garbage"
fails "lengths that disagree" "proto: 127.0.0.1: two Content-Lengths that disagree" "$peer/split"
fails "a coding nobody asked for" "proto: 127.0.0.1: transfer coding \"gzip, chunked\" is not known" "$peer/gzip"
fails "HTTP/2" "proto: 127.0.0.1: HTTP version 2.0 is not spoken here" "$peer/h2"
fails "101" "proto: 127.0.0.1: answer 101" "$peer/switch"
fails "a trickle" "timeout: 127.0.0.1: the answer" -t 3000 "$peer/trickle"
fails "silence" "timeout: 127.0.0.1: waiting for an answer: timed out" -i 300 "$peer/silence"
fails "more than wanted" "data: 127.0.0.1: more than wanted" -n 1 "$peer/interim"
fails "nobody there" "net: 127.0.0.1:1: cannot connect: Connection refused" http://127.0.0.1:1/

# ---- nginx ------------------------------------------------------------------

nginx_get || {
	skip nginx "cannot be had: $(tail -n 2 nginx.log | tr '\n' ' ')"
	exit 0
}

serve upstream.log
mkdir -p www/dav tmp
cp big small www/
printf '<!--#echo var="uri" --> and <!--#include file="small.txt" -->' >www/page.html
python3 -c 'print("line of text\n" * 20000)' >www/small.txt
chmod -R a+rwX . www
user=
[ "$(id -u)" -ne 0 ] || user='user root;'

start_nginx()
{
	nginx_try=0
	while [ $nginx_try -lt 5 ]; do
		nginx_try=$((nginx_try + 1))
		[ -n "${nginx_port-}" ] || nginx_port=$(free_port)
		cat >nginx.conf <<-END
		$user
		daemon off;
		master_process off;
		pid nginx.pid;
		error_log error.log info;
		events { worker_connections 64; }
		http {
			log_format conn '\$connection \$connection_requests \$request \$status';
			access_log access.log conn;
			client_body_temp_path tmp/body;
			proxy_temp_path tmp/proxy;
			fastcgi_temp_path tmp/fastcgi;
			uwsgi_temp_path tmp/uwsgi;
			scgi_temp_path tmp/scgi;
			client_max_body_size 30m;
			large_client_header_buffers 4 32k;
			upstream ours { server 127.0.0.1:$port; keepalive 4; }
			server {
				listen 127.0.0.1:$nginx_port;
				root www;
				location / { ssi on; gzip on; gzip_types *; gzip_min_length 1;
				if_modified_since before; }
				location /dav/ { dav_methods PUT DELETE MKCOL; create_full_put_path on; }
				location /limited/ { client_max_body_size 1k; root www; dav_methods PUT; }
				location /204 { return 204; }
				location /301 { return 301 http://127.0.0.1:1/; }
				location /short/ { keepalive_requests 2; alias www/; }
				location /close { add_header Connection close; keepalive_timeout 0; return 200 bye; }
				location /up/ {
					proxy_pass http://ours/;
					proxy_http_version 1.1;
					proxy_set_header Connection "";
					proxy_request_buffering off;
					proxy_buffering off;
				}
				location /up10/ { proxy_pass http://127.0.0.1:$port/; }
			}
		}
		END
		spawn nginx.out "$nginx" -p "$PWD/" -c nginx.conf -e error.log
		nginx_pid=$spawned
		wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$nginx_port/204" && return 0
		reap "$nginx_pid"
		nginx_port=
	done
	not_ok "start nginx" "$(tail -n 5 nginx.out error.log | tr '\n' ' ')"
	exit 1
}
start_nginx
site=http://127.0.0.1:$nginx_port

same "nginx: a file, three times" "200 1000 $small 1 1
200 1000 $small 1 2
200 1000 $small 1 3" "$(ask "$site/small" "$site/small" "$site/small")"
wait_for 10 sh -c '[ "$(grep -c "GET /small" access.log)" -ge 3 ]'
same "nginx counts one connection, too" "1 3" "$(tail -n 3 access.log | cut -d' ' -f1 | sort -u | wc -l) $(tail -n 1 access.log | cut -d' ' -f2)"
same "nginx: 20 MB" "200 20971520 $big 1 1" "$(ask "$site/big")"
page=$(hash_of get "$site/page.html")
same "nginx: in chunks" "200 $(get "$site/page.html" | wc -c) $page 1 1
200 1000 $small 1 2" "$(ask "$site/page.html" "$site/small")"
check "nginx: those were chunks" sh -c "curl -sSi '$site/page.html' | grep -qi '^transfer-encoding: chunked'"
same "nginx: no gzip unasked" "200 260001" "$(ask "$site/small.txt" | cut -d' ' -f1,2)"
same "nginx: gzip, and on" "200 200 1 2" "$(ask -H 'Accept-Encoding: gzip' "$site/small.txt" "$site/small" |
	tee zipped | cut -d' ' -f1 | tr '\n' ' ')$(tail -n 1 zipped | cut -d' ' -f4,5)"
check "nginx: gzip is smaller" sh -c '[ "$(head -n 1 zipped | cut -d" " -f2)" -lt 20000 ]'
same "nginx: HEAD, and on" "200 0 $none 1 1
200 0 $none 1 2" "$(ask -m HEAD "$site/big" "$site/page.html")"
same "nginx: 204, 304, 404, 301, and on" "204 0 304 0 404 301 200" "$(
	ask "$site/204" | cut -d' ' -f1,2 | tr '\n' ' '
	ask -H "If-Modified-Since: $(date -u -R -d 'next year' | sed 's/+0000/GMT/')" "$site/small" | cut -d' ' -f1,2 | tr '\n' ' '
	ask "$site/nosuch" "$site/301" "$site/small" | cut -d' ' -f1 | tr '\n' ' ' | sed 's/ $//')"
same "nginx: those over one connection" "1 1 1 1" "$(ask "$site/204" "$site/nosuch" "$site/301" "$site/small" |
	cut -d' ' -f4 | tr '\n' ' ' | sed 's/ $//')"
same "nginx: a range" "206 100 $(head -c 100 www/small | sha256sum | cut -d' ' -f1) 1 1" \
	"$(ask -H 'Range: bytes=0-99' "$site/small")"
same "nginx: Connection: close" "1 2 3" "$(ask "$site/close" "$site/close" "$site/small" | cut -d' ' -f4 | tr '\n' ' ' | sed 's/ $//')"
same "nginx: keep-alive for two requests" "1 1 2 2" "$(ask "$site/short/small" "$site/short/small" "$site/short/small" "$site/short/small" |
	cut -d' ' -f4 | tr '\n' ' ' | sed 's/ $//')"
long=$(python3 -c 'print("x" * 15000)')
same "nginx: a large header of ours" "200 1 2" "$(ask -H "X-Long: $long" -H "X-Longer: $long" "$site/small" "$site/small" | tail -n 1 | cut -d' ' -f1,4,5)"
same "nginx: PUT 20 MB from memory" "201" "$(ask -m PUT -d big "$site/dav/memory" | cut -d' ' -f1)"
same "nginx: and it is the same" "$big" "$(sha256sum <www/dav/memory | cut -d' ' -f1)"
same "nginx: PUT 20 MB in pieces, replaced, read back" "201 204 1" "$(ask -m PUT -u big "$site/dav/pieces" "$site/dav/pieces" |
	cut -d' ' -f1 | tr '\n' ' ')$(ask -m PUT -u big "$site/dav/pieces" "$site/dav/pieces" | tail -n 1 | cut -d' ' -f4)"
same "nginx: and it is the same, too" "200 20971520 $big 1 1" "$(ask "$site/dav/pieces")"
same "nginx: DELETE" "204 404" "$(ask -m DELETE "$site/dav/pieces" "$site/dav/pieces" | cut -d' ' -f1 | tr '\n' ' ' | sed 's/ $//')"
same "nginx: PUT of nothing" "201" "$(ask -m PUT "$site/dav/empty" | cut -d' ' -f1)"
same "nginx: 413 while we send" "413 1" "$(ask -m PUT -d big "$site/limited/x" | cut -d' ' -f1,4)"
same "nginx: 413, then the next" "413 1 413 2" "$(ask -m PUT -d big "$site/limited/x" "$site/limited/x" | cut -d' ' -f1,4 | tr '\n' ' ' | sed 's/ $//')"

# restarted between two requests: the kept connection is dead
cat >restart <<END
kill $nginx_pid
while kill -0 $nginx_pid 2>/dev/null && ! grep -q ' Z ' /proc/$nginx_pid/stat 2>/dev/null; do sleep 0.1; done
touch stopped
while ! [ -e started ]; do sleep 0.1; done
END
rm -f stopped started
ask -w 'sh ./restart' "$site/small" "$site/small" >out &
asking=$!
wait_for 20 test -e stopped
start_nginx
touch started
wait $asking
same "nginx, restarted: another connection" "200 1000 $small 1 1
200 1000 $small 2 2" "$(cat out)"

# ---- our server behind nginx -----------------------------------------------

same "proxied: GET" "$(pattern 100000)" "$(hash_of get "$site/up/bytes/100000")"
same "proxied: chunks" "$(pattern 1000000)" "$(hash_of get "$site/up/chunks/1000000")"
same "proxied by HTTP/1.0: chunks" "$(pattern 1000000)" "$(hash_of get "$site/up10/chunks/1000000")"
same "proxied: PUT 20 MB" "20971520 $big" "$(get -T big "$site/up/sum/10000")"
same "proxied: PUT in chunks" "20971520 $big" "$(get -H 'Transfer-Encoding: chunked' -T big "$site/up/sum/10000")"
same "proxied by HTTP/1.0: PUT" "1000 $small" "$(get -T small "$site/up10/sum")"
same "proxied: HEAD, 204, 304, 404" "200 204 304 404 " "$(get -I -o /dev/null -w '%{http_code} ' "$site/up/bytes/5"
	get -o /dev/null -w '%{http_code} ' "$site/up/status/204" -o /dev/null "$site/up/status/304" -o /dev/null "$site/up/nosuch")"
peers=$(get "$site/up/head/1" "$site/up/head/2" "$site/up/head/3" | grep '^peer' | sort -u | wc -l)
same "proxied: nginx keeps its connection" 1 "$peers"
# our client, nginx, our server
same "client, nginx, server" "200 73
200 1000000 $(pattern 1000000)" "$(ask -m PUT -u big "$site/up/sum/5000" | cut -d' ' -f1,2; ask "$site/up/chunks/1000000" | cut -d' ' -f1-3)"
check "no complaint of a sanitizer, at last" sh -c '! grep -E "(Sanitizer|runtime error)" upstream.log server.log small.log'
