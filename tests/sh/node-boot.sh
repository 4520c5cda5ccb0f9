# time: 600
# The cloud-init file in machines that boot: real cloud-init, systemd, sshd and
# dockerd of Debian, in containers.  The cluster's program is played by a small
# one that does from within each unit what the real one needs to be allowed to,
# so this proves the file, the units and their order, not the program.
# needs: root, gcc, curl, openssl, python3-yaml, jq, systemd-container, busybox; the
# package archive once, for the machines' root file system.
. "$SRCDIR/tests/lib.sh"
need_root
need gcc openssl ssh-keygen jq unshare ip busybox curl

nspawn=$SRCDIR/assets/machines/nspawn
net=b$(($$ % 100000))
state=$PWD
export PYTHONDONTWRITEBYTECODE=1
url='https://acct.blob.core.localhost:8443/azswarm?sp=r&sig=a%2Bb'

player()
{
	cat >player.c <<-'C'
	#include <errno.h>
	#include <fcntl.h>
	#include <netinet/in.h>
	#include <stdio.h>
	#include <stdlib.h>
	#include <string.h>
	#include <sys/socket.h>
	#include <sys/un.h>
	#include <unistd.h>

	static int to(const char *path, int type)
	{
		struct sockaddr_un a = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, type, 0);

		strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
		return fd < 0 || connect(fd, (void *)&a, sizeof(a)) < 0 ? -1 : fd;
	}

	static void must(int holds, const char *what)
	{
		printf("%s: %s\n", holds ? "can" : "CANNOT", what);
		fflush(stdout);
		if (!holds)
			exit(1);
	}

	/* Docker answers, so neither it nor its socket is gone */
	static void ping(void)
	{
		const char ask[] = "GET /_ping HTTP/1.0\r\n\r\n";
		char b[256] = "";
		int s = to("/var/run/docker.sock", SOCK_STREAM);

		must(s >= 0 && write(s, ask, sizeof(ask) - 1) > 0 &&
		     read(s, b, sizeof(b) - 1) > 0 && strstr(b, "200 OK"),
		     "talk to docker");
	}

	int main(int argc, char **argv)
	{
		int helper = argc > 1 && strcmp(argv[1], "helper") == 0;
		struct sockaddr_in a = { .sin_family = AF_INET,
			.sin_port = htons(helper ? 1337 : 1338) };
		char path[256];
		const char *dir = getenv("STATE_DIRECTORY");
		const char *run = getenv("RUNTIME_DIRECTORY");
		const char *note = getenv("NOTIFY_SOCKET");
		int s, up, told;

		ping();
		if (argc > 2 && strcmp(argv[2], "leave") == 0) {
			s = socket(AF_INET, SOCK_STREAM, 0);
			a.sin_port = htons(1338);
			must(connect(s, (void *)&a, sizeof(a)) == 0,
			     "find the main process at leave");
			a.sin_addr.s_addr = htonl(0x0a4d0001);	/* 10.77.0.1 */
			a.sin_port = htons(8443);
			s = socket(AF_INET, SOCK_STREAM, 0);
			up = connect(s, (void *)&a, sizeof(a)) == 0 ||
				errno == ECONNREFUSED;
			must(up, "use the network at leave");
			return 0;
		}
		must(access("/etc/azswarm/node.json", R_OK) == 0, "read node.json");
		if (helper)
			must(access("/etc/azswarm/helper.key", R_OK) == 0,
			     "read helper.key");
		must(open("/proc/self/exe", O_RDONLY) >= 0, "read itself");
		snprintf(path, sizeof(path), "%s/x", dir ? dir : "");
		must(open(path, O_WRONLY | O_CREAT, 0600) >= 0, "keep state");
		snprintf(path, sizeof(path), "%s/x", run ? run : "");
		must(open(path, O_WRONLY | O_CREAT, 0600) >= 0, "keep a socket");
		must(open("/etc/azswarm/node.json", O_WRONLY) < 0 &&
		     open("/usr/local/bin/x", O_WRONLY | O_CREAT, 0600) < 0 &&
		     access("/home/cluster", F_OK) < 0,
		     "change or see nothing else");
		must(socket(AF_PACKET, SOCK_RAW, 0) < 0, "not sniff");
		s = socket(AF_INET, SOCK_STREAM, 0);
		must(bind(s, (void *)&a, sizeof(a)) == 0 && listen(s, 5) == 0,
		     "listen");
		told = to(note ? note : "", SOCK_DGRAM);
		must(told >= 0 && write(told, "READY=1", 7) == 7, "say it is ready");
		for (;;)
			close(accept(s, NULL, NULL));
	}
	C
	gcc -static -O1 -o azswarm player.c
}

