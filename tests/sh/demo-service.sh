# time: 300
# The demo service against a real Redis, Prometheus's own checker, and many
# connections at once.
# needs: curl, redis-server, prometheus (promtool), apache2-utils (ab); root for
# the part about process 1
. "$SRCDIR/tests/lib.sh"
need curl

need python3
redis_port=$(free_port)
port=$(free_port)
url=http://127.0.0.1:$port

# ---- without Redis ----

PORT=$port SWARM_MODE='<b>&' SWARM_PUBLIC_PORT=81 spawn demo.log "$AZSWARM" demo
demo=$spawned
check "it starts" wait_for 5 curl -fs "$url/healthz"
get()		# CASE STATUS ERE PATH [CURL-ARGUMENTS...]
{
	get_case=$1 get_status=$2 get_re=$3 get_path=$4
	shift 4
	curl -sS -m 120 -o body -D head -w '%{http_code}' "$@" "$url$get_path" >code 2>&1 </dev/null
	if [ "$(cat code)" != "$get_status" ]; then
		not_ok "$get_case" "$(cat code), not $get_status"
	elif ! cat head body | tr -d '\r' | grep -qE -e "$get_re"; then
		not_ok "$get_case" "no '$get_re' in $(cat head body | head -c 500 | tr '\r\n' '  ')"
	else
		ok "$get_case"
	fi
}
name=$(uname -n)
get "the page has the host name" 200 "<h1>$name</h1>" /
get "it counts, and shows" 200 '<dd class="n">2</dd>' /
get "the page says that there is no Redis" 200 'there is no Redis: REDIS_SERVER is not set' /
get "the environment is text, not HTML" 200 '<dd>&#60;b&#62;&#38;</dd>' /
get "the public port" 200 '<dt>Public port</dt><dd>81</dd>' /
get "a policy without outside resources" 200 "^Content-Security-Policy: default-src 'none'" /
get "hostname" 200 "^$name$" /hostname
get "count" 200 '^7$' /count
get "looking does not count" 200 '^7$' /count
get "shared_count" 404 'No shared count: there is no Redis' /shared_count
get "reset_shared" 404 'No shared count' /reset_shared
get "HEAD" 200 '^Content-Type: text/html' / -I
get "reset" 200 'Instance count reset' /reset
get "begins again" 200 '^0$' /count
get "another path" 404 'no such path' /nothing
get "another method" 405 'only GET' / -X DELETE
get "compute" 200 '^3141592653589793238462643383279502884197169399375105820974944592[.]{3}$' /compute/200
same "says how much" 1 "$(grep -cE '^[0-9]+ digits of pi in 200 ms$' body)"
microseconds()	# URL: how long its answer takes
{
	curl -s -o /dev/null -m 60 -w '%{time_total}' "$1" | tr -d . | sed 's/^0*\(.\)/\1/'
}
least 1500000 microseconds "$url/compute/700"
if [ "$least" -ge 700000 ] && [ "$least" -lt 1500000 ]; then
	ok "it takes that long"
else
	not_ok "it takes that long" "$least us"
fi
get "compute between" 200 'digits of pi in ([5-9][0-9]|1[0-4][0-9]|150) ms' /compute/50,150
get "too long" 400 'from 0 to 60000 milliseconds' /compute/60001
get "backwards" 400 'from 0 to 60000 milliseconds' /compute/20,10
get "no number" 400 'from 0 to 60000 milliseconds' /compute/x

# eight at once, no more
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	curl -s -m 120 -o /dev/null -w '%{http_code}\n' "$url/compute/5000" >"code.$i" &
	eval "job_$i=\$!"
done
computing()	# N: so many
{
	curl -s -m 20 "$url/metrics" | grep -qx "demo_computations $1"
}
wait_for 5 computing 8
get "others are served meanwhile" 200 '^demo_computations 8$' /metrics
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do eval "wait \$job_$i"; done
same "eight compute, the rest is told to wait" "8 200
4 503" "$(sort code.? code.?? | uniq -c | sed 's/^ *//')"

# ---- metrics ----

curl -s "$url/metrics" >metrics
if command -v promtool >/dev/null; then
	expect "promtool" 0 '' sh -c 'promtool check metrics <metrics'
	same "has nothing to say" "" "$(cat out)"
else
	skip "promtool" "no promtool here"
fi
expect "the service's own metrics" 0 '^instance_compute_time [1-9]' cat metrics
expect "no shared count without Redis" 1 '' grep shared_requests_count metrics

# ---- many ----

if command -v ab >/dev/null; then
	expect "300 connections, 20000 requests, kept alive" 0 'Failed requests: +0$' \
		ab -q -k -s 120 -c 300 -n 20000 "$url/count"
	cp out ab.out
	expect "all were answered well" 1 '' grep Non-2xx ab.out
	expect "a new connection each" 0 'Failed requests: +0$' ab -q -s 120 -c 50 -n 3000 "$url/hostname"
	get "each was counted" 200 '^[23][0-9]{3}$' /count
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$demo/status")
	[ "$rss" -lt 40000 ] && ok "memory stays small" || not_ok "memory stays small" "$rss KiB"
