#!/bin/sh
# What the operator waits for, beside what others need for the same, in one run:
# a deployment on the local Azure, lists of many machines, answered by nginx, and
# commands on a master, a real sshd.  Others are Microsoft's command line, of
# Debian, Microsoft's client for JavaScript, and OpenSSH.  Times are the best of
# some turns; what is noisy is counted besides, in instructions (callgrind).  A peer
# that is not installed is "not here".  Not a part of `make test`.
#
#	tests/bench_client.sh			(root: namespaces, port 22)
#	tests/bench_client.sh compare OLD	what takes 10 % more than then
set -eu
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)

if [ "${1-}" = compare ]; then
	slower=$(jq -rn --slurpfile old "$2" --slurpfile new "$top/bench.json" '
		$new[0] | to_entries[] | .key as $k | $old[0][$k].ours as $was |
			select(($was | type) == "number" and (.value.ours | type) == "number" and .value.ours > $was * 1.1) |
			"\(.key): \($was) to \(.value.ours) \(.value.unit)"')
	echo "${slower:-nothing takes 10 % more}"
	[ -z "$slower" ]
	exit
fi
. "$top/tests/bench_rows.sh"
[ "$(id -u)" -eq 0 ] || { echo 'bench: the commands need root, for a network of their own'; exit 0; }
[ -n "${BENCH_NETWORK-}" ] || BENCH_NETWORK=1 exec unshare -n "$0" "$@"
ip link set lo up

dir=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-bench.XXXXXX")
pids=
finish()
{
	trap - EXIT INT TERM HUP
	ssh -F none -S "$dir/control" -O exit x 2>/dev/null || :
	rm -f "$dir"/run/azswarm/*.sock
	for pid in $pids; do kill "$pid" 2>/dev/null || :; done
	wait 2>/dev/null || :
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
cd "$dir"
mkdir run home
for v in $("$top/azswarm" help settings | sed -n 's/^  \([A-Z][A-Z0-9_]*\)  .*/\1/p') SSL_CERT_FILE SSL_CERT_DIR SSH_AUTH_SOCK; do
	unset "$v"
done
export XDG_RUNTIME_DIR="$dir/run" HOME="$dir/home"
ours=$top/azswarm

until_says()	# FILE WORDS
{
	n=0
	until grep -q "$2" "$1" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 300 ] || { echo "bench: no '$2' in $1" >&2; tail -n 3 "$1" >&2; exit 1; }
		sleep 0.1
	done
}

# ---- Microsoft's command line, pointed at the local Azure (conformance/az) ----

az=
if command -v az >/dev/null && /usr/bin/python3 -c 'import azure.cli.core, msal' 2>/dev/null; then
	az=$(command -v az)
fi
export AZURE_CONFIG_DIR="$dir/az" AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_ONLY_SHOW_ERRORS=1
cat >azure.az <<EOF
#!/bin/sh
# it is to know what it was told, not what our environment says
unset AZURE_AUTHORITY_HOST AZURE_RESOURCE_MANAGER_ENDPOINT AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET \\
	AZURE_SUBSCRIPTION_ID SSL_CERT_FILE
HTTPS_PROXY=\$(cat $dir/az.proxy) NO_PROXY=localhost REQUESTS_CA_BUNDLE=$dir/az.pem exec $az "\$@"
EOF
chmod 755 azure.az
az_sign_in()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout entra.key -out entra.pem \
		-subj /CN=login.microsoftonline.com -addext subjectAltName=DNS:login.microsoftonline.com 2>/dev/null
	/usr/bin/python3 "$top/tests/azure_proxy.py" entra.pem entra.key "${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}" \
		"$SSL_CERT_FILE" login.microsoftonline.com >proxy.out 2>&1 & pids="$pids $!"
	until_says proxy.out '^[0-9]'
	echo "http://127.0.0.1:$(sed -n 1p proxy.out)" >az.proxy
	cat "$SSL_CERT_FILE" entra.pem >az.pem
	./azure.az cloud register -n local --endpoint-resource-manager "$AZURE_RESOURCE_MANAGER_ENDPOINT" \
		--suffix-storage-endpoint "core.localhost:${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}" &&
		./azure.az cloud set -n local &&
		./azure.az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" -t "$AZURE_TENANT_ID"
}
az_row()	# NAME OURS UNIT HOW ARGUMENTS...: HOW measures az with these
{
	az_name=$1 az_ours=$2 az_unit=$3 az_how=$4
	shift 4
	row "$az_name" "$az_ours" "$([ -z "$az" ] && echo 'not here' || $az_how ./azure.az "$@")" "$az_unit"
}
best3() { best 3 "$@"; }

