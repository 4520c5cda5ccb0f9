#!/bin/sh
# The connection to a master that is kept for a minute: commands through it
# behave as those with one of their own; what keeps it has no secret; nothing
# hangs when it breaks.  The master is a real sshd at the address that the local
# Azure gives it, where "cluster" is a name of root's.
# time: 200
# needs: root, sshd
# In a network of its own, where the addresses of master and agent are loopback's.
if [ -z "${SHARE_NETWORK-}" ] && unshare -nm true 2>/dev/null; then
	export SHARE_NETWORK=1
	exec unshare -n sh "$SRCDIR/tests/sh/share.sh"
fi
. "$SRCDIR/tests/lib.sh"
need python3 jq script setpriv unshare ip
[ "$(id -u)" -eq 0 ] || skip_all "the port of SSH and another /etc/passwd need root"
sshd=$(command -v sshd || echo /usr/sbin/sshd)
[ -x "$sshd" ] || skip_all "no sshd"
[ -n "${SHARE_NETWORK-}" ] || skip_all "no namespaces"
ip link set lo up
ip address add 10.77.16.4/32 dev lo	# agents000000's

spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure --record "$PWD/record"
wait_for 30 grep -q '^ready ' emulator.out || {
	not_ok "the local Azure starts" "$(cat emulator.out)"
	exit 1
}
. azure/env
export XDG_RUNTIME_DIR="$PWD/run"
mkdir run
for command in keys deploy-storage params deploy-compute; do
	"$AZSWARM" $command >out 2>&1 </dev/null || not_ok "$command" "$(tail -n 3 out)"
done
address=$("$AZSWARM" endpoints --output json | jq -r '.[] | select(.name == "master0-ip") | .address')
sed '/^cluster:/d' /etc/passwd >passwd
echo 'cluster:x:0:0::/root:/bin/sh' >>passwd
install -m 600 keys/host-master.pem host.key
install -m 600 keys/host-agent.pem agent.key
mkdir -p /run/sshd
server()	# NAME ADDRESS HOST-KEY
{
	cat >"$1.conf" <<-END
		Port 22
		ListenAddress $2
		HostKey $PWD/$3
		AuthorizedKeysFile $PWD/keys/cluster.pub
		PidFile $PWD/$1.pid
		UsePAM no
		StrictModes no
		PermitRootLogin prohibit-password
		PrintMotd no
		PrintLastLog no
		MaxStartups 100
		MaxSessions 3
	END
	spawn "$1.log" unshare -m sh -c "mount --bind '$PWD/passwd' /etc/passwd && exec '$sshd' -D -e -f '$PWD/$1.conf'"
	wait_for 10 grep -q listening "$1.log" || {
		not_ok "$1" "$(cat "$1.log")"
		exit 1
	}
}
server sshd "$address" host.key
server agent 10.77.16.4 agent.key

# No --no-share here, nor what the others have: SHARE_SSH=false.
export SHARE_SSH=true
to()	# COMMAND...: on the master; a minute is far too long
{
	timeout 60 "$AZSWARM" ssh master0 "$@"
}
signed_in()
{
	grep -c '^Accepted' sshd.log
}
host()	# who has the socket
{
	/usr/bin/python3 - "$PWD"/run/azswarm/ssh-*.sock <<-'END'
		import glob, os, sys
		for line in open('/proc/net/unix'):
		    word = line.split()
		    if word[-1] != sys.argv[1] or word[3] != '00010000':
		        continue
		    for fd in glob.glob('/proc/[0-9]*/fd/*'):
		        try:
		            if os.readlink(fd) == 'socket:[%s]' % word[6]:
		                print(fd.split('/')[2])
		        except OSError:
		            pass
	END
}
gone()	# PID
{
	! kill -0 "$1" 2>/dev/null
}

# ---- the first, and those after it ----

same "the first command" out "$(to echo out </dev/null)"
first=$(host)
at_exit 'kill $first 2>/dev/null'
asked=$(wc -l <record)
same "the second" out "$(to echo out </dev/null)"
same "the second signs in nowhere" 1 "$(signed_in)"
sleep 0.2
same "and asks Azure nothing" "$asked" "$(wc -l <record)"
same "the socket is ours alone" '700 600' "$(stat -c %a run/azswarm run/azswarm/ssh-*.sock | xargs)"

