#!/bin/sh
# What runs on nodes and here, beside others and beside what it was: handshakes
# and a crowd of agents at one helper, the local Azure, the monitor's news, a
# build after one change.  nginx stands for what a server costs.  Not a part of
# `make test`.
#
#	tests/bench_node.sh
set -eu
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/bench_rows.sh"
SRCDIR=$top
ours=$top/azswarm

dir=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-bench.XXXXXX")
pids=
finish()
{
	trap - EXIT INT TERM HUP
	for pid in $pids; do kill "$pid" 2>/dev/null || :; done
	wait 2>/dev/null || :
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
cd "$dir"
free_port()
{
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
within()	# SECONDS COMMAND...
{
	within_n=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		within_n=$((within_n - 1))
		[ $within_n -gt 0 ] || { echo "bench: not within its time: $*" >&2; exit 1; }
		sleep 0.1
	done
}

# ---- handshakes, joiners: what sh/joiners measures ----

head_row 'servers, theirs is nginx'
JOINERS=1000 "$top/tests/run" sh/joiners >joiners.out 2>&1 || :
log=$top/build/test-logs/latest/sh-joiners.log
set -- $(sed -n 's/^# a handshake: nginx \([0-9]*\) us of the processor, ours \([0-9]*\) us/\1 \2/p' "$log")
if [ $# -eq 2 ]; then
	row 'a TLS handshake: of the processor' "$2" "$1" us
	sed -n 's/^# {/{/p' "$log" >joined
	of() { jq -r "$1" joined; }
	row "$(of .joiners) joiners at one helper: until the last has joined" "$(of .seconds)" - s
	row 'and of the processor, beside a handshake' "$(of '.helper_cpu_ms_each * 1000 | floor')" "$1" us
	row 'a helper with 1,000 nodes: memory' "$(of '.helper_rest_kb / 1024 * 10 | round / 10')" - MB
	row 'and with these at its door' "$(of '.helper_peak_kb / 1024 * 10 | round / 10')" - MB
else
	echo "handshakes, joiners: $(grep -h '^skip\|^not ok' "$log" joiners.out | head -n 1)"
fi

# ---- the local Azure ----

# ticks PID: of the processor, that it has used
ticks()
{
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}
get_us()	# PID URL: of the server's processor, for each of 5000 on kept connections
{
	get_before=$(ticks "$1")
	ab -q -k -c 4 -n 5000 -Z ECDHE-ECDSA-AES128-GCM-SHA256 "$2" >ab.out 2>&1 || { tail -n 3 ab.out >&2; echo failed; return; }
	grep -q '^Failed requests: *0$' ab.out && ! grep -q '^Non-2xx' ab.out || { echo failed; return; }
	echo $((($(ticks "$1") - get_before) * 1000000 / $(getconf CLK_TCK) / 5000))
}
"$ours" emulator --listen 127.0.0.1:0 --dir azure >emulator.out 2>&1 & azure=$! pids="$pids $!"
within 20 grep '^ready ' emulator.out
at=$(sed -n 's/^ready //p' emulator.out)/metadata/endpoints?api-version=2020-01-01
mine=$(get_us $azure "$at")
theirs='not here'
. "$top/tests/nginx.sh"
if nginx_get; then
	port=$(free_port)
	mkdir www tmp
	curl -sk -o www/file "$at"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem \
		-out cert.pem -subj /CN=localhost -days 2 2>openssl.log
	cat >nginx.conf <<-END
		$([ "$(id -u)" -ne 0 ] || echo 'user root;')
		daemon off; master_process off; pid nginx.pid; error_log error.log;
		events { worker_connections 64; }
		http {
			access_log off; default_type application/json; keepalive_requests 100000;
			client_body_temp_path tmp/body; proxy_temp_path tmp/proxy; fastcgi_temp_path tmp/fastcgi;
			uwsgi_temp_path tmp/uwsgi; scgi_temp_path tmp/scgi;
			server {
				listen 127.0.0.1:$port ssl;
				ssl_certificate cert.pem; ssl_certificate_key key.pem;
				root www;
			}
		}
	END
	"$nginx" -p "$dir/" -c nginx.conf -e error.log >nginx.out 2>&1 & pids="$pids $!"
	within 10 curl -sk -o out "https://127.0.0.1:$port/file"
	theirs=$(get_us $! "https://127.0.0.1:$port/file")
fi
row 'the local Azure: a GET, of the processor' "$mine" "$theirs" us

# ---- the monitor ----

head_row 'the monitor, theirs is the whole'
mkdir fake
python3 -W ignore "$top/tests/fake_swarm.py" fake 97
python3 "$top/tests/fake_engine.py" fake.sock fake 2>engine.log & pids="$pids $!"
within 10 test -S fake.sock
port=$(free_port)
DOCKER_HOST=unix://$dir/fake.sock PORT=$port LISTEN=127.0.0.1 "$ours" monitor >monitor.log 2>&1 & monitor=$! pids="$pids $!"
url=http://127.0.0.1:$port
for n in 100 1000; do
	python3 -W ignore "$top/tests/fake_swarm.py" fake $((n - 3)) web=200
	within 30 sh -c "[ \"\$(curl -fsS $url/api/state | jq '.nodes | length')\" = $n ]"
	: >sse
	curl -sN -m 60 "$url/events" >sse 2>/dev/null & watcher=$!
	within 10 grep '^event: state' sse
	python3 -W ignore "$top/tests/fake_swarm.py" fake $((n - 3)) web=200 web.3=agents000009
	within 20 grep '^event: change' sse
	sleep 0.2
	kill $watcher
	told() { awk -v kind="$1" '/^event: / { e = $2 } /^data: / && e == kind { print substr($0, 7) }' sse | head -n 1 | wc -c; }
	row "a task of $n nodes moves, to each browser" "$(told change)" "$(told state)" bytes
done
row 'its memory, at 1000 nodes' "$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$monitor/status")" - MB

# ---- a build ----

head_row 'building'
at_once()
{
	touch "$top/node/monitor.c"
	make -C "$top" azswarm
}
row 'make, after one file has changed' "$(best 3 at_once)" - ms
row 'the program' "$(stat -c %s "$ours")" - bytes
