# The README's examples run as they stand there: the part between
# "<!-- run: paper -->" and "<!-- end -->" is typed into a shell, in an empty
# directory, with azswarm in the PATH.
# time: 120
. "$SRCDIR/tests/lib.sh"

mkdir bin home
ln -s "$AZSWARM" bin/azswarm
export PATH="$PWD/bin:$PATH" HOME="$PWD/home"

sed -n '/^<!-- run: paper -->$/,/^<!-- end -->$/p' "$SRCDIR/README.md" |
	sed -n 's/^    //p' >example
[ -s example ] || not_ok example 'the README has none'

# A person waits for "ready" before going on; so does this.
{
	echo 'set -e'
	echo "trap 'kill \$! 2>/dev/null; wait' EXIT"
	while IFS= read -r line; do
		printf '%s\n' "$line"
		case $line in
		*'emulator '*'&'*)
			echo 'for i in $(seq 100); do [ -e azure/env ] && [ -s ready ] && break; sleep 0.1; done' ;;
		esac
	done <example
} | sed 's/^\(azswarm emulator [^&#]*\)&.*/\1--listen 127.0.0.1:0 >ready 2>emulator.err \&/' >script
if sh script >out 2>&1; then
	ok 'five minutes on the local Azure'
else
	not_ok 'five minutes on the local Azure' "$(tail -n 5 out | tr '\n' ' ')"
fi
for word in 'deployment cli-eastus finished' '4 agents' 'agents-lb' 'nothing of it is left'; do
	check "says: $word" grep -q "$word" out
done

# every command of the table is one, and every command is in the table
listed=$(sed -n 's/^| `\([a-z]*[^|]*\)` |.*/\1/p' "$SRCDIR/README.md" |
	tr ',`' '\n\n' | sed 's/^ *//; s/[ -]N$//; s/ .*//' | grep -E '^[a-z-]+$' | sort -u)
known=$("$AZSWARM" help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | sort -u)
for c in $known; do
	check "README names $c" sh -c "printf '%s\n' '$listed' | grep -qx -- '$c'"
done
# and so is every setting
for v in $("$AZSWARM" help settings | sed -n 's/^  \([A-Z_]*\) .*/\1/p'); do
	check "README names $v" grep -q "$v" "$SRCDIR/README.md"
done

exit $((test_failures != 0))
