# The local Azure and a machine driver: what it is told and when, what follows
# from its failures, the metadata service in the machines' network, what is
# announced there, the load balancer's probes, and autoscale.  The driver is a
# script that writes down its calls; a machine is an address.
# time: 400
. "$SRCDIR/tests/lib.sh"
need curl jq ssh-keygen ip nsenter python3
need_root

cat >driver <<'END'
#!/bin/sh
# calls, a line each, and how many at once
echo "$1 $2" >>calls
case $1 in
up)	ip netns add "t-$2" 2>/dev/null
	ip -n "t-$2" link set lo up
	ip -n "t-$2" address replace 168.63.129.16/32 dev lo
	ip -n "t-$2" address replace 169.254.169.254/32 dev lo
	echo "starting the network" >&2
	echo "/run/netns/t-$2"
	exit ;;
down)	ip netns delete "t-$2"
	exit ;;
exec)	shift 4
	exec "$@" ;;
esac
[ ! -e "refuse-$1-$2" ] || { echo "first words"; echo "$2 will not $1: the disk is full"; exit 1; }
mkdir "at-work-$2" && ls -d at-work-* | wc -l >>at-once
sleep 0.4
rmdir "at-work-$2"
case $1 in
create)	ip -n "t-$(jq -r .net "$3/machine.json")" address replace \
		"$(jq -r .address "$3/machine.json")/32" dev lo ;;
status)	echo stopped ;;
esac
END
chmod +x driver

start()
{
	starts=$((${starts:-0} + 1))
	spawn emulator.$starts "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --machines "$PWD/driver"
	azure=$spawned
	wait_for 20 grep -q '^ready' emulator.$starts || { not_ok start "$(cat emulator.$starts)"; exit 1; }
	. ./azure/env
	base=$AZURE_RESOURCE_MANAGER_ENDPOINT S=/subscriptions/$AZURE_SUBSCRIPTION_ID ca=$SSL_CERT_FILE
	net=$(sed -n 's/^up //p' calls | tail -n 1)
}
at_exit 'ip netns delete "t-$net" 2>/dev/null'
c() { curl -sS -g --cacert "$ca" --noproxy '*' -m 60 "$@"; }
ask()		# METHOD PATH [CURL ARGUMENT...]
{
	m=$1 p=$2
	shift 2
	status=$(c -o body -D head -w '%{http_code}' -X "$m" -H "Authorization: Bearer $T" \
		-H 'Content-Type: application/json' "$@" "$base$p")
}
finish()
{
	url=$(sed -n 's/\r$//; s/^Azure-AsyncOperation: //Ip' head) n=0
	[ -n "$url" ] || url=$(sed -n 's/\r$//; s/^Location: //Ip' head)
	while n=$((n + 1)) && [ $n -lt 200 ]; do
		end=$(c -o poll -w '%{http_code}' -H "Authorization: Bearer $T" "$url")
		word=$(jq -r '.status // empty' poll 2>/dev/null)
		case $end$word in 202 | 200InProgress | 200Running | 200Accepted) sleep 0.2 ;; *) break ;; esac
	done
}
imds()		# ADDRESS PATH [CURL ARGUMENT...]: as the machine with that address
{
	i=$1 p=$2
	shift 2
	nsenter --net="/run/netns/t-$net" curl -sS -m 20 --noproxy '*' --interface "$i" \
		-H "${metadata-Metadata: true}" "$@" "http://169.254.169.254/metadata/$p"
}
events='scheduledevents?api-version=2020-07-01'
agree()		# ADDRESS: to all that is announced there
{
	imds "$1" "$events" | jq -c '{StartRequests:[.Events[]|select(.EventStatus=="Scheduled")|{EventId}]}' >agree
	grep -q EventId agree && imds "$1" "$events" -d @agree
}
calls() { grep -E "$1" calls | sort | tr '\n' ' ' | sed 's/ $//'; }

start
same "env: machines have the Docker of their root" distro "${DOCKER_CHANNEL-}"
T=$(c "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" --data-urlencode grant_type=client_credentials \
	--data-urlencode "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode scope=https://management.azure.com/.default | jq -r .access_token)
core=api-version=2021-04-01 compute=api-version=2024-07-01
ssh-keygen -q -t ed25519 -N '' -f id
ask PUT "$S/resourcegroups/g?$core" -d '{"location":"eastus"}'
D=$S/resourcegroups/g/providers/Microsoft.Resources/deployments/d
V=$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/agents
jq -n --slurpfile t "$SRCDIR/assets/arm/cluster.json" --arg key "$(cat id.pub)" \
	'{properties:{mode:"Incremental",template:$t[0],parameters:{namePrefix:{value:"unit"},
	adminPublicKey:{value:$key},masterCount:{value:3},agentCount:{value:5},
	masterCustomData:{value:"bWFzdGVy"},agentCustomData:{value:"YWdlbnQ="}}}}' >deployment.json

# ---- who may have a token ----

# A stranger of this machine: curl as another user, with the authority's file.
chmod 711 .
cp "$ca" stranger.pem
chmod 644 stranger.pem
: >body
chmod 666 body
stranger()	# CURL ARGUMENT...
{
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		curl -sS -g --cacert "$PWD/stranger.pem" --noproxy '*' -m 20 "$@"
}
entra=$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0
identity="$base/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
same 'a machine identity is for who started it' 200 \
	"$(c -o body -w '%{http_code}' -H Metadata:true "$identity")"
