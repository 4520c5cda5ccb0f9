# Machines that have no Docker yet, and the one place where they can get it.
# Sourced behind lib.sh and cluster.sh, before the local Azure is started.
#
#	unbaked_make	machines' root without Docker and what the share needs, and
#			those packages, made again of its files; sets unbaked (the root,
#			which new machines are from now on) and unbaked_packages
#	packages_on	from now on machines reach a source of them, and no other
#	packages_off	and none any more, as when there is no way out
#
# What is made is kept beside the machines' root.  Needs root, dpkg-deb, python3.

readonly unbaked_of='docker.io containerd runc tini cifs-utils'
readonly unbaked_url=http://10.77.0.1:8099	# this host, as machines see it
unbaked= unbaked_packages= packages_pid=

# repack ROOT PACKAGE: into the folder this is, as a file of its own
repack()
{
	rm -rf deb
	mkdir -p deb/DEBIAN
	# what is a folder there, and a link here, is the distribution's own
	dpkg-query --admindir="$1/var/lib/dpkg" -L "$2" | while read -r f; do
		[ ! -e "$1$f" ] && [ ! -L "$1$f" ] || [ -d "$1$f" ] && [ -L "$1$f" ] || echo ".$f"
	done | tar -C "$1" -cf - --no-recursion -T - | tar -C deb -xf - || return 1
	for f in conffiles postinst postrm preinst prerm; do
		[ ! -e "$1/var/lib/dpkg/info/$2.$f" ] || cp "$1/var/lib/dpkg/info/$2.$f" "deb/DEBIAN/$f"
	done
	dpkg-query --admindir="$1/var/lib/dpkg" -s "$2" |
		awk '/^[^ ]/ { skip = /^(Status|Conffiles):/ } !skip' >deb/DEBIAN/control
	dpkg-deb -Zgzip -z1 --root-owner-group -b deb . >/dev/null
	rm -rf deb
}

# unbaked_fill ROOT: here, root/ without the packages, and packages/
unbaked_fill()
{
	mkdir packages
	for p in $unbaked_of docker-cli; do
		dpkg-query --admindir="$1/var/lib/dpkg" -s "$p" >/dev/null 2>&1 || continue
		(cd packages && repack "$1" "$p") || return 1
		set -- "$@" "$p"
	done
	(
		cd packages || exit
		for f in *.deb; do
			dpkg-deb -f "$f"
			echo "Filename: ./$f"
			echo "Size: $(stat -c %s "$f")"
			echo "SHA256: $(sha256sum <"$f" | cut -c 1-64)"
			echo
		done >Packages
	) || return 1
	cp -a "$1" root
	shift
	chroot root dpkg --purge --force-depends "$@" >purge.log 2>&1 || return 1
	[ ! -e root/usr/sbin/dockerd ] || return 1
	echo "deb [trusted=yes] $unbaked_url ./" >root/etc/apt/sources.list
}

unbaked_make()
{
	unbaked_root=$("$SRCDIR/assets/machines/nspawn" root 2>root.log) || return 1
	unbaked_recipe=$(sha256sum <"$SRCDIR/tests/unbaked.sh" | cut -c 1-8)
	unbaked_top=/var/cache/azswarm/unbaked-${unbaked_root##*root-}-$unbaked_recipe
	(
		flock -w 600 9 || exit 1
		[ ! -e "$unbaked_top/done" ] || exit 0
		rm -rf --one-file-system "$unbaked_top"
		mkdir -p "$unbaked_top" && cd "$unbaked_top" && unbaked_fill "$unbaked_root" && : >done
	) 9</var/cache/azswarm || return 1
	unbaked=$unbaked_top/root unbaked_packages=$unbaked_top/packages
	export AZSWARM_MACHINE_ROOT="$unbaked"
}

packages_on()
{
	spawn packages.log nsenter --net="/run/netns/azs-$azure_net" python3 -m http.server --bind 10.77.0.1 \
		--directory "$unbaked_packages" "${unbaked_url##*:}"
	packages_pid=$spawned
	wait_for 10 nsenter --net="/run/netns/azs-$azure_net" curl -sfo /dev/null "$unbaked_url/Packages"
}

packages_off()
{
	[ -z "$packages_pid" ] || reap "$packages_pid"
	packages_pid=
}
