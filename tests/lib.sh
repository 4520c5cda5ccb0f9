# What every tests/sh/*.sh has in common.  First line of a test:
#
#	. "$SRCDIR/tests/lib.sh"
#
# tests/run gives it an empty current directory of its own, AZSWARM (the
# program), SRCDIR, and a HOME and TMPDIR in that directory.  A test prints
# 'ok NAME case', 'not ok NAME case: why', 'skip NAME case: why'; these
# functions do.  It goes on after a failed case; its exit code tells.
set -u

# No test asks the machine it runs on who it is (sh/metadata); nor when it is
# run without tests/run.
export AZURE_POD_IDENTITY_AUTHORITY_HOST="${AZURE_POD_IDENTITY_AUTHORITY_HOST:-http://127.0.0.1:9}"

test_name=$(basename "$0" .sh)
test_failures=0
test_pids=
test_at_exit=

ok()		# CASE
{
	echo "ok $test_name $1"
}

not_ok()	# CASE WHY
{
	echo "not ok $test_name $1: ${2:-failed}"
	test_failures=$((test_failures + 1))
}

skip()		# CASE WHY
{
	echo "skip $test_name $1: $2"
}

skip_all()	# WHY
{
	skip all "$1"
	exit 0
}

need()		# COMMAND... : without them the test has nothing to say
{
	for need_c in "$@"; do
		command -v "$need_c" >/dev/null 2>&1 || skip_all "no $need_c here"
	done
}

need_root()
{
	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
}

# The npm packages that tests/npm/SET names, from its lock file, installed once
# for all tests.  NODE_PATH has them, for require().
npm_modules()	# SET
{
	need node npm
	NODE_PATH=$("$SRCDIR/tests/npm.sh" "$1" 2>npm.err) ||
		skip_all "npm gave nothing: $(tail -n 1 npm.err)"
	export NODE_PATH
}

# must CASE COMMAND...: for a test, the rest of which makes no sense without it
must()
{
	must_case=$1
	shift
	if "$@" >out 2>&1 </dev/null; then
		ok "$must_case"
	else
		not_ok "$must_case" "$(tail -n 8 out | tr '\n' ' ')"
		[ -z "${azure_dir:-}" ] || tail -n 40 "$azure_dir/emulator.log"
		exit 1
	fi
}

# Run a command; the case holds when its exit code is STATUS and the extended
# regular expression is found in what it printed (stdout and stderr, kept in
# ./out; '' asks for nothing).
expect()	# CASE STATUS ERE COMMAND...
{
	expect_case=$1 expect_status=$2 expect_re=$3
	shift 3
	expect_got=0
	"$@" >out 2>&1 </dev/null || expect_got=$?
	if [ "$expect_got" -ne "$expect_status" ]; then
		not_ok "$expect_case" "exit $expect_got, not $expect_status: $(head -c 300 out | tr '\n' ' ')"
	elif [ -n "$expect_re" ] && ! grep -qE -e "$expect_re" out; then
		not_ok "$expect_case" "no '$expect_re' in: $(head -c 300 out | tr '\n' ' ')"
	else
		ok "$expect_case"
	fi
}

# The case holds when the command succeeds; its output is the why.
check()		# CASE COMMAND...
{
	check_case=$1
	shift
	if check_out=$("$@" 2>&1 </dev/null); then
		ok "$check_case"
	else
		not_ok "$check_case" "$(printf '%s' "${check_out:-$1 failed}" | head -c 300 | tr '\n' ' ')"
	fi
}

# Run a command with an environment of nothing, but for what keeps it from the
# metadata service of the machine.
bare()		# [NAME=VALUE...] COMMAND...
{
	env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 "$@"
}

# The case holds when two texts are the same.
same()		# CASE WANTED GOT
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "wanted '$2', got '$3'"
	fi
}

