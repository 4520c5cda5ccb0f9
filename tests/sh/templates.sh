# time: 400
# The ARM template and the cloud-init file, held against what others wrote:
# Microsoft's schemas, cloud-init's own, shellcheck, systemd-analyze.
# needs: python3-jsonschema, python3-yaml, jq, shellcheck, systemd,
#        openssh-client, openssl; the package archive once, for cloud-init.
# It proves that the files are well formed, not that Azure accepts them.
. "$SRCDIR/tests/lib.sh"
need jq curl /usr/bin/python3 openssl ssh-keygen

arm=$SRCDIR/assets/arm/cluster.json
bake=$SRCDIR/assets/arm/bake.json
node=$SRCDIR/assets/cloud-init/node.yaml
schemas=$SRCDIR/../shared/azure/specs/arm-template-schemas
export PYTHONDONTWRITEBYTECODE=1

validate()	# TEMPLATE
{
	/usr/bin/python3 "$SRCDIR/tests/arm-validate.py" "$1" "$schemas"
}

config()
{
	/usr/bin/python3 "$SRCDIR/tests/cloud-config.py" "$@"
}

# ---- the ARM template ----

# A fault put in on purpose must be found, and found where it is.
mutation()	# CASE ERE JQ-FILTER
{
	jq "$3" "$arm" >mutant.json || {
		not_ok "$1" "the filter is wrong"
		return
	}
	if cmp -s mutant.json whole.json; then
		not_ok "$1" "the filter changed nothing"
		return
	fi
	expect "$1" 1 "$2" $validator mutant.json
}

itself()	# TEMPLATE
{
	/usr/bin/python3 "$SRCDIR/tests/arm-validate.py" --self "$1"
}

of()		# TYPE : the jq path of the resource(s) of that type
{
	echo "(.resources[] | select(.type == \"Microsoft.$1\"))"
}

template()
{
	jq . "$arm" >whole.json
	# a variable may have one in it
	jq '.variables as $v | def plain: walk(if type == "string" then . as $text |
		(capture("^\\[concat\\(variables\\(.(?<own>[A-Za-z]+).\\), parameters\\([^)]*\\)\\)\\]$")? |
			$v[.own] | arrays) // $text else . end); plain | plain' "$arm" >plain.json
	expect "the template agrees with itself" 0 '' itself "$arm"
	expect "that of bake-image agrees with itself" 0 '' itself "$bake"

	validator=itself
	mutation "a parameter that is not declared is found" \
		'no parameter masterSise' \
		"$(of Compute/virtualMachines).properties.hardwareProfile.vmSize
			= \"[parameters('masterSise')]\""
	mutation "a parameter that nobody uses is found" \
		'parameter forgotten is not used' \
		'.parameters.forgotten = {type: "string"}'
	mutation "a function that does not exist is found" \
		'no function strng\(\)' \
		"$(of Insights/autoscalesettings).properties.profiles[0].capacity.default
			= \"[strng(parameters('agentCount'))]\""
	mutation "brackets that do not match are found" \
		'brackets do not match' \
		'.outputs.masterFqdn.value = "[concat('"'a'"'))]"'
	mutation "a dependency that leads nowhere is found" \
		"no Microsoft.Network/virtualNetworks named by 'net'" \
		"$(of Network/networkInterfaces).dependsOn[0]
			= \"[resourceId('Microsoft.Network/virtualNetworks', 'net')]\""
	mutation "a secret that is no secret is found" \
		'agentCustomData: must be a securestring' \
		'.parameters.agentCustomData.type = "string"'
	mutation "a built host name is found" \
		'cloudapp.azure.com has no place' \
		'.outputs.agentsFqdn.value = "[concat(parameters('"'namePrefix'"'), '"'.x.cloudapp.azure.com'"')]"'

	if [ ! -d "$schemas" ]; then
		skip "the template against Microsoft's schemas" \
			"no ../shared/azure/specs/arm-template-schemas"
		return
	fi
	expect "the template fits Microsoft's schemas" 0 '' validate "$arm"
	expect "that of bake-image fits Microsoft's schemas" 0 '' validate "$bake"

	validator=validate
	mutation "a number that is a word is found" \
		'loadBalancers.*probes/0/properties/port' \
		'.variables.lbProbes[0].properties.port = "http"'
	mutation "a word that must be a string of digits is found" \
		'capacity/minimum: 1 is not of type' \
		"$(of Insights/autoscalesettings).properties.profiles[0].capacity.minimum = 1"
	mutation "a word outside an enumeration is found" \
		"upgradePolicy/mode: 'Handmade' is not one of" \
		"$(of Compute/virtualMachineScaleSets).properties.upgradePolicy.mode = \"Handmade\""
	mutation "a misspelt property is found" \
		'virtualMachineScaleSets.*properties/overProvision: not a property' \
		"$(of Compute/virtualMachineScaleSets).properties.overProvision = false"
	mutation "a misspelt property five levels down is found" \
		'osDisk/diskSizeGb: not a property' \
		"$(of Compute/virtualMachineScaleSets).properties.virtualMachineProfile
			.storageProfile.osDisk.diskSizeGb = 32"
	mutation "a misspelt top-level key is found" \
		"'output' was unexpected" '.output = {}'
	mutation "a missing key is found" \
		"'contentVersion' is a required property" 'del(.contentVersion)'
	mutation "a type that does not exist is found" 'no such type' \
		"$(of Compute/availabilitySets).type = \"Microsoft.Compute/availabilitySet\""
	jq "$(of Compute/availabilitySets).apiVersion = \"2015-06-15\"" \
		"$arm" >mutant.json
	expect "a schema that is not there is no pass" 2 'no schema file' \
		validate mutant.json
}

