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
# The table of settings says of each what the program says: that there is one,
# and its default, where that is a value.  A row may hold several, "A, B", with
# a default for all or one for each.
sed -n '/^## Settings$/,/^## Signing in$/p' "$SRCDIR/README.md" |
	awk -F ' *\\| *' '/^\| [A-Z]/ {
		n = split($2, names, ", ")
		split_up = split($3, defaults, ", ") == n
		for (i = 1; i <= n; i++)
			print names[i] "=" (split_up ? defaults[i] : $3)
	}' >said
"$AZSWARM" help settings >settings
sed -n 's/^  \([A-Z_]*\)  .*/\1/p' settings >names
check 'settings are looked at' test "$(wc -l <names)" -gt 20
while read -r v; do
	check "README has a row of $v" grep -q "^$v=" said
done <names
sed -n 's/^  \([A-Z_]*\) .*\[\(.*\)\]$/\1=\2/p' settings >defaults
while read -r v; do
	check "README has the default $v" grep -qxF -e "$v" said
done <defaults
# ... and of none that the program does not know
while IFS='=' read -r v _; do
	check "help settings knows the README's $v" grep -qw "$v" settings
done <said

exit $((test_failures != 0))
