# What 'azswarm completion' prints, in the shells that it is for; and that what
# they offer is what the program takes, asked of the program itself.
# time: 180
. "$SRCDIR/tests/lib.sh"
need bash zsh fish

mkdir bin home
ln -s "$AZSWARM" bin/azswarm
for s in bash zsh fish; do
	expect "completion $s" 0 '' "$AZSWARM" completion $s
	cp out $s.script
	expect "$s reads it" 0 '' $s -n $s.script
	check "$s: and has nothing to say" test ! -s out
done

# ---- bash: the function, called as readline calls it -----------------------

cat >bash.run <<'X'
source ./bash.script
# each argument is a command line, its words with blanks between
for line; do
	COMP_WORDS=($line)
	[ "${line% }" = "$line" ] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_azswarm
	echo "$line|${COMPREPLY[*]}"
done
X
offers()	# LINE: what bash would offer, sorted
{
	bare bash bash.run "$1" | sed 's/.*|//' | tr ' ' '\n' | sort | xargs
}

check "bash: it is azswarm's" bash -c 'source ./bash.script && complete -p azswarm | grep -qx "complete -F _azswarm azswarm"'
listed=$("$AZSWARM" help | sed -n 's/^  \([a-z-]*\)  .*/\1/p')
same "bash: commands are those of help" "$(echo "$listed" | sort | xargs)" "$(offers 'azswarm ')"
same "bash: of some letters" 'deploy-stack deploy-storage' "$(offers 'azswarm deploy-st')"
same "bash: of letters that nothing begins with" '' "$(offers 'azswarm x')"
same "bash: flags" '--agent-count --agent-size' "$(offers 'azswarm params --agent')"
same "bash: flags behind others" '--drain-limit --dry-run' "$(offers 'azswarm deploy-compute --quiet --d')"
same "bash: values" 'json table tsv' "$(offers 'azswarm list-agents --output ')"
same "bash: values behind =" 'json' "$(offers 'azswarm list-agents --output = j')"
same "bash: values, = just typed" 'json table tsv' "$(offers 'azswarm list-agents --output =')"
same "bash: a setting of two words" 'auto off' "$(offers 'azswarm params --rebalance ')"
same "bash: a setting that is yes or no" 'false true' "$(offers 'azswarm keys --own-key ')"
same "bash: a setting of any value" '' "$(offers 'azswarm params --location ')"
same "bash: a driver" 'nspawn qemu' "$(offers 'azswarm emulator --machines ')"
same "bash: a word" 'leave' "$(offers 'azswarm agent ')"
same "bash: shells" 'bash fish zsh' "$(offers 'azswarm completion ')"
same "bash: topics of help" 'settings sign-in sizes' "$(offers 'azswarm help s' | tr ' ' '\n' | grep '^s[ei]' | xargs)"
same "bash: files" 'bash.run bash.script' "$(offers 'azswarm trust bash.')"
same "bash: files of a flag" 'bash.run bash.script' "$(offers 'azswarm image -o bash.')"
same "bash: ssh" '--output --own-key' "$(offers 'azswarm ssh --o')"
same "bash: what a machine is to run is the machine's" '' "$(offers 'azswarm ssh agents000000 --o')"
same "bash: nor is the machine one of help's topics" '' "$(offers 'azswarm ssh ')"
same "bash: an unknown command" '' "$(offers 'azswarm frobnicate x')"

# ---- what is offered is what is taken --------------------------------------

# Flags of all commands, and for each command those that bash offers.
for c in $listed; do
	echo "azswarm $c -"
done >lines
xargs -d '\n' env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 bash bash.run <lines | sed 's/^azswarm \([a-z-]*\) -|/\1 /' >offered
cut -d ' ' -f 2- offered | tr ' ' '\n' | grep '^-' | sort -u >every
same "every command offers --help" "$(wc -l <lines)" "$(grep -c -e " --help" offered)"
check "and there are many flags" test "$(wc -l <every)" -gt 50
# With --help nothing is done; but what is not taken is refused all the same, and
# so is a flag at the end that wants a value.
while read -r f; do
	c=$(grep -m 1 -- " $f\( \|\$\)" offered | cut -d ' ' -f 1)
	"$AZSWARM" "$c" --help "$f" >page 2>&1 </dev/null || f="$f table"
	echo "$f"