same 'and for no other user' '403 access_denied' \
	"$(stranger -o body -w '%{http_code} ' -H Metadata:true "$identity"; jq -r .error body)"
same 'nor for a machine, where it is not the metadata service' '403 access_denied' \
	"$(nsenter --net="/run/netns/t-$net" curl -sS -m 20 --noproxy '*' --cacert "$ca" -o body -w '%{http_code} ' \
		-H Metadata:true "https://168.63.129.16${identity#https://localhost}"; jq -r .error body)"

# what a federated token says nobody can check here
part() { printf '%s' "$1" | base64 -w0 | tr '+/' '-_' | tr -d '='; }
federated=$(part '{"alg":"RS256","typ":"JWT"}').$(part '{"iss":"https://somebody.example","sub":"anybody",
	"aud":"api://AzureADTokenExchange","exp":'$(($(date +%s) + 600))'}').$(part signature)
federate()	# COMMAND: its status and error
{
	"$1" -o body -w '%{http_code} ' "$entra/token" --data-urlencode grant_type=client_credentials \
		--data-urlencode "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_assertion=$federated" \
		--data-urlencode client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
		--data-urlencode scope=https://management.azure.com/.default
	jq -r '.error // .token_type' body
}
same 'a federated token is good for who started it' '200 Bearer' "$(federate c)"
same 'and for no other user' '401 invalid_client' "$(federate stranger)"

device()	# a code in $code, what is typed in $typed
{
	c -o body "$entra/devicecode" --data-urlencode "client_id=$AZURE_CLIENT_ID" \
		--data-urlencode scope=https://management.azure.com/.default
	code=$(jq -r .device_code body) typed=$(jq -r .user_code body)
}
answer()	# COMMAND [CURL ARGUMENT...]: what typing the code brings
{
	a=$1
	shift
	"$a" -o /dev/null -w '%{http_code}' "$AZURE_AUTHORITY_HOST/devicelogin" -d "user_code=$typed&answer=yes" "$@"
}
device
same 'another user consents to no device code' 403 "$(answer stranger)"
same 'nor with a secret that is none' 403 "$(answer stranger --data-urlencode secret=guessed)"
same "nor does somebody's page by the browser of the right one" 403 "$(answer c -H 'Sec-Fetch-Site: cross-site')"
same 'he does with the secret' 200 "$(answer stranger --data-urlencode "secret=$AZURE_CLIENT_SECRET")"
device
same 'who started it needs none' 200 "$(answer c)"
check 'the page asks another user for it' sh -c "$(
	printf '%s' "setpriv --reuid=65534 --regid=65534 --clear-groups curl -sS --cacert '$PWD/stranger.pem' \
	--noproxy '*' '$AZURE_AUTHORITY_HOST/devicelogin' | grep -q 'name=secret'")"

consent()	# COMMAND [CURL ARGUMENT...]: status of a yes to the browser's page
{
	a=$1
	shift
	"$a" -o /dev/null -w '%{http_code}' "$entra/authorize?client_id=$AZURE_CLIENT_ID&response_type=code&redirect_uri=http%3A%2F%2Flocalhost%3A1%2F&code_challenge_method=S256&code_challenge=x&scope=openid" -d answer=yes "$@"
}
same 'a browser of another user gets no code' 403 "$(consent stranger)"
same 'one with the secret does' 302 "$(consent stranger --data-urlencode "secret=$AZURE_CLIENT_SECRET")"
same 'that of who started it, too' 302 "$(consent c)"

# who closes at once is root to the kernel by the time it is looked at
device
cp azure/emulator.log before
cat >gone.py <<'X'
import os, socket, ssl, sys
port, typed, ca = int(sys.argv[1]), sys.argv[2], sys.argv[3]
body = 'user_code=%s&answer=yes' % typed
context = ssl.create_default_context(cafile=ca)
'x'.encode('idna')	# while its file can be read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
s = context.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='localhost')
s.sendall(('POST /devicelogin HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n'
	'Content-Type: application/x-www-form-urlencoded\r\n\r\n%s' % (len(body), body)).encode())
os.close(s.detach())
print('gone')
X
for i in 1 2 3 4 5; do python3 gone.py "${base##*:}" "$typed" "$PWD/stranger.pem"; done >gone
same 'a stranger asks and hangs up, five times' 5 "$(grep -c '^gone$' gone)"
took_up() { [ "$(grep -c 'POST /devicelogin ' azure/emulator.log)" -ge "$1" ]; }
check 'each is heard' wait_for 20 took_up $(($(grep -c 'POST /devicelogin ' before) + 5))
same 'hanging up makes nobody root' authorization_pending \
	"$(c "$entra/token" -d "grant_type=device_code&client_id=$AZURE_CLIENT_ID&device_code=$code" | jq -r .error)"

# ---- it fails, and then it does not ----

touch refuse-create-agents000001
ask PUT "$D?$core" -d @deployment.json
finish
same 'a driver that fails fails the deployment' Failed "$word"
same 'and its last line is the reason' \
	"The operation 'create' of VM 'agents000001' failed: agents000001 will not create: the disk is full" \
	"$(jq -r '.error.details[0].message|fromjson|.error.details[0].message' poll)"
