# Ports follow: rules of the agents' load balancer and of their security group are
# what the swarm publishes.  Machines are on paper, a master is played; with real
# ones, from outside: sh/services.
# time: 120
# needs: python3-asyncssh, a network namespace
. "$SRCDIR/tests/lib.sh"
need curl
. "$SRCDIR/tests/paper.sh"

# ---- tools ----

# Services that publish, as an engine tells: NAME:PORT/PROTOCOL[:MODE[:host]]...
swarm()
{
	for swarm_word; do
		echo "$swarm_word"
	done | jq -Rn '{networks: {}, changes: 0, services: ([inputs | split(":") |
		. as [$name, $port, $mode, $how] | ($port | split("/")) as [$n, $p] |
		[{Protocol: ($p // "tcp"), TargetPort: 8000, PublishedPort: ($n | tonumber), PublishMode: ($how // "ingress")}] as $ports |
		{key: $name, value: {ID: ("sv" + $name), Version: {Index: 9}, Endpoint: {Ports: $ports},
			Spec: {Name: $name, Mode: (if $mode == "global" then {Global: {}} else {Replicated: {Replicas: 1}} end),
				TaskTemplate: {ContainerSpec: {Image: "127.0.0.1:1339/azswarm:test"}},
				EndpointSpec: {Ports: (if $mode == "chosen" then $ports | map(del(.PublishedPort)) else $ports end)}}}}] |
		from_entries)}' >one/swarm.json
}
. "$SRCDIR/tests/arm.sh"
export SSL_CERT_FILE="$ca"
network=$S/resourceGroups/swarm-cluster/providers/Microsoft.Network
arm()		# METHOD PATH [CURL-ARGUMENT...]
{
	arm_method=$1 arm_path=$2
	shift 2
	c -H "Authorization: Bearer $T" -H 'Content-Type: application/json' \
		-X "$arm_method" "$base$network/$arm_path?api-version=2024-05-01" "$@"
}
balancer()	# what it listens on
{
	arm GET loadBalancers/agents-lb | jq -r '[.properties.loadBalancingRules[] |
		"\(.name)=\(.properties.protocol):\(.properties.frontendPort):\(.properties.backendPort)"] | join(" ")'
}
group()		# whom it lets in from the Internet
{
	arm GET networkSecurityGroups/agents-nsg | jq -r '[.properties.securityRules[].properties as $p |
		select($p.sourceAddressPrefix == "Internet" and $p.access == "Allow") |
		"\($p.priority):\($p.protocol):\($p.destinationPortRange // ($p.destinationPortRanges | join(",")))"] | join(" ")'
}
ports()
{
	"$AZSWARM" ports --output tsv 2>ports.err | tr '\t\n' '| '
}
written()	# what was, since
{
	sleep 0.2
	jq -r 'select(.method == "PUT" and (.url | test("Microsoft.Network"))) | .url' record |
		sed 's/[?].*//; s/.*[/]//' | paste -sd, -
}

# ---- as it was made ----

swarm
same 'fresh: 80 and 81 are open, and nobody publishes' \
	'80|tcp|||http-80|services|open, and nobody publishes 81|tcp|||http-81|services|open, and nobody publishes ' "$(ports)"
expect 'fresh: nothing is out of step' 0 '' "$AZSWARM" ports --dry-run
swarm web:80 tool:81:global
same 'the two of the demo' '80|tcp|ingress|web|http-80|services|ok 81|tcp|ingress|tool|http-81|services|ok ' "$(ports)"

# ---- what is out of step, and mended ----

