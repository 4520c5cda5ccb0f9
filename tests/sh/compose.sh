# time: 120
# Compose files of tests/compose: what an unmodified docker CLI sends to an engine
# that records, and what compose_read() makes of the same file.  Every docker that is
# in PATH is asked; a newer one by conformance/compose.
#
# COMPOSE_MORE=FOLDER has other people's files, too: *.yml with the same comments.
# needs: docker, python3
. "$SRCDIR/tests/lib.sh"
need python3 docker

tool=$SRCDIR/build/tests/compose_tool
must_make build/tests/compose_tool

# Each program once, whatever names it has.
dockers()
{
	for dir in $(echo "$PATH" | tr : ' '); do
		[ ! -x "$dir/docker" ] || realpath "$dir/docker"
	done | awk '!seen[$0]++'
}

dockers >found
while read -r docker; do
	v=$("$docker" --version 2>/dev/null | sed -n 's/^Docker version \([0-9.]*\).*/\1/p')
	if [ -z "$v" ]; then
		skip "$docker" 'tells no version of Docker'
		continue
	fi
	# shellcheck disable=SC2086
	python3 "$SRCDIR/tests/compose_same.py" "$test_name $v" "$docker" "$tool" \
		"$SRCDIR"/tests/compose/*.yml ${COMPOSE_MORE:+"$COMPOSE_MORE"/*.yml} >said 2>&1 ||
		not_ok "$v" "$(tail -n 1 said)"
	cat said
	if grep -q '^not ok' said; then test_failures=$((test_failures + 1)); fi
	check "$v: was asked" test "$(grep -c '^ok' said)" -ge 30
done <found

# The comparison can fail: a file whose bodies are not the same.
cat >other.yml <<'X'
# differs services.stack_web.TaskTemplate.ContainerSpec.Image: it is the same
version: "3.9"
services:
  web: {image: web}
X
docker=$(head -n 1 found)
check "a difference that is not there is told" \
	sh -c "python3 '$SRCDIR/tests/compose_same.py' x '$docker' '$tool' other.yml | grep -q '^not ok .* is the same, and should not be'"
printf '#!/bin/sh\n"%s" "$@" | sed s/web:latest/web:other/\n' "$tool" >liar
chmod +x liar
sed -i 1d other.yml
check "a difference is told" \
	sh -c "python3 '$SRCDIR/tests/compose_same.py' x '$docker' ./liar other.yml | grep -q '^not ok .*docker has \"web:latest\", ours \"web:other\"'"

[ "$test_failures" -eq 0 ]