ask GET "$V/virtualMachines?$compute"
same 'the others are there' '["Succeeded","Failed","Succeeded","Succeeded","Succeeded"]' \
	"$(jq -c '[.value[].properties.provisioningState]' body)"
same 'no more than four at once' 4 "$(sort -n at-once | tail -n 1)"
rm refuse-create-agents000001
ask POST "$V/delete?$compute" -d '{"instanceIds":["1"]}'
finish
ask PATCH "$V?$compute" -d '{"sku":{"name":"Standard_B2s_v2","tier":"Standard","capacity":2}}'
check 'those scaled in are told' wait_for 5 agree 10.77.16.8
finish
same 'scaled in' 'Succeeded ["0","2"]' \
	"$word $(ask GET "$V/virtualMachines?$compute"; jq -c '[.value[].instanceId]' body)"

# ---- what a driver is told ----

M=azure/machines/agents000000/machine.json
same 'about an agent' "agents000000 10.77.16.4 16 cluster YWdlbnQ= Standard_B2s_v2 eastus $PWD/azure/ca.pem" \
	"$(jq -r '"\(.name) \(.address) \(.prefix) \(.user) \(.customData) \(.size) \(.location) \(.ca)"' $M)"
same 'its key and image' "$(cat id.pub) ubuntu-24_04-lts" "$(jq -r '"\(.keys[0]) \(.image.offer)"' $M)"
same 'about a master' '10.77.0.11 bWFzdGVy' \
	"$(jq -r '"\(.address) \(.customData)"' azure/machines/master1/machine.json)"
same 'only root reads it' 600 "$(stat -c %a $M)"

# ---- metadata ----

same 'who am I' agents_0 "$(imds 10.77.16.4 'instance/compute/name?api-version=2021-12-13&format=text')"
same 'a master' master1 "$(imds 10.77.0.11 'instance?api-version=2021-12-13' | jq -r .compute.name)"
same 'a leaf must be text' 400 "$(imds 10.77.16.4 'instance/compute/name?api-version=2021-12-13' -o /dev/null -w '%{http_code}')"
same 'the header is a must' 400 "$(metadata=X:y imds 10.77.16.4 'instance?api-version=2021-12-13' -o /dev/null -w '%{http_code}')"
same 'no proxies' 400 "$(imds 10.77.16.4 'instance?api-version=2021-12-13' -H 'X-Forwarded-For: 1.2.3.4' -o /dev/null -w '%{http_code}')"
same 'no version' 400 "$(imds 10.77.16.4 instance -o /dev/null -w '%{http_code}')"
same 'a stranger' 404 "$(imds 127.0.0.1 'instance?api-version=2021-12-13' -o /dev/null -w '%{http_code}')"
same 'the platform answers inside, too' 200 "$(nsenter --net="/run/netns/t-$net" curl -sSk --noproxy '*' -o /dev/null \
	-w '%{http_code}' "https://168.63.129.16:${base##*:}/metadata/endpoints?api-version=2022-09-01")"

# ---- the end of an instance ----

ask POST "$V/delete?$compute" -d '{"instanceIds":["2"]}'
cp head head.delete
event_there() { [ "$(imds 10.77.16.4 "$events" | jq -r '.Events[0].Resources[0]')" = agents_2 ]; }
check 'all of the set are told' wait_for 5 event_there
same 'what it is' 'Scheduled Terminate VirtualMachine' \
	"$(imds 10.77.16.6 "$events" | jq -r '.Events[0]|"\(.EventStatus) \(.EventType) \(.ResourceType)"')"
same 'a master is not told' '[]' "$(imds 10.77.0.10 "$events" | jq -c .Events)"
same 'nothing happens before the answer' '' "$(calls '^delete agents000002')"
same 'an event that is not' 400 "$(imds 10.77.16.6 "$events" -d '{"StartRequests":[{"EventId":"x"}]}' -o /dev/null -w '%{http_code}')"
id=$(imds 10.77.16.6 "$events" | jq -r '.Events[0].EventId')
same 'the answer' 200 "$(imds 10.77.16.6 "$events" -d "{\"StartRequests\":[{\"EventId\":\"$id\"}]}" -o /dev/null -w '%{http_code}')"
cp head.delete head
finish
same 'then it goes' 'Succeeded delete agents000002 []' \
	"$word $(calls '^delete agents000002') $(imds 10.77.16.4 "$events" | jq -c .Events)"

# ---- the load balancer ----

# A machine on each address: it answers probes as ./answer-ADDRESS says, and
# says its address to whoever comes through the balancer.
cat >target.py <<'END'
import os, socket, struct, sys, threading, time
def serve(address, port):
    s = socket.create_server((address, port), backlog=64)
    while True:
        threading.Thread(target=one, args=(s.accept()[0], address, port), daemon=True).start()
def one(c, address, port):
    while port == 80:
        if not c.recv(4096):
            return
        c.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(address), address.encode()))
    with open('probes', 'a') as f:
        f.write('%.1f %s %s\n' % (time.monotonic(), address, c.getpeername()[0]))
    word = open('answer-' + address).read().strip()
    if word == 'silent':
        time.sleep(20)
    elif word == 'reset':
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    else:
        c.recv(4096)
        c.sendall(b'HTTP/1.1 %s X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' % word.encode())
    c.close()
def echo(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 5353))
    while True:
        text, who = s.recvfrom(2048)
        s.sendto(address.encode() + b' ' + text, who)