swarm web:443 dns:5353/udp edge:8443:global:host own:9000:one:host sctp:5000/sctp high:65535 ssh:22
same 'what is published, and not let in' '22|tcp|ingress|ssh||swarm-nobody-else|not balanced: it is the cluster'\''s own 80|tcp|||http-80|services|open, and nobody publishes 81|tcp|||http-81|services|open, and nobody publishes 443|tcp|ingress|web|||no rule 5000|tcp|ingress|sctp|||not balanced: Azure balances no SCTP 5353|udp|ingress|dns|||no rule 8443|tcp|host|edge|||no rule 9000|tcp|host|own|||not balanced: it is on the nodes of its tasks alone 65535|tcp|ingress|high|||not balanced: Azure balances no port above 65534 ' "$(ports)"
: >record
expect 'a look alone is 0' 0 'no rule' "$AZSWARM" ports
expect '--dry-run: 5' 5 "out of step; 'azswarm ports --apply' mends it" "$AZSWARM" ports --dry-run
expect '--dry-run, and --apply' 5 'out of step' "$AZSWARM" ports --apply --dry-run
same 'and nothing was written' '' "$(written)"
same 'nor is there a lock' '' "$(jq -r 'select(.url | test("lock-")) | .url' record)"
expect 'ask: without a terminal' 2 'would open 443/tcp \(web\), 5353/udp \(dns\), 8443/tcp \(edge\) to the Internet; say --yes' \
	"$AZSWARM" ports --apply --publish ask
same 'ask: nothing was written' '' "$(written)"
expect 'off: nothing is opened' 0 'closed, by PUBLISH=off' "$AZSWARM" ports --apply --publish off
same 'off: nothing was written' '' "$(written)"
expect 'off: is in step' 0 '' "$AZSWARM" ports --dry-run --publish off
expect '--apply' 0 'port 443/tcp is open to the Internet now: service web; PUBLISH=off' "$AZSWARM" ports --apply
check 'udp, too' grep -q 'port 5353/udp is open to the Internet now: service dns' out
check 'host mode of a global service' grep -q 'port 8443/tcp is open to the Internet now: service edge' out
same 'the balancer' 'http-80=Tcp:80:80 http-81=Tcp:81:81 tcp-443=Tcp:443:443 udp-5353=Udp:5353:5353 tcp-8443=Tcp:8443:8443' "$(balancer)"
same 'the group' '100:Tcp:80,81 1000:Tcp:443 1001:Udp:5353 1002:Tcp:8443' "$(group)"
same 'each was written once' 'agents-nsg,agents-lb' "$(written)"
same 'all by the same probe' healthz "$(arm GET loadBalancers/agents-lb | jq -r '.properties.loadBalancingRules[].properties.probe.id' | sed 's/.*\///' | sort -u)"
same 'what is TCP'\''s alone is not UDP'\''s' 'true false' "$(arm GET loadBalancers/agents-lb | jq -r '.properties.loadBalancingRules[2:4] | map(.properties.enableTcpReset // false) | join(" ")')"
: >record
expect 'again: nothing to do' 0 '' "$AZSWARM" ports --apply
same 'and nothing is written' '' "$(written)"

# ---- a deployment keeps them ----

arm GET networkSecurityGroups/agents-nsg | jq '.tags = {owner: "me", odd: "[x]"} | .properties.flushConnection = true | .properties.securityRules += [{name: "office", properties: {priority: 500, direction: "Inbound", access: "Allow", protocol: "Tcp", sourceAddressPrefix: "203.0.113.0/24", sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "9443"}}]' >nsg
arm PUT networkSecurityGroups/agents-nsg -d @nsg >/dev/null
arm GET loadBalancers/agents-lb | jq '.tags = {owner: "you"} |
	.properties.inboundNatRules += [{name: "ssh-one", properties: {frontendIPConfiguration: .properties.loadBalancingRules[0].properties.frontendIPConfiguration, protocol: "Tcp", frontendPort: 2222, backendPort: 22}}] |
	.properties.probes += [{name: "by-hand", properties: {protocol: "Tcp", port: 9443, intervalInSeconds: 5}}] |
	.properties.loadBalancingRules += [.properties.loadBalancingRules[0] * {name: "by-hand", properties: {frontendPort: 9443, backendPort: 9443}} |
		.properties.probe.id |= sub("healthz"; "by-hand") | del(.id, .etag)]' >lb
sleep 0.5
arm PUT loadBalancers/agents-lb -d @lb >/dev/null
sleep 0.5
rest()	# tags, NAT rules, and whether flows end with their rule
{
	arm GET networkSecurityGroups/agents-nsg | jq -c '[.tags, .properties.flushConnection]'
	arm GET loadBalancers/agents-lb | jq -c '[.tags, (.properties.inboundNatRules | map([.name, .properties.frontendPort, .properties.backendPort]))]'
}
before="$(balancer) $(group)"
same 'and what is not rules' '[{"owner":"me","odd":"[x]"},true] [{"owner":"you"},[["ssh-one",2222,22]]]' "$(rest | xargs -d '\n')"
check 'what was made by hand is there' sh -c "echo '$before' | grep -q by-hand"
expect 'plan: nothing to change' 0 'nothing to change' "$AZSWARM" plan
same 'plan: no property either' '[]' "$("$AZSWARM" plan --output json 2>/dev/null |
	jq -c 'map(select(.change | test("create|delete|modify")))' | head -c 300)"
