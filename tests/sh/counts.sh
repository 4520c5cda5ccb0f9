# What each command asks of Azure, counted, against tests/requests.tsv, which says
# why.  More than it says is a fault, and so is less: then the table is not true.
# time: 180
. "$SRCDIR/tests/lib.sh"
need jq python3

unset EMULATOR_RECORD
spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --cores 5000 --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator.out || {
	not_ok "the local Azure starts" "$(cat emulator.out)"
	exit 1
}
. azure/env
table=$SRCDIR/tests/requests.tsv
export XDG_CACHE_HOME="$PWD/cache"
python3 "$SRCDIR/tests/images.py" saved image.tar 0

# What a line of the record is.  A poll is of what an answer named, or of how far
# a deployment is: how many there are is how long it takes, and not counted.
kind='def kind: (.url | sub("[?].*"; "")) as $u |
	if ($u | test("/oauth2/")) then "token"
	elif ($u | test("/subscriptions(/|$)") | not) then "other"
	elif ($u | test("/(operations|operationStatuses|asyncoperations|capsOperations|operationresults)/|/deployments/[^/]*/operations$"))
	then "poll"
	elif .method == "GET" or ($u | test("/(listKeys|ListServiceSas|checkNameAvailability|whatIf|validate)$"))
	then "read" else "write" end;'
grew()
{
	[ "$(wc -l <record)" -gt "$1" ]
}
: >record
known=
# The rows are done in their order, each with nothing kept from the one before.
# shellcheck disable=SC2086
while IFS='	' read -r what status args token read write other why; do
	case $what in '#'* | '') continue ;; esac
	known="$known ${args%% *}"
	rm -rf cache
	before=$(wc -l <record)
	got=0
	timeout 120 "$AZSWARM" $args >out 2>&1 </dev/null || got=$?
	[ "$got" = "$status" ] || not_ok "$what" "exit $got, not $status: $(tail -n 2 out | tr '\n' ' ')"
	# a line is written when its answer is under way already
	wait_for 5 grew "$before"
	sleep 0.2
	tail -n +$((before + 1)) record >asked
	are=$(jq -rs "$kind"' map(kind) as $k | ["token", "read", "write", "other"] |
		map(. as $w | $k | map(select(. == $w)) | length) | join(" ")' asked)
	if [ "$are" = "$token $read $write $other" ]; then
		ok "$what: $are"
	else
		not_ok "$what: tokens, reads, writes, others" "$are, and in the table $token $read $write $other; $(
			jq -r "$kind"' kind + " " + .method + " " + (.url | sub("[?].*"; "") | split("/")[-2:] | join("/"))' asked |
				sort | uniq -c | tr -s ' \n' ' ;')"
	fi
	[ -n "$why" ] || not_ok "$what: why" "the table does not say"
done <"$table"

strangers=
for command in $("$AZSWARM" help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p'); do
	case " trust clean emulator helper agent demo monitor image completion man version help login logout role$known " in
	*" $command "*) ;;
	*) strangers="$strangers $command" ;;
	esac
done
same "no command was left out" '' "$strangers"
# the budgets that were promised
promised()	# WHAT AT-MOST
{
	check "$1: $2 of Azure at most" [ "$(awk -F '\t' -v w="$1" '$1 == w { print $5 + $6 }' "$table")" -le "$2" ]
}
promised 'list-agents: 100' 8
promised 'list-agents' 2
promised 'status' 8