done <every >wanting
check "some want a value, some do not" sh -c "grep -q ' table' wanting && grep -qvx '.* table' wanting"
wrong= n=0
while read -r c flags; do
	all=
	while read -r f value; do
		case " $flags " in
		*" $f "*) all="$all $f $value" ;;
		# refused flags are many: each one at every tenth command
		*)	n=$((n + 1))
			[ $((n % 10)) -ne 0 ] || ! "$AZSWARM" "$c" $f $value --help >page 2>&1 </dev/null ||
				wrong="$wrong $c:$f" ;;
		esac
	done <wanting
	"$AZSWARM" "$c" $all --help >page 2>&1 </dev/null || wrong="$wrong $c: $(cat page);"
done <offered
same "each flag that is offered is taken, and no other" '' "$wrong"

# ---- fish ------------------------------------------------------------------

# As 'complete -C' does, which is what Tab asks.
cat >fish.run <<'X'
source ./fish.script
for line in $argv
	echo $line'|'(string join ' ' -- (complete -C $line | string replace -r '\t.*' '' | sort))
end
X
fish_offers()	# LINE...
{
	bare HOME="$PWD/home" PATH="$PWD/bin:/usr/bin:/bin" LC_ALL=C fish --no-config fish.run "$@"
}
fishes()	# LINE
{
	fish_offers "$1" | sed 's/.*|//'
}

same "fish: commands are those of help" "$(echo "$listed" | LC_ALL=C sort | xargs)" "$(fishes 'azswarm ')"
same "fish: flags" '--agent-count --agent-size' "$(fishes 'azswarm params --agent')"
same "fish: values" 'json table tsv' "$(fishes 'azswarm list-agents --output ')"
same "fish: values behind =" '--rebalance=auto --rebalance=off' "$(fishes 'azswarm params --rebalance=')"
same "fish: shells" 'bash fish zsh' "$(fishes 'azswarm completion ')"
same "fish: topics of help" 'exit-codes' "$(fishes 'azswarm help exi')"
same "fish: files" 'bash.run bash.script' "$(fishes 'azswarm trust bash.')"
same "fish: no files where none are wanted" '' "$(fishes 'azswarm version bash.')"
same "fish: what a machine is to run is the machine's" '' "$(fishes 'azswarm ssh agents000000 --o')"
check "fish: what a flag is for" sh -c "env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 HOME='$PWD/home' PATH=/usr/bin:/bin fish --no-config -c \
	'source ./fish.script; complete -C \"azswarm params --agent-c\"' | grep -q 'agents to begin with'"
# every command's, against bash's
xargs -d '\n' env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 HOME="$PWD/home" PATH=/usr/bin:/bin LC_ALL=C fish --no-config fish.run <lines |
	sed 's/^azswarm \([a-z-]*\) -|/\1 /' >fish.offered
LC_ALL=C awk '{ n = split($0, w, " "); s = ""; for (i = 2; i <= n; i++) print w[1], w[i] }' fish.offered | sort >fish.pairs
LC_ALL=C awk '{ n = split($0, w, " "); s = ""; for (i = 2; i <= n; i++) print w[1], w[i] }' offered | sort >bash.pairs
same "fish: the flags of every command are bash's" '' "$(diff bash.pairs fish.pairs | head -n 5 | xargs)"

# ---- zsh: typed on a terminal of its own -----------------------------------

# What is shown on the terminal z, up to a text, is put into $all.
cat >until.run <<'X'
until_shown() {	# TEXT: a minute at the most
	local got n=0
	all=
	until [[ $all == *$1* ]] || (( n++ > 600 )); do
		zpty -r -t z got && all+=$got || sleep 0.1
	done
}
X

# Each line is typed, then Tab, then a key that says "done": keys are taken one
# after the other.  Ctrl-U takes the line away.
cat >zsh.run <<'X'
zmodload zsh/zpty
source ./until.run
typed() {
	zpty -w -n z "$1"$'\t\C-xd'
	until_shown DONE
	print -r -- "$all"
	zpty -w -n z $'\C-u'
}
zpty -b z env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 HOME=$HOME PATH=$PATH TERM=dumb LC_ALL=C zsh -f -i
zpty -w z 'stty rows 200 columns 200; PS1=; LISTMAX=9999; unsetopt list_ambiguous'
zpty -w z 'said() { print -n "DO""NE" }; zle -N said; bindkey "^Xd" said'
zpty -w z 'autoload -U compinit; compinit -u -D; source ./zsh.script; echo "rea""dy"'
until_shown ready
for line; do
	print -r -- "== $line"
	typed $line
