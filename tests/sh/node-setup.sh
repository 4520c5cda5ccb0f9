# time: 180
# azswarm-setup, the script inside cloud-init's file, run for real: real apt,
# gpg, curl and dpkg, in an overlay of this machine's own root that is thrown
# away, with a network of nothing but loopback.  Docker's repository and the
# storage account are an HTTPS server here; Docker's packages are empty ones.
# systemctl is a stub (node-boot.sh has the real one), and so is sleep.
# needs: root, overlayfs, curl, gpg, openssl, python3-yaml, dpkg-dev.
. "$SRCDIR/tests/lib.sh"
need_root
need unshare curl gpg openssl ssh-keygen dpkg-scanpackages apt-get ip

if [ -z "${BOXED-}" ]; then
	unshare --mount --net --pid --fork true 2>/dev/null ||
		skip_all "no new namespaces here"
	export BOXED=1
	exec unshare --mount --net --pid --fork --kill-child --mount-proc \
		sh "$0"
fi

top=$PWD
box=$top/box
root=$box/root
export PYTHONDONTWRITEBYTECODE=1
sas_path='azswarm/azswarm?sv=2024-11-04&sp=r&sig=NeverToBeSeen%2B1%3D'
url="https://acct.blob.core.localhost:8443/$sas_path"

# shellcheck source=/dev/null
. /etc/os-release
repo=www/linux/$ID

# ---- what the world outside is made of ----

certificates()
{
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem \
		-days 2 -subj '/CN=test' &&
	openssl req -newkey rsa:2048 -nodes -keyout server.key \
		-out server.csr -subj '/CN=test' &&
	echo 'subjectAltName=DNS:acct.blob.core.localhost,DNS:download.docker.com' \
		>server.ext &&
	openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key \
		-CAcreateserial -days 2 -extfile server.ext -out server.crt
}

package()	# NAME
{
	mkdir -p "p/$1/DEBIAN" "$repo/pool"
	printf '%s\n' "Package: $1" 'Version: 5:29.0' 'Architecture: all' \
		'Maintainer: nobody <nobody@example.com>' \
		"Description: empty $1" >"p/$1/DEBIAN/control"
	if [ "$1" = docker-ce ]; then
		mkdir -p "p/$1/usr/bin"
		printf '#!/bin/sh\n' >"p/$1/usr/bin/dockerd"
		printf '#!/bin/sh\ngetent group docker || groupadd docker\n' \
			>"p/$1/DEBIAN/postinst"
		chmod 755 "p/$1/usr/bin/dockerd" "p/$1/DEBIAN/postinst"
	fi
	dpkg-deb --root-owner-group -b "p/$1" "$repo/pool/$1.deb"
}

fingerprint()	# UID
{
	gpg --with-colons --list-keys "$1" |
		awk -F: '$1 == "fpr" { print $10; exit }'
}

repository()
{
	export GNUPGHOME=$top/gnupg
	mkdir -m 700 -p "$GNUPGHOME"
	gpg --batch --quiet --passphrase '' --quick-gen-key one rsa2048 sign 1d &&
	gpg --batch --quiet --passphrase '' --quick-gen-key two rsa2048 sign 1d ||
		return 1
	for p in docker-ce docker-ce-cli containerd.io; do
		package $p || return 1
	done
	arch=$(dpkg --print-architecture)
	dist=$repo/dists/$VERSION_CODENAME
	mkdir -p "$dist/stable/binary-$arch"
	(cd "$repo" && dpkg-scanpackages -m pool 2>/dev/null) \
		>"$dist/stable/binary-$arch/Packages"
	at=stable/binary-$arch/Packages
	{
		printf '%s\n' 'Origin: Docker' 'Label: Docker CE' \
			"Suite: $VERSION_CODENAME" "Codename: $VERSION_CODENAME" \
			"Date: $(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')" \
			"Architectures: $arch" 'Components: stable' 'SHA256:'
		printf ' %s %s %s\n' "$(sha256sum <"$dist/$at" | cut -d' ' -f1)" \
			"$(wc -c <"$dist/$at")" "$at"
	} >"$dist/Release"
	gpg --batch --quiet -u one --clearsign -o "$dist/InRelease" "$dist/Release"
	gpg --armor --export one >"$repo/gpg"
}

