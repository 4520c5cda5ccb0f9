# What the tests of doctor have in common.  Sourced behind lib.sh.

doctor()	# CASE STATUS [ARGUMENTS...]: lines in ./lines as verdict|layer name|fact|mend
{
	doctor_case=$1 doctor_status=$2 doctor_got=0
	shift 2
	"$AZSWARM" doctor --output json "$@" >json 2>talk </dev/null || doctor_got=$?
	jq -r '.[] | "\(.verdict)|\(.layer) \(.name)|\(.fact)|\(.mend)"' json >lines ||
		not_ok "$doctor_case" 'no JSON'
	same "$doctor_case: exit code" "$doctor_status" "$doctor_got"
	grep -v '^ok|' lines >bad || :
}

line()		# CASE ERE: of all lines
{
	if grep -qE -e "$2" lines; then
		ok "$1"
	else
		not_ok "$1" "no $2 in: $(tr '\n' ';' <bad | cut -c 1-600)"
	fi
}

only()		# CASE N: so many lines are not ok
{
	same "$1: nothing else" "$2" "$(grep -c . bad)"
}
