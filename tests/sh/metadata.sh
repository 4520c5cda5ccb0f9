# Nobody's metadata service is asked.  On a machine of Azure 169.254.169.254
# gives out tokens for whatever that machine may do: nothing in the suite and
# in the demo may reach for it.  What they connect to is read from strace, in
# a network where nobody else is.
# time: 600
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
need strace unshare ip
unset EMULATOR_RECORD

same "here it is nobody" http://127.0.0.1:9 "$AZURE_POD_IDENTITY_AUTHORITY_HOST"
check "tests/run sees to that" grep -qx 'export AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9' \
	"$SRCDIR/tests/run"

# An empty environment is emptied of that, too.  In a chroot it is cloud-init's
# script that runs, not the program.
same "no environment without it" '' "$(cd "$SRCDIR" && grep -rnE 'env (-i|--ignore-environment|-)( |$)' tests build-aux Makefile |
	grep -vE 'AZURE_POD_IDENTITY_AUTHORITY_HOST=|^tests/sh/(metadata|layers)\.sh|chroot "\$root" /usr/bin/env -i HOME')"
same "nobody takes it away" '' "$(cd "$SRCDIR" && grep -rnE '(unset|env -u|environ.pop|delete process.env).*AZURE_POD_IDENTITY' tests build-aux Makefile |
	grep -v '^tests/sh/metadata\.sh')"

mode=--net
[ "$(id -u)" -eq 0 ] || mode='--net --map-root-user'
# shellcheck disable=SC2086
unshare $mode true 2>unshare.log || skip_all "no network of its own: $(tail -n 1 unshare.log)"

# Where a command connects to, beyond itself: lines of addresses in ./asked.
# Nothing leaves this machine, so it may be let loose.
asked()		# COMMAND...
{
	# shellcheck disable=SC2086
	unshare $mode sh -c 'ip link set lo up && exec strace -f --seccomp-bpf -qq -e trace=connect,sendto,sendmsg \
		-e signal=none -o trace "$@"' sh "$@" >out 2>&1 </dev/null
	asked_status=$?
	sed -n 's/.*sin_port=htons(\([0-9]*\)), sin_addr=inet_addr("\([0-9.]*\)").*/\2:\1/p
		s/.*sin6_port=htons(\([0-9]*\)).*inet_pton(AF_INET6, "\([0-9a-f:.]*\)".*/[\2]:\1/p' trace | sort -u >asked
}
others()
{
	grep -vE '^(127\.[0-9.]*|\[::1\]):' asked
}

asked env -i "$AZSWARM" locations
check "left alone, it would ask there: strace sees it" grep -qx '169\.254\.169\.254:80' asked
asked env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 "$AZSWARM" locations
same "told of nobody, it asks nobody else" '127.0.0.1:9' "$(cat asked)"
export AZSWARM
cat >bare.sh <<'E2'
. "$SRCDIR/tests/lib.sh"
bare "$AZSWARM" locations
E2
asked env -u AZURE_POD_IDENTITY_AUTHORITY_HOST sh bare.sh
same "a test with an empty environment, run by hand" '127.0.0.1:9' "$(cat asked)"

asked env -u AZURE_POD_IDENTITY_AUTHORITY_HOST TMPDIR="$PWD" "$SRCDIR/tests/demo.sh" paper
same "the demo ends well" 0 $asked_status
[ $asked_status -eq 0 ] || tail -n 20 out
same "the demo connects to this machine only" '' "$(others)"
check "and to the local Azure" grep -q '^127\.0\.0\.1:' asked
mkdir cli && cd cli || exit 1
asked env -u AZURE_POD_IDENTITY_AUTHORITY_HOST sh "$SRCDIR/tests/sh/cli.sh"
same "the command line's test connects to this machine only" '' "$(others)"
check "and asks nobody" grep -qx '127\.0\.0\.1:9' asked
