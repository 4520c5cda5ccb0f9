# tests/run itself, over small tests that behave and misbehave.
# time: 120
. "$SRCDIR/tests/lib.sh"
need ps flock timeout

mkdir -p tests/sh build
cp "$SRCDIR/tests/run" "$SRCDIR/tests/lib.sh" tests/
makefile=$(printf 'azswarm:\n\t@cp "%s" azswarm' "$AZSWARM")
echo "$makefile" >Makefile
unset TEST_MARK TEST_JOBS
export OUT="$PWD/made"
mkdir "$OUT"

a_test()	# NAME, and what it does on standard input
{
	cat >"tests/sh/$1.sh"
}

a_test good <<'E'
. "$SRCDIR/tests/lib.sh"
ok first
skip second 'no time'
pwd >"$OUT/good"; echo "$HOME $TMPDIR" >>"$OUT/good"
E
a_test bad <<'E'
echo 'not ok bad one: it is bad'
exit 1
E
a_test lies <<'E'
echo 'not ok lies one: it is bad'
E
a_test quiet <<'E'
:
E
a_test breaks <<'E'
echo 'ok breaks one'
exit 3
E
a_test slow <<'E'
# time: 1
echo 'ok slow one'
sleep 60
E
a_test leaves <<'E'
setsid sleep 61.25 &
echo 'ok leaves one'
E
a_test beside <<'E'
# the one beside it must not be blamed
echo 'ok beside one'
sleep 4
E
for n in a b c d; do
	a_test "two-$n" <<'E'
# at-most: 2 rooms
n=0
until mkdir "$OUT/room-$n" 2>/dev/null || [ $n -eq 2 ]; do n=$((n + 1)); done
[ $n -lt 2 ] && echo "ok two room" || echo "not ok two room: both are taken"
m=0
until [ -e "$OUT/both" ] || [ $m -gt 50 ]; do
	[ ! -d "$OUT/room-0" ] || [ ! -d "$OUT/room-1" ] || touch "$OUT/both"
	m=$((m + 1))
	sleep 0.1
done
sleep 0.6
rmdir "$OUT/room-$n"
E
done
for n in a b c; do
	a_test "alone-$n" <<'E'
# alone: noise
mkdir "$OUT/noise" && echo "ok alone one" || echo "not ok alone one: another is here"
sleep 0.6
rmdir "$OUT/noise"
E
	a_test "together-$n" <<'E'
# passes only while another of the three is here
touch "$OUT/together-$$"
n=0
until [ "$(ls "$OUT" | grep -c together)" -ge 2 ] || [ $n -gt 50 ]; do n=$((n + 1)); sleep 0.1; done
[ $n -le 50 ] && echo "ok together one" || echo "not ok together one: nobody is here"
E
done

run()		# TEST...
{
	tests/run "$@"
}
last() { tail -n 1 out; }

expect "a good test" 0 '^sh/good: 1 passed, 0 failed, 1 skipped, [0-9]+ s$' run good
same "the closing line" '1 passed, 0 failed, 1 skipped' "$(last)"
check "skips are shown" grep -qx 'skip good second: no time' out
same "a folder of its own" 1 "$(uniq "$OUT/good" | sed 's/.* //' | sort -u | grep -c .)"
check "which is gone" test ! -e "$(head -n 1 "$OUT/good")"
check "its log is kept" grep -qx 'ok good first' build/test-logs/latest/sh-good.log
first=$(readlink build/test-logs/latest)
expect "a bad test" 1 '^not ok bad one: it is bad$' run sh/bad tests/sh/good.sh
same "its closing line" '1 passed, 1 failed, 1 skipped' "$(last)"
check "the logs of another run stay" test -e "build/test-logs/$first/sh-good.log"
expect "a bad test that ends well" 1 'lies: exit code 0 in spite of that' run lies
expect "a test that says nothing" 1 '^not ok sh/quiet: said nothing' run quiet
expect "a test that breaks off" 1 '^not ok sh/breaks: ended with exit code 3' run breaks
expect "a test that takes too long" 1 '^not ok sh/slow: not finished within 3 s' run slow
expect "processes left behind, in a session of their own" 1 \
	'^not ok sh/leaves: left processes behind: [0-9]+ sleep 61\.25' run leaves beside
