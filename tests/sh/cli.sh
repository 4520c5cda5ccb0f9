# The command line as a person meets it: tests/cli/NAME.cmd are commands, one
# a line, NAME.out is what they print and how they end.  After a change that
# is meant, write the .out files anew and read the difference:
#
#	SRCDIR=$PWD AZSWARM=$PWD/azswarm sh tests/sh/cli.sh write
#
# time: 300
. "$SRCDIR/tests/lib.sh"
need ssh-keygen openssl script

top=$(mktemp -d ./cli.XXXXXX) || exit 1
top=$(cd "$top" && pwd)
at_exit "rm -rf '$top'"
mkdir "$top/bin"
ln -s "$AZSWARM" "$top/bin/azswarm"

# Run a line in a folder, with an environment of nothing.  Its exports stay
# for the lines behind it.
play()		# LINE
{
	printf '$ %s\n' "$1"
	play_status=0
	bare PATH="$top/bin:/usr/bin:/bin" HOME="$PWD/../home" LC_ALL=C sh -c "$exports $1" \
		>../stdout 2>../stderr </dev/null || play_status=$?
	# a last line without an end keeps its own
	sed 's/^/1| /' ../stdout
	[ ! -s ../stdout ] || [ -z "$(tail -c 1 ../stdout)" ] || echo
	sed 's/^/2| /' ../stderr
	[ ! -s ../stderr ] || [ -z "$(tail -c 1 ../stderr)" ] || echo
	[ $play_status -eq 0 ] || echo "[exit $play_status]"
}

# The nth block of a .out file.
block()		# N FILE
{
	awk -v n="$1" '/^\$ / { k++ } k == n' "$2" 2>/dev/null
}

golden()	# FILE.cmd
{
	golden_name=$(basename "$1" .cmd)
	golden_out=${1%.cmd}.out
	golden_n=0
	exports=
	mkdir "$top/$golden_name" "$top/$golden_name/here" "$top/$golden_name/home"
	cd "$top/$golden_name/here" || exit 1
	: >../all
	while IFS= read -r golden_line || [ -n "$golden_line" ]; do
		case $golden_line in
		'' | '#'*) continue ;;
		'export '*) exports="$golden_line;"; continue ;;
		esac
		golden_n=$((golden_n + 1))
		play "$golden_line" >../got
		cat ../got >>../all
		[ "$mode" = test ] || continue
		block $golden_n "$golden_out" >../want
		golden_case="$golden_name: $(printf %s "$golden_line" | tr -d '\\')"
		if cmp -s ../got ../want; then
			ok "$golden_case"
		else
			not_ok "$golden_case" \
				"$(diff ../want ../got | sed 1d | head -n 4 | tr '\n' ' ')"
		fi
	done <"$1"
	if [ "$mode" = write ]; then
		cat ../all >"$golden_out"
	else
		same "$golden_name: blocks in .out" $golden_n "$(grep -c '^\$ ' "$golden_out")"
	fi
	cd "$top" || exit 1
}

mode=${1:-test}
for f in "$SRCDIR"/tests/cli/*.cmd; do
	golden "$f"
done
[ "$mode" = test ] || exit 0

# Every command of the usage has its page among the golden ones.
cd "$top" || exit 1
for c in $("$AZSWARM" help | sed -n 's/^  \([a-z-]*\) .*/\1/p'); do
	check "golden page of $c" grep -qx "\$ azswarm help $c" "$SRCDIR/tests/cli/help.out"
	check "page of $c in help.txt or on one line" test "$("$AZSWARM" help "$c" | wc -l)" -ge 3
done

# ---- version ---------------------------------------------------------------
mkdir "$top/version" && cd "$top/version" || exit 1
expect "version" 0 '^azswarm [0-9]+\.[0-9]+\.[0-9]+' "$AZSWARM" version
check "version names commit, compiler, libraries" \
	sh -c 'grep -q "^commit ." out && grep -q "^compiler ." out && grep -q "^BearSSL [0-9]" out &&
		grep -q "^cJSON [0-9]" out && grep -q "^libyaml [0-9]" out'
expect "--version is the same" 0 '^azswarm ' "$AZSWARM" --version
expect "a word of 100 KB" 2 'there is no command "xxxx' "$AZSWARM" "$(head -c 100000 /dev/zero | tr '\0' x)"

