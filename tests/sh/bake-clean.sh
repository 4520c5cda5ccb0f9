# What bake-image has a machine lose (assets/node/bake.sh), run for real in an overlay
# of the machines' root that is thrown away, without Azure's agent: traces of a machine
# planted where they are known to be are gone, and those where nobody thinks of are
# found.  On a machine that has booted, with the agent: sh/baked.
# time: 120
# needs: root, overlayfs, jq
. "$SRCDIR/tests/lib.sh"
need_root
need unshare jq
[ -x "$SRCDIR/assets/machines/nspawn" ] || skip_all 'no machines'

if [ -z "${BOXED-}" ]; then
	unshare --mount --pid --fork true 2>/dev/null || skip_all 'no new namespaces here'
	BOXED=$("$SRCDIR/assets/machines/nspawn" root 2>root.log | tail -n 1)
	[ -n "$BOXED" ] || skip_all "no root: $(tail -n 1 root.log)"
	export BOXED
	exec unshare --mount --pid --fork --kill-child --mount-proc sh "$0"
fi

box=$PWD/box root=$PWD/box/root
user=bake1234abcd
key=AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYsecretOfOneMachine
id=6c1f0b7e92d84a35b06f7d1ce8a94f02

mkdir box && mount -t tmpfs -o mode=755 box box && mkdir box/up box/work box/root &&
	mount -t overlay box -o "lowerdir=$BOXED,upperdir=$box/up,workdir=$box/work" "$root" &&
	mount -t proc proc "$root/proc" && mount --bind /dev/null "$root/dev/null" 2>/dev/null
[ -d "$root/etc" ] || skip_all 'no overlay here'
mount --bind /dev "$root/dev"
mount -t tmpfs run "$root/run"

stub()		# NAME: says so, and does nothing
{
	printf '#!/bin/sh\necho "%s $*" >>/run/stubs\n%s\n' "$1" "${2-}" >"$root/usr/local/sbin/$1"
	chmod 755 "$root/usr/local/sbin/$1"
}
for c in systemctl journalctl pkill swapoff; do
	stub $c
done
stub waagent 'exit 1'

plant()		# FILE...: below root
{
	for f; do
		mkdir -p "$root$(dirname "$f")"
		printf 'x %s %s %s\n' "$key" "$user" "$id" >>"$root$f"
	done
}
known='/etc/azswarm/node.json /etc/azswarm/binary.url /etc/ssh/ssh_host_ecdsa_key /etc/ssh/ssh_host_rsa_key.pub
	/var/lib/cloud/instance/user-data.txt /var/lib/cloud/instances/i-1/obj.pkl /var/lib/cloud/data/instance-id
	/var/lib/cloud/seed/azure/ovf-env.xml /var/lib/waagent/ovf-env.xml /var/lib/waagent/CustomData
	/var/log/cloud-init.log /var/log/cloud-init-output.log /var/log/auth.log /var/log/waagent.log
	/var/log/journal/0123/system.journal /var/log/wtmp /var/log/azure/x.log /var/lib/docker/swarm/state.json
	/var/lib/docker/engine-id /var/lib/docker/containers/1/config.v2.json /var/lib/containerd/x
	/etc/docker/key.json /root/.ssh/authorized_keys /root/.bash_history /root/.wget-hsts /root/.cache/x
	/var/lib/swarm-agent/x /var/lib/swarm-helper/x /var/lib/azswarm-upgrade/new/etc/azswarm/helper.key
	/var/lib/systemd/random-seed /var/lib/systemd/credential.secret /tmp/x /var/tmp/y/z /var/crash/c
	/var/lib/dhcp/dhclient.eth0.leases /etc/netplan/50-cloud-init.yaml /etc/sudoers.d/90-cloud-init-users
	/etc/sudoers.d/waagent /var/spool/cron/crontabs/'"$user"' /swapfile /var/cache/apt/pkgcache.bin
	/etc/cloud/cloud.cfg.d/90_azure.cfg /var/lib/systemd/coredump/core.x'
