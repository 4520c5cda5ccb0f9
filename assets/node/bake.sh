# What `azswarm bake-image` has root's shell do on the machine that an image is
# made of: read from standard input, and behind it `prepare` or `clean` with what
# they take.  Each line of the answer is a word and what belongs to it: `bad WHY`,
# `left WHAT` of what should be gone and is not, and at last `end`.
set -u
umask 022
trap '' HUP INT PIPE
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# in memory, so that no image has it
dir=/run/azswarm-bake
mkdir -p -m 700 $dir

# quiet COMMAND...: for what may not be there, or be done already
quiet() { "$@" >/dev/null 2>&1 </dev/null; }

# prepare CHANNEL SETUP: what azswarm-setup, base64, installs on a node
prepare() {
	quiet timeout 900 cloud-init status --wait
	mkdir -p -m 700 /etc/azswarm
	echo "docker_channel=$1" >/etc/azswarm/setup.conf
	printf %s "$2" | base64 -d >$dir/setup
	timeout --kill-after=30 1800 sh $dir/setup bake >$dir/log 2>&1 </dev/null ||
		echo "bad $(sed -n 's/^azswarm-setup: FAILED: //p' $dir/log | tail -n 1 |
			grep . || echo 'the setup did not end in time, or well')"
	echo end
}

# program SHA256: which came before this
program() {
	program=/usr/local/bin/azswarm
	if echo "$1  $dir/program" | sha256sum --status -c -; then
		chmod 755 $dir/program
		mv -f $dir/program $program || echo "bad $program cannot be written"
	else
		echo 'bad what came of the program is not what was sent (SHA-256)'
	fi
	echo end
}

# What is about to go is not written any more
quiet_down() {
	for unit in docker.socket docker.service containerd.service \
		unattended-upgrades.service apt-daily.timer apt-daily-upgrade.timer \
		snapd.socket snapd.service walinuxagent.service waagent.service rsyslog.service syslog.socket \
		cron.service systemd-random-seed.service; do
		quiet systemctl stop $unit
	done
	quiet journalctl --relinquish-var
}

# The containers' engine as it is before its first start
engine() {
	for at in /var/lib/docker /var/lib/containerd; do
		quiet find $at -xdev -mindepth 1 -delete
	done
	rm -rf /etc/docker/key.json /var/lib/swarm-agent /var/lib/swarm-helper
}