# A number may be another process's by now; with its time of birth it is not.
born()		# PID: sets $born, empty when there is none
{
	born=
	read -r born_stat 2>/dev/null <"/proc/$1/stat" || return 1
	# shellcheck disable=SC2086
	set -- ${born_stat##*) }
	born=${20}
}

# Start in the background; its pid is in $spawned, its output in LOG, and it
# is ended when the test ends, however that is.
spawn()		# LOG COMMAND...
{
	spawn_log=$1
	shift
	"$@" >"$spawn_log" 2>&1 </dev/null &
	spawned=$!
	born $spawned
	eval "test_born_$spawned=$born"
	test_pids="$spawned $test_pids"
}

# A zombie is only waiting to be asked, it does not run.
running()	# PID
{
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | [ZX]*) return 1 ;;
	esac
}

# Is it still what spawn started?
ours()		# PID
{
	born "$1" && eval "[ \"\${test_born_$1-}\" = $born ]"
}

# End what spawn started; 20 s to go quietly.
reap()		# PID
{
	reap_n=0
	while ours "$1" && running "$1" && [ $reap_n -lt 200 ]; do
		# once more after 10 s: a shell that has not yet become the
		# command loses a signal, and a second one does not wait for
		# what is still to be saved
		[ $((reap_n % 100)) -ne 0 ] || kill "$1" 2>/dev/null || :
		reap_n=$((reap_n + 1))
		sleep 0.1
	done
	if ours "$1"; then
		kill -9 "$1" 2>/dev/null || :
	elif running "$1"; then
		return 0	# may not be ended, so would be waited for without end
	fi
	wait "$1" 2>/dev/null || :
}

# Make something in this tree.  One at a time: two would write the same files, and
# want the same lock of apt's.
here_make()	# ARGUMENTS...
(
	unset MAKEFLAGS MFLAGS MAKELEVEL
	exec flock -o "$SRCDIR/build" make --no-print-directory -C "$SRCDIR" "$@"
)

# The same, without which a test makes no sense.
must_make()	# TARGET...
{
	here_make -s "$@" >make.log 2>&1 && return
	not_ok build "$(tail -n 5 make.log | tr '\n' ' ')"
	exit 1
}

# The local Azure, in ./azure, and who is asking it; its pid is in $spawned.
azure_here()
{
	spawn emulator.log "$AZSWARM" emulator --dir "$PWD/azure"
	if ! wait_for 30 grep -q '^ready ' emulator.log; then
		not_ok start "the local Azure did not start: $(cat emulator.log)"
		exit 1
	fi
	. azure/env
}

# A port that nobody has, just now.
free_port()
{
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Try a command ten times a second until it succeeds.  SECONDS are those of a
# quiet machine; a busy one may take six times as long.  This bounds hanging:
# that something is quick is never shown with it.
wait_for()	# SECONDS COMMAND...
{
	wait_n=$(($1 * 60))
	shift
	until "$@" >/dev/null 2>&1; do
		wait_n=$((wait_n - 1))
		[ $wait_n -gt 0 ] || return 1
		sleep 0.1
	done
}

# That something is quick is shown by the best of ten tries, for this machine
# may have much else to do: $least is the smallest number that the command
# printed; one below LIMIT is enough.
least()		# LIMIT COMMAND...
{
	least_limit=$1 least_n=0 least=
	shift
	while [ $least_n -lt 10 ] && [ "${least:-$least_limit}" -ge "$least_limit" ]; do
		least_n=$((least_n + 1))
		least_got=$("$@")
		[ "$least_got" -gt "${least:-$least_got}" ] || least=$least_got
	done
}

# Commands for the end of the test, last given first run.
at_exit()	# COMMAND
{
	test_at_exit="$1
$test_at_exit"
}

test_end()
{
	test_status=$?
	trap - EXIT
	trap '' INT TERM HUP
	eval "$test_at_exit"
	for test_pid in $test_pids; do
		reap "$test_pid"
	done
	[ "$test_status" -ne 0 ] || [ "$test_failures" -eq 0 ] || test_status=1
	exit "$test_status"
}
trap test_end EXIT
trap 'exit 143' INT TERM HUP