storage()
{
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem \
		-days 2 -subj '/CN=test' &&
	openssl req -newkey rsa:2048 -nodes -keyout server.key \
		-out server.csr -subj '/CN=test' &&
	echo 'subjectAltName=DNS:acct.blob.core.localhost' >server.ext &&
	openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key \
		-CAcreateserial -days 2 -extfile server.ext -out server.crt ||
		return 1
	cat >server.py <<-'PY'
		import http.server, ssl
		handler = http.server.SimpleHTTPRequestHandler
		s = http.server.ThreadingHTTPServer(("168.63.129.16", 8443),
		    lambda *a: handler(*a, directory="www"))
		c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
		c.load_cert_chain("server.crt", "server.key")
		s.socket = c.wrap_socket(s.socket, server_side=True)
		s.serve_forever()
	PY
	mkdir -p www && cp azswarm www/azswarm
}

make()		# NAME ADDRESS ROLE : boots it
{
	mkdir -p "$1"
	/usr/bin/python3 "$SRCDIR/tests/cloud-config.py" fill \
		"$SRCDIR/assets/cloud-init/node.yaml" "$3.json" >"$1.yaml" &&
	jq -n --arg name "$1" --arg address "$2" --arg net "$net" \
		--arg ca "$state/ca.pem" --rawfile config "$1.yaml" \
		--arg key "$(cat user.pub)" '{
		name: $name, address: $address, prefix: 16, net: $net,
		user: "cluster", keys: [$key], customData: ($config | @base64),
		ca: $ca, hosts: {"acct.blob.core.localhost": "168.63.129.16"}
		}' >"$1/machine.json" &&
	"$nspawn" create "$1" "$1"
}

on()		# NAME COMMAND...
{
	on_name=$1
	shift
	timeout 60 "$nspawn" exec "$on_name" "$on_name" -- "$@"
}

settled()	# NAME : cloud-init is through with it
{
	timeout 120 "$nspawn" exec "$1" "$1" -- cloud-init status --wait
}

journal()	# NAME : of a machine that is off
{
	journalctl --directory="$state/$1/disk/upper/var/log/journal" \
		--no-pager --output=cat
}

line()		# ERE : number of its first line in ./journal
{
	grep -nE -m1 "$1" journal | cut -d: -f1
}

before()	# ERE ERE
{
	a=$(line "$1") b=$(line "$2")
	[ -n "$a" ] && [ -n "$b" ] && [ "$a" -lt "$b" ] ||
		{ echo "'$1' in line ${a:-none}, '$2' in line ${b:-none}"; return 1; }
}

player >prepare.log 2>&1 && storage >>prepare.log 2>&1 &&
	ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -C azswarm -f host &&
	ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -C azswarm -f host_rsa &&
	ssh-keygen -q -t ed25519 -N '' -f user &&
	openssl ecparam -name prime256v1 -genkey -noout -out helper.key || {
	not_ok prepare "$(tail -n 3 prepare.log)"
	exit 1
}
for role in master agent; do
	/usr/bin/python3 "$SRCDIR/tests/cloud-config.py" values $role "$url" \
		azswarm . >$role.json || exit 1
done
jq '.BINARY_SHA256 = "00" * 32' agent.json >wrong.json

"$nspawn" root >root.log 2>&1 ||
	skip_all "no root file system for machines: $(tail -n 1 root.log)"