# ---- the parameters, as azswarm makes them ----

parameters()	# FILE
{
	/usr/bin/python3 "$SRCDIR/tests/arm-validate.py" --parameters "$1" "$arm" "$schemas"
}

# One that a client would have made wrong must be found.
wrong_parameters()	# CASE ERE JQ-FILTER
{
	jq "$3" parameters/cluster.json >wrong.json
	expect "$1" 1 "$2" parameters wrong.json
}

made_parameters()
{
	spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
	wait_for 30 grep -q '^ready ' emulator.out && . azure/env &&
		"$AZSWARM" keys && "$AZSWARM" deploy-storage && "$AZSWARM" params
}

# Agents that are made years from now fetch the program with it, too.
address_lasts()
{
	jq -r .parameters.agentCustomData.value parameters/cluster.json | base64 -d |
		sed -n 's/.*[?&]se=\([0-9-]*\)T.*/\1/p' | sort >expiry
	same 'the addresses of the program and of the marker' 2 "$(grep -c . expiry)"
	sed -i 1q expiry
	check "the addresses are good for ten years" sh -c '
		test "$(date -u -d "$(cat expiry)" +%s)" -ge "$(date -u -d "+10 years -1 day" +%s)"'
}

# The customData of each role, as files below ROLE.got; the keys are ours.
held()		# ROLE FILE
{
	jq -r ".parameters.$1CustomData.value" "$2" | base64 -d >held.yaml &&
		rm -rf "$1.got" && config unpack held.yaml "$1.got"
}

has()		# ROLE FILE-OF-KEYS : is what is in it anywhere in there?
{
	has_line=$(sed -n '/^-----/d; 1,2p' "keys/$2" | tail -n 1)
	[ -n "$has_line" ] && grep -rqF -e "$has_line" "$1.got"
}

