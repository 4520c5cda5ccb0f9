# What machines ask of a storage account when a cluster is founded, of whichever
# service it is.  Sourced behind lib.sh, by sh/founding and conformance/azurite.
#
# founding_holds MASTERS-URL AGENTS-URL: both signed, of one blob that is not there
founding_holds()
{
	life=$SRCDIR/build/tests/life_tool
	same 'founding: there is no marker' none "$("$life" look "$1")"
	same 'founding: for agents neither' none "$("$life" look "$2")"
	case $("$life" make "$2" agent) in
	untold*) ok 'founding: an agent makes none' ;;
	*) not_ok 'founding: an agent makes none' "it does" ;;
	esac
	same 'founding: really' none "$("$life" look "$1")"
	founding_pids=
	for founding_i in 0 1 2 3 4 5 6 7; do
		"$life" make "$1" "master$founding_i" >"made.$founding_i" 2>&1 &
		founding_pids="$founding_pids $!"
	done
	# shellcheck disable=SC2086
	wait $founding_pids
	same 'founding: eight at once, one makes it' '1 made 7 taken' \
		"$(cut -d ' ' -f 1 made.[0-7] | sort | uniq -c | xargs)"
	founding_who=$(grep -l '^made' made.[0-7])
	same 'founding: all read whose it is' \
		"marked $(sed 's/made //' "$founding_who") master${founding_who#made.}" "$("$life" look "$1")"
	same 'founding: agents, too' "$("$life" look "$1")" "$("$life" look "$2")"
	# azurite says AuthorizationPermissionMismatch, which is no word on the marker
	case $("$life" make "$1" late) in
	taken | 'untold '*PermissionMismatch*) ok 'founding: and nobody makes another' ;;
	*) not_ok 'founding: and nobody makes another' 'somebody does' ;;
	esac
	same 'founding: it is whose it was' \
		"marked $(sed 's/made //' "$founding_who") master${founding_who#made.}" "$("$life" look "$1")"
	case $("$life" look "$(echo "$1" | sed 's/sig=./sig=%2B/')") in
	'unknown '*403*) ok 'founding: another signature tells nothing' ;;
	*) not_ok 'founding: another signature tells nothing' 'it does' ;;
	esac
	case $("$life" make "$(echo "$1" | sed 's/se=20[0-9][0-9]/se=2020/')" late) in
	'untold '*403*) ok 'founding: nor does one that has expired' ;;
	*) not_ok 'founding: nor does one that has expired' 'it does' ;;
	esac
}

# marker_urls FILE...: the addresses of the marker in parameters/cluster.json; sets
# masters_url and agents_url
marker_urls()
{
	for marker_role in master agent; do
		marker_url=$(jq -r ".parameters.${marker_role}CustomData.value" parameters/cluster.json | base64 -d |
			grep -o 'marker_url[\\": ]*https://[^"\\]*' | sed 's/.*https:/https:/')
		eval "${marker_role}s_url=\$marker_url"
	done
}
