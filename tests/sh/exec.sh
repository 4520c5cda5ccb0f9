# Logs and exec, byte for byte as an unmodified docker CLI has them of the same
# engine: a real dockerd with a swarm of its own, which we reach as any master
# through SSH, a real sshd at the address that the local Azure gives it.  Then
# what docker does not do: another connection when one breaks.
# time: 150
# needs: root, docker.io, busybox-static, sshd, jq, python3, iproute2
. "$SRCDIR/tests/engine.sh"
. "$SRCDIR/tests/lib.sh"
need_root
need jq ip python3 sha256sum setpriv
sshd=$(command -v sshd || echo /usr/sbin/sshd)
[ -x "$sshd" ] || skip_all "no sshd"
busybox=$(command -v busybox)
if [ -z "$busybox" ] || ldd "$busybox" >/dev/null 2>&1; then
	skip_all "no static busybox"
fi
[ -n "${ENGINE_INSIDE-}" ] || skip_all "no namespaces"

# ---- an engine, and the way there ----

hostname master0
engine_start || skip_all "$engine_why"
ln -s "$PWD/engine/docker.sock" /run/docker.sock
ip address add 10.77.0.10/32 dev lo
docker swarm init --advertise-addr 10.77.0.10 >out 2>&1 || { not_ok 'a swarm' "$(cat out)"; exit 1; }
spawn emulator.out "$AZSWARM" emulator --listen 127.0.0.1:0 --dir azure
wait_for 30 grep -q '^ready ' emulator.out || { not_ok 'the local Azure starts' "$(cat emulator.out)"; exit 1; }
. azure/env
export XDG_RUNTIME_DIR="$PWD/xdg" SHARE_SSH=false
mkdir xdg
for command in keys deploy-storage params deploy-compute; do
	"$AZSWARM" $command >out 2>&1 </dev/null || not_ok "$command" "$(tail -n 3 out)"
done
address=$("$AZSWARM" endpoints --output json | jq -r '.[] | select(.name == "master0-ip") | .address')
sed '/^cluster:/d' /etc/passwd >passwd
echo 'cluster:x:0:0::/root:/bin/sh' >>passwd
install -m 600 keys/host-master.pem host.key
mkdir -p /run/sshd
cat >sshd.conf <<-END
	Port 22
	ListenAddress $address
	HostKey $PWD/host.key
	AuthorizedKeysFile $PWD/keys/cluster.pub
	PidFile $PWD/sshd.pid
	UsePAM no
	StrictModes no
	PermitRootLogin prohibit-password
END
spawn sshd.log unshare -m sh -c "mount --bind '$PWD/passwd' /etc/passwd && exec '$sshd' -D -e -f '$PWD/sshd.conf'"
wait_for 10 grep -q listening sshd.log || { not_ok sshd "$(cat sshd.log)"; exit 1; }

mkdir -p box/bin && cp "$busybox" box/bin/busybox
for a in cat echo env false head id printf pwd seq sh sha256sum sleep stty tr true; do
	ln -s busybox box/bin/$a
done
tar -C box -c . | docker import - box:1 >/dev/null
service()	# NAME REPLICAS SCRIPT [OPTION...]
{
	service_name=$1 service_n=$2 service_script=$3
	shift 3
	docker service create -q -d --name "$service_name" --replicas "$service_n" --no-resolve-image "$@" \
		box:1 sh -c "$service_script" >/dev/null
}
running_are()	# SERVICE N
{
	[ "$(docker service ps "$1" -f desired-state=running --format '{{.CurrentState}}' | grep -c ^Running)" -eq "$2" ]
}
says='i=0; while [ $i -lt 20 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done'
service shop_web 3 "$says; exec sleep 1000"
service counts 1 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done'
service lines 1 'printf "a\tb\033[31m\r\n"; head -c 100000 /dev/zero | tr "\0" x; echo; echo; printf "no end"; exec sleep 1000'
service screen 1 'echo "on a terminal"; exec sleep 1000' --tty
service once 1 'echo over; exit 3' --restart-condition none
docker service create -q -d --name all --mode global --no-resolve-image box:1 sh -c 'echo here; exec sleep 1000' >/dev/null
for s in 'shop_web 3' 'counts 1' 'lines 1' 'screen 1' 'all 1'; do
	wait_for 60 running_are $s || not_ok "${s% *} runs" "$(docker service ps "${s% *}")"