for a in sys.argv[1:]:
    threading.Thread(target=echo, args=(a,), daemon=True).start()
    for p in 80, 1338:
        threading.Thread(target=serve, args=(a, p), daemon=True).start()
time.sleep(600)
END
cat >flow.py <<'END'
import socket, sys, time
c = socket.create_connection((sys.argv[1], 80), timeout=30)
for i in 1, 2:
    c.sendall(b'GET / HTTP/1.1\r\n\r\n')
    print(c.recv(4096).decode().split()[-1], flush=True)
    while i == 1 and not __import__('os').path.exists('go'):
        time.sleep(0.1)
END
faults() { printf '%s' "$1" >faults.new && mv faults.new azure/faults.json; }
capacity() { ask PATCH "$V?$compute" -d "{\"sku\":{\"name\":\"Standard_B2s_v2\",\"tier\":\"Standard\",\"capacity\":$1}}"; }
logged() { grep -qE "$1" azure/emulator.log; }
answer() { echo "$2" >"answer-10.77.16.$1"; }
capacity 3
finish
ask GET "$S/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/agents-lb-ip?api-version=2024-05-01"
lb=$(jq -r .properties.ipAddress body)
hits() { for i in 1 2 3 4 5 6; do c -m 5 "http://$lb/" 2>/dev/null; echo; done | sed '/^$/d' | sort -u | sed 's/.*[.]//' | xargs; }
check 'nobody listens: it is said once' wait_for 8 logged 'probe healthz of 10.77.16.4: not up yet \(refused\)$'
same 'with all down nothing is let in' '' "$(hits)"
answer 4 200; answer 5 200; answer 6 503
spawn target.log nsenter --net="/run/netns/t-$net" python3 target.py 10.77.16.4 10.77.16.5 10.77.16.6
target=$spawned
begun=$(date +%s)
check 'two successes bring a new one up' wait_for 8 logged 'probe healthz of 10.77.16.4: up \(200\)$'
[ $(($(date +%s) - begun)) -ge 5 ] && ok 'which takes an interval' || not_ok 'which takes an interval' 'no time'
check 'also the second' wait_for 8 logged 'probe healthz of 10.77.16.5: up \(200\)$'
same 'connections go to those that are up' '4 5' "$(hits)"
same 'probes come from the platform' 168.63.129.16 "$(cut -d ' ' -f 3 probes | sort -u)"
before=$(wc -l <probes)
hits >/dev/null; hits >/dev/null
[ $(($(wc -l <probes) - before)) -le 3 ] && ok 'no connection asks for itself' ||
	not_ok 'no connection asks for itself' "$(($(wc -l <probes) - before)) probes"
answer 6 200
check 'the third comes' wait_for 8 logged 'probe healthz of 10.77.16.6: up'

L="$S/resourceGroups/g/providers/Microsoft.Network/loadBalancers/agents-lb"
when_all_are_down()	# AllProbedUp or AllProbedDown
{
	ask GET "$L?api-version=2024-05-01"
	jq --arg b "$1" 'del(.etag)|.properties.probes[0].properties.noHealthyBackendsBehavior=$b' body >lb.json
	ask PUT "$L?api-version=2024-05-01" -d @lb.json
	finish
}
when_all_are_down AllProbedDown
answer 5 503; answer 6 503
spawn flow.log python3 flow.py "$lb"	# to the only one that will be up
flow=$spawned
check 'another answer is enough' wait_for 7 logged 'probe healthz of 10.77.16.5: down \(answered 503\)$'
check 'for each' wait_for 7 logged 'probe healthz of 10.77.16.6: down \(answered 503\)$'
same 'they get nothing new' 4 "$(hits)"
answer 4 reset
check 'a reset is enough' wait_for 7 logged 'probe healthz of 10.77.16.4: down \((reset|closed|refused)\)$'
same 'all are down, nothing is let in' '' "$(hits)"
: >go
flow_ended() { [ "$(grep -c . flow.log)" = 2 ]; }
check 'a connection that was there goes on' wait_for 10 flow_ended
reap "$flow" || :
when_all_are_down AllProbedUp
same 'AllProbedUp: all are down, all get some' '4 5 6' "$(hits)"
up_again() { [ "$(grep -c "probe healthz of 10.77.16.$1: up" azure/emulator.log)" -ge 2 ]; }
answer 5 200
check 'one is up' wait_for 8 up_again 5
same 'then it gets all' 5 "$(hits)"
answer 5 silent
begun=$(date +%s)
check 'silence counts' wait_for 8 logged 'probe healthz of 10.77.16.5: down \(no answer\)$'
[ $(($(date +%s) - begun)) -ge 8 ] && ok 'to the threshold' || not_ok 'to the threshold' "$(($(date +%s) - begun)) s"

# a rule that comes while it runs, of UDP, and the security group behind it
G="$S/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/agents-nsg"
cat >datagrams.py <<'END'
import socket, sys
for texts in sys.argv[2:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(1)
    s.connect((sys.argv[1], 5353))
    for text in texts.split():
        try:
            s.send(text.encode())
            print(s.recv(2048).decode().split('.')[-1], end=', ')
        except OSError:
            print('-', end=', ')
END
udp()		# TEXTS...: what comes back, from a socket for each
{
	python3 datagrams.py "$lb" "$@"
}
group()		# JQ-CHANGE of the agents' rules
{
	ask GET "$G?api-version=2024-05-01"
	jq "del(.etag) | .properties.securityRules |= ($1)" body >group.json
	ask PUT "$G?api-version=2024-05-01" -d @group.json
	finish
}
answer 5 200; answer 6 503; answer 4 503
same 'UDP: no rule' '-, ' "$(udp a)"
ask GET "$L?api-version=2024-05-01"
jq 'del(.etag) | .properties.loadBalancingRules += [.properties.loadBalancingRules[0] * {name: "udp-5353", properties: {protocol: "Udp", frontendPort: 5353, backendPort: 5353}} |
	del(.id, .etag, .properties.enableTcpReset)]' body >lb.json
