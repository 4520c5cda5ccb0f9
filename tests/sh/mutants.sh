# time: 300
# 'make mutants': its list says what the sources say (which costs nothing to
# see; the changes themselves are not tried here), and of a small tree with one
# of each kind of row it tells which test noticed and which row is no good.
. "$SRCDIR/tests/lib.sh"
need cc make python3

expect "every row is in one place of the sources" 0 '^[1-9][0-9]* apply, 0 do not' \
	"$SRCDIR/tests/mutants.py" --check

# ---- a tree of its own ----

mkdir -p tree/tests/unit tree/base tree/build
cp "$SRCDIR/tests/mutants.py" "$SRCDIR/tests/run" tree/tests/
cat >tree/Makefile <<'X'
build/unit/%: tests/unit/%.c base/sum.c
	@mkdir -p build/unit
	@cc -o $@ $^
X
cat >tree/base/sum.c <<'X'
int sum(int a, int b)
{
	return a + b;
}

int twice(int a)
{
	return a + a;
}

int half(int a)
{
	return a / 2;
}

int down(int a)
{
	while (a > 0)
		a--;
	return a;
}
X
cat >tree/tests/unit/sum.c <<'X'
#include <stdio.h>
int sum(int a, int b), half(int a), down(int a);
int main(void)
{
	int good = sum(2, 3) == 5 && half(4) == 2 && down(3) == 0;

	printf("%s sum five\n", good ? "ok" : "not ok");
	return !good;
}
X
cat >tree/tests/unit/red.c <<'X'
#include <stdio.h>
int main(void)
{
	printf("not ok red always\n");
	return 1;
}
X
cat >tree/tests/unit/idle.c <<'X'
#include <stdio.h>
int main(void)
{
	printf("skip idle all: nothing to do\n");
	return 0;
}
X

row()		# NAME TEST OLD NEW [BELOW]
{
	printf '%s %s\n' "$1" "$2"
	[ -z "${5-}" ] || printf '\t@ %s\n' "$5"
	printf '\t- %s\n\t+ %s\n' "$3" "$4"
}

list()		# what it is given on standard input becomes the list
{
	cat >tree/tests/mutants
}

mutants()
{
	tree/tests/mutants.py "$@"
}

{
	echo '# a comment'
	row minus unit/sum 'return a + b;' 'return a - b;'
	row below unit/sum 'return a' 'return 7 + a' 'int half(int a)'
	row survivor unit/sum 'return a + a;' 'return a;'
	row stale unit/sum 'return c + d;' 'return c;'
	row many unit/sum 'return a +' 'return a -'
	row nobody unit/none 'return a + b;' 'return b;'
	row broken unit/sum 'return a + b;' 'return a +;'
	row already unit/red 'return a + b;' 'return b;'
	row skipped unit/idle 'return a + b;' 'return b;'
} | list
before=$(cd tree && find . -path ./build -prune -o -type f -print | sort | xargs cksum)
mkdir tmp
expect "a list of which some rows are no good" 1 '^2 noticed, 7 failed' \
	env TMPDIR="$PWD/tmp" tree/tests/mutants.py
mv out all
told()		# CASE ERE
{
	if grep -qE -e "$2" all; then
		ok "$1"
	else
		not_ok "$1" "$(tr '\n' ' ' <all)"
	fi
}
told "a change that a test notices" '^ok minus \(base/sum.c:3, unit/sum, [0-9]+ s\): sum five'
told "the first line below another" '^ok below \(base/sum.c:13,'
told "one that none notices" '^not ok survivor .*: SURVIVED: unit/sum passes with it'
told "one whose line is gone" '^not ok stale .*: is not in the sources: return c \+ d;'
told "one whose line is there twice" '^not ok many .*: is 2 times in the sources: return a \+ '
told "one without its test" '^not ok nobody .*: there is no test unit/none'
told "one that does not compile" '^not ok broken .*: does not compile'
told "one whose test fails anyway" '^not ok already .*: unit/red fails without the change: red always'
told "one whose test is skipped" '^not ok skipped .*: unit/idle tests nothing here'
same "the tree is as it was" "$before" \
	"$(cd tree && find . -path ./build -prune -o -type f -print | sort | xargs cksum)"
same "nothing is left behind" '' "$(ls tmp)"

expect "one by its name" 0 '^1 noticed, 0 failed' mutants minus
expect "looking only" 1 '^6 apply, 3 do not' mutants --check
expect "a name that is none" 2 'mutants: no row is called plus' mutants plus

row endless unit/sum 'a--;' 'a++, a--;' | list
sed -i 's/^ROW_LIMIT = .*/ROW_LIMIT = 4/; s/^ROW_TIMES = .*/ROW_TIMES = 0/' tree/tests/mutants.py
expect "a test that does not end has noticed" 0 '^ok endless .*: it does not end' mutants

refused()	# CASE WORDS, the list on standard input
{
	list
	expect "$1" 2 "$2" mutants --check
}
row twins unit/sum 'a--;' 'a++;' >twin
cat twin twin | refused "a name twice" 'tests/mutants:4: twins is there twice'
row idle unit/sum 'a--;' 'a--;' | refused "a change that is none" 'mutants:1: idle changes nothing'
printf 'x unit/sum\n\t- a--;\n' | refused "half a row" 'mutants:1: x changes nothing'
printf '\t- a--;\n' | refused "a change without a name" 'mutants:1: expected @, - or \+'
printf 'x sum\n' | refused "a test without its kind" 'mutants:1: expected NAME TEST'

# ---- ended from outside ----

row endless unit/sum 'a--;' 'a++, a--;' | list
sed -i 's/^ROW_LIMIT = .*/ROW_LIMIT = 200/' tree/tests/mutants.py
spawn ended.log env TMPDIR="$PWD/tmp" tree/tests/mutants.py
second_run()
{
	[ "$(find tmp/*/build/test-logs -mindepth 1 -maxdepth 1 -type d | wc -l)" -eq 2 ]
}
wait_for 60 second_run
kill $spawned
gone()
{
	! running $spawned
}
check "ended: it ends" wait_for 60 gone
same "and leaves nothing behind" '' "$(ls tmp)"