at_exit "'$nspawn' down $net '$state' >/dev/null 2>&1"
ns=$("$nspawn" up "$net" "$state" 2>up.log) ||
	skip_all "no network for machines: $(tail -n 1 up.log)"
spawn storage.log nsenter --net="$ns" /usr/bin/python3 server.py

# what Azure's platform and the world beyond it listen on
cat >platform.py <<-'PY'
	import socket, threading
	def tcp(s):
	    while True:
	        s.accept()[0].close()
	for at in (("169.254.169.254", 80), ("169.254.169.254", 8081), ("168.63.129.16", 80),
	           ("168.63.129.16", 32526), ("168.63.129.16", 53), ("10.77.0.1", 8080)):
	    threading.Thread(target=tcp, args=(socket.create_server(at),)).start()
	u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	u.bind(("168.63.129.16", 53))
	while True:
	    q, who = u.recvfrom(512)	# whatever it asks, the answer is 192.0.2.53
	    u.sendto(q[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + q[12:] +
	             b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x35", who)
PY
spawn platform.log nsenter --net="$ns" /usr/bin/python3 platform.py

# ---- a master ----

make master0 10.77.0.10 master >create.log 2>&1 || {
	not_ok "a master boots" "$(tail -n 3 create.log)"
	exit 1
}
expect "a master: cloud-init is content" 0 'status: done' settled master0
on master0 cat /var/log/cloud-init-output.log >setup.log 2>&1
check "azswarm-setup came to its end" grep -q 'azswarm-setup: done' setup.log
for unit in docker swarm-helper swarm-agent; do
	same "$unit runs" active "$(on master0 systemctl is-active $unit)"
done
on master0 journalctl --no-pager -o cat -u swarm-helper -u swarm-agent >units.log
check "the units may do what they must, and nothing else" \
	sh -c '! grep CANNOT units.log && [ "$(grep -c "say it is ready" units.log)" = 2 ]'
same "docker's bridge is ours" 172.29.0.1/24 \
	"$(on master0 ip -4 -o address show dev docker0 | awk '{ print $4 }')"
same "the SSH host keys are those announced, and no others" \
	"$(cut -d' ' -f1,2 host.pub host_rsa.pub | sort)" \
	"$(nsenter --net="$ns" ssh-keyscan -T 10 10.77.0.10 2>/dev/null | cut -d' ' -f2,3 | sort)"
check "the user may use docker" on master0 \
	su cluster -c 'docker version --format {{.Server.Version}}'
same "nothing failed" '' "$(on master0 systemctl --failed --plain --no-legend)"
same "keepalive is spoken sooner" 180 \
	"$(on master0 sysctl -n net.ipv4.tcp_keepalive_time)"
expect "sshd takes many connections" 0 '^maxsessions 50' on master0 sshd -T


# ---- a restart, and a share that is away ----

leaves()	# how often somebody left
{
	on master0 journalctl --no-pager -o cat -u swarm-agent | grep -c 'at leave'
}
was=$(on master0 systemctl show -P MainPID swarm-agent)
check "the agent is restarted" on master0 systemctl restart swarm-agent
check "it is another one" test "$(on master0 systemctl show -P MainPID swarm-agent)" != "$was"
same "and nobody left for that" 0 "$(leaves)"
same "Docker goes by the merged settings" '["127.0.0.0/8"] 172.29.0.1/24' \
	"$(on master0 cat /etc/docker/daemon.json | jq -rc '"\(.["insecure-registries"]) \(.bip)"')"

# systemd looks once whether there can be automounts
on master0 sh -c '[ -e /dev/autofs ] || mknod /dev/autofs c 10 235; systemctl daemon-reexec'
if on master0 systemctl start srv.automount 2>automount.log; then
	# no SMB in a container: each try fails at once
	on master0 sh -c 'for i in 1 2 3 4 5 6 7 8 9; do ls /srv; done' >/dev/null 2>share.log
	same "each of nine tries fails" 9 "$(wc -l <share.log)"
	check "nobody writes to the folder below" on master0 sh -c '! touch /srv/lost 2>/dev/null'
	same "and the share is still to be had" active "$(on master0 systemctl is-active srv.automount)"
	on master0 sh -c 'mkdir -p /etc/systemd/system/srv.mount.d
		printf "[Mount]\nWhat=share\nType=tmpfs\nOptions=size=1m\n" >/etc/systemd/system/srv.mount.d/back.conf
		systemctl daemon-reload'
	check "when it is back, who asks has it" on master0 touch /srv/kept
	same "and not the folder" tmpfs "$(on master0 stat -f -c %T /srv)"
	on master0 systemctl stop srv.automount srv.mount
	same "which is empty" '' "$(on master0 ls -A /srv)"
	on master0 systemctl reset-failed
else
	skip "a share that is away" "no automounts in a machine here: $(tail -n 1 automount.log)"
fi

check "it stops" "$nspawn" stop master0 master0
journal master0 >journal
check "at shutdown the agent leaves while docker and the network are there" \
	sh -c 'grep -q "can: use the network at leave" journal &&
		grep -q "can: find the main process at leave" journal &&
		! grep -q CANNOT journal'
check "the agent is gone before docker stops" \
	before 'Stopped swarm-agent.service' 'Stopping docker.service'
check "and before its helper does" \
	before 'Stopped swarm-agent.service' 'Stopping swarm-helper.service'
check "and before the network does" \
	before 'Stopped swarm-agent.service' 'Stopping networking.service'
check "it starts again" "$nspawn" start master0 master0
check "with its services" wait_for 30 \
	on master0 systemctl is-active --quiet swarm-helper swarm-agent
check "our settings of Docker are no image's" on master0 test ! -e /etc/docker/daemon.json.before

# ---- an agent ----

make agents000000 10.77.16.4 agent >create.log 2>&1 ||
	not_ok "an agent boots" "$(tail -n 3 create.log)"
expect "an agent: cloud-init is content" 0 'status: done' settled agents000000
same "its agent runs" active "$(on agents000000 systemctl is-active swarm-agent)"
on agents000000 systemctl start swarm-helper
same "its helper does not, even if asked to" inactive \
	"$(on agents000000 systemctl is-active swarm-helper)"
check "there is no helper key" on agents000000 test ! -e /etc/azswarm/helper.key

# ---- what a container there may reach ----

mkdir -p image/bin image/www
cp "$(command -v busybox)" image/bin/busybox
echo served >image/www/index.html
tar -C image -c . | on agents000000 docker import - box >/dev/null

# Each address that answers, sorted, tried all at once: one that does not costs
# 2 s.
cat >reach.sh <<'X'
for a in 10.77.0.1:8080 10.77.0.10:1337 10.77.0.10:1338 10.77.16.4:1338 168.63.129.16:32526 \
    168.63.129.16:53 168.63.129.16:80 169.254.169.254:80 169.254.169.254:8081 \
    $(/bin/busybox ip route | /bin/busybox sed -n 's/^default via \([0-9.]*\) .*/\1:1338/p'); do
	/bin/busybox timeout 10 /bin/busybox nc -w 2 ${a%:*} ${a#*:} </dev/null >/dev/null 2>&1 && echo $a &
done
wait
X
reach()		# DOCKER-OPTION... : what a container made with them reaches
{
	on agents000000 docker run --rm "$@" box /bin/busybox sh -c "$(cat reach.sh)" |
		LC_ALL=C sort | paste -sd ' '
}
rules()
{
	on agents000000 iptables -t mangle -S
}
outside='10.77.0.1:8080 168.63.129.16:53'
metadata='169.254.169.254:80 169.254.169.254:8081'
nodes='10.77.0.10:1337 10.77.0.10:1338 10.77.0.1:8080 10.77.16.4:1338'
wire='168.63.129.16:32526 168.63.129.16:53 168.63.129.16:80'

rules >rules.before
on agents000000 sh -c 'iptables -t mangle -F AZSWARM-FORWARD; iptables -t mangle -F AZSWARM-INPUT'
same "a container without the rules reaches everything" \
	"$nodes $wire $metadata 172.29.0.1:1338" "$(reach)"
check "the unit brings them back" on agents000000 systemctl restart swarm-firewall
same "as they were, and each once" "$(cat rules.before)" "$(rules)"
same "with them, names and the world outside" "$outside" "$(reach)"
# a swarm with a published port 80 has this before DOCKER-USER
on agents000000 iptables -I FORWARD -p tcp --dport 80 -j ACCEPT
same "also when Docker lets a published port through first" "$outside" "$(reach)"
on agents000000 docker network create one >/dev/null
expect "Docker finds names for a container" 0 '192[.]0[.]2[.]53' on agents000000 docker run --rm \
	--network one --dns 168.63.129.16 box /bin/busybox nslookup outside.example
on agents000000 docker network create -o com.docker.network.bridge.name=mine two >/dev/null
same "also on a network that somebody made" "$outside" "$(reach --network one)"
same "and on a bridge that somebody named" "$outside" "$(reach --network two)"
same "a container in the host's network is out of their reach" \
	"$nodes $wire $metadata" "$(reach --network host)"

served()	# PORT : to who asks from outside
{
	[ "$(nsenter --net="$ns" curl -s -m 5 "http://10.77.16.4:$1/")" = served ]
}
serve()		# PORT PORT-WITHIN
{
	# as process 1 it does not heed SIGTERM
	on agents000000 docker run -d --restart always --stop-signal SIGKILL -p "$1:$2" box \
		/bin/busybox httpd -f -p "$2" -h /www
}
serve 8088 80 >/dev/null
serve 8089 1337 >/dev/null
check "a published port answers" wait_for 1 served 8088
check "and one that is 1337 within its container" wait_for 1 served 8089
expect "a container may ask for it, too" 0 '^served$' on agents000000 docker run --rm box /bin/busybox \
	sh -c 'printf "GET / HTTP/1.0\r\n\r\n" | /bin/busybox nc -w 5 10.77.16.4 8089'

check "Docker is restarted" on agents000000 systemctl restart docker
same "the rules are as they were" "$(cat rules.before)" "$(rules)"
same "and hold" "$outside" "$(reach)"
check "a published port answers again" wait_for 5 served 8088

check "the machine is restarted" "$nspawn" restart agents000000 agents000000
check "with a container" wait_for 10 served 8089
same "and the same rules" "$(cat rules.before)" "$(rules)"
same "which hold" "$outside" "$(reach)"
on agents000000 journalctl -b --no-pager -o cat >journal
check "before Docker started" before 'Finished swarm-firewall.service' 'Starting docker.service'

on agents000000 sh -c 'sed -i s/^metadata_for_containers=.*/metadata_for_containers=true/ \
	/etc/azswarm/setup.conf && systemctl restart swarm-firewall'
same "METADATA_FOR_CONTAINERS opens the metadata service and nothing else" \
	"$outside $metadata" "$(reach)"
same "nothing failed there" '' "$(on agents000000 systemctl --failed --plain --no-legend)"

# ---- one that goes wrong ----

make agents000001 10.77.16.5 wrong >create.log 2>&1 ||
	not_ok "another agent boots" "$(tail -n 3 create.log)"
expect "a program that is not the announced one: cloud-init says error" 1 \
	'status: error' settled agents000001
on agents000001 cat /var/log/cloud-init-output.log >setup.log 2>&1
check "and its log says why" grep -q \
	'FAILED: the cluster.s program: what came is not what was announced' setup.log
same "the boot went on without it" active \
	"$(on agents000001 systemctl is-active ssh)"
# as if it had begun from an image that had some
early=$(/usr/bin/python3 -c 'import sys, yaml
print(yaml.safe_load(open(sys.argv[1]))["bootcmd"][0][2])' agents000001.yaml)
on agents000001 sh -c 'mv /etc/azswarm /root; echo "{\"debug\": true}" >/etc/docker/daemon.json'
check "an image's settings of Docker are put aside" on agents000001 sh -c "$early"
same "as they are" '{"debug": true}' "$(on agents000001 cat /etc/docker/daemon.json.before)"
