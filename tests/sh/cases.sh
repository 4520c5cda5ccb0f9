# What Azure answers now and then, and what becomes of a command: rows of
# tests/cases.py, and the files in ../shared/cases/azure where they are.
# time: 300
. "$SRCDIR/tests/lib.sh"
need python3 openssl
must_make build/tests/azswarm-reads
set --
for f in "$SRCDIR"/../shared/cases/azure/*.json; do
	[ ! -e "$f" ] || set -- "$@" "$f"
done
[ $# -gt 0 ] || skip 'the files' "no ../shared/cases/azure"
# a network of their own, as for sh/faults
inside='[ -z "$0" ] || ip link set lo up; exec python3 "$@"'
for own in 'unshare -n' 'unshare -rn' ''; do
	$own true 2>/dev/null && break
done
$own sh -c "$inside" "$own" "$SRCDIR/tests/cases.py" cases "$AZSWARM" \
	"$SRCDIR/build/tests/azswarm-reads" "$test_name" "$@" 2>errors || test_failures=1
[ ! -s errors ] || not_ok 'to the end' "$(tail -n 3 errors | tr '\n' ' ')"
