# The demo as a person runs it, with real machines where there can be some, and
# on paper.  It checks what it shows; this, that it comes to its end.
# time: 900
# at-most: 4 machines
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
need jq

demo()		# CASE KIND ARGUMENT... : its exit code, and its last word
{
	demo_case=$1 demo_kind=$2
	shift 2
	expect "$demo_case: exit code" 0 '' "$SRCDIR/tests/demo.sh" "$@"
	case $(tail -n 1 out) in
	"demo: the life of a cluster with $demo_kind machines, in "[0-9]*" s; nothing left behind")
		ok "$demo_case: closing line" ;;
	*)	not_ok "$demo_case: closing line" "$(tail -n 1 out)"
		tail -n 50 out
		tail -n 50 azswarm-demo.*/azure/emulator.log ;;
	esac
	tail -n 1 out
}

demo 'machines on paper' paper paper
if why=$(azure_able); then
	demo 'real machines' nspawn
else
	skip 'real machines' "$why"
fi
# and it shows every step, in this order
typed=$(sed -n 's/^\$ azswarm //p' out | grep -v '^emulator')
steps()		# ERE: those typed commands that it matches
{
	printf '%s\n' "$typed" | grep -xE "$1" | tr '\n' ' '
}
same 'its commands, as typed' 'keys deploy-storage params deploy-compute view-deployment list-agents '\
'scale-agents-3 scale-agents-1 --yes stop-agents start-agents list-endpoints destroy-cluster --confirm swarm-demo ' \
	"$(steps 'keys|params|[a-z]+-(storage|compute|deployment|agents|agents-[0-9]|endpoints|cluster)( .*)?')"
if [ -z "$why" ]; then
	same 'its services, as typed' 'deploy-replicated-service scale-service-4 deploy-global-service '\
'deploy-monitor kill-monitor destroy-global-service destroy-service ' \
		"$(steps '[a-z]+-(replicated-service|service|service-[0-9]|global-service|monitor)')"
fi