ask PUT "$L?api-version=2024-05-01" -d @lb.json
finish
sleep 1.5
same 'UDP: the security group lets nobody in' '-, ' "$(udp a)"
group '. + [{name: "tcp", properties: {priority: 1000, direction: "Inbound", access: "Allow", protocol: "Tcp", sourceAddressPrefix: "Internet", sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "5353"}}]'
sleep 1.5
same 'UDP: nor by a rule of TCP' '-, ' "$(udp a)"
group 'map(if .name == "tcp" then .properties.protocol = "Udp" else . end)'
check 'UDP: open' wait_for 8 logged 'public [0-9.]*:5353/udp: open$'
one_is_well() { [ "$(hits)" = 5 ]; }
check 'UDP: one is well' wait_for 20 one_is_well
same 'UDP: who asks again is answered by the same' '5 a, 5 b, 5 c, 5 d, ' "$(udp 'a b c' d)"
group 'map(select(.name != "tcp"))'
sleep 1.5
same 'UDP: and closed again' '-, ' "$(udp a)"
reap "$target" || :

# ---- what is announced ----

event()		# ADDRESS: type, source, status and machine of all it sees
{
	imds "$1" "$events" | jq -r '[.Events[]|"\(.EventType) \(.EventSource) \(.EventStatus) \(.Resources[0])"]|sort|join(", ")'
}
sees() { [ "$(event "$1")" = "$2" ]; }
number() { imds 10.77.16.4 "$events" | jq .DocumentIncarnation; }
set -- $(ask GET "$V/virtualMachines?$compute"; jq -r '.value[].name' body)
two=$2 three=$3 two_id=${2#agents_} three_id=${3#agents_}
faults '[{"notice_s":8}]'
: >calls
begun=$(date +%s)
ask POST "$V/virtualMachines/$two_id/restart?$compute"
finish
same 'who never asked is restarted at once' '' "$([ $(($(date +%s) - begun)) -lt 6 ] || echo late)"
imds 10.77.16.5 "$events" >/dev/null
old=$(number)
: >calls
ask POST "$V/virtualMachines/$two_id/restart?$compute"
check 'who listens is told' wait_for 5 sees 10.77.16.5 "Reboot User Scheduled $two"
same 'so are all of the set' "Reboot User Scheduled $two" "$(event 10.77.16.4)"
same 'but no master' '' "$(event 10.77.0.10)"
[ "$(number)" -gt "$old" ] && ok 'the document has a new number' || not_ok 'the document has a new number' "$old"
old=$(number)
when=$(imds 10.77.16.4 "$events" | jq -r '.Events[0].NotBefore')
case $when in [MTWFS]??,\ ??\ ???\ 20??\ ??:??:??\ GMT) ok 'its time is a date' ;; *) not_ok 'its time is a date' "$when" ;; esac
left=$(($(date -d "$when" +%s) - $(date +%s)))
[ $left -ge 3 ] && [ $left -le 8 ] && ok 'in so many seconds' || not_ok 'in so many seconds' "$left"
same 'nothing has happened' '' "$(calls '^restart')"
cp head head.restart
agree 10.77.16.5
cp head.restart head
finish
same 'approved, it is done' 'Succeeded restart' "$word $(calls '^restart' | cut -d ' ' -f 1)"
same 'then it is over' '' "$(event 10.77.16.5)"
[ "$(number)" -gt "$old" ] && ok 'which is a new number, too' || not_ok 'which is a new number, too' "$old"
begun=$(date +%s)
ask POST "$V/virtualMachines/$two_id/redeploy?$compute"
check 'redeploy' wait_for 5 sees 10.77.16.4 "Redeploy User Scheduled $two"
finish
took=$(($(date +%s) - begun))
[ $took -ge 7 ] && [ $took -le 20 ] && ok 'nobody approves: it waits for its time' || not_ok 'nobody approves: it waits for its time' "$took s"

plan() { printf '%s' "$1" >plan.new && mv plan.new azure/maintenance.json; }
: >calls
plan "[{\"machine\":\"$two\",\"type\":\"Reboot\",\"notice_s\":300},{\"machine\":\"$three\",\"type\":\"Freeze\",\"notice_s\":300}]"
check 'maintenance, two at once' wait_for 5 sees 10.77.16.5 "Freeze Platform Scheduled $three, Reboot Platform Scheduled $two"
agree 10.77.16.6
check 'each takes its course' wait_for 5 sees 10.77.16.5 "Freeze Platform Started $three, Reboot Platform Started $two"
# one may be over meanwhile
check 'which has no time any more' sh -c 'printf "%s\n" "$1" | jq -e "length > 0 and all(.[]; . == \"\")"' sh \
	"$(imds 10.77.16.5 "$events" | jq -c '[.Events[].NotBefore]')"
