# time: 400
# The monitor: against an engine that shows files and agents that tell numbers,
# in a real browser, and beside a real engine and agent with a swarm of its own.
# needs: curl, jq, python3; chromium-driver; root for figures, and docker.io for the last part
. "$SRCDIR/tests/engine.sh"
. "$SRCDIR/tests/lib.sh"
need curl jq python3
# every address of the swarm is this network's own; without one, loopback's
export SWARM_NET=127.77
if [ -n "${ENGINE_INSIDE-}" ]; then
	SWARM_NET=10.77
	ip link set lo up
	ip route add local 10.77.0.0/16 dev lo
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
mkdir fake
swarm() { python3 -W ignore "$SRCDIR/tests/fake_swarm.py" fake "$@"; }
engine_up()
{
	rm -f fake.sock
	spawn fake.log python3 "$SRCDIR/tests/fake_engine.py" fake.sock fake
	fake=$spawned
	wait_for 10 test -S fake.sock
}
at=/api/state
state() { curl -fsS -m 60 "$url$at" | jq -c "$1"; }
# the state, or what $at says, tells it within so many tenths of a second
becomes()	# CASE TENTHS JQ WANTED
{
	becomes_n=$2
	until becomes_got=$(state "$3" 2>&1); [ "$becomes_got" = "$4" ]; do
		becomes_n=$((becomes_n - 1))
		[ $becomes_n -gt 0 ] || break
		sleep 0.1
	done
	same "$1" "$4" "$becomes_got"
}

# ---- the state ----

swarm 4
engine_up
if [ -n "${ENGINE_INSIDE-}" ]; then
	echo '{"agents000001": 1.5, "web.2": 1.25, "agents000002": "silent", "agents000003":
		"{\"at_ms\":1,\"cpu_ms\":-5,\"containers\":[{\"id\":\"<script>\"}]}"}' >fake/load.json
	spawn agents.log python3 "$SRCDIR/tests/fake_agents.py" fake 1338
	agents=$spawned
	wait_for 10 grep -q ready agents.log
fi
DOCKER_HOST=unix://$PWD/fake.sock PORT=$port HOST=cluster.example NAMES='a.example b.example ' spawn monitor.log "$AZSWARM" monitor
monitor=$spawned
check "it starts" wait_for 5 curl -fs "$url/healthz"
check "that nothing has happened is told, too" wait_for 5 sh -c "timeout 1 curl -sN $url/events | grep -xF 'data: []'"
becomes "it reads the swarm" 30 '[(.nodes, .services, .tasks) | length]' '[7,3,16]'
same "the title" '"cluster.example"' "$(state .title)"
same "no error" '""' "$(state .error)"
same "a node" '["agents000001","worker",false,"ready","active","'$SWARM_NET'.16.5","29.2.1",4109193216,2]' \
	"$(state '.nodes[4] | [.name, .role, .leader, .state, .availability, .address, .engine, .memory, .cpus]')"
same "the leader, and its address" '["master0",true,"'$SWARM_NET'.0.10"]' "$(state '.nodes[0] | [.name, .leader, .address]')"
same "a service" '["web","replicated",8,8,[80],"127.0.0.1:1339/azswarm:0.1.0"]' \
	"$(state '.services[0] | [.name, .mode, .running, .desired, .ports, .image]')"
same "a global service" '["tool","global",7,7]' "$(state '.services[1] | [.name, .mode, .running, .desired]')"
swarm 4 web.5=x:pending web.6=agents000001:failed web.7=agents000003:preparing web.8=agents000000:stopping agents000002=drain
becomes "tasks that wait, fail, come and go" 20 '[.tasks[] | select(.state != "running") | [.slot, .state]]' \
	'[[5,"pending"],[7,"preparing"],[8,"stopping"]]'
same "why one waits" '"no suitable node (insufficient resources on 3 nodes)"' \
	"$(state '.tasks[] | select(.slot == 5) | .why')"
same "why one failed" '["task: non-zero exit (1)",4]' "$(state '.services[0] | [.failure, .running]')"
same "a drained node" '"drain"' "$(state '.nodes[] | select(.name == "agents000002") | .availability')"

# ---- how soon, and how often ----

swarm 4
becomes "an event brings it" 20 '.tasks | map(select(.state == "running")) | length' 16
sleep 1.1
cp fake/tasks.json tasks.keep
jq '.[0].Status.State = "shutdown" | .[0].DesiredState = "shutdown"' tasks.keep >fake/tasks.json
becomes "without an event, 5 s do" 60 '.tasks | length' 15
sleep 1
: >fake/asked
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo '{"Type":"container","Action":"start"}' >>fake/events; sleep 0.25; done
n=$(grep -c '^/tasks' fake/asked)
if [ "$n" -ge 3 ] && [ "$n" -le 6 ]; then ok "four events a second: one reading"; else not_ok "four events a second: one reading" "$n in 4 s"; fi
cp tasks.keep fake/tasks.json
swarm 4

# ---- server-sent events ----

