# The manual page: mandoc finds nothing wrong with it, and what it sets of it is
# what 'azswarm help' says.
# time: 60
. "$SRCDIR/tests/lib.sh"
need mandoc

expect "it is printed" 0 '^[.]Dt AZSWARM 1$' "$AZSWARM" man
cp out azswarm.1
same "mandoc -Tlint, of warnings" '' "$(mandoc -Tlint -W warning azswarm.1 2>&1 | head -n 3 | xargs)"
check "and a mistake would be one" sh -c '{ cat azswarm.1; echo .El; } >bad.1; ! mandoc -Tlint -W warning bad.1 >/dev/null'
if command -v groff >/dev/null 2>&1; then
	same "groff, with all its warnings" '' "$(groff -mdoc -ww -Tascii azswarm.1 2>&1 >/dev/null | head -n 3 | xargs)"
else
	skip "groff, with all its warnings" "no groff here"
fi

# Every page of help, word by word; lines are broken elsewhere.
mandoc -Tascii azswarm.1 | sed 's/.\x08//g' | xargs -d '\n' | tr -s ' ' >words
in_page()	# CASE TEXT
{
	in_page_words=$(printf %s "$2" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//')
	if grep -qF -- "$in_page_words" words; then
		ok "$1"
	else
		not_ok "$1" "not there: $(printf %s "$in_page_words" | head -c 200)"
	fi
}
listed=$("$AZSWARM" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p')
check "commands are looked at" test "$(echo "$listed" | wc -l)" -gt 40
for c in $listed; do
	"$AZSWARM" help "$c" >help
	in_page "$c: usage" "$(sed -n '1s/^usage: azswarm //p' help)"
	# without usage and summary; where there is no more, the summary is it
	text=$(sed 1,4d help)
	[ -n "$text" ] || text=$(sed -n '3s/^.//p' help)
	in_page "$c: text" "$text"
done
for topic in first-steps flags files exit-codes sign-in azswarm; do
	in_page "help $topic" "$("$AZSWARM" help $topic)"
done
"$AZSWARM" help settings | sed -n 's/^  \([A-Z][A-Z_]* .*\)/\1/p' >settings
check "settings are looked at" test "$(wc -l <settings)" -gt 30
while IFS= read -r line; do
	in_page "setting ${line%% *}" "$line"
done <settings
