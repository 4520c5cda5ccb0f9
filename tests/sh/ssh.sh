# time: 600
# The SSH client against OpenSSH, dropbear, tinysshd and asyncssh, and against
# servers that lie.  Everything on loopback, with keys made here.
. "$SRCDIR/tests/lib.sh"
need sshd ssh-keygen ssh-agent python3

tool=$SRCDIR/build/tests/ssh_tool
must_make build/tests/ssh_tool
top=$PWD
me=$(id -un)
sshd=$(command -v sshd)
server=$SRCDIR/tests/ssh_server.py
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd

for spec in 'host ecdsa 256' 'host_rsa rsa 2048' 'other ecdsa 256' 'user rsa 2048' \
	'user_ec ecdsa 256' 'user_ec384 ecdsa 384' 'stranger ecdsa 256' 'user_ed ed25519 256'; do
	set -- $spec
	ssh-keygen -q -t "$2" -b "$3" -N '' -C "a comment" -f "$1"
done
cat user.pub user_ec.pub user_ec384.pub user_ed.pub >authorized
head -c 100000000 /dev/urandom >big
sum=$(sha256sum <big)
head -c 3000000 big >small
small_sum=$(sha256sum <small)

answers()	# PORT
{
	python3 -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20); assert s.recv(4) == b"SSH-"' "$1"
}

# Nobody is connected to it, from the point of view of who listens there.
idle()		# PORT
{
	! grep -qi "^ *[0-9]*: 0100007F:$(printf %04X "$1") [0-9A-F:]* \(0[1-9]\|0B\) " /proc/net/tcp
}