sleep 1.5
told() { awk -v kind="$1" '/^event: / { e = $2 } /^data: / && e == kind { print substr($0, 7) }' sse; }
spawn sse curl -sN -m 60 "$url/events"
sse=$spawned
wait_for 5 grep -q '^event: state' sse
same "the state at once" 1 "$(told state | wc -l)"
same "as JSON" 16 "$(told state | tail -n 1 | jq '.tasks | length')"
swarm 4 web.3=agents000000
wait_for 4 sh -c '[ $(grep -c "^event: change" sse) -ge 1 ]'
same "a task moves: where it is now" '[3,"idagents000000xxxxxxxxxxx","running"]' \
	"$(told change | tail -n 1 | jq -c '.tasks.rows[0] | [.slot, .node, .state]')"
same "and nothing else is told" '{"title":"cluster.example","error":"","nodes":{"gone":[],"rows":[]},"services":{"gone":[],"rows":[]},"tasks":{"gone":[]}} 1' \
	"$(told change | tail -n 1 | jq -c 'del(.tasks.rows)') $(told change | tail -n 1 | jq '.tasks.rows | length')"
same "each with a number" "$(grep -c '^event: ' sse)" "$(grep -c '^id: [0-9]*$' sse)"
n=$(told change | wc -l)
sleep 6
same "no news, nothing sent" "$n 1" "$(told change | wc -l) $(told state | wc -l)"
check "what happened before is told at once" sh -c '[ -n "$1" ]' - "$(told happened | jq -r '.[].kind' | grep -x drained)"
reap "$sse"
: >sse
spawn sse curl -sN -m 60 "$url/events"
wait_for 5 grep -q '^event: state' sse
same "who comes again is told the whole" '["idagents000000xxxxxxxxxxx"]' \
	"$(told state | jq -c '[.tasks[] | select(.slot == 3 and .state == "running").node]')"
reap "$spawned"

# ---- what happened ----

at=/api/timeline
same "by two readings: who, and what" '["agents000002","drained","is drained: it takes no tasks"]' \
	"$(state '[.[] | select(.kind == "drained")][0] | [.who, .kind, .text]')"
same "why a task failed" '["web","task: non-zero exit (1)"]' "$(state '[.[] | select(.kind == "failed")][0] | [.who, .text]')"
same "numbered from 1, and in order" true "$(state '[.[].n] == [range(1; length + 1)] and ([.[].at] | . == sort)')"
swarm 5 agents000003=down 'agents000001=evict:drain since=1 until=2000000000 limit=120 by=operator'
becomes "joined, down, leaving" 30 '[.[-3:][] | [.who, .kind]]' \
	'[["agents000001","evicted"],["agents000003","down"],["agents000004","joined"]]'
swarm 4
becomes "back, ready, gone" 30 '[.[-3:][] | [.who, .kind]]' \
	'[["agents000001","returned"],["agents000003","ready"],["agents000004","left"]]'
at=/api/state

# ---- figures ----

if [ -z "${ENGINE_INSIDE-}" ]; then
	skip "figures" "needs root and a network of its own"
else
	at=/api/figures
	node() { echo ".series.id$1$(printf 'x%.0s' $(seq $((23 - ${#1}))))"; }
	becomes "a node that works: 1.5 processors" 300 "$(node agents000001)[0][-1] | . > 1350 and . < 1650" true
	becomes "its memory and its network" 300 "$(node agents000001) | [.[1][-1], .[2][-1], .[3][-1]] | map(. > 1000)" '[true,true,true]'
	same "one that is silent, one that tells nonsense: gaps" '[null,null]' \
		"$(state "[$(node agents000002)[0], $(node agents000003)[0]] | map(max)")"
	becomes "a service is the sum of its tasks, and how many run" 300 \
		'.series.svwebxxxxxxxxxxxxxxxxxxxx | [.[0][-1] > 1200, .[4][-1]]' '[true,8]'
	becomes "the newest of a task" 300 '.series.t0web2xxxxxxxxxxxxxxxxxxx[0] | [length, (.[-1] > 1000 and .[-1] < 1500)]' '[1,true]'
	at='/api/figures?id=t0web2xxxxxxxxxxxxxxxxxxx'
	same "its past, and nobody else's" '[1,true]' "$(state '[(.series | length), (.series[][0] | length > 1)]')"
	at='/api/figures?id=%22%3Cscript%3E'
	same "of nobody" '{}' "$(state .series)"
	at=/api/state
	check "the agents are asked for that, and nothing else" sh -c '! grep -v " /figures$" fake/told'
	check "who is silent is not asked each time" sh -c \
		'[ "$(grep -c "^10.77.16.6 " fake/told)" -lt "$(grep -c "^10.77.16.5 " fake/told)" ]'
	spawn sse curl -sN -m 60 "$url/events"
	wait_for 30 sh -c '[ $(grep -c "^event: figures" sse) -ge 3 ]'
	reap "$spawned"
	same "watchers are told a step at a time" true "$(told figures | jq -s -c '.[1].n == .[0].n + 1')"
	same "and only what changed: no gap again" '[false,true]' \
		"$(told figures | tail -n 1 | jq -c '.now | [has("idagents000002xxxxxxxxxxx"), has("idagents000001xxxxxxxxxxx")]')"
