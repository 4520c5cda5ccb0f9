# A cluster under load, and what its users see of it, counted from outside.
# Sourced after tests/cluster.sh, by tests/drill/run and by sh/evict.
#
# Needs root, ip, jq, python3, and a cluster of real machines: on its agents a
# global service at port 80 of each host, and a replicated service `work` that
# publishes nothing.  Two balancers ask at once: one lets go of a machine at the
# first bad answer, as Azure documents it, the other, patient, at the second.
#
# DRILL_TOOLS: another folder with balancer.py and tasks.py.
drill_tools=${DRILL_TOOLS:-$SRCDIR/tests/drill}
load_pids= load_name=

# services_start [MASTER]: both, of the program itself
services_start()
{
	services_image=127.0.0.1:1339/azswarm:$(cat "$SRCDIR/VERSION")
	on "${1-master0}" docker service create -q -d --name work --replicas 8 \
		"$services_image" demo >/dev/null &&
	on "${1-master0}" docker service create -q -d --name front --mode global \
		--constraint node.role==worker -e SWARM_MODE=HOST \
		--publish mode=host,published=80,target=8000 \
		"$services_image" demo >/dev/null
}

# services_whole [MASTER]: its engine's word that each has all its tasks
services_whole()
{
	on "${1-master0}" docker service ls --format '{{.Replicas}}' 2>/dev/null |
		awk '{ split($1, n, "/"); if (n[1] != n[2] || n[2] == 0) lack = 1 }
			END { exit lack || NR == 0 }'
}

# role, state, availability, names of labels
# shellcheck disable=SC2016
in_format='{{.Spec.Role}} {{.Status.State}} {{.Spec.Availability}}
{{- range $k, $v := .Spec.Labels}} {{$k}}{{end}}'

# in_service AGENTS: so many workers, all Ready and active, none on its way out,
# and every service whole
in_service()
{
	in_rows=$(on master0 sh -c 'docker node ls -q | xargs docker node inspect -f "$1"' - \
		"$in_format" 2>/dev/null) || return 1
	[ "$(printf '%s\n' "$in_rows" | grep -c '^worker ready active')" -eq "$1" ] &&
		! printf '%s\n' "$in_rows" | grep -v ' ready active' | grep -q . &&
		! printf '%s\n' "$in_rows" | grep -qE ' azswarm\.(evict|stop)' &&
		services_whole
}

# in_service_within SECONDS AGENTS: of a quiet machine; six times as long else
in_service_within()
{
	in_left=$(($1 * 6))
	until in_service "$2"; do
		in_left=$((in_left - 1))
		[ $in_left -gt 0 ] || return 1
		sleep 1
	done
}

# load_on NAME: requests and counts begin; figures are kept in files NAME.*
load_on()
{
	load_name=$1 load_pids=
	rm -f "$1.documented" "$1.patient" "$1.tasks"
	for load_mode in documented patient; do
		ip netns exec "azs-$azure_net" env LB=$load_mode \
			python3 "$drill_tools/balancer.py" "$azure_dir/machines" "$1.$load_mode" &
		load_pids="$load_pids $!"
	done
	python3 "$drill_tools/tasks.py" "azs-$azure_net" "$1.tasks" 8 &
	load_pids="$load_pids $!"
}

# load_end: they end, at the latest after a minute
load_end()
{
	for load_pid in $load_pids; do
		kill "$load_pid" 2>/dev/null
	done
	load_n=0
	for load_pid in $load_pids; do
		while kill -0 "$load_pid" 2>/dev/null && [ $load_n -lt 600 ]; do
			load_n=$((load_n + 1))
			sleep 0.1
		done
		kill -KILL "$load_pid" 2>/dev/null
		wait "$load_pid" 2>/dev/null
	done
	load_pids=
}

# load_off: end, and their figures as shell variables, 0 requests and '?' tasks
# where one of them wrote none:
#	ok, failed, bursts, downs	by the balancer as documented
#	ok_patient, failed_patient	by the other one
#	fewest, carried, longest	of 8 tasks; seconds below 8, at once
load_off()
{
	load_end
	ok=$(balancer_says "$load_name.documented" ok)
	failed=$(balancer_says "$load_name.documented" failed)
	bursts=$(balancer_says "$load_name.documented" bursts)
	downs=$(balancer_says "$load_name.documented" downs)
	ok_patient=$(balancer_says "$load_name.patient" ok)
	failed_patient=$(balancer_says "$load_name.patient" failed)
	fewest=$(jq -r .min "$load_name.tasks" 2>/dev/null || echo '?')
	carried=$(jq -r .carried "$load_name.tasks" 2>/dev/null || echo '?')
	longest=$(jq -r .longest "$load_name.tasks" 2>/dev/null || echo '?')
}

# balancer_says FILE ok|failed|bursts|downs: from JSON, or from plain lines
balancer_says()
{
	case $(head -c 1 "$1" 2>/dev/null) in
	'') echo 0 ;;
	'{')
		case $2 in
		bursts) jq -r '[.bursts[] | "\(.n) in \((.to - .from) * 10 | round / 10) s"] |
			join(", ")' "$1" ;;
		downs) jq -r '[.log[] | select(.[2] == "down")] | length' "$1" ;;
		*) jq -r ".$2" "$1" ;;
		esac ;;
	*)
		case $2 in
		bursts) sed -n 's/.*burst .*(\(.*\)) \([0-9]*\)$/\2 in \1/p' "$1" | paste -sd , - ;;
		downs) grep -c '^  LB .* down$' "$1" ;;
		*) sed -n "1s/.* $2 \([0-9]*\).*/\1/p" "$1" ;;
		esac ;;
	esac
}

# journals FILE SECONDS: what helpers and agents said in the last SECONDS
journals()
{
	for journal_f in "$azure_dir"/machines/*/machine.json; do
		journal_m=$(jq -r .name "$journal_f")
		echo "==== $journal_m"
		timeout 60 "$azure_dir/driver-nspawn" exec "$journal_m" \
			"$(dirname "$journal_f")" -- journalctl --no-pager -o short-precise \
			--since "-$2s" -u swarm-helper -u swarm-agent 2>&1
	done >"$1"
}