done
task=$(docker service ps -q -f desired-state=running --no-trunc shop_web | head -n 1)
container=$(docker inspect -f '{{.Status.ContainerStatus.ContainerID}}' "$task")
sleep 1

# ---- logs ----

# What of several tasks has no order is sorted.
alike()		# CASE ARGUMENTS...
{
	alike_case=$1
	shift
	docker service logs "$@" >theirs 2>theirs.err
	alike_wanted=$?
	"$AZSWARM" logs "$@" >ours 2>ours.err </dev/null
	same "$alike_case: exit code" $alike_wanted $?
	for f in ours ours.err theirs theirs.err; do
		sort <$f >$f.sorted
	done
	check "$alike_case" cmp theirs.sorted ours.sorted
	check "$alike_case: stderr" cmp theirs.err.sorted ours.err.sorted
	[ "$alike_case" = 'logs: --tail 0' ] || check "$alike_case: there is something" test -s ours -o -s ours.err
}
alike 'logs' shop_web
alike 'logs: --tail' --tail 3 shop_web
alike 'logs: --tail 0' --tail 0 shop_web
alike 'logs: --timestamps' --timestamps shop_web
alike 'logs: --since' --since 1h30m shop_web
alike 'logs: --since a time' --since 2020-01-01T00:00:00Z shop_web
alike 'logs: of a task' "$task"
alike 'logs: of one that ended' once
alike 'logs: of a global service' all
alike 'logs: lines of any kind' lines
cmp -s theirs ours && ok 'logs: in their order' || not_ok 'logs: in their order' "$(cmp theirs ours)"
alike 'logs: by the beginning of an ID' "$(docker service ls -q -f name=lines | head -c 10)"
"$AZSWARM" logs --since 2035-01-01T00:00:00Z shop_web >out 2>&1
same 'logs: nothing since' '' "$(cat out)"
docker service logs --raw screen >theirs
"$AZSWARM" logs screen >ours 2>err
check 'logs: of a terminal, as docker has it with --raw' cmp theirs ours
check 'logs: which is said' grep -q 'screen has a terminal' err
"$AZSWARM" logs shop_web.2 >out 2>&1
same 'logs: of a slot' '20 shop_web.2.' "$(grep -o '^shop_web[.][0-9]*[.].* out' out | cut -c 1-11 | sort | uniq -c | xargs)"
expect 'logs: nobody of that name' 2 'no service or task "shop_wbe"; did you mean shop_web[?]$' "$AZSWARM" logs shop_wbe
expect 'logs: without its stack' 2 'did you mean shop_web[?]$' "$AZSWARM" logs web
expect 'logs: of nothing like it' 2 'there are .*shop_web' "$AZSWARM" logs nothing-like-it
expect 'logs: --since what' 2 'expected how long ago' "$AZSWARM" logs --since yesterday shop_web
expect 'logs: --since 5 of what' 2 'expected how long ago' "$AZSWARM" logs --since 5 shop_web
expect 'logs: --tail what' 2 'expected a number, or all' "$AZSWARM" logs --tail -1 shop_web
sh -c '"$AZSWARM" logs lines 2>err; echo $? >status' | head -c 5 >/dev/null
same 'logs: who reads no more is no error' '141 ' "$(cat status) $(cat err)"
expect 'logs: a full disk' 1 '^azswarm: logs: writing what came: No space left' sh -c '"$AZSWARM" logs lines >/dev/full'
expect 'logs: since long ago' 0 'out 19' "$AZSWARM" logs --since 1000000d shop_web
expect 'logs: since tomorrow' 0 '' "$AZSWARM" logs --since 2099-01-01T00:00:00Z shop_web

follow()	# ARGUMENTS...: its lines, numbers, go to follow.out
{
	: >follow.out
	spawn follow.err sh -c 'exec "$AZSWARM" logs -f "$@" >follow.out' - "$@"
	follower=$spawned
	wait_for 20 sh -c 'test $(wc -l <follow.out) -ge 20' || not_ok 'logs -f: lines come' "$(cat follow.err)"
}
no_gap()	# CASE
{
	same "$1" '' "$(sed -n 's/.*| //p' follow.out |
		awk 'NR > 1 && $1 != p + 1 { print p " and then " $1 } { p = $1 }')"
}
follow --tail 5 counts
kill -INT "$follower"
wait "$follower"
same 'logs -f: Ctrl-C' '130 ' "$? $(cat follow.err)"
check 'logs -f: begins with the last lines' sh -c 'test $(sed -n "1s/.*| //p" follow.out) -gt 5'
no_gap 'logs -f: line by line'
follow counts
# who is signed in is thrown out
for p in $(pgrep -x sshd); do
	[ "$p" = "$(cat sshd.pid)" ] || kill "$p"