check 'and ends' wait_for 8 sees 10.77.16.5 ''
same 'one was restarted' 1 "$(grep -c '^restart' calls)"
sleep 2
same 'once' '' "$(event 10.77.16.5)"
plan "[{\"machine\":\"$two\",\"type\":\"Redeploy\"}]"
check 'another' wait_for 5 sees 10.77.16.5 "Redeploy Platform Scheduled $two"
plan '[]'
check 'is cancelled' wait_for 5 sees 10.77.16.5 ''
sleep 9
same 'and does not happen' 1 "$(grep -c '^restart' calls)"
rm azure/maintenance.json

# a deletion nobody listens to
begun=$(date +%s)
ask POST "$V/delete?$compute" -d "{\"instanceIds\":[\"$three_id\"]}"
finish
took=$(($(date +%s) - begun))
[ $took -ge 7 ] && [ $took -le 20 ] && ok 'a deletion waits for its time' || not_ok 'a deletion waits for its time' "$took s"
faults '[{"notice_s":60},{"heard_only":true}]'
capacity 3
finish
fresh=$(ask GET "$V/virtualMachines?$compute"; jq -r '.value[-1].instanceId' body)
begun=$(date +%s)
ask POST "$V/delete?$compute" -d "{\"instanceIds\":[\"$fresh\"]}"
finish
same 'or not, when it never asked and that is set' '' "$([ $(($(date +%s) - begun)) -lt 20 ] || echo late)"

# ---- eviction ----

ask POST "$V/virtualMachines/$two_id/simulateEviction?$compute"
same 'only Spot is evicted' '409 OperationNotAllowed' "$status $(jq -r .error.code body)"
ask PATCH "$V?$compute" -d '{"properties":{"virtualMachineProfile":{"priority":"Spot","evictionPolicy":"Deallocate"}}}'
finish
faults '[{"notice_s":8}]'
: >calls
ask POST "$V/virtualMachines/$two_id/simulateEviction?$compute"
same 'an eviction' '204 0' "$status $(wc -c <body)"
check 'is announced' wait_for 5 sees 10.77.16.4 "Preempt Platform Scheduled $two"
same 'not carried out' '' "$(calls '^deallocate')"
deallocated() { ask GET "$V/virtualMachines/$two_id/instanceView?$compute"; grep -q PowerState/deallocated body; }
check 'then it is off' wait_for 8 deallocated
check 'and nothing is announced' wait_for 5 sees 10.77.16.4 ''
ask POST "$V/virtualMachines/$two_id/start?$compute"
finish
ask PATCH "$V?$compute" -d '{"properties":{"virtualMachineProfile":{"priority":"Spot","evictionPolicy":"Delete"}}}'
finish
ask POST "$V/virtualMachines/$two_id/simulateEviction?$compute"
check 'the other policy' wait_for 5 sees 10.77.16.4 "Preempt Platform Scheduled $two"
agree 10.77.16.4
evicted() { ask GET "$V?$compute"; [ "$(jq .sku.capacity body)" = 1 ]; }
check 'deletes it, and its set is smaller' wait_for 8 evicted
ask PATCH "$V?$compute" -d '{"properties":{"virtualMachineProfile":{"priority":"Regular"}}}'
finish
# one that a file plans wants no Spot
capacity 2
finish
last=$(ask GET "$V/virtualMachines?$compute"; jq -r '.value[-1].name' body)
: >calls
plan "[{\"machine\":\"$last\",\"type\":\"Preempt\",\"notice_s\":300}]"
check 'one that is planned' wait_for 5 sees 10.77.16.4 "Preempt Platform Scheduled $last"
plan '[]'
check 'is cancelled, too' wait_for 5 sees 10.77.16.4 ''
sleep 2
same 'and does not happen, either' '' "$(calls '^de')"
plan "[{\"machine\":\"$last\",\"type\":\"Preempt\",\"notice_s\":300}]"
check 'again' wait_for 5 sees 10.77.16.4 "Preempt Platform Scheduled $last"
agree 10.77.16.4
check 'approved, it is deleted' wait_for 8 evicted
same 'that one' '' "$(ask GET "$V/virtualMachines?$compute"; jq -r '.value[].name' body | grep -x "$last")"
rm azure/maintenance.json

# ---- autoscale ----

AS="$S/resourceGroups/g/providers/microsoft.insights/autoscalesettings/agents-autoscale?api-version=2022-10-01"
jq --arg v "$V" '.resources[]|select(.type=="Microsoft.Insights/autoscalesettings")
	|{location:"eastus",properties:{enabled:true,targetResourceUri:$v,profiles:.properties.profiles}}
	|.properties.profiles[0].capacity={minimum:"1",default:"2",maximum:"3"}
	|.properties.profiles[0].rules[].metricTrigger|=(.metricResourceUri=$v
		|.threshold=(if .operator=="GreaterThan" then 50 else 25 end))' "$SRCDIR/assets/arm/cluster.json" >setting.json