# ask METHOD URL-OF-THE-BLOB-SERVICE: its status
ask()
{
	ask_host=${2#https://}
	ask_host=${ask_host%%/*}
	curl -s -o ask.out -w '%{http_code}' --cacert azure/ca.pem --max-time 20 -X "$1" \
		--resolve "$ask_host:127.0.0.1" -H 'x-ms-version: 2021-12-02' \
		-H 'x-ms-blob-type: BlockBlob' -d "${3-}" "$2"
}

# What a machine is given is what it needs and no more: a stolen agent is not
# a master, and the address in it opens one file.
least()
{
	for role in master agent; do
		held $role parameters/cluster.json || not_ok "$role: customData can be read"
		check "$role: has the worker's secret" has $role worker.secret
		check "$role: has its host key" has $role host-$role.pem
		check "$role: has its RSA host key" has $role host-$role-rsa.pem
		same "$role: has no key of the operator's" no \
			"$(has $role cluster.pem && echo yes || echo no)"
	done
	for key in manager.secret helper.key host-master.pem host-master-rsa.pem; do
		check "a master has $key" has master $key
		same "an agent has not $key" no "$(has agent $key && echo yes || echo no)"
	done
	for key in host-agent.pem host-agent-rsa.pem; do
		same "a master has not $key" no \
			"$(has master $key && echo yes || echo no)"
	done

	url=$(sed -n 's/^url = "\(.*\)"$/\1/p' agent.got/etc/azswarm/binary.url)
	query=${url#*\?} blob=${url%%\?*}
	same "the program's address: one blob, read only, HTTPS only" 'sp=r spr=https sr=b' \
		"$(printf '%s' "$query" | tr '&' '\n' | grep -E '^(sp|spr|sr|ss|srt)=' | sort | xargs)"
	same "it opens the program" 200 "$(ask GET "$url")"
	same "it writes nothing" 403 "$(ask PUT "$url" other)"
	same "it deletes nothing" 403 "$(ask DELETE "$url")"
	same "it opens no other blob" 403 "$(ask GET "${blob}x?$query")"
	same "more rights written into it are none" 403 "$(ask PUT "$blob?$(echo "$query" |
		sed 's/\(^\|&\)sp=r\(&\|$\)/\1sp=rw\2/')" other)"

	check "an agent that mounts a share has the account's key" \
		grep -q '^password=....' agent.got/etc/azswarm/share.cred
	key=$(sed -n 's/^password=//p' agent.got/etc/azswarm/share.cred)
	mkdir -p apart && cp -rp keys apart/ &&
		(cd apart && SHARE_NAME=none "$AZSWARM" params) >apart.log 2>&1 ||
		not_ok "parameters without a share" "$(tail -n 1 apart.log)"
	for role in master agent; do
		held $role apart/parameters/cluster.json
		same "$role: without a share it has no key" '0 no' \
			"$(wc -c <$role.got/etc/azswarm/share.cred) $(
			grep -rqF -e "$key" $role.got && echo yes || echo no)"
	done
	check "and asks for no share" grep -qx share_name= agent.got/etc/azswarm/setup.conf
	METADATA_FOR_CONTAINERS=true "$AZSWARM" params >apart.log 2>&1
	held agent parameters/cluster.json
	check "METADATA_FOR_CONTAINERS reaches the machines" grep -qx \
		metadata_for_containers=true agent.got/etc/azswarm/setup.conf
	"$AZSWARM" params >apart.log 2>&1
}

filled_in()
{
	made_parameters >made.log 2>&1 || {
		not_ok "parameters are made" "$(tail -n 3 made.log)"
		return
	}
	address_lasts
	least
	if [ ! -d "$schemas" ]; then
		skip "the parameters against Microsoft's schema" \
			"no ../shared/azure/specs/arm-template-schemas"
		return
	fi
	expect "the parameters fit Microsoft's schema and the template" 0 '' \
		parameters parameters/cluster.json
	wrong_parameters "a value that is no parameter is found" \
		"parameters/agentSize: 'B2' is not of type 'object'" '.parameters.agentSize = "B2"'
	wrong_parameters "value and reference are found" 'parameters/location: ' \
		'.parameters.location.reference = {keyVault: {id: "x"}, secretName: "y"}'
	wrong_parameters "a version that is none is found" 'contentVersion: .* does not match' \
		'.contentVersion = "1"'
	wrong_parameters "a strange key is found" "'\\\$shema' was unexpected" '.["$shema"] = "x"'
	wrong_parameters "a parameter too many is found" 'agentSise is not declared' \
		'.parameters.agentSise = {value: "x"}'
	wrong_parameters "a parameter too few is found" 'adminPublicKey is missing' \
		'del(.parameters.adminPublicKey)'
	wrong_parameters "a number that is a word is found" 'agentCount is no int' \
		'.parameters.agentCount.value = "3"'
	wrong_parameters "two masters are found" 'masterCount is none of' \
		'.parameters.masterCount.value = 2'
}

# What the design promises and no schema knows: of the template as it is when its
# parameters add nothing.
promise()	# CASE JQ-CONDITION
{
	check "$1" jq -e "$2" plain.json
}

promises()
{
	promise "subnets have no implicit way out" \
		"[$(of Network/virtualNetworks).properties.subnets[].properties
			| .defaultOutboundAccess == false and .networkSecurityGroup.id != null]
			| length == 2 and all"
	promise "every address is Standard and Static" \
		"[$(of Network/publicIPAddresses) | .sku.name == \"Standard\" and
			.properties.publicIPAllocationMethod == \"Static\"] | length == 2 and all"
	promise "several placement groups: 512 ports for each agent" \
		". as \$t | $(of Network/publicIPPrefixes)
			| .sku.name == \"Standard\" and
			  (.condition | contains(\"not(parameters('single\")) and
			  pow(2; 32 - .properties.prefixLength) * 64000 ==
				512 * \$t.parameters.maxAgentCount.maxValue"
	promise "and go out through them, 512 for each" \
		"$(of Network/loadBalancers).properties.outboundRules[0]
			| .properties
			| (.allocatedOutboundPorts | endswith(\", 0, 512)]\")) and
			  .frontendIPConfigurations ==
				[{id: \"[variables('lbOutboundId')]\"}]"
	promise "the scale set waits for the way out" \
		"$(of Compute/virtualMachineScaleSets).dependsOn
			| any(contains(\"loadBalancers\"))"
	promise "the balancer's rules leave outbound to the outbound rule" \
		"$(of Network/loadBalancers).properties
			| (.outboundRules | length == 1) and
			  ([.loadBalancingRules[].properties.disableOutboundSnat] == [true, true])"
	promise "the probe asks the agent, every 5 s, twice" \
		"$(of Network/loadBalancers).properties.probes[0].properties
			== {protocol: \"Http\", port: 1338, requestPath: \"/healthz\",
			    intervalInSeconds: 5, probeThreshold: 2,
			    noHealthyBackendsBehavior: \"AllProbedUp\"}"
	promise "no size is excluded" \
		'[.parameters.masterSize, .parameters.agentSize] | all(has("allowedValues") | not)'
	promise "1, 3 or 5 masters" '.parameters.masterCount.allowedValues == [1, 3, 5]'
	promise "Uniform, Manual, not overprovisioned, with notice of termination" \
		"$(of Compute/virtualMachineScaleSets).properties
			| .orchestrationMode == \"Uniform\" and .overprovision == false and
			  .upgradePolicy.mode == \"Manual\" and
			  .scaleInPolicy.rules == [\"NewestVM\"] and
			  .virtualMachineProfile.scheduledEventsProfile
				.terminateNotificationProfile.notBeforeTimeout == \"PT5M\""
	# one Internet-facing rule is Deny or Allow by parameter: the monitor
	promise "only 22, 80, 81 and perhaps 8080 are open to strangers" \
		"[$(of Network/networkSecurityGroups).properties.securityRules[]
			| .properties | select(.access != \"Deny\")
			| select(.sourceAddressPrefix == \"Internet\" or
				 .sourceAddressPrefix == \"*\" or
				 .sourceAddressPrefix == \"[parameters('sshSource')]\")
			| .destinationPortRange // .destinationPortRanges[]]
			| sort == [\"22\", \"80\", \"8080\", \"81\"]"
	promise "the monitor is closed unless asked for" \
		"[$(of Network/networkSecurityGroups).properties.securityRules[]
			| select(.properties.destinationPortRange == \"8080\").properties.access]
			== [\"[if(parameters('monitorPublic'), 'Allow', 'Deny')]\"] and
		 .parameters.monitorPublic.defaultValue == false"
	promise "rules of one group have priorities of their own" \
		"[$(of Network/networkSecurityGroups).properties.securityRules
			| map(.properties.priority) | (unique | length) == length] | all"
}

# ---- what the program and its assets both say ----

# The value of a name in node/layout.h or docker/docker.h.
layout()	# NAME
{
	sed -n "s/^#define $1[ 	][ 	]*\"\{0,1\}\([^\" 	]*\).*/\1/p" \
		"$SRCDIR/node/layout.h" "$SRCDIR/docker/docker.h"
}

# Names of a header as jq's $NAME: texts, and numbers where they are.
agrees()	# CASE JQ-CONDITION
{
	agrees_case=$1 agrees_condition=$2
	set --
	for name in $(printf '%s' "$agrees_condition" | grep -oE '[$](LAYOUT|DOCKER)_[A-Z_]+' |
		sort -u); do
		value=$(layout "${name#?}")
		case $value in
		'') not_ok "$agrees_case" "no $name in a header"; return ;;
		*[!0-9]*) set -- "$@" --arg "${name#?}" "$value" ;;
		*u) set -- "$@" --argjson "${name#?}" "${value%u}" ;;
		*) set -- "$@" --argjson "${name#?}" "$value" ;;
		esac
	done
	check "$agrees_case" jq -e "$@" "$agrees_condition" "$agrees_file"
}

