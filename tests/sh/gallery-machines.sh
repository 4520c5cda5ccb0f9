# Images of real machines, and real machines of images: what was on the disk is on
# the new ones, and only there; Docker is installed once, where packages can be had,
# and runs on machines that reach none.
# time: 240
# at-most: 4 machines
# needs: root, systemd-nspawn, curl, jq, dpkg-deb, python3, ssh
. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/cluster.sh"
. "$SRCDIR/tests/unbaked.sh"
why=$(azure_able) || skip_all "no real machines: $why"
need curl jq dpkg-deb python3 ssh ssh-keygen

unbaked_make >unbaked.log 2>&1 || {
	not_ok 'a root without Docker' "$(tail -n 3 unbaked.log root.log | tr '\n' ' ')"
	exit 1
}
at_exit azure_stop
azure_start "$PWD/azure" nspawn || { not_ok start 'no local Azure'; exit 1; }
. "$SRCDIR/tests/arm.sh"
D=$C/galleries/baked/images V=$C/galleries/baked/images/node/versions

# ---- a machine in a group of its own, with the way in that its interface has ------

did group PUT "$G" '{"location":"eastus"}'
did network PUT "$N/virtualNetworks/v" '{"location":"eastus","properties":{"addressSpace":{"addressPrefixes":
	["10.77.0.0/16"]},"subnets":[{"name":"s","properties":{"addressPrefix":"10.77.0.0/24"}}]}}'
did 'a security group' PUT "$N/networkSecurityGroups/in" '{"location":"eastus","properties":{"securityRules":[{"name":"ssh",
	"properties":{"priority":100,"direction":"Inbound","access":"Allow","protocol":"Tcp","sourceAddressPrefix":"*",
	"sourcePortRange":"*","destinationAddressPrefix":"*","destinationPortRange":"22"}}]}}'
reached()	# NAME: an interface with a public address and that group; its address in $address
{
	did "address $1" PUT "$N/publicIPAddresses/$1" '{"location":"eastus","sku":{"name":"Standard"},
		"properties":{"publicIPAllocationMethod":"Static"}}'
	ask GET "$N/publicIPAddresses/$1"
	address=$(jq -r .properties.ipAddress body)
	did "interface $1" PUT "$N/networkInterfaces/$1" '{"location":"eastus","properties":{"networkSecurityGroup":{"id":
		"'"$N/networkSecurityGroups/in"'"},"ipConfigurations":[{"name":"c","properties":{"subnet":{"id":
		"'"$N/virtualNetworks/v/subnets/s"'"},"publicIPAddress":{"id":"'"$N/publicIPAddresses/$1"'"}}}]}}'
}
port=$(sed -n 's/^export SSH_PORT=//p' azure/env)
log_in()	# COMMAND...: as the operator, at $address
{
	ssh -F none -i id -p "${port:-22}" -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=10 \
		-o UserKnownHostsFile=known -o LogLevel=ERROR "op@$address" "$@" </dev/null
}
at()		# MACHINE COMMAND...: inside, by the driver
{
	at_name=$1
	shift
	"$SRCDIR/assets/machines/nspawn" exec "$at_name" "azure/machines/$at_name" -- "$@" </dev/null
}
ms() { date +%s%3N; }

reached oven
did 'a machine without Docker' PUT "$C/virtualMachines/oven" "$(machine oven "$ubuntu")"
check 'ssh, by its public address' wait_for 30 log_in true
check 'it has none' log_in '! command -v dockerd && ! command -v mount.cifs'
apt='sudo timeout 60 apt-get -q -y -o Acquire::Retries=0'
expect 'no package can be had' 100 '' at oven sh -c "$apt install --no-install-recommends docker.io"
expect 'nor a list of them' 0 'Connection refused|Unable to connect|Could not connect' at oven sh -c "$apt update 2>&1"
expect 'packages are let in' 0 '' packages_on
began=$(ms)
log_in "$apt update && $apt install --no-install-recommends docker.io cifs-utils" >apt.log 2>&1
same 'it installs them' '0 ' "$? $(grep '^E: ' apt.log)"
installed=$(($(ms) - began))
check 'Docker runs' wait_for 30 at oven docker info
packages_off

# what a disk has: something new, something that is gone, a folder made anew
at oven sh -ec 'echo first >/etc/baked; rm /etc/services; rm -r /etc/ppp /etc/opt 2>/dev/null || :
	rm -r /etc/skel; mkdir /etc/skel; echo new >/etc/skel/new; echo kept >/var/lib/docker/kept
	setcap cap_net_raw+ep /usr/bin/docker-proxy 2>/dev/null || :; chown 1234:1234 /etc/baked; sync'
