# doctor, held against what it looks at: everything is well, then one thing after
# the other is not, and the line names it and what mends it.  On paper all that
# Azure tells; on real machines what they and the ways between them tell.
# time: 400
# alone: machines
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
need jq openssl

doctor()	# CASE STATUS [ARGUMENTS...]: lines in ./lines as verdict|layer name|fact|mend
{
	doctor_case=$1 doctor_status=$2 doctor_got=0
	shift 2
	"$AZSWARM" doctor --output json "$@" >json 2>talk </dev/null || doctor_got=$?
	jq -r '.[] | "\(.verdict)|\(.layer) \(.name)|\(.fact)|\(.mend)"' json >lines ||
		not_ok "$doctor_case" 'no JSON'
	same "$doctor_case: exit code" "$doctor_status" "$doctor_got"
	grep -v '^ok|' lines >bad || :
}

line()		# CASE ERE: of all lines
{
	if grep -qE -e "$2" lines; then
		ok "$1"
	else
		not_ok "$1" "no $2 in: $(tr '\n' ';' <bad | cut -c 1-600)"
	fi
}

only()		# CASE N: so many lines are not ok
{
	same "$1: nothing else" "$2" "$(grep -c . bad)"
}

# ---- on paper ----

export XDG_CACHE_HOME="$PWD/cache"
mkdir paper
cd paper || exit 1
azure()		# [ARGUMENT...]: a local Azure, new or again
{
	azure_n=$((${azure_n:-0} + 1))
	spawn azure.$azure_n "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0 --record "$PWD/record" "$@"
	azure_at=$spawned
	wait_for 20 grep -q '^ready ' azure.$azure_n || {
		not_ok start "$(cat azure.$azure_n)"
		exit 1
	}
	. ./azure/env
}

faulty()	# CASE STATUS N REQUEST BODY: the answer to REQUEST is BODY
{
	jq -n --arg r "$4" --arg b "$5" '[{name: "on purpose", request: $r, status: 200, body: $b}]' >new
	mv new azure/faults.json
	doctor "$1" "$2"
	only "$1" "$3"
	rm azure/faults.json
}

azure
"$AZSWARM" keys >out 2>&1
doctor 'nothing is deployed' 0
only 'nothing is deployed' 0
line 'nothing is deployed: that is well' '^ok\|machines machines\|nothing is deployed'
for name in 'network clock' 'sign-in credential' 'sign-in subscription' 'role permissions' \
    'providers Microsoft.Compute' 'providers Microsoft.Insights' 'quota size Standard_B2s_v2' \
    'quota cores' 'quota IPv4StandardSkuPublicIpAddresses' 'names storage account [a-z0-9]*' \
    'names DNS label swarm-cluster-agents-lb'; do
	line "there is a line of $name" "^ok\\|$name\\|."
done
line 'cores: now, and at the most' '^ok\|quota cores\|0 of 100 in use, 8 more wanted, 12 at MAX_AGENT_COUNT=5\|'
line 'addresses: a master and the balancer' '^ok\|quota PublicIPAddresses\|0 of 1000 in use, 2 more wanted'
same 'a mend only where something is to be mended' '' "$(grep '^ok|' lines | grep -v '|$')"
jq -r 'select(.requestHeaders["User-Agent"] == "azswarm") | "\(.method) \(.url)"' record |
	sed 's/^\([A-Z]*\) .*\/\([A-Za-z]*\)?.*/\1 \2/; s/^\(POST\) .*token$/\1 token/' | sort -u >asked
check 'much was asked' test "$(grep -c '^GET' asked)" -gt 8
same 'nothing else than GET, a token, and whether a name is free' 'POST checkNameAvailability POST token' \
	"$(grep -v '^GET ' asked | xargs)"
expect 'for people: lines and a sum' 0 '^ok +role +permissions: all [0-9]+ actions' "$AZSWARM" doctor
check 'for people: the sum' grep -qE '^[0-9]+ ok, 0 to be warned of, 0 wrong, 0 not asked; [0-9.]+ s$' out