# ---- as a connection of one's own ----

for share in true false; do
	export SHARE_SSH=$share
	way="shared: $share"
	expect "$way: exit code" 7 '' to exit 7
	expect "$way: a signal" 137 '' to 'kill -9 $$'
	to 'echo out; echo err >&2' >out 2>err </dev/null
	same "$way: out and err apart" 'out err' "$(cat out err | xargs)"
	head -c 6000000 /dev/urandom >data
	same "$way: what goes in" "$(sha256sum <data)" "$(to sha256sum <data)"
	same "$way: what comes out" "$(sha256sum <data)" "$(to cat "$PWD/data" </dev/null | sha256sum)"
	same "$way: who reads no more" 1 "$(to 'yes' </dev/null 2>/dev/null | head -n 1 | grep -c y)"
	printf 'stty size; tty; exit 5\n' |
		timeout 60 script -qec "stty rows 31 cols 99; '$AZSWARM' ssh master0" /dev/null >tty.out
	same "$way: a shell's exit code" 5 $?
	check "$way: a terminal of that size" grep -q '31 99' tty.out
	expect "$way: an agent, through the master" 3 '^10.77.16.4$' \
		"$AZSWARM" ssh agents000000 'echo "$SSH_CONNECTION" | cut -d" " -f3; exit 3'
	timeout --foreground --preserve-status -s INT 1 "$AZSWARM" ssh master0 sleep 3 </dev/null >out 2>&1
	same "$way: Ctrl-C" 130 $?
done
export SHARE_SSH=true
same "each of the others signed in" true "$([ "$(signed_in)" -ge 9 ] && echo true)"
same "all of these had one host" "$first" "$(host)"
before=$(signed_in)
timeout 60 "$AZSWARM" ssh --no-share master0 true </dev/null
same "--no-share" $((before + 1)) "$(signed_in)"

many=
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	to "sleep 2; echo $i" </dev/null >"many.$i" 2>&1 &
	many="$many $!"
done
# shellcheck disable=SC2086
wait $many
same "twelve at once, where a connection has three sessions" '1 2 3 4 5 6 7 8 9 10 11 12' "$(cat many.* | sort -n | xargs)"

same "who found it full made no other" "$first" "$(host)"

# ---- what keeps it ----

python3 - "$first" "$AZURE_CLIENT_SECRET" "$(find "$HOME" "${XDG_CACHE_HOME:-$HOME}" -name tokens.json | head -n 1)" keys/cluster.pem keys/worker.secret keys/helper.key >found <<'END'
import re
import sys
pid, secret, tokens, *files = sys.argv[1:]
wanted = {'client secret': secret.encode()}
# the longest text of the cache is an access token: of that, the middle
token = max(re.findall(rb'"([^"]{100,})"', open(tokens, 'rb').read()), key=len)
wanted['token'] = token[len(token) // 2:len(token) // 2 + 60]
for f in files:
    text = open(f, 'rb').read()
    # a line from the middle of a PEM, or all
    lines = text.split(b'\n')
    wanted[f] = lines[len(lines) // 2] if len(lines) > 3 else text.strip()
seen = set()
with open('/proc/%s/maps' % pid) as maps, open('/proc/%s/mem' % pid, 'rb') as mem:
    for line in maps:
        span, mode = line.split()[:2]
        if 'rw' not in mode:
            continue
        a, b = (int(x, 16) for x in span.split('-'))
        mem.seek(a)
        text = mem.read(b - a)
        seen |= {name for name, what in wanted.items() if what in text}
        seen |= {'memory'} if b'master0' in text else set()
print(' '.join(sorted(seen)))
END
same "its memory: the master's name, and no secret" memory "$(cat found)"
same "its environment" '' "$(tr -d '\0' <"/proc/$first/environ")"
same "its arguments" 'azswarm: connection kept' "$(tr -d '\0' <"/proc/$first/cmdline")"
same "its files: nothing that somebody may wait for" '/dev/null /dev/null /dev/null' \
	"$(readlink "/proc/$first/fd/0" "/proc/$first/fd/1" "/proc/$first/fd/2" | xargs)"

# another user, whom directory and socket let in by mistake
chmod 711 . run run/azswarm && chmod 666 run/azswarm/ssh-*.sock
same "another user gets no word" 'b""' "$(setpriv --reuid 65534 --clear-groups /usr/bin/python3 - run/azswarm/ssh-*.sock <<-'END' 2>&1 | tail -n 1 | tr "'" '"'
	import socket, sys
	s = socket.socket(socket.AF_UNIX)
	s.settimeout(5)
	s.connect(sys.argv[1])
	print(s.recv(100))
END
)"
chmod 700 run/azswarm
same "who talks nonsense is shown out" closed "$(python3 - run/azswarm/ssh-*.sock <<'END'
import socket, sys
for nonsense in (b'\0\0\0\x0c\x06\x5e\0\0\0\x63' + b'\0' * 6, b'\xff' * 64, b'GET / HTTP/1.1\r\n\r\n'):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(sys.argv[1])
    s.sendall(nonsense)
    try:
        while s.recv(4096):
            pass
    except ConnectionResetError:
        pass
print('closed')
END
)"
same "and harms nobody" out "$(to echo out </dev/null)"
check "nor the host" kill -0 "$first"