expect 'deploy-compute' 0 '' "$AZSWARM" deploy-compute
same 'keeps all of it' "$before" "$(balancer) $(group)"
same 'and what is not rules' '[{"owner":"me","odd":"[x]"},true] [{"owner":"you"},[["ssh-one",2222,22]]]' "$(rest | xargs -d '\n')"
same 'and probes' 'healthz by-hand' "$(arm GET loadBalancers/agents-lb | jq -r '[.properties.probes[].name] | join(" ")')"
same 'what is by hand is not ours' '9443|tcp|||by-hand||not ours' "$(ports | tr ' ' '\n' | sed 's/ours.*//' | grep -A1 ^9443 | xargs | sed 's/ ours//; s/not$/not ours/')"

# ---- addresses, pools and outbound rules by hand ----

# The balancer has a second address, agents another way out, a pool of their own in
# their set's model, too, and an inbound NAT pool.
ip='{"location":"eastus","sku":{"name":"Standard"},
	"properties":{"publicIPAllocationMethod":"Static"}}'
arm PUT publicIPAddresses/more-ip -d "$ip" >/dev/null
arm PUT publicIPAddresses/mail-ip -d "$ip" >/dev/null
sleep 0.5
lb_id=$network/loadBalancers/agents-lb
arm GET loadBalancers/agents-lb | jq --arg n "$network" --arg lb "$lb_id" '
	def front($of): {id: "\($lb)/frontendIPConfigurations/\($of)"};
	def pool($of): {id: "\($lb)/backendAddressPools/\($of)"};
	def address($of): {name: $of, properties: {publicIPAddress: {id: "\($n)/publicIPAddresses/\($of)-ip"}}};
	.properties.inboundNatRules = [] |
	.properties.frontendIPConfigurations += [address("more"), address("mail") + {zones: ["1"]}] |
	.properties.backendAddressPools += [{name: "mail", properties: {drainPeriodInSeconds: 30}}] |
	.properties.outboundRules[0].properties.frontendIPConfigurations += [front("more")] |
	.properties.outboundRules += [{name: "mail", properties: {
		frontendIPConfigurations: [front("mail")],
		backendAddressPool: pool("mail"), protocol: "Tcp",
		allocatedOutboundPorts: 64}}] |
	.properties.loadBalancingRules += [.properties.loadBalancingRules[0] *
		{name: "smtp", properties: {frontendPort: 25, backendPort: 25,
			frontendIPConfiguration: front("mail"),
			backendAddressPool: pool("mail")}} | del(.id, .etag)] |
	.properties.inboundNatPools += [{name: "each", properties: {
		frontendIPConfiguration: front("mail"), protocol: "Tcp",
		frontendPortRangeStart: 50000, frontendPortRangeEnd: 50099,
		backendPort: 22}}]' >lb
put_lb()
{
	arm PUT loadBalancers/agents-lb -d @lb -o /dev/null -w '%{http_code}'
	sleep 0.5
}
same 'by hand: the balancer' 200 "$(put_lb)"
vmss()		# METHOD [CURL-ARGUMENT...]
{
	vmss_method=$1
	shift
	c -H "Authorization: Bearer $T" -H 'Content-Type: application/json' \
		-X "$vmss_method" "$base$set?api-version=2024-07-01" "$@"
}
set=$S/resourceGroups/swarm-cluster/providers/Microsoft.Compute
set=$set/virtualMachineScaleSets/agents
network_of=.properties.virtualMachineProfile.networkProfile
in_model=$network_of.networkInterfaceConfigurations[0].properties
in_model=$in_model.ipConfigurations[0].properties
only_network="{location, sku, properties: {virtualMachineProfile: {
	networkProfile: $network_of}}}"
