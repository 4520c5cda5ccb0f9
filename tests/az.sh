# Microsoft's command line, as Debian packages it, unchanged, and a local Azure that
# is a cloud of its own to it.  Sourced behind lib.sh; sets arm, S, ca, secret,
# client and tenant.

need jq openssl ssh-keygen az curl
python=/usr/bin/python3		# Debian's, whose packages these are
$python -c 'import azure.cli.core, msal' 2>/dev/null || skip_all 'no azure-cli of Debian here'

# ---- transport ----

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 20 grep -q '^ready' emulator.out || {
	not_ok start "$(cat emulator.out)"
	exit 1
}
. ./azure/env
arm=$AZURE_RESOURCE_MANAGER_ENDPOINT port=${AZURE_RESOURCE_MANAGER_ENDPOINT##*:}
S=/subscriptions/$AZURE_SUBSCRIPTION_ID
ca=$SSL_CERT_FILE
# MSAL asks login.microsoftonline.com about any authority it does not know.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout entra.key -out entra.pem \
	-subj /CN=login.microsoftonline.com -addext subjectAltName=DNS:login.microsoftonline.com 2>/dev/null
spawn proxy.out $python "$SRCDIR/tests/azure_proxy.py" entra.pem entra.key "$port" "$ca" login.microsoftonline.com
wait_for 20 grep -q '^[0-9]' proxy.out
cat "$ca" entra.pem >bundle.pem
proxy=http://127.0.0.1:$(sed -n 1p proxy.out)
export AZURE_CONFIG_DIR="$PWD/az" AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_NO_COLOR=1
export AZURE_CORE_ONLY_SHOW_ERRORS=1
secret=$AZURE_CLIENT_SECRET client=$AZURE_CLIENT_ID tenant=$AZURE_TENANT_ID
# it is to know what it was told, not what our environment says
unset AZURE_AUTHORITY_HOST AZURE_RESOURCE_MANAGER_ENDPOINT AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET \
	AZURE_SUBSCRIPTION_ID SSL_CERT_FILE

az()
{
	HTTPS_PROXY=$proxy NO_PROXY=localhost REQUESTS_CA_BUNDLE=$PWD/bundle.pem command az "$@"
}

# The case holds when az succeeds and the jq filter is true of what it prints.
a()		# CASE FILTER ARGUMENT...
{
	a_case=$1 a_filter=$2
	shift 2
	if ! az "$@" -o json >out 2>err </dev/null; then
		not_ok "$a_case" "az $1 $2: $(grep -v '^ *File\|^ *^' err | tail -n 4 | head -c 600 | tr '\n' ' ')"
	elif [ -n "$a_filter" ] && ! jq -e --arg s "$S" "$a_filter" out >/dev/null 2>&1; then
		not_ok "$a_case" "az $1 $2: not $a_filter: $(jq -c . out | head -c 600)"
	else
		ok "$a_case"
	fi
}

# The case holds when az fails with these words.
fails()		# CASE ERE ARGUMENT...
{
	fails_case=$1 fails_re=$2
	shift 2
	if az "$@" >out 2>err </dev/null; then
		not_ok "$fails_case" "it succeeded: $(head -c 300 out)"
	elif grep -qE -e "$fails_re" err; then
		ok "$fails_case"
	else
		not_ok "$fails_case" "no '$fails_re' in: $(head -c 600 err | tr '\n' ' ')"
	fi
}

# The same, but what breaks in the package itself is skipped by name.  That it
# does is shown where there is no server at all: a traceback that is there, too.
a_or_broken()	# CASE FILTER TRACEBACK-ERE ARGUMENT...
{
	b_case=$1 b_filter=$2 b_re=$3
	shift 3
	if HTTPS_PROXY=http://127.0.0.1:1 NO_PROXY='' command az "$@" 2>&1 </dev/null | grep -qE -e "$b_re"; then
		skip "$b_case" "Debian's package: $(HTTPS_PROXY=http://127.0.0.1:1 NO_PROXY='' command az "$@" 2>&1 </dev/null |
			grep -oE -e "$b_re.*" | tail -n 1)"
	else
		a "$b_case" "$b_filter" "$@"
	fi
}

profile()	# NAME
{
	az cloud set -n local --profile "$1" 2>err || not_ok "profile $1" "$(cat err)"
}