# ---- where output goes -----------------------------------------------------
# A full or closed stdout is an error, and never another file.
for c in version help 'help settings'; do
	expect "$c: full disk" 1 "standard output: No space left on device" \
		sh -c "'$AZSWARM' $c >/dev/full"
	expect "$c: closed stdout" 1 "standard output: Bad file descriptor" \
		sh -c "'$AZSWARM' $c >&-"
	expect "$c: everything closed" 1 '' sh -c "exec '$AZSWARM' $c <&- >&- 2>&-"
done
expect "a pipe that nobody reads" 1 'standard output: Broken pipe' \
	sh -c "{ sleep 0.2; '$AZSWARM' help settings; echo \$? >status; } | :
		until [ -s status ]; do sleep 0.1; done; exit \$(cat status)"
"$AZSWARM" help >stdout 2>stderr
check "help goes to stdout" test -s stdout -a ! -s stderr
"$AZSWARM" >stdout 2>stderr || :
check "usage after a mistake goes to stderr" test -s stderr -a ! -s stdout
"$AZSWARM" help frobnicate >stdout 2>stderr || :
check "errors go to stderr" test -s stderr -a ! -s stdout

# ---- keys ------------------------------------------------------------------
mkdir "$top/keys" && cd "$top/keys" || exit 1
all='backup.key cluster.pem cluster.pub helper.key host-agent-rsa.pem host-agent-rsa.pub host-agent.pem
host-agent.pub host-master-rsa.pem host-master-rsa.pub host-master.pem host-master.pub
known_hosts manager.secret worker.secret'

sh -c "umask 0; exec '$AZSWARM' keys" >stdout 2>stderr
same "keys: exit code" 0 $?
check "keys: says so on stderr, nothing on stdout" \
	sh -c 'test ! -s stdout && grep -qx "keys/cluster.pem made" stderr && test $(wc -l <stderr) -eq 15'
same "keys: files" "$(echo $all)" "$(echo $(ls keys))"
same "keys: folder's mode" 700 "$(stat -c %a keys)"
for f in $all; do
	case $f in *.pub | known_hosts) mode=644 ;; *) mode=600 ;; esac
	same "keys: mode of $f" $mode "$(stat -c %a keys/$f)"
done
(cd keys && sha256sum $all) >before
expect "keys: again" 0 'keys/cluster.pem is there already, kept' "$AZSWARM" keys
(cd keys && sha256sum $all) >after
check "keys: again, the same bytes" cmp before after
cp keys/cluster.pub pub && rm keys/cluster.pub keys/worker.secret
expect "keys: what is missing is made" 0 'keys/worker.secret made' "$AZSWARM" keys
check "keys: the public half comes back the same" cmp pub keys/cluster.pub
check "keys: another secret" sh -c '! grep -q "$(sha256sum <keys/worker.secret | cut -d " " -f 1)" before'

public()	# FILE: what ssh-keygen makes of the private half
{
	ssh-keygen -y -P '' -f "$1" | cut -d ' ' -f 1,2
}
for f in cluster host-master host-master-rsa host-agent host-agent-rsa; do
	same "ssh-keygen: $f.pem and $f.pub belong together" "$(public keys/$f.pem)" \
		"$(cut -d ' ' -f 1,2 keys/$f.pub)"
done
check "ssh-keygen: RSA-3072" sh -c 'ssh-keygen -l -f keys/cluster.pub | grep -q "^3072 .*(RSA)"'
check "ssh-keygen: ECDSA-256" sh -c 'ssh-keygen -l -f keys/host-master.pub | grep -q "^256 .*(ECDSA)"'
check "ssh-keygen: RSA-2048" sh -c 'ssh-keygen -l -f keys/host-agent-rsa.pub | grep -q "^2048 .*(RSA)"'
# made by an older program: no RSA host keys, and the rest is what machines have
(cd keys && rm host-*-rsa.* known_hosts && ls | xargs sha256sum) >older
expect "keys: an older folder gets what it lacks" 0 'keys/host-master-rsa.pem made' "$AZSWARM" keys
check "keys: and keeps the rest" sh -c 'cd keys && sha256sum --status -c ../older'
expect "keys: known_hosts is made of them" 0 "$(ssh-keygen -lf keys/host-agent-rsa.pub | cut -d ' ' -f 2 | sed 's/[+.]/[&]/g')" \
	ssh-keygen -l -F agents000001 -f keys/known_hosts
for host in master0 swarm-cluster-master2.eastus.cloudapp.azure.com; do
	same "ssh-keygen: known_hosts has both keys of $host" \
		"$(cat keys/host-master.pub keys/host-master-rsa.pub | cut -d ' ' -f 2)" \
		"$(ssh-keygen -F $host -f keys/known_hosts | grep -v '^#' | cut -d ' ' -f 3)"