vmss GET | jq --arg lb "$lb_id" "$only_network |
	$in_model.loadBalancerBackendAddressPools += [{id: \"\(\$lb)/backendAddressPools/mail\"}] |
	$in_model.loadBalancerInboundNatPools = [{id: \"\(\$lb)/inboundNatPools/each\"}]" >set
same 'by hand: the set' 200 "$(vmss PATCH -d @set -o /dev/null -w '%{http_code}')"
sleep 1
by_hand()	# all that is by hand, and what leads where
{
	arm GET loadBalancers/agents-lb | jq -cS '.properties |
		[.frontendIPConfigurations, .backendAddressPools, .outboundRules,
			.inboundNatPools, .loadBalancingRules] |
		walk(if type == "object" then del(.etag, .provisioningState)
			else . end)'
	vmss GET | jq -cS "$in_model | [.loadBalancerBackendAddressPools,
		.loadBalancerInboundNatPools]"
}
by_hand >before
same 'by hand: all of it is there' '3 2 2 1 7 2 1' "$(jq -r 'map(length)[]' before | xargs)"
expect 'by hand: plan has nothing to change' 0 'nothing to change' "$AZSWARM" plan
expect 'by hand: deploy-compute' 0 '' "$AZSWARM" deploy-compute
by_hand >after
same 'by hand: keeps addresses, pools and outbound rules' '' "$(diff before after | head -c 2000)"
arm GET loadBalancers/agents-lb | jq 'del(.properties.outboundRules[0]) | .properties.outboundRules += [.properties.outboundRules[0] |
	.name = "mine" | .properties.frontendIPConfigurations[0].id |= sub("mail"; "public") | del(.id, .etag)]' >lb
same 'in place of the template'\''s' 200 "$(put_lb)"
expect 'plan names an outbound rule that cannot stay' 5 \
	"rule mine is not kept: it is by the address public, and so is the" \
	"$AZSWARM" plan
expect 'and so does deploy-compute' 0 'outbound rule mine is not kept' "$AZSWARM" deploy-compute
same 'once' 1 "$(grep -c 'is not kept' out)"
same 'the others are there' 'outbound mail' "$(arm GET loadBalancers/agents-lb |
	jq -r '[.properties.outboundRules[].name] | join(" ")')"
vmss GET | jq "$only_network | del($in_model.loadBalancerInboundNatPools,
	$in_model.loadBalancerBackendAddressPools[1])" >set
vmss PATCH -d @set >/dev/null
sleep 1
arm GET loadBalancers/agents-lb | jq '.properties |= (.inboundNatPools = [] |
	del(.loadBalancingRules[] | select(.name == "smtp")) |
	del(.outboundRules[1], .backendAddressPools[1],
		.frontendIPConfigurations[1, 2]))' >lb
same 'by hand: gone' 200 "$(put_lb)"

# ---- two at once ----

