# An attack on a real helper and an agent, a tenth of 'make hostile': every
# honest caller is served, and nobody else gets a token.
# time: 90
# needs: python3, openssl
. "$SRCDIR/tests/lib.sh"
need python3 openssl
must_make build/bench/ask_tool
"$SRCDIR/tests/hostile.py" "$AZSWARM" "$SRCDIR/build/bench/ask_tool" 10000 2>errors || test_failures=1
[ ! -s errors ] || not_ok 'to the end' "$(tail -n 3 errors | tr '\n' ' ')"
exit $((test_failures != 0))