# $port and $sshd_pid get what it is.
start_sshd()	# 'OPTION VALUE'... : more lines of its configuration, which come first
{
	port=$(free_port)
	{
		[ $# -eq 0 ] || printf '%s\n' "$@"
		cat <<-CONF
		Port $port
		ListenAddress 127.0.0.1
		HostKey $top/host
		HostKey $top/host_rsa
		AuthorizedKeysFile $top/authorized
		PidFile none
		UsePAM no
		StrictModes no
		PermitRootLogin prohibit-password
		MaxSessions 110
		MaxStartups 100
		CONF
	} >"conf.$port"
	spawn "sshd.$port.log" "$sshd" -D -e -f "$top/conf.$port"
	sshd_pid=$spawned
	wait_for 10 answers "$port" || not_ok "sshd" "did not start: $(tail -n 2 "sshd.$port.log")"
}

# $port gets where it listens, $spawned its pid.
start_py()	# MODE ARGUMENT...
{
	rm -f py.port
	spawn py.log python3 "$server" py.port "$@"
	wait_for 10 test -s py.port
	port=$(cat py.port)
}

# The tool with the usual keys.
t()
{
	"$tool" -u "$me" -H host.pub -k user_ec "$@"
}

# As ssh-keygen shows it, to be looked for.
print_of()	# FILE
{
	ssh-keygen -lf "$1" | awk '{ gsub("[+]", "[+]", $2); print $2 }'
}

# ---- every algorithm, alone --------------------------------------------

# What the server is restricted to, what must be agreed on; 3 MB through it
# both ways, with new keys under way.
while IFS='|' read -r option want keys; do
	[ -n "$option" ] || continue
	set -- $keys
	start_sshd "$option" ${3:+"$(echo "$3" | tr = ' ')"}
	expect "agrees: $option" 0 "$want" "$tool" -u "$me" -H "$1" -k "$2" "$port" algorithms
	got=$("$tool" -u "$me" -H "$1" -k "$2" -r 500000 "$port" rekeyed cat <small 2>err | sha256sum)
	same "3 MB: $option" "$small_sum" "$got"
	n=$(sed -n 's/^rekeyed //p' err)
	check "new keys: $option" test "${n:-0}" -ge 5
	reap "$sshd_pid"
done <<'TABLE'
KexAlgorithms curve25519-sha256|^curve25519-sha256 .* strict$|host.pub user
KexAlgorithms curve25519-sha256@libssh.org|^curve25519-sha256@libssh.org |host.pub user
KexAlgorithms ecdh-sha2-nistp256|^ecdh-sha2-nistp256 |host.pub user
KexAlgorithms ecdh-sha2-nistp384|^ecdh-sha2-nistp384 |host.pub user
HostKeyAlgorithms ecdsa-sha2-nistp256| ecdsa-sha2-nistp256 |host.pub user
HostKeyAlgorithms rsa-sha2-256| rsa-sha2-256 |host_rsa.pub user
HostKeyAlgorithms rsa-sha2-512| rsa-sha2-512 |host_rsa.pub user
Ciphers aes128-gcm@openssh.com| aes128-gcm@openssh.com strict$|host.pub user_ec
Ciphers aes256-gcm@openssh.com| aes256-gcm@openssh.com strict$|host.pub user_ec
Ciphers aes128-ctr| aes128-ctr hmac-sha2-256-etm@openssh.com strict$|host.pub user_ec
Ciphers aes256-ctr| aes256-ctr hmac-sha2-256-etm@openssh.com strict$|host.pub user_ec
MACs hmac-sha2-256-etm@openssh.com| aes128-ctr hmac-sha2-256-etm@openssh.com |host.pub user_ec Ciphers=aes128-ctr
MACs hmac-sha2-512-etm@openssh.com| aes256-ctr hmac-sha2-512-etm@openssh.com |host.pub user_ec Ciphers=aes256-ctr
PubkeyAcceptedAlgorithms rsa-sha2-256| strict$|host.pub user
PubkeyAcceptedAlgorithms rsa-sha2-512| strict$|host.pub user
PubkeyAcceptedAlgorithms ecdsa-sha2-nistp384| strict$|host.pub user_ec384
TABLE

while IFS='|' read -r option want; do
	[ -n "$option" ] || continue
	start_sshd "$option" 'Ciphers aes128-ctr'
	expect "refuses: $option" 1 "$want" "$tool" -u "$me" -H host.pub -k user "$port" algorithms
	reap "$sshd_pid"
done <<'TABLE'
KexAlgorithms diffie-hellman-group14-sha1|no key exchange in common: it offers "diffie-hellman-group14-sha1
HostKeyAlgorithms ssh-rsa|no host key algorithm in common: it offers "ssh-rsa", we
MACs hmac-sha1,hmac-sha1-etm@openssh.com|no MAC to it in common: it offers "hmac-sha1,hmac-sha1-etm@openssh.com", we
PubkeyAcceptedAlgorithms ssh-rsa|the server does not let ".*" in with SHA256:[^ ]* \(it takes: publickey
TABLE

# ---- one server for the rest -------------------------------------------

start_sshd "AcceptEnv *"
main=$port

expect "exit code" 7 '^out$' t "$main" exec 'echo out; exit 7'
expect "exit by a signal" 137 '' t "$main" exec 'kill -KILL $$'
expect "a command that is not" 127 'not found' t "$main" exec no-such-command-here
same "stdin" "3" "$(printf 'a\nb\nc\n' | t "$main" exec 'wc -l' | tr -d ' ')"
same "stderr apart" "err" "$(t "$main" exec 'echo out; echo err >&2' 2>&1 >/dev/null </dev/null)"
expect "run" 3 '^input$' t "$main" run 'cat; exit 3'
same "100 MB from it" "$sum" "$(t "$main" exec "cat $top/big" </dev/null | sha256sum)"
same "100 MB to it" "$sum" "$(t "$main" exec sha256sum <big)"
same "100 MB both ways" "$sum" "$(t "$main" exec cat <big | sha256sum)"
same "a reader that is slow" "$small_sum" \
	"$(t "$main" exec "cat $top/small" </dev/null | (sleep 1; sha256sum))"
n=$(t "$main" window "cat $top/big")
check "no more is held than the window" test "$n" -gt 1000000 -a "$n" -le 2097152
same "a command that does not read" "3" \
	"$(t "$main" exec 'exec 0<&-; sleep 0.3; echo 3' <small)"
expect "100 channels at once" 0 '^100$' t "$main" many 100 'head -c 100000 /dev/zero; true'

# the size is told behind the terminal's back
cat >size.sh <<'SH'
n=0
until [ "$(stty size)" = '25 81' ] || [ $n -ge 300 ]; do n=$((n + 1)); sleep 0.1; done
stty size
tty
SH
expect "terminal" 0 '25 81.*/dev/pts/' \
	sh -c "'$tool' -u $me -H host.pub -k user_ec $main shell 80 24 'sh $top/size.sh' | tr '\r\n' '  '"
same "shell" "answer42" "$(echo 'stty -echo; echo ans""wer$((6 * 7)); exit 5' |
	t "$main" shell 80 24 2>&1 | grep -o 'answer42')"

start_py http
web=$port
same "direct-tcpip" "1000000" "$(printf 'GET /1000000 HTTP/1.0\r\n\r\n' | t "$main" tcp "$web" | tail -c 1000000 | wc -c)"
same "as a stream" "5000" "$(t "$main" http "$web" /5000 | tail -c 5000 | tr -cd h | wc -c)"
expect "nobody there" 1 "ssh $me@server: the server could not connect: " t "$main" tcp 1
spawn unix.log python3 "$server" "$top/echo.sock" unix
wait_for 5 test -S "$top/echo.sock"
same "direct-streamlocal" "$small_sum" "$(t "$main" unix "$top/echo.sock" <small | sha256sum)"
expect "no such socket" 1 'the server could not connect: ' t "$main" unix /nowhere

start_py echo
echo_port=$port
spawn forward.log "$tool" -u "$me" -H host.pub -k user_ec -d 600 "$main" forward fwd.port "$web"
forward=$spawned
wait_for 5 test -s fwd.port
check "100 requests in parallel through a forward" python3 - "$(cat fwd.port)" <<'PY'
import socket, sys, threading
bad = []
def one(i):
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 120)
        n = 1000000 + i
        s.sendall(b"GET /%d HTTP/1.0\r\n\r\n" % n)
        got = 0
        while True:
            b = s.recv(65536)
            if not b:
                break
            got += len(b)
        head = len(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % n)
        if got != n + head:
            bad.append((i, got))
    except OSError as e:
        bad.append((i, e))