server()
{
	cat >server.py <<-'PY'
		import http.server, ssl, sys
		handler = http.server.SimpleHTTPRequestHandler
		http.server.ThreadingHTTPServer.allow_reuse_address = True
		s = http.server.ThreadingHTTPServer(
		    (sys.argv[1], int(sys.argv[2])),
		    lambda *a: handler(*a, directory="www"))
		c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		c.load_cert_chain("server.crt", "server.key")
		s.socket = c.wrap_socket(s.socket, server_side=True)
		s.serve_forever()
	PY
	# 127.0.0.2, not .1: the hosts file is asked, not what curl thinks
	# of names that end in .localhost
	spawn storage.log /usr/bin/python3 server.py 127.0.0.2 8443
	storage=$spawned
	spawn docker.log /usr/bin/python3 server.py 127.0.0.3 443
}

# ---- the machine ----

stub()		# NAME < SCRIPT
{
	cat >"$root/usr/local/sbin/$1"
	chmod 755 "$root/usr/local/sbin/$1"
}

machine()
{
	mkdir -p "$box" && mount -t tmpfs -o mode=755 box "$box" &&
	mkdir "$box/up" "$box/work" "$root" &&
	mount -t overlay box -o \
		"lowerdir=/,upperdir=$box/up,workdir=$box/work" "$root" ||
		return 1
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs run "$root/run"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"

	rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* \
		"$root"/etc/apt/apt.conf "$root"/etc/apt/apt.conf.d/* \
		"$root"/var/lib/apt/lists/* "$root/root/.curlrc" \
		"$root/usr/local/bin/azswarm" "$root"/usr/bin/dockerd \
		"$root"/usr/sbin/dockerd "$root"/usr/local/bin/dockerd
	: >"$root/etc/apt/sources.list"
	printf '%s\n' '127.0.0.1 localhost' \
		'127.0.0.2 acct.blob.core.localhost' \
		'127.0.0.3 download.docker.com' >"$root/etc/hosts"
	cat ca.pem >>"$root/etc/ssl/certs/ca-certificates.crt"
	chroot "$root" sh -c 'userdel cluster; groupdel docker
		useradd -G sudo cluster' 2>/dev/null

	stub systemctl <<-'SH'
		#!/bin/sh
		echo "$*" >>/tmp/systemctl.log
		case "$*" in
		'restart swarm-firewall.service') [ ! -e /tmp/no-firewall ] || exit 1 ;;
		*is-active*) [ -e /tmp/docker-runs ] ;;
		*'-P SubState'*) cat /tmp/substate 2>/dev/null || echo running ;;
		esac
	SH
	stub curl <<-'SH'
		#!/bin/sh
		echo "$*" >>/tmp/curl.log
		exec /usr/bin/curl "$@"
	SH
	stub sleep <<-'SH'
		#!/bin/sh
		echo "$1" >>/tmp/sleep.log
	SH
	for c in modprobe systemd-detect-virt mkswap swapon; do
		printf '#!/bin/sh\necho "%s $*" >>/tmp/stub.log\nfalse\n' "$c" |
			stub "$c"
	done
	printf '#!/bin/sh\necho "chattr $*" >>/tmp/systemctl.log\n' | stub chattr
	stub fallocate <<-'SH'
		#!/bin/sh
		: >"$3"
	SH
	printf '#!/bin/sh\n' | stub sysctl

	/usr/bin/python3 "$SRCDIR/tests/cloud-config.py" values agent "$url" \
		www/azswarm/azswarm . >values.json &&
	/usr/bin/python3 "$SRCDIR/tests/cloud-config.py" fill \
		"$SRCDIR/assets/cloud-init/node.yaml" values.json >node.yaml &&
	/usr/bin/python3 "$SRCDIR/tests/cloud-config.py" unpack node.yaml "$root"
}

setup()		# [bake]
{
	chroot "$root" /usr/bin/env -i HOME=/root \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		timeout 100 azswarm-setup "$@"
	status=$?
	cat out >>everything 2>/dev/null
	return $status
}

trust()		# FINGERPRINT : instead of Docker's own
{
	sed -i "s/^docker_key=.*/docker_key=$1/" \
		"$root/usr/local/sbin/azswarm-setup"
}