# The ports of a rule of a security group, as numbers.
rule()		# GROUP RULE
{
	echo "($(of Network/networkSecurityGroups) | select(.name == \"$1\")
		.properties.securityRules[] | select(.name == \"$2\").properties
		| [.destinationPortRange // .destinationPortRanges[] | tonumber] | sort)"
}

agreement()
{
	agrees_file=plain.json
	agrees "the network is the one of the masters' addresses" \
		'.variables.vnetRange == $LAYOUT_NETWORK'
	agrees "the first master has the first address" \
		"$(of Network/networkInterfaces).properties.ipConfigurations[0].properties
			.privateIPAddress == (\$LAYOUT_MASTER_ADDRESS | rtrimstr(\"%u\")
			| \"[concat('\" + . + \"', copyIndex($(layout LAYOUT_FIRST_MASTER | tr -d u)))]\")"
	agrees "as many masters at most" \
		'(.parameters.masterCount.allowedValues | max) == $LAYOUT_MASTERS_MAX'
	agrees "the probe asks where the agent answers" \
		"$(of Network/loadBalancers).properties.probes[0].properties.port
			== \$LAYOUT_HEALTH_PORT"
	agrees "the balanced ports are the services'" \
		"[$(of Network/loadBalancers).properties.loadBalancingRules[].properties
			| .frontendPort, .backendPort] | unique
			== [\$LAYOUT_REPLICATED_PORT, \$LAYOUT_GLOBAL_PORT]"
	agrees "the monitor's rule is of its port" \
		"$(rule masters-nsg monitor) == [\$LAYOUT_MONITOR_PORT]"
	agrees "masters: what the swarm needs over TCP" \
		"$(rule masters-nsg swarm-tcp) == ([\$DOCKER_PORT_MANAGER, \$DOCKER_PORT_GOSSIP,
			\$LAYOUT_HELPER_PORT, \$LAYOUT_HEALTH_PORT] | sort)"
	agrees "agents: what the swarm needs over TCP" \
		"$(rule agents-nsg swarm-tcp)
			== ([\$DOCKER_PORT_GOSSIP, \$LAYOUT_HEALTH_PORT] | sort)"
	for group in masters agents; do
		agrees "$group: what the swarm needs over UDP" \
			"$(rule $group-nsg swarm-udp)
				== ([\$DOCKER_PORT_VXLAN, \$DOCKER_PORT_GOSSIP] | sort)"
	done

	/usr/bin/python3 -c 'import json, sys, yaml
print(json.dumps(yaml.safe_load(open(sys.argv[1]))))' "$node" >node.json
	agrees_file=node.json
	agrees "node.json is where the daemons look for it" \
		'any(.write_files[]; .path == $LAYOUT_NODE_JSON)'
	agrees "the helper's key is beside it" \
		'any(.write_files[]; .path == ($LAYOUT_NODE_JSON
			| sub("[^/]*$"; "")) + $LAYOUT_HELPER_KEY)'
	agrees "Docker's MTU is the overlays'" \
		'.write_files[] | select(.path == "/etc/docker/daemon.json").content
			| fromjson.mtu == $LAYOUT_MTU'
	agrees "containers are kept from the nodes' network and ports" \
		'.write_files[] | select(.path == "/usr/local/sbin/azswarm-firewall").content
			| contains(" -d \($LAYOUT_NETWORK) -m multiport --dports "
				+ "\([$LAYOUT_HELPER_PORT, $LAYOUT_REGISTRY_PORT] | map(tostring) | join(":"))")
			and contains(" -d \($LAYOUT_METADATA_HOST)")'
	for unit in HELPER AGENT; do
		agrees "the $(layout LAYOUT_${unit}_UNIT) unit" \
			".write_files[] | select(.path == \"/etc/systemd/system/\"
				+ \$LAYOUT_${unit}_UNIT + \".service\").content
				| contains(\"RuntimeDirectory=\" + \$LAYOUT_${unit}_UNIT + \"\n\")"
	done
	agrees "the agent's run directory is its unit's" \
		'$LAYOUT_AGENT_RUN == "/run/" + $LAYOUT_AGENT_UNIT'
	agrees "the helper's socket is in its own" \
		'$LAYOUT_HELPER_SOCKET == "/run/" + $LAYOUT_HELPER_UNIT + "/helper.sock"'
	agrees "which is open to whoever may use Docker" \
		'.write_files[] | select(.path == "/etc/systemd/system/" + $LAYOUT_HELPER_UNIT
			+ ".service").content | (contains("\nGroup=docker\n")
			and contains("\nRuntimeDirectoryMode=0750\n"))'
	agrees "systemd grants the agent the time it plans with" \
		'.write_files[] | select(.path == "/etc/systemd/system/" + $LAYOUT_AGENT_UNIT
			+ ".service").content
			| contains("\nTimeoutStopSec=" + ($LAYOUT_STOP_S | tostring) + "\n")'
	check "node.yaml names both networks where it avoids them" \
		sh -c 'grep -qF "$1" "$3" && grep -qF "$2" "$3"' - \
		"$(layout LAYOUT_NETWORK)" "$(layout LAYOUT_ADDR_POOL)" "$node"
	check "no two address ranges overlap" /usr/bin/python3 -c 'import ipaddress, json, sys
