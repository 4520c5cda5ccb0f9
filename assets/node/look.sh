# What a machine says of itself to `azswarm doctor`: NAME VALUE, a line each.
# $1: where Docker keeps what it has.  Run by the operator's user over SSH, in
# whatever shell that has; changes nothing, and each part ends by itself.
export LC_ALL=C PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
echo "cloud-init $(tr -d '\n' </run/cloud-init/result.json 2>/dev/null)"
timeout 5 systemctl show --property=Id,ActiveState,SubState,NRestarts swarm-helper.service \
	swarm-agent.service docker.service swarm-firewall.service srv.automount srv.mount |
	sed -n 's/^Id=/unit /p; s/^ActiveState=/active /p; s/^SubState=/sub /p; s/^NRestarts=/restarts /p'
timeout 5 df -Pk "$1" | sed -n '2s/^[^ ]* *\([0-9]*\) *[0-9]* *\([0-9]*\) .*/disk \1 \2/p'
timeout 5 df -Pi "$1" | sed -n '2s/^[^ ]* *\([0-9]*\) *[0-9]* *\([0-9]*\) .*/inodes \1 \2/p'
link=$(ip -4 -o route show default | sed -n '1s/.* dev \([^ ]*\).*/\1/p')
echo "link $link $(cat "/sys/class/net/$link/mtu" 2>/dev/null)"
echo "registry $(curl -s -m 10 -w ' %{http_code}' http://127.0.0.1:1339/v2/doctor/tags/list | tr -d '\n' | tail -c 400)"
echo "program $(azswarm version 2>/dev/null | sed -n 1p)"
echo end