done
same "ssh-keygen: and no others" "" "$(ssh-keygen -F example.com -f keys/known_hosts)"
cp keys/known_hosts known && echo "* ssh-rsa AAAA" >>keys/known_hosts
expect "keys: known_hosts says what the keys say" 0 'keys/known_hosts made' "$AZSWARM" keys
check "keys: the same as before" cmp known keys/known_hosts
check "ssh-keygen: signs with it" sh -c 'echo hello >m &&
	cp -p keys/cluster.pem k && cp keys/cluster.pub k.pub &&
	ssh-keygen -q -Y sign -n t -f k m &&
	echo "a $(cat keys/cluster.pub)" >allowed &&
	ssh-keygen -q -Y verify -f allowed -I a -n t -s m.sig <m'
check "openssl: the RSA key is sound" openssl pkey -in keys/cluster.pem -check -noout
check "openssl: the helper's key is sound" openssl pkey -in keys/helper.key -check -noout
check "helper and hosts have different keys" \
	sh -c 'test $(cat keys/helper.key keys/host-master.pem keys/host-agent.pem | sort | uniq -d |
		grep -v -e "^-----" -c) -lt 2 && ! cmp -s keys/helper.key keys/host-master.pem &&
		! cmp -s keys/host-master.pem keys/host-agent.pem'
check "secrets: 64 hexadecimal digits, two of them" \
	sh -c 'grep -Exq "[0-9a-f]{64}" keys/worker.secret && grep -Exq "[0-9a-f]{64}" keys/manager.secret &&
		! cmp -s keys/worker.secret keys/manager.secret'
check "no key on stdout or stderr" sh -c '! grep -q -f keys/worker.secret -e BEGIN stdout stderr'

mkdir ../keys2 && cd ../keys2 || exit 1
expect "keys: another user, --quiet" 0 "" "$AZSWARM" keys --admin-username boss --quiet
same "keys: --quiet says nothing" "" "$(cat out)"
check "keys: of that name" test -s keys/boss.pem -a -s keys/boss.pub
check "keys: others' keys are others" sh -c '! cmp -s keys/helper.key ../keys/keys/helper.key'
mkdir ../keys3 && cd ../keys3 || exit 1
expect "OWN_KEY=true" 0 'keys/helper.key made' env OWN_KEY=true "$AZSWARM" keys
check "OWN_KEY=true: no key of ours to sign in" test ! -e keys/cluster.pem -a ! -e keys/cluster.pub
mkdir ../keys4 && cd ../keys4 || exit 1
: >keys
expect "keys: a file is in the way" 1 'azswarm: keys: .*keys' "$AZSWARM" keys
rm keys
ln -s nowhere keys
expect "keys: a dangling link is in the way" 1 'azswarm: keys: .*keys' "$AZSWARM" keys
rm keys
mkdir keys
echo hello >keys/cluster.pem
chmod 640 keys/cluster.pem
expect "keys: a private key that others may read" 1 \
	"others may read or write keys/cluster.pem, mode 0640; 'chmod 600 keys/cluster.pem'$" "$AZSWARM" keys
check "keys: ... what it says to do" chmod 600 keys/cluster.pem
expect "keys: a private key that is none" 1 'keys/cluster.pub: ' "$AZSWARM" keys
same "keys: ... is kept" hello "$(cat keys/cluster.pem)"
chmod 777 keys
expect "keys: a folder that others may write to" 1 "others may write to keys, mode 0777; 'chmod 700 keys'$" "$AZSWARM" keys
mkdir ../keys5 && cd ../keys5 || exit 1
expect "keys: closed stdout does not matter" 0 '' sh -c "exec '$AZSWARM' keys --quiet <&- >&-"
check "keys: ... and harms no file" openssl pkey -in keys/helper.key -check -noout
mkdir ../keys6 && cd ../keys6 || exit 1
expect "keys: an empty environment" 0 'keys/cluster.pem made' bare "$AZSWARM" keys
expect "an empty environment: sign-in" 4 'not signed in' bare "$AZSWARM" locations
expect "an empty environment: version" 0 '^azswarm ' bare "$AZSWARM" version

# ---- on a terminal -----------------------------------------------------------
mkdir "$top/tty" && cd "$top/tty" || exit 1
export AZURE_TENANT_ID=t AZURE_CLIENT_ID=c AZURE_CLIENT_SECRET=hunter2 AZURE_SUBSCRIPTION_ID=s
# discard: nobody listens there
export AZURE_RESOURCE_MANAGER_ENDPOINT=https://127.0.0.1:9 AZURE_AUTHORITY_HOST=https://127.0.0.1:9
export XDG_CACHE_HOME="$PWD/cache" TERM=xterm