fi

# ---- only that ----

get()		# CASE STATUS ERE PATH [CURL-ARGUMENTS...]
{
	get_case=$1 get_status=$2 get_re=$3 get_path=$4
	shift 4
	curl -sS -m 60 --path-as-is -o body -D head -w '%{http_code}' "$@" "$url$get_path" >code 2>&1 </dev/null
	if [ "$(cat code)" != "$get_status" ]; then
		not_ok "$get_case" "$(cat code), not $get_status"
	elif ! cat head body | tr -d '\r' | grep -qE -e "$get_re"; then
		not_ok "$get_case" "no '$get_re' in $(cat head body | head -c 500 | tr '\r\n' '  ')"
	else
		ok "$get_case"
	fi
}
for p in / /monitor.css /monitor.js /icon.svg /api/state /api/figures /api/timeline; do
	get "$p: a strict policy" 200 "^Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';" "$p"
done
get "HEAD" 200 '^Content-Length: [1-9]' / -I
get "HEAD of the events" 200 '^Content-Type: text/event-stream' /events -I
for p in /containers/json /v1.41/info /info /var/run/docker.sock /../../etc/passwd /events/ /api/state/ /api /_ping; do
	get "$p is nothing" 404 'no such path' "$p"
done
for m in POST PUT DELETE PATCH OPTIONS; do
	get "$m" 405 'this page only shows' /api/state -X $m
done
# a page whose name was bent to this address reads nothing
for h in evil.example "evil.example:$port" cluster.example.evil.example 127.0.0.1.nip.io; do
	for p in / /api/state /events /healthz; do
		get "a stranger's name: $h$p" 421 'this page has another name' $p -H "Host: $h"
	done
done
for h in localhost "localhost:$port" 10.77.0.10 "[::1]:$port" cluster.example a.example b.example:1 master0 agents000001; do
	get "one of ours: $h" 200 '"title":"cluster.example"' /api/state -H "Host: $h"
done
get "HTTP/1.0, without any" 200 '"title":"cluster.example"' /api/state -0 -H Host:
check "the engine was asked for nothing else" test ! -e fake/strange
expect "no environment of a service comes out" 1 '' grep -rF do-not-show-me body sse
curl -s "$url/api/state" "$url/api/figures" "$url/api/timeline" >all
expect "nor here" 1 '' grep -F do-not-show-me all
expect "and nothing on the page comes from elsewhere" 1 '' grep -rnE '(https?:)?//[a-z0-9]' \
	"$SRCDIR/assets/web/monitor.html" "$SRCDIR/assets/web/monitor.css"

n=$(cat "$SRCDIR"/assets/web/monitor.html "$SRCDIR"/assets/web/monitor.css "$SRCDIR"/assets/web/monitor.js | wc -c)
[ "$n" -lt 40960 ] && ok "the page has less than 40 KiB" || not_ok "the page has less than 40 KiB" "$n bytes"

# ---- many watchers ----

python3 - "$port" >many 2>&1 <<'X'
import socket, sys, time
port = int(sys.argv[1])
def watch():
    s = socket.create_connection(('127.0.0.1', port))
    s.sendall(b'GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n')
    return s
all = []
until = time.time() + 40
# those who went have their places until something is sent to them
while len(all) < 64 and time.time() < until:
    s = watch()
    if s.recv(12) == b'HTTP/1.1 200':
        all.append(s)
    else:
        time.sleep(0.2)
print(len(all))
print(watch().recv(12).decode())
s = socket.create_connection(('127.0.0.1', port))
s.sendall(b'GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n')
print(s.recv(12).decode())
X
same "64 watch, the next is told, others are served" "64
HTTP/1.1 503
HTTP/1.1 200" "$(cat many)"
check "their places are free again" wait_for 40 sh -c "timeout 1 curl -sN $url/events | grep -q '^event: state'"

# one that takes nothing is let go, once the sockets' buffers are full
python3 - fake <<'X'
import json, sys
where = sys.argv[1]
t = json.load(open(where + '/tasks.json'))
json.dump([{**t[0], 'ID': 'x%d' % i, 'Slot': 100 + i} for i in range(18000)], open(where + '/more', 'w'))
X
mv fake/more fake/tasks.json
echo '{}' >>fake/events
becomes "18000 tasks" 60 '.tasks | length' 18000
# with a place for ten minutes of each
at=/api/figures
n=$(state .n)
becomes "and a step of figures" 400 ".n > $n + 1" true
at=/api/state
rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$monitor/status")
echo "# 18000 tasks: $rss KiB"
[ "$rss" -lt 32768 ] && ok "take less than 32 MiB" || not_ok "take less than 32 MiB" "$rss KiB"
spawn slow.log python3 -c '
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
time.sleep(600)' "$port"
slow=$spawned
if command -v ss >/dev/null; then
	wait_for 5 sh -c "[ \$(ss -Htn state established 'sport = :$port' | wc -l) -ge 1 ]"
	# each of them, so that the whole is sent
	for i in 1 2 3 4; do
		sed -i "s/\"Slot\": [0-9]/\"Slot\": $i/g" fake/tasks.json
		echo '{}' >>fake/events
		sleep 1.5
	done
	check "a watcher that takes nothing is dropped" wait_for 18 \
		sh -c "[ \$(ss -Htn state established 'sport = :$port' | wc -l) -eq 0 ]"
