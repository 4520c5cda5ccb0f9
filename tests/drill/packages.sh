# Docker's packages and restarts on real machines, three masters and two agents,
# under load: the packages are the distribution's, made again with a higher version
# and an engine that says another, in a source that real apt reads.  What runs is
# read from the engines.
# time: 900
# alone: fleet
# needs: root, systemd-nspawn, ip, jq, python3, dpkg-deb
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/swarm.sh"
. "$SRCDIR/tests/drill/load.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need ip jq python3 dpkg-deb

# ---- packages ----

# deb VERSION-BEHIND SED: docker.io of the machines' root again, in ./repo
deb()
{
	rm -rf deb repo
	mkdir -p deb/DEBIAN repo
	dpkg-query --admindir="$root/var/lib/dpkg" -L docker.io | while read -r f; do
		[ -d "$root$f" ] || [ ! -e "$root$f" ] || echo ".$f"
	done | tar -C "$root" -cf - -T - | tar -C deb -xf -
	for f in conffiles postinst postrm preinst prerm; do
		[ ! -e "$root/var/lib/dpkg/info/docker.io.$f" ] ||
			cp "$root/var/lib/dpkg/info/docker.io.$f" "deb/DEBIAN/$f"
	done
	dpkg-query --admindir="$root/var/lib/dpkg" -s docker.io |
		awk '/^[^ ]/ { skip = /^(Status|Conffiles):/ } !skip' |
		sed "s/^Version: .*/&$1/" >deb/DEBIAN/control
	LC_ALL=C sed -i "$2" deb/usr/sbin/dockerd
	dpkg-deb -Zgzip -z1 --root-owner-group -b deb repo >/dev/null
	rm -rf deb
	f=$(ls repo/*.deb)
	{
		dpkg-deb -f "$f"
		echo "Filename: ./${f#repo/}"
		echo "Size: $(stat -c %s "$f")"
		echo "SHA256: $(sha256sum <"$f" | cut -c 1-64)"
	} >repo/Packages
}

# source_on MACHINE...: apt there reads ./repo
source_on()
{
	for m; do
		on "$m" rm -rf /opt/repo
		tar -cf - repo | on "$m" tar -C /opt -xf - || return 1
		on "$m" sh -c 'echo "deb [trusted=yes] file:/opt/repo ./" >/etc/apt/sources.list'
	done
}

engine() { on "$1" curl -s --unix-socket /run/docker.sock http://docker/info | jq -r .ServerVersion; }
engines() { for m in $all; do engine "$m"; done | sort | uniq -c | xargs; }

swarm_azure
has=$("$root/usr/sbin/dockerd" --version | sed 's/^Docker version \([^ ,]*\).*/\1/')
new=$(echo "$has" | sed 's/^\([0-9]*[.][0-9]*[.][0-9]*\)[0-9]/\19/')
check 'another version' test "$has" != "$new"
says_new="s/$(echo "$has" | sed 's/[.+~]/[&]/g')/$new/g"
deb .1 "$says_new"

# ---- a cluster ----

export MASTER_COUNT=3
all='agents000000 agents000001 master0 master1 master2'
must keys az keys
must deploy-storage az deploy-storage
must params az params
must deploy-compute az deploy-compute
must 'all are Ready' nodes_become 120 5
must 'services are made' services_start
must 'and whole' in_service_within 30 2

expect 'the newest already' 0 'nothing to do' az upgrade --engine
same 'as they were' "5 $has" "$(engines)"

# ---- the engine ----

at_exit load_end
load_on "$PWD/files"
must 'a source' source_on $all
az upgrade --engine --dry-run --output tsv >out 2>err </dev/null
same 'dry-run: something' 5 $?
same 'dry-run: what' "$all" "$(cut -f 1 out | sort -u | xargs)"
check 'dry-run: which package' grep -q 'docker[.]io .*[.]1$' out
same 'dry-run: nothing was done' "5 $has" "$(engines)"
before=$(ids master0) first=$(leader master0)
must 'the engine' az upgrade --engine
same 'the engine: everywhere' "5 $new" "$(engines)"
same 'the engine: agents first, the leader last' \
	"agents000000 agents000001 $(for m in master0 master1 master2; do
		[ $m = "$first" ] || printf '%s ' $m; done)$first" \
	"$(sed -n "s/^\([a-z0-9]*\): engine $new, before: $has\$/\1/p" out | xargs)"
same 'the engine: no node left the swarm' "$before" "$(ids master0)"
check 'the engine: all are in service' in_service_within 30 2
expect 'and then' 0 'nothing to do' az upgrade --engine

# ---- restarts ----

for m in agents000001 "$(leader master0)"; do
	on "$m" touch /run/reboot-required
done
masters=$(ids master0 | tr ' ' '\n' | grep -A 1 ^master | xargs)
asked=$(for m in $all; do ! on "$m" test -e /run/reboot-required || echo "$m"; done | xargs)
az upgrade --reboot --dry-run --output tsv >out 2>err </dev/null
same 'restarts: dry-run' "5 $asked" "$? $(cut -f 1 out | sort | xargs)"
must restarts az upgrade --reboot
same 'restarts: none wants one' '' "$(for m in $all; do ! on "$m" test -e /run/reboot-required || echo "$m"; done | xargs)"
same 'restarts: masters are who they were' "$masters" "$(ids master0 | tr ' ' '\n' | grep -A 1 ^master | xargs)"
check 'restarts: all are in service' in_service_within 30 2
load_end
load_off
check 'under load: requests were made' test "$ok" -ge 200 -a "$ok_patient" -ge 200
same 'under load: none failed' '0 0' "$failed $failed_patient"

# ---- an engine that does not come up ----

deb .2 '1s/.*/#!\/bin\/false/'
must 'a broken engine: a source' source_on agents000000 agents000001
expect 'a broken engine: is named' 1 '^azswarm: upgrade: agents000000: ' az upgrade --engine
same 'a broken engine: the next never had it' "$new" "$(engine agents000001)"
deb .3 "$says_new"
must 'a broken engine: one that works' source_on agents000000 agents000001
must 'a broken engine: the same again' az upgrade --engine
same 'a broken engine: no more' "5 $new" "$(engines)"
check 'a broken engine: all are in service' in_service_within 60 2

# ---- no majority ----

other=$(for m in master0 master1 master2; do [ $m = "$(leader master0)" ] || echo $m; done | tail -n 1)
on "$other" systemctl stop docker.socket docker.service
for m in master0 master1 master2; do
	[ $m = "$other" ] || on $m touch /run/reboot-required
done
gone() { raft "$here" | grep -qx "$other Unreachable"; }
here=$(for m in master0 master1 master2; do [ $m = "$other" ] || echo $m; done | head -n 1)
check 'a master is away: noticed' wait_for 60 gone
az upgrade --reboot >out 2>&1 </dev/null
same 'a master is away: refused' 1 $?
check 'a master is away: why' grep -q 'no majority' out
swarm_end
exit $((test_failures != 0))