# the way to Azure
AZURE_AUTHORITY_HOST=https://nowhere.invalid doctor 'a name that is none' 1
line 'a name that is none' '^wrong\|network name nowhere.invalid\|cannot resolve nowhere.invalid.*\|.*resolv.conf'
line 'and then: no sign-in' '^wrong\|sign-in credential\|.*nowhere.invalid'
line 'what is behind that is not asked' '^skipped\|quota quota\|not asked: the sign-in is wrong\|$'
openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out other.pem -days 3 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost 2>/dev/null
SSL_CERT_FILE=$PWD/other.pem doctor 'an issuer that is not known' 1
line 'an issuer that is not known' '^wrong\|network TLS localhost\|.*(unknown issuer|not trusted).*\|.*SSL_CERT_FILE'
spawn s_server openssl s_server -accept 127.0.0.1:4433 -cert other.pem -key k.pem -quiet
wait_for 10 sh -c 'openssl s_client -connect 127.0.0.1:4433 </dev/null 2>&1 | grep -q BEGIN'
cat azure/ca.pem other.pem >both.pem
SSL_CERT_FILE=$PWD/both.pem AZURE_AUTHORITY_HOST=https://localhost:4433 doctor 'a certificate that ends' 1
line 'a certificate that ends' '^warning\|network TLS localhost\|certificate of CN=localhost, good for 2 days'
HTTPS_PROXY=http://127.0.0.1:1 NO_PROXY='<-loopback>' doctor 'a proxy that does not answer' 1
line 'a proxy that does not answer' '^wrong\|network proxy\|127.0.0.1:1: cannot connect.*\|another HTTPS_PROXY'
AZURE_CLOUD=AzureNowhere AZURE_RESOURCE_MANAGER_ENDPOINT='' AZURE_AUTHORITY_HOST='' doctor 'no such cloud' 1
line 'no such cloud' '^wrong\|network endpoints\|AZURE_CLOUD="AzureNowhere"'
line 'no such cloud: nothing else is asked' '^skipped\|sign-in sign-in\|not asked: the endpoints are not known'
for ago in 120:warning:0 4000:wrong:1; do
	back=${ago%%:*} word=${ago#*:}
	printf '[{"name":"on purpose","request":"GET */metadata/endpoints*","raw":"HTTP/1.1 200 OK\\r\\nDate: %s\\r\\nContent-Length: 2\\r\\n\\r\\n{}"}]' \
		"$(LC_ALL=C TZ=GMT date -d "-$back seconds" '+%a, %d %b %Y %H:%M:%S GMT')" >azure/faults.json
	doctor "a clock that is $back s ahead" "${word#*:}"
	line "a clock that is $back s ahead" "^${word%:*}\\|network clock\\|$(echo "$back" | cut -c 1-2)[0-9]* s ahead of Azure's\\|set the clock"
	rm azure/faults.json
done

# who we are, and may do
XDG_CACHE_HOME=$PWD/none AZURE_CLIENT_SECRET=wrong doctor 'a secret that is none' 1
line 'a secret that is none' '^wrong\|sign-in credential\|.*AADSTS7000215.*\|.*azswarm login'
faulty 'a subscription that is off' 1 1 "GET /subscriptions/$AZURE_SUBSCRIPTION_ID?*" \
	'{"subscriptionId":"x","displayName":"S","state":"Disabled"}'
line 'a subscription that is off' '^wrong\|sign-in subscription\|.*is Disabled\|its owner enables it'
rights='GET /subscriptions/*/providers/Microsoft.Authorization/permissions*'
faulty 'a reader' 1 1 "$rights" '{"value":[{"actions":["*/read"],"notActions":[]}]}'
line 'a reader' '^wrong\|role permissions\|[0-9]+ of [0-9]+ actions are not permitted: Microsoft.Compute/availabilitySets/write, .*\.\.\.\|.*azswarm role'
faulty 'one action that is not' 1 1 "$rights" \
	'{"value":[{"actions":["*"],"notActions":["Microsoft.Compute/*/delete/action"]}]}'
line 'one action that is not' '^wrong\|role permissions\|1 of [0-9]+ .*: Microsoft.Compute/virtualMachineScaleSets/delete/action\|'
faulty 'a provider' 0 1 'GET *providers/Microsoft.Insights?*' '{"registrationState":"NotRegistered"}'
line 'a provider' '^warning\|providers Microsoft.Insights\|NotRegistered\|.*registers it'

# what there is room for
doctor 'a size that is none' 1 --agent-size Standard_X9
line 'a size that is none' '^wrong\|quota size Standard_X9\|not offered in eastus\|.*azswarm sizes'
doctor 'a size that one may not have' 1 --agent-size Standard_B2s
line 'a size that one may not have' '^wrong\|quota size Standard_B2s\|NotAvailableForSubscription'
doctor 'a size of another architecture' 1 --master-size Standard_B2pls_v2
line 'a size of another architecture' '^wrong\|quota size Standard_B2pls_v2\|Arm64, and'
network='GET *Microsoft.Network/locations/*/usages*'
usage='{"value":[{"unit":"Count","currentValue":9,"limit":10,"name":{"value":"%s","localizedValue":"x"}}]}'
faulty 'too few addresses' 1 1 "$network" "$(printf "$usage" IPv4StandardSkuPublicIpAddresses)"
line 'too few addresses' '^wrong\|quota IPv4StandardSkuPublicIpAddresses\|9 of 10 in use, 2 more wanted.*\|.*portal, Quotas'
faulty 'addresses of another kind' 0 1 "$network" "$(printf "$usage" IPv4BasicSkuPublicIpAddresses)"
line 'addresses of another kind' '^skipped\|quota public addresses\|Azure names no quota'
faulty 'too few cores' 1 1 'GET *Microsoft.Compute/locations/*/usages*' "$(printf "$usage" cores)"
line 'too few cores' '^wrong\|quota cores\|9 of 10 in use, 8 more wanted'
faulty 'too few cores of the family' 1 1 'GET *Microsoft.Compute/locations/*/usages*' \
	"$(printf "$usage" standardBsv2Family)"
line 'too few cores of the family' '^wrong\|quota standardBsv2Family\|9 of 10 in use'

# names
faulty "a name that is somebody else's" 1 1 'POST *checkNameAvailability*' \
	'{"nameAvailable":false,"reason":"AlreadyExists","message":"The storage account is already taken."}'
line "a name that is somebody else's" '^wrong\|names storage account.*already taken.*\|.*STORAGE_ACCOUNT_NAME'
faulty "a label that is somebody else's" 1 2 'GET *CheckDnsNameAvailability*' '{"available":false}'
line "a label that is somebody else's" '^wrong\|names DNS label swarm-cluster-master0\|is taken by somebody else.*\|another COMPUTE_GROUP'
reap "$azure_at"
azure --cores 10
doctor 'room for now, not for the most' 0
line 'room for now, not for the most' '^warning\|quota cores\|0 of 10 in use, 8 more wanted, 12 at MAX_AGENT_COUNT=5\|fewer \(AGENT_COUNT\)'
doctor 'with as many as there is room for' 0 --max-agent-count 4
only 'with as many as there is room for' 0

# deployed, on paper
expect up 0 '' "$AZSWARM" up --yes
doctor 'deployed on paper' 0 --max-agent-count 4
line 'deployed on paper: not asked' '^skipped\|swarm machines\|not asked: these machines exist on paper'
line 'deployed: no more is wanted' '^ok\|quota cores\|8 of 10 in use, 0 more wanted, 2 at MAX_AGENT_COUNT=4\|$'
line 'deployed: the account is ours' '^ok\|names storage account [a-z0-9]+\|is there, and ours'
# what may be done in the groups only
printf '[{"name":"on purpose","request":"GET /subscriptions/%s/providers/Microsoft.Authorization/permissions*","status":200,"body":"%s"}]' \
	"$AZURE_SUBSCRIPTION_ID" '{\"value\":[{\"actions\":[\"*/read\",\"*/register/action\"]}]}' >azure/faults.json
doctor 'rights in the groups only' 0 --max-agent-count 4
line 'rights in the groups only' '^ok\|role permissions\|all [0-9]+ actions .*, some in the two groups only'
rm azure/faults.json
faulty 'a master that is off' 1 4 'GET *virtualMachines/master0*' \
	'{"name":"master0","properties":{"provisioningState":"Succeeded","osProfile":{"computerName":"master0"},"instanceView":{"statuses":[{"code":"PowerState/deallocated"}]}}}' 
line 'a master that is off' '^wrong\|machines master0 power\|deallocated\|portal, Virtual machines: start master0'
"$AZSWARM" deallocate-agents agents_1 >out 2>&1 || not_ok deallocate "$(cat out)"
doctor 'an agent that is off' 0 --max-agent-count 4
line 'an agent that is off' '^warning\|machines agents000001 power\|deallocated\|azswarm start-agents agents000001'
reap "$azure_at"
cd ..

# ---- on real machines ----

why=$(azure_able)
[ -z "$why" ] || { skip 'real machines' "$why"; exit 0; }
swarm_azure
export AGENT_COUNT=3 SHARE_NAME=none
must keys az keys
must deploy-storage az deploy-storage
must params az params
must deploy-compute az deploy-compute
net=azs-$(jq -r .net "$(machine_dir master0)/machine.json")
machines='master0 agents000000 agents000001 agents000002'

state()		# what could have been changed on the machines
{
	for m in $machines; do
		on "$m" sh -c 'hostname; docker ps -aq; docker volume ls -q; docker network ls -q | xargs docker network inspect
			grep -v /run/user/ /proc/mounts | sort; iptables-save | sed "s/\[[0-9:]*\]//; /^#/d"
			ls -lR /etc /usr/local --time-style=full-iso | grep -v "^total"; ip -o addr | sed "s/valid_lft.*//"'
	done
	on master0 sh -c 'docker node ls -q | xargs docker node inspect; docker service ls -q'
}

well()		# nothing is wrong
{
	"$AZSWARM" doctor >/dev/null 2>&1
}

check 'the overlay is there' wait_for 60 well
state >before
began=$(date +%s%N)
doctor 'all is well' 0
took=$((($(date +%s%N) - began) / 1000000))
state >after
check "it took $took ms" test $took -lt 60000
check 'engines and machines are as they were' cmp before after
check 'and that is much' test "$(wc -l <before)" -gt 300
line 'each machine in one line' \
	'^ok\|machines agents000001\|SSH in [0-9]+ ms, cloud-init done, .* Docker [0-9.]+[^ ]* run, .* free, clock within [1-3] s, link of 1500'
line 'the overlay was measured' '^ok\|overlay VXLAN\|(6|12) ways between nodes carry packets of 1350 bytes unsplit'
line 'the ports were' '^ok\|overlay ports\|15 connections'
line 'the probe was asked' '^ok\|balancer probe\|3 agents say 200'
line 'quorum' '^ok\|swarm quorum\|1 of 1 managers answer, 1 are needed, master0 leads'
line 'nodes' '^ok\|swarm nodes\|all 4 machines that run'

# What the machines say of themselves: a thing for each.
on agents000000 sh -c 'printf "#!/bin/sh\nexec /bin/date -d \"+2 minutes\" \"\$@\"\n" >/usr/local/bin/date
	chmod 755 /usr/local/bin/date; cp /run/cloud-init/result.json /run/kept
	echo "{\"v1\":{\"datasource\":\"x\",\"errors\":[\"(scripts_user, it failed)\"]}}" >/run/cloud-init/result.json'
on agents000001 sh -c 'mount -t tmpfs -o size=64m,nr_inodes=200 tmpfs /var/lib/docker
	dd if=/dev/zero of=/var/lib/docker/x bs=1M count=62 2>/dev/null
	cd /var/lib/docker && touch $(seq 199) 2>/dev/null; true'
on agents000002 sh -c 'iptables -I INPUT -p udp --dport 4789 -j DROP; systemctl stop swarm-firewall
	mv /run/cloud-init/result.json /run/kept'
on agents000000 ip link set dev host0 mtu 1300
on master0 systemctl stop swarm-helper
doctor 'several things' 1
line 'a clock' '^wrong\|machines agents000000 clock\|1[12][0-9] s ahead of Azure.s\|azswarm ssh agents000000 sudo timedatectl'
line 'cloud-init' '^wrong\|machines agents000000 cloud-init\|ended with errors: \(scripts_user, it failed\)\|.*azswarm-setup'
line 'cloud-init that goes on' '^warning\|machines agents000002 cloud-init\|still at work'
line 'a disk' '^wrong\|machines agents000001 disk\|[0-4] % of the space left in /var/lib/docker\|azswarm ssh agents000001 docker system prune'
line 'inodes' '^(wrong|warning)\|machines agents000001 inodes\|[0-9]+ % of the files left'
line 'what the balancer hears of that' '^wrong\|balancer agents000001 probe\|HTTP 503, no room where Docker keeps its data'
line 'firewall' '^wrong\|machines agents000002 firewall\|swarm-firewall.service is inactive.*\|.*restart swarm-firewall'
line 'helper' '^wrong\|machines master0 helper\|swarm-helper.service is inactive.*\|azswarm ssh master0 sudo systemctl restart swarm-helper'
line 'VXLAN that is dropped' '^wrong\|overlay agents000002 and all others\|nothing comes back through VXLAN\|rules that drop UDP 4789'
line 'a link' '^wrong\|machines agents000000 link\|host0 carries 1300 bytes, and the overlay needs 1400'
line 'what does not fit' '^wrong\|overlay agents000000 .*\|small packets arrive, and none of 1350 bytes'
check 'and nothing of those that are well' sh -c '! grep -q "^wrong|overlay agents000001" bad'
on agents000000 sh -c 'rm /usr/local/bin/date; mv /run/kept /run/cloud-init/result.json'
on agents000000 ip link set dev host0 mtu 1500
on agents000001 umount /var/lib/docker
on agents000002 sh -c 'iptables -D INPUT -p udp --dport 4789 -j DROP; systemctl start swarm-firewall
	mv /run/kept /run/cloud-init/result.json'
on master0 systemctl start swarm-helper
check 'well again' wait_for 60 well

# An engine that hangs, SSH, networks.
on agents000001 sh -c 'kill -STOP $(pidof dockerd)'
on agents000002 iptables -I INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
on master0 docker network create -d overlay large >/dev/null
doctor 'others' 1
line 'an engine that hangs' '^wrong\|machines agents000001 engine\|.*timed out\|azswarm ssh agents000001 sudo systemctl restart docker'
line 'SSH' '^wrong\|machines agents000002 SSH\|.*\|azswarm restart-agents agents000002, else reimage'
line 'a network that is too large' '^warning\|swarm network large\|its MTU is 1500, and Azure splits.*\|docker network create .*mtu=1400'
on agents000001 sh -c 'kill -CONT $(pidof dockerd)'
on agents000002 iptables -D INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset
on master0 docker network rm large >/dev/null
check 'well once more' wait_for 60 well

# A share that should be there; a node out of service, an engine and an agent that
# are stopped, a balancer that is gone.
on agents000002 sh -c 'mkdir -p /run/systemd/system/srv.mount.d
	printf "[Mount]\nWhat=tmpfs\nType=tmpfs\nOptions=\n" >/run/systemd/system/srv.mount.d/x.conf
	systemctl daemon-reload; systemctl start srv.mount'
on agents000001 sh -c 'systemctl start srv.mount 2>/dev/null; true'
on master0 docker node update --availability drain agents000002 >/dev/null
doctor 'the share' 1 --share-name data
line 'a share that is not mounted' '^warning\|machines agents000000 share\|/srv is not mounted, and is this machine.s own\|.*azswarm-setup'
line 'a share that could not be' '^wrong\|machines agents000001 share\|/srv could not be mounted\|.*restart srv.mount'
line 'a share that is' '^ok\|machines agents000002\|.*/srv mounted'
line 'a node out of service' '^warning\|swarm agents000002 node\|out of service: drain\|azswarm return agents000002'
on agents000002 sh -c 'systemctl stop srv.mount; rm -r /run/systemd/system/srv.mount.d; systemctl daemon-reload'
on agents000001 systemctl reset-failed srv.mount
on master0 docker node update --availability active agents000002 >/dev/null
on agents000000 systemctl stop swarm-agent
on agents000001 systemctl stop docker.socket docker
printf '[{"name":"on purpose","request":"GET *loadBalancers/agents-lb*","status":404,"code":"ResourceNotFound","message":"none"}]' >azure/faults.json
doctor 'agent, engine, balancer' 1
line 'an agent' '^wrong\|machines agents000000 agent\|swarm-agent.service is inactive'
line 'an agent that does not answer' '^wrong\|balancer agents000000 probe\|no answer to /healthz'
line 'an engine out of the swarm' '^wrong\|machines agents000000 engine\|it is in no swarm: inactive'
line 'no place where ports are published' '^wrong\|overlay agents000000 overlay\|it has no place'
line 'an engine' '^wrong\|machines agents000001 engine\|docker.service is inactive'
line 'its port' '^wrong\|overlay agents000001 ports\|TCP 7946: refused for [23] of [23] other'
line 'a balancer' '^wrong\|balancer load balancer\|there is none\|azswarm deploy-compute'
expect 'a node whose engine is silent can be reached' 0 '^agents000001$' az ssh agents000001 hostname
rm azure/faults.json
on agents000001 systemctl start docker
on master0 sh -c 'kill -STOP $(pidof dockerd)'
doctor 'a master that hangs' 1
line 'a master that hangs' '^wrong\|swarm manager\|.*timed out'
on master0 sh -c 'kill -CONT $(pidof dockerd)'
swarm_end
