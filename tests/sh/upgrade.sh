# Machines that are there are brought to what a new one would get, on real ones
# and under load: a setting, a file that somebody changed, another program; one
# that does not come up is put back.  Nodes are counted by the engine's own IDs,
# requests by balancers of our own; what stands on a machine is read there.
# time: 300
# at-most: 4 machines
# needs: root, systemd-nspawn, ip, jq, python3, curl
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
. "$SRCDIR/tests/drill/load.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need ip jq python3 curl

at_exit load_end
swarm_azure
must keys az keys
must deploy-storage az deploy-storage
must params az params
must deploy-compute az deploy-compute
must 'all are Ready' nodes_become 60 3
must 'services are made' services_start
must 'and whole' in_service_within 30 2

sum() { on "$1" sha256sum /usr/local/bin/azswarm | cut -c 1-64; }
sums() { for m in agents000000 agents000001 master0; do sum $m; done | sort -u | xargs; }
started() { on "$1" systemctl show -P ExecMainStartTimestampMonotonic swarm-agent; }
# another agent that is as good, or another that is none: whatever differs in a
# file that is run is another program
other()		# FILE SED
{
	LC_ALL=C sed "$2" "$AZSWARM" >"$1"
	chmod 755 "$1"
}
before=$(ids master0)

# cloud-init has written what upgrade reads of the same text
az upgrade >out 2>&1 </dev/null
same 'a new cluster: done' 0 $?
check 'a new cluster: no machine differs' grep -q '^3 machines are what a new one would get$' out
expect 'dry-run: nothing' 0 'nothing differs' az upgrade --dry-run
drift_is()	# NAMES
{
	[ "$(az status --output json 2>/dev/null </dev/null | jq -r '.drift | join(" ")')" = "$1" ]
}
check 'status: no drift' wait_for 5 drift_is ''

# ---- what somebody changed, under load -----------------------------------------

load_on "$PWD/files"
on agents000000 sh -c 'echo x >>/etc/sysctl.d/60-azswarm.conf; rm /etc/systemd/system/srv.automount
	chmod 750 /usr/local/sbin/azswarm-firewall'
on master0 sh -c 'echo >/etc/azswarm/share.cred; systemctl restart swarm-agent'
check 'status: drift' wait_for 5 drift_is master0
az plan >out 2>&1 </dev/null
check "plan: drift: $(tail -n 3 out)" grep -q "1 machine is not what a new one would be (master0); 'azswarm upgrade'" out
az upgrade --dry-run --output tsv >out 2>err </dev/null
same 'dry-run: something' 5 $?
same 'dry-run: what' 'agents000000 /etc/sysctl.d/60-azswarm.conf
agents000000 /etc/systemd/system/srv.automount
agents000000 /usr/local/sbin/azswarm-firewall
master0 /etc/azswarm/share.cred' "$(tr '\t' ' ' <out | sort)"
quiet=$(started agents000001)
expect 'what was changed: shown, and left' 5 '^SSH agents000000: what a new one would get' az upgrade --print-requests
must 'what was changed' az upgrade
check 'what was changed: those, in order' sh -c \
	"grep -x '[a-z0-9]*: done' out | xargs | grep -qx 'agents000000: done master0: done'"
same 'what was changed: no other' "$quiet" "$(started agents000001)"
same 'what was changed: is back' '755' "$(on agents000000 stat -c %a /usr/local/sbin/azswarm-firewall)"
expect 'and then' 0 'nothing differs' az upgrade --dry-run

# what cannot be begun is not begun
on agents000000 sh -c 'echo x >>/etc/sysctl.d/60-azswarm.conf
	mkdir /var/lib/azswarm-upgrade && mount -t tmpfs -o nr_inodes=1 tmpfs /var/lib/azswarm-upgrade'
expect 'no room: told' 1 'agents000000: there is no room for what is to come; it was left as it is' az upgrade
same 'no room: nothing was done' 1 "$(on agents000000 grep -c '^x$' /etc/sysctl.d/60-azswarm.conf)"
on agents000000 sh -c 'umount /var/lib/azswarm-upgrade
	flock /run/azswarm-upgrade.lock sleep 45 </dev/null >/dev/null 2>&1 &'
