# Resource Manager as curl and jq see it, and what is put there: machines, images of
# them, scale sets.  Sourced when a local Azure's env has been read; all is in the
# group g, whose id is G, and whose Microsoft.Compute and Network are C and N.

base=$AZURE_RESOURCE_MANAGER_ENDPOINT ca=$SSL_CERT_FILE
S=/subscriptions/$AZURE_SUBSCRIPTION_ID G=$S/resourceGroups/g
unset SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE
c()
{
	curl -sS -g --cacert "$ca" --noproxy '*' -m 60 "$@"
}
T=$(c "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" \
	--data-urlencode grant_type=client_credentials --data-urlencode "client_id=$AZURE_CLIENT_ID" \
	--data-urlencode "client_secret=$AZURE_CLIENT_SECRET" \
	--data-urlencode "scope=https://management.azure.com/.default" | jq -r .access_token)

# METHOD ID [BODY [QUERY]]: status in $status, ./body, ./head
ask()
{
	case $2 in
	*/galleries*) ask_api=2024-03-03 ;;
	*/Microsoft.Compute/*) ask_api=2024-07-01 ;;
	*/Microsoft.Network/*) ask_api=2024-05-01 ;;
	*) ask_api=2021-04-01 ;;
	esac
	: >body
	status=$(c -X "$1" -o body -D head -w '%{http_code}' -H "Authorization: Bearer $T" \
		-H 'Content-Type: application/json' ${3:+--data "$3"} "$base$2?api-version=$ask_api${4:-}")
}
field()		# NAME: of the last answer's header
{
	sed -n "s/\r\$//; s/^$1: //Ip" head | head -n 1
}
# To the end of the operation, if there is one: its last word in $end, ./poll
finish()
{
	url=$(field Azure-AsyncOperation)
	end=none
	[ -n "$url" ] || return
	for _ in $(seq 900); do
		c -o poll -H "Authorization: Bearer $T" "$url"
		end=$(jq -r .status poll)
		case $end in InProgress | Running) sleep 0.1 ;; *) return ;; esac
	done
}
# What a deployment would change: the first status in $accepted, the last in
# $status, ./body
what_if()	# ID-OF-THE-DEPLOYMENT BODY
{
	ask POST "$1/whatIf" "$2"
	accepted=$status
	[ "$status" = 202 ] || return 0
	url=$(field Location)
	for _ in $(seq 100); do
		status=$(c -o body -w '%{http_code}' -H "Authorization: Bearer $T" "$url")
		[ "$status" = 202 ] || break
		sleep 0.2
	done
}
did()		# CASE METHOD ID [BODY]
{
	did_case=$1
	shift
	ask "$@"
	finish
	case $status-$end in
	20?-none | 20?-Succeeded) ok "$did_case" ;;
	*) not_ok "$did_case" "$status $end: $(head -c 400 body) $(head -c 400 poll)" ;;
	esac
}
says()		# CASE JQ WANTED: of ./body
{
	same "$1" "$3" "$(jq -c "$2" body 2>&1)"
}
refused()	# CASE STATUS CODE WORDS METHOD ID [BODY]
{
	refused_case=$1 refused_status=$2 refused_code=$3 refused_words=$4
	shift 4
	ask "$@"
	if [ "$status" = "$refused_status" ] && [ "$(jq -r .error.code body)" = "$refused_code" ] &&
	    jq -r .error.message body | grep -qF -e "$refused_words"; then
		ok "$refused_case"
	else
		not_ok "$refused_case" "$status $(head -c 400 body)"
	fi
}

# ---- what is put there ----

C=$G/providers/Microsoft.Compute N=$G/providers/Microsoft.Network
ubuntu='{"publisher":"Canonical","offer":"ubuntu-24_04-lts","sku":"server","version":"latest"}'
nic()		# NAME
{
	did "interface $1" PUT "$N/networkInterfaces/$1" '{"location":"eastus","properties":{"ipConfigurations":
		[{"name":"c","properties":{"subnet":{"id":"'"$N/virtualNetworks/v/subnets/s"'"}}}]}}'
}
key()		# the public one of ./id, with which the operator comes
{
	[ -e id ] || ssh-keygen -q -t ed25519 -N '' -f id
	cat id.pub
}
trusted='{"securityType":"TrustedLaunch","uefiSettings":{"secureBootEnabled":true,"vTpmEnabled":true}}'
machine()	# NAME IMAGE [SIZE [SECURITY]]
{
	jq -n --argjson image "$2" --argjson security "${4:-null}" --arg key "$(key)" \
		--arg nic "$N/networkInterfaces/$1" --arg name "$1" --arg size "${3:-Standard_B2ts_v2}" \
		'{location: "eastus", properties: ({hardwareProfile: {vmSize: $size}, storageProfile: {imageReference: $image},
		osProfile: {computerName: $name, adminUsername: "op", linuxConfiguration: {ssh: {publicKeys: [{path:
		"/home/op/.ssh/authorized_keys", keyData: $key}]}}}, networkProfile: {networkInterfaces: [{id: $nic}]}}
		+ if $security then {securityProfile: $security} else {} end)}'
}
of() { printf '{"id":"%s"}' "$1"; }
definition()	# SKU [JQ]
{
	jq -n --arg sku "$1" '{location: "eastus", properties: {osType: "Linux", osState: "Generalized",
		hyperVGeneration: "V2", architecture: "x64", identifier: {publisher: "azswarm", offer: "node", sku: $sku},
		features: [{name: "SecurityType", value: "TrustedLaunch"}]}}'" ${2:+| $2}"
}
version()	# MACHINE [JQ]
{
	jq -n --arg vm "$C/virtualMachines/$1" '{location: "eastus", properties: {publishingProfile: {targetRegions:
		[{name: "East US", regionalReplicaCount: 1}, {name: "West US"}]},
		storageProfile: {source: {virtualMachineId: $vm}}}}'" ${2:+| $2}"
}
set_of()	# IMAGE CAPACITY [JQ]
{
	jq -n --argjson image "$1" --argjson n "$2" --arg key "$(key)" --arg subnet "$N/virtualNetworks/v/subnets/s" \
		'{location: "eastus", sku: {name: "Standard_B2ts_v2", capacity: $n}, properties: {upgradePolicy: {mode: "Manual"},
		virtualMachineProfile: {storageProfile: {imageReference: $image}, osProfile: {computerNamePrefix: "set",
		adminUsername: "op", linuxConfiguration: {ssh: {publicKeys: [{path: "/home/op/.ssh/authorized_keys",
		keyData: $key}]}}}, networkProfile: {networkInterfaceConfigurations: [{name: "n", properties: {primary: true,
		ipConfigurations: [{name: "c", properties: {subnet: {id: $subnet}}}]}}]}}}}'" ${3:+| $3}"
}