# Azure's agent and cloud-init forget the machine by their own ways, and what
# those leave in one version or the other goes behind them
provisioning() {
	resolv=$(readlink /etc/resolv.conf)
	quiet timeout 120 waagent -deprovision+user -force
	[ -z "$resolv" ] || ln -sf "$resolv" /etc/resolv.conf
	set -- --logs --seed
	case $(cloud-init clean --help 2>&1) in
	*--configs*) set -- "$@" --configs all ;;
	esac
	quiet timeout 120 cloud-init clean "$@"
	rm -rf /var/lib/cloud/* /run/cloud-init /var/lib/waagent/* \
		/etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init* \
		/etc/udev/rules.d/70-persistent-net.rules /var/lib/dhcp/* \
		/var/lib/dhclient/* /var/lib/dhcpcd/* /var/lib/NetworkManager/*
}

# snapd's keys and its serial number: it asks for others, as on a new machine.  What
# is installed stays
snaps() {
	at=/var/lib/snapd
	[ -s $at/state.json ] || return 0
	python3 - >/dev/null 2>&1 <<-'END'
		import json, os
		path = "/var/lib/snapd/state.json"
		state = json.load(open(path))
		device = (state["data"].get("auth") or {}).get("device") or {}
		gone = [device.pop(k, "") for k in ("serial", "key-id", "session-macaroon")]
		text = json.dumps(state)
		for word in gone:
		    if len(word) > 7:
		        text = text.replace(word, "")
		new = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
		with os.fdopen(new, "w") as f:
		    f.write(text)
		os.rename(path + ".new", path)
	END
	rm -rf $at/device/* $at/assertions/asserts-v0/serial
}

# user NAME: who signed in for this
user() {
	quiet pkill -u "$1" -x systemd
	quiet userdel -f -r "$1"
	quiet groupdel "$1"
	rm -rf "/home/${1:?}" "/var/mail/$1" "/var/spool/cron/crontabs/$1" \
		"/var/lib/systemd/linger/$1"
	# what made it may have said so there
	for at in /etc/sudoers.d/* /etc/cloud/cloud.cfg.d/*; do
		! quiet grep -qw "$1" "$at" || rm -f "$at"
	done
	for at in passwd shadow group gshadow subuid subgid; do
		rm -f /etc/$at-
	done
}

# What tells a machine from others
identity() {
	rm -f /etc/ssh/ssh_host_*
	: >/etc/machine-id
	[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
	rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
	sed -i '/^127\.0\.1\.1[[:space:]]/d' /etc/hosts
	echo localhost >/etc/hostname
	[ ! -e /etc/iscsi/initiatorname.iscsi ] ||
		echo GenerateName=yes >/etc/iscsi/initiatorname.iscsi
}

traces() {
	quiet swapoff /swapfile
	rm -f /swapfile
	quiet sed -i '/^\/swapfile /d' /etc/fstab
	rm -rf /etc/azswarm /var/lib/azswarm-upgrade /root/.ssh /root/.cache \
		/root/.*_history /root/.wget-hsts /root/.gnupg /root/.viminfo \
		/root/.lesshst /root/.local /var/lib/apt/lists/* \
		/var/cache/apt/*.bin /var/crash/* /var/lib/systemd/coredump/* \
		/var/cache/pollinate/*
	quiet apt-get clean
	for at in /tmp /var/tmp; do
		quiet find $at -xdev -mindepth 1 -delete
	done
	quiet find /var/log -xdev -type f -delete
	rm -rf /var/log/journal/*
}

# look USER: what should not be there
look() {
	for at in /etc/azswarm /etc/ssh/ssh_host_*_key /home/"$1" /root/.ssh/* \
		/var/lib/cloud/instance* /var/lib/cloud/seed/* /var/lib/waagent/* \
		/var/lib/docker/* /var/lib/containerd/* /etc/docker/key.json \
		/var/lib/snapd/device/* /var/lib/swarm-* /var/log/journal/* /var/lib/systemd/random-seed \
		/swapfile; do
		[ ! -e "$at" ] || echo "left $at"
	done
	[ ! -s /etc/machine-id ] || echo 'left /etc/machine-id'
	! quiet id "$1" || echo "left the user $1"
}

# scan FILE: what of its lines is still in any file of the disk
scan() {
	quiet mountpoint -q /boot && set -- "$1" /boot
	# 123: a grep found nothing, or a file went; else it has not seen them all
	find / ${2-} -xdev -type f -size +0 -print0 | {
		timeout 900 xargs -0 grep -laFf "$1" 2>/dev/null
		case $? in
		0 | 123) ;;
		*) : >$dir/unseen ;;
		esac
	} | sed 's/^/left /'
	[ ! -e $dir/unseen ] || echo 'bad its disk was not looked through to the end'
}

# clean USER SECRETS: what makes it this machine, and that it is gone: no file has
# a line of SECRETS, base64, which are this bake's own keys
clean() {
	printf %s "$2" | base64 -d >$dir/secrets
	{ cat /etc/machine-id && echo "$1"; } >>$dir/secrets
	# .../serial/BRAND/MODEL/SERIAL/active
	for at in /var/lib/snapd/assertions/asserts-v0/serial/*/*/????????*/; do
		[ ! -d "$at" ] || basename "$at"
	done >>$dir/secrets
	quiet_down
	engine
	snaps
	provisioning
	user "$1"
	identity
	traces
	look "$1"
	scan $dir/secrets
	rm -rf $dir
	sync
	echo end
	# behind the answer, and what ends then writes nothing that stays
	{ sleep 2 && systemctl --no-block poweroff; } >/dev/null 2>&1 </dev/null &
}