else
	skip "a watcher that takes nothing is dropped" "no ss here"
fi
reap "$slow"
swarm 4
becomes "back to few" 60 '.tasks | length' 16

# ---- the engine goes away ----

touch fake/refuse
becomes "no manager any more: says so" 70 '[.error | contains("This node is not a swarm manager")]' '[true]'
same "and shows what was" 7 "$(state '.nodes | length')"
rm fake/refuse
becomes "and is well again" 70 .error '""'
reap "$fake"
becomes "the engine is gone" 70 '[.error | contains("fake.sock")]' '[true]'
engine_up
becomes "and back" 70 .error '""'

# ---- a browser ----

driver=http://127.0.0.1:$((port + 1))
wd()		# METHOD PATH BODY
{
	curl -sS -m 30 -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} "$driver$2"
}
js()		# SCRIPT: what it returns
{
	wd POST "/session/$session/execute/sync" "$(jq -nc --arg s "$1" '{script: $s, args: []}')" | jq -r .value
}
cdp()
{
	wd POST "/session/$session/goog/cdp/execute" "$1" >/dev/null
}
shot()		# NAME: kept beside the logs, to be looked at
{
	mkdir -p "$SRCDIR/build/screenshots"
	wd GET "/session/$session/screenshot" | jq -r .value | base64 -d >"$SRCDIR/build/screenshots/$1.png"
}
keys()		# KEY...: as WebDriver calls them, pressed one after the other
{
	wd POST "/session/$session/actions" "$(jq -nc '{actions: [{type: "key", id: "k", actions: [$ARGS.positional[] |
		{type: "keyDown", value: .}, {type: "keyUp", value: .}]}]}' --args "$@")" >/dev/null
}
# until the script returns that, for 30 s
shows()		# CASE WANTED SCRIPT
{
	shows_n=0
	until shows_got=$(js "$3"); [ "$shows_got" = "$2" ] || [ $shows_n -ge 300 ]; do
		shows_n=$((shows_n + 1))
		sleep 0.1
	done
	same "$1" "$2" "$shows_got"
}
focus='const a = document.activeElement; return (a.id || a.textContent)'
tab=$(printf '\356\200\204') right=$(printf '\356\200\224') enter=$(printf '\356\200\207') escape=$(printf '\356\200\214')
# text that is harder to read than WCAG 2 AA wants, the first three
faint="const lum = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
		return .2126 * r + .7152 * g + .0722 * b };
	const rgb = t => t.match(/[0-9.]+/g).map(Number);
	const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
		if (c.length < 4 || c[3] === 1) return c.slice(0, 3) } return [255, 255, 255] };
	return [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() &&
		[...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).filter(e => {
		const [a, b] = [lum(rgb(getComputedStyle(e).color).slice(0, 3)), lum(ground(e))].sort((x, y) => y - x);
		return (a + .05) / (b + .05) < 4.5 }).slice(0, 3).map(e => e.className + ' ' + e.textContent).join(', ')"
# where the cell called $1 is
where="const at = n => [...document.querySelectorAll('.task')].filter(t => t.children[0].textContent === n)
	.map(t => t.closest('.node').querySelector('h3').textContent).join(' ');"
if ! command -v chromedriver >/dev/null; then
	skip "browser" "no chromedriver here"
else
	spawn driver.log chromedriver --port=$((port + 1))
	chrome=$spawned
	# which, ended by a signal, leaves its browser behind
	at_exit 'ours "$chrome" && curl -s -m 20 "$driver/shutdown" >/dev/null'
	wait_for 10 curl -fs "$driver/status"
	session=$(wd POST /session '{"capabilities":{"alwaysMatch":{"goog:loggingPrefs":{"browser":"ALL"},
		"goog:chromeOptions":{"args":["--headless=new","--no-sandbox","--disable-gpu",
		"--disable-dev-shm-usage","--hide-scrollbars","--window-size=1280,900"]}}}}' | jq -r .value.sessionId)
	wd POST "/session/$session/url" "{\"url\":\"$url/\"}" >/dev/null
	wait_for 10 sh -c "curl -s -X POST -H 'Content-Type: application/json' \
		-d '{\"script\":\"return document.querySelectorAll(\\\".task\\\").length\",\"args\":[]}' \
		$driver/session/$session/execute/sync | grep -q 16"
	same "the page has a cell for each task" 16 "$(js 'return document.querySelectorAll(".task").length')"
	same "columns, masters first" "master0 master1 master2 agents000000 agents000001 agents000002 agents000003" \
		"$(js 'return [...document.querySelectorAll(".node h3")].map(e => e.textContent).join(" ")')"
	same "the summary" "7 nodes · 3 services · 16 of 16 tasks running" "$(js 'return document.getElementById("summary").textContent')"
	same "it is live" live "$(js 'return document.getElementById("link").textContent')"
	same "web.3 is where it is" agents000002 "$(js "$where return at('web.3')")"
	cdp '{"cmd":"Emulation.setEmulatedMedia","params":{"features":[{"name":"prefers-color-scheme","value":"light"}]}}'
	same "what happened is on the page, the newest first" "agents000004 left the swarm" \
		"$(js 'return document.querySelector("#timeline li").textContent.slice(9)')"
	if [ -n "${ENGINE_INSIDE-}" ]; then
		shows "a node's plots, with their values" true "const d = [...document.querySelectorAll('.node')].find(n =>
			n.querySelector('h3').textContent === 'agents000001').querySelector('.plots');
			const cpu = parseInt(d.children[0].lastChild.textContent), line = d.querySelector('.line').getAttribute('d');
			return cpu >= 67 && cpu <= 83 && line.includes('L') && d.children.length === 3"
		same "none where nothing is known" true "$(js "return [...document.querySelectorAll('.node')].find(n =>
			n.querySelector('h3').textContent === 'agents000002').querySelector('.plots').children[0].hidden")"
		same "a task's processors" true "$(js "const t = [...document.querySelectorAll('.task')].find(t =>
			t.children[0].textContent === 'web.2').children[2].textContent; return t > 1 && t < 1.5")"
		same "a plot in words" true "$(js 'return [...document.querySelectorAll("svg")].filter(s => s.checkVisibility()).every(s =>
			s.getAttribute("role") === "img" && /^in ten minutes .* to /.test(s.getAttribute("aria-label")))')"
		js 'document.querySelectorAll(".node h3 button")[4].focus()' >/dev/null
		keys "$tab"
		same "by keyboard: from a node to its tasks" tool "$(js "$focus")"
		keys "$right"
		same "arrows go from task to task" web.2 "$(js "$focus")"
		keys "$enter"
		same "Enter opens one, and goes there" detail-head "$(js "$focus")"
		shows "with all of its past" true "const d = document.getElementById('detail');
			return d.checkVisibility() && d.querySelector('h2').textContent === 'web.2 on agents000001' &&
			d.querySelectorAll('.line')[0].getAttribute('d').includes('L')"
		shot monitor-detail
		keys "$escape"
		same "Escape closes it, and goes back" "web.2 true" "$(js "$focus + ' ' + document.getElementById('detail').hidden")"
		keys "$tab"
		same "Tab goes on to the next node" agents000002 "$(js "$focus")"
	fi
	same "every button and list has a name" '' "$(js 'return [...document.querySelectorAll("button, ol, section")].filter(e =>
		e.checkVisibility() && !e.textContent.trim() && !e.getAttribute("aria-labelledby")).map(e => e.outerHTML).join(" ")')"
	same "light: all of it can be read" '' "$(js "$faint")"
	shot monitor-light
	swarm 5 web.3=agents000004 web.5=x:pending agents000003=down
	n=0
	while [ "$(js "$where return at('web.3')")" != agents000004 ] && [ $n -lt 30 ]; do n=$((n + 1)); sleep 0.1; done
	shows "what happens is told politely" "agents000004 joined the swarm polite" "const l = document.getElementById('timeline'),
		t = l.children[0].textContent.slice(9); return t + ' ' + l.getAttribute('aria-live')"
	same "it moves by itself" agents000004 "$(js "$where return at('web.3')")"
	same "one that waits" "Not on any node" "$(js "$where return at('web.5')")"
	summary='8 nodes, 1 down · 3 services · 15 of 16 tasks running · short: web' n=0
	while [ "$(js 'return document.getElementById("summary").textContent')" != "$summary" ] && [ $n -lt 80 ]; do
		n=$((n + 1))
		sleep 0.1
	done
	same "the summary follows" "$summary" "$(js 'return document.getElementById("summary").textContent')"
	same "by keyboard: a service is pressed" "web.1 web.2 web.3 web.4 web.5 web.6 web.7 web.8" \
		"$(js 'document.querySelectorAll("#services button")[2].click();
		return [...document.querySelectorAll(".task.chosen")].map(t => t.children[0].textContent).sort().join(" ")')"
	js 'document.querySelectorAll("#services button")[2].click()' >/dev/null
	same "every cell says its state" 16 "$(js 'return [...document.querySelectorAll(".task")]
		.filter(t => /running|pending|preparing/.test(t.textContent)).length')"
	cdp '{"cmd":"Emulation.setEmulatedMedia","params":{"features":[{"name":"prefers-color-scheme","value":"dark"}]}}'
	same "dark is dark" "rgb(17, 22, 28)" "$(js 'return getComputedStyle(document.body).backgroundColor')"
	same "dark: all of it can be read" '' "$(js "$faint")"
	shot monitor-dark
	cdp '{"cmd":"Emulation.setDeviceMetricsOverride","params":{"width":360,"height":740,"deviceScaleFactor":1,"mobile":true}}'
	same "narrow: nothing sticks out" true "$(js 'return document.documentElement.scrollWidth <= 360')"
	shot monitor-narrow
	cdp '{"cmd":"Emulation.clearDeviceMetricsOverride","params":{}}'
	# after many changes the page is what a new one is
	: >sse
	spawn sse curl -sN -m 120 "$url/events"
	sse=$spawned
	wd POST "/session/$session/url" "{\"url\":\"$url/\"}" >/dev/null
	shows "the page, without what hands did" live 'return document.getElementById("link").textContent'
	js 'window.never_loaded_again = 1' >/dev/null
	n=0
	while read -r wishes; do
		# shellcheck disable=SC2086
		swarm $wishes
		# a service that comes, goes and comes again
		if [ $((n % 3)) -gt 0 ]; then
			jq '. + [.[0] | .ID = "zz" | .Spec.Name = "zz"]' fake/services.json >fake/more
			mv -f fake/more fake/services.json
		fi
		echo '{}' >>fake/events
		n=$((n + 1))
		sleep 1.15
	done <<-X
		5 web.3=agents000000
		5 web.3=agents000000 web.4=x:pending agents000002=drain
		5 agents000002=drain agents000003=down
		4 web.1=agents000003:preparing
		9 web=30
		9 web=30 web.11=agents000001 web.12=agents000001 web.7=agents000001:failed
		3 web=30
		3 web=2 agents000001=drain
		6 web=20 agents000001=down
		6 web=20 web.2=agents000005 web.3=agents000005 web.4=agents000005 web.20=agents000000
		7 web=20 web.2=agents000006:stopping web.3=agents000005:stopping
		7 web=12 agents000004=drain
		7 web=12 agents000004=down
		7 web=12 web.12=agents000000 web.1=agents000005
		7 web=12 web.12=agents000001 web.1=agents000004 web.5=x:pending
		7 web=12 web.12=agents000001 web.1=agents000004 web.5=x:pending agents000003=down agents000000=drain
	X
	dom='const walk = n => n.nodeType === 3 ? n.data : "\n<" + [n.localName, ...[...n.attributes].map(a =>
			a.name + "=" + a.value).sort()].join(" ") + ">" + [...n.childNodes].map(walk).join("");
		return document.title + walk(document.body)'
	live=$(wd GET "/session/$session/window" | jq -r .value)
	fresh=$(wd POST "/session/$session/window/new" '{"type":"tab"}' | jq -r .value.handle)
	n=0
	until [ $n -ge 15 ]; do
		n=$((n + 1))
		wd POST "/session/$session/window" "{\"handle\":\"$fresh\"}" >/dev/null
		wd POST "/session/$session/url" "{\"url\":\"$url/\"}" >/dev/null
		sleep 2.5
		js "$dom" >dom.fresh
		wd POST "/session/$session/window" "{\"handle\":\"$live\"}" >/dev/null
		js "$dom" >dom.live
		! cmp -s dom.fresh dom.live || break
	done
	wd POST "/session/$session/window" "{\"handle\":\"$fresh\"}" >/dev/null
	wd DELETE "/session/$session/window" >/dev/null
	wd POST "/session/$session/window" "{\"handle\":\"$live\"}" >/dev/null
	reap "$sse"
	same "after many changes the page is what a new one is" '' "$(diff dom.fresh dom.live | head -n 12)"
	check "and that has all of it" [ "$(grep -c '^<li.* class=task' dom.fresh)" -ge 20 ]
	same "it was never loaded again" 1 "$(js 'return window.never_loaded_again')"
	same "it was told the whole once" 1 "$(told state | wc -l)"
	check "and changes, ten at least" [ "$(told change | wc -l)" -ge 10 ]

	swarm 97 web=200
	shows "100 nodes" 100 'return document.querySelectorAll(".node").length'
	if [ -n "${ENGINE_INSIDE-}" ]; then
		: >sse
		spawn sse curl -sN -m 60 "$url/events"
		shows "all of them with plots but two" 98 'return [...document.querySelectorAll(".node > .plots")].filter(p => p.checkVisibility()).length'
		wait_for 30 sh -c '[ $(grep -c "^event: figures" sse) -ge 2 ]'
		reap "$spawned"
		n=$(told figures | tail -n 1 | wc -c)
		[ "$n" -lt 32768 ] && ok "a step of 100 nodes and 300 tasks: less than 32 KiB" ||
			not_ok "a step of 100 nodes and 300 tasks: less than 32 KiB" "$n bytes"
		echo "# a step of 100 nodes and 300 tasks: $n bytes, the state: $(told state | tail -n 1 | wc -c)"
	fi
	shot monitor-100
	swarm 5
	shows "and back" 8 'return document.querySelectorAll(".node").length'
	reap "$fake"
	n=0
	while [ "$(js 'return document.getElementById("trouble").hidden')" = true ] && [ $n -lt 80 ]; do n=$((n + 1)); sleep 0.1; done
	same "trouble is shown" "What you see may be old" \
		"$(js 'return document.getElementById("trouble").textContent' | cut -d: -f1)"
	same "no complaint of the browser" '[]' "$(wd POST "/session/$session/se/log" '{"type":"browser"}' | jq -c .value)"
	wd DELETE "/session/$session" >/dev/null
	reap "$chrome"
