# What deploy-stack sends of the files in tests/compose, beside what an unmodified
# docker CLI sends: the same, but for the MTU and the content in names.
# time: 180
# needs: docker, python3
. "$SRCDIR/tests/lib.sh"
need python3 docker
must_make build/tests/compose_tool build/tests/stack_tool
python3 "$SRCDIR/tests/compose_same.py" "$test_name" "$(command -v docker)" "$SRCDIR/tests/stack_recorded.py" \
	"$SRCDIR"/tests/compose/*.yml >said 2>&1 || not_ok 'to the end' "$(tail -n 1 said)"
cat said
check 'files were held against each other' test "$(grep -c '^ok' said)" -ge 30
! grep -q '^not ok' said && [ "$test_failures" -eq 0 ]
