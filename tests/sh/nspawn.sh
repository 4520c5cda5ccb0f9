# time: 460
# The nspawn machine driver with real machines: what customData asks for is
# there, systemd stops in order, and nothing is left in the end.
# needs: root, systemd-container, jq, iproute2; once, a minute and the Debian
# archive for the root file system.  Proves the driver, nothing about Azure.
. "$SRCDIR/tests/lib.sh"
need_root
need systemd-nspawn ip nsenter jq flock openssl ssh-keygen busybox

driver=$SRCDIR/assets/machines/nspawn
net=t$$
ns=azs-$net
state=$PWD/state
one=$state/one two=$state/two
mkdir -p "$one" "$two"
case $state in *[:,]*) skip_all "TMPDIR has a ':' or ',' in it" ;; esac
[ "$(stat -f -c %T .)" != overlayfs ] || skip_all "TMPDIR is on an overlay"

at_exit 'end_machines'
end_machines()
{
	"$driver" down "$net" "$state" >/dev/null 2>&1
}

# ---- called wrongly; none of it may make anything ----

json='{"name":"one","net":"'$net'","address":"10.77.0.10","user":"op"}'
echo "$json" >"$one/machine.json"
expect "no verb" 2 'usage: nspawn create' "$driver"
expect "an unknown verb" 2 'usage: nspawn create' "$driver" burn one "$one"
expect "create without a directory" 2 usage "$driver" create one
expect "exec without --" 2 usage "$driver" exec one "$one" true
expect "capture without a disk" 2 usage "$driver" capture one "$one"
expect "capture of what was not created" 1 'was not created' "$driver" capture one "$one" "$state/disk"
expect "a network name that is a path" 1 "network name '../x'" "$driver" up ../x "$state"
expect "a network name that is too long" 1 'longer than 16' "$driver" up aaaaaaaaaaaaaaaaa "$state"
expect "a machine name that is a path" 1 "machine name '../one'" "$driver" create ../one "$one"
expect "a machine name that is an option" 1 "machine name '-one'" "$driver" create -one "$one"
expect "another machine's directory" 1 "is of the machine 'one'" "$driver" create two "$one"
expect "no machine.json" 1 'no .*machine.json' "$driver" create two "$two"
expect "create before up" 1 'is not up' "$driver" create one "$one"
expect "start before create" 1 'was not created' "$driver" start one "$one"
expect "exec of what is not running" 1 'is not running' "$driver" exec one "$one" -- true
echo 'not json' >"$two/machine.json"
expect "machine.json that is not JSON" 1 'is not JSON' "$driver" create two "$two"
rm "$two/machine.json"
expect "status of none" 0 '^absent$' "$driver" status two "$two"
expect "delete of none" 0 '' "$driver" delete two "$two"
expect "down of none" 0 '' "$driver" down "$net" "$state"
same "no namespace was made" "" "$(ip netns list | grep "^$ns")"

# ---- the root file system ----

if ! "$driver" root >root.path 2>root.log; then
	if apt-get update -o APT::Update::Error-Mode=any >apt.log 2>&1; then
		not_ok "the root file system" "$(tail -n 3 root.log | tr '\n' ' ')"
		exit
	fi
	skip_all "no root file system, and no Debian archive to make one"
fi
root=$(cat root.path)
check "the root file system" test -x "$root/usr/sbin/dockerd"
# What a machine writes must not come here: the next one would have it.
stamp()
{
	find "$root" -xdev -newer root.path | head -n 5
}

# ---- two machines at once ----

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
	-subj /CN=azswarm-test-ca -keyout ca.key -out ca.pem 2>/dev/null
ssh-keygen -q -t ed25519 -N '' -C 'it"s: a #key' -f key
cat >user-data <<'X'
#cloud-config
packages: [docker.io]
write_files:
- path: /etc/written
  permissions: "0640"
  content: "from customData\n"
- path: /etc/systemd/system/last.service
  content: |
    [Unit]
    After=docker.service network.target
    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=/bin/true
    ExecStop=/bin/sh -c 'docker version >/dev/null && echo dockerd was up >>/root/stopped; ip route get 10.77.0.1 && sleep 1 && echo network was up >>/root/stopped'
    [Install]
    WantedBy=multi-user.target