done
check 'logs -f: a connection breaks' wait_for 20 grep -q 'connected again' follow.err
sleep 2
had=$(wc -l <follow.out)
wait_for 20 sh -c "test \$(wc -l <follow.out) -gt $((had + 20))" || not_ok 'logs -f: goes on' "$(cat follow.err)"
kill -INT "$follower"
wait "$follower"
same 'logs -f: is taken up again' 130 $?
no_gap 'logs -f: without a gap, and nothing twice'
service leaves 1 "$says; exec sleep 1000"
follow leaves
docker service rm leaves >/dev/null
wait_for 60 grep -qx 'leaves was removed' follow.err || kill -INT "$follower"
wait "$follower"
same 'logs -f: ends with its service, and says so' '0 leaves was removed' "$? $(tail -n 1 follow.err)"

# ---- exec ----

: >in
# The same of docker in the task's container, and of ours: output, errors, status.
both()		# CASE 'OPTIONS' COMMAND...
{
	both_case=$1 both_options=$2
	shift 2
	# shellcheck disable=SC2086
	docker exec $both_options "$container" "$@" <in >theirs 2>theirs.err
	both_wanted=$?
	# shellcheck disable=SC2086
	timeout 60 "$AZSWARM" exec $both_options "$task" "$@" <in >ours 2>ours.err
	same "exec: $both_case: exit code" $both_wanted $?
	check "exec: $both_case: stdout" cmp theirs ours
	check "exec: $both_case: stderr" cmp theirs.err ours.err
}
both 'a command' '' echo "it's" 'a  b' '' '*' '$HOME'
both 'its status' '' sh -c 'exit 7'
both 'a signal' '' sh -c 'kill -9 $$'
both 'none of that name' '' nothing-like-it
both 'one that cannot be run' '' /bin
both 'flags behind it' '' sh -c 'echo "$0 $@"' -it -e --tail
both '-u by number' '-u 7:8' id
both '-u nobody knows' '-u nobody' id
both '-w' '-w /bin' pwd
both '-w where nothing is' '-w /nowhere' pwd
both '-e' '-e A=b -e B=' env
both 'stdin is not passed on' '' cat
both '-t alone' '-t' sh -c 'echo out; echo err >&2'
head -c 10000000 /dev/urandom >in
both '10 MB to it' '-i' sha256sum
both '10 MB, and back' '-i' cat
both '10 MB, and back as errors' '-i' sh -c 'cat >&2'
both 'who reads a little of it' '-i' head -c 1000
both 'who reads none of it' '-i' true
sum=$(sha256sum <in)
same 'exec: to who reads late' "$sum" "$("$AZSWARM" exec -i "$task" cat <in 2>err | { sleep 3; sha256sum; })"
same 'exec: from who writes late' "$sum" "$({ head -c 5 in; sleep 3; tail -c +6 in; } | "$AZSWARM" exec -i "$task" cat 2>err | sha256sum)"
same 'exec: over a connection that is kept' "$sum" "$(SHARE_SSH=true "$AZSWARM" exec -i "$task" cat <in 2>err | sha256sum)"
# shellcheck disable=SC2046
both 'many words' '' echo $(seq 2000)
sh -c '"$AZSWARM" exec "$1" sh -c "while :; do echo y; done" 2>err; echo $? >status' - "$task" | head -n 1 >/dev/null
same 'exec: who reads no more is no error' '141 ' "$(cat status) $(cat err)"
expect 'exec: a full disk' 125 '^azswarm: exec: writing what came: No space left' sh -c '"$AZSWARM" exec "$1" echo 1 >/dev/full' - "$task"
same 'exec: without a standard input' hi "$("$AZSWARM" exec "$task" echo hi 2>&1 <&-)"
same 'exec: -i without one' 0 "$("$AZSWARM" exec -i "$task" cat 2>&1 <&-; echo $?)"