ask PUT "$AS" -d @setting.json
same 'an autoscale setting' 201 "$status"
is() { ask GET "$V?$compute"; [ "$(jq -r '"\(.sku.capacity) \(.properties.provisioningState)"' body)" = "$1 Succeeded" ]; }
sleep 3
check 'without numbers asked for, autoscale rests' is 1
printf 'speed 60\n' >azure/cpu
check 'no numbers: up to the default' wait_for 10 is 2
printf '80\nspeed 60\n' >azure/cpu
check 'too much: one more' wait_for 10 is 3
sleep 8
check 'no more than the maximum' is 3
newest=$(ask GET "$V/virtualMachines?$compute"; jq -r '.value[-1].name' body)
faults '[{"notice_s":60}]'
: >calls
printf '10\nspeed 60\n' >azure/cpu
check 'too little: the newest is told' wait_for 10 sees 10.77.16.4 "Terminate User Scheduled $newest"
same 'and still there' '' "$(calls '^delete')"
printf '30\nspeed 60\n' >azure/cpu
agree 10.77.16.6
check 'it agrees, and goes' wait_for 10 is 2
jq '.properties.enabled=false' setting.json >off.json
ask PUT "$AS" -d @off.json
printf '80\nspeed 60\n' >azure/cpu
sleep 8
check 'switched off, it does nothing' is 2
rm azure/cpu
check 'what it did is in the log' logged 'autoscale agents-autoscale: from 2 to 3, 80.0 % CPU is more than it should be$'

# ---- a new model ----

second=$(ask GET "$V/virtualMachines?$compute"; jq -r '.value[-1].instanceId' body)
ask GET "$V?$compute"
jq 'del(.etag)|.properties.virtualMachineProfile.osProfile.customData="bmV3"
	|.properties.virtualMachineProfile.osProfile.linuxConfiguration.ssh.publicKeys[0].keyData+=" new"
	|.properties.virtualMachineProfile.scheduledEventsProfile.terminateNotificationProfile.enable=false' body >model.json
ask PUT "$V?$compute" -d @model.json
finish
data() { jq -r '"\(.customData) \(.keys[0]|split(" ")|last)"' azure/machines/agents000000/machine.json; }
old=$(data)
latest() { ask GET "$V/virtualMachines/$1?$compute"; jq -r .properties.latestModelApplied body; }
ask POST "$V/virtualMachines/0/reimage?$compute"
finish
same 'reimaged, it is what it was' "Succeeded $old false" "$word $(data) $(latest 0)"
ask POST "$V/manualupgrade?$compute" -d '{"instanceIds":["0"]}'
finish
same 'upgraded, its disk is what it was' "$old true" "$(data) $(latest 0)"
ask POST "$V/virtualMachines/0/reimage?$compute"
finish
same 'reimaged, it has the new model' 'bmV3 new true' "$(data) $(latest 0)"
same 'the other has not' false "$(latest "$second")"
ask POST "$V/delete?$compute" -d "{\"instanceIds\":[\"$second\"]}"
check 'its old model wants to be told of its end' wait_for 5 agree 10.77.16.5
finish
rm azure/faults.json

# ---- commands, power, a cancelled deployment ----

W=$S/resourceGroups/g/providers/Microsoft.Compute/virtualMachines
ask POST "$W/master0/runCommand?$compute" -d '{"commandId":"RunShellScript","script":["echo one","echo two"]}'
finish
same 'a command' 'Enable succeeded: |[stdout]|one|two||[stderr]|' \
	"$(jq -r '.properties.output.value[0].message' poll | tr '\n' '|' | sed 's/|$//')"
touch refuse-stop-master0
ask POST "$W/master0/powerOff?$compute"
finish
same 'a machine that will not stop' 'Failed VMActionFailed' "$word $(jq -r .error.code poll)"
: >calls
ask POST "$W/master0/powerOff?$compute&skipShutdown=true"
finish
same 'without a shutdown its power is cut' 'Succeeded cut master0' "$word $(calls .)"
ask POST "$W/master0/start?$compute"
finish
: >calls
ask POST "$W/master0/powerOff?$compute&skipShutdown=false"
finish
same 'with one it is not' 'Failed stop master0' "$word $(calls '^[^s]*stop')"
rm refuse-stop-master0
ask POST "$W/master0/start?$compute"
finish
jq '.properties.parameters.agentCount.value=4' deployment.json >four.json
ask PUT "$D?$core" -d @four.json
cp head head.put
ask POST "$D/cancel?$core"
same 'cancel' 204 "$status"
cp head.put head
finish
same 'a deployment cancelled' Canceled "$word"
ask POST "$D/cancel?$core"
same 'not twice' '409 DeploymentCannotBeCancelled' "$status $(jq -r .error.code body)"
ask DELETE "$D?$core"
finish
same 'a deployment forgotten' 204 "$end"

# ---- a restart ----

ask POST "$W/master2/deallocate?$compute"
finish
: >calls
reap "$azure"
same 'the end of the network' "down $net" "$(calls .)"
: >calls
start
all_started() { [ "$(calls '^start')" = 'start agents000000 start master0 start master1' ]; }
check 'what ran runs again, what was off stays off' wait_for 20 all_started
same 'nothing else' "up $net" "$(calls '^[^s]')"

# ---- the end ----

touch refuse-delete-master1
ask DELETE "$S/resourcegroups/g?$core"
finish
same 'a machine that will not go blocks its group' '409 ResourceGroupDeletionBlocked master1 will not delete' \
	"$end $(jq -r '.Error|"\(.Code) \(.Details[0].Message|capture("(?<x>master1 will not delete)").x)"' poll)"