snapd=/var/lib/snapd serial=5b1d8f02-77aa-4c0e-9d5f-0c1e2a3b4c5d
trace()
{
	mkdir -p "$root$snapd/device/private-keys-v1" "$root$snapd/assertions/asserts-v0/serial/generic/classic/$serial"
	plant $snapd/device/private-keys-v1/abc $snapd/assertions/asserts-v0/serial/generic/classic/$serial/active
	printf '{"data":{"auth":{"device":{"brand":"generic","model":"classic","serial":"%s","key-id":"%s"}},"snaps":{"core":1}},
		"tasks":{"1":{"data":{"serial-setup":"serial: %s"}}}}' $serial $key $serial >"$root$snapd/state.json"
	chroot "$root" useradd -m -s /bin/bash -G sudo $user || not_ok 'a user' "$?"
	plant /home/$user/.ssh/authorized_keys /home/$user/.bash_history
	# shellcheck disable=SC2086
	plant $known
	echo $id >"$root/etc/machine-id"
	printf '127.0.1.1 %s\n' $user >>"$root/etc/hosts"
	echo $user >"$root/etc/hostname"
	mkdir -p "$root/etc/iscsi"
	echo "InitiatorName=iqn.$id" >"$root/etc/iscsi/initiatorname.iscsi"
}
clean()		# what it says
{
	{
		cat "$SRCDIR/assets/node/bake.sh"
		echo "clean $user $(echo $key | base64 -w 0)"
	} | chroot "$root" /usr/bin/env -i HOME=/root sh -s 2>&1
}
has()		# TEXT: files of the root that have it
{
	find "$root" -xdev -type f -size +0 -print0 | xargs -0 grep -laF -e "$1" | sed "s|^$root||" | grep -v '^/usr/local/sbin/\|^/run'
}

trace
check 'they are there' test "$(has $key | wc -l)" -gt 40
same 'clean' end "$(clean)"
same 'no key is left' '' "$(has $key)"
same 'nor the user' '' "$(has $user)"
same 'nor the id' '' "$(has $id)"
same 'nobody may sign in' '' "$(awk -F: '$3 >= 1000 && $3 < 60000 {print $1}' "$root/etc/passwd")"
same 'nor what snapd is to the store' '' "$(has $serial)"
same 'which keeps what is installed' '[{"brand":"generic","model":"classic"},{"core":1}]' \
	"$(jq -c '[.data.auth.device, .data.snaps]' "$root$snapd/state.json")"
same 'folders stay' 'apt docker containerd log tmp' "$(cd "$root/var" && for d in cache/apt lib/docker lib/containerd log tmp; do
	[ ! -d "$d" ] || basename $d; done | xargs)"
same 'machine-id is empty, as at a first boot' 0 "$(wc -c <"$root/etc/machine-id")"
same "a name that is nobody's" localhost "$(cat "$root/etc/hostname")"
check 'names still resolve' grep -q '^127.0.0.1' "$root/etc/hosts"
wait_for 10 grep -q poweroff "$root/run/stubs"
same 'it turns itself off, behind its answer' 1 "$(grep -c 'poweroff' "$root/run/stubs")"
same "Azure's agent was asked" 'waagent -deprovision+user -force' "$(grep waagent "$root/run/stubs" | grep -v systemctl | sort -u)"

# what is where nobody thinks of
trace
for at in /opt/of/somebody /usr/share/doc/readme /var/lib/vendor/state; do
	mkdir -p "$root$(dirname "$at")"
done
echo "a $key b" >"$root/opt/of/somebody"
printf 'bin\0%s\0' $user >"$root/usr/share/doc/readme"
echo "id=$id" >"$root/var/lib/vendor/state"
# its serial number, too: where it cannot be taken out, and elsewhere
stub python3 'exit 1'
same 'each is found' 'end left /opt/of/somebody left /usr/share/doc/readme left /var/lib/snapd/state.json left /var/lib/vendor/state' "$(clean | sort | xargs)"

# who could not look has not seen that there is nothing
trace
stub xargs 'exit 124'
check 'a look that did not end is told' sh -c "echo '$(clean | xargs)' | grep -q 'bad its disk was not looked through'"
exit $((test_failures != 0))
