# plan and deploy-compute --dry-run against the local Azure, machines on paper:
# before there is anything, after the deployment, after changes; quota, sizes,
# secrets, forms of output.  What recorded answers of Azure look like in a plan is
# unit/plan's.
# time: 240
. "$SRCDIR/tests/lib.sh"
need jq curl script

azure()		# [ARGUMENT...]: a local Azure, new or again
{
	azure_n=$((${azure_n:-0} + 1))
	spawn azure.$azure_n "$AZSWARM" emulator --dir azure --listen 127.0.0.1:0 "$@"
	azure_pid=$spawned
	wait_for 20 grep -q '^ready ' azure.$azure_n || {
		not_ok start "$(cat azure.$azure_n)"
		exit 1
	}
	. ./azure/env
}

plan()		# CASE STATUS [ARGUMENT...]: stdout in ./plan, stderr in ./talk
{
	plan_case=$1 plan_status=$2
	shift 2
	plan_got=0
	"$AZSWARM" "${@:-plan}" >plan 2>talk </dev/null || plan_got=$?
	cat plan talk >>everything
	same "$plan_case: exit code" "$plan_status" "$plan_got"
}

has()		# CASE LINE: in the plan, whole
{
	check "$1" grep -qxF -e "$2" plan
}

# Nothing that is secret has been shown by anything.
secrets()
{
	jq -r '.parameters | .masterCustomData.value, .agentCustomData.value' parameters/cluster.json |
		cut -c 1-200 >secrets
	cat keys/*.secret | head -c 64 >>secrets
	echo >>secrets
}

export XDG_CACHE_HOME="$PWD/cache"
: >everything
azure
for c in keys deploy-storage params; do
	expect "$c" 0 '' "$AZSWARM" $c
done
secrets

# ---- before there is a group ----
plan 'no group' 5
check 'no group: says so' grep -q 'resource group swarm-cluster is not there, so Azure cannot be asked' talk
same 'no group: everything is to be made' '11 11' "$(grep -c '^[^ ]' plan) $(grep -c '^+ ' plan)"
has 'no group: names are evaluated' '+ Microsoft.Network/networkInterfaces master0-nic'
has 'no group: quota' '  quota cores: 0 -> 8  (vCPUs, limit 100)'
check 'no group: still none' sh -c "'$AZSWARM' resources --output tsv | grep -vq swarm-cluster"
expect 'no group: nothing in it' 0 'resource group swarm-cluster is not there' "$AZSWARM" resources
cp -r parameters kept
expect 'three masters' 0 '' "$AZSWARM" params --master-count 3 --vmss-name crew
plan 'three masters' 5 plan --vmss-name crew
has 'three masters: the third' '+ Microsoft.Compute/virtualMachines master2'
has 'three masters: a set of that name' '+ Microsoft.Compute/virtualMachineScaleSets crew'
has 'three masters: quota' '  quota standardBasv2Family: 0 -> 12  (vCPUs, limit 100)'
expect 'four masters' 1 'InvalidTemplate.*masterCount' sh -c \
	"sed -i 's/\"value\":[ 	]*3/\"value\": 4/' parameters/cluster.json && '$AZSWARM' plan --vmss-name crew"
expect 'a size that this subscription may not have' 0 '' "$AZSWARM" params --agent-size Standard_B1s
plan 'such a size' 1
has 'such a size: marked' '! size Standard_B1s  (NotAvailableForSubscription)'
check 'such a size: why' grep -qx \
	"azswarm: plan: size Standard_B1s in eastus: NotAvailableForSubscription; 'azswarm sizes' shows what there is" talk
rm -rf parameters && mv kept parameters

# ---- after the deployment ----
expect 'deploy-compute' 0 '' "$AZSWARM" deploy-compute
plan 'deployed' 0
same 'deployed: all unchanged' '11 11' "$(grep -c '^[^ ]' plan) $(grep -c '^= ' plan)"
check 'deployed: says so' grep -qx 'plan: nothing to change; 11 unchanged' talk
check 'deployed: a master that is there is sent nothing that it was first made by' sh -c '! grep -q " properties.osProfile.customData" plan'
plan 'deploy-compute --dry-run' 0 deploy-compute --dry-run
check 'deploy-compute --dry-run: the same' grep -qx '= Microsoft.Network/virtualNetworks vnet' plan
plan 'deployed: quota counts what comes on top' 0
has 'deployed: quota' '  quota cores: 8 -> 8  (vCPUs, limit 100)'

# ---- what new masters are made by, and those that are there never again ----
cp parameters/cluster.json kept
jq '.parameters.masterCustomData.value = "b3RoZXI=" | .parameters.agentCustomData.value = "b3RoZXI="' \
	kept >parameters/cluster.json
plan 'another program, another year' 0
check 'another program: nothing for the master' grep -q '^= Microsoft.Compute/virtualMachines master0$' plan
expect 'another program: deploy-compute' 0 '' "$AZSWARM" deploy-compute
jq '.parameters.masterCount.value = 3' parameters/cluster.json >three && cp three parameters/cluster.json
plan 'two masters more' 5
check 'two masters more: they are made' sh -c 'grep -c "^+ Microsoft.Compute/virtualMachines master[12]$" plan | grep -qx 2'
check 'two masters more: the first stays as it is' grep -q '^= Microsoft.Compute/virtualMachines master0$' plan
cp kept parameters/cluster.json

# ---- changes ----
expect 'other settings' 0 '' "$AZSWARM" params --ssh-source 192.0.2.0/24 --agent-size Standard_B4s_v2 --agent-count 5
plan 'other settings' 5
has 'other settings: what changes' '~ Microsoft.Network/networkSecurityGroups masters-nsg'
has 'other settings: in an array' \
	'    ~ properties.securityRules[0].properties.sourceAddressPrefix: "*" -> "192.0.2.0/24"'
has 'other settings: the size' '    ~ sku.name: "Standard_B2ats_v2" -> "Standard_B4s_v2"'
check 'other settings: the number of agents stays' sh -c \
	'! grep -q capacity plan && grep -q "there are 3 agents already" talk'
has 'other settings: quota' '  quota cores: 8 -> 14  (vCPUs, limit 100)'
check 'other settings: summary' grep -qx 'plan: 3 to modify, 8 unchanged' talk
plan 'json' 5 plan --output json
same 'json: changed resources' 'agents agents-autoscale masters-nsg' "$(jq -r '[.[]|select(.change=="modify" and .property=="")|.name]|
	sort|join(" ")' plan)"
same 'json: a changed property' '["\"Standard_B2ats_v2\"","\"Standard_B4s_v2\""]' \
	"$(jq -c '.[]|select(.property=="sku.name")|[.before,.after]' plan)"
same 'json: a check' '["8","14"]' "$(jq -c '.[]|select(.type=="quota" and .name=="cores")|[.before,.after]' plan)"
plan 'tsv' 5 plan --output tsv
same 'tsv: seven columns' 7 "$(awk -F '\t' '{ print NF }' plan | sort -u)"
plan 'quiet' 5 plan --quiet
same 'quiet: no talk' '' "$(cat talk)"
script -qefc "TERM=xterm '$AZSWARM' plan" tty >/dev/null </dev/null
same 'on a terminal: exit code' 5 $?
esc=$(printf '\033')
check 'on a terminal: color' grep -q "$esc\[33m~ Microsoft.Network/networkSecurityGroups masters-nsg$esc\[0m" tty
script -qefc "TERM=xterm NO_COLOR=1 '$AZSWARM' plan" tty >/dev/null </dev/null
check 'NO_COLOR' sh -c "grep -q '^~ Microsoft.Network/networkSecurityGroups masters-nsg' tty && ! grep -q '$esc\[3' tty"
plan 'no terminal' 5 plan
check 'no terminal: no color' sh -c "! grep -q '$esc' plan"
export FORCE_COLOR=1
plan 'FORCE_COLOR' 5 plan
check 'FORCE_COLOR: color' grep -q "$esc\[33m~ Microsoft.Network/networkSecurityGroups masters-nsg$esc\[0m" plan
plan '--no-color' 5 plan --no-color
check '--no-color is the stronger' sh -c "grep -q '^~ Microsoft.Network' plan && ! grep -q '$esc' plan"
export FORCE_COLOR=
plan 'FORCE_COLOR, empty' 5 plan
check 'FORCE_COLOR, empty: no color' sh -c "! grep -q '$esc' plan"
unset FORCE_COLOR

# ---- the number of agents, and what goes with it ----
expect 'as it was' 0 '' "$AZSWARM" params
expect 'four agents' 0 '4 agents' "$AZSWARM" scale-agents 4
plan 'four agents' 0
check 'four agents: the moved default is no change' grep -qx '= Microsoft.Insights/autoscalesettings agents-autoscale' plan
expect 'stopped' 0 'autoscale: switched off' "$AZSWARM" stop-agents
plan 'stopped' 0
check 'stopped: autoscale stays off' grep -q 'autoscale is off, and so it stays' talk
expect 'started' 0 'autoscale: switched on' "$AZSWARM" start-agents
expect 'three agents again' 0 '3 agents left' "$AZSWARM" scale-agents 3
plan 'three agents' 0
expect 'other thresholds' 0 '' "$AZSWARM" params --autoscale-out 60
plan 'other thresholds' 5
has 'other thresholds: out' '    ~ properties.profiles[0].rules[0].metricTrigger.threshold: 15 -> 60'
has 'other thresholds: in is half of it' '    ~ properties.profiles[0].rules[1].metricTrigger.threshold: 7 -> 30'

# ---- others at work ----
expect 'as it was' 0 '' "$AZSWARM" params
api()		# METHOD PATH [DATA]
{
	curl -sS -g --cacert "$SSL_CERT_FILE" --noproxy '*' -m 60 -X "$1" -H "Authorization: Bearer $token" \
		-H 'Content-Type: application/json' ${3:+--data "$3"} "$AZURE_RESOURCE_MANAGER_ENDPOINT$group/providers/$2"
}
token=$(jq -r '.tokens[0].token' cache/azswarm/tokens.json)
group=/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/swarm-cluster
api DELETE 'Microsoft.Insights/autoscaleSettings/agents-autoscale?api-version=2022-10-01' >api.out
api PUT 'Microsoft.Network/networkSecurityGroups/stray?api-version=2024-05-01' '{"location":"eastus","properties":{}}' >api.out
api PATCH 'Microsoft.Compute/availabilitySets/masters?api-version=2024-07-01' '{"tags":{"cost":"42"}}' >api.out
plan 'others at work' 5
has 'others at work: what is gone comes back' '+ Microsoft.Insights/autoscalesettings agents-autoscale'
has 'others at work: what is not ours stays' \
	'* Microsoft.Network/networkSecurityGroups stray  (not in the template, stays as it is)'
has 'others at work: their tag would go' '    - tags: {"cost":"42"}'
check 'others at work: summary' grep -qx 'plan: 1 to create, 1 to modify, 9 unchanged, 1 ignored' talk
expect 'deploy-compute does that' 0 '' "$AZSWARM" deploy-compute
plan 'and then' 0
check 'and then: autoscale is back' grep -qx '= Microsoft.Insights/autoscalesettings agents-autoscale' plan

# ---- refused ----
cp parameters/cluster.json kept
jq '.parameters.sshSource.value = 7' kept >parameters/cluster.json
for c in plan deploy-compute; do
	"$AZSWARM" $c >out 2>&1
	same "a parameter of another type: $c, exit code" 1 $?
	sed "s/^azswarm: $c: //; s/ \[HTTP 400, request .*//" out | grep InvalidTemplate >refused.$c
done
check 'a parameter of another type: both say the same' sh -c 'test -s refused.plan && cmp refused.plan refused.deploy-compute'
jq '.parameters.agentSize.value = "Standard_Nope"' kept >parameters/cluster.json
expect 'what validation refuses' 1 'azswarm: plan: validation of the template: InvalidParameter: .*Standard_Nope' "$AZSWARM" plan
cp kept parameters/cluster.json
echo '[{"request":"POST *whatIf*","times":1,"status":403,"code":"AuthorizationFailed","message":"no right to ask"}]' >azure/faults.json
expect 'no right to ask' 1 'azswarm: plan: what-if: .*AuthorizationFailed: no right to ask' "$AZSWARM" plan
echo '[{"operation":"*resourcegroups/swarm-cluster","times":1,"code":"Strange","message":"half way"}]' >azure/faults.json
expect 'the operation fails' 1 'azswarm: plan: what-if: .*Strange: half way' "$AZSWARM" plan
rm azure/faults.json

# ---- an address that new machines cannot fetch the program by any more ----
cp parameters/cluster.json kept
jq -r .parameters.agentCustomData.value kept | base64 -d | sed 's/\([?&]\)se=20[0-9][0-9]/\1se=2020/' >old-data
check 'an address that ended: it has an end' grep -q '[?&]se=2020' old-data
jq --rawfile d old-data '.parameters.agentCustomData.value = ($d | @base64)' kept >parameters/cluster.json
expect 'an address that ended: no agents more' 1 "ended at 2020-.*'azswarm params' and 'azswarm deploy-compute'" \
	"$AZSWARM" scale-agents 5
expect 'an address that ended: none is made anew' 1 'ended at 2020-' "$AZSWARM" reimage-agents-parallel --yes
expect 'an address that ended: agents may go' 0 '' "$AZSWARM" scale-agents 2 --yes
cp kept parameters/cluster.json
expect 'a good one: more' 0 '' "$AZSWARM" scale-agents 3

# ---- quota ----
reap $azure_pid
azure --cores 10
jq '.parameters.agentSize.value = "Standard_B4s_v2"' kept >parameters/cluster.json
plan 'quota' 1
has 'quota: the row' '! quota cores: 8 -> 14  (vCPUs, limit 10)'
check 'quota: says how much' grep -q \
	'quota cores: 8 of 10 vCPUs are in use and 6 more are needed.*AGENT_COUNT' talk

# ---- fewer masters than there are ----
reap $azure_pid
azure
jq '.parameters.masterCount.value = 3' kept >parameters/cluster.json
expect 'three masters: deployed' 0 '' "$AZSWARM" deploy-compute
cp kept parameters/cluster.json
plan 'fewer masters' 5
check 'fewer masters: those that will go are named' grep -q \
	"more masters than MASTER_COUNT, .*deploy-compute' takes away, after a yes: master1, master2\$" talk
plan 'fewer masters: json' 5 plan --output json
same 'fewer masters: they are paid for, as status says' \
	"$("$AZSWARM" status --output json 2>/dev/null | jq -r ".costs.month + 0.5 | floor")" \
	"$(jq -r '.[]|select(.type=="cost")|.after' plan)"

# ---- nothing was given away ----
check 'secrets: there are some' test "$(wc -l <secrets)" -ge 3
check 'secrets: none was shown' sh -c '! grep -qF -f secrets everything tty out'
check 'secrets: no signature either' sh -c '! grep -q "sig=" everything tty out'
