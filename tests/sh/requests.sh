# What azswarm asks of Azure, and what the local Azure answers, held against
# Microsoft's files (tests/npm/oav/requests.js says how): that of every command,
# which sh/commands ran one by one, and that of all tests of this run.  So it comes
# last.
#
# after: all
# time: 900
. "$SRCDIR/tests/lib.sh"

specs=$SRCDIR/../shared/azure/specs
recordings=$SRCDIR/../shared/azure/recordings
[ -d "$specs/swagger" ] && [ -d "$recordings" ] ||
	skip_all "no ../shared/azure/specs or recordings"
need jq python3
npm_modules oav

# ---- every command once ----

everybody=$(dirname "${EMULATOR_RECORD:-/nowhere/x}")
unset EMULATOR_RECORD
ran=${everybody%/*}/commands
if [ ! -e "$ran/whole" ]; then
	mkdir apart apart/traffic apart/here
	ran=$PWD/apart/commands
	(cd apart/here && EMULATOR_RECORD="$PWD/../traffic/sh-commands" sh "$SRCDIR/tests/sh/commands.sh") ||
		test_failures=$((test_failures + 1))
fi
cp -r "$ran"/* . || {
	not_ok 'every command' 'what they asked is not there'
	exit 1
}
if [ -s "$everybody/sh-faults" ]; then
	jq -c 'select(.requestHeaders["User-Agent"] == "azswarm")' "$everybody/sh-faults" >faults
	jq -nr --slurpfile template "$SRCDIR/assets/arm/cluster.json" -f "$SRCDIR/tests/role.jq" faults >asked
	same 'what faults make commands ask for is in it, too' '' "$(grep -vixFf actions asked)"
fi

# ---- the validator can fail ----

# A captured exchange, changed; what is said of it must hold the words.
mutants=0
mutant()	# ERE JQ-SELECTION JQ-CHANGE
{
	mutants=$((mutants + 1))
	jq -c "select($2) | $3" record | head -n 1 >"mutant.$mutants"
	if [ -s "mutant.$mutants" ]; then
		printf '%s\t%s\n' "mutant.$mutants" "$1" >>mutants.tsv
	else
		not_ok "mutant: $1" "no such exchange"
	fi
}

judge()		# COMMANDS FILE...
{
	node "$SRCDIR/tests/npm/oav/requests.js" "$specs" "$recordings" "$@"
}

: >mutants.tsv
vmss='(.url | test("virtualMachineScaleSets/agents\\?")) and .method'
scale="$vmss == \"PATCH\""
power='(.url | test("/poweroff"))'
deploy='(.url | test("deployments/[^/]*\\?")) and .method == "PUT"'
mutant 'in no file' "$power" '.url |= sub("poweroff"; "powerof")'
mutant 'in no file' "$scale" '.method = "POST"'
mutant 'no query parameter forced' "$scale" '.url += "&forced=true"'
mutant 'nothing proves microsoft.compute 2024-07-02' "$scale" '.url |= sub("2024-07-01"; "2024-07-02")'
mutant 'no api-version' "$power" '.url |= sub("api-version=[-0-9]*"; "")'
mutant 'INVALID_TYPE.*capacity' "$scale" '.requestBody.sku.capacity = "4"'
mutant 'OBJECT_ADDITIONAL_PROPERTIES.*sky' "$scale" '.requestBody.sky = 4'
mutant 'READONLY_PROPERTY.*|OBJECT_ADD.*provisioningState' "$deploy" \
	'.requestBody.properties.provisioningState = "Succeeded"'
mutant 'OBJECT_MISSING_REQUIRED.*mode' "$deploy" 'del(.requestBody.properties.mode)'
mutant 'ENUM_MISMATCH.*mode|INVALID.*mode' "$deploy" '.requestBody.properties.mode = "Partial"'
mutant 'OBJECT_MISSING_REQUIRED.*kind' '(.url | test("storageAccounts/[a-z0-9]*\\?")) and .method == "PUT"' \
	'del(.requestBody.kind)'
mutant 'containers.*publicAcces' '(.url | test("/containers/")) and .method == "PUT"' \
	'.requestBody.properties.publicAcces = "None"'
mutant 'a poll of what no answer named' '(.url | test("Compute/locations/eastus/operations/"))' \
	'.url |= sub("operations/."; "operations/x")'
mutant 'POST where a poll is a GET' '(.url | test("Compute/locations/eastus/operations/"))' \
	'.method = "POST"'
mutant 'INVALID_TYPE.*name' "$vmss == \"GET\" and .status == 200" '.responseBody.name = 3'
mutant 'OBJECT_ADDITIONAL_PROPERTIES.*/properties/overProvision' "$vmss == \"GET\" and .status == 200" \
	'.responseBody.properties.overProvision = 3'
mutant "INVALID_RESPONSE_CODE.*'206'" "$vmss == \"GET\" and .status == 200" '.status = 206'
mutant '404 without code and message' '.status == 404 and .method == "GET" and (.url | test("/subscriptions/"))' \
	'.responseBody = {"Message": "gone"}'
mutant 'publicIPAddresses.*list.*203|does not list 203' '(.url | test("publicIPAddresses")) and .status == 200' '.status = 203'
mutant 'publicIPAllocationMethod' \
	'(.url | test("publicIPAddresses")) and .status == 200 and (.responseBody.value | length) > 0' \
	'.responseBody.value[0].properties.publicIPAllocationMethod = "Sometimes"'
mutant 'a poll of microsoft.compute/operations with state Running' \
	'(.url | test("Compute/locations/eastus/operations/"))' '.responseBody.status = "Running2"'
mutant 'a poll of microsoft.compute/operations with "progress"' \
	'(.url | test("Compute/locations/eastus/operations/"))' '.responseBody.progress = 3'
: >none.tsv
judge none.tsv mutant.* >mutants.out 2>&1
while IFS='	' read -r file words; do
	if grep -E -e "$words" mutants.out | grep -q "($file)\$"; then
		ok "found: $words"
	else
		not_ok "found: $words" "not said of $file: $(grep -F "($file)" mutants.out | head -n 2 | cut -c 1-200)"
	fi
done <mutants.tsv

# ---- all of it ----

others=$(find "$everybody" -type f -size +0c ! -name sh-requests 2>/dev/null)
if [ -n "${TEST_ALL-}" ]; then
	for t in sh-emulator sh-faults sh-plan unit-swarm; do
		check "what $t asked is there" test -s "$everybody/$t"
	done
	# shellcheck disable=SC2086
	check "a thousand exchanges at least" test "$(cat $others | wc -l)" -ge 1000
fi
# shellcheck disable=SC2086
judge commands.tsv commands/* $others >verdict 2>&1 || test_failures=$((test_failures + 1))
cat verdict