# ---- a local Azure, nginx in its place, an sshd ----

"$ours" emulator --listen 127.0.0.1:0 --dir azure --record "$dir/record" >emulator.out 2>&1 & pids="$pids $!"
until_says emulator.out '^ready '
. azure/env
for command in keys deploy-storage params; do
	"$ours" "$command" >out 2>&1 </dev/null || { cat out >&2; exit 1; }
done
[ -z "$az" ] || az_sign_in >az.out 2>&1 || { tail -n 3 az.out >&2; az=; }

head_row 'commands, theirs is az'
az_row 'version: start-up' "$(best 20 "$ours" version)" ms best3 version
az_row 'version: memory at most' "$(peak "$ours" version)" MB peak version

# What a command takes beyond the deployment itself, whose time its answer tells.
beyond()	# COMMAND...
{
	beyond_at=$(date +%s%N) beyond_line=$(wc -l <record)
	"$@" >beyond.out 2>&1 </dev/null || { tail -n 3 beyond.out >&2; echo failed; return; }
	beyond_ms=$((($(date +%s%N) - beyond_at) / 1000000))
	tail -n +$((beyond_line + 1)) record | jq -rs --argjson all "$beyond_ms" '
		[.[] | select(.url | test("/deployments/[^/?]*[?]")) | .responseBody.properties?.duration? | strings |
			capture("PT((?<m>[0-9.]+)M)?(?<s>[0-9.]+)S") | 60 * (.m // "0" | tonumber) + (.s | tonumber)] |
		$all - 1000 * max | floor'
}
deploy_theirs=	deploy_ours=
for _ in 1 2; do
	"$ours" destroy-compute --confirm swarm-cluster >out 2>&1 </dev/null || :
	n=$(beyond "$ours" deploy-compute)
	[ -n "$deploy_ours" ] && [ "$deploy_ours" -le "$n" ] || deploy_ours=$n
	[ -n "$az" ] || continue
	"$ours" destroy-compute --confirm swarm-cluster >out 2>&1 </dev/null
	./azure.az group create -n swarm-cluster -l eastus >out 2>&1
	n=$(beyond ./azure.az deployment group create -g swarm-cluster -n cli-eastus \
		-f "$top/assets/arm/cluster.json" -p @parameters/cluster.json)
	[ -n "$deploy_theirs" ] && [ "$deploy_theirs" -le "$n" ] || deploy_theirs=$n
done
row 'deploy-compute: beyond the deployment' "$deploy_ours" "${deploy_theirs:-not here}" ms
"$ours" list-agents >out 2>&1 </dev/null || { cat out >&2; exit 1; }
# the versions of the API that this package has machines of
[ -z "$az" ] || ./azure.az cloud set -n local --profile 2020-09-01-hybrid >az.out 2>&1 || { cat az.out >&2; az=; }

# ---- lists, answered by nginx ----

sdk=$top/build/npm/azure/node_modules
SRCDIR=$top
. "$top/tests/nginx.sh"
if nginx_get; then
	port=8443
	for n in 100 1000; do
		python3 "$top/tests/list_pages.py" record "pages$n" $n $port >bytes
		(cd "pages$n" && exec "$nginx" -p . -c nginx.conf) 2>nginx.log & pids="$pids $!"
		cat "pages$n/cert.pem" >>az.pem
		# a cloud is asked where its parts are
		mkdir "pages$n/www/metadata"
		curl -s --cacert "$SSL_CERT_FILE" -o "pages$n/www/metadata/endpoints" \
			"$AZURE_RESOURCE_MANAGER_ENDPOINT/metadata/endpoints?api-version=2015-01-01"
		set -- vmss list-instances -g swarm-cluster -n agents --expand instanceView
		if [ -n "$az" ] && { ! ./azure.az cloud update -n local --endpoint-resource-manager "https://localhost:$port" ||
		    [ "$(./azure.az "$@" --query 'length(@)')" != $n ]; } >az.out 2>&1; then
			tail -n 3 az.out >&2
			az=
		fi
		port=$((port + 1))
		(
			. "pages$n/env"
			t=0
			until "$ours" list-agents >out 2>&1; do
				t=$((t + 1))
				[ $t -lt 50 ] || { cat out >&2; exit 1; }
				sleep 0.1
			done
			mine=$(best 10 "$ours" list-agents) memory=$(peak "$ours" list-agents)
			az_row "list-agents of $n" "$mine" ms best3 "$@" -o table
			az_row "list-agents of $n: memory at most" "$memory" MB peak "$@" -o table
			if [ -d "$sdk" ] && command -v node >/dev/null; then
				export NODE_PATH="$sdk" NODE_EXTRA_CA_CERTS="$SSL_CERT_FILE"
				row "list-agents of $n, node's SDK" "$mine" "$(best 3 node "$top/tests/npm/azure/list.js" $n)" ms
				row "list-agents of $n, node's SDK: memory at most" "$memory" "$(peak node "$top/tests/npm/azure/list.js" $n)" MB
			else
				row "list-agents of $n, node's SDK" "$mine" 'not here' ms
			fi
			[ -z "$counted" ] ||
				row "list-agents of $n, counted" "$(instructions "$ours" list-agents)" - 'M instr'
			[ $n = 100 ] && [ -n "$counted" ] || exit 0
			# one more root than all of the system's
			cat /etc/ssl/certs/ca-certificates.crt "pages$n/cert.pem" >bundle.pem
			row 'the same with a bundle of all roots' \
				"$(SSL_CERT_FILE=bundle.pem instructions "$ours" list-agents)" - 'M instr'
			mkdir roots && cp /usr/share/ca-certificates/mozilla/*.crt roots/ && cp "pages$n/cert.pem" roots/
			openssl rehash roots 2>/dev/null
			unset SSL_CERT_FILE
			row 'the same with a directory of all roots' \
				"$(SSL_CERT_DIR=roots instructions "$ours" list-agents)" - 'M instr'
		)
	done
else
	echo 'lists: nginx is not here'
fi

# ---- commands on a master ----

address=$("$ours" endpoints --output json | jq -r '.[] | select(.name == "master0-ip") | .address')
{ sed '/^cluster:/d' /etc/passwd; echo 'cluster:x:0:0::/root:/bin/sh'; } >passwd
install -m 600 keys/host-master.pem host.key
printf '%s\n' 'Port 22' "ListenAddress $address" "HostKey $dir/host.key" "AuthorizedKeysFile $dir/keys/cluster.pub" \
	'PidFile none' 'UsePAM no' 'StrictModes no' 'PermitRootLogin prohibit-password' 'MaxStartups 100' >sshd.conf
mkdir -p /run/sshd
unshare -m sh -c "mount --bind passwd /etc/passwd && exec '$(command -v sshd)' -D -e -f sshd.conf" 2>sshd.log & pids="$pids $!"
until_says sshd.log listening
echo "$address $(cut -d' ' -f1,2 keys/host-master.pub)" >known_hosts
theirs()	# HOW
{
	ssh -F none -i keys/cluster.pem -o IdentitiesOnly=yes -o BatchMode=yes -o LogLevel=ERROR \
		-o UserKnownHostsFile=known_hosts "$@" "cluster@$address" true
}
head_row 'a master, theirs is OpenSSH'
row 'ssh master0 true, a connection each' "$(best 10 "$ours" ssh --no-share master0 true)" "$(best 10 theirs)" ms
"$ours" ssh master0 true
theirs -o ControlMaster=yes -S control -o ControlPersist=60
row 'ssh master0 true, 50 after the first' "$(best 50 "$ours" ssh master0 true)" "$(best 50 theirs -S control)" ms