t = [threading.Thread(target=one, args=(i,)) for i in range(100)]
[x.start() for x in t]
[x.join() for x in t]
sys.exit("wrong: %r" % bad[:5] if bad else 0)
PY
wait_for 10 idle "$(cat fwd.port)"
reap "$forward"
check "the forward ended well" grep -qx 'refused 0, carried 0' forward.log
rm -f fwd.port
spawn forward.log "$tool" -u "$me" -H host.pub -k user_ec -d 600 "$main" forward fwd.port "$echo_port"
forward=$spawned
wait_for 5 test -s fwd.port
check "100 MB there and back through a forward" python3 - "$(cat fwd.port)" "$sum" <<'PY'
import hashlib, socket, sys, threading
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 120)
data = open("big", "rb").read()
def send():
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
h = hashlib.sha256()
while True:
    b = s.recv(1 << 20)
    if not b:
        break
    h.update(b)
sys.exit(0 if sys.argv[2].startswith(h.hexdigest()) else "it came back different")
PY
reap "$forward"
rm -f fwd.port
spawn forward.log "$tool" -u "$me" -H host.pub -k user_ec -d 600 "$main" forward fwd.port 1
forward=$spawned
wait_for 5 test -s fwd.port
for i in 1 2 3; do
	check "a forward to nobody closes, $i" python3 -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60); assert s.recv(1) == b""' \
		"$(cat fwd.port)"