expect 'exec: of a service, which task it is' 0 '^shop_web[.]1 .* on master0$' "$AZSWARM" exec shop_web true
expect 'exec: of a global one' 0 '^all .* on master0$' "$AZSWARM" exec all true
expect 'exec: by its slot' 0 '^shop_web[.]2[.]' "$AZSWARM" exec shop_web.2 sh -c 'echo shop_web.2.'
same 'exec: by its slot: says no more' 1 "$(wc -l <out)"
expect 'exec: by its node' 0 here "$AZSWARM" exec "all.$(docker node ls -q)" echo here
expect 'exec: --' 0 '^-it$' "$AZSWARM" exec -- shop_web.1 echo -it
expect 'exec: -- behind its name' 0 '^-it$' "$AZSWARM" exec shop_web.1 -- echo -it
expect 'exec: nobody of that name' 125 'did you mean shop_web[?]$' "$AZSWARM" exec shop_wbe true
expect 'exec: no task runs' 125 'no task of once runs' "$AZSWARM" exec once true
expect 'exec: a slot that nobody has' 125 'no service or task "shop_web.9"' "$AZSWARM" exec shop_web.9 true
expect 'exec: -e without a value' 125 'expected NAME=VALUE' "$AZSWARM" exec -e HOME shop_web env
expect 'exec: -it without a terminal' 125 'standard input is no terminal' "$AZSWARM" exec -it shop_web sh
expect 'exec: --print-requests shows nothing of it' 5 'POST .*/exec$' \
	"$AZSWARM" exec --print-requests -e A=hunter2 shop_web echo hunter3
check 'exec: neither arguments nor variables' sh -c '! grep -q "hunter[23]" out'
AZSWARM_LOG=$PWD/log "$AZSWARM" exec -e A=hunter2 shop_web echo hunter3 >out 2>&1
check 'exec: nor does a log' sh -c '! grep -q "hunter[23]" log && grep -q "POST .*/exec/.*/start" log'
spawn err "$AZSWARM" exec shop_web.1 sleep 100
sleep 2
kill -INT "$spawned"
wait "$spawned"
same 'exec: interrupted' '130 azswarm: exec: interrupted' "$? $(cat err)"

# ---- a terminal ----

cat >terminal.py <<'END'
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
said = b''
def until(word):
    global said
    end = time.time() + 30
    while word not in said:
        if not select.select([fd], [], [], max(0, end - time.time()))[0]:
            sys.exit('no %r in %r' % (word, said))
        try:
            got = os.read(fd, 4096)
        except OSError:
            got = b''
        if not got:
            break
        said += got
def size(rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
before = termios.tcgetattr(fd)
size(31, 101)
until(b'# ')
os.write(fd, b'while [ "$(stty size)" != "31 101" ]; do :; done; echo one""size\r')
until(b'onesize')
size(40, 120)
os.write(fd, b'while [ "$(stty size)" != "40 120" ]; do :; done; echo other""size\r')
until(b'othersize')
os.write(fd, b'sleep 100\r')
time.sleep(1)
os.write(fd, b'\x03')		# the command's, not ours
os.write(fd, b'echo was"" $?\r')
until(b'was 130')
if sys.argv[1] == 'exit':
    os.write(fd, b'exit 42\r')
else:
    os.kill(pid, int(sys.argv[1]))
_, status = os.waitpid(pid, 0)
until(b'never')
print(os.waitstatus_to_exitcode(status), 'restored' if termios.tcgetattr(fd) == before else 'raw')
END
# a terminal is looked at as long as somebody has it open
for how in 'exit 42' '15 130' '9 -9'; do
	same "exec -it: its size, Ctrl-C, the end by ${how% *}" "${how#* } restored" \
		"$(sh -c 'exec 9<>/dev/null; timeout 100 python3 terminal.py "$@"' - "${how% *}" "$AZSWARM" exec -it shop_web.1 sh 2>&1)"
done

# ---- it goes away ----

spawn out "$AZSWARM" exec -i counts sleep 100
killed=$spawned
sleep 2
docker kill "$(docker ps -q -f name=counts)" >/dev/null
wait "$killed"
same 'exec: its container is killed' 137 $?
spawn out "$AZSWARM" exec shop_web.1 sleep 100
broken=$spawned
sleep 2
for p in $(pgrep -x sshd); do
	[ "$p" = "$(cat sshd.pid)" ] || kill "$p"
done
wait "$broken"
same 'exec: the connection breaks' 125 $?
check 'exec: which is said' grep -q '^azswarm: exec: .*hung up' out