fi

engine_up
# ---- what a change costs a watcher ----

# the bytes of a change in which one task moves, of so many nodes
for size in 97 997; do
	swarm $size web=200
	becomes "$((size + 3)) nodes" 100 '.nodes | length' $((size + 3))
	: >sse
	spawn sse curl -sN -m 60 "$url/events"
	wait_for 10 grep -q '^event: state' sse
	swarm $size web=200 web.3=agents000009
	wait_for 10 grep -q '^event: change' sse
	n=$(told change | head -n 1 | wc -c)
	echo "# $((size + 3)) nodes: the whole is $(told state | wc -c) bytes, one task that moves $n"
	check "one task of $((size + 3)) nodes moves: less than 512 bytes" [ "$n" -lt 512 ]
	check "and more than none" [ "$n" -gt 100 ]
	reap "$spawned"
done

# One that takes a little of the whole now and then, while all of it changes:
# what it is told is one piece of news, however many there were.
anew()		# every row of many tasks
{
	python3 - fake "$1" <<-'X'
		import json, os, sys
		where, n = sys.argv[1], int(sys.argv[2])
		t = json.load(open(where + '/tasks.json'))[0]
		json.dump([{**t, 'ID': 'x%d' % i, 'Slot': n + i} for i in range(6000)], open(where + '/more', 'w'))
		os.rename(where + '/more', where + '/tasks.json')
	X
	echo '{}' >>fake/events
}
# what it has when it is at nothing: the least of two seconds
rss()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		awk '/^VmRSS/ { print $2 }' "/proc/$monitor/status"
		sleep 0.2
	done | sort -n | head -n 1
}
# what readings need by themselves
for n in 1 2 3 4 5 6; do
	anew $n
	becomes "6000 tasks" 100 '[.tasks[].slot] | [length, min]' "[6000,$n]"