installed()	# PACKAGE
{
	chroot "$root" dpkg -s "$1" 2>/dev/null | grep -q '^Status: .* installed'
}

absent()	# PATH... in the machine
{
	for a in "$@"; do
		[ ! -e "$root$a" ] || { echo "$a is there"; return 1; }
	done
}

mkdir -p www/azswarm
printf 'the program\n' >www/azswarm/azswarm
certificates >prepare.log 2>&1 &&
	ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f host &&
	ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f host_rsa &&
	openssl ecparam -name prime256v1 -genkey -noout -out helper.key &&
	repository >>prepare.log 2>&1 || {
	not_ok prepare "$(tail -n 3 prepare.log)"
	exit 1
}
ip link set lo up
machine 2>machine.log || skip_all "no overlay of / here: $(tail -n 1 machine.log)"
server
wait_for 10 curl -s --cacert ca.pem --resolve download.docker.com:443:127.0.0.3 \
	https://download.docker.com/ || not_ok server "$(cat docker.log)"
one=$(fingerprint one 2>/dev/null)

# ---- refusals ----

printf 'another program\n' >www/azswarm/azswarm
expect "a program with another hash is refused" 1 \
	'FAILED: the cluster.s program: what came is not what was announced' setup
check "and not kept" absent /usr/local/bin/azswarm /usr/local/bin/azswarm.new
printf 'the program\n' >www/azswarm/azswarm

expect "a key that is not Docker's is refused" 1 \
	"not the one expected: $one" setup
same "the way out is tried before its modules are looked for" \
	"fetching the cluster's program" \
	"$(grep -oE "fetching the cluster's program|this kernel has no" out | head -n 1)"
check "and not kept" absent /etc/apt/keyrings/docker.asc \
	/etc/apt/sources.list.d/docker.sources /etc/azswarm/docker.asc

trust "$one"
gpg --armor --export one two >"$repo/gpg"
expect "a second key beside the right one is refused" 1 \
	'not the one expected' setup
gpg --armor --export one >"$repo/gpg"

# ---- the way it should go ----

expect "a fresh machine becomes a node" 0 'azswarm-setup: done' setup
for p in docker-ce docker-ce-cli containerd.io; do
	check "$p is installed" installed $p
done
same "the program is there, 0755" "755 the program" \
	"$(stat -c %a "$root/usr/local/bin/azswarm") $(cat "$root/usr/local/bin/azswarm")"
same "the user may use Docker, and is in sudo as before" "docker sudo" \
	"$(chroot "$root" id -nG cluster | tr ' ' '\n' | grep -xE 'sudo|docker' | sort | tr '\n' ' ' | sed 's/ $//')"
check "an agent keeps no helper key" absent /etc/azswarm/helper.key
same "nobody else looks into /etc/azswarm" 700 \
	"$(stat -c %a "$root/etc/azswarm")"
same "containers are kept back before Docker is started" \
	'restart swarm-firewall.service enable --now docker.service' \
	"$(grep -v is-active "$root/tmp/systemctl.log" | grep -E '^restart swarm-firewall|docker.service$' | head -n 2 | xargs)"
check "the agent is started" grep -q 'start --no-block swarm-agent' \
	"$root/tmp/systemctl.log"
check "the helper is not" sh -c "! grep -q swarm-helper '$root/tmp/systemctl.log'"
check "a kernel without SMB is no failure" grep -q 'knows no SMB' out
for m in 'vxlan: tasks do not reach' 'ip_vs: published ports and service names' 'br_netfilter: published ports'; do
	check "a kernel without ${m%%:*} is told" grep -q "warning: this kernel has no $m" out