docker = json.loads([f for f in json.load(open(sys.argv[1]))["write_files"]
                     if f["path"] == "/etc/docker/daemon.json"][0]["content"])
some = sys.argv[2:] + [docker["bip"], docker["default-address-pools"][0]["base"]]
some = [ipaddress.ip_network(s, strict=False) for s in some]
assert len(some) == 5
for i, a in enumerate(some):
    for b in some[:i]:
        assert not a.overlaps(b), (a, b)' node.json "$(layout LAYOUT_NETWORK)" \
		"$(layout LAYOUT_ADDR_POOL)" "$(layout LAYOUT_INGRESS)"

	same "the machines here have that network's gateway" \
		"$(layout LAYOUT_NETWORK | sed 's|[.]0/.*|.1|; s|[.]0[.]1$|.0.1|')" \
		"$(sed -n 's/^readonly gateway=//p' "$SRCDIR/assets/machines/nspawn")"
	check "help names the nodes' registry" grep -qF \
		"$(layout LAYOUT_REGISTRY_HOST):$(layout LAYOUT_REGISTRY_PORT)/$(layout LAYOUT_IMAGE):" \
		"$SRCDIR/assets/help.txt"
}

# ---- the cloud-init file ----

keys()
{
	rm -f host host.pub host_rsa host_rsa.pub
	ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -C azswarm -f host &&
		ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -C azswarm -f host_rsa &&
		openssl ecparam -name prime256v1 -genkey -noout -out helper.key
}

