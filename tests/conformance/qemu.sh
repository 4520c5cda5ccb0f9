# time: 900
# alone: machines
# The qemu machine driver with a real machine: customData, exec, down in order and up
# again, a disk that is captured, and nothing left in the end.  What a driver is
# called with wrongly is sh/nspawn's: it is the same text.
# needs: root, qemu-system-x86_64, mke2fs, ssh, jq, iproute2; once, a minute and the
# Debian archive for the root file system.
. "$SRCDIR/tests/lib.sh"
need_root
need qemu-system-x86_64 mke2fs ssh ssh-keygen ip nsenter jq flock

driver=$SRCDIR/assets/machines/qemu
net=t$$
ns=azs-$net
state=$PWD/state
one=$state/one two=$state/two
mkdir -p "$one" "$two"

at_exit 'end_machines'
end_machines()
{
	"$driver" down "$net" "$state" >/dev/null 2>&1
}

in_one() { "$driver" exec one "$one" -- "$@"; }
in_two() { "$driver" exec two "$two" -- "$@"; }

expect "no verb" 2 'usage: qemu create' "$driver"
expect "status of none" 0 '^absent$' "$driver" status two "$two"
"$driver" root >root.path 2>root.log || {
	not_ok "the root file system" "$(tail -n 3 root.log | tr '\n' ' ')"
	exit 1
}
root=$(cat root.path)
check "the root file system, as a disk" test -s "$root.img"
stamp=$(stat -c '%y %b' "$root.img")

# ---- a machine -------------------------------------------------------------

ssh-keygen -q -t ed25519 -N '' -C 'it"s: a #key' -f key
cat >user-data <<'X'
#cloud-config
write_files:
- path: /etc/systemd/system/last.service
  content: |
    [Unit]
    After=docker.service network.target
    [Service]
    Type=oneshot
    RemainAfterExit=yes
    ExecStart=/bin/true
    ExecStop=/bin/sh -c 'docker version >/dev/null && echo dockerd was up >>/root/stopped'
    [Install]
    WantedBy=multi-user.target
runcmd:
- [sh, -c, "echo ran >>/root/ran"]
- [systemctl, enable, --now, last.service]
X
machine_json()	# NAME ADDRESS [DISK]
{
	jq -n --arg name "$1" --arg address "$2" --arg net "$net" --arg disk "${3:-}" \
		--arg key "$(cat key.pub)" --arg data "$(base64 -w0 user-data)" '{name: $name,
		net: $net, address: $address, prefix: 16, user: "cluster", keys: [$key],
		customData: $data, disk: $disk,
		hosts: {"store.blob.core.localhost": "168.63.129.16"}}'
}
machine_json one 10.77.0.10 >"$one/machine.json"