done
# and what they need who are there for a step of figures
stepped()
{
	[ "$(curl -s "$url/api/figures" | jq .n)" -gt "$step" ]
}
step=$(($(curl -s "$url/api/figures" | jq .n) + 1))
wait_for 60 stepped || not_ok 'steps of figures' "still at $step"
before=$(rss)
spawn slow.log python3 -c '
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
while s.recv(2048):
    time.sleep(0.5)' "$port"
slow=$spawned
for n in 11 12 13 14 15 16 17 18; do
	anew $n
	becomes "all of them, anew" 100 '[.tasks[].slot] | min' "$n"
done
check "the slow one is still there" running "$slow"
# it holds one whole, of 900 KB, beside the newest; of all eight it would for minutes
fits()
{
	after=$(rss)
	[ "${after:-99999}" -lt $((before + 3072)) ]
}
for _ in 1 2 3 4 5 6 7 8 9 10; do
	! fits || break
done
fits && ok "a slow watcher makes no memory grow" ||
	not_ok "a slow watcher makes no memory grow" "$before KiB, then $after KiB"
echo "# 6000 tasks: $before KiB, with a slow watcher and eight changes of each $after KiB"
reap "$slow"


# ---- the end ----

spawn sse2 curl -sN -m 60 "$url/events"
wait_for 5 grep -q '^data: ' sse2
began=$(date +%s%3N)
kill -TERM "$monitor"
while running "$monitor" && [ $(($(date +%s%3N) - began)) -lt 60000 ]; do sleep 0.02; done
took=$(($(date +%s%3N) - began))
[ $took -le 4000 ] && ok "SIGTERM, with a watcher" || not_ok "SIGTERM, with a watcher" "$took ms"
wait "$monitor"; same "exit code" 0 $?
expect "an engine that is elsewhere" 2 'DOCKER_HOST "tcp://x:2375": expected unix://PATH' \
	env DOCKER_HOST=tcp://x:2375 "$AZSWARM" monitor

