# time: 1500
# alone: machines
# The life of a cluster on machines of newer Debian suites: their Docker, systemd,
# cloud-init and OpenSSH are next to what Ubuntu and Docker's repository give.
# bookworm is sh/demo's.  Each root file system is made once, a minute and 700 MB.
# needs: root, systemd-nspawn, jq, mmdebstrap, the package archive
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
why=$(azure_able) || skip_all "$why"

for MACHINE_SUITE in trixie forky; do
	export MACHINE_SUITE
	if ! root=$("$SRCDIR/tests/machine-root" 2>root.log); then
		not_ok "$MACHINE_SUITE: a root" "$(tail -n 1 root.log)"
		continue
	fi
	# what it is about, by the suite's own word
	# shellcheck disable=SC2016
	echo "# $MACHINE_SUITE: $(chroot "$root" dpkg-query -W -f '${Package} ${Version}, ' \
		docker.io containerd systemd cloud-init openssh-server)"
	same "$MACHINE_SUITE: is what was asked for" "$MACHINE_SUITE" \
		"$(sed -n 's/^VERSION_CODENAME=//p' "$root/etc/os-release")"
	expect "$MACHINE_SUITE: exit code" 0 '' "$SRCDIR/tests/demo.sh"
	check "$MACHINE_SUITE: to its end, on real machines" \
		grep -q '^demo: the life of a cluster with nspawn machines, in ' out
	tail -n 1 out
done