runcmd:
- [sh, -c, "echo ran >>/root/ran"]
- [systemctl, enable, --now, last.service]
X
machine_json()	# NAME ADDRESS
{
	jq -n --arg name "$1" --arg address "$2" --arg net "$net" \
		--arg key "$(cat key.pub)" --arg ca "$PWD/ca.pem" \
		--arg data "$(base64 -w0 user-data)" '{name: $name, net: $net,
		resourceId: "/x", address: $address, prefix: 16, user: "cluster",
		keys: [$key], customData: $data, image: {}, size: "Standard_B2s",
		location: "eastus", ca: $ca,
		hosts: {"store.blob.core.localhost": "168.63.129.16"}}'
}
machine_json one 10.77.0.10 >"$one/machine.json"
machine_json two 10.77.16.4 >"$two/machine.json"
in_one() { "$driver" exec one "$one" -- "$@"; }
in_two() { "$driver" exec two "$two" -- "$@"; }
in_net() { nsenter --net="/run/netns/$ns" "$@"; }

expect "up prints the namespace" 0 "^/run/netns/$ns\$" "$driver" up "$net" "$state"
expect "up again" 0 "^/run/netns/$ns\$" "$driver" up "$net" "$state"
for a in 10.77.0.1/16 168.63.129.16/32 169.254.169.254/32; do
	expect "the host end has $a" 0 "inet $a " ip -n "$ns" address
done

# Through pipes, as whoever reads a driver's output to its end: a machine that
# kept one open would hang these.
before=$(date +%s%N)
{ "$driver" create two "$two" 2>&1 | cat >two.log; } &
"$driver" create one "$one" 2>&1 | cat >one.log
wait $!
same "create says nothing" "" "$(cat one.log two.log)"
expect "it runs" 0 '^running$' "$driver" status one "$one"
expect "so does the other" 0 '^running$' "$driver" status two "$two"
expect "cloud-init is done" 0 '^status: done' in_one timeout 60 cloud-init status --wait --long
expect "the other's too" 0 '^status: done' in_two timeout 60 cloud-init status --wait --long
echo "two machines created, cloud-init done: $((($(date +%s%N) - before) / 1000000)) ms"
expect "create of a running machine" 0 '' "$driver" create one "$one"
expect "no unit failed" 0 '^running$' in_one timeout 60 systemctl is-system-running --wait

# ---- what it may do ----

# of process 1, and of whoever comes in: 21 of them, none that loads a module,
# sets the clock, reads the host's log or opens a file by its number
bounds() { in_one sed -n 's/^CapBnd:[[:space:]]*0*//p' /proc/1/status /proc/self/status | xargs; }
bound=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
bound=$(printf '%x' $((0x$bound & 0xe9ec35fb)))	# this host may have less
same "its capabilities, and those of exec" "$bound $bound" "$(bounds)"
expect "the kernel's settings are the host's" 2 'Read-only file system' \
	in_one sh -c 'echo "$(cat /proc/sys/kernel/panic)" >/proc/sys/kernel/panic'
expect "but for its network's" 0 '' \
	in_one sh -c 'echo "$(cat /proc/sys/net/ipv4/ip_forward)" >/proc/sys/net/ipv4/ip_forward'

# ---- what is in it ----

expect "exec passes the status on" 7 '' in_one sh -c 'exit 7'
expect "exec passes arguments whole" 0 "^<a b><\\\$HOME>\$" in_one printf '<%s>' 'a b' '$HOME'
same "exec passes standard input" "through" "$(echo through | in_one cat)"
same "exec passes no environment" "" "$(SECRET=leaked in_one env | grep SECRET)"
same "customData wrote a file" "from customData" "$(in_one cat /etc/written)"
same "with its mode" 640 "$(in_one stat -c %a /etc/written)"
same "customData ran a command" ran "$(in_one cat /root/ran)"
same "its name" one "$(in_one hostname)"
expect "its address" 0 'inet 10.77.0.10/16 ' in_one ip -4 address show host0
same "the admin user's key" "$(cat key.pub)" "$(in_one cat /home/cluster/.ssh/authorized_keys)"
same "the admin user may sudo" root "$(in_one su cluster -c 'sudo -n whoami' 2>&1)"
expect "the CA is trusted" 0 'OK$' in_one openssl verify /usr/local/share/ca-certificates/azure.crt
expect "by curl's bundle too" 0 'OK$' in_one openssl verify -no-CApath \
	-CAfile /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates/azure.crt
expect "names of the local Azure" 0 '^168.63.129.16 ' in_one getent hosts store.blob.core.localhost
same "curl goes there too" 168.63.129.16 "$(in_one curl -sv -m 2 http://store.blob.core.localhost:1/ 2>&1 |
	grep -o 'Trying [0-9.]*' | head -n 1 | cut -d' ' -f2)"