done
settings()	# JQ-FILTER : of the engine
{
	jq -c "$1" "$root/etc/docker/daemon.json"
}
same "the engine's settings are ours" '["172.29.0.1/24",1400,["127.0.0.0/8"]]' \
	"$(settings '[.bip, .mtu, .["insecure-registries"]]')"
same "/srv is closed to who would write beside the share" 'chattr +i /srv' \
	"$(grep chattr "$root/tmp/systemctl.log")"

expect "a second run does nothing twice" 0 'azswarm-setup: done' setup
check "it fetches and installs nothing" \
	sh -c '! grep -E "fetching|installing" out'

# what every machine of an image would lack
expect "an image without the kernel's modules is none" 1 \
	'FAILED: an image of this machine would be without.* vxlan ip_vs cifs' setup bake
printf '#!/bin/sh\n' | stub systemd-detect-virt
expect "a container's kernel is not its own" 0 'azswarm-setup: done' setup bake
printf '#!/bin/sh\nfalse\n' | stub systemd-detect-virt

# apt knows packages only once it has lists; this one cannot be had
stub apt-cache <<-'SH'
	#!/bin/sh
	echo "$*" >>/tmp/apt-cache.log
	ls /var/lib/apt/lists/*_Packages
SH
rm -rf "$root"/var/lib/apt/lists/*
expect "modules in a package that cannot be had are a warning" 0 \
	'warning: this kernel has no vxlan' setup
same "apt's lists are fetched for it, and it is asked for in one round" \
	'1 3' "$(grep -c 'installing linux-modules-extra' out) $(grep -c 'again in .*linux-modules-extra' out)"
rm "$root/usr/local/sbin/apt-cache"

# ---- an engine that was there before us ----

echo '{"bip": "10.9.9.1/24", "insecure-registries": ["10.1.1.1:5000"], "registry-mirrors": ["https://m"]}' \
	>"$root/etc/docker/daemon.json.before"
touch "$root/tmp/docker-runs"
: >"$root/tmp/systemctl.log"
expect "an engine with settings of its own" 0 "restarting Docker with the cluster's settings" setup
check "is restarted" grep -qx 'restart docker.service' "$root/tmp/systemctl.log"
check "what it had is gone then" absent /etc/docker/daemon.json.before
same "its settings stay, ours go first, registries are joined" \
	'["172.29.0.1/24",["10.1.1.1:5000","127.0.0.0/8"],["https://m"],1400]' \
	"$(settings '[.bip, .["insecure-registries"], .["registry-mirrors"], .mtu]')"
echo '{"bip": ' >"$root/etc/docker/daemon.json.before"
expect "settings that are no JSON are a failure" 1 \
	'FAILED: /etc/docker/daemon.json.before is not what Docker could read' setup
same "and kept" '{"bip": ' "$(cat "$root/etc/docker/daemon.json.before")"
rm "$root/etc/docker/daemon.json.before" "$root/tmp/docker-runs"

# ---- what else may be wrong ----

echo >"$root/tmp/no-firewall"
expect "containers that are not kept back are a failure" 1 \
	'FAILED: containers cannot be kept from this node.s own ports' setup
rm "$root/tmp/no-firewall"
cp helper.key "$root/etc/azswarm/helper.key"
expect "a master starts its helper first" 0 \
	'swarm-helper.service runs' setup
rm "$root/etc/azswarm/helper.key"

# ---- a small machine, a kernel with SMB ----

echo 'MemTotal:         900000 kB' >meminfo
mount --bind meminfo "$root/proc/meminfo"
expect "swap that cannot be had is a warning" 0 'warning: no swap' setup
printf '#!/bin/sh\n' >"$root/usr/local/sbin/mkswap"
printf '#!/bin/sh\n' >"$root/usr/local/sbin/swapon"
expect "a small machine gets a swap file" 0 '1 GiB, this machine has 878 MiB' setup
setup >out 2>&1
same "and one line in fstab" 1 "$(grep -c '^/swapfile ' "$root/etc/fstab")"
same "that nobody reads" 600 "$(stat -c %a "$root/swapfile")"
umount "$root/proc/meminfo"

cp "$root/etc/azswarm/share.cred" share.cred
cp "$root/etc/azswarm/setup.conf" setup.conf
: >"$root/etc/azswarm/share.cred"
sed -i 's/^share_name=.*/share_name=/' "$root/etc/azswarm/setup.conf"
expect "no share may be asked for" 0 'no share asked for' setup
same "/srv is open then" 'chattr -i /srv' "$(grep chattr "$root/tmp/systemctl.log" | tail -n 1)"
check "no key is kept then" absent /etc/azswarm/share.cred
cp share.cred setup.conf "$root/etc/azswarm/"