done
reap "$forward"
check "and is counted" grep -qx 'refused 3, carried 0' forward.log

same "a connection through a connection" "$small_sum" \
	"$(t -J "$main" "$main" exec cat <small | sha256sum)"

# ---- new keys, long silences -------------------------------------------

start_sshd 'RekeyLimit 1M'
same "the server wants new keys at every MB" "$sum" \
	"$(t "$port" rekeyed cat <big 2>err | sha256sum)"
n=$(sed -n 's/^rekeyed //p' err)
check "and got them" test "${n:-0}" -ge 50
reap "$sshd_pid"
same "we want them at every MB" "$sum" "$(t "$main" busy "cat $top/big" 2>err | sha256sum)"
n=$(sed -n 's/^rekeyed //p' err)
check "and get them" test "${n:-0}" -ge 50
n=$(t -t 300 "$main" rekeyed 'sleep 8' 2>&1 </dev/null | sed -n 's/^rekeyed //p')
check "and when it is time" test "${n:-0}" -ge 5

start_sshd 'ClientAliveInterval 1' 'ClientAliveCountMax 2'
expect "the server's keepalive is answered" 0 '^idle$' t "$port" idle 5
reap "$sshd_pid"
expect "ours is answered" 0 '^idle$' t -K 1000 "$main" idle 4
start_py between "$main" stall:3000
expect "a server that falls silent" 1 'has not said a word for 2 s' \
	t -K 500 "$port" exec "cat $top/big" 
reap "$spawned"

# ---- ends --------------------------------------------------------------