done
zpty -d z
X
bare HOME="$PWD/home" PATH="$PWD/bin:/usr/bin:/bin" LC_ALL=C timeout 150 zsh -f zsh.run 'azswarm deploy-st' \
	'azswarm params --agent-' 'azswarm list-agents --output ' 'azswarm params --rebalance=' \
	'azswarm completion ' 'azswarm help exit' 'azswarm trust zsh.' 'azswarm ssh agents000000 --o' \
	'azswarm destroy-st' 'azswarm list-agents --no-w' 'azswarm scale-service --no-w' >zsh.out 2>&1
zshes()	# LINE: words that it shows behind that
{
	awk -v line="== $1" '$0 == line { on = 1; next } /^== / { on = 0 } on' zsh.out | tr -d '\r\007' |
		sed 's/\x1b\[[0-9;?]*[A-Za-z]//g'
}
shows()		# LINE WORD...
{
	shows_line=$1
	shift
	for shows_word in "$@"; do
		check "zsh: '$shows_line' and Tab: $shows_word" sh -c 'printf %s "$0" | grep -q -- "$1"' \
			"$(zshes "$shows_line")" "$shows_word"
	done
}
shows 'azswarm deploy-st' 'deploy-stack  *-- the services of a compose file' 'deploy-storage  *-- storage account'
shows 'azswarm params --agent-' '--agent-count  *-- agents to begin with' '--agent-size  *-- VM size of agents'
shows 'azswarm list-agents --output ' json table tsv
shows 'azswarm params --rebalance=' auto off
shows 'azswarm completion ' bash fish zsh
shows 'azswarm help exit' 'help exit-codes'
shows 'azswarm trust zsh.' zsh.run zsh.script
shows 'azswarm destroy-st' destroy-stack destroy-storage
shows 'azswarm scale-service --no-w' '--no-wait'
check "zsh: a flag that the command does not take" sh -c '! printf %s "$0" | grep -q -- --no-wait' \
	"$(zshes 'azswarm list-agents --no-w')"
check "zsh: what a machine is to run is the machine's" sh -c '! printf %s "$0" | grep -q -- --output' \
	"$(zshes 'azswarm ssh agents000000 --o')"
# bash once more, typed: where readline itself takes the line apart.  What the
# command is given then, a program of its name says.
mkdir said
: >'odd name'
printf '#!/bin/sh\nprintf "given<%%s>" "$@"\n' >said/azswarm
chmod +x said/azswarm
cat >typed.run <<'X'
zmodload zsh/zpty
source ./until.run
zpty -b z env -i AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:9 HOME=$HOME PATH=$PATH TERM=dumb LC_ALL=C bash --norc -i
zpty -w z 'PS1=; source ./bash.script; echo rea""dy'
until_shown ready
for line; do
	zpty -w z "$line"$'\t'
	zpty -w z 'echo DO""NE'
	until_shown DONE
	print -r -- "== $line"
	print -r -- "$all"
done
zpty -d z
X
bare HOME="$PWD/home" PATH="$PWD/said:/usr/bin:/bin" LC_ALL=C timeout 150 zsh -f typed.run 'azswarm destroy-stac' \
	'azswarm params --rebalance=a' 'azswarm params --rebalance a' 'azswarm trust zsh.s' 'azswarm trust odd' >typed.out 2>&1
becomes()	# LINE GIVEN...
{
	becomes_line=$1
	shift
	same "bash, typed: '$becomes_line' and Tab" "$(printf 'given<%s>' "$@")" \
		"$(awk -v line="== $becomes_line" '$0 == line { on = 1; next } /^== / { on = 0 } on' typed.out |
			tr -d '\r' | grep -o 'given<.*>')"
}
becomes 'azswarm destroy-stac' destroy-stack
becomes 'azswarm params --rebalance=a' params --rebalance=auto
becomes 'azswarm params --rebalance a' params --rebalance auto
becomes 'azswarm trust zsh.s' trust zsh.script
becomes 'azswarm trust odd' trust 'odd name'
# in a folder of $fpath it is found by its first line
mkdir functions && cp zsh.script functions/_azswarm
check "zsh: as a file of fpath" bare HOME="$PWD/home" PATH=/usr/bin:/bin zsh -fc \
	'fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D; [[ $_comps[azswarm] == _azswarm ]]'
