# What `azswarm upgrade --engine` and `--reboot` have root's shell do on a machine:
# read from standard input behind mode=look or mode=apply, and engine=yes where
# Docker's packages are asked after.  Each line is a word and what belongs to it; the
# last is `end`.  Who asked may be gone meanwhile: what was begun is ended here.
set -u
umask 022
trap '' HUP INT PIPE
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1

# as azswarm-setup installs them, and what they run with
packages='docker.io docker-cli docker-ce docker-ce-cli containerd.io containerd runc'
log=/var/log/azswarm-engine.log

exec 9>/run/azswarm-upgrade.lock
flock -w 400 9 || { echo 'bad another upgrade is at work'; echo end; exit; }

# apt SECONDS ARGUMENTS...: other work of apt's is waited for
apt() {
	limit=$1
	shift
	timeout "$limit" apt-get -q -y -o Acquire::Retries=2 \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
		-o DPkg::Lock::Timeout=180 -o Dpkg::Use-Pty=0 \
		-o APT::Update::Error-Mode=any "$@" </dev/null >>$log 2>&1
}

# lists: the lock of these apt does not wait for
lists() {
	left=4
	until apt 60 update; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 5
	done
}

info() { curl -s -m 20 --unix-socket /run/docker.sock http://docker/info; }
runs() { info | sed -n 's/.*"ServerVersion":"\([^"]*\)".*/\1/p'; }
is_there() { dockerd --version 2>/dev/null | sed -n 's/^Docker version \([^ ,]*\).*/\1/p'; }

# why: apt's word for it
why() {
	line=$(grep -E '^[EW]: Failed' $log | tail -n 1)
	echo "${line:-$(grep '^E: ' $log | tail -n 1)}"
}

# wants: a line for each package that is not the newest, or was begun; one that is
# held is its owner's.  And an engine that does not run, or as an older one than is
# installed.
wants() {
	for package in $packages; do
		state=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}' "$package" 2>/dev/null)
		has=${state##* }
		newest=$(apt-cache policy "$package" 2>/dev/null | sed -n 's/^  Candidate: //p')
		case $state in
		ii*)
			if [ "$newest" = '(none)' ] ||
				dpkg --compare-versions "$newest" le "$has"; then
				continue
			fi ;;
		i[HUFWt]*) has="$has, unfinished," ;;
		*) continue ;;
		esac
		echo "wants $package $has to $newest"
	done
	now=$(runs)
	[ -n "$now" ] && [ "$now" = "$(is_there)" ] ||
		echo "wants engine ${now:-that does not answer} to $(is_there)"
}

# The settings on this machine stay.  The engine is begun anew whatever the
# packages do about it: nothing runs here now.
bring() {
	names=$(wants | sed -n 's/^wants \([^ ]*\) .*/\1/p' | grep -vx engine)
	timeout 300 dpkg --configure -a </dev/null >>$log 2>&1
	# shellcheck disable=SC2086
	[ -z "$names" ] || apt 400 install --only-upgrade --no-install-recommends \
		-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold $names || {
		echo "bad the packages were not installed: $(why)"
		return
	}
	systemctl reset-failed docker.service docker.socket 2>/dev/null
	timeout 200 systemctl restart containerd.service docker.service >>$log 2>&1 || {
		echo 'bad Docker does not start'
		return
	}
	end=$(($(date +%s) + 90))
	until now=$(runs) && [ -n "$now" ] && [ "$now" = "$(is_there)" ]; do
		[ "$(date +%s)" -lt $end ] || { echo 'bad its engine is not what was installed'; return; }
		sleep 1
	done
}

: >$log
if [ -n "${engine-}" ]; then
	if ! lists; then
		echo "bad its package sources cannot be read: $(why)"
	elif [ "$mode" = apply ]; then
		bring
	else
		wants
	fi
fi
echo "engine $(runs)"
! info | grep -q '"LocalNodeState":"locked"' || echo locked
[ ! -e /run/reboot-required ] || echo reboot
echo end