start_sshd
spawn gone.log "$tool" -u "$me" -H host.pub -k user_ec "$port" exec 'echo here; sleep 300'
gone=$spawned
wait_for 10 grep -q here gone.log
children=$(ps -eo pid=,ppid= | awk -v p="$sshd_pid" '{ up[$1] = $2 }
	END { for (k in up) for (a = k; a in up; a = up[a]) if (up[a] == p) { print k; break } }')
# held first: a server that outlives its command for a moment tells how that ended
kill -STOP $children 2>/dev/null
kill -9 $children 2>/dev/null
wait_for 10 sh -c "! kill -0 $gone 2>/dev/null || grep -q 'ssh_tool' gone.log"
expect "server killed in the middle" 0 'ssh_tool: ssh .*: (the server hung up|receiving: Connection reset)' \
	cat gone.log
reap "$sshd_pid"
expect "nobody listens" 1 'Connection refused' t 1 algorithms
start_sshd
spawn term.log "$tool" -u "$me" -H host.pub -k user_ec "$port" exec 'echo here; sleep 300'
wait_for 10 grep -q here term.log
kill -TERM "$spawned"
wait_for 5 grep -q . "sshd.$port.log"
check "an interrupt ends it" wait_for 5 grep -q 'interrupted' term.log
check "with a goodbye" wait_for 5 grep -q 'Received disconnect from .*:11: done' "sshd.$port.log"
reap "$sshd_pid"

# ---- keys --------------------------------------------------------------

for kind in user user_ec user_ec384; do
	for form in PEM PKCS8 RFC4716; do
		cp $kind "k_$kind.$form"
		chmod 600 "k_$kind.$form"
		ssh-keygen -q -p -N '' -m $form -f "k_$kind.$form" >/dev/null
		expect "key $kind as $form ($(sed -n 's/-*BEGIN \(.*\)-----/\1/p;q' "k_$kind.$form"))" 0 . \
			"$tool" -u "$me" -H host.pub -k "k_$kind.$form" "$main" algorithms
		cp "k_$kind.$form" "e_$kind.$form"
		ssh-keygen -q -p -P '' -N secret -m $form -f "e_$kind.$form" >/dev/null
		expect "with a passphrase: $kind as $form" 1 "key e_$kind.$form: it has a passphrase" \
			"$tool" -u "$me" -H host.pub -k "e_$kind.$form" "$main" algorithms
	done
done
expect "an ed25519 key" 1 'key user_ed: a private key of type "ssh-ed25519"; RSA and ECDSA will do' \
	"$tool" -u "$me" -H host.pub -k user_ed "$main" algorithms
chmod 600 host.pub
expect "a file that is no key" 1 'key host.pub: no private key in it' \
	"$tool" -u "$me" -H host.pub -k host.pub "$main" algorithms
ssh-keygen -q -t rsa -b 1024 -N '' -f weak
expect "a weak key" 1 'key weak: RSA key of 1024 bits; only 2048 to 4096 will do' \
	"$tool" -u "$me" -H host.pub -k weak "$main" algorithms
print=$(print_of stranger)
expect "a key the server does not know" 1 "ssh $me@server: the server does not let \"$me\" in with $print \(it takes: publickey" \
	"$tool" -u "$me" -H host.pub -k stranger "$main" algorithms
expect "a user it does not know" 1 'does not let "nobody-here" in' \
	"$tool" -u nobody-here -H host.pub -k user "$main" algorithms
expect "no key at all" 1 'there is no key to sign in with' \
	"$tool" -u "$me" -H host.pub "$main" algorithms

expected=$(print_of other.pub)
seen=$(print_of host.pub)
expect "another host key" 1 "this is not the server it should be: host key $expected expected, $seen seen" \
	"$tool" -u "$me" -H other.pub -k user "$main" algorithms
expect "one of two, the second" 0 '' "$tool" -u "$me" -H other.pub -O host.pub -k user "$main" algorithms
expect "one of two, the first" 0 '' "$tool" -u "$me" -H host.pub -O other.pub -k user "$main" algorithms
expect "neither of two" 1 "host key $expected expected, $seen seen" \
	"$tool" -u "$me" -H other.pub -O other.pub -k user "$main" algorithms
start_sshd "HostKeyAlgorithms rsa-sha2-512"
seen=$(print_of host_rsa.pub)
expect "another kind of host key" 1 "host key $expected expected, $seen seen" \
	"$tool" -u "$me" -H other.pub -k user "$port" algorithms
reap "$sshd_pid"
expect "no host key" 1 'no host key is known for it' "$tool" -u "$me" -k user "$main" algorithms
expect "an ed25519 host key" 1 'expected host key: a key of type "ssh-ed25519"; ecdsa-sha2-nistp256 and ssh-rsa' \
	"$tool" -u "$me" -H user_ed.pub -k user "$main" algorithms
echo nonsense >nonsense
expect "a host key that is none" 1 'expected host key: not a line of TYPE BASE64' \
	"$tool" -u "$me" -H nonsense -k user "$main" algorithms

spawn agent.log ssh-agent -D -a "$top/agent.sock"
wait_for 5 test -S agent.sock
expect "an agent without keys" 1 'there is no key to sign in with' \
	"$tool" -u "$me" -H host.pub -a agent.sock "$main" algorithms
for k in stranger user user_ed; do
	SSH_AUTH_SOCK=$top/agent.sock ssh-add -q "$k"
done
expect "agent" 0 . "$tool" -u "$me" -H host.pub -a agent.sock "$main" algorithms
expect "agent, after a file that will not do" 0 . \
	"$tool" -u "$me" -H host.pub -k other -a agent.sock "$main" algorithms
for k in user user_ed; do
	expect "agent, only $k" 0 . "$tool" -u "$me" -H host.pub -a agent.sock -A "$k.pub" "$main" algorithms
done
expect "agent, only one that will not do" 1 'does not let' \
	"$tool" -u "$me" -H host.pub -a agent.sock -A stranger.pub "$main" algorithms
expect "agent, only one it does not have" 1 'there is no key' \
	"$tool" -u "$me" -H host.pub -a agent.sock -A user_ec.pub "$main" algorithms
expect "no agent" 1 'ssh-agent at /nowhere: .*No such file' \
	"$tool" -u "$me" -H host.pub -a /nowhere "$main" algorithms
start_sshd 'PubkeyAcceptedAlgorithms rsa-sha2-256'
expect "agent, RSA with the hash the server takes" 0 . \
	"$tool" -u "$me" -H host.pub -a agent.sock -A user.pub "$port" algorithms
reap "$sshd_pid"
start_sshd 'AuthenticationMethods publickey,publickey'
expect "a server that wants more" 1 'the key is not enough for the server, it also asks for publickey' \
	t "$port" algorithms
reap "$sshd_pid"
start_sshd 'MaxAuthTries 1' "Banner $top/nonsense"
expect "a server that loses patience" 1 'the server (ended the connection: Too many authentication failures|does not let)' \
	"$tool" -u "$me" -H host.pub -k stranger "$port" algorithms
expect "a server with a banner" 0 strict t "$port" algorithms
reap "$sshd_pid"
start_sshd 'MaxSessions 10'
expect "channels the server refuses" 0 '^10$' t "$port" many 20 'sleep 3'
reap "$sshd_pid"
start_sshd 'AllowTcpForwarding no' 'PermitTTY no' 'AllowStreamLocalForwarding no'
expect "a server that forwards nothing" 1 'the server prohibits the channel: open failed' t "$port" tcp "$web"
expect "nor to sockets" 1 'the server (prohibits the channel|could not connect): open failed' t "$port" unix "$top/echo.sock"
expect "nor gives a terminal" 1 'the server gives no terminal' t "$port" shell 80 24
reap "$sshd_pid"

# ---- our terminal ------------------------------------------------------

check "raw mode, sizes, and back, whatever happens" python3 - "$tool" "$me" "$main" <<'PY'
import fcntl, os, pty, select, signal, struct, sys, termios, time
tool, me, port = sys.argv[1:]

def size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

def read_until(fd, what, limit=60):
    got, end = b"", time.time() + limit
    while what not in got:
        if not select.select([fd], [], [], max(0, end - time.time()))[0]:
            sys.exit("no %r in %r" % (what, got))
        got += os.read(fd, 4096)
    return got

for how in ("exit", signal.SIGTERM, signal.SIGKILL):
    master, slave = pty.openpty()
    size(slave, 33, 99)
    before = termios.tcgetattr(slave)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for i in range(3):
            os.dup2(slave, i)
        os.closerange(3, 100)
        os.environ["TERM"] = "vt100"
        os.execv(tool, [tool, "-u", me, "-H", "host.pub", "-k", "user_ec", port, "tty"])
    os.write(master, b"stty -echo; PS1=; stty size; echo re''ady $TERM\n")
    got = read_until(master, b"ready vt100")
    if b"33 99" not in got:
        sys.exit("size not passed: %r" % got)
    if termios.tcgetattr(slave)[3] & termios.ICANON:
        sys.exit("not raw")
    size(slave, 44, 111)
    os.kill(pid, signal.SIGWINCH)
    os.write(master, b'until [ "$(stty size)" = "44 111" ]; do sleep 0.1; done; stty size; sleep 100\n')
    read_until(master, b"44 111")
    os.write(master, b"\x03")           # to the far end, not to us
    os.write(master, b"echo al''ive\n")
    read_until(master, b"alive")
    if how == "exit":
        os.write(master, b"exit 9\n")
    else:
        os.kill(pid, how)
    # a master that nobody reads would hold up what is said at the end
    end = time.time() + 60
    while time.time() < end:
        if select.select([master], [], [], 0.1)[0]:
            os.read(master, 4096)
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
    else:
        sys.exit("still running after %s" % how)
    if how == "exit" and os.WEXITSTATUS(status) != 9:
        sys.exit("exit %d" % status)
    for i in range(600):
        if termios.tcgetattr(slave) == before:
            break
        time.sleep(0.1)
    else:
        sys.exit("terminal is not as before, after %s" % how)
    os.close(master)
    os.close(slave)
PY

# ---- servers that lie --------------------------------------------------

while IFS='|' read -r kind want; do
	[ -n "$kind" ] || continue
	start_py fake "$kind" "$top/host.pub"
	# those that never end are given up; the others are refused in their own time
	case $kind in silent | drip | http) patience=2 ;; *) patience=120 ;; esac
	expect "lies: $kind" "${want%%:*}" "${want#*:}" t -d $patience "$port" algorithms
	reap "$spawned"
