# What `azswarm upgrade` has root's shell do on a machine: read from standard
# input behind mode=look or mode=apply, and before a line for each file that a
# new machine would get, `program` and `finish`.  It says what differs; applying,
# it brings the machine there, or puts it back as it was.  Each line is a word
# and what belongs to it; the last is `end`.  Who asked may be gone meanwhile:
# what was begun is ended here.
set -u
umask 077
trap '' HUP INT PIPE
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

dir=/var/lib/azswarm-upgrade # new/, old/: below them, paths; none: had no file
azswarm=/usr/local/bin/azswarm
engine=/etc/docker/daemon.json
changed='' broken=''

# untouched WHY
untouched() { echo "bad $1"; echo untouched; }

# one at a time: what was begun from elsewhere ends first; a look is not as patient
patience=900
[ "$mode" = apply ] || patience=30
exec 9>/run/azswarm-upgrade.lock
flock -w $patience 9 || { untouched 'another upgrade is at work'; echo end; exit; }

sum() { sha256sum 2>/dev/null <"$1" | cut -c 1-64; }

# merge BASE64: what the engine's settings are to be, beside what an image had
# set; status 1: they are
merge() {
	printf %s "$1" | base64 -d | python3 -c '
import json, sys
text, path, name = sys.stdin.read(), sys.argv[1], "insecure-registries"
ours = json.loads(text)
try:
    there = json.load(open(path))
except (OSError, ValueError):
    there = {}
both = {**there, **ours}
both[name] = sorted({*there.get(name, []), *ours.get(name, [])})
if both != there:
    print(text if both == ours else json.dumps(both, indent=2) + "\n", end="")
sys.exit(both == there)' $engine
}

# differs PATH
differs() {
	echo "differs $1"
	changed="$changed $1"
}

# file MODE SHA256 PATH BASE64: SHA256 "-" when there is to be none
file() {
	if [ "$2" = - ]; then
		[ -e "$3" ] || return 0
	elif [ "$(stat -c '%a %u %g' "$3" 2>/dev/null)" = "$1 0 0" ]; then
		[ "$(sum "$3")" != "$2" ] || return 0
		[ "$3" != $engine ] || merge "$4" >/dev/null || return 0
	fi
	differs "$3"
	if [ "$mode" = look ] || [ "$2" = - ]; then
		return 0
	fi
	new=$dir/new$3
	mkdir -p "${new%/*}"
	printf %s "$4" | base64 -d >"$new"
	[ "$(sum "$new")" = "$2" ] || broken=yes
	[ "$3" != $engine ] || merge "$4" >"$new" || cp $engine "$new"
	chmod "$1" "$new"
}

units() { [ ! -s /etc/azswarm/helper.key ] || echo swarm-helper; echo swarm-agent; }

# runs UNIT: the program that was asked for
runs() { [ "$(sum "/proc/$(systemctl show -P MainPID "$1")/exe")" = "$wanted" ]; }

# program SHA256
program() {
	wanted=$1
	if [ "$(sum $azswarm)" != "$wanted" ]; then
		differs $azswarm
	elif [ -z "$changed" ]; then
		for unit in $(units); do
			runs "$unit" || echo "differs $unit.service"
		done
	fi
}

status() { curl -s -k -m 5 -o /dev/null -w '%{http_code}' "$1"; }

# of helper and agent
health() {
	[ -s /etc/azswarm/helper.key ] && status https://127.0.0.1:1337/healthz
	echo " $(status http://127.0.0.1:1338/healthz)"
}

# copy FROM TO: TO is the one or the other, never a part
copy() { mkdir -p "${2%/*}" && cp -p "$1" "$2.new" && sync "$2.new" && mv -f "$2.new" "$2"; }

# The way back: of what was begun before and not ended, it is kept
keep() {
	for path in $changed $kept; do
		if [ -e "$dir/old$path" ] || grep -qsx "$path" $dir/none; then
			continue
		elif [ -e "$path" ]; then
			copy "$path" "$dir/old$path" || return 1
		else
			echo "$path" >>$dir/none
		fi
	done
	: >$dir/begun
	sync
}

back() {
	if [ -e $dir/none ]; then
		xargs rm -f <$dir/none
	fi
	[ ! -e $dir/old ] || (cd $dir/old && find . -type f ! -name '*.new') | cut -c 2- |
		while read -r path; do copy "$dir/old$path" "$path"; done
}

put() {
	for path in $changed; do
		if [ -e "$dir/new$path" ]; then
			copy "$dir/new$path" "$path" || return 1
		elif [ "$path" != $azswarm ]; then
			rm -f "$path"
		fi
	done
}

# What runs by what was changed.  Docker goes on as it is: its settings are for
# its next start.
restart() {
	systemctl daemon-reload
	case "$changed" in
	*/ssh_host_*)
		for key in /etc/ssh/ssh_host_ecdsa_key /etc/ssh/ssh_host_rsa_key; do
			[ ! -e $key ] || ssh-keygen -y -f $key >$key.pub
		done ;;
	esac
	case "$changed" in
	*/etc/ssh/*) sshd -t && { systemctl reload ssh || systemctl try-restart ssh; } ;;
	esac
	case "$changed" in
	*share.cred* | */srv.mount*) systemctl try-restart srv.mount ;;
	esac
	for unit in $(units); do
		timeout 90 systemctl restart "$unit"
	done
}

# restarts: how often systemd has begun them again, all together
restarts() {
	echo $(($(for unit in $(units); do systemctl show -P NRestarts "$unit"; done | tr '\n' '+')0))
}

# await SECONDS: until it is healthy, or no worse than before; not as long when
# what runs keeps failing
await() {
	left=$1 began=$(restarts)
	while :; do
		now=$(health)
		case "$now" in
		'200 200' | ' 200') return 0 ;;
		*000* | *5*) [ "$now" != "$before" ] || case "$now" in *000*) ;; *) return 0 ;; esac ;;
		esac
		[ $(($(restarts) - began)) -lt 8 ] || return 1
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 1
	done
}

bring() {
	put || { echo 'bad its files cannot be written'; return 1; }
	if ! timeout 900 /usr/local/sbin/azswarm-setup >$dir/log 2>&1; then
		echo "bad $(grep 'FAILED' $dir/log | tail -n 1)"
		return 1
	fi
	restart
	await 120 || { echo "bad it is not healthy (helper and agent: $now)"; return 1; }
	for unit in $(units); do
		runs "$unit" || { echo "bad $unit runs another program"; return 1; }
	done
}

apply() {
	before=$(health) kept=''
	# the version before is served on to tasks that are pinned to it
	case "$changed" in
	*$azswarm*) kept=$azswarm.old ;;
	esac
	if [ -n "$broken" ] || ! keep; then
		untouched 'there is no room for what is to come'
		return
	fi
	if [ -n "$kept" ] && $azswarm version >/dev/null 2>&1; then
		copy $azswarm $azswarm.old
	fi
	if bring; then
		rm -rf $dir
		echo whole
		return
	fi
	changed="$changed $(cd $dir/old 2>/dev/null && find . -type f | cut -c 2- | tr '\n' ' ')"
	back
	restart
	if await 60; then
		rm -rf $dir
		echo back
	fi
}

finish() {
	echo "version $($azswarm version 2>/dev/null | sed -n '1s/^azswarm \([^ ]*\).*/\1/p')"
	[ ! -e $dir/begun ] || echo 'differs what was begun and not ended'
	[ "$mode" = look ] || apply
	[ ! -e /run/reboot-required ] || echo reboot
	echo end
}

rm -rf $dir/new