swarm web:443 dns:5353/udp more:4000
echo '[{"request":"PUT *loadBalancers/agents-lb*","times":1,"delay_ms":4000}]' >azure/faults.json
: >record
"$AZSWARM" ports --apply >apply 2>&1 </dev/null &
applying=$!
put_asked()
{
	arm GET networkSecurityGroups/agents-nsg | grep -q 'tcp-4000'
}
wait_for 20 put_asked
sleep 1.5
arm GET loadBalancers/agents-lb | jq '.properties.loadBalancingRules += [.properties.loadBalancingRules[0] * {name: "meanwhile", properties: {frontendPort: 7000, backendPort: 7000}} | del(.id, .etag)]' >lb
same 'somebody else is quicker' 200 "$(arm PUT loadBalancers/agents-lb -d @lb -o /dev/null -w '%{http_code}')"
wait $applying
same 'two at once: done' 0 $?
rm azure/faults.json
same 'two at once: the first was refused' '412 200' "$(sleep 0.2; jq -r 'select(.method == "PUT" and .requestHeaders["User-Agent"] == "azswarm" and (.url | test("agents-lb"))) | .status' record | xargs)"
same 'two at once: none is lost' 'http-80 http-81 tcp-443 udp-5353 by-hand meanwhile tcp-4000' "$(arm GET loadBalancers/agents-lb | jq -r '[.properties.loadBalancingRules[].name] | join(" ")')"
echo '[{"request":"PUT *loadBalancers/agents-lb*","status":412,"code":"PreconditionFailed","message":"Precondition failed."}]' >azure/faults.json
swarm web:443 dns:5353/udp
expect 'somebody always is' 1 'load balancer agents-lb: somebody else keeps changing it' "$AZSWARM" ports --apply
rm azure/faults.json

# ---- while a deployment runs ----

echo '[{"operation":"*deployments*","times":1,"delay_ms":6000}]' >azure/faults.json
expect 'a deployment is accepted' 0 accepted "$AZSWARM" deploy-compute --no-wait
swarm web:443 dns:5353/udp late:4001
expect 'opened when it has ended' 0 'a deployment is running already, waiting for it' "$AZSWARM" ports --apply
check 'and said then' grep -q 'port 4001/tcp is open' out
rm azure/faults.json
same 'what was opened stays' 'http-80 http-81 tcp-443 udp-5353 by-hand meanwhile tcp-4001' "$(arm GET loadBalancers/agents-lb | jq -r '[.properties.loadBalancingRules[].name] | join(" ")')"
same 'in the group, too' '1002:Tcp:4001' "$(group | tr ' ' '\n' | grep ':4001$')"
swarm web:443 dns:5353/udp
"$AZSWARM" ports --apply >/dev/null 2>&1

echo '[{"request":"POST *validate*","times":1,"delay_ms":5000}]' >azure/faults.json
: >record
"$AZSWARM" deploy-compute >deployed 2>&1 </dev/null &
deploying=$!
kept()		# it has read what it keeps
{
	grep -q 'loadBalancers/agents-lb' record
}
wait_for 20 kept
sleep 1
arm GET loadBalancers/agents-lb | jq '.properties.loadBalancingRules += [.properties.loadBalancingRules[0] * {name: "last", properties: {frontendPort: 7100, backendPort: 7100}} | del(.id, .etag)]' >lb
arm PUT loadBalancers/agents-lb -d @lb >/dev/null
wait $deploying
same 'made while the template is checked: deployed' 0 $?
rm azure/faults.json
check 'it stays' sh -c "echo '$(balancer)' | grep -q last=Tcp:7100:7100"
arm GET loadBalancers/agents-lb | jq 'del(.properties.loadBalancingRules[] | select(.name == "last"))' >lb
arm PUT loadBalancers/agents-lb -d @lb >/dev/null
sleep 0.5

# ---- taken, and refused by others ----

swarm web:443 hand:9443 back:7000
expect 'an owner'\''s rule lets nobody else in' 0 '9443 .*hand .*by-hand .*no rule' "$AZSWARM" ports
arm GET networkSecurityGroups/agents-nsg | jq '.properties.securityRules += [{name: "never", properties: {priority: 501, direction: "Inbound", access: "Deny", protocol: "*", sourceAddressPrefix: "*", sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: "6000-6010"}}]' >nsg
arm PUT networkSecurityGroups/agents-nsg -d @nsg >/dev/null
arm GET loadBalancers/agents-lb | jq '(.properties.loadBalancingRules[] | select(.name == "meanwhile").properties.backendPort) = 7001' >lb
arm PUT loadBalancers/agents-lb -d @lb >/dev/null
sleep 0.5
swarm web:443 no:6001 back:7000 under:7001
expect 'taken' 0 '6001 .*no .*never .*taken by a rule of others' "$AZSWARM" ports --apply
check 'taken at the front' grep -qE '7000 .*back .*meanwhile .*taken by a rule of others' out
check 'taken behind it' grep -qE '7001 .*under .*meanwhile .*taken by a rule of others' out
same 'what nobody publishes any more is closed' 'http-80 http-81 tcp-443 by-hand meanwhile' "$(arm GET loadBalancers/agents-lb | jq -r '[.properties.loadBalancingRules[].name] | join(" ")')"