# ---- a real swarm ----

if ! engine_start; then
	skip "a real swarm" "$engine_why"
	exit
fi
version=$("$AZSWARM" version | sed -n 's/^azswarm //p')
"$AZSWARM" image -o - | docker load -q >/dev/null
expect "a swarm of one" 0 'is now a manager' docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377
expect "the monitor in a container of our image" 0 '^[0-9a-f]{64}$' docker run -d --name monitor --net host \
	-e PORT="$port" -v "$PWD/engine/docker.sock:/var/run/docker.sock" "azswarm:$version" monitor
becomes "it sees the node" 50 '[.nodes[] | [.role, .leader, .state]]' '[["manager",true,"ready"]]'
same "the engine's version" "\"$(docker version -f '{{.Server.Version}}')\"" "$(state '.nodes[0].engine')"
expect "a service" 0 '' docker service create -d --name web --replicas 2 --no-resolve-image "azswarm:$version" demo
becomes "its tasks run" 300 '.services[0] | [.name, .running, .desired]' '["web",2,2]'

# a real agent, as its unit has it: root without capabilities
reap "$agents"
secret=$(printf '%064d' 0)
jq -n --arg s "$secret" --arg dir "$PWD" '{role: "manager", masters: ["127.0.0.1"], helper_pin: $s, worker_secret: $s,
	manager_secret: ($s | sub("0"; "1")), default_addr_pool: "10.192.0.0/12", ingress_subnet: "10.208.0.0/20", mtu: 1400,
	docker_socket: ($dir + "/engine/docker.sock"), run_dir: ($dir + "/run"), state_dir: ($dir + "/state"), metadata_host: ""}' >node.json