ask GET "$S/resourcegroups/g?$core"
same 'which is as it was' Succeeded "$(jq -r .properties.provisioningState body)"
rm refuse-delete-master1
ask DELETE "$S/resourcegroups/g?$core"
finish
same 'gone' '200 0' "$end $(ls azure/machines | wc -l)"
reap "$azure"
same 'and nothing is left' '' "$(ip netns list | grep "t-$net")"

# ---- what this host has already ----

# A host of its own, whose sshd is on every address.
host=h$$
hosted()	# COMMAND...: there
{
	nsenter --net="/run/netns/$host" env "$@"
}
cat >server.py <<'END'
import socket, sys, time
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    c = s.accept()[0]
    c.sendall(b"SSH-2.0-" + sys.argv[3].encode() + b"\r\n")
    print("somebody came", flush=True)
END
start_there()	# OUT
{
	spawn "$1" nsenter --net="/run/netns/$host" "$AZSWARM" emulator --listen 127.0.0.1:0 --dir there \
		--machines "$PWD/driver"
	azure=$spawned
	wait_for 20 grep -q '^ready' "$1" || { not_ok "$1" "$(cat "$1")"; exit 1; }
	. ./there/env
	base=$AZURE_RESOURCE_MANAGER_ENDPOINT S=/subscriptions/$AZURE_SUBSCRIPTION_ID ca=$SSL_CERT_FILE
	net=$(sed -n 's/^up //p' calls | tail -n 1)
}
c() { hosted curl -sS -g --cacert "$ca" --noproxy '*' -m 60 "$@"; }
address()	# NAME: of a new public address
{
	ask PUT "$S/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/$1?api-version=2024-05-01" \
		-d '{"location":"eastus","sku":{"name":"Standard"},"properties":{"publicIPAllocationMethod":"Static"}}'
	jq -r .properties.ipAddress body
}
next()		# ADDRESS: the one behind it
{
	echo "$1" | awk -F. -v OFS=. '{ n = $3 * 256 + $4 + 1
		while (n % 256 < 4 || n % 256 == 255) n++
		print $1, $2, int(n / 256) % 256, n % 256 }'
}
same 'here port 22 of public addresses is ours' 22 "$SSH_PORT"
ip netns add "$host" && ip -n "$host" link set lo up
at_exit 'ip netns delete "$host" 2>/dev/null'
at_exit 'ip netns delete "t-$net" 2>/dev/null'
spawn sshd.log nsenter --net="/run/netns/$host" python3 server.py 0.0.0.0 22 host
wait_for 10 hosted sh -c 'ss -ltn | grep -q "0.0.0.0:22 "'
start_there there.out
check "a host that has port 22 everywhere: ssh is another" \
	grep -qF "ssh to machines is port 2022 (SSH_PORT in $PWD/there/env)" there.out
same 'which the environment says' 2022 "$SSH_PORT"
mkdir cluster
(
	cd cluster || exit
	hosted "$AZSWARM" keys && hosted "$AZSWARM" deploy-storage && hosted "$AZSWARM" params &&
		hosted "$AZSWARM" deploy-compute --no-wait && hosted "$AZSWARM" view-deployment --watch
) >deploy.log 2>&1 || not_ok 'a cluster there' "$(tail -n 3 deploy.log)"
master=$(cd cluster && hosted "$AZSWARM" list-endpoints --output tsv | grep -o '127\.77\.[0-9.]*' | head -n 1)
spawn machine.log nsenter --net="/run/netns/t-$net" python3 server.py 10.77.0.10 22 machine
banner()	# PORT: who answers at the master's public address
{
	hosted sh -c 'exec 3<>/dev/null; timeout 5 python3 -c "
import socket, sys
print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).recv(99).decode().strip())" "$@"' - "$master" "$1"
}
is_machine() { [ "$(banner 2022)" = SSH-2.0-machine ]; }
check 'the machine is behind it' wait_for 20 is_machine
same 'and the host behind the other' SSH-2.0-host "$(banner 22)"
before=$(grep -c came machine.log) others=$(grep -c came sshd.log)
(cd cluster && hosted timeout 60 "$AZSWARM" ssh master0 true >../ssh.log 2>&1)
[ "$(grep -c came machine.log)" -gt "$before" ] && ok 'ssh goes there' || not_ok 'ssh goes there' "$(cat ssh.log)"
same 'and not to the host' "$others" "$(grep -c came sshd.log)"

# Another local Azure's address, by what it listens on.
T=$(c "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials \
	-d "client_id=$AZURE_CLIENT_ID" --data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=$base/.default" | jq -r .access_token)
ask PUT "$S/resourcegroups/g?api-version=2024-11-01" -d '{"location":"eastus"}'
one=$(address one)
two=$(next "$one")
spawn other.log nsenter --net="/run/netns/$host" python3 server.py "$two" 7770 other
wait_for 10 hosted sh -c "ss -ltn | grep -qF '$two:7770 '"
same 'an address that another one has is not given out' "$(next "$two")" "$(address two)"
reap "$azure"
spawn other.log nsenter --net="/run/netns/$host" python3 server.py "$one" 7770 other
wait_for 10 hosted sh -c "ss -ltn | grep -qF '$one:7770 '"
start_there again.out
check 'one that another has taken meanwhile is told' \
	grep -qxF "public address $one is another local Azure's now: what is behind ours cannot be reached" again.out
same 'and no other' 1 "$(grep -c "another local Azure's now" again.out)"
reap "$azure"