expect "machines reach each other" 0 '10.77.16.4 ssh-ed25519' in_one ssh-keyscan -T 5 -t ed25519 10.77.16.4
expect "there is no way out" 7 '' in_one curl -sS -m 5 http://192.0.2.1/
expect "dockerd answers, on a real overlay2" 0 '^overlay2 2$' \
	in_one docker info --format '{{.Driver}} {{.CgroupVersion}}'
expect "the seed is not for everyone" 0 '^600' in_one stat -c %a /var/lib/cloud/seed/nocloud/user-data
same "not even here" 700 "$(stat -c %a "$one/disk")"

in_one ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >one.host
in_two ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >two.host
if [ -s one.host ] && ! cmp -s one.host two.host; then
	ok "host keys are a machine's own"
else
	not_ok "host keys are a machine's own" "$(cat one.host two.host | tr '\n' ' ')"
fi
expect "sshd lets the admin user in" 0 '^cluster@one$' in_net ssh -i key -F none \
	-o BatchMode=yes -o UserKnownHostsFile=known -o StrictHostKeyChecking=accept-new \
	-o ConnectTimeout=10 cluster@10.77.0.10 'echo $(whoami)@$(hostname)'

# ---- containers ----

mkdir -p image/bin image/www
cp "$(command -v busybox)" image/bin/busybox
echo served >image/www/index.html
tar -C image -c . | in_one docker import - web:1 >/dev/null
expect "a container runs" 0 '^inside$' in_one docker run --rm web:1 /bin/busybox echo inside
in_one docker swarm init --advertise-addr 10.77.0.10 >/dev/null
token=$(in_one docker swarm join-token -q worker)
expect "a machine joins the other's swarm" 0 'joined a swarm as a worker' \
	in_two docker swarm join --token "$token" 10.77.0.10:2377
ready()
{
	[ "$(in_one docker node ls --format '{{.Hostname}} {{.Status}}' |
		sort | tr '\n' ' ')" = "one Ready two Ready " ]
}
check "both are Ready" wait_for 20 ready
# as process 1 of a container busybox does not heed SIGTERM
expect "a service publishes a port of its machine" 0 '' in_one timeout 60 docker service create \
	--quiet --no-resolve-image --name web --constraint node.role==manager \
	--stop-signal SIGKILL --publish mode=host,published=8080,target=80 \
	web:1 /bin/busybox httpd -f -p 80 -h /www
expect "and answers there" 0 '^served$' in_two curl -sS -m 5 http://10.77.0.10:8080/

# ---- down and up again ----

boot_id() { in_one journalctl --list-boots --no-pager -q | wc -l; }
expect "stop" 0 '' "$driver" stop one "$one"
expect "it is stopped" 0 '^stopped$' "$driver" status one "$one"
same "ExecStop ran, before docker and the network went" "dockerd was up
network was up" "$(cat "$one/disk/upper/root/stopped")"
expect "systemd went to its end" 0 'Reached target .*shutdown.target|Halting system' \
	tail -n 20 "$one/console.log"
expect "stop of a stopped machine" 0 '' "$driver" stop one "$one"
expect "exec in a stopped machine" 1 'is not running' "$driver" exec one "$one" -- true
expect "start" 0 '' "$driver" start one "$one"
expect "cloud-init knows its disk" 0 '^status: done' in_one timeout 60 cloud-init status --wait --long
same "customData's commands did not run again" ran "$(in_one cat /root/ran)"
same "a second boot of one disk" 2 "$(boot_id)"
check "it is Ready again" wait_for 30 ready
expect "restart" 0 '' "$driver" restart one "$one"
same "a third boot" 3 "$(boot_id)"
rm "$one/disk/upper/root/stopped"
expect "cut" 0 '' "$driver" cut one "$one"
expect "its power is off" 0 '^stopped$' "$driver" status one "$one"
same "nothing was stopped before" "" "$(cat "$one/disk/upper/root/stopped" 2>/dev/null)"
expect "cut of a stopped machine" 0 '' "$driver" cut one "$one"
expect "start after that" 0 '' "$driver" start one "$one"
check "its units come up" wait_for 10 in_one systemctl is-active last.service
expect "deallocate" 0 '' "$driver" deallocate one "$one"
expect "is a stop" 0 '^stopped$' "$driver" status one "$one"

# ---- a new disk ----

id=$(jq -r '."instance-id"' "$two/disk/upper/var/lib/cloud/seed/nocloud/meta-data")
in_two touch /root/mine
expect "reimage" 0 '' "$driver" reimage two "$two"
expect "customData is carried out anew" 0 '^status: done' in_two timeout 60 cloud-init status --wait --long
same "nothing else is on the disk" "ran" "$(in_two ls /root)"
same "nor in docker" inactive "$(in_two docker info --format '{{.Swarm.LocalNodeState}}')"
if [ "$(in_two cat /var/lib/cloud/data/instance-id)" = "$id" ]; then
	not_ok "another instance" "still $id"