chmod 600 node.json
spawn agent.log setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$AZSWARM" agent --config "$PWD/node.json"
agent=$spawned
figures() { curl -fsS -m 10 http://127.0.0.1:1338/figures | jq -c "$1"; }
check "a real agent answers" wait_for 10 curl -fs http://127.0.0.1:1338/figures
same "it has no capability" "CapEff:	0000000000000000" "$(grep CapEff "/proc/$agent/status")"
same "not for others than masters" 404 "$(curl -s -o out -w '%{http_code}' --interface 127.0.0.2 http://127.0.0.1:1338/figures)"
set -- $(docker ps -q --no-trunc -f label=com.docker.swarm.service.name=web)
busy=$1
(n=0; while [ $n -lt 40 ] && [ ! -e calm ]; do
	n=$((n + 1))
	nsenter -n -t "$(docker inspect -f '{{.State.Pid}}' "$busy")" curl -s -m 20 http://127.0.0.1:8000/compute/1000 >/dev/null
done) &
at=/api/figures
task=$(docker inspect -f '{{index .Config.Labels "com.docker.swarm.task.id"}}' "$busy")
idle=$(docker inspect -f '{{index .Config.Labels "com.docker.swarm.task.id"}}' "$2")
becomes "a task that computes is seen to, and its neighbour not" 400 \
	"[(.series[\"$task\"][0][0] > 150), (.series[\"$idle\"][0][0] < 100)]" '[true,true]'
# what the agent tells, between what the kernel says before and afterwards
group=$(find /sys/fs/cgroup -type d -name "*$busy*" | head -n 1)
usage() { sed -n 's/^usage_usec //p' "$group/cpu.stat"; }
stat_ms() { awk '/^cpu / { print 10 * ($2 + $3 + $4 + $7 + $8) }' /proc/stat; }
sleep 1.2
before="$(($(usage) / 1000)) $(stat_ms)"
n=$(figures "[(.containers[] | select(.id == \"$busy\") | .cpu_ms), .cpu_ms, ([.containers[].id] | length)]")
after="$(($(usage) / 1000)) $(stat_ms)"
same "it tells what the kernel does: of the task, of the machine" true \
	"$(jq -n --argjson n "$n" --argjson b "[$(echo "$before" | tr ' ' ,)]" --argjson a "[$(echo "$after" | tr ' ' ,)]" \
	'$b[0] <= $n[0] and $n[0] <= $a[0] and $b[1] <= $n[1] and $n[1] <= $a[1]')"
same "of all containers here" "$(docker ps -q | wc -l)" "$(echo "$n" | jq '.[2]')"
same "bytes of a task's own network, none of one in the machine's" '[true,false]' \
	"$(figures "[(.containers[] | select(.id == \"$busy\") | has(\"rx\")),
	(.containers[] | select(.id == \"$(docker inspect -f '{{.Id}}' monitor)\") | has(\"rx\"))]")"
touch calm
at=/api/state
expect "scaled" 0 '' docker service scale -d web=3
becomes "three of three" 200 '.services[0] | [.running, .desired]' '[3,3]'
expect "one that cannot work" 0 '' docker service create -d --name bad --restart-condition none --no-resolve-image "azswarm:$version" nonsense
becomes "says why" 200 '.services[] | select(.name == "bad") | [.running, .failure]' '[0,"task: non-zero exit (2)"]'
docker service rm web bad >/dev/null
becomes "gone" 200 '[(.services, .tasks) | length]' '[0,0]'
expect "docker stop is quick" 0 '' sh -c 'began=$(date +%s%3N); docker stop -t 30 monitor && [ $(($(date +%s%3N) - began)) -lt 20000 ]'
same "and clean" 0 "$(docker inspect -f '{{.State.ExitCode}}' monitor)"
