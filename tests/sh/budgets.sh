#!/bin/sh
# What things may take, where that is a count and the same on every machine:
# instructions, by callgrind.  The program is made like the product.
#
# time: 120
. "$SRCDIR/tests/lib.sh"
need python3 openssl jq

# ---- a list of machines ----

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator.out || {
	not_ok "the local Azure starts" "$(cat emulator.out)"
	exit 1
}
. azure/env
for command in keys deploy-storage params deploy-compute list-agents; do
	"$AZSWARM" $command >out 2>&1 </dev/null || not_ok "$command" "$(tail -n 3 out)"
done
python3 "$SRCDIR/tests/list_pages.py" record few 100 1 >few.size &&
	python3 "$SRCDIR/tests/list_pages.py" record many 1000 1 >many.size || not_ok "pages" "cannot be made"
same "pages of the whole number" 1000 "$(cat many/www/virtualMachines-* | jq -s 'map(.value | length) | add')"

tool=$SRCDIR/build/bench/read_tool
must_make build/bench/read_tool
same "the reader sees each" 1000 "$("$tool" many/www/virtualMachines-*)"
for few in many/www/virtualMachines-; do
	sed 's/"instanceId":"[0-9]*"/&x/' "$few" >broken
done
! "$tool" broken >out 2>&1 || not_ok "the reader refuses what is no JSON" "$(cat out)"
same "the reader refuses what is no JSON" 'read_tool: the list: element: not JSON' "$(sed 's/ at byte.*//' out)"

if ! command -v valgrind >/dev/null; then
	skip "instructions a byte" "no valgrind"
	exit 0
fi
instructions()	# FILE...
{
	valgrind --tool=callgrind --callgrind-out-file=callgrind.out "$tool" "$@" 2>log >out ||
		not_ok "callgrind" "$(tail -n 3 log)"
	sed -n 's/^totals: //p' callgrind.out
}
few=$(instructions few/www/virtualMachines-*)
many=$(instructions many/www/virtualMachines-*)
bytes=$(cat many/www/virtualMachines-* | wc -c)
less=$(cat few/www/virtualMachines-* | wc -c)
# of the difference, so that what is there only once does not count
each=$(((many - few) * 10 / (bytes - less)))
check "a list of machines: $((each / 10)).$((each % 10)) instructions a byte, at most 22" [ "$each" -le 220 ]
check "a list of machines: and it is read" [ "$each" -ge 10 ]
