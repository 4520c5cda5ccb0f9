# How the sources look, so far as a test can tell: as clang-format makes them,
# 80 columns the habit, 100 the most but for a text in quotes, a tab is 8.
# time: 120
# needs: clang-format
. "$SRCDIR/tests/lib.sh"

# How many of ten thousand lines there may be today.  These only fall: whoever
# makes lines shorter takes the numbers down.
over_100=22
over_80=293

sources()
{
	cd "$SRCDIR" && find . \( -name build -o -name .git \) -prune -o -name '*.[ch]' -print
}

# 'FILE:LINE WIDTH' of each that is wider.
wider()		# WIDTH FILE...
{
	wider_than=$1
	shift
	awk -v max="$wider_than" '{
		line = $0
		gsub(/[\200-\277]/, "", line)	# a character of UTF-8 is a column
		n = 0
		while ((at = index(line, "\t")) > 0) {
			n += at - 1
			n += 8 - n % 8
			line = substr(line, at + 1)
		}
		n += length(line)
		if (n > max)
			print FILENAME ":" FNR " " n
	}' "$@"
}

at_most()	# CASE WIDTH COUNT
{
	(sources | sort | (cd "$SRCDIR" && xargs cat /dev/null) | wc -l) >lines
	(cd "$SRCDIR" && wider "$2" $(sources | sort)) >wide
	n=$(grep -c . wide)
	share=$((n * 10000 / $(cat lines)))
	if [ "$share" -le "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "$n of $(cat lines) lines, $3 of ten thousand were known; the most: $(sed 's/:.*//' wide |
			sort | uniq -c | sort -rn | head -n 5 | awk '{ print $2 " " $1 }' | tr '\n' ' ')"
	fi
	# a number that is far off keeps nothing
	[ "$share" -gt $(($3 * 9 / 10 - 1)) ] || not_ok "$1: the number falls" "$share; take $3 down to that"
}

printf '\t\t1234\n12345678\t123\n\303\244\303\266\n' >tabs.c
same "a tab is 8 columns, a character one" 'tabs.c:1 20 tabs.c:2 19 tabs.c:3 2' "$(wider 1 tabs.c | xargs)"
same "as wide as it may be" 'tabs.c:1 20' "$(wider 19 tabs.c)"
check "the sources are looked at" test "$(sources | grep -c .)" -gt 100
at_most "no more lines over 100 columns" 100 $over_100
at_most "no more lines over 80 columns" 80 $over_80
cat >long.c <<'X'
/* wide, without a text: 2345678901234567890123456789012345678901234567890123456789012345678901234567890 */
static const char *x = "wide, for a text is not broken: 90123456789012345678901234567890123456789012345";
X
over_without_text()	# FILE...
{
	wider 100 "$@" | while IFS=': ' read -r file n _; do
		sed -n "${n}p" "$file" | grep -q '"' || echo "$file:$n"
	done
}
same "a long line without a text is seen" long.c:1 "$(over_without_text long.c)"
same "no line over 100 columns but for a text" '' "$(cd "$SRCDIR" && over_without_text $(sources) | xargs)"
# .clang-format is the hand; another version of the program has another
formatted()	# FILE...
{
	clang-format --style="file:$SRCDIR/.clang-format" --dry-run -Werror "$@" 2>&1 | sed -n 's/: error:.*//p'
}
if clang-format --version | grep -q 'version 14\.'; then
	printf 'int f(void) {return 0;}
' >odd.c
	check "what is not formatted is seen" test -n "$(formatted odd.c)"
	same "clang-format has nothing to say" '' "$(cd "$SRCDIR" && formatted $(sources) | sort | head -n 5 | xargs)"
else
	skip "clang-format has nothing to say" "this is $(clang-format --version), and not 14"
fi
same "no blanks at the end of a line" '' "$(cd "$SRCDIR" && grep -lE '[ 	]$' $(sources) | xargs)"
same "every file ends with a newline" '' "$(cd "$SRCDIR" && for f in $(sources); do
	[ -z "$(tail -c 1 "$f")" ] || echo "$f"; done)"
same "no comment begins with two slashes" '' "$(cd "$SRCDIR" && grep -nE '^[ 	]*//' $(sources) | head -n 5)"
