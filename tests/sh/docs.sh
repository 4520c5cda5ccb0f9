# What README.md, CONTRIBUTING.md, ARCHITECTURE.md, SECURITY.md and CHANGELOG.md name is
# there: every file and folder, every test, every target of make.
# time: 120
. "$SRCDIR/tests/lib.sh"
need make git
git()
{
	command git -c safe.directory="$SRCDIR" -C "$SRCDIR" "$@"
}

# What stands in `quotes`, in ``` fences and in indented blocks, a piece a line.
code()		# FILE
{
	awk '
	/^```/ { fenced = !fenced; next }
	fenced || /^(    |\t)/ { print; next }
	{
		n = split($0, piece, "`")
		for (i = 2; i <= n; i += 2)
			print piece[i]
	}' "$1"
}

# The words of it that are paths in here: their first part is something at the
# top of the tree, or a kind of test.  Not what is made by make or by a run.
paths()		# FILE
{
	code "$1" | tr ' "(),;=<>|' '\n' | sed "s/['.:]*\$//; s/^'//; s/:[0-9]*\$//" |
		grep -xE '[A-Za-z0-9_.*-]+(/[A-Za-z0-9_.*-]*)*' | sort -u | while IFS= read -r word; do
		case $word in
		# of the folder that the operator works in
		./* | azure/env | azure/az | azure/ca.pem) continue ;;
		build/unit/* | build/replay/* | build/fuzzer/* | build/tests/* | build/warn/*) continue ;;
		build/* | NAME* | */NAME* | *...*) continue ;;
		unit/ | sh/ | fuzz/ | conformance/) word="tests/$word" ;;
		unit/*) word="tests/$word.c" ;;
		fuzz/corpus/*) word="tests/$word" ;;
		fuzz/?*) word="tests/$word.c" ;;
		sh/?* | conformance/?*) word="tests/$word.sh" ;;
		*/* | *.md | *.[ch] | *.sh | *.py | Makefile | VERSION) ;;
		*) continue ;;
		esac
		word=${word%.c.c} word=${word%.sh.sh}
		first=${word%%/*}
		if [ -e "$SRCDIR/$first" ] || [ "$word" = "$first" ]; then
			echo "$word"
		fi
	done
}

there()		# PATH, with stars perhaps; or a name that some file has
{
	for there_f in "$SRCDIR"/$1; do
		[ ! -e "$there_f" ] || return 0
	done
	case $1 in
	*/*) return 1 ;;
	*) git ls-files | grep -q "\(^\|/\)$(echo "$1" | sed 's/[.]/[.]/g; s/[*]/.*/g')\$" ;;
	esac
}

# 'make' and what is behind it, but flags and variables
targets()	# FILE
{
	code "$1" | sed 's/#.*//' | grep -oE '(^|[^a-z-])make( +[A-Za-z0-9_./=%"-]+)+' |
		sed 's/"[^"]*"//g' | tr ' ' '\n' | grep -vE '=|^-|^[^a-z]*make$|^$|NAME' | sort -u
}

# what is found in a page that is known
cat >page.md <<'P'
See `tests/unit/json.c`, `unit/json` and `sh/no-such`; `build/unit/json` is made. Not in `quotes of words`.

    make -k test T="unit/json"     # not this
    vi no/such.c tests/nothing.c
P
same "paths of a page" 'tests/nothing.c tests/sh/no-such.sh tests/unit/json.c' "$(paths page.md | sort -u | xargs)"
same "targets of a page" test "$(targets page.md)"
check "a test is there" there tests/unit/json.c
check "a name without its folder is there" there json.c
check "what is not is not" sh -c "! test -e '$SRCDIR/tests/nothing.c'"

# Rows of the table of threats that name no test in their last column; which of
# those are not there, the loop below finds, as of every page.
unproven()	# FILE
{
	sed -n '/^## Threats/,$p' "$1" | grep '^|' | sed 1,2d | awk -F ' *[|] *' '
		{ left = $(NF - 1); gsub(/`(unit|sh|fuzz)\/[a-z0-9_-]+`(, )?/, "", left) }
		left != "" || $(NF - 1) == "" { print $2 }'
}

cat >threats.md <<'P'
## Threats

| who | what | held by |
|---|---|---|
| one | is held | `sh/docs`, `unit/json` |
| two | is hoped | |
| three | is said | a promise |
| four | is half of it | `sh/docs`, and hope |
P
same "threats that no test holds are found" 'two three four' "$(unproven threats.md | xargs)"
same "SECURITY.md: each threat has its test" '' "$(unproven "$SRCDIR/SECURITY.md")"
check "and there are some" test "$(grep -c '`sh/' "$SRCDIR/SECURITY.md")" -gt 15
check "README.md says where that is" grep -q 'SECURITY[.]md' "$SRCDIR/README.md"

for page in README.md CONTRIBUTING.md ARCHITECTURE.md SECURITY.md CHANGELOG.md; do
	[ -e "$SRCDIR/$page" ] || { skip "$page" "not there"; continue; }
	missing=
	for p in $(set -f; paths "$SRCDIR/$page"); do
		there "$p" || missing="$missing $p"
	done
	same "$page names what is there" '' "$missing"
	missing=
	for t in $(targets "$SRCDIR/$page"); do
		make -n -C "$SRCDIR" "$t" >make.out 2>&1 || missing="$missing $t"
	done
	same "$page: targets of make" '' "$missing"
done
check "CONTRIBUTING.md names paths" test "$(paths "$SRCDIR/CONTRIBUTING.md" | grep -c .)" -gt 10
check "and targets" test "$(targets "$SRCDIR/CONTRIBUTING.md" | grep -c .)" -gt 5
check "CHANGELOG.md has this version" grep -qE "^## .*$(cat "$SRCDIR/VERSION" | sed 's/[.]/[.]/g')([ ,]|\$)" \
	"$SRCDIR/CHANGELOG.md"