# cloud-init itself, unpacked but not installed: its package would enable
# services on this machine.
cloud_init_home=$SRCDIR/build/cloud-init
cloud_init()
{
	PYTHONPATH=$cloud_init_home/usr/lib/python3/dist-packages \
		/usr/bin/python3 -m cloudinit.cmd.main "$@"
}

cloud_init_get()
{
	[ ! -d "$cloud_init_home/usr" ] || return 0
	mkdir -p deb && (cd deb && timeout 60 apt-get -q download cloud-init) \
		>deb.log 2>&1 || return 1
	mkdir -p "$SRCDIR/build" && dpkg-deb -x deb/cloud-init_*.deb unpacked &&
		rm -rf "$cloud_init_home" && mv unpacked "$cloud_init_home"
}

sas='https://shared0mzg2nwy4ndq1odcx.blob.core.windows.net/azswarm/azswarm?sv=2024-11-04&spr=https&st=2026-08-01T00%3A00%3A00Z&se=2036-08-01T00%3A00%3A00Z&sr=b&sp=r&sig=q1%2Fw8Zr%2BJ2nW%3D'

cloud_config()
{
	same "the first line says what it is" '#cloud-config' \
		"$(sed -n 1p "$node")"
	expect "placeholders stand in double quotes" 0 '^NODE_JSON$' \
		config placeholders "$node"
	same "the placeholders are the agreed ones" \
"ADMIN_USERNAME BINARY_SHA256 BINARY_URL DOCKER_CHANNEL HELPER_KEY METADATA_FOR_CONTAINERS NODE_JSON SHARE_CRED SHARE_NAME SSH_HOST_KEY SSH_HOST_KEY_PUB SSH_HOST_RSA_KEY SSH_HOST_RSA_KEY_PUB STORAGE_HOST" \
		"$(config placeholders "$node" | tr '\n' ' ' | sed 's/ $//')"
	sed 's/docker_key=.*/docker_key=@DOCKER_KEY@/' "$node" >mutant.yaml
	expect "a placeholder without quotes is found" 1 \
		'@DOCKER_KEY@ is not in double quotes' config placeholders mutant.yaml

	# any file does for the program
	for role in master agent; do
		config values $role "$sas" "$node" . >$role.json &&
			config fill "$node" $role.json >$role.yaml &&
			config unpack $role.yaml $role.d || {
			not_ok "$role: filled and unpacked"
			continue
		}
		check "$role: fits into customData with room" \
			test "$(wc -c <$role.yaml)" -lt 32768
		check "$role: no placeholder is left" \
			sh -c "! grep -E '@[A-Z0-9_]+@' $role.yaml"
	done
	check "the host key arrives whole" \
		cmp host master.d/etc/ssh/ssh_host_ecdsa_key
	check "and so does its public half" \
		cmp host.pub master.d/etc/ssh/ssh_host_ecdsa_key.pub
	check "the helper's key arrives whole" cmp helper.key master.d/etc/azswarm/helper.key
	check "an agent gets no helper key" test ! -s agent.d/etc/azswarm/helper.key
	check "node.json arrives whole" jq -e \
		'.role == "manager" and (.manager_secret | length) == 64' \
		master.d/etc/azswarm/node.json
	check "an agent gets no manager secret" jq -e \
		'.role == "worker" and (has("manager_secret") | not)' \
		agent.d/etc/azswarm/node.json
	same "the address arrives whole" "url = \"$sas\"" \
		"$(cat agent.d/etc/azswarm/binary.url)"
	same "everything secret is 0600" '' \
		"$(find master.d/etc/azswarm -type f ! -perm 0600)"
	check "daemon.json is JSON, without live-restore" jq -e \
		'.bip == "172.29.0.1/24" and .mtu == 1400 and .["live-restore"] == false
			and .["insecure-registries"] == ["127.0.0.0/8"]' \
		agent.d/etc/docker/daemon.json
	check "Docker's signing key is named" grep -qx \
		docker_key=9DC858229FC7DD38854AE2D88D81803C0EBFCD88 \
		agent.d/usr/local/sbin/azswarm-setup
	check "nobody else looks into the agent's run directory" \
		grep -qx RuntimeDirectoryMode=0700 agent.d/etc/systemd/system/swarm-agent.service
	same "the agent's unit and the helper's differ in what they run, and who may ask, only" \
		"$(sandbox master.d/etc/systemd/system/swarm-helper.service)" \
		"$(sandbox master.d/etc/systemd/system/swarm-agent.service)"

	if cloud_init_get; then
		expect "master: cloud-init's schema" 0 'Valid' \
			cloud_init schema -c master.yaml
		expect "agent: cloud-init's schema" 0 'Valid' \
			cloud_init schema -c agent.yaml
		sed 's/permissions: "0600"/permissions: 0600/' agent.yaml >mutant.yaml
		expect "cloud-init's schema refuses a number for permissions" 1 \
			"is not of type 'string'" cloud_init schema -c mutant.yaml
	else
		skip "cloud-init's schema" "cloud-init cannot be downloaded: $(tail -n 1 deb.log)"
	fi

	if command -v shellcheck >/dev/null; then
		expect "shellcheck has nothing to say" 0 '' \
			shellcheck agent.d/usr/local/sbin/azswarm-setup \
			agent.d/usr/local/sbin/azswarm-firewall
	else
		skip "shellcheck" "it is not installed"
	fi
	units
}