# ---- it breaks ----

of_master()	# the processes of sshd's connections, the oldest first
{
	pgrep -P "$(cat sshd.pid)"
}
kill "$(of_master | head -n 1)"
check "its connection breaks: it ends" wait_for 10 gone "$first"
before=$(signed_in)
same "and the next command makes another" out "$(to echo out </dev/null)"
same "once" $((before + 1)) "$(signed_in)"
second=$(host)
at_exit 'kill $second 2>/dev/null'

# ---- who began it is interrupted, and others come while the server is silent ----

ticks()	# PID: of the processor
{
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}
kill "$second"
check "it is told to end" wait_for 10 gone "$second"
timeout --foreground --preserve-status -s INT 3 "$AZSWARM" ssh master0 sleep 30 </dev/null >out 2>&1
same "who began it: Ctrl-C" 130 $?
second=$(host)
before=$(ticks "${second:-self}")
sleep 2
check "who keeps it rests" test $(($(ticks "${second:-self}") - before)) -lt 50
"$AZSWARM" ssh master0 'sleep 8; echo through' </dev/null >long 2>&1 &
long=$!
sleep 1
frozen=$(of_master | tail -n 1)
kill -STOP "$frozen"
sleep 2.5
many=
for i in 1 2 3 4 5; do
	to true </dev/null >/dev/null 2>&1 &
	many="$many $!"
done
sleep 1
kill -CONT "$frozen"
wait $long
same "five at once while the server is silent: others go on" through "$(cat long)"
# shellcheck disable=SC2086
wait $many
second=$(host)
at_exit 'kill $second 2>/dev/null'

frozen=$(of_master | tail -n 1)
kill -STOP "$frozen"
sleep 2.5
began=$(date +%s)
same "its master falls silent: the next command has a connection of its own" out "$(to echo out </dev/null)"
took=$(($(date +%s) - began))
check "which takes seconds, not minutes ($took s)" [ "$took" -le 20 ]
kill -KILL "$frozen"
third=$(host)
at_exit 'kill $third 2>/dev/null'
check "and the one before ends" wait_for 60 gone "$second"

rm run/azswarm/ssh-*.sock
check "its socket is removed: it ends" wait_for 10 gone "$third"

chmod 755 run/azswarm
same "a directory that others may look into" out "$(to echo out </dev/null)"
same "has no socket" '' "$(ls run/azswarm)"
chmod 700 run/azswarm

# ---- its time ----

to true </dev/null
last=$(host)
at_exit 'kill $last 2>/dev/null'
sleep 40
check "after 40 s without a command it is there" kill -0 "$last"
check "after a minute it is not" wait_for 30 gone "$last"
same "and has left nothing" '' "$(ls run/azswarm)"