expect "create before up" 1 'qemu: one: network .* is not up' "$driver" create one "$one"
expect "exec of what is not running" 1 'is not running' "$driver" exec one "$one" -- true
expect "up prints the namespace" 0 "^/run/netns/$ns\$" "$driver" up "$net" "$state"
before=$(date +%s)
must create "$driver" create one "$one"
expect "it runs" 0 '^running$' "$driver" status one "$one"
expect "cloud-init is done" 0 '^status: done' in_one timeout 300 cloud-init status --wait --long
echo "# from power to the end of cloud-init: $(($(date +%s) - before)) s"
expect "no unit failed" 0 '^running$' in_one timeout 120 systemctl is-system-running --wait
same "a kernel that is its own" '' "$(in_one uname -r | grep -xF "$(uname -r)")"
check "with IPVS, VXLAN and SMB" in_one sh -c 'modprobe -a ip_vs ip_vs_rr vxlan cifs && test -e /proc/net/ip_vs'
expect "exec passes the status on" 7 '' in_one sh -c 'exit 7'
same "exec passes arguments whole" "<a b><it's \$HOME><><two
lines
>" "$(in_one printf '<%s>' 'a b' "it's \$HOME" '' 'two
lines
')"
same "exec passes standard input" "through" "$(echo through | in_one cat)"
same "exec passes no environment" "" "$(SECRET=leaked in_one env | grep SECRET)"
same "customData ran a command" ran "$(in_one cat /root/ran)"
same "its name" one "$(in_one hostname)"
expect "its address" 0 'inet 10.77.0.10/16 ' in_one ip -4 address show eth0
same "the admin user's key" "$(cat key.pub)" "$(in_one cat /home/cluster/.ssh/authorized_keys)"
expect "sshd lets the admin user in" 0 '^cluster@one$' nsenter --net="/run/netns/$ns" \
	ssh -i key -F none -o BatchMode=yes -o UserKnownHostsFile=known -o ConnectTimeout=20 \
	-o StrictHostKeyChecking=accept-new cluster@10.77.0.10 'echo $(whoami)@$(hostname)'
expect "names of the local Azure" 0 '^168.63.129.16 ' in_one getent hosts store.blob.core.localhost
expect "dockerd answers, with AppArmor" 0 '^overlay2 2 .*apparmor' \
	in_one docker info --format '{{.Driver}} {{.CgroupVersion}} {{.SecurityOptions}}'

# ---- down and up again, and a disk like its own --------------------------------

expect "stop" 0 '' "$driver" stop one "$one"
expect "it is stopped" 0 '^stopped$' "$driver" status one "$one"
check "in order" grep -q 'reboot: Power down' "$one/console.log"
expect capture 0 '' "$driver" capture one "$one" "$state/disk"
machine_json two 10.77.16.4 "$state/disk" >"$two/machine.json"
"$driver" start one "$one" >start.log 2>&1 &
first=$!
must "create from a captured disk" "$driver" create two "$two"
rm -rf "$state/disk"
wait $first
same "start" 0 $?
same "ExecStop ran, before docker went" "dockerd was up" "$(in_one cat /root/stopped)"
same "customData's commands did not run again" ran "$(in_one cat /root/ran)"
expect "the other is done" 0 '^status: done' in_two timeout 300 cloud-init status --wait --long
same "has another name" two "$(in_two hostname)"
same "what was on the disk, and its own" "ran ran" "$(in_two cat /root/ran | xargs)"
expect "machines reach each other" 0 '10.77.16.4 ssh-ed25519' in_one ssh-keyscan -T 20 -t ed25519 10.77.16.4

expect "cut" 0 '' "$driver" cut two "$two"
expect "its power is off" 0 '^stopped$' "$driver" status two "$two"
expect "capture of a running machine" 1 'is running' "$driver" capture one "$one" "$state/disk"
machine_json two 10.77.16.4 >"$two/machine.json"
must reimage "$driver" reimage two "$two"
expect "customData is carried out anew" 0 '^status: done' in_two timeout 300 cloud-init status --wait --long
same "nothing else is on the disk" ran "$(in_two cat /root/ran)"
same "the root file system is as it was" "$stamp" "$(stat -c '%y %b' "$root.img")"

# ---- delete and down ----------------------------------------------------------

left()
{
	ip netns list | grep "^$ns\b"
	grep -F "$state" /proc/mounts
	find /sys/fs/cgroup -maxdepth 3 -name "$ns" 2>/dev/null
	ip -o link | grep -E ' (machines|vb-4d(000a|1004))[@:]'
	ps -eo pid=,stat=,args= | awk -v s="$state/" 'index($0, s) &&
		$2 !~ /^Z/ && !/awk/ && !/qemu\.sh/'
	:
}
case $(left) in
*"$ns"*qemu-system*) ok "what is looked for can be found" ;;
*)	not_ok "what is looked for can be found" "$(left)" ;;
esac
expect "delete of a running machine" 0 '' "$driver" delete two "$two"
same "nothing of it is left" "" "$(ls -A "$two")"
expect "down" 0 '' "$driver" down "$net" "$state"
check "stops in order" sh -c '[ "$(grep -c "reboot: Power down" "$1")" -eq 2 ]' - "$one/console.log"
expect "disks stay" 0 '^stopped$' "$driver" status one "$one"
same "nothing else does" "" "$(left)"
expect "delete after down" 0 '' "$driver" delete one "$one"
same "leaves an empty directory" "" "$(ls -A "$one")"
exit $((test_failures != 0))
