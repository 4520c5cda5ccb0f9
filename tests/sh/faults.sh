# Commands through faults, and interrupted, against the local Azure on paper; the
# client has sanitizers.  All of them: conformance/faults-all.
# time: 600
. "$SRCDIR/tests/lib.sh"
need python3 openssl
must_make build/tests/azswarm-reads
# a network of their own, where whoever may do nothing else may have port 22
inside='[ -z "$0" ] || ip link set lo up; exec python3 "$@"'
for own in 'unshare -n' 'unshare -rn' ''; do
	$own true 2>/dev/null && break
done
$own sh -c "$inside" "$own" "$SRCDIR/tests/faults.py" "${FAULTS_MODE:-quick}" "$AZSWARM" \
	"$SRCDIR/build/tests/azswarm-reads" "$test_name" 2>errors || test_failures=1
[ ! -s errors ] || not_ok 'to the end' "$(tail -n 3 errors | tr '\n' ' ')"