sandbox()	# UNIT-FILE
{
	sed -n '/^CapabilityBoundingSet/,/^OOMScoreAdjust/p' "$1" |
		sed 's/swarm-helper$/swarm-X/; s/swarm-agent$/swarm-X/
			s/^RuntimeDirectoryMode=07[05]0$/RuntimeDirectoryMode=X/'
}

# systemd looks whether what a unit starts is there, so it is put there.
units()
{
	command -v systemd-analyze >/dev/null || {
		skip units "no systemd-analyze"
		return
	}
	for unit in swarm-firewall.service swarm-helper.service swarm-agent.service srv.mount srv.automount; do
		sed 's|/usr/local/s*bin/azswarm[a-z-]*|/bin/true|' \
			"master.d/etc/systemd/system/$unit" >"$unit"
	done
	expect "systemd knows every line of the units" 0 '' \
		verify ./swarm-firewall.service ./swarm-helper.service \
		./swarm-agent.service ./srv.mount ./srv.automount
	sed -i 's/^ProtectHome=yes/ProtectHomes=yes/' swarm-agent.service
	expect "systemd finds a misspelt line" 1 'ProtectHomes' \
		verify ./swarm-agent.service
}

# It only warns of unknown lines, so silence is what counts.  Units that ours
# name and this machine lacks are not our matter.
verify()	# UNIT...
{
	said=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no \
		--recursive-errors=no "$@" 2>&1 |
		grep -E '^[^ ]*(swarm-|srv\.)' || :)
	printf '%s\n' "$said"
	[ -z "$said" ]
}

/usr/bin/python3 -c 'import jsonschema, yaml' 2>/dev/null ||
	skip_all "no python3-jsonschema or python3-yaml here"
template
filled_in
promises
agreement
keys || skip_all "ssh-keygen or openssl make no EC keys here"
cloud_config