else
	skip "many connections" "no ab here"
fi

# ---- the end ----

millis() { date +%s%3N; }
ends_within()	# CASE PID MILLISECONDS
{
	began=$(millis)
	kill -TERM "$2"
	while running "$2" && [ $(($(millis) - began)) -lt $(($3 + 60000)) ]; do sleep 0.02; done
	took=$(($(millis) - began))
	[ $took -le "$3" ] && ok "$1" || not_ok "$1" "$took ms"
}
curl -s -m 120 "$url/compute/30000" >pi &
slow=$!
curl -sN -m 120 "$url/" "$url/" -o /dev/null
wait_for 5 computing 1
# what is being answered is given five seconds
ends_within "SIGTERM, in the middle of computing" "$demo" 4000
wait "$demo"; same "exit code" 0 $?
wait "$slow"; same "who was waiting got what there was" 1 "$(grep -c 'digits of pi in' pi)"

if [ "$(id -u)" -eq 0 ] && unshare --pid --fork true 2>/dev/null; then
	PORT=$port spawn one.log unshare --pid --fork "$AZSWARM" demo
	outer=$spawned
	check "as process 1" wait_for 5 curl -fs "$url/healthz"
	inner=$(cat "/proc/$outer/task/$outer/children")
	ends_within "SIGTERM to process 1" "${inner% }" 4000
	reap "$outer"
else
	skip "process 1" "needs root"
fi
expect "a port that is none" 2 'PORT "x": expected 0 to 65535' env PORT=x "$AZSWARM" demo
expect "a server that is none" 2 'REDIS_SERVER "redis:x": expected HOST' \
	env REDIS_SERVER=redis:x PORT="$port" "$AZSWARM" demo

# ---- with Redis ----

if ! command -v redis-server >/dev/null; then
	skip "Redis" "no redis-server here"
	exit
fi
redis()
{
	spawn redis.log redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no
	redis_pid=$spawned
	wait_for 10 redis-cli -p "$redis_port" ping
}

redis
PORT=$port REDIS_SERVER=127.0.0.1:$redis_port REDIS_COUNTER='a key' spawn a.log "$AZSWARM" demo
port2=$(free_port)
PORT=$port2 REDIS_SERVER=127.0.0.1:$redis_port REDIS_COUNTER='a key' spawn b.log "$AZSWARM" demo
wait_for 5 curl -fs "$url/healthz"; wait_for 5 curl -fs "http://127.0.0.1:$port2/healthz"
curl -s "$url/" >/dev/null; curl -s "$url/hostname" >/dev/null
curl -s "http://127.0.0.1:$port2/" >page
same "two containers count together" 3 "$(curl -s "$url/shared_count")"
same "Redis says so" 3 "$(redis-cli -p "$redis_port" get 'a key')"
expect "the page shows both counts" 0 '<dd class="n">1</dd>.*' cat page
expect "and where the shared one is" 0 '<dd class="n">3</dd>.*kept in Redis' cat page
get "metrics" 200 '^shared_requests_count 3$' /metrics
get "and that Redis is up" 200 '^demo_redis_up 1$' /metrics
! command -v promtool >/dev/null || expect "promtool, with Redis" 0 '' promtool check metrics <body
get "reset_shared" 200 'Shared count reset' /reset_shared
get "is seen" 200 '^0$' /shared_count
redis-cli -p "$redis_port" set 'a key' text >/dev/null
get "a key that is no number" 200 'value is not an integer' /
redis-cli -p "$redis_port" del 'a key' >/dev/null
if command -v ab >/dev/null; then
	# whose turn has not come within 300 ms is not counted: on a busy machine again
	for _ in 1 2 3 4 5; do
		curl -s "$url/reset_shared" >/dev/null
		expect "100 connections through one to Redis" 0 'Complete requests: +5000$' \
			ab -q -k -l -s 120 -c 100 -n 5000 "$url/hostname"
		n=$(curl -s "$url/shared_count")
		[ "$n" != 5000 ] || break
	done
	same "all counted in Redis" 5000 "$n"
fi

reap "$redis_pid"
get "Redis away: the page answers" 200 'Redis: 127.0.0.1:[0-9]+: cannot connect: Connection refused' /
least 400000 microseconds "$url/"
[ "$least" -lt 400000 ] && ok "in time" || not_ok "in time" "$least us"
get "and says why" 503 'No shared count: Redis: .*refused' /shared_count
get "metrics say so" 200 '^demo_redis_up 0$' /metrics
redis
check "Redis back: counted again" wait_for 15 sh -c "curl -fs $url/shared_count | grep -qE '^[0-9]+$'"
kill -STOP "$redis_pid"
least 700000 microseconds "$url/"
[ "$least" -lt 700000 ] && ok "a Redis that hangs costs 0.3 s" || not_ok "a Redis that hangs costs 0.3 s" "$least us"
kill -CONT "$redis_pid"