printf 'nodev\tcifs\n' >filesystems
mount --bind filesystems "$root/proc/filesystems"
rm -f "$root/sbin/mount.cifs"
touch "$root/srv/own"
: >"$root/tmp/sleep.log"
expect "no cifs-utils to be had is a warning" 0 'warning: no cifs-utils' setup
same "after twelve tries, for the lists' lock is not waited for" 11 \
	"$(grep -cx 10 "$root/tmp/sleep.log")"
check "nor are files in /srv kept quiet" grep -q 'warning: /srv holds files' out
rm "$root/srv/own"
printf '#!/bin/sh\n' | stub mount.cifs
expect "a kernel with SMB gets the share" 0 'azswarm-setup: done' setup
check "on demand" grep -q 'enable --now srv.automount' "$root/tmp/systemctl.log"
same "and closes /srv before" 'chattr +i /srv,enable --now srv.automount' \
	"$(grep -E 'chattr|automount' "$root/tmp/systemctl.log" | tail -n 2 | paste -sd ,)"

# ---- what goes wrong later ----

echo auto-restart >"$root/tmp/substate"
expect "a service that keeps failing is a failure" 1 \
	'FAILED: swarm-agent.service does not run: see journalctl' setup
rm "$root/tmp/substate"

rm "$root/usr/local/bin/azswarm"
pauses()	# how long was waited between tries
{
	uniq -c "$root/tmp/sleep.log" | awk '{ printf "%s%s x %s", sep, $1, $2; sep = ", " }'
}
mv www/azswarm/azswarm program
: >"$root/tmp/sleep.log"
expect "storage that refuses is a failure" 1 \
	'FAILED: the cluster.s program: no way to the storage account' setup
same "after eight tries, 5 s apart" "7 x 5" "$(pauses)"
mv program www/azswarm/azswarm

reap "$storage"
: >"$root/tmp/sleep.log"
expect "storage that does not answer for ten minutes is a failure" 1 \
	'FAILED: the cluster.s program: no way to the storage account' setup
same "after forty tries more, 15 s apart" "7 x 5, 39 x 15" "$(pauses)"
# it is back after the twentieth of them
stub sleep <<-'SH'
	#!/bin/sh
	echo "$1" >>/tmp/sleep.log
	[ "$(wc -l </tmp/sleep.log)" -lt 26 ] || { touch /tmp/back; exec /bin/sleep "${1%5}.5"; }
SH
: >"$root/tmp/sleep.log"
spawn storage.log sh -c 'until [ -e "$1" ]; do sleep 0.1; done
	exec /usr/bin/python3 server.py 127.0.0.2 8443' - "$root/tmp/back"
expect "storage that is back after minutes" 0 'azswarm-setup: done' setup
check "has the program" test -x "$root/usr/local/bin/azswarm"

check "the address's permission is in no output" \
	sh -c '! grep NeverToBeSeen everything'
check "and in no argument" sh -c "! grep NeverToBeSeen '$root/tmp/curl.log'"
check "the key of the share is in no output" \
	sh -c "! grep -F 'q+/Zq+/Z' everything"