same "the one beside it is not blamed" '2 passed, 1 failed' "$(last)"
same "and they are ended" '' "$(ps -eo args= | grep -x 'sleep 61\.25')"
expect "tests that want to be alone" 0 '' env TEST_JOBS=3 tests/run 'alone-.*'
expect "tests of which two are the most" 0 '' env TEST_JOBS=4 tests/run 'two-.*'
check "and two there were" test -e "$OUT/both"
expect "tests that want company" 0 '' env TEST_JOBS=3 tests/run 'together-.*'
rm -f "$OUT"/together-*
expect "no company with one at a time" 1 'not ok together one: nobody' \
	env TEST_JOBS=1 tests/run together-a
expect "a test that is not there" 2 'no test called none' run none
expect "a number of tests that is none" 2 "TEST_JOBS is 'x'" env TEST_JOBS=x tests/run good
printf 'azswarm:\n\t@echo error: no; exit 1\n' >Makefile
rm azswarm
expect "what cannot be built is a failure" 1 '^not ok azswarm: not built' run good
printf 'azswarm:\n\t@touch azswarm\n' >Makefile
expect "nor is a program without settings one" 1 "^not ok azswarm: 'azswarm help settings' names none" run good
rm azswarm
echo "$makefile" >Makefile

# ---- what the operator's shell says ----

a_test shell <<'E'
awk 'BEGIN { for (v in ENVIRON) print v }' | sort >"$OUT/shell"
echo "ok shell one"
E
settings=$("$AZSWARM" help settings | sed -n 's/^  \([A-Z][A-Z0-9_]*\)  .*/\1/p')
besides='AZURE_FEDERATED_TOKEN_FILE AZURE_X ARM_OIDC_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL IDENTITY_ENDPOINT
	MSI_ENDPOINT IMDS_ENDPOINT SSL_CERT_FILE SSL_CERT_DIR HTTPS_PROXY https_proxy NO_PROXY no_proxy ALL_PROXY
	DOCKER_HOST DOCKER_TLS_VERIFY NO_COLOR BROWSER SSH_AUTH_SOCK NOTIFY_SOCKET XDG_CACHE_HOME XDG_RUNTIME_DIR'
# shellcheck disable=SC2046,SC2086
env $(for v in $settings $besides; do echo "$v=leaks"; done) tests/run shell >out 2>&1
same "a run in a shell that points elsewhere" '1 passed, 0 failed' "$(last)"
check "the program names its settings" test "$(echo "$settings" | grep -c .)" -ge 30
# but one, which it sets for all
same "none of them reaches a test" SHARE_SSH "$(for v in $settings $besides; do grep -x "$v" "$OUT/shell"; done)"
check "a connection is kept for no test" grep -qx 'export SHARE_SSH=false' tests/run
check "nobody's metadata service does" grep -qx AZURE_POD_IDENTITY_AUTHORITY_HOST "$OUT/shell"

# ---- broken off ----

a_test tidies <<'E'
. "$SRCDIR/tests/lib.sh"
at_exit 'sleep 0.5; touch "$OUT/tidied"'
spawn log sleep 62.25
echo "$PWD" >"$OUT/place"
sleep 60
E
tests/run tidies >log 2>&1 &
runner=$!
check "it runs" wait_for 20 test -s "$OUT/place"
kill "$runner"
wait "$runner"
same "a run that is ended says so" '130 run: ending 1 tests' "$? $(head -n 1 log)"
check "when its tests have tidied up" test -e "$OUT/tidied"
check "and their folders are gone" test ! -e "$(cat "$OUT/place")"
same "and what they started" '' "$(ps -eo args= | grep -x 'sleep 62\.25')"