typed()		# WORDS COMMAND: what a terminal shows, and the exit code in $?
{
	printf "$1" | script -qefc "$2" /dev/null
}
typed 'wrong\n' "'$AZSWARM' destroy-compute" >out
same "terminal: another name typed, exit code" 2 $?
check "terminal: asks, and says what it would do" grep -q \
	'This destroys every machine and the network in resource group swarm-cluster.  Type swarm-cluster to go on: ' out
check "terminal: another name typed" grep -q '"wrong" is not "swarm-cluster"; nothing was destroyed' out
typed '\n' "'$AZSWARM' destroy-storage" >out
same "terminal: nothing typed, exit code" 2 $?
check "terminal: nothing typed" grep -q '"" is not "swarm-storage"; nothing was destroyed' out
typed '\004' "'$AZSWARM' destroy-cluster" >out
same "terminal: end typed, exit code" 2 $?
check "terminal: end typed" grep -q '"" is not "swarm-cluster"; nothing was destroyed' out
sleep 6 | script -qefc "timeout --foreground --preserve-status -s INT 4 \
	'$AZSWARM' destroy-compute" /dev/null >out
same "terminal: Ctrl-C at the question, exit code" 130 $?
check "terminal: Ctrl-C at the question" grep -q 'interrupted; nothing was destroyed' out

# A token from an earlier day, so that it is Resource Manager that is not there.
mkdir -p cache/azswarm
printf '{"tokens":[{"credential":"EnvironmentCredential","authority":"%s","tenant":"t","client":"c",
	"scope":"%s/.default","token":"x","expires_on":%s}]}' \
	$AZURE_AUTHORITY_HOST $AZURE_RESOURCE_MANAGER_ENDPOINT $(($(date +%s) + 3600)) >cache/azswarm/tokens.json
esc=$(printf '\033')
wait_on()	# FILE FLAGS ENV...: four seconds of waiting on a terminal
{
	wait_file=$1 wait_flags=$2
	shift 2
	script -qefc "env $* timeout --foreground --preserve-status -s INT 4 \
		'$AZSWARM' locations $wait_flags; echo status \$?" /dev/null >"$wait_file" </dev/null
}
wait_on colored '' A=b &
wait_on plain '' NO_COLOR=1 &
wait_on empty_no_color '' NO_COLOR= &
wait_on dumb '' TERM=dumb &
wait_on flag --no-color FORCE_COLOR=1 &
wait_on forced_dumb '' TERM=dumb FORCE_COLOR=1 &
wait_on forced_0 '' FORCE_COLOR=0 &
wait_on both '' FORCE_COLOR=1 NO_COLOR=1 &
timeout --preserve-status -s INT 4 "$AZSWARM" locations >stdout 2>piped
same "interrupted: exit code" 130 $?
wait
check "waiting: is shown" grep -q "waiting for a new connection to Azure ([0-9] s)" colored
check "waiting: in color" grep -q "$esc\[2mwaiting" colored
check "waiting: the line is taken away" grep -q "$esc\[K" colored
check "waiting: an empty NO_COLOR is none" grep -q "$esc\[2mwaiting" empty_no_color
check "NO_COLOR: waiting is shown" grep -q "waiting for" plain
check "NO_COLOR: no color" sh -c "! grep -q '$esc\[[0-9]*m' plain"
check "TERM=dumb: no escapes" sh -c "grep -q 'waiting for' dumb && ! grep -q '$esc' dumb"
for f in flag forced_0 both; do
	check "$f: waiting is shown" grep -q "waiting for" $f
	check "$f: no color" sh -c "! grep -q '$esc\[[0-9]*m' $f"
done
check "FORCE_COLOR, TERM=dumb: no line is rewritten" sh -c "! grep -q '$esc\[K' forced_dumb"
check "no terminal: no escapes" sh -c "grep -q 'waiting for' piped && ! grep -q '$esc' piped"
check "no terminal: says why it waits" grep -q '127.0.0.1.*; trying again' piped
check "no terminal: nothing on stdout" test ! -s stdout
check "interrupted: says so" grep -q '^azswarm: locations: locations: interrupted$' piped
for f in colored plain dumb; do
	check "interrupted on a terminal ($f): exit code" grep -q '^status 130' $f
done
check "no secret in what was said" sh -c '! grep -q hunter2 colored plain dumb piped'