else
	ok "another instance"
fi

# ---- from inside ----

in_two systemctl poweroff >/dev/null 2>&1
off() { [ "$("$driver" status two "$two")" = stopped ]; }
check "a machine switches itself off" wait_for 20 off
expect "start after that" 0 '' "$driver" start two "$two"
same "the root file system is as it was" "" "$(stamp)"

# ---- delete and down ----

left()
{
	ip netns list | grep "^$ns\b"
	grep -F "$state" /proc/mounts
	find /sys/fs/cgroup -maxdepth 3 -name "$ns" 2>/dev/null
	ip -o link | grep -E ' (machines|vb-(one|two))[@:]'
	for p in /proc/[0-9]*; do
		p=${p#/proc/}
		# of our cgroup or in our network; not a zombie
		grep -q "/$ns/" "/proc/$p/cgroup" 2>/dev/null && running "$p" &&
			echo "process $p: $(tr '\0' ' ' <"/proc/$p/cmdline")"
	done
	ps -eo pid=,stat=,args= | awk -v s="$state" 'index($0, s "/") &&
		$2 !~ /^Z/ && !/awk/ && !/nspawn\.sh/'
	:
}
case $(left) in
*"$ns"*process*) ok "what is looked for can be found" ;;
*)	not_ok "what is looked for can be found" "$(left)" ;;
esac
expect "delete of a running machine" 0 '' "$driver" delete two "$two"
same "nothing of it is left" "" "$(ls -A "$two")"
expect "delete again" 0 '' "$driver" delete two "$two"
expect "status after delete" 0 '^absent$' "$driver" status two "$two"
expect "start of a deallocated machine" 0 '' "$driver" start one "$one"
expect "all its units start" 0 '^running$' in_one timeout 60 systemctl is-system-running --wait
rm "$one/disk/upper/root/stopped"
expect "down" 0 '' "$driver" down "$net" "$state"
same "down stops in order" "dockerd was up
network was up" "$(cat "$one/disk/upper/root/stopped")"
expect "disks stay" 0 '^stopped$' "$driver" status one "$one"
same "nothing else does" "" "$(left)"

# ---- one that takes its time ----

"$driver" up "$net" "$state" >/dev/null
"$driver" start one "$one"
in_one sh -c 'mkdir -p /run/systemd/system/last.service.d
	printf "[Service]\nTimeoutStopSec=180\nExecStop=/bin/sleep 170\n" >/run/systemd/system/last.service.d/slow.conf
	systemctl daemon-reload; systemctl start last.service'
before=$(date +%s)
expect "down does not wait for it" 0 '' "$driver" down "$net" "$state"
took=$(($(date +%s) - before))
[ $took -ge 25 ] && [ $took -lt 60 ] && ok "all go within their bound" || not_ok "all go within their bound" "$took s"
same "nothing is left of that" "" "$(left)"

# ---- two at once, and one cut short ----

"$driver" up "$net" "$state" >/dev/null
"$driver" start one "$one" >start.log 2>&1 &
first=$!
expect "start while it is being started" 0 '' "$driver" start one "$one"
wait $first
same "both are well" "0 running" "$? $("$driver" status one "$one")"
"$driver" stop one "$one"
# this boot shall not be over before it is cut short
hold=$one/disk/upper/etc/systemd/system/cloud-init-local.service.d
mkdir -p "$hold"
printf '[Service]\nExecStartPre=/bin/sleep 60\n' >"$hold/hold.conf"
"$driver" start one "$one" >start.log 2>&1 &
first=$!
begun() { [ -e "$group/payload/cgroup.procs" ]; }
group=$(find /sys/fs/cgroup -maxdepth 2 -name "$ns")/one
check "a machine begins to boot" wait_for 10 begun
before=$(date +%s)
expect "down meanwhile" 0 '' "$driver" down "$net" "$state"
wait $first
same "start says so" "1" "$(grep -c 'died while booting' start.log)"
rm "$hold/hold.conf"
same "which takes no time-out" "" "$([ $(($(date +%s) - before)) -lt 30 ] || echo "over 30 s")"
same "and leaves nothing either" "" "$(left)"

expect "delete after down" 0 '' "$driver" delete one "$one"
same "leaves an empty directory" "" "$(ls -A "$one")"
expect "down again" 0 '' "$driver" down "$net" "$state"