at oven cat /etc/ssh/ssh_host_ed25519_key.pub >first.pub
at oven cat /etc/machine-id >first.id
at oven sh -c 'cloud-init clean --logs; rm -f /etc/ssh/ssh_host_*; : >/etc/machine-id; userdel -r op' >clean.log 2>&1
did deallocate POST "$C/virtualMachines/oven/deallocate"
did generalize POST "$C/virtualMachines/oven/generalize"
did gallery PUT "$C/galleries/baked" '{"location":"eastus"}'
did definition PUT "$D/node" "$(definition node 'del(.properties.features)')"
began=$(ms)
did 'a version' PUT "$V/1.0.0" "$(version oven)"
captured=$(($(ms) - began))
disk=$(echo azure/images/*)
same 'it is one disk, for its owner only' '700 01 containerd docker root' \
	"$(stat -c %a "$disk") $(ls "$disk" | xargs)"
same 'what Azure had put in is no part of it' '' "$(find "$disk/01/var/lib/cloud" -path '*seed*' 2>/dev/null
	grep -rlw op "$disk/01/etc/cloud" "$disk/01/etc/hosts" 2>/dev/null)"
stamp() { (cd "$disk" && find . -printf '%p %y %m %U %G %s %T@\n' | sort | sha256sum); }
as_made=$(stamp)
did 'the machine goes' DELETE "$C/virtualMachines/oven"

# ---- a machine of it ------------------------------------------------------------

reached node
rm -f known
began=$(ms)
did 'one of the version' PUT "$C/virtualMachines/node" "$(machine node "$(of "$V/1.0.0")")"
check 'Docker runs, where no package can be had' wait_for 30 at node docker info
baked=$(($(ms) - began))
echo "# installing Docker: $installed ms; a version: $captured ms; a machine of it, until Docker runs: $baked ms"
expect 'none can' 0 'Connection refused|Unable to connect|Could not connect' at node sh -c "$apt update 2>&1"
same 'what was on the disk' 'first 1234:1234 new kept' \
	"$(at node sh -c 'echo $(cat /etc/baked) $(stat -c %u:%g /etc/baked) $(ls /etc/skel) $(cat /var/lib/docker/kept)')"
check 'what was gone' at node test ! -e /etc/services
check 'the operator, by its public address' wait_for 30 log_in 'test "$(hostname)" = node'
check 'its host key is another' sh -c '! grep -qxF "$(cut -d " " -f 2 first.pub)" known && ! grep -qF "$(cut -d " " -f 2 first.pub)" known'
same 'so is its id' 1 "$(at node cat /etc/machine-id | grep -vcxF "$(cat first.id)")"

# ---- several --------------------------------------------------------------------

did 'a scale set of it' PUT "$C/virtualMachineScaleSets/set" "$(set_of "$(of "$V/1.0.0")" 2)"
for m in set000000 set000001; do
	check "$m: Docker runs" wait_for 30 at $m docker info
done
at set000000 sh -c 'echo mine >/etc/baked; echo mine >/var/lib/docker/kept'
same 'each has a disk of its own' 'first kept' "$(at set000001 cat /etc/baked /var/lib/docker/kept | xargs)"
did 'one is made anew' POST "$C/virtualMachineScaleSets/set/virtualMachines/0/reimage"
same 'from the version' 'first kept' "$(at set000000 cat /etc/baked /var/lib/docker/kept | xargs)"
same 'which nobody has changed' "$as_made" "$(stamp)"
did 'the set goes' DELETE "$C/virtualMachineScaleSets/set"

# ---- an image of a machine of an image ------------------------------------------

at node sh -c 'echo second >/etc/again; rm /etc/skel/new; cloud-init clean --logs; : >/etc/machine-id' >/dev/null
did 'deallocate it' POST "$C/virtualMachines/node/deallocate"
did 'generalize it' POST "$C/virtualMachines/node/generalize"
did 'a version of that' PUT "$V/1.0.1" "$(version node)"
did 'its machine goes' DELETE "$C/virtualMachines/node"
nic third
did 'one of the latest' PUT "$C/virtualMachines/third" "$(machine third "$(of "$D/node")")"
same 'it has what both had' 'first second 0' \
	"$(at third sh -c 'echo $(cat /etc/baked /etc/again) $(ls /etc/skel | wc -l)')"
did 'the first version goes' DELETE "$V/1.0.0"
did 'so does the second' DELETE "$V/1.0.1"
same 'and nothing of them is left' '' "$(ls azure/images)"
did 'what is made of them goes on' POST "$C/virtualMachines/third/restart"
same 'with what it had' 'first second' "$(at third cat /etc/baked /etc/again | xargs)"
ask POST "$C/virtualMachines/third/reimage"
finish
same 'but it cannot be made anew' 'Failed GalleryImageNotFound' "$end $(jq -r .error.code poll)"
same 'the root is as it was' '' "$(find "$unbaked" -xdev -newer "${unbaked%/root}/done" -not -type d | head -n 3)"
did 'the group goes' DELETE "$G"
