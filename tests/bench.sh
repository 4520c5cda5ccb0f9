#!/bin/sh
# Our SSH client against OpenSSH's, on one sshd, with one cipher, in one run:
# how many times as long ours takes.  A ratio is what machines agree on;
# seconds are not.  Turns alternate, and the fastest of each counts.  Not a part of
# `make test`.
#
#	tests/bench.sh
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."
top=$PWD
. tests/bench_rows.sh
tool=$PWD/build/bench/ssh_tool
turns=4 megabytes=200 execs=10

dir=$(mktemp -d "${TMPDIR:-/tmp}/azswarm-bench.XXXXXX")
pids=
finish()
{
	trap - EXIT INT TERM HUP
	for pid in $pids; do kill "$pid" 2>/dev/null || :; done
	wait 2>/dev/null || :
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
cd "$dir"
me=$(id -un)

for name in host user; do
	ssh-keygen -q -t ecdsa -b 256 -N '' -C '' -f $name
done
free_port()
{
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
port=$(free_port)
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
cat >conf <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $dir/host
AuthorizedKeysFile $dir/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
MaxStartups 100
EOF
"$(command -v sshd)" -D -e -f conf 2>sshd.log & pids="$pids $!"
mkdir web
truncate -s ${megabytes}M web/file
web=$(free_port)
python3 -m http.server -b 127.0.0.1 -d web "$web" >web.log 2>&1 & pids="$pids $!"

printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 host.pub)" >known_hosts
# files and not functions: what runs in the background is then the program
cat >theirs <<EOF
#!/bin/sh
exec ssh -F none -p $port -i user -o BatchMode=yes -o UserKnownHostsFile=known_hosts \\
	-c \${cipher:-aes128-gcm@openssh.com} -o LogLevel=ERROR -o IdentitiesOnly=yes "\$@"
EOF
cat >ours <<EOF
#!/bin/sh
exec '$tool' -u '$me' -H host.pub -k user -d 600 $port "\$@"
EOF
chmod 755 ours theirs
n=0
until ./ours exec true </dev/null 2>/dev/null; do
	n=$((n + 1))
	[ $n -lt 50 ] || { echo 'bench: sshd does not answer' >&2; cat sshd.log >&2; exit 1; }
	sleep 0.1
done

# both forwards stay for the whole run
./ours forward ours.port "$web" 2>ours.log & pids="$pids $!"
their_port=$(free_port)
./theirs -N -o ExitOnForwardFailure=yes -L "127.0.0.1:$their_port:127.0.0.1:$web" 127.0.0.1 2>theirs.log & pids="$pids $!"
fetch()		# PORT
{
	got=$(curl -sS -m 120 -o /dev/null -w '%{size_download}' "http://127.0.0.1:$1/file") &&
		[ "$got" -eq $((megabytes * 1048576)) ] || { echo "bench: $got bytes came" >&2; exit 1; }
}
n=0
until [ -s ours.port ] && curl -s -o /dev/null "http://127.0.0.1:$(cat ours.port)/" &&
      curl -s -o /dev/null "http://127.0.0.1:$their_port/"; do
	n=$((n + 1))
	[ $n -lt 50 ] || { echo 'bench: no forward' >&2; cat ours.log theirs.log >&2; exit 1; }
	sleep 0.1
done

# round trips: connect, sign in, run, end
exec_ours()	{ for _ in $(seq $execs); do ./ours exec true </dev/null; done; }
exec_theirs()	{ for _ in $(seq $execs); do ./theirs -n 127.0.0.1 true; done; }
out_ours()	{ ./ours exec "head -c ${megabytes}M /dev/zero" </dev/null >/dev/null; }
out_theirs()	{ ./theirs -n 127.0.0.1 "head -c ${megabytes}M /dev/zero" >/dev/null; }
in_ours()	{ head -c ${megabytes}M /dev/zero | ./ours exec 'cat >/dev/null'; }
in_theirs()	{ head -c ${megabytes}M /dev/zero | ./theirs 127.0.0.1 'cat >/dev/null'; }
forward_ours()	{ fetch "$(cat ours.port)"; }
forward_theirs() { fetch "$their_port"; }

clock()		# COMMAND: milliseconds
{
	clock_at=$(date +%s%N)
	"$@"
	echo $((($(date +%s%N) - clock_at) / 1000000))
}
compare()	# NAME WHAT TIMES
{
	best_o= best_t=
	for _ in $(seq $turns); do
		o=$(clock "$2_ours") && t=$(clock "$2_theirs")
		[ -n "$best_o" ] && [ "$best_o" -le "$o" ] || best_o=$o
		[ -n "$best_t" ] && [ "$best_t" -le "$t" ] || best_t=$t
	done
	row "$1" "$(awk -v v="$best_o" -v n="$3" 'BEGIN { printf "%.1f", v / n }')" \
		"$(awk -v v="$best_t" -v n="$3" 'BEGIN { printf "%.1f", v / n }')" ms
}

echo "ours: $(./ours algorithms)"
echo "theirs: $(./theirs -v -n 127.0.0.1 true 2>&1 | sed -n 's/.*kex: server->client cipher: \([^ ]*\) .*/\1/p'), $(ssh -V 2>&1)"
head_row 'SSH, theirs is OpenSSH'
compare 'connect, sign in, run true' exec $execs
compare "$megabytes MB out of a command" out 1
compare "$megabytes MB into a command" in 1
compare "$megabytes MB through a forward" forward 1
