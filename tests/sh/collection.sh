# Templates of other people: a folder of them, evaluated.
# needs: TEMPLATES, a folder with templates, and the files of their parameters
#        beside them, as in github.com/Azure/azure-quickstart-templates.
# time: 300
# Nothing of them is here: who has a collection says where.  It prints what
# share is evaluated, what is refused in so many words, and the reasons.
. "$SRCDIR/tests/lib.sh"

tool=$SRCDIR/build/tests/collection_tool
share=60	# of a hundred that are evaluated, at least

# The tool itself, on templates of which that is known.
head='"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","contentVersion":"1.0.0.0"'
mkdir own
echo "{$head,\"resources\":[]}" >own/evaluated.json
echo "{$head,\"parameters\":{\"p\":{\"type\":\"string\"}},\"resources\":[]}" >own/by-rule.json
echo "{$head,\"resources\":[],\"outputs\":{\"o\":{\"type\":\"string\",\"value\":\"[nonsense()]\"}}}" >own/faulty.json
echo "{$head,\"parameters\":{\"p\":{\"type\":\"object\"}},\"resources\":[],\"outputs\":{\"o\":{\"type\":\"string\",\"value\":\"[parameters('p').x]\"}}}" >own/guessed.json
echo "{$head,\"languageVersion\":\"9.9\",\"resources\":{}}" >own/refused.json
echo '{"$schema":"something else"}' >own/other.json
for name in evaluated by-rule faulty guessed refused other; do
	want=$name
	[ $name != by-rule ] || want=evaluated
	same "the tool: $name" "$want" "$(echo own/$name.json | "$tool" | cut -f 1)"
done

if [ -z "${TEMPLATES-}" ]; then
	skip 'a collection' 'TEMPLATES names no folder'
	exit 0
fi

find "$TEMPLATES" -name '*.json' | sort >files
"$tool" <files >told 2>errors
check 'every file was looked at, and nothing fell over' \
	sh -c 'test ! -s errors && test "$(wc -l <told)" = "$(wc -l <files)"'
grep -v '^other' told >templates
all=$(wc -l <templates)
of()		# WORD : how many, and how many of a hundred
{
	awk -F '\t' -v w="$1" -v all="$all" '$1 == w { n++ }
		END { printf "%d of %d templates, %.1f %%\n", n, all, all ? 100 * n / all : 0 }' templates
}
for word in evaluated refused guessed faulty; do
	echo "$word: $(of $word)"
	grep "^$word" templates | cut -f 3 | sed "s/'[^']*'/'...'/g" | sort | uniq -c |
		sort -rn | sed -n '1,15p' | grep -v '^ *[0-9]* $'
done
check "at least $share of a hundred are evaluated" \
	sh -c "test $all -gt 0 && test $((100 * $(grep -c '^evaluated' templates))) -ge $((share * all))"