# ---- commands of services ----

swarm replicated:80 old:443 chosen:30000:chosen
"$AZSWARM" ports --apply >/dev/null 2>&1
swarm replicated:80 chosen:30000:chosen
: >record
expect 'destroy-service closes what nobody publishes' 0 'port 443/tcp is closed: no service publishes it any more' \
	"$AZSWARM" destroy-service
same 'what the engine chose stays' 'http-80 http-81 by-hand meanwhile tcp-30000' "$(arm GET loadBalancers/agents-lb | jq -r '[.properties.loadBalancingRules[].name] | join(" ")')"
same 'and nobody is let in any more' '' "$(group | tr ' ' '\n' | grep ':443$')"
: >record
expect 'deploy-replicated-service' 0 'service replicated made' "$AZSWARM" deploy-replicated-service
same 'whose port is open in any case' '' "$(written)"

# ---- a stack ----

cat >shop.yml <<'Y'
services:
  edge:
    image: edge:1
    deploy: { mode: global }
    ports:
      - { target: 8443, published: 8443, mode: host }
  web:
    image: web:1
    ports: [ "443:8443", "5353:53/udp" ]
Y
sed 's/443:8443/2377:8443/' shop.yml >own.yml
echo '{"services": {}, "networks": {}, "changes": 0}' >one/swarm.json
"$AZSWARM" ports --apply >/dev/null 2>&1
: >record
expect 'stack: a port of the cluster'\''s own' 2 "service shop_web: port 2377 is the cluster's own" "$AZSWARM" deploy-stack own.yml shop
same 'stack: before anything is made' '{} ' "$(jq -c .services one/swarm.json) $(written)"
expect 'stack: ask' 2 'would open 443/tcp \(shop_web\), 5353/udp \(shop_web\), 8443/tcp \(shop_edge\) to the Internet; say --yes' \
	"$AZSWARM" deploy-stack shop.yml shop --publish ask
expect 'stack: off' 0 'port 443/tcp of service shop_web stays closed to the Internet: PUBLISH=off' \
	"$AZSWARM" deploy-stack shop.yml shop --publish off
same 'stack: nothing was written' '' "$(written)"
same 'stack: nor is an address said' '' "$("$AZSWARM" deploy-stack shop.yml shop --publish off 2>/dev/null)"
expect 'stack: auto' 0 'port 5353/udp is open to the Internet now: service shop_web' "$AZSWARM" deploy-stack shop.yml shop
same 'stack: what it publishes' 'http-80 http-81 by-hand meanwhile tcp-443 udp-5353 tcp-8443' \
	"$(arm GET loadBalancers/agents-lb | jq -r '[.properties.loadBalancingRules[].name] | join(" ")')"
same 'stack: where what is open is to be seen' 'http::8443/ https:/' "$("$AZSWARM" deploy-stack shop.yml shop 2>/dev/null | sed 's,//[^:/]*,,' | xargs)"
sed -i 's/, "5353:53.udp"//' shop.yml
: >record
expect 'stack: not waited for' 0 '' "$AZSWARM" deploy-stack shop.yml shop --no-wait
same 'stack: not waited for: it may yet go back, so nothing is closed' '' "$(written)"
expect 'stack: changed, what it does not publish any more is closed' 0 'port 5353/udp is closed' "$AZSWARM" deploy-stack shop.yml shop
expect 'stack: gone' 0 'port 443/tcp is closed: no service publishes it any more' "$AZSWARM" destroy-stack shop
same 'stack: as before' 'http-80 http-81 by-hand meanwhile' \
	"$(arm GET loadBalancers/agents-lb | jq -r '[.properties.loadBalancingRules[].name] | join(" ")')"
exit $((test_failures != 0))
