#!/bin/sh
# What things may take, where that is a count and the same on every machine:
# instructions, by callgrind, calls of the kernel, pages of memory.  The program
# is made like the product.
#
# time: 120
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/nginx.sh"
need python3 openssl jq

# ---- to begin with ----

if strace -qq -o calls "$AZSWARM" version >version 2>strace.err; then
	check "version says something" grep -q '^azswarm [0-9]' version
	check "version: $(grep -c . calls) calls of the kernel, at most 21" [ "$(grep -c . calls)" -le 21 ]
	check "version: and they are seen" grep -q '^exit_group(0)' calls
else
	skip "calls of the kernel" "no strace that works: $(tail -n 1 strace.err)"
fi

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

# ---- and the memory it takes, which does not grow with it ----

memory=$(command -v time || :)
# in_memory CASE ATMOST COMMAND...: KiB at the most, and what it says in ./list
in_memory()
{
	in_case=$1 in_most=$2
	shift 2
	"$memory" -f %M -o peak "$@" >list 2>err || not_ok "$in_case" "$(tail -n 2 err)"
	in_peak=$(tail -n 1 peak)
	check "$in_case: in $in_peak KiB, less than $in_most" [ "$in_peak" -lt "$in_most" ]
	check "$in_case: and that is something" [ "$in_peak" -gt 400 ]
}
if [ -n "$memory" ]; then
	python3 "$SRCDIR/tests/list_pages.py" record long 10000 1 >long.size || not_ok "pages" "cannot be made"
	in_memory "10,000 machines read" 3072 "$tool" long/www/virtualMachines-*
	same "each of them" 10000 "$(cat list)"
	rm -rf long
else
	skip "memory for a list" "no time"
fi
# as many as a scale set has, from nginx through TLS to the table
if [ -n "$memory" ] && nginx_get; then
	port=$(free_port)
	python3 "$SRCDIR/tests/list_pages.py" record full 1000 "$port" >full.size || not_ok "pages" "cannot be made"
	spawn nginx.out "$nginx" -p "$PWD/full/" -c nginx.conf -e error.log
	nginx_pid=$spawned
	set -a
	. full/env
	set +a
	wait_for 20 sh -c '"$AZSWARM" list-agents >list 2>err' || not_ok "a list from nginx" "$(tail -n 2 err)"
	in_memory "list-agents of 1,000" 3072 "$AZSWARM" list-agents --output tsv
	same "and each has a line" 1000 "$(cut -f 1 list | sort -u | grep -c .)"
	reap "$nginx_pid"
	. azure/env
else
	skip "list-agents of 1,000" "no nginx or no time: $(tail -n 2 nginx.log 2>/dev/null | tr '\n' ' ')"
fi

# ---- and its instructions ----

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
