#!/bin/sh
# Install the Debian packages named in the given lists that are not here yet.
#
#	build-aux/deps.sh LIST...
#
# COMMAND=PACKAGE asks for the package only where the command is not there.
#
# Quiet and quick when nothing is lacking.  Needs root, or sudo, only when
# something is; APT_UPDATED=1 says that apt's lists are fresh.  On a system
# without dpkg it does nothing: there the missing command says its own name.
set -eu

command -v dpkg-query >/dev/null 2>&1 || exit 0

wanted=
for p in $(sed 's/#.*//' "$@"); do
	case $p in
	*=*)	command -v "${p%%=*}" >/dev/null 2>&1 || wanted="$wanted ${p#*=}" ;;
	*)	wanted="$wanted $p" ;;
	esac
done
have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
	sed -n 's/^installed //p') || :
lacking=
for p in $wanted; do
	case "
$have
" in
	*"
$p
"*)	;;
	*)	lacking="$lacking $p" ;;
	esac
done
[ -n "$lacking" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	root=
elif command -v sudo >/dev/null 2>&1; then
	root=sudo
else
	echo "deps: lacking:$lacking" >&2
	echo "deps: not root, and no sudo; as root:" \
		"apt-get update && apt-get install$lacking" >&2
	exit 1
fi
echo "deps: installing$lacking" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists may be absent (containers) or older than the archive (images).  A
# machine that has just booted may be busy with upgrades of its own: wait.
$root env DEBIAN_FRONTEND=noninteractive APT_UPDATED="${APT_UPDATED-}" sh -c '
	n=0
	until [ -n "$APT_UPDATED" ] || apt-get -q update; do
		n=$((n + 1))
		[ $n -lt 5 ] || exit 1
		sleep 3
	done
	# a package may bring a service along: it is not to start
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap "rm -f $policy" EXIT
		printf "#!/bin/sh\nexit 101\n" >$policy
		chmod 755 $policy
	fi
	apt-get -q install -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 \
		-y --no-install-recommends "$@"' sh $lacking </dev/null >"$log" 2>&1 || {
	tail -n 15 "$log" >&2
	echo "deps: could not install$lacking" >&2
	exit 1
}