expect 'another one: told' 1 'agents000000: another upgrade is at work' az upgrade --dry-run
must 'and then it is done' az upgrade

# a setting: what it is for is done
metadata() { on "$1" iptables-save -t mangle | grep -c 169.254.169.254; }
same 'a setting: before' '1 1 1' "$(for m in agents000000 agents000001 master0; do metadata $m; done | xargs)"
export METADATA_FOR_CONTAINERS=true
must 'a setting: params' az params
"$AZSWARM" upgrade >out 2>&1 </dev/null &
upgrade=$!
wait_for 60 grep -q '^agents000000: done' out
kill -INT $upgrade
wait $upgrade
same 'interrupted' 130 $?
first=$(started agents000000)
wait_for 60 on agents000001 test ! -e /var/lib/azswarm-upgrade
expect 'interrupted: there is more' 5 '' az upgrade --dry-run
check 'interrupted: but not what was done' sh -c '! grep -q agents000000 out'
must 'interrupted: the same again' az upgrade
same 'interrupted: what was done stays' "$first" "$(started agents000000)"
same 'a setting: after' '0 0 0' "$(for m in agents000000 agents000001 master0; do metadata $m; done | xargs)"

# ---- a program that does not come up ---------------------------------------------

old=$(sums)
other broken 's#/etc/azswarm/node.json#/etc/azswarm/nope.json#g'
for command in deploy-storage params; do
	must "a broken program: $command" "$PWD/broken" $command
done
quiet=$(started agents000001)$(started master0)
expect 'a broken program' 1 '^azswarm: upgrade: agents000000: it is not healthy .*was put back as it was' \
	"$PWD/broken" upgrade
same 'a broken program: is nowhere' "$old" "$(sums)"
same 'a broken program: the others never had it' "$quiet" "$(started agents000001)$(started master0)"
check 'a broken program: its machine is whole' in_service_within 30 2
same 'a broken program: the rest of it, too' 0 "$(on agents000000 grep -c "$(sha256sum <broken | cut -c 1-64)" /etc/azswarm/setup.conf)"

# ---- another program ---------------------------------------------------------------

load_end
load_off
check 'under load: requests were made' test "$ok" -ge 200 -a "$ok_patient" -ge 200
same 'under load: none failed' '0 0' "$failed $failed_patient"
same 'under load: no node left the swarm' "$before" "$(ids master0)"
other newer 's#nothing differs from what#nothing  differs from wha#g'
pinned=$(on master0 docker service inspect work --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}')
for command in deploy-storage params upgrade; do
	must "another program: $command" "$PWD/newer" $command
done
same 'another program: is everywhere' "$(sha256sum <newer | cut -c 1-64)" "$(sums)"
same 'another program: no node left the swarm' "$before" "$(ids master0)"
check 'another program: services moved' test "$pinned" != \
	"$(on master0 docker service inspect work --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}')"
check 'another program: and are whole' in_service_within 30 2
same 'the version before is served on' 200 "$(on agents000001 curl -s -o /dev/null -w '%{http_code}' \
	"http://127.0.0.1:1339/v2/azswarm/manifests/${pinned##*@}")"
expect 'another program: nothing more' 0 'nothing  differs' "$PWD/newer" upgrade --dry-run
expect 'another azswarm than the parameters' 1 'was made by another azswarm' az upgrade

# ---- one that is older -----------------------------------------------------------

version=$(cat "$SRCDIR/VERSION")
other older "s#$(printf %s "$version" | sed 's/[.]/[.]/g')#0.0.${version##*.}#g"
for command in deploy-storage params; do
	must "an older program: $command" "$PWD/older" $command
done
expect 'an older program' 1 "has azswarm $version, and this is 0.0." "$PWD/older" upgrade
same 'an older program: nothing was done' "$(sha256sum <newer | cut -c 1-64)" "$(sums)"
swarm_end
exit $((test_failures != 0))