done <<'TABLE'
silent|1:no greeting from the server
hangup|1:the server hung up without a greeting|receiving
endless-line|1:it goes on greeting, and does not say "SSH-2.0-"
endless-lines|1:it goes on greeting, and does not say "SSH-2.0-"
drip|1:no greeting from the server
old|1:it speaks "SSH-1.5-old"; SSH-2.0 is asked for
http|1:no greeting from the server|hung up
long-version|1:malformed version line
hello-first|1:no key exchange in common: it offers "none-such"
huge-packet|1:packet of 2147483647 bytes; 8 to 36864 are right
tiny-packet|1:packet of 1 bytes; 8 to 36864 are right
uneven-packet|1:packet of 13 bytes, which is not whole blocks
all-padding|1:packet of 12 bytes with 11 of padding
cut-kexinit|1:the server hung up
short-kexinit|1:malformed offer of algorithms
sha1|1:no key exchange in common: it offers "diffie-hellman-group14-sha1
sha1-host|1:no host key algorithm in common: it offers "ssh-rsa,ssh-dss"
no-cipher|1:no cipher to it in common: it offers "none,3des-cbc"
no-mac|1:no MAC to it in common: it offers "none,hmac-sha1"
compress|1:no compression in common: it offers "zlib"
ignore-first|1:something was sent before the key exchange
ignore-inside|1:message 2 in the middle of a key exchange
newkeys-early|1:new keys before there are any
auth-early|1:message 52 in the middle of a key exchange
ext-info-early|1:message 7 in the middle of a key exchange
kexinit-twice|1:key exchange inside of a key exchange
reply-early|1:an answer in a key exchange that nobody asked for
bad-point|1:key exchange with a point that is not on the curve
bad-point-p256|1:key exchange with a point that is not on the curve
short-point|1:key exchange with a point that is not on the curve
forged|1:the server does not have the host key it shows: its signature is wrong
forged-empty|1:the server does not have the host key it shows
guess|1:key exchange with a point that is not on the curve
disconnect|1:the server ended the connection: too .\[31mmany users \(reason 12\)
TABLE

while IFS='|' read -r kind want more; do
	[ -n "$kind" ] || continue
	start_py between "$main" "$kind"
	expect "between: $kind $more" 1 "$want" t $more "$port" exec "cat $top/small"
	reap "$spawned"
done <<'TABLE'
inject|message 2 in the middle of a key exchange|
drop|packet that was altered on its way \(bad MAC\)|
flip:0|packet of [0-9]* bytes; 8 to 36864 are right|
flip:30|packet that was altered on its way \(bad MAC\)|
flip:30|packet that was altered on its way \(bad MAC\)|-c aes128-ctr
flip:30|packet that was altered on its way \(bad MAC\)|-c aes256-ctr -m hmac-sha2-512-etm@openssh.com
flip:200000|packet that was altered on its way \(bad MAC\)|
flip:200000|packet that was altered on its way \(bad MAC\)|-c aes256-ctr
cut:100|the server hung up|
cut:200001|the server hung up|
TABLE
start_py between "$main" bytes
same "a byte at a time" "$small_sum" "$(t "$port" exec "cat $top/small" </dev/null | sha256sum)"
reap "$spawned"

# ---- other servers -----------------------------------------------------

if command -v dropbear >/dev/null; then
	dropbearkey -t ecdsa -s 256 -f db_host >/dev/null 2>&1
	dropbearkey -y -f db_host | grep '^ecdsa' >db_host.pub
	port=$(free_port)
	spawn dropbear.log dropbear -F -E -r "$top/db_host" -p "127.0.0.1:$port" -P "$top/db.pid"
	wait_for 5 answers "$port"
	# Debian's has only MACs over the plain text, and SHA-1
	expect "dropbear" 1 'no MAC to it in common: it offers "hmac-sha1,hmac-sha2-256"' \
		"$tool" -u "$me" -H db_host.pub -k user "$port" algorithms
	reap "$spawned"
else
	skip "dropbear" "no dropbear here"
fi
tiny=$(command -v tinysshd || ls /usr/sbin/tinysshd 2>/dev/null)
if [ -n "$tiny" ]; then
	"${tiny}-makekey" tiny_keys
	start_py inetd "$tiny" "$top/tiny_keys"
	expect "tinysshd" 1 'no host key algorithm in common: it offers "ssh-ed25519"' \
		"$tool" -u "$me" -H host.pub -k user "$port" algorithms
	reap "$spawned"
else
	skip "tinysshd" "no tinysshd here"
fi
if /usr/bin/python3 -W ignore -c 'import asyncssh' 2>/dev/null; then
	rm -f py.port
	spawn asyncssh.log /usr/bin/python3 -W ignore "$server" py.port asyncssh "$top/host" "$top/authorized"
	wait_for 10 test -s py.port
	port=$(cat py.port)
	for x in curve25519-sha256 ecdh-sha2-nistp256 ecdh-sha2-nistp384; do
		expect "asyncssh: $x" 0 "^$x .* strict\$" t -x $x "$port" algorithms
	done
	for c in aes128-gcm@openssh.com aes256-gcm@openssh.com aes128-ctr aes256-ctr; do
		same "asyncssh: 3 MB, $c" "$small_sum" "$(t -c $c "$port" exec cat <small | sha256sum)"
	done
	for m in hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com; do
		same "asyncssh: 3 MB, $m" "$small_sum" \
			"$(t -c aes128-ctr -m $m "$port" exec cat <small | sha256sum)"
	done
	expect "asyncssh: RSA" 0 . "$tool" -u "$me" -H host.pub -k user "$port" algorithms
	expect "asyncssh: P-384" 0 . "$tool" -u "$me" -H host.pub -k user_ec384 "$port" algorithms
	expect "asyncssh: refused" 1 'does not let' "$tool" -u "$me" -H host.pub -k stranger "$port" algorithms
	expect "asyncssh: terminal" 4 "vt100 \(80, 24\)" t "$port" shell 80 24 size
	expect "asyncssh: signal" 130 '' t "$port" exec signal
	expect "asyncssh: stderr" 5 'what\?' t "$port" exec nothing
	same "asyncssh: direct-tcpip" "5000" "$(t "$port" http "$web" /5000 | tail -c 5000 | tr -cd h | wc -c)"
	same "asyncssh: direct-streamlocal" "$small_sum" "$(t "$port" unix "$top/echo.sock" <small | sha256sum)"
	expect "asyncssh: keepalive" 0 '^idle$' t -K 500 "$port" idle 3
	reap "$spawned"
	rm -f py.port
	spawn asyncssh.log /usr/bin/python3 -W ignore "$server" py.port asyncssh "$top/host" "$top/authorized" lax
	wait_for 10 test -s py.port
	port=$(cat py.port)
	for c in aes128-gcm@openssh.com aes256-ctr; do
		expect "not strict: $c" 0 "$c( hmac-sha2-256-etm@openssh.com)?\$" t -c $c "$port" algorithms
		same "not strict: 3 MB, $c" "$small_sum" \
			"$(t -c $c -r 500000 "$port" exec cat <small | sha256sum)"
	done
	reap "$spawned"
else
	skip "asyncssh" "no python3-asyncssh here"
fi
